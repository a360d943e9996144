#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/hash.h"
#include "sink/redis_reply.h"

static void feed(struct redis_replies *replies, const char *text)
{
    redis_replies_feed(replies, slice_of(text));
}

static void expect(struct redis_replies *replies, enum redis_reply_kind kind, int64_t number,
                   const char *text)
{
    struct redis_reply reply;

    assert_int_equal(redis_replies_next(replies, &reply), 1);
    assert_int_equal(reply.kind, kind);
    if (kind == REDIS_NUMBER)
        assert_int_equal(reply.number, number);
    else if (!slice_equal(reply.text, slice_of(text)))
        fail_msg("\"%.*s\" is not \"%s\"", SLICE_ARGS(reply.text), text);
}

static void expect_none(struct redis_replies *replies)
{
    struct redis_reply reply;

    assert_int_equal(redis_replies_next(replies, &reply), 0);
}

static void expect_broken(const char *text)
{
    struct redis_replies *replies = redis_replies_create();
    struct redis_reply reply;

    feed(replies, text);
    assert_int_equal(redis_replies_next(replies, &reply), -EPROTO);
    assert_int_equal(redis_replies_next(replies, &reply), -EPROTO); /* for good */
    redis_replies_free(replies);
}

static void replies_come_out_whole_however_they_came_in(void **state)
{
    (void)state;
    static const char text[] = ":3\r\n+OK\r\n-ERR what\r\n$5\r\na\r\nb!\r\n$0\r\n\r\n:-7\r\n";

    for (size_t piece = 1; piece < sizeof(text); piece++) {
        struct redis_replies *replies = redis_replies_create();
        struct redis_reply reply;
        int seen = 0;

        for (size_t at = 0; at < sizeof(text) - 1; at += piece)
            redis_replies_feed(replies,
                               (struct slice){text + at, MIN(piece, sizeof(text) - 1 - at)});
        expect(replies, REDIS_NUMBER, 3, NULL);
        expect(replies, REDIS_TEXT, 0, "OK");
        expect(replies, REDIS_ERROR, 0, "ERR what");
        expect(replies, REDIS_TEXT, 0, "a\r\nb!");
        expect(replies, REDIS_TEXT, 0, "");
        expect(replies, REDIS_NUMBER, -7, NULL);
        expect_none(replies);
        redis_replies_free(replies);

        /* The same, asked after every piece. */
        replies = redis_replies_create();
        for (size_t at = 0; at < sizeof(text) - 1; at += piece) {
            redis_replies_feed(replies,
                               (struct slice){text + at, MIN(piece, sizeof(text) - 1 - at)});
            while (redis_replies_next(replies, &reply) == 1)
                seen++;
        }
        assert_int_equal(seen, 6);
        redis_replies_free(replies);
    }
}

static void what_is_not_a_reply_to_us_is_refused(void **state)
{
    (void)state;
    expect_broken("hello\r\n");
    expect_broken(":12x\r\n");
    expect_broken(":99999999999999999999\r\n");
    expect_broken("$-2\r\n");
    expect_broken("$99999999999999999999\r\n");
    expect_broken("*2\r\n:1\r\n:2\r\n");
    expect_broken("*2147483647\r\n:1\r\n"); /* at once, not after as many elements */
    expect_broken("*99999999999\r\n");
    expect_broken("$-1\r\n");
    expect_broken("HTTP/1.1 400 Bad Request\r\n");
}

static void long_texts_are_cut_and_endless_ones_refused(void **state)
{
    (void)state;
    struct redis_replies *replies = redis_replies_create();
    struct redis_reply reply;
    struct buf text = {0};

    buf_printf(&text, "$%d\r\n", REDIS_TEXT_MAX * 3);
    for (int i = 0; i < REDIS_TEXT_MAX * 3; i++)
        buf_append_char(&text, 'x');
    buf_append_slice(&text, SLICE_LITERAL("\r\n:1\r\n"));
    redis_replies_feed(replies, buf_slice(&text));
    assert_int_equal(redis_replies_next(replies, &reply), 1);
    assert_int_equal(reply.text.len, REDIS_TEXT_MAX);
    expect(replies, REDIS_NUMBER, 1, NULL);

    feed(replies, "$500000000\r\n");
    for (size_t fed = 0; fed <= REDIS_PENDING_MAX; fed += text.len) {
        assert_int_equal(redis_replies_next(replies, &reply), 0);
        redis_replies_feed(replies, buf_slice(&text));
    }
    assert_int_equal(redis_replies_next(replies, &reply), -EPROTO);
    redis_replies_free(replies);
    buf_free(&text);
}

/* Whatever comes: no crash, and what is bounded stays bounded. */
static void random_bytes_do_no_harm(void **state)
{
    (void)state;
    static const char alphabet[] = "+-:$*0123456789\r\n\r\nOKx";
    uint64_t random = 1;

    for (int run = 0; run < 20000; run++) {
        struct redis_replies *replies = redis_replies_create();
        struct redis_reply reply;
        char bytes[40];

        for (size_t i = 0; i < sizeof(bytes); i++) {
            random = hash64_int(random);
            bytes[i] = alphabet[random % (sizeof(alphabet) - 1)];
        }
        redis_replies_feed(replies, (struct slice){bytes, sizeof(bytes)});
        for (int i = 0; i < 41 && redis_replies_next(replies, &reply) == 1; i++)
            assert_true(reply.kind <= REDIS_ERROR);
        redis_replies_free(replies);
    }
}

static void errors_fall_into_classes(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum redis_error error;
    } cases[] = {
        {"LOADING Redis is loading the dataset in memory", REDIS_ERROR_TEMPORARY},
        {"READONLY You can't write against a read only replica.", REDIS_ERROR_TEMPORARY},
        {"OOM command not allowed", REDIS_ERROR_TEMPORARY},
        {"BUSY Redis is busy running a script.", REDIS_ERROR_TEMPORARY},
        {"MASTERDOWN Link with MASTER is down", REDIS_ERROR_TEMPORARY},
        {"CLUSTERDOWN The cluster is down", REDIS_ERROR_TEMPORARY},
        {"TRYAGAIN Multiple keys request", REDIS_ERROR_TEMPORARY},
        {"NOREPLICAS Not enough good replicas", REDIS_ERROR_TEMPORARY},
        {"MISCONF Redis is configured to save RDB snapshots", REDIS_ERROR_TEMPORARY},
        {"NOAUTH Authentication required.", REDIS_ERROR_ACCESS},
        {"WRONGPASS invalid username-password pair", REDIS_ERROR_ACCESS},
        {"NOPERM this user has no permissions", REDIS_ERROR_ACCESS},
        {"MOVED 3999 127.0.0.1:6381", REDIS_ERROR_CLUSTER},
        {"ASK 3999 127.0.0.1:6381", REDIS_ERROR_CLUSTER},
        {"WRONGTYPE Operation against a key", REDIS_ERROR_KEY},
        {"ERR unknown command", REDIS_ERROR_KEY},
        {"LOADINGS", REDIS_ERROR_KEY},
        {"OOM", REDIS_ERROR_TEMPORARY},
        {"", REDIS_ERROR_KEY},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(redis_error_of(slice_of(cases[i].text)), cases[i].error);
    for (int i = 0; i < REDIS_ERROR_COUNT; i++)
        assert_non_null(redis_error_name((enum redis_error)i));
}

static void info_is_read_by_line(void **state)
{
    (void)state;
    struct slice info = SLICE_LITERAL("# Server\r\nredis_version:7.0.15\r\nmy_run_id:no\r\n"
                                      "run_id:abc\r\nempty:\r\nlast:one");

    assert_true(slice_equal(redis_info_value(info, "run_id"), SLICE_LITERAL("abc")));
    assert_true(slice_equal(redis_info_value(info, "last"), SLICE_LITERAL("one")));
    assert_int_equal(redis_info_value(info, "empty").len, 0);
    assert_null(redis_info_value(info, "none").data);
    assert_null(redis_info_value(SLICE_NONE, "run_id").data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replies_come_out_whole_however_they_came_in),
        cmocka_unit_test(what_is_not_a_reply_to_us_is_refused),
        cmocka_unit_test(long_texts_are_cut_and_endless_ones_refused),
        cmocka_unit_test(random_bytes_do_no_harm),
        cmocka_unit_test(errors_fall_into_classes),
        cmocka_unit_test(info_is_read_by_line),
    };

    return cmocka_run_group_tests_name("sink/redis_reply", tests, NULL, NULL);
}
