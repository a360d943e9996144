/* Cold keys: their state is in the store alone, and comes back when an event or a time asks for it.
 *
 *   key table   ── evict: the store has the key as it is ──▶  cold table: a head for each
 *   records     ◀── load: fetched together for a batch ────   with its times
 *
 * A key is in one of the two tables. What the store has of a cold key is its state: only keys that
 * have not changed since they were written are evicted, and nothing of a cold key changes. Its
 * times are as they were, in calendars of their own, so an unknown key is known to be unknown, and
 * it is known when a cold one fires, without asking the store.
 *
 * Which keys go: a clock's hand goes round the key table. One that had an event since the hand came
 * by is passed over; one that has changed is written, and goes when the store has it; others go. */

#include "base/hash.h"
#include "state/entries.h"
#include "view/internal.h"

#define WRITTEN_MAX 4096 /* keys that wait for the store to have them */

void cold_init(struct keyspace *keyspace)
{
    struct cold *cold = &keyspace->cold;

    key_table_init(&cold->table, keyspace->arena, sizeof(struct key_head));
    timers_init(&cold->timers, &cold->table, keyspace->arena);
}

void cold_done(struct keyspace *keyspace)
{
    struct cold *cold = &keyspace->cold;

    key_table_done(&cold->table);
    timers_done(&cold->timers);
    plan_memory_free(cold->memory);
    arena_free(keyspace->arena, cold->written,
               cold->written ? WRITTEN_MAX * sizeof(*cold->written) : 0);
    buf_free(&cold->keys);
}

/* ---- eviction */

static void cold_begin(struct keyspace *keyspace)
{
    struct cold *cold = &keyspace->cold;

    CHECK(keyspace->output.fetch);
    cold->memory = plan_memory_create();
    layout_of_plan(keyspace->plan, (uint32_t)(keyspace->source - keyspace->plan->sources),
                   cold->memory, &cold->layout);
    cold->written = arena_alloc(keyspace->arena, WRITTEN_MAX * sizeof(*cold->written));
}

/* When a key can go for which nothing is due, and that has no event until then. */
static int64_t idle_until_ms(struct keyspace *keyspace, struct key_head *key)
{
    int64_t until_ms = key->newest_ms + keyspace->plan->state.ttl_ms;
    struct panes none;

    panes_init(&none);
    for (uint32_t i = 0; i < keyspace->source->paneset_count; i++) {
        const struct panes *panes = key_panes(keyspace, key, i);

        until_ms = MAX(until_ms, paneset_needed_until_ms(keyspace, key, i, &none));
        if (panes->count > 0)
            until_ms = MAX(until_ms, paneset_needed_until_ms(keyspace, key, i, panes));
    }
    return until_ms;
}

static void evict(struct keyspace *keyspace, struct key_head *key)
{
    struct cold *cold = &keyspace->cold;
    struct key_head *head = key_table_add(&cold->table, key->hash, key_head_key(key));

    CHECK(key->is_stored);
    timers_clear(head);
    head->is_finished = key->is_finished;
    if (key->due_ms == CALENDAR_NEVER && key->amend_ms == CALENDAR_NEVER)
        timer_set(&cold->timers, TIMER_FREE, head, idle_until_ms(keyspace, key));
    timer_set(&cold->timers, TIMER_DUE, head, key->due_ms);
    timer_set(&cold->timers, TIMER_AMEND, head, key->amend_ms);
    timers_drop(&keyspace->timers, key);
    key_remove(keyspace, key);
    counter_add(keyspace->output.evicted, 1);
}

static bool may_go(const struct keyspace *keyspace, const struct key_head *key)
{
    return !key->is_touched && !key->is_waiting && !capture_is_changed(keyspace, key) &&
           !capture_is_pending(keyspace, key);
}

/* The store has them now. */
static void evict_written(struct keyspace *keyspace)
{
    struct cold *cold = &keyspace->cold;

    for (uint32_t i = 0; i < cold->written_count; i++) {
        struct key_head *key = key_table_at(&keyspace->table, cold->written[i]);

        if (!key || !key->is_waiting)
            continue;
        key->is_waiting = false;
        if (may_go(keyspace, key))
            evict(keyspace, key);
    }
    cold->written_count = 0;
}

/* The hand has come to the key. */
static void consider(struct keyspace *keyspace, struct key_head *key, bool may_write)
{
    struct cold *cold = &keyspace->cold;

    if (key->is_touched) {
        key->is_touched = false;
    } else if (may_go(keyspace, key)) {
        evict(keyspace, key);
    } else if (may_write && !key->is_waiting && capture_is_changed(keyspace, key)) {
        capture_write(keyspace, key);
        key->is_waiting = true;
        cold->written[cold->written_count++] = key->number;
    }
}

bool keyspace_evict(struct keyspace *keyspace, uint32_t budget, bool may_write)
{
    struct cold *cold = &keyspace->cold;

    if (!cold->memory)
        cold_begin(keyspace);
    if (keyspace->capture.captured.len == 0)
        evict_written(keyspace);
    for (; budget > 0 && cold->written_count < WRITTEN_MAX; budget--) {
        uint32_t number = key_table_next(&keyspace->table, cold->hand);

        if (number == KEY_NONE) {
            cold->hand = 0;
            return true;
        }
        cold->hand = number + 1;
        consider(keyspace, key_table_at(&keyspace->table, number), may_write);
    }
    return cold->written_count == WRITTEN_MAX;
}

/* ---- loading */

struct loading {
    struct keyspace *keyspace;
    struct key_head *
        *heads; /* of the cold table; each becomes the key's record when it is loaded */
};

static void cold_remove(struct keyspace *keyspace, struct key_head *head)
{
    timers_drop(&keyspace->cold.timers, head);
    key_table_remove(&keyspace->cold.table, head);
}

/* The key takes up its life where it left it. */
static void resume(struct keyspace *keyspace, struct key_head *key, const struct key_head *head)
{
    capture_loaded(keyspace, key, false);
    due_at(keyspace, key, head->due_ms);
    amend_at(keyspace, key, head->amend_ms);
    if (key->due_ms == CALENDAR_NEVER)
        free_at(keyspace, key, key_needed_until_ms(keyspace, key));
    key->is_finished = head->is_finished;
    if (!key->is_finished)
        keyspace->finish_next = MIN(keyspace->finish_next, key->number);
}

static bool take(void *context, uint32_t number, struct slice value)
{
    struct loading *loading = context;
    struct keyspace *keyspace = loading->keyspace;
    struct key_head *head = loading->heads[number];
    struct key_head *key;

    if (!value.data ||
        key_load(keyspace, &keyspace->cold.layout, true, key_head_key(head), value, &key))
        return false;
    resume(keyspace, key, head);
    cold_remove(keyspace, head);
    loading->heads[number] = key;
    counter_add(keyspace->output.loaded, 1);
    return true;
}

/* Replaces heads of the cold table by the keys' records. False: the store did not give them all. */
static bool load(struct keyspace *keyspace, struct key_head **heads, uint32_t count)
{
    struct cold *cold = &keyspace->cold;
    struct loading loading = {.keyspace = keyspace, .heads = heads};
    struct slice keys[COLD_LOAD_MAX];
    struct slice value;

    if (count == 0 || cold->has_failed)
        return !cold->has_failed;
    buf_reset(&cold->keys);
    for (uint32_t i = 0; i < count; i++) {
        size_t place = entry_begin(&cold->keys, capture_group(keyspace, heads[i]->hash), ENTRY_KEY);

        buf_append_slice(&cold->keys, key_head_key(heads[i]));
        entry_end_deleted(&cold->keys, place);
    }
    struct slice from = buf_slice(&cold->keys);

    for (uint32_t i = 0; i < count; i++)
        CHECK(entry_next(&from, &keys[i], &value) == 0);
    if (!keyspace->output.fetch(keyspace->output.context, keys, count, take, &loading))
        cold->has_failed = true;
    return !cold->has_failed;
}

bool cold_load_for(struct keyspace *keyspace, const struct event *const *events, uint32_t count)
{
    struct cold *cold = &keyspace->cold;
    struct key_head *heads[COLD_LOAD_MAX];
    const struct event *unknown[COLD_LOAD_MAX];
    uint32_t unknown_count = 0;
    uint32_t head_count = 0;

    CHECK(count <= COLD_LOAD_MAX);
    for (uint32_t i = 0; i < count; i++) {
        if (key_table_find(&keyspace->table, events[i]->key_hash, events[i]->key))
            continue;
        unknown[unknown_count++] = events[i];
        key_table_prefetch_slot(&cold->table, events[i]->key_hash);
    }
    for (uint32_t i = 0; i < unknown_count; i++)
        key_table_prefetch_record(&cold->table, unknown[i]->key_hash);
    for (uint32_t i = 0; i < unknown_count; i++) {
        struct key_head *head = key_table_find(&cold->table, unknown[i]->key_hash, unknown[i]->key);

        if (!head || head->is_touched)
            continue;
        head->is_touched = true; /* it is in the list */
        heads[head_count++] = head;
    }
    return load(keyspace, heads, head_count);
}

static void wake(struct keyspace *keyspace, enum timer timer, int64_t until_ms, uint32_t *budget)
{
    struct key_head *heads[COLD_LOAD_MAX];
    uint32_t count;

    do {
        struct key_head *head;

        for (count = 0; count < COLD_LOAD_MAX &&
                        (head = timer_take(&keyspace->cold.timers, timer, until_ms, budget));)
            heads[count++] = head;
    } while (load(keyspace, heads, count) && count == COLD_LOAD_MAX);
}

void cold_wake(struct keyspace *keyspace, uint32_t *budget)
{
    struct key_head *head;

    wake(keyspace, TIMER_DUE, keyspace->clock_ms, budget);
    wake(keyspace, TIMER_AMEND, amendable_ms(keyspace, keyspace->watermark_ms), budget);
    while ((head = timer_take(&keyspace->cold.timers, TIMER_FREE, keyspace->release_ms, budget))) {
        capture_deleted(keyspace, head);
        cold_remove(keyspace, head);
    }
}

bool cold_is_due(const struct keyspace *keyspace)
{
    const struct timers *timers = &keyspace->cold.timers;

    return timer_next_ms(timers, TIMER_DUE) <= keyspace->clock_ms ||
           timer_next_ms(timers, TIMER_AMEND) <= amendable_ms(keyspace, keyspace->watermark_ms) ||
           timer_next_ms(timers, TIMER_FREE) <= keyspace->release_ms;
}

uint32_t cold_load_to_finish(struct keyspace *keyspace, struct key_head **keys, uint32_t max)
{
    struct cold *cold = &keyspace->cold;
    uint32_t count = 0;

    for (; count < max && cold->finish_next < cold->table.record_count; cold->finish_next++) {
        struct key_head *head = key_table_at(&cold->table, cold->finish_next);

        if (head && !head->is_finished &&
            (head->due_ms != CALENDAR_NEVER || head->amend_ms != CALENDAR_NEVER))
            keys[count++] = head;
    }
    return load(keyspace, keys, count) ? count : 0;
}

bool keyspace_has_failed(const struct keyspace *keyspace)
{
    return keyspace->cold.has_failed;
}

uint64_t keyspace_cold_keys(const struct keyspace *keyspace)
{
    return keyspace->cold.table.live;
}
