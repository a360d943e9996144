#include "base/text.h"

static const char digit_pairs[] = "00010203040506070809101112131415161718192021222324"
                                  "25262728293031323334353637383940414243444546474849"
                                  "50515253545556575859606162636465666768697071727374"
                                  "75767778798081828384858687888990919293949596979899";

/* Writes the digits backwards from `end`, at least `digits_min`; returns the first. */
static char *digits_before(char *end, uint64_t value, unsigned digits_min)
{
    char *first = end;

    while (value >= 100) {
        first -= 2;
        memcpy(first, digit_pairs + value % 100 * 2, 2);
        value /= 100;
    }
    if (value >= 10) {
        first -= 2;
        memcpy(first, digit_pairs + value * 2, 2);
    } else if (value > 0 || first == end) {
        *--first = (char)('0' + value);
    }
    while (end - first < digits_min)
        *--first = '0';
    return first;
}

static uint64_t magnitude(int64_t value)
{
    return value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
}

size_t text_int64(char *out, int64_t value)
{
    char digits[TEXT_INT64_MAX];
    char *end = digits + sizeof(digits);
    char *first = digits_before(end, magnitude(value), 1);

    if (value < 0)
        *--first = '-';
    memcpy(out, first, (size_t)(end - first));
    return (size_t)(end - first);
}

size_t text_decimal(char *out, int64_t value, unsigned scale)
{
    char digits[TEXT_DECIMAL_MAX];
    char *end = digits + sizeof(digits);
    size_t len = 0;

    CHECK(scale <= TEXT_DECIMAL_DIGITS_MAX);
    char *first = digits_before(end, magnitude(value), scale + 1);
    size_t whole = (size_t)(end - first) - scale;

    if (value < 0)
        out[len++] = '-';
    memcpy(out + len, first, whole);
    len += whole;
    if (scale > 0) {
        out[len++] = '.';
        memcpy(out + len, first + whole, scale);
        len += scale;
    }
    return len;
}

void text_json_string(struct buf *out, struct slice text)
{
    static const char hex[] = "0123456789abcdef";
    /* Six bytes for each at the most: \u00xx. */
    char *to = buf_reserve(out, text.len * 6 + 2);
    char *start = to;

    *to++ = '"';
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];

        if (LIKELY(c >= 0x20 && c != '"' && c != '\\')) {
            *to++ = (char)c;
            continue;
        }
        *to++ = '\\';
        switch (c) {
        case '"':
        case '\\':
            *to++ = (char)c;
            break;
        case '\b':
            *to++ = 'b';
            break;
        case '\f':
            *to++ = 'f';
            break;
        case '\n':
            *to++ = 'n';
            break;
        case '\r':
            *to++ = 'r';
            break;
        case '\t':
            *to++ = 't';
            break;
        default:
            memcpy(to, "u00", 3);
            to[3] = hex[c >> 4];
            to[4] = hex[c & 15];
            to += 5;
        }
    }
    *to++ = '"';
    out->len += (size_t)(to - start);
}

/* How long the sequence at `at` is, or 0 if it is not well formed. */
static size_t utf8_sequence(const unsigned char *at, size_t left)
{
    unsigned char lead = at[0];
    unsigned char second_min = 0x80;
    unsigned char second_max = 0xbf;
    size_t len;

    if (lead < 0x80)
        return 1;
    if (lead >= 0xc2 && lead <= 0xdf) {
        len = 2;
    } else if (lead >= 0xe0 && lead <= 0xef) {
        len = 3;
        if (lead == 0xe0)
            second_min = 0xa0; /* below: a longer form of what fits two bytes */
        if (lead == 0xed)
            second_max = 0x9f; /* above: surrogates */
    } else if (lead >= 0xf0 && lead <= 0xf4) {
        len = 4;
        if (lead == 0xf0)
            second_min = 0x90;
        if (lead == 0xf4)
            second_max = 0x8f; /* above: beyond U+10FFFF */
    } else {
        return 0;
    }
    if (left < len || at[1] < second_min || at[1] > second_max)
        return 0;
    for (size_t i = 2; i < len; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    }
    return len;
}

bool text_is_utf8(struct slice text)
{
    const unsigned char *bytes = (const unsigned char *)text.data;
    size_t at = 0;

    while (at < text.len) {
        size_t len = utf8_sequence(bytes + at, text.len - at);

        if (len == 0)
            return false;
        at += len;
    }
    return true;
}

void text_base64(struct buf *out, struct slice bytes)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *in = (const unsigned char *)bytes.data;
    char *to = buf_reserve(out, (bytes.len + 2) / 3 * 4);
    char *start = to;

    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t left = bytes.len - i;
        uint32_t word = (uint32_t)in[i] << 16;

        if (left > 1)
            word |= (uint32_t)in[i + 1] << 8;
        if (left > 2)
            word |= in[i + 2];
        *to++ = alphabet[word >> 18];
        *to++ = alphabet[word >> 12 & 63];
        *to++ = left > 1 ? alphabet[word >> 6 & 63] : '=';
        *to++ = left > 2 ? alphabet[word & 63] : '=';
    }
    out->len += (size_t)(to - start);
}
