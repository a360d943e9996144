package freshet.peers.flink;

import freshet.peers.Output;
import freshet.peers.Row;
import freshet.peers.Workload;
import java.io.IOException;
import org.apache.flink.api.connector.sink2.Sink;
import org.apache.flink.api.connector.sink2.SinkWriter;
import org.apache.flink.api.connector.sink2.WriterInitContext;

/** Rows into an {@link Output}, which a checkpoint flushes: at least once, like freshet's Redis. */
final class RowSink implements Sink<Row> {
    private final String where;
    private final Workload workload;
    private final int number; // among the sinks of a job

    RowSink(String where, Workload workload, int number) {
        this.where = where;
        this.workload = workload;
        this.number = number;
    }

    @Override
    public SinkWriter<Row> createWriter(WriterInitContext context) throws IOException {
        String task = number + "." + context.getTaskInfo().getIndexOfThisSubtask();
        return new Writer(Output.open(where, workload, task));
    }

    private record Writer(Output output) implements SinkWriter<Row> {
        @Override
        public void write(Row row, Context context) throws IOException {
            output.write(row);
        }

        @Override
        public void flush(boolean endOfInput) throws IOException {
            output.flush();
        }

        @Override
        public void close() throws IOException {
            output.close();
        }
    }
}
