/* Any bytes as a broker's answer to Fetch, its records too: version asked: u8 | response without
 * its size. Checksums are not looked at, so that the records are reached. */
#include "kafka/batches.h"
#include "kafka/fetch.h"

#include "fuzz.h"

#define TAKEN_MAX 16
#define BYTES_MAX 20000

static struct decompressor decompressor;
static struct aborted_list aborted;

static void take_records(const struct fetch_answer *answer)
{
    struct record taken[TAKEN_MAX];
    struct batches_options options = {
        .partition = answer->partition,
        .aborted = answer->error % 2 ? &aborted : NULL,
        .decompressor = &decompressor,
        .bytes_max = BYTES_MAX,
        .unchecked = true,
    };
    struct batches batches;
    int64_t last = -1;
    int got;

    aborted_list_fill(&aborted, answer->aborted);
    batches_init(&batches, answer->records, &options);
    while ((got = batches_next(&batches, taken, TAKEN_MAX)) > 0) {
        for (int i = 0; i < got; i++) {
            CHECK(taken[i].offset > last);
            last = taken[i].offset;
        }
    }
    CHECK(batches.position > last);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kafka_request asked = {.api = KAFKA_API_FETCH};
    struct kafka_versions ours = kafka_api_versions(asked.api);
    struct fetch_response response;
    struct fetch_answer answer;
    struct wire_reader body;

    if (size < 5)
        return 0;
    asked.version = (int16_t)(ours.first + data[0] % (ours.last - ours.first + 1));
    size--;
    char *copy = exact_copy(data + 1, size);

    asked.correlation_id = wire_int32_at(copy);
    if (kafka_response_begin((struct slice){copy, size}, &asked, &body) == 0 &&
        fetch_response(body, asked.version, &response) == 0) {
        while (fetch_response_next(&response, &answer)) {
            CHECK(answer.topic.data >= copy);
            CHECK(answer.topic.data + answer.topic.len <= copy + size);
            take_records(&answer);
        }
    }
    free(copy);
    return 0;
}
