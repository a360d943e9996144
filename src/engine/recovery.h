/* recovery - where reading of a partition goes on, and with which state.
 *
 *   committed offset ─▶ names a checkpoint ─▶ its position must be that offset ─▶ state, outputs
 *        │ none                │ not there: an error
 *        ▼                     │ corrupt: the newest earlier one that verifies in full
 *   the source's `start:`      ▼
 *
 * Whatever does not fit (an offset set by hand, records that are gone, a topic that was made anew,
 * a partition that was added to an aligned topic) is an error that says what was found and which
 * flag goes on how; nothing is reset silently. */
#ifndef FRESHET_ENGINE_RECOVERY_H
#define FRESHET_ENGINE_RECOVERY_H

#include "checkpoint/checkpoint.h"
#include "checkpoint/state_dir.h"
#include "engine/engine.h"

/* A checkpoint that is restored from. */
struct named {
    char id[SAVEPOINT_NAME_MAX + 1]; /* as committed; or as a person named it */
    struct checkpoint *checkpoint;   /* that one, or, it being corrupt, an earlier one */
    bool is_earlier;
    struct restore restore;
};

/* One partition's. */
struct origin {
    int64_t position;     /* the first record that is applied */
    int64_t fetch_offset; /* the first that is fetched: one earlier, to compare it */
    int64_t mute_offset;  /* rows from before it are in the feature topic already */
    const struct manifest_partition *from; /* or NULL: begins empty */
    const struct restore *restore;
};

struct recovery {
    struct engine *engine;
    struct origin *origins; /* by assignment */
    struct named *names;    /* the checkpoints that are restored from */
    size_t name_count;
};

/* Looks at what the group has committed and opens the checkpoints that it names. Returns 0 or a
 * negative errno with a text for a person; recovery_done is due in either case. */
MUST_USE int recovery_resolve(struct recovery *recovery, struct engine *engine,
                              const struct assignment *list, size_t count, struct err *err);

/* The work store and the outputs as they were at the checkpoint, if this is the first assignment;
 * before the shards load. */
MUST_USE int recovery_begin(struct recovery *recovery, size_t count, struct err *err);

/* The checkpoints that state comes from, for the log. */
const char *recovery_name(const struct recovery *recovery);

/* When the shards have loaded. */
void recovery_done(struct recovery *recovery);

#endif
