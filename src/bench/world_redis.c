#include "bench/world_redis.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <math.h>

#include "sink/redis_client.h"

#define ANSWER_MS    10000
#define BATCH        500
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

/* --- keys --- */

struct usage {
    double bytes;
    uint32_t keys;
};

/* Takes the replies of a batch of commands, sums integers. False: the connection is lost. */
static bool replies_take(redisContext *redis, uint32_t count, struct usage *usage)
{
    for (uint32_t i = 0; i < count; i++) {
        redisReply *reply = NULL;

        if (redisGetReply(redis, (void **)&reply) != REDIS_OK)
            return false;
        if (reply && reply->type == REDIS_REPLY_INTEGER) {
            usage->bytes += (double)reply->integer;
            usage->keys++;
        }
        freeReplyObject(reply);
    }
    return true;
}

/* One command for each key, in batches, until `enough` of them have answered with a number. */
static int keys_ask(struct world *world, const char *format, uint32_t enough, struct usage *usage,
                    struct err *err)
{
    struct buf key = {0};
    redisContext *redis;
    uint64_t index = 0;
    bool more = world->key_at != NULL;
    int error = redis_client_open(&world->redis, ANSWER_MS, &redis, err);

    if (error)
        return error;
    while (more && usage->keys < enough) {
        uint32_t count = 0;

        for (; count < BATCH; count++, index++) {
            buf_reset(&key);
            more = world->key_at(world->key_context, index, &key);
            if (!more)
                break;
            redisAppendCommand(redis, format, key.data, key.len);
        }
        if (!replies_take(redis, count, usage)) {
            error = err_set(err, -EIO, "redis %s hung up", world->redis.url_text);
            break;
        }
    }
    buf_free(&key);
    redisFree(redis);
    return error;
}

double redis_bytes_per_key(struct world *world)
{
    struct usage usage = {0};
    struct err err;

    if (!world->redis.present || keys_ask(world, "MEMORY USAGE %b", SAMPLED_KEYS, &usage, &err) ||
        usage.keys == 0)
        return NAN;
    return usage.bytes / usage.keys;
}

void keys_remove(struct world *world)
{
    struct usage ignored = {0};
    struct err err;

    if (world->redis.present && keys_ask(world, "UNLINK %b", UINT32_MAX, &ignored, &err))
        fprintf(stderr, "freshet: keys %s:… may be left behind: %s\n", world->id, err.text);
}
