#include "uring/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "uring/op.h"
#include "uring/resolve.h"

/* A peer that is gone without a word is found out within half a minute, busy or idle. */
#define KEEPALIVE_IDLE_S     10
#define KEEPALIVE_INTERVAL_S 5
#define KEEPALIVE_PROBES     4
#define UNACKED_MS           30000

#define SEND_MAX             (1u << 30) /* of one send: its length is an int */
#define RECEIVE_MAX          (1u << 30)
#define KEEP_MAX             (1u << 20) /* a buffer that grew beyond is given back once it is sent */

enum stream_state {
    STREAM_RESOLVING,
    STREAM_CONNECTING,
    STREAM_OPEN,
    STREAM_ENDED, /* the owner was told */
    STREAM_CLOSING,
};

struct stream {
    struct loop *loop;
    struct stream *prev;
    struct stream *next;
    const struct stream_events *events;
    void *context;
    enum stream_state state;
    int fd;
    bool calling;  /* inside an event, which may close the stream: freed when it returns */
    bool is_owned; /* the owner has it, or had it */

    /* Connecting. */
    struct resolve *resolve;
    struct addrinfo *addresses; /* all of the name's */
    struct addrinfo *address;   /* that is being tried */
    struct sockaddr_un unix_address;
    struct __kernel_timespec timeout;
    uint64_t connect_op; /* these four: 0 when not in flight */
    uint64_t timeout_op;
    int connect_result;
    bool timed_out;

    uint64_t receive_op;
    bool multishot;       /* the receive in flight */
    char *receive_buffer; /* of another one */
    char *room;           /* of the owner's, likewise */

    uint64_t send_op;
    struct buf sending;
    size_t sent;
    struct buf filling;
    bool flush;
    bool is_sending; /* `sending` waits for the turn's end to be given to the kernel */
};

static void receive_arm(struct stream *stream);
static void connect_next(struct stream *stream);

static void stream_release(struct stream *stream)
{
    struct loop *loop = stream->loop;

    if (stream->calling || stream->connect_op || stream->timeout_op || stream->receive_op ||
        stream->send_op)
        return;
    if (stream->next)
        stream->next->prev = stream->prev;
    *(stream->prev ? &stream->prev->next : &loop->streams) = stream->next;
    loop->streams_count--;
    if (stream->fd >= 0)
        close(stream->fd);
    if (stream->addresses)
        freeaddrinfo(stream->addresses);
    free(stream->receive_buffer);
    buf_free(&stream->sending);
    buf_free(&stream->filling);
    if (stream->events->gone && stream->is_owned)
        stream->events->gone(stream->context);
    free(stream);
}

static void set_sending(struct stream *stream, bool sending)
{
    stream->loop->streams_sending += (uint32_t)sending - (uint32_t)stream->is_sending;
    stream->is_sending = sending;
}

static void end(struct stream *stream, int error)
{
    if (stream->state >= STREAM_ENDED)
        return;
    stream->state = STREAM_ENDED;
    set_sending(stream, false);
    stream->calling = true;
    stream->events->ended(stream->context, error);
    stream->calling = false;
}

/* --- receiving --- */

static void receive_done(void *owner, int result, uint32_t flags)
{
    struct stream *stream = owner;
    struct loop *loop = stream->loop;

    if (!(flags & IORING_CQE_F_MORE))
        stream->receive_op = 0;
    if (result == -EINVAL && stream->multishot && stream->state == STREAM_OPEN) {
        loop->recv_multishot = false; /* the kernel knows buffers but not this: before 6.0 */
        receive_arm(stream);
        return;
    }
    if (result > 0 && stream->state == STREAM_OPEN) {
        struct slice bytes = {stream->room ? stream->room : stream->receive_buffer, (size_t)result};

        if (flags & IORING_CQE_F_BUFFER)
            bytes = loop_recv_bytes(loop, flags, result);
        stream->calling = true;
        stream->events->received(stream->context, bytes);
        stream->calling = false;
    }
    loop_recv_return(loop, flags);
    if (result == 0 || (result < 0 && result != -ENOBUFS && result != -EINTR))
        end(stream, result);
    if (stream->state == STREAM_CLOSING)
        stream_release(stream);
    else if (stream->state == STREAM_OPEN && !stream->receive_op)
        receive_arm(stream);
}

static void receive_arm(struct stream *stream)
{
    struct loop *loop = stream->loop;
    struct io_uring_sqe *sqe = op_begin(loop, receive_done, stream, &stream->receive_op);

    stream->multishot = loop->recv_multishot && !stream->events->room;
    if (stream->events->room) {
        size_t len;

        stream->room = stream->events->room(stream->context, &len);
        io_uring_prep_recv(sqe, stream->fd, stream->room, MIN(len, RECEIVE_MAX), MSG_WAITALL);
    } else if (stream->multishot) {
        io_uring_prep_recv_multishot(sqe, stream->fd, NULL, 0, 0);
        sqe->flags |= IOSQE_BUFFER_SELECT;
        sqe->buf_group = LOOP_RECV_GROUP;
    } else {
        if (!stream->receive_buffer)
            stream->receive_buffer = malloc(LOOP_RECV_BUFFER_BYTES);
        CHECK(stream->receive_buffer);
        io_uring_prep_recv(sqe, stream->fd, stream->receive_buffer, LOOP_RECV_BUFFER_BYTES, 0);
    }
    sqe->user_data = stream->receive_op;
}

/* --- sending --- */

static void buffer_sent(struct stream *stream)
{
    buf_reset(&stream->sending);
    if (stream->sending.cap > KEEP_MAX)
        buf_free(&stream->sending);
    stream->sent = 0;
}

/* Goes on with the buffer under way, or with the other one if that was flushed. */
static void send_next(struct stream *stream)
{
    if (stream->sending.len == 0 && stream->flush) {
        struct buf empty = stream->sending;

        stream->sending = stream->filling;
        stream->filling = empty;
        stream->flush = false;
    }
    set_sending(stream, stream->sending.len > stream->sent);
}

/* There is room again, or an error, of which the next send tells. */
static void room_done(void *owner, int result, uint32_t flags)
{
    struct stream *stream = owner;

    (void)result;
    (void)flags;
    stream->send_op = 0;
    if (stream->state == STREAM_OPEN)
        set_sending(stream, true);
    else if (stream->state == STREAM_CLOSING)
        stream_release(stream);
}

static void room_await(struct stream *stream)
{
    struct io_uring_sqe *sqe = op_begin(stream->loop, room_done, stream, &stream->send_op);

    io_uring_prep_poll_add(sqe, stream->fd, POLLOUT);
    sqe->user_data = stream->send_op;
}

static void send_done(void *owner, int result, uint32_t flags)
{
    struct stream *stream = owner;

    (void)flags;
    stream->send_op = 0;
    if (result >= 0)
        stream->sent += (size_t)result;
    else if (result != -EINTR && result != -EAGAIN)
        end(stream, result);

    if (stream->state == STREAM_OPEN && result == -EAGAIN) {
        room_await(stream);
    } else if (stream->state == STREAM_OPEN) {
        if (stream->sent == stream->sending.len)
            buffer_sent(stream);
        send_next(stream);
        if (!stream->is_sending && stream->events->sent) {
            stream->calling = true;
            stream->events->sent(stream->context);
            stream->calling = false;
        }
    }
    if (stream->state == STREAM_CLOSING)
        stream_release(stream);
}

/* The kernel is not to keep any of it for later, as it does without MSG_DONTWAIT: that would be
 * sent whatever has happened in between. */
static void send_begin(struct stream *stream)
{
    struct io_uring_sqe *sqe = op_begin(stream->loop, send_done, stream, &stream->send_op);
    size_t left = stream->sending.len - stream->sent;

    io_uring_prep_send(sqe, stream->fd, stream->sending.data + stream->sent, MIN(left, SEND_MAX),
                       MSG_NOSIGNAL | MSG_DONTWAIT);
    sqe->user_data = stream->send_op;
    set_sending(stream, false);
}

void streams_send(struct loop *loop)
{
    for (struct stream *stream = loop->streams; loop->streams_sending > 0; stream = stream->next) {
        if (stream->is_sending)
            send_begin(stream);
    }
}

/* --- connecting --- */

static void opened(struct stream *stream)
{
    stream->state = STREAM_OPEN;
    receive_arm(stream);
    send_next(stream);
}

/* Both the connect and its time-out are back. */
static void connect_settled(struct stream *stream)
{
    if (stream->state == STREAM_CLOSING) {
        stream_release(stream);
        return;
    }
    if (stream->connect_result == 0) {
        opened(stream);
        stream->calling = true;
        stream->events->connected(stream->context);
        stream->calling = false;
        if (stream->state == STREAM_CLOSING)
            stream_release(stream);
        return;
    }
    if (stream->timed_out)
        stream->connect_result = -ETIMEDOUT; /* cancelled or interrupted, the kernel says */
    close(stream->fd);
    stream->fd = -1;
    if (stream->address)
        stream->address = stream->address->ai_next;
    connect_next(stream);
}

static void connect_done(void *owner, int result, uint32_t flags)
{
    struct stream *stream = owner;

    (void)flags;
    stream->connect_op = 0;
    stream->connect_result = result;
    if (!stream->timeout_op)
        connect_settled(stream);
}

static void timeout_done(void *owner, int result, uint32_t flags)
{
    struct stream *stream = owner;

    (void)flags;
    stream->timeout_op = 0;
    /* -ETIME, or what came of the attempt to cancel; -ECANCELED: the connect was first. */
    stream->timed_out = result != -ECANCELED;
    if (!stream->connect_op)
        connect_settled(stream);
}

static void set_tcp_options(int fd)
{
    static const struct {
        int level;
        int name;
        int value;
    } options[] = {
        {IPPROTO_TCP, TCP_NODELAY, 1},
        {SOL_SOCKET, SO_KEEPALIVE, 1},
        {IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S},
        {IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S},
        {IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_PROBES},
        {IPPROTO_TCP, TCP_USER_TIMEOUT, UNACKED_MS},
    };

    /* A socket that refuses one works without it. */
    for (size_t i = 0; i < ARRAY_LEN(options); i++)
        setsockopt(fd, options[i].level, options[i].name, &options[i].value, sizeof(int));
}

/* Connects to one address; the time-out is linked, so the kernel watches over it. */
static int connect_begin(struct stream *stream, const struct sockaddr *address, socklen_t len)
{
    stream->fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (stream->fd < 0)
        return -errno;
    if (address->sa_family != AF_UNIX)
        set_tcp_options(stream->fd);
    stream->state = STREAM_CONNECTING;

    struct io_uring_sqe *sqe = op_begin(stream->loop, connect_done, stream, &stream->connect_op);

    io_uring_prep_connect(sqe, stream->fd, address, len);
    sqe->flags |= IOSQE_IO_LINK;
    sqe->user_data = stream->connect_op;

    sqe = op_begin(stream->loop, timeout_done, stream, &stream->timeout_op);
    io_uring_prep_link_timeout(sqe, &stream->timeout, 0);
    sqe->user_data = stream->timeout_op;
    return 0;
}

/* Tries the address at hand, or those behind it; when there is none left, the stream ends with what
 * the last one said. */
static void connect_next(struct stream *stream)
{
    while (stream->address) {
        stream->connect_result = connect_begin(stream, stream->address->ai_addr,
                                               stream->address->ai_addrlen);
        if (stream->connect_result == 0)
            return;
        stream->address = stream->address->ai_next;
    }
    end(stream, stream->connect_result);
    if (stream->state == STREAM_CLOSING)
        stream_release(stream);
}

static void resolved(struct stream *stream)
{
    stream->connect_result = resolve_take(stream->resolve, &stream->addresses);
    stream->resolve = NULL;
    stream->loop->streams_resolving--;
    stream->address = stream->addresses;
    connect_next(stream);
}

static struct stream *find_resolved(struct loop *loop)
{
    struct stream *stream = loop->streams;

    while (stream && !(stream->resolve && resolve_is_done(stream->resolve)))
        stream = stream->next;
    return stream;
}

void streams_resolved(struct loop *loop)
{
    struct stream *stream;

    /* From the start each time: an event may have closed any of them. */
    while ((stream = find_resolved(loop)))
        resolved(stream);
}

/* --- the owner's side --- */

static struct stream *stream_new(struct loop *loop, const struct stream_events *events,
                                 void *context)
{
    if (loop->streams_count == loop->streams_max)
        return NULL;
    struct stream *stream = calloc(1, sizeof(*stream));

    CHECK(stream);
    stream->loop = loop;
    stream->events = events;
    stream->context = context;
    stream->fd = -1;
    stream->next = loop->streams;
    if (stream->next)
        stream->next->prev = stream;
    loop->streams = stream;
    loop->streams_count++;
    return stream;
}

static int connect_unix(struct stream *stream, const char *path)
{
    struct sockaddr_un *address = &stream->unix_address;

    if (strlen(path) >= sizeof(address->sun_path))
        return -ENAMETOOLONG;
    address->sun_family = AF_UNIX;
    memcpy(address->sun_path, path, strlen(path) + 1);
    return connect_begin(stream, (struct sockaddr *)address, sizeof(*address));
}

static int connect_tcp(struct stream *stream, const char *host, uint16_t port)
{
    if (resolve_address(host, port, &stream->addresses) == 0) {
        stream->address = stream->addresses;
        return connect_begin(stream, stream->address->ai_addr, stream->address->ai_addrlen);
    }
    int error = resolve_begin(host, port, stream->loop->wake_fd, &stream->resolve);

    if (error < 0)
        return error;
    stream->state = STREAM_RESOLVING;
    stream->loop->streams_resolving++;
    return 0;
}

int stream_connect(struct loop *loop, const struct stream_target *target, int64_t timeout_ns,
                   const struct stream_events *events, void *context, struct stream **ret)
{
    struct stream *stream = stream_new(loop, events, context);

    if (!stream)
        return -ENOSPC;
    stream->timeout = (struct __kernel_timespec){timeout_ns / NS_PER_S, timeout_ns % NS_PER_S};
    int error = target->kind == STREAM_UNIX ? connect_unix(stream, target->path)
                                            : connect_tcp(stream, target->host, target->port);

    if (error < 0) {
        stream_release(stream);
        return error;
    }
    stream->is_owned = true;
    *ret = stream;
    return 0;
}

int stream_adopt(struct loop *loop, int fd, const struct stream_events *events, void *context,
                 struct stream **ret)
{
    struct stream *stream = stream_new(loop, events, context);

    if (!stream)
        return -ENOSPC;
    stream->fd = fd;
    /* Else the kernel would answer EAGAIN instead of waiting. */
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
    stream->is_owned = true;
    opened(stream);
    *ret = stream;
    return 0;
}

struct buf *stream_out(struct stream *stream)
{
    return &stream->filling;
}

void stream_flush(struct stream *stream)
{
    if (stream->filling.len == 0)
        return;
    stream->flush = true;
    if (stream->state == STREAM_OPEN && !stream->send_op && !stream->is_sending)
        send_next(stream);
}

size_t stream_unsent(const struct stream *stream)
{
    return stream->sending.len - stream->sent + stream->filling.len;
}

void stream_close(struct stream *stream)
{
    if (!stream)
        return;
    uint64_t ops[] = {stream->connect_op, stream->receive_op, stream->send_op};

    stream->state = STREAM_CLOSING;
    set_sending(stream, false);
    if (stream->resolve) {
        resolve_drop(stream->resolve);
        stream->resolve = NULL;
        stream->loop->streams_resolving--;
    }
    for (size_t i = 0; i < ARRAY_LEN(ops); i++) {
        if (ops[i])
            op_cancel(stream->loop, ops[i]);
    }
    stream_release(stream);
}

void streams_close_all(struct loop *loop)
{
    struct stream *next;

    for (struct stream *stream = loop->streams; stream; stream = next) {
        next = stream->next;
        if (stream->state != STREAM_CLOSING)
            stream_close(stream);
    }
}
