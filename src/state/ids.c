#include "state/ids.h"

#include <errno.h>

#include "base/hash.h"
#include "base/pack.h"
#include "state/entries.h"
#include "window/slides.h"

#define TABLES_FIRST 4
#define TABLES_KEPT  16 /* about so many at a time, unless `within` is longer than that allows */
#define SLOTS_FIRST  32
#define IDS_FIRST    24
#define CHUNKS_FIRST 4
#define REST_BYTES   16
#define GROUP_SHIFT  56 /* the group's bits in the upper half of a hash */

struct id {
    struct hash128 hash; /* not zero */
    int64_t time_ms;
};

struct id_slot {
    uint32_t tag;
    uint32_t number; /* + 1; 0: empty */
};

/* Ids that a checkpoint holds: an entry for each group that has some. */
struct id_chunk {
    uint64_t number;                       /* of the checkpoint */
    uint64_t groups[PLAN_KEY_GROUPS / 64]; /* bits; aligned: one, the first */
};

/* One id may be in it at several times. */
struct id_table {
    int64_t index; /* holds index * width <= time < (index + 1) * width */
    struct id *ids;
    uint32_t count;
    uint32_t cap;
    struct id_slot *slots; /* open addressing with linear probing */
    uint32_t slot_cap;     /* power of two, or 0 */
    uint32_t captured;     /* ids that chunks hold, or the bufs of the capture under way */
    uint32_t marked;       /* those up to here are to be captured */
    struct id_chunk *chunks;
    uint32_t chunk_count;
    uint32_t chunk_cap;
};

struct ids {
    const struct plan_source *source;
    int32_t partition;
    struct arena *arena;
    int64_t within_ms;
    int64_t width_ms;        /* of a table */
    int64_t memory_ms;       /* an id is forgotten when what is closed is so far past its time */
    struct id_table *tables; /* in the order of time */
    uint32_t count;
    uint32_t cap;
    uint64_t number;      /* of the newest chunks */
    struct buf *groups;   /* the values of one table's chunks, by group, while they are made */
    uint32_t group_count; /* aligned: 1 */
};

int64_t ids_width_ms(const struct plan_source *source, int64_t lag_max_ms)
{
    return MAX(source->dedup_within_ms, (source->dedup_within_ms + lag_max_ms) / TABLES_KEPT);
}

struct ids *ids_create(const struct plan_source *source, int32_t partition, int64_t lag_max_ms,
                       struct arena *arena)
{
    struct ids *ids = calloc(1, sizeof(*ids));

    CHECK(ids);
    ids->source = source;
    ids->partition = partition;
    ids->arena = arena;
    ids->within_ms = source->dedup_within_ms;
    ids->memory_ms = source->dedup_within_ms + lag_max_ms;
    ids->width_ms = ids_width_ms(source, lag_max_ms);
    ids->group_count = source->aligned ? 1 : PLAN_KEY_GROUPS;
    ids->groups = calloc(ids->group_count, sizeof(*ids->groups));
    CHECK(ids->groups);
    return ids;
}

static void table_done(struct ids *ids, struct id_table *table)
{
    arena_free(ids->arena, table->ids, table->cap * sizeof(*table->ids));
    arena_free(ids->arena, table->slots, table->slot_cap * sizeof(*table->slots));
    arena_free(ids->arena, table->chunks, table->chunk_cap * sizeof(*table->chunks));
}

void ids_free(struct ids *ids)
{
    if (!ids)
        return;
    for (uint32_t i = 0; i < ids->count; i++)
        table_done(ids, &ids->tables[i]);
    for (uint32_t i = 0; i < ids->group_count; i++)
        buf_free(&ids->groups[i]);
    free(ids->groups);
    free(ids->tables);
    free(ids);
}

static uint32_t tag_of(const struct hash128 *hash)
{
    return (uint32_t)(hash->low >> 32);
}

static bool is_same(const struct hash128 *a, const struct hash128 *b)
{
    return a->low == b->low && a->high == b->high;
}

static void slot_put(struct id_table *table, uint32_t number)
{
    const struct hash128 *hash = &table->ids[number].hash;
    uint32_t slot = (uint32_t)hash->low & (table->slot_cap - 1);

    while (table->slots[slot].number)
        slot = (slot + 1) & (table->slot_cap - 1);
    table->slots[slot] = (struct id_slot){tag_of(hash), number + 1};
}

static void slots_grow(struct ids *ids, struct id_table *table)
{
    uint32_t cap = table->slot_cap ? table->slot_cap * 2 : SLOTS_FIRST;

    arena_free(ids->arena, table->slots, table->slot_cap * sizeof(*table->slots));
    table->slots = arena_calloc(ids->arena, cap * sizeof(*table->slots));
    table->slot_cap = cap;
    for (uint32_t i = 0; i < table->count; i++)
        slot_put(table, i);
}

static void put(struct ids *ids, struct id_table *table, const struct id *id)
{
    if (table->count == table->cap) {
        uint32_t cap = table->cap ? table->cap + table->cap / 2 : IDS_FIRST;

        table->ids = arena_resize(ids->arena, table->ids, table->cap * sizeof(*table->ids),
                                  cap * sizeof(*table->ids));
        table->cap = cap;
    }
    if (table->count == table->slot_cap / 4 * 3)
        slots_grow(ids, table);
    table->ids[table->count] = *id;
    slot_put(table, table->count++);
}

/* The first table whose index is not less. */
static uint32_t place_of(const struct ids *ids, int64_t index)
{
    uint32_t at = ids->count;

    while (at > 0 && ids->tables[at - 1].index >= index)
        at--;
    return at;
}

static struct id_table *table_for(struct ids *ids, int64_t index)
{
    uint32_t at = place_of(ids, index);

    if (at < ids->count && ids->tables[at].index == index)
        return &ids->tables[at];
    if (ids->count == ids->cap) {
        ids->cap = ids->cap ? ids->cap * 2 : TABLES_FIRST;
        ids->tables = realloc(ids->tables, ids->cap * sizeof(*ids->tables));
        CHECK(ids->tables);
    }
    memmove(&ids->tables[at + 1], &ids->tables[at], (ids->count - at) * sizeof(*ids->tables));
    ids->count++;
    ids->tables[at] = (struct id_table){.index = index};
    return &ids->tables[at];
}

/* Whether the id is in the table at a time within reach of `time_ms`, and not forgotten. */
static bool has_near(const struct ids *ids, const struct id_table *table,
                     const struct hash128 *hash, int64_t time_ms, int64_t closing_ms)
{
    uint32_t mask = table->slot_cap - 1;

    for (uint32_t slot = (uint32_t)hash->low & mask; table->slots[slot].number;
         slot = (slot + 1) & mask) {
        if (table->slots[slot].tag != tag_of(hash))
            continue;
        const struct id *known = &table->ids[table->slots[slot].number - 1];
        int64_t apart_ms = known->time_ms - time_ms;

        if (is_same(&known->hash, hash) && apart_ms <= ids->within_ms &&
            apart_ms >= -ids->within_ms && closing_ms < known->time_ms + ids->memory_ms)
            return true;
    }
    return false;
}

/* Of the key group; aligned: there is one only. */
static struct hash128 with_group(struct hash128 hash, uint64_t group)
{
    hash.high = (hash.high & ~(UINT64_C(0xff) << GROUP_SHIFT)) | group << GROUP_SHIFT;
    hash.low |= hash.low == 0 && hash.high == 0;
    return hash;
}

static struct hash128 hash_of(const struct ids *ids, const struct field_value *value,
                              uint64_t key_hash)
{
    bool is_string = ids->source->fields[ids->source->dedup_field].type == FIELD_STRING;
    struct slice bytes = is_string ? (struct slice){value->s, value->len}
                                   : (struct slice){(const char *)&value->i, sizeof(value->i)};
    struct hash128 hash = hash128(bytes, key_hash);

    return ids->source->aligned ? hash : with_group(hash, key_hash % PLAN_KEY_GROUPS);
}

bool ids_take(struct ids *ids, const struct event *event, int64_t closing_ms)
{
    const struct field_value *value = &event->fields[ids->source->dedup_field];
    int64_t index = floor_div(event->time_ms, ids->width_ms);
    struct id id = {.time_ms = event->time_ms};

    if (!value->present)
        return false;
    id.hash = hash_of(ids, value, event->key_hash);
    for (uint32_t at = place_of(ids, index - 1);
         at < ids->count && ids->tables[at].index <= index + 1; at++) {
        if (has_near(ids, &ids->tables[at], &id.hash, event->time_ms, closing_ms))
            return true;
    }
    put(ids, table_for(ids, index), &id);
    return false;
}

/* ---- captures */

/* The entry's group, of a place in `groups`. */
static uint32_t group_at(const struct ids *ids, uint32_t at)
{
    return ids->source->aligned ? (uint32_t)ids->partition : at;
}

static void be64_append(struct buf *out, uint64_t value)
{
    char *to = buf_reserve(out, 8);

    for (int i = 0; i < 8; i++)
        to[i] = (char)(value >> 8 * (7 - i));
    out->len += 8;
}

static uint64_t be64_get(const char *from)
{
    uint64_t value = 0;

    for (int i = 0; i < 8; i++)
        value = value << 8 | (unsigned char)from[i];
    return value;
}

static size_t chunk_begin(const struct ids *ids, const struct id_table *table, uint64_t number,
                          uint32_t at, struct buf *out)
{
    size_t place = entry_begin(out, group_at(ids, at), ENTRY_IDS);

    be64_append(out, (uint64_t)table->index);
    be64_append(out, number);
    return place;
}

static struct id_chunk *chunk_note(struct ids *ids, struct id_table *table, uint64_t number)
{
    for (uint32_t i = table->chunk_count; i-- > 0;) {
        if (table->chunks[i].number == number)
            return &table->chunks[i];
    }
    if (table->chunk_count == table->chunk_cap) {
        uint32_t cap = table->chunk_cap ? table->chunk_cap * 2 : CHUNKS_FIRST;

        table->chunks = arena_resize(ids->arena, table->chunks,
                                     table->chunk_cap * sizeof(*table->chunks),
                                     cap * sizeof(*table->chunks));
        table->chunk_cap = cap;
    }
    table->chunks[table->chunk_count] = (struct id_chunk){.number = number};
    return &table->chunks[table->chunk_count++];
}

/* Pending ids of the table into the values of its chunks, at most so many; how many it were. */
static uint32_t gather(struct ids *ids, struct id_table *table, uint32_t budget)
{
    uint32_t count = MIN(budget, table->marked - table->captured);

    for (uint32_t i = 0; i < count; i++) {
        const struct id *id = &table->ids[table->captured++];
        struct buf *value = &ids->groups[ids->source->aligned ? 0 : id->hash.high >> GROUP_SHIFT];

        pack_word(value, id->hash.low);
        pack_word(value, id->hash.high);
        pack_uint(value, (uint64_t)(id->time_ms - table->index * ids->width_ms));
    }
    return count;
}

/* All that was pending of the table has been gathered. */
static void chunks_write(struct ids *ids, struct id_table *table, struct buf *out)
{
    struct id_chunk *chunk = chunk_note(ids, table, ids->number);

    for (uint32_t at = 0; at < ids->group_count; at++) {
        struct buf *value = &ids->groups[at];

        if (value->len == 0)
            continue;
        size_t place = chunk_begin(ids, table, ids->number, at, out);

        entry_value(out, place);
        buf_append_slice(out, buf_slice(value));
        entry_end(out, place);
        chunk->groups[at / 64] |= UINT64_C(1) << at % 64;
        buf_free(value);
    }
}

static void chunks_delete(const struct ids *ids, const struct id_table *table, struct buf *out)
{
    for (uint32_t i = 0; i < table->chunk_count; i++) {
        for (uint32_t at = 0; at < ids->group_count; at++) {
            if (table->chunks[i].groups[at / 64] >> at % 64 & 1)
                entry_end_deleted(out, chunk_begin(ids, table, table->chunks[i].number, at, out));
        }
    }
}

void ids_mark(struct ids *ids, uint64_t number, bool all)
{
    ids->number = MAX(number, ids->number + 1);
    for (uint32_t i = 0; i < ids->count; i++) {
        struct id_table *table = &ids->tables[i];

        table->marked = table->count;
        if (!all)
            continue;
        table->captured = 0;
        table->chunk_count = 0;
    }
}

bool ids_capture(struct ids *ids, uint32_t budget, struct buf *captured)
{
    for (uint32_t i = 0; i < ids->count; i++) {
        struct id_table *table = &ids->tables[i];

        if (table->captured >= table->marked)
            continue;
        budget -= gather(ids, table, budget);
        if (table->captured < table->marked)
            return true;
        chunks_write(ids, table, captured);
    }
    return false;
}

static bool is_gathering(const struct ids *ids)
{
    for (uint32_t at = 0; at < ids->group_count; at++) {
        if (ids->groups[at].len > 0)
            return true;
    }
    return false;
}

void ids_capture_abort(struct ids *ids, struct buf *captured)
{
    for (uint32_t i = 0; i < ids->count; i++) {
        struct id_table *table = &ids->tables[i];

        /* What was gathered is of the first one that is not done. */
        if (table->captured < table->marked && is_gathering(ids))
            chunks_write(ids, table, captured);
        table->marked = 0;
    }
}

void ids_release(struct ids *ids, int64_t release_ms, struct buf *captured, struct buf *deleted)
{
    uint32_t gone = 0;

    for (; gone < ids->count; gone++) {
        struct id_table *table = &ids->tables[gone];

        if (release_ms < (table->index + 1) * ids->width_ms + ids->memory_ms)
            break;
        /* Tables are gathered in their order: what lies in `groups` is of this one. */
        if (table->captured < table->marked) {
            gather(ids, table, UINT32_MAX);
            chunks_write(ids, table, captured);
        }
        chunks_delete(ids, table, deleted);
        table_done(ids, table);
    }
    if (gone == 0)
        return;
    ids->count -= gone;
    memmove(ids->tables, ids->tables + gone, ids->count * sizeof(*ids->tables));
}

/* The next id of a chunk. */
static int id_read(const struct ids *ids, uint32_t group, int64_t begin_ms, int64_t width_ms,
                   struct slice *from, struct id *ret)
{
    uint64_t apart;

    if (unpack_word(from, &ret->hash.low) || unpack_word(from, &ret->hash.high) ||
        unpack_uint(from, &apart))
        return -EBADMSG;
    if ((ret->hash.low == 0 && ret->hash.high == 0) || apart >= (uint64_t)width_ms ||
        (!ids->source->aligned && ret->hash.high >> GROUP_SHIFT != group))
        return -EBADMSG;
    ret->time_ms = begin_ms + (int64_t)apart;
    return ret->time_ms > EVENT_TIME_MAX_MS ? -EBADMSG : 0;
}

int ids_load(struct ids *ids, uint32_t group, struct slice rest, struct slice value,
             int64_t width_ms, bool is_changed)
{
    uint64_t index = rest.len == REST_BYTES ? be64_get(rest.data) : UINT64_MAX;
    int64_t begin_ms;
    struct id id;

    uint64_t number = rest.len == REST_BYTES ? be64_get(rest.data + 8) : 0;

    if (group != group_at(ids, group) || group_at(ids, 0) + ids->group_count <= group ||
        index > (uint64_t)(EVENT_TIME_MAX_MS / width_ms) || number > INT64_MAX || value.len == 0)
        return -EBADMSG;
    begin_ms = (int64_t)index * width_ms;
    for (struct slice from = value; from.len > 0;) {
        if (id_read(ids, group, begin_ms, width_ms, &from, &id))
            return -EBADMSG;
    }
    while (value.len > 0) {
        CHECK(id_read(ids, group, begin_ms, width_ms, &value, &id) == 0);

        struct id_table *table = table_for(ids, floor_div(id.time_ms, ids->width_ms));
        bool is_behind = table->captured == table->count;

        put(ids, table, &id);
        if (!is_changed && is_behind)
            table->captured = table->count;
    }
    if (width_ms ==
        ids->width_ms) { /* the chunk goes with the table, even if it is written again */
        struct id_table *table = table_for(ids, (int64_t)index);
        struct id_chunk *chunk = chunk_note(ids, table, number);
        uint32_t at = ids->source->aligned ? 0 : group;

        chunk->groups[at / 64] |= UINT64_C(1) << at % 64;
        ids->number = MAX(ids->number, number);
    }
    return 0;
}

uint64_t ids_bytes(const struct ids *ids)
{
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < ids->count; i++) {
        const struct id_table *table = &ids->tables[i];

        bytes += table->cap * sizeof(struct id) + table->slot_cap * sizeof(struct id_slot) +
                 table->chunk_cap * sizeof(struct id_chunk);
    }
    return bytes;
}
