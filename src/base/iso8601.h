/* iso8601 - a point in time as text, in the extended format of ISO 8601.
 *
 *   2024-02-27T10:00:00.123Z   2024-02-27 10:00:00+05:30   2024-02-27T10:00   2024-02-27
 *
 * Without a zone it is UTC. A fraction of a second is cut to milliseconds. */
#ifndef FRESHET_BASE_ISO8601_H
#define FRESHET_BASE_ISO8601_H

#include <stdint.h>

#include "base/check.h"
#include "freshet/slice.h"

/* Milliseconds since the epoch, negative before it. Returns 0, or -EINVAL for anything else than
 * the formats above, or a date or time of day that does not exist (a leap second among them). */
MUST_USE int iso8601_parse(struct slice text, int64_t *ret_ms);

#endif
