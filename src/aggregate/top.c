#include "aggregate/top.h"

#include "base/check.h"
#include "base/hash.h"

void top_add(uint64_t *cell, struct slice value, struct cell_memory *memory)
{
    uint64_t hash = hash64(value);

    if (counts_raise(cell, value, hash, memory))
        return;
    if (counts_len(*cell) < TOP_COUNTERS)
        counts_put(cell, value, hash, memory); /* or it is left out: all numbers are taken */
    else
        counts_subtract(cell, 1, memory);
}

static int larger_first(const void *a, const void *b)
{
    const uint64_t *left = a;
    const uint64_t *right = b;

    return (*left < *right) - (*left > *right);
}

void top_merge(uint64_t *into, uint64_t *from, struct cell_memory *memory)
{
    uint64_t counts[2 * TOP_COUNTERS];

    counts_merge(into, from, UINT32_MAX, memory);
    uint32_t len = counts_len(*into);

    if (len <= TOP_COUNTERS)
        return;
    counts_list(*into, counts);
    qsort(counts, len, sizeof(counts[0]), larger_first);
    counts_subtract(into, counts[TOP_COUNTERS], memory);
}

uint32_t top_select(struct counts_sum *sum, uint32_t n, const struct intern *intern)
{
    uint32_t len = MIN(sum->len, n);

    counts_sum_select(sum, n, intern);
    if (len > 1)
        qsort_r(sum->counts, len, sizeof(*sum->counts), counts_by_frequency, (void *)intern);
    return len;
}
