#include "engine/placement.h"

#include <errno.h>

static int allowed_cpus(cpu_set_t *ret_set, int *cpus)
{
    int count = 0;

    CPU_ZERO(ret_set);
    CHECK(sched_getaffinity(0, sizeof(*ret_set), ret_set) == 0);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET((unsigned)cpu, ret_set))
            cpus[count++] = cpu;
    }
    return count;
}

/* Shards begin behind the first CPU, which is the control thread's as long as there are others. */
static void place_auto(struct placement *placement, const int *cpus, int count)
{
    for (uint32_t i = 0; i < placement->shards; i++)
        placement->cpus[i] = cpus[(i + (count > 1)) % (uint32_t)count];
}

int placement_make(const struct plan_engine *plan, struct placement *ret, struct err *err)
{
    int cpus[CPU_SETSIZE];
    cpu_set_t allowed;
    int count = allowed_cpus(&allowed, cpus);

    for (uint32_t i = 0; i < plan->cpu_count; i++) {
        if (plan->cpus[i] >= CPU_SETSIZE || !CPU_ISSET((unsigned)plan->cpus[i], &allowed))
            return err_set(err, -EINVAL, "engine.cpus: this process may not use CPU %d",
                           plan->cpus[i]);
    }
    if (plan->shards > 0)
        ret->shards = plan->shards;
    else
        ret->shards = plan->cpu_count > 0 ? plan->cpu_count : (uint32_t)MAX(count - 1, 1);
    ret->cpus = calloc(ret->shards, sizeof(*ret->cpus));
    CHECK(ret->cpus);
    if (plan->cpu_count == 0)
        place_auto(ret, cpus, count);
    for (uint32_t i = 0; plan->cpu_count > 0 && i < ret->shards; i++)
        ret->cpus[i] = plan->cpus[i % plan->cpu_count];

    ret->control = allowed;
    for (uint32_t i = 0; i < ret->shards; i++)
        CPU_CLR((unsigned)ret->cpus[i], &ret->control);
    if (CPU_COUNT(&ret->control) == 0)
        ret->control = allowed;
    return 0;
}

void placement_done(struct placement *placement)
{
    free(placement->cpus);
    placement->cpus = NULL;
}
