/* capacity - how many hosts N users at R events/s need, from what a bench has measured.
 *
 *   cores  = R × CPU per event ÷ (1 − headroom)      CPU per event = event + row × rows per event
 *   memory = (users × bytes per user ÷ hosts + what a process has anyway) ÷ (1 − headroom)
 *   hosts  = the least number for which both fit
 *
 * Every line carries its formula with the numbers in it, and whether they were measured, follow
 * from what was, or are assumed. docs/CAPACITY.md explains them. */
#ifndef FRESHET_BENCH_CAPACITY_H
#define FRESHET_BENCH_CAPACITY_H

#include "bench/report.h"

#define CAPACITY_HEADROOM          0.4
#define CAPACITY_OUTAGE_S          600.0
#define CAPACITY_REDIS_NODE_BYTES  (16.0 * 1024 * 1024 * 1024)
#define CAPACITY_PARTITION_BYTES   10e6 /* a second, assumed of a partition */
#define CAPACITY_SHARD_PARTITIONS  4    /* partitions a shard, so that shares can be evened out */
#define CAPACITY_FETCH_QUEUE_BYTES (256.0 * 1024 * 1024) /* queued.max.messages.kbytes */
#define CAPACITY_RECORD_OVERHEAD   40.0 /* bytes of key, headers and batch on the wire, assumed */

/* What is asked for; 0: by default. */
#define CAPACITY_WANTED_MEMBERS(X, T)                                                              \
    X(T, NUMBER, users, _, "Entity keys")                                                          \
    X(T, NUMBER, events_per_s, _, "Events a second")                                               \
    X(T, NUMBER, headroom, _, "Part of cores and memory that is to stay free")                     \
    X(T, NUMBER, cores_per_host, _, "Cores of a host")                                             \
    X(T, NUMBER, memory_per_host_bytes, _, "Memory of a host")                                     \
    X(T, NUMBER, redis_node_bytes, _, "Memory of a Redis node")                                    \
    X(T, NUMBER, outage_s, _, "Time of an outage to be caught up with")

#define CAPACITY_LINE_MEMBERS(X, T)                                                                \
    X(T, TEXT, group, _, "What it is about")                                                       \
    X(T, TEXT, name, _, "What is needed")                                                          \
    X(T, NUMBER, value, _, "How much")                                                             \
    X(T, TEXT, unit, _, "Of what")                                                                 \
    X(T, TEXT, formula, _, "With its numbers")                                                     \
    X(T, TEXT, source, _, "measured, computed (from measured figures) or assumed")

#define CAPACITY_NOTE_MEMBERS(X, T) X(T, TEXT, text, _, "What to keep in mind")

#define CAPACITY_MEMBERS(X, T)                                                                     \
    X(T, TEXT, pipeline, _, "Name of the pipeline")                                                \
    X(T, TEXT, measured, _, "When the bench was")                                                  \
    X(T, FLAG, quick, _, "Its runs were short: figures are rough")                                 \
    X(T, OBJECT, wanted, wanted, "What was asked for")                                             \
    X(T, NUMBER, hosts, _, "Hosts")                                                                \
    X(T, NUMBER, cores, _, "Cores, of all hosts")                                                  \
    X(T, NUMBER, memory_bytes, _, "Memory of each host")                                           \
    X(T, NUMBER, redis_nodes, _, "Redis nodes")                                                    \
    X(T, NUMBER, network_in_bytes_per_s, _, "From Kafka, all hosts")                               \
    X(T, NUMBER, network_out_bytes_per_s, _, "To Redis, all hosts")                                \
    X(T, LIST, lines, line, "The arithmetic")                                                      \
    X(T, LIST, notes, note, "What to keep in mind")

#define CAPACITY_SHAPES(X)                                                                         \
    X(wanted, CAPACITY_WANTED_MEMBERS)                                                             \
    X(line, CAPACITY_LINE_MEMBERS)                                                                 \
    X(note, CAPACITY_NOTE_MEMBERS)                                                                 \
    X(capacity, CAPACITY_MEMBERS)

SHAPE_DECLARE_ALL(CAPACITY_SHAPES)

/* Returns 0, or -EINVAL if the report lacks what this rests on. */
MUST_USE int capacity_plan(const struct bench_report *report, const struct bench_wanted *wanted,
                           struct plan_memory *memory, struct bench_capacity *ret, struct err *err);

/* For a person. */
void capacity_print(const struct bench_capacity *capacity, struct buf *out);

/* A figure with its unit as people write it: bytes by powers of 1024, thousands apart. */
void figure_print(struct buf *out, double value, const char *unit);

/* Rows a second of a view with so many keys and events a second; what they come from as text. */
double capacity_view_rows(const struct bench_view *view, double users, double events_per_s);

/* Bytes that one more key takes: the slope of the line through the points (least squares); of one
 * point, its mean. NaN: there is none. */
double capacity_bytes_per_key(const struct bench_report *report);

#endif
