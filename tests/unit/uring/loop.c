#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/spsc.h"
#include "uring/op.h"

static struct loop *create(bool plain)
{
    struct loop_options options = {.streams_max = 2, .watches_max = 2, .plain = plain};
    struct loop *loop;
    struct err err;

    if (loop_create(&options, &loop, &err) < 0)
        fail_msg("%s", err.text);
    return loop;
}

static int run(struct loop *loop, int64_t timeout_ns)
{
    int handled = loop_run(loop, timeout_ns);

    assert_true(handled >= 0);
    return handled;
}

static void waits_as_long_as_it_is_told(void **state)
{
    (void)state;
    struct loop *loop = create(false);
    int64_t start = clock_monotonic_ns();

    assert_int_equal(run(loop, 0), 0);
    assert_true(clock_monotonic_ns() - start < 10 * NS_PER_MS);
    assert_int_equal(run(loop, 20 * NS_PER_MS), 0);
    assert_true(clock_monotonic_ns() - start >= 20 * NS_PER_MS);
    loop_wake(loop);
    assert_int_equal(run(loop, -1), 1);
    loop_free(loop);
}

static void an_uint64_written_to_the_fd_wakes(void **state)
{
    (void)state;
    struct loop *loop = create(false);
    const uint64_t one = 1;

    for (int i = 0; i < 3; i++) {
        assert_int_equal(write(loop_wake_fd(loop), &one, sizeof(one)), sizeof(one));
        assert_int_equal(run(loop, -1), 1);
    }
    assert_int_equal(run(loop, 0), 0);
    loop_free(loop);
}

static void ignore_signal(int number)
{
    (void)number;
}

static void a_signal_ends_the_wait(void **state)
{
    (void)state;
    struct loop *loop = create(false);
    struct sigaction action = {.sa_handler = ignore_signal};
    struct itimerval timer = {.it_value.tv_usec = 20000};

    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &timer, NULL);
    assert_int_equal(run(loop, -1), 0);
    loop_free(loop);
}

/* --- wake-ups from another thread --- */

#define WAKES 20000

struct mailbox {
    struct loop *loop;
    struct spsc ring;
};

static void *post(void *argument)
{
    struct mailbox *mailbox = argument;

    for (uintptr_t i = 1; i <= WAKES; i++) {
        while (!spsc_push(&mailbox->ring, (void *)i))
            sched_yield();
        loop_wake(mailbox->loop);
        if (i % 64 == 0)
            usleep(10);
    }
    return NULL;
}

/* The owner waits without limit: one lost wake-up and this never ends. */
static void no_wake_up_is_lost(void **state)
{
    for (int plain = 0; plain < 2; plain++) {
        struct mailbox mailbox = {.loop = create(plain)};
        pthread_t poster;
        uintptr_t expected = 1;
        void *item;

        (void)state;
        spsc_init(&mailbox.ring, 64);
        pthread_create(&poster, NULL, post, &mailbox);
        while (expected <= WAKES) {
            run(mailbox.loop, -1);
            while ((item = spsc_pop(&mailbox.ring)))
                assert_int_equal((uintptr_t)item, expected++);
        }
        pthread_join(poster, NULL);
        spsc_done(&mailbox.ring);
        loop_free(mailbox.loop);
    }
}

/* --- watches --- */

struct watcher {
    int fd;
    int calls;
    int events;
    int read_bytes; /* per call */
    struct watch *free_in_call;
};

static void watched(void *context, int events)
{
    struct watcher *watcher = context;
    char bytes[64];

    watcher->calls++;
    watcher->events = events;
    if (watcher->read_bytes)
        assert_int_equal(read(watcher->fd, bytes, (size_t)watcher->read_bytes),
                         watcher->read_bytes);
    watch_free(watcher->free_in_call);
    watcher->free_in_call = NULL;
}

static void watches_until_nothing_is_left_to_read(void **state)
{
    (void)state;
    struct loop *loop = create(false);
    struct watcher watcher = {.read_bytes = 1};
    struct watch *watch;
    int ends[2];

    assert_int_equal(pipe(ends), 0);
    watcher.fd = ends[0];
    assert_int_equal(watch_create(loop, ends[0], watched, &watcher, &watch), 0);
    assert_int_equal(run(loop, NS_PER_MS), 0);
    assert_int_equal(write(ends[1], "abc", 3), 3);
    for (int i = 1; i <= 3; i++) {
        assert_int_equal(run(loop, NS_PER_S), 1);
        assert_int_equal(watcher.calls, i);
        assert_true(watcher.events & POLLIN);
    }
    assert_int_equal(run(loop, NS_PER_MS), 0);

    watch_free(watch);
    assert_int_equal(write(ends[1], "d", 1), 1);
    run(loop, NS_PER_MS);
    run(loop, NS_PER_MS);
    assert_int_equal(watcher.calls, 3);
    close(ends[0]);
    close(ends[1]);
    loop_free(loop);
}

static void a_watch_may_be_freed_in_its_call(void **state)
{
    (void)state;
    struct loop *loop = create(false);
    struct watcher watcher = {0};
    int ends[2];

    assert_int_equal(pipe(ends), 0);
    for (int i = 1; i <= 5; i++) { /* more than there are places: they are given back */
        assert_int_equal(watch_create(loop, ends[0], watched, &watcher, &watcher.free_in_call), 0);
        if (i == 1)
            assert_int_equal(write(ends[1], "a", 1), 1);
        run(loop, NS_PER_S);
        assert_int_equal(watcher.calls, i);
    }
    assert_int_equal(loop->watches_count, 0);
    close(ends[0]);
    close(ends[1]);
    loop_free(loop);
}

static void watches_an_epoll_fd(void **state)
{
    (void)state;
    struct loop *loop = create(false);
    struct watcher watcher = {0};
    struct epoll_event event = {.events = EPOLLIN};
    struct watch *watch;
    int epoll_fd = epoll_create1(0);
    int ends[2];
    char byte;

    assert_int_equal(pipe(ends), 0);
    assert_int_equal(epoll_ctl(epoll_fd, EPOLL_CTL_ADD, ends[0], &event), 0);
    assert_int_equal(watch_create(loop, epoll_fd, watched, &watcher, &watch), 0);
    assert_int_equal(run(loop, NS_PER_MS), 0);
    assert_int_equal(write(ends[1], "a", 1), 1);
    run(loop, NS_PER_S);
    run(loop, NS_PER_S);
    assert_int_equal(watcher.calls, 2); /* still readable, so called again */
    assert_int_equal(read(ends[0], &byte, 1), 1);
    run(loop, NS_PER_MS);
    int calls = watcher.calls;

    run(loop, NS_PER_MS);
    assert_int_equal(watcher.calls, calls);
    watch_free(watch);
    close(epoll_fd);
    close(ends[0]);
    close(ends[1]);
    loop_free(loop);
}

static void a_bad_fd_ends_the_watch(void **state)
{
    (void)state;
    struct loop *loop = create(false);
    struct watcher watcher = {0};
    struct watch *watches[2];

    assert_int_equal(watch_create(loop, -1, watched, &watcher, &watches[0]), 0);
    run(loop, NS_PER_S);
    assert_int_equal(watcher.events, -EBADF);
    run(loop, NS_PER_MS);
    assert_int_equal(watcher.calls, 1);

    assert_int_equal(watch_create(loop, -1, watched, &watcher, &watches[1]), 0);
    assert_int_equal(watch_create(loop, -1, watched, &watcher, &watches[1]), -ENOSPC);
    loop_free(loop); /* with a dead and a live one */
}

/* --- completions --- */

static void must_not_be_called(void *owner, int result, uint32_t flags)
{
    (void)owner;
    (void)result;
    (void)flags;
    fail();
}

static void count_call(void *owner, int result, uint32_t flags)
{
    (void)result;
    (void)flags;
    ++*(int *)owner;
}

static void nop(struct io_uring_sqe *sqe, uint64_t user_data)
{
    io_uring_prep_nop(sqe);
    sqe->user_data = user_data;
}

/* What would reach the next user of a slot if generations were not compared. */
static void a_late_completion_finds_nobody(void **state)
{
    (void)state;
    struct loop *loop = create(false);
    uint64_t first;
    uint64_t second;
    int calls = 0;

    nop(op_begin(loop, count_call, &calls, &first), 0);
    nop(io_uring_get_sqe(&loop->ring), first);
    assert_int_equal(run(loop, NS_PER_S), 2);
    assert_int_equal(calls, 1);

    nop(op_begin(loop, must_not_be_called, NULL, &second), 0);
    assert_int_equal((uint32_t)first, (uint32_t)second);
    assert_true(first != second);
    nop(io_uring_get_sqe(&loop->ring), first);
    assert_int_equal(run(loop, NS_PER_S), 2);

    loop->ops[(uint32_t)second].done = count_call;
    loop->ops[(uint32_t)second].owner = &calls;
    nop(io_uring_get_sqe(&loop->ring), second);
    assert_int_equal(run(loop, NS_PER_S), 1);
    assert_int_equal(calls, 2);
    loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waits_as_long_as_it_is_told),
        cmocka_unit_test(an_uint64_written_to_the_fd_wakes),
        cmocka_unit_test(a_signal_ends_the_wait),
        cmocka_unit_test(no_wake_up_is_lost),
        cmocka_unit_test(watches_until_nothing_is_left_to_read),
        cmocka_unit_test(a_watch_may_be_freed_in_its_call),
        cmocka_unit_test(watches_an_epoll_fd),
        cmocka_unit_test(a_bad_fd_ends_the_watch),
        cmocka_unit_test(a_late_completion_finds_nobody),
    };

    return cmocka_run_group_tests_name("uring/loop", tests, NULL, NULL);
}
