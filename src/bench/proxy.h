/* proxy - a Redis that answers late: what stands between the engine and Redis and holds replies up.
 *
 *   engine ──▶ proxy ──▶ Redis       at once
 *          ◀──       ◀──             each piece of a reply waits delay_ms, in order
 *
 * Listens on a port of the loopback; a thread for each direction of a connection. */
#ifndef FRESHET_BENCH_PROXY_H
#define FRESHET_BENCH_PROXY_H

#include <stdint.h>

#include "base/err.h"
#include "plan/plan.h"

struct proxy;

/* `redis` outlives it. */
MUST_USE int proxy_open(const struct plan_redis *redis, struct proxy **ret, struct err *err);
void proxy_close(struct proxy *proxy);

uint16_t proxy_port(const struct proxy *proxy);

/* Of replies that come from here on. */
void proxy_delay(struct proxy *proxy, int64_t delay_ms);

#endif
