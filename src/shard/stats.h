/* stats - what a shard counts; written by it alone, read by the admin interface. */
#ifndef FRESHET_SHARD_STATS_H
#define FRESHET_SHARD_STATS_H

#include <stdalign.h>

#include "base/hdr.h"
#include "decode/rejects.h"
#include "metrics/counter.h"
#include "view/keyspace.h"

struct source_stats {
    struct counter records;
    struct counter bytes;  /* of record values */
    struct counter events; /* decoded */
    struct counter dead[REJECT_REASON_COUNT];
    struct counter late;       /* for every view */
    struct counter released;   /* older than all state that is kept */
    struct counter duplicates; /* dropped by `dedup:` */
    struct counter backwards;  /* events older than the newest of their partition */
    struct counter read_errors;
    struct counter evicted; /* keys whose state went to the store */
    struct counter loaded;  /* and came back */
    struct gauge keys;
    struct gauge cold_keys; /* of them, those whose state is in the store */
    struct gauge state_bytes;
};

struct shard_stats {
    alignas(CACHE_LINE) struct counter turns;
    struct counter fetches;         /* polls that brought records */
    struct counter backpressure_ns; /* time in which it did not consume because a sink was full */
    struct counter running_ns;      /* since it started */
    struct counter cpu_ns;
    struct counter mail_events; /* sent to other shards */
    struct gauge arena_bytes;
    struct gauge replaying;       /* 1 while rows for Redis are held back by a replay, and */
    struct gauge awaiting_commit; /* while they wait for a checkpoint to be committed */
    struct source_stats *sources; /* by source number */
    struct view_stats *views;     /* by view number */
    struct gauge *view_bytes;     /* by view number */
    struct hdr fetch_ns;          /* record time -> polled; milliseconds at best */
    struct hdr decode_ns;         /* per record */
    struct hdr apply_ns;          /* per event */
    struct hdr turn_ns;
};

#endif
