/* page_internal - the parts of the page. */
#ifndef FRESHET_BENCH_PAGE_INTERNAL_H
#define FRESHET_BENCH_PAGE_INTERNAL_H

#include "bench/report.h"

void page_heading(struct buf *out, const char *text);
void page_note(struct buf *out, const char *text);

/* A table: heads, then rows of a name and figures. */
void page_table(struct buf *out, const char *const *heads, unsigned count);
void page_row(struct buf *out, const char *name);
void page_figure(struct buf *out, double value, const char *unit);
/* The same in running text. */
void page_value(struct buf *out, double value, const char *unit);
void page_row_end(struct buf *out);
void page_table_end(struct buf *out);

/* Each nothing at all if its step was not run. */
void page_throughput(const struct bench_report *report, struct buf *out);
void page_memory(const struct bench_report *report, struct buf *out);
void page_checkpoints(const struct bench_report *report, struct buf *out);
void page_recovery(const struct bench_report *report, struct buf *out);
void page_stress(const struct bench_stress *stress, const char *title, struct buf *out);
void page_formulae(const struct bench_report *report, struct buf *out);

#endif
