/* ids - the event ids that a keyspace has accepted, to drop what producers send again.
 *
 *   event time   │  table  │  table  │  table  │  each at least `within` long: an event's
 *   duplicates └─────────┴─────────┴─────────┘    lie in its own table or in one beside it
 *
 *   table   slots [tag|number] … ──▶ ids, in the order in which they were accepted
 *                                    [ in chunks of checkpoints │ pending │ since the mark ]
 *
 * An id counts together with its key, by a 128-bit hash; under shuffle, 8 of its bits are the key
 * group. A table goes as a whole when no event that is not late can be within reach of it.
 *
 * A capture takes down the ids that were accepted between two marks, in chunks: entries of the kind
 * ENTRY_IDS, one for each table and key group that has any.
 *
 *   rest of the entry's key   table's index: u64be | number: u64be, of the checkpoint; or, if the
 *                             chunks of another process have greater ones, the next behind those
 *   value                     each id: hash: two words | time since the table's beginning: uint
 *
 * A table that goes leaves entries that delete its chunks. Owned by one shard. */
#ifndef FRESHET_STATE_IDS_H
#define FRESHET_STATE_IDS_H

#include "base/arena.h"
#include "base/buf.h"
#include "freshet/event.h"
#include "plan/plan.h"

struct ids;

/* `partition`: that of an aligned keyspace; PLAN_NONE: shuffled. `lag_max_ms`: how far behind the
 * watermark an event may be that is not late. */
struct ids *ids_create(const struct plan_source *source, int32_t partition, int64_t lag_max_ms,
                       struct arena *arena);
void ids_free(struct ids *ids);

/* How much time a table holds. */
int64_t ids_width_ms(const struct plan_source *source, int64_t lag_max_ms);

/* True if the event is a duplicate; otherwise it is remembered, if it has the field. */
bool ids_take(struct ids *ids, const struct event *event, int64_t closing_ms);

/* Forgets what no event after `release_ms` can be a duplicate of. What was to be captured of it
 * goes to `captured` first, entries that delete its chunks to `deleted`. */
void ids_release(struct ids *ids, int64_t release_ms, struct buf *captured, struct buf *deleted);

uint64_t ids_bytes(const struct ids *ids);

/* Begins a capture of the ids accepted since the last mark; `all`: of all, for a store that holds
 * none. */
void ids_mark(struct ids *ids, uint64_t number, bool all);

/* Goes on with it, for some `budget` ids. True if more is to be done. */
bool ids_capture(struct ids *ids, uint32_t budget, struct buf *captured);

/* Ends it half way: what is left is for the next one. What was begun goes to `captured`. */
void ids_capture_abort(struct ids *ids, struct buf *captured);

/* Takes over a chunk of tables that hold `width_ms`. `is_changed`: the next capture writes its ids
 * again. Returns 0, or -EBADMSG with nothing taken. */
MUST_USE int ids_load(struct ids *ids, uint32_t group, struct slice rest, struct slice value,
                      int64_t width_ms, bool is_changed);

#endif
