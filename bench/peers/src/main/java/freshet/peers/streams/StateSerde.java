package freshet.peers.streams;

import freshet.peers.Coding;
import freshet.peers.Utf8;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.function.Supplier;
import org.apache.flink.core.memory.DataInputDeserializer;
import org.apache.flink.core.memory.DataOutputSerializer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;

/**
 * {@link Coding} for stores, which hold bytes. Kafka Streams shares a serde among its threads.
 * Flink's buffers are taken, as they are faster than the JDK's streams.
 */
final class StateSerde {
    private static final ThreadLocal<Coding.Input> INPUT =
            ThreadLocal.withInitial(Coding.Input::new);
    private static final ThreadLocal<DataOutputSerializer> BUFFER =
            ThreadLocal.withInitial(() -> new DataOutputSerializer(1024));

    private StateSerde() {}

    static <T extends Coding.Coded<T>> Serde<T> of(Supplier<T> make) {
        return Serdes.serdeFrom(
                (topic, value) -> value == null ? null : write(value),
                (topic, bytes) -> bytes == null ? null : read(bytes, make.get()));
    }

    private static byte[] write(Coding.Coded<?> value) {
        DataOutputSerializer buffer = BUFFER.get();
        buffer.clear();
        try {
            value.write(buffer);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return buffer.getCopyOfBuffer();
    }

    private static <T extends Coding.Coded<T>> T read(byte[] bytes, T into) {
        try {
            into.read(INPUT.get().from(new DataInputDeserializer(bytes)));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return into;
    }

    static Serde<Utf8> ofUtf8() {
        return Serdes.serdeFrom(
                (topic, text) -> text == null ? null : text.bytes,
                (topic, bytes) -> bytes == null ? null : Utf8.of(bytes));
    }
}
