/* The control thread's checkpoints: the steps of the real coordinator (checkpoint/coordinator.h),
 * carried out on simulated stores, outputs and brokers. Each may fail, take its time, or be the
 * last one. Starts are as engine/recovery.c begins them. */

#include "sim.h"

#include "base/clock.h"
#include "base/hash.h"
#include "checkpoint/coordinator.h"

#define LONG_NS (3600 * NS_PER_S) /* longer than any life */

/* What becomes of a commit. */
enum fate {
    FATE_ACCEPTED,
    FATE_REFUSED,
    FATE_UNCLEAR, /* accepted, and answered as if not */
    FATE_FENCED,
};

static struct {
    struct coordinator coordinator;
    bool is_open; /* there is a work store: partitions have been assigned */
    struct store store;
    struct mark *marks[SHARDS_MAX];
    struct checkpoint *frozen;
    bool is_aborting; /* until the shards have heard of it */
    bool has_arrived;
    enum fate fate;
    int64_t arrives_ns;
    int64_t answered_ns;
    int64_t may_commit_ns; /* the group is being rebalanced until then */
    int64_t busy_ns;       /* the control thread, or its disk */
} work;

static bool is_last_life(void)
{
    return sim.life == sim.scenario.lives - 1;
}

/* How much time the next one has. */
static void rules_change(void)
{
    struct coordinator_rules *rules = &work.coordinator.rules;

    rules->min_pause_ns = (int64_t)dice(20) * NS_PER_MS;
    rules->timeout_ns = mishap(35)   ? (int64_t)(200 + dice(5000)) * NS_PER_US
                        : mishap(30) ? (int64_t)dice(3000) * NS_PER_MS
                                     : LONG_NS;
}

static void marks_free(void)
{
    for (uint32_t i = 0; i < SHARDS_MAX; i++) {
        mark_free(work.marks[i]);
        work.marks[i] = NULL;
    }
}

void checkpoints_begin(void)
{
    memset(&work, 0, sizeof(work));
    coordinator_init(
        &work.coordinator,
        &(struct coordinator_rules){
            .every_ns = sim.scenario.checkpoint_every_ms * NS_PER_MS,
            .tolerable_failures = is_last_life() || chance(70) ? UINT32_MAX : (uint32_t)dice(5),
            .shard_count = shard_count(),
            .is_transactional = sim.scenario.transactional,
        });
    rules_change();
}

void checkpoints_end(void)
{
    marks_free();
    store_clear(&work.store);
    pending_end();
}

/* --- the work store --- */

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

static void images_drop(void)
{
    for (size_t i = work.store.count; i-- > 0;) {
        const struct kept *kept = &work.store.all[i];

        if (kept->key[4] == REDIS_SAVE_KIND)
            store_delete(&work.store, (struct slice){kept->key, kept->key_len});
    }
}

/* --- a failure --- */

static void capture_over(void)
{
    atomic_store(&sim.fleet.captures_over, work.coordinator.number);
}

static void failed(const char *why, bool is_store_lost)
{
    struct coordinator_failure failure = coordinator_failed(&work.coordinator, is_store_lost,
                                                            sim.now_ns);

    sim_trace("checkpoint %" PRIu64 " fails: %s", work.coordinator.number, why);
    marks_free();
    if (failure.empties_store) {
        CHECK(store_is_spare(&sim.fleet));
        store_clear(&work.store);
    }
    capture_over();
    rules_change();
    if (failure.ends_process)
        crash_here(100);
}

/* An error that the store does not survive, where the process does. */
static bool store_fails(unsigned percent)
{
    return mishap(percent) && store_is_spare(&sim.fleet);
}

/* --- capturing --- */

static void begin(void)
{
    struct coordinator *coordinator = &work.coordinator;

    if (store_fails(1)) {
        failed("the images could not be dropped", true);
        return;
    }
    images_drop();
    coordinator_marked(coordinator);
    sim_trace("checkpoint %" PRIu64 " begins%s", coordinator->number,
              coordinator->is_all ? ", of all" : "");
    for (uint32_t i = 0; i < shard_count(); i++)
        command(i, &(struct command){.kind = COMMAND_MARK,
                                     .number = coordinator->number,
                                     .all = coordinator->is_all});
    crash_here(1);
}

void checkpoints_take(uint32_t shard, struct mark *mark)
{
    if (coordinator_captured(&work.coordinator, mark->number))
        work.marks[shard] = mark;
    else
        mark_free(mark);
}

static void abort_begin(void)
{
    sim_trace("checkpoint %" PRIu64 " is given up", work.coordinator.number);
    command_all(COMMAND_ABORT);
    work.is_aborting = true;
}

static void abort_turn(void)
{
    if (!shards_settled())
        return;
    work.is_aborting = false;
    blocks_take();
    failed("the shards did not write their state in time", false);
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

/* What has captured has marked its rows. */
static void rows_seal(struct row_list *ret)
{
    for (uint32_t i = 0; i < shard_count(); i++) {
        if (atomic_load(&sim.file.lanes[i].epoch) <= work.coordinator.epoch)
            sim_fail("shard %u has captured and not marked its rows", i);
    }
    file_take_all();
    pending_seal(work.coordinator.epoch, ret);
}

static void freeze(void)
{
    struct row_list rows = {0};
    struct manifest manifest;

    checkpoints_drop_gone();
    if (crash_here(1))
        return;
    rows_seal(&rows);
    if (mishap(5)) {
        failed("the disk is full", chance(30) && store_is_spare(&sim.fleet));
    } else {
        store_is_whole(&sim.fleet);
        manifest_fill(&manifest);
        work.frozen = disk_freeze(&manifest, work.coordinator.number, &work.store, &rows);
        coordinator_frozen(&work.coordinator);
        capture_over();
        work.may_commit_ns = sim.now_ns + (mishap(10) ? (int64_t)dice(300) * NS_PER_MS : 0);
        sim_trace("checkpoint %" PRIu64 " is frozen, %zu rows", work.coordinator.number,
                  rows.count);
        crash_here(1);
    }
    free(rows.all);
}

/* --- the commit --- */

static void publish(void)
{
    if (crash_here(4)) {
        disk_publish(work.frozen, (size_t)dice(work.frozen->rows.count + 1));
        return;
    }
    CHECK(disk_publish(work.frozen, SIZE_MAX));
    pending_drop(work.coordinator.epoch);
    if (!crash_here(2))
        work.frozen->is_published = true;
}

static void accepted(void)
{
    sim_trace("checkpoint %" PRIu64 " is in force", work.coordinator.number);
    sim.checkpoints++;
    atomic_store(&sim.fleet.commits_accepted, atomic_load(&sim.fleet.commits_begun));
    if (crash_here(2))
        return;
    publish();
    marks_free();
    coordinator_published(&work.coordinator, sim.now_ns);
    rules_change();
}

static void commit_arrive(void)
{
    const struct manifest *manifest = &work.frozen->manifest;

    work.has_arrived = true;
    if (work.fate == FATE_REFUSED || work.fate == FATE_FENCED)
        return;
    for (uint32_t i = 0; i < manifest->partition_count; i++)
        disk.committed[manifest->partitions[i].partition] = (struct committed){
            .offset = manifest->partitions[i].position, .checkpoint = work.frozen};
}

static int64_t network_ns(void)
{
    return mishap(10) ? (int64_t)dice(1500) * NS_PER_MS : (int64_t)dice(3000) * NS_PER_US;
}

/* A transaction that is refused ends the process, as being fenced does. */
static enum fate fate_of_commit(void)
{
    if (mishap(1) && !is_last_life())
        return FATE_FENCED;
    if (sim.scenario.transactional)
        return FATE_ACCEPTED;
    return mishap(8) ? FATE_REFUSED : mishap(5) ? FATE_UNCLEAR : FATE_ACCEPTED;
}

static void commit_send(void)
{
    static const char *const names[] = {[FATE_ACCEPTED] = "well",
                                        [FATE_REFUSED] = "refused",
                                        [FATE_UNCLEAR] = "well, seems refused",
                                        [FATE_FENCED] = "fenced"};

    atomic_fetch_add(&sim.fleet.commits_begun, 1);
    coordinator_sent(&work.coordinator);
    work.has_arrived = false;
    work.fate = fate_of_commit();
    work.arrives_ns = sim.now_ns + network_ns();
    work.answered_ns = work.arrives_ns + network_ns();
    sim_trace("checkpoint %" PRIu64 " is committed: %s", work.coordinator.number, names[work.fate]);
    crash_here(1);
}

static void transaction_turn(void)
{
    if (!work.coordinator.is_sent)
        commit_send();
    else if (sim.now_ns >= work.answered_ns && work.fate == FATE_FENCED)
        CHECK(crash_here(100));
    else if (sim.now_ns >= work.answered_ns)
        accepted();
}

/* --- steps --- */

static bool has_partitions(void)
{
    for (int i = 0; i < sim.scenario.partition_count; i++) {
        if (sim.partitions[i].state != PARTITION_AWAY && sim.partitions[i].state != PARTITION_GOING)
            return true;
    }
    return false;
}

static bool shards_full(void)
{
    for (uint32_t i = 0; i < shard_count(); i++) {
        if (shard_is_full(sim.fleet.shards[i]))
            return true;
    }
    return false;
}

static bool is_captured(void)
{
    return work.coordinator.stage == CHECKPOINT_CAPTURING &&
           work.coordinator.captured == shard_count();
}

static enum coordinator_answer answer(void)
{
    static const enum coordinator_answer answers[] = {[FATE_ACCEPTED] = COORDINATOR_ACCEPTED,
                                                      [FATE_REFUSED] = COORDINATOR_NOT_NOW,
                                                      [FATE_UNCLEAR] = COORDINATOR_NOT_NOW,
                                                      [FATE_FENCED] = COORDINATOR_NEVER};

    return work.coordinator.is_sent && sim.now_ns >= work.answered_ns ? answers[work.fate]
                                                                      : COORDINATOR_NO_ANSWER;
}

static struct coordinator_facts look(void)
{
    return (struct coordinator_facts){
        .now_ns = sim.now_ns,
        .wall_ms = clock_realtime_ms(),
        .has_partitions = has_partitions(),
        .is_lost = is_captured() && store_fails(2),
        .is_stored = true,
        .is_full = shards_full(),
        .is_flushed = side_acknowledged(),
        .may_commit = sim.now_ns >= work.may_commit_ns,
        .answer = answer(),
    };
}

static void step(void)
{
    struct coordinator_facts facts = look();

    switch (coordinator_next(&work.coordinator, &facts)) {
    case COORDINATOR_WAIT:
        return;
    case COORDINATOR_MARK:
        begin();
        return;
    case COORDINATOR_LOSE:
        checkpoints_drop_gone();
        failed("a block could not be written", true);
        return;
    case COORDINATOR_ABORT:
        abort_begin();
        return;
    case COORDINATOR_FREEZE:
        freeze();
        return;
    case COORDINATOR_COMMIT:
        if (sim.scenario.transactional)
            transaction_turn();
        else
            commit_send();
        return;
    case COORDINATOR_PUBLISH:
        accepted();
        return;
    case COORDINATOR_LATE:
        failed("the outputs, or the group, took too long", false);
        return;
    case COORDINATOR_REFUSED:
        failed("the offsets are not accepted", false);
        return;
    case COORDINATOR_FENCED:
        CHECK(crash_here(100));
        return;
    }
}

void checkpoints_turn(void)
{
    const struct coordinator *coordinator = &work.coordinator;

    if (sim.now_ns < work.busy_ns)
        return;
    blocks_take();
    if (coordinator->is_sent && !work.has_arrived && sim.now_ns >= work.arrives_ns)
        commit_arrive();
    if (coordinator->stage == CHECKPOINT_CAPTURING && mishap(3))
        work.busy_ns = sim.now_ns + (int64_t)dice(50) * NS_PER_MS;
    if (coordinator->is_sent && sim.now_ns >= work.answered_ns && crash_here(1))
        return;
    if (work.is_aborting)
        abort_turn();
    else
        step();
}

int64_t checkpoints_due_ns(void)
{
    int64_t due_ns = coordinator_due_ns(&work.coordinator, has_partitions());

    if (work.is_aborting)
        due_ns = NEVER; /* a shard is due */
    else if (is_captured())
        due_ns = sim.now_ns;
    else if (work.coordinator.stage == CHECKPOINT_FLUSHING)
        due_ns = side_acknowledged() ? sim.now_ns : MIN(due_ns, side_due_ns());
    else if (work.coordinator.is_sent)
        due_ns = work.has_arrived ? work.answered_ns : work.arrives_ns;
    return MAX(due_ns, work.busy_ns);
}

void checkpoints_urge(void)
{
    if (work.is_open)
        coordinator_urge(&work.coordinator);
}

void checkpoints_make(void)
{
    coordinator_make(&work.coordinator,
                     sim.now_ns + (mishap(10) ? (int64_t)dice(500) * NS_PER_MS : LONG_NS));
}

bool checkpoints_made(bool *ret_failed)
{
    *ret_failed = work.coordinator.making == MAKING_FAILED;
    return !coordinator_is_making(&work.coordinator);
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
        coordinator_number_used(&work.coordinator, (uint64_t)one->manifest.created_ms + 1);
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
