/* on_close views: one row a window, when it fires, and again when an allowed late event enters it.
 *
 * What has fired is not stored, it follows: up to state->fired, every window that holds an event
 * had its row, and so had the first window without one after each with one (the empty row). Stored
 * are only windows that were emitted more than once, or are to be: the amendments. */

#include "view/internal.h"

#define AMENDMENTS_FIRST 2

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

static struct amendment *amendment_find(const struct subject *subject, int64_t window)
{
    struct amendments *all = subject->state->amendments;

    for (uint32_t i = 0; all && i < all->len; i++) {
        if (all->items[i].window == window)
            return &all->items[i];
    }
    return NULL;
}

static size_t amendments_bytes(uint32_t cap)
{
    return sizeof(struct amendments) + cap * sizeof(struct amendment);
}

static struct amendment *amendment_for(const struct subject *subject, int64_t window)
{
    struct arena *arena = subject->keyspace->arena;
    struct amendments *all = subject->state->amendments;
    struct amendment *found = amendment_find(subject, window);

    if (found)
        return found;
    if (!all) {
        all = arena_calloc(arena, amendments_bytes(AMENDMENTS_FIRST));
        all->cap = AMENDMENTS_FIRST;
    } else if (all->len == all->cap) {
        all = arena_resize(arena, all, amendments_bytes(all->cap), amendments_bytes(all->cap * 2));
        all->cap *= 2;
    }
    subject->state->amendments = all;
    all->items[all->len] = (struct amendment){.window = window};
    return &all->items[all->len++];
}

static void amendments_free(const struct subject *subject)
{
    struct amendments *all = subject->state->amendments;

    arena_free(subject->keyspace->arena, all, all ? amendments_bytes(all->cap) : 0);
    subject->state->amendments = NULL;
}

void on_close_done(const struct subject *subject)
{
    amendments_free(subject);
}

static void emit_window(const struct subject *subject, int64_t window, uint32_t revision,
                        bool empty)
{
    const struct plan_view *plan = subject->view->plan;
    struct evaluator *evaluator = subject->view->evaluator;
    int64_t end_ms = slides_boundary_ms(&subject->view->paneset->slides, window);

    emit_row(subject, &(struct row_facts){
                          .start_ms = end_ms - plan->size_ms,
                          .end_ms = end_ms,
                          .revision = revision,
                          .empty = empty,
                          .values = values_of(subject, evaluator, window - plan->panes, window),
                      });
}

/* The windows up to the one before `window` have fired. */
void on_close_fire(const struct subject *subject, int64_t window)
{
    if (holds(subject, window))
        emit_window(subject, window, 0, false);
    else if (!subject->keyspace->is_finishing && holds(subject, window - 1))
        emit_window(subject, window, 0, true);
    subject->state->fired = window;
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

/* An event has been added to the entry. */
void on_close_entered(const struct subject *subject, const struct entry *entry,
                      int64_t watermark_ms)
{
    int64_t fired = subject->state->fired;
    int64_t last_window = entry->pane + subject->view->plan->panes;

    for (int64_t window = entry->first_window; window <= MIN(last_window, fired); window++) {
        bool had_row = !entry->is_new || holds_but(subject, window, entry) ||
                       holds_but(subject, window - 1, entry);

        amend(subject, window, had_row, watermark_ms);
    }
    /* The window behind its last one is now the first without an event, unless it was before. */
    int64_t behind = last_window + 1;
    if (behind <= fired && entry->is_new && !holds(subject, behind) &&
        !holds_but(subject, last_window, entry))
        emit_window(subject, behind, 0, true);
    if (last_window >= fired)
        due_at_boundary(subject, MAX(fired, entry->first_window - 1) + 1);
}

/* Fires again what the watermark has reached, and forgets the windows that are closed. */
void on_close_amend(const struct subject *subject, int64_t watermark_ms, int64_t release_ms)
{
    const struct slides *slides = &subject->view->paneset->slides;
    int64_t lateness_ms = subject->keyspace->source->allowed_lateness_ms;
    struct amendments *all = subject->state->amendments;
    int64_t next_ms = CALENDAR_NEVER;
    uint32_t kept = 0;

    for (uint32_t i = 0; all && i < all->len; i++) {
        struct amendment *item = &all->items[i];
        int64_t end_ms = slides_boundary_ms(slides, item->window);
        bool is_closed = release_ms >= end_ms + lateness_ms;

        if (item->is_due && (watermark_ms >= end_ms || is_closed)) {
            item->is_due = false;
            emit_window(subject, item->window, ++item->revision, false);
        }
        if (is_closed)
            continue;
        if (item->is_due)
            next_ms = MIN(next_ms, end_ms);
        all->items[kept++] = *item;
    }
    if (all)
        all->len = kept;
    if (all && kept == 0)
        amendments_free(subject);
    if (next_ms < CALENDAR_NEVER)
        amend_at(subject->keyspace, subject->key, next_ms);
}
