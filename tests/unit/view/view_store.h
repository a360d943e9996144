/* view_store - keyspaces, stored as a checkpoint has them and loaded again. */
#ifndef FRESHET_TESTS_VIEW_STORE_H
#define FRESHET_TESTS_VIEW_STORE_H

#include "view/schema.h"
#include "view_bench.h"
#include "view_kept.h"

static inline struct schema_map *map_onto(const struct plan *plan, const struct plan *saved)
{
    struct schema_map *map = NULL;
    struct buf schema = {0};
    struct err err = {.text = ""};

    schema_save(saved, 0, &schema);
    if (schema_map_create(plan, 0, buf_slice(&schema), &map, &err))
        fail_msg("%s\n%s", err.text, buf_string(&schema));
    buf_free(&schema);
    return map;
}

/* All that is kept, in any order. */
static inline void store_load(const struct store *store, struct keyspace *keyspace,
                              const struct schema_map *map, bool is_changed)
{
    size_t first = store->count ? random_below(store->count) : 0;

    for (size_t i = 0; i < store->count; i++) {
        const struct kept *kept = &store->all[(first + i) % store->count];
        struct slice key = {kept->key, kept->key_len};
        struct slice value = {kept->value, kept->value_len};

        ENSURE_INT(keyspace_load(keyspace, map, key, value, is_changed), 0);
    }
}

/* What a keyspace reads of evicted keys. */
static inline bool store_fetch(void *context, const struct slice *keys, uint32_t count,
                               bool (*take)(void *loading, uint32_t number, struct slice value),
                               void *loading)
{
    const struct bench *owner = context;
    bool is_backwards = random_chance(50);

    for (uint32_t i = 0; i < count; i++) {
        uint32_t number = is_backwards ? count - 1 - i : i;
        const struct kept *kept = store_find(owner->store, keys[number]);

        if (!take(loading, number,
                  kept ? (struct slice){kept->value, kept->value_len} : SLICE_NONE))
            return false;
    }
    return true;
}

#endif
