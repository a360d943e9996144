/* Strings as text: JSON escapes, UTF-8, base64, each against a reader of its own. */
#include "../support/testing.h"

#include "../support/guarded.h"
#include "../support/json_value.h"
#include "base/text.h"

#define THREE_BYTES (1u << 24)

/* Random characters, many of them those that JSON escapes. */
static size_t random_utf8(char *out, size_t characters)
{
    size_t len = 0;

    while (characters-- > 0) {
        uint32_t c = random_chance(40)   ? (uint32_t)random_below(0x30)
                     : random_chance(50) ? (uint32_t)(0x20 + random_below(0x60))
                     : random_chance(50) ? (uint32_t)random_below(0x10000)
                                         : (uint32_t)random_below(0x110000);

        len += utf8_encode(c, out + len);
    }
    return len;
}

static bool must_be_escaped(char c)
{
    return (unsigned char)c < 0x20 || c == '"' || c == '\\';
}

static void json_strings_read_back_as_they_were(void **state)
{
    char text[400];
    struct buf out = {0};

    (void)state;
    for (FIRST_SEED; MORE_SEEDS(3000); NEXT_SEED) {
        struct slice content = {text, random_utf8(text, random_below(100))};
        size_t escapes = 0;
        size_t backslashes = 0;

        buf_reset(&out);
        buf_append(&out, "before", 6);
        text_json_string(&out, content);
        struct slice spelled = {out.data + 6, out.len - 6};
        struct json_value *value = json_value_of(spelled);

        ENSURE(value && value->kind == VALUE_STRING);
        ENSURE_TEXT(json_string(value), content);
        ENSURE_TEXT(((struct slice){out.data, 6}), SLICE_LITERAL("before"));
        /* Nothing is escaped that need not be. */
        for (size_t i = 0; i < content.len; i++)
            escapes += must_be_escaped(content.data[i]) + (content.data[i] == '\\');
        for (size_t i = 0; i < spelled.len; i++)
            backslashes += spelled.data[i] == '\\';
        ENSURE_INT(backslashes, escapes);
        json_value_free(value);
    }
    buf_free(&out);
}

static void control_characters_have_short_forms(void **state)
{
    struct buf out = {0};

    (void)state;
    text_json_string(&out, SLICE_LITERAL("\b\f\n\r\t\x01\x1f\x7f/\"\\"));
    assert_string_equal(buf_string(&out), "\"\\b\\f\\n\\r\\t\\u0001\\u001f\x7f/\\\"\\\\\"");
    buf_reset(&out);
    text_json_string(&out, SLICE_LITERAL(""));
    assert_string_equal(buf_string(&out), "\"\"");
    buf_free(&out);
}

/* One bit for each sequence of three bytes. */
static void mark(unsigned char *valid, const char *bytes)
{
    uint32_t number = (uint32_t)(unsigned char)bytes[0] << 16 |
                      (uint32_t)(unsigned char)bytes[1] << 8 | (unsigned char)bytes[2];

    valid[number / 8] |= (unsigned char)(1 << number % 8);
}

/* All three-byte texts that are made of characters: 1+1+1, 1+2, 2+1 or 3 bytes. */
static void mark_valid(unsigned char *valid)
{
    char text[4];

    for (uint32_t i = 0; i < 128 * 128 * 128; i++) {
        char ascii[3] = {(char)(i >> 14), (char)(i >> 7 & 127), (char)(i & 127)};

        mark(valid, ascii);
    }
    for (uint32_t c = 0x80; c < 0x800; c++) {
        for (char ascii = 0; ascii >= 0; ascii++) {
            assert_int_equal(utf8_encode(c, text), 2);
            text[2] = ascii;
            mark(valid, text);
            text[0] = ascii;
            utf8_encode(c, text + 1);
            mark(valid, text);
            if (ascii == 127)
                break;
        }
    }
    for (uint32_t c = 0x800; c < 0x10000; c++) {
        if (utf8_encode(c, text))
            mark(valid, text);
    }
}

static void sequences_of_three_bytes_are_judged_right(void **state)
{
    unsigned char *valid = calloc(1, THREE_BYTES / 8);

    (void)state;
    mark_valid(valid);
    for (uint32_t i = 0; i < THREE_BYTES; i++) {
        char text[3] = {(char)(i >> 16), (char)(i >> 8), (char)i};
        bool wanted = valid[i / 8] >> i % 8 & 1;

        if (text_is_utf8((struct slice){text, 3}) != wanted)
            fail_msg("%06x: %s", i, wanted ? "is refused" : "is taken");
    }
    free(valid);
}

/* A text of one or two bytes is UTF-8 if it is so with an `a` behind it. */
static void shorter_sequences_are_judged_right(void **state)
{
    (void)state;
    assert_true(text_is_utf8(SLICE_LITERAL("")));
    for (uint32_t i = 0; i < 0x10000; i++) {
        char text[3] = {(char)(i >> 8), (char)i, 'a'};
        char one[2] = {(char)i, 'a'};

        assert_int_equal(text_is_utf8((struct slice){text, 2}),
                         text_is_utf8((struct slice){text, 3}));
        assert_int_equal(text_is_utf8((struct slice){one, 1}),
                         text_is_utf8((struct slice){one, 2}));
    }
}

static void sequences_of_four_bytes_are_judged_right(void **state)
{
    char text[8];

    (void)state;
    for (uint32_t c = 0x10000; c <= 0x10ffff; c++) {
        struct slice whole = {text, utf8_encode(c, text)};

        assert_int_equal(whole.len, 4);
        assert_true(text_is_utf8(whole));
        whole.len = 3;
        assert_false(text_is_utf8(whole));
    }
    for (FIRST_SEED; MORE_SEEDS(300000); NEXT_SEED) {
        uint32_t bytes = (uint32_t)random_next();

        bytes |= random_chance(80) ? 0xf0808080 : 0x80; /* mostly the shape of one */
        bytes &= random_chance(80) ? 0xf7bfbfbf : 0xffffffff;
        for (int i = 0; i < 4; i++)
            text[i] = (char)(bytes >> (24 - 8 * i));

        size_t at = 0;
        size_t len = 1;
        for (; at < 4 && len > 0; at += len)
            len = utf8_length(text + at, 4 - at);
        ENSURE(text_is_utf8((struct slice){text, 4}) == (len > 0));
    }
}

static void a_broken_character_is_found_anywhere(void **state)
{
    struct guarded guarded = guarded_create(1000);
    char text[500];

    (void)state;
    for (FIRST_SEED; MORE_SEEDS(3000); NEXT_SEED) {
        struct slice whole = {text, random_utf8(text, 1 + random_below(100))};
        size_t at = 0;
        size_t len = 1;

        ENSURE(text_is_utf8(guarded_copy(&guarded, whole)));
        if (whole.len == 0)
            continue;
        text[random_below(whole.len)] ^= (char)(1 << random_below(8));
        whole.len -= random_below(2);
        for (; at < whole.len && len > 0; at += len)
            len = utf8_length(text + at, whole.len - at);
        ENSURE(text_is_utf8(guarded_copy(&guarded, whole)) == (whole.len == 0 || len > 0));
    }
    guarded_free(&guarded);
}

static int value_of_digit(char c)
{
    const char *digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(digits, c) : NULL;

    return at ? (int)(at - digits) : -1;
}

/* Six bits a digit, in one long number; the padding fills up to four digits. */
static size_t decode_base64(struct slice text, char *out)
{
    size_t digits = text.len;
    size_t len = 0;
    uint32_t bits = 0;
    unsigned held = 0;

    ENSURE_INT(text.len % 4, 0);
    while (digits > 0 && text.data[digits - 1] == '=')
        digits--;
    ENSURE(text.len - digits <= 2);
    for (size_t i = 0; i < digits; i++) {
        ENSURE(value_of_digit(text.data[i]) >= 0);
        bits = bits << 6 | (uint32_t)value_of_digit(text.data[i]);
        held += 6;
        if (held >= 8) {
            held -= 8;
            out[len++] = (char)(bits >> held);
        }
    }
    ENSURE_INT(bits & ((1u << held) - 1), 0); /* canonical: no bits are left over */
    ENSURE_INT(text.len - digits, (3 - len % 3) % 3);
    return len;
}

static void base64_reads_back_as_it_was(void **state)
{
    static const char *const vectors[][2] = {{"", ""},
                                             {"f", "Zg=="},
                                             {"fo", "Zm8="},
                                             {"foo", "Zm9v"},
                                             {"foob", "Zm9vYg=="},
                                             {"fooba", "Zm9vYmE="},
                                             {"foobar", "Zm9vYmFy"}};
    char bytes[200];
    char back[200];
    struct buf out = {0};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
        buf_reset(&out);
        text_base64(&out, slice_of(vectors[i][0]));
        assert_string_equal(buf_string(&out), vectors[i][1]);
    }
    for (FIRST_SEED; MORE_SEEDS(2000); NEXT_SEED) {
        struct slice content = {bytes, random_below(sizeof(bytes))};

        for (size_t i = 0; i < content.len; i++)
            bytes[i] = (char)random_next();
        buf_reset(&out);
        text_base64(&out, content);
        ENSURE_TEXT(((struct slice){back, decode_base64(buf_slice(&out), back)}), content);
    }
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_strings_read_back_as_they_were),
        cmocka_unit_test(control_characters_have_short_forms),
        cmocka_unit_test(sequences_of_three_bytes_are_judged_right),
        cmocka_unit_test(shorter_sequences_are_judged_right),
        cmocka_unit_test(sequences_of_four_bytes_are_judged_right),
        cmocka_unit_test(a_broken_character_is_found_anywhere),
        cmocka_unit_test(base64_reads_back_as_it_was),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
