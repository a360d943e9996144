/* wire - the Kafka protocol's primitive types, read from bytes and appended to a buf.
 *
 *   int8 … int64     big-endian, two's complement
 *   uvarint          7 bits a byte, lowest first; the top bit says that more follow
 *   string, array    old:     length as int16, or int32; -1: null
 *                    compact: length + 1 as uvarint; 0: null
 *   tagged fields    in compact messages, behind each structure: count, then (tag, size, bytes)
 *
 * A message is compact ("flexible") from some version on; reader and writers are told. A reader
 * never reads behind its end and believes no length: the first thing that is wrong makes it `bad`
 * for good, and from then on it yields zeroes and nothing is left. So a structure is read straight
 * on and asked once, at its end. What it yields are slices of the bytes it was given.
 *
 * Source: Kafka protocol guide, "Protocol Primitive Types"; KIP-482 (compact types, tagged fields).
 */
#ifndef FRESHET_KAFKA_WIRE_H
#define FRESHET_KAFKA_WIRE_H

#include <endian.h>
#include <stdint.h>

#include "base/buf.h"

struct wire_reader {
    const char *at;
    const char *end;
    bool flexible;
    bool bad;
};

static inline struct wire_reader wire_reader(struct slice bytes, bool flexible)
{
    const char *at = bytes.data ? bytes.data : "";

    return (struct wire_reader){at, at + bytes.len, flexible, false};
}

static inline size_t wire_left(const struct wire_reader *reader)
{
    return (size_t)(reader->end - reader->at);
}

/* Nothing is left to be read. */
static inline void wire_fail(struct wire_reader *reader)
{
    reader->at = reader->end;
    reader->bad = true;
}

/* The next `size` bytes, or, if there are fewer, NULL. */
static inline const char *wire_take(struct wire_reader *reader, size_t size)
{
    const char *at = reader->at;

    if (UNLIKELY(wire_left(reader) < size)) {
        wire_fail(reader);
        return NULL;
    }
    reader->at += size;
    return at;
}

/* The numbers of a message, at addresses of any alignment. */
static inline int16_t wire_int16_at(const char *at)
{
    uint16_t value;

    memcpy(&value, at, sizeof(value));
    return (int16_t)be16toh(value);
}

static inline int32_t wire_int32_at(const char *at)
{
    uint32_t value;

    memcpy(&value, at, sizeof(value));
    return (int32_t)be32toh(value);
}

static inline int64_t wire_int64_at(const char *at)
{
    uint64_t value;

    memcpy(&value, at, sizeof(value));
    return (int64_t)be64toh(value);
}

int8_t wire_int8(struct wire_reader *reader);
int16_t wire_int16(struct wire_reader *reader);
int32_t wire_int32(struct wire_reader *reader);
int64_t wire_int64(struct wire_reader *reader);

/* At most 32 bits. */
uint32_t wire_uvarint(struct wire_reader *reader);

/* A string; data NULL for null, which is bad unless it is `nullable`. */
struct slice wire_string(struct wire_reader *reader, bool nullable);

/* Bytes, or records; data NULL for null. */
struct slice wire_bytes(struct wire_reader *reader);

/* The number of an array's elements, each of which takes at least `least_bytes` (> 0): no more than
 * there are bytes for. A null array has none. */
uint32_t wire_array(struct wire_reader *reader, size_t least_bytes);

/* How many tagged fields there are; none in messages that have no such thing. */
uint32_t wire_tags(struct wire_reader *reader);

/* The next of them, with a reader of its own, which may be left unread. */
uint32_t wire_tag(struct wire_reader *reader, struct wire_reader *ret_field);

/* Tagged fields that mean nothing here. */
void wire_skip_tags(struct wire_reader *reader);

void wire_put_int8(struct buf *out, int8_t value);
void wire_put_int16(struct buf *out, int16_t value);
void wire_put_int32(struct buf *out, int32_t value);
void wire_put_int64(struct buf *out, int64_t value);
void wire_put_uvarint(struct buf *out, uint32_t value);

/* At most INT16_MAX bytes. data NULL: null. */
void wire_put_string(struct buf *out, struct slice text, bool flexible);

/* The elements are to follow. */
void wire_put_array(struct buf *out, uint32_t count, bool flexible);

/* Behind a structure without tagged fields. */
void wire_put_no_tags(struct buf *out, bool flexible);

#endif
