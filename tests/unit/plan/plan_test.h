/* plan_test - what the tests of the plan layer share. */
#ifndef FRESHET_TESTS_PLAN_TEST_H
#define FRESHET_TESTS_PLAN_TEST_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "plan/plan.h"

/* The least file that is right, with a field of every type. */
#define BASE_FILE                                                                                  \
    "pipeline: p\n"                           /* 1 */                                              \
    "kafka: {}\n"                             /* 2 */                                              \
    "sources:\n"                              /* 3 */                                              \
    "  s:\n"                                  /* 4 */                                              \
    "    topic: t\n"                          /* 5 */                                              \
    "    entity: user_id\n"                   /* 6 */                                              \
    "    time: {field: ts}\n"                 /* 7 */                                              \
    "    fields:\n"                           /* 8 */                                              \
    "      user_id: string\n"                 /* 9 */                                              \
    "      type: string\n"                    /* 10 */                                             \
    "      amount: decimal(2)\n"              /* 11 */                                             \
    "      count: int64\n"                    /* 12 */                                             \
    "      score: double\n"                   /* 13 */                                             \
    "      ok: bool\n"                        /* 14 */                                             \
    "      at: timestamp\n"                   /* 15 */                                             \
    "views:\n"                                /* 16 */                                             \
    "  v:\n"                                  /* 17 */                                             \
    "    source: s\n"                         /* 18 */                                             \
    "    window: {sliding: 1h, every: 10m}\n" /* 19 */                                             \
    "    features:\n"                         /* 20 */                                             \
    "      n: {count: true}\n"                /* 21 */

/* The file with the first `old` replaced; `old` must be there. To be freed. */
static inline char *replaced(const char *file, const char *old, const char *new)
{
    const char *at = strstr(file, old);
    struct buf text = {0};

    if (!at)
        fail_msg("the file does not hold \"%s\"", old);
    buf_append(&text, file, (size_t)(at - file));
    buf_append(&text, new, strlen(new));
    buf_append(&text, at + strlen(old), strlen(at) - strlen(old));
    buf_string(&text);
    return text.data;
}

static inline struct plan *plan_of(const char *text)
{
    struct plan *plan = NULL;
    struct buf messages = {0};
    int rc = plan_parse("f.yaml", slice_of(text), &plan, &messages);

    if (rc != 0)
        fail_msg("refused:\n%s", buf_string(&messages));
    assert_int_equal(messages.len, 0);
    assert_non_null(plan);
    buf_free(&messages);
    return plan;
}

/* The base file with `old` replaced, as a plan. */
static inline struct plan *plan_with(const char *old, const char *new)
{
    char *text = replaced(BASE_FILE, old, new);
    struct plan *plan = plan_of(text);

    free(text);
    return plan;
}

static inline const struct plan_field *field_of(const struct plan_source *source, const char *name)
{
    for (uint32_t i = 0; i < source->field_count; i++) {
        if (strcmp(source->fields[i].name, name) == 0)
            return &source->fields[i];
    }
    fail_msg("no field %s", name);
    return NULL;
}

static inline void assert_slice_equal(struct slice got, const char *expected)
{
    if (!slice_equal(got, slice_of(expected)))
        fail_msg("\"%.*s\" is not \"%s\"", SLICE_ARGS(got), expected);
}

/* What is said of a wrong file. To be freed. */
static inline char *messages_of(const char *text)
{
    struct plan *plan = NULL;
    struct buf messages = {0};
    int rc = plan_parse("f.yaml", slice_of(text), &plan, &messages);

    assert_int_equal(rc, -EINVAL);
    assert_null(plan);
    buf_string(&messages);
    return messages.data;
}

/* "f.yaml:" before each line. */
static inline char *with_file(const char *lines)
{
    struct buf text = {0};

    while (*lines) {
        const char *end = strchr(lines, '\n');

        assert_non_null(end);
        buf_printf(&text, "f.yaml:%.*s\n", (int)(end - lines), lines);
        lines = end + 1;
    }
    buf_string(&text);
    return text.data;
}

static inline void check_messages(const char *text, const char *expected)
{
    char *messages = messages_of(text);
    char *wanted = with_file(expected);

    assert_string_equal(messages, wanted);
    free(messages);
    free(wanted);
}

/* The base file with `old` replaced by `new` gives `expected`: a line a mistake, each without the
 * file's name that stands before it. */
struct mistake_case {
    const char *old;
    const char *new;
    const char *expected;
};

static inline void check_cases(const struct mistake_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char *text = replaced(BASE_FILE, cases[i].old, cases[i].new);

        check_messages(text, cases[i].expected);
        free(text);
    }
}

#endif
