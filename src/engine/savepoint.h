/* savepoint - the last one that somebody asked for, from the request until it is in force.
 *
 *   request ─▶ waiting ─▶ (a checkpoint begins, and is it) ─▶ done, failed
 *
 * Whoever asks looks again later: nothing waits here. Belongs to the control thread. */
#ifndef FRESHET_ENGINE_SAVEPOINT_H
#define FRESHET_ENGINE_SAVEPOINT_H

#include "base/err.h"
#include "checkpoint/id.h"
#include "checkpoint/state_dir.h"

struct engine;

enum savepoint_state {
    SAVEPOINT_NONE, /* nobody has asked for one */
    SAVEPOINT_WAITING,
    SAVEPOINT_DONE, /* in force */
    SAVEPOINT_FAILED,
};

struct savepoint {
    enum savepoint_state state;
    char name[SAVEPOINT_NAME_MAX + 1];
    char id[CHECKPOINT_ID_SIZE]; /* DONE */
    struct err err;              /* FAILED: why */
};

/* The next checkpoint begins at once and is kept under this name. -EINVAL: that can't be a name;
 * -EEXIST: it is taken; -EBUSY: another one waits; -EAGAIN: there is nothing to save before
 * partitions are assigned. */
MUST_USE int savepoint_request(struct engine *engine, const char *name, struct err *err);

/* Where the one of that name is, from the root, or would be; to be freed. */
char *savepoint_path(const struct engine *engine, const char *name);

/* The checkpoint that was it has failed; is in force. Of one that failed after it was frozen the
 * folder stays: its offsets may have been committed, though nobody said so. */
void savepoint_failed(struct savepoint *savepoint, const char *why, bool is_frozen);
void savepoint_done(struct savepoint *savepoint, const char *id);

#endif
