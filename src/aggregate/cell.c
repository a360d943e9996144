#include "aggregate/cell.h"

#include "aggregate/distinct.h"
#include "aggregate/histogram.h"
#include "aggregate/quantile.h"
#include "aggregate/sequence.h"
#include "aggregate/top.h"
#include "aggregate/value.h"
#include "base/text.h"

/* The sizes that the plan lays panes out by. */
#define X(enumerator, bytes) SIZE_OF_##enumerator = (bytes),
enum { CELL_KINDS(X) };
#undef X
_Static_assert(SIZE_OF_CELL_SUM_INT == sizeof(struct wide_int), "");
_Static_assert(SIZE_OF_CELL_SUM_DOUBLE == sizeof(double), "");
_Static_assert(SIZE_OF_CELL_MEAN_INT == sizeof(struct cell_mean_int), "");
_Static_assert(SIZE_OF_CELL_MEAN_DOUBLE == sizeof(struct cell_mean_double), "");
_Static_assert(SIZE_OF_CELL_MIN_INT == sizeof(struct cell_extremum_int), "");
_Static_assert(SIZE_OF_CELL_MAX_INT == sizeof(struct cell_extremum_int), "");
_Static_assert(SIZE_OF_CELL_MIN_DOUBLE == sizeof(struct cell_extremum_double), "");
_Static_assert(SIZE_OF_CELL_MAX_DOUBLE == sizeof(struct cell_extremum_double), "");
_Static_assert(SIZE_OF_CELL_COUNT == sizeof(uint64_t), "");
_Static_assert(SIZE_OF_CELL_DISTINCT == sizeof(uint64_t), "");
_Static_assert(SIZE_OF_CELL_HISTOGRAM == sizeof(uint64_t), "");
_Static_assert(SIZE_OF_CELL_MOMENTS == sizeof(struct moments), "");
_Static_assert(SIZE_OF_CELL_FIRST == sizeof(uint64_t), "");
_Static_assert(SIZE_OF_CELL_LAST == sizeof(uint64_t), "");
_Static_assert(SIZE_OF_CELL_TOP == sizeof(uint64_t), "");
_Static_assert(SIZE_OF_CELL_QUANTILE == sizeof(uint64_t), "");

static void extremum_int_add(struct cell_extremum_int *cell, int64_t value, bool want_max)
{
    if (!cell->present || (want_max ? value > cell->value : value < cell->value))
        *cell = (struct cell_extremum_int){.value = value, .present = 1};
}

static void extremum_double_add(struct cell_extremum_double *cell, double value, bool want_max)
{
    if (!cell->present || (want_max ? value > cell->value : value < cell->value))
        *cell = (struct cell_extremum_double){.value = value, .present = 1};
}

void cell_add(const struct plan_cell *plan, const struct plan_field *field,
              const struct field_value *value, const struct event *event, char *pane,
              struct cell_memory *memory)
{
    char *cell = pane + plan->offset;
    char text[TEXT_DOUBLE_MAX];

    switch (plan->kind) {
    case CELL_COUNT:
        ++*(uint64_t *)cell;
        return;
    case CELL_SUM_INT:
        wide_int_add((struct wide_int *)cell, value->i);
        return;
    case CELL_SUM_DOUBLE:
        *(double *)cell = double_add(*(double *)cell, value->d);
        return;
    case CELL_MEAN_INT:
        wide_int_add(&((struct cell_mean_int *)cell)->sum, value->i);
        ((struct cell_mean_int *)cell)->count++;
        return;
    case CELL_MEAN_DOUBLE: {
        struct cell_mean_double *mean = (struct cell_mean_double *)cell;

        mean->sum = double_add(mean->sum, value->d);
        mean->count++;
        return;
    }
    case CELL_MIN_INT:
    case CELL_MAX_INT:
        extremum_int_add((struct cell_extremum_int *)cell, value->i, plan->kind == CELL_MAX_INT);
        return;
    case CELL_MIN_DOUBLE:
    case CELL_MAX_DOUBLE:
        extremum_double_add((struct cell_extremum_double *)cell, value->d,
                            plan->kind == CELL_MAX_DOUBLE);
        return;
    case CELL_DISTINCT:
        distinct_add((uint64_t *)cell, value_hash(field->type, value), memory);
        return;
    case CELL_HISTOGRAM:
        histogram_add((uint64_t *)cell, value_text(field->type, field->scale, value, text),
                      plan->limit, memory);
        return;
    case CELL_MOMENTS:
        moments_add((struct moments *)cell, value_number(field->type, value));
        return;
    case CELL_FIRST:
    case CELL_LAST:
        sequence_add((uint64_t *)cell, plan, field, value, event, memory);
        return;
    case CELL_TOP:
        top_add((uint64_t *)cell, value_text(field->type, field->scale, value, text), memory);
        return;
    case CELL_QUANTILE:
        quantile_add((uint64_t *)cell, value_number(field->type, value), memory);
        return;
    case CELL_KIND_COUNT:
        break;
    }
    UNREACHABLE();
}

static void extremum_int_merge(struct cell_extremum_int *into, const struct cell_extremum_int *from,
                               bool want_max)
{
    if (from->present)
        extremum_int_add(into, from->value, want_max);
}

static void extremum_double_merge(struct cell_extremum_double *into,
                                  const struct cell_extremum_double *from, bool want_max)
{
    if (from->present)
        extremum_double_add(into, from->value, want_max);
}

static void mean_int_merge(struct cell_mean_int *into, const struct cell_mean_int *from)
{
    wide_int_add(&into->sum, wide_int_get(&from->sum));
    into->count += from->count;
}

static void mean_double_merge(struct cell_mean_double *into, const struct cell_mean_double *from)
{
    into->sum = double_add(into->sum, from->sum);
    into->count += from->count;
}

void cell_merge_number(enum cell_kind kind, void *into, const void *from)
{
    switch (kind) {
    case CELL_COUNT:
        *(uint64_t *)into += *(const uint64_t *)from;
        return;
    case CELL_SUM_INT:
        wide_int_add(into, wide_int_get(from));
        return;
    case CELL_SUM_DOUBLE:
        *(double *)into = double_add(*(double *)into, *(const double *)from);
        return;
    case CELL_MEAN_INT:
        mean_int_merge(into, from);
        return;
    case CELL_MEAN_DOUBLE:
        mean_double_merge(into, from);
        return;
    case CELL_MIN_INT:
    case CELL_MAX_INT:
        extremum_int_merge(into, from, kind == CELL_MAX_INT);
        return;
    case CELL_MIN_DOUBLE:
    case CELL_MAX_DOUBLE:
        extremum_double_merge(into, from, kind == CELL_MAX_DOUBLE);
        return;
    case CELL_MOMENTS:
        moments_merge(into, from);
        return;
    default:
        UNREACHABLE();
    }
}

static void cell_merge(const struct plan_cell *plan, char *into, char *from,
                       struct cell_memory *memory)
{
    switch (plan->kind) {
    case CELL_DISTINCT:
        distinct_merge((uint64_t *)into, (uint64_t *)from, memory);
        return;
    case CELL_HISTOGRAM:
        counts_merge((uint64_t *)into, (uint64_t *)from, plan->limit, memory);
        return;
    case CELL_FIRST:
    case CELL_LAST:
        sequence_merge((uint64_t *)into, (uint64_t *)from, plan, memory);
        return;
    case CELL_TOP:
        top_merge((uint64_t *)into, (uint64_t *)from, memory);
        return;
    case CELL_QUANTILE:
        quantile_merge((uint64_t *)into, (uint64_t *)from, memory);
        return;
    default:
        cell_merge_number(plan->kind, into, from);
        return;
    }
}

void pane_cells_merge(const struct plan_paneset *plan, char *into, char *from,
                      struct cell_memory *memory)
{
    for (uint32_t i = 0; i < plan->cell_count; i++) {
        const struct plan_cell *cell = &plan->cells[i];

        cell_merge(cell, into + cell->offset, from + cell->offset, memory);
    }
    memset(from, 0, plan->cell_bytes);
}

/* Cells of one word that may be a pointer. Others have the top bit, or the lowest one. */
static bool is_word(enum cell_kind kind)
{
    switch (kind) {
    case CELL_DISTINCT:
    case CELL_HISTOGRAM:
    case CELL_FIRST:
    case CELL_LAST:
    case CELL_TOP:
    case CELL_QUANTILE:
        return true;
    default:
        return false;
    }
}

void pane_cells_prefetch(const struct plan_paneset *plan, const char *pane)
{
    for (uint32_t i = 0; i < plan->cell_count; i++) {
        uint64_t word = *(const uint64_t *)(pane + plan->cells[i].offset);

        if (is_word(plan->cells[i].kind) && word && !(word & (UINT64_C(1) << 63 | 1)))
            __builtin_prefetch((const void *)(uintptr_t)(word & ~UINT64_C(7)));
    }
}

static void cell_done(enum cell_kind kind, uint64_t *cell, struct cell_memory *memory)
{
    switch (kind) {
    case CELL_DISTINCT:
        distinct_done(cell, memory);
        return;
    case CELL_HISTOGRAM:
    case CELL_TOP:
        counts_done(cell, memory);
        return;
    case CELL_FIRST:
    case CELL_LAST:
        sequence_done(cell, memory);
        return;
    case CELL_QUANTILE:
        quantile_done(cell, memory);
        return;
    default:
        return; /* nothing outside of the pane */
    }
}

void pane_cells_done(const struct plan_paneset *plan, char *pane, struct cell_memory *memory)
{
    for (uint32_t i = 0; i < plan->cell_count; i++)
        cell_done(plan->cells[i].kind, (uint64_t *)(pane + plan->cells[i].offset), memory);
    memset(pane, 0, plan->cell_bytes);
}
