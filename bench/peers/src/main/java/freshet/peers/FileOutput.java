package freshet.peers;

import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Path;

/** Rows as lines of JSON, as freshet writes them. */
final class FileOutput implements Output, Row.Features {
    private static final int FULL = 1 << 16;

    private final OutputStream file;
    private final Bytes bytes = new Bytes(2 * FULL);
    private boolean first;
    private long rows;

    FileOutput(Path path) throws IOException {
        file = new FileOutputStream(path.toFile());
    }

    @Override
    public void write(Row row) throws IOException {
        bytes.add("{\"view\":");
        bytes.add(row.view.json);
        bytes.add(",\"user_id\":");
        bytes.addQuoted(row.user);
        bytes.add(",\"window_start\":");
        bytes.add(row.startMs);
        bytes.add(",\"window_end\":");
        bytes.add(row.endMs);
        bytes.add(",\"features\":{");
        first = true;
        row.values.write(row.view, this);
        bytes.add("}}\n");
        rows++;
        if (bytes.length > FULL) {
            flush();
        }
    }

    private void name(View.Name name) {
        if (!first) {
            bytes.add(',');
        }
        first = false;
        bytes.add(name.json());
    }

    @Override
    public void integer(View.Name name, long value) {
        name(name);
        bytes.add(value);
    }

    @Override
    public void hundredths(View.Name name, long value) {
        name(name);
        bytes.addHundredths(value);
    }

    @Override
    public void real(View.Name name, double value) {
        name(name);
        bytes.add(Double.toString(value));
    }

    @Override
    public void text(View.Name name, Utf8 value) {
        name(name);
        if (value == null) {
            bytes.add("null");
        } else {
            bytes.addQuoted(value);
        }
    }

    @Override
    public void list(View.Name name, Utf8[] values, int count) {
        name(name);
        bytes.addList(values, count);
    }

    @Override
    public void counts(View.Name name, Histogram values) {
        name(name);
        bytes.addCounts(values);
    }

    @Override
    public void missing(View.Name name) {
        name(name);
        bytes.add("null");
    }

    @Override
    public void flush() throws IOException {
        file.write(bytes.data, 0, bytes.length);
        bytes.length = 0;
    }

    @Override
    public void close() throws IOException {
        flush();
        file.close();
        Run.addRows(rows, 0, 0);
    }
}
