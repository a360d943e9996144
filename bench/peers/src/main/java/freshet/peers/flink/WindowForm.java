package freshet.peers.flink;

import freshet.peers.ActivityTotals;
import freshet.peers.ClickTotals;
import freshet.peers.Coding;
import freshet.peers.Event;
import freshet.peers.FraudTotals;
import freshet.peers.Row;
import freshet.peers.Utf8;
import freshet.peers.View;
import freshet.peers.Workload;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.function.BiConsumer;
import java.util.function.BinaryOperator;
import org.apache.flink.api.common.functions.AggregateFunction;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.java.functions.KeySelector;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.datastream.DataStreamUtils;
import org.apache.flink.streaming.api.datastream.KeyedStream;
import org.apache.flink.streaming.api.functions.windowing.ProcessWindowFunction;
import org.apache.flink.streaming.api.windowing.assigners.EventTimeSessionWindows;
import org.apache.flink.streaming.api.windowing.assigners.SlidingEventTimeWindows;
import org.apache.flink.streaming.api.windowing.assigners.TumblingEventTimeWindows;
import org.apache.flink.streaming.api.windowing.assigners.WindowAssigner;
import org.apache.flink.streaming.api.windowing.windows.TimeWindow;
import org.apache.flink.util.Collector;

/**
 * Flink's own windows with incremental aggregates. Events cross the network once, keyed by user,
 * and all windows of a job stand behind that in one task.
 */
final class WindowForm {
    private final DataStream<Event> events; // of this task's users
    private final Duration lateness;
    private final List<DataStream<Row>> rows = new ArrayList<>();

    private WindowForm(DataStream<Event> events, long latenessMs) {
        this.events = events.keyBy(new ByUser(), Type.UTF8)
                .map(event -> event).returns(Type.EVENT).name("exchange");
        lateness = Duration.ofMillis(latenessMs);
    }

    static List<DataStream<Row>> build(
            DataStream<Event> events, Workload workload, long latenessMs) {
        WindowForm form = new WindowForm(events, latenessMs);
        switch (workload) {
            case USER_ACTIVITY -> form.activity();
            case SESSION_FEATURES -> form.clicks();
            case FRAUD -> form.fraud();
        }
        return form.rows;
    }

    private void activity() {
        Add<ActivityTotals> add = (totals, event) -> totals.add(event.type, event.item);
        window(events, View.ACTIVITY_1H, ActivityTotals.class, add, null);
        window(events, View.ACTIVITY_24H, ActivityTotals.class, add, null);
    }

    private void clicks() {
        window(events, View.CLICKS_30M, ClickTotals.class, (totals, event) -> {
            totals.add(event.item, event.category);
            totals.newest.add(event.timeMs, event.item);
        }, null);
    }

    private void fraud() {
        DataStream<Event> purchases =
                events.filter(event -> FraudTotals.PURCHASE.equals(event.type));
        DataStream<Event> failures =
                events.filter(event -> FraudTotals.LOGIN_FAILED.equals(event.type));
        Add<FraudTotals.Amounts> addAmount = (totals, event) -> totals.add(event.amount);
        window(purchases, View.PURCHASES_30M, FraudTotals.Amounts.class, addAmount, null);
        window(purchases, View.SPEND_1H, FraudTotals.Amounts.class, addAmount, null);
        window(failures, View.FAILED_LOGINS_10M, FraudTotals.Amounts.class, addAmount, null);
        window(purchases, View.MAX_PURCHASE_24H, FraudTotals.Largest.class,
                (largest, event) -> largest.add(event.amount), null);
        window(events, View.SESSION, FraudTotals.Categories.class,
                (categories, event) -> categories.add(event.category),
                (one, other) -> {
                    one.addAll(other);
                    return one;
                });
        window(events, View.LAST_ACTION_24H, FraudTotals.LastTwo.class,
                (last, event) -> last.add(event.timeMs), null);
    }

    private <A extends Coding.Coded<A> & Row.Values> void window(
            DataStream<Event> from, View view, Class<A> type, Add<A> add, Merge<A> merge) {
        KeyedStream<Event, Utf8> keyed =
                DataStreamUtils.reinterpretAsKeyedStream(from, new ByUser(), Type.UTF8);
        Type<A> state = Type.ofState(type);
        DataStream<Row> made = keyed.window(assigner(view))
                .allowedLateness(lateness)
                .aggregate(new Incremental<>(type, add, merge), new ToRow<A>(view),
                        state, state, Type.ROW)
                .name(view.name());
        rows.add(made);
    }

    private static WindowAssigner<Object, TimeWindow> assigner(View view) {
        Duration size = Duration.ofMillis(view.sizeMs);
        if (view == View.SESSION) {
            return EventTimeSessionWindows.withGap(size);
        }
        if (view.sizeMs == view.slideMs) {
            return TumblingEventTimeWindows.of(size);
        }
        return SlidingEventTimeWindows.of(size, Duration.ofMillis(view.slideMs));
    }

    private interface Add<A> extends BiConsumer<A, Event>, java.io.Serializable {}

    private interface Merge<A> extends BinaryOperator<A>, java.io.Serializable {}

    private static final class ByUser implements KeySelector<Event, Utf8> {
        @Override
        public Utf8 getKey(Event event) {
            return event.user;
        }
    }

    private static final class Incremental<A extends Coding.Coded<A>>
            implements AggregateFunction<Event, A, A> {
        private final Codec.OfState<A> state;
        private final Add<A> add;
        private final Merge<A> merge;

        Incremental(Class<A> type, Add<A> add, Merge<A> merge) {
            state = new Codec.OfState<>(type);
            this.add = add;
            this.merge = merge;
        }

        @Override
        public A createAccumulator() {
            return state.createInstance();
        }

        @Override
        public A add(Event event, A into) {
            add.accept(into, event);
            return into;
        }

        @Override
        public A getResult(A of) {
            return of;
        }

        @Override
        public A merge(A one, A other) {
            return merge.apply(one, other);
        }
    }

    private static final class ToRow<A extends Row.Values>
            extends ProcessWindowFunction<A, Row, Utf8, TimeWindow> {
        private final View view;
        private transient Row row;

        ToRow(View view) {
            this.view = view;
        }

        @Override
        public void open(OpenContext context) {
            row = new Row();
        }

        @Override
        public void process(Utf8 user, Context context, Iterable<A> values, Collector<Row> out) {
            TimeWindow window = context.window();
            boolean atEnd = context.currentWatermark() == Long.MAX_VALUE;
            out.collect(row.set(view, user, window.getStart(), window.getEnd(), atEnd,
                    values.iterator().next()));
        }
    }
}
