/* One trouble at a time: what the fetcher makes of it, step by step. */
#include "peer_answers.h"

#define FETCHED_MAX 64

static struct fetched fetched[FETCHED_MAX];
static int counts[FETCHED_VOID + 1]; /* of what was polled, by kind */
static int64_t last_offset[PEER_LOGS];

static void begin(void)
{
    random_begin(7);
    peers_begin();
    memset(counts, 0, sizeof(counts));
    for (int i = 0; i < PEER_LOGS; i++) {
        struct peer_log *log = &world.logs[i];

        log->origin = log->begin = log->end = 0;
        log->leader = 0;
        last_offset[i] = -1;
    }
}

static int forget(void **state)
{
    (void)state;
    for (int i = 0; i < PEER_LOGS; i++)
        buf_free(&world.logs[i].bytes);
    return 0;
}

static void fill(int number, int batches, uint32_t len_max)
{
    for (int i = 0; i < batches; i++)
        log_append(&world.logs[number], -1, len_max);
}

/* How many came. */
static size_t poll_once(void)
{
    size_t count = fetcher_poll(world.fetcher, fetched, FETCHED_MAX, world.now_ns);

    for (size_t i = 0; i < count; i++) {
        const struct record *record = &fetched[i].record;
        int number = log_number(fetched[i].source, record->partition);

        counts[fetched[i].kind]++;
        if (fetched[i].kind != FETCHED_RECORD)
            continue;
        assert_true(record->offset > last_offset[number]);
        last_offset[number] = record->offset;
    }
    return count;
}

/* To the next instant at which something is due, at most to `until_ns`; false: that has come. */
static bool step(bool polls, int64_t until_ns)
{
    if (polls && poll_once() > 0)
        return true;
    fetcher_turn(world.fetcher, world.now_ns);
    assert_true(fetcher_deadline_ns(world.fetcher) > world.now_ns);

    int64_t due_ns = MIN(peers_due_ns(), fetcher_deadline_ns(world.fetcher));

    world.now_ns = MAX(world.now_ns, MIN(due_ns, until_ns));
    peers_turn();
    graves_empty();
    return world.now_ns < until_ns;
}

static void run(int64_t ms)
{
    int64_t until_ns = world.now_ns + ms * NS_PER_MS;

    while (step(true, until_ns))
        ;
}

/* Answers come and wait. */
static void run_unpolled(int64_t ms)
{
    int64_t until_ns = world.now_ns + ms * NS_PER_MS;

    while (step(false, until_ns))
        ;
}

static void what_waits_is_not_lost_when_the_leader_moves(void **state)
{
    (void)state;
    begin();
    fill(0, 20, 20);
    peers_read(0, 0);
    run_unpolled(1000);
    assert_int_equal(fetcher_end_offset(world.fetcher, 0, 0), world.logs[0].end);
    world.logs[0].leader = 1;
    snapshot_give();
    assert_int_equal(counter_get(&world.fetcher->stats.leader_changes), 1);
    run(3000);
    assert_int_equal(counts[FETCHED_RECORD], world.logs[0].record_count);
    assert_int_equal(counts[FETCHED_END], 1);
    peers_end();
}

static void what_is_gone_is_told_though_the_leader_moves(void **state)
{
    (void)state;
    begin();
    fill(0, 20, 20);
    world.logs[0].begin = world.logs[0].batches[10].first;
    peers_read(0, 0);
    run_unpolled(60000);
    world.logs[0].leader = 1;
    snapshot_give();
    run(60000);
    assert_int_equal(counts[FETCHED_RECORD], 0);
    assert_true(counts[FETCHED_LOST] > 0);
    peers_end();
}

/* A broker that has lost its end, as it seems, catches up within seconds. */
static void an_offset_that_is_missing_for_a_while_is_not_gone(void **state)
{
    (void)state;
    begin();
    fill(0, 5, 20);
    peers_read(0, 0);
    run(1000);
    assert_int_equal(counts[FETCHED_END], 1);
    world.peers[0].always_error = ERROR_OUT_OF_RANGE;
    run(5000);
    world.peers[0].always_error = ERROR_NONE;
    fill(0, 5, 20);
    run(5000);
    assert_int_equal(counts[FETCHED_LOST], 0);
    assert_int_equal(counts[FETCHED_RECORD], world.logs[0].record_count);
    assert_int_equal(counts[FETCHED_END], 2);
    peers_end();
}

static void other_errors_say_nothing_of_offsets_that_are_gone(void **state)
{
    (void)state;
    begin();
    fill(0, 5, 20);
    world.peers[0].always_error = ERROR_AUTHORIZATION;
    peers_read(0, 0);
    run(120000);
    assert_true(counts[FETCHED_ERROR] > 30);
    world.peers[0].always_error = ERROR_OUT_OF_RANGE;
    run(5000);
    assert_int_equal(counts[FETCHED_LOST], 0);
    run(60000);
    assert_int_equal(counts[FETCHED_LOST], 1);
    peers_end();
}

/* Errors before and after good answers don't add up, whether these bring records or not. */
static void a_partition_without_records_forgets_its_errors(void **state)
{
    (void)state;
    begin();
    peers_read(0, 0);
    run(1000);
    assert_int_equal(counts[FETCHED_END], 1);
    for (int i = 0; i < 40; i++) {
        world.peers[0].always_error = i % 2 ? ERROR_OUT_OF_RANGE : ERROR_NOT_LEADER;
        run(150);
        world.peers[0].always_error = ERROR_NONE;
        run(3000);
    }
    assert_int_equal(counts[FETCHED_LOST], 0);
    assert_int_equal(counts[FETCHED_ERROR], 0);
    peers_end();
}

static void a_broker_that_hangs_up_is_called_ever_more_rarely(void **state)
{
    (void)state;
    begin();
    world.peers[0].hangs_up = true;
    peers_read(0, 0);
    run(30000);
    assert_in_range(world.peers[0].connects, 15, 40);
    peers_end();
}

static void a_broker_that_contradicts_itself_on_versions_is_asked_in_version_0(void **state)
{
    (void)state;
    begin();
    fill(0, 5, 20);
    world.peers[0].claims_more_versions = true;
    world.peers[0].versions_max = 1;
    peers_read(0, 0);
    run(3000);
    assert_int_equal(counts[FETCHED_RECORD], world.logs[0].record_count);
    assert_int_equal(world.peers[0].connects, 1);
    peers_end();
}

static void correlation_ids_begin_anew(void **state)
{
    (void)state;
    begin();
    peers_read(0, 0);
    run(1000);
    for (unsigned i = 0; i < FETCHER_LINKS_MAX; i++)
        world.fetcher->links[i].correlation_id = INT32_MAX - 2; /* two months of requests */
    run(5000);
    assert_int_equal(world.peers[0].connects, 1);
    peers_end();
}

static void no_end_is_told_where_the_broker_names_none(void **state)
{
    (void)state;
    begin();
    world.peers[0].names_no_end = true;
    peers_read(0, 0);
    run(3000);
    assert_int_equal(counts[FETCHED_END], 0);
    world.peers[0].names_no_end = false;
    run(3000);
    assert_int_equal(counts[FETCHED_END], 1);
    peers_end();
}

/* Answers have room for what a partition or two have; all the others have more than that, too. */
static void every_partition_has_its_turn(void **state)
{
    (void)state;
    begin();
    for (int i = 0; i < PEER_LOGS; i++) {
        fill(i, 300, LOG_VALUE_MAX);
        peers_read(i, 0);
    }
    world.peers[0].bytes_max = 12000;
    world.peers[0].answer_bytes_max = 24000;
    while (world.fetches < 6 * PEER_LOGS)
        step(true, INT64_MAX);
    for (int i = 0; i < PEER_LOGS; i++)
        assert_true(last_offset[i] > 0);
    peers_end();
}

/* Brokers give them whole, but only to who comes first in the request. */
static void large_batches_have_their_turn(void **state)
{
    (void)state;
    begin();
    for (int i = 0; i < PEER_LOGS; i++) {
        fill(i, 300, i == 2 ? LOG_VALUE_MAX : 10);
        peers_read(i, 0);
    }
    world.peers[0].bytes_max = 1000; /* of the others, some batches; of that one, not even one */
    while (world.fetches < 8 * PEER_LOGS)
        step(true, INT64_MAX);
    for (int i = 0; i < PEER_LOGS; i++)
        assert_true(last_offset[i] > 30);
    peers_end();
}

static void a_slow_answer_is_waited_for_as_long_as_it_goes_on(void **state)
{
    (void)state;
    begin();
    fill(0, 100, LOG_VALUE_MAX);
    world.peers[0].bytes_pace = 1000;
    world.peers[0].pace_ns = NS_PER_S;
    peers_read(0, 0);
    run(700000);
    assert_int_equal(counts[FETCHED_RECORD], world.logs[0].record_count);
    assert_int_equal(world.peers[0].connects, 1);
    peers_end();
}

static void a_broker_that_says_nothing_more_is_given_up(void **state)
{
    (void)state;
    begin();
    fill(0, 100, LOG_VALUE_MAX);
    world.peers[0].pace_ns = FETCHER_NOT_DUE / 2;
    peers_read(0, 0);
    run(100000);
    assert_in_range(world.peers[0].connects, 3, 4);
    world.peers[0].pace_ns = 0;
    run(100000);
    assert_int_equal(counts[FETCHED_RECORD], world.logs[0].record_count);
    peers_end();
}

static void batches_that_are_never_whole_are_not_asked_for_in_a_hurry(void **state)
{
    (void)state;
    begin();
    fill(0, 5, 20);
    world.peers[0].cuts_off = true;
    peers_read(0, 0);
    run(10000);
    assert_int_equal(counts[FETCHED_RECORD], 0);
    assert_in_range(world.fetches, 10, 1500);
    world.peers[0].cuts_off = false;
    run(3000);
    assert_int_equal(counts[FETCHED_RECORD], world.logs[0].record_count);
    peers_end();
}

static void unsound_batches_are_not_asked_for_in_a_hurry(void **state)
{
    (void)state;
    begin();
    fill(0, 5, 20);
    world.peers[0].corrupts = true;
    peers_read(0, 0);
    run(30000);
    assert_int_equal(counts[FETCHED_RECORD], 0);
    assert_in_range(counts[FETCHED_ERROR], 15, 40);
    assert_int_equal(counter_get(&world.fetcher->stats.corrupt_batches), counts[FETCHED_ERROR]);
    world.peers[0].corrupts = false;
    run(3000);
    assert_int_equal(counts[FETCHED_RECORD], world.logs[0].record_count);
    peers_end();
}

static void a_leader_that_is_missing_is_asked_for_until_there_is_one(void **state)
{
    (void)state;
    begin();
    fill(0, 5, 20);
    world.logs[0].leader = -1;
    peers_read(0, 0);
    run(30000);
    assert_in_range(world.leaders_wanted, 15, 40);
    world.logs[0].leader = 2;
    run(3000);
    assert_int_equal(counts[FETCHED_RECORD], world.logs[0].record_count);
    peers_end();
}

/* Each leader has two answers waiting at most, whoever leads meanwhile. */
static void who_does_not_poll_is_not_given_more(void **state)
{
    (void)state;
    begin();
    world.peers[0].bytes_max = 3000;
    for (int i = 0; i < PEER_LOGS; i++) {
        fill(i, 100, LOG_VALUE_MAX);
        peers_read(i, 0);
    }
    run_unpolled(60000);
    for (int i = 0; i < 10; i++) {
        world.logs[i % PEER_LOGS].leader = i % PEERS;
        snapshot_give();
        run_unpolled(5000);
    }
    for (unsigned i = 0; i < FETCHER_LINKS_MAX; i++)
        assert_true(world.fetcher->links[i].chunks_waiting <= CHUNKS_MAX);
    assert_true(world.fetches <= (uint64_t)PEERS * CHUNKS_MAX);
    run(60000);
    for (int i = 0; i < PEER_LOGS; i++)
        assert_int_equal(last_offset[i],
                         world.logs[i].records[world.logs[i].record_count - 1].offset);
    peers_end();
}

static void a_partition_s_share_is_what_the_plan_says(void **state)
{
    static const struct {
        struct plan_property property;
        size_t bytes;
    } cases[] = {{{"fetch.message.max.bytes", "2000"}, 2000},
                 {{"max.partition.fetch.bytes", "100000"}, 100000},
                 {{"fetch.message.max.bytes", "2000000000"}, 1 << 20},
                 {{"fetch.max.bytes", "5"}, 256 << 10}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct plan_property property = cases[i].property;

        world.plan.kafka.properties = &property;
        world.plan.kafka.property_count = 1;
        begin();
        fill(0, 5, 20);
        peers_read(0, 0);
        run(1000);
        world.plan.kafka.property_count = 0;
        for (unsigned j = 0; j < FETCHER_LINKS_MAX; j++) {
            if (world.conns[j].state != CONN_CLOSED)
                assert_int_equal(world.conns[j].request.parts[0].bytes_max, cases[i].bytes);
        }
        assert_int_equal(counts[FETCHED_RECORD], world.logs[0].record_count);
        peers_end();
    }
}

/* Both answers that may wait are about a partition that has been begun anew since. */
static void answers_that_nobody_wants_keep_no_leader_waiting(void **state)
{
    (void)state;
    begin();
    fill(0, 100, LOG_VALUE_MAX);
    world.peers[0].bytes_max = 3000;
    peers_read(0, 0);
    run_unpolled(3000);
    assert_int_equal(world.fetches, CHUNKS_MAX);
    peers_read(0, 0);
    run(10000);
    assert_int_equal(counts[FETCHED_RECORD], world.logs[0].record_count);
    peers_end();
}

static void without_partitions_nothing_is_asked_for(void **state)
{
    (void)state;
    begin();
    peers_read(0, 0);
    run(2000);
    peers_read_no_more(0);
    run(2000);
    uint64_t fetches = world.fetches;

    run(60000);
    assert_int_equal(world.fetches, fetches);
    peers_end();
}

/* Connections are closed with the last partition that the broker led. */
static void only_leaders_are_connected_to(void **state)
{
    int open = 0;

    (void)state;
    begin();
    peers_read(0, 0);
    run(2000);
    for (int i = 1; i < PEERS; i++) {
        world.logs[0].leader = i;
        run(3000);
    }
    for (unsigned i = 0; i < FETCHER_LINKS_MAX; i++)
        open += world.conns[i].state != CONN_CLOSED;
    assert_int_equal(open, 1);
    peers_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_waits_is_not_lost_when_the_leader_moves),
        cmocka_unit_test(what_is_gone_is_told_though_the_leader_moves),
        cmocka_unit_test(an_offset_that_is_missing_for_a_while_is_not_gone),
        cmocka_unit_test(other_errors_say_nothing_of_offsets_that_are_gone),
        cmocka_unit_test(a_partition_without_records_forgets_its_errors),
        cmocka_unit_test(a_broker_that_hangs_up_is_called_ever_more_rarely),
        cmocka_unit_test(a_broker_that_contradicts_itself_on_versions_is_asked_in_version_0),
        cmocka_unit_test(correlation_ids_begin_anew),
        cmocka_unit_test(no_end_is_told_where_the_broker_names_none),
        cmocka_unit_test(every_partition_has_its_turn),
        cmocka_unit_test(large_batches_have_their_turn),
        cmocka_unit_test(a_slow_answer_is_waited_for_as_long_as_it_goes_on),
        cmocka_unit_test(a_broker_that_says_nothing_more_is_given_up),
        cmocka_unit_test(batches_that_are_never_whole_are_not_asked_for_in_a_hurry),
        cmocka_unit_test(unsound_batches_are_not_asked_for_in_a_hurry),
        cmocka_unit_test(a_leader_that_is_missing_is_asked_for_until_there_is_one),
        cmocka_unit_test(who_does_not_poll_is_not_given_more),
        cmocka_unit_test(a_partition_s_share_is_what_the_plan_says),
        cmocka_unit_test(answers_that_nobody_wants_keep_no_leader_waiting),
        cmocka_unit_test(without_partitions_nothing_is_asked_for),
        cmocka_unit_test(only_leaders_are_connected_to),
    };

    return cmocka_run_group_tests(tests, NULL, forget);
}
