/* layout - panes and cells of a plan without mistakes.
 *
 *   view a: {sliding: 1h, every: 10m}  count, distinct page ──┐   paneset: slide 10m
 *   view b: {sliding: 6h, every: 10m}  count, sum amount ─────┴─▶ cells: count | distinct | sum
 *
 * Views of one source with the same slide, offset and condition share a paneset, and in it features
 * that need the same state share a cell. */
#include "plan/compile.h"

static const uint32_t cell_bytes[CELL_KIND_COUNT] = {
#define X(enumerator, bytes) [enumerator] = bytes,
    CELL_KINDS(X)
#undef X
};

#define X(enumerator, bytes) _Static_assert((bytes) % 8 == 0, "cells lie one behind the other");
CELL_KINDS(X)
#undef X

static enum cell_kind cell_kind_of(const struct plan_feature *feature)
{
    bool is_double = feature->field_type == FIELD_DOUBLE;

    switch (feature->kind) {
    case FEATURE_COUNT:
        return CELL_COUNT;
    case FEATURE_SUM:
        return is_double ? CELL_SUM_DOUBLE : CELL_SUM_INT;
    case FEATURE_MEAN:
        return is_double ? CELL_MEAN_DOUBLE : CELL_MEAN_INT;
    case FEATURE_MIN:
        return is_double ? CELL_MIN_DOUBLE : CELL_MIN_INT;
    case FEATURE_MAX:
        return is_double ? CELL_MAX_DOUBLE : CELL_MAX_INT;
    case FEATURE_DISTINCT:
        return CELL_DISTINCT;
    case FEATURE_HISTOGRAM:
        return CELL_HISTOGRAM;
    case FEATURE_VARIANCE:
    case FEATURE_STDDEV:
        return CELL_MOMENTS;
    case FEATURE_FIRST:
        return CELL_FIRST;
    case FEATURE_LAST:
    case FEATURE_LIST:
    case FEATURE_SINCE_PREVIOUS:
        return CELL_LAST;
    case FEATURE_TOP:
        return CELL_TOP;
    case FEATURE_QUANTILE:
        return CELL_QUANTILE;
    case FEATURE_KIND_COUNT:
        break;
    }
    UNREACHABLE();
}

/* How much of what it keeps, so that features that keep equally much can share it. */
static uint32_t cell_limit_of(const struct plan_feature *feature)
{
    switch (feature->kind) {
    case FEATURE_HISTOGRAM:
    case FEATURE_LIST:
        return feature->limit;
    case FEATURE_FIRST:
    case FEATURE_LAST:
        return MAX(feature->n, 1u);
    case FEATURE_SINCE_PREVIOUS:
        return 2;
    default:
        return 0;
    }
}

static uint32_t find_cell(struct plan_paneset *paneset, const struct plan_cell *wanted)
{
    for (uint32_t i = 0; i < paneset->cell_count; i++) {
        const struct plan_cell *cell = &paneset->cells[i];

        if (cell->kind == wanted->kind && cell->field == wanted->field &&
            cell->predicate == wanted->predicate && cell->limit == wanted->limit)
            return i;
    }
    paneset->cells[paneset->cell_count] = *wanted;
    paneset->cells[paneset->cell_count].offset = paneset->cell_bytes;
    paneset->cell_bytes += cell_bytes[wanted->kind];
    return paneset->cell_count++;
}

static enum paneset_kind paneset_kind_of(const struct plan_view *view)
{
    switch (view->window) {
    case WINDOW_TUMBLING:
    case WINDOW_SLIDING:
        return PANES_SLIDES;
    case WINDOW_SESSION:
        return PANES_SESSIONS;
    case WINDOW_LIFETIME:
        return PANES_LIFETIME;
    }
    UNREACHABLE();
}

static int find_paneset(struct plan_source *source, const struct plan_view *view)
{
    enum paneset_kind kind = paneset_kind_of(view);

    for (uint32_t i = 0; i < source->paneset_count; i++) {
        const struct plan_paneset *paneset = &source->panesets[i];

        if (paneset->kind == kind && paneset->slide_ms == view->slide_ms &&
            paneset->offset_ms == view->offset_ms && paneset->gap_ms == view->gap_ms &&
            paneset->predicate == view->predicate)
            return (int)i;
    }
    source->panesets[source->paneset_count] = (struct plan_paneset){.kind = kind,
                                                                    .slide_ms = view->slide_ms,
                                                                    .offset_ms = view->offset_ms,
                                                                    .gap_ms = view->gap_ms,
                                                                    .predicate = view->predicate};
    return (int)source->paneset_count++;
}

static void layout_source(struct plan *plan, struct plan_source *source)
{
    source->panesets = plan_alloc_array(plan->memory, source->view_count,
                                        sizeof(source->panesets[0]));
    for (uint32_t i = 0; i < source->view_count; i++) {
        struct plan_view *view = &plan->views[source->views[i]];

        view->paneset = find_paneset(source, view);
        struct plan_paneset *paneset = &source->panesets[view->paneset];
        paneset->panes_max = MAX(paneset->panes_max, view->panes);
        paneset->cell_count += view->feature_count; /* at most, until they are shared below */
    }
    for (uint32_t i = 0; i < source->paneset_count; i++) {
        struct plan_paneset *paneset = &source->panesets[i];

        paneset->cells = plan_alloc_array(plan->memory, paneset->cell_count,
                                          sizeof(paneset->cells[0]));
        paneset->cell_count = 0;
    }
    for (uint32_t i = 0; i < source->view_count; i++) {
        struct plan_view *view = &plan->views[source->views[i]];

        for (uint32_t j = 0; j < view->feature_count; j++) {
            struct plan_feature *feature = &view->features[j];
            struct plan_cell cell = {.kind = cell_kind_of(feature),
                                     .field = feature->field,
                                     .predicate = feature->predicate,
                                     .limit = cell_limit_of(feature)};

            feature->cell = find_cell(&source->panesets[view->paneset], &cell);
        }
    }
}

void compile_layout(struct plan *plan)
{
    for (uint32_t i = 0; i < plan->source_count; i++)
        layout_source(plan, &plan->sources[i]);
}
