package freshet.peers;

import java.io.DataOutput;
import java.io.IOException;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;

/**
 * How many different values occur, and how often each, so that they can be taken off again: open
 * addressing with linear probing. A value is known by its hash of 64 bits. The table is one array
 * of bytes, so that it is copied, written and read in one piece.
 *
 * <pre>
 *   slot    hash, 8 bytes; 0: free    count, 4 bytes
 * </pre>
 */
public final class Multiset implements Coding.Coded<Multiset> {
    private static final VarHandle LONG =
            MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);
    private static final VarHandle INT =
            MethodHandles.byteArrayViewVarHandle(int[].class, ByteOrder.LITTLE_ENDIAN);
    private static final int SLOT = Long.BYTES + Integer.BYTES;
    private static final int SLOTS_MIN = 4;

    private byte[] table = new byte[SLOTS_MIN * SLOT];
    private int slots = SLOTS_MIN;
    private int size;

    /** How many different values. */
    public int size() {
        return size;
    }

    public void add(Utf8 value) {
        long hash = hashOf(value);
        int slot = find(hash);
        if (hashAt(slot) == 0) {
            set(slot, hash, 1);
            if (++size * 4 > slots * 3) {
                resize(slots * 2);
            }
        } else {
            set(slot, hash, countAt(slot) + 1);
        }
    }

    /** A value that is in it. */
    public void remove(Utf8 value) {
        long hash = hashOf(value);
        int slot = find(hash);
        int left = countAt(slot) - 1;
        if (left > 0) {
            set(slot, hash, left);
            return;
        }
        free(slot);
        if (--size * 8 < slots && slots > SLOTS_MIN) {
            resize(slots / 2);
        }
    }

    private static long hashOf(Utf8 value) {
        long hash = value.hash64();
        return hash == 0 ? 1 : hash;
    }

    private long hashAt(int slot) {
        return (long) LONG.get(table, slot * SLOT);
    }

    private int countAt(int slot) {
        return (int) INT.get(table, slot * SLOT + Long.BYTES);
    }

    private void set(int slot, long hash, int count) {
        LONG.set(table, slot * SLOT, hash);
        INT.set(table, slot * SLOT + Long.BYTES, count);
    }

    private int home(long hash) {
        return (int) (hash >>> 32) & slots - 1;
    }

    private int find(long hash) {
        int slot = home(hash);
        for (long found; (found = hashAt(slot)) != 0 && found != hash; ) {
            slot = slot + 1 & slots - 1;
        }
        return slot;
    }

    /** Those that were pushed on by the value in this slot move up. */
    private void free(int hole) {
        int mask = slots - 1;
        for (int slot = hole + 1 & mask; hashAt(slot) != 0; slot = slot + 1 & mask) {
            if ((slot - home(hashAt(slot)) & mask) >= (slot - hole & mask)) {
                set(hole, hashAt(slot), countAt(slot));
                hole = slot;
            }
        }
        set(hole, 0, 0);
    }

    private void resize(int wanted) {
        byte[] old = table;
        table = new byte[wanted * SLOT];
        slots = wanted;
        for (int at = 0; at < old.length; at += SLOT) {
            long hash = (long) LONG.get(old, at);
            if (hash != 0) {
                set(find(hash), hash, (int) INT.get(old, at + Long.BYTES));
            }
        }
    }

    @Override
    public void write(DataOutput out) throws IOException {
        out.writeInt(size);
        out.writeInt(slots);
        out.write(table, 0, table.length);
    }

    @Override
    public void read(Coding.Input in) throws IOException {
        size = in.source().readInt();
        slots = in.source().readInt();
        table = new byte[slots * SLOT];
        in.source().readFully(table);
    }

    @Override
    public Multiset copy() {
        Multiset made = new Multiset();
        made.table = table.clone();
        made.slots = slots;
        made.size = size;
        return made;
    }
}
