#include "shard/shard.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/lines.h"
#include "shard/internal.h"

#define RING_CAPACITY     4096 /* commands: a partition each, at the most */
#define FIRE_BUDGET       1024 /* keys whose windows fire in a turn */
#define FIRE_BUDGET_SHORT 128  /* while memory is short, since cold ones are loaded for it */
#define SAMPLE_NS         (500 * NS_PER_MS)
#define FULL_WAIT_NS      NS_PER_MS /* while a sink is full: somebody else has to make room */
#define BLOCKED_WAIT_NS                                                                            \
    (100 * NS_PER_US)                    /* while a mailbox is full: its shard may want this CPU   \
                                          */
#define FAILED_WAIT_NS (100 * NS_PER_MS) /* for the end */

static void commands_take(struct shard *shard)
{
    struct command *command;

    while ((command = spsc_pop(&shard->commands))) {
        switch (command->kind) {
        case COMMAND_RESTORE:
            restore_shuffled(shard, command);
            break;
        case COMMAND_AWAIT:
            commit_await(shard);
            break;
        case COMMAND_CLUSTER:
            fetcher_cluster(shard->fetcher, command->cluster, shard->now_ns);
            break;
        case COMMAND_ASSIGN:
            partition_assign(shard, command);
            break;
        case COMMAND_LEAVE:
            partition_leave(shard, command);
            break;
        case COMMAND_REVOKE:
            partition_revoke(shard, command);
            break;
        case COMMAND_COMPLETE:
            shard->assignments_complete = true;
            break;
        case COMMAND_MARK:
            share_begin(shard, command);
            break;
        case COMMAND_ABORT:
            share_abort(shard);
            break;
        case COMMAND_DRAIN:
            shard->drain_wanted = true;
            break;
        case COMMAND_STOP:
            shard->stop_wanted = true;
            break;
        }
        free(command);
        atomic_fetch_add_explicit(&shard->commands_taken, 1, memory_order_release);
    }
}

static void report_push(struct shard *shard, const struct report *report)
{
    struct report *copy = malloc(sizeof(*copy));

    CHECK(copy);
    *copy = *report;
    CHECK(spsc_push(&shard->reports, copy)); /* fewer than commands */
    shard->fleet->wake_control(shard->fleet->context);
}

void report_send(struct shard *shard, enum report_kind kind, const char *text)
{
    struct report report = {.kind = kind};

    snprintf(report.text, sizeof(report.text), "%s", text ? text : "");
    report_push(shard, &report);
}

void report_mark(struct shard *shard, struct mark *mark)
{
    report_push(shard, &(struct report){.kind = REPORT_CAPTURED, .mark = mark});
}

static uint32_t fire_budget(const struct shard *shard)
{
    return shard->memory.is_evicting ? FIRE_BUDGET_SHORT : FIRE_BUDGET;
}

/* Fires what is due. True if more is. */
static bool keyspaces_fire(struct shard *shard)
{
    struct keyspace *keyspace;
    uint32_t source;
    bool more = false;

    if (!shard->must_fire)
        return false;
    FOR_EACH_KEYSPACE(shard, keyspace, source)
    {
        if (shard->is_full || memory_is_short(shard))
            return true;
        more = keyspace_fire(keyspace, fire_budget(shard)) || more;
    }
    shard->must_fire = more;
    return more;
}

/* End of a bounded run: the windows that have not fired. True if some are left. */
static bool keyspaces_finish(struct shard *shard)
{
    struct keyspace *keyspace;
    uint32_t source;
    bool more = false;

    FOR_EACH_KEYSPACE(shard, keyspace, source)
    {
        if (shard->is_full || memory_is_short(shard))
            return true;
        more = keyspace_finish(keyspace, fire_budget(shard)) || more;
    }
    return more;
}

static bool commit_has_come(const struct shard *shard)
{
    return atomic_load(&shard->fleet->commits_accepted) >= shard->commit_needed;
}

void commit_await(struct shard *shard)
{
    bool is_first = commit_has_come(shard);

    shard->commit_needed = atomic_load(&shard->fleet->commits_begun) + 1;
    if (is_first)
        report_send(shard, REPORT_URGENT, NULL);
}

/* A replay has caught up when all that is due by then has fired. */
static bool is_behind(const struct shard *shard, bool was_behind,
                      bool (*some_is)(const struct shard *shard))
{
    return some_is(shard) || (was_behind && shard->must_fire);
}

static void sinks_turn(struct shard *shard)
{
    bool flushing = shard->phase >= PHASE_FLUSHING;

    if (shard->redis) {
        shard->is_held = is_behind(shard, shard->is_held, partitions_replaying);
        gauge_set(&shard->stats.replaying, shard->is_held);
        gauge_set(&shard->stats.awaiting_commit, !commit_has_come(shard));
        redis_sink_hold(shard->redis, shard->is_held || !commit_has_come(shard));
        redis_sink_flush(shard->redis, flushing);
        redis_sink_turn(shard->redis, shard->now_ns, shard->now_ms);
    }
    if (shard->file)
        file_lane_turn(shard->file, shard->now_ns, flushing);
    shard->is_muted = is_behind(shard, shard->is_muted, partitions_muted);
    if (shard->features) {
        feature_lane_mute(shard->features, shard->is_muted);
        feature_lane_turn(shard->features);
    }
}

static bool sinks_full(const struct shard *shard)
{
    return (shard->redis && redis_sink_full(shard->redis)) ||
           (shard->file && file_lane_full(shard->file)) ||
           (shard->features && feature_lane_full(shard->features)) || share_full(shard);
}

/* What is held back goes with the process: the next one replays it again. */
static bool sinks_idle(const struct shard *shard)
{
    return (!shard->redis || shard->is_held || redis_sink_idle(shard->redis)) &&
           (!shard->file || file_lane_idle(shard->file)) &&
           (!shard->features || feature_lane_idle(shard->features));
}

static void mail_flush(struct shard *shard)
{
    for (uint32_t i = 0; i < shard->fleet->shard_count; i++) {
        if (i != shard->number && mailbox_flush(outbox_to(shard, i)))
            shard_wake(shard->fleet->shards[i]);
    }
}

static bool inboxes_closed(const struct shard *shard)
{
    for (uint32_t i = 0; i < shard->fleet->shard_count; i++) {
        if (i != shard->number && !inbox_from(shard, i)->is_closed)
            return false;
    }
    return true;
}

static bool closing_told(struct shard *shard)
{
    for (; shard->told_closing < shard->fleet->shard_count; shard->told_closing++) {
        if (shard->told_closing != shard->number &&
            !mailbox_put_closing(outbox_to(shard, shard->told_closing)))
            return false;
    }
    return true;
}

static bool input_is_done(const struct shard *shard)
{
    if (shard->batch.count > 0)
        return false;
    return shard->drain_wanted ||
           (shard->fleet->bounded && shard->assignments_complete && partitions_ended(shard));
}

/* Does this phase's work, and goes on to the next one when it is done. True if there is more to do
 * at once. */
static bool phase_advance(struct shard *shard, bool work_left)
{
    switch (shard->phase) {
    case PHASE_READING:
        /* The last word makes something due: not before a mark that waits for nothing to be. */
        if (!input_is_done(shard) || work_left || shard->share.stage == SHARE_ALIGNING)
            return false;
        shard->clocks_due_ns = 0;
        if (!partitions_tick(shard)) /* the last word on each partition's times */
            return false;
        shard->phase = PHASE_CLOSING;
        return true;
    case PHASE_CLOSING:
        if (!closing_told(shard))
            return false;
        shard->phase = PHASE_AWAITING;
        return true;
    case PHASE_AWAITING:
        if (!inboxes_closed(shard) || work_left)
            return false;
        shard->phase = shard->fleet->bounded && !shard->drain_wanted ? PHASE_FINISHING
                                                                     : PHASE_FLUSHING;
        return true;
    case PHASE_FINISHING:
        if (shard->leaving > 0)
            return false;
        if (!keyspaces_finish(shard))
            shard->phase = PHASE_FLUSHING;
        return true;
    case PHASE_FLUSHING:
        if (!sinks_idle(shard))
            return false;
        shard->phase = PHASE_DRAINED;
        report_send(shard, REPORT_DRAINED, NULL);
        return true;
    case PHASE_DRAINED:
        return false;
    }
    UNREACHABLE();
}

static void sample(struct shard *shard)
{
    struct keyspace *keyspace;
    uint32_t source;

    if (shard->now_ns - shard->sampled_ns < SAMPLE_NS)
        return;
    shard->sampled_ns = shard->now_ns;
    for (uint32_t i = 0; i < shard->plan->source_count; i++) {
        gauge_set(&shard->stats.sources[i].keys, 0);
        gauge_set(&shard->stats.sources[i].cold_keys, 0);
        gauge_set(&shard->stats.sources[i].state_bytes, 0);
    }
    for (uint32_t i = 0; i < shard->plan->view_count; i++)
        gauge_set(&shard->stats.view_bytes[i], 0);
    FOR_EACH_KEYSPACE(shard, keyspace, source)
    {
        const struct plan_source *plan = &shard->plan->sources[source];

        gauge_add(&shard->stats.sources[source].keys, (int64_t)keyspace_keys(keyspace));
        gauge_add(&shard->stats.sources[source].cold_keys, (int64_t)keyspace_cold_keys(keyspace));
        gauge_add(&shard->stats.sources[source].state_bytes, (int64_t)keyspace_bytes(keyspace));
        for (uint32_t i = 0; i < plan->view_count; i++)
            gauge_add(&shard->stats.view_bytes[plan->views[i]],
                      (int64_t)keyspace_view_bytes(keyspace, i));
    }
    partitions_sample(shard);
    gauge_set(&shard->stats.arena_bytes, (int64_t)arena_used_bytes(&shard->arena));
    counter_add(&shard->stats.cpu_ns,
                (uint64_t)clock_thread_cpu_ns() - counter_get(&shard->stats.cpu_ns));
    counter_add(&shard->stats.running_ns, (uint64_t)(shard->now_ns - shard->started_ns) -
                                              counter_get(&shard->stats.running_ns));
}

/* How long the loop may wait. */
static int64_t wait_ns(const struct shard *shard, bool work_left)
{
    int64_t until_ns = shard->phase == PHASE_READING ? shard->clocks_due_ns
                                                     : shard->now_ns + SAMPLE_NS;

    if (shard->is_full || memory_is_short(shard))
        return FULL_WAIT_NS;
    if (work_left || shard->plan->engine.busy_poll)
        return 0;
    if (shard->is_blocked)
        until_ns = MIN(until_ns, shard->now_ns + BLOCKED_WAIT_NS);
    until_ns = MIN(until_ns, MIN(share_deadline_ns(shard), memory_deadline_ns(shard)));
    if (shard->fetcher)
        until_ns = MIN(until_ns, fetcher_deadline_ns(shard->fetcher));
    if (shard->redis)
        until_ns = MIN(until_ns, redis_sink_deadline(shard->redis));
    if (shard->file)
        until_ns = MIN(until_ns, file_lane_deadline_ns(shard->file));
    if (shard->features)
        until_ns = MIN(until_ns, feature_lane_deadline_ns(shard->features, shard->now_ns));
    return MAX(until_ns - clock_monotonic_ns(), INT64_C(0));
}

/* A process that was frozen may have a successor, which has its partitions and writes to Redis:
 * what the gate keeps back goes out when a commit has shown that it has none. */
static void frozen_look(struct shard *shard, int64_t now_ns)
{
    bool is_open = loop_gate_turn(shard->loop);

    if (now_ns - shard->now_ns > shard->fleet->frozen_ns || (!is_open && !shard->is_frozen)) {
        shard->is_frozen = true;
        commit_await(shard);
    }
    if (shard->is_frozen && commit_has_come(shard)) {
        shard->is_frozen = false;
        loop_gate_open(shard->loop);
    }
}

static void turn_begin(struct shard *shard)
{
    int64_t now_ns = clock_monotonic_ns();

    if (shard->is_full || memory_is_short(shard))
        counter_add(&shard->stats.backpressure_ns, (uint64_t)(now_ns - shard->now_ns));
    if (memory_is_short(shard))
        shard->short_ns += now_ns - shard->now_ns;
    frozen_look(shard, now_ns);
    shard->now_ns = now_ns;
    shard->now_ms = clock_realtime_ms();
    shard->is_full = sinks_full(shard);
    if (shard->redis)
        redis_sink_clock(shard->redis, now_ns, shard->now_ms);
    shard->is_blocked = false;
    counter_add(&shard->stats.turns, 1);
}

/* Whether events are to wait. A shard that is short of memory goes on with what is before the mark
 * of a checkpoint: a run at the most, and mail. */
static bool is_shut(const struct shard *shard)
{
    return shard->is_full || (memory_is_short(shard) && shard->share.stage != SHARE_ALIGNING);
}

static bool events_take(struct shard *shard)
{
    bool left;

    if (is_shut(shard))
        return true; /* what waits is not looked at, and nobody tells of it again */
    left = ingest_mail(shard);
    if (!shard->drain_wanted && shard->phase == PHASE_READING)
        ingest_fetch(shard);
    bool fetched = shard->batch.count > 0;
    bool run_left = ingest_run(shard);

    shard->is_blocked &= !left;
    return ((run_left || fetched) && !ingest_is_held(shard)) || left;
}

int shard_turn(struct shard *shard)
{
    bool taken;
    bool left;

    turn_begin(shard);
    commands_take(shard);
    if (UNLIKELY(shard->has_failed))
        return MIN(loop_run(shard->loop, FAILED_WAIT_NS), 0);
    taken = events_take(shard);
    if (shard->fetcher)
        fetcher_turn(shard->fetcher, shard->now_ns);
    if (shard->phase == PHASE_READING)
        partitions_tick(shard);
    left = keyspaces_fire(shard);
    left = phase_advance(shard, taken || left) || left;
    left = share_turn(shard) || left;
    left = memory_turn(shard) || left;
    left = (taken && !shard->is_blocked) || left;
    mail_flush(shard);
    sinks_turn(shard);
    shard->is_full = sinks_full(shard);
    atomic_store_explicit(&shard->is_full_seen, shard->is_full, memory_order_relaxed);
    sample(shard);
    hdr_record(&shard->stats.turn_ns, clock_monotonic_ns() - shard->now_ns, 1);

    int handled = loop_run(shard->loop, wait_ns(shard, left));
    return handled < 0 ? handled : 0;
}

static uint32_t fields_max(const struct plan *plan)
{
    uint32_t max = 1;

    for (uint32_t i = 0; i < plan->source_count; i++)
        max = MAX(max, plan->sources[i].field_count);
    return max;
}

struct shard *shard_create(struct fleet *fleet, uint32_t number, struct consumer *consumer)
{
    size_t bytes = (sizeof(struct shard) + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
    struct shard *shard = aligned_alloc(CACHE_LINE, bytes);

    CHECK(shard);
    memset(shard, 0, bytes);
    shard->fleet = fleet;
    shard->plan = fleet->plan;
    shard->number = number;
    shard->consumer = consumer;
    spsc_init(&shard->commands, RING_CAPACITY);
    spsc_init(&shard->reports, RING_CAPACITY);
    share_init(shard);
    return shard;
}

int shard_open(struct shard *shard, struct err *err)
{
    const struct plan *plan = shard->plan;

    arena_init(&shard->arena);
    intern_init(&shard->intern, &shard->arena);
    shard->stats.sources = lines_calloc(plan->source_count, sizeof(*shard->stats.sources));
    shard->stats.views = lines_calloc(plan->view_count, sizeof(*shard->stats.views));
    shard->stats.view_bytes = lines_calloc(plan->view_count, sizeof(*shard->stats.view_bytes));
    shard->decoders = calloc(plan->source_count, sizeof(struct decoder *));
    shard->run.fields = calloc((size_t)RUN_MAX * fields_max(plan), sizeof(*shard->run.fields));
    CHECK(shard->decoders && shard->run.fields);
    for (uint32_t i = 0; i < plan->source_count; i++)
        shard->decoders[i] = decoder_create(&plan->sources[i]);
    memory_init(shard);
    partitions_init(shard);
    shard->started_ns = shard->now_ns = clock_monotonic_ns();
    return shard_edges_open(shard, err);
}

void shard_close(struct shard *shard)
{
    ingest_release(shard);
    partitions_done(shard);
    intake_free(shard->intake);
    redis_uring_free(shard->redis_io);
    loop_free(shard->loop);
    fetch_uring_free(shard->fetch_io);
    for (uint32_t i = 0; i < shard->plan->source_count; i++)
        decoder_free(shard->decoders[i]);
    free(shard->decoders);
    free(shard->run.fields);
    region_done(&shard->run.scratch);
    buf_free(&shard->side_text);
    intern_done(&shard->intern);
    arena_done(&shard->arena);
}

static void rings_done(struct shard *shard)
{
    struct report report;
    void *left;

    while ((left = spsc_pop(&shard->commands))) {
        cluster_drop(((struct command *)left)->cluster);
        free(left);
    }
    while (shard_report(shard, &report))
        mark_free(report.mark);
    spsc_done(&shard->commands);
    spsc_done(&shard->reports);
    share_done(shard);
}

void shard_free(struct shard *shard)
{
    rings_done(shard);
    free(shard->stats.sources);
    free(shard->stats.views);
    free(shard->stats.view_bytes);
    free(shard);
}

struct intake *shard_intake(struct shard *shard)
{
    return shard->intake;
}

const struct shard_stats *shard_stats(const struct shard *shard)
{
    return &shard->stats;
}

const struct redis_sink_stats *shard_redis_stats(const struct shard *shard)
{
    return shard->redis ? redis_sink_stats(shard->redis) : NULL;
}

const struct fetcher_stats *shard_fetch_stats(const struct shard *shard)
{
    return shard->fetcher ? fetcher_stats(shard->fetcher) : NULL;
}

bool shard_command(struct shard *shard, const struct command *command)
{
    /* The shard frees it, and what it then puts there must not share a line with others'. */
    struct command *copy = lines_calloc(1, sizeof(*copy));

    *copy = *command;
    if (!spsc_push(&shard->commands, copy)) {
        free(copy);
        return false;
    }
    shard->commands_sent++;
    shard_wake(shard);
    return true;
}

bool shard_has_settled(struct shard *shard)
{
    return atomic_load_explicit(&shard->commands_taken, memory_order_acquire) ==
           shard->commands_sent;
}

bool shard_report(struct shard *shard, struct report *ret)
{
    struct report *report = spsc_pop(&shard->reports);

    if (!report)
        return false;
    *ret = *report;
    free(report);
    return true;
}

bool shard_is_full(const struct shard *shard)
{
    return atomic_load_explicit(&shard->is_full_seen, memory_order_relaxed);
}

void shard_wake(struct shard *shard)
{
    loop_wake(shard->loop);
}
