/* hash - XXH3, 64 and 128 bits (https://xxhash.com). Routes keys to key groups and finds them in
 * tables, and stands for values in `distinct`. Part of what checkpoints and several processes agree
 * on: a change of function or seed is a change of format. */
#ifndef FRESHET_BASE_HASH_H
#define FRESHET_BASE_HASH_H

#include <stdint.h>
#include <xxhash.h>

#include "freshet/slice.h"

static inline uint64_t hash64(struct slice bytes)
{
    return XXH3_64bits(bytes.data, bytes.len);
}

struct hash128 {
    uint64_t low;
    uint64_t high;
};

/* Never zero. */
static inline struct hash128 hash128(struct slice bytes, uint64_t seed)
{
    XXH128_hash_t hash = XXH3_128bits_withSeed(bytes.data, bytes.len, seed);

    return (struct hash128){hash.low64 | (hash.low64 == 0 && hash.high64 == 0), hash.high64};
}

/* A bijection that spreads every bit of x over the result (the finalizer of SplitMix64). */
static inline uint64_t hash64_int(uint64_t x)
{
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

#endif
