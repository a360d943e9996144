/* Any bytes as the state of a key, or a chunk of ids, under any layout: refused with nothing left
 * of them, or a state that is saved as it was loaded, and that goes on, to its end, whatever comes.
 */
#include "state_world.h"

#include <errno.h>

static struct world world;
static struct schema_map *own;

static void begin_once(void)
{
    struct buf text = {0};
    struct err err;

    if (world.plan)
        return;
    world_init(&world);
    schema_save(world.plan, 0, &text);
    CHECK(schema_map_create(world.plan, 0, buf_slice(&text), &own, &err) == 0);
    CHECK(schema_map_is_same(own));
    buf_free(&text);
}

static uint32_t group_of_key(void)
{
    return (uint32_t)(hash64(SLICE_LITERAL(WORLD_KEY)) % PLAN_KEY_GROUPS);
}

static int load(struct keyspace *keyspace, const struct schema_map *map, int what,
                struct slice value)
{
    struct buf entry = {0};
    struct slice key;
    struct slice none;
    size_t place = entry_begin(&entry, group_of_key(), what == WORLD_IDS ? ENTRY_IDS : ENTRY_KEY);

    if (what == WORLD_IDS) /* table 2, of checkpoint 1 */
        buf_append(&entry, "\0\0\0\0\0\0\0\2\0\0\0\0\0\0\0\1", 16);
    else
        buf_append(&entry, WORLD_KEY, sizeof(WORLD_KEY) - 1);
    entry_end_deleted(&entry, place);
    struct slice from = buf_slice(&entry);

    CHECK(entry_next(&from, &key, &none) == 0);
    int rc = keyspace_load(keyspace, map, key, value, false);

    buf_free(&entry);
    return rc;
}

/* The same keys and values; chunks of ids have other numbers, at the end of their keys. */
static void check_same(struct slice entries, struct slice others)
{
    struct slice key, value, other_key, other_value;

    while (entries.len > 0) {
        CHECK(entry_next(&entries, &key, &value) == 0);
        CHECK(entry_next(&others, &other_key, &other_value) == 0);
        CHECK(slice_equal(value, other_value) && key.len == other_key.len);
        size_t len = key.data[4] == ENTRY_IDS ? key.len - 8 : key.len;

        CHECK(memcmp(key.data, other_key.data, len) == 0);
    }
    CHECK(others.len == 0);
}

/* What was captured, into another keyspace, and captured again. */
static void check_saved(struct slice entries)
{
    struct keyspace *copy = world_keyspace(&world);
    struct slice key, value;

    for (struct slice from = entries; from.len > 0;) {
        CHECK(entry_next(&from, &key, &value) == 0);
        CHECK(keyspace_load(copy, own, key, value, true) == 0);
    }
    struct buf again = world_capture(copy, 5);

    check_same(entries, buf_slice(&again));
    buf_free(&again);
    keyspace_free(copy);
}

static int64_t newest_of(struct slice entries)
{
    struct slice key, value;
    uint64_t time_ms = 0;

    /* A key's value begins with it: a number of at most seven bytes. */
    CHECK(entry_next(&entries, &key, &value) == 0);
    for (size_t i = 0; i < value.len && i < 7; i++) {
        time_ms |= (uint64_t)(value.data[i] & 0x7f) << 7 * i;
        if (!(value.data[i] & 0x80))
            break;
    }
    return (int64_t)time_ms;
}

static void go_on(struct keyspace *keyspace, int64_t time_ms)
{
    for (int i = 0; i < 4; i++)
        world_event(keyspace, MIN(MAX(time_ms - 20 * i, 0), EVENT_TIME_MAX_MS), WATERMARK_NONE);
    world_advance(keyspace, time_ms - 30, time_ms - 10);
    world_event(keyspace, MIN(time_ms, EVENT_TIME_MAX_MS), time_ms - 30);
    while (keyspace_finish(keyspace, 10))
        ;
    world_event(keyspace, MIN(time_ms + 5, EVENT_TIME_MAX_MS), time_ms - 20);
    world_advance(keyspace, time_ms + 3, time_ms + 60);
    world_advance(keyspace, EVENT_TIME_MAX_MS + 100000, EVENT_TIME_MAX_MS + 100000);
    CHECK(keyspace_keys(keyspace) == 0);
}

static void check_loaded(struct keyspace *keyspace, int what)
{
    struct buf saved = world_capture(keyspace, 5);
    int64_t time_ms = 100;

    if (saved.len > 0) {
        check_saved(buf_slice(&saved));
        if (what == WORLD_KEY_VALUE)
            time_ms = newest_of(buf_slice(&saved));
    }
    buf_free(&saved);
    go_on(keyspace, time_ms);
}

static void check_bytes(const struct schema_map *map, int what, struct slice value)
{
    struct keyspace *keyspace = world_keyspace(&world);
    size_t bytes = arena_used_bytes(&world.arena);
    int rc = load(keyspace, map, what, value);

    CHECK(rc == 0 || rc == -EBADMSG);
    if (rc == 0)
        check_loaded(keyspace, what);
    else
        CHECK(keyspace_keys(keyspace) == 0 && keyspace_bytes(keyspace) == 0);
    CHECK(rc == 0 || arena_used_bytes(&world.arena) >= bytes);
    keyspace_free(keyspace);
    CHECK(world.intern.live == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct schema_map *map = NULL;
    struct err err;

    begin_once();
    if (size < 3 || data[0] > WORLD_IDS)
        return 0;
    size_t layout_len = (size_t)(data[1] | data[2] << 8);

    if (layout_len > size - 3)
        return 0;
    char *layout = exact_copy(data + 3, layout_len);
    char *value = exact_copy(data + 3 + layout_len, size - 3 - layout_len);

    if (layout_len > 0) {
        int rc = schema_map_create(world.plan, 0, (struct slice){layout, layout_len}, &map, &err);

        CHECK(rc == 0 || (rc == -EBADMSG && err.text[0]));
    }
    if (map || layout_len == 0)
        check_bytes(map ? map : own, data[0], (struct slice){value, size - 3 - layout_len});
    schema_map_free(map);
    free(layout);
    free(value);
    return 0;
}
