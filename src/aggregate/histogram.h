/* histogram - how often each value occurs: exact to `limit` values, the others under "__other__".
 *
 * A cell is one of counts.h, the others being its rest. A pane keeps the first `limit` values that
 * it sees; a window with more than `limit` values keeps the most frequent (of equal ones the
 * smaller text). The counts of what is kept and of "__other__" add up to the number of events. */
#ifndef FRESHET_AGGREGATE_HISTOGRAM_H
#define FRESHET_AGGREGATE_HISTOGRAM_H

#include "aggregate/counts.h"
#include "base/buf.h"

void histogram_add(uint64_t *cell, struct slice value, uint32_t limit, struct cell_memory *memory);

/* Appends {"value":count,…}, keys sorted bytewise, at most `limit` beside "__other__"; the sum is
 * then empty. */
void histogram_take_json(struct counts_sum *sum, uint32_t limit, const struct intern *intern,
                         struct buf *out);

#endif
