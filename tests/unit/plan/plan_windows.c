/* Windows: what lands in the plan, which of them share their state, and wrong ones. */
#include "plan_test.h"

#define WINDOW "window: {sliding: 1h, every: 10m}"
#define FORM   "write an integer with ms, s, m, h or d, such as 30s or 1h30m"
#define YEARS  "3660d"
#define WINDOW_FORM                                                                                \
    "window must be lifetime, or a mapping such as {tumbling: 24h}, {sliding: 1h, every: 10m} or " \
    "{session: 30m}\n"

/* -1h is the bound an hour before the next; more than a slide wraps around. */
static void offsets_are_normalised(void **state)
{
    static const struct {
        const char *window;
        int64_t offset_ms;
    } cases[] = {
        {"{tumbling: 1h, offset: 0}", 0},
        {"{tumbling: 1h, offset: 1h}", 0},
        {"{tumbling: 1h, offset: -1h}", 0},
        {"{tumbling: 1h, offset: 90m}", 1800000},
        {"{tumbling: 1h, offset: -15m}", 2700000},
        {"{tumbling: 1h, offset: -75m}", 2700000},
        {"{sliding: 1h, every: 10m, offset: 25m}", 300000},
        {"{sliding: 1h, every: 10m, offset: -1ms}", 599999},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct plan *plan = plan_with("{sliding: 1h, every: 10m}", cases[i].window);

        assert_true(plan->views[0].offset_ms == cases[i].offset_ms);
        assert_true(plan->sources[0].panesets[0].offset_ms == cases[i].offset_ms);
        plan_free(plan);
    }
}

static void window_bounds_are_inclusive(void **state)
{
    struct plan *plan = plan_with("{sliding: 1h, every: 10m}", "{tumbling: 3660d}");

    (void)state;
    assert_true(plan->views[0].size_ms == PLAN_WINDOW_MAX_MS);
    plan_free(plan);
    plan = plan_with("{sliding: 1h, every: 10m}", "{sliding: 100000s, every: 1s}");
    assert_true(plan->views[0].panes == PLAN_SLIDES_MAX);
    plan_free(plan);
    plan = plan_with("{sliding: 1h, every: 10m}", "{sliding: 1h, every: 1h}");
    assert_true(plan->views[0].panes == 1);
    assert_int_equal(plan->views[0].window, WINDOW_SLIDING);
    plan_free(plan);
}

static void check_unaligned(const struct plan_view *view, enum window_kind window, int64_t gap_ms)
{
    assert_int_equal(view->window, window);
    assert_true(view->gap_ms == gap_ms);
    assert_true(view->size_ms == 0);
    assert_true(view->slide_ms == 0);
    assert_true(view->offset_ms == 0);
    assert_true(view->panes == 0);
}

static void sessions(void **state)
{
    static const struct {
        const char *window;
        int64_t gap_ms;
    } cases[] = {
        {"{session: 30m}", 1800000},
        {"{session: 1ms}", 1},
        {"{session: 3660d}", PLAN_WINDOW_MAX_MS},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct plan *plan = plan_with("{sliding: 1h, every: 10m}", cases[i].window);
        const struct plan_paneset *paneset = &plan->sources[0].panesets[0];

        check_unaligned(&plan->views[0], WINDOW_SESSION, cases[i].gap_ms);
        assert_int_equal(paneset->kind, PANES_SESSIONS);
        assert_true(paneset->gap_ms == cases[i].gap_ms);
        assert_true(paneset->slide_ms == 0);
        assert_true(paneset->panes_max == 0);
        plan_free(plan);
    }
}

static void lifetime(void **state)
{
    static const char *const emissions[] = {
        "lifetime\n    emit: on_update",
        "'lifetime'\n    emit: on_update\n    when_empty: delete\n    unchanged: skip",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(emissions); i++) {
        struct plan *plan = plan_with("{sliding: 1h, every: 10m}", emissions[i]);
        const struct plan_paneset *paneset = &plan->sources[0].panesets[0];

        check_unaligned(&plan->views[0], WINDOW_LIFETIME, 0);
        assert_true(plan->views[0].on_update);
        assert_int_equal(paneset->kind, PANES_LIFETIME);
        assert_true(paneset->gap_ms == 0);
        assert_true(paneset->slide_ms == 0);
        plan_free(plan);
    }
}

/* What a view needs is kept once for all views with its slide, offset and condition. */
static void panes_and_cells_are_shared(void **state)
{
    struct plan *plan = plan_with(
        "n: {count: true}",
        "n: {count: true}\n" /* view 0: every 10m */
        "  six:\n"           /* 1: shares with 0, longer */
        "    source: s\n"
        "    window: {sliding: 6h, every: 10m}\n"
        "    features: {a1: {count: true}, a2: {sum: amount}, a3: {sum: amount}}\n"
        "  tumbling:\n" /* 2: a slide of ten minutes too */
        "    source: s\n"
        "    window: {tumbling: 10m}\n"
        "    features: {b1: {sum: amount}, b2: {sum: amount, where: {ok: true}}}\n"
        "  moved:\n" /* 3: other bounds */
        "    source: s\n"
        "    window: {sliding: 1h, every: 10m, offset: 5m}\n"
        "    features: {c1: {count: true}}\n"
        "  filtered:\n" /* 4: other events */
        "    source: s\n"
        "    window: {sliding: 1h, every: 10m}\n"
        "    where: {ok: true}\n"
        "    features: {d1: {count: true}}\n"
        "  filtered_too:\n" /* 5: as 4, with an offset of exactly a slide */
        "    source: s\n"
        "    window: {sliding: 20m, every: 10m, offset: -10m}\n"
        "    where: {ok: {eq: true}}\n"
        "    features: {e1: {count: true}, e2: {count: type}}\n");
    const struct plan_source *source = &plan->sources[0];
    static const int expected_paneset[] = {0, 0, 0, 1, 2, 2};

    (void)state;
    assert_int_equal(source->view_count, 6);
    assert_int_equal(source->predicate_count, 1);
    assert_int_equal(source->paneset_count, 3);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(source->views[i], i);
        assert_int_equal(plan->views[i].number, i);
        assert_int_equal(plan->views[i].paneset, expected_paneset[i]);
    }
    /* count (8), sum of amount (16), and the same where ok (16) */
    assert_int_equal(source->panesets[0].cell_count, 3);
    assert_int_equal(source->panesets[0].cell_bytes, 40);
    assert_true(source->panesets[0].panes_max == 36);
    assert_int_equal(plan->views[0].features[0].cell, 0);
    assert_int_equal(plan->views[1].features[0].cell, 0);
    assert_int_equal(plan->views[1].features[1].cell, 1);
    assert_int_equal(plan->views[1].features[2].cell, 1);
    assert_int_equal(plan->views[2].features[0].cell, 1);
    assert_int_equal(plan->views[2].features[1].cell, 2);
    assert_int_equal(source->panesets[0].cells[2].predicate, 0);
    assert_int_equal(source->panesets[0].cells[2].offset, 24);
    assert_int_equal(source->panesets[0].predicate, PLAN_NONE);
    assert_true(source->panesets[1].offset_ms == 300000);
    assert_int_equal(source->panesets[1].cell_bytes, 8);
    assert_int_equal(source->panesets[2].predicate, 0);
    assert_int_equal(source->panesets[2].cell_count, 2);
    assert_true(source->panesets[2].panes_max == 6);
    plan_free(plan);
}

/* Sessions with one gap and condition are kept once; a lifetime is shared by condition. */
static void sessions_and_lifetimes_are_shared(void **state)
{
    struct plan *plan = plan_with(
        "n: {count: true}",
        "n: {count: true}\n" /* view 0: slides */
        "  a: {source: s, window: {session: 30m}, features: {a1: {count: true}}}\n"
        "  b: {source: s, window: {session: 30m}, emit: on_update, features: {b1: {sum: count}}}\n"
        "  c: {source: s, window: {session: 10m}, features: {c1: {count: true}}}\n"
        "  d: {source: s, window: {session: 30m}, where: {ok: true}, features: {d1: {count: ok}}}\n"
        "  e: {source: s, window: lifetime, emit: on_update, features: {e1: {last: type}}}\n"
        "  f: {source: s, window: lifetime, emit: on_update, features: {f1: {count: true}}}\n"
        "  g: {source: s, window: lifetime, emit: on_update, where: {ok: true},\n"
        "      features: {g1: {count: true}}}\n");
    static const int expected_paneset[] = {0, 1, 1, 2, 3, 4, 4, 5};
    const struct plan_source *source = &plan->sources[0];

    (void)state;
    assert_int_equal(source->paneset_count, 6);
    for (int i = 0; i < 8; i++)
        assert_int_equal(plan->views[i].paneset, expected_paneset[i]);
    assert_int_equal(source->panesets[1].cell_count, 2);
    assert_int_equal(source->panesets[1].cell_bytes, 24);
    assert_true(source->panesets[2].gap_ms == 600000);
    assert_int_equal(source->panesets[3].predicate, 0);
    assert_int_equal(source->panesets[4].cell_count, 2);
    assert_int_equal(source->panesets[4].cell_bytes, 16);
    assert_int_equal(source->panesets[5].predicate, 0);
    plan_free(plan);
}

static void wrong_windows(void **state)
{
    static const struct mistake_case cases[] = {
        {WINDOW, "window: 1h", "19:13: " WINDOW_FORM},
        {WINDOW, "window: session", "19:13: " WINDOW_FORM},
        {WINDOW, "window: [lifetime]", "19:13: " WINDOW_FORM},
        {WINDOW, "window: lifetiem",
         "19:13: window: unknown value \"lifetiem\"; did you mean \"lifetime\"?\n"},
        {WINDOW, "window: {lifetime: true}",
         "19:14: unknown key \"lifetime\" in window of view v; valid: tumbling, sliding, every, "
         "offset, session\n"},
        {WINDOW, "window: {sliding: 1h}", "19:14: a sliding window has no every, its slide\n"},
        {WINDOW, "window: {}", "19:5: window is neither tumbling nor sliding nor session\n"},
        {WINDOW, "window: {every: 1m}",
         "19:5: window is neither tumbling nor sliding nor session\n"},
        {WINDOW, "window: {tumbling: 1h, every: 1m}",
         "19:28: every does not belong to a tumbling window\n"},
        {WINDOW, "window: {tumbling: 1h, sliding: 1h}",
         "19:28: a window has one kind; tumbling and sliding are two\n"},
        {WINDOW, "window: {session: 1h, every: 1m, sliding: 1h}",
         "19:38: a window has one kind; session and sliding are two\n"},
        {WINDOW, "window: {sliding: 1h, every: 7m}",
         "19:23: sliding: \"1h\" is not a multiple of every, \"7m\"\n"},
        {WINDOW, "window: {sliding: 100001s, every: 1s}",
         "19:23: sliding: 100001 times every is too much: at most 100000\n"},
        {WINDOW, "window: {tumbling: 0s}",
         "19:24: tumbling: \"0s\" is out of range: 1ms to " YEARS "\n"},
        {WINDOW, "window: {tumbling: 3661d}",
         "19:24: tumbling: \"3661d\" is out of range: 1ms to " YEARS "\n"},
        {WINDOW, "window: {sliding: 1h, every: 0}",
         "19:34: every: \"0\" is out of range: 1ms to " YEARS "\n"},
        {WINDOW, "window: {tumbling: 1h, offset: 1}",
         "19:36: offset: \"1\" has no unit; " FORM "\n"},
        {WINDOW, "window: {slidign: 1h, every: 10m}",
         "19:14: unknown key \"slidign\" in window of view v; did you mean \"sliding\"?\n"},
        {WINDOW, "window: {sesion: 30m}",
         "19:14: unknown key \"sesion\" in window of view v; did you mean \"session\"?\n"},
        {WINDOW, "window: {session: 0}",
         "19:23: session: \"0\" is out of range: 1ms to " YEARS "\n"},
        {WINDOW, "window: {session: 3661d}",
         "19:23: session: \"3661d\" is out of range: 1ms to " YEARS "\n"},
        {WINDOW, "window: {session: 30}", "19:23: session: \"30\" has no unit; " FORM "\n"},
        {WINDOW, "window: {session: 30m, offset: 0s}",
         "19:28: offset does not belong to a session window\n"},
        {WINDOW, "window: {session: 30m, offset: 5m, every: 1m}",
         "19:28: offset does not belong to a session window\n"
         "19:40: every does not belong to a session window\n"},
    };

    (void)state;
    check_cases(cases, ARRAY_LEN(cases));
}

static void a_lifetime_needs_on_update(void **state)
{
    static const struct mistake_case cases[] = {
        {WINDOW, "window: lifetime",
         "19:13: window: lifetime has no end to wait for; add emit: on_update\n"},
        {WINDOW, "window: lifetime\n    emit: on_close",
         "20:11: emit: a lifetime has no end to wait for; it needs on_update\n"},
        {WINDOW, "emit: on_close\n    window: lifetime",
         "19:11: emit: a lifetime has no end to wait for; it needs on_update\n"},
        {WINDOW, "window: lifetime\n    emit: onupdate",
         "20:11: emit: unknown value \"onupdate\"; did you mean \"on_update\"?\n"},
    };

    (void)state;
    check_cases(cases, ARRAY_LEN(cases));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(offsets_are_normalised),
        cmocka_unit_test(window_bounds_are_inclusive),
        cmocka_unit_test(sessions),
        cmocka_unit_test(lifetime),
        cmocka_unit_test(panes_and_cells_are_shared),
        cmocka_unit_test(sessions_and_lifetimes_are_shared),
        cmocka_unit_test(wrong_windows),
        cmocka_unit_test(a_lifetime_needs_on_update),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
