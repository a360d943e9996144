/* calendar - which keys are to be looked at when time has come to a point.
 *
 *   heap of times   10:00 10:01 10:05          (few: mostly slide boundaries)
 *                     │     │     │
 *   buckets         [3 7]  [1]  [2 9 4 …]      numbers of keys
 *
 * An entry is not taken out when its key gets another time: whoever is handed an entry compares its
 * time with the key's own and passes over the stale ones. One that goes for good, with its key, can
 * be taken out by its place: the last one of its bucket takes that. Owned by one shard. */
#ifndef FRESHET_STATE_CALENDAR_H
#define FRESHET_STATE_CALENDAR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"

#define CALENDAR_NEVER INT64_MAX
#define CALENDAR_NONE  UINT32_MAX

struct calendar_bucket {
    int64_t time_ms;
    uint32_t *items;
    uint32_t len;
    uint32_t cap;
    uint32_t taken; /* items[0 .. taken) were handed out */
};

struct calendar {
    struct arena *arena;
    struct calendar_bucket **heap; /* earliest first */
    uint32_t heap_len;
    uint32_t heap_cap;
    struct calendar_bucket **slots; /* by time; open addressing */
    uint32_t slot_cap;              /* power of two */
    struct calendar_bucket *last;   /* added to last, or NULL */
};

void calendar_init(struct calendar *calendar, struct arena *arena);
void calendar_done(struct calendar *calendar);

/* Returns the entry's place, as long as it is not moved. */
uint32_t calendar_add(struct calendar *calendar, int64_t time_ms, uint32_t item);

/* Takes out the item's entry at the place, if it is still there. Returns the item that is there
 * instead, which was at *ret_from; or CALENDAR_NONE. */
uint32_t calendar_remove(struct calendar *calendar, int64_t time_ms, uint32_t place, uint32_t item,
                         uint32_t *ret_from);

/* The earliest time with an entry, or CALENDAR_NEVER. (Of an earlier time all may have been taken
 * out.) */
static inline int64_t calendar_next_ms(const struct calendar *calendar)
{
    return calendar->heap_len ? calendar->heap[0]->time_ms : CALENDAR_NEVER;
}

/* Takes out one entry whose time is at or before `until_ms`, earliest first; false if there is
 * none. */
bool calendar_take(struct calendar *calendar, int64_t until_ms, int64_t *ret_time_ms,
                   uint32_t *ret_item);

/* The item that is taken out after `distance` others of its time, to prefetch what belongs to it;
 * CALENDAR_NONE: there are not so many. */
static inline uint32_t calendar_ahead(const struct calendar *calendar, uint32_t distance)
{
    const struct calendar_bucket *first = calendar->heap_len ? calendar->heap[0] : NULL;

    return first && first->taken + distance < first->len ? first->items[first->taken + distance]
                                                         : CALENDAR_NONE;
}

#endif
