/* cluster - who leads which partition of the plan's topics, and where that broker listens.
 *
 * Looked up by the control thread, through librdkafka; immutable from then on and shared by all
 * shards, each of which holds it as long as it needs it. */
#ifndef FRESHET_SOURCE_CLUSTER_H
#define FRESHET_SOURCE_CLUSTER_H

#include "base/err.h"
#include "plan/plan.h"

#define CLUSTER_NO_LEADER (-1)

struct cluster_broker {
    int32_t id;
    uint16_t port;
    char host[256];
};

struct cluster_topic {
    uint32_t partition_count;
    int32_t *leaders; /* by partition: a broker's id, or CLUSTER_NO_LEADER */
};

struct cluster {
    _Atomic uint32_t references;
    uint32_t broker_count;
    struct cluster_broker *brokers;
    uint32_t topic_count;
    struct cluster_topic *topics; /* by source */
};

struct rd_kafka_s;

/* Asks the brokers. Returns 0 with one reference, or a negative errno. */
MUST_USE int cluster_look_up(struct rd_kafka_s *client, const struct plan *plan, int timeout_ms,
                             struct cluster **ret, struct err *err);

/* One that is filled by hand: without brokers and topics. */
struct cluster *cluster_create(uint32_t broker_count, uint32_t topic_count);
void cluster_set_topic(struct cluster *cluster, uint32_t source, uint32_t partition_count);

struct cluster *cluster_hold(struct cluster *cluster);

/* `cluster` may be NULL. Any thread. */
void cluster_drop(struct cluster *cluster);

/* The broker that leads the partition, or NULL if there is none just now. */
const struct cluster_broker *cluster_leader(const struct cluster *cluster, uint32_t source,
                                            int32_t partition);

const struct cluster_broker *cluster_broker(const struct cluster *cluster, int32_t id);

#endif
