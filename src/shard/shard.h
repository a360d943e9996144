/* shard - a pinned thread that owns some key groups and all that belongs to them.
 *
 * One turn, in this order, each step bounded:
 *
 *   commands ─▶ mail ─▶ fetch ─▶ decode ─▶ route ─▶ apply ─▶ clocks ─▶ fire ─▶ flush sinks
 *                                                                               │
 *   reap completions ◀──────────────── submit and wait, or spin ◀───────────────┘
 *
 * Shards share nothing but: the immutable plan, mailboxes and command rings (SPSC), clocks (relaxed
 * atomics), the process's side output. While a sink is full a shard reads neither mail nor records;
 * nor while it waits for memory. The work store, which is the control thread's, they read. */
#ifndef FRESHET_SHARD_SHARD_H
#define FRESHET_SHARD_SHARD_H

#include <stdalign.h>

#include "checkpoint/checkpoint.h"
#include "shard/mailbox.h"
#include "shard/stats.h"
#include "sink/feature_topic.h"
#include "sink/file_sink.h"
#include "sink/redis_sink.h"
#include "sink/side_output.h"
#include "source/consumer.h"
#include "view/schema.h"
#include "window/idle.h"

struct shard;

/* How far a partition has been read; written by its shard (and, while it has none, by the control
 * thread), read by any. */
struct progress {
    alignas(CACHE_LINE) _Atomic int64_t
        position;              /* the offset behind the last record that was applied, or -1 */
    _Atomic int64_t record_ms; /* that record's timestamp, or -1 */
    _Atomic int64_t committed; /* the group's offset, or -1; the control thread's */
    _Atomic int64_t end;       /* of the partition, as its leader said last, or -1 */
};

/* Whether somebody relies on what the work store holds. The control thread may empty it while
 * nobody does; shards may evict keys while it has not. */
enum store_use {
    STORE_SPARE,
    STORE_NEEDED,  /* some keys' state is there alone, or has been */
    STORE_EMPTIED, /* until all keys have been captured again */
};

/* What all shards of a process have in common. */
struct fleet {
    const struct plan *plan;
    uint32_t shard_count;
    struct shard **shards;
    struct mailbox *mailboxes;         /* [from * shard_count + to] */
    struct source_clock *clocks;       /* by source */
    struct progress **progress;        /* by source and partition */
    struct side_output *side;          /* or NULL */
    struct file_writer *file;          /* or NULL */
    struct feature_topic *features;    /* or NULL */
    _Atomic uint64_t commits_begun;    /* offsets of checkpoints, sent to the group's coordinator */
    _Atomic uint64_t commits_accepted; /* up to this one */
    struct store *_Atomic store;       /* where evicted keys are read; NULL: there is none */
    _Atomic int store_use;             /* enum store_use */
    _Atomic uint64_t captures_over;    /* up to this checkpoint: frozen or given up */
    _Atomic bool leaders_wanted; /* some partition is not led by whom COMMAND_CLUSTER has named */
    bool is_native;    /* shards fetch for themselves; else there is the consumer's intake */
    int64_t frozen_ns; /* a process whose shard has not turned for so long may have a successor */
    bool bounded;
    void (*wake_control)(void *context); /* any thread */
    void *context;
};

/* Control thread: the store may be emptied, and so it stays until store_is_whole: nobody evicts
 * keys. False: some keys' state is in it alone. */
MUST_USE bool store_is_spare(struct fleet *fleet);

/* Control thread: all that the shards hold has been captured since it was emptied. */
void store_is_whole(struct fleet *fleet);

/* A checkpoint that state is loaded from. What it points to lives until the shard has settled. */
struct restore {
    struct checkpoint *checkpoint; /* read by all at once */
    struct schema_map *
        *maps;       /* by source number in the plan; NULL: the checkpoint has none of it */
    bool is_changed; /* what is loaded is not in the work store yet */
};

/* From the control thread to a shard. */
enum command_kind {
    COMMAND_RESTORE,  /* load the shard's key groups of a shuffled source */
    COMMAND_AWAIT,    /* no rows go to Redis before an offset was committed */
    COMMAND_CLUSTER,  /* who leads which partition */
    COMMAND_ASSIGN,   /* read this partition */
    COMMAND_LEAVE,    /* read no more of it and let its time stand still, until it is dropped: what
                       * follows the mark of its last checkpoint is the next owner's */
    COMMAND_REVOKE,   /* drop it and its state */
    COMMAND_COMPLETE, /* bounded run: all partitions have been assigned */
    COMMAND_MARK,     /* take part in a checkpoint; answered by REPORT_CAPTURED */
    COMMAND_ABORT,    /* of that: no answer comes any more */
    COMMAND_DRAIN,    /* read no more, flush; answered by REPORT_DRAINED */
    COMMAND_STOP,     /* end the thread */
};

struct command {
    enum command_kind kind;
    uint32_t source;
    int32_t partition;
    int64_t start_offset;
    int64_t fetch_offset;                  /* of the first record that is fetched, to be compared */
    int64_t end_offset;                    /* bounded: read up to here */
    int64_t replay_offset;                 /* below it, rows for Redis are held back */
    int64_t mute_offset;                   /* below it, rows are in the feature topic already */
    const struct manifest_partition *from; /* ASSIGN: as it was, or NULL: it begins empty */
    const struct restore *restore;         /* ASSIGN, RESTORE: the state, or NULL */
    struct cluster *cluster;               /* CLUSTER: a reference, the shard's from then on */
    uint64_t number;                       /* MARK: of the checkpoint; grows */
    bool all; /* MARK: of all keys, not only those that changed since the last one */
};

/* And back. */
enum report_kind {
    REPORT_DRAINED,  /* all is read (bounded: to the end), computed and acknowledged by the sinks */
    REPORT_CAPTURED, /* its share of the checkpoint has been handed over */
    REPORT_URGENT,   /* it waits for a checkpoint to be committed */
    REPORT_FAILED,   /* the shard can't go on */
};

/* A shard's share of a checkpoint, beside the entries. */
struct mark {
    uint64_t number;
    struct manifest_partition *partitions; /* sources by their numbers in the plan; likewise */
    uint32_t partition_count;
    struct manifest_times *times;
    uint32_t times_count;
    uint64_t keys;
    int64_t align_ns; /* from the command to the mark */
};

void mark_free(struct mark *mark);

/* Positions, times and keys of all shards into the manifest. The keyspaces of a shuffled source
 * have one entry there, with the latest of their times. */
void marks_save(struct mark *const *marks, uint32_t count, struct manifest *manifest);

/* Entries of one source, for the checkpoint under way. */
struct share_block {
    uint32_t source;
    struct buf entries;
};

void share_block_free(struct share_block *block);

struct report {
    enum report_kind kind;
    struct mark *mark; /* CAPTURED: the receiver's to free */
    char text[512];
};

/* Starts the thread, pinned to the CPU (negative: not pinned), and waits until it stands. Returns 0
 * or a negative errno. */
MUST_USE int shard_start(struct fleet *fleet, uint32_t number, int cpu, struct consumer *consumer,
                         struct shard **ret, struct err *err);

/* Ends the first `count` shards and frees all they had. None is freed before all have ended, since
 * they wake each other. */
void shards_stop(struct fleet *fleet, uint32_t count);

struct intake *shard_intake(struct shard *shard);

/* Any thread: whether a sink keeps it from consuming. */
bool shard_is_full(const struct shard *shard);
const struct shard_stats *shard_stats(const struct shard *shard);
const struct redis_sink_stats *shard_redis_stats(const struct shard *shard); /* or NULL */
const struct fetcher_stats *shard_fetch_stats(const struct shard *shard);    /* or NULL */

/* Control thread. The command is copied. False if the ring is full. */
MUST_USE bool shard_command(struct shard *shard, const struct command *command);

/* Control thread: true when the shard has done all that it was told. */
bool shard_has_settled(struct shard *shard);

/* Waits for that, or for the shard's failure. Until a shard knows of a partition no record of it
 * may come, and it has let go of one only then. */
void shard_settle(struct shard *shard);

/* Control thread: the next report into *ret, false if there is none. */
bool shard_report(struct shard *shard, struct report *ret);

/* Control thread: the next block of entries, to be freed, or NULL. All of a checkpoint are there
 * when its REPORT_CAPTURED is. */
struct share_block *shard_captured(struct shard *shard);

/* Control thread: a block is in the store. */
void shard_stored(struct shard *shard);

/* Any thread: wakes the shard's loop. */
void shard_wake(struct shard *shard);

/* Which shard owns a partition of an aligned source, or reads one of a shuffled source; and which
 * owns a key of a shuffled source. */
static inline uint32_t shard_of_partition(int32_t partition, uint32_t shard_count)
{
    return (uint32_t)partition % shard_count;
}

static inline uint32_t shard_of_key(uint64_t key_hash, uint32_t shard_count)
{
    return (uint32_t)(key_hash % PLAN_KEY_GROUPS) % shard_count;
}

#endif
