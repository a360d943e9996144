/* peer_answers - what the brokers of peers.h answer, and what goes wrong with it. */
#ifndef FRESHET_TESTS_PEER_ANSWERS_H
#define FRESHET_TESTS_PEER_ANSWERS_H

#include "peers.h"

/* Of a whole answer. */
enum spoilt {
    SPOILT_NOT,
    SPOILT_DEATH,       /* the connection ends in the middle of it */
    SPOILT_SILENCE,     /* it never comes */
    SPOILT_CORRELATION, /* it has the id of another */
    SPOILT_SIZE,        /* it is not as long as it says, or has an impossible length */
    SPOILT_TAIL,        /* its end is missing, and its size agrees */
    SPOILT_COUNT,       /* some number of elements is absurd */
    SPOILT_ERROR,       /* no partitions, but an error of the whole */
    SPOILT_TWICE,
    SPOILT_KINDS,
};

static inline bool troubled(unsigned percent)
{
    return world.is_troubled && random_chance(percent * world.trouble / 100);
}

static inline void put_string(struct buf *out, struct slice text, bool compact)
{
    if (compact)
        encode_uvarint(out, text.len + 1);
    else
        encode_int(out, 2, (int64_t)text.len);
    buf_append_slice(out, text);
}

static inline void put_count(struct buf *out, int64_t count, bool compact, bool absurd)
{
    static const int64_t wrong[] = {-2, INT32_MIN, INT32_MAX, 100000000};

    if (absurd)
        count = wrong[random_below(4)];
    if (compact)
        encode_uvarint(out, (uint32_t)(count + 1));
    else
        encode_int(out, 4, count);
}

static inline void put_tags(struct buf *out, bool compact)
{
    if (!compact)
        return;
    if (random_chance(90)) {
        encode_uvarint(out, 0);
        return;
    }
    buf_append_slice(out, SLICE_LITERAL("\1\x63\3abc")); /* one that nobody knows */
}

/* --- versions --- */

static inline void put_versions(struct buf *out, const struct peer *peer,
                                const struct peer_request *request)
{
    bool refused = request->version > peer->versions_max;
    int version = refused ? 0 : request->version;
    bool compact = version >= 3;
    bool empty = refused && peer->says_no_range;
    int64_t versions_max = peer->claims_more_versions ? 9 : peer->versions_max;

    encode_int(out, 2, refused ? ERROR_UNSUPPORTED_VERSION : 0);
    put_count(out, empty ? 0 : refused ? 1 : 3, compact, false);
    if (!empty) {
        encode_int(out, 2, API_VERSIONS);
        encode_int(out, 2, 0);
        encode_int(out, 2, versions_max);
        put_tags(out, compact);
    }
    for (int i = 0; !refused && i < 2; i++) {
        encode_int(out, 2, i ? API_FETCH : 32767);
        encode_int(out, 2, i ? peer->fetch_first : 0);
        encode_int(out, 2, i ? peer->fetch_last : 3);
        put_tags(out, compact);
    }
    if (version >= 1)
        encode_int(out, 4, 0);
    put_tags(out, compact);
}

/* --- records --- */

/* Of aborted transactions that a reader from `offset` on may meet, and of some others. */
static inline void put_aborted(struct buf *out, const struct peer_log *log, int64_t offset,
                               bool compact, bool absurd)
{
    int64_t count = 0;

    for (int pass = 0; pass < 2; pass++) {
        if (pass == 1)
            put_count(out, count, compact, absurd);
        for (int i = 0; i < log->txn_count; i++) {
            const struct log_txn *txn = &log->txns[log->txn_count - 1 - i];

            if (txn->mark < 0 || txn->commits || txn->mark < offset)
                continue;
            count++;
            if (pass == 1) {
                encode_int(out, 8, txn->producer);
                encode_int(out, 8, txn->first);
                put_tags(out, compact);
            }
        }
        if (!compact && pass == 0 && count == 0 && random_chance(50)) {
            encode_int(out, 4, absurd ? -9 : -1); /* null */
            return;
        }
        if (compact && pass == 1)
            return;
    }
}

/* A byte of some batch, where it is noticed: its length, or what the checksum covers. */
static inline void corrupt(char *bytes, size_t len)
{
    struct slice rest = {bytes, len};
    size_t begin = 0;
    size_t at;

    while (rest.len > PEER_CORRUPTED + RECORD_BATCH_HEADER_BYTES && random_chance(70)) {
        struct slice head = {rest.data + 8, 4};
        size_t batch = 12 + take_int(&head, 4);

        if (batch + PEER_CORRUPTED >= rest.len)
            break;
        begin += batch;
        rest = (struct slice){rest.data + batch, rest.len - batch};
    }
    struct slice head = {rest.data + 8, 4};
    size_t batch = 12 + take_int(&head, 4);

    len = MIN(rest.len, batch);
    at = begin + (random_chance(10) ? 8 + random_below(4)
                                    : PEER_CORRUPTED + random_below(len - PEER_CORRUPTED));
    bytes[at] = (char)(bytes[at] ^ (char)(1 + random_below(255)));
}

static inline void said_end(const struct peer_log *log, int64_t end)
{
    int64_t place = end - log->origin;

    ENSURE(place < LOG_RECORDS_MAX * 4);
    if (place >= 0)
        world.said[log - world.logs][place] = true;
}

static inline const struct peer *peer_of(const struct peer_part *part)
{
    return &world.peers[MAX(part->log->leader, 0)];
}

struct part_answer {
    int error;
    int64_t end;
    struct slice records;
};

static inline int part_error(const struct peer *peer, const struct peer_part *part)
{
    static const int errors[] = {
        ERROR_UNKNOWN_TOPIC, ERROR_NOT_LEADER,    ERROR_AUTHORIZATION, ERROR_STORAGE,
        ERROR_FENCED_EPOCH,  ERROR_UNKNOWN_EPOCH, ERROR_OUT_OF_RANGE,
    };

    if (peer->always_error)
        return peer->always_error;
    if (troubled(10))
        return errors[random_below(7)];
    if (part->log->leader != peer - world.peers)
        return random_chance(70) ? ERROR_NOT_LEADER : ERROR_UNKNOWN_TOPIC;
    if (part->offset < part->log->begin || part->offset > part->log->end)
        return ERROR_OUT_OF_RANGE;
    return ERROR_NONE;
}

static inline void put_part(struct buf *out, const struct peer_request *request,
                            const struct peer_part *part, const struct part_answer *answer,
                            bool absurd)
{
    bool compact = request->version >= 12;
    int absurd_at = absurd ? (int)random_below(2) : -1;
    bool says_begin = answer->error ? random_chance(30) : true;
    size_t begin;

    encode_int(out, 4, part->partition);
    encode_int(out, 2, answer->error);
    encode_int(out, 8, answer->error || answer->end < 0 ? -1 : part->log->end);
    encode_int(out, 8, answer->error ? -1 : answer->end);
    if (request->version >= 5)
        encode_int(out, 8, says_begin ? part->log->begin : -1);
    put_aborted(out, part->log, part->offset, compact, absurd_at == 0);
    if (request->version >= 11)
        encode_int(out, 4, -1);
    put_count(out, (int64_t)answer->records.len, compact, absurd_at == 1);
    begin = out->len;
    buf_append_slice(out, answer->records);
    if (answer->records.len > RECORD_BATCH_HEADER_BYTES && troubled(15))
        corrupt(out->data + begin, answer->records.len);
    if (answer->records.len > RECORD_BATCH_HEADER_BYTES && peer_of(part)->corrupts)
        out->data[begin + RECORD_BATCH_HEADER_BYTES] ^= 1;
    put_tags(out, compact);
}

/* What the partition has for the request; *budget is left of its bytes. */
static inline struct part_answer part_read(const struct peer *peer, const struct peer_part *part,
                                           size_t *budget, bool is_first)
{
    struct part_answer answer = {.error = part_error(peer, part)};
    size_t most = MIN(MIN(part->bytes_max, peer->bytes_max), *budget);

    if (answer.error)
        return answer;
    answer.end = log_stable_end(part->log);
    said_end(part->log, answer.end);
    answer.records = log_read(part->log, part->offset, most, is_first);
    if (peer->names_no_end)
        answer.end = -1;
    if (peer->cuts_off)
        answer.records.len = MIN(answer.records.len, (size_t)RECORD_BATCH_HEADER_BYTES);
    if (answer.records.len > most && !is_first)
        answer.records = SLICE_NONE;
    *budget -= MIN(*budget, answer.records.len);
    return answer;
}

/* A partition that was not asked for, or once more, with what is no record of it. */
static inline void put_stray(struct buf *out, const struct peer_request *request,
                             struct slice topic)
{
    struct peer_part part = request->parts[random_below((uint64_t)request->part_count)];
    struct part_answer answer = {.error = random_chance(30) ? ERROR_OUT_OF_RANGE : 0};
    int64_t numbers[] = {part.partition, -1, INT32_MIN, PEER_PARTS, INT32_MAX};

    part.partition = (int32_t)numbers[random_below(5)];
    for (int i = 0; i < request->part_count; i++) {
        if (log_of(topic, part.partition) == request->parts[i].log)
            part.partition = -7; /* that one was asked for */
    }
    answer.end = part.log->end + 1000;
    answer.records = random_chance(50) ? SLICE_LITERAL("what is that, then, and for whom?")
                                       : log_read(part.log, part.log->begin, 3000, true);
    put_part(out, request, &part, &answer, false);
}

static inline void put_again(struct buf *out, const struct peer_request *request,
                             const struct peer_part *part)
{
    struct part_answer answer = {.error = random_chance(30) ? ERROR_OUT_OF_RANGE : 0,
                                 .end = part->log->end + 1000,
                                 .records = log_read(part->log, part->log->begin, 3000, true)};

    put_part(out, request, part, &answer, false);
}

static inline bool is_part_of(const struct peer_part *part, int source)
{
    return part->log->source == (uint32_t)source;
}

/* Partitions of a source: 0, some that were asked for, or more. */
static inline void put_topic(struct buf *out, const struct peer *peer,
                             const struct peer_request *request, int source, size_t *budget,
                             bool *is_first, bool absurd)
{
    bool compact = request->version >= 12;
    struct slice topic = slice_of(world.sources[source].topic);
    struct buf parts = {0};
    int64_t count = 0;

    for (int i = 0; i < request->part_count; i++) {
        const struct peer_part *part = &request->parts[i];

        if (!is_part_of(part, source) || troubled(3))
            continue;
        struct part_answer answer = part_read(peer, part, budget, *is_first);

        *is_first = *is_first && answer.records.len == 0;
        put_part(&parts, request, part, &answer, absurd && random_chance(50));
        count++;
        if (troubled(3)) {
            put_again(&parts, request, part);
            count++;
        }
    }
    if (troubled(3)) {
        put_stray(&parts, request, topic);
        count++;
    }
    put_string(out, topic, compact);
    put_count(out, count, compact, absurd && random_chance(50));
    buf_append_slice(out, buf_slice(&parts));
    put_tags(out, compact);
    buf_free(&parts);
}

static inline void put_fetch(struct buf *out, const struct peer *peer,
                             const struct peer_request *request, enum spoilt spoilt)
{
    bool compact = request->version >= 12;
    bool absurd = spoilt == SPOILT_COUNT;
    bool has_error = spoilt == SPOILT_ERROR && request->version >= 7;
    int sources[PEER_SOURCES];
    int count = 0;
    size_t budget = peer->answer_bytes_max ? peer->answer_bytes_max : request->bytes_max;
    bool is_first = true;

    encode_int(out, 4, troubled(5) ? random_between(-5, 3000) : 0);
    if (request->version >= 7) {
        encode_int(out, 2, has_error ? 70 : 0);
        encode_int(out, 4, 0);
    }
    for (int i = 0; i < request->part_count; i++) {
        int source = (int)request->parts[i].log->source;

        if (count == 0 || sources[count - 1] != source)
            sources[count++] = source;
        ENSURE(count <= PEER_SOURCES);
    }
    count = has_error ? 0 : count;
    put_count(out, count, compact, absurd && random_chance(30));
    for (int i = 0; i < count; i++)
        put_topic(out, peer, request, sources[i], &budget, &is_first, absurd);
    put_tags(out, compact);
}

/* --- the whole --- */

static inline bool has_records(const struct peer *peer, const struct peer_request *request)
{
    for (int i = 0; i < request->part_count; i++) {
        const struct peer_part *part = &request->parts[i];

        if (part->log->leader != peer - world.peers || part->offset < part->log->begin ||
            part->offset > part->log->end || part->offset < log_stable_end(part->log) ||
            peer->always_error)
            return true;
    }
    return false;
}

static inline int64_t wrong_size(int64_t size)
{
    int64_t sizes[] = {0,        -1,       INT32_MIN, INT32_MAX, 3, (256 << 20) + 1,
                       size / 2, size - 1, size + 1,  size + 100};

    return sizes[random_below(10)];
}

/* Writes the answer to the connection's `in`. */
static inline void answer_write(struct peer_conn *conn, enum spoilt spoilt)
{
    struct peer_request *request = &conn->request;
    struct buf body = {0};
    int64_t size;

    encode_int(&body, 4, (int64_t)request->correlation_id + (spoilt == SPOILT_CORRELATION));
    if (request->api == API_VERSIONS) {
        put_versions(&body, conn->peer, request);
    } else {
        put_tags(&body, request->version >= 12);
        put_fetch(&body, conn->peer, request, spoilt);
    }
    if (spoilt == SPOILT_TAIL)
        body.len -= 1 + random_below(body.len - 1);
    size = spoilt == SPOILT_SIZE ? wrong_size((int64_t)body.len) : (int64_t)body.len;
    for (int i = 0; i < 1 + (spoilt == SPOILT_TWICE); i++) {
        encode_int(&conn->in, 4, size);
        buf_append_slice(&conn->in, buf_slice(&body));
        conn->owed = i ? conn->owed : conn->in.len;
    }
    if (size >= 0 &&
        size < (int64_t)body.len) /* it may be asked again, by who takes that for all */
        conn->owed -= body.len - (size_t)size;
    buf_free(&body);
}

/* The answer begins to come, unless there is nothing yet to say. */
static inline void answer_begin(struct peer_conn *conn)
{
    enum spoilt spoilt = troubled(30) ? random_below(SPOILT_KINDS) : SPOILT_NOT;

    if (conn->request.api == API_FETCH && !has_records(conn->peer, &conn->request) &&
        world.now_ns < conn->request.begun_ns + PEER_WAIT_NS) {
        conn->due_ns = world.now_ns + 20 * NS_PER_MS;
        return;
    }
    conn->state = CONN_ANSWERING;
    buf_consume(&conn->in, conn->given); /* what came twice is still to come */
    conn->given = 0;
    conn->due_ns = world.now_ns;
    answer_write(conn, spoilt);
    conn->dies_at = spoilt == SPOILT_DEATH ? random_below(conn->in.len) : SIZE_MAX;
    if (conn->request.api == API_FETCH && conn->peer->hangs_up)
        conn->dies_at = 0;
    if (spoilt == SPOILT_SILENCE)
        conn->due_ns = FETCHER_NOT_DUE;
}

static inline void conn_room(unsigned number)
{
    struct peer_conn *conn = &world.conns[number];

    conn->room = fetcher_room(world.fetcher, number, &conn->room_len);
    ENSURE(conn->room_len > 0);
}

static inline void conn_lost(unsigned number)
{
    fetcher_lost(world.fetcher, number, random_chance(50) ? 0 : -ECONNRESET, world.now_ns);
    ENSURE(world.conns[number].state == CONN_CLOSED);
}

/* The next piece of the answer. */
static inline void answer_go_on(unsigned number)
{
    struct peer_conn *conn = &world.conns[number];
    uint64_t life = conn->life;
    size_t left = MIN(conn->in.len, conn->dies_at) - conn->given;
    size_t piece = MIN(left, conn->room_len);

    if (left == 0 && conn->given == conn->dies_at) {
        conn_lost(number);
        return;
    }
    if (left == 0) { /* it said that more would follow, but for what was asked for meanwhile */
        conn->due_ns = FETCHER_NOT_DUE;
        return;
    }
    if (conn->peer->bytes_pace)
        piece = MIN(piece, conn->peer->bytes_pace);
    else if (random_chance(30))
        piece = 1 + random_below(piece);
    memcpy(conn->room, conn->in.data + conn->given, piece);
    conn->room = NULL;
    conn->given += piece;
    conn->due_ns = random_chance(90) ? world.now_ns : soon_ns(world.is_troubled ? 50 : 1);
    if (conn->peer->pace_ns && conn->request.api == API_FETCH)
        conn->due_ns = world.now_ns + conn->peer->pace_ns;
    if (conn->given == conn->in.len && conn->dies_at == SIZE_MAX)
        conn->state = CONN_IDLE; /* the next request may come at once */
    fetcher_received(world.fetcher, number, piece, world.now_ns);
    if (conn->life == life && conn->state != CONN_CLOSED)
        conn_room(number);
}

/* What is due on the connection. */
static inline void conn_turn(unsigned number)
{
    struct peer_conn *conn = &world.conns[number];

    if (conn->peer && conn->peer->is_dead && conn->state > CONN_CONNECTING) {
        conn_lost(number);
        return;
    }
    if (conn->due_ns > world.now_ns)
        return;
    switch (conn->state) {
    case CONN_CONNECTING:
        if (!conn->peer || conn->peer->is_dead) {
            conn_lost(number);
            return;
        }
        conn->state = CONN_IDLE;
        conn->due_ns = FETCHER_NOT_DUE;
        fetcher_connected(world.fetcher, number, world.now_ns);
        if (conn->state != CONN_CLOSED)
            conn_room(number);
        break;
    case CONN_ASKED:
        answer_begin(conn);
        break;
    case CONN_ANSWERING:
        answer_go_on(number);
        break;
    case CONN_CLOSED:
    case CONN_IDLE:
        break;
    }
}

/* When the brokers do something next. */
static inline int64_t peers_due_ns(void)
{
    int64_t due_ns = world.snapshot_ns;

    for (unsigned i = 0; i < FETCHER_LINKS_MAX; i++) {
        const struct peer_conn *conn = &world.conns[i];

        if (conn->state == CONN_CLOSED || conn->state == CONN_IDLE)
            continue;
        due_ns = MIN(due_ns, conn->due_ns);
    }
    return due_ns;
}

static inline void peers_turn(void)
{
    if (world.snapshot_ns <= world.now_ns)
        snapshot_give();
    for (unsigned i = 0; i < FETCHER_LINKS_MAX; i++) {
        if (world.conns[i].state != CONN_CLOSED)
            conn_turn(i);
    }
}

#endif
