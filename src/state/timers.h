/* timers - when the keys of a table are to be looked at again: a calendar for each of the times in
 * a key's head.
 *
 *   due     by the clock: windows end
 *   amend   by ends of windows: some fire once more
 *   free    by what is released: no window may need the key any more
 *
 * A time is only ever set to an earlier one; the entry of the later one stays, stale. What goes
 * takes its entries along (timers_drop), so calendars are as large as the table, however often keys
 * come and go. Owned by one shard. */
#ifndef FRESHET_STATE_TIMERS_H
#define FRESHET_STATE_TIMERS_H

#include "state/calendar.h"
#include "state/key_table.h"

enum timer {
    TIMER_DUE,
    TIMER_AMEND,
    TIMER_FREE,
    TIMER_COUNT,
};

struct timers {
    const struct key_table *table;
    struct calendar calendars[TIMER_COUNT];
};

_Static_assert(sizeof(((struct key_head *)NULL)->times_ms) == TIMER_COUNT * sizeof(int64_t),
               "a time for each calendar");

void timers_init(struct timers *timers, const struct key_table *table, struct arena *arena);
void timers_done(struct timers *timers);

/* A new key: it is never to be looked at. */
static inline void timers_clear(struct key_head *key)
{
    key->due_ms = key->amend_ms = key->free_ms = CALENDAR_NEVER;
}

/* Looks at the key when the time comes, if it is not to be looked at before that. */
static inline void timer_set(struct timers *timers, enum timer timer, struct key_head *key,
                             int64_t time_ms)
{
    if (time_ms >= key->times_ms[timer])
        return;
    key->times_ms[timer] = time_ms;
    key->places[timer] = calendar_add(&timers->calendars[timer], time_ms, key->number);
}

static inline int64_t timer_next_ms(const struct timers *timers, enum timer timer)
{
    return calendar_next_ms(&timers->calendars[timer]);
}

/* Takes out the key's entries, before it goes. */
void timers_drop(struct timers *timers, struct key_head *key);

/* The next key whose time has come, with the time still set; NULL: there is none, or the budget is
 * used up. */
struct key_head *timer_take(struct timers *timers, enum timer timer, int64_t until_ms,
                            uint32_t *budget);

/* The record that is taken after `distance` others, to prefetch it and what belongs to it; it may
 * be a free one. NULL: not known. */
static inline struct key_head *timer_ahead(const struct timers *timers, enum timer timer,
                                           uint32_t distance)
{
    uint32_t number = calendar_ahead(&timers->calendars[timer], distance);

    return number == CALENDAR_NONE ? NULL : key_table_place(timers->table, number);
}

#endif
