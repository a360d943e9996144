package freshet.peers;

import java.util.Arrays;

/**
 * Gives equal bytes the same {@link Utf8}, mostly: a direct-mapped cache of fixed size, in which a
 * newcomer replaces what it collides with. So most strings are neither allocated nor compared byte
 * by byte again. Owned by one thread.
 */
public final class Interner {
    private static final int SLOTS = 1 << 16;

    private final Utf8[] slots = new Utf8[SLOTS];

    public Utf8 get(byte[] bytes, int from, int length) {
        long hash = Utf8.hash(bytes, from, length);
        int slot = (int) hash & SLOTS - 1;
        Utf8 found = slots[slot];
        if (found != null && found.is(bytes, from, length)) {
            return found;
        }
        Utf8 made = new Utf8(Arrays.copyOfRange(bytes, from, from + length), hash);
        slots[slot] = made;
        return made;
    }
}
