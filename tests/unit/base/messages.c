/* What people read: error texts, the log. And hashes, on which processes agree. */
#include "../support/testing.h"

#include <fcntl.h>
#include <regex.h>
#include <unistd.h>

#include "base/err.h"
#include "base/hash.h"
#include "base/log.h"

static void an_error_has_a_code_and_a_text(void **state)
{
    struct err err;

    (void)state;
    assert_int_equal(err_set(&err, -ENOENT, "no file %s", "x"), -ENOENT);
    assert_string_equal(err.text, "no file x");
    assert_int_equal(err_set(NULL, -EIO, "nobody reads it"), -EIO);
    err_prefix(NULL, "nor this");
    err_prefix(&err, "source %d", 3);
    assert_string_equal(err.text, "source 3: no file x");
    err_prefix(&err, "plan");
    assert_string_equal(err.text, "plan: source 3: no file x");
}

static void long_errors_are_cut(void **state)
{
    char text[3000];
    struct err err;

    (void)state;
    for (size_t len = 0; len < sizeof(text); len += len < 1000 || len > 1050 ? 50 : 1) {
        memset(text, 'a', len);
        text[len] = '\0';
        err_set(&err, -EINVAL, "%s", text);
        assert_int_equal(strlen(err.text), MIN(len, sizeof(err.text) - 1));
        err_prefix(&err, "%s", "front");
        assert_int_equal(strlen(err.text), MIN(len + 7, sizeof(err.text) - 1));
        assert_memory_equal(err.text, "front: ", 7);
        assert_int_equal(strspn(err.text + 7, "a"), strlen(err.text + 7));
    }
    err_prefix(&err, "%s", text); /* a prefix that is too long by itself */
    assert_true(strlen(err.text) < sizeof(err.text));
}

static void one_message_an_interval_passes(void **state)
{
    struct log_limit limit = {0};
    uint64_t held_back = 77;

    (void)state;
    assert_true(log_limit_pass(&limit, 1000, 100, &held_back));
    assert_int_equal(held_back, 0);
    assert_false(log_limit_pass(&limit, 1000, 100, &held_back));
    assert_false(log_limit_pass(&limit, 1099, 100, &held_back));
    assert_true(log_limit_pass(&limit, 1100, 100, &held_back));
    assert_int_equal(held_back, 2);
    assert_true(log_limit_pass(&limit, 5000, 100, &held_back));
    assert_int_equal(held_back, 0);
}

static void log_levels_have_names(void **state)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    enum log_level level;

    (void)state;
    for (int i = 0; i < 4; i++) {
        assert_int_equal(log_level_parse(names[i], &level), 0);
        assert_int_equal(level, i);
    }
    assert_int_equal(log_level_parse("", &level), -EINVAL);
    assert_int_equal(log_level_parse("warning", &level), -EINVAL);
}

/* What log_write writes to stderr. */
static size_t logged(char *out, size_t size, enum log_level level, const char *text)
{
    int ends[2];
    int stderr_copy = dup(STDERR_FILENO);

    assert_int_equal(pipe(ends), 0);
    dup2(ends[1], STDERR_FILENO);
    log_write(level, "%s", text);
    dup2(stderr_copy, STDERR_FILENO);
    close(stderr_copy);
    close(ends[1]);

    ssize_t len = read(ends[0], out, size - 1);
    close(ends[0]);
    assert_true(len >= 0);
    out[len] = '\0';
    return (size_t)len;
}

static void a_message_is_one_line_with_time_and_level(void **state)
{
    char line[5000];
    regex_t regex;

    (void)state;
    assert_int_equal(regcomp(&regex,
                             "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z "
                             "warn  all is lost\n$",
                             REG_EXTENDED | REG_NOSUB),
                     0);
    logged(line, sizeof(line), LOG_WARN, "all is lost");
    if (regexec(&regex, line, 0, NULL, 0) != 0)
        fail_msg("logged: %s", line);
    regfree(&regex);
}

static void lower_levels_are_not_logged(void **state)
{
    char line[200];

    (void)state;
    assert_int_equal(logged(line, sizeof(line), LOG_DEBUG, "x"), 0);
    log_set_level(LOG_ERROR);
    assert_int_equal(logged(line, sizeof(line), LOG_WARN, "x"), 0);
    assert_true(logged(line, sizeof(line), LOG_ERROR, "x") > 0);
    log_set_level(LOG_DEBUG);
    assert_true(logged(line, sizeof(line), LOG_DEBUG, "x") > 0);
    log_set_level(LOG_INFO);
}

static void a_long_message_is_cut_to_one_line(void **state)
{
    char text[4000];
    char line[5000];

    (void)state;
    memset(text, 'a', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    size_t len = logged(line, sizeof(line), LOG_ERROR, text);

    assert_true(len > 1000 && len < sizeof(text));
    assert_int_equal(line[len - 1], '\n');
    assert_int_equal(strcspn(line, "\n"), len - 1);
}

/* Known answers of XXH3-64 and of SplitMix64: a change of these is a change of format. */
static void hashes_do_not_change(void **state)
{
    (void)state;
    assert_true(hash64(SLICE_LITERAL("")) == UINT64_C(0x2d06800538d394c2));
    assert_true(hash64(SLICE_LITERAL("a")) == UINT64_C(0xe6c632b61e964e1f));
    assert_true(hash64(SLICE_LITERAL("abc")) == UINT64_C(0x78af5f94892f3950));
    assert_true(hash64_int(0) == UINT64_C(0xe220a8397b1dcdaf));
    assert_true(hash64_int(UINT64_C(0x9e3779b97f4a7c15)) == UINT64_C(0x6e789e6aa1b965f4));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_error_has_a_code_and_a_text),
        cmocka_unit_test(long_errors_are_cut),
        cmocka_unit_test(one_message_an_interval_passes),
        cmocka_unit_test(log_levels_have_names),
        cmocka_unit_test(a_message_is_one_line_with_time_and_level),
        cmocka_unit_test(lower_levels_are_not_logged),
        cmocka_unit_test(a_long_message_is_cut_to_one_line),
        cmocka_unit_test(hashes_do_not_change),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
