/* Shuffled keyspaces against the oracle: events of several partitions, each judged by the watermark
 * of its own, windows fired by the least of them.
 *
 * Held against two oracles. One is told the same times at the same moments: it must give the same
 * rows. The other hears of time when all events have come: whatever the interleaving, the last
 * revision of each window must be its. */
#include "view_bench.h"

#define SAMPLES_MAX    120
#define PARTITIONS_MAX 4

struct partitions {
    int count;
    int64_t watermarks_ms[PARTITIONS_MAX];
    bool has_events[PARTITIONS_MAX]; /* ever: the others are known to be empty */
};

static struct sample samples[SAMPLES_MAX];
static struct bench bench;
static struct oracle told;
static struct oracle untold;

static int64_t least_watermark(const struct partitions *partitions)
{
    int64_t least_ms = WATERMARK_END;

    for (int i = 0; i < partitions->count; i++) {
        if (partitions->has_events[i])
            least_ms = MIN(least_ms, partitions->watermarks_ms[i]);
    }
    return least_ms;
}

/* Partitions that lag behind: their events come later than others of the same time. */
static void delay_partitions(size_t count, int partitions)
{
    for (size_t i = 0; i + 1 < count; i++) {
        size_t other = MIN(i + (size_t)samples[i].partition * 5, count - 1);

        if (partitions > 1 && random_chance(30)) {
            struct sample moved = samples[i];

            samples[i] = samples[other];
            samples[other] = moved;
        }
    }
}

static void partitions_init(struct partitions *partitions, size_t count)
{
    *partitions = (struct partitions){.count = 1 + (int)random_below(PARTITIONS_MAX)};
    random_samples(samples, count, partitions->count);
    delay_partitions(count, partitions->count);
    for (int i = 0; i < partitions->count; i++)
        partitions->watermarks_ms[i] = WATERMARK_NONE;
    for (size_t i = 0; i < count; i++)
        partitions->has_events[samples[i].partition] = true;
}

static void tell(const struct partitions *partitions)
{
    int64_t watermark_ms = least_watermark(partitions);

    bench_apply(&bench);
    keyspace_advance(bench.keyspace, watermark_ms, watermark_ms);
    oracle_advance(&told, watermark_ms, watermark_ms);
}

static void run(struct partitions *partitions, size_t count)
{
    size_t batch_max = (size_t)PICK(1, 3, 10, 50, SAMPLES_MAX);
    size_t left = 0;

    for (size_t i = 0; i < count; i++) {
        const struct sample *sample = &samples[i];
        int64_t *watermark_ms = &partitions->watermarks_ms[sample->partition];

        if (!oracle_is_late_for_all(&told, sample->time_ms, *watermark_ms)) {
            bench_event(&bench, sample, *watermark_ms);
            oracle_event(&told, sample, *watermark_ms);
            oracle_event(&untold, sample, *watermark_ms);
        }
        *watermark_ms = MAX(*watermark_ms, sample->time_ms - bench.spec->out_of_orderness_ms);
        if (left-- == 0) {
            tell(partitions);
            for (uint64_t times = random_below(3); times > 0; times--)
                keyspace_fire(bench.keyspace, (uint32_t)random_below(20));
            left = (size_t)random_below(batch_max);
        }
    }
}

/* Later rows of a window have greater numbers, without a gap. */
static const struct spec_row *last_of_window(const struct spec_rows *rows,
                                             const struct spec_row *window)
{
    const struct spec_row *last = NULL;
    uint32_t count = 0;

    for (size_t i = 0; i < rows->count; i++) {
        if (rows->rows[i].start_ms == window->start_ms && rows->rows[i].end_ms == window->end_ms) {
            last = &rows->rows[i];
            ENSURE_INT(last->revision, count++);
        }
    }
    return last;
}

static void windows_missing(int view, int key, const struct spec_rows *wanted,
                            const struct spec_rows *got, size_t at)
{
    print_error("seed %" PRIu64 ": view v%d, key %s\n", test_seed, view, key_names[key]);
    print_rows("wanted at last", wanted, at);
    print_rows("got", got, got->count);
    bench_fail(&bench, "a window's last row differs");
}

/* Each window of `some` has the same last row in `others`. */
static void check_last_rows(int view, int key, const struct spec_rows *some,
                            const struct spec_rows *others)
{
    for (size_t i = 0; i < some->count; i++) {
        const struct spec_row *one = last_of_window(some, &some->rows[i]);
        const struct spec_row *other = last_of_window(others, &some->rows[i]);

        if (!other || one->empty != other->empty || strcmp(one->values, other->values) != 0)
            windows_missing(view, key, some, others, i);
    }
}

/* What is shown of an on_update view in the end. */
static void check_shown(int view, int key)
{
    const struct spec_rows *got = &bench.rows[view][key];
    const struct spec_rows *wanted = &untold.rows[view][key];
    char nothing[SPEC_VALUES];

    values_text(nothing, &bench.spec->views[view], NULL, 0);
    const char *shown = got->count ? got->rows[got->count - 1].values : nothing;
    const char *right = wanted->count ? wanted->rows[wanted->count - 1].values : nothing;

    if (strcmp(shown, right) != 0) {
        print_error("view v%d, key %s: %s, not %s\n", view, key_names[key], shown, right);
        print_rows("got", got, got->count);
        bench_fail(&bench, "the last row shows other values");
    }
}

static void check_end(void)
{
    for (int view = 0; view < bench.spec->view_count; view++) {
        for (int key = 0; key < SPEC_KEYS; key++) {
            /* Begin anew, or are closed, by how far the other partitions are. */
            if (bench.spec->views[view].lifetime || bench.spec->views[view].gap_ms)
                continue;
            if (bench.spec->views[view].on_update) {
                check_shown(view, key);
                continue;
            }
            check_last_rows(view, key, &untold.rows[view][key], &bench.rows[view][key]);
            check_last_rows(view, key, &bench.rows[view][key], &untold.rows[view][key]);
        }
    }
}

static void check_case(bool with_update)
{
    struct partitions partitions;
    struct spec spec;
    size_t count = random_below(SAMPLES_MAX);

    random_spec(&spec, false);
    for (int i = 0; i < spec.view_count; i++)
        spec.views[i].on_update = (spec.views[i].on_update && with_update) ||
                                  spec.views[i].lifetime;
    partitions_init(&partitions, count);
    bench_init(&bench, &spec);
    oracle_init(&told, &spec);
    oracle_init(&untold, &spec);
    bench.stop_percent = random_chance(30) ? 20 : 0;
    run(&partitions, count);
    if (count > 0) {
        tell(&partitions);
        oracle_advance(&untold, least_watermark(&partitions), least_watermark(&partitions));
    }
    bench_fire_all(&bench);
    if (random_chance(40)) {
        bench_finish(&bench);
        oracle_finish(&told);
        oracle_finish(&untold);
    }
    check_rows(&bench, &told);
    check_counters(&bench, &told);
    check_end();
    bench_done(&bench);
    oracle_done(&told);
    oracle_done(&untold);
}

static void windows_end_with_the_rows_that_are_defined(void **state)
{
    (void)state;
    for (FIRST_SEED; MORE_SEEDS(800); NEXT_SEED)
        check_case(false);
}

static void trailing_windows_show_in_the_end_what_is_defined(void **state)
{
    (void)state;
    for (FIRST_SEED; MORE_SEEDS(800); NEXT_SEED)
        check_case(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(windows_end_with_the_rows_that_are_defined),
        cmocka_unit_test(trailing_windows_show_in_the_end_what_is_defined),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
