/* What a loop says when the kernel refuses it: seccomp filters in a forked child play the kernel
 * of a container. */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "uring/op.h"
#include "uring/stream.h"

struct outcome {
    int error;
    struct err err;
    char received[16];
};

static void forbid(int call, int error)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)call, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {ARRAY_LEN(code), code};

    CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
}

static void keep(void *context, struct slice bytes)
{
    struct outcome *outcome = context;

    memcpy(outcome->received, bytes.data, MIN(bytes.len, sizeof(outcome->received) - 1));
}

static void ignore_end(void *context, int error)
{
    (void)context;
    (void)error;
}

/* With a loop at hand: does a byte come through? */
static void receive_something(struct loop *loop, struct outcome *outcome)
{
    static const struct stream_events events = {.received = keep, .ended = ignore_end};
    struct stream *stream;
    int pair[2];

    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    CHECK(stream_adopt(loop, pair[0], &events, outcome, &stream) == 0);
    CHECK(write(pair[1], "through", 7) == 7);
    while (!outcome->received[0])
        CHECK(loop_run(loop, -1) >= 0);
}

static struct outcome create_in_child(int call, int error)
{
    static const struct loop_options options = {.streams_max = 2, .watches_max = 2};
    struct outcome *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
                                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct loop *loop;
    int status;

    assert_true(shared != MAP_FAILED);
    pid_t child = fork();
    if (child == 0) {
        forbid(call, error);
        shared->error = loop_create(&options, &loop, &shared->err);
        if (shared->error == 0) {
            receive_something(loop, shared);
            loop_free(loop);
        }
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    struct outcome outcome = *shared;

    munmap(shared, sizeof(*shared));
    return outcome;
}

static void assert_says(const struct err *err, const char *words)
{
    if (!strstr(err->text, words))
        fail_msg("\"%s\" does not say \"%s\"", err->text, words);
}

static void filtered_set_up_names_the_filter(void **state)
{
    (void)state;
    struct outcome outcome = create_in_child(SYS_io_uring_setup, EPERM);

    assert_int_equal(outcome.error, -EPERM);
    assert_says(&outcome.err, "seccomp");
    assert_says(&outcome.err, "io_uring_setup");
}

static void missing_call_names_kernel_and_filter(void **state)
{
    (void)state;
    struct outcome outcome = create_in_child(SYS_io_uring_setup, ENOSYS);

    assert_int_equal(outcome.error, -ENOSYS);
    assert_says(&outcome.err, "6.1");
    assert_says(&outcome.err, "seccomp");
}

static void no_memory_names_the_limits(void **state)
{
    (void)state;
    struct outcome outcome = create_in_child(SYS_io_uring_setup, ENOMEM);

    assert_int_equal(outcome.error, -ENOMEM);
    assert_says(&outcome.err, "ulimit -l");
    assert_says(&outcome.err, "LimitMEMLOCK");
}

static void filtered_enter_is_found_at_creation(void **state)
{
    (void)state;
    struct outcome outcome = create_in_child(SYS_io_uring_enter, EPERM);

    assert_int_equal(outcome.error, -EPERM);
    assert_says(&outcome.err, "seccomp");
}

static void without_provided_buffers_it_works_all_the_same(void **state)
{
    (void)state;
    struct outcome outcome = create_in_child(SYS_io_uring_register, EINVAL);

    assert_int_equal(outcome.error, 0);
    assert_string_equal(outcome.received, "through");
}

static void refuse_with_setting(const char *setting, struct err *err)
{
    char path[] = "/tmp/freshet-refusal-XXXXXX";
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, setting, strlen(setting)), strlen(setting));
    close(fd);
    assert_int_equal(uring_refusal(-EPERM, path, err), -EPERM);
    unlink(path);
}

static void the_sysctl_is_told_from_a_filter(void **state)
{
    (void)state;
    struct err err;

    refuse_with_setting("2\n", &err);
    assert_says(&err, "kernel.io_uring_disabled is 2");
    refuse_with_setting("1\n", &err);
    assert_says(&err, "kernel.io_uring_group");
    refuse_with_setting("0\n", &err);
    assert_says(&err, "seccomp");
    refuse_with_setting("", &err);
    assert_says(&err, "seccomp");
}

static void every_other_error_has_a_text(void **state)
{
    (void)state;
    struct err err;

    uring_refusal(-EMFILE, "/nonexistent", &err);
    assert_says(&err, "ulimit -n");
    uring_refusal(-EINVAL, "/nonexistent", &err);
    assert_says(&err, "6.1");
    uring_refusal(-EFAULT, "/nonexistent", &err);
    assert_says(&err, strerror(EFAULT));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(filtered_set_up_names_the_filter),
        cmocka_unit_test(missing_call_names_kernel_and_filter),
        cmocka_unit_test(no_memory_names_the_limits),
        cmocka_unit_test(filtered_enter_is_found_at_creation),
        cmocka_unit_test(without_provided_buffers_it_works_all_the_same),
        cmocka_unit_test(the_sysctl_is_told_from_a_filter),
        cmocka_unit_test(every_other_error_has_a_text),
    };

    return cmocka_run_group_tests_name("uring/refusal", tests, NULL, NULL);
}
