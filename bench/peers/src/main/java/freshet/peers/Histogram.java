package freshet.peers;

import java.io.DataOutput;
import java.io.IOException;
import java.util.Arrays;

/** How often each of few values occurs, sorted by value. */
public final class Histogram implements Coding.Coded<Histogram> {
    private Utf8[] values = new Utf8[4];
    private int[] counts = new int[4];
    private int size;

    public int size() {
        return size;
    }

    public Utf8 value(int at) {
        return values[at];
    }

    public int count(int at) {
        return counts[at];
    }

    public void add(Utf8 value, int by) {
        for (int i = 0; i < size; i++) {
            if (values[i] == value) { // nearly always, for strings are interned
                counts[i] += by;
                return;
            }
        }
        int at = Arrays.binarySearch(values, 0, size, value);
        if (at >= 0) {
            counts[at] += by;
        } else {
            insert(-at - 1, value, by);
        }
    }

    private void insert(int at, Utf8 value, int count) {
        if (size == values.length) {
            values = Arrays.copyOf(values, 2 * size);
            counts = Arrays.copyOf(counts, 2 * size);
        }
        System.arraycopy(values, at, values, at + 1, size - at);
        System.arraycopy(counts, at, counts, at + 1, size - at);
        values[at] = value;
        counts[at] = count;
        size++;
    }

    public void remove(Utf8 value) {
        int at = 0;
        while (at < size && values[at] != value) {
            at++;
        }
        if (at == size) {
            at = Arrays.binarySearch(values, 0, size, value);
        }
        if (--counts[at] == 0) {
            size--;
            System.arraycopy(values, at + 1, values, at, size - at);
            System.arraycopy(counts, at + 1, counts, at, size - at);
            values[size] = null;
        }
    }

    public void addAll(Histogram other) {
        for (int i = 0; i < other.size; i++) {
            add(other.values[i], other.counts[i]);
        }
    }

    /** The most frequent value, of equal ones the smallest; null: there is none. */
    public Utf8 top() {
        int best = -1;
        for (int i = 0; i < size; i++) {
            if (best < 0 || counts[i] > counts[best]) {
                best = i;
            }
        }
        return best < 0 ? null : values[best];
    }

    @Override
    public void write(DataOutput out) throws IOException {
        out.writeInt(size);
        for (int i = 0; i < size; i++) {
            Coding.write(out, values[i]);
            out.writeInt(counts[i]);
        }
    }

    @Override
    public void read(Coding.Input in) throws IOException {
        int count = in.source().readInt();
        values = new Utf8[Math.max(4, count)];
        counts = new int[values.length];
        for (size = 0; size < count; size++) {
            values[size] = in.text();
            counts[size] = in.source().readInt();
        }
    }

    @Override
    public Histogram copy() {
        Histogram made = new Histogram();
        made.values = values.clone();
        made.counts = counts.clone();
        made.size = size;
        return made;
    }
}
