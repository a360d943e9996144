/* guarded - bytes that end where readable memory ends: a read behind them is a crash, in libraries
 * without instrumentation too. */
#ifndef FRESHET_TESTS_GUARDED_H
#define FRESHET_TESTS_GUARDED_H

#include <sys/mman.h>
#include <unistd.h>

#include "base/check.h"
#include "freshet/slice.h"

struct guarded {
    char *pages;
    size_t size; /* without the page that must not be read */
};

static inline struct guarded guarded_create(size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    struct guarded guarded = {.size = (size + page - 1) / page * page};

    guarded.pages = mmap(NULL, guarded.size + page, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(guarded.pages != MAP_FAILED);
    CHECK(mprotect(guarded.pages + guarded.size, page, PROT_NONE) == 0);
    return guarded;
}

static inline void guarded_free(struct guarded *guarded)
{
    munmap(guarded->pages, guarded->size + (size_t)sysconf(_SC_PAGESIZE));
}

/* A copy that lasts until the next one. */
static inline struct slice guarded_copy(const struct guarded *guarded, struct slice text)
{
    char *copy = guarded->pages + guarded->size - text.len;

    CHECK(text.len <= guarded->size);
    memcpy(copy, text.data, text.len);
    return (struct slice){copy, text.len};
}

#endif
