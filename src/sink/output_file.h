/* output_file - the file that rows are appended to, when what is in it has to be known exactly.
 *
 *   ┌──────────── length ───────────┬─ half of an append that failed ─┐
 *   │ rows of committed checkpoints │ cut off before the next attempt │
 *   └───────────────────────────────┴─────────────────────────────────┘
 *
 * `length` covers what is there for good and synced. An append puts the beginning of another file
 * behind it, in steps, and moves `length` when all of it is there. What is no regular file (a pipe,
 * /dev/null) can be appended to, but has no length and nothing can be cut off. Owned by one thread.
 */
#ifndef FRESHET_SINK_OUTPUT_FILE_H
#define FRESHET_SINK_OUTPUT_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "freshet/slice.h"

struct output_file {
    int fd;
    int flags; /* of open(2) */
    char *path;
    bool is_regular;
    uint64_t length;
    uint64_t appended; /* of the append under way */
};

/* Opens the file, or makes it: with `flags` O_APPEND for output_file_write, with 0 for the others.
 * Returns 0 or a negative errno. */
MUST_USE int output_file_open(struct output_file *file, const char *path, int flags,
                              struct err *err);

/* Syncs as well. */
int output_file_close(struct output_file *file);

/* Writes as much as goes to the end; *ret_done says how much. */
MUST_USE int output_file_write(struct output_file *file, struct slice bytes, size_t *ret_done,
                               struct err *err);

/* If another program has moved the file away (rotation): opens, or makes, the one that has its
 * name now. Between appends only. */
MUST_USE int output_file_follow(struct output_file *file, struct err *err);

/* Copies the first `bytes` bytes of the file `from` (a path, for messages) behind `length`, then
 * syncs: 0 when that is done. -EAGAIN: a part of it is, call again for the next. Another negative
 * errno: call again to begin anew. */
MUST_USE int output_file_append(struct output_file *file, int from_fd, const char *from,
                                uint64_t bytes, struct err *err);

MUST_USE int output_file_sync(struct output_file *file, struct err *err);

/* Cuts the file off at `length`, which it has at least. Does not sync. */
MUST_USE int output_file_cut(struct output_file *file, uint64_t length, struct err *err);

/* Like output_file_append to its end, but in one step that a crash can't divide: a file with the
 * bytes of both takes the place of this one. */
MUST_USE int output_file_replace(struct output_file *file, int from_fd, const char *from,
                                 uint64_t bytes, struct err *err);

/* True if the file ends with the first `bytes` bytes, more than none, of `from_fd`. */
bool output_file_ends_with(const struct output_file *file, int from_fd, uint64_t bytes);

#endif
