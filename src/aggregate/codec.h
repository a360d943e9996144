/* codec - cells as bytes, to outlive the process: the same on every host, canonical, and loaded
 * from any bytes without harm.
 *
 *   pane   cell | cell | …               in the order of the plan
 *   cell   length of the body: uint | body
 *   body   nothing, if the cell is empty; else by kind:
 *
 *   count                    events: uint
 *   sum_int, sum_double      int (128 bits) | double
 *   mean_int, mean_double    count: uint | int (128 bits), or double: the sum
 *   min_…, max_…             int | double
 *   moments                  count: uint | mean: double | squares: double, unless count is 1
 *   distinct, histogram, top, first, last, quantile    see distinct.h, counts.h, sequence.h,
 *                                                      quantile.h
 *
 * with base/pack.h's spelling of numbers. An empty cell takes one byte, a count below 128 two. The
 * length lets a reader go past a cell of which it knows nothing.
 *
 * No cell says how it was written: CELLS_FORMAT stands once in whatever holds them, and goes up
 * when any of these layouts or hash64 changes.
 *
 * Whatever a cell went through, what it holds is written in one way, so that equal cells are equal
 * bytes; what would not be written so is refused. A loaded cell has the results of the saved one,
 * to the last bit, now and after whatever is added to it or merged with it. */
#ifndef FRESHET_AGGREGATE_CODEC_H
#define FRESHET_AGGREGATE_CODEC_H

#include "aggregate/cell.h"

#define CELLS_FORMAT 1

/* Appends one cell of a pane. `field` is that of the cell, NULL if it takes every event. */
void cell_save(const struct plan_cell *plan, const struct plan_field *field, const char *pane,
               const struct intern *intern, struct buf *out);

/* Reads a cell of the same kind, field type and limit from the front of `from` into its place in
 * the pane, which is zeroed. Returns 0; or -EBADMSG with the cell still empty, nothing held for it
 * and `from` untouched. Takes memory for what the bytes hold, at most some 40 times as much, or a
 * sketch of 4 KiB. */
MUST_USE int cell_load(const struct plan_cell *plan, const struct plan_field *field,
                       struct slice *from, char *pane, struct cell_memory *memory);

/* Goes past a cell of any kind. Returns 0, or -EBADMSG. */
MUST_USE int cell_skip(struct slice *from);

/* All cells of a pane. `fields` are those of the paneset's source. */
void cells_save(const struct plan_paneset *plan, const struct plan_field *fields, const char *pane,
                const struct intern *intern, struct buf *out);

/* The same into a zeroed pane; as cell_load, with all cells empty on failure. */
MUST_USE int cells_load(const struct plan_paneset *plan, const struct plan_field *fields,
                        struct slice *from, char *pane, struct cell_memory *memory);

#endif
