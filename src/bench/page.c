#include "bench/page.h"

#include <math.h>

#include "bench/bench.h"
#include "bench/capacity.h"
#include "bench/page_internal.h"
#include "bench/svg.h"

#define RATES_MAX 64

static const char style[] =
    "body{font:15px/1.5 system-ui,sans-serif;max-width:1100px;margin:2em auto;padding:0 1em;"
    "color:#1b1f24;background:#fff}"
    "h1{font-size:1.6em}h2{font-size:1.2em;margin-top:2em;border-bottom:1px solid #d0d7de}"
    "table{border-collapse:collapse;margin:1em 0;font-size:13px}"
    "th,td{padding:3px 10px;border-bottom:1px solid #e5e9ed;text-align:right}"
    "th:first-child,td:first-child{text-align:left}"
    "p.note{color:#57606a}code{font-size:13px;background:#f3f5f7;padding:1px 4px}"
    ".plots{display:flex;flex-wrap:wrap;gap:1em}svg{width:530px;max-width:100%;height:auto}"
    "svg text{font:11px system-ui,sans-serif;fill:#57606a}"
    "svg .title{font-weight:600;font-size:13px;fill:#1b1f24}.end{text-anchor:end}"
    ".middle{text-anchor:middle}.grid{stroke:#e5e9ed}.axis{stroke:#8c959f}"
    ".mark{stroke:#8c959f;stroke-dasharray:4 3}polyline{fill:none;stroke-width:2}"
    "polyline.s0{stroke:#0969da}polyline.s1{stroke:#bc4c00}polyline.s2{stroke:#1a7f37}"
    "polyline.s3{stroke:#8250df}polyline.s4{stroke:#bf3989}polyline.s5{stroke:#9a6700}"
    "polyline.s6{stroke:#57606a}polyline.s7{stroke:#0f766e}"
    "rect.s0,circle.s0{fill:#0969da}rect.s1,circle.s1{fill:#bc4c00}"
    "rect.s2,circle.s2{fill:#1a7f37}rect.s3,circle.s3{fill:#8250df}"
    "rect.s4,circle.s4{fill:#bf3989}rect.s5,circle.s5{fill:#9a6700}"
    "rect.s6,circle.s6{fill:#57606a}rect.s7,circle.s7{fill:#0f766e}";

void page_heading(struct buf *out, const char *text)
{
    buf_printf(out, "<h2>");
    html_text(out, text);
    buf_printf(out, "</h2>\n");
}

void page_note(struct buf *out, const char *text)
{
    buf_printf(out, "<p class=\"note\">");
    html_text(out, text);
    buf_printf(out, "</p>\n");
}

void page_table(struct buf *out, const char *const *heads, unsigned count)
{
    buf_printf(out, "<table>\n<tr>");
    for (unsigned i = 0; i < count; i++) {
        buf_printf(out, "<th>");
        html_text(out, heads[i]);
        buf_printf(out, "</th>");
    }
    buf_printf(out, "</tr>\n");
}

void page_row(struct buf *out, const char *name)
{
    buf_printf(out, "<tr><td>");
    html_text(out, name);
    buf_printf(out, "</td>");
}

void page_value(struct buf *out, double value, const char *unit)
{
    struct buf text = {0};

    figure_print(&text, value, unit);
    html_text(out, isnan(value) ? "–" : buf_string(&text));
    buf_free(&text);
}

void page_figure(struct buf *out, double value, const char *unit)
{
    buf_printf(out, "<td>");
    page_value(out, value, unit);
    buf_printf(out, "</td>");
}

void page_row_end(struct buf *out)
{
    buf_printf(out, "</tr>\n");
}

void page_table_end(struct buf *out)
{
    buf_printf(out, "</table>\n");
}

/* A table of two columns from a shape's plain members. */
static void members_table(struct buf *out, const struct shape *shape, const void *object)
{
    static const char *const heads[] = {"", ""};

    page_table(out, heads, ARRAY_LEN(heads));
    for (uint32_t i = 0; i < shape->member_count; i++) {
        const struct shape_member *member = &shape->members[i];
        const char *at = (const char *)object + member->offset;
        bool is_bytes = strstr(member->name, "_bytes") != NULL;

        page_row(out, member->meaning);
        switch (member->kind) {
        case MEMBER_TEXT:
            buf_printf(out, "<td>");
            html_text(out, *(const char *const *)at ? *(const char *const *)at : "–");
            buf_printf(out, "</td>");
            break;
        case MEMBER_FLAG:
            buf_printf(out, "<td>%s</td>", *(const bool *)at ? "yes" : "no");
            break;
        case MEMBER_INT:
            page_figure(out, (double)*(const int64_t *)at, is_bytes ? "bytes" : "");
            break;
        case MEMBER_NUMBER:
            page_figure(out, *(const double *)at,
                        is_bytes                                                     ? "bytes"
                        : strcmp(member->name + strlen(member->name) - 2, "_s") == 0 ? "s"
                                                                                     : "");
            break;
        default:
            break;
        }
        page_row_end(out);
    }
    page_table_end(out);
}

/* --- latency --- */

typedef double rate_reader(const struct bench_rate *rate);

#define RATE_READER(part, member)                                                                  \
    static double part##_##member(const struct bench_rate *rate)                                   \
    {                                                                                              \
        return rate->part.member;                                                                  \
    }
RATE_READER(send_appended, p99_ms)
RATE_READER(appended_fetched, p99_ms)
RATE_READER(visible, p99_ms)
RATE_READER(fetched_redis, p50_ms)
RATE_READER(fetched_redis, p90_ms)
RATE_READER(fetched_redis, p99_ms)
RATE_READER(fetched_redis, p999_ms)

struct rate_line {
    const char *name;
    rate_reader *read;
};

static void rates_plot(const struct bench_latency *latency, const char *title,
                       const struct rate_line *lines, unsigned count, struct buf *out)
{
    struct svg_plot plot = {
        .title = title,
        .x_label = "events/s",
        .y_label = "ms",
        .log_y = true,
        .mark_x = latency->knee_per_s,
        .mark_name = "knee",
    };
    double x[RATES_MAX];
    double y[SVG_SERIES_MAX][RATES_MAX];
    uint32_t rates = MIN(latency->rates_count, (uint32_t)RATES_MAX);

    for (uint32_t i = 0; i < rates; i++)
        x[i] = latency->rates[i].wanted_per_s;
    for (unsigned s = 0; s < count; s++) {
        for (uint32_t i = 0; i < rates; i++)
            y[s][i] = lines[s].read(&latency->rates[i]);
        plot.series[plot.series_count++] = (struct svg_series){lines[s].name, x, y[s], rates};
    }
    svg_lines(&plot, out);
}

static void spread_cells(struct buf *out, const struct bench_spread *spread)
{
    page_figure(out, spread->p50_ms, "ms");
    page_figure(out, spread->p99_ms, "ms");
    page_figure(out, spread->p999_ms, "ms");
}

static void rates_table(const struct bench_latency *latency, struct buf *out)
{
    static const char *const heads[] = {
        "of saturation", "due",   "sent",        "lag", "CPU per event", "fetched → Redis p50",
        "p99",           "p99.9", "visible p50", "p99", "p99.9",         "send → appended p99",
        "→ fetched p99", "SLO",
    };

    page_table(out, heads, ARRAY_LEN(heads));
    for (uint32_t i = 0; i < latency->rates_count; i++) {
        const struct bench_rate *rate = &latency->rates[i];

        buf_printf(out, "<tr>");
        page_figure(out, rate->percent, "%");
        page_figure(out, rate->wanted_per_s, "/s");
        page_figure(out, rate->sent_per_s, "/s");
        page_figure(out, rate->lag_events, "");
        page_figure(out, rate->cpu_us, "µs");
        spread_cells(out, &rate->fetched_redis);
        spread_cells(out, &rate->visible);
        page_figure(out, rate->send_appended.p99_ms, "ms");
        page_figure(out, rate->appended_fetched.p99_ms, "ms");
        buf_printf(out, "<td>%s</td>", bench_verdict(rate));
        page_row_end(out);
    }
    page_table_end(out);
}

static void latency_section(const struct bench_report *report, struct buf *out)
{
    static const struct rate_line percentiles[] = {
        {"p50", fetched_redis_p50_ms},
        {"p90", fetched_redis_p90_ms},
        {"p99", fetched_redis_p99_ms},
        {"p99.9", fetched_redis_p999_ms},
    };
    static const struct rate_line parts[] = {
        {"appended", send_appended_p99_ms},
        {"fetched", appended_fetched_p99_ms},
        {"Redis", fetched_redis_p99_ms},
        {"visible", visible_p99_ms},
    };
    const struct bench_latency *latency = &report->latency;

    if (latency->rates_count == 0)
        return;
    page_heading(out, "Latency against load");
    buf_printf(out, "<div class=\"plots\">\n");
    rates_plot(latency, "Fetched → acknowledged by Redis", percentiles, ARRAY_LEN(percentiles),
               out);
    rates_plot(latency, "Parts of the way, p99", parts, ARRAY_LEN(parts), out);
    buf_printf(out, "</div>\n");
    rates_table(latency, out);
    buf_printf(out, "<p>Objective from fetched to acknowledged: p50 ≤ ");
    page_value(out, report->slo.p50_ms, "ms, p99 ≤ ");
    page_value(out, report->slo.p99_ms, "ms, p99.9 ≤ ");
    page_value(out, report->slo.p999_ms, "ms. Knee, the last rate that meets it: ");
    buf_printf(out, "<b>");
    page_value(out, latency->knee_per_s, "events/s");
    buf_printf(out, "</b>. %lld shards, %lld partitions, linger ", (long long)latency->shards,
               (long long)latency->partitions);
    page_value(out, latency->linger_ms, "ms");
    buf_printf(out, ".</p>\n");
    if (!latency->append_time)
        page_note(out, "This broker has no append time: “fetched” counts from the intended send "
                       "time.");
    if (latency->note)
        page_note(out, latency->note);
}

void page_write(const struct bench_report *report, struct buf *out)
{
    buf_printf(out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                    "<meta name=\"viewport\" content=\"width=device-width\">\n<title>");
    html_text(out, report->pipeline);
    buf_printf(out, ": freshet bench</title>\n<style>%s</style>\n</head>\n<body>\n<h1>", style);
    html_text(out, report->pipeline);
    buf_printf(out, ": what this host carries</h1>\n<p>freshet ");
    html_text(out, report->version);
    buf_printf(out, ", ");
    html_text(out, report->created);
    buf_printf(out, ", in ");
    page_value(out, report->took_s, "s");
    buf_printf(out, "%s</p>\n",
               report->setup.quick ? "; a quick bench, its figures are rough" : "");
    if (bench_was_busy(&report->host))
        page_note(out, "Others were busy on this host before the bench began (see its load below): "
                       "figures are of what they left.");
    page_throughput(report, out);
    latency_section(report, out);
    page_memory(report, out);
    page_checkpoints(report, out);
    page_recovery(report, out);
    page_stress(&report->overload, "Twice the load", out);
    page_stress(&report->slow_redis, "A Redis that answers late", out);
    page_formulae(report, out);
    page_heading(out, "Host");
    members_table(out, &shape_host, &report->host);
    page_heading(out, "Set-up");
    members_table(out, &shape_setup, &report->setup);
    buf_printf(out, "</body>\n</html>\n");
}
