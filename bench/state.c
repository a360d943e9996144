/* state - what state costs: to make, to capture, to load; without Kafka, sinks and disk.
 *
 *   bench_state FILE SETTING [EVENTS [USERS [SPAN_HOURS]]]
 *
 * Feeds the events of an example pipeline (cli/traffic.h) to one keyspace of FILE's first source,
 * captures it whole, then what another hundredth of the events has changed, and loads the first
 * capture into a new keyspace. CPU time of this thread; bytes as a checkpoint has them. */

#include <inttypes.h>
#include <time.h>

#include "cli/traffic.h"
#include "decode/decode.h"
#include "state/entries.h"
#include "view/schema.h"
#include "window/lateness.h"

#define START_MS INT64_C(1767225600000) /* 2026-01-01 */
#define BATCH    256
#define SLICE    100 /* keys */

struct subject {
    const struct plan *plan;
    const struct plan_source *source;
    struct arena arena;
    struct intern intern;
    struct view_stats stats[PLAN_VIEWS_MAX];
    struct counter duplicates;
    struct keyspace *keyspace;
    int64_t watermark_ms;
    uint64_t rows;
};

static double cpu_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static bool take_row(void *context, const struct row *row, void **slot)
{
    (void)row, (void)slot;
    ((struct subject *)context)->rows++;
    return true;
}

static bool take_late(void *context, uint32_t source, const struct event *event, bool by_watermark)
{
    (void)context, (void)source, (void)event, (void)by_watermark;
    return true;
}

static void begin(struct subject *subject, const struct plan *plan)
{
    static struct view_stats *stats[PLAN_VIEWS_MAX];

    memset(subject, 0, sizeof(*subject));
    subject->plan = plan;
    subject->source = &plan->sources[0];
    subject->watermark_ms = WATERMARK_NONE;
    arena_init(&subject->arena);
    intern_init(&subject->intern, &subject->arena);
    for (uint32_t i = 0; i < subject->source->view_count; i++)
        stats[i] = &subject->stats[i];
    subject->keyspace = keyspace_create(plan, 0, subject->source->aligned ? 0 : PLAN_NONE,
                                        &subject->arena, &subject->intern, stats,
                                        (struct keyspace_output){.row = take_row,
                                                                 .late = take_late,
                                                                 .duplicates = &subject->duplicates,
                                                                 .context = subject});
}

static void end(struct subject *subject)
{
    keyspace_free(subject->keyspace);
    intern_done(&subject->intern);
    arena_done(&subject->arena);
}

/* The events of one batch, decoded. */
struct batch {
    struct buf records[BATCH];
    struct event events[BATCH];
    struct record kept[BATCH];
    struct field_value fields[BATCH][PLAN_FIELDS_MAX];
    const struct event *pointers[BATCH];
    struct region scratch;
    uint32_t count;
};

static void fill(struct batch *batch, struct subject *subject, struct decoder *decoder,
                 struct traffic *traffic, uint64_t count)
{
    struct traffic_event made;
    struct reject reject;

    region_reset(&batch->scratch);
    batch->count = 0;
    for (uint64_t i = 0; i < count && traffic_next(traffic, &made); i++) {
        struct event *event = &batch->events[batch->count];
        struct record *record = &batch->kept[batch->count];

        buf_reset(&batch->records[batch->count]);
        buf_append_slice(&batch->records[batch->count], made.value);
        *record = (struct record){.offset = (int64_t)traffic->next,
                                  .timestamp_ms = made.now_ms,
                                  .value = buf_slice(&batch->records[batch->count])};
        if (decoder_decode(decoder, record, &batch->scratch, batch->fields[batch->count], event,
                           &reject))
            continue;
        event->watermark_ms = subject->watermark_ms;

        enum lateness lateness = lateness_of(subject->plan, subject->source, event->time_ms,
                                             event->watermark_ms);

        subject->watermark_ms = MAX(subject->watermark_ms,
                                    event->time_ms - subject->source->out_of_orderness_ms);
        if (lateness == LATE_FOR_ALL)
            continue;
        event->record = lateness == LATE_UNDECIDED ? record : NULL;
        batch->pointers[batch->count++] = event;
    }
}

/* CPU time of the keyspace. */
static double feed(struct subject *subject, struct traffic *traffic, uint64_t count)
{
    static struct batch batch;
    struct decoder *decoder = decoder_create(subject->source);
    double spent_ns = 0;

    for (uint64_t done = 0; done < count; done += BATCH) {
        fill(&batch, subject, decoder, traffic, MIN(count - done, (uint64_t)BATCH));

        double started_ns = cpu_ns();

        CHECK(keyspace_apply(subject->keyspace, batch.pointers, batch.count) == batch.count);
        keyspace_advance(subject->keyspace, subject->watermark_ms, subject->watermark_ms);
        while (keyspace_fire(subject->keyspace, 10000))
            ;
        spent_ns += cpu_ns() - started_ns;
    }
    decoder_free(decoder);
    return spent_ns;
}

static void capture(struct subject *subject, uint64_t number, const char *what, struct buf *out)
{
    struct slice key, value;
    double spent_ns = 0;
    double longest_ns = 0;
    uint64_t count = 0;
    bool more = true;

    keyspace_mark(subject->keyspace, number, number == 1);
    while (more) {
        double slice_ns = cpu_ns();

        more = keyspace_capture(subject->keyspace, SLICE);
        spent_ns += cpu_ns() - slice_ns;
        longest_ns = MAX(longest_ns, cpu_ns() - slice_ns);
        buf_append_slice(out, buf_slice(keyspace_captured(subject->keyspace)));
        buf_reset(keyspace_captured(subject->keyspace));
    }
    for (struct slice from = buf_slice(out); from.len > 0; count++)
        CHECK(entry_next(&from, &key, &value) == 0);
    printf("%-9s %8" PRIu64
           " entries, %6.0f bytes and %6.0f ns each, slices of %d keys <= %.0f us\n",
           what, count, count ? (double)out->len / (double)count : 0,
           count ? spent_ns / (double)count : 0, SLICE, longest_ns / 1e3);
}

static void load(const struct plan *plan, const struct subject *from, struct slice entries)
{
    static struct subject to;
    struct keyspace_times times;
    struct schema_map *map;
    struct slice key, value;
    struct buf schema = {0};
    struct err err;
    uint64_t count = 0;

    schema_save(plan, 0, &schema);
    CHECK(schema_map_create(plan, 0, buf_slice(&schema), &map, &err) == 0);
    begin(&to, plan);
    keyspace_times(from->keyspace, &times);
    double started_ns = cpu_ns();

    keyspace_times_restore(to.keyspace, &times);
    for (; entries.len > 0; count++) {
        CHECK(entry_next(&entries, &key, &value) == 0);
        CHECK(keyspace_load(to.keyspace, map, key, value, false) == 0);
    }
    printf("load      %8" PRIu64 " entries, %6.0f ns each\n", count,
           (cpu_ns() - started_ns) / (double)MAX(count, (uint64_t)1));
    end(&to);
    schema_map_free(map);
    buf_free(&schema);
}

static uint64_t number(char **argv, int argc, int at, uint64_t fallback)
{
    return at < argc ? strtoull(argv[at], NULL, 10) : fallback;
}

int main(int argc, char **argv)
{
    static struct subject subject;
    struct traffic_options options = {.start_ms = START_MS, .seed = 1};
    struct traffic traffic;
    struct plan *plan;
    struct buf text = {0};
    struct buf whole = {0};
    struct buf changed = {0};

    if (argc < 3 || traffic_setting_parse(argv[2], &options.setting)) {
        fprintf(stderr, "usage: bench_state FILE SETTING [EVENTS [USERS [SPAN_HOURS]]]\n");
        return 2;
    }
    options.events = number(argv, argc, 3, 2000000);
    options.users = (uint32_t)number(argv, argc, 4, 100000);
    options.span_ms = (int64_t)number(argv, argc, 5, 2) * 3600 * 1000;
    if (plan_load(argv[1], &plan, &text)) {
        fprintf(stderr, "%s", buf_string(&text));
        return 78;
    }
    begin(&subject, plan);
    traffic_init(&traffic, &options);
    uint64_t first = options.events - options.events / 100;
    double spent_ns = feed(&subject, &traffic, first);

    printf("apply     %8" PRIu64 " events, %6.0f ns each, %" PRIu64 " rows\n", first,
           spent_ns / (double)first, subject.rows);
    printf("memory    %8" PRIu64 " keys,   %6.0f bytes each\n", keyspace_keys(subject.keyspace),
           (double)arena_used_bytes(&subject.arena) / (double)keyspace_keys(subject.keyspace));
    capture(&subject, 1, "all", &whole);
    spent_ns = feed(&subject, &traffic, options.events / 100);
    capture(&subject, 2, "changed", &changed);
    load(plan, &subject, buf_slice(&whole));
    end(&subject);
    buf_free(&whole);
    buf_free(&changed);
    traffic_done(&traffic);
    plan_free(plan);
    return 0;
}
