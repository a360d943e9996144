/* mailbox - events and watermarks on their way from the shard that read them to the one that owns
 * their key (partitioning: shuffle).
 *
 *   sender    block being filled ──▶ full ring ──▶ receiver: applies it, item by item
 *                    ▲                                   │
 *                    └──────────── empty ring ◀──────────┘
 *
 * One mailbox for each ordered pair of shards, with a fixed number of blocks: when the receiver has
 * them all, the sender stops routing, then consuming. A watermark stands behind all events that it
 * speaks for, a barrier behind all that its checkpoint holds. Events are copied into the block with
 * all they point to. */
#ifndef FRESHET_SHARD_MAILBOX_H
#define FRESHET_SHARD_MAILBOX_H

#include "base/spsc.h"
#include "freshet/event.h"
#include "plan/plan.h"

enum mail_kind {
    MAIL_EVENT,
    MAIL_CLOCK,   /* a partition's times */
    MAIL_BARRIER, /* all before it is in the sender's share of a checkpoint, nothing after it is */
    MAIL_CLOSING, /* no event and no clock comes after it */
};

struct mail_item {
    uint32_t bytes; /* with this head; a multiple of 8 */
    uint16_t kind;
    uint16_t source;
};

/* What a shuffled keyspace is told of a partition. */
struct mail_clock {
    int32_t partition;
    bool is_idle;
    bool has_ended;    /* bounded run: read to the end */
    bool is_replaying; /* not yet past what the last run may have written to Redis */
    bool is_muted;     /* not yet past what is in the feature topic */
    int64_t watermark_ms;
    int64_t clock_ms;
};

struct mail_barrier {
    uint64_t number; /* of the checkpoint */
};

struct mail_block {
    size_t cap;
    size_t used;
    char *bytes;
};

struct mailbox {
    struct spsc full;
    struct spsc empty;
    alignas(CACHE_LINE) struct mail_block *blocks; /* sender's line */
    struct mail_block *filling;                    /* or NULL */
    bool must_wake; /* full blocks were handed over since the last flush */
    alignas(CACHE_LINE) struct mail_block *reading; /* receiver's line; or NULL */
    size_t read;                                    /* bytes of it that are done */
    bool is_closed;                                 /* MAIL_CLOSING was read */
};

void mailbox_init(struct mailbox *mailbox);
void mailbox_done(struct mailbox *mailbox);

/* Sender. False if there is no room: try again later. */
bool mailbox_put_event(struct mailbox *mailbox, const struct plan *plan, uint32_t source,
                       const struct event *event);
bool mailbox_put_clock(struct mailbox *mailbox, uint32_t source, const struct mail_clock *clock);
bool mailbox_put_barrier(struct mailbox *mailbox, uint64_t number);
bool mailbox_put_closing(struct mailbox *mailbox);

/* Sender: hands over what was put. True if there was something, handed over now or since the last
 * time: wake the receiver. */
bool mailbox_flush(struct mailbox *mailbox);

/* Receiver: the item to be done next, or NULL. It stays next until mailbox_next. */
const struct mail_item *mailbox_peek(struct mailbox *mailbox);
void mailbox_next(struct mailbox *mailbox);

/* Receiver: up to `max` events of one source from the next item on, all of one block. */
uint32_t mailbox_peek_events(struct mailbox *mailbox, const struct event **ret_events,
                             uint32_t max);

static inline const struct mail_clock *mail_clock_of(const struct mail_item *item)
{
    return (const struct mail_clock *)(item + 1);
}

static inline uint64_t mail_barrier_of(const struct mail_item *item)
{
    return ((const struct mail_barrier *)(item + 1))->number;
}

#endif
