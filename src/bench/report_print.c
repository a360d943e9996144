#include <math.h>

#include "bench/bench.h"
#include "bench/capacity.h"
#include "bench/page.h"

static void put(struct buf *out, const char *name, double value, const char *unit)
{
    buf_printf(out, "%s", name);
    figure_print(out, value, unit);
}

static void print_throughput(const struct bench_report *report, struct buf *out)
{
    if (report->throughput_count)
        buf_printf(out, "throughput\n");
    for (uint32_t i = 0; i < report->throughput_count; i++) {
        const struct bench_throughput *run = &report->throughput[i];

        buf_printf(out, "  sink %-6s %2lld shard%s%s", run->sink, (long long)run->shards,
                   run->shards == 1 ? " " : "s", run->live ? " live" : "     ");
        put(out, "  ", run->events_per_s, "events/s");
        put(out, ", ", run->rows_per_s, "rows/s");
        put(out, ", ", run->cpu_us, "µs of CPU per event");
        put(out, ", peak ", run->rss_peak_bytes, "bytes");
        buf_append_char(out, '\n');
    }
}

static void print_latency(const struct bench_report *report, struct buf *out)
{
    const struct bench_latency *latency = &report->latency;
    bool has_rows = false;

    if (latency->rates_count == 0)
        return;
    buf_printf(out, "latency, fetched → Redis acknowledged, and visible to a reader\n");
    for (uint32_t i = 0; i < latency->rates_count; i++) {
        const struct bench_rate *rate = &latency->rates[i];

        has_rows = has_rows || rate->fetched_redis.count > 0;
        buf_printf(out, "  %4.0f %%", rate->percent);
        put(out, "  ", rate->wanted_per_s, "events/s");
        if (rate->fetched_redis.count)
            buf_printf(out, "  p50 %.3g  p99 %.3g  p99.9 %.3g ms", rate->fetched_redis.p50_ms,
                       rate->fetched_redis.p99_ms, rate->fetched_redis.p999_ms);
        if (rate->visible.count)
            buf_printf(out, "  visible p50 %.3g  p99 %.3g ms", rate->visible.p50_ms,
                       rate->visible.p99_ms);
        buf_printf(out, "  %s\n", bench_verdict(rate));
    }
    if (!has_rows)
        put(out, "  last rate that is kept up with ", latency->knee_per_s, "events/s\n");
    else if (latency->knee_per_s > 0)
        put(out, "  knee ", latency->knee_per_s, "events/s");
    else
        buf_printf(out, "  no knee: none of these rates meets the SLO");
    if (has_rows)
        buf_printf(out, " (p50 ≤ %g, p99 ≤ %g, p99.9 ≤ %g ms)\n", report->slo.p50_ms,
                   report->slo.p99_ms, report->slo.p999_ms);
    if (latency->note)
        buf_printf(out, "  %s\n", latency->note);
}

static void print_stress(const char *name, const struct bench_stress *stress, struct buf *out)
{
    if (!stress->measured)
        return;
    buf_printf(out, "%s\n", name);
    put(out, "  ", stress->sent_per_s, "events/s");
    put(out, " for ", stress->seconds, "s");
    put(out, ": most lag ", stress->lag_peak_events, "events");
    put(out, ", peak ", stress->rss_peak_bytes, "bytes");
    put(out, ", over after ", stress->recovered_s, "s");
    buf_printf(out, "\n");
}

void report_print(const struct bench_report *report, struct buf *out)
{
    const struct bench_recovery *recovery = &report->recovery;

    buf_printf(out, "%s on %lld cores of %s%s\n", report->pipeline, (long long)report->host.cores,
               report->host.cpu ? report->host.cpu : "an unknown processor",
               report->setup.quick ? " (quick: rough)" : "");
    if (bench_was_busy(&report->host))
        buf_printf(
            out, "others were busy on this host before: load %.1f; figures are of what they left\n",
            report->host.load_before);
    print_throughput(report, out);
    print_latency(report, out);
    if (report->memory_count) {
        put(out, "memory\n  ", capacity_bytes_per_key(report), "bytes per user");
        put(out, ", in Redis ", report->memory[0].redis_bytes_per_key, "bytes");
        buf_append_char(out, '\n');
    }
    for (uint32_t i = 0; i < report->checkpoints_count; i++) {
        const struct bench_checkpoints *one = &report->checkpoints[i];

        buf_printf(out, "%s  every %g s: %lld done", i ? "" : "checkpoints\n", one->every_s,
                   (long long)one->done);
        put(out, ", longest turn ", one->turn.max_ms, "ms");
        put(out, ", fetched → Redis p99.9 ", one->fetched_redis.p999_ms, "ms");
        buf_append_char(out, '\n');
    }
    if (recovery->measured)
        buf_printf(out,
                   "recovery\n  %lld keys: ready %.3g s after kill -9, state loaded in %.3g s\n",
                   (long long)recovery->keys, recovery->ready_s, recovery->loaded_s);
    print_stress("twice the load", &report->overload, out);
    print_stress("slow Redis", &report->slow_redis, out);
}
