#include "state/ids.h"

#include "base/hash.h"
#include "window/slides.h"

#define TABLES_FIRST 4
#define TABLES_KEPT  16 /* about so many at a time, unless `within` is longer than that allows */
#define SLOTS_FIRST  64

struct id {
    struct hash128 hash; /* both halves 0: an empty slot */
    int64_t time_ms;
};

/* Open addressing with linear probing; one id may be in it at several times. */
struct id_table {
    int64_t index; /* holds index * width <= time < (index + 1) * width */
    struct id *slots;
    uint32_t cap; /* power of two */
    uint32_t len;
};

struct ids {
    const struct plan_source *source;
    struct arena *arena;
    int64_t within_ms;
    int64_t width_ms;        /* of a table */
    int64_t memory_ms;       /* an id is forgotten when what is closed is so far past its time */
    struct id_table *tables; /* in the order of time */
    uint32_t count;
    uint32_t cap;
};

int64_t ids_width_ms(const struct plan_source *source, int64_t lag_max_ms)
{
    return MAX(source->dedup_within_ms, (source->dedup_within_ms + lag_max_ms) / TABLES_KEPT);
}

struct ids *ids_create(const struct plan_source *source, int64_t lag_max_ms, struct arena *arena)
{
    struct ids *ids = calloc(1, sizeof(*ids));

    CHECK(ids);
    ids->source = source;
    ids->arena = arena;
    ids->within_ms = source->dedup_within_ms;
    ids->memory_ms = source->dedup_within_ms + lag_max_ms;
    ids->width_ms = ids_width_ms(source, lag_max_ms);
    return ids;
}

static void table_done(struct ids *ids, struct id_table *table)
{
    arena_free(ids->arena, table->slots, table->cap * sizeof(*table->slots));
}

void ids_free(struct ids *ids)
{
    if (!ids)
        return;
    for (uint32_t i = 0; i < ids->count; i++)
        table_done(ids, &ids->tables[i]);
    free(ids->tables);
    free(ids);
}

static bool is_empty(const struct id *slot)
{
    return slot->hash.low == 0 && slot->hash.high == 0;
}

static bool is_same(const struct id *slot, const struct hash128 *hash)
{
    return slot->hash.low == hash->low && slot->hash.high == hash->high;
}

static void put(struct id_table *table, const struct id *id)
{
    uint32_t slot = (uint32_t)id->hash.low & (table->cap - 1);

    while (!is_empty(&table->slots[slot]))
        slot = (slot + 1) & (table->cap - 1);
    table->slots[slot] = *id;
    table->len++;
}

static void make_room(struct ids *ids, struct id_table *table)
{
    struct id_table before = *table;

    if (table->len < table->cap / 4 * 3)
        return;
    table->cap = before.cap ? before.cap * 2 : SLOTS_FIRST;
    table->len = 0;
    table->slots = arena_calloc(ids->arena, table->cap * sizeof(*table->slots));
    for (uint32_t i = 0; i < before.cap; i++) {
        if (!is_empty(&before.slots[i]))
            put(table, &before.slots[i]);
    }
    table_done(ids, &before);
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
    uint32_t slot = (uint32_t)hash->low & (table->cap - 1);

    for (; !is_empty(&table->slots[slot]); slot = (slot + 1) & (table->cap - 1)) {
        const struct id *known = &table->slots[slot];
        int64_t apart_ms = known->time_ms - time_ms;

        if (is_same(known, hash) && apart_ms <= ids->within_ms && apart_ms >= -ids->within_ms &&
            closing_ms < known->time_ms + ids->memory_ms)
            return true;
    }
    return false;
}

static struct hash128 hash_of(const struct plan_field *field, const struct field_value *value,
                              uint64_t key_hash)
{
    struct slice bytes = field->type == FIELD_STRING
                             ? (struct slice){value->s, value->len}
                             : (struct slice){(const char *)&value->i, sizeof(value->i)};

    return hash128(bytes, key_hash);
}

bool ids_take(struct ids *ids, const struct event *event, int64_t closing_ms)
{
    int number = ids->source->dedup_field;
    const struct field_value *value = &event->fields[number];
    int64_t index = floor_div(event->time_ms, ids->width_ms);
    struct id id = {.time_ms = event->time_ms};

    if (!value->present)
        return false;
    id.hash = hash_of(&ids->source->fields[number], value, event->key_hash);
    for (uint32_t at = place_of(ids, index - 1);
         at < ids->count && ids->tables[at].index <= index + 1; at++) {
        if (has_near(ids, &ids->tables[at], &id.hash, event->time_ms, closing_ms))
            return true;
    }
    struct id_table *table = table_for(ids, index);
    make_room(ids, table);
    put(table, &id);
    return false;
}

void ids_release(struct ids *ids, int64_t release_ms)
{
    uint32_t gone = 0;

    while (gone < ids->count &&
           release_ms >= (ids->tables[gone].index + 1) * ids->width_ms + ids->memory_ms) {
        table_done(ids, &ids->tables[gone]);
        gone++;
    }
    if (gone == 0)
        return;
    ids->count -= gone;
    memmove(ids->tables, ids->tables + gone, ids->count * sizeof(*ids->tables));
}

uint64_t ids_bytes(const struct ids *ids)
{
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < ids->count; i++)
        bytes += ids->tables[i].cap * sizeof(struct id);
    return bytes;
}
