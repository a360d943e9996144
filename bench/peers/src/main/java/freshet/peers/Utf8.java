package freshet.peers;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * An immutable string as its UTF-8 bytes, with its hash. Keys and values are never turned into a
 * {@link String}: from the record to the row they are copied, compared and hashed as bytes.
 */
public final class Utf8 implements Comparable<Utf8> {
    private static final VarHandle LONG =
            MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);
    private static final long FACTOR = 0x9E3779B97F4A7C15L;

    public final byte[] bytes;
    private final long hash;

    Utf8(byte[] bytes, long hash) {
        this.bytes = bytes;
        this.hash = hash;
    }

    public static Utf8 of(String text) {
        return of(text.getBytes(StandardCharsets.UTF_8));
    }

    /** Of bytes that nobody changes any more. */
    public static Utf8 of(byte[] bytes) {
        return new Utf8(bytes, hash(bytes, 0, bytes.length));
    }

    static long hash(byte[] bytes, int from, int length) {
        long hash = length * FACTOR;
        int at = from;
        int end = from + length;
        for (; at + Long.BYTES <= end; at += Long.BYTES) {
            hash = (hash ^ (long) LONG.get(bytes, at)) * FACTOR;
            hash ^= hash >>> 32;
        }
        long rest = 0;
        for (; at < end; at++) {
            rest = rest << 8 | (bytes[at] & 0xFF);
        }
        hash = (hash ^ rest) * FACTOR;
        return hash ^ hash >>> 32;
    }

    boolean is(byte[] other, int from, int length) {
        return Arrays.equals(bytes, 0, bytes.length, other, from, from + length);
    }

    @Override
    public boolean equals(Object other) {
        return this == other
                || other instanceof Utf8 that
                        && hash == that.hash
                        && Arrays.equals(bytes, that.bytes);
    }

    @Override
    public int hashCode() {
        return (int) hash;
    }

    long hash64() {
        return hash;
    }

    /** Bytewise, as the keys of maps in rows are sorted. */
    @Override
    public int compareTo(Utf8 other) {
        return Arrays.compareUnsigned(bytes, other.bytes);
    }

    @Override
    public String toString() {
        return new String(bytes, StandardCharsets.UTF_8);
    }
}
