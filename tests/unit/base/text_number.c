/* Numbers as text: against printf and strtod, which spell and read them exactly. */
#include "../support/testing.h"

#include <float.h>
#include <math.h>

#include "../support/json_value.h"
#include "base/text.h"

/* Behind the room that the header promises stands a mark. */
struct room {
    char bytes[64];
    size_t size;
};

static struct room room_of(size_t size)
{
    struct room room = {.size = size};

    memset(room.bytes, '#', sizeof(room.bytes));
    return room;
}

static struct slice written(struct room *room, size_t len)
{
    ENSURE(len <= room->size);
    for (size_t i = len; i < sizeof(room->bytes); i++)
        ENSURE(room->bytes[i] == '#');
    return (struct slice){room->bytes, len};
}

static const int64_t edges[] = {
    0,   1,         -1,        9,         10,        -10,           99,           100,
    101, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN, INT64_MAX - 1, INT64_MIN + 1};

static void check_int64(int64_t value)
{
    struct room room = room_of(TEXT_INT64_MAX);
    char wanted[32];

    snprintf(wanted, sizeof(wanted), "%" PRId64, value);
    ENSURE_TEXT(written(&room, text_int64(room.bytes, value)), slice_of(wanted));
}

static void int64_is_spelled_as_printf_does(void **state)
{
    int64_t power = 1;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(edges); i++)
        check_int64(edges[i]);
    for (int digits = 1; digits < 19; digits++, power *= 10) {
        check_int64(power);
        check_int64(power - 1);
        check_int64(-power);
        check_int64(1 - power);
    }
    for (int64_t value = -20000; value < 20000; value++)
        check_int64(value);
    for (FIRST_SEED; MORE_SEEDS(20000); NEXT_SEED)
        check_int64(random_int64());
}

/* The digits of the magnitude, with many zeros in front, and the point put in by hand. */
static void check_decimal(int64_t value, unsigned scale)
{
    struct room room = room_of(TEXT_DECIMAL_MAX);
    char digits[64];
    char wanted[96];
    uint64_t size = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    size_t point = 24 - scale;
    size_t first = 0;

    snprintf(digits, sizeof(digits), "%024" PRIu64, size);
    while (first < point - 1 && digits[first] == '0')
        first++;
    snprintf(wanted, sizeof(wanted), "%s%.*s%s%s", value < 0 ? "-" : "", (int)(point - first),
             digits + first, scale ? "." : "", digits + point);
    ENSURE_TEXT(written(&room, text_decimal(room.bytes, value, scale)), slice_of(wanted));
}

static void decimals_have_exactly_their_digits(void **state)
{
    char out[TEXT_DECIMAL_MAX];

    (void)state;
    assert_int_equal(text_decimal(out, 1250, 2), 5);
    assert_memory_equal(out, "12.50", 5);
    for (unsigned scale = 0; scale <= TEXT_DECIMAL_DIGITS_MAX; scale++) {
        for (size_t i = 0; i < ARRAY_LEN(edges); i++)
            check_decimal(edges[i], scale);
    }
    for (FIRST_SEED; MORE_SEEDS(20000); NEXT_SEED)
        check_decimal(random_int64(), (unsigned)random_below(TEXT_DECIMAL_DIGITS_MAX + 1));
}

/* The fewest digits whose nearest decimal reads back as the value. */
static int digits_needed(double value)
{
    char text[64];
    int digits = 1;

    for (; digits < 17; digits++) {
        snprintf(text, sizeof(text), "%.*e", digits - 1, value);
        if (strtod(text, NULL) == value)
            break;
    }
    return digits;
}

/* How long a number of so many digits is, written the way that the header says. */
static size_t length_needed(double value, int digits)
{
    double size = fabs(value);
    char text[64];

    snprintf(text, sizeof(text), "%.*e", digits - 1, size);
    int exponent = atoi(strchr(text, 'e') + 1);

    if (size >= 1e-5 && size < 1e17) {
        int whole = MAX(exponent + 1, 1);
        int behind = MAX(digits - 1 - exponent, 0);

        return (size_t)(whole + behind + (behind > 0) + (value < 0));
    }
    return (size_t)(digits + (digits > 1) + (value < 0)) + strlen(strchr(text, 'e'));
}

static bool is_power_of_two(double value)
{
    int exponent;

    return fabs(frexp(value, &exponent)) == 0.5;
}

static void check_double(double value)
{
    struct room room = room_of(TEXT_DOUBLE_MAX);
    struct slice text = written(&room, text_double(room.bytes, value));
    struct json_value *json = json_value_of(text);
    char copy[64] = "";
    double back;

    memcpy(copy, text.data, text.len);
    ENSURE(json && json->kind == VALUE_NUMBER);
    ENSURE(strtod(copy, NULL) == value);
    ENSURE(text_to_double(text, &back) == 0 && back == value);
    /* Below a power of two numbers lie closer: there the nearest decimal is not always the shortest
     * one that reads back. */
    size_t needed = value == 0 ? 1 : length_needed(value, digits_needed(value));
    if (text.len > needed || (text.len < needed && !is_power_of_two(value)))
        fail_msg("seed %" PRIu64 ": %.17g is spelled %s, %zu characters would do", test_seed, value,
                 copy, needed);
    json_value_free(json);
}

static double random_double(void)
{
    uint64_t bits = random_next();
    double value;

    memcpy(&value, &bits, sizeof(value));
    return isfinite(value) ? value : 0.5;
}

static void doubles_are_spelled_as_short_as_can_be(void **state)
{
    static const double values[] = {0,
                                    -0.0,
                                    1,
                                    -1,
                                    3,
                                    0.1,
                                    0.3,
                                    1e5,
                                    1e-5,
                                    9.999e-6,
                                    1e15,
                                    1e16,
                                    1e17,
                                    9.9e16,
                                    1e22,
                                    1e23,
                                    1e-300,
                                    DBL_MAX,
                                    DBL_MIN,
                                    DBL_TRUE_MIN,
                                    DBL_EPSILON,
                                    123456789012345680.0,
                                    9007199254740993.0,
                                    5e-324,
                                    2.2250738585072011e-308,
                                    0.000012345678901234567,
                                    99999999999999984.0,
                                    4.35,
                                    1.0 / 3,
                                    2.0 / 3,
                                    1e100};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        check_double(values[i]);
        check_double(-values[i]);
    }
    for (int exponent = -1074; exponent < 1024; exponent++) {
        check_double(ldexp(1, exponent));
        check_double(nextafter(ldexp(1, exponent), INFINITY));
        check_double(nextafter(ldexp(1, exponent), 0));
    }
    for (FIRST_SEED; MORE_SEEDS(5000); NEXT_SEED) {
        check_double(random_double());
        check_double((double)random_int64());
        check_double((double)random_int64() / 1000);
        check_double((double)random_between(-100000, 100000) / 100);
    }
}

struct spelling {
    double value;
    const char *text;
};

static void doubles_look_as_people_write_them(void **state)
{
    static const struct spelling spellings[] = {{0, "0"},
                                                {-0.0, "0"},
                                                {3, "3"},
                                                {100000, "100000"},
                                                {0.1, "0.1"},
                                                {-2.5, "-2.5"},
                                                {0.00001, "0.00001"},
                                                {1e16, "10000000000000000"},
                                                {1e17, "1e+17"},
                                                {1e30, "1e+30"},
                                                {1.5e-6, "1.5e-06"},
                                                {-1e-7, "-1e-07"},
                                                {123456.789, "123456.789"}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(spellings); i++) {
        char out[TEXT_DOUBLE_MAX];
        size_t len = text_double(out, spellings[i].value);

        ENSURE_TEXT(((struct slice){out, len}), slice_of(spellings[i].text));
    }
}

static void append_digits(char *text, size_t count)
{
    char *end = text + strlen(text);

    for (; count > 0; count--)
        *end++ = (char)('0' + random_below(10));
    *end = '\0';
}

/* A JSON number, with up to some hundreds of digits. */
static void random_number(char *text)
{
    strcpy(text, random_chance(50) ? "-" : "");
    if (random_chance(40)) {
        strcat(text, "0");
    } else {
        strcat(text, (const char *[]){"1", "4", "9"}[random_below(3)]);
        append_digits(text, random_chance(20) ? random_below(400) : random_below(20));
    }
    if (random_chance(60)) {
        strcat(text, ".");
        append_digits(text, 1 + (random_chance(20) ? random_below(400) : random_below(20)));
    }
    if (random_chance(60))
        sprintf(text + strlen(text), "%s%d", random_chance(50) ? "e" : "E-",
                (int)random_below(random_chance(50) ? 400 : 30));
}

static void check_reading(const char *text)
{
    double wanted = strtod(text, NULL);
    double got = 77;
    int rc = text_to_double(slice_of(text), &got);

    if (isinf(wanted))
        ENSURE_INT(rc, -ERANGE);
    else if (rc != 0 || got != wanted)
        fail_msg("seed %" PRIu64 ": %s is read as %.17g with %d, not %.17g", test_seed, text, got,
                 rc, wanted);
}

static void doubles_are_read_as_strtod_does(void **state)
{
    char text[2000];

    (void)state;
    for (FIRST_SEED; MORE_SEEDS(20000); NEXT_SEED) {
        random_number(text);
        check_reading(text);
    }
}

static void the_ends_of_the_range_are_told_apart(void **state)
{
    static const char *const texts[] = {"1e308",
                                        "1.7976931348623157e308",
                                        "1.7976931348623158e308",
                                        "1.7976931348623159e308",
                                        "1.8e308",
                                        "-1.8e308",
                                        "1e309",
                                        "1e999999999999999999999",
                                        "-1e999999999999999999999",
                                        "5e-324",
                                        "4.9e-324",
                                        "2.5e-324",
                                        "2.4e-324",
                                        "-1e-400",
                                        "1e-999999999999999999999",
                                        "0e999999999999999999999",
                                        "0.0e999999999999999999999",
                                        "-0",
                                        "0e0",
                                        "0E-5",
                                        "2.2250738585072011e-308",
                                        "2.2250738585072012e-308"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        check_reading(texts[i]);
}

/* Zeros in front or behind that the exponent takes back, in part. */
static void many_zeros_do_not_hide_the_range(void **state)
{
    static const int exponents[] = {0, 1, 100, 300, 500, 700, 900, 1100, 1400};
    char text[2000];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(exponents); i++) {
        sprintf(text, "0.%0700d1e%d", 0, exponents[i]);
        check_reading(text);
        sprintf(text, "1%0700d.5e-%d", 0, exponents[i]);
        check_reading(text);
        sprintf(text, "1%0700de%d", 0, exponents[i]);
        check_reading(text);
        sprintf(text, "0.%0700d1e-%d", 0, exponents[i]);
        check_reading(text);
        sprintf(text, "0.%0700de%d", 0, exponents[i]);
        check_reading(text);
    }
}

static void what_is_no_number_is_refused(void **state)
{
    static const char *const texts[] = {"",   " ",   "-",   "+1",    "1 ",  " 1", "1x",  "0x10",
                                        "1e", "1e+", "--1", "1.2.3", "abc", "e5", "1,5", "1e5.5"};
    double value;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        if (text_to_double(slice_of(texts[i]), &value) != -EINVAL)
            fail_msg("\"%s\" is taken for a number", texts[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(int64_is_spelled_as_printf_does),
        cmocka_unit_test(decimals_have_exactly_their_digits),
        cmocka_unit_test(doubles_are_spelled_as_short_as_can_be),
        cmocka_unit_test(doubles_look_as_people_write_them),
        cmocka_unit_test(doubles_are_read_as_strtod_does),
        cmocka_unit_test(the_ends_of_the_range_are_told_apart),
        cmocka_unit_test(many_zeros_do_not_hide_the_range),
        cmocka_unit_test(what_is_no_number_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
