/* Checkpoints that somebody waits for: savepoints, the last one, those before partitions go. */
#include "coordinator_world.h"

/* --- savepoints --- */

static void a_savepoint_is_the_next_one_that_begins(void **state)
{
    (void)state;
    make_one();
    coordinator_savepoint(&it);
    go_to(CHECKPOINT_CAPTURING);
    assert_true(it.is_savepoint);
    coordinator_savepoint(&it); /* another one, while this one is under way */
    assert_true(it.is_savepoint);
    assert_true(give_up().is_savepoint);
    go_to_sent(); /* at once */
    assert_true(it.is_savepoint);
    publish();
    assert_false(it.is_savepoint);
    coordinator_urge(&it);
    go_to(CHECKPOINT_CAPTURING);
    assert_false(it.is_savepoint);
    assert_false(give_up().is_savepoint);
}

static void a_savepoint_asked_for_while_one_is_under_way_is_not_that_one(void **state)
{
    (void)state;
    go_to_sent();
    coordinator_savepoint(&it);
    assert_false(it.is_savepoint);
    publish();
    NEXT(MARK);
    assert_false(give_up().is_savepoint); /* no shard was told: it still waits */
    coordinator_urge(&it);
    go_to(CHECKPOINT_CAPTURING);
    assert_true(it.is_savepoint);
}

/* --- one that is waited for: at a stop, and before partitions go --- */

static void one_that_is_waited_for_begins_at_once(void **state)
{
    (void)state;
    make_one();
    coordinator_make(&it, facts.now_ns + TIMEOUT);
    assert_true(coordinator_due_ns(&it, true) <= facts.now_ns);
    assert_int_equal(it.making, MAKING_SOON);
    go_to_sent();
    assert_int_equal(it.making, MAKING_IT);
    publish();
    assert_int_equal(it.making, MAKING_DONE);
    NEXT(WAIT);
}

static void one_that_is_waited_for_is_begun_behind_the_one_under_way(void **state)
{
    (void)state;
    for (int stage = CHECKPOINT_CAPTURING; stage <= CHECKPOINT_COMMITTING; stage++) {
        uint64_t before;

        begin_with(plain);
        go_to((enum checkpoint_stage)stage);
        before = it.number;
        coordinator_make(&it, BEGAN + TIMEOUT);
        give_up(); /* of that one */
        assert_int_equal(it.making, MAKING_SOON);
        make_one();
        assert_true(it.number > before);
        assert_int_equal(it.making, MAKING_DONE);
    }
    begin_with(plain);
    go_to_sent();
    coordinator_make(&it, BEGAN + TIMEOUT);
    publish();
    assert_int_equal(it.making, MAKING_SOON); /* that one holds too little */
    make_one();
    assert_int_equal(it.making, MAKING_DONE);
}

static void one_that_is_waited_for_is_tried_until_time_is_up(void **state)
{
    int64_t until_ns = BEGAN + NS_PER_S;

    (void)state;
    coordinator_make(&it, until_ns);
    go_to(CHECKPOINT_CAPTURING);
    give_up();
    assert_int_equal(it.making, MAKING_SOON);
    facts.now_ns = until_ns - 1;
    go_to(CHECKPOINT_CAPTURING);
    assert_true(coordinator_due_ns(&it, true) == until_ns);
    NEXT_AT(until_ns, ABORT);
    give_up();
    assert_int_equal(it.making, MAKING_FAILED);
    NEXT(WAIT); /* from here on it is as ever */
    assert_true(coordinator_due_ns(&it, true) == until_ns - 1 + EVERY);
    facts.now_ns = until_ns - 1 + EVERY;
    go_to(CHECKPOINT_CAPTURING);
    assert_true(coordinator_due_ns(&it, true) == facts.now_ns + TIMEOUT);
}

static void the_one_under_way_has_no_longer_than_the_one_that_is_waited_for(void **state)
{
    (void)state;
    go_to(CHECKPOINT_CAPTURING);
    coordinator_make(&it, BEGAN + NS_PER_S);
    NEXT_AT(BEGAN + NS_PER_S - 1, WAIT);
    NEXT_AT(BEGAN + NS_PER_S, ABORT);

    begin_with(plain);
    go_to(CHECKPOINT_CAPTURING);
    coordinator_make(&it, BEGAN + 10 * TIMEOUT);
    NEXT_AT(BEGAN + TIMEOUT, ABORT);
}

/* It used to be: a rebalance waited for an output that was away as long as that took. */
static void an_output_that_is_away_is_not_waited_for_longer_than_there_is_time(void **state)
{
    (void)state;
    coordinator_make(&it, BEGAN + NS_PER_S);
    go_to(CHECKPOINT_CAPTURING);
    facts.is_full = true;
    NEXT_AT(BEGAN + NS_PER_S - 1, WAIT);
    NEXT_AT(BEGAN + NS_PER_S, ABORT);
    give_up();
    assert_int_equal(it.making, MAKING_FAILED);
}

static void one_that_is_waited_for_is_not_needed_without_partitions(void **state)
{
    (void)state;
    make_one();
    facts.has_partitions = false;
    coordinator_make(&it, facts.now_ns + TIMEOUT);
    assert_true(coordinator_due_ns(&it, false) <= facts.now_ns);
    NEXT(WAIT);
    assert_int_equal(it.making, MAKING_DONE);
    assert_true(coordinator_due_ns(&it, false) == INT64_MAX);
}

static void one_that_is_waited_for_fails_with_the_process(void **state)
{
    (void)state;
    for (int is_under_way = 0; is_under_way < 2; is_under_way++) {
        struct coordinator_rules rules = plain;

        rules.tolerable_failures = 0;
        begin_with(rules);
        if (is_under_way)
            go_to(CHECKPOINT_CAPTURING);
        coordinator_make(&it, INT64_MAX);
        if (!is_under_way)
            go_to(CHECKPOINT_CAPTURING);
        assert_true(give_up().ends_process);
        assert_int_equal(it.making, MAKING_FAILED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_savepoint_is_the_next_one_that_begins, setup),
        cmocka_unit_test_setup(a_savepoint_asked_for_while_one_is_under_way_is_not_that_one, setup),
        cmocka_unit_test_setup(one_that_is_waited_for_begins_at_once, setup),
        cmocka_unit_test_setup(one_that_is_waited_for_is_begun_behind_the_one_under_way, setup),
        cmocka_unit_test_setup(one_that_is_waited_for_is_tried_until_time_is_up, setup),
        cmocka_unit_test_setup(the_one_under_way_has_no_longer_than_the_one_that_is_waited_for,
                               setup),
        cmocka_unit_test_setup(an_output_that_is_away_is_not_waited_for_longer_than_there_is_time,
                               setup),
        cmocka_unit_test_setup(one_that_is_waited_for_is_not_needed_without_partitions, setup),
        cmocka_unit_test_setup(one_that_is_waited_for_fails_with_the_process, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
