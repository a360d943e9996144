/* Latency: an open loop at parts of the saturation, each for some seconds behind a warm-up.
 *
 *   intended send ─▶ appended ─▶ fetched ─▶ Redis acknowledged          seen by a reader
 *        └ producer's report ┘ └ engine: fetch ┘└ fetched_to_redis ┘          │
 *        └──────────────────────────── probes ────────────────────────────────┘
 *
 * The engine keeps histograms since its start; what is reported is the difference of two readings
 * around the time that is measured. One engine serves all rates, so it is warm and its state grows.
 */

#include <errno.h>
#include <math.h>
#include <unistd.h>

#include "base/clock.h"
#include "bench/hdr_log.h"
#include "bench/internal.h"
#include "bench/latency.h"
#include "bench/world_redis.h"

#define WARM_UP_SHARE        0.25 /* of a rate's seconds, */
#define WARM_UP_MIN_S        1.0  /* at least */
#define KEPT_UP_SENT         0.97
#define KEPT_UP_LAG_S        1.0
#define PARTITIONS_MIN       2
#define MOCK_PARTITIONS      8 /* the mock broker holds 5 MiB of each: half of that may be unread */
#define MOCK_PARTITION_BYTES (2.5 * 1024 * 1024)
#define RECORD_OVERHEAD      80
#define BACKLOG_POLL_US      50000
#define DRAIN_NS             (60 * NS_PER_S)
#define DRAIN_POLL_US        20000
#define SECONDS_QUICK        3.0
#define SECONDS_DEFAULT      15.0

int histograms_read(struct child *child, struct histograms *ret, struct err *err)
{
    int error = child_page(child, "/histograms", err);

    if (error)
        return error;
    if (sample_histogram(buf_slice(&child->page), "fetch", &ret->fetch) ||
        sample_histogram(buf_slice(&child->page), "fetched_to_redis", &ret->fetched_redis) ||
        sample_histogram(buf_slice(&child->page), "turn", &ret->turn))
        return err_set(err, -EBADMSG, "the engine's /histograms cannot be read");
    return 0;
}

void histograms_less(const struct histograms *later, const struct histograms *earlier,
                     struct histograms *ret)
{
    histogram_less(&later->fetch, &earlier->fetch, &ret->fetch);
    histogram_less(&later->fetched_redis, &earlier->fetched_redis, &ret->fetched_redis);
    histogram_less(&later->turn, &earlier->turn, &ret->turn);
}

double rate_seconds(const struct bench *bench)
{
    if (bench->options->seconds > 0)
        return bench->options->seconds;
    return bench->options->quick ? SECONDS_QUICK : SECONDS_DEFAULT;
}

/* --- set up --- */

/* The view by whose rows a reader can tell what it sees. */
static const struct plan_view *view_to_probe(const struct bench *bench)
{
    if (bench->final != SINK_REDIS || !bench->plan->redis.metadata)
        return NULL;
    for (uint32_t i = 0; i < bench->plan->view_count; i++) {
        const struct plan_view *view = &bench->plan->views[i];

        if (view->on_update && view->window != WINDOW_LIFETIME)
            return view;
    }
    return NULL;
}

static void probes_prepare(struct open_bench *open)
{
    struct bench *bench = open->bench;
    struct bench_latency *latency = &bench->report->latency;
    const struct plan_view *view = view_to_probe(bench);

    if (!view) {
        latency->note = bench->final != SINK_REDIS
                            ? "the pipeline has no Redis: nothing is acknowledged or seen there"
                        : !bench->plan->redis.metadata
                            ? "metadata is false: a reader cannot tell what it sees"
                            : "no view has emit: on_update: rows come when windows end, so "
                              "fetched_redis is of few rows or none, and visible of none";
        return;
    }
    open->probes.wanted = true;
    open->probes.source = (uint32_t)view->source;
    open->probes.predicate = view->predicate;
    snprintf(open->probes.prefix, sizeof(open->probes.prefix), PROBE_PREFIX);
    if (load_probes(&open->load, &open->probes)) {
        open->view = view;
        latency->probed = plan_text(bench->memory, slice_of(view->name));
        return;
    }
    open->probes.wanted = false;
    open->load.probes = NULL;
    latency->note = "no record passes the where of an on_update view: there was nothing to probe";
}

int open_bench_start(struct open_bench *open, struct bench *bench, const char *tag,
                     const char *checkpoint_every, const char *redis_url, struct err *err)
{
    struct child_options options = {
        .sink = bench->final,
        .shards = bench->shards_max,
        .checkpoint_every = checkpoint_every,
        .redis_url = redis_url,
    };
    const char **topics;
    char linger[32];
    int error;

    memset(open, 0, sizeof(*open));
    open->bench = bench;
    open->partitions = MAX(bench->shards_max, bench->world.embedded ? (uint32_t)MOCK_PARTITIONS
                                                                    : (uint32_t)PARTITIONS_MIN);
    snprintf(linger, sizeof(linger), "%g", bench->options->linger_ms);
    keys_remove(&bench->world);
    error = world_topics(&bench->world, tag, open->partitions, !bench->world.embedded, &topics,
                         err);
    if (error)
        return error;
    options.topics = topics;
    error = load_open(&open->load, &bench->world, bench->records, topics, linger, err);
    if (bench->world.embedded)
        open->load.backlog_max = (uint64_t)(open->partitions * MOCK_PARTITION_BYTES /
                                            (bench->report->setup.record_bytes + RECORD_OVERHEAD));
    if (!error)
        error = child_start(&bench->world, &options, &open->child, err);
    if (!error)
        error = child_await_reading(&open->child, err);
    if (error)
        open_bench_done(open);
    return error;
}

void open_bench_done(struct open_bench *open)
{
    reader_stop(&open->reader);
    if (open->load.producer)
        load_close(&open->load);
    child_done(&open->child);
}

int open_bench_drain(struct open_bench *open, struct err *err)
{
    int64_t last_ns = clock_monotonic_ns() + DRAIN_NS;
    struct engine_sample sample;

    do {
        int error = child_sample(&open->child, &sample, err);

        if (error)
            return error;
        atomic_store(&open->load.read, (uint64_t)sample.records);
        if (sample.records >= (double)atomic_load(&open->load.sent) &&
            sample.redis_dirty + sample.redis_in_flight == 0)
            return 0;
        usleep(DRAIN_POLL_US);
    } while (clock_monotonic_ns() < last_ns);
    return err_set(err, -ETIMEDOUT, "the engine does not catch up within %lld s after the load",
                   (long long)(DRAIN_NS / NS_PER_S));
}

int open_bench_wait(struct open_bench *open, double seconds, struct err *err)
{
    int64_t last_ns = clock_monotonic_ns() + (int64_t)(seconds * 1e9);

    if (!open->load.backlog_max)
        return bench_sleep(seconds, err);
    while (clock_monotonic_ns() < last_ns) {
        struct engine_sample sample;
        int error = child_sample(&open->child, &sample, err);

        if (error)
            return error;
        atomic_store(&open->load.read, (uint64_t)sample.records);
        usleep(BACKLOG_POLL_US);
    }
    return 0;
}

/* --- one rate --- */

static int mark_take(struct open_bench *open, struct mark *ret, struct err *err)
{
    int error = histograms_read(&open->child, &ret->histograms, err);

    if (!error)
        error = child_sample(&open->child, &ret->sample, err);
    ret->sent = (double)atomic_load(&open->load.sent);
    return error;
}

int open_bench_measure(struct open_bench *open, double rate, double seconds, struct measured *ret,
                       struct err *err)
{
    struct load *load = &open->load;
    int error;

    reader_clear(&open->reader);
    load_start(load, rate);
    error = open_bench_wait(open, MAX(seconds * WARM_UP_SHARE, WARM_UP_MIN_S), err);
    if (!error)
        error = mark_take(open, &ret->before, err);
    atomic_store(&load->measure_ns, clock_monotonic_ns());
    if (!error)
        error = open_bench_wait(open, seconds, err);
    if (!error)
        error = mark_take(open, &ret->after, err);
    if (!error)
        histograms_less(&ret->after.histograms, &ret->before.histograms, &ret->between);
    if (load_stop(load, error ? NULL : err) && !error)
        error = -EIO;
    if (!error && open->reader.context)
        reader_settle(&open->reader);
    return error ? error : open_bench_drain(open, err);
}

static void rate_fill(struct open_bench *open, const struct measured *measured,
                      struct bench_rate *ret)
{
    const struct engine_sample *a = &measured->before.sample;
    const struct engine_sample *b = &measured->after.sample;
    double events = b->records - a->records;

    ret->seconds = (double)(b->at_ns - a->at_ns) * 1e-9;
    ret->sent_per_s = (measured->after.sent - measured->before.sent) / ret->seconds;
    ret->lag_events = MAX(measured->after.sent - b->records, 0.0);
    ret->cpu_us = events > 0 ? (b->cpu_s - a->cpu_s) * 1e6 / events : NAN;
    ret->rows = b->rows - a->rows;
    ret->redis_commands = b->redis_commands - a->redis_commands;
    ret->redis_sent_bytes = b->redis_sent_bytes - a->redis_sent_bytes;
    spread_fill(&open->load.latency, &ret->send_appended);
    spread_fill(&measured->between.fetch, &ret->appended_fetched);
    spread_fill(&measured->between.fetched_redis, &ret->fetched_redis);
    spread_fill(&open->reader.latency, &ret->visible);
    ret->invisible = (int64_t)atomic_load(&open->reader.invisible);
    ret->kept_up = ret->sent_per_s >= KEPT_UP_SENT * ret->wanted_per_s &&
                   ret->lag_events <= KEPT_UP_LAG_S * ret->wanted_per_s;
    ret->meets = ret->kept_up && bench_meets(&open->bench->report->slo, &ret->fetched_redis);
}

static void rate_log(struct open_bench *open, const struct measured *measured,
                     const struct bench_rate *rate)
{
    struct bench *bench = open->bench;
    const struct {
        const char *name;
        const struct hdr *hdr;
    } parts[] = {
        {"send_appended", &open->load.latency},
        {"appended_fetched", &measured->between.fetch},
        {"fetched_redis", &measured->between.fetched_redis},
        {"visible", &open->reader.latency},
    };
    double begin_s = (double)(measured->before.sample.at_ns - bench->began_ns) * 1e-9;

    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        char tag[64];

        snprintf(tag, sizeof(tag), "%s@%.0f", parts[i].name, rate->wanted_per_s);
        if (atomic_load(&parts[i].hdr->count))
            hdr_log_add(&bench->outputs->hdr_log, tag, begin_s, rate->seconds, parts[i].hdr);
    }
    bench_history(bench, "latency", &shape_rate, rate);
}

static int rate_run(struct open_bench *open, double percent, struct err *err)
{
    struct bench *bench = open->bench;
    struct bench_latency *latency = &bench->report->latency;
    struct bench_rate *rate = shape_append(&shape_rate, bench->memory, &latency->rates,
                                           &latency->rates_count);
    struct measured *measured = malloc(sizeof(*measured));
    uint64_t before = atomic_load(&open->load.sent);
    int error;

    CHECK(measured);
    rate->percent = percent;
    rate->wanted_per_s = latency->saturation_per_s * percent / 100;
    bench_say(bench, "latency: %.0f events/s, %.0f %% of saturation", rate->wanted_per_s, percent);
    error = open_bench_measure(open, rate->wanted_per_s, rate_seconds(bench), measured, err);
    if (!error) {
        rate_fill(open, measured, rate);
        rate->produced = (int64_t)(atomic_load(&open->load.sent) - before);
        rate_log(open, measured, rate);
    }
    free(measured);
    return error;
}

int step_latency(struct bench *bench, struct err *err)
{
    struct bench_latency *latency = &bench->report->latency;
    struct open_bench *open = malloc(sizeof(*open));
    int error = bench_saturation(bench, &latency->saturation_per_s, err);

    CHECK(open);
    if (!error)
        error = open_bench_start(open, bench, "latency", NULL, NULL, err);
    if (error) {
        free(open);
        return error;
    }
    latency->shards = bench->shards_max;
    latency->partitions = open->partitions;
    latency->linger_ms = bench->options->linger_ms;
    latency->append_time = !bench->world.embedded;
    hdr_log_begin(&bench->outputs->hdr_log,
                  clock_realtime_ms() - (clock_monotonic_ns() - bench->began_ns) / NS_PER_MS,
                  "freshet bench, ns");
    probes_prepare(open);
    if (open->view)
        error = reader_start(&open->reader, &bench->world, open->view, &open->load, &open->probes,
                             err);
    for (uint32_t i = 0; i < bench->options->percent_count && !error; i++)
        error = rate_run(open, bench->options->percents[i], err);
    latency->knee_per_s = bench_knee(latency);
    open_bench_done(open);
    free(open);
    return error;
}
