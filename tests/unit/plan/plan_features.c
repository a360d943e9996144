/* Features: their options, the cells behind them, and wrong ones. */
#include "plan_test.h"

#define COUNT "n: {count: true}"
#define KINDS                                                                                      \
    "count, sum, mean, min, max, distinct, histogram, variance, stddev, first, last, list, top, "  \
    "quantile, since_previous"

/* The cell behind each kind of feature and type of field, and where it lies. */
static void cells(void **state)
{
    static const struct {
        const char *feature;
        enum cell_kind kind;
        const char *field; /* NULL: every event */
        uint32_t offset;
        uint32_t limit;
    } cases[] = {
        {"{count: true}", CELL_COUNT, NULL, 0, 0},
        {"{count: amount}", CELL_COUNT, "amount", 8, 0},
        {"{sum: amount}", CELL_SUM_INT, "amount", 16, 0},
        {"{sum: count}", CELL_SUM_INT, "count", 32, 0},
        {"{sum: score}", CELL_SUM_DOUBLE, "score", 48, 0},
        {"{mean: amount}", CELL_MEAN_INT, "amount", 56, 0},
        {"{mean: score}", CELL_MEAN_DOUBLE, "score", 80, 0},
        {"{min: at}", CELL_MIN_INT, "at", 96, 0},
        {"{max: count}", CELL_MAX_INT, "count", 112, 0},
        {"{min: score}", CELL_MIN_DOUBLE, "score", 128, 0},
        {"{max: score}", CELL_MAX_DOUBLE, "score", 144, 0},
        {"{max: amount}", CELL_MAX_INT, "amount", 160, 0},
        {"{distinct: type}", CELL_DISTINCT, "type", 176, 0},
        {"{histogram: type}", CELL_HISTOGRAM, "type", 184, 64},
        {"{histogram: type, limit: 5}", CELL_HISTOGRAM, "type", 192, 5},
        {"{histogram: ok, limit: 10000}", CELL_HISTOGRAM, "ok", 200, 10000},
    };
    struct buf features = {0};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        buf_printf(&features, "f%zu: %s\n      ", i, cases[i].feature);
    struct plan *plan = plan_with("n: {count: true}", buf_string(&features));
    const struct plan_source *source = &plan->sources[0];
    const struct plan_paneset *paneset = &source->panesets[0];

    assert_int_equal(source->paneset_count, 1);
    assert_int_equal(paneset->cell_count, ARRAY_LEN(cases));
    assert_int_equal(paneset->cell_bytes, 208);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct plan_feature *feature = &plan->views[0].features[i];
        const struct plan_cell *cell = &paneset->cells[feature->cell];

        assert_int_equal(cell->kind, cases[i].kind);
        assert_int_equal(cell->offset, cases[i].offset);
        assert_int_equal(cell->limit, cases[i].limit);
        assert_int_equal(feature->limit, cases[i].limit);
        assert_int_equal(cell->predicate, PLAN_NONE);
        assert_int_equal(cell->field, feature->field);
        if (cases[i].field)
            assert_string_equal(source->fields[cell->field].name, cases[i].field);
        else
            assert_int_equal(cell->field, PLAN_NONE);
    }
    assert_int_equal(plan->views[0].features[0].field_type, FIELD_INT64);
    assert_int_equal(plan->views[0].features[2].field_type, FIELD_DECIMAL);
    assert_int_equal(plan->views[0].features[2].scale, 2);
    assert_int_equal(plan->views[0].features[7].field_type, FIELD_TIMESTAMP);
    plan_free(plan);
    buf_free(&features);
}

/* The features of which each keeps a cell of its own, with their options. */
static void options_and_their_cells(void **state)
{
    static const struct {
        const char *written;
        enum feature_kind kind;
        uint32_t limit;
        uint32_t n;
        double q;
        bool sample;
        const char *field; /* NULL: every event */
        enum cell_kind cell;
        uint32_t cell_limit;
        uint32_t offset;
    } cases[] = {
        {"{variance: amount}", FEATURE_VARIANCE, 0, 0, 0, false, "amount", CELL_MOMENTS, 0, 0},
        {"{stddev: score, sample: true}", FEATURE_STDDEV, 0, 0, 0, true, "score", CELL_MOMENTS, 0,
         24},
        {"{stddev: count, sample: false}", FEATURE_STDDEV, 0, 0, 0, false, "count", CELL_MOMENTS, 0,
         48},
        {"{first: type}", FEATURE_FIRST, 0, 0, 0, false, "type", CELL_FIRST, 1, 72},
        {"{first: at, n: 1}", FEATURE_FIRST, 0, 1, 0, false, "at", CELL_FIRST, 1, 80},
        {"{first: type, n: 1000}", FEATURE_FIRST, 0, 1000, 0, false, "type", CELL_FIRST, 1000, 88},
        {"{last: ok}", FEATURE_LAST, 0, 0, 0, false, "ok", CELL_LAST, 1, 96},
        {"{last: type, n: 20}", FEATURE_LAST, 0, 20, 0, false, "type", CELL_LAST, 20, 104},
        {"{last: type, n: 1000}", FEATURE_LAST, 0, 1000, 0, false, "type", CELL_LAST, 1000, 112},
        {"{list: score}", FEATURE_LIST, 1000, 0, 0, false, "score", CELL_LAST, 1000, 120},
        {"{list: type, limit: 1}", FEATURE_LIST, 1, 0, 0, false, "type", CELL_LAST, 1, 128},
        {"{list: ok, limit: 10000}", FEATURE_LIST, 10000, 0, 0, false, "ok", CELL_LAST, 10000, 136},
        {"{top: type}", FEATURE_TOP, 0, 0, 0, false, "type", CELL_TOP, 0, 144},
        {"{top: count, n: 256}", FEATURE_TOP, 0, 256, 0, false, "count", CELL_TOP, 0, 152},
        {"{quantile: amount, q: 0.95}", FEATURE_QUANTILE, 0, 0, 0.95, false, "amount",
         CELL_QUANTILE, 0, 160},
        {"{quantile: score, q: 0}", FEATURE_QUANTILE, 0, 0, 0, false, "score", CELL_QUANTILE, 0,
         168},
        {"{quantile: count, q: 1}", FEATURE_QUANTILE, 0, 0, 1, false, "count", CELL_QUANTILE, 0,
         176},
        {"{since_previous: true}", FEATURE_SINCE_PREVIOUS, 0, 0, 0, false, NULL, CELL_LAST, 2, 184},
    };
    struct buf features = {0};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        buf_printf(&features, "f%zu: %s\n      ", i, cases[i].written);
    struct plan *plan = plan_with("n: {count: true}", buf_string(&features));
    const struct plan_source *source = &plan->sources[0];
    const struct plan_paneset *paneset = &source->panesets[0];

    assert_int_equal(paneset->cell_count, ARRAY_LEN(cases));
    assert_int_equal(paneset->cell_bytes, 192);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct plan_feature *feature = &plan->views[0].features[i];
        const struct plan_cell *cell = &paneset->cells[feature->cell];
        const struct plan_field *field = cases[i].field ? field_of(source, cases[i].field) : NULL;

        assert_int_equal(feature->kind, cases[i].kind);
        assert_int_equal(feature->limit, cases[i].limit);
        assert_int_equal(feature->n, cases[i].n);
        assert_true(feature->q == cases[i].q);
        assert_int_equal(feature->sample, cases[i].sample);
        assert_int_equal(feature->field, field ? field - source->fields : PLAN_NONE);
        assert_int_equal(feature->field_type, field ? field->type : FIELD_INT64);
        assert_int_equal(feature->scale, field ? field->scale : 0);
        assert_int_equal(cell->kind, cases[i].cell);
        assert_int_equal(cell->field, feature->field);
        assert_int_equal(cell->offset, cases[i].offset);
        assert_int_equal(cell->limit, cases[i].cell_limit);
    }
    plan_free(plan);
    buf_free(&features);
}

/* Features that differ in what they make of a cell only, share it. */
static void options_that_need_no_other_cell(void **state)
{
    struct plan *plan = plan_with("n: {count: true}", "a: {variance: score}\n"
                                                      "      b: {stddev: score, sample: true}\n"
                                                      "      c: {quantile: score, q: 0.5}\n"
                                                      "      d: {quantile: score, q: 0.99}\n"
                                                      "      e: {top: type}\n"
                                                      "      f: {top: type, n: 3}\n"
                                                      "      g: {last: type, n: 20}\n"
                                                      "      h: {list: type, limit: 20}\n");
    const struct plan_feature *features = plan->views[0].features;

    (void)state;
    assert_int_equal(plan->sources[0].panesets[0].cell_count, 4);
    for (uint32_t i = 0; i < 8; i++)
        assert_int_equal(features[i].cell, i / 2);
    plan_free(plan);
}

static void wrong_features(void **state)
{
    static const struct mistake_case cases[] = {
        {COUNT, "n: {cuont: true}",
         "21:11: unknown key \"cuont\" in feature n of view v; did you mean \"count\"?\n"},
        {COUNT, "n: {}", "21:7: feature n of view v has no kind; valid: " KINDS "\n"},
        {COUNT, "n: {limit: 3}", "21:7: feature n of view v has no kind; valid: " KINDS "\n"},
        {COUNT, "n: {n: 3, q: 7}", "21:7: feature n of view v has no kind; valid: " KINDS "\n"},
        {COUNT, "n: {quantiel: score, q: 0.5}",
         "21:11: unknown key \"quantiel\" in feature n of view v; did you mean \"quantile\"?\n"},
        {COUNT, "n: {since_previus: true}",
         "21:11: unknown key \"since_previus\" in feature n of view v; did you mean "
         "\"since_previous\"?\n"},
        {COUNT, "n: {variance: score, smaple: true}",
         "21:28: unknown key \"smaple\" in feature n of view v; did you mean \"sample\"?\n"},
        {COUNT, "n: {first: type, last: type}",
         "21:24: a feature has one kind; first and last are two\n"},
        {COUNT, "n: [count]", "21:10: feature n of view v must be a mapping: name: value\n"},
        {COUNT, "n: count", "21:10: feature n of view v must be a mapping: name: value\n"},
        {COUNT, "n: {count: true, sum: amount}",
         "21:24: a feature has one kind; count and sum are two\n"},
        {COUNT, "n: {count: false}", "21:18: count takes true or a field\n"},
        {COUNT, "n: {count: }", "21:11: count has no value\n"},
        {COUNT, "n: {count: [type]}", "21:18: count must be a single value, not a list\n"},
        {COUNT, "n: {sum: amonut}",
         "21:16: sum: source s has no field \"amonut\"; did you mean \"amount\"?\n"},
        {COUNT, "n: {sum: true}",
         "21:16: sum: source s has no field \"true\"; did you mean \"type\"?\n"},
        {COUNT, "n: {sum: type}", "21:16: sum needs a number; \"type\" is a string\n"},
        {COUNT, "n: {sum: at}", "21:16: sum needs a number; \"at\" is a timestamp\n"},
        {COUNT, "n: {mean: ok}", "21:17: mean needs a number; \"ok\" is a bool\n"},
        {COUNT, "n: {min: type}",
         "21:16: min needs a number or a timestamp; \"type\" is a string\n"},
        {COUNT, "n: {max: ok}", "21:16: max needs a number or a timestamp; \"ok\" is a bool\n"},
        {COUNT, "n: {variance: type}", "21:21: variance needs a number; \"type\" is a string\n"},
        {COUNT, "n: {stddev: ok}", "21:19: stddev needs a number; \"ok\" is a bool\n"},
        {COUNT, "n: {quantile: at, q: 0.5}",
         "21:21: quantile needs a number; \"at\" is a timestamp\n"},
        {COUNT, "n: {last: tpye}",
         "21:17: last: source s has no field \"tpye\"; did you mean \"type\"?\n"},
        {COUNT, "n: {list: [type]}", "21:17: list must be a single value, not a list\n"},
        {COUNT, "n: {top: }", "21:11: top has no value\n"},
        {COUNT, "n: {since_previous: false}",
         "21:27: since_previous takes true, without quotes, and no field\n"},
        {COUNT, "n: {since_previous: at}",
         "21:27: since_previous takes true, without quotes, and no field\n"},
        {COUNT, "n: {since_previous: 'true'}",
         "21:27: since_previous takes true, without quotes, and no field\n"},
    };

    (void)state;
    check_cases(cases, ARRAY_LEN(cases));
}

static void wrong_options(void **state)
{
    static const struct mistake_case cases[] = {
        {COUNT, "n: {count: true, n: 3}", "21:24: n does not belong to count\n"},
        {COUNT, "n: {sum: amount, q: 0.5}", "21:24: q does not belong to sum\n"},
        {COUNT, "n: {distinct: type, limit: 5}", "21:27: limit does not belong to distinct\n"},
        {COUNT, "n: {mean: score, sample: true}", "21:24: sample does not belong to mean\n"},
        {COUNT, "n: {histogram: type, limit: 0}",
         "21:35: limit: \"0\" is out of range: 1 to 10000\n"},
        {COUNT, "n: {histogram: type, limit: 10001}",
         "21:35: limit: \"10001\" is out of range: 1 to 10000\n"},
        {COUNT, "n: {histogram: type, n: 3}",
         "21:28: n does not belong to histogram, which takes limit\n"},
        {COUNT, "n: {list: type, limit: 0}", "21:30: limit: \"0\" is out of range: 1 to 10000\n"},
        {COUNT, "n: {list: type, limit: 10001}",
         "21:30: limit: \"10001\" is out of range: 1 to 10000\n"},
        {COUNT, "n: {list: type, n: 5}", "21:23: n does not belong to list, which takes limit\n"},
        {COUNT, "n: {first: type, n: 0}", "21:27: n: \"0\" is out of range: 1 to 1000\n"},
        {COUNT, "n: {first: type, n: 1001}", "21:27: n: \"1001\" is out of range: 1 to 1000\n"},
        {COUNT, "n: {first: type, limit: 5}",
         "21:24: limit does not belong to first, which takes n\n"},
        {COUNT, "n: {last: type, n: 0}", "21:26: n: \"0\" is out of range: 1 to 1000\n"},
        {COUNT, "n: {last: type, n: 1001}", "21:26: n: \"1001\" is out of range: 1 to 1000\n"},
        {COUNT, "n: {last: type, n: -1}", "21:26: n: \"-1\" is out of range: 1 to 1000\n"},
        {COUNT, "n: {last: type, n: all}", "21:26: n: \"all\" is not an integer\n"},
        {COUNT, "n: {last: type, n: '3'}", "21:26: n: \"3\" must stand without quotes\n"},
        {COUNT, "n: {last: type, n: }", "21:23: n has no value\n"},
        {COUNT, "n: {last: type, limit: 5, q: 1}",
         "21:23: limit does not belong to last, which takes n\n"
         "21:33: q does not belong to last, which takes n\n"},
        {COUNT, "n: {top: type, n: 0}", "21:25: n: \"0\" is out of range: 1 to 256\n"},
        {COUNT, "n: {top: type, n: 257}", "21:25: n: \"257\" is out of range: 1 to 256\n"},
        {COUNT, "n: {top: type, limit: 3}", "21:22: limit does not belong to top, which takes n\n"},
        {COUNT, "n: {quantile: score}", "21:11: quantile has no q, a number from 0 to 1\n"},
        {COUNT, "n: {quantile: score, n: 3}",
         "21:11: quantile has no q, a number from 0 to 1\n"
         "21:28: n does not belong to quantile, which takes q\n"},
        {COUNT, "n: {quantile: score, q: 95}", "21:31: q: \"95\" is out of range: 0 to 1\n"},
        {COUNT, "n: {quantile: score, q: 1.001}", "21:31: q: \"1.001\" is out of range: 0 to 1\n"},
        {COUNT, "n: {quantile: score, q: -0.1}", "21:31: q: \"-0.1\" is out of range: 0 to 1\n"},
        {COUNT, "n: {quantile: score, q: 1e999}", "21:31: q: \"1e999\" is out of range: 0 to 1\n"},
        {COUNT, "n: {quantile: score, q: p95}", "21:31: q: \"p95\" is not a number\n"},
        {COUNT, "n: {quantile: score, q: .5}", "21:31: q: \".5\" is not a number\n"},
        {COUNT, "n: {quantile: score, q: nan}", "21:31: q: \"nan\" is not a number\n"},
        {COUNT, "n: {quantile: score, q: '0.5'}", "21:31: q: \"0.5\" must stand without quotes\n"},
        {COUNT, "n: {quantile: score, q: [0.5]}", "21:31: q must be a single value, not a list\n"},
        {COUNT, "n: {quantile: score, q: }", "21:28: q has no value\n"},
        {COUNT, "n: {variance: score, sample: yes}",
         "21:36: sample: \"yes\" is neither true nor false\n"},
        {COUNT, "n: {stddev: score, n: 1}",
         "21:26: n does not belong to stddev, which takes sample\n"},
        {COUNT, "n: {since_previous: true, n: 2}", "21:33: n does not belong to since_previous\n"},
    };

    (void)state;
    check_cases(cases, ARRAY_LEN(cases));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cells),
        cmocka_unit_test(options_and_their_cells),
        cmocka_unit_test(options_that_need_no_other_cell),
        cmocka_unit_test(wrong_features),
        cmocka_unit_test(wrong_options),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
