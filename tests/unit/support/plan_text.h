/* plan_text - a plan from a pipeline file that stands in the test. */
#ifndef FRESHET_TESTS_PLAN_TEXT_H
#define FRESHET_TESTS_PLAN_TEXT_H

#include "plan/plan.h"
#include "testing.h"

static inline struct plan *plan_of_text(const char *text)
{
    struct plan *plan = NULL;
    struct buf messages = {0};

    if (plan_parse("f.yaml", slice_of(text), &plan, &messages) != 0)
        fail_msg("seed %" PRIu64 ": refused:\n%s\n%s", test_seed, buf_string(&messages), text);
    buf_free(&messages);
    return plan;
}

#endif
