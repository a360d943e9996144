#include "source/fetcher.h"

#include <errno.h>

#include "base/clock.h"
#include "source/fetch_internal.h"

#define BATCH_BYTES_MAX (256u << 20) /* of a batch, decompressed */

/* A property of librdkafka's, which goes by two names. */
static uint32_t partition_bytes(const struct plan_kafka *kafka)
{
    uint32_t bytes = PARTITION_BYTES;

    for (uint32_t i = 0; i < kafka->property_count; i++) {
        const struct plan_property *property = &kafka->properties[i];

        if (strcmp(property->name, "fetch.message.max.bytes") == 0 ||
            strcmp(property->name, "max.partition.fetch.bytes") == 0)
            bytes = (uint32_t)MAX(MIN(strtol(property->value, NULL, 10), (long)RESPONSE_BYTES), 1L);
    }
    return bytes;
}

struct fetcher *fetcher_create(const struct fetcher_options *options)
{
    struct fetcher *fetcher = aligned_alloc(CACHE_LINE, (sizeof(*fetcher) + CACHE_LINE - 1) /
                                                            CACHE_LINE * CACHE_LINE);

    CHECK(fetcher);
    memset(fetcher, 0, sizeof(*fetcher));
    fetcher->plan = options->plan;
    fetcher->io = options->io;
    fetcher->leaders_wanted = options->leaders_wanted;
    fetcher->report = options->report;
    fetcher->context = options->context;
    fetcher->random = options->seed;
    fetcher->last = &fetcher->first;
    fetcher->partition_bytes = partition_bytes(&options->plan->kafka);
    for (unsigned i = 0; i < FETCHER_LINKS_MAX; i++) {
        fetcher->links[i].fetcher = fetcher;
        fetcher->links[i].number = i;
    }
    fetcher->flows = calloc(fetcher->plan->source_count, sizeof(*fetcher->flows));
    fetcher->partition_counts = calloc(fetcher->plan->source_count,
                                       sizeof(*fetcher->partition_counts));
    fetcher->topics = calloc(fetcher->plan->source_count, sizeof(*fetcher->topics));
    CHECK(fetcher->flows && fetcher->partition_counts && fetcher->topics);
    return fetcher;
}

void fetcher_free(struct fetcher *fetcher)
{
    if (!fetcher)
        return;
    for (uint32_t i = 0; i < fetcher->plan->source_count; i++) {
        for (int32_t j = 0; j < fetcher->partition_counts[i]; j++)
            free(fetcher->flows[i][j]);
        free(fetcher->flows[i]);
    }
    fetcher_release(fetcher);
    while (fetcher->first) {
        struct chunk *chunk = fetcher->first->chunk;

        fetcher->first = fetcher->first->next;
        if (--chunk->parcels_left == 0)
            chunk_free(chunk);
    }
    for (unsigned i = 0; i < FETCHER_LINKS_MAX; i++)
        chunk_free(fetcher->links[i].chunk);
    while (fetcher->spare) {
        struct chunk *chunk = fetcher->spare;

        fetcher->spare = chunk->next;
        chunk_free(chunk);
    }
    cluster_drop(fetcher->cluster);
    aborted_list_done(&fetcher->aborted);
    decompressor_done(&fetcher->decompressor);
    free(fetcher->flows);
    free(fetcher->partition_counts);
    free(fetcher->list);
    free(fetcher->turned);
    free(fetcher->parts);
    free(fetcher->topics);
    free(fetcher->records);
    free(fetcher);
}

/* --- what is read --- */

void fetcher_cluster(struct fetcher *fetcher, struct cluster *cluster, int64_t now_ns)
{
    fetcher->now_ns = MAX(fetcher->now_ns, now_ns);
    cluster_drop(fetcher->cluster);
    fetcher->cluster = cluster;
    flows_place(fetcher);
}

static void flows_grow(struct fetcher *fetcher, uint32_t source, int32_t partition)
{
    int32_t count = fetcher->partition_counts[source];
    struct flow **flows = fetcher->flows[source];

    if (partition < count)
        return;
    flows = realloc(flows, ((size_t)partition + 1) * sizeof(struct flow *));
    CHECK(flows);
    memset(flows + count, 0, (size_t)(partition + 1 - count) * sizeof(struct flow *));
    fetcher->flows[source] = flows;
    fetcher->partition_counts[source] = partition + 1;
}

static void list_add(struct fetcher *fetcher, struct flow *flow)
{
    if (fetcher->list_count == fetcher->list_cap) {
        fetcher->list_cap = MAX(fetcher->list_cap * 2, 16u);
        fetcher->list = realloc(fetcher->list, fetcher->list_cap * sizeof(struct flow *));
        fetcher->turned = realloc(fetcher->turned, fetcher->list_cap * sizeof(struct flow *));
        fetcher->parts = realloc(fetcher->parts, fetcher->list_cap * sizeof(*fetcher->parts));
        CHECK(fetcher->list && fetcher->turned && fetcher->parts);
    }
    fetcher->list[fetcher->list_count++] = flow;
}

/* A flow lives as long as the fetcher: parcels of it may be waiting. */
void fetcher_add(struct fetcher *fetcher, uint32_t source, int32_t partition, int64_t offset,
                 int64_t now_ns)
{
    struct flow *flow;

    fetcher->now_ns = MAX(fetcher->now_ns, now_ns);
    fetcher_remove(fetcher, source, partition);
    flows_grow(fetcher, source, partition);
    flow = fetcher->flows[source][partition];
    if (!flow) {
        flow = fetcher->flows[source][partition] = calloc(1, sizeof(*flow));
        CHECK(flow);
        *flow = (struct flow){.fetcher = fetcher, .source = source, .partition = partition};
    }
    flow_restart(flow, offset);
    flow->polled = offset;
    flow->end_offset = flow->told_end = -1;
    flow->retry_ns = 0;
    flow->failures = 0;
    flow->bytes_max = fetcher->partition_bytes;
    flow->is_read = true;
    list_add(fetcher, flow);
    flows_place(fetcher);
}

void fetcher_remove(struct fetcher *fetcher, uint32_t source, int32_t partition)
{
    struct flow *flow = partition < fetcher->partition_counts[source]
                            ? fetcher->flows[source][partition]
                            : NULL;

    if (!flow || !flow->is_read)
        return;
    flow->is_read = false;
    flow->link = NULL;
    flow_restart(flow, flow->polled);
    for (uint32_t i = 0; i < fetcher->list_count; i++) {
        if (fetcher->list[i] == flow)
            fetcher->list[i--] = fetcher->list[--fetcher->list_count];
    }
}

int64_t fetcher_end_offset(const struct fetcher *fetcher, uint32_t source, int32_t partition)
{
    const struct flow *flow = partition < fetcher->partition_counts[source]
                                  ? fetcher->flows[source][partition]
                                  : NULL;

    return flow && flow->is_read ? flow->end_offset : -1;
}

/* --- the poll --- */

static void parcel_pop(struct fetcher *fetcher)
{
    struct parcel *parcel = fetcher->first;
    struct chunk *chunk = parcel->chunk;

    fetcher->first = parcel->next;
    if (!fetcher->first)
        fetcher->last = &fetcher->first;
    fetcher->is_open = false;
    if (--chunk->parcels_left > 0)
        return;
    chunk->next = fetcher->done; /* records of it may be with the caller */
    fetcher->done = chunk;
}

static void mark_set(struct fetched *out, enum fetched_kind kind, const struct flow *flow,
                     int64_t offset, const char *text)
{
    *out = (struct fetched){
        .kind = kind,
        .source = flow->source,
        .record = {.partition = flow->partition, .offset = offset},
        .text = text,
    };
}

static void parcel_open(struct fetcher *fetcher, const struct parcel *parcel)
{
    struct batches_options options = {
        .partition = parcel->flow->partition,
        .offset = parcel->flow->polled,
        .aborted = &fetcher->aborted,
        .decompressor = &fetcher->decompressor,
        .bytes_max = BATCH_BYTES_MAX,
    };

    aborted_list_fill(&fetcher->aborted, parcel->aborted);
    batches_init(&fetcher->batches, parcel->records, &options);
    fetcher->is_open = true;
}

/* The first parcel is at its end: of what comes with it beside records, at most one mark. */
static size_t parcel_end(struct fetcher *fetcher, struct fetched *out)
{
    const struct parcel *parcel = fetcher->first;
    struct flow *flow = parcel->flow;
    size_t marks = 0;

    flow->failures = 0;
    flow->polled = MAX(flow->polled, fetcher->batches.position);
    if (parcel->end_offset >= 0 && flow->polled >= parcel->end_offset &&
        flow->told_end != flow->polled) {
        mark_set(out, FETCHED_END, flow, flow->polled, NULL);
        flow->told_end = flow->polled;
        marks = 1;
    }
    parcel_pop(fetcher);
    return marks;
}

/* What was fetched is not sound: it is fetched once more, and nothing that is under way wanted. */
static size_t parcel_bad(struct fetcher *fetcher, struct fetched *out)
{
    struct flow *flow = fetcher->first->flow;

    counter_add(&fetcher->stats.corrupt_batches, 1);
    flow->polled = MAX(flow->polled, fetcher->batches.position);
    flow_restart(flow, flow->polled);
    flow->retry_ns = fetcher->now_ns + back_off_ns(fetcher, flow->failures++);
    mark_set(out, FETCHED_ERROR, flow, flow->polled,
             fetcher->batches.problem == RECORD_PROBLEM_MAGIC
                 ? "batches of a format before Kafka 0.11, which kafka: {fetch: librdkafka} reads"
                 : record_problem_text(fetcher->batches.problem));
    parcel_pop(fetcher);
    return 1;
}

static void records_fill(struct fetched *out, const struct record *records, size_t count,
                         uint32_t source)
{
    for (size_t i = 0; i < count; i++) {
        out[i].kind = FETCHED_RECORD;
        out[i].source = source;
        out[i].record = records[i];
        out[i].text = NULL;
        out[i].message = NULL;
    }
}

/* From the first parcel; returns how many, marks included. */
static size_t parcel_poll(struct fetcher *fetcher, struct fetched *out, size_t max)
{
    const struct parcel *parcel = fetcher->first;
    struct flow *flow = parcel->flow;
    int count;

    if (flow->generation != parcel->generation) {
        parcel_pop(fetcher);
        return 0;
    }
    if (parcel->error) {
        mark_set(out, parcel->is_lost ? FETCHED_LOST : FETCHED_ERROR, flow, flow->polled,
                 parcel->error);
        parcel_pop(fetcher);
        return 1;
    }
    if (!fetcher->is_open)
        parcel_open(fetcher, parcel);
    count = batches_next(&fetcher->batches, fetcher->records, (int)max);
    if (count < 0)
        return parcel_bad(fetcher, out);
    if (count == 0)
        return parcel_end(fetcher, out);
    records_fill(out, fetcher->records, (size_t)count, flow->source);
    flow->polled = fetcher->records[count - 1].offset + 1;
    return (size_t)count;
}

size_t fetcher_poll(struct fetcher *fetcher, struct fetched *out, size_t max, int64_t now_ns)
{
    size_t count = 0;

    fetcher->now_ns = MAX(fetcher->now_ns, now_ns);
    fetcher_release(fetcher);
    if (fetcher->records_cap < max) {
        fetcher->records = realloc(fetcher->records, max * sizeof(*fetcher->records));
        CHECK(fetcher->records);
        fetcher->records_cap = max;
    }
    while (fetcher->first && count < max) {
        count += parcel_poll(fetcher, out + count, max - count);
        /* Its next batch would go where the records of this one are. */
        if (count > 0 && fetcher->is_open && fetcher->batches.decompressed)
            break;
    }
    if (count == 0) /* what was not wanted must not keep its link waiting until the next poll */
        fetcher_release(fetcher);
    return count;
}

void fetcher_release(struct fetcher *fetcher)
{
    while (fetcher->done) {
        struct chunk *chunk = fetcher->done;

        fetcher->done = chunk->next;
        chunk->link->chunks_waiting--;
        gauge_add(&fetcher->stats.queued_bytes, -(int64_t)chunk->frame_len);
        chunk_put(fetcher, chunk);
    }
}

/* --- the turn --- */

void fetcher_turn(struct fetcher *fetcher, int64_t now_ns)
{
    fetcher->now_ns = MAX(fetcher->now_ns, now_ns);
    if (fetcher->leaders_missing)
        leaders_want(fetcher);
    for (unsigned i = 0; i < FETCHER_LINKS_MAX; i++)
        link_turn(&fetcher->links[i]);
}

int64_t fetcher_deadline_ns(const struct fetcher *fetcher)
{
    int64_t due_ns = fetcher->leaders_missing ? fetcher->leaders_due_ns : FETCHER_NOT_DUE;

    for (unsigned i = 0; i < FETCHER_LINKS_MAX; i++)
        due_ns = MIN(due_ns, link_deadline_ns(&fetcher->links[i]));
    return due_ns;
}

const struct fetcher_stats *fetcher_stats(const struct fetcher *fetcher)
{
    return &fetcher->stats;
}
