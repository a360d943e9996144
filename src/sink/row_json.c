#include "sink/row_json.h"

#include "base/text.h"

void row_json_init(struct row_json *json, const struct plan *plan, const struct plan_view *view)
{
    const struct plan_source *source = &plan->sources[view->source];

    *json = (struct row_json){.feature_count = view->feature_count};
    buf_printf(&json->head, "{\"view\":");
    text_json_string(&json->head, slice_of(view->name));
    buf_append_char(&json->head, ',');
    text_json_string(&json->head, slice_of(source->fields[source->entity].name));
    buf_append_char(&json->head, ':');

    json->features = calloc(view->feature_count, sizeof(*json->features));
    CHECK(json->features);
    for (uint32_t i = 0; i < view->feature_count; i++) {
        if (i > 0)
            buf_append_char(&json->features[i], ',');
        text_json_string(&json->features[i], slice_of(view->features[i].name));
        buf_append_char(&json->features[i], ':');
    }
}

void row_json_done(struct row_json *json)
{
    for (uint32_t i = 0; i < json->feature_count; i++)
        buf_free(&json->features[i]);
    free(json->features);
    buf_free(&json->head);
}

static void append_literal(struct buf *out, struct slice text)
{
    buf_append(out, text.data, text.len);
}

static void append_int(struct buf *out, int64_t value)
{
    out->len += text_int64(buf_reserve(out, TEXT_INT64_MAX), value);
}

static void append_value(struct buf *out, const struct row_value *value)
{
    switch (value->type) {
    case ROW_NULL:
        append_literal(out, SLICE_LITERAL("null"));
        return;
    case ROW_INT:
        append_int(out, value->i);
        return;
    case ROW_DOUBLE:
        out->len += text_double(buf_reserve(out, TEXT_DOUBLE_MAX), value->d);
        return;
    case ROW_DECIMAL:
        out->len += text_decimal(buf_reserve(out, TEXT_DECIMAL_MAX), value->i, value->scale);
        return;
    case ROW_BOOL:
        append_literal(out, value->i ? SLICE_LITERAL("true") : SLICE_LITERAL("false"));
        return;
    case ROW_STRING:
        text_json_string(out, value->text);
        return;
    case ROW_JSON:
        append_literal(out, value->text);
        return;
    }
    UNREACHABLE();
}

void row_json_append(const struct row_json *json, const struct row *row, struct buf *out)
{
    append_literal(out, buf_slice(&json->head));
    text_json_string(out, row->key);
    append_literal(out, SLICE_LITERAL(",\"window_start\":"));
    append_int(out, row->window_start_ms);
    append_literal(out, SLICE_LITERAL(",\"window_end\":"));
    append_int(out, row->window_end_ms);
    append_literal(out, SLICE_LITERAL(",\"revision\":"));
    append_int(out, row->revision);
    if (row->empty)
        append_literal(out, SLICE_LITERAL(",\"empty\":true"));
    if (row->retracted)
        append_literal(out, SLICE_LITERAL(",\"retracted\":true"));
    append_literal(out, SLICE_LITERAL(",\"features\":{"));
    for (uint32_t i = 0; i < json->feature_count; i++) {
        append_literal(out, buf_slice(&json->features[i]));
        append_value(out, &row->values[i]);
    }
    append_literal(out, SLICE_LITERAL("}}"));
}
