/* state_dir - the folder that processes share: what is in it, who may remove what.
 *
 *   state.dir/
 *     lock                       held for a moment by whoever comes: folders are made and claimed
 *     work/<process>/lock        held by flock as long as the process lives
 *     work/<process>/db          its work store, private
 *     checkpoints/<id>/          immutable: manifest, db/, rows, published
 *     checkpoints/<id>.<process>.tmp   half made, or half removed, by that process
 *     savepoints/<name>/         the same as a checkpoint; checkpoints/<id> is a link to it
 *
 * A process' name is its pid and 64 random bits, so it is nobody else's, on no host. What bears the
 * name of a process whose lock is held is that process' own; with the lock free the process is
 * gone, and the next one that starts removes it. Nothing else is ever removed on sight. */
#ifndef FRESHET_CHECKPOINT_STATE_DIR_H
#define FRESHET_CHECKPOINT_STATE_DIR_H

#include "base/buf.h"
#include "base/err.h"

#define SAVEPOINT_NAME_MAX 64

struct state_dir;

/* For an engine: makes what is missing, removes what dead processes left, and makes a work folder
 * of its own. The text of an error names the path and says what to do about it. */
MUST_USE int state_dir_open(const char *path, struct state_dir **ret, struct err *err);

/* For commands that read: makes and removes nothing. -ENOENT if there is no such folder. */
MUST_USE int state_dir_open_to_read(const char *path, struct state_dir **ret, struct err *err);

/* Removes the work folder. NULL is fine. */
void state_dir_close(struct state_dir *dir);

const char *state_dir_path(const struct state_dir *dir);

/* "1234-0123456789abcdef"; NULL if it was opened to read. */
const char *state_dir_process(const struct state_dir *dir);

/* The folder work/<process>: on one file system with the checkpoints, if nobody has mounted
 * another there; for whatever the process wants to put next to its work store. */
const char *state_dir_work(const struct state_dir *dir);

/* [A-Za-z0-9._-]{1,64} without a dot in front; no id, and not the name of something half made. */
bool savepoint_name_is_valid(const char *name);

#endif
