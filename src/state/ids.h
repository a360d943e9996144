/* ids - the event ids that a keyspace has accepted, to drop what producers send again.
 *
 *   event time   │  table  │  table  │  table  │  each at least `within` long: an event's
 * duplicates └─────────┴─────────┴─────────┘  lie in its own table or in one beside it
 *
 * An id counts together with its key, by a 128-bit hash. A table goes as a whole when no event that
 * is not late can be within reach of it. Owned by one shard. */
#ifndef FRESHET_STATE_IDS_H
#define FRESHET_STATE_IDS_H

#include "base/arena.h"
#include "freshet/event.h"
#include "plan/plan.h"

struct ids;

/* `lag_max_ms`: how far behind the watermark an event may be that is not late. */
struct ids *ids_create(const struct plan_source *source, int64_t lag_max_ms, struct arena *arena);

/* How much time a table of ids holds. */
int64_t ids_width_ms(const struct plan_source *source, int64_t lag_max_ms);

void ids_free(struct ids *ids);

/* True if the event is a duplicate; otherwise it is remembered, if it has the field. */
bool ids_take(struct ids *ids, const struct event *event, int64_t closing_ms);

/* Forgets what no event after `release_ms` can be a duplicate of. */
void ids_release(struct ids *ids, int64_t release_ms);

uint64_t ids_bytes(const struct ids *ids);

#endif
