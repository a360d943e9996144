/* Any bytes as a broker's answer to ApiVersions: version asked: u8 | response without its size. */
#include "kafka/api_versions.h"

#include <errno.h>

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kafka_request asked = {.api = KAFKA_API_API_VERSIONS};
    struct kafka_versions ours = kafka_api_versions(asked.api);
    struct api_versions versions;
    struct wire_reader body;
    int16_t chosen;

    if (size < 5)
        return 0;
    asked.version = (int16_t)(data[0] % (ours.last + 1));
    size--;
    char *copy = exact_copy(data + 1, size);

    asked.correlation_id = wire_int32_at(copy);
    if (kafka_response_begin((struct slice){copy, size}, &asked, &body) == 0 &&
        api_versions_read(body, asked.version, &versions) == 0) {
        for (enum kafka_api api = 0; api < KAFKA_API_COUNT; api++) {
            if (kafka_api_choose(api, versions.broker[api], &chosen) == 0) {
                CHECK(chosen >= versions.broker[api].first && chosen <= versions.broker[api].last);
                CHECK(chosen >= kafka_api_versions(api).first);
                CHECK(chosen <= kafka_api_versions(api).last);
            }
        }
    }
    free(copy);
    return 0;
}
