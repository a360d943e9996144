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
    default:
        UNREACHABLE(); /* the others are refused */
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

static int find_paneset(struct plan_source *source, const struct plan_view *view)
{
    for (uint32_t i = 0; i < source->paneset_count; i++) {
        const struct plan_paneset *paneset = &source->panesets[i];

        if (paneset->slide_ms == view->slide_ms && paneset->offset_ms == view->offset_ms &&
            paneset->predicate == view->predicate)
            return (int)i;
    }
    source->panesets[source->paneset_count] = (struct plan_paneset){
        .slide_ms = view->slide_ms, .offset_ms = view->offset_ms, .predicate = view->predicate};
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
                                     .limit = feature->limit};

            feature->cell = find_cell(&source->panesets[view->paneset], &cell);
        }
    }
}

void compile_layout(struct plan *plan)
{
    for (uint32_t i = 0; i < plan->source_count; i++)
        layout_source(plan, &plan->sources[i]);
}
