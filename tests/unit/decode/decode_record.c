/* Records into events, by the rules of bad input: what each type and time unit takes, and which of
 * several faults is named. */
#include "../support/plan_text.h"

#include "base/hash.h"
#include "decode/decode.h"

#define OK REJECT_REASON_COUNT

/* A source with the entity `user`, a time, and more fields; one line each, indented. */
static struct plan *plan_with(const char *time, const char *fields)
{
    struct buf text = {0};

    buf_printf(&text,
               "pipeline: p\n"
               "kafka: {}\n"
               "sources:\n"
               "  s:\n"
               "    topic: t\n"
               "    entity: user\n"
               "    time: {%s}\n"
               "    max_future: 60s\n"
               "    fields:\n"
               "%s"
               "views:\n"
               "  v: {source: s, window: {tumbling: 1h}, features: {n: {count: true}}}\n",
               time, fields);
    struct plan *plan = plan_of_text(buf_string(&text));

    buf_free(&text);
    return plan;
}

/* One decoder with all that it needs. */
struct bench {
    struct plan *plan;
    struct decoder *decoder;
    struct region scratch;
    struct field_value fields[PLAN_FIELDS_MAX];
    struct event event;
    struct reject reject;
};

static void bench_init(struct bench *bench, struct plan *plan)
{
    *bench = (struct bench){.plan = plan, .decoder = decoder_create(&plan->sources[0])};
}

static void bench_done(struct bench *bench)
{
    decoder_free(bench->decoder);
    region_done(&bench->scratch);
    plan_free(bench->plan);
}

/* The reason why the record is refused, or OK. */
static enum reject_reason decode_record(struct bench *bench, const struct record *record)
{
    region_reset(&bench->scratch);
    memset(bench->fields, 0xa5, sizeof(bench->fields));
    bench->reject = (struct reject){.reason = OK};
    int rc = decoder_decode(bench->decoder, record, &bench->scratch, bench->fields, &bench->event,
                            &bench->reject);

    ENSURE(rc == (bench->reject.reason == OK ? 0 : -EBADMSG));
    return bench->reject.reason;
}

static enum reject_reason decode_text(struct bench *bench, const char *text)
{
    struct record record = {
        .partition = 3, .offset = 17, .timestamp_ms = -1, .value = slice_of(text)};

    return decode_record(bench, &record);
}

static const char *name_of(enum reject_reason reason)
{
    return reason == OK ? "accepted" : reject_reason_name(reason);
}

static void check_reason(struct bench *bench, const char *text, enum reject_reason wanted)
{
    enum reject_reason got = decode_text(bench, text);

    if (got != wanted)
        fail_msg("seed %" PRIu64 ": %s: %s, not %s", test_seed, text, name_of(got),
                 name_of(wanted));
}

struct value_case {
    const char *json;
    enum reject_reason reason;
    int64_t value;
};

static void check_field(const char *type, const struct value_case *cases, size_t count)
{
    char fields[200];
    char text[1000];
    struct bench bench;

    snprintf(fields, sizeof(fields), "      user: string\n      x: {type: %s, optional: true}\n",
             type);
    bench_init(&bench, plan_with("field: ts", fields));
    for (size_t i = 0; i < count; i++) {
        snprintf(text, sizeof(text), "{\"user\":\"u\",\"ts\":1,\"x\":%s}", cases[i].json);
        check_reason(&bench, text, cases[i].reason);
        if (cases[i].reason != OK) {
            assert_string_equal(bench.reject.field, "x");
        } else {
            assert_true(bench.fields[1].present);
            if (bench.fields[1].i != cases[i].value)
                fail_msg("%s is %" PRId64, cases[i].json, bench.fields[1].i);
        }
    }
    bench_done(&bench);
}

#define CHECK_FIELD(type, cases) check_field(type, cases, ARRAY_LEN(cases))

static void integers_are_integers(void **state)
{
    static const struct value_case cases[] = {
        {"0", OK, 0},
        {"-0", OK, 0},
        {"-12", OK, -12},
        {"9223372036854775807", OK, INT64_MAX},
        {"-9223372036854775808", OK, INT64_MIN},
        {"9223372036854775808", REJECT_OVERFLOW, 0},
        {"-9223372036854775809", REJECT_OVERFLOW, 0},
        {"100000000000000000000000", REJECT_OVERFLOW, 0},
        {"1.0", REJECT_WRONG_TYPE, 0},
        {"1e2", REJECT_WRONG_TYPE, 0},
        {"99999999999999999999.5", REJECT_WRONG_TYPE, 0},
        {"\"12\"", REJECT_WRONG_TYPE, 0},
        {"true", REJECT_WRONG_TYPE, 0},
        {"[1]", REJECT_WRONG_TYPE, 0},
        {"{}", REJECT_WRONG_TYPE, 0},
        {"\"\"", REJECT_WRONG_TYPE, 0},
    };

    (void)state;
    CHECK_FIELD("int64", cases);
}

static void decimals_are_exact(void **state)
{
    static const struct value_case cases[] = {
        {"12", OK, 1200},
        {"12.5", OK, 1250},
        {"0.1e1", OK, 100},
        {"1.005", OK, 101},
        {"-1.005", OK, -101},
        {"1.00499999999999999999999999999", OK, 100},
        {"0.004", OK, 0},
        {"1e-99", OK, 0},
        {"92233720368547758.07", OK, INT64_MAX},
        {"92233720368547758.074", OK, INT64_MAX},
        {"92233720368547758.075", REJECT_OVERFLOW, 0},
        {"-92233720368547758.08", OK, INT64_MIN},
        {"1e17", REJECT_OVERFLOW, 0},
        {"\"1.50\"", REJECT_WRONG_TYPE, 0},
        {"false", REJECT_WRONG_TYPE, 0},
        {"[]", REJECT_WRONG_TYPE, 0},
        {"{\"a\":1}", REJECT_WRONG_TYPE, 0},
    };

    (void)state;
    CHECK_FIELD("decimal(2)", cases);
}

static int64_t bits_of(double value)
{
    int64_t bits;

    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

static void doubles_are_finite(void **state)
{
    const struct value_case cases[] = {
        {"0", OK, bits_of(0)},
        {"1", OK, bits_of(1)},
        {"0.1", OK, bits_of(0.1)},
        {"-2.5e-3", OK, bits_of(-0.0025)},
        {"1.7976931348623157e308", OK, bits_of(1.7976931348623157e308)},
        {"1e-999", OK, bits_of(0)},
        {"1.8e308", REJECT_OVERFLOW, 0},
        {"-1e999", REJECT_OVERFLOW, 0},
        {"\"1\"", REJECT_WRONG_TYPE, 0},
        {"\"NaN\"", REJECT_WRONG_TYPE, 0},
        {"true", REJECT_WRONG_TYPE, 0},
    };

    (void)state;
    CHECK_FIELD("double", cases);
}

static void bools_are_true_or_false(void **state)
{
    static const struct value_case cases[] = {
        {"true", OK, 1},
        {"false", OK, 0},
        {"1", REJECT_WRONG_TYPE, 0},
        {"0", REJECT_WRONG_TYPE, 0},
        {"\"true\"", REJECT_WRONG_TYPE, 0},
        {"[true]", REJECT_WRONG_TYPE, 0},
    };

    (void)state;
    CHECK_FIELD("bool", cases);
}

static void timestamps_are_ms_or_iso_8601(void **state)
{
    static const struct value_case cases[] = {
        {"0", OK, 0},
        {"-0", OK, 0},
        {"1709028000123", OK, INT64_C(1709028000123)},
        {"\"2024-02-27T10:00:00.123Z\"", OK, INT64_C(1709028000123)},
        {"\"2024-02-27T15:30:00.123+05:30\"", OK, INT64_C(1709028000123)},
        {"\"2024-02-27T10:00:00.123\"", OK, INT64_C(1709028000123)},
        {"\"2024-02-27T10\\u003a00:00.123\"", OK, INT64_C(1709028000123)},
        {"253402300799999", OK, EVENT_TIME_MAX_MS},
        {"253402300800000", REJECT_BAD_TIME, 0},
        {"-1", REJECT_BAD_TIME, 0},
        {"1.5", REJECT_BAD_TIME, 0},
        {"1e3", REJECT_BAD_TIME, 0},
        {"99999999999999999999", REJECT_BAD_TIME, 0},
        {"\"1969-12-31T23:59:59.999Z\"", REJECT_BAD_TIME, 0},
        {"\"1709028000123\"", REJECT_BAD_TIME, 0},
        {"\"yesterday\"", REJECT_BAD_TIME, 0},
        {"\"\"", REJECT_BAD_TIME, 0},
        {"true", REJECT_WRONG_TYPE, 0},
        {"[1]", REJECT_WRONG_TYPE, 0},
    };

    (void)state;
    CHECK_FIELD("timestamp", cases);
}

struct string_case {
    const char *json;
    struct slice content;
};

static void strings_are_unescaped(void **state)
{
    static const struct string_case cases[] = {
        {"\"abc\"", SLICE_LITERAL("abc")},
        {"\"\"", SLICE_LITERAL("")},
        {"\"a\\nb\\\"\\\\\\/\"", SLICE_LITERAL("a\nb\"\\/")},
        {"\"\\u00e9\\u20ac\\ud83d\\ude00\"", SLICE_LITERAL("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80")},
        {"\"a\\u0000b\"", SLICE_LITERAL("a\0b")},
        {"\" x \"", SLICE_LITERAL(" x ")},
        {"\"12\"", SLICE_LITERAL("12")},
    };
    static const char *const wrong[] = {"12", "true", "[]", "{}", "[\"a\"]"};
    struct bench bench;
    char text[300];

    (void)state;
    bench_init(&bench, plan_with("field: ts", "      user: string\n      x: string\n"
                                              "      y: {path: user, type: string}\n"));
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        snprintf(text, sizeof(text), "{\"user\":\"\\u0061b\",\"ts\":1,\"x\":%s}", cases[i].json);
        check_reason(&bench, text, OK);
        ENSURE_TEXT(((struct slice){bench.fields[1].s, bench.fields[1].len}), cases[i].content);
        /* Two fields may stand in one place. */
        ENSURE_TEXT(((struct slice){bench.fields[0].s, bench.fields[0].len}), SLICE_LITERAL("ab"));
        ENSURE_TEXT(((struct slice){bench.fields[2].s, bench.fields[2].len}), SLICE_LITERAL("ab"));
    }
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        snprintf(text, sizeof(text), "{\"user\":\"u\",\"ts\":1,\"x\":%s}", wrong[i]);
        check_reason(&bench, text, REJECT_WRONG_TYPE);
    }
    bench_done(&bench);
}

static void check_times(const char *unit, const struct value_case *cases, size_t count)
{
    char time[100];
    char text[300];
    struct bench bench;

    snprintf(time, sizeof(time), "field: meta.ts%s%s", *unit ? ", unit: " : "", unit);
    bench_init(&bench, plan_with(time, "      user: string\n"));
    for (size_t i = 0; i < count; i++) {
        snprintf(text, sizeof(text), "{\"meta\":{\"ts\":%s},\"user\":\"u\"}", cases[i].json);
        check_reason(&bench, text, cases[i].reason);
        if (cases[i].reason == OK && bench.event.time_ms != cases[i].value)
            fail_msg("%s: %s is %" PRId64, unit, cases[i].json, bench.event.time_ms);
        if (cases[i].reason != OK)
            assert_string_equal(bench.reject.field, "meta.ts");
    }
    bench_done(&bench);
}

#define CHECK_TIMES(unit, cases) check_times(unit, cases, ARRAY_LEN(cases))

static void times_in_milliseconds(void **state)
{
    static const struct value_case cases[] = {
        {"0", OK, 0},
        {"-0", OK, 0},
        {"1709028000123", OK, INT64_C(1709028000123)},
        {"253402300799999", OK, EVENT_TIME_MAX_MS},
        {"253402300800000", REJECT_BAD_TIME, 0},
        {"99999999999999999999", REJECT_BAD_TIME, 0},
        {"-1", REJECT_BAD_TIME, 0},
        {"1.5", REJECT_BAD_TIME, 0},
        {"1.0", REJECT_BAD_TIME, 0},
        {"1e3", REJECT_BAD_TIME, 0},
        {"\"1709028000123\"", REJECT_WRONG_TYPE, 0},
        {"\"2024-02-27\"", REJECT_WRONG_TYPE, 0},
        {"true", REJECT_WRONG_TYPE, 0},
        {"{}", REJECT_WRONG_TYPE, 0},
        {"null", REJECT_MISSING, 0},
    };

    (void)state;
    CHECK_TIMES("", cases);
    CHECK_TIMES("ms", cases);
}

static void times_in_seconds(void **state)
{
    static const struct value_case cases[] = {
        {"0", OK, 0},
        {"-0.0", OK, 0},
        {"-0e5", OK, 0},
        {"1709028000", OK, INT64_C(1709028000000)},
        {"1709028000.123", OK, INT64_C(1709028000123)},
        {"1709028000.1234", OK, INT64_C(1709028000123)},
        {"1709028000.1235", OK, INT64_C(1709028000124)},
        {"1.709028000123e9", OK, INT64_C(1709028000123)},
        {"0.0004", OK, 0},
        {"0.0005", OK, 1},
        {"0.29", OK, 290},
        {"253402300799.999", OK, EVENT_TIME_MAX_MS},
        {"253402300799.9994", OK, EVENT_TIME_MAX_MS},
        {"253402300799.9995", REJECT_BAD_TIME, 0},
        {"1e300", REJECT_BAD_TIME, 0},
        {"-0.0004", OK, 0},
        {"-1e-99", OK, 0},
        {"-0.0005", REJECT_BAD_TIME, 0},
        {"-1", REJECT_BAD_TIME, 0},
        {"\"1\"", REJECT_WRONG_TYPE, 0},
        {"null", REJECT_MISSING, 0},
    };

    (void)state;
    CHECK_TIMES("s", cases);
}

static void times_in_microseconds(void **state)
{
    static const struct value_case cases[] = {
        {"0", OK, 0},
        {"999", OK, 0},
        {"1000", OK, 1},
        {"1709028000123999", OK, INT64_C(1709028000123)},
        {"253402300799999999", OK, EVENT_TIME_MAX_MS},
        {"253402300800000000", REJECT_BAD_TIME, 0},
        {"-1", REJECT_BAD_TIME, 0},
        {"-999", REJECT_BAD_TIME, 0},
        {"-0", OK, 0},
        {"1.5", REJECT_BAD_TIME, 0},
        {"99999999999999999999", REJECT_BAD_TIME, 0},
        {"\"1000\"", REJECT_WRONG_TYPE, 0},
        {"null", REJECT_MISSING, 0},
    };

    (void)state;
    CHECK_TIMES("us", cases);
}

static void times_in_iso_8601(void **state)
{
    static const struct value_case cases[] = {
        {"\"2024-02-27T10:00:00.123Z\"", OK, INT64_C(1709028000123)},
        {"\"2024-02-27T10:00:00.1239\"", OK, INT64_C(1709028000123)},
        {"\"2024-02-27T04:30:00.123-05:30\"", OK, INT64_C(1709028000123)},
        {"\"2024-02-27T10\\u003A00:00.123Z\"", OK, INT64_C(1709028000123)},
        {"\"1970-01-01\"", OK, 0},
        {"\"1969-12-31\"", REJECT_BAD_TIME, 0},
        {"\"9999-12-31T23:59:59-01:00\"", REJECT_BAD_TIME, 0},
        {"\"2023-02-29\"", REJECT_BAD_TIME, 0},
        {"\"\"", REJECT_BAD_TIME, 0},
        {"1709028000123", REJECT_WRONG_TYPE, 0},
        {"null", REJECT_MISSING, 0},
    };

    (void)state;
    CHECK_TIMES("iso8601", cases);
}

static void what_is_missing_is_replaced_or_refused(void **state)
{
    struct bench bench;

    (void)state;
    bench_init(&bench,
               plan_with("field: ts", "      user: string\n"
                                      "      must: int64\n"
                                      "      may: {type: int64, optional: true}\n"
                                      "      will: {type: string, default: dflt}\n"
                                      "      deep: {path: a.b, type: bool, default: true}\n"));
    check_reason(&bench, "{\"user\":\"u\",\"ts\":1,\"must\":5}", OK);
    assert_int_equal(bench.fields[1].i, 5);
    assert_false(bench.fields[2].present);
    assert_true(bench.fields[3].present);
    ENSURE_TEXT(((struct slice){bench.fields[3].s, bench.fields[3].len}), SLICE_LITERAL("dflt"));
    assert_true(bench.fields[4].present && bench.fields[4].i == 1);

    check_reason(
        &bench,
        "{\"user\":\"u\",\"ts\":1,\"must\":5,\"may\":null,\"will\":null,\"a\":{\"b\":null}}", OK);
    assert_false(bench.fields[2].present);
    assert_int_equal(bench.fields[3].len, 4);
    assert_true(bench.fields[4].present && bench.fields[4].i == 1);

    check_reason(&bench, "{\"user\":\"u\",\"ts\":1,\"must\":5,\"a\":{\"b\":false}}", OK);
    assert_true(bench.fields[4].present && bench.fields[4].i == 0);
    /* What is no object has no members. */
    check_reason(&bench, "{\"user\":\"u\",\"ts\":1,\"must\":5,\"a\":7}", OK);
    assert_true(bench.fields[4].i == 1);

    check_reason(&bench, "{\"user\":\"u\",\"ts\":1}", REJECT_MISSING);
    assert_string_equal(bench.reject.field, "must");
    check_reason(&bench, "{\"user\":\"u\",\"ts\":1,\"must\":null}", REJECT_MISSING);
    assert_string_equal(bench.reject.field, "must");
    check_reason(&bench, "{\"ts\":1,\"must\":5}", REJECT_MISSING);
    assert_string_equal(bench.reject.field, "user");
    /* A name twice: the last wins, null too. */
    check_reason(&bench, "{\"user\":\"u\",\"ts\":1,\"must\":5,\"must\":null}", REJECT_MISSING);
    check_reason(&bench, "{\"user\":\"u\",\"ts\":1,\"must\":null,\"must\":6}", OK);
    bench_done(&bench);
}

static void an_entity_may_be_a_number_or_a_default(void **state)
{
    struct bench bench;

    (void)state;
    bench_init(&bench, plan_with("field: ts", "      user: int64\n"));
    check_reason(&bench, "{\"user\":-42,\"ts\":1}", OK);
    ENSURE_TEXT(bench.event.key, SLICE_LITERAL("-42"));
    check_reason(&bench, "{\"user\":-9223372036854775808,\"ts\":1}", OK);
    ENSURE_TEXT(bench.event.key, SLICE_LITERAL("-9223372036854775808"));
    assert_true(bench.event.key_hash == hash64(bench.event.key));
    bench_done(&bench);

    bench_init(&bench, plan_with("field: ts", "      user: {type: string, default: nobody}\n"));
    check_reason(&bench, "{\"ts\":1}", OK);
    ENSURE_TEXT(bench.event.key, SLICE_LITERAL("nobody"));
    check_reason(&bench, "{\"ts\":1,\"user\":\"\"}", REJECT_EMPTY_ENTITY);
    assert_string_equal(bench.reject.field, "user");
    bench_done(&bench);

    bench_init(&bench, plan_with("field: ts", "      user: {type: string, optional: true}\n"));
    check_reason(&bench, "{\"ts\":1}", REJECT_MISSING);
    assert_string_equal(bench.reject.field, "user");
    bench_done(&bench);
}

static enum reject_reason reason_at(struct bench *bench, int64_t record_ms)
{
    struct record record = {.timestamp_ms = record_ms,
                            .value = SLICE_LITERAL("{\"user\":\"u\",\"ts\":100000}")};

    return decode_record(bench, &record);
}

static void the_future_begins_behind_max_future(void **state)
{
    struct bench bench;

    (void)state;
    bench_init(&bench, plan_with("field: ts", "      user: string\n"));
    assert_int_equal(reason_at(&bench, 40000), OK);
    assert_int_equal(reason_at(&bench, 39999), REJECT_FUTURE);
    assert_string_equal(bench.reject.field, "ts");
    assert_int_equal(reason_at(&bench, 0), REJECT_FUTURE);
    assert_int_equal(reason_at(&bench, -1), OK); /* a record without a timestamp is not checked */
    assert_int_equal(reason_at(&bench, INT64_MAX), OK);
    bench_done(&bench);
}

static void an_event_says_where_it_came_from(void **state)
{
    struct bench bench;
    struct record record = {.partition = 3,
                            .offset = 17,
                            .timestamp_ms = 99,
                            .value = SLICE_LITERAL("{\"user\":\"u7\",\"ts\":100}")};

    (void)state;
    bench_init(&bench, plan_with("field: ts", "      user: string\n      at: {path: ts, type: "
                                              "timestamp}\n"));
    assert_int_equal(decode_record(&bench, &record), OK);
    assert_int_equal(bench.event.time_ms, 100);
    assert_int_equal(bench.event.partition, 3);
    assert_int_equal(bench.event.offset, 17);
    assert_int_equal(bench.event.record_ms, 99);
    ENSURE_TEXT(bench.event.key, SLICE_LITERAL("u7"));
    assert_true(bench.event.key_hash == hash64(SLICE_LITERAL("u7")));
    assert_ptr_equal(bench.event.fields, bench.fields);
    assert_int_equal(bench.fields[1].i, 100);

    record.value = SLICE_NONE;
    assert_int_equal(decode_record(&bench, &record), REJECT_NULL_VALUE);
    assert_null(bench.reject.field);
    record.value = SLICE_LITERAL("");
    assert_int_equal(decode_record(&bench, &record), REJECT_MALFORMED);
    assert_null(bench.reject.field);
    bench_done(&bench);
}

/* A value as it may stand for a field, and what that leads to. */
struct choice {
    const char *json; /* NULL: left out */
    enum reject_reason reason;
};

struct choices {
    const char *name;
    struct choice items[6];
};

/* In the order of the checks. */
static const struct choices members[] = {
    {"ts",
     {{"100000", OK},
      {"\"x\"", REJECT_WRONG_TYPE},
      {"-5", REJECT_BAD_TIME},
      {NULL, REJECT_MISSING},
      {"900000", OK}}},
    {"first",
     {{"1", OK},
      {"\"1\"", REJECT_WRONG_TYPE},
      {"1e30", REJECT_WRONG_TYPE},
      {"99999999999999999999", REJECT_OVERFLOW},
      {NULL, REJECT_MISSING}}},
    {"user", {{"\"u\"", OK}, {"\"\"", OK}, {"7", REJECT_WRONG_TYPE}, {NULL, REJECT_MISSING}}},
    {"may", {{"\"x\"", OK}, {"null", OK}, {NULL, OK}, {"0", REJECT_WRONG_TYPE}}},
    {"cost", {{"1.5", OK}, {"1e40", REJECT_OVERFLOW}, {"null", OK}, {"[]", REJECT_WRONG_TYPE}}},
    {"at",
     {{"5", OK}, {"\"5\"", REJECT_BAD_TIME}, {"false", REJECT_WRONG_TYPE}, {NULL, REJECT_MISSING}}},
};

struct draw {
    struct buf text;
    enum reject_reason reason; /* of the first fault */
    const char *field;
    bool empty_user;
    bool far;
};

static void draw_member(struct draw *draw, const struct choices *member)
{
    size_t count = 0;

    while (count < 6 && (member->items[count].json || member->items[count].reason))
        count++;
    const struct choice *choice = &member->items[random_chance(70) ? 0 : random_below(count)];

    if (choice->json)
        buf_printf(&draw->text, "%s\"%s\":%s", draw->text.len > 1 ? "," : "", member->name,
                   choice->json);
    draw->empty_user = draw->empty_user || (choice->json && strcmp(choice->json, "\"\"") == 0);
    draw->far = draw->far || (choice->json && strcmp(choice->json, "900000") == 0);
    if (draw->reason == OK && choice->reason != OK) {
        draw->reason = choice->reason;
        draw->field = member->name;
    }
}

/* A record with any number of faults, and which of them is to be named. */
static void draw_record(struct draw *draw)
{
    bool is_malformed = random_chance(10);

    buf_reset(&draw->text);
    *draw = (struct draw){.text = draw->text, .reason = OK};
    buf_append_char(&draw->text, '{');
    for (size_t i = 0; i < ARRAY_LEN(members); i++)
        draw_member(draw, &members[i]);
    if (!is_malformed)
        buf_append_char(&draw->text, '}');
    if (draw->reason == OK && draw->empty_user) {
        draw->reason = REJECT_EMPTY_ENTITY;
        draw->field = "user";
    }
    if (draw->reason == OK && draw->far) {
        draw->reason = REJECT_FUTURE;
        draw->field = "ts";
    }
    if (is_malformed) {
        draw->reason = REJECT_MALFORMED;
        draw->field = NULL;
    }
}

static void the_first_fault_is_named(void **state)
{
    struct bench bench;
    struct draw draw = {0};
    uint64_t seen[OK + 1] = {0};

    (void)state;
    bench_init(&bench, plan_with("field: ts", "      first: int64\n"
                                              "      user: string\n"
                                              "      may: {type: string, optional: true}\n"
                                              "      cost: {type: decimal(2), default: 1.00}\n"
                                              "      at: timestamp\n"));
    for (FIRST_SEED; MORE_SEEDS(5000); NEXT_SEED) {
        struct record record = {.timestamp_ms = 100000};

        draw_record(&draw);
        record.value = random_chance(2) ? SLICE_NONE : buf_slice(&draw.text);
        if (!record.value.data) {
            draw.reason = REJECT_NULL_VALUE;
            draw.field = NULL;
        }
        enum reject_reason got = decode_record(&bench, &record);

        if (got != draw.reason)
            fail_msg("seed %" PRIu64 ": %s: %s, not %s", test_seed, buf_string(&draw.text),
                     name_of(got), name_of(draw.reason));
        if (got != OK)
            ENSURE_TEXT(slice_of(bench.reject.field), slice_of(draw.field));
        seen[got]++;
    }
    for (int reason = 0; reason <= OK; reason++)
        assert_true(seen[reason] > 0);
    buf_free(&draw.text);
    bench_done(&bench);
}

static void reasons_have_names_and_meanings(void **state)
{
    (void)state;
    assert_string_equal(reject_reason_name(REJECT_NULL_VALUE), "null_value");
    assert_string_equal(reject_reason_name(REJECT_FUTURE), "future");
    for (int reason = 0; reason < REJECT_REASON_COUNT; reason++) {
        const char *name = reject_reason_name((enum reject_reason)reason);

        assert_true(strspn(name, "abcdefghijklmnopqrstuvwxyz_") == strlen(name));
        assert_true(strlen(reject_reason_meaning((enum reject_reason)reason)) > 10);
    }
    decoder_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_are_integers),
        cmocka_unit_test(decimals_are_exact),
        cmocka_unit_test(doubles_are_finite),
        cmocka_unit_test(bools_are_true_or_false),
        cmocka_unit_test(timestamps_are_ms_or_iso_8601),
        cmocka_unit_test(strings_are_unescaped),
        cmocka_unit_test(times_in_milliseconds),
        cmocka_unit_test(times_in_seconds),
        cmocka_unit_test(times_in_microseconds),
        cmocka_unit_test(times_in_iso_8601),
        cmocka_unit_test(what_is_missing_is_replaced_or_refused),
        cmocka_unit_test(an_entity_may_be_a_number_or_a_default),
        cmocka_unit_test(the_future_begins_behind_max_future),
        cmocka_unit_test(an_event_says_where_it_came_from),
        cmocka_unit_test(the_first_fault_is_named),
        cmocka_unit_test(reasons_have_names_and_meanings),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
