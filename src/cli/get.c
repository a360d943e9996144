/* freshet get: what the online store holds of some keys, for people and for programs. */

#include <errno.h>
#include <hiredis/hiredis.h>

#include "base/text.h"
#include "cli/cli.h"
#include "sink/redis_client.h"

#define TIMEOUT_MS 5000

struct field {
    struct slice name;
    struct slice value;
};

static struct slice text_of(const redisReply *reply)
{
    return (struct slice){reply->str, reply->len};
}

static int by_name(const void *a, const void *b)
{
    return slice_compare(((const struct field *)a)->name, ((const struct field *)b)->name);
}

static struct field *fields_of(const redisReply *reply, size_t *ret_count)
{
    struct field *fields = calloc(reply->elements / 2 + 1, sizeof(*fields));

    CHECK(fields);
    *ret_count = reply->elements / 2;
    for (size_t i = 0; i < *ret_count; i++)
        fields[i] = (struct field){text_of(reply->element[2 * i]),
                                   text_of(reply->element[2 * i + 1])};
    qsort(fields, *ret_count, sizeof(*fields), by_name);
    return fields;
}

/* Redis holds bytes; whatever they are, JSON gets UTF-8. */
static void json_text(struct buf *out, struct slice text)
{
    struct buf encoded = {0};

    if (text_is_utf8(text)) {
        text_json_string(out, text);
        return;
    }
    text_base64(&encoded, text);
    text_json_string(out, buf_slice(&encoded));
    buf_free(&encoded);
}

static void print_json(const char *key, struct slice redis_key, const struct field *fields,
                       size_t count)
{
    struct buf out = {0};

    buf_printf(&out, "{\"key\":");
    json_text(&out, slice_of(key));
    buf_printf(&out, ",\"redis_key\":");
    json_text(&out, redis_key);
    buf_printf(&out, ",\"features\":{");
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buf_append_char(&out, ',');
        json_text(&out, fields[i].name);
        buf_append_char(&out, ':');
        json_text(&out, fields[i].value);
    }
    buf_printf(&out, "}}\n");
    fwrite(out.data, 1, out.len, stdout);
    buf_free(&out);
}

static void print_table(const char *key, struct slice redis_key, const struct field *fields,
                        size_t count)
{
    size_t width = 0;

    for (size_t i = 0; i < count; i++)
        width = MAX(width, fields[i].name.len);
    printf("%s  (%.*s)%s\n", key, SLICE_ARGS(redis_key), count ? "" : "  nothing");
    for (size_t i = 0; i < count; i++)
        printf("  %-*.*s  %.*s\n", (int)width, SLICE_ARGS(fields[i].name),
               SLICE_ARGS(fields[i].value));
}

/* True if this source's entities are shown under the template: each template once. */
static bool is_first_with_template(const struct plan *plan, uint32_t source)
{
    const struct plan_key_template *mine = &plan->redis.key_templates[source];

    for (uint32_t i = 0; i < source; i++) {
        const struct plan_key_template *other = &plan->redis.key_templates[i];

        if (slice_equal(mine->before, other->before) && slice_equal(mine->after, other->after))
            return false;
    }
    return true;
}

static int get_one(redisContext *redis, const struct plan_key_template *template, const char *key,
                   bool as_json)
{
    struct buf redis_key = {0};
    redisReply *reply;
    int code = EXIT_DONE;

    buf_append_slice(&redis_key, template->before);
    buf_append_slice(&redis_key, slice_of(key));
    buf_append_slice(&redis_key, template->after);
    reply = redisCommand(redis, "HGETALL %b", redis_key.data, redis_key.len);
    if (!reply || reply->type != REDIS_REPLY_ARRAY) {
        cli_error("redis: %s", reply ? reply->str : redis->errstr);
        code = EXIT_FAILED;
    } else {
        size_t count;
        struct field *fields = fields_of(reply, &count);

        (as_json ? print_json : print_table)(key, buf_slice(&redis_key), fields, count);
        free(fields);
    }
    freeReplyObject(reply);
    buf_free(&redis_key);
    return code;
}

static int get_all(const struct plan *plan, const struct cli_args *args)
{
    bool as_json = args->values[GET_JSON] != NULL;
    redisContext *redis;
    struct err err;
    int code = EXIT_DONE;

    if (redis_client_open(&plan->redis, TIMEOUT_MS, &redis, &err)) {
        cli_error("%s", err.text);
        return EXIT_FAILED;
    }
    for (int i = 1; i < args->positional_count && !code; i++) {
        for (uint32_t j = 0; j < plan->source_count && !code; j++) {
            if (is_first_with_template(plan, j))
                code = get_one(redis, &plan->redis.key_templates[j], args->positional[i], as_json);
        }
    }
    redisFree(redis);
    return code;
}

int command_get(const struct cli_args *args)
{
    struct plan *plan;
    int code = cli_load_plan(args->positional[0], &plan);

    if (code)
        return code;
    if (plan->redis.present) {
        code = get_all(plan, args);
    } else {
        cli_error("%s has no online store: there is no redis section", args->positional[0]);
        code = EXIT_FAILED;
    }
    plan_free(plan);
    return code;
}
