/* page - a report as one HTML page: figures, plots and formulae, nothing from elsewhere. */
#ifndef FRESHET_BENCH_PAGE_H
#define FRESHET_BENCH_PAGE_H

#include "bench/report.h"

void page_write(const struct bench_report *report, struct buf *out);

/* The same in few lines, for a terminal. */
void report_print(const struct bench_report *report, struct buf *out);

#endif
