/* What a row becomes on its way out: the texts that Redis gets, commands, a line of JSON. */
#include "micro.h"
#include "sink/redis_command.h"
#include "sink/row_json.h"

#define KEYS    256
#define PAGES   40
#define END_MS  INT64_C(1767229200000)
#define TYPES   4
#define CHANGES 64 /* rows of a key before they come round */

struct sink_bench {
    struct plan *plan;
    const struct plan_view *view;
    struct arena arena;
    struct redis_commands commands;
    struct row_json json;
    struct redis_image *images[KEYS];
    char keys[KEYS][16];
    char types[CHANGES][96];
    struct row_value values[CHANGES][3];
    struct buf spelled;
    struct buf out;
    uint32_t turn;
    uint32_t changed; /* features of a row that differ from those of the row before */
};

static void rows_make(struct sink_bench *bench)
{
    uint64_t random = 1;

    for (uint32_t i = 0; i < CHANGES; i++) {
        uint64_t draw = micro_random(&random);
        int len = snprintf(bench->types[i], sizeof(bench->types[i]),
                           "{\"click\":%u,\"page_view\":%u,\"purchase\":%u,\"search\":%u}",
                           (unsigned)(draw % 50), (unsigned)(draw / 50 % 200), i, i / TYPES);
        bool is_same = i % 2 && bench->changed < 3;

        bench->values[i][0] = (struct row_value){.type = ROW_INT, .i = 100 + i};
        bench->values[i][1] = (struct row_value){.type = ROW_DOUBLE,
                                                 .d = (double)(draw >> 40) / 1024};
        bench->values[i][2] = (struct row_value){.type = ROW_JSON,
                                                 .text = {bench->types[i], (size_t)len}};
        if (is_same) {
            bench->values[i][1] = bench->values[i - 1][1];
            bench->values[i][2] = bench->values[i - 1][2];
        }
    }
}

static void image_take(struct sink_bench *bench, uint32_t key, uint32_t row)
{
    buf_reset(&bench->spelled);
    redis_values_append(&bench->spelled, bench->values[row], 3);
    bench->images[key] = redis_image_put(&bench->arena, bench->images[key], 0,
                                         buf_slice(&bench->spelled), 3);
}

static void *sink_begin(const struct micro *micro)
{
    struct sink_bench *bench = micro_calloc(sizeof(*bench));

    bench->plan = micro_plan(SLICE_LITERAL(
        "pipeline: bench\nkafka: {brokers: b, group: g}\n"
        "redis: {url: 'unix:///redis.sock', key: 'features:user:{user_id}', ttl: 25h}\n"
        "sources:\n  s:\n    topic: t\n    entity: user_id\n    time: {field: at, unit: ms}\n"
        "    fields: {user_id: string, type: string, amount: double}\n"
        "views:\n  user_activity_1h:\n    source: s\n    window: {sliding: 1h, every: 10m}\n"
        "    features: {event_count_1h: {count: true}, mean_amount_1h: {mean: amount},\n"
        "               event_types_1h: {histogram: type}}\n"));
    bench->view = &bench->plan->views[0];
    bench->changed = micro->size;
    arena_init(&bench->arena);
    redis_commands_init(&bench->commands, bench->plan);
    row_json_init(&bench->json, bench->plan, bench->view);
    rows_make(bench);
    for (uint32_t i = 0; i < KEYS; i++) {
        int len = snprintf(bench->keys[i], sizeof(bench->keys[i]), "user_%u", i * 3907);

        bench->images[i] = redis_image_create(&bench->arena,
                                              (struct slice){bench->keys[i], (size_t)len}, 0);
        image_take(bench, i, 0);
        MICRO_USE(redis_commands_append(&bench->commands, &bench->out, bench->images[i], true, true)
                      .fields);
        bench->images[i]->whole = false;
    }
    return bench;
}

/* A row of each key, spelled and compared with what is shown. */
static void image_run(void *state)
{
    struct sink_bench *bench = state;

    bench->turn = (bench->turn + 1) % CHANGES;
    for (uint32_t i = 0; i < KEYS; i++)
        image_take(bench, i, bench->turn);
}

static void commands_prepare(void *state)
{
    struct sink_bench *bench = state;

    do
        image_run(state);
    while (bench->changed < 3 && bench->turn % 2 == 0);
    for (uint32_t i = 0; i < KEYS; i++) {
        struct redis_part *part = redis_image_part(bench->images[i], 0);

        part->window_end_ms = END_MS + bench->turn * 1000;
        part->computed_at_ms = part->window_end_ms + i;
        part->unsent = true;
        if (bench->changed < 3)
            part->dirty = 1; /* as if what came before had been written */
    }
    buf_reset(&bench->out);
}

/* What is dirty of each key, as commands; the TTL with every eighth. */
static void commands_run(void *state)
{
    struct sink_bench *bench = state;

    for (uint32_t i = 0; i < KEYS; i++)
        MICRO_USE(redis_commands_append(&bench->commands, &bench->out, bench->images[i], false,
                                        i % 8 == 0)
                      .fields);
}

static void json_run(void *state)
{
    struct sink_bench *bench = state;

    buf_reset(&bench->out);
    for (uint32_t i = 0; i < KEYS; i++) {
        struct row row = {
            .view = bench->view,
            .key = slice_of(bench->keys[i]),
            .window_start_ms = END_MS - 3600000,
            .window_end_ms = END_MS,
            .record_ms = -1,
            .values = bench->values[i % CHANGES],
        };

        row_json_append(&bench->json, &row, &bench->out);
    }
}

static void sink_end(void *state)
{
    struct sink_bench *bench = state;

    for (uint32_t i = 0; i < KEYS; i++)
        redis_image_free(&bench->arena, bench->images[i]);
    row_json_done(&bench->json);
    redis_commands_done(&bench->commands);
    arena_done(&bench->arena);
    buf_free(&bench->spelled);
    buf_free(&bench->out);
    plan_free(bench->plan);
    free(bench);
}

#define SINK(what, fields, prepare_function, run_function)                                         \
    {                                                                                              \
        .name = what, .batch = KEYS, .runs = 16, .size = fields, .begin = sink_begin,              \
        .prepare = prepare_function, .run = run_function, .end = sink_end                          \
    }

static const struct micro benches[] = {
    SINK("redis/image", 3, NULL, image_run),
    SINK("redis/commands_1_of_3", 1, commands_prepare, commands_run),
    SINK("redis/commands_3_of_3", 3, commands_prepare, commands_run),
    SINK("json/row", 3, NULL, json_run),
};

const struct micro_table micro_sinks = {benches, ARRAY_LEN(benches)};
