/* What the edges count: the fetch path, Redis, the feature topic. */

#include "admin/page.h"
#include "source/fetcher.h"

/* One sample of a family: which counter, under which second label (NULL: none). */
struct edge_sample {
    enum metric_family family;
    const char *label;
    size_t offset;
};

/* Counters and gauges are one 64-bit number each. `stats_of`: NULL if the shard has none. */
static void samples_write(struct page *page, const struct edge_sample *samples, size_t count,
                          const void *(*stats_of)(const struct shard *shard))
{
    for (size_t s = 0; s < count; s++) {
        if (s == 0 || samples[s].family != samples[s - 1].family)
            exposition_family(&page->text, samples[s].family);
        for (uint32_t i = 0; i < page->fleet->shard_count; i++) {
            const char *stats = stats_of(page->fleet->shards[i]);

            if (stats)
                page_sample(page, i, samples[s].label, NULL,
                            counter_get((const struct counter *)(stats + samples[s].offset)));
        }
    }
}

static const void *redis_stats(const struct shard *shard)
{
    return shard_redis_stats(shard);
}

static const void *fetch_stats(const struct shard *shard)
{
    return shard_fetch_stats(shard);
}

#define REDIS_SAMPLE(family, label, member)                                                        \
    {                                                                                              \
        FAMILY_##family, label, offsetof(struct redis_sink_stats, member)                          \
    }

static const struct edge_sample redis_samples[] = {
    REDIS_SAMPLE(REDIS_ROWS, "taken", rows),
    REDIS_SAMPLE(REDIS_ROWS, "coalesced", rows_coalesced),
    REDIS_SAMPLE(REDIS_ROWS, "unchanged", rows_unchanged),
    REDIS_SAMPLE(REDIS_ROWS, "kept", rows_kept),
    REDIS_SAMPLE(REDIS_ROWS, "older", rows_older),
    REDIS_SAMPLE(REDIS_ROWS, "too_large", rows_too_large),
    REDIS_SAMPLE(REDIS_COMMANDS, "hset", hsets),
    REDIS_SAMPLE(REDIS_COMMANDS, "hdel", hdels),
    REDIS_SAMPLE(REDIS_COMMANDS, "expire", expires),
    REDIS_SAMPLE(REDIS_FIELDS, NULL, fields),
    REDIS_SAMPLE(REDIS_BYTES, NULL, bytes_out),
    REDIS_SAMPLE(REDIS_REPLIES, NULL, replies),
    REDIS_SAMPLE(REDIS_CONNECTS, "made", connects),
    REDIS_SAMPLE(REDIS_CONNECTS, "failed", connect_failures),
    REDIS_SAMPLE(REDIS_CONNECTS, "lost", losses),
    REDIS_SAMPLE(REDIS_CONNECTED, NULL, connected),
    REDIS_SAMPLE(REDIS_DIRTY, NULL, dirty),
    REDIS_SAMPLE(REDIS_IN_FLIGHT, NULL, in_flight),
};

void page_redis(struct page *page)
{
    samples_write(page, redis_samples, ARRAY_LEN(redis_samples), redis_stats);
    exposition_family(&page->text, FAMILY_REDIS_ERRORS);
    for (uint32_t i = 0; i < page->fleet->shard_count; i++) {
        const struct redis_sink_stats *stats = shard_redis_stats(page->fleet->shards[i]);

        for (int kind = 0; stats && kind < REDIS_ERROR_COUNT; kind++)
            page_sample(page, i, redis_error_name((enum redis_error)kind), NULL,
                        counter_get(&stats->errors[kind]));
    }
}

#define FETCH_SAMPLE(family, label, member)                                                        \
    {                                                                                              \
        FAMILY_##family, label, offsetof(struct fetcher_stats, member)                             \
    }

static const struct edge_sample fetch_samples[] = {
    FETCH_SAMPLE(FETCH_RESPONSES, NULL, responses),
    FETCH_SAMPLE(FETCH_BYTES, NULL, bytes),
    FETCH_SAMPLE(FETCH_QUEUED, NULL, queued_bytes),
    FETCH_SAMPLE(FETCH_CONNECTS, "made", connects),
    FETCH_SAMPLE(FETCH_CONNECTS, "lost", losses),
    FETCH_SAMPLE(FETCH_LEADERS, NULL, leader_changes),
    FETCH_SAMPLE(FETCH_ERRORS, "answered", errors),
    FETCH_SAMPLE(FETCH_ERRORS, "unsound", corrupt_batches),
};

void page_fetch(struct page *page)
{
    samples_write(page, fetch_samples, ARRAY_LEN(fetch_samples), fetch_stats);
}

static uint64_t feature_rows(const struct feature_lane_stats *stats)
{
    return counter_get(&stats->rows);
}

static uint64_t feature_bytes(const struct feature_lane_stats *stats)
{
    return counter_get(&stats->bytes);
}

static uint64_t feature_pending(const struct feature_lane_stats *stats)
{
    return (uint64_t)gauge_get(&stats->pending_bytes);
}

void page_feature_topic(struct page *page)
{
    static const struct {
        enum metric_family family;
        uint64_t (*read)(const struct feature_lane_stats *stats);
    } families[] = {
        {FAMILY_FEATURE_ROWS, feature_rows},
        {FAMILY_FEATURE_BYTES, feature_bytes},
        {FAMILY_FEATURE_PENDING, feature_pending},
    };
    struct feature_topic *topic = page->fleet->features;

    for (size_t f = 0; f < ARRAY_LEN(families); f++) {
        exposition_family(&page->text, families[f].family);
        for (uint32_t i = 0; i < page->fleet->shard_count; i++)
            page_sample(page, i, NULL, NULL,
                        families[f].read(feature_lane_stats(feature_topic_lane(topic, i))));
    }
    page_one(page, FAMILY_FEATURE_FAILURES, (double)feature_topic_failures(topic));
}
