/* fetcher - a shard's own way to its partitions: record batches, straight from their leaders.
 *
 *   leader 1 ◀─ request ─ link ─ response ─▶ chunk ┐            parcels: one partition's batches
 *   leader 2 ◀─ request ─ link ─ response ─▶ chunk ┴▶ [p3][p7][p1] … ─▶ fetcher_poll ─▶ records
 *
 *   flow     a partition that is read: the offset that comes next, and its leader's link
 *   link     one connection to a leader; at most one request is under way on it, for all flows of
 *            that leader that may be asked for, in turn, so that none starves
 *   chunk    a response; records are slices of it. Parsed when it is polled, not before
 *
 * The next request goes out as soon as a response is there, before its records are applied: where
 * it goes on is read from the batches' heads. A link that has CHUNKS_MAX responses waiting asks for
 * nothing, so a shard that does not poll is back-pressure, and memory is bounded.
 *
 * It has no I/O and no clock of its own: it reaches brokers through a fetch_io (fetch_uring.h is
 * the real one) and gets the time with each call, so that a simulation can drive it. One per shard,
 * called by its thread alone. */
#ifndef FRESHET_SOURCE_FETCHER_H
#define FRESHET_SOURCE_FETCHER_H

#include "base/buf.h"
#include "base/hdr.h"
#include "metrics/counter.h"
#include "source/cluster.h"
#include "source/consumer.h"

#define FETCHER_LINKS_MAX 64 /* leaders at a time */
#define FETCHER_NOT_DUE   INT64_MAX

struct fetcher;
struct chunk;

/* How links reach their brokers; `number` is a link's, below FETCHER_LINKS_MAX. */
struct fetch_io {
    void *context;
    /* Begins to connect; answered by fetcher_connected or fetcher_lost. Returns 0 or -errno. */
    int (*connect)(void *context, unsigned number, const struct cluster_broker *broker);
    /* Where to append what is to be sent, and: send it. */
    struct buf *(*out)(void *context, unsigned number);
    void (*flush)(void *context, unsigned number);
    /* Nothing is called for the link from then on, until it connects again. The kernel may still
     * write to what fetcher_room gave: chunk_free(chunk) is due when it has let go. */
    void (*close)(void *context, unsigned number, struct chunk *chunk);
};

struct fetcher_stats {
    struct counter responses;
    struct counter bytes;
    struct counter connects;
    struct counter losses;
    struct counter leader_changes;
    struct counter errors;          /* of partitions, as answered */
    struct counter corrupt_batches; /* refused, and fetched again */
    struct hdr wait_ns;             /* request sent → response complete, when it had records */
    struct gauge queued_bytes;      /* responses that have not been polled to their end */
};

struct fetcher_options {
    const struct plan *plan; /* of kafka.properties, fetch.message.max.bytes counts here, too */
    struct fetch_io io;
    uint64_t seed; /* of the back-off's jitter */
    /* The leader of some partition is not, or not any more, the one that the cluster says. */
    void (*leaders_wanted)(void *context);
    /* Troubles of connections, for the log. */
    void (*report)(void *context, const char *text);
    void *context;
};

struct fetcher *fetcher_create(const struct fetcher_options *options);

/* Closes nothing. */
void fetcher_free(struct fetcher *fetcher);

/* Takes over a reference. Nothing is fetched before the first one has come. */
void fetcher_cluster(struct fetcher *fetcher, struct cluster *cluster, int64_t now_ns);

/* The partition is read from `offset` on. */
void fetcher_add(struct fetcher *fetcher, uint32_t source, int32_t partition, int64_t offset,
                 int64_t now_ns);

/* Nothing of it comes any more. */
void fetcher_remove(struct fetcher *fetcher, uint32_t source, int32_t partition);

/* The end of the partition as its leader said last, or -1. */
int64_t fetcher_end_offset(const struct fetcher *fetcher, uint32_t source, int32_t partition);

/* Takes up to `max` that are there, without waiting; returns how many. In offset order within a
 * partition. Their bytes live until fetcher_release, or the next poll. */
size_t fetcher_poll(struct fetcher *fetcher, struct fetched *out, size_t max, int64_t now_ns);
void fetcher_release(struct fetcher *fetcher);

/* Does what is due; and when the next turn is (monotonic), events of the links aside. */
void fetcher_turn(struct fetcher *fetcher, int64_t now_ns);
int64_t fetcher_deadline_ns(const struct fetcher *fetcher);

const struct fetcher_stats *fetcher_stats(const struct fetcher *fetcher);

/* What fetch_io tells. fetcher_room is where the link's next bytes go: `*ret_len` of them at most,
 * 1 or more; that memory is the kernel's until fetcher_received, or, see fetch_io, chunk_free. */
void fetcher_connected(struct fetcher *fetcher, unsigned number, int64_t now_ns);
char *fetcher_room(struct fetcher *fetcher, unsigned number, size_t *ret_len);
void fetcher_received(struct fetcher *fetcher, unsigned number, size_t len, int64_t now_ns);
void fetcher_lost(struct fetcher *fetcher, unsigned number, int error, int64_t now_ns);

void chunk_free(struct chunk *chunk);

#endif
