#include "state/key_table.h"

#include "base/check.h"

#define SLOTS_FIRST   64
#define CHUNK_RECORDS (1u << KEY_CHUNK_BITS)
#define MOVE_SLOTS    8          /* for each added key: done well before `now` is full */
#define REMOVED       UINT32_MAX /* the number of a slot of `before` whose key is gone */

void key_table_init(struct key_table *table, struct arena *arena, uint32_t record_bytes)
{
    CHECK(record_bytes >= sizeof(struct key_head) && record_bytes % 8 == 0);
    *table = (struct key_table){.arena = arena,
                                .record_bytes = record_bytes,
                                .with_room = KEY_NONE,
                                .given_back = KEY_NONE};
    table->now.cap = SLOTS_FIRST;
    table->now.slots = arena_calloc(arena, SLOTS_FIRST * sizeof(struct key_slot));
}

static void slots_free(struct key_table *table, struct key_slots *slots)
{
    arena_free(table->arena, slots->slots, slots->slots ? slots->cap * sizeof(*slots->slots) : 0);
    *slots = (struct key_slots){0};
}

static size_t chunk_bytes(const struct key_table *table)
{
    return (size_t)table->record_bytes << KEY_CHUNK_BITS;
}

static struct key_head *record_at(const struct key_table *table, uint32_t number)
{
    char *chunk = table->chunks[number >> KEY_CHUNK_BITS];

    return (struct key_head *)(chunk +
                               (size_t)(number & (CHUNK_RECORDS - 1)) * table->record_bytes);
}

struct slice key_head_key(const struct key_head *record)
{
    bool is_inline = record->key_len <= KEY_INLINE_BYTES;

    return (struct slice){is_inline ? record->inline_key : record->long_key, record->key_len};
}

static void key_free(struct key_table *table, struct key_head *record)
{
    if (record->key_len > KEY_INLINE_BYTES)
        arena_free(table->arena, record->long_key, record->key_len);
}

void key_table_done(struct key_table *table)
{
    for (uint32_t i = 0; i < table->record_count; i++) {
        if (table->chunks[i >> KEY_CHUNK_BITS])
            key_free(table, record_at(table, i));
    }
    for (uint32_t i = 0; i < table->chunk_count; i++)
        arena_free(table->arena, table->chunks[i], table->chunks[i] ? chunk_bytes(table) : 0);
    arena_free(table->arena, table->chunks, table->chunk_cap * sizeof(*table->chunks));
    arena_free(table->arena, table->rooms, table->chunk_cap * sizeof(*table->rooms));
    slots_free(table, &table->now);
    slots_free(table, &table->before);
    *table = (struct key_table){0};
}

struct key_head *key_table_at(const struct key_table *table, uint32_t number)
{
    if (!table->chunks[number >> KEY_CHUNK_BITS])
        return NULL;
    struct key_head *record = record_at(table, number);

    return record->key_len ? record : NULL;
}

uint32_t key_table_next(const struct key_table *table, uint32_t from)
{
    for (uint32_t number = from; number < table->record_count; number++) {
        if (!table->chunks[number >> KEY_CHUNK_BITS])
            number |= CHUNK_RECORDS - 1;
        else if (record_at(table, number)->key_len)
            return number;
    }
    return KEY_NONE;
}

static uint32_t tag_of(uint64_t hash)
{
    return (uint32_t)(hash >> 32);
}

static struct key_head *find_in(const struct key_table *table, const struct key_slots *slots,
                                uint64_t hash, struct slice key, uint32_t *ret_slot)
{
    uint32_t mask = slots->cap - 1;

    for (uint32_t slot = (uint32_t)hash & mask; slots->slots[slot].number;
         slot = (slot + 1) & mask) {
        if (slots->slots[slot].tag != tag_of(hash) || slots->slots[slot].number == REMOVED)
            continue;
        struct key_head *record = record_at(table, slots->slots[slot].number - 1);

        if (record->hash == hash && slice_equal(key_head_key(record), key)) {
            *ret_slot = slot;
            return record;
        }
    }
    return NULL;
}

struct key_head *key_table_find(struct key_table *table, uint64_t hash, struct slice key)
{
    uint32_t slot;
    struct key_head *record = find_in(table, &table->now, hash, key, &slot);

    if (!record && UNLIKELY(table->before.slots != NULL))
        record = find_in(table, &table->before, hash, key, &slot);
    return record;
}

static void slots_put(struct key_slots *slots, uint64_t hash, uint32_t number)
{
    uint32_t slot = (uint32_t)hash & (slots->cap - 1);

    while (slots->slots[slot].number)
        slot = (slot + 1) & (slots->cap - 1);
    slots->slots[slot] = (struct key_slot){.tag = tag_of(hash), .number = number + 1};
}

/* Moved slots stay where they are in `before`, or its probe sequences would break: a key found
 * there is the same record. */
static void slots_move(struct key_table *table, uint32_t count)
{
    for (; count > 0 && table->moved < table->before.cap; count--, table->moved++) {
        uint32_t number = table->before.slots[table->moved].number;

        if (number && number != REMOVED)
            slots_put(&table->now, record_at(table, number - 1)->hash, number - 1);
    }
    if (table->moved == table->before.cap)
        slots_free(table, &table->before);
}

static void slots_make_room(struct key_table *table)
{
    if (table->before.slots)
        slots_move(table, MOVE_SLOTS);
    if (table->live < table->now.cap / 4 * 3)
        return;
    slots_move(table, UINT32_MAX);
    table->before = table->now;
    table->moved = 0;
    table->now.cap *= 2;
    table->now.slots = arena_calloc(table->arena, table->now.cap * sizeof(*table->now.slots));
}

/* ---- chunks, and the lists of those with a free record and of those that were given back */

static void list_push(struct key_table *table, uint32_t *first, uint32_t chunk)
{
    struct key_room *room = &table->rooms[chunk];

    room->before = KEY_NONE;
    room->after = *first;
    if (*first != KEY_NONE)
        table->rooms[*first].before = chunk;
    *first = chunk;
}

static void list_remove(struct key_table *table, uint32_t *first, uint32_t chunk)
{
    const struct key_room *room = &table->rooms[chunk];

    if (room->before == KEY_NONE)
        *first = room->after;
    else
        table->rooms[room->before].after = room->after;
    if (room->after != KEY_NONE)
        table->rooms[room->after].before = room->before;
}

static void record_free(struct key_table *table, struct key_head *record)
{
    uint32_t number = record->number;
    uint32_t chunk = number >> KEY_CHUNK_BITS;
    struct key_room *room = &table->rooms[chunk];

    record->key_len = 0;
    record->number = room->free_head;
    if (room->free_head == KEY_NONE)
        list_push(table, &table->with_room, chunk);
    room->free_head = number;
    room->live--;
    if (room->live > 0 || chunk + 1 == table->chunk_count)
        return;
    list_remove(table, &table->with_room, chunk);
    list_push(table, &table->given_back, chunk);
    arena_free(table->arena, table->chunks[chunk], chunk_bytes(table));
    table->chunks[chunk] = NULL;
}

/* Gives a chunk its memory again, with all its records free. */
static void chunk_take_back(struct key_table *table, uint32_t chunk)
{
    struct key_room *room = &table->rooms[chunk];

    list_remove(table, &table->given_back, chunk);
    list_push(table, &table->with_room, chunk);
    table->chunks[chunk] = arena_alloc(table->arena, chunk_bytes(table));
    room->free_head = KEY_NONE;
    for (uint32_t i = CHUNK_RECORDS; i-- > 0;) {
        struct key_head *record = record_at(table, (chunk << KEY_CHUNK_BITS) + i);

        record->key_len = 0;
        record->number = room->free_head;
        room->free_head = (chunk << KEY_CHUNK_BITS) + i;
    }
}

static void chunk_add(struct key_table *table)
{
    if (table->chunk_count == table->chunk_cap) {
        uint32_t cap = table->chunk_cap ? table->chunk_cap * 2 : 16;

        table->chunks = arena_resize(table->arena, table->chunks,
                                     table->chunk_cap * sizeof(*table->chunks),
                                     cap * sizeof(*table->chunks));
        table->rooms = arena_resize(table->arena, table->rooms,
                                    table->chunk_cap * sizeof(*table->rooms),
                                    cap * sizeof(*table->rooms));
        table->chunk_cap = cap;
    }
    table->rooms[table->chunk_count] = (struct key_room){.free_head = KEY_NONE};
    table->chunks[table->chunk_count++] = arena_alloc(table->arena, chunk_bytes(table));
}

static uint32_t record_new(struct key_table *table)
{
    uint32_t number = table->record_count;

    if (table->with_room == KEY_NONE && table->given_back != KEY_NONE)
        chunk_take_back(table, table->given_back);
    if (table->with_room != KEY_NONE) {
        uint32_t chunk = table->with_room;
        struct key_room *room = &table->rooms[chunk];

        number = room->free_head;
        room->free_head = record_at(table, number)->number;
        if (room->free_head == KEY_NONE)
            list_remove(table, &table->with_room, chunk);
    } else {
        CHECK(number < KEY_NONE - 1);
        if (number == table->chunk_count << KEY_CHUNK_BITS)
            chunk_add(table);
        table->record_count++;
    }
    table->rooms[number >> KEY_CHUNK_BITS].live++;
    return number;
}

struct key_head *key_table_add(struct key_table *table, uint64_t hash, struct slice key)
{
    slots_make_room(table);

    uint32_t number = record_new(table);
    struct key_head *record = record_at(table, number);

    CHECK(key.len > 0 && key.len <= UINT32_MAX);
    memset(record, 0, table->record_bytes);
    record->hash = hash;
    record->number = number;
    record->key_len = (uint32_t)key.len;
    if (key.len <= KEY_INLINE_BYTES) {
        memcpy(record->inline_key, key.data, key.len);
    } else {
        record->long_key = arena_alloc(table->arena, key.len);
        memcpy(record->long_key, key.data, key.len);
    }
    slots_put(&table->now, hash, number);
    table->live++;
    return record;
}

/* Closes the gap by moving back what probing pushed behind it. */
static void slot_clear(struct key_table *table, struct key_slots *slots, uint32_t slot)
{
    uint32_t mask = slots->cap - 1;
    uint32_t next = slot;

    for (;;) {
        next = (next + 1) & mask;
        if (!slots->slots[next].number)
            break;
        uint32_t home = (uint32_t)record_at(table, slots->slots[next].number - 1)->hash & mask;

        if (((next - home) & mask) >= ((next - slot) & mask)) {
            slots->slots[slot] = slots->slots[next];
            slot = next;
        }
    }
    slots->slots[slot] = (struct key_slot){0};
}

void key_table_remove(struct key_table *table, struct key_head *record)
{
    struct slice key = key_head_key(record);
    uint32_t slot;

    if (table->before.slots && find_in(table, &table->before, record->hash, key, &slot))
        table->before.slots[slot].number = REMOVED;
    if (find_in(table, &table->now, record->hash, key, &slot))
        slot_clear(table, &table->now, slot);
    key_free(table, record);
    record_free(table, record);
    table->live--;
}

void key_table_prefetch_slot(const struct key_table *table, uint64_t hash)
{
    __builtin_prefetch(&table->now.slots[(uint32_t)hash & (table->now.cap - 1)]);
}

struct key_head *key_table_prefetch_record(const struct key_table *table, uint64_t hash)
{
    uint32_t mask = table->now.cap - 1;

    for (uint32_t slot = (uint32_t)hash & mask; table->now.slots[slot].number;
         slot = (slot + 1) & mask) {
        if (table->now.slots[slot].tag == tag_of(hash)) {
            struct key_head *record = record_at(table, table->now.slots[slot].number - 1);

            for (uint32_t at = 0; at < table->record_bytes; at += CACHE_LINE)
                __builtin_prefetch((char *)record + at);
            return record;
        }
    }
    return NULL;
}
