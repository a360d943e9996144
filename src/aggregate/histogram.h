/* histogram - how often each value occurs: exact to `limit` values, the others under "__other__".
 *
 * A cell is one word: 0, an entry itself while there is only one, or a pointer to a table of them.
 *
 *   entry    1 | number of the interned value (27 bits) | count (36 bits)
 *   table    { len, cap, other, entries[cap] }       open addressing by the value's number
 *
 * The top bit tells an entry from a pointer. Counts stop at 2^36 - 1. A pane keeps the first
 * `limit` values that it sees; a window with more than `limit` values keeps the most frequent (of
 * equal ones the smaller text). The counts of what is kept and of "__other__" add up to the number
 * of events. */
#ifndef FRESHET_AGGREGATE_HISTOGRAM_H
#define FRESHET_AGGREGATE_HISTOGRAM_H

#include "aggregate/cell_memory.h"
#include "base/buf.h"

void histogram_add(uint64_t *cell, struct slice value, uint32_t limit, struct cell_memory *memory);

/* Moves all of `from` into `into`; beyond `limit` values, into the others. */
void histogram_merge(uint64_t *into, uint64_t *from, uint32_t limit, struct cell_memory *memory);

void histogram_done(uint64_t *cell, struct cell_memory *memory);

struct histogram_count {
    uint32_t number;
    uint64_t count;
};

/* The sum of cells, for one evaluation; kept and used again. Zeroed is empty. */
struct histogram_sum {
    struct histogram_count *counts; /* in order of first sight */
    uint32_t len;
    uint32_t cap;
    uint32_t *slots;   /* index + 1 into counts, or 0; open addressing */
    uint32_t slot_cap; /* power of two, at least twice cap */
    uint64_t other;
};

void histogram_sum_free(struct histogram_sum *sum);
void histogram_sum_merge(struct histogram_sum *sum, uint64_t cell);

/* Appends {"value":count,…}, keys sorted bytewise, at most `limit` beside "__other__"; the sum is
 * then empty. */
void histogram_sum_take_json(struct histogram_sum *sum, uint32_t limit, const struct intern *intern,
                             struct buf *out);

#endif
