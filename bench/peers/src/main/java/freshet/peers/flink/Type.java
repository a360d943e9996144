package freshet.peers.flink;

import freshet.peers.Coding;
import freshet.peers.Event;
import freshet.peers.Row;
import freshet.peers.Utf8;
import org.apache.flink.api.common.serialization.SerializerConfig;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeutils.TypeSerializer;

/** Types with a serializer of their own, so that Flink falls back to none of its general ones. */
final class Type<T> extends TypeInformation<T> {
    static final Type<Event> EVENT = new Type<>(Event.class, new Codec.OfEvent());
    static final Type<Utf8> UTF8 = new Type<>(Utf8.class, new Codec.OfUtf8());
    static final Type<Row> ROW = new Type<>(Row.class, new Codec.OfRow());

    private final Class<T> type;
    private final Codec<T> codec;

    private Type(Class<T> type, Codec<T> codec) {
        this.type = type;
        this.codec = codec;
    }

    static <T extends Coding.Coded<T>> Type<T> ofState(Class<T> type) {
        return new Type<>(type, new Codec.OfState<>(type));
    }

    @Override
    public boolean isBasicType() {
        return false;
    }

    @Override
    public boolean isTupleType() {
        return false;
    }

    @Override
    public int getArity() {
        return 1;
    }

    @Override
    public int getTotalFields() {
        return 1;
    }

    @Override
    public Class<T> getTypeClass() {
        return type;
    }

    @Override
    public boolean isKeyType() {
        return true;
    }

    @Override
    public TypeSerializer<T> createSerializer(SerializerConfig config) {
        return codec.duplicate();
    }

    @Override
    public String toString() {
        return "Type<" + type.getSimpleName() + ">";
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Type<?> that && type == that.type;
    }

    @Override
    public int hashCode() {
        return type.hashCode();
    }

    @Override
    public boolean canEqual(Object other) {
        return other instanceof Type<?>;
    }
}
