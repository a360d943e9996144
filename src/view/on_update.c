/* on_update views: one row for each event, over the trailing window that ends at
 *
 *   T = the newer of the key's newest event and the last slide boundary that the clock reached
 *
 * and rows at later boundaries, while no event comes, whenever what drops out changes the values.
 *
 *   sliding    panes from floor(T) - size on       a pane drops out at boundary pane + n + 1
 *   tumbling   the pane of T                        at boundary pane + 1
 *
 * Nothing is newer than T, so a trailing window has no upper bound: all later panes are in it. */

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

void on_update_emit(const struct subject *subject, int64_t start_ms, int64_t end_ms, bool empty,
                    const struct row_value *values)
{
    struct view_state *state = subject->state;
    bool again = start_ms == state->last.start_ms && end_ms == state->last.end_ms;

    state->last.revision = again ? state->last.revision + 1 : 0;
    state->last.start_ms = start_ms;
    state->last.end_ms = end_ms;
    emit_row(subject, &(struct row_facts){
                          .start_ms = start_ms,
                          .end_ms = end_ms,
                          .revision = state->last.revision,
                          .empty = empty,
                          .values = values,
                      });
}

static void emit_trailing(const struct subject *subject, int64_t end_ms, int64_t boundary,
                          const struct row_value *values)
{
    int64_t first = boundary - reach(subject->view);

    on_update_emit(subject, slides_boundary_ms(&subject->view->paneset->slides, first), end_ms,
                   is_empty_from(subject, first), values);
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

/* A pane drops out at the boundary: one that is later than the key's newest event. */
void on_update_fire(const struct subject *subject, int64_t boundary)
{
    const struct view *view = subject->view;
    int64_t first = boundary - reach(view);
    const struct row_value *before = values_of(subject, view->before, first - 1, BOUNDARY_NEVER);
    const struct row_value *after = values_of(subject, view->evaluator, first, BOUNDARY_NEVER);

    subject->state->fired = boundary;
    if (subject->keyspace->is_finishing && is_empty_from(subject, first))
        return;
    if (!row_values_equal(before, after, view->plan->feature_count))
        emit_trailing(subject, slides_boundary_ms(&view->paneset->slides, boundary), boundary,
                      after);
}

/* An event of the pane has entered. */
void on_update_entered(const struct subject *subject, int64_t pane, int64_t time_ms)
{
    const struct view *view = subject->view;
    struct view_state *state = subject->state;

    state->last.newest_ms = MAX(state->last.newest_ms, time_ms);

    int64_t boundary = boundary_of_end(subject);
    int64_t first = boundary - reach(view);
    int64_t end_ms = MAX(state->last.newest_ms,
                         slides_boundary_ms(&view->paneset->slides, state->fired));

    if (pane < first)
        return; /* older than the trailing window */
    emit_trailing(subject, end_ms, boundary,
                  values_of(subject, view->evaluator, first, BOUNDARY_NEVER));
    due_at_boundary(subject, pane + reach(view) + 1);
}
