/* stream - a connected socket on a loop: TCP or unix.
 *
 *   stream_connect ─▶ (name looked up) ─▶ connecting ─▶ open ─▶ ended        events say when
 *   stream_adopt   ─────────────────────────────────────▲
 *
 *   stream_out     [ filled by the owner ]                  swapped when flushed and
 *   kernel         [ being sent ===>     ]                  the other is empty
 *
 * At most one send is in flight; its bytes don't move until the kernel has taken them all, short
 * sends are continued, and what is appended meanwhile waits in the other buffer. The owner bounds
 * what it appends: stream_unsent says how much the kernel has not taken.
 *
 * Nothing is given to the kernel outside loop_run, and there only while the loop's gate is open. A
 * send takes what there is room for in the socket's buffer; for more room the stream waits itself.
 *
 * stream_close ends it for the owner at once: no event is called from then on. The memory lives on
 * until the kernel has given up every operation, so nothing that arrives late can hit a newer
 * connection. Belongs to the loop's thread. */
#ifndef FRESHET_URING_STREAM_H
#define FRESHET_URING_STREAM_H

#include "base/buf.h"
#include "uring/loop.h"

struct stream;

enum stream_kind {
    STREAM_TCP,
    STREAM_UNIX,
};

struct stream_target {
    enum stream_kind kind;
    const char *host; /* TCP: a name, or an address, which spares the look-up */
    uint16_t port;
    const char *path; /* unix */
};

/* Called in loop_run. Each but `room` and `gone` may close the stream. */
struct stream_events {
    void (*connected)(void *context); /* not called for an adopted socket */
    /* `bytes` live for the duration of the call. */
    void (*received)(void *context, struct slice bytes);
    /* The kernel has taken all that was flushed. May be NULL. */
    void (*sent)(void *context);
    /* The last event: 0 when the peer has closed in order, else -errno. -ETIMEDOUT: no connection
     * within the time-out; -EHOSTUNREACH, too, for a name that cannot be looked up. */
    void (*ended)(void *context, int error);
    /* NULL: bytes come in the loop's own buffers, as many as there are. Else the owner says where
     * the next ones go: `*ret_len` of them, 1 or more, which arrive in one piece but for what the
     * kernel has sooner. That memory is the kernel's until `received`, or until `gone`. */
    char *(*room)(void *context, size_t *ret_len);
    /* The kernel has let go of the stream, and of that memory: in stream_close, in a later turn, or
     * in loop_free. The last call of all; may be NULL. */
    void (*gone)(void *context);
};

/* Begins to connect. A name is looked up by a thread of its own, each of its addresses is tried in
 * turn and has `timeout_ns`. Returns 0, or -errno: -ENOSPC when the loop's streams_max are in use,
 * -ENAMETOOLONG for a path. `target` is copied, `events` are not. */
MUST_USE int stream_connect(struct loop *loop, const struct stream_target *target,
                            int64_t timeout_ns, const struct stream_events *events, void *context,
                            struct stream **ret);

/* Takes over a connected socket; it is closed with the stream. On failure it stays the caller's. */
MUST_USE int stream_adopt(struct loop *loop, int fd, const struct stream_events *events,
                          void *context, struct stream **ret);

/* Where to append what is to be sent; may be called before the connection stands. */
struct buf *stream_out(struct stream *stream);

/* Sends what lies in stream_out, as soon as what was flushed before is gone. */
void stream_flush(struct stream *stream);

/* Bytes appended that the kernel has not taken. */
size_t stream_unsent(const struct stream *stream);

/* What is unsent is dropped. `stream` may be NULL. */
void stream_close(struct stream *stream);

#endif
