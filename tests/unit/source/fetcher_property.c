/* Random brokers, logs and troubles, under seeds: whatever happens, of each partition that is read
 * every committed record comes, from the offset wanted on, in order, once; its end is told when it
 * is reached; and when the troubles are over, all is there before long. */
#include "peer_answers.h"

#define STEPS       600
#define FETCHED_MAX 64
#define CALM_NS     (150 * NS_PER_S) /* a silent broker, an offset that is gone, and more */
#define IDLE_TURNS  200000

/* What is known of a partition by what has been polled. */
struct reader {
    int next; /* record of the log */
    int64_t position;
    int64_t told_end; /* -1: not yet */
    bool was_lost;
};

static struct reader readers[PEER_LOGS];
static struct fetched fetched[FETCHED_MAX];
static uint64_t ends_told;
static uint64_t errors_told;
static uint64_t records_told;
static uint64_t losses_told;

static void read_from(int number, int64_t offset)
{
    readers[number] = (struct reader){.position = offset, .told_end = -1};
    peers_read(number, offset);
}

/* --- what is polled --- */

static void ensure_record(const struct peer_log *log, const struct fetched *got, int number)
{
    static char text[LOG_VALUE_MAX + 64];
    const struct log_record *wanted = &log->records[number];

    ENSURE(number < log->record_count);
    ENSURE_INT(got->record.offset, wanted->offset);
    ENSURE(wanted->txn == LOG_NO_TXN || log->txns[wanted->txn].mark >= 0);
    ENSURE_INT(got->record.timestamp_ms, wanted->timestamp_ms);
    ENSURE(!got->record.key.data == !wanted->has_key);
    ENSURE_TEXT(got->record.key, log_key(wanted));
    ENSURE_TEXT(got->record.value, log_value(log, wanted, text));
}

static void take_end(const struct peer_log *log, struct reader *reader, int64_t offset)
{
    int next = log_visible(log, reader->next, reader->position);

    ENSURE(offset >= reader->position);
    ENSURE(next == log->record_count || log->records[next].offset >= offset);
    ENSURE(offset >= log->origin && world.said[log - world.logs][offset - log->origin]);
    ENSURE(reader->told_end != offset); /* once */
    reader->position = reader->told_end = offset;
    ends_told++;
}

static void take(const struct fetched *got)
{
    int number = log_number(got->source, got->record.partition);
    const struct peer_log *log = &world.logs[number];
    struct reader *reader = &readers[number];

    ENSURE(world.is_read[number]);
    switch (got->kind) {
    case FETCHED_RECORD:
        reader->next = log_visible(log, reader->next, reader->position);
        ensure_record(log, got, reader->next);
        reader->position = got->record.offset + 1;
        records_told++;
        break;
    case FETCHED_END:
        take_end(log, reader, got->record.offset);
        break;
    case FETCHED_ERROR:
        ENSURE(got->text[0]);
        errors_told++;
        break;
    case FETCHED_LOST:
        ENSURE(got->text[0]);
        ENSURE(reader->position < log->begin);
        reader->was_lost = true;
        losses_told++;
        break;
    case FETCHED_VOID:
        fail_msg("seed %" PRIu64 ": nobody has voided that", test_seed);
    }
}

/* What has been polled is whole until the release, all of it. */
static size_t poll_some(size_t max)
{
    size_t count = fetcher_poll(world.fetcher, fetched, max, world.now_ns);

    ENSURE(count <= max);
    for (size_t i = 0; i < count; i++)
        take(&fetched[i]);
    return count;
}

/* --- bounds --- */

static void ensure_bounds(void)
{
    const struct fetcher *fetcher = world.fetcher;
    int64_t queued = 0;

    for (const struct parcel *parcel = fetcher->first; parcel; parcel = parcel->next)
        ENSURE(parcel->chunk->parcels_left > 0);
    for (unsigned i = 0; i < FETCHER_LINKS_MAX; i++) {
        ENSURE(fetcher->links[i].chunks_waiting <= CHUNKS_MAX);
        queued += fetcher->links[i].chunks_waiting;
    }
    ENSURE(gauge_get(&fetcher->stats.queued_bytes) >= 0);
    ENSURE((queued > 0) == (gauge_get(&fetcher->stats.queued_bytes) > 0));
    ENSURE(fetcher->spare_count <= 4);
}

static void turn(void)
{
    fetcher_turn(world.fetcher, world.now_ns);
    /* All that could be done has been; so the next turn is later. */
    ENSURE(fetcher_deadline_ns(world.fetcher) > world.now_ns);
    ensure_bounds();
}

/* --- what happens to the brokers and the partitions --- */

static void brokers_change(void)
{
    struct peer *peer = &world.peers[random_below(PEERS)];

    switch (random_below(3)) {
    case 0:
        peer->is_dead = true;
        break;
    case 1:
        peer->is_dead = false;
        break;
    default: /* comes back elsewhere */
        for (unsigned i = 0; i < FETCHER_LINKS_MAX; i++) {
            if (world.conns[i].peer == peer && world.conns[i].state > CONN_CONNECTING)
                conn_lost(i);
        }
        peer->host++;
    }
}

static void partitions_change(void)
{
    int number = (int)random_below(PEER_LOGS);
    const struct peer_log *log = &world.logs[number];

    if (world.is_read[number] && random_chance(60)) {
        peers_read_no_more(number);
        return;
    }
    ENSURE(fetcher_end_offset(world.fetcher, log->source, log->partition) <= log->end);
    read_from(number, random_between(log->begin, log_stable_end(log)));
}

static void world_changes(void)
{
    struct peer_log *log = &world.logs[random_below(PEER_LOGS)];

    if (random_chance(50))
        log_grow(log);
    if (random_chance(1))
        log_retain(log);
    if (random_chance(3))
        log->leader = (int)random_below(PEERS + 1) - 1;
    if (random_chance(3))
        brokers_change();
    if (random_chance(3))
        partitions_change();
    if (random_chance(1))
        snapshot_give();
    if (random_chance(20))
        graves_empty();
}

static void begin(void)
{
    peers_begin();
    for (int i = 0; i < PEERS; i++) {
        struct peer *peer = &world.peers[i];

        peer->versions_max = random_between(0, 3);
        peer->fetch_first = random_between(0, 8);
        peer->fetch_last = random_between(MAX(peer->fetch_first, 4), 15);
        if (random_chance(30))
            peer->fetch_last = MAX(peer->fetch_first, 4);
        peer->says_no_range = random_chance(30);
        peer->bytes_max = random_chance(50) ? SIZE_MAX : 200 + random_below(3000);
    }
    for (int i = 0; i < PEER_LOGS; i++) {
        for (uint64_t left = random_below(60); left > 0; left--)
            log_grow(&world.logs[i]);
        if (random_chance(80))
            read_from(i, random_between(world.logs[i].begin, log_stable_end(&world.logs[i])));
    }
}

static void troubles(void)
{
    uint64_t polls = random_chance(30) ? 5 : 50; /* percent of the turns */
    int64_t pace_ns = (random_chance(30) ? 500 : 20) * NS_PER_MS;

    world.is_troubled = true;
    world.trouble = random_chance(20) ? 10 : random_chance(50) ? 100 : 40;
    for (int step = 0; step < STEPS; step++) {
        world.now_ns += (int64_t)random_below((uint64_t)pace_ns);
        world_changes();
        peers_turn();
        if (random_chance((unsigned)polls))
            poll_some(1 + random_below(FETCHED_MAX));
        turn();
    }
}

static void calm_begin(void)
{
    world.is_troubled = false;
    for (int i = 0; i < PEERS; i++)
        world.peers[i].is_dead = false;
    for (int i = 0; i < PEER_LOGS; i++) {
        struct peer_log *log = &world.logs[i];

        log_marks(log);
        log_append(log, -1, 20);
        if (log->leader < 0)
            log->leader = (int)random_below(PEERS);
    }
}

/* All is read; what was lost goes on at what there is. */
static bool all_are_there(void)
{
    bool all = true;

    for (int i = 0; i < PEER_LOGS; i++) {
        const struct peer_log *log = &world.logs[i];
        struct reader *reader = &readers[i];

        if (!world.is_read[i])
            continue;
        if (reader->was_lost)
            read_from(i, log->begin);
        all = all && reader->told_end == log->end;
    }
    return all;
}

/* For a person who looks at a failure. */
static void explain(void)
{
    const struct fetcher *fetcher = world.fetcher;

    for (uint32_t i = 0; i < fetcher->list_count; i++) {
        const struct flow *flow = fetcher->list[i];
        const struct peer_log *log = &world.logs[log_number(flow->source, flow->partition)];

        print_error("%u/%d: asks for %" PRId64 ", polled %" PRId64 ", log %" PRId64 "..%" PRId64
                    " of broker %d, link %d%s, due in %" PRId64 " ms, %u failures\n",
                    flow->source, flow->partition, flow->offset, flow->polled, log->begin, log->end,
                    log->leader, flow->link ? (int)flow->link->number : -1,
                    flow->is_lost ? ", lost" : "", (flow->retry_ns - world.now_ns) / NS_PER_MS,
                    flow->failures);
    }
    for (unsigned i = 0; i < FETCHER_LINKS_MAX; i++) {
        const struct fetch_link *link = &fetcher->links[i];

        if (link->state != LINK_UNUSED)
            print_error("link %u to %s: state %d, asked %d, waiting %u; connection %d\n", i,
                        link->broker.host, link->state, link->is_asked, link->chunks_waiting,
                        world.conns[i].state);
    }
}

/* From now on time passes only to when something is due. */
static void calm(void)
{
    int64_t until_ns = world.now_ns + CALM_NS;
    int left = IDLE_TURNS;

    calm_begin();
    while (!all_are_there()) {
        size_t count = poll_some(FETCHED_MAX);

        turn();
        if (count > 0)
            continue;
        int64_t due_ns = MIN(peers_due_ns(), fetcher_deadline_ns(world.fetcher));

        world.now_ns = MAX(world.now_ns, due_ns);
        if (world.now_ns >= until_ns || left-- == 0)
            explain();
        ENSURE(world.now_ns < until_ns); /* it is stuck */
        ENSURE(left > 0);                /* it is busy */
        peers_turn();
        graves_empty();
    }
    for (int i = 0; i < PEER_LOGS; i++) {
        const struct peer_log *log = &world.logs[i];

        ENSURE_INT(fetcher_end_offset(world.fetcher, log->source, log->partition),
                   world.is_read[i] ? log->end : -1);
        if (world.is_read[i])
            ENSURE_INT(log_visible(log, readers[i].next, readers[i].position), log->record_count);
    }
    /* Nothing is kept of what was polled. */
    while (poll_some(FETCHED_MAX) > 0)
        ;
    fetcher_release(world.fetcher);
    ensure_bounds();
    ENSURE_INT(gauge_get(&world.fetcher->stats.queued_bytes), 0);
}

static void all_comes_in_the_end(void **state)
{
    (void)state;
    for (FIRST_SEED; MORE_SEEDS(300); NEXT_SEED) {
        begin();
        troubles();
        calm();
        peers_end();
    }
    /* It was no easy life. */
    assert_true(records_told > 10000);
    assert_true(ends_told > 1000);
    assert_true(errors_told > 100);
    assert_true(losses_told > 10);
}

static void without_troubles_nothing_is_asked_for_twice(void **state)
{
    (void)state;
    for (FIRST_SEED; MORE_SEEDS(30); NEXT_SEED) {
        begin();
        calm();
        for (int i = 0; i < 20; i++) {
            log_grow(&world.logs[random_below(PEER_LOGS)]);
            calm();
        }
        ENSURE_INT(world.reports, 0);
        ENSURE_INT(counter_get(&world.fetcher->stats.losses), 0);
        ENSURE_INT(counter_get(&world.fetcher->stats.errors), 0);
        ENSURE_INT(counter_get(&world.fetcher->stats.corrupt_batches), 0);
        for (int i = 0; i < PEERS; i++)
            ENSURE(world.peers[i].connects <= 1);
        peers_end();
    }
}

static int forget(void **state)
{
    (void)state;
    for (int i = 0; i < PEER_LOGS; i++)
        buf_free(&world.logs[i].bytes);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_comes_in_the_end),
        cmocka_unit_test(without_troubles_nothing_is_asked_for_twice),
    };

    return cmocka_run_group_tests(tests, NULL, forget);
}
