/* json_index - where a JSON text's tokens begin, found by simdjson.
 *
 *   {"a": 12, "b": "x"}          indexes of  { " : 1 , " : " }
 *
 * simdjson's first stage (G. Langdale, D. Lemire, "Parsing gigabytes of JSON per second", 2019):
 * UTF-8 validation, quoting and escapes by SIMD, the kernel chosen for the CPU at run time. It
 * reads no byte beyond the text, so records are scanned where they lie. */
#ifndef FRESHET_DECODE_JSON_INDEX_H
#define FRESHET_DECODE_JSON_INDEX_H

#include <stdint.h>

#include "base/check.h"
#include "freshet/slice.h"

struct json_index;

struct json_index *json_index_create(void);
void json_index_free(struct json_index *index);

/* The beginnings of all tokens of the text, in order: of { } [ ] : , and of each string (its quote)
 * and other scalar. Behind the last one stands text.len. Valid until the next call. Returns 0, or
 * -EBADMSG: not UTF-8, a control character in a string, a string without end, or nothing at all. */
MUST_USE int json_index_build(struct json_index *index, struct slice text, const uint32_t **ret_at,
                              uint32_t *ret_count);

#endif
