/* Dead letters and late records as JSON, read back by a reader that knows nothing of them. */
#include "../support/json_value.h"
#include "../support/testing.h"
#include "sink/side_output.h"

static struct buf out;

static struct json_value *written(const struct side_record *side)
{
    buf_reset(&out);
    side_record_json(side, &out);
    struct json_value *json = json_value_of(buf_slice(&out));

    ENSURE(json && json->kind == VALUE_OBJECT);
    ENSURE(out.len <= SIDE_JSON_BYTES_MAX);
    return json;
}

static void check_member(const struct json_value *json, const char *name, const char *wanted)
{
    const struct json_value *member = json_member(json, slice_of(name));

    if (!member)
        fail_msg("no %s in %s", name, buf_string(&out));
    if (strcmp(wanted, "null") == 0)
        ENSURE(member->kind == VALUE_NULL);
    else if (member->kind == VALUE_STRING)
        ENSURE_TEXT(json_string(member), slice_of(wanted));
    else
        ENSURE_TEXT(member->raw, slice_of(wanted));
}

static void a_dead_letter_has_all_that_is_known(void **state)
{
    const struct record record = {.partition = 3,
                                  .offset = 17,
                                  .timestamp_ms = 1700000000123,
                                  .key = SLICE_LITERAL("k"),
                                  .value = SLICE_LITERAL("{\"a\":\"\\u00e9\n\"")};
    struct side_record side = {.kind = SIDE_DEAD_LETTER,
                               .topic = "events",
                               .record = &record,
                               .error = "wrong_type",
                               .field = "amount",
                               .watermark_ms = 5};

    (void)state;
    struct json_value *json = written(&side);
    check_member(json, "raw", "{\"a\":\"\\u00e9\n\"");
    check_member(json, "error", "wrong_type");
    check_member(json, "ts", "1700000000123");
    check_member(json, "topic", "events");
    check_member(json, "partition", "3");
    check_member(json, "offset", "17");
    check_member(json, "field", "amount");
    assert_int_equal(json->count, 7);
    json_value_free(json);

    side.field = NULL;
    json = written(&side);
    check_member(json, "field", "null");
    json_value_free(json);
}

static void a_late_record_has_the_watermark(void **state)
{
    const struct record record = {
        .partition = 0, .offset = INT64_MAX, .timestamp_ms = -1, .value = SLICE_LITERAL("")};
    const struct side_record side = {.kind = SIDE_LATE,
                                     .topic = "t\"",
                                     .record = &record,
                                     .error = "late",
                                     .watermark_ms = 1700000000000};

    (void)state;
    struct json_value *json = written(&side);
    check_member(json, "raw", "");
    check_member(json, "error", "late");
    check_member(json, "ts", "null");
    check_member(json, "topic", "t\"");
    check_member(json, "offset", "9223372036854775807");
    check_member(json, "watermark", "1700000000000");
    assert_int_equal(json->count, 7);
    json_value_free(json);
}

static void no_value_is_null(void **state)
{
    const struct record record = {.timestamp_ms = 5, .value = SLICE_NONE};
    const struct side_record side = {
        .kind = SIDE_DEAD_LETTER, .topic = "t", .record = &record, .error = "null_value"};

    (void)state;
    struct json_value *json = written(&side);
    check_member(json, "raw", "null");
    assert_int_equal(json->count, 7);
    json_value_free(json);
}

static size_t decode_base64(struct slice text, char *bytes)
{
    const char *digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t len = 0;
    uint32_t bits = 0;

    for (size_t i = 0; i < text.len && text.data[i] != '='; i++) {
        bits = bits << 6 | (uint32_t)(strchr(digits, text.data[i]) - digits);
        if (i % 4 > 0)
            bytes[len++] = (char)(bits >> (6 - 2 * (i % 4)));
    }
    return len;
}

/* How much of the raw value is there: of text as much as makes whole characters. */
static void check_raw(const struct json_value *json, struct slice raw, bool is_text,
                      size_t bytes_max)
{
    const struct json_value *member = json_member(json, SLICE_LITERAL("raw"));
    bool is_cut = raw.len > bytes_max;
    struct slice shown = json_string(member);
    char *bytes = NULL;

    ENSURE(member->kind == VALUE_STRING);
    if (!is_text) {
        check_member(json, "encoding", "base64");
        bytes = malloc(shown.len + 3);
        shown = (struct slice){bytes, decode_base64(shown, bytes)};
    }
    ENSURE(shown.len <= MIN(raw.len, bytes_max));
    ENSURE(shown.len + (is_text ? 3 : 0) >= MIN(raw.len, bytes_max));
    ENSURE(is_cut || shown.len == raw.len);
    ENSURE_TEXT(shown, ((struct slice){raw.data, shown.len}));
    const struct json_value *truncated = json_member(json, SLICE_LITERAL("truncated"));
    ENSURE(is_cut ? truncated && truncated->kind == VALUE_TRUE : !truncated);
    ENSURE_INT(json->count, 7 + !is_text + is_cut);
    free(bytes);
}

static void check_value(struct slice raw, bool is_text, size_t bytes_max)
{
    const struct record record = {.timestamp_ms = 5, .value = raw};
    const struct side_record side = {
        .kind = SIDE_DEAD_LETTER, .topic = "t", .record = &record, .error = "malformed"};
    struct json_value *json = written(&side);

    check_raw(json, raw, is_text, bytes_max);
    json_value_free(json);
}

static void what_is_not_utf_8_is_base64(void **state)
{
    char bytes[300];

    (void)state;
    check_value(SLICE_LITERAL("\xff"), false, SIDE_RAW_BYTES_MAX);
    check_value(SLICE_LITERAL("a\xc3"), false, SIDE_RAW_BYTES_MAX);
    check_value(SLICE_LITERAL("\xed\xa0\x80"), false, SIDE_RAW_BYTES_MAX);
    check_value(SLICE_LITERAL("a\0b"), true, SIDE_RAW_BYTES_MAX);
    for (FIRST_SEED; MORE_SEEDS(200); NEXT_SEED) {
        struct slice raw = {bytes, 1 + random_below(sizeof(bytes) - 1)};

        for (size_t i = 0; i < raw.len; i++)
            bytes[i] = (char)random_next();
        bytes[raw.len - 1] = (char)0xc0; /* no text ends so */
        check_value(raw, false, SIDE_RAW_BYTES_MAX);
    }
}

/* Characters of one to four bytes, so that a cut is within one at times. */
static void long_values_are_cut_between_characters(void **state)
{
    static const char *const characters[] = {"a", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80"};
    size_t room = SIDE_RAW_BYTES_MAX + 100;
    char *text = malloc(room + 8);

    (void)state;
    for (int kind = 0; kind < 4; kind++) {
        for (size_t shift = 0; shift < 5; shift++) {
            size_t len = shift;

            memset(text, 'x', shift);
            for (; len < room; len += strlen(characters[kind]))
                strcpy(text + len, characters[kind]);
            check_value((struct slice){text, len}, true, SIDE_RAW_BYTES_MAX);
            text[len - 1] = (char)0xff;
            check_value((struct slice){text, len}, false, SIDE_RAW_BYTES_MAX);
        }
    }
    memset(text, 'x', room);
    for (size_t len = SIDE_RAW_BYTES_MAX - 1; len <= SIDE_RAW_BYTES_MAX + 1; len++)
        check_value((struct slice){text, len}, true, SIDE_RAW_BYTES_MAX);
    free(text);
}

/* Each of these bytes becomes six: less of them fits what a broker takes. */
static void values_that_grow_by_escapes_are_cut_shorter(void **state)
{
    char *text = calloc(1, SIDE_RAW_BYTES_MAX * 2);

    (void)state;
    check_value((struct slice){text, SIDE_RAW_BYTES_MAX / 2}, true, SIDE_RAW_BYTES_MAX);
    check_value((struct slice){text, SIDE_RAW_BYTES_MAX}, true, SIDE_RAW_BYTES_MAX / 2);
    check_value((struct slice){text, SIDE_RAW_BYTES_MAX * 2}, true, SIDE_RAW_BYTES_MAX / 2);
    free(text);
}

static int tear_down(void **state)
{
    (void)state;
    buf_free(&out);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_dead_letter_has_all_that_is_known),
        cmocka_unit_test(a_late_record_has_the_watermark),
        cmocka_unit_test(no_value_is_null),
        cmocka_unit_test(what_is_not_utf_8_is_base64),
        cmocka_unit_test(long_values_are_cut_between_characters),
        cmocka_unit_test(values_that_grow_by_escapes_are_cut_shorter),
    };

    return cmocka_run_group_tests(tests, NULL, tear_down);
}
