#include "aggregate/distinct.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "base/check.h"
#include "base/pack.h"

#define TAG_HASH      UINT64_C(1)
#define TAG_SET       UINT64_C(2)
#define TAG_SKETCH    UINT64_C(4)
#define TAGS          UINT64_C(7)

#define SET_CAP_FIRST 4
#define SAVED_SKETCH  (DISTINCT_EXACT_MAX + 1) /* where else the number of hashes stands */

struct hash_set {
    uint32_t len;
    uint32_t cap;
    uint64_t hashes[];
};

static size_t set_bytes(uint32_t cap)
{
    return sizeof(struct hash_set) + cap * sizeof(uint64_t);
}

static struct hash_set *set_in(uint64_t cell)
{
    return (struct hash_set *)(uintptr_t)(cell & ~TAGS);
}

static struct hll *sketch_in(uint64_t cell)
{
    return (struct hll *)(uintptr_t)(cell & ~TAGS);
}

/* All bits of a hash but the lowest may be anything, TAG_SKETCH too. */
static bool is_sketch(uint64_t cell)
{
    return (cell & (TAG_HASH | TAG_SKETCH)) == TAG_SKETCH;
}

static bool set_has(const struct hash_set *set, uint64_t hash)
{
    for (uint32_t i = 0; i < set->len; i++) {
        if (set->hashes[i] == hash)
            return true;
    }
    return false;
}

static void become_set(uint64_t *cell, struct cell_memory *memory)
{
    struct hash_set *set = cell_memory_calloc(memory, set_bytes(SET_CAP_FIRST));

    set->cap = SET_CAP_FIRST;
    set->len = 1;
    set->hashes[0] = *cell;
    *cell = (uint64_t)(uintptr_t)set | TAG_SET;
}

static void become_sketch(uint64_t *cell, struct cell_memory *memory)
{
    struct hash_set *set = set_in(*cell);
    struct hll *sketch = cell_memory_calloc(memory, sizeof(*sketch));

    for (uint32_t i = 0; i < set->len; i++)
        hll_add(sketch, set->hashes[i]);
    cell_memory_free(memory, set, set_bytes(set->cap));
    *cell = (uint64_t)(uintptr_t)sketch | TAG_SKETCH;
}

static struct hash_set *set_grow(uint64_t *cell, struct cell_memory *memory)
{
    struct hash_set *set = set_in(*cell);
    uint32_t cap = MIN(set->cap + (set->cap + 1) / 2, (uint32_t)DISTINCT_EXACT_MAX);

    set = cell_memory_resize(memory, set, set_bytes(set->cap), set_bytes(cap));
    set->cap = cap;
    *cell = (uint64_t)(uintptr_t)set | TAG_SET;
    return set;
}

void distinct_add(uint64_t *cell, uint64_t hash, struct cell_memory *memory)
{
    hash |= TAG_HASH;
    if (*cell == 0) {
        *cell = hash;
        return;
    }
    if (*cell & TAG_HASH) {
        if (*cell == hash)
            return;
        become_set(cell, memory);
    }
    if (*cell & TAG_SET) {
        struct hash_set *set = set_in(*cell);

        if (set_has(set, hash))
            return;
        if (set->len < DISTINCT_EXACT_MAX) {
            if (set->len == set->cap)
                set = set_grow(cell, memory);
            set->hashes[set->len++] = hash;
            return;
        }
        become_sketch(cell, memory);
    }
    hll_add(sketch_in(*cell), hash);
}

void distinct_done(uint64_t *cell, struct cell_memory *memory)
{
    if (*cell & TAG_HASH) {
        /* nothing outside of it */
    } else if (*cell & TAG_SET) {
        cell_memory_free(memory, set_in(*cell), set_bytes(set_in(*cell)->cap));
    } else if (*cell & TAG_SKETCH) {
        cell_memory_free(memory, sketch_in(*cell), sizeof(struct hll));
    }
    *cell = 0;
}

static void cells_swap(uint64_t *a, uint64_t *b)
{
    uint64_t cell = *a;

    *a = *b;
    *b = cell;
}

void distinct_merge(uint64_t *into, uint64_t *from, struct cell_memory *memory)
{
    if (*into == 0 || is_sketch(*from))
        cells_swap(into, from); /* so a sketch is `into`, if there is one */
    if (*from & TAG_HASH) {
        distinct_add(into, *from, memory);
    } else if (*from & TAG_SET) {
        const struct hash_set *set = set_in(*from);

        for (uint32_t i = 0; i < set->len; i++)
            distinct_add(into, set->hashes[i], memory);
    } else if (*from & TAG_SKETCH) {
        hll_merge(sketch_in(*into), sketch_in(*from));
    }
    distinct_done(from, memory);
}

static int ascending(const void *a, const void *b)
{
    const uint64_t *left = a;
    const uint64_t *right = b;

    return (*left > *right) - (*left < *right);
}

static void hashes_save(const uint64_t *hashes, uint32_t len, struct buf *out)
{
    uint64_t sorted[DISTINCT_EXACT_MAX];

    memcpy(sorted, hashes, len * sizeof(*hashes));
    qsort(sorted, len, sizeof(*sorted), ascending);
    pack_uint(out, len);
    for (uint32_t i = 0; i < len; i++)
        pack_word(out, sorted[i]);
}

void distinct_save(uint64_t cell, struct buf *out)
{
    if (cell & TAG_HASH) {
        hashes_save(&cell, 1, out);
    } else if (cell & TAG_SET) {
        hashes_save(set_in(cell)->hashes, set_in(cell)->len, out);
    } else if (cell & TAG_SKETCH) {
        pack_uint(out, SAVED_SKETCH);
        hll_save(sketch_in(cell), out);
    }
}

static int hashes_load(uint64_t *ret_hashes, uint64_t len, struct slice *from)
{
    for (uint64_t i = 0; i < len; i++) {
        if (unpack_word(from, &ret_hashes[i]) || !(ret_hashes[i] & TAG_HASH))
            return -EBADMSG;
        if (i > 0 && ret_hashes[i] <= ret_hashes[i - 1])
            return -EBADMSG;
    }
    return 0;
}

static int sketch_load(uint64_t *cell, struct slice from, struct cell_memory *memory)
{
    struct hll *sketch = cell_memory_calloc(memory, sizeof(*sketch));

    *cell = (uint64_t)(uintptr_t)sketch | TAG_SKETCH;
    if (hll_load(sketch, &from) || from.len > 0) {
        distinct_done(cell, memory);
        return -EBADMSG;
    }
    return 0;
}

int distinct_load(uint64_t *cell, struct slice from, struct cell_memory *memory)
{
    uint64_t hashes[DISTINCT_EXACT_MAX];
    uint64_t len;

    if (unpack_uint(&from, &len) || len == 0 || len > SAVED_SKETCH)
        return -EBADMSG;
    if (len == SAVED_SKETCH)
        return sketch_load(cell, from, memory);
    if (hashes_load(hashes, len, &from) || from.len > 0)
        return -EBADMSG;
    for (uint64_t i = 0; i < len; i++)
        distinct_add(cell, hashes[i], memory);
    return 0;
}

static uint32_t union_slot(const struct distinct_union *all, uint64_t hash)
{
    uint32_t slot = (uint32_t)(hash >> 32) & (DISTINCT_UNION_SLOTS - 1);

    while (all->slots[slot] && all->slots[slot] != hash)
        slot = (slot + 1) & (DISTINCT_UNION_SLOTS - 1);
    return slot;
}

void distinct_union_reset(struct distinct_union *all)
{
    for (uint32_t i = all->len; i-- > 0;)
        all->slots[union_slot(all, all->hashes[i])] = 0;
    all->len = 0;
    all->is_sketch = false;
}

static void union_become_sketch(struct distinct_union *all)
{
    memset(&all->sketch, 0, sizeof(all->sketch));
    for (uint32_t i = 0; i < all->len; i++)
        hll_add(&all->sketch, all->hashes[i]);
    distinct_union_reset(all);
    all->is_sketch = true;
}

static void union_add(struct distinct_union *all, uint64_t hash)
{
    if (!all->is_sketch) {
        uint32_t slot = union_slot(all, hash);

        if (all->slots[slot])
            return;
        if (all->len < DISTINCT_EXACT_MAX) {
            all->slots[slot] = hash;
            all->hashes[all->len++] = hash;
            return;
        }
        union_become_sketch(all);
    }
    hll_add(&all->sketch, hash);
}

void distinct_union_merge(struct distinct_union *all, uint64_t cell)
{
    if (cell & TAG_HASH) {
        union_add(all, cell);
    } else if (cell & TAG_SET) {
        const struct hash_set *set = set_in(cell);

        for (uint32_t i = 0; i < set->len; i++)
            union_add(all, set->hashes[i]);
    } else if (cell & TAG_SKETCH) {
        if (!all->is_sketch)
            union_become_sketch(all);
        hll_merge(&all->sketch, sketch_in(cell));
    }
}

int64_t distinct_union_count(const struct distinct_union *all)
{
    return all->is_sketch ? llround(hll_estimate(&all->sketch)) : (int64_t)all->len;
}
