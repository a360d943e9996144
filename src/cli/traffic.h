/* traffic - realistic events for the example pipelines: for the demo and the benchmarks.
 *
 * The same options give the same events. Users are drawn by a power law, so a few are very active
 * and most are seldom seen; event times run evenly over the span, most in order, some up to a
 * minute behind, few so far that they are late; a few records are no events at all. */
#ifndef FRESHET_CLI_TRAFFIC_H
#define FRESHET_CLI_TRAFFIC_H

#include <stdint.h>

#include "base/buf.h"

enum traffic_setting {
    TRAFFIC_USER_ACTIVITY,    /* examples/user_activity.yaml */
    TRAFFIC_SESSION_FEATURES, /* examples/session_features.yaml */
    TRAFFIC_FRAUD,            /* examples/fraud.yaml */
    TRAFFIC_SETTING_COUNT
};

struct traffic_options {
    enum traffic_setting setting;
    uint64_t seed;
    uint32_t users;
    uint64_t events;  /* over the whole span */
    int64_t start_ms; /* event time of the first */
    int64_t span_ms;
};

struct traffic {
    struct traffic_options options;
    uint64_t state; /* of the random numbers */
    uint64_t next;  /* event */
    struct buf key;
    struct buf value;
};

struct traffic_event {
    struct slice key;   /* the user */
    struct slice value; /* JSON */
    int64_t now_ms;     /* event time that is produced at this moment; the event's may be older */
};

/* "user_activity", "session_features" or "fraud" into *ret; -EINVAL for another. */
MUST_USE int traffic_setting_parse(const char *name, enum traffic_setting *ret);
const char *traffic_topic(enum traffic_setting setting);

void traffic_init(struct traffic *traffic, const struct traffic_options *options);
void traffic_done(struct traffic *traffic);

/* The next event; its bytes live until the following call. False at the end. */
bool traffic_next(struct traffic *traffic, struct traffic_event *ret);

#endif
