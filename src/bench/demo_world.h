/* demo_world - what a pipeline needs around it, made for a while: a Kafka broker inside the process
 * (librdkafka's mock cluster), a private redis-server on a unix socket, a folder for the socket. */
#ifndef FRESHET_BENCH_DEMO_WORLD_H
#define FRESHET_BENCH_DEMO_WORLD_H

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <sys/types.h>

#include "base/err.h"

struct demo_world {
    char folder[64];
    char socket[128];
    pid_t redis;          /* 0: not running */
    rd_kafka_t *producer; /* for the traffic; owns nothing else */
    rd_kafka_mock_cluster_t *cluster;
    const char *brokers;
};

/* Topics: names, NULL at the end; each gets `partitions`. Returns 0 or a negative errno. */
MUST_USE int demo_world_open(struct demo_world *world, const char *redis_server,
                             const char *const *topics, int partitions, struct err *err);

/* Stops and removes everything. */
void demo_world_close(struct demo_world *world);

#endif
