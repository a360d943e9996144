/* counts - how often each of some values occurs: what histogram and top keep.
 *
 * A cell is one word: 0, an entry itself while there is only one, or a pointer to a table of them.
 *
 *   entry    1 | number of the interned value (27 bits) | count (36 bits)
 *   table    { len, cap, rest, entries[cap] }        open addressing by the value's number
 *
 * The top bit tells an entry from a pointer. Counts stop at 2^36 - 1. `rest` counts events whose
 * value has no entry. An entry holds one reference to its value. Nothing here bounds the number of
 * entries: the callers do. */
#ifndef FRESHET_AGGREGATE_COUNTS_H
#define FRESHET_AGGREGATE_COUNTS_H

#include <stdbool.h>

#include "aggregate/cell_memory.h"
#include "plan/plan.h"

/* How many values have an entry. */
uint32_t counts_len(uint64_t cell);

/* One more of a value that has an entry; false if it has none. `hash` is hash64(value). */
bool counts_raise(uint64_t *cell, struct slice value, uint64_t hash, struct cell_memory *memory);

/* The first of a value without an entry; false if it finds no number (intern_take). */
bool counts_put(uint64_t *cell, struct slice value, uint64_t hash, struct cell_memory *memory);

void counts_add_rest(uint64_t *cell, uint64_t count, struct cell_memory *memory);

/* Takes `amount` from every count; those that come to nothing lose their entries. */
void counts_subtract(uint64_t *cell, uint64_t amount, struct cell_memory *memory);

/* The counts, in any order, to `ret_counts`, which has room for counts_len of them. */
void counts_list(uint64_t cell, uint64_t *ret_counts);

/* Moves all of `from` into `into`; new values beyond `limit` entries, into the rest. Of new ones
 * the most frequent get what entries are left (of equal ones those of smaller text), so that the
 * values alone decide, not their numbers. */
void counts_merge(uint64_t *into, uint64_t *from, uint32_t limit, struct cell_memory *memory);

void counts_done(uint64_t *cell, struct cell_memory *memory);

/* Appends what the cell holds, nothing if that is nothing:
 *
 *   rest: uint | (value: text | count: uint) … ascending by the value's bytes, up to the end */
void counts_save(uint64_t cell, const struct intern *intern, struct buf *out);

/* Reads all of `from`, which is not empty, into an empty cell. Returns 0, or -EBADMSG with the cell
 * empty. Values are canonical texts of the field's; at most `limit` of them, and `rest_max` in the
 * rest. A value that finds no number goes to the rest, or is left out if there is none. */
MUST_USE int counts_load(uint64_t *cell, const struct plan_field *field, uint32_t limit,
                         uint64_t rest_max, struct slice from, struct cell_memory *memory);

struct value_count {
    uint32_t number; /* of the interned value */
    uint64_t count;
};

/* The sum of cells, for one evaluation; kept and used again. Zeroed is empty. As large as the cells
 * that are merged into it; memory comes from malloc. */
struct counts_sum {
    struct value_count *counts; /* in order of first sight */
    uint32_t len;
    uint32_t cap;
    uint32_t *slots;   /* index + 1 into counts, or 0; open addressing */
    uint32_t slot_cap; /* power of two, at least twice cap */
    uint64_t rest;
};

void counts_sum_free(struct counts_sum *sum);
void counts_sum_reset(struct counts_sum *sum);
void counts_sum_merge(struct counts_sum *sum, uint64_t cell);

/* Moves the `n` most frequent values (of equal ones those of smaller text) before all others, in
 * any order. From here to counts_sum_reset the caller may move counts, and merge nothing. */
void counts_sum_select(struct counts_sum *sum, uint32_t n, const struct intern *intern);

/* For qsort_r with the intern table: more frequent first, then by text; by text alone. */
int counts_by_frequency(const void *a, const void *b, void *intern);
int counts_by_text(const void *a, const void *b, void *intern);

#endif
