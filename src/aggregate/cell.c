#include "aggregate/cell.h"

#include <float.h>
#include <math.h>

#include "aggregate/distinct.h"
#include "aggregate/histogram.h"
#include "base/hash.h"
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

double double_add(double sum, double more)
{
    double result = sum + more;

    return isfinite(result) ? result : copysign(DBL_MAX, result);
}

static uint64_t value_hash(const struct plan_field *field, const struct field_value *value)
{
    uint64_t bits;
    double number;

    switch (field->type) {
    case FIELD_STRING:
        return hash64((struct slice){value->s, value->len});
    case FIELD_DOUBLE:
        number = value->d == 0 ? 0 : value->d; /* -0.0 is 0 */
        memcpy(&bits, &number, sizeof(bits));
        return hash64_int(bits);
    case FIELD_INT64:
    case FIELD_DECIMAL:
    case FIELD_BOOL:
    case FIELD_TIMESTAMP:
        return hash64_int((uint64_t)value->i);
    }
    UNREACHABLE();
}

/* A value as a map's key: strings as they are, others as JSON spells them. `out` has room for
 * TEXT_DOUBLE_MAX bytes. */
static struct slice value_text(const struct plan_field *field, const struct field_value *value,
                               char *out)
{
    switch (field->type) {
    case FIELD_STRING:
        return (struct slice){value->s, value->len};
    case FIELD_DOUBLE:
        return (struct slice){out, text_double(out, value->d)};
    case FIELD_DECIMAL:
        return (struct slice){out, text_decimal(out, value->i, field->scale)};
    case FIELD_BOOL:
        return value->i ? SLICE_LITERAL("true") : SLICE_LITERAL("false");
    case FIELD_INT64:
    case FIELD_TIMESTAMP:
        return (struct slice){out, text_int64(out, value->i)};
    }
    UNREACHABLE();
}

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

    (void)event; /* its place in the order: for first and last */

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
        distinct_add((uint64_t *)cell, value_hash(field, value), memory);
        return;
    case CELL_HISTOGRAM:
        histogram_add((uint64_t *)cell, value_text(field, value, text), plan->limit, memory);
        return;
    case CELL_MOMENTS:
    case CELL_FIRST:
    case CELL_LAST:
    case CELL_TOP:
    case CELL_QUANTILE:
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
    default:
        UNREACHABLE();
    }
}

void pane_cells_merge(const struct plan_paneset *plan, char *into, char *from,
                      struct cell_memory *memory)
{
    for (uint32_t i = 0; i < plan->cell_count; i++) {
        const struct plan_cell *cell = &plan->cells[i];
        char *to = into + cell->offset;
        char *source = from + cell->offset;

        if (cell->kind == CELL_DISTINCT)
            distinct_merge((uint64_t *)to, (uint64_t *)source, memory);
        else if (cell->kind == CELL_HISTOGRAM)
            counts_merge((uint64_t *)to, (uint64_t *)source, cell->limit, memory);
        else
            cell_merge_number(cell->kind, to, source);
    }
    memset(from, 0, plan->cell_bytes);
}

void pane_cells_done(const struct plan_paneset *plan, char *pane, struct cell_memory *memory)
{
    for (uint32_t i = 0; i < plan->cell_count; i++) {
        uint64_t *cell = (uint64_t *)(pane + plan->cells[i].offset);

        if (plan->cells[i].kind == CELL_DISTINCT)
            distinct_done(cell, memory);
        else if (plan->cells[i].kind == CELL_HISTOGRAM)
            counts_done(cell, memory);
    }
    memset(pane, 0, plan->cell_bytes);
}
