#include "base/pack.h"

#include <errno.h>
#include <math.h>

typedef unsigned __int128 uint128;

size_t pack_uint_to(char *out, uint64_t value)
{
    size_t len = 0;

    for (; value >= 0x80; value >>= 7)
        out[len++] = (char)(value | 0x80);
    out[len++] = (char)value;
    return len;
}

void pack_uint(struct buf *out, uint64_t value)
{
    out->len += pack_uint_to(buf_reserve(out, PACK_UINT_MAX), value);
}

void pack_int(struct buf *out, int64_t value)
{
    pack_uint(out, (uint64_t)value << 1 ^ (value < 0 ? UINT64_MAX : 0));
}

void pack_wide(struct buf *out, __int128 value)
{
    uint128 bits = (uint128)value << 1 ^ (value < 0 ? ~(uint128)0 : 0);
    char *to = buf_reserve(out, PACK_WIDE_MAX);
    size_t len = 0;

    for (; bits >= 0x80; bits >>= 7)
        to[len++] = (char)((unsigned char)bits | 0x80);
    to[len++] = (char)bits;
    out->len += len;
}

void pack_word(struct buf *out, uint64_t word)
{
    char *to = buf_reserve(out, PACK_WORD);

    for (int i = 0; i < PACK_WORD; i++)
        to[i] = (char)(word >> 8 * i);
    out->len += PACK_WORD;
}

void pack_double(struct buf *out, double value)
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof(bits));
    pack_word(out, bits);
}

void pack_text(struct buf *out, struct slice text)
{
    pack_uint(out, text.len);
    buf_append_slice(out, text);
}

static void skip(struct slice *from, size_t len)
{
    from->data += len;
    from->len -= len;
}

/* A number of at most `bits` bits. */
static int unpack_bits(struct slice *from, unsigned bits, uint128 *ret)
{
    uint128 value = 0;

    for (size_t i = 0; i < from->len && 7 * i < bits; i++) {
        unsigned char byte = (unsigned char)from->data[i];
        unsigned room = bits - 7 * (unsigned)i;

        if (room < 7 && (byte & 0x7f) >> room)
            return -EBADMSG;
        value |= (uint128)(byte & 0x7f) << 7 * i;
        if (byte & 0x80)
            continue;
        if (byte == 0 && i > 0)
            return -EBADMSG; /* there is a shorter spelling */
        skip(from, i + 1);
        *ret = value;
        return 0;
    }
    return -EBADMSG;
}

int unpack_uint(struct slice *from, uint64_t *ret)
{
    uint128 bits;

    /* Most are small. */
    if (from->len > 0 && (unsigned char)from->data[0] < 0x80) {
        *ret = (unsigned char)from->data[0];
        skip(from, 1);
        return 0;
    }
    if (unpack_bits(from, 64, &bits))
        return -EBADMSG;
    *ret = (uint64_t)bits;
    return 0;
}

int unpack_int(struct slice *from, int64_t *ret)
{
    uint64_t bits;

    if (unpack_uint(from, &bits))
        return -EBADMSG;
    *ret = (int64_t)(bits >> 1 ^ (bits & 1 ? UINT64_MAX : 0));
    return 0;
}

int unpack_wide(struct slice *from, __int128 *ret)
{
    uint128 bits;

    if (unpack_bits(from, 128, &bits))
        return -EBADMSG;
    *ret = (__int128)(bits >> 1 ^ (bits & 1 ? ~(uint128)0 : 0));
    return 0;
}

int unpack_word(struct slice *from, uint64_t *ret)
{
    uint64_t word = 0;

    if (from->len < PACK_WORD)
        return -EBADMSG;
    for (int i = 0; i < PACK_WORD; i++)
        word |= (uint64_t)(unsigned char)from->data[i] << 8 * i;
    skip(from, PACK_WORD);
    *ret = word;
    return 0;
}

int unpack_double(struct slice *from, double *ret)
{
    struct slice rest = *from;
    uint64_t bits;
    double value;

    if (unpack_word(&rest, &bits))
        return -EBADMSG;
    memcpy(&value, &bits, sizeof(value));
    if (!isfinite(value))
        return -EBADMSG;
    *from = rest;
    *ret = value;
    return 0;
}

int unpack_text(struct slice *from, struct slice *ret)
{
    struct slice rest = *from;
    uint64_t len;

    if (unpack_uint(&rest, &len) || len > rest.len)
        return -EBADMSG;
    *ret = (struct slice){rest.data, len};
    skip(&rest, len);
    *from = rest;
    return 0;
}
