/* fuzz - what the fuzz targets share: the entry that libFuzzer, or replay.c, calls. */
#ifndef FRESHET_TESTS_FUZZ_H
#define FRESHET_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "freshet/slice.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A copy of exactly that size, so that a read behind its end is seen. To be freed. */
static inline char *exact_copy(const uint8_t *data, size_t size)
{
    char *copy = malloc(size ? size : 1);

    CHECK(copy);
    memcpy(copy, data, size);
    return copy;
}

#endif
