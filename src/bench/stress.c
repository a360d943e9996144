/* What happens when it is too much: twice the load, a Redis that answers late. The engine has to
 * hold memory, lose nothing, and catch up.
 *
 *   half the load │ trouble │ until all is as before
 *                 begin     end */

#include <errno.h>
#include <math.h>
#include <unistd.h>

#include "base/clock.h"
#include "bench/latency.h"
#include "bench/proxy.h"

#define HALF         0.5
#define TWICE        2.0
#define CALM_S       2.0
#define MOMENT_US    200000
#define RECOVER_NS   (120 * NS_PER_S)
#define CALM_AGAIN_S 0.25 /* of events that may be under way */
#define CALM_KEYS    100
#define DELAY_MS     50

struct stress {
    struct bench *bench;
    struct open_bench *open;
    struct bench_stress *report;
    int64_t begin_ns;
    double records_before;
    int64_t before_ns;
};

static double now_s(const struct stress *stress)
{
    return (double)(clock_monotonic_ns() - stress->begin_ns) * 1e-9;
}

static int moment_take(struct stress *stress, struct engine_sample *ret, struct err *err)
{
    struct bench_stress *report = stress->report;
    struct bench_moment *moment;
    int error = child_sample(&stress->open->child, ret, err);

    if (error)
        return error;
    atomic_store(&stress->open->load.read, (uint64_t)ret->records);
    moment = shape_append(&shape_moment, stress->bench->memory, &report->moments,
                          &report->moments_count);
    moment->at_s = now_s(stress);
    moment->lag_events = MAX((double)atomic_load(&stress->open->load.sent) - ret->records, 0.0);
    moment->rss_bytes = ret->rss_bytes;
    moment->redis_waiting = ret->redis_dirty + ret->redis_in_flight;
    moment->events_per_s = (ret->records - stress->records_before) * 1e9 /
                           (double)(ret->at_ns - stress->before_ns);
    stress->records_before = ret->records;
    stress->before_ns = ret->at_ns;
    if (!(report->lag_peak_events >= moment->lag_events))
        report->lag_peak_events = moment->lag_events;
    if (!(report->rss_peak_bytes >= moment->rss_bytes))
        report->rss_peak_bytes = moment->rss_bytes;
    return 0;
}

static int watch(struct stress *stress, double seconds, struct err *err)
{
    int64_t last_ns = clock_monotonic_ns() + (int64_t)(seconds * 1e9);
    struct engine_sample sample;
    int error = 0;

    while (!error && clock_monotonic_ns() < last_ns) {
        error = moment_take(stress, &sample, err);
        usleep(MOMENT_US);
    }
    return error;
}

/* Until lag and writes under way are what they are under half the load; not at all is a finding. */
static int watch_recovery(struct stress *stress, struct err *err)
{
    int64_t last_ns = clock_monotonic_ns() + RECOVER_NS;
    double calm = CALM_AGAIN_S * stress->bench->report->latency.saturation_per_s + CALM_KEYS;

    while (clock_monotonic_ns() < last_ns) {
        struct engine_sample sample;
        int error = moment_take(stress, &sample, err);

        if (error)
            return error;
        if ((double)atomic_load(&stress->open->load.sent) - sample.records <= calm &&
            sample.redis_dirty + sample.redis_in_flight <= calm) {
            stress->report->recovered_s = now_s(stress) - stress->report->end_s;
            return 0;
        }
        usleep(MOMENT_US);
    }
    return 0;
}

static void trouble_fill(struct stress *stress, const struct mark *before, const struct mark *after)
{
    const struct engine_sample *a = &before->sample;
    const struct engine_sample *b = &after->sample;
    struct histograms *between = malloc(sizeof(*between));

    CHECK(between);
    histograms_less(&after->histograms, &before->histograms, between);
    spread_fill(&between->fetched_redis, &stress->report->fetched_redis);
    free(between);
    stress->report->sent_per_s = (after->sent - before->sent) /
                                 ((double)(b->at_ns - a->at_ns) * 1e-9);
    stress->report->backpressure_share = (b->backpressure_s - a->backpressure_s) /
                                         (b->shard_s - a->shard_s);
}

static int mark_now(struct stress *stress, struct mark *ret, struct err *err)
{
    int error = histograms_read(&stress->open->child, &ret->histograms, err);

    if (!error)
        error = child_sample(&stress->open->child, &ret->sample, err);
    ret->sent = (double)atomic_load(&stress->open->load.sent);
    return error;
}

/* The trouble's time, between two marks. */
static int trouble(struct stress *stress, double seconds, struct err *err)
{
    struct mark *marks = calloc(2, sizeof(*marks));
    int error;

    CHECK(marks);
    stress->report->begin_s = now_s(stress);
    stress->report->seconds = seconds;
    error = mark_now(stress, &marks[0], err);
    if (!error)
        error = watch(stress, seconds, err);
    if (!error)
        error = mark_now(stress, &marks[1], err);
    stress->report->end_s = now_s(stress);
    if (!error)
        trouble_fill(stress, &marks[0], &marks[1]);
    free(marks);
    return error;
}

/* After the load has ended: everything that was sent has to have been read. */
static int end_fill(struct stress *stress, struct err *err)
{
    struct engine_sample sample;
    int error = open_bench_drain(stress->open, err);

    if (!error)
        error = child_sample(&stress->open->child, &sample, err);
    if (error)
        return error;
    stress->report->produced = (int64_t)atomic_load(&stress->open->load.sent);
    stress->report->records = (int64_t)sample.records;
    stress->report->measured = true;
    return 0;
}

static int begin(struct stress *stress, const char *tag, const char *redis_url, struct err *err)
{
    double *saturation = &stress->bench->report->latency.saturation_per_s;
    int error = bench_saturation(stress->bench, saturation, err);

    if (!error)
        error = open_bench_start(stress->open, stress->bench, tag, NULL, redis_url, err);
    if (error)
        return error;
    stress->begin_ns = stress->before_ns = clock_monotonic_ns();
    load_start(&stress->open->load, HALF * *saturation);
    return 0;
}

static int end_load(struct stress *stress, int error, struct err *err)
{
    if (stress->open->load.is_running && load_stop(&stress->open->load, error ? NULL : err))
        return error ? error : -EIO;
    return error;
}

static int overload(struct stress *stress, struct err *err)
{
    double rate = TWICE * stress->bench->report->latency.saturation_per_s;
    int error = watch(stress, CALM_S, err);

    error = end_load(stress, error, err);
    if (error)
        return error;
    stress->report->wanted_per_s = rate;
    load_start(&stress->open->load, rate);
    error = trouble(stress, rate_seconds(stress->bench), err);
    atomic_store(&stress->open->load.stop, true); /* what the client holds still goes out */
    if (!error)
        error = watch_recovery(stress, err);
    error = end_load(stress, error, err);
    return error ? error : end_fill(stress, err);
}

int step_overload(struct bench *bench, struct err *err)
{
    struct open_bench *open = calloc(1, sizeof(*open));
    struct stress stress = {.bench = bench, .open = open, .report = &bench->report->overload};
    int error;

    CHECK(open);
    bench_say(bench, "overload: twice the load");
    error = begin(&stress, "overload", NULL, err);
    if (!error) {
        error = overload(&stress, err);
        open_bench_done(open);
    }
    free(open);
    return error;
}

static int slow(struct stress *stress, struct proxy *proxy, struct err *err)
{
    int error = watch(stress, CALM_S, err);

    stress->report->wanted_per_s = stress->open->load.rate;
    stress->report->delay_ms = DELAY_MS;
    proxy_delay(proxy, DELAY_MS);
    if (!error)
        error = trouble(stress, rate_seconds(stress->bench), err);
    proxy_delay(proxy, 0);
    if (!error)
        error = watch_recovery(stress, err);
    error = end_load(stress, error, err);
    return error ? error : end_fill(stress, err);
}

int step_slow_redis(struct bench *bench, struct err *err)
{
    struct open_bench *open = calloc(1, sizeof(*open));
    struct stress stress = {.bench = bench, .open = open, .report = &bench->report->slow_redis};
    struct proxy *proxy = NULL;
    char *url;
    int error;

    CHECK(open);
    if (bench->final != SINK_REDIS) {
        free(open);
        return 0;
    }
    bench_say(bench, "slow Redis: replies %d ms late", DELAY_MS);
    error = proxy_open(&bench->world.redis, &proxy, err);
    if (error) {
        free(open);
        return error;
    }
    url = world_redis_url_at(&bench->world, proxy_port(proxy));
    error = begin(&stress, "slow", url, err);
    if (!error) {
        error = slow(&stress, proxy, err);
        open_bench_done(open);
    }
    free(url);
    proxy_close(proxy);
    free(open);
    return error;
}
