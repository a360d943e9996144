/* feature_topic - rows as records of a Kafka topic, with the offsets that they come from.
 *
 *   shard     lane ──produce──▶ librdkafka ─▶ brokers        epoch = open epoch
 *             lane: pending rows                             epoch > open epoch, or queue full
 *                        ▲ wake
 *   control   commit(offsets): epoch n is closed, n + 1 is open
 *
 * A record is keyed by the entity's key and holds the row's JSON, as a line of the file output
 * does.
 *
 * Transactional: one Kafka transaction at a time, and one epoch in it. An epoch is what lies
 * between two marks of a lane. A row behind a mark must not get into the transaction before it, so
 * it waits in its lane until the control thread has committed that. Rows, offsets and the
 * checkpoint that their metadata names become visible in one step; what a process leaves open when
 * it ends is aborted by feature_topic_init of the next one with the same transactional id, which is
 * therefore called before the committed offsets are read.
 *
 * Not transactional: rows are produced as they come, and acknowledged before the offsets are
 * committed: at least once.
 *
 * A lane holds a bounded number of bytes; then it is full and the shard stops consuming. One
 * producer for the process. A lane belongs to its shard; everything else to the control thread. */
#ifndef FRESHET_SINK_FEATURE_TOPIC_H
#define FRESHET_SINK_FEATURE_TOPIC_H

#include "base/err.h"
#include "freshet/row.h"
#include "metrics/counter.h"
#include "plan/plan.h"

#define FEATURE_EPOCH_FIRST 1

struct feature_topic;
struct feature_lane;
struct rd_kafka_s;
struct rd_kafka_topic_partition_list_s;
struct rd_kafka_consumer_group_metadata_s;

/* Written by the lane's shard. */
struct feature_lane_stats {
    struct counter rows;        /* handed to librdkafka */
    struct counter bytes;       /* of their keys and values */
    struct gauge pending_bytes; /* that wait in the lane */
};

struct feature_hooks {
    void (*notice)(void *context, const char *text); /* for the log; from any thread */
    void (*wake)(void *context); /* wakes the shards: a lane may have something to do */
    void *context;
};

struct feature_options {
    uint32_t lane_count;
    const char *transactional_id; /* "<group>/<instance id>"; not needed without transactions */
    struct feature_hooks hooks;
};

/* The producer of plan->feature_topic. Asks no broker. Returns 0 or a negative errno. */
MUST_USE int feature_topic_create(const struct plan *plan, const struct feature_options *options,
                                  struct feature_topic **ret, struct err *err);

/* Aborts what is not committed. Lanes must not be used any more. `topic` may be NULL. */
void feature_topic_free(struct feature_topic *topic);

/* With transactions: fences processes that have the same transactional id, waits for the end of
 * what they left behind, and begins the first transaction. Returns 0; -ETIMEDOUT: no answer, may be
 * tried again; or another negative errno. */
MUST_USE int feature_topic_init(struct feature_topic *topic, int timeout_ms, struct err *err);

/* Handles what the brokers have answered: every now and then. Returns 0, or like
 * feature_topic_commit if it can be told already that nothing can be committed any more. */
MUST_USE int feature_topic_poll(struct feature_topic *topic, struct err *err);

/* With transactions, when all lanes have been marked: commits the rows of the epoch together with
 * the offsets, and opens the next epoch. Offsets that the brokers don't take within a minute end
 * the transaction, so that is how long it may take beyond the time given. Returns 0 or
 *
 *   -EAGAIN      the brokers have not decided within the time: call again with the same arguments;
 *                until it returns something else the outcome is not known
 *   -ECANCELED   nothing was committed, nor can it be: a row was refused, or the consumer group has
 *                moved on. The next start goes on from the last checkpoint
 *   -ESTALE      another process has taken this one's place: likewise
 *   -EIO         something else that the producer does not survive: likewise
 *
 * with a text for a person. Any but -EAGAIN ends the topic's use. */
MUST_USE int feature_topic_commit(struct feature_topic *topic,
                                  const struct rd_kafka_topic_partition_list_s *offsets,
                                  const struct rd_kafka_consumer_group_metadata_s *group,
                                  int timeout_ms, struct err *err);

/* When the checkpoint has failed before feature_topic_commit: the next epoch's rows go into the
 * same transaction. A lane that had not been marked yet is so later, once more than the others. */
void feature_topic_join(struct feature_topic *topic);

/* Without transactions, when all lanes have been marked: waits until all rows before the marks, and
 * whatever was produced since, are acknowledged or refused; -ETIMEDOUT if that takes longer, -EIO
 * if the producer is of no use any more. */
MUST_USE int feature_topic_flush(struct feature_topic *topic, int timeout_ms);

/* Rows that the brokers or librdkafka refused for good. */
uint64_t feature_topic_failures(const struct feature_topic *topic);

/* A client for administration: the producer's own. */
struct rd_kafka_s *feature_topic_client(struct feature_topic *topic);

struct feature_lane *feature_topic_lane(struct feature_topic *topic, uint32_t number);
const struct feature_lane_stats *feature_lane_stats(const struct feature_lane *lane);

/* The shard's side. False when the lane is full; the row was taken all the same. */
bool feature_lane_row(struct feature_lane *lane, const struct row *row);

/* Rows that come are dropped, as long as it is muted. */
void feature_lane_mute(struct feature_lane *lane, bool is_muted);

/* The rows so far belong to the epoch that ends here, later ones to the next. False if that can't
 * be done now, because rows wait in the lane: try again in the next turn, and emit nothing before.
 */
MUST_USE bool feature_lane_mark(struct feature_lane *lane);

/* Produces what waits, as far as that goes. */
void feature_lane_turn(struct feature_lane *lane);

/* When feature_lane_turn has something to do next, or INT64_MAX: it is woken. */
int64_t feature_lane_deadline_ns(const struct feature_lane *lane, int64_t now_ns);

bool feature_lane_full(const struct feature_lane *lane);

/* True when no row waits in the lane. */
bool feature_lane_idle(const struct feature_lane *lane);

#endif
