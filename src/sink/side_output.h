/* side_output - dead letters and late records, to their Kafka topics.
 *
 *   {"raw":…,"error":"wrong_type","ts":…,"topic":…,"partition":…,"offset":…,"field":"amount"}
 *
 * Keyed like the record they are about. `raw` is the record's value: null if it had none, base64
 * with "encoding":"base64" if it is not UTF-8, cut with "truncated":true beyond 256 KiB. A late
 * record has "error":"late" (or "released") and "watermark". At least once: they are acknowledged
 * before the offsets of their records are committed.
 *
 * One producer for the process. side_output_send may be called by any shard; everything else
 * belongs to the control thread. */
#ifndef FRESHET_SINK_SIDE_OUTPUT_H
#define FRESHET_SINK_SIDE_OUTPUT_H

#include <stdatomic.h>

#include "base/buf.h"
#include "base/err.h"
#include "freshet/source.h"
#include "plan/plan.h"

#define SIDE_RAW_BYTES_MAX  ((size_t)256 * 1024)
#define SIDE_JSON_BYTES_MAX ((size_t)900 * 1000) /* brokers take 1 MB by default */

enum side_kind {
    SIDE_DEAD_LETTER,
    SIDE_LATE,
};

struct side_record {
    enum side_kind kind;
    const char *topic; /* that the record came from */
    const struct record *record;
    const char *error;
    const char *field;    /* dead letters: or NULL */
    int64_t watermark_ms; /* late records */
};

/* Appends the JSON object. */
void side_record_json(const struct side_record *side, struct buf *out);

struct side_output;

struct side_hooks {
    void (*notice)(void *context, const char *text); /* for the log; from any thread */
    void *context;
};

/* NULL into *ret if the plan names no such topic. Returns 0 or a negative errno. */
MUST_USE int side_output_create(const struct plan *plan, const struct side_hooks *hooks,
                                struct side_output **ret, struct err *err);

/* `side` may be NULL. What has not been acknowledged is dropped: flush first. */
void side_output_free(struct side_output *side);

/* Any shard: 0 when queued or when the source has no topic for it; -EAGAIN: the queue is full, try
 * again later. `scratch` is the caller's, for the text. */
MUST_USE int side_output_send(struct side_output *side, uint32_t source,
                              const struct side_record *record, struct buf *scratch);

/* Handles what the brokers answered. */
void side_output_poll(struct side_output *side);

/* Waits until all that was queued before is acknowledged; -ETIMEDOUT if it takes longer. */
MUST_USE int side_output_flush(struct side_output *side, int timeout_ms);

/* Records that the brokers refused for good. */
uint64_t side_output_failures(const struct side_output *side);

#endif
