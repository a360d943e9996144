/* What the files of the view layer share: see keyspace.h for the whole. */
#ifndef FRESHET_VIEW_INTERNAL_H
#define FRESHET_VIEW_INTERNAL_H

#include "aggregate/evaluate.h"
#include "state/bits.h"
#include "state/ids.h"
#include "state/panes.h"
#include "state/timers.h"
#include "view/keyspace.h"
#include "view/layout.h"
#include "window/slides.h"

#define BOUNDARY_NEVER (INT64_MAX / 2)
#define SPAN_BITS      5
#define SPAN           (1 << SPAN_BITS) /* panes, or spans of one level, in one of the next */
#define WINDOW_EVERY                                                                               \
    (INT64_MIN / 2) /* in place of the first window: a span's events in all of theirs */

#define REVISION_NONE UINT32_MAX /* + 1: 0 */

/* A window of which a row was emitted that is to be, or was, emitted again:
 *   on_close    one that fired before an event entered it; or, by the end of a bounded run, before
 *               the clock was there: then it is due when the clock gets there
 *   on_update   a boundary for which the end of a bounded run has emitted a row ahead of time; due
 *               if an event has entered since */
struct amendment {
    int64_t window;
    uint32_t revision; /* of its last row, or REVISION_NONE */
    bool is_due;       /* there is more to show than that row did */
};

/* In the order of their windows. */
struct amendments {
    uint32_t len;
    uint32_t cap;
    struct amendment items[];
};

/* One key's progress in one view. */
struct view_state {
    /* Slides: all windows up to this boundary have fired. Sessions: the end of the last one that
     * ran out. */
    int64_t fired;
    union {
        struct amendments *amendments; /* slides: NULL mostly */
        int64_t last_start_ms;         /* on_update sessions and lifetimes: of the last row */
    };
    union {
        struct {
            int64_t finished; /* on_close: the end of a bounded run has fired up to here, if that
                               * is ahead of `fired` */
            int64_t shown_ms; /* the latest end of a row that went online, or WATERMARK_NONE */
        };
        struct {
            int64_t newest_ms; /* on_update: of the events that entered, or WATERMARK_NONE */
            int64_t end_ms;    /* of the last row, or WATERMARK_NONE */
            uint32_t revision; /* and its number */
        } last;
    };
};

/* A paneset as the keyspace works with it. */
struct paneset {
    struct panes_layout layout;
    struct slides slides;        /* for event times */
    struct slides clock_slides;  /* for the clock */
    struct slides closed_slides; /* for what is closed */
    int64_t keep;                /* slides after which a pane is of no use to any window */
    uint32_t levels;             /* of spans above the panes: slides.c */
    uint32_t first_panes;        /* in a key's list of panes; those of the levels follow it */
};

struct view {
    const struct plan_view *plan;
    struct paneset *paneset;
    uint32_t paneset_number;
    struct evaluator *evaluator;
    struct evaluator *before; /* on_update: the values before panes dropped out */
    bool is_exact;            /* slides_are_exact */
    struct view_stats *stats;
};

/* What has changed, and what of it is to be captured: capture.c. */
struct capture {
    uint32_t epoch; /* marks so far, and one */
    bool is_under_way;
    uint64_t number;     /* of the checkpoint */
    struct bits changed; /* numbers of keys that changed since the last mark */
    struct bits pending; /* those that have not been written since, and had before it */
    uint32_t next;       /* where the pending ones are looked for next */
    struct buf deleted;  /* entries of keys that went since the last mark */
    struct buf captured;
};

/* The keys whose state is only in the store: cold.c. */
struct cold {
    struct key_table table; /* heads alone */
    struct timers timers;
    struct plan_memory *memory; /* of the layout; NULL: no key has ever been cold */
    struct layout layout;
    uint32_t hand;     /* the record that eviction looks at next */
    uint32_t *written; /* numbers of keys that wait for the store to have them */
    uint32_t written_count;
    uint32_t finish_next; /* the cold record that is finished next */
    struct buf keys;      /* of a look-up */
    bool has_failed;      /* the store did not give a key: nothing goes on */
};

struct keyspace {
    const struct plan *plan;
    const struct plan_source *source;
    int32_t partition; /* aligned: the key group; else PLAN_NONE */
    struct arena *arena;
    struct intern *intern;
    struct keyspace_output output;
    int64_t watermark_ms;
    int64_t clock_ms;
    int64_t release_ms;
    int64_t lag_max_ms; /* of release behind clock: state.ttl, or the longest window and its
                         * lateness */
    struct key_table table;
    uint32_t panes_offset; /* of the panes in a key's record */
    uint32_t panes_count;
    uint32_t states_offset; /* of the view states */
    struct timers timers;
    struct cold cold;
    struct paneset *panesets;
    struct view *views;
    struct ids *ids; /* for `dedup:`, or NULL */
    struct capture capture;
    bool is_held;              /* the watermark releases nothing */
    bool is_finishing;         /* ahead of the clock: only windows with events, none online */
    uint32_t finish_next;      /* the record that is finished next */
    bool must_stop;            /* the output is full */
    const struct event *cause; /* the event being applied, or NULL */
};

static inline enum paneset_kind kind_of(const struct keyspace *keyspace, uint32_t paneset)
{
    return keyspace->panesets[paneset].layout.plan->kind;
}

static inline struct panes *key_panes(const struct keyspace *keyspace, struct key_head *key,
                                      uint32_t paneset)
{
    return (struct panes *)((char *)key + keyspace->panes_offset) +
           keyspace->panesets[paneset].first_panes;
}

static inline struct view_state *key_view(const struct keyspace *keyspace, struct key_head *key,
                                          uint32_t view)
{
    return (struct view_state *)((char *)key + keyspace->states_offset) + view;
}

/* One key in one view: what firing and updating work on. */
struct subject {
    struct keyspace *keyspace;
    struct view *view;
    struct key_head *key;
    struct panes *panes;
    struct view_state *state;
};

static inline struct subject subject_of(struct keyspace *keyspace, struct key_head *key,
                                        uint32_t view)
{
    return (struct subject){
        .keyspace = keyspace,
        .view = &keyspace->views[view],
        .key = key,
        .panes = key_panes(keyspace, key, keyspace->views[view].paneset_number),
        .state = key_view(keyspace, key, view),
    };
}

/* What emit_row needs to know of a row. */
struct row_facts {
    int64_t start_ms;
    int64_t end_ms;
    uint32_t revision;
    bool empty;
    bool retracted;
    bool online_only;
    const struct row_value *values;
};

void emit_row(const struct subject *subject, const struct row_facts *facts);

/* Whether the events of a pane are in the view's window that ends at boundary `end`, as to when
 * they came; with BOUNDARY_NEVER: whether they came in time for any of its windows. */
static inline bool entry_counts(const struct subject *subject, const char *entry, int64_t end)
{
    const struct panes_layout *layout = &subject->view->paneset->layout;
    int64_t last_window = pane_index(entry) + subject->view->plan->panes;

    return !layout->split || pane_first_window(layout, entry) <= MIN(end, last_window);
}

/* Values of the panes from `first` up to, and without, `end`, as far as they count. */
const struct row_value *values_of(const struct subject *subject, struct evaluator *evaluator,
                                  int64_t first, int64_t end);

/* Of one pane's cells; NULL: of none. */
const struct row_value *values_of_cells(const struct subject *subject, struct evaluator *evaluator,
                                        const char *cells);

/* An event into the cells of its pane. */
void pane_add(struct keyspace *keyspace, struct paneset *paneset, char *cells,
              const struct event *event);

/* Where an event entered a paneset. */
struct entry {
    int64_t pane;
    int64_t first_window; /* of its windows, the first that was open */
    bool is_new;          /* no event with the same pane and first window was there */
};

/* The keyspace's times as one event, or one visit, sees them. */
struct instant {
    int64_t watermark_ms;
    int64_t clock_ms;
    int64_t closing_ms; /* what windows are closed by to the event: its own partition's watermark */
    int64_t release_ms; /* what sessions are gone by: aligned the same, else that of the keyspace */
};

/* Looks at the key again when the clock reaches the time. */
static inline void due_at(struct keyspace *keyspace, struct key_head *key, int64_t time_ms)
{
    timer_set(&keyspace->timers, TIMER_DUE, key, time_ms);
}

/* Looks at the key's amendments again when the watermark reaches the window's end, or it closes. */
static inline void amend_at(struct keyspace *keyspace, struct key_head *key, int64_t time_ms)
{
    timer_set(&keyspace->timers, TIMER_AMEND, key, time_ms);
}

/* Looks whether the key may go when what is released reaches the time. */
static inline void free_at(struct keyspace *keyspace, struct key_head *key, int64_t time_ms)
{
    timer_set(&keyspace->timers, TIMER_FREE, key, time_ms);
}

/* Windows that end up to here fire once more: the watermark is there, or they are closed. */
static inline int64_t amendable_ms(const struct keyspace *keyspace, int64_t watermark_ms)
{
    return MAX(watermark_ms, keyspace->release_ms - keyspace->source->allowed_lateness_ms);
}

/* keyspace.c */
bool paneset_is_split(const struct plan *plan, const struct plan_source *source, uint32_t paneset);
int64_t views_lag_max_ms(const struct plan *plan, const struct plan_source *source);

/* key.c */

/* A new key with nothing in it, for who fills it and looks after its times. */
struct key_head *key_add(struct keyspace *keyspace, uint64_t hash, struct slice key,
                         int64_t clock_ms);

/* Looks at a key again when its state says that there is something to do. */
void key_schedule(struct keyspace *keyspace, struct key_head *key);

/* Frees the panes whose windows are all closed, and have fired. */
void key_release(struct keyspace *keyspace, struct key_head *key);

int64_t paneset_needed_until_ms(struct keyspace *keyspace, const struct key_head *key,
                                uint32_t paneset, const struct panes *panes);

/* When panes of a key for which nothing is due can be freed; if it has none, when the key can. */
int64_t key_needed_until_ms(struct keyspace *keyspace, struct key_head *key);

/* Fetch a key's newest panes into the cache; then, by them, what their cells hold outside. What was
 * fetched before is taken to be there. */
void key_prefetch_panes(struct keyspace *keyspace, struct key_head *key, uint32_t newest);
void key_prefetch_cells(struct keyspace *keyspace, struct key_head *key, uint32_t newest);

/* Frees the key and all it holds. */
void key_remove(struct keyspace *keyspace, struct key_head *key);

/* capture.c */
void capture_init(struct keyspace *keyspace);
void capture_done(struct keyspace *keyspace);
uint32_t capture_group(const struct keyspace *keyspace, uint64_t key_hash);
void capture_write_first(struct keyspace *keyspace, struct key_head *key);

/* Goes before every change of what is saved of the key. */
static inline void key_touch(struct keyspace *keyspace, struct key_head *key)
{
    if (UNLIKELY(key->changed != keyspace->capture.epoch))
        capture_write_first(keyspace, key);
}

/* The key is new. */
void capture_created(struct keyspace *keyspace, struct key_head *key);

/* It was loaded. */
void capture_loaded(struct keyspace *keyspace, struct key_head *key, bool is_changed);

/* The key goes. */
void capture_dropped(struct keyspace *keyspace, struct key_head *key);

/* Whether it has changed since the last mark, or is still to be captured. */
static inline bool capture_is_changed(const struct keyspace *keyspace, const struct key_head *key)
{
    return bits_has(&keyspace->capture.changed, key->number);
}

static inline bool capture_is_pending(const struct keyspace *keyspace, const struct key_head *key)
{
    return bits_has(&keyspace->capture.pending, key->number);
}

/* Writes a changed key between two captures: it counts as unchanged. */
void capture_write(struct keyspace *keyspace, struct key_head *key);

/* A key that is not in the key table, but in the store, goes. */
void capture_deleted(struct keyspace *keyspace, const struct key_head *key);

/* cold.c */
void cold_init(struct keyspace *keyspace);
void cold_done(struct keyspace *keyspace);

static inline bool cold_is_any(const struct keyspace *keyspace)
{
    return keyspace->cold.table.live > 0;
}

/* Loads those of the events' keys that are cold. False: the store did not give them. */
bool cold_load_for(struct keyspace *keyspace, const struct event *const *events, uint32_t count);

/* Loads cold keys whose times have come, and frees those that nothing needs, at most *budget. */
void cold_wake(struct keyspace *keyspace, uint32_t *budget);
bool cold_is_due(const struct keyspace *keyspace);

/* Loads cold keys that are to be finished, from cold.finish_next on; their number. */
uint32_t cold_load_to_finish(struct keyspace *keyspace, struct key_head **keys, uint32_t max);

#define COLD_LOAD_MAX 64 /* keys that are fetched together */

/* schema.c */
const struct layout *schema_map_layout(const struct schema_map *map);

/* key_save.c, key_load.c */
#define SESSION_FLAGS 3 /* bits of a saved session's revision and flags */

void key_save(struct keyspace *keyspace, struct key_head *key, struct buf *out);

/* Makes the key. *ret_key is NULL if the layout is not that of the plan (`is_same`), and nothing of
 * the key is left. Returns 0; or -EBADMSG with nothing held. */
MUST_USE int key_load(struct keyspace *keyspace, const struct layout *layout, bool is_same,
                      struct slice name, struct slice value, struct key_head **ret_key);

/* amendments.c: of a view over slides */
struct amendment *amendment_find(const struct subject *subject, int64_t window);
struct amendment *amendment_for(const struct subject *subject, int64_t window);

/* Forgets the first `count`, or those before the window. */
void amendments_drop(const struct subject *subject, uint32_t count);
void amendments_drop_before(const struct subject *subject, int64_t window);

/* on_close.c */
int64_t on_close_next(const struct subject *subject);

/* Fires the windows up to `reached`. Returns the next one, or BOUNDARY_NEVER. */
int64_t on_close_catch_up(const struct subject *subject, int64_t reached);
void on_close_entered(const struct subject *subject, const struct entry *entry,
                      int64_t watermark_ms);
void on_close_amend(const struct subject *subject, int64_t watermark_ms, int64_t release_ms);
void on_close_finish(const struct subject *subject);
void on_close_schedule(const struct subject *subject);

/* slides.c: tumbling and sliding windows */
uint32_t slides_levels(int64_t panes_max);
int64_t slides_width(uint32_t level); /* of a span, in panes */

/* Whether windows that hold the same panes have the same values, to the last bit. */
bool slides_are_exact(const struct plan_paneset *paneset, const struct plan_view *view);
void slides_schedule(struct keyspace *keyspace, struct key_head *key, uint32_t view);
void slides_make_spans(struct keyspace *keyspace, struct key_head *key, uint32_t paneset);
void due_at_boundary(const struct subject *subject, int64_t boundary);
void slides_update(struct keyspace *keyspace, struct key_head *key, uint32_t paneset,
                   const struct event *event, const struct instant *now);
void slides_catch_up(struct keyspace *keyspace, struct key_head *key, uint32_t view,
                     const struct instant *now);
void slides_finish(struct keyspace *keyspace, struct key_head *key, uint32_t view);
void slides_release(struct keyspace *keyspace, struct key_head *key, uint32_t paneset);
int64_t slides_needed_until_ms(struct keyspace *keyspace, const struct key_head *key,
                               uint32_t paneset, const struct panes *panes);

/* sessions.c */
bool sessions_are_late(struct keyspace *keyspace, struct key_head *key, uint32_t paneset,
                       int64_t time_ms, const struct instant *now);
void sessions_update(struct keyspace *keyspace, struct key_head *key, uint32_t paneset,
                     const struct event *event, const struct instant *now);
void sessions_catch_up(struct keyspace *keyspace, struct key_head *key, uint32_t paneset,
                       const struct instant *now);
void sessions_amend(struct keyspace *keyspace, struct key_head *key, uint32_t paneset,
                    int64_t watermark_ms);
void sessions_release(struct keyspace *keyspace, struct key_head *key, uint32_t paneset,
                      int64_t release_ms);
int64_t sessions_needed_until_ms(struct keyspace *keyspace, const struct key_head *key,
                                 uint32_t paneset, const struct panes *panes);
void sessions_finish(struct keyspace *keyspace, struct key_head *key, uint32_t paneset);
void sessions_schedule(struct keyspace *keyspace, struct key_head *key, uint32_t paneset);

/* lifetime.c */
bool lifetime_is_gone(struct keyspace *keyspace, struct key_head *key, uint32_t paneset,
                      int64_t time_ms, const struct instant *now);
void lifetime_update(struct keyspace *keyspace, struct key_head *key, uint32_t paneset,
                     const struct event *event, const struct instant *now);
void lifetime_release(struct keyspace *keyspace, struct key_head *key, uint32_t paneset);
int64_t lifetime_needed_until_ms(const struct keyspace *keyspace, const struct panes *panes,
                                 uint32_t paneset);

/* on_update.c */
void on_update_emit(const struct subject *subject, int64_t start_ms, int64_t end_ms, bool empty,
                    const struct row_value *values);
int64_t on_update_next(const struct subject *subject);
int64_t on_update_catch_up(const struct subject *subject, int64_t reached);
void on_update_finish(const struct subject *subject);
void on_update_entered(const struct subject *subject, int64_t pane, int64_t time_ms);

#endif
