#include "base/hdr.h"

#include <math.h>

#include "base/check.h"

static uint64_t load(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

void hdr_merge(struct hdr *into, const struct hdr *from)
{
    for (unsigned i = 0; i < HDR_BUCKETS; i++) {
        uint64_t more = load(&from->buckets[i]);

        if (more)
            hdr_add_relaxed(&into->buckets[i], more);
    }
    hdr_add_relaxed(&into->count, load(&from->count));
    hdr_add_relaxed(&into->sum, load(&from->sum));
    if (load(&from->max) > load(&into->max))
        atomic_store_explicit(&into->max, load(&from->max), memory_order_relaxed);
}

int64_t hdr_quantile(const struct hdr *hdr, double q)
{
    /* The buckets themselves are summed: `count` may be ahead of or behind them. */
    uint64_t total = 0;

    for (unsigned i = 0; i < HDR_BUCKETS; i++)
        total += load(&hdr->buckets[i]);
    if (total == 0)
        return 0;

    uint64_t rank = (uint64_t)ceil(q * (double)total);
    uint64_t seen = 0;
    int64_t max = (int64_t)load(&hdr->max);

    rank = MAX(rank, UINT64_C(1));
    for (unsigned i = 0; i < HDR_BUCKETS; i++) {
        seen += load(&hdr->buckets[i]);
        if (seen >= rank)
            return MIN(hdr_bucket_top(i), max);
    }
    return max;
}
