/* list_offsets - asking a partition's leader where its log begins and ends, or where a time is in
 * it.
 *
 * The end is the high watermark, or with read_committed the last stable offset. A time is answered
 * with the first record that has that timestamp or a later one.
 *
 * Source: Kafka protocol guide, "ListOffsets", versions 1 to 5; KIP-79, KIP-98, KIP-320. */
#ifndef FRESHET_KAFKA_LIST_OFFSETS_H
#define FRESHET_KAFKA_LIST_OFFSETS_H

#include "kafka/fetch.h"

#define LIST_OFFSETS_LATEST   (-1) /* as timestamp */
#define LIST_OFFSETS_EARLIEST (-2)

struct list_offsets_partition {
    int32_t partition;
    int32_t leader_epoch; /* as in struct fetch_partition (from v4) */
    int64_t timestamp_ms; /* >= 0, or one of the above */
};

struct list_offsets_topic {
    struct slice name;
    const struct list_offsets_partition *partitions;
    uint32_t partition_count;
};

/* `head->api` is KAFKA_API_LIST_OFFSETS. Before v2 there is no isolation: it is read_uncommitted.
 */
void list_offsets_request(struct buf *out, const struct kafka_request *head,
                          enum kafka_isolation isolation, const struct list_offsets_topic *topics,
                          uint32_t topic_count);

struct list_offsets_response {
    int32_t throttle_ms;

    /* Not the caller's. */
    int16_t version;
    uint32_t topics_left;
    uint32_t partitions_left;
    struct slice topic;
    struct wire_reader rest;
};

struct list_offsets_answer {
    struct slice topic; /* bytes of the response */
    int32_t partition;
    int16_t error;        /* enum kafka_error */
    int64_t timestamp_ms; /* of the record found; -1: the beginning or the end was asked for */
    int64_t offset;       /* -1: there is no record of that time */
    int32_t leader_epoch; /* of that record; -1: unknown */
};

/* Looks through a response's body. Returns 0, or -EBADMSG with *ret untouched. */
MUST_USE int list_offsets_response(struct wire_reader body, int16_t version,
                                   struct list_offsets_response *ret);

/* The next partition; false: there is none. */
MUST_USE bool list_offsets_response_next(struct list_offsets_response *response,
                                         struct list_offsets_answer *ret);

#endif
