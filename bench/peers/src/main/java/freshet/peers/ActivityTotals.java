package freshet.peers;

import java.io.DataOutput;
import java.io.IOException;

/** What the views of user_activity say of a window. */
public final class ActivityTotals implements Totals, Coding.Coded<ActivityTotals> {
    private long events;
    private Multiset pages = new Multiset();
    private Histogram types = new Histogram();

    @Override
    public long events() {
        return events;
    }

    @Override
    public void add(Utf8 type, Utf8 page) {
        events++;
        pages.add(page);
        types.add(type, 1);
    }

    @Override
    public void remove(Utf8 type, Utf8 page) {
        events--;
        pages.remove(page);
        types.remove(type);
    }

    @Override
    public void write(View view, Row.Features out) {
        out.integer(view.features[0], events);
        out.integer(view.features[1], pages.size());
        out.counts(view.features[2], types);
    }

    @Override
    public void write(DataOutput out) throws IOException {
        out.writeLong(events);
        pages.write(out);
        types.write(out);
    }

    @Override
    public void read(Coding.Input in) throws IOException {
        events = in.source().readLong();
        pages.read(in);
        types.read(in);
    }

    @Override
    public ActivityTotals copy() {
        ActivityTotals made = new ActivityTotals();
        made.events = events;
        made.pages = pages.copy();
        made.types = types.copy();
        return made;
    }
}
