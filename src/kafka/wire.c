#include "kafka/wire.h"

int8_t wire_int8(struct wire_reader *reader)
{
    const char *at = wire_take(reader, sizeof(int8_t));

    return at ? (int8_t)*at : 0;
}

int16_t wire_int16(struct wire_reader *reader)
{
    const char *at = wire_take(reader, sizeof(int16_t));

    return at ? wire_int16_at(at) : 0;
}

int32_t wire_int32(struct wire_reader *reader)
{
    const char *at = wire_take(reader, sizeof(int32_t));

    return at ? wire_int32_at(at) : 0;
}

int64_t wire_int64(struct wire_reader *reader)
{
    const char *at = wire_take(reader, sizeof(int64_t));

    return at ? wire_int64_at(at) : 0;
}

uint32_t wire_uvarint(struct wire_reader *reader)
{
    uint64_t value = 0;

    for (int shift = 0; shift < 35; shift += 7) {
        const char *at = wire_take(reader, 1);

        if (!at)
            return 0;
        value |= (uint64_t)(*at & 0x7f) << shift;
        if (!(*at & 0x80) && value <= UINT32_MAX)
            return (uint32_t)value;
    }
    wire_fail(reader);
    return 0;
}

/* The length of what follows; -1: it is null. */
static int64_t length(struct wire_reader *reader, bool is_string)
{
    if (reader->flexible)
        return (int64_t)wire_uvarint(reader) - 1;
    return is_string ? wire_int16(reader) : wire_int32(reader);
}

static struct slice bytes_of(struct wire_reader *reader, int64_t len)
{
    const char *at;

    if (len < -1)
        wire_fail(reader);
    if (len < 0)
        return SLICE_NONE;
    at = wire_take(reader, (size_t)len);
    return at ? (struct slice){at, (size_t)len} : SLICE_NONE;
}

struct slice wire_string(struct wire_reader *reader, bool nullable)
{
    struct slice text = bytes_of(reader, length(reader, true));

    if (!text.data && !nullable)
        wire_fail(reader);
    return text;
}

struct slice wire_bytes(struct wire_reader *reader)
{
    return bytes_of(reader, length(reader, false));
}

uint32_t wire_array(struct wire_reader *reader, size_t least_bytes)
{
    int64_t count = length(reader, false);

    CHECK(least_bytes > 0);
    if (count < -1 || count > (int64_t)(wire_left(reader) / least_bytes))
        wire_fail(reader);
    return reader->bad || count < 0 ? 0 : (uint32_t)count;
}

uint32_t wire_tags(struct wire_reader *reader)
{
    uint32_t count = reader->flexible ? wire_uvarint(reader) : 0;

    if (count > wire_left(reader) / 2) /* a tag and a size are two bytes at least */
        wire_fail(reader);
    return reader->bad ? 0 : count;
}

uint32_t wire_tag(struct wire_reader *reader, struct wire_reader *ret_field)
{
    uint32_t tag = wire_uvarint(reader);
    uint32_t size = wire_uvarint(reader);
    const char *at = wire_take(reader, size);

    *ret_field = wire_reader((struct slice){at ? at : reader->end, at ? size : 0}, true);
    ret_field->bad = reader->bad;
    return tag;
}

void wire_skip_tags(struct wire_reader *reader)
{
    struct wire_reader field;

    for (uint32_t left = wire_tags(reader); left > 0 && !reader->bad; left--)
        wire_tag(reader, &field);
}

void wire_put_int8(struct buf *out, int8_t value)
{
    buf_append(out, &value, sizeof(value));
}

void wire_put_int16(struct buf *out, int16_t value)
{
    uint16_t bytes = htobe16((uint16_t)value);

    buf_append(out, &bytes, sizeof(bytes));
}

void wire_put_int32(struct buf *out, int32_t value)
{
    uint32_t bytes = htobe32((uint32_t)value);

    buf_append(out, &bytes, sizeof(bytes));
}

void wire_put_int64(struct buf *out, int64_t value)
{
    uint64_t bytes = htobe64((uint64_t)value);

    buf_append(out, &bytes, sizeof(bytes));
}

void wire_put_uvarint(struct buf *out, uint32_t value)
{
    for (; value >= 0x80; value >>= 7)
        buf_append_char(out, (char)(value | 0x80));
    buf_append_char(out, (char)value);
}

void wire_put_string(struct buf *out, struct slice text, bool flexible)
{
    CHECK(text.len <= INT16_MAX);
    if (flexible)
        wire_put_uvarint(out, text.data ? (uint32_t)text.len + 1 : 0);
    else
        wire_put_int16(out, text.data ? (int16_t)text.len : -1);
    buf_append_slice(out, text);
}

void wire_put_array(struct buf *out, uint32_t count, bool flexible)
{
    CHECK(count < INT32_MAX);
    if (flexible)
        wire_put_uvarint(out, count + 1);
    else
        wire_put_int32(out, (int32_t)count);
}

void wire_put_no_tags(struct buf *out, bool flexible)
{
    if (flexible)
        wire_put_uvarint(out, 0);
}
