/* Random lives of a coordinator, each held against what must be true of every life. */
#include "coordinator_world.h"

/* What has happened, by what was told; the coordinator's own fields are not looked at. */
struct life {
    int64_t begun_ns; /* of the last one, or -1 */
    int64_t over_ns;
    bool is_urged;
    bool is_marked; /* the stages of the one under way */
    uint32_t captured;
    bool is_frozen;
    bool is_flushed;
    bool is_sent;
    bool is_accepted;
    uint32_t failures;
    int published;
    int failed;
};

static struct life life;

static void life_ends_one(void)
{
    life.is_marked = life.is_frozen = life.is_flushed = life.is_sent = life.is_accepted = false;
    life.captured = 0;
    life.over_ns = facts.now_ns;
}

static void life_fails(bool is_store_lost)
{
    struct coordinator_failure failure = coordinator_failed(&it, is_store_lost, facts.now_ns);

    ENSURE(!life.is_sent);
    ENSURE(failure.is_marked == life.is_marked && failure.is_frozen == life.is_frozen);
    ENSURE_INT(failure.in_row, ++life.failures);
    ENSURE(!failure.ends_process && (!is_store_lost || failure.empties_store));
    life.failed++;
    life_ends_one();
}

static void life_begins_one(void)
{
    bool is_due = life.begun_ns >= 0 &&
                  facts.now_ns >= MAX(life.begun_ns + EVERY, life.over_ns + PAUSE);

    ENSURE(!life.is_marked && facts.has_partitions && (life.is_urged || is_due));
    life.begun_ns = facts.now_ns;
    life.is_urged = false;
    if (random_chance(5)) {
        life_fails(true);
        return;
    }
    coordinator_marked(&it);
    life.is_marked = true;
}

static void life_commits(void)
{
    ENSURE(life.is_frozen && life.is_flushed);
    ENSURE(it.rules.is_transactional || !life.is_sent);
    ENSURE(life.is_sent || facts.may_commit);
    coordinator_sent(&it);
    life.is_sent = true;
    life.is_accepted = it.rules.is_transactional && random_chance(40);
}

static void life_publishes(void)
{
    ENSURE(life.is_accepted);
    coordinator_published(&it, facts.now_ns);
    life.failures = 0;
    life.published++;
    life_ends_one();
}

static bool is_late(void)
{
    return facts.now_ns >= life.begun_ns + TIMEOUT;
}

static void life_step(void)
{
    switch (coordinator_next(&it, &facts)) {
    case COORDINATOR_WAIT:
        life.is_flushed |= life.is_frozen && facts.is_flushed;
        life.is_sent &= facts.answer != COORDINATOR_NOT_NOW;
        ENSURE(!life.is_urged || !facts.has_partitions || life.is_marked);
        return;
    case COORDINATOR_MARK:
        life_begins_one();
        return;
    case COORDINATOR_LOSE:
        ENSURE(facts.is_lost && !life.is_frozen);
        ENSURE(!life.is_marked || life.captured == SHARDS);
        life_fails(true);
        return;
    case COORDINATOR_ABORT:
        ENSURE(life.is_marked && !life.is_frozen && is_late() && !facts.is_full);
        life_fails(false);
        return;
    case COORDINATOR_FREEZE:
        ENSURE(life.captured == SHARDS && facts.is_stored && !facts.is_lost && !life.is_frozen);
        life.is_frozen = random_chance(90);
        if (life.is_frozen)
            coordinator_frozen(&it);
        else
            life_fails(random_chance(50));
        return;
    case COORDINATOR_COMMIT:
        life_commits();
        if (!life.is_accepted)
            return;
        /* fallthrough */
    case COORDINATOR_PUBLISH:
        life_publishes();
        return;
    case COORDINATOR_LATE:
        ENSURE(life.is_frozen && is_late() && (!facts.is_flushed || !facts.may_commit));
        life_fails(false);
        return;
    case COORDINATOR_REFUSED:
        ENSURE(facts.answer == COORDINATOR_NOT_NOW && is_late());
        life.is_sent = false;
        life_fails(false);
        return;
    case COORDINATOR_FENCED:
        break;
    }
    UNREACHABLE();
}

static void life_happens(void)
{
    bool awaits = life.is_sent && !it.rules.is_transactional;

    facts.now_ns += (int64_t)random_below(random_chance(20) ? EVERY : NS_PER_S);
    facts.has_partitions = random_chance(80);
    facts.is_lost = random_chance(3);
    facts.is_stored = random_chance(70);
    facts.is_full = random_chance(10);
    facts.is_flushed = random_chance(50);
    facts.may_commit = random_chance(70);
    facts.answer = !awaits || random_chance(40) ? COORDINATOR_NO_ANSWER
                   : random_chance(50)          ? COORDINATOR_ACCEPTED
                                                : COORDINATOR_NOT_NOW;
    life.is_accepted = facts.answer == COORDINATOR_ACCEPTED;
    if (random_chance(3)) {
        coordinator_urge(&it);
        life.is_urged = true;
    }
    if (life.is_marked && !life.is_frozen && life.captured < SHARDS && random_chance(50)) {
        ENSURE(coordinator_captured(&it, it.number));
        life.captured++;
    }
}

static void every_life_keeps_the_order(void **state)
{
    int published = 0;
    int failed = 0;

    (void)state;
    for (FIRST_SEED; MORE_SEEDS(300); NEXT_SEED) {
        struct coordinator_rules rules = random_chance(50) ? plain : transactional();

        rules.tolerable_failures = UINT32_MAX;
        begin_with(rules);
        life = (struct life){.begun_ns = -1, .is_urged = true};
        for (int i = 0; i < 1000; i++) {
            life_happens();
            life_step();
        }
        published += life.published;
        failed += life.failed;
    }
    assert_true(published > 1000 && failed > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_life_keeps_the_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
