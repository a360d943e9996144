/* counter - a number that one thread writes and any thread reads, without locks.
 *
 * Reads and writes are relaxed: a reader sees some recent value of each counter, not a consistent
 * set of them. Put the counters of one thread together and cache-line aligned. */
#ifndef FRESHET_METRICS_COUNTER_H
#define FRESHET_METRICS_COUNTER_H

#include <stdatomic.h>
#include <stdint.h>

struct counter {
    _Atomic uint64_t value;
};

/* A value that goes up and down. */
struct gauge {
    _Atomic int64_t value;
};

static inline void counter_add(struct counter *counter, uint64_t more)
{
    uint64_t value = atomic_load_explicit(&counter->value, memory_order_relaxed);

    atomic_store_explicit(&counter->value, value + more, memory_order_relaxed);
}

static inline uint64_t counter_get(const struct counter *counter)
{
    return atomic_load_explicit(&counter->value, memory_order_relaxed);
}

static inline void gauge_set(struct gauge *gauge, int64_t value)
{
    atomic_store_explicit(&gauge->value, value, memory_order_relaxed);
}

static inline void gauge_add(struct gauge *gauge, int64_t more)
{
    int64_t value = atomic_load_explicit(&gauge->value, memory_order_relaxed);

    atomic_store_explicit(&gauge->value, value + more, memory_order_relaxed);
}

static inline int64_t gauge_get(const struct gauge *gauge)
{
    return atomic_load_explicit(&gauge->value, memory_order_relaxed);
}

#endif
