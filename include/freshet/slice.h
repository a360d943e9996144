/* slice - bytes that somebody else owns.
 *
 * Not terminated, any content. data is NULL for "no value"; an empty value has a data pointer and
 * len 0. How long the bytes live is said where the slice is handed over. */
#ifndef FRESHET_SLICE_H
#define FRESHET_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct slice {
    const char *data;
    size_t len;
};

#define SLICE_NONE          ((struct slice){NULL, 0})
#define SLICE_LITERAL(text) ((struct slice){"" text, sizeof(text) - 1})
/* For printf("%.*s"): the arguments of a slice. */
#define SLICE_ARGS(s) (int)(s).len, (s).data

static inline struct slice slice_of(const char *text)
{
    return (struct slice){text, text ? strlen(text) : 0};
}

static inline bool slice_equal(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* Bytewise order, as strcmp: shorter first where one is the other's beginning. */
static inline int slice_compare(struct slice a, struct slice b)
{
    size_t len = a.len < b.len ? a.len : b.len;
    int order = len ? memcmp(a.data, b.data, len) : 0;

    return order ? order : (a.len > b.len) - (a.len < b.len);
}

#endif
