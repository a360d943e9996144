/* Keys that are evicted, cases made by hand: which go, what is asked of the store, and what comes
 * of a store that does not answer. */
#include "view_cases.h"
#include "view_store.h"

enum store_mood { STORE_WELL, STORE_AWAY, STORE_FORGETS, STORE_CHANGES };

static struct store store;
static enum store_mood mood;
static unsigned fetches;
static unsigned fetched; /* keys */
static uint64_t checkpoints;

static bool counting_fetch(void *context, const struct slice *keys, uint32_t count,
                           bool (*take)(void *loading, uint32_t number, struct slice value),
                           void *loading)
{
    fetches++;
    fetched += count;
    if (mood == STORE_AWAY)
        return false;
    if (mood == STORE_FORGETS)
        return take(loading, 0, SLICE_NONE);
    if (mood == STORE_CHANGES)
        return take(loading, 0, slice_of("something else"));
    return store_fetch(context, keys, count, take, loading);
}

static void begin_cold(struct spec spec)
{
    static struct spec kept; /* as long as the bench */

    kept = spec;
    random_begin(1);
    bench_init_with(&bench, &kept, counting_fetch, &store);
    sample_count = 0;
    watermark_ms = WATERMARK_NONE;
    mood = STORE_WELL;
    fetches = fetched = 0;
    checkpoints = 0;
}

static void capture(void)
{
    keyspace_mark(bench.keyspace, ++checkpoints, false);
    while (keyspace_capture(bench.keyspace, 1))
        ;
    store_take(&store, keyspace_captured(bench.keyspace));
}

/* All that may go. */
static void evict_all(bool may_write)
{
    for (int i = 0; i < 4; i++) {
        while (!keyspace_evict(bench.keyspace, 100, may_write))
            ;
        store_take(&store, keyspace_captured(bench.keyspace));
    }
}

static void done(void)
{
    store_clear(&store);
    end();
}

static void only_what_the_store_has_goes(void **state)
{
    (void)state;
    begin_cold(spec_of(tumbling));
    event_of(0, 5);
    event_of(1, 5);
    evict_all(false);
    assert_int_equal(keyspace_cold_keys(bench.keyspace), 0);
    capture();
    event_of(1, 6);
    evict_all(false);
    assert_int_equal(keyspace_cold_keys(bench.keyspace), 1);
    assert_int_equal(keyspace_keys(bench.keyspace), 2);
    evict_all(true); /* what has changed is written first */
    assert_int_equal(keyspace_cold_keys(bench.keyspace), 2);
    advance(10, 10);
    expect("0 10 0 1|1|\n");
    expect_of(1, "0 10 0 2|2|\n");
    assert_int_equal(fetches, 1); /* one for both */
    done();
}

static void keys_with_recent_events_stay(void **state)
{
    (void)state;
    begin_cold(spec_of(tumbling));
    event_of(0, 5);
    event_of(1, 5);
    capture();
    while (!keyspace_evict(bench.keyspace, 100, false)) /* the hand has been here */
        ;
    event_of(1, 6);
    capture();
    while (!keyspace_evict(bench.keyspace, 100, false))
        ;
    assert_int_equal(keyspace_cold_keys(bench.keyspace), 1);
    assert_null(keyspace_slot(bench.keyspace, slice_of(key_names[0])));
    assert_non_null(keyspace_slot(bench.keyspace, slice_of(key_names[1])));
    done();
}

static void nothing_is_asked_of_unknown_keys(void **state)
{
    (void)state;
    begin_cold(spec_of(tumbling));
    event_of(0, 5);
    evict_all(true);
    event_of(1, 6);
    event_of(2, 7);
    assert_int_equal(fetches, 0);
    event_of(0, 8);
    event_of(0, 9);
    assert_int_equal(fetches, 1);
    assert_int_equal(fetched, 1);
    done();
}

static void a_cold_key_that_nothing_needs_goes_without_being_read(void **state)
{
    struct spec spec = spec_of(tumbling);

    (void)state;
    spec.ttl_ms = 100;
    begin_cold(spec);
    event_of(0, 5);
    advance(20, 20); /* the window, and the empty one behind it */
    expect("0 10 0 1|1|\n10 20 0 empty 0|0|\n");
    evict_all(true);
    assert_int_equal(keyspace_cold_keys(bench.keyspace), 1);
    assert_int_equal(store.count, 1);
    advance(104, 104);
    assert_int_equal(keyspace_keys(bench.keyspace), 1);
    advance(105, 105);
    assert_int_equal(keyspace_keys(bench.keyspace), 0);
    assert_int_equal(fetches, 0);
    capture();
    assert_int_equal(store.count, 0);
    event_of(0, 106); /* begins anew */
    advance(110, 110);
    expect("100 110 0 1|1|\n");
    done();
}

/* What is written between captures comes behind the deletion of what was there before. */
static void a_key_may_come_again_and_be_written(void **state)
{
    struct spec spec = spec_of(tumbling);

    (void)state;
    spec.ttl_ms = 1;
    begin_cold(spec);
    event_of(0, 5);
    evict_all(true);
    advance(205, 205);
    assert_int_equal(keyspace_keys(bench.keyspace), 0);
    event_of(0, 206);
    evict_all(true);
    assert_int_equal(store.count, 1);
    advance(210, 210);
    expect("0 10 0 1|1|\n10 20 0 empty 0|0|\n200 210 0 1|1|\n");
    done();
}

/* Neither an event nor time goes on, and nothing is thrown away. */
static void check_failure(enum store_mood wanted)
{
    begin_cold(spec_of(tumbling));
    event_of(0, 5);
    event_of(1, 5);
    evict_all(true);
    mood = wanted;
    assert_false(keyspace_has_failed(bench.keyspace));
    bench_event(&bench, &samples[0], watermark_ms);
    assert_int_equal(keyspace_apply(bench.keyspace, bench.pending, 1), 0);
    assert_true(keyspace_has_failed(bench.keyspace));
    mood = STORE_WELL; /* too late */
    assert_int_equal(keyspace_apply(bench.keyspace, bench.pending, 1), 0);
    keyspace_advance(bench.keyspace, 1000, 1000);
    keyspace_fire(bench.keyspace, 100);
    keyspace_finish(bench.keyspace, 100);
    expect("");
    expect_of(1, "");
    assert_int_equal(keyspace_keys(bench.keyspace), 2);
    done();
}

static void a_store_that_does_not_answer_ends_it(void **state)
{
    (void)state;
    check_failure(STORE_AWAY);
    check_failure(STORE_FORGETS);
    check_failure(STORE_CHANGES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_the_store_has_goes),
        cmocka_unit_test(keys_with_recent_events_stay),
        cmocka_unit_test(nothing_is_asked_of_unknown_keys),
        cmocka_unit_test(a_cold_key_that_nothing_needs_goes_without_being_read),
        cmocka_unit_test(a_key_may_come_again_and_be_written),
        cmocka_unit_test(a_store_that_does_not_answer_ends_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
