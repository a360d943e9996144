/* redis_link - one connection to Redis: what waits for it, what is on its way, how it comes back.
 *
 *   image ──dirty──▶ queue ──batch──▶ flight ──replies──▶ acknowledged
 *                      ▲                 │
 *                      └─────────────────┘  lost connection, temporary error, key found gone:
 *                                           the key again, whole, with the newest values
 *
 *   AWAY ──back-off──▶ CONNECTING ─▶ HANDSHAKE (AUTH, SELECT, INFO) ─▶ READY
 *
 * Every key belongs to one link, by its hash, and a link's commands are answered in order; so what
 * Redis shows of a key is what was written last. Values are absolute: a write that may or may not
 * have been executed is simply made again. A key waits in the queue at most once and may be in
 * flight several times, once for each batch. Flight is bounded in batches and bytes, the queue by
 * the sink, which says when it is full.
 *
 * A Redis with another run_id may have lost everything: the link's epoch goes up, and images that
 * were written in an earlier one are written whole, those with fresh rows first, the others paced
 * behind them.
 *
 * No I/O and no clock: connections are the redis_io's, times are passed in. Owned by one shard. */
#ifndef FRESHET_SINK_REDIS_LINK_H
#define FRESHET_SINK_REDIS_LINK_H

#include "sink/redis_command.h"
#include "sink/redis_detached.h"
#include "sink/redis_reply.h"
#include "sink/redis_stats.h"

#define REDIS_NOT_DUE INT64_MAX

/* How links reach Redis. `number` says which one. Nothing is called back within these calls. */
struct redis_io {
    void *context;
    /* Begins to connect. 0: redis_link_connected or redis_link_lost will say how it went; else
     * -errno. */
    int (*connect)(void *context, unsigned number);
    /* Where commands are appended, from connected to close or lost. */
    struct buf *(*out)(void *context, unsigned number);
    /* Sends what was appended: as soon as it may. */
    void (*flush)(void *context, unsigned number);
    /* Bytes appended that the kernel has not taken: closing the connection takes them back. */
    size_t (*unsent)(void *context, unsigned number);
    /* At once, whatever is under way; nothing is heard of the connection any more. */
    void (*close)(void *context, unsigned number);
};

/* What the links of one sink share; the sink owns it. */
struct redis_links {
    const struct plan *plan;
    struct arena *arena;
    struct redis_io io;
    struct redis_commands commands;
    struct redis_detached detached;
    struct redis_sink_stats *stats;
    void (*report)(void *context, const char *text);
    void *report_context;
    int64_t linger_ns;
    uint32_t save; /* number of the last save that was begun */
    bool hold;     /* nothing is sent */
    bool flush;    /* linger does not count */
    size_t queued;
    size_t in_flight;
};

/* A key's place in the queue or in flight. */
struct redis_write {
    struct redis_write *next;  /* in the queue or in flight */
    struct redis_write *older; /* of the same image */
    struct redis_image *image; /* NULL: forgotten while it was queued */
    int64_t queued_ns;
    int64_t sent_ns;
    int64_t record_ms;  /* of the oldest row in it that has one; -1: none */
    int64_t fetched_ns; /* likewise; 0: none */
    uint32_t bytes;
    uint32_t save;    /* the last one that has what it is to bring, or that it came after */
    uint32_t added;   /* fields that are to be new to Redis */
    uint8_t commands; /* REDIS_HSET | … whose replies are due */
    bool row;         /* a row waits since queued_ns; false for what is only made again */
    bool queued;      /* else in flight */
    bool partial;     /* its replies show if the key was gone */
    bool gone;
    bool ends_batch;
    bool failed;
    enum redis_error error; /* if failed: the gravest of its replies */
};

struct redis_writes {
    struct redis_write *first;
    struct redis_write *last;
    size_t count;
};

enum redis_link_state {
    REDIS_AWAY,
    REDIS_CONNECTING,
    REDIS_HANDSHAKE,
    REDIS_READY,
};

struct redis_link {
    struct redis_links *shared;
    unsigned number;
    enum redis_link_state state;
    unsigned attempts; /* failures since the last success: what the back-off goes by */
    uint64_t random;
    int64_t retry_ns;   /* AWAY: when to connect again; READY: not to send before */
    int64_t started_ns; /* of the handshake */
    unsigned step;      /* the handshake's, whose reply is due */
    struct redis_replies *replies;
    char run_id[64];
    bool met; /* a Redis, whatever its run_id */

    struct redis_image *first; /* all images */
    struct redis_image *last;
    struct redis_image *resync; /* the next to look at; NULL: all are of this epoch */
    uint16_t epoch;

    struct redis_writes queue;
    struct redis_writes flight;
    size_t unsaved;               /* of flight and queue: those that the save under way lacks */
    struct redis_write *saved;    /* the last it has looked at; NULL: it is at their beginning */
    struct redis_image *unsynced; /* the next it looks at of those that are to be resynced */

    unsigned flight_batches;
    size_t flight_bytes;
};

void redis_link_init(struct redis_link *link, struct redis_links *shared, unsigned number,
                     uint64_t seed);

/* Frees all its images and writes too; closes nothing. */
void redis_link_done(struct redis_link *link);

/* A new image becomes one of this link's; or leaves it and is freed: it has no write under way. */
void redis_link_add(struct redis_link *link, struct redis_image *image);
void redis_link_drop(struct redis_link *link, struct redis_image *image);

/* `image` was at `before`; what points to it is set anew. */
void redis_link_moved(struct redis_link *link, const struct redis_image *before,
                      struct redis_image *image);

/* True if the next write of the image writes all of it. */
bool redis_link_wants_whole(const struct redis_link *link, const struct redis_image *image,
                            int64_t now_ns);
/* True if the key's TTL is to be refreshed. */
bool redis_link_wants_expire(const struct redis_link *link, const struct redis_image *image,
                             int64_t now_ns);

/* The image is to be written because of this row. */
void redis_link_row(struct redis_link *link, struct redis_image *image, const struct row *row,
                    int64_t now_ns);

/* The image comes from a checkpoint: it is to be written, whole, and a save under way takes it in.
 */
void redis_link_load(struct redis_link *link, struct redis_image *image, int64_t now_ns);

/* Nothing more is written of the image, which is the link's from now on: what is queued of it stays
 * unsent, and if it has writes in flight while bytes of the connection are unsent, the connection
 * is given up. */
void redis_link_forget(struct redis_link *link, struct redis_image *image, int64_t now_ns);

/* Does what is due: connects, gives up, writes. */
void redis_link_turn(struct redis_link *link, int64_t now_ns);

/* When the next turn is due, events aside; REDIS_NOT_DUE: never. */
int64_t redis_link_deadline(const struct redis_link *link);

/* A save goes over flight and queue from the oldest write to the newest, which is the order in
 * which they are done with too, and then over what is to be resynced. `shared->save` has gone up.
 */
void redis_link_save_begin(struct redis_link *link);

/* The next image that Redis has not acknowledged, or NULL, and to be asked again; false at the end.
 */
bool redis_link_save_next(struct redis_link *link, struct redis_image **ret);

/* Nothing is queued, in flight or to be written again. */
bool redis_link_is_idle(const struct redis_link *link);

/* The I/O's events. `error`: 0 when Redis closed the connection, else -errno. */
void redis_link_connected(struct redis_link *link, int64_t now_ns);
void redis_link_received(struct redis_link *link, struct slice bytes, int64_t now_ns,
                         int64_t now_ms);
void redis_link_lost(struct redis_link *link, int error, int64_t now_ns);

#endif
