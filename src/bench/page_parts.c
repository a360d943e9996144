#include <math.h>

#include "bench/bench.h"
#include "bench/capacity.h"
#include "bench/page.h"
#include "bench/page_internal.h"
#include "bench/svg.h"

#define RUNS_MAX   64
#define POINTS_MAX 1024
#define SINKS      3

/* --- throughput --- */

static void shards_plot(const struct bench_report *report, struct buf *out)
{
    static const char *const sinks[SINKS] = {"none", "file", "redis"};
    struct svg_plot plot = {
        .title = "Throughput against shards",
        .x_label = "shards",
        .y_label = "events/s",
        .whole_x = true,
        .mark_x = NAN,
    };
    double x[SINKS][RUNS_MAX];
    double y[SINKS][RUNS_MAX];

    for (unsigned s = 0; s < SINKS; s++) {
        uint32_t count = 0;

        for (uint32_t i = 0; i < report->throughput_count && count < RUNS_MAX; i++) {
            const struct bench_throughput *run = &report->throughput[i];

            if (run->live || !run->sink || strcmp(run->sink, sinks[s]) != 0)
                continue;
            x[s][count] = (double)run->shards;
            y[s][count++] = run->events_per_s;
        }
        if (count)
            plot.series[plot.series_count++] = (struct svg_series){sinks[s], x[s], y[s], count};
    }
    svg_lines(&plot, out);
}

static void stages_plot(const struct bench_report *report, struct buf *out)
{
    static const char *const parts[] = {"decode",  "apply",   "rest", "Kafka",
                                        "control", "RocksDB", "other"};
    struct svg_bar bars[RUNS_MAX];
    char names[RUNS_MAX][48];
    uint32_t count = MIN(report->throughput_count, (uint32_t)RUNS_MAX);

    for (uint32_t i = 0; i < count; i++) {
        const struct bench_throughput *run = &report->throughput[i];

        snprintf(names[i], sizeof(names[i]), "%.20s × %lld%s", run->sink ? run->sink : "",
                 (long long)run->shards, run->live ? " live" : "");
        bars[i] = (struct svg_bar){
            .name = names[i],
            .parts = {run->stages.decode_us, run->stages.apply_us, run->stages.rest_us,
                      run->threads.kafka_us, run->threads.control_us, run->threads.rocksdb_us,
                      run->threads.other_us},
        };
    }
    svg_bars("CPU by stage, sink × shards", "µs per event", parts, ARRAY_LEN(parts), bars, count,
             out);
}

static void throughput_row(const struct bench_throughput *run, struct buf *out)
{
    char name[64];

    snprintf(name, sizeof(name), "%.20s, %lld%s", run->sink ? run->sink : "",
             (long long)run->shards, run->live ? ", live" : "");
    page_row(out, name);
    page_figure(out, run->events_per_s, "/s");
    page_figure(out, run->rows_per_s, "/s");
    page_figure(out, run->cpu_us, "µs");
    page_figure(out, run->threads.shards_us, "µs");
    page_figure(out, run->threads.kafka_us, "µs");
    page_figure(out, run->rss_peak_bytes, "bytes");
    page_figure(out, run->keys ? run->state_bytes / (double)run->keys : NAN, "bytes");
    page_figure(out, run->redis_cpu_us, "µs");
    page_figure(out, run->broker_cpu_us, "µs");
    page_figure(out, (double)run->events, "");
    page_figure(out, (double)(run->late + run->dead_letters), "");
    page_row_end(out);
}

void page_throughput(const struct bench_report *report, struct buf *out)
{
    static const char *const heads[] = {
        "sink, shards",         "events",        "rows",
        "CPU per event",        "shards",        "Kafka client",
        "peak memory",          "state per key", "Redis CPU per event",
        "broker CPU per event", "events",        "late, dead",
    };
    static const char *const view_heads[] = {
        "view",
        "rows per event",
        "part of the events that enter",
        "state per key",
    };

    if (report->throughput_count == 0)
        return;
    page_heading(out, "Throughput");
    buf_printf(out, "<div class=\"plots\">\n");
    shards_plot(report, out);
    stages_plot(report, out);
    buf_printf(out, "</div>\n");
    page_table(out, heads, ARRAY_LEN(heads));
    for (uint32_t i = 0; i < report->throughput_count; i++)
        throughput_row(&report->throughput[i], out);
    page_table_end(out);
    page_table(out, view_heads, ARRAY_LEN(view_heads));
    for (uint32_t i = 0; i < report->views_count; i++) {
        const struct bench_view *view = &report->views[i];

        page_row(out, view->name);
        page_figure(out, view->rows_per_event, "");
        page_figure(out, view->share, "");
        page_figure(out, view->state_bytes_per_key, "bytes");
        page_row_end(out);
    }
    page_table_end(out);
}

/* --- memory --- */

void page_memory(const struct bench_report *report, struct buf *out)
{
    static const char *const heads[] = {"keys",           "events per key", "resident",
                                        "shards' memory", "state",          "in Redis per key"};
    struct svg_plot plot = {
        .title = "Memory by keys",
        .x_label = "keys",
        .y_label = "MiB",
        .mark_x = NAN,
    };
    double x[RUNS_MAX];
    double y[3][RUNS_MAX];
    uint32_t count = MIN(report->memory_count, (uint32_t)RUNS_MAX);

    if (count == 0)
        return;
    for (uint32_t i = 0; i < count; i++) { /* the report has the most keys first */
        const struct bench_memory *memory = &report->memory[count - 1 - i];

        x[i] = (double)memory->keys;
        y[0][i] = memory->rss_bytes / 1048576;
        y[1][i] = memory->arena_bytes / 1048576;
        y[2][i] = memory->state_bytes / 1048576;
    }
    plot.series[plot.series_count++] = (struct svg_series){"resident", x, y[0], count};
    plot.series[plot.series_count++] = (struct svg_series){"shards", x, y[1], count};
    plot.series[plot.series_count++] = (struct svg_series){"state", x, y[2], count};
    page_heading(out, "Memory");
    svg_lines(&plot, out);
    page_table(out, heads, ARRAY_LEN(heads));
    for (uint32_t i = 0; i < count; i++) {
        const struct bench_memory *memory = &report->memory[i];
        char keys[32];

        snprintf(keys, sizeof(keys), "%lld", (long long)memory->keys);
        page_row(out, keys);
        page_figure(out, memory->events_per_key, "");
        page_figure(out, memory->rss_bytes, "bytes");
        page_figure(out, memory->arena_bytes, "bytes");
        page_figure(out, memory->state_bytes, "bytes");
        page_figure(out, memory->redis_bytes_per_key, "bytes");
        page_row_end(out);
    }
    page_table_end(out);
}

/* --- checkpoints and recovery --- */

void page_checkpoints(const struct bench_report *report, struct buf *out)
{
    static const char *const parts[] = {"align", "capture", "freeze", "commit"};
    static const char *const heads[] = {
        "every",        "checkpoints",         "bytes", "total",  "turn p99.9",
        "longest turn", "fetched → Redis p99", "p99.9", "longest"};
    struct svg_bar bars[RUNS_MAX];
    char names[RUNS_MAX][32];
    uint32_t count = MIN(report->checkpoints_count, (uint32_t)RUNS_MAX);
    uint32_t with = 0;

    if (count == 0)
        return;
    page_heading(out, "Checkpoint stalls");
    for (uint32_t i = 0; i < count; i++) {
        const struct bench_checkpoints *one = &report->checkpoints[i];

        snprintf(names[i], sizeof(names[i]), "every %.0f s",
                 isfinite(one->every_s) ? one->every_s : 0);
        if (one->done)
            bars[with++] = (struct svg_bar){
                names[i], {one->align_ms, one->capture_ms, one->freeze_ms, one->commit_ms}};
    }
    svg_bars("Steps of a checkpoint, mean", "ms", parts, ARRAY_LEN(parts), bars, with, out);
    page_table(out, heads, ARRAY_LEN(heads));
    for (uint32_t i = 0; i < count; i++) {
        const struct bench_checkpoints *one = &report->checkpoints[i];

        page_row(out, names[i]);
        page_figure(out, (double)one->done, "");
        page_figure(out, one->bytes, "bytes");
        page_figure(out, one->total_ms, "ms");
        page_figure(out, one->turn.p999_ms, "ms");
        page_figure(out, one->turn.max_ms, "ms");
        page_figure(out, one->fetched_redis.p99_ms, "ms");
        page_figure(out, one->fetched_redis.p999_ms, "ms");
        page_figure(out, one->fetched_redis.max_ms, "ms");
        page_row_end(out);
    }
    page_table_end(out);
}

void page_recovery(const struct bench_report *report, struct buf *out)
{
    static const char *const heads[] = {"keys",      "state",         "on disk",      "empty start",
                                        "loaded in", "until reading", "first record", "ready"};
    const struct bench_recovery *recovery = &report->recovery;
    char keys[32];

    if (!recovery->measured)
        return;
    page_heading(out, "Recovery after kill -9");
    page_table(out, heads, ARRAY_LEN(heads));
    snprintf(keys, sizeof(keys), "%lld", (long long)recovery->keys);
    page_row(out, keys);
    page_figure(out, recovery->state_bytes, "bytes");
    page_figure(out, recovery->disk_bytes, "bytes");
    page_figure(out, recovery->empty_s, "s");
    page_figure(out, recovery->loaded_s, "s");
    page_figure(out, recovery->reading_s, "s");
    page_figure(out, recovery->first_s, "s");
    page_figure(out, recovery->ready_s, "s");
    page_row_end(out);
    page_table_end(out);
}

/* --- stress --- */

static double moment_lag(const struct bench_moment *moment)
{
    return moment->lag_events;
}

static double moment_waiting(const struct bench_moment *moment)
{
    return moment->redis_waiting;
}

static double moment_memory(const struct bench_moment *moment)
{
    return moment->rss_bytes / 1048576;
}

typedef double moment_reader(const struct bench_moment *moment);

static void moments_plot(const struct bench_stress *stress, const char *title, const char *y_label,
                         const char *const *names, moment_reader *const *readers, unsigned count,
                         struct buf *out)
{
    struct svg_plot plot = {
        .title = title,
        .x_label = "s",
        .y_label = y_label,
        .mark_x = stress->end_s,
        .mark_name = "ends",
    };
    static double x[POINTS_MAX];
    static double y[2][POINTS_MAX];
    uint32_t points = MIN(stress->moments_count, (uint32_t)POINTS_MAX);

    for (uint32_t i = 0; i < points; i++) {
        x[i] = stress->moments[i].at_s;
        for (unsigned s = 0; s < count; s++)
            y[s][i] = readers[s](&stress->moments[i]);
    }
    for (unsigned s = 0; s < count; s++)
        plot.series[plot.series_count++] = (struct svg_series){names[s], x, y[s], points};
    svg_lines(&plot, out);
}

void page_stress(const struct bench_stress *stress, const char *title, struct buf *out)
{
    static const char *const names[] = {"lag", "waiting"};
    static moment_reader *const readers[] = {moment_lag, moment_waiting};
    static const char *const memory_names[] = {"resident"};
    static moment_reader *const memory_readers[] = {moment_memory};
    static const char *const heads[] = {"load",
                                        "sent",
                                        "for",
                                        "most lag",
                                        "most memory",
                                        "not consuming",
                                        "fetched → Redis p99",
                                        "over after",
                                        "events sent",
                                        "read"};

    if (!stress->measured)
        return;
    page_heading(out, title);
    buf_printf(out, "<div class=\"plots\">\n");
    moments_plot(stress, "Events not read, keys and writes that wait for Redis", "events, keys",
                 names, readers, 2, out);
    moments_plot(stress, "Memory", "MiB", memory_names, memory_readers, 1, out);
    buf_printf(out, "</div>\n");
    page_table(out, heads, ARRAY_LEN(heads));
    page_row(out, stress->delay_ms > 0 ? "half" : "twice");
    page_figure(out, stress->sent_per_s, "/s");
    page_figure(out, stress->seconds, "s");
    page_figure(out, stress->lag_peak_events, "events");
    page_figure(out, stress->rss_peak_bytes, "bytes");
    page_figure(out, stress->backpressure_share * 100, "% of the time");
    page_figure(out, stress->fetched_redis.p99_ms, "ms");
    page_figure(out, stress->recovered_s, "s");
    page_figure(out, (double)stress->produced, "");
    page_figure(out, (double)stress->records, "");
    page_row_end(out);
    page_table_end(out);
}

/* --- formulae --- */

void page_formulae(const struct bench_report *report, struct buf *out)
{
    const struct bench_costs *costs = &report->costs;

    page_heading(out, "Formulae");
    buf_printf(out, "<p><code>cores = events/s × (event + row × rows per event) ÷ (1 − headroom)"
                    "</code><br><code>memory = (users × bytes per user + process + work store + "
                    "fetch queue) ÷ (1 − headroom)</code></p>\n");
    if (isnan(costs->event_us))
        return;
    buf_printf(out, "<p>Here an event costs ");
    page_value(out, costs->event_us, "µs of CPU and a row ");
    page_value(out, costs->row_us, "µs");
    if (costs->split) {
        buf_printf(out, ": ");
        page_value(out, costs->cpu_us_low, "µs at ");
        page_value(out, costs->rows_per_event_low, "rows per event, ");
        page_value(out, costs->cpu_us_high, "µs at ");
        page_value(out, costs->rows_per_event_high, "rows per event");
        buf_printf(out, ".</p>\n");
    } else {
        buf_printf(out, ", which the event's figure holds.</p>\n");
    }
    buf_printf(out, "<p>One more user takes ");
    page_value(out, capacity_bytes_per_key(report), "bytes");
    buf_printf(out, " of memory. <code>freshet plan</code> does the arithmetic.</p>\n");
}
