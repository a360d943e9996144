/* stages - the histograms of a shard by the names that metrics and status give them. */
#ifndef FRESHET_ADMIN_STAGES_H
#define FRESHET_ADMIN_STAGES_H

#include "shard/shard.h"

#define STAGE_COUNT 9

const char *stage_name(size_t stage);

/* NULL if the shard has no such stage: a pipeline without Redis. */
const struct hdr *stage_of(const struct shard *shard, size_t stage);

#endif
