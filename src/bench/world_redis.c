#include "bench/world_redis.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <math.h>

#include "sink/redis_client.h"

#define ANSWER_MS    10000
#define SCAN_COUNT   "1000"
#define SAMPLED_KEYS 300

int redis_probe_world(struct world *world, struct err *err)
{
    int error = redis_probe(&world->redis, ANSWER_MS, err);

    if (error && !world->embedded) {
        struct err why = *err;

        return err_set(err, error, "%s; name another with --redis, or use --embedded", why.text);
    }
    return error;
}

static double figure(const char *info, const char *name)
{
    const char *at = strstr(info, name);

    return at ? strtod(at + strlen(name), NULL) : 0;
}

static void version_take(const char *info, struct redis_figures *figures)
{
    static const char name[] = "redis_version:";
    const char *at = strstr(info, name);

    if (at)
        snprintf(figures->version, sizeof(figures->version), "%.*s",
                 (int)strcspn(at + strlen(name), "\r\n"), at + strlen(name));
}

int redis_figures(struct world *world, struct redis_figures *ret, struct err *err)
{
    redisContext *context;
    redisReply *reply;
    int error = redis_client_open(&world->redis, ANSWER_MS, &context, err);

    *ret = (struct redis_figures){0};
    if (error)
        return error;
    reply = redisCommand(context, "INFO");
    if (reply && reply->type == REDIS_REPLY_STRING) {
        ret->cpu_s = figure(reply->str, "used_cpu_sys:") + figure(reply->str, "used_cpu_user:");
        ret->used_bytes = figure(reply->str, "used_memory:");
        version_take(reply->str, ret);
    } else {
        error = err_set(err, -EIO, "redis %s does not answer INFO", world->redis.url_text);
    }
    freeReplyObject(reply);
    redisFree(context);
    return error;
}

/* Called with a part of the bench's keys; false ends the scan. */
typedef bool keys_visitor(redisContext *redis, const redisReply *keys, void *context);

static int keys_scan(struct world *world, keys_visitor *visit, void *context, struct err *err)
{
    char cursor[32] = "0";
    char pattern[64];
    redisContext *redis;
    bool more = true;
    int error = redis_client_open(&world->redis, ANSWER_MS, &redis, err);

    if (error)
        return error;
    snprintf(pattern, sizeof(pattern), "%s*", world->redis_key ? world->id : "");
    while (more) {
        redisReply *reply = redisCommand(redis, "SCAN %s MATCH %s COUNT " SCAN_COUNT, cursor,
                                         pattern);

        if (!reply || reply->type != REDIS_REPLY_ARRAY || reply->elements != 2) {
            freeReplyObject(reply);
            redisFree(redis);
            return err_set(err, -EIO, "redis %s does not answer SCAN", world->redis.url_text);
        }
        snprintf(cursor, sizeof(cursor), "%s", reply->element[0]->str);
        more = visit(redis, reply->element[1], context) && strcmp(cursor, "0") != 0;
        freeReplyObject(reply);
    }
    redisFree(redis);
    return 0;
}

struct usage {
    double bytes;
    uint32_t keys;
};

static bool usage_add(redisContext *redis, const redisReply *keys, void *context)
{
    struct usage *usage = context;

    for (size_t i = 0; i < keys->elements && usage->keys < SAMPLED_KEYS; i++) {
        redisReply *reply = redisCommand(redis, "MEMORY USAGE %b", keys->element[i]->str,
                                         (size_t)keys->element[i]->len);

        if (reply && reply->type == REDIS_REPLY_INTEGER) {
            usage->bytes += (double)reply->integer;
            usage->keys++;
        }
        freeReplyObject(reply);
    }
    return usage->keys < SAMPLED_KEYS;
}

double redis_bytes_per_key(struct world *world)
{
    struct usage usage = {0};
    struct err err;

    if (!world->redis.present || keys_scan(world, usage_add, &usage, &err) || usage.keys == 0)
        return NAN;
    return usage.bytes / usage.keys;
}

static bool unlink_all(redisContext *redis, const redisReply *keys, void *context)
{
    (void)context;
    for (size_t i = 0; i < keys->elements; i++)
        redisAppendCommand(redis, "UNLINK %b", keys->element[i]->str,
                           (size_t)keys->element[i]->len);
    for (size_t i = 0; i < keys->elements; i++) {
        void *reply = NULL;

        if (redisGetReply(redis, &reply) != REDIS_OK)
            return false;
        freeReplyObject(reply);
    }
    return true;
}

void keys_remove(struct world *world)
{
    struct err err;

    /* Without a prefix all keys are the bench's only if the whole server is. */
    if (!world->redis.present || !(world->redis_key || world->embedded))
        return;
    if (keys_scan(world, unlink_all, NULL, &err))
        fprintf(stderr, "freshet: keys %s:… are left behind: %s\n", world->id, err.text);
}
