#include "sink/redis_reply.h"

#include <errno.h>
#include <hiredis/hiredis.h>

struct redis_replies {
    redisReader *reader;
    struct redis_reply current;
    bool alien; /* of a kind that answers none of our commands */
    char text[REDIS_TEXT_MAX];
};

static void *take_string(const redisReadTask *task, char *text, size_t len)
{
    struct redis_replies *replies = task->privdata;
    size_t kept = MIN(len, sizeof(replies->text));

    memcpy(replies->text, text, kept);
    replies->current.kind = task->type == REDIS_REPLY_ERROR ? REDIS_ERROR : REDIS_TEXT;
    replies->current.text = (struct slice){replies->text, kept};
    return replies;
}

static void *take_integer(const redisReadTask *task, long long value)
{
    struct redis_replies *replies = task->privdata;

    replies->current.kind = REDIS_NUMBER;
    replies->current.number = value;
    return replies;
}

static void *take_nil(const redisReadTask *task)
{
    struct redis_replies *replies = task->privdata;

    replies->alien = true;
    return replies;
}

/* hiredis 1 counts elements by size_t, and knows two kinds more. */
#if HIREDIS_MAJOR >= 1
static void *take_array(const redisReadTask *task, size_t elements)
{
    (void)elements;
    return take_nil(task);
}

static void *take_double(const redisReadTask *task, double value, char *text, size_t len)
{
    (void)value, (void)text, (void)len;
    return take_nil(task);
}

static void *take_bool(const redisReadTask *task, int value)
{
    (void)value;
    return take_nil(task);
}
#else
static void *take_array(const redisReadTask *task, int elements)
{
    (void)elements;
    return take_nil(task);
}
#endif

static void free_nothing(void *object)
{
    (void)object;
}

struct redis_replies *redis_replies_create(void)
{
    static redisReplyObjectFunctions functions = {
        .createString = take_string,
        .createArray = take_array,
        .createInteger = take_integer,
#if HIREDIS_MAJOR >= 1
        .createDouble = take_double,
        .createBool = take_bool,
#endif
        .createNil = take_nil,
        .freeObject = free_nothing,
    };
    struct redis_replies *replies = calloc(1, sizeof(*replies));

    CHECK(replies);
    replies->reader = redisReaderCreateWithFunctions(&functions);
    CHECK(replies->reader);
    redisReaderSetPrivdata(replies->reader, replies);
    return replies;
}

void redis_replies_free(struct redis_replies *replies)
{
    if (!replies)
        return;
    redisReaderFree(replies->reader);
    free(replies);
}

void redis_replies_feed(struct redis_replies *replies, struct slice bytes)
{
    /* A failure shows in redis_replies_next. */
    redisReaderFeed(replies->reader, bytes.data, bytes.len);
}

int redis_replies_next(struct redis_replies *replies, struct redis_reply *ret)
{
    redisReader *reader = replies->reader;
    void *reply = NULL;

    if (redisReaderGetReply(reader, &reply) != REDIS_OK || replies->alien)
        return -EPROTO;
    if (!reply)
        return reader->len - reader->pos > REDIS_PENDING_MAX ? -EPROTO : 0;
    *ret = replies->current;
    return 1;
}

/* By the first word. Others concern the command's key alone: WRONGTYPE, ERR … */
static const struct {
    struct slice word;
    enum redis_error error;
} errors[] = {
    {SLICE_LITERAL("LOADING"), REDIS_ERROR_TEMPORARY},
    {SLICE_LITERAL("READONLY"), REDIS_ERROR_TEMPORARY},
    {SLICE_LITERAL("OOM"), REDIS_ERROR_TEMPORARY},
    {SLICE_LITERAL("BUSY"), REDIS_ERROR_TEMPORARY},
    {SLICE_LITERAL("MASTERDOWN"), REDIS_ERROR_TEMPORARY},
    {SLICE_LITERAL("CLUSTERDOWN"), REDIS_ERROR_TEMPORARY},
    {SLICE_LITERAL("TRYAGAIN"), REDIS_ERROR_TEMPORARY},
    {SLICE_LITERAL("NOREPLICAS"), REDIS_ERROR_TEMPORARY},
    {SLICE_LITERAL("MISCONF"), REDIS_ERROR_TEMPORARY},
    {SLICE_LITERAL("NOAUTH"), REDIS_ERROR_ACCESS},
    {SLICE_LITERAL("WRONGPASS"), REDIS_ERROR_ACCESS},
    {SLICE_LITERAL("NOPERM"), REDIS_ERROR_ACCESS},
    {SLICE_LITERAL("MOVED"), REDIS_ERROR_CLUSTER},
    {SLICE_LITERAL("ASK"), REDIS_ERROR_CLUSTER},
};

enum redis_error redis_error_of(struct slice text)
{
    const char *space = memchr(text.data, ' ', text.len);
    struct slice word = {text.data, space ? (size_t)(space - text.data) : text.len};

    for (size_t i = 0; i < ARRAY_LEN(errors); i++) {
        if (slice_equal(word, errors[i].word))
            return errors[i].error;
    }
    return REDIS_ERROR_KEY;
}

const char *redis_error_name(enum redis_error error)
{
    static const char *const names[REDIS_ERROR_COUNT] = {"temporary", "access", "cluster", "key"};

    return names[error];
}

struct slice redis_info_value(struct slice info, const char *name)
{
    size_t name_len = strlen(name);
    const char *at = info.data;
    const char *end = info.data + info.len;

    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *line_end = newline ? newline : end;
        size_t len = (size_t)(line_end - at);

        if (len > 0 && at[len - 1] == '\r')
            len--;
        if (len > name_len && memcmp(at, name, name_len) == 0 && at[name_len] == ':')
            return (struct slice){at + name_len + 1, len - name_len - 1};
        at = newline ? newline + 1 : end;
    }
    return SLICE_NONE;
}
