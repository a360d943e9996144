/* What the files of the engine layer share: see engine.h for the whole. All of it belongs to the
 * control thread, but for what is atomic. */
#ifndef FRESHET_ENGINE_INTERNAL_H
#define FRESHET_ENGINE_INTERNAL_H

#include <pthread.h>

#include "base/log.h"
#include "engine/checkpoints.h"
#include "engine/engine.h"
#include "engine/group.h"
#include "engine/placement.h"
#include "sink/feature_topic.h"

struct engine {
    const struct plan *plan;
    struct engine_options options;
    struct placement placement;
    struct loop *loop;
    struct consumer *consumer;
    struct file_writer file;
    struct fleet fleet;
    struct checkpoints checkpoints;
    uint32_t shards_started;
    uint32_t shards_drained;
    _Atomic int phase;
    _Atomic bool stop_wanted;
    bool is_draining; /* COMMAND_DRAIN was sent */
    bool has_assignment;
    int failure; /* negative errno: the run ends with it, and with */
    struct err failure_text;
    int64_t **bounded_ends; /* by source and partition: where a bounded run ends, or -1 */
    int64_t **bounded_starts;
    uint32_t *assigned_counts; /* by source */
    int64_t started_ns;
    int64_t started_cpu_ns;
    int64_t tick_due_ns;
    int64_t poll_due_ns;
    int64_t drain_until_ns;
    int64_t leaders_due_ns; /* when they may be looked up again */
    struct log_limit notice_limit;
    pthread_mutex_t notice_mutex; /* notices come from the consumer's and the producer's threads */
};

static inline uint32_t partition_count(const struct engine *engine, uint32_t source)
{
    return engine->fleet.clocks[source].partition_count;
}

/* The first failure ends the run. */
void engine_fail(struct engine *engine, int error, const char *text);

void command_send(struct engine *engine, uint32_t shard, const struct command *command);
void command_send_all(struct engine *engine, const struct command *command);

/* Waits until the shards have done all that they were told. */
void shards_settle(struct engine *engine);

void reports_take(struct engine *engine);

/* Writes what the shards have handed to the outputs of the control thread. */
void outputs_turn(struct engine *engine);

#endif
