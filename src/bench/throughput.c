/* Throughput: topics are full, an engine starts and reads as fast as it can.
 *
 *   start ── group forms ──▶ first records seen ───────────▶ all read, all acknowledged
 *                            begin                           end
 *
 * Everything counted is the difference between begin and end, so starting up costs nothing. The
 * engine's own counters of both instants are taken from one page each. */

#include <errno.h>
#include <math.h>
#include <unistd.h>

#include "base/clock.h"
#include "bench/internal.h"
#include "bench/world_redis.h"

#define POLL_US    10000
#define STALL_NS   (90 * NS_PER_S) /* without a record read */
#define GAUGES_S   1.3             /* the shards sample their gauges about every second */
#define LATE_BEGIN 0.5             /* first records seen only after this part of them */
#define LIVE_PER_S 100000.0        /* events in a second of event time in the live run */

/* What is read at begin and end. */
struct reading {
    struct engine_sample sample;
    struct proc_cpu threads;
    int64_t broker_ns;
};

static int reading_take(struct child *child, struct reading *ret, struct err *err)
{
    int error = child_sample(child, &ret->sample, err);

    proc_cpu(child->pid, &ret->threads);
    ret->broker_ns = world_broker_cpu_ns(child->world);
    return error;
}

static bool is_done(const struct engine_sample *sample, double produced)
{
    return sample->records >= produced && sample->redis_dirty + sample->redis_in_flight == 0;
}

int child_await_all(struct child *child, double produced, struct engine_sample *ret,
                    struct err *err)
{
    int64_t moved_ns = clock_monotonic_ns();
    double seen = -1;

    for (;;) {
        int error = child_sample(child, ret, err);

        if (error)
            return error;
        if (is_done(ret, produced))
            return 0;
        if (ret->records + ret->redis_commands > seen) {
            seen = ret->records + ret->redis_commands;
            moved_ns = ret->at_ns;
        }
        if (ret->at_ns - moved_ns > STALL_NS)
            return err_set(err, -ETIMEDOUT, "the engine has read %.0f of %.0f events and no more",
                           ret->records, produced);
        usleep(POLL_US);
    }
}

/* The first reading that has records, or, were there too many of them at once, the one before;
 * `first` is the first of all. */
static int begin_find(struct child *child, double produced, const struct engine_sample *first,
                      struct reading *ret, struct err *err)
{
    int64_t last_ns = clock_monotonic_ns() + STALL_NS;
    struct reading now;

    *ret = (struct reading){.sample = *first, .broker_ns = -1};
    for (;;) {
        int error = reading_take(child, &now, err);

        if (error)
            return error;
        if (now.sample.records > 0) {
            if (now.sample.records < LATE_BEGIN * produced)
                *ret = now;
            return 0;
        }
        *ret = now;
        if (now.sample.at_ns > last_ns)
            return err_set(err, -ETIMEDOUT, "the engine reads nothing");
        usleep(POLL_US);
    }
}

static void threads_fill(const struct reading *begin, const struct reading *end, double records,
                         struct bench_threads *ret)
{
    double us[PROC_ROLES];

    for (int i = 0; i < PROC_ROLES; i++)
        us[i] = (double)(end->threads.ns[i] - begin->threads.ns[i]) * 1e-3 / records;
    *ret = (struct bench_threads){
        .shards_us = us[PROC_SHARD],
        .kafka_us = us[PROC_KAFKA],
        .control_us = us[PROC_CONTROL],
        .rocksdb_us = us[PROC_ROCKSDB],
        .other_us = us[PROC_OTHER],
    };
}

/* Stages are timed by the clock. Where the turns took longer than the CPU that the threads had,
 * they were kept off their processors: the stages' times hold that, and are cut by the same part.
 */
static void stages_fill(const struct reading *begin, const struct reading *end, double records,
                        double shards_us, struct bench_stages *ret)
{
    const struct engine_sample *a = &begin->sample;
    const struct engine_sample *b = &end->sample;
    double turn_us = (b->turn_s - a->turn_s) * 1e6 / records;
    double had = turn_us > shards_us ? shards_us / turn_us : 1;

    ret->decode_us = (b->decode_s - a->decode_s) * had * 1e6 / records;
    ret->apply_us = (b->apply_s - a->apply_s) * had * 1e6 / records;
    ret->rest_us = MAX(shards_us - ret->decode_us - ret->apply_us, 0.0);
}

static void run_fill(const struct reading *begin, const struct reading *end,
                     struct bench_throughput *ret)
{
    const struct engine_sample *a = &begin->sample;
    const struct engine_sample *b = &end->sample;
    double records = b->records - a->records;

    ret->seconds = (double)(b->at_ns - a->at_ns) * 1e-9;
    ret->events_per_s = records / ret->seconds;
    ret->rows_per_s = (b->rows - a->rows) / ret->seconds;
    ret->cpu_us = (b->cpu_s - a->cpu_s) * 1e6 / records;
    threads_fill(begin, end, records, &ret->threads);
    stages_fill(begin, end, records, ret->threads.shards_us, &ret->stages);
    ret->redis_commands = b->redis_commands;
    ret->redis_sent_bytes = b->redis_sent_bytes;
    if (begin->broker_ns >= 0 && end->broker_ns >= 0)
        ret->broker_cpu_us = (double)(end->broker_ns - begin->broker_ns) * 1e-3 / records;
}

/* What is as it is at the end: counts since the start, and gauges. */
static int end_fill(struct child *child, struct bench_throughput *ret, struct err *err)
{
    struct engine_sample sample;
    int error = bench_sleep(GAUGES_S, err);

    if (!error)
        error = child_sample(child, &sample, err);
    if (error)
        return error;
    ret->records = (int64_t)sample.records;
    ret->events = (int64_t)sample.events;
    ret->late = (int64_t)sample.late;
    ret->dead_letters = (int64_t)sample.dead_letters;
    ret->rows = (int64_t)sample.rows;
    ret->keys = (int64_t)sample.keys;
    ret->arena_bytes = sample.arena_bytes;
    ret->state_bytes = sample.state_bytes;
    ret->store_memory_bytes = sample.store_memory_bytes;
    ret->rss_peak_bytes = (double)proc_rss_peak_bytes(child->pid);
    return 0;
}

static int redis_cpu(struct bench *bench, enum bench_sink sink, double *ret_s, struct err *err)
{
    struct redis_figures figures;
    int error;

    *ret_s = NAN;
    if (sink != SINK_REDIS)
        return 0;
    error = redis_figures(&bench->world, &figures, err);
    if (error)
        return error;
    *ret_s = figures.cpu_s;
    bench->report->host.redis_version = plan_text(bench->memory, slice_of(figures.version));
    return 0;
}

int throughput_run(struct bench *bench, const struct throughput_wanted *wanted,
                   struct bench_throughput *ret, struct child *ret_child, struct err *err)
{
    struct child_options options = {
        .sink = wanted->sink, .shards = wanted->shards, .topics = wanted->topics};
    struct reading begin;
    struct reading end;
    struct engine_sample empty = {0};
    double redis_before;
    double redis_after = NAN;
    int error;

    shape_clear(&shape_throughput, ret);
    ret->sink = bench_sink_name(wanted->sink);
    ret->shards = wanted->shards;
    ret->produced = (int64_t)wanted->produced;
    ret->span_s = wanted->span_s;
    ret->live = wanted->live;
    if (wanted->sink == SINK_REDIS)
        keys_remove(&bench->world);
    error = redis_cpu(bench, wanted->sink, &redis_before, err);
    if (!error)
        error = child_start(&bench->world, &options, ret_child, err);
    if (error)
        return error;
    error = child_sample(ret_child, &empty, err);
    if (!error)
        error = begin_find(ret_child, (double)wanted->produced, &empty, &begin, err);
    if (!error)
        error = child_await_all(ret_child, (double)wanted->produced, &end.sample, err);
    if (!error) {
        proc_cpu(ret_child->pid, &end.threads);
        end.broker_ns = world_broker_cpu_ns(&bench->world);
        error = redis_cpu(bench, wanted->sink, &redis_after, err);
    }
    if (!error && end.sample.records <= begin.sample.records)
        error = err_set(err, -ERANGE,
                        "all %llu events were read before they could be timed: try more --events",
                        (unsigned long long)wanted->produced);
    if (!error) {
        run_fill(&begin, &end, ret);
        ret->rss_empty_bytes = empty.rss_bytes;
        ret->arena_empty_bytes = empty.arena_bytes;
        ret->redis_cpu_us = (redis_after - redis_before) * 1e6 / (double)wanted->produced;
        error = end_fill(ret_child, ret, err);
    }
    if (error)
        child_done(ret_child);
    else
        bench_history(bench, "throughput", &shape_throughput, ret);
    return error;
}

/* --- the step --- */

static double label_share(struct child *child, const char *family, const char *view, double of)
{
    char label[160];

    snprintf(label, sizeof(label), "view=\"%s\"", view);
    return sample_family(buf_slice(&child->page), family, label) / of;
}

/* From the page that the last sample was read from. */
static void views_fill(struct bench *bench, struct child *child, const struct bench_throughput *run)
{
    for (uint32_t i = 0; i < bench->report->views_count; i++) {
        struct bench_view *view = &bench->report->views[i];

        view->share = label_share(child, "freshet_view_events_total", view->name,
                                  (double)run->records);
        view->rows_per_event = label_share(child, "freshet_rows_total", view->name,
                                           (double)run->records);
        view->state_bytes_per_key = label_share(child, "freshet_view_state_bytes", view->name,
                                                (double)run->keys);
    }
}

static void memory_add(struct bench *bench, struct child *child, const struct bench_throughput *run)
{
    struct bench_report *report = bench->report;
    struct bench_memory *memory = shape_append(&shape_memory, bench->memory, &report->memory,
                                               &report->memory_count);

    memory->keys = run->keys;
    memory->events_per_key = run->keys ? (double)run->events / (double)run->keys : NAN;
    memory->rss_bytes = (double)proc_rss_bytes(child->pid);
    memory->arena_bytes = run->arena_bytes;
    memory->state_bytes = run->state_bytes;
    if (bench->final == SINK_REDIS)
        memory->redis_bytes_per_key = redis_bytes_per_key(&bench->world);
}

static int run_one(struct bench *bench, enum bench_sink sink, uint32_t shards, struct err *err)
{
    struct bench_report *report = bench->report;
    struct throughput_wanted wanted = {
        .sink = sink,
        .shards = shards,
        .topics = bench->topics,
        .produced = (uint64_t)report->setup.events,
        .span_s = report->setup.span_s,
    };
    struct bench_throughput run;
    struct child child;
    int error;

    bench_say(bench, "throughput: sink %s, %u shard%s", bench_sink_name(sink), shards,
              shards == 1 ? "" : "s");
    error = throughput_run(bench, &wanted, &run, &child, err);
    if (error)
        return error;
    *(struct bench_throughput *)shape_append(&shape_throughput, bench->memory, &report->throughput,
                                             &report->throughput_count) = run;
    if (sink == bench->final && shards == bench->shards_max) {
        views_fill(bench, &child, &run);
        memory_add(bench, &child, &run);
    }
    child_done(&child);
    return 0;
}

/* What differs from the other runs. */
struct other {
    const char *tag;
    uint32_t users;
    uint64_t events;
    double span_s;
    bool live;
};

static void users_set(struct bench *bench, uint32_t users)
{
    for (uint32_t i = 0; i < bench->plan->source_count; i++)
        records_set_users(bench->records[i], users);
}

/* A run over topics of its own. The engine goes on running as *ret_child. */
static int run_other(struct bench *bench, const struct other *other, struct bench_throughput *ret,
                     struct child *ret_child, struct err *err)
{
    struct throughput_wanted wanted = {
        .sink = bench->final,
        .shards = bench->shards_max,
        .produced = other->events,
        .span_s = other->span_s,
        .live = other->live,
    };
    const char **topics;
    struct load load;
    int error = world_topics(&bench->world, other->tag, (uint32_t)bench->report->setup.partitions,
                             false, &topics, err);

    if (error)
        return error;
    wanted.topics = topics;
    users_set(bench, other->users);
    error = load_open(&load, &bench->world, bench->records, topics, "20", err);
    if (!error) {
        error = load_fill(&load, other->events, (int64_t)(other->span_s * 1e3), err);
        load_close(&load);
    }
    users_set(bench, (uint32_t)bench->report->setup.users);
    return error ? error : throughput_run(bench, &wanted, ret, ret_child, err);
}

/* --- the live run --- */

int bench_saturation(struct bench *bench, double *ret, struct err *err)
{
    struct bench_report *report = bench->report;
    const struct bench_throughput *made = bench_live_run(report);
    struct other other = {
        .tag = "live",
        .users = (uint32_t)report->setup.users,
        .events = (uint64_t)report->setup.events,
        .span_s = MAX((double)report->setup.events / LIVE_PER_S, 1.0),
        .live = true,
    };
    struct bench_throughput run;
    struct child child;
    int error;

    if (made) {
        *ret = made->events_per_s;
        return 0;
    }
    bench_say(bench, "throughput: event time at the pace of the clock");
    error = run_other(bench, &other, &run, &child, err);
    if (error)
        return error;
    child_done(&child);
    *(struct bench_throughput *)shape_append(&shape_throughput, bench->memory, &report->throughput,
                                             &report->throughput_count) = run;
    *ret = run.events_per_s;
    return 0;
}

/* Rows cost what a run with many takes more than one with few, by the rows it has more. */
static int costs_find(struct bench *bench, struct err *err)
{
    struct bench_report *report = bench->report;
    struct bench_costs *costs = &report->costs;
    const struct bench_throughput *high;
    const struct bench_throughput *low;
    double saturation;
    int error = bench_saturation(bench, &saturation, err);

    if (error)
        return error;
    high = bench_final_run(report);
    low = bench_live_run(report);
    if (!high)
        return 0;
    costs->rows_per_event_high = (double)high->rows / (double)high->records;
    costs->cpu_us_high = high->cpu_us;
    costs->rows_per_event_low = (double)low->rows / (double)low->records;
    costs->cpu_us_low = low->cpu_us;
    costs_split(costs);
    return 0;
}

/* Events per key stay as they are, so that only the number of keys differs. */
static int memory_find(struct bench *bench, struct err *err)
{
    const struct bench_setup *setup = &bench->report->setup;
    int error = 0;

    for (uint32_t part = 2; part <= (bench->options->quick ? 2 : 4) && !error; part *= 2) {
        struct bench_throughput run;
        struct child child;
        char tag[16];
        struct other other = {
            .tag = tag,
            .users = (uint32_t)MAX(setup->users / part, 1),
            .events = (uint64_t)MAX(setup->events / part, 1),
            .span_s = setup->span_s,
        };

        snprintf(tag, sizeof(tag), "keys%u", part);
        bench_say(bench, "memory: %u keys", other.users);
        error = run_other(bench, &other, &run, &child, err);
        if (error)
            break;
        memory_add(bench, &child, &run);
        child_done(&child);
    }
    return error;
}

int step_throughput(struct bench *bench, struct err *err)
{
    const struct bench_options *options = bench->options;
    int error = 0;

    for (int sink = 0; sink < SINK_COUNT && !error; sink++) {
        if (!(options->sinks & 1u << sink))
            continue;
        for (uint32_t i = 0; i < options->shard_count && !error; i++)
            error = run_one(bench, (enum bench_sink)sink, options->shards[i], err);
    }
    if (!error)
        error = costs_find(bench, err);
    if (!error)
        error = memory_find(bench, err);
    return error;
}
