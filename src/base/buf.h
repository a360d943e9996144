/* buf - bytes that grow.
 *
 *   data ──▶ [ used … len | room … cap ]
 *
 * The owner bounds it: a buf grows as far as its appends go, so every place that appends says what
 * limits it. Memory comes from malloc; when there is none the process ends. Zeroed is empty. */
#ifndef FRESHET_BASE_BUF_H
#define FRESHET_BASE_BUF_H

#include <stdint.h>

#include "base/check.h"
#include "freshet/slice.h"

struct buf {
    char *data;
    size_t len;
    size_t cap;
};

void buf_free(struct buf *buf);

/* Makes room for `more` bytes behind len, in one piece. */
void buf_grow(struct buf *buf, size_t more);

/* Room for `more` bytes; the caller writes there and adds to len what it wrote. */
static inline char *buf_reserve(struct buf *buf, size_t more)
{
    if (UNLIKELY(buf->cap - buf->len < more))
        buf_grow(buf, more);
    return buf->data + buf->len;
}

static inline void buf_reset(struct buf *buf)
{
    buf->len = 0;
}

static inline void buf_append(struct buf *buf, const void *data, size_t len)
{
    if (len) {
        memcpy(buf_reserve(buf, len), data, len);
        buf->len += len;
    }
}

static inline void buf_append_slice(struct buf *buf, struct slice slice)
{
    buf_append(buf, slice.data, slice.len);
}

static inline void buf_append_char(struct buf *buf, char c)
{
    *buf_reserve(buf, 1) = c;
    buf->len++;
}

/* Removes the first `count` bytes; the rest moves to the front. */
void buf_consume(struct buf *buf, size_t count);

void buf_printf(struct buf *buf, const char *format, ...) PRINTF_LIKE(2, 3);

/* Terminates the content without counting the NUL; valid until the next change. */
const char *buf_string(struct buf *buf);

static inline struct slice buf_slice(const struct buf *buf)
{
    return (struct slice){buf->data ? buf->data : "", buf->len};
}

#endif
