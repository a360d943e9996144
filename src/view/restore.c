/* What a checkpoint holds goes back into a keyspace. */

#include <errno.h>

#include "base/hash.h"
#include "state/entries.h"
#include "view/internal.h"
#include "view/schema.h"

void keyspace_times_restore(struct keyspace *keyspace, const struct keyspace_times *times)
{
    /* Outside bytes: nothing that is above all times gets in. */
    keyspace->watermark_ms = MAX(keyspace->watermark_ms, MIN(times->watermark_ms, WATERMARK_END));
    keyspace->clock_ms = MAX(MAX(keyspace->clock_ms, MIN(times->clock_ms, WATERMARK_END)),
                             keyspace->watermark_ms);
    keyspace->release_ms = MAX(keyspace->release_ms, MIN(times->release_ms, WATERMARK_END));
}

static int load_key(struct keyspace *keyspace, const struct schema_map *map, uint32_t group,
                    struct slice name, struct slice value, bool is_changed)
{
    struct key_head *key;

    if (group != capture_group(keyspace, hash64(name)) ||
        key_table_find(&keyspace->cold.table, hash64(name), name) ||
        key_load(keyspace, schema_map_layout(map), schema_map_is_same(map), name, value, &key))
        return -EBADMSG;
    if (!key)
        return 0;
    capture_loaded(keyspace, key, is_changed);
    key_schedule(keyspace, key);
    return 0;
}

static int load_ids(struct keyspace *keyspace, const struct schema_map *map, uint32_t group,
                    struct slice rest, struct slice value, bool is_changed)
{
    const struct layout *layout = schema_map_layout(map);

    if (!layout->dedup)
        return -EBADMSG;
    if (!layout->takes_ids)
        return 0;
    return ids_load(keyspace->ids, group, rest, value, layout->dedup_width_ms, is_changed);
}

int keyspace_load(struct keyspace *keyspace, const struct schema_map *map, struct slice key,
                  struct slice value, bool is_changed)
{
    struct slice rest;
    uint32_t group;
    char kind;

    if (entry_key_read(key, &group, &kind, &rest))
        return -EBADMSG;
    is_changed |= !schema_map_is_same(map);
    switch (kind) {
    case ENTRY_IDS:
        return load_ids(keyspace, map, group, rest, value, is_changed);
    case ENTRY_KEY:
        return load_key(keyspace, map, group, rest, value, is_changed);
    default:
        return -EBADMSG;
    }
}
