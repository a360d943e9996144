/* server - /metrics, /health, /ready, /status, /histograms and /savepoint over HTTP, on the control
 * thread's loop. */
#ifndef FRESHET_ADMIN_SERVER_H
#define FRESHET_ADMIN_SERVER_H

#include "engine/engine.h"

struct admin_server;

/* Listens on plan->admin. Returns 0, or a negative errno: the address is taken or not ours. */
MUST_USE int admin_server_start(const struct plan *plan, struct engine *engine,
                                struct admin_server **ret, struct err *err);

/* Before the engine. `server` may be NULL. */
void admin_server_stop(struct admin_server *server);

/* The port that it listens on. */
uint16_t admin_server_port(const struct admin_server *server);

/* Lets connections time out; about every second. */
void admin_server_tick(struct admin_server *server);

#endif
