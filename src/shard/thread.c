/* The thread that turns a shard: from its start to its end. */

#include <errno.h>
#include <sched.h>
#include <unistd.h>

#include "shard/internal.h"

#define SETTLE_US 50 /* some turns */

static void pin(int cpu)
{
    cpu_set_t cpus;

    if (cpu < 0)
        return;
    CPU_ZERO(&cpus);
    CPU_SET((unsigned)cpu, &cpus);
    /* Not fatal: a container may forbid it, and the engine is right all the same. */
    if (pthread_setaffinity_np(pthread_self(), sizeof(cpus), &cpus))
        log_warn("cannot pin a shard to CPU %d: %s", cpu, strerror(errno));
}

static void life_set(struct shard *shard, enum shard_life life)
{
    pthread_mutex_lock(&shard->mutex);
    shard->life = life;
    pthread_cond_broadcast(&shard->changed);
    pthread_mutex_unlock(&shard->mutex);
}

static void life_await(struct shard *shard, enum shard_life life)
{
    pthread_mutex_lock(&shard->mutex);
    while (shard->life < life)
        pthread_cond_wait(&shard->changed, &shard->mutex);
    pthread_mutex_unlock(&shard->mutex);
}

void shard_settle(struct shard *shard)
{
    bool stopped = false;

    while (!shard_has_settled(shard) && !stopped) {
        usleep(SETTLE_US);
        pthread_mutex_lock(&shard->mutex);
        stopped = shard->life >= LIFE_STOPPED;
        pthread_mutex_unlock(&shard->mutex);
    }
}

/* What a thread is started with, and its answer. */
struct start {
    struct shard *shard;
    struct err *err;
    int error;
};

static void *thread_main(void *context)
{
    struct start *start = context;
    struct shard *shard = start->shard;
    char name[16];
    int error;

    snprintf(name, sizeof(name), "shard-%u", shard->number % 1000);
    pthread_setname_np(pthread_self(), name);
    pin(shard->cpu);
    arena_own_malloc();

    error = start->error = shard_open(shard, start->err);
    life_set(shard, LIFE_RUNNING); /* `start` is gone from here on */
    while (!error && !shard->stop_wanted) {
        error = shard_turn(shard);
        if (error)
            report_send(shard, REPORT_FAILED, strerror(-error));
    }
    life_set(shard, LIFE_STOPPED);
    life_await(shard, LIFE_CLOSING);
    shard_close(shard);
    return NULL;
}

static void thread_free(struct shard *shard)
{
    pthread_mutex_destroy(&shard->mutex);
    pthread_cond_destroy(&shard->changed);
    shard_free(shard);
}

int shard_start(struct fleet *fleet, uint32_t number, int cpu, struct consumer *consumer,
                struct shard **ret, struct err *err)
{
    struct shard *shard = shard_create(fleet, number, consumer);
    struct start start = {.shard = shard, .err = err};

    shard->cpu = cpu;
    pthread_mutex_init(&shard->mutex, NULL);
    pthread_cond_init(&shard->changed, NULL);

    int error = -pthread_create(&shard->thread, NULL, thread_main, &start);
    if (error) {
        err_set(err, error, "cannot start a thread: %s", strerror(-error));
        thread_free(shard);
        return error;
    }
    life_await(shard, LIFE_RUNNING);
    if (start.error) {
        life_await(shard, LIFE_STOPPED);
        life_set(shard, LIFE_CLOSING);
        pthread_join(shard->thread, NULL);
        thread_free(shard);
        return start.error;
    }
    *ret = shard;
    return 0;
}

void shards_stop(struct fleet *fleet, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        CHECK(shard_command(fleet->shards[i], &(struct command){.kind = COMMAND_STOP}));
    for (uint32_t i = 0; i < count; i++)
        life_await(fleet->shards[i], LIFE_STOPPED);
    for (uint32_t i = 0; i < count; i++) {
        life_set(fleet->shards[i], LIFE_CLOSING);
        pthread_join(fleet->shards[i]->thread, NULL);
        thread_free(fleet->shards[i]);
    }
}
