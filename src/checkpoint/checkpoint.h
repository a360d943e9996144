/* checkpoint - one that stands in state.dir, to be read.
 *
 * Opening reads the manifest; the state itself is opened when first read. While it is open no
 * process removes it (a shared flock on its manifest). Any thread; several may read at once.
 * Every error's text names the checkpoint, and the file that is wrong. */
#ifndef FRESHET_CHECKPOINT_CHECKPOINT_H
#define FRESHET_CHECKPOINT_CHECKPOINT_H

#include "checkpoint/manifest.h"
#include "checkpoint/state_dir.h"

struct checkpoint;

/* By its id, or by a savepoint's name. -ENOENT: there is none; -EBADMSG: its manifest is damaged;
 * -ENOTSUP: of another version of freshet. */
MUST_USE int checkpoint_open(const struct state_dir *dir, const char *id, struct checkpoint **ret,
                             struct err *err);

/* By the path of its folder. */
MUST_USE int checkpoint_open_path(const char *path, struct checkpoint **ret, struct err *err);

/* NULL is fine. No thread reads any more. */
void checkpoint_close(struct checkpoint *checkpoint);

/* The same, but the manifest goes to the caller. */
void checkpoint_close_to(struct checkpoint *checkpoint, struct manifest *ret);

const struct manifest *checkpoint_manifest(const struct checkpoint *checkpoint);
const char *checkpoint_path(const struct checkpoint *checkpoint);

/* The file with the pending rows, or NULL if it has none. */
const char *checkpoint_rows(const struct checkpoint *checkpoint);

/* Reads every file in full and compares it with what the manifest says: -EBADMSG. */
MUST_USE int checkpoint_verify(struct checkpoint *checkpoint, struct err *err);

/* Only that every file is there and as long as the manifest says: -EBADMSG. */
MUST_USE int checkpoint_verify_sizes(struct checkpoint *checkpoint, struct err *err);

/* What takes an entry; both slices live for the call. Other than 0 ends the reading with it. */
typedef int checkpoint_on_entry(void *context, struct slice key, struct slice value);

/* The entries of one group in the order of their keys, images ('r') behind all others. -EBADMSG if
 * blocks are damaged. */
MUST_USE int checkpoint_read(struct checkpoint *checkpoint, uint64_t source_hash, uint32_t group,
                             checkpoint_on_entry *on_entry, void *context, struct err *err);

/* Of all groups of a source: images behind all others here too. */
MUST_USE int checkpoint_read_all(struct checkpoint *checkpoint, uint64_t source_hash,
                                 checkpoint_on_entry *on_entry, void *context, struct err *err);

/* Whether it was in force, and its pending rows have been appended to the output file if there is
 * one, as checkpoint_mark_published
 * said. On disk when that returns 0. */
bool checkpoint_published(const struct checkpoint *checkpoint);
MUST_USE int checkpoint_mark_published(struct checkpoint *checkpoint, struct err *err);

#endif
