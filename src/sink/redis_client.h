/* redis_client - a plain, waiting connection to the plan's Redis, for start-up and commands. What a
 * running engine writes goes through redis_sink.h. */
#ifndef FRESHET_SINK_REDIS_CLIENT_H
#define FRESHET_SINK_REDIS_CLIENT_H

#include "base/err.h"
#include "plan/plan.h"

struct redisContext;

/* Connects and says AUTH, SELECT and PING; waits up to `timeout_ms` for each, and for each command
 * that is given later. The context is freed with redisFree. Returns 0, or -errno with a text that
 * names the URL (without the password), the cause and what to do. */
MUST_USE int redis_client_open(const struct plan_redis *redis, int64_t timeout_ms,
                               struct redisContext **ret, struct err *err);

/* Is there a Redis that will take what this pipeline writes? Asked once, at start. Also says INFO.
 * Returns as redis_client_open. */
MUST_USE int redis_probe(const struct plan_redis *redis, int64_t timeout_ms, struct err *err);

#endif
