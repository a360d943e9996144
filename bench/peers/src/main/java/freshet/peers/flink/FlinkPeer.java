package freshet.peers.flink;

import freshet.peers.Event;
import freshet.peers.Options;
import freshet.peers.Row;
import freshet.peers.Run;
import freshet.peers.Workload;
import java.time.Duration;
import java.util.List;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.configuration.CheckpointingOptions;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.PipelineOptions;
import org.apache.flink.configuration.RestartStrategyOptions;
import org.apache.flink.configuration.StateBackendOptions;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;

/** An example pipeline as a Flink job that runs in this process, over a topic as far as it goes. */
public final class FlinkPeer {
    private FlinkPeer() {}

    public static void main(String[] arguments) throws Exception {
        Options options = new Options(arguments);
        for (long passes = options.number("passes"); passes > 0; passes--) {
            job(options).execute();
            Run.end();
        }
    }

    private static StreamExecutionEnvironment job(Options options) {
        Workload workload = options.workload();
        long latenessMs = options.number("lateness-ms");
        StreamExecutionEnvironment flink = StreamExecutionEnvironment.createLocalEnvironment(
                (int) options.number("parallelism"), settings(options));
        DataStream<Event> events = flink.fromSource(
                source(options, workload), watermarks(options), "events", Type.EVENT);
        List<DataStream<Row>> rows = switch (options.get("form")) {
            case "window" -> WindowForm.build(events, workload, latenessMs);
            case "sliced" -> SlicedForm.build(events, workload, latenessMs);
            case "chained" -> SlicedForm.buildChained(events, workload, latenessMs);
            default -> throw new IllegalArgumentException("no such form");
        };
        for (int i = 0; i < rows.size(); i++) { // one each: so no row leaves the task it is made in
            rows.get(i).sinkTo(new RowSink(options.get("sink"), workload, i)).name("rows " + i);
        }
        return flink;
    }

    private static Configuration settings(Options options) {
        Configuration settings = new Configuration();
        settings.set(PipelineOptions.OBJECT_REUSE, true);
        settings.set(PipelineOptions.GENERIC_TYPES, false); // so nothing can fall back to Kryo
        settings.set(StateBackendOptions.STATE_BACKEND, "hashmap");
        settings.set(CheckpointingOptions.CHECKPOINT_STORAGE, "filesystem");
        settings.set(CheckpointingOptions.CHECKPOINTS_DIRECTORY,
                "file://" + options.get("checkpoints"));
        settings.set(CheckpointingOptions.CHECKPOINTING_INTERVAL,
                Duration.ofMillis(options.number("checkpoint-ms")));
        settings.set(RestartStrategyOptions.RESTART_STRATEGY, "none");
        return settings;
    }

    private static KafkaSource<Event> source(Options options, Workload workload) {
        return KafkaSource.<Event>builder()
                .setBootstrapServers(options.get("brokers"))
                .setTopics(options.get("topic"))
                .setGroupId(options.get("group"))
                .setStartingOffsets(OffsetsInitializer.earliest())
                .setBounded(OffsetsInitializer.latest())
                .setDeserializer(new Records(workload))
                .build();
    }

    /** For each partition apart. */
    private static WatermarkStrategy<Event> watermarks(Options options) {
        Duration behind = Duration.ofMillis(options.number("out-of-orderness-ms"));
        return WatermarkStrategy.<Event>forBoundedOutOfOrderness(behind)
                .withTimestampAssigner((event, recordMs) -> event.timeMs)
                .withIdleness(Duration.ofMillis(options.number("idle-after-ms")));
    }
}
