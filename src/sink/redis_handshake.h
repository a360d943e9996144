/* redis_handshake - what a new connection says first: AUTH, SELECT and INFO, in one go.
 *
 * AUTH and SELECT only if the URL asks for them. INFO tells which Redis it is: another run_id than
 * last time means that it may have lost everything. */
#ifndef FRESHET_SINK_REDIS_HANDSHAKE_H
#define FRESHET_SINK_REDIS_HANDSHAKE_H

#include "plan/plan.h"

void redis_handshake_append(const struct plan_redis *redis, struct buf *out);

/* The command whose reply is the `step`th, or NULL behind the last. */
const char *redis_handshake_step(const struct plan_redis *redis, unsigned step);

#endif
