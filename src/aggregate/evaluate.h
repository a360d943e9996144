/* evaluate - a view's feature values from the panes of a window.
 *
 *   evaluator_begin ─▶ evaluator_add(pane) … ─▶ evaluator_finish ─▶ values
 *
 * Panes are added in the order of their time: sums of doubles are sums of the panes' sums in that
 * order. No other value depends on it. What is added is read again by evaluator_finish, and must
 * not change until then. One evaluator per view and shard: it keeps the scratch memory of one
 * evaluation. */
#ifndef FRESHET_AGGREGATE_EVALUATE_H
#define FRESHET_AGGREGATE_EVALUATE_H

#include "aggregate/cell.h"
#include "freshet/row.h"

struct evaluator;

struct evaluator *evaluator_create(const struct plan_view *view, const struct plan_paneset *panes,
                                   const struct intern *intern);
void evaluator_free(struct evaluator *evaluator);

/* From now on values are computed, and lists and maps are not spelled out: their texts, which
 * nobody reads, are empty. */
void evaluator_spell_nothing(struct evaluator *evaluator);

void evaluator_begin(struct evaluator *evaluator);

/* `pane`: the cell bytes of one pane of the view's paneset. */
void evaluator_add(struct evaluator *evaluator, const char *pane);

/* The values, by feature number; valid until the next evaluator_begin. *ret_saturated is raised by
 * the number of sums that did not fit int64 and stand at its end. */
const struct row_value *evaluator_finish(struct evaluator *evaluator, uint64_t *ret_saturated);

/* True if both, of one view's features, are the same. */
bool row_values_equal(const struct row_value *a, const struct row_value *b, uint32_t count);

#endif
