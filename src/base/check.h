/* check - what the code relies on, stated and always tested.
 *
 * CHECK is for mistakes in freshet itself. Bytes from outside never reach one: they are refused
 * with an error or counted as an outcome where they enter. */
#ifndef FRESHET_BASE_CHECK_H
#define FRESHET_BASE_CHECK_H

#include <stdio.h>
#include <stdlib.h>

#define LIKELY(condition)             __builtin_expect(!!(condition), 1)
#define UNLIKELY(condition)           __builtin_expect(!!(condition), 0)
#define MUST_USE                      __attribute__((warn_unused_result))
#define PRINTF_LIKE(text_at, args_at) __attribute__((format(printf, text_at, args_at)))

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (UNLIKELY(!(condition))) {                                                              \
            fprintf(stderr, "%s:%d: %s: CHECK(%s) failed\n", __FILE__, __LINE__, __func__,         \
                    #condition);                                                                   \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

#define UNREACHABLE()                                                                              \
    do {                                                                                           \
        fprintf(stderr, "%s:%d: %s: unreachable\n", __FILE__, __LINE__, __func__);                 \
        abort();                                                                                   \
    } while (0)

#define ARRAY_LEN(array) (sizeof(array) / sizeof((array)[0]))
#define MIN(a, b)        ((a) < (b) ? (a) : (b))
#define MAX(a, b)        ((a) > (b) ? (a) : (b))
#define CACHE_LINE       64

#endif
