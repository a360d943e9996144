/* svg - plots for a page: lines over two axes, stacked bars. Self-contained SVG 1.1 within HTML.
 *
 *   y │   ╱──── p99          axes end at round numbers, linear (1, 2, 5 × 10^n) or logarithmic
 *     │ ╱                    (powers of ten); a point that is NaN, or not above 0 on a
 *     └───────── x           logarithmic axis, is left out
 *
 * Colours and fonts come from the page's style: classes s0 … s7 for series, axis, grid, mark. */
#ifndef FRESHET_BENCH_SVG_H
#define FRESHET_BENCH_SVG_H

#include "base/buf.h"

#define SVG_SERIES_MAX 8
#define SVG_POINTS_MAX 4096
#define SVG_TICKS_MAX  12

struct svg_axis {
    double min;
    double max;
    bool is_log;
    double ticks[SVG_TICKS_MAX];
    unsigned tick_count;
};

/* Round ends around the values from `min` to `max`. A linear one begins at 0 unless min is below,
 * and its ticks are at least `step_min` apart. */
void svg_axis_make(double min, double max, double step_min, struct svg_axis *ret);
void svg_axis_make_log(double min, double max, struct svg_axis *ret);

/* Where a value lies between `from` and `to`; values beyond the ends lie at them. */
double svg_axis_at(const struct svg_axis *axis, double value, double from, double to);

struct svg_series {
    const char *name;
    const double *x;
    const double *y;
    uint32_t count;
};

struct svg_plot {
    const char *title;
    const char *x_label; /* with unit */
    const char *y_label;
    bool log_y;
    bool whole_x; /* only whole numbers on the x axis */
    struct svg_series series[SVG_SERIES_MAX];
    unsigned series_count;
    double mark_x; /* a vertical line with mark_name; NaN: none */
    const char *mark_name;
};

void svg_lines(const struct svg_plot *plot, struct buf *out);

struct svg_bar {
    const char *name;
    double parts[SVG_SERIES_MAX];
};

/* Bars of parts that lie on each other. */
void svg_bars(const char *title, const char *y_label, const char *const *parts, unsigned part_count,
              const struct svg_bar *bars, unsigned bar_count, struct buf *out);

/* Text in HTML and in attributes: & < > " ' escaped, and what no page may hold left out. */
void html_text(struct buf *out, const char *text);

/* 0.25, 1500, 2.5 M: short, for ticks. */
void svg_number(struct buf *out, double value);

#endif
