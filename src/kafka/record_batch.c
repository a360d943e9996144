#include "kafka/record_batch.h"

#include <errno.h>

#include "kafka/wire.h"

#define MAGIC 2

/* Where things stand; see the header. */
enum {
    AT_LENGTH = 8,
    AT_LEADER_EPOCH = 12,
    AT_MAGIC = 16,
    AT_CHECKSUM = 17,
    AT_ATTRIBUTES = 21,
    AT_LAST_OFFSET_DELTA = 23,
    AT_BASE_TIMESTAMP = 27,
    AT_MAX_TIMESTAMP = 35,
    AT_PRODUCER_ID = 43,
    AT_PRODUCER_EPOCH = 51,
    AT_BASE_SEQUENCE = 53,
    AT_COUNT = 57,
    AT_RECORDS = RECORD_BATCH_HEADER_BYTES,
};

static const struct problem {
    int code;
    const char *text;
} problems[] = {
#define PROBLEM_ROW(arg, problem, code, text) [RECORD_PROBLEM_##problem] = {code, text},
    RECORD_PROBLEMS(PROBLEM_ROW, _)
#undef PROBLEM_ROW
};

int record_problem_errno(enum record_problem problem)
{
    CHECK(problem < RECORD_PROBLEM_COUNT);
    return -problems[problem].code;
}

const char *record_problem_text(enum record_problem problem)
{
    CHECK(problem < RECORD_PROBLEM_COUNT);
    return problems[problem].text;
}

static bool is_possible(const struct record_batch *batch, int32_t count)
{
    return batch->base_offset >= 0 && batch->last_offset_delta >= 0 &&
           batch->base_offset < INT64_MAX - batch->last_offset_delta && count >= 0 &&
           count <= (int64_t)batch->last_offset_delta + 1;
}

enum record_batch_found record_batch_read(struct slice bytes, struct record_batch *ret_batch,
                                          size_t *ret_bytes, enum record_problem *ret_problem)
{
    *ret_bytes = RECORD_BATCH_HEADER_BYTES;
    if (bytes.len <= AT_MAGIC)
        return RECORD_BATCH_CUT_OFF;
    if (bytes.data[AT_MAGIC] != MAGIC) {
        *ret_problem = RECORD_PROBLEM_MAGIC;
        return RECORD_BATCH_BAD;
    }

    int32_t length = wire_int32_at(bytes.data + AT_LENGTH);

    if (length < AT_RECORDS - AT_LEADER_EPOCH) {
        *ret_problem = RECORD_PROBLEM_LENGTH;
        return RECORD_BATCH_BAD;
    }
    *ret_bytes = AT_LEADER_EPOCH + (size_t)length;
    if (bytes.len < *ret_bytes)
        return RECORD_BATCH_CUT_OFF;

    const char *at = bytes.data;
    struct record_batch batch = {
        .base_offset = wire_int64_at(at),
        .leader_epoch = wire_int32_at(at + AT_LEADER_EPOCH),
        .checksum = (uint32_t)wire_int32_at(at + AT_CHECKSUM),
        .attributes = (uint16_t)wire_int16_at(at + AT_ATTRIBUTES),
        .last_offset_delta = wire_int32_at(at + AT_LAST_OFFSET_DELTA),
        .base_timestamp_ms = wire_int64_at(at + AT_BASE_TIMESTAMP),
        .max_timestamp_ms = wire_int64_at(at + AT_MAX_TIMESTAMP),
        .producer_id = wire_int64_at(at + AT_PRODUCER_ID),
        .producer_epoch = wire_int16_at(at + AT_PRODUCER_EPOCH),
        .base_sequence = wire_int32_at(at + AT_BASE_SEQUENCE),
        .checked = {at + AT_ATTRIBUTES, *ret_bytes - AT_ATTRIBUTES},
        .records = {at + AT_RECORDS, *ret_bytes - AT_RECORDS},
    };
    int32_t count = wire_int32_at(at + AT_COUNT);

    if (!is_possible(&batch, count)) {
        *ret_problem = RECORD_PROBLEM_OFFSETS;
        return RECORD_BATCH_BAD;
    }
    batch.count = (uint32_t)count;
    *ret_batch = batch;
    return RECORD_BATCH_WHOLE;
}
