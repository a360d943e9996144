/* The calendar against a plain list of entries. */
#include "../support/testing.h"

#include "base/hash.h"
#include "state/calendar.h"

#define ENTRIES_MAX 4000

struct known_entry {
    int64_t time_ms;
    uint32_t item;
};

/* All entries that are in the calendar, in the order in which they came. */
static struct known_entry entries[ENTRIES_MAX];
static size_t count;

static void add(struct calendar *calendar, int64_t time_ms, uint32_t item)
{
    calendar_add(calendar, time_ms, item);
    entries[count++] = (struct known_entry){time_ms, item};
}

static int64_t earliest(void)
{
    int64_t least = CALENDAR_NEVER;

    for (size_t i = 0; i < count; i++)
        least = MIN(least, entries[i].time_ms);
    return least;
}

static bool is_known(int64_t time_ms, uint32_t item)
{
    for (size_t i = 0; i < count; i++) {
        if (entries[i].time_ms == time_ms && entries[i].item == item)
            return true;
    }
    return false;
}

static void forget(int64_t time_ms, uint32_t item)
{
    size_t at = 0;

    while (entries[at].time_ms != time_ms || entries[at].item != item)
        at++;
    memmove(&entries[at], &entries[at + 1], (--count - at) * sizeof(entries[0]));
}

/* Takes one entry; false if none is due. */
static bool take(struct calendar *calendar, int64_t until_ms)
{
    int64_t wanted = earliest();
    int64_t time_ms = 77;
    uint32_t item = 77;
    uint32_t distance = (uint32_t)random_below(4);
    uint32_t ahead = calendar_ahead(calendar, distance);
    bool taken = calendar_take(calendar, until_ms, &time_ms, &item);

    ENSURE(taken == (wanted <= until_ms));
    if (!taken)
        return false;
    ENSURE_INT(time_ms, wanted);
    ENSURE(is_known(time_ms, item));
    ENSURE(ahead == CALENDAR_NONE ? distance > 0 : is_known(time_ms, ahead));
    if (distance == 0)
        ENSURE_INT(ahead, item);
    forget(time_ms, item);
    ENSURE_INT(calendar_next_ms(calendar), earliest());
    return true;
}

static int64_t random_time(int64_t now_ms)
{
    return random_chance(70)   ? now_ms + random_between(-3, 20) * 10
           : random_chance(50) ? now_ms + (int64_t)random_below(1000)
           : random_chance(90) ? random_between(-1000, 100000)
                               : random_between(INT64_MIN, CALENDAR_NEVER - 2);
}

static void entries_come_out_in_the_order_of_time(void **state)
{
    (void)state;
    for (FIRST_SEED; MORE_SEEDS(60); NEXT_SEED) {
        struct calendar calendar;
        struct arena arena;
        int64_t now_ms = 0;

        arena_init(&arena);
        calendar_init(&calendar, &arena);
        count = 0;
        ENSURE(!take(&calendar, CALENDAR_NEVER - 1));
        for (int round = 0; round < 20; round++) {
            for (uint64_t adds = random_below(60); adds > 0 && count < ENTRIES_MAX; adds--)
                add(&calendar, random_time(now_ms), (uint32_t)random_below(50));
            now_ms += (int64_t)random_below(100);
            /* Draining, others are added, at any time. */
            for (uint64_t takes = random_below(80); takes > 0; takes--) {
                if (!take(&calendar, now_ms))
                    break;
                if (random_chance(30) && count < ENTRIES_MAX)
                    add(&calendar, random_time(now_ms), (uint32_t)random_below(50));
            }
        }
        while (random_chance(99) && take(&calendar, CALENDAR_NEVER - 1))
            ;
        calendar_done(&calendar); /* with or without entries in it */
        ENSURE_INT(arena_used_bytes(&arena), 0);
        arena_done(&arena);
    }
}

static void many_entries_at_one_time_come_out_each_once(void **state)
{
    struct calendar calendar;
    struct arena arena;

    (void)state;
    arena_init(&arena);
    calendar_init(&calendar, &arena);
    count = 0;
    for (uint32_t i = 0; i < 500; i++)
        add(&calendar, 1000, i);
    assert_int_equal(calendar_next_ms(&calendar), 1000);
    assert_false(take(&calendar, 999));
    for (uint32_t i = 0; i < 250; i++)
        assert_true(take(&calendar, 1000));
    for (uint32_t i = 500; i < 600; i++) /* into the bucket that is being emptied */
        add(&calendar, 1000, i);
    add(&calendar, 990, 7);
    while (take(&calendar, 1000))
        ;
    assert_int_equal(count, 0);
    add(&calendar, 1000, 1); /* the same time again */
    assert_true(take(&calendar, 1000));
    assert_true(calendar_next_ms(&calendar) == CALENDAR_NEVER);
    calendar_done(&calendar);
    arena_done(&arena);
}

static uint32_t different_times(void)
{
    uint32_t different = 0;

    for (size_t i = 0; i < count; i++) {
        size_t before = 0;

        while (entries[before].time_ms != entries[i].time_ms)
            before++;
        different += before == i;
    }
    return different;
}

/* Times whose places are the last slots and the first one: a gap is closed across the end, too, or
 * the bucket behind it would be lost, and a second one made for its time. */
static void a_time_has_one_bucket_wherever_it_stands(void **state)
{
    (void)state;
    for (FIRST_SEED; MORE_SEEDS(200); NEXT_SEED) {
        struct calendar calendar;
        struct arena arena;
        int64_t times[8];
        int64_t next_ms = (int64_t)random_below(100000);

        arena_init(&arena);
        calendar_init(&calendar, &arena);
        count = 0;
        for (size_t i = 0; i < ARRAY_LEN(times); next_ms++) {
            if (((hash64_int((uint64_t)next_ms) + 2) & (calendar.slot_cap - 1)) < 3)
                times[i++] = next_ms;
        }
        for (int step = 0; step < 200; step++) {
            if (random_chance(55))
                add(&calendar, times[random_below(ARRAY_LEN(times))], (uint32_t)step);
            else
                take(&calendar, CALENDAR_NEVER - 1);
            ENSURE_INT(calendar.heap_len, different_times());
        }
        calendar_done(&calendar);
        ENSURE_INT(arena_used_bytes(&arena), 0);
        arena_done(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_come_out_in_the_order_of_time),
        cmocka_unit_test(a_time_has_one_bucket_wherever_it_stands),
        cmocka_unit_test(many_entries_at_one_time_come_out_each_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
