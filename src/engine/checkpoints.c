#include "engine/checkpoints.h"

#include <errno.h>

#include "base/clock.h"
#include "base/failpoint.h"
#include "engine/internal.h"
#include "engine/publish.h"
#include "kafka/client.h"

#define FLUSH_WAIT_MS       5
#define TELL_NS             (5 * NS_PER_S) /* what checkpoints_make waits for */
#define WAIT_NS             NS_PER_MS      /* of checkpoints_make between two looks */
#define TRANSACTION_WAIT_MS 500 /* then the control thread looks after other things, too */

int checkpoints_open(struct engine *engine, struct err *err)
{
    struct checkpoints *checkpoints = &engine->checkpoints;
    const struct plan_checkpoint *plan = &engine->plan->checkpoint;
    const struct plan_feature_topic *features = &engine->plan->feature_topic;

    coordinator_init(&checkpoints->coordinator,
                     &(struct coordinator_rules){
                         .every_ns = plan->every_ms * NS_PER_MS,
                         .min_pause_ns = plan->min_pause_ms * NS_PER_MS,
                         .timeout_ns = plan->timeout_ms * NS_PER_MS,
                         .tolerable_failures = plan->tolerable_failures,
                         .shard_count = engine->fleet.shard_count,
                         .is_transactional = features->name && features->transactional,
                     });
    checkpoints->marks = calloc(engine->fleet.shard_count, sizeof(*checkpoints->marks));
    CHECK(checkpoints->marks);
    return state_dir_open(engine->plan->state.dir, &checkpoints->dir, err);
}

static void marks_free(struct engine *engine)
{
    struct mark **marks = engine->checkpoints.marks;

    for (uint32_t i = 0; marks && i < engine->fleet.shard_count; i++) {
        mark_free(marks[i]);
        marks[i] = NULL;
    }
}

void checkpoints_close(struct engine *engine)
{
    struct checkpoints *checkpoints = &engine->checkpoints;

    marks_free(engine);
    free(checkpoints->marks);
    free(checkpoints->positions);
    buf_free(&checkpoints->adopted);
    share_block_free(checkpoints->blocks.stuck);
    store_close(checkpoints->store);
    state_dir_close(checkpoints->dir);
}

/* --- a failure --- */

/* The store holds what belongs to no capture that is under way. */
static void capture_over(struct engine *engine)
{
    atomic_store(&engine->fleet.captures_over, engine->checkpoints.coordinator.number);
}

static void end_by_failures(struct engine *engine, uint32_t in_row, int error, const char *text)
{
    char all[sizeof(((struct err *)NULL)->text)];

    snprintf(all, sizeof(all), "%u checkpoints failed in a row, the last one: %s", in_row, text);
    engine_fail(engine, error, all);
}

static void failed(struct engine *engine, int error, const char *text, bool is_store_lost)
{
    struct checkpoints *checkpoints = &engine->checkpoints;
    struct coordinator_failure failure = coordinator_failed(&checkpoints->coordinator,
                                                            is_store_lost, clock_monotonic_ns());

    counter_add(&checkpoints->stats.failed, 1);
    gauge_set(&checkpoints->stats.failures_in_row, failure.in_row);
    log_error("checkpoint failed (%u in a row): %s", failure.in_row, text);
    checkpoints->last_error = error;
    err_set(&checkpoints->last_err, error, "%s", text);
    if (failure.is_savepoint)
        savepoint_failed(&checkpoints->savepoint, text, failure.is_frozen);
    if (failure.is_marked && engine->fleet.features)
        feature_topic_join(engine->fleet.features);
    if (failure.ends_process)
        end_by_failures(engine, failure.in_row, error, text);
    marks_free(engine);
    if (failure.empties_store)
        blocks_begin_anew(engine, error, text);
    capture_over(engine);
}

/* --- marks --- */

static int images_drop(struct engine *engine, struct err *err)
{
    int error = 0;

    for (uint32_t i = 0; !error && i < engine->plan->source_count; i++)
        error = store_drop_images(engine->checkpoints.store,
                                  store_source_hash(engine->plan->sources[i].name), err);
    return error;
}

static void mark(struct engine *engine)
{
    struct checkpoints *checkpoints = &engine->checkpoints;
    struct coordinator *coordinator = &checkpoints->coordinator;
    struct err err;
    int error;

    FAILPOINT("checkpoint_begin");
    checkpoints->entries = checkpoints->blocks.bytes = 0;
    if (!gauge_get(&checkpoints->stats.first_ns))
        gauge_set(&checkpoints->stats.first_ns, coordinator->begun_ns);
    error = images_drop(engine, &err);
    if (error) {
        failed(engine, error, err.text, true);
        return;
    }
    coordinator_marked(coordinator);
    command_send_all(engine, &(struct command){.kind = COMMAND_MARK,
                                               .number = coordinator->number,
                                               .all = coordinator->is_all});
}

void checkpoints_take(struct engine *engine, uint32_t shard, struct mark *mark)
{
    struct checkpoints *checkpoints = &engine->checkpoints;

    if (!coordinator_captured(&checkpoints->coordinator, mark->number)) {
        mark_free(mark);
        return;
    }
    hdr_record(&checkpoints->stats.align_ns, mark->align_ns, 1);
    checkpoints->marks[shard] = mark;
}

/* Blocks could not be written. */
static void capture_lost(struct engine *engine)
{
    struct blocks *blocks = &engine->checkpoints.blocks;
    int error = blocks->error;

    blocks->error = 0;
    failed(engine, error, blocks->err.text, true);
}

/* What has come of it is no checkpoint, but not wrong either. */
static void capture_abort(struct engine *engine)
{
    const struct blocks *blocks = &engine->checkpoints.blocks;
    bool is_stuck = blocks->stuck != NULL;

    command_send_all(engine, &(struct command){.kind = COMMAND_ABORT});
    shards_settle(engine);
    blocks_store(engine);
    if (is_stuck)
        failed(engine, -ENOSPC, blocks->err.text, false);
    else
        failed(engine, -ETIMEDOUT, "the shards did not write their state in time", false);
}

/* --- freezing --- */

static void positions_take(struct checkpoints *checkpoints, const struct manifest *manifest)
{
    size_t bytes = (manifest->partition_count + 1) * sizeof(*checkpoints->positions);

    checkpoints->positions = realloc(checkpoints->positions, bytes);
    CHECK(checkpoints->positions);
    checkpoints->position_count = manifest->partition_count;
    for (uint32_t i = 0; i < manifest->partition_count; i++) {
        const struct manifest_partition *partition = &manifest->partitions[i];

        checkpoints->positions[i] = (struct position){.source = partition->source,
                                                      .partition = partition->partition,
                                                      .offset = partition->position};
    }
}

static void manifest_fill(struct engine *engine, struct manifest *manifest)
{
    const struct plan *plan = engine->plan;
    struct buf schema = {0};

    manifest_init(manifest, plan->pipeline, plan->kafka.group,
                  consumer_instance_id(engine->consumer));
    manifest_set_cluster(manifest, consumer_cluster_id(engine->consumer));
    for (uint32_t i = 0; i < plan->source_count; i++) {
        const struct plan_source *source = &plan->sources[i];

        buf_reset(&schema);
        schema_save(plan, i, &schema);
        manifest_add_source(manifest, source->name, source->topic, source->aligned,
                            partition_count(engine, i), buf_slice(&schema));
    }
    buf_free(&schema);
    if (engine->checkpoints.coordinator.is_savepoint)
        manifest_set_savepoint(manifest, engine->checkpoints.savepoint.name);
    marks_save(engine->checkpoints.marks, engine->fleet.shard_count, manifest);
    positions_take(&engine->checkpoints, manifest);
}

/* The rows of the file that wait for this checkpoint. */
static int rows_seal(struct engine *engine, struct manifest *manifest, const char **ret_path,
                     struct err *err)
{
    struct file_rows rows;
    int error;

    *ret_path = NULL;
    if (!engine->fleet.file)
        return 0;
    error = file_writer_seal(&engine->file, engine->checkpoints.coordinator.epoch, &rows, err);
    if (error)
        return error;
    FAILPOINT("rows_sealed");
    manifest_set_output(manifest, engine->plan->file_output, file_writer_length(&engine->file));
    *ret_path = rows.path;
    return 0;
}

static void freeze(struct engine *engine)
{
    struct checkpoints *checkpoints = &engine->checkpoints;
    struct coordinator *coordinator = &checkpoints->coordinator;
    struct manifest manifest;
    const char *rows;
    struct err err;
    int error;

    FAILPOINT("captured");
    checkpoints->captured_ns = clock_monotonic_ns();
    hdr_record(&checkpoints->stats.capture_ns, checkpoints->captured_ns - coordinator->begun_ns, 1);
    manifest_fill(engine, &manifest);
    error = rows_seal(engine, &manifest, &rows, &err);
    if (!error)
        error = store_freeze(checkpoints->store, &manifest, rows, &err);
    if (error) {
        failed(engine, error, err.text, store_is_broken(checkpoints->store));
    } else {
        store_is_whole(&engine->fleet);
        memcpy(checkpoints->id, manifest.id, sizeof(checkpoints->id));
        checkpoints->entries = manifest.entries_written;
        checkpoints->frozen_ns = clock_monotonic_ns();
        hdr_record(&checkpoints->stats.freeze_ns, checkpoints->frozen_ns - checkpoints->captured_ns,
                   1);
        coordinator_frozen(coordinator);
        capture_over(engine);
    }
    manifest_done(&manifest);
}

/* --- the commit --- */

static void accepted(struct engine *engine)
{
    struct checkpoints *checkpoints = &engine->checkpoints;
    struct coordinator *coordinator = &checkpoints->coordinator;
    struct checkpoint_stats *stats = &checkpoints->stats;
    int64_t now_ns = clock_monotonic_ns();

    FAILPOINT("commit_accepted");
    atomic_store(&engine->fleet.commits_accepted, atomic_load(&engine->fleet.commits_begun));
    publish_checkpoint(engine);
    for (size_t i = 0; i < checkpoints->position_count; i++) {
        const struct position *position = &checkpoints->positions[i];

        atomic_store(&engine->fleet.progress[position->source][position->partition].committed,
                     position->offset);
    }
    snprintf(checkpoints->last_id, sizeof(checkpoints->last_id), "%s", checkpoints->id);
    checkpoints->last_entries = checkpoints->entries;
    if (coordinator->is_savepoint)
        savepoint_done(&checkpoints->savepoint, checkpoints->id);
    counter_add(&stats->done, 1);
    gauge_set(&stats->failures_in_row, 0);
    gauge_set(&stats->accepted_ns, now_ns);
    gauge_set(&stats->last_ns, now_ns - coordinator->begun_ns);
    gauge_set(&stats->last_bytes, (int64_t)checkpoints->blocks.bytes);
    counter_add(&stats->entries, checkpoints->entries);
    counter_add(&stats->bytes, checkpoints->blocks.bytes);
    hdr_record(&stats->commit_ns, now_ns - checkpoints->frozen_ns, 1);
    hdr_record(&stats->total_ns, now_ns - coordinator->begun_ns, 1);
    log_debug("checkpoint %s: %llu entries, %llu bytes, %.1f ms", checkpoints->id,
              (unsigned long long)checkpoints->entries,
              (unsigned long long)checkpoints->blocks.bytes,
              (double)(now_ns - coordinator->begun_ns) * 1e-6);
    marks_free(engine);
    publish_retain(engine);
    coordinator_published(coordinator, clock_monotonic_ns());
}

static void commit_send(struct engine *engine)
{
    struct checkpoints *checkpoints = &engine->checkpoints;

    FAILPOINT("commit_send");
    atomic_fetch_add(&engine->fleet.commits_begun, 1);
    consumer_commit(engine->consumer, checkpoints->positions, checkpoints->position_count,
                    checkpoints->id);
    coordinator_sent(&checkpoints->coordinator);
    FAILPOINT("commit_sent");
}

/* Rows, offsets and all that the checkpoint holds, in one transaction. */
static void transaction_commit(struct engine *engine)
{
    struct checkpoints *checkpoints = &engine->checkpoints;
    rd_kafka_topic_partition_list_t *offsets = consumer_offsets(
        engine->consumer, checkpoints->positions, checkpoints->position_count, checkpoints->id);
    rd_kafka_consumer_group_metadata_t *member = consumer_member(engine->consumer);
    struct err err;

    if (!checkpoints->coordinator.is_sent)
        atomic_fetch_add(&engine->fleet.commits_begun, 1);
    coordinator_sent(&checkpoints->coordinator);
    FAILPOINT("transaction_commit");
    int error = feature_topic_commit(engine->fleet.features, offsets, member, TRANSACTION_WAIT_MS,
                                     &err);
    rd_kafka_topic_partition_list_destroy(offsets);
    rd_kafka_consumer_group_metadata_destroy(member);
    if (!error)
        accepted(engine);
    else if (error != -EAGAIN)
        engine_fail(engine, error, err.text);
}

static void refused(struct engine *engine)
{
    char all[sizeof(((struct err *)NULL)->text)];

    snprintf(all, sizeof(all), "the group's coordinator does not accept the offsets: %s",
             engine->checkpoints.answer);
    failed(engine, -ETIMEDOUT, all, false);
}

static void fenced(struct engine *engine)
{
    char all[sizeof(((struct err *)NULL)->text)];

    snprintf(all, sizeof(all),
             "cannot commit: another process has taken this one's place in group %s (%s)",
             engine->plan->kafka.group, engine->checkpoints.answer);
    engine_fail(engine, -EPERM, all);
}

static void late(struct engine *engine)
{
    failed(engine, -ETIMEDOUT,
           engine->checkpoints.coordinator.stage == CHECKPOINT_FLUSHING
               ? "the brokers did not acknowledge all dead letters, late records and rows in time"
               : "the consumer group was being rebalanced all the time",
           false);
}

/* --- what the control thread sees --- */

/* A process to which the group gives nothing has nothing to commit. */
static bool has_partitions(const struct engine *engine)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < engine->plan->source_count; i++)
        count += engine->assigned_counts[i];
    return count > 0;
}

static bool shards_full(const struct engine *engine)
{
    for (uint32_t i = 0; i < engine->shards_started; i++) {
        if (shard_is_full(engine->fleet.shards[i]))
            return true;
    }
    return false;
}

/* Rows of a transaction are acknowledged within it. */
static bool outputs_flushed(struct engine *engine)
{
    bool has_rows = engine->fleet.features &&
                    !engine->checkpoints.coordinator.rules.is_transactional;

    if (side_output_flush(engine->fleet.side, FLUSH_WAIT_MS) ||
        (has_rows && feature_topic_flush(engine->fleet.features, FLUSH_WAIT_MS)))
        return false;
    FAILPOINT("side_flushed");
    return true;
}

static enum coordinator_answer answer(struct engine *engine)
{
    static const enum coordinator_answer answers[] = {
        [COMMIT_ACCEPTED] = COORDINATOR_ACCEPTED,
        [COMMIT_REFUSED] = COORDINATOR_NOT_NOW,
        [COMMIT_FENCED] = COORDINATOR_NEVER,
    };
    const struct coordinator *coordinator = &engine->checkpoints.coordinator;
    enum commit_answer said;

    if (!coordinator->is_sent || coordinator->rules.is_transactional ||
        !consumer_commit_answered(engine->consumer, 0, &said, &engine->checkpoints.answer))
        return COORDINATOR_NO_ANSWER;
    return answers[said];
}

static struct coordinator_facts look(struct engine *engine, int64_t now_ns)
{
    struct checkpoints *checkpoints = &engine->checkpoints;
    struct coordinator_facts facts = {
        .now_ns = now_ns,
        .wall_ms = clock_realtime_ms(),
        .has_partitions = has_partitions(engine),
        .is_stored = blocks_store(engine),
        .is_full = shards_full(engine),
        .may_commit = consumer_may_commit(engine->consumer),
    };

    facts.is_lost = checkpoints->blocks.error != 0;
    if (checkpoints->coordinator.stage == CHECKPOINT_FLUSHING)
        facts.is_flushed = outputs_flushed(engine);
    if (checkpoints->coordinator.stage == CHECKPOINT_COMMITTING)
        facts.answer = answer(engine);
    return facts;
}

void checkpoints_turn(struct engine *engine, int64_t now_ns)
{
    struct coordinator *coordinator = &engine->checkpoints.coordinator;
    struct coordinator_facts facts = look(engine, now_ns);

    switch (coordinator_next(coordinator, &facts)) {
    case COORDINATOR_WAIT:
        return;
    case COORDINATOR_MARK:
        mark(engine);
        return;
    case COORDINATOR_LOSE:
        capture_lost(engine);
        return;
    case COORDINATOR_ABORT:
        capture_abort(engine);
        return;
    case COORDINATOR_FREEZE:
        freeze(engine);
        return;
    case COORDINATOR_COMMIT:
        if (coordinator->rules.is_transactional)
            transaction_commit(engine);
        else
            commit_send(engine);
        return;
    case COORDINATOR_PUBLISH:
        accepted(engine);
        return;
    case COORDINATOR_LATE:
        late(engine);
        return;
    case COORDINATOR_REFUSED:
        refused(engine);
        return;
    case COORDINATOR_FENCED:
        fenced(engine);
        return;
    }
}

int64_t checkpoints_due_ns(const struct engine *engine)
{
    const struct checkpoints *checkpoints = &engine->checkpoints;

    return checkpoints->blocks.stuck
               ? checkpoints->blocks.stuck_due_ns
               : coordinator_due_ns(&checkpoints->coordinator, has_partitions(engine));
}

static const char *waits_for(const struct engine *engine)
{
    switch (engine->checkpoints.coordinator.stage) {
    case CHECKPOINT_IDLE:
        return "its turn";
    case CHECKPOINT_CAPTURING:
        return "the shards to write their state";
    case CHECKPOINT_FLUSHING:
        return "the brokers to acknowledge dead letters, late records and rows";
    case CHECKPOINT_COMMITTING:
        return consumer_may_commit(engine->consumer) ? "the group's coordinator to take the offsets"
                                                     : "the group's rebalance to be over";
    }
    UNREACHABLE();
}

int checkpoints_make(struct engine *engine, int64_t timeout_ns, bool serves_group)
{
    struct coordinator *coordinator = &engine->checkpoints.coordinator;
    int64_t told_ns = clock_monotonic_ns();

    if (engine->failure)
        return engine->failure;
    coordinator_make(coordinator, told_ns + timeout_ns);
    checkpoints_turn(engine, told_ns);
    while (coordinator_is_making(coordinator) && !engine->failure) {
        int handled = loop_run(engine->loop, WAIT_NS);

        if (handled < 0)
            engine_fail(engine, handled, "the control thread's io_uring is broken");
        if (clock_monotonic_ns() - told_ns > TELL_NS) {
            told_ns = clock_monotonic_ns();
            log_info("the last checkpoint waits for %s", waits_for(engine));
        }
        if (serves_group)
            consumer_poll(engine->consumer, 0);
        outputs_turn(engine);
        reports_take(engine);
        checkpoints_turn(engine, clock_monotonic_ns());
    }
    if (engine->failure)
        return engine->failure;
    return coordinator->making == MAKING_DONE ? 0 : engine->checkpoints.last_error;
}

void checkpoints_urge(struct engine *engine)
{
    if (engine->checkpoints.store)
        coordinator_urge(&engine->checkpoints.coordinator);
}
