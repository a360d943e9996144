#include "window/idle.h"

#include <stdlib.h>

#include "freshet/event.h"

void source_clock_init(struct source_clock *clock, uint32_t partition_count)
{
    clock->partition_count = partition_count;
    clock->partitions = aligned_alloc(CACHE_LINE, partition_count * sizeof(*clock->partitions));
    CHECK(clock->partitions);
    for (uint32_t i = 0; i < partition_count; i++) {
        atomic_init(&clock->partitions[i].watermark_ms, WATERMARK_NONE);
        atomic_init(&clock->partitions[i].mood, PARTITION_ABSENT);
    }
}

void source_clock_done(struct source_clock *clock)
{
    free(clock->partitions);
}

void source_clock_publish(struct source_clock *clock, int32_t partition, int64_t watermark_ms,
                          enum partition_mood mood)
{
    struct partition_clock *entry = &clock->partitions[partition];

    atomic_store_explicit(&entry->watermark_ms, watermark_ms, memory_order_relaxed);
    atomic_store_explicit(&entry->mood, (int)mood, memory_order_relaxed);
}

int64_t source_clock_idle_ms(const struct source_clock *clock, int64_t watermark_ms,
                             int64_t silence_ms)
{
    int64_t least_ms = WATERMARK_END;

    for (uint32_t i = 0; i < clock->partition_count; i++) {
        struct partition_clock *entry = &clock->partitions[i];

        if (atomic_load_explicit(&entry->mood, memory_order_relaxed) == PARTITION_ACTIVE)
            least_ms = MIN(least_ms,
                           atomic_load_explicit(&entry->watermark_ms, memory_order_relaxed));
    }
    if (least_ms != WATERMARK_END)
        return least_ms;
    return watermark_ms == WATERMARK_NONE ? WATERMARK_NONE : watermark_ms + silence_ms;
}
