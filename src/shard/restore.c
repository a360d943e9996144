/* State from a checkpoint, before the first record: a partition's own, or of a shuffled source the
 * key groups that this shard owns. Every shard reads for itself, all at once. Images of Redis come
 * behind the keys that they belong to. */

#include <errno.h>

#include "base/failpoint.h"
#include "checkpoint/store.h"
#include "shard/internal.h"
#include "sink/redis_save.h"
#include "state/entries.h"

struct loading {
    struct shard *shard;
    const struct restore *restore;
    uint32_t source;
    struct keyspace *keyspace;
    uint32_t outlet_group;
};

static int image_load(const struct loading *loading, struct slice key, struct slice value)
{
    struct shard *shard = loading->shard;
    struct slice entity;
    uint32_t group;
    char kind;

    if (!shard->redis)
        return 0;
    if (entry_key_read(key, &group, &kind, &entity))
        return -EBADMSG;
    return redis_sink_load(shard->redis, loading->source, key, value,
                           keyspace_slot(loading->keyspace, entity), loading->outlet_group);
}

static int on_entry(void *context, struct slice key, struct slice value)
{
    const struct loading *loading = context;
    struct slice rest;
    uint32_t group;
    char kind;

    if (!loading->restore->is_changed)
        memory_relieve(loading->shard);
    if (entry_key_read(key, &group, &kind, &rest))
        return -EBADMSG;
    if (kind == REDIS_SAVE_KIND)
        return image_load(loading, key, value);
    return keyspace_load(loading->keyspace, loading->restore->maps[loading->source], key, value,
                         loading->restore->is_changed);
}

static void times_load(const struct loading *loading, int32_t group)
{
    const struct manifest *manifest = checkpoint_manifest(loading->restore->checkpoint);
    const char *name = loading->shard->plan->sources[loading->source].name;
    const struct manifest_times *saved;
    struct keyspace_times times;
    uint32_t number;

    if (!manifest_source(manifest, name, &number))
        return;
    saved = manifest_times(manifest, number, group);
    if (!saved)
        return;
    times = (struct keyspace_times){.watermark_ms = saved->watermark_ms,
                                    .clock_ms = saved->clock_ms,
                                    .release_ms = saved->release_ms};
    schema_map_times(loading->restore->maps[loading->source], &times);
    keyspace_times_restore(loading->keyspace, &times);
}

static void group_load(const struct loading *loading, uint32_t group)
{
    struct checkpoint *checkpoint = loading->restore->checkpoint;
    const char *name = loading->shard->plan->sources[loading->source].name;
    struct err err;

    if (checkpoint_read(checkpoint, store_source_hash(name), group, on_entry, (void *)loading,
                        &err)) {
        err_prefix(&err, "checkpoint %s", checkpoint_manifest(checkpoint)->id);
        report_send(loading->shard, REPORT_FAILED, err.text);
    }
    FAILPOINT("group_loaded");
}

void restore_partition(struct shard *shard, struct partition *partition,
                       const struct restore *restore)
{
    struct loading loading = {
        .shard = shard,
        .restore = restore,
        .source = partition->source,
        .keyspace = partition->keyspace,
        .outlet_group = partition->outlet.group,
    };

    times_load(&loading, partition->number);
    group_load(&loading, (uint32_t)partition->number);
}

void restore_shuffled(struct shard *shard, const struct command *command)
{
    struct shuffle *shuffle = &shard->shuffles[command->source];
    struct loading loading = {
        .shard = shard,
        .restore = command->restore,
        .source = command->source,
        .keyspace = shuffle->keyspace,
        .outlet_group = shuffle->outlet.group,
    };

    times_load(&loading, MANIFEST_SHUFFLED);
    for (uint32_t group = shard->number; group < PLAN_KEY_GROUPS;
         group += shard->fleet->shard_count)
        group_load(&loading, group);
}
