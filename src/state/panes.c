#include "state/panes.h"

#define LINEAR_MAX 8 /* entries from the end that are tried one by one */

void panes_layout_init(struct panes_layout *layout, const struct plan_paneset *plan, bool split,
                       struct arena *arena, struct intern *intern)
{
    uint32_t header_bytes = plan->kind != PANES_SLIDES ? sizeof(struct session)
                            : split                    ? 2 * sizeof(int64_t)
                                                       : sizeof(int64_t);

    *layout = (struct panes_layout){
        .plan = plan,
        .split = split,
        .header_bytes = header_bytes,
        .entry_bytes = header_bytes + plan->cell_bytes,
        .memory = {.arena = arena, .intern = intern},
    };
}

void panes_init(struct panes *panes)
{
    *panes = (struct panes){.released = PANE_NONE};
}

uint32_t panes_before(const struct panes_layout *layout, const struct panes *panes, int64_t index)
{
    uint32_t low = 0;
    uint32_t high = panes->count;

    /* What is asked for is mostly near the end. */
    for (uint32_t tries = 0; tries < LINEAR_MAX && high > 0; tries++, high--) {
        if (pane_index(panes_entry(layout, panes, high - 1)) < index)
            return high;
    }
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (pane_index(panes_entry(layout, panes, middle)) < index)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void make_room(struct panes_layout *layout, struct panes *panes)
{
    uint32_t entry_bytes = layout->entry_bytes;

    if (panes->head + panes->count < panes->cap)
        return;
    if (panes->head > panes->count / 2) {
        memmove(panes->entries, panes_entry(layout, panes, 0), (size_t)panes->count * entry_bytes);
        panes->head = 0;
        return;
    }

    uint32_t cap = panes->cap < 2 ? panes->cap + 1 : panes->cap + (panes->cap + 1) / 2;
    panes->entries = cell_memory_resize(&layout->memory, panes->entries,
                                        (size_t)panes->cap * entry_bytes,
                                        (size_t)cap * entry_bytes);
    panes->cap = cap;
}

char *panes_insert(struct panes_layout *layout, struct panes *panes, uint32_t at, int64_t index)
{
    make_room(layout, panes);

    char *entry = panes_entry(layout, panes, at);
    memmove(entry + layout->entry_bytes, entry, (size_t)(panes->count - at) * layout->entry_bytes);
    panes->count++;
    memset(entry, 0, layout->entry_bytes);
    *(int64_t *)entry = index;
    return entry;
}

char *panes_touch(struct panes_layout *layout, struct panes *panes, int64_t index,
                  int64_t first_window, bool *ret_is_new)
{
    uint32_t at = panes_before(layout, panes, index);

    *ret_is_new = false;
    for (; at < panes->count; at++) {
        char *entry = panes_entry(layout, panes, at);

        if (pane_index(entry) != index)
            break;
        if (!layout->split || pane_first_window(layout, entry) == first_window)
            return entry;
        if (pane_first_window(layout, entry) > first_window)
            break;
    }
    *ret_is_new = true;

    char *entry = panes_insert(layout, panes, at, index);
    if (layout->split)
        ((int64_t *)entry)[1] = first_window;
    return entry;
}

static void free_if_empty(struct panes_layout *layout, struct panes *panes)
{
    if (panes->count > 0)
        return;
    cell_memory_free(&layout->memory, panes->entries, (size_t)panes->cap * layout->entry_bytes);
    panes->entries = NULL;
    panes->head = panes->cap = 0;
}

void panes_remove(struct panes_layout *layout, struct panes *panes, uint32_t at)
{
    char *entry = panes_entry(layout, panes, at);

    pane_cells_done(layout->plan, pane_cells(layout, entry), &layout->memory);
    panes->count--;
    memmove(entry, entry + layout->entry_bytes, (size_t)(panes->count - at) * layout->entry_bytes);
    free_if_empty(layout, panes);
}

void panes_drop(struct panes_layout *layout, struct panes *panes, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        char *entry = panes_entry(layout, panes, i);

        pane_cells_done(layout->plan, pane_cells(layout, entry), &layout->memory);
        panes->released = pane_index(entry);
    }
    panes->head += count;
    panes->count -= count;
    free_if_empty(layout, panes);
}
