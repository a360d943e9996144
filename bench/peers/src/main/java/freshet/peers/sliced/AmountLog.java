package freshet.peers.sliced;

import freshet.peers.Coding;
import freshet.peers.Event;
import freshet.peers.FraudTotals.Amounts;
import freshet.peers.Utf8;
import freshet.peers.View;
import java.io.DataOutput;
import java.io.IOException;

/**
 * Sliding windows of different sizes and the same slide over one log of amounts, sorted by time, as
 * {@link SlidingLog} has one. The longest comes last: it says what is freed.
 */
final class AmountLog extends Part {
    private final Utf8 type; // of the events that it takes
    private final View[] views;
    private final Amounts[] totals;
    private final int[] lows;
    private final View longest;
    private long[] times = new long[2];
    private long[] amounts = new long[2];
    private int high;
    private int end;
    private long atMs = Long.MIN_VALUE / 2; // the end of the windows

    AmountLog(Utf8 type, View... views) {
        this.type = type;
        this.views = views;
        totals = new Amounts[views.length];
        lows = new int[views.length];
        longest = views[views.length - 1];
        for (int i = 0; i < views.length; i++) {
            totals[i] = new Amounts();
        }
    }

    @Override
    boolean add(Utf8 user, Event event, Emission out) {
        if (!type.equals(event.type)) {
            return true;
        }
        long timeMs = event.timeMs;
        if (isLate(longest, timeMs, out)) {
            return false;
        }
        insert(timeMs, event.amount);
        long reachedMs = longest.boundaryUpTo(out.reachedMs());
        if (timeMs < reachedMs && !out.isClosed(reachedMs)) {
            moveTo(reachedMs);
            for (int i = 0; i < views.length; i++) {
                if (timeMs >= reachedMs - views[i].sizeMs) {
                    emit(user, i, reachedMs, out);
                }
            }
        }
        wake(longest, timeMs, reachedMs);
        return true;
    }

    private void insert(long timeMs, long amount) {
        if (end == times.length) {
            makeRoom();
        }
        int at = end;
        for (; at > 0 && times[at - 1] > timeMs; at--) {
            times[at] = times[at - 1];
            amounts[at] = amounts[at - 1];
        }
        times[at] = timeMs;
        amounts[at] = amount;
        end++;
        if (at < high) {
            high++;
            for (int i = 0; i < views.length; i++) {
                if (timeMs < atMs - views[i].sizeMs) {
                    lows[i]++;
                } else {
                    totals[i].add(amount);
                }
            }
        }
    }

    private void makeRoom() {
        int free = lows[views.length - 1];
        int kept = end - free;
        int slots = kept > times.length / 2 ? times.length * 2 : times.length;
        long[] movedTimes = slots == times.length ? times : new long[slots];
        long[] movedAmounts = slots == times.length ? amounts : new long[slots];
        System.arraycopy(times, free, movedTimes, 0, kept);
        System.arraycopy(amounts, free, movedAmounts, 0, kept);
        times = movedTimes;
        amounts = movedAmounts;
        high -= free;
        end = kept;
        for (int i = 0; i < lows.length; i++) {
            lows[i] -= free;
        }
    }

    private void moveTo(long boundaryMs) {
        for (; high < end && times[high] < boundaryMs; high++) {
            for (Amounts each : totals) {
                each.add(amounts[high]);
            }
        }
        for (int i = 0; i < views.length; i++) {
            int low = lows[i];
            for (; low < high && times[low] < boundaryMs - views[i].sizeMs; low++) {
                totals[i].remove(amounts[low]);
            }
            lows[i] = low;
        }
        atMs = boundaryMs;
    }

    @Override
    void fire(Utf8 user, long boundaryMs, Emission out) {
        moveTo(boundaryMs);
        for (int i = 0; i < views.length; i++) {
            if (totals[i].events > 0) {
                emit(user, i, boundaryMs, out);
            }
        }
        if (totals[views.length - 1].events > 0) {
            next = boundaryMs + longest.slideMs;
        } else {
            next = high < end ? longest.boundaryAfter(times[high]) : Emission.NEVER;
        }
    }

    private void emit(Utf8 user, int which, long endMs, Emission out) {
        out.emit(views[which], user, endMs - views[which].sizeMs, endMs, totals[which]);
    }

    @Override
    public void write(DataOutput out) throws IOException {
        int free = lows[views.length - 1];
        out.writeLong(next);
        out.writeLong(atMs);
        out.writeInt(end - free);
        for (int i = free; i < end; i++) {
            out.writeLong(times[i]);
            out.writeLong(amounts[i]);
        }
    }

    @Override
    public void read(Coding.Input in) throws IOException {
        next = in.source().readLong();
        long boundaryMs = in.source().readLong();
        int count = in.source().readInt();
        times = new long[Math.max(2, count)];
        amounts = new long[times.length];
        for (end = 0; end < count; end++) {
            times[end] = in.source().readLong();
            amounts[end] = in.source().readLong();
        }
        moveTo(boundaryMs);
    }

    @Override
    public Part copy() {
        AmountLog made = new AmountLog(type, views);
        made.next = next;
        made.atMs = atMs;
        made.times = times.clone();
        made.amounts = amounts.clone();
        made.high = high;
        made.end = end;
        System.arraycopy(lows, 0, made.lows, 0, lows.length);
        for (int i = 0; i < totals.length; i++) {
            made.totals[i] = totals[i].copy();
        }
        return made;
    }
}
