/* Any bytes as a saved pane: refused with nothing left of it, or a pane that is saved just so, and
 * goes on as its copy does. */
#include "cells_world.h"

#include <errno.h>
#include <math.h>

#include "aggregate/evaluate.h"

static struct world world;

/* Evaluators keep the values of their last evaluation. */
static struct evaluator *evaluators[2];

static void begin_once(void)
{
    if (world.plan)
        return;
    world_init(&world);
    for (int i = 0; i < 2; i++)
        evaluators[i] = evaluator_create(world.view, world.paneset, &world.intern);
}

static int load(char *pane, struct slice *from)
{
    return cells_load(world.paneset, world.source->fields, from, pane, &world.memory);
}

static bool same_bits(const struct row_value *a, const struct row_value *b)
{
    if (a->type != b->type)
        return false;
    if (a->type == ROW_STRING || a->type == ROW_JSON)
        return slice_equal(a->text, b->text);
    return a->type == ROW_NULL || memcmp(&a->i, &b->i, sizeof(a->i)) == 0;
}

static void check_same_values(const char *pane, const char *copy)
{
    const char *panes[2] = {pane, copy};
    const struct row_value *values[2];
    uint64_t saturated = 0;

    for (int i = 0; i < 2; i++) {
        evaluator_begin(evaluators[i]);
        evaluator_add(evaluators[i], panes[i]);
        values[i] = evaluator_finish(evaluators[i], &saturated);
    }
    for (uint32_t i = 0; i < world.view->feature_count; i++) {
        CHECK(same_bits(&values[0][i], &values[1][i]));
        CHECK(values[0][i].type != ROW_DOUBLE || isfinite(values[0][i].d));
    }
}

static void check_same_bytes(const char *pane, const char *copy)
{
    struct buf saved = {0};
    struct buf saved_copy = {0};

    world_save(&world, pane, &saved);
    world_save(&world, copy, &saved_copy);
    CHECK(slice_equal(buf_slice(&saved), buf_slice(&saved_copy)));
    buf_free(&saved);
    buf_free(&saved_copy);
}

static void merge_copy(char *pane, struct slice bytes)
{
    char *copy = world_pane(&world);

    CHECK(load(copy, &bytes) == 0);
    pane_cells_merge(world.paneset, pane, copy, &world.memory);
    free(copy);
}

static void check_loaded(char *pane, struct slice bytes)
{
    const struct world_events more = {.first = 10, .count = 5, .values = 9, .fields = ~0u};
    char *copy = world_pane(&world);
    struct buf saved = {0};

    world_save(&world, pane, &saved);
    CHECK(slice_equal(buf_slice(&saved), bytes));
    struct slice from = buf_slice(&saved);

    CHECK(load(copy, &from) == 0 && from.len == 0);
    check_same_values(pane, copy);
    world_add(&world, pane, &more);
    world_add(&world, copy, &more);
    check_same_bytes(pane, copy);
    merge_copy(pane, bytes);
    merge_copy(copy, bytes);
    check_same_bytes(pane, copy);
    check_same_values(pane, copy);
    pane_cells_done(world.paneset, copy, &world.memory);
    free(copy);
    buf_free(&saved);
}

static void check_empty(const char *pane)
{
    for (uint32_t i = 0; i < world.paneset->cell_bytes; i++)
        CHECK(pane[i] == 0);
    CHECK(world.memory.bytes == 0 && world.intern.live == 0);
}

/* Cell after cell, as one that knows none of them. */
static void check_skipped(struct slice bytes)
{
    for (uint32_t i = 0; i < world.paneset->cell_count; i++)
        CHECK(cell_skip(&bytes) == 0);
    CHECK(bytes.len == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *bytes = exact_copy(data, size);
    struct slice from = {bytes, size};
    char *pane;

    begin_once();
    pane = world_pane(&world);
    int rc = load(pane, &from);

    CHECK(rc == 0 || rc == -EBADMSG);
    if (rc == 0) {
        struct slice taken = {bytes, size - from.len};

        CHECK(from.data == bytes + taken.len);
        check_loaded(pane, taken);
        check_skipped(taken);
    } else {
        CHECK(from.data == bytes && from.len == size);
    }
    pane_cells_done(world.paneset, pane, &world.memory);
    check_empty(pane);
    free(pane);
    free(bytes);
    return 0;
}
