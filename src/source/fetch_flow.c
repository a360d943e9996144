/* Partitions that are read: who leads them, where they go on, what goes wrong with them. */

#include "base/clock.h"
#include "source/fetch_internal.h"

#define BYTES_MAX   (64u << 20) /* of a partition, where its batches are that large */
#define GONE_TRIES  20          /* there is no such offset: or a leader that lags behind? */
#define PARCELS_MIN 16

/* --- leaders --- */

void leaders_want(struct fetcher *fetcher)
{
    fetcher->leaders_missing = true;
    if (fetcher->leaders_due_ns > fetcher->now_ns)
        return;
    fetcher->leaders_due_ns = fetcher->now_ns + back_off_ns(fetcher, 2 + fetcher->leaders_tries++);
    fetcher->leaders_missing = false; /* asked for */
    fetcher->leaders_wanted(fetcher->context);
}

static struct fetch_link *link_to(struct fetcher *fetcher, const struct cluster_broker *broker)
{
    struct fetch_link *unused = NULL;

    for (unsigned i = 0; i < FETCHER_LINKS_MAX; i++) {
        struct fetch_link *link = &fetcher->links[i];

        if (link->state == LINK_UNUSED)
            unused = unused ? unused : link;
        else if (link->broker.id == broker->id)
            return link;
    }
    return unused;
}

/* False: its leader is not known, or can't be asked. */
static bool flow_place(struct flow *flow)
{
    struct fetcher *fetcher = flow->fetcher;
    const struct cluster_broker *leader = cluster_leader(fetcher->cluster, flow->source,
                                                         flow->partition);
    struct fetch_link *link = leader ? link_to(fetcher, leader) : NULL;

    if (flow->link && flow->link != link) {
        counter_add(&fetcher->stats.leader_changes, 1);
        flow_restart(flow, flow->polled);
    }
    flow->link = link;
    if (link)
        link_use(link, leader);
    return link;
}

static bool is_used(const struct fetcher *fetcher, const struct fetch_link *link)
{
    for (uint32_t i = 0; i < fetcher->list_count; i++) {
        if (fetcher->list[i]->link == link)
            return true;
    }
    return false;
}

void flows_place(struct fetcher *fetcher)
{
    bool all_placed = true;

    if (!fetcher->cluster) {
        leaders_want(fetcher);
        return;
    }
    for (uint32_t i = 0; i < fetcher->list_count; i++)
        all_placed = flow_place(fetcher->list[i]) && all_placed;
    for (unsigned i = 0; i < FETCHER_LINKS_MAX; i++) {
        if (fetcher->links[i].state != LINK_UNUSED && !is_used(fetcher, &fetcher->links[i]))
            link_drop(&fetcher->links[i], NULL);
    }
    if (!all_placed)
        leaders_want(fetcher);
}

/* --- answers --- */

struct flow *flow_find(const struct fetcher *fetcher, struct slice topic, int32_t partition)
{
    for (uint32_t i = 0; i < fetcher->plan->source_count; i++) {
        if (!slice_equal(topic, slice_of(fetcher->plan->sources[i].topic)))
            continue;
        if (partition < 0 || partition >= fetcher->partition_counts[i])
            return NULL;
        return fetcher->flows[i][partition];
    }
    return NULL;
}

void flow_restart(struct flow *flow, int64_t offset)
{
    flow->generation++;
    flow->asked_generation = 0;
    flow->offset = offset;
    flow->denials = 0;
    flow->is_lost = false; /* who says so is not believed any more, or has not been heard */
}

void flows_turn(struct fetcher *fetcher)
{
    uint32_t kept = 0;
    uint32_t turned = 0;

    for (uint32_t i = 0; i < fetcher->list_count; i++) {
        struct flow *flow = fetcher->list[i];

        if (flow->had_turn)
            fetcher->turned[turned++] = flow;
        else
            fetcher->list[kept++] = flow;
        flow->had_turn = false;
    }
    memcpy(fetcher->list + kept, fetcher->turned, turned * sizeof(struct flow *));
}

static void flow_delay(struct flow *flow)
{
    flow->retry_ns = flow->fetcher->now_ns + back_off_ns(flow->fetcher, flow->failures++);
}

static struct parcel *parcel_add(struct chunk *chunk, struct flow *flow)
{
    struct parcel *parcel;

    CHECK(chunk->parcels_left < chunk->parcels_cap);
    parcel = &chunk->parcels[chunk->parcels_left++];
    *parcel = (struct parcel){
        .chunk = chunk,
        .flow = flow,
        .generation = flow->generation,
        .end_offset = flow->end_offset,
    };
    *flow->fetcher->last = parcel;
    flow->fetcher->last = &parcel->next;
    return parcel;
}

/* Behind the whole batches. */
static int64_t offset_behind(struct slice records, int64_t offset, bool *ret_is_cut)
{
    struct record_batch batch;
    enum record_problem problem;
    size_t bytes;

    *ret_is_cut = false;
    while (records.len > 0) {
        enum record_batch_found found = record_batch_read(records, &batch, &bytes, &problem);

        if (found == RECORD_BATCH_CUT_OFF)
            *ret_is_cut = true;
        if (found != RECORD_BATCH_WHOLE)
            break; /* a bad one: who polls finds out */
        offset = MAX(offset, record_batch_last_offset(&batch) + 1);
        records.data += bytes;
        records.len -= bytes;
    }
    return offset;
}

static void records_take(struct flow *flow, struct chunk *chunk, const struct fetch_answer *answer)
{
    int64_t end = answer->last_stable_offset >= 0 ? answer->last_stable_offset
                                                  : answer->high_watermark;
    bool is_cut;
    int64_t next = offset_behind(answer->records, flow->offset, &is_cut);

    flow->end_offset = end;
    flow->had_turn = answer->records.len > 0 || flow->offset >= end;
    if (next == flow->offset && is_cut) { /* not even one: all brokers since 0.10.1 give that */
        flow->bytes_max = MIN(flow->bytes_max * 2, BYTES_MAX);
        flow_delay(flow);
    }
    if (answer->records.len == 0 && (flow->offset < end || flow->told_end == flow->offset)) {
        flow->failures = 0;
        return;
    }
    struct parcel *parcel = parcel_add(chunk, flow);

    parcel->records = answer->records;
    parcel->aborted = answer->aborted;
    flow->offset = next;
}

/* Records are gone, or a new leader has not got as far as the one before. */
static void out_of_range(struct flow *flow, struct chunk *chunk, const struct fetch_answer *answer)
{
    bool is_before = answer->log_start_offset >= 0 && flow->offset < answer->log_start_offset;
    struct parcel *parcel;

    leaders_want(flow->fetcher);
    flow_delay(flow);
    if (!is_before && ++flow->denials < GONE_TRIES)
        return;
    flow->is_lost = true;
    parcel = parcel_add(chunk, flow);
    parcel->error = "the broker has no such offset";
    parcel->is_lost = true;
}

static bool is_about_leaders(int16_t error)
{
    return error == KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER ||
           error == KAFKA_ERROR_LEADER_NOT_AVAILABLE ||
           error == KAFKA_ERROR_REPLICA_NOT_AVAILABLE || error == KAFKA_ERROR_FENCED_LEADER_EPOCH ||
           error == KAFKA_ERROR_UNKNOWN_LEADER_EPOCH ||
           error == KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION ||
           error == KAFKA_ERROR_KAFKA_STORAGE_ERROR || error == KAFKA_ERROR_OFFSET_NOT_AVAILABLE;
}

static const char *error_text(int16_t error)
{
    switch (error) {
    case KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION:
        return "the broker does not know the topic or the partition";
    case KAFKA_ERROR_TOPIC_AUTHORIZATION_FAILED:
        return "not authorized to read the topic";
    case KAFKA_ERROR_CORRUPT_MESSAGE:
        return "the broker's log is corrupt there";
    case KAFKA_ERROR_KAFKA_STORAGE_ERROR:
        return "the broker cannot read its disk";
    default:
        return "the broker does not give records of the partition just now";
    }
}

void flow_answer(struct flow *flow, struct chunk *chunk, const struct fetch_answer *answer)
{
    flow->had_turn = true;
    if (answer->error != KAFKA_ERROR_OFFSET_OUT_OF_RANGE)
        flow->denials = 0;
    if (answer->error == KAFKA_ERROR_NONE) {
        records_take(flow, chunk, answer);
        return;
    }
    counter_add(&flow->fetcher->stats.errors, 1);
    if (answer->error == KAFKA_ERROR_OFFSET_OUT_OF_RANGE) {
        out_of_range(flow, chunk, answer);
        return;
    }
    flow_delay(flow);
    if (is_about_leaders(answer->error))
        leaders_want(flow->fetcher);
    /* Leaders come and go; only what lasts is worth a word. */
    if (!is_about_leaders(answer->error) || flow->failures > 5)
        parcel_add(chunk, flow)->error = error_text(answer->error);
}
