/* redis_world - what the tests of the Redis sink share: a plan made by hand, and rows for it.
 *
 *   view 0 plain     int, double, string        zero   emit
 *   view 1 skipping  decimal, bool              zero   skip
 *   view 2 deleting  json, int                  delete emit
 *   view 3 keeping   int                        keep   skip        (of source 1) */
#ifndef FRESHET_TESTS_REDIS_WORLD_H
#define FRESHET_TESTS_REDIS_WORLD_H

#include "plan/plan.h"
#include "sink/redis_sink.h"

enum {
    VIEW_PLAIN,
    VIEW_SKIPPING,
    VIEW_DELETING,
    VIEW_KEEPING,
    VIEW_COUNT,
};

struct world {
    struct plan plan;
    struct plan_source sources[2];
    struct plan_view views[VIEW_COUNT];
    struct plan_feature features[VIEW_COUNT][3];
    struct plan_key_template templates[2];
    struct arena arena;
};

static const char *const world_names[VIEW_COUNT][4] = {
    {"plain", "count", "mean", "last"},
    {"skipping", "sum", "seen"},
    {"deleting", "types", "hits"},
    {"keeping", "total"},
};

static inline void world_init(struct world *world)
{
    static const uint32_t feature_counts[VIEW_COUNT] = {3, 2, 2, 1};

    memset(world, 0, sizeof(*world));
    arena_init(&world->arena);
    for (uint32_t v = 0; v < VIEW_COUNT; v++) {
        struct plan_view *view = &world->views[v];

        for (uint32_t f = 0; f < feature_counts[v]; f++)
            world->features[v][f].name = world_names[v][f + 1];
        *view = (struct plan_view){
            .name = world_names[v][0],
            .number = v,
            .source = v == VIEW_KEEPING,
            .features = world->features[v],
            .feature_count = feature_counts[v],
            .skip_unchanged = v == VIEW_SKIPPING || v == VIEW_KEEPING,
            .when_empty = v == VIEW_DELETING  ? WHEN_EMPTY_DELETE
                          : v == VIEW_KEEPING ? WHEN_EMPTY_KEEP
                                              : WHEN_EMPTY_ZERO,
        };
    }
    world->templates[0] = (struct plan_key_template){SLICE_LITERAL("features:user:{"),
                                                     SLICE_LITERAL("}")};
    world->templates[1] = (struct plan_key_template){SLICE_LITERAL("other:"), SLICE_LITERAL("")};
    world->plan = (struct plan){
        .sources = world->sources,
        .source_count = 2,
        .views = world->views,
        .view_count = VIEW_COUNT,
        .redis = {.present = true,
                  .scheme = REDIS_UNIX,
                  .url_text = "unix:///redis.sock",
                  .path = "/redis.sock",
                  .key_templates = world->templates,
                  .ttl_ms = 100000,
                  .connections = 1,
                  .linger_ms = 5,
                  .metadata = true},
    };
}

static inline struct row_value int_value(int64_t i)
{
    return (struct row_value){.type = ROW_INT, .i = i};
}

static inline struct row_value double_value(double d)
{
    return (struct row_value){.type = ROW_DOUBLE, .d = d};
}

static inline struct row_value decimal_value(int64_t i, uint8_t scale)
{
    return (struct row_value){.type = ROW_DECIMAL, .scale = scale, .i = i};
}

static inline struct row_value bool_value(bool b)
{
    return (struct row_value){.type = ROW_BOOL, .i = b};
}

static inline struct row_value text_value(enum row_value_type type, const char *text)
{
    return (struct row_value){.type = type, .text = slice_of(text)};
}

static inline struct row_value null_value(void)
{
    return (struct row_value){.type = ROW_NULL};
}

static inline struct row world_row(const struct world *world, int view, const char *key,
                                   int64_t window_end_ms, const struct row_value *values)
{
    return (struct row){
        .view = &world->views[view],
        .key = slice_of(key),
        .window_end_ms = window_end_ms,
        .online = true,
        .record_ms = -1,
        .values = values,
    };
}

#endif
