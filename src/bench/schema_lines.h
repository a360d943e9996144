/* schema_lines - events for a pipeline of whose data there is no sample: made from its own words.
 *
 * Every declared field has a value of its type; an optional one stands in three of four lines.
 * Fields that conditions compare take the values that stand there, and others. What is left to
 * SCHEMA_RECORD_BYTES is a member that the pipeline does not read, as real records have them. Keys
 * are drawn by a power law; a tenth of the events is out of order, as far as the source bears it.
 * The same source and seed give the same lines. */
#ifndef FRESHET_BENCH_SCHEMA_LINES_H
#define FRESHET_BENCH_SCHEMA_LINES_H

#include "base/buf.h"
#include "plan/plan.h"

#define SCHEMA_RECORD_BYTES 200

/* `count` lines of events of at most `users` keys. */
void schema_lines(const struct plan_source *source, uint32_t count, uint32_t users, uint64_t seed,
                  struct buf *out);

#endif
