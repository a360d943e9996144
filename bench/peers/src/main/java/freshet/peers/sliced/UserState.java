package freshet.peers.sliced;

import freshet.peers.Coding;
import freshet.peers.Event;
import freshet.peers.FraudTotals;
import freshet.peers.Utf8;
import freshet.peers.View;
import freshet.peers.Workload;
import java.io.DataOutput;
import java.io.IOException;

/** What is kept of one user: a part for each view, or for some that share their events. */
final class UserState {
    private final Utf8 user;
    private final Part[] parts;

    UserState(Utf8 user, Workload workload) {
        this.user = user;
        parts = switch (workload) {
            case USER_ACTIVITY -> new Part[] {new SlidingLog(View.ACTIVITY_1H), new Days()};
            case SESSION_FEATURES -> new Part[] {new SlidingLog(View.CLICKS_30M)};
            case FRAUD -> new Part[] {
                new AmountLog(FraudTotals.PURCHASE, View.PURCHASES_30M, View.SPEND_1H),
                new AmountLog(FraudTotals.LOGIN_FAILED, View.FAILED_LOGINS_10M),
                new LargestWindow(),
                new Sessions(),
                new LastActionWindow(),
            };
        };
    }

    private UserState(UserState from) {
        user = from.user;
        parts = new Part[from.parts.length];
        for (int i = 0; i < parts.length; i++) {
            parts[i] = from.parts[i].copy();
        }
    }

    Utf8 user() {
        return user;
    }

    /** False: it was late for every view. */
    boolean add(Event event, Emission out) {
        boolean taken = false;
        for (Part part : parts) {
            taken |= part.add(user, event, out);
        }
        return taken;
    }

    void fire(long boundaryMs, Emission out) {
        for (Part part : parts) {
            if (part.next <= boundaryMs) {
                part.fire(user, boundaryMs, out);
            }
        }
    }

    /** When {@link #fire} is due; {@link Emission#NEVER}: nothing is left to be kept. */
    long next() {
        long next = Emission.NEVER;
        for (Part part : parts) {
            next = Math.min(next, part.next);
        }
        return next;
    }

    void write(DataOutput out) throws IOException {
        for (Part part : parts) {
            part.write(out);
        }
    }

    void read(Coding.Input in) throws IOException {
        for (Part part : parts) {
            part.read(in);
        }
    }

    UserState copy() {
        return new UserState(this);
    }
}
