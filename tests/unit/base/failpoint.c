/* Failpoints: the pass that is meant, and no other; the list of those that were passed. */
#include "base/failpoint.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../support/testing.h"

/* Passes `store_write` and `store_drop` by turns, `count` times each, in a process of its own; how
 * often it passed the first before it died, or -1 if it did not. */
static int passes_before_death(const char *wanted, int count)
{
    int ends[2];
    int status;
    char byte;
    int passed = 0;

    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        setenv("FRESHET_FAILPOINT", wanted, 1);
        for (int i = 0; i < count; i++) {
            FAILPOINT("store_write");
            CHECK(write(ends[1], "x", 1) == 1);
            FAILPOINT("store_drop");
        }
        _exit(0);
    }
    close(ends[1]);
    while (read(ends[0], &byte, 1) == 1)
        passed++;
    close(ends[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (!WIFSIGNALED(status)) {
        assert_int_equal(status, 0);
        return -1;
    }
    assert_int_equal(WTERMSIG(status), SIGKILL);
    return passed;
}

static void it_dies_at_the_pass_that_is_named(void **state)
{
    (void)state;
    assert_int_equal(passes_before_death("store_write", 5), 0);
    assert_int_equal(passes_before_death("store_write:1", 5), 0);
    assert_int_equal(passes_before_death("store_write:4", 5), 3);
    assert_int_equal(passes_before_death("store_write:6", 5), -1);
    assert_int_equal(passes_before_death("store_drop:2", 5), 2);
    assert_int_equal(passes_before_death("store_writ", 5), -1);
    assert_int_equal(passes_before_death("store_write_", 5), -1);
    assert_int_equal(passes_before_death("", 5), -1);
}

/* The errors of five passes, in a process of its own, as digits: 0 none, 1 ENOSPC, 2 EIO. */
static const char *errors_of(const char *wanted)
{
    static char digits[6];
    int ends[2];
    int status;

    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        setenv("FRESHET_FAILPOINT_ERROR", wanted, 1);
        for (int i = 0; i < 5; i++) {
            int error = FAILPOINT_ERROR("store_write");
            char digit = error == 0 ? '0' : error == ENOSPC ? '1' : error == EIO ? '2' : '?';

            CHECK(write(ends[1], &digit, 1) == 1);
        }
        _exit(0);
    }
    close(ends[1]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(read(ends[0], digits, 6), 5);
    close(ends[0]);
    return digits;
}

static void errors_come_when_they_are_asked_for(void **state)
{
    (void)state;
    assert_string_equal(errors_of("store_write=ENOSPC"), "11111");
    assert_string_equal(errors_of("store_write=EIO"), "22222");
    assert_string_equal(errors_of("store_write:3=EIO"), "00222");
    assert_string_equal(errors_of("store_write:2-3=EIO"), "02200");
    assert_string_equal(errors_of("store_write:2-2=ENOSPC,store_write:4-4=EIO"), "01020");
    assert_string_equal(errors_of("store_drop=EIO,store_write:5=ENOSPC"), "00001");
    assert_string_equal(errors_of("store_writ=EIO"), "00000");
    assert_string_equal(errors_of("store_write_=EIO"), "00000");
    assert_string_equal(errors_of(""), "00000");
}

static void each_name_is_listed_once(void **state)
{
    char path[] = "/tmp/freshet_failpoint_XXXXXX";
    char content[256] = {0};
    int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0);
    setenv("FRESHET_FAILPOINT_LIST", path, 1);
    for (int i = 0; i < 3; i++) {
        FAILPOINT("freeze_sync");
        assert_int_equal(FAILPOINT_ERROR("freeze_db"), 0);
        FAILPOINT("freeze_db");
    }
    assert_true(read(fd, content, sizeof(content) - 1) > 0);
    assert_string_equal(content, "freeze_sync\nfreeze_db\n");
    unsetenv("FRESHET_FAILPOINT_LIST");
    close(fd);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_dies_at_the_pass_that_is_named),
        cmocka_unit_test(errors_come_when_they_are_asked_for),
        cmocka_unit_test(each_name_is_listed_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
