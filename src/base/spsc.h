/* spsc - a bounded ring of pointers between one producer and one consumer thread.
 *
 *   slots   [ . . a b c . . . ]      head: next to take (written by the consumer)
 *                 ^head ^tail        tail: next to fill (written by the producer)
 *
 * Positions count up for ever and are masked into the power-of-two ring, so full is tail - head ==
 * capacity and no slot is wasted. Each side keeps a copy of the other's position on its own cache
 * line and reads the shared one only when the copy says full or empty (L. Lamport's ring with the
 * caching of Lee et al., "MCRingBuffer", 2010). A push happens before the pop that returns it. */
#ifndef FRESHET_BASE_SPSC_H
#define FRESHET_BASE_SPSC_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/check.h"

struct spsc {
    alignas(CACHE_LINE) _Atomic size_t head; /* consumer's line */
    size_t tail_seen;
    alignas(CACHE_LINE) _Atomic size_t tail; /* producer's line */
    size_t head_seen;
    alignas(CACHE_LINE) size_t mask; /* never written after init */
    void **slots;
};

/* `capacity` is a power of two. */
void spsc_init(struct spsc *ring, size_t capacity);
void spsc_done(struct spsc *ring);

/* Producer: false when the ring is full. `item` is not NULL. */
static inline bool spsc_push(struct spsc *ring, void *item)
{
    size_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);

    if (tail - ring->head_seen > ring->mask) {
        ring->head_seen = atomic_load_explicit(&ring->head, memory_order_acquire);
        if (tail - ring->head_seen > ring->mask)
            return false;
    }
    ring->slots[tail & ring->mask] = item;
    atomic_store_explicit(&ring->tail, tail + 1, memory_order_release);
    return true;
}

/* Consumer: NULL when the ring is empty. */
static inline void *spsc_pop(struct spsc *ring)
{
    size_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);

    if (head == ring->tail_seen) {
        ring->tail_seen = atomic_load_explicit(&ring->tail, memory_order_acquire);
        if (head == ring->tail_seen)
            return NULL;
    }
    void *item = ring->slots[head & ring->mask];
    atomic_store_explicit(&ring->head, head + 1, memory_order_release);
    return item;
}

/* Any thread: how many items lie in the ring, true at some moment of the call. */
static inline size_t spsc_count(struct spsc *ring)
{
    size_t head = atomic_load_explicit(&ring->head, memory_order_acquire);
    size_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);

    return tail - head;
}

#endif
