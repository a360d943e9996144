/* op - the operations that a loop has given to the kernel. Private to this layer.
 *
 *   user_data of an entry:  generation << 32 | slot       slot 0: nobody waits for the answer
 *
 * An operation has a slot from op_begin until its last completion. The slot's generation goes up
 * when it is given back, so a completion that names an earlier generation finds nobody, whatever
 * uses the slot by then. Memory that the kernel reads or writes belongs to the owner of the slot
 * and stays until then: that is what closing a stream waits for. */
#ifndef FRESHET_URING_OP_H
#define FRESHET_URING_OP_H

#include <liburing.h>
#include <stdalign.h>
#include <stdatomic.h>

#include "freshet/slice.h"
#include "uring/loop.h"

#define LOOP_RECV_BUFFERS      16u /* a power of two */
#define LOOP_RECV_BUFFER_BYTES 16384u
#define LOOP_RECV_GROUP        0
#define STREAM_OPS             2u /* connect and its time-out; then receive and send */

/* `result` and `flags` are the completion's. With IORING_CQE_F_MORE the operation goes on. */
typedef void op_done(void *owner, int result, uint32_t flags);

struct op {
    op_done *done;
    void *owner;
    uint32_t generation;
    uint32_t next_free;
    bool in_flight;
};

struct loop {
    struct io_uring ring;
    struct op *ops; /* slot 0 is not used */
    uint32_t ops_count;
    uint32_t ops_free; /* first free slot, 0: none */
    uint32_t ops_in_flight;
    bool closing;

    int wake_fd;
    uint64_t wake_op;
    uint64_t wake_count; /* the kernel reads the eventfd into it */

    /* Receiving: a ring of buffers that the kernel fills, or, where it knows none, one a stream. */
    struct io_uring_buf_ring *recv_ring;
    char *recv_memory;
    bool recv_multishot;

    /* The gate. */
    int64_t gate_limit_ns; /* 0: none */
    int64_t gate_turn_ns;  /* when the turn began, by clock_boottime_ns */
    bool gate_shut;
    bool sends_left; /* the kernel may have left some in the submission ring */

    struct stream *streams; /* all, those that are being closed included */
    uint32_t streams_count;
    uint32_t streams_max;
    uint32_t streams_resolving;
    uint32_t streams_sending; /* that have something to send, which the kernel was not given */
    struct watch *watches;
    uint32_t watches_count;
    uint32_t watches_max;

    /* Written by those who wake it too: on a line of its own. */
    alignas(CACHE_LINE) _Atomic bool woken; /* a wake-up is on its way */
};

/* Takes a slot and an entry for the submission ring. The caller prepares the entry and then sets
 * its user_data to *ret_id. */
struct io_uring_sqe *op_begin(struct loop *loop, op_done *done, void *owner, uint64_t *ret_id);

/* Asks the kernel to end it early; its completion comes all the same. */
void op_cancel(struct loop *loop, uint64_t id);

/* Hands the buffer that a completion names back to the kernel. */
void loop_recv_return(struct loop *loop, uint32_t cqe_flags);

static inline struct slice loop_recv_bytes(const struct loop *loop, uint32_t cqe_flags, int len)
{
    uint32_t number = cqe_flags >> IORING_CQE_BUFFER_SHIFT;

    return (struct slice){loop->recv_memory + (size_t)number * LOOP_RECV_BUFFER_BYTES, (size_t)len};
}

/* stream.c: gives the kernel what is to be sent; once a turn while names are being looked up; and
 * what loop_free needs. */
void streams_send(struct loop *loop);
void streams_resolved(struct loop *loop);
void streams_close_all(struct loop *loop);

/* refusal.c: why the kernel does not give a ring. `disabled_path` is the sysctl's file. */
int uring_refusal(int error, const char *disabled_path, struct err *err);

#endif
