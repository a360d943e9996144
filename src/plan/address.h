/* address - where things are reached: redis://…, unix://…, host:port.
 *
 * An error is a whole phrase and never repeats the address, which may hold a password. */
#ifndef FRESHET_PLAN_ADDRESS_H
#define FRESHET_PLAN_ADDRESS_H

#include "base/err.h"
#include "plan/memory.h"
#include "plan/plan.h"

/* Sets scheme, url_text, host, port, path, user, password and database; strings belong to `memory`.
 * Returns 0 or -EINVAL, with *ret as it was. */
MUST_USE int address_parse_redis(struct slice url, struct plan_memory *memory,
                                 struct plan_redis *ret, struct err *err);

/* host:port, [ipv6]:port; port 0 is allowed. Returns 0 or -EINVAL, with nothing written. */
MUST_USE int address_parse_listen(struct slice text, struct plan_memory *memory,
                                  const char **ret_host, uint16_t *ret_port, struct err *err);

#endif
