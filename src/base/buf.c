#include "base/buf.h"

#include <stdarg.h>

void buf_free(struct buf *buf)
{
    free(buf->data);
    *buf = (struct buf){0};
}

void buf_grow(struct buf *buf, size_t more)
{
    size_t cap = MAX(buf->cap * 2, (size_t)64);

    while (cap - buf->len < more)
        cap *= 2;
    buf->data = realloc(buf->data, cap);
    CHECK(buf->data);
    buf->cap = cap;
}

void buf_consume(struct buf *buf, size_t count)
{
    CHECK(count <= buf->len);
    if (count == 0)
        return;
    memmove(buf->data, buf->data + count, buf->len - count);
    buf->len -= count;
}

void buf_printf(struct buf *buf, const char *format, ...)
{
    va_list args;
    va_list again;

    va_start(args, format);
    va_copy(again, args);
    int need = vsnprintf(NULL, 0, format, args);
    va_end(args);
    CHECK(need >= 0);

    vsnprintf(buf_reserve(buf, (size_t)need + 1), (size_t)need + 1, format, again);
    va_end(again);
    buf->len += (size_t)need;
}

const char *buf_string(struct buf *buf)
{
    *buf_reserve(buf, 1) = '\0';
    return buf->data;
}
