/* From the bytes of a record to the state of its key, and to a row: decode, key look-up, panes. */
#include "cli/traffic.h"
#include "decode/decode.h"
#include "micro.h"
#include "view/keyspace.h"

#define BATCH       256
#define START_MS    INT64_C(1767225600000) /* 2026-01-01 */
#define HOUR_MS     INT64_C(3600000)
#define DISORDER_MS 60000

/* ---- decode: records of an example pipeline */

#define RECORDS 4096

struct decode_bench {
    struct plan *plan;
    struct decoder *decoder;
    struct buf bytes;
    struct record records[RECORDS];
    uint32_t next;
    struct region scratch;
    struct event event;
    struct field_value fields[PLAN_FIELDS_MAX];
    uint32_t rejected; /* a few: producers that were cut off */
};

static void *decode_begin(const struct micro *micro)
{
    struct decode_bench *bench = micro_calloc(sizeof(*bench));
    struct traffic_options options = {
        .seed = 1, .users = 1000, .events = RECORDS, .start_ms = START_MS, .span_ms = HOUR_MS};
    struct traffic traffic;
    struct traffic_event made;

    bench->plan = micro_example(micro->subject);
    bench->decoder = decoder_create(&bench->plan->sources[0]);
    CHECK(traffic_setting_parse(micro->subject, &options.setting) == 0);
    traffic_init(&traffic, &options);
    for (uint32_t i = 0; traffic_next(&traffic, &made); i++) {
        bench->records[i] = (struct record){
            .offset = i, .timestamp_ms = made.now_ms, .value = {NULL, made.value.len}};
        buf_append_slice(&bench->bytes, made.value);
    }
    traffic_done(&traffic);
    for (size_t i = 0, at = 0; i < RECORDS; at += bench->records[i++].value.len)
        bench->records[i].value.data = bench->bytes.data + at;
    return bench;
}

static void decode_run(void *state)
{
    struct decode_bench *bench = state;
    struct reject reject;

    region_reset(&bench->scratch);
    for (uint32_t i = 0; i < BATCH; i++) {
        bench->rejected += decoder_decode(bench->decoder, &bench->records[bench->next + i],
                                          &bench->scratch, bench->fields, &bench->event,
                                          &reject) != 0;
        MICRO_USE(bench->event.key_hash);
    }
    bench->next = (bench->next + BATCH) % RECORDS;
}

static void decode_end(void *state)
{
    struct decode_bench *bench = state;

    decoder_free(bench->decoder);
    plan_free(bench->plan);
    buf_free(&bench->bytes);
    region_done(&bench->scratch);
    free(bench);
}

/* ---- keys: found one by one, and as a batch is: slots, then records are prefetched */

#define RECORD_BYTES 192

struct key_bench {
    struct arena arena;
    struct key_table table;
    uint32_t count;
    uint64_t random;
    char texts[BATCH][16];
    struct slice keys[BATCH];
    uint64_t hashes[BATCH];
};

static void key_set(struct key_bench *bench, uint32_t at, uint64_t number)
{
    int len = snprintf(bench->texts[at], sizeof(bench->texts[at]), "user_%u", (unsigned)number);

    bench->keys[at] = (struct slice){bench->texts[at], (size_t)len};
    bench->hashes[at] = hash64(bench->keys[at]);
}

static void *key_begin(const struct micro *micro)
{
    struct key_bench *bench = micro_calloc(sizeof(*bench));

    bench->count = micro->size;
    arena_init(&bench->arena);
    key_table_init(&bench->table, &bench->arena, RECORD_BYTES);
    for (uint32_t i = 0; i < bench->count; i++) {
        key_set(bench, 0, i);
        MICRO_USE(key_table_add(&bench->table, bench->hashes[0], bench->keys[0]));
    }
    return bench;
}

static void key_prepare(void *state)
{
    struct key_bench *bench = state;

    for (uint32_t i = 0; i < BATCH; i++)
        key_set(bench, i, micro_random(&bench->random) % bench->count);
}

static void key_run(void *state)
{
    struct key_bench *bench = state;

    for (uint32_t i = 0; i < BATCH; i++)
        CHECK(key_table_find(&bench->table, bench->hashes[i], bench->keys[i]));
}

static void key_batch_run(void *state)
{
    struct key_bench *bench = state;

    for (uint32_t i = 0; i < BATCH; i++)
        key_table_prefetch_slot(&bench->table, bench->hashes[i]);
    for (uint32_t i = 0; i < BATCH; i++)
        MICRO_USE(key_table_prefetch_record(&bench->table, bench->hashes[i]));
    key_run(state);
}

static void key_end(void *state)
{
    struct key_bench *bench = state;

    key_table_done(&bench->table);
    arena_done(&bench->arena);
    free(bench);
}

/* ---- a keyspace of one view, and the events of a batch */

struct core {
    struct plan *plan;
    struct arena arena;
    struct intern intern;
    struct view_stats stats;
    struct counter duplicates;
    struct keyspace *keyspace;
    uint64_t rows;
    int64_t watermark_ms;
    struct event events[BATCH];
    const struct event *batch[BATCH];
    uint32_t count;
};

static bool take_row(void *context, const struct row *row, void **slot)
{
    (void)row, (void)slot;
    ((struct core *)context)->rows++;
    return true;
}

static void core_init(struct core *core, const char *fields, const char *view)
{
    struct view_stats *stats = &core->stats;
    struct buf text = {0};

    buf_printf(&text,
               "pipeline: bench\nkafka: {brokers: b, group: g}\nsources:\n"
               "  s:\n    topic: t\n    partitioning: aligned\n    entity: user_id\n"
               "    time: {field: timestamp, unit: ms}\n    out_of_orderness: %dms\n    fields:\n"
               "      {user_id: string, %s}\nviews:\n  v:\n    source: s\n%s",
               DISORDER_MS, fields, view);
    core->plan = micro_plan(buf_slice(&text));
    buf_free(&text);
    arena_init(&core->arena);
    intern_init(&core->intern, &core->arena);
    core->keyspace = keyspace_create(core->plan, 0, 0, &core->arena, &core->intern, &stats,
                                     (struct keyspace_output){.row = take_row,
                                                              .duplicates = &core->duplicates,
                                                              .context = core});
}

/* What is due by the watermark fires here, and not among the events that are measured. */
static void core_fire(struct core *core)
{
    if (core->watermark_ms == 0)
        return;
    keyspace_advance(core->keyspace, core->watermark_ms, core->watermark_ms);
    while (keyspace_fire(core->keyspace, UINT32_MAX))
        ;
}

static void core_apply(struct core *core)
{
    CHECK(keyspace_apply(core->keyspace, core->batch, core->count) == core->count);
}

static void core_done(struct core *core)
{
    keyspace_free(core->keyspace);
    intern_done(&core->intern);
    arena_done(&core->arena);
    plan_free(core->plan);
}

/* ---- panes: numbers alone, so that what is measured are the panes and not what is in them.
 *
 * 5 keys with 360 events an hour each, up to a minute out of order. `pane`: an event enters the
 * state. `trailing`: it does, and its row sums up the window. */

#define PANE_KEYS     5
#define PANE_PER_HOUR 360

struct window {
    uint32_t size_s;
    uint32_t every_s;
    bool on_update;
};

struct pane_bench {
    struct core core;
    uint64_t random;
    int64_t now_ms;
    char keys[PANE_KEYS][8];
    struct field_value fields[BATCH][2]; /* user_id, amount */
};

static void pane_prepare(void *state)
{
    const int64_t step_ms = HOUR_MS / PANE_PER_HOUR / PANE_KEYS;
    struct pane_bench *bench = state;
    struct core *core = &bench->core;

    core_fire(core);
    core->count = BATCH;
    for (uint32_t i = 0; i < BATCH; i++) {
        struct slice key = {bench->keys[micro_random(&bench->random) % PANE_KEYS], 6};
        int64_t behind_ms = (int64_t)(micro_random(&bench->random) % DISORDER_MS);

        bench->fields[i][0] = (struct field_value){.s = key.data, .len = 6, .present = true};
        bench->fields[i][1] = (struct field_value){
            .i = (int64_t)(micro_random(&bench->random) % 100000), .present = true};
        core->events[i] = (struct event){
            .time_ms = bench->now_ms - behind_ms,
            .watermark_ms = core->watermark_ms ? core->watermark_ms : WATERMARK_NONE,
            .offset = bench->now_ms,
            .record_ms = -1,
            .key = key,
            .key_hash = hash64(key),
            .fields = bench->fields[i],
        };
        core->batch[i] = &core->events[i];
        bench->now_ms += step_ms;
    }
    core->watermark_ms = bench->now_ms - DISORDER_MS;
}

static void pane_run(void *state)
{
    core_apply(&((struct pane_bench *)state)->core);
}

static void *pane_begin(const struct micro *micro)
{
    const struct window *window = micro->subject;
    struct pane_bench *bench = micro_calloc(sizeof(*bench));
    char view[256];

    snprintf(view, sizeof(view),
             "    window: {sliding: %us, every: %us}\n    emit: %s\n    features:\n"
             "      {events: {count: true}, spent: {sum: amount}, most: {max: amount}}\n",
             window->size_s, window->every_s, window->on_update ? "on_update" : "on_close");
    core_init(&bench->core, "amount: decimal(2)", view);
    for (int i = 0; i < PANE_KEYS; i++)
        snprintf(bench->keys[i], sizeof(bench->keys[i]), "user_%d", i);
    bench->now_ms = START_MS;
    while (bench->now_ms < START_MS + window->size_s * INT64_C(1000) + HOUR_MS) {
        pane_prepare(bench); /* until windows are full */
        pane_run(bench);
    }
    return bench;
}

static void pane_end(void *state)
{
    struct pane_bench *bench = state;

    core_done(&bench->core);
    free(bench);
}

/* ---- events: decode to apply, of 208-byte records, 13 an hour for each of 400 users.
 *
 * By window and slide: emission aside, the cost is to be the same. */

#define EVENT_USERS    400
#define EVENT_PER_HOUR 13
#define EVENT_HOURS    (1 << 20)

struct event_bench {
    struct core core;
    struct decoder *decoder;
    struct traffic traffic;
    struct buf bytes;
    struct record records[BATCH];
    struct region scratch;
    struct field_value fields[BATCH][8];
    int64_t newest_ms;
};

static void event_prepare(void *state)
{
    struct event_bench *bench = state;
    struct traffic_event made;

    bench->core.watermark_ms = bench->newest_ms ? bench->newest_ms - DISORDER_MS : 0;
    core_fire(&bench->core);
    buf_reset(&bench->bytes);
    for (uint32_t i = 0; i < BATCH; i++) {
        CHECK(traffic_next(&bench->traffic, &made));
        bench->records[i] = (struct record){.offset = (int64_t)bench->traffic.next,
                                            .timestamp_ms = made.now_ms,
                                            .value = {NULL, made.value.len}};
        buf_append_slice(&bench->bytes, made.value);
    }
    for (size_t i = 0, at = 0; i < BATCH; at += bench->records[i++].value.len)
        bench->records[i].value.data = bench->bytes.data + at;
}

static void event_run(void *state)
{
    struct event_bench *bench = state;
    struct core *core = &bench->core;
    struct reject reject;

    region_reset(&bench->scratch);
    core->count = 0;
    for (uint32_t i = 0; i < BATCH; i++) {
        struct event *event = &core->events[core->count];

        if (decoder_decode(bench->decoder, &bench->records[i], &bench->scratch,
                           bench->fields[core->count], event, &reject))
            continue;
        event->watermark_ms = core->watermark_ms ? core->watermark_ms : WATERMARK_NONE;
        if (event->time_ms < core->watermark_ms)
            continue;
        bench->newest_ms = MAX(bench->newest_ms, event->time_ms);
        core->batch[core->count++] = event;
    }
    core_apply(core);
}

static void *event_begin(const struct micro *micro)
{
    const struct window *window = micro->subject;
    struct event_bench *bench = micro_calloc(sizeof(*bench));
    struct traffic_options options = {.setting = TRAFFIC_USER_ACTIVITY,
                                      .seed = 1,
                                      .users = EVENT_USERS,
                                      .events = (uint64_t)EVENT_USERS * EVENT_PER_HOUR *
                                                EVENT_HOURS,
                                      .start_ms = START_MS,
                                      .span_ms = EVENT_HOURS * HOUR_MS};
    char view[256];

    snprintf(
        view, sizeof(view),
        "    window: {sliding: %us, every: %us}\n    features:\n"
        "      {events: {count: true}, pages: {distinct: page}, types: {histogram: event_type}}"
        "\n",
        window->size_s, window->every_s);
    core_init(&bench->core,
              "event_type: string, page: {path: properties.page, type: string, default: unknown}",
              view);
    bench->decoder = decoder_create(&bench->core.plan->sources[0]);
    traffic_init(&bench->traffic, &options);
    while (bench->newest_ms < START_MS + window->size_s * INT64_C(1000) + HOUR_MS) {
        event_prepare(bench);
        event_run(bench);
    }
    return bench;
}

static void event_end(void *state)
{
    struct event_bench *bench = state;

    core_done(&bench->core);
    decoder_free(bench->decoder);
    traffic_done(&bench->traffic);
    buf_free(&bench->bytes);
    region_done(&bench->scratch);
    free(bench);
}

#define DECODE(example)                                                                            \
    {                                                                                              \
        .name = "decode/" example, .batch = BATCH, .runs = RECORDS / BATCH, .subject = example,    \
        .begin = decode_begin, .run = decode_run, .end = decode_end                                \
    }
#define KEY(what, keys, heavy, run_function)                                                       \
    {                                                                                              \
        .name = what, .batch = BATCH, .runs = 16, .size = keys, .is_heavy = heavy,                 \
        .begin = key_begin, .prepare = key_prepare, .run = run_function, .end = key_end            \
    }
#define PANE(what, size, every, update)                                                            \
    {                                                                                              \
        .name = what, .batch = BATCH, .runs = 14,                                                  \
        .subject = &(struct window){size, every, update}, .begin = pane_begin,                     \
        .prepare = pane_prepare, .run = pane_run, .end = pane_end                                  \
    }
#define EVENT(what, size, every)                                                                   \
    {                                                                                              \
        .name = what, .batch = BATCH, .runs = 16, .subject = &(struct window){size, every, false}, \
        .begin = event_begin, .prepare = event_prepare, .run = event_run, .end = event_end         \
    }

static const struct micro benches[] = {
    DECODE("user_activity"),
    DECODE("session_features"),
    DECODE("fraud"),
    KEY("key/1k", 1000, false, key_run),
    KEY("key/1M", 1000000, false, key_run),
    KEY("key/10M", 10000000, true, key_run),
    KEY("key_batch/1k", 1000, false, key_batch_run),
    KEY("key_batch/1M", 1000000, false, key_batch_run),
    KEY("key_batch/10M", 10000000, true, key_batch_run),
    PANE("pane/6", 3600, 600, false),
    PANE("pane/144", 86400, 600, false),
    PANE("pane/360", 3600, 10, false),
    PANE("pane/1440", 86400, 60, false),
    PANE("pane/8640", 86400, 10, false),
    PANE("trailing/6", 3600, 600, true),
    PANE("trailing/144", 86400, 600, true),
    PANE("trailing/360", 3600, 10, true),
    PANE("trailing/1440", 86400, 60, true),
    PANE("trailing/8640", 86400, 10, true),
    EVENT("decode_to_apply/1h_by_10m", 3600, 600),
    EVENT("decode_to_apply/1h_by_10s", 3600, 10),
};

const struct micro_table micro_core = {benches, ARRAY_LEN(benches)};
