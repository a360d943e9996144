/* resolve - looks a host's name up without stopping the loop. Private to this layer.
 *
 * The C library can only wait for a name, for seconds when no server answers. So a thread is made
 * for each look-up, which is rare: connections last. Both sides hold the resolve; the last to let
 * go frees it, so the owner may lose interest at any time. */
#ifndef FRESHET_URING_RESOLVE_H
#define FRESHET_URING_RESOLVE_H

#include <netdb.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/check.h"

struct resolve;

/* Begins to look `host` up. `wake_fd` is an eventfd that gets 1 when the answer is there; it is
 * duplicated. Returns 0 or -errno. */
MUST_USE int resolve_begin(const char *host, uint16_t port, int wake_fd, struct resolve **ret);

bool resolve_is_done(struct resolve *resolve);

/* When done: 0 and the addresses, which the caller frees with freeaddrinfo; or -EHOSTUNREACH. Lets
 * go of the resolve. */
MUST_USE int resolve_take(struct resolve *resolve, struct addrinfo **ret);

/* Loses interest. `resolve` may be NULL. */
void resolve_drop(struct resolve *resolve);

/* The addresses of a host that is an address itself, found at once; -EINVAL if it is a name. */
MUST_USE int resolve_address(const char *host, uint16_t port, struct addrinfo **ret);

#endif
