/* State that is loaded into another plan. Views come, go, change and change places; those that stay
 * the same must not notice:
 *
 *   plan a    ────────┬─mark──────────────────▶   rows
 *   plan b            └─ loaded ──────────────▶   of the same views the same rows
 *   plan b, empty        from its times on ───▶   of views over panes that are new the same rows
 *
 * A view that has gained or lost features must show the others as before. */
#include "view_script.h"

static struct bench before;
static struct bench loaded;
static struct bench empty;
static struct spec spec;           /* of plan b */
static int origin[SPEC_VIEWS_MAX]; /* of its views: that of plan a, or -1 */
static uint64_t compared;          /* rows, of all cases */
static uint64_t converted;         /* maps that are not the same */

static bool same_panes(const struct view_spec *a, const struct view_spec *b)
{
    if (a->filter != b->filter || (a->gap_ms > 0) != (b->gap_ms > 0))
        return false;
    if (a->gap_ms)
        return a->gap_ms == b->gap_ms;
    if (a->lifetime || b->lifetime)
        return a->lifetime == b->lifetime;
    return a->slide_ms == b->slide_ms && (a->offset_ms - b->offset_ms) % a->slide_ms == 0;
}

static bool same_view(const struct view_spec *a, const struct view_spec *b)
{
    return same_panes(a, b) && a->on_update == b->on_update &&
           (a->gap_ms || a->lifetime || (a->size_ms == b->size_ms && a->tumbling == b->tumbling));
}

/* The number of views of the spec that are like it. */
static int count_like(const struct spec *of, const struct view_spec *view)
{
    int count = 0;

    for (int i = 0; i < of->view_count; i++)
        count += same_view(&of->views[i], view);
    return count;
}

static void change(struct view_spec *view)
{
    switch (random_below(4)) {
    case 0:
        view->filter = (int)random_below(ARRAY_LEN(spec_filters));
        return;
    case 1:
        view->on_update = view->lifetime || !view->on_update;
        return;
    case 2:
        if (!view->tumbling && !view->gap_ms && !view->lifetime)
            view->size_ms = view->slide_ms * PICK(1, 2, 4, 9, 130);
        return;
    default:
        do
            view->features = (unsigned)random_below(1u << ARRAY_LEN(spec_features));
        while (view->features == 0);
        return;
    }
}

static void write_other_spec(void)
{
    spec = script.spec;
    spec.view_count = 0;
    for (int i = 0; i < script.spec.view_count; i++) {
        if (random_chance(20) && spec.view_count + script.spec.view_count - i > 1)
            continue;
        spec.views[spec.view_count] = script.spec.views[i];
        if (random_chance(25))
            change(&spec.views[spec.view_count]);
        spec.view_count++;
    }
    while (spec.view_count < SPEC_VIEWS_MAX && random_chance(40))
        random_view(&spec.views[spec.view_count++], script.spec.views[0].slide_ms);
    for (int i = spec.view_count - 1; i > 0 && random_chance(50); i--) {
        int other = (int)random_below((uint64_t)i + 1);
        struct view_spec moved = spec.views[i];

        spec.views[i] = spec.views[other];
        spec.views[other] = moved;
    }
    for (int i = 0; i < spec.view_count; i++) {
        origin[i] = -1;
        for (int j = 0; j < script.spec.view_count; j++) {
            /* Which of several views that are alike is which, their names decide; not here. */
            if (same_view(&spec.views[i], &script.spec.views[j]) &&
                count_like(&spec, &spec.views[i]) == 1 &&
                count_like(&script.spec, &spec.views[i]) == 1)
                origin[i] = j;
        }
    }
}

/* Of a row's values the features of the mask, where `features` are those of its view. */
static void some_values(char *out, const char *values, unsigned features, unsigned mask)
{
    for (unsigned i = 0; i < ARRAY_LEN(spec_features); i++) {
        size_t len = strcspn(values, "|") + 1;

        if (!(features >> i & 1))
            continue;
        if (mask >> i & 1) {
            memcpy(out, values, len);
            out += len;
        }
        values += len;
    }
    *out = '\0';
}

static struct spec_rows rows_of(const struct spec_rows *rows, size_t skipped, unsigned features,
                                unsigned mask)
{
    struct spec_rows some = {0};

    for (size_t i = skipped; i < rows->count; i++) {
        struct spec_row *row = row_append(&some);

        *row = rows->rows[i];
        some_values(row->values, rows->rows[i].values, features, mask);
    }
    return some;
}

static void check_kept_view(int view, const size_t skipped[SPEC_VIEWS_MAX][SPEC_KEYS])
{
    const struct view_spec *now = &spec.views[view];
    const struct view_spec *was = &script.spec.views[origin[view]];
    unsigned mask = now->features & was->features;

    /* Which rows a trailing window has depends on its values. */
    if (now->on_update && now->features != was->features && !now->lifetime)
        return;
    for (int key = 0; key < SPEC_KEYS; key++) {
        struct spec_rows wanted = rows_of(&before.rows[origin[view]][key],
                                          skipped[origin[view]][key], was->features, mask);
        struct spec_rows got = rows_of(&loaded.rows[view][key], 0, now->features, mask);

        check_rows_of(&loaded, view, key, &wanted, &got);
        compared += got.count;
        rows_free(&wanted);
        rows_free(&got);
    }
}

static void check_views(const size_t skipped[SPEC_VIEWS_MAX][SPEC_KEYS])
{
    for (int i = 0; i < spec.view_count; i++) {
        bool is_new = true;

        for (int j = 0; j < script.spec.view_count; j++)
            is_new = is_new && !same_panes(&spec.views[i], &script.spec.views[j]);
        if (origin[i] >= 0)
            check_kept_view(i, skipped);
        for (int key = 0; is_new && key < SPEC_KEYS; key++)
            check_rows_of(&loaded, i, key, &empty.rows[i][key], &loaded.rows[i][key]);
    }
}

static void begin_others(const struct store *store, const struct keyspace_times *times)
{
    bench_init(&loaded, &spec);
    bench_init(&empty, &spec);
    struct schema_map *map = map_onto(loaded.plan, before.plan);
    uint32_t count;

    keyspace_times_restore(loaded.keyspace, times);
    keyspace_times_restore(empty.keyspace, times);
    store_load(store, loaded.keyspace, map, true);
    converted += !schema_map_is_same(map);
    ENSURE(schema_map_features(map, &count) != NULL && count > 0);
    schema_map_free(map);
    for (int view = 0; view < SPEC_VIEWS_MAX; view++) {
        if (origin[view] >= 0)
            memcpy(loaded.shown_ms[view], before.shown_ms[origin[view]],
                   sizeof(loaded.shown_ms[view]));
    }
}

static void check_case(bool aligned)
{
    size_t skipped[SPEC_VIEWS_MAX][SPEC_KEYS];
    struct store store = {0};
    struct keyspace_times times;

    random_spec(&spec, aligned);
    spec.dedup_ms = 0; /* of late events that some views take, ids are remembered */
    write_script_of(&spec, false);
    write_other_spec();
    bench_init(&before, &script.spec);
    size_t mark = random_below(script.count + 1);

    for (size_t i = 0; i < mark; i++)
        do_step(&before, &script.steps[i]);
    for (int view = 0; view < SPEC_VIEWS_MAX; view++) {
        for (int key = 0; key < SPEC_KEYS; key++)
            skipped[view][key] = before.rows[view][key].count;
    }
    keyspace_times(before.keyspace, &times);
    keyspace_mark(before.keyspace, 1, true);
    while (keyspace_capture(before.keyspace, 3))
        ;
    store_take(&store, keyspace_captured(before.keyspace));
    begin_others(&store, &times);
    for (size_t i = mark; i < script.count; i++) {
        do_step(&before, &script.steps[i]);
        do_step(&loaded, &script.steps[i]);
        do_step(&empty, &script.steps[i]);
    }
    check_views((const size_t(*)[SPEC_KEYS])skipped);
    store_clear(&store);
    bench_done(&before);
    bench_done(&loaded);
    bench_done(&empty);
    script_done();
}

static void aligned_views_that_stay_do_not_notice(void **state)
{
    (void)state;
    for (FIRST_SEED; MORE_SEEDS(400); NEXT_SEED)
        check_case(true);
    assert_true(compared > 0 && converted > 0);
}

static void shuffled_views_that_stay_do_not_notice(void **state)
{
    (void)state;
    for (FIRST_SEED; MORE_SEEDS(400); NEXT_SEED)
        check_case(false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(aligned_views_that_stay_do_not_notice),
        cmocka_unit_test(shuffled_views_that_stay_do_not_notice),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
