#include "kafka/fetch.h"

#include <errno.h>

enum { TAG_DIVERGING_EPOCH = 0, TAG_CURRENT_LEADER = 1 };

/* No element of these arrays takes less, whatever the version. */
#define LEAST_TOPIC_BYTES     3
#define LEAST_PARTITION_BYTES 30

static void put_partition(struct buf *out, const struct fetch_partition *partition, int16_t version)
{
    wire_put_int32(out, partition->partition);
    if (version >= 9)
        wire_put_int32(out, partition->leader_epoch);
    wire_put_int64(out, partition->offset);
    if (version >= 12)
        wire_put_int32(out, partition->fetched_epoch);
    if (version >= 5)
        wire_put_int64(out, -1); /* log start offset: a replica's */
    wire_put_int32(out, partition->bytes_max);
    wire_put_no_tags(out, version >= 12);
}

static void put_topics(struct buf *out, const struct fetch_request *request, int16_t version)
{
    bool flexible = version >= 12;

    wire_put_array(out, request->topic_count, flexible);
    for (uint32_t i = 0; i < request->topic_count; i++) {
        const struct fetch_topic *topic = &request->topics[i];

        wire_put_string(out, topic->name, flexible);
        wire_put_array(out, topic->partition_count, flexible);
        for (uint32_t j = 0; j < topic->partition_count; j++)
            put_partition(out, &topic->partitions[j], version);
        wire_put_no_tags(out, flexible);
    }
}

static void put_forget(struct buf *out, const struct fetch_request *request, bool flexible)
{
    wire_put_array(out, request->forget_count, flexible);
    for (uint32_t i = 0; i < request->forget_count; i++) {
        const struct fetch_forget *forget = &request->forget[i];

        wire_put_string(out, forget->name, flexible);
        wire_put_array(out, forget->partition_count, flexible);
        for (uint32_t j = 0; j < forget->partition_count; j++)
            wire_put_int32(out, forget->partitions[j]);
        wire_put_no_tags(out, flexible);
    }
}

void fetch_request(struct buf *out, const struct kafka_request *head,
                   const struct fetch_request *request)
{
    CHECK(head->api == KAFKA_API_FETCH);
    int16_t version = head->version;
    bool flexible = kafka_request_flexible(head);
    size_t begin = kafka_request_begin(out, head);

    wire_put_int32(out, -1); /* replica: a consumer */
    wire_put_int32(out, request->wait_ms_max);
    wire_put_int32(out, request->bytes_min);
    wire_put_int32(out, request->bytes_max);
    wire_put_int8(out, (int8_t)request->isolation);
    if (version >= 7) {
        wire_put_int32(out, request->session_id);
        wire_put_int32(out, request->session_epoch);
    }
    put_topics(out, request, version);
    if (version >= 7)
        put_forget(out, request, flexible);
    if (version >= 11)
        wire_put_string(out, request->rack.data ? request->rack : SLICE_LITERAL(""), flexible);
    wire_put_no_tags(out, flexible);
    kafka_request_end(out, begin);
}

static void read_tags(struct wire_reader *body, struct fetch_answer *answer)
{
    struct wire_reader field;

    for (uint32_t left = wire_tags(body); left > 0; left--) {
        switch (wire_tag(body, &field)) {
        case TAG_DIVERGING_EPOCH:
            answer->diverging_epoch = wire_int32(&field);
            answer->diverging_offset = wire_int64(&field);
            break;
        case TAG_CURRENT_LEADER:
            answer->leader_id = wire_int32(&field);
            answer->leader_epoch = wire_int32(&field);
            break;
        }
        if (field.bad)
            wire_fail(body);
    }
}

static void read_partition(struct wire_reader *body, int16_t version, struct fetch_answer *ret)
{
    *ret = (struct fetch_answer){
        .log_start_offset = -1,
        .leader_id = -1,
        .leader_epoch = -1,
        .diverging_epoch = -1,
        .diverging_offset = -1,
        .nearer_replica = -1,
    };
    ret->partition = wire_int32(body);
    ret->error = wire_int16(body);
    ret->high_watermark = wire_int64(body);
    ret->last_stable_offset = wire_int64(body);
    if (version >= 5)
        ret->log_start_offset = wire_int64(body);
    aborted_transactions_read(body, &ret->aborted);
    if (version >= 11)
        ret->nearer_replica = wire_int32(body);
    ret->records = wire_bytes(body);
    read_tags(body, ret);
}

/* As fetch_response_next, of bytes that may be anything. */
static bool next(struct fetch_response *response, struct fetch_answer *ret)
{
    struct wire_reader *rest = &response->rest;

    while (response->partitions_left == 0) {
        if (response->topics_left == 0)
            return false;
        response->topics_left--;
        response->topic = wire_string(rest, false);
        response->partitions_left = wire_array(rest, LEAST_PARTITION_BYTES);
        if (response->partitions_left == 0)
            wire_skip_tags(rest);
    }
    read_partition(rest, response->version, ret);
    ret->topic = response->topic;
    if (--response->partitions_left == 0)
        wire_skip_tags(rest);
    return true;
}

int fetch_response(struct wire_reader body, int16_t version, struct fetch_response *ret)
{
    struct fetch_response response = {.version = version};
    struct fetch_response look;
    struct fetch_answer answer;

    response.throttle_ms = wire_int32(&body);
    if (version >= 7) {
        response.error = wire_int16(&body);
        response.session_id = wire_int32(&body);
    }
    response.topics_left = wire_array(&body, LEAST_TOPIC_BYTES);
    response.rest = body;

    look = response;
    while (!look.rest.bad && next(&look, &answer))
        ;
    wire_skip_tags(&look.rest);
    if (look.rest.bad || wire_left(&look.rest) > 0)
        return -EBADMSG;
    *ret = response;
    return 0;
}

bool fetch_response_next(struct fetch_response *response, struct fetch_answer *ret)
{
    bool found = next(response, ret);

    CHECK(!response->rest.bad); /* was looked through */
    return found;
}
