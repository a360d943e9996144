/* redis_reply - what Redis answers, one reply at a time.
 *
 * hiredis parses; replies are told apart by functions of ours, so a number costs no allocation and
 * a text is kept up to REDIS_TEXT_MAX bytes. Bytes from outside end here: what is not RESP, and
 * what no command of freshet can be answered with, is -EPROTO. */
#ifndef FRESHET_SINK_REDIS_REPLY_H
#define FRESHET_SINK_REDIS_REPLY_H

#include <stdint.h>

#include "base/check.h"
#include "freshet/slice.h"

#define REDIS_TEXT_MAX    4096
#define REDIS_PENDING_MAX (1u << 20) /* bytes of one reply that is not complete */

enum redis_reply_kind {
    REDIS_NUMBER,
    REDIS_TEXT, /* a status or a bulk string */
    REDIS_ERROR,
};

struct redis_reply {
    enum redis_reply_kind kind;
    int64_t number;
    struct slice text; /* cut at REDIS_TEXT_MAX; lives until the next reply */
};

/* What an error says about what to do next. */
enum redis_error {
    REDIS_ERROR_TEMPORARY, /* passes: the same command again, later */
    REDIS_ERROR_ACCESS,    /* the user may not: somebody has to act; again, later */
    REDIS_ERROR_CLUSTER,   /* another node has the key: likewise */
    REDIS_ERROR_KEY,       /* this command will never work */
    REDIS_ERROR_COUNT
};

struct redis_replies;

struct redis_replies *redis_replies_create(void);
void redis_replies_free(struct redis_replies *replies);

/* Adds bytes as they came. */
void redis_replies_feed(struct redis_replies *replies, struct slice bytes);

/* 1 and the next reply, 0 if it is not complete, or -EPROTO, from which there is no way back. */
MUST_USE int redis_replies_next(struct redis_replies *replies, struct redis_reply *ret);

enum redis_error redis_error_of(struct slice text);

/* For metrics. */
const char *redis_error_name(enum redis_error error);

/* The value of a line "name:value" of INFO, or SLICE_NONE. */
struct slice redis_info_value(struct slice info, const char *name);

#endif
