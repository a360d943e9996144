/* Features of every kind and type against sums, means and extremes of all events, kept in a list.
 */
#include <float.h>
#include <math.h>

#include "../support/json_value.h"
#include "../support/plan_text.h"
#include "aggregate/evaluate.h"
#include "cell_bench.h"

#define PANES      5
#define EVENTS_MAX 120
#define FIELDS     7

enum { USER, S, I, D, M, B, T }; /* field numbers */

static const char file[] = "pipeline: p\n"
                           "kafka: {}\n"
                           "sources:\n"
                           "  s:\n"
                           "    topic: t\n"
                           "    entity: user\n"
                           "    time: {field: ts}\n"
                           "    fields:\n"
                           "      user: string\n"
                           "      s: {type: string, optional: true}\n"
                           "      i: {type: int64, optional: true}\n"
                           "      d: {type: double, optional: true}\n"
                           "      m: {type: decimal(2), optional: true}\n"
                           "      b: {type: bool, optional: true}\n"
                           "      t: {type: timestamp, optional: true}\n"
                           "views:\n"
                           "  v:\n"
                           "    source: s\n"
                           "    window: {sliding: 50m, every: 10m}\n"
                           "    features:\n"
                           "      n: {count: true}\n"
                           "      count_s: {count: s}\n"
                           "      sum_i: {sum: i}\n"
                           "      sum_d: {sum: d}\n"
                           "      sum_m: {sum: m}\n"
                           "      mean_i: {mean: i}\n"
                           "      mean_d: {mean: d}\n"
                           "      mean_m: {mean: m}\n"
                           "      min_i: {min: i}\n"
                           "      min_d: {min: d}\n"
                           "      min_m: {min: m}\n"
                           "      min_t: {min: t}\n"
                           "      max_i: {max: i}\n"
                           "      max_d: {max: d}\n"
                           "      max_m: {max: m}\n"
                           "      max_t: {max: t}\n"
                           "      distinct_s: {distinct: s}\n"
                           "      distinct_i: {distinct: i}\n"
                           "      distinct_d: {distinct: d}\n"
                           "      distinct_m: {distinct: m}\n"
                           "      distinct_b: {distinct: b}\n"
                           "      distinct_t: {distinct: t}\n"
                           "      hist_s: {histogram: s}\n"
                           "      hist_i: {histogram: i}\n"
                           "      hist_d: {histogram: d}\n"
                           "      hist_m: {histogram: m}\n"
                           "      hist_b: {histogram: b}\n"
                           "      hist_t: {histogram: t}\n";

/* Values with the text that a map shows of them. */
static const struct sample {
    struct field_value value;
    const char *text;
} strings[] =
    {
        {{.s = "shoes", .len = 5, .present = true}, "shoes"},
        {{.s = "", .len = 0, .present = true}, ""},
        {{.s = "a\"b", .len = 3, .present = true}, "a\"b"},
        {{.s = "\xc3\xa9", .len = 2, .present = true}, "\xc3\xa9"},
},
  integers[] =
      {
          {{.i = 0, .present = true}, "0"},
          {{.i = -7, .present = true}, "-7"},
          {{.i = 12345, .present = true}, "12345"},
          {{.i = INT64_MAX, .present = true}, "9223372036854775807"},
          {{.i = INT64_MIN, .present = true}, "-9223372036854775808"},
},
  doubles[] =
      {
          {{.d = 0, .present = true}, "0"},        {{.d = -0.0, .present = true}, "0"},
          {{.d = 0.1, .present = true}, "0.1"},    {{.d = -2.5, .present = true}, "-2.5"},
          {{.d = 1e30, .present = true}, "1e+30"},
},
  decimals[] =
      {
          {{.i = 0, .present = true}, "0.00"},
          {{.i = -5, .present = true}, "-0.05"},
          {{.i = 1250, .present = true}, "12.50"},
          {{.i = INT64_MAX, .present = true}, "92233720368547758.07"},
},
  bools[] = {{{.i = 0, .present = true}, "false"}, {{.i = 1, .present = true}, "true"}},
  times[] = {{{.i = 0, .present = true}, "0"},
             {{.i = INT64_C(1709028000123), .present = true}, "1709028000123"}};

static const struct {
    const struct sample *samples;
    size_t count;
} pools[FIELDS] = {[S] = {strings, ARRAY_LEN(strings)}, [I] = {integers, ARRAY_LEN(integers)},
                   [D] = {doubles, ARRAY_LEN(doubles)}, [M] = {decimals, ARRAY_LEN(decimals)},
                   [B] = {bools, ARRAY_LEN(bools)},     [T] = {times, ARRAY_LEN(times)}};

struct kept_event {
    struct field_value fields[FIELDS];
    const char *texts[FIELDS];
};

static struct kept_event events[EVENTS_MAX];
static size_t event_count;

/* Values from the pools, whose texts are known, or any. */
static void random_event(struct kept_event *event, bool pooled, int bits)
{
    memset(event, 0x5a, sizeof(*event)); /* behind an absent field may stand anything */
    event->fields[USER].present = false;
    for (int field = S; field < FIELDS; field++) {
        struct field_value *value = &event->fields[field];
        const struct sample *sample = &pools[field].samples[random_below(pools[field].count)];

        *value = sample->value;
        event->texts[field] = sample->text;
        if (!pooled && (field == I || field == M))
            value->i = random_int64() >> (63 - bits);
        else if (!pooled && field == D)
            value->d = (double)random_int64() / (double)(1 + random_below(1000));
        else if (!pooled && field == T)
            value->i = (int64_t)random_below(EVENT_TIME_MAX_MS);
        value->present = random_chance(75);
    }
}

/* What a row of the view should hold. */
struct check {
    const struct plan_view *view;
    const struct row_value *values;
};

static const struct row_value *value_named(const struct check *check, const char *name)
{
    for (uint32_t i = 0; i < check->view->feature_count; i++) {
        if (strcmp(check->view->features[i].name, name) == 0)
            return &check->values[i];
    }
    fail_msg("no feature %s", name);
    return NULL;
}

static size_t present_count(int field)
{
    size_t count = 0;

    for (size_t i = 0; i < event_count; i++)
        count += events[i].fields[field].present;
    return count;
}

static __int128 sum_of(int field)
{
    __int128 sum = 0;

    for (size_t i = 0; i < event_count; i++) {
        if (events[i].fields[field].present)
            sum += events[i].fields[field].i;
    }
    return sum;
}

static int64_t clamped(__int128 sum)
{
    return sum > INT64_MAX ? INT64_MAX : sum < INT64_MIN ? INT64_MIN : (int64_t)sum;
}

static void check_sums(const struct check *check, uint64_t saturated)
{
    const struct row_value *sum_i = value_named(check, "sum_i");
    const struct row_value *sum_m = value_named(check, "sum_m");

    ENSURE_INT(value_named(check, "n")->i, event_count);
    ENSURE_INT(value_named(check, "count_s")->i, present_count(S));
    ENSURE(sum_i->type == ROW_INT);
    ENSURE_INT(sum_i->i, clamped(sum_of(I)));
    ENSURE(sum_m->type == ROW_DECIMAL && sum_m->scale == 2);
    ENSURE_INT(sum_m->i, clamped(sum_of(M)));
    ENSURE_INT(saturated, (sum_of(I) != clamped(sum_of(I))) + (sum_of(M) != clamped(sum_of(M))));
}

/* The double nearest to a fraction: by long division into more digits than strtod needs, with a
 * last one that says whether there would be more. */
static double nearest(__int128 numerator, unsigned __int128 denominator)
{
    unsigned __int128 left = numerator < 0 ? -(unsigned __int128)numerator
                                           : (unsigned __int128)numerator;
    char whole[60];
    char text[400];
    char *digit = whole + sizeof(whole) - 1;
    int len;

    *digit = '\0';
    for (unsigned __int128 rest = left / denominator; rest > 0; rest /= 10)
        *--digit = (char)('0' + (int)(rest % 10));
    len = sprintf(text, "%s0%s.", numerator < 0 ? "-" : "", digit);
    for (int i = 0; i < 200; i++) {
        left = left % denominator * 10;
        text[len++] = (char)('0' + (int)(left / denominator));
    }
    text[len++] = left % denominator ? '1' : '0';
    text[len] = '\0';
    return strtod(text, NULL);
}

static void check_mean_of(const struct row_value *mean, int field, uint64_t unit)
{
    const __int128 exact = (__int128)1 << 53;
    __int128 sum = sum_of(field);
    size_t count = present_count(field);

    if (count == 0) {
        ENSURE(mean->type == ROW_NULL);
        return;
    }
    double wanted = nearest(sum, (unsigned __int128)count * unit);

    ENSURE(mean->type == ROW_DOUBLE);
    if (sum <= exact && sum >= -exact)
        ENSURE(mean->d == wanted);
    ENSURE(mean->d >= nextafter(wanted, -INFINITY) && mean->d <= nextafter(wanted, INFINITY));
}

/* Any order of additions may cost a rounding each. */
static void check_doubles(const struct check *check)
{
    const struct row_value *sum = value_named(check, "sum_d");
    const struct row_value *mean = value_named(check, "mean_d");
    size_t count = present_count(D);
    long double total = 0;
    long double size = 0;

    for (size_t i = 0; i < event_count; i++) {
        if (events[i].fields[D].present) {
            total += events[i].fields[D].d;
            size += fabsl(events[i].fields[D].d);
        }
    }
    long double slack = size * (long double)count * (long double)DBL_EPSILON;

    ENSURE(sum->type == ROW_DOUBLE && fabsl(sum->d - total) <= slack);
    if (count == 0)
        ENSURE(mean->type == ROW_NULL);
    else
        ENSURE(mean->type == ROW_DOUBLE && fabsl(mean->d - total / count) <= slack);
}

static bool is_less(int field, const struct field_value *a, const struct field_value *b)
{
    return field == D ? a->d < b->d : a->i < b->i;
}

static void check_extremum(const struct check *check, const char *name, int field, bool want_max)
{
    const struct row_value *got = value_named(check, name);
    const struct field_value *wanted = NULL;

    for (size_t i = 0; i < event_count; i++) {
        const struct field_value *value = &events[i].fields[field];

        if (value->present &&
            (!wanted || (want_max ? is_less(field, wanted, value) : is_less(field, value, wanted))))
            wanted = value;
    }
    ENSURE_INT(got->type, !wanted      ? ROW_NULL
                          : field == D ? ROW_DOUBLE
                          : field == M ? ROW_DECIMAL
                                       : ROW_INT);
    ENSURE(!wanted || (field == D ? got->d == wanted->d : got->i == wanted->i));
    ENSURE(got->type != ROW_DECIMAL || got->scale == 2);
}

static void check_numbers(const struct check *check, uint64_t saturated)
{
    check_sums(check, saturated);
    check_mean_of(value_named(check, "mean_i"), I, 1);
    check_mean_of(value_named(check, "mean_m"), M, 100);
    check_doubles(check);
    check_extremum(check, "min_i", I, false);
    check_extremum(check, "max_i", I, true);
    check_extremum(check, "min_d", D, false);
    check_extremum(check, "max_d", D, true);
    check_extremum(check, "min_m", M, false);
    check_extremum(check, "max_m", M, true);
    check_extremum(check, "min_t", T, false);
    check_extremum(check, "max_t", T, true);
}

/* Of values from the pools: equal texts are equal values. */
static void check_values(const struct check *check, int field, const char *name)
{
    char feature[32];
    uint64_t total = 0;

    snprintf(feature, sizeof(feature), "hist_%s", name);
    struct json_value *map = json_value_of(value_named(check, feature)->text);
    ENSURE(value_named(check, feature)->type == ROW_JSON && map && map->kind == VALUE_OBJECT);
    snprintf(feature, sizeof(feature), "distinct_%s", name);
    ENSURE_INT(value_named(check, feature)->i, map->count);
    for (size_t i = 0; i < map->count; i++) {
        uint64_t wanted = 0;

        for (size_t j = 0; j < event_count; j++)
            wanted += events[j].fields[field].present &&
                      slice_equal(slice_of(events[j].texts[field]), json_string(map->names[i]));
        ENSURE_INT(strtoull(map->items[i]->raw.data, NULL, 10), wanted);
        ENSURE(i == 0 ||
               slice_compare(json_string(map->names[i - 1]), json_string(map->names[i])) < 0);
        total += wanted;
    }
    ENSURE_INT(total, present_count(field));
    json_value_free(map);
}

/* As the keyspace does it: each cell takes the events that have its field. */
static void add_event(const struct plan_source *source, const struct kept_event *event, char *pane,
                      struct cell_memory *memory)
{
    const struct plan_paneset *paneset = &source->panesets[0];

    for (uint32_t i = 0; i < paneset->cell_count; i++) {
        const struct plan_cell *cell = &paneset->cells[i];

        if (cell->field == PLAN_NONE)
            cell_add(cell, NULL, NULL, NULL, pane, memory);
        else if (event->fields[cell->field].present)
            cell_add(cell, &source->fields[cell->field], &event->fields[cell->field], NULL, pane,
                     memory);
    }
}

/* As sessions that join: whatever has been merged, the features are those of all events. */
static void merge_some(const struct plan_paneset *paneset, char *const *panes,
                       struct cell_memory *memory)
{
    for (uint64_t merges = random_below(PANES); merges > 0; merges--) {
        size_t into = random_below(PANES);
        size_t from = (into + 1 + random_below(PANES - 1)) % PANES;

        pane_cells_merge(paneset, panes[into], panes[from], memory);
        for (uint32_t i = 0; i < paneset->cell_bytes; i++)
            ENSURE(panes[from][i] == 0);
    }
}

static void check_window(struct evaluator *evaluator, const struct plan *plan, bool pooled,
                         char *const *panes)
{
    static const char *const names[] = {NULL, "s", "i", "d", "m", "b", "t"};
    uint64_t saturated = 0;

    evaluator_begin(evaluator);
    for (int i = 0; i < PANES; i++)
        evaluator_add(evaluator, panes[i]);
    struct check check = {&plan->views[0], evaluator_finish(evaluator, &saturated)};

    check_numbers(&check, saturated);
    for (int field = S; pooled && field < FIELDS; field++)
        check_values(&check, field, names[field]);
}

static void check_case(struct evaluator *evaluator, struct plan *plan, struct cell_bench *bench)
{
    const struct plan_paneset *paneset = &plan->sources[0].panesets[0];
    bool pooled = random_chance(50);
    int bits = random_chance(50) ? 63 : (int)random_between(3, 50);
    char *panes[PANES];

    for (int i = 0; i < PANES; i++)
        panes[i] = calloc(1, paneset->cell_bytes);
    event_count = random_chance(10) ? 0 : random_below(EVENTS_MAX);
    for (size_t i = 0; i < event_count; i++) {
        random_event(&events[i], pooled, bits);
        add_event(&plan->sources[0], &events[i], panes[random_below(PANES)], &bench->memory);
        if (random_chance(2))
            merge_some(paneset, panes, &bench->memory);
    }
    check_window(evaluator, plan, pooled, panes);
    for (int i = 0; i < PANES; i++) {
        pane_cells_done(paneset, panes[i], &bench->memory);
        for (uint32_t j = 0; j < paneset->cell_bytes; j++)
            ENSURE(panes[i][j] == 0);
        free(panes[i]);
    }
    ENSURE_INT(bench->memory.bytes, 0);
}

static void features_have_the_values_that_are_defined(void **state)
{
    struct plan *plan = plan_of_text(file);
    struct cell_bench bench;

    (void)state;
    cell_bench_init(&bench);
    struct evaluator *evaluator = evaluator_create(&plan->views[0], &plan->sources[0].panesets[0],
                                                   &bench.intern);

    for (FIRST_SEED; MORE_SEEDS(1500); NEXT_SEED)
        check_case(evaluator, plan, &bench);
    evaluator_free(evaluator);
    evaluator_free(NULL);
    cell_bench_done(&bench);
    plan_free(plan);
}

/* Pane by pane, in order: so the sum of doubles is defined to the last bit. */
static void doubles_are_summed_pane_by_pane(void **state)
{
    static const double values[2][3] = {{1e16, 1, 1}, {1, 1, -1e16}};
    struct plan *plan = plan_of_text(file);
    const struct plan_paneset *paneset = &plan->sources[0].panesets[0];
    struct cell_bench bench;
    uint64_t saturated = 0;
    char *panes[2];

    (void)state;
    cell_bench_init(&bench);
    struct evaluator *evaluator = evaluator_create(&plan->views[0], paneset, &bench.intern);

    evaluator_begin(evaluator);
    for (int i = 0; i < 2; i++) {
        panes[i] = calloc(1, paneset->cell_bytes);
        for (int j = 0; j < 3; j++) {
            struct kept_event event = {.fields[D] = {.d = values[i][j], .present = true}};

            add_event(&plan->sources[0], &event, panes[i], &bench.memory);
        }
        evaluator_add(evaluator, panes[i]);
    }
    struct check check = {&plan->views[0], evaluator_finish(evaluator, &saturated)};
    double first = (1e16 + 1) + 1;
    double second = (1.0 + 1) + -1e16;

    assert_true(value_named(&check, "sum_d")->d == first + second);
    for (int i = 0; i < 2; i++) {
        pane_cells_done(paneset, panes[i], &bench.memory);
        free(panes[i]);
    }
    evaluator_free(evaluator);
    cell_bench_done(&bench);
    plan_free(plan);
}

static void sums_of_doubles_stop_at_the_largest(void **state)
{
    (void)state;
    assert_true(double_add(1.5, 2) == 3.5);
    assert_true(double_add(DBL_MAX, DBL_MAX) == DBL_MAX);
    assert_true(double_add(-DBL_MAX, -DBL_MAX) == -DBL_MAX);
    assert_true(double_add(DBL_MAX, -DBL_MAX) == 0);
    assert_true(double_add(double_add(DBL_MAX, 1e308), -1e308) == DBL_MAX - 1e308);
}

static void rows_are_equal_if_their_values_are(void **state)
{
    const struct row_value values[] = {
        {.type = ROW_NULL},
        {.type = ROW_INT, .i = 1},
        {.type = ROW_INT, .i = 2},
        {.type = ROW_DOUBLE, .d = 1},
        {.type = ROW_DOUBLE, .d = 0.1},
        {.type = ROW_DECIMAL, .scale = 2, .i = 1},
        {.type = ROW_BOOL, .i = 1},
        {.type = ROW_STRING, .text = SLICE_LITERAL("{}")},
        {.type = ROW_JSON, .text = SLICE_LITERAL("{}")},
        {.type = ROW_JSON, .text = SLICE_LITERAL("{\"a\":1}")},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        for (size_t j = 0; j < ARRAY_LEN(values); j++) {
            const struct row_value left[] = {values[0], values[i]};
            const struct row_value right[] = {values[0], values[j]};

            assert_int_equal(row_values_equal(left, right, 2), i == j);
            assert_true(row_values_equal(left, right, 1));
        }
    }
    char text[] = "{}";
    const struct row_value copy = {.type = ROW_JSON, .text = slice_of(text)};
    assert_true(row_values_equal(&values[8], &copy, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(features_have_the_values_that_are_defined),
        cmocka_unit_test(doubles_are_summed_pane_by_pane),
        cmocka_unit_test(sums_of_doubles_stop_at_the_largest),
        cmocka_unit_test(rows_are_equal_if_their_values_are),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
