/* batches - the records in what a fetch has brought of one partition.
 *
 *   records   [ batch | batch | batch | bat          cut off: to be fetched again
 *               ^offset wanted may be within the first
 *   position  offset after the last record that was handed out or passed over; never goes back
 *
 * Passed over, and counted in the position: records before the offset wanted; the marks of
 * transactions; with read_committed, records of aborted ones; what compaction has removed. Records
 * come in the order of their offsets, each once. What is not sound ends the iteration, before any
 * record of a batch with a wrong checksum.
 *
 * Handed out as `struct record`, many at a time and nothing copied: uncompressed, key and value are
 * bytes of the response; compressed, bytes of the decompressor, which live until the next call.
 * Headers are not looked into. A timestamp is the producer's or the broker's, as the batch says;
 * negative ones are -1. No allocation, apart from what the decompressor grows to.
 *
 * Source: as record_batch.h, and "Record", "Control Batches"; KIP-98 (transactions). */
#ifndef FRESHET_KAFKA_BATCHES_H
#define FRESHET_KAFKA_BATCHES_H

#include "freshet/source.h"
#include "kafka/aborted.h"
#include "kafka/record_batch.h"

struct batches_options {
    int32_t partition;                 /* to stand in the records */
    int64_t offset;                    /* the first that is wanted, >= 0 */
    struct aborted_list *aborted;      /* read_committed: filled from the same response, and this
                                        * partition's alone; NULL: read_uncommitted */
    struct decompressor *decompressor; /* nobody else's until the iteration is over or given up:
                                        * it holds the batch that is being read */
    size_t bytes_max;                  /* of one batch, decompressed */
    bool unchecked;                    /* believe the bytes without their checksums: for tests */
};

struct batches {
    int64_t position;
    int32_t leader_epoch;        /* of the newest batch begun; -1: none yet */
    enum record_problem problem; /* why batches_next failed */
    size_t cut_off_bytes; /* at the end: how long the batch is that is cut off, or 61 if not even
                           * that is there; 0: none is. As far as its length can be believed */

    /* Not the caller's. */
    struct batches_options options;
    struct slice rest; /* batches not begun */
    const char *at;    /* of the batch begun: the next record */
    const char *end;
    uint32_t left;      /* records from there on */
    int64_t last_delta; /* offset of the record before, from base_offset on */
    int64_t max_delta;  /* and of the batch's last one, which may be gone */
    int64_t base_offset;
    uint64_t base_time_ms;
    uint64_t time_mask; /* 0: base_time_ms is the time of all of them */
    bool decompressed;
};

void batches_init(struct batches *batches, struct slice records,
                  const struct batches_options *options);

/* The next records, at most `max` (> 0). Returns how many; 0 when there is no more, with the
 * position behind the last whole batch; or what record_problem_errno says of `problem`, with the
 * position at what can't be read: from then on always. */
MUST_USE int batches_next(struct batches *batches, struct record *out, int max);

#endif
