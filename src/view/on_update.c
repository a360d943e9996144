/* on_update views: one row for each event, over the trailing window that ends at
 *
 *   T = the newer of the key's newest event and the last slide boundary that the clock reached
 *
 * and rows at later boundaries, while no event comes, whenever what drops out changes the values.
 *
 *   sliding    panes from floor(T) - size on       a pane drops out at boundary pane + n + 1
 *   tumbling   the pane of T                        at boundary pane + 1
 *
 * Nothing is newer than T, so a trailing window has no upper bound: all later panes are in it.
 *
 * The end of a bounded run emits the rows of boundaries to come, as if no event came any more. They
 * are noted, as amendments: should the run be gone on with, they are not emitted a second time
 * unless an event came after all, and then with the next number. */

#include "view/internal.h"

/* Panes that the trailing window reaches back from that of T. */
static int64_t reach(const struct view *view)
{
    return view->plan->window == WINDOW_SLIDING ? view->plan->panes : 0;
}

static int64_t newest_pane(const struct subject *subject)
{
    return slides_index(&subject->view->paneset->slides, subject->state->last.newest_ms);
}

/* The last boundary at or before T. */
static int64_t boundary_of_end(const struct subject *subject)
{
    return MAX(subject->state->fired, newest_pane(subject));
}

/* Whether the trailing window from pane `first` on is without an event. */
static bool is_empty_from(const struct subject *subject, int64_t first)
{
    const struct panes_layout *layout = &subject->view->paneset->layout;
    const struct panes *panes = subject->panes;

    for (uint32_t at = panes_before(layout, panes, first); at < panes->count; at++) {
        if (entry_counts(subject, panes_entry(layout, panes, at), BOUNDARY_NEVER))
            return false;
    }
    return true;
}

/* Of sessions and lifetimes. */
void on_update_emit(const struct subject *subject, int64_t start_ms, int64_t end_ms, bool empty,
                    const struct row_value *values)
{
    struct view_state *state = subject->state;
    bool again = start_ms == state->last_start_ms && end_ms == state->last.end_ms;

    state->last.revision = again ? state->last.revision + 1 : 0;
    state->last_start_ms = start_ms;
    state->last.end_ms = end_ms;
    emit_row(subject, &(struct row_facts){
                          .start_ms = start_ms,
                          .end_ms = end_ms,
                          .revision = state->last.revision,
                          .empty = empty,
                          .values = values,
                      });
}

/* A trailing window and its row. */
struct trailing {
    int64_t boundary; /* the last one at or before T */
    int64_t end_ms;   /* T */
    uint32_t revision;
    bool online_only;
};

static void emit_trailing(const struct subject *subject, const struct trailing *trailing,
                          const struct row_value *values)
{
    int64_t first = trailing->boundary - reach(subject->view);

    emit_row(subject, &(struct row_facts){
                          .start_ms = slides_boundary_ms(&subject->view->paneset->slides, first),
                          .end_ms = trailing->end_ms,
                          .revision = trailing->revision,
                          .empty = is_empty_from(subject, first),
                          .online_only = trailing->online_only,
                          .values = values,
                      });
}

/* The row that was emitted ahead of time for a window that ends at T, or NULL. */
static struct amendment *foretold(const struct subject *subject, int64_t boundary, int64_t end_ms)
{
    if (LIKELY(!subject->state->amendments) ||
        slides_boundary_ms(&subject->view->paneset->slides, boundary) != end_ms)
        return NULL;
    return amendment_find(subject, boundary);
}

/* Emits the row of T, the time by which the view is shown from now on. */
static void show(const struct subject *subject, int64_t boundary, int64_t end_ms,
                 const struct row_value *values)
{
    struct view_state *state = subject->state;
    struct amendment *before = foretold(subject, boundary, end_ms);
    struct trailing trailing = {.boundary = boundary, .end_ms = end_ms};

    /* The bounds follow from where the window ends. */
    if (end_ms == state->last.end_ms)
        trailing.revision = state->last.revision + 1;
    else if (before)
        trailing.revision = before->revision + before->is_due;
    trailing.online_only = before && !before->is_due && end_ms != state->last.end_ms;
    state->last.revision = trailing.revision;
    state->last.end_ms = end_ms;
    emit_trailing(subject, &trailing, values);
}

int64_t on_update_next(const struct subject *subject)
{
    const struct panes_layout *layout = &subject->view->paneset->layout;
    int64_t reached = reach(subject->view);
    uint32_t at;

    if (subject->panes->count == 0)
        return BOUNDARY_NEVER;
    at = panes_before(layout, subject->panes, boundary_of_end(subject) - reached);
    if (at == subject->panes->count)
        return BOUNDARY_NEVER;
    return pane_index(panes_entry(layout, subject->panes, at)) + reached + 1;
}

/* Whether the values change when a pane drops out at the boundary, one that is later than the key's
 * newest event; *ret_values are those from then on. */
static bool drops_out(const struct subject *subject, int64_t boundary,
                      const struct row_value **ret_values)
{
    const struct view *view = subject->view;
    int64_t first = boundary - reach(view);
    const struct row_value *before = values_of(subject, view->before, first - 1, BOUNDARY_NEVER);

    *ret_values = values_of(subject, view->evaluator, first, BOUNDARY_NEVER);
    return !row_values_equal(before, *ret_values, view->plan->feature_count);
}

static void fire(const struct subject *subject, int64_t boundary)
{
    const struct row_value *values;
    bool has_changed = drops_out(subject, boundary, &values);

    subject->state->fired = boundary;
    if (has_changed)
        show(subject, boundary, slides_boundary_ms(&subject->view->paneset->slides, boundary),
             values);
    amendments_drop_before(subject, boundary); /* events may still come whose T it is */
}

int64_t on_update_catch_up(const struct subject *subject, int64_t reached)
{
    int64_t next = on_update_next(subject);

    for (; next <= reached; next = on_update_next(subject))
        fire(subject, next);
    return next;
}

/* One boundary that is ahead of the clock. */
static void finish(const struct subject *subject, int64_t boundary)
{
    const struct row_value *values;
    bool has_changed = drops_out(subject, boundary, &values);
    struct amendment *item = amendment_find(subject, boundary);

    if (!has_changed || is_empty_from(subject, boundary - reach(subject->view)) ||
        (item && !item->is_due))
        return;
    if (!item) {
        item = amendment_for(subject, boundary);
        item->revision = REVISION_NONE;
    }
    item->revision++;
    item->is_due = false;

    struct trailing trailing = {
        .boundary = boundary,
        .end_ms = slides_boundary_ms(&subject->view->paneset->slides, boundary),
        .revision = item->revision,
    };
    emit_trailing(subject, &trailing, values);
}

void on_update_finish(const struct subject *subject)
{
    struct view_state *state = subject->state;
    int64_t fired = state->fired;
    int64_t next = on_update_next(subject);

    for (; next < BOUNDARY_NEVER; next = on_update_next(subject)) {
        finish(subject, next);
        state->fired = next;
    }
    state->fired = fired;
}

/* What was emitted ahead of time did not know of the event that has entered. */
static void tell_amendments(const struct subject *subject)
{
    struct amendments *all = subject->state->amendments;

    for (uint32_t i = 0; all && i < all->len; i++)
        all->items[i].is_due = true;
}

/* An event of the pane is older than the trailing window, and has no row. Of a shuffled source it
 * may have had one, if partitions were read in another order: by a process that died, and whose row
 * the online store still shows. So that it does not stay, the boundary at which the pane dropped
 * out is shown, as it would have been behind that row; unless a later one has been. */
static void show_dropped(const struct subject *subject, int64_t pane)
{
    struct view_state *state = subject->state;
    int64_t boundary = pane + reach(subject->view) + 1;
    const struct trailing trailing = {
        .boundary = boundary,
        .end_ms = slides_boundary_ms(&subject->view->paneset->slides, boundary),
        .online_only = true,
    };

    if (subject->keyspace->source->aligned || trailing.end_ms <= state->last.end_ms)
        return;
    if (!foretold(subject, boundary, trailing.end_ms)) {
        state->last.end_ms = trailing.end_ms;
        state->last.revision = REVISION_NONE;
    }
    emit_trailing(subject, &trailing,
                  values_of(subject, subject->view->evaluator, boundary - reach(subject->view),
                            BOUNDARY_NEVER));
}

/* An event of the pane has entered. */
void on_update_entered(const struct subject *subject, int64_t pane, int64_t time_ms)
{
    const struct view *view = subject->view;
    struct view_state *state = subject->state;

    tell_amendments(subject);
    state->last.newest_ms = MAX(state->last.newest_ms, time_ms);

    int64_t boundary = boundary_of_end(subject);
    int64_t first = boundary - reach(view);
    int64_t end_ms = MAX(state->last.newest_ms,
                         slides_boundary_ms(&view->paneset->slides, state->fired));

    if (pane < first) {
        show_dropped(subject, pane);
        return;
    }
    show(subject, boundary, end_ms, values_of(subject, view->evaluator, first, BOUNDARY_NEVER));
    amendments_drop_before(subject, boundary + 1);
    due_at_boundary(subject, pane + reach(view) + 1);
}
