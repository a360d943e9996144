#include "state/entries.h"

#include <errno.h>

#define HEADER_BYTES 8 /* two lengths */
#define PREFIX_BYTES 5 /* group and kind */

static void le32_put(char *to, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        to[i] = (char)(value >> 8 * i);
}

static uint32_t le32_get(const char *from)
{
    uint32_t value = 0;

    for (int i = 0; i < 4; i++)
        value |= (uint32_t)(unsigned char)from[i] << 8 * i;
    return value;
}

size_t entry_begin(struct buf *out, uint32_t group, char kind)
{
    size_t place = out->len;
    char *to = buf_reserve(out, HEADER_BYTES + PREFIX_BYTES) + HEADER_BYTES;

    for (int i = 0; i < 4; i++)
        to[i] = (char)(group >> 8 * (3 - i));
    to[4] = kind;
    out->len += HEADER_BYTES + PREFIX_BYTES;
    return place;
}

static uint32_t length_of(size_t len)
{
    CHECK(len < ENTRY_DELETED);
    return (uint32_t)len;
}

void entry_value(struct buf *out, size_t place)
{
    le32_put(out->data + place, length_of(out->len - place - HEADER_BYTES));
}

void entry_end(struct buf *out, size_t place)
{
    size_t key_len = le32_get(out->data + place);

    le32_put(out->data + place + 4, length_of(out->len - place - HEADER_BYTES - key_len));
}

void entry_end_deleted(struct buf *out, size_t place)
{
    entry_value(out, place);
    le32_put(out->data + place + 4, ENTRY_DELETED);
}

int entry_next(struct slice *from, struct slice *ret_key, struct slice *ret_value)
{
    struct slice rest = *from;

    if (rest.len < HEADER_BYTES)
        return -EBADMSG;
    uint32_t key_len = le32_get(rest.data);
    uint32_t value_len = le32_get(rest.data + 4);
    bool is_deleted = value_len == ENTRY_DELETED;

    rest = (struct slice){rest.data + HEADER_BYTES, rest.len - HEADER_BYTES};
    if (key_len > rest.len || (!is_deleted && value_len > rest.len - key_len))
        return -EBADMSG;
    if (is_deleted)
        value_len = 0;
    *ret_key = (struct slice){rest.data, key_len};
    *ret_value = is_deleted ? SLICE_NONE : (struct slice){rest.data + key_len, value_len};
    *from = (struct slice){rest.data + key_len + value_len, rest.len - key_len - value_len};
    return 0;
}

int entry_key_read(struct slice key, uint32_t *ret_group, char *ret_kind, struct slice *ret_rest)
{
    if (key.len < PREFIX_BYTES)
        return -EBADMSG;
    *ret_group = 0;
    for (int i = 0; i < 4; i++)
        *ret_group = *ret_group << 8 | (unsigned char)key.data[i];
    *ret_kind = key.data[4];
    *ret_rest = (struct slice){key.data + PREFIX_BYTES, key.len - PREFIX_BYTES};
    return 0;
}
