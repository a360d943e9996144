/* The control thread, and the order in which all things happen.
 *
 *   a step:  control's work ─▶ a shard whose time has come: its connections, then its turn
 *            nobody's time has come: the clock goes to the next moment at which something happens
 *
 * A life goes from the start of a process to its end: a crash, or the end of the input. The next
 * life goes on from the checkpoint that the committed offsets name, over the same Redis. */

#include "sim.h"

#include "base/clock.h"
#include "base/lines.h"

#define STEPS_MAX     4000000 /* far more than there is to do */
#define LIFE_NS_MAX   (INT64_C(900) * NS_PER_S)
#define CALM_AFTER_NS (5 * NS_PER_S) /* of the end: trouble must not go on for ever */
#define FROZEN_NS     (4 * NS_PER_S)

enum stage {
    STAGE_READING,
    STAGE_LINGERING, /* all is read: idle clocks go on for a while */
    STAGE_DRAINING,
    STAGE_FINISHING, /* the last checkpoint */
    STAGE_OVER,
};

/* A rebalance that takes partitions away. */
enum moving {
    MOVING_NOTHING,
    MOVING_LAST,  /* their last checkpoint is being made */
    MOVING_GOING, /* the shards let go of them */
};

static struct {
    enum stage stage;
    enum moving moving;
    int64_t stage_ns; /* since when */
    int64_t ends_ns;  /* when a crash or an early drain comes, or NEVER */
    int64_t file_ns;  /* when the file is written next */
    int rebalances;
    int64_t rebalance_ns;
    uint32_t drained;
} control;

static void wake_control(void *context)
{
    (void)context;
}

/* --- a process --- */

static void fleet_init(void)
{
    struct fleet *fleet = &sim.fleet;
    uint32_t shards = (uint32_t)sim.scenario.shard_counts[sim.life];
    uint32_t partitions = (uint32_t)sim.scenario.partition_count;
    struct err err;

    *fleet = (struct fleet){
        .plan = sim.scenario.plan,
        .shard_count = shards,
        .shards = calloc(shards, sizeof(struct shard *)),
        .mailboxes = aligned_alloc(CACHE_LINE, shards * shards * sizeof(struct mailbox)),
        .clocks = calloc(1, sizeof(struct source_clock)),
        .progress = calloc(1, sizeof(struct progress *)),
        .file = &sim.file,
        .bounded = sim.scenario.bounded,
        .frozen_ns = FROZEN_NS,
        .wake_control = wake_control,
    };
    for (uint32_t i = 0; i < shards * shards; i++)
        mailbox_init(&fleet->mailboxes[i]);
    source_clock_init(&fleet->clocks[0], partitions);
    fleet->progress[0] = lines_calloc(partitions, sizeof(struct progress));
    for (uint32_t i = 0; i < partitions; i++)
        atomic_init(&fleet->progress[0][i].position, -1);
    CHECK(file_writer_open(&sim.file, fleet->plan, shards, NULL, wake_control, NULL, &err) == 0);
    for (uint32_t i = 0; i < shards; i++) {
        fleet->shards[i] = shard_create(fleet, i, NULL);
        CHECK(shard_open(fleet->shards[i], &err) == 0);
        if (sim.scenario.evicts[sim.life])
            fleet->shards[i]->memory = (struct memory){
                .high = sim.scenario.is_short[sim.life] ? 0 : SIZE_MAX};
    }
}

static void fleet_done(void)
{
    struct fleet *fleet = &sim.fleet;

    for (uint32_t i = 0; i < shard_count(); i++) {
        shard_close(fleet->shards[i]);
        shard_free(fleet->shards[i]);
    }
    CHECK(file_writer_close(&sim.file) == 0);
    for (uint32_t i = 0; i < shard_count() * shard_count(); i++)
        mailbox_done(&fleet->mailboxes[i]);
    source_clock_done(&fleet->clocks[0]);
    free(fleet->progress[0]);
    free(fleet->progress);
    free(fleet->clocks);
    free(fleet->mailboxes);
    free(fleet->shards);
    for (uint32_t i = 0; i < SHARDS_MAX; i++) {
        buf_free(&sim.lines[i]);
        sim.lane_rows[i].count = 0;
    }
}

void command(uint32_t shard, const struct command *command)
{
    static const char *const names[] = {
        [COMMAND_RESTORE] = "restore", [COMMAND_AWAIT] = "await",   [COMMAND_ASSIGN] = "assign",
        [COMMAND_LEAVE] = "leave",     [COMMAND_REVOKE] = "revoke", [COMMAND_COMPLETE] = "complete",
        [COMMAND_MARK] = "mark",       [COMMAND_ABORT] = "abort",   [COMMAND_DRAIN] = "drain",
        [COMMAND_STOP] = "stop"};

    sim_trace("shard %u: %s partition %d from %" PRId64 ", replays to %" PRId64, shard,
              names[command->kind], command->partition, command->start_offset,
              command->replay_offset);
    CHECK(shard_command(sim.fleet.shards[shard], command));
}

void command_all(enum command_kind kind)
{
    for (uint32_t i = 0; i < shard_count(); i++)
        command(i, &(struct command){.kind = kind});
}

bool shards_settled(void)
{
    for (uint32_t i = 0; i < shard_count(); i++) {
        if (!shard_has_settled(sim.fleet.shards[i]))
            return false;
    }
    return true;
}

/* --- partitions --- */

static void assign_one(int number, const struct sim_origin *origin)
{
    struct sim_partition *partition = &sim.partitions[number];
    bool was_read = disk.committed[number].offset >= 0;

    partition->state = PARTITION_COMING;
    partition->epoch++;
    partition->start_offset = origin->position;
    partition->fetch_offset = origin->fetch_offset;
    partition->end_offset = log_end(&sim.scenario.logs[number], sim.now_ns);
    partition->from = origin->checkpoint;
    atomic_store(&sim.fleet.progress[0][number].position, origin->position);
    command(shard_of_partition(number, shard_count()),
            &(struct command){
                .kind = COMMAND_ASSIGN,
                .partition = number,
                .start_offset = origin->position,
                .end_offset = sim.scenario.bounded ? partition->end_offset : INT64_MAX,
                .replay_offset = was_read ? partition->end_offset : 0,
                .mute_offset = origin->mute_offset,
                .from = origin->from,
                .restore = origin->checkpoint ? &origin->checkpoint->restore : NULL,
            });
}

/* Of what has not been read before, rows wait for a commit: of all shards, if any may own the keys.
 */
static void commits_await(const int *list, size_t count)
{
    bool is_concerned[SHARDS_MAX] = {false};

    for (size_t i = 0; i < count; i++) {
        for (uint32_t j = 0; j < shard_count() && disk.committed[list[i]].offset < 0; j++)
            is_concerned[j] |= !sim.scenario.spec.aligned ||
                               j == shard_of_partition(list[i], shard_count());
    }
    for (uint32_t i = 0; i < shard_count(); i++) {
        if (is_concerned[i])
            command(i, &(struct command){.kind = COMMAND_AWAIT});
    }
}

/* As the group gives them: some at a time, all in the end. */
static void assign(const int *list, size_t count)
{
    struct sim_origin origins[PARTITIONS_MAX] = {0};

    for (size_t i = 0; i < count; i++)
        origins[i] = origin_of(list[i]);
    checkpoints_recover(origins, list, count);
    for (size_t i = 0; i < count; i++)
        sim.partitions[list[i]].from = origins[i].checkpoint;
    commits_await(list, count);
    for (uint32_t i = 0; i < shard_count(); i++) {
        if (!sim.scenario.spec.aligned && origins[0].checkpoint)
            command(i, &(struct command){.kind = COMMAND_RESTORE,
                                         .restore = &origins[0].checkpoint->restore});
    }
    for (size_t i = 0; i < count; i++)
        assign_one(list[i], &origins[i]);
    checkpoints_urge();
}

static void let_go(int number)
{
    struct sim_partition *partition = &sim.partitions[number];

    atomic_store(&sim.fleet.progress[0][number].position, -1);
    command(shard_of_partition(number, shard_count()),
            &(struct command){.kind = COMMAND_REVOKE, .partition = number});
    partition->state = PARTITION_GOING;
    sim.rebalances++;
}

static bool some_is(int state)
{
    for (int i = 0; i < sim.scenario.partition_count; i++) {
        if ((int)sim.partitions[i].state == state)
            return true;
    }
    return false;
}

/* The consumer goes on when the shards have done what they were told. */
static void partitions_settle(void)
{
    if (!shards_settled())
        return;
    checkpoints_drop_gone();
    for (int i = 0; i < sim.scenario.partition_count; i++) {
        struct sim_partition *partition = &sim.partitions[i];

        if (partition->state == PARTITION_COMING) {
            partition->state = PARTITION_HERE;
            kafka_forward(i, shard_intake(sim.fleet.shards[shard_of_partition(i, shard_count())]),
                          partition->fetch_offset);
        } else if (partition->state == PARTITION_GOING && chance(50)) {
            partition->state = PARTITION_AWAY;
            partition->back_ns = sim.now_ns + (chance(50) ? 0 : (int64_t)dice(500) * NS_PER_MS);
            kafka_withdraw(i);
        }
    }
}

static bool all_read(void)
{
    for (int i = 0; i < sim.scenario.partition_count; i++) {
        if (atomic_load(&sim.fleet.progress[0][i].position) < sim.scenario.logs[i].end_offset)
            return false;
    }
    return true;
}

static void assign_those_back(void)
{
    int list[PARTITIONS_MAX];
    size_t count = 0;

    for (int i = 0; i < sim.scenario.partition_count; i++) {
        if (sim.partitions[i].state == PARTITION_AWAY && sim.now_ns >= sim.partitions[i].back_ns)
            list[count++] = i;
    }
    if (count > 0)
        assign(list, count);
}

/* Some partitions are to go: not before they are in a checkpoint. */
static void revoke_some(void)
{
    control.rebalances--;
    control.rebalance_ns = sim.now_ns + (int64_t)dice(300) * NS_PER_MS;
    for (int i = 0; i < sim.scenario.partition_count; i++) {
        if (sim.partitions[i].state == PARTITION_HERE && chance(50)) {
            sim.partitions[i].state = PARTITION_LEAVING;
            control.moving = MOVING_LAST;
            command(shard_of_partition(i, shard_count()),
                    &(struct command){.kind = COMMAND_LEAVE, .partition = i});
        }
    }
    if (control.moving == MOVING_LAST)
        checkpoints_make();
}

static void move(void)
{
    bool has_failed;

    if (control.moving == MOVING_GOING && !some_is(PARTITION_GOING))
        control.moving = MOVING_NOTHING;
    if (control.moving != MOVING_LAST || !checkpoints_made(&has_failed))
        return;
    if (has_failed) { /* what it has emitted since the last one is not to be published */
        if (!crash_here(100))
            checkpoints_make();
        return;
    }
    for (int i = 0; i < sim.scenario.partition_count; i++) {
        if (sim.partitions[i].state == PARTITION_LEAVING)
            let_go(i);
    }
    control.moving = MOVING_GOING;
}

static void rebalance(void)
{
    partitions_settle();
    move();
    if (control.moving != MOVING_NOTHING || control.stage >= STAGE_DRAINING)
        return;
    if (!some_is(PARTITION_COMING))
        assign_those_back();
    if (control.rebalances > 0 && sim.now_ns >= control.rebalance_ns && !some_is(PARTITION_COMING))
        revoke_some();
}

/* --- the file --- */

static size_t lines_in(const struct buf *lines)
{
    size_t count = 0;

    for (size_t i = 0; i < lines->len; i++)
        count += lines->data[i] == '\n';
    return count;
}

static void file_take(uint32_t shard)
{
    struct file_lane *lane = &sim.file.lanes[shard];
    struct buf *lines = &sim.lines[shard];
    struct row_list *rows = &sim.lane_rows[shard];
    struct file_block *block = spsc_pop(&lane->full);
    size_t count;

    if (block->lines.len > lines->len ||
        memcmp(block->lines.data, lines->data, block->lines.len) != 0)
        sim_fail("the file gets other lines than shard %u has emitted", shard);
    buf_consume(lines, block->lines.len);
    count = lines_in(&block->lines);
    for (size_t i = 0; i < count; i++)
        pending_add(block->epoch, rows->all[i]);
    rows->count -= count;
    memmove(rows->all, rows->all + count, rows->count * sizeof(*rows->all));
    buf_reset(&block->lines);
    CHECK(spsc_push(&lane->empty, block));
}

void file_take_all(void)
{
    for (uint32_t i = 0; i < shard_count(); i++) {
        while (spsc_count(&sim.file.lanes[i].full) > 0)
            file_take(i);
    }
}

static bool file_waits(void)
{
    for (uint32_t i = 0; i < shard_count(); i++) {
        if (spsc_count(&sim.file.lanes[i].full) > 0)
            return true;
    }
    return false;
}

static void file_run(void)
{
    if (sim.now_ns < control.file_ns)
        return;
    file_take_all();
    if (mishap(2))
        control.file_ns = sim.now_ns + (int64_t)dice(1000) * NS_PER_MS;
}

/* --- the course of a life --- */

static void stage_set(enum stage stage)
{
    control.stage = stage;
    if (stage >= STAGE_DRAINING && sim.life == sim.scenario.lives - 1)
        control.ends_ns = NEVER; /* it does already */
    sim.draining = stage == STAGE_DRAINING;
    control.stage_ns = sim.now_ns;
}

static void reports_take(void)
{
    struct report report;

    for (uint32_t i = 0; i < shard_count(); i++) {
        while (shard_report(sim.fleet.shards[i], &report)) {
            if (report.kind == REPORT_FAILED)
                sim_fail("shard %u fails: %s", i, report.text);
            if (report.kind == REPORT_DRAINED)
                control.drained++;
            if (report.kind == REPORT_CAPTURED)
                checkpoints_take(i, report.mark);
            if (report.kind == REPORT_URGENT)
                checkpoints_urge();
        }
    }
}

static int64_t linger_ns(void)
{
    return sim.scenario.idles ? sim.scenario.idle_after_ms * NS_PER_MS + 3 * NS_PER_S : 0;
}

static bool shards_idle(void)
{
    for (uint32_t i = 0; i < shard_count(); i++) {
        if (sim.fleet.shards[i]->is_full)
            return false;
    }
    return true;
}

static void finish(void)
{
    bool has_failed;

    if (control.stage == STAGE_DRAINING && control.drained == shard_count()) {
        stage_set(STAGE_FINISHING);
        checkpoints_make();
    } else if (control.stage == STAGE_FINISHING && checkpoints_made(&has_failed)) {
        if (!has_failed)
            stage_set(STAGE_OVER);
        else if (!crash_here(100))
            checkpoints_make();
    }
}

static void stage_run(void)
{
    bool is_last = sim.life == sim.scenario.lives - 1;

    if (control.stage < STAGE_DRAINING && is_last && sim.now_ns >= control.ends_ns) {
        command_all(COMMAND_DRAIN);
        stage_set(STAGE_DRAINING);
    }
    if (control.stage == STAGE_READING && !sim.scenario.bounded && all_read())
        stage_set(STAGE_LINGERING);
    if (control.stage == STAGE_READING && sim.scenario.bounded && control.drained == shard_count())
        stage_set(STAGE_DRAINING);
    if (control.stage == STAGE_LINGERING && (!all_read() || !shards_idle()))
        stage_set(STAGE_READING);
    if (control.stage == STAGE_LINGERING && sim.now_ns >= control.stage_ns + linger_ns() &&
        control.rebalances == 0) {
        command_all(COMMAND_DRAIN);
        stage_set(STAGE_DRAINING);
    }
    finish();
}

/* --- steps --- */

static bool is_due(uint32_t shard)
{
    const struct loop *loop = &sim.loops[shard];

    return loop->woken || loop->due_ns <= sim.now_ns || redis_due_ns(shard) <= sim.now_ns;
}

/* The host was busy with something else, or asleep. Nobody has lingered meanwhile. */
static void pause(void)
{
    int64_t ns = 0;

    if (mishap(1) && chance(10))
        ns = (int64_t)dice(3000) * NS_PER_MS;
    if (mishap(1) && chance(5))
        ns += FROZEN_NS + (int64_t)dice(3000) * NS_PER_MS;
    sim.now_ns += ns;
    if (ns > 0)
        control.stage_ns = sim.now_ns;
}

static void shard_step(uint32_t shard)
{
    struct loop *loop = &sim.loops[shard];

    redis_run(shard);
    loop->woken = false;
    turn_begins(shard);
    CHECK(shard_turn(sim.fleet.shards[shard]) == 0);
    check_sleepers();
    sim.now_ns += (int64_t)dice(60) * NS_PER_US;
    pause();
}

/* While partitions come, or go, the control thread does nothing else. */
static void control_turn(void)
{
    rebalance();
    if (sim.has_crashed || some_is(PARTITION_COMING))
        return;
    reports_take();
    checkpoints_turn();
}

void fleet_interrupt(void)
{
    pause();
    if (!sim.has_crashed)
        control_turn();
}

static void control_step(void)
{
    sim.calm = sim.now_ns > sim.scenario.lasts_ns + CALM_AFTER_NS && control.rebalances == 0;
    control_turn();
    file_run();
    if (!sim.has_crashed && control.moving == MOVING_NOTHING && !some_is(PARTITION_COMING))
        stage_run();
    kafka_wake();
}

static int64_t next_ns(void)
{
    int64_t at_ns = MIN(MIN(kafka_due_ns(), control.ends_ns), checkpoints_due_ns());
    bool may_move = control.moving == MOVING_NOTHING && control.stage < STAGE_DRAINING;

    for (uint32_t i = 0; i < shard_count(); i++)
        at_ns = MIN(at_ns, MIN(sim.loops[i].due_ns, redis_due_ns(i)));
    for (int i = 0; i < sim.scenario.partition_count; i++) {
        if (sim.partitions[i].state == PARTITION_AWAY && may_move)
            at_ns = MIN(at_ns, sim.partitions[i].back_ns);
        if (sim.partitions[i].state == PARTITION_GOING)
            at_ns = sim.now_ns;
    }
    if (file_waits())
        at_ns = MIN(at_ns, control.file_ns);
    if (control.rebalances > 0 && may_move)
        at_ns = MIN(at_ns, control.rebalance_ns);
    if (control.stage == STAGE_LINGERING && control.rebalances == 0)
        at_ns = MIN(at_ns, control.stage_ns + linger_ns());
    return at_ns;
}

static void step(void)
{
    uint32_t due[SHARDS_MAX];
    uint64_t due_count = 0;

    if (++sim.steps > STEPS_MAX)
        sim_fail("it does not end");
    control_step();
    for (uint32_t i = 0; i < shard_count() && !sim.has_crashed; i++) {
        if (is_due(i) || chance(1))
            due[due_count++] = i;
    }
    if (due_count > 0) {
        shard_step(due[dice(due_count)]);
        return;
    }
    int64_t at_ns = sim.has_crashed ? sim.now_ns : next_ns();

    if (at_ns == NEVER)
        sim_fail("everybody waits for somebody else");
    sim.now_ns = MAX(sim.now_ns, at_ns);
}

static bool life_goes_on(int64_t began_ns)
{
    if (sim.now_ns - began_ns > LIFE_NS_MAX)
        sim_fail("a life does not end");
    if (sim.has_crashed || (sim.life < sim.scenario.lives - 1 && sim.now_ns >= control.ends_ns))
        return false;
    return control.stage != STAGE_OVER;
}

static int64_t random_end_ns(void)
{
    return sim.now_ns + (int64_t)dice((uint64_t)(sim.scenario.lasts_ns + 50 * NS_PER_MS));
}

static void life_begin(void)
{
    bool is_last = sim.life == sim.scenario.lives - 1;

    memset(&control, 0, sizeof(control));
    memset(sim.partitions, 0, sizeof(sim.partitions));
    control.ends_ns = !is_last || sim.scenario.drains_early ? random_end_ns() : NEVER;
    control.rebalances = sim.scenario.rebalances;
    control.rebalance_ns = random_end_ns();
    sim.has_crashed = false;
    fleet_init();
    checkpoints_begin();
    checkpoints_damage();
    assign_those_back();
    if (sim.scenario.bounded)
        command_all(COMMAND_COMPLETE);
}

/* What a life that was not the last leaves behind is the beginning of what it would have done. */
static void taps_cut(void)
{
    for (struct tap *tap = sim.taps; tap; tap = tap->next)
        tap->was_cut |= !tap->keyspace || tap->life < sim.scenario.lives - 1;
}

static void life_end(void)
{
    bool is_last = sim.life == sim.scenario.lives - 1;

    taps_cut();
    side_end();
    sim.crashes += control.stage != STAGE_OVER;
    for (uint32_t i = 0; i < shard_count() && control.stage == STAGE_OVER; i++) {
        if (sim.lines[i].len > 0 || pending_count() > 0)
            sim_fail("shard %u has drained and rows are not in the file", i);
    }
    if (is_last)
        check_all();
    checkpoints_end();
    fleet_done();
}

void fleet_run(void)
{
    redis_begin();
    disk_begin();
    for (sim.life = 0; sim.life < sim.scenario.lives; sim.life++) {
        int64_t began_ns = sim.now_ns;

        life_begin();
        while (life_goes_on(began_ns))
            step();
        life_end();
    }
    redis_end();
    disk_end();
    for (uint32_t i = 0; i < SHARDS_MAX; i++)
        free(sim.lane_rows[i].all);
    free(sim.emitted);
}
