/* Keyspaces in cases made by hand: what the design says in so many words. */
#include "view_cases.h"

static void a_tumbling_window_fires_when_the_watermark_is_at_its_end(void **state)
{
    struct spec spec = spec_of(tumbling);

    (void)state;
    begin(&spec);
    event(3);
    event(9);
    advance(9, 9);
    expect("");
    advance(10, 10);
    expect("0 10 0 2|2|\n");
    event(10); /* belongs to the next one */
    advance(20, 20);
    expect("10 20 0 1|1|\n");
    end();
}

static void a_sliding_window_fires_at_each_slide_that_holds_an_event(void **state)
{
    struct spec spec = spec_of(sliding);

    (void)state;
    begin(&spec);
    event(5);
    event(25);
    advance(100, 100);
    expect("-20 10 0 1|1|\n"
           "-10 20 0 1|1|\n"
           "0 30 0 2|2|\n"
           "10 40 0 1|1|\n"
           "20 50 0 1|1|\n"
           "30 60 0 empty 0|0|\n");
    end();
}

static void a_late_event_fires_its_windows_again(void **state)
{
    struct spec spec = spec_of(sliding);

    (void)state;
    begin(&spec);
    event(5);
    event(42);
    advance(42, 42);
    expect("-20 10 0 1|1|\n"
           "-10 20 0 1|1|\n"
           "0 30 0 1|1|\n"
           "10 40 0 empty 0|0|\n");
    /* [-20, 10) and [-10, 20) are closed by now: 42 >= 20 + 20. */
    event(6);
    expect("0 30 1 2|2|\n");
    event(11);
    expect("0 30 2 3|3|\n"
           "10 40 1 1|1|\n");
    end();
}

static void the_first_window_without_an_event_has_an_empty_row(void **state)
{
    struct spec spec = spec_of(tumbling);

    (void)state;
    begin(&spec);
    event(5);
    advance(40, 40);
    expect("0 10 0 1|1|\n"
           "10 20 0 empty 0|0|\n");
    event(25); /* allowed until 50; no row was emitted for its window */
    expect("20 30 0 1|1|\n"
           "30 40 0 empty 0|0|\n");
    event(30);
    expect("30 40 1 1|1|\n");
    end();
}

static void an_update_has_a_row_at_once(void **state)
{
    struct spec spec = spec_of(updating(sliding));

    (void)state;
    begin(&spec);
    event(5);
    expect("-30 5 0 1|1|\n");
    event(8);
    expect("-30 8 0 2|2|\n");
    event(7);
    expect("-30 8 1 3|3|\n");
    event(38);
    expect("0 38 0 4|4|\n");
    advance(40, 40); /* [10, 40] holds the newest one only */
    expect("10 40 0 1|1|\n");
    event(39);
    expect("10 40 1 2|2|\n");
    advance(69, 69);
    expect("");
    advance(70, 70);
    expect("40 70 0 empty 0|0|\n");
    advance(200, 200);
    expect("");
    end();
}

static void a_tumbling_update_becomes_empty_when_its_window_closes(void **state)
{
    struct spec spec = spec_of(updating(tumbling));

    (void)state;
    begin(&spec);
    event(5);
    event(12);
    expect("0 5 0 1|1|\n"
           "10 12 0 1|1|\n");
    event(9); /* older than the window of T = 12 */
    expect("");
    advance(20, 20);
    expect("20 20 0 empty 0|0|\n");
    end();
}

/* The idle clock is at 35, the watermark at 5. */
static void a_window_fired_early_fires_once_more_when_the_watermark_is_there(void **state)
{
    struct spec spec = spec_of(tumbling);

    (void)state;
    begin(&spec);
    event(5);
    advance(5, 35);
    expect("0 10 0 1|1|\n"
           "10 20 0 empty 0|0|\n");
    event(6);
    event(7);
    event(8);
    bench_fire_all(&bench);
    expect(""); /* not once per event */
    advance(9, 36);
    expect("");
    advance(10, 36);
    expect("0 10 1 4|4|\n");
    event(9); /* now as any late event */
    expect("0 10 2 5|5|\n");
    assert_int_equal(counter_get(&bench.stats[0].late), 0);
    assert_int_equal(counter_get(&bench.stats[0].released), 0);
    end();
}

static void a_window_fired_early_without_an_event_has_its_row_at_the_first(void **state)
{
    struct spec spec = spec_of(tumbling);

    (void)state;
    begin(&spec);
    event(5);
    advance(5, 100);
    expect("0 10 0 1|1|\n"
           "10 20 0 empty 0|0|\n");
    event(31); /* its watermark: 5 */
    expect("30 40 0 1|1|\n"
           "40 50 0 empty 0|0|\n");
    event(32);
    event(42);
    bench_fire_all(&bench);
    /* [40, 50) showed its empty row and waits; [50, 60) follows one with an event now. */
    expect("50 60 0 empty 0|0|\n");
    advance(42, 100);
    expect("30 40 1 2|2|\n");
    advance(50, 100);
    expect("40 50 1 1|1|\n");
    end();
}

/* What was not entered since it fired early is not fired once more. */
static void the_watermark_alone_fires_nothing_twice(void **state)
{
    struct spec spec = spec_of(sliding);

    (void)state;
    begin(&spec);
    event(5);
    advance(5, 500);
    expect("-20 10 0 1|1|\n"
           "-10 20 0 1|1|\n"
           "0 30 0 1|1|\n"
           "10 40 0 empty 0|0|\n");
    advance(600, 600);
    expect("");
    end();
}

/* State lags the clock by at most the longest of ttl and window. */
static void what_lies_too_far_behind_the_clock_is_released(void **state)
{
    struct spec spec = spec_of(tumbling);

    (void)state;
    spec.ttl_ms = 100;
    begin(&spec);
    event(5);
    advance(5, 1000);
    expect("0 10 0 1|1|\n"
           "10 20 0 empty 0|0|\n");
    assert_int_equal(keyspace_release_ms(bench.keyspace), 900);
    assert_int_equal(keyspace_watermark_ms(bench.keyspace), 5);
    assert_int_equal(keyspace_keys(bench.keyspace), 0);
    event(6);   /* not late by its watermark, 5 */
    event(869); /* 870 + 20 <= 900: as well */
    expect("");
    assert_int_equal(counter_get(&bench.stats[0].late), 0);
    assert_int_equal(counter_get(&bench.stats[0].released), 2);
    assert_int_equal(counter_get(&bench.stats[0].events), 1);
    event(881); /* 890 + 20 > 900 */
    expect("880 890 0 1|1|\n"
           "890 900 0 empty 0|0|\n");
    end();
}

/* The window [10, 20) ends at or before what is released, and is not closed: it is not due for
 * ever.
 */
static void a_window_between_watermark_and_release_is_not_due_for_ever(void **state)
{
    struct spec spec = spec_of(tumbling);

    (void)state;
    spec.ttl_ms = 100;
    spec.lateness_ms = 90;
    begin(&spec);
    event(5);
    event(15);
    advance(15, 110);
    expect("0 10 0 1|1|\n"
           "10 20 0 1|1|\n"
           "20 30 0 empty 0|0|\n");
    event(16); /* enters a window that fired early */
    advance(16, 130);
    assert_int_equal(keyspace_release_ms(bench.keyspace), 30);
    assert_false(keyspace_fire(bench.keyspace, 1000));
    advance(20, 130);
    expect("10 20 1 2|2|\n");
    end();
}

static void keys_and_memory_go_after_the_ttl(void **state)
{
    struct spec spec = spec_of(sliding);

    (void)state;
    spec.views[0].features = 0xff & ((1u << ARRAY_LEN(spec_features)) - 1);
    begin(&spec);
    for (int round = 0; round < 3; round++) {
        for (int key = 0; key < SPEC_KEYS; key++) {
            for (int64_t time_ms = 0; time_ms < 60; time_ms += 7)
                event_of(key, MAX(watermark_ms, 0) + time_ms / 10);
        }
        assert_int_equal(keyspace_keys(bench.keyspace), SPEC_KEYS);
        assert_true(keyspace_bytes(bench.keyspace) > keyspace_view_bytes(bench.keyspace, 0));
        assert_true(keyspace_view_bytes(bench.keyspace, 0) > 0);
        int64_t newest_ms = watermark_ms;

        advance(newest_ms + 999, newest_ms + 999);
        assert_true(keyspace_keys(bench.keyspace) > 0);
        assert_int_equal(keyspace_view_bytes(bench.keyspace, 0), 0);
        advance(newest_ms + 1000, newest_ms + 1000);
        assert_int_equal(keyspace_keys(bench.keyspace), 0);
        assert_int_equal(keyspace_bytes(bench.keyspace), 0);
        assert_int_equal(bench.slots_released, bench.slots_given);
        assert_int_equal(bench.intern.live, 0);
    }
    end();
}

/* state.ttl never cuts a window: here it is shorter than one, and than the lateness. */
static void a_short_ttl_keeps_what_windows_need(void **state)
{
    struct spec spec = spec_of(tumbling);

    (void)state;
    spec.ttl_ms = 1;
    spec.lateness_ms = 30;
    begin(&spec);
    event(5);
    advance(8, 8);
    event(9);
    advance(45, 45);
    expect("0 10 0 2|2|\n"
           "10 20 0 empty 0|0|\n");
    /* [0, 10) is closed, [10, 20) not: its empty row is corrected. */
    event(15);
    expect("10 20 1 1|1|\n"
           "20 30 0 empty 0|0|\n");
    end();
}

static void a_bounded_run_ends_with_the_windows_that_hold_an_event(void **state)
{
    struct spec spec = spec_of(sliding);

    (void)state;
    begin(&spec);
    event(5);
    event_of(1, 25);
    advance(25, 25);
    expect("-20 10 0 1|1|\n"
           "-10 20 0 1|1|\n");
    expect_of(1, "");
    while (keyspace_finish(bench.keyspace, 1))
        ;
    for (int key = 0; key < 2; key++) {
        for (size_t i = 0; i < bench.rows[0][key].count; i++)
            assert_false(bench.rows[0][key].rows[i].online);
    }
    expect("0 30 0 1|1|\n"); /* no empty row beyond the last watermark */
    expect_of(1, "0 30 0 1|1|\n"
                 "10 40 0 1|1|\n"
                 "20 50 0 1|1|\n");
    assert_false(keyspace_finish(bench.keyspace, 100));
    expect("");
    assert_int_equal(gauge_get(&bench.stats[0].newest_end_ms), 20); /* of what was really reached */
    end();
}

static void updates_run_out_at_the_end_of_a_bounded_run(void **state)
{
    struct spec spec = spec_of(updating(sliding));

    (void)state;
    begin(&spec);
    event(5);
    event(25);
    advance(25, 25);
    expect("-30 5 0 1|1|\n"
           "-10 25 0 2|2|\n");
    while (keyspace_finish(bench.keyspace, 1))
        ;
    expect("10 40 0 1|1|\n");
    end();
}

/* 24 hours by 10 seconds, in hundredths: two levels of spans. */
static void a_window_of_very_many_slides_holds_what_it_should(void **state)
{
    enum { SLIDE = 10, SIZE = 8640 * SLIDE, EVENTS = 300 };
    struct spec spec = spec_of((struct view_spec){.size_ms = SIZE, .slide_ms = SLIDE});
    const struct spec_rows *rows = &bench.rows[0][0];
    int64_t time_ms = 7;

    (void)state;
    begin(&spec);
    for (int i = 0; i < EVENTS; i++) {
        event(time_ms);
        time_ms += (int64_t)random_below(random_chance(10) ? SIZE / 4 : 500);
    }
    advance(time_ms + 2 * SIZE, time_ms + 2 * SIZE);
    for (size_t i = 0; i < rows->count; i++) {
        const struct spec_row *row = &rows->rows[i];
        char wanted[SPEC_VALUES];
        int held = 0;

        for (int j = 0; j < EVENTS; j++)
            held += samples[j].time_ms >= row->start_ms && samples[j].time_ms < row->end_ms;
        sprintf(wanted, "%d|%d|", held, held);
        assert_string_equal(row->values, wanted);
        assert_int_equal(row->empty, held == 0);
    }
    assert_true(rows->count > 2 * SIZE / SLIDE);
    assert_int_equal(keyspace_view_bytes(bench.keyspace, 0), 0);
    end();
}

/* What no window needs goes when the last one has closed, and does not wait for the key's ttl. */
static void spans_go_with_their_panes(void **state)
{
    struct spec spec = spec_of((struct view_spec){.size_ms = 4096, .slide_ms = 1});

    (void)state;
    spec.ttl_ms = 100000;
    for (int64_t time_ms = 0; time_ms < 2048; time_ms += 97) {
        begin(&spec);
        event(time_ms);
        advance(time_ms + 4096 + 19, time_ms + 4096 + 19);
        assert_true(keyspace_view_bytes(bench.keyspace, 0) > 0);
        advance(time_ms + 4096 + 20, time_ms + 4096 + 20);
        assert_int_equal(keyspace_keys(bench.keyspace), 1);
        assert_int_equal(keyspace_view_bytes(bench.keyspace, 0), 0);
        end();
    }
}

/* Rows name the event that caused them, if one did. */
static int64_t last_record_ms;
static int64_t last_fetched_ns;

static bool note_cause(void *context, const struct row *row, void **slot)
{
    (void)context, (void)slot;
    last_record_ms = row->record_ms;
    last_fetched_ns = row->fetched_ns;
    return true;
}

static void rows_name_the_event_that_caused_them(void **state)
{
    struct spec spec = spec_of(tumbling);
    struct view_stats *stats = &bench.stats[0];

    (void)state;
    begin(&spec);
    keyspace_free(bench.keyspace);
    bench.keyspace = keyspace_create(bench.plan, 0, 0, &bench.arena, &bench.intern, &stats,
                                     (struct keyspace_output){.row = note_cause});
    event(5);
    advance(10, 10);
    assert_int_equal(last_record_ms, -1);
    assert_int_equal(last_fetched_ns, 0);
    event(6);
    assert_int_equal(last_record_ms, 6);
    assert_int_equal(last_fetched_ns, 1);
    event(35);
    event(36); /* what fires before it is not its doing */
    assert_int_equal(last_record_ms, -1);
    end();
}

static void an_output_that_is_full_stops_the_batch(void **state)
{
    struct spec spec = spec_of(updating(tumbling));

    (void)state;
    begin(&spec);
    bench.stop_percent = 100;
    for (int64_t i = 0; i < 3; i++) {
        samples[i] = (struct sample){.time_ms = i, .has_n = true, .n = 1};
        bench_event(&bench, &samples[i], WATERMARK_NONE);
    }
    assert_int_equal(keyspace_apply(bench.keyspace, bench.pending, 3), 1);
    assert_int_equal(keyspace_apply(bench.keyspace, bench.pending + 1, 2), 1);
    assert_int_equal(keyspace_apply(bench.keyspace, bench.pending + 2, 1), 1);
    assert_int_equal(keyspace_apply(bench.keyspace, bench.pending, 0), 0);
    expect("0 0 0 1|1|\n"
           "0 1 0 2|2|\n"
           "0 2 0 3|3|\n");
    keyspace_advance(bench.keyspace, 10, 10);
    bench_fire_all(&bench);
    expect("10 10 0 empty 0|0|\n");
    end();
}

/* Times never go back. */
static void smaller_times_are_ignored(void **state)
{
    struct spec spec = spec_of(tumbling);

    (void)state;
    begin(&spec);
    assert_true(keyspace_watermark_ms(bench.keyspace) == WATERMARK_NONE);
    assert_true(keyspace_release_ms(bench.keyspace) == WATERMARK_NONE);
    keyspace_advance(bench.keyspace, 50, 70);
    keyspace_advance(bench.keyspace, 40, 40);
    assert_int_equal(keyspace_watermark_ms(bench.keyspace), 50);
    watermark_ms = 50;
    event(55);
    bench_fire_all(&bench);
    expect("50 60 0 1|1|\n" /* the clock is at 70 still */
           "60 70 0 empty 0|0|\n");
    end();
}

/* An event that is late for the short view and not for the long one, which share their panes. */
static void views_that_share_panes_are_late_each_for_itself(void **state)
{
    struct spec spec = spec_of(updating(sliding));

    (void)state;
    spec.lateness_ms = 0;
    spec.view_count = 2;
    spec.views[0].size_ms = 20;
    spec.views[1] = sliding;
    spec.views[1].size_ms = 40;
    spec.views[1].features = COUNTS;
    begin(&spec);
    event(45);
    expect("20 45 0 1|1|\n");
    event(25); /* its windows of 20 ms end at 30 and 40 */
    event(46);
    expect("20 46 0 2|2|\n");
    advance(60, 60);
    expect("");
    assert_int_equal(counter_get(&bench.stats[0].events), 2);
    assert_int_equal(counter_get(&bench.stats[1].events), 3);
    assert_string_equal(bench.rows[1][0].rows[0].values, "3|3|"); /* [10, 50): 25, 45 and 46 */
    end();
}

/* Under shuffle too: a partition far ahead finds the short view's windows closed, but the key's
 * newest event in the short view is another. */
static void what_is_late_for_a_view_does_not_move_its_time(void **state)
{
    struct spec spec = spec_of(updating(tumbling));

    (void)state;
    spec.aligned = false;
    spec.lateness_ms = 0;
    spec.view_count = 2;
    spec.views[1] = sliding;
    spec.views[1].size_ms = 40;
    spec.views[1].features = COUNTS;
    begin(&spec);
    event(5); /* of a partition that stays behind */
    expect("0 5 0 1|1|\n");
    watermark_ms = 30;
    event(15); /* of another one, at 30 already: late for [10, 20) */
    expect("");
    keyspace_advance(bench.keyspace, 10, 10);
    bench_fire_all(&bench);
    expect("10 10 0 empty 0|0|\n");
    end();
}

/* Under shuffle a partition that is empty so far does not keep windows from firing, and its first
 * events are late for nothing. */
static void what_an_empty_partition_may_bring_is_waited_for(void **state)
{
    struct spec spec = spec_of(tumbling);

    (void)state;
    spec.aligned = false;
    spec.lateness_ms = 0;
    spec.ttl_ms = 500;
    begin(&spec);
    keyspace_hold(bench.keyspace, true);
    event(5);
    advance(100, 100);
    expect("0 10 0 1|1|\n"
           "10 20 0 empty 0|0|\n");
    watermark_ms = WATERMARK_NONE; /* the empty one's */
    event(6);
    expect("0 10 1 2|2|\n");
    assert_int_equal(counter_get(&bench.stats[0].released), 0);
    /* But not for ever. */
    advance(600, 600);
    watermark_ms = WATERMARK_NONE;
    event(7);
    expect("");
    assert_int_equal(counter_get(&bench.stats[0].released), 1);
    end();
}

static void sums_that_saturate_are_counted(void **state)
{
    struct spec spec = spec_of(tumbling);

    (void)state;
    begin(&spec);
    for (int i = 0; i < 2; i++) {
        samples[i] = (struct sample){.time_ms = i, .has_n = true, .n = INT64_MAX};
        bench_event(&bench, &samples[i], WATERMARK_NONE);
    }
    bench_apply(&bench);
    advance(10, 10);
    expect("0 10 0 2|9223372036854775807|\n");
    assert_int_equal(counter_get(&bench.stats[0].saturated), 1);
    end();
}

static void sums_that_saturate_are_counted_for_each_window_that_shares_them(void **state)
{
    struct spec spec = spec_of(sliding);

    (void)state;
    begin(&spec);
    for (int i = 0; i < 2; i++) {
        samples[i] = (struct sample){.time_ms = i, .has_n = true, .n = INT64_MAX};
        bench_event(&bench, &samples[i], WATERMARK_NONE);
    }
    bench_apply(&bench);
    advance(100, 100);
    expect("-20 10 0 2|9223372036854775807|\n"
           "-10 20 0 2|9223372036854775807|\n"
           "0 30 0 2|9223372036854775807|\n"
           "10 40 0 empty 0|0|\n");
    assert_int_equal(counter_get(&bench.stats[0].saturated), 3);
    end();
}

#define SUM_X       (1u << 7)

#define MANY_SLIDES (128 * 10) /* of 10 ms */

/* Values that no double holds exactly, one or two a slide, with long pauses. */
static void random_doubles(size_t count)
{
    int64_t time_ms = 7;

    sample_count = count;
    for (size_t i = 0; i < count; i++) {
        samples[i] = (struct sample){
            .time_ms = time_ms, .has_x = true, .x = (double)random_between(-999, 999) / 10};
        time_ms += (int64_t)random_below(random_chance(20) ? MANY_SLIDES / 2 : 40);
    }
}

/* The rows of the samples as text, with windows fired one by one or as late as may be. */
static void sum_doubles(bool one_by_one, struct buf *out)
{
    struct spec spec = spec_of((struct view_spec){.size_ms = MANY_SLIDES, .slide_ms = 10});
    const struct spec_rows *rows = &bench.rows[0][0];
    size_t count = sample_count;
    int64_t end_ms = samples[count - 1].time_ms + 2 * MANY_SLIDES;

    spec.views[0].features = SUM_X;
    begin(&spec);
    for (size_t i = 0; i < count; i++) {
        bench_event(&bench, &samples[i], watermark_ms);
        bench_apply(&bench);
        watermark_ms = samples[i].time_ms;
        int64_t until_ms = i + 1 < count ? samples[i + 1].time_ms : end_ms;

        while (watermark_ms + 10 < until_ms) { /* by events of other keys */
            watermark_ms += 10;
            keyspace_advance(bench.keyspace, watermark_ms, watermark_ms);
            if (one_by_one)
                bench_fire_all(&bench);
        }
    }
    advance(end_ms, end_ms);
    for (size_t i = 0; i < rows->count; i++)
        buf_printf(out, "%" PRId64 " %s\n", rows->rows[i].end_ms, rows->rows[i].values);
    sample_count = count;
    end();
}

static void sums_of_doubles_do_not_depend_on_when_windows_fire(void **state)
{
    (void)state;
    for (FIRST_SEED; MORE_SEEDS(20); NEXT_SEED) {
        struct buf at_once = {0};
        struct buf one_by_one = {0};

        random_doubles(60);
        sum_doubles(false, &at_once);
        sum_doubles(true, &one_by_one);
        ENSURE(slice_equal(buf_slice(&at_once), buf_slice(&one_by_one)));
        buf_free(&at_once);
        buf_free(&one_by_one);
    }
}

#define HISTOGRAM_TYPE (1u << 3)

/* Rows that nobody reads are the same rows: whether a map has changed is seen all the same. The
 * event without a type changes none when it drops out. */
static void updates_that_nobody_reads_run_out_too(void **state)
{
    struct spec spec = spec_of(updating(sliding));

    (void)state;
    spec.views[0].features = HISTOGRAM_TYPE;
    for (int unread = 0; unread < 2; unread++) {
        spec.is_unread = unread == 1;
        begin(&spec);
        samples[0] = (struct sample){.time_ms = 5, .type = 0};
        samples[1] = (struct sample){.time_ms = 15, .type = -1};
        bench_event(&bench, &samples[0], WATERMARK_NONE);
        bench_event(&bench, &samples[1], 5);
        bench_apply(&bench);
        advance(100, 100);
        assert_int_equal(bench.rows[0][0].count, 3);
        assert_int_equal(bench.rows[0][0].rows[2].end_ms, 40);
        end();
    }
}

static void maps_that_nobody_reads_are_left_empty(void **state)
{
    struct spec spec = spec_of(sliding);

    (void)state;
    spec.views[0].features = COUNTS | HISTOGRAM_TYPE;
    spec.is_unread = true;
    begin(&spec);
    event(5);
    advance(10, 10);
    expect("-20 10 0 1|1||\n");
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tumbling_window_fires_when_the_watermark_is_at_its_end),
        cmocka_unit_test(a_sliding_window_fires_at_each_slide_that_holds_an_event),
        cmocka_unit_test(a_late_event_fires_its_windows_again),
        cmocka_unit_test(the_first_window_without_an_event_has_an_empty_row),
        cmocka_unit_test(an_update_has_a_row_at_once),
        cmocka_unit_test(a_tumbling_update_becomes_empty_when_its_window_closes),
        cmocka_unit_test(a_window_fired_early_fires_once_more_when_the_watermark_is_there),
        cmocka_unit_test(a_window_fired_early_without_an_event_has_its_row_at_the_first),
        cmocka_unit_test(the_watermark_alone_fires_nothing_twice),
        cmocka_unit_test(what_lies_too_far_behind_the_clock_is_released),
        cmocka_unit_test(a_window_between_watermark_and_release_is_not_due_for_ever),
        cmocka_unit_test(keys_and_memory_go_after_the_ttl),
        cmocka_unit_test(a_short_ttl_keeps_what_windows_need),
        cmocka_unit_test(a_bounded_run_ends_with_the_windows_that_hold_an_event),
        cmocka_unit_test(updates_run_out_at_the_end_of_a_bounded_run),
        cmocka_unit_test(a_window_of_very_many_slides_holds_what_it_should),
        cmocka_unit_test(spans_go_with_their_panes),
        cmocka_unit_test(rows_name_the_event_that_caused_them),
        cmocka_unit_test(an_output_that_is_full_stops_the_batch),
        cmocka_unit_test(smaller_times_are_ignored),
        cmocka_unit_test(views_that_share_panes_are_late_each_for_itself),
        cmocka_unit_test(what_is_late_for_a_view_does_not_move_its_time),
        cmocka_unit_test(what_an_empty_partition_may_bring_is_waited_for),
        cmocka_unit_test(sums_that_saturate_are_counted),
        cmocka_unit_test(sums_that_saturate_are_counted_for_each_window_that_shares_them),
        cmocka_unit_test(sums_of_doubles_do_not_depend_on_when_windows_fire),
        cmocka_unit_test(updates_that_nobody_reads_run_out_too),
        cmocka_unit_test(maps_that_nobody_reads_are_left_empty),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
