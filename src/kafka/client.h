/* client - what freshet's Kafka clients have in common: configuration from the plan, topics.
 *
 * librdkafka does group membership, metadata, commits and producing; its threads run on the control
 * CPUs. */
#ifndef FRESHET_KAFKA_CLIENT_H
#define FRESHET_KAFKA_CLIENT_H

#include <librdkafka/rdkafka.h>

#include "base/err.h"
#include "plan/plan.h"

/* How long start-up waits for a broker's answer. */
#define KAFKA_START_TIMEOUT_MS 15000

struct kafka_setting {
    const char *name;
    const char *value;
};

struct kafka_options {
    const struct kafka_setting *settings; /* freshet's own; those of the plan come after them */
    size_t setting_count;
    void (*configure)(rd_kafka_conf_t *conf); /* sets callbacks; may be NULL */
    void *context;                            /* the callbacks' opaque */
};

/* Creates a client of the plan's brokers. kafka.properties override freshet's settings, apart from
 * those that its guarantees rest on. Returns 0, or -EINVAL with what librdkafka says. */
MUST_USE int kafka_client_create(const struct plan_kafka *plan, rd_kafka_type_t type,
                                 const struct kafka_options *options, rd_kafka_t **ret,
                                 struct err *err);

/* The number of the topic's partitions into *ret_count; 0: there is no such topic. Returns 0,
 * -ETIMEDOUT when no broker answers in time, or -EIO for another answer. */
MUST_USE int kafka_topic_partitions(rd_kafka_t *client, const char *topic, int *ret_count,
                                    struct err *err);

/* Sees to it that the topic is there: if it has to be made, with the broker's default numbers of
 * partitions and replicas. Returns 0 or a negative errno. */
MUST_USE int kafka_topic_ensure(rd_kafka_t *client, const char *topic, struct err *err);

#endif
