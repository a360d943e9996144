/* Numbers by their decimal text, against decimal arithmetic by hand: digits are moved, cut and
 * rounded as on paper. */
#include "../support/testing.h"

#include "../support/guarded.h"
#include "decode/number.h"

#define DIGITS_MAX   5000
#define EXPONENT_FAR 1000000000L

/* A number as 0.digits times 10^place. */
struct decimal {
    bool negative;
    char digits[DIGITS_MAX];
    int count;
    long place;
};

static struct decimal decimal_of(const char *text)
{
    struct decimal number = {.negative = *text == '-'};
    bool behind_point = false;

    for (text += number.negative; *text && *text != 'e' && *text != 'E'; text++) {
        if (*text == '.') {
            behind_point = true;
            continue;
        }
        if (*text != '0' || number.count > 0) {
            assert_true(number.count < DIGITS_MAX);
            number.digits[number.count++] = *text;
            number.place += !behind_point;
        } else if (behind_point) {
            number.place--; /* a zero in front of the first digit */
        }
    }
    if (*text) /* strtol stops at its limits; far less is out of any range here */
        number.place += MAX(MIN(strtol(text + 1, NULL, 10), EXPONENT_FAR), -EXPONENT_FAR);
    return number;
}

/* The nearest integer's digits, halves away from zero, into `out`; false if there are more than 20
 * (no int64 has more than 19). */
static bool round_to_integer(const struct decimal *number, char *out)
{
    int kept = 0;

    strcpy(out, "0");
    if (number->count == 0 || number->place < 0)
        return true;
    if (number->place > 20)
        return false;
    for (; kept < number->place; kept++)
        out[kept + 1] = kept < number->count ? number->digits[kept] : '0';
    out[0] = '0'; /* room for a carry */
    out[kept + 1] = '\0';
    if (kept < number->count && number->digits[kept] >= '5') {
        int at = kept;

        for (; out[at] == '9'; at--)
            out[at] = '0';
        out[at]++;
    }
    size_t zeros = strspn(out, "0");
    zeros -= zeros == strlen(out);
    memmove(out, out + zeros, strlen(out) - zeros + 1);
    return true;
}

static bool fits_int64(const char *digits, bool negative)
{
    const char *limit = negative ? "9223372036854775808" : "9223372036854775807";
    size_t len = strlen(digits);

    return len < strlen(limit) || (len == strlen(limit) && strcmp(digits, limit) <= 0);
}

/* As the engine should say it: 0 and the value, or -ERANGE. */
static int scaled(const char *text, unsigned scale, int64_t *ret)
{
    struct decimal number = decimal_of(text);
    char digits[32];

    number.place += scale;
    if (!round_to_integer(&number, digits) || !fits_int64(digits, number.negative))
        return -ERANGE;
    *ret = (int64_t)strtoull(digits, NULL, 10);
    if (number.negative)
        *ret = (int64_t)(0 - (uint64_t)*ret);
    return 0;
}

static struct guarded guarded;

static void check_scaled(const char *text, unsigned scale)
{
    int64_t wanted = 0;
    int64_t got = 0;
    int wanted_rc = scaled(text, scale, &wanted);
    int rc = number_to_scaled(guarded_copy(&guarded, slice_of(text)), scale, &got);

    if (rc != wanted_rc || (rc == 0 && got != wanted))
        fail_msg("seed %" PRIu64 ": %s times 10^%u is %" PRId64 " with %d, not %" PRId64 " with %d",
                 test_seed, text, scale, got, rc, wanted, wanted_rc);
}

static void check_int64(const char *text)
{
    bool spelled_as_integer = strcspn(text, ".eE") == strlen(text);
    int64_t wanted = 0;
    int64_t got = 0;
    int wanted_rc = spelled_as_integer ? scaled(text, 0, &wanted) : -EINVAL;
    int rc = number_to_int64(guarded_copy(&guarded, slice_of(text)), &got);

    if (rc != wanted_rc || (rc == 0 && got != wanted))
        fail_msg("seed %" PRIu64 ": %s is %" PRId64 " with %d, not %" PRId64 " with %d", test_seed,
                 text, got, rc, wanted, wanted_rc);
}

static void check(const char *text)
{
    check_int64(text);
    for (unsigned scale = 0; scale <= 18; scale += random_chance(50) ? 1 : 3)
        check_scaled(text, scale);
}

static char *append_digits(char *end, size_t count)
{
    for (; count > 0; count--)
        *end++ = (char)('0' + (random_chance(40) ? 9 * random_below(2) : random_below(10)));
    *end = '\0';
    return end;
}

static size_t random_length(void)
{
    return random_chance(10) ? random_below(500) : random_below(22);
}

static void random_number(char *text)
{
    char *end = text;

    if (random_chance(50))
        *end++ = '-';
    if (random_chance(30)) {
        *end++ = '0';
    } else {
        *end++ = (char)('1' + random_below(9));
        end = append_digits(end, random_length());
    }
    if (random_chance(60)) {
        *end++ = '.';
        end = append_digits(end, 1 + random_length());
    }
    *end = '\0';
    if (random_chance(60))
        sprintf(end, "%c%s%s%d", random_chance(50) ? 'e' : 'E',
                (const char *[]){"", "+", "-"}[random_below(3)], random_chance(20) ? "00" : "",
                (int)random_below(random_chance(70) ? 25 : 600));
}

static void any_spelling_is_read_exactly(void **state)
{
    static char text[3000];

    (void)state;
    for (FIRST_SEED; MORE_SEEDS(20000); NEXT_SEED) {
        random_number(text);
        check(text);
    }
}

/* The digits, of which the last `behind` stand behind a point that the exponent moves back. */
static void spell(char *out, const char *digits, int behind, int scale, bool negative)
{
    int count = (int)strlen(digits);
    int point = count - behind + (int)random_between(-30, 30);
    int exponent = count - behind - point - scale;

    out += sprintf(out, "%s", negative ? "-" : "");
    if (point <= 0)
        out += sprintf(out, "0.%.*s%s", -point,
                       "000000000000000000000000000000000000000000000000"
                       "000000000000000000000000",
                       digits);
    else if (point >= count)
        out += sprintf(out, "%s%.*s", digits, point - count,
                       "00000000000000000000000000000000000"
                       "000000000000000000000000000000000");
    else
        out += sprintf(out, "%.*s.%s", point, digits, digits + point);
    if (exponent || random_chance(50))
        sprintf(out, "e%d", exponent);
}

/* The limits of int64, and what lies half a unit and less around them, spelled in many ways. */
static void the_limits_are_hit_exactly(void **state)
{
    static const char *const wholes[] = {"9223372036854775806",
                                         "9223372036854775807",
                                         "9223372036854775808",
                                         "9223372036854775809",
                                         "922337203685477580",
                                         "18446744073709551615",
                                         "18446744073709551616",
                                         "99999999999999999999",
                                         "1",
                                         "10",
                                         "999"};
    static const char *const rests[] = {"",   "0",  "4",          "5",          "6",          "49",
                                        "50", "51", "4999999999", "5000000000", "5000000001", "9"};
    char digits[64];
    char text[300];

    (void)state;
    for (FIRST_SEED; MORE_SEEDS(5000); NEXT_SEED) {
        const char *whole = wholes[random_below(ARRAY_LEN(wholes))];
        const char *rest = rests[random_below(ARRAY_LEN(rests))];
        unsigned scale = (unsigned)random_below(19);

        snprintf(digits, sizeof(digits), "%s%s", whole, rest);
        spell(text, digits, (int)strlen(rest), (int)scale, random_chance(50));
        check_scaled(text, scale);
        check(text);
    }
}

static void halves_go_away_from_zero(void **state)
{
    static const struct {
        const char *text;
        unsigned scale;
        int64_t value;
    } cases[] = {
        {"0.5", 0, 1},
        {"-0.5", 0, -1},
        {"0.49999999999999999999999", 0, 0},
        {"2.5", 0, 3},
        {"-2.5", 0, -3},
        {"1.005", 2, 101},
        {"-1.005", 2, -101},
        {"1.0049999", 2, 100},
        {"1e-3", 2, 0},
        {"5e-3", 2, 1},
        {"0.05e-1", 2, 1},
        {"-4e-3", 2, 0},
        {"-0", 2, 0},
        {"0e99", 18, 0},
        {"123", 2, 12300},
        {"1.5e3", 0, 1500},
        {"0.0000000000000000005", 18, 1},
        {"-9223372036854775808.4", 0, INT64_MIN},
        {"9223372036854775807.4", 0, INT64_MAX},
    };
    int64_t value;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(number_to_scaled(slice_of(cases[i].text), cases[i].scale, &value), 0);
        if (value != cases[i].value)
            fail_msg("%s is %" PRId64, cases[i].text, value);
    }
    /* Rounded up, the largest does not fit any more. */
    assert_int_equal(number_to_scaled(slice_of("92233720368547758.075"), 2, &value), -ERANGE);
    assert_int_equal(number_to_scaled(slice_of("-92233720368547758.084"), 2, &value), 0);
    assert_true(value == INT64_MIN);
    assert_int_equal(number_to_scaled(slice_of("-92233720368547758.085"), 2, &value), -ERANGE);
}

/* Zeros without end, and exponents that take them back, in part or in whole. */
static void exponents_may_be_huge(void **state)
{
    static const char *const texts[] = {"1e999999999999999999999999999999",
                                        "-1e999999999999999999999999999999",
                                        "1e-999999999999999999999999999999",
                                        "0e999999999999999999999999999999",
                                        "0.0e-99999999999999999999999999999",
                                        "1e2147483648",
                                        "1e-2147483648",
                                        "1e4294967296",
                                        "1e18446744073709551616",
                                        "1e-18446744073709551616",
                                        "1e9223372036854775807",
                                        "1e-9223372036854775808"};
    static char text[4000];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        check(texts[i]);
    for (int zeros = 900; zeros < 1100; zeros += 7) {
        sprintf(text, "0.%0*d15e%d", zeros, 0, zeros + (int)random_below(20));
        check(text);
        sprintf(text, "15%0*d.0e-%d", zeros, 0, zeros - (int)random_below(20));
        check(text);
    }
}

/* As many zeros as a large record has room for. */
static void a_million_zeros_may_be_taken_back(void **state)
{
    enum { ZEROS = 1000000 };
    char *text = malloc(ZEROS + 100);
    int64_t value = 0;

    (void)state;
    strcpy(text, "0.");
    memset(text + 2, '0', ZEROS);
    sprintf(text + 2 + ZEROS, "1e%d", ZEROS + 3);
    assert_int_equal(number_to_scaled(slice_of(text), 0, &value), 0);
    assert_int_equal(value, 100);

    memset(text, '0', ZEROS);
    text[0] = '7';
    sprintf(text + ZEROS, "e-%d", ZEROS - 2);
    assert_int_equal(number_to_scaled(slice_of(text), 0, &value), 0);
    assert_int_equal(value, 70);
    free(text);
}

static int make_guarded(void **state)
{
    (void)state;
    guarded = guarded_create(10000);
    return 0;
}

static int free_guarded(void **state)
{
    (void)state;
    guarded_free(&guarded);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_spelling_is_read_exactly),
        cmocka_unit_test(the_limits_are_hit_exactly),
        cmocka_unit_test(halves_go_away_from_zero),
        cmocka_unit_test(exponents_may_be_huge),
        cmocka_unit_test(a_million_zeros_may_be_taken_back),
    };

    return cmocka_run_group_tests(tests, make_guarded, free_guarded);
}
