/* coordinator_world - a coordinator, what it is shown, and ways into its stages. */
#ifndef FRESHET_TESTS_CHECKPOINT_COORDINATOR_WORLD_H
#define FRESHET_TESTS_CHECKPOINT_COORDINATOR_WORLD_H

#include "../support/testing.h"

#include "base/clock.h"
#include "checkpoint/coordinator.h"

#define EVERY   (30 * NS_PER_S)
#define PAUSE   (5 * NS_PER_S)
#define TIMEOUT (60 * NS_PER_S)
#define BEGAN   (1000 * NS_PER_S) /* some time */
#define WALL_MS INT64_C(1795270530123)
#define SHARDS  2

static struct coordinator it;
static struct coordinator_facts facts;

static inline void begin_with(struct coordinator_rules rules)
{
    coordinator_init(&it, &rules);
    facts = (struct coordinator_facts){
        .now_ns = BEGAN,
        .wall_ms = WALL_MS,
        .has_partitions = true,
        .is_stored = true,
        .is_flushed = true,
        .may_commit = true,
    };
    coordinator_urge(&it);
}

static const struct coordinator_rules plain = {
    .every_ns = EVERY,
    .min_pause_ns = PAUSE,
    .timeout_ns = TIMEOUT,
    .tolerable_failures = 3,
    .shard_count = SHARDS,
};

static inline struct coordinator_rules transactional(void)
{
    struct coordinator_rules rules = plain;

    rules.is_transactional = true;
    return rules;
}

static inline int setup(void **state)
{
    (void)state;
    begin_with(plain);
    return 0;
}

#define NEXT(expected)        assert_int_equal(coordinator_next(&it, &facts), COORDINATOR_##expected)
#define NEXT_AT(ns, expected) (facts.now_ns = (ns), NEXT(expected))

static inline void capture_all(void)
{
    for (int i = 0; i < SHARDS; i++)
        assert_true(coordinator_captured(&it, it.number));
}

/* From idle into that stage, at the same instant. */
static inline void go_to(enum checkpoint_stage stage)
{
    if (stage == CHECKPOINT_IDLE)
        return;
    NEXT(MARK);
    coordinator_marked(&it);
    if (stage == CHECKPOINT_CAPTURING)
        return;
    capture_all();
    NEXT(FREEZE);
    coordinator_frozen(&it);
    if (stage == CHECKPOINT_FLUSHING)
        return;
    NEXT(WAIT);
    assert_int_equal(it.stage, CHECKPOINT_COMMITTING);
}

static inline void go_to_sent(void)
{
    go_to(CHECKPOINT_COMMITTING);
    NEXT(COMMIT);
    coordinator_sent(&it);
}

static inline void publish(void)
{
    if (!it.rules.is_transactional) {
        facts.answer = COORDINATOR_ACCEPTED;
        NEXT(PUBLISH);
    }
    coordinator_published(&it, facts.now_ns);
    facts.answer = COORDINATOR_NO_ANSWER;
}

/* One that comes into force at the instant at which it begins. */
static inline void make_one(void)
{
    go_to_sent();
    publish();
}

static inline struct coordinator_failure give_up(void)
{
    return coordinator_failed(&it, false, facts.now_ns);
}

static inline struct coordinator_failure lose(void)
{
    return coordinator_failed(&it, true, facts.now_ns);
}

#endif
