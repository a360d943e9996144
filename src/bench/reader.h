/* reader - a client that polls Redis until it shows what was sent: when is a feature fresh for the
 * one who asks?
 *
 * A view that is emitted on_update shows in <view>.window_end the time of the newest event. A
 * probe's time is its own, so once that stands there, its event can be seen. */
#ifndef FRESHET_BENCH_READER_H
#define FRESHET_BENCH_READER_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/hdr.h"
#include "bench/load.h"

struct redisContext;

struct reader {
    const struct plan_redis *redis;
    struct probes *probes;
    const struct load *load; /* whose measure_ns counts */
    struct redisContext *context;
    char *keys[PROBE_SLOTS];
    char *field;
    pthread_t thread;
    _Atomic bool stop;
    _Atomic uint64_t invisible; /* not seen within READER_PATIENCE */
    struct hdr latency;         /* intended send → seen */
};

#define READER_PATIENCE_NS (5 * NS_PER_S)

/* `view`: whose rows are looked for; its source is the probes'. */
MUST_USE int reader_start(struct reader *reader, struct world *world, const struct plan_view *view,
                          struct load *load, struct probes *probes, struct err *err);

/* Between two measurements, with no load running. */
void reader_clear(struct reader *reader);

/* Waits for probes under way, at most so long as one may take. */
void reader_settle(struct reader *reader);

void reader_stop(struct reader *reader);

#endif
