/* decompress - the compressed records of a batch, expanded into memory that is used again.
 *
 *   gzip     one or more members (RFC 1952)
 *   snappy   a raw block, or blocks in the framing of snappy-java ("xerial"):
 *            0x82 "SNAPPY" 0x00 | version: int32 | least version: int32 | (length: int32 | block) …
 *   lz4      one frame
 *   zstd     one or more frames (RFC 8878)
 *
 * What compressed bytes say about their size is believed only up to the caller's bound. The memory
 * grows to what the largest batch took, and stays; zstd may take a window of up to 128 MiB besides,
 * as much as the compressor was told to use.
 *
 * Source: Kafka protocol guide, "Record Batch", attributes; KIP-110 (zstd). */
#ifndef FRESHET_KAFKA_DECOMPRESS_H
#define FRESHET_KAFKA_DECOMPRESS_H

#include "base/buf.h"

/* As in a batch's attributes. */
enum kafka_codec {
    KAFKA_CODEC_NONE = 0,
    KAFKA_CODEC_GZIP = 1,
    KAFKA_CODEC_SNAPPY = 2,
    KAFKA_CODEC_LZ4 = 3,
    KAFKA_CODEC_ZSTD = 4,
};

/* Belongs to one thread. Zeroed is ready. */
struct decompressor {
    struct buf out;
    void *gzip; /* the libraries' contexts, made when they are first needed */
    void *lz4;
    void *zstd;
};

void decompressor_done(struct decompressor *decompressor);

/* Expands to at most `bytes_max` bytes, which live until the next call. Returns 0, -EBADMSG for
 * what is not sound, or stops too early, or goes on behind its end; -EFBIG for more than
 * `bytes_max`; -ENOTSUP for a codec that is none of the above, or KAFKA_CODEC_NONE. */
MUST_USE int decompress(struct decompressor *decompressor, enum kafka_codec codec,
                        struct slice compressed, size_t bytes_max, struct slice *ret_bytes);

#endif
