/* The shard's side of the feature topic. */
#include "sink/feature_lane.h"

#include <librdkafka/rdkafka.h>

#include "base/clock.h"

#define PENDING_BYTES_MAX ((size_t)8 * 1024 * 1024)
#define RETRY_NS          NS_PER_MS /* librdkafka's queue is full */

struct pending_head {
    uint32_t key_len;
    uint32_t value_len;
};

void feature_lane_init(struct feature_lane *lane, struct feature_topic *topic,
                       const struct feature_gate *gate, struct rd_kafka_topic_s *handle,
                       const struct row_json *formats)
{
    *lane = (struct feature_lane){
        .topic = topic, .gate = gate, .handle = handle, .formats = formats};
    atomic_init(&lane->epoch, FEATURE_EPOCH_FIRST);
}

void feature_lane_done(struct feature_lane *lane)
{
    buf_free(&lane->row);
    buf_free(&lane->pending);
}

static uint64_t epoch_now(const struct feature_lane *lane)
{
    return atomic_load_explicit(&((struct feature_lane *)lane)->epoch, memory_order_relaxed);
}

static bool may_produce(const struct feature_lane *lane)
{
    return epoch_now(lane) <= feature_gate_epoch(lane->gate);
}

static size_t pending_bytes(const struct feature_lane *lane)
{
    return lane->pending.len - lane->taken;
}

/* False if librdkafka's queue is full. A row that is refused for good is done with. */
static bool produce(struct feature_lane *lane, struct slice key, struct slice value)
{
    if (rd_kafka_produce(lane->handle, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY,
                         (void *)value.data, value.len, key.data, key.len, NULL) == 0) {
        counter_add(&lane->stats.rows, 1);
        counter_add(&lane->stats.bytes, key.len + value.len);
        return true;
    }
    rd_kafka_resp_err_t code = rd_kafka_last_error();
    if (code == RD_KAFKA_RESP_ERR__QUEUE_FULL)
        return false;
    feature_topic_refused(lane->topic, code, value);
    return true;
}

static void pending_append(struct feature_lane *lane, struct slice key, struct slice value)
{
    const struct pending_head head = {(uint32_t)key.len, (uint32_t)value.len};

    if (lane->taken > lane->pending.len / 2) {
        buf_consume(&lane->pending, lane->taken);
        lane->taken = 0;
    }
    buf_append(&lane->pending, &head, sizeof(head));
    buf_append_slice(&lane->pending, key);
    buf_append_slice(&lane->pending, value);
    gauge_set(&lane->stats.pending_bytes, (int64_t)pending_bytes(lane));
}

bool feature_lane_row(struct feature_lane *lane, const struct row *row)
{
    if (lane->is_muted)
        return true;
    buf_reset(&lane->row);
    row_json_append(&lane->formats[row->view->number], row, &lane->row);
    /* Rows of a key stay in order: none passes those that wait. */
    if (!feature_lane_idle(lane) || !may_produce(lane) ||
        !produce(lane, row->key, buf_slice(&lane->row)))
        pending_append(lane, row->key, buf_slice(&lane->row));
    return !feature_lane_full(lane);
}

void feature_lane_mute(struct feature_lane *lane, bool is_muted)
{
    lane->is_muted = is_muted;
}

bool feature_lane_mark(struct feature_lane *lane)
{
    if (!feature_lane_idle(lane))
        return false;
    /* Who reads the new epoch finds all rows of the old one produced. */
    atomic_store_explicit(&lane->epoch, epoch_now(lane) + 1, memory_order_release);
    return true;
}

void feature_lane_turn(struct feature_lane *lane)
{
    struct pending_head head;

    if (feature_lane_idle(lane) || !may_produce(lane))
        return;
    while (!feature_lane_idle(lane)) {
        const char *at = lane->pending.data + lane->taken;

        memcpy(&head, at, sizeof(head));
        at += sizeof(head);
        if (!produce(lane, (struct slice){at, head.key_len},
                     (struct slice){at + head.key_len, head.value_len}))
            break;
        lane->taken += sizeof(head) + head.key_len + head.value_len;
    }
    if (feature_lane_idle(lane)) {
        buf_reset(&lane->pending);
        lane->taken = 0;
    }
    gauge_set(&lane->stats.pending_bytes, (int64_t)pending_bytes(lane));
}

int64_t feature_lane_deadline_ns(const struct feature_lane *lane, int64_t now_ns)
{
    return feature_lane_idle(lane) || !may_produce(lane) ? INT64_MAX : now_ns + RETRY_NS;
}

bool feature_lane_full(const struct feature_lane *lane)
{
    return pending_bytes(lane) >= PENDING_BYTES_MAX;
}

bool feature_lane_idle(const struct feature_lane *lane)
{
    return pending_bytes(lane) == 0;
}

const struct feature_lane_stats *feature_lane_stats(const struct feature_lane *lane)
{
    return &lane->stats;
}
