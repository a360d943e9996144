package freshet.peers.streams;

import freshet.peers.ActivityTotals;
import freshet.peers.ClickTotals;
import freshet.peers.Coding;
import freshet.peers.Event;
import freshet.peers.EventReader;
import freshet.peers.Options;
import freshet.peers.Row;
import freshet.peers.Run;
import freshet.peers.Utf8;
import freshet.peers.View;
import freshet.peers.Workload;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Supplier;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.kstream.Aggregator;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.EmitStrategy;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.KGroupedStream;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.processor.TimestampExtractor;
import org.apache.kafka.streams.state.Stores;
import org.apache.kafka.streams.state.WindowStore;

/**
 * The windows of Kafka Streams' DSL over stores in memory. The records' key is the user, so nothing
 * has to be sent to another partition. A window's result is emitted once, when it is closed for
 * good: its grace is out-of-orderness and lateness together. The stores have no change log, which
 * would cost more, so a crash loses them.
 */
final class Windows {
    static final Utf8 FLUSH = Utf8.of("\0flush"); // no user

    /**
     * How far behind the newest event time is then moved, in minutes, so that all windows close. A
     * store forgets by the same time, so it keeps windows for longer than the steps are.
     */
    static final int[] FLUSH_AFTER = {30, 60, 90, 3000};
    private static final Duration KEPT = Duration.ofHours(1);
    private static final Duration DAYS_KEPT = Duration.ofHours(60);

    private final Options options;
    private final Workload workload;
    private final String flushTopic;
    private final Duration grace;
    private final StreamsBuilder builder = new StreamsBuilder();
    private final AtomicLong records = new AtomicLong();
    private final AtomicLong newestMs = new AtomicLong();
    private final AtomicInteger flushed = new AtomicInteger();
    private final ThreadLocal<Reader> readers = ThreadLocal.withInitial(Reader::new);

    Windows(Options options, String flushTopic) {
        this.options = options;
        this.flushTopic = flushTopic;
        workload = options.workload();
        grace = Duration.ofMillis(
                options.number("out-of-orderness-ms") + options.number("lateness-ms"));
    }

    String flushTopic() {
        return flushTopic;
    }

    /** So many have been decoded. */
    long records() {
        return records.get();
    }

    /** Of all event times. */
    long newestMs() {
        return newestMs.get();
    }

    /** So many flush records have gone through all windows. */
    int flushed() {
        return flushed.get();
    }

    Topology topology() {
        KStream<Utf8, Event> events = builder
                .stream(options.get("topic"), consumed((topic, bytes) -> readers.get().read(bytes)))
                .merge(builder.stream(flushTopic, consumed((topic, bytes) -> flush(bytes))))
                .filter((user, event) -> event != null);
        KGroupedStream<Utf8, Event> users =
                events.groupByKey(Grouped.keySerde(StateSerde.ofUtf8()));
        switch (workload) {
            case USER_ACTIVITY -> {
                Aggregator<Utf8, Event, ActivityTotals> add = (user, event, totals) -> {
                    totals.add(event.type, event.item);
                    return totals;
                };
                window(users, View.ACTIVITY_1H, ActivityTotals::new, add);
                window(users, View.ACTIVITY_24H, ActivityTotals::new, add);
            }
            case SESSION_FEATURES -> window(users, View.CLICKS_30M, ClickTotals::new,
                    (user, event, totals) -> {
                        totals.add(event.item, event.category);
                        totals.newest.add(event.timeMs, event.item);
                        return totals;
                    });
            default -> throw new IllegalArgumentException("not written for " + workload);
        }
        events.filter((user, event) -> user.equals(FLUSH))
                .foreach((user, event) -> flushed.incrementAndGet()); // after the windows
        return builder.build();
    }

    private <A extends Coding.Coded<A> & Row.Values> void window(
            KGroupedStream<Utf8, Event> users, View view, Supplier<A> make,
            Aggregator<Utf8, Event, A> add) {
        Duration size = Duration.ofMillis(view.sizeMs);
        Duration kept = view == View.ACTIVITY_24H ? DAYS_KEPT : KEPT;
        Materialized<Utf8, A, WindowStore<Bytes, byte[]>> store = Materialized
                .<Utf8, A>as(Stores.inMemoryWindowStore(
                        view.name(), size.plus(grace).plus(kept), size, false))
                .withKeySerde(StateSerde.ofUtf8())
                .withValueSerde(StateSerde.of(make))
                .withLoggingDisabled();
        users.windowedBy(TimeWindows.ofSizeAndGrace(size, grace)
                        .advanceBy(Duration.ofMillis(view.slideMs)))
                .emitStrategy(EmitStrategy.onWindowClose())
                .aggregate(make::get, add, store)
                .toStream()
                .process(() -> new RowProcessor<>(view, options.get("sink"), workload));
    }

    private Consumed<Utf8, Event> consumed(Deserializer<Event> deserializer) {
        Serde<Event> serde = Serdes.serdeFrom((topic, event) -> null, deserializer);
        return Consumed.with(StateSerde.ofUtf8(), serde).withTimestampExtractor(new EventTime());
    }

    private static Event flush(byte[] timeMs) {
        Event event = new Event();
        event.clear();
        event.user = FLUSH;
        event.type = FLUSH;
        event.item = FLUSH;
        event.category = FLUSH;
        event.timeMs = ByteBuffer.wrap(timeMs).getLong();
        return event;
    }

    private static final class EventTime implements TimestampExtractor {
        @Override
        public long extract(ConsumerRecord<Object, Object> record, long partitionMs) {
            return record.value() instanceof Event event
                    ? event.timeMs : Math.max(0, partitionMs);
        }
    }

    /** One thread's. */
    private final class Reader {
        private final EventReader reader = new EventReader(workload);
        private boolean begun;

        Event read(byte[] json) {
            if (!begun) {
                begun = true;
                Run.begin();
            }
            records.incrementAndGet();
            Event event = new Event();
            if (reader.read(json, event)) {
                newestMs.accumulateAndGet(event.timeMs, Math::max);
                return event;
            }
            Run.addDead(1);
            return null;
        }
    }
}
