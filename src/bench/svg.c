#include "bench/svg.h"

#include <math.h>

#include "base/text.h"

#define WIDTH     620.0
#define HEIGHT    320.0
#define LEFT      70.0
#define RIGHT     600.0
#define TOP       36.0
#define BOTTOM    264.0
#define LEGEND_Y  312.0
#define LEGEND_DX 78.0
#define BAR_SHARE 0.6 /* of the room that a bar has */
#define TICKS     5
#define DECADES   9 /* of a logarithmic axis at most */
#define RADIUS    3

void html_text(struct buf *out, const char *text)
{
    static const char *const escapes[128] = {
        ['&'] = "&amp;", ['<'] = "&lt;", ['>'] = "&gt;", ['"'] = "&quot;", ['\''] = "&#39;"};

    if (!text || !text_is_utf8(slice_of(text)))
        text = "?";
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;

        if (c < 128 && escapes[c])
            buf_append_slice(out, slice_of(escapes[c]));
        else if ((c >= ' ' && c != 127) || c == '\n' || c == '\t')
            buf_append_char(out, (char)c);
    }
}

void svg_number(struct buf *out, double value)
{
    static const struct {
        double from;
        const char *name;
    } units[] = {{1e9, " G"}, {1e6, " M"}, {1e4, " k"}};

    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if (fabs(value) >= units[i].from) {
            buf_printf(out, "%.4g%s", value / (units[i].from == 1e4 ? 1e3 : units[i].from),
                       units[i].name);
            return;
        }
    }
    buf_printf(out, "%.4g", value);
}

/* --- axes --- */

/* 1, 2 or 5 times a power of ten, not below. */
static double round_step(double step)
{
    double power = pow(10, floor(log10(step)));
    double digit = step / power;

    return power * (digit <= 1 ? 1 : digit <= 2 ? 2 : digit <= 5 ? 5 : 10);
}

void svg_axis_make_log(double min, double max, struct svg_axis *ret)
{
    bool is_sound = isfinite(min) && isfinite(max) && min > 0;
    double first = is_sound ? floor(log10(min)) : 0;
    double last = is_sound ? fmax(ceil(log10(max)), first + 1) : 1;

    first = fmax(first, last - DECADES);
    *ret = (struct svg_axis){.min = pow(10, first), .max = pow(10, last), .is_log = true};
    for (double decade = first; decade <= last && ret->tick_count < SVG_TICKS_MAX; decade++)
        ret->ticks[ret->tick_count++] = pow(10, decade);
}

void svg_axis_make(double min, double max, double step_min, struct svg_axis *ret)
{
    bool is_sound = isfinite(min) && isfinite(max);
    double step;

    min = is_sound ? fmin(min, 0) : 0;
    max = is_sound && max > min ? max : min + 1;
    step = fmax(round_step((max - min) / TICKS), step_min);
    *ret = (struct svg_axis){.min = floor(min / step) * step};
    ret->max = fmax(ceil(max / step), ret->min / step + 1) * step;
    for (unsigned i = 0; i < SVG_TICKS_MAX && ret->min + i * step <= ret->max + step / 2; i++)
        ret->ticks[ret->tick_count++] = ret->min + i * step;
}

double svg_axis_at(const struct svg_axis *axis, double value, double from, double to)
{
    double part = axis->is_log
                      ? (log10(value) - log10(axis->min)) / (log10(axis->max) - log10(axis->min))
                      : (value - axis->min) / (axis->max - axis->min);

    return from + fmin(fmax(part, 0), 1) * (to - from);
}

/* --- what all plots have --- */

static void begin(const char *title, const char *y_label, struct buf *out)
{
    buf_printf(out, "<svg viewBox=\"0 0 %g %g\" role=\"img\" aria-label=\"", WIDTH, HEIGHT);
    html_text(out, title);
    buf_printf(out, "\">\n<text class=\"title\" x=\"%g\" y=\"16\">", LEFT);
    html_text(out, title);
    buf_printf(out, "</text>\n<text class=\"label\" x=\"%g\" y=\"%g\">", LEFT, TOP - 6);
    html_text(out, y_label);
    buf_printf(out, "</text>\n");
}

static void y_axis(const struct svg_axis *axis, struct buf *out)
{
    for (unsigned i = 0; i < axis->tick_count; i++) {
        double y = svg_axis_at(axis, axis->ticks[i], BOTTOM, TOP);

        buf_printf(out,
                   "<line class=\"grid\" x1=\"%g\" y1=\"%.1f\" x2=\"%g\" y2=\"%.1f\"/>"
                   "<text class=\"tick end\" x=\"%g\" y=\"%.1f\">",
                   LEFT, y, RIGHT, y, LEFT - 6, y + 4);
        svg_number(out, axis->ticks[i]);
        buf_printf(out, "</text>\n");
    }
}

static void x_axis(const struct svg_axis *axis, const char *label, struct buf *out)
{
    for (unsigned i = 0; i < axis->tick_count; i++) {
        double x = svg_axis_at(axis, axis->ticks[i], LEFT, RIGHT);

        buf_printf(out,
                   "<line class=\"axis\" x1=\"%.1f\" y1=\"%g\" x2=\"%.1f\" y2=\"%g\"/>"
                   "<text class=\"tick middle\" x=\"%.1f\" y=\"%g\">",
                   x, BOTTOM, x, BOTTOM + 4, x, BOTTOM + 16);
        svg_number(out, axis->ticks[i]);
        buf_printf(out, "</text>\n");
    }
    buf_printf(out,
               "<line class=\"axis\" x1=\"%g\" y1=\"%g\" x2=\"%g\" y2=\"%g\"/>"
               "<text class=\"label end\" x=\"%g\" y=\"%g\">",
               LEFT, BOTTOM, RIGHT, BOTTOM, RIGHT, BOTTOM + 32);
    html_text(out, label);
    buf_printf(out, "</text>\n");
}

static void legend(unsigned number, const char *name, struct buf *out)
{
    double x = LEFT + number * LEGEND_DX - 40;

    buf_printf(out,
               "<rect class=\"s%u\" x=\"%g\" y=\"%g\" width=\"10\" height=\"10\"/>"
               "<text class=\"tick\" x=\"%g\" y=\"%g\">",
               number, x, LEGEND_Y - 9, x + 14, LEGEND_Y);
    html_text(out, name);
    buf_printf(out, "</text>\n");
}

/* --- lines --- */

static bool is_shown(const struct svg_plot *plot, double x, double y)
{
    return isfinite(x) && isfinite(y) && (!plot->log_y || y > 0);
}

static void ranges_find(const struct svg_plot *plot, struct svg_axis *ret_x, struct svg_axis *ret_y)
{
    double x_min = INFINITY;
    double x_max = -INFINITY;
    double y_min = INFINITY;
    double y_max = -INFINITY;

    for (unsigned s = 0; s < plot->series_count; s++) {
        for (uint32_t i = 0; i < plot->series[s].count; i++) {
            double x = plot->series[s].x[i];
            double y = plot->series[s].y[i];

            if (!is_shown(plot, x, y))
                continue;
            x_min = fmin(x_min, x);
            x_max = fmax(x_max, x);
            y_min = fmin(y_min, y);
            y_max = fmax(y_max, y);
        }
    }
    svg_axis_make(x_min, x_max, plot->whole_x ? 1 : 0, ret_x);
    if (plot->log_y)
        svg_axis_make_log(y_min, y_max, ret_y);
    else
        svg_axis_make(y_min, y_max, 0, ret_y);
}

static void series_draw(const struct svg_plot *plot, unsigned number, const struct svg_axis *x_of,
                        const struct svg_axis *y_of, struct buf *out)
{
    const struct svg_series *series = &plot->series[number];
    bool few = series->count <= 40;

    buf_printf(out, "<polyline class=\"s%u\" points=\"", number);
    for (uint32_t i = 0; i < series->count; i++) {
        if (is_shown(plot, series->x[i], series->y[i]))
            buf_printf(out, "%.1f,%.1f ", svg_axis_at(x_of, series->x[i], LEFT, RIGHT),
                       svg_axis_at(y_of, series->y[i], BOTTOM, TOP));
    }
    buf_printf(out, "\"/>\n");
    for (uint32_t i = 0; few && i < series->count; i++) {
        if (is_shown(plot, series->x[i], series->y[i]))
            buf_printf(out, "<circle class=\"s%u\" cx=\"%.1f\" cy=\"%.1f\" r=\"%d\"/>\n", number,
                       svg_axis_at(x_of, series->x[i], LEFT, RIGHT),
                       svg_axis_at(y_of, series->y[i], BOTTOM, TOP), RADIUS);
    }
    legend(number, series->name, out);
}

void svg_lines(const struct svg_plot *plot, struct buf *out)
{
    struct svg_axis x;
    struct svg_axis y;

    ranges_find(plot, &x, &y);
    begin(plot->title, plot->y_label, out);
    y_axis(&y, out);
    x_axis(&x, plot->x_label, out);
    if (plot->mark_name && isfinite(plot->mark_x)) {
        double at = svg_axis_at(&x, plot->mark_x, LEFT, RIGHT);

        buf_printf(out,
                   "<line class=\"mark\" x1=\"%.1f\" y1=\"%g\" x2=\"%.1f\" y2=\"%g\"/>"
                   "<text class=\"tick\" x=\"%.1f\" y=\"%g\">",
                   at, TOP, at, BOTTOM, at + 4, TOP + 10);
        html_text(out, plot->mark_name);
        buf_printf(out, "</text>\n");
    }
    for (unsigned i = 0; i < plot->series_count; i++)
        series_draw(plot, i, &x, &y, out);
    buf_printf(out, "</svg>\n");
}

/* --- bars --- */

static double height_of(const struct svg_bar *bar, unsigned part_count)
{
    double height = 0;

    for (unsigned i = 0; i < part_count; i++)
        height += bar->parts[i] > 0 ? bar->parts[i] : 0;
    return height;
}

static void bar_draw(const struct svg_bar *bar, unsigned part_count, const struct svg_axis *axis,
                     double x, double width, struct buf *out)
{
    double below = 0;

    for (unsigned i = 0; i < part_count; i++) {
        double y_below = svg_axis_at(axis, below, BOTTOM, TOP);
        double y;

        if (!(bar->parts[i] > 0))
            continue;
        below += bar->parts[i];
        y = svg_axis_at(axis, below, BOTTOM, TOP);
        buf_printf(out,
                   "<rect class=\"s%u\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>\n",
                   i, x, y, width, y_below - y);
    }
    buf_printf(out, "<text class=\"tick middle\" x=\"%.1f\" y=\"%g\">", x + width / 2, BOTTOM + 16);
    html_text(out, bar->name);
    buf_printf(out, "</text>\n");
}

void svg_bars(const char *title, const char *y_label, const char *const *parts, unsigned part_count,
              const struct svg_bar *bars, unsigned bar_count, struct buf *out)
{
    struct svg_axis axis;
    double room = bar_count ? (RIGHT - LEFT) / bar_count : 0;
    double highest = 0;

    for (unsigned i = 0; i < bar_count; i++)
        highest = fmax(highest, height_of(&bars[i], part_count));
    svg_axis_make(0, highest, 0, &axis);
    begin(title, y_label, out);
    y_axis(&axis, out);
    for (unsigned i = 0; i < bar_count; i++)
        bar_draw(&bars[i], part_count, &axis, LEFT + (i + (1 - BAR_SHARE) / 2) * room,
                 BAR_SHARE * room, out);
    for (unsigned i = 0; i < part_count; i++)
        legend(i, parts[i], out);
    buf_printf(out, "</svg>\n");
}
