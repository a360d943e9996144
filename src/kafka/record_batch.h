/* record_batch - the header of a batch of records, format 2.
 *
 *    0 base offset: int64           23 last offset delta: int32     51 producer epoch: int16
 *    8 length behind here: int32    27 base timestamp: int64        53 base sequence: int32
 *   12 leader epoch: int32          35 max timestamp: int64         57 record count: int32
 *   16 magic: int8 = 2              43 producer id: int64           61 records, as one piece
 *   17 CRC32C of what follows       ────────────────────────────────── compressed or not
 *   21 attributes: int16
 *
 * The leader writes base offset, length, leader epoch and magic without touching the checksum, so
 * it does not tell when these are wrong. Compaction removes records and leaves the offsets: deltas
 * have gaps, and a batch may be empty.
 *
 * Formats 0 and 1 (Kafka before 0.11) have their magic at the same place; they are not read here.
 * Source: Kafka documentation, "Implementation: Message Format"; KIP-98. */
#ifndef FRESHET_KAFKA_RECORD_BATCH_H
#define FRESHET_KAFKA_RECORD_BATCH_H

#include "kafka/decompress.h"

#define RECORD_BATCH_HEADER_BYTES 61

/* Why records can't be read: X(arg, PROBLEM, errno, text). */
#define RECORD_PROBLEMS(X, arg)                                                                    \
    X(arg, NONE, 0, "none")                                                                        \
    X(arg, LENGTH, EBADMSG, "the batch is shorter than its header")                                \
    X(arg, MAGIC, ENOTSUP, "the batch is in another format than 2, Kafka's since 0.11")            \
    X(arg, CHECKSUM, EBADMSG, "the batch's checksum is wrong")                                     \
    X(arg, OFFSETS, EBADMSG, "the batch's offsets or its count of records are impossible")         \
    X(arg, CODEC, ENOTSUP, "the batch's compression is unknown")                                   \
    X(arg, COMPRESSION, EBADMSG, "the batch can't be decompressed")                                \
    X(arg, TOO_LARGE, EFBIG, "the batch is too large when it is decompressed")                     \
    X(arg, RECORD, EBADMSG, "a record of the batch is malformed")

enum record_problem {
#define RECORD_PROBLEM_ENTRY(arg, problem, code, text) RECORD_PROBLEM_##problem,
    RECORD_PROBLEMS(RECORD_PROBLEM_ENTRY, _)
#undef RECORD_PROBLEM_ENTRY
        RECORD_PROBLEM_COUNT
};

/* -EBADMSG: damaged bytes. -ENOTSUP: sound, but not read here; librdkafka may. -EFBIG. */
int record_problem_errno(enum record_problem problem);

/* For a person. */
const char *record_problem_text(enum record_problem problem);

struct record_batch {
    int64_t base_offset;
    int32_t last_offset_delta; /* base + delta + 1 does not overflow */
    int32_t leader_epoch;
    uint32_t checksum;
    uint16_t attributes;
    int64_t base_timestamp_ms; /* or when to forget the batch's tombstones; deltas count from it */
    int64_t max_timestamp_ms;
    int64_t producer_id; /* -1: none */
    int16_t producer_epoch;
    int32_t base_sequence;
    uint32_t count;       /* at most last_offset_delta + 1 */
    struct slice checked; /* what the checksum is of */
    struct slice records;
};

static inline enum kafka_codec record_batch_codec(const struct record_batch *batch)
{
    return batch->attributes & 7;
}

/* The broker's time instead of the producer's: max_timestamp_ms, for all its records. */
static inline bool record_batch_append_time(const struct record_batch *batch)
{
    return batch->attributes >> 3 & 1;
}

static inline bool record_batch_transactional(const struct record_batch *batch)
{
    return batch->attributes >> 4 & 1;
}

/* Not records but a mark: how a transaction has ended. */
static inline bool record_batch_control(const struct record_batch *batch)
{
    return batch->attributes >> 5 & 1;
}

static inline int64_t record_batch_last_offset(const struct record_batch *batch)
{
    return batch->base_offset + batch->last_offset_delta;
}

enum record_batch_found {
    RECORD_BATCH_WHOLE,
    RECORD_BATCH_CUT_OFF, /* the bytes end before the batch does */
    RECORD_BATCH_BAD,
};

/* The batch at the front of the bytes, of which there is one at least. *ret_bytes: how many it
 * takes; cut off before its magic: the least that a batch takes. *ret_batch is set if it is whole,
 * *ret_problem if it is bad. The checksum is not looked at. */
enum record_batch_found record_batch_read(struct slice bytes, struct record_batch *ret_batch,
                                          size_t *ret_bytes, enum record_problem *ret_problem);

#endif
