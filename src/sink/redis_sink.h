/* redis_sink - the online store: keeps Redis showing the newest row of each key and view.
 *
 *   row ─▶ image of its key ─▶ link (by the key's hash) ─▶ batches of HSET, HDEL, EXPIRE ─▶ Redis
 *          (newest wins)       (queue, flight, retries)
 *
 * One per shard, called by its thread alone. The sink has no I/O and no clock of its own: it
 * reaches Redis through a redis_io (redis_uring.h is the real one) and gets the time with each
 * call, so a simulation can drive it. `now_ns` is monotonic, `now_ms` the wall clock's.
 *
 * What it holds to:
 *   - window_end of a key and view never goes back, as sent;
 *   - commands of a key go down one connection in order, values are absolute, so a write that may
 *     have been lost is made again, whole and with the newest values;
 *   - nothing is dropped but what a newer row replaces, and keys that Redis refuses for good
 *     (WRONGTYPE), which wait for their next row;
 *   - memory: an image per key of the core, a place in the queue per key that waits, and from one
 *     save to the next the keys that were saved; beyond dirty_keys_max redis_sink_full asks the
 *     shard to pause. */
#ifndef FRESHET_SINK_REDIS_SINK_H
#define FRESHET_SINK_REDIS_SINK_H

#include "freshet/row.h"
#include "sink/redis_link.h"

#define REDIS_DIRTY_KEYS_MAX     200000
#define REDIS_DETACHED_BYTES_MAX (64u << 20)

struct redis_sink;

struct redis_sink_options {
    const struct plan *plan; /* its `redis` is present */
    struct arena *arena;
    struct redis_io io;
    uint64_t seed;             /* of the back-off's jitter */
    size_t dirty_keys_max;     /* 0: REDIS_DIRTY_KEYS_MAX */
    size_t detached_bytes_max; /* of dropped keys that wait; 0: REDIS_DETACHED_BYTES_MAX */
    /* Told of each error, in words for a person; how often that is logged is the caller's matter.
     */
    void (*report)(void *context, const char *text);
    void *report_context;
};

struct redis_sink *redis_sink_create(const struct redis_sink_options *options);

/* Every slot is void from then on. Closes nothing; what is unsent is dropped. */
void redis_sink_free(struct redis_sink *sink);

/* The time of the shard's turn: what rows are stamped with (computed_at) until the next. */
void redis_sink_clock(struct redis_sink *sink, int64_t now_ns, int64_t now_ms);

/* Takes an emitted row with `online` set, of a key of that partition (PLAN_NONE: shuffled). `*slot`
 * is the sink's place in the record of the row's key and source, NULL at first. Never fails, never
 * waits. */
void redis_sink_row(struct redis_sink *sink, const struct row *row, int32_t partition, void **slot);

/* The core drops the key. What Redis has not acknowledged is written all the same. */
void redis_sink_release(struct redis_sink *sink, void **slot);

/* Likewise, unless the group of keys that it is of is forgotten before. */
void redis_sink_release_of(struct redis_sink *sink, void **slot, uint32_t group);

/* Of the keys of that group, all of them released, nothing more is written that the kernel has not
 * taken: rows of a replay that does not go on are older than what Redis shows, and so may be those
 * of a process that was frozen. */
void redis_sink_forget(struct redis_sink *sink, uint32_t group);

/* Begins to save, for a checkpoint whose mark is now, what Redis has not acknowledged of the rows
 * taken so far. A save that was not finished is given up. */
void redis_sink_save_begin(struct redis_sink *sink);

/* Goes on with it: appends entries (redis_save.h) of about `budget` keys to out_of_source[source].
 * True if more is to be done.
 *
 * At the end, each row that was taken before the beginning is acknowledged, or in an entry, or was
 * followed by a newer one of its key and view for which that holds. Not so rows of keys that Redis
 * refuses for good. An entry may show rows taken since the beginning.
 *
 * Entries of earlier saves and of those that were loaded are deleted: it is for the caller that
 * what is handed out here reaches the store, or that the next save's entries go into an empty one.
 */
bool redis_sink_save(struct redis_sink *sink, struct buf *const out_of_source[], uint32_t budget);

/* Takes an entry of a checkpoint, when the key's state, if there is one, has been loaded. `slot`:
 * as for a row; NULL: the core has no such key, and `group` is as for redis_sink_release_of.
 * Returns 0, or -EBADMSG with nothing taken. It is written like a row; of views that it shows, only
 * rows that are as new or newer are taken from then on. */
MUST_USE int redis_sink_load(struct redis_sink *sink, uint32_t source, struct slice key,
                             struct slice value, void **slot, uint32_t group);

/* Does what is due; to be called when rows were handed over and at redis_sink_deadline. */
void redis_sink_turn(struct redis_sink *sink, int64_t now_ns, int64_t now_ms);

/* When the next turn is due (monotonic), events of the connections aside; REDIS_NOT_DUE: never. */
int64_t redis_sink_deadline(const struct redis_sink *sink);

/* While held, rows coalesce unsent. What was handed to the connections before goes its way, unless
 * they keep it: a loop's gate does (uring/loop.h). */
void redis_sink_hold(struct redis_sink *sink, bool hold);

/* While flushing, nothing lingers. */
void redis_sink_flush(struct redis_sink *sink, bool flush);

/* So much waits that the shard must take no more events. Never while held: it is the events to come
 * that end a hold, and each key waits but once. */
bool redis_sink_full(const struct redis_sink *sink);

/* Redis has acknowledged everything; nothing is to be written again after it lost data. */
bool redis_sink_idle(const struct redis_sink *sink);

const struct redis_sink_stats *redis_sink_stats(const struct redis_sink *sink);

/* Events of connection `number`, from the I/O. `error`: 0 when Redis closed it, else -errno. */
void redis_sink_connected(struct redis_sink *sink, unsigned number, int64_t now_ns);
void redis_sink_received(struct redis_sink *sink, unsigned number, struct slice bytes,
                         int64_t now_ns, int64_t now_ms);
void redis_sink_lost(struct redis_sink *sink, unsigned number, int error, int64_t now_ns);

#endif
