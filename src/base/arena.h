/* arena - memory of one shard, counted.
 *
 * A jemalloc arena with a thread cache of its own, so that what a shard allocates lies together, is
 * never contended, and is measured. Only the thread that owns it allocates and frees; the count may
 * be read by any thread. Callers know the sizes of what they free, so nothing is looked up.
 * When memory is out the process ends: state is bounded before it comes to that. */
#ifndef FRESHET_BASE_ARENA_H
#define FRESHET_BASE_ARENA_H

#include <stdatomic.h>
#include <stddef.h>

struct arena {
    int alloc_flags;           /* MALLOCX_ARENA | MALLOCX_TCACHE */
    int free_flags;            /* MALLOCX_TCACHE */
    unsigned index;            /* jemalloc's number of the arena */
    unsigned cache;            /* and of the thread cache */
    _Atomic size_t used_bytes; /* asked for and not yet freed */
};

void arena_init(struct arena *arena);

/* Everything allocated from it must have been freed. */
void arena_done(struct arena *arena);

/* What the calling thread gets from malloc comes from an arena of its own from now on, so that its
 * writes share no cache line with another thread's. That arena stays: others may free from it. */
void arena_own_malloc(void);

/* `size` > 0. Uninitialised. */
void *arena_alloc(struct arena *arena, size_t size);
void *arena_calloc(struct arena *arena, size_t size);

/* Keeps the first min(old_size, new_size) bytes. `memory` may be NULL with old_size 0. */
void *arena_resize(struct arena *arena, void *memory, size_t old_size, size_t new_size);

/* `memory` may be NULL, with size 0. */
void arena_free(struct arena *arena, void *memory, size_t size);

static inline size_t arena_used_bytes(struct arena *arena)
{
    return atomic_load_explicit(&arena->used_bytes, memory_order_relaxed);
}

#endif
