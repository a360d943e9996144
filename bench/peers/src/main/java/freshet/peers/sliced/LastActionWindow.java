package freshet.peers.sliced;

import freshet.peers.Coding;
import freshet.peers.Event;
import freshet.peers.FraudTotals.LastTwo;
import freshet.peers.Utf8;
import freshet.peers.View;
import java.io.DataOutput;
import java.io.IOException;
import java.util.ArrayDeque;
import java.util.Iterator;

/**
 * The two newest events of a sliding window: those of all that lie before its end, and whether they
 * are in it. Of the panes that are not past yet their two newest each.
 */
final class LastActionWindow extends Part {
    private static final View VIEW = View.LAST_ACTION_24H;

    private record Pane(long endMs, LastTwo last) {}

    private LastTwo reached = new LastTwo();
    private final ArrayDeque<Pane> panes = new ArrayDeque<>(2);
    private final LastTwo shown = new LastTwo();

    @Override
    boolean add(Utf8 user, Event event, Emission out) {
        if (isLate(VIEW, event.timeMs, out)) {
            return false;
        }
        long reachedMs = VIEW.boundaryUpTo(out.reachedMs());
        if (event.timeMs >= reachedMs) {
            pane(VIEW.boundaryAfter(event.timeMs)).add(event.timeMs);
        } else {
            moveTo(reachedMs);
            reached.add(event.timeMs);
            if (!out.isClosed(reachedMs)) {
                emit(user, reachedMs, out);
            }
        }
        wake(VIEW, event.timeMs, reachedMs);
        return true;
    }

    private LastTwo pane(long endMs) {
        Iterator<Pane> newestFirst = panes.descendingIterator();
        while (newestFirst.hasNext()) {
            Pane pane = newestFirst.next();
            if (pane.endMs == endMs) {
                return pane.last;
            }
        }
        Pane made = new Pane(endMs, new LastTwo());
        panes.add(made); // in no order, as there are two or three
        return made.last;
    }

    private void moveTo(long boundaryMs) {
        for (Iterator<Pane> i = panes.iterator(); i.hasNext(); ) {
            Pane pane = i.next();
            if (pane.endMs <= boundaryMs) {
                if (pane.last.previousMs != Event.NONE) {
                    reached.add(pane.last.previousMs);
                }
                reached.add(pane.last.newestMs);
                i.remove();
            }
        }
    }

    @Override
    void fire(Utf8 user, long boundaryMs, Emission out) {
        moveTo(boundaryMs);
        if (reached.newestMs >= boundaryMs - VIEW.sizeMs) {
            emit(user, boundaryMs, out);
            next = boundaryMs + VIEW.slideMs;
        } else {
            next = Emission.NEVER;
            for (Pane pane : panes) {
                next = Math.min(next, pane.endMs);
            }
        }
    }

    private void emit(Utf8 user, long endMs, Emission out) {
        long startMs = endMs - VIEW.sizeMs;
        shown.newestMs = reached.newestMs;
        shown.previousMs = reached.previousMs >= startMs ? reached.previousMs : Event.NONE;
        out.emit(VIEW, user, startMs, endMs, shown);
    }

    @Override
    public void write(DataOutput out) throws IOException {
        out.writeLong(next);
        reached.write(out);
        out.writeInt(panes.size());
        for (Pane pane : panes) {
            out.writeLong(pane.endMs);
            pane.last.write(out);
        }
    }

    @Override
    public void read(Coding.Input in) throws IOException {
        next = in.source().readLong();
        reached.read(in);
        for (int left = in.source().readInt(); left > 0; left--) {
            Pane pane = new Pane(in.source().readLong(), new LastTwo());
            pane.last.read(in);
            panes.add(pane);
        }
    }

    @Override
    public Part copy() {
        LastActionWindow made = new LastActionWindow();
        made.next = next;
        made.reached = reached.copy();
        for (Pane pane : panes) {
            made.panes.add(new Pane(pane.endMs, pane.last.copy()));
        }
        return made;
    }
}
