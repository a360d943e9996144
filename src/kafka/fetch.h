/* fetch - asking a partition's leader for record batches, and what it answers.
 *
 *   response   throttle, error, session
 *              topic ─┬─ partition: error, offsets, aborted transactions, records
 *                     └─ partition: …
 *
 * A response is looked through as a whole before anything of it is handed out: it is taken or
 * refused, never believed by half. Records are not looked into here: that is batches.h. All slices
 * are bytes of the response.
 *
 * Sessions (KIP-227) are optional: a request with session 0, epoch -1 names all its partitions and
 * leaves nothing behind; with session 0, epoch 0 it asks for a session, in which further requests
 * (epoch 1, 2, …) name only partitions that are new or changed, `forget` those that go, and
 * responses leave out partitions without news. A session error in the response ends it: ask for a
 * new one.
 *
 * The broker gives a first batch that is larger than all limits whole (KIP-74): no batch is too
 * large to get on, but bounds on memory have to leave room for it.
 *
 * Source: Kafka protocol guide, "Fetch", versions 4 to 12; KIP-74, KIP-98, KIP-227, KIP-320,
 * KIP-392, KIP-482, KIP-595. */
#ifndef FRESHET_KAFKA_FETCH_H
#define FRESHET_KAFKA_FETCH_H

#include "kafka/aborted.h"
#include "kafka/request.h"

#define FETCH_NO_SESSION    0
#define FETCH_SESSION_NONE  (-1) /* as epoch: no session is wanted */
#define FETCH_SESSION_BEGIN 0 /* as epoch: one is; the next epoch is 1, after INT32_MAX again 1 */

enum kafka_isolation {
    KAFKA_READ_UNCOMMITTED = 0,
    KAFKA_READ_COMMITTED = 1, /* up to the last stable offset, with the aborted transactions */
};

struct fetch_partition {
    int32_t partition;
    int32_t leader_epoch;  /* the newest known: an older leader refuses; -1: unknown (from v9) */
    int32_t fetched_epoch; /* leader epoch of the record before `offset`: a log that has lost it
                            * since is `diverging`; -1: not to be checked (from v12) */
    int64_t offset;
    int32_t bytes_max; /* of this partition's records */
};

struct fetch_topic {
    struct slice name;
    const struct fetch_partition *partitions;
    uint32_t partition_count;
};

/* Partitions that leave the session. */
struct fetch_forget {
    struct slice name;
    const int32_t *partitions;
    uint32_t partition_count;
};

struct fetch_request {
    int32_t wait_ms_max; /* how long the broker may wait for bytes_min */
    int32_t bytes_min;
    int32_t bytes_max; /* of the whole response's records */
    enum kafka_isolation isolation;
    int32_t session_id; /* sessions: from v7 */
    int32_t session_epoch;
    const struct fetch_topic *topics; /* the broker fills the response in this order */
    uint32_t topic_count;
    const struct fetch_forget *forget;
    uint32_t forget_count;
    struct slice rack; /* where this side is, so that a nearer replica may be named (from v11);
                        * empty: anywhere */
};

/* `head->api` is KAFKA_API_FETCH; what its version does not have is left out. */
void fetch_request(struct buf *out, const struct kafka_request *head,
                   const struct fetch_request *request);

struct fetch_response {
    int32_t throttle_ms;
    int16_t error; /* enum kafka_error: of the session, or of the whole request */
    int32_t session_id;

    /* Not the caller's. */
    int16_t version;
    uint32_t topics_left;
    uint32_t partitions_left;
    struct slice topic;
    struct wire_reader rest;
};

/* What the response says of one partition; -1 where its version, or the broker, says nothing. */
struct fetch_answer {
    struct slice topic;
    int32_t partition;
    int16_t error; /* enum kafka_error */
    int64_t high_watermark;
    int64_t last_stable_offset;
    int64_t log_start_offset;
    int32_t leader_id; /* with NOT_LEADER_OR_FOLLOWER and FENCED_LEADER_EPOCH: who leads now */
    int32_t leader_epoch;
    int32_t diverging_epoch; /* >= 0: the log has lost `fetched_epoch`; it agrees up to … */
    int64_t diverging_offset;
    int32_t nearer_replica; /* to be asked from now on; there are no records with it */
    struct aborted_transactions aborted;
    struct slice records; /* batches, the last of which may be cut off; data NULL: none */
};

/* Looks through a response's body. Returns 0, or -EBADMSG with *ret untouched. */
MUST_USE int fetch_response(struct wire_reader body, int16_t version, struct fetch_response *ret);

/* The next partition; false: there is none. */
MUST_USE bool fetch_response_next(struct fetch_response *response, struct fetch_answer *ret);

#endif
