/* view_oracle - which rows a key's events lead to, by the definitions of windows and emission.
 *
 * Every event is kept. What is late, closed, empty or due is worked out anew from all events each
 * time; nothing is added up. Time comes in steps: oracle_advance, as the watermark and the clock
 * are told, and oracle_event in between. */
#ifndef FRESHET_TESTS_VIEW_ORACLE_H
#define FRESHET_TESTS_VIEW_ORACLE_H

#include "freshet/event.h"
#include "view_spec.h"

#define ORACLE_EVENTS_MAX 400
#define ORACLE_DUE_MAX    20000

struct oracle_event {
    const struct sample *sample;
    int64_t closing_ms; /* the time that closed windows to it */
};

/* A window that fired early and is to fire once more. */
struct oracle_due {
    int view;
    int key;
    int64_t end_ms;
};

/* A session, or the state of a lifetime, as the events that it is made of. */
struct oracle_session {
    int64_t start_ms;
    int64_t last_ms;
    const struct sample *events[ORACLE_EVENTS_MAX];
    size_t count;
    bool is_gone; /* joined another one */
    bool has_fired;
    bool is_due;
};

#define ORACLE_SESSIONS_MAX 400

/* Of one key in one view, in order of creation. */
struct oracle_sessions {
    struct oracle_session *all;
    size_t count;
    int64_t newest_ms; /* of the events */
    int64_t ended_ms;  /* the latest end that the clock has reached */
};

struct oracle {
    const struct spec *spec;
    struct oracle_sessions sessions[SPEC_VIEWS_MAX][SPEC_KEYS];
    uint64_t late_after_all;    /* events that turned out late for every view */
    uint64_t late_by_watermark; /* of them, those that were so by their partition's watermark */
    uint64_t duplicates;
    struct oracle_event accepted[ORACLE_EVENTS_MAX]; /* if there is a `dedup:` */
    size_t accepted_count;
    struct oracle_event events[ORACLE_EVENTS_MAX];
    size_t event_count;
    int64_t watermark_ms;
    int64_t clock_ms;
    int64_t release_ms;
    bool is_held; /* the watermark releases nothing */
    bool finishing;
    struct oracle_due due[ORACLE_DUE_MAX];
    size_t due_count;
    struct spec_rows rows[SPEC_VIEWS_MAX][SPEC_KEYS];
    uint64_t entered[SPEC_VIEWS_MAX];
    uint64_t late[SPEC_VIEWS_MAX];     /* for this view, counted by the keyspace */
    uint64_t released[SPEC_VIEWS_MAX]; /* not late by its partition's watermark, but too old */
};

typedef const struct sample *oracle_window[ORACLE_EVENTS_MAX];

static inline void oracle_init(struct oracle *oracle, const struct spec *spec)
{
    memset(oracle, 0, sizeof(*oracle));
    oracle->spec = spec;
    oracle->watermark_ms = oracle->clock_ms = oracle->release_ms = WATERMARK_NONE;
    for (int view = 0; view < SPEC_VIEWS_MAX; view++) {
        for (int key = 0; key < SPEC_KEYS; key++)
            oracle->sessions[view][key].newest_ms = oracle->sessions[view][key]
                                                        .ended_ms = WATERMARK_NONE;
    }
}

static inline void oracle_done(struct oracle *oracle)
{
    for (int view = 0; view < SPEC_VIEWS_MAX; view++) {
        for (int key = 0; key < SPEC_KEYS; key++) {
            rows_free(&oracle->rows[view][key]);
            free(oracle->sessions[view][key].all);
            oracle->sessions[view][key].all = NULL;
        }
    }
}

/* The last boundary at or before the time. */
static inline int64_t boundary_before(const struct view_spec *view, int64_t ms)
{
    int64_t rest = (ms - view->offset_ms) % view->slide_ms;

    return ms - (rest < 0 ? rest + view->slide_ms : rest);
}

static inline int64_t oracle_newest_end(const struct view_spec *view, int64_t ms)
{
    return boundary_before(view, ms) + view->size_ms;
}

/* All windows of the view that hold the time are closed: its newest is. Of sessions: the one that
 * the event alone would make. */
static inline bool oracle_is_late(const struct spec *spec, const struct view_spec *view,
                                  int64_t time_ms, int64_t closing_ms)
{
    if (view->lifetime)
        return false;
    if (view->gap_ms)
        return closing_ms >= time_ms + view->gap_ms + spec->lateness_ms;
    return closing_ms >= oracle_newest_end(view, time_ms) + spec->lateness_ms;
}

/* By the time alone: not if a session may still take it. */
static inline bool oracle_is_late_for_all(const struct oracle *oracle, int64_t time_ms,
                                          int64_t closing_ms)
{
    for (int i = 0; i < oracle->spec->view_count; i++) {
        if (oracle->spec->views[i].gap_ms || oracle->spec->views[i].lifetime ||
            !oracle_is_late(oracle->spec, &oracle->spec->views[i], time_ms, closing_ms))
            return false;
    }
    return true;
}

/* An event of the key that the view takes: it passes the filter and was not late for the view. */
static inline bool is_taken(const struct oracle *oracle, int view, int key,
                            const struct oracle_event *event)
{
    const struct view_spec *spec = &oracle->spec->views[view];

    return event->sample->key == key && spec_filters[spec->filter].takes(event->sample) &&
           !oracle_is_late(oracle->spec, spec, event->sample->time_ms, event->closing_ms);
}

/* Of its windows an event enters those that are not closed to it. */
static inline bool has_entered(const struct oracle *oracle, int view, int key,
                               const struct oracle_event *event, int64_t end_ms)
{
    int64_t time_ms = event->sample->time_ms;

    return is_taken(oracle, view, key, event) && time_ms < end_ms &&
           time_ms >= end_ms - oracle->spec->views[view].size_ms &&
           event->closing_ms < end_ms + oracle->spec->lateness_ms;
}

static inline size_t events_in_window(const struct oracle *oracle, int view, int key,
                                      int64_t end_ms, oracle_window out)
{
    size_t count = 0;

    for (size_t i = 0; i < oracle->event_count; i++) {
        if (has_entered(oracle, view, key, &oracle->events[i], end_ms))
            out[count++] = oracle->events[i].sample;
    }
    return count;
}

static inline bool window_holds(const struct oracle *oracle, int view, int key, int64_t end_ms)
{
    oracle_window events;

    return events_in_window(oracle, view, key, end_ms, events) > 0;
}

static inline size_t rows_of_window(const struct oracle *oracle, int view, int key,
                                    int64_t start_ms, int64_t end_ms)
{
    const struct spec_rows *rows = &oracle->rows[view][key];
    size_t count = 0;

    for (size_t i = 0; i < rows->count; i++)
        count += rows->rows[i].start_ms == start_ms && rows->rows[i].end_ms == end_ms &&
                 !rows->rows[i].is_before && !rows->rows[i].online_only;
    return count;
}

static inline void oracle_emit(struct oracle *oracle, int view, int key, int64_t start_ms,
                               int64_t end_ms, oracle_window events, size_t count)
{
    size_t revision = rows_of_window(oracle, view, key, start_ms, end_ms);
    struct spec_row *row = row_append(&oracle->rows[view][key]);

    row->start_ms = start_ms;
    row->end_ms = end_ms;
    row->revision = (uint32_t)revision;
    row->empty = count == 0;
    row->online = !oracle->finishing;
    values_text(row->values, &oracle->spec->views[view], events, count);
}

static inline void emit_window(struct oracle *oracle, int view, int key, int64_t end_ms)
{
    oracle_window events;
    size_t count = events_in_window(oracle, view, key, end_ms, events);

    oracle_emit(oracle, view, key, end_ms - oracle->spec->views[view].size_ms, end_ms, events,
                count);
}

static inline size_t window_rows(const struct oracle *oracle, int view, int key, int64_t end_ms)
{
    return rows_of_window(oracle, view, key, end_ms - oracle->spec->views[view].size_ms, end_ms);
}

/* The times of the key's events that the view takes; false if there is none. */
static inline bool times_of(const struct oracle *oracle, int view, int key, int64_t *ret_first_ms,
                            int64_t *ret_last_ms)
{
    *ret_first_ms = INT64_MAX;
    *ret_last_ms = INT64_MIN;
    for (size_t i = 0; i < oracle->event_count; i++) {
        if (is_taken(oracle, view, key, &oracle->events[i])) {
            *ret_first_ms = MIN(*ret_first_ms, oracle->events[i].sample->time_ms);
            *ret_last_ms = MAX(*ret_last_ms, oracle->events[i].sample->time_ms);
        }
    }
    return *ret_first_ms <= *ret_last_ms;
}

/* on_close: the windows that end behind `from` and not behind `to` fire: those that hold an event,
 * and of the others each that follows one that does. */
static inline void fire_windows(struct oracle *oracle, int view, int key, int64_t from, int64_t to)
{
    const struct view_spec *spec = &oracle->spec->views[view];
    int64_t first_ms, last_ms;

    if (!times_of(oracle, view, key, &first_ms, &last_ms))
        return;
    to = MIN(to, last_ms + spec->size_ms + 2 * spec->slide_ms);
    for (int64_t end_ms = boundary_before(spec, MAX(from, first_ms)) + spec->slide_ms; end_ms <= to;
         end_ms += spec->slide_ms) {
        bool is_behind = !oracle->finishing &&
                         window_holds(oracle, view, key, end_ms - spec->slide_ms);

        if (window_holds(oracle, view, key, end_ms) || is_behind)
            emit_window(oracle, view, key, end_ms);
    }
}

/* on_update: the trailing window that ends at T begins at its last boundary, sliding a size before.
 */
static inline int64_t trailing_start(const struct view_spec *view, int64_t t_ms)
{
    return boundary_before(view, t_ms) - (view->tumbling ? 0 : view->size_ms);
}

static inline size_t events_since(const struct oracle *oracle, int view, int key, int64_t start_ms,
                                  oracle_window out)
{
    size_t count = 0;

    for (size_t i = 0; i < oracle->event_count; i++) {
        if (is_taken(oracle, view, key, &oracle->events[i]) &&
            oracle->events[i].sample->time_ms >= start_ms)
            out[count++] = oracle->events[i].sample;
    }
    return count;
}

/* Whether the values are those of the last row; before the first, the empty ones. */
static inline bool is_shown(const struct oracle *oracle, int view, int key, oracle_window events,
                            size_t count)
{
    const struct spec_rows *rows = &oracle->rows[view][key];
    char values[SPEC_VALUES];
    char shown[SPEC_VALUES];

    values_text(values, &oracle->spec->views[view], events, count);
    values_text(shown, &oracle->spec->views[view], events, 0);
    return strcmp(values, rows->count ? rows->rows[rows->count - 1].values : shown) == 0;
}

/* on_update: a row at each boundary behind `from`, up to `to`, that is later than the newest event
 * and changes the values. */
static inline void expire(struct oracle *oracle, int view, int key, int64_t from, int64_t to)
{
    const struct view_spec *spec = &oracle->spec->views[view];
    int64_t first_ms, newest_ms;
    oracle_window events;
    size_t count = 1;

    if (!times_of(oracle, view, key, &first_ms, &newest_ms))
        return;
    for (int64_t t_ms = boundary_before(spec, MAX(from, newest_ms)) + spec->slide_ms;
         t_ms <= to && count > 0; t_ms += spec->slide_ms) {
        int64_t start_ms = trailing_start(spec, t_ms);

        count = events_since(oracle, view, key, start_ms, events);
        if ((count > 0 || !oracle->finishing) && !is_shown(oracle, view, key, events, count))
            oracle_emit(oracle, view, key, start_ms, t_ms, events, count);
    }
}

static inline int64_t session_end(const struct oracle *oracle, int view,
                                  const struct oracle_session *session)
{
    return session->last_ms + oracle->spec->views[view].gap_ms;
}

static inline void emit_session(struct oracle *oracle, int view, int key,
                                struct oracle_session *session, bool retracted)
{
    struct spec_rows *rows = &oracle->rows[view][key];

    oracle_emit(oracle, view, key, session->start_ms, session_end(oracle, view, session),
                session->events, session->count);
    rows->rows[rows->count - 1].retracted = retracted;
    if (retracted)
        rows->rows[rows->count - 1].online = false;
}

static inline struct oracle_session *newest_session(struct oracle_sessions *sessions)
{
    struct oracle_session *newest = NULL;

    for (size_t i = 0; i < sessions->count; i++) {
        struct oracle_session *session = &sessions->all[i];

        if (!session->is_gone && (!newest || session->last_ms > newest->last_ms))
            newest = session;
    }
    return newest;
}

/* on_update: the newest session runs out. */
static inline void run_out(struct oracle *oracle, int view, int key, struct oracle_session *session)
{
    const struct view_spec *spec = &oracle->spec->views[view];
    int64_t end_ms = session_end(oracle, view, session);
    oracle_window none;
    char shown[SPEC_VALUES];
    char empty[SPEC_VALUES];

    values_text(shown, spec, session->events, session->count);
    values_text(empty, spec, none, 0);
    if (strcmp(shown, empty) != 0)
        oracle_emit(oracle, view, key, end_ms, end_ms, none, 0);
}

/* The sessions whose end the clock has reached, in order of their ends. */
static inline void fire_sessions(struct oracle *oracle, int view, int key, int64_t to)
{
    struct oracle_sessions *sessions = &oracle->sessions[view][key];

    for (;;) {
        struct oracle_session *next = NULL;

        for (size_t i = 0; i < sessions->count; i++) {
            struct oracle_session *session = &sessions->all[i];

            if (!session->is_gone && !session->has_fired &&
                session_end(oracle, view, session) <= to &&
                (!next || session->last_ms < next->last_ms))
                next = session;
        }
        if (!next)
            return;
        next->has_fired = true;
        if (!oracle->spec->views[view].on_update)
            emit_session(oracle, view, key, next, false);
        else if (next == newest_session(sessions) && !oracle->finishing)
            run_out(oracle, view, key, next);
        if (!oracle->finishing)
            sessions->ended_ms = MAX(sessions->ended_ms, session_end(oracle, view, next));
    }
}

static inline void fire_views(struct oracle *oracle, int64_t from, int64_t to)
{
    for (int view = 0; view < oracle->spec->view_count; view++) {
        for (int key = 0; key < SPEC_KEYS; key++) {
            if (oracle->spec->views[view].lifetime)
                continue;
            else if (oracle->spec->views[view].gap_ms)
                fire_sessions(oracle, view, key, to);
            else if (oracle->spec->views[view].on_update)
                expire(oracle, view, key, from, to);
            else
                fire_windows(oracle, view, key, from, to);
        }
    }
}

/* Windows that fired early, and were entered since, fire once more when the watermark is there. */
static inline void fire_due(struct oracle *oracle)
{
    size_t kept = 0;

    for (size_t i = 0; i < oracle->due_count; i++) {
        struct oracle_due due = oracle->due[i];

        if (oracle->watermark_ms >= due.end_ms)
            emit_window(oracle, due.view, due.key, due.end_ms);
        else
            oracle->due[kept++] = due;
    }
    oracle->due_count = kept;
    for (int view = 0; view < oracle->spec->view_count; view++) {
        for (int key = 0; key < SPEC_KEYS; key++) {
            struct oracle_sessions *sessions = &oracle->sessions[view][key];

            for (size_t i = 0; i < sessions->count; i++) {
                struct oracle_session *session = &sessions->all[i];

                if (!session->is_due || session->is_gone ||
                    oracle->watermark_ms < session_end(oracle, view, session))
                    continue;
                session->is_due = false;
                emit_session(oracle, view, key, session, false);
            }
        }
    }
}

static inline int64_t lag_max_ms(const struct spec *spec)
{
    int64_t lag_ms = spec->ttl_ms;

    for (int i = 0; i < spec->view_count; i++)
        lag_ms = MAX(lag_ms, (spec->views[i].gap_ms     ? spec->views[i].gap_ms
                              : spec->views[i].lifetime ? 0
                                                        : spec->views[i].size_ms) +
                                 spec->lateness_ms);
    return lag_ms;
}

static inline void oracle_advance(struct oracle *oracle, int64_t watermark_ms, int64_t clock_ms)
{
    int64_t before_ms = oracle->clock_ms;

    oracle->watermark_ms = MAX(oracle->watermark_ms, watermark_ms);
    oracle->clock_ms = MAX(MAX(oracle->clock_ms, clock_ms), oracle->watermark_ms);
    oracle->release_ms = MAX(oracle->release_ms, oracle->clock_ms - lag_max_ms(oracle->spec));
    if (!oracle->is_held)
        oracle->release_ms = MAX(oracle->release_ms, watermark_ms);
    fire_due(oracle);
    if (oracle->clock_ms > before_ms)
        fire_views(oracle, before_ms, oracle->clock_ms);
}

static inline void make_due(struct oracle *oracle, int view, int key, int64_t end_ms)
{
    for (size_t i = 0; i < oracle->due_count; i++) {
        const struct oracle_due *due = &oracle->due[i];

        if (due->view == view && due->key == key && due->end_ms == end_ms)
            return;
    }
    assert_true(oracle->due_count < ORACLE_DUE_MAX);
    oracle->due[oracle->due_count++] = (struct oracle_due){view, key, end_ms};
}

/* on_close: the event has entered windows that the clock has passed. Each of them has a row at once
 * if it had none, or if the watermark is there; so has a window behind that is now the first
 * without an event. */
static inline void amend_windows(struct oracle *oracle, int view, const struct oracle_event *event)
{
    const struct view_spec *spec = &oracle->spec->views[view];
    int key = event->sample->key;
    int64_t end_ms = boundary_before(spec, event->sample->time_ms) + spec->slide_ms;
    int64_t behind_ms = oracle_newest_end(spec, event->sample->time_ms) + spec->slide_ms;

    for (; end_ms < behind_ms && end_ms <= oracle->clock_ms; end_ms += spec->slide_ms) {
        if (!has_entered(oracle, view, key, event, end_ms))
            continue;
        if (window_rows(oracle, view, key, end_ms) == 0 || end_ms <= oracle->watermark_ms)
            emit_window(oracle, view, key, end_ms);
        else
            make_due(oracle, view, key, end_ms);
    }
    if (behind_ms <= oracle->clock_ms && !window_holds(oracle, view, key, behind_ms) &&
        window_rows(oracle, view, key, behind_ms) == 0)
        emit_window(oracle, view, key, behind_ms);
}

/* Whether a row has shown the view at the time, or later. */
static inline bool was_shown_at(const struct spec_rows *rows, int64_t t_ms)
{
    for (size_t i = 0; i < rows->count; i++) {
        if (rows->rows[i].end_ms >= t_ms)
            return true;
    }
    return false;
}

/* on_update: an event that is older than the trailing window has no row. Of a shuffled source it
 * may have had one in a run that died, so the online store is told of the boundary at which it
 * dropped out, if it has not been told of a later one. */
static inline void update_dropped(struct oracle *oracle, int view, const struct sample *sample)
{
    const struct view_spec *spec = &oracle->spec->views[view];
    struct spec_rows *rows = &oracle->rows[view][sample->key];
    int64_t t_ms = boundary_before(spec, sample->time_ms) + spec->slide_ms +
                   (spec->tumbling ? 0 : spec->size_ms);
    oracle_window events;

    if (oracle->spec->aligned || was_shown_at(rows, t_ms))
        return;
    int64_t start_ms = trailing_start(spec, t_ms);
    size_t count = events_since(oracle, view, sample->key, start_ms, events);

    oracle_emit(oracle, view, sample->key, start_ms, t_ms, events, count);
    rows->rows[rows->count - 1].online_only = true;
}

/* on_update: the row of an event, unless it is older than the trailing window. */
static inline void update(struct oracle *oracle, int view, const struct oracle_event *event)
{
    const struct view_spec *spec = &oracle->spec->views[view];
    int64_t first_ms, t_ms;
    oracle_window events;

    times_of(oracle, view, event->sample->key, &first_ms, &t_ms);
    if (oracle->clock_ms != WATERMARK_NONE)
        t_ms = MAX(t_ms, boundary_before(spec, oracle->clock_ms));
    int64_t start_ms = trailing_start(spec, t_ms);

    if (event->sample->time_ms < start_ms) {
        update_dropped(oracle, view, event->sample);
        return;
    }
    size_t count = events_since(oracle, view, event->sample->key, start_ms, events);
    oracle_emit(oracle, view, event->sample->key, start_ms, t_ms, events, count);
}

/* The session is open, and at most the gap from the time. Under shuffle it is the watermark of all
 * partitions that closes sessions. */
static inline bool is_touched(const struct oracle *oracle, int view,
                              const struct oracle_session *session, int64_t time_ms,
                              int64_t closing_ms)
{
    int64_t gap_ms = oracle->spec->views[view].gap_ms;

    if (!oracle->spec->aligned)
        closing_ms = oracle->release_ms;

    return !session->is_gone && session->start_ms <= time_ms + gap_ms &&
           session->last_ms + gap_ms >= time_ms &&
           closing_ms < session->last_ms + gap_ms + oracle->spec->lateness_ms;
}

static inline bool is_late_for_sessions(const struct oracle *oracle, int view, int key,
                                        int64_t time_ms, int64_t closing_ms)
{
    const struct oracle_sessions *sessions = &oracle->sessions[view][key];
    int64_t last_ms = time_ms;

    for (size_t i = 0; i < sessions->count; i++) {
        if (is_touched(oracle, view, &sessions->all[i], time_ms,
                       MAX(closing_ms, oracle->release_ms)))
            last_ms = MAX(last_ms, sessions->all[i].last_ms);
    }
    return oracle_is_late(oracle->spec, &oracle->spec->views[view], last_ms, closing_ms);
}

static inline struct oracle_session *session_add(struct oracle_sessions *sessions)
{
    if (!sessions->all) {
        sessions->all = calloc(ORACLE_SESSIONS_MAX, sizeof(*sessions->all));
        assert_non_null(sessions->all);
    }
    assert_true(sessions->count < ORACLE_SESSIONS_MAX);
    return &sessions->all[sessions->count++];
}

/* Events in the order in which they are in `from` come behind those of `into`; no value depends on
 * it. */
static inline void session_join(struct oracle_session *into, struct oracle_session *from)
{
    for (size_t i = 0; i < from->count; i++)
        into->events[into->count++] = from->events[i];
    into->start_ms = MIN(into->start_ms, from->start_ms);
    into->last_ms = MAX(into->last_ms, from->last_ms);
    from->is_gone = true;
}

static inline void enter_session(struct oracle *oracle, int view, const struct sample *sample,
                                 int64_t closing_ms)
{
    struct oracle_sessions *sessions = &oracle->sessions[view][sample->key];
    struct oracle_session alone = {.start_ms = sample->time_ms, .last_ms = sample->time_ms};
    struct oracle_session *involved[ORACLE_SESSIONS_MAX];
    size_t count = 0;
    int64_t start_ms = sample->time_ms;
    int64_t last_ms = sample->time_ms;

    for (size_t i = 0; i < sessions->count; i++) {
        struct oracle_session *session = &sessions->all[i];

        if (is_touched(oracle, view, session, sample->time_ms, closing_ms)) {
            involved[count++] = session;
            start_ms = MIN(start_ms, session->start_ms);
            last_ms = MAX(last_ms, session->last_ms);
        }
    }
    bool is_same = count == 1 && involved[0]->start_ms == start_ms &&
                   involved[0]->last_ms == last_ms;
    /* Two at the most, in order of start. */
    if (count == 2 && involved[0]->start_ms > involved[1]->start_ms) {
        struct oracle_session *first = involved[1];

        involved[1] = involved[0];
        involved[0] = first;
    }
    for (size_t i = 0; i < count && !is_same && !oracle->spec->views[view].on_update; i++) {
        if (involved[i]->has_fired)
            emit_session(oracle, view, sample->key, involved[i], true);
    }

    struct oracle_session *session = is_same ? involved[0] : session_add(sessions);
    if (!is_same) {
        *session = alone;
        for (size_t i = 0; i < count; i++)
            session_join(session, involved[i]);
    }
    session->events[session->count++] = sample;

    int64_t end_ms = session_end(oracle, view, session);
    bool has_ended = end_ms <= oracle->clock_ms;
    if (oracle->spec->views[view].on_update) {
        session->has_fired = has_ended;
        sessions->newest_ms = MAX(sessions->newest_ms, sample->time_ms);
        if (has_ended)
            sessions->ended_ms = MAX(sessions->ended_ms, end_ms);
        else if (session == newest_session(sessions))
            oracle_emit(oracle, view, sample->key, start_ms,
                        MAX(sessions->newest_ms, sessions->ended_ms), session->events,
                        session->count);
    } else if (has_ended && (!session->has_fired || end_ms <= oracle->watermark_ms)) {
        session->has_fired = true;
        emit_session(oracle, view, sample->key, session, false);
    } else if (has_ended) {
        session->is_due = true;
    }
}

/* A lifetime: state of one key, begun anew after a long silence. */
static inline void enter_lifetime(struct oracle *oracle, int view, const struct sample *sample,
                                  int64_t closing_ms)
{
    struct oracle_sessions *sessions = &oracle->sessions[view][sample->key];
    struct oracle_session *state = sessions->count ? &sessions->all[sessions->count - 1] : NULL;

    if (!state || sample->time_ms > state->last_ms + oracle->spec->ttl_ms ||
        closing_ms >= state->last_ms + oracle->spec->ttl_ms) {
        state = session_add(sessions);
        *state = (struct oracle_session){.start_ms = sample->time_ms, .last_ms = sample->time_ms};
        /* Its rows are counted from nought. */
        for (size_t i = 0; i < oracle->rows[view][sample->key].count; i++)
            oracle->rows[view][sample->key].rows[i].is_before = true;
    }
    state->events[state->count++] = sample;
    state->start_ms = MIN(state->start_ms, sample->time_ms);
    state->last_ms = MAX(state->last_ms, sample->time_ms);
    oracle_emit(oracle, view, sample->key, state->start_ms, state->last_ms, state->events,
                state->count);
}

/* There is no state that would take it, and one of its own would have been freed. */
static inline bool is_gone_for_lifetime(const struct oracle *oracle, int view,
                                        const struct sample *sample, int64_t freed_ms)
{
    const struct oracle_sessions *sessions = &oracle->sessions[view][sample->key];
    int64_t ttl_ms = oracle->spec->ttl_ms;

    if (freed_ms < sample->time_ms + ttl_ms)
        return false;
    return sessions->count == 0 ||
           freed_ms >= sessions->all[sessions->count - 1].last_ms + ttl_ms ||
           sample->time_ms > sessions->all[sessions->count - 1].last_ms + ttl_ms;
}

/* What the watermark says that frees lifetimes: the key group's. */
static inline int64_t freeing_ms(const struct oracle *oracle, int64_t partition_watermark_ms)
{
    return MAX(oracle->spec->aligned ? partition_watermark_ms : oracle->watermark_ms,
               oracle->release_ms);
}

/* `by_own`: by its partition's watermark; no lifetime is over by that. */
static inline bool is_late_after_all(const struct oracle *oracle, const struct sample *sample,
                                     int64_t watermark_ms, bool by_own)
{
    int64_t closing_ms = by_own ? watermark_ms : MAX(watermark_ms, oracle->release_ms);

    for (int i = 0; i < oracle->spec->view_count; i++) {
        const struct view_spec *spec = &oracle->spec->views[i];
        bool is_late = spec->gap_ms ? is_late_for_sessions(oracle, i, sample->key, sample->time_ms,
                                                           closing_ms)
                       : spec->lifetime
                           ? !by_own && is_gone_for_lifetime(oracle, i, sample,
                                                             freeing_ms(oracle, watermark_ms))
                           : oracle_is_late(oracle->spec, spec, sample->time_ms, closing_ms);

        if (!is_late)
            return false;
    }
    return true;
}

/* By its time alone only a session or a lifetime could still take it: the keyspace, and not the
 * reader, knows. */
static inline bool is_undecided(const struct oracle *oracle, const struct sample *sample,
                                int64_t closing_ms)
{
    bool has_state = false;

    for (int i = 0; i < oracle->spec->view_count; i++) {
        const struct view_spec *view = &oracle->spec->views[i];

        has_state = has_state || view->gap_ms || view->lifetime;
        if (view->lifetime ? closing_ms < sample->time_ms + oracle->spec->ttl_ms
                           : !oracle_is_late(oracle->spec, view, sample->time_ms, closing_ms))
            return false;
    }
    return has_state;
}

/* Of an event that is not late: whether one of its key with its n was accepted near it. */
static inline bool is_duplicate(struct oracle *oracle, const struct oracle_event *event)
{
    const struct sample *sample = event->sample;
    int64_t within_ms = oracle->spec->dedup_ms;

    if (within_ms == 0 || !sample->has_n)
        return false;
    for (size_t i = 0; i < oracle->accepted_count; i++) {
        const struct sample *known = oracle->accepted[i].sample;

        if (known->key == sample->key && known->n == sample->n &&
            llabs(known->time_ms - sample->time_ms) <= within_ms &&
            event->closing_ms < known->time_ms + within_ms + lag_max_ms(oracle->spec))
            return true;
    }
    oracle->accepted[oracle->accepted_count++] = *event;
    return false;
}

/* The event is late for the view: by its partition's watermark, or by what is released. */
static inline void count_late(struct oracle *oracle, int view, bool by_watermark, bool is_counted)
{
    if (!by_watermark)
        oracle->released[view]++;
    else if (is_counted)
        oracle->late[view]++;
}

/* The event, with its own partition's watermark before it. */
static inline void oracle_event(struct oracle *oracle, const struct sample *sample,
                                int64_t partition_watermark_ms)
{
    int64_t closing_ms = MAX(partition_watermark_ms, oracle->release_ms);
    struct oracle_event *event = &oracle->events[oracle->event_count++];

    assert_true(oracle->event_count <= ORACLE_EVENTS_MAX);
    *event = (struct oracle_event){sample, closing_ms};
    if (is_late_after_all(oracle, sample, partition_watermark_ms, false)) {
        oracle->late_after_all++;
        oracle->late_by_watermark += is_late_after_all(oracle, sample, partition_watermark_ms,
                                                       true);
        return;
    }
    if (is_duplicate(oracle, event)) {
        oracle->duplicates++;
        oracle->event_count--;
        return;
    }
    for (int view = 0; view < oracle->spec->view_count; view++) {
        const struct view_spec *spec = &oracle->spec->views[view];

        if (spec->gap_ms &&
            is_late_for_sessions(oracle, view, sample->key, sample->time_ms, closing_ms)) {
            count_late(oracle, view,
                       is_late_for_sessions(oracle, view, sample->key, sample->time_ms,
                                            partition_watermark_ms),
                       true);
            continue;
        }
        if (spec->lifetime && is_gone_for_lifetime(oracle, view, sample,
                                                   freeing_ms(oracle, partition_watermark_ms))) {
            oracle->released[view]++;
            continue;
        }
        if (!spec_filters[spec->filter].takes(sample))
            continue;
        if (!spec->gap_ms && oracle_is_late(oracle->spec, spec, sample->time_ms, closing_ms)) {
            count_late(oracle, view,
                       oracle_is_late(oracle->spec, spec, sample->time_ms, partition_watermark_ms),
                       is_undecided(oracle, sample, closing_ms));
            continue;
        }
        oracle->entered[view]++;
        if (spec->gap_ms)
            enter_session(oracle, view, sample, closing_ms);
        else if (spec->lifetime)
            enter_lifetime(
                oracle, view, sample,
                MAX(oracle->spec->aligned ? partition_watermark_ms : oracle->watermark_ms,
                    oracle->release_ms));
        else if (spec->on_update)
            update(oracle, view, event);
        else
            amend_windows(oracle, view, event);
    }
}

/* The end of a bounded run: time runs out. */
static inline void oracle_finish(struct oracle *oracle)
{
    oracle->finishing = true;
    fire_views(oracle, oracle->clock_ms, WATERMARK_END);
}

#endif
