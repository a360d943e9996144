/* feature_lane - what lanes and their topic know of each other. */
#ifndef FRESHET_SINK_FEATURE_LANE_H
#define FRESHET_SINK_FEATURE_LANE_H

#include <stdalign.h>
#include <stdatomic.h>

#include "sink/feature_topic.h"
#include "sink/row_json.h"

#define FEATURE_EPOCH_NONE UINT64_C(0)
#define FEATURE_EPOCH_ALL  UINT64_MAX

/* Which rows may be produced: those of epochs up to this one. The control thread opens it; it is
 * closed by whoever finds that the transaction has failed. */
struct feature_gate {
    alignas(CACHE_LINE) _Atomic uint64_t epoch;
};

static inline void feature_gate_open(struct feature_gate *gate, uint64_t epoch)
{
    atomic_store_explicit(&gate->epoch, epoch, memory_order_release);
}

static inline uint64_t feature_gate_epoch(const struct feature_gate *gate)
{
    return atomic_load_explicit(&((struct feature_gate *)gate)->epoch, memory_order_acquire);
}

struct rd_kafka_topic_s;

struct feature_lane {
    alignas(CACHE_LINE) struct feature_topic *topic;
    const struct feature_gate *gate;
    struct rd_kafka_topic_s *handle;
    const struct row_json *formats; /* by view number */
    _Atomic uint64_t epoch;         /* of the rows that come now; the shard writes it */
    bool is_muted;
    struct buf row;
    struct buf pending; /* u32 key_len | u32 value_len | key | value, … */
    size_t taken;       /* of pending */
    struct feature_lane_stats stats;
};

void feature_lane_init(struct feature_lane *lane, struct feature_topic *topic,
                       const struct feature_gate *gate, struct rd_kafka_topic_s *handle,
                       const struct row_json *formats);
void feature_lane_done(struct feature_lane *lane);

/* A row can't be produced, now or ever; `code` is librdkafka's. Any thread. */
void feature_topic_refused(struct feature_topic *topic, int code, struct slice row);

#endif
