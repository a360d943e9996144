/* load - what sends a bench's events: as fast as it goes, or in an open loop at a fixed rate.
 *
 *   open loop   event n is due at start + n / rate, whatever became of those before it: one that is
 *               sent late, because the producer or the broker was busy, counts from when it was due
 *
 * The mock broker forgets what is too far behind: with it, an event that is due waits while too
 * many are unread, and is late like any other.
 *
 * Events go to the sources in turn. An open loop runs in a thread of its own; what it has sent and
 * how long the broker took may be read at any time.
 *
 * Probes are events for keys of their own, sent beside the others, a few at a time: a reader
 * (bench/reader.h) waits until Redis shows them. */
#ifndef FRESHET_BENCH_LOAD_H
#define FRESHET_BENCH_LOAD_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/hdr.h"
#include "bench/records.h"
#include "bench/world.h"

#define PROBE_SLOTS  8
#define PROBE_PREFIX "freshet-bench-probe-" /* of their keys, where those are strings */

/* A probe that is under way. The load fills it and sets due_ms; the reader clears due_ms. */
struct probe_slot {
    char key[64];            /* of the entity */
    _Atomic int64_t due_ms;  /* its event time; 0: free */
    _Atomic int64_t sent_ns; /* when it was to be sent, monotonic */
};

struct probes {
    bool wanted;
    uint32_t source;
    int predicate; /* that it has to pass, or PLAN_NONE */
    char prefix[48];
    struct probe_slot slots[PROBE_SLOTS];
};

struct load {
    struct world *world;
    struct records **records; /* by source */
    const char *const *topics;
    struct probes *probes; /* or NULL */
    rd_kafka_t *producer;
    rd_kafka_topic_t **handles; /* by source */
    uint64_t number;            /* of the next event, over all runs of this load */
    double rate;
    pthread_t thread;
    bool is_running;
    int64_t start_ns;
    int64_t start_ms; /* the same, by the wall clock */
    _Atomic bool stop;
    uint64_t backlog_max;       /* sent and not read, beyond which it waits; 0: no limit. */
    _Atomic uint64_t read;      /* by the engine, as far as the bench has seen: for backlog_max */
    _Atomic uint64_t sent;      /* all that went to the client, probes too */
    _Atomic uint64_t acked;     /* of them, acknowledged */
    _Atomic uint64_t failed;    /* … and not */
    _Atomic int64_t measure_ns; /* latency counts of what was due from here on; INT64_MAX: none */
    struct hdr latency;         /* due → acknowledged; written by the load's thread */
};

/* `linger_ms` as librdkafka has it. */
MUST_USE int load_open(struct load *load, struct world *world, struct records **records,
                       const char *const *topics, const char *linger_ms, struct err *err);
void load_close(struct load *load);

/* Sends `events` at once, their times spread evenly over the `span_ms` before now, and waits until
 * all are acknowledged. */
MUST_USE int load_fill(struct load *load, uint64_t events, int64_t span_ms, struct err *err);

/* Begins an open loop; latency and measure_ns are cleared. */
void load_start(struct load *load, double rate);

/* Ends it and waits for the last acknowledgement. -EIO if not all came. */
MUST_USE int load_stop(struct load *load, struct err *err);

/* Keys of the probes into their slots. False if no record passes. */
bool load_probes(struct load *load, struct probes *probes);

#endif
