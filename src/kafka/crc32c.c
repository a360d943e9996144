#include "kafka/crc32c.h"

#include <endian.h>

#include "base/check.h"

#define POLYNOMIAL UINT32_C(0x82f63b78) /* bits in reverse order: x^31 is the lowest */
#define WORD       sizeof(uint64_t)

/* tables[n][b]: what byte b comes to with n zero bytes behind it. */
static uint32_t tables[WORD][256];

static uint64_t word_at(const char *at)
{
    uint64_t word;

    memcpy(&word, at, sizeof(word));
    return le64toh(word);
}

static void make_tables(void)
{
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t crc = byte;

        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? POLYNOMIAL : 0);
        tables[0][byte] = crc;
    }
    for (size_t n = 1; n < WORD; n++) {
        for (uint32_t byte = 0; byte < 256; byte++)
            tables[n][byte] = tables[n - 1][byte] >> 8 ^ tables[0][tables[n - 1][byte] & 0xff];
    }
}

uint32_t crc32c_by_table(struct slice bytes)
{
    uint32_t crc = ~UINT32_C(0);

    for (; bytes.len >= WORD; bytes.data += WORD, bytes.len -= WORD) {
        uint64_t word = word_at(bytes.data) ^ crc;

        crc = 0;
        for (size_t n = 0; n < WORD; n++)
            crc ^= tables[WORD - 1 - n][word >> 8 * n & 0xff];
    }
    for (; bytes.len > 0; bytes.data++, bytes.len--)
        crc = crc >> 8 ^ tables[0][(crc ^ (uint8_t)*bytes.data) & 0xff];
    return ~crc;
}

#ifdef __x86_64__
#include <immintrin.h>

#define SIMD __attribute__((target("sse4.2,pclmul")))

/* The instruction takes a word a cycle but has its result three cycles later: three streams, side
 * by side, then put one behind the other. `lengthen` are the polynomials that put 2 * len and len
 * zero bytes behind a checksum: x^(16 * len - 33) and x^(8 * len - 33). */
struct streams {
    size_t len; /* of one of them, bytes */
    uint32_t lengthen[2];
};

static const struct streams long_streams = {1024, {0xa51b6135, 0x170076fa}};
static const struct streams short_streams = {128, {0xb9e02b86, 0x0d3b6092}};

/* The product has 63 bits in reverse order, x^62 at the lowest, which the instruction takes for one
 * power more; and it multiplies by x^32: hence the 33. */
SIMD static uint32_t times(uint32_t crc, uint32_t polynomial)
{
    __m128i product = _mm_clmulepi64_si128(_mm_cvtsi32_si128((int)crc),
                                           _mm_cvtsi32_si128((int)polynomial), 0);

    return (uint32_t)_mm_crc32_u64(0, (uint64_t)_mm_cvtsi128_si64(product));
}

SIMD static uint32_t take_streams(uint32_t crc, struct slice *bytes, const struct streams *streams)
{
    size_t len = streams->len;

    for (; bytes->len >= 3 * len; bytes->data += 3 * len, bytes->len -= 3 * len) {
        uint64_t first = crc;
        uint64_t second = 0;
        uint64_t third = 0;

        for (const char *at = bytes->data; at < bytes->data + len; at += WORD) {
            first = _mm_crc32_u64(first, word_at(at));
            second = _mm_crc32_u64(second, word_at(at + len));
            third = _mm_crc32_u64(third, word_at(at + 2 * len));
        }
        crc = times((uint32_t)first, streams->lengthen[0]) ^
              times((uint32_t)second, streams->lengthen[1]) ^ (uint32_t)third;
    }
    return crc;
}

SIMD uint32_t crc32c_by_instruction(struct slice bytes)
{
    uint32_t crc = take_streams(~UINT32_C(0), &bytes, &long_streams);

    crc = take_streams(crc, &bytes, &short_streams);
    for (; bytes.len >= WORD; bytes.data += WORD, bytes.len -= WORD)
        crc = (uint32_t)_mm_crc32_u64(crc, word_at(bytes.data));
    for (; bytes.len > 0; bytes.data++, bytes.len--)
        crc = _mm_crc32_u8(crc, (uint8_t)*bytes.data);
    return ~crc;
}

bool crc32c_has_instruction(void)
{
    __builtin_cpu_init();
    return __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("pclmul");
}

#else

uint32_t crc32c_by_instruction(struct slice bytes)
{
    (void)bytes;
    UNREACHABLE();
}

bool crc32c_has_instruction(void)
{
    return false;
}

#endif

static uint32_t (*best)(struct slice bytes);

__attribute__((constructor)) static void find_best(void)
{
    make_tables();
    best = crc32c_has_instruction() ? crc32c_by_instruction : crc32c_by_table;
}

uint32_t crc32c(struct slice bytes)
{
    return best(bytes);
}
