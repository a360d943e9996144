/* Keyspaces whose clock is ahead of their watermark, as that of an idle partition is: windows fire
 * early, once, and once more when the watermark is there, if an event came since; nothing becomes
 * late by the clock alone, but what lies too far behind it is released.
 *
 * When amended rows come, between those that the clock fires, is free; what they say is not. */
#include "view_bench.h"

#define SAMPLES_MAX 100

static struct sample samples[SAMPLES_MAX];
static struct bench bench;
static struct oracle oracle;

struct times {
    int64_t watermark_ms;
    int64_t clock_ms;
};

static void tell(const struct times *times)
{
    bench_apply(&bench);
    keyspace_advance(bench.keyspace, times->watermark_ms, times->clock_ms);
    oracle_advance(&oracle, times->watermark_ms, times->clock_ms);
    for (uint64_t fires = random_below(3); fires > 0; fires--)
        keyspace_fire(bench.keyspace, (uint32_t)random_below(20));
}

static void give(const struct sample *sample, struct times *times)
{
    int64_t closing_ms = MAX(times->watermark_ms, keyspace_release_ms(bench.keyspace));

    if (!oracle_is_late_for_all(&oracle, sample->time_ms, closing_ms)) {
        bench_event(&bench, sample, times->watermark_ms);
        if (bench.spec->aligned)
            oracle_advance(&oracle, times->watermark_ms, times->clock_ms);
        oracle_event(&oracle, sample, times->watermark_ms);
    }
    times->watermark_ms = MAX(times->watermark_ms,
                              sample->time_ms - bench.spec->out_of_orderness_ms);
}

static struct times run(size_t count, int64_t lead_max_ms)
{
    struct times times = {WATERMARK_NONE, WATERMARK_NONE};

    for (size_t i = 0; i < count; i++) {
        give(&samples[i], &times);
        times.clock_ms = MAX(times.clock_ms, times.watermark_ms);
        if (random_chance(30)) {
            if (random_chance(50))
                times.clock_ms += (int64_t)random_below((uint64_t)lead_max_ms);
            tell(&times);
        }
    }
    tell(&times);
    return times;
}

static int compare_rows(const void *a, const void *b)
{
    const struct spec_row *left = a;
    const struct spec_row *right = b;

    if (left->end_ms != right->end_ms)
        return left->end_ms < right->end_ms ? -1 : 1;
    return (left->revision > right->revision) - (left->revision < right->revision);
}

static void sort_rows(struct spec_rows rows[SPEC_VIEWS_MAX][SPEC_KEYS])
{
    for (int view = 0; view < bench.spec->view_count; view++) {
        for (int key = 0; key < SPEC_KEYS && !bench.spec->views[view].on_update; key++) {
            if (rows[view][key].count > 0)
                qsort(rows[view][key].rows, rows[view][key].count, sizeof(struct spec_row),
                      compare_rows);
        }
    }
}

static void check_case(bool aligned)
{
    size_t count = random_below(SAMPLES_MAX);
    struct spec spec;

    random_spec(&spec, aligned);
    random_samples(samples, count, 1);
    bench_init(&bench, &spec);
    oracle_init(&oracle, &spec);
    bench.stop_percent = random_chance(30) ? 20 : 0;
    struct times times = run(count, PICK(10, 50, 300, 2000));

    /* What is to fire once more may do so as soon as its state goes; at the latest here. */
    if (oracle.release_ms > times.watermark_ms || random_chance(50)) {
        times.watermark_ms = times.clock_ms;
        tell(&times);
    }
    bench_fire_all(&bench);
    sort_rows(bench.rows);
    sort_rows(oracle.rows);
    check_rows(&bench, &oracle);
    check_counters(&bench, &oracle);
    bench_done(&bench);
    oracle_done(&oracle);
}

static void aligned_windows_fire_early_and_once_more(void **state)
{
    (void)state;
    for (FIRST_SEED; MORE_SEEDS(1000); NEXT_SEED)
        check_case(true);
}

static void shuffled_windows_fire_early_and_once_more(void **state)
{
    (void)state;
    for (FIRST_SEED; MORE_SEEDS(1000); NEXT_SEED)
        check_case(false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(aligned_windows_fire_early_and_once_more),
        cmocka_unit_test(shuffled_windows_fire_early_and_once_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
