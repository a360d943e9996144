/* cells_world - a plan with every kind of cell, and panes of it, for the fuzz target and for the
 * program that makes its corpus. The corpus knows the order of the cells: new ones go last. */
#ifndef FRESHET_TESTS_CELLS_WORLD_H
#define FRESHET_TESTS_CELLS_WORLD_H

#include <inttypes.h>

#include "aggregate/codec.h"
#include "base/hash.h"
#include "fuzz.h"

static const char world_pipeline[] = "pipeline: cells\n"
                                     "kafka: {brokers: b, group: g}\n"
                                     "sources:\n"
                                     "  events:\n"
                                     "    topic: events\n"
                                     "    format: json\n"
                                     "    entity: key\n"
                                     "    time: {field: t, unit: ms}\n"
                                     "    fields:\n"
                                     "      key: string\n"
                                     "      s: {type: string, optional: true}\n"
                                     "      i: {type: int64, optional: true}\n"
                                     "      d: {type: double, optional: true}\n"
                                     "      m: {type: decimal(2), optional: true}\n"
                                     "      b: {type: bool, optional: true}\n"
                                     "      t: {type: timestamp, optional: true}\n"
                                     "views:\n"
                                     "  all:\n"
                                     "    source: events\n"
                                     "    window: {tumbling: 1h}\n"
                                     "    features:\n"
                                     "      count: {count: true}\n"
                                     "      sum_i: {sum: i}\n"
                                     "      sum_d: {sum: d}\n"
                                     "      mean_m: {mean: m}\n"
                                     "      mean_d: {mean: d}\n"
                                     "      min_t: {min: t}\n"
                                     "      max_i: {max: i}\n"
                                     "      min_d: {min: d}\n"
                                     "      max_d: {max: d}\n"
                                     "      distinct_s: {distinct: s}\n"
                                     "      histogram_s: {histogram: s, limit: 6}\n"
                                     "      histogram_d: {histogram: d, limit: 300}\n"
                                     "      variance_d: {variance: d}\n"
                                     "      first_s: {first: s, n: 3}\n"
                                     "      last_d: {last: d}\n"
                                     "      last_b: {last: b, n: 4}\n"
                                     "      list_m: {list: m, limit: 20}\n"
                                     "      since: {since_previous: true}\n"
                                     "      top_s: {top: s, n: 3}\n"
                                     "      top_d: {top: d}\n"
                                     "      top_b: {top: b, n: 2}\n"
                                     "      quantile_d: {quantile: d, q: 0.5}\n"
                                     "      quantile_i: {quantile: i, q: 0.9}\n";

enum { WORLD_KEY, WORLD_S, WORLD_I, WORLD_D, WORLD_M, WORLD_B, WORLD_T, WORLD_FIELDS };

struct world {
    struct plan *plan;
    const struct plan_source *source;
    const struct plan_paneset *paneset;
    const struct plan_view *view;
    struct arena arena;
    struct intern intern;
    struct cell_memory memory;
};

static inline void world_init(struct world *world)
{
    struct buf messages = {0};
    bool seen[CELL_KIND_COUNT] = {false};

    *world = (struct world){0};
    CHECK(plan_parse("cells.yaml", slice_of(world_pipeline), &world->plan, &messages) == 0);
    buf_free(&messages);
    world->source = &world->plan->sources[0];
    world->paneset = &world->source->panesets[0];
    world->view = &world->plan->views[0];
    CHECK(world->source->field_count == WORLD_FIELDS);
    for (uint32_t i = 0; i < world->paneset->cell_count; i++)
        seen[world->paneset->cells[i].kind] = true;
    for (int kind = 0; kind < CELL_KIND_COUNT; kind++)
        CHECK(seen[kind]);
    arena_init(&world->arena);
    intern_init(&world->intern, &world->arena);
    world->memory = (struct cell_memory){.arena = &world->arena, .intern = &world->intern};
}

static inline void world_done(struct world *world)
{
    intern_done(&world->intern);
    arena_done(&world->arena);
    plan_free(world->plan);
}

static inline char *world_pane(const struct world *world)
{
    char *pane = calloc(1, world->paneset->cell_bytes);

    CHECK(pane);
    return pane;
}

/* Which values events have. */
struct world_events {
    uint64_t first; /* number of the first event */
    uint64_t count;
    uint64_t values; /* different ones */
    unsigned fields; /* bit i: field i is present */
    bool wide;       /* numbers of any magnitude */
};

static inline double world_double(uint64_t choice, bool wide)
{
    double number = ((double)choice - 2) / 4;
    double any;
    uint64_t bits = hash64_int(choice);

    memcpy(&any, &bits, sizeof(any));
    return wide && any - any == 0 ? any : number;
}

static inline void world_add(struct world *world, char *pane, const struct world_events *events)
{
    for (uint64_t number = events->first; number < events->first + events->count; number++) {
        uint64_t choice = hash64_int(number) % events->values;
        uint64_t any = events->wide ? hash64_int(choice) >> choice % 64 : choice;
        struct event event = {.time_ms = (int64_t)(1000 + number * 7 % 64 + number),
                              .partition = (int32_t)(number % 3),
                              .offset = (int64_t)(100 + number)};
        char text[32];
        int len = sprintf(text, "v%" PRIu64, choice);
        struct field_value fields[WORLD_FIELDS] = {
            [WORLD_S] = {.s = text, .len = (uint32_t)len},
            [WORLD_I] = {.i = (int64_t)any},
            [WORLD_D] = {.d = world_double(choice, events->wide)},
            [WORLD_M] = {.i = (int64_t)any - 3},
            [WORLD_B] = {.i = choice % 2},
            [WORLD_T] = {.i = event.time_ms},
        };

        for (uint32_t i = 0; i < world->paneset->cell_count; i++) {
            const struct plan_cell *cell = &world->paneset->cells[i];

            if (cell->field == PLAN_NONE)
                cell_add(cell, NULL, NULL, &event, pane, &world->memory);
            else if (events->fields >> cell->field & 1)
                cell_add(cell, &world->source->fields[cell->field], &fields[cell->field], &event,
                         pane, &world->memory);
        }
    }
}

static inline void world_save(const struct world *world, const char *pane, struct buf *out)
{
    buf_reset(out);
    cells_save(world->paneset, world->source->fields, pane, &world->intern, out);
}

#endif
