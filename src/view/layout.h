/* layout - where things stand in the bytes of a key's state: what key_save.c writes and key_load.c
 * reads by.
 *
 *   plan ──layout_of_plan──▶ layout ──layout_write──▶ text ──layout_read──▶ layout
 *
 * What is stored is known by its identity: text, put together of what defines it, the same in every
 * version of the program that says so. Names of views and features are there for messages alone.
 * All of a layout lies in the memory that was given for it. */
#ifndef FRESHET_VIEW_LAYOUT_H
#define FRESHET_VIEW_LAYOUT_H

#include "base/err.h"
#include "plan/memory.h"
#include "plan/plan.h"

#define STATE_FORMAT   1 /* goes up when key_save.c, ids.h or this text changes */
#define LAYOUT_VERSION "freshet state %d, cells %d"

struct layout_cell {
    const char *identity;
    int to; /* the plan's cell that takes it over, or PLAN_NONE */
};

struct layout_paneset {
    enum paneset_kind kind;
    int64_t slide_ms; /* as in plan_paneset */
    int64_t offset_ms;
    int64_t gap_ms;
    int64_t panes_max;
    bool split;
    uint32_t levels;
    const char *where;
    struct layout_cell *cells;
    uint32_t cell_count;
    int to;           /* the plan's paneset, or PLAN_NONE */
    bool takes_spans; /* they are laid out alike; else those of the plan are made anew */
};

struct layout_feature {
    const char *name;
    const char *computes; /* from the cell */
    uint32_t cell;
};

struct layout_view {
    const char *name;
    uint32_t paneset;
    enum window_kind window;
    int64_t size_ms; /* 0: no slides */
    bool on_update;
    struct layout_feature *features;
    uint32_t feature_count;
    int to; /* the plan's view, by its place in the source, or PLAN_NONE */
};

struct layout {
    const char *source; /* of keys and times */
    int64_t lateness_ms;
    const char *dedup; /* of ids, or NULL */
    int64_t dedup_width_ms;
    bool takes_ids;
    struct layout_paneset *panesets;
    uint32_t paneset_count;
    struct layout_view *views;
    uint32_t view_count;
};

extern const char *const layout_paneset_names[]; /* by enum paneset_kind */
extern const char *const layout_window_names[];  /* by enum window_kind */

/* The plan's own: everything goes where it stands. */
void layout_of_plan(const struct plan *plan, uint32_t source, struct plan_memory *memory,
                    struct layout *ret);

/* Without names: what decides whether two layouts are the same. */
void layout_write(const struct layout *layout, bool with_names, struct buf *out);

/* Nothing goes anywhere yet. Returns 0, or -EBADMSG. */
MUST_USE int layout_read(struct slice text, struct plan_memory *memory, struct layout *ret,
                         struct err *err);

#endif
