/* text - numbers and strings as rows, Redis and JSON spell them.
 *
 * Every function writes to `out` without a terminator and returns the bytes written; the TEXT_*_MAX
 * say how many that can be. */
#ifndef FRESHET_BASE_TEXT_H
#define FRESHET_BASE_TEXT_H

#include <stdint.h>

#include "base/buf.h"

#define TEXT_INT64_MAX          20
#define TEXT_DOUBLE_MAX         32
#define TEXT_DECIMAL_MAX        24
#define TEXT_DECIMAL_DIGITS_MAX 18 /* the largest n of decimal(n) */

size_t text_int64(char *out, int64_t value);

/* Shortest text that reads back as the same double: 3, 0.1, 1e+30. Never "-0". `value` is finite.
 */
size_t text_double(char *out, double value);

/* The double nearest to a JSON number's text. Returns 0, or -ERANGE if it is beyond the largest
 * one; -EINVAL if the text is not a number as a whole. */
MUST_USE int text_to_double(struct slice text, double *ret);

/* value / 10^scale with exactly `scale` digits behind the point: 1250, 2 → 12.50. */
size_t text_decimal(char *out, int64_t value, unsigned scale);

/* The bytes as a JSON string with its quotes. They must be UTF-8; only what JSON demands is
 * escaped: quote, backslash, control characters. */
void text_json_string(struct buf *out, struct slice text);

/* True if the bytes are UTF-8 (RFC 3629: no surrogates, shortest forms, up to U+10FFFF). */
bool text_is_utf8(struct slice text);

/* Standard alphabet with padding (RFC 4648, section 4). */
void text_base64(struct buf *out, struct slice bytes);

#endif
