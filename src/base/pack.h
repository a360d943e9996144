/* pack - numbers and strings as bytes that outlive the process, the same on every host.
 *
 *   uint     7 bits a byte, lowest first; the top bit says that more follow (LEB128)
 *   int      as uint, with 0, -1, 1, -2 … in the place of 0, 1, 2, 3 … ("zigzag")
 *   word     8 bytes, lowest first; a double's are its IEEE 754 bits
 *   text     its length as uint, then its bytes
 *
 * Every value has one spelling, and no other is read. unpack_* take what they read from the front
 * of `from`; they return 0, or -EBADMSG with `from` and what is to be returned untouched. */
#ifndef FRESHET_BASE_PACK_H
#define FRESHET_BASE_PACK_H

#include "base/buf.h"

#define PACK_UINT_MAX 10 /* bytes */
#define PACK_WIDE_MAX 19
#define PACK_WORD     8

/* Writes to `out`, which has room for PACK_UINT_MAX bytes; how many it were. */
size_t pack_uint_to(char *out, uint64_t value);

void pack_uint(struct buf *out, uint64_t value);
void pack_int(struct buf *out, int64_t value);
void pack_wide(struct buf *out, __int128 value); /* as int */
void pack_word(struct buf *out, uint64_t word);
void pack_double(struct buf *out, double value);
void pack_text(struct buf *out, struct slice text);

MUST_USE int unpack_uint(struct slice *from, uint64_t *ret);
MUST_USE int unpack_int(struct slice *from, int64_t *ret);
MUST_USE int unpack_wide(struct slice *from, __int128 *ret);
MUST_USE int unpack_word(struct slice *from, uint64_t *ret);

/* Refuses infinities and NaNs too. */
MUST_USE int unpack_double(struct slice *from, double *ret);

/* The bytes stay where they are. */
MUST_USE int unpack_text(struct slice *from, struct slice *ret);

#endif
