#include "aggregate/evaluate.h"

#include "aggregate/distinct.h"
#include "aggregate/histogram.h"

/* What one feature's cells add up to. */
struct total {
    const struct plan_feature *feature;
    const struct plan_cell *cell;
    union {
        union number_cell number;
        struct distinct_union *distinct;
        struct counts_sum histogram;
    };
    struct buf text; /* of a map */
};

struct evaluator {
    const struct intern *intern;
    uint32_t count;
    struct row_value *values;
    struct total totals[];
};

struct evaluator *evaluator_create(const struct plan_view *view, const struct plan_paneset *panes,
                                   const struct intern *intern)
{
    size_t totals_bytes = view->feature_count * sizeof(struct total);
    struct evaluator *evaluator = calloc(1, sizeof(*evaluator) + totals_bytes);

    CHECK(evaluator);
    evaluator->intern = intern;
    evaluator->count = view->feature_count;
    evaluator->values = calloc(view->feature_count, sizeof(*evaluator->values));
    CHECK(evaluator->values);
    for (uint32_t i = 0; i < view->feature_count; i++) {
        struct total *total = &evaluator->totals[i];

        total->feature = &view->features[i];
        total->cell = &panes->cells[view->features[i].cell];
        if (total->cell->kind == CELL_DISTINCT) {
            total->distinct = calloc(1, sizeof(*total->distinct));
            CHECK(total->distinct);
        }
    }
    return evaluator;
}

void evaluator_free(struct evaluator *evaluator)
{
    if (!evaluator)
        return;
    for (uint32_t i = 0; i < evaluator->count; i++) {
        struct total *total = &evaluator->totals[i];

        if (total->cell->kind == CELL_DISTINCT)
            free(total->distinct);
        else if (total->cell->kind == CELL_HISTOGRAM)
            counts_sum_free(&total->histogram);
        buf_free(&total->text);
    }
    free(evaluator->values);
    free(evaluator);
}

static void total_reset(struct total *total)
{
    if (total->cell->kind == CELL_DISTINCT)
        distinct_union_reset(total->distinct);
    else if (total->cell->kind != CELL_HISTOGRAM) /* whose sum the last evaluation took */
        memset(&total->number, 0, sizeof(total->number));
}

void evaluator_begin(struct evaluator *evaluator)
{
    for (uint32_t i = 0; i < evaluator->count; i++)
        total_reset(&evaluator->totals[i]);
}

static void total_merge(struct total *total, const char *cell)
{
    switch (total->cell->kind) {
    case CELL_COUNT:
    case CELL_SUM_INT:
    case CELL_SUM_DOUBLE:
    case CELL_MEAN_INT:
    case CELL_MEAN_DOUBLE:
    case CELL_MIN_INT:
    case CELL_MAX_INT:
    case CELL_MIN_DOUBLE:
    case CELL_MAX_DOUBLE:
        cell_merge_number(total->cell->kind, &total->number, cell);
        return;
    case CELL_DISTINCT:
        distinct_union_merge(total->distinct, *(const uint64_t *)cell);
        return;
    case CELL_HISTOGRAM:
        counts_sum_merge(&total->histogram, *(const uint64_t *)cell);
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

void evaluator_add(struct evaluator *evaluator, const char *pane)
{
    for (uint32_t i = 0; i < evaluator->count; i++) {
        struct total *total = &evaluator->totals[i];

        total_merge(total, pane + total->cell->offset);
    }
}

static int64_t saturate(__int128 sum, uint64_t *saturated)
{
    if (sum >= INT64_MIN && sum <= INT64_MAX)
        return (int64_t)sum;
    ++*saturated;
    return sum < 0 ? INT64_MIN : INT64_MAX;
}

/* sum / (count * 10^scale), correctly rounded where both fit a double's 53 bits, as money does. */
static double mean_of(__int128 sum, uint64_t count, unsigned scale)
{
    const int64_t exact_max = INT64_C(1) << 53;
    __int128 divisor = count;

    for (unsigned i = 0; i < scale; i++)
        divisor *= 10;
    if (sum <= exact_max && sum >= -exact_max && divisor <= exact_max)
        return (double)sum / (double)divisor;
    return (double)((long double)sum / (long double)divisor);
}

/* A result that is of the operand's type. */
static struct row_value number_value(const struct plan_feature *feature, int64_t value)
{
    if (feature->field_type == FIELD_DECIMAL)
        return (struct row_value){.type = ROW_DECIMAL, .scale = feature->scale, .i = value};
    return (struct row_value){.type = ROW_INT, .i = value};
}

static struct row_value total_value(struct total *total, const struct intern *intern,
                                    uint64_t *saturated)
{
    static const struct row_value null = {.type = ROW_NULL};
    const struct plan_feature *feature = total->feature;
    const union number_cell *number = &total->number;

    switch (total->cell->kind) {
    case CELL_COUNT:
        return (struct row_value){.type = ROW_INT, .i = (int64_t)number->count};
    case CELL_SUM_INT:
        return number_value(feature, saturate(wide_int_get(&number->sum), saturated));
    case CELL_SUM_DOUBLE:
        return (struct row_value){.type = ROW_DOUBLE, .d = number->sum_double};
    case CELL_MEAN_INT:
        if (number->mean.count == 0)
            return null;
        return (struct row_value){
            .type = ROW_DOUBLE,
            .d = mean_of(wide_int_get(&number->mean.sum), number->mean.count, feature->scale)};
    case CELL_MEAN_DOUBLE:
        if (number->mean_double.count == 0)
            return null;
        return (struct row_value){.type = ROW_DOUBLE,
                                  .d = number->mean_double.sum / (double)number->mean_double.count};
    case CELL_MIN_INT:
    case CELL_MAX_INT:
        return number->extremum.present ? number_value(feature, number->extremum.value) : null;
    case CELL_MIN_DOUBLE:
    case CELL_MAX_DOUBLE:
        if (!number->extremum_double.present)
            return null;
        return (struct row_value){.type = ROW_DOUBLE, .d = number->extremum_double.value};
    case CELL_DISTINCT:
        return (struct row_value){.type = ROW_INT, .i = distinct_union_count(total->distinct)};
    case CELL_HISTOGRAM:
        buf_reset(&total->text);
        histogram_take_json(&total->histogram, feature->limit, intern, &total->text);
        return (struct row_value){.type = ROW_JSON, .text = buf_slice(&total->text)};
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

const struct row_value *evaluator_finish(struct evaluator *evaluator, uint64_t *ret_saturated)
{
    for (uint32_t i = 0; i < evaluator->count; i++)
        evaluator->values[i] = total_value(&evaluator->totals[i], evaluator->intern, ret_saturated);
    return evaluator->values;
}

static bool row_value_equal(const struct row_value *a, const struct row_value *b)
{
    if (a->type != b->type)
        return false;
    switch (a->type) {
    case ROW_NULL:
        return true;
    case ROW_DOUBLE:
        return a->d == b->d;
    case ROW_STRING:
    case ROW_JSON:
        return slice_equal(a->text, b->text);
    case ROW_INT:
    case ROW_DECIMAL:
    case ROW_BOOL:
        return a->i == b->i;
    }
    UNREACHABLE();
}

bool row_values_equal(const struct row_value *a, const struct row_value *b, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (!row_value_equal(&a[i], &b[i]))
            return false;
    }
    return true;
}
