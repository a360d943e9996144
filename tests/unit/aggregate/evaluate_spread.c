/* variance, stddev and quantile of every numeric type, against all numbers by their definitions. */
#include <float.h>
#include <math.h>

#include "feature_bench.h"

#define EVENTS_MAX 200

static const int numeric[] = {I, D, M};

static struct field_value events[EVENTS_MAX][BENCH_FIELDS];
static size_t event_count;

/* What the field's numbers are, ascending. */
static long double numbers[EVENTS_MAX];
static size_t number_count;

static void add_events(struct feature_bench *bench)
{
    int bits = (int)random_between(3, 62);
    double centre = random_chance(50) ? 0 : ldexp(1, bits);

    event_count = random_chance(20) ? random_below(4) : random_below(EVENTS_MAX);
    for (size_t i = 0; i < event_count; i++) {
        struct field_value *fields = events[i];

        memset(fields, 0x5a, sizeof(events[i])); /* behind an absent field may stand anything */
        fields[I].i = random_int64() >> (63 - bits);
        fields[D].d = centre + (double)random_int64() / ldexp(1, (int)random_below(90));
        fields[M].i = random_chance(5) ? 0 : random_between(-100000, 100000);
        for (int field = 0; field < BENCH_FIELDS; field++)
            fields[field].present = (field == I || field == D || field == M) && random_chance(75);
        feature_bench_add(bench, &(struct event){.time_ms = (int64_t)i}, fields,
                          random_below(BENCH_PANES));
        if (random_chance(2))
            feature_bench_merge(bench);
    }
}

static int ascending(const void *a, const void *b)
{
    const long double *left = a;
    const long double *right = b;

    return (*left > *right) - (*left < *right);
}

static void gather(int field)
{
    number_count = 0;
    for (size_t i = 0; i < event_count; i++) {
        const struct field_value *value = &events[i][field];

        if (value->present)
            numbers[number_count++] = field == D   ? (long double)value->d
                                      : field == M ? (long double)value->i / 100
                                                   : (long double)value->i;
    }
    qsort(numbers, number_count, sizeof(numbers[0]), ascending);
}

static void check_spread(const struct row_value *got, const struct plan_feature *feature)
{
    size_t divisor = number_count - (feature->sample ? 1 : 0);
    long double mean = 0;
    long double squares = 0;
    long double largest = 0;

    if (number_count == 0 || divisor == 0) {
        ENSURE(got->type == ROW_NULL);
        return;
    }
    for (size_t i = 0; i < number_count; i++) {
        mean += numbers[i] / (long double)number_count;
        largest = MAX(largest, fabsl(numbers[i]));
    }
    for (size_t i = 0; i < number_count; i++)
        squares += (numbers[i] - mean) * (numbers[i] - mean);

    long double rounding = 4 * (long double)(number_count + 1) * (long double)DBL_EPSILON;
    long double slack = rounding * (squares + largest * sqrtl(squares * (long double)number_count));

    slack += (long double)number_count * rounding * rounding * largest * largest;
    ENSURE(got->type == ROW_DOUBLE && got->d >= 0);
    long double result = feature->kind == FEATURE_STDDEV ? (long double)got->d * got->d : got->d;
    ENSURE(fabsl(result * (long double)divisor - squares) <= slack);
}

static void check_quantile(const struct row_value *got, const struct plan_feature *feature)
{
    if (number_count == 0) {
        ENSURE(got->type == ROW_NULL);
        return;
    }
    long double wanted = numbers[(size_t)floor(feature->q * (double)(number_count - 1))];

    ENSURE(got->type == ROW_DOUBLE);
    if (feature->q == 0 || feature->q == 1)
        ENSURE(got->d == (double)wanted);
    else
        ENSURE(fabsl(got->d - wanted) <= fabsl(wanted) * (0.01L + 1e-9L));
}

static void want_features(struct feature_bench *bench)
{
    static const double quantiles[] = {0, 0.05, 0.5, 0.95, 0.99, 1};

    for (size_t i = 0; i < ARRAY_LEN(numeric); i++) {
        for (int sample = 0; sample < 2; sample++) {
            struct plan_feature feature = {.field = numeric[i], .sample = sample};

            feature.kind = FEATURE_VARIANCE;
            feature_bench_want(bench, CELL_MOMENTS, 0, feature);
            feature.kind = FEATURE_STDDEV;
            feature_bench_want(bench, CELL_MOMENTS, 0, feature);
        }
        for (size_t j = 0; j < ARRAY_LEN(quantiles); j++)
            feature_bench_want(bench, CELL_QUANTILE, 0,
                               (struct plan_feature){.kind = FEATURE_QUANTILE,
                                                     .field = numeric[i],
                                                     .q = quantiles[j]});
    }
}

static void spread_has_the_values_that_are_defined(void **state)
{
    static struct feature_bench bench;

    (void)state;
    feature_bench_init(&bench);
    want_features(&bench);
    feature_bench_start(&bench);
    for (FIRST_SEED; MORE_SEEDS(2000); NEXT_SEED) {
        add_events(&bench);
        const struct row_value *values = feature_bench_values(&bench);

        for (uint32_t i = 0; i < bench.view.feature_count; i++) {
            const struct plan_feature *feature = &bench.features[i];

            gather(feature->field);
            if (feature->kind == FEATURE_QUANTILE)
                check_quantile(&values[i], feature);
            else
                check_spread(&values[i], feature);
        }
        feature_bench_clear(&bench);
    }
    feature_bench_done(&bench);
}

/* 1.00, 2.00, 3.00, 4.00: in whole units, though cells count hundredths. */
static void decimals_count_by_their_real_value(void **state)
{
    static const struct {
        enum cell_kind cell;
        struct plan_feature feature;
        double wanted;
    } cases[] = {
        {CELL_MOMENTS, {.kind = FEATURE_VARIANCE, .field = M}, 1.25},
        {CELL_MOMENTS, {.kind = FEATURE_VARIANCE, .field = M, .sample = true}, 5.0 / 3},
        {CELL_MOMENTS, {.kind = FEATURE_STDDEV, .field = M}, 1.118033988749895},
        {CELL_QUANTILE, {.kind = FEATURE_QUANTILE, .field = M, .q = 0}, 1},
        {CELL_QUANTILE, {.kind = FEATURE_QUANTILE, .field = M, .q = 1}, 4},
    };
    static struct feature_bench bench;

    (void)state;
    feature_bench_init(&bench);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        feature_bench_want(&bench, cases[i].cell, 0, cases[i].feature);
    feature_bench_start(&bench);
    for (int i = 1; i <= 4; i++) {
        struct field_value fields[BENCH_FIELDS] = {[M] = {.i = 100 * i, .present = true}};

        feature_bench_add(&bench, &(struct event){.time_ms = i}, fields, (size_t)i);
    }
    const struct row_value *values = feature_bench_values(&bench);

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(values[i].type, ROW_DOUBLE);
        assert_true(fabs(values[i].d - cases[i].wanted) <= 4 * DBL_EPSILON);
    }
    feature_bench_done(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spread_has_the_values_that_are_defined),
        cmocka_unit_test(decimals_count_by_their_real_value),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
