/* The scanner against a plain reader of RFC 8259: the same verdict on any text, and the same tokens
 * where it is one JSON object. */
#include "../support/testing.h"

#include "../support/guarded.h"
#include "../support/json_value.h"
#include "base/buf.h"
#include "decode/json_scan.h"

#define TEXT_MAX 100000

/* What random documents are made of: names that are declared, in part or in whole, and others. */
static const char *const names[] = {"a", "b", "c", "ab", "", "\xc3\xa9", "x y", "\"", "deep"};

static const char *const paths[][4] = {
    {"a"},        {"b"},         {"a", "a"}, {"a", "b"}, {"a", "b", "c"}, {"c", "c", "c", "c"},
    {"\xc3\xa9"}, {"x y", "\""}, {""},       {"", ""},   {"ab", "deep"},  {"deep"}};

static struct json_paths *declared;
static struct json_index *json_index;
static struct guarded guarded;

static struct slice members[ARRAY_LEN(paths)][4];
static struct plan_path plan_paths[ARRAY_LEN(paths)];

static int declare(void **state)
{
    (void)state;
    guarded = guarded_create(TEXT_MAX);
    json_index = json_index_create();
    declared = json_paths_create();
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        uint32_t count = 0;

        for (; count < 4 && paths[i][count]; count++)
            members[i][count] = slice_of(paths[i][count]);
        plan_paths[i] = (struct plan_path){members[i], count};
        assert_int_equal(json_paths_add(declared, &plan_paths[i]), i);
    }
    return 0;
}

static int undeclare(void **state)
{
    (void)state;
    json_paths_free(declared);
    json_index_free(json_index);
    guarded_free(&guarded);
    return 0;
}

static enum json_kind kind_wanted(const struct json_value *value)
{
    static const enum json_kind kinds[] = {
        [VALUE_NULL] = JSON_NULL,     [VALUE_FALSE] = JSON_FALSE,   [VALUE_TRUE] = JSON_TRUE,
        [VALUE_NUMBER] = JSON_NUMBER, [VALUE_STRING] = JSON_STRING, [VALUE_OBJECT] = JSON_OBJECT,
        [VALUE_ARRAY] = JSON_ARRAY};

    return value ? kinds[value->kind] : JSON_ABSENT;
}

static void check_token(const struct json_token *token, const struct json_value *value)
{
    ENSURE_INT(token->kind, kind_wanted(value));
    if (token->kind == JSON_NUMBER)
        ENSURE_TEXT(token->text, value->raw);
    if (token->kind == JSON_STRING) {
        bool has_escape = memchr(value->raw.data, '\\', value->raw.len) != NULL;
        char *content = malloc(token->text.len + 1);

        ENSURE_INT(token->escaped, has_escape);
        ENSURE_TEXT(token->text, value->raw);
        ENSURE_TEXT(((struct slice){content, json_unescape(token->text, content)}),
                    json_string(value));
        free(content);
    }
}

static void show(struct slice text, bool is_valid)
{
    print_error("seed %" PRIu64 ": %s: %.*s\n", test_seed, is_valid ? "valid" : "not valid",
                (int)MIN(text.len, (size_t)2000), text.data);
}

/* Returns whether the text is an object. */
static bool check(struct slice original)
{
    struct slice text = guarded_copy(&guarded, original);
    struct json_token tokens[ARRAY_LEN(paths)];
    struct json_value *value = json_value_of(text);
    bool is_object = value && value->kind == VALUE_OBJECT;
    int rc = json_scan(json_index, declared, text, tokens);

    if ((rc == 0) != is_object)
        show(text, is_object);
    ENSURE_INT(rc, is_object ? 0 : -EBADMSG);
    for (size_t i = 0; is_object && i < ARRAY_LEN(paths); i++) {
        const struct json_value *at = value;

        for (uint32_t j = 0; j < plan_paths[i].count; j++)
            at = json_member(at, members[i][j]);
        check_token(&tokens[i], at);
    }
    json_value_free(value);
    return is_object;
}

static void check_text(const char *text, bool is_object)
{
    if (check(slice_of(text)) != is_object)
        fail_msg("%s: %s an object", text, is_object ? "is" : "is not");
}

static void write_space(struct buf *out)
{
    while (random_chance(15))
        buf_append_char(out, " \t\n\r"[random_below(4)]);
}

/* The character, or an escape that stands for it. */
static void write_char(struct buf *out, uint32_t c)
{
    char utf8[4];

    if (c >= 0x20 && c != '"' && c != '\\' && random_chance(80)) {
        buf_append(out, utf8, utf8_encode(c, utf8));
    } else if (c < 0x10000) {
        const char *shorts = "\"\\/\b\f\n\r\t";
        const char *at = c && c < 0x80 ? strchr(shorts, (int)c) : NULL;

        if (at && random_chance(50))
            buf_printf(out, "\\%c", "\"\\/bfnrt"[at - shorts]);
        else
            buf_printf(out, random_chance(50) ? "\\u%04x" : "\\u%04X", c);
    } else {
        buf_printf(out, "\\u%04x\\u%04X", 0xd800 + ((c - 0x10000) >> 10),
                   0xdc00 + ((c - 0x10000) & 0x3ff));
    }
}

static void write_random_string(struct buf *out)
{
    size_t characters = random_chance(5) ? random_below(200) : random_below(8);

    buf_append_char(out, '"');
    while (characters-- > 0) {
        uint32_t c = (uint32_t)(random_chance(70) ? random_below(0x80) : random_below(0x110000));
        char utf8[4];

        if (utf8_encode(c, utf8))
            write_char(out, c);
    }
    buf_append_char(out, '"');
}

static void write_name(struct buf *out)
{
    const char *name = names[random_below(ARRAY_LEN(names))];
    size_t len = strlen(name);

    buf_append_char(out, '"');
    for (size_t at = 0, step; at < len; at += step) {
        unsigned char lead = (unsigned char)name[at];

        step = utf8_length(name + at, len - at);
        write_char(out, step == 1 ? lead : (uint32_t)(lead & 0x1f) << 6 | (name[at + 1] & 0x3f));
    }
    buf_append_char(out, '"');
}

static void write_number(struct buf *out)
{
    buf_printf(out, "%s%d", random_chance(30) ? "-" : "", (int)(random_bits() >> 34));
    if (random_chance(30))
        buf_printf(out, ".%03d", (int)random_below(1000));
    if (random_chance(30))
        buf_printf(out, "%s%d", (const char *[]){"e", "E", "e+", "E-"}[random_below(4)],
                   (int)random_below(400));
}

static void write_value(struct buf *out, int depth);

static void write_items(struct buf *out, int depth, bool is_object)
{
    uint64_t count = random_below(6);

    buf_append_char(out, is_object ? '{' : '[');
    for (uint64_t i = 0; i < count; i++) {
        if (i > 0)
            buf_append_char(out, ',');
        write_space(out);
        if (is_object) {
            write_name(out);
            write_space(out);
            buf_append_char(out, ':');
        }
        write_value(out, depth + 1);
    }
    write_space(out);
    buf_append_char(out, is_object ? '}' : ']');
}

static void write_value(struct buf *out, int depth)
{
    write_space(out);
    if (depth == 0 || (depth < 6 && random_chance(45)))
        write_items(out, depth, depth == 0 || random_chance(75));
    else if (random_chance(30))
        write_random_string(out);
    else if (random_chance(40))
        write_number(out);
    else
        buf_printf(out, "%s", (const char *[]){"null", "true", "false"}[random_below(3)]);
    write_space(out);
}

static void random_documents_are_read_alike(void **state)
{
    struct buf text = {0};

    (void)state;
    for (FIRST_SEED; MORE_SEEDS(5000); NEXT_SEED) {
        buf_reset(&text);
        write_value(&text, 0);
        ENSURE(check(buf_slice(&text)));
    }
    buf_free(&text);
}

/* What a mutation may put somewhere. */
static const char *const pieces[] = {"{",
                                     "}",
                                     "[",
                                     "]",
                                     ",",
                                     ":",
                                     "\"",
                                     "\\",
                                     "\\\"",
                                     " ",
                                     "\t",
                                     "null",
                                     "true",
                                     "false",
                                     "nul",
                                     "tru",
                                     "0",
                                     "-",
                                     ".",
                                     "e",
                                     "01",
                                     "1.",
                                     ".5",
                                     "1e",
                                     "+1",
                                     "--1",
                                     "1e+",
                                     "\x00",
                                     "\x01",
                                     "\x1f",
                                     "\x7f",
                                     "\xff",
                                     "\xc0",
                                     "\xe2\x80",
                                     "\xed\xa0\x80",
                                     "\xf4\x90\x80\x80",
                                     "\\u",
                                     "\\ud800",
                                     "\\udc00",
                                     "\\ud83d\\ude00",
                                     "\\uD8",
                                     "\\x",
                                     "\"\"",
                                     "{}",
                                     "[]",
                                     "\"a\":",
                                     "\"a\":1,",
                                     ",,",
                                     "\xef\xbb\xbf",
                                     "\n",
                                     "\r",
                                     "'",
                                     "/**/",
                                     "//",
                                     "NaN",
                                     "Infinity",
                                     "\"b\"",
                                     "\v",
                                     "\f"};

static void mutate(struct buf *text)
{
    const char *piece = pieces[random_below(ARRAY_LEN(pieces))];
    size_t piece_len = MAX(strlen(piece), (size_t)1);
    size_t at = (size_t)random_below(text->len + 1);
    size_t cut = (size_t)random_below(MIN(text->len - at, (size_t)8) + 1);

    switch (random_below(5)) {
    case 0: /* another byte */
        if (at < text->len)
            text->data[at] = (char)(text->data[at] ^ (1 << random_below(8)));
        return;
    case 1: /* without some bytes */
        memmove(text->data + at, text->data + at + cut, text->len - at - cut);
        text->len -= cut;
        return;
    case 2: /* without an end */
        text->len = at;
        return;
    default: /* with a piece */
        buf_reserve(text, piece_len);
        memmove(text->data + at + piece_len, text->data + at, text->len - at);
        memcpy(text->data + at, piece, piece_len);
        text->len += piece_len;
    }
}

static void broken_documents_are_refused_alike(void **state)
{
    struct buf text = {0};
    uint64_t objects = 0;

    (void)state;
    for (FIRST_SEED; MORE_SEEDS(20000); NEXT_SEED) {
        buf_reset(&text);
        write_value(&text, 0);
        for (uint64_t changes = 1 + random_below(3); changes > 0; changes--)
            mutate(&text);
        objects += check(buf_slice(&text));
    }
    assert_true(objects > 1000); /* else nothing but refusals was compared */
    buf_free(&text);
}

/* Every beginning of a document is refused, but for space behind its end. */
static void every_truncation_is_refused(void **state)
{
    struct buf text = {0};

    (void)state;
    for (FIRST_SEED; MORE_SEEDS(30); NEXT_SEED) {
        buf_reset(&text);
        write_value(&text, 0);
        for (size_t len = 0; len <= MIN(text.len, (size_t)3000); len++)
            check((struct slice){text.data, len});
    }
    buf_free(&text);
}

static void the_grammar_is_kept(void **state)
{
    (void)state;
    check_text("{}", true);
    check_text(" \t\r\n{ \t\r\n} \t\r\n", true);
    check_text("", false);
    check_text(" ", false);
    check_text("null", false);
    check_text("[]", false);
    check_text("\"a\"", false);
    check_text("1", false);
    check_text("{}{}", false);
    check_text("{} {}", false);
    check_text("{},", false);
    check_text("{}\"", false);
    check_text("{\"a\":1,}", false);
    check_text("{,\"a\":1}", false);
    check_text("{\"a\" 1}", false);
    check_text("{\"a\"::1}", false);
    check_text("{\"a\":}", false);
    check_text("{a:1}", false);
    check_text("{1:1}", false);
    check_text("{'a':1}", false);
    check_text("{\"a\":[1,2,]}", false);
    check_text("{\"a\":[,]}", false);
    check_text("{\"a\":[1 2]}", false);
    check_text("{\"a\":[}", false);
    check_text("{\"a\":]}", false);
    check_text("{\"z\":\"b\"c\"d\"}", false);
    check_text("{\"z\":\"b\"\"c\"}", false);
    check_text("{\"z\":1\"b\"}", false);
    check_text("{\"z\":\"b\"1}", false);
    check_text("{\"z\":\\\"b\"}", false);
    check_text("{\"z\":nullnull}", false);
    check_text("{\"z\":truefalse}", false);
    check_text("{\"z\":nul}", false);
    check_text("{\"z\":NULL}", false);
    check_text("{\"z\":1 }", true);
    check_text("{\"z\":1\f}", false);
    check_text("\xef\xbb\xbf{}", false);
    check_text("{}\xef\xbb\xbf", false);
}

static void numbers_are_spelled_as_json_wants(void **state)
{
    static const char *const good[] = {"0",
                                       "-0",
                                       "10",
                                       "-1",
                                       "0.0",
                                       "1.50",
                                       "1e0",
                                       "1E+00",
                                       "1e-999",
                                       "0e1",
                                       "123456789012345678901234567890"};
    static const char *const bad[] = {"00",    "01",  "-01",  "+1",       "-",   ".5",  "1.",
                                      "1.e1",  "1e",  "1e+",  "0x1",      "1_0", "--1", "1e1.5",
                                      "1.5.5", "- 1", "1 .5", "Infinity", "NaN", "1f"};
    char text[100];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        snprintf(text, sizeof(text), "{\"a\":%s}", good[i]);
        check_text(text, true);
        snprintf(text, sizeof(text), "{\"undeclared\":[ %s ]}", good[i]);
        check_text(text, true);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        snprintf(text, sizeof(text), "{\"a\":%s}", bad[i]);
        check_text(text, false);
        snprintf(text, sizeof(text), "{\"undeclared\":[ %s ]}", bad[i]);
        check_text(text, false);
    }
}

static void surrogates_come_in_pairs(void **state)
{
    static const char *const bad[] = {"\\ud800",        "\\udfff",        "\\udc00\\ud800",
                                      "\\ud800\\ud800", "\\ud800x",       "\\ud800\\n",
                                      "\\ud800\\u0041", "\\uDBFF\\uE000", "\xed\xa0\x80",
                                      "\xed\xbf\xbf",   "\\ud83d\\ude0",  "\\ud83d\\ude",
                                      "\\ud83d\\u",     "\\ud83d\\",      "\\u12",
                                      "\\u12g4",        "\\U0041",        "\\a"};
    char text[100];

    (void)state;
    check_text("{\"a\":\"\\ud83d\\ude00\\uD800\\uDC00\\uDBFF\\uDFFF\"}", true);
    check_text("{\"a\":\"\\u0000\\uFFFF\\uE000\\uD7FF\"}", true);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        snprintf(text, sizeof(text), "{\"a\":\"%s\"}", bad[i]);
        check_text(text, false);
        snprintf(text, sizeof(text), "{\"undeclared\":\"%s\"}", bad[i]);
        check_text(text, false);
        snprintf(text, sizeof(text), "{\"%s\":1}", bad[i]);
        check_text(text, false);
        snprintf(text, sizeof(text), "{\"undeclared\":{\"%s\":1}}", bad[i]);
        check_text(text, false);
    }
}

static void check_names(const char *text)
{
    check_text(text, true);
}

/* Seen by json_member: the last one counts, with all that is below it. */
static void a_name_that_comes_twice_counts_as_it_was_last(void **state)
{
    (void)state;
    check_names("{\"a\":1,\"a\":\"x\"}");
    check_names("{\"a\":{\"a\":1,\"b\":{\"c\":2}},\"a\":{\"a\":3}}");
    check_names("{\"a\":{\"a\":1,\"b\":{\"c\":2}},\"a\":5}");
    check_names("{\"a\":{\"b\":{\"c\":2},\"b\":null}}");
    check_names("{\"a\":{\"b\":{\"c\":2}},\"\\u0061\":{\"\\u0062\":{}}}");
    check_names("{\"a\":[{\"a\":1}],\"deep\":[1],\"deep\":{}}");
    check_names("{\"\":{\"\":1},\"\":{}}");
    check_names("{\"b\":1,\"a\":{\"b\":3},\"b\":2}");
}

/* `depth` arrays and objects in one another, the whole object among them. */
static void write_nested(struct buf *out, int depth, unsigned object_percent)
{
    char *closers = malloc((size_t)depth);

    buf_reset(out);
    for (int i = 0; i < depth; i++) {
        bool is_object = i == 0 || random_chance(object_percent);

        buf_printf(out, "%s", !is_object ? "[" : i + 1 < depth ? "{\"a\":" : "{");
        closers[i] = is_object ? '}' : ']';
    }
    while (depth-- > 0)
        buf_append_char(out, closers[depth]);
    free(closers);
}

static void nesting_is_limited(void **state)
{
    struct buf text = {0};

    (void)state;
    assert_int_equal(JSON_DEPTH_MAX, 1000);
    for (FIRST_SEED; MORE_SEEDS(10); NEXT_SEED) {
        for (int depth = 998; depth <= 1003; depth++) {
            write_nested(&text, depth, (unsigned)(seed_ % 3 * 50));
            ENSURE(check(buf_slice(&text)) == (depth <= 1000));
        }
    }
    /* Depth, not number: many that are closed again. */
    buf_reset(&text);
    buf_printf(&text, "{\"z\":[");
    for (int i = 0; i < 3000; i++)
        buf_printf(&text, "%s[{}]", i ? "," : "");
    buf_printf(&text, "]}");
    assert_true(check(buf_slice(&text)));
    buf_free(&text);
}

/* Larger than what the index begins with, and with ends at every place of a block of 64. */
static void long_texts_are_scanned_whole(void **state)
{
    struct buf text = {0};

    (void)state;
    for (size_t len = 3900; len < 4300; len++) {
        buf_reset(&text);
        buf_printf(&text, "{\"a\":\"");
        memset(buf_reserve(&text, len), 'x', len);
        text.len += len;
        buf_printf(&text, "\"}");
        assert_true(check(buf_slice(&text)));
        text.data[text.len - 2] = 'x';
        assert_false(check(buf_slice(&text)));
    }
    for (size_t len = 0; len < 200; len++) {
        buf_reset(&text);
        buf_printf(
            &text, "{\"a\":\"%.*s\\\\\"}", (int)len,
            "\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\"
            "\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\");
        check(buf_slice(&text));
    }
    buf_free(&text);
}

static void the_same_path_has_one_number(void **state)
{
    struct json_paths *some = json_paths_create();

    (void)state;
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < ARRAY_LEN(paths); i++)
            assert_int_equal(json_paths_add(some, &plan_paths[i]), i);
        assert_int_equal(json_paths_count(some), ARRAY_LEN(paths));
    }
    json_paths_free(some);
    json_paths_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_grammar_is_kept),
        cmocka_unit_test(numbers_are_spelled_as_json_wants),
        cmocka_unit_test(surrogates_come_in_pairs),
        cmocka_unit_test(a_name_that_comes_twice_counts_as_it_was_last),
        cmocka_unit_test(nesting_is_limited),
        cmocka_unit_test(long_texts_are_scanned_whole),
        cmocka_unit_test(the_same_path_has_one_number),
        cmocka_unit_test(random_documents_are_read_alike),
        cmocka_unit_test(broken_documents_are_refused_alike),
        cmocka_unit_test(every_truncation_is_refused),
    };

    return cmocka_run_group_tests(tests, declare, undeclare);
}
