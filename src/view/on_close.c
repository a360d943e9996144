/* on_close views: one row a window, when it fires, and again when an allowed late event enters it.
 *
 * What has fired is not stored, it follows: up to state->fired, every window that holds an event
 * had its row, and so had the first window without one after each with one (the empty row). Stored
 * are only windows that were emitted more than once, or are to be: the amendments.
 *
 * The end of a bounded run emits what is ahead of the clock, up to state->finished: of the windows
 * from there back to state->fired, those that held an event had their row. Should the run be gone
 * on with, what entered one of them since makes it an amendment, and when the clock gets there it
 * fires once more; the others then reach the online store, which has not had them. */

#include "view/internal.h"

/* Whether an event is in the window, apart from those of the entry `but` (or NULL). A pane that was
 * released counts: of the windows that are still asked for, it was in all that hold it. */
static bool holds_but(const struct subject *subject, int64_t window, const struct entry *but)
{
    const struct panes_layout *layout = &subject->view->paneset->layout;
    const struct panes *panes = subject->panes;
    int64_t first = window - subject->view->plan->panes;

    if (panes->released >= first && panes->released < window)
        return true;
    for (uint32_t at = panes_before(layout, panes, first); at < panes->count; at++) {
        const char *entry = panes_entry(layout, panes, at);

        if (pane_index(entry) >= window)
            return false;
        if (but && pane_index(entry) == but->pane &&
            (!layout->split || pane_first_window(layout, entry) == but->first_window))
            continue;
        if (entry_counts(subject, entry, window))
            return true;
    }
    return false;
}

static bool holds(const struct subject *subject, int64_t window)
{
    return holds_but(subject, window, NULL);
}

int64_t on_close_next(const struct subject *subject)
{
    const struct panes_layout *layout = &subject->view->paneset->layout;
    const struct panes *panes = subject->panes;
    int64_t fired = subject->state->fired;
    int64_t windows = subject->view->plan->panes;
    int64_t next = BOUNDARY_NEVER;

    /* A pane matters up to the window behind its last one, which may get the empty row. */
    if (panes->released != PANE_NONE && panes->released + windows + 1 > fired)
        next = MAX(fired, panes->released + windows) + 1;

    uint32_t at = panes_before(layout, panes, fired - windows);
    if (at < panes->count) {
        int64_t pane = pane_index(panes_entry(layout, panes, at));

        next = MIN(next, MAX(fired, pane) + 1);
    }
    return next;
}

static void emit_as(const struct subject *subject, int64_t window, uint32_t revision, bool empty,
                    bool online_only)
{
    const struct plan_view *plan = subject->view->plan;
    struct evaluator *evaluator = subject->view->evaluator;
    int64_t end_ms = slides_boundary_ms(&subject->view->paneset->slides, window);

    emit_row(subject, &(struct row_facts){
                          .start_ms = end_ms - plan->size_ms,
                          .end_ms = end_ms,
                          .revision = revision,
                          .empty = empty,
                          .online_only = online_only,
                          .values = values_of(subject, evaluator, window - plan->panes, window),
                      });
}

/* The first window after `window` that other events may be in: a pane comes, a pane goes, or, of
 * events that came too late for some windows, theirs begin. */
static int64_t same_until(const struct subject *subject, int64_t window)
{
    const struct panes_layout *layout = &subject->view->paneset->layout;
    const struct panes *panes = subject->panes;
    int64_t windows = subject->view->plan->panes;
    uint32_t at = panes_before(layout, panes, window - windows);
    int64_t until = BOUNDARY_NEVER;

    if (panes->released >= window - windows && panes->released < window)
        until = panes->released + windows + 1;
    if (at < panes->count && pane_index(panes_entry(layout, panes, at)) < window)
        until = MIN(until, pane_index(panes_entry(layout, panes, at)) + windows + 1);
    if (!layout->split)
        at = panes_before(layout, panes, window);
    for (; at < panes->count; at++) {
        const char *entry = panes_entry(layout, panes, at);

        if (pane_index(entry) >= window) {
            until = MIN(until, pane_index(entry) + 1);
            break;
        }
        if (pane_first_window(layout, entry) > window)
            until = MIN(until, pane_first_window(layout, entry));
    }
    return until;
}

/* Emits windows first … last, which hold the same panes, for the first time. */
static void emit_alike(const struct subject *subject, int64_t first, int64_t last)
{
    const struct view *view = subject->view;
    const struct plan_view *plan = view->plan;
    uint64_t saturated = counter_get(&view->stats->saturated);
    struct row_facts facts = {
        .end_ms = slides_boundary_ms(&view->paneset->slides, first),
        .values = values_of(subject, view->evaluator, first - plan->panes, first),
    };

    saturated = counter_get(&view->stats->saturated) - saturated;
    for (int64_t window = first; window <= last; window++) {
        facts.start_ms = facts.end_ms - plan->size_ms;
        emit_row(subject, &facts);
        facts.end_ms += plan->slide_ms;
    }
    if (saturated)
        counter_add(&view->stats->saturated, saturated * (uint64_t)(last - first));
}

static void emit_window(const struct subject *subject, int64_t window, uint32_t revision,
                        bool empty)
{
    emit_as(subject, window, revision, empty, false);
}

static void emit_online(const struct subject *subject, int64_t window, uint32_t revision)
{
    emit_as(subject, window, revision, false, true);
}

/* The clock reaches a window that the end of a bounded run has fired, if it held an event. */
static void emit_finished(const struct subject *subject, int64_t window)
{
    struct amendment *item = amendment_find(subject, window);

    if (item && item->is_due) {
        item->is_due = false;
        emit_window(subject, window, ++item->revision, false);
    } else {
        emit_online(subject, window, item ? item->revision : 0);
    }
}

/* The windows up to the one before `window` have fired. */
static void fire(const struct subject *subject, int64_t window)
{
    if (!holds(subject, window)) {
        if (holds(subject, window - 1))
            emit_window(subject, window, 0, true);
    } else if (UNLIKELY(window <= subject->state->finished)) {
        emit_finished(subject, window);
    } else {
        emit_window(subject, window, 0, false);
    }
    subject->state->fired = window;
}

/* Fires `window`, and with it those up to `reached` that are like it. */
static void fire_alike(const struct subject *subject, int64_t window, int64_t reached)
{
    int64_t last;

    if (window <= subject->state->finished || !subject->view->is_exact || !holds(subject, window)) {
        fire(subject, window);
        return;
    }
    last = MIN(same_until(subject, window) - 1, reached);
    emit_alike(subject, window, last);
    subject->state->fired = last;
}

int64_t on_close_catch_up(const struct subject *subject, int64_t reached)
{
    int64_t next = on_close_next(subject);

    while (next <= reached) {
        fire_alike(subject, next, reached);
        next = on_close_next(subject);
    }
    return next;
}

/* One window that is ahead of the clock. */
static void finish(const struct subject *subject, int64_t window)
{
    struct amendment *item = amendment_find(subject, window);

    if (window > subject->state->finished && holds(subject, window)) {
        emit_window(subject, window, 0, false);
    } else if (item && item->is_due) {
        item->is_due = false;
        emit_window(subject, window, ++item->revision, false);
    }
}

void on_close_finish(const struct subject *subject)
{
    struct view_state *state = subject->state;
    int64_t fired = state->fired;
    int64_t next = on_close_next(subject);

    for (; next < BOUNDARY_NEVER; next = on_close_next(subject)) {
        int64_t last = next;

        if (next > state->finished && !state->amendments && subject->view->is_exact &&
            holds(subject, next)) {
            last = same_until(subject, next) - 1;
            emit_alike(subject, next, last);
        } else {
            finish(subject, next);
        }
        state->fired = last;
    }
    state->finished = MAX(state->finished, state->fired);
    state->fired = fired;
}

/* An event has entered a window that the clock has passed. `had_row`: one was emitted for it. */
static void amend(const struct subject *subject, int64_t window, bool had_row, int64_t watermark_ms)
{
    int64_t end_ms = slides_boundary_ms(&subject->view->paneset->slides, window);

    if (!had_row) {
        emit_window(subject, window, 0, false);
    } else if (end_ms <= watermark_ms) {
        emit_window(subject, window, ++amendment_for(subject, window)->revision, false);
    } else {
        /* It fired early, by the idle clock: once more is enough. */
        amendment_for(subject, window)->is_due = true;
        amend_at(subject->keyspace, subject->key, end_ms);
    }
}

/* An event has entered a window that the end of a bounded run has fired, if it held one before. */
static void expect(const struct subject *subject, int64_t window, bool had_row)
{
    struct amendment *item = amendment_find(subject, window);

    if (!item) {
        item = amendment_for(subject, window);
        item->revision = had_row ? 0 : REVISION_NONE;
    }
    item->is_due = true;
}

/* An event has been added to the entry. */
void on_close_entered(const struct subject *subject, const struct entry *entry,
                      int64_t watermark_ms)
{
    int64_t fired = subject->state->fired;
    int64_t last_window = entry->pane + subject->view->plan->panes;
    int64_t window = entry->first_window;

    for (; window <= MIN(last_window, fired); window++) {
        bool had_row = !entry->is_new || holds_but(subject, window, entry) ||
                       holds_but(subject, window - 1, entry);

        amend(subject, window, had_row, watermark_ms);
    }
    for (; window <= MIN(last_window, subject->state->finished); window++)
        expect(subject, window, !entry->is_new || holds_but(subject, window, entry));
    /* The window behind its last one is now the first without an event, unless it was before. */
    int64_t behind = last_window + 1;
    if (behind <= fired && entry->is_new && !holds(subject, behind) &&
        !holds_but(subject, last_window, entry))
        emit_window(subject, behind, 0, true);
    if (last_window >= fired)
        due_at_boundary(subject, MAX(fired, entry->first_window - 1) + 1);
}

void on_close_schedule(const struct subject *subject)
{
    const struct amendments *all = subject->state->amendments;

    for (uint32_t i = 0; all && i < all->len && all->items[i].window <= subject->state->fired;
         i++) {
        if (all->items[i].is_due)
            amend_at(subject->keyspace, subject->key,
                     slides_boundary_ms(&subject->view->paneset->slides, all->items[i].window));
    }
}

/* Fires again what the watermark has reached, and forgets the windows that are closed. */
void on_close_amend(const struct subject *subject, int64_t watermark_ms, int64_t release_ms)
{
    const struct slides *slides = &subject->view->paneset->slides;
    int64_t lateness_ms = subject->keyspace->source->allowed_lateness_ms;
    struct amendments *all = subject->state->amendments;
    int64_t next_ms = CALENDAR_NEVER;
    uint32_t closed = 0;

    for (uint32_t i = 0; all && i < all->len; i++) {
        struct amendment *item = &all->items[i];
        int64_t end_ms = slides_boundary_ms(slides, item->window);
        bool is_closed = release_ms >= end_ms + lateness_ms;

        if (item->window > subject->state->fired)
            break; /* fires when the clock is there */

        if (item->is_due && (watermark_ms >= end_ms || is_closed)) {
            item->is_due = false;
            emit_window(subject, item->window, ++item->revision, false);
        }
        if (is_closed)
            closed++;
        else if (item->is_due)
            next_ms = MIN(next_ms, end_ms);
    }
    amendments_drop(subject, closed);
    if (next_ms < CALENDAR_NEVER)
        amend_at(subject->keyspace, subject->key, next_ms);
}
