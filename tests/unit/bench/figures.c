/* What is computed from measurements, by hand: the knee, the SLO, the cost of a row. */

#include <math.h>

#include "../support/testing.h"
#include "bench/bench.h"

static void near(double got, double wanted)
{
    if (!(fabs(got - wanted) <= 1e-9 * fmax(fabs(wanted), 1)))
        fail_msg("%.17g, not %.17g", got, wanted);
}

static double knee_of(const bool *meets, uint32_t count)
{
    struct bench_rate rates[8];
    struct bench_latency latency = {.rates = rates, .rates_count = count};

    for (uint32_t i = 0; i < count; i++) {
        shape_clear(&shape_rate, &rates[i]);
        rates[i].wanted_per_s = 1000.0 * (i + 1);
        rates[i].meets = meets[i];
    }
    return bench_knee(&latency);
}

static void the_knee_is_the_last_rate_that_meets_the_slo(void **state)
{
    (void)state;
    near(knee_of((const bool[]){true, true, false}, 3), 2000);
    near(knee_of((const bool[]){true, true, true}, 3), 3000);
    near(knee_of((const bool[]){false, true, false}, 3), 2000); /* a stray miss below counts not */
    assert_true(isnan(knee_of((const bool[]){false, false, false}, 3)));
    assert_true(isnan(knee_of(NULL, 0)));
}

static void all_percentiles_have_to_be_within_the_slo(void **state)
{
    const struct bench_slo slo = {.p50_ms = 0.5, .p99_ms = 2, .p999_ms = 5};

    (void)state;
    assert_true(bench_meets(
        &slo, &(struct bench_spread){.count = 9, .p50_ms = 0.5, .p99_ms = 2, .p999_ms = 5}));
    assert_false(bench_meets(
        &slo, &(struct bench_spread){.count = 9, .p50_ms = 0.6, .p99_ms = 2, .p999_ms = 5}));
    assert_false(bench_meets(
        &slo, &(struct bench_spread){.count = 9, .p50_ms = 0.5, .p99_ms = 2.1, .p999_ms = 5}));
    assert_false(bench_meets(
        &slo, &(struct bench_spread){.count = 9, .p50_ms = 0.5, .p99_ms = 2, .p999_ms = 5.1}));
    assert_true(bench_meets(&slo, &(struct bench_spread){.count = 0, .p50_ms = NAN}));
}

/* 2.0 us at 0.5 rows an event, 3.0 at 4.5: a row costs (3 - 2) / 4 = 0.25, an event 2 - 0.125. */
static void two_runs_tell_what_a_row_costs(void **state)
{
    struct bench_costs costs = {
        .rows_per_event_low = 0.5, .cpu_us_low = 2, .rows_per_event_high = 4.5, .cpu_us_high = 3};

    (void)state;
    costs_split(&costs);
    assert_true(costs.split);
    near(costs.row_us, 0.25);
    near(costs.event_us, 1.875);
}

static void runs_that_are_alike_tell_nothing_of_rows(void **state)
{
    struct bench_costs costs = {
        .rows_per_event_low = 1, .cpu_us_low = 2, .rows_per_event_high = 1.01, .cpu_us_high = 3};

    (void)state;
    costs_split(&costs);
    assert_false(costs.split);
    near(costs.row_us, 0);
    near(costs.event_us, 3);

    /* Nor does one in which more rows took less. */
    costs = (struct bench_costs){
        .rows_per_event_low = 1, .cpu_us_low = 4, .rows_per_event_high = 5, .cpu_us_high = 3};
    costs_split(&costs);
    assert_false(costs.split);
    near(costs.event_us, 3);
}

static void runs_are_found_by_sink_shards_and_kind(void **state)
{
    struct bench_throughput runs[] = {{.sink = "none", .shards = 4},
                                      {.sink = "redis", .shards = 1},
                                      {.sink = "redis", .shards = 2},
                                      {.sink = "redis", .shards = 2, .live = true}};
    struct bench_report report = {.throughput = runs, .throughput_count = ARRAY_LEN(runs)};

    (void)state;
    report.costs.sink = "redis";
    assert_ptr_equal(bench_final_run(&report), &runs[2]);
    assert_ptr_equal(bench_live_run(&report), &runs[3]);
    report.costs.sink = "file";
    assert_null(bench_final_run(&report));
    report.costs.sink = NULL;
    assert_null(bench_final_run(&report));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_knee_is_the_last_rate_that_meets_the_slo),
        cmocka_unit_test(all_percentiles_have_to_be_within_the_slo),
        cmocka_unit_test(two_runs_tell_what_a_row_costs),
        cmocka_unit_test(runs_that_are_alike_tell_nothing_of_rows),
        cmocka_unit_test(runs_are_found_by_sink_shards_and_kind),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
