#include "bench/world.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "bench/proc.h"
#include "bench/world_kafka.h"
#include "bench/world_redis.h"
#include "checkpoint/files.h"
#include "plan/address.h"
#include "plan/tree.h"

#define QUEUE_MESSAGES "200000"

static const char *const no_topics[] = {NULL};

static char *keep(struct world_names *names, char *name)
{
    names->names = realloc(names->names, (names->count + 1) * sizeof(*names->names));
    CHECK(names->names);
    names->names[names->count++] = name;
    return name;
}

static void names_free(struct world_names *names)
{
    for (uint32_t i = 0; i < names->count; i++)
        free(names->names[i]);
    free(names->names);
    *names = (struct world_names){0};
}

static void id_make(struct world *world)
{
    uint32_t lot;

    CHECK(getrandom(&lot, sizeof(lot), 0) == sizeof(lot));
    snprintf(world->id, sizeof(world->id), "freshet-bench-%08" PRIx32, lot);
}

/* The URL as the file has it, password and all: the plan keeps it in pieces. */
static const char *url_in_file(struct world *world)
{
    struct messages messages = {.memory = world->memory};
    struct tree_node *root = NULL;
    const struct tree_pair *redis;
    const struct tree_pair *url;

    if (tree_parse(world->text, world->memory, &messages, &root))
        return NULL;
    redis = tree_find(root, "redis");
    url = redis ? tree_find(redis->value, "url") : NULL;
    return url ? plan_text(world->memory, url->value->text) : "redis://localhost:6379";
}

/* All sources have to have the same entity, or one written key could not serve them. */
static int key_make(struct world *world, struct err *err)
{
    const struct plan *plan = world->plan;
    const struct plan_key_template *first = &plan->redis.key_templates[0];
    const char *entity = plan->sources[0].fields[plan->sources[0].entity].name;

    for (uint32_t i = 1; i < plan->source_count; i++) {
        const struct plan_source *source = &plan->sources[i];

        if (strcmp(source->fields[source->entity].name, entity) != 0)
            return err_set(err, -ENOTSUP,
                           "sources of %s have different entities, so keys in Redis can't be kept "
                           "apart from yours by a prefix: use --embedded",
                           plan->file);
    }
    world->redis_key = text_make("%s:%.*s{%s}%.*s", world->id, SLICE_ARGS(first->before), entity,
                                 SLICE_ARGS(first->after));
    return 0;
}

static int redis_choose(struct world *world, const struct world_options *options, struct err *err)
{
    const char *url = options->redis;
    int error;

    world->redis = world->plan->redis;
    if (!world->redis.present)
        return 0;
    if (world->embedded) {
        world->redis_url = text_make("unix://%s", world->parts.socket);
    } else {
        error = key_make(world, err);
        if (error)
            return error;
        if (!url)
            url = url_in_file(world);
        world->redis_url = text_make("%s", url ? url : "");
    }
    world->redis.user = world->redis.password = NULL;
    error = address_parse_redis(slice_of(world->redis_url), world->memory, &world->redis, err);
    if (error) {
        err_prefix(err, "--redis");
        return error;
    }
    error = redis_probe_world(world, err);
    if (error) { /* so there are no keys to remove either */
        free(world->redis_key);
        world->redis_key = NULL;
    }
    return error;
}

static int kafka_choose(struct world *world, const struct world_options *options, struct err *err)
{
    world->kafka = world->plan->kafka;
    if (options->brokers)
        world->kafka.brokers = options->brokers;
    if (world->embedded) {
        world->kafka.brokers = world->parts.brokers;
        world->kafka.property_count = 0;
    }
    return world_producer(world, "5", NULL, NULL, &world->client, err);
}

int world_open(struct world *world, const struct plan *plan, struct slice text,
               const struct world_options *options, struct err *err)
{
    int error = 0;

    *world = (struct world){
        .plan = plan, .text = text, .embedded = options->embedded, .memory = plan_memory_create()};
    id_make(world);
    world->folder = text_make("%s/work-%s", options->out, world->id);
    if (world->embedded)
        error = demo_world_open(&world->parts, options->redis_server, no_topics, 1, err);
    if (!error)
        error = folder_make(world->folder, err);
    if (!error && chmod(world->folder, 0700)) /* pipeline files may hold passwords */
        error = file_error(err, "make private", world->folder);
    if (!error)
        error = redis_choose(world, options, err);
    if (!error)
        error = kafka_choose(world, options, err);
    if (!error && !world->embedded)
        error = kafka_answers(world, err);
    if (error)
        world_close(world);
    return error;
}

void world_close(struct world *world)
{
    struct err err;

    if (!world->embedded) {
        topics_remove(world);
        keys_remove(world);
        groups_remove(world);
    }
    if (world->client)
        rd_kafka_destroy(world->client);
    if (world->embedded)
        demo_world_close(&world->parts);
    if (world->folder && tree_remove(world->folder, &err))
        fprintf(stderr, "freshet: %s\n", err.text);
    names_free(&world->topics);
    names_free(&world->groups);
    free(world->folder);
    free(world->redis_url);
    free(world->redis_key);
    plan_memory_free(world->memory);
    *world = (struct world){0};
}

int world_topics(struct world *world, const char *tag, uint32_t partitions, bool append_time,
                 const char ***ret_topics, struct err *err)
{
    const char **topics = plan_alloc_array(world->memory, world->plan->source_count,
                                           sizeof(*topics));

    for (uint32_t i = 0; i < world->plan->source_count; i++) {
        char *name = text_make("%s-%s-%u", world->id, tag, i);
        int error;

        topics[i] = keep(&world->topics, name);
        error = world->embedded ? mock_topic_make(world, name, partitions, err)
                                : topic_make(world, name, partitions, append_time, err);
        if (error)
            return error;
    }
    *ret_topics = topics;
    return 0;
}

const char *world_group(struct world *world)
{
    return keep(&world->groups, text_make("%s-%u", world->id, ++world->count));
}

const char *world_path(struct world *world, const char *tag)
{
    return plan_printf(world->memory, "%s/%s-%u", world->folder, tag, ++world->count);
}

static void on_log(const rd_kafka_t *client, int level, const char *facility, const char *text)
{
    (void)client, (void)level, (void)facility, (void)text;
}

static void configure_quiet(rd_kafka_conf_t *conf)
{
    rd_kafka_conf_set_log_cb(conf, on_log);
}

int world_producer(struct world *world, const char *linger_ms,
                   void (*configure)(rd_kafka_conf_t *conf), void *context, rd_kafka_t **ret,
                   struct err *err)
{
    const struct kafka_setting settings[] = {
        {"client.id", "freshet-bench"},
        {"partitioner", "murmur2_random"}, /* as Java's clients: a partition has all of a user */
        {"linger.ms", linger_ms},
        {"batch.num.messages", "10000"},
        {"queue.buffering.max.messages", QUEUE_MESSAGES},
        {"queue.buffering.max.kbytes", "524288"},
    };
    struct kafka_options options = {
        .settings = settings,
        .setting_count = ARRAY_LEN(settings),
        .configure = configure ? configure : configure_quiet,
        .context = context,
    };

    return kafka_client_create(&world->kafka, RD_KAFKA_PRODUCER, &options, ret, err);
}

/* --- on this host? --- */

/* The port of the first broker, if it is reached by the loopback; else 0. */
static uint16_t local_port(const char *brokers)
{
    static const char *const locals[] = {"localhost:", "127.0.0.1:", "[::1]:"};

    for (size_t i = 0; i < ARRAY_LEN(locals); i++) {
        if (strncmp(brokers, locals[i], strlen(locals[i])) == 0)
            return (uint16_t)strtoul(brokers + strlen(locals[i]), NULL, 10);
    }
    return 0;
}

int64_t world_broker_cpu_ns(const struct world *world)
{
    uint16_t port = local_port(world->kafka.brokers);
    pid_t pid;

    if (world->embedded)
        return proc_cpu_named_ns("rdk:mock");
    pid = port ? proc_listener(port) : 0;
    return pid ? proc_cpu_total_ns(pid) : -1;
}

/* --- Redis --- */

void world_redis_key(const struct world *world, uint32_t source, struct slice key, struct buf *out)
{
    const struct plan_key_template *template = &world->plan->redis.key_templates[source];

    if (world->redis_key)
        buf_printf(out, "%s:", world->id);
    buf_append_slice(out, template->before);
    buf_append_slice(out, key);
    buf_append_slice(out, template->after);
}

static void put_encoded(struct buf *out, const char *text)
{
    for (; *text; text++) {
        bool is_plain = (*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z') ||
                        (*text >= '0' && *text <= '9');

        buf_printf(out, is_plain ? "%c" : "%%%02X", (unsigned char)*text);
    }
}

char *world_redis_url_at(const struct world *world, uint16_t port)
{
    struct buf url = {0};

    buf_printf(&url, "redis://");
    if (world->redis.password) {
        put_encoded(&url, world->redis.user ? world->redis.user : "");
        buf_append_char(&url, ':');
        put_encoded(&url, world->redis.password);
        buf_append_char(&url, '@');
    }
    buf_printf(&url, "127.0.0.1:%u/%u", port, world->redis.database);
    buf_string(&url);
    return url.data;
}
