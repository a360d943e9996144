/* top - the most frequent values: exact to 256 in a window, then with a bound.
 *
 * A cell is one of counts.h with at most 256 entries. A value that finds them all taken lowers each
 * by one instead: J. Misra, D. Gries, "Finding repeated elements" (1982). That takes 257 events
 * away, its own among them, so a count is too low by at most the cell's events / 257, never too
 * high, and the work is O(1) an event, amortised. Merging keeps the bound: the counts of both are
 * added, and the 257th largest is taken from all: P. K. Agarwal et al., "Mergeable summaries"
 * (2012).
 *
 * A window's counts are the sums of its panes': too low by at most its events / 257. */
#ifndef FRESHET_AGGREGATE_TOP_H
#define FRESHET_AGGREGATE_TOP_H

#include "aggregate/counts.h"

#define TOP_COUNTERS 256

void top_add(uint64_t *cell, struct slice value, struct cell_memory *memory);

/* Moves all of `from` into `into`. */
void top_merge(uint64_t *into, uint64_t *from, struct cell_memory *memory);

/* The `n` most frequent values of the sum, or as many as there are, to the front of sum->counts:
 * more frequent first, of equal ones the smaller text; how many it are. Nothing may be merged until
 * counts_sum_reset. */
uint32_t top_select(struct counts_sum *sum, uint32_t n, const struct intern *intern);

#endif
