/* engine - one running pipeline: the shards, and the control thread that looks after them.
 *
 *   control thread   group membership ─▶ commands ─▶ shards ─▶ reports
 *                    commits, file output, admin interface, stop
 *
 *   life     create ─▶ run: assigned ─▶ reading ─▶ (stop, or end of a bounded run) draining ─▶ done
 *
 * The thread that creates an engine is its control thread: it calls everything here, engine_stop
 * and the getters aside. */
#ifndef FRESHET_ENGINE_ENGINE_H
#define FRESHET_ENGINE_ENGINE_H

#include "shard/shard.h"
#include "uring/loop.h"

struct engine;

enum engine_phase {
    ENGINE_STARTING, /* no partitions yet */
    ENGINE_READING,
    ENGINE_DRAINING,
    ENGINE_DONE,
};

struct engine_options {
    bool bounded; /* read to the end offsets seen at start, let time run out, stop */
    bool fresh;   /* begin with empty state where the sources say, whatever was committed */
    /* Go on from this checkpoint ("": the newest), whatever was committed; or NULL. */
    const char *from_checkpoint;
    /* Called about every second while it runs; may be NULL. */
    void (*tick)(void *context, struct engine *engine);
    void *context;
};

/* Checks that Kafka, Redis, topics and io_uring are there and starts the shards. Returns 0 or a
 * negative errno with a text for a person; nothing has been read or written then. */
MUST_USE int engine_create(const struct plan *plan, const struct engine_options *options,
                           struct engine **ret, struct err *err);

/* Runs until it is stopped or, bounded, done. Returns 0 when all that was read is computed, written
 * and acknowledged, else a negative errno. */
MUST_USE int engine_run(struct engine *engine, struct err *err);

void engine_free(struct engine *engine);

/* Any thread, and signal handlers: read no more, write what is computed, and return from run. */
void engine_stop(struct engine *engine);

/* The control thread's loop, for what wants to run on it. */
struct loop *engine_loop(struct engine *engine);

/* Any thread, while the engine lives. */
const struct fleet *engine_fleet(const struct engine *engine);
enum engine_phase engine_phase(const struct engine *engine);

/* Control thread: how checkpoints are getting on (engine/checkpoints.h). */
const struct checkpoints *engine_checkpoints(const struct engine *engine);

/* Control thread: the last known end of a partition, or -1. */
int64_t engine_end_offset(struct engine *engine, uint32_t source, int32_t partition);

/* Monotonic time at which it was created. */
int64_t engine_started_ns(const struct engine *engine);

/* CPU time of all threads of the process since then, user and system. */
int64_t engine_cpu_ns(const struct engine *engine);

/* Bounded runs: records read so far and in all; both 0 before partitions are assigned. */
void engine_progress(const struct engine *engine, uint64_t *ret_done, uint64_t *ret_all);

#endif
