#include "kafka/api_versions.h"

#include <errno.h>

#define LEAST_ENTRY_BYTES 6

void api_versions_request(struct buf *out, const struct kafka_request *request,
                          struct slice software, struct slice software_version)
{
    CHECK(request->api == KAFKA_API_API_VERSIONS);
    size_t begin = kafka_request_begin(out, request);
    bool flexible = kafka_request_flexible(request);

    if (request->version >= 3) {
        wire_put_string(out, software, flexible);
        wire_put_string(out, software_version, flexible);
    }
    wire_put_no_tags(out, flexible);
    kafka_request_end(out, begin);
}

static void read_entry(struct wire_reader *body, struct api_versions *versions)
{
    enum kafka_api api = kafka_api_of(wire_int16(body));
    int16_t first = wire_int16(body);
    int16_t last = wire_int16(body);

    wire_skip_tags(body);
    if (api < KAFKA_API_COUNT)
        versions->broker[api] = (struct kafka_versions){first, last};
}

int api_versions_read(struct wire_reader body, int16_t version, struct api_versions *ret)
{
    struct api_versions read = {.error = wire_int16(&body)};

    for (enum kafka_api api = 0; api < KAFKA_API_COUNT; api++)
        read.broker[api] = (struct kafka_versions){0, -1};
    if (read.error == KAFKA_ERROR_UNSUPPORTED_VERSION) {
        version = 0;
        body.flexible = false;
    }
    for (uint32_t left = wire_array(&body, LEAST_ENTRY_BYTES); left > 0; left--)
        read_entry(&body, &read);
    if (version >= 1)
        read.throttle_ms = wire_int32(&body);
    wire_skip_tags(&body);
    if (body.bad || wire_left(&body) > 0)
        return -EBADMSG;
    *ret = read;
    return 0;
}
