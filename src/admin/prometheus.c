/* The metrics of families.h, filled from what the shards count. */

#include <inttypes.h>
#include <unistd.h>

#include "admin/checkpoint_report.h"
#include "admin/page.h"
#include "admin/report.h"
#include "admin/stages.h"
#include "base/clock.h"

#define NS 1e-9
#define MS 1e-3

void page_one(struct page *page, enum metric_family family, double value)
{
    exposition_family(&page->text, family);
    exposition_double(&page->text, value);
}

static const char *number_text(char *out, size_t size, uint32_t number)
{
    snprintf(out, size, "%" PRIu32, number);
    return out;
}

void page_sample(struct page *page, uint32_t shard, const char *second, const char *third,
                 uint64_t value)
{
    char number[16];

    exposition_labels(&page->text,
                      (const char *[]){number_text(number, sizeof(number), shard), second, third});
    exposition_uint(&page->text, value);
}

/* Families with the labels shard and source. */
typedef uint64_t source_reader(const struct source_stats *stats);

static uint64_t source_records(const struct source_stats *stats)
{
    return counter_get(&stats->records);
}

static uint64_t source_bytes(const struct source_stats *stats)
{
    return counter_get(&stats->bytes);
}

static uint64_t source_events(const struct source_stats *stats)
{
    return counter_get(&stats->events);
}

static uint64_t source_duplicates(const struct source_stats *stats)
{
    return counter_get(&stats->duplicates);
}

static uint64_t source_backwards(const struct source_stats *stats)
{
    return counter_get(&stats->backwards);
}

static uint64_t source_read_errors(const struct source_stats *stats)
{
    return counter_get(&stats->read_errors);
}

static uint64_t source_keys(const struct source_stats *stats)
{
    return (uint64_t)gauge_get(&stats->keys);
}

static uint64_t source_cold_keys(const struct source_stats *stats)
{
    return (uint64_t)gauge_get(&stats->cold_keys);
}

static uint64_t source_evicted(const struct source_stats *stats)
{
    return counter_get(&stats->evicted);
}

static uint64_t source_loaded(const struct source_stats *stats)
{
    return counter_get(&stats->loaded);
}

static uint64_t source_state_bytes(const struct source_stats *stats)
{
    return (uint64_t)gauge_get(&stats->state_bytes);
}

static const struct {
    enum metric_family family;
    source_reader *read;
} source_families[] = {
    {FAMILY_RECORDS, source_records},
    {FAMILY_RECORD_BYTES, source_bytes},
    {FAMILY_EVENTS, source_events},
    {FAMILY_BACKWARDS, source_backwards},
    {FAMILY_DUPLICATES, source_duplicates},
    {FAMILY_READ_ERRORS, source_read_errors},
    {FAMILY_KEYS, source_keys},
    {FAMILY_COLD_KEYS, source_cold_keys},
    {FAMILY_EVICTIONS, source_evicted},
    {FAMILY_LOADS, source_loaded},
    {FAMILY_STATE_BYTES, source_state_bytes},
};

static void per_source(struct page *page)
{
    for (size_t f = 0; f < ARRAY_LEN(source_families); f++) {
        exposition_family(&page->text, source_families[f].family);
        for (uint32_t i = 0; i < page->fleet->shard_count; i++) {
            const struct shard_stats *stats = shard_stats(page->fleet->shards[i]);

            for (uint32_t j = 0; j < page->plan->source_count; j++)
                page_sample(page, i, page->plan->sources[j].name, NULL,
                            source_families[f].read(&stats->sources[j]));
        }
    }
}

static void per_source_and_reason(struct page *page)
{
    exposition_family(&page->text, FAMILY_DEAD_LETTERS);
    for (uint32_t i = 0; i < page->fleet->shard_count; i++) {
        const struct shard_stats *stats = shard_stats(page->fleet->shards[i]);

        for (uint32_t j = 0; j < page->plan->source_count; j++) {
            for (int reason = 0; reason < REJECT_REASON_COUNT; reason++)
                page_sample(page, i, page->plan->sources[j].name,
                            reject_reason_name((enum reject_reason)reason),
                            counter_get(&stats->sources[j].dead[reason]));
        }
    }
    exposition_family(&page->text, FAMILY_LATE);
    for (uint32_t i = 0; i < page->fleet->shard_count; i++) {
        const struct shard_stats *stats = shard_stats(page->fleet->shards[i]);

        for (uint32_t j = 0; j < page->plan->source_count; j++) {
            const char *name = page->plan->sources[j].name;

            page_sample(page, i, name, "late", counter_get(&stats->sources[j].late));
            page_sample(page, i, name, "released", counter_get(&stats->sources[j].released));
        }
    }
}

/* Families with the labels shard and view. */
typedef uint64_t view_reader(const struct shard_stats *stats, uint32_t view);

static uint64_t view_events(const struct shard_stats *stats, uint32_t view)
{
    return counter_get(&stats->views[view].events);
}

static uint64_t view_rows(const struct shard_stats *stats, uint32_t view)
{
    return counter_get(&stats->views[view].rows);
}

static uint64_t view_empty_rows(const struct shard_stats *stats, uint32_t view)
{
    return counter_get(&stats->views[view].empty_rows);
}

static uint64_t view_saturated(const struct shard_stats *stats, uint32_t view)
{
    return counter_get(&stats->views[view].saturated);
}

static uint64_t view_bytes(const struct shard_stats *stats, uint32_t view)
{
    return (uint64_t)gauge_get(&stats->view_bytes[view]);
}

static const struct {
    enum metric_family family;
    view_reader *read;
} view_families[] = {
    {FAMILY_VIEW_EVENTS, view_events},    {FAMILY_ROWS, view_rows},
    {FAMILY_EMPTY_ROWS, view_empty_rows}, {FAMILY_SATURATED, view_saturated},
    {FAMILY_VIEW_BYTES, view_bytes},
};

static void per_view(struct page *page)
{
    for (size_t f = 0; f < ARRAY_LEN(view_families); f++) {
        exposition_family(&page->text, view_families[f].family);
        for (uint32_t i = 0; i < page->fleet->shard_count; i++) {
            for (uint32_t j = 0; j < page->plan->view_count; j++)
                page_sample(page, i, page->plan->views[j].name, NULL,
                            view_families[f].read(shard_stats(page->fleet->shards[i]), j));
        }
    }
    exposition_family(&page->text, FAMILY_VIEW_LATE);
    for (uint32_t i = 0; i < page->fleet->shard_count; i++) {
        const struct shard_stats *stats = shard_stats(page->fleet->shards[i]);

        for (uint32_t j = 0; j < page->plan->view_count; j++) {
            const char *name = page->plan->views[j].name;

            page_sample(page, i, name, "late", counter_get(&stats->views[j].late));
            page_sample(page, i, name, "released", counter_get(&stats->views[j].released));
        }
    }
}

static void freshness(struct page *page)
{
    exposition_family(&page->text, FAMILY_FRESHNESS);
    for (uint32_t j = 0; j < page->plan->view_count; j++) {
        int64_t newest_ms = 0;

        for (uint32_t i = 0; i < page->fleet->shard_count; i++)
            newest_ms = MAX(
                newest_ms, gauge_get(&shard_stats(page->fleet->shards[i])->views[j].newest_end_ms));
        if (newest_ms == 0)
            continue;
        exposition_labels(&page->text, (const char *[]){page->plan->views[j].name});
        exposition_double(&page->text, (double)(page->now_ms - newest_ms) * MS);
    }
}

/* One partition, as the partition families see it. */
struct partition_sample {
    int64_t position;
    int64_t end_offset;
    int64_t committed;
    int64_t record_ms;
    int64_t watermark_ms;
    bool is_idle;
};

static bool partition_read(struct page *page, uint32_t source, uint32_t number,
                           struct partition_sample *ret)
{
    const struct progress *progress = &page->fleet->progress[source][number];
    const struct partition_clock *clock = &page->fleet->clocks[source].partitions[number];

    ret->position = atomic_load_explicit(&progress->position, memory_order_relaxed);
    ret->committed = atomic_load_explicit(&progress->committed, memory_order_relaxed);
    ret->record_ms = atomic_load_explicit(&progress->record_ms, memory_order_relaxed);
    ret->end_offset = engine_end_offset(page->engine, source, (int32_t)number);
    ret->watermark_ms = atomic_load_explicit(&clock->watermark_ms, memory_order_relaxed);
    ret->is_idle = atomic_load_explicit(&clock->mood, memory_order_relaxed) == PARTITION_IDLE;
    return ret->position >= 0;
}

static void partition_write(struct page *page, enum metric_family family,
                            const struct partition_sample *partition)
{
    struct exposition *text = &page->text;
    int64_t lag = MAX(partition->end_offset - partition->position, INT64_C(0));
    bool has_watermark = partition->watermark_ms > WATERMARK_NONE;
    bool has_end = partition->end_offset >= 0;

    switch (family) {
    case FAMILY_POSITION:
        exposition_int(text, partition->position);
        return;
    case FAMILY_END_OFFSET:
        if (has_end)
            exposition_int(text, partition->end_offset);
        return;
    case FAMILY_COMMITTED:
        if (partition->committed >= 0)
            exposition_int(text, partition->committed);
        return;
    case FAMILY_LAG_RECORDS:
        if (has_end)
            exposition_int(text, lag);
        return;
    case FAMILY_LAG_SECONDS:
        if (has_end && (lag == 0 || partition->record_ms >= 0))
            exposition_double(text, lag ? (double)(page->now_ms - partition->record_ms) * MS : 0.0);
        return;
    case FAMILY_WATERMARK:
        if (has_watermark)
            exposition_double(text, (double)partition->watermark_ms * MS);
        return;
    case FAMILY_WATERMARK_DELAY:
        if (has_watermark)
            exposition_double(text, (double)(page->now_ms - partition->watermark_ms) * MS);
        return;
    default:
        exposition_int(text, partition->is_idle);
    }
}

static void per_partition(struct page *page)
{
    static const enum metric_family families[] = {
        FAMILY_POSITION,    FAMILY_END_OFFSET, FAMILY_COMMITTED,       FAMILY_LAG_RECORDS,
        FAMILY_LAG_SECONDS, FAMILY_WATERMARK,  FAMILY_WATERMARK_DELAY, FAMILY_IDLE,
    };
    struct partition_sample partition;
    char number[16];

    for (size_t f = 0; f < ARRAY_LEN(families); f++) {
        exposition_family(&page->text, families[f]);
        for (uint32_t i = 0; i < page->plan->source_count; i++) {
            for (uint32_t j = 0; j < page->fleet->clocks[i].partition_count; j++) {
                if (!partition_read(page, i, j, &partition))
                    continue;
                exposition_labels(&page->text,
                                  (const char *[]){page->plan->sources[i].name,
                                                   number_text(number, sizeof(number), j)});
                partition_write(page, families[f], &partition);
            }
        }
    }
}

/* Families with the label shard alone. */
typedef double shard_reader(const struct shard_stats *stats);

static double shard_backpressure(const struct shard_stats *stats)
{
    return (double)counter_get(&stats->backpressure_ns) * NS;
}

static double shard_running(const struct shard_stats *stats)
{
    return (double)counter_get(&stats->running_ns) * NS;
}

static double shard_cpu(const struct shard_stats *stats)
{
    return (double)counter_get(&stats->cpu_ns) * NS;
}

static double shard_turns(const struct shard_stats *stats)
{
    return (double)counter_get(&stats->turns);
}

static double shard_fetches(const struct shard_stats *stats)
{
    return (double)counter_get(&stats->fetches);
}

static double shard_mail_events(const struct shard_stats *stats)
{
    return (double)counter_get(&stats->mail_events);
}

static double shard_arena_bytes(const struct shard_stats *stats)
{
    return (double)gauge_get(&stats->arena_bytes);
}

static double shard_replaying(const struct shard_stats *stats)
{
    return (double)gauge_get(&stats->replaying);
}

static double shard_awaiting_commit(const struct shard_stats *stats)
{
    return (double)gauge_get(&stats->awaiting_commit);
}

static const struct {
    enum metric_family family;
    shard_reader *read;
} shard_families[] = {
    {FAMILY_BACKPRESSURE, shard_backpressure},
    {FAMILY_RUNNING, shard_running},
    {FAMILY_SHARD_CPU, shard_cpu},
    {FAMILY_TURNS, shard_turns},
    {FAMILY_FETCHES, shard_fetches},
    {FAMILY_MAIL_EVENTS, shard_mail_events},
    {FAMILY_ARENA_BYTES, shard_arena_bytes},
    {FAMILY_REPLAYING, shard_replaying},
    {FAMILY_AWAITING_COMMIT, shard_awaiting_commit},
};

static void per_shard(struct page *page)
{
    char number[16];

    for (size_t f = 0; f < ARRAY_LEN(shard_families); f++) {
        exposition_family(&page->text, shard_families[f].family);
        for (uint32_t i = 0; i < page->fleet->shard_count; i++) {
            exposition_labels(&page->text,
                              (const char *[]){number_text(number, sizeof(number), i)});
            exposition_double(&page->text,
                              shard_families[f].read(shard_stats(page->fleet->shards[i])));
        }
    }
}

static void stages(struct page *page)
{
    char number[16];

    exposition_family(&page->text, FAMILY_STAGE);
    for (uint32_t i = 0; i < page->fleet->shard_count; i++) {
        for (size_t s = 0; s < STAGE_COUNT; s++) {
            const struct hdr *hdr = stage_of(page->fleet->shards[i], s);

            if (!hdr)
                continue;
            exposition_labels(&page->text, (const char *[]){number_text(number, sizeof(number), i),
                                                            stage_name(s)});
            exposition_hdr(&page->text, hdr);
        }
    }
}

static double resident_bytes(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    unsigned long long pages = 0;

    if (!file)
        return 0;
    if (fscanf(file, "%*u %llu", &pages) != 1)
        pages = 0;
    fclose(file);
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static void process(struct page *page)
{
    exposition_family(&page->text, FAMILY_BUILD_INFO);
    exposition_labels(&page->text, (const char *[]){FRESHET_VERSION});
    exposition_uint(&page->text, 1);
    page_one(page, FAMILY_UPTIME,
             (double)(clock_monotonic_ns() - engine_started_ns(page->engine)) * NS);
    page_one(page, FAMILY_CPU, (double)engine_cpu_ns(page->engine) * NS);
    page_one(page, FAMILY_MEMORY, resident_bytes());
    if (page->fleet->side)
        page_one(page, FAMILY_SIDE_FAILURES, (double)side_output_failures(page->fleet->side));
    if (page->fleet->file) {
        page_one(page, FAMILY_FILE_BYTES,
                 (double)atomic_load_explicit(&page->fleet->file->bytes, memory_order_relaxed));
        page_one(
            page, FAMILY_FILE_PENDING,
            (double)atomic_load_explicit(&page->fleet->file->pending_bytes, memory_order_relaxed));
    }
}

void report_metrics(struct engine *engine, struct buf *out)
{
    struct page page = {
        .engine = engine,
        .fleet = engine_fleet(engine),
        .plan = engine_fleet(engine)->plan,
        .text = {.out = out},
        .now_ms = clock_realtime_ms(),
    };

    process(&page);
    per_source(&page);
    per_source_and_reason(&page);
    per_view(&page);
    freshness(&page);
    per_partition(&page);
    per_shard(&page);
    if (page.plan->redis.present)
        page_redis(&page);
    if (page.fleet->is_native)
        page_fetch(&page);
    if (page.fleet->features)
        page_feature_topic(&page);
    checkpoint_metrics(engine, &page.text);
    stages(&page);
}
