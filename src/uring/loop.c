#include "uring/loop.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/lines.h"
#include "uring/op.h"

#define DISABLED_PATH "/proc/sys/kernel/io_uring_disabled"

struct watch {
    struct loop *loop;
    struct watch *prev;
    struct watch *next;
    watch_ready *ready;
    void *context;
    uint64_t op; /* 0: none in flight */
    int fd;
    bool calling; /* inside `ready`: freed when that returns */
    bool closing;
};

struct io_uring_sqe *op_begin(struct loop *loop, op_done *done, void *owner, uint64_t *ret_id)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&loop->ring);
    uint32_t slot = loop->ops_free;

    /* Both are sized for all that the streams and watches of this loop can have in flight. */
    CHECK(sqe);
    CHECK(slot);
    struct op *op = &loop->ops[slot];

    loop->ops_free = op->next_free;
    loop->ops_in_flight++;
    op->done = done;
    op->owner = owner;
    op->in_flight = true;
    *ret_id = (uint64_t)op->generation << 32 | slot;
    return sqe;
}

void op_cancel(struct loop *loop, uint64_t id)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&loop->ring);

    CHECK(sqe);
    io_uring_prep_cancel64(sqe, id, 0);
    sqe->user_data = 0;
}

static void op_complete(struct loop *loop, uint64_t id, int result, uint32_t flags)
{
    uint32_t slot = (uint32_t)id;

    if (slot == 0)
        return; /* a cancellation's own answer */
    CHECK(slot < loop->ops_count);
    struct op *op = &loop->ops[slot];

    if (!op->in_flight || op->generation != id >> 32) {
        loop_recv_return(loop, flags);
        return;
    }
    op_done *done = op->done;
    void *owner = op->owner;

    if (!(flags & IORING_CQE_F_MORE)) {
        op->in_flight = false;
        op->generation++;
        op->next_free = loop->ops_free;
        loop->ops_free = slot;
        loop->ops_in_flight--;
    }
    done(owner, result, flags);
}

void loop_recv_return(struct loop *loop, uint32_t cqe_flags)
{
    if (!(cqe_flags & IORING_CQE_F_BUFFER))
        return;
    uint32_t number = cqe_flags >> IORING_CQE_BUFFER_SHIFT;

    io_uring_buf_ring_add(loop->recv_ring,
                          loop->recv_memory + (size_t)number * LOOP_RECV_BUFFER_BYTES,
                          LOOP_RECV_BUFFER_BYTES, (unsigned short)number,
                          io_uring_buf_ring_mask(LOOP_RECV_BUFFERS), 0);
    io_uring_buf_ring_advance(loop->recv_ring, 1);
}

/* Not having them costs speed, not function: old kernels get a plain receive per stream. */
static void recv_ring_create(struct loop *loop)
{
    size_t ring_bytes = LOOP_RECV_BUFFERS * sizeof(struct io_uring_buf);
    size_t bytes = ring_bytes + (size_t)LOOP_RECV_BUFFERS * LOOP_RECV_BUFFER_BYTES;
    char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED)
        return;
    struct io_uring_buf_reg registration = {
        .ring_addr = (uintptr_t)memory,
        .ring_entries = LOOP_RECV_BUFFERS,
        .bgid = LOOP_RECV_GROUP,
    };

    if (io_uring_register_buf_ring(&loop->ring, &registration, 0) < 0) {
        munmap(memory, bytes);
        return;
    }
    loop->recv_ring = (struct io_uring_buf_ring *)memory;
    loop->recv_memory = memory + ring_bytes;
    loop->recv_multishot = true;
    io_uring_buf_ring_init(loop->recv_ring);
    for (uint32_t i = 0; i < LOOP_RECV_BUFFERS; i++)
        loop_recv_return(loop, IORING_CQE_F_BUFFER | i << IORING_CQE_BUFFER_SHIFT);
}

static void recv_ring_free(struct loop *loop)
{
    size_t ring_bytes = LOOP_RECV_BUFFERS * sizeof(struct io_uring_buf);

    if (loop->recv_ring)
        munmap(loop->recv_ring, ring_bytes + (size_t)LOOP_RECV_BUFFERS * LOOP_RECV_BUFFER_BYTES);
}

/* From the best to what every kernel has that can wait with a time-out. */
static const unsigned setup_flags[] = {
    /* Completion work is done when the owner asks for it, by the owner: Linux 6.1. */
    IORING_SETUP_SUBMIT_ALL | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
        IORING_SETUP_TASKRUN_FLAG,
    IORING_SETUP_SUBMIT_ALL | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
    0,
};

static int ring_create(struct loop *loop, bool plain)
{
    /* Between two submissions a slot is begun once and cancelled once at the most. */
    unsigned entries = loop->ops_count * 2;

    for (size_t i = plain ? ARRAY_LEN(setup_flags) - 1 : 0; i < ARRAY_LEN(setup_flags); i++) {
        struct io_uring_params params = {
            .flags = setup_flags[i] | IORING_SETUP_CQSIZE,
            .cq_entries = entries * 2 + LOOP_RECV_BUFFERS,
        };
        int error = io_uring_queue_init_params(entries, &loop->ring, &params);

        if (error == -EINVAL)
            continue;
        if (error < 0)
            return error;
        if (!(params.features & IORING_FEAT_EXT_ARG)) {
            io_uring_queue_exit(&loop->ring);
            return -EINVAL;
        }
        return 0;
    }
    return -EINVAL;
}

static void ops_create(struct loop *loop)
{
    loop->ops_count = 1 + 1 + loop->watches_max + loop->streams_max * STREAM_OPS;
    loop->ops = calloc(loop->ops_count, sizeof(*loop->ops));
    CHECK(loop->ops);
    for (uint32_t i = loop->ops_count - 1; i > 0; i--) {
        loop->ops[i].next_free = loop->ops_free;
        loop->ops_free = i;
    }
}

static void wake_arm(struct loop *loop);

static void wake_done(void *owner, int result, uint32_t flags)
{
    struct loop *loop = owner;

    (void)flags;
    if (loop->closing)
        return;
    CHECK(result == sizeof(loop->wake_count) || result == -EINTR);
    /* Before the owner looks at what it was woken for: a wake-up from now on writes again. */
    atomic_exchange_explicit(&loop->woken, false, memory_order_acq_rel);
    wake_arm(loop);
}

static void wake_arm(struct loop *loop)
{
    struct io_uring_sqe *sqe = op_begin(loop, wake_done, loop, &loop->wake_op);

    io_uring_prep_read(sqe, loop->wake_fd, &loop->wake_count, sizeof(loop->wake_count), 0);
    sqe->user_data = loop->wake_op;
}

int loop_create(const struct loop_options *options, struct loop **ret, struct err *err)
{
    struct loop *loop = lines_calloc(1, sizeof(*loop));
    int error;

    loop->streams_max = options->streams_max;
    loop->watches_max = options->watches_max;
    ops_create(loop);
    /* Blocking, as far as read(2) would be: the kernel then waits instead of answering EAGAIN. */
    loop->wake_fd = eventfd(0, EFD_CLOEXEC);
    if (loop->wake_fd < 0) {
        error = uring_refusal(-errno, DISABLED_PATH, err);
        goto fail;
    }
    error = ring_create(loop, options->plain);
    if (error < 0) {
        uring_refusal(error, DISABLED_PATH, err);
        goto fail;
    }
    if (!options->plain)
        recv_ring_create(loop);
    /* Saves the kernel a look-up per turn; where it can't, nothing is lost. */
    io_uring_register_ring_fd(&loop->ring);
    wake_arm(loop);
    /* Shows that the ring may be entered too: filters name each system call. */
    error = io_uring_submit(&loop->ring);
    if (error < 0) {
        uring_refusal(error, DISABLED_PATH, err);
        io_uring_queue_exit(&loop->ring);
        recv_ring_free(loop);
        goto fail;
    }
    *ret = loop;
    return 0;

fail:
    if (loop->wake_fd >= 0)
        close(loop->wake_fd);
    free(loop->ops);
    free(loop);
    return error;
}

void loop_free(struct loop *loop)
{
    if (!loop)
        return;
    loop->closing = true;
    streams_close_all(loop);
    while (loop->watches)
        watch_free(loop->watches);
    op_cancel(loop, loop->wake_op);
    while (loop->ops_in_flight > 0)
        CHECK(loop_run(loop, NS_PER_S) >= 0);
    io_uring_queue_exit(&loop->ring);
    recv_ring_free(loop);
    close(loop->wake_fd);
    free(loop->ops);
    free(loop);
}

/* --- the gate --- */

void loop_gate_limit(struct loop *loop, int64_t limit_ns)
{
    loop->gate_limit_ns = limit_ns;
    loop_gate_open(loop);
}

void loop_gate_open(struct loop *loop)
{
    loop->gate_shut = false;
    loop->gate_turn_ns = clock_boottime_ns();
}

static bool gate_is_open(struct loop *loop, int64_t now_ns)
{
    if (loop->gate_limit_ns > 0 && now_ns - loop->gate_turn_ns >= loop->gate_limit_ns)
        loop->gate_shut = true;
    return !loop->gate_shut;
}

bool loop_gate_turn(struct loop *loop)
{
    int64_t now_ns = clock_boottime_ns();
    bool is_open = gate_is_open(loop, now_ns);

    loop->gate_turn_ns = now_ns;
    return is_open;
}

/* What the kernel did not take of an earlier turn's is not to be sent now: it is done nothing,
 * after which the streams have it to send. */
static void sends_withdraw(struct loop *loop)
{
    struct io_uring_sq *sq = &loop->ring.sq;

    for (unsigned at = *sq->khead; at != sq->sqe_tail; at++) {
        struct io_uring_sqe *sqe = &sq->sqes[at & sq->ring_mask];
        uint64_t id = sqe->user_data;

        if (sqe->opcode != IORING_OP_SEND)
            continue;
        io_uring_prep_nop(sqe);
        sqe->user_data = id;
    }
}

static void sends_give(struct loop *loop)
{
    if (loop->streams_sending == 0 && !loop->sends_left)
        return;
    if (gate_is_open(loop, clock_boottime_ns()))
        streams_send(loop);
    else if (loop->sends_left)
        sends_withdraw(loop);
}

static int submit_and_wait(struct loop *loop, int64_t timeout_ns)
{
    struct io_uring *ring = &loop->ring;
    struct io_uring_cqe *cqe;

    if (timeout_ns != 0) {
        struct __kernel_timespec timeout = {timeout_ns / NS_PER_S, timeout_ns % NS_PER_S};

        return io_uring_submit_and_wait_timeout(ring, &cqe, 1, timeout_ns > 0 ? &timeout : NULL,
                                                NULL);
    }
    unsigned flags = IO_URING_READ_ONCE(*ring->sq.kflags);

    if (io_uring_sq_ready(ring) > 0 || flags & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW))
        return io_uring_submit_and_get_events(ring);
    return 0;
}

int loop_run(struct loop *loop, int64_t timeout_ns)
{
    struct io_uring_cqe *cqe;
    int handled = 0;

    sends_give(loop);
    int error = submit_and_wait(loop, timeout_ns);

    loop->sends_left = io_uring_sq_ready(&loop->ring) > 0;
    switch (error < 0 ? -error : 0) {
    case 0:
    case ETIME:
    case EINTR:
    case EAGAIN: /* the kernel is short of something for now: what is queued stays queued */
    case EBUSY:
        break;
    default:
        return error;
    }
    /* Only those that are here by now: what the callbacks start has its turn in the next one. */
    for (unsigned left = io_uring_cq_ready(&loop->ring); left > 0; left--) {
        CHECK(io_uring_peek_cqe(&loop->ring, &cqe) == 0);
        uint64_t id = cqe->user_data;
        int result = cqe->res;
        uint32_t flags = cqe->flags;

        io_uring_cqe_seen(&loop->ring, cqe);
        op_complete(loop, id, result, flags);
        handled++;
    }
    if (loop->streams_resolving > 0)
        streams_resolved(loop);
    return handled;
}

void loop_wake(struct loop *loop)
{
    const uint64_t one = 1;

    if (atomic_exchange_explicit(&loop->woken, true, memory_order_acq_rel))
        return;
    /* Cannot fail: the counter would have to be full. */
    CHECK(write(loop->wake_fd, &one, sizeof(one)) == sizeof(one));
}

int loop_wake_fd(const struct loop *loop)
{
    return loop->wake_fd;
}

static void watch_release(struct watch *watch)
{
    struct loop *loop = watch->loop;

    if (watch->op || watch->calling)
        return;
    loop->watches_count--;
    free(watch);
}

static void watch_arm(struct watch *watch);

static void watch_done(void *owner, int result, uint32_t flags)
{
    struct watch *watch = owner;

    (void)flags;
    watch->op = 0;
    if (!watch->closing) {
        watch->calling = true;
        watch->ready(watch->context, result);
        watch->calling = false;
    }
    if (watch->closing)
        watch_release(watch);
    else if (result >= 0)
        watch_arm(watch);
}

/* One event each time: arming it anew looks at the fd again, so that a callback that left something
 * to read is called again. A multishot poll would tell of news only. */
static void watch_arm(struct watch *watch)
{
    struct io_uring_sqe *sqe = op_begin(watch->loop, watch_done, watch, &watch->op);

    io_uring_prep_poll_add(sqe, watch->fd, POLLIN);
    sqe->user_data = watch->op;
}

int watch_create(struct loop *loop, int fd, watch_ready *ready, void *context, struct watch **ret)
{
    if (loop->watches_count == loop->watches_max)
        return -ENOSPC;
    struct watch *watch = calloc(1, sizeof(*watch));

    CHECK(watch);
    watch->loop = loop;
    watch->fd = fd;
    watch->ready = ready;
    watch->context = context;
    watch->next = loop->watches;
    if (watch->next)
        watch->next->prev = watch;
    loop->watches = watch;
    loop->watches_count++;
    watch_arm(watch);
    *ret = watch;
    return 0;
}

void watch_free(struct watch *watch)
{
    if (!watch)
        return;
    if (watch->next)
        watch->next->prev = watch->prev;
    *(watch->prev ? &watch->prev->next : &watch->loop->watches) = watch->next;
    watch->closing = true;
    if (watch->op)
        op_cancel(watch->loop, watch->op);
    watch_release(watch);
}
