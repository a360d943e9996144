/* micro - what one operation costs, taken out of the engine: the table of small benches.
 *
 *   begin ─▶ prepare ─▶ run ─▶ prepare ─▶ run … ─▶ end        measured: run, `batch` operations
 *
 * All data come from fixed seeds and no clock is read, so that a bench executes the same
 * instructions whenever it runs: they are what is recorded (micro.recorded). Benches go by
 * the modules' headers and know nothing of what is behind them. One thread, but where said. */
#ifndef FRESHET_BENCH_MICRO_H
#define FRESHET_BENCH_MICRO_H

#include <stdint.h>

#include "base/hash.h"
#include "plan/plan.h"

struct micro {
    const char *name;    /* what it is/of what or of how many */
    uint32_t batch;      /* operations in a run */
    uint32_t runs;       /* that are counted, after a few that are not */
    uint32_t size;       /* of the subject: keys, panes, values */
    bool is_heavy;       /* not recorded: its set-up takes long under valgrind */
    bool has_thread;     /* not recorded: another thread takes part */
    const void *subject; /* whatever else the set-up goes by */
    void *(*begin)(const struct micro *micro);
    void (*prepare)(void *state); /* or NULL */
    void (*run)(void *state);
    void (*end)(void *state);
};

struct micro_table {
    const struct micro *benches;
    uint32_t count;
};

extern const struct micro_table micro_base;  /* base.c: histograms, rings */
extern const struct micro_table micro_core;  /* core.c: decode, keys, panes, decode to apply */
extern const struct micro_table micro_cells; /* cells.c: each kind of feature */
extern const struct micro_table micro_sinks; /* sinks.c: RESP, JSON */

/* The plan of a text that is right, or of examples/NAME.yaml; or the process ends. */
struct plan *micro_plan(struct slice text);
struct plan *micro_example(const char *name);

/* Zeroed; or the process ends. */
void *micro_calloc(size_t size);

static inline uint64_t micro_random(uint64_t *state)
{
    *state += 1;
    return hash64_int(*state);
}

/* The value is used, as far as the compiler knows. */
#define MICRO_USE(value) __asm__ volatile("" : : "g"(value) : "memory")

#endif
