/* The output file, over all lives: of each key and view the rows that the events define, each of
 * them once. What a life has emitted and no checkpoint has brought into force is not among them,
 * and what another one has emitted again is there but once.
 *
 * A bounded run fires early what has not fired. If one is gone on with, the file has been told more
 * than the events define: then the last row of each window must be right, its rows numbered one
 * after the other. */

#include "check.h"

static struct spec_rows file_rows[GROUPS_MAX][SPEC_VIEWS_MAX][SPEC_KEYS];

void file_rows_make(void)
{
    for (size_t i = 0; i < disk.output.count; i++) {
        const struct emitted *one = &sim.emitted[disk.output.all[i]];

        *row_append(&file_rows[one->group][one->view][one->key]) = one->row;
    }
}

void file_rows_done(void)
{
    for (int group = 0; group < GROUPS_MAX; group++) {
        for (int view = 0; view < SPEC_VIEWS_MAX; view++) {
            for (int key = 0; key < SPEC_KEYS; key++)
                rows_free(&file_rows[group][view][key]);
        }
    }
}

const struct spec_rows *file_rows_of(int group, int view, int key)
{
    return &file_rows[group][view][key];
}

static bool same_bounds(const struct spec_row *a, const struct spec_row *b)
{
    return a->start_ms == b->start_ms && a->end_ms == b->end_ms;
}

static void check_last(int group, int view, int key, const struct spec_rows *wanted,
                       const struct spec_rows *got, size_t at)
{
    const struct spec_row *last_wanted = NULL;
    const struct spec_row *last_got = NULL;

    for (size_t i = 0; i < wanted->count; i++) {
        if (same_bounds(&wanted->rows[i], &wanted->rows[at]))
            last_wanted = &wanted->rows[i];
    }
    for (size_t i = 0; i < got->count; i++) {
        if (same_bounds(&got->rows[i], &wanted->rows[at]))
            last_got = &got->rows[i];
    }
    if (last_got && last_got->empty == last_wanted->empty &&
        last_got->retracted == last_wanted->retracted &&
        strcmp(last_got->values, last_wanted->values) == 0)
        return;
    print_rows("wanted at last", wanted, at);
    print_rows("in the file", got, got->count);
    sim_fail("the file has something else of a window of which bounded runs have told before: view "
             "v%d, group %d, key %s",
             view, group, key_names[key]);
}

static void check_revision(const struct spec_rows *got, size_t at)
{
    uint32_t before = 0;

    for (size_t i = 0; i < at; i++)
        before += same_bounds(&got->rows[i], &got->rows[at]);
    if (got->rows[at].revision == before)
        return;
    print_rows("in the file", got, at);
    sim_fail("the file has a row twice, or lacks one");
}

/* Those that the outputs get; the caller frees them. */
static struct spec_rows rows_of_outputs(const struct spec_rows *rows)
{
    struct spec_rows outputs = {0};

    for (size_t i = 0; i < rows->count; i++) {
        if (!rows->rows[i].online_only)
            *row_append(&outputs) = rows->rows[i];
    }
    return outputs;
}

static void check_outputs(int group, int view, int key, struct spec_rows *wanted, bool had_finished)
{
    struct spec_rows *got = &file_rows[group][view][key];
    size_t at;

    for (size_t i = 0; i < wanted->count && had_finished; i++)
        check_last(group, view, key, wanted, got, i);
    for (size_t i = 0; i < got->count && had_finished && !sim.scenario.spec.views[view].lifetime;
         i++)
        check_revision(got, i);
    if (had_finished)
        return;
    sort_if_free(view, wanted);
    sort_if_free(view, got);
    at = first_difference(view, wanted, 0, got);
    if (at == got->count && at == wanted->count)
        return;
    print_rows("wanted", wanted, at);
    print_rows("in the file", got, at);
    sim_fail("rows of view v%d, group %d, key %s in the file are not those that the events define",
             view, group, key_names[key]);
}

void check_file(int group, int view, int key, const struct spec_rows *wanted, bool had_finished)
{
    struct spec_rows outputs = rows_of_outputs(wanted);

    check_outputs(group, view, key, &outputs, had_finished);
    rows_free(&outputs);
}
