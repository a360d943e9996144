/* world - what a bench works in: brokers, a Redis, a folder; all that it makes there has a name of
 * its own and is removed at the end.
 *
 *   topics   <id>-<tag>-<source>      groups  <id>-<number>      Redis keys  <id>:…
 *   folder   <out>/work-<id>          state.dir and pipeline files of the engines under test
 *
 * The user's topics, groups and keys are never read or written. Brokers and Redis are the pipeline
 * file's, others that the command names, or embedded ones (bench/demo_world.h). */
#ifndef FRESHET_BENCH_WORLD_H
#define FRESHET_BENCH_WORLD_H

#include "bench/demo_world.h"
#include "kafka/client.h"
#include "plan/memory.h"
#include "plan/plan.h"

struct world_options {
    const char *brokers; /* or NULL: the pipeline file's */
    const char *redis;   /* URL, or NULL: the pipeline file's */
    const char *redis_server;
    const char *out; /* folder that is there */
    bool embedded;
};

struct world_names {
    char **names;
    uint32_t count;
};

/* The Redis keys that a bench may have made, one after the other: appends number `index`; false
 * behind the last one. So they are found without a look at anybody else's. */
typedef bool world_key_at(void *context, uint64_t index, struct buf *out);

struct world {
    const struct plan *plan; /* the user's */
    struct slice text;       /* of the user's file */
    bool embedded;
    char id[32];
    char *folder;
    struct plan_kafka kafka;
    struct plan_redis redis; /* present: the pipeline has one */
    char *redis_url;         /* with the password, or NULL */
    char *redis_key;         /* with the prefix, or NULL: embedded, so any key will do */
    world_key_at *key_at;    /* NULL: no event has been made yet */
    void *key_context;
    struct plan_memory *memory;
    struct demo_world parts; /* embedded */
    rd_kafka_t *client;      /* asks for topics and groups */
    struct world_names topics;
    struct world_names groups;
    uint32_t count; /* of what got a number */
};

/* `plan` and `text` outlive it. Returns 0 or a negative errno; nothing is left behind then. */
MUST_USE int world_open(struct world *world, const struct plan *plan, struct slice text,
                        const struct world_options *options, struct err *err);

/* Removes topics, groups, keys, folder. What cannot be removed is said on stderr, by name. */
void world_close(struct world *world);

/* A topic for each source of the plan; *ret_topics[source] live as long as the world.
 * `append_time`: records get the broker's append time. */
MUST_USE int world_topics(struct world *world, const char *tag, uint32_t partitions,
                          bool append_time, const char ***ret_topics, struct err *err);

/* A consumer group's name that is new; a folder's path below the world's. Both are the world's. */
const char *world_group(struct world *world);
const char *world_path(struct world *world, const char *tag);

/* A producer with these settings beside those that a keyed topic asks for. */
MUST_USE int world_producer(struct world *world, const char *linger_ms,
                            void (*configure)(rd_kafka_conf_t *conf), void *context,
                            rd_kafka_t **ret, struct err *err);

/* CPU of the brokers so far, -1 if none runs on this host: the process that listens where the first
 * broker is, or, embedded, its thread. */
int64_t world_broker_cpu_ns(const struct world *world);

/* An entity's key as the engines under test write it, appended. */
void world_redis_key(const struct world *world, uint32_t source, struct slice key, struct buf *out);

/* A Redis URL with the world's user, password and database at another place. To be freed. */
char *world_redis_url_at(const struct world *world, uint16_t port);

#endif
