/* child - the engine under test: a process of its own, `freshet run` on an adapted pipeline file.
 *
 *   start ─▶ (its log names its admin address) ─▶ reading ─▶ samples … ─▶ stop or kill ─▶ start
 * again
 *
 * It ends when the bench does, however that ends. */
#ifndef FRESHET_BENCH_CHILD_H
#define FRESHET_BENCH_CHILD_H

#include "bench/proc.h"
#include "bench/sample.h"
#include "bench/world.h"

enum bench_sink { SINK_NONE, SINK_FILE, SINK_REDIS, SINK_COUNT };

struct child_options {
    enum bench_sink sink;
    uint32_t shards;
    const char *const *topics;    /* by source */
    const char *checkpoint_every; /* or NULL: as the user's file has it */
    const char *redis_url;        /* or NULL: the world's */
};

struct child {
    struct world *world;
    pid_t pid; /* 0: not running */
    const char *folder;
    const char *file;
    const char *log;
    long log_begin; /* of this start */
    char host[16];
    struct plan_admin admin;
    struct buf page;
};

const char *bench_sink_name(enum bench_sink sink);

/* Starts one with a new group and folder and waits until it answers. Returns 0 or a negative errno,
 * with the last it said. */
MUST_USE int child_start(struct world *world, const struct child_options *options,
                         struct child *ret, struct err *err);

/* Starts the same one again, after a stop or kill. */
MUST_USE int child_start_again(struct child *child, struct err *err);

/* Waits until all its partitions are there. */
MUST_USE int child_await_reading(struct child *child, struct err *err);

MUST_USE int child_sample(struct child *child, struct engine_sample *ret, struct err *err);

/* Seconds that it took to load its state, as it said in this start; NaN: it has not. */
double child_loaded_s(const struct child *child);

/* One page into child->page; -EIO if it does not answer 200. */
MUST_USE int child_page(struct child *child, const char *page, struct err *err);

/* SIGTERM and its last checkpoint; it has to end with 0. */
MUST_USE int child_stop(struct child *child, struct err *err);

/* SIGKILL. Also of one that does not run. */
void child_kill(struct child *child);

/* Kills, and frees what it has. */
void child_done(struct child *child);

#endif
