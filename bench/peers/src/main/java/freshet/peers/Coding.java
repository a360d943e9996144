package freshet.peers;

import java.io.DataInput;
import java.io.DataOutput;
import java.io.IOException;

/** How state and events become bytes, for the network between tasks, checkpoints and stores. */
public final class Coding {
    private static final int LONG_TEXT = 0xFF; // a length of four bytes follows

    private Coding() {}

    /** State that can be written, read and copied. What it refers to as {@link Utf8} is shared. */
    public interface Coded<T> {
        void write(DataOutput out) throws IOException;

        /** Into a new object. */
        void read(Input in) throws IOException;

        T copy();
    }

    public static void write(DataOutput out, Utf8 text) throws IOException {
        int length = text.bytes.length;
        if (length < LONG_TEXT) {
            out.writeByte(length);
        } else {
            out.writeByte(LONG_TEXT);
            out.writeInt(length);
        }
        out.write(text.bytes, 0, length);
    }

    /** Bytes to read from, with the strings that were read before. Owned by one thread. */
    public static final class Input {
        private final Interner interner = new Interner();
        private byte[] scratch = new byte[256];
        private DataInput source;

        public Input from(DataInput bytes) {
            source = bytes;
            return this;
        }

        public DataInput source() {
            return source;
        }

        public Utf8 text() throws IOException {
            int length = source.readUnsignedByte();
            if (length == LONG_TEXT) {
                length = source.readInt();
            }
            if (length > scratch.length) {
                scratch = new byte[length];
            }
            source.readFully(scratch, 0, length);
            return interner.get(scratch, 0, length);
        }
    }
}
