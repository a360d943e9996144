#include "aggregate/histogram.h"

#include "base/hash.h"
#include "base/text.h"

#define OTHER SLICE_LITERAL("__other__")

void histogram_add(uint64_t *cell, struct slice value, uint32_t limit, struct cell_memory *memory)
{
    uint64_t hash = hash64(value);

    if (counts_raise(cell, value, hash, memory))
        return;
    if (counts_len(*cell) >= limit || !counts_put(cell, value, hash, memory))
        counts_add_rest(cell, 1, memory);
}

/* Few values are the rule: insertion sort beats a call per comparison there. */
static void sort_by_text(struct value_count *counts, uint32_t len, const struct intern *intern)
{
    if (len > 16) {
        qsort_r(counts, len, sizeof(*counts), counts_by_text, (void *)intern);
        return;
    }
    for (uint32_t i = 1; i < len; i++) {
        struct value_count moving = counts[i];
        uint32_t at = i;

        for (; at > 0 && counts_by_text(&moving, &counts[at - 1], (void *)intern) < 0; at--)
            counts[at] = counts[at - 1];
        counts[at] = moving;
    }
}

static void json_entry(struct buf *out, struct slice text, uint64_t count)
{
    if (out->data[out->len - 1] != '{')
        buf_append_char(out, ',');
    text_json_string(out, text);
    buf_append_char(out, ':');
    out->len += text_int64(buf_reserve(out, TEXT_INT64_MAX), (int64_t)count);
}

void histogram_take_json(struct counts_sum *sum, uint32_t limit, const struct intern *intern,
                         struct buf *out)
{
    uint32_t len = MIN(sum->len, limit);
    uint64_t other = sum->rest;

    counts_sum_select(sum, limit, intern);
    for (uint32_t i = len; i < sum->len; i++)
        other += sum->counts[i].count;
    sort_by_text(sum->counts, len, intern);

    buf_append_char(out, '{');
    bool other_due = other > 0;
    for (uint32_t i = 0; i < len; i++) {
        struct slice text = intern_text(intern, sum->counts[i].number);
        int order = other_due ? slice_compare(OTHER, text) : 1;

        if (order < 0)
            json_entry(out, OTHER, other);
        json_entry(out, text, sum->counts[i].count + (order == 0 ? other : 0));
        other_due = other_due && order > 0;
    }
    if (other_due)
        json_entry(out, OTHER, other);
    buf_append_char(out, '}');
    counts_sum_reset(sum);
}
