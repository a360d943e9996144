/* checkpoints - the coordinator's steps, carried out.
 *
 *   idle ─▶ capturing ─▶ flushing ─▶ committing ─▶ idle
 *              │            │            │
 *              │            │            └ ONE step in Kafka names it: state, offsets and outputs
 *              │            │              become visible together; then rows go to the file
 *              │            └ dead letters and late records before the mark are acknowledged
 *              └ blocks of entries go from the shards to the work store; when the last one is
 * there, the store is frozen into checkpoints/<id>
 *
 * When one begins, what comes next, and what a failure means is decided by
 * checkpoint/coordinator.h, which is shown what the control thread sees; here is what is done to
 * the shards (commands, engine/blocks.h), the store, the outputs, the group and the file
 * (engine/publish.h).
 *
 * Shards that are short of memory write state between two captures, too; it is stored as it comes.
 * Once state is in the store alone, the store can't be emptied any more: what would need that ends
 * the process, and a block for which the disk has no room waits until it has. Belongs to the
 * control thread. */
#ifndef FRESHET_ENGINE_CHECKPOINTS_H
#define FRESHET_ENGINE_CHECKPOINTS_H

#include "base/hdr.h"
#include "checkpoint/coordinator.h"
#include "checkpoint/state_dir.h"
#include "checkpoint/store.h"
#include "engine/blocks.h"
#include "engine/savepoint.h"
#include "metrics/counter.h"
#include "shard/shard.h"

struct engine;

/* Written by the control thread, read by any. */
struct checkpoint_stats {
    struct counter done;
    struct counter failed;
    struct counter entries;   /* written */
    struct counter bytes;     /* of them */
    struct gauge first_ns;    /* monotonic: when the first one began; 0: none yet */
    struct gauge accepted_ns; /* monotonic: when the last one was committed; 0: none yet */
    struct gauge last_bytes;  /* of entries, of the last one */
    struct gauge last_ns;     /* how long the last one took */
    struct gauge failures_in_row;
    struct hdr align_ns;   /* from the command to the mark, per shard */
    struct hdr capture_ns; /* from the command until the last entry is there */
    struct hdr freeze_ns;
    struct hdr commit_ns; /* from the frozen store until the offsets are accepted */
    struct hdr total_ns;
};

struct checkpoints {
    struct state_dir *dir;
    struct store *store; /* NULL before the first assignment */
    struct coordinator coordinator;
    struct mark **marks; /* by shard: that have captured */
    struct blocks blocks;
    uint64_t entries; /* of the frozen one */
    int last_error;   /* of the last one that failed, and */
    struct err last_err;
    char id[64];                /* of the frozen one */
    char last_id[64];           /* of the one in force, or "" */
    uint64_t last_entries;      /* that it wrote */
    struct position *positions; /* what is committed */
    size_t position_count;
    const char *answer; /* what the group's coordinator said to the last commit */
    int64_t captured_ns;
    int64_t frozen_ns;
    struct savepoint savepoint;
    struct buf adopted;     /* ids of others' checkpoints whose rows are among the next one's */
    uint64_t adopted_epoch; /* that next one's */
    struct checkpoint_stats stats;
};

MUST_USE int checkpoints_open(struct engine *engine, struct err *err);
void checkpoints_close(struct engine *engine);

/* A shard has captured. Takes the mark. */
void checkpoints_take(struct engine *engine, uint32_t shard, struct mark *mark);

/* Goes on with the one under way, or begins one that is due. */
void checkpoints_turn(struct engine *engine, int64_t now_ns);

/* When there is something to do next, events aside. */
int64_t checkpoints_due_ns(const struct engine *engine);

/* Ends the one under way, then makes one of everything so far, and returns when it is in force.
 * `serves_group`: the group's events are attended to meanwhile, which may be what it waits for; not
 * from within one of them. Returns 0 or a negative errno. */
MUST_USE int checkpoints_make(struct engine *engine, int64_t timeout_ns, bool serves_group);

/* The next one begins at once. */
void checkpoints_urge(struct engine *engine);

#endif
