/* hll - HyperLogLog: how many different hashes were added, in 4 KiB.
 *
 * P. Flajolet et al., "HyperLogLog: the analysis of a near-optimal cardinality estimation
 * algorithm" (2007), with 2^12 one-byte registers over 64-bit hashes: relative standard error 1.04
 * / 64 = 1.6 %. The estimate is O. Ertl's, "New cardinality estimation algorithms for HyperLogLog
 * sketches" (2017), section 4, "improved raw estimator": unbiased over the whole range, without
 * tables. The sketch of a union is the maximum of the sketches. */
#ifndef FRESHET_AGGREGATE_HLL_H
#define FRESHET_AGGREGATE_HLL_H

#include <stdint.h>

#include "base/buf.h"

#define HLL_BITS      12
#define HLL_REGISTERS (1 << HLL_BITS)

/* A register holds the largest rank (position of the first 1 bit behind the index bits, from 1) of
 * the hashes that share its index; 0: none. Zeroed is the empty sketch. */
struct hll {
    uint8_t registers[HLL_REGISTERS];
};

static inline void hll_add(struct hll *hll, uint64_t hash)
{
    uint32_t index = (uint32_t)(hash >> (64 - HLL_BITS));
    /* The bit set below the hash's own ends the count at 64 - HLL_BITS + 1. */
    uint64_t rest = hash << HLL_BITS | UINT64_C(1) << (HLL_BITS - 1);
    uint8_t rank = (uint8_t)(__builtin_clzll(rest) + 1);

    if (rank > hll->registers[index])
        hll->registers[index] = rank;
}

void hll_merge(struct hll *into, const struct hll *from);

/* The estimated number of different hashes. */
double hll_estimate(const struct hll *hll);

/* Appends the sketch, which is not empty:
 *
 *   used registers: uint | up to 1024 of them: (unused ones before it * 64 + rank: uint) …
 *                        | more: all registers, 6 bits each, 3072 bytes */
void hll_save(const struct hll *hll, struct buf *out);

/* Reads it into an empty sketch. Returns 0, or -EBADMSG with anything in the sketch. */
MUST_USE int hll_load(struct hll *hll, struct slice *from);

#endif
