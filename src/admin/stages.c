#include "admin/stages.h"
#include "source/fetcher.h"

enum stage_owner {
    OF_SHARD,
    OF_REDIS,
    OF_FETCHER,
};

static const struct {
    const char *name;
    enum stage_owner owner;
    size_t offset;
} stages[STAGE_COUNT] = {
    {"fetch_wait", OF_FETCHER, offsetof(struct fetcher_stats, wait_ns)},
    {"fetch", OF_SHARD, offsetof(struct shard_stats, fetch_ns)},
    {"decode", OF_SHARD, offsetof(struct shard_stats, decode_ns)},
    {"apply", OF_SHARD, offsetof(struct shard_stats, apply_ns)},
    {"turn", OF_SHARD, offsetof(struct shard_stats, turn_ns)},
    {"emit_wait", OF_REDIS, offsetof(struct redis_sink_stats, emit_wait)},
    {"redis", OF_REDIS, offsetof(struct redis_sink_stats, round_trip)},
    {"end_to_end", OF_REDIS, offsetof(struct redis_sink_stats, end_to_end)},
    {"fetched_to_redis", OF_REDIS, offsetof(struct redis_sink_stats, fetched_to_acked)},
};

const char *stage_name(size_t stage)
{
    return stages[stage].name;
}

const struct hdr *stage_of(const struct shard *shard, size_t stage)
{
    const char *stats = NULL;

    switch (stages[stage].owner) {
    case OF_SHARD:
        stats = (const char *)shard_stats(shard);
        break;
    case OF_REDIS:
        stats = (const char *)shard_redis_stats(shard);
        break;
    case OF_FETCHER:
        stats = (const char *)shard_fetch_stats(shard);
        break;
    }
    return stats ? (const struct hdr *)(stats + stages[stage].offset) : NULL;
}
