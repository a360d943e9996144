/* record_encoder - record batches written from the specification, for tests and benchmarks.
 *
 * Shares no code with src/kafka: big-endian numbers by shifts, the checksum bit by bit, compression
 * by the libraries' compressing side. Source: Kafka documentation, "Message Format". */
#ifndef FRESHET_TESTS_RECORD_ENCODER_H
#define FRESHET_TESTS_RECORD_ENCODER_H

#include <lz4frame.h>
#include <snappy-c.h>
#include <stdint.h>
#include <zlib.h>
#include <zstd.h>

#include "base/buf.h"

enum {
    ENCODER_NONE,
    ENCODER_GZIP,
    ENCODER_SNAPPY,
    ENCODER_LZ4,
    ENCODER_ZSTD,
    ENCODER_CODECS,
};

struct encoder_record {
    int64_t offset;
    int64_t timestamp_ms;
    struct slice key; /* data NULL: null */
    struct slice value;
    int headers; /* so many, every other one with a null value */
};

struct encoder_batch {
    int64_t base_offset;
    int64_t last_offset; /* may be that of a record which is gone */
    int32_t leader_epoch;
    int codec;
    bool framed; /* snappy: as snappy-java does; zstd: without the size in the frame */
    bool append_time;
    bool transactional;
    bool control;
    int64_t base_timestamp_ms;
    int64_t max_timestamp_ms;
    int64_t producer_id;
    const struct encoder_record *records;
    int count;
};

static inline void encode_int(struct buf *out, int bytes, int64_t value)
{
    for (int i = bytes - 1; i >= 0; i--)
        buf_append_char(out, (char)(value >> 8 * i));
}

static inline void encode_uvarint(struct buf *out, uint64_t value)
{
    while (value >= 128) {
        buf_append_char(out, (char)(value % 128 + 128));
        value /= 128;
    }
    buf_append_char(out, (char)value);
}

static inline void encode_varint(struct buf *out, int64_t value)
{
    encode_uvarint(out, value < 0 ? (uint64_t)(-(value + 1)) * 2 + 1 : (uint64_t)value * 2);
}

/* The definition: x^32 * message by division, lowest bit first. */
static inline uint32_t encoder_checksum(struct slice bytes)
{
    uint32_t crc = 0xffffffff;

    for (size_t i = 0; i < bytes.len; i++) {
        crc ^= (uint8_t)bytes.data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ (0x82f63b78 * (crc & 1));
    }
    return crc ^ 0xffffffff;
}

static inline void encode_bytes(struct buf *out, struct slice bytes)
{
    encode_varint(out, bytes.data ? (int64_t)bytes.len : -1);
    buf_append_slice(out, bytes);
}

static inline void encode_record(struct buf *out, const struct encoder_batch *batch,
                                 const struct encoder_record *record)
{
    struct buf body = {0};

    encode_int(&body, 1, 0);
    encode_varint(&body,
                  (int64_t)((uint64_t)record->timestamp_ms - (uint64_t)batch->base_timestamp_ms));
    encode_varint(&body, record->offset - batch->base_offset);
    encode_bytes(&body, record->key);
    encode_bytes(&body, record->value);
    encode_varint(&body, record->headers);
    for (int i = 0; i < record->headers; i++) {
        encode_bytes(&body, SLICE_LITERAL("header"));
        encode_bytes(&body, i % 2 ? SLICE_NONE : SLICE_LITERAL("of the test"));
    }
    encode_varint(out, (int64_t)body.len);
    buf_append_slice(out, buf_slice(&body));
    buf_free(&body);
}

static inline void encode_gzip(struct buf *out, struct slice raw)
{
    z_stream stream = {.next_in = (Bytef *)(uintptr_t)raw.data, .avail_in = (uInt)raw.len};

    CHECK(deflateInit2(&stream, 6, Z_DEFLATED, 16 + 15, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    size_t room = deflateBound(&stream, raw.len) + 64;

    stream.next_out = (Bytef *)buf_reserve(out, room);
    stream.avail_out = (uInt)room;
    CHECK(deflate(&stream, Z_FINISH) == Z_STREAM_END);
    out->len += stream.total_out;
    deflateEnd(&stream);
}

static inline void encode_snappy_block(struct buf *out, struct slice raw)
{
    size_t len = snappy_max_compressed_length(raw.len);

    CHECK(snappy_compress(raw.data, raw.len, buf_reserve(out, len), &len) == SNAPPY_OK);
    out->len += len;
}

static inline void encode_xerial(struct buf *out, struct slice raw)
{
    struct buf block = {0};

    buf_append_slice(out, SLICE_LITERAL("\x82SNAPPY\0\0\0\0\1\0\0\0\1"));
    for (size_t at = 0; at < raw.len; at += 1000) {
        buf_reset(&block);
        encode_snappy_block(&block, (struct slice){raw.data + at, MIN(raw.len - at, (size_t)1000)});
        encode_int(out, 4, (int64_t)block.len);
        buf_append_slice(out, buf_slice(&block));
    }
    buf_free(&block);
}

static inline void encode_lz4(struct buf *out, struct slice raw)
{
    size_t room = LZ4F_compressFrameBound(raw.len, NULL);
    size_t len = LZ4F_compressFrame(buf_reserve(out, room), room, raw.data, raw.len, NULL);

    CHECK(!LZ4F_isError(len));
    out->len += len;
}

static inline void encode_zstd(struct buf *out, struct slice raw, bool without_size)
{
    ZSTD_CCtx *context = ZSTD_createCCtx();
    size_t room = ZSTD_compressBound(raw.len);

    ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, !without_size);
    size_t len = ZSTD_compress2(context, buf_reserve(out, room), room, raw.data, raw.len);

    CHECK(!ZSTD_isError(len));
    out->len += len;
    ZSTD_freeCCtx(context);
}

static inline void encode_compressed(struct buf *out, int codec, bool framed, struct slice raw)
{
    switch (codec) {
    case ENCODER_GZIP:
        encode_gzip(out, raw);
        break;
    case ENCODER_SNAPPY:
        (framed ? encode_xerial : encode_snappy_block)(out, raw);
        break;
    case ENCODER_LZ4:
        encode_lz4(out, raw);
        break;
    case ENCODER_ZSTD:
        encode_zstd(out, raw, framed);
        break;
    default:
        buf_append_slice(out, raw);
    }
}

/* Everything behind the checksum. */
static inline void encode_checked(struct buf *out, const struct encoder_batch *batch,
                                  struct slice records)
{
    encode_int(out, 2,
               batch->codec + 8 * batch->append_time + 16 * batch->transactional +
                   32 * batch->control);
    encode_int(out, 4, batch->last_offset - batch->base_offset);
    encode_int(out, 8, batch->base_timestamp_ms);
    encode_int(out, 8, batch->max_timestamp_ms);
    encode_int(out, 8, batch->producer_id);
    encode_int(out, 2, batch->producer_id < 0 ? -1 : 3);
    encode_int(out, 4, batch->producer_id < 0 ? -1 : 17);
    encode_int(out, 4, batch->count);
    buf_append_slice(out, records);
}

/* A batch around records that are given as bytes, compressed or not. */
static inline void encode_batch_around(struct buf *out, const struct encoder_batch *batch,
                                       struct slice records)
{
    struct buf checked = {0};

    encode_checked(&checked, batch, records);
    encode_int(out, 8, batch->base_offset);
    encode_int(out, 4, 9 + (int64_t)checked.len);
    encode_int(out, 4, batch->leader_epoch);
    encode_int(out, 1, 2);
    encode_int(out, 4, encoder_checksum(buf_slice(&checked)));
    buf_append_slice(out, buf_slice(&checked));
    buf_free(&checked);
}

static inline void encode_batch(struct buf *out, const struct encoder_batch *batch)
{
    struct buf raw = {0};
    struct buf compressed = {0};

    for (int i = 0; i < batch->count; i++)
        encode_record(&raw, batch, &batch->records[i]);
    encode_compressed(&compressed, batch->codec, batch->framed, buf_slice(&raw));
    encode_batch_around(out, batch, buf_slice(&compressed));
    buf_free(&raw);
    buf_free(&compressed);
}

/* The mark at the end of a transaction; one offset. */
static inline void encode_mark(struct buf *out, int64_t offset, int64_t producer_id, bool commit)
{
    struct encoder_record record = {
        .offset = offset,
        .key = commit ? SLICE_LITERAL("\0\0\0\1") : SLICE_LITERAL("\0\0\0\0"),
        .value = SLICE_LITERAL("\0\0\0\0\0\0"),
    };
    struct encoder_batch batch = {.base_offset = offset,
                                  .last_offset = offset,
                                  .transactional = true,
                                  .control = true,
                                  .producer_id = producer_id,
                                  .records = &record,
                                  .count = 1};

    encode_batch(out, &batch);
}

#endif
