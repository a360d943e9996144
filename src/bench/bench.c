#include "bench/bench.h"

#include <errno.h>
#include <stdarg.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "bench/host.h"
#include "bench/internal.h"
#include "bench/schema_lines.h"
#include "bench/stop.h"
#include "checkpoint/files.h"

#define SCHEMA_LINES      20000
#define SEED              1
#define SPAN_MIN_MS       (INT64_C(10) * 60 * 1000)
#define SPAN_MAX_MS       (INT64_C(24) * 3600 * 1000)
#define SPAN_LIFETIME_MS  (INT64_C(3600) * 1000)
#define SESSIONS_PER_SPAN 4
#define MOCK_BYTES_MAX    (3.0 * 1024 * 1024) /* of 5 MiB that the mock broker keeps a partition */
#define RECORD_OVERHEAD   80                  /* key and headers in a broker */

static const char *const step_names[] = {
#define X(name, title) #name,
    BENCH_STEPS(X)
#undef X
};

static const struct {
    const char *title;
    int (*run)(struct bench *bench, struct err *err);
} steps[] = {
#define X(name, title) {title, step_##name},
    BENCH_STEPS(X)
#undef X
};

const char *bench_step_name(enum bench_step step)
{
    return step_names[step];
}

void bench_outputs_free(struct bench_outputs *outputs)
{
    buf_free(&outputs->runs);
    buf_free(&outputs->hdr_log);
}

void bench_say(struct bench *bench, const char *format, ...)
{
    char text[256];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (bench->options->progress)
        bench->options->progress(bench->options->context, text);
}

void bench_history(struct bench *bench, const char *kind, const struct shape *shape,
                   const void *row)
{
    struct buf *out = &bench->outputs->runs;

    buf_printf(out, "{\"kind\":\"%s\",\"at\":\"%s\",\"version\":\"%s\",\"pipeline\":", kind,
               bench->report->created, FRESHET_VERSION);
    text_json_string(out, slice_of(bench->plan->pipeline));
    buf_printf(out, ",\"run\":");
    shape_write(shape, row, out);
    buf_printf(out, "}\n");
}

int bench_sleep(double seconds, struct err *err)
{
    int64_t last_ns = clock_monotonic_ns() + (int64_t)(seconds * 1e9);

    for (;;) {
        int64_t left_ns = last_ns - clock_monotonic_ns();

        if (bench_stop_wanted(err))
            return -EINTR;
        if (left_ns <= 0)
            return 0;
        usleep((useconds_t)(MIN(left_ns, 50 * NS_PER_MS) / NS_PER_US));
    }
}

/* --- what it works with --- */

/* Event time that fills the longest window once. */
static int64_t span_of(const struct plan *plan)
{
    int64_t span_ms = SPAN_MIN_MS;

    for (uint32_t i = 0; i < plan->view_count; i++) {
        const struct plan_view *view = &plan->views[i];
        int64_t wanted_ms = view->size_ms;

        if (view->window == WINDOW_SESSION)
            wanted_ms = SESSIONS_PER_SPAN * view->gap_ms;
        else if (view->window == WINDOW_LIFETIME)
            wanted_ms = SPAN_LIFETIME_MS;
        span_ms = MAX(span_ms, wanted_ms);
    }
    return MIN(span_ms, SPAN_MAX_MS);
}

static void views_list(struct bench *bench)
{
    static const char *const windows[] = {
        [WINDOW_TUMBLING] = "tumbling",
        [WINDOW_SLIDING] = "sliding",
        [WINDOW_SESSION] = "session",
        [WINDOW_LIFETIME] = "lifetime",
    };
    struct bench_report *report = bench->report;

    for (uint32_t i = 0; i < bench->plan->view_count; i++) {
        const struct plan_view *from = &bench->plan->views[i];
        struct bench_view *view = shape_append(&shape_view, bench->memory, &report->views,
                                               &report->views_count);

        view->name = plan_text(bench->memory, slice_of(from->name));
        view->window = windows[from->window];
        view->on_update = from->on_update;
        view->size_s = (double)(from->window == WINDOW_SESSION ? from->gap_ms : from->size_ms) *
                       1e-3;
        view->slide_s = (double)from->slide_ms * 1e-3;
    }
}

static void setup_fill(struct bench *bench)
{
    const struct bench_options *options = bench->options;
    const struct plan *plan = bench->plan;
    struct bench_setup *setup = &bench->report->setup;

    setup->quick = options->quick;
    setup->embedded = options->world.embedded;
    setup->brokers = options->world.embedded
                         ? "mock cluster inside the bench"
                         : plan_text(bench->memory, slice_of(bench->world.kafka.brokers));
    if (plan->redis.present)
        setup->redis = options->world.embedded
                           ? "redis-server of the bench"
                           : plan_text(bench->memory, slice_of(bench->world.redis.url_text));
    setup->records = options->sample ? plan_text(bench->memory, slice_of(options->sample))
                                     : "made from the pipeline's fields and conditions";
    setup->users = options->users;
    setup->events = (int64_t)options->events;
    setup->partitions = options->partitions;
    setup->span_s = (double)(options->span_ms ? options->span_ms : span_of(plan)) * 1e-3;
    setup->sources = plan->source_count;
    setup->checkpoint_every_s = (double)plan->checkpoint.every_ms * 1e-3;
    for (uint32_t i = 0; i < plan->source_count; i++)
        setup->shuffled = setup->shuffled || !plan->sources[i].aligned;
}

/* The mock broker forgets the oldest records of a partition that has too many bytes. */
static void partitions_fit(struct bench *bench)
{
    struct bench_setup *setup = &bench->report->setup;
    double bytes = (double)setup->events * (setup->record_bytes + RECORD_OVERHEAD) /
                   (double)setup->sources;

    while (setup->embedded && bytes / (double)setup->partitions > MOCK_BYTES_MAX)
        setup->partitions *= 2;
}

static int sample_read_file(struct bench *bench, struct buf *out, struct err *err)
{
    return file_read(bench->options->sample, RECORDS_SAMPLE_BYTES_MAX, out, err);
}

/* A sample's lines have to be events of the source; with several sources each takes those that are
 * its own. */
static int records_make_one(struct bench *bench, uint32_t source, struct slice sample,
                            struct err *err)
{
    const struct plan_source *from = &bench->plan->sources[source];
    const struct records_summary *summary;
    struct buf made = {0};
    int error;

    if (!bench->options->sample) {
        schema_lines(from, SCHEMA_LINES, bench->options->users, SEED + source, &made);
        sample = buf_slice(&made);
    }
    error = records_create(from, sample, bench->options->users, &bench->records[source], err);
    buf_free(&made);
    if (error) {
        err_prefix(err, "%s",
                   bench->options->sample ? bench->options->sample
                                          : "records made from the schema");
        return error;
    }
    summary = records_summary(bench->records[source]);
    if (summary->sorted && bench->options->sample)
        bench_say(bench, "source %s: the sample is not in the order of time: sorted", from->name);
    if (summary->skipped)
        bench_say(bench, "source %s: %u of %u lines are no events; the first, line %u: %s",
                  from->name, summary->skipped, summary->skipped + summary->lines,
                  summary->first_skipped, summary->first_reason);
    return 0;
}

static int records_make_all(struct bench *bench, struct err *err)
{
    uint32_t count = bench->plan->source_count;
    struct buf sample = {0};
    double bytes = 0;
    int error = 0;

    bench->records = calloc(count, sizeof(struct records *));
    CHECK(bench->records);
    if (bench->options->sample)
        error = sample_read_file(bench, &sample, err);
    for (uint32_t i = 0; i < count && !error; i++) {
        error = records_make_one(bench, i, buf_slice(&sample), err);
        if (!error)
            bytes += records_summary(bench->records[i])->value_bytes / count;
    }
    buf_free(&sample);
    bench->report->setup.record_bytes = bytes;
    return error;
}

static int topics_fill(struct bench *bench, struct err *err)
{
    struct bench_setup *setup = &bench->report->setup;
    struct load load;
    int error = world_topics(&bench->world, "events", (uint32_t)setup->partitions, false,
                             &bench->topics, err);

    if (error)
        return error;
    bench_say(bench, "sending %lld events of %lld users", (long long)setup->events,
              (long long)setup->users);
    error = load_open(&load, &bench->world, bench->records, bench->topics, "20", err);
    if (error)
        return error;
    error = load_fill(&load, (uint64_t)setup->events, (int64_t)(setup->span_s * 1e3), err);
    load_close(&load);
    return error;
}

/* --- the run --- */

static int steps_run(struct bench *bench, struct err *err)
{
    int error = 0;

    for (int step = 0; step < STEP_COUNT && !error; step++) {
        if (bench->options->steps & 1u << step)
            error = steps[step].run(bench, err);
        if (error)
            err_prefix(err, "%s", step_names[step]);
    }
    return error;
}

static void begin(struct bench *bench)
{
    struct bench_report *report = bench->report;
    time_t now = time(NULL);
    char text[32];
    struct tm utc;

    report_init(report);
    bench->began_ns = clock_monotonic_ns();
    gmtime_r(&now, &utc);
    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &utc);
    report->created = plan_text(bench->memory, slice_of(text));
    report->pipeline = plan_text(bench->memory, slice_of(bench->plan->pipeline));
    report->file = plan_text(bench->memory, slice_of(bench->plan->file));
    report->slo = bench->options->slo;
    host_fill(bench->memory, &report->host);
    views_list(bench);
    bench->final = bench->plan->redis.present ? SINK_REDIS
                   : bench->plan->file_output ? SINK_FILE
                                              : SINK_NONE;
    report->costs.sink = bench_sink_name(bench->final);
    for (uint32_t i = 0; i < bench->options->shard_count; i++)
        bench->shards_max = MAX(bench->shards_max, bench->options->shards[i]);
}

/* Of each source the users, then the probes. */
static bool key_at(void *context, uint64_t index, struct buf *out)
{
    struct bench *bench = context;
    uint64_t keys = bench->options->users + PROBE_SLOTS;
    uint32_t source = (uint32_t)(index / keys);
    uint32_t number = (uint32_t)(index % keys);
    struct made_record made;
    struct buf key = {0};

    if (source == bench->plan->source_count)
        return false;
    if (number < bench->options->users) {
        records_key(bench->records[source], number, &key);
    } else if (records_make_probe(bench->records[source], PLAN_NONE, PROBE_PREFIX,
                                  number - bench->options->users, 0, 0, &made)) {
        buf_append_slice(&key, made.key);
    }
    world_redis_key(&bench->world, source, buf_slice(&key), out);
    buf_free(&key);
    return true;
}

/* In the world that is open. */
static int work(struct bench *bench, struct err *err)
{
    int error;

    bench->world.key_at = key_at;
    bench->world.key_context = bench;
    setup_fill(bench);
    partitions_fit(bench);
    error = topics_fill(bench, err);
    return error ? error : steps_run(bench, err);
}

int bench_run(const struct plan *plan, struct slice text, const struct bench_options *options,
              struct plan_memory *memory, struct bench_report *ret,
              struct bench_outputs *ret_outputs, struct err *err)
{
    struct bench bench = {
        .plan = plan,
        .options = options,
        .memory = memory,
        .report = ret,
        .outputs = ret_outputs,
    };
    int error;

    *ret_outputs = (struct bench_outputs){0};
    begin(&bench);
    bench_stop_install();
    error = records_make_all(&bench, err);
    if (!error)
        error = world_open(&bench.world, plan, text, &options->world, err);
    if (!error) {
        error = work(&bench, err);
        bench_say(&bench, "clearing up");
        world_close(&bench.world);
    }
    for (uint32_t i = 0; bench.records && i < plan->source_count; i++)
        records_free(bench.records[i]);
    free(bench.records);
    ret->took_s = (double)(clock_monotonic_ns() - bench.began_ns) * 1e-9;
    return error;
}
