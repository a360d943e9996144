/* The Redis sink by script: bytes out, replies in, the clock by hand. */
#include "redis_rig.h"

/* --- what is written --- */

static void the_first_row_is_written_whole_and_to_the_byte(void **state)
{
    (void)state;
    struct rig rig;
    void *slot = NULL;
    struct row_value values[] = {int_value(12), double_value(2.5), null_value()};

    rig_start(&rig);
    put_row(&rig, VIEW_PLAIN, 1000, values, false, &slot);
    turn(&rig);
    expect_sent(&rig, "*10|$4|HSET|$17|features:user:{u}|$5|count|$2|12|$4|mean|$3|2.5|"
                      "$16|plain.window_end|$4|1000|$17|plain.computed_at|$13|1700000000000|"
                      "*3|$4|HDEL|$17|features:user:{u}|$4|last|"
                      "*3|$6|EXPIRE|$17|features:user:{u}|$3|100|");
    assert_int_equal(rig.wire.flushes, 2); /* handshake and this */
    assert_false(redis_sink_idle(rig.sink));
    answer(&rig, ":4\r\n:0\r\n");
    assert_false(redis_sink_idle(rig.sink));
    answer(&rig, ":1\r\n");
    assert_true(redis_sink_idle(rig.sink));
    assert_int_equal(count_of(&STATS(&rig)->replies), 3);
    assert_int_equal(count_of(&STATS(&rig)->fields), 5);
    rig_done(&rig);
}

static void later_rows_write_what_changed(void **state)
{
    (void)state;
    struct rig rig;
    void *slot = NULL;
    struct row_value values[] = {int_value(2), double_value(0.5), null_value()};
    struct row_value other[] = {decimal_value(150, 2), bool_value(true)};

    rig_start(&rig);
    put_and_acknowledge(&rig, "u", &slot);
    pass_ms(&rig, 7);
    put_row(&rig, VIEW_PLAIN, 2000, values, false, &slot);
    turn(&rig);
    expect_commands(&rig, "HSET features:user:{u} count 2 plain.window_end 2000 "
                          "plain.computed_at 1700000000007; HDEL features:user:{u} last");
    answer(&rig, ":0\r\n:1\r\n");

    /* A view that is new to the key, beside one that is not: in the plan's order. */
    values[0] = int_value(3);
    put_row(&rig, VIEW_SKIPPING, 3000, other, false, &slot);
    put_row(&rig, VIEW_PLAIN, 3000, values, false, &slot);
    turn(&rig);
    expect_commands(&rig, "HSET features:user:{u} count 3 plain.window_end 3000 "
                          "plain.computed_at 1700000000007 sum 1.50 seen true "
                          "skipping.window_end 3000 skipping.computed_at 1700000000007");
    answer(&rig, ":4\r\n");
    assert_int_equal(count_of(&STATS(&rig)->keys_vanished), 0); /* the new fields were expected */

    other[0] = decimal_value(151, 2);
    put_row(&rig, VIEW_SKIPPING, 4000, other, false, &slot);
    turn(&rig);
    expect_commands(&rig, "HSET features:user:{u} sum 1.51 skipping.window_end 4000 "
                          "skipping.computed_at 1700000000007");
    answer(&rig, ":0\r\n");
    assert_true(redis_sink_idle(rig.sink));
    rig_done(&rig);
}

static void unchanged_rows_write_metadata_or_nothing(void **state)
{
    (void)state;
    struct rig rig;
    void *slot = NULL;
    struct row_value values[] = {decimal_value(150, 2), bool_value(true)};

    rig_start(&rig);
    put_and_acknowledge(&rig, "u", &slot);
    put(&rig, "u", 2000, 1, &slot);
    turn(&rig);
    expect_commands(&rig, "HSET features:user:{u} plain.window_end 2000 "
                          "plain.computed_at 1700000000000");
    answer(&rig, ":0\r\n");

    put_row(&rig, VIEW_SKIPPING, 2000, values, false, &slot);
    turn(&rig);
    buf_reset(&rig.wire.out);
    answer(&rig, ":4\r\n:1\r\n");
    put_row(&rig, VIEW_SKIPPING, 3000, values, false, &slot);
    turn(&rig);
    expect_commands(&rig, "");
    assert_true(redis_sink_idle(rig.sink));
    assert_int_equal(count_of(&STATS(&rig)->rows_unchanged), 1);
    rig_done(&rig);
}

static void without_metadata_nothing_but_values_is_written(void **state)
{
    (void)state;
    struct rig rig;
    void *slot = NULL;
    struct row_value nothing[] = {null_value(), null_value(), null_value()};

    rig_init(&rig);
    rig.world.plan.redis.metadata = false;
    rig_open(&rig);
    connect_as(&rig, "first");
    put(&rig, "u", 1000, 1, &slot);
    turn(&rig);
    expect_commands(&rig, "HSET features:user:{u} count 1 mean 0.5 last x; "
                          "EXPIRE features:user:{u} 100");
    answer(&rig, ":3\r\n:1\r\n");
    put(&rig, "u", 2000, 1, &slot);
    turn(&rig);
    expect_commands(&rig, "");

    /* The hash loses its last field, and its TTL with it: the next write sets it again. */
    put_row(&rig, VIEW_PLAIN, 3000, nothing, false, &slot);
    turn(&rig);
    expect_commands(&rig, "HDEL features:user:{u} count mean last");
    answer(&rig, ":3\r\n");
    put(&rig, "u", 4000, 2, &slot);
    turn(&rig);
    expect_commands(&rig, "HSET features:user:{u} count 2 mean 0.5 last x; "
                          "EXPIRE features:user:{u} 100");
    answer(&rig, ":3\r\n:1\r\n");
    assert_true(redis_sink_idle(rig.sink));
    rig_done(&rig);
}

static void empty_rows_follow_the_view(void **state)
{
    (void)state;
    struct rig rig;
    void *slot = NULL;
    void *other_slot = NULL;
    struct row_value values[] = {text_value(ROW_JSON, "{\"a\":1}"), int_value(3)};
    struct row_value empty[] = {text_value(ROW_JSON, "{}"), int_value(0)};
    struct row_value zero[] = {int_value(0), null_value(), null_value()};

    rig_start(&rig);
    put_row(&rig, VIEW_DELETING, 1000, values, false, &slot);
    turn(&rig);
    buf_reset(&rig.wire.out);
    answer(&rig, ":4\r\n:1\r\n");
    put_row(&rig, VIEW_DELETING, 2000, empty, true, &slot);
    turn(&rig);
    expect_commands(&rig, "HSET features:user:{u} deleting.window_end 2000 "
                          "deleting.computed_at 1700000000000; HDEL features:user:{u} types hits");
    answer(&rig, ":0\r\n:2\r\n");

    put(&rig, "u", 1000, 1, &slot);
    turn(&rig);
    buf_reset(&rig.wire.out);
    answer(&rig, ":5\r\n:0\r\n:1\r\n");
    put_row(&rig, VIEW_PLAIN, 2000, zero, true, &slot);
    turn(&rig);
    expect_commands(&rig, "HSET features:user:{u} count 0 plain.window_end 2000 "
                          "plain.computed_at 1700000000000; HDEL features:user:{u} mean last");
    answer(&rig, ":0\r\n:2\r\n");

    put_row(&rig, VIEW_KEEPING, 2000, empty, true, &other_slot);
    assert_null(other_slot);
    put_row(&rig, VIEW_KEEPING, 3000, &values[1], false, &other_slot);
    turn(&rig);
    expect_commands(&rig, "HSET other:u total 3 keeping.window_end 3000 "
                          "keeping.computed_at 1700000000000; EXPIRE other:u 100");
    answer(&rig, ":3\r\n:1\r\n");
    put_row(&rig, VIEW_KEEPING, 4000, empty, true, &other_slot);
    turn(&rig);
    expect_commands(&rig, "");
    assert_int_equal(count_of(&STATS(&rig)->rows_kept), 2);
    rig_done(&rig);
}

static void window_end_never_goes_back(void **state)
{
    (void)state;
    struct rig rig;
    void *slot = NULL;

    rig_start(&rig);
    put_and_acknowledge(&rig, "u", &slot);
    put(&rig, "u", 999, 5, &slot);
    turn(&rig);
    expect_commands(&rig, "");
    assert_int_equal(count_of(&STATS(&rig)->rows_older), 1);
    put(&rig, "u", 1000, 6, &slot); /* a revision */
    put(&rig, "u", 999, 7, &slot);
    turn(&rig);
    expect_commands(&rig, "HSET features:user:{u} count 6 plain.window_end 1000 "
                          "plain.computed_at 1700000000000");
    rig_done(&rig);
}

/* --- the TTL --- */

static void the_ttl_is_refreshed_after_a_quarter(void **state)
{
    (void)state;
    struct rig rig;
    void *slot = NULL;
    struct row_value values[] = {decimal_value(150, 2), bool_value(true)};

    rig_start(&rig);
    put_row(&rig, VIEW_SKIPPING, 1000, values, false, &slot);
    turn(&rig);
    buf_reset(&rig.wire.out);
    answer(&rig, ":4\r\n:1\r\n");

    pass_ms(&rig, TTL_MS / 4 - 1);
    put_row(&rig, VIEW_SKIPPING, 2000, values, false, &slot);
    turn(&rig);
    expect_commands(&rig, "");
    pass_ms(&rig, 1);
    put_row(&rig, VIEW_SKIPPING, 3000, values, false, &slot);
    turn(&rig);
    expect_commands(&rig, "EXPIRE features:user:{u} 100");
    answer(&rig, ":1\r\n");

    pass_ms(&rig, TTL_MS / 2);
    values[1] = bool_value(false);
    put_row(&rig, VIEW_SKIPPING, 4000, values, false, &slot);
    turn(&rig);
    expect_commands(&rig, "HSET features:user:{u} seen false skipping.window_end 4000 "
                          "skipping.computed_at 1700000075000; EXPIRE features:user:{u} 100");
    answer(&rig, ":0\r\n:1\r\n");

    /* It may have expired by the time Redis gets to it. */
    pass_ms(&rig, TTL_MS / 4 * 3);
    put_row(&rig, VIEW_SKIPPING, 5000, values, false, &slot);
    turn(&rig);
    expect_commands(&rig, "HSET features:user:{u} sum 1.50 seen false skipping.window_end 4000 "
                          "skipping.computed_at 1700000075000; EXPIRE features:user:{u} 100");
    answer(&rig, ":0\r\n:1\r\n");
    assert_int_equal(count_of(&STATS(&rig)->keys_whole), 2);
    rig_done(&rig);
}

static void ttls_are_spelled_in_the_unit_that_fits(void **state)
{
    (void)state;
    struct rig rig;
    void *slot = NULL;

    rig_init(&rig);
    rig.world.plan.redis.ttl_ms = 1500;
    rig_open(&rig);
    connect_as(&rig, "first");
    put_row(&rig, VIEW_KEEPING, 1, &(struct row_value){.type = ROW_INT, .i = 1}, false, &slot);
    turn(&rig);
    expect_commands(&rig, "HSET other:u total 1 keeping.window_end 1 "
                          "keeping.computed_at 1700000000000; PEXPIRE other:u 1500");
    rig_done(&rig);

    slot = NULL;
    rig_init(&rig);
    rig.world.plan.redis.ttl_ms = 0;
    rig_open(&rig);
    connect_as(&rig, "first");
    put_row(&rig, VIEW_KEEPING, 1, &(struct row_value){.type = ROW_INT, .i = 1}, false, &slot);
    turn(&rig);
    expect_commands(&rig, "HSET other:u total 1 keeping.window_end 1 "
                          "keeping.computed_at 1700000000000");
    rig_done(&rig);
}

static void a_key_found_gone_is_written_whole(void **state)
{
    (void)state;
    struct rig rig;
    void *slot = NULL;
    const char *whole = "HSET features:user:{u} count 2 mean 0.5 last x plain.window_end 2000 "
                        "plain.computed_at 1700000000000; EXPIRE features:user:{u} 100";

    rig_start(&rig);
    put_and_acknowledge(&rig, "u", &slot);
    put(&rig, "u", 2000, 2, &slot);
    turn(&rig);
    buf_reset(&rig.wire.out);
    answer(&rig, ":3\r\n"); /* new fields, where all should have been there */
    assert_false(redis_sink_idle(rig.sink));
    turn(&rig);
    expect_commands(&rig, whole);
    answer(&rig, ":2\r\n:1\r\n"); /* as is to be expected */
    assert_true(redis_sink_idle(rig.sink));
    assert_int_equal(count_of(&STATS(&rig)->keys_vanished), 1);
    rig_done(&rig);
}

/* If the key were gone, the reply would be the same. */
static void news_that_only_add_are_written_with_the_rest(void **state)
{
    (void)state;
    struct rig rig;
    void *slot = NULL;
    struct row_value values[] = {decimal_value(150, 2), null_value()};

    rig_start(&rig);
    put_and_acknowledge(&rig, "u", &slot);
    put_row(&rig, VIEW_SKIPPING, 3000, values, false, &slot);
    turn(&rig);
    expect_commands(&rig, "HSET features:user:{u} count 1 mean 0.5 last x plain.window_end 1000 "
                          "plain.computed_at 1700000000000 sum 1.50 skipping.window_end 3000 "
                          "skipping.computed_at 1700000000000; HDEL features:user:{u} seen; "
                          "EXPIRE features:user:{u} 100");
    answer(&rig, ":3\r\n:0\r\n:1\r\n");

    values[1] = bool_value(true); /* and what was written before: its metadata */
    put_row(&rig, VIEW_SKIPPING, 4000, values, false, &slot);
    turn(&rig);
    expect_commands(&rig, "HSET features:user:{u} seen true skipping.window_end 4000 "
                          "skipping.computed_at 1700000000000");
    answer(&rig, ":1\r\n"); /* as it ought to be */
    assert_int_equal(count_of(&STATS(&rig)->keys_vanished), 0);

    values[1] = null_value(); /* and back, before it is written: Redis has the field */
    put_row(&rig, VIEW_SKIPPING, 5000, values, false, &slot);
    values[1] = bool_value(false);
    put_row(&rig, VIEW_SKIPPING, 5000, values, false, &slot);
    turn(&rig);
    expect_commands(&rig, "HSET features:user:{u} seen false skipping.window_end 5000 "
                          "skipping.computed_at 1700000000000");
    answer(&rig, ":1\r\n"); /* or ought to */
    assert_int_equal(count_of(&STATS(&rig)->keys_vanished), 1);
    rig_done(&rig);
}

static void a_ttl_that_finds_no_key_writes_it_whole(void **state)
{
    (void)state;
    struct rig rig;
    void *slot = NULL;
    struct row_value value = int_value(1);

    rig_start(&rig);
    put_row(&rig, VIEW_KEEPING, 1000, &value, false, &slot);
    turn(&rig);
    answer(&rig, ":3\r\n:1\r\n");
    pass_ms(&rig, TTL_MS / 4);
    put_row(&rig, VIEW_KEEPING, 2000, &value, false, &slot);
    buf_reset(&rig.wire.out);
    turn(&rig);
    expect_commands(&rig, "EXPIRE other:u 100");
    answer(&rig, ":0\r\n");
    turn(&rig);
    expect_commands(&rig, "HSET other:u total 1 keeping.window_end 1000 "
                          "keeping.computed_at 1700000000000; EXPIRE other:u 100");
    rig_done(&rig);
}

/* --- when it is written --- */

static void rows_coalesce_while_replies_are_due(void **state)
{
    (void)state;
    struct rig rig;
    void *first = NULL;
    void *second = NULL;

    rig_start(&rig);
    put(&rig, "a", 1000, 1, &first);
    turn(&rig); /* nothing in flight: at once */
    buf_reset(&rig.wire.out);
    put(&rig, "b", 1000, 1, &second);
    put(&rig, "b", 2000, 2, &second);
    put(&rig, "a", 2000, 2, &first);
    put(&rig, "b", 3000, 1, &second);
    turn(&rig);
    expect_commands(&rig, "");
    assert_true(redis_sink_deadline(rig.sink) == rig.now_ns + 5 * NS_PER_MS);
    assert_int_equal(gauge_get(&STATS(&rig)->dirty), 2);
    answer(&rig, ":5\r\n:1\r\n");
    assert_true(redis_sink_deadline(rig.sink) <= rig.now_ns);
    turn(&rig);
    expect_commands(&rig, "HSET features:user:{b} count 1 mean 0.5 last x plain.window_end 3000 "
                          "plain.computed_at 1700000000000; EXPIRE features:user:{b} 100; "
                          "HSET features:user:{a} count 2 plain.window_end 2000 "
                          "plain.computed_at 1700000000000");
    answer(&rig, ":5\r\n:1\r\n:0\r\n");
    assert_int_equal(count_of(&STATS(&rig)->rows), 5);
    assert_int_equal(count_of(&STATS(&rig)->rows_coalesced), 2);
    assert_int_equal(count_of(&STATS(&rig)->hsets), 3);
    rig_done(&rig);
}

static void linger_bounds_the_wait_for_replies(void **state)
{
    (void)state;
    struct rig rig;
    void *slot = NULL;

    rig_start(&rig);
    put(&rig, "u", 1000, 1, &slot);
    turn(&rig);
    buf_reset(&rig.wire.out);
    put(&rig, "u", 2000, 2, &slot);
    pass_ms(&rig, 4);
    put(&rig, "u", 3000, 3, &slot);
    turn(&rig);
    expect_commands(&rig, "");
    pass_ms(&rig, 1);
    turn(&rig); /* a second time in flight */
    expect_commands(&rig, "HSET features:user:{u} count 3 plain.window_end 3000 "
                          "plain.computed_at 1700000000004");
    put(&rig, "u", 4000, 4, &slot);
    turn(&rig);
    expect_commands(&rig, "");
    redis_sink_flush(rig.sink, true);
    turn(&rig);
    expect_commands(&rig, "HSET features:user:{u} count 4 plain.window_end 4000 "
                          "plain.computed_at 1700000000005");
    answer(&rig, ":5\r\n:1\r\n:0\r\n:0\r\n");
    assert_true(redis_sink_idle(rig.sink));
    rig_done(&rig);
}

static void what_is_in_flight_is_bounded(void **state)
{
    (void)state;
    struct rig rig;
    void *slots[64] = {0};
    char key[16];
    int sent = 0;

    rig_start(&rig);
    redis_sink_flush(rig.sink, true);
    for (int i = 0; i < 64; i++) {
        snprintf(key, sizeof(key), "key%d", i);
        put(&rig, key, 1000, 1, &slots[i]);
        turn(&rig);
        sent += rig.wire.out.len > 0;
        buf_reset(&rig.wire.out);
    }
    assert_int_equal(sent, 16); /* batches */
    assert_int_equal(gauge_get(&STATS(&rig)->in_flight), 16);
    assert_int_equal(redis_sink_deadline(rig.sink), rig.now_ns + 60 * NS_PER_S);
    answer(&rig, ":5\r\n:1\r\n"); /* makes room for one, which takes all */
    turn(&rig);
    assert_int_equal(count_of(&STATS(&rig)->hsets), 64);
    rig_done(&rig);

    /* By bytes: half a million in each key. */
    struct buf text = {0};

    while (text.len < 500000)
        buf_append_char(&text, 'x');
    rig_start(&rig);
    for (int i = 0; i < 8; i++) {
        struct row_value values[] = {int_value(1), double_value(1), {.type = ROW_STRING}};
        snprintf(key, sizeof(key), "key%d", i);
        struct row row = world_row(&rig.world, VIEW_PLAIN, key, 1000, values);

        values[2].text = buf_slice(&text);
        slots[i] = NULL;
        redis_sink_row(rig.sink, &row, PLAN_NONE, &slots[i]);
    }
    redis_sink_flush(rig.sink, true);
    turn(&rig);
    assert_true(rig.wire.out.len > 1 << 20 && rig.wire.out.len < 1600000);
    assert_int_equal(count_of(&STATS(&rig)->hsets), 3);
    answer(&rig, ":5\r\n:1\r\n");
    turn(&rig);
    assert_int_equal(count_of(&STATS(&rig)->hsets), 4);
    rig_done(&rig);
    buf_free(&text);
}

static void held_rows_wait(void **state)
{
    (void)state;
    struct rig rig;
    void *slots[5] = {0};
    char key[16];

    rig_start(&rig);
    redis_sink_hold(rig.sink, true);
    for (int i = 0; i < 5; i++) {
        snprintf(key, sizeof(key), "key%d", i);
        put(&rig, key, 1000, 1, &slots[i]);
        put(&rig, key, 2000, 2, &slots[i]);
    }
    pass_ms(&rig, 1000);
    turn(&rig);
    expect_commands(&rig, "");
    assert_int_equal(redis_sink_deadline(rig.sink), REDIS_NOT_DUE);
    assert_false(redis_sink_full(rig.sink)); /* the events to come are what it waits for */
    assert_false(redis_sink_idle(rig.sink));
    redis_sink_hold(rig.sink, false);
    assert_true(redis_sink_full(rig.sink));
    turn(&rig);
    assert_int_equal(count_of(&STATS(&rig)->hsets), 5);
    assert_int_equal(count_of(&STATS(&rig)->rows_coalesced), 5);
    assert_false(redis_sink_full(rig.sink));
    rig_done(&rig);
}

/* --- keys that the core drops --- */

static void a_dropped_key_is_written_first(void **state)
{
    (void)state;
    struct rig rig;
    void *slot = NULL;

    rig_start(&rig);
    redis_sink_release(rig.sink, &slot); /* never had a row */
    put_and_acknowledge(&rig, "clean", &slot);
    redis_sink_release(rig.sink, &slot);
    assert_null(slot);
    assert_int_equal(arena_used_bytes(&rig.world.arena), 0);

    put(&rig, "u", 1000, 1, &slot);
    redis_sink_release(rig.sink, &slot);
    assert_null(slot);
    turn(&rig);
    expect_commands(&rig, "HSET features:user:{u} count 1 mean 0.5 last x plain.window_end 1000 "
                          "plain.computed_at 1700000000000; EXPIRE features:user:{u} 100");
    answer(&rig, ":5\r\n:1\r\n");
    assert_true(redis_sink_idle(rig.sink));

    put(&rig, "u", 1000, 1, &slot);
    turn(&rig);
    redis_sink_release(rig.sink, &slot); /* in flight */
    answer(&rig, "-LOADING wait\r\n-LOADING wait\r\n");
    assert_false(redis_sink_idle(rig.sink));
    pass_ms(&rig, 3000);
    turn(&rig);
    answer(&rig, ":5\r\n:1\r\n");
    assert_true(redis_sink_idle(rig.sink));
    rig_done(&rig);
}

static void a_dropped_key_that_comes_back_has_one_image(void **state)
{
    (void)state;
    struct rig rig;
    void *slot = NULL;
    void *other = NULL;
    struct row_value value = int_value(1);

    rig_start(&rig);
    put(&rig, "u", 1000, 1, &slot);
    turn(&rig);
    put(&rig, "u", 2000, 2, &slot); /* in flight and waiting */
    void *image = slot;

    redis_sink_release(rig.sink, &slot);
    put_row(&rig, VIEW_KEEPING, 500, &value, false, &other); /* another source's key u */
    assert_ptr_not_equal(other, image);
    put(&rig, "u", 3000, 3, &slot);
    assert_ptr_equal(slot, image);
    buf_reset(&rig.wire.out);
    answer(&rig, ":5\r\n:1\r\n");
    turn(&rig);
    expect_commands(&rig, "HSET features:user:{u} count 3 plain.window_end 3000 "
                          "plain.computed_at 1700000000000; "
                          "HSET other:u total 1 keeping.window_end 500 "
                          "keeping.computed_at 1700000000000; EXPIRE other:u 100");
    rig_done(&rig);
}

static void dropped_keys_that_pile_up_make_the_sink_full(void **state)
{
    (void)state;
    struct rig rig;
    char key[40];

    rig_init(&rig);
    rig_open(&rig);
    for (int i = 0; i < 3; i++) { /* not more than may wait */
        void *slot = NULL;

        assert_false(redis_sink_full(rig.sink));
        snprintf(key, sizeof(key), "a key of some length %d", i);
        struct row_value values[] = {int_value(1), null_value(),
                                     text_value(ROW_STRING, "a text of a hundred bytes, or so "
                                                            "it would like to be, were it longer")};
        struct row row = world_row(&rig.world, VIEW_PLAIN, key, 1, values);

        redis_sink_row(rig.sink, &row, PLAN_NONE, &slot);
        redis_sink_release(rig.sink, &slot);
    }
    assert_true(redis_sink_full(rig.sink));
    rig_done(&rig);
}

static void a_key_too_large_for_redis_is_refused(void **state)
{
    (void)state;
    struct rig rig;
    void *slot = NULL;
    struct row_value values[] = {{.type = ROW_JSON}, int_value(1)};
    char *huge = malloc(REDIS_IMAGE_MAX);

    rig_start(&rig);
    memset(huge, 'x', REDIS_IMAGE_MAX);
    values[0].text = (struct slice){huge, REDIS_IMAGE_MAX};
    put_row(&rig, VIEW_DELETING, 1000, values, false, &slot);
    assert_null(slot);
    assert_int_equal(rig.wire.reports, 1);
    assert_non_null(strstr(rig.wire.report, "deleting"));
    put_and_acknowledge(&rig, "u", &slot);
    put_row(&rig, VIEW_DELETING, 1000, values, false, &slot);
    turn(&rig);
    expect_commands(&rig, "");
    assert_int_equal(count_of(&STATS(&rig)->rows_too_large), 2);
    rig_done(&rig);
    free(huge);
}

/* --- trouble --- */

static void handshake_says_what_the_url_says(void **state)
{
    (void)state;
    struct rig rig;

    rig_init(&rig);
    rig.world.plan.redis.user = "fresh et";
    rig.world.plan.redis.password = "s3 cret";
    rig.world.plan.redis.database = 5;
    rig_open(&rig);
    turn(&rig);
    redis_sink_connected(rig.sink, 0, rig.now_ns);
    expect_sent(&rig, "*3|$4|AUTH|$8|fresh et|$7|s3 cret|*2|$6|SELECT|$1|5|"
                      "*2|$4|INFO|$6|server|");
    answer(&rig, "+OK\r\n+OK\r\n");
    answer_info(&rig, "one");
    assert_int_equal(gauge_get(&STATS(&rig)->connected), 1);
    rig_done(&rig);

    rig_init(&rig);
    rig.world.plan.redis.password = "pass";
    rig_open(&rig);
    turn(&rig);
    redis_sink_connected(rig.sink, 0, rig.now_ns);
    expect_sent(&rig, "*2|$4|AUTH|$4|pass|*2|$4|INFO|$6|server|");
    answer(&rig, "-WRONGPASS invalid username-password pair\r\n-NOAUTH no\r\n");
    assert_int_equal(rig.wire.closes, 1);
    assert_string_equal(rig.wire.report, "unix:///redis.sock: no connection: AUTH: WRONGPASS "
                                         "invalid username-password pair");
    assert_int_equal(count_of(&STATS(&rig)->errors[REDIS_ERROR_ACCESS]), 1);
    assert_int_equal(count_of(&STATS(&rig)->connect_failures), 1);
    assert_true(redis_sink_deadline(rig.sink) > rig.now_ns);
    assert_true(redis_sink_deadline(rig.sink) <= rig.now_ns + 10 * NS_PER_MS);
    rig_done(&rig);
}

static void reconnecting_backs_off_up_to_two_seconds(void **state)
{
    (void)state;
    struct rig rig;
    int64_t longest_ns = 0;

    rig_init(&rig);
    rig.wire.connect_error = -EMFILE;
    rig_open(&rig);
    for (int i = 0; i < 40; i++) {
        turn(&rig);
        assert_int_equal(rig.wire.connects, i + 1);
        int64_t wait_ns = redis_sink_deadline(rig.sink) - rig.now_ns;

        assert_true(wait_ns >= 5 * NS_PER_MS && wait_ns <= 2 * NS_PER_S);
        assert_true(i > 0 || wait_ns <= 10 * NS_PER_MS);
        assert_true(i < 10 || wait_ns >= NS_PER_S);
        longest_ns = MAX(longest_ns, wait_ns);
        rig.now_ns += wait_ns - 1;
        turn(&rig); /* not yet */
        assert_int_equal(rig.wire.connects, i + 1);
        rig.now_ns++;
    }
    assert_true(longest_ns > 1500 * NS_PER_MS);
    assert_non_null(strstr(rig.wire.report, "Too many open files"));
    rig_done(&rig);
}

static void lose_and_reconnect(struct rig *rig, const char *run_id)
{
    redis_sink_lost(rig->sink, 0, -ECONNRESET, rig->now_ns);
    pass_ms(rig, 3000);
    connect_as(rig, run_id);
    turn(rig);
}

static void a_lost_connection_repeats_what_was_in_flight(void **state)
{
    (void)state;
    struct rig rig;
    void *sent = NULL;
    void *acknowledged = NULL;

    rig_start(&rig);
    put_and_acknowledge(&rig, "known", &acknowledged);
    put(&rig, "u", 1000, 1, &sent);
    turn(&rig);
    put(&rig, "u", 2000, 2, &sent); /* since then */
    buf_reset(&rig.wire.out);
    answer(&rig, ":5\r\n"); /* the TTL's reply is lost */
    lose_and_reconnect(&rig, "first");
    expect_commands(&rig, "HSET features:user:{u} count 2 mean 0.5 last x plain.window_end 2000 "
                          "plain.computed_at 1700000000000; EXPIRE features:user:{u} 100");
    assert_int_equal(count_of(&STATS(&rig)->losses), 1);
    assert_int_equal(count_of(&STATS(&rig)->connects), 2);
    answer(&rig, ":0\r\n:1\r\n");
    assert_true(redis_sink_idle(rig.sink));
    rig_done(&rig);
}

static void after_trouble_one_key_goes_ahead(void **state)
{
    (void)state;
    struct rig rig;
    void *slots[3] = {0};

    rig_start(&rig);
    put(&rig, "a", 1000, 1, &slots[0]);
    put(&rig, "b", 1000, 1, &slots[1]);
    put(&rig, "c", 1000, 1, &slots[2]);
    turn(&rig);
    buf_reset(&rig.wire.out);
    lose_and_reconnect(&rig, "first");
    pass_ms(&rig, 100);
    turn(&rig);
    assert_int_equal(count_of(&STATS(&rig)->hsets), 4);
    answer(&rig, ":5\r\n:1\r\n");
    turn(&rig);
    assert_int_equal(count_of(&STATS(&rig)->hsets), 6);
    rig_done(&rig);
}

static void another_redis_gets_everything_again(void **state)
{
    (void)state;
    struct rig rig;
    void *slots[2000] = {0};
    char key[16];
    int turns = 0;

    rig_start(&rig);
    for (int i = 0; i < 2000; i++) {
        snprintf(key, sizeof(key), "%d", i);
        put_and_acknowledge(&rig, key, &slots[i]);
    }
    lose_and_reconnect(&rig, "first"); /* the same: it has all */
    assert_true(redis_sink_idle(rig.sink));
    redis_sink_lost(rig.sink, 0, 0, rig.now_ns);
    pass_ms(&rig, 3000);
    connect_as(&rig, "second");
    assert_false(redis_sink_idle(rig.sink));
    assert_int_equal(gauge_get(&STATS(&rig)->resyncing), 1);
    redis_sink_release(rig.sink, &slots[0]); /* next in line */
    uint64_t before = count_of(&STATS(&rig)->keys_whole);

    put(&rig, "1999", 2000, 2, &slots[1999]); /* the fresh one goes ahead */
    turn(&rig);
    assert_non_null(strstr(buf_string(&rig.wire.out), "{1999}"));
    for (; !redis_sink_idle(rig.sink); turns++) {
        int64_t in_flight = gauge_get(&STATS(&rig)->in_flight);

        assert_true(gauge_get(&STATS(&rig)->dirty) <= 512 + 256);
        for (int64_t i = 0; i < in_flight; i++)
            answer(&rig, ":5\r\n:1\r\n");
        turn(&rig);
    }
    assert_true(turns >= 4);
    assert_int_equal(count_of(&STATS(&rig)->keys_whole) - before, 1999);
    assert_int_equal(gauge_get(&STATS(&rig)->resyncing), 0);
    rig_done(&rig);
}

static void a_redis_without_run_id_may_be_another_each_time(void **state)
{
    (void)state;
    struct rig rig;
    void *slot = NULL;

    rig_init(&rig);
    rig_open(&rig);
    connect_as(&rig, "");
    put_and_acknowledge(&rig, "u", &slot);
    lose_and_reconnect(&rig, "");
    assert_non_null(strstr(buf_string(&rig.wire.out), "EXPIRE"));
    rig_done(&rig);
}

static void temporary_errors_pause_and_repeat(void **state)
{
    (void)state;
    struct rig rig;
    void *slot = NULL;
    char expected[300];

    rig_start(&rig);
    put_and_acknowledge(&rig, "u", &slot);
    for (int i = 0; i < 8; i++) {
        pass_ms(&rig, 0);
        put(&rig, "u", 2000 + i, 2 + i, &slot);
        snprintf(expected, sizeof(expected),
                 "HSET features:user:{u} count 9 mean 0.5 last x plain.window_end 2007 "
                 "plain.computed_at %lld; EXPIRE features:user:{u} 100",
                 (long long)now_ms(&rig));
        turn(&rig);
        buf_reset(&rig.wire.out);
        /* Where memory is out, a new TTL is still taken. */
        answer(&rig, i == 0 ? "-OOM no memory\r\n" : "-OOM no memory\r\n:1\r\n");
        assert_non_null(strstr(rig.wire.report, "OOM no memory"));
        turn(&rig);
        expect_commands(&rig, "");
        assert_true(redis_sink_deadline(rig.sink) > rig.now_ns);
        assert_true(i < 7 || redis_sink_deadline(rig.sink) >= rig.now_ns + NS_PER_S / 2);
        rig.now_ns = redis_sink_deadline(rig.sink);
    }
    assert_int_equal(rig.wire.closes, 0);
    turn(&rig);
    expect_commands(&rig, expected);
    answer(&rig, ":0\r\n:1\r\n");
    assert_true(redis_sink_idle(rig.sink));
    rig_done(&rig);
}

/* It was the master once. */
static void errors_without_end_lead_to_a_new_connection(void **state)
{
    (void)state;
    struct rig rig;
    void *slot = NULL;
    int pauses = 0;

    rig_start(&rig);
    put(&rig, "u", 1000, 1, &slot);
    for (; rig.wire.closes == 0; pauses++) {
        turn(&rig);
        answer(&rig, "-READONLY replica\r\n-READONLY replica\r\n");
        rig.now_ns = redis_sink_deadline(rig.sink);
    }
    assert_int_equal(pauses, 9);
    assert_int_equal(gauge_get(&STATS(&rig)->connected), 0);
    connect_as(&rig, "the new master");
    turn(&rig);
    answer(&rig, ":5\r\n:1\r\n");
    turn(&rig);
    answer(&rig, ":5\r\n:1\r\n");
    assert_true(redis_sink_idle(rig.sink));
    rig_done(&rig);
}

static void an_error_on_one_key_waits_for_its_next_row(void **state)
{
    (void)state;
    struct rig rig;
    void *slot = NULL;
    void *other = NULL;

    rig_start(&rig);
    put(&rig, "bad", 1000, 1, &slot);
    put(&rig, "good", 1000, 1, &other);
    turn(&rig);
    buf_reset(&rig.wire.out);
    answer(&rig, "-WRONGTYPE Operation against a key\r\n:1\r\n:5\r\n:1\r\n");
    assert_string_equal(rig.wire.report, "unix:///redis.sock: WRONGTYPE Operation against a key "
                                         "(key features:user:{bad})");
    assert_true(redis_sink_idle(rig.sink));
    assert_int_equal(count_of(&STATS(&rig)->errors[REDIS_ERROR_KEY]), 1);
    pass_ms(&rig, 10000);
    turn(&rig);
    expect_commands(&rig, "");
    put(&rig, "bad", 2000, 1, &slot);
    turn(&rig);
    expect_commands(&rig, "HSET features:user:{bad} count 1 mean 0.5 last x plain.window_end 2000 "
                          "plain.computed_at 1700000010000; EXPIRE features:user:{bad} 100");
    rig_done(&rig);
}

static void a_key_with_both_kinds_of_errors_is_written_again(void **state)
{
    (void)state;
    struct rig rig;
    void *slot = NULL;

    rig_start(&rig);
    put(&rig, "u", 1000, 1, &slot);
    turn(&rig);
    answer(&rig, "-LOADING wait\r\n-ERR what\r\n");
    assert_false(redis_sink_idle(rig.sink));
    rig_done(&rig);
}

static void a_cluster_is_named(void **state)
{
    (void)state;
    struct rig rig;
    void *slot = NULL;

    rig_start(&rig);
    put(&rig, "u", 1000, 1, &slot);
    turn(&rig);
    answer(&rig, "-MOVED 3999 127.0.0.1:6381\r\n-MOVED 3999 127.0.0.1:6381\r\n");
    assert_non_null(strstr(rig.wire.report, "cluster mode is not supported"));
    assert_false(redis_sink_idle(rig.sink)); /* nothing is lost */
    rig_done(&rig);
}

static void nonsense_ends_the_connection(void **state)
{
    (void)state;
    static const char *const nonsense[] = {"HTTP/1.1 400\r\n", "+OK\r\n", ":5\r\n:1\r\n:1\r\n",
                                           "*1\r\n:1\r\n"};

    for (size_t i = 0; i < ARRAY_LEN(nonsense); i++) {
        struct rig rig;
        void *slot = NULL;

        rig_start(&rig);
        put(&rig, "u", 1000, 1, &slot);
        turn(&rig);
        answer(&rig, nonsense[i]);
        assert_int_equal(rig.wire.closes, 1);
        assert_int_equal(gauge_get(&STATS(&rig)->connected), 0);
        assert_int_equal(gauge_get(&STATS(&rig)->in_flight), 0);
        rig_done(&rig);
    }
}

static void silence_ends_the_connection(void **state)
{
    (void)state;
    struct rig rig;
    void *slot = NULL;

    rig_start(&rig);
    put(&rig, "u", 1000, 1, &slot);
    turn(&rig);
    rig.now_ns = redis_sink_deadline(rig.sink);
    turn(&rig);
    assert_int_equal(rig.wire.closes, 1);
    assert_int_equal(gauge_get(&STATS(&rig)->dirty), 1);
    rig.now_ns = redis_sink_deadline(rig.sink);
    turn(&rig);
    assert_int_equal(redis_sink_deadline(rig.sink), REDIS_NOT_DUE); /* the I/O's time-out */
    redis_sink_connected(rig.sink, 0, rig.now_ns);
    rig.now_ns = redis_sink_deadline(rig.sink);
    turn(&rig);
    assert_int_equal(rig.wire.closes, 2);
    assert_non_null(strstr(rig.wire.report, "handshake"));
    rig_done(&rig);
}

/* --- figures --- */

static void durations_count_from_the_oldest_row(void **state)
{
    (void)state;
    struct rig rig;
    void *slot = NULL;
    struct row_value values[] = {int_value(1), double_value(1), null_value()};

    rig_start(&rig);
    for (int i = 0; i < 3; i++) {
        struct row row = world_row(&rig.world, VIEW_PLAIN, "u", 1000 + i, values);

        row.record_ms = now_ms(&rig) - (i == 1 ? 400 : 100);
        row.fetched_ns = rig.now_ns - (3 - i) * NS_PER_MS;
        redis_sink_row(rig.sink, &row, PLAN_NONE, &slot);
    }
    put(&rig, "u", 2000, 2, &slot); /* of no single event */
    pass_ms(&rig, 2);
    turn(&rig);
    pass_ms(&rig, 8);
    answer(&rig, ":5\r\n:1\r\n");
    const struct redis_sink_stats *stats = STATS(&rig);

    assert_int_equal(atomic_load(&stats->emit_wait.max), 2 * NS_PER_MS);
    assert_int_equal(atomic_load(&stats->round_trip.max), 8 * NS_PER_MS);
    assert_int_equal(atomic_load(&stats->end_to_end.max), 410 * NS_PER_MS);
    assert_int_equal(atomic_load(&stats->fetched_to_acked.max), 13 * NS_PER_MS);
    assert_int_equal(atomic_load(&stats->end_to_end.count), 1);

    struct row row = world_row(&rig.world, VIEW_PLAIN, "u", 3000, values);

    row.record_ms = INT64_MAX; /* whatever a producer may write */
    redis_sink_row(rig.sink, &row, PLAN_NONE, &slot);
    turn(&rig);
    answer(&rig, ":0\r\n:0\r\n");
    assert_int_equal(atomic_load(&stats->end_to_end.count), 2);
    assert_true(redis_sink_idle(rig.sink));
    rig_done(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_row_is_written_whole_and_to_the_byte),
        cmocka_unit_test(later_rows_write_what_changed),
        cmocka_unit_test(unchanged_rows_write_metadata_or_nothing),
        cmocka_unit_test(without_metadata_nothing_but_values_is_written),
        cmocka_unit_test(empty_rows_follow_the_view),
        cmocka_unit_test(window_end_never_goes_back),
        cmocka_unit_test(the_ttl_is_refreshed_after_a_quarter),
        cmocka_unit_test(ttls_are_spelled_in_the_unit_that_fits),
        cmocka_unit_test(a_key_found_gone_is_written_whole),
        cmocka_unit_test(news_that_only_add_are_written_with_the_rest),
        cmocka_unit_test(a_ttl_that_finds_no_key_writes_it_whole),
        cmocka_unit_test(rows_coalesce_while_replies_are_due),
        cmocka_unit_test(linger_bounds_the_wait_for_replies),
        cmocka_unit_test(what_is_in_flight_is_bounded),
        cmocka_unit_test(held_rows_wait),
        cmocka_unit_test(a_dropped_key_is_written_first),
        cmocka_unit_test(a_dropped_key_that_comes_back_has_one_image),
        cmocka_unit_test(dropped_keys_that_pile_up_make_the_sink_full),
        cmocka_unit_test(a_key_too_large_for_redis_is_refused),
        cmocka_unit_test(handshake_says_what_the_url_says),
        cmocka_unit_test(reconnecting_backs_off_up_to_two_seconds),
        cmocka_unit_test(a_lost_connection_repeats_what_was_in_flight),
        cmocka_unit_test(after_trouble_one_key_goes_ahead),
        cmocka_unit_test(another_redis_gets_everything_again),
        cmocka_unit_test(a_redis_without_run_id_may_be_another_each_time),
        cmocka_unit_test(temporary_errors_pause_and_repeat),
        cmocka_unit_test(errors_without_end_lead_to_a_new_connection),
        cmocka_unit_test(an_error_on_one_key_waits_for_its_next_row),
        cmocka_unit_test(a_key_with_both_kinds_of_errors_is_written_again),
        cmocka_unit_test(a_cluster_is_named),
        cmocka_unit_test(nonsense_ends_the_connection),
        cmocka_unit_test(silence_ends_the_connection),
        cmocka_unit_test(durations_count_from_the_oldest_row),
    };

    return cmocka_run_group_tests_name("sink/redis_sink", tests, NULL, NULL);
}
