/* value - numbers, durations, sizes and times as a pipeline file spells them.
 *
 * Each reader takes the whole text or nothing: 0, or -EINVAL (not of this form) or -ERANGE (too
 * large). `err` then says what is wrong as the end of a sentence that begins with the text:
 * `"5" has no unit …`. `ret` is written on success only. */
#ifndef FRESHET_PLAN_VALUE_H
#define FRESHET_PLAN_VALUE_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

/* An optional minus and decimal digits without leading zeros. */
MUST_USE int value_int64(struct slice text, int64_t *ret, struct err *err);

/* A decimal number, with an exponent or without; finite. */
MUST_USE int value_double(struct slice text, double *ret, struct err *err);

/* A decimal number without exponent and with at most `scale` digits behind the point, times
 * 10^scale: "12.5", 2 → 1250. */
MUST_USE int value_decimal(struct slice text, unsigned scale, int64_t *ret, struct err *err);

MUST_USE int value_bool(struct slice text, bool *ret, struct err *err);

/* 30s, 1h30m, 500ms, a bare 0; a minus may stand before it. In ms. */
MUST_USE int value_duration(struct slice text, int64_t *ret_ms, struct err *err);

/* 1048576, 64MiB, 8GiB, 10GB; in bytes. */
MUST_USE int value_size(struct slice text, int64_t *ret_bytes, struct err *err);

/* An integer (ms since the epoch) or ISO 8601: a date, or date and time with an optional zone
 * (without one: UTC), to the ms. From 1970 to EVENT_TIME_MAX_MS. */
MUST_USE int value_time(struct slice text, int64_t *ret_ms, struct err *err);

/* As people write them, and such that they read back as the same value. */
void value_print_duration(struct buf *out, int64_t ms);
void value_print_size(struct buf *out, int64_t bytes);

/* 2026-01-31T08:00:00.250Z. `ms` as value_time gives it. */
void value_print_time(struct buf *out, int64_t ms);

#endif
