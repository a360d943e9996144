/* report - a running engine's numbers: as Prometheus metrics, as status JSON, as totals. Reads what
 * the shards count, without stopping them. */
#ifndef FRESHET_ADMIN_REPORT_H
#define FRESHET_ADMIN_REPORT_H

#include "engine/engine.h"

/* Control thread. */
void report_metrics(struct engine *engine, struct buf *out);
void report_status(struct engine *engine, struct buf *out);

/* Control thread: every stage's histogram in full, all shards' in one, as one JSON object: by stage
 * the pairs [largest value of a bucket in ns, values in it], of buckets that hold some, and their
 * sum. What two of them differ in is what happened in between. */
void report_histograms(struct engine *engine, struct buf *out);

/* True when rows reach the online store: partitions are assigned, replays are done, connections
 * stand. Else one line into `out` says what is missing. */
bool report_ready(struct engine *engine, struct buf *out);

/* Sums over all shards. */
struct totals {
    uint64_t records;
    uint64_t events;
    uint64_t dead_letters;
    uint64_t late;
    uint64_t rows;
    uint64_t empty_rows;
    uint64_t redis_writes; /* HSETs */
    uint64_t redis_fields;
    int64_t keys;
    int64_t state_bytes;
};

void report_totals(const struct engine *engine, struct totals *ret);

/* All shards' histograms of one stage in one; `ret` is zeroed first. Stages as in the metric
 * freshet_stage_seconds; false for an unknown name. */
bool report_stage(const struct engine *engine, const char *stage, struct hdr *ret);

#endif
