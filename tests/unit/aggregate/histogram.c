/* Histograms against counts of every value, read back from the JSON that they become. */
#include "cell_bench.h"

#include "../support/json_value.h"
#include "aggregate/histogram.h"
#include "base/hash.h"

#define PANES  5
#define VALUES 400

static const char other[] = "__other__";

/* All that was added to a window. */
struct model {
    char texts[VALUES][40];
    uint64_t counts[VALUES];
    uint64_t total;
    size_t different;
};

static struct model model;

/* Texts around "__other__" in the order of bytes, that one among them, and odd ones. */
static void model_init(void)
{
    static const char *const odd[] = {"",   "__other__", "__other_", "__other__0", "__othes", "_",
                                      "\"", "\\",        "\x01",     "\xc3\xa9",   "a",       "Z"};

    memset(&model, 0, sizeof(model));
    for (int i = 0; i < VALUES; i++)
        snprintf(model.texts[i], sizeof(model.texts[i]), "%s%d", random_chance(50) ? "v" : "__p",
                 i);
    for (size_t i = 0; i < ARRAY_LEN(odd); i++)
        strcpy(model.texts[random_below(40)], odd[i]);
    for (int i = 0; i < VALUES; i++) { /* each text once */
        for (int j = 0; j < i; j++) {
            if (strcmp(model.texts[i], model.texts[j]) == 0)
                snprintf(model.texts[i], sizeof(model.texts[i]), "again%d", i);
        }
    }
}

static void add_one(uint64_t *cell, size_t value, uint32_t limit, struct cell_memory *memory)
{
    histogram_add(cell, slice_of(model.texts[value]), limit, memory);
    model.different += model.counts[value]++ == 0;
    model.total++;
}

/* Some cells into others, any of them empty. */
static void merge_some(uint64_t *cells, uint32_t limit, struct cell_memory *memory)
{
    for (uint64_t merges = random_below(PANES); merges > 0; merges--) {
        size_t into = random_below(PANES);
        size_t from = (into + 1 + random_below(PANES - 1)) % PANES;

        counts_merge(&cells[into], &cells[from], limit, memory);
        ENSURE(cells[from] == 0);
        ENSURE(counts_len(cells[into]) <= limit);
    }
}

static void check_order(const struct json_value *map)
{
    for (size_t i = 1; i < map->count; i++)
        ENSURE(slice_compare(json_string(map->names[i - 1]), json_string(map->names[i])) < 0);
}

static uint64_t count_in(const struct json_value *map, const char *name)
{
    const struct json_value *count = json_member(map, slice_of(name));

    if (!count)
        return 0;
    ENSURE(count->kind == VALUE_NUMBER);
    return strtoull(count->raw.data, NULL, 10);
}

static bool is_kept(const struct json_value *map, size_t value)
{
    return json_member(map, slice_of(model.texts[value])) != NULL;
}

/* With more values than the limit: what keeps an entry keeps no more than its count, no more than
 * `limit` do, and all counts add up. A value that is called "__other__" shares that entry. */
static void check_cut(const struct json_value *map, uint32_t limit)
{
    uint64_t sum = count_in(map, other);
    size_t kept = 0;

    for (size_t i = 0; i < VALUES; i++) {
        if (strcmp(model.texts[i], other) == 0 || !is_kept(map, i))
            continue;
        uint64_t count = count_in(map, model.texts[i]);

        ENSURE(count > 0 && count <= model.counts[i]);
        sum += count;
        kept++;
    }
    ENSURE(kept <= limit);
    ENSURE(kept + (json_member(map, slice_of(other)) != NULL) == map->count);
    ENSURE_INT(sum, model.total);
}

static void check_exact(const struct json_value *map)
{
    ENSURE_INT(map->count, model.different);
    for (size_t i = 0; i < VALUES; i++) {
        ENSURE_INT(is_kept(map, i), model.counts[i] > 0);
        ENSURE_INT(count_in(map, model.texts[i]), model.counts[i]);
    }
}

static struct counts_sum window;

static struct json_value *map_of(const uint64_t *cells, size_t count, uint32_t limit,
                                 const struct cell_bench *bench, struct buf *text)
{
    for (size_t i = 0; i < count; i++)
        counts_sum_merge(&window, cells[i]);
    buf_reset(text);
    buf_append_char(text, '!'); /* it appends */
    histogram_take_json(&window, limit, &bench->intern, text);
    struct json_value *map = json_value_of((struct slice){text->data + 1, text->len - 1});

    ENSURE(text->data[0] == '!' && map && map->kind == VALUE_OBJECT);
    return map;
}

static void counts_are_exact_to_the_limit_and_add_up_beyond(void **state)
{
    static const uint32_t limits[] = {1, 2, 3, 5, 17, 64, 10000};
    struct buf text = {0};
    struct buf again = {0};
    uint64_t cut = 0;

    (void)state;
    for (FIRST_SEED; MORE_SEEDS(500); NEXT_SEED) {
        uint32_t limit = limits[random_below(ARRAY_LEN(limits))];
        size_t values = 1 + random_below(random_chance(30) ? VALUES : 2 * MIN(limit, VALUES / 2u));
        uint64_t cells[PANES] = {0};
        struct cell_bench bench;

        cell_bench_init(&bench);
        model_init();
        for (uint64_t adds = random_below(600); adds > 0; adds--) {
            add_one(&cells[random_below(PANES)],
                    random_below(random_chance(50) ? values : (values + 3) / 4), limit,
                    &bench.memory);
            if (random_chance(1))
                merge_some(cells, limit, &bench.memory);
        }
        struct json_value *map = map_of(cells, PANES, limit, &bench, &text);
        struct json_value *second = map_of(cells, PANES, limit, &bench, &again);

        check_order(map);
        if (model.different <= limit)
            check_exact(map);
        else
            check_cut(map, limit);
        cut += model.different > limit;
        ENSURE_TEXT(buf_slice(&again), buf_slice(&text)); /* taking it left nothing behind */
        json_value_free(map);
        json_value_free(second);
        for (size_t i = 0; i < PANES; i++)
            counts_done(&cells[i], &bench.memory);
        cell_bench_done(&bench);
    }
    assert_true(cut > 50);
    buf_free(&text);
    buf_free(&again);
    counts_sum_free(&window);
}

/* One pane, the letters added in order; what becomes of it. */
static void check_json(const char *values, uint32_t limit, const char *wanted)
{
    struct cell_bench bench;
    struct buf text = {0};
    uint64_t cell = 0;

    cell_bench_init(&bench);
    for (; *values; values++) {
        struct slice value = *values == 'O' ? slice_of(other) : (struct slice){values, 1};

        histogram_add(&cell, value, limit, &bench.memory);
    }
    counts_sum_merge(&window, cell);
    histogram_take_json(&window, limit, &bench.intern, &text);
    assert_string_equal(buf_string(&text), wanted);
    counts_done(&cell, &bench.memory);
    buf_free(&text);
    cell_bench_done(&bench);
    counts_sum_free(&window);
}

static void the_rest_stands_in_its_place(void **state)
{
    (void)state;
    check_json("", 2, "{}");
    check_json("a", 2, "{\"a\":1}");
    check_json("bab", 2, "{\"a\":1,\"b\":2}");
    check_json("abc", 2, "{\"__other__\":1,\"a\":1,\"b\":1}");
    check_json("ZYX", 2, "{\"Y\":1,\"Z\":1,\"__other__\":1}");
    check_json("Zabc", 2, "{\"Z\":1,\"__other__\":2,\"a\":1}");
    check_json("aOO", 2, "{\"__other__\":2,\"a\":1}");
    check_json("OabO", 1, "{\"__other__\":4}");
    check_json("OaZb", 2, "{\"__other__\":3,\"a\":1}");
    check_json("aaaa", 1, "{\"a\":4}");
    check_json("aaab", 1, "{\"__other__\":1,\"a\":3}");
}

/* Of the values of several panes the most frequent stay, of equal ones the smaller text. */
static void the_most_frequent_stay(void **state)
{
    static const char *const panes[] = {"zzc", "bbc", "ac"};
    struct cell_bench bench;
    struct buf text = {0};
    uint64_t cells[3] = {0};

    (void)state;
    cell_bench_init(&bench);
    for (int i = 0; i < 3; i++) {
        for (const char *at = panes[i]; *at; at++)
            histogram_add(&cells[i], (struct slice){at, 1}, 2, &bench.memory);
        counts_sum_merge(&window, cells[i]);
    }
    histogram_take_json(&window, 2, &bench.intern, &text);
    assert_string_equal(buf_string(&text), "{\"__other__\":3,\"b\":2,\"c\":3}");
    for (int i = 0; i < 3; i++)
        counts_done(&cells[i], &bench.memory);
    buf_free(&text);
    cell_bench_done(&bench);
    counts_sum_free(&window);
}

/* Counts have 36 bits: the header says where they stop. */
static void counts_stop_at_their_end(void **state)
{
    struct cell_bench bench;
    struct buf text = {0};
    uint64_t cell = 0;

    (void)state;
    cell_bench_init(&bench);
    histogram_add(&cell, SLICE_LITERAL("a"), 4, &bench.memory);
    cell += (UINT64_C(1) << 36) - 4; /* a single entry ends with its count */
    for (int i = 0; i < 10; i++)
        histogram_add(&cell, SLICE_LITERAL("a"), 4, &bench.memory);
    counts_sum_merge(&window, cell);
    counts_sum_merge(&window, cell);
    histogram_take_json(&window, 4, &bench.intern, &text);
    assert_string_equal(buf_string(&text), "{\"a\":137438953470}");

    uint64_t more = 0;
    histogram_add(&more, SLICE_LITERAL("a"), 4, &bench.memory);
    histogram_add(&more, SLICE_LITERAL("b"), 4, &bench.memory);
    counts_merge(&cell, &more, 4, &bench.memory);
    counts_sum_merge(&window, cell);
    buf_reset(&text);
    histogram_take_json(&window, 4, &bench.intern, &text);
    assert_string_equal(buf_string(&text), "{\"a\":68719476735,\"b\":1}");
    counts_done(&cell, &bench.memory);
    buf_free(&text);
    cell_bench_done(&bench);
    counts_sum_free(&window);
}

/* What has no entry is counted on, also when a cell has room again: a table moves with its rest. */
static void the_rest_stays_when_a_cell_grows(void **state)
{
    struct cell_bench bench;
    uint64_t cell = 0;

    (void)state;
    cell_bench_init(&bench);
    counts_add_rest(&cell, 5, &bench.memory);
    for (char letter = 'a'; letter <= 'z'; letter++)
        histogram_add(&cell, (struct slice){&letter, 1}, 64, &bench.memory);
    counts_sum_merge(&window, cell);
    assert_int_equal(window.len, 26);
    assert_int_equal(window.rest, 5);
    counts_done(&cell, &bench.memory);
    cell_bench_done(&bench);
    counts_sum_free(&window);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_rest_stands_in_its_place),
        cmocka_unit_test(the_most_frequent_stay),
        cmocka_unit_test(counts_stop_at_their_end),
        cmocka_unit_test(the_rest_stays_when_a_cell_grows),
        cmocka_unit_test(counts_are_exact_to_the_limit_and_add_up_beyond),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
