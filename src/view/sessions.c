/* Session views: windows that grow with their events and end with a gap.
 *
 *   [ start … last ]  more than the gap  [ start … last ]           end = last + gap
 *                            ▲ an event here that is at most the gap from both joins them
 *
 * An event joins the sessions that it touches and that are not closed. A session fires when the
 * clock reaches its end, once for all views that share it; what fired is withdrawn when its bounds
 * change. Closed are sessions whose end and allowed lateness have passed; they are freed when
 * release gets there.
 *
 * The end of a bounded run fires the sessions that the clock has not reached. Should the run be
 * gone on with, such a session fires when it does get there: to the online store alone, if no event
 * came since. */

#include "view/internal.h"

static int64_t end_of(const struct paneset *paneset, const struct session *session)
{
    return session->last_ms + paneset->layout.plan->gap_ms;
}

static bool is_closed(const struct keyspace *keyspace, const struct paneset *paneset,
                      const struct session *session, int64_t closing_ms)
{
    return closing_ms >= end_of(paneset, session) + keyspace->source->allowed_lateness_ms;
}

/* The sessions that the time touches and that are not gone: their number, and the place of the
 * first, or where a new one belongs. */
static uint32_t touched(const struct keyspace *keyspace, const struct paneset *paneset,
                        const struct panes *panes, int64_t time_ms, int64_t release_ms,
                        uint32_t *ret_first)
{
    int64_t gap_ms = paneset->layout.plan->gap_ms;
    uint32_t end = panes_before(&paneset->layout, panes, time_ms + gap_ms + 1);
    uint32_t first = end;

    for (; first > 0; first--) {
        const struct session *before = session_at(&paneset->layout, panes, first - 1);

        if (end_of(paneset, before) < time_ms || is_closed(keyspace, paneset, before, release_ms))
            break;
    }
    *ret_first = first;
    return end - first;
}

bool sessions_are_late(struct keyspace *keyspace, struct key_head *key, uint32_t number,
                       int64_t time_ms, const struct instant *now)
{
    const struct paneset *paneset = &keyspace->panesets[number];
    struct session joined = {.start_ms = time_ms, .last_ms = time_ms};
    uint32_t first;

    if (LIKELY(!is_closed(keyspace, paneset, &joined, now->closing_ms)))
        return false;
    if (!key)
        return true;
    const struct panes *panes = key_panes(keyspace, key, number);
    uint32_t count = touched(keyspace, paneset, panes, time_ms, now->release_ms, &first);
    if (count > 0)
        joined.last_ms = MAX(time_ms,
                             session_at(&paneset->layout, panes, first + count - 1)->last_ms);
    return is_closed(keyspace, paneset, &joined, now->closing_ms);
}

enum showing {
    SHOW_ROW,
    SHOW_ONLINE, /* alone: the outputs have had the row */
    SHOW_WITHDRAWN,
};

static void emit_session(const struct subject *subject, const struct session *session,
                         enum showing showing)
{
    const struct panes_layout *layout = &subject->view->paneset->layout;
    const char *cells = (const char *)session + layout->header_bytes;

    emit_row(subject, &(struct row_facts){
                          .start_ms = session->start_ms,
                          .end_ms = end_of(subject->view->paneset, session),
                          .revision = session->revision,
                          .retracted = showing == SHOW_WITHDRAWN,
                          .online_only = showing == SHOW_ONLINE,
                          .values = values_of_cells(subject, subject->view->evaluator, cells),
                      });
}

/* A row of the session in each on_close view. */
static void emit_closed(struct keyspace *keyspace, struct key_head *key, uint32_t number,
                        const struct session *session, enum showing showing)
{
    for (uint32_t i = 0; i < keyspace->source->view_count; i++) {
        struct subject subject = subject_of(keyspace, key, i);

        if (subject.view->paneset_number == number && !subject.view->plan->on_update)
            emit_session(&subject, session, showing);
    }
}

static void retract(struct keyspace *keyspace, struct key_head *key, uint32_t number,
                    struct session *session)
{
    session->revision++;
    emit_closed(keyspace, key, number, session, SHOW_WITHDRAWN);
    session->has_fired = session->is_finished = session->is_due = false;
    session->revision = 0;
}

/* Makes one of the sessions at places first … first + count - 1, or a new one if there are none,
 * that reaches from `start_ms` to `last_ms`. */
static struct session *join(struct paneset *paneset, struct panes *panes, uint32_t first,
                            uint32_t count, int64_t start_ms, int64_t last_ms)
{
    struct panes_layout *layout = &paneset->layout;

    if (count == 0)
        panes_insert(layout, panes, first, start_ms);
    for (; count > 1; count--) {
        pane_cells_merge(layout->plan, pane_cells(layout, panes_entry(layout, panes, first)),
                         pane_cells(layout, panes_entry(layout, panes, first + 1)),
                         &layout->memory);
        panes_remove(layout, panes, first + 1);
    }
    struct session *session = session_at(layout, panes, first);
    session->start_ms = start_ms;
    session->last_ms = last_ms;
    return session;
}

/* The session that takes the event, with its bounds as they are with it; what the event is not yet
 * in. Sessions that fired with other bounds are withdrawn. */
static struct session *session_for(struct keyspace *keyspace, struct key_head *key, uint32_t number,
                                   int64_t time_ms, int64_t release_ms)
{
    struct paneset *paneset = &keyspace->panesets[number];
    struct panes *panes = key_panes(keyspace, key, number);
    int64_t start_ms = time_ms;
    int64_t last_ms = time_ms;
    uint32_t first;

    /* What is gone is not joined, and would stand in the way of one that reaches further back. */
    sessions_release(keyspace, key, number, release_ms);
    uint32_t count = touched(keyspace, paneset, panes, time_ms, release_ms, &first);

    for (uint32_t i = 0; i < count; i++) {
        const struct session *session = session_at(&paneset->layout, panes, first + i);

        start_ms = MIN(start_ms, session->start_ms);
        last_ms = MAX(last_ms, session->last_ms);
    }
    for (uint32_t i = 0; i < count; i++) {
        struct session *session = session_at(&paneset->layout, panes, first + i);

        if ((session->has_fired || session->is_finished) &&
            (session->start_ms != start_ms || session->last_ms != last_ms))
            retract(keyspace, key, number, session);
    }
    return join(paneset, panes, first, count, start_ms, last_ms);
}

static bool is_newest(const struct subject *subject, const struct session *session)
{
    return session ==
           session_at(&subject->view->paneset->layout, subject->panes, subject->panes->count - 1);
}

/* An on_update view, after an event has entered the session. */
static void show(const struct subject *subject, const struct session *session, int64_t time_ms,
                 int64_t clock_ms)
{
    const struct paneset *paneset = subject->view->paneset;
    struct view_state *state = subject->state;
    const char *cells = (const char *)session + paneset->layout.header_bytes;

    state->last.newest_ms = MAX(state->last.newest_ms, time_ms);
    if (!is_newest(subject, session))
        return; /* older than what it shows */
    if (end_of(paneset, session) <= clock_ms) {
        state->fired = MAX(state->fired, end_of(paneset, session));
        return;
    }
    on_update_emit(subject, session->start_ms, MAX(state->last.newest_ms, state->fired), false,
                   values_of_cells(subject, subject->view->evaluator, cells));
}

/* The clock has reached the end of an on_update view's session. */
static void run_out(const struct subject *subject, const struct session *session)
{
    const struct view *view = subject->view;
    int64_t end_ms = end_of(view->paneset, session);
    const char *cells = (const char *)session + view->paneset->layout.header_bytes;

    if (!is_newest(subject, session))
        return;
    subject->state->fired = end_ms;

    const struct row_value *before = values_of_cells(subject, view->before, cells);
    const struct row_value *after = values_of_cells(subject, view->evaluator, NULL);
    if (!row_values_equal(before, after, view->plan->feature_count))
        on_update_emit(subject, end_ms, end_ms, true, after);
}

/* The clock has reached its end. */
static void fire(struct keyspace *keyspace, struct key_head *key, uint32_t number,
                 struct session *session)
{
    bool has_more = !session->is_finished || session->is_due;

    session->revision += session->is_due;
    session->has_fired = true;
    session->is_finished = session->is_due = false;
    emit_closed(keyspace, key, number, session, has_more ? SHOW_ROW : SHOW_ONLINE);
    for (uint32_t i = 0; i < keyspace->source->view_count; i++) {
        struct subject subject = subject_of(keyspace, key, i);

        if (subject.view->paneset_number == number && subject.view->plan->on_update)
            run_out(&subject, session);
    }
}

/* An event has entered: rows of on_close views whose clock is past the session's end. */
static void entered(struct keyspace *keyspace, struct key_head *key, uint32_t number,
                    struct session *session, const struct instant *now)
{
    int64_t end_ms = end_of(&keyspace->panesets[number], session);

    if (end_ms > now->clock_ms) {
        session->is_due |= session->is_finished;
        due_at(keyspace, key, end_ms);
    } else if (!session->has_fired) {
        session->has_fired = true;
        emit_closed(keyspace, key, number, session, SHOW_ROW);
    } else if (end_ms <= now->watermark_ms) {
        session->revision++;
        emit_closed(keyspace, key, number, session, SHOW_ROW);
    } else {
        /* It fired early, by the idle clock: once more is enough. */
        session->is_due = true;
        amend_at(keyspace, key, end_ms);
    }
}

void sessions_update(struct keyspace *keyspace, struct key_head *key, uint32_t number,
                     const struct event *event, const struct instant *now)
{
    struct paneset *paneset = &keyspace->panesets[number];
    struct session *session = session_for(keyspace, key, number, event->time_ms, now->release_ms);

    pane_add(keyspace, paneset, (char *)session + paneset->layout.header_bytes, event);
    entered(keyspace, key, number, session, now);
    for (uint32_t i = 0; i < keyspace->source->view_count; i++) {
        struct subject subject = subject_of(keyspace, key, i);

        if (subject.view->paneset_number != number)
            continue;
        counter_add(&subject.view->stats->events, 1);
        if (subject.view->plan->on_update)
            show(&subject, session, event->time_ms, now->clock_ms);
    }
}

/* The place of the first session that has not fired: the later ones have not either. */
static uint32_t first_unfired(const struct paneset *paneset, const struct panes *panes)
{
    uint32_t at = panes->count;

    while (at > 0 && !session_at(&paneset->layout, panes, at - 1)->has_fired)
        at--;
    return at;
}

void sessions_catch_up(struct keyspace *keyspace, struct key_head *key, uint32_t number,
                       const struct instant *now)
{
    const struct paneset *paneset = &keyspace->panesets[number];
    struct panes *panes = key_panes(keyspace, key, number);

    for (uint32_t at = first_unfired(paneset, panes); at < panes->count; at++) {
        struct session *session = session_at(&paneset->layout, panes, at);

        if (end_of(paneset, session) > now->clock_ms) {
            due_at(keyspace, key, end_of(paneset, session));
            return;
        }
        fire(keyspace, key, number, session);
    }
}

void sessions_schedule(struct keyspace *keyspace, struct key_head *key, uint32_t number)
{
    const struct paneset *paneset = &keyspace->panesets[number];
    struct panes *panes = key_panes(keyspace, key, number);
    uint32_t unfired = first_unfired(paneset, panes);

    if (unfired < panes->count)
        due_at(keyspace, key, end_of(paneset, session_at(&paneset->layout, panes, unfired)));
    for (uint32_t at = 0; at < panes->count; at++) {
        const struct session *session = session_at(&paneset->layout, panes, at);

        if (session->is_due && session->has_fired)
            amend_at(keyspace, key, end_of(paneset, session));
    }
}

void sessions_finish(struct keyspace *keyspace, struct key_head *key, uint32_t number)
{
    const struct paneset *paneset = &keyspace->panesets[number];
    struct panes *panes = key_panes(keyspace, key, number);

    for (uint32_t at = first_unfired(paneset, panes); at < panes->count; at++) {
        struct session *session = session_at(&paneset->layout, panes, at);

        if (session->is_finished && !session->is_due)
            continue;
        session->revision += session->is_due;
        session->is_finished = true;
        session->is_due = false;
        emit_closed(keyspace, key, number, session, SHOW_ROW);
    }
}

void sessions_amend(struct keyspace *keyspace, struct key_head *key, uint32_t number,
                    int64_t watermark_ms)
{
    const struct paneset *paneset = &keyspace->panesets[number];
    struct panes *panes = key_panes(keyspace, key, number);

    for (uint32_t at = 0; at < panes->count; at++) {
        struct session *session = session_at(&paneset->layout, panes, at);

        if (!session->is_due || !session->has_fired)
            continue;
        if (end_of(paneset, session) > watermark_ms &&
            !is_closed(keyspace, paneset, session, keyspace->release_ms)) {
            amend_at(keyspace, key, end_of(paneset, session));
            continue;
        }
        session->is_due = false;
        session->revision++;
        emit_closed(keyspace, key, number, session, SHOW_ROW);
    }
}

void sessions_release(struct keyspace *keyspace, struct key_head *key, uint32_t number,
                      int64_t release_ms)
{
    struct paneset *paneset = &keyspace->panesets[number];
    struct panes *panes = key_panes(keyspace, key, number);
    uint32_t count = 0;

    while (count < panes->count &&
           is_closed(keyspace, paneset, session_at(&paneset->layout, panes, count), release_ms))
        count++;
    if (count > 0)
        panes_drop(&paneset->layout, panes, count);
}

int64_t sessions_needed_until_ms(struct keyspace *keyspace, const struct key_head *key,
                                 uint32_t number, const struct panes *panes)
{
    const struct paneset *paneset = &keyspace->panesets[number];
    int64_t lateness_ms = keyspace->source->allowed_lateness_ms;

    if (panes->count > 0)
        return end_of(paneset, session_at(&paneset->layout, panes, panes->count - 1)) + lateness_ms;
    /* An event that is not late may still be older than the end of the last session, which an
     * on_update view has shown. */
    return key->newest_ms + 2 * paneset->layout.plan->gap_ms + lateness_ms;
}
