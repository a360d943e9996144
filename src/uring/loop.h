/* loop - the one event loop: a thread's io_uring.
 *
 *   loop_run:  submit what is queued ─▶ wait ─▶ take completions ─▶ callbacks ─▶ return
 *                                        ▲
 *      loop_wake, wake_fd ───────────────┘  from other threads and from librdkafka
 *
 * Each shard and the control thread turn one of these; everything they do with sockets goes through
 * it (stream.h). A turn costs one system call, and none when there is nothing to submit and it need
 * not wait. The operations in flight are counted against what loop_create was asked for, and both
 * rings are sized for that, so neither can overflow.
 *
 * The thread that created a loop owns it: all calls but loop_wake come from that thread, callbacks
 * included. Callbacks run inside loop_run only, may start and close anything, and may not call
 * loop_run or loop_free. */
#ifndef FRESHET_URING_LOOP_H
#define FRESHET_URING_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct loop;

struct loop_options {
    uint32_t
        streams_max; /* sockets at a time; one that was closed counts until the kernel let go */
    uint32_t watches_max;
    bool plain; /* without deferred work, multishot and provided buffers: what old kernels offer */
};

/* Returns 0, or -errno with a text that says why the kernel refuses io_uring and what to do. */
MUST_USE int loop_create(const struct loop_options *options, struct loop **ret, struct err *err);

/* Closes what is still open; nothing is called back. */
void loop_free(struct loop *loop);

/* One turn. Waits until something completes or `timeout_ns` has passed; 0: does not wait; negative:
 * without limit. Returns how many completions were handled (0 also when a signal came), or -errno
 * when the kernel refuses the ring, after which it is of no use. */
MUST_USE int loop_run(struct loop *loop, int64_t timeout_ns);

/* A gate before what streams send, for an owner that may be frozen (stopped, swapped out, suspended
 * with its host) and must not send, when it thaws, what it had to send before. It tells when each
 * of its turns begins. When `limit_ns` or more have passed since then, the gate shuts and stays
 * shut: what is flushed waits in the streams until the gate is opened, or goes with them. The time
 * is looked at right before the kernel is given something to send, and the kernel takes into the
 * socket's buffer at once what it takes: nothing is sent later of what was given earlier. */

/* The first turn begins now. 0: no gate, as at first. */
void loop_gate_limit(struct loop *loop, int64_t limit_ns);

/* A turn begins. False if the gate is shut. */
bool loop_gate_turn(struct loop *loop);

/* To be called in the turn that is to send again. */
void loop_gate_open(struct loop *loop);

/* Any thread: ends the wait of the turn under way, or of the next one. What the caller wrote before
 * is visible to the owner when that turn returns. Cheap when the loop has been woken already. */
void loop_wake(struct loop *loop);

/* An eventfd: writing a uint64_t of 1 to it wakes the loop (rd_kafka_queue_io_event_enable). */
int loop_wake_fd(const struct loop *loop);

/* Watches an fd of somebody else (an epoll fd, say) for being readable. `ready` is called each turn
 * as long as it is: `events` are poll(2)'s, or -errno, after which the watch is dead. */
struct watch;

typedef void watch_ready(void *context, int events);

/* Returns 0 or -ENOSPC when watches_max are in use. */
MUST_USE int watch_create(struct loop *loop, int fd, watch_ready *ready, void *context,
                          struct watch **ret);

/* `ready` is not called any more. The fd may be closed right after. `watch` may be NULL. */
void watch_free(struct watch *watch);

#endif
