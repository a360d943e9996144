package freshet.peers.sliced;

import freshet.peers.Coding;
import freshet.peers.Event;
import freshet.peers.Utf8;
import freshet.peers.Workload;
import java.io.DataOutput;
import java.io.IOException;
import java.util.Arrays;

/**
 * Many users under one key of Flink's: one look-up in its state and one timer serve all of them.
 * Users lie side by side with the boundary at which each is due, so that those with nothing to do
 * are passed over without being touched; a table finds a user's place.
 *
 * <pre>
 *   slots   -1   2  -1   0   1  -1  -1  -1      by hash, linear probing; twice the places or more
 *   users        u0  u1  u2
 *   due          b1  b2  b1
 * </pre>
 */
public final class Bucket implements Coding.Coded<Bucket> {
    private static final int PLACES_MIN = 16;

    private Workload workload;
    private UserState[] users = new UserState[PLACES_MIN];
    private long[] due = new long[PLACES_MIN];
    private int[] slots = empty(2 * PLACES_MIN);
    private int count;
    private long next = Emission.NEVER;

    /** For one that is read; else see {@link #Bucket(Workload)}. */
    public Bucket() {}

    public Bucket(Workload workload) {
        this.workload = workload;
    }

    private static int[] empty(int size) {
        int[] made = new int[size];
        Arrays.fill(made, -1);
        return made;
    }

    /** The first boundary at which a user is due, to set a timer for. */
    public long next() {
        return next;
    }

    /** False: the event was late. */
    public boolean add(Event event, Emission out) {
        int place = find(event.user);
        UserState user = users[place];
        boolean taken = user.add(event, out);
        due[place] = user.next();
        if (due[place] == Emission.NEVER) {
            remove(place);
        } else {
            next = Math.min(next, due[place]);
        }
        return taken;
    }

    /** Lets everything fire that is due at the boundary. */
    public void fire(long boundaryMs, Emission out) {
        next = Emission.NEVER;
        for (int place = 0; place < count; ) {
            if (due[place] <= boundaryMs) {
                UserState user = users[place];
                user.fire(boundaryMs, out);
                due[place] = user.next();
                if (due[place] == Emission.NEVER) {
                    remove(place); // another one stands here now
                    continue;
                }
            }
            next = Math.min(next, due[place]);
            place++;
        }
    }

    private int find(Utf8 user) {
        int slot = slotOf(user);
        if (slots[slot] < 0) {
            if (count == users.length) {
                grow();
                slot = slotOf(user);
            }
            users[count] = new UserState(user, workload);
            slots[slot] = count++;
        }
        return slots[slot];
    }

    private int slotOf(Utf8 user) {
        int mask = slots.length - 1;
        int slot = home(user);
        while (slots[slot] >= 0 && !users[slots[slot]].user().equals(user)) {
            slot = slot + 1 & mask;
        }
        return slot;
    }

    /** The lowest bits chose the bucket. */
    private int home(Utf8 user) {
        int hash = user.hashCode();
        return (hash >>> 10 ^ hash >>> 20) & slots.length - 1;
    }

    private void grow() {
        users = Arrays.copyOf(users, 2 * count);
        due = Arrays.copyOf(due, 2 * count);
        slots = empty(4 * count);
        for (int place = 0; place < count; place++) {
            slots[slotOf(users[place].user())] = place;
        }
    }

    /** The last one takes the place. */
    private void remove(int place) {
        free(slotOf(users[place].user()));
        count--;
        if (place < count) {
            slots[slotOf(users[count].user())] = place;
            users[place] = users[count];
            due[place] = due[count];
        }
        users[count] = null;
    }

    private void free(int hole) {
        int mask = slots.length - 1;
        for (int slot = hole + 1 & mask; slots[slot] >= 0; slot = slot + 1 & mask) {
            if ((slot - home(users[slots[slot]].user()) & mask) >= (slot - hole & mask)) {
                slots[hole] = slots[slot];
                hole = slot;
            }
        }
        slots[hole] = -1;
    }

    @Override
    public void write(DataOutput out) throws IOException {
        out.writeByte(workload.ordinal());
        out.writeLong(next);
        out.writeInt(count);
        for (int place = 0; place < count; place++) {
            Coding.write(out, users[place].user());
            users[place].write(out);
        }
    }

    @Override
    public void read(Coding.Input in) throws IOException {
        workload = Workload.values()[in.source().readByte()];
        next = in.source().readLong();
        for (int left = in.source().readInt(); left > 0; left--) {
            int place = find(in.text());
            users[place].read(in);
            due[place] = users[place].next();
        }
    }

    @Override
    public Bucket copy() {
        Bucket made = new Bucket(workload);
        made.users = new UserState[users.length];
        for (int place = 0; place < count; place++) {
            made.users[place] = users[place].copy();
        }
        made.due = due.clone();
        made.slots = slots.clone();
        made.count = count;
        made.next = next;
        return made;
    }
}
