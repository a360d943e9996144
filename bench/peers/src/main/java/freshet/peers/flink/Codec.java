package freshet.peers.flink;

import freshet.peers.Coding;
import freshet.peers.Event;
import freshet.peers.Row;
import freshet.peers.Utf8;
import java.io.DataOutput;
import java.io.IOException;
import org.apache.flink.api.common.typeutils.TypeSerializer;
import org.apache.flink.api.common.typeutils.TypeSerializerSnapshot;
import org.apache.flink.core.memory.DataInputView;
import org.apache.flink.core.memory.DataOutputView;

/** Flink's view of {@link Coding}: a serializer for each type that it moves or keeps. */
abstract class Codec<T> extends TypeSerializer<T> {
    private transient Coding.Input input;

    abstract void encode(T value, DataOutput out) throws IOException;

    abstract T decode(T into, Coding.Input in) throws IOException;

    @Override
    public boolean isImmutableType() {
        return false;
    }

    @Override
    public T copy(T from, T reuse) {
        return copy(from);
    }

    @Override
    public int getLength() {
        return -1; // not always the same
    }

    @Override
    public void serialize(T value, DataOutputView target) throws IOException {
        encode(value, target);
    }

    @Override
    public T deserialize(DataInputView source) throws IOException {
        return deserialize(createInstance(), source);
    }

    @Override
    public T deserialize(T reuse, DataInputView source) throws IOException {
        if (input == null) {
            input = new Coding.Input();
        }
        return decode(reuse, input.from(source));
    }

    @Override
    public void copy(DataInputView source, DataOutputView target) throws IOException {
        serialize(deserialize(source), target);
    }

    @Override
    public boolean equals(Object other) {
        return other != null && getClass() == other.getClass();
    }

    @Override
    public int hashCode() {
        return getClass().hashCode();
    }

    @Override
    public TypeSerializerSnapshot<T> snapshotConfiguration() {
        return new CodecSnapshot<>(this);
    }

    static final class OfEvent extends Codec<Event> {
        @Override
        public TypeSerializer<Event> duplicate() {
            return new OfEvent();
        }

        @Override
        public Event createInstance() {
            return new Event();
        }

        @Override
        public Event copy(Event from) {
            return copy(from, new Event());
        }

        @Override
        public Event copy(Event from, Event reuse) {
            reuse.set(from);
            return reuse;
        }

        @Override
        void encode(Event value, DataOutput out) throws IOException {
            value.write(out);
        }

        @Override
        Event decode(Event into, Coding.Input in) throws IOException {
            into.read(in);
            return into;
        }
    }

    static final class OfUtf8 extends Codec<Utf8> {
        @Override
        public boolean isImmutableType() {
            return true;
        }

        @Override
        public TypeSerializer<Utf8> duplicate() {
            return new OfUtf8();
        }

        @Override
        public Utf8 createInstance() {
            return Utf8.of("");
        }

        @Override
        public Utf8 copy(Utf8 from) {
            return from;
        }

        @Override
        void encode(Utf8 value, DataOutput out) throws IOException {
            Coding.write(out, value);
        }

        @Override
        Utf8 decode(Utf8 into, Coding.Input in) throws IOException {
            return in.text();
        }
    }

    static final class OfState<T extends Coding.Coded<T>> extends Codec<T> {
        private final Class<T> type;

        OfState(Class<T> type) {
            this.type = type;
        }

        @Override
        public TypeSerializer<T> duplicate() {
            return new OfState<>(type);
        }

        @Override
        public T createInstance() {
            try {
                return type.getConstructor().newInstance();
            } catch (ReflectiveOperationException e) {
                throw new IllegalStateException(e);
            }
        }

        @Override
        public T copy(T from) {
            return from.copy();
        }

        @Override
        void encode(T value, DataOutput out) throws IOException {
            value.write(out);
        }

        @Override
        T decode(T into, Coding.Input in) throws IOException {
            into.read(in);
            return into;
        }

        @Override
        public boolean equals(Object other) {
            return other instanceof OfState<?> that && type == that.type;
        }

        @Override
        public int hashCode() {
            return type.hashCode();
        }
    }

    /** Rows go straight from what makes them into the sink. */
    static final class OfRow extends Codec<Row> {
        @Override
        public TypeSerializer<Row> duplicate() {
            return this;
        }

        @Override
        public Row createInstance() {
            return new Row();
        }

        @Override
        public Row copy(Row from) {
            throw new UnsupportedOperationException("rows are not copied");
        }

        @Override
        void encode(Row value, DataOutput out) {
            throw new UnsupportedOperationException("rows stay in their task");
        }

        @Override
        Row decode(Row into, Coding.Input in) {
            throw new UnsupportedOperationException("rows stay in their task");
        }
    }
}
