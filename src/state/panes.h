/* panes - the occupied panes of one key in one paneset, in order of time.
 *
 *   entries   [ . . | p 12: cells | p 15: cells | p 16: cells | . . ]
 *                    ^head                          head + count^
 *
 * Of a paneset of slides an entry is a pane, numbered as in window/slides.h; of sessions it is a
 * session, by the time of its first event; of lifetimes there is at most one.
 *
 * Only panes that hold an event take room, so a key costs what it has seen, whatever the number of
 * slides in a window. New panes mostly come at the end and old ones go at the front.
 *
 * An entry is a pane's number and its cells. With `split`, an entry also says from which window on
 * its events count, and a pane may have several entries: under shuffle an event can come too late
 * for some of its windows, by its own partition's watermark, before those windows fire, and must
 * not get into them. (With aligned partitions such windows have fired for good.)
 *
 * Owned by one shard. Memory is counted in the paneset's cell_memory. */
#ifndef FRESHET_STATE_PANES_H
#define FRESHET_STATE_PANES_H

#include "aggregate/cell.h"

#define PANE_NONE (INT64_MIN / 2)

/* What all keys' panes of one paneset have in common. */
struct panes_layout {
    const struct plan_paneset *plan;
    bool split;
    uint32_t header_bytes; /* before the cells: 8, split 16, struct session 24 */
    uint32_t entry_bytes;
    struct cell_memory memory;
};

/* What stands before the cells of a session, or of a lifetime. */
struct session {
    int64_t start_ms;  /* of its first event; the entry's index */
    int64_t last_ms;   /* of its last one */
    uint32_t revision; /* of its last row */
    bool has_fired;    /* the clock has reached its end */
    bool is_finished;  /* the end of a bounded run has fired it ahead of the clock */
    bool is_due;       /* it fired early, and an event came since: once more, when the clock (if it
                        * is_finished; else the watermark) reaches its end */
};

struct panes {
    char *entries;
    uint32_t head;
    uint32_t count;
    uint32_t cap;
    int64_t released; /* the newest pane that was dropped, or PANE_NONE */
};

void panes_layout_init(struct panes_layout *layout, const struct plan_paneset *plan, bool split,
                       struct arena *arena, struct intern *intern);

void panes_init(struct panes *panes);

static inline char *panes_entry(const struct panes_layout *layout, const struct panes *panes,
                                uint32_t at)
{
    return panes->entries + (size_t)(panes->head + at) * layout->entry_bytes;
}

static inline int64_t pane_index(const char *entry)
{
    return *(const int64_t *)entry;
}

/* The first window that the entry's events are in. */
static inline int64_t pane_first_window(const struct panes_layout *layout, const char *entry)
{
    return layout->split ? ((const int64_t *)entry)[1] : pane_index(entry) + 1;
}

static inline struct session *session_at(const struct panes_layout *layout,
                                         const struct panes *panes, uint32_t at)
{
    return (struct session *)panes_entry(layout, panes, at);
}

static inline char *pane_cells(const struct panes_layout *layout, char *entry)
{
    return entry + layout->header_bytes;
}

/* How many entries lie before pane `index`: the place of the first that does not. */
uint32_t panes_before(const struct panes_layout *layout, const struct panes *panes, int64_t index);

/* The entry for pane and first window, made with empty cells if there is none. Moves entries. */
char *panes_touch(struct panes_layout *layout, struct panes *panes, int64_t index,
                  int64_t first_window, bool *ret_is_new);

/* A new entry with empty cells and all else zero, before the one at place `at`. Moves entries. */
char *panes_insert(struct panes_layout *layout, struct panes *panes, uint32_t at, int64_t index);

/* Takes one entry out. */
void panes_remove(struct panes_layout *layout, struct panes *panes, uint32_t at);

/* Drops the first `count` entries. */
void panes_drop(struct panes_layout *layout, struct panes *panes, uint32_t count);

static inline void panes_prefetch(const struct panes *panes)
{
    if (panes->entries)
        __builtin_prefetch(panes->entries);
}

#endif
