/* view_spec - pipelines and events for the tests of views, as the tests know them.
 *
 * A spec is written as a pipeline file for the engine; the oracle works from the spec itself. */
#ifndef FRESHET_TESTS_VIEW_SPEC_H
#define FRESHET_TESTS_VIEW_SPEC_H

#include "../support/plan_text.h"
#include "freshet/row.h"

#define SPEC_VIEWS_MAX 4
#define SPEC_KEYS      4
#define SPEC_VALUES    300 /* bytes of a row's values as text */

/* One event, with the fields that the filters and features below know. */
struct sample {
    int key;
    int64_t time_ms;
    int partition;
    int type; /* of type_names, or -1: absent */
    bool has_n;
    int64_t n;
    bool has_x;
    double x;
};

static const char *const type_names[] = {"a", "b", "c", "d"};
static const char *const key_names[SPEC_KEYS] = {"k0", "key-1", "2",
                                                 "a key of more than twenty-four bytes"};

static inline bool takes_all(const struct sample *sample)
{
    (void)sample;
    return true;
}

static inline bool takes_type_a(const struct sample *sample)
{
    return sample->type == 0;
}

static inline bool takes_large_n(const struct sample *sample)
{
    return sample->has_n && sample->n > 3;
}

static inline bool takes_neither_a_nor_b(const struct sample *sample)
{
    return sample->type != 0 && sample->type != 1; /* so an absent type passes */
}

static const struct spec_filter {
    const char *where;
    bool (*takes)(const struct sample *sample);
} spec_filters[] = {
    {"", takes_all},
    {"    where: {type: a}\n", takes_type_a},
    {"    where: {n: {gt: 3}}\n", takes_large_n},
    {"    where: {not: {type: [a, b]}}\n", takes_neither_a_nor_b},
};

/* The value of one feature of the events of a window, as text. */
typedef int spec_feature_text(char *out, const struct sample *const *events, size_t count);

static inline int count_text(char *out, const struct sample *const *events, size_t count)
{
    (void)events;
    return sprintf(out, "%zu", count);
}

static inline int sum_n_text(char *out, const struct sample *const *events, size_t count)
{
    int64_t sum = 0;

    for (size_t i = 0; i < count; i++)
        sum += events[i]->has_n ? events[i]->n : 0;
    return sprintf(out, "%" PRId64, sum);
}

static inline size_t count_type(const struct sample *const *events, size_t count, int type)
{
    size_t found = 0;

    for (size_t i = 0; i < count; i++)
        found += events[i]->type == type;
    return found;
}

static inline int distinct_type_text(char *out, const struct sample *const *events, size_t count)
{
    int different = 0;

    for (int type = 0; type < 4; type++)
        different += count_type(events, count, type) > 0;
    return sprintf(out, "%d", different);
}

static inline int histogram_type_text(char *out, const struct sample *const *events, size_t count)
{
    int len = sprintf(out, "{");

    for (int type = 0; type < 4; type++) {
        size_t found = count_type(events, count, type);

        if (found)
            len += sprintf(out + len, "%s\"%s\":%zu", len > 1 ? "," : "", type_names[type], found);
    }
    return len + sprintf(out + len, "}");
}

static inline int min_x_text(char *out, const struct sample *const *events, size_t count)
{
    const struct sample *least = NULL;

    for (size_t i = 0; i < count; i++) {
        if (events[i]->has_x && (!least || events[i]->x < least->x))
            least = events[i];
    }
    return least ? sprintf(out, "%.17g", least->x) : sprintf(out, "null");
}

/* Exact where the values are multiples of a power of two, as those of random_samples are. */
static inline int sum_x_text(char *out, const struct sample *const *events, size_t count)
{
    double sum = 0;

    for (size_t i = 0; i < count; i++)
        sum += events[i]->has_x ? events[i]->x : 0;
    return sprintf(out, "%.17g", sum);
}

static inline int mean_n_text(char *out, const struct sample *const *events, size_t count)
{
    int64_t sum = 0;
    int64_t present = 0;

    for (size_t i = 0; i < count; i++) {
        sum += events[i]->has_n ? events[i]->n : 0;
        present += events[i]->has_n;
    }
    return present ? sprintf(out, "%.17g", (double)sum / (double)present) : sprintf(out, "null");
}

static inline int count_n_of_a_text(char *out, const struct sample *const *events, size_t count)
{
    int found = 0;

    for (size_t i = 0; i < count; i++)
        found += events[i]->type == 0 && events[i]->has_n;
    return sprintf(out, "%d", found);
}

static const struct spec_feature {
    const char *spelled;
    spec_feature_text *text;
} spec_features[] = {
    {"{count: true}", count_text},
    {"{sum: n}", sum_n_text},
    {"{distinct: type}", distinct_type_text},
    {"{histogram: type}", histogram_type_text},
    {"{min: x}", min_x_text},
    {"{mean: n}", mean_n_text},
    {"{count: n, where: {type: a}}", count_n_of_a_text},
    {"{sum: x}", sum_x_text},
};

struct view_spec {
    int64_t gap_ms; /* of a session view; else 0 */
    bool lifetime;
    int64_t size_ms;  /* of all other ones */
    int64_t slide_ms; /* tumbling: the size */
    int64_t offset_ms;
    bool tumbling;
    bool on_update;
    int filter;
    unsigned features; /* bit i: spec_features[i] */
};

struct spec {
    bool aligned;
    int64_t out_of_orderness_ms;
    int64_t lateness_ms;
    int64_t ttl_ms;
    bool is_unread;   /* nobody reads the rows' lists and maps */
    int64_t dedup_ms; /* within which events of one n are duplicates; 0: none are */
    int view_count;
    struct view_spec views[SPEC_VIEWS_MAX];
};

static inline void write_view(struct buf *out, const struct view_spec *view, int number)
{
    bool first = true;

    buf_printf(out, "  v%d:\n    source: s\n", number);
    if (view->gap_ms)
        buf_printf(out, "    window: {session: %" PRId64 "ms}\n", view->gap_ms);
    else if (view->lifetime)
        buf_printf(out, "    window: lifetime\n");
    else if (view->tumbling)
        buf_printf(out, "    window: {tumbling: %" PRId64 "ms, offset: %" PRId64 "ms}\n",
                   view->size_ms, view->offset_ms);
    else
        buf_printf(out,
                   "    window: {sliding: %" PRId64 "ms, every: %" PRId64 "ms, offset: %" PRId64
                   "ms}\n",
                   view->size_ms, view->slide_ms, view->offset_ms);
    buf_printf(out, "    emit: %s\n%s    features: {", view->on_update ? "on_update" : "on_close",
               spec_filters[view->filter].where);
    for (size_t i = 0; i < ARRAY_LEN(spec_features); i++) {
        if (view->features >> i & 1) {
            buf_printf(out, "%sv%d_f%zu: %s", first ? "" : ", ", number, i,
                       spec_features[i].spelled);
            first = false;
        }
    }
    buf_printf(out, "}\n");
}

/* The source up to its times, and its fields: what else it has comes between. */
static inline void write_source(struct buf *out, const struct spec *spec)
{
    buf_printf(out,
               "sources:\n"
               "  s:\n"
               "    topic: t\n"
               "    partitioning: %s\n"
               "    entity: user\n"
               "    time: {field: ts}\n"
               "    out_of_orderness: %" PRId64 "ms\n"
               "    allowed_lateness: %" PRId64 "ms\n",
               spec->aligned ? "aligned" : "shuffle", spec->out_of_orderness_ms, spec->lateness_ms);
    if (spec->dedup_ms)
        buf_printf(out, "    dedup: {field: n, within: %" PRId64 "ms}\n", spec->dedup_ms);
}

static inline void write_fields(struct buf *out)
{
    buf_printf(out, "    fields:\n"
                    "      user: string\n"
                    "      type: {type: string, optional: true}\n"
                    "      n: {type: int64, optional: true}\n"
                    "      x: {type: double, optional: true}\n");
}

static inline void write_spec(struct buf *out, const struct spec *spec)
{
    buf_printf(out,
               "pipeline: p\n"
               "kafka: {}\n"
               "state: {ttl: %" PRId64 "ms}\n",
               spec->ttl_ms);
    write_source(out, spec);
    write_fields(out);
    buf_printf(out, "views:\n");
    for (int i = 0; i < spec->view_count; i++)
        write_view(out, &spec->views[i], i);
}

static inline int64_t pick(const int64_t *values, size_t count)
{
    return values[random_below(count)];
}

#define PICK(...)                                                                                  \
    pick((const int64_t[]){__VA_ARGS__}, sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t))

/* Few slides, offsets and filters, so that views share panes. */
static inline void random_view(struct view_spec *view, int64_t slide_ms)
{
    *view = (struct view_spec){
        .slide_ms = random_chance(75) ? slide_ms : PICK(5, 10, 20, 30),
        .offset_ms = random_chance(70) ? 0 : PICK(3, -7, 10, -25),
        .tumbling = random_chance(30),
        .on_update = random_chance(40),
        .filter = random_chance(60) ? 0 : (int)random_below(ARRAY_LEN(spec_filters)),
    };
    if (!view->tumbling && random_chance(10)) { /* very many slides */
        view->slide_ms = random_chance(50) ? 1 : 2;
        view->size_ms = view->slide_ms * random_between(120, 400);
    } else {
        view->size_ms = view->tumbling ? view->slide_ms : view->slide_ms * PICK(1, 2, 3, 5, 8);
    }
    while (view->features == 0)
        view->features = (unsigned)random_below(1u << ARRAY_LEN(spec_features));
    if (random_chance(25)) {
        view->gap_ms = PICK(1, 5, 20, 20, 60);
    } else if (random_chance(8)) {
        view->lifetime = true;
        view->on_update = true;
    }
}

static inline void random_spec(struct spec *spec, bool aligned)
{
    int64_t slide_ms = PICK(5, 10, 20, 50);

    *spec = (struct spec){
        .aligned = aligned,
        .out_of_orderness_ms = PICK(0, 0, 5, 20, 60),
        .lateness_ms = PICK(0, 0, 5, 15, 40, 100),
        .ttl_ms = PICK(1, 50, 200, 100000),
        .dedup_ms = random_chance(75) ? 0 : PICK(1, 5, 20, 100),
        .view_count = 1 + (int)random_below(SPEC_VIEWS_MAX),
    };
    for (int i = 0; i < spec->view_count; i++)
        random_view(&spec->views[i], slide_ms);
}

/* Times wander forward, with disorder and now and then a pause. */
static inline void random_samples(struct sample *samples, size_t count, int partitions)
{
    int64_t now_ms = random_chance(30) ? 0 : random_chance(50) ? 1000 : INT64_C(1700000000000);
    int64_t disorder_ms = PICK(1, 10, 50, 150);
    int64_t step_ms = PICK(1, 4, 10, 30);

    for (size_t i = 0; i < count; i++) {
        struct sample *sample = &samples[i];

        now_ms += (int64_t)random_below((uint64_t)step_ms + 1);
        if (random_chance(4))
            now_ms += (int64_t)random_below(400);
        *sample = (struct sample){
            .key = (int)random_below(1 + random_below(SPEC_KEYS)),
            .partition = (int)random_below((uint64_t)partitions),
            .type = (int)random_below(5) - 1,
            .has_n = random_chance(80),
            .n = (int64_t)random_below(10) - 2,
            .has_x = random_chance(60),
            .x = (double)random_between(-20, 20) / 4,
        };
        sample->time_ms = now_ms -
                          (random_chance(50) ? 0 : (int64_t)random_below((uint64_t)disorder_ms));
        if (sample->time_ms < 0)
            sample->time_ms = 0;
    }
}

/* What a row should show. */
static inline void values_text(char *out, const struct view_spec *view,
                               const struct sample *const *events, size_t count)
{
    for (size_t i = 0; i < ARRAY_LEN(spec_features); i++) {
        if (view->features >> i & 1) {
            out += spec_features[i].text(out, events, count);
            *out++ = '|';
        }
    }
    *out = '\0';
}

/* A value that a row shows, as text. */
static inline int value_text(char *out, const struct row_value *value)
{
    switch (value->type) {
    case ROW_NULL:
        return sprintf(out, "null");
    case ROW_INT:
        return sprintf(out, "%" PRId64, value->i);
    case ROW_DOUBLE:
        return sprintf(out, "%.17g", value->d);
    default:
        return sprintf(out, "%.*s", SLICE_ARGS(value->text));
    }
}

/* A row, expected or seen. */
struct spec_row {
    int64_t start_ms;
    int64_t end_ms;
    uint32_t revision;
    bool empty;
    bool online; /* or would be, were it not older than what is shown already: */
    bool passed_over;
    bool online_only;
    bool retracted;
    bool is_before; /* oracle: of a state that is gone, and not counted any more */
    char values[SPEC_VALUES];
};

/* The rows of one key in one view, in the order in which they came. */
struct spec_rows {
    struct spec_row *rows;
    size_t count;
    size_t cap;
};

static inline struct spec_row *row_append(struct spec_rows *rows)
{
    if (rows->count == rows->cap) {
        rows->cap = MAX(rows->cap * 2, (size_t)16);
        rows->rows = realloc(rows->rows, rows->cap * sizeof(*rows->rows));
    }
    rows->rows[rows->count] = (struct spec_row){0};
    return &rows->rows[rows->count++];
}

static inline void rows_free(struct spec_rows *rows)
{
    free(rows->rows);
    *rows = (struct spec_rows){0};
}

/* Some rows around number `at`. */
static inline void print_rows(const char *what, const struct spec_rows *rows, size_t at)
{
    print_error("%s, %zu rows:\n", what, rows->count);
    for (size_t i = at > 4 ? at - 4 : 0; i < MIN(rows->count, at + 4); i++)
        print_error("%s [%" PRId64 ", %" PRId64 ") revision %u%s%s%s%s %s\n", i == at ? " >" : "  ",
                    rows->rows[i].start_ms, rows->rows[i].end_ms, rows->rows[i].revision,
                    rows->rows[i].empty ? " empty" : "", rows->rows[i].online ? "" : " offline",
                    rows->rows[i].online_only ? " online only" : "",
                    rows->rows[i].retracted ? " retracted" : "", rows->rows[i].values);
}

static inline bool rows_same(const struct spec_row *a, const struct spec_row *b)
{
    return a->start_ms == b->start_ms && a->end_ms == b->end_ms && a->revision == b->revision &&
           a->empty == b->empty && a->online == b->online && a->online_only == b->online_only &&
           a->retracted == b->retracted && strcmp(a->values, b->values) == 0;
}

#endif
