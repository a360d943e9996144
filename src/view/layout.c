#include "view/layout.h"

#include <inttypes.h>

#include "aggregate/codec.h"
#include "base/text.h"
#include "state/ids.h"
#include "view/internal.h"

static const char *const cell_names[] = {
    [CELL_COUNT] = "count",
    [CELL_SUM_INT] = "sum_int",
    [CELL_SUM_DOUBLE] = "sum_double",
    [CELL_MEAN_INT] = "mean_int",
    [CELL_MEAN_DOUBLE] = "mean_double",
    [CELL_MIN_INT] = "min_int",
    [CELL_MAX_INT] = "max_int",
    [CELL_MIN_DOUBLE] = "min_double",
    [CELL_MAX_DOUBLE] = "max_double",
    [CELL_DISTINCT] = "distinct",
    [CELL_HISTOGRAM] = "histogram",
    [CELL_MOMENTS] = "moments",
    [CELL_FIRST] = "first",
    [CELL_LAST] = "last",
    [CELL_TOP] = "top",
    [CELL_QUANTILE] = "quantile",
};
_Static_assert(ARRAY_LEN(cell_names) == CELL_KIND_COUNT, "each kind of cell has a name");

const char *const layout_paneset_names[] = {
    [PANES_SLIDES] = "slides",
    [PANES_SESSIONS] = "sessions",
    [PANES_LIFETIME] = "lifetime",
};

const char *const layout_window_names[] = {
    [WINDOW_TUMBLING] = "tumbling",
    [WINDOW_SLIDING] = "sliding",
    [WINDOW_SESSION] = "session",
    [WINDOW_LIFETIME] = "lifetime",
};

static const char *const unit_names[] = {
    [TIME_MS] = "ms",
    [TIME_S] = "s",
    [TIME_US] = "us",
    [TIME_ISO8601] = "iso8601",
};

/* ---- of a plan */

static const char *keep(struct plan_memory *memory, struct buf *text)
{
    const char *kept = plan_text(memory, buf_slice(text));

    buf_free(text);
    return kept;
}

static void path_append(struct buf *out, const struct plan_path *path)
{
    for (uint32_t i = 0; i < path->count; i++) {
        buf_append_char(out, ' ');
        text_json_string(out, path->members[i]);
    }
}

/* "amount" decimal(2) "properties" "amount" */
static void field_append(struct buf *out, const struct plan_field *field)
{
    text_json_string(out, slice_of(field->name));
    buf_printf(out, " %s", field_type_name(field->type));
    if (field->type == FIELD_DECIMAL)
        buf_printf(out, "(%u)", field->scale);
    path_append(out, &field->path);
}

static bool was_named(const struct plan_predicate *predicate, uint32_t node)
{
    for (uint32_t i = 0; i < node; i++) {
        if (predicate->nodes[i].field == predicate->nodes[node].field)
            return true;
    }
    return false;
}

/* The condition, and the fields that it is about: their names alone don't say what they are. */
static void where_append(struct buf *out, const struct plan_source *source, int number)
{
    const struct plan_predicate *predicate = &source->predicates[number];

    text_json_string(out, slice_of(predicate->text));
    for (uint32_t i = 0; i < predicate->node_count; i++) {
        if (predicate->nodes[i].field == PLAN_NONE || was_named(predicate, i))
            continue;
        buf_append(out, " of ", 4);
        field_append(out, &source->fields[predicate->nodes[i].field]);
    }
}

static const char *where_of(const struct plan_source *source, int number,
                            struct plan_memory *memory)
{
    struct buf text = {0};

    if (number == PLAN_NONE)
        return "all";
    where_append(&text, source, number);
    return keep(memory, &text);
}

static const char *cell_of(const struct plan_source *source, const struct plan_cell *cell,
                           struct plan_memory *memory)
{
    struct buf text = {0};

    buf_printf(&text, "%s %u", cell_names[cell->kind], cell->limit);
    if (cell->field != PLAN_NONE) {
        buf_append_char(&text, ' ');
        field_append(&text, &source->fields[cell->field]);
    }
    if (cell->predicate != PLAN_NONE) {
        buf_append(&text, " where ", 7);
        where_append(&text, source, cell->predicate);
    }
    return keep(memory, &text);
}

static const char *computes_of(const struct plan_feature *feature, struct plan_memory *memory)
{
    struct buf text = {0};

    buf_printf(&text, "%s", feature_kind_name(feature->kind));
    if (feature->n)
        buf_printf(&text, ",n=%u", feature->n);
    if (feature->kind == FEATURE_QUANTILE) {
        buf_append(&text, ",q=", 3);
        text.len += text_double(buf_reserve(&text, TEXT_DOUBLE_MAX), feature->q);
    }
    if (feature->sample)
        buf_append(&text, ",sample", 7);
    return keep(memory, &text);
}

static const char *source_of(const struct plan_source *source, struct plan_memory *memory)
{
    struct buf text = {0};

    buf_printf(&text, "%s entity ", source->aligned ? "aligned" : "shuffle");
    field_append(&text, &source->fields[source->entity]);
    buf_printf(&text, " time %s", unit_names[source->time_unit]);
    path_append(&text, &source->time_path);
    return keep(memory, &text);
}

static const char *dedup_of(const struct plan_source *source, struct plan_memory *memory)
{
    struct buf text = {0};

    field_append(&text, &source->fields[source->dedup_field]);
    return keep(memory, &text);
}

static void paneset_of(const struct plan *plan, const struct plan_source *source, uint32_t number,
                       struct plan_memory *memory, struct layout_paneset *ret)
{
    const struct plan_paneset *from = &source->panesets[number];

    *ret = (struct layout_paneset){
        .kind = from->kind,
        .slide_ms = from->slide_ms,
        .offset_ms = from->offset_ms,
        .gap_ms = from->gap_ms,
        .panes_max = from->panes_max,
        .split = paneset_is_split(plan, source, number),
        .levels = from->kind == PANES_SLIDES ? slides_levels(from->panes_max) : 0,
        .where = where_of(source, from->predicate, memory),
        .cells = plan_alloc_array(memory, from->cell_count, sizeof(ret->cells[0])),
        .cell_count = from->cell_count,
        .to = (int)number,
        .takes_spans = true,
    };
    for (uint32_t i = 0; i < from->cell_count; i++)
        ret->cells[i] = (struct layout_cell){cell_of(source, &from->cells[i], memory), (int)i};
}

static void view_of(const struct plan_view *from, int number, struct plan_memory *memory,
                    struct layout_view *ret)
{
    *ret = (struct layout_view){
        .name = from->name,
        .paneset = (uint32_t)from->paneset,
        .window = from->window,
        .size_ms = from->size_ms,
        .on_update = from->on_update,
        .features = plan_alloc_array(memory, from->feature_count, sizeof(ret->features[0])),
        .feature_count = from->feature_count,
        .to = number,
    };
    for (uint32_t i = 0; i < from->feature_count; i++) {
        const struct plan_feature *feature = &from->features[i];

        ret->features[i] = (struct layout_feature){
            .name = feature->name,
            .computes = computes_of(feature, memory),
            .cell = feature->cell,
        };
    }
}

void layout_of_plan(const struct plan *plan, uint32_t number, struct plan_memory *memory,
                    struct layout *ret)
{
    const struct plan_source *source = &plan->sources[number];

    *ret = (struct layout){
        .source = source_of(source, memory),
        .lateness_ms = source->allowed_lateness_ms,
        .takes_ids = true,
        .panesets = plan_alloc_array(memory, source->paneset_count, sizeof(ret->panesets[0])),
        .paneset_count = source->paneset_count,
        .views = plan_alloc_array(memory, source->view_count, sizeof(ret->views[0])),
        .view_count = source->view_count,
    };
    if (source->dedup_field != PLAN_NONE) {
        ret->dedup = dedup_of(source, memory);
        ret->dedup_width_ms = ids_width_ms(source, views_lag_max_ms(plan, source));
    }
    for (uint32_t i = 0; i < source->paneset_count; i++)
        paneset_of(plan, source, i, memory, &ret->panesets[i]);
    for (uint32_t i = 0; i < source->view_count; i++)
        view_of(&plan->views[source->views[i]], (int)i, memory, &ret->views[i]);
}

/* ---- as text, a line each
 *
 *   freshet state 1, cells 1
 *   source IDENTITY
 *   lateness MS
 *   dedup WIDTH IDENTITY
 *   paneset slides SLIDE OFFSET GAP PANES SPLIT LEVELS FILTER
 *   cell IDENTITY                                                 of the paneset before it
 *   view PANESET sliding SIZE on_close NAME
 *   feature CELL COMPUTES NAME                                    of the view before it
 *   end */

static void paneset_write(const struct layout_paneset *paneset, struct buf *out)
{
    buf_printf(out, "paneset %s %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " %d %u %s\n",
               layout_paneset_names[paneset->kind], paneset->slide_ms, paneset->offset_ms,
               paneset->gap_ms, paneset->panes_max, paneset->split, paneset->levels,
               paneset->where);
    for (uint32_t i = 0; i < paneset->cell_count; i++)
        buf_printf(out, "cell %s\n", paneset->cells[i].identity);
}

static void view_write(const struct layout_view *view, bool with_names, struct buf *out)
{
    buf_printf(out, "view %u %s %" PRId64 " %s", view->paneset, layout_window_names[view->window],
               view->size_ms, view->on_update ? "on_update" : "on_close");
    if (with_names)
        buf_printf(out, " %s", view->name);
    buf_append_char(out, '\n');
    for (uint32_t i = 0; with_names && i < view->feature_count; i++)
        buf_printf(out, "feature %u %s %s\n", view->features[i].cell, view->features[i].computes,
                   view->features[i].name);
}

void layout_write(const struct layout *layout, bool with_names, struct buf *out)
{
    buf_printf(out, LAYOUT_VERSION "\n", STATE_FORMAT, CELLS_FORMAT);
    buf_printf(out, "source %s\n", layout->source);
    if (with_names)
        buf_printf(out, "lateness %" PRId64 "\n", layout->lateness_ms);
    if (layout->dedup)
        buf_printf(out, "dedup %" PRId64 " %s\n", layout->dedup_width_ms, layout->dedup);
    for (uint32_t i = 0; i < layout->paneset_count; i++)
        paneset_write(&layout->panesets[i], out);
    for (uint32_t i = 0; i < layout->view_count; i++)
        view_write(&layout->views[i], with_names, out);
    buf_printf(out, "end\n");
}
