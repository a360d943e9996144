package freshet.peers.sliced;

import freshet.peers.Coding;
import freshet.peers.Event;
import freshet.peers.Utf8;
import freshet.peers.View;

/** What a user's state keeps for one view, or for views that share it. */
abstract class Part implements Coding.Coded<Part> {
    /** The boundary at which {@link #fire} wants to be called. */
    long next = Emission.NEVER;

    /** Takes the event, if its filter does. False: it was late. */
    abstract boolean add(Utf8 user, Event event, Emission out);

    /** The watermark has reached the boundary, which is {@link #next}. */
    abstract void fire(Utf8 user, long boundaryMs, Emission out);

    static boolean isLate(View view, long timeMs, Emission out) {
        return out.isClosed(view.boundaryUpTo(timeMs) + view.sizeMs);
    }

    /** Sees to it that the first window that an event is in and that is to come will fire. */
    void wake(View view, long timeMs, long reachedMs) {
        next = Math.min(next, Math.max(view.boundaryAfter(timeMs), reachedMs + view.slideMs));
    }
}
