/* Saved and loaded panes of any cells: the same results to the last bit, whatever comes after; one
 * form of bytes; and no harm from bytes that nobody saved. */
#include "aggregate/codec.h"

#include "base/hash.h"
#include "feature_bench.h"

/* Two that live through the same: the panes of `loaded` went through bytes. Their strings have
 * other numbers. */
static struct feature_bench original;
static struct feature_bench loaded;

static struct buf saved;
static struct buf saved_again;
static int64_t event_number;

struct wanted {
    enum cell_kind cell;
    uint32_t limit;
    struct plan_feature feature;
};

/* Every kind of cell with every type that it takes. */
static const struct wanted every_cell[] = {
    {CELL_COUNT, 0, {.kind = FEATURE_COUNT, .field = PLAN_NONE}},
    {CELL_COUNT, 0, {.kind = FEATURE_COUNT, .field = B}},
    {CELL_SUM_INT, 0, {.kind = FEATURE_SUM, .field = I}},
    {CELL_SUM_INT, 0, {.kind = FEATURE_SUM, .field = M}},
    {CELL_SUM_DOUBLE, 0, {.kind = FEATURE_SUM, .field = D}},
    {CELL_MEAN_INT, 0, {.kind = FEATURE_MEAN, .field = I}},
    {CELL_MEAN_INT, 0, {.kind = FEATURE_MEAN, .field = M}},
    {CELL_MEAN_DOUBLE, 0, {.kind = FEATURE_MEAN, .field = D}},
    {CELL_MIN_INT, 0, {.kind = FEATURE_MIN, .field = T}},
    {CELL_MAX_INT, 0, {.kind = FEATURE_MAX, .field = I}},
    {CELL_MIN_DOUBLE, 0, {.kind = FEATURE_MIN, .field = D}},
    {CELL_MAX_DOUBLE, 0, {.kind = FEATURE_MAX, .field = D}},
    {CELL_DISTINCT, 0, {.kind = FEATURE_DISTINCT, .field = S}},
    {CELL_DISTINCT, 0, {.kind = FEATURE_DISTINCT, .field = D}},
    {CELL_HISTOGRAM, 64, {.kind = FEATURE_HISTOGRAM, .field = S, .limit = 64}},
    {CELL_HISTOGRAM, 1, {.kind = FEATURE_HISTOGRAM, .field = S, .limit = 1}},
    {CELL_HISTOGRAM, 5, {.kind = FEATURE_HISTOGRAM, .field = I, .limit = 5}},
    {CELL_HISTOGRAM, 200, {.kind = FEATURE_HISTOGRAM, .field = D, .limit = 200}},
    {CELL_HISTOGRAM, 7, {.kind = FEATURE_HISTOGRAM, .field = M, .limit = 7}},
    {CELL_HISTOGRAM, 2, {.kind = FEATURE_HISTOGRAM, .field = B, .limit = 2}},
    {CELL_HISTOGRAM, 9, {.kind = FEATURE_HISTOGRAM, .field = T, .limit = 9}},
    {CELL_MOMENTS, 0, {.kind = FEATURE_STDDEV, .field = D}},
    {CELL_MOMENTS, 0, {.kind = FEATURE_VARIANCE, .field = I, .sample = true}},
    {CELL_FIRST, 1, {.kind = FEATURE_FIRST, .field = S}},
    {CELL_FIRST, 20, {.kind = FEATURE_FIRST, .field = S, .n = 20}},
    {CELL_FIRST, 3, {.kind = FEATURE_FIRST, .field = D, .n = 3}},
    {CELL_FIRST, 8, {.kind = FEATURE_FIRST, .field = M, .n = 8}},
    {CELL_LAST, 1, {.kind = FEATURE_LAST, .field = T}},
    {CELL_LAST, 10, {.kind = FEATURE_LAST, .field = B, .n = 10}},
    {CELL_LAST, 40, {.kind = FEATURE_LIST, .field = S, .limit = 40}},
    {CELL_LAST, 1000, {.kind = FEATURE_LIST, .field = I, .limit = 1000}},
    {CELL_LAST, 2, {.kind = FEATURE_SINCE_PREVIOUS, .field = PLAN_NONE}},
    {CELL_TOP, 0, {.kind = FEATURE_TOP, .field = S, .n = 3}},
    {CELL_TOP, 0, {.kind = FEATURE_TOP, .field = S, .n = 256}},
    {CELL_TOP, 0, {.kind = FEATURE_TOP, .field = I}},
    {CELL_TOP, 0, {.kind = FEATURE_TOP, .field = D, .n = 30}},
    {CELL_TOP, 0, {.kind = FEATURE_TOP, .field = M, .n = 2}},
    {CELL_TOP, 0, {.kind = FEATURE_TOP, .field = B}},
    {CELL_TOP, 0, {.kind = FEATURE_TOP, .field = T}},
    {CELL_QUANTILE, 0, {.kind = FEATURE_QUANTILE, .field = D, .q = 0.5}},
    {CELL_QUANTILE, 0, {.kind = FEATURE_QUANTILE, .field = I, .q = 0.99}},
    {CELL_QUANTILE, 0, {.kind = FEATURE_QUANTILE, .field = M, .q = 0.1}},
};

static void want_both(const struct wanted *wanted)
{
    feature_bench_want(&original, wanted->cell, wanted->limit, wanted->feature);
    feature_bench_want(&loaded, wanted->cell, wanted->limit, wanted->feature);
}

static void want_every_kind(void)
{
    bool seen[CELL_KIND_COUNT] = {false};

    for (size_t i = 0; i < ARRAY_LEN(every_cell); i++) {
        want_both(&every_cell[i]);
        seen[every_cell[i].cell] = true;
    }
    for (int kind = 0; kind < CELL_KIND_COUNT; kind++)
        assert_true(seen[kind]);
}

/* Some of them, some twice, in any order. */
static void want_some(void)
{
    for (uint64_t count = 1 + random_below(12); count > 0; count--)
        want_both(&every_cell[random_below(ARRAY_LEN(every_cell))]);
}

static void begin(void (*want)(void))
{
    feature_bench_init(&original);
    feature_bench_init(&loaded);
    want();
    feature_bench_start(&original);
    feature_bench_start(&loaded);
    event_number = 0;
}

static void end(void)
{
    feature_bench_done(&original);
    feature_bench_done(&loaded);
    buf_free(&saved);
    buf_free(&saved_again);
}

/* How the events of one case look. */
struct manner {
    uint64_t values; /* how many different ones */
    unsigned present_percent;
    bool wide; /* numbers of any magnitude */
    bool ties; /* events with equal places */
    bool ascending;
};

static struct manner random_manner(void)
{
    static const uint64_t values[] = {1, 3, 20, 64, 65, 300, 100000};

    return (struct manner){.values = values[random_below(ARRAY_LEN(values))],
                           .present_percent = random_chance(20) ? 10 : 80,
                           .wide = random_chance(50),
                           .ties = random_chance(10),
                           .ascending = random_chance(50)};
}

static double double_like(const struct manner *manner, uint64_t choice)
{
    double value = ((double)choice - 3) / 4; /* 0 and negative ones, too */
    double wide;

    if (choice == 2)
        return -0.0;
    if (!manner->wide)
        return value;
    uint64_t bits = hash64_int(choice);
    memcpy(&wide, &bits, sizeof(wide));
    return wide - wide == 0 ? wide : value;
}

static int64_t int_like(const struct manner *manner, uint64_t choice)
{
    if (!manner->wide)
        return (int64_t)choice - 5;
    return choice == 0   ? INT64_MIN
           : choice == 1 ? INT64_MAX
                         : (int64_t)hash64_int(choice) >> hash64_int(~choice) % 64;
}

static struct event random_place(const struct manner *manner)
{
    int64_t number = event_number++;
    int64_t base = INT64_C(1709000000000);

    if (manner->ties)
        return (struct event){.time_ms = base + number / 4};
    return (struct event){
        .time_ms = manner->ascending ? base + number * 7 : random_between(0, 100000),
        .partition = random_chance(80) ? 3 : (int32_t)random_below(UINT64_C(1) << 31),
        .offset = random_chance(90) ? number : INT64_MAX - number,
    };
}

/* The same event to the same pane of both, or of one. */
static void add_event(const struct manner *manner, size_t pane, bool both)
{
    static const char *const beginnings[] = {"", "page-", "caf\xc3\xa9 ", "a\"b\n"};
    uint64_t choice = random_below(manner->values);
    struct event event = random_place(manner);
    char text[64];
    int len = sprintf(text, "%s%.*" PRIu64, beginnings[choice % 4], choice ? 1 : 0, choice);
    struct field_value fields[BENCH_FIELDS] = {
        [S] = {.s = text, .len = (uint32_t)len},
        [I] = {.i = int_like(manner, choice)},
        [D] = {.d = double_like(manner, choice)},
        [M] = {.i = int_like(manner, choice + 1)},
        [B] = {.i = choice % 2},
        [T] = {.i = event.time_ms},
    };

    for (int field = 0; field < BENCH_FIELDS; field++)
        fields[field].present = random_chance(manner->present_percent);
    feature_bench_add(&original, &event, fields, pane);
    if (both)
        feature_bench_add(&loaded, &event, fields, pane);
}

static void merge(struct feature_bench *bench, size_t into, size_t from)
{
    pane_cells_merge(&bench->paneset, bench->panes[into], bench->panes[from],
                     &bench->cells_bench.memory);
}

static void merge_both(void)
{
    size_t into = random_below(BENCH_PANES);
    size_t from = (into + 1 + random_below(BENCH_PANES - 1)) % BENCH_PANES;

    merge(&original, into, from);
    merge(&loaded, into, from);
}

static void save(const struct feature_bench *bench, size_t pane, struct buf *out)
{
    buf_reset(out);
    cells_save(&bench->paneset, bench_fields, bench->panes[pane], &bench->cells_bench.intern, out);
}

static int load(struct feature_bench *bench, struct slice *from, size_t pane)
{
    return cells_load(&bench->paneset, bench_fields, from, bench->panes[pane],
                      &bench->cells_bench.memory);
}

/* From a copy of just that size, so that a read behind its end is seen. */
static int load_copy(struct feature_bench *bench, struct slice bytes, size_t pane, size_t *ret_left)
{
    char *copy = malloc(MAX(bytes.len, (size_t)1));
    struct slice from = {copy, bytes.len};

    CHECK(copy);
    memcpy(copy, bytes.data, bytes.len);
    int rc = load(bench, &from, pane);
    if (rc)
        ENSURE(from.data == copy && from.len == bytes.len);
    else
        ENSURE(from.data == copy + bytes.len - from.len);
    *ret_left = from.len;
    free(copy);
    return rc;
}

/* Panes in their order: sums of doubles depend on it. */
static const struct row_value *values_of(struct feature_bench *bench, uint64_t *saturated)
{
    evaluator_begin(bench->evaluator);
    for (size_t i = 0; i < BENCH_PANES; i++)
        evaluator_add(bench->evaluator, bench->panes[i]);
    return evaluator_finish(bench->evaluator, saturated);
}

static bool same_bits(const struct row_value *a, const struct row_value *b)
{
    if (a->type != b->type)
        return false;
    switch (a->type) {
    case ROW_NULL:
        return true;
    case ROW_STRING:
    case ROW_JSON:
        return slice_equal(a->text, b->text);
    default:
        return memcmp(&a->i, &b->i, sizeof(a->i)) == 0;
    }
}

static void check_same_values(void)
{
    uint64_t saturated = 0;
    uint64_t saturated_too = 0;
    const struct row_value *wanted = values_of(&original, &saturated);
    const struct row_value *got = values_of(&loaded, &saturated_too);

    for (uint32_t i = 0; i < original.view.feature_count; i++)
        ENSURE(same_bits(&got[i], &wanted[i]));
    ENSURE(saturated == saturated_too);
}

static void check_same_bytes(void)
{
    for (size_t i = 0; i < BENCH_PANES; i++) {
        save(&original, i, &saved);
        save(&loaded, i, &saved_again);
        ENSURE_INT(saved_again.len, saved.len);
        ENSURE(slice_equal(buf_slice(&saved), buf_slice(&saved_again)));
    }
}

static void pass_through_bytes(void)
{
    for (size_t i = 0; i < BENCH_PANES; i++) {
        size_t left;

        save(&original, i, &saved);
        ENSURE_INT(load_copy(&loaded, buf_slice(&saved), i, &left), 0);
        ENSURE_INT(left, 0);
        save(&loaded, i, &saved_again);
        ENSURE(slice_equal(buf_slice(&saved), buf_slice(&saved_again)));
    }
}

/* Gives strings other numbers than they have in the original. */
static void take_numbers(struct intern *intern, bool take)
{
    for (int i = 0; i < 40; i++) {
        char text[32];
        struct slice slice = {text, (size_t)sprintf(text, i % 2 ? "page-%d" : "noise-%d", i)};
        uint64_t hash = hash64(slice);

        if (take)
            ENSURE(intern_take(intern, slice, hash) != INTERN_NONE);
        else
            intern_drop(intern, intern_find(intern, slice, hash));
    }
}

static uint64_t random_count(void)
{
    return random_chance(5)    ? 3000
           : random_chance(20) ? 300 + random_below(300)
           : random_chance(20) ? 0
                               : random_below(80);
}

static void check_case(void (*want)(void))
{
    struct manner manner = random_manner();
    size_t panes = 1 + random_below(BENCH_PANES);

    begin(want);
    take_numbers(&loaded.cells_bench.intern, true);
    for (uint64_t i = random_count(); i > 0; i--) {
        add_event(&manner, random_below(panes), false);
        if (random_chance(1))
            feature_bench_merge(&original);
    }
    pass_through_bytes();
    check_same_values();
    for (uint64_t i = random_count() / 4; i > 0; i--) {
        add_event(&manner, random_below(BENCH_PANES), true);
        if (random_chance(3))
            merge_both();
    }
    check_same_values();
    for (int i = 0; i < 4; i++)
        merge_both();
    check_same_values();
    check_same_bytes();
    take_numbers(&loaded.cells_bench.intern, false);
    end();
}

static void loaded_panes_go_on_as_the_saved_ones(void **state)
{
    (void)state;
    for (FIRST_SEED; MORE_SEEDS(150); NEXT_SEED)
        check_case(want_every_kind);
}

static void any_choice_of_cells_is_saved_and_loaded(void **state)
{
    (void)state;
    for (FIRST_SEED; MORE_SEEDS(400); NEXT_SEED)
        check_case(want_some);
}

static void fill_pane(void)
{
    struct manner manner = random_manner();

    for (uint64_t i = random_chance(10) ? 400 : random_below(60); i > 0; i--)
        add_event(&manner, 0, false);
    save(&original, 0, &saved);
}

static void check_nothing_held(const struct feature_bench *bench, size_t pane)
{
    for (uint32_t i = 0; i < bench->paneset.cell_bytes; i++)
        ENSURE(bench->panes[pane][i] == 0);
    ENSURE_INT(bench->cells_bench.memory.bytes, 0);
    ENSURE_INT(bench->cells_bench.intern.live, 0);
}

static void beginnings_are_refused(void **state)
{
    (void)state;
    for (FIRST_SEED; MORE_SEEDS(40); NEXT_SEED) {
        begin(want_some);
        fill_pane();
        for (size_t len = 0; len < saved.len; len++) {
            size_t left;

            ENSURE_INT(load_copy(&loaded, (struct slice){saved.data, len}, 0, &left), -EBADMSG);
            check_nothing_held(&loaded, 0);
        }
        end();
    }
}

/* One cell alone: a length that says less than there is. */
static void beginnings_of_a_cell_are_refused(void **state)
{
    (void)state;
    for (FIRST_SEED; MORE_SEEDS(200); NEXT_SEED) {
        begin(want_some);
        fill_pane();
        struct slice rest = buf_slice(&saved);

        for (uint32_t i = 0; i < loaded.paneset.cell_count; i++) {
            const struct plan_cell *plan = &loaded.cells[i];
            const struct plan_field *field = plan->field == PLAN_NONE ? NULL
                                                                      : &bench_fields[plan->field];
            struct slice cell = rest;

            ENSURE_INT(cell_skip(&rest), 0);
            cell.len -= rest.len;
            size_t prefix = cell.len > 128 ? 2 : 1;
            if (cell.len == 1 || cell.len > 100)
                continue;
            for (size_t len = 1; len < cell.len - prefix; len++) {
                char bytes[128];
                struct slice from = {bytes, len + 1};

                bytes[0] = (char)len;
                memcpy(bytes + 1, cell.data + prefix, len);
                int rc = cell_load(plan, field, &from, loaded.panes[0], &loaded.cells_bench.memory);
                /* A map's or a number's beginning may be one of its own. */
                ENSURE(rc == -EBADMSG || plan->kind == CELL_HISTOGRAM || plan->kind == CELL_TOP);
                pane_cells_done(&loaded.paneset, loaded.panes[0], &loaded.cells_bench.memory);
                check_nothing_held(&loaded, 0);
            }
        }
        ENSURE_INT(rest.len, 0);
        end();
    }
}

static void corrupt(struct buf *bytes)
{
    for (uint64_t i = 1 + random_below(3); i > 0 && bytes->len > 0; i--) {
        size_t at = random_below(bytes->len);

        switch (random_below(5)) {
        case 0:
            bytes->data[at] = (char)random_next();
            break;
        case 1:
            bytes->data[at] = (char)(bytes->data[at] ^ 1 << random_below(8));
            break;
        case 2:
            bytes->data[at] = (char)(bytes->data[at] + (random_chance(50) ? 1 : -1));
            break;
        case 3: /* take some out */
            memmove(bytes->data + at, bytes->data + at + 1, bytes->len - at - 1);
            bytes->len--;
            break;
        case 4: /* say some again */
            buf_append_char(bytes, 0);
            memmove(bytes->data + at + 1, bytes->data + at, bytes->len - at - 1);
            break;
        }
    }
}

/* Refused with nothing left, or a pane like any other, that is saved as it came. */
static void check_any_bytes(struct slice bytes)
{
    struct arena *arena = &loaded.cells_bench.arena;
    size_t used_before = arena_used_bytes(arena);
    struct manner manner = random_manner();
    uint64_t saturated = 0;
    size_t left;
    int rc = load_copy(&loaded, bytes, 0, &left);

    ENSURE(arena_used_bytes(arena) <=
           used_before + 4096u * loaded.paneset.cell_count + 40 * bytes.len);
    if (rc) {
        ENSURE_INT(rc, -EBADMSG);
        check_nothing_held(&loaded, 0);
        return;
    }
    save(&loaded, 0, &saved_again);
    ENSURE_INT(saved_again.len, bytes.len - left);
    ENSURE(memcmp(saved_again.data, bytes.data, saved_again.len) == 0);
    values_of(&loaded, &saturated);
    for (int i = 0; i < 3; i++)
        add_event(&manner, 0, true);
    ENSURE_INT(load_copy(&loaded, bytes, 1, &left), 0);
    merge(&loaded, 0, 1);
    values_of(&loaded, &saturated);
    feature_bench_clear(&loaded);
}

static void corrupt_bytes_do_no_harm(void **state)
{
    struct buf bytes = {0};

    (void)state;
    for (FIRST_SEED; MORE_SEEDS(300); NEXT_SEED) {
        begin(random_chance(20) ? want_every_kind : want_some);
        fill_pane();
        for (int i = 0; i < 40; i++) {
            buf_reset(&bytes);
            buf_append_slice(&bytes, buf_slice(&saved));
            corrupt(&bytes);
            check_any_bytes(buf_slice(&bytes));
        }
        end();
    }
    buf_free(&bytes);
}

/* As a changed pipeline does it. */
static void cells_are_loaded_one_by_one_or_left_out(void **state)
{
    (void)state;
    for (FIRST_SEED; MORE_SEEDS(100); NEXT_SEED) {
        begin(want_some);
        fill_pane();
        struct slice from = buf_slice(&saved);

        for (uint32_t i = 0; i < loaded.paneset.cell_count; i++) {
            const struct plan_cell *plan = &loaded.cells[i];
            const struct plan_field *field = plan->field == PLAN_NONE ? NULL
                                                                      : &bench_fields[plan->field];
            struct slice cell = from;

            buf_reset(&saved_again);
            if (random_chance(50)) {
                ENSURE_INT(cell_skip(&from), 0);
                cell_save(plan, field, original.panes[0], &original.cells_bench.intern,
                          &saved_again);
            } else {
                ENSURE_INT(
                    cell_load(plan, field, &from, loaded.panes[0], &loaded.cells_bench.memory), 0);
                cell_save(plan, field, loaded.panes[0], &loaded.cells_bench.intern, &saved_again);
            }
            cell.len -= from.len;
            ENSURE(slice_equal(cell, buf_slice(&saved_again)));
        }
        ENSURE_INT(from.len, 0);
        end();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loaded_panes_go_on_as_the_saved_ones),
        cmocka_unit_test(any_choice_of_cells_is_saved_and_loaded),
        cmocka_unit_test(beginnings_are_refused),
        cmocka_unit_test(beginnings_of_a_cell_are_refused),
        cmocka_unit_test(corrupt_bytes_do_no_harm),
        cmocka_unit_test(cells_are_loaded_one_by_one_or_left_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
