/* view_cases - cases made by hand: one partition's events and the clock, one after the other, and
 * the rows that they lead to as text. */
#ifndef FRESHET_TESTS_VIEW_CASES_H
#define FRESHET_TESTS_VIEW_CASES_H

#include "view_bench.h"

static struct bench bench;
static struct sample samples[ORACLE_EVENTS_MAX];
static size_t sample_count;
static int64_t watermark_ms; /* of the only partition; no disorder is allowed for */

/* A view that counts, and sums n. */
#define COUNTS 3u

static inline struct spec spec_of(struct view_spec view)
{
    struct spec spec = {
        .aligned = true, .lateness_ms = 20, .ttl_ms = 1000, .view_count = 1, .views = {view}};

    spec.views[0].features = COUNTS;
    return spec;
}

static inline void begin(const struct spec *spec)
{
    random_begin(1);
    bench_init(&bench, spec);
    sample_count = 0;
    watermark_ms = WATERMARK_NONE;
}

/* An event of key 0, 1, …, with n = 1. */
static inline void event_of(int key, int64_t time_ms)
{
    struct sample *sample = &samples[sample_count++];

    *sample = (struct sample){.key = key, .time_ms = time_ms, .has_n = true, .n = 1};
    bench_event(&bench, sample, watermark_ms);
    bench_apply(&bench);
    watermark_ms = MAX(watermark_ms, time_ms);
}

static inline void event(int64_t time_ms)
{
    event_of(0, time_ms);
}

static inline void advance(int64_t to_ms, int64_t clock_ms)
{
    watermark_ms = MAX(watermark_ms, to_ms);
    keyspace_advance(bench.keyspace, watermark_ms, clock_ms);
    bench_fire_all(&bench);
}

/* The rows of key 0 in view 0 since the last time, one a line: "start end revision values". */
static inline void expect_of(int key, const char *wanted)
{
    struct spec_rows *rows = &bench.rows[0][key];
    struct buf text = {0};

    for (size_t i = 0; i < rows->count; i++)
        buf_printf(&text, "%" PRId64 " %" PRId64 " %u%s %s\n", rows->rows[i].start_ms,
                   rows->rows[i].end_ms, rows->rows[i].revision,
                   rows->rows[i].empty ? " empty" : "", rows->rows[i].values);
    assert_string_equal(buf_string(&text), wanted);
    rows->count = 0;
    buf_free(&text);
}

static inline void expect(const char *wanted)
{
    expect_of(0, wanted);
}

static inline void end(void)
{
    bench_done(&bench);
}

static const struct view_spec tumbling = {.tumbling = true, .size_ms = 10, .slide_ms = 10};
static const struct view_spec sliding = {.size_ms = 30, .slide_ms = 10};
static const struct view_spec session = {.gap_ms = 20};

static inline struct view_spec updating(struct view_spec view)
{
    view.on_update = true;
    return view;
}

#endif
