#include "kafka/list_offsets.h"

#include <errno.h>

#define LEAST_TOPIC_BYTES     6
#define LEAST_PARTITION_BYTES 22

void list_offsets_request(struct buf *out, const struct kafka_request *head,
                          enum kafka_isolation isolation, const struct list_offsets_topic *topics,
                          uint32_t topic_count)
{
    CHECK(head->api == KAFKA_API_LIST_OFFSETS);
    size_t begin = kafka_request_begin(out, head);

    wire_put_int32(out, -1); /* replica: a consumer */
    if (head->version >= 2)
        wire_put_int8(out, (int8_t)isolation);
    wire_put_array(out, topic_count, false);
    for (uint32_t i = 0; i < topic_count; i++) {
        const struct list_offsets_topic *topic = &topics[i];

        wire_put_string(out, topic->name, false);
        wire_put_array(out, topic->partition_count, false);
        for (uint32_t j = 0; j < topic->partition_count; j++) {
            wire_put_int32(out, topic->partitions[j].partition);
            if (head->version >= 4)
                wire_put_int32(out, topic->partitions[j].leader_epoch);
            wire_put_int64(out, topic->partitions[j].timestamp_ms);
        }
    }
    kafka_request_end(out, begin);
}

static void read_partition(struct wire_reader *body, int16_t version,
                           struct list_offsets_answer *ret)
{
    ret->partition = wire_int32(body);
    ret->error = wire_int16(body);
    ret->timestamp_ms = wire_int64(body);
    ret->offset = wire_int64(body);
    ret->leader_epoch = version >= 4 ? wire_int32(body) : -1;
}

/* As list_offsets_response_next, of bytes that may be anything. */
static bool next(struct list_offsets_response *response, struct list_offsets_answer *ret)
{
    struct wire_reader *rest = &response->rest;

    while (response->partitions_left == 0) {
        if (response->topics_left == 0)
            return false;
        response->topics_left--;
        response->topic = wire_string(rest, false);
        response->partitions_left = wire_array(rest, LEAST_PARTITION_BYTES);
    }
    response->partitions_left--;
    read_partition(rest, response->version, ret);
    ret->topic = response->topic;
    return true;
}

int list_offsets_response(struct wire_reader body, int16_t version,
                          struct list_offsets_response *ret)
{
    struct list_offsets_response response = {.version = version};
    struct list_offsets_response look;
    struct list_offsets_answer answer;

    if (version >= 2)
        response.throttle_ms = wire_int32(&body);
    response.topics_left = wire_array(&body, LEAST_TOPIC_BYTES);
    response.rest = body;

    look = response;
    while (!look.rest.bad && next(&look, &answer))
        ;
    if (look.rest.bad || wire_left(&look.rest) > 0)
        return -EBADMSG;
    *ret = response;
    return 0;
}

bool list_offsets_response_next(struct list_offsets_response *response,
                                struct list_offsets_answer *ret)
{
    bool found = next(response, ret);

    CHECK(!response->rest.bad); /* was looked through */
    return found;
}
