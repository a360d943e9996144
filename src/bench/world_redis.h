/* world_redis - what a bench asks of its Redis beside what the engine writes there. */
#ifndef FRESHET_BENCH_WORLD_REDIS_H
#define FRESHET_BENCH_WORLD_REDIS_H

#include "bench/world.h"

struct redisContext;

struct redis_figures {
    double cpu_s; /* of the server's process so far, user and system */
    double used_bytes;
    char version[32];
};

/* Is there a Redis that takes what the pipeline writes? Says where to name another. */
MUST_USE int redis_probe_world(struct world *world, struct err *err);

MUST_USE int redis_figures(struct world *world, struct redis_figures *ret, struct err *err);

/* Mean bytes of a key as MEMORY USAGE tells, of some hundred; NaN: there is none, or it can't. */
double redis_bytes_per_key(struct world *world);

/* Removes all keys of the bench, by their names: at the end, and so that a run finds none of
 * another.
 */
void keys_remove(struct world *world);

#endif
