/* lines - memory in cache lines of its own: what its writer writes there takes no line away from
 * another thread. Zeroed; the process ends when there is none. Given back by free. */
#ifndef FRESHET_BASE_LINES_H
#define FRESHET_BASE_LINES_H

#include <string.h>

#include "base/check.h"

static inline void *lines_calloc(size_t count, size_t size)
{
    size_t bytes = (count * size + CACHE_LINE - 1) & -(size_t)CACHE_LINE;
    void *memory = aligned_alloc(CACHE_LINE, MAX(bytes, (size_t)CACHE_LINE));

    CHECK(memory);
    return memset(memory, 0, MAX(bytes, (size_t)CACHE_LINE));
}

#endif
