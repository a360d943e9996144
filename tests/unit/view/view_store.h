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

#endif
