/* idle - the clocks of a source's partitions, and how a silent one keeps time.
 *
 *   active partition   fires by its watermark
 *   idle partition     fires by the least watermark of the active ones;
 *                      all being idle: by its own watermark plus the time of its silence
 *
 * A partition is idle when it has been read to its end and no event was decoded in it for
 * idle_after. A partition's clock is never below its watermark and never goes back.
 *
 * The shard that reads a partition writes its entry, every shard may read it: relaxed atomics,
 * since a clock only decides when windows fire, never what is late. The time of silence is the
 * caller's. */
#ifndef FRESHET_WINDOW_IDLE_H
#define FRESHET_WINDOW_IDLE_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdint.h>

#include "base/check.h"

enum partition_mood {
    PARTITION_ABSENT, /* not read by this process */
    PARTITION_ACTIVE,
    PARTITION_IDLE,
};

struct partition_clock {
    alignas(CACHE_LINE) _Atomic int64_t watermark_ms; /* or WATERMARK_NONE */
    _Atomic int mood;
};

struct source_clock {
    uint32_t partition_count;
    struct partition_clock *partitions;
};

void source_clock_init(struct source_clock *clock, uint32_t partition_count);
void source_clock_done(struct source_clock *clock);

void source_clock_publish(struct source_clock *clock, int32_t partition, int64_t watermark_ms,
                          enum partition_mood mood);

/* What an idle partition with this watermark fires by, after `silence_ms` without an event;
 * WATERMARK_NONE if nothing tells. */
int64_t source_clock_idle_ms(const struct source_clock *clock, int64_t watermark_ms,
                             int64_t silence_ms);

#endif
