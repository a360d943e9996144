/* peers - brokers for tests of the fetcher: in memory, in one thread, on a clock that the test
 * sets.
 *
 *   fetcher ── fetch_io ──▶ peer_conn: out ─▶ request, read as the protocol's guide has it
 *      ▲                        in ◀─ answer, from the logs (peer_log.h), perhaps spoilt
 *      └── fetcher_received ──── in pieces, when they are due
 *
 * Requests are decoded and answers encoded without src/kafka. What the fetcher must never do to a
 * broker is a failure here: two requests at a time, a version that was not offered, a partition
 * twice, or one that nobody reads. */
#ifndef FRESHET_TESTS_PEERS_H
#define FRESHET_TESTS_PEERS_H

#include "base/clock.h"
#include "peer_log.h"
#include "source/fetch_internal.h"

#define PEERS          3
#define PEER_SOURCES   2
#define PEER_PARTS     3 /* of each source */
#define PEER_LOGS      (PEER_SOURCES * PEER_PARTS)
#define GRAVES_MAX     256
#define PEER_WAIT_NS   (500 * NS_PER_MS) /* that a fetch may ask a broker to wait for records */
#define PEER_CORRUPTED 16 /* a batch's first bytes are in no checksum, but for its length */

enum { API_FETCH = 1, API_VERSIONS = 18 };

enum {
    ERROR_NONE = 0,
    ERROR_OUT_OF_RANGE = 1,
    ERROR_UNKNOWN_TOPIC = 3,
    ERROR_NOT_LEADER = 6,
    ERROR_AUTHORIZATION = 29,
    ERROR_UNSUPPORTED_VERSION = 35,
    ERROR_STORAGE = 56,
    ERROR_FENCED_EPOCH = 74,
    ERROR_UNKNOWN_EPOCH = 75,
};

struct peer {
    bool is_dead;
    int host; /* its name has this number in it */
    int64_t versions_max;
    int64_t fetch_first;
    int64_t fetch_last;
    bool says_no_range;        /* with UNSUPPORTED_VERSION, as brokers before 2.4 */
    int always_error;          /* answered for every partition; 0: none */
    bool claims_more_versions; /* of ApiVersions than it then takes */
    bool hangs_up;             /* instead of answering a fetch */
    bool names_no_end;
    bool corrupts;           /* the first batch of each partition's answer */
    bool cuts_off;           /* every batch */
    size_t bytes_max;        /* its own limit for a partition, */
    size_t answer_bytes_max; /* and for an answer; 0: what was asked for */
    size_t bytes_pace;       /* so many bytes at a time; 0: any, */
    int64_t pace_ns;         /* so far apart */
    int64_t connects;
};

struct peer_part {
    struct peer_log *log; /* NULL: nobody knows the topic or the partition */
    struct slice topic;
    int32_t partition;
    int64_t offset;
    size_t bytes_max;
};

/* As asked for. */
struct peer_request {
    int api;
    int version;
    int32_t correlation_id;
    int64_t begun_ns;
    size_t bytes_max;
    struct peer_part parts[PEER_LOGS + 2];
    int part_count;
};

enum conn_state { CONN_CLOSED, CONN_CONNECTING, CONN_IDLE, CONN_ASKED, CONN_ANSWERING };

struct peer_conn {
    enum conn_state state;
    uint64_t life;
    struct peer *peer;
    struct buf out;
    struct peer_request request;
    struct buf in;
    size_t given;
    size_t owed; /* with so many given, the next request may come */
    int64_t due_ns;
    size_t dies_at; /* behind so many bytes of the answer; SIZE_MAX: it does not */
    char *room;     /* the kernel's */
    size_t room_len;
};

/* What the kernel has not let go of. */
struct grave {
    struct chunk *chunk;
    char *room;
    size_t room_len;
};

struct peers {
    int64_t now_ns;
    bool is_troubled;
    unsigned trouble; /* percent of the answers */
    struct plan plan;
    struct plan_source sources[PEER_SOURCES];
    struct fetcher *fetcher;
    struct peer peers[PEERS];
    struct peer_log logs[PEER_LOGS];
    struct peer_conn conns[FETCHER_LINKS_MAX];
    struct grave graves[GRAVES_MAX];
    int grave_count;
    bool is_read[PEER_LOGS];
    /* Ends that brokers have named for what is read now, as offsets from the log's origin. */
    bool said[PEER_LOGS][LOG_RECORDS_MAX * 4];
    int leaders_wanted;
    int64_t snapshot_ns; /* when the next one is to come; FETCHER_NOT_DUE: none is under way */
    uint64_t fetches;
    uint64_t reports;
};

static struct peers world;

static inline int log_number(uint32_t source, int32_t partition)
{
    return (int)source * PEER_PARTS + partition;
}

/* --- requests, from bytes --- */

static inline uint64_t take_int(struct slice *from, int bytes)
{
    uint64_t value = 0;

    ENSURE(from->len >= (size_t)bytes);
    for (int i = 0; i < bytes; i++)
        value = value << 8 | (uint8_t)from->data[i];
    from->data += bytes;
    from->len -= (size_t)bytes;
    return value;
}

static inline uint64_t take_uvarint(struct slice *from)
{
    uint64_t value = 0;
    int shift = 0;
    uint64_t byte;

    do {
        byte = take_int(from, 1);
        value |= (byte & 127) << shift;
        shift += 7;
    } while (byte & 128);
    return value;
}

static inline struct slice take_string(struct slice *from, bool compact)
{
    size_t len = compact ? take_uvarint(from) - 1 : take_int(from, 2);
    struct slice text = {from->data, len};

    ENSURE(from->len >= len);
    from->data += len;
    from->len -= len;
    return text;
}

static inline uint64_t take_count(struct slice *from, bool compact)
{
    return compact ? take_uvarint(from) - 1 : take_int(from, 4);
}

static inline void take_no_tags(struct slice *from, bool compact)
{
    if (compact)
        ENSURE_INT(take_int(from, 1), 0);
}

static inline struct peer_log *log_of(struct slice topic, int32_t partition)
{
    for (uint32_t i = 0; i < PEER_SOURCES; i++) {
        if (slice_equal(topic, slice_of(world.sources[i].topic)) && partition >= 0 &&
            partition < PEER_PARTS)
            return &world.logs[log_number(i, partition)];
    }
    return NULL;
}

static inline void take_part(struct slice *from, struct peer_request *request, struct slice topic)
{
    bool compact = request->version >= 12;
    struct peer_part *part = &request->parts[request->part_count];

    ENSURE(request->part_count < PEER_LOGS); /* none twice */
    part->partition = (int32_t)take_int(from, 4);
    part->log = log_of(topic, part->partition);
    ENSURE(part->log);
    ENSURE(world.is_read[part->log - world.logs]);
    part->topic = slice_of(world.sources[part->log->source].topic);
    for (int i = 0; i < request->part_count; i++)
        ENSURE(request->parts[i].log != part->log);
    if (request->version >= 9)
        ENSURE_INT((int32_t)take_int(from, 4), -1);
    part->offset = (int64_t)take_int(from, 8);
    ENSURE(part->offset >= 0);
    if (compact)
        ENSURE_INT((int32_t)take_int(from, 4), -1);
    if (request->version >= 5)
        ENSURE_INT(take_int(from, 8), -1);
    part->bytes_max = take_int(from, 4);
    take_no_tags(from, compact);
    request->part_count++;
}

static inline void take_fetch(struct slice *from, struct peer_request *request)
{
    bool compact = request->version >= 12;
    struct slice topics[PEER_SOURCES];
    uint64_t count;

    ENSURE_INT((int32_t)take_int(from, 4), -1);
    ENSURE_INT(take_int(from, 4) * NS_PER_MS, PEER_WAIT_NS);
    ENSURE_INT(take_int(from, 4), 1);
    request->bytes_max = take_int(from, 4);
    ENSURE_INT(take_int(from, 1), 1); /* read_committed */
    if (request->version >= 7) {
        ENSURE_INT(take_int(from, 4), 0);
        ENSURE_INT((int32_t)take_int(from, 4), -1);
    }
    count = take_count(from, compact);
    ENSURE(count > 0 && count <= PEER_SOURCES);
    for (uint64_t i = 0; i < count; i++) {
        topics[i] = take_string(from, compact);
        for (uint64_t j = 0; j < i; j++)
            ENSURE(!slice_equal(topics[i], topics[j]));
        for (uint64_t left = take_count(from, compact); left > 0; left--)
            take_part(from, request, topics[i]);
        take_no_tags(from, compact);
    }
    if (request->version >= 7)
        ENSURE_INT(take_count(from, compact), 0);
    if (request->version >= 11)
        ENSURE_INT(take_string(from, compact).len, 0);
    take_no_tags(from, compact);
    world.fetches++;
}

static inline void take_request(struct slice from, const struct peer *peer,
                                struct peer_request *request)
{
    *request = (struct peer_request){.begun_ns = world.now_ns};
    ENSURE_INT(take_int(&from, 4), from.len);
    request->api = (int)take_int(&from, 2);
    request->version = (int)take_int(&from, 2);
    request->correlation_id = (int32_t)take_int(&from, 4);
    ENSURE_TEXT(take_string(&from, false), SLICE_LITERAL("freshet"));
    ENSURE(request->api == API_FETCH || request->api == API_VERSIONS);
    if (request->api == API_FETCH) {
        ENSURE(request->version >= peer->fetch_first && request->version <= peer->fetch_last);
        take_no_tags(&from, request->version >= 12);
        take_fetch(&from, request);
    } else if (request->version >= 3) {
        take_no_tags(&from, true);
        ENSURE(take_string(&from, true).len > 0);
        ENSURE(take_string(&from, true).len > 0);
        take_no_tags(&from, true);
    }
    ENSURE_INT(from.len, 0);
}

/* --- what the fetcher reaches brokers through --- */

static inline struct peer *peer_at(const char *host, uint16_t port)
{
    char name[64];

    for (int i = 0; i < PEERS; i++) {
        snprintf(name, sizeof(name), "broker-%d-%d", i, world.peers[i].host);
        if (strcmp(name, host) == 0 && port == 9000 + i)
            return &world.peers[i];
    }
    return NULL;
}

static inline int64_t soon_ns(int64_t most_ms)
{
    return world.now_ns + random_between(0, most_ms * NS_PER_MS);
}

static inline int on_connect(void *context, unsigned number, const struct cluster_broker *broker)
{
    struct peer_conn *conn = &world.conns[number];

    (void)context;
    ENSURE(conn->state == CONN_CLOSED);
    if (world.is_troubled && random_chance(3))
        return -ENOSPC;
    conn->state = CONN_CONNECTING;
    conn->peer = peer_at(broker->host, broker->port);
    conn->due_ns = soon_ns(world.is_troubled ? 200 : 2);
    buf_reset(&conn->out);
    buf_reset(&conn->in);
    conn->given = 0;
    conn->room = NULL;
    conn->life++;
    if (conn->peer)
        conn->peer->connects++;
    return 0;
}

/* One request at a time. */
static inline bool may_ask(const struct peer_conn *conn)
{
    return conn->state == CONN_IDLE || (conn->state == CONN_ANSWERING && conn->given >= conn->owed);
}

static inline struct buf *on_out(void *context, unsigned number)
{
    (void)context;
    ENSURE(may_ask(&world.conns[number]));
    return &world.conns[number].out;
}

static inline void on_flush(void *context, unsigned number)
{
    struct peer_conn *conn = &world.conns[number];

    (void)context;
    ENSURE(may_ask(conn));
    take_request(buf_slice(&conn->out), conn->peer, &conn->request);
    buf_reset(&conn->out);
    conn->state = CONN_ASKED;
    conn->due_ns = soon_ns(world.is_troubled && random_chance(10) ? 2000 : 3);
}

static inline void on_close(void *context, unsigned number, struct chunk *chunk)
{
    struct peer_conn *conn = &world.conns[number];

    (void)context;
    if (conn->state == CONN_CLOSED)
        ENSURE(!chunk || !chunk->frame_got);
    ENSURE(world.grave_count < GRAVES_MAX);
    world.graves[world.grave_count++] = (struct grave){chunk, conn->room, conn->room_len};
    conn->state = CONN_CLOSED;
    conn->room = NULL;
}

/* The kernel writes what has come late, and lets go. */
static inline void graves_empty(void)
{
    for (; world.grave_count > 0; world.grave_count--) {
        struct grave *grave = &world.graves[world.grave_count - 1];

        if (grave->room)
            memset(grave->room, 0xa5, grave->room_len);
        chunk_free(grave->chunk);
    }
}

static inline void on_leaders_wanted(void *context)
{
    (void)context;
    world.leaders_wanted++;
    if (world.snapshot_ns == FETCHER_NOT_DUE)
        world.snapshot_ns = soon_ns(world.is_troubled ? 3000 : 5);
}

static inline void on_report(void *context, const char *text)
{
    (void)context;
    ENSURE(text[0]);
    world.reports++;
}

/* --- the cluster --- */

/* As it is; in troubles, perhaps without some leader, or with a wrong one. */
static inline void snapshot_give(void)
{
    struct cluster *cluster = cluster_create(PEERS, PEER_SOURCES);

    for (int i = 0; i < PEERS; i++) {
        cluster->brokers[i].id = 100 + i;
        cluster->brokers[i].port = (uint16_t)(9000 + i);
        snprintf(cluster->brokers[i].host, sizeof(cluster->brokers[i].host), "broker-%d-%d", i,
                 world.peers[i].host - (world.is_troubled && random_chance(5)));
    }
    for (uint32_t i = 0; i < PEER_SOURCES; i++) {
        cluster_set_topic(cluster, i, world.is_troubled && random_chance(3) ? 0 : PEER_PARTS);
        for (uint32_t j = 0; j < cluster->topics[i].partition_count; j++) {
            int leader = world.logs[log_number(i, (int32_t)j)].leader;

            if (world.is_troubled && random_chance(5))
                leader = (int)random_below(PEERS + 1) - 1;
            cluster->topics[i].leaders[j] = leader < 0 ? CLUSTER_NO_LEADER : 100 + leader;
        }
    }
    world.snapshot_ns = FETCHER_NOT_DUE;
    fetcher_cluster(world.fetcher, cluster, world.now_ns);
}

/* --- set-up --- */

static inline void peers_begin(void)
{
    static const char *const topics[PEER_SOURCES] = {"clicks", "orders of today"};
    struct fetcher_options options;

    world.now_ns = random_between(0, 1000 * NS_PER_S);
    world.is_troubled = false;
    world.grave_count = world.leaders_wanted = 0;
    world.fetches = world.reports = 0;
    world.snapshot_ns = FETCHER_NOT_DUE;
    for (unsigned i = 0; i < FETCHER_LINKS_MAX; i++) {
        world.conns[i].state = CONN_CLOSED;
        world.conns[i].room = NULL; /* went with the fetcher before */
    }
    memset(world.is_read, 0, sizeof(world.is_read));
    memset(world.said, 0, sizeof(world.said));
    for (int i = 0; i < PEER_SOURCES; i++)
        world.sources[i].topic = topics[i];
    world.plan.sources = world.sources;
    world.plan.source_count = PEER_SOURCES;
    for (int i = 0; i < PEERS; i++)
        world.peers[i] = (struct peer){
            .versions_max = 3, .fetch_first = 4, .fetch_last = 12, .bytes_max = SIZE_MAX};
    for (int i = 0; i < PEER_LOGS; i++) {
        log_init(&world.logs[i], (uint32_t)(i / PEER_PARTS), i % PEER_PARTS);
        world.logs[i].leader = i % PEERS;
    }
    options = (struct fetcher_options){
        .plan = &world.plan,
        .io = {NULL, on_connect, on_out, on_flush, on_close},
        .seed = random_next(),
        .leaders_wanted = on_leaders_wanted,
        .report = on_report,
    };
    world.fetcher = fetcher_create(&options);
}

static inline void peers_end(void)
{
    fetcher_free(world.fetcher);
    graves_empty();
    for (int i = 0; i < (int)FETCHER_LINKS_MAX; i++) {
        buf_free(&world.conns[i].out);
        buf_free(&world.conns[i].in);
        world.conns[i].state = CONN_CLOSED;
    }
}

static inline void peers_read(int number, int64_t offset)
{
    const struct peer_log *log = &world.logs[number];

    world.is_read[number] = true;
    memset(world.said[number], 0, sizeof(world.said[number]));
    fetcher_add(world.fetcher, log->source, log->partition, offset, world.now_ns);
}

static inline void peers_read_no_more(int number)
{
    const struct peer_log *log = &world.logs[number];

    world.is_read[number] = false;
    fetcher_remove(world.fetcher, log->source, log->partition);
}

#endif
