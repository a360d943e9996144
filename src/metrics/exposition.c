#include "metrics/exposition.h"

#include <inttypes.h>

#include "base/text.h"

#define NS 1e-9

static const int64_t bucket_tops_ns[] = {
    1000,        2000,        5000,        10000,        20000,      50000,      100000,
    200000,      500000,      1000000,     2000000,      5000000,    10000000,   20000000,
    50000000,    100000000,   200000000,   500000000,    1000000000, 2000000000, 5000000000,
    10000000000, 20000000000, 50000000000, 100000000000,
};

static const char *type_name(enum metric_type type)
{
    static const char *const names[] = {"counter", "gauge", "histogram"};

    return names[type];
}

void exposition_family(struct exposition *text, enum metric_family family)
{
    text->family = &metric_descriptions[family];
    text->labels[0] = '\0';
    buf_printf(text->out, "# HELP %s %s\n# TYPE %s %s\n", text->family->name, text->family->help,
               text->family->name, type_name(text->family->type));
}

/* The value between quotes: backslash, quote and line feed escaped, cut where there is no room. */
static size_t label_value(char *out, size_t room, const char *value)
{
    size_t len = 0;

    for (; *value && len + 2 < room; value++) {
        if (*value == '\\' || *value == '"' || *value == '\n')
            out[len++] = '\\';
        out[len++] = *value == '\n' ? 'n' : *value;
    }
    return len;
}

void exposition_labels(struct exposition *text, const char *const *values)
{
    const char *name = text->family->labels;
    size_t len = 0;

    while (*name) {
        size_t name_len = strcspn(name, " ");
        size_t room = sizeof(text->labels) - len;

        if (name_len + 8 > room)
            break;
        len += (size_t)snprintf(text->labels + len, room, "%s%.*s=\"", len ? "," : "",
                                (int)name_len, name);
        len += label_value(text->labels + len, sizeof(text->labels) - len - 2, *values++);
        text->labels[len++] = '"';
        name += name_len + (name[name_len] == ' ');
    }
    text->labels[len] = '\0';
}

static void name_and_labels(struct exposition *text)
{
    buf_printf(text->out, "%s", text->family->name);
    if (text->labels[0])
        buf_printf(text->out, "{%s}", text->labels);
}

void exposition_uint(struct exposition *text, uint64_t value)
{
    name_and_labels(text);
    buf_printf(text->out, " %" PRIu64 "\n", value);
}

void exposition_int(struct exposition *text, int64_t value)
{
    name_and_labels(text);
    buf_printf(text->out, " %" PRId64 "\n", value);
}

void exposition_double(struct exposition *text, double value)
{
    name_and_labels(text);
    buf_append_char(text->out, ' ');
    text->out->len += text_double(buf_reserve(text->out, TEXT_DOUBLE_MAX), value);
    buf_append_char(text->out, '\n');
}

void exposition_hdr(struct exposition *text, const struct hdr *hdr)
{
    const char *comma = text->labels[0] ? "," : "";
    uint64_t below = 0;
    unsigned bucket = 0;

    for (size_t i = 0; i < ARRAY_LEN(bucket_tops_ns); i++) {
        for (; bucket < HDR_BUCKETS && hdr_bucket_top(bucket) <= bucket_tops_ns[i]; bucket++)
            below += atomic_load_explicit(&hdr->buckets[bucket], memory_order_relaxed);
        buf_printf(text->out, "%s_bucket{%s%sle=\"%.9g\"} %" PRIu64 "\n", text->family->name,
                   text->labels, comma, (double)bucket_tops_ns[i] * NS, below);
    }
    for (; bucket < HDR_BUCKETS; bucket++)
        below += atomic_load_explicit(&hdr->buckets[bucket], memory_order_relaxed);
    buf_printf(text->out, "%s_bucket{%s%sle=\"+Inf\"} %" PRIu64 "\n", text->family->name,
               text->labels, comma, below);
    buf_printf(text->out, "%s_sum{%s} %.9g\n%s_count{%s} %" PRIu64 "\n", text->family->name,
               text->labels, (double)atomic_load_explicit(&hdr->sum, memory_order_relaxed) * NS,
               text->family->name, text->labels, below);
}
