package freshet.peers;

/**
 * Sink "none": every value of every row is looked at, so none can be left out, and comes into a
 * hash that does not depend on the order of rows.
 */
final class HashOutput implements Output, Row.Features {
    private static final long FACTOR = 0x9E3779B97F4A7C15L;

    private long rows;
    private long sum;
    private long hash;

    @Override
    public void write(Row row) {
        hash = row.view.ordinal();
        mix(row.user.hashCode());
        mix(row.startMs);
        mix(row.endMs);
        row.values.write(row.view, this);
        sum += hash;
        rows++;
    }

    private void mix(long value) {
        hash = (hash ^ value) * FACTOR;
        hash ^= hash >>> 32;
    }

    @Override
    public void integer(View.Name name, long value) {
        mix(value);
    }

    @Override
    public void hundredths(View.Name name, long value) {
        mix(value);
    }

    @Override
    public void real(View.Name name, double value) {
        mix(Double.doubleToRawLongBits(value));
    }

    @Override
    public void text(View.Name name, Utf8 value) {
        mix(value == null ? 0 : value.hashCode());
    }

    @Override
    public void list(View.Name name, Utf8[] values, int count) {
        for (int i = 0; i < count; i++) {
            mix(values[i].hashCode());
        }
    }

    @Override
    public void counts(View.Name name, Histogram values) {
        for (int i = 0; i < values.size(); i++) {
            mix(values.value(i).hashCode() * FACTOR + values.count(i));
        }
    }

    @Override
    public void missing(View.Name name) {
        mix(0);
    }

    @Override
    public void flush() {}

    @Override
    public void close() {
        Run.addRows(rows, 0, sum);
    }
}
