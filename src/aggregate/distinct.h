/* distinct - how many different values: exact to 64 in a window, then HyperLogLog.
 *
 * A cell is one word:
 *
 *   0                 no value
 *   hash | 1          one value
 *   pointer | 2       a set of up to 64 hashes, in order of arrival
 *   pointer | 4       a HyperLogLog sketch
 *
 * Values stand for themselves by 64-bit hashes with the lowest bit set; that two values of one
 * window share all other 63 bits is left out of account (2^-52 for 64 values).
 *
 * A window's count is that of the union of its panes. It is exact as long as the union has no more
 * than 64 hashes, whatever the panes; beyond, it is the estimate from all hashes: both depend on
 * the values alone, not on how they came, or which panes they are spread over. */
#ifndef FRESHET_AGGREGATE_DISTINCT_H
#define FRESHET_AGGREGATE_DISTINCT_H

#include <stdbool.h>

#include "aggregate/cell_memory.h"
#include "aggregate/hll.h"

#define DISTINCT_EXACT_MAX   64
#define DISTINCT_UNION_SLOTS 256 /* power of two, four times what it holds */

void distinct_add(uint64_t *cell, uint64_t hash, struct cell_memory *memory);

/* Moves all of `from` into `into`. */
void distinct_merge(uint64_t *into, uint64_t *from, struct cell_memory *memory);

void distinct_done(uint64_t *cell, struct cell_memory *memory);

/* Appends what the cell holds, nothing if that is nothing:
 *
 *   hashes: uint | word … ascending         1 .. 64 hashes
 *   65: uint     | the sketch, as hll_save writes it */
void distinct_save(uint64_t cell, struct buf *out);

/* Reads all of `from`, which is not empty, into an empty cell. Returns 0, or -EBADMSG with the cell
 * empty. */
MUST_USE int distinct_load(uint64_t *cell, struct slice from, struct cell_memory *memory);

/* The union of cells, for one evaluation; kept and used again. Zeroed is empty. */
struct distinct_union {
    bool is_sketch;
    uint32_t len; /* of hashes, while it is no sketch */
    uint64_t hashes[DISTINCT_EXACT_MAX];
    uint64_t slots[DISTINCT_UNION_SLOTS]; /* the same hashes by open addressing; 0: empty */
    struct hll sketch;
};

void distinct_union_reset(struct distinct_union *all);
void distinct_union_merge(struct distinct_union *all, uint64_t cell);
int64_t distinct_union_count(const struct distinct_union *all);

#endif
