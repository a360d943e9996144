/* redis_entries - reads what the Redis sink saves, by the description of the bytes in redis_save.h;
 * shares no code with the sink but the hash. */
#ifndef FRESHET_TESTS_REDIS_ENTRIES_H
#define FRESHET_TESTS_REDIS_ENTRIES_H

#include "base/buf.h"
#include "base/hash.h"
#include "redis_world.h"

struct entry {
    struct slice key; /* of the entry */
    struct slice value;
    bool deleted;
    uint32_t group;
    struct slice entity;
};

static inline uint32_t entry_number(const char *at, bool big)
{
    uint32_t number = 0;

    for (int i = 0; i < 4; i++)
        number |= (uint32_t)(unsigned char)at[i] << 8 * (big ? 3 - i : i);
    return number;
}

/* The first of `*from`, which moves on; false at the end. */
static inline bool entry_next(struct slice *from, struct entry *ret)
{
    if (from->len == 0)
        return false;
    CHECK(from->len > 8);
    uint32_t key_len = entry_number(from->data, false);
    uint32_t value_len = entry_number(from->data + 4, false);
    const char *key = from->data + 8;

    ret->deleted = value_len == UINT32_MAX;
    value_len = ret->deleted ? 0 : value_len;
    CHECK(key_len > 5 && from->len >= 8 + (size_t)key_len + value_len);
    CHECK(key[4] == 'r');
    ret->key = (struct slice){key, key_len};
    ret->value = (struct slice){key + key_len, value_len};
    ret->group = entry_number(key, true);
    ret->entity = (struct slice){key + 5, key_len - 5};
    from->data += 8 + key_len + value_len;
    from->len -= 8 + key_len + value_len;
    return true;
}

/* --- its value --- */

static inline uint64_t entry_uint(struct slice *from)
{
    uint64_t value = 0;
    unsigned shift = 0;
    unsigned char byte;

    do {
        CHECK(from->len > 0 && shift < 64);
        byte = (unsigned char)*from->data++;
        from->len--;
        value |= (uint64_t)(byte & 0x7f) << shift;
        shift += 7;
    } while (byte >= 0x80);
    return value;
}

static inline int64_t entry_int(struct slice *from)
{
    uint64_t value = entry_uint(from);

    return value % 2 ? -(int64_t)(value / 2) - 1 : (int64_t)(value / 2);
}

/* The name whose hash it is: of a view (feature -1), or of its features. */
static inline const char *entry_name(struct slice *from, int view)
{
    uint64_t hash = 0;

    CHECK(from->len >= 8);
    for (int i = 0; i < 8; i++)
        hash |= (uint64_t)(unsigned char)from->data[i] << 8 * i;
    from->data += 8;
    from->len -= 8;
    for (int v = 0; v < VIEW_COUNT; v++) {
        for (int name = 0; name < 4 && world_names[v][name]; name++) {
            if (hash64(slice_of(world_names[v][name])) == hash && (view < 0) == (name == 0) &&
                (view < 0 || v == view))
                return world_names[v][name];
        }
    }
    return "?";
}

static inline int entry_view_number(const char *name)
{
    for (int v = 0; v < VIEW_COUNT; v++) {
        if (strcmp(world_names[v][0], name) == 0)
            return v;
    }
    return VIEW_COUNT;
}

/* "plain 1000 1000 1700000000000 count=1 mean=0.5 last; deleting …": a name alone has no value. */
static inline void entry_spell(const struct entry *entry, struct buf *out)
{
    struct slice from = entry->value;

    CHECK(entry_uint(&from) == 1);
    uint64_t views = entry_uint(&from);

    for (uint64_t v = 0; v < views; v++) {
        const char *name = entry_name(&from, -1);
        int64_t times[3];

        for (int i = 0; i < 3; i++)
            times[i] = entry_int(&from);
        buf_printf(out, "%s%s %lld %lld %lld", v ? "; " : "", name, (long long)times[0],
                   (long long)times[1], (long long)times[2]);
        for (uint64_t left = entry_uint(&from); left > 0; left--) {
            const char *feature = entry_name(&from, entry_view_number(name));
            uint64_t len = entry_uint(&from);

            buf_printf(out, len ? " %s=" : " %s", feature);
            CHECK(len == 0 || len - 1 <= from.len);
            buf_append(out, from.data, len ? len - 1 : 0);
            from.data += len ? len - 1 : 0;
            from.len -= len ? len - 1 : 0;
        }
    }
    CHECK(from.len == 0);
}

/* "group key (value)", or "group key -" where it is deleted, all of them, with ", " between. */
static inline void entries_spell(struct slice from, struct buf *out)
{
    struct entry entry;

    while (entry_next(&from, &entry)) {
        buf_printf(out, "%s%u %.*s ", out->len ? ", " : "", entry.group, SLICE_ARGS(entry.entity));
        if (entry.deleted) {
            buf_append_char(out, '-');
            continue;
        }
        buf_append_char(out, '(');
        entry_spell(&entry, out);
        buf_append_char(out, ')');
    }
}

#endif
