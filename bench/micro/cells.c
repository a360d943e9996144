/* What each kind of feature costs: to take an event's value, and to sum up a window.
 *
 *   add/KIND     one value enters a pane's cell
 *   value/KIND   the value of a window of 6 panes with 1000 events each
 *
 * Values are drawn from `values` different ones, the smaller ones more often. Where a kind is exact
 * up to some number, both sides of it are here. */
#include "aggregate/evaluate.h"
#include "micro.h"

#define VALUES   4096 /* drawn once, and taken round */
#define PANES    6
#define PER_PANE 1000
#define WINDOWS  16
#define START_MS INT64_C(1767225600000)

struct kind {
    const char *feature;
    uint32_t values;
};

struct cell_bench {
    struct plan *plan;
    const struct plan_source *source;
    const struct plan_paneset *paneset;
    const struct plan_cell *cell;
    const struct plan_field *field; /* NULL: it takes every event */
    struct arena arena;
    struct cell_memory memory;
    struct intern intern;
    struct evaluator *evaluator;
    char *panes[PANES];
    int64_t taken; /* values so far */
    struct event events[VALUES];
    char texts[VALUES][16];
    struct field_value fields[VALUES][3]; /* item, amount, seconds */
};

static void values_draw(struct cell_bench *bench, uint32_t values)
{
    uint64_t random = 1;

    for (uint32_t i = 0; i < VALUES; i++) {
        uint64_t draw = micro_random(&random);
        uint64_t value = (draw >> 32) % (1 + draw % values);
        int len = snprintf(bench->texts[i], sizeof(bench->texts[i]), "item_%u", (unsigned)value);

        bench->fields[i][0] = (struct field_value){
            .s = bench->texts[i], .len = (uint32_t)len, .present = true};
        bench->fields[i][1] = (struct field_value){.i = (int64_t)value * 100, .present = true};
        bench->fields[i][2] = (struct field_value){.d = (double)value / 64 + 1, .present = true};
    }
}

/* The next `VALUES` events, behind those that were taken. */
static void events_make(void *state)
{
    struct cell_bench *bench = state;

    for (int i = 0; i < VALUES; i++) {
        bench->events[i] = (struct event){.time_ms = START_MS + bench->taken * 10,
                                          .offset = bench->taken,
                                          .record_ms = -1,
                                          .fields = bench->fields[i]};
        bench->taken++;
    }
}

static void take(struct cell_bench *bench, char *pane, int first, int count)
{
    for (int i = first; i < first + count; i++) {
        const struct field_value *value = bench->field ? &bench->fields[i][bench->cell->field]
                                                       : NULL;

        cell_add(bench->cell, bench->field, value, &bench->events[i], pane, &bench->memory);
    }
}

static void *cell_begin(const struct micro *micro)
{
    const struct kind *kind = micro->subject;
    struct cell_bench *bench = micro_calloc(sizeof(*bench));
    struct buf text = {0};

    buf_printf(&text,
               "pipeline: bench\nkafka: {brokers: b, group: g}\nsources:\n"
               "  s:\n    topic: t\n    entity: item\n    time: {field: at, unit: ms}\n"
               "    fields: {item: string, amount: decimal(2), seconds: double}\n"
               "views:\n  v:\n    source: s\n    window: {sliding: 1h, every: 10m}\n"
               "    features: {f: {%s}}\n",
               kind->feature);
    bench->plan = micro_plan(buf_slice(&text));
    buf_free(&text);
    bench->source = &bench->plan->sources[0];
    bench->paneset = &bench->source->panesets[0];
    bench->cell = &bench->paneset->cells[bench->plan->views[0].features[0].cell];
    if (bench->cell->field != PLAN_NONE)
        bench->field = &bench->source->fields[bench->cell->field];
    arena_init(&bench->arena);
    intern_init(&bench->intern, &bench->arena);
    bench->memory = (struct cell_memory){.arena = &bench->arena, .intern = &bench->intern};
    bench->evaluator = evaluator_create(&bench->plan->views[0], bench->paneset, &bench->intern);
    values_draw(bench, kind->values);
    for (int i = 0; i < PANES; i++) {
        bench->panes[i] = micro_calloc(bench->paneset->cell_bytes);
        events_make(bench);
        take(bench, bench->panes[i], i * 500, PER_PANE);
    }
    return bench;
}

static void add_run(void *state)
{
    struct cell_bench *bench = state;

    take(bench, bench->panes[PANES - 1], 0, VALUES);
}

static void value_run(void *state)
{
    struct cell_bench *bench = state;
    uint64_t saturated = 0;

    for (int turn = 0; turn < WINDOWS; turn++) {
        evaluator_begin(bench->evaluator);
        for (int i = 0; i < PANES; i++)
            evaluator_add(bench->evaluator, bench->panes[i]);
        MICRO_USE(evaluator_finish(bench->evaluator, &saturated));
    }
}

static void cell_end(void *state)
{
    struct cell_bench *bench = state;

    for (int i = 0; i < PANES; i++) {
        pane_cells_done(bench->paneset, bench->panes[i], &bench->memory);
        free(bench->panes[i]);
    }
    evaluator_free(bench->evaluator);
    intern_done(&bench->intern);
    arena_done(&bench->arena);
    plan_free(bench->plan);
    free(bench);
}

/*        name, feature, different values */
#define KINDS(X)                                                                                   \
    X("count", "count: true", 1)                                                                   \
    X("sum", "sum: amount", 1000)                                                                  \
    X("sum_double", "sum: seconds", 1000)                                                          \
    X("mean", "mean: amount", 1000)                                                                \
    X("min", "min: amount", 1000)                                                                  \
    X("variance", "variance: amount", 1000)                                                        \
    X("distinct_50", "distinct: item", 50)                                                         \
    X("distinct_100k", "distinct: item", 100000)                                                   \
    X("histogram_8", "histogram: item", 8)                                                         \
    X("histogram_100k", "histogram: item", 100000)                                                 \
    X("top_100", "top: item, n: 3", 100)                                                           \
    X("top_100k", "top: item, n: 3", 100000)                                                       \
    X("quantile", "quantile: amount, q: 0.95", 100000)                                             \
    X("first_20", "first: item, n: 20", 1000)                                                      \
    X("last", "last: item", 1000)                                                                  \
    X("last_20", "last: item, n: 20", 1000)                                                        \
    X("list_1000", "list: item, limit: 1000", 1000)                                                \
    X("since_previous", "since_previous: true", 1)

static const struct micro benches[] = {
#define X(kind_name, feature_text, different)                                                      \
    {.name = "add/" kind_name,                                                                     \
     .batch = VALUES,                                                                              \
     .runs = 4,                                                                                    \
     .subject = &(struct kind){feature_text, different},                                           \
     .begin = cell_begin,                                                                          \
     .prepare = events_make,                                                                       \
     .run = add_run,                                                                               \
     .end = cell_end},                                                                             \
        {.name = "value/" kind_name,                                                               \
         .batch = WINDOWS,                                                                         \
         .runs = 1,                                                                                \
         .subject = &(struct kind){feature_text, different},                                       \
         .begin = cell_begin,                                                                      \
         .run = value_run,                                                                         \
         .end = cell_end},
    KINDS(X)
#undef X
};

const struct micro_table micro_cells = {benches, ARRAY_LEN(benches)};
