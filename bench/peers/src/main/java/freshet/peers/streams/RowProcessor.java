package freshet.peers.streams;

import freshet.peers.Output;
import freshet.peers.Row;
import freshet.peers.Utf8;
import freshet.peers.View;
import freshet.peers.Workload;
import java.io.IOException;
import java.io.UncheckedIOException;
import org.apache.kafka.streams.kstream.Windowed;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;

/** Results of a view into an {@link Output}. */
final class RowProcessor<A extends Row.Values> implements Processor<Windowed<Utf8>, A, Void, Void> {
    private final View view;
    private final String where;
    private final Workload workload;
    private final Row row = new Row();
    private Output output;

    RowProcessor(View view, String where, Workload workload) {
        this.view = view;
        this.where = where;
        this.workload = workload;
    }

    @Override
    public void init(ProcessorContext<Void, Void> context) {
        try {
            output = Output.open(where, workload, view + "." + context.taskId());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Override
    public void process(Record<Windowed<Utf8>, A> result) {
        Utf8 user = result.key().key();
        if (user.equals(Windows.FLUSH)) {
            return;
        }
        long startMs = result.key().window().start();
        try {
            output.write(row.set(view, user, startMs, startMs + view.sizeMs, false,
                    result.value()));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Override
    public void close() {
        try {
            output.close();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
