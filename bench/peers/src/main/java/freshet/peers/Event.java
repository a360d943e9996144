package freshet.peers;

import java.io.DataInput;
import java.io.DataOutput;
import java.io.IOException;

/** One decoded record. The object is used again for the next one; the strings in it are not. */
public final class Event {
    /** Of {@link #amount}, when the record has none. */
    public static final long NONE = Long.MIN_VALUE;

    private static final int HAS_TYPE = 1;
    private static final int HAS_ITEM = 2;
    private static final int HAS_CATEGORY = 4;
    private static final int HAS_AMOUNT = 8;

    public long timeMs;
    public Utf8 user;
    public Utf8 type;
    public Utf8 item; // or page
    public Utf8 category;
    public long amount; // in hundredths
    public int bucket; // of its user, for a task that reads its own partitions

    public void clear() {
        timeMs = NONE;
        user = null;
        type = null;
        item = null;
        category = null;
        amount = NONE;
    }

    public void set(Event from) {
        timeMs = from.timeMs;
        user = from.user;
        type = from.type;
        item = from.item;
        category = from.category;
        amount = from.amount;
    }

    public void write(DataOutput out) throws IOException {
        int has = (type != null ? HAS_TYPE : 0)
                | (item != null ? HAS_ITEM : 0)
                | (category != null ? HAS_CATEGORY : 0)
                | (amount != NONE ? HAS_AMOUNT : 0);
        out.writeByte(has);
        out.writeLong(timeMs);
        Coding.write(out, user);
        if (type != null) {
            Coding.write(out, type);
        }
        if (item != null) {
            Coding.write(out, item);
        }
        if (category != null) {
            Coding.write(out, category);
        }
        if (amount != NONE) {
            out.writeLong(amount);
        }
    }

    public void read(Coding.Input in) throws IOException {
        DataInput source = in.source();
        int has = source.readByte();
        timeMs = source.readLong();
        user = in.text();
        type = (has & HAS_TYPE) != 0 ? in.text() : null;
        item = (has & HAS_ITEM) != 0 ? in.text() : null;
        category = (has & HAS_CATEGORY) != 0 ? in.text() : null;
        amount = (has & HAS_AMOUNT) != 0 ? source.readLong() : NONE;
    }
}
