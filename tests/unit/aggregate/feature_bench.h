/* feature_bench - a view's features over panes, put together by hand; a field of every type.
 *
 *   feature_bench_init ─▶ feature_bench_want … ─▶ feature_bench_start ─▶ events, values
 *
 * Each feature has a cell of its own. Events are added as the keyspace does it. */
#ifndef FRESHET_TESTS_FEATURE_BENCH_H
#define FRESHET_TESTS_FEATURE_BENCH_H

#include "aggregate/evaluate.h"
#include "cell_bench.h"

#define BENCH_PANES        5
#define BENCH_FEATURES_MAX 96

enum { S, I, D, M, B, T, BENCH_FIELDS }; /* field numbers */

static const struct plan_field bench_fields[BENCH_FIELDS] = {
    [S] = {.type = FIELD_STRING}, [I] = {.type = FIELD_INT64},
    [D] = {.type = FIELD_DOUBLE}, [M] = {.type = FIELD_DECIMAL, .scale = 2},
    [B] = {.type = FIELD_BOOL},   [T] = {.type = FIELD_TIMESTAMP},
};

struct feature_bench {
    struct cell_bench cells_bench;
    struct plan_feature features[BENCH_FEATURES_MAX];
    struct plan_cell cells[BENCH_FEATURES_MAX];
    struct plan_view view;
    struct plan_paneset paneset;
    struct evaluator *evaluator;
    char *panes[BENCH_PANES];
};

static inline void feature_bench_init(struct feature_bench *bench)
{
    *bench = (struct feature_bench){.view = {.features = bench->features},
                                    .paneset = {.cells = bench->cells}};
    cell_bench_init(&bench->cells_bench);
}

/* `feature` says all but its cell and what follows from its field. */
static inline void feature_bench_want(struct feature_bench *bench, enum cell_kind kind,
                                      uint32_t limit, struct plan_feature feature)
{
    static const uint32_t cell_bytes[] = {
#define X(enumerator, bytes) [enumerator] = bytes,
        CELL_KINDS(X)
#undef X
    };
    uint32_t number = bench->view.feature_count++;

    CHECK(number < BENCH_FEATURES_MAX);
    feature.cell = number;
    feature.field_type = FIELD_INT64;
    if (feature.field != PLAN_NONE) {
        feature.field_type = bench_fields[feature.field].type;
        feature.scale = bench_fields[feature.field].scale;
    }
    bench->features[number] = feature;
    bench->cells[number] = (struct plan_cell){.kind = kind,
                                              .field = feature.field,
                                              .predicate = PLAN_NONE,
                                              .offset = bench->paneset.cell_bytes,
                                              .limit = limit};
    bench->paneset.cell_bytes += cell_bytes[kind];
    bench->paneset.cell_count++;
}

static inline void feature_bench_start(struct feature_bench *bench)
{
    bench->evaluator = evaluator_create(&bench->view, &bench->paneset, &bench->cells_bench.intern);
    for (int i = 0; i < BENCH_PANES; i++) {
        bench->panes[i] = calloc(1, bench->paneset.cell_bytes);
        CHECK(bench->panes[i]);
    }
}

/* `fields`: of the event, by field number. */
static inline void feature_bench_add(struct feature_bench *bench, const struct event *event,
                                     const struct field_value *fields, size_t pane)
{
    for (uint32_t i = 0; i < bench->paneset.cell_count; i++) {
        const struct plan_cell *cell = &bench->cells[i];

        if (cell->field == PLAN_NONE)
            cell_add(cell, NULL, NULL, event, bench->panes[pane], &bench->cells_bench.memory);
        else if (fields[cell->field].present)
            cell_add(cell, &bench_fields[cell->field], &fields[cell->field], event,
                     bench->panes[pane], &bench->cells_bench.memory);
    }
}

/* One pane into another one; which is then empty. */
static inline void feature_bench_merge(struct feature_bench *bench)
{
    size_t into = random_below(BENCH_PANES);
    size_t from = (into + 1 + random_below(BENCH_PANES - 1)) % BENCH_PANES;

    pane_cells_merge(&bench->paneset, bench->panes[into], bench->panes[from],
                     &bench->cells_bench.memory);
    for (uint32_t i = 0; i < bench->paneset.cell_bytes; i++)
        ENSURE(bench->panes[from][i] == 0);
}

/* Of all panes, in any order: no feature but a sum of doubles may depend on it. */
static inline const struct row_value *feature_bench_values(struct feature_bench *bench)
{
    size_t first = random_below(BENCH_PANES);
    uint64_t saturated = 0;

    evaluator_begin(bench->evaluator);
    for (size_t i = 0; i < BENCH_PANES; i++)
        evaluator_add(bench->evaluator, bench->panes[(first + i) % BENCH_PANES]);
    return evaluator_finish(bench->evaluator, &saturated);
}

/* Empties the panes; nothing may be left of what they held. */
static inline void feature_bench_clear(struct feature_bench *bench)
{
    for (size_t i = 0; i < BENCH_PANES; i++) {
        pane_cells_done(&bench->paneset, bench->panes[i], &bench->cells_bench.memory);
        for (uint32_t j = 0; j < bench->paneset.cell_bytes; j++)
            ENSURE(bench->panes[i][j] == 0);
    }
    ENSURE_INT(bench->cells_bench.memory.bytes, 0);
    ENSURE_INT(bench->cells_bench.intern.live, 0);
}

static inline void feature_bench_done(struct feature_bench *bench)
{
    feature_bench_clear(bench);
    for (size_t i = 0; i < BENCH_PANES; i++)
        free(bench->panes[i]);
    evaluator_free(bench->evaluator);
    cell_bench_done(&bench->cells_bench);
}

#endif
