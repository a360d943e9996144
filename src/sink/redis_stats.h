/* redis_stats - what the Redis sink counts. Written by its shard alone, read by any thread. */
#ifndef FRESHET_SINK_REDIS_STATS_H
#define FRESHET_SINK_REDIS_STATS_H

#include <stdalign.h>

#include "base/check.h"
#include "base/hdr.h"
#include "metrics/counter.h"
#include "sink/redis_reply.h"

struct redis_sink_stats {
    alignas(
        CACHE_LINE) struct counter rows; /* all that were handed over; those below are of them */
    struct counter rows_coalesced;       /* came while an earlier one of the view was unsent */
    struct counter rows_unchanged;       /* `unchanged: skip` */
    struct counter rows_kept;            /* empty, `when_empty: keep` */
    struct counter rows_older;           /* window_end below the one that is shown: refused */
    struct counter rows_too_large;       /* the key would exceed REDIS_IMAGE_MAX: refused */

    struct counter hsets;
    struct counter hdels;
    struct counter expires;
    struct counter fields;    /* set and deleted */
    struct counter bytes_out; /* of commands */
    struct counter replies;
    struct counter errors[REDIS_ERROR_COUNT]; /* error replies */
    struct counter keys_whole;                /* written whole */
    struct counter keys_vanished;             /* found gone from Redis before their TTL */

    struct counter connects;         /* handshakes that ended well */
    struct counter connect_failures; /* no connection, or a handshake that failed */
    struct counter losses;           /* of connections that were ready */
    struct gauge connected;
    struct gauge dirty;     /* keys that wait to be written */
    struct gauge in_flight; /* writes that Redis has not answered */
    struct gauge resyncing; /* connections that have keys to write again: Redis lost them */

    struct hdr round_trip;       /* handed to the socket → last reply of the key */
    struct hdr emit_wait;        /* oldest row taken → handed to the socket */
    struct hdr end_to_end;       /* oldest row's record_ms → acknowledged, by the wall clocks */
    struct hdr fetched_to_acked; /* oldest row's fetched_ns → acknowledged */
};

#endif
