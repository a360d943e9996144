package freshet.peers;

import java.io.DataOutput;
import java.io.IOException;

/** What the views of fraud say of a window. */
public final class FraudTotals {
    public static final Utf8 PURCHASE = Utf8.of("purchase");
    public static final Utf8 LOGIN_FAILED = Utf8.of("login_failed");

    private FraudTotals() {}

    /** Of purchases_30m, spend_1h and failed_logins_10m: how many events, and their amounts. */
    public static final class Amounts implements Row.Values, Coding.Coded<Amounts> {
        public long events;
        private long amounts;
        private long sum;

        public void add(long amount) {
            events++;
            if (amount != Event.NONE) {
                amounts++;
                sum += amount;
            }
        }

        public void remove(long amount) {
            events--;
            if (amount != Event.NONE) {
                amounts--;
                sum -= amount;
            }
        }

        @Override
        public void write(View view, Row.Features out) {
            switch (view) {
                case PURCHASES_30M -> {
                    out.integer(view.features[0], events);
                    out.hundredths(view.features[1], sum);
                }
                case SPEND_1H -> {
                    if (amounts > 0) {
                        out.real(view.features[0], sum / 100.0 / amounts);
                    } else {
                        out.missing(view.features[0]);
                    }
                }
                default -> out.integer(view.features[0], events);
            }
        }

        @Override
        public void write(DataOutput out) throws IOException {
            out.writeLong(events);
            out.writeLong(amounts);
            out.writeLong(sum);
        }

        @Override
        public void read(Coding.Input in) throws IOException {
            events = in.source().readLong();
            amounts = in.source().readLong();
            sum = in.source().readLong();
        }

        @Override
        public Amounts copy() {
            Amounts made = new Amounts();
            made.events = events;
            made.amounts = amounts;
            made.sum = sum;
            return made;
        }
    }

    public static final class Largest implements Row.Values, Coding.Coded<Largest> {
        public long amount = Event.NONE;

        public void add(long other) {
            amount = Math.max(amount, other);
        }

        @Override
        public void write(View view, Row.Features out) {
            if (amount != Event.NONE) {
                out.hundredths(view.features[0], amount);
            } else {
                out.missing(view.features[0]);
            }
        }

        @Override
        public void write(DataOutput out) throws IOException {
            out.writeLong(amount);
        }

        @Override
        public void read(Coding.Input in) throws IOException {
            amount = in.source().readLong();
        }

        @Override
        public Largest copy() {
            Largest made = new Largest();
            made.amount = amount;
            return made;
        }
    }

    /** Different categories of a session. */
    public static final class Categories implements Row.Values, Coding.Coded<Categories> {
        private Histogram categories = new Histogram();

        public void add(Utf8 category) {
            if (category != null) {
                categories.add(category, 1);
            }
        }

        public void addAll(Categories other) {
            categories.addAll(other.categories);
        }

        @Override
        public void write(View view, Row.Features out) {
            out.integer(view.features[0], categories.size());
        }

        @Override
        public void write(DataOutput out) throws IOException {
            categories.write(out);
        }

        @Override
        public void read(Coding.Input in) throws IOException {
            categories.read(in);
        }

        @Override
        public Categories copy() {
            Categories made = new Categories();
            made.categories = categories.copy();
            return made;
        }
    }

    /** The times of the two newest events; {@link Event#NONE} where there is none. */
    public static final class LastTwo implements Row.Values, Coding.Coded<LastTwo> {
        public long newestMs = Event.NONE;
        public long previousMs = Event.NONE;

        public void add(long timeMs) {
            if (timeMs >= newestMs) {
                previousMs = newestMs;
                newestMs = timeMs;
            } else {
                previousMs = Math.max(previousMs, timeMs);
            }
        }

        @Override
        public void write(View view, Row.Features out) {
            if (previousMs != Event.NONE) {
                out.integer(view.features[0], newestMs - previousMs);
            } else {
                out.missing(view.features[0]);
            }
        }

        @Override
        public void write(DataOutput out) throws IOException {
            out.writeLong(newestMs);
            out.writeLong(previousMs);
        }

        @Override
        public void read(Coding.Input in) throws IOException {
            newestMs = in.source().readLong();
            previousMs = in.source().readLong();
        }

        @Override
        public LastTwo copy() {
            LastTwo made = new LastTwo();
            made.newestMs = newestMs;
            made.previousMs = previousMs;
            return made;
        }
    }
}
