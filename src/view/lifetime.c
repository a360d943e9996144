/* Lifetime views: the value since the key's state began, a row for each event. The state begins
 * anew with an event more than state.ttl after the newest one, and when the watermark has got that
 * far: it is freed then. An event takes part however old it is, while there is state; where there
 * is none, one that is so old that its state would have been freed is not taken any more. A new
 * lifetime begins behind the end of the one before, so their rows never have the same bounds. */

#include "view/internal.h"

static bool has_run_out(const struct keyspace *keyspace, const struct session *state,
                        int64_t time_ms, int64_t closing_ms)
{
    int64_t until_ms = state->last_ms + keyspace->plan->state.ttl_ms;

    return time_ms > until_ms || closing_ms >= until_ms;
}

bool lifetime_is_gone(struct keyspace *keyspace, struct key_head *key, uint32_t number,
                      int64_t time_ms, const struct instant *now)
{
    const struct paneset *paneset = &keyspace->panesets[number];
    int64_t freed_ms = MAX(now->watermark_ms, keyspace->release_ms);

    if (LIKELY(freed_ms < time_ms + keyspace->plan->state.ttl_ms))
        return false;
    return !key || key_panes(keyspace, key, number)->count == 0 ||
           has_run_out(keyspace, session_at(&paneset->layout, key_panes(keyspace, key, number), 0),
                       time_ms, freed_ms);
}

static void begin(struct keyspace *keyspace, struct key_head *key, uint32_t number, int64_t time_ms)
{
    struct panes_layout *layout = &keyspace->panesets[number].layout;
    struct panes *panes = key_panes(keyspace, key, number);

    if (panes->count > 0)
        panes_drop(layout, panes, 1);
    panes_insert(layout, panes, 0, time_ms);
    session_at(layout, panes, 0)->last_ms = time_ms;
}

void lifetime_update(struct keyspace *keyspace, struct key_head *key, uint32_t number,
                     const struct event *event, const struct instant *now)
{
    struct paneset *paneset = &keyspace->panesets[number];
    struct panes *panes = key_panes(keyspace, key, number);
    int64_t closing_ms = MAX(now->watermark_ms, keyspace->release_ms);

    if (panes->count == 0 ||
        has_run_out(keyspace, session_at(&paneset->layout, panes, 0), event->time_ms, closing_ms))
        begin(keyspace, key, number, event->time_ms);

    struct session *state = session_at(&paneset->layout, panes, 0);
    char *cells = (char *)state + paneset->layout.header_bytes;

    state->start_ms = MIN(state->start_ms, event->time_ms);
    state->last_ms = MAX(state->last_ms, event->time_ms);
    pane_add(keyspace, paneset, cells, event);
    for (uint32_t i = 0; i < keyspace->source->view_count; i++) {
        struct subject subject = subject_of(keyspace, key, i);

        if (subject.view->paneset_number != number)
            continue;
        counter_add(&subject.view->stats->events, 1);
        on_update_emit(&subject, state->start_ms, state->last_ms, false,
                       values_of_cells(&subject, subject.view->evaluator, cells));
    }
}

int64_t lifetime_needed_until_ms(const struct keyspace *keyspace, const struct panes *panes,
                                 uint32_t number)
{
    if (panes->count == 0)
        return WATERMARK_NONE;
    return session_at(&keyspace->panesets[number].layout, panes, 0)->last_ms +
           keyspace->plan->state.ttl_ms;
}

void lifetime_release(struct keyspace *keyspace, struct key_head *key, uint32_t number)
{
    struct panes *panes = key_panes(keyspace, key, number);

    if (panes->count > 0 &&
        lifetime_needed_until_ms(keyspace, panes, number) <= keyspace->release_ms)
        panes_drop(&keyspace->panesets[number].layout, panes, 1);
}
