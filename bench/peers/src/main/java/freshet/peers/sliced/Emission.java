package freshet.peers.sliced;

import freshet.peers.Row;
import freshet.peers.Utf8;
import freshet.peers.View;

/** Where rows go, and how far event time is: what a part of a user's state needs to know. */
public abstract class Emission {
    /** Nothing is due. */
    public static final long NEVER = Long.MAX_VALUE;

    final long latenessMs;
    private final Row row = new Row();
    private long reachedMs = Long.MIN_VALUE / 2;
    private boolean endOfInput;

    /** Lateness at most a slide: then only the newest fired window can fire again. */
    protected Emission(long latenessMs) {
        this.latenessMs = latenessMs;
    }

    /** Flink's watermark is the newest time of which nothing more is to come. */
    public void setWatermark(long watermarkMs) {
        endOfInput = watermarkMs == Long.MAX_VALUE;
        if (!endOfInput && watermarkMs != Long.MIN_VALUE) {
            reachedMs = watermarkMs + 1;
        }
    }

    /** Is a window that ends then past, and does it take no late event either? */
    boolean isClosed(long endMs) {
        return endMs + latenessMs <= reachedMs;
    }

    long reachedMs() {
        return reachedMs;
    }

    void emit(View view, Utf8 user, long startMs, long endMs, Row.Values values) {
        collect(row.set(view, user, startMs, endMs, endOfInput, values));
    }

    protected abstract void collect(Row row);
}
