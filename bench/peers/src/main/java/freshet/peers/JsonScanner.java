package freshet.peers;

import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * One pass over the bytes of one JSON text, in full: what is not looked at is checked nevertheless,
 * as a dead letter must be told from an event. Nothing is allocated but for strings with escapes.
 */
final class JsonScanner {
    /** Not JSON, or not of the type that is needed. One object, without a stack. */
    static final class Malformed extends Exception {
        private Malformed() {
            super("malformed", null, false, false);
        }
    }

    static final Malformed MALFORMED = new Malformed();

    private static final int DEPTH_MAX = 64;
    private static final int DIGITS_MAX = 18;

    private byte[] in;
    private int at;
    private int end;

    // The last string
    byte[] text;
    int textFrom;
    int textLength;

    // The last number: digits * 10 ^ exponent
    long digits;
    int exponent;
    private boolean tooLong;

    void start(byte[] json) {
        in = json;
        at = 0;
        end = json.length;
    }

    /** The next byte that is no white space; 0 at the end. It is not taken. */
    int peek() {
        while (at < end) {
            int c = in[at];
            if (c > ' ' || c < 0) {
                return c;
            }
            if (c != ' ' && c != '\n' && c != '\r' && c != '\t') {
                return c;
            }
            at++;
        }
        return 0;
    }

    void expect(char wanted) throws Malformed {
        if (peek() != wanted) {
            throw MALFORMED;
        }
        at++;
    }

    /** Takes the byte if it is the next. */
    boolean accept(char wanted) {
        if (peek() != wanted) {
            return false;
        }
        at++;
        return true;
    }

    void finish() throws Malformed {
        peek();
        if (at != end) {
            throw MALFORMED;
        }
    }

    /** A string that begins with the next byte, into {@link #text}. */
    void string() throws Malformed {
        expect('"');
        int from = at;
        boolean ascii = true;
        for (int i = from; i < end; i++) {
            int c = in[i];
            if (c == '"') {
                text = in;
                textFrom = from;
                textLength = i - from;
                at = i + 1;
                if (!ascii) {
                    checkUtf8();
                }
                return;
            }
            if (c == '\\') {
                escaped(from);
                return;
            }
            if (c < 0) {
                ascii = false;
            } else if (c < ' ') {
                throw MALFORMED;
            }
        }
        throw MALFORMED;
    }

    boolean textIs(byte[] other) {
        return Arrays.equals(text, textFrom, textFrom + textLength, other, 0, other.length);
    }

    private void checkUtf8() throws Malformed {
        try {
            StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(text, textFrom, textLength));
        } catch (CharacterCodingException e) {
            throw MALFORMED;
        }
    }

    /** A string with an escape in it: rare, so by way of a String. */
    private void escaped(int from) throws Malformed {
        int close = from;
        while (close < end && in[close] != '"') {
            close += in[close] == '\\' ? 2 : 1;
        }
        if (close >= end) {
            throw MALFORMED;
        }
        text = in;
        textFrom = from;
        textLength = close - from;
        checkUtf8();
        String raw = new String(in, from, close - from, StandardCharsets.UTF_8);
        StringBuilder plain = new StringBuilder(raw.length());
        for (int i = 0; i < raw.length(); i++) {
            char c = raw.charAt(i);
            if (c < ' ') {
                throw MALFORMED;
            }
            if (c != '\\') {
                plain.append(c);
                continue;
            }
            char kind = raw.charAt(++i);
            if (kind == 'u') {
                plain.append(hex(raw, i + 1));
                i += 4;
            } else {
                int which = "\"\\/bfnrt".indexOf(kind);
                if (which < 0) {
                    throw MALFORMED;
                }
                plain.append("\"\\/\b\f\n\r\t".charAt(which));
            }
        }
        text = plain.toString().getBytes(StandardCharsets.UTF_8);
        textFrom = 0;
        textLength = text.length;
        at = close + 1;
    }

    private static char hex(String raw, int from) throws Malformed {
        int code = 0;
        for (int i = from; i < from + 4; i++) {
            int digit = i < raw.length() ? Character.digit(raw.charAt(i), 16) : -1;
            if (digit < 0) {
                throw MALFORMED;
            }
            code = code << 4 | digit;
        }
        return (char) code;
    }

    /** A number that begins with the next byte, into {@link #digits} and {@link #exponent}. */
    void number() throws Malformed {
        boolean negative = accept('-');
        int first = at;
        digits = 0;
        exponent = 0;
        digits();
        if (at == first || at > first + 1 && in[first] == '0') {
            throw MALFORMED;
        }
        int count = at - first;
        if (at < end && in[at] == '.') {
            int from = ++at;
            digits();
            if (at == from) {
                throw MALFORMED;
            }
            exponent = from - at;
            count += at - from;
        }
        tooLong = count > DIGITS_MAX;
        if (at < end && (in[at] | 0x20) == 'e') {
            at++;
            power();
        }
        if (negative) {
            digits = -digits;
        }
    }

    private void digits() {
        while (at < end && in[at] >= '0' && in[at] <= '9') {
            digits = digits * 10 + in[at] - '0';
            at++;
        }
    }

    private void power() throws Malformed {
        boolean negative = at < end && in[at] == '-';
        if (negative || at < end && in[at] == '+') {
            at++;
        }
        int from = at;
        int value = 0;
        while (at < end && in[at] >= '0' && in[at] <= '9') {
            value = Math.min(value * 10 + in[at] - '0', 10_000);
            at++;
        }
        if (at == from) {
            throw MALFORMED;
        }
        exponent += negative ? -value : value;
    }

    /** The last number times 10 ^ scale, rounded half away from zero. */
    long scaled(int scale) throws Malformed {
        int shift = exponent + scale;
        if (tooLong || shift > DIGITS_MAX) {
            throw MALFORMED;
        }
        long value = digits;
        if (shift >= 0) {
            for (; shift > 0; shift--) {
                if (Math.abs(value) > Long.MAX_VALUE / 10) {
                    throw MALFORMED;
                }
                value *= 10;
            }
            return value;
        }
        if (shift < -DIGITS_MAX) {
            return 0;
        }
        long unit = 1;
        for (; shift < 0; shift++) {
            unit *= 10;
        }
        long half = value < 0 ? -unit / 2 : unit / 2;
        return (value + half) / unit;
    }

    void skip(int depth) throws Malformed {
        switch (peek()) {
            case '{' -> skipMembers(depth);
            case '[' -> skipElements(depth);
            case '"' -> string();
            case 't' -> word("true");
            case 'f' -> word("false");
            case 'n' -> word("null");
            default -> number();
        }
    }

    private void skipMembers(int depth) throws Malformed {
        deeper(depth);
        expect('{');
        if (accept('}')) {
            return;
        }
        do {
            peek();
            string();
            expect(':');
            skip(depth + 1);
        } while (accept(','));
        expect('}');
    }

    private void skipElements(int depth) throws Malformed {
        deeper(depth);
        expect('[');
        if (accept(']')) {
            return;
        }
        do {
            skip(depth + 1);
        } while (accept(','));
        expect(']');
    }

    private static void deeper(int depth) throws Malformed {
        if (depth == DEPTH_MAX) {
            throw MALFORMED;
        }
    }

    void word(String wanted) throws Malformed {
        if (end - at < wanted.length()) {
            throw MALFORMED;
        }
        for (int i = 0; i < wanted.length(); i++) {
            if (in[at++] != wanted.charAt(i)) {
                throw MALFORMED;
            }
        }
    }
}
