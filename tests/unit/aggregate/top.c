/* The most frequent values against counts of every value: exact to 256, then within the bound. */
#include "cell_bench.h"

#include "aggregate/top.h"

#define CELLS      4
#define VALUES_MAX 5000

/* What was added to all cells. */
static uint64_t true_counts[VALUES_MAX];
static uint64_t event_count;
static struct counts_sum window;

static struct slice text_of_value(size_t value, char *out)
{
    return (struct slice){out, (size_t)sprintf(out, "%s%zu", value % 3 ? "v" : "", value)};
}

static size_t value_of_number(const struct intern *intern, uint32_t number)
{
    char text[32] = {0};
    struct slice interned = intern_text(intern, number);

    memcpy(text, interned.data, interned.len);
    return strtoull(text + (text[0] == 'v'), NULL, 10);
}

/* Some values are much more frequent than others, or all are alike. */
static size_t random_value(size_t values, unsigned skew_percent)
{
    while (values > 1 && random_chance(skew_percent))
        values = (values + 1) / 2;
    return random_below(values);
}

static void merge_two(uint64_t *cells, struct cell_memory *memory)
{
    size_t into = random_below(CELLS);
    size_t from = (into + 1 + random_below(CELLS - 1)) % CELLS;

    top_merge(&cells[into], &cells[from], memory);
    ENSURE(cells[from] == 0);
    ENSURE(counts_len(cells[into]) <= TOP_COUNTERS);
}

static void add_events(uint64_t *cells, size_t values, uint64_t count, struct cell_memory *memory)
{
    unsigned skew_percent = (unsigned)random_below(90);

    memset(true_counts, 0, sizeof(true_counts));
    event_count = 0;
    for (; count > 0; count--) {
        size_t value = random_value(values, skew_percent);
        size_t cell = random_chance(60) ? 0 : random_below(CELLS);
        char text[32];

        top_add(&cells[cell], text_of_value(value, text), memory);
        ENSURE(counts_len(cells[cell]) <= TOP_COUNTERS);
        true_counts[value]++;
        event_count++;
        if (random_below(1000) < 3)
            merge_two(cells, memory);
    }
}

/* More frequent first, then the smaller text. */
static void check_order(uint32_t len, const struct intern *intern)
{
    for (uint32_t i = 1; i < len; i++) {
        const struct value_count *before = &window.counts[i - 1];
        const struct value_count *after = &window.counts[i];
        int order = slice_compare(intern_text(intern, before->number),
                                  intern_text(intern, after->number));

        ENSURE(before->count > after->count || (before->count == after->count && order < 0));
    }
}

/* No value that was left out goes before one that was chosen. */
static void check_exact(uint32_t len, uint32_t n, size_t values, const struct intern *intern)
{
    size_t different = 0;

    for (size_t value = 0; value < values; value++)
        different += true_counts[value] > 0;
    ENSURE_INT(len, MIN(different, n));
    for (uint32_t i = 0; i < len; i++)
        ENSURE_INT(window.counts[i].count,
                   true_counts[value_of_number(intern, window.counts[i].number)]);
    for (size_t value = 0; value < values && len > 0; value++) {
        const struct value_count *last = &window.counts[len - 1];
        struct slice last_text = intern_text(intern, last->number);
        size_t better = 0;
        char text[32];

        if (true_counts[value] < last->count)
            continue;
        for (uint32_t i = 0; i < len; i++)
            better += value_of_number(intern, window.counts[i].number) == value;
        ENSURE(better == 1 || (true_counts[value] == last->count &&
                               slice_compare(last_text, text_of_value(value, text)) < 0));
    }
}

/* Counts that are at most too low, by at most events / 257; so whatever has more is found. */
static void check_bound(uint32_t len, size_t values, const struct intern *intern)
{
    static uint64_t found[VALUES_MAX];

    memset(found, 0, sizeof(found));
    for (uint32_t i = 0; i < len; i++)
        found[value_of_number(intern, window.counts[i].number)] = window.counts[i].count;
    for (size_t value = 0; value < values; value++) {
        ENSURE(found[value] <= true_counts[value]);
        ENSURE(true_counts[value] - found[value] <= event_count / (TOP_COUNTERS + 1));
    }
}

static void check_case(size_t values, uint64_t count)
{
    uint32_t n = random_chance(50) ? 1 + (uint32_t)random_below(5)
                                   : 1 + (uint32_t)random_below(TOP_COUNTERS);
    uint64_t cells[CELLS] = {0};
    struct cell_bench bench;

    cell_bench_init(&bench);
    add_events(cells, values, count, &bench.memory);
    ENSURE(bench.intern.live <= CELLS * TOP_COUNTERS);
    ENSURE(bench.memory.bytes <= CELLS * (16 + 1024 * 8));
    for (size_t i = 0; i < CELLS; i++)
        counts_sum_merge(&window, cells[i]);
    if (values > TOP_COUNTERS)
        n = UINT32_MAX; /* all, to see whether one is missing */
    uint32_t len = top_select(&window, n, &bench.intern);

    check_order(len, &bench.intern);
    if (values <= TOP_COUNTERS)
        check_exact(len, n, values, &bench.intern);
    else
        check_bound(len, values, &bench.intern);
    counts_sum_reset(&window);
    for (size_t i = 0; i < CELLS; i++) {
        counts_done(&cells[i], &bench.memory);
        ENSURE(cells[i] == 0);
    }
    cell_bench_done(&bench);
}

static void counts_are_exact_to_256_values(void **state)
{
    (void)state;
    for (FIRST_SEED; MORE_SEEDS(600); NEXT_SEED)
        check_case(random_chance(30) ? TOP_COUNTERS : 1 + random_below(TOP_COUNTERS),
                   random_below(2000));
    counts_sum_free(&window);
}

static void counts_are_low_by_at_most_a_257th_beyond(void **state)
{
    (void)state;
    for (FIRST_SEED; MORE_SEEDS(150); NEXT_SEED)
        check_case(TOP_COUNTERS + 1 + random_below(VALUES_MAX - TOP_COUNTERS), random_below(10000));
    counts_sum_free(&window);
}

/* Each of 257 values once: the last one lowers all others, and none is left. */
static void a_value_too_many_takes_one_from_each(void **state)
{
    struct cell_bench bench;
    uint64_t cell = 0;
    char text[32];

    (void)state;
    cell_bench_init(&bench);
    for (size_t value = 0; value < TOP_COUNTERS; value++)
        top_add(&cell, text_of_value(value, text), &bench.memory);
    top_add(&cell, text_of_value(7, text), &bench.memory);
    assert_int_equal(counts_len(cell), TOP_COUNTERS);
    top_add(&cell, text_of_value(TOP_COUNTERS, text), &bench.memory);
    assert_int_equal(counts_len(cell), 1);
    assert_int_equal(bench.intern.live, 1);
    counts_sum_merge(&window, cell);
    assert_int_equal(top_select(&window, 3, &bench.intern), 1);
    assert_int_equal(value_of_number(&bench.intern, window.counts[0].number), 7);
    assert_int_equal(window.counts[0].count, 1);
    counts_sum_free(&window);
    counts_done(&cell, &bench.memory);
    cell_bench_done(&bench);
}

/* 256 values twice in one cell, another one in the other: the 257th count, 1, is taken from all. A
 * 256th would be one more than the bound allows. */
static void merging_takes_no_more_than_the_257th_count(void **state)
{
    struct cell_bench bench;
    uint64_t into = 0;
    uint64_t from = 0;
    char text[32];

    (void)state;
    cell_bench_init(&bench);
    for (size_t i = 0; i < 2 * TOP_COUNTERS; i++)
        top_add(&into, text_of_value(i / 2, text), &bench.memory);
    top_add(&from, text_of_value(TOP_COUNTERS, text), &bench.memory);
    top_merge(&into, &from, &bench.memory);
    assert_int_equal(counts_len(into), TOP_COUNTERS);
    counts_sum_merge(&window, into);
    for (uint32_t i = 0; i < window.len; i++)
        assert_int_equal(window.counts[i].count, 1);
    counts_sum_free(&window);
    counts_done(&into, &bench.memory);
    cell_bench_done(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_are_exact_to_256_values),
        cmocka_unit_test(counts_are_low_by_at_most_a_257th_beyond),
        cmocka_unit_test(a_value_too_many_takes_one_from_each),
        cmocka_unit_test(merging_takes_no_more_than_the_257th_count),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
