/* placement - how many shards, and which CPU each is pinned to. */
#ifndef FRESHET_ENGINE_PLACEMENT_H
#define FRESHET_ENGINE_PLACEMENT_H

#include <sched.h>
#include <stdint.h>

#include "base/err.h"
#include "plan/plan.h"

struct placement {
    uint32_t shards;
    int *cpus;         /* by shard number; -1: not pinned */
    cpu_set_t control; /* for the control thread, and librdkafka's, which inherit from it */
};

/* By the plan and by the CPUs that this process may use: as many shards as there are, less one, and
 * the first CPU left to the control thread. With `engine.cpus`, those in their order, over again
 * when there are more shards. Returns 0, or -EINVAL for a CPU that the process may not use. */
MUST_USE int placement_make(const struct plan_engine *plan, struct placement *ret, struct err *err);
void placement_done(struct placement *placement);

#endif
