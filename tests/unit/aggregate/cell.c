/* Cells of every kind: bounded under a heavy key, and empty when all zero. */
#include "feature_bench.h"

/* One of each kind, strings where it takes them: they are what could pile up. */
static void want_every_kind(struct feature_bench *bench)
{
    static const struct {
        enum cell_kind cell;
        uint32_t limit;
        struct plan_feature feature;
    } kinds[] = {
        {CELL_COUNT, 0, {.kind = FEATURE_COUNT, .field = PLAN_NONE}},
        {CELL_SUM_INT, 0, {.kind = FEATURE_SUM, .field = I}},
        {CELL_SUM_DOUBLE, 0, {.kind = FEATURE_SUM, .field = D}},
        {CELL_MEAN_INT, 0, {.kind = FEATURE_MEAN, .field = M}},
        {CELL_MEAN_DOUBLE, 0, {.kind = FEATURE_MEAN, .field = D}},
        {CELL_MIN_INT, 0, {.kind = FEATURE_MIN, .field = T}},
        {CELL_MAX_INT, 0, {.kind = FEATURE_MAX, .field = I}},
        {CELL_MIN_DOUBLE, 0, {.kind = FEATURE_MIN, .field = D}},
        {CELL_MAX_DOUBLE, 0, {.kind = FEATURE_MAX, .field = D}},
        {CELL_DISTINCT, 0, {.kind = FEATURE_DISTINCT, .field = S}},
        {CELL_HISTOGRAM, 64, {.kind = FEATURE_HISTOGRAM, .field = S, .limit = 64}},
        {CELL_MOMENTS, 0, {.kind = FEATURE_STDDEV, .field = D}},
        {CELL_FIRST, 100, {.kind = FEATURE_FIRST, .field = S, .n = 100}},
        {CELL_LAST, 100, {.kind = FEATURE_LIST, .field = S, .limit = 100}},
        {CELL_LAST, 100, {.kind = FEATURE_LAST, .field = D, .n = 100}},
        {CELL_LAST, 2, {.kind = FEATURE_SINCE_PREVIOUS, .field = PLAN_NONE}},
        {CELL_TOP, 0, {.kind = FEATURE_TOP, .field = S, .n = 3}},
        {CELL_QUANTILE, 0, {.kind = FEATURE_QUANTILE, .field = D, .q = 0.5}},
    };
    bool seen[CELL_KIND_COUNT] = {false};

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        feature_bench_want(bench, kinds[i].cell, kinds[i].limit, kinds[i].feature);
        seen[kinds[i].cell] = true;
    }
    for (int kind = 0; kind < CELL_KIND_COUNT; kind++)
        assert_true(seen[kind]);
}

/* A million different values, most of them seen once; times in disorder. */
static void add_heavy_event(struct feature_bench *bench, int64_t number, size_t pane)
{
    char text[40];
    int len = sprintf(text, "session-%07" PRIu64, random_below(1000000));
    struct field_value fields[BENCH_FIELDS] = {
        [S] = {.s = text, .len = (uint32_t)len, .present = true},
        [I] = {.i = random_int64(), .present = true},
        [D] = {.d = (double)random_int64() / 1e6, .present = true},
        [M] = {.i = random_between(0, 100000), .present = true},
        [T] = {.i = number, .present = true},
    };

    feature_bench_add(bench,
                      &(struct event){.time_ms = number + random_between(0, 50), .offset = number},
                      fields, pane);
}

/* The most that one pane of want_every_kind may hold outside of itself. */
static int64_t pane_bytes_max(void)
{
    const int64_t sketch = 4096;            /* distinct */
    const int64_t histogram = 16 + 128 * 8; /* 64 values, a quarter of the slots empty */
    const int64_t strings = 2 * (16 + 100 * 24);
    const int64_t numbers = 16 + 100 * 32;
    const int64_t places = 16 + 2 * 24;
    const int64_t top = 16 + 512 * 8;           /* 256 values */
    const int64_t quantile = 64 + 2 * 2048 * 8; /* all buckets of both signs */

    return sketch + histogram + strings + numbers + places + top + quantile;
}

static void check_bytes(struct feature_bench *bench, int64_t panes)
{
    const struct cell_bench *cells = &bench->cells_bench;

    ENSURE(cells->memory.bytes <= panes * pane_bytes_max());
    /* histogram, first, list, top; the one that is just coming in */
    ENSURE(cells->intern.live <= panes * (64 + 100 + 100 + 256 + 1));
}

static void a_heavy_key_takes_bounded_memory(void **state)
{
    static struct feature_bench bench;

    (void)state;
    random_begin(1);
    feature_bench_init(&bench);
    want_every_kind(&bench);
    feature_bench_start(&bench);
    for (int64_t i = 0; i < 300000; i++) {
        add_heavy_event(&bench, i, i % 10 == 0 ? 1 : 0);
        if (i % 1000 == 0)
            check_bytes(&bench, 2);
    }
    pane_cells_merge(&bench.paneset, bench.panes[0], bench.panes[1], &bench.cells_bench.memory);
    check_bytes(&bench, 1);
    assert_true(arena_used_bytes(&bench.cells_bench.arena) < 200000);
    feature_bench_values(&bench);
    feature_bench_done(&bench);
}

/* Cells that are all zero are evaluated, merged and freed as those of a pane without events. */
static void zeroed_cells_are_empty(void **state)
{
    static struct feature_bench bench;

    (void)state;
    random_begin(1);
    feature_bench_init(&bench);
    want_every_kind(&bench);
    feature_bench_start(&bench);
    for (int i = 0; i < 20; i++)
        feature_bench_merge(&bench);
    const struct row_value *values = feature_bench_values(&bench);

    for (uint32_t i = 0; i < bench.view.feature_count; i++) {
        const struct row_value *value = &values[i];

        switch (bench.features[i].kind) {
        case FEATURE_COUNT:
        case FEATURE_DISTINCT:
            assert_true(value->type == ROW_INT && value->i == 0);
            break;
        case FEATURE_SUM:
            assert_true(bench.features[i].field == I ? value->type == ROW_INT && value->i == 0
                                                     : value->type == ROW_DOUBLE && value->d == 0);
            break;
        case FEATURE_HISTOGRAM:
            assert_true(value->type == ROW_JSON && slice_equal(value->text, slice_of("{}")));
            break;
        case FEATURE_FIRST:
        case FEATURE_LAST:
        case FEATURE_LIST:
        case FEATURE_TOP:
            assert_true(value->type == ROW_JSON && slice_equal(value->text, slice_of("[]")));
            break;
        default:
            assert_int_equal(value->type, ROW_NULL);
        }
    }
    feature_bench_done(&bench);
}

/* What a pane that joins an empty one holds is moved, not made again. */
static void joining_an_empty_pane_changes_nothing(void **state)
{
    static struct feature_bench bench;
    static struct row_value before[BENCH_FEATURES_MAX];

    (void)state;
    feature_bench_init(&bench);
    want_every_kind(&bench);
    feature_bench_start(&bench);
    for (FIRST_SEED; MORE_SEEDS(20); NEXT_SEED) {
        struct evaluator *other = evaluator_create(&bench.view, &bench.paneset,
                                                   &bench.cells_bench.intern);
        uint64_t saturated = 0;

        for (int64_t i = (int64_t)random_below(1000); i >= 0; i--)
            add_heavy_event(&bench, i, 2);
        evaluator_begin(other);
        evaluator_add(other, bench.panes[2]);
        memcpy(before, evaluator_finish(other, &saturated),
               bench.view.feature_count * sizeof(before[0]));
        int64_t bytes = bench.cells_bench.memory.bytes;

        pane_cells_merge(&bench.paneset, bench.panes[2], bench.panes[3], &bench.cells_bench.memory);
        pane_cells_merge(&bench.paneset, bench.panes[4], bench.panes[2], &bench.cells_bench.memory);
        ENSURE_INT(bench.cells_bench.memory.bytes, bytes);
        ENSURE(row_values_equal(before, feature_bench_values(&bench), bench.view.feature_count));
        evaluator_free(other);
        feature_bench_clear(&bench);
    }
    feature_bench_done(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_heavy_key_takes_bounded_memory),
        cmocka_unit_test(zeroed_cells_are_empty),
        cmocka_unit_test(joining_an_empty_pane_changes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
