#include "kafka/batches.h"

#include <errno.h>

#include "kafka/crc32c.h"
#include "kafka/wire.h"

#define VARINT_BYTES  5
#define VARLONG_BYTES 10

/* Types of control records. */
#define CONTROL_ABORT 0

/* Varints: as wire.h's uvarint; 0, -1, 1, -2 … stand as 0, 1, 2, 3 … ("zigzag"). The readers return
 * where they stopped, or NULL for what is malformed or goes on behind the end. */
static const char *read_long(const char *at, const char *end, int bytes_max, uint64_t *ret)
{
    uint64_t value = 0;

    for (int i = 0; i < bytes_max && at < end; i++) {
        uint64_t byte = (uint8_t)*at++;

        value |= (byte & 0x7f) << 7 * i;
        if (byte < 0x80) {
            *ret = value;
            return i == VARLONG_BYTES - 1 && byte > 1 ? NULL : at;
        }
    }
    return NULL;
}

/* Nearly all take a byte or two. */
static inline const char *read_number(const char *at, const char *end, int bytes_max, uint64_t *ret)
{
    if (LIKELY(end - at >= 2)) {
        uint64_t first = (uint8_t)at[0];
        uint64_t second = (uint8_t)at[1];

        if (first < 0x80) {
            *ret = first;
            return at + 1;
        }
        if (second < 0x80) {
            *ret = (first & 0x7f) | second << 7;
            return at + 2;
        }
    }
    return read_long(at, end, bytes_max, ret);
}

static inline const char *read_varlong(const char *at, const char *end, uint64_t *ret)
{
    return read_number(at, end, VARLONG_BYTES, ret);
}

static inline const char *read_varint(const char *at, const char *end, uint32_t *ret)
{
    uint64_t value;

    at = read_number(at, end, VARINT_BYTES, &value);
    if (UNLIKELY(!at || value > UINT32_MAX))
        return NULL;
    *ret = (uint32_t)value;
    return at;
}

static inline uint64_t unzigzag(uint64_t value)
{
    return value >> 1 ^ (0 - (value & 1));
}

/* A key or value: its length, -1 for null, and its bytes. */
static inline const char *read_bytes(const char *at, const char *end, struct slice *ret)
{
    uint32_t zigzag;

    at = read_varint(at, end, &zigzag);
    if (UNLIKELY(!at))
        return NULL;
    if (zigzag & 1) {
        *ret = SLICE_NONE;
        return zigzag == 1 ? at : NULL;
    }
    if (UNLIKELY(zigzag / 2 > (size_t)(end - at)))
        return NULL;
    *ret = (struct slice){at, zigzag / 2};
    return at + zigzag / 2;
}

/* length: varint | attributes: int8 | timestamp delta: varlong | offset delta: varint | key | value
 * | headers, which are passed over: the length says where they end. */
static inline const char *read_record(const struct batches *batches, const char *at,
                                      struct record *ret, int64_t *ret_delta)
{
    const char *end = batches->end;
    uint32_t length;
    uint32_t delta;
    uint32_t headers;
    uint64_t time_delta;

    at = read_varint(at, end, &length);
    if (UNLIKELY(!at || (length & 1) || length / 2 > (size_t)(end - at) || length == 0))
        return NULL;
    end = at + length / 2;
    at = read_varlong(at + 1, end, &time_delta);
    if (UNLIKELY(!at))
        return NULL;
    at = read_varint(at, end, &delta);
    if (UNLIKELY(!at || (delta & 1)))
        return NULL;
    at = read_bytes(at, end, &ret->key);
    if (UNLIKELY(!at))
        return NULL;
    at = read_bytes(at, end, &ret->value);
    if (UNLIKELY(!at))
        return NULL;
    at = read_varint(at, end, &headers);
    if (UNLIKELY(!at || (headers & 1) || (headers == 0 && at != end)))
        return NULL;

    int64_t time_ms = (int64_t)(batches->base_time_ms +
                                (unzigzag(time_delta) & batches->time_mask));

    *ret_delta = delta / 2;
    ret->partition = batches->options.partition;
    ret->offset = batches->base_offset + *ret_delta;
    ret->timestamp_ms = MAX(time_ms, (int64_t)-1);
    return end;
}

/* Nothing of the current batch is left. */
static void pass_batch(struct batches *batches, int64_t last_offset)
{
    batches->left = 0;
    batches->position = MAX(batches->position, last_offset + 1);
}

static void fail(struct batches *batches, enum record_problem problem)
{
    batches->left = 0;
    batches->problem = problem;
}

/* Records of the current batch, at most `max`; how many are wanted. */
static int take_records(struct batches *batches, struct record *out, int max)
{
    const char *at = batches->at;
    uint32_t left = batches->left;
    int64_t position = batches->position;
    int64_t last_delta = batches->last_delta;
    int count = 0;

    while (left > 0 && count < max) {
        int64_t delta = 0;
        const char *next = read_record(batches, at, &out[count], &delta);

        if (UNLIKELY(!next || delta <= last_delta || delta > batches->max_delta)) {
            fail(batches, RECORD_PROBLEM_RECORD);
            break;
        }
        at = next;
        left--;
        last_delta = delta;
        if (LIKELY(out[count].offset >= position)) {
            position = out[count].offset + 1;
            count++;
        }
    }
    batches->position = position;
    if (batches->problem)
        return count;
    batches->at = at;
    batches->left = left;
    batches->last_delta = last_delta;
    if (left == 0 && at != batches->end)
        fail(batches, RECORD_PROBLEM_RECORD); /* more than the batch says */
    else if (left == 0)
        pass_batch(batches, batches->base_offset + batches->max_delta);
    return count;
}

/* Sets out to read the batch's records. */
static bool open_records(struct batches *batches, const struct record_batch *batch)
{
    struct slice records = batch->records;
    enum kafka_codec codec = record_batch_codec(batch);
    bool append_time = record_batch_append_time(batch);

    batches->decompressed = codec != KAFKA_CODEC_NONE;
    if (batches->decompressed) {
        int error = decompress(batches->options.decompressor, codec, records,
                               batches->options.bytes_max, &records);

        if (error) {
            fail(batches, error == -ENOTSUP ? RECORD_PROBLEM_CODEC
                          : error == -EFBIG ? RECORD_PROBLEM_TOO_LARGE
                                            : RECORD_PROBLEM_COMPRESSION);
            return false;
        }
    }
    batches->at = records.data;
    batches->end = records.data + records.len;
    batches->left = batch->count;
    batches->last_delta = -1;
    batches->max_delta = batch->last_offset_delta;
    batches->base_offset = batch->base_offset;
    batches->base_time_ms = (uint64_t)(append_time ? batch->max_timestamp_ms
                                                   : batch->base_timestamp_ms);
    batches->time_mask = append_time ? 0 : UINT64_MAX;
    return true;
}

/* How a transaction has ended: the key of the batch's record is version: int16 | type: int16. */
static void take_mark(struct batches *batches, const struct record_batch *batch)
{
    struct record record;
    int64_t delta;

    if (!open_records(batches, batch))
        return;
    if (!read_record(batches, batches->at, &record, &delta) ||
        record.key.len < 2 * sizeof(int16_t)) {
        fail(batches, RECORD_PROBLEM_RECORD);
        return;
    }
    batches->left = 0;
    if (wire_int16_at(record.key.data + sizeof(int16_t)) == CONTROL_ABORT)
        aborted_list_end(batches->options.aborted, batch->producer_id,
                         record_batch_last_offset(batch));
}

static bool is_aborted(const struct batches *batches, const struct record_batch *batch)
{
    return batches->options.aborted && record_batch_transactional(batch) &&
           aborted_list_has(batches->options.aborted, batch->producer_id,
                            record_batch_last_offset(batch));
}

/* Goes on to the next batch; false: there is none, or none that can be read. */
static bool begin_batch(struct batches *batches)
{
    struct record_batch batch;
    enum record_problem problem;
    size_t bytes;

    if (batches->rest.len == 0)
        return false;
    switch (record_batch_read(batches->rest, &batch, &bytes, &problem)) {
    case RECORD_BATCH_WHOLE:
        break;
    case RECORD_BATCH_CUT_OFF:
        batches->cut_off_bytes = bytes;
        return false;
    case RECORD_BATCH_BAD:
        fail(batches, problem);
        return false;
    }
    if (!batches->options.unchecked && crc32c(batch.checked) != batch.checksum) {
        fail(batches, RECORD_PROBLEM_CHECKSUM);
        return false;
    }
    batches->leader_epoch = batch.leader_epoch;
    if (record_batch_control(&batch) && batches->options.aborted && batch.count > 0)
        take_mark(batches, &batch);
    else if (!record_batch_control(&batch) && batch.count > 0 && !is_aborted(batches, &batch))
        open_records(batches, &batch);
    if (batches->problem)
        return false;
    batches->rest.data += bytes;
    batches->rest.len -= bytes;
    if (batches->left == 0)
        pass_batch(batches, record_batch_last_offset(&batch));
    return true;
}

void batches_init(struct batches *batches, struct slice records,
                  const struct batches_options *options)
{
    CHECK(options->offset >= 0);
    CHECK(options->decompressor);
    *batches = (struct batches){
        .position = options->offset, .leader_epoch = -1, .options = *options, .rest = records};
}

int batches_next(struct batches *batches, struct record *out, int max)
{
    int count = 0;

    CHECK(max > 0);
    while (count < max && !batches->problem) {
        if (batches->left > 0)
            count += take_records(batches, out + count, max - count);
        else if ((count > 0 && batches->decompressed) || !begin_batch(batches))
            break;
    }
    return count > 0 || !batches->problem ? count : record_problem_errno(batches->problem);
}
