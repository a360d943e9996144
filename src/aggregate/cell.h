/* cell - the state of one aggregate in one pane, and the one place that knows all its kinds.
 *
 * Cells lie in their pane's bytes at plan_cell.offset, aligned to 8, all zero when empty. A new
 * kind: a row in plan/kinds.h, its cases in cell.c, codec.c and evaluate.c. */
#ifndef FRESHET_AGGREGATE_CELL_H
#define FRESHET_AGGREGATE_CELL_H

#include "aggregate/cell_memory.h"
#include "aggregate/finite.h"
#include "aggregate/moments.h"
#include "plan/plan.h"

/* A 128-bit integer, low half first: panes are aligned to 8 bytes only. Sums of int64 can't
 * overflow it. */
struct wide_int {
    uint64_t halves[2];
};

struct cell_mean_int {
    struct wide_int sum;
    uint64_t count;
};

struct cell_mean_double {
    double sum;
    uint64_t count;
};

struct cell_extremum_int {
    int64_t value;
    uint64_t present;
};

struct cell_extremum_double {
    double value;
    uint64_t present;
};

/* The cells that lie in their pane as a whole. */
union number_cell {
    uint64_t count;
    struct wide_int sum;
    double sum_double;
    struct cell_mean_int mean;
    struct cell_mean_double mean_double;
    struct cell_extremum_int extremum;
    struct cell_extremum_double extremum_double;
    struct moments moments;
};

static inline __int128 wide_int_get(const struct wide_int *wide)
{
    __int128 value;

    memcpy(&value, wide, sizeof(value));
    return value;
}

static inline void wide_int_add(struct wide_int *wide, __int128 more)
{
    __int128 value = wide_int_get(wide) + more;

    memcpy(wide, &value, sizeof(value));
}

/* Adds one event's value to the cell. `field` and `value` are those of the cell's field, which the
 * event has; both NULL for a cell that takes every event. The event is read for its place in the
 * order. */
void cell_add(const struct plan_cell *plan, const struct plan_field *field,
              const struct field_value *value, const struct event *event, char *pane,
              struct cell_memory *memory);

/* Merges a cell into another of the same kind, one of those in number_cell. */
void cell_merge_number(enum cell_kind kind, void *into, const void *from);

/* Merges the cells of one pane into those of another, for sessions that join, and empties `from`.
 * `into` is then what it would be, had all events been added to it; beyond what is kept exactly, it
 * stays within the kind's bound. Which of two panes is `into` makes no other difference. */
void pane_cells_merge(const struct plan_paneset *plan, char *into, char *from,
                      struct cell_memory *memory);

/* Fetches what the cells of a pane hold outside of it into the cache. */
void pane_cells_prefetch(const struct plan_paneset *plan, const char *pane);

/* Frees what the cells of a pane hold outside of it, and empties them. */
void pane_cells_done(const struct plan_paneset *plan, char *pane, struct cell_memory *memory);

#endif
