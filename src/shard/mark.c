/* What the shards' marks say, as one checkpoint. */

#include "shard/shard.h"

void mark_free(struct mark *mark)
{
    if (!mark)
        return;
    free(mark->partitions);
    free(mark->times);
    free(mark);
}

static void partitions_save(const struct mark *mark, struct manifest *manifest)
{
    manifest->keys += mark->keys;
    for (uint32_t i = 0; i < mark->partition_count; i++)
        manifest_add_partition(manifest, &mark->partitions[i]);
}

static void times_join(struct manifest_times *all, const struct manifest_times *times)
{
    all->watermark_ms = MAX(all->watermark_ms, times->watermark_ms);
    all->clock_ms = MAX(all->clock_ms, times->clock_ms);
    all->release_ms = MAX(all->release_ms, times->release_ms);
}

void marks_save(struct mark *const *marks, uint32_t count, struct manifest *manifest)
{
    struct manifest_times shuffled[PLAN_SOURCES_MAX];
    bool is_set[PLAN_SOURCES_MAX] = {false};

    for (uint32_t i = 0; i < count; i++) {
        partitions_save(marks[i], manifest);
        for (uint32_t j = 0; j < marks[i]->times_count; j++) {
            const struct manifest_times *times = &marks[i]->times[j];

            if (times->group != MANIFEST_SHUFFLED) {
                manifest_add_times(manifest, times);
                continue;
            }
            if (is_set[times->source])
                times_join(&shuffled[times->source], times);
            else
                shuffled[times->source] = *times;
            is_set[times->source] = true;
        }
    }
    for (uint32_t i = 0; i < PLAN_SOURCES_MAX; i++) {
        if (is_set[i])
            manifest_add_times(manifest, &shuffled[i]);
    }
}
