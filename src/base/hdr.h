/* hdr - a histogram of durations with a bounded relative error, after G. Tene's HdrHistogram.
 *
 *   value         0 … 127   128 … 255   256 … 511   512 … 1023   …
 *   bucket width     1          2           4            8
 *
 * Values are nanoseconds from 0 to about 18 minutes; larger ones count as the largest. One thread
 * records; any thread may read at any time and sees each bucket at some recent value. */
#ifndef FRESHET_BASE_HDR_H
#define FRESHET_BASE_HDR_H

#include <stdatomic.h>
#include <stdint.h>

#define HDR_SUB_BITS   6  /* 2^6 buckets an octave: relative error <= 1/64 */
#define HDR_VALUE_BITS 40 /* up to 2^40 ns: 18 minutes */
#define HDR_BUCKETS    ((HDR_VALUE_BITS - HDR_SUB_BITS + 1) << HDR_SUB_BITS)
#define HDR_VALUE_MAX  ((INT64_C(1) << HDR_VALUE_BITS) - 1)

struct hdr {
    _Atomic uint64_t count;
    _Atomic uint64_t sum; /* of the recorded values, ns */
    _Atomic uint64_t max;
    _Atomic uint64_t buckets[HDR_BUCKETS];
};

static inline unsigned hdr_bucket_of(int64_t value)
{
    uint64_t v = (uint64_t)value;
    /* Values below 2^(SUB+1) have a bucket each; above, the top SUB+1 bits choose. */
    unsigned bits = 63 - (unsigned)__builtin_clzll(v | (UINT64_C(1) << HDR_SUB_BITS));
    unsigned shift = bits - HDR_SUB_BITS;

    return (shift << HDR_SUB_BITS) + (unsigned)(v >> shift);
}

/* The largest value that falls into the bucket. */
static inline int64_t hdr_bucket_top(unsigned bucket)
{
    unsigned shift = bucket >> HDR_SUB_BITS;

    shift = shift ? shift - 1 : 0;
    uint64_t top = (uint64_t)bucket - ((uint64_t)shift << HDR_SUB_BITS);
    return (int64_t)(((top + 1) << shift) - 1);
}

static inline void hdr_add_relaxed(_Atomic uint64_t *counter, uint64_t more)
{
    uint64_t value = atomic_load_explicit(counter, memory_order_relaxed);

    atomic_store_explicit(counter, value + more, memory_order_relaxed);
}

/* Records `times` values at once; negative ones count as 0. */
static inline void hdr_record(struct hdr *hdr, int64_t value_ns, uint64_t times)
{
    value_ns = value_ns < 0 ? 0 : value_ns > HDR_VALUE_MAX ? HDR_VALUE_MAX : value_ns;
    hdr_add_relaxed(&hdr->buckets[hdr_bucket_of(value_ns)], times);
    hdr_add_relaxed(&hdr->count, times);
    hdr_add_relaxed(&hdr->sum, (uint64_t)value_ns * times);
    if ((uint64_t)value_ns > atomic_load_explicit(&hdr->max, memory_order_relaxed))
        atomic_store_explicit(&hdr->max, (uint64_t)value_ns, memory_order_relaxed);
}

/* Adds what `from` holds to `into`, which no other thread writes. */
void hdr_merge(struct hdr *into, const struct hdr *from);

/* The value that the fraction `q` (0 .. 1) of the recorded ones does not exceed; 0 if there is
 * none. Not below the true one and at most 1/64 above it. */
int64_t hdr_quantile(const struct hdr *hdr, double q);

#endif
