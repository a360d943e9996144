#include "state/calendar.h"

#include "base/check.h"
#include "base/hash.h"

#define SLOTS_FIRST 32
#define HEAP_FIRST  16
#define ITEMS_FIRST 4

void calendar_init(struct calendar *calendar, struct arena *arena)
{
    *calendar = (struct calendar){.arena = arena, .heap_cap = HEAP_FIRST, .slot_cap = SLOTS_FIRST};
    calendar->heap = arena_alloc(arena, HEAP_FIRST * sizeof(struct calendar_bucket *));
    calendar->slots = arena_calloc(arena, SLOTS_FIRST * sizeof(struct calendar_bucket *));
}

static void bucket_free(struct calendar *calendar, struct calendar_bucket *bucket)
{
    arena_free(calendar->arena, bucket->items, bucket->cap * sizeof(*bucket->items));
    arena_free(calendar->arena, bucket, sizeof(*bucket));
}

void calendar_done(struct calendar *calendar)
{
    for (uint32_t i = 0; i < calendar->heap_len; i++)
        bucket_free(calendar, calendar->heap[i]);
    arena_free(calendar->arena, calendar->heap,
               calendar->heap_cap * sizeof(struct calendar_bucket *));
    arena_free(calendar->arena, calendar->slots,
               calendar->slot_cap * sizeof(struct calendar_bucket *));
    *calendar = (struct calendar){0};
}

static uint32_t home_of(const struct calendar *calendar, int64_t time_ms)
{
    return (uint32_t)hash64_int((uint64_t)time_ms) & (calendar->slot_cap - 1);
}

/* The slot of the bucket for the time, or the empty one where it would go. */
static uint32_t slot_of(const struct calendar *calendar, int64_t time_ms)
{
    uint32_t slot = home_of(calendar, time_ms);

    while (calendar->slots[slot] && calendar->slots[slot]->time_ms != time_ms)
        slot = (slot + 1) & (calendar->slot_cap - 1);
    return slot;
}

static void slots_grow(struct calendar *calendar)
{
    size_t old_bytes = calendar->slot_cap * sizeof(struct calendar_bucket *);

    arena_free(calendar->arena, calendar->slots, old_bytes);
    calendar->slot_cap *= 2;
    calendar->slots = arena_calloc(calendar->arena, old_bytes * 2);
    for (uint32_t i = 0; i < calendar->heap_len; i++)
        calendar->slots[slot_of(calendar, calendar->heap[i]->time_ms)] = calendar->heap[i];
}

static void slot_clear(struct calendar *calendar, uint32_t slot)
{
    uint32_t mask = calendar->slot_cap - 1;
    uint32_t next = slot;

    for (;;) {
        next = (next + 1) & mask;
        if (!calendar->slots[next])
            break;
        uint32_t home = home_of(calendar, calendar->slots[next]->time_ms);

        if (((next - home) & mask) >= ((next - slot) & mask)) {
            calendar->slots[slot] = calendar->slots[next];
            slot = next;
        }
    }
    calendar->slots[slot] = NULL;
}

static void heap_push(struct calendar *calendar, struct calendar_bucket *bucket)
{
    if (calendar->heap_len == calendar->heap_cap) {
        size_t old_bytes = calendar->heap_cap * sizeof(struct calendar_bucket *);

        calendar->heap = arena_resize(calendar->arena, calendar->heap, old_bytes, old_bytes * 2);
        calendar->heap_cap *= 2;
    }

    uint32_t at = calendar->heap_len++;
    for (; at > 0; at = (at - 1) / 2) {
        struct calendar_bucket *parent = calendar->heap[(at - 1) / 2];

        if (parent->time_ms <= bucket->time_ms)
            break;
        calendar->heap[at] = parent;
    }
    calendar->heap[at] = bucket;
}

static void heap_pop(struct calendar *calendar)
{
    struct calendar_bucket *moving = calendar->heap[--calendar->heap_len];
    uint32_t len = calendar->heap_len;
    uint32_t at = 0;

    for (;;) {
        uint32_t child = at * 2 + 1;

        if (child >= len)
            break;
        if (child + 1 < len && calendar->heap[child + 1]->time_ms < calendar->heap[child]->time_ms)
            child++;
        if (moving->time_ms <= calendar->heap[child]->time_ms)
            break;
        calendar->heap[at] = calendar->heap[child];
        at = child;
    }
    calendar->heap[at] = moving;
}

static struct calendar_bucket *bucket_for(struct calendar *calendar, int64_t time_ms)
{
    uint32_t slot = slot_of(calendar, time_ms);

    if (calendar->slots[slot])
        return calendar->slots[slot];

    struct calendar_bucket *bucket = arena_calloc(calendar->arena, sizeof(*bucket));
    bucket->time_ms = time_ms;
    bucket->cap = ITEMS_FIRST;
    bucket->items = arena_alloc(calendar->arena, ITEMS_FIRST * sizeof(*bucket->items));
    calendar->slots[slot] = bucket;
    heap_push(calendar, bucket);
    if (calendar->heap_len > calendar->slot_cap / 2)
        slots_grow(calendar);
    return bucket;
}

uint32_t calendar_add(struct calendar *calendar, int64_t time_ms, uint32_t item)
{
    CHECK(time_ms < CALENDAR_NEVER);
    if (!calendar->last || calendar->last->time_ms != time_ms)
        calendar->last = bucket_for(calendar, time_ms);

    struct calendar_bucket *bucket = calendar->last;
    if (bucket->len == bucket->cap) {
        size_t old_bytes = bucket->cap * sizeof(*bucket->items);

        bucket->items = arena_resize(calendar->arena, bucket->items, old_bytes, old_bytes * 2);
        bucket->cap *= 2;
    }
    bucket->items[bucket->len] = item;
    return bucket->len++;
}

uint32_t calendar_remove(struct calendar *calendar, int64_t time_ms, uint32_t place, uint32_t item,
                         uint32_t *ret_from)
{
    struct calendar_bucket *bucket = calendar->slots[slot_of(calendar, time_ms)];

    if (!bucket || place < bucket->taken || place >= bucket->len || bucket->items[place] != item)
        return CALENDAR_NONE;
    uint32_t last = --bucket->len; /* an empty bucket goes when its time comes */

    if (place == last)
        return CALENDAR_NONE;
    bucket->items[place] = bucket->items[last];
    *ret_from = last;
    return bucket->items[place];
}

static bool is_spent(const struct calendar_bucket *bucket)
{
    return bucket->taken == bucket->len;
}

static void bucket_remove_first(struct calendar *calendar)
{
    struct calendar_bucket *bucket = calendar->heap[0];

    slot_clear(calendar, slot_of(calendar, bucket->time_ms));
    heap_pop(calendar);
    if (calendar->last == bucket)
        calendar->last = NULL;
    bucket_free(calendar, bucket);
}

bool calendar_take(struct calendar *calendar, int64_t until_ms, int64_t *ret_time_ms,
                   uint32_t *ret_item)
{
    while (calendar_next_ms(calendar) <= until_ms && is_spent(calendar->heap[0]))
        bucket_remove_first(calendar);
    if (calendar_next_ms(calendar) > until_ms)
        return false;

    struct calendar_bucket *bucket = calendar->heap[0];

    *ret_time_ms = bucket->time_ms;
    *ret_item = bucket->items[bucket->taken++];
    while (calendar->heap_len > 0 && is_spent(calendar->heap[0]))
        bucket_remove_first(calendar);
    return true;
}
