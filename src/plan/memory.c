#include "plan/memory.h"

#include <stdint.h>

#define CHUNK_BYTES 16384
#define ALIGNMENT   16

struct chunk {
    struct chunk *next;
    size_t used;
    size_t size;
    _Alignas(ALIGNMENT) char bytes[];
};

struct plan_memory {
    struct chunk *chunks; /* the first has the room */
};

static struct chunk *add_chunk(struct plan_memory *memory, size_t size)
{
    struct chunk *chunk = calloc(1, sizeof(*chunk) + size);

    CHECK(chunk);
    chunk->size = size;
    chunk->next = memory->chunks;
    memory->chunks = chunk;
    return chunk;
}

struct plan_memory *plan_memory_create(void)
{
    struct plan_memory *memory = calloc(1, sizeof(*memory));

    CHECK(memory);
    return memory;
}

void plan_memory_free(struct plan_memory *memory)
{
    if (!memory)
        return;
    while (memory->chunks) {
        struct chunk *next = memory->chunks->next;

        free(memory->chunks);
        memory->chunks = next;
    }
    free(memory);
}

void *plan_alloc(struct plan_memory *memory, size_t size)
{
    CHECK(size <= SIZE_MAX / 2);
#ifdef FRESHET_SANITIZED
    /* A chunk each, of the very size, so that the sanitizer sees where each piece ends. */
    return add_chunk(memory, size)->bytes;
#else
    struct chunk *chunk = memory->chunks;

    size = (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
    if (!chunk || chunk->size - chunk->used < size)
        chunk = add_chunk(memory, MAX(size, (size_t)CHUNK_BYTES));
    void *piece = chunk->bytes + chunk->used;
    chunk->used += size;
    return piece;
#endif
}

void *plan_alloc_array(struct plan_memory *memory, size_t count, size_t size)
{
    size_t bytes;

    CHECK(!__builtin_mul_overflow(count, size, &bytes));
    return plan_alloc(memory, bytes);
}

char *plan_text(struct plan_memory *memory, struct slice text)
{
    char *copy = plan_alloc(memory, text.len + 1);

    if (text.len)
        memcpy(copy, text.data, text.len);
    return copy;
}

struct slice plan_slice(struct plan_memory *memory, struct slice text)
{
    return (struct slice){plan_text(memory, text), text.len};
}

char *plan_vprintf(struct plan_memory *memory, const char *format, va_list args)
{
    va_list again;

    va_copy(again, args);
    int need = vsnprintf(NULL, 0, format, again);
    va_end(again);
    CHECK(need >= 0);

    char *text = plan_alloc(memory, (size_t)need + 1);
    vsnprintf(text, (size_t)need + 1, format, args);
    return text;
}

char *plan_printf(struct plan_memory *memory, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    char *text = plan_vprintf(memory, format, args);
    va_end(args);
    return text;
}
