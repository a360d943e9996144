/* What the files of the view layer share: see keyspace.h for the whole. */
#ifndef FRESHET_VIEW_INTERNAL_H
#define FRESHET_VIEW_INTERNAL_H

#include "aggregate/evaluate.h"
#include "state/calendar.h"
#include "state/ids.h"
#include "state/panes.h"
#include "view/keyspace.h"
#include "window/slides.h"

#define BOUNDARY_NEVER (INT64_MAX / 2)

/* A window of an on_close view that fired and whose row was, or is to be, emitted again. */
struct amendment {
    int64_t window;
    uint32_t revision; /* of its last row */
    bool is_due;       /* fires once more when the watermark reaches its end */
};

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
        struct amendments *amendments; /* on_close: NULL mostly */
        struct {
            int64_t newest_ms; /* on_update: of the events that entered, or WATERMARK_NONE */
            int64_t start_ms;  /* of the last row, or WATERMARK_NONE */
            int64_t end_ms;
            uint32_t revision;
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
    struct view_stats *stats;
};

struct keyspace {
    const struct plan *plan;
    const struct plan_source *source;
    struct arena *arena;
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
    struct calendar due;    /* by clock_ms: keys whose windows end */
    struct calendar amend;  /* by ends of windows: keys with some that fire once more */
    struct calendar free;   /* by release_ms: keys that no window may need any more */
    struct paneset *panesets;
    struct view *views;
    struct ids *ids;           /* for `dedup:`, or NULL */
    bool is_held;              /* the watermark releases nothing */
    bool is_finishing;         /* end of a bounded run: only windows with events, none online */
    uint32_t finish_next;      /* the record that is finished next */
    bool must_stop;            /* the output is full */
    const struct event *cause; /* the event being applied, or NULL */
};

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
void due_at(struct keyspace *keyspace, struct key_head *key, int64_t time_ms);

/* Looks at the key's amendments again when the watermark reaches the window's end, or it closes. */
void amend_at(struct keyspace *keyspace, struct key_head *key, int64_t time_ms);

/* on_close.c */
int64_t on_close_next(const struct subject *subject);
void on_close_fire(const struct subject *subject, int64_t window);
void on_close_entered(const struct subject *subject, const struct entry *entry,
                      int64_t watermark_ms);
void on_close_amend(const struct subject *subject, int64_t watermark_ms, int64_t release_ms);
void on_close_done(const struct subject *subject);

/* slides.c: tumbling and sliding windows */
uint32_t slides_levels(int64_t panes_max);
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
void on_update_fire(const struct subject *subject, int64_t boundary);
void on_update_entered(const struct subject *subject, int64_t pane, int64_t time_ms);

#endif
