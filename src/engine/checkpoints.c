#include "engine/checkpoints.h"

#include <errno.h>

#include "base/clock.h"
#include "base/failpoint.h"
#include "checkpoint/catalog.h"
#include "engine/internal.h"
#include "kafka/client.h"

#define REBALANCE_LOOK_NS   (20 * NS_PER_MS)
#define COMMIT_AGAIN_NS     (200 * NS_PER_MS)
#define STUCK_AGAIN_NS      (100 * NS_PER_MS) /* a block for which there was no room */
#define FLUSH_LOOK_NS       (20 * NS_PER_MS)  /* dead letters are looked for this often */
#define FLUSH_WAIT_MS       5
#define WAIT_NS             NS_PER_MS /* of checkpoints_make between two looks */
#define RETAIN_TIMEOUT_MS   2000
#define TRANSACTION_WAIT_MS 500 /* then the control thread looks after other things, too */

int checkpoints_open(struct engine *engine, struct err *err)
{
    struct checkpoints *checkpoints = &engine->checkpoints;

    checkpoints->marks = calloc(engine->fleet.shard_count, sizeof(*checkpoints->marks));
    CHECK(checkpoints->marks);
    checkpoints->due_ns = INT64_MAX; /* until there are partitions */
    return state_dir_open(engine->plan->state.dir, &checkpoints->dir, err);
}

static void marks_free(struct engine *engine)
{
    struct checkpoints *checkpoints = &engine->checkpoints;

    for (uint32_t i = 0; checkpoints->marks && i < engine->fleet.shard_count; i++) {
        mark_free(checkpoints->marks[i]);
        checkpoints->marks[i] = NULL;
    }
    checkpoints->marks_count = 0;
}

void checkpoints_close(struct engine *engine)
{
    struct checkpoints *checkpoints = &engine->checkpoints;

    marks_free(engine);
    free(checkpoints->marks);
    free(checkpoints->positions);
    buf_free(&checkpoints->adopted);
    share_block_free(checkpoints->stuck);
    store_close(checkpoints->store);
    state_dir_close(checkpoints->dir);
}

static void stage_set(struct engine *engine, enum checkpoint_stage stage)
{
    engine->checkpoints.stage = stage;
}

/* --- the end of one, well or not --- */

static void next_plan(struct engine *engine)
{
    struct checkpoints *checkpoints = &engine->checkpoints;
    const struct plan_checkpoint *plan = &engine->plan->checkpoint;

    checkpoints->due_ns = MAX(checkpoints->begun_ns + plan->every_ms * NS_PER_MS,
                              clock_monotonic_ns() + plan->min_pause_ms * NS_PER_MS);
    if (checkpoints->is_urgent)
        checkpoints->due_ns = 0;
    stage_set(engine, CHECKPOINT_IDLE);
}

/* The rows of the one that failed come into force with the next one. */
static void failed(struct engine *engine, int error, const char *text)
{
    struct checkpoints *checkpoints = &engine->checkpoints;

    counter_add(&checkpoints->stats.failed, 1);
    gauge_set(&checkpoints->stats.failures_in_row, ++checkpoints->failures);
    log_error("checkpoint failed (%u in a row): %s", checkpoints->failures, text);
    checkpoints->last_error = error;
    err_set(&checkpoints->last_err, error, "%s", text);
    savepoint_failed(&checkpoints->savepoint, text, checkpoints->stage > CHECKPOINT_CAPTURING);
    if (checkpoints->is_marked && engine->fleet.features)
        feature_topic_join(engine->fleet.features);
    checkpoints->is_marked = false;
    if (checkpoints->failures > engine->plan->checkpoint.tolerable_failures) {
        char all[sizeof(((struct err *)NULL)->text)];

        snprintf(all, sizeof(all), "%u checkpoints failed in a row, the last one: %s",
                 checkpoints->failures, text);
        engine_fail(engine, error, all);
    }
    marks_free(engine);
    next_plan(engine);
}

/* The store holds what belongs to no capture that is under way. */
static void capture_over(struct engine *engine)
{
    atomic_store(&engine->fleet.captures_over, engine->checkpoints.number);
}

/* What the shards had captured is lost, for that reason: the next one is of all keys, in an empty
 * store. */
static void store_begin_anew(struct engine *engine, int error, const char *text)
{
    struct checkpoints *checkpoints = &engine->checkpoints;
    char all[sizeof(((struct err *)NULL)->text)];
    struct err err;

    if (!store_is_spare(&engine->fleet)) {
        snprintf(all, sizeof(all),
                 "the work store failed, and holds state for which there is no memory: the next "
                 "start goes on from the last checkpoint: %s",
                 text);
        engine_fail(engine, error, all);
        return;
    }
    checkpoints->all_next = true;
    if (store_reset(checkpoints->store, &err))
        log_error("%s", err.text);
}

static void keep_add(void *context, const char *checkpoint)
{
    struct buf *ids = context;

    if (checkpoint_id_is_valid(checkpoint))
        buf_append(ids, checkpoint, CHECKPOINT_ID_SIZE);
}

/* Removes what no committed offset names. Not knowing them, none is removed. */
static void retain(struct engine *engine)
{
    struct catalog_owner owner = {.pipeline = engine->plan->pipeline,
                                  .group = engine->plan->kafka.group,
                                  .instance = consumer_instance_id(engine->consumer)};
    struct buf ids = {0};
    struct err err;
    size_t removed;

    if (consumer_committed(engine->consumer, RETAIN_TIMEOUT_MS, keep_add, &ids)) {
        buf_free(&ids);
        return;
    }

    size_t count = ids.len / CHECKPOINT_ID_SIZE;
    const char **keep = calloc(count + 1, sizeof(*keep));
    CHECK(keep);
    for (size_t i = 0; i < count; i++)
        keep[i] = ids.data + i * CHECKPOINT_ID_SIZE;
    if (catalog_retain(engine->checkpoints.dir, &owner, engine->plan->checkpoint.retain, keep,
                       count, &removed, &err))
        log_warn("%s", err.text);
    free(keep);
    buf_free(&ids);
}

/* False: the process is to end. In force the checkpoint is all the same, and a start appends them.
 */
static bool rows_publish(struct engine *engine)
{
    struct err err;
    int error;

    do {
        error = file_writer_publish(&engine->file, engine->checkpoints.epoch, &err);
    } while (error == -EAGAIN);
    if (error)
        engine_fail(engine, error, err.text);
    FAILPOINT("publish_done");
    return !error;
}

/* It is in force: its rows go to the file, and it may be fallen back to. */
static void mark_published(struct engine *engine, const char *id)
{
    struct checkpoint *checkpoint;
    struct err err;

    if (checkpoint_open(engine->checkpoints.dir, id, &checkpoint, &err)) {
        log_warn("%s", err.text);
        return;
    }
    if (checkpoint_mark_published(checkpoint, &err))
        log_warn("%s", err.text);
    checkpoint_close(checkpoint);
}

void checkpoints_adopted(struct engine *engine, const char *id)
{
    struct checkpoints *checkpoints = &engine->checkpoints;

    buf_append(&checkpoints->adopted, id, CHECKPOINT_ID_SIZE);
    checkpoints->adopted_epoch = checkpoints->epoch + 1;
}

static void publish(struct engine *engine)
{
    struct checkpoints *checkpoints = &engine->checkpoints;

    if (engine->fleet.file && !rows_publish(engine))
        return;
    mark_published(engine, checkpoints->id);
    if (checkpoints->epoch < checkpoints->adopted_epoch)
        return;
    for (size_t at = 0; at < checkpoints->adopted.len; at += CHECKPOINT_ID_SIZE)
        mark_published(engine, checkpoints->adopted.data + at);
    buf_reset(&checkpoints->adopted);
}

static void accepted(struct engine *engine)
{
    struct checkpoints *checkpoints = &engine->checkpoints;
    struct checkpoint_stats *stats = &checkpoints->stats;
    int64_t now_ns = clock_monotonic_ns();

    FAILPOINT("commit_accepted");
    checkpoints->is_marked = checkpoints->is_sent = false;
    atomic_store(&engine->fleet.commits_accepted, atomic_load(&engine->fleet.commits_begun));
    publish(engine);
    for (size_t i = 0; i < checkpoints->position_count; i++) {
        const struct position *position = &checkpoints->positions[i];

        atomic_store(&engine->fleet.progress[position->source][position->partition].committed,
                     position->offset);
    }
    snprintf(checkpoints->last_id, sizeof(checkpoints->last_id), "%s", checkpoints->id);
    checkpoints->last_entries = checkpoints->entries;
    checkpoints->failures = 0;
    savepoint_done(&checkpoints->savepoint, checkpoints->id);
    counter_add(&stats->done, 1);
    gauge_set(&stats->failures_in_row, 0);
    gauge_set(&stats->accepted_ns, now_ns);
    gauge_set(&stats->last_ns, now_ns - checkpoints->begun_ns);
    gauge_set(&stats->last_bytes, (int64_t)checkpoints->bytes);
    counter_add(&stats->entries, checkpoints->entries);
    counter_add(&stats->bytes, checkpoints->bytes);
    hdr_record(&stats->commit_ns, now_ns - checkpoints->frozen_ns, 1);
    hdr_record(&stats->total_ns, now_ns - checkpoints->begun_ns, 1);
    log_debug("checkpoint %s: %llu entries, %llu bytes, %.1f ms", checkpoints->id,
              (unsigned long long)checkpoints->entries, (unsigned long long)checkpoints->bytes,
              (double)(now_ns - checkpoints->begun_ns) * 1e-6);
    marks_free(engine);
    retain(engine);
    next_plan(engine);
}

/* --- committing --- */

static bool is_transactional(const struct engine *engine)
{
    return engine->fleet.features && engine->plan->feature_topic.transactional;
}

static void commit_send(struct engine *engine)
{
    struct checkpoints *checkpoints = &engine->checkpoints;

    FAILPOINT("commit_send");
    atomic_fetch_add(&engine->fleet.commits_begun, 1);
    consumer_commit(engine->consumer, checkpoints->positions, checkpoints->position_count,
                    checkpoints->id);
    checkpoints->is_sent = true;
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

    if (!checkpoints->is_sent)
        atomic_fetch_add(&engine->fleet.commits_begun, 1);
    checkpoints->is_sent = true;
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

static void commit_turn(struct engine *engine, int64_t now_ns)
{
    struct checkpoints *checkpoints = &engine->checkpoints;
    enum commit_answer answer;
    const char *text;
    char all[sizeof(((struct err *)NULL)->text)];

    if (!checkpoints->is_sent && !consumer_may_commit(engine->consumer)) {
        checkpoints->commit_due_ns = now_ns + REBALANCE_LOOK_NS;
        if (now_ns >= checkpoints->deadline_ns)
            failed(engine, -ETIMEDOUT, "the consumer group was being rebalanced all the time");
        return;
    }
    if (is_transactional(engine)) {
        transaction_commit(engine);
        return;
    }
    if (!checkpoints->is_sent) {
        if (now_ns >= checkpoints->commit_due_ns)
            commit_send(engine);
        return;
    }
    if (!consumer_commit_answered(engine->consumer, 0, &answer, &text))
        return;
    checkpoints->is_sent = false;
    switch (answer) {
    case COMMIT_ACCEPTED:
        accepted(engine);
        return;
    case COMMIT_FENCED:
        snprintf(all, sizeof(all),
                 "cannot commit: another process has taken this one's place in group %s (%s)",
                 engine->plan->kafka.group, text);
        engine_fail(engine, -EPERM, all);
        stage_set(engine, CHECKPOINT_IDLE);
        checkpoints->due_ns = INT64_MAX;
        return;
    case COMMIT_REFUSED:
        checkpoints->commit_due_ns = now_ns + COMMIT_AGAIN_NS;
        if (now_ns < checkpoints->deadline_ns)
            return;
        snprintf(all, sizeof(all), "the group's coordinator does not accept the offsets: %s", text);
        failed(engine, -ETIMEDOUT, all);
        return;
    }
}

static bool outputs_flushed(struct engine *engine)
{
    return side_output_flush(engine->fleet.side, FLUSH_WAIT_MS) == 0 &&
           (is_transactional(engine) || !engine->fleet.features ||
            feature_topic_flush(engine->fleet.features, FLUSH_WAIT_MS) == 0);
}

static void flush_turn(struct engine *engine, int64_t now_ns)
{
    struct checkpoints *checkpoints = &engine->checkpoints;

    if (outputs_flushed(engine)) {
        FAILPOINT("side_flushed");
        checkpoints->commit_due_ns = now_ns;
        checkpoints->is_sent = false;
        stage_set(engine, CHECKPOINT_COMMITTING);
    } else if (now_ns >= checkpoints->deadline_ns) {
        failed(engine, -ETIMEDOUT,
               "the brokers did not acknowledge all dead letters, late records and rows in time");
    }
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
    if (engine->checkpoints.savepoint.is_begun)
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
    error = file_writer_seal(&engine->file, engine->checkpoints.epoch, &rows, err);
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
    struct manifest manifest;
    const char *rows;
    struct err err;
    int error;

    checkpoints->captured_ns = clock_monotonic_ns();
    hdr_record(&checkpoints->stats.capture_ns, checkpoints->captured_ns - checkpoints->begun_ns, 1);
    manifest_fill(engine, &manifest);
    error = rows_seal(engine, &manifest, &rows, &err);
    if (!error)
        error = store_freeze(checkpoints->store, &manifest, rows, &err);
    if (error) {
        failed(engine, error, err.text);
        if (store_is_broken(checkpoints->store))
            store_begin_anew(engine, error, err.text);
    } else {
        if (!checkpoints->all_next)
            store_is_whole(&engine->fleet);
        memcpy(checkpoints->id, manifest.id, sizeof(checkpoints->id));
        checkpoints->entries = manifest.entries_written;
        checkpoints->frozen_ns = clock_monotonic_ns();
        hdr_record(&checkpoints->stats.freeze_ns, checkpoints->frozen_ns - checkpoints->captured_ns,
                   1);
        stage_set(engine, CHECKPOINT_FLUSHING);
    }
    manifest_done(&manifest);
    capture_over(engine);
}

/* --- capturing --- */

static bool is_stuck(const struct checkpoints *checkpoints)
{
    return checkpoints->stuck && clock_monotonic_ns() < checkpoints->stuck_due_ns;
}

/* A block could not be written: it waits for room on the disk if no other copy of what the store
 * holds can be had, else it is lost, and all that came before it with it. */
static void block_failed(struct engine *engine, uint32_t shard, struct share_block *block)
{
    struct checkpoints *checkpoints = &engine->checkpoints;

    if (store_is_spare(&engine->fleet)) {
        share_block_free(block);
        shard_stored(engine->fleet.shards[shard]);
        return;
    }
    if (checkpoints->store_error != -ENOSPC)
        engine_fail(engine, checkpoints->store_error, checkpoints->store_err.text);
    else if (!checkpoints->stuck_due_ns)
        log_warn("%s", checkpoints->store_err.text);
    checkpoints->store_error = 0;
    checkpoints->stuck = block;
    checkpoints->stuck_shard = shard;
    checkpoints->stuck_due_ns = clock_monotonic_ns() + STUCK_AGAIN_NS;
}

/* False: nothing more can be written for now. */
static bool block_store(struct engine *engine, uint32_t shard, struct share_block *block)
{
    struct checkpoints *checkpoints = &engine->checkpoints;
    const char *source = engine->plan->sources[block->source].name;

    if (!checkpoints->store_error)
        checkpoints->store_error = store_write(checkpoints->store, store_source_hash(source),
                                               buf_slice(&block->entries), &checkpoints->store_err);
    if (checkpoints->store_error) {
        block_failed(engine, shard, block);
        return !checkpoints->stuck;
    }
    checkpoints->stuck_due_ns = 0;
    checkpoints->bytes += block->entries.len;
    share_block_free(block);
    shard_stored(engine->fleet.shards[shard]);
    return true;
}

bool checkpoints_store(struct engine *engine)
{
    struct checkpoints *checkpoints = &engine->checkpoints;
    struct share_block *block = checkpoints->stuck;

    if (!checkpoints->store)
        return true;
    if (engine->failure || is_stuck(checkpoints))
        return false;
    checkpoints->stuck = NULL;
    if (block && !block_store(engine, checkpoints->stuck_shard, block))
        return false;
    for (uint32_t i = 0; i < engine->shards_started; i++) {
        while ((block = shard_captured(engine->fleet.shards[i]))) {
            if (!block_store(engine, i, block))
                return false;
        }
    }
    return true;
}

void checkpoints_take(struct engine *engine, uint32_t shard, struct mark *mark)
{
    struct checkpoints *checkpoints = &engine->checkpoints;

    if (checkpoints->stage != CHECKPOINT_CAPTURING || mark->number != checkpoints->number) {
        mark_free(mark);
        return;
    }
    hdr_record(&checkpoints->stats.align_ns, mark->align_ns, 1);
    checkpoints->marks[shard] = mark;
    checkpoints->marks_count++;
}

/* What has come of it is no checkpoint, but not wrong either. */
static void capture_abort(struct engine *engine, int error, const char *text)
{
    command_send_all(engine, &(struct command){.kind = COMMAND_ABORT});
    shards_settle(engine);
    failed(engine, error, text);
    checkpoints_store(engine);
    if (engine->checkpoints.is_all) /* some shards have not even begun */
        store_begin_anew(engine, error, text);
    capture_over(engine);
}

static bool shards_full(const struct engine *engine)
{
    for (uint32_t i = 0; i < engine->shards_started; i++) {
        if (shard_is_full(engine->fleet.shards[i]))
            return true;
    }
    return false;
}

/* Blocks could not be written. */
static void capture_lost(struct engine *engine)
{
    struct checkpoints *checkpoints = &engine->checkpoints;
    int error = checkpoints->store_error;

    checkpoints->store_error = 0;
    failed(engine, error, checkpoints->store_err.text);
    store_begin_anew(engine, error, checkpoints->store_err.text);
    capture_over(engine);
}

static void capture_turn(struct engine *engine, int64_t now_ns)
{
    struct checkpoints *checkpoints = &engine->checkpoints;

    if (checkpoints->marks_count == engine->shards_started && checkpoints_store(engine)) {
        if (checkpoints->store_error) {
            capture_lost(engine);
        } else {
            FAILPOINT("captured");
            freeze(engine);
        }
        return;
    }
    /* An output that is away stops the shards where they are; that is no failure of a checkpoint.
     */
    if (now_ns >= checkpoints->deadline_ns && shards_full(engine))
        checkpoints->deadline_ns = now_ns + engine->plan->checkpoint.timeout_ms * NS_PER_MS;
    if (now_ns >= checkpoints->deadline_ns)
        capture_abort(engine, checkpoints->stuck ? -ENOSPC : -ETIMEDOUT,
                      checkpoints->stuck ? checkpoints->store_err.text
                                         : "the shards did not write their state in time");
}

static int images_drop(struct engine *engine, struct err *err)
{
    int error = 0;

    for (uint32_t i = 0; !error && i < engine->plan->source_count; i++)
        error = store_drop_images(engine->checkpoints.store,
                                  store_source_hash(engine->plan->sources[i].name), err);
    return error;
}

/* A process to which the group gives nothing has nothing to commit. */
static bool has_partitions(const struct engine *engine)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < engine->plan->source_count; i++)
        count += engine->assigned_counts[i];
    return count > 0;
}

static void begin(struct engine *engine, int64_t now_ns)
{
    struct checkpoints *checkpoints = &engine->checkpoints;
    struct err err;
    int error;

    FAILPOINT("checkpoint_begin");
    checkpoints->number = MAX(checkpoints->number + 1, (uint64_t)clock_realtime_ms());
    checkpoints->begun_ns = now_ns;
    checkpoints->deadline_ns = now_ns + engine->plan->checkpoint.timeout_ms * NS_PER_MS;
    checkpoints->entries = checkpoints->bytes = 0;
    checkpoints->is_urgent = false;
    if (!gauge_get(&checkpoints->stats.first_ns))
        gauge_set(&checkpoints->stats.first_ns, now_ns);
    error = images_drop(engine, &err);
    if (error) {
        failed(engine, error, err.text);
        store_begin_anew(engine, error, err.text);
        capture_over(engine);
        return;
    }
    checkpoints->epoch++;
    checkpoints->is_marked = true;
    savepoint_begin(&checkpoints->savepoint);
    stage_set(engine, CHECKPOINT_CAPTURING);
    checkpoints->is_all = checkpoints->all_next;
    command_send_all(engine, &(struct command){.kind = COMMAND_MARK,
                                               .number = checkpoints->number,
                                               .all = checkpoints->all_next});
    checkpoints->all_next = false;
}

void checkpoints_turn(struct engine *engine, int64_t now_ns)
{
    struct checkpoints *checkpoints = &engine->checkpoints;

    checkpoints_store(engine);
    switch (checkpoints->stage) {
    case CHECKPOINT_IDLE:
        if (checkpoints->store_error)
            capture_lost(engine);
        else if (now_ns >= checkpoints->due_ns && has_partitions(engine))
            begin(engine, now_ns);
        return;
    case CHECKPOINT_CAPTURING:
        capture_turn(engine, now_ns);
        return;
    case CHECKPOINT_FLUSHING:
        flush_turn(engine, now_ns);
        return;
    case CHECKPOINT_COMMITTING:
        commit_turn(engine, now_ns);
        return;
    }
}

int64_t checkpoints_due_ns(const struct engine *engine)
{
    const struct checkpoints *checkpoints = &engine->checkpoints;

    if (checkpoints->stuck)
        return checkpoints->stuck_due_ns;
    switch (checkpoints->stage) {
    case CHECKPOINT_IDLE:
        return has_partitions(engine) ? checkpoints->due_ns : INT64_MAX;
    case CHECKPOINT_CAPTURING:
        return checkpoints->deadline_ns;
    case CHECKPOINT_FLUSHING:
        return clock_monotonic_ns() + FLUSH_LOOK_NS;
    case CHECKPOINT_COMMITTING:
        return checkpoints->is_sent && !is_transactional(engine) ? INT64_MAX
                                                                 : checkpoints->commit_due_ns;
    }
    UNREACHABLE();
}

/* Until the one under way is over. */
static void finish(struct engine *engine, int64_t until_ns)
{
    struct checkpoints *checkpoints = &engine->checkpoints;

    checkpoints->deadline_ns = MIN(checkpoints->deadline_ns, until_ns);
    while (checkpoints->stage != CHECKPOINT_IDLE && !engine->failure) {
        int handled = loop_run(engine->loop, WAIT_NS);

        if (handled < 0)
            engine_fail(engine, handled, "the control thread's io_uring is broken");
        outputs_turn(engine);
        reports_take(engine);
        checkpoints_turn(engine, clock_monotonic_ns());
    }
}

int checkpoints_make(struct engine *engine, int64_t timeout_ns)
{
    struct checkpoints *checkpoints = &engine->checkpoints;
    int64_t until_ns = clock_monotonic_ns() + timeout_ns;

    if (!has_partitions(engine))
        return 0;
    finish(engine, until_ns);
    for (;;) {
        uint32_t failures = checkpoints->failures;

        if (engine->failure)
            return engine->failure;
        begin(engine, clock_monotonic_ns());
        finish(engine, until_ns);
        if (!engine->failure && checkpoints->failures <= failures)
            return 0;
        if (clock_monotonic_ns() >= until_ns)
            return checkpoints->last_error;
    }
}

void checkpoints_urge(struct engine *engine)
{
    struct checkpoints *checkpoints = &engine->checkpoints;

    if (!checkpoints->store)
        return;
    checkpoints->due_ns = 0;
    checkpoints->is_urgent = checkpoints->stage != CHECKPOINT_IDLE;
}
