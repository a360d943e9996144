/* latency - an engine under an open loop, for the steps that have one. */
#ifndef FRESHET_BENCH_LATENCY_H
#define FRESHET_BENCH_LATENCY_H

#include "bench/internal.h"

/* Of an engine since its start, all shards. */
struct histograms {
    struct hdr fetch;
    struct hdr fetched_redis;
    struct hdr turn;
};

/* Where everything stood at one instant. */
struct mark {
    struct engine_sample sample;
    struct histograms histograms;
    double sent;
};

struct measured {
    struct mark before;
    struct mark after;
    struct histograms between;
};

/* Large: on the heap. */
struct open_bench {
    struct bench *bench;
    struct child child;
    struct load load;
    struct probes probes;
    struct reader reader;
    const struct plan_view *view; /* that is probed, or NULL */
    uint32_t partitions;
};

MUST_USE int histograms_read(struct child *child, struct histograms *ret, struct err *err);
void histograms_less(const struct histograms *later, const struct histograms *earlier,
                     struct histograms *ret);

/* How long a rate is measured. */
double rate_seconds(const struct bench *bench);

/* Topics with few partitions (a client sends a request per partition and batch), an engine with the
 * final sink that reads them, a load that waits. `redis_url`: or NULL, the world's. On an error
 * there is nothing to be done with it. */
MUST_USE int open_bench_start(struct open_bench *open, struct bench *bench, const char *tag,
                              const char *checkpoint_every, const char *redis_url, struct err *err);
void open_bench_done(struct open_bench *open);

/* A warm-up, then what is measured, then the load ends and all is read and written. */
MUST_USE int open_bench_measure(struct open_bench *open, double rate, double seconds,
                                struct measured *ret, struct err *err);

/* Lets time pass while the load runs. */
MUST_USE int open_bench_wait(struct open_bench *open, double seconds, struct err *err);

/* Waits until all that was sent is read and written. */
MUST_USE int open_bench_drain(struct open_bench *open, struct err *err);

#endif
