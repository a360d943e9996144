/* Numbers and texts as bytes: one spelling each, that of the header, and no other is read. */
#include "base/pack.h"

#include <math.h>

#include "../support/testing.h"

static struct buf out;

static struct slice packed_uint(uint64_t value)
{
    buf_reset(&out);
    pack_uint(&out, value);
    return buf_slice(&out);
}

static void spellings_are_those_of_the_header(void **state)
{
    static const struct {
        int64_t value;
        struct slice bytes;
    } ints[] = {
        {0, SLICE_LITERAL("\x00")},
        {-1, SLICE_LITERAL("\x01")},
        {1, SLICE_LITERAL("\x02")},
        {-64, SLICE_LITERAL("\x7f")},
        {64, SLICE_LITERAL("\x80\x01")},
        {INT64_MAX, SLICE_LITERAL("\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01")},
        {INT64_MIN, SLICE_LITERAL("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(ints); i++) {
        buf_reset(&out);
        pack_int(&out, ints[i].value);
        assert_true(slice_equal(buf_slice(&out), ints[i].bytes));
        buf_reset(&out);
        pack_wide(&out, ints[i].value);
        assert_true(slice_equal(buf_slice(&out), ints[i].bytes));
    }
    assert_true(slice_equal(packed_uint(300), SLICE_LITERAL("\xac\x02")));
    buf_reset(&out);
    pack_word(&out, UINT64_C(0x0102030405060708));
    pack_double(&out, -2);
    pack_text(&out, SLICE_LITERAL("caf\xc3\xa9"));
    assert_true(slice_equal(buf_slice(&out), SLICE_LITERAL("\x08\x07\x06\x05\x04\x03\x02\x01"
                                                           "\0\0\0\0\0\0\0\xc0"
                                                           "\x05"
                                                           "caf\xc3\xa9")));
    buf_free(&out);
}

static __int128 random_wide(void)
{
    __int128 value = (__int128)(((unsigned __int128)random_next() << 64) | random_next());

    return value >> random_below(128);
}

static double random_finite(void)
{
    uint64_t bits = random_next();
    double value;

    memcpy(&value, &bits, sizeof(value));
    return isfinite(value) ? value : -0.0;
}

static void what_is_packed_is_unpacked(void **state)
{
    (void)state;
    for (FIRST_SEED; MORE_SEEDS(20000); NEXT_SEED) {
        uint64_t value = random_bits();
        int64_t integer = random_int64();
        __int128 big = random_wide();
        double number = random_finite();
        struct slice text = {(const char *)&big, random_below(17)};
        struct slice got_text;
        uint64_t got;
        int64_t got_integer;
        __int128 got_big;
        double got_number;

        buf_reset(&out);
        pack_uint(&out, value);
        pack_int(&out, integer);
        pack_wide(&out, big);
        pack_double(&out, number);
        pack_text(&out, text);
        struct slice from = buf_slice(&out);

        ENSURE_INT(unpack_uint(&from, &got), 0);
        ENSURE(got == value);
        ENSURE_INT(unpack_int(&from, &got_integer), 0);
        ENSURE(got_integer == integer);
        ENSURE_INT(unpack_wide(&from, &got_big), 0);
        ENSURE(got_big == big);
        ENSURE_INT(unpack_double(&from, &got_number), 0);
        ENSURE(memcmp(&got_number, &number, sizeof(number)) == 0);
        ENSURE_INT(unpack_text(&from, &got_text), 0);
        ENSURE(slice_equal(got_text, text) && from.len == 0);
    }
    buf_free(&out);
}

/* Beginnings of what would be right, numbers that are too large, and longer spellings. */
static void other_spellings_are_refused(void **state)
{
    static const struct slice not_uint[] = {
        SLICE_LITERAL(""),
        SLICE_LITERAL("\x80"),
        SLICE_LITERAL("\x80\x00"),
        SLICE_LITERAL("\xff\x80\x00"),
        SLICE_LITERAL("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"),
        SLICE_LITERAL("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x81\x00"),
        SLICE_LITERAL("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"),
    };
    static const struct slice not_wide[] = {
        SLICE_LITERAL("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
        SLICE_LITERAL("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
                      "\x04"),
        SLICE_LITERAL("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
                      "\x83\x00"),
    };
    static const struct slice not_double[] = {
        SLICE_LITERAL("\0\0\0\0\0\0\x40"),
        SLICE_LITERAL("\0\0\0\0\0\0\xf0\x7f"),
        SLICE_LITERAL("\0\0\0\0\0\0\xf0\xff"),
        SLICE_LITERAL("\x01\0\0\0\0\0\xf8\x7f"),
    };
    static const struct slice not_text[] = {SLICE_LITERAL(""), SLICE_LITERAL("\x02x"),
                                            SLICE_LITERAL("\x81\x00x")};
    struct slice from;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(not_uint); i++) {
        uint64_t value = 7;
        int64_t integer = 7;

        from = not_uint[i];
        assert_int_equal(unpack_uint(&from, &value), -EBADMSG);
        assert_int_equal(unpack_int(&from, &integer), -EBADMSG);
        assert_true(from.data == not_uint[i].data && from.len == not_uint[i].len);
        assert_true(value == 7 && integer == 7);
    }
    for (size_t i = 0; i < ARRAY_LEN(not_wide); i++) {
        __int128 value = 7;

        from = not_wide[i];
        assert_int_equal(unpack_wide(&from, &value), -EBADMSG);
        assert_true(from.len == not_wide[i].len && value == 7);
    }
    for (size_t i = 0; i < ARRAY_LEN(not_double); i++) {
        double value = 7;

        from = not_double[i];
        assert_int_equal(unpack_double(&from, &value), -EBADMSG);
        assert_true(from.len == not_double[i].len && value == 7);
    }
    for (size_t i = 0; i < ARRAY_LEN(not_text); i++) {
        struct slice text = SLICE_NONE;

        from = not_text[i];
        assert_int_equal(unpack_text(&from, &text), -EBADMSG);
        assert_true(from.len == not_text[i].len && !text.data);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spellings_are_those_of_the_header),
        cmocka_unit_test(what_is_packed_is_unpacked),
        cmocka_unit_test(other_spellings_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
