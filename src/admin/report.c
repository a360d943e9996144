#include "admin/report.h"

#include <inttypes.h>

#include "admin/checkpoint_report.h"
#include "admin/json.h"
#include "admin/stages.h"
#include "base/clock.h"

static const char *phase_name(enum engine_phase phase)
{
    static const char *const names[] = {"starting", "reading", "draining", "done"};

    return names[phase];
}

void report_totals(const struct engine *engine, struct totals *ret)
{
    const struct fleet *fleet = engine_fleet(engine);

    *ret = (struct totals){0};
    for (uint32_t i = 0; i < fleet->shard_count; i++) {
        const struct shard_stats *stats = shard_stats(fleet->shards[i]);
        const struct redis_sink_stats *redis = shard_redis_stats(fleet->shards[i]);

        for (uint32_t j = 0; j < fleet->plan->source_count; j++) {
            const struct source_stats *source = &stats->sources[j];

            ret->records += counter_get(&source->records);
            ret->events += counter_get(&source->events);
            ret->late += counter_get(&source->late) + counter_get(&source->released);
            ret->keys += gauge_get(&source->keys);
            ret->state_bytes += gauge_get(&source->state_bytes);
            for (int reason = 0; reason < REJECT_REASON_COUNT; reason++)
                ret->dead_letters += counter_get(&source->dead[reason]);
        }
        for (uint32_t j = 0; j < fleet->plan->view_count; j++) {
            ret->rows += counter_get(&stats->views[j].rows);
            ret->empty_rows += counter_get(&stats->views[j].empty_rows);
        }
        ret->redis_writes += redis ? counter_get(&redis->hsets) : 0;
        ret->redis_fields += redis ? counter_get(&redis->fields) : 0;
    }
}

bool report_stage(const struct engine *engine, const char *stage, struct hdr *ret)
{
    const struct fleet *fleet = engine_fleet(engine);
    bool found = false;

    memset(ret, 0, sizeof(*ret));
    for (size_t s = 0; s < STAGE_COUNT; s++) {
        if (strcmp(stage_name(s), stage) != 0)
            continue;
        found = true;
        for (uint32_t i = 0; i < fleet->shard_count; i++) {
            const struct hdr *hdr = stage_of(fleet->shards[i], s);

            if (hdr)
                hdr_merge(ret, hdr);
        }
    }
    return found;
}

bool report_ready(struct engine *engine, struct buf *out)
{
    const struct fleet *fleet = engine_fleet(engine);

    if (engine_phase(engine) != ENGINE_READING) {
        buf_printf(out, "%s\n", phase_name(engine_phase(engine)));
        return false;
    }
    for (uint32_t i = 0; i < fleet->shard_count; i++) {
        const struct redis_sink_stats *redis = shard_redis_stats(fleet->shards[i]);

        if (redis && gauge_get(&redis->connected) < (int64_t)fleet->plan->redis.connections) {
            buf_printf(out, "shard %u waits for Redis\n", i);
            return false;
        }
        if (gauge_get(&shard_stats(fleet->shards[i])->replaying)) {
            buf_printf(out, "shard %u reads what the last run may have written\n", i);
            return false;
        }
        if (gauge_get(&shard_stats(fleet->shards[i])->awaiting_commit)) {
            buf_printf(out, "shard %u waits for the first checkpoint to be committed\n", i);
            return false;
        }
    }
    return true;
}

static void status_partitions(struct engine *engine, uint32_t source, struct buf *out)
{
    const struct fleet *fleet = engine_fleet(engine);
    bool first = true;

    buf_printf(out, ",\"partitions\":[");
    for (uint32_t j = 0; j < fleet->clocks[source].partition_count; j++) {
        int64_t position = atomic_load(&fleet->progress[source][j].position);
        int64_t committed = atomic_load(&fleet->progress[source][j].committed);
        int64_t end = engine_end_offset(engine, source, (int32_t)j);
        int64_t watermark_ms = atomic_load(&fleet->clocks[source].partitions[j].watermark_ms);
        int mood = atomic_load(&fleet->clocks[source].partitions[j].mood);

        if (position < 0)
            continue;
        buf_printf(out, "%s{\"partition\":%u,\"position\":%" PRId64, first ? "" : ",", j, position);
        if (end >= 0)
            buf_printf(out, ",\"end_offset\":%" PRId64 ",\"lag\":%" PRId64, end,
                       MAX(end - position, INT64_C(0)));
        if (committed >= 0)
            buf_printf(out, ",\"committed\":%" PRId64, committed);
        if (watermark_ms > WATERMARK_NONE)
            buf_printf(out, ",\"watermark_ms\":%" PRId64, watermark_ms);
        buf_printf(out, ",\"idle\":%s}", mood == PARTITION_IDLE ? "true" : "false");
        first = false;
    }
    buf_append_char(out, ']');
}

static void status_stages(const struct engine *engine, struct buf *out)
{
    struct hdr *hdr = malloc(sizeof(*hdr));

    CHECK(hdr);
    buf_printf(out, ",\"latency_us\":{");
    for (size_t s = 0; s < STAGE_COUNT; s++) {
        report_stage(engine, stage_name(s), hdr);
        buf_printf(out, "%s\"%s\":{\"count\":%" PRIu64, s ? "," : "", stage_name(s),
                   (uint64_t)atomic_load(&hdr->count));
        buf_printf(out, ",\"p50\":%.3f,\"p99\":%.3f,\"p999\":%.3f,\"max\":%.3f}",
                   (double)hdr_quantile(hdr, 0.5) / 1e3, (double)hdr_quantile(hdr, 0.99) / 1e3,
                   (double)hdr_quantile(hdr, 0.999) / 1e3,
                   (double)(uint64_t)atomic_load(&hdr->max) / 1e3);
    }
    buf_append_char(out, '}');
    free(hdr);
}

static void histogram_write(const struct hdr *hdr, struct buf *out)
{
    bool first = true;

    buf_printf(out, "{\"sum_ns\":%" PRIu64 ",\"buckets\":[", (uint64_t)atomic_load(&hdr->sum));
    for (unsigned i = 0; i < HDR_BUCKETS; i++) {
        uint64_t count = atomic_load_explicit(&hdr->buckets[i], memory_order_relaxed);

        if (!count)
            continue;
        buf_printf(out, "%s[%" PRId64 ",%" PRIu64 "]", first ? "" : ",", hdr_bucket_top(i), count);
        first = false;
    }
    buf_printf(out, "]}");
}

void report_histograms(struct engine *engine, struct buf *out)
{
    struct hdr *hdr = malloc(sizeof(*hdr));

    CHECK(hdr);
    buf_append_char(out, '{');
    for (size_t s = 0; s < STAGE_COUNT; s++) {
        report_stage(engine, stage_name(s), hdr);
        buf_printf(out, "%s\"%s\":", s ? "," : "", stage_name(s));
        histogram_write(hdr, out);
    }
    buf_printf(out, "}\n");
    free(hdr);
}

void report_status(struct engine *engine, struct buf *out)
{
    const struct fleet *fleet = engine_fleet(engine);
    const struct plan *plan = fleet->plan;
    struct totals totals;

    report_totals(engine, &totals);
    buf_append_char(out, '{');
    json_string(out, "pipeline", plan->pipeline);
    buf_append_char(out, ',');
    json_string(out, "version", FRESHET_VERSION);
    buf_append_char(out, ',');
    json_string(out, "phase", phase_name(engine_phase(engine)));
    buf_printf(out, ",\"shards\":%u,\"uptime_seconds\":%.3f,\"cpu_seconds\":%.3f",
               fleet->shard_count,
               (double)(clock_monotonic_ns() - engine_started_ns(engine)) * 1e-9,
               (double)engine_cpu_ns(engine) * 1e-9);
    buf_printf(out,
               ",\"records\":%" PRIu64 ",\"events\":%" PRIu64 ",\"dead_letters\":%" PRIu64
               ",\"late\":%" PRIu64 ",\"rows\":%" PRIu64 ",\"empty_rows\":%" PRIu64
               ",\"redis_writes\":%" PRIu64 ",\"redis_fields\":%" PRIu64 ",\"keys\":%" PRId64
               ",\"state_bytes\":%" PRId64,
               totals.records, totals.events, totals.dead_letters, totals.late, totals.rows,
               totals.empty_rows, totals.redis_writes, totals.redis_fields, totals.keys,
               totals.state_bytes);
    status_stages(engine, out);
    buf_printf(out, ",\"checkpoint\":");
    checkpoint_status(engine, out);
    buf_printf(out, ",\"sources\":[");
    for (uint32_t i = 0; i < plan->source_count; i++) {
        buf_printf(out, "%s{", i ? "," : "");
        json_string(out, "source", plan->sources[i].name);
        buf_append_char(out, ',');
        json_string(out, "topic", plan->sources[i].topic);
        status_partitions(engine, i, out);
        buf_append_char(out, '}');
    }
    buf_printf(out, "]}\n");
}
