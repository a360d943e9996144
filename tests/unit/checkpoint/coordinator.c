/* The coordinator's decisions, case by case. */
#include "coordinator_world.h"

/* --- when one begins --- */

static void nothing_begins_before_partitions_have_come(void **state)
{
    (void)state;
    coordinator_init(&it, &plain);
    assert_true(coordinator_due_ns(&it, true) == INT64_MAX);
    NEXT_AT(BEGAN + 1000 * EVERY, WAIT);
    coordinator_urge(&it);
    facts.has_partitions = false;
    assert_true(coordinator_due_ns(&it, false) == INT64_MAX);
    NEXT(WAIT);
    facts.has_partitions = true;
    assert_true(coordinator_due_ns(&it, true) <= facts.now_ns);
    NEXT(MARK);
}

static void the_next_one_begins_every_so_often_and_not_right_after(void **state)
{
    static const struct {
        int64_t took_ns;
        int64_t next_ns; /* after the begin of the first */
    } cases[] = {
        {0, EVERY},
        {EVERY - PAUSE - 1, EVERY},
        {EVERY - PAUSE + 1, EVERY + 1},
        {10 * EVERY, 10 * EVERY + PAUSE},
    };

    (void)state;
    for (size_t i = 0; i < 2 * ARRAY_LEN(cases); i++) {
        int64_t next_ns = BEGAN + cases[i / 2].next_ns;

        begin_with(plain);
        if (i % 2) {
            go_to_sent();
            facts.now_ns += cases[i / 2].took_ns;
            publish();
        } else {
            go_to(CHECKPOINT_CAPTURING);
            facts.now_ns += cases[i / 2].took_ns;
            give_up();
        }
        assert_true(coordinator_due_ns(&it, true) == next_ns);
        NEXT_AT(next_ns - 1, WAIT);
        facts.has_partitions = false;
        NEXT_AT(next_ns, WAIT);
        facts.has_partitions = true;
        NEXT(MARK);
    }
}

static void one_that_is_urged_begins_at_once_and_once(void **state)
{
    (void)state;
    make_one();
    NEXT(WAIT);
    coordinator_urge(&it);
    assert_true(coordinator_due_ns(&it, true) <= facts.now_ns);
    make_one();
    NEXT_AT(facts.now_ns + EVERY - 1, WAIT);
}

static void one_that_is_urged_while_another_is_under_way_begins_behind_it(void **state)
{
    (void)state;
    for (int fails = 0; fails < 2; fails++) {
        begin_with(plain);
        go_to(CHECKPOINT_CAPTURING);
        coordinator_urge(&it);
        NEXT(WAIT);
        if (fails) {
            give_up();
        } else {
            capture_all();
            NEXT(FREEZE);
            coordinator_frozen(&it);
            NEXT(WAIT);
            NEXT(COMMIT);
            coordinator_sent(&it);
            publish();
        }
        assert_true(coordinator_due_ns(&it, true) <= facts.now_ns);
        make_one();
        NEXT(WAIT);
    }
}

/* It used to be: the next one then began when it would have begun anyway. */
static void urging_is_not_forgotten_when_entries_are_lost_before_it_begins(void **state)
{
    (void)state;
    make_one();
    coordinator_savepoint(&it);
    facts.is_lost = true;
    NEXT(LOSE);
    lose();
    facts.is_lost = false;
    NEXT(MARK);
    coordinator_marked(&it);
    assert_true(it.is_savepoint);
}

static void numbers_are_times_and_grow(void **state)
{
    uint64_t last;

    (void)state;
    NEXT(MARK);
    assert_int_equal(it.number, WALL_MS);
    give_up();
    last = it.number;
    facts.wall_ms -= 1000; /* the clock was set back */
    coordinator_urge(&it);
    NEXT(MARK);
    assert_int_equal(it.number, last + 1);
    give_up();
    coordinator_number_used(&it, last + 500);
    coordinator_number_used(&it, last + 100);
    coordinator_urge(&it);
    NEXT(MARK);
    assert_true(it.number > last + 500);
}

static void epochs_are_counted_by_marks(void **state)
{
    (void)state;
    assert_int_equal(it.epoch, 0);
    NEXT(MARK);
    give_up();
    assert_int_equal(it.epoch, 0); /* no shard was told */
    coordinator_urge(&it);
    go_to(CHECKPOINT_CAPTURING);
    assert_int_equal(it.epoch, 1);
    give_up();
    coordinator_urge(&it);
    go_to(CHECKPOINT_CAPTURING);
    assert_int_equal(it.epoch, 2);
}

/* --- capturing --- */

static void the_store_is_frozen_when_all_is_in_it(void **state)
{
    (void)state;
    go_to(CHECKPOINT_CAPTURING);
    NEXT(WAIT);
    assert_false(coordinator_captured(&it, it.number - 1)); /* of one that was given up */
    assert_true(coordinator_captured(&it, it.number));
    NEXT(WAIT);
    assert_true(coordinator_captured(&it, it.number));
    facts.is_stored = false;
    NEXT(WAIT);
    facts.is_stored = true;
    NEXT(FREEZE);
    coordinator_frozen(&it);
    assert_false(coordinator_captured(&it, it.number));
}

static void shards_are_counted_anew_for_each(void **state)
{
    (void)state;
    go_to(CHECKPOINT_CAPTURING);
    assert_true(coordinator_captured(&it, it.number));
    give_up();
    assert_false(coordinator_captured(&it, it.number));
    coordinator_urge(&it);
    go_to(CHECKPOINT_CAPTURING);
    assert_true(coordinator_captured(&it, it.number));
    NEXT(WAIT);
}

static void entries_that_are_lost_make_the_next_one_of_all_keys(void **state)
{
    struct coordinator_failure failure;

    (void)state;
    it.rules.tolerable_failures = UINT32_MAX;
    go_to(CHECKPOINT_CAPTURING);
    facts.is_lost = true;
    NEXT(WAIT); /* until the shards are done with it */
    capture_all();
    NEXT(LOSE);
    failure = lose();
    assert_true(failure.empties_store && failure.is_marked && !failure.is_frozen);
    NEXT(LOSE); /* between two, too */
    failure = lose();
    assert_true(failure.empties_store && !failure.is_marked);
    facts.is_lost = false;
    coordinator_urge(&it);
    NEXT(MARK);
    give_up();
    coordinator_urge(&it);
    go_to(CHECKPOINT_CAPTURING); /* of this one shards are told */
    assert_true(it.is_all);
    give_up();
    coordinator_urge(&it);
    go_to(CHECKPOINT_CAPTURING);
    assert_false(it.is_all);
}

static void a_capture_of_all_that_is_given_up_begins_anew(void **state)
{
    (void)state;
    for (int is_all = 0; is_all < 2; is_all++) {
        begin_with(plain);
        it.all_next = is_all;
        go_to(CHECKPOINT_CAPTURING);
        assert_true(coordinator_captured(&it, it.number));
        NEXT_AT(BEGAN + TIMEOUT, ABORT);
        assert_int_equal(give_up().empties_store, is_all);
        coordinator_urge(&it);
        go_to(CHECKPOINT_FLUSHING); /* from here on all is in the store */
        assert_int_equal(it.is_all, is_all);
        assert_false(give_up().empties_store);
    }
}

/* --- how long it may take --- */

static void out_of_time_it_is_given_up_in_every_stage(void **state)
{
    (void)state;
    go_to(CHECKPOINT_CAPTURING);
    assert_true(coordinator_due_ns(&it, true) == BEGAN + TIMEOUT);
    NEXT_AT(BEGAN + TIMEOUT - 1, WAIT);
    NEXT_AT(BEGAN + TIMEOUT, ABORT);

    begin_with(plain);
    go_to(CHECKPOINT_FLUSHING);
    facts.is_flushed = false;
    NEXT_AT(BEGAN + TIMEOUT - 1, WAIT);
    NEXT_AT(BEGAN + TIMEOUT, LATE);

    begin_with(plain);
    go_to(CHECKPOINT_COMMITTING);
    facts.may_commit = false;
    NEXT_AT(BEGAN + TIMEOUT - 1, WAIT);
    NEXT_AT(BEGAN + TIMEOUT, LATE);

    begin_with(plain);
    go_to_sent();
    facts.answer = COORDINATOR_NOT_NOW;
    NEXT_AT(BEGAN + TIMEOUT, REFUSED);
    give_up();
}

static void what_is_ready_in_time_or_just_after_goes_on(void **state)
{
    (void)state;
    go_to(CHECKPOINT_CAPTURING);
    capture_all();
    NEXT_AT(BEGAN + 2 * TIMEOUT, FREEZE);
    coordinator_frozen(&it);
    NEXT(WAIT);
    NEXT(COMMIT);
    coordinator_sent(&it);
    publish();
    assert_int_equal(it.failures, 0);
}

static void an_output_that_is_away_is_waited_for(void **state)
{
    (void)state;
    go_to(CHECKPOINT_CAPTURING);
    facts.is_full = true;
    NEXT_AT(BEGAN + TIMEOUT - 1, WAIT);
    assert_true(coordinator_due_ns(&it, true) == BEGAN + TIMEOUT);
    NEXT_AT(BEGAN + TIMEOUT + 1, WAIT);
    assert_true(coordinator_due_ns(&it, true) == BEGAN + TIMEOUT + 1 + TIMEOUT);
    facts.is_full = false; /* it is back: the shards have as long as ever */
    NEXT_AT(BEGAN + TIMEOUT + TIMEOUT, WAIT);
    NEXT_AT(BEGAN + TIMEOUT + 1 + TIMEOUT, ABORT);
}

static void outputs_and_group_are_looked_at_often(void **state)
{
    (void)state;
    go_to(CHECKPOINT_FLUSHING);
    assert_true(coordinator_due_ns(&it, true) <= facts.now_ns);
    facts.is_flushed = false;
    NEXT(WAIT);
    assert_true(coordinator_due_ns(&it, true) > facts.now_ns);
    assert_true(coordinator_due_ns(&it, true) <= facts.now_ns + 20 * NS_PER_MS);
    facts.is_flushed = true;
    NEXT(WAIT);
    assert_true(coordinator_due_ns(&it, true) <= facts.now_ns);
    facts.may_commit = false;
    NEXT(WAIT);
    assert_true(coordinator_due_ns(&it, true) > facts.now_ns);
    assert_true(coordinator_due_ns(&it, true) <= facts.now_ns + 20 * NS_PER_MS);
    facts.may_commit = true;
    NEXT_AT(coordinator_due_ns(&it, true), COMMIT);
}

/* --- failures --- */

static void what_a_failure_means_follows_from_the_stage(void **state)
{
    static const struct {
        enum checkpoint_stage stage;
        bool is_marked;
        bool is_frozen;
    } cases[] = {
        {CHECKPOINT_IDLE, false, false},
        {CHECKPOINT_CAPTURING, true, false},
        {CHECKPOINT_FLUSHING, true, true},
        {CHECKPOINT_COMMITTING, true, true},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        begin_with(plain);
        go_to(cases[i].stage);
        struct coordinator_failure failure = give_up();

        assert_int_equal(failure.is_marked, cases[i].is_marked);
        assert_int_equal(failure.is_frozen, cases[i].is_frozen);
        assert_false(failure.is_savepoint || failure.empties_store || failure.ends_process);
        assert_int_equal(it.stage, CHECKPOINT_IDLE);
    }
}

static void more_failures_than_are_tolerated_end_the_process(void **state)
{
    (void)state;
    for (uint32_t tolerable = 0; tolerable < 4; tolerable++) {
        struct coordinator_rules rules = plain;

        rules.tolerable_failures = tolerable;
        begin_with(rules);
        for (uint32_t i = 1; i <= 2 * tolerable; i++) {
            struct coordinator_failure failure;

            coordinator_urge(&it);
            go_to((enum checkpoint_stage)(i % 4));
            failure = give_up();
            assert_int_equal(failure.in_row, i <= tolerable ? i : i - tolerable);
            assert_false(failure.ends_process);
            coordinator_urge(&it);
            if (i == tolerable)
                make_one(); /* then they are counted anew */
        }
        assert_true(give_up().ends_process);
        coordinator_urge(&it);
        coordinator_make(&it, INT64_MAX);
        NEXT_AT(facts.now_ns + 10 * EVERY, WAIT);
        assert_true(coordinator_due_ns(&it, true) == INT64_MAX);
    }
}

/* --- the commit --- */

static void offsets_are_sent_once_and_answered(void **state)
{
    (void)state;
    go_to(CHECKPOINT_COMMITTING);
    facts.may_commit = false;
    NEXT(WAIT);
    facts.may_commit = true;
    NEXT_AT(coordinator_due_ns(&it, true), COMMIT);
    coordinator_sent(&it);
    facts.may_commit = false; /* what is sent is sent */
    assert_true(coordinator_due_ns(&it, true) == INT64_MAX);
    NEXT(WAIT);
    NEXT_AT(facts.now_ns + 3 * TIMEOUT, WAIT); /* it may be in force already */
    facts.answer = COORDINATOR_ACCEPTED;
    NEXT(PUBLISH);
    assert_int_equal(it.stage, CHECKPOINT_COMMITTING);
    coordinator_published(&it, facts.now_ns);
    assert_int_equal(it.stage, CHECKPOINT_IDLE);
}

static void offsets_that_are_refused_are_sent_again(void **state)
{
    int64_t again_ns;

    (void)state;
    go_to_sent();
    for (int i = 0; i < 3; i++) {
        facts.answer = COORDINATOR_NOT_NOW;
        NEXT(WAIT);
        facts.answer = COORDINATOR_NO_ANSWER;
        again_ns = facts.now_ns + 200 * NS_PER_MS;
        assert_true(coordinator_due_ns(&it, true) == again_ns);
        NEXT_AT(again_ns - 1, WAIT);
        NEXT_AT(again_ns, COMMIT);
        coordinator_sent(&it);
    }
    publish();
    assert_int_equal(it.failures, 0);
}

static void a_transaction_is_committed_until_it_is_decided(void **state)
{
    (void)state;
    begin_with(transactional());
    go_to(CHECKPOINT_COMMITTING);
    facts.may_commit = false;
    NEXT(WAIT);
    facts.may_commit = true;
    NEXT_AT(coordinator_due_ns(&it, true), COMMIT);
    coordinator_sent(&it);
    facts.may_commit = false;
    for (int i = 0; i < 5; i++) {
        facts.now_ns += TIMEOUT;
        assert_true(coordinator_due_ns(&it, true) <= facts.now_ns);
        NEXT(COMMIT);
        coordinator_sent(&it);
    }
    coordinator_published(&it, facts.now_ns);
    assert_int_equal(it.stage, CHECKPOINT_IDLE);
    assert_int_equal(it.failures, 0);
    facts.may_commit = true;
    coordinator_urge(&it);
    make_one();
}

static void a_transaction_that_may_not_be_begun_to_be_committed_is_late(void **state)
{
    (void)state;
    begin_with(transactional());
    go_to(CHECKPOINT_COMMITTING);
    facts.may_commit = false;
    NEXT_AT(BEGAN + TIMEOUT, LATE);
    assert_true(give_up().is_marked);
}

static void a_process_that_was_replaced_is_over(void **state)
{
    (void)state;
    go_to_sent();
    facts.answer = COORDINATOR_NEVER;
    coordinator_make(&it, INT64_MAX);
    NEXT(FENCED);
    assert_int_equal(it.stage, CHECKPOINT_IDLE);
    assert_int_equal(it.making, MAKING_FAILED);
    coordinator_urge(&it);
    NEXT_AT(facts.now_ns + 10 * EVERY, WAIT);
    assert_true(coordinator_due_ns(&it, true) == INT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(nothing_begins_before_partitions_have_come, setup),
        cmocka_unit_test_setup(the_next_one_begins_every_so_often_and_not_right_after, setup),
        cmocka_unit_test_setup(one_that_is_urged_begins_at_once_and_once, setup),
        cmocka_unit_test_setup(one_that_is_urged_while_another_is_under_way_begins_behind_it,
                               setup),
        cmocka_unit_test_setup(urging_is_not_forgotten_when_entries_are_lost_before_it_begins,
                               setup),
        cmocka_unit_test_setup(numbers_are_times_and_grow, setup),
        cmocka_unit_test_setup(epochs_are_counted_by_marks, setup),
        cmocka_unit_test_setup(the_store_is_frozen_when_all_is_in_it, setup),
        cmocka_unit_test_setup(shards_are_counted_anew_for_each, setup),
        cmocka_unit_test_setup(entries_that_are_lost_make_the_next_one_of_all_keys, setup),
        cmocka_unit_test_setup(a_capture_of_all_that_is_given_up_begins_anew, setup),
        cmocka_unit_test_setup(out_of_time_it_is_given_up_in_every_stage, setup),
        cmocka_unit_test_setup(what_is_ready_in_time_or_just_after_goes_on, setup),
        cmocka_unit_test_setup(an_output_that_is_away_is_waited_for, setup),
        cmocka_unit_test_setup(outputs_and_group_are_looked_at_often, setup),
        cmocka_unit_test_setup(what_a_failure_means_follows_from_the_stage, setup),
        cmocka_unit_test_setup(more_failures_than_are_tolerated_end_the_process, setup),
        cmocka_unit_test_setup(offsets_are_sent_once_and_answered, setup),
        cmocka_unit_test_setup(offsets_that_are_refused_are_sent_again, setup),
        cmocka_unit_test_setup(a_transaction_is_committed_until_it_is_decided, setup),
        cmocka_unit_test_setup(a_transaction_that_may_not_be_begun_to_be_committed_is_late, setup),
        cmocka_unit_test_setup(a_process_that_was_replaced_is_over, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
