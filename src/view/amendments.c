/* Amendments: the few windows of a key of which more than `fired` has to be known; see internal.h.
 */

#include "view/internal.h"

#define AMENDMENTS_FIRST 2

static size_t amendments_bytes(uint32_t cap)
{
    return sizeof(struct amendments) + cap * sizeof(struct amendment);
}

/* The first one that is not before the window. */
static uint32_t place_of(const struct amendments *all, int64_t window)
{
    uint32_t low = 0;
    uint32_t high = all ? all->len : 0;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (all->items[middle].window < window)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct amendment *amendment_find(const struct subject *subject, int64_t window)
{
    struct amendments *all = subject->state->amendments;
    uint32_t at = place_of(all, window);

    return all && at < all->len && all->items[at].window == window ? &all->items[at] : NULL;
}

struct amendment *amendment_for(const struct subject *subject, int64_t window)
{
    struct arena *arena = subject->keyspace->arena;
    struct amendments *all = subject->state->amendments;
    uint32_t at = place_of(all, window);

    if (all && at < all->len && all->items[at].window == window)
        return &all->items[at];
    if (!all) {
        all = arena_calloc(arena, amendments_bytes(AMENDMENTS_FIRST));
        all->cap = AMENDMENTS_FIRST;
    } else if (all->len == all->cap) {
        all = arena_resize(arena, all, amendments_bytes(all->cap), amendments_bytes(all->cap * 2));
        all->cap *= 2;
    }
    subject->state->amendments = all;
    memmove(&all->items[at + 1], &all->items[at], (all->len - at) * sizeof(all->items[0]));
    all->items[at] = (struct amendment){.window = window};
    all->len++;
    return &all->items[at];
}

void amendments_drop(const struct subject *subject, uint32_t count)
{
    struct amendments *all = subject->state->amendments;

    if (!all)
        return;
    all->len -= count;
    memmove(&all->items[0], &all->items[count], all->len * sizeof(all->items[0]));
    if (all->len > 0)
        return;
    arena_free(subject->keyspace->arena, all, amendments_bytes(all->cap));
    subject->state->amendments = NULL;
}

void amendments_drop_before(const struct subject *subject, int64_t window)
{
    amendments_drop(subject, place_of(subject->state->amendments, window));
}
