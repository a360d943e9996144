/* A key's life, apart from what events and time do to it: how it begins, when it is to be looked
 * at, what of it no window needs any more, and how it goes. */

#include "view/internal.h"

static void view_state_init(struct keyspace *keyspace, struct key_head *key, uint32_t number,
                            int64_t clock_ms)
{
    struct view_state *state = key_view(keyspace, key, number);
    struct view *view = &keyspace->views[number];

    state->fired = WATERMARK_NONE;
    if (view->paneset->layout.plan->kind == PANES_SLIDES)
        state->fired = slides_index(&view->paneset->clock_slides, clock_ms);
    if (view->plan->on_update) {
        state->last.newest_ms = state->last.end_ms = WATERMARK_NONE;
    } else {
        state->finished = state->fired;
        state->shown_ms = WATERMARK_NONE;
    }
}

struct key_head *key_add(struct keyspace *keyspace, uint64_t hash, struct slice name,
                         int64_t clock_ms)
{
    struct key_head *key = key_table_add(&keyspace->table, hash, name);

    timers_clear(key);
    for (uint32_t i = 0; i < keyspace->panes_count; i++)
        panes_init((struct panes *)((char *)key + keyspace->panes_offset) + i);
    for (uint32_t i = 0; i < keyspace->source->view_count; i++)
        view_state_init(keyspace, key, i, clock_ms);
    return key;
}

void key_release(struct keyspace *keyspace, struct key_head *key)
{
    for (uint32_t i = 0; i < keyspace->source->paneset_count; i++) {
        if (key_panes(keyspace, key, i)->count == 0)
            continue;
        switch (kind_of(keyspace, i)) {
        case PANES_SLIDES:
            slides_release(keyspace, key, i);
            break;
        case PANES_SESSIONS:
            sessions_release(keyspace, key, i, keyspace->release_ms);
            break;
        case PANES_LIFETIME:
            lifetime_release(keyspace, key, i);
            break;
        }
    }
}

int64_t paneset_needed_until_ms(struct keyspace *keyspace, const struct key_head *key,
                                uint32_t number, const struct panes *panes)
{
    switch (kind_of(keyspace, number)) {
    case PANES_SLIDES:
        return slides_needed_until_ms(keyspace, key, number, panes);
    case PANES_SESSIONS:
        return sessions_needed_until_ms(keyspace, key, number, panes);
    case PANES_LIFETIME:
        return lifetime_needed_until_ms(keyspace, panes, number);
    }
    UNREACHABLE();
}

int64_t key_needed_until_ms(struct keyspace *keyspace, struct key_head *key)
{
    int64_t until_ms = key->newest_ms + keyspace->plan->state.ttl_ms;

    for (uint32_t i = 0; i < keyspace->source->paneset_count; i++) {
        const struct panes *panes = key_panes(keyspace, key, i);
        int64_t needed_ms = paneset_needed_until_ms(keyspace, key, i, panes);

        if (panes->count > 0)
            return needed_ms;
        until_ms = MAX(until_ms, needed_ms);
    }
    return until_ms;
}

void key_schedule(struct keyspace *keyspace, struct key_head *key)
{
    for (uint32_t i = 0; i < keyspace->source->view_count; i++) {
        if (keyspace->views[i].paneset->layout.plan->kind == PANES_SLIDES)
            slides_schedule(keyspace, key, i);
    }
    for (uint32_t i = 0; i < keyspace->source->paneset_count; i++) {
        if (kind_of(keyspace, i) == PANES_SESSIONS)
            sessions_schedule(keyspace, key, i);
    }
    if (key->due_ms == CALENDAR_NEVER)
        free_at(keyspace, key, key_needed_until_ms(keyspace, key));
}

void key_prefetch_panes(struct keyspace *keyspace, struct key_head *key, uint32_t newest)
{
    for (uint32_t i = 0; i < keyspace->source->paneset_count; i++) {
        const struct panes_layout *layout = &keyspace->panesets[i].layout;
        const struct panes *panes = key_panes(keyspace, key, i);

        if (panes->count == 0)
            continue;
        const char *end = panes_entry(layout, panes, panes->count);
        for (const char *at = panes_entry(layout, panes, panes->count - MIN(panes->count, newest));
             at < end; at += CACHE_LINE)
            __builtin_prefetch(at);
        __builtin_prefetch(end - 1);
    }
}

void key_prefetch_cells(struct keyspace *keyspace, struct key_head *key, uint32_t newest)
{
    for (uint32_t i = 0; i < keyspace->source->paneset_count; i++) {
        const struct panes_layout *layout = &keyspace->panesets[i].layout;
        const struct panes *panes = key_panes(keyspace, key, i);

        for (uint32_t at = panes->count - MIN(panes->count, newest); at < panes->count; at++)
            pane_cells_prefetch(layout->plan, pane_cells(layout, panes_entry(layout, panes, at)));
    }
}

void key_remove(struct keyspace *keyspace, struct key_head *key)
{
    for (uint32_t i = 0; i < keyspace->source->view_count; i++) {
        struct subject subject = subject_of(keyspace, key, i);

        if (subject.view->paneset->layout.plan->kind == PANES_SLIDES && subject.state->amendments)
            amendments_drop(&subject, subject.state->amendments->len);
    }
    for (uint32_t i = 0; i < keyspace->source->paneset_count; i++) {
        struct panes *panes = key_panes(keyspace, key, i);

        for (uint32_t level = 0; level <= keyspace->panesets[i].levels; level++)
            panes_drop(&keyspace->panesets[i].layout, &panes[level], panes[level].count);
    }
    if (key->sink_slot)
        keyspace->output.release(keyspace->output.context, &key->sink_slot);
    key_table_remove(&keyspace->table, key);
}
