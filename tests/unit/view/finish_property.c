/* Bounded runs that are gone on with. One keyspace hears of all that happens; another one is at
 * times brought to the end of a bounded run, stored, loaded again and goes on.
 *
 *   whole     ──────────────────────────────────────▶
 *   bounded   ────────│end│──────────│end│───────────▶
 *
 * What the online store is shown must be the same. The outputs may be told more, ahead of time, but
 * of each window the last they hear must be the same, its rows numbered one after the other; and a
 * bounded run with nothing new to read must tell them nothing. */
#include "view_script.h"

static struct bench whole;
static struct bench benches[2];
static struct bench *bounded; /* one of them */
static uint64_t checkpoints;
static uint64_t online_only; /* rows, of all cases */
static uint64_t corrected;

static size_t rows_in_all(const struct bench *bench)
{
    size_t count = 0;

    for (int view = 0; view < SPEC_VIEWS_MAX; view++) {
        for (int key = 0; key < SPEC_KEYS; key++)
            count += bench->rows[view][key].count;
    }
    return count;
}

/* The keyspace as a new process has it; the list of rows goes on. */
static void restart(void)
{
    struct bench *before = bounded;
    struct keyspace_times times;
    struct store store = {0};

    bounded = before == &benches[0] ? &benches[1] : &benches[0];
    bench_init(bounded, &script.spec);
    memcpy(bounded->rows, before->rows, sizeof(before->rows));
    memset(before->rows, 0, sizeof(before->rows));

    keyspace_times(before->keyspace, &times);
    keyspace_mark(before->keyspace, ++checkpoints, true);
    while (keyspace_capture(before->keyspace, 2))
        ;
    store_take(&store, keyspace_captured(before->keyspace));
    struct schema_map *map = map_onto(bounded->plan, before->plan);

    keyspace_times_restore(bounded->keyspace, &times);
    store_load(&store, bounded->keyspace, map, false);
    schema_map_free(map);
    store_clear(&store);
    bench_done(before);
}

static void end_run(void)
{
    bench_fire_all(bounded);
    bench_finish(bounded);
    for (uint64_t times = random_below(3); times > 0; times--) {
        size_t rows = rows_in_all(bounded);

        restart();
        bench_fire_all(bounded);
        bench_finish(bounded);
        ENSURE_INT(rows_in_all(bounded), rows);
    }
    restart();
}

static bool same_bounds(const struct spec_row *a, const struct spec_row *b)
{
    return a->start_ms == b->start_ms && a->end_ms == b->end_ms;
}

static bool same_content(const struct spec_row *a, const struct spec_row *b)
{
    return same_bounds(a, b) && a->empty == b->empty && a->retracted == b->retracted &&
           strcmp(a->values, b->values) == 0;
}

static void differ(const char *what, int view, int key, size_t at)
{
    print_error("seed %" PRIu64 ": view v%d, key %s\n", test_seed, view, key_names[key]);
    print_rows("whole", &whole.rows[view][key], whole.rows[view][key].count);
    print_rows("bounded", &bounded->rows[view][key], at);
    bench_fail(bounded, what);
}

static bool goes_online(const struct spec_row *row)
{
    return row->online && !row->passed_over;
}

static void check_online(int view, int key)
{
    const struct spec_rows *wanted = &whole.rows[view][key];
    const struct spec_rows *got = &bounded->rows[view][key];
    size_t at = 0;

    for (size_t i = 0; i < wanted->count; i++) {
        if (!goes_online(&wanted->rows[i]))
            continue;
        while (at < got->count && !goes_online(&got->rows[at]))
            at++;
        if (at == got->count || !same_content(&wanted->rows[i], &got->rows[at]))
            differ("the online store is shown something else", view, key, at);
        at++;
    }
    while (at < got->count && !goes_online(&got->rows[at]))
        at++;
    if (at < got->count)
        differ("the online store is shown something more", view, key, at);
}

/* The last row with those bounds that the outputs get, or NULL. */
static const struct spec_row *last_output(const struct spec_rows *rows, const struct spec_row *like)
{
    const struct spec_row *last = NULL;

    for (size_t i = 0; i < rows->count; i++) {
        if (!rows->rows[i].online_only && same_bounds(&rows->rows[i], like))
            last = &rows->rows[i];
    }
    return last;
}

/* Shuffled: an event without a row has the online store told what holds. check_online sees to it
 * that it is told the same as without an end in between. */
static bool is_told_again(int view)
{
    return !bounded->spec->aligned && bounded->spec->views[view].on_update;
}

/* Rows that the outputs get have the next number of their bounds; the others repeat the last one.
 */
static void check_number(int view, int key, size_t at)
{
    const struct spec_rows *rows = &bounded->rows[view][key];
    const struct spec_row *row = &rows->rows[at];
    const struct spec_row *last = NULL;
    uint32_t number = 0;

    for (size_t i = 0; i < at; i++) {
        if (!same_bounds(&rows->rows[i], row) || rows->rows[i].online_only)
            continue;
        last = &rows->rows[i];
        number++;
    }
    if (row->online_only && !last && is_told_again(view)) {
        if (!row->online)
            differ("shown nowhere", view, key, at);
    } else if (row->online_only) {
        online_only++;
        if (!last || !same_content(last, row) || last->revision != row->revision || !row->online)
            differ("shown online alone, but not what the outputs had", view, key, at);
    } else if (row->revision != number) {
        differ("a number is wrong", view, key, at);
    }
    corrected += last && !last->online && row->online && !row->online_only;
}

static void check_outputs(int view, int key)
{
    const struct spec_rows *wanted = &whole.rows[view][key];
    const struct spec_rows *got = &bounded->rows[view][key];

    for (size_t i = 0; i < wanted->count; i++) {
        if (wanted->rows[i].online_only)
            continue; /* see check_online */
        const struct spec_row *one = last_output(wanted, &wanted->rows[i]);
        const struct spec_row *other = last_output(got, &wanted->rows[i]);

        if (!other || !same_content(one, other))
            differ("the outputs do not hear the same of a window", view, key, i);
    }
    for (size_t i = 0; i < got->count; i++) {
        const struct spec_row *last = last_output(got, &got->rows[i]);

        check_number(view, key, i);
        if (!last)
            continue;
        /* Sessions that went on after all are withdrawn; a trailing window was shown to the outputs
         * as it would have become. */
        if (!last_output(wanted, &got->rows[i]) && !last->retracted &&
            !(script.spec.views[view].on_update && !last->online))
            differ("the outputs hear of a window that there is not", view, key, i);
    }
}

static void check_case(bool aligned)
{
    int64_t end_ms;

    write_script(aligned, false);
    end_ms = MAX(script.oracle.clock_ms, INT64_C(1800000000000)); /* behind everything */
    bench_init(&whole, &script.spec);
    bounded = &benches[0];
    bench_init(bounded, &script.spec);
    for (size_t i = 0; i < script.count; i++) {
        do_step(&whole, &script.steps[i]);
        do_step(bounded, &script.steps[i]);
        if (random_chance(5))
            end_run();
    }
    keyspace_advance(whole.keyspace, end_ms, end_ms);
    keyspace_advance(bounded->keyspace, end_ms, end_ms);
    bench_fire_all(&whole);
    bench_fire_all(bounded);
    for (int view = 0; view < script.spec.view_count; view++) {
        for (int key = 0; key < SPEC_KEYS; key++) {
            check_online(view, key);
            check_outputs(view, key);
        }
    }
    bench_done(&whole);
    bench_done(bounded);
    script_done();
}

static void aligned_runs_can_be_gone_on_with(void **state)
{
    (void)state;
    for (FIRST_SEED; MORE_SEEDS(400); NEXT_SEED)
        check_case(true);
    assert_true(online_only > 0 && corrected > 0);
}

static void shuffled_runs_can_be_gone_on_with(void **state)
{
    (void)state;
    for (FIRST_SEED; MORE_SEEDS(400); NEXT_SEED)
        check_case(false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(aligned_runs_can_be_gone_on_with),
        cmocka_unit_test(shuffled_runs_can_be_gone_on_with),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
