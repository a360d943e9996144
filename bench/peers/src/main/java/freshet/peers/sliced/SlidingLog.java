package freshet.peers.sliced;

import freshet.peers.ActivityTotals;
import freshet.peers.ClickTotals;
import freshet.peers.Coding;
import freshet.peers.Event;
import freshet.peers.Totals;
import freshet.peers.Utf8;
import freshet.peers.View;
import java.io.DataOutput;
import java.io.IOException;
import java.util.Arrays;

/**
 * A sliding window over a log of its events, sorted by time. As the window moves on, what enters
 * it is added to its totals and what leaves is taken off, so an event costs the same however
 * much windows overlap.
 *
 * <pre>
 *   |  free  |  in the window: totals  |  newer than its end  |
 *            low                       high                   end
 * </pre>
 */
final class SlidingLog extends Part {
    private final View view;
    private Totals totals;
    private long[] times = new long[4];
    private Utf8[] firsts = new Utf8[4];
    private Utf8[] seconds = new Utf8[4];
    private int low;
    private int high;
    private int end;

    SlidingLog(View view) {
        this.view = view;
        totals = view == View.CLICKS_30M ? new ClickTotals() : new ActivityTotals();
    }

    @Override
    boolean add(Utf8 user, Event event, Emission out) {
        long timeMs = event.timeMs;
        if (isLate(view, timeMs, out)) {
            return false;
        }
        if (view == View.CLICKS_30M) {
            insert(timeMs, event.item, event.category);
        } else {
            insert(timeMs, event.type, event.item);
        }
        long reachedMs = view.boundaryUpTo(out.reachedMs());
        if (timeMs < reachedMs && !out.isClosed(reachedMs)) {
            moveTo(reachedMs);
            emit(user, reachedMs, out);
        }
        wake(view, timeMs, reachedMs);
        return true;
    }

    private void insert(long timeMs, Utf8 first, Utf8 second) {
        if (end == times.length) {
            makeRoom();
        }
        int at = end;
        for (; at > low && times[at - 1] > timeMs; at--) {
            times[at] = times[at - 1];
            firsts[at] = firsts[at - 1];
            seconds[at] = seconds[at - 1];
        }
        times[at] = timeMs;
        firsts[at] = first;
        seconds[at] = second;
        end++;
        if (at < high) {
            high++;
            totals.add(first, second);
        }
    }

    private void makeRoom() {
        int kept = end - low;
        int slots = kept > times.length / 2 ? times.length * 2 : times.length;
        times = moved(times, kept, slots);
        firsts = moved(firsts, kept, slots);
        seconds = moved(seconds, kept, slots);
        high -= low;
        end = kept;
        low = 0;
    }

    private long[] moved(long[] from, int kept, int slots) {
        long[] to = slots == from.length ? from : new long[slots];
        System.arraycopy(from, low, to, 0, kept);
        return to;
    }

    private Utf8[] moved(Utf8[] from, int kept, int slots) {
        Utf8[] to = slots == from.length ? from : new Utf8[slots];
        System.arraycopy(from, low, to, 0, kept);
        if (to == from) {
            Arrays.fill(to, kept, slots, null);
        }
        return to;
    }

    private void moveTo(long boundaryMs) {
        for (; high < end && times[high] < boundaryMs; high++) {
            totals.add(firsts[high], seconds[high]);
        }
        for (; low < high && times[low] < boundaryMs - view.sizeMs; low++) {
            totals.remove(firsts[low], seconds[low]);
        }
    }

    @Override
    void fire(Utf8 user, long boundaryMs, Emission out) {
        moveTo(boundaryMs);
        if (low < high) {
            emit(user, boundaryMs, out);
            next = boundaryMs + view.slideMs;
        } else if (high < end) {
            next = view.boundaryAfter(times[high]);
        } else {
            next = Emission.NEVER;
        }
    }

    private void emit(Utf8 user, long endMs, Emission out) {
        if (totals instanceof ClickTotals clicks) {
            clicks.newest.take(firsts, low, high);
        }
        out.emit(view, user, endMs - view.sizeMs, endMs, totals);
    }

    /** The totals follow from the log. */
    @Override
    public void write(DataOutput out) throws IOException {
        out.writeLong(next);
        out.writeInt(end - low);
        out.writeInt(high - low);
        for (int i = low; i < end; i++) {
            out.writeLong(times[i]);
            Coding.write(out, firsts[i]);
            Coding.write(out, seconds[i]);
        }
    }

    @Override
    public void read(Coding.Input in) throws IOException {
        next = in.source().readLong();
        int count = in.source().readInt();
        high = in.source().readInt();
        times = new long[Math.max(4, count)];
        firsts = new Utf8[times.length];
        seconds = new Utf8[times.length];
        for (end = 0; end < count; end++) {
            times[end] = in.source().readLong();
            firsts[end] = in.text();
            seconds[end] = in.text();
            if (end < high) {
                totals.add(firsts[end], seconds[end]);
            }
        }
    }

    @Override
    public Part copy() {
        SlidingLog made = new SlidingLog(view);
        made.next = next;
        made.totals = totals instanceof ClickTotals clicks ? clicks.copy()
                : ((ActivityTotals) totals).copy();
        made.times = times.clone();
        made.firsts = firsts.clone();
        made.seconds = seconds.clone();
        made.low = low;
        made.high = high;
        made.end = end;
        return made;
    }
}
