/* Captures and what is loaded of them, cases made by hand: which entries there are, and when. */
#include <errno.h>

#include "view_cases.h"
#include "view_store.h"

static uint64_t checkpoints;
static struct store store;

/* What the entries do, a line each; they go to the store. */
static void expect_entries(const char *wanted)
{
    struct buf *captured = keyspace_captured(bench.keyspace);
    struct slice from = buf_slice(captured);
    struct buf text = {0};
    struct slice key, value, rest;
    uint32_t group;
    char kind;

    while (from.len > 0) {
        assert_int_equal(entry_next(&from, &key, &value), 0);
        assert_int_equal(entry_key_read(key, &group, &kind, &rest), 0);
        assert_int_equal(group, 0);
        buf_printf(&text, "%s ", value.data ? "put" : "delete");
        if (kind == ENTRY_KEY)
            buf_printf(&text, "%.*s\n", SLICE_ARGS(rest));
        else
            buf_printf(&text, "ids %d %d\n", rest.data[7], rest.data[15]);
    }
    assert_string_equal(buf_string(&text), wanted);
    buf_free(&text);
    store_take(&store, captured);
}

static void mark(bool all)
{
    keyspace_mark(bench.keyspace, ++checkpoints, all);
}

static void expect_capture(const char *wanted)
{
    mark(false);
    while (keyspace_capture(bench.keyspace, 1))
        ;
    expect_entries(wanted);
}

static void begin_with(struct spec spec)
{
    static struct spec kept; /* as long as the bench */

    checkpoints = 0;
    kept = spec;
    begin(&kept);
}

static void done(void)
{
    store_clear(&store);
    end();
}

/* The keyspace anew, from the store, by another plan. */
static void restart_as(const struct spec *spec, bool is_changed)
{
    struct keyspace_times times;
    int64_t reached_ms = watermark_ms;
    struct buf schema = {0};
    struct schema_map *map;
    struct err err;

    keyspace_times(bench.keyspace, &times);
    schema_save(bench.plan, 0, &schema);
    end();
    begin(spec);
    watermark_ms = reached_ms;
    assert_int_equal(schema_map_create(bench.plan, 0, buf_slice(&schema), &map, &err), 0);
    buf_free(&schema);
    schema_map_times(map, &times);
    keyspace_times_restore(bench.keyspace, &times);
    store_load(&store, bench.keyspace, map, is_changed);
    schema_map_free(map);
}

static void restart(bool is_changed)
{
    restart_as(bench.spec, is_changed);
}

static void only_what_changed_is_captured_again(void **state)
{
    (void)state;
    begin_with(spec_of(tumbling));
    event_of(0, 5);
    event_of(1, 5);
    expect_capture("put k0\n"
                   "put key-1\n");
    expect_capture("");
    event_of(1, 6);
    expect_capture("put key-1\n");
    advance(9, 9); /* nothing is due */
    expect_capture("");
    advance(10, 10);
    expect_capture("put k0\n"
                   "put key-1\n");
    event_of(2, 11);
    event_of(2, 12);
    expect_capture("put 2\n");
    mark(true);
    while (keyspace_capture(bench.keyspace, 2))
        ;
    expect_entries("put k0\n"
                   "put key-1\n"
                   "put 2\n");
    done();
}

static void an_event_that_no_view_takes_changes_nothing(void **state)
{
    struct spec spec = spec_of(tumbling);

    (void)state;
    spec.views[0].filter = 3; /* neither a nor b: these events are a */
    spec.dedup_ms = 10;
    begin_with(spec);
    event_of(0, 5);
    expect_capture("put ids 0 1\n");
    event_of(0, 6);
    expect_capture("");
    done();
}

static void a_key_that_is_gone_is_deleted(void **state)
{
    struct spec spec = spec_of(tumbling);

    (void)state;
    spec.ttl_ms = 1;
    begin_with(spec);
    event_of(0, 5);
    expect_capture("put k0\n");
    event_of(1, 205); /* the first is freed */
    advance(205, 205);
    advance(400, 400);
    expect_capture("delete k0\n"); /* the other was never stored */
    expect_capture("");
    assert_int_equal(store.count, 0);
    done();
}

static void a_key_that_comes_again_stays(void **state)
{
    struct spec spec = spec_of(tumbling);

    (void)state;
    spec.ttl_ms = 1;
    begin_with(spec);
    event_of(0, 5);
    expect_capture("put k0\n");
    advance(205, 205);
    assert_int_equal(keyspace_keys(bench.keyspace), 0);
    event_of(0, 206);
    expect_capture("delete k0\n"
                   "put k0\n");
    advance(405, 405);
    event_of(0, 406);
    advance(605, 605);
    event_of(0, 606);
    advance(805, 805);
    expect_capture("delete k0\n"); /* once: the second one was not stored */
    done();
}

/* It is written as it was at the mark, and then goes. */
static void a_key_may_go_while_it_is_captured(void **state)
{
    struct spec spec = spec_of(tumbling);

    (void)state;
    spec.ttl_ms = 1;
    begin_with(spec);
    event_of(0, 5);
    event_of(1, 5);
    mark(false);
    assert_true(keyspace_capture(bench.keyspace, 1));
    expect_entries("put k0\n");
    advance(205, 205);
    event_of(2, 206); /* has the number of one that went */
    expect_entries("put key-1\n");
    while (keyspace_capture(bench.keyspace, 1))
        ;
    expect_entries("");
    expect_capture("delete k0\n"
                   "delete key-1\n"
                   "put 2\n");
    done();
}

/* A capture of all goes by numbers: those of keys that came later are passed over. */
static void what_came_after_the_mark_is_not_captured(void **state)
{
    struct spec spec = spec_of(tumbling);

    (void)state;
    spec.ttl_ms = 1;
    begin_with(spec);
    event_of(0, 5);
    event_of(1, 5);
    advance(205, 205);
    mark(true);
    event_of(2, 206);
    event_of(0, 206);
    while (keyspace_capture(bench.keyspace, 1))
        ;
    expect_entries("");
    expect_capture("put k0\n"
                   "put 2\n");
    done();
}

static void what_changes_is_written_first(void **state)
{
    (void)state;
    begin_with(spec_of(tumbling));
    event_of(0, 5);
    event_of(1, 5);
    event_of(2, 5);
    mark(false);
    event_of(2, 6);
    event_of(2, 7);
    event_of(0, 6);
    expect_entries("put 2\n"
                   "put k0\n");
    while (keyspace_capture(bench.keyspace, 1))
        ;
    expect_entries("put key-1\n");
    restart(false); /* as they were at the mark */
    advance(20, 20);
    expect("0 10 0 1|1|\n"
           "10 20 0 empty 0|0|\n");
    expect_of(2, "0 10 0 1|1|\n"
                 "10 20 0 empty 0|0|\n");
    done();
}

static void a_capture_that_is_broken_off_is_made_good_for_all(void **state)
{
    (void)state;
    begin_with(spec_of(tumbling));
    event_of(0, 5);
    event_of(1, 5);
    expect_capture("put k0\n"
                   "put key-1\n");
    event_of(0, 6);
    mark(false);
    keyspace_capture_abort(bench.keyspace);
    expect_entries("");
    event_of(1, 6);
    expect_entries("");
    mark(true);
    while (keyspace_capture(bench.keyspace, 1))
        ;
    expect_entries("put k0\n"
                   "put key-1\n");
    expect_capture("");
    done();
}

static void what_was_loaded_is_captured_when_it_changes(void **state)
{
    struct spec spec = spec_of(tumbling);

    (void)state;
    spec.dedup_ms = 15;
    spec.ttl_ms = 1;
    begin_with(spec);
    event_of(0, 5);
    event_of(1, 5);
    expect_capture("put ids 0 1\n"
                   "put k0\n"
                   "put key-1\n");
    restart(false);
    expect_capture("");
    event_of(0, 25);
    expect_capture("put ids 1 3\n"
                   "put k0\n");
    restart(true);
    mark(false);
    while (keyspace_capture(bench.keyspace, 1))
        ;
    ENSURE_INT(store.count, 4);
    size_t puts = store.puts;
    store_take(&store, keyspace_captured(bench.keyspace));
    ENSURE_INT(store.puts, puts + 4);
    restart(false);
    advance(500, 500); /* it was loaded, so it is deleted when it goes, and so are the ids */
    mark(false);
    while (keyspace_capture(bench.keyspace, 1))
        ;
    store_take(&store, keyspace_captured(bench.keyspace));
    ENSURE_INT(store.count, 0);
    done();
}

/* Of a table that goes while it is captured. */
static void ids_are_captured_before_they_go(void **state)
{
    struct spec spec = spec_of(tumbling);

    (void)state;
    spec.dedup_ms = 10;
    spec.lateness_ms = 0;
    spec.ttl_ms = 1;
    begin_with(spec);
    event_of(0, 5);
    expect_capture("put ids 0 1\n"
                   "put k0\n");
    event_of(0, 19);
    event_of(1, 7);
    mark(false);
    event_of(1, 8); /* a duplicate */
    advance(300, 300);
    expect_entries("put ids 0 2\n"
                   "put ids 1 2\n"
                   "put k0\n"
                   "put key-1\n");
    while (keyspace_capture(bench.keyspace, 1))
        ;
    expect_entries("");
    expect_capture("delete ids 0 1\n"
                   "delete ids 0 2\n"
                   "delete ids 1 2\n"
                   "delete k0\n"
                   "delete key-1\n");
    done();
}

/* Tables of ids that hold other times, after an edit. */
static void ids_are_taken_over_into_other_tables(void **state)
{
    struct spec spec = spec_of(tumbling);
    struct spec wider;

    (void)state;
    spec.dedup_ms = 10;
    spec.ttl_ms = 100;
    wider = spec;
    wider.dedup_ms = 40;
    begin_with(spec);
    for (int64_t time_ms = 5; time_ms < 100; time_ms += 11)
        event(time_ms);
    assert_int_equal(counter_get(&bench.duplicates), 0);
    mark(false);
    while (keyspace_capture(bench.keyspace, 1))
        ;
    store_take(&store, keyspace_captured(bench.keyspace));
    restart_as(&wider, false);
    event(133); /* 93 was accepted */
    event(134);
    assert_int_equal(counter_get(&bench.duplicates), 1);
    store_clear(&store); /* all is new to a checkpoint */
    mark(false);
    while (keyspace_capture(bench.keyspace, 1))
        ;
    store_take(&store, keyspace_captured(bench.keyspace));
    restart(false);
    event(173);
    event(175);
    assert_int_equal(counter_get(&bench.duplicates), 1);
    spec.dedup_ms = 0;
    restart_as(&spec, true);
    event(175);
    assert_int_equal(counter_get(&bench.duplicates), 0);
    done();
}

/* A window that was closed when less lateness was allowed. */
static void what_was_closed_stays_closed(void **state)
{
    struct spec spec = spec_of(tumbling);
    struct spec later;

    (void)state;
    spec.lateness_ms = 0;
    later = spec;
    later.lateness_ms = 50;
    begin_with(spec);
    event(5);
    advance(12, 12);
    expect("0 10 0 1|1|\n");
    event(13);
    expect_capture("put k0\n");
    restart_as(&later, true);
    event(6); /* of [0, 10) some is gone: it can't be shown again */
    assert_int_equal(counter_get(&bench.stats[0].released), 1);
    event(14);
    advance(20, 20);
    event(15);
    expect("10 20 0 2|2|\n"
           "10 20 1 3|3|\n");
    done();
}

/* A layout that has a paneset and a cell twice, as none of a plan does: the first one counts. */
static void what_a_layout_has_twice_is_taken_once(void **state)
{
    static const char layout[] = "freshet state 1, cells 1\n"
                                 "source aligned entity \"user\" string \"user\" time ms \"ts\"\n"
                                 "lateness 20\n"
                                 "paneset slides 10 0 0 1 0 0 all\n"
                                 "cell sum_int 0 \"n\" int64 \"n\"\n"
                                 "cell sum_int 0 \"n\" int64 \"n\"\n"
                                 "paneset slides 10 0 0 1 0 0 all\n"
                                 "cell count 0\n"
                                 "view 0 tumbling 10 on_close v\n"
                                 "view 1 tumbling 10 on_close w\n"
                                 "end\n";
    static const char value[] = "\5"         /* newest event */
                                "\0\1\0"     /* released, one pane, here */
                                "\1\16\1\20" /* 7 and 8 */
                                "\0\1\0\1\4" /* once more, with 4 events */
                                "\0\0\0\0"   /* fired, amendments, finished, shown */
                                "\0\0\0\0";
    struct schema_map *map;
    struct err err;

    (void)state;
    begin_with(spec_of(tumbling));
    if (schema_map_create(bench.plan, 0, (struct slice){layout, sizeof(layout) - 1}, &map, &err))
        fail_msg("%s", err.text);
    assert_false(schema_map_is_same(map));
    assert_int_equal(keyspace_load(bench.keyspace, map, SLICE_LITERAL("\0\0\0\0kk0"),
                                   (struct slice){value, sizeof(value) - 1}, false),
                     0);
    schema_map_free(map);
    advance(10, 10);
    expect("0 10 0 0|7|\n"); /* the count of the first one is new */
    done();
}

static void times_only_go_forward(void **state)
{
    const struct keyspace_times times = {.watermark_ms = 50, .clock_ms = 70, .release_ms = 40};
    const struct keyspace_times older = {.watermark_ms = 30, .clock_ms = 30, .release_ms = 10};
    const struct keyspace_times absurd = {INT64_MAX, INT64_MAX, INT64_MAX};
    struct keyspace_times now;

    (void)state;
    begin_with(spec_of(tumbling));
    keyspace_times_restore(bench.keyspace, &times);
    keyspace_times_restore(bench.keyspace, &older);
    keyspace_times(bench.keyspace, &now);
    assert_memory_equal(&now, &times, sizeof(now));
    assert_int_equal(keyspace_watermark_ms(bench.keyspace), 50);
    assert_int_equal(keyspace_release_ms(bench.keyspace), 40);
    keyspace_times_restore(bench.keyspace, &absurd);
    keyspace_times(bench.keyspace, &now);
    assert_int_equal(now.watermark_ms, WATERMARK_END);
    assert_int_equal(now.clock_ms, WATERMARK_END);
    assert_int_equal(now.release_ms, WATERMARK_END);
    done();
}

static int load(struct slice key, struct slice value)
{
    struct schema_map *map = map_onto(bench.plan, bench.plan);
    int rc = keyspace_load(bench.keyspace, map, key, value, false);

    schema_map_free(map);
    return rc;
}

/* Every beginning of it, and one byte more than it. */
static void refuse_pieces(const struct kept *kept)
{
    struct slice key = {kept->key, kept->key_len};

    for (size_t len = 0; len < kept->value_len; len++) {
        char *piece = bytes_copy((struct slice){kept->value, len});

        assert_int_equal(load(key, (struct slice){piece, len}), -EBADMSG);
        free(piece);
    }
    char *longer = calloc(1, kept->value_len + 1);

    memcpy(longer, kept->value, kept->value_len);
    assert_int_equal(load(key, (struct slice){longer, kept->value_len + 1}), -EBADMSG);
    free(longer);
}

static void bytes_that_are_no_state_are_refused(void **state)
{
    struct spec spec = spec_of(sliding);

    (void)state;
    spec.view_count = 3;
    spec.dedup_ms = 10;
    spec.views[1] = updating(sliding);
    spec.views[2] = session;
    spec.views[1].features = spec.views[2].features = COUNTS;
    begin_with(spec);
    event_of(3, 5);
    event_of(3, 30);
    expect_capture("put ids 0 1\n"
                   "put a key of more than twenty-four bytes\n");
    end();
    begin(&spec);
    for (size_t i = 0; i < store.count; i++) {
        const struct kept *kept = &store.all[i];
        struct slice key = {kept->key, kept->key_len};
        struct slice value = {kept->value, kept->value_len};
        char other[64];

        memcpy(other, key.data, key.len);
        other[3] = 1; /* the group */
        assert_int_equal(load((struct slice){other, key.len}, value), -EBADMSG);
        other[3] = 0;
        other[4] = 'x'; /* the kind */
        assert_int_equal(load((struct slice){other, key.len}, value), -EBADMSG);
        assert_int_equal(load((struct slice){key.data, 5}, value), -EBADMSG);
        assert_int_equal(load((struct slice){key.data, 4}, value), -EBADMSG);
        if (key.data[4] == ENTRY_KEY)
            refuse_pieces(kept);
    }
    assert_int_equal(keyspace_keys(bench.keyspace), 0);
    assert_int_equal(keyspace_bytes(bench.keyspace), 0);
    for (int times = 0; times < 2; times++) {
        const struct kept *kept = store_find(&store, SLICE_LITERAL("\0\0\0\0k"
                                                                   "a key of more than twenty-four "
                                                                   "bytes"));

        assert_non_null(kept);
        assert_int_equal(load((struct slice){kept->key, kept->key_len},
                              (struct slice){kept->value, kept->value_len}),
                         times == 0 ? 0 : -EBADMSG); /* it is there already */
    }
    done();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_changed_is_captured_again),
        cmocka_unit_test(an_event_that_no_view_takes_changes_nothing),
        cmocka_unit_test(a_key_that_is_gone_is_deleted),
        cmocka_unit_test(a_key_that_comes_again_stays),
        cmocka_unit_test(a_key_may_go_while_it_is_captured),
        cmocka_unit_test(what_came_after_the_mark_is_not_captured),
        cmocka_unit_test(what_changes_is_written_first),
        cmocka_unit_test(a_capture_that_is_broken_off_is_made_good_for_all),
        cmocka_unit_test(what_was_loaded_is_captured_when_it_changes),
        cmocka_unit_test(ids_are_captured_before_they_go),
        cmocka_unit_test(ids_are_taken_over_into_other_tables),
        cmocka_unit_test(what_was_closed_stays_closed),
        cmocka_unit_test(what_a_layout_has_twice_is_taken_once),
        cmocka_unit_test(times_only_go_forward),
        cmocka_unit_test(bytes_that_are_no_state_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
