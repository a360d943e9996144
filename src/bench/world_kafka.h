/* world_kafka - topics and groups of a bench, made and removed. */
#ifndef FRESHET_BENCH_WORLD_KAFKA_H
#define FRESHET_BENCH_WORLD_KAFKA_H

#include "bench/world.h"

/* An engine's member outlives it by this: then its group can be removed. The least that brokers
 * allow by default. */
#define WORLD_SESSION_MS      6000
#define WORLD_SESSION_MS_TEXT "6000"

/* -ETIMEDOUT if no broker answers. */
MUST_USE int kafka_answers(struct world *world, struct err *err);

MUST_USE int topic_make(struct world *world, const char *name, uint32_t partitions,
                        bool append_time, struct err *err);
MUST_USE int mock_topic_make(struct world *world, const char *name, uint32_t partitions,
                             struct err *err);

/* Whatever can't be removed is named on stderr. */
void topics_remove(struct world *world);
void groups_remove(struct world *world);

#endif
