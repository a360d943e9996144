#include "bench/hdr_log.h"

#include <inttypes.h>

#include "base/text.h"

#define V2_COOKIE            UINT32_C(0x1c849313)
#define V2_COMPRESSED_COOKIE UINT32_C(0x1c849314)
#define SIGNIFICANT_DIGITS   2
#define HALF_BITS            7 /* 2^7 buckets an octave: 1 % */
#define LOWEST               1
#define STORED_MAX           65535 /* bytes of a stored block */
#define ADLER_MOD            65521

static void put_u32(struct buf *out, uint32_t value)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        buf_append_char(out, (char)(value >> shift));
}

static void put_u64(struct buf *out, uint64_t value)
{
    put_u32(out, (uint32_t)(value >> 32));
    put_u32(out, (uint32_t)value);
}

/* Seven bits a byte, the lowest first; the ninth byte has eight. */
static void put_zigzag(struct buf *out, int64_t value)
{
    uint64_t bits = ((uint64_t)value << 1) ^ (uint64_t)(value >> 63);

    for (int i = 0; i < 8 && bits > 0x7f; i++, bits >>= 7)
        buf_append_char(out, (char)(0x80 | (bits & 0x7f)));
    buf_append_char(out, (char)bits);
}

/* Where HdrHistogram counts a value: its first half-bucket is only there once. */
static uint32_t index_of(int64_t value)
{
    unsigned bits = 63 -
                    (unsigned)__builtin_clzll((uint64_t)value | ((UINT64_C(2) << HALF_BITS) - 1));
    unsigned bucket = bits - HALF_BITS;
    uint32_t sub = (uint32_t)((uint64_t)value >> bucket);

    return ((bucket + 1) << HALF_BITS) + sub - (1u << HALF_BITS);
}

/* Counts in the order of their values, runs of zeros as one negative number. */
static void put_counts(struct buf *out, const struct hdr *hdr)
{
    uint32_t next = 0;
    uint64_t count = 0;

    for (unsigned i = 0; i < HDR_BUCKETS; i++) {
        uint64_t more = atomic_load(&hdr->buckets[i]);
        uint32_t at = index_of(hdr_bucket_top(i));

        if (!more)
            continue;
        if (count && at >= next) {
            put_zigzag(out, (int64_t)count);
            count = 0;
        }
        if (at > next)
            put_zigzag(out, -(int64_t)(at - next));
        next = at + 1;
        count += more;
    }
    if (count)
        put_zigzag(out, (int64_t)count);
}

static void put_v2(struct buf *out, const struct hdr *hdr)
{
    struct buf counts = {0};

    put_counts(&counts, hdr);
    put_u32(out, V2_COOKIE);
    put_u32(out, (uint32_t)counts.len);
    put_u32(out, 0); /* normalizing index offset */
    put_u32(out, SIGNIFICANT_DIGITS);
    put_u64(out, LOWEST);
    put_u64(out, (uint64_t)HDR_VALUE_MAX);
    put_u64(out, UINT64_C(0x3ff0000000000000)); /* 1.0: integer to double */
    buf_append_slice(out, buf_slice(&counts));
    buf_free(&counts);
}

static void put_zlib(struct buf *out, struct slice bytes)
{
    uint32_t a = 1;
    uint32_t b = 0;
    size_t done = 0;

    buf_append(out, "\x78\x01", 2);
    do {
        size_t len = MIN(bytes.len - done, (size_t)STORED_MAX);
        char head[5] = {done + len == bytes.len, (char)len, (char)(len >> 8), (char)~len,
                        (char)(~len >> 8)};

        buf_append(out, head, sizeof(head));
        buf_append(out, bytes.data + done, len);
        done += len;
    } while (done < bytes.len);
    for (size_t i = 0; i < bytes.len; i++) {
        a = (a + (unsigned char)bytes.data[i]) % ADLER_MOD;
        b = (b + a) % ADLER_MOD;
    }
    put_u32(out, b << 16 | a);
}

void hdr_log_begin(struct buf *out, int64_t start_ms, const char *what)
{
    buf_printf(out,
               "#[Histogram log format version 1.3]\n#[%s]\n"
               "#[StartTime: %" PRId64 ".%03d (seconds since epoch)]\n"
               "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\","
               "\"Interval_Compressed_Histogram\"\n",
               what, start_ms / 1000, (int)(start_ms % 1000));
}

void hdr_log_add(struct buf *out, const char *tag, double begin_s, double length_s,
                 const struct hdr *hdr)
{
    struct buf plain = {0};
    struct buf packed = {0};
    struct buf whole = {0};

    put_v2(&plain, hdr);
    put_zlib(&packed, buf_slice(&plain));
    put_u32(&whole, V2_COMPRESSED_COOKIE);
    put_u32(&whole, (uint32_t)packed.len);
    buf_append_slice(&whole, buf_slice(&packed));
    buf_printf(out, "Tag=%s,%.3f,%.3f,%.3f,", tag, begin_s, length_s,
               (double)(uint64_t)atomic_load(&hdr->max) * 1e-6);
    text_base64(out, buf_slice(&whole));
    buf_append_char(out, '\n');
    buf_free(&plain);
    buf_free(&packed);
    buf_free(&whole);
}
