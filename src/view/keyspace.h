/* keyspace - all keys that share one event-time clock, and the views computed over them: the core.
 *
 *   aligned   one keyspace per partition         shuffle   one per source and shard
 *
 *             events, in order of arrival                       rows, by callback
 *   ─────────────────────────────────────▶  ┌──────────┐  ─────────────────────────▶
 *             watermark, clock               │ keyspace │
 *   ─────────────────────────────────────▶  └──────────┘
 *                                            key table: per key the panes of each paneset,
 *                                            per view how far its windows have fired
 *
 * Results are those of DESIGN sections 5 to 7, as if every window that is due fired before the next
 * event of its partition. Firing is lazy: a key's windows fire when the key's next event comes or
 * when keyspace_fire gets to it, whichever is first; either way with the same rows.
 *
 * Three times drive it, none of which ever goes back:
 *   watermark  no earlier event is to be expected (of the partition, or the least over a source's)
 *   clock      what windows fire by: the watermark, or ahead of it while partitions are idle
 *   release    what state is freed by: the watermark, or, where the clock is far ahead of it, what
 *              lies more than state.ttl (or the longest window and its lateness) behind the clock
 *
 * The state can be taken down as of one instant while all this goes on, and loaded again.
 *
 * Owned by one shard. No clock, no I/O, no thread, no global. */
#ifndef FRESHET_VIEW_KEYSPACE_H
#define FRESHET_VIEW_KEYSPACE_H

#include "aggregate/intern.h"
#include "freshet/row.h"
#include "metrics/counter.h"
#include "plan/plan.h"
#include "state/key_table.h"

struct keyspace;
struct schema_map;

/* Takes one emitted row; *slot is the key's place for the online sink. False asks the keyspace to
 * stop as soon as it can, since the sinks are full: the row itself is taken. */
struct keyspace_output {
    bool (*row)(void *context, const struct row *row, void **slot);
    bool is_unread; /* nobody reads the rows' lists and maps: they are left empty */
    void (*release)(void *context, void **slot); /* the key's state goes; *slot is not NULL */
    /* An event with a record turned out to be late for every view (`by_watermark`), or older than
     * the state that is kept. False: not taken; the event is to be given again. */
    bool (*late)(void *context, uint32_t source, const struct event *event, bool by_watermark);
    struct counter *duplicates; /* of the source: events that `dedup:` dropped */
    /* Reads what the store has: calls `take` for each key (as in state/entries.h), in any order,
     * with its value; SLICE_NONE: there is none. False if the store can't be read, or once `take`
     * returns false. NULL: no key is evicted. */
    bool (*fetch)(void *context, const struct slice *keys, uint32_t count,
                  bool (*take)(void *loading, uint32_t number, struct slice value), void *loading);
    struct counter *evicted; /* keys; NULL without fetch */
    struct counter *loaded;  /* likewise */
    void *context;
};

/* Written by the owner, read by any thread. */
struct view_stats {
    struct counter events;   /* that passed the view's filter and entered a window */
    struct counter late;     /* all windows closed */
    struct counter released; /* older than the state that is kept */
    struct counter rows;
    struct counter empty_rows;
    struct counter saturated;   /* sums that stand at the end of int64 */
    struct gauge newest_end_ms; /* the latest window_end of its rows; 0: none */
};

/* `partition`: that of an aligned keyspace; PLAN_NONE: shuffled. `stats`: one per view of the
 * source, in the source's order. */
struct keyspace *keyspace_create(const struct plan *plan, uint32_t source, int32_t partition,
                                 struct arena *arena, struct intern *intern,
                                 struct view_stats *const *stats, struct keyspace_output output);

/* Drops all state. */
void keyspace_free(struct keyspace *keyspace);

/* Applies events in order and returns how many: fewer than `count` only if the output asked to
 * stop, the rest is to be given again. Events that are late for every view are not given. In an
 * aligned keyspace each event's watermark_ms is taken as the keyspace's own at that moment. */
uint32_t keyspace_apply(struct keyspace *keyspace, const struct event *const *events,
                        uint32_t count);

/* Moves the times forward; smaller values than before are ignored. */
void keyspace_advance(struct keyspace *keyspace, int64_t watermark_ms, int64_t clock_ms);

/* While it is held, nothing is released by the watermark: it leaves out a partition that has never
 * held an event, whose first ones may be older. When those come, the watermark that is told goes
 * back; no time does, but nothing is released until it is there again. */
void keyspace_hold(struct keyspace *keyspace, bool is_held);

/* Fires and frees what is due, for at most `budget` keys. True if more is due. */
bool keyspace_fire(struct keyspace *keyspace, uint32_t budget);

/* End of a bounded run, after keyspace_fire has nothing left: the windows that hold an event and
 * have not fired, for at most `budget` keys. True if more is to be done. State that is captured
 * after it can be gone on with: no such window is emitted a second time unless an event enters it
 * after all; when the clock gets there, the online store alone is shown it (row.online_only). */
bool keyspace_finish(struct keyspace *keyspace, uint32_t budget);

int64_t keyspace_watermark_ms(const struct keyspace *keyspace);
int64_t keyspace_release_ms(const struct keyspace *keyspace);
/* The place for the online sink in the key's record; NULL: there is no such key. */
void **keyspace_slot(struct keyspace *keyspace, struct slice key);

/* All of them, cold ones too. */
uint64_t keyspace_keys(const struct keyspace *keyspace);

/* Bytes of state: key records, panes and what their cells hold. */
uint64_t keyspace_bytes(const struct keyspace *keyspace);

/* Of one view's panes; what views share is counted for each of them. */
uint64_t keyspace_view_bytes(const struct keyspace *keyspace, uint32_t view_of_source);

/* ---- checkpoints: capture.c
 *
 *   keyspace_mark ─▶ keyspace_capture … ─▶ false        events, clocks and firing in between
 *                      └▶ keyspace_captured: state/entries.h
 *
 * What is captured is the state at the mark, whatever happens until its turn comes. */

/* Begins a capture: of what changed since the last mark; `all`: of all there is in memory, for a
 * store that holds nothing of this keyspace, or of its cold keys alone. `number`, of the
 * checkpoint, grows from mark to mark and is used once. The capture before must have ended. */
void keyspace_mark(struct keyspace *keyspace, uint64_t number, bool all);

/* Goes on with it, for at most `budget` keys. True if more is to be done. */
bool keyspace_capture(struct keyspace *keyspace, uint32_t budget);

/* What was captured so far, as entries in the order in which they count; the caller takes it away
 * and leaves it empty. */
struct buf *keyspace_captured(struct keyspace *keyspace);

/* Ends a capture half way: what it has not written counts as changed. What it has yielded is to
 * reach the store all the same; or else the next mark has to be for all. */
void keyspace_capture_abort(struct keyspace *keyspace);

struct keyspace_times {
    int64_t watermark_ms;
    int64_t clock_ms;
    int64_t release_ms;
};

void keyspace_times(const struct keyspace *keyspace, struct keyspace_times *ret);

/* Before anything is loaded; of several, the latest count. */
void keyspace_times_restore(struct keyspace *keyspace, const struct keyspace_times *times);

/* Takes over one entry of a checkpoint; `map` says how its state is laid out. `is_changed`: the
 * next capture writes it again, as it has to if the map is not that of one and the same layout.
 * What the plan has no use for is passed over. Returns 0; or -EBADMSG with nothing taken if the
 * bytes are no such state, or are there already. */
MUST_USE int keyspace_load(struct keyspace *keyspace, const struct schema_map *map,
                           struct slice key, struct slice value, bool is_changed);

/* ---- state larger than memory: cold.c
 *
 * The state of a cold key is in the store alone: what captures have yielded last, or a checkpoint
 * has brought. Nothing that the keyspace does shows whether a key is cold. */

/* Looks at the next `budget` keys, and evicts those that had no event for a while. All that was
 * captured so far has to be in the store, but for what this has written and nobody has taken away.
 * `may_write`, if what is written now may be in the store
 * before the next mark: those that have changed are captured, and go in a later call. True if it
 * has gone round all keys since it last said so, or waits for the store. */
bool keyspace_evict(struct keyspace *keyspace, uint32_t budget, bool may_write);

uint64_t keyspace_cold_keys(const struct keyspace *keyspace);

/* A fetch has failed, or the store gave what is no state of the key. Nothing is lost, and nothing
 * goes on: events are not applied, what is due does not fire. */
bool keyspace_has_failed(const struct keyspace *keyspace);

#endif
