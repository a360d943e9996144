/* cell_memory - where the cells of a paneset keep what does not fit into them, counted. */
#ifndef FRESHET_AGGREGATE_CELL_MEMORY_H
#define FRESHET_AGGREGATE_CELL_MEMORY_H

#include "aggregate/intern.h"

/* What a saved cell may say that it has seen: more than a million a second for four years. Bounds
 * 128-bit sums: those of all panes of a window stay below 2^127. */
#define CELL_EVENTS_MAX (UINT64_C(1) << 47)

struct cell_memory {
    struct arena *arena;
    struct intern *intern;
    int64_t bytes; /* held outside of the panes; shared strings are not in it */
};

static inline void *cell_memory_calloc(struct cell_memory *memory, size_t size)
{
    memory->bytes += (int64_t)size;
    return arena_calloc(memory->arena, size);
}

static inline void *cell_memory_resize(struct cell_memory *memory, void *old, size_t old_size,
                                       size_t new_size)
{
    memory->bytes += (int64_t)new_size - (int64_t)old_size;
    return arena_resize(memory->arena, old, old_size, new_size);
}

static inline void cell_memory_free(struct cell_memory *memory, void *old, size_t size)
{
    memory->bytes -= (int64_t)size;
    arena_free(memory->arena, old, size);
}

#endif
