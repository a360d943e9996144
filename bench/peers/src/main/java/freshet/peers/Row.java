package freshet.peers;

/** One result on its way to a sink: the object is used again for the next one. */
public final class Row {
    public View view;
    public Utf8 user;
    public long startMs;
    public long endMs;
    public boolean endOfInput; // no watermark reached its end: fired since nothing more will come
    public Values values;

    public Row set(View of, Utf8 who, long from, long to, boolean atEnd, Values what) {
        view = of;
        user = who;
        startMs = from;
        endMs = to;
        endOfInput = atEnd;
        values = what;
        return this;
    }

    /** A row's features, in the order of the view's names. */
    public interface Values {
        void write(View view, Features out);
    }

    /** Takes the features of a row, one call each. */
    public interface Features {
        void integer(View.Name name, long value);

        void hundredths(View.Name name, long value);

        void real(View.Name name, double value);

        void text(View.Name name, Utf8 value);

        void list(View.Name name, Utf8[] values, int count);

        void counts(View.Name name, Histogram values);

        void missing(View.Name name);
    }
}
