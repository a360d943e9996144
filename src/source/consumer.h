/* consumer - the process's member of the Kafka consumer group, and the shards' queues of records.
 *
 *             control thread                      shard thread
 *   broker ─▶ consumer (one client) ──forward──▶  intake (one queue a shard) ─▶ records
 *                  │ assigned, revoked
 *                  ▼
 *               engine: which partition goes to which intake
 *
 * Partition queues are forwarded straight to the intakes, so records never pass the control thread.
 * What an intake holds unread is bounded by librdkafka's queued.* settings: a shard that stops
 * polling is back-pressure. A consumer belongs to the control thread, an intake's polling to its
 * shard. */
#ifndef FRESHET_SOURCE_CONSUMER_H
#define FRESHET_SOURCE_CONSUMER_H

#include <stddef.h>

#include "base/err.h"
#include "freshet/source.h"
#include "plan/plan.h"

struct consumer;
struct intake;

/* One partition that the group gives to this process. */
struct assignment {
    uint32_t source;
    int32_t partition;
    int64_t begin_offset;     /* of the oldest record there is */
    int64_t end_offset;       /* behind the newest record, at this time */
    int64_t start_offset;     /* where reading begins; by the source's `start` at first */
    int64_t committed_offset; /* of the group, or -1 */
    const char *checkpoint;   /* the committed offset's metadata: the checkpoint's id; may be "" */
    struct intake *intake;    /* set by the hook */
};

/* Called in consumer_poll and consumer_close, by the control thread. */
struct consumer_hooks {
    /* Sets `intake`, may change start_offset, and tells the shard, before this returns. */
    void (*assigned)(void *context, struct assignment *list, size_t count);
    /* Returns when the shards have let go of them. `lost`: another member may own them already. */
    void (*revoked)(void *context, const struct assignment *list, size_t count, bool lost);
    /* Troubles of the connection, for the log. */
    void (*notice)(void *context, const char *text);
    /* The consumer is of no use any more. */
    void (*fatal)(void *context, const char *text);
    void *context;
};

/* Looks up the topics. Returns 0 or a negative errno: no broker, no such topic, a refused property.
 */
MUST_USE int consumer_create(const struct plan *plan, const struct consumer_hooks *hooks,
                             struct consumer **ret, struct err *err);

/* Shards fetch for themselves (fetcher.h): the consumer reads no records, and its assignments'
 * `intake` stays NULL. */
bool consumer_is_native(const struct consumer *consumer);

/* Leaves the group; intakes must have been freed. `consumer` may be NULL. */
void consumer_free(struct consumer *consumer);

/* The number of partitions that the source's topic had when the consumer was created. */
int consumer_partitions(const struct consumer *consumer, uint32_t source);

/* The source that reads the topic, which is one that was subscribed to. */
uint32_t consumer_source_of(const struct consumer *consumer, const char *topic);

/* A client for administration: the consumer's own. */
struct rd_kafka_s *consumer_client(struct consumer *consumer);

MUST_USE int consumer_subscribe(struct consumer *consumer, struct err *err);

/* Serves the group for at most `timeout_ms`; 0 does not wait. */
void consumer_poll(struct consumer *consumer, int timeout_ms);

/* `wake_fd` is written a uint64_t of 1 when there is something for consumer_poll. */
void consumer_wake_by(struct consumer *consumer, int wake_fd);

struct position {
    uint32_t source;
    int32_t partition;
    int64_t offset; /* of the next record to read */
};

enum commit_answer {
    COMMIT_ACCEPTED,
    COMMIT_REFUSED, /* for now: the coordinator is away, or the group is being rebalanced */
    COMMIT_FENCED,  /* for good: somebody else has this member's place */
};

/* Commits offsets with the checkpoint's id as metadata. The answer comes in consumer_poll_commits;
 * one commit at a time. */
void consumer_commit(struct consumer *consumer, const struct position *list, size_t count,
                     const char *checkpoint);

/* False while the group is being rebalanced: what is committed then comes behind the new
 * generation, is refused, and costs the member its partitions. */
bool consumer_may_commit(const struct consumer *consumer);

/* True if the answer to consumer_commit has come; *ret_text says what was answered, and lives until
 * the next commit. Waits for at most `timeout_ms`. */
bool consumer_commit_answered(struct consumer *consumer, int timeout_ms,
                              enum commit_answer *ret_answer, const char **ret_text);

/* The offsets of a commit, to be destroyed by the caller, and the member's identity likewise, for a
 * producer's transaction. */
struct rd_kafka_topic_partition_list_s *consumer_offsets(struct consumer *consumer,
                                                         const struct position *list, size_t count,
                                                         const char *checkpoint);
struct rd_kafka_consumer_group_metadata_s *consumer_member(struct consumer *consumer);

/* The checkpoints that committed offsets of any partition of the sources name: calls `found` for
 * each. Returns 0 or a negative errno. */
MUST_USE int consumer_committed(struct consumer *consumer, int timeout_ms,
                                void (*found)(void *context, const char *checkpoint),
                                void *context);

/* The group drops a member that it has not heard of for so long. */
int64_t consumer_session_timeout_ms(const struct consumer *consumer);

/* The Kafka cluster's id, or "". */
const char *consumer_cluster_id(const struct consumer *consumer);

/* What this process is called in the group: the same after a restart. */
const char *consumer_instance_id(const struct consumer *consumer);

/* The last known end of the partition, or -1. */
int64_t consumer_end_offset(struct consumer *consumer, uint32_t source, int32_t partition);

enum fetched_kind {
    FETCHED_RECORD,
    FETCHED_END,   /* the partition has been read to its end; record.offset is the end */
    FETCHED_ERROR, /* the partition can't be read just now; text says why */
    FETCHED_LOST,  /* the records to be read next are gone: reading can't go on */
    FETCHED_VOID,  /* set by the shard: the partition has been taken away since */
};

struct fetched {
    enum fetched_kind kind;
    uint32_t source;
    struct record record; /* its bytes live until intake_release */
    const char *text;
    void *message;
};

/* `wake_fd` is written a uint64_t of 1 when records come into the empty queue. */
struct intake *intake_create(struct consumer *consumer, int wake_fd);
void intake_free(struct intake *intake);

/* What partitions are forwarded to. */
struct rd_kafka_queue_s *intake_queue(struct intake *intake);

/* Takes up to `max` that are there, without waiting; returns how many. */
size_t intake_poll(struct intake *intake, struct fetched *out, size_t max);

/* Records that came from intake_poll are done with. */
void intake_release(struct fetched *list, size_t count);

#endif
