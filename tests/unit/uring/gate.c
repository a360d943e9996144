/* The gate before what streams send, with real sockets and, in the end, a process that is stopped.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "uring/op.h"
#include "uring/stream.h"

#define LIMIT_NS (1000 * NS_PER_S) /* no machine is that slow */

struct rig {
    struct loop *loop;
    struct stream *stream;
    int peer;
    int sent;
    int ended;
    size_t received; /* by the peer */
};

static void on_received(void *context, struct slice bytes)
{
    (void)context;
    (void)bytes;
}

static void on_sent(void *context)
{
    ((struct rig *)context)->sent++;
}

static void on_ended(void *context, int error)
{
    (void)error;
    ((struct rig *)context)->ended++;
}

static void rig_init_with(struct rig *rig, int fd, bool plain)
{
    static const struct stream_events events = {
        .received = on_received, .sent = on_sent, .ended = on_ended};
    struct loop_options options = {.streams_max = 1, .watches_max = 1, .plain = plain};
    int small = 4096;
    struct err err;

    *rig = (struct rig){.peer = -1};
    if (loop_create(&options, &rig->loop, &err) < 0)
        fail_msg("%s", err.text);
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
    assert_int_equal(stream_adopt(rig->loop, fd, &events, rig, &rig->stream), 0);
    loop_gate_limit(rig->loop, LIMIT_NS);
}

static void rig_init(struct rig *rig, bool plain)
{
    int ends[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    rig_init_with(rig, ends[0], plain);
    rig->peer = ends[1];
}

static void rig_done(struct rig *rig)
{
    stream_close(rig->stream);
    loop_free(rig->loop);
    close(rig->peer);
}

static void turns(struct rig *rig, int count)
{
    while (count-- > 0)
        assert_true(loop_run(rig->loop, NS_PER_MS) >= 0);
}

static void flush(struct rig *rig, size_t len)
{
    memset(buf_reserve(stream_out(rig->stream), len), 'x', len);
    stream_out(rig->stream)->len += len;
    stream_flush(rig->stream);
}

/* All that is there to be read. */
static void receive(struct rig *rig)
{
    char bytes[4096];
    ssize_t len;

    while ((len = read(rig->peer, bytes, sizeof(bytes))) > 0)
        rig->received += (size_t)len;
}

/* As if the process had not run for that long. */
static void freeze(struct rig *rig, int64_t ns)
{
    rig->loop->gate_turn_ns -= ns;
}

#define RUN_UNTIL(rig, condition)                                                                  \
    do {                                                                                           \
        int64_t give_up_ns = clock_monotonic_ns() + 20 * NS_PER_S;                                 \
        while (!(condition)) {                                                                     \
            if (clock_monotonic_ns() > give_up_ns)                                                 \
                fail_msg("never came true: %s", #condition);                                       \
            turns(rig, 1);                                                                         \
            receive(rig);                                                                          \
        }                                                                                          \
    } while (0)

static void what_was_flushed_waits_behind_a_shut_gate(void **state)
{
    (void)state;
    for (int plain = 0; plain < 2; plain++) {
        struct rig rig;

        rig_init(&rig, plain);
        assert_true(loop_gate_turn(rig.loop));
        flush(&rig, 10);
        RUN_UNTIL(&rig, rig.received == 10 && rig.sent == 1);

        flush(&rig, 10);
        freeze(&rig, LIMIT_NS); /* in the turn, before the ring is entered */
        turns(&rig, 3);
        receive(&rig);
        assert_int_equal(rig.received, 10);
        assert_int_equal(stream_unsent(rig.stream), 10);
        assert_false(loop_gate_turn(rig.loop));
        assert_false(loop_gate_turn(rig.loop)); /* it stays shut */
        flush(&rig, 5);
        turns(&rig, 3);
        receive(&rig);
        assert_int_equal(rig.received, 10);

        loop_gate_open(rig.loop);
        assert_true(loop_gate_turn(rig.loop));
        RUN_UNTIL(&rig, rig.received == 25);
        assert_int_equal(rig.sent, 2);
        rig_done(&rig);
    }
}

static void a_turn_that_comes_late_finds_the_gate_shut(void **state)
{
    (void)state;
    struct rig rig;

    rig_init(&rig, false);
    freeze(&rig, LIMIT_NS / 2);
    assert_true(loop_gate_turn(rig.loop));
    freeze(&rig, LIMIT_NS / 2); /* each turn begins anew */
    assert_true(loop_gate_turn(rig.loop));
    freeze(&rig, LIMIT_NS);
    assert_false(loop_gate_turn(rig.loop)); /* with nothing to send */
    flush(&rig, 10);
    turns(&rig, 3);
    receive(&rig);
    assert_int_equal(rig.received, 0);
    loop_gate_limit(rig.loop, 0);
    freeze(&rig, 2 * LIMIT_NS); /* there is no gate any more */
    assert_true(loop_gate_turn(rig.loop));
    RUN_UNTIL(&rig, rig.received == 10);
    rig_done(&rig);
}

/* Room comes while the process does not run: what it was to be filled with is not sent then. */
static void what_waits_for_room_waits_for_the_gate_too(void **state)
{
    (void)state;
    for (int plain = 0; plain < 2; plain++) {
        struct rig rig;
        size_t in_kernel;

        rig_init(&rig, plain);
        flush(&rig, 1 << 20);
        turns(&rig, 5);
        in_kernel = (1 << 20) - stream_unsent(rig.stream);
        assert_in_range(in_kernel, 1, (1 << 20) - 1);
        freeze(&rig, LIMIT_NS);
        receive(&rig);
        turns(&rig, 5);
        receive(&rig);
        assert_int_equal(rig.received, in_kernel);
        assert_int_equal(stream_unsent(rig.stream), (1 << 20) - in_kernel);
        loop_gate_open(rig.loop);
        RUN_UNTIL(&rig, rig.received == 1 << 20);
        assert_int_equal(rig.sent, 1);
        rig_done(&rig);
    }
}

/* When the kernel is short of something it leaves what it was given in the ring. */
static void what_is_left_in_the_ring_is_withdrawn(void **state)
{
    (void)state;
    struct rig rig;

    rig_init(&rig, false);
    turns(&rig, 1);
    flush(&rig, 10);
    streams_send(rig.loop);
    rig.loop->sends_left = true;
    freeze(&rig, LIMIT_NS);
    turns(&rig, 3);
    receive(&rig);
    assert_int_equal(rig.received, 0);
    assert_int_equal(stream_unsent(rig.stream), 10);
    loop_gate_open(rig.loop);
    RUN_UNTIL(&rig, rig.received == 10);
    assert_int_equal(rig.sent, 1);

    flush(&rig, 10); /* and with the gate open it goes out */
    streams_send(rig.loop);
    rig.loop->sends_left = true;
    RUN_UNTIL(&rig, rig.received == 20);
    rig_done(&rig);
}

static void closing_takes_back_what_waits(void **state)
{
    (void)state;
    struct rig rig;

    rig_init(&rig, false);
    freeze(&rig, LIMIT_NS);
    flush(&rig, 10);
    turns(&rig, 1);
    stream_close(rig.stream);
    rig.stream = NULL;
    RUN_UNTIL(&rig, rig.loop->streams_count == 0);
    assert_int_equal(rig.received, 0);
    assert_int_equal(rig.loop->streams_sending, 0);
    assert_int_equal(rig.ended, 0);
    loop_gate_open(rig.loop);
    turns(&rig, 1);
    rig_done(&rig);
}

static void a_peer_that_goes_ends_what_waits(void **state)
{
    (void)state;
    struct rig rig;

    rig_init(&rig, false);
    freeze(&rig, LIMIT_NS);
    flush(&rig, 10);
    turns(&rig, 1);
    close(rig.peer);
    rig.peer = -1;
    RUN_UNTIL(&rig, rig.ended == 1);
    assert_int_equal(rig.loop->streams_sending, 0);
    loop_gate_open(rig.loop);
    turns(&rig, 2);
    rig_done(&rig);
}

/* --- a process that is stopped --- */

#define STOP_LIMIT_NS (500 * NS_PER_MS)
#define STOP_BYTES    (1u << 20)

/* Sends until the gate shuts, says so after some more turns, waits for a word, and sends the rest.
 */
static void send_and_tell(int fd, int tell, int hear)
{
    struct rig rig;
    char word = 's';

    rig_init_with(&rig, fd, false);
    loop_gate_limit(rig.loop, STOP_LIMIT_NS);
    flush(&rig, STOP_BYTES);
    while (loop_gate_turn(rig.loop))
        CHECK(loop_run(rig.loop, STOP_LIMIT_NS / 10) >= 0);
    for (int i = 0; i < 5; i++)
        CHECK(loop_run(rig.loop, NS_PER_MS) >= 0);
    CHECK(write(tell, &word, 1) == 1);
    CHECK(read(hear, &word, 1) == 1);
    loop_gate_open(rig.loop);
    loop_gate_limit(rig.loop, LIMIT_NS);
    while (rig.sent == 0)
        CHECK(loop_run(rig.loop, NS_PER_S) >= 0);
    _exit(0);
}

static void a_stopped_process_sends_nothing_when_it_goes_on(void **state)
{
    (void)state;
    struct rig rig = {0};
    int ends[2];
    int tell[2];
    int hear[2];
    char word;
    int status;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    assert_int_equal(pipe(tell), 0);
    assert_int_equal(pipe(hear), 0);
    pid_t child = fork();

    if (child == 0)
        send_and_tell(ends[0], tell[1], hear[0]);
    close(ends[0]);
    close(tell[1]);
    close(hear[0]);
    rig.peer = ends[1];
    assert_int_equal(read(rig.peer, &word, 1), 1); /* it has begun */
    rig.received = 1;
    kill(child, SIGSTOP);
    assert_int_equal(waitpid(child, &status, WUNTRACED), child);
    assert_true(WIFSTOPPED(status));
    fcntl(rig.peer, F_SETFL, O_NONBLOCK);
    receive(&rig); /* what the kernel has, and so there is room */
    size_t in_kernel = rig.received;

    assert_true(in_kernel < STOP_BYTES);
    usleep(2 * STOP_LIMIT_NS / NS_PER_US);
    kill(child, SIGCONT);
    assert_int_equal(read(tell[0], &word, 1), 1);
    receive(&rig);
    assert_int_equal(rig.received, in_kernel);
    assert_int_equal(write(hear[1], "o", 1), 1);
    while (rig.received < STOP_BYTES && waitpid(child, &status, WNOHANG) == 0) {
        receive(&rig);
        usleep(1000);
    }
    receive(&rig);
    assert_int_equal(rig.received, STOP_BYTES);
    close(rig.peer);
    close(tell[0]);
    close(hear[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_flushed_waits_behind_a_shut_gate),
        cmocka_unit_test(a_turn_that_comes_late_finds_the_gate_shut),
        cmocka_unit_test(what_waits_for_room_waits_for_the_gate_too),
        cmocka_unit_test(what_is_left_in_the_ring_is_withdrawn),
        cmocka_unit_test(closing_takes_back_what_waits),
        cmocka_unit_test(a_peer_that_goes_ends_what_waits),
        cmocka_unit_test(a_stopped_process_sends_nothing_when_it_goes_on),
    };

    return cmocka_run_group_tests_name("uring/gate", tests, NULL, NULL);
}
