package freshet.peers;

import java.io.DataOutput;
import java.io.IOException;

/** How often each of many values occurs: open addressing with linear probing. */
public final class Multiset implements Coding.Coded<Multiset> {
    private static final int SLOTS_MIN = 8;

    private Utf8[] values = new Utf8[SLOTS_MIN];
    private int[] counts = new int[SLOTS_MIN];
    private int size;

    /** How many different values. */
    public int size() {
        return size;
    }

    public void add(Utf8 value, int by) {
        int slot = find(value);
        if (values[slot] == null) {
            values[slot] = value;
            size++;
            counts[slot] = by;
            if (size * 4 > values.length * 3) {
                resize(values.length * 2);
            }
        } else {
            counts[slot] += by;
        }
    }

    public void remove(Utf8 value) {
        int slot = find(value);
        if (--counts[slot] == 0) {
            free(slot);
            size--;
            if (values.length > SLOTS_MIN && size * 8 < values.length) {
                resize(values.length / 2);
            }
        }
    }

    public void addAll(Multiset other) {
        for (int i = 0; i < other.values.length; i++) {
            if (other.values[i] != null) {
                add(other.values[i], other.counts[i]);
            }
        }
    }

    private int find(Utf8 value) {
        int mask = values.length - 1;
        int slot = value.hashCode() & mask;
        while (values[slot] != null && !values[slot].equals(value)) {
            slot = slot + 1 & mask;
        }
        return slot;
    }

    /** Those that were pushed on by the value in this slot move up. */
    private void free(int hole) {
        int mask = values.length - 1;
        for (int slot = hole + 1 & mask; values[slot] != null; slot = slot + 1 & mask) {
            int home = values[slot].hashCode() & mask;
            if ((slot - home & mask) >= (slot - hole & mask)) {
                values[hole] = values[slot];
                counts[hole] = counts[slot];
                hole = slot;
            }
        }
        values[hole] = null;
    }

    private void resize(int slots) {
        Utf8[] oldValues = values;
        int[] oldCounts = counts;
        values = new Utf8[slots];
        counts = new int[slots];
        for (int i = 0; i < oldValues.length; i++) {
            if (oldValues[i] != null) {
                int slot = find(oldValues[i]);
                values[slot] = oldValues[i];
                counts[slot] = oldCounts[i];
            }
        }
    }

    @Override
    public void write(DataOutput out) throws IOException {
        out.writeInt(size);
        for (int i = 0; i < values.length; i++) {
            if (values[i] != null) {
                Coding.write(out, values[i]);
                out.writeInt(counts[i]);
            }
        }
    }

    @Override
    public void read(Coding.Input in) throws IOException {
        for (int left = in.source().readInt(); left > 0; left--) {
            Utf8 value = in.text();
            add(value, in.source().readInt());
        }
    }

    @Override
    public Multiset copy() {
        Multiset made = new Multiset();
        made.values = values.clone();
        made.counts = counts.clone();
        made.size = size;
        return made;
    }
}
