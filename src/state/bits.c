#include "state/bits.h"

#include <string.h>

#include "base/check.h"

#define WORDS_FIRST 16

void bits_done(struct bits *bits, struct arena *arena)
{
    arena_free(arena, bits->words, bits->count * sizeof(*bits->words));
    *bits = (struct bits){0};
}

void bits_grow(struct bits *bits, struct arena *arena, uint32_t count)
{
    uint32_t needed = count / 64 + (count % 64 > 0);
    uint32_t words = MAX(bits->count, (uint32_t)WORDS_FIRST);

    if (needed <= bits->count)
        return;
    while (words < needed)
        words *= 2;
    bits->words = arena_resize(arena, bits->words, bits->count * sizeof(*bits->words),
                               words * sizeof(*bits->words));
    memset(bits->words + bits->count, 0, (words - bits->count) * sizeof(*bits->words));
    bits->count = words;
}

void bits_fill(struct bits *bits, struct arena *arena, uint32_t count)
{
    bits_grow(bits, arena, count);
    if (count / 64)
        memset(bits->words, 0xff, count / 64 * sizeof(*bits->words));
    if (count % 64)
        bits->words[count / 64] |= (UINT64_C(1) << count % 64) - 1;
}

void bits_merge(struct bits *bits, struct arena *arena, const struct bits *from)
{
    bits_grow(bits, arena, from->count * 64);
    for (uint32_t i = 0; i < from->count; i++)
        bits->words[i] |= from->words[i];
}

void bits_clear(struct bits *bits)
{
    if (bits->count)
        memset(bits->words, 0, bits->count * sizeof(*bits->words));
}

uint32_t bits_next(const struct bits *bits, uint32_t from)
{
    uint32_t word = from / 64;

    if (word >= bits->count)
        return BITS_NONE;
    uint64_t left = bits->words[word] & ~UINT64_C(0) << from % 64;

    while (left == 0) {
        if (++word == bits->count)
            return BITS_NONE;
        left = bits->words[word];
    }
    return word * 64 + (uint32_t)__builtin_ctzll(left);
}
