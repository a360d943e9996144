/* Any bytes as a broker's answer to ListOffsets: version asked: u8 | response without its size. */
#include "kafka/list_offsets.h"

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kafka_request asked = {.api = KAFKA_API_LIST_OFFSETS};
    struct kafka_versions ours = kafka_api_versions(asked.api);
    struct list_offsets_response response;
    struct list_offsets_answer answer;
    struct wire_reader body;

    if (size < 5)
        return 0;
    asked.version = (int16_t)(ours.first + data[0] % (ours.last - ours.first + 1));
    size--;
    char *copy = exact_copy(data + 1, size);

    asked.correlation_id = wire_int32_at(copy);
    if (kafka_response_begin((struct slice){copy, size}, &asked, &body) == 0 &&
        list_offsets_response(body, asked.version, &response) == 0) {
        size_t bytes = 0;

        while (list_offsets_response_next(&response, &answer)) {
            CHECK(answer.topic.data >= copy);
            CHECK(answer.topic.data + answer.topic.len <= copy + size);
            bytes += 22; /* each has taken its own */
        }
        CHECK(bytes <= size);
    }
    free(copy);
    return 0;
}
