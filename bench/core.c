/* core - what an event and a row cost in the engine's core, without Kafka, sinks and disk.
 *
 *   bench_core FILE SETTING [EVENTS [USERS [SPAN_HOURS [ROWS]]]]       ROWS: drop | json
 *
 * The events of an example pipeline (cli/traffic.h) go through decoding and the keyspaces of FILE's
 * first source as a shard has them pass: fetched from one partition at a time, decoded in runs,
 * applied, and what is due fires for some keys a turn. Rows are dropped, as in a pipeline without
 * sinks, or made into lines as for the file output. CPU time of this thread; the stages are
 * functions by name, so that valgrind tells their instructions apart: bench/core.py runs it all. */

#include <inttypes.h>

#include "base/clock.h"
#include "base/hash.h"
#include "cli/traffic.h"
#include "decode/decode.h"
#include "sink/row_json.h"
#include "view/keyspace.h"
#include "window/lateness.h"

#define START_MS    INT64_C(1767225600000) /* 2026-01-01 */
#define PARTITIONS  16
#define EVENTS_FULL 2000000
#define RUN_MAX     256

/* What a shard does at once, for EVENTS_FULL: fewer events come with a part of it, so that what
 * happens between two visits to a key stays the same. */
static uint32_t fetched;     /* of one partition, until another one's turn comes */
static uint32_t turn_events; /* records in a turn */
static uint32_t run_events;
static uint32_t fire_budget; /* keys */

#define STAGE __attribute__((noinline)) static

enum stage { DECODE, APPLY, FIRE, FINISH, STAGE_COUNT };

/* A partition's records, made before anything is measured, and its keyspace if it has one. */
struct partition {
    struct buf bytes;
    struct record *records; /* `value.data` counts from the beginning of bytes until all are made */
    uint64_t count;
    uint64_t cap;
    uint64_t next;
    int64_t watermark_ms;
    struct keyspace *keyspace;
};

struct bench {
    const struct plan *plan;
    const struct plan_source *source;
    struct decoder *decoder;
    struct arena arena;
    struct intern intern;
    struct view_stats stats[PLAN_VIEWS_MAX];
    struct counter duplicates;
    struct partition partitions[PARTITIONS];
    struct keyspace *shuffled;
    struct region scratch;
    struct event events[RUN_MAX];
    struct field_value fields[RUN_MAX][PLAN_FIELDS_MAX];
    const struct event *batch[RUN_MAX];
    uint32_t batch_count;
    struct row_json *json; /* by view of the source; NULL: rows are dropped */
    struct buf line;
    uint64_t digest; /* of all lines, in any order */
    uint64_t rows;
    uint64_t read;
    int64_t spent_ns[STAGE_COUNT];
};

static bool take_row(void *context, const struct row *row, void **slot)
{
    struct bench *bench = context;

    (void)slot;
    bench->rows++;
    if (bench->json) {
        buf_reset(&bench->line);
        row_json_append(&bench->json[row->view->number], row, &bench->line);
        bench->digest += hash64(buf_slice(&bench->line));
    }
    return true;
}

static bool take_late(void *context, uint32_t source, const struct event *event, bool by_watermark)
{
    (void)context, (void)source, (void)event, (void)by_watermark;
    return true;
}

static struct keyspace *keyspace_for(struct bench *bench, int32_t partition)
{
    static struct view_stats *stats[PLAN_VIEWS_MAX];

    for (uint32_t i = 0; i < bench->source->view_count; i++)
        stats[i] = &bench->stats[i];
    return keyspace_create(bench->plan, 0, partition, &bench->arena, &bench->intern, stats,
                           (struct keyspace_output){.row = take_row,
                                                    .is_unread = !bench->json,
                                                    .late = take_late,
                                                    .duplicates = &bench->duplicates,
                                                    .context = bench});
}

static void bench_init(struct bench *bench, const struct plan *plan, bool as_json)
{
    bench->plan = plan;
    bench->source = &plan->sources[0];
    if (as_json) {
        bench->json = calloc(plan->view_count, sizeof(*bench->json));
        CHECK(bench->json);
        for (uint32_t i = 0; i < plan->view_count; i++)
            row_json_init(&bench->json[i], plan, &plan->views[i]);
    }
    bench->decoder = decoder_create(bench->source);
    arena_init(&bench->arena);
    intern_init(&bench->intern, &bench->arena);
    for (int32_t i = 0; i < PARTITIONS; i++) {
        bench->partitions[i].watermark_ms = WATERMARK_NONE;
        if (bench->source->aligned)
            bench->partitions[i].keyspace = keyspace_for(bench, i);
    }
    if (!bench->source->aligned)
        bench->shuffled = keyspace_for(bench, PLAN_NONE);
}

static void bench_done(struct bench *bench)
{
    for (int32_t i = 0; i < PARTITIONS; i++) {
        keyspace_free(bench->partitions[i].keyspace);
        buf_free(&bench->partitions[i].bytes);
        free(bench->partitions[i].records);
    }
    keyspace_free(bench->shuffled);
    for (uint32_t i = 0; bench->json && i < bench->plan->view_count; i++)
        row_json_done(&bench->json[i]);
    free(bench->json);
    intern_done(&bench->intern);
    arena_done(&bench->arena);
    decoder_free(bench->decoder);
    region_done(&bench->scratch);
    buf_free(&bench->line);
}

static void record_add(struct partition *partition, int32_t number,
                       const struct traffic_event *made)
{
    if (partition->count == partition->cap) {
        partition->cap = MAX(partition->cap * 2, UINT64_C(1024));
        partition->records = realloc(partition->records,
                                     partition->cap * sizeof(*partition->records));
        CHECK(partition->records);
    }
    partition->records[partition->count] = (struct record){
        .offset = (int64_t)partition->count,
        .timestamp_ms = made->now_ms,
        .partition = number,
        .value = {(const char *)partition->bytes.len, made->value.len},
    };
    partition->count++;
    buf_append_slice(&partition->bytes, made->value);
}

static void records_make(struct bench *bench, const struct traffic_options *options)
{
    struct traffic traffic;
    struct traffic_event made;

    traffic_init(&traffic, options);
    while (traffic_next(&traffic, &made)) {
        int32_t number = (int32_t)(hash64_int(hash64(made.key)) % PARTITIONS);

        record_add(&bench->partitions[number], number, &made);
    }
    traffic_done(&traffic);
    for (int32_t i = 0; i < PARTITIONS; i++) {
        struct partition *partition = &bench->partitions[i];

        for (uint64_t j = 0; j < partition->count; j++)
            partition->records[j].value.data = partition->bytes.data +
                                               (size_t)partition->records[j].value.data;
    }
}

STAGE void stage_decode(struct bench *bench, struct partition *partition, uint64_t count)
{
    struct reject reject;

    region_reset(&bench->scratch);
    bench->batch_count = 0;
    for (uint64_t i = 0; i < count; i++) {
        const struct record *record = &partition->records[partition->next++];
        struct event *event = &bench->events[bench->batch_count];

        bench->read++;
        if (decoder_decode(bench->decoder, record, &bench->scratch,
                           bench->fields[bench->batch_count], event, &reject))
            continue;
        event->watermark_ms = partition->watermark_ms;

        enum lateness lateness = lateness_of(bench->plan, bench->source, event->time_ms,
                                             event->watermark_ms);

        partition->watermark_ms = MAX(partition->watermark_ms,
                                      event->time_ms - bench->source->out_of_orderness_ms);
        if (lateness == LATE_FOR_ALL)
            continue;
        event->record = lateness == LATE_UNDECIDED ? record : NULL;
        bench->batch[bench->batch_count++] = event;
    }
}

STAGE void stage_apply(struct bench *bench, struct partition *partition)
{
    struct keyspace *keyspace = partition->keyspace ? partition->keyspace : bench->shuffled;
    int64_t watermark_ms = partition->watermark_ms;

    CHECK(keyspace_apply(keyspace, bench->batch, bench->batch_count) == bench->batch_count);
    if (!partition->keyspace) {
        for (int32_t i = 0; i < PARTITIONS; i++)
            watermark_ms = MIN(watermark_ms, bench->partitions[i].watermark_ms);
    }
    if (watermark_ms != WATERMARK_NONE)
        keyspace_advance(keyspace, watermark_ms, watermark_ms);
}

STAGE bool stage_fire(struct bench *bench)
{
    bool more = false;

    for (int32_t i = 0; i < PARTITIONS; i++) {
        if (bench->partitions[i].keyspace)
            more = keyspace_fire(bench->partitions[i].keyspace, fire_budget) || more;
    }
    if (bench->shuffled)
        more = keyspace_fire(bench->shuffled, fire_budget);
    return more;
}

STAGE void stage_finish(struct bench *bench)
{
    for (int32_t i = 0; i < PARTITIONS; i++) {
        while (bench->partitions[i].keyspace &&
               keyspace_finish(bench->partitions[i].keyspace, fire_budget))
            ;
    }
    while (bench->shuffled && keyspace_finish(bench->shuffled, fire_budget))
        ;
}

static void turn(struct bench *bench, struct partition *partition)
{
    for (uint32_t i = 0; i < turn_events / run_events && partition->next < partition->count; i++) {
        int64_t begun_ns = clock_thread_cpu_ns();

        stage_decode(bench, partition,
                     MIN(partition->count - partition->next, (uint64_t)run_events));
        int64_t decoded_ns = clock_thread_cpu_ns();

        stage_apply(bench, partition);
        bench->spent_ns[DECODE] += decoded_ns - begun_ns;
        bench->spent_ns[APPLY] += clock_thread_cpu_ns() - decoded_ns;
    }
    int64_t begun_ns = clock_thread_cpu_ns();

    stage_fire(bench);
    bench->spent_ns[FIRE] += clock_thread_cpu_ns() - begun_ns;
}

static void run(struct bench *bench)
{
    bool left = true;

    while (left) {
        left = false;
        for (int32_t i = 0; i < PARTITIONS; i++) {
            struct partition *partition = &bench->partitions[i];

            for (uint32_t j = 0; j < fetched / turn_events && partition->next < partition->count;
                 j++)
                turn(bench, partition);
            left |= partition->next < partition->count;
        }
    }
    int64_t begun_ns = clock_thread_cpu_ns();

    while (stage_fire(bench))
        ;
    int64_t fired_ns = clock_thread_cpu_ns();

    stage_finish(bench);
    bench->spent_ns[FIRE] += fired_ns - begun_ns;
    bench->spent_ns[FINISH] += clock_thread_cpu_ns() - fired_ns;
}

static void report(struct bench *bench)
{
    static const char *const names[] = {"decode", "apply", "fire", "finish"};
    double events = (double)bench->read;
    int64_t all_ns = 0;
    uint64_t keys = bench->shuffled ? keyspace_keys(bench->shuffled) : 0;

    for (int32_t i = 0; i < PARTITIONS; i++) {
        if (bench->partitions[i].keyspace)
            keys += keyspace_keys(bench->partitions[i].keyspace);
    }
    for (int i = 0; i < STAGE_COUNT; i++) {
        printf("%-7s %7.0f ns an event\n", names[i], (double)bench->spent_ns[i] / events);
        all_ns += bench->spent_ns[i];
    }
    printf("all     %7.0f ns an event; %" PRIu64 " events, %" PRIu64 " rows, %" PRIu64
           " keys, %.0f bytes each\n",
           (double)all_ns / events, bench->read, bench->rows, keys,
           keys ? (double)arena_used_bytes(&bench->arena) / (double)keys : 0);
    if (bench->json)
        printf("digest of the rows %016" PRIx64 "\n", bench->digest);
}

static void scale(uint64_t events)
{
    double part = MIN((double)events / EVENTS_FULL, 1.0);

    run_events = MAX((uint32_t)(part * RUN_MAX), 1u);
    turn_events = 2 * run_events;
    fetched = 16 * run_events;
    fire_budget = 4 * run_events;
}

static uint64_t number(char **argv, int argc, int at, uint64_t fallback)
{
    return at < argc ? strtoull(argv[at], NULL, 10) : fallback;
}

int main(int argc, char **argv)
{
    static struct bench bench;
    struct traffic_options options = {.start_ms = START_MS, .seed = 1};
    struct plan *plan;
    struct buf text = {0};

    if (argc < 3 || traffic_setting_parse(argv[2], &options.setting)) {
        fprintf(stderr,
                "usage: bench_core FILE SETTING [EVENTS [USERS [SPAN_HOURS [drop|json]]]]\n");
        return 2;
    }
    options.events = number(argv, argc, 3, EVENTS_FULL);
    options.users = (uint32_t)number(argv, argc, 4, 50000);
    options.span_ms = (int64_t)number(argv, argc, 5, 3) * 3600 * 1000;
    if (plan_load(argv[1], &plan, &text)) {
        fprintf(stderr, "%s", buf_string(&text));
        return 78;
    }
    scale(options.events);
    bench_init(&bench, plan, argc > 6 && strcmp(argv[6], "json") == 0);
    records_make(&bench, &options);
    run(&bench);
    report(&bench);
    bench_done(&bench);
    plan_free(plan);
    return 0;
}
