/* features_story - one user's events of an hour, and what every feature makes of them: worked out
 * by hand here, computed by the program for the page. */
#ifndef FRESHET_TESTS_FEATURES_STORY_H
#define FRESHET_TESTS_FEATURES_STORY_H

#include <math.h>

#include "aggregate/cell.h"
#include "aggregate/quantile.h"
#include "aggregate/top.h"
#include "story.h"

#define FEATURES_SOURCE                                                                            \
    "sources:\n"                                                                                   \
    "  visits:\n"                                                                                  \
    "    topic: visits\n"                                                                          \
    "    partitioning: aligned\n"                                                                  \
    "    entity: user\n"                                                                           \
    "    time: {field: time, unit: iso8601}\n"                                                     \
    "    fields:\n"                                                                                \
    "      user: string\n"                                                                         \
    "      page: string\n"                                                                         \
    "      amount: {type: decimal(2), optional: true}\n"                                           \
    "      seconds: {type: double, optional: true}\n"                                              \
    "    out_of_orderness: 5m\n"

/* In the order of their offsets. */
static const struct visit {
    const char *time;
    const char *page;
    const char *amount; /* "": the event has none */
    const char *seconds;
} visits[] = {
    {"10:01", "home", "", "12.5"},   {"10:03", "shoes", "15.50", "30"},
    {"10:07", "shoes", "21.50", ""}, {"10:05", "home", "", "4.25"},
    {"10:12", "cart", "21.50", ""},  {"10:12", "shoes", "", "60"},
    {"10:20", "cart", "23.50", ""},
};

struct example {
    enum feature_kind kind;
    const char *spelled;
    const char *value;   /* of the hour with the events */
    const char *because; /* how that is worked out */
    const char *empty;   /* of the hour behind it, without one */
    uint32_t pane_bytes;
    uint32_t most_bytes; /* that it may take outside of the pane */
    double near;         /* not 0: `value` is within 1 % of it */
};

static const struct example examples[] = {
    {FEATURE_COUNT, "{count: true}", "7", "all events", "0", 8, 0, 0},
    {FEATURE_COUNT, "{count: amount}", "4", "2, 3, 5, 7 have it", "0", 8, 0, 0},
    {FEATURE_COUNT, "{count: true, where: {page: shoes}}", "3", "2, 3, 6", "0", 8, 0, 0},
    {FEATURE_SUM, "{sum: amount}", "82.00", "15.50 + 21.50 + 21.50 + 23.50", "0.00", 16, 0, 0},
    {FEATURE_SUM, "{sum: seconds}", "106.75", "12.5 + 30 + 4.25 + 60", "0", 8, 0, 0},
    {FEATURE_MEAN, "{mean: amount}", "20.5", "82.00 / 4", "null", 24, 0, 0},
    {FEATURE_MEAN, "{mean: seconds}", "26.6875", "106.75 / 4", "null", 16, 0, 0},
    {FEATURE_MIN, "{min: amount}", "15.50", "event 2", "null", 16, 0, 0},
    {FEATURE_MIN, "{min: seconds}", "4.25", "event 4", "null", 16, 0, 0},
    {FEATURE_MAX, "{max: amount}", "23.50", "event 7", "null", 16, 0, 0},
    {FEATURE_MAX, "{max: seconds}", "60", "event 6", "null", 16, 0, 0},
    {FEATURE_DISTINCT, "{distinct: page}", "3", "cart, home, shoes", "0", 8, 4096, 0},
    {FEATURE_DISTINCT, "{distinct: amount}", "3", "15.50, 21.50, 23.50", "0", 8, 4096, 0},
    {FEATURE_HISTOGRAM, "{histogram: page}", "{\"cart\":2,\"home\":2,\"shoes\":3}",
     "5 and 7; 1 and 4; 2, 3 and 6", "{}", 8, 1040, 0},
    {FEATURE_HISTOGRAM, "{histogram: page, limit: 2}", "{\"__other__\":2,\"home\":2,\"shoes\":3}",
     "`cart` found both places taken", "{}", 8, 48, 0},
    {FEATURE_VARIANCE, "{variance: amount}", "9", "(5² + 1² + 1² + 3²) / 4, about the mean of 20.5",
     "null", 24, 0, 0},
    {FEATURE_VARIANCE, "{variance: amount, sample: true}", "12", "36 / 3", "null", 24, 0, 0},
    {FEATURE_STDDEV, "{stddev: amount}", "3", "√9", "null", 24, 0, 0},
    {FEATURE_STDDEV, "{stddev: amount, sample: true}", "3.4641016151377544", "√12", "null", 24, 0,
     0},
    {FEATURE_FIRST, "{first: page}", "\"home\"", "event 1", "null", 8, 40, 0},
    {FEATURE_FIRST, "{first: page, n: 3}", "[\"home\",\"shoes\",\"home\"]",
     "1, 2, 4: event 4 came after 3 and is older", "[]", 8, 88, 0},
    {FEATURE_LAST, "{last: page}", "\"cart\"", "event 7", "null", 8, 40, 0},
    {FEATURE_LAST, "{last: seconds}", "60", "event 6: 7 does not have it", "null", 8, 48, 0},
    {FEATURE_LAST, "{last: page, n: 3}", "[\"cart\",\"shoes\",\"cart\"]",
     "5, 6, 7: of equal times the smaller offset first", "[]", 8, 88, 0},
    {FEATURE_LIST, "{list: amount}", "[15.50,21.50,21.50,23.50]", "2, 3, 5, 7", "[]", 8, 32016, 0},
    {FEATURE_LIST, "{list: page, limit: 4}", "[\"shoes\",\"cart\",\"shoes\",\"cart\"]",
     "3, 5, 6, 7: the newest four", "[]", 8, 112, 0},
    {FEATURE_TOP, "{top: page}", "\"shoes\"", "3 of 7", "null", 8, 4112, 0},
    {FEATURE_TOP, "{top: amount}", "21.50", "2 of 4", "null", 8, 4112, 0},
    {FEATURE_TOP, "{top: page, n: 3}", "[\"shoes\",\"cart\",\"home\"]",
     "3, 2, 2: `cart` is smaller than `home`", "[]", 8, 4112, 0},
    {FEATURE_QUANTILE, "{quantile: seconds, q: 0.5}", NULL,
     "12.5 is within 1 %: of 4.25, 12.5, 30, 60 the one of rank ⌊0.5 · 3⌋ = 1", "null", 8, 32832,
     12.5},
    {FEATURE_QUANTILE, "{quantile: seconds, q: 0.95}", NULL,
     "30 is within 1 %: rank ⌊0.95 · 3⌋ = 2", "null", 8, 32832, 30},
    {FEATURE_QUANTILE, "{quantile: amount, q: 1}", "23.5", "the greatest, exactly", "null", 8,
     32832, 0},
    {FEATURE_SINCE_PREVIOUS, "{since_previous: true}", "480000", "10:20 − 10:12", "null", 8, 64, 0},
};

/* What the program makes of them. */
struct computed {
    struct buf values[ARRAY_LEN(examples)];
    struct buf empties[ARRAY_LEN(examples)];
};

static inline void features_pipeline(struct buf *out)
{
    buf_printf(out, "pipeline: features\nkafka: {}\n%s", FEATURES_SOURCE);
    buf_printf(out, "views:\n"
                    "  hour:\n"
                    "    source: visits\n"
                    "    window: {tumbling: 1h}\n"
                    "    features:\n");
    for (size_t i = 0; i < ARRAY_LEN(examples); i++)
        buf_printf(out, "      f%zu: %s\n", i, examples[i].spelled);
}

static inline void visit_json(const struct visit *visit, struct buf *out)
{
    buf_printf(out, "{\"user\":\"ann\",\"time\":\"2026-01-01T%s:00Z\",\"page\":\"%s\"", visit->time,
               visit->page);
    if (*visit->amount)
        buf_printf(out, ",\"amount\":%s", visit->amount);
    if (*visit->seconds)
        buf_printf(out, ",\"seconds\":%s", visit->seconds);
    buf_append_char(out, '}');
}

/* The hour of the events, and the empty one behind it. */
static inline void features_compute(struct computed *computed)
{
    static struct story story;
    struct buf text = {0};
    struct buf json = {0};

    memset(computed, 0, sizeof(*computed));
    features_pipeline(&text);
    story_begin(&story, buf_string(&text));
    for (size_t i = 0; i < ARRAY_LEN(visits); i++) {
        buf_reset(&json);
        visit_json(&visits[i], &json);
        story_event(&story, buf_slice(&json));
    }
    story_advance(&story, story.watermark_ms + INT64_C(2) * 3600 * 1000);

    assert_int_equal(story.row_count, 2);
    assert_false(story.rows[0].empty);
    assert_true(story.rows[1].empty);
    for (uint32_t i = 0; i < ARRAY_LEN(examples); i++) {
        story_value(&story, &story.rows[0], i, &computed->values[i]);
        story_value(&story, &story.rows[1], i, &computed->empties[i]);
    }
    story_end(&story);
    buf_free(&json);
    buf_free(&text);
}

static inline void computed_free(struct computed *computed)
{
    for (size_t i = 0; i < ARRAY_LEN(examples); i++) {
        buf_free(&computed->values[i]);
        buf_free(&computed->empties[i]);
    }
}

/* Bytes of one feature's cell: in its pane, and outside of it after so many events. */
struct cell_size {
    uint32_t pane_bytes;
    int64_t outside_bytes;
};

/* The value of event i: `many` has the numbers spread as widely as they can be. */
static inline struct field_value nth_value(const struct plan_field *field, int i, bool many,
                                           char text[32])
{
    double number = many ? exp(0.01 * (i / 2 % 4300)) * (i % 2 ? -1 : 1) : i + 1;

    switch (field->type) {
    case FIELD_STRING:
        return (struct field_value){
            .s = text, .len = (uint32_t)snprintf(text, 32, "value %d", i), .present = true};
    case FIELD_DOUBLE:
        return (struct field_value){.d = number, .present = true};
    default:
        return (struct field_value){.i = (int64_t)number, .present = true};
    }
}

/* One feature of the source above, and two panes with its cell. */
struct cell_trial {
    struct plan *plan;
    const struct plan_paneset *paneset;
    struct arena arena;
    struct intern intern;
    struct cell_memory memory;
    char *panes[2];
};

static inline void cell_trial_begin(struct cell_trial *trial, const char *spelled)
{
    struct buf text = {0};

    memset(trial, 0, sizeof(*trial));
    buf_printf(&text,
               "pipeline: size\nkafka: {}\n%sviews:\n  v:\n    source: visits\n"
               "    window: {tumbling: 1h}\n    features:\n      f: %s\n",
               FEATURES_SOURCE, spelled);
    trial->plan = plan_of_text(buf_string(&text));
    trial->paneset = &trial->plan->sources[0].panesets[0];
    assert_int_equal(trial->paneset->cell_count, 1);
    arena_init(&trial->arena);
    intern_init(&trial->intern, &trial->arena);
    trial->memory = (struct cell_memory){.arena = &trial->arena, .intern = &trial->intern};
    for (int i = 0; i < 2; i++) {
        trial->panes[i] = calloc(1, trial->paneset->cell_bytes);
        assert_non_null(trial->panes[i]);
    }
    buf_free(&text);
}

static inline void cell_trial_add(struct cell_trial *trial, int pane, int number, bool many)
{
    const struct plan_cell *cell = &trial->paneset->cells[0];
    const struct plan_field *field = NULL;
    struct event event = {.time_ms = number};
    struct field_value value = {0};
    char text[32];

    if (cell->field != PLAN_NONE) {
        field = &trial->plan->sources[0].fields[cell->field];
        value = nth_value(field, number, many, text);
    }
    cell_add(cell, field, field ? &value : NULL, &event, trial->panes[pane], &trial->memory);
}

static inline void cell_trial_end(struct cell_trial *trial)
{
    for (int i = 0; i < 2; i++) {
        pane_cells_done(trial->paneset, trial->panes[i], &trial->memory);
        free(trial->panes[i]);
    }
    assert_int_equal(trial->memory.bytes, 0);
    intern_done(&trial->intern);
    arena_done(&trial->arena);
    plan_free(trial->plan);
}

/* After `count` events of different values. */
static inline struct cell_size cell_measure(const char *spelled, int count, bool many)
{
    struct cell_trial trial;

    cell_trial_begin(&trial, spelled);
    for (int i = 0; i < count; i++)
        cell_trial_add(&trial, 0, i, many);

    struct cell_size size = {.pane_bytes = trial.paneset->cell_bytes,
                             .outside_bytes = trial.memory.bytes};
    cell_trial_end(&trial);
    return size;
}

/* Enough to fill every kind of cell. */
#define VERY_MANY 20000

static inline struct cell_size cell_most(const char *spelled)
{
    return cell_measure(spelled, VERY_MANY, true);
}

/* How cells grow, by the number of different values in a pane. */
static const int growth_counts[] = {1, 10, 100, 1000};

static const struct growth {
    const char *spelled;
    uint32_t bytes[ARRAY_LEN(growth_counts)]; /* worked out from the layouts in src/aggregate */
} growths[] = {
    {"{distinct: page}", {0, 8 + 14 * 8, 4096, 4096}},
    {"{histogram: page}", {0, 16 + 16 * 8, 16 + 128 * 8, 16 + 128 * 8}},
    {"{histogram: page, limit: 10000}", {0, 16 + 16 * 8, 16 + 256 * 8, 16 + 2048 * 8}},
    {"{top: page}", {0, 16 + 16 * 8, 16 + 256 * 8, 16 + 512 * 8}},
    {"{list: page}", {16 + 24, 16 + 11 * 24, 16 + 139 * 24, 16 + 1000 * 24}},
    {"{list: seconds}", {16 + 32, 16 + 11 * 32, 16 + 139 * 32, 16 + 1000 * 32}},
    {"{quantile: seconds, q: 0.5}", {64 + 4 * 8, 64 + 13 * 8, 64 + 94 * 8, 64 + 211 * 8}},
};

#endif
