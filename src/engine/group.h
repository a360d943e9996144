/* group - what the consumer group gives to this process, and takes. Called in consumer_poll. */
#ifndef FRESHET_ENGINE_GROUP_H
#define FRESHET_ENGINE_GROUP_H

#include "source/consumer.h"

/* Finds out where each partition goes on, has the shards load its state, and hands it over. */
void group_assigned(void *engine, struct assignment *list, size_t count);

/* Partitions that are revoked go with a last checkpoint; lost ones may be another process'
 * already, and end this one. */
void group_revoked(void *engine, const struct assignment *list, size_t count, bool lost);

#endif
