/* redis_uring - the Redis sink's connections as streams of a loop. */
#ifndef FRESHET_SINK_REDIS_URING_H
#define FRESHET_SINK_REDIS_URING_H

#include "sink/redis_sink.h"
#include "uring/loop.h"

struct redis_uring;

/* Streams that the loop needs for it: while one is being closed, the next may be on its way. */
#define REDIS_URING_STREAMS(connections) ((connections)*2)

/* Makes a sink on this loop; `options->io` is filled in here. */
struct redis_uring *redis_uring_create(struct loop *loop, const struct redis_sink_options *options);

/* Frees the sink too; before the loop. */
void redis_uring_free(struct redis_uring *uring);

struct redis_sink *redis_uring_sink(struct redis_uring *uring);

#endif
