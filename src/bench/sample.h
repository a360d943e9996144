/* sample - an engine's numbers at one instant, from its admin pages. */
#ifndef FRESHET_BENCH_SAMPLE_H
#define FRESHET_BENCH_SAMPLE_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/hdr.h"

/* Sums over all shards, sources and views; what the page does not show is 0. */
struct engine_sample {
    int64_t at_ns; /* monotonic, when the page was there */
    double records;
    double record_bytes;
    double events;
    double dead_letters;
    double late;
    double rows;
    double keys;
    double state_bytes;
    double arena_bytes;
    double rss_bytes;
    double cpu_s;
    double shard_s; /* time of the shards */
    double backpressure_s;
    double decode_s;
    double apply_s;
    double turn_s;
    double lag_events;
    double redis_taken; /* rows */
    double redis_commands;
    double redis_sent_bytes;
    double redis_dirty;
    double redis_in_flight;
    double store_memory_bytes;
    double store_disk_bytes;
    double checkpoints_done;
    double checkpoint_bytes;
    double align_s; /* sums and counts of checkpoint stages */
    double align_count;
    double capture_s;
    double capture_count;
    double freeze_s;
    double freeze_count;
    double commit_s;
    double commit_count;
    double total_s;
    double total_count;
    double awaiting_commit;
    double replaying;
};

/* Takes a page of Prometheus text with a NUL behind it. */
void sample_read(struct slice page, struct engine_sample *ret);

/* The sum of a family's samples whose labels hold `label`, name="value"; NULL: of all. */
double sample_family(struct slice page, const char *family, const char *label);

/* One stage of /histograms, a text with a NUL behind it. -EBADMSG if the page has no such stage. */
MUST_USE int sample_histogram(struct slice page, const char *stage, struct hdr *ret);

/* What was recorded between two readings of one histogram. */
void histogram_less(const struct hdr *later, const struct hdr *earlier, struct hdr *ret);

#endif
