/* first, last, list, top and since_previous of every field type, against all events, sorted. */
#include "feature_bench.h"

#define EVENTS_MAX 150

/* Values with their canonical text, and as JSON. */
static const struct sample {
    struct field_value value;
    const char *text;
    const char *json;
} strings[] =
    {
        {{.s = "shoes", .len = 5, .present = true}, "shoes", "\"shoes\""},
        {{.s = "", .len = 0, .present = true}, "", "\"\""},
        {{.s = "a\"b", .len = 3, .present = true}, "a\"b", "\"a\\\"b\""},
        {{.s = "\xc3\xa9", .len = 2, .present = true}, "\xc3\xa9", "\"\xc3\xa9\""},
},
  integers[] =
      {
          {{.i = 0, .present = true}, "0", "0"},
          {{.i = -7, .present = true}, "-7", "-7"},
          {{.i = 12345, .present = true}, "12345", "12345"},
          {{.i = INT64_MAX, .present = true}, "9223372036854775807", "9223372036854775807"},
          {{.i = INT64_MIN, .present = true}, "-9223372036854775808", "-9223372036854775808"},
},
  doubles[] =
      {
          {{.d = 0, .present = true}, "0", "0"},
          {{.d = -0.0, .present = true}, "0", "0"},
          {{.d = 0.1, .present = true}, "0.1", "0.1"},
          {{.d = -2.5, .present = true}, "-2.5", "-2.5"},
          {{.d = 1e30, .present = true}, "1e+30", "1e+30"},
},
  decimals[] =
      {
          {{.i = 0, .present = true}, "0.00", "0.00"},
          {{.i = -5, .present = true}, "-0.05", "-0.05"},
          {{.i = 1250, .present = true}, "12.50", "12.50"},
          {{.i = INT64_MAX, .present = true}, "92233720368547758.07", "92233720368547758.07"},
          {{.i = INT64_MIN, .present = true}, "-92233720368547758.08", "-92233720368547758.08"},
},
  bools[] = {{{.i = 0, .present = true}, "false", "false"},
             {{.i = 1, .present = true}, "true", "true"}},
  times[] = {{{.i = 0, .present = true}, "0", "0"},
             {{.i = INT64_C(1709028000123), .present = true}, "1709028000123", "1709028000123"}};

static const struct {
    const struct sample *samples;
    size_t count;
} pools[BENCH_FIELDS] = {
    [S] = {strings, ARRAY_LEN(strings)}, [I] = {integers, ARRAY_LEN(integers)},
    [D] = {doubles, ARRAY_LEN(doubles)}, [M] = {decimals, ARRAY_LEN(decimals)},
    [B] = {bools, ARRAY_LEN(bools)},     [T] = {times, ARRAY_LEN(times)},
};

struct kept_event {
    struct event event;
    const struct sample *samples[BENCH_FIELDS]; /* NULL: absent */
};

static struct kept_event events[EVENTS_MAX];
static size_t event_count;

/* In one of three manners: mostly in order, pane after pane; or anything anywhere. */
static void add_events(struct feature_bench *bench)
{
    bool ascending = random_chance(50);
    bool apart = random_chance(50);
    uint64_t count = random_chance(10) ? random_below(3) : random_below(EVENTS_MAX);
    unsigned present_percent = random_chance(10) ? 5 : 75;

    event_count = 0;
    for (uint64_t i = 0; i < count; i++) {
        struct kept_event *kept = &events[event_count++];
        struct field_value fields[BENCH_FIELDS];

        kept->event = (struct event){.time_ms = ascending ? (int64_t)i + random_between(0, 4)
                                                          : random_between(0, 60),
                                     .partition = (int32_t)random_below(3),
                                     .offset = (int64_t)(random_chance(50) ? i : 1000 - i)};
        memset(fields, 0x5a, sizeof(fields)); /* behind an absent field may stand anything */
        for (int field = 0; field < BENCH_FIELDS; field++) {
            const struct sample *sample = &pools[field].samples[random_below(pools[field].count)];

            kept->samples[field] = random_chance(present_percent) ? sample : NULL;
            fields[field] = sample->value;
            fields[field].present = kept->samples[field] != NULL;
        }
        feature_bench_add(bench, &kept->event, fields,
                          apart ? (size_t)(i * BENCH_PANES / count) : random_below(BENCH_PANES));
        if (random_chance(2))
            feature_bench_merge(bench);
    }
}

static int by_place(const void *a, const void *b)
{
    const struct event *left = &((const struct kept_event *)a)->event;
    const struct event *right = &((const struct kept_event *)b)->event;

    if (left->time_ms != right->time_ms)
        return left->time_ms < right->time_ms ? -1 : 1;
    if (left->partition != right->partition)
        return left->partition < right->partition ? -1 : 1;
    return (left->offset > right->offset) - (left->offset < right->offset);
}

static void check_single(const struct row_value *got, int field, const struct sample *wanted)
{
    static const enum row_value_type types[BENCH_FIELDS] = {
        [S] = ROW_STRING,  [I] = ROW_INT,  [D] = ROW_DOUBLE,
        [M] = ROW_DECIMAL, [B] = ROW_BOOL, [T] = ROW_INT};

    ENSURE_INT(got->type, wanted ? types[field] : ROW_NULL);
    if (!wanted)
        return;
    if (field == S)
        ENSURE_TEXT(got->text, slice_of(wanted->text));
    else if (field == D)
        ENSURE(got->d == wanted->value.d);
    else
        ENSURE_INT(got->i, wanted->value.i);
    ENSURE(field != M || got->scale == 2);
}

static void check_list(const struct row_value *got, const struct sample *const *wanted,
                       size_t count)
{
    struct buf text = {0};

    buf_append_char(&text, '[');
    for (size_t i = 0; i < count; i++)
        buf_printf(&text, "%s%s", i ? "," : "", wanted[i]->json);
    buf_append_char(&text, ']');
    ENSURE(got->type == ROW_JSON);
    ENSURE_TEXT(got->text, buf_slice(&text));
    buf_free(&text);
}

static void check_results(const struct row_value *got, const struct plan_feature *feature,
                          const struct sample *const *wanted, size_t count, bool newest)
{
    size_t len = MIN(count, feature->kind == FEATURE_LIST ? feature->limit : feature->n);

    if (feature->kind != FEATURE_LIST && feature->n == 0)
        check_single(got, feature->field, !count ? NULL : wanted[newest ? count - 1 : 0]);
    else
        check_list(got, newest ? wanted + count - len : wanted, len);
}

/* A value of the events, and how many have it. */
struct ranked {
    const struct sample *sample;
    size_t count;
};

static int by_rank(const void *a, const void *b)
{
    const struct ranked *left = a;
    const struct ranked *right = b;

    if (left->count != right->count)
        return left->count > right->count ? -1 : 1;
    return strcmp(left->sample->text, right->sample->text);
}

static void check_top(const struct row_value *got, const struct plan_feature *feature,
                      const struct sample *const *values, size_t count)
{
    const struct sample *wanted[8];
    struct ranked ranked[8] = {{0}};
    size_t different = 0;

    for (size_t i = 0; i < count; i++) {
        size_t at = 0;

        while (at < different && strcmp(ranked[at].sample->text, values[i]->text) != 0)
            at++;
        different += at == different;
        ranked[at].sample = values[i];
        ranked[at].count++;
    }
    qsort(ranked, different, sizeof(ranked[0]), by_rank);
    for (size_t i = 0; i < different; i++)
        wanted[i] = ranked[i].sample;
    check_results(got, feature, wanted, different, false);
}

static void check_since_previous(const struct row_value *got)
{
    ENSURE_INT(got->type, event_count < 2 ? ROW_NULL : ROW_INT);
    if (event_count >= 2)
        ENSURE_INT(got->i,
                   events[event_count - 1].event.time_ms - events[event_count - 2].event.time_ms);
}

static void check_feature(const struct row_value *got, const struct plan_feature *feature)
{
    const struct sample *values[EVENTS_MAX];
    size_t count = 0;

    if (feature->kind == FEATURE_SINCE_PREVIOUS) {
        check_since_previous(got);
        return;
    }
    for (size_t i = 0; i < event_count; i++) {
        if (events[i].samples[feature->field])
            values[count++] = events[i].samples[feature->field];
    }
    if (feature->kind == FEATURE_TOP)
        check_top(got, feature, values, count);
    else
        check_results(got, feature, values, count, feature->kind != FEATURE_FIRST);
}

static void want_features(struct feature_bench *bench)
{
    static const uint32_t lengths[] = {0, 1, 3, 20};

    for (int field = 0; field < BENCH_FIELDS; field++) {
        for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
            uint32_t n = lengths[i];
            struct plan_feature feature = {.field = field, .n = n};

            feature.kind = FEATURE_FIRST;
            feature_bench_want(bench, CELL_FIRST, MAX(n, 1u), feature);
            feature.kind = FEATURE_LAST;
            feature_bench_want(bench, CELL_LAST, MAX(n, 1u), feature);
            feature.kind = FEATURE_TOP;
            feature_bench_want(bench, CELL_TOP, 0, feature);
        }
        feature_bench_want(
            bench, CELL_LAST, 1000,
            (struct plan_feature){.kind = FEATURE_LIST, .field = field, .limit = 1000});
        feature_bench_want(bench, CELL_LAST, 7,
                           (struct plan_feature){.kind = FEATURE_LIST, .field = field, .limit = 7});
    }
    feature_bench_want(bench, CELL_LAST, 2,
                       (struct plan_feature){.kind = FEATURE_SINCE_PREVIOUS, .field = PLAN_NONE});
}

static void lists_have_the_values_that_are_defined(void **state)
{
    static struct feature_bench bench;

    (void)state;
    feature_bench_init(&bench);
    want_features(&bench);
    feature_bench_start(&bench);
    for (FIRST_SEED; MORE_SEEDS(400); NEXT_SEED) {
        add_events(&bench);
        qsort(events, event_count, sizeof(events[0]), by_place);
        const struct row_value *values = feature_bench_values(&bench);

        for (uint32_t i = 0; i < bench.view.feature_count; i++)
            check_feature(&values[i], &bench.features[i]);
        ENSURE(row_values_equal(values, values, bench.view.feature_count));
        feature_bench_clear(&bench);
    }
    feature_bench_done(&bench);
}

/* The string of a result is the evaluator's own: the event that follows may drop the one that the
 * cell had. */
static void results_outlive_the_strings_of_the_cells(void **state)
{
    static struct feature_bench bench;
    static char text[] = "a string that is held once";
    struct field_value fields[BENCH_FIELDS] = {
        [S] = {.s = text, .len = sizeof(text) - 1, .present = true}};

    (void)state;
    feature_bench_init(&bench);
    feature_bench_want(&bench, CELL_LAST, 1,
                       (struct plan_feature){.kind = FEATURE_LAST, .field = S});
    feature_bench_want(&bench, CELL_TOP, 0, (struct plan_feature){.kind = FEATURE_TOP, .field = S});
    feature_bench_start(&bench);
    feature_bench_add(&bench, &(struct event){.time_ms = 1}, fields, 0);

    const struct row_value *values = feature_bench_values(&bench);
    feature_bench_clear(&bench);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(values[i].type, ROW_STRING);
        assert_true(slice_equal(values[i].text, slice_of(text)));
    }
    feature_bench_done(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_have_the_values_that_are_defined),
        cmocka_unit_test(results_outlive_the_strings_of_the_cells),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
