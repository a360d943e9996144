/* What a shard reads from and writes to. */

#include "base/clock.h"
#include "base/hash.h"
#include "shard/internal.h"

#define WATCHES_MAX          4
#define EDGE_LOG_INTERVAL_NS (5 * NS_PER_S)

static void redis_report(void *context, const char *text)
{
    struct shard *shard = context;
    uint64_t held_back;

    if (log_limit_pass(&shard->redis_log, clock_monotonic_ns(), EDGE_LOG_INTERVAL_NS, &held_back))
        log_warn("redis: %s (%llu more since the last such line)", text,
                 (unsigned long long)held_back);
}

static void leaders_wanted(void *context)
{
    struct shard *shard = context;

    atomic_store(&shard->fleet->leaders_wanted, true);
    shard->fleet->wake_control(shard->fleet->context);
}

static void fetch_report(void *context, const char *text)
{
    struct shard *shard = context;
    uint64_t held_back;

    if (log_limit_pass(&shard->fetch_log, clock_monotonic_ns(), EDGE_LOG_INTERVAL_NS, &held_back))
        log_warn("kafka: %s (%llu more since the last such line)", text,
                 (unsigned long long)held_back);
}

/* Where records come from. */
static void source_open(struct shard *shard)
{
    struct fetcher_options options = {
        .plan = shard->plan,
        .seed = hash64_int((uint64_t)shard->now_ns - shard->number),
        .leaders_wanted = leaders_wanted,
        .report = fetch_report,
        .context = shard,
    };

    if (!shard->fleet->is_native) {
        shard->intake = intake_create(shard->consumer, loop_wake_fd(shard->loop));
        return;
    }
    shard->fetch_io = fetch_uring_create(shard->loop, &options);
    shard->fetcher = fetch_uring_fetcher(shard->fetch_io);
}

static uint32_t streams_max(const struct shard *shard)
{
    const struct plan_redis *redis = &shard->plan->redis;

    return (redis->present ? REDIS_URING_STREAMS(redis->connections) : 1) +
           (shard->fleet->is_native ? FETCH_URING_STREAMS : 0);
}

int shard_edges_open(struct shard *shard, struct err *err)
{
    const struct plan *plan = shard->plan;
    struct loop_options options = {
        .streams_max = streams_max(shard),
        .watches_max = WATCHES_MAX,
    };
    int error = loop_create(&options, &shard->loop, err);

    if (error)
        return error;
    loop_gate_limit(shard->loop, shard->fleet->frozen_ns);
    if (plan->redis.present) {
        struct redis_sink_options redis = {
            .plan = plan,
            .arena = &shard->arena,
            .seed = hash64_int((uint64_t)shard->now_ns + shard->number),
            .report = redis_report,
            .report_context = shard,
        };

        shard->redis_io = redis_uring_create(shard->loop, &redis);
        shard->redis = redis_uring_sink(shard->redis_io);
    }
    if (shard->fleet->file)
        shard->file = &shard->fleet->file->lanes[shard->number];
    if (shard->fleet->features)
        shard->features = feature_topic_lane(shard->fleet->features, shard->number);
    source_open(shard);
    return 0;
}
