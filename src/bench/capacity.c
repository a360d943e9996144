#include "bench/capacity.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>

#include "bench/bench.h"

#define MEASURED  "measured"
#define COMPUTED  "computed"
#define ASSUMED   "assumed"
#define HOSTS_MAX 100000
#define MORE_MUCH 1.5 /* events per key in the plan against the bench, before it is said */

SHAPE_DEFINE_ALL(CAPACITY_SHAPES)

struct planner {
    const struct bench_report *report;
    const struct bench_throughput *run; /* with the final sink */
    const struct bench_wanted *wanted;
    struct plan_memory *memory;
    struct bench_capacity *capacity;
    const char *group;
    double free; /* 1 - headroom */
    double users;
    double rate;
    double rows_per_s;
    double cpu_us; /* per event */
    double shards; /* of all hosts */
    double commands_per_s;
    double in_bytes_per_s;
    double carried_per_s; /* events/s that the shards can read at most */
};

static double line_add(struct planner *planner, const char *name, double value, const char *unit,
                       const char *source, const char *format, ...) PRINTF_LIKE(6, 7);

/* Returns the value, so that a line can be the place where it comes from. */
static double line_add(struct planner *planner, const char *name, double value, const char *unit,
                       const char *source, const char *format, ...)
{
    struct bench_capacity *capacity = planner->capacity;
    struct bench_line *line = shape_append(&shape_line, planner->memory, &capacity->lines,
                                           &capacity->lines_count);
    va_list args;

    va_start(args, format);
    *line = (struct bench_line){
        .group = planner->group,
        .name = plan_text(planner->memory, slice_of(name)),
        .value = value,
        .unit = unit,
        .formula = plan_vprintf(planner->memory, format, args),
        .source = source,
    };
    va_end(args);
    return value;
}

static void note_add(struct planner *planner, const char *format, ...) PRINTF_LIKE(2, 3);

static void note_add(struct planner *planner, const char *format, ...)
{
    struct bench_note *note = shape_append(&shape_note, planner->memory, &planner->capacity->notes,
                                           &planner->capacity->notes_count);
    va_list args;

    va_start(args, format);
    note->text = plan_vprintf(planner->memory, format, args);
    va_end(args);
}

/* A figure for a formula. */
static const char *shown_as(struct planner *planner, double value, const char *unit)
{
    struct buf text = {0};
    const char *kept;

    figure_print(&text, value, unit);
    kept = plan_text(planner->memory, buf_slice(&text));
    buf_free(&text);
    return kept;
}

/* --- results --- */

/* Keys with an event in a window, of `users` whose events come independently of each other. */
static double active(double users, double events)
{
    return users * (1 - exp(-events / users));
}

double capacity_view_rows(const struct bench_view *view, double users, double events_per_s)
{
    double entering = events_per_s * view->share;

    if (view->on_update)
        return events_per_s * view->rows_per_event;
    if (strcmp(view->window, "session") == 0)
        return entering * exp(-entering * view->size_s / users);
    return active(users, entering * view->size_s) / view->slide_s;
}

static void view_line(struct planner *planner, const struct bench_view *view)
{
    double rows = capacity_view_rows(view, planner->users, planner->rate);
    const char *name = plan_printf(planner->memory, "rows of %s", view->name);
    const char *rate = shown_as(planner, planner->rate, "events/s");
    const char *users = shown_as(planner, planner->users, "users");

    planner->rows_per_s += rows;
    if (view->on_update)
        line_add(planner, name, rows, "rows/s", COMPUTED, "%s × %.3g rows per event", rate,
                 view->rows_per_event);
    else if (strcmp(view->window, "session") == 0)
        line_add(planner, name, rows, "rows/s", COMPUTED,
                 "sessions that begin: %s × %.3g × e^(−events of a user in %g s)", rate,
                 view->share, view->size_s);
    else
        line_add(planner, name, rows, "rows/s", COMPUTED,
                 "%s × (1 − e^(−%s × %.3g × %g s ÷ users)) ÷ %g s", users, rate, view->share,
                 view->size_s, view->slide_s);
}

static void results(struct planner *planner)
{
    planner->group = "results";
    for (uint32_t i = 0; i < planner->report->views_count; i++)
        view_line(planner, &planner->report->views[i]);
    line_add(planner, "rows", planner->rows_per_s, "rows/s", COMPUTED, "sum of the views");
}

/* --- cores --- */

static void cores(struct planner *planner)
{
    const struct bench_costs *costs = &planner->report->costs;
    const struct bench_throughput *run = planner->run;
    const struct bench_latency *latency = &planner->report->latency;
    double rows_per_event = planner->rows_per_s / planner->rate;
    double share = run->threads.shards_us /
                   (run->threads.shards_us + run->threads.kafka_us + run->threads.control_us +
                    run->threads.rocksdb_us + run->threads.other_us);
    double by_cpu;
    double by_slo = 0;
    double needed;

    planner->group = "cores";
    if (costs->split)
        planner->cpu_us = line_add(planner, "CPU per event",
                                   costs->event_us + costs->row_us * rows_per_event, "µs", MEASURED,
                                   "%.3g µs + %.3g µs per row × %.3g rows per event",
                                   costs->event_us, costs->row_us, rows_per_event);
    else
        planner->cpu_us = line_add(planner, "CPU per event", costs->event_us, "µs", MEASURED,
                                   "as measured, at %.3g rows per event",
                                   costs->rows_per_event_high);
    needed = line_add(planner, "cores by CPU",
                      planner->rate * planner->cpu_us * 1e-6 / planner->free, "cores", COMPUTED,
                      "%s × %.3g µs ÷ %.2g", shown_as(planner, planner->rate, "events/s"),
                      planner->cpu_us, planner->free);
    by_cpu = line_add(planner, "shards by CPU", ceil(needed * share), "shards", COMPUTED,
                      "%.3g cores × %.2g of the CPU on shard threads, rounded up", needed, share);
    if (latency->knee_per_s > 0)
        by_slo = line_add(planner, "shards by latency",
                          ceil(planner->rate / (latency->knee_per_s / (double)latency->shards)),
                          "shards", COMPUTED, "%s ÷ (knee %s ÷ %s), rounded up",
                          shown_as(planner, planner->rate, "events/s"),
                          shown_as(planner, latency->knee_per_s, "events/s"),
                          shown_as(planner, (double)latency->shards, "shards"));
    planner->shards = line_add(planner, "shards", fmax(fmax(by_cpu, by_slo), 1), "shards", COMPUTED,
                               "the larger one");
    planner->capacity->cores = line_add(
        planner, "cores", planner->shards + fmax(ceil(needed * (1 - share)), 1), "cores", COMPUTED,
        "%s + %.3g for Kafka client and control, rounded "
        "up, at least 1",
        shown_as(planner, planner->shards, "shards"), needed * (1 - share));
}

/* --- hosts --- */

double capacity_bytes_per_key(const struct bench_report *report)
{
    double n = report->memory_count;
    double x = 0;
    double y = 0;
    double xx = 0;
    double xy = 0;

    for (uint32_t i = 0; i < report->memory_count; i++) {
        const struct bench_memory *memory = &report->memory[i];
        double keys = (double)memory->keys;

        x += keys;
        y += memory->arena_bytes;
        xx += keys * keys;
        xy += keys * memory->arena_bytes;
    }
    if (n > 1 && n * xx - x * x > 0 && n * xy - x * y > 0)
        return (n * xy - x * y) / (n * xx - x * x);
    return x > 0 ? y / x : NAN;
}

static double memory_of_host(const struct planner *planner, double hosts, double per_user,
                             double fixed)
{
    return (planner->users / hosts * per_user + fixed) / planner->free;
}

static int hosts(struct planner *planner, struct err *err)
{
    const struct bench_wanted *wanted = planner->wanted;
    double per_user = capacity_bytes_per_key(planner->report);
    double store = fmax(planner->run->store_memory_bytes,
                        planner->report->recovery.store_memory_bytes);
    double fixed;
    double count = 1;
    double memory;

    planner->group = "hosts";
    line_add(planner, "memory per user", per_user, "bytes", MEASURED,
             "state and images for Redis, slope over %u numbers of keys",
             planner->report->memory_count);
    line_add(planner, "process without state", planner->run->rss_empty_bytes, "bytes", MEASURED,
             "resident before the first event");
    line_add(planner, "work store", store, "bytes", MEASURED, "buffers and cache of RocksDB");
    line_add(planner, "fetch queue", CAPACITY_FETCH_QUEUE_BYTES, "bytes", ASSUMED,
             "full, as the Kafka client's is bounded");
    fixed = planner->run->rss_empty_bytes + store + CAPACITY_FETCH_QUEUE_BYTES;
    if (fixed / planner->free >= wanted->memory_per_host_bytes)
        return err_set(err, -EINVAL, "a host needs more than %s of memory whatever it carries",
                       shown_as(planner, fixed / planner->free, "bytes"));
    while (count < HOSTS_MAX &&
           (planner->capacity->cores / count > wanted->cores_per_host ||
            memory_of_host(planner, count, per_user, fixed) > wanted->memory_per_host_bytes))
        count++;
    planner->capacity->hosts = line_add(
        planner, "hosts", count, "hosts", COMPUTED,
        "the fewest with %.3g cores ÷ hosts ≤ %.3g and their memory ≤ %s", planner->capacity->cores,
        wanted->cores_per_host, shown_as(planner, wanted->memory_per_host_bytes, "bytes"));
    memory = memory_of_host(planner, count, per_user, fixed);
    planner->capacity->memory_bytes = line_add(
        planner, "memory of a host", memory, "bytes", COMPUTED,
        "(%s ÷ %.0f × %s + process %s + work store %s + fetch queue %s) ÷ %.2g",
        shown_as(planner, planner->users, "users"), count, shown_as(planner, per_user, "bytes"),
        shown_as(planner, planner->run->rss_empty_bytes, "bytes"),
        shown_as(planner, store, "bytes"), shown_as(planner, CAPACITY_FETCH_QUEUE_BYTES, "bytes"),
        planner->free);
    return 0;
}

/* --- Redis --- */

/* Of all runs the most: what coalesces under full load does not at ease. */
static double commands_per_row(const struct bench_report *report,
                               const struct bench_throughput *run)
{
    double most = run->rows > 0 ? run->redis_commands / (double)run->rows : 0;

    for (uint32_t i = 0; i < report->latency.rates_count; i++) {
        const struct bench_rate *rate = &report->latency.rates[i];

        if (rate->rows > 0)
            most = fmax(most, rate->redis_commands / rate->rows);
    }
    return most;
}

static void redis(struct planner *planner)
{
    const struct bench_throughput *run = planner->run;
    double per_row = commands_per_row(planner->report, run);
    double per_command_us = run->redis_cpu_us * (double)run->records / run->redis_commands;
    double bytes_per_key = planner->report->memory_count
                               ? planner->report->memory[0].redis_bytes_per_key
                               : NAN;
    double busy;
    double bytes;

    planner->group = "Redis";
    if (strcmp(run->sink, "redis") != 0 || !(per_row > 0)) {
        planner->capacity->redis_nodes = 0;
        return;
    }
    planner->commands_per_s = line_add(planner, "commands", planner->rows_per_s * per_row,
                                       "commands/s", COMPUTED, "%s × %.3g commands per row",
                                       shown_as(planner, planner->rows_per_s, "rows/s"), per_row);
    busy = line_add(
        planner, "CPU of Redis", planner->commands_per_s * per_command_us * 1e-6 / planner->free,
        "cores", COMPUTED, "%s × %.3g µs ÷ %.2g, readers not counted",
        shown_as(planner, planner->commands_per_s, "commands/s"), per_command_us, planner->free);
    bytes = line_add(planner, "memory of Redis", planner->users * bytes_per_key / planner->free,
                     "bytes", COMPUTED, "%s × %s ÷ %.2g",
                     shown_as(planner, planner->users, "users"),
                     shown_as(planner, bytes_per_key, "bytes"), planner->free);
    planner->capacity->redis_nodes = line_add(
        planner, "Redis nodes",
        fmax(fmax(ceil(busy), ceil(bytes / planner->wanted->redis_node_bytes)), 1), "nodes",
        COMPUTED, "the larger of %.3g cores at one a node and %s at %s a node", busy,
        shown_as(planner, bytes, "bytes"),
        shown_as(planner, planner->wanted->redis_node_bytes, "bytes"));
    if (planner->capacity->redis_nodes > 1)
        note_add(planner,
                 "A pipeline writes to one Redis server: %.0f nodes mean as many pipelines, "
                 "each with its part of the users (or a larger node).",
                 planner->capacity->redis_nodes);
}

/* --- network, Kafka, time --- */

static void network(struct planner *planner)
{
    const struct bench_throughput *run = planner->run;
    double record = planner->report->setup.record_bytes;

    planner->group = "network";
    planner->in_bytes_per_s = planner->capacity->network_in_bytes_per_s = line_add(
        planner, "from Kafka", planner->rate * (record + CAPACITY_RECORD_OVERHEAD), "bytes/s",
        COMPUTED, "%s × (%.0f bytes measured + %.0f assumed for key and framing)",
        shown_as(planner, planner->rate, "events/s"), record, CAPACITY_RECORD_OVERHEAD);
    planner->capacity->network_out_bytes_per_s = 0;
    if (planner->commands_per_s > 0)
        planner->capacity->network_out_bytes_per_s = line_add(
            planner, "to Redis",
            planner->commands_per_s * run->redis_sent_bytes / run->redis_commands, "bytes/s",
            COMPUTED, "%s × %.0f bytes per command",
            shown_as(planner, planner->commands_per_s, "commands/s"),
            run->redis_sent_bytes / run->redis_commands);
}

static void kafka(struct planner *planner)
{
    double by_shards = CAPACITY_SHARD_PARTITIONS * planner->shards;
    double by_bytes = ceil(planner->in_bytes_per_s / CAPACITY_PARTITION_BYTES);

    planner->group = "Kafka";
    line_add(planner, "partitions", fmax(by_shards, by_bytes), "partitions", ASSUMED,
             "the larger of %d a shard × %s and %s ÷ %s a partition", CAPACITY_SHARD_PARTITIONS,
             shown_as(planner, planner->shards, "shards"),
             shown_as(planner, planner->in_bytes_per_s, "bytes/s"),
             shown_as(planner, CAPACITY_PARTITION_BYTES, "bytes/s"));
}

/* `seconds` of events that wait, read beside those that come. */
static void catch_up_line(struct planner *planner, const char *name, double seconds)
{
    double spare = planner->carried_per_s - planner->rate;

    if (spare > 0)
        line_add(planner, name, planner->rate * seconds / spare, "s", COMPUTED,
                 "%s × %g s ÷ (%s − %s)", shown_as(planner, planner->rate, "events/s"), seconds,
                 shown_as(planner, planner->carried_per_s, "events/s"),
                 shown_as(planner, planner->rate, "events/s"));
    else
        line_add(planner, name, INFINITY, "s", COMPUTED, "never: no events/s are to spare");
}

static void times(struct planner *planner)
{
    const struct bench_recovery *recovery = &planner->report->recovery;
    const struct bench_throughput *run = planner->run;
    double a_shard = run->events_per_s / (double)run->shards * (run->cpu_us / planner->cpu_us);
    double keys = planner->users / planner->capacity->hosts;
    double load_s;

    planner->group = "time";
    planner->carried_per_s = line_add(
        planner, "carried at most", a_shard * planner->shards, "events/s", COMPUTED,
        "%s a shard × %.3g µs ÷ %.3g µs × %s",
        shown_as(planner, run->events_per_s / (double)run->shards, "events/s"), run->cpu_us,
        planner->cpu_us, shown_as(planner, planner->shards, "shards"));
    catch_up_line(planner, "catching up after an outage", planner->wanted->outage_s);
    if (!recovery->measured) {
        note_add(planner, "Recovery was not measured: run freshet bench with its recovery step.");
        return;
    }
    load_s = recovery->loaded_s * keys / (double)recovery->keys;
    line_add(planner, "recovery after kill -9", recovery->ready_s - recovery->loaded_s + load_s,
             "s", COMPUTED, "%.3g s + %.3g s of loading × %s ÷ %s measured",
             recovery->ready_s - recovery->loaded_s, recovery->loaded_s,
             shown_as(planner, keys, "users"), shown_as(planner, (double)recovery->keys, "users"));
    catch_up_line(planner, "replay since the last checkpoint",
                  planner->report->setup.checkpoint_every_s);
    line_add(planner, "state.dir of a host", keys * recovery->disk_bytes / (double)recovery->keys,
             "bytes", COMPUTED, "%s × %s on disk", shown_as(planner, keys, "users"),
             shown_as(planner, recovery->disk_bytes / (double)recovery->keys, "bytes"));
}

/* --- what to keep in mind --- */

static void notes(struct planner *planner)
{
    const struct bench_report *report = planner->report;
    double there = report->memory_count ? report->memory[0].events_per_key : NAN;
    double here = planner->rate * planner->run->span_s / planner->users;

    if (report->setup.quick)
        note_add(planner, "The bench was a quick one: plan with a full one before you buy.");
    if (here > there * MORE_MUCH)
        note_add(
            planner,
            "Here a user has %.3g events in %g s, in the bench %.3g: state per user grows with "
            "them. Run the bench with --users and --events in that proportion.",
            here, planner->run->span_s, there);
    if (report->setup.shuffled && planner->capacity->hosts > 1)
        note_add(planner, "partitioning: shuffle needs all partitions of a topic in one process: "
                          "key the topic by the entity and use aligned to spread over hosts.");
    if (report->latency.rates_count && !(report->latency.knee_per_s > 0))
        note_add(planner, "No measured rate met the latency objective: shards follow from CPU "
                          "alone.");
    if (report->setup.embedded)
        note_add(
            planner,
            "Measured with a mock broker and a Redis of its own on the same host: they take CPU "
            "from the engine, and that broker has a killed member's session time out before "
            "it recovers.");
    if (bench_was_busy(&report->host))
        note_add(planner,
                 "Others were busy on the host that was measured (load %.1f): the figures are "
                 "of what they left.",
                 report->host.load_before);
    if (report->host.hypervisor && strcmp(report->host.hypervisor, "yes") == 0)
        note_add(planner, "Measured in a virtual machine: others may have had a part of its CPU.");
}

static void defaults(struct planner *planner, struct bench_wanted *wanted)
{
    const struct bench_host *host = &planner->report->host;

    if (!(wanted->headroom > 0))
        wanted->headroom = CAPACITY_HEADROOM;
    if (!(wanted->cores_per_host > 0))
        wanted->cores_per_host = (double)host->cores;
    if (!(wanted->memory_per_host_bytes > 0))
        wanted->memory_per_host_bytes = (double)host->memory_bytes;
    if (!(wanted->redis_node_bytes > 0))
        wanted->redis_node_bytes = CAPACITY_REDIS_NODE_BYTES;
    if (!(wanted->outage_s > 0))
        wanted->outage_s = CAPACITY_OUTAGE_S;
}

int capacity_plan(const struct bench_report *report, const struct bench_wanted *wanted,
                  struct plan_memory *memory, struct bench_capacity *ret, struct err *err)
{
    struct planner planner = {
        .report = report,
        .run = bench_final_run(report),
        .wanted = &ret->wanted,
        .memory = memory,
        .capacity = ret,
        .users = wanted->users,
        .rate = wanted->events_per_s,
    };

    shape_clear(&shape_capacity, ret);
    if (!planner.run || report->memory_count == 0)
        return err_set(err, -EINVAL,
                       "the report has no throughput run with sink %s: run freshet bench with its "
                       "throughput step",
                       report->costs.sink ? report->costs.sink : "redis");
    ret->pipeline = report->pipeline;
    ret->measured = report->created;
    ret->quick = report->setup.quick;
    ret->wanted = *wanted;
    defaults(&planner, &ret->wanted);
    planner.free = 1 - ret->wanted.headroom;
    results(&planner);
    cores(&planner);
    if (hosts(&planner, err))
        return -EINVAL;
    redis(&planner);
    network(&planner);
    kafka(&planner);
    times(&planner);
    notes(&planner);
    return 0;
}
