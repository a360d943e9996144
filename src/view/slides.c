/* Tumbling and sliding windows: where events enter, what a window holds, and when a key's windows
 * fire. What is emitted is the business of on_close.c and on_update.c.
 *
 * Windows of very many slides would be long to sum up. Panes of such panesets have levels of spans
 * above them, each with the cells of 32 of the level below; an event enters its pane and the spans
 * over it, and a window is made of the largest spans that lie inside of it, then smaller ones, then
 * panes at its edges:
 *
 *   level 1          |   span 0   |   span 1   |   span 2   |
 *   panes            | 0 … 31     | 32 … 63    | 64 … 95    |
 *   window             [ panes    |  span 1    | panes  ]
 *
 * so that a window of n slides takes some 60 additions for each factor of 32 in n. */

#include "aggregate/codec.h"
#include "view/internal.h"
#include "window/lateness.h"

#define SPANS_MIN 4 /* a level pays when the longest window holds so many of its spans */

uint32_t slides_levels(int64_t panes_max)
{
    uint32_t levels = 0;

    for (int64_t width = SPAN; panes_max >= width * SPANS_MIN; width *= SPAN)
        levels++;
    return levels;
}

int64_t slides_width(uint32_t level)
{
    return INT64_C(1) << SPAN_BITS * level;
}

/* Values that come out the same to the last bit whichever spans and panes are added up. */
static bool is_exact(enum cell_kind kind)
{
    switch (kind) {
    case CELL_COUNT:
    case CELL_SUM_INT:
    case CELL_MEAN_INT:
    case CELL_MIN_INT:
    case CELL_MAX_INT:
    case CELL_DISTINCT:
    case CELL_FIRST:
    case CELL_LAST:
        return true;
    default:
        return false;
    }
}

bool slides_are_exact(const struct plan_paneset *paneset, const struct plan_view *view)
{
    if (slides_levels(paneset->panes_max) == 0)
        return true; /* the same panes are added up in the same order */
    for (uint32_t i = 0; i < view->feature_count; i++) {
        if (!is_exact(paneset->cells[view->features[i].cell].kind))
            return false;
    }
    return true;
}

/* What a summation is about. */
struct summing {
    const struct subject *subject;
    struct evaluator *evaluator;
    int64_t window; /* the boundary at which it ends, or BOUNDARY_NEVER: see entry_counts */
};

static void sum_panes(const struct summing *summing, int64_t first, int64_t end)
{
    const struct subject *subject = summing->subject;
    const struct panes_layout *layout = &subject->view->paneset->layout;
    const struct panes *panes = subject->panes;

    for (uint32_t at = panes_before(layout, panes, first); at < panes->count; at++) {
        char *entry = panes_entry(layout, panes, at);

        if (pane_index(entry) >= end)
            break;
        if (entry_counts(subject, entry, summing->window))
            evaluator_add(summing->evaluator, pane_cells(layout, entry));
    }
}

/* Spans first … end - 1, all inside the window. */
static void sum_spans(const struct summing *summing, uint32_t level, int64_t first, int64_t end)
{
    const struct subject *subject = summing->subject;
    const struct panes_layout *layout = &subject->view->paneset->layout;
    const struct panes *spans = &subject->panes[level];

    for (uint32_t at = panes_before(layout, spans, first); at < spans->count; at++) {
        char *entry = panes_entry(layout, spans, at);

        if (pane_index(entry) >= end)
            break;
        /* Events that came too late for some windows lie apart: the first window that they are in
         * stands on the span as it does on their panes. */
        if (!layout->split || pane_first_window(layout, entry) <= summing->window)
            evaluator_add(summing->evaluator, pane_cells(layout, entry));
    }
}

/* Panes first … end - 1, by the largest spans up to the level. */
static void sum_level(const struct summing *summing, uint32_t level, int64_t first, int64_t end)
{
    int64_t width = slides_width(level);
    int64_t first_span = floor_div(first + width - 1, width);
    int64_t end_span = floor_div(end, width);

    if (level == 0) {
        sum_panes(summing, first, end);
    } else if (first_span >= end_span) {
        sum_level(summing, level - 1, first, end);
    } else {
        sum_level(summing, level - 1, first, first_span * width);
        sum_spans(summing, level, first_span, end_span);
        sum_level(summing, level - 1, end_span * width, end);
    }
}

const struct row_value *values_of(const struct subject *subject, struct evaluator *evaluator,
                                  int64_t first, int64_t end)
{
    const struct paneset *paneset = subject->view->paneset;
    const struct panes *panes = subject->panes;
    struct summing summing = {subject, evaluator, end};
    uint32_t levels = paneset->levels;
    uint64_t saturated = 0;

    evaluator_begin(evaluator);
    if (panes->count > 0) {
        int64_t newest = pane_index(panes_entry(&paneset->layout, panes, panes->count - 1));

        /* What is late for a shorter view can't be told from a span when there is no window. */
        if (end == BOUNDARY_NEVER && paneset->layout.split &&
            subject->view->plan->panes < paneset->layout.plan->panes_max)
            levels = 0;
        sum_level(&summing, levels, first, MIN(end, newest + 1));
    }

    const struct row_value *values = evaluator_finish(evaluator, &saturated);
    if (saturated)
        counter_add(&subject->view->stats->saturated, saturated);
    return values;
}

void due_at_boundary(const struct subject *subject, int64_t boundary)
{
    due_at(subject->keyspace, subject->key,
           slides_boundary_ms(&subject->view->paneset->slides, boundary));
}

void slides_catch_up(struct keyspace *keyspace, struct key_head *key, uint32_t view,
                     const struct instant *now)
{
    struct subject subject = subject_of(keyspace, key, view);
    int64_t reached = slides_index(&subject.view->paneset->clock_slides, now->clock_ms);
    int64_t next = subject.view->plan->on_update ? on_update_catch_up(&subject, reached)
                                                 : on_close_catch_up(&subject, reached);

    subject.state->fired = MAX(subject.state->fired, reached);
    if (next < BOUNDARY_NEVER)
        due_at_boundary(&subject, next);
}

void slides_finish(struct keyspace *keyspace, struct key_head *key, uint32_t view)
{
    struct subject subject = subject_of(keyspace, key, view);

    if (subject.view->plan->on_update)
        on_update_finish(&subject);
    else
        on_close_finish(&subject);
}

void slides_schedule(struct keyspace *keyspace, struct key_head *key, uint32_t view)
{
    struct subject subject = subject_of(keyspace, key, view);
    int64_t next = subject.view->plan->on_update ? on_update_next(&subject)
                                                 : on_close_next(&subject);

    if (next < BOUNDARY_NEVER)
        due_at_boundary(&subject, next);
    if (!subject.view->plan->on_update)
        on_close_schedule(&subject);
}

static int64_t last_closed(struct keyspace *keyspace, struct paneset *paneset, int64_t closing_ms)
{
    return slides_index(&paneset->closed_slides,
                        closing_ms - keyspace->source->allowed_lateness_ms);
}

/* An event that is late for this view, and not for another one. */
static void late_count(const struct keyspace *keyspace, struct view *view,
                       const struct event *event)
{
    bool by_watermark = is_late(view->plan, keyspace->source->allowed_lateness_ms, event->time_ms,
                                event->watermark_ms);

    if (!by_watermark)
        counter_add(&view->stats->released, 1);
    else if (event->record) /* the others have been counted where they were read */
        counter_add(&view->stats->late, 1);
}

static void view_update(struct keyspace *keyspace, struct key_head *key, uint32_t view,
                        const struct event *event, const struct entry *entry,
                        const struct instant *now)
{
    struct subject subject = subject_of(keyspace, key, view);

    /* The key has caught up: what the clock has passed since it was last looked at was nothing. */
    subject.state->fired = MAX(subject.state->fired,
                               slides_index(&subject.view->paneset->clock_slides, now->clock_ms));
    if (entry->pane + subject.view->plan->panes < entry->first_window) {
        late_count(keyspace, subject.view, event);
        return;
    }
    counter_add(&subject.view->stats->events, 1);
    if (subject.view->plan->on_update)
        on_update_entered(&subject, entry->pane, event->time_ms);
    else
        on_close_entered(&subject, entry, now->watermark_ms);
}

/* Cells of the span of the level over a pane, for the events of one of its entries. */
static char *span_cells(struct paneset *paneset, struct panes *panes, uint32_t level, int64_t pane,
                        int64_t first_window)
{
    int64_t span = pane >> SPAN_BITS * level;
    bool is_new;

    return pane_cells(&paneset->layout,
                      panes_touch(&paneset->layout, &panes[level], span,
                                  first_window > pane + 1 ? first_window : WINDOW_EVERY, &is_new));
}

void slides_make_spans(struct keyspace *keyspace, struct key_head *key, uint32_t number)
{
    struct paneset *paneset = &keyspace->panesets[number];
    struct panes_layout *layout = &paneset->layout;
    struct panes *panes = key_panes(keyspace, key, number);
    const struct plan_field *fields = keyspace->source->fields;
    char *copy = calloc(1, layout->plan->cell_bytes + 1);
    struct buf saved = {0};

    CHECK(copy);
    for (uint32_t at = 0; at < panes->count; at++) {
        char *entry = panes_entry(layout, panes, at);

        buf_reset(&saved);
        cells_save(layout->plan, fields, pane_cells(layout, entry), keyspace->intern, &saved);
        for (uint32_t level = 1; level <= paneset->levels; level++) {
            struct slice from = buf_slice(&saved);

            CHECK(cells_load(layout->plan, fields, &from, copy, &layout->memory) == 0);
            pane_cells_merge(layout->plan,
                             span_cells(paneset, panes, level, pane_index(entry),
                                        pane_first_window(layout, entry)),
                             copy, &layout->memory);
        }
    }
    buf_free(&saved);
    free(copy);
}

void slides_update(struct keyspace *keyspace, struct key_head *key, uint32_t number,
                   const struct event *event, const struct instant *now)
{
    struct paneset *paneset = &keyspace->panesets[number];
    struct panes *panes = key_panes(keyspace, key, number);
    struct entry entry = {.pane = slides_index(&paneset->slides, event->time_ms)};

    entry.first_window = entry.pane + 1;
    if (UNLIKELY(now->closing_ms - keyspace->source->allowed_lateness_ms > event->time_ms))
        entry.first_window = MAX(entry.first_window,
                                 last_closed(keyspace, paneset, now->closing_ms) + 1);
    if (entry.pane + paneset->layout.plan->panes_max >= entry.first_window) {
        char *at = panes_touch(&paneset->layout, panes, entry.pane, entry.first_window,
                               &entry.is_new);

        pane_add(keyspace, paneset, pane_cells(&paneset->layout, at), event);
        for (uint32_t level = 1; level <= paneset->levels; level++)
            pane_add(keyspace, paneset,
                     span_cells(paneset, panes, level, entry.pane, entry.first_window), event);
    }
    for (uint32_t i = 0; i < keyspace->source->view_count; i++) {
        if (keyspace->views[i].paneset_number == number)
            view_update(keyspace, key, i, event, &entry, now);
    }
}

void slides_release(struct keyspace *keyspace, struct key_head *key, uint32_t number)
{
    struct paneset *paneset = &keyspace->panesets[number];
    struct panes *panes = key_panes(keyspace, key, number);
    int64_t kept = last_closed(keyspace, paneset, keyspace->release_ms) - paneset->keep + 1;

    for (uint32_t level = 0; level <= paneset->levels; level++) {
        uint32_t count = panes_before(&paneset->layout, &panes[level], kept);

        if (count > 0)
            panes_drop(&paneset->layout, &panes[level], count);
        kept = floor_div(kept, SPAN);
    }
    /* The spans over the edge go with the last pane: nobody looks at a key without panes again. */
    for (uint32_t level = 1; panes->count == 0 && level <= paneset->levels; level++)
        panes_drop(&paneset->layout, &panes[level], panes[level].count);
}

int64_t slides_needed_until_ms(struct keyspace *keyspace, const struct key_head *key,
                               uint32_t number, const struct panes *panes)
{
    struct paneset *paneset = &keyspace->panesets[number];
    int64_t last;

    if (panes->count > 0)
        last = pane_index(panes_entry(&paneset->layout, panes, panes->count - 1)) + paneset->keep;
    else /* the window behind its last one, which may have had the empty row */
        last = slides_index(&paneset->slides, key->newest_ms) + paneset->keep + 1;
    return slides_boundary_ms(&paneset->slides, last) + keyspace->source->allowed_lateness_ms;
}
