#include "checkpoint/coordinator.h"

#include "base/clock.h"

#define LOOK_NS         (20 * NS_PER_MS)  /* outputs and group are looked at this often */
#define COMMIT_AGAIN_NS (200 * NS_PER_MS) /* after offsets were refused */

void coordinator_init(struct coordinator *coordinator, const struct coordinator_rules *rules)
{
    *coordinator = (struct coordinator){
        .rules = *rules, .due_ns = INT64_MAX, /* until there are partitions, which urge */
    };
}

void coordinator_number_used(struct coordinator *coordinator, uint64_t number)
{
    coordinator->number = MAX(coordinator->number, number);
}

bool coordinator_is_making(const struct coordinator *coordinator)
{
    return coordinator->making == MAKING_SOON || coordinator->making == MAKING_IT;
}

static int64_t deadline_after(const struct coordinator *coordinator, int64_t now_ns)
{
    int64_t deadline_ns = now_ns + coordinator->rules.timeout_ns;

    return coordinator_is_making(coordinator) ? MIN(deadline_ns, coordinator->making_until_ns)
                                              : deadline_ns;
}

/* Nothing begins any more: the process ends. */
static void over(struct coordinator *coordinator)
{
    coordinator->is_over = true;
    if (coordinator_is_making(coordinator))
        coordinator->making = MAKING_FAILED;
}

/* --- the stages --- */

static enum coordinator_step begin(struct coordinator *coordinator,
                                   const struct coordinator_facts *facts)
{
    coordinator->number = MAX(coordinator->number + 1, (uint64_t)facts->wall_ms);
    coordinator->begun_ns = facts->now_ns;
    coordinator->deadline_ns = deadline_after(coordinator, facts->now_ns);
    coordinator->is_urgent = false;
    if (coordinator->making == MAKING_SOON)
        coordinator->making = MAKING_IT;
    return COORDINATOR_MARK;
}

/* Somebody waits for it: it begins at once. */
static bool is_wanted(const struct coordinator *coordinator)
{
    return coordinator->is_urgent || coordinator->making == MAKING_SOON;
}

static enum coordinator_step idle_next(struct coordinator *coordinator,
                                       const struct coordinator_facts *facts)
{
    if (facts->is_lost)
        return COORDINATOR_LOSE;
    if (!facts->has_partitions) {
        if (coordinator->making == MAKING_SOON)
            coordinator->making = MAKING_DONE;
        return COORDINATOR_WAIT;
    }
    return is_wanted(coordinator) || facts->now_ns >= coordinator->due_ns
               ? begin(coordinator, facts)
               : COORDINATOR_WAIT;
}

static enum coordinator_step capture_next(struct coordinator *coordinator,
                                          const struct coordinator_facts *facts)
{
    if (coordinator->captured == coordinator->rules.shard_count && facts->is_stored)
        return facts->is_lost ? COORDINATOR_LOSE : COORDINATOR_FREEZE;
    /* An output that is away stops the shards where they are; that is no failure of a checkpoint.
     */
    if (facts->now_ns >= coordinator->deadline_ns && facts->is_full)
        coordinator->deadline_ns = deadline_after(coordinator, facts->now_ns);
    if (facts->now_ns < coordinator->deadline_ns)
        return COORDINATOR_WAIT;
    coordinator->is_aborted = true;
    return COORDINATOR_ABORT;
}

static enum coordinator_step wait_or_late(struct coordinator *coordinator,
                                          const struct coordinator_facts *facts)
{
    coordinator->look_ns = facts->now_ns + LOOK_NS;
    return facts->now_ns < coordinator->deadline_ns ? COORDINATOR_WAIT : COORDINATOR_LATE;
}

static enum coordinator_step flush_next(struct coordinator *coordinator,
                                        const struct coordinator_facts *facts)
{
    if (!facts->is_flushed)
        return wait_or_late(coordinator, facts);
    coordinator->look_ns = facts->now_ns;
    coordinator->stage = CHECKPOINT_COMMITTING;
    return COORDINATOR_WAIT;
}

static enum coordinator_step answer_next(struct coordinator *coordinator,
                                         const struct coordinator_facts *facts)
{
    switch (facts->answer) {
    case COORDINATOR_NO_ANSWER:
        return COORDINATOR_WAIT;
    case COORDINATOR_ACCEPTED:
        return COORDINATOR_PUBLISH;
    case COORDINATOR_NOT_NOW:
        coordinator->is_sent = false;
        coordinator->look_ns = facts->now_ns + COMMIT_AGAIN_NS;
        return facts->now_ns < coordinator->deadline_ns ? COORDINATOR_WAIT : COORDINATOR_REFUSED;
    case COORDINATOR_NEVER:
        coordinator->stage = CHECKPOINT_IDLE;
        over(coordinator);
        return COORDINATOR_FENCED;
    }
    UNREACHABLE();
}

static enum coordinator_step commit_next(struct coordinator *coordinator,
                                         const struct coordinator_facts *facts)
{
    if (coordinator->is_sent)
        return coordinator->rules.is_transactional ? COORDINATOR_COMMIT
                                                   : answer_next(coordinator, facts);
    if (!facts->may_commit)
        return wait_or_late(coordinator, facts);
    return facts->now_ns >= coordinator->look_ns ? COORDINATOR_COMMIT : COORDINATOR_WAIT;
}

enum coordinator_step coordinator_next(struct coordinator *coordinator,
                                       const struct coordinator_facts *facts)
{
    if (coordinator->is_over)
        return COORDINATOR_WAIT;
    switch (coordinator->stage) {
    case CHECKPOINT_IDLE:
        return idle_next(coordinator, facts);
    case CHECKPOINT_CAPTURING:
        return capture_next(coordinator, facts);
    case CHECKPOINT_FLUSHING:
        return flush_next(coordinator, facts);
    case CHECKPOINT_COMMITTING:
        return commit_next(coordinator, facts);
    }
    UNREACHABLE();
}

int64_t coordinator_due_ns(const struct coordinator *coordinator, bool has_partitions)
{
    if (coordinator->is_over)
        return INT64_MAX;
    switch (coordinator->stage) {
    case CHECKPOINT_IDLE:
        if (!has_partitions && coordinator->making != MAKING_SOON)
            return INT64_MAX;
        return is_wanted(coordinator) ? 0 : coordinator->due_ns;
    case CHECKPOINT_CAPTURING:
        return coordinator->deadline_ns;
    case CHECKPOINT_FLUSHING:
        return coordinator->look_ns;
    case CHECKPOINT_COMMITTING:
        return coordinator->is_sent && !coordinator->rules.is_transactional ? INT64_MAX
                                                                            : coordinator->look_ns;
    }
    UNREACHABLE();
}

/* --- what has come of a step --- */

void coordinator_marked(struct coordinator *coordinator)
{
    CHECK(coordinator->stage == CHECKPOINT_IDLE);
    coordinator->stage = CHECKPOINT_CAPTURING;
    coordinator->epoch++;
    coordinator->captured = 0;
    coordinator->is_all = coordinator->all_next;
    coordinator->all_next = false;
    coordinator->is_savepoint = coordinator->wants_savepoint;
    coordinator->wants_savepoint = false;
}

bool coordinator_captured(struct coordinator *coordinator, uint64_t number)
{
    if (coordinator->stage != CHECKPOINT_CAPTURING || number != coordinator->number)
        return false;
    CHECK(coordinator->captured < coordinator->rules.shard_count);
    coordinator->captured++;
    return true;
}

void coordinator_frozen(struct coordinator *coordinator)
{
    CHECK(coordinator->stage == CHECKPOINT_CAPTURING);
    coordinator->stage = CHECKPOINT_FLUSHING;
    coordinator->look_ns = 0;
}

void coordinator_sent(struct coordinator *coordinator)
{
    CHECK(coordinator->stage == CHECKPOINT_COMMITTING);
    coordinator->is_sent = true;
}

static void end(struct coordinator *coordinator, int64_t now_ns)
{
    const struct coordinator_rules *rules = &coordinator->rules;

    coordinator->stage = CHECKPOINT_IDLE;
    coordinator->is_sent = coordinator->is_aborted = coordinator->is_savepoint = false;
    coordinator->due_ns = MAX(coordinator->begun_ns + rules->every_ns,
                              now_ns + rules->min_pause_ns);
}

void coordinator_published(struct coordinator *coordinator, int64_t now_ns)
{
    CHECK(coordinator->stage == CHECKPOINT_COMMITTING && coordinator->is_sent);
    coordinator->failures = 0;
    if (coordinator->making == MAKING_IT)
        coordinator->making = MAKING_DONE;
    end(coordinator, now_ns);
}

struct coordinator_failure coordinator_failed(struct coordinator *coordinator, bool is_store_lost,
                                              int64_t now_ns)
{
    struct coordinator_failure failure = {
        .in_row = ++coordinator->failures,
        .is_marked = coordinator->stage != CHECKPOINT_IDLE,
        .is_frozen = coordinator->stage > CHECKPOINT_CAPTURING,
        .is_savepoint = coordinator->is_savepoint,
        .empties_store = is_store_lost || (coordinator->is_aborted && coordinator->is_all),
        .ends_process = coordinator->failures > coordinator->rules.tolerable_failures,
    };

    CHECK(!coordinator->is_sent); /* else it may be in force, or come into it */
    coordinator->all_next |= failure.empties_store;
    if (coordinator->making == MAKING_IT)
        coordinator->making = now_ns < coordinator->making_until_ns ? MAKING_SOON : MAKING_FAILED;
    if (failure.ends_process)
        over(coordinator);
    end(coordinator, now_ns);
    return failure;
}

/* --- what somebody wants --- */

void coordinator_urge(struct coordinator *coordinator)
{
    coordinator->is_urgent = true;
}

void coordinator_savepoint(struct coordinator *coordinator)
{
    coordinator->wants_savepoint = true;
    coordinator_urge(coordinator);
}

void coordinator_make(struct coordinator *coordinator, int64_t until_ns)
{
    CHECK(!coordinator_is_making(coordinator));
    coordinator->making = MAKING_SOON;
    coordinator->making_until_ns = until_ns;
    coordinator->deadline_ns = MIN(coordinator->deadline_ns, until_ns);
}
