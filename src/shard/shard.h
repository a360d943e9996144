/* shard - a pinned thread that owns some key groups and all that belongs to them.
 *
 * One turn, in this order, each step bounded:
 *
 *   commands ─▶ mail ─▶ fetch ─▶ decode ─▶ route ─▶ apply ─▶ clocks ─▶ fire ─▶ flush sinks
 *                                                                               │
 *   reap completions ◀──────────────── submit and wait, or spin ◀───────────────┘
 *
 * Shards share nothing but: the immutable plan, mailboxes and command rings (SPSC), clocks (relaxed
 * atomics), the process's side output. While a sink is full a shard reads neither mail nor records.
 */
#ifndef FRESHET_SHARD_SHARD_H
#define FRESHET_SHARD_SHARD_H

#include "shard/mailbox.h"
#include "shard/stats.h"
#include "sink/feature_topic.h"
#include "sink/file_sink.h"
#include "sink/redis_sink.h"
#include "sink/side_output.h"
#include "source/consumer.h"
#include "window/idle.h"

struct shard;

/* How far a partition has been read; written by its shard (and, while it has none, by the control
 * thread), read by any. */
struct progress {
    _Atomic int64_t position;  /* the offset behind the last record that was applied, or -1 */
    _Atomic int64_t record_ms; /* that record's timestamp, or -1 */
};

/* What all shards of a process have in common. */
struct fleet {
    const struct plan *plan;
    uint32_t shard_count;
    struct shard **shards;
    struct mailbox *mailboxes;      /* [from * shard_count + to] */
    struct source_clock *clocks;    /* by source */
    struct progress **progress;     /* by source and partition */
    struct side_output *side;       /* or NULL */
    struct file_writer *file;       /* or NULL */
    struct feature_topic *features; /* or NULL */
    bool bounded;
    void (*wake_control)(void *context); /* any thread */
    void *context;
};

/* From the control thread to a shard. */
enum command_kind {
    COMMAND_ASSIGN,   /* read this partition */
    COMMAND_REVOKE,   /* drop it and its state */
    COMMAND_COMPLETE, /* bounded run: all partitions have been assigned */
    COMMAND_DRAIN,    /* read no more, flush; answered by REPORT_DRAINED */
    COMMAND_STOP,     /* end the thread */
};

struct command {
    enum command_kind kind;
    uint32_t source;
    int32_t partition;
    int64_t start_offset;
    int64_t end_offset;    /* bounded: read up to here */
    int64_t replay_offset; /* below it, rows for Redis are held back */
};

/* And back. */
enum report_kind {
    REPORT_DRAINED, /* all is read (bounded: to the end), computed and acknowledged by the sinks */
    REPORT_FAILED,  /* the shard can't go on */
};

struct report {
    enum report_kind kind;
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
const struct shard_stats *shard_stats(const struct shard *shard);
const struct redis_sink_stats *shard_redis_stats(const struct shard *shard); /* or NULL */

/* Control thread. The command is copied. False if the ring is full. */
MUST_USE bool shard_command(struct shard *shard, const struct command *command);

/* Control thread: true when the shard has done all that it was told. */
bool shard_has_settled(struct shard *shard);

/* Waits for that, or for the shard's failure. Until a shard knows of a partition no record of it
 * may come, and it has let go of one only then. */
void shard_settle(struct shard *shard);

/* Control thread: the next report into *ret, false if there is none. */
bool shard_report(struct shard *shard, struct report *ret);

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
