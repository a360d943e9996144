/* decode - a Kafka record's bytes become an event, or a reason why not. Untrusted input ends here.
 *
 * One decoder per source and thread: it holds the scanner's scratch memory. */
#ifndef FRESHET_DECODE_DECODE_H
#define FRESHET_DECODE_DECODE_H

#include "base/region.h"
#include "decode/rejects.h"
#include "freshet/source.h"
#include "plan/plan.h"

struct decoder;

struct reject {
    enum reject_reason reason;
    const char *field; /* the field or time path it is about, or NULL */
};

struct decoder *decoder_create(const struct plan_source *source);
void decoder_free(struct decoder *decoder);

/* Fills *ret_event, all but watermark_ms and fetched_ns, and ret_fields[source->field_count], to
 * which the event then points. Strings point into the record, or into `scratch` where they had to
 * be unescaped or spelled: record, fields and scratch must live as long as the event is used.
 * Returns 0, or -EBADMSG with *ret_reject. */
MUST_USE int decoder_decode(struct decoder *decoder, const struct record *record,
                            struct region *scratch, struct field_value *ret_fields,
                            struct event *ret_event, struct reject *ret_reject);

#endif
