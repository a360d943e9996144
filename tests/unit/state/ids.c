/* Event ids against a list of all that was accepted: an event is a duplicate if its key and id were
 * accepted at most `within` away and not forgotten; without the field it never is. */
#include "../support/plan_text.h"

#include "base/hash.h"
#include "state/entries.h"
#include "state/ids.h"

#define EVENTS 600

static const char file[] =
    "pipeline: p\n"
    "kafka: {}\n"
    "sources:\n"
    "  s:\n"
    "    topic: t\n"
    "    entity: user\n"
    "    time: {field: ts}\n"
    "    dedup: {field: %s, within: %dms}\n"
    "    fields:\n"
    "      user: string\n"
    "      id: {type: string, optional: true}\n"
    "      n: {type: int64, optional: true}\n"
    "views:\n"
    "  v: {source: s, window: {tumbling: 1h}, features: {x: {count: true}}}\n";

struct seen {
    uint64_t key;
    int id;
    int64_t time_ms;
};

static struct seen accepted[EVENTS];
static size_t accepted_count;

/* What was captured of the ids, and what of it was deleted. */
static struct buf chunks;
static struct buf deleted;
static uint64_t checkpoints;
static bool has_new_store; /* what the old one had is deleted as well */

static bool has_key(struct slice entries, struct slice key)
{
    struct slice other, value;

    while (entries.len > 0) {
        ENSURE_INT(entry_next(&entries, &other, &value), 0);
        if (slice_equal(other, key))
            return true;
    }
    return false;
}

/* Takes the ids to a new place by what is stored of them; or, if that is `is_changed`, to a new
 * store as well. */
static struct ids *moved(struct ids *ids, const struct plan_source *source, int64_t lag_ms,
                         struct arena *arena)
{
    bool is_changed = random_chance(30);
    struct ids *copy = ids_create(source, PLAN_NONE, lag_ms, arena);
    struct slice key, value, rest;
    uint32_t group;
    char kind;

    for (struct slice from = buf_slice(&chunks); from.len > 0;) {
        ENSURE_INT(entry_next(&from, &key, &value), 0);
        ENSURE_INT(entry_key_read(key, &group, &kind, &rest), 0);
        ENSURE(kind == ENTRY_IDS && group < PLAN_KEY_GROUPS);
        if (has_key(buf_slice(&deleted), key))
            continue;
        ENSURE_INT(ids_load(copy, group, rest, value, ids_width_ms(source, lag_ms), is_changed), 0);
    }
    if (is_changed) {
        has_new_store = true;
        buf_reset(&chunks);
        buf_reset(&deleted);
    }
    ids_free(ids);
    if (random_chance(50))
        checkpoints = 0; /* another process counts anew */
    return copy;
}

static bool is_duplicate(const struct seen *seen, int64_t within_ms, int64_t lag_ms,
                         int64_t closing_ms)
{
    for (size_t i = 0; i < accepted_count; i++) {
        const struct seen *one = &accepted[i];

        if (one->key == seen->key && one->id == seen->id &&
            llabs(one->time_ms - seen->time_ms) <= within_ms &&
            closing_ms < one->time_ms + within_ms + lag_ms)
            return true;
    }
    return false;
}

/* All that was captured has been deleted, and nothing else. */
static void check_deleted(void)
{
    struct slice key, value;

    for (struct slice from = buf_slice(&chunks); from.len > 0;) {
        ENSURE_INT(entry_next(&from, &key, &value), 0);
        ENSURE(has_key(buf_slice(&deleted), key));
    }
    for (struct slice from = buf_slice(&deleted); from.len > 0;) {
        ENSURE_INT(entry_next(&from, &key, &value), 0);
        ENSURE(!value.data && (has_new_store || has_key(buf_slice(&chunks), key)));
    }
}

static void check_case(void)
{
    int within_ms = (int)random_between(1, random_chance(50) ? 10 : 200);
    int64_t lag_ms = random_between(1, 400);
    bool by_string = random_chance(50);
    int64_t closing_ms = WATERMARK_NONE;
    uint64_t bytes_most = 0;
    int64_t now_ms = random_chance(50) ? 2000 : INT64_C(1700000000000);
    struct arena arena;
    char text[1000];

    snprintf(text, sizeof(text), file, by_string ? "id" : "n", within_ms);
    struct plan *plan = plan_of_text(text);
    arena_init(&arena);
    struct ids *ids = ids_create(&plan->sources[0], PLAN_NONE, lag_ms, &arena);
    bool is_capturing = false;
    accepted_count = 0;
    has_new_store = false;
    buf_reset(&chunks);
    buf_reset(&deleted);
    for (int i = 0; i < EVENTS; i++) {
        struct field_value fields[3];
        char id[16];
        struct event event = {.fields = fields};
        struct seen seen = {.key = random_below(3), .id = (int)random_below(20)};

        now_ms += (int64_t)random_below(random_chance(5) ? 300 : 5);
        /* Of an event that is not late: at most `lag` behind what is closed; but a source with a
         * lifetime view has no late ones. */
        seen.time_ms = now_ms - (int64_t)random_below((uint64_t)lag_ms);
        seen.time_ms = MAX(seen.time_ms, closing_ms - lag_ms + 1);
        if (random_chance(20))
            seen.time_ms = now_ms - (int64_t)random_below(1000);
        sprintf(id, "id-%d", seen.id);
        event.time_ms = seen.time_ms;
        event.key_hash = hash64_int(seen.key);
        fields[0].present = false;
        bool present = random_chance(90);
        fields[1] = (struct field_value){.s = id, .len = (uint32_t)strlen(id), .present = present};
        fields[2] = (struct field_value){.i = seen.id, .present = present};

        bool wanted = present && is_duplicate(&seen, within_ms, lag_ms, closing_ms);
        ENSURE_INT(ids_take(ids, &event, closing_ms), wanted);
        if (present && !wanted)
            accepted[accepted_count++] = seen;
        int64_t reached_ms = now_ms - (int64_t)random_below(50);
        closing_ms = MAX(closing_ms, reached_ms);
        bytes_most = MAX(bytes_most, ids_bytes(ids));
        if (random_chance(20))
            ids_release(ids, closing_ms, &chunks, &deleted);
        if (!is_capturing && random_chance(10)) {
            is_capturing = true;
            ids_mark(ids, ++checkpoints, false);
        } else if (is_capturing && random_chance(60)) {
            is_capturing = ids_capture(ids, (uint32_t)random_below(20), &chunks);
        } else if (!is_capturing && random_chance(10)) {
            ids_mark(ids, ++checkpoints, false);
            while (ids_capture(ids, 7, &chunks))
                ;
            ids = moved(ids, &plan->sources[0], lag_ms, &arena);
        }
    }
    ENSURE(bytes_most > 0);
    ids_release(ids, now_ms + 10000, &chunks, &deleted);
    check_deleted();
    ENSURE_INT(ids_bytes(ids), 0);
    ids_free(ids);
    ENSURE_INT(arena_used_bytes(&arena), 0);
    arena_done(&arena);
    plan_free(plan);
}

static void duplicates_are_those_of_the_definition(void **state)
{
    (void)state;
    for (FIRST_SEED; MORE_SEEDS(200); NEXT_SEED)
        check_case();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(duplicates_are_those_of_the_definition),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
