/* peer_log - a partition's log as a broker has it, and what a reader of committed records must see.
 *
 *   batches   [ b | b | t1 | b | t2 | abort t1 | b ]      bytes by record_encoder
 *   begin ────┘                └ first of t2, which is open: the last stable offset
 *
 * Whether a record is to be seen follows from how its transaction has ended, by definition: the
 * list of transactions is kept, and nothing of src/kafka is used. A record's value is made from its
 * place, so that it need not be kept. */
#ifndef FRESHET_TESTS_PEER_LOG_H
#define FRESHET_TESTS_PEER_LOG_H

#include "../../support/record_encoder.h"
#include "../support/testing.h"
#include "freshet/source.h"

#define LOG_BATCHES_MAX   1500
#define LOG_RECORDS_MAX   6000
#define LOG_TXNS_MAX      400
#define LOG_BATCH_RECORDS 10
#define LOG_PRODUCERS     3
#define LOG_VALUE_MAX     1200
#define LOG_NO_TXN        (-1)

struct log_batch {
    int64_t first; /* offsets */
    int64_t last;
    size_t begin; /* in bytes */
};

struct log_record {
    int64_t offset;
    int64_t timestamp_ms;
    int txn;
    uint32_t len; /* of the value */
    bool has_key;
};

struct log_txn {
    int64_t producer;
    int64_t first;
    int64_t mark; /* its offset; -1: open */
    bool commits;
};

struct peer_log {
    uint32_t source;
    int32_t partition;
    struct buf bytes;
    struct log_batch batches[LOG_BATCHES_MAX];
    int batch_count;
    struct log_record records[LOG_RECORDS_MAX];
    int record_count;
    struct log_txn txns[LOG_TXNS_MAX];
    int txn_count;
    int open[LOG_PRODUCERS]; /* transactions */
    int64_t origin;          /* where it once began, and */
    int64_t begin;           /* begins now */
    int64_t end;
    int leader; /* a broker's number, or -1 */
};

static inline void log_init(struct peer_log *log, uint32_t source, int32_t partition)
{
    struct buf bytes = log->bytes;

    memset(log, 0, sizeof(*log));
    buf_reset(&bytes);
    log->bytes = bytes;
    log->source = source;
    log->partition = partition;
    log->origin = log->begin = log->end = random_chance(50) ? 0 : random_between(0, 1000000000000);
    for (int i = 0; i < LOG_PRODUCERS; i++)
        log->open[i] = LOG_NO_TXN;
}

static inline bool log_is_full(const struct peer_log *log)
{
    return log->batch_count + LOG_PRODUCERS + 1 >= LOG_BATCHES_MAX ||
           log->record_count + LOG_BATCH_RECORDS >= LOG_RECORDS_MAX ||
           log->txn_count + 1 >= LOG_TXNS_MAX;
}

/* The value of the record of that place. */
static inline struct slice log_value(const struct peer_log *log, const struct log_record *record,
                                     char text[LOG_VALUE_MAX + 64])
{
    int len = snprintf(text, 64, "%u/%d/%" PRId64 " ", log->source, log->partition, record->offset);

    memset(text + len, 'a' + (int)(record->offset % 26), record->len);
    return (struct slice){text, (size_t)len + record->len};
}

static inline struct slice log_key(const struct log_record *record)
{
    return record->has_key ? SLICE_LITERAL("key") : SLICE_NONE;
}

static inline void log_batch_begin(struct peer_log *log, int64_t first, int64_t last)
{
    log->batches[log->batch_count++] = (struct log_batch){first, last, log->bytes.len};
    log->end = last + 1;
}

/* Records of a producer's transaction, or, producer -1, of none; values of up to `len_max`. */
static inline void log_append(struct peer_log *log, int producer, uint32_t len_max)
{
    static char texts[LOG_BATCH_RECORDS][LOG_VALUE_MAX + 64];
    struct encoder_record records[LOG_BATCH_RECORDS];
    struct encoder_batch batch = {.base_offset = log->end,
                                  .leader_epoch = 3,
                                  .codec = (int)random_below(ENCODER_CODECS),
                                  .framed = random_chance(50),
                                  .append_time = random_chance(30),
                                  .transactional = producer >= 0,
                                  .base_timestamp_ms = random_between(0, 1000),
                                  .max_timestamp_ms = random_between(1000, 2000),
                                  .producer_id = producer >= 0 ? 70 + producer : -1,
                                  .records = records};
    int64_t offset = batch.base_offset + (random_chance(10) ? (int64_t)random_below(5) : 0);

    if (log_is_full(log))
        return;
    if (producer >= 0 && log->open[producer] == LOG_NO_TXN) {
        log->open[producer] = log->txn_count;
        log->txns[log->txn_count++] = (struct log_txn){70 + producer, log->end, -1, false};
    }
    /* What compaction has left of it, if only the batch's head. */
    for (uint64_t left = random_chance(5) ? 0 : 1 + random_below(LOG_BATCH_RECORDS); left > 0;
         left--) {
        struct log_record *record = &log->records[log->record_count++];
        int64_t time_ms = random_between(0, 2000);

        *record = (struct log_record){
            .offset = offset,
            .timestamp_ms = batch.append_time ? batch.max_timestamp_ms : time_ms,
            .txn = producer >= 0 ? log->open[producer] : LOG_NO_TXN,
            .len = (uint32_t)random_below(len_max + 1),
            .has_key = random_chance(50),
        };
        records[batch.count] = (struct encoder_record){
            .offset = offset,
            .timestamp_ms = time_ms,
            .key = log_key(record),
            .value = log_value(log, record, texts[batch.count]),
            .headers = random_chance(10) ? 2 : 0};
        batch.count++;
        offset += 1 + (random_chance(10) ? (int64_t)random_below(5) : 0);
    }
    batch.last_offset = MAX(offset - 1, batch.base_offset);
    log_batch_begin(log, batch.base_offset, batch.last_offset);
    encode_batch(&log->bytes, &batch);
}

static inline void log_mark(struct peer_log *log, int producer, bool commits)
{
    struct log_txn *txn = &log->txns[log->open[producer]];

    txn->mark = log->end;
    txn->commits = commits;
    log->open[producer] = LOG_NO_TXN;
    log_batch_begin(log, log->end, log->end);
    encode_mark(&log->bytes, txn->mark, txn->producer, commits);
}

static inline void log_marks(struct peer_log *log)
{
    for (int i = 0; i < LOG_PRODUCERS; i++) {
        if (log->open[i] != LOG_NO_TXN)
            log_mark(log, i, random_chance(50));
    }
}

static inline void log_grow(struct peer_log *log)
{
    int producer = (int)random_below(LOG_PRODUCERS);

    if (log_is_full(log))
        return;
    if (log->open[producer] != LOG_NO_TXN && random_chance(40))
        log_mark(log, producer, random_chance(50));
    else
        log_append(log, random_chance(60) ? -1 : producer, random_chance(90) ? 40 : LOG_VALUE_MAX);
}

static inline int64_t log_stable_end(const struct peer_log *log)
{
    int64_t end = log->end;

    for (int i = 0; i < LOG_PRODUCERS; i++) {
        if (log->open[i] != LOG_NO_TXN)
            end = MIN(end, log->txns[log->open[i]].first);
    }
    return end;
}

/* Old batches are deleted. */
static inline void log_retain(struct peer_log *log)
{
    int number = (int)random_below((uint64_t)log->batch_count + 1);

    if (number < log->batch_count && log->batches[number].first <= log_stable_end(log))
        log->begin = MAX(log->begin, log->batches[number].first);
}

/* The batch that has `offset`, or the next one there is. */
static inline int log_find(const struct peer_log *log, int64_t offset)
{
    int low = 0;
    int high = log->batch_count;

    while (low < high) {
        int middle = (low + high) / 2;

        if (log->batches[middle].last < offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Up to `bytes_max` from there on, below the stable end, cut off wherever that is; a first batch
 * that is larger comes whole if `whole_first`, else not at all. */
static inline struct slice log_read(const struct peer_log *log, int64_t offset, size_t bytes_max,
                                    bool whole_first)
{
    int first = log_find(log, offset);
    int last = log_find(log, log_stable_end(log));
    size_t end = last < log->batch_count ? log->batches[last].begin : log->bytes.len;
    size_t first_end;
    size_t begin;

    if (first >= last)
        return SLICE_NONE;
    if (first > 0 && log->batches[first - 1].first >= log->begin && random_chance(5))
        first--; /* a reader has to do with that */
    begin = log->batches[first].begin;
    first_end = first + 1 < log->batch_count ? log->batches[first + 1].begin : log->bytes.len;
    if (first_end - begin > bytes_max && !whole_first)
        return SLICE_NONE;
    end = MIN(end, begin + MAX(bytes_max, first_end - begin));
    return (struct slice){log->bytes.data + begin, end - begin};
}

/* The first record from `number` on that a reader of committed records is to see, at `offset` or
 * behind; record_count: there is none. */
static inline int log_visible(const struct peer_log *log, int number, int64_t offset)
{
    while (number < log->record_count) {
        const struct log_record *record = &log->records[number];
        const struct log_txn *txn = record->txn == LOG_NO_TXN ? NULL : &log->txns[record->txn];

        if (record->offset >= offset && (!txn || txn->mark < 0 || txn->commits))
            break;
        number++;
    }
    return number;
}

#endif
