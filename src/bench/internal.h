/* internal - what the steps of a bench share. */
#ifndef FRESHET_BENCH_INTERNAL_H
#define FRESHET_BENCH_INTERNAL_H

#include "bench/bench.h"
#include "bench/load.h"
#include "bench/reader.h"

struct bench {
    const struct plan *plan;
    const struct bench_options *options;
    struct world world;
    struct plan_memory *memory; /* of the report */
    struct bench_report *report;
    struct bench_outputs *outputs;
    struct records **records; /* by source */
    const char **topics;      /* of the throughput runs, filled */
    enum bench_sink final;    /* where the pipeline's rows go */
    uint32_t shards_max;
    int64_t began_ns;
};

/* Hdr histogram → the report's figures. */
void spread_fill(const struct hdr *hdr, struct bench_spread *ret);

void bench_say(struct bench *bench, const char *format, ...) PRINTF_LIKE(2, 3);

/* A line of the history: what kind of run, when, of which pipeline, and its row of the report. */
void bench_history(struct bench *bench, const char *kind, const struct shape *shape,
                   const void *row);

/* Sleeps; -EINTR after a signal. */
MUST_USE int bench_sleep(double seconds, struct err *err);

/* Events per second of the live run, which is made if there is none: the load that 100 % means. */
MUST_USE int bench_saturation(struct bench *bench, double *ret, struct err *err);

struct throughput_wanted {
    enum bench_sink sink;
    uint32_t shards;
    const char *const *topics;
    uint64_t produced;
    double span_s;
    bool live;
};

/* One run to the end of what is in the topics, into a row of the report and the history. The
 * engine goes on running as *ret_child. */
MUST_USE int throughput_run(struct bench *bench, const struct throughput_wanted *wanted,
                            struct bench_throughput *ret, struct child *ret_child, struct err *err);

/* Waits until the engine has read `produced` records and Redis has answered everything. */
MUST_USE int child_await_all(struct child *child, double produced, struct engine_sample *ret,
                             struct err *err);

/* The steps. */
int step_throughput(struct bench *bench, struct err *err);
int step_latency(struct bench *bench, struct err *err);
int step_checkpoints(struct bench *bench, struct err *err);
int step_recovery(struct bench *bench, struct err *err);
int step_overload(struct bench *bench, struct err *err);
int step_slow_redis(struct bench *bench, struct err *err);

#endif
