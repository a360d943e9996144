/* Mean and squared deviations against two passes over all numbers in long double. */
#include <float.h>
#include <math.h>

#include "../support/testing.h"
#include "aggregate/moments.h"

#define NUMBERS_MAX 300
#define CELLS       4

static double numbers[NUMBERS_MAX];
static size_t number_count;

/* Numbers far from 0 that lie close together are where a sum of squares loses all digits. */
static void random_numbers(void)
{
    static const double centres[] = {0, 1, -1000, 1e9, -1e15};
    double centre = centres[random_below(ARRAY_LEN(centres))];
    double width = pow(10, (double)random_between(-3, 6));

    number_count = random_below(NUMBERS_MAX);
    for (size_t i = 0; i < number_count; i++)
        numbers[i] = centre + width * ((double)random_below(1000001) / 1e6 - 0.5);
}

static void check(const struct moments *moments)
{
    long double mean = 0;
    long double squares = 0;
    long double largest = 0;

    ENSURE_INT(moments->count, number_count);
    for (size_t i = 0; i < number_count; i++) {
        mean += numbers[i] / (long double)number_count;
        largest = MAX(largest, fabsl(numbers[i]));
    }
    for (size_t i = 0; i < number_count; i++)
        squares += (numbers[i] - mean) * (numbers[i] - mean);

    /* T. F. Chan, J. G. Lewis (1979): n * eps * (condition number), and what is below it. */
    long double rounding = 4 * (long double)number_count * (long double)DBL_EPSILON;
    long double slack = rounding * (squares + largest * sqrtl(squares * (long double)number_count));

    slack += (long double)number_count * rounding * rounding * largest * largest;
    ENSURE(fabsl(moments->mean - mean) <= rounding * largest);
    ENSURE(fabsl(moments->squares - squares) <= slack);
    ENSURE(moments->squares >= 0);
}

static void deviations_keep_their_digits(void **state)
{
    (void)state;
    for (FIRST_SEED; MORE_SEEDS(5000); NEXT_SEED) {
        struct moments cells[CELLS] = {{0}};

        random_numbers();
        for (size_t i = 0; i < number_count; i++)
            moments_add(&cells[random_chance(50) ? 0 : random_below(CELLS)], numbers[i]);
        for (size_t i = 1; i < CELLS; i++)
            moments_merge(&cells[0], &cells[i]);
        check(&cells[0]);
    }
}

static void equal_numbers_have_no_deviation(void **state)
{
    (void)state;
    for (FIRST_SEED; MORE_SEEDS(300); NEXT_SEED) {
        double number = (double)random_int64() / 1000;
        struct moments cells[2] = {{0}};

        for (uint64_t left = random_below(50); left > 0; left--)
            moments_add(&cells[random_below(2)], number);
        moments_merge(&cells[0], &cells[1]);
        ENSURE(cells[0].squares == 0);
        ENSURE(cells[0].count == 0 || cells[0].mean == number);
    }
}

/* Whatever finite numbers come, however cells are merged. */
static void nothing_becomes_infinite(void **state)
{
    static const double extremes[] = {DBL_MAX, -DBL_MAX, 1e200, -1e200, DBL_MIN, 5e-324, 0, 1};

    (void)state;
    for (FIRST_SEED; MORE_SEEDS(3000); NEXT_SEED) {
        struct moments cells[CELLS] = {{0}};

        for (uint64_t left = random_below(40); left > 0; left--) {
            if (random_chance(80))
                moments_add(&cells[random_below(CELLS)],
                            extremes[random_below(ARRAY_LEN(extremes))]);
            else
                moments_merge(&cells[0], &cells[1 + random_below(CELLS - 1)]);
            for (int i = 0; i < CELLS; i++) {
                ENSURE(isfinite(cells[i].mean));
                ENSURE(isfinite(cells[i].squares) && cells[i].squares >= 0);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deviations_keep_their_digits),
        cmocka_unit_test(equal_numbers_have_no_deviation),
        cmocka_unit_test(nothing_becomes_infinite),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
