#include "base/arena.h"

#include <string.h>

#include "base/check.h"

#ifndef FRESHET_SANITIZED
#include <jemalloc/jemalloc.h>
#endif

static void count(struct arena *arena, ptrdiff_t bytes)
{
    /* Single writer: a plain add, without the cost of an atomic read-modify-write. */
    size_t used = atomic_load_explicit(&arena->used_bytes, memory_order_relaxed);

    atomic_store_explicit(&arena->used_bytes, used + (size_t)bytes, memory_order_relaxed);
}

#ifdef FRESHET_SANITIZED

void arena_init(struct arena *arena)
{
    memset(arena, 0, sizeof(*arena));
}

void arena_done(struct arena *arena)
{
    CHECK(arena_used_bytes(arena) == 0);
}

void arena_own_malloc(void)
{
}

void *arena_alloc(struct arena *arena, size_t size)
{
    void *memory = malloc(size);

    CHECK(memory);
    count(arena, (ptrdiff_t)size);
    return memory;
}

void *arena_calloc(struct arena *arena, size_t size)
{
    void *memory = calloc(1, size);

    CHECK(memory);
    count(arena, (ptrdiff_t)size);
    return memory;
}

void *arena_resize(struct arena *arena, void *memory, size_t old_size, size_t new_size)
{
    void *moved = realloc(memory, new_size);

    CHECK(moved);
    count(arena, (ptrdiff_t)new_size - (ptrdiff_t)old_size);
    return moved;
}

void arena_free(struct arena *arena, void *memory, size_t size)
{
    free(memory);
    count(arena, -(ptrdiff_t)size);
}

#else

void arena_init(struct arena *arena)
{
    size_t size = sizeof(unsigned);

    memset(arena, 0, sizeof(*arena));
    CHECK(mallctl("arenas.create", &arena->index, &size, NULL, 0) == 0);
    CHECK(mallctl("tcache.create", &arena->cache, &size, NULL, 0) == 0);
    arena->free_flags = MALLOCX_TCACHE(arena->cache);
    arena->alloc_flags = MALLOCX_ARENA(arena->index) | arena->free_flags;
}

void arena_done(struct arena *arena)
{
    char name[64];

    CHECK(arena_used_bytes(arena) == 0);
    mallctl("tcache.destroy", NULL, NULL, &arena->cache, sizeof(arena->cache));
    snprintf(name, sizeof(name), "arena.%u.destroy", arena->index);
    mallctl(name, NULL, NULL, NULL, 0);
}

void arena_own_malloc(void)
{
    unsigned index;
    size_t size = sizeof(index);

    CHECK(mallctl("arenas.create", &index, &size, NULL, 0) == 0);
    CHECK(mallctl("thread.arena", NULL, NULL, &index, sizeof(index)) == 0);
}

void *arena_alloc(struct arena *arena, size_t size)
{
    void *memory = mallocx(size, arena->alloc_flags);

    CHECK(memory);
    count(arena, (ptrdiff_t)size);
    return memory;
}

void *arena_resize(struct arena *arena, void *memory, size_t old_size, size_t new_size)
{
    void *moved = memory ? rallocx(memory, new_size, arena->alloc_flags)
                         : mallocx(new_size, arena->alloc_flags);

    CHECK(moved);
    count(arena, (ptrdiff_t)new_size - (ptrdiff_t)old_size);
    return moved;
}

void arena_free(struct arena *arena, void *memory, size_t size)
{
    if (!memory)
        return;
    sdallocx(memory, size, arena->free_flags);
    count(arena, -(ptrdiff_t)size);
}

void *arena_calloc(struct arena *arena, size_t size)
{
    /* Fresh pages come zeroed: a large table costs nothing until it is used. */
    void *memory = mallocx(size, arena->alloc_flags | MALLOCX_ZERO);

    CHECK(memory);
    count(arena, (ptrdiff_t)size);
    return memory;
}

#endif
