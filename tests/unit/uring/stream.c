#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/hash.h"
#include "uring/op.h"
#include "uring/stream.h"

#define STREAMS_MAX 4

/* What became of a stream. */
struct seen {
    struct stream *stream;
    int connected;
    int sent;
    int ended;
    int error;
    struct buf received;
    bool close_in_connected;
    bool close_in_received;
    bool close_in_sent;
    bool close_in_ended;
};

static void close_if(struct seen *seen, bool wanted)
{
    if (wanted) {
        stream_close(seen->stream);
        seen->stream = NULL;
    }
}

static void on_connected(void *context)
{
    struct seen *seen = context;

    seen->connected++;
    close_if(seen, seen->close_in_connected);
}

static void on_received(void *context, struct slice bytes)
{
    struct seen *seen = context;

    assert_non_null(seen->stream);
    buf_append_slice(&seen->received, bytes);
    close_if(seen, seen->close_in_received);
}

static void on_sent(void *context)
{
    struct seen *seen = context;

    seen->sent++;
    assert_int_equal(stream_unsent(seen->stream), 0);
    close_if(seen, seen->close_in_sent);
}

static void on_ended(void *context, int error)
{
    struct seen *seen = context;

    seen->ended++;
    seen->error = error;
    close_if(seen, seen->close_in_ended);
}

static const struct stream_events events = {on_connected, on_received, on_sent,
                                            on_ended,     NULL,        NULL};

static struct loop *create(bool plain)
{
    struct loop_options options = {.streams_max = STREAMS_MAX, .watches_max = 1, .plain = plain};
    struct loop *loop;
    struct err err;

    if (loop_create(&options, &loop, &err) < 0)
        fail_msg("%s", err.text);
    return loop;
}

static void run(struct loop *loop)
{
    assert_true(loop_run(loop, 10 * NS_PER_MS) >= 0);
}

#define RUN_UNTIL(loop, condition)                                                                 \
    do {                                                                                           \
        int64_t give_up_ns = clock_monotonic_ns() + 20 * NS_PER_S;                                 \
        while (!(condition)) {                                                                     \
            if (clock_monotonic_ns() > give_up_ns)                                                 \
                fail_msg("never came true: %s", #condition);                                       \
            run(loop);                                                                             \
        }                                                                                          \
    } while (0)

/* Adopts one end; the other is returned, non-blocking, with small buffers on both. */
static int adopt_pair(struct loop *loop, struct seen *seen)
{
    int small = 4096;
    int ends[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
    setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
    assert_int_equal(stream_adopt(loop, ends[0], &events, seen, &seen->stream), 0);
    return ends[1];
}

static void done(struct loop *loop, struct seen *seen)
{
    stream_close(seen->stream);
    loop_free(loop);
    buf_free(&seen->received);
}

/* --- listeners --- */

static int listen_unix(int backlog, char path[64])
{
    static int number;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    snprintf(path, 64, "/tmp/freshet-stream-%d-%d", getpid(), number++);
    memcpy(address.sun_path, path, strlen(path));
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, backlog), 0);
    return fd;
}

static int listen_tcp(int backlog, uint16_t *ret_port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, backlog), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    *ret_port = ntohs(address.sin_port);
    return fd;
}

static int accept_one(int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);

    assert_true(fd >= 0);
    return fd;
}

/* --- data --- */

static char byte_at(size_t position)
{
    return (char)hash64_int(position / 7);
}

static void append_pattern(struct buf *out, size_t *position, size_t len)
{
    for (size_t i = 0; i < len; i++)
        buf_append_char(out, byte_at((*position)++));
}

static void check_pattern(const char *bytes, size_t len, size_t *position)
{
    for (size_t i = 0; i < len; i++, (*position)++) {
        if (bytes[i] != byte_at(*position))
            fail_msg("byte %zu differs", *position);
    }
}

static void short_sends_keep_bytes_and_order(void **state)
{
    (void)state;
    for (int plain = 0; plain < 2; plain++) {
        struct loop *loop = create(plain);
        struct seen seen = {0};
        int peer = adopt_pair(loop, &seen);
        size_t total = 5 << 20;
        size_t appended = 0;
        size_t taken = 0;
        char bytes[10007];

        while (taken < total) {
            /* Appended while the other buffer is on its way. */
            if (appended < total && stream_out(seen.stream)->len < 100000) {
                append_pattern(stream_out(seen.stream), &appended, MIN(30011, total - appended));
                stream_flush(seen.stream);
            }
            assert_true(loop_run(loop, 0) >= 0);
            ssize_t len = read(peer, bytes, sizeof(bytes));
            if (len > 0)
                check_pattern(bytes, (size_t)len, &taken);
        }
        RUN_UNTIL(loop, seen.sent > 0);
        assert_int_equal(seen.ended, 0);
        close(peer);
        done(loop, &seen);
    }
}

static void bytes_wait_for_the_flush(void **state)
{
    (void)state;
    struct loop *loop = create(false);
    struct seen seen = {0};
    int peer = adopt_pair(loop, &seen);
    char bytes[16];

    buf_append(stream_out(seen.stream), "one", 3);
    run(loop);
    assert_int_equal(read(peer, bytes, sizeof(bytes)), -1);
    assert_int_equal(stream_unsent(seen.stream), 3);
    stream_flush(seen.stream);
    RUN_UNTIL(loop, seen.sent == 1);
    assert_int_equal(read(peer, bytes, sizeof(bytes)), 3);
    stream_flush(seen.stream); /* of nothing */
    run(loop);
    assert_int_equal(seen.sent, 1);
    close(peer);
    done(loop, &seen);
}

/* More than all provided buffers hold arrives between two turns: the kernel ends the multishot
 * receive for want of buffers, and it is armed anew. */
static void receiving_goes_on_after_the_buffers_ran_out(void **state)
{
    (void)state;
    for (int plain = 0; plain < 2; plain++) {
        struct loop *loop = create(plain);
        struct seen seen = {0};
        int peer = adopt_pair(loop, &seen);
        int large = 4 << 20;
        size_t total = 3 << 20;
        size_t written = 0;
        size_t checked = 0;
        struct buf data = {0};

        assert_int_equal(setsockopt(peer, SOL_SOCKET, SO_SNDBUFFORCE, &large, sizeof(large)) &&
                             setsockopt(peer, SOL_SOCKET, SO_SNDBUF, &large, sizeof(large)),
                         0);
        append_pattern(&data, &written, total);
        for (size_t at = 0; at < total;) {
            ssize_t len = write(peer, data.data + at, total - at);
            if (len > 0)
                at += (size_t)len;
            else
                run(loop);
        }
        RUN_UNTIL(loop, seen.received.len == total);
        check_pattern(seen.received.data, total, &checked);
        buf_free(&data);
        close(peer);
        done(loop, &seen);
    }
}

/* --- endings --- */

static void the_peer_closes_in_order(void **state)
{
    (void)state;
    for (int plain = 0; plain < 2; plain++) {
        struct loop *loop = create(plain);
        struct seen seen = {0};
        int peer = adopt_pair(loop, &seen);

        assert_int_equal(write(peer, "bye", 3), 3);
        close(peer);
        RUN_UNTIL(loop, seen.ended);
        assert_int_equal(seen.error, 0);
        assert_int_equal(seen.received.len, 3);
        buf_append(stream_out(seen.stream), "late", 4);
        stream_flush(seen.stream); /* goes nowhere, harms nobody */
        run(loop);
        assert_int_equal(seen.ended, 1);
        done(loop, &seen);
    }
}

static void the_peer_closes_in_the_middle_of_a_send(void **state)
{
    (void)state;
    struct loop *loop = create(false);
    struct seen seen = {0};
    int peer = adopt_pair(loop, &seen);
    size_t appended = 0;
    char bytes[1000];

    append_pattern(stream_out(seen.stream), &appended, 1 << 20);
    stream_flush(seen.stream);
    run(loop);
    assert_int_equal(read(peer, bytes, sizeof(bytes)), sizeof(bytes));
    close(peer);
    RUN_UNTIL(loop, seen.ended);
    run(loop);
    assert_int_equal(seen.ended, 1);
    assert_int_equal(seen.sent, 0);
    done(loop, &seen);
}

static void assert_all_given_back(struct loop *loop)
{
    RUN_UNTIL(loop, loop->streams_count == 0);
    assert_int_equal(loop->ops_in_flight, 1); /* the wake-up's read */
}

static void closing_with_everything_in_flight_is_silent(void **state)
{
    (void)state;
    for (int plain = 0; plain < 2; plain++) {
        struct loop *loop = create(plain);
        struct seen seen = {0};
        int peer = adopt_pair(loop, &seen);
        size_t appended = 0;

        append_pattern(stream_out(seen.stream), &appended, 1 << 20);
        stream_flush(seen.stream);
        run(loop);
        assert_int_equal(write(peer, "unseen", 6), 6);
        stream_close(seen.stream);
        seen.stream = NULL;
        assert_int_equal(loop->streams_count, 1); /* the kernel still has it */
        assert_all_given_back(loop);
        assert_int_equal(seen.ended + seen.sent + (int)seen.received.len, 0);
        close(peer);
        done(loop, &seen);
    }
}

static void streams_may_be_closed_in_their_events(void **state)
{
    (void)state;
    for (int plain = 0; plain < 2; plain++) {
        struct loop *loop = create(plain);
        struct seen in_received = {.close_in_received = true};
        struct seen in_sent = {.close_in_sent = true};
        struct seen in_ended = {.close_in_ended = true};
        int first = adopt_pair(loop, &in_received);
        int second = adopt_pair(loop, &in_sent);
        int third = adopt_pair(loop, &in_ended);

        assert_int_equal(write(first, "a", 1), 1);
        buf_append(stream_out(in_sent.stream), "b", 1);
        stream_flush(in_sent.stream);
        close(third);
        RUN_UNTIL(loop, in_received.received.len && in_sent.sent && in_ended.ended);
        assert_all_given_back(loop);
        assert_int_equal(in_received.ended + in_sent.ended, 0);
        close(first);
        close(second);
        buf_free(&in_received.received);
        loop_free(loop);
    }
}

static void there_are_only_so_many_streams(void **state)
{
    (void)state;
    struct loop *loop = create(false);
    struct seen seen[STREAMS_MAX] = {0};
    struct stream *more;
    int peers[STREAMS_MAX];
    int spare[2];

    for (int i = 0; i < STREAMS_MAX; i++)
        peers[i] = adopt_pair(loop, &seen[i]);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, spare), 0);
    assert_int_equal(stream_adopt(loop, spare[0], &events, NULL, &more), -ENOSPC);
    stream_close(seen[0].stream);
    run(loop);
    seen[0].stream = NULL;
    assert_int_equal(stream_adopt(loop, spare[0], &events, NULL, &more), 0);
    loop_free(loop); /* with all of them open */
    for (int i = 0; i < STREAMS_MAX; i++)
        close(peers[i]);
    close(spare[1]);
}

/* --- connecting --- */

static void connects_and_talks(const struct stream_target *target, int listener)
{
    for (int plain = 0; plain < 2; plain++) {
        struct loop *loop = create(plain);
        struct seen seen = {0};
        char bytes[16];

        assert_int_equal(stream_connect(loop, target, NS_PER_S, &events, &seen, &seen.stream), 0);
        buf_append(stream_out(seen.stream), "hello", 5); /* before there is a connection */
        stream_flush(seen.stream);
        RUN_UNTIL(loop, seen.connected || seen.ended);
        assert_int_equal(seen.error, 0);
        int peer = accept_one(listener);

        RUN_UNTIL(loop, seen.sent);
        assert_int_equal(read(peer, bytes, sizeof(bytes)), 5);
        assert_int_equal(write(peer, "welcome", 7), 7);
        RUN_UNTIL(loop, seen.received.len == 7);
        close(peer);
        RUN_UNTIL(loop, seen.ended);
        done(loop, &seen);
    }
}

static void connects_by_path(void **state)
{
    (void)state;
    char path[64];
    int listener = listen_unix(4, path);
    struct stream_target target = {.kind = STREAM_UNIX, .path = path};

    connects_and_talks(&target, listener);
    close(listener);
    unlink(path);
}

static void connects_by_address_and_by_name(void **state)
{
    (void)state;
    struct stream_target target = {.kind = STREAM_TCP, .host = "127.0.0.1"};
    int listener = listen_tcp(4, &target.port);

    connects_and_talks(&target, listener);
    /* The name may stand for ::1 first, where nobody listens. */
    target.host = "localhost";
    connects_and_talks(&target, listener);
    close(listener);
}

static void end_of_connect(const struct stream_target *target, int error)
{
    struct loop *loop = create(false);
    struct seen seen = {.close_in_ended = error == -ECONNREFUSED};

    assert_int_equal(stream_connect(loop, target, 50 * NS_PER_MS, &events, &seen, &seen.stream), 0);
    RUN_UNTIL(loop, seen.ended);
    assert_int_equal(seen.error, error);
    assert_int_equal(seen.connected, 0);
    stream_close(seen.stream);
    seen.stream = NULL;
    assert_all_given_back(loop);
    done(loop, &seen);
}

static void a_refused_connection_ends(void **state)
{
    (void)state;
    struct stream_target tcp = {.kind = STREAM_TCP, .host = "127.0.0.1"};
    struct stream_target unix_path = {.kind = STREAM_UNIX, .path = "/tmp/freshet-nobody-listens"};
    struct stream_target name = {.kind = STREAM_TCP, .host = "no-such-host.invalid", .port = 1};
    char too_long[200];

    close(listen_tcp(1, &tcp.port));
    end_of_connect(&tcp, -ECONNREFUSED);
    tcp.host = "localhost";
    end_of_connect(&tcp, -ECONNREFUSED);
    end_of_connect(&unix_path, -ENOENT);
    end_of_connect(&name, -EHOSTUNREACH);

    memset(too_long, 'x', sizeof(too_long) - 1);
    too_long[sizeof(too_long) - 1] = '\0';
    unix_path.path = too_long;
    struct loop *loop = create(false);
    struct stream *stream;

    assert_int_equal(stream_connect(loop, &unix_path, NS_PER_S, &events, NULL, &stream),
                     -ENAMETOOLONG);
    assert_int_equal(loop->streams_count, 0);
    loop_free(loop);
}

/* Connects without blocking until the listener's backlog is full. */
static int fill_backlog(const struct sockaddr *address, socklen_t len, int fds[16])
{
    int count = 0;
    int error = 0;

    while (!error && count < 16) {
        fds[count] = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
        error = connect(fds[count++], address, len);
        if (error && errno == EINPROGRESS) {
            struct pollfd poll_fd = {.fd = fds[count - 1], .events = POLLOUT};

            error = poll(&poll_fd, 1, 50) != 1; /* else it has its place in the backlog */
        }
    }
    assert_true(error);
    return count;
}

static void a_full_backlog_times_out(void **state)
{
    (void)state;
    struct stream_target tcp = {.kind = STREAM_TCP, .host = "127.0.0.1"};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_un unix_address = {.sun_family = AF_UNIX};
    int fds[16];
    int listener = listen_tcp(0, &tcp.port);

    address.sin_port = htons(tcp.port);
    int count = fill_backlog((struct sockaddr *)&address, sizeof(address), fds);
    end_of_connect(&tcp, -ETIMEDOUT);
    for (int i = 0; i < count; i++)
        close(fds[i]);
    close(listener);

    char path[64];
    struct stream_target unix_path = {.kind = STREAM_UNIX, .path = path};

    listener = listen_unix(0, path);
    memcpy(unix_address.sun_path, path, strlen(path));
    count = fill_backlog((struct sockaddr *)&unix_address, sizeof(unix_address), fds);
    end_of_connect(&unix_path, -ETIMEDOUT);
    for (int i = 0; i < count; i++)
        close(fds[i]);
    close(listener);
    unlink(path);
}

static void closing_while_connecting_is_silent(void **state)
{
    (void)state;
    struct stream_target tcp = {.kind = STREAM_TCP, .host = "127.0.0.1"};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct loop *loop = create(false);
    struct seen seen = {.close_in_connected = true};
    int listener = listen_tcp(0, &tcp.port);
    int fds[16];

    assert_int_equal(stream_connect(loop, &tcp, NS_PER_S, &events, &seen, &seen.stream), 0);
    RUN_UNTIL(loop, seen.connected);
    assert_all_given_back(loop);
    seen = (struct seen){0};

    address.sin_port = htons(tcp.port);
    int count = fill_backlog((struct sockaddr *)&address, sizeof(address), fds);
    for (int turns = 0; turns < 2; turns++) { /* before and after the kernel knows of it */
        assert_int_equal(stream_connect(loop, &tcp, NS_PER_S, &events, &seen, &seen.stream), 0);
        if (turns)
            run(loop);
        stream_close(seen.stream);
        seen.stream = NULL;
        assert_all_given_back(loop);
    }
    tcp.host = "localhost"; /* while the name is looked up */
    assert_int_equal(stream_connect(loop, &tcp, NS_PER_S, &events, &seen, &seen.stream), 0);
    stream_close(seen.stream);
    assert_int_equal(loop->streams_resolving, 0);
    assert_int_equal(stream_connect(loop, &tcp, NS_PER_S, &events, &seen, &seen.stream), 0);
    loop_free(loop);
    assert_int_equal(seen.connected + seen.ended, 0);
    for (int i = 0; i < count; i++)
        close(fds[i]);
    close(listener);
}

/* This process's socket that is connected to the port. */
static int socket_to(uint16_t port)
{
    for (int fd = 3; fd < 256; fd++) {
        struct sockaddr_in peer;
        socklen_t len = sizeof(peer);

        if (getpeername(fd, (struct sockaddr *)&peer, &len) == 0 && peer.sin_family == AF_INET &&
            ntohs(peer.sin_port) == port)
            return fd;
    }
    return -1;
}

static void a_tcp_stream_does_not_delay(void **state)
{
    (void)state;
    struct stream_target tcp = {.kind = STREAM_TCP, .host = "127.0.0.1"};
    struct loop *loop = create(false);
    struct seen seen = {0};
    int listener = listen_tcp(1, &tcp.port);
    int value = 0;
    socklen_t len = sizeof(value);

    assert_int_equal(stream_connect(loop, &tcp, NS_PER_S, &events, &seen, &seen.stream), 0);
    RUN_UNTIL(loop, seen.connected);
    int fd = socket_to(tcp.port);

    assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &value, &len), 0);
    assert_int_equal(value, 1);
    assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &value, &len), 0);
    assert_int_equal(value, 1);
    close(listener);
    done(loop, &seen);
}

/* --- into the owner's memory --- */

#define ROOM_MAX 70000

/* Freed when the kernel has let go of it, so that a sanitizer tells if that is too early. */
struct taker {
    struct seen seen;
    char *room;
    size_t asked;
    size_t position; /* of the pattern */
    int *gone;
};

static char *on_room(void *context, size_t *ret_len)
{
    struct taker *taker = context;

    free(taker->room);
    *ret_len = taker->asked = 1 + (size_t)(hash64_int(taker->position) % ROOM_MAX);
    taker->room = malloc(taker->asked);
    return taker->room;
}

static void on_taken(void *context, struct slice bytes)
{
    struct taker *taker = context;

    assert_ptr_equal(bytes.data, taker->room);
    assert_true(bytes.len >= 1 && bytes.len <= taker->asked);
    check_pattern(bytes.data, bytes.len, &taker->position);
}

static void on_gone(void *context)
{
    struct taker *taker = context;

    ++*taker->gone;
    free(taker->room);
    free(taker);
}

static const struct stream_events taking = {on_connected, on_taken, on_sent,
                                            on_ended,     on_room,  on_gone};

static struct taker *adopt_taker(struct loop *loop, int *gone, int *ret_peer)
{
    struct taker *taker = calloc(1, sizeof(*taker));
    int ends[2];

    taker->gone = gone;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    assert_int_equal(stream_adopt(loop, ends[0], &taking, taker, &taker->seen.stream), 0);
    *ret_peer = ends[1];
    return taker;
}

static void bytes_go_where_the_owner_says(void **state)
{
    (void)state;
    for (int plain = 0; plain < 2; plain++) {
        struct loop *loop = create(plain);
        int gone = 0;
        int peer;
        struct taker *taker = adopt_taker(loop, &gone, &peer);
        size_t total = 3 << 20;
        size_t written = 0;

        while (taker->position < total) {
            char bytes[9973];
            size_t len = MIN(sizeof(bytes), total - written);

            for (size_t i = 0; i < len; i++)
                bytes[i] = byte_at(written + i);
            ssize_t sent = len ? write(peer, bytes, len) : 0;

            written += sent > 0 ? (size_t)sent : 0;
            if (written == total)
                shutdown(peer, SHUT_WR); /* ends a receive that wants more */
            run(loop);
        }
        RUN_UNTIL(loop, taker->seen.ended);
        assert_int_equal(taker->seen.error, 0);
        assert_int_equal(gone, 0);
        stream_close(taker->seen.stream);
        RUN_UNTIL(loop, gone);
        close(peer);
        loop_free(loop);
        assert_int_equal(gone, 1);
    }
}

static void memory_is_the_kernels_until_it_lets_go(void **state)
{
    (void)state;
    for (int late = 0; late < 2; late++) {
        struct loop *loop = create(false);
        int gone = 0;
        int peer;
        struct taker *taker = adopt_taker(loop, &gone, &peer);

        run(loop);
        stream_close(taker->seen.stream);
        assert_int_equal(gone, 0); /* a receive is under way */
        assert_int_equal(write(peer, "late", 4), 4);
        if (late)
            RUN_UNTIL(loop, gone);
        loop_free(loop);
        assert_int_equal(gone, 1);
        close(peer);
    }
}

static void a_stream_that_never_was_is_not_gone(void **state)
{
    struct loop *loop = create(false);
    char path[200];
    struct stream_target target = {.kind = STREAM_UNIX, .path = path};
    struct stream *stream = NULL;
    int gone = 0;
    struct taker taker = {.gone = &gone};

    (void)state;
    memset(path, 'x', sizeof(path) - 1);
    path[sizeof(path) - 1] = '\0';
    assert_int_equal(stream_connect(loop, &target, NS_PER_S, &taking, &taker, &stream),
                     -ENAMETOOLONG);
    loop_free(loop);
    assert_int_equal(gone, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(short_sends_keep_bytes_and_order),
        cmocka_unit_test(bytes_wait_for_the_flush),
        cmocka_unit_test(receiving_goes_on_after_the_buffers_ran_out),
        cmocka_unit_test(the_peer_closes_in_order),
        cmocka_unit_test(the_peer_closes_in_the_middle_of_a_send),
        cmocka_unit_test(closing_with_everything_in_flight_is_silent),
        cmocka_unit_test(streams_may_be_closed_in_their_events),
        cmocka_unit_test(there_are_only_so_many_streams),
        cmocka_unit_test(connects_by_path),
        cmocka_unit_test(connects_by_address_and_by_name),
        cmocka_unit_test(a_refused_connection_ends),
        cmocka_unit_test(a_full_backlog_times_out),
        cmocka_unit_test(closing_while_connecting_is_silent),
        cmocka_unit_test(a_tcp_stream_does_not_delay),
        cmocka_unit_test(bytes_go_where_the_owner_says),
        cmocka_unit_test(memory_is_the_kernels_until_it_lets_go),
        cmocka_unit_test(a_stream_that_never_was_is_not_gone),
    };

    return cmocka_run_group_tests_name("uring/stream", tests, NULL, NULL);
}
