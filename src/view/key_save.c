/* One key's state as bytes: the same on every host, and without what follows from the rest. What
 * stands where is said by a layout: layout.h.
 *
 *   key      newest event: uint | panesets | views
 *   slides   released: 0, or 1 + how far before the newest event's pane | panes | level 1 | …
 *   entries  count | each: index, as what it lies behind the one before (the first: how far before
 *            the newest event's) | split: windows that it is late for | cells
 *   session  start, as what it lies behind the end of the one before (the first: how far before the
 *            newest event) | last - start | revision and flags | cells
 *   lifetime 0, or 1 | newest - last | last - start | cells
 *   view     slides: fired | amendments | on_close: finished, shown; on_update: last
 *            sessions, on_close: shown; on_update: fired | last | start of the last row
 *            lifetime: last | start of the last row
 *   last     newest event | number of the last row's revision + 1 | its end
 *
 * with base/pack.h's spelling of numbers and cells as in aggregate/codec.h. When a key is to be
 * looked at again is not there: it follows.
 */

#include "aggregate/codec.h"
#include "base/pack.h"
#include "view/internal.h"

/* A count of slides, or a time, that may lie to either side of another; 0: there is none. */
static void offset_save(struct buf *out, int64_t value, int64_t from, int64_t none)
{
    uint64_t apart = (uint64_t)(value - from);

    pack_uint(out, value == none ? 0 : 1 + (apart << 1 ^ (value < from ? UINT64_MAX : 0)));
}

static void entries_save(const struct keyspace *keyspace, const struct paneset *paneset,
                         const struct panes *panes, uint32_t level, int64_t newest, struct buf *out)
{
    const struct panes_layout *layout = &paneset->layout;
    int64_t width = slides_width(level);
    int64_t before = newest >> SPAN_BITS * level;

    pack_uint(out, panes->count);
    for (uint32_t at = 0; at < panes->count; at++) {
        char *entry = panes_entry(layout, panes, at);
        int64_t index = pane_index(entry);
        int64_t first_window = pane_first_window(layout, entry);

        pack_uint(out, (uint64_t)(at == 0 ? before - index : index - before));
        if (layout->split)
            pack_uint(out, first_window == WINDOW_EVERY
                               ? 0
                               : (uint64_t)(first_window - (index * width + 1)));
        cells_save(layout->plan, keyspace->source->fields, pane_cells(layout, entry),
                   keyspace->intern, out);
        before = index;
    }
}

static void slides_save(struct keyspace *keyspace, struct key_head *key, uint32_t number,
                        struct buf *out)
{
    struct paneset *paneset = &keyspace->panesets[number];
    struct panes *panes = key_panes(keyspace, key, number);
    int64_t newest = slides_index(&paneset->slides, key->newest_ms);

    pack_uint(out, panes->released == PANE_NONE ? 0 : (uint64_t)(1 + newest - panes->released));
    for (uint32_t level = 0; level <= paneset->levels; level++)
        entries_save(keyspace, paneset, &panes[level], level, newest, out);
}

static void sessions_save(struct keyspace *keyspace, struct key_head *key, uint32_t number,
                          struct buf *out)
{
    const struct panes_layout *layout = &keyspace->panesets[number].layout;
    const struct panes *panes = key_panes(keyspace, key, number);
    const struct session *before = NULL;

    pack_uint(out, panes->count);
    for (uint32_t at = 0; at < panes->count; at++) {
        const struct session *session = session_at(layout, panes, at);

        pack_uint(out,
                  (uint64_t)(before ? session->start_ms - before->last_ms - layout->plan->gap_ms - 1
                                    : key->newest_ms - session->start_ms));
        pack_uint(out, (uint64_t)(session->last_ms - session->start_ms));
        pack_uint(out, (uint64_t)session->revision << SESSION_FLAGS | session->has_fired |
                           (uint64_t)session->is_due << 1 | (uint64_t)session->is_finished << 2);
        cells_save(layout->plan, keyspace->source->fields,
                   (const char *)session + layout->header_bytes, keyspace->intern, out);
        before = session;
    }
}

static void lifetime_save(struct keyspace *keyspace, struct key_head *key, uint32_t number,
                          struct buf *out)
{
    const struct panes_layout *layout = &keyspace->panesets[number].layout;
    const struct panes *panes = key_panes(keyspace, key, number);

    pack_uint(out, panes->count);
    if (panes->count == 0)
        return;
    const struct session *state = session_at(layout, panes, 0);

    pack_uint(out, (uint64_t)(key->newest_ms - state->last_ms));
    pack_uint(out, (uint64_t)(state->last_ms - state->start_ms));
    cells_save(layout->plan, keyspace->source->fields, (const char *)state + layout->header_bytes,
               keyspace->intern, out);
}

static void amendments_save(const struct amendments *all, int64_t newest, struct buf *out)
{
    int64_t before = newest;

    pack_uint(out, all ? all->len : 0);
    for (uint32_t i = 0; all && i < all->len; i++) {
        const struct amendment *item = &all->items[i];

        if (i == 0)
            pack_int(out, item->window - before);
        else
            pack_uint(out, (uint64_t)(item->window - before));
        pack_uint(out, (uint64_t)(uint32_t)(item->revision + 1) << 1 | item->is_due);
        before = item->window;
    }
}

static void last_save(const struct key_head *key, const struct view_state *state, struct buf *out)
{
    bool is_any = state->last.end_ms != WATERMARK_NONE;

    pack_uint(out, state->last.newest_ms == WATERMARK_NONE
                       ? 0
                       : (uint64_t)(1 + key->newest_ms - state->last.newest_ms));
    pack_uint(out, is_any ? UINT64_C(1) + state->last.revision : 0);
    if (is_any)
        pack_int(out, state->last.end_ms - key->newest_ms);
}

static void view_save(struct keyspace *keyspace, struct key_head *key, uint32_t number,
                      struct buf *out)
{
    const struct view *view = &keyspace->views[number];
    const struct view_state *state = key_view(keyspace, key, number);
    enum paneset_kind kind = view->paneset->layout.plan->kind;

    if (kind == PANES_SLIDES) {
        struct slides slides = view->paneset->slides;
        int64_t newest = slides_index(&slides, key->newest_ms);

        offset_save(out, state->fired, newest, slides_index(&slides, WATERMARK_NONE));
        amendments_save(state->amendments, newest, out);
    }
    if (kind == PANES_SESSIONS && view->plan->on_update)
        offset_save(out, state->fired, key->newest_ms, WATERMARK_NONE);
    if (view->plan->on_update)
        last_save(key, state, out);
    else if (kind == PANES_SLIDES)
        pack_uint(out, (uint64_t)MAX(state->finished - state->fired, 0));
    if (!view->plan->on_update)
        offset_save(out, state->shown_ms, key->newest_ms, WATERMARK_NONE);
    if (kind != PANES_SLIDES && view->plan->on_update && state->last.end_ms != WATERMARK_NONE)
        pack_uint(out, (uint64_t)(state->last.end_ms - state->last_start_ms));
}

void key_save(struct keyspace *keyspace, struct key_head *key, struct buf *out)
{
    pack_uint(out, (uint64_t)key->newest_ms);
    for (uint32_t i = 0; i < keyspace->source->paneset_count; i++) {
        switch (kind_of(keyspace, i)) {
        case PANES_SLIDES:
            slides_save(keyspace, key, i, out);
            break;
        case PANES_SESSIONS:
            sessions_save(keyspace, key, i, out);
            break;
        case PANES_LIFETIME:
            lifetime_save(keyspace, key, i, out);
            break;
        }
    }
    for (uint32_t i = 0; i < keyspace->source->view_count; i++)
        view_save(keyspace, key, i, out);
}
