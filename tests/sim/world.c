/* Time and event loops. A loop's wait ends in fleet.c, when its time has come or it was woken; a
 * shard that would sleep on work that is there fails the run, since only luck would wake it. */

#include "sim.h"

#include "base/clock.h"
#include "base/hash.h"

struct sim sim;

_Noreturn void sim_fail(const char *format, ...)
{
    va_list args;

    fwrite(sim.scenario.text.data, 1, sim.scenario.text.len, stderr);
    fprintf(stderr, "%s, %d partitions, %u shards, life %d, step %llu, %lld ms: ",
            sim.scenario.bounded ? "bounded" : "live", sim.scenario.partition_count, shard_count(),
            sim.life, (unsigned long long)sim.steps, (long long)(sim.now_ns / NS_PER_MS));
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\n");
    exit(1);
}

void sim_trace(const char *format, ...)
{
    va_list args;

    if (!sim.trace)
        return;
    printf("%d.%06lld ", sim.life, (long long)(sim.now_ns / NS_PER_US));
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    printf("\n");
}

void sim_digest(const void *bytes, size_t len)
{
    sim.digest = hash64_int(sim.digest ^ hash64((struct slice){bytes, len}));
}

uint64_t dice(uint64_t sides)
{
    sim.random = hash64_int(sim.random + UINT64_C(0x9e3779b97f4a7c15));
    return (sim.random >> 11) % sides;
}

bool chance(unsigned percent)
{
    return dice(100) < percent;
}

bool mishap(unsigned percent)
{
    return !sim.calm && sim.scenario.trouble > 0 && chance(percent) &&
           dice(100) < sim.scenario.trouble;
}

bool crash_here(unsigned percent)
{
    if (!sim.has_crashed && sim.life < sim.scenario.lives - 1 && chance(percent)) {
        sim_trace("crash");
        sim.has_crashed = true;
    }
    return sim.has_crashed;
}

int64_t clock_monotonic_ns(void)
{
    return sim.now_ns;
}

int64_t clock_realtime_ms(void)
{
    return REAL_MS + sim.now_ns / NS_PER_MS;
}

int64_t clock_thread_cpu_ns(void)
{
    return sim.now_ns;
}

int64_t clock_process_cpu_ns(void)
{
    return sim.now_ns;
}

static uint32_t opening; /* the shard whose loop is created next */

int loop_create(const struct loop_options *options, struct loop **ret, struct err *err)
{
    (void)options, (void)err;
    *ret = &sim.loops[opening];
    **ret = (struct loop){.shard = opening, .due_ns = sim.now_ns, .began_ns = sim.now_ns};
    opening = (opening + 1) % shard_count();
    return 0;
}

void loop_free(struct loop *loop)
{
    loop->due_ns = NEVER;
}

/* Mail that may be read: not what stands behind the barrier of a mark that is to come. */
static bool has_mail(const struct shard *shard)
{
    for (uint32_t i = 0; i < shard_count(); i++) {
        const struct mail_item *item = i == shard->number ? NULL
                                                          : mailbox_peek(inbox_from(shard, i));

        if (item && !(item->kind == MAIL_BARRIER && share_is_behind(shard, mail_barrier_of(item))))
            return true;
    }
    return false;
}

static void check_sleep(const struct loop *loop)
{
    const struct shard *shard = sim.fleet.shards[loop->shard];

    if (loop->woken || shard->is_full || memory_is_short(shard))
        return;
    if (has_mail(shard))
        sim_fail("shard %u sleeps on mail", loop->shard);
    if (shard->is_blocked && loop->due_ns - sim.now_ns <= NS_PER_MS)
        return; /* looks again soon whether the full mailbox has room */
    if (ingest_is_held(shard))
        return;
    if (shard->phase == PHASE_READING && !shard->drain_wanted && kafka_has(loop->shard))
        sim_fail("shard %u sleeps on records", loop->shard);
    if (shard->batch.count > 0)
        sim_fail("shard %u sleeps on its batch", loop->shard);
}

void check_sleepers(void)
{
    for (uint32_t i = 0; i < shard_count(); i++) {
        if (sim.loops[i].due_ns > sim.now_ns)
            check_sleep(&sim.loops[i]);
    }
}

/* The kernel is given what streams have flushed, if the gate is open. What the loop does to know is
 * its own business; what must hold is checked by what has really happened. */
static void sends_give(struct loop *loop)
{
    if (sim.now_ns - loop->turn_ns >= loop->limit_ns)
        loop->is_shut = true;
    if (!loop->is_shut)
        redis_send(loop->shard);
}

void check_may_send(uint32_t shard)
{
    const struct loop *loop = &sim.loops[shard];

    if (atomic_load(&sim.fleet.commits_accepted) < loop->commits_needed)
        sim_fail("shard %u was frozen, and sends before a commit has been accepted", shard);
    if (sim.now_ns - loop->began_ns >= sim.fleet.frozen_ns)
        sim_fail("shard %u sends what it had to send before it was frozen", shard);
}

int loop_run(struct loop *loop, int64_t timeout_ns)
{
    sends_give(loop);
    loop->due_ns = timeout_ns < 0 || timeout_ns > NEVER - sim.now_ns ? NEVER
                                                                     : sim.now_ns + timeout_ns;
    return 0;
}

void loop_gate_limit(struct loop *loop, int64_t limit_ns)
{
    loop->limit_ns = limit_ns;
    loop_gate_open(loop);
}

bool loop_gate_turn(struct loop *loop)
{
    if (sim.now_ns - loop->turn_ns >= loop->limit_ns)
        loop->is_shut = true;
    loop->turn_ns = sim.now_ns;
    return !loop->is_shut;
}

void loop_gate_open(struct loop *loop)
{
    loop->is_shut = false;
    loop->turn_ns = sim.now_ns;
}

void turn_begins(uint32_t shard)
{
    struct loop *loop = &sim.loops[shard];

    if (sim.now_ns - loop->began_ns > sim.fleet.frozen_ns) {
        sim.frozen++;
        loop->commits_needed = atomic_load(&sim.fleet.commits_begun) + 1;
    }
    loop->began_ns = sim.now_ns;
}

void loop_wake(struct loop *loop)
{
    loop->woken = true;
}

int loop_wake_fd(const struct loop *loop)
{
    return (int)loop->shard;
}
