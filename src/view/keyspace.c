#include "view/internal.h"

#include "base/hash.h"
#include "window/lateness.h"

#define BATCH          32 /* events whose look-ups are under way together */
#define PREFETCH_PANES 16
#define AHEAD_RECORD   24 /* keys between a prefetch and its use, when they fire one by one */
#define AHEAD_PANES    16
#define AHEAD_CELLS    8

/* Where an event may come too late for some windows that have not fired, or for one view and not
 * for another: see panes.h. */
bool paneset_is_split(const struct plan *plan, const struct plan_source *source, uint32_t paneset)
{
    const struct plan_paneset *panes = &source->panesets[paneset];
    bool may_differ = false;

    for (uint32_t i = 0; i < source->view_count; i++) {
        const struct plan_view *view = &plan->views[source->views[i]];

        may_differ |= view->paneset == (int)paneset && view->panes != panes->panes_max;
    }
    return (!source->aligned && panes->panes_max > 1) || may_differ;
}

/* Slides after which a pane is in no window any more; an on_update view shows it for one more than
 * its windows hold it. */
static int64_t slides_to_keep(const struct keyspace *keyspace, uint32_t paneset)
{
    const struct plan_source *source = keyspace->source;
    int64_t keep = source->panesets[paneset].panes_max;

    for (uint32_t i = 0; i < source->view_count; i++) {
        const struct plan_view *view = &keyspace->plan->views[source->views[i]];

        if (view->paneset == (int)paneset && view->on_update)
            keep = MAX(keep, view->panes + (view->window == WINDOW_SLIDING));
    }
    return keep;
}

static void panesets_init(struct keyspace *keyspace, struct intern *intern)
{
    const struct plan_source *source = keyspace->source;

    keyspace->panesets = calloc(source->paneset_count, sizeof(*keyspace->panesets));
    CHECK(keyspace->panesets);
    for (uint32_t i = 0; i < source->paneset_count; i++) {
        const struct plan_paneset *plan = &source->panesets[i];
        struct paneset *paneset = &keyspace->panesets[i];

        panes_layout_init(&paneset->layout, plan, paneset_is_split(keyspace->plan, source, i),
                          keyspace->arena, intern);
        paneset->first_panes = keyspace->panes_count++;
        if (plan->kind != PANES_SLIDES)
            continue;
        paneset->slides = slides_of(plan->slide_ms, plan->offset_ms);
        paneset->clock_slides = paneset->slides;
        paneset->closed_slides = paneset->slides;
        paneset->keep = slides_to_keep(keyspace, i);
        paneset->levels = slides_levels(plan->panes_max);
        keyspace->panes_count += paneset->levels;
    }
}

static void views_init(struct keyspace *keyspace, const struct intern *intern,
                       struct view_stats *const *stats)
{
    const struct plan_source *source = keyspace->source;

    keyspace->views = calloc(source->view_count, sizeof(*keyspace->views));
    CHECK(keyspace->views);
    for (uint32_t i = 0; i < source->view_count; i++) {
        const struct plan_view *plan = &keyspace->plan->views[source->views[i]];
        const struct plan_paneset *panes = &source->panesets[plan->paneset];

        keyspace->views[i] = (struct view){
            .plan = plan,
            .paneset = &keyspace->panesets[plan->paneset],
            .paneset_number = (uint32_t)plan->paneset,
            .evaluator = evaluator_create(plan, panes, intern),
            .before = plan->on_update ? evaluator_create(plan, panes, intern) : NULL,
            .is_exact = panes->kind == PANES_SLIDES && slides_are_exact(panes, plan),
            .stats = stats[i],
        };
        /* An on_update view compares its values, texts too. */
        if (keyspace->output.is_unread && !plan->on_update)
            evaluator_spell_nothing(keyspace->views[i].evaluator);
    }
}

int64_t views_lag_max_ms(const struct plan *plan, const struct plan_source *source)
{
    int64_t lag_ms = plan->state.ttl_ms;

    for (uint32_t i = 0; i < source->view_count; i++) {
        const struct plan_view *view = &plan->views[source->views[i]];

        lag_ms = MAX(lag_ms, MAX(view->size_ms, view->gap_ms) + source->allowed_lateness_ms);
    }
    return lag_ms;
}

struct keyspace *keyspace_create(const struct plan *plan, uint32_t source, int32_t partition,
                                 struct arena *arena, struct intern *intern,
                                 struct view_stats *const *stats, struct keyspace_output output)
{
    struct keyspace *keyspace = calloc(1, sizeof(*keyspace));

    CHECK(keyspace);
    keyspace->plan = plan;
    keyspace->source = &plan->sources[source];
    CHECK(keyspace->source->aligned ? partition >= 0 : partition == PLAN_NONE);
    keyspace->partition = partition;
    keyspace->arena = arena;
    keyspace->intern = intern;
    keyspace->output = output;
    keyspace->watermark_ms = keyspace->clock_ms = keyspace->release_ms = WATERMARK_NONE;
    keyspace->lag_max_ms = views_lag_max_ms(plan, keyspace->source);
    panesets_init(keyspace, intern);
    views_init(keyspace, intern, stats);

    keyspace->panes_offset = sizeof(struct key_head);
    keyspace->states_offset = keyspace->panes_offset + keyspace->panes_count * sizeof(struct panes);
    key_table_init(&keyspace->table, arena,
                   keyspace->states_offset +
                       keyspace->source->view_count * sizeof(struct view_state));
    if (keyspace->source->dedup_field != PLAN_NONE)
        keyspace->ids = ids_create(keyspace->source, partition, keyspace->lag_max_ms, arena);
    timers_init(&keyspace->timers, &keyspace->table, arena);
    cold_init(keyspace);
    capture_init(keyspace);
    return keyspace;
}

void keyspace_free(struct keyspace *keyspace)
{
    if (!keyspace)
        return;
    for (uint32_t i = 0; i < keyspace->table.record_count; i++) {
        struct key_head *key = key_table_at(&keyspace->table, i);

        if (key)
            key_remove(keyspace, key);
    }
    capture_done(keyspace);
    key_table_done(&keyspace->table);
    ids_free(keyspace->ids);
    timers_done(&keyspace->timers);
    cold_done(keyspace);
    for (uint32_t i = 0; i < keyspace->source->view_count; i++) {
        evaluator_free(keyspace->views[i].evaluator);
        evaluator_free(keyspace->views[i].before);
    }
    free(keyspace->views);
    free(keyspace->panesets);
    free(keyspace);
}

/* Whether the row goes to the online store, which shows the newest window and never an older one
 * again. (An on_update view's rows have ever later ends by themselves.) */
static bool is_shown(const struct subject *subject, const struct row_facts *facts)
{
    const struct plan_view *plan = subject->view->plan;
    struct view_state *state = subject->state;

    if (subject->keyspace->is_finishing || facts->retracted)
        return false;
    if (plan->on_update)
        return true;
    if (facts->end_ms < state->shown_ms)
        return false;
    if (!facts->empty || plan->when_empty != WHEN_EMPTY_KEEP)
        state->shown_ms = facts->end_ms;
    return true;
}

void emit_row(const struct subject *subject, const struct row_facts *facts)
{
    struct keyspace *keyspace = subject->keyspace;
    const struct event *cause = keyspace->cause;
    struct row row = {
        .view = subject->view->plan,
        .key = key_head_key(subject->key),
        .window_start_ms = facts->start_ms,
        .window_end_ms = facts->end_ms,
        .revision = facts->revision,
        .empty = facts->empty,
        .retracted = facts->retracted,
        .online = is_shown(subject, facts),
        .online_only = facts->online_only,
        .record_ms = cause ? cause->record_ms : -1,
        .fetched_ns = cause ? cause->fetched_ns : 0,
        .values = facts->values,
    };

    if (!facts->online_only) {
        counter_add(&subject->view->stats->rows, 1);
        counter_add(&subject->view->stats->empty_rows, facts->empty);
    }
    if (row.online && row.window_end_ms > gauge_get(&subject->view->stats->newest_end_ms))
        gauge_set(&subject->view->stats->newest_end_ms, row.window_end_ms);
    if (!keyspace->output.row(keyspace->output.context, &row, &subject->key->sink_slot))
        keyspace->must_stop = true;
}

const struct row_value *values_of_cells(const struct subject *subject, struct evaluator *evaluator,
                                        const char *cells)
{
    uint64_t saturated = 0;

    evaluator_begin(evaluator);
    if (cells)
        evaluator_add(evaluator, cells);

    const struct row_value *values = evaluator_finish(evaluator, &saturated);
    if (saturated)
        counter_add(&subject->view->stats->saturated, saturated);
    return values;
}

/* Emits again the windows that fired early and whose end the watermark has reached. */
static void amend(struct keyspace *keyspace, struct key_head *key, const struct instant *now)
{
    bool has_due = key->amend_ms != CALENDAR_NEVER;

    key_touch(keyspace, key);
    key->amend_ms = CALENDAR_NEVER;
    for (uint32_t i = 0; i < keyspace->source->view_count; i++) {
        struct subject subject = subject_of(keyspace, key, i);

        if (subject.view->paneset->layout.plan->kind == PANES_SLIDES &&
            !subject.view->plan->on_update && subject.state->amendments)
            on_close_amend(&subject, now->watermark_ms, keyspace->release_ms);
    }
    for (uint32_t i = 0; has_due && i < keyspace->source->paneset_count; i++) {
        if (kind_of(keyspace, i) == PANES_SESSIONS)
            sessions_amend(keyspace, key, i, now->watermark_ms);
    }
}

/* Fires the key's windows up to the clock, in each view in the order of time. */
static void catch_up(struct keyspace *keyspace, struct key_head *key, const struct instant *now)
{
    amend(keyspace, key, now);
    key->due_ms = CALENDAR_NEVER;
    for (uint32_t i = 0; i < keyspace->source->view_count; i++) {
        if (keyspace->views[i].paneset->layout.plan->kind == PANES_SLIDES)
            slides_catch_up(keyspace, key, i, now);
    }
    for (uint32_t i = 0; i < keyspace->source->paneset_count; i++) {
        if (kind_of(keyspace, i) == PANES_SESSIONS)
            sessions_catch_up(keyspace, key, i, now);
    }
    key_release(keyspace, key);
    if (key->due_ms == CALENDAR_NEVER)
        free_at(keyspace, key, key_needed_until_ms(keyspace, key));
}

/* Frees what no window needs, in the end the key itself. */
static void free_unneeded(struct keyspace *keyspace, struct key_head *key,
                          const struct instant *now)
{
    key->free_ms = CALENDAR_NEVER;
    amend(keyspace, key, now);
    if (key->due_ms != CALENDAR_NEVER)
        return;
    key_release(keyspace, key);

    int64_t until_ms = key_needed_until_ms(keyspace, key);
    if (until_ms > keyspace->release_ms) {
        free_at(keyspace, key, until_ms);
        return;
    }
    capture_dropped(keyspace, key);
    key_remove(keyspace, key);
}

static struct key_head *key_create(struct keyspace *keyspace, const struct event *event,
                                   int64_t clock_ms)
{
    struct key_head *key = key_add(keyspace, event->key_hash, event->key, clock_ms);

    key->newest_ms = event->time_ms;
    key->is_touched = true;
    capture_created(keyspace, key);
    /* Should the event come too late for all that it passes, the key goes again. */
    free_at(keyspace, key, event->time_ms + keyspace->plan->state.ttl_ms);
    return key;
}

void pane_add(struct keyspace *keyspace, struct paneset *paneset, char *cells,
              const struct event *event)
{
    const struct plan_paneset *plan = paneset->layout.plan;

    for (uint32_t i = 0; i < plan->cell_count; i++) {
        const struct plan_cell *cell = &plan->cells[i];
        const struct plan_field *field = NULL;
        const struct field_value *value = NULL;

        if (cell->predicate != PLAN_NONE && !(event->passes >> cell->predicate & 1))
            continue;
        if (cell->field != PLAN_NONE) {
            field = &keyspace->source->fields[cell->field];
            value = &event->fields[cell->field];
            if (!value->present)
                continue;
        }
        cell_add(cell, field, value, event, cells, &paneset->layout.memory);
    }
}

/* Whether the paneset's views do not take the event, as far as it depends on the key's state. */
static bool is_too_late(struct keyspace *keyspace, struct key_head *key, uint32_t number,
                        const struct event *event, const struct instant *now)
{
    switch (kind_of(keyspace, number)) {
    case PANES_SLIDES:
        return false;
    case PANES_SESSIONS:
        return sessions_are_late(keyspace, key, number, event->time_ms, now);
    case PANES_LIFETIME:
        return lifetime_is_gone(keyspace, key, number, event->time_ms, now);
    }
    UNREACHABLE();
}

/* It is late by its own partition's watermark, and not just older than the state that is kept. */
static bool is_late_by_own(struct keyspace *keyspace, struct key_head *key, uint32_t number,
                           const struct event *event, const struct instant *now)
{
    struct instant by_own = {.closing_ms = event->watermark_ms, .release_ms = now->release_ms};

    return kind_of(keyspace, number) == PANES_SESSIONS &&
           sessions_are_late(keyspace, key, number, event->time_ms, &by_own);
}

/* An event that the views that share the paneset do not take, and others do. */
static void count_too_late(struct keyspace *keyspace, struct key_head *key, uint32_t number,
                           const struct event *event, const struct instant *now)
{
    bool by_watermark = is_late_by_own(keyspace, key, number, event, now);

    for (uint32_t i = 0; i < keyspace->source->view_count; i++) {
        struct view_stats *stats = keyspace->views[i].stats;

        if (keyspace->views[i].paneset_number == number)
            counter_add(by_watermark ? &stats->late : &stats->released, 1);
    }
}

static void paneset_update(struct keyspace *keyspace, struct key_head *key, uint32_t number,
                           const struct event *event, const struct instant *now)
{
    key_touch(keyspace, key);
    key->newest_ms = MAX(key->newest_ms, event->time_ms);
    switch (kind_of(keyspace, number)) {
    case PANES_SLIDES:
        slides_update(keyspace, key, number, event, now);
        return;
    case PANES_SESSIONS:
        sessions_update(keyspace, key, number, event, now);
        return;
    case PANES_LIFETIME:
        lifetime_update(keyspace, key, number, event, now);
        return;
    }
    UNREACHABLE();
}

/* An event that only views may take for which it depends on the key's state: whether none does. */
static bool is_late_after_all(struct keyspace *keyspace, struct key_head *key,
                              const struct event *event, const struct instant *now)
{
    for (uint32_t i = 0; i < keyspace->source->paneset_count; i++) {
        if (kind_of(keyspace, i) != PANES_SLIDES && !is_too_late(keyspace, key, i, event, now))
            return false;
    }
    return true;
}

/* The same, by its own partition's watermark. */
static bool is_late_for_all_by_own(struct keyspace *keyspace, struct key_head *key,
                                   const struct event *event, const struct instant *now)
{
    if (lateness_of(keyspace->plan, keyspace->source, event->time_ms, event->watermark_ms) ==
        LATE_FOR_NONE)
        return false;
    for (uint32_t i = 0; i < keyspace->source->paneset_count; i++) {
        if (kind_of(keyspace, i) != PANES_SLIDES && !is_late_by_own(keyspace, key, i, event, now))
            return false;
    }
    return true;
}

/* The views whose filter it passes take the event. */
static void views_take(struct keyspace *keyspace, struct key_head *key, const struct event *event,
                       const struct instant *now)
{
    for (uint32_t i = 0; i < keyspace->source->paneset_count; i++) {
        int predicate = keyspace->source->panesets[i].predicate;

        if (UNLIKELY(is_too_late(keyspace, key, i, event, now))) {
            count_too_late(keyspace, key, i, event, now);
            continue;
        }
        if (predicate != PLAN_NONE && !(event->passes >> predicate & 1))
            continue;
        if (!key)
            key = key_create(keyspace, event, now->clock_ms);
        paneset_update(keyspace, key, i, event, now);
    }
}

/* False if the event could not be passed on: it is to be given again. */
static bool event_apply(struct keyspace *keyspace, const struct event *event)
{
    bool aligned = keyspace->source->aligned;
    struct instant now = {.watermark_ms = aligned ? event->watermark_ms : keyspace->watermark_ms};
    struct key_head *key = key_table_find(&keyspace->table, event->key_hash, event->key);

    now.clock_ms = MAX(keyspace->clock_ms, now.watermark_ms);
    now.closing_ms = MAX(event->watermark_ms, keyspace->release_ms);
    now.release_ms = aligned ? now.closing_ms : keyspace->release_ms;
    if (key)
        key->is_touched = true;
    if (key && key->due_ms <= now.clock_ms)
        catch_up(keyspace, key, &now);
    if (key && key->amend_ms <= amendable_ms(keyspace, now.watermark_ms))
        amend(keyspace, key, &now);

    if (event->record && is_late_after_all(keyspace, key, event, &now))
        return keyspace->output.late(keyspace->output.context,
                                     (uint32_t)(keyspace->source - keyspace->plan->sources), event,
                                     is_late_for_all_by_own(keyspace, key, event, &now));
    if (keyspace->ids && ids_take(keyspace->ids, event, now.closing_ms)) {
        counter_add(keyspace->output.duplicates, 1);
        return true;
    }
    keyspace->cause = event;
    views_take(keyspace, key, event, &now);
    keyspace->cause = NULL;
    return true;
}

/* How many of the newest panes the event will ask for: those of windows, if it finds some due. */
static uint32_t panes_asked_for(const struct keyspace *keyspace, const struct key_head *key,
                                const struct event *event)
{
    int64_t watermark_ms = keyspace->source->aligned ? event->watermark_ms : keyspace->watermark_ms;

    return key->due_ms <= MAX(keyspace->clock_ms, watermark_ms) ? PREFETCH_PANES : 1;
}

static void batch_prefetch(struct keyspace *keyspace, const struct event *const *events,
                           uint32_t count)
{
    struct key_head *keys[BATCH];

    for (uint32_t i = 0; i < count; i++)
        key_table_prefetch_slot(&keyspace->table, events[i]->key_hash);
    for (uint32_t i = 0; i < count; i++)
        keys[i] = key_table_prefetch_record(&keyspace->table, events[i]->key_hash);
    for (uint32_t i = 0; i < count; i++) {
        if (keys[i])
            key_prefetch_panes(keyspace, keys[i], panes_asked_for(keyspace, keys[i], events[i]));
    }
    for (uint32_t i = 0; i < count; i++) {
        if (keys[i])
            key_prefetch_cells(keyspace, keys[i], panes_asked_for(keyspace, keys[i], events[i]));
    }
}

uint32_t keyspace_apply(struct keyspace *keyspace, const struct event *const *events,
                        uint32_t count)
{
    uint32_t done = 0;

    keyspace->must_stop = false;
    while (done < count && !keyspace->must_stop) {
        uint32_t end = MIN(done + BATCH, count);

        batch_prefetch(keyspace, events + done, end - done);
        if (UNLIKELY(cold_is_any(keyspace)) && !cold_load_for(keyspace, events + done, end - done))
            return done;
        for (; done < end && !keyspace->must_stop; done++) {
            if (!event_apply(keyspace, events[done]))
                return done;
        }
    }
    return done;
}

void keyspace_advance(struct keyspace *keyspace, int64_t watermark_ms, int64_t clock_ms)
{
    keyspace->watermark_ms = MAX(keyspace->watermark_ms, watermark_ms);
    keyspace->clock_ms = MAX(MAX(keyspace->clock_ms, clock_ms), keyspace->watermark_ms);
    keyspace->release_ms = MAX(keyspace->release_ms, keyspace->clock_ms - keyspace->lag_max_ms);
    if (!keyspace->is_held)
        keyspace->release_ms = MAX(keyspace->release_ms, watermark_ms);
    if (keyspace->ids)
        ids_release(keyspace->ids, keyspace->release_ms, &keyspace->capture.captured,
                    &keyspace->capture.deleted);
}

void keyspace_hold(struct keyspace *keyspace, bool is_held)
{
    keyspace->is_held = is_held;
}

/* What keys that come soon will ask for, each step by what the one before has fetched. */
static void fire_prefetch(struct keyspace *keyspace, enum timer timer)
{
    const struct timers *timers = &keyspace->timers;
    struct key_head *record = timer_ahead(timers, timer, AHEAD_RECORD);
    struct key_head *panes = timer_ahead(timers, timer, AHEAD_PANES);
    struct key_head *cells = timer_ahead(timers, timer, AHEAD_CELLS);

    for (uint32_t at = 0; record && at < keyspace->table.record_bytes; at += CACHE_LINE)
        __builtin_prefetch((char *)record + at);
    if (panes && panes->key_len)
        key_prefetch_panes(keyspace, panes, PREFETCH_PANES);
    if (cells && cells->key_len)
        key_prefetch_cells(keyspace, cells, PREFETCH_PANES);
}

/* The next key whose time has come. NULL: none, or the budget is used up. */
static struct key_head *next_due(struct keyspace *keyspace, enum timer timer, int64_t until_ms,
                                 uint32_t *budget)
{
    fire_prefetch(keyspace, timer);
    return keyspace->must_stop ? NULL : timer_take(&keyspace->timers, timer, until_ms, budget);
}

bool keyspace_fire(struct keyspace *keyspace, uint32_t budget)
{
    struct instant now = {.watermark_ms = keyspace->watermark_ms,
                          .clock_ms = keyspace->clock_ms,
                          .closing_ms = keyspace->release_ms,
                          .release_ms = keyspace->release_ms};
    int64_t amend_ms = amendable_ms(keyspace, keyspace->watermark_ms);
    struct timers *timers = &keyspace->timers;
    uint32_t wake_budget = budget;
    struct key_head *key;

    keyspace->must_stop = false;
    if (UNLIKELY(cold_is_due(keyspace)))
        cold_wake(keyspace, &wake_budget);
    while ((key = next_due(keyspace, TIMER_DUE, keyspace->clock_ms, &budget)))
        catch_up(keyspace, key, &now);
    while ((key = next_due(keyspace, TIMER_AMEND, amend_ms, &budget)))
        amend(keyspace, key, &now);
    while ((key = next_due(keyspace, TIMER_FREE, keyspace->release_ms, &budget)))
        free_unneeded(keyspace, key, &now);
    return timer_next_ms(timers, TIMER_DUE) <= keyspace->clock_ms ||
           timer_next_ms(timers, TIMER_AMEND) <= amend_ms ||
           timer_next_ms(timers, TIMER_FREE) <= keyspace->release_ms || cold_is_due(keyspace);
}

/* What was to be emitted again when the watermark gets further, and then what is ahead of the
 * clock. The key is left as it is: it has still to see the clock get there. */
static void finish(struct keyspace *keyspace, struct key_head *key)
{
    const struct instant now = {.watermark_ms = WATERMARK_END};

    key->is_finished = true;
    if (key->due_ms == CALENDAR_NEVER && key->amend_ms == CALENDAR_NEVER)
        return;
    key_touch(keyspace, key);
    if (key->amend_ms != CALENDAR_NEVER)
        amend(keyspace, key, &now);
    keyspace->is_finishing = true;
    for (uint32_t i = 0; i < keyspace->source->view_count; i++) {
        if (keyspace->views[i].paneset->layout.plan->kind == PANES_SLIDES)
            slides_finish(keyspace, key, i);
    }
    for (uint32_t i = 0; i < keyspace->source->paneset_count; i++) {
        if (kind_of(keyspace, i) == PANES_SESSIONS)
            sessions_finish(keyspace, key, i);
    }
    keyspace->is_finishing = false;
}

/* Those in memory, from finish_next on. */
static void finish_hot(struct keyspace *keyspace, uint32_t *budget)
{
    for (;
         keyspace->finish_next<keyspace->table.record_count && * budget> 0 && !keyspace->must_stop;
         keyspace->finish_next++, --*budget) {
        struct key_head *key = key_table_at(&keyspace->table, keyspace->finish_next);

        if (key && !key->is_finished)
            finish(keyspace, key);
    }
}

static void finish_cold(struct keyspace *keyspace, uint32_t *budget)
{
    struct key_head *keys[COLD_LOAD_MAX];
    uint32_t count;

    while (*budget > 0 && !keyspace->must_stop &&
           (count = cold_load_to_finish(keyspace, keys, MIN(*budget, (uint32_t)COLD_LOAD_MAX)))) {
        for (uint32_t i = 0; i < count; i++)
            finish(keyspace, keys[i]);
        *budget -= count;
    }
}

bool keyspace_finish(struct keyspace *keyspace, uint32_t budget)
{
    keyspace->must_stop = false;
    finish_hot(keyspace, &budget);
    if (keyspace->finish_next == keyspace->table.record_count)
        finish_cold(keyspace, &budget);
    return keyspace->finish_next < keyspace->table.record_count ||
           keyspace->cold.finish_next < keyspace->cold.table.record_count;
}

int64_t keyspace_watermark_ms(const struct keyspace *keyspace)
{
    return keyspace->watermark_ms;
}

int64_t keyspace_release_ms(const struct keyspace *keyspace)
{
    return keyspace->release_ms;
}

void **keyspace_slot(struct keyspace *keyspace, struct slice key)
{
    struct key_head *head = key_table_find(&keyspace->table, hash64(key), key);

    return head ? &head->sink_slot : NULL;
}

uint64_t keyspace_keys(const struct keyspace *keyspace)
{
    return (uint64_t)keyspace->table.live + keyspace->cold.table.live;
}

uint64_t keyspace_view_bytes(const struct keyspace *keyspace, uint32_t view_of_source)
{
    return (uint64_t)keyspace->views[view_of_source].paneset->layout.memory.bytes;
}

uint64_t keyspace_bytes(const struct keyspace *keyspace)
{
    const struct key_table *cold = &keyspace->cold.table;
    uint64_t bytes = (uint64_t)keyspace->table.live * keyspace->table.record_bytes +
                     (uint64_t)cold->live * cold->record_bytes;

    for (uint32_t i = 0; i < keyspace->source->paneset_count; i++)
        bytes += (uint64_t)keyspace->panesets[i].layout.memory.bytes;
    if (keyspace->ids)
        bytes += ids_bytes(keyspace->ids);
    return bytes;
}
