/* view_kept - what checkpoints keep, as the tests know it: a list of keys and values, to which the
 * entries of captures are applied. */
#ifndef FRESHET_TESTS_VIEW_KEPT_H
#define FRESHET_TESTS_VIEW_KEPT_H

#include "../support/testing.h"
#include "state/entries.h"

struct kept {
    char *key;
    size_t key_len;
    char *value;
    size_t value_len;
};

struct store {
    struct kept *all;
    size_t count;
    size_t cap;
    size_t puts; /* entries that were applied, by kind */
    size_t deletions;
};

static inline char *bytes_copy(struct slice bytes)
{
    char *copy = malloc(bytes.len + 1);

    assert_non_null(copy);
    memcpy(copy, bytes.data, bytes.len);
    return copy;
}

static inline struct kept *store_find(const struct store *store, struct slice key)
{
    for (size_t i = 0; i < store->count; i++) {
        struct kept *kept = &store->all[i];

        if (slice_equal((struct slice){kept->key, kept->key_len}, key))
            return kept;
    }
    return NULL;
}

static inline void store_delete(struct store *store, struct slice key)
{
    struct kept *kept = store_find(store, key);

    store->deletions++;
    if (!kept)
        return;
    free(kept->key);
    free(kept->value);
    *kept = store->all[--store->count];
}

static inline void store_put(struct store *store, struct slice key, struct slice value)
{
    struct kept *kept = store_find(store, key);

    store->puts++;
    if (kept) {
        free(kept->value);
    } else {
        if (store->count == store->cap) {
            store->cap = MAX(store->cap * 2, (size_t)16);
            store->all = realloc(store->all, store->cap * sizeof(*store->all));
            assert_non_null(store->all);
        }
        kept = &store->all[store->count++];
        kept->key = bytes_copy(key);
        kept->key_len = key.len;
    }
    kept->value = bytes_copy(value);
    kept->value_len = value.len;
}

/* Takes the entries away. */
static inline void store_take(struct store *store, struct buf *entries)
{
    struct slice from = buf_slice(entries);
    struct slice key;
    struct slice value;

    while (from.len > 0) {
        ENSURE_INT(entry_next(&from, &key, &value), 0);
        if (value.data)
            store_put(store, key, value);
        else
            store_delete(store, key);
    }
    buf_free(entries);
}

static inline void store_clear(struct store *store)
{
    for (size_t i = 0; i < store->count; i++) {
        free(store->all[i].key);
        free(store->all[i].value);
    }
    free(store->all);
    *store = (struct store){0};
}

static inline void store_copy(struct store *into, const struct store *from)
{
    store_clear(into);
    for (size_t i = 0; i < from->count; i++)
        store_put(into, (struct slice){from->all[i].key, from->all[i].key_len},
                  (struct slice){from->all[i].value, from->all[i].value_len});
}

#endif
