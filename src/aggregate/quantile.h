/* quantile - the distribution of numbers within a relative error of 1 %.
 *
 * C. Masson, J. E. Rim, H. K. Lee, "DDSketch: a fast and fully-mergeable quantile sketch with
 * relative-error guarantees" (2019). With g = 1.01 / 0.99, bucket i counts the magnitudes x with
 * g^(i-1) < x <= g^i, and 0.99 * g^i is within 1 % of all of them. Positive and negative numbers
 * have buckets of their own, 0 a count.
 *
 *   cell ──▶ { count, zeroes, min, max, negative ──▶ [ i: n | i': n' | … ], positive ──▶ … }
 *
 * Only buckets that count something take room, 8 bytes each, in order of i. A cell keeps the 2048
 * of largest magnitude on each side, which span a factor of 10^17; what is smaller is counted by
 * the smallest of them, and loses the 1 %. The buckets depend on the numbers alone, not on their
 * order or on how cells were merged. Counts of a bucket stop at 2^44 - 1. */
#ifndef FRESHET_AGGREGATE_QUANTILE_H
#define FRESHET_AGGREGATE_QUANTILE_H

#include "aggregate/cell_memory.h"
#include "base/buf.h"

#define QUANTILE_ACCURACY    0.01
#define QUANTILE_BUCKETS_MAX 2048 /* of a cell, on each side */

/* `value` is finite. O(log buckets), a new bucket O(buckets). */
void quantile_add(uint64_t *cell, double value, struct cell_memory *memory);

/* Moves all of `from` into `into`. */
void quantile_merge(uint64_t *into, uint64_t *from, struct cell_memory *memory);

void quantile_done(uint64_t *cell, struct cell_memory *memory);

/* Appends what the cell holds, nothing if that is nothing:
 *
 *   count: uint | zeroes: uint | min: double | max: double, unless count is 1 | negative | positive
 *
 * and of each side, ascending:
 *
 *   buckets: uint | index: int | count: uint | (indices left out: uint | count: uint) … */
void quantile_save(uint64_t cell, struct buf *out);

/* Reads all of `from`, which is not empty, into an empty cell. Returns 0, or -EBADMSG with the cell
 * empty. */
MUST_USE int quantile_load(uint64_t *cell, struct slice from, struct cell_memory *memory);

/* Counts by bucket, all that lie between two in an array. */
struct quantile_range {
    uint64_t *counts; /* of the buckets first, first + 1, … */
    int32_t first;
    uint32_t cap;
    int32_t low; /* the buckets in use: low <= i < end */
    int32_t end;
};

/* The sum of cells, for one evaluation; kept and used again. Zeroed is empty. Doubles have 73,000
 * buckets on each side, which bounds it; memory comes from malloc. */
struct quantile_sum {
    uint64_t count;
    uint64_t zeroes;
    double min;
    double max;
    struct quantile_range negative;
    struct quantile_range positive;
};

void quantile_sum_free(struct quantile_sum *sum);
void quantile_sum_reset(struct quantile_sum *sum);
void quantile_sum_merge(struct quantile_sum *sum, uint64_t cell);

/* The number of rank floor(q * (count - 1)), from 0, ascending: within 1 %, the first and the last
 * exactly. The sum is not empty; 0 <= q <= 1. */
double quantile_sum_value(const struct quantile_sum *sum, double q);

#endif
