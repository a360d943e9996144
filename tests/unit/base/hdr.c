/* The histogram of durations against the recorded values themselves, sorted. */
#include "../support/testing.h"

#include <math.h>

#include "base/hdr.h"

#define VALUES_MAX 5000

static struct hdr hdr;

static void check_bounds(int64_t value)
{
    unsigned bucket = hdr_bucket_of(value);
    int64_t top = hdr_bucket_top(bucket);

    ENSURE(bucket < HDR_BUCKETS);
    ENSURE(value <= top);
    ENSURE(bucket == 0 || value > hdr_bucket_top(bucket - 1));
    ENSURE((top - value) * 64 <= value);
}

static void buckets_follow_one_another_without_gap(void **state)
{
    (void)state;
    assert_int_equal(hdr_bucket_of(0), 0);
    for (unsigned bucket = 0; bucket + 1 < HDR_BUCKETS; bucket++) {
        int64_t top = hdr_bucket_top(bucket);

        assert_int_equal(hdr_bucket_of(top), bucket);
        assert_int_equal(hdr_bucket_of(top + 1), bucket + 1);
    }
    assert_int_equal(hdr_bucket_of(HDR_VALUE_MAX), HDR_BUCKETS - 1);
    assert_int_equal(hdr_bucket_top(HDR_BUCKETS - 1), HDR_VALUE_MAX);
}

static void every_value_lies_in_its_bucket(void **state)
{
    (void)state;
    for (int64_t value = 0; value < 100000; value++)
        check_bounds(value);
    for (int bits = 1; bits < HDR_VALUE_BITS; bits++) {
        for (int64_t near = -2; near <= 2; near++)
            check_bounds(MAX((INT64_C(1) << bits) + near, 0));
    }
    for (FIRST_SEED; MORE_SEEDS(20000); NEXT_SEED)
        check_bounds((int64_t)(random_bits() & HDR_VALUE_MAX));
}

static int compare_values(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a;
    int64_t right = *(const int64_t *)b;

    return (left > right) - (left < right);
}

/* Records values and puts what counts of each into `values`. */
static size_t record_some(int64_t *values)
{
    size_t len = 0;
    size_t records = 1 + random_below(200);

    while (records-- > 0) {
        int64_t value = random_chance(10) ? random_int64() : (int64_t)(random_bits() >> 20);
        size_t times = 1 + random_below(20);

        hdr_record(&hdr, value, times);
        value = MIN(MAX(value, 0), HDR_VALUE_MAX);
        while (times-- > 0)
            values[len++] = value;
    }
    qsort(values, len, sizeof(*values), compare_values);
    return len;
}

static void check_quantile(const int64_t *values, size_t len, double q)
{
    size_t rank = (size_t)ceil(q * (double)len);
    int64_t wanted = values[rank ? rank - 1 : 0];
    int64_t got = hdr_quantile(&hdr, q);

    ENSURE(got >= wanted);
    ENSURE((got - wanted) * 64 <= wanted);
}

static void quantiles_are_those_of_the_sorted_values(void **state)
{
    static int64_t values[VALUES_MAX];
    static const double fractions[] = {0, 0.001, 0.01, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999, 1};

    (void)state;
    for (FIRST_SEED; MORE_SEEDS(300); NEXT_SEED) {
        memset(&hdr, 0, sizeof(hdr));
        size_t len = record_some(values);
        uint64_t sum = 0;

        for (size_t i = 0; i < len; i++)
            sum += (uint64_t)values[i];
        ENSURE_INT(hdr.count, len);
        ENSURE_INT(hdr.sum, sum);
        ENSURE_INT(hdr.max, values[len - 1]);
        for (size_t i = 0; i < ARRAY_LEN(fractions); i++)
            check_quantile(values, len, fractions[i]);
        check_quantile(values, len, (double)random_below(1000000) / 1e6);
        ENSURE_INT(hdr_quantile(&hdr, 1), values[len - 1]); /* the largest is known exactly */
    }
}

static void an_empty_histogram_says_0(void **state)
{
    (void)state;
    memset(&hdr, 0, sizeof(hdr));
    assert_int_equal(hdr_quantile(&hdr, 0.5), 0);
    assert_int_equal(hdr_quantile(&hdr, 1), 0);
}

static void merging_is_recording_into_one(void **state)
{
    static struct hdr parts[3];
    static struct hdr merged;

    (void)state;
    for (FIRST_SEED; MORE_SEEDS(30); NEXT_SEED) {
        memset(&hdr, 0, sizeof(hdr));
        memset(&merged, 0, sizeof(merged));
        memset(parts, 0, sizeof(parts));
        for (int i = 0; i < 500; i++) {
            int64_t value = (int64_t)(random_bits() & HDR_VALUE_MAX);

            hdr_record(&hdr, value, 1);
            hdr_record(&parts[random_below(3)], value, 1);
        }
        for (int i = 0; i < 3; i++)
            hdr_merge(&merged, &parts[i]);
        assert_memory_equal(&merged, &hdr, sizeof(hdr));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buckets_follow_one_another_without_gap),
        cmocka_unit_test(every_value_lies_in_its_bucket),
        cmocka_unit_test(quantiles_are_those_of_the_sorted_values),
        cmocka_unit_test(an_empty_histogram_says_0),
        cmocka_unit_test(merging_is_recording_into_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
