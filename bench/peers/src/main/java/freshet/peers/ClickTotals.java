package freshet.peers;

import java.io.DataOutput;
import java.io.IOException;

/** What the view of session_features says of a window. Its newest items are kept apart. */
public final class ClickTotals implements Totals, Coding.Coded<ClickTotals> {
    public final Newest newest = new Newest();
    private long events;
    private Multiset items = new Multiset();
    private Histogram categories = new Histogram();

    @Override
    public long events() {
        return events;
    }

    @Override
    public void add(Utf8 item, Utf8 category) {
        events++;
        items.add(item);
        categories.add(category, 1);
    }

    @Override
    public void remove(Utf8 item, Utf8 category) {
        events--;
        items.remove(item);
        categories.remove(category);
    }

    @Override
    public void write(View view, Row.Features out) {
        out.list(view.features[0], newest.items, newest.size);
        out.integer(view.features[1], events);
        out.integer(view.features[2], items.size());
        out.integer(view.features[3], categories.size());
        out.text(view.features[4], categories.top());
        out.counts(view.features[5], categories);
    }

    @Override
    public void write(DataOutput out) throws IOException {
        out.writeLong(events);
        items.write(out);
        categories.write(out);
        newest.write(out);
    }

    @Override
    public void read(Coding.Input in) throws IOException {
        events = in.source().readLong();
        items.read(in);
        categories.read(in);
        newest.read(in);
    }

    @Override
    public ClickTotals copy() {
        ClickTotals made = new ClickTotals();
        made.events = events;
        made.items = items.copy();
        made.categories = categories.copy();
        made.newest.set(newest);
        return made;
    }

    /** The newest items, oldest first; of equal times the later record is newer. */
    public static final class Newest {
        private static final int LIMIT = 20;

        private final long[] times = new long[LIMIT];
        private final Utf8[] items = new Utf8[LIMIT];
        private int size;

        public void add(long timeMs, Utf8 item) {
            int at = size;
            while (at > 0 && times[at - 1] > timeMs) {
                at--;
            }
            if (size < LIMIT) {
                System.arraycopy(times, at, times, at + 1, size - at);
                System.arraycopy(items, at, items, at + 1, size - at);
                size++;
            } else if (at == 0) {
                return;
            } else {
                at--;
                System.arraycopy(times, 1, times, 0, at);
                System.arraycopy(items, 1, items, 0, at);
            }
            times[at] = timeMs;
            items[at] = item;
        }

        /** The last of some that are sorted by time. */
        public void take(Utf8[] sorted, int from, int to) {
            size = Math.min(LIMIT, to - from);
            System.arraycopy(sorted, to - size, items, 0, size);
        }

        private void set(Newest from) {
            size = from.size;
            System.arraycopy(from.times, 0, times, 0, size);
            System.arraycopy(from.items, 0, items, 0, size);
        }

        private void write(DataOutput out) throws IOException {
            out.writeByte(size);
            for (int i = 0; i < size; i++) {
                out.writeLong(times[i]);
                Coding.write(out, items[i]);
            }
        }

        private void read(Coding.Input in) throws IOException {
            int count = in.source().readByte();
            for (size = 0; size < count; size++) {
                times[size] = in.source().readLong();
                items[size] = in.text();
            }
        }
    }
}
