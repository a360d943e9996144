#include "aggregate/evaluate.h"

#include "aggregate/distinct.h"
#include "aggregate/histogram.h"
#include "aggregate/quantile.h"
#include "aggregate/sequence.h"
#include "aggregate/top.h"
#include "aggregate/value.h"

#define PANES_FIRST 64

/* What one feature's cells add up to. */
struct total {
    const struct plan_feature *feature;
    const struct plan_cell *cell;
    union {
        union number_cell number;
        struct distinct_union *distinct;
        struct counts_sum counts; /* histogram, top */
        struct sequence_window sequence;
        struct quantile_sum quantile;
    };
    struct buf text; /* of a string, list or map */
};

struct evaluator {
    const struct intern *intern;
    bool spells; /* lists and maps */
    uint32_t pane_count;
    uint32_t pane_cap;
    const char **panes; /* those added, by their cells */
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
    evaluator->spells = true;
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

void evaluator_spell_nothing(struct evaluator *evaluator)
{
    evaluator->spells = false;
}

static void total_done(struct total *total)
{
    switch (total->cell->kind) {
    case CELL_DISTINCT:
        free(total->distinct);
        return;
    case CELL_HISTOGRAM:
    case CELL_TOP:
        counts_sum_free(&total->counts);
        return;
    case CELL_FIRST:
    case CELL_LAST:
        sequence_window_free(&total->sequence);
        return;
    case CELL_QUANTILE:
        quantile_sum_free(&total->quantile);
        return;
    default:
        return;
    }
}

void evaluator_free(struct evaluator *evaluator)
{
    if (!evaluator)
        return;
    for (uint32_t i = 0; i < evaluator->count; i++) {
        struct total *total = &evaluator->totals[i];

        total_done(total);
        buf_free(&total->text);
    }
    free(evaluator->values);
    free(evaluator->panes);
    free(evaluator);
}

void evaluator_begin(struct evaluator *evaluator)
{
    evaluator->pane_count = 0;
}

void evaluator_add(struct evaluator *evaluator, const char *pane)
{
    if (evaluator->pane_count == evaluator->pane_cap) {
        evaluator->pane_cap = MAX(evaluator->pane_cap * 2, (uint32_t)PANES_FIRST);
        evaluator->panes = realloc(evaluator->panes,
                                   evaluator->pane_cap * sizeof(*evaluator->panes));
        CHECK(evaluator->panes);
    }
    evaluator->panes[evaluator->pane_count++] = pane;
}

/* ---- one total over all panes: what kind it is, is asked once */

static const char *cell_of(const struct evaluator *evaluator, const struct total *total,
                           uint32_t pane)
{
    return evaluator->panes[pane] + total->cell->offset;
}

static uint64_t word_of(const struct evaluator *evaluator, const struct total *total, uint32_t pane)
{
    return *(const uint64_t *)cell_of(evaluator, total, pane);
}

static void sum_numbers(const struct evaluator *evaluator, struct total *total)
{
    enum cell_kind kind = total->cell->kind;
    union number_cell number = {0};
    uint32_t count = evaluator->pane_count;

    switch (kind) {
    case CELL_COUNT:
        for (uint32_t i = 0; i < count; i++)
            number.count += word_of(evaluator, total, i);
        break;
    case CELL_SUM_INT:
        for (uint32_t i = 0; i < count; i++)
            wide_int_add(&number.sum,
                         wide_int_get((const struct wide_int *)cell_of(evaluator, total, i)));
        break;
    default:
        for (uint32_t i = 0; i < count; i++)
            cell_merge_number(kind, &number, cell_of(evaluator, total, i));
        break;
    }
    total->number = number;
}

static void sum_cells(const struct evaluator *evaluator, struct total *total)
{
    uint32_t count = evaluator->pane_count;

    switch (total->cell->kind) {
    case CELL_DISTINCT:
        distinct_union_reset(total->distinct);
        for (uint32_t i = 0; i < count; i++)
            distinct_union_merge(total->distinct, word_of(evaluator, total, i));
        return;
    case CELL_HISTOGRAM:
    case CELL_TOP:
        counts_sum_reset(&total->counts);
        for (uint32_t i = 0; i < count; i++)
            counts_sum_merge(&total->counts, word_of(evaluator, total, i));
        return;
    case CELL_FIRST:
    case CELL_LAST:
        sequence_window_reset(&total->sequence);
        for (uint32_t i = 0; i < count; i++)
            sequence_window_add(&total->sequence, word_of(evaluator, total, i));
        return;
    case CELL_QUANTILE:
        quantile_sum_reset(&total->quantile);
        for (uint32_t i = 0; i < count; i++)
            quantile_sum_merge(&total->quantile, word_of(evaluator, total, i));
        return;
    default:
        sum_numbers(evaluator, total);
        return;
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

static const struct row_value null_value = {.type = ROW_NULL};

static struct row_value int_value(int64_t value)
{
    return (struct row_value){.type = ROW_INT, .i = value};
}

static struct row_value double_value(double value)
{
    return (struct row_value){.type = ROW_DOUBLE, .d = value};
}

static struct row_value json_value(const struct buf *text)
{
    return (struct row_value){.type = ROW_JSON, .text = buf_slice(text)};
}

/* A result that is of the operand's type. */
static struct row_value number_value(const struct plan_feature *feature, int64_t value)
{
    if (feature->field_type == FIELD_DECIMAL)
        return (struct row_value){.type = ROW_DECIMAL, .scale = feature->scale, .i = value};
    return int_value(value);
}

/* How many of a decimal's last digits make a whole. */
static double unit_of(const struct plan_feature *feature)
{
    double unit = 1;

    for (unsigned i = 0; i < feature->scale; i++)
        unit *= 10;
    return unit;
}

static struct row_value moments_value(const struct plan_feature *feature,
                                      const struct moments *moments)
{
    uint64_t divisor = moments->count - (feature->sample ? 1 : 0);
    double unit = unit_of(feature);

    if (moments->count == 0 || divisor == 0)
        return null_value;
    double variance = moments->squares / (double)divisor;

    return double_value(feature->kind == FEATURE_STDDEV ? sqrt(variance) / unit
                                                        : variance / (unit * unit));
}

/* Lists: [ with the first value, a comma before each other one; list_value closes them. */
static void list_add(struct total *total, const struct field_value *value)
{
    const struct plan_feature *feature = total->feature;

    buf_append_char(&total->text, total->text.len == 0 ? '[' : ',');
    value_json(&total->text, feature->field_type, feature->scale, value);
}

static struct row_value list_value(struct total *total, bool spells)
{
    if (spells && total->text.len == 0)
        buf_append_char(&total->text, '[');
    if (spells)
        buf_append_char(&total->text, ']');
    return json_value(&total->text);
}

static struct row_value single_value(struct total *total, const struct field_value *value)
{
    return value_row(&total->text, total->feature->field_type, total->feature->scale, value);
}

static struct row_value since_previous_value(struct sequence_window *window)
{
    if (sequence_window_pick(window, true, 2) < 2)
        return null_value;
    return int_value(window->picked[1]->time_ms - window->picked[0]->time_ms);
}

static struct row_value sequence_values(struct total *total, const struct intern *intern,
                                        bool spells)
{
    const struct plan_feature *feature = total->feature;
    bool newest = total->cell->kind == CELL_LAST;
    uint32_t list_len = feature->kind == FEATURE_LIST ? feature->limit : feature->n;

    if (feature->kind == FEATURE_SINCE_PREVIOUS)
        return since_previous_value(&total->sequence);

    uint32_t len = sequence_window_pick(&total->sequence, newest, MAX(list_len, 1u));
    for (uint32_t i = 0; i < len && (spells || list_len == 0); i++) {
        struct field_value value = sequence_value(total->sequence.picked[i], feature->field_type,
                                                  intern);

        if (list_len == 0)
            return single_value(total, &value);
        list_add(total, &value);
    }
    return list_len == 0 ? null_value : list_value(total, spells);
}

static struct row_value top_value(struct total *total, const struct intern *intern, bool spells)
{
    const struct plan_feature *feature = total->feature;
    uint32_t len = top_select(&total->counts, MAX(feature->n, 1u), intern);

    for (uint32_t i = 0; i < len && (spells || feature->n == 0); i++) {
        struct field_value value = value_of_text(
            feature->field_type, intern_text(intern, total->counts.counts[i].number));

        if (feature->n == 0)
            return single_value(total, &value);
        list_add(total, &value);
    }
    return feature->n == 0 ? null_value : list_value(total, spells);
}

static struct row_value quantile_value(const struct total *total)
{
    if (total->quantile.count == 0)
        return null_value;
    return double_value(quantile_sum_value(&total->quantile, total->feature->q) /
                        unit_of(total->feature));
}

static struct row_value histogram_value(struct total *total, const struct intern *intern,
                                        bool spells)
{
    uint32_t limit = total->feature->limit;

    if (spells)
        histogram_take_json(&total->counts, limit, intern, &total->text);
    else
        counts_sum_select(&total->counts, limit, intern);
    return json_value(&total->text);
}

static struct row_value total_value(const struct evaluator *evaluator, struct total *total,
                                    uint64_t *saturated)
{
    const struct intern *intern = evaluator->intern;
    const struct plan_feature *feature = total->feature;
    const union number_cell *number = &total->number;

    buf_reset(&total->text);
    switch (total->cell->kind) {
    case CELL_COUNT:
        return int_value((int64_t)number->count);
    case CELL_SUM_INT:
        return number_value(feature, saturate(wide_int_get(&number->sum), saturated));
    case CELL_SUM_DOUBLE:
        return double_value(number->sum_double);
    case CELL_MEAN_INT:
        return number->mean.count ? double_value(mean_of(wide_int_get(&number->mean.sum),
                                                         number->mean.count, feature->scale))
                                  : null_value;
    case CELL_MEAN_DOUBLE:
        return number->mean_double.count
                   ? double_value(number->mean_double.sum / (double)number->mean_double.count)
                   : null_value;
    case CELL_MIN_INT:
    case CELL_MAX_INT:
        return number->extremum.present ? number_value(feature, number->extremum.value)
                                        : null_value;
    case CELL_MIN_DOUBLE:
    case CELL_MAX_DOUBLE:
        return number->extremum_double.present ? double_value(number->extremum_double.value)
                                               : null_value;
    case CELL_DISTINCT:
        return int_value(distinct_union_count(total->distinct));
    case CELL_HISTOGRAM:
        return histogram_value(total, intern, evaluator->spells);
    case CELL_MOMENTS:
        return moments_value(feature, &number->moments);
    case CELL_FIRST:
    case CELL_LAST:
        return sequence_values(total, intern, evaluator->spells);
    case CELL_TOP:
        return top_value(total, intern, evaluator->spells);
    case CELL_QUANTILE:
        return quantile_value(total);
    case CELL_KIND_COUNT:
        break;
    }
    UNREACHABLE();
}

const struct row_value *evaluator_finish(struct evaluator *evaluator, uint64_t *ret_saturated)
{
    for (uint32_t i = 0; i < evaluator->count; i++) {
        sum_cells(evaluator, &evaluator->totals[i]);
        evaluator->values[i] = total_value(evaluator, &evaluator->totals[i], ret_saturated);
    }
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
