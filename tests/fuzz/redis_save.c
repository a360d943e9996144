/* Any bytes as what a checkpoint holds of a Redis image: loaded or refused, with nothing taken
 * then; what was loaded is saved again, and that is loaded as the same.
 *
 *   flags | value        flags: 1 the second source, 2 the core has no such key */
#include "fuzz.h"

#include <errno.h>

#include "../unit/sink/redis_entries.h"

static void report(void *context, const char *text)
{
    (void)context;
    CHECK(*text);
}

static struct redis_sink *create(struct world *world)
{
    struct redis_sink_options options = {
        .plan = &world->plan, .arena = &world->arena, .seed = 1, .report = report};
    struct redis_sink *sink;

    world_init(world);
    sink = redis_sink_create(&options);
    redis_sink_clock(sink, 1, 1);
    return sink;
}

/* Loads the value and saves what was loaded; nothing, if nothing of it is known. */
static int pass(uint32_t source, bool detached, struct slice value, struct buf *ret_value)
{
    static const char keys[] = "\0\0\0\x22ru"; /* of the key u: 34 is its hash's group */
    struct slice key = {keys, sizeof(keys) - 1};
    struct buf saved[2] = {{0}};
    struct buf *outs[] = {&saved[0], &saved[1]};
    struct world world;
    struct redis_sink *sink = create(&world);
    void *slot = NULL;
    int error = redis_sink_load(sink, source, key, value, detached ? NULL : &slot, 1);
    struct entry entry;

    CHECK(error == 0 || error == -EBADMSG);
    if (error)
        CHECK(!slot && arena_used_bytes(&world.arena) == 0);
    CHECK(redis_sink_idle(sink) || error == 0);
    buf_reset(ret_value);
    redis_sink_save_begin(sink);
    while (redis_sink_save(sink, outs, 1))
        ;
    CHECK(saved[!source].len == 0);
    for (struct slice from = buf_slice(&saved[source]); entry_next(&from, &entry);) {
        CHECK(slice_equal(entry.key, key));
        buf_reset(ret_value);
        buf_append_slice(ret_value, entry.value);
    }
    redis_sink_free(sink);
    arena_done(&world.arena);
    buf_free(&saved[0]);
    buf_free(&saved[1]);
    return error;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf first = {0};
    struct buf second = {0};

    if (size == 0)
        return 0;
    uint32_t source = data[0] & 1;
    bool detached = data[0] & 2;
    char *copy = exact_copy(data + 1, size - 1);

    if (pass(source, detached, (struct slice){copy, size - 1}, &first) == 0 && first.len > 0) {
        CHECK(pass(source, detached, buf_slice(&first), &second) == 0);
        CHECK(slice_equal(buf_slice(&first), buf_slice(&second)));
    }
    free(copy);
    buf_free(&first);
    buf_free(&second);
    return 0;
}
