/* Layouts of saved state mapped onto plans: what is kept, what begins anew and what goes when a
 * pipeline file is edited; and texts that are no layout. */
#include <errno.h>

#include "../support/plan_text.h"
#include "view/schema.h"

#define FIELDS                                                                                     \
    "      user: string\n"                                                                         \
    "      kind: {type: string, optional: true}\n"                                                 \
    "      amount: {type: decimal(2), optional: true}\n"

#define COUNTED "  v:\n    source: s\n    window: {sliding: 1h, every: 10m}\n    features:\n"

/* A file with one source, which has more settings and fields. */
static struct plan *plan_with(const char *settings, const char *fields, const char *views)
{
    struct buf text = {0};

    buf_printf(&text,
               "pipeline: p\n"
               "kafka: {}\n"
               "sources:\n"
               "  s:\n"
               "    topic: t\n"
               "    entity: user\n"
               "%s"
               "    fields:\n"
               "%s"
               "views:\n"
               "%s",
               settings, fields, views);
    struct plan *plan = plan_of_text(buf_string(&text));

    buf_free(&text);
    return plan;
}

#define TIME "    time: {field: ts}\n"

static struct plan *plan_of_views(const char *views)
{
    return plan_with(TIME, FIELDS, views);
}

static struct schema_map *map_of(const struct plan *saved, const struct plan *now)
{
    struct schema_map *map = NULL;
    struct buf text = {0};
    struct err err = {.text = ""};

    schema_save(saved, 0, &text);
    if (schema_map_create(now, 0, buf_slice(&text), &map, &err))
        fail_msg("%s\n%s", err.text, buf_string(&text));
    buf_free(&text);
    return map;
}

static void expect_plans(struct plan *saved, struct plan *now, bool is_same, const char *wanted)
{
    struct schema_map *map = map_of(saved, now);
    struct buf text = {0};

    schema_map_print(map, &text);
    assert_string_equal(buf_string(&text), wanted);
    assert_int_equal(schema_map_is_same(map), is_same);
    buf_free(&text);
    schema_map_free(map);
    plan_free(saved);
    plan_free(now);
}

static void expect(const char *saved, const char *now, bool is_same, const char *wanted)
{
    expect_plans(plan_of_views(saved), plan_of_views(now), is_same, wanted);
}

static void the_same_file_keeps_all(void **state)
{
    const char *views = COUNTED "      c: {count: true}\n"
                                "      s: {sum: amount, where: {kind: a}}\n"
                                "  w:\n    source: s\n    window: {session: 5m}\n"
                                "    features: {l: {last: kind, n: 3}}\n";

    (void)state;
    expect(views, views, true,
           "v.c: kept\n"
           "v.s: kept\n"
           "w.l: kept\n");
}

/* What is stored has no names. */
static void names_make_no_difference(void **state)
{
    (void)state;
    expect(COUNTED "      c: {count: true}\n      m: {mean: amount}\n",
           "  other:\n    source: s\n    window: {sliding: 1h, every: 10m}\n    features:\n"
           "      c: {count: true}\n      average: {mean: amount}\n",
           true,
           "other.c: kept, it was v.c\n"
           "other.average: kept, it was v.m\n");
}

static void features_come_and_go(void **state)
{
    (void)state;
    expect(COUNTED "      c: {count: true}\n      m: {mean: amount}\n",
           COUNTED "      s: {sum: amount}\n      c: {count: true}\n", false,
           "v.s: starts empty: it is new\n"
           "v.c: kept\n"
           "v.m: dropped\n");
}

static void a_feature_that_is_edited_starts_anew_unless_it_needs_the_same(void **state)
{
    (void)state;
    expect(COUNTED "      l: {last: kind, n: 3}\n"
                   "      h: {histogram: kind, limit: 5}\n"
                   "      d: {variance: amount}\n"
                   "      w: {count: true, where: {kind: a}}\n"
                   "      t: {top: kind}\n",
           COUNTED "      l: {last: kind, n: 4}\n"
                   "      h: {histogram: kind, limit: 5}\n"
                   "      d: {stddev: amount, sample: true}\n"
                   "      w: {count: true, where: {kind: b}}\n"
                   "      t: {top: kind, n: 3}\n",
           false,
           "v.l: starts empty: it is defined differently\n"
           "v.h: kept\n"
           "v.d: kept\n"
           "v.w: starts empty: it is defined differently\n"
           "v.t: kept\n");
}

static void a_view_with_another_where_or_slide_starts_anew(void **state)
{
    (void)state;
    expect("  v:\n    source: s\n    window: {tumbling: 1h}\n    where: {kind: a}\n"
           "    features: {c: {count: true}}\n"
           "  w:\n    source: s\n    window: {tumbling: 1h}\n    features: {d: {count: true}}\n",
           "  v:\n    source: s\n    window: {tumbling: 1h}\n    where: {kind: b}\n"
           "    features: {c: {count: true}}\n"
           "  w:\n    source: s\n    window: {tumbling: 2h}\n    features: {d: {count: true}}\n",
           false,
           "v.c: starts empty: its window or where differs\n"
           "w.d: starts empty: its window or where differs\n");
    /* The same, spelled in another way. */
    expect("  v:\n    source: s\n    window: {tumbling: 1h, offset: 90m}\n"
           "    where: {kind: [a, b], amount: {gt: 3}}\n    features: {c: {count: true}}\n",
           "  v:\n    source: s\n    window: {tumbling: 60m, offset: 30m}\n"
           "    where: {amount: {gt: 3.00}, kind: [b, a]}\n    features: {c: {count: true}}\n",
           true, "v.c: kept\n");
}

/* The panes are there; rows of its own there are not. */
static void a_view_of_another_size_begins_with_the_panes_that_there_are(void **state)
{
    (void)state;
    expect(COUNTED "      c: {count: true}\n",
           "  v:\n    source: s\n    window: {sliding: 2h, every: 10m}\n    features:\n"
           "      c: {count: true}\n      s: {sum: amount}\n",
           false,
           "v.c: kept in part: its window is new, over panes that are not\n"
           "v.s: starts empty: it is new\n");
    expect(COUNTED "      c: {count: true}\n",
           "  v:\n    source: s\n    window: {sliding: 1h, every: 10m}\n    emit: on_update\n"
           "    features: {c: {count: true}}\n",
           false, "v.c: kept in part: its window is new, over panes that are not\n");
}

/* A field is what it is read from and how, not just a name: in filters too. */
static void another_field_is_another_field(void **state)
{
    const char *views = "  v:\n    source: s\n    window: {tumbling: 1h}\n    features:\n"
                        "      c: {count: true}\n"
                        "      a: {max: amount}\n"
                        "      k: {count: true, where: {kind: a}}\n"
                        "  w:\n    source: s\n    window: {tumbling: 1h}\n    where: {kind: a}\n"
                        "    features: {d: {count: true}}\n";

    (void)state;
    expect_plans(plan_of_views(views),
                 plan_with(TIME,
                           "      user: string\n"
                           "      kind: {path: properties.kind, type: string, optional: true}\n"
                           "      amount: {type: decimal(3), optional: true}\n",
                           views),
                 false,
                 "v.c: kept\n"
                 "v.a: starts empty: it is defined differently\n"
                 "v.k: starts empty: it is defined differently\n"
                 "w.d: starts empty: its window or where differs\n");
    /* It may come with a default, and others beside it. */
    expect_plans(plan_of_views(views),
                 plan_with(TIME,
                           "      more: {type: int64, optional: true}\n"
                           "      amount: {type: decimal(2), optional: true}\n"
                           "      kind: {type: string, default: none}\n"
                           "      user: string\n",
                           views),
                 true,
                 "v.c: kept\n"
                 "v.a: kept\n"
                 "v.k: kept\n"
                 "w.d: kept\n");
}

static void other_keys_or_times_keep_nothing(void **state)
{
    const char *views = COUNTED "      c: {count: true}\n";
    const char *wanted = "v.c: starts empty: entity, time or partitioning of its source differ\n";

    (void)state;
    expect_plans(plan_of_views(views), plan_with(TIME "    partitioning: aligned\n", FIELDS, views),
                 false, wanted);
    expect_plans(plan_of_views(views), plan_with("    time: {field: ts, unit: s}\n", FIELDS, views),
                 false, wanted);
    expect_plans(plan_of_views(views), plan_with("    time: {field: at}\n", FIELDS, views), false,
                 wanted);
    expect_plans(plan_of_views(views),
                 plan_with(TIME,
                           "      user: {path: id, type: string}\n"
                           "      kind: {type: string, optional: true}\n"
                           "      amount: {type: decimal(2), optional: true}\n",
                           views),
                 false, wanted);
}

/* Views of one window and emission: by their names, else by their order. */
static void views_that_are_alike_are_told_apart(void **state)
{
#define ALIKE(name, feature)                                                                       \
    "  " name ":\n    source: s\n    window: {tumbling: 1h}\n    features: {" feature "}\n"
    (void)state;
    expect(ALIKE("a", "x: {count: true}") ALIKE("b", "y: {sum: amount}"),
           ALIKE("b", "y: {sum: amount}") ALIKE("a", "x: {count: true}"), false,
           "b.y: kept\n"
           "a.x: kept\n");
    expect(ALIKE("a", "x: {count: true}") ALIKE("b", "y: {sum: amount}"),
           ALIKE("b", "y: {sum: amount}") ALIKE("c", "x: {count: true}"), false,
           "b.y: kept\n"
           "c.x: kept, it was a.x\n");
    expect(ALIKE("a", "x: {count: true}"),
           ALIKE("a", "x: {count: true}") ALIKE("b", "y: {count: true}"), false,
           "a.x: kept\n"
           "b.y: kept in part: its window is new, over panes that are not\n");
}

static void ids_are_kept_by_their_field(void **state)
{
    const char *views = COUNTED "      c: {count: true}\n";
    const char *dedup = TIME "    dedup: {field: kind, within: 1h}\n";

    (void)state;
    expect_plans(plan_with(dedup, FIELDS, views), plan_with(dedup, FIELDS, views), true,
                 "v.c: kept\n");
    expect_plans(plan_with(dedup, FIELDS, views), plan_of_views(views), false, "v.c: kept\n");
    expect_plans(plan_of_views(views), plan_with(dedup, FIELDS, views), false, "v.c: kept\n");
    /* Tables of ids that hold other times. */
    expect_plans(plan_with(dedup, FIELDS, views),
                 plan_with(TIME "    dedup: {field: kind, within: 3h}\n", FIELDS, views), false,
                 "v.c: kept\n");
}

static void what_was_closed_stays_closed(void **state)
{
    const char *views = COUNTED "      c: {count: true}\n";
    struct plan *less = plan_with(TIME "    allowed_lateness: 1s\n", FIELDS, views);
    struct plan *more = plan_with(TIME "    allowed_lateness: 61s\n", FIELDS, views);
    struct keyspace_times times = {.watermark_ms = 5000, .clock_ms = 6000, .release_ms = 5000};
    struct keyspace_times none = {WATERMARK_NONE, WATERMARK_NONE, WATERMARK_NONE};
    struct schema_map *map = map_of(less, more);

    (void)state;
    assert_true(schema_map_is_same(map));
    schema_map_times(map, &times);
    assert_int_equal(times.release_ms, 65000);
    assert_int_equal(times.watermark_ms, 5000);
    assert_int_equal(times.clock_ms, 6000);
    schema_map_times(map, &none);
    assert_int_equal(none.release_ms, WATERMARK_NONE);
    schema_map_free(map);
    map = map_of(more, less);
    schema_map_times(map, &times);
    assert_int_equal(times.release_ms, 65000);
    schema_map_free(map);
    plan_free(less);
    plan_free(more);
}

/* ---- texts */

static const char text_of_state[] =
    "freshet state 1, cells 1\n"
    "source shuffle entity \"user\" string \"user\" time ms \"ts\"\n"
    "lateness 0\n"
    "dedup 5850000 \"kind\" string \"kind\"\n"
    "paneset slides 600000 0 0 144 1 1 all\n"
    "cell count 0\n"
    "cell sum_int 0 \"amount\" decimal(2) \"amount\" where \"kind = \\\"a\\\"\" of \"kind\" string "
    "\"kind\"\n"
    "paneset sessions 0 0 300000 0 0 0 \"kind = \\\"a\\\"\" of \"kind\" string \"kind\"\n"
    "cell last 3 \"kind\" string \"kind\"\n"
    "paneset lifetime 0 0 0 0 0 0 all\n"
    "cell quantile 0 \"amount\" decimal(2) \"amount\"\n"
    "view 0 sliding 86400000 on_close v\n"
    "feature 0 count c\n"
    "feature 1 sum s\n"
    "view 1 session 0 on_update w\n"
    "feature 0 last,n=3 l\n"
    "view 2 lifetime 0 on_update x\n"
    "feature 0 quantile,q=0.95 q\n"
    "end\n";

static struct plan *plan_of_state(void)
{
    return plan_with(TIME "    dedup: {field: kind, within: 1h}\n", FIELDS,
                     "  v:\n    source: s\n    window: {sliding: 24h, every: 10m}\n"
                     "    features: {c: {count: true}, s: {sum: amount, where: {kind: a}}}\n"
                     "  w:\n    source: s\n    window: {session: 5m}\n    where: {kind: a}\n"
                     "    emit: on_update\n    features: {l: {last: kind, n: 3}}\n"
                     "  x:\n    source: s\n    window: lifetime\n    emit: on_update\n"
                     "    features: {q: {quantile: amount, q: 0.95}}\n");
}

/* A change of this text is a change of STATE_FORMAT: checkpoints name what they hold by it. */
static void the_text_is_what_it_was(void **state)
{
    struct plan *plan = plan_of_state();
    struct buf text = {0};

    (void)state;
    schema_save(plan, 0, &text);
    assert_string_equal(buf_string(&text), text_of_state);
    buf_free(&text);
    plan_free(plan);
}

static int create(const struct plan *plan, struct slice text, struct err *err)
{
    struct schema_map *map = NULL;
    int rc = schema_map_create(plan, 0, text, &map, err);

    schema_map_free(map);
    return rc;
}

static void refuse(const struct plan *plan, const char *line, const char *in_its_place)
{
    struct buf text = {0};
    const char *at = strstr(text_of_state, line);
    struct err err;

    assert_non_null(at);
    buf_append(&text, text_of_state, (size_t)(at - text_of_state));
    buf_append(&text, in_its_place, strlen(in_its_place));
    buf_append(&text, at + strlen(line), strlen(at + strlen(line)));
    if (create(plan, buf_slice(&text), &err) != -EBADMSG)
        fail_msg("taken: %s", in_its_place);
    buf_free(&text);
}

static void texts_that_are_no_layout_are_refused(void **state)
{
    struct plan *plan = plan_of_state();
    struct err err;

    (void)state;
    assert_int_equal(create(plan, slice_of(text_of_state), &err), 0);
    for (size_t len = 0; len < sizeof(text_of_state) - 1; len++)
        assert_int_equal(create(plan, (struct slice){text_of_state, len}, &err), -EBADMSG);
    refuse(plan, "end\n", "end\nend\n");
    refuse(plan, "source shuffle", "sources shuffle");
    refuse(plan, "lateness 0", "lateness -1");
    refuse(plan, "lateness 0", "lateness 00");
    refuse(plan, "lateness 0", "lateness 9999999999999999999");
    refuse(plan, "dedup 5850000", "dedup 0");
    refuse(plan, "slides 600000 0 0 144 1 1", "slides 0 0 0 144 1 1");
    refuse(plan, "slides 600000 0 0 144 1 1", "slides 600000 600000 0 144 1 1");
    refuse(plan, "slides 600000 0 0 144 1 1", "slides 600000 0 5 144 1 1");
    refuse(plan, "slides 600000 0 0 144 1 1", "slides 600000 0 0 0 1 1");
    refuse(plan, "slides 600000 0 0 144 1 1", "slides 600000 0 0 143 1 1");
    refuse(plan, "slides 600000 0 0 144 1 1", "slides 600000 0 0 144 2 1");
    refuse(plan, "slides 600000 0 0 144 1 1", "slides 600000 0 0 144 1 0");
    refuse(plan, "slides 600000 0 0 144 1 1", "slides 600000 0 0 144 1 2");
    refuse(plan, "slides 600000 0 0 144 1 1", "slides 316224000000 0 0 144 1 1");
    refuse(plan, "sessions 0 0 300000 0 0 0", "sessions 0 0 0 0 0 0");
    refuse(plan, "sessions 0 0 300000 0 0 0", "sessions 1 0 300000 0 0 0");
    refuse(plan, "sessions 0 0 300000 0 0 0", "sessions 0 0 300000 1 0 0");
    refuse(plan, "sessions 0 0 300000 0 0 0", "sessions 0 0 300000 0 1 0");
    refuse(plan, "lifetime 0 0 0 0 0 0", "lifetime 0 0 7 0 0 0");
    refuse(plan, "lifetime 0 0 0 0 0 0", "pane 0 0 0 0 0 0");
    refuse(plan, "view 0 sliding 86400000", "view 3 sliding 86400000");
    refuse(plan, "view 0 sliding 86400000", "view 1 sliding 86400000");
    refuse(plan, "view 0 sliding 86400000", "view 0 sliding 86400001");
    refuse(plan, "view 0 sliding 86400000", "view 0 sliding 87000000");
    refuse(plan, "view 0 sliding 86400000", "view 0 sliding 0");
    refuse(plan, "view 0 sliding 86400000", "view 0 tumbling 86400000");
    refuse(plan, "view 0 sliding 86400000", "view 0 session 0");
    refuse(plan, "view 1 session 0", "view 1 lifetime 0");
    refuse(plan, "view 1 session 0", "view 1 session 5");
    refuse(plan, "on_close v", "never v");
    refuse(plan, "on_close v", "on_close");
    refuse(plan, "lifetime 0 on_update", "lifetime 0 on_close");
    refuse(plan, "feature 1 sum", "feature 2 sum");
    refuse(plan, "feature 1 sum s", "feature 1 sum");
    refuse(plan, "cell count 0\n", "\n");
    refuse(plan, "cell last 3 \"kind\" string \"kind\"\n", "");
    plan_free(plan);
}

static void another_version_is_named(void **state)
{
    struct plan *plan = plan_of_state();
    struct err err;

    (void)state;
    assert_int_equal(create(plan, SLICE_LITERAL("freshet state 2, cells 1\n"), &err), -EBADMSG);
    assert_string_equal(err.text, "the state was written as \"freshet state 2, cells 1\"; this "
                                  "version reads \"freshet state 1, cells 1\"");
    assert_int_equal(create(plan, SLICE_LITERAL("freshet state 1, cells 1\nsource\n"), &err),
                     -EBADMSG);
    assert_string_equal(err.text, "the layout of the state is not readable at line 1");
    assert_int_equal(create(plan, SLICE_LITERAL(""), &err), -EBADMSG);
    plan_free(plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_file_keeps_all),
        cmocka_unit_test(names_make_no_difference),
        cmocka_unit_test(features_come_and_go),
        cmocka_unit_test(a_feature_that_is_edited_starts_anew_unless_it_needs_the_same),
        cmocka_unit_test(a_view_with_another_where_or_slide_starts_anew),
        cmocka_unit_test(a_view_of_another_size_begins_with_the_panes_that_there_are),
        cmocka_unit_test(another_field_is_another_field),
        cmocka_unit_test(other_keys_or_times_keep_nothing),
        cmocka_unit_test(views_that_are_alike_are_told_apart),
        cmocka_unit_test(ids_are_kept_by_their_field),
        cmocka_unit_test(what_was_closed_stays_closed),
        cmocka_unit_test(the_text_is_what_it_was),
        cmocka_unit_test(texts_that_are_no_layout_are_refused),
        cmocka_unit_test(another_version_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
