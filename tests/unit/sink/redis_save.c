/* What Redis has not acknowledged, saved and loaded, by script. */
#include "sink/redis_save.h"
#include "redis_entries.h"
#include "redis_rig.h"

#define ACKNOWLEDGED ":5\r\n:1\r\n"

struct saved {
    struct buf bytes[2]; /* by source */
};

static void saved_done(struct saved *saved)
{
    buf_free(&saved->bytes[0]);
    buf_free(&saved->bytes[1]);
}

static bool save_some(struct rig *rig, struct saved *saved, uint32_t budget)
{
    struct buf *outs[] = {&saved->bytes[0], &saved->bytes[1]};

    return redis_sink_save(rig->sink, outs, budget);
}

static void save_all(struct rig *rig, struct saved *saved)
{
    redis_sink_save_begin(rig->sink);
    while (save_some(rig, saved, 3))
        ;
    assert_false(save_some(rig, saved, 3)); /* it stays at its end */
}

/* What a source's entries are, which are then taken away. */
static void expect_entries(struct saved *saved, int source, const char *expected)
{
    struct buf seen = {0};

    entries_spell(buf_slice(&saved->bytes[source]), &seen);
    assert_string_equal(buf_string(&seen), expected);
    buf_free(&seen);
    buf_reset(&saved->bytes[source]);
}

static void expect_save(struct rig *rig, const char *expected)
{
    struct saved saved = {0};

    save_all(rig, &saved);
    expect_entries(&saved, 0, expected);
    expect_entries(&saved, 1, "");
    saved_done(&saved);
}

/* Source 0 is aligned: the group of a key is its partition, which reads better. */
static void rig_start_aligned(struct rig *rig)
{
    rig_init(rig);
    rig->world.sources[0].aligned = true;
    rig_open(rig);
    connect_as(rig, "first");
}

static void put_in(struct rig *rig, int32_t partition, const char *key, int64_t end_ms,
                   int64_t count, void **slot)
{
    struct row_value values[] = {int_value(count), double_value(0.5), text_value(ROW_STRING, "x")};
    struct row row = world_row(&rig->world, VIEW_PLAIN, key, end_ms, values);

    redis_sink_row(rig->sink, &row, partition, slot);
}

static void forget_sent(struct rig *rig)
{
    buf_reset(&rig->wire.out);
}

#define PLAIN(end, count) "(plain " #end " " #end " 1700000000000 count=" #count " mean=0.5 last=x)"

/* --- what is saved --- */

static void entries_have_all_that_redis_is_to_show(void **state)
{
    (void)state;
    struct rig rig;
    struct saved saved = {0};
    void *slots[2] = {0};
    struct row_value types[] = {text_value(ROW_JSON, "{\"a\":1}"), int_value(-3)};
    struct row_value nothing[] = {null_value(), null_value()};
    struct row_value total = int_value(9);

    rig_start(&rig);
    put(&rig, "u", -1000, 1, &slots[0]);
    put_row(&rig, VIEW_DELETING, 1000, types, false, &slots[0]);
    put_row(&rig, VIEW_SKIPPING, 1000, nothing, false, &slots[0]);
    pass_ms(&rig, 5);
    put_row(&rig, VIEW_DELETING, 2000, types, true, &slots[0]);    /* empty: deleted */
    put_row(&rig, VIEW_SKIPPING, 3000, nothing, false, &slots[0]); /* not shown */
    put_row(&rig, VIEW_KEEPING, 1, &total, false, &slots[1]);      /* another source */
    save_all(&rig, &saved);
    /* hash64("u") % 256 */
    expect_entries(&saved, 0,
                   "34 u (plain -1000 -1000 1700000000000 count=1 mean=0.5 last=x; "
                   "skipping 1000 3000 1700000000000 sum seen; "
                   "deleting 2000 2000 1700000000005 types hits)");
    expect_entries(&saved, 1, "34 u (keeping 1 1 1700000000005 total=9)");
    saved_done(&saved);
    rig_done(&rig);
}

static void an_entry_to_the_byte(void **state)
{
    (void)state;
    struct rig rig;
    struct saved saved = {0};
    void *slot = NULL;
    struct row_value total = int_value(12);
    struct row row;
    uint64_t view = hash64(SLICE_LITERAL("keeping"));
    uint64_t feature = hash64(SLICE_LITERAL("total"));
    struct buf expected = {0};

    rig_init(&rig);
    rig.world.sources[1].aligned = true;
    rig_open(&rig);
    redis_sink_clock(rig.sink, rig.now_ns, 64);
    row = world_row(&rig.world, VIEW_KEEPING, "key", -65, &total);
    redis_sink_row(rig.sink, &row, 258, &slot);
    save_all(&rig, &saved);
    /* Lengths; partition, kind, key; format, views; hash, times; features; hash, text. */
    buf_append(&expected, "\x08\0\0\0\x1b\0\0\0", 8);
    buf_append(&expected, "\0\0\x01\x02rkey", 8);
    buf_append(&expected, "\x01\x01", 2);
    for (int i = 0; i < 8; i++)
        buf_append_char(&expected, (char)(view >> 8 * i));
    buf_append(&expected, "\x81\x01\x81\x01\x80\x01\x01", 7);
    for (int i = 0; i < 8; i++)
        buf_append_char(&expected, (char)(feature >> 8 * i));
    buf_append(&expected,
               "\x03"
               "12",
               3);
    expected.data[4] = (char)(expected.len - 16);
    assert_int_equal(saved.bytes[1].len, expected.len);
    assert_memory_equal(saved.bytes[1].data, expected.data, expected.len);
    buf_free(&expected);
    saved_done(&saved);
    rig_done(&rig);
}

static void the_group_is_the_partition_or_the_keys_hash(void **state)
{
    (void)state;
    struct rig rig;
    struct saved saved = {0};
    void *slots[3] = {0};
    char expected[100];

    rig_start_aligned(&rig);
    put_in(&rig, 0, "a", 1000, 1, &slots[0]);
    put_in(&rig, 99999, "b", 1000, 1, &slots[1]);
    save_all(&rig, &saved);
    expect_entries(&saved, 0, "0 a " PLAIN(1000, 1) ", 99999 b " PLAIN(1000, 1));
    rig_done(&rig);

    rig_start(&rig);
    for (int i = 0; i < 100; i++) {
        char key[16];
        void *slot = NULL;

        snprintf(key, sizeof(key), "key%d", i);
        put(&rig, key, 1000, 1, &slot);
        save_all(&rig, &saved);
        redis_sink_release(rig.sink, &slot);
        turn(&rig);
        answer(&rig, ACKNOWLEDGED);
        snprintf(expected, sizeof(expected), "%u %s " PLAIN(1000, 1),
                 (unsigned)(hash64(slice_of(key)) % 256), key);
        struct buf spelled = {0};

        entries_spell(buf_slice(&saved.bytes[0]), &spelled);
        assert_non_null(strstr(buf_string(&spelled), expected));
        buf_free(&spelled);
        buf_reset(&saved.bytes[0]);
    }
    saved_done(&saved);
    rig_done(&rig);
}

static void only_what_redis_has_not_acknowledged_is_saved(void **state)
{
    (void)state;
    struct rig rig;
    void *slots[5] = {0};

    rig_start_aligned(&rig);
    expect_save(&rig, "");
    put_in(&rig, 1, "acknowledged", 1000, 1, &slots[0]);
    turn(&rig);
    answer(&rig, ACKNOWLEDGED);
    put_in(&rig, 1, "half", 1000, 1, &slots[1]);
    put_in(&rig, 1, "flight", 1000, 1, &slots[2]);
    turn(&rig);
    answer(&rig, ":5\r\n"); /* the TTL's reply is due */
    put_in(&rig, 1, "queue", 1000, 1, &slots[3]);
    put_in(&rig, 1, "flight", 2000, 2, &slots[2]); /* and again */
    put_in(&rig, 1, "dropped", 1000, 1, &slots[4]);
    redis_sink_release(rig.sink, &slots[4]);
    expect_save(&rig, "1 half " PLAIN(1000, 1) ", 1 flight " PLAIN(2000, 2) ", 1 queue " PLAIN(
                          1000, 1) ", 1 dropped " PLAIN(1000, 1));
    answer(&rig, ":1\r\n" ACKNOWLEDGED);
    turn(&rig);
    answer(&rig, ACKNOWLEDGED ":0\r\n" ACKNOWLEDGED);
    assert_true(redis_sink_idle(rig.sink));
    expect_save(&rig, "1 half -, 1 flight -, 1 queue -, 1 dropped -");
    expect_save(&rig, "");
    rig_done(&rig);
}

static void held_rows_are_saved(void **state)
{
    (void)state;
    struct rig rig;
    void *slots[2] = {0};

    rig_start_aligned(&rig);
    redis_sink_hold(rig.sink, true);
    put_in(&rig, 1, "a", 1000, 1, &slots[0]);
    put_in(&rig, 2, "b", 1000, 1, &slots[1]);
    turn(&rig);
    expect_save(&rig, "1 a " PLAIN(1000, 1) ", 2 b " PLAIN(1000, 1));
    redis_sink_release_of(rig.sink, &slots[0], 7);
    redis_sink_forget(rig.sink, 7);
    expect_save(&rig, "1 a -, 2 b -, 2 b " PLAIN(1000, 1));
    rig_done(&rig);
}

static void rows_of_keys_that_are_written_again_are_saved(void **state)
{
    (void)state;
    struct rig rig;
    void *slots[2] = {0};

    rig_start_aligned(&rig);
    put_in(&rig, 1, "a", 1000, 1, &slots[0]);
    put_in(&rig, 1, "b", 1000, 1, &slots[1]);
    turn(&rig);
    answer(&rig, "-LOADING wait\r\n-LOADING wait\r\n" ACKNOWLEDGED);
    expect_save(&rig, "1 a " PLAIN(1000, 1));
    redis_sink_lost(rig.sink, 0, -ECONNRESET, rig.now_ns);
    expect_save(&rig, "1 a -, 1 a " PLAIN(1000, 1));
    rig_done(&rig);
}

/* Redis came back empty, and gets its keys a few at a time. */
static void what_redis_has_lost_is_saved(void **state)
{
    (void)state;
    struct rig rig;
    void *slots[3000] = {0};
    struct saved saved = {0};
    char key[16];
    size_t count = 0;
    bool seen[3000] = {0};
    struct entry entry;

    rig_start_aligned(&rig);
    for (int i = 0; i < 3000; i++) {
        snprintf(key, sizeof(key), "%d", i);
        put_and_acknowledge(&rig, key, &slots[i]);
    }
    redis_sink_lost(rig.sink, 0, -ECONNRESET, rig.now_ns);
    pass_ms(&rig, 3000);
    connect_as(&rig, "second");
    for (int i = 0; i < 6; i++) { /* some of them are sent, acknowledged or not */
        turn(&rig);
        for (int j = 0; j < 100; j++) {
            if (gauge_get(&STATS(&rig)->in_flight) > 0)
                answer(&rig, ACKNOWLEDGED);
        }
    }
    uint64_t whole = count_of(&STATS(&rig)->keys_whole) - 3000;
    size_t acknowledged = whole - (size_t)gauge_get(&STATS(&rig)->in_flight);

    assert_in_range(acknowledged, 200, 2500);
    redis_sink_save_begin(rig.sink);
    assert_true(save_some(&rig, &saved, 700));
    redis_sink_release(rig.sink, &slots[2990]); /* in the midst */
    assert_true(save_some(&rig, &saved, 100));
    uint64_t sent = count_of(&STATS(&rig)->hsets);

    for (int i = 0; i < 4; i++) { /* more are sent meanwhile, without an answer */
        pass_ms(&rig, 10);
        turn(&rig);
    }
    assert_true(count_of(&STATS(&rig)->hsets) > sent + 600);
    while (save_some(&rig, &saved, 100))
        ;
    for (struct slice from = buf_slice(&saved.bytes[0]); entry_next(&from, &entry);) {
        int number = atoi(entry.entity.data);

        count += !seen[number];
        seen[number] = true;
    }
    assert_in_range(count, 2999 - acknowledged, 3000 - acknowledged);
    saved_done(&saved);
    rig_done(&rig);
}

/* --- in slices --- */

static void what_fails_between_slices_is_saved(void **state)
{
    (void)state;
    struct rig rig;
    struct saved saved = {0};
    void *slots[5] = {0};
    static const char *const keys[] = {"a", "b", "c", "d", "e"};

    rig_start_aligned(&rig);
    for (int i = 0; i < 3; i++)
        put_in(&rig, 1, keys[i], 1000, 1, &slots[i]);
    turn(&rig);
    put_in(&rig, 1, "d", 1000, 1, &slots[3]);
    redis_sink_save_begin(rig.sink);
    assert_true(save_some(&rig, &saved, 1));
    put_in(&rig, 1, "e", 1000, 1, &slots[4]); /* after the mark */
    put_in(&rig, 1, "b", 2000, 2, &slots[1]);
    expect_entries(&saved, 0, "1 a " PLAIN(1000, 1));
    /* a and b are written again, behind d and e; c is acknowledged. */
    answer(&rig, "-OOM no\r\n-OOM no\r\n-OOM no\r\n-OOM no\r\n" ACKNOWLEDGED);
    while (save_some(&rig, &saved, 1))
        ;
    expect_entries(&saved, 0, "1 d " PLAIN(1000, 1) ", 1 b " PLAIN(2000, 2));
    saved_done(&saved);
    rig_done(&rig);
}

static void what_is_acknowledged_between_slices_is_left_out(void **state)
{
    (void)state;
    struct rig rig;
    struct saved saved = {0};
    void *slots[4] = {0};
    static const char *const keys[] = {"a", "b", "c", "d"};

    rig_start_aligned(&rig);
    for (int i = 0; i < 4; i++)
        put_in(&rig, 1, keys[i], 1000, 1, &slots[i]);
    turn(&rig);
    redis_sink_save_begin(rig.sink);
    assert_true(save_some(&rig, &saved, 2));
    answer(&rig, ACKNOWLEDGED ACKNOWLEDGED ACKNOWLEDGED);
    while (save_some(&rig, &saved, 1))
        ;
    expect_entries(&saved, 0,
                   "1 a " PLAIN(1000, 1) ", 1 b " PLAIN(1000, 1) ", 1 d " PLAIN(1000, 1));
    answer(&rig, ACKNOWLEDGED);
    redis_sink_save_begin(rig.sink);
    assert_true(save_some(&rig, &saved, 2));
    expect_entries(&saved, 0, "1 a -, 1 b -");
    saved_done(&saved);
    rig_done(&rig);
}

static void a_save_ends_though_rows_go_on(void **state)
{
    (void)state;
    struct rig rig;
    struct saved saved = {0};
    void *slots[300] = {0};
    char key[16];
    int next = 0;
    int slices = 0;

    rig_start_aligned(&rig);
    for (; next < 20; next++) {
        snprintf(key, sizeof(key), "%d", next);
        put_in(&rig, 1, key, 1000, 1, &slots[next]);
    }
    redis_sink_save_begin(rig.sink);
    do {
        for (int i = 0; i < 5; i++, next++) {
            snprintf(key, sizeof(key), "%d", next);
            put_in(&rig, 1, key, 1000, 1, &slots[next]);
        }
        slices++;
    } while (save_some(&rig, &saved, 2));
    assert_in_range(slices, 10, 11);
    saved_done(&saved);
    rig_done(&rig);
}

static void large_images_take_more_of_a_slice(void **state)
{
    (void)state;
    struct rig rig;
    struct saved saved = {0};
    struct buf text = {0};
    void *slots[10] = {0};
    int slices = 1;

    for (int i = 0; i < 100000; i++)
        buf_append_char(&text, 'x');
    rig_start_aligned(&rig);
    for (int i = 0; i < 10; i++) {
        struct row_value values[] = {int_value(1), double_value(1), {.type = ROW_STRING}};
        char key[2] = {(char)('a' + i), '\0'};
        struct row row = world_row(&rig.world, VIEW_PLAIN, key, 1000, values);

        values[2].text = buf_slice(&text);
        redis_sink_row(rig.sink, &row, 1, &slots[i]);
    }
    redis_sink_save_begin(rig.sink);
    for (; save_some(&rig, &saved, 50); slices++)
        ;
    assert_in_range(slices, 5, 6);
    buf_free(&text);
    saved_done(&saved);
    rig_done(&rig);
}

/* A save that is given up may have left entries in the store: the next deletes them too. */
static void a_save_may_be_given_up(void **state)
{
    (void)state;
    struct rig rig;
    struct saved saved = {0};
    void *slots[3] = {0};

    rig_start_aligned(&rig);
    put_in(&rig, 1, "a", 1000, 1, &slots[0]);
    put_in(&rig, 1, "b", 1000, 1, &slots[1]);
    expect_save(&rig, "1 a " PLAIN(1000, 1) ", 1 b " PLAIN(1000, 1));
    put_in(&rig, 1, "c", 1000, 1, &slots[2]);
    redis_sink_save_begin(rig.sink);
    assert_true(save_some(&rig, &saved, 3));
    expect_entries(&saved, 0, "1 a -, 1 b -, 1 a " PLAIN(1000, 1));
    turn(&rig);
    answer(&rig, ACKNOWLEDGED ACKNOWLEDGED);
    expect_save(&rig, "1 a -, 1 b -, 1 a -, 1 c " PLAIN(1000, 1));
    expect_save(&rig, "1 c -, 1 c " PLAIN(1000, 1));
    saved_done(&saved);
    rig_done(&rig);
}

/* --- loading --- */

static int load_all(struct rig *rig, struct saved *saved, int source, void **slot, uint32_t group)
{
    struct entry entry;
    int error = 0;

    for (struct slice from = buf_slice(&saved->bytes[source]); entry_next(&from, &entry);) {
        if (entry.deleted)
            continue;
        error = redis_sink_load(rig->sink, (uint32_t)source, entry.key, entry.value, slot, group);
        if (error)
            break;
    }
    return error;
}

/* What a process leaves behind: key u of partition 3 in two views, at 2000 and 5000. */
static void save_two_views(struct saved *saved)
{
    struct rig rig;
    void *slot = NULL;
    struct row_value sum[] = {decimal_value(125, 2), bool_value(true)};
    struct row row;

    rig_start_aligned(&rig);
    put_in(&rig, 3, "u", 2000, 2, &slot);
    row = world_row(&rig.world, VIEW_SKIPPING, "u", 5000, sum);
    redis_sink_row(rig.sink, &row, 3, &slot);
    row = world_row(&rig.world, VIEW_SKIPPING, "u", 6000, sum);
    redis_sink_row(rig.sink, &row, 3, &slot);
    save_all(&rig, saved);
    rig_done(&rig);
}

#define TWO_VIEWS                                                                                  \
    "HSET features:user:{u} count 2 mean 0.5 last x plain.window_end 2000 "                        \
    "plain.computed_at 1700000000000 sum 1.25 seen true skipping.window_end 5000 "                 \
    "skipping.computed_at 1700000000000; EXPIRE features:user:{u} 100"

static void a_loaded_image_is_written_whole(void **state)
{
    (void)state;
    struct rig rig;
    struct saved saved = {0};
    void *slot = NULL;

    save_two_views(&saved);
    for (int detached = 0; detached < 2; detached++) {
        rig_start_aligned(&rig);
        pass_ms(&rig, 777);
        redis_sink_hold(rig.sink, true);
        slot = NULL;
        assert_int_equal(load_all(&rig, &saved, 0, detached ? NULL : &slot, 1), 0);
        assert_int_equal(slot != NULL, !detached);
        turn(&rig);
        expect_commands(&rig, "");
        assert_false(redis_sink_idle(rig.sink));
        redis_sink_hold(rig.sink, false);
        turn(&rig);
        expect_commands(&rig, TWO_VIEWS);
        answer(&rig, ":9\r\n:1\r\n");
        assert_true(redis_sink_idle(rig.sink));
        if (detached)
            assert_true(arena_used_bytes(&rig.world.arena) < 40000); /* but the table */
        expect_save(&rig, "3 u -");
        rig_done(&rig);
    }
    saved_done(&saved);
}

static void older_rows_of_the_replay_are_refused(void **state)
{
    (void)state;
    struct rig rig;
    struct saved saved = {0};
    void *slot = NULL;
    struct row_value sum[] = {decimal_value(99, 2), bool_value(false)};
    struct row row;

    save_two_views(&saved);
    rig_start_aligned(&rig);
    assert_int_equal(load_all(&rig, &saved, 0, &slot, 1), 0);
    put_in(&rig, 3, "u", 1000, 1, &slot);
    row = world_row(&rig.world, VIEW_SKIPPING, "u", 5500, sum);
    redis_sink_row(rig.sink, &row, 3, &slot); /* 6000 was not shown, and is known all the same */
    assert_int_equal(count_of(&STATS(&rig)->rows_older), 2);
    turn(&rig);
    expect_commands(&rig, TWO_VIEWS);
    answer(&rig, ":9\r\n:1\r\n");
    put_in(&rig, 3, "u", 2000, 3, &slot);
    turn(&rig);
    expect_commands(&rig, "HSET features:user:{u} count 3 plain.window_end 2000 "
                          "plain.computed_at 1700000000000");
    rig_done(&rig);
    saved_done(&saved);
}

static void a_loaded_detached_image_is_the_keys(void **state)
{
    (void)state;
    struct rig rig;
    struct saved saved = {0};
    void *slot = NULL;

    save_two_views(&saved);
    rig_start_aligned(&rig);
    redis_sink_hold(rig.sink, true);
    assert_int_equal(load_all(&rig, &saved, 0, NULL, 8), 0);
    put_in(&rig, 4, "u", 7000, 7, &slot);
    expect_save(&rig, "3 u -, 4 u (plain 7000 7000 1700000000000 count=7 mean=0.5 last=x; "
                      "skipping 5000 6000 1700000000000 sum=1.25 seen=true)");
    redis_sink_release_of(rig.sink, &slot, 9);
    redis_sink_forget(rig.sink, 8); /* it is not of that group any more */
    assert_false(redis_sink_idle(rig.sink));
    redis_sink_forget(rig.sink, 9);
    redis_sink_hold(rig.sink, false);
    turn(&rig);
    expect_commands(&rig, "");
    assert_true(redis_sink_idle(rig.sink));

    assert_int_equal(load_all(&rig, &saved, 0, NULL, 10), 0);
    redis_sink_forget(rig.sink, 10);
    turn(&rig);
    expect_commands(&rig, "");
    rig_done(&rig);
    saved_done(&saved);
}

/* A partition was here before, and what was not written of it is still there. */
static void an_image_that_is_there_keeps_what_is_newer(void **state)
{
    (void)state;
    struct rig rig;
    struct saved saved = {0};
    void *slot = NULL;

    save_two_views(&saved);
    rig_start_aligned(&rig);
    put_in(&rig, 3, "u", 2500, 4, &slot);
    redis_sink_release_of(rig.sink, &slot, 1);
    assert_int_equal(load_all(&rig, &saved, 0, &slot, 2), 0);
    turn(&rig);
    expect_commands(&rig, "HSET features:user:{u} count 4 mean 0.5 last x plain.window_end 2500 "
                          "plain.computed_at 1700000000000 sum 1.25 seen true "
                          "skipping.window_end 5000 skipping.computed_at 1700000000000; "
                          "EXPIRE features:user:{u} 100");
    rig_done(&rig);

    rig_start_aligned(&rig);
    slot = NULL;
    put_in(&rig, 3, "u", 2000, 4, &slot); /* as new: what the checkpoint says */
    assert_int_equal(load_all(&rig, &saved, 0, &slot, 2), 0);
    turn(&rig);
    expect_commands(&rig, TWO_VIEWS);
    rig_done(&rig);
    saved_done(&saved);
}

/* Nothing that Redis does not have: it is written all the same, since nobody knows that. */
static void what_redis_has_is_written_again(void **state)
{
    (void)state;
    struct rig rig;
    struct saved saved = {0};
    void *slot = NULL;

    rig_start_aligned(&rig);
    put_in(&rig, 3, "u", 2000, 2, &slot);
    save_all(&rig, &saved);
    rig_done(&rig);

    rig_init(&rig);
    rig.world.sources[0].aligned = true;
    rig.world.plan.redis.metadata = false;
    rig_open(&rig);
    connect_as(&rig, "first");
    slot = NULL;
    put_in(&rig, 3, "u", 2000, 2, &slot);
    turn(&rig);
    answer(&rig, ":3\r\n:1\r\n");
    forget_sent(&rig);
    assert_int_equal(load_all(&rig, &saved, 0, &slot, 1), 0);
    turn(&rig);
    expect_commands(&rig, "HSET features:user:{u} count 2 mean 0.5 last x; "
                          "EXPIRE features:user:{u} 100");
    rig_done(&rig);
    saved_done(&saved);
}

static void what_is_loaded_during_a_save_is_saved(void **state)
{
    (void)state;
    struct rig rig;
    struct saved before = {0};
    struct saved saved = {0};
    void *slots[2] = {0};

    save_two_views(&before);
    rig_start_aligned(&rig);
    put_in(&rig, 1, "a", 1000, 1, &slots[0]);
    put_in(&rig, 3, "u", 1000, 1, &slots[1]);
    redis_sink_save_begin(rig.sink);
    assert_true(save_some(&rig, &saved, 1));
    assert_int_equal(load_all(&rig, &before, 0, &slots[1], 1), 0);
    while (save_some(&rig, &saved, 1))
        ;
    expect_entries(&saved, 0,
                   "1 a " PLAIN(1000, 1) ", 3 u (plain 2000 2000 1700000000000 count=2 mean=0.5 "
                                         "last=x; skipping 5000 6000 1700000000000 sum=1.25 "
                                         "seen=true)");
    /* Also when its place has been looked at. */
    redis_sink_save_begin(rig.sink);
    for (int i = 0; i < 4; i++)
        assert_true(save_some(&rig, &saved, 1));
    expect_entries(&saved, 0, "1 a -, 3 u -, 3 u -, 1 a " PLAIN(1000, 1));
    assert_true(save_some(&rig, &saved, 1));
    buf_reset(&saved.bytes[0]);
    assert_int_equal(load_all(&rig, &before, 0, &slots[1], 1), 0);
    while (save_some(&rig, &saved, 1))
        ;
    assert_true(saved.bytes[0].len > 0);
    saved_done(&before);
    saved_done(&saved);
    rig_done(&rig);
}

/* --- another pipeline file --- */

static void views_and_features_go_by_name(void **state)
{
    (void)state;
    struct rig rig;
    struct saved saved = {0};
    void *slot = NULL;

    save_two_views(&saved);
    rig_init(&rig);
    rig.world.sources[0].aligned = true;
    /* plain: last is gone, newest is new, and the order is another; skipping is gone. */
    rig.world.features[VIEW_PLAIN][0].name = "newest";
    rig.world.features[VIEW_PLAIN][1].name = "count";
    rig.world.features[VIEW_PLAIN][2].name = "mean";
    rig.world.views[VIEW_SKIPPING].name = "summing";
    rig_open(&rig);
    connect_as(&rig, "first");
    assert_int_equal(load_all(&rig, &saved, 0, &slot, 1), 0);
    turn(&rig);
    expect_commands(&rig, "HSET features:user:{u} count 2 mean 0.5 plain.window_end 2000 "
                          "plain.computed_at 1700000000000; HDEL features:user:{u} newest; "
                          "EXPIRE features:user:{u} 100");
    rig_done(&rig);

    /* Both views are gone, or of another source. */
    rig_init(&rig);
    rig.world.sources[0].aligned = true;
    rig.world.views[VIEW_PLAIN].source = 1;
    rig.world.views[VIEW_SKIPPING].name = "summing";
    rig_open(&rig);
    connect_as(&rig, "first");
    slot = NULL;
    assert_int_equal(load_all(&rig, &saved, 0, &slot, 1), 0);
    assert_int_equal(load_all(&rig, &saved, 0, NULL, 1), 0);
    assert_null(slot);
    assert_true(redis_sink_idle(rig.sink));
    expect_save(&rig, "3 u -, 3 u -"); /* it is in the store */
    rig_done(&rig);
    saved_done(&saved);
}

/* --- bytes that are no entry --- */

static void expect_refused(struct rig *rig, uint32_t source, struct slice key, struct slice value)
{
    void *slot = NULL;

    assert_int_equal(redis_sink_load(rig->sink, source, key, value, &slot, 1), -EBADMSG);
    assert_null(slot);
    assert_int_equal(arena_used_bytes(&rig->world.arena), 0);
}

static void what_is_no_entry_is_refused(void **state)
{
    (void)state;
    struct rig rig;
    struct saved saved = {0};
    struct entry entry;
    struct slice from;
    void *slot = NULL;

    save_two_views(&saved);
    from = buf_slice(&saved.bytes[0]);
    assert_true(entry_next(&from, &entry));
    rig_start_aligned(&rig);
    for (size_t len = 0; len < entry.value.len; len++) {
        char *copy = malloc(len + 1); /* whoever reads on is caught */

        memcpy(copy, entry.value.data, len);
        expect_refused(&rig, 0, entry.key, (struct slice){copy, len});
        free(copy);
    }
    for (size_t len = 0; len <= 5; len++)
        expect_refused(&rig, 0, (struct slice){entry.key.data, len}, entry.value);
    /* As much behind the end, another kind, another format, no views, more views. */
    struct buf bytes = {0};

    buf_append_slice(&bytes, entry.value);
    buf_append_char(&bytes, '\0');
    expect_refused(&rig, 0, entry.key, buf_slice(&bytes));
    bytes.len--;
    bytes.data[0] = 2;
    expect_refused(&rig, 0, entry.key, buf_slice(&bytes));
    bytes.data[0] = 1;
    bytes.data[1] = 0;
    expect_refused(&rig, 0, entry.key, buf_slice(&bytes));
    expect_refused(&rig, 0, entry.key, (struct slice){bytes.data, 2});
    bytes.data[1] = 3;
    expect_refused(&rig, 0, entry.key, buf_slice(&bytes));
    buf_reset(&bytes);
    buf_append_slice(&bytes, entry.key);
    bytes.data[4] = 'k';
    expect_refused(&rig, 0, buf_slice(&bytes), entry.value);
    bytes.data[4] = 'r';
    bytes.data[0] = 1; /* a partition that no topic has */
    expect_refused(&rig, 0, buf_slice(&bytes), entry.value);
    bytes.data[0] = 0;
    expect_refused(&rig, 1, entry.key, entry.value); /* shuffled: not of this group */
    assert_int_equal(redis_sink_load(rig.sink, 0, buf_slice(&bytes), entry.value, &slot, 1), 0);
    buf_free(&bytes);
    saved_done(&saved);
    rig_done(&rig);
}

/* Put together by hand. */
static void append_view(struct buf *out, const char *name, int64_t end_ms, int64_t newest_ms,
                        const char *features)
{
    static const char *const names[] = {"count", "mean", "last", "sum"};
    uint64_t hash = hash64(slice_of(name));

    buf_append(out, &hash, 8);
    buf_append_char(out, (char)(end_ms * 2));
    buf_append_char(out, (char)(newest_ms * 2));
    buf_append_char(out, 0);
    buf_append_char(out, (char)strlen(features));
    for (; *features; features++) {
        hash = hash64(slice_of(names[*features - '0']));
        buf_append(out, &hash, 8);
        buf_append(out, "\x02v", 2);
    }
}

static void contradictions_are_refused(void **state)
{
    (void)state;
    struct rig rig;
    struct buf bytes = {0};
    struct slice key = {"\0\0\0\x03ru", 6};
    void *slot = NULL;
    static const struct {
        const char *views[3];
        const char *features;
        int64_t newest_ms;
    } cases[] = {
        {{"plain", "skipping", "plain"}, "012", 20}, /* a view twice */
        {{"plain"}, "0120", 20},                     /* a feature twice */
        {{"plain"}, "012", 19},                      /* the newest is older */
        {{"plain"}, "", 20},                         /* no features */
        {{"unknown"}, "", 20},
        {{"unknown"}, "0", 19},
    };

    rig_start_aligned(&rig);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        buf_reset(&bytes);
        buf_append_char(&bytes, 1);
        buf_append_char(&bytes, 0);
        for (int v = 0; v < 3 && cases[i].views[v]; v++) {
            append_view(&bytes, cases[i].views[v], 20, cases[i].newest_ms, cases[i].features);
            bytes.data[1]++;
        }
        expect_refused(&rig, 0, key, buf_slice(&bytes));
    }
    /* Of what nobody knows, anything goes. */
    buf_reset(&bytes);
    buf_append(&bytes, "\1\4", 2);
    append_view(&bytes, "unknown", 20, 20, "0120");
    append_view(&bytes, "unknown", 20, 20, "0120");
    append_view(&bytes, "plain", 20, 20, "10333");
    append_view(&bytes, "keeping", 20, 20, "0"); /* another source's */
    assert_int_equal(redis_sink_load(rig.sink, 0, key, buf_slice(&bytes), &slot, 1), 0);
    turn(&rig);
    expect_commands(&rig, "HSET features:user:{u} count v mean v plain.window_end 20 "
                          "plain.computed_at 0; HDEL features:user:{u} last; "
                          "EXPIRE features:user:{u} 100");
    buf_free(&bytes);
    rig_done(&rig);
}

/* --- what is forgotten --- */

static void what_is_forgotten_in_flight_is_not_written_again(void **state)
{
    (void)state;
    struct rig rig;
    void *slot = NULL;
    void *other = NULL;

    rig_start_aligned(&rig);
    put_in(&rig, 1, "u", 1000, 1, &slot);
    put_in(&rig, 2, "o", 1000, 1, &other);
    turn(&rig);
    put_in(&rig, 1, "u", 2000, 2, &slot);
    forget_sent(&rig);
    redis_sink_release_of(rig.sink, &slot, 5);
    redis_sink_forget(rig.sink, 5);
    assert_int_equal(rig.wire.closes, 0); /* the kernel has it */
    expect_save(&rig, "2 o " PLAIN(1000, 1));
    redis_sink_lost(rig.sink, 0, -ECONNRESET, rig.now_ns);
    pass_ms(&rig, 3000);
    connect_as(&rig, "first");
    turn(&rig);
    expect_commands(&rig, "HSET features:user:{o} count 1 mean 0.5 last x plain.window_end 1000 "
                          "plain.computed_at 1700000000000; EXPIRE features:user:{o} 100");
    answer(&rig, ACKNOWLEDGED);
    assert_true(redis_sink_idle(rig.sink));
    rig_done(&rig);

    /* Nor after an error; and a key that comes back begins anew, behind what is in flight. */
    rig_start_aligned(&rig);
    slot = NULL;
    put_in(&rig, 1, "u", 3000, 1, &slot);
    turn(&rig);
    forget_sent(&rig);
    redis_sink_release_of(rig.sink, &slot, 5);
    redis_sink_forget(rig.sink, 5);
    put_in(&rig, 1, "u", 2000, 2, &slot);
    answer(&rig, "-OOM no\r\n-OOM no\r\n");
    pass_ms(&rig, 3000);
    turn(&rig);
    expect_commands(&rig, "HSET features:user:{u} count 2 mean 0.5 last x plain.window_end 2000 "
                          "plain.computed_at 1700000000000; EXPIRE features:user:{u} 100");
    rig_done(&rig);
}

static void what_is_forgotten_before_the_kernel_had_it_is_taken_back(void **state)
{
    (void)state;
    struct rig rig;
    void *slot = NULL;
    void *other = NULL;
    void *queued = NULL;

    rig_start_aligned(&rig);
    put_in(&rig, 1, "u", 1000, 1, &slot);
    put_in(&rig, 2, "o", 1000, 1, &other);
    turn(&rig);
    forget_sent(&rig);
    rig.wire.unsent = 100;
    redis_sink_hold(rig.sink, true);
    put_in(&rig, 3, "q", 1000, 1, &queued);
    redis_sink_release_of(rig.sink, &queued, 6);
    redis_sink_forget(rig.sink, 6); /* was never sent: nothing to take back */
    assert_int_equal(rig.wire.closes, 0);
    redis_sink_release_of(rig.sink, &slot, 5);
    redis_sink_forget(rig.sink, 5);
    assert_int_equal(rig.wire.closes, 1);
    rig.wire.unsent = 0;
    redis_sink_hold(rig.sink, false);
    pass_ms(&rig, 3000);
    connect_as(&rig, "first");
    turn(&rig);
    expect_commands(&rig, "HSET features:user:{o} count 1 mean 0.5 last x plain.window_end 1000 "
                          "plain.computed_at 1700000000000; EXPIRE features:user:{o} 100");
    answer(&rig, ACKNOWLEDGED);
    assert_true(redis_sink_idle(rig.sink));
    rig_done(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_have_all_that_redis_is_to_show),
        cmocka_unit_test(an_entry_to_the_byte),
        cmocka_unit_test(the_group_is_the_partition_or_the_keys_hash),
        cmocka_unit_test(only_what_redis_has_not_acknowledged_is_saved),
        cmocka_unit_test(held_rows_are_saved),
        cmocka_unit_test(rows_of_keys_that_are_written_again_are_saved),
        cmocka_unit_test(what_redis_has_lost_is_saved),
        cmocka_unit_test(what_fails_between_slices_is_saved),
        cmocka_unit_test(what_is_acknowledged_between_slices_is_left_out),
        cmocka_unit_test(a_save_ends_though_rows_go_on),
        cmocka_unit_test(large_images_take_more_of_a_slice),
        cmocka_unit_test(a_save_may_be_given_up),
        cmocka_unit_test(a_loaded_image_is_written_whole),
        cmocka_unit_test(older_rows_of_the_replay_are_refused),
        cmocka_unit_test(a_loaded_detached_image_is_the_keys),
        cmocka_unit_test(an_image_that_is_there_keeps_what_is_newer),
        cmocka_unit_test(what_redis_has_is_written_again),
        cmocka_unit_test(what_is_loaded_during_a_save_is_saved),
        cmocka_unit_test(views_and_features_go_by_name),
        cmocka_unit_test(what_is_no_entry_is_refused),
        cmocka_unit_test(contradictions_are_refused),
        cmocka_unit_test(what_is_forgotten_in_flight_is_not_written_again),
        cmocka_unit_test(what_is_forgotten_before_the_kernel_had_it_is_taken_back),
    };

    return cmocka_run_group_tests_name("sink/redis_save", tests, NULL, NULL);
}
