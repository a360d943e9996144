/* file_sink - rows as lines of JSON, from all shards into one file.
 *
 *   shard     lane: block being filled ─▶ full ring ─┐
 *   shard     lane: block being filled ─▶ full ring ─┼─▶ file_writer (control thread) ─▶ write(2)
 *                        ▲                            │
 *                        └────────── empty ring ◀─────┘
 *
 * A lane has a fixed number of blocks. When the writer has all of them, the lane is full and the
 * shard stops consuming: back-pressure, no unbounded queue. The block at hand still takes the rows
 * that are under way. Lines are never split over blocks. */
#ifndef FRESHET_SINK_FILE_SINK_H
#define FRESHET_SINK_FILE_SINK_H

#include "base/err.h"
#include "base/spsc.h"
#include "sink/row_json.h"

struct file_lane {
    const struct row_json *formats; /* by view number */
    struct buf *block;              /* being filled, or NULL: the writer has them all */
    struct buf overflow;            /* rows that came while there was none */
    struct spsc full;               /* to the writer */
    struct spsc empty;              /* and back */
    int64_t oldest_ns;              /* when the first row of the block came */
    void (*wake)(void *context);    /* wakes the writer's thread */
    void *wake_context;
    struct buf *blocks;
};

struct file_writer {
    int fd;
    struct row_json *formats;
    uint32_t view_count;
    struct file_lane *lanes;
    uint32_t lane_count;
    _Atomic uint64_t bytes; /* written */
};

/* Opens the file for appending, one lane a shard. Returns 0 or a negative errno. */
MUST_USE int file_writer_open(struct file_writer *writer, const struct plan *plan,
                              uint32_t lane_count, void (*wake)(void *context), void *wake_context,
                              struct err *err);

/* Writes what the lanes have handed over. Returns 0, or a negative errno: the output is broken. */
MUST_USE int file_writer_run(struct file_writer *writer);

/* True when everything handed over has been written. */
bool file_writer_idle(struct file_writer *writer);

/* Syncs and closes; -errno if what was written may not be on the disk. */
MUST_USE int file_writer_close(struct file_writer *writer);

/* The shard's side. False when the lane is full; the row was taken all the same. */
bool file_lane_row(struct file_lane *lane, const struct row *row, int64_t now_ns);

/* Hands over the block at hand if it is old enough, or if `all`. */
void file_lane_turn(struct file_lane *lane, int64_t now_ns, bool all);

/* When file_lane_turn has something to do next, or INT64_MAX. */
int64_t file_lane_deadline_ns(const struct file_lane *lane);

bool file_lane_full(struct file_lane *lane);

/* True when no row waits to be handed over. */
bool file_lane_idle(const struct file_lane *lane);

#endif
