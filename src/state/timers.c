#include "state/timers.h"

#include "base/check.h"

void timers_init(struct timers *timers, const struct key_table *table, struct arena *arena)
{
    timers->table = table;
    for (int i = 0; i < TIMER_COUNT; i++)
        calendar_init(&timers->calendars[i], arena);
}

void timers_done(struct timers *timers)
{
    for (int i = 0; i < TIMER_COUNT; i++)
        calendar_done(&timers->calendars[i]);
}

static void drop(struct timers *timers, enum timer timer, struct key_head *key)
{
    int64_t time_ms = key->times_ms[timer];
    uint32_t place = key->places[timer];
    uint32_t from;

    if (time_ms == CALENDAR_NEVER)
        return;
    key->times_ms[timer] = CALENDAR_NEVER;
    uint32_t number = calendar_remove(&timers->calendars[timer], time_ms, place, key->number,
                                      &from);
    struct key_head *moved = number == CALENDAR_NONE ? NULL : key_table_at(timers->table, number);

    if (moved && moved->times_ms[timer] == time_ms && moved->places[timer] == from)
        moved->places[timer] = place;
}

void timers_drop(struct timers *timers, struct key_head *key)
{
    for (int i = 0; i < TIMER_COUNT; i++)
        drop(timers, (enum timer)i, key);
}

struct key_head *timer_take(struct timers *timers, enum timer timer, int64_t until_ms,
                            uint32_t *budget)
{
    int64_t time_ms;
    uint32_t number;

    while (*budget > 0 && calendar_take(&timers->calendars[timer], until_ms, &time_ms, &number)) {
        struct key_head *key = key_table_at(timers->table, number);

        --*budget;
        if (key && key->times_ms[timer] == time_ms)
            return key;
    }
    return NULL;
}
