/* api_versions - which versions of which requests a broker knows: the first thing to ask.
 *
 * Asked in a version that it does not know, a broker answers in version 0, with the error
 * UNSUPPORTED_VERSION: then ask again in the version that kafka_api_choose() gives for
 * KAFKA_API_API_VERSIONS. Brokers before 2.4 name no versions there: take 0 for them.
 *
 * Source: Kafka protocol guide, "ApiVersions"; KIP-35, KIP-511. */
#ifndef FRESHET_KAFKA_API_VERSIONS_H
#define FRESHET_KAFKA_API_VERSIONS_H

#include "kafka/request.h"

/* `request->api` is KAFKA_API_API_VERSIONS. The software's name and version, which version 3 takes
 * along for the broker's metrics, are letters, digits, '-' and '.': else it refuses the request. */
void api_versions_request(struct buf *out, const struct kafka_request *request,
                          struct slice software, struct slice software_version);

struct api_versions {
    int16_t error; /* enum kafka_error; UNSUPPORTED_VERSION: ask again, as said above */
    int32_t throttle_ms;
    struct kafka_versions broker[KAFKA_API_COUNT]; /* of each request; none: it does not know it */
};

/* Reads a response's body. Returns 0, or -EBADMSG with *ret untouched. */
MUST_USE int api_versions_read(struct wire_reader body, int16_t version, struct api_versions *ret);

#endif
