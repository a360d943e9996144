package freshet.peers.sliced;

import freshet.peers.ActivityTotals;
import freshet.peers.Coding;
import freshet.peers.Event;
import freshet.peers.Utf8;
import freshet.peers.View;
import java.io.DataOutput;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;

/** Tumbling windows: the few that are open at a time, each with its totals. */
final class Days extends Part {
    private static final View VIEW = View.ACTIVITY_24H;

    private record Day(long endMs, ActivityTotals totals) {}

    private final List<Day> days = new ArrayList<>(1);

    @Override
    boolean add(Utf8 user, Event event, Emission out) {
        long endMs = VIEW.boundaryAfter(event.timeMs);
        if (out.isClosed(endMs)) {
            return false;
        }
        Day day = find(endMs);
        day.totals.add(event.type, event.item);
        if (endMs <= out.reachedMs()) {
            emit(user, day, out);
        }
        wake(VIEW, event.timeMs, VIEW.boundaryUpTo(out.reachedMs()));
        return true;
    }

    private Day find(long endMs) {
        for (int i = days.size() - 1; i >= 0; i--) {
            if (days.get(i).endMs == endMs) {
                return days.get(i);
            }
        }
        Day made = new Day(endMs, new ActivityTotals());
        days.add(made);
        return made;
    }

    /** A day is kept until the next one ends, for events that come late. */
    @Override
    void fire(Utf8 user, long boundaryMs, Emission out) {
        days.removeIf(day -> day.endMs < boundaryMs);
        for (Day day : days) {
            if (day.endMs == boundaryMs) {
                emit(user, day, out);
            }
        }
        next = days.isEmpty() ? Emission.NEVER : boundaryMs + VIEW.slideMs;
    }

    private static void emit(Utf8 user, Day day, Emission out) {
        out.emit(VIEW, user, day.endMs - VIEW.sizeMs, day.endMs, day.totals);
    }

    @Override
    public void write(DataOutput out) throws IOException {
        out.writeLong(next);
        out.writeInt(days.size());
        for (Day day : days) {
            out.writeLong(day.endMs);
            day.totals.write(out);
        }
    }

    @Override
    public void read(Coding.Input in) throws IOException {
        next = in.source().readLong();
        for (int left = in.source().readInt(); left > 0; left--) {
            Day day = new Day(in.source().readLong(), new ActivityTotals());
            day.totals.read(in);
            days.add(day);
        }
    }

    @Override
    public Part copy() {
        Days made = new Days();
        made.next = next;
        for (Day day : days) {
            made.days.add(new Day(day.endMs, day.totals.copy()));
        }
        return made;
    }
}
