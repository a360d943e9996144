/* Numbers, durations, sizes, times, addresses and spellings, against values worked out by hand. */
#include <float.h>

#include "plan/address.h"
#include "plan/spelling.h"
#include "plan/value.h"
#include "plan_test.h"

struct number_case {
    const char *text;
    int rc;
    int64_t value;
};

typedef int number_reader(struct slice text, int64_t *ret, struct err *err);

static void check_numbers(number_reader *reader, const struct number_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int64_t value = -77;
        struct err err = {.text = ""};
        int rc = reader(slice_of(cases[i].text), &value, &err);

        if (rc != cases[i].rc || value != (rc == 0 ? cases[i].value : -77))
            fail_msg("\"%s\" gave %d, %lld", cases[i].text, rc, (long long)value);
        assert_int_equal(rc == 0, err.text[0] == '\0');
    }
}

static void integers(void **state)
{
    static const struct number_case cases[] = {
        {"0", 0, 0},
        {"-0", 0, 0},
        {"17", 0, 17},
        {"-17", 0, -17},
        {"9223372036854775807", 0, INT64_MAX},
        {"-9223372036854775808", 0, INT64_MIN},
        {"9223372036854775808", -ERANGE, 0},
        {"-9223372036854775809", -ERANGE, 0},
        {"99999999999999999999999", -ERANGE, 0},
        {"", -EINVAL, 0},
        {"-", -EINVAL, 0},
        {"+1", -EINVAL, 0},
        {"1.0", -EINVAL, 0},
        {"1e3", -EINVAL, 0},
        {"0x10", -EINVAL, 0},
        {"010", -EINVAL, 0},
        {"1_000", -EINVAL, 0},
        {" 1", -EINVAL, 0},
        {"1 ", -EINVAL, 0},
    };

    (void)state;
    check_numbers(value_int64, cases, ARRAY_LEN(cases));
}

static void durations(void **state)
{
    static const struct number_case cases[] = {
        {"0", 0, 0},
        {"-0", 0, 0},
        {"0s", 0, 0},
        {"1ms", 0, 1},
        {"30s", 0, 30000},
        {"5m", 0, 300000},
        {"1h", 0, 3600000},
        {"25h", 0, 90000000},
        {"1d", 0, 86400000},
        {"1h30m", 0, 5400000},
        {"1d2h3m4s5ms", 0, 93784005},
        {"-90m", 0, -5400000},
        {"-1h30m", 0, -5400000},
        {"106751991167d", 0, INT64_C(9223372036828800000)},
        {"106751991168d", -ERANGE, 0},
        {"9223372036854775807ms", 0, INT64_MAX},
        {"9223372036854775807ms1ms", -ERANGE, 0},
        {"9223372036854775808ms", -ERANGE, 0},
        {"5", -EINVAL, 0},
        {"1h30", -EINVAL, 0},
        {"", -EINVAL, 0},
        {"-", -EINVAL, 0},
        {"s", -EINVAL, 0},
        {"1.5h", -EINVAL, 0},
        {"1h 30m", -EINVAL, 0},
        {"1H", -EINVAL, 0},
        {"1w", -EINVAL, 0},
        {"1us", -EINVAL, 0},
        {"--1s", -EINVAL, 0},
        {"1h-1m", -EINVAL, 0},
        {"+1s", -EINVAL, 0},
    };

    (void)state;
    check_numbers(value_duration, cases, ARRAY_LEN(cases));
}

static void sizes(void **state)
{
    static const struct number_case cases[] = {
        {"0", 0, 0},
        {"4096", 0, 4096},
        {"1KiB", 0, 1024},
        {"64MiB", 0, 67108864},
        {"8GiB", 0, INT64_C(8589934592)},
        {"2TiB", 0, INT64_C(2199023255552)},
        {"1KB", 0, 1000},
        {"3MB", 0, 3000000},
        {"10GB", 0, INT64_C(10000000000)},
        {"1TB", 0, INT64_C(1000000000000)},
        {"8388607TiB", 0, INT64_C(9223370937343148032)},
        {"8388608TiB", -ERANGE, 0},
        {"8G", -EINVAL, 0},
        {"8gib", -EINVAL, 0},
        {"8 GiB", -EINVAL, 0},
        {"1.5GiB", -EINVAL, 0},
        {"1GiB1MiB", -EINVAL, 0},
        {"-1", -EINVAL, 0},
        {"GiB", -EINVAL, 0},
        {"", -EINVAL, 0},
    };

    (void)state;
    check_numbers(value_size, cases, ARRAY_LEN(cases));
}

static void times(void **state)
{
    static const struct number_case cases[] = {
        {"0", 0, 0},
        {"1767225600000", 0, INT64_C(1767225600000)},
        {"1970-01-01", 0, 0},
        {"1970-01-01T00:00:00Z", 0, 0},
        {"2026-01-01T00:00:00Z", 0, INT64_C(1767225600000)},
        {"2026-01-01", 0, INT64_C(1767225600000)},
        {"2026-01-01T00:00", 0, INT64_C(1767225600000)},
        {"2026-01-01 00:00:00", 0, INT64_C(1767225600000)},
        {"2026-01-01t00:00:00z", 0, INT64_C(1767225600000)},
        {"2026-01-01T01:00:00+01:00", 0, INT64_C(1767225600000)},
        {"2026-01-01T01:00:00+0100", 0, INT64_C(1767225600000)},
        {"2026-01-01T01:00:00+01", 0, INT64_C(1767225600000)},
        {"2025-12-31T18:30:00-05:30", 0, INT64_C(1767225600000)},
        {"2026-01-01T00:00:00.25Z", 0, INT64_C(1767225600250)},
        {"2026-01-01T00:00:00.0019999", 0, INT64_C(1767225600001)},
        {"2000-02-29T12:34:56.789Z", 0, INT64_C(951827696789)},
        {"2024-02-29", 0, INT64_C(1709164800000)},
        {"9999-12-31T23:59:59.999Z", 0, INT64_C(253402300799999)},
        {"253402300800000", -ERANGE, 0},
        {"-1", -ERANGE, 0},
        {"1969-12-31T23:59:59Z", -ERANGE, 0},
        {"1970-01-01T00:00:00+01:00", -ERANGE, 0},
        {"9999-12-31T23:59:59-01:00", -ERANGE, 0},
        {"99999999999999999999", -ERANGE, 0},
        {"2026-02-29", -EINVAL, 0},
        {"1900-02-29", -EINVAL, 0},
        {"2026-13-01", -EINVAL, 0},
        {"2026-00-01", -EINVAL, 0},
        {"2026-04-31", -EINVAL, 0},
        {"2026-01-01T24:00", -EINVAL, 0},
        {"2026-01-01T00:60", -EINVAL, 0},
        {"2026-01-01T00:00:60", -EINVAL, 0},
        {"2026-01-01T00:00:00.", -EINVAL, 0},
        {"2026-01-01T00:00:00+", -EINVAL, 0},
        {"2026-01-01T00:00:00+24:00", -EINVAL, 0},
        {"2026-01-01T00:00:00Zx", -EINVAL, 0},
        {"2026-01-01T", -EINVAL, 0},
        {"2026-1-1", -EINVAL, 0},
        {"20260101", 0, 20260101}, /* an integer: ms */
        {"now", -EINVAL, 0},
        {"", -EINVAL, 0},
    };

    (void)state;
    check_numbers(value_time, cases, ARRAY_LEN(cases));
}

static void doubles(void **state)
{
    static const struct {
        const char *text;
        int rc;
        double value;
    } cases[] = {
        {"0", 0, 0.0},         {"1.5", 0, 1.5},       {"-2e3", 0, -2000.0},
        {"2E+3", 0, 2000.0},   {"25e-2", 0, 0.25},    {"1.7976931348623157e308", 0, DBL_MAX},
        {"1e-999", 0, 0.0},    {"1e999", -ERANGE, 0}, {".5", -EINVAL, 0},
        {"1.", -EINVAL, 0},    {"01", -EINVAL, 0},    {"+1", -EINVAL, 0},
        {"0x1p3", -EINVAL, 0}, {"inf", -EINVAL, 0},   {"nan", -EINVAL, 0},
        {"1e", -EINVAL, 0},    {"1 ", -EINVAL, 0},    {"", -EINVAL, 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        double value = -77;
        int rc = value_double(slice_of(cases[i].text), &value, NULL);

        if (rc != cases[i].rc || value != (rc == 0 ? cases[i].value : -77))
            fail_msg("\"%s\" gave %d, %g", cases[i].text, rc, value);
    }
}

static void decimals(void **state)
{
    static const struct {
        const char *text;
        unsigned scale;
        int rc;
        int64_t value;
    } cases[] = {
        {"12.5", 2, 0, 1250},
        {"12.50", 2, 0, 1250},
        {"12", 2, 0, 1200},
        {"-0.07", 2, 0, -7},
        {"7", 0, 0, 7},
        {"0.000000000000000001", 18, 0, 1},
        {"-9.223372036854775808", 18, 0, INT64_MIN},
        {"9.223372036854775808", 18, -ERANGE, 0},
        {"92233720368547758.07", 2, 0, INT64_MAX},
        {"92233720368547758.08", 2, -ERANGE, 0},
        {"92233720368547759", 2, -ERANGE, 0},
        {"12.505", 2, -EINVAL, 0},
        {"12.500", 2, -EINVAL, 0},
        {"7.0", 0, -EINVAL, 0},
        {"7.", 2, -EINVAL, 0},
        {".7", 2, -EINVAL, 0},
        {"1e2", 2, -EINVAL, 0},
        {"1,5", 2, -EINVAL, 0},
        {"--1", 2, -EINVAL, 0},
        {"", 2, -EINVAL, 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t value = -77;
        int rc = value_decimal(slice_of(cases[i].text), cases[i].scale, &value, NULL);

        if (rc != cases[i].rc || value != (rc == 0 ? cases[i].value : -77))
            fail_msg("\"%s\" gave %d, %lld", cases[i].text, rc, (long long)value);
    }
}

typedef void printer(struct buf *out, int64_t value);

static void check_printed(printer *print, int64_t value, const char *expected)
{
    struct buf out = {0};

    print(&out, value);
    assert_string_equal(buf_string(&out), expected);
    buf_free(&out);
}

static void printed(void **state)
{
    (void)state;
    check_printed(value_print_duration, 0, "0s");
    check_printed(value_print_duration, 5, "5ms");
    check_printed(value_print_duration, 61500, "1m1s500ms");
    check_printed(value_print_duration, 86400000, "24h");
    check_printed(value_print_duration, 90000000, "25h");
    check_printed(value_print_duration, 172800000, "2d");
    check_printed(value_print_duration, 176400000, "49h");
    check_printed(value_print_duration, -3600000, "-1h");
    check_printed(value_print_duration, INT64_MIN, "-2562047788015h12m55s808ms");
    check_printed(value_print_size, 0, "0");
    check_printed(value_print_size, 1000, "1KB");
    check_printed(value_print_size, 1024, "1KiB");
    check_printed(value_print_size, 1025, "1025");
    check_printed(value_print_size, INT64_C(8) << 30, "8GiB");
    check_printed(value_print_time, 0, "1970-01-01T00:00:00Z");
    check_printed(value_print_time, INT64_C(951827696789), "2000-02-29T12:34:56.789Z");
    check_printed(value_print_time, INT64_C(1767225599000), "2025-12-31T23:59:59Z");
    check_printed(value_print_time, INT64_C(253402300799999), "9999-12-31T23:59:59.999Z");
}

/* Whatever is printed reads back as the same time. */
static void times_come_back(void **state)
{
    (void)state;
    for (int64_t ms = 0; ms <= INT64_C(253402300799999); ms += INT64_C(1234567890123) / 7) {
        struct buf out = {0};
        int64_t again;

        value_print_time(&out, ms);
        assert_int_equal(value_time(buf_slice(&out), &again, NULL), 0);
        assert_true(again == ms);
        buf_free(&out);
    }
}

struct url_case {
    const char *url;
    const char *host;
    int port;
    const char *path;
    const char *user;
    const char *password;
    uint32_t database;
    const char *text;
};

static void assert_text(const char *got, const char *expected)
{
    if (!expected)
        assert_null(got);
    else
        assert_string_equal(got, expected);
}

static void redis_urls(void **state)
{
    static const struct url_case cases[] = {
        {"redis://h", "h", 6379, NULL, NULL, NULL, 0, "redis://h"},
        {"redis://h/", "h", 6379, NULL, NULL, NULL, 0, "redis://h/"},
        {"redis://10.0.0.1:7000/3", "10.0.0.1", 7000, NULL, NULL, NULL, 3,
         "redis://10.0.0.1:7000/3"},
        {"redis://u@h", "h", 6379, NULL, "u", NULL, 0, "redis://u@h"},
        {"redis://u:p@h:1/2", "h", 1, NULL, "u", "p", 2, "redis://u@h:1/2"},
        {"redis://:p@h", "h", 6379, NULL, NULL, "p", 0, "redis://h"},
        {"redis://u:@h", "h", 6379, NULL, "u", NULL, 0, "redis://u@h"},
        {"redis://@h", "h", 6379, NULL, NULL, NULL, 0, "redis://h"},
        {"redis://u:p:q@h", "h", 6379, NULL, "u", "p:q", 0, "redis://u@h"},
        {"redis://u:p@q@h", "h", 6379, NULL, "u", "p@q", 0, "redis://u@h"},
        {"redis://%75%40:%2f%3A%20%39%4A%5a%7E@h", "h", 6379, NULL, "u@", "/: 9JZ~", 0,
         "redis://%75%40@h"},
        {"redis://[::1]", "::1", 6379, NULL, NULL, NULL, 0, "redis://[::1]"},
        {"redis://u:p@[fe80::1]:6380/1", "fe80::1", 6380, NULL, "u", "p", 1,
         "redis://u@[fe80::1]:6380/1"},
        {"unix:///run/redis.sock", NULL, 0, "/run/redis.sock", NULL, NULL, 0,
         "unix:///run/redis.sock"},
        {"unix:///run/my%20redis.sock?db=12", NULL, 0, "/run/my redis.sock", NULL, NULL, 12,
         "unix:///run/my%20redis.sock?db=12"},
    };
    struct plan_memory *memory = plan_memory_create();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct url_case *url = &cases[i];
        struct plan_redis redis = {.user = "before", .password = "before", .database = 99};
        struct err err;

        assert_int_equal(address_parse_redis(slice_of(url->url), memory, &redis, &err), 0);
        assert_int_equal(redis.scheme, url->path ? REDIS_UNIX : REDIS_TCP);
        assert_text(redis.host, url->host);
        assert_int_equal(redis.port, url->port);
        assert_text(redis.path, url->path);
        assert_text(redis.user, url->user);
        assert_text(redis.password, url->password);
        assert_int_equal(redis.database, url->database);
        assert_text(redis.url_text, url->text);
    }
    plan_memory_free(memory);
}

static void a_socket_path_must_fit(void **state)
{
    struct plan_memory *memory = plan_memory_create();
    struct plan_redis redis = {.database = 5};
    struct err err;
    char url[128] = "unix:///";

    (void)state;
    memset(url + 8, 'x', 106); /* with the slash 107, and the terminator: sun_path is full */
    assert_int_equal(address_parse_redis(slice_of(url), memory, &redis, &err), 0);
    redis.path = NULL;
    memset(url + 8, 'x', 107);
    assert_int_equal(address_parse_redis(slice_of(url), memory, &redis, &err), -EINVAL);
    assert_string_equal(err.text, "the path is too long for a socket");
    assert_null(redis.path);
    plan_memory_free(memory);
}

static void listen_addresses(void **state)
{
    struct plan_memory *memory = plan_memory_create();
    const char *host = NULL;
    uint16_t port = 1;
    struct err err;

    (void)state;
    assert_int_equal(address_parse_listen(slice_of("127.0.0.1:0"), memory, &host, &port, &err), 0);
    assert_string_equal(host, "127.0.0.1");
    assert_int_equal(port, 0);
    assert_int_equal(address_parse_listen(slice_of("[::]:65535"), memory, &host, &port, &err), 0);
    assert_string_equal(host, "::");
    assert_int_equal(port, 65535);
    assert_int_equal(address_parse_listen(slice_of(":80"), memory, &host, &port, &err), -EINVAL);
    assert_int_equal(address_parse_listen(slice_of("h:"), memory, &host, &port, &err), -EINVAL);
    assert_int_equal(address_parse_listen(slice_of("h"), memory, &host, &port, &err), -EINVAL);
    assert_int_equal(address_parse_listen(slice_of("h:+1"), memory, &host, &port, &err), -EINVAL);
    assert_int_equal(port, 65535);
    plan_memory_free(memory);
}

static void edit_distances(void **state)
{
    static const struct {
        const char *a;
        const char *b;
        size_t distance;
    } cases[] = {
        {"", "", 0},
        {"a", "", 1},
        {"", "abc", 3},
        {"window", "window", 0},
        {"widnow", "window", 1}, /* neighbours swapped */
        {"windw", "window", 1},
        {"wiindow", "window", 1},
        {"wimdow", "window", 1},
        {"WINDOW", "window", 0},
        {"kitten", "sitting", 3},
        {"ca", "abc", 3},
        {"ab", "ba", 1},
        {"flaw", "lawn", 2},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct slice a = slice_of(cases[i].a);
        struct slice b = slice_of(cases[i].b);

        if (spelling_distance(a, b) != cases[i].distance ||
            spelling_distance(b, a) != cases[i].distance)
            fail_msg("%s, %s: %zu", cases[i].a, cases[i].b, spelling_distance(a, b));
    }
}

/* Up to the longest word that is compared, and not beyond. */
static void long_words(void **state)
{
    char word[SPELLING_BYTES_MAX + 1];
    struct slice longest = {word, SPELLING_BYTES_MAX};
    struct slice too_long = {word, SPELLING_BYTES_MAX + 1};
    struct spelling spelling;

    (void)state;
    memset(word, 'a', sizeof(word));
    assert_int_equal(spelling_distance(longest, longest), 0);
    assert_int_equal(spelling_distance(longest, SLICE_LITERAL("b")), SPELLING_BYTES_MAX);
    spelling_init(&spelling, longest);
    spelling_offer(&spelling, too_long);
    assert_null(spelling.best.data);
    spelling_offer(&spelling, (struct slice){word, SPELLING_BYTES_MAX - 1});
    assert_int_equal(spelling.best_distance, 1);
    spelling_done(&spelling);
    spelling_init(&spelling, too_long);
    spelling_offer(&spelling, longest);
    assert_null(spelling.best.data);
    spelling_done(&spelling);
}

static void check_hint(const char *word, const char *expected)
{
    static const char *const valid[] = {"count", "sum", "mean", "min", "max"};
    struct plan_memory *memory = plan_memory_create();
    struct spelling spelling;

    spelling_init(&spelling, slice_of(word));
    for (size_t i = 0; i < ARRAY_LEN(valid); i++)
        spelling_offer(&spelling, slice_of(valid[i]));
    assert_string_equal(spelling_hint(&spelling, memory), expected);
    spelling_done(&spelling);
    plan_memory_free(memory);
}

static void hints(void **state)
{
    (void)state;
    check_hint("cuont", "; did you mean \"count\"?");
    check_hint("Sum", "; did you mean \"sum\"?");
    check_hint("mni", "; did you mean \"min\"?");
    check_hint("avg", "; valid: count, sum, mean, min, max");
    check_hint("x", "; valid: count, sum, mean, min, max");
    check_hint("", "; valid: count, sum, mean, min, max");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers),
        cmocka_unit_test(durations),
        cmocka_unit_test(sizes),
        cmocka_unit_test(times),
        cmocka_unit_test(doubles),
        cmocka_unit_test(decimals),
        cmocka_unit_test(printed),
        cmocka_unit_test(times_come_back),
        cmocka_unit_test(redis_urls),
        cmocka_unit_test(a_socket_path_must_fit),
        cmocka_unit_test(listen_addresses),
        cmocka_unit_test(edit_distances),
        cmocka_unit_test(long_words),
        cmocka_unit_test(hints),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
