/* The panes of a key against a list of all entries, and the memory that they take. */
#include "../aggregate/cell_bench.h"
#include "../support/plan_text.h"

#include "state/panes.h"

#define ENTRIES_MAX 400

static const char file[] =
    "pipeline: p\n"
    "kafka: {}\n"
    "sources:\n"
    "  s: {topic: t, entity: user, time: {field: ts}, fields: {user: string}}\n"
    "views:\n"
    "  v:\n"
    "    source: s\n"
    "    window: {sliding: 1h, every: 10m}\n"
    "    features: {n: {count: true}, d: {distinct: user}, "
    "h: {histogram: user, limit: 3}}\n";

struct known_entry {
    int64_t pane;
    int64_t first_window;
    uint64_t events;
};

static struct known_entry entries[ENTRIES_MAX];
static uint32_t count;
static int64_t released;

/* The place of the entry, or where it would go. */
static uint32_t place_of(int64_t pane, int64_t first_window)
{
    uint32_t at = 0;

    while (at < count && (entries[at].pane < pane ||
                          (entries[at].pane == pane && entries[at].first_window < first_window)))
        at++;
    return at;
}

static bool is_at(uint32_t at, int64_t pane, int64_t first_window)
{
    return at < count && entries[at].pane == pane && entries[at].first_window == first_window;
}

static uint64_t *count_in(const struct panes_layout *layout, char *entry)
{
    return (uint64_t *)(pane_cells(layout, entry) + layout->plan->cells[0].offset);
}

static void add_event(struct panes_layout *layout, const struct plan_field *field, char *entry)
{
    struct field_value value = {.s = "abcdef", .len = 1, .present = true};

    value.s += random_below(6);
    for (uint32_t i = 0; i < layout->plan->cell_count; i++) {
        const struct plan_cell *cell = &layout->plan->cells[i];

        cell_add(cell, cell->field == PLAN_NONE ? NULL : field,
                 cell->field == PLAN_NONE ? NULL : &value, NULL, pane_cells(layout, entry),
                 &layout->memory);
    }
}

static void touch(struct panes_layout *layout, struct panes *panes, const struct plan_field *field,
                  int64_t pane, int64_t first_window)
{
    /* Without split a pane has one entry, which is in all its windows. */
    int64_t known_first = layout->split ? first_window : pane + 1;
    uint32_t at = place_of(pane, known_first);
    bool is_new;
    char *entry = panes_touch(layout, panes, pane, first_window, &is_new);

    ENSURE(is_new == !is_at(at, pane, known_first));
    if (is_new) {
        memmove(&entries[at + 1], &entries[at], (count++ - at) * sizeof(entries[0]));
        entries[at] = (struct known_entry){pane, known_first, 0};
        for (uint32_t i = 0; i < layout->plan->cell_bytes; i++)
            ENSURE(pane_cells(layout, entry)[i] == 0);
    }
    ENSURE(entry == panes_entry(layout, panes, at));
    add_event(layout, field, entry);
    entries[at].events++;
}

static void check(const struct panes_layout *layout, const struct panes *panes)
{
    ENSURE_INT(panes->count, count);
    ENSURE_INT(panes->released, released);
    for (uint32_t i = 0; i < count; i++) {
        char *entry = panes_entry(layout, panes, i);

        ENSURE_INT(pane_index(entry), entries[i].pane);
        ENSURE_INT(pane_first_window(layout, entry), entries[i].first_window);
        ENSURE_INT(*count_in(layout, entry), entries[i].events);
    }
    for (int64_t pane = -30; pane < 130; pane += 1 + (int64_t)random_below(5))
        ENSURE_INT(panes_before(layout, panes, pane), place_of(pane, INT64_MIN));
}

static void drop(struct panes_layout *layout, struct panes *panes, uint32_t dropped)
{
    panes_drop(layout, panes, dropped);
    if (dropped > 0)
        released = entries[dropped - 1].pane;
    count -= dropped;
    memmove(entries, &entries[dropped], count * sizeof(entries[0]));
}

static void random_steps(struct panes_layout *layout, struct panes *panes,
                         const struct plan_field *field)
{
    int64_t now = 0;

    for (int step = 0; step < 150; step++) {
        int64_t pane = random_chance(60) ? now : now - (int64_t)random_below(20);

        /* Spans of events that are in all of their windows have a first window before any. */
        int64_t first_window = random_chance(20) ? INT64_MIN / 2
                                                 : pane + 1 + (int64_t)random_below(3);

        touch(layout, panes, field, pane, first_window);
        now += random_chance(50) ? 0 : (int64_t)random_below(3);
        if (random_chance(15))
            drop(layout, panes, (uint32_t)random_below(count + 1));
        if (random_chance(20))
            check(layout, panes);
    }
    check(layout, panes);
}

static void entries_stand_in_the_order_of_time(void **state)
{
    struct plan *plan = plan_of_text(file);
    const struct plan_source *source = &plan->sources[0];

    (void)state;
    for (FIRST_SEED; MORE_SEEDS(300); NEXT_SEED) {
        bool split = seed_ % 2;
        struct cell_bench bench;
        struct panes_layout layout;
        struct panes panes;

        cell_bench_init(&bench);
        panes_layout_init(&layout, &source->panesets[0], split, &bench.arena, &bench.intern);
        panes_init(&panes);
        count = 0;
        released = PANE_NONE;
        random_steps(&layout, &panes, &source->fields[0]);
        ENSURE((layout.memory.bytes > 0) == (count > 0));
        drop(&layout, &panes, count);
        check(&layout, &panes);
        ENSURE(!panes.entries);
        ENSURE_INT(layout.memory.bytes, 0);
        cell_bench_done(&bench);
    }
    plan_free(plan);
}

/* A key that lives long takes no more room than what it holds at a time. */
static void dropped_panes_make_room_for_new_ones(void **state)
{
    struct plan *plan = plan_of_text(file);
    const struct plan_source *source = &plan->sources[0];
    struct cell_bench bench;
    struct panes_layout layout;
    struct panes panes;
    int64_t most = 0;

    (void)state;
    cell_bench_init(&bench);
    panes_layout_init(&layout, &source->panesets[0], false, &bench.arena, &bench.intern);
    panes_init(&panes);
    count = 0;
    released = PANE_NONE;
    for (int64_t pane = 0; pane < 3000; pane++) {
        touch(&layout, &panes, &source->fields[0], pane, pane + 1);
        if (count > 6)
            drop(&layout, &panes, 1);
        most = MAX(most, layout.memory.bytes);
    }
    assert_true(most <= 20 * (int64_t)layout.entry_bytes);
    drop(&layout, &panes, count);
    cell_bench_done(&bench);
    plan_free(plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_stand_in_the_order_of_time),
        cmocka_unit_test(dropped_panes_make_room_for_new_ones),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
