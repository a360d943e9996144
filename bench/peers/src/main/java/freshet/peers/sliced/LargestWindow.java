package freshet.peers.sliced;

import freshet.peers.Coding;
import freshet.peers.Event;
import freshet.peers.FraudTotals;
import freshet.peers.FraudTotals.Largest;
import freshet.peers.Utf8;
import freshet.peers.View;
import java.io.DataOutput;
import java.io.IOException;
import java.util.Arrays;

/**
 * The largest amount of a sliding window: of its panes only those that no newer one outdoes, so
 * amounts fall from the oldest to the newest and the oldest has the answer. Panes whose end is not
 * reached yet stand behind them, and are in order of time only.
 */
final class LargestWindow extends Part {
    private static final View VIEW = View.MAX_PURCHASE_24H;

    private final Largest largest = new Largest();
    private long[] panes = new long[2]; // their ends
    private long[] amounts = new long[2];
    private int reached; // panes that the window has been moved over
    private int count;

    @Override
    boolean add(Utf8 user, Event event, Emission out) {
        if (!FraudTotals.PURCHASE.equals(event.type)) {
            return true;
        }
        if (isLate(VIEW, event.timeMs, out)) {
            return false;
        }
        long reachedMs = VIEW.boundaryUpTo(out.reachedMs());
        insert(VIEW.boundaryAfter(event.timeMs), event.amount);
        if (event.timeMs < reachedMs && !out.isClosed(reachedMs)) {
            moveTo(reachedMs);
            emit(user, reachedMs, out);
        }
        wake(VIEW, event.timeMs, reachedMs);
        return true;
    }

    private void insert(long pane, long amount) {
        int at = count;
        while (at > 0 && panes[at - 1] >= pane) {
            at--;
        }
        if (at < count && panes[at] == pane) {
            amounts[at] = Math.max(amounts[at], amount);
        } else {
            if (count == panes.length) {
                panes = Arrays.copyOf(panes, 2 * count);
                amounts = Arrays.copyOf(amounts, 2 * count);
            }
            System.arraycopy(panes, at, panes, at + 1, count - at);
            System.arraycopy(amounts, at, amounts, at + 1, count - at);
            panes[at] = pane;
            amounts[at] = amount;
            count++;
            if (at < reached) {
                reached++;
            }
        }
        if (at < reached) { // late: all that was said of these panes may be different now
            settle(reached);
        }
    }

    /** Of the first panes, drops those that a newer one of them outdoes. */
    private void settle(int upTo) {
        int kept = 0;
        for (int i = 0; i < upTo; i++) {
            while (kept > 0 && amounts[kept - 1] <= amounts[i]) {
                kept--;
            }
            panes[kept] = panes[i];
            amounts[kept] = amounts[i];
            kept++;
        }
        remove(kept, upTo);
        reached = kept;
    }

    private void remove(int from, int to) {
        System.arraycopy(panes, to, panes, from, count - to);
        System.arraycopy(amounts, to, amounts, from, count - to);
        count -= to - from;
    }

    private void moveTo(long boundaryMs) {
        int newly = reached;
        while (newly < count && panes[newly] <= boundaryMs) {
            newly++;
        }
        if (newly > reached) {
            settle(newly);
        }
        int gone = 0;
        while (gone < reached && panes[gone] <= boundaryMs - VIEW.sizeMs) {
            gone++;
        }
        remove(0, gone);
        reached -= gone;
    }

    @Override
    void fire(Utf8 user, long boundaryMs, Emission out) {
        moveTo(boundaryMs);
        if (reached > 0) {
            emit(user, boundaryMs, out);
            next = boundaryMs + VIEW.slideMs;
        } else {
            next = count > 0 ? panes[0] : Emission.NEVER;
        }
    }

    private void emit(Utf8 user, long endMs, Emission out) {
        largest.amount = amounts[0];
        out.emit(VIEW, user, endMs - VIEW.sizeMs, endMs, largest);
    }

    @Override
    public void write(DataOutput out) throws IOException {
        out.writeLong(next);
        out.writeInt(reached);
        out.writeInt(count);
        for (int i = 0; i < count; i++) {
            out.writeLong(panes[i]);
            out.writeLong(amounts[i]);
        }
    }

    @Override
    public void read(Coding.Input in) throws IOException {
        next = in.source().readLong();
        reached = in.source().readInt();
        int all = in.source().readInt();
        panes = new long[Math.max(2, all)];
        amounts = new long[panes.length];
        for (count = 0; count < all; count++) {
            panes[count] = in.source().readLong();
            amounts[count] = in.source().readLong();
        }
    }

    @Override
    public Part copy() {
        LargestWindow made = new LargestWindow();
        made.next = next;
        made.panes = panes.clone();
        made.amounts = amounts.clone();
        made.reached = reached;
        made.count = count;
        return made;
    }
}
