/* testing - what the unit tests share: cmocka, random numbers from a seed, assertions that name it.
 *
 * A test's cases have the seeds first, first + 1, …; a failure says which. FRESHET_TEST_SEED=n
 * makes n the first one, FRESHET_TEST_ROUNDS=n runs n times as many. */
#ifndef FRESHET_TESTS_TESTING_H
#define FRESHET_TESTS_TESTING_H

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "freshet/slice.h"

static uint64_t test_seed; /* of the case that is running */

static uint64_t random_state;

static inline void random_begin(uint64_t seed)
{
    test_seed = random_state = seed;
}

/* SplitMix64. */
static inline uint64_t random_next(void)
{
    uint64_t z = random_state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* 0 .. limit - 1 */
static inline uint64_t random_below(uint64_t limit)
{
    return random_next() % limit;
}

/* min .. max */
static inline int64_t random_between(int64_t min, int64_t max)
{
    return (int64_t)((uint64_t)min + random_below((uint64_t)max - (uint64_t)min + 1));
}

static inline bool random_chance(unsigned percent)
{
    return random_below(100) < percent;
}

/* Any number of bits, so that small and large values are equally likely. */
static inline uint64_t random_bits(void)
{
    return random_next() >> random_below(64);
}

static inline int64_t random_int64(void)
{
    uint64_t bits = random_bits();

    return (int64_t)(random_chance(50) ? bits : 0 - bits);
}

static inline uint64_t number_from_environment(const char *name, uint64_t fallback)
{
    const char *text = getenv(name);

    return text ? strtoull(text, NULL, 0) : fallback;
}

/* for (FIRST_SEED; MORE_SEEDS(count); NEXT_SEED) { … } */
#define FIRST_SEED                                                                                 \
    uint64_t seed_first_ = number_from_environment("FRESHET_TEST_SEED", 1), seed_ = seed_first_
#define MORE_SEEDS(count)                                                                          \
    (seed_ < seed_first_ + (count)*number_from_environment("FRESHET_TEST_ROUNDS", 1)               \
         ? (random_begin(seed_), true)                                                             \
         : false)
#define NEXT_SEED seed_++

#define ENSURE(condition)                                                                          \
    do {                                                                                           \
        if (!(condition))                                                                          \
            fail_msg("seed %" PRIu64 ": not so: %s", test_seed, #condition);                       \
    } while (0)

#define ENSURE_INT(got, wanted)                                                                    \
    do {                                                                                           \
        int64_t got_ = (int64_t)(got);                                                             \
        int64_t wanted_ = (int64_t)(wanted);                                                       \
        if (got_ != wanted_)                                                                       \
            fail_msg("seed %" PRIu64 ": %s is %" PRId64 ", not %" PRId64, test_seed, #got, got_,   \
                     wanted_);                                                                     \
    } while (0)

#define ENSURE_TEXT(got, wanted)                                                                   \
    do {                                                                                           \
        struct slice got_ = (got);                                                                 \
        struct slice wanted_ = (wanted);                                                           \
        if (!slice_equal(got_, wanted_))                                                           \
            fail_msg("seed %" PRIu64 ": %s is \"%.*s\", not \"%.*s\"", test_seed, #got,            \
                     SLICE_ARGS(got_), SLICE_ARGS(wanted_));                                       \
    } while (0)

#endif
