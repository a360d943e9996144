/* cell_bench - where cells under test keep what they hold; all of it must be given back. */
#ifndef FRESHET_TESTS_CELL_BENCH_H
#define FRESHET_TESTS_CELL_BENCH_H

#include "../support/testing.h"
#include "aggregate/cell_memory.h"

struct cell_bench {
    struct arena arena;
    struct intern intern;
    struct cell_memory memory;
};

static inline void cell_bench_init(struct cell_bench *bench)
{
    arena_init(&bench->arena);
    intern_init(&bench->intern, &bench->arena);
    bench->memory = (struct cell_memory){.arena = &bench->arena, .intern = &bench->intern};
}

static inline void cell_bench_done(struct cell_bench *bench)
{
    ENSURE_INT(bench->memory.bytes, 0);
    ENSURE_INT(bench->intern.live, 0);
    intern_done(&bench->intern);
    ENSURE_INT(arena_used_bytes(&bench->arena), 0);
    arena_done(&bench->arena);
}

#endif
