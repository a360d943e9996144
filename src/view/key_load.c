/* One key's state from bytes, as key_save.c writes them, by a layout that may be another plan's:
 * what has no place in this one is passed over.
 *
 * The bytes may be anything. They are held against all that later arithmetic and searches rely on:
 * times and indices are those that events can lead to, and stand in order. */

#include <errno.h>

#include "aggregate/codec.h"
#include "base/hash.h"
#include "base/pack.h"
#include "view/internal.h"

/* A number that may lie to either side of another; 0: there is none. */
static int offset_load(struct slice *in, int64_t from, int64_t none, int64_t min, int64_t max,
                       int64_t *ret)
{
    uint64_t packed;
    int64_t apart;

    if (unpack_uint(in, &packed))
        return -EBADMSG;
    if (packed == 0) {
        *ret = none;
        return 0;
    }
    packed--;
    apart = (int64_t)(packed >> 1 ^ (packed & 1 ? UINT64_MAX : 0));
    if (apart < min - from || apart > max - from || from + apart == none)
        return -EBADMSG;
    *ret = from + apart;
    return 0;
}

/* A number from 0 to `max`. */
static int count_load(struct slice *in, uint64_t max, uint64_t *ret)
{
    uint64_t value;

    if (unpack_uint(in, &value) || value > max)
        return -EBADMSG;
    *ret = value;
    return 0;
}

struct reader {
    struct keyspace *keyspace;
    const struct layout *layout;
    struct key_head *key;
    struct slice from;
};

/* A saved paneset on its way into the key. */
struct target {
    const struct layout_paneset *saved;
    struct paneset *paneset; /* NULL: it is passed over */
    struct panes *panes;
    int64_t first;  /* the panes that events can be in */
    int64_t newest; /* and are */
};

/* The cells of a pane, into `cells`; NULL: nowhere. */
static int cells_take(struct reader *reader, const struct target *target, char *cells)
{
    const struct plan_field *fields = reader->keyspace->source->fields;

    for (uint32_t i = 0; i < target->saved->cell_count; i++) {
        int to = cells ? target->saved->cells[i].to : PLAN_NONE;
        int rc;

        if (to == PLAN_NONE) {
            rc = cell_skip(&reader->from);
        } else {
            const struct plan_cell *cell = &target->paneset->layout.plan->cells[to];

            rc = cell_load(cell, cell->field == PLAN_NONE ? NULL : &fields[cell->field],
                           &reader->from, cells, &target->paneset->layout.memory);
        }
        if (rc)
            return rc;
    }
    return 0;
}

/* Of a paneset that was split, an entry into the one before it, of the same pane. */
static int entry_merge(struct reader *reader, const struct target *target, char *into)
{
    struct panes_layout *layout = &target->paneset->layout;
    char *cells = calloc(1, layout->plan->cell_bytes + 1);

    CHECK(cells);
    int rc = cells_take(reader, target, cells);

    if (rc == 0)
        pane_cells_merge(layout->plan, pane_cells(layout, into), cells, &layout->memory);
    pane_cells_done(layout->plan, cells, &layout->memory);
    free(cells);
    return rc;
}

/* An entry behind those that were taken before. */
static int entry_take(struct reader *reader, const struct target *target, uint32_t level,
                      int64_t index, int64_t first_window)
{
    struct paneset *paneset = target->paneset;
    int64_t last_pane = (index + 1) * slides_width(level) - 1;

    if (!paneset || (level > 0 && (!target->saved->takes_spans || level > paneset->levels)) ||
        first_window > last_pane + paneset->layout.plan->panes_max)
        return cells_take(reader, target, NULL);

    struct panes_layout *layout = &paneset->layout;
    struct panes *panes = &target->panes[level];
    char *entry = panes->count > 0 ? panes_entry(layout, panes, panes->count - 1) : NULL;

    if (entry && !layout->split && pane_index(entry) == index)
        return entry_merge(reader, target, entry);
    entry = panes_insert(layout, panes, panes->count, index);
    if (layout->split)
        ((int64_t *)entry)[1] = first_window;
    return cells_take(reader, target, pane_cells(layout, entry));
}

static int entries_load(struct reader *reader, const struct target *target, uint32_t level)
{
    const struct layout_paneset *saved = target->saved;
    int64_t first = target->first >> SPAN_BITS * level;
    int64_t newest = target->newest >> SPAN_BITS * level;
    int64_t width = slides_width(level);
    int64_t window_before = 0;
    int64_t index = 0;
    uint64_t count;

    if (count_load(&reader->from, reader->from.len, &count))
        return -EBADMSG;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t apart;
        uint64_t late = 0;

        if (count_load(&reader->from, (uint64_t)(i == 0 ? newest - first : newest - index), &apart))
            return -EBADMSG;
        if (saved->split &&
            count_load(&reader->from, (uint64_t)(width - 2 + saved->panes_max), &late))
            return -EBADMSG;
        index = i == 0 ? newest - (int64_t)apart : index + (int64_t)apart;

        int64_t window = level > 0 && late == 0 ? WINDOW_EVERY : index * width + 1 + (int64_t)late;

        if (i > 0 && apart == 0 && window <= window_before)
            return -EBADMSG;
        if (entry_take(reader, target, level, index, window))
            return -EBADMSG;
        window_before = window;
    }
    return 0;
}

static int slides_load(struct reader *reader, struct target *target)
{
    struct slides slides = slides_of(target->saved->slide_ms, target->saved->offset_ms);
    uint64_t released;

    target->first = slides_index(&slides, 0);
    target->newest = slides_index(&slides, reader->key->newest_ms);
    if (count_load(&reader->from, (uint64_t)(1 + target->newest - target->first), &released))
        return -EBADMSG;
    for (uint32_t level = 0; level <= target->saved->levels; level++) {
        if (entries_load(reader, target, level))
            return -EBADMSG;
    }
    if (!target->paneset)
        return 0;
    if (released > 0)
        target->panes->released = 1 + target->newest - (int64_t)released;
    if (!target->saved->takes_spans)
        slides_make_spans(reader->keyspace, reader->key, (uint32_t)target->saved->to);
    return 0;
}

/* The header of a session, or of a lifetime; not linked to its time yet. */
static int session_take(struct reader *reader, const struct target *target,
                        const struct session *header)
{
    if (!target->paneset)
        return cells_take(reader, target, NULL);

    struct panes_layout *layout = &target->paneset->layout;
    struct panes *panes = target->panes;
    char *entry = panes_insert(layout, panes, panes->count, header->start_ms);

    *(struct session *)entry = *header;
    return cells_take(reader, target, pane_cells(layout, entry));
}

static int sessions_load(struct reader *reader, struct target *target)
{
    int64_t newest_ms = reader->key->newest_ms;
    int64_t gap_ms = target->saved->gap_ms;
    struct session session = {0};
    bool is_unfired = false;
    uint64_t count;

    if (count_load(&reader->from, reader->from.len, &count))
        return -EBADMSG;
    for (uint64_t i = 0; i < count; i++) {
        int64_t earliest_ms = i == 0 ? 0 : session.last_ms + gap_ms + 1;
        uint64_t apart;
        uint64_t length;
        uint64_t marks;

        if (earliest_ms > newest_ms ||
            count_load(&reader->from, (uint64_t)(newest_ms - earliest_ms), &apart))
            return -EBADMSG;
        session.start_ms = i == 0 ? newest_ms - (int64_t)apart : earliest_ms + (int64_t)apart;
        if (count_load(&reader->from, (uint64_t)(newest_ms - session.start_ms), &length) ||
            count_load(&reader->from, (UINT64_C(1) << (32 + SESSION_FLAGS)) - 1, &marks))
            return -EBADMSG;
        session.last_ms = session.start_ms + (int64_t)length;
        session.revision = (uint32_t)(marks >> SESSION_FLAGS);
        session.has_fired = marks & 1;
        session.is_due = marks >> 1 & 1;
        session.is_finished = marks >> 2 & 1;
        if ((session.has_fired && (is_unfired || session.is_finished)) ||
            (session.is_due && !session.has_fired && !session.is_finished))
            return -EBADMSG;
        is_unfired = !session.has_fired;
        if (session_take(reader, target, &session))
            return -EBADMSG;
    }
    return 0;
}

static int lifetime_load(struct reader *reader, struct target *target)
{
    struct session state = {0};
    uint64_t count;
    uint64_t apart;
    uint64_t length;

    if (count_load(&reader->from, 1, &count))
        return -EBADMSG;
    if (count == 0)
        return 0;
    if (count_load(&reader->from, (uint64_t)reader->key->newest_ms, &apart))
        return -EBADMSG;
    state.last_ms = reader->key->newest_ms - (int64_t)apart;
    if (count_load(&reader->from, (uint64_t)state.last_ms, &length))
        return -EBADMSG;
    state.start_ms = state.last_ms - (int64_t)length;
    return session_take(reader, target, &state);
}

static int paneset_load(struct reader *reader, const struct layout_paneset *saved)
{
    struct target target = {.saved = saved};

    if (saved->to != PLAN_NONE) {
        target.paneset = &reader->keyspace->panesets[saved->to];
        target.panes = key_panes(reader->keyspace, reader->key, (uint32_t)saved->to);
    }
    switch (saved->kind) {
    case PANES_SLIDES:
        return slides_load(reader, &target);
    case PANES_SESSIONS:
        return sessions_load(reader, &target);
    case PANES_LIFETIME:
        return lifetime_load(reader, &target);
    }
    UNREACHABLE();
}

/* `subject`: whose they are, or NULL. Windows up to `last`. */
static int amendments_load(struct reader *reader, const struct subject *subject,
                           const struct target *target, int64_t last)
{
    int64_t window = target->newest;
    uint64_t count;

    if (count_load(&reader->from, reader->from.len, &count))
        return -EBADMSG;
    for (uint64_t i = 0; i < count; i++) {
        int64_t first_apart = 0;
        uint64_t apart = 0;
        uint64_t marks;

        if (i == 0 ? unpack_int(&reader->from, &first_apart)
                   : count_load(&reader->from, (uint64_t)(last - window), &apart) || apart == 0)
            return -EBADMSG;
        if (first_apart < target->first + 1 - window || first_apart > last - window)
            return -EBADMSG;
        window += first_apart + (int64_t)apart;
        if (count_load(&reader->from, (UINT64_C(1) << 33) - 1, &marks) || marks == 0)
            return -EBADMSG;
        if (!subject)
            continue;
        struct amendment *item = amendment_for(subject, window);

        item->revision = (uint32_t)(marks >> 1) - 1;
        item->is_due = marks & 1;
    }
    return 0;
}

static int last_load(struct reader *reader, const struct target *target, struct view_state *state)
{
    int64_t newest_ms = reader->key->newest_ms;
    uint64_t newest;
    uint64_t revision;
    int64_t apart;
    uint64_t length = 0;

    if (count_load(&reader->from, (uint64_t)newest_ms + 1, &newest) ||
        count_load(&reader->from, UINT64_C(1) << 32, &revision))
        return -EBADMSG;
    if (newest > 0)
        state->last.newest_ms = 1 + newest_ms - (int64_t)newest;
    if (revision == 0)
        return 0;
    if (unpack_int(&reader->from, &apart) || apart <= WATERMARK_NONE - newest_ms ||
        apart > WATERMARK_END - newest_ms)
        return -EBADMSG;
    state->last.revision = (uint32_t)(revision - 1);
    state->last.end_ms = newest_ms + apart;
    if (target->saved->kind == PANES_SLIDES)
        return 0;
    if (state->last.end_ms < 0 || count_load(&reader->from, (uint64_t)state->last.end_ms, &length))
        return -EBADMSG;
    state->last_start_ms = state->last.end_ms - (int64_t)length;
    return 0;
}

static int shown_load(struct reader *reader, struct view_state *state)
{
    return offset_load(&reader->from, reader->key->newest_ms, WATERMARK_NONE, 0, WATERMARK_END,
                       &state->shown_ms);
}

static int slides_view_load(struct reader *reader, const struct layout_view *view,
                            struct target *target, const struct subject *subject,
                            struct view_state *state)
{
    const struct layout_paneset *saved = target->saved;
    struct slides slides = slides_of(saved->slide_ms, saved->offset_ms);
    int64_t never = slides_index(&slides, WATERMARK_NONE);
    uint64_t finished;

    target->first = slides_index(&slides, 0);
    target->newest = slides_index(&slides, reader->key->newest_ms);
    /* The last window, and one behind it. */
    int64_t last = target->newest + view->size_ms / saved->slide_ms + 1;

    if (offset_load(&reader->from, target->newest, never, never,
                    slides_index(&slides, WATERMARK_END), &state->fired) ||
        amendments_load(reader, subject, target, last))
        return -EBADMSG;
    if (view->on_update)
        return last_load(reader, target, state);
    if (count_load(&reader->from, (uint64_t)MAX(last - state->fired, 0), &finished))
        return -EBADMSG;
    state->finished = finished == 0 ? never : state->fired + (int64_t)finished;
    return shown_load(reader, state);
}

static int view_load(struct reader *reader, const struct layout_view *view)
{
    struct keyspace *keyspace = reader->keyspace;
    struct target target = {.saved = &reader->layout->panesets[view->paneset]};
    struct view_state passed_over = {.last.newest_ms = WATERMARK_NONE,
                                     .last.end_ms = WATERMARK_NONE};
    struct subject subject = {.state = &passed_over};

    if (view->to != PLAN_NONE)
        subject = subject_of(keyspace, reader->key, (uint32_t)view->to);
    if (target.saved->kind == PANES_SLIDES)
        return slides_view_load(reader, view, &target, view->to == PLAN_NONE ? NULL : &subject,
                                subject.state);
    if (!view->on_update)
        return shown_load(reader, subject.state);
    int64_t newest_ms = reader->key->newest_ms;

    if (target.saved->kind == PANES_SESSIONS &&
        offset_load(&reader->from, newest_ms, WATERMARK_NONE, 0, newest_ms + target.saved->gap_ms,
                    &subject.state->fired))
        return -EBADMSG;
    return last_load(reader, &target, subject.state);
}

static int all_load(struct reader *reader)
{
    uint64_t newest;

    if (count_load(&reader->from, EVENT_TIME_MAX_MS, &newest))
        return -EBADMSG;
    reader->key->newest_ms = (int64_t)newest;
    for (uint32_t i = 0; i < reader->layout->paneset_count; i++) {
        if (paneset_load(reader, &reader->layout->panesets[i]))
            return -EBADMSG;
    }
    for (uint32_t i = 0; i < reader->layout->view_count; i++) {
        if (view_load(reader, &reader->layout->views[i]))
            return -EBADMSG;
    }
    return reader->from.len > 0 ? -EBADMSG : 0;
}

/* Whether a view that goes on still asks for windows that hold the pane that went last: on_close.c.
 */
static bool asks_for_released(const struct reader *reader, uint32_t number, int64_t released)
{
    const struct layout_paneset *saved = &reader->layout->panesets[number];
    struct slides slides = slides_of(saved->slide_ms, saved->offset_ms);
    int64_t closed = slides_index(&slides, reader->keyspace->release_ms -
                                               reader->keyspace->source->allowed_lateness_ms);

    for (uint32_t i = 0; i < reader->layout->view_count; i++) {
        const struct layout_view *view = &reader->layout->views[i];

        if (view->paneset != number || view->to == PLAN_NONE || view->on_update)
            continue;
        const struct view_state *state = key_view(reader->keyspace, reader->key,
                                                  (uint32_t)view->to);

        if (released + view->size_ms / saved->slide_ms >= MIN(closed, state->fired))
            return true;
    }
    return false;
}

/* A new view is not to take for held what is gone. */
static void forget_released(struct reader *reader)
{
    for (uint32_t i = 0; i < reader->layout->paneset_count; i++) {
        const struct layout_paneset *saved = &reader->layout->panesets[i];

        if (saved->to == PLAN_NONE || saved->kind != PANES_SLIDES)
            continue;
        struct panes *panes = key_panes(reader->keyspace, reader->key, (uint32_t)saved->to);

        if (!asks_for_released(reader, i, panes->released))
            panes->released = PANE_NONE;
    }
}

/* Nothing that was saved has found its place in it. */
static bool is_empty(struct keyspace *keyspace, struct key_head *key)
{
    for (uint32_t i = 0; i < keyspace->source->paneset_count; i++) {
        const struct panes *panes = key_panes(keyspace, key, i);

        if (panes->count > 0 || panes->released != PANE_NONE)
            return false;
    }
    for (uint32_t i = 0; i < keyspace->source->view_count; i++) {
        const struct view_state *state = key_view(keyspace, key, i);

        if (keyspace->views[i].plan->on_update && state->last.end_ms != WATERMARK_NONE)
            return false;
    }
    return true;
}

int key_load(struct keyspace *keyspace, const struct layout *layout, bool is_same,
             struct slice name, struct slice value, struct key_head **ret_key)
{
    uint64_t hash = hash64(name);
    struct reader reader = {.keyspace = keyspace, .layout = layout, .from = value};

    if (name.len == 0 || name.len > UINT32_MAX || key_table_find(&keyspace->table, hash, name))
        return -EBADMSG;
    reader.key = key_add(keyspace, hash, name, keyspace->clock_ms);
    int rc = all_load(&reader);

    if (rc == 0 && !is_same)
        forget_released(&reader);
    if (rc < 0 || (!is_same && is_empty(keyspace, reader.key))) {
        key_remove(keyspace, reader.key);
        reader.key = NULL;
    }
    *ret_key = reader.key;
    return rc;
}
