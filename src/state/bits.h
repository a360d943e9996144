/* bits - a set of small numbers, that grows. Owned by one shard. */
#ifndef FRESHET_STATE_BITS_H
#define FRESHET_STATE_BITS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"

#define BITS_NONE UINT32_MAX

/* Zeroed is empty. */
struct bits {
    uint64_t *words;
    uint32_t count; /* of words */
};

void bits_done(struct bits *bits, struct arena *arena);

/* Room for the numbers below `count`. */
void bits_grow(struct bits *bits, struct arena *arena, uint32_t count);

/* Adds all numbers below `count`. */
void bits_fill(struct bits *bits, struct arena *arena, uint32_t count);

/* Adds all numbers of another set. */
void bits_merge(struct bits *bits, struct arena *arena, const struct bits *from);

void bits_clear(struct bits *bits);

/* The least number that is not below `from`, or BITS_NONE. */
uint32_t bits_next(const struct bits *bits, uint32_t from);

static inline void bits_add(struct bits *bits, struct arena *arena, uint32_t number)
{
    if (number / 64 >= bits->count)
        bits_grow(bits, arena, number + 1);
    bits->words[number / 64] |= UINT64_C(1) << number % 64;
}

static inline bool bits_has(const struct bits *bits, uint32_t number)
{
    return number / 64 < bits->count && bits->words[number / 64] >> number % 64 & 1;
}

static inline void bits_remove(struct bits *bits, uint32_t number)
{
    if (number / 64 < bits->count)
        bits->words[number / 64] &= ~(UINT64_C(1) << number % 64);
}

#endif
