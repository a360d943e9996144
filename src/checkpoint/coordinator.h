/* coordinator - when checkpoints are made, and what is to be done next for the one under way.
 *
 *           MARK             FREEZE             flushed              COMMIT, PUBLISH
 *   IDLE ─────────▶ CAPTURING ─────▶ FLUSHING ─────────▶ COMMITTING ────────────────▶ IDLE
 *                       │                │                   │
 *                       │ ABORT, LOSE    │ LATE              │ LATE, REFUSED
 *                       └────────────────┴───────────────────┴──▶ failed: IDLE
 *
 * Decisions alone: no I/O, no clock, no thread. Its owner asks for the next step, saying what time
 * it is and what it sees (struct coordinator_facts), carries the step out, and tells what has come
 * of it. A step may take as long as it likes; until its outcome is told no other is asked for. The
 * engine's control thread does so with real shards, stores and brokers (engine/checkpoints.c), the
 * simulation with simulated ones (tests/sim/checkpoints.c).
 *
 * What holds at all times:
 *
 *   - one checkpoint is under way at most. It begins when `every` has passed since the last one
 *     began and `min_pause` since that was over; at once when somebody waits for it
 *   - the one before stays in force until the commit is accepted, which is one step in Kafka. So
 *     nothing is committed before all shards have captured, the store is frozen, and dead letters,
 *     late records and (outside transactions) rows are acknowledged; nothing is published before
 *     the commit is accepted
 *   - one that fails, in whatever stage, is tried again with the next; its rows are the next one's,
 *     too. After more than `tolerable_failures` in a row nothing begins any more: the process ends
 *   - `timeout` bounds it, from its begin to the commit; anew if an output that is away stops the
 *     shards, which is no failure; less if whoever waits for it has less time. A commit that was
 *     sent waits for its answer, though, and a transaction that was begun to be committed for its
 *     outcome, however late they come: until then nobody knows what is in force
 *   - entries that the shards have captured and that are not in the store are lost with it: then
 *     the next checkpoint is of all keys, in an empty store. */
#ifndef FRESHET_CHECKPOINT_COORDINATOR_H
#define FRESHET_CHECKPOINT_COORDINATOR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/check.h"

enum checkpoint_stage {
    CHECKPOINT_IDLE,
    CHECKPOINT_CAPTURING,
    CHECKPOINT_FLUSHING,
    CHECKPOINT_COMMITTING,
};

struct coordinator_rules {
    int64_t every_ns;
    int64_t min_pause_ns;
    int64_t timeout_ns;
    uint32_t tolerable_failures; /* in a row */
    uint32_t shard_count;
    bool is_transactional; /* offsets are committed with the rows of the feature topic */
};

/* What is to be done. */
enum coordinator_step {
    COORDINATOR_WAIT,   /* nothing, until coordinator_due_ns or until something happens */
    COORDINATOR_MARK,   /* one begins: make the store ready (coordinator_failed if that fails), then
                         * coordinator_marked, and tell all shards */
    COORDINATOR_LOSE,   /* entries were lost: coordinator_failed */
    COORDINATOR_ABORT,  /* out of time: tell the shards, and when they know: coordinator_failed */
    COORDINATOR_FREEZE, /* coordinator_frozen, or coordinator_failed */
    COORDINATOR_COMMIT, /* coordinator_sent; a transaction, once it is decided: go on with PUBLISH.
                         * While it is not, the step comes again */
    COORDINATOR_PUBLISH, /* it is in force: publish its rows, then coordinator_published */
    COORDINATOR_LATE,    /* the outputs, or the group's rebalance, took too long:
                          * coordinator_failed */
    COORDINATOR_REFUSED, /* and so did the group's coordinator: coordinator_failed */
    COORDINATOR_FENCED,  /* another process has this one's place, which is over */
};

/* What the group's coordinator says to offsets that were sent to it. */
enum coordinator_answer {
    COORDINATOR_NO_ANSWER, /* yet */
    COORDINATOR_ACCEPTED,
    COORDINATOR_NOT_NOW, /* it is away, or the group is being rebalanced */
    COORDINATOR_NEVER,   /* somebody else has this member's place */
};

/* What the owner sees. */
struct coordinator_facts {
    int64_t now_ns;      /* monotonic */
    int64_t wall_ms;     /* since 1970 */
    bool has_partitions; /* the group gives this process any */
    bool is_lost;        /* captured entries that could not be stored */
    bool is_stored;      /* CAPTURING: nothing that the shards have handed over waits */
    bool is_full;        /* CAPTURING: an output that is away stops a shard where it is */
    bool is_flushed;     /* FLUSHING: what goes before the commit is acknowledged */
    bool may_commit;     /* COMMITTING: the group is not being rebalanced */
    enum coordinator_answer answer; /* COMMITTING, without transactions, once it was sent */
};

/* One of everything so far, that somebody waits for: it begins when the one under way is over, and
 * again, until one is in force or time is up. */
enum coordinator_making {
    MAKING_NOTHING,
    MAKING_SOON, /* the one under way was begun before */
    MAKING_IT,   /* it is under way */
    MAKING_DONE, /* it is in force, or there was nothing to commit */
    MAKING_FAILED,
};

struct coordinator {
    struct coordinator_rules rules;
    enum checkpoint_stage stage;
    uint64_t number;      /* of the one under way, or the last one: grows; the wall clock's ms */
    uint64_t epoch;       /* likewise: counted by the outputs, from the start of the process */
    bool is_all;          /* the one under way is of all keys */
    bool all_next;        /* the next one is */
    bool is_savepoint;    /* the one under way is the savepoint that was asked for */
    bool wants_savepoint; /* the next one is */
    bool is_urgent;       /* the next one begins at once */
    bool is_aborted;      /* the one under way: shards may not even have begun */
    bool is_sent;         /* its commit */
    bool is_over;         /* nothing begins any more */
    uint32_t captured;    /* shards that have */
    uint32_t failures;    /* in a row */
    int64_t begun_ns;
    int64_t deadline_ns;
    int64_t look_ns; /* when outputs or group are looked at again, or offsets are sent again */
    int64_t due_ns;  /* when the next one begins */
    enum coordinator_making making;
    int64_t making_until_ns;
};

void coordinator_init(struct coordinator *coordinator, const struct coordinator_rules *rules);

/* The next step, by what the owner sees now. */
MUST_USE enum coordinator_step coordinator_next(struct coordinator *coordinator,
                                                const struct coordinator_facts *facts);

/* When there is something to decide next, events aside, or INT64_MAX. */
int64_t coordinator_due_ns(const struct coordinator *coordinator, bool has_partitions);

/* Numbers of checkpoints that are there already: the next one's is greater. */
void coordinator_number_used(struct coordinator *coordinator, uint64_t number);

/* --- what has come of a step --- */

/* The shards will be told: what they emit up to their marks is of `epoch`. */
void coordinator_marked(struct coordinator *coordinator);

/* A shard has captured, under this number. False: nobody waits for that any more. */
MUST_USE bool coordinator_captured(struct coordinator *coordinator, uint64_t number);

void coordinator_frozen(struct coordinator *coordinator);
void coordinator_sent(struct coordinator *coordinator);
void coordinator_published(struct coordinator *coordinator, int64_t now_ns);

/* What a failure means. */
struct coordinator_failure {
    uint32_t in_row;    /* with this one */
    bool is_marked;     /* outputs that tell epochs apart join its rows to the next one's */
    bool is_frozen;     /* it is on disk, and may have been committed though nobody said so */
    bool is_savepoint;  /* that was asked for */
    bool empties_store; /* what was captured is lost: the next one is of all keys */
    bool ends_process;  /* too many in a row */
};

/* `is_store_lost`: the store can't be used as it is. */
struct coordinator_failure coordinator_failed(struct coordinator *coordinator, bool is_store_lost,
                                              int64_t now_ns);

/* --- what somebody wants --- */

/* The next one begins at once. */
void coordinator_urge(struct coordinator *coordinator);

/* Likewise, and is a savepoint. */
void coordinator_savepoint(struct coordinator *coordinator);

/* One of everything so far is to be in force by then. */
void coordinator_make(struct coordinator *coordinator, int64_t until_ns);

/* False: nobody waits for one any more, and `making` tells what has come of it. */
bool coordinator_is_making(const struct coordinator *coordinator);

#endif
