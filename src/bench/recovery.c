/* Checkpoint stalls, and how long a start takes that goes on from one. */

#include <errno.h>
#include <math.h>
#include <unistd.h>

#include "base/clock.h"
#include "bench/latency.h"
#include "bench/world_redis.h"

#define HALF           0.5
#define OFTEN          "1s"
#define OFTEN_S        1.0
#define NEVER          "24h"
#define NEVER_S        86400.0
#define MORE_EVENTS    1000
#define CHECKPOINTS_NS (120 * NS_PER_S)
#define POLL_US        5000
#define READY_NS       (180 * NS_PER_S)

/* --- stalls --- */

static double mean_ms(double sum_s, double count)
{
    return count > 0 ? sum_s / count * 1e3 : NAN;
}

static void stalls_fill(const struct measured *measured, struct bench_checkpoints *ret)
{
    const struct engine_sample *a = &measured->before.sample;
    const struct engine_sample *b = &measured->after.sample;

    ret->done = (int64_t)(b->checkpoints_done - a->checkpoints_done);
    ret->keys = b->keys;
    ret->bytes = b->checkpoint_bytes - a->checkpoint_bytes;
    ret->align_ms = mean_ms(b->align_s - a->align_s, b->align_count - a->align_count);
    ret->capture_ms = mean_ms(b->capture_s - a->capture_s, b->capture_count - a->capture_count);
    ret->freeze_ms = mean_ms(b->freeze_s - a->freeze_s, b->freeze_count - a->freeze_count);
    ret->commit_ms = mean_ms(b->commit_s - a->commit_s, b->commit_count - a->commit_count);
    ret->total_ms = mean_ms(b->total_s - a->total_s, b->total_count - a->total_count);
    spread_fill(&measured->between.turn, &ret->turn);
    spread_fill(&measured->between.fetched_redis, &ret->fetched_redis);
}

static int stalls_measure(struct bench *bench, const char *tag, const char *every, double every_s,
                          double rate, struct err *err)
{
    struct bench_report *report = bench->report;
    struct bench_checkpoints *row;
    struct open_bench *open = malloc(sizeof(*open));
    struct measured *measured = malloc(sizeof(*measured));
    int error;

    CHECK(open && measured);
    bench_say(bench, "checkpoints every %s, %.0f events/s", every, rate);
    error = open_bench_start(open, bench, tag, every, NULL, err);
    if (!error) {
        error = open_bench_measure(open, rate, rate_seconds(bench), measured, err);
        open_bench_done(open);
    }
    if (!error) {
        row = shape_append(&shape_checkpoints, bench->memory, &report->checkpoints,
                           &report->checkpoints_count);
        row->every_s = every_s;
        row->wanted_per_s = rate;
        stalls_fill(measured, row);
    }
    free(open);
    free(measured);
    return error;
}

int step_checkpoints(struct bench *bench, struct err *err)
{
    double saturation;
    int error = bench_saturation(bench, &saturation, err);

    if (!error)
        error = stalls_measure(bench, "often", OFTEN, OFTEN_S, saturation * HALF, err);
    if (!error && !bench->options->quick)
        error = stalls_measure(bench, "never", NEVER, NEVER_S, saturation * HALF, err);
    return error;
}

/* --- recovery --- */

/* Two more checkpoints than there are: the last one holds all that has been read. */
static int await_checkpoints(struct child *child, struct engine_sample *ret, struct err *err)
{
    int64_t last_ns = clock_monotonic_ns() + CHECKPOINTS_NS;
    double before = -1;

    for (;;) {
        int error = child_sample(child, ret, err);

        if (error)
            return error;
        if (before < 0)
            before = ret->checkpoints_done;
        if (ret->checkpoints_done >= before + 2)
            return 0;
        if (clock_monotonic_ns() > last_ns)
            return err_set(err, -ETIMEDOUT, "no checkpoint comes into force");
        usleep(POLL_US * 10);
    }
}

static double seconds_since(int64_t begin_ns)
{
    return (double)(clock_monotonic_ns() - begin_ns) * 1e-9;
}

/* Both times of a second start behind its reading. */
static int await_ready(struct child *child, int64_t begin_ns, struct bench_recovery *ret,
                       struct err *err)
{
    for (;;) {
        struct engine_sample sample;
        int error = child_sample(child, &sample, err);

        if (error)
            return error;
        if (isnan(ret->first_s) && sample.records > 0)
            ret->first_s = seconds_since(begin_ns);
        if (!isnan(ret->first_s) && sample.awaiting_commit + sample.replaying == 0 &&
            child_page(child, "/ready", NULL) == 0) {
            ret->ready_s = seconds_since(begin_ns);
            return 0;
        }
        if (clock_monotonic_ns() - begin_ns > READY_NS)
            return err_set(err, -ETIMEDOUT, "the engine is not ready after its start");
        usleep(POLL_US);
    }
}

static int start_first(struct bench *bench, struct child *child, struct bench_recovery *ret,
                       struct err *err)
{
    struct child_options options = {
        .sink = bench->final,
        .shards = bench->shards_max,
        .topics = bench->topics,
        .checkpoint_every = OFTEN,
    };
    struct engine_sample sample;
    int64_t begin_ns = clock_monotonic_ns();
    int error = child_start(&bench->world, &options, child, err);

    if (error)
        return error;
    error = child_await_reading(child, err);
    ret->empty_s = seconds_since(begin_ns);
    if (!error)
        error = child_await_all(child, (double)bench->report->setup.events, &sample, err);
    if (!error)
        error = await_checkpoints(child, &sample, err);
    if (error) {
        child_done(child);
        return error;
    }
    ret->keys = (int64_t)sample.keys;
    ret->state_bytes = sample.state_bytes;
    ret->disk_bytes = sample.store_disk_bytes;
    ret->store_memory_bytes = sample.store_memory_bytes;
    return 0;
}

static int more_events(struct bench *bench, struct err *err)
{
    struct load load;
    int error = load_open(&load, &bench->world, bench->records, bench->topics, "5", err);

    if (!error) {
        error = load_fill(&load, MORE_EVENTS, MORE_EVENTS, err);
        load_close(&load);
    }
    return error;
}

int step_recovery(struct bench *bench, struct err *err)
{
    struct bench_recovery *recovery = &bench->report->recovery;
    struct child child;
    int64_t begin_ns;
    int error;

    bench_say(bench, "recovery: kill -9 and start");
    keys_remove(&bench->world);
    error = start_first(bench, &child, recovery, err);
    if (error)
        return error;
    child_kill(&child);
    error = more_events(bench, err);
    begin_ns = clock_monotonic_ns();
    if (!error)
        error = child_start_again(&child, err);
    if (!error)
        error = child_await_reading(&child, err);
    if (!error) {
        recovery->reading_s = seconds_since(begin_ns);
        recovery->loaded_s = child_loaded_s(&child);
        error = await_ready(&child, begin_ns, recovery, err);
    }
    recovery->measured = !error;
    child_done(&child);
    return error;
}
