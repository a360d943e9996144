/* Keyspaces at their edges, made by hand: what random plans seldom get to. Each case stands for a
 * fault in tests/mutation/faults.txt that nothing else caught. */
#include "view_cases.h"

/* An older event that comes last does not make a key go earlier. */
static void a_key_stays_for_the_newest_of_its_events(void **state)
{
    struct spec spec = spec_of(tumbling);

    (void)state;
    spec.ttl_ms = 1;
    spec.lateness_ms = 30;
    begin(&spec);
    event(15);
    event(5);
    advance(55, 55);
    expect("0 10 0 1|1|\n"
           "10 20 0 1|1|\n"
           "20 30 0 empty 0|0|\n");
    event(25); /* allowed until 60: it corrects the empty row */
    expect("20 30 1 1|1|\n"
           "30 40 0 empty 0|0|\n");
    end();
}

/* What is left of a key, in bytes, when its window has closed and it stays for the ttl. */
static size_t bytes_left(int late_events)
{
    struct spec spec = spec_of(tumbling);
    size_t bytes;

    begin(&spec);
    event(5);
    advance(22, 22); /* nothing fires any more */
    for (int i = 0; i < late_events; i++)
        event(5);
    advance(500, 500);
    bytes = arena_used_bytes(&bench.arena);
    assert_int_equal(keyspace_keys(bench.keyspace), 1);
    end();
    return bytes;
}

static void revisions_are_forgotten_when_their_windows_close(void **state)
{
    (void)state;
    assert_int_equal(bytes_left(1), bytes_left(0));
    assert_int_equal(bytes_left(20), bytes_left(0));
}

static void an_event_that_comes_again_is_dropped(void **state)
{
    struct spec spec = spec_of(tumbling);

    (void)state;
    spec.dedup_ms = 15;
    begin(&spec);
    event(5);
    event_of(1, 5); /* of another key: its id is its own */
    event(5);
    event(20); /* at most 15 ms away */
    assert_int_equal(counter_get(&bench.duplicates), 2);
    event(21);
    event(6); /* and to either side; 21 was accepted, 20 was not */
    assert_int_equal(counter_get(&bench.duplicates), 3);
    advance(40, 40);
    expect("0 10 0 1|1|\n"
           "10 20 0 empty 0|0|\n"
           "20 30 0 1|1|\n"
           "30 40 0 empty 0|0|\n");
    expect_of(1, "0 10 0 1|1|\n"
                 "10 20 0 empty 0|0|\n");
    assert_int_equal(counter_get(&bench.stats[0].events), 3);
    assert_true(keyspace_bytes(bench.keyspace) > 0);
    advance(3000, 3000); /* ids are forgotten, too */
    assert_int_equal(keyspace_bytes(bench.keyspace), 0);
    end();
}

/* Late for the short view by a hair, and in the first pane that it shows: the spans over that pane
 * hold the event, for the long view's sake. */
static void spans_hold_nothing_late_for_a_shorter_view(void **state)
{
    struct spec spec = spec_of(updating((struct view_spec){.size_ms = 130, .slide_ms = 1}));

    (void)state;
    spec.lateness_ms = 0;
    spec.view_count = 2;
    spec.views[1] = spec.views[0];
    spec.views[1].size_ms = 300;
    begin(&spec);
    event(130);
    expect("0 130 0 1|1|\n");
    event(0); /* its last window of 130 ms ends at 130 */
    event(130);
    expect("0 130 1 2|2|\n");
    assert_int_equal(bench.rows[1][0].count, 3);
    assert_string_equal(bench.rows[1][0].rows[2].values, "3|3|");
    end();
}

/* Spans take what they are made of, not each event. */
static void spans_gather_the_events_of_their_panes(void **state)
{
    struct spec spec = spec_of((struct view_spec){.size_ms = 130, .slide_ms = 1});
    uint64_t bytes;

    (void)state;
    begin(&spec);
    event(5);
    bytes = keyspace_view_bytes(bench.keyspace, 0);
    for (int i = 0; i < 100; i++)
        event(5);
    assert_int_equal(keyspace_view_bytes(bench.keyspace, 0), bytes);
    end();
}

/* An event whose partition is at that watermark, by other keys' events, before the keyspace is told
 * of it. */
static void event_behind(int64_t time_ms, int64_t own_watermark_ms)
{
    watermark_ms = own_watermark_ms;
    event(time_ms);
    watermark_ms = own_watermark_ms;
}

/* Sessions that are closed and not yet freed are passed over, though an open one now begins before
 * them: it is found behind many newer ones, too. */
static void closed_sessions_do_not_stand_in_the_way(void **state)
{
    struct spec spec = spec_of(session);

    (void)state;
    spec.lateness_ms = 0;
    begin(&spec);
    event_behind(40, WATERMARK_NONE);
    event_behind(50, 65);
    event_behind(60, 75);
    expect("40 60 0 1|1|\n"
           "50 70 0 1|1|\n");
    event_behind(40, 75); /* late alone, but it joins [60, 80] */
    event_behind(39, 75);
    for (int64_t time_ms = 100; time_ms < 340; time_ms += 30)
        event_behind(time_ms, 75);
    event_behind(21, 75);
    assert_int_equal(bench.late_after_all, 0);
    advance(80, 80);
    expect("21 80 0 4|4|\n");
    end();
}

/* The idle clock has released session [10, 60]: that it is not freed yet makes no difference to an
 * event in it, which is late by its watermark. */
static void a_session_that_is_gone_makes_no_event_early_enough(void **state)
{
    struct spec spec = spec_of(session);

    (void)state;
    spec.lateness_ms = 0;
    spec.ttl_ms = 1;
    begin(&spec);
    event_behind(10, WATERMARK_NONE);
    event_behind(25, WATERMARK_NONE);
    event_behind(40, WATERMARK_NONE);
    advance(35, 62);
    expect("10 60 0 3|3|\n");
    keyspace_advance(bench.keyspace, 35, 85);
    assert_int_equal(keyspace_release_ms(bench.keyspace), 65);
    event(12);
    assert_int_equal(bench.late_after_all, 1);
    assert_int_equal(bench.late_by_watermark, 1);
    end();
}

/* Session [10, 30] has been freed, but what the view has shown is not taken back. */
static void a_key_stays_while_an_event_may_be_older_than_the_last_row(void **state)
{
    struct spec spec = spec_of(updating(session));

    (void)state;
    spec.lateness_ms = 0;
    spec.ttl_ms = 1;
    begin(&spec);
    event(10);
    advance(30, 30);
    expect("10 10 0 1|1|\n"
           "30 30 0 empty 0|0|\n");
    event(25);
    expect("25 30 0 1|1|\n");
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_stays_for_the_newest_of_its_events),
        cmocka_unit_test(revisions_are_forgotten_when_their_windows_close),
        cmocka_unit_test(an_event_that_comes_again_is_dropped),
        cmocka_unit_test(spans_hold_nothing_late_for_a_shorter_view),
        cmocka_unit_test(spans_gather_the_events_of_their_panes),
        cmocka_unit_test(closed_sessions_do_not_stand_in_the_way),
        cmocka_unit_test(a_session_that_is_gone_makes_no_event_early_enough),
        cmocka_unit_test(a_key_stays_while_an_event_may_be_older_than_the_last_row),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
