#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/hash.h"
#include "redis_world.h"
#include "sink/redis_image.h"

static struct slice encode(struct buf *out, const struct row_value *values, uint32_t count)
{
    buf_reset(out);
    redis_values_append(out, values, count);
    return buf_slice(out);
}

static void assert_text(struct slice text, const char *expected)
{
    if (!expected) {
        assert_null(text.data);
        return;
    }
    if (!text.data || !slice_equal(text, slice_of(expected)))
        fail_msg("\"%.*s\" is not \"%s\"", SLICE_ARGS(text), expected);
}

static void values_are_spelled_as_redis_gets_them(void **state)
{
    (void)state;
    char long_text[300] = "";
    const struct {
        struct row_value value;
        const char *text;
    } cases[] = {
        {int_value(0), "0"},
        {int_value(INT64_MIN), "-9223372036854775808"},
        {double_value(0.1), "0.1"},
        {double_value(-1e300), "-1e+300"},
        {double_value(3), "3"},
        {double_value(INFINITY), NULL},
        {double_value(NAN), NULL},
        {decimal_value(-1250, 2), "-12.50"},
        {decimal_value(INT64_MIN, 18), "-9.223372036854775808"},
        {bool_value(true), "true"},
        {bool_value(false), "false"},
        {text_value(ROW_STRING, "a \"b\"\r\n"), "a \"b\"\r\n"},
        {text_value(ROW_STRING, ""), ""},
        {text_value(ROW_JSON, "{\"a\":1}"), "{\"a\":1}"},
        {text_value(ROW_STRING, long_text), long_text},
        {null_value(), NULL},
    };
    struct row_value values[ARRAY_LEN(cases)];
    struct buf out = {0};

    memset(long_text, 'x', sizeof(long_text) - 1);
    long_text[sizeof(long_text) - 1] = '\0';
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        values[i] = cases[i].value;
    values[14].text = slice_of(long_text);

    const char *at = encode(&out, values, ARRAY_LEN(values)).data;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_text(redis_value_next(&at), cases[i].text);
    assert_ptr_equal(at, out.data + out.len);

    at = encode(&out, NULL, 3).data;
    for (int i = 0; i < 3; i++)
        assert_text(redis_value_next(&at), NULL);
    buf_free(&out);
}

static void differences_name_each_value(void **state)
{
    (void)state;
    struct row_value before[] = {int_value(1), int_value(2), null_value(), null_value(),
                                 text_value(ROW_STRING, "")};
    struct row_value after[] = {int_value(1), int_value(20), int_value(3), null_value(),
                                null_value()};
    struct buf a = {0};
    struct buf b = {0};
    struct redis_difference difference = redis_values_compare(encode(&a, before, 5).data,
                                                              encode(&b, after, 5).data, 5);

    assert_int_equal(difference.changed, 0x16);
    assert_int_equal(difference.appeared, 0x04);
    buf_free(&a);
    buf_free(&b);
}

static void a_dozen_small_values_take_little(void **state)
{
    (void)state;
    struct arena arena;
    struct buf out = {0};
    struct row_value values[] = {int_value(12), double_value(3.25), int_value(123456),
                                 text_value(ROW_STRING, "shoes")};

    arena_init(&arena);
    struct redis_image *image = redis_image_create(&arena, SLICE_LITERAL("user_123456"), PLAN_NONE);

    for (uint16_t view = 0; view < 3; view++)
        image = redis_image_put(&arena, image, view, encode(&out, values, 4), 4);
    print_message("an image of 3 views and 12 values: %zu bytes\n", arena_used_bytes(&arena));
    assert_true(arena_used_bytes(&arena) <= 320);
    redis_image_free(&arena, image);
    arena_done(&arena);
    buf_free(&out);
}

/* --- against a model that keeps every text by itself --- */

#define VIEWS    5
#define FEATURES 64

struct known {
    bool present;
    char *texts[FEATURES];
    uint64_t dirty;
};

static uint64_t next_random(uint64_t *seed)
{
    return *seed = hash64_int(*seed);
}

static char *random_text(uint64_t *seed)
{
    static const size_t sizes[] = {0, 1, 3, 10, 60, 126, 127, 128, 200, 5000, 20000};
    size_t len = sizes[next_random(seed) % ARRAY_LEN(sizes)];
    char *text = malloc(len + 1);

    for (size_t i = 0; i < len; i++)
        text[i] = (char)('a' + next_random(seed) % 26);
    text[len] = '\0';
    return text;
}

static void change_some(struct known *known, uint32_t count, uint64_t *seed,
                        struct row_value values[FEATURES])
{
    for (uint32_t i = 0; i < count; i++) {
        if (!known->present || next_random(seed) % 4 == 0) {
            char *text = next_random(seed) % 3 ? random_text(seed) : NULL;
            const char *old = known->texts[i];

            if (!known->present || !text != !old || (text && strcmp(text, old) != 0))
                known->dirty |= UINT64_C(1) << i;
            free(known->texts[i]);
            known->texts[i] = text;
        }
        values[i] = known->texts[i] ? text_value(ROW_STRING, known->texts[i]) : null_value();
    }
    known->present = true;
}

static void check_image(struct redis_image *image, const struct known known[VIEWS],
                        const uint32_t counts[VIEWS])
{
    unsigned parts = 0;

    for (uint16_t view = 0; view < VIEWS; view++) {
        struct redis_part *part = redis_image_part(image, view);

        assert_int_equal(part != NULL, known[view].present);
        if (!part)
            continue;
        assert_ptr_equal(part, &image->parts[parts++]);
        assert_int_equal(part->dirty, known[view].dirty);
        const char *at = redis_image_values(image, part);

        for (uint32_t i = 0; i < counts[view]; i++)
            assert_text(redis_value_next(&at), known[view].texts[i]);
    }
    assert_int_equal(image->part_count, parts);
    assert_true(slice_equal(redis_image_key(image), SLICE_LITERAL("some key")));
}

static void random_rows_leave_what_was_put(void **state)
{
    (void)state;
    static const uint32_t counts[VIEWS] = {3, 1, 64, 7, 20};

    for (uint64_t run = 1; run <= 30; run++) {
        struct known known[VIEWS] = {0};
        struct row_value values[FEATURES];
        struct buf out = {0};
        struct arena arena;
        uint64_t seed = run;

        arena_init(&arena);
        struct redis_image *image = redis_image_create(&arena, SLICE_LITERAL("some key"), 7);
        for (int step = 0; step < 100; step++) {
            uint16_t view = (uint16_t)(next_random(&seed) % VIEWS);

            if (next_random(&seed) % 8 == 0) { /* as when it is written */
                for (uint16_t v = 0; v < VIEWS; v++) {
                    struct redis_part *part = redis_image_part(image, v);

                    known[v].dirty = 0;
                    if (part)
                        part->dirty = 0;
                }
            }
            change_some(&known[view], counts[view], &seed, values);
            struct slice encoded = encode(&out, values, counts[view]);
            uint64_t need = redis_image_need(image, view, image->key_len, encoded.len);

            image = redis_image_put(&arena, image, view, encoded, counts[view]);
            check_image(image, known, counts);
            assert_true(image->size >= need && image->size <= 2 * need + 64);
            assert_int_equal(arena_used_bytes(&arena), image->size);
        }
        redis_image_free(&arena, image);
        arena_done(&arena);
        buf_free(&out);
        for (int v = 0; v < VIEWS; v++) {
            for (int i = 0; i < FEATURES; i++)
                free(known[v].texts[i]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_spelled_as_redis_gets_them),
        cmocka_unit_test(differences_name_each_value),
        cmocka_unit_test(a_dozen_small_values_take_little),
        cmocka_unit_test(random_rows_leave_what_was_put),
    };

    return cmocka_run_group_tests_name("sink/redis_image", tests, NULL, NULL);
}
