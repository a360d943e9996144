#include "kafka/request.h"

#include <errno.h>

static const struct api {
    int16_t key;
    struct kafka_versions versions;
    int16_t flexible_from;
} apis[] = {
#define API_ROW(arg, api, key, first, last, flexible)                                              \
    [KAFKA_API_##api] = {key, {first, last}, flexible},
    KAFKA_APIS(API_ROW, _)
#undef API_ROW
};

struct kafka_versions kafka_api_versions(enum kafka_api api)
{
    CHECK(api < KAFKA_API_COUNT);
    return apis[api].versions;
}

enum kafka_api kafka_api_of(int16_t key)
{
    enum kafka_api api = 0;

    while (api < KAFKA_API_COUNT && apis[api].key != key)
        api++;
    return api;
}

int kafka_api_choose(enum kafka_api api, struct kafka_versions broker, int16_t *ret_version)
{
    struct kafka_versions ours = kafka_api_versions(api);
    int16_t newest = MIN(ours.last, broker.last);

    if (newest < ours.first || newest < broker.first)
        return -ENOTSUP;
    *ret_version = newest;
    return 0;
}

bool kafka_request_flexible(const struct kafka_request *request)
{
    struct kafka_versions versions = kafka_api_versions(request->api);

    CHECK(request->version >= versions.first);
    CHECK(request->version <= versions.last);
    return request->version >= apis[request->api].flexible_from;
}

size_t kafka_request_begin(struct buf *out, const struct kafka_request *request)
{
    size_t begin = out->len;
    bool flexible = kafka_request_flexible(request);

    wire_put_int32(out, 0);
    wire_put_int16(out, apis[request->api].key);
    wire_put_int16(out, request->version);
    wire_put_int32(out, request->correlation_id);
    wire_put_string(out, request->client_id, false);
    wire_put_no_tags(out, flexible);
    return begin;
}

void kafka_request_end(struct buf *out, size_t begin)
{
    CHECK(out->len - begin >= KAFKA_SIZE_BYTES);
    size_t size = out->len - begin - KAFKA_SIZE_BYTES;

    CHECK(size <= INT32_MAX);
    uint32_t bytes = htobe32((uint32_t)size);

    memcpy(out->data + begin, &bytes, sizeof(bytes));
}

int kafka_response_frame(struct slice received, size_t frame_max, struct slice *ret_frame)
{
    if (received.len < KAFKA_SIZE_BYTES) {
        *ret_frame = (struct slice){NULL, KAFKA_SIZE_BYTES};
        return 0;
    }

    int32_t size = wire_int32_at(received.data);

    if (size < (int32_t)sizeof(int32_t) || (size_t)size > frame_max)
        return -EBADMSG;
    if (received.len - KAFKA_SIZE_BYTES < (size_t)size) {
        *ret_frame = (struct slice){NULL, KAFKA_SIZE_BYTES + (size_t)size};
        return 0;
    }
    *ret_frame = (struct slice){received.data + KAFKA_SIZE_BYTES, (size_t)size};
    return 1;
}

int kafka_response_begin(struct slice frame, const struct kafka_request *asked,
                         struct wire_reader *ret_body)
{
    bool flexible = kafka_request_flexible(asked);
    struct wire_reader reader = wire_reader(frame, flexible);
    int32_t correlation_id = wire_int32(&reader);

    if (asked->api != KAFKA_API_API_VERSIONS)
        wire_skip_tags(&reader);
    if (reader.bad || correlation_id != asked->correlation_id)
        return -EBADMSG;
    *ret_body = reader;
    return 0;
}
