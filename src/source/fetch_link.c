/* One connection to a leader: versions are asked for first, then one fetch after the other. */

#include <errno.h>

#include "base/clock.h"
#include "base/hash.h"
#include "source/fetch_internal.h"

#define SPARE_MAX      4          /* chunks kept for later, */
#define SPARE_BYTES    (4u << 20) /* if they are not larger */
#define CHUNK_ROUND_UP (256u << 10)

static const struct slice client_id = {"freshet", 7};

/* --- chunks --- */

void chunk_free(struct chunk *chunk)
{
    if (!chunk)
        return;
    free(chunk->frame);
    free(chunk->parcels);
    free(chunk);
}

struct chunk *chunk_get(struct fetcher *fetcher, struct fetch_link *link)
{
    struct chunk *chunk = fetcher->spare;

    if (chunk) {
        fetcher->spare = chunk->next;
        fetcher->spare_count--;
    } else {
        chunk = calloc(1, sizeof(*chunk));
        CHECK(chunk);
    }
    chunk->next = NULL;
    chunk->link = link;
    chunk->size_got = chunk->frame_len = chunk->frame_got = 0;
    chunk->parcels_left = 0;
    return chunk;
}

void chunk_put(struct fetcher *fetcher, struct chunk *chunk)
{
    if (fetcher->spare_count == SPARE_MAX || chunk->frame_cap > SPARE_BYTES) {
        chunk_free(chunk);
        return;
    }
    chunk->next = fetcher->spare;
    fetcher->spare = chunk;
    fetcher->spare_count++;
}

/* Room for a parcel of each partition, while there are none. */
static void parcels_reserve(struct chunk *chunk, uint32_t count)
{
    if (chunk->parcels_cap >= count)
        return;
    free(chunk->parcels);
    chunk->parcels = calloc(count, sizeof(*chunk->parcels));
    CHECK(chunk->parcels);
    chunk->parcels_cap = count;
}

/* The size has come. Returns 0, or -EBADMSG. */
static int chunk_size(struct chunk *chunk)
{
    int32_t size = wire_int32_at(chunk->size);

    if (size <= 0 || (uint32_t)size > FRAME_BYTES_MAX)
        return -EBADMSG;
    chunk->frame_len = (size_t)size;
    if (chunk->frame_cap < chunk->frame_len) {
        free(chunk->frame);
        chunk->frame_cap = (chunk->frame_len + CHUNK_ROUND_UP - 1) & ~(size_t)(CHUNK_ROUND_UP - 1);
        chunk->frame = malloc(chunk->frame_cap);
        CHECK(chunk->frame);
    }
    return 0;
}

/* --- the connection --- */

int64_t back_off_ns(struct fetcher *fetcher, unsigned attempts)
{
    int64_t most_ns = MIN(BACK_OFF_MIN_NS << MIN(attempts, 10u), BACK_OFF_MAX_NS);

    fetcher->random = hash64_int(fetcher->random);
    return most_ns / 2 + (int64_t)(fetcher->random % (uint64_t)(most_ns / 2 + 1));
}

static void report(struct fetch_link *link, const char *what)
{
    char text[512];

    snprintf(text, sizeof(text), "broker %d (%s:%u): %s", link->broker.id, link->broker.host,
             link->broker.port, what);
    link->fetcher->report(link->fetcher->context, text);
}

/* The connection is no more; flows that were asked for are asked for again. */
static void away(struct fetch_link *link, const char *why)
{
    struct fetcher *fetcher = link->fetcher;
    struct chunk *chunk = link->chunk;

    counter_add(&fetcher->stats.losses, 1);
    report(link, why);
    link->state = LINK_AWAY;
    link->retry_ns = fetcher->now_ns + back_off_ns(fetcher, link->attempts++);
    link->chunk = NULL;
    link->is_asked = false;
    fetcher->io.close(fetcher->io.context, link->number, chunk);
    leaders_want(fetcher);
}

void link_use(struct fetch_link *link, const struct cluster_broker *broker)
{
    if (link->state != LINK_UNUSED && strcmp(link->broker.host, broker->host) == 0 &&
        link->broker.port == broker->port)
        return;
    link_drop(link, NULL);
    link->broker = *broker;
    link->state = LINK_AWAY;
    link->retry_ns = link->fetcher->now_ns;
    link->attempts = 0;
}

void link_drop(struct fetch_link *link, const char *why)
{
    struct fetcher *fetcher = link->fetcher;

    if (why)
        report(link, why);
    if (link->state >= LINK_CONNECTING)
        fetcher->io.close(fetcher->io.context, link->number, link->chunk);
    link->chunk = NULL;
    link->is_asked = false;
    link->state = LINK_UNUSED;
}

static void connect_begin(struct fetch_link *link)
{
    const struct fetch_io *io = &link->fetcher->io;
    int error = io->connect(io->context, link->number, &link->broker);

    link->state = LINK_CONNECTING;
    if (error)
        away(link, strerror(-error));
}

/* --- asking --- */

static struct buf *ask_begin(struct fetch_link *link, enum kafka_api api, int16_t version)
{
    link->correlation_id = link->correlation_id < INT32_MAX ? link->correlation_id + 1 : 0;
    link->asked = (struct kafka_request){
        .api = api,
        .version = version,
        .correlation_id = link->correlation_id,
        .client_id = client_id,
    };
    link->is_asked = true;
    link->asked_ns = link->heard_ns = link->fetcher->now_ns;
    link->asked_wait_ns = 0;
    return link->fetcher->io.out(link->fetcher->io.context, link->number);
}

static void ask_end(struct fetch_link *link)
{
    link->fetcher->io.flush(link->fetcher->io.context, link->number);
}

static void ask_versions(struct fetch_link *link, int16_t version)
{
    struct buf *out = ask_begin(link, KAFKA_API_API_VERSIONS, version);

    link->state = LINK_ASKING_VERSIONS;
    api_versions_request(out, &link->asked, SLICE_LITERAL("freshet"),
                         SLICE_LITERAL(FRESHET_VERSION));
    ask_end(link);
}

/* The flows of the link that may be asked for, in the list's order, by source. */
static uint32_t wanted(struct fetch_link *link, struct fetch_topic *topics,
                       struct fetch_partition *parts)
{
    struct fetcher *fetcher = link->fetcher;
    uint32_t topic_count = 0;
    uint32_t part_count = 0;
    uint64_t sources_done[PLAN_SOURCES_MAX / 64 + 1] = {0};

    for (uint32_t i = 0; i < fetcher->list_count; i++) {
        const struct flow *head = fetcher->list[i];
        uint64_t bit = UINT64_C(1) << head->source % 64;

        if (head->link != link || (sources_done[head->source / 64] & bit))
            continue;
        struct fetch_topic *topic = &topics[topic_count];

        sources_done[head->source / 64] |= bit;
        *topic = (struct fetch_topic){.name = slice_of(fetcher->plan->sources[head->source].topic),
                                      .partitions = &parts[part_count]};
        for (uint32_t j = i; j < fetcher->list_count; j++) {
            struct flow *flow = fetcher->list[j];

            if (flow->link != link || flow->source != head->source || flow->is_lost ||
                flow->retry_ns > fetcher->now_ns)
                continue;
            flow->asked_generation = flow->generation;
            parts[part_count++] = (struct fetch_partition){
                .partition = flow->partition,
                .leader_epoch = -1,
                .fetched_epoch = -1,
                .offset = flow->offset,
                .bytes_max = (int32_t)flow->bytes_max,
            };
            topic->partition_count++;
        }
        topic_count += topic->partition_count > 0;
    }
    return topic_count;
}

static void ask_records(struct fetch_link *link)
{
    struct fetcher *fetcher = link->fetcher;
    struct fetch_request request = {
        .wait_ms_max = WAIT_MS_MAX,
        .bytes_min = 1,
        .bytes_max = RESPONSE_BYTES,
        .isolation = KAFKA_READ_COMMITTED,
        .session_id = FETCH_NO_SESSION,
        .session_epoch = FETCH_SESSION_NONE,
        .topics = fetcher->topics,
    };

    for (uint32_t i = 0; i < fetcher->list_count; i++) {
        if (fetcher->list[i]->link == link)
            fetcher->list[i]->asked_generation = 0;
    }
    request.topic_count = wanted(link, fetcher->topics, fetcher->parts);
    if (request.topic_count == 0)
        return;
    struct buf *out = ask_begin(link, KAFKA_API_FETCH, link->fetch_version);

    link->asked_wait_ns = WAIT_MS_MAX * NS_PER_MS;
    fetch_request(out, &link->asked, &request);
    ask_end(link);
}

/* --- answers --- */

static int versions_answered(struct fetch_link *link, struct wire_reader body)
{
    struct api_versions versions;
    int16_t version = 0;
    int error = api_versions_read(body, link->asked.version, &versions);

    if (error && link->asked.version > 0) { /* librdkafka's mock broker, asked in version 3 */
        ask_versions(link, 0);
        return 0;
    }
    if (error)
        return error;
    if (versions.error == KAFKA_ERROR_UNSUPPORTED_VERSION && link->asked.version > 0) {
        if (kafka_api_choose(KAFKA_API_API_VERSIONS, versions.broker[KAFKA_API_API_VERSIONS],
                             &version) ||
            version >= link->asked.version)
            version = 0;
        ask_versions(link, version);
        return 0;
    }
    if (versions.error) {
        link->refusal = versions.error;
        return -EPROTO;
    }
    error = kafka_api_choose(KAFKA_API_FETCH, versions.broker[KAFKA_API_FETCH],
                             &link->fetch_version);
    if (error)
        return error;
    counter_add(&link->fetcher->stats.connects, 1);
    link->state = LINK_READY;
    return 0;
}

/* The chunk is a parcel for each partition that has brought something. */
static int records_answered(struct fetch_link *link, struct chunk *chunk, struct wire_reader body)
{
    struct fetcher *fetcher = link->fetcher;
    struct fetch_response response;
    struct fetch_answer answer;
    int error = fetch_response(body, link->asked.version, &response);

    if (error)
        return error;
    if (response.error) {
        link->refusal = response.error;
        return -EPROTO;
    }
    parcels_reserve(chunk, fetcher->list_count);
    fetcher->leaders_tries = 0;
    link->attempts = 0;
    if (response.throttle_ms > 0)
        link->retry_ns = fetcher->now_ns + MIN(response.throttle_ms, 60000) * NS_PER_MS;
    while (fetch_response_next(&response, &answer)) {
        struct flow *flow = flow_find(fetcher, answer.topic, answer.partition);

        /* Taken away, or placed elsewhere, since it was asked for. */
        if (!flow || flow->link != link || flow->asked_generation != flow->generation)
            continue;
        flow->asked_generation = 0;
        flow_answer(flow, chunk, &answer);
    }
    flows_turn(fetcher);
    if (chunk->parcels_left > 0)
        hdr_record(&fetcher->stats.wait_ns, fetcher->now_ns - link->asked_ns, 1);
    return 0;
}

static int answered(struct fetch_link *link, struct chunk *chunk)
{
    struct slice frame = {chunk->frame, chunk->frame_len};
    struct wire_reader body;
    int error;

    if (!link->is_asked)
        return -EBADMSG;
    link->is_asked = false;
    error = kafka_response_begin(frame, &link->asked, &body);
    if (error)
        return error;
    return link->state == LINK_ASKING_VERSIONS ? versions_answered(link, body)
                                               : records_answered(link, chunk, body);
}

/* Nothing can be done with the answer. */
static void refuse(struct fetch_link *link, int error)
{
    const char *what = link->asked.api == KAFKA_API_FETCH ? "Fetch" : "ApiVersions";
    char text[128];

    if (error == -ENOTSUP)
        snprintf(text, sizeof(text), "it knows no version of Fetch that is known here");
    else if (error == -EPROTO)
        snprintf(text, sizeof(text), "it answers %s, version %d, with error %d", what,
                 link->asked.version, link->refusal);
    else
        snprintf(text, sizeof(text), "its answer to %s, version %d, is malformed", what,
                 link->asked.version);
    away(link, text);
}

/* A whole response is there. */
static void chunk_complete(struct fetch_link *link)
{
    struct fetcher *fetcher = link->fetcher;
    struct chunk *chunk = link->chunk;
    int error;

    counter_add(&fetcher->stats.responses, 1);
    counter_add(&fetcher->stats.bytes, chunk->frame_len);
    link->chunk = chunk_get(fetcher, link);
    error = answered(link, chunk);
    if (chunk->parcels_left == 0) {
        chunk_put(fetcher, chunk);
    } else {
        link->chunks_waiting++;
        gauge_add(&fetcher->stats.queued_bytes, (int64_t)chunk->frame_len);
    }
    if (error)
        refuse(link, error);
}

void fetcher_connected(struct fetcher *fetcher, unsigned number, int64_t now_ns)
{
    struct fetch_link *link = &fetcher->links[number];

    fetcher->now_ns = MAX(fetcher->now_ns, now_ns);
    if (!link->chunk)
        link->chunk = chunk_get(fetcher, link);
    ask_versions(link, kafka_api_versions(KAFKA_API_API_VERSIONS).last);
}

char *fetcher_room(struct fetcher *fetcher, unsigned number, size_t *ret_len)
{
    struct fetch_link *link = &fetcher->links[number];
    struct chunk *chunk;

    if (!link->chunk)
        link->chunk = chunk_get(fetcher, link);
    chunk = link->chunk;
    if (chunk->size_got < KAFKA_SIZE_BYTES) {
        *ret_len = KAFKA_SIZE_BYTES - chunk->size_got;
        return chunk->size + chunk->size_got;
    }
    *ret_len = chunk->frame_len - chunk->frame_got;
    return chunk->frame + chunk->frame_got;
}

void fetcher_received(struct fetcher *fetcher, unsigned number, size_t len, int64_t now_ns)
{
    struct fetch_link *link = &fetcher->links[number];
    struct chunk *chunk = link->chunk;

    fetcher->now_ns = MAX(fetcher->now_ns, now_ns);
    link->heard_ns = fetcher->now_ns;
    if (chunk->size_got < KAFKA_SIZE_BYTES) {
        chunk->size_got += len;
        if (chunk->size_got == KAFKA_SIZE_BYTES && chunk_size(chunk))
            away(link, "the size of what it answers is not possible");
        return;
    }
    chunk->frame_got += len;
    if (chunk->frame_got == chunk->frame_len)
        chunk_complete(link);
    link_turn(link);
}

void fetcher_lost(struct fetcher *fetcher, unsigned number, int error, int64_t now_ns)
{
    fetcher->now_ns = MAX(fetcher->now_ns, now_ns);
    away(&fetcher->links[number], error ? strerror(-error) : "it has closed the connection");
}

/* --- the turn --- */

void link_turn(struct fetch_link *link)
{
    int64_t now_ns = link->fetcher->now_ns;

    switch (link->state) {
    case LINK_UNUSED:
    case LINK_CONNECTING: /* the stream has its own time-out */
        return;
    case LINK_AWAY:
        if (now_ns >= link->retry_ns)
            connect_begin(link);
        return;
    case LINK_ASKING_VERSIONS:
    case LINK_READY:
        break;
    }
    if (link->is_asked) {
        if (now_ns - link->heard_ns >= link->asked_wait_ns + ANSWER_NS)
            away(link, "no answer");
    } else if (now_ns >= link->retry_ns && link->chunks_waiting < CHUNKS_MAX) {
        ask_records(link);
    }
}

/* When one of its flows may be asked for. */
static int64_t flows_due_ns(const struct fetch_link *link)
{
    const struct fetcher *fetcher = link->fetcher;
    int64_t due_ns = FETCHER_NOT_DUE;

    for (uint32_t i = 0; i < fetcher->list_count; i++) {
        const struct flow *flow = fetcher->list[i];

        if (flow->link == link && !flow->is_lost)
            due_ns = MIN(due_ns, flow->retry_ns);
    }
    return due_ns == FETCHER_NOT_DUE ? due_ns : MAX(due_ns, link->retry_ns);
}

int64_t link_deadline_ns(const struct fetch_link *link)
{
    if (link->state == LINK_AWAY)
        return link->retry_ns;
    if (link->state < LINK_ASKING_VERSIONS)
        return FETCHER_NOT_DUE;
    if (link->is_asked)
        return link->heard_ns + link->asked_wait_ns + ANSWER_NS;
    if (link->chunks_waiting >= CHUNKS_MAX)
        return FETCHER_NOT_DUE;
    return flows_due_ns(link);
}
