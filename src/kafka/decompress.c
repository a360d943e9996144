#include "kafka/decompress.h"

#include <endian.h>
#include <errno.h>
#include <lz4frame.h>
#include <snappy-c.h>
#include <zlib.h>
#include <zstd.h>

/* The memory for a stream that does not say how long it will be. */
#define GUESSED_RATIO 4
#define LEAST_ROOM    4096

/* No element of a snappy block makes more of a byte: 64 bytes of 3. */
#define SNAPPY_RATIO_MAX    22

#define XERIAL_HEADER_BYTES 16
#define XERIAL_MAGIC        SLICE_LITERAL("\x82SNAPPY\0")

/* Room for one more byte than is allowed tells what is too large from what just fits. */
struct sink {
    struct buf *out;
    size_t limit; /* bytes_max + 1 */
};

static struct sink sink_begin(struct buf *out, size_t compressed_len, size_t bytes_max)
{
    struct sink sink = {.out = out, .limit = bytes_max + 1};
    size_t guess = MAX(compressed_len * GUESSED_RATIO, (size_t)LEAST_ROOM);

    buf_reset(out);
    buf_reserve(out, MIN(guess, sink.limit));
    return sink;
}

/* Room behind what there is, at least a byte; 0: there is too much already. */
static size_t sink_room(struct sink *sink)
{
    struct buf *out = sink->out;
    size_t allowed = sink->limit - out->len;

    if (allowed > 0 && out->cap == out->len)
        buf_reserve(out, MIN(allowed, MAX(out->len, (size_t)LEAST_ROOM)));
    return MIN(allowed, out->cap - out->len);
}

static int expand_gzip(struct decompressor *decompressor, struct slice compressed,
                       struct sink *sink)
{
    z_stream *stream = decompressor->gzip;

    if (!stream) {
        stream = decompressor->gzip = calloc(1, sizeof(*stream));
        CHECK(stream);
        CHECK(inflateInit2(stream, 16 + MAX_WBITS) == Z_OK); /* 16: with gzip's header */
    } else {
        CHECK(inflateReset(stream) == Z_OK);
    }
    stream->next_in = (Bytef *)(uintptr_t)compressed.data;
    stream->avail_in = (uInt)compressed.len;
    for (;;) {
        size_t room = sink_room(sink);

        if (room == 0)
            return -EFBIG;
        stream->next_out = (Bytef *)sink->out->data + sink->out->len;
        stream->avail_out = (uInt)MIN(room, (size_t)UINT32_MAX);

        uInt before = stream->avail_out;
        int rc = inflate(stream, Z_NO_FLUSH);

        sink->out->len += before - stream->avail_out;
        if (rc == Z_STREAM_END && stream->avail_in == 0)
            return 0;
        if (rc == Z_STREAM_END)
            CHECK(inflateReset(stream) == Z_OK); /* another member */
        else if (rc != Z_OK || (stream->avail_in == 0 && stream->avail_out > 0))
            return -EBADMSG;
    }
}

static int expand_snappy_block(struct slice block, struct sink *sink)
{
    size_t len;

    if (snappy_uncompressed_length(block.data, block.len, &len) != SNAPPY_OK ||
        len / SNAPPY_RATIO_MAX > block.len)
        return -EBADMSG;
    if (len >= sink->limit - sink->out->len)
        return -EFBIG;

    char *room = buf_reserve(sink->out, len + 1);

    if (snappy_uncompress(block.data, block.len, room, &len) != SNAPPY_OK)
        return -EBADMSG;
    sink->out->len += len;
    return 0;
}

static int expand_snappy(struct slice compressed, struct sink *sink)
{
    struct slice magic = XERIAL_MAGIC;
    int error = 0;

    if (compressed.len < XERIAL_HEADER_BYTES || memcmp(compressed.data, magic.data, magic.len) != 0)
        return expand_snappy_block(compressed, sink);

    const char *at = compressed.data + XERIAL_HEADER_BYTES;
    const char *end = compressed.data + compressed.len;

    while (at < end && !error) {
        uint32_t len;

        if ((size_t)(end - at) < sizeof(len))
            return -EBADMSG;
        memcpy(&len, at, sizeof(len));
        len = be32toh(len);
        at += sizeof(len);
        if (len > (size_t)(end - at))
            return -EBADMSG;
        error = expand_snappy_block((struct slice){at, len}, sink);
        at += len;
    }
    return error;
}

static int expand_lz4(struct decompressor *decompressor, struct slice compressed, struct sink *sink)
{
    LZ4F_dctx *context = decompressor->lz4;

    if (!context) {
        CHECK(LZ4F_createDecompressionContext(&context, LZ4F_VERSION) == 0);
        decompressor->lz4 = context;
    }
    LZ4F_resetDecompressionContext(context);
    for (;;) {
        size_t room = sink_room(sink);
        size_t made = room;
        size_t taken = compressed.len;

        if (room == 0)
            return -EFBIG;

        size_t hint = LZ4F_decompress(context, sink->out->data + sink->out->len, &made,
                                      compressed.data, &taken, NULL);

        if (LZ4F_isError(hint))
            return -EBADMSG;
        sink->out->len += made;
        compressed.data += taken;
        compressed.len -= taken;
        if (hint == 0)
            return compressed.len == 0 ? 0 : -EBADMSG;
        if (compressed.len == 0 && made < room)
            return -EBADMSG; /* there ought to be more */
    }
}

static int expand_zstd(struct decompressor *decompressor, struct slice compressed,
                       struct sink *sink)
{
    ZSTD_DCtx *context = decompressor->zstd;
    ZSTD_inBuffer in = {compressed.data, compressed.len, 0};
    size_t left;

    if (!context) {
        context = decompressor->zstd = ZSTD_createDCtx();
        CHECK(context);
    }
    CHECK(!ZSTD_isError(ZSTD_DCtx_reset(context, ZSTD_reset_session_only)));
    do {
        size_t room = sink_room(sink);

        if (room == 0)
            return -EFBIG;

        ZSTD_outBuffer out = {sink->out->data + sink->out->len, room, 0};

        left = ZSTD_decompressStream(context, &out, &in);
        if (ZSTD_isError(left))
            return -EBADMSG;
        sink->out->len += out.pos;
        if (left > 0 && in.pos == in.size && out.pos < room)
            return -EBADMSG; /* there ought to be more */
    } while (in.pos < in.size || left > 0);
    return 0;
}

/* A frame may say how long it will be; taken for a hint. */
static size_t zstd_len(struct slice compressed)
{
    unsigned long long len = ZSTD_getFrameContentSize(compressed.data, compressed.len);

    return len == ZSTD_CONTENTSIZE_UNKNOWN || len == ZSTD_CONTENTSIZE_ERROR ? 0 : (size_t)len;
}

int decompress(struct decompressor *decompressor, enum kafka_codec codec, struct slice compressed,
               size_t bytes_max, struct slice *ret_bytes)
{
    int error = -ENOTSUP;

    CHECK(bytes_max < SIZE_MAX);
    CHECK(compressed.len <= UINT32_MAX);
    struct sink sink = sink_begin(&decompressor->out, compressed.len, bytes_max);

    if (compressed.len == 0)
        return -EBADMSG;
    switch (codec) {
    case KAFKA_CODEC_NONE:
        break;
    case KAFKA_CODEC_GZIP:
        error = expand_gzip(decompressor, compressed, &sink);
        break;
    case KAFKA_CODEC_SNAPPY:
        error = expand_snappy(compressed, &sink);
        break;
    case KAFKA_CODEC_LZ4:
        error = expand_lz4(decompressor, compressed, &sink);
        break;
    case KAFKA_CODEC_ZSTD:
        buf_reserve(sink.out, MIN(zstd_len(compressed), sink.limit));
        error = expand_zstd(decompressor, compressed, &sink);
        break;
    }
    if (!error && sink.out->len >= sink.limit)
        error = -EFBIG;
    if (!error)
        *ret_bytes = buf_slice(sink.out);
    return error;
}

void decompressor_done(struct decompressor *decompressor)
{
    if (decompressor->gzip)
        inflateEnd(decompressor->gzip);
    free(decompressor->gzip);
    LZ4F_freeDecompressionContext(decompressor->lz4);
    ZSTD_freeDCtx(decompressor->zstd);
    buf_free(&decompressor->out);
    *decompressor = (struct decompressor){0};
}
