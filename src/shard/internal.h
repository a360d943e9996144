/* What the files of the shard layer share: see shard.h for the whole. */
#ifndef FRESHET_SHARD_INTERNAL_H
#define FRESHET_SHARD_INTERNAL_H

#include <pthread.h>

#include "base/log.h"
#include "base/region.h"
#include "decode/decode.h"
#include "shard/shard.h"
#include "sink/redis_uring.h"
#include "source/fetch_uring.h"
#include "uring/loop.h"

#define FETCH_MAX    512 /* records taken from the intake in a turn */
#define RUN_MAX      256 /* records of one partition that are decoded together */

#define SHARE_BLOCKS 16 /* on their way to the control thread */

/* Where a keyspace's rows go. */
struct outlet {
    struct shard *shard;
    uint32_t source;
    int32_t partition; /* PLAN_NONE: shuffled */
    uint32_t group;    /* the keyspace's name for the Redis sink: never used again */
};

/* A partition that this shard reads. */
struct partition {
    uint32_t source;
    int32_t number;
    struct outlet outlet;
    struct keyspace *keyspace; /* aligned: its own; shuffle: NULL */
    int64_t newest_ms;         /* of its events, or WATERMARK_NONE */
    int64_t watermark_ms;
    int64_t clock_ms;
    int64_t position;      /* offset of the next record */
    int64_t end_offset;    /* bounded: where reading ends; else INT64_MAX */
    int64_t replay_offset; /* rows for Redis are held back below it */
    int64_t
        silent_since_ns; /* by reading_ns: when its last event was decoded, or it was assigned */
    int64_t last_offset; /* of the last record that was applied, or -1 */
    uint64_t last_hash;  /* of that record */
    bool must_verify;    /* restored: the first record is to be that one, or a later one */
    int64_t mute_offset; /* rows from below it are in the feature topic already */
    bool at_end;         /* nothing more to read for now */
    bool has_ended;      /* bounded: nothing more to read at all */
    bool is_idle;
    bool is_leaving; /* nothing of it happens any more */
};

/* The keyspace of a shuffled source on this shard, and what is known of the source's partitions. */
struct shuffle {
    struct outlet outlet;
    struct keyspace *keyspace; /* NULL for aligned sources */
    struct mail_clock *clocks; /* by partition; watermark_ms WATERMARK_NONE until told */
};

/* Records of one partition on their way through decode, route and apply. A step that has to wait
 * (side output or mailbox full, sinks full) leaves the run as it is; the next turn goes on. */
struct run {
    struct partition *partition; /* NULL: no run is under way */
    size_t begin;                /* in the batch */
    size_t end;
    size_t decoded;     /* next record to decode */
    uint32_t count;     /* events */
    uint32_t routed;    /* next event to route (shuffle) */
    uint32_t own_count; /* events that this shard owns */
    uint32_t applied;   /* next own event to apply */
    uint32_t told;      /* shards that were told the partition's times (shuffle) */
    int64_t decode_ns;
    int64_t apply_ns;
    struct event events[RUN_MAX];
    const struct event *own[RUN_MAX];
    struct field_value *fields; /* RUN_MAX times the most fields of a source */
    struct region scratch;
};

struct batch {
    struct fetched fetched[FETCH_MAX];
    size_t count;
    size_t next; /* the first that is not done */
    int64_t polled_ns;
    int64_t polled_ms;
};

enum share_stage {
    SHARE_NONE,
    SHARE_ALIGNING,
    SHARE_WRITING,
    SHARE_IMAGES,
};

/* The checkpoint under way: share.c. */
struct share {
    enum share_stage stage;
    uint64_t number;    /* of it, or of the last one */
    bool all;           /* of all keys */
    uint32_t told;      /* shards that have this one's barrier */
    uint32_t marks_due; /* of the outputs' lanes: more than one after a checkpoint was given up */
    int64_t begun_ns;
    struct mark *mark;   /* or NULL: not taken yet */
    struct buf **images; /* entries, by source */
    struct spsc blocks;  /* to the control thread */
    uint64_t blocks_sent;
};

/* What the shard may use, and the hand that looks for keys to evict: memory.c. */
struct memory {
    size_t part; /* of state.memory */
    size_t low;
    size_t high;
    uint32_t hand; /* the keyspace at which it is */
    bool is_evicting;
    bool is_waiting; /* for the control thread to store blocks */
    bool is_short;   /* nothing more is taken until keys have gone */
};

enum shard_phase {
    PHASE_READING,
    PHASE_CLOSING,   /* own input is done: the other shards are being told */
    PHASE_AWAITING,  /* for the other shards' input to be done */
    PHASE_FINISHING, /* bounded: firing what has not fired */
    PHASE_FLUSHING,  /* waiting for the sinks */
    PHASE_DRAINED,
};

/* Beginning and end of a shard's thread, for the thread that starts and stops it. */
enum shard_life {
    LIFE_OPENING,
    LIFE_RUNNING,
    LIFE_STOPPED, /* touches nobody else's memory any more */
    LIFE_CLOSING, /* and nobody its: it may free what it has */
};

struct shard {
    struct fleet *fleet;
    const struct plan *plan;
    uint32_t number;
    int cpu;
    pthread_t thread;
    pthread_mutex_t mutex; /* of life */
    pthread_cond_t changed;
    enum shard_life life;
    struct consumer *consumer;
    struct intake *intake;        /* the consumer's; or */
    struct fetch_uring *fetch_io; /* the shard's own way to its partitions */
    struct fetcher *fetcher;      /* of fetch_io */
    struct loop *loop;
    struct spsc commands;            /* struct command, malloc'ed */
    struct spsc reports;             /* struct report, malloc'ed */
    uint64_t commands_sent;          /* the control thread's */
    _Atomic uint64_t commands_taken; /* and the shard's answer */
    struct arena arena;
    struct intern intern;
    struct decoder **decoders;      /* by source */
    struct partition ***partitions; /* by source and number; NULL: not ours */
    struct shuffle *shuffles;       /* by source */
    uint32_t groups;                /* given to outlets so far */
    struct batch batch;
    struct run run;
    struct share share;
    struct memory memory;
    _Atomic uint64_t blocks_stored; /* the control thread's */
    struct redis_uring *redis_io;   /* or NULL */
    struct redis_sink *redis;       /* of redis_io */
    struct log_limit redis_log;
    struct log_limit fetch_log;
    struct file_lane *file;        /* or NULL */
    struct feature_lane *features; /* or NULL */
    struct buf side_text;
    struct shard_stats stats;
    enum shard_phase phase;
    uint32_t told_closing;     /* shards that were told that nothing comes any more */
    bool assignments_complete; /* bounded: COMMAND_COMPLETE has come */
    bool drain_wanted;
    bool stop_wanted;
    bool is_blocked;           /* of this turn's work only what a full mailbox holds up is left */
    bool is_full;              /* a sink is full: neither mail nor records are taken */
    _Atomic bool is_full_seen; /* the same, for other threads */
    bool must_fire;            /* windows are due */
    bool is_held;              /* rows for Redis are held back */
    bool is_muted;             /* rows for the feature topic are dropped */
    bool has_failed;           /* state could not be read: nothing goes on */
    uint32_t leaving;          /* partitions that are to go */
    bool is_frozen;            /* it was, and nothing has been committed since */
    uint64_t commit_needed;    /* rows for Redis are held back until this commit is accepted */
    int64_t now_ns;            /* monotonic, of this turn */
    int64_t short_ns;          /* time in which it did not read for want of memory */
    int64_t now_ms;            /* real time, of this turn */
    int64_t started_ns;
    int64_t clocks_due_ns; /* when idle partitions are looked at next */
    int64_t sampled_ns;    /* when the slower statistics were taken */
};

static inline struct mailbox *outbox_to(const struct shard *shard, uint32_t to)
{
    return &shard->fleet->mailboxes[shard->number * shard->fleet->shard_count + to];
}

static inline struct mailbox *inbox_from(const struct shard *shard, uint32_t from)
{
    return &shard->fleet->mailboxes[from * shard->fleet->shard_count + shard->number];
}

/* A clock that stands still while the shard does not read for want of memory. */
static inline int64_t reading_ns(const struct shard *shard)
{
    return shard->now_ns - shard->short_ns;
}

/* Calls `body` for each keyspace of the shard. */
#define FOR_EACH_KEYSPACE(shard, keyspace, source)                                                 \
    for (struct keyspace_iter iter_ = {0};                                                         \
         keyspace_iter_next(shard, &iter_, &(keyspace), &(source));)

struct keyspace_iter {
    uint32_t source;
    uint32_t partition;
};

bool keyspace_iter_next(const struct shard *shard, struct keyspace_iter *iter,
                        struct keyspace **ret_keyspace, uint32_t *ret_source);

/* shard.c: a shard as its thread (thread.c), or a simulation, has it. All but the first and the
 * last belong to the thread that turns it. */

struct shard *shard_create(struct fleet *fleet, uint32_t number, struct consumer *consumer);

/* Makes what it works with: in its own thread, so that its memory is that of its CPU. Returns 0 or
 * a negative errno; shard_free is due in either case. */
MUST_USE int shard_open(struct shard *shard, struct err *err);

/* One turn, the wait at its end included. Returns 0, or a negative errno when the loop is broken.
 */
MUST_USE int shard_turn(struct shard *shard);

/* When no shard touches another's memory any more. */
void shard_close(struct shard *shard);
void shard_free(struct shard *shard);

/* edges.c: the loop and what hangs on it. Returns 0 or a negative errno. */
MUST_USE int shard_edges_open(struct shard *shard, struct err *err);

/* No rows go to Redis until a commit that begins from now on has been accepted. */
void commit_await(struct shard *shard);

/* Tells the control thread; the text may be NULL. */
void report_send(struct shard *shard, enum report_kind kind, const char *text);
void report_mark(struct shard *shard, struct mark *mark);

/* share.c */
void share_init(struct shard *shard);
void share_done(struct shard *shard);
void share_begin(struct shard *shard, const struct command *command);
void share_abort(struct shard *shard);

/* Goes on with it. True if there is more to do at once. */
bool share_turn(struct shard *shard);

/* When the next turn is due, or INT64_MAX. */
int64_t share_deadline_ns(const struct shard *shard);

/* Hands over what was captured. False: no room. */
bool share_hand_over(struct shard *shard, uint32_t source, struct buf *entries);

/* Whether what stands behind this barrier is from after a mark that has not been taken. */
bool share_is_behind(const struct shard *shard, uint64_t barrier);

/* More was copied than the control thread has taken: nothing more is to change. */
bool share_full(const struct shard *shard);

/* ingest.c */

/* Takes records from the intake if the batch at hand is done. */
void ingest_fetch(struct shard *shard);

/* The partition is taken away, or comes: what is left of it in the batch is from before, and is not
 * to be read. */
void ingest_void(struct shard *shard, uint32_t source, int32_t partition);

/* Decodes, routes and applies as much of the batch as goes. True if some of it is left. */
bool ingest_run(struct shard *shard);

/* The batch at hand is done with. */
void ingest_release(struct shard *shard);

/* No run begins until the mark of a checkpoint has been taken. */
bool ingest_is_held(const struct shard *shard);

/* Applies what other shards have sent. True if something is left. */
bool ingest_mail(struct shard *shard);

/* Sends an event that no view takes aside: late, or (not `is_late`) older than the state that is
 * kept. False if the side output is full. */
bool late_send(struct shard *shard, uint32_t source, const struct record *record,
               int64_t watermark_ms, bool is_late);

/* partitions.c */

/* The keyspaces of shuffled sources, and the lists of partitions. */
void partitions_init(struct shard *shard);
void partitions_done(struct shard *shard);
void partition_assign(struct shard *shard, const struct command *command);
void partition_leave(struct shard *shard, const struct command *command);
void partition_revoke(struct shard *shard, const struct command *command);

/* An event of the partition was decoded: its watermark follows. */
void partition_saw(struct shard *shard, struct partition *partition, int64_t time_ms);

/* Brings the partition's times to the keyspaces: its own, or by mail to those of all shards from
 * number *told on. False if a mailbox was full: *told says where to go on. */
bool partition_tell(struct shard *shard, struct partition *partition, uint32_t *told);

/* A shuffled keyspace is told the times of one partition. */
void shuffle_told(struct shard *shard, uint32_t source, const struct mail_clock *clock);

/* Looks at the clocks of silent partitions when it is time. False if not all shards could be told:
 * the next call goes on with that. */
bool partitions_tick(struct shard *shard);

/* Tells the control thread where partitions end. */
void partitions_sample(const struct shard *shard);

/* True when all partitions of the shard have ended (bounded). */
bool partitions_ended(const struct shard *shard);

/* True while rows for Redis are to be held back. */
bool partitions_replaying(const struct shard *shard);

/* True while rows are in the feature topic already. */
bool partitions_muted(const struct shard *shard);

/* memory.c */
void memory_init(struct shard *shard);

/* Evicts keys if the shard uses more than its part. True if there is more to do at once. */
bool memory_turn(struct shard *shard);
void memory_relieve(struct shard *shard);

/* Nothing is to be taken or fired until keys have gone. */
bool memory_is_short(const struct shard *shard);

/* When the next turn is due, or INT64_MAX. */
int64_t memory_deadline_ns(const struct shard *shard);

/* keyspace_output.fetch, of a source. */
bool memory_fetch(struct shard *shard, uint32_t source, const struct slice *keys, uint32_t count,
                  bool (*take)(void *loading, uint32_t number, struct slice value), void *loading);

/* restore.c: report what goes wrong */
void restore_partition(struct shard *shard, struct partition *partition,
                       const struct restore *restore);
void restore_shuffled(struct shard *shard, const struct command *command);

#endif
