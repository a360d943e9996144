/* Timers of keys that come and go, against a list of what each key waits for. */
#include "../support/testing.h"

#include "base/hash.h"
#include "state/timers.h"

#define KEYS 300

struct waiting {
    char name[24];
    struct key_head *head; /* NULL: not in the table */
    int64_t times_ms[TIMER_COUNT];
};

static struct waiting keys[KEYS];
static struct key_table table;
static struct timers timers;

static struct slice name_of(const struct waiting *key)
{
    return slice_of(key->name);
}

static void come(struct waiting *key)
{
    key->head = key_table_add(&table, hash64(name_of(key)), name_of(key));
    timers_clear(key->head);
    for (int i = 0; i < TIMER_COUNT; i++)
        key->times_ms[i] = CALENDAR_NEVER;
}

static void go(struct waiting *key)
{
    timers_drop(&timers, key->head);
    key_table_remove(&table, key->head);
    key->head = NULL;
}

static void set(struct waiting *key, enum timer timer, int64_t time_ms)
{
    timer_set(&timers, timer, key->head, time_ms);
    key->times_ms[timer] = MIN(key->times_ms[timer], time_ms);
}

static struct waiting *key_of(const struct key_head *head)
{
    for (int i = 0; i < KEYS; i++) {
        if (keys[i].head == head)
            return &keys[i];
    }
    fail_msg("a key that is not there");
    return NULL;
}

/* All whose time has come, each once. */
static void take_all(enum timer timer, int64_t until_ms)
{
    struct key_head *head;
    uint32_t budget = UINT32_MAX;
    int64_t before_ms = INT64_MIN;

    while ((head = timer_take(&timers, timer, until_ms, &budget))) {
        struct waiting *key = key_of(head);

        ENSURE_INT(head->times_ms[timer], key->times_ms[timer]);
        ENSURE(key->times_ms[timer] <= until_ms && key->times_ms[timer] >= before_ms);
        before_ms = key->times_ms[timer];
        if (random_chance(30)) {
            go(key);
            continue;
        }
        head->times_ms[timer] = key->times_ms[timer] = CALENDAR_NEVER;
        if (random_chance(50))
            set(key, timer, until_ms + 1 + (int64_t)random_below(5) * 10);
    }
    for (int i = 0; i < KEYS; i++)
        ENSURE(!keys[i].head || keys[i].times_ms[timer] > until_ms);
    ENSURE(timer_next_ms(&timers, timer) > until_ms);
}

static size_t entries(const struct calendar *calendar)
{
    size_t sum = 0;

    for (uint32_t i = 0; i < calendar->heap_len; i++)
        sum += calendar->heap[i]->len - calendar->heap[i]->taken;
    return sum;
}

static void keys_are_taken_when_their_times_come(void **state)
{
    (void)state;
    for (FIRST_SEED; MORE_SEEDS(60); NEXT_SEED) {
        struct arena arena;
        int64_t now_ms = 0;

        arena_init(&arena);
        key_table_init(&table, &arena, sizeof(struct key_head));
        timers_init(&timers, &table, &arena);
        for (int i = 0; i < KEYS; i++) {
            snprintf(keys[i].name, sizeof(keys[i].name), "key %d", i);
            keys[i].head = NULL;
        }
        for (int step = 0; step < 3000; step++) {
            struct waiting *key = &keys[random_below(KEYS)];
            enum timer timer = (enum timer)random_below(TIMER_COUNT);

            if (!key->head)
                come(key);
            else if (random_chance(30))
                go(key);
            else
                set(key, timer, now_ms + 1 + (int64_t)random_below(6) * 10);
            if (random_chance(2)) {
                now_ms += (int64_t)random_below(30);
                take_all(timer, now_ms);
            }
        }
        timers_done(&timers);
        key_table_done(&table);
        ENSURE_INT(arena_used_bytes(&arena), 0);
        arena_done(&arena);
    }
}

/* Keys that come and go for ever leave nothing behind in calendars of times that never come. */
static void calendars_do_not_grow_with_coming_and_going(void **state)
{
    struct arena arena;

    (void)state;
    random_begin(1);
    arena_init(&arena);
    key_table_init(&table, &arena, sizeof(struct key_head));
    timers_init(&timers, &table, &arena);
    for (int i = 0; i < KEYS; i++) {
        snprintf(keys[i].name, sizeof(keys[i].name), "key %d", i);
        keys[i].head = NULL;
    }
    for (int step = 0; step < 100000; step++) {
        struct waiting *key = &keys[random_below(KEYS)];

        if (key->head) {
            go(key);
            continue;
        }
        come(key);
        for (int i = 0; i < TIMER_COUNT; i++)
            set(key, (enum timer)i, 1000 + (int64_t)random_below(3));
    }
    for (int i = 0; i < TIMER_COUNT; i++)
        assert_int_equal(entries(&timers.calendars[i]), table.live);
    timers_done(&timers);
    key_table_done(&table);
    arena_done(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_taken_when_their_times_come),
        cmocka_unit_test(calendars_do_not_grow_with_coming_and_going),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
