/* file_sink - rows as lines of JSON, from all shards into one file.
 *
 *   shard     lane: block being filled ─▶ full ring ─┐
 *   shard     lane: block being filled ─▶ full ring ─┼─▶ file_writer (control thread)
 *                        ▲                            │     │
 *                        └────────── empty ring ◀─────┘     │
 *                                                           ▼
 *             with checkpoints: rows.1 rows.2 … one spool an epoch ──publish──▶ the output
 *             without: written at once ────────────────────────────────────────────▲
 *
 * A lane has a fixed number of blocks. When the writer has all of them, the lane is full and the
 * shard stops consuming: back-pressure, no unbounded queue. The block at hand still takes the rows
 * that are under way. Lines are never split over blocks.
 *
 * With a folder for spools the output file holds the rows of committed checkpoints and nothing
 * else. An epoch is what lies between two marks: rows before the first mark of a lane are those of
 * epoch 1, which is the first checkpoint's. Checkpoint n:
 *
 *   1. every shard calls file_lane_mark; its rows from then on are of the next epoch
 *   2. file_writer_seal: rows of epoch n are in a file of their own, on the disk. Its path, length
 *      and hash go into the checkpoint, and with them file_writer_length(), the output's length
 *      before them
 *   3. the checkpoint is committed
 *   4. file_writer_publish: the rows are in the output, on the disk; the spool is gone
 *
 * A process that ends before 3 leaves nothing behind: its rows are computed again. One that ends
 * between 3 and 4, or in the middle of 4, is followed by one that calls file_writer_recover, which
 * may be cut short as well and done again. An epoch whose checkpoint failed before 3, or that could
 * not be published, goes with the next one that is sealed. */
#ifndef FRESHET_SINK_FILE_SINK_H
#define FRESHET_SINK_FILE_SINK_H

#include "base/err.h"
#include "base/spsc.h"
#include "sink/output_file.h"
#include "sink/row_json.h"

#define FILE_EPOCH_FIRST 1

struct spool;

struct file_block {
    struct buf lines;
    uint64_t epoch;
};

struct file_lane {
    const struct row_json *formats; /* by view number */
    struct file_block *block;       /* being filled, or NULL: the writer has them all */
    struct buf overflow;            /* rows that came while there was none */
    struct spsc full;               /* to the writer */
    struct spsc empty;              /* and back */
    _Atomic uint64_t epoch;         /* of the rows that come now; the shard writes it */
    bool is_muted;
    int64_t oldest_ns;           /* when the first row of the block came */
    void (*wake)(void *context); /* wakes the writer's thread */
    void *wake_context;
    struct file_block *blocks;
    struct file_block *writing; /* the writer's: a block that could not be written to its end */
    size_t written;             /* bytes of it that were */
};

struct file_writer {
    struct output_file output;
    struct row_json *formats;
    uint32_t view_count;
    struct file_lane *lanes;
    uint32_t lane_count;
    char *spool_folder;   /* or NULL: what comes is written to the output at once */
    struct spool *spools; /* of what is not published, by epoch */
    uint32_t spool_count;
    _Atomic uint64_t bytes;         /* written to the output */
    _Atomic uint64_t pending_bytes; /* in spools */
};

/* Opens the file for appending, one lane a shard. `spool_folder`: belongs to this process alone; or
 * NULL: no checkpoints. Returns 0 or a negative errno. */
MUST_USE int file_writer_open(struct file_writer *writer, const struct plan *plan,
                              uint32_t lane_count, const char *spool_folder,
                              void (*wake)(void *context), void *wake_context, struct err *err);

/* Before anything is written: brings the output to what it is after the commit of a checkpoint
 * whose rows are the first `rows_bytes` bytes of `rows_path` (NULL if there are none) and which
 * knew the output to be `length_before` bytes long. `is_published`: file_writer_publish, or this,
 * had succeeded for the checkpoint, so the rows are not appended again. An output that is missing
 * or shorter than it was has been moved away by somebody: `ret_warning` says so, else it is empty;
 * rows that are not published go behind what is there. Can be done again after a failure, and after
 * a crash. */
MUST_USE int file_writer_recover(struct file_writer *writer, uint64_t length_before,
                                 const char *rows_path, uint64_t rows_bytes, bool is_published,
                                 struct err *ret_warning, struct err *err);

/* Writes what the lanes had handed over when it was called. Returns 0, or a negative errno; with
 * -ENOSPC nothing is lost, and it goes on where it was when it is called again. */
MUST_USE int file_writer_run(struct file_writer *writer, struct err *err);

/* True when everything handed over has been written. */
bool file_writer_idle(struct file_writer *writer);

/* The rows of an epoch, in a file. */
struct file_rows {
    const char *path; /* until it is published */
    uint64_t bytes;
    uint64_t hash; /* as hash64 of all bytes */
};

/* Writes what is left of the epoch and syncs its file, which never changes from then on; links to
 * it are welcome. Not while file_writer_publish is half way. -EAGAIN: a lane has not been marked;
 * another negative errno as with file_writer_run. */
MUST_USE int file_writer_seal(struct file_writer *writer, uint64_t epoch, struct file_rows *ret,
                              struct err *err);

/* Puts the first `bytes` bytes of a file among the rows of an epoch that is not sealed yet: rows of
 * a process that is gone, and that no other one has published. */
MUST_USE int file_writer_adopt(struct file_writer *writer, uint64_t epoch, const char *path,
                               uint64_t bytes, struct err *err);

/* Appends the rows of the sealed epoch to the output and syncs. Returns 0 when that is done and the
 * spool removed; -EAGAIN: a part of it is, call again; another negative errno: the output's disk is
 * full, or worse; call again to begin anew. */
MUST_USE int file_writer_publish(struct file_writer *writer, uint64_t epoch, struct err *err);

/* The output's length in bytes, as far as its rows are published; 0 if it is no regular file. */
uint64_t file_writer_length(const struct file_writer *writer);

/* Syncs and closes; -errno if what was written may not be on the disk. Spools are removed. */
MUST_USE int file_writer_close(struct file_writer *writer);

/* The shard's side. False when the lane is full; the row was taken all the same. */
bool file_lane_row(struct file_lane *lane, const struct row *row, int64_t now_ns);

/* Rows that come are dropped, as long as it is muted. */
void file_lane_mute(struct file_lane *lane, bool is_muted);

/* The rows so far belong to the epoch that ends here, later ones to the next. False if that can't
 * be done now, because the writer has all blocks and rows wait for one: try again in the next turn,
 * and emit nothing before. */
MUST_USE bool file_lane_mark(struct file_lane *lane);

/* Hands over the block at hand if it is old enough, or if `all`. */
void file_lane_turn(struct file_lane *lane, int64_t now_ns, bool all);

/* When file_lane_turn has something to do next, or INT64_MAX. */
int64_t file_lane_deadline_ns(const struct file_lane *lane);

bool file_lane_full(struct file_lane *lane);

/* True when no row waits to be handed over. */
bool file_lane_idle(const struct file_lane *lane);

#endif
