/* Merged cells hold what the values say, whatever stands for them inside. */
#include "aggregate/distinct.h"
#include "aggregate/histogram.h"
#include "base/hash.h"
#include "cell_bench.h"

static int64_t count_of(uint64_t cell)
{
    static struct distinct_union all;

    distinct_union_reset(&all);
    distinct_union_merge(&all, cell);
    return distinct_union_count(&all);
}

/* A hash that has the bit set which tells a sketch from a set was taken for one. */
static void any_one_value_joins_many(void **state)
{
    static const uint64_t many[] = {1, 2, 64, 65, 1000};

    (void)state;
    for (FIRST_SEED; MORE_SEEDS(200); NEXT_SEED) {
        struct cell_bench bench;
        uint64_t one = 0;
        uint64_t other = 0;
        uint64_t all = 0;
        uint64_t hash = random_next();

        cell_bench_init(&bench);
        distinct_add(&one, hash, &bench.memory);
        distinct_add(&all, hash, &bench.memory);
        for (uint64_t i = many[random_below(ARRAY_LEN(many))]; i > 0; i--) {
            hash = random_next();
            distinct_add(&other, hash, &bench.memory);
            distinct_add(&all, hash, &bench.memory);
        }
        if (random_chance(50))
            distinct_merge(&one, &other, &bench.memory);
        else
            distinct_merge(&other, &one, &bench.memory);
        ENSURE_INT(count_of(one ? one : other), count_of(all));
        distinct_done(&one, &bench.memory);
        distinct_done(&other, &bench.memory);
        distinct_done(&all, &bench.memory);
        cell_bench_done(&bench);
    }
}

#define VALUES 30

static struct slice value_text(char *text, uint64_t number)
{
    return (struct slice){text, (size_t)sprintf(text, "value %" PRIu64, number)};
}

/* Two histograms of at most 25 keys, joined to one, as JSON. */
static void join(const uint64_t *values, size_t count, bool strange_numbers, struct buf *out)
{
    struct cell_bench bench;
    struct counts_sum sum = {0};
    uint64_t cells[2] = {0, 0};
    char text[32];

    cell_bench_init(&bench);
    for (uint64_t i = VALUES; strange_numbers && i-- > 0;) {
        struct slice value = value_text(text, i * 7 % VALUES);

        ENSURE(intern_take(&bench.intern, value, hash64(value)) != INTERN_NONE);
    }
    for (size_t i = 0; i < count; i++)
        histogram_add(&cells[i % 2], value_text(text, values[i]), 25, &bench.memory);
    counts_merge(&cells[0], &cells[1], 25, &bench.memory);
    counts_sum_merge(&sum, cells[0]);
    histogram_take_json(&sum, 25, &bench.intern, out);
    counts_sum_free(&sum);
    counts_done(&cells[0], &bench.memory);
    for (uint64_t i = 0; strange_numbers && i < VALUES; i++) {
        struct slice value = value_text(text, i);

        intern_drop(&bench.intern, intern_find(&bench.intern, value, hash64(value)));
    }
    cell_bench_done(&bench);
}

/* Beyond the limit too: or a restored state would go on with other rows. */
static void numbers_of_strings_do_not_choose_a_histograms_keys(void **state)
{
    struct buf one = {0};
    struct buf other = {0};

    (void)state;
    for (FIRST_SEED; MORE_SEEDS(300); NEXT_SEED) {
        uint64_t values[100];
        size_t count = random_below(ARRAY_LEN(values) + 1);

        for (size_t i = 0; i < count; i++)
            values[i] = random_below(random_chance(50) ? VALUES : 3);
        buf_reset(&one);
        buf_reset(&other);
        join(values, count, false, &one);
        join(values, count, true, &other);
        ENSURE_TEXT(buf_slice(&other), buf_slice(&one));
    }
    buf_free(&one);
    buf_free(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_one_value_joins_many),
        cmocka_unit_test(numbers_of_strings_do_not_choose_a_histograms_keys),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
