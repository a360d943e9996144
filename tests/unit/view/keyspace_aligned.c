/* Aligned keyspaces against the oracle: any plan, any disorder, any batching gives exactly the rows
 * and revisions that are defined, in their order. */
#include "view_bench.h"

#define SAMPLES_MAX 120

/* How the events get to the keyspace; no row may depend on it. */
struct style {
    size_t batch_max;
    unsigned fire_percent; /* of batches, after which something is fired */
    bool never_tell;       /* the keyspace learns of time by its events alone, until the end */
};

static struct style random_style(void)
{
    return (struct style){
        .batch_max = (size_t)PICK(1, 3, 10, 50, SAMPLES_MAX),
        .fire_percent = (unsigned)PICK(0, 30, 100),
        .never_tell = random_chance(20),
    };
}

static void tell(struct bench *bench, const struct style *style, int64_t watermark_ms)
{
    if (style->never_tell)
        return;
    keyspace_advance(bench->keyspace, watermark_ms, watermark_ms);
    for (uint64_t times = random_below(3); times > 0 && random_chance(style->fire_percent); times--)
        keyspace_fire(bench->keyspace, (uint32_t)random_below(20));
}

/* One partition's events, as the shard gives them; returns the last watermark. */
static int64_t run(struct bench *bench, struct oracle *oracle, const struct sample *samples,
                   size_t count)
{
    struct style style = random_style();
    int64_t watermark_ms = WATERMARK_NONE;
    size_t left = 0;

    for (size_t i = 0; i < count; i++) {
        const struct sample *sample = &samples[i];

        if (!oracle_is_late_for_all(oracle, sample->time_ms, watermark_ms)) {
            bench_event(bench, sample, watermark_ms);
            oracle_advance(oracle, watermark_ms, watermark_ms);
            oracle_event(oracle, sample, watermark_ms);
        }
        watermark_ms = MAX(watermark_ms, sample->time_ms - bench->spec->out_of_orderness_ms);
        if (left-- == 0) {
            bench_apply(bench);
            tell(bench, &style, watermark_ms);
            left = (size_t)random_below(style.batch_max);
        }
    }
    bench_apply(bench);
    return watermark_ms;
}

static void check_case(unsigned stop_percent)
{
    static struct sample samples[SAMPLES_MAX];
    static struct oracle oracle;
    static struct bench bench;
    struct spec spec;
    size_t count = random_below(SAMPLES_MAX);

    random_spec(&spec, true);
    random_samples(samples, count, 1);
    bench_init(&bench, &spec);
    oracle_init(&oracle, &spec);
    bench.stop_percent = stop_percent;
    int64_t watermark_ms = run(&bench, &oracle, samples, count);

    keyspace_advance(bench.keyspace, watermark_ms, watermark_ms);
    bench_fire_all(&bench);
    oracle_advance(&oracle, watermark_ms, watermark_ms);
    if (random_chance(50)) {
        bench_finish(&bench);
        oracle_finish(&oracle);
    }
    check_rows(&bench, &oracle);
    check_counters(&bench, &oracle);
    bench_done(&bench);
    oracle_done(&oracle);
}

static void rows_are_exactly_those_defined(void **state)
{
    (void)state;
    for (FIRST_SEED; MORE_SEEDS(1200); NEXT_SEED)
        check_case(0);
}

static void an_output_that_asks_to_stop_loses_nothing(void **state)
{
    (void)state;
    for (FIRST_SEED; MORE_SEEDS(300); NEXT_SEED)
        check_case(40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_exactly_those_defined),
        cmocka_unit_test(an_output_that_asks_to_stop_loses_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
