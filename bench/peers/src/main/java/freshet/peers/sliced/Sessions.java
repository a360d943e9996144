package freshet.peers.sliced;

import freshet.peers.Coding;
import freshet.peers.Event;
import freshet.peers.FraudTotals.Categories;
import freshet.peers.Utf8;
import freshet.peers.View;
import java.io.DataOutput;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;

/** Sessions that are not closed, seldom more than one. They fire at the next full minute. */
final class Sessions extends Part {
    private static final View VIEW = View.SESSION;
    private static final long GAP_MS = VIEW.sizeMs;
    private static final long TICK_MS = 60_000;

    private static final class Session {
        long startMs;
        long endMs; // the last event's time and the gap
        boolean fired;
        Categories categories = new Categories();
    }

    private final List<Session> sessions = new ArrayList<>(1);

    @Override
    boolean add(Utf8 user, Event event, Emission out) {
        Session into = null;
        for (int i = sessions.size() - 1; i >= 0; i--) {
            Session each = sessions.get(i);
            boolean touches = event.timeMs <= each.endMs
                    && event.timeMs + GAP_MS >= each.startMs;
            if (!touches || out.isClosed(each.endMs)) {
                continue;
            }
            if (into == null) {
                into = each;
                into.startMs = Math.min(into.startMs, event.timeMs);
                into.endMs = Math.max(into.endMs, event.timeMs + GAP_MS);
            } else { // the event stands between two
                into.startMs = Math.min(into.startMs, each.startMs);
                into.endMs = Math.max(into.endMs, each.endMs);
                into.fired |= each.fired;
                into.categories.addAll(each.categories);
                sessions.remove(i);
            }
        }
        if (into == null) {
            if (out.isClosed(event.timeMs + GAP_MS)) {
                return false;
            }
            into = new Session();
            into.startMs = event.timeMs;
            into.endMs = event.timeMs + GAP_MS;
            sessions.add(into);
        }
        into.categories.add(event.category);
        if (into.endMs <= out.reachedMs()) {
            emit(user, into, out);
        } else {
            into.fired = false;
            next = Math.min(next, tick(into.endMs));
        }
        return true;
    }

    private static long tick(long timeMs) {
        return timeMs + Math.floorMod(-timeMs, TICK_MS);
    }

    @Override
    void fire(Utf8 user, long boundaryMs, Emission out) {
        sessions.removeIf(
                session -> session.fired && session.endMs + out.latenessMs <= boundaryMs);
        next = Emission.NEVER;
        for (Session session : sessions) {
            if (!session.fired && session.endMs <= boundaryMs) {
                emit(user, session, out);
            }
            long whenMs = session.fired ? session.endMs + out.latenessMs : session.endMs;
            next = Math.min(next, Math.max(tick(whenMs), boundaryMs + TICK_MS));
        }
    }

    private static void emit(Utf8 user, Session session, Emission out) {
        session.fired = true;
        out.emit(VIEW, user, session.startMs, session.endMs, session.categories);
    }

    @Override
    public void write(DataOutput out) throws IOException {
        out.writeLong(next);
        out.writeInt(sessions.size());
        for (Session session : sessions) {
            out.writeLong(session.startMs);
            out.writeLong(session.endMs);
            out.writeBoolean(session.fired);
            session.categories.write(out);
        }
    }

    @Override
    public void read(Coding.Input in) throws IOException {
        next = in.source().readLong();
        for (int left = in.source().readInt(); left > 0; left--) {
            Session session = new Session();
            session.startMs = in.source().readLong();
            session.endMs = in.source().readLong();
            session.fired = in.source().readBoolean();
            session.categories.read(in);
            sessions.add(session);
        }
    }

    @Override
    public Part copy() {
        Sessions made = new Sessions();
        made.next = next;
        for (Session session : sessions) {
            Session same = new Session();
            same.startMs = session.startMs;
            same.endMs = session.endMs;
            same.fired = session.fired;
            same.categories = session.categories.copy();
            made.sessions.add(same);
        }
        return made;
    }
}
