/* redis_model - a Redis as the property test sees it: hashes with expiry, a few commands, trouble
 * on demand.
 *
 * It parses and answers RESP by the protocol's definition and shares no code with the sink.
 * Whatever it does not expect ends the test. */
#ifndef FRESHET_TESTS_REDIS_MODEL_H
#define FRESHET_TESTS_REDIS_MODEL_H

#include <ctype.h>
#include <stdint.h>

#include "base/buf.h"

#define MODEL_KEYS   128
#define MODEL_FIELDS 32
#define MODEL_ARGS   128

struct model_field {
    char name[40];
    char value[200];
};

struct model_key {
    char name[60];
    bool wrong_type;
    int64_t expire_at_ms; /* -1: never */
    unsigned field_count; /* 0 and not wrong_type: there is no such key */
    struct model_field fields[MODEL_FIELDS];
};

struct model {
    int64_t now_ms;
    unsigned run;      /* its run_id */
    const char *error; /* what writes are answered with, or NULL */
    const char *password;
    unsigned commands;
    unsigned key_count;
    struct model_key keys[MODEL_KEYS];
    /* Told of each field that HSET sets. */
    void (*on_set)(void *context, const char *key, const char *field, const char *value);
    void *context;
};

static inline struct model_key *model_key(struct model *model, const char *name)
{
    struct model_key *key;

    for (unsigned i = 0; i < model->key_count; i++) {
        key = &model->keys[i];
        if (strcmp(key->name, name) != 0)
            continue;
        if (key->expire_at_ms >= 0 && key->expire_at_ms <= model->now_ms)
            key->field_count = 0;
        if (key->field_count == 0)
            key->expire_at_ms = -1;
        return key;
    }
    CHECK(model->key_count < MODEL_KEYS);
    key = &model->keys[model->key_count++];
    *key = (struct model_key){.expire_at_ms = -1};
    snprintf(key->name, sizeof(key->name), "%s", name);
    return key;
}

static inline const char *model_get(struct model *model, const char *name, const char *field)
{
    struct model_key *key = model_key(model, name);

    for (unsigned i = 0; i < key->field_count; i++) {
        if (strcmp(key->fields[i].name, field) == 0)
            return key->fields[i].value;
    }
    return NULL;
}

static inline void model_delete(struct model_key *key)
{
    key->field_count = 0;
    key->wrong_type = false;
    key->expire_at_ms = -1;
}

static inline int model_hset(struct model *model, struct model_key *key, const char *field,
                             const char *value)
{
    unsigned i = 0;

    model->on_set(model->context, key->name, field, value);
    while (i < key->field_count && strcmp(key->fields[i].name, field) != 0)
        i++;
    CHECK(i < MODEL_FIELDS);
    snprintf(key->fields[i].name, sizeof(key->fields[i].name), "%s", field);
    snprintf(key->fields[i].value, sizeof(key->fields[i].value), "%s", value);
    if (i < key->field_count)
        return 0;
    key->field_count++;
    return 1;
}

static inline int model_hdel(struct model_key *key, const char *field)
{
    for (unsigned i = 0; i < key->field_count; i++) {
        if (strcmp(key->fields[i].name, field) == 0) {
            key->fields[i] = key->fields[--key->field_count];
            return 1;
        }
    }
    return 0;
}

static inline void model_write(struct model *model, char **args, int count, struct buf *replies)
{
    struct model_key *key = model_key(model, args[1]);
    int64_t now_ms = model->now_ms;
    int result = 0;

    if (model->error) {
        buf_printf(replies, "-%s\r\n", model->error);
        return;
    }
    if (strcmp(args[0], "EXPIRE") == 0 || strcmp(args[0], "PEXPIRE") == 0) {
        int64_t unit_ms = args[0][0] == 'P' ? 1 : 1000;

        CHECK(count == 3);
        result = key->field_count > 0 || key->wrong_type;
        if (result)
            key->expire_at_ms = now_ms + strtoll(args[2], NULL, 10) * unit_ms;
        buf_printf(replies, ":%d\r\n", result);
        return;
    }
    if (key->wrong_type) {
        buf_printf(replies,
                   "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n");
        return;
    }
    if (strcmp(args[0], "HSET") == 0) {
        CHECK(count >= 4 && count % 2 == 0);
        for (int i = 2; i < count; i += 2)
            result += model_hset(model, key, args[i], args[i + 1]);
    } else {
        CHECK(strcmp(args[0], "HDEL") == 0 && count >= 3);
        for (int i = 2; i < count; i++)
            result += model_hdel(key, args[i]);
    }
    buf_printf(replies, ":%d\r\n", result);
}

static inline void model_command(struct model *model, char **args, int count, struct buf *replies)
{
    model->commands++;
    if (strcmp(args[0], "AUTH") == 0) {
        CHECK(count == 2);
        bool right = model->password && strcmp(args[1], model->password) == 0;

        buf_printf(replies, right ? "+OK\r\n" : "-WRONGPASS no\r\n");
    } else if (strcmp(args[0], "INFO") == 0) {
        char info[80];

        snprintf(info, sizeof(info), "# Server\r\nrun_id:%08x\r\n", model->run);
        buf_printf(replies, "$%zu\r\n%s\r\n", strlen(info), info);
    } else {
        model_write(model, args, count, replies);
    }
}

/* "*3\r\n" or "$3\r\n" at *at; -1: not there yet. */
static inline long model_number(const char **at, const char *end, char kind)
{
    const char *digit = *at + 1;
    long number = 0;

    if (*at >= end)
        return -1;
    CHECK(**at == kind);
    for (; digit < end && isdigit((unsigned char)*digit); digit++)
        number = number * 10 + (*digit - '0');
    if (end - digit < 2)
        return -1;
    CHECK(digit > *at + 1 && digit[0] == '\r' && digit[1] == '\n');
    CHECK((*at)[1] != '0' || digit == *at + 2); /* as Redis wants it: no leading zeros */
    *at = digit + 2;
    return number;
}

/* Executes the first command in `bytes` and returns its length, or 0 if it is not complete. */
static inline size_t model_execute(struct model *model, struct slice bytes, struct buf *replies)
{
    const char *at = bytes.data;
    const char *end = bytes.data + bytes.len;
    char *args[MODEL_ARGS];
    long count = model_number(&at, end, '*');
    long got = 0;

    CHECK(count < MODEL_ARGS);
    for (; got < count; got++) {
        long len = model_number(&at, end, '$');

        if (len < 0 || end - at < len + 2)
            break;
        CHECK(at[len] == '\r' && at[len + 1] == '\n');
        args[got] = strndup(at, (size_t)len);
        at += len + 2;
    }
    if (count > 0 && got == count)
        model_command(model, args, (int)count, replies);
    for (long i = 0; i < got; i++)
        free(args[i]);
    return count > 0 && got == count ? (size_t)(at - bytes.data) : 0;
}

#endif
