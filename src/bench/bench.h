/* bench - what a host carries of the user's own pipeline: runs engines under load, fills a report.
 *
 *   throughput   topics filled first; sinks × shards, with a window's time of events; and live: at
 *                the pace of the clock, so few windows end and a row's cost shows
 *   latency      open loop at parts of the throughput found, parts of the way, a reader that polls
 *   checkpoints  stalls at half the load
 *   recovery     kill -9 and start with that state
 *   overload     twice the load
 *   slow_redis   replies held up at half the load
 *
 * Each engine is a process of its own (bench/child.h) in a world of its own (bench/world.h). */
#ifndef FRESHET_BENCH_BENCH_H
#define FRESHET_BENCH_BENCH_H

#include "bench/child.h"
#include "bench/report.h"

#define BENCH_SHARDS_MAX 16 /* different numbers of shards */
#define BENCH_RATES_MAX  32

/* X(name, title) */
#define BENCH_STEPS(X)                                                                             \
    X(throughput, "Throughput")                                                                    \
    X(latency, "Latency against load")                                                             \
    X(checkpoints, "Checkpoint stalls")                                                            \
    X(recovery, "Recovery")                                                                        \
    X(overload, "Twice the load")                                                                  \
    X(slow_redis, "Slow Redis")

enum bench_step {
#define X(name, title) STEP_##name,
    BENCH_STEPS(X)
#undef X
        STEP_COUNT
};

struct bench_options {
    struct world_options world;
    const char *sample; /* NDJSON file, or NULL: made from the schema */
    uint32_t users;     /* 0: by default */
    uint64_t events;    /* 0: by default */
    int64_t span_ms;    /* 0: by default */
    uint32_t partitions;
    uint32_t shards[BENCH_SHARDS_MAX];
    uint32_t shard_count; /* 0: by default */
    double percents[BENCH_RATES_MAX];
    uint32_t percent_count; /* 0: by default */
    double seconds;         /* of a rate; 0: by default */
    double linger_ms;       /* 0: by default */
    unsigned sinks;         /* bits of enum bench_sink; 0: by default */
    unsigned steps;         /* bits of enum bench_step */
    bool quick;
    struct bench_slo slo;
    void (*progress)(void *context, const char *text); /* what it does now */
    void *context;
};

/* What came out beside the report. */
struct bench_outputs {
    struct buf runs;    /* a JSON object a line and run, to be appended to a history */
    struct buf hdr_log; /* HdrHistogram's log: an interval for each rate and part of the way */
};

const char *bench_step_name(enum bench_step step);

/* Fills *ret, whose lists and texts live in `memory`. `text` is the file that the plan was made
 * from. Returns 0, or a negative errno with a text; everything it made is gone either way. */
MUST_USE int bench_run(const struct plan *plan, struct slice text,
                       const struct bench_options *options, struct plan_memory *memory,
                       struct bench_report *ret, struct bench_outputs *ret_outputs,
                       struct err *err);

void bench_outputs_free(struct bench_outputs *outputs);

/* The last rate that meets the SLO, in events per second; NaN: none does. */
double bench_knee(const struct bench_latency *latency);

/* The run with the final sink and most shards, and the live one; NULL if it was not made. */
const struct bench_throughput *bench_final_run(const struct bench_report *report);
const struct bench_throughput *bench_live_run(const struct bench_report *report);

/* Had the host much to do before the bench began? */
bool bench_was_busy(const struct bench_host *host);

/* In words: does it keep up, does it meet the SLO? */
const char *bench_verdict(const struct bench_rate *rate);

/* event_us and row_us from the two runs. */
void costs_split(struct bench_costs *costs);

/* Do the values meet the SLO? Without any: yes, nothing was late. */
bool bench_meets(const struct bench_slo *slo, const struct bench_spread *spread);

#endif
