/* What is computed from measurements, no more: here so that it can be tested by hand. */

#include <math.h>

#include "bench/internal.h"

#define MS 1e-6 /* of a nanosecond */

/* Below this the two runs' rows are too alike to tell what one costs. */
#define ROWS_APART 0.02

#define BUSY       0.25 /* load a core */

void spread_fill(const struct hdr *hdr, struct bench_spread *ret)
{
    uint64_t count = atomic_load(&hdr->count);

    shape_clear(&shape_spread, ret);
    ret->count = (int64_t)count;
    if (count == 0)
        return;
    ret->mean_ms = (double)(uint64_t)atomic_load(&hdr->sum) / (double)count * MS;
    ret->p50_ms = (double)hdr_quantile(hdr, 0.5) * MS;
    ret->p90_ms = (double)hdr_quantile(hdr, 0.9) * MS;
    ret->p99_ms = (double)hdr_quantile(hdr, 0.99) * MS;
    ret->p999_ms = (double)hdr_quantile(hdr, 0.999) * MS;
    ret->max_ms = (double)hdr_quantile(hdr, 1) * MS;
}

bool bench_meets(const struct bench_slo *slo, const struct bench_spread *spread)
{
    return spread->count == 0 || (spread->p50_ms <= slo->p50_ms && spread->p99_ms <= slo->p99_ms &&
                                  spread->p999_ms <= slo->p999_ms);
}

bool bench_was_busy(const struct bench_host *host)
{
    return host->load_before > BUSY * (double)host->cores;
}

const char *bench_verdict(const struct bench_rate *rate)
{
    if (!rate->kept_up)
        return "does not keep up";
    if (rate->fetched_redis.count == 0)
        return "keeps up";
    return rate->meets ? "meets the SLO" : "misses the SLO";
}

double bench_knee(const struct bench_latency *latency)
{
    double knee = NAN;

    for (uint32_t i = 0; i < latency->rates_count; i++) {
        const struct bench_rate *rate = &latency->rates[i];

        if (rate->meets && !(knee > rate->wanted_per_s))
            knee = rate->wanted_per_s;
    }
    return knee;
}

void costs_split(struct bench_costs *costs)
{
    double rows_more = costs->rows_per_event_high - costs->rows_per_event_low;
    double row_us = (costs->cpu_us_high - costs->cpu_us_low) / rows_more;
    double event_us = costs->cpu_us_low - costs->rows_per_event_low * row_us;

    costs->split = rows_more > ROWS_APART && row_us > 0 && event_us > 0;
    costs->row_us = costs->split ? row_us : 0;
    costs->event_us = costs->split ? event_us : costs->cpu_us_high;
}

static const struct bench_throughput *run_find(const struct bench_report *report, bool live)
{
    const struct bench_throughput *found = NULL;

    for (uint32_t i = 0; i < report->throughput_count; i++) {
        const struct bench_throughput *run = &report->throughput[i];

        if (report->costs.sink && run->sink && strcmp(run->sink, report->costs.sink) == 0 &&
            run->live == live && (!found || run->shards > found->shards))
            found = run;
    }
    return found;
}

const struct bench_throughput *bench_final_run(const struct bench_report *report)
{
    return run_find(report, false);
}

const struct bench_throughput *bench_live_run(const struct bench_report *report)
{
    return run_find(report, true);
}
