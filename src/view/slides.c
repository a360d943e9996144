/* Tumbling and sliding windows: where events enter, and when a key's windows fire. What is emitted
 * is the business of on_close.c and on_update.c. */

#include "view/internal.h"
#include "window/lateness.h"

void due_at_boundary(const struct subject *subject, int64_t boundary)
{
    due_at(subject->keyspace, subject->key,
           slides_boundary_ms(&subject->view->paneset->slides, boundary));
}

static int64_t next_boundary(const struct subject *subject)
{
    return subject->view->plan->on_update ? on_update_next(subject) : on_close_next(subject);
}

static void fire_boundary(const struct subject *subject, int64_t boundary)
{
    if (subject->view->plan->on_update)
        on_update_fire(subject, boundary);
    else
        on_close_fire(subject, boundary);
}

void slides_catch_up(struct keyspace *keyspace, struct key_head *key, uint32_t view,
                     const struct instant *now)
{
    struct subject subject = subject_of(keyspace, key, view);
    int64_t reached = slides_index(&subject.view->paneset->clock_slides, now->clock_ms);
    int64_t next = next_boundary(&subject);

    for (; next <= reached; next = next_boundary(&subject))
        fire_boundary(&subject, next);
    subject.state->fired = MAX(subject.state->fired, reached);
    if (next < BOUNDARY_NEVER)
        due_at_boundary(&subject, next);
}

void slides_finish(struct keyspace *keyspace, struct key_head *key, uint32_t view)
{
    struct subject subject = subject_of(keyspace, key, view);
    int64_t next = next_boundary(&subject);

    for (; next < BOUNDARY_NEVER; next = next_boundary(&subject))
        fire_boundary(&subject, next);
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
    int64_t closed = last_closed(keyspace, paneset, keyspace->release_ms);
    uint32_t count = panes_before(&paneset->layout, panes, closed - paneset->keep + 1);

    if (count > 0)
        panes_drop(&paneset->layout, panes, count);
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
