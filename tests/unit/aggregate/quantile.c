/* Quantiles against all numbers, sorted: within 1 % at every rank. */
#include <float.h>
#include <math.h>

#include "aggregate/quantile.h"
#include "cell_bench.h"

#define CELLS       4
#define NUMBERS_MAX 3000

static double numbers[NUMBERS_MAX];
static size_t number_count;
static struct quantile_sum window;

static double uniform(void)
{
    return ((double)random_below(UINT64_C(1) << 53) + 1) / 0x1p53;
}

static double number_like(unsigned shape)
{
    switch (shape) {
    case 0:
        return uniform();
    case 1:
        return -log(uniform()) * 1000; /* exponential: waiting times */
    case 2:
        return pow(uniform(), -1 / 1.5); /* Pareto: a long tail */
    case 3:
        return (double)random_between(-20, 20); /* ties and zeroes */
    case 4:
        return (double)random_int64();
    case 5:
        return (uniform() - 0.5) * 200;
    case 6:
        return exp((uniform() - 0.5) * 30); /* more than a thousand buckets */
    default:
        return 42;
    }
}

static int ascending(const void *a, const void *b)
{
    const double *left = a;
    const double *right = b;

    return (*left > *right) - (*left < *right);
}

static void merge_two(uint64_t *cells, struct cell_memory *memory)
{
    size_t into = random_below(CELLS);
    size_t from = (into + 1 + random_below(CELLS - 1)) % CELLS;

    quantile_merge(&cells[into], &cells[from], memory);
    ENSURE(cells[from] == 0);
}

static void add_numbers(uint64_t *cells, struct cell_memory *memory)
{
    unsigned shape = (unsigned)random_below(8);

    number_count = 1 + random_below(random_chance(50) ? 20 : NUMBERS_MAX - 1);
    for (size_t i = 0; i < number_count; i++) {
        numbers[i] = number_like(shape);
        quantile_add(&cells[random_below(CELLS)], numbers[i], memory);
        if (random_chance(1))
            merge_two(cells, memory);
    }
    qsort(numbers, number_count, sizeof(numbers[0]), ascending);
}

static void window_of(const uint64_t *cells, size_t count)
{
    quantile_sum_reset(&window);
    for (size_t i = 0; i < count; i++)
        quantile_sum_merge(&window, cells[i]);
}

static void check_quantile(double q)
{
    double wanted = numbers[(size_t)floor(q * (double)(number_count - 1))];
    double got = quantile_sum_value(&window, q);

    if (fabs(got - wanted) > fabs(wanted) * (QUANTILE_ACCURACY + 1e-9))
        fail_msg("seed %" PRIu64 ": q %g is %.17g, not %.17g", test_seed, q, got, wanted);
}

static void every_quantile_is_within_1_percent(void **state)
{
    static const double quantiles[] = {0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1};
    struct cell_bench bench;

    (void)state;
    cell_bench_init(&bench);
    for (FIRST_SEED; MORE_SEEDS(1000); NEXT_SEED) {
        uint64_t cells[CELLS] = {0};

        add_numbers(cells, &bench.memory);
        window_of(cells, CELLS);
        ENSURE_INT(window.count, number_count);
        for (size_t i = 0; i < ARRAY_LEN(quantiles); i++)
            check_quantile(quantiles[i]);
        for (int i = 0; i < 20; i++)
            check_quantile(uniform());
        ENSURE(quantile_sum_value(&window, 0) == numbers[0]);
        ENSURE(quantile_sum_value(&window, 1) == numbers[number_count - 1]);
        for (size_t i = 0; i < CELLS; i++)
            quantile_done(&cells[i], &bench.memory);
        ENSURE_INT(bench.memory.bytes, 0);
    }
    quantile_sum_free(&window);
    cell_bench_done(&bench);
}

/* From the smallest double to the largest, both signs. */
static double extreme_number(void)
{
    double number = ldexp(1 + uniform(), (int)random_between(-1080, 1022));

    if (random_chance(1))
        number = random_chance(50) ? DBL_MAX : 5e-324;
    return random_chance(50) ? number : -number;
}

/* The largest magnitudes of each sign keep their buckets, and the 1 %. */
static void the_smallest_magnitudes_lose_their_buckets(void **state)
{
    struct cell_bench bench;

    (void)state;
    cell_bench_init(&bench);
    for (FIRST_SEED; MORE_SEEDS(8); NEXT_SEED) {
        uint64_t cells[2] = {0}; /* the second gets halves that are merged */
        uint64_t part = 0;

        for (int i = 0; i < 30000; i++) {
            double number = extreme_number();

            quantile_add(&cells[0], number, &bench.memory);
            quantile_add(i % 2 ? &part : &cells[1], number, &bench.memory);
        }
        ENSURE(bench.memory.bytes <= 3 * (64 + 2 * QUANTILE_BUCKETS_MAX * 8));
        quantile_merge(&cells[1], &part, &bench.memory);
        for (int i = 0; i <= 1000; i++) {
            window_of(&cells[0], 1);
            double alone = quantile_sum_value(&window, i / 1000.0);

            ENSURE(isfinite(alone));
            window_of(&cells[1], 1);
            ENSURE(quantile_sum_value(&window, i / 1000.0) == alone);
        }
        quantile_done(&cells[0], &bench.memory);
        quantile_done(&cells[1], &bench.memory);
    }
    quantile_sum_free(&window);
    cell_bench_done(&bench);
}

/* A step of 3 % opens a new bucket each time: 6000 of them, of which 2048 stay. */
static void collapsed_numbers_count_still(void **state)
{
    const int steps = 6000;
    struct cell_bench bench;
    uint64_t cell = 0;

    (void)state;
    cell_bench_init(&bench);
    for (int i = 0; i < steps; i++) /* upwards, then again downwards */
        quantile_add(&cell, exp((i < steps / 2 ? 2 * i : 2 * (steps - i) - 1) * 0.03),
                     &bench.memory);
    window_of(&cell, 1);
    double kept_from = exp((steps - QUANTILE_BUCKETS_MAX) * 0.03);

    for (int i = 1; i < steps; i++) {
        double wanted = exp(i * 0.03);
        double got = quantile_sum_value(&window, (i + 0.5) / (steps - 1));

        if (i + 1 >= steps) /* rank floor(q * (n - 1)) is its last */
            break;
        if (wanted >= kept_from * 1.03)
            assert_true(fabs(got / wanted - 1) <= QUANTILE_ACCURACY + 1e-9);
        else
            assert_true(got >= wanted * (1 - QUANTILE_ACCURACY) && got <= kept_from * 1.05);
    }
    quantile_done(&cell, &bench.memory);
    quantile_sum_free(&window);
    cell_bench_done(&bench);
}

/* One window after the other, wherever their numbers lie. */
static void a_window_begins_empty_each_time(void **state)
{
    struct cell_bench bench;

    (void)state;
    cell_bench_init(&bench);
    for (FIRST_SEED; MORE_SEEDS(2000); NEXT_SEED) {
        double number = extreme_number();
        uint64_t cell = 0;

        if (random_chance(5))
            number = 0;
        for (int i = 0; i < 3; i++)
            quantile_add(&cell, number, &bench.memory);
        window_of(&cell, 1);
        ENSURE_INT(window.count, 3);
        ENSURE(quantile_sum_value(&window, 0.5) == number); /* between minimum and maximum */
        quantile_done(&cell, &bench.memory);
    }
    quantile_sum_free(&window);
    cell_bench_done(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_quantile_is_within_1_percent),
        cmocka_unit_test(the_smallest_magnitudes_lose_their_buckets),
        cmocka_unit_test(collapsed_numbers_count_still),
        cmocka_unit_test(a_window_begins_empty_each_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
