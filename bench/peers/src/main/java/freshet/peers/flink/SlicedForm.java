package freshet.peers.flink;

import freshet.peers.Event;
import freshet.peers.Row;
import freshet.peers.Run;
import freshet.peers.Workload;
import freshet.peers.sliced.Bucket;
import freshet.peers.sliced.Emission;
import java.io.IOException;
import java.util.List;
import java.util.stream.IntStream;
import org.apache.flink.api.common.TaskInfo;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.functions.RichMapFunction;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.java.functions.KeySelector;
import org.apache.flink.runtime.state.KeyGroupRangeAssignment;
import org.apache.flink.streaming.api.TimerService;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.datastream.DataStreamUtils;
import org.apache.flink.streaming.api.datastream.KeyedStream;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.util.Collector;

/**
 * The windows written by hand in a process function, without Flink's: an event enters the state
 * once, however many windows it is in, and the key is not the user but one of a fixed number of
 * buckets of users, so Flink's state and timers see few of them.
 */
final class SlicedForm {
    private static final int BUCKETS = 512; // at most 1024: Bucket takes the hash's higher bits
    private static final Integer[] NUMBERS =
            IntStream.range(0, 4 * BUCKETS).boxed().toArray(Integer[]::new);

    private SlicedForm() {}

    static List<DataStream<Row>> build(
            DataStream<Event> events, Workload workload, long latenessMs) {
        return rows(events.keyBy(new ByUser(), Types.INT), workload, latenessMs);
    }

    /**
     * Without the exchange between tasks, for a topic that is keyed by user: each task keeps the
     * users of the partitions that it reads, in buckets that Flink takes for its own. For good,
     * that is: such a job cannot go on from a checkpoint with another parallelism.
     */
    static List<DataStream<Row>> buildChained(
            DataStream<Event> events, Workload workload, long latenessMs) {
        DataStream<Event> own = events.map(new OwnBucket()).returns(Type.EVENT);
        return rows(DataStreamUtils.reinterpretAsKeyedStream(own, new ByBucket(), Types.INT),
                workload, latenessMs);
    }

    private static List<DataStream<Row>> rows(
            KeyedStream<Event, Integer> events, Workload workload, long latenessMs) {
        return List.of(
                events.process(new Buckets(workload, latenessMs), Type.ROW).name("windows"));
    }

    private static final class ByUser implements KeySelector<Event, Integer> {
        @Override
        public Integer getKey(Event event) {
            return NUMBERS[event.user.hashCode() & BUCKETS - 1];
        }
    }

    private static final class ByBucket implements KeySelector<Event, Integer> {
        @Override
        public Integer getKey(Event event) {
            return NUMBERS[event.bucket];
        }
    }

    /** Chooses among the numbers whose key group is this task's. */
    private static final class OwnBucket extends RichMapFunction<Event, Event> {
        private transient int[] own;

        @Override
        public void open(OpenContext context) {
            TaskInfo task = getRuntimeContext().getTaskInfo();
            int tasks = task.getNumberOfParallelSubtasks();
            own = IntStream.range(0, NUMBERS.length)
                    .filter(number -> KeyGroupRangeAssignment.assignKeyToParallelOperator(
                            number, task.getMaxNumberOfParallelSubtasks(), tasks)
                            == task.getIndexOfThisSubtask())
                    .limit(BUCKETS / tasks)
                    .toArray();
        }

        @Override
        public Event map(Event event) {
            event.bucket = own[(event.user.hashCode() & 0x3FF) * own.length >>> 10];
            return event;
        }
    }

    private static final class Buckets extends KeyedProcessFunction<Integer, Event, Row> {
        private final Workload workload;
        private final long latenessMs;
        private transient ValueState<Bucket> state;
        private transient Emission emission;
        private transient Collector<Row> collector;

        Buckets(Workload workload, long latenessMs) {
            this.workload = workload;
            this.latenessMs = latenessMs;
        }

        @Override
        public void open(OpenContext context) {
            state = getRuntimeContext()
                    .getState(new ValueStateDescriptor<>("bucket", Type.ofState(Bucket.class)));
            emission = new Emission(latenessMs) {
                @Override
                protected void collect(Row row) {
                    collector.collect(row);
                }
            };
        }

        @Override
        public void processElement(Event event, Context context, Collector<Row> out)
                throws IOException {
            Bucket bucket = state.value();
            if (bucket == null) {
                bucket = new Bucket(workload);
                state.update(bucket); // once: on the heap, what is changed in place is kept
            }
            TimerService timers = context.timerService();
            long before = bucket.next();
            prepare(timers, out);
            if (!bucket.add(event, emission)) {
                Run.addLate(1);
            }
            if (bucket.next() < before) {
                timers.registerEventTimeTimer(bucket.next() - 1);
            }
        }

        @Override
        public void onTimer(long timeMs, OnTimerContext context, Collector<Row> out)
                throws IOException {
            Bucket bucket = state.value();
            prepare(context.timerService(), out);
            bucket.fire(timeMs + 1, emission);
            if (bucket.next() != Emission.NEVER) {
                context.timerService().registerEventTimeTimer(bucket.next() - 1);
            }
        }

        private void prepare(TimerService timers, Collector<Row> out) {
            collector = out;
            emission.setWatermark(timers.currentWatermark());
        }
    }
}
