package freshet.peers.streams;

import freshet.peers.Options;
import freshet.peers.Run;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;

/**
 * An example pipeline as a Kafka Streams program, over a topic as far as it goes. Time in Kafka
 * Streams moves with records alone, so a second topic ends it: after all events some records to
 * each partition, further and further ahead, and, as windows are looked after once a second only,
 * with more than that between them.
 */
public final class StreamsPeer {
    /** How often closed windows are looked for, in ms of the clock; Kafka Streams says 1000. */
    private static final String EMIT_INTERVAL =
            StreamsConfig.InternalConfig.EMIT_INTERVAL_MS_KSTREAMS_WINDOWED_AGGREGATION;
    private static final long BETWEEN_FLUSHES_MS = 1500;

    private final Options options;
    private final String name;
    private final List<TopicPartition> partitions;
    private final Windows windows;

    private StreamsPeer(Options options, long pass) {
        this.options = options;
        name = options.get("group") + "-" + pass;
        partitions = partitionsOf(options.get("topic"));
        windows = new Windows(options, options.get("flush-topic") + "-" + pass);
    }

    public static void main(String[] arguments) throws InterruptedException {
        Options options = new Options(arguments);
        for (long pass = 1; pass <= options.number("passes"); pass++) {
            new StreamsPeer(options, pass).run();
            Run.end();
        }
    }

    private void run() throws InterruptedException {
        long records = records();
        try (KafkaStreams streams = new KafkaStreams(windows.topology(), settings())) {
            streams.pause(); // a task that moves to another thread leaves its state behind
            streams.start();
            await(streams, () -> isSpread(streams));
            streams.resume();
            await(streams, () -> windows.records() >= records);
            Thread.sleep(BETWEEN_FLUSHES_MS);
            int sent = 0;
            for (int minutes : Windows.FLUSH_AFTER) {
                flush(windows.newestMs() + Duration.ofMinutes(minutes).toMillis());
                sent += partitions.size();
                int all = sent;
                await(streams, () -> windows.flushed() == all);
                Thread.sleep(BETWEEN_FLUSHES_MS);
            }
            streams.close(Duration.ofSeconds(60));
        }
    }

    /** Has every thread its share of the tasks, of which there is one for each partition? */
    private boolean isSpread(KafkaStreams streams) {
        long share = partitions.size() / options.number("parallelism");
        return streams.metadataForLocalThreads().stream()
                .allMatch(thread -> thread.activeTasks().size() == share);
    }

    private interface Condition {
        boolean holds();
    }

    private static void await(KafkaStreams streams, Condition condition)
            throws InterruptedException {
        while (!condition.holds()) {
            if (streams.state() == KafkaStreams.State.ERROR) {
                throw new IllegalStateException("Kafka Streams has failed");
            }
            Thread.sleep(20);
        }
    }

    private Properties settings() {
        Properties settings = new Properties();
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, name);
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, options.get("brokers"));
        settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, (int) options.number("parallelism"));
        settings.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, options.number("checkpoint-ms"));
        settings.put(StreamsConfig.STATE_DIR_CONFIG, options.get("checkpoints"));
        settings.put(EMIT_INTERVAL, options.number("emit-ms"));
        settings.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest");
        return settings;
    }

    private Map<String, Object> client() {
        return new HashMap<>(
                Map.of(ConsumerConfig.BOOTSTRAP_SERVERS_CONFIG, options.get("brokers")));
    }

    private List<TopicPartition> partitionsOf(String topic) {
        try (KafkaConsumer<byte[], byte[]> consumer = consumer()) {
            return consumer.partitionsFor(topic).stream()
                    .map(found -> new TopicPartition(topic, found.partition()))
                    .toList();
        }
    }

    private long records() {
        try (KafkaConsumer<byte[], byte[]> consumer = consumer()) {
            return consumer.endOffsets(partitions).values().stream().mapToLong(n -> n).sum();
        }
    }

    private KafkaConsumer<byte[], byte[]> consumer() {
        ByteArrayDeserializer bytes = new ByteArrayDeserializer();
        return new KafkaConsumer<>(client(), bytes, bytes);
    }

    private void flush(long timeMs) {
        Map<String, Object> settings = client();
        settings.put(ProducerConfig.LINGER_MS_CONFIG, 0);
        ByteArraySerializer bytes = new ByteArraySerializer();
        byte[] time = ByteBuffer.allocate(Long.BYTES).putLong(timeMs).array();
        try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(settings, bytes, bytes)) {
            for (TopicPartition partition : partitions) {
                producer.send(new ProducerRecord<>(windows.flushTopic(), partition.partition(),
                        Windows.FLUSH.bytes, time));
            }
        }
    }
}
