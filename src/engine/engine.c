#include "engine/engine.h"

#include <errno.h>
#include <pthread.h>

#include "base/clock.h"
#include "base/log.h"
#include "engine/placement.h"
#include "kafka/client.h"
#include "sink/redis_client.h"

#define TICK_NS            NS_PER_S
#define POLL_NS            (100 * NS_PER_MS) /* deliveries of the side output are looked at this often */
#define COMMIT_NS          (5 * NS_PER_S)
#define COMMIT_FLUSH_MS    500 /* commits wait this long for dead letters, or for the next time */
#define DRAIN_NS           (30 * NS_PER_S)
#define DRAIN_FLUSH_MS     15000
#define REDIS_PROBE_MS     10000
#define NOTICE_INTERVAL_NS (5 * NS_PER_S)
#define WATCHES_MAX        16

struct engine {
    const struct plan *plan;
    struct engine_options options;
    struct placement placement;
    struct loop *loop;
    struct consumer *consumer;
    struct file_writer file;
    struct fleet fleet;
    uint32_t shards_started;
    uint32_t shards_drained;
    _Atomic int phase;
    _Atomic bool stop_wanted;
    bool is_draining; /* COMMAND_DRAIN was sent */
    bool has_assignment;
    int failure; /* negative errno: the run ends with it, and with */
    struct err failure_text;
    int64_t **committed;    /* by source and partition: offset of the last commit, or -1 */
    int64_t **bounded_ends; /* by source and partition: where a bounded run ends, or -1 */
    int64_t **bounded_starts;
    uint32_t *assigned_counts; /* by source */
    int64_t started_ns;
    int64_t started_cpu_ns;
    int64_t tick_due_ns;
    int64_t commit_due_ns;
    int64_t poll_due_ns;
    int64_t drain_until_ns;
    struct log_limit notice_limit;
    pthread_mutex_t notice_mutex; /* notices come from the consumer's and the producer's threads */
};

static uint32_t partition_count(const struct engine *engine, uint32_t source)
{
    return engine->fleet.clocks[source].partition_count;
}

static void wake_control(void *context)
{
    struct engine *engine = context;

    loop_wake(engine->loop);
}

static void fail(struct engine *engine, int error, const char *text)
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
    fail(context, -EIO, text);
}

static void command_send(struct engine *engine, uint32_t shard, const struct command *command)
{
    /* The ring holds more commands than an engine ever has under way. */
    CHECK(shard_command(engine->fleet.shards[shard], command));
}

static void command_send_all(struct engine *engine, enum command_kind kind)
{
    for (uint32_t i = 0; i < engine->shards_started; i++)
        command_send(engine, i, &(struct command){.kind = kind});
}

static void shards_settle(struct engine *engine)
{
    for (uint32_t i = 0; i < engine->shards_started; i++)
        shard_settle(engine->fleet.shards[i]);
}

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
    fail(engine, -ESTALE, text);
    return false;
}

static void assign_one(struct engine *engine, struct assignment *assignment)
{
    uint32_t source = assignment->source;
    int32_t partition = assignment->partition;
    uint32_t shard = shard_of_partition(partition, engine->fleet.shard_count);
    struct command command = {
        .kind = COMMAND_ASSIGN,
        .source = source,
        .partition = partition,
        .start_offset = assignment->start_offset,
        .end_offset = engine->options.bounded ? assignment->end_offset : INT64_MAX,
        /* A run before this one may have written to Redis whatever is in the topic now. */
        .replay_offset = assignment->has_commit ? assignment->end_offset : 0,
    };

    assignment->intake = shard_intake(engine->fleet.shards[shard]);
    engine->assigned_counts[source]++;
    engine->bounded_starts[source][partition] = assignment->start_offset;
    engine->bounded_ends[source][partition] = assignment->end_offset;
    atomic_store(&engine->fleet.progress[source][partition].position, assignment->start_offset);
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
                 "say partitioning: aligned",
                 source->name, engine->assigned_counts[i], partition_count(engine, i),
                 source->topic, source->fields[source->entity].name);
        fail(engine, -EBUSY, text);
    }
}

static void on_assigned(void *context, struct assignment *list, size_t count)
{
    struct engine *engine = context;

    for (size_t i = 0; i < count; i++) {
        if (!is_known(engine, &list[i]))
            return;
    }
    for (size_t i = 0; i < count; i++)
        assign_one(engine, &list[i]);
    shards_settle(engine);
    log_info("assigned %zu partitions", count);
    check_shuffled(engine);
    if (!engine->has_assignment && engine->options.bounded)
        command_send_all(engine, COMMAND_COMPLETE);
    engine->has_assignment = true;
    if (engine_phase(engine) == ENGINE_STARTING)
        atomic_store(&engine->phase, ENGINE_READING);
}

/* Commits how far the shards have got, where that changed. */
static void commit(struct engine *engine, bool wait)
{
    struct position *list = NULL;
    size_t count = 0;

    for (uint32_t i = 0; i < engine->plan->source_count; i++) {
        for (uint32_t j = 0; j < partition_count(engine, i); j++) {
            int64_t offset = atomic_load(&engine->fleet.progress[i][j].position);

            if (offset < 0 || offset == engine->committed[i][j])
                continue;
            list = realloc(list, (count + 1) * sizeof(*list));
            CHECK(list);
            list[count++] = (struct position){
                .source = i, .partition = (int32_t)j, .offset = offset};
        }
    }
    /* Dead letters and late records come first: what is committed has been accounted for. */
    if (count > 0 &&
        side_output_flush(engine->fleet.side, wait ? DRAIN_FLUSH_MS : COMMIT_FLUSH_MS) == 0) {
        consumer_commit(engine->consumer, list, count, wait);
        for (size_t i = 0; i < count; i++)
            engine->committed[list[i].source][list[i].partition] = list[i].offset;
    }
    free(list);
}

static void on_revoked(void *context, const struct assignment *list, size_t count, bool lost)
{
    struct engine *engine = context;

    if (!lost)
        commit(engine, true);
    for (size_t i = 0; i < count; i++) {
        uint32_t shard = shard_of_partition(list[i].partition, engine->fleet.shard_count);

        atomic_store(&engine->fleet.progress[list[i].source][list[i].partition].position, -1);
        engine->committed[list[i].source][list[i].partition] = -1;
        engine->assigned_counts[list[i].source]--;
        if (shard < engine->shards_started)
            command_send(engine, shard,
                         &(struct command){.kind = COMMAND_REVOKE,
                                           .source = list[i].source,
                                           .partition = list[i].partition});
    }
    shards_settle(engine);
    if (engine_phase(engine) != ENGINE_DONE && count > 0) {
        log_info("%zu partitions were %s", count, lost ? "lost" : "revoked");
        check_shuffled(engine);
    }
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
        progress[i] = calloc(partition_count(engine, i), sizeof(**progress));
        CHECK(progress[i]);
        for (uint32_t j = 0; j < partition_count(engine, i); j++) {
            atomic_init(&progress[i][j].position, -1);
            atomic_init(&progress[i][j].record_ms, -1);
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
    engine->committed = offsets_create(engine);
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
    offsets_free(engine, engine->committed);
    offsets_free(engine, engine->bounded_ends);
    offsets_free(engine, engine->bounded_starts);
    free(engine->assigned_counts);
    free(fleet->shards);
    free(fleet->mailboxes);
    free(fleet->clocks);
}

static int outputs_open(struct engine *engine, struct err *err)
{
    struct side_hooks hooks = {.notice = on_notice, .context = engine};
    int error = topics_ensure(engine, err);

    if (!error)
        error = side_output_create(engine->plan, &hooks, &engine->fleet.side, err);
    if (error || !engine->plan->file_output)
        return error;
    error = file_writer_open(&engine->file, engine->plan, engine->placement.shards, NULL,
                             wake_control, engine, err);
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
        .assigned = on_assigned,
        .revoked = on_revoked,
        .notice = on_notice,
        .fatal = on_fatal,
        .context = engine,
    };
    int error = loop_create(&loop, &engine->loop, err);

    if (!error && engine->plan->redis.present)
        error = redis_probe(&engine->plan->redis, REDIS_PROBE_MS, err);
    if (!error)
        error = consumer_create(engine->plan, &hooks, &engine->consumer, err);
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

static void reports_take(struct engine *engine)
{
    struct report report;

    for (uint32_t i = 0; i < engine->shards_started; i++) {
        while (shard_report(engine->fleet.shards[i], &report)) {
            if (report.kind == REPORT_DRAINED)
                engine->shards_drained++;
            else
                fail(engine, -EIO, report.text);
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
    command_send_all(engine, COMMAND_DRAIN);
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
    if (now_ns >= engine->commit_due_ns) {
        engine->commit_due_ns = now_ns + COMMIT_NS;
        if (!engine->is_draining)
            commit(engine, false);
    }
    if (engine->is_draining && now_ns >= engine->drain_until_ns)
        fail(engine, -ETIMEDOUT, "the sinks did not take all rows in time");
}

static void file_run(struct engine *engine)
{
    struct err err;
    int error = engine->fleet.file ? file_writer_run(engine->fleet.file, &err) : 0;

    if (error)
        fail(engine, error, err.text);
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
    file_run(engine);
    timers_run(engine, now_ns);
    if (is_over(engine))
        return;

    until_ns = MIN(engine->tick_due_ns, engine->commit_due_ns);
    if (engine->fleet.side)
        until_ns = MIN(until_ns, engine->poll_due_ns);
    int handled = loop_run(engine->loop, MAX(until_ns - clock_monotonic_ns(), INT64_C(0)));
    if (handled < 0)
        fail(engine, handled, "the control thread's io_uring is broken");
}

/* What the shards have computed is on its way: sees it through. */
static void outputs_finish(struct engine *engine)
{
    file_run(engine);
    if (!engine->failure && side_output_flush(engine->fleet.side, DRAIN_FLUSH_MS))
        fail(engine, -ETIMEDOUT, "the brokers did not acknowledge all dead letters in time");
    if (!engine->failure)
        commit(engine, true);
}

int engine_run(struct engine *engine, struct err *err)
{
    engine->commit_due_ns = clock_monotonic_ns() + COMMIT_NS;
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
    if (engine->fleet.file && file_writer_close(engine->fleet.file))
        log_error("output file %s: not everything may be on the disk", engine->plan->file_output);
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

int64_t engine_end_offset(struct engine *engine, uint32_t source, int32_t partition)
{
    return consumer_end_offset(engine->consumer, source, partition);
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
