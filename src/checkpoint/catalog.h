/* catalog - all checkpoints of a state.dir; which one to fall back to; which ones may go. */
#ifndef FRESHET_CHECKPOINT_CATALOG_H
#define FRESHET_CHECKPOINT_CATALOG_H

#include "checkpoint/checkpoint.h"
#include "checkpoint/manifest.h"
#include "checkpoint/state_dir.h"

struct catalog_entry {
    char id[CHECKPOINT_ID_SIZE]; /* "" if it is a savepoint with a damaged manifest */
    char *name;                  /* of the savepoint, or NULL */
    char *path;
    bool is_published;
    int error;                /* 0: `manifest` is there; else a negative errno and */
    char *error_text;         /* why not */
    struct manifest manifest; /* its files have not been looked at */
};

struct catalog {
    struct catalog_entry *entries; /* newest first; those without an id last */
    size_t count;
};

/* Whose checkpoints: what a process shares with the one before it, and with no other. */
struct catalog_owner {
    const char *pipeline;
    const char *group;
    const char *instance;
};

MUST_USE int catalog_list(const struct state_dir *dir, struct catalog *ret, struct err *err);
void catalog_free(struct catalog *catalog);

/* Opens the newest checkpoint of the owner that is older than `before`, was in force (published)
 * and verifies in full. One that was never committed may have gone further than those that were,
 * and the output then be of a later run; and nobody has waited for its dead letters. -ENOENT if
 * there is none; the text says what was wrong with those that there are. */
MUST_USE int catalog_fallback(const struct state_dir *dir, const struct catalog_owner *owner,
                              const char *before, struct checkpoint **ret, struct err *err);

/* Removes the owner's checkpoints but the `retain` newest and those in `keep`: the ids that
 * committed offsets name. Never savepoints, nor what somebody has open, nor what can't be read. To
 * be called after a commit: a process that can't commit any more has no right to remove. */
MUST_USE int catalog_retain(struct state_dir *dir, const struct catalog_owner *owner,
                            uint32_t retain, const char *const *keep, size_t keep_count,
                            size_t *ret_removed, struct err *err);

#endif
