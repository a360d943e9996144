#include <errno.h>

#include "base/clock.h"
#include "base/lines.h"
#include "engine/internal.h"
#include "kafka/client.h"
#include "sink/redis_client.h"
#include "source/cluster.h"

#define TICK_NS            NS_PER_S
#define POLL_NS            (100 * NS_PER_MS) /* deliveries of the side output are looked at this often */
#define DRAIN_NS           (30 * NS_PER_S)
#define LAST_NS            (60 * NS_PER_S) /* for the checkpoint at the end, and before partitions go */
#define REDIS_PROBE_MS     10000
#define LEADERS_MS         500               /* for the brokers to say who leads, */
#define LEADERS_NS         (500 * NS_PER_MS) /* not more often */
#define FEATURES_INIT_MS   30000
#define NOTICE_INTERVAL_NS (5 * NS_PER_S)
#define WATCHES_MAX        16

static void wake_control(void *context)
{
    struct engine *engine = context;

    loop_wake(engine->loop);
}

void engine_fail(struct engine *engine, int error, const char *text)
{
    if (engine->failure)
        return;
    engine->failure = error;
    err_set(&engine->failure_text, error, "%s", text);
}

static void on_notice(void *context, const char *text)
{
    struct engine *engine = context;
    uint64_t held_back;
    bool pass;

    pthread_mutex_lock(&engine->notice_mutex);
    pass = log_limit_pass(&engine->notice_limit, clock_monotonic_ns(), NOTICE_INTERVAL_NS,
                          &held_back);
    pthread_mutex_unlock(&engine->notice_mutex);
    if (pass)
        log_warn("kafka: %s", text);
}

static void on_fatal(void *context, const char *text)
{
    engine_fail(context, -EIO, text);
}

void command_send(struct engine *engine, uint32_t shard, const struct command *command)
{
    /* The ring holds more commands than an engine ever has under way. */
    CHECK(shard_command(engine->fleet.shards[shard], command));
}

void command_send_all(struct engine *engine, const struct command *command)
{
    for (uint32_t i = 0; i < engine->shards_started; i++)
        command_send(engine, i, command);
}

void shards_settle(struct engine *engine)
{
    for (uint32_t i = 0; i < engine->shards_started; i++)
        shard_settle(engine->fleet.shards[i]);
}

static int topics_ensure(struct engine *engine, struct err *err)
{
    struct rd_kafka_s *client = consumer_client(engine->consumer);
    int error = 0;

    for (uint32_t i = 0; !error && i < engine->plan->source_count; i++) {
        const struct plan_source *source = &engine->plan->sources[i];

        if (source->dead_letter_topic)
            error = kafka_topic_ensure(client, source->dead_letter_topic, err);
        if (!error && source->late_topic)
            error = kafka_topic_ensure(client, source->late_topic, err);
    }
    if (!error && engine->plan->feature_topic.name)
        error = kafka_topic_ensure(client, engine->plan->feature_topic.name, err);
    if (error)
        err_prefix(err, "kafka %s", engine->plan->kafka.brokers);
    return error;
}

static int64_t **offsets_create(const struct engine *engine)
{
    int64_t **offsets = calloc(engine->plan->source_count, sizeof(*offsets));

    CHECK(offsets);
    for (uint32_t i = 0; i < engine->plan->source_count; i++) {
        offsets[i] = malloc(partition_count(engine, i) * sizeof(**offsets));
        CHECK(offsets[i]);
        for (uint32_t j = 0; j < partition_count(engine, i); j++)
            offsets[i][j] = -1;
    }
    return offsets;
}

static void offsets_free(const struct engine *engine, int64_t **offsets)
{
    for (uint32_t i = 0; offsets && i < engine->plan->source_count; i++)
        free(offsets[i]);
    free(offsets);
}

static void progress_create(struct engine *engine)
{
    struct progress **progress = calloc(engine->plan->source_count, sizeof(*progress));

    CHECK(progress);
    for (uint32_t i = 0; i < engine->plan->source_count; i++) {
        progress[i] = lines_calloc(partition_count(engine, i), sizeof(**progress));
        for (uint32_t j = 0; j < partition_count(engine, i); j++) {
            atomic_init(&progress[i][j].position, -1);
            atomic_init(&progress[i][j].record_ms, -1);
            atomic_init(&progress[i][j].committed, -1);
            atomic_init(&progress[i][j].end, -1);
        }
    }
    engine->fleet.progress = progress;
}

static void fleet_init(struct engine *engine)
{
    struct fleet *fleet = &engine->fleet;
    uint32_t sources = engine->plan->source_count;

    fleet->plan = engine->plan;
    fleet->shard_count = engine->placement.shards;
    fleet->bounded = engine->options.bounded;
    fleet->is_native = consumer_is_native(engine->consumer);
    fleet->frozen_ns = consumer_session_timeout_ms(engine->consumer) * NS_PER_MS / 3;
    fleet->wake_control = wake_control;
    fleet->context = engine;
    fleet->shards = calloc(fleet->shard_count, sizeof(struct shard *));
    fleet->mailboxes = aligned_alloc(CACHE_LINE, (size_t)fleet->shard_count * fleet->shard_count *
                                                     sizeof(*fleet->mailboxes));
    fleet->clocks = calloc(sources, sizeof(*fleet->clocks));
    engine->assigned_counts = calloc(sources, sizeof(*engine->assigned_counts));
    CHECK(fleet->shards && fleet->mailboxes && fleet->clocks && engine->assigned_counts);
    for (uint32_t i = 0; i < fleet->shard_count * fleet->shard_count; i++)
        mailbox_init(&fleet->mailboxes[i]);
    for (uint32_t i = 0; i < sources; i++)
        source_clock_init(&fleet->clocks[i], (uint32_t)consumer_partitions(engine->consumer, i));
    progress_create(engine);
    engine->bounded_ends = offsets_create(engine);
    engine->bounded_starts = offsets_create(engine);
}

static void fleet_done(struct engine *engine)
{
    struct fleet *fleet = &engine->fleet;

    if (!fleet->shards)
        return;
    for (uint32_t i = 0; i < fleet->shard_count * fleet->shard_count; i++)
        mailbox_done(&fleet->mailboxes[i]);
    for (uint32_t i = 0; i < engine->plan->source_count; i++)
        source_clock_done(&fleet->clocks[i]);
    for (uint32_t i = 0; i < engine->plan->source_count; i++)
        free(fleet->progress[i]);
    free(fleet->progress);
    offsets_free(engine, engine->bounded_ends);
    offsets_free(engine, engine->bounded_starts);
    free(engine->assigned_counts);
    free(fleet->shards);
    free(fleet->mailboxes);
    free(fleet->clocks);
}

static void wake_shards(void *context)
{
    struct engine *engine = context;

    for (uint32_t i = 0; i < engine->shards_started; i++)
        shard_wake(engine->fleet.shards[i]);
}

static int feature_topic_open(struct engine *engine, struct err *err)
{
    struct buf name = {0};
    struct feature_options options = {
        .lane_count = engine->placement.shards,
        .hooks = {.notice = on_notice, .wake = wake_shards, .context = engine},
    };
    int error;

    buf_printf(&name, "%s/%s", engine->plan->kafka.group, consumer_instance_id(engine->consumer));
    options.transactional_id = buf_string(&name);
    error = feature_topic_create(engine->plan, &options, &engine->fleet.features, err);
    buf_free(&name);
    if (!error)
        error = feature_topic_init(engine->fleet.features, FEATURES_INIT_MS, err);
    return error;
}

static int outputs_open(struct engine *engine, struct err *err)
{
    struct side_hooks hooks = {.notice = on_notice, .context = engine};
    int error = topics_ensure(engine, err);

    if (!error)
        error = side_output_create(engine->plan, &hooks, &engine->fleet.side, err);
    if (!error && engine->plan->feature_topic.name)
        error = feature_topic_open(engine, err);
    if (error || !engine->plan->file_output)
        return error;
    error = file_writer_open(&engine->file, engine->plan, engine->placement.shards,
                             state_dir_work(engine->checkpoints.dir), wake_control, engine, err);
    if (!error)
        engine->fleet.file = &engine->file;
    return error;
}

static int shards_start(struct engine *engine, struct err *err)
{
    for (uint32_t i = 0; i < engine->fleet.shard_count; i++) {
        int error = shard_start(&engine->fleet, i, engine->placement.cpus[i], engine->consumer,
                                &engine->fleet.shards[i], err);

        if (error)
            return error;
        engine->shards_started++;
    }
    return 0;
}

static int edges_open(struct engine *engine, struct err *err)
{
    struct loop_options loop = {.streams_max = 1, .watches_max = WATCHES_MAX};
    struct consumer_hooks hooks = {
        .assigned = group_assigned,
        .revoked = group_revoked,
        .notice = on_notice,
        .fatal = on_fatal,
        .context = engine,
    };
    int error = loop_create(&loop, &engine->loop, err);

    if (!error && engine->plan->redis.present)
        error = redis_probe(&engine->plan->redis, REDIS_PROBE_MS, err);
    if (!error)
        error = consumer_create(engine->plan, &hooks, &engine->consumer, err);
    if (!error && engine->plan->kafka.fetch == FETCH_AUTO && !consumer_is_native(engine->consumer))
        log_info("records are fetched by librdkafka, since the connection is to be secured");
    return error;
}

int engine_create(const struct plan *plan, const struct engine_options *options,
                  struct engine **ret, struct err *err)
{
    struct engine *engine = calloc(1, sizeof(*engine));
    int error;

    CHECK(engine);
    engine->plan = plan;
    engine->options = *options;
    engine->started_ns = clock_monotonic_ns();
    engine->started_cpu_ns = clock_process_cpu_ns();
    pthread_mutex_init(&engine->notice_mutex, NULL);
    error = placement_make(&plan->engine, &engine->placement, err);
    if (error)
        goto fail;
    /* Before any client is created: librdkafka's threads inherit it. */
    pthread_setaffinity_np(pthread_self(), sizeof(cpu_set_t), &engine->placement.control);
    error = edges_open(engine, err);
    if (error)
        goto fail;
    fleet_init(engine);
    error = checkpoints_open(engine, err);
    if (!error)
        error = outputs_open(engine, err);
    if (!error)
        error = shards_start(engine, err);
    if (!error) {
        consumer_wake_by(engine->consumer, loop_wake_fd(engine->loop));
        error = consumer_subscribe(engine->consumer, err);
    }
    if (error)
        goto fail;
    *ret = engine;
    return 0;
fail:
    engine_free(engine);
    return error;
}

void reports_take(struct engine *engine)
{
    struct report report;

    for (uint32_t i = 0; i < engine->shards_started; i++) {
        while (shard_report(engine->fleet.shards[i], &report)) {
            switch (report.kind) {
            case REPORT_DRAINED:
                engine->shards_drained++;
                break;
            case REPORT_CAPTURED:
                checkpoints_take(engine, i, report.mark);
                break;
            case REPORT_URGENT:
                checkpoints_urge(engine);
                break;
            case REPORT_FAILED:
                engine_fail(engine, -EIO, report.text);
                break;
            }
        }
    }
}

static void drain_begin(struct engine *engine, int64_t now_ns)
{
    if (engine->is_draining || !atomic_load(&engine->stop_wanted))
        return;
    engine->is_draining = true;
    engine->drain_until_ns = now_ns + DRAIN_NS;
    atomic_store(&engine->phase, ENGINE_DRAINING);
    log_info("draining");
    command_send_all(engine, &(struct command){.kind = COMMAND_DRAIN});
}

/* Shards that fetch for themselves are told who leads their partitions, when they don't know or
 * have found out that it is not so. */
static void leaders_tell(struct engine *engine, int64_t now_ns)
{
    struct fleet *fleet = &engine->fleet;
    struct cluster *cluster;
    struct err err;

    if (now_ns < engine->leaders_due_ns || !atomic_exchange(&fleet->leaders_wanted, false))
        return;
    engine->leaders_due_ns = now_ns + LEADERS_NS;
    if (cluster_look_up(consumer_client(engine->consumer), engine->plan, LEADERS_MS, &cluster,
                        &err)) {
        on_notice(engine, err.text);
        atomic_store(&fleet->leaders_wanted, true);
        return;
    }
    for (uint32_t i = 0; i < engine->shards_started; i++)
        command_send(engine, i,
                     &(struct command){.kind = COMMAND_CLUSTER, .cluster = cluster_hold(cluster)});
    cluster_drop(cluster);
}

static int64_t leaders_due_ns(const struct engine *engine)
{
    return atomic_load(&engine->fleet.leaders_wanted) ? engine->leaders_due_ns : INT64_MAX;
}

static void timers_run(struct engine *engine, int64_t now_ns)
{
    if (now_ns >= engine->poll_due_ns) {
        engine->poll_due_ns = now_ns + POLL_NS;
        side_output_poll(engine->fleet.side);
    }
    if (now_ns >= engine->tick_due_ns) {
        engine->tick_due_ns = now_ns + TICK_NS;
        if (engine->options.tick)
            engine->options.tick(engine->options.context, engine);
    }
    if (engine->is_draining && now_ns >= engine->drain_until_ns)
        engine_fail(engine, -ETIMEDOUT, "the sinks did not take all rows in time");
}

void outputs_turn(struct engine *engine)
{
    struct err err;
    int error = engine->fleet.file ? file_writer_run(engine->fleet.file, &err) : 0;

    if (!error && engine->fleet.features)
        error = feature_topic_poll(engine->fleet.features, &err);
    /* A full disk stops the shards, whose blocks are not taken, until it has room again. */
    if (error == -ENOSPC)
        on_notice(engine, err.text);
    else if (error)
        engine_fail(engine, error, err.text);
}

static bool is_over(const struct engine *engine)
{
    return engine->failure || engine->shards_drained == engine->shards_started;
}

static void control_turn(struct engine *engine)
{
    int64_t now_ns = clock_monotonic_ns();
    int64_t until_ns;

    consumer_poll(engine->consumer, 0);
    drain_begin(engine, now_ns);
    reports_take(engine);
    outputs_turn(engine);
    timers_run(engine, now_ns);
    leaders_tell(engine, now_ns);
    checkpoints_turn(engine, now_ns);
    if (is_over(engine))
        return;

    until_ns = MIN(MIN(engine->tick_due_ns, leaders_due_ns(engine)), checkpoints_due_ns(engine));
    if (engine->fleet.side || engine->fleet.features)
        until_ns = MIN(until_ns, engine->poll_due_ns);
    int handled = loop_run(engine->loop, MAX(until_ns - clock_monotonic_ns(), INT64_C(0)));
    if (handled < 0)
        engine_fail(engine, handled, "the control thread's io_uring is broken");
}

/* What the shards have computed is on its way: the last checkpoint sees it through. */
static void outputs_finish(struct engine *engine)
{
    int error = checkpoints_make(engine, LAST_NS, true);

    if (error && !engine->failure)
        engine_fail(engine, error, "the last checkpoint could not be made");
}

int engine_run(struct engine *engine, struct err *err)
{
    while (!is_over(engine))
        control_turn(engine);
    if (!engine->failure)
        outputs_finish(engine);
    atomic_store(&engine->phase, ENGINE_DONE);
    if (engine->failure)
        *err = engine->failure_text;
    return engine->failure;
}

void engine_free(struct engine *engine)
{
    if (!engine)
        return;
    atomic_store(&engine->phase, ENGINE_DONE);
    shards_stop(&engine->fleet, engine->shards_started);
    engine->shards_started = 0;
    consumer_free(engine->consumer);
    side_output_free(engine->fleet.side);
    feature_topic_free(engine->fleet.features);
    if (engine->fleet.file && file_writer_close(engine->fleet.file))
        log_error("output file %s: not everything may be on the disk", engine->plan->file_output);
    checkpoints_close(engine);
    fleet_done(engine);
    loop_free(engine->loop);
    placement_done(&engine->placement);
    pthread_mutex_destroy(&engine->notice_mutex);
    free(engine);
}

void engine_stop(struct engine *engine)
{
    atomic_store(&engine->stop_wanted, true);
    loop_wake(engine->loop);
}

struct loop *engine_loop(struct engine *engine)
{
    return engine->loop;
}

const struct fleet *engine_fleet(const struct engine *engine)
{
    return &engine->fleet;
}

enum engine_phase engine_phase(const struct engine *engine)
{
    return (enum engine_phase)atomic_load(&((struct engine *)engine)->phase);
}

const struct checkpoints *engine_checkpoints(const struct engine *engine)
{
    return &engine->checkpoints;
}

int64_t engine_end_offset(struct engine *engine, uint32_t source, int32_t partition)
{
    return engine->fleet.is_native ? atomic_load(&engine->fleet.progress[source][partition].end)
                                   : consumer_end_offset(engine->consumer, source, partition);
}

int64_t engine_started_ns(const struct engine *engine)
{
    return engine->started_ns;
}

int64_t engine_cpu_ns(const struct engine *engine)
{
    return clock_process_cpu_ns() - engine->started_cpu_ns;
}

void engine_progress(const struct engine *engine, uint64_t *ret_done, uint64_t *ret_all)
{
    *ret_done = *ret_all = 0;
    for (uint32_t i = 0; i < engine->plan->source_count; i++) {
        for (uint32_t j = 0; j < partition_count(engine, i); j++) {
            int64_t start = engine->bounded_starts[i][j];
            int64_t position = atomic_load(&engine->fleet.progress[i][j].position);

            if (start < 0 || position < 0)
                continue;
            *ret_done += (uint64_t)(position - start);
            *ret_all += (uint64_t)(engine->bounded_ends[i][j] - start);
        }
    }
}
