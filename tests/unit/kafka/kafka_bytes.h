/* kafka_bytes - messages as hexadecimal text, and in the spellings of old and compact versions. */
#ifndef FRESHET_TESTS_KAFKA_BYTES_H
#define FRESHET_TESTS_KAFKA_BYTES_H

#include "../../support/record_encoder.h"
#include "../support/testing.h"

/* "00 0a 'freshet' ff": bytes, and text between quotes. */
static inline void put_hex(struct buf *out, const char *text)
{
    bool quoted = false;

    for (; *text; text++) {
        unsigned byte;

        if (*text == '\'') {
            quoted = !quoted;
        } else if (quoted) {
            buf_append_char(out, *text);
        } else if (*text != ' ') {
            CHECK(sscanf(text, "%2x", &byte) == 1);
            buf_append_char(out, (char)byte);
            text++;
        }
    }
}

static inline void assert_hex(const struct buf *got, const char *text)
{
    struct buf wanted = {0};

    put_hex(&wanted, text);
    assert_int_equal(got->len, wanted.len);
    assert_memory_equal(got->data, wanted.data, wanted.len);
    buf_free(&wanted);
}

static inline void encode_string(struct buf *out, struct slice text, bool compact)
{
    if (compact)
        encode_uvarint(out, text.data ? text.len + 1 : 0);
    else
        encode_int(out, 2, text.data ? (int64_t)text.len : -1);
    buf_append_slice(out, text);
}

static inline void encode_count(struct buf *out, int64_t count, bool compact)
{
    if (compact)
        encode_uvarint(out, (uint64_t)(count + 1));
    else
        encode_int(out, 4, count);
}

/* Tagged fields that nobody knows. */
static inline void encode_strange_tags(struct buf *out, bool compact)
{
    uint64_t count = random_chance(80) ? 0 : 1 + random_below(3);

    if (!compact)
        return;
    encode_uvarint(out, count);
    for (uint64_t i = 0; i < count; i++) {
        uint64_t size = random_below(200);

        encode_uvarint(out, 100 + i + random_bits() % 1000);
        encode_uvarint(out, size);
        for (uint64_t j = 0; j < size; j++)
            buf_append_char(out, (char)random_next());
    }
}

/* A copy of exactly that size, so that the sanitizer sees a read behind it. */
static inline struct slice exact(struct slice bytes)
{
    char *copy = malloc(bytes.len ? bytes.len : 1);

    CHECK(copy);
    if (bytes.len)
        memcpy(copy, bytes.data, bytes.len);
    return (struct slice){copy, bytes.len};
}

static inline void exact_free(struct slice bytes)
{
    free((void *)(uintptr_t)bytes.data);
}

#endif
