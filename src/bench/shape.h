/* shape - C structures as JSON and back, by tables that name their members.
 *
 *   struct report ──▶ shape: members[] ──▶ {"name":…}   one table writes, reads and documents
 *                        │
 *                        └─ object or list of another shape
 *
 * Members are int64_t, double (NaN is null), bool, const char * (NULL is null), a structure in
 * place, or a list: a pointer to structures with a uint32_t count. What is read lives in the region
 * that the reader is given. */
#ifndef FRESHET_BENCH_SHAPE_H
#define FRESHET_BENCH_SHAPE_H

#include "base/buf.h"
#include "base/err.h"
#include "plan/memory.h"

#define SHAPE_LIST_MAX 4096

enum member_kind {
    MEMBER_INT,
    MEMBER_NUMBER,
    MEMBER_FLAG,
    MEMBER_TEXT,
    MEMBER_OBJECT,
    MEMBER_LIST,
};

struct shape {
    const char *name; /* what documentation calls it */
    size_t size;
    const struct shape_member *members;
    uint32_t member_count;
};

struct shape_member {
    const char *name;
    enum member_kind kind;
    size_t offset;
    size_t count_offset;       /* list */
    const struct shape *shape; /* object, list */
    const char *meaning;       /* with its unit */
};

/* Structures and shapes from lists of members,
 *
 *   #define NOTE_MEMBERS(X, T) X(T, TEXT, text, _, "What it means") …
 *   #define SHAPES(X)          X(note, NOTE_MEMBERS) …
 *
 * In a header SHAPE_DECLARE_ALL(SHAPES) declares struct bench_note and shape_note, in one source
 * SHAPE_DEFINE_ALL(SHAPES) defines the latter. The fourth of a member is the shape that objects and
 * lists are made of, which has to stand before. */
#define SHAPE_MEMBER_INT(name, of)    int64_t name;
#define SHAPE_MEMBER_NUMBER(name, of) double name;
#define SHAPE_MEMBER_FLAG(name, of)   bool name;
#define SHAPE_MEMBER_TEXT(name, of)   const char *name;
#define SHAPE_MEMBER_OBJECT(name, of) struct bench_##of name;
#define SHAPE_MEMBER_LIST(name, of)                                                                \
    struct bench_##of *name;                                                                       \
    uint32_t name##_count;
#define SHAPE_MEMBER(T, kind, name, of, meaning) SHAPE_MEMBER_##kind(name, of)
#define SHAPE_DECLARE(T, members)                                                                  \
    struct bench_##T {                                                                             \
        members(SHAPE_MEMBER, T)                                                                   \
    };                                                                                             \
    extern const struct shape shape_##T;
#define SHAPE_DECLARE_ALL(shapes) shapes(SHAPE_DECLARE)

#define SHAPE_SCALAR(T, kind_, name_, meaning_)                                                    \
    {                                                                                              \
        .name = #name_, .kind = MEMBER_##kind_, .offset = offsetof(struct bench_##T, name_),       \
        .meaning = (meaning_)                                                                      \
    }
#define SHAPE_ROW_INT(T, name_, of_, meaning_)    SHAPE_SCALAR(T, INT, name_, meaning_)
#define SHAPE_ROW_NUMBER(T, name_, of_, meaning_) SHAPE_SCALAR(T, NUMBER, name_, meaning_)
#define SHAPE_ROW_FLAG(T, name_, of_, meaning_)   SHAPE_SCALAR(T, FLAG, name_, meaning_)
#define SHAPE_ROW_TEXT(T, name_, of_, meaning_)   SHAPE_SCALAR(T, TEXT, name_, meaning_)
#define SHAPE_ROW_OBJECT(T, name_, of_, meaning_)                                                  \
    {                                                                                              \
        .name = #name_, .kind = MEMBER_OBJECT, .offset = offsetof(struct bench_##T, name_),        \
        .shape = &shape_##of_, .meaning = (meaning_)                                               \
    }
#define SHAPE_ROW_LIST(T, name_, of_, meaning_)                                                    \
    {                                                                                              \
        .name = #name_, .kind = MEMBER_LIST, .offset = offsetof(struct bench_##T, name_),          \
        .count_offset = offsetof(struct bench_##T, name_##_count), .shape = &shape_##of_,          \
        .meaning = (meaning_)                                                                      \
    }
#define SHAPE_ROW(T, kind_, name_, of_, meaning_) SHAPE_ROW_##kind_(T, name_, of_, meaning_),
#define SHAPE_DEFINE(T, members_)                                                                  \
    static const struct shape_member shape_rows_##T[] = {members_(SHAPE_ROW, T)};                  \
    const struct shape shape_##T = {                                                               \
        .name = #T,                                                                                \
        .size = sizeof(struct bench_##T),                                                          \
        .members = shape_rows_##T,                                                                 \
        .member_count = ARRAY_LEN(shape_rows_##T),                                                 \
    };
#define SHAPE_DEFINE_ALL(shapes) shapes(SHAPE_DEFINE)

/* Sets every number to NaN, all else to zero. */
void shape_clear(const struct shape *shape, void *object);

/* The object as one line of JSON, without a line feed. */
void shape_write(const struct shape *shape, const void *object, struct buf *out);

/* Reads one JSON object. Members that the shape has not are passed over, those that are missing
 * stay clear. Returns 0, or -EINVAL with the place and what is wrong there. */
MUST_USE int shape_read(const struct shape *shape, struct slice json, struct plan_memory *memory,
                        void *ret_object, struct err *err);

/* Room for one more at the end of a list: cleared. It moves the others. */
void *shape_append(const struct shape *shape, struct plan_memory *memory, void *list,
                   uint32_t *count);

#endif
