#include <math.h>

#include "bench/capacity.h"

#define KIB 1024.0

static void put_grouped(struct buf *out, double value)
{
    char digits[32];
    size_t len = (size_t)snprintf(digits, sizeof(digits), "%.0f", value);

    for (size_t i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0 && digits[i - 1] != '-')
            buf_append_char(out, ',');
        buf_append_char(out, digits[i]);
    }
}

/* Three digits, or all that stand before the point. */
static void put_plain(struct buf *out, double value)
{
    if (fabs(value) >= 1000)
        put_grouped(out, value);
    else
        buf_printf(out, "%.3g", value);
}

static void put_bytes(struct buf *out, double value, const char *unit)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    size_t i = 0;

    for (; value >= KIB && i + 1 < sizeof(units) / sizeof(units[0]); i++)
        value /= KIB;
    buf_printf(out, "%.3g %s%s", value >= 1000 ? round(value) : value, units[i], unit);
}

/* 1 host, 2 hosts; s, events/s and µs are no plurals. */
static void put_unit(struct buf *out, double value, const char *unit)
{
    size_t len = strlen(unit);
    bool is_plural = len > 3 && unit[len - 1] == 's' && !strchr(unit, '/');

    buf_printf(out, "%s%.*s", len ? " " : "", (int)(len - (is_plural && value == 1)), unit);
}

void figure_print(struct buf *out, double value, const char *unit)
{
    if (isnan(value)) {
        buf_printf(out, "not measured");
    } else if (isinf(value)) {
        buf_printf(out, "never");
    } else if (strcmp(unit, "bytes") == 0) {
        put_bytes(out, value, "");
    } else if (strcmp(unit, "bytes/s") == 0) {
        put_bytes(out, value, "/s");
    } else {
        put_plain(out, value);
        put_unit(out, value, unit);
    }
}

static void headline(struct buf *out, const char *name, double value, const char *unit)
{
    buf_printf(out, "  %-18s ", name);
    figure_print(out, value, unit);
    buf_append_char(out, '\n');
}

/* Characters, not bytes: µ and − are two and three of those. */
static void pad(struct buf *out, size_t begin, size_t width)
{
    size_t shown = 0;

    for (size_t i = begin; i < out->len; i++)
        shown += ((unsigned char)out->data[i] & 0xC0) != 0x80;
    for (; shown < width; shown++)
        buf_append_char(out, ' ');
}

static void line_print(struct buf *out, const struct bench_line *line)
{
    size_t begin;

    buf_printf(out, "  %-34s ", line->name);
    begin = out->len;
    figure_print(out, line->value, line->unit);
    pad(out, begin, 18);
    buf_printf(out, " = %s  (%s)\n", line->formula, line->source);
}

void capacity_print(const struct bench_capacity *capacity, struct buf *out)
{
    const struct bench_wanted *wanted = &capacity->wanted;
    const char *group = "";

    buf_printf(out, "%s: ", capacity->pipeline);
    figure_print(out, wanted->users, "users");
    buf_printf(out, " at ");
    figure_print(out, wanted->events_per_s, "events/s");
    buf_printf(out, ", headroom %.0f %%; measured %s%s\n\n", wanted->headroom * 100,
               capacity->measured, capacity->quick ? ", a quick bench: rough" : "");
    headline(out, "hosts", capacity->hosts, "");
    headline(out, "cores in all", capacity->cores, "");
    headline(out, "memory of a host", capacity->memory_bytes, "bytes");
    headline(out, "Redis nodes", capacity->redis_nodes, "");
    headline(out, "network in", capacity->network_in_bytes_per_s, "bytes/s");
    headline(out, "network out", capacity->network_out_bytes_per_s, "bytes/s");
    for (uint32_t i = 0; i < capacity->lines_count; i++) {
        const struct bench_line *line = &capacity->lines[i];

        if (strcmp(line->group, group) != 0)
            buf_printf(out, "\n%s\n", line->group);
        group = line->group;
        line_print(out, line);
    }
    if (capacity->notes_count)
        buf_printf(out, "\nnotes\n");
    for (uint32_t i = 0; i < capacity->notes_count; i++)
        buf_printf(out, "  %s\n", capacity->notes[i].text);
}
