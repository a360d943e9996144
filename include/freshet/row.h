/* row - one emitted result: a view's feature values for one key and window.
 *
 * Made by the view layer and handed to the sinks; it and all it points to live for the duration of
 * the call. Which rows there are, in which order, is defined by DESIGN sections 5 to 7. */
#ifndef FRESHET_ROW_H
#define FRESHET_ROW_H

#include <stdint.h>

#include "freshet/slice.h"

struct plan_view;

enum row_value_type {
    ROW_NULL,
    ROW_INT,
    ROW_DOUBLE,
    ROW_DECIMAL, /* i scaled by 10^scale */
    ROW_BOOL,
    ROW_STRING, /* text: raw UTF-8 */
    ROW_JSON,   /* text: a JSON array or object, compact, map keys sorted bytewise */
};

struct row_value {
    enum row_value_type type;
    uint8_t scale;
    union {
        int64_t i;
        double d;
        struct slice text;
    };
};

struct row {
    const struct plan_view *view;
    struct slice key; /* the entity's key */
    int64_t window_start_ms;
    int64_t window_end_ms;
    uint32_t revision;              /* 0 the first time these bounds are emitted, then counted */
    bool empty;                     /* the window holds no event: the values are the empty ones */
    bool retracted;                 /* withdraws an earlier row with these bounds */
    bool online;                    /* the online store is to show it: the newest window there is */
    bool online_only;               /* the outputs have had it, at the end of a bounded run */
    int64_t record_ms;              /* Kafka timestamp of the event that caused it, or -1 */
    int64_t fetched_ns;             /* when that event was polled (monotonic); 0: no single event */
    const struct row_value *values; /* by feature number of the view */
};

#endif
