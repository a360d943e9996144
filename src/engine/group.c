#include "engine/group.h"

#include <errno.h>

#include "base/clock.h"
#include "base/failpoint.h"
#include "engine/internal.h"
#include "engine/recovery.h"

#define LAST_NS (20 * NS_PER_S) /* for the checkpoint before partitions go */

/* False if the partition was added after the start and can't be taken. */
static bool is_known(struct engine *engine, const struct assignment *assignment)
{
    char text[512];

    if ((uint32_t)assignment->partition < partition_count(engine, assignment->source))
        return true;
    snprintf(text, sizeof(text),
             "topic %s has grown to more than %u partitions while the engine ran; start it again",
             engine->plan->sources[assignment->source].topic,
             partition_count(engine, assignment->source));
    engine_fail(engine, -ESTALE, text);
    return false;
}

static void assign_one(struct engine *engine, struct assignment *assignment,
                       const struct origin *origin)
{
    uint32_t source = assignment->source;
    int32_t partition = assignment->partition;
    struct progress *progress = &engine->fleet.progress[source][partition];
    uint32_t shard = shard_of_partition(partition, engine->fleet.shard_count);
    bool was_read = assignment->committed_offset >= 0;
    struct command command = {
        .kind = COMMAND_ASSIGN,
        .source = source,
        .partition = partition,
        .start_offset = origin->position,
        .fetch_offset = origin->fetch_offset,
        .end_offset = engine->options.bounded ? assignment->end_offset : INT64_MAX,
        /* A run before this one may have written to Redis whatever is in the topic now. */
        .replay_offset = was_read ? assignment->end_offset : 0,
        .mute_offset = origin->mute_offset,
        .from = origin->from,
        .restore = origin->restore,
    };

    assignment->intake = shard_intake(engine->fleet.shards[shard]); /* native: NULL */
    assignment->start_offset = origin->fetch_offset;
    engine->assigned_counts[source]++;
    engine->bounded_starts[source][partition] = origin->position;
    engine->bounded_ends[source][partition] = assignment->end_offset;
    atomic_store(&progress->position, origin->position);
    atomic_store(&progress->committed, assignment->committed_offset);
    command_send(engine, shard, &command);
}

/* Shuffled sources need all partitions in one process. */
static void check_shuffled(struct engine *engine)
{
    char text[512];

    for (uint32_t i = 0; i < engine->plan->source_count; i++) {
        const struct plan_source *source = &engine->plan->sources[i];

        if (source->aligned || engine->assigned_counts[i] == partition_count(engine, i))
            continue;
        snprintf(text, sizeof(text),
                 "source %s has partitioning shuffle, but the consumer group gave this process "
                 "only %u of the %u partitions of %s: run one process, or key the topic by %s and "
                 "say partitioning: aligned. (Partitions that were added while it was stopped are "
                 "given to it when the session timeout has passed since then)",
                 source->name, engine->assigned_counts[i], partition_count(engine, i),
                 source->topic, source->fields[source->entity].name);
        engine_fail(engine, -EBUSY, text);
    }
}

/* That may be right, where others have them; or it is a static member that came back with another
 * list of topics, which brokers don't look at before its session timeout has passed. */
static void tell_unassigned(const struct engine *engine)
{
    for (uint32_t i = 0; i < engine->plan->source_count; i++) {
        if (engine->assigned_counts[i] == 0)
            log_warn("the consumer group gave this process no partition of %s: source %s is not "
                     "read. (A topic that was added to the pipeline is given out when the session "
                     "timeout has passed since the last stop)",
                     engine->plan->sources[i].topic, engine->plan->sources[i].name);
    }
}

/* Every shard loads its key groups of the shuffled sources. */
static void shuffled_restore(struct engine *engine, const struct recovery *recovery,
                             const struct assignment *list, size_t count)
{
    bool is_done[PLAN_SOURCES_MAX] = {false};

    for (size_t i = 0; i < count; i++) {
        uint32_t source = list[i].source;
        const struct restore *restore = recovery->origins[i].restore;

        if (engine->plan->sources[source].aligned || !restore || is_done[source])
            continue;
        is_done[source] = true;
        command_send_all(
            engine,
            &(struct command){.kind = COMMAND_RESTORE, .source = source, .restore = restore});
    }
}

/* Whether the shard may own keys of a partition of which the group has no offset. */
static bool owns_unread(const struct engine *engine, uint32_t shard, const struct assignment *list,
                        size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bool is_aligned = engine->plan->sources[list[i].source].aligned;

        if (list[i].committed_offset < 0 &&
            (!is_aligned ||
             shard_of_partition(list[i].partition, engine->fleet.shard_count) == shard))
            return true;
    }
    return false;
}

/* A process before this one, which has committed nothing, may still be writing to Redis. */
static void commits_await(struct engine *engine, const struct assignment *list, size_t count)
{
    for (uint32_t i = 0; i < engine->fleet.shard_count; i++) {
        if (owns_unread(engine, i, list, count))
            command_send(engine, i, &(struct command){.kind = COMMAND_AWAIT});
    }
}

static void hand_over(struct engine *engine, const struct recovery *recovery,
                      struct assignment *list, size_t count)
{
    int64_t begun_ns = clock_monotonic_ns();

    commits_await(engine, list, count);
    shuffled_restore(engine, recovery, list, count);
    for (size_t i = 0; i < count; i++)
        assign_one(engine, &list[i], &recovery->origins[i]);
    shards_settle(engine);
    reports_take(engine);
    if (recovery->name_count > 0)
        log_info("state of %s in %.3f s", recovery_name(recovery),
                 (double)(clock_monotonic_ns() - begun_ns) * 1e-9);
    FAILPOINT("restored");
}

void group_assigned(void *context, struct assignment *list, size_t count)
{
    struct engine *engine = context;
    struct recovery recovery;
    struct err err;

    for (size_t i = 0; i < count; i++) {
        if (!is_known(engine, &list[i]))
            return;
    }
    FAILPOINT("assigned");
    int error = recovery_resolve(&recovery, engine, list, count, &err);
    if (!error)
        error = recovery_begin(&recovery, count, &err);
    if (error)
        engine_fail(engine, error, err.text);
    else
        hand_over(engine, &recovery, list, count);
    recovery_done(&recovery);
    if (engine->failure)
        return;
    log_info("assigned %zu partitions", count);
    check_shuffled(engine);
    tell_unassigned(engine);
    if (!engine->has_assignment && engine->options.bounded)
        command_send_all(engine, &(struct command){.kind = COMMAND_COMPLETE});
    engine->has_assignment = true;
    if (engine_phase(engine) == ENGINE_STARTING)
        atomic_store(&engine->phase, ENGINE_READING);
    checkpoints_urge(engine);
}

/* Makes their last checkpoint, behind whose mark nothing of them happens any more: the next owner
 * does that again. */
static void take_leave(struct engine *engine, const struct assignment *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t shard = shard_of_partition(list[i].partition, engine->fleet.shard_count);

        command_send(engine, shard,
                     &(struct command){.kind = COMMAND_LEAVE,
                                       .source = list[i].source,
                                       .partition = list[i].partition});
    }
    int error = checkpoints_make(engine, LAST_NS, false);

    if (!error || engine->failure)
        return;
    /* Their rows since the checkpoint before would come into force with the next one. */
    if (engine->fleet.file || engine->fleet.features)
        engine_fail(engine, error,
                    "partitions are to go to another process, and their last checkpoint could not "
                    "be made");
    else
        log_warn("partitions go without a last checkpoint: they are read from the one before");
}

static void let_go(struct engine *engine, const struct assignment *partition)
{
    struct progress *progress = &engine->fleet.progress[partition->source][partition->partition];
    uint32_t shard = shard_of_partition(partition->partition, engine->fleet.shard_count);

    atomic_store(&progress->position, -1);
    atomic_store(&progress->committed, -1);
    engine->assigned_counts[partition->source]--;
    if (shard < engine->shards_started)
        command_send(engine, shard,
                     &(struct command){.kind = COMMAND_REVOKE,
                                       .source = partition->source,
                                       .partition = partition->partition});
}

/* When no shard reads of it any more, and none writes. */
static void forget(struct engine *engine, const struct assignment *partition)
{
    const struct plan_source *source = &engine->plan->sources[partition->source];
    struct err err;

    if (source->aligned && engine->checkpoints.store &&
        store_drop_group(engine->checkpoints.store, store_source_hash(source->name),
                         (uint32_t)partition->partition, &err))
        engine_fail(engine, -EIO, err.text);
}

void group_revoked(void *context, const struct assignment *list, size_t count, bool lost)
{
    struct engine *engine = context;
    bool is_done = engine_phase(engine) == ENGINE_DONE;

    if (count == 0)
        return;
    if (lost && !is_done)
        engine_fail(engine, -EPERM,
                    "this process was out of its consumer group for longer than the session "
                    "timeout: another one may own its partitions, and it cannot commit any more");
    else if (!is_done)
        take_leave(engine, list, count);
    for (size_t i = 0; i < count; i++)
        let_go(engine, &list[i]);
    shards_settle(engine);
    if (!blocks_store(engine) && !engine->failure)
        engine_fail(engine, -ENOSPC, "there is no room on the disk for the state that goes");
    for (size_t i = 0; i < count; i++)
        forget(engine, &list[i]);
    if (!is_done && !engine->failure) {
        log_info("%zu partitions were revoked", count);
        check_shuffled(engine);
    }
}
