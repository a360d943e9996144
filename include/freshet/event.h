/* event - one decoded Kafka record.
 *
 * Made by decode, read by everything up to the views. An event and the strings it points to live
 * as long as the batch that it came in: whoever keeps something copies it. */
#ifndef FRESHET_EVENT_H
#define FRESHET_EVENT_H

#include <stdint.h>

#include "freshet/slice.h"

/* Latest event time that is accepted: the end of the year 9999. Keeps sums of a time and a window
 * far from overflow. */
#define EVENT_TIME_MAX_MS INT64_C(253402300799999)
/* "No watermark yet"; below every time, and far enough from INT64_MIN to subtract from. */
#define WATERMARK_NONE (INT64_MIN / 4)
/* Above every window's end: at the end of a bounded run all windows are due. */
#define WATERMARK_END (INT64_MAX / 4)

/* One declared field's value; its type is the field's in the plan. */
struct field_value {
    union {
        int64_t i;     /* int64; timestamp: ms; decimal(n): scaled by 10^n; bool: 0 or 1 */
        double d;      /* double: finite */
        const char *s; /* string: UTF-8, len bytes, not terminated */
    };
    uint32_t len; /* string: bytes; else 0 */
    bool present; /* false: the field is absent, the rest is undefined */
};

_Static_assert(sizeof(struct field_value) == 16, "two to a quarter of a cache line");

struct record;

struct event {
    int64_t time_ms;      /* event time, 0 .. EVENT_TIME_MAX_MS */
    int64_t watermark_ms; /* its partition's watermark just before it, or WATERMARK_NONE */
    int64_t offset;
    int64_t record_ms;  /* the Kafka record's timestamp, or -1 */
    int64_t fetched_ns; /* monotonic clock, when its batch was polled */
    uint64_t key_hash;  /* hash64(key) */
    uint64_t passes;    /* bit i: the source's predicate i holds; plan.h */
    struct slice key;   /* the entity's key as a string, not empty */
    int32_t partition;
    const struct field_value *fields; /* by field number of the source */
    const struct record *record;      /* set if only the key's sessions tell whether it is late */
};

#endif
