package freshet.peers;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/** A growing buffer with the few kinds of text that rows are made of. */
final class Bytes {
    byte[] data;
    int length;

    Bytes(int capacity) {
        data = new byte[capacity];
    }

    private void room(int more) {
        if (data.length - length < more) {
            data = Arrays.copyOf(data, Math.max(2 * data.length, length + more));
        }
    }

    void add(byte[] from, int offset, int count) {
        room(count);
        System.arraycopy(from, offset, data, length, count);
        length += count;
    }

    void add(byte[] from) {
        add(from, 0, from.length);
    }

    void add(char c) {
        room(1);
        data[length++] = (byte) c;
    }

    void add(String ascii) {
        add(ascii.getBytes(StandardCharsets.ISO_8859_1));
    }

    void add(long value) {
        int digits = digits(value);
        room(digits);
        int at = length + digits;
        long left = value;
        do {
            data[--at] = (byte) ('0' + Math.abs(left % 10));
            left /= 10;
        } while (left != 0);
        if (value < 0) {
            data[--at] = '-';
        }
        length += digits;
    }

    /** Scaled by 100, with two digits behind the point. */
    void addHundredths(long value) {
        if (value < 0) {
            add('-');
        }
        add(Math.abs(value / 100));
        add('.');
        add((char) ('0' + Math.abs(value / 10 % 10)));
        add((char) ('0' + Math.abs(value % 10)));
    }

    void addQuoted(Utf8 text) {
        add('"');
        byte[] bytes = text.bytes;
        int plain = 0;
        for (int i = 0; i < bytes.length; i++) {
            if (bytes[i] == '"' || bytes[i] == '\\' || bytes[i] >= 0 && bytes[i] < ' ') {
                add(bytes, plain, i - plain);
                add(String.format("\\u%04x", (int) bytes[i]));
                plain = i + 1;
            }
        }
        add(bytes, plain, bytes.length - plain);
        add('"');
    }

    void addList(Utf8[] values, int count) {
        add('[');
        for (int i = 0; i < count; i++) {
            if (i > 0) {
                add(',');
            }
            addQuoted(values[i]);
        }
        add(']');
    }

    void addCounts(Histogram counts) {
        add('{');
        for (int i = 0; i < counts.size(); i++) {
            if (i > 0) {
                add(',');
            }
            addQuoted(counts.value(i));
            add(':');
            add(counts.count(i));
        }
        add('}');
    }

    static int digits(long value) {
        int digits = value < 0 ? 2 : 1;
        for (long left = value / 10; left != 0; left /= 10) {
            digits++;
        }
        return digits;
    }
}
