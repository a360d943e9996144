/* slides - whether cost per event grows with the number of slides in a window, and what one key
 * with very many events costs.
 *
 *   bench_slides slides NAME SIZE EVERY EMIT     events of 5 keys through one view
 *   bench_slides heavy                           10 M events of one key in an hour, 1 M different
 * values
 *
 * Of a slides run, three parts are counted apart: `apply` (keyspace_apply), `fire` (keyspace_fire,
 * which emits the rows of on_close views and frees what is over) and, as far as valgrind is told
 * to, functions by name. Times here are CPU times; under `valgrind --tool=callgrind` instructions
 * are counted, only in the part that FRESHET_BENCH_PART names: bench/slides.py runs it all. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/hash.h"
#include "view/keyspace.h"

#if __has_include(<valgrind/callgrind.h>)
#include <valgrind/callgrind.h>
#else /* times only */
#define CALLGRIND_START_INSTRUMENTATION
#define CALLGRIND_STOP_INSTRUMENTATION
#define CALLGRIND_TOGGLE_COLLECT
#define CALLGRIND_DUMP_STATS_AT(name)
#endif

#define KEYS         5
#define PER_HOUR     360 /* events of a key */
#define PAGES        200
#define DISORDER_MS  60000
#define BATCH        256
#define START_MS     INT64_C(1700000000000)
#define HOUR_MS      INT64_C(3600000)
#define HEAVY_EVENTS 10000000
#define HEAVY_VALUES 1000000

enum { FIELD_USER, FIELD_PAGE, FIELD_TYPE, FIELD_AMOUNT, FIELD_COUNT };

struct bench {
    struct plan *plan;
    struct arena arena;
    struct intern intern;
    struct view_stats stats;
    struct counter duplicates;
    struct keyspace *keyspace;
    uint64_t random;
    uint64_t rows;
    struct event events[BATCH];
    struct field_value fields[BATCH][FIELD_COUNT];
    char texts[BATCH][FIELD_COUNT][24];
    const struct event *batch[BATCH];
    int64_t apply_ns;
    int64_t fire_ns;
    bool count_apply; /* valgrind counts in this part */
    bool count_fire;
};

static bool take_row(void *context, const struct row *row, void **slot)
{
    struct bench *bench = context;

    (void)row;
    (void)slot;
    bench->rows++;
    return true;
}

static void bench_init(struct bench *bench, const char *view)
{
    const char *part = getenv("FRESHET_BENCH_PART");
    struct view_stats *stats = &bench->stats;
    struct buf text = {0};
    struct buf messages = {0};

    *bench = (struct bench){.random = 1};
    bench->count_apply = part && strcmp(part, "apply") == 0;
    bench->count_fire = part && strcmp(part, "fire") == 0;
    buf_printf(&text,
               "pipeline: bench\nkafka: {brokers: b, group: g}\nsources:\n"
               "  s:\n    topic: t\n    format: json\n    partitioning: aligned\n    entity: user\n"
               "    time: {field: at, unit: ms}\n    out_of_orderness: %dms\n    fields:\n"
               "      {user: string, page: string, type: string, amount: decimal(2)}\n"
               "views:\n  v:\n    source: s\n%s",
               DISORDER_MS, view);
    if (plan_parse("bench.yaml", buf_slice(&text), &bench->plan, &messages) != 0) {
        fprintf(stderr, "%s%s", buf_string(&messages), buf_string(&text));
        exit(2);
    }
    buf_free(&text);
    arena_init(&bench->arena);
    intern_init(&bench->intern, &bench->arena);
    bench->keyspace = keyspace_create(bench->plan, 0, 0, &bench->arena, &bench->intern, &stats,
                                      (struct keyspace_output){.row = take_row,
                                                               .duplicates = &bench->duplicates,
                                                               .context = bench});
}

static void bench_done(struct bench *bench)
{
    keyspace_free(bench->keyspace);
    intern_done(&bench->intern);
    arena_done(&bench->arena);
    plan_free(bench->plan);
}

static uint64_t random_below(struct bench *bench, uint64_t end)
{
    bench->random = hash64_int(bench->random);
    return bench->random % end;
}

static void set_text(struct bench *bench, uint32_t at, int field, const char *before, uint64_t n)
{
    char *text = bench->texts[at][field];
    int len = snprintf(text, sizeof(bench->texts[at][field]), "%s%llu", before,
                       (unsigned long long)n);

    bench->fields[at][field] = (struct field_value){
        .s = text, .len = (uint32_t)len, .present = true};
}

static void event_make(struct bench *bench, uint32_t at, uint64_t key, int64_t time_ms)
{
    set_text(bench, at, FIELD_USER, "user_", key);
    set_text(bench, at, FIELD_TYPE, "type_", random_below(bench, 8));
    bench->fields[at][FIELD_AMOUNT] = (struct field_value){
        .i = (int64_t)random_below(bench, 100000), .present = true};

    struct slice name = {bench->texts[at][FIELD_USER], bench->fields[at][FIELD_USER].len};
    bench->events[at] = (struct event){
        .time_ms = time_ms,
        .offset = (int64_t)bench->random >> 1,
        .record_ms = -1,
        .key = name,
        .key_hash = hash64(name),
        .fields = bench->fields[at],
    };
    bench->batch[at] = &bench->events[at];
}

/* Fires what is due by the watermark, then applies the batch, of which nothing is late. */
static void batch_run(struct bench *bench, int64_t watermark_ms)
{
    int64_t start_ns = clock_thread_cpu_ns();

    if (bench->count_fire)
        CALLGRIND_TOGGLE_COLLECT;
    keyspace_advance(bench->keyspace, watermark_ms, watermark_ms);
    while (keyspace_fire(bench->keyspace, UINT32_MAX))
        ;
    if (bench->count_fire)
        CALLGRIND_TOGGLE_COLLECT;
    for (uint32_t i = 0; i < BATCH; i++)
        bench->events[i].watermark_ms = watermark_ms;

    int64_t fired_ns = clock_thread_cpu_ns();
    if (bench->count_apply)
        CALLGRIND_TOGGLE_COLLECT;
    CHECK(keyspace_apply(bench->keyspace, bench->batch, BATCH) == BATCH);
    if (bench->count_apply)
        CALLGRIND_TOGGLE_COLLECT;
    bench->fire_ns += fired_ns - start_ns;
    bench->apply_ns += clock_thread_cpu_ns() - fired_ns;
}

/* Events of all keys from one event time up to another. Returns how many. */
static uint64_t traffic(struct bench *bench, int64_t from_ms, int64_t to_ms)
{
    const double step_ms = (double)HOUR_MS / PER_HOUR / KEYS;
    uint64_t batches = (uint64_t)((double)(to_ms - from_ms) / step_ms / BATCH);

    bench->rows = 0;
    bench->apply_ns = bench->fire_ns = 0;
    for (uint64_t b = 0; b < batches; b++) {
        int64_t start_ms = from_ms + (int64_t)((double)(b * BATCH) * step_ms);

        for (uint32_t i = 0; i < BATCH; i++) {
            int64_t time_ms = start_ms + (int64_t)(i * step_ms) -
                              (int64_t)random_below(bench, DISORDER_MS);

            set_text(bench, i, FIELD_PAGE, "/page/", random_below(bench, PAGES));
            event_make(bench, i, random_below(bench, KEYS), time_ms);
        }
        batch_run(bench, start_ms - DISORDER_MS);
    }
    return batches * BATCH;
}

static int slides(char **arguments)
{
    struct bench bench;
    char view[512];
    int64_t size_ms = strtoll(arguments[0], NULL, 10) * 1000;

    snprintf(view, sizeof(view),
             "    window: {sliding: %ss, every: %ss}\n    emit: %s\n    features:\n"
             "      {events: {count: true}, pages: {distinct: page}, types: {histogram: type},\n"
             "       spent: {sum: amount}}\n",
             arguments[0], arguments[1], arguments[2]);
    bench_init(&bench, view);
    traffic(&bench, START_MS, START_MS + size_ms + HOUR_MS); /* until windows are full */

    int64_t from_ms = START_MS + size_ms + HOUR_MS;
    CALLGRIND_START_INSTRUMENTATION;
    uint64_t events = traffic(&bench, from_ms, from_ms + 2 * HOUR_MS);
    CALLGRIND_STOP_INSTRUMENTATION;
    CALLGRIND_DUMP_STATS_AT("slides");
    printf("%llu %llu %lld %lld %llu\n", (unsigned long long)events, (unsigned long long)bench.rows,
           (long long)bench.apply_ns, (long long)bench.fire_ns,
           (unsigned long long)keyspace_bytes(bench.keyspace));
    bench_done(&bench);
    return 0;
}

static void heavy_part(struct bench *bench, uint64_t first, uint64_t count)
{
    for (uint64_t done = 0; done < count; done += BATCH) {
        int64_t start_ms = START_MS + (int64_t)((first + done) * HOUR_MS / HEAVY_EVENTS);

        for (uint32_t i = 0; i < BATCH; i++) {
            /* Half of the events have 1000 values, so that there is something to be frequent. */
            uint64_t end = random_below(bench, 2) ? HEAVY_VALUES : 1000;

            set_text(bench, i, FIELD_PAGE, "/item/", random_below(bench, end));
            event_make(bench, i, 0, start_ms);
        }
        batch_run(bench, start_ms - DISORDER_MS);
    }
}

static int heavy(void)
{
    const uint64_t tenth = HEAVY_EVENTS / 10 / BATCH * BATCH;
    const uint64_t counted = 100 * BATCH; /* under valgrind: at the end of each tenth that counts */
    struct bench bench;

    bench_init(&bench, "    window: {sliding: 1h, every: 10m}\n    features:\n"
                       "      {events: {count: true}, items: {distinct: page},\n"
                       "       by_item: {histogram: page}, top_items: {top: page, n: 5},\n"
                       "       p95: {quantile: amount, q: 0.95}, newest: {last: page, n: 20}}\n");
    for (uint64_t i = 0; i < 10; i++) {
        bench.apply_ns = bench.fire_ns = 0;
        bench.rows = 0;
        heavy_part(&bench, i * tenth, tenth - counted);
        CALLGRIND_START_INSTRUMENTATION;
        heavy_part(&bench, i * tenth + tenth - counted, counted);
        CALLGRIND_STOP_INSTRUMENTATION;
        CALLGRIND_DUMP_STATS_AT("heavy");
        printf("%llu %llu %lld %lld %llu %llu\n", (unsigned long long)tenth,
               (unsigned long long)bench.rows, (long long)bench.apply_ns, (long long)bench.fire_ns,
               (unsigned long long)keyspace_bytes(bench.keyspace),
               (unsigned long long)arena_used_bytes(&bench.arena));
        fflush(stdout);
    }
    bench_done(&bench);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 5 && strcmp(argv[1], "slides") == 0)
        return slides(argv + 2);
    if (argc == 2 && strcmp(argv[1], "heavy") == 0)
        return heavy();
    fprintf(stderr, "usage: bench_slides slides SIZE EVERY EMIT | heavy\n");
    return 2;
}
