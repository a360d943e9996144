/* state_world - a plan with every kind of window and state, and keyspaces of it, for the fuzz
 * target and for the program that makes its corpus.
 *
 *   input   what: u8 | length of the layout: u16le | layout (empty: that of the plan) | bytes
 *
 * `what`: 0: the bytes are a key's value; 1: a chunk of ids. */
#ifndef FRESHET_TESTS_STATE_WORLD_H
#define FRESHET_TESTS_STATE_WORLD_H

#include "base/hash.h"
#include "freshet/source.h"
#include "fuzz.h"
#include "state/entries.h"
#include "view/schema.h"

#define WORLD_KEY   "user-1"
#define WORLD_VIEWS 8

enum { WORLD_KEY_VALUE, WORLD_IDS };

static const char world_pipeline[] = "pipeline: state\n"
                                     "kafka: {brokers: b, group: g}\n"
                                     "state: {ttl: 100ms}\n"
                                     "sources:\n"
                                     "  events:\n"
                                     "    topic: events\n"
                                     "    entity: key\n"
                                     "    time: {field: t, unit: ms}\n"
                                     "    allowed_lateness: 20ms\n"
                                     "    dedup: {field: id, within: 50ms}\n"
                                     "    fields:\n"
                                     "      key: string\n"
                                     "      id: {type: string, optional: true}\n"
                                     "      n: {type: int64, optional: true}\n"
                                     "views:\n"
                                     "  long:\n"
                                     "    source: events\n"
                                     "    window: {sliding: 140ms, every: 1ms}\n"
                                     "    features: {a: {count: true}, b: {last: n}}\n"
                                     "  long_update:\n"
                                     "    source: events\n"
                                     "    window: {sliding: 30ms, every: 1ms}\n"
                                     "    emit: on_update\n"
                                     "    features: {c: {count: true}}\n"
                                     "  days:\n"
                                     "    source: events\n"
                                     "    window: {tumbling: 40ms, offset: -7ms}\n"
                                     "    features: {d: {sum: n}}\n"
                                     "  days_update:\n"
                                     "    source: events\n"
                                     "    window: {tumbling: 40ms, offset: -7ms}\n"
                                     "    emit: on_update\n"
                                     "    features: {e: {sum: n}}\n"
                                     "  visits:\n"
                                     "    source: events\n"
                                     "    window: {session: 10ms}\n"
                                     "    features: {f: {count: true}}\n"
                                     "  visits_update:\n"
                                     "    source: events\n"
                                     "    window: {session: 10ms}\n"
                                     "    emit: on_update\n"
                                     "    features: {g: {count: true}}\n"
                                     "  some:\n"
                                     "    source: events\n"
                                     "    window: {sliding: 30ms, every: 10ms}\n"
                                     "    where: {n: {gt: 3}}\n"
                                     "    features: {h: {distinct: n}}\n"
                                     "  ever:\n"
                                     "    source: events\n"
                                     "    window: lifetime\n"
                                     "    emit: on_update\n"
                                     "    features: {i: {max: n}}\n";

struct world {
    struct plan *plan;
    struct arena arena;
    struct intern intern;
    struct view_stats stats[WORLD_VIEWS];
    struct counter duplicates;
};

static inline void world_init(struct world *world)
{
    struct buf messages = {0};

    *world = (struct world){0};
    CHECK(plan_parse("state.yaml", slice_of(world_pipeline), &world->plan, &messages) == 0);
    CHECK(world->plan->view_count == WORLD_VIEWS);
    buf_free(&messages);
    arena_init(&world->arena);
    intern_init(&world->intern, &world->arena);
}

static inline bool world_row(void *context, const struct row *row, void **slot)
{
    (void)context, (void)slot;
    CHECK(row->window_start_ms <= row->window_end_ms);
    return true;
}

static inline bool world_late(void *context, uint32_t source, const struct event *event,
                              bool by_watermark)
{
    (void)context, (void)source, (void)event, (void)by_watermark;
    return true;
}

static inline struct keyspace *world_keyspace(struct world *world)
{
    struct view_stats *stats[WORLD_VIEWS];

    for (int i = 0; i < WORLD_VIEWS; i++)
        stats[i] = &world->stats[i];
    return keyspace_create(world->plan, 0, PLAN_NONE, &world->arena, &world->intern, stats,
                           (struct keyspace_output){.row = world_row,
                                                    .late = world_late,
                                                    .duplicates = &world->duplicates,
                                                    .context = world});
}

/* An event of the key, with its id and n by its time. */
static inline void world_event(struct keyspace *keyspace, int64_t time_ms, int64_t watermark_ms)
{
    static const struct record record;
    struct field_value fields[] = {
        {.s = WORLD_KEY, .len = sizeof(WORLD_KEY) - 1, .present = true},
        {.s = "identity" + time_ms % 8, .len = 1, .present = time_ms % 3 != 0},
        {.i = time_ms % 10, .present = time_ms % 4 != 0},
    };
    struct event event = {
        .time_ms = time_ms,
        .watermark_ms = watermark_ms,
        .record_ms = -1,
        .key_hash = hash64(SLICE_LITERAL(WORLD_KEY)),
        .key = SLICE_LITERAL(WORLD_KEY),
        .passes = fields[2].present && fields[2].i > 3 ? ~UINT64_C(0) : 0,
        .fields = fields,
        .record = &record,
    };
    const struct event *events[] = {&event};

    CHECK(keyspace_apply(keyspace, events, 1) == 1);
}

static inline void world_advance(struct keyspace *keyspace, int64_t watermark_ms, int64_t clock_ms)
{
    keyspace_advance(keyspace, watermark_ms, clock_ms);
    while (keyspace_fire(keyspace, 100))
        ;
}

/* All there is, as entries; to be freed. */
static inline struct buf world_capture(struct keyspace *keyspace, uint64_t number)
{
    keyspace_mark(keyspace, number, true);
    while (keyspace_capture(keyspace, 10))
        ;
    struct buf captured = *keyspace_captured(keyspace);

    *keyspace_captured(keyspace) = (struct buf){0};
    return captured;
}

#endif
