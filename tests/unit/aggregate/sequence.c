/* First and last events against a sorted list of them all. */
#include "cell_bench.h"

#include "aggregate/sequence.h"

#define CELLS      5
#define EVENTS_MAX 300

/* What was added to the cells. */
struct kept_event {
    struct event event;
    struct field_value value;
    size_t cell; /* where it is now */
};

static struct kept_event events[EVENTS_MAX];
static size_t event_count;
static uint64_t cells[CELLS];
static struct sequence_window window;

static const char *const texts[] = {"a", "b", "", "shoes", "\xc3\xa9", "a long one, for a change"};

static struct field_value random_value(enum field_type type)
{
    struct field_value value = {.present = true};
    const char *text = texts[random_below(ARRAY_LEN(texts))];

    if (type == FIELD_STRING) {
        value.s = text;
        value.len = (uint32_t)strlen(text);
    } else if (type == FIELD_DOUBLE) {
        value.d = (double)random_int64() / 7;
    } else {
        value.i = type == FIELD_BOOL ? (int64_t)random_below(2) : random_int64();
    }
    return value;
}

/* Times that go up, mostly, or any; few partitions; offsets that are each one's own. */
static struct event random_place(bool ascending, size_t number)
{
    return (struct event){
        .time_ms = ascending ? (int64_t)(number / 3) - random_chance(10) * random_between(0, 9)
                             : random_between(0, 40),
        .partition = (int32_t)random_below(3),
        .offset = random_chance(50) ? (int64_t)number : 1000 - (int64_t)number,
    };
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

static void check_value(const struct sequence_item *item, const struct kept_event *wanted,
                        const struct plan_field *field, const struct intern *intern)
{
    ENSURE_INT(item->time_ms, wanted->event.time_ms);
    ENSURE_INT(item->partition, wanted->event.partition);
    ENSURE_INT(item->offset, wanted->event.offset);
    if (!field)
        return;

    struct field_value value = sequence_value(item, field->type, intern);
    if (field->type == FIELD_STRING)
        ENSURE_TEXT(((struct slice){value.s, value.len}),
                    ((struct slice){wanted->value.s, wanted->value.len}));
    else
        ENSURE_INT(value.i, wanted->value.i);
}

/* Of the cells' events, the `limit` first or last ones. */
static void check_cells(size_t first_cell, size_t end_cell, const struct plan_cell *plan,
                        const struct plan_field *field, const struct intern *intern)
{
    static const struct kept_event *chosen[EVENTS_MAX];
    bool newest = plan->kind == CELL_LAST;
    uint32_t limit = 1 + (uint32_t)random_below(plan->limit);
    size_t count = 0;

    for (size_t i = 0; i < event_count; i++) {
        if (events[i].cell >= first_cell && events[i].cell < end_cell)
            chosen[count++] = &events[i];
    }
    sequence_window_reset(&window);
    for (size_t i = first_cell; i < end_cell; i++)
        sequence_window_add(&window, cells[i]);
    uint32_t len = sequence_window_pick(&window, newest, limit);

    ENSURE_INT(len, MIN(count, limit));
    for (uint32_t i = 0; i < len; i++)
        check_value(window.picked[i], chosen[newest ? count - len + i : i], field, intern);
}

static void merge_two(const struct plan_cell *plan, struct cell_memory *memory)
{
    size_t into = random_below(CELLS);
    size_t from = (into + 1 + random_below(CELLS - 1)) % CELLS;

    sequence_merge(&cells[into], &cells[from], plan, memory);
    ENSURE(cells[from] == 0);
    for (size_t i = 0; i < event_count; i++) {
        if (events[i].cell == from)
            events[i].cell = into;
    }
}

static void add_events(const struct plan_cell *plan, const struct plan_field *field,
                       struct cell_memory *memory)
{
    bool ascending = random_chance(50);
    bool apart = random_chance(30); /* cells one behind the other in time */
    uint64_t count = random_below(EVENTS_MAX);

    event_count = 0;
    for (uint64_t i = 0; i < count; i++) {
        struct kept_event *kept = &events[event_count++];

        kept->event = random_place(ascending, i);
        kept->cell = apart ? (size_t)(i * CELLS / count) : random_below(CELLS);
        if (field)
            kept->value = random_value(field->type);
        sequence_add(&cells[kept->cell], plan, field, field ? &kept->value : NULL, &kept->event,
                     memory);
        if (random_chance(2))
            merge_two(plan, memory);
    }
}

static void check_case(void)
{
    static const uint32_t limits[] = {1, 2, 3, 7, 20, 1000};
    struct plan_cell plan = {.kind = random_chance(50) ? CELL_FIRST : CELL_LAST,
                             .limit = limits[random_below(ARRAY_LEN(limits))]};
    struct plan_field field = {.type = (enum field_type)random_below(FIELD_TIMESTAMP + 1)};
    const struct plan_field *taken = random_chance(20) ? NULL : &field;
    struct cell_bench bench;

    cell_bench_init(&bench);
    add_events(&plan, taken, &bench.memory);
    qsort(events, event_count, sizeof(events[0]), by_place);
    check_cells(0, CELLS, &plan, taken, &bench.intern);
    check_cells(0, CELLS, &plan, taken, &bench.intern); /* which changed nothing */
    for (size_t i = 0; i < CELLS; i++)
        check_cells(i, i + 1, &plan, taken, &bench.intern);
    for (size_t i = 0; i < CELLS; i++) {
        sequence_done(&cells[i], &bench.memory);
        ENSURE(cells[i] == 0);
    }
    cell_bench_done(&bench);
}

static void the_first_and_last_events_are_found(void **state)
{
    (void)state;
    for (FIRST_SEED; MORE_SEEDS(4000); NEXT_SEED)
        check_case();
    sequence_window_free(&window);
}

/* As an open window of months: the newest item must not cost a look at every item. */
static void the_newest_of_many_cells_is_found_at_once(void **state)
{
    static uint64_t many[20000];
    struct plan_cell plan = {.kind = CELL_LAST, .limit = 50};
    struct plan_field field = {.type = FIELD_INT64};
    struct cell_bench bench;

    (void)state;
    cell_bench_init(&bench);
    for (int64_t i = 0; i < (int64_t)ARRAY_LEN(many) * 10; i++) {
        struct event event = {.time_ms = i};
        struct field_value value = {.i = i, .present = true};

        sequence_add(&many[i / 10], &plan, &field, &value, &event, &bench.memory);
    }
    for (size_t round = 0; round < 100; round++) {
        sequence_window_reset(&window);
        for (size_t i = 0; i < ARRAY_LEN(many); i++)
            sequence_window_add(&window, many[i]);
        assert_int_equal(sequence_window_pick(&window, true, 25), 25);
        for (uint32_t i = 0; i < 25; i++)
            assert_int_equal(window.picked[i]->time_ms, ARRAY_LEN(many) * 10 - 25 + i);
    }
    for (size_t i = 0; i < ARRAY_LEN(many); i++)
        sequence_done(&many[i], &bench.memory);
    sequence_window_free(&window);
    cell_bench_done(&bench);
}

/* Strings and truths take no room for a number. */
static void items_are_no_larger_than_need_be(void **state)
{
    static const struct {
        enum field_type type;
        int64_t bytes;
    } cases[] = {{FIELD_STRING, 16 + 24}, {FIELD_BOOL, 16 + 24}, {FIELD_DECIMAL, 16 + 32}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct plan_cell plan = {.kind = CELL_LAST, .limit = 1};
        struct plan_field field = {.type = cases[i].type};
        struct cell_bench bench;
        uint64_t cell = 0;

        cell_bench_init(&bench);
        for (int64_t at = 0; at < 10; at++) {
            struct event event = {.time_ms = at};
            struct field_value value = random_value(cases[i].type);

            sequence_add(&cell, &plan, &field, &value, &event, &bench.memory);
        }
        assert_int_equal(bench.memory.bytes, cases[i].bytes);
        sequence_done(&cell, &bench.memory);
        cell_bench_done(&bench);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_and_last_events_are_found),
        cmocka_unit_test(the_newest_of_many_cells_is_found_at_once),
        cmocka_unit_test(items_are_no_larger_than_need_be),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
