/* The control thread's checkpoints, step by step as engine/checkpoints.c makes them and
 * engine/recovery.c begins from them; only that here each step may be the last one.
 *
 *   idle ─▶ capturing ─▶ flushing ─▶ committing ─▶ idle
 *              │ timeout, full disk     │ refused; accepted, and who knows if the answer comes
 *              └▶ aborting ─▶ idle      └▶ idle */

#include "sim.h"

#include "base/clock.h"
#include "base/hash.h"

enum stage {
    STAGE_IDLE,
    STAGE_CAPTURING,
    STAGE_ABORTING, /* until the shards have heard of it */
    STAGE_FLUSHING,
    STAGE_COMMITTING,
};

/* What becomes of a commit. */
enum fate {
    FATE_ACCEPTED,
    FATE_REFUSED,
    FATE_UNCLEAR, /* accepted, and answered as if not */
};

/* A row that is in no output yet. */
struct pending {
    uint64_t epoch;
    uint32_t row;
};

static struct {
    enum stage stage;
    bool is_open; /* there is a work store: partitions have been assigned */
    struct store store;
    uint64_t number;
    uint64_t epoch;
    struct mark *marks[SHARDS_MAX];
    uint32_t marks_count;
    bool is_all;
    bool all_next;
    struct pending *pending;
    size_t pending_count;
    size_t pending_cap;
    struct checkpoint *frozen;
    bool is_sent;
    bool has_arrived;
    enum fate fate;
    int64_t arrives_ns;
    int64_t answered_ns;
    int64_t commit_due_ns;
    int64_t begun_ns;
    int64_t busy_ns; /* the control thread, or its disk */
    int64_t deadline_ns;
    int64_t due_ns;
    uint64_t failures;
    enum { MAKING_NOTHING, MAKING_WAITS, MAKING_ONE } making;
    uint64_t failures_before;
} work;

static void marks_free(void)
{
    for (uint32_t i = 0; i < SHARDS_MAX; i++) {
        mark_free(work.marks[i]);
        work.marks[i] = NULL;
    }
    work.marks_count = 0;
}

void checkpoints_begin(void)
{
    memset(&work, 0, sizeof(work));
    work.due_ns = NEVER;
}

void checkpoints_end(void)
{
    marks_free();
    store_clear(&work.store);
    free(work.pending);
}

/* --- rows on their way to the file --- */

void checkpoints_row(uint64_t epoch, uint32_t row)
{
    if (work.pending_count == work.pending_cap) {
        work.pending_cap = MAX(work.pending_cap * 2, (size_t)64);
        work.pending = realloc(work.pending, work.pending_cap * sizeof(*work.pending));
        CHECK(work.pending);
    }
    work.pending[work.pending_count++] = (struct pending){epoch, row};
}

size_t checkpoints_pending(void)
{
    return work.pending_count;
}

static void rows_seal(struct row_list *ret)
{
    for (uint32_t i = 0; i < shard_count(); i++) {
        if (atomic_load(&sim.file.lanes[i].epoch) <= work.epoch)
            sim_fail("shard %u has captured and not marked its rows", i);
    }
    file_take_all();
    for (size_t i = 0; i < work.pending_count; i++) {
        if (work.pending[i].epoch <= work.epoch)
            rows_add(ret, &work.pending[i].row, 1);
    }
}

static void rows_drop(void)
{
    size_t kept = 0;

    for (size_t i = 0; i < work.pending_count; i++) {
        if (work.pending[i].epoch > work.epoch)
            work.pending[kept++] = work.pending[i];
    }
    work.pending_count = kept;
}

/* --- the end of one --- */

static void next_plan(void)
{
    int64_t every_ns = sim.scenario.checkpoint_every_ms * NS_PER_MS;

    work.due_ns = MAX(work.begun_ns + every_ns, sim.now_ns + (int64_t)dice(20) * NS_PER_MS);
    work.stage = STAGE_IDLE;
}

static void failed(const char *why)
{
    sim_trace("checkpoint %" PRIu64 " fails: %s", work.number, why);
    work.failures++;
    marks_free();
    next_plan();
}

static void capture_over(void)
{
    atomic_store(&sim.fleet.captures_over, work.number);
}

static void store_begin_anew(void)
{
    work.all_next = true;
    store_clear(&work.store);
}

/* In place of the real store's: what evicted keys are read from. */
int store_get_many(struct store *store, uint64_t source_hash, const struct slice *keys,
                   uint32_t count,
                   void (*on_value)(void *context, uint32_t number, struct slice value),
                   void *context, struct err *err);

int store_get_many(struct store *store, uint64_t source_hash, const struct slice *keys,
                   uint32_t count,
                   void (*on_value)(void *context, uint32_t number, struct slice value),
                   void *context, struct err *err)
{
    (void)err;
    CHECK(store == &work.store && source_hash == hash64(slice_of("s")));
    for (uint32_t i = 0; i < count; i++) {
        const struct kept *kept = store_find(store, keys[i]);

        on_value(context, i, kept ? (struct slice){kept->value, kept->value_len} : SLICE_NONE);
    }
    return 0;
}

static void publish(void)
{
    if (crash_here(4)) {
        disk_publish(work.frozen, (size_t)dice(work.frozen->rows.count + 1));
        return;
    }
    CHECK(disk_publish(work.frozen, SIZE_MAX));
    rows_drop();
    if (!crash_here(2))
        work.frozen->is_published = true;
}

static void accepted(void)
{
    sim_trace("checkpoint %" PRIu64 " is in force", work.number);
    sim.checkpoints++;
    atomic_store(&sim.fleet.commits_accepted, atomic_load(&sim.fleet.commits_begun));
    if (crash_here(2))
        return;
    publish();
    work.failures = 0;
    marks_free();
    next_plan();
}

/* --- committing --- */

static void commit_arrive(void)
{
    const struct manifest *manifest = &work.frozen->manifest;

    work.has_arrived = true;
    if (work.fate == FATE_REFUSED)
        return;
    for (uint32_t i = 0; i < manifest->partition_count; i++)
        disk.committed[manifest->partitions[i].partition] = (struct committed){
            .offset = manifest->partitions[i].position, .checkpoint = work.frozen};
}

static int64_t network_ns(void)
{
    return mishap(10) ? (int64_t)dice(1500) * NS_PER_MS : (int64_t)dice(3000) * NS_PER_US;
}

static void commit_send(void)
{
    atomic_fetch_add(&sim.fleet.commits_begun, 1);
    work.is_sent = true;
    work.has_arrived = false;
    work.fate = mishap(8) ? FATE_REFUSED : mishap(5) ? FATE_UNCLEAR : FATE_ACCEPTED;
    work.arrives_ns = sim.now_ns + network_ns();
    work.answered_ns = work.arrives_ns + network_ns();
    sim_trace("checkpoint %" PRIu64 " is committed: %s", work.number,
              work.fate == FATE_ACCEPTED  ? "well"
              : work.fate == FATE_REFUSED ? "refused"
                                          : "well, seems refused");
    crash_here(1);
}

static void commit_turn(void)
{
    if (!work.is_sent && sim.now_ns >= work.commit_due_ns)
        commit_send();
    if (work.is_sent && !work.has_arrived && sim.now_ns >= work.arrives_ns)
        commit_arrive();
    if (!work.is_sent || sim.now_ns < work.answered_ns || crash_here(1))
        return;
    work.is_sent = false;
    if (work.fate == FATE_ACCEPTED) {
        accepted();
        return;
    }
    work.commit_due_ns = sim.now_ns + (int64_t)dice(100) * NS_PER_MS;
    if (mishap(30))
        failed("the offsets are not accepted");
}

static void flush_turn(void)
{
    if (side_acknowledged()) {
        work.stage = STAGE_COMMITTING;
        work.commit_due_ns = sim.now_ns;
        work.is_sent = false;
        crash_here(1);
    } else if (mishap(1) && chance(10)) {
        failed("dead letters are not acknowledged in time");
    }
}

/* --- freezing --- */

static void manifest_fill(struct manifest *manifest)
{
    const struct plan_source *source = &sim.scenario.plan->sources[0];
    struct buf schema = {0};

    manifest_init(manifest, "p", "g", "i");
    schema_save(sim.scenario.plan, 0, &schema);
    manifest_add_source(manifest, source->name, source->topic, source->aligned,
                        (uint32_t)sim.scenario.partition_count, buf_slice(&schema));
    buf_free(&schema);
    marks_save(work.marks, shard_count(), manifest);
}

static void freeze(void)
{
    struct row_list rows = {0};
    struct manifest manifest;

    rows_seal(&rows);
    if (mishap(5)) {
        failed("the disk is full");
        if (chance(30) && store_is_spare(&sim.fleet))
            store_begin_anew();
    } else {
        if (!work.all_next)
            store_is_whole(&sim.fleet);
        manifest_fill(&manifest);
        work.frozen = disk_freeze(&manifest, work.number, &work.store, &rows);
        work.stage = STAGE_FLUSHING;
        sim_trace("checkpoint %" PRIu64 " is frozen, %zu rows", work.number, rows.count);
        crash_here(1);
    }
    free(rows.all);
    capture_over();
}

/* --- capturing --- */

static void blocks_take(void)
{
    struct share_block *block;

    for (uint32_t i = 0; i < shard_count(); i++) {
        while ((block = shard_captured(sim.fleet.shards[i]))) {
            store_take(&work.store, &block->entries);
            share_block_free(block);
            shard_stored(sim.fleet.shards[i]);
        }
    }
}

void checkpoints_take(uint32_t shard, struct mark *mark)
{
    if (work.stage != STAGE_CAPTURING || mark->number != work.number) {
        mark_free(mark);
        return;
    }
    work.marks[shard] = mark;
    work.marks_count++;
}

static void abort_begin(void)
{
    sim_trace("checkpoint %" PRIu64 " is given up", work.number);
    command_all(COMMAND_ABORT);
    work.stage = STAGE_ABORTING;
}

static void abort_turn(void)
{
    if (!shards_settled())
        return;
    failed("the shards did not write their state in time");
    blocks_take();
    if (work.is_all)
        store_begin_anew();
    capture_over();
}

static void capture_turn(void)
{
    if (sim.now_ns < work.busy_ns)
        return;
    if (mishap(3))
        work.busy_ns = sim.now_ns + (int64_t)dice(50) * NS_PER_MS;
    if (work.marks_count == shard_count()) {
        checkpoints_drop_gone();
        if (mishap(2) && store_is_spare(&sim.fleet)) {
            failed("a block could not be written");
            store_begin_anew();
            capture_over();
        } else if (!crash_here(1)) {
            freeze();
        }
        return;
    }
    if (sim.now_ns >= work.deadline_ns)
        abort_begin();
}

static void images_drop(void)
{
    for (size_t i = work.store.count; i-- > 0;) {
        const struct kept *kept = &work.store.all[i];

        if (kept->key[4] == REDIS_SAVE_KIND)
            store_delete(&work.store, (struct slice){kept->key, kept->key_len});
    }
}

static void begin(void)
{
    work.number = MAX(work.number + 1, (uint64_t)(REAL_MS + sim.now_ns / NS_PER_MS));
    work.begun_ns = sim.now_ns;
    work.busy_ns = sim.now_ns;
    work.deadline_ns = mishap(20) ? sim.now_ns + (int64_t)dice(5000) * NS_PER_US : NEVER;
    images_drop();
    work.epoch++;
    work.stage = STAGE_CAPTURING;
    sim_trace("checkpoint %" PRIu64 " begins%s", work.number, work.all_next ? ", of all" : "");
    for (uint32_t i = 0; i < shard_count(); i++)
        command(i, &(struct command){
                       .kind = COMMAND_MARK, .number = work.number, .all = work.all_next});
    work.is_all = work.all_next;
    work.all_next = false;
    crash_here(1);
}

void checkpoints_turn(void)
{
    if (sim.now_ns >= work.busy_ns)
        blocks_take();
    switch (work.stage) {
    case STAGE_IDLE:
        if (sim.now_ns >= work.due_ns && work.making == MAKING_NOTHING)
            begin();
        return;
    case STAGE_CAPTURING:
        capture_turn();
        return;
    case STAGE_ABORTING:
        abort_turn();
        return;
    case STAGE_FLUSHING:
        flush_turn();
        return;
    case STAGE_COMMITTING:
        commit_turn();
        return;
    }
}

int64_t checkpoints_due_ns(void)
{
    switch (work.stage) {
    case STAGE_IDLE:
        return work.making == MAKING_NOTHING ? work.due_ns : sim.now_ns;
    case STAGE_CAPTURING:
        return work.marks_count == shard_count() || work.busy_ns > sim.now_ns
                   ? MAX(work.busy_ns, sim.now_ns)
                   : work.deadline_ns;
    case STAGE_ABORTING:
        return NEVER;
    case STAGE_FLUSHING:
        return side_acknowledged() ? sim.now_ns : side_due_ns();
    case STAGE_COMMITTING:
        return !work.is_sent      ? work.commit_due_ns
               : work.has_arrived ? work.answered_ns
                                  : work.arrives_ns;
    }
    UNREACHABLE();
}

void checkpoints_urge(void)
{
    if (work.is_open)
        work.due_ns = 0;
}

void checkpoints_make(void)
{
    work.making = MAKING_WAITS;
}

bool checkpoints_made(bool *ret_failed)
{
    *ret_failed = false;
    if (work.stage != STAGE_IDLE)
        return false;
    if (work.making == MAKING_WAITS || (work.failures > work.failures_before && !mishap(10))) {
        work.making = MAKING_ONE;
        work.failures_before = work.failures;
        begin();
        return false;
    }
    *ret_failed = work.failures > work.failures_before;
    work.making = MAKING_NOTHING;
    return true;
}

/* --- a start --- */

/* Only one that was in force: what it has dropped was acknowledged, and its rows are in the file
 * that those before it have made. */
static struct checkpoint *earlier(const struct checkpoint *named)
{
    struct checkpoint *one = named->before;

    while (one && (one->is_corrupt || !one->is_published))
        one = one->before;
    return one;
}

void checkpoints_damage(void)
{
    struct checkpoint *named = disk.committed[0].checkpoint;

    /* With partitions that name different ones, all would have to go back. */
    if (sim.scenario.rebalances > 0 || !named || !earlier(named) || !mishap(20))
        return;
    sim_trace("checkpoint %" PRIu64 " is corrupt", named->serial);
    named->is_corrupt = true;
    sim.corrupt++;
}

struct sim_origin origin_of(int partition)
{
    const struct committed *committed = &disk.committed[partition];
    struct sim_origin origin = {.position = sim.scenario.logs[partition].begin_offset,
                                .mute_offset = INT64_MIN};
    const struct manifest_partition *from;

    origin.fetch_offset = origin.position;
    if (committed->offset < 0)
        return origin;
    origin.checkpoint = committed->checkpoint->is_corrupt ? earlier(committed->checkpoint)
                                                          : committed->checkpoint;
    CHECK(origin.checkpoint);
    from = manifest_partition(&origin.checkpoint->manifest, 0, partition);
    CHECK(from);
    origin.from = from;
    origin.position = from->position;
    origin.fetch_offset = from->last_offset >= 0 ? from->last_offset : from->position;
    if (origin.checkpoint != committed->checkpoint)
        origin.mute_offset = committed->offset;
    else if (origin.position != committed->offset)
        sim_fail("partition %d: checkpoint %" PRIu64 " goes on at %" PRId64
                 ", committed is %" PRId64,
                 partition, origin.checkpoint->serial, origin.position, committed->offset);
    return origin;
}

static void group_drop(int partition)
{
    for (size_t i = work.store.count; i-- > 0;) {
        const struct kept *kept = &work.store.all[i];
        struct slice key = {kept->key, kept->key_len};
        struct slice rest;
        uint32_t group;
        char kind;

        CHECK(entry_key_read(key, &group, &kind, &rest) == 0);
        if (group == (uint32_t)partition)
            store_delete(&work.store, key);
    }
}

/* Groups of partitions that are not this process' now. */
static void others_drop(const struct sim_origin *origins, const int *list, size_t count)
{
    for (int i = 0; i < sim.scenario.partition_count; i++) {
        bool is_restored = false;

        for (size_t j = 0; j < count; j++)
            is_restored |= list[j] == i && origins[j].from;
        if (!is_restored && sim.scenario.spec.aligned)
            group_drop(i);
    }
}

void checkpoints_recover(const struct sim_origin *origins, const int *list, size_t count)
{
    struct checkpoint *newest = NULL;
    bool same = true;

    for (size_t i = 0; i < count; i++) {
        struct checkpoint *one = origins[i].checkpoint;

        if (!one)
            continue;
        same &= !newest || newest == one;
        newest = !newest || one->serial > newest->serial ? one : newest;
        work.number = MAX(work.number, (uint64_t)one->manifest.created_ms + 1);
    }
    for (size_t i = 0; i < count; i++) {
        if (origins[i].checkpoint)
            origins[i].checkpoint->restore.is_changed = work.is_open || !same;
    }
    if (!work.is_open && newest) {
        if (same) {
            store_copy(&work.store, &newest->entries);
            others_drop(origins, list, count);
        }
        disk_recover(newest);
    }
    work.is_open = true;
    atomic_store(&sim.fleet.store, &work.store);
}

void checkpoints_drop_gone(void)
{
    blocks_take();
    for (int i = 0; i < sim.scenario.partition_count; i++) {
        if (sim.partitions[i].state == PARTITION_GOING && sim.scenario.spec.aligned)
            group_drop(i);
    }
}
