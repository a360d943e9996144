#include "bench/pipeline_file.h"

#include <errno.h>

#include "base/text.h"
#include "plan/tree.h"

#define ADMIN "127.0.0.1:0"

/* --- changing the tree: nodes may be shared by aliases, so what changes is copied --- */

static struct tree_node *scalar(struct plan_memory *memory, const char *text, bool plain)
{
    struct tree_node *node = plan_alloc(memory, sizeof(*node));

    *node = (struct tree_node){
        .kind = TREE_SCALAR, .plain = plain, .text = plan_slice(memory, slice_of(text))};
    return node;
}

static struct tree_node *mapping_copy(struct plan_memory *memory, const struct tree_node *from)
{
    struct tree_node *node = plan_alloc(memory, sizeof(*node));
    bool is_mapping = from && from->kind == TREE_MAPPING;

    *node = (struct tree_node){.kind = TREE_MAPPING, .count = is_mapping ? from->count : 0};
    node->pairs = plan_alloc_array(memory, node->count, sizeof(*node->pairs));
    if (node->count)
        memcpy(node->pairs, from->pairs, node->count * sizeof(*node->pairs));
    return node;
}

static void drop(struct tree_node *mapping, const char *key)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < mapping->count; i++) {
        if (!tree_is_text(mapping->pairs[i].key, key))
            mapping->pairs[kept++] = mapping->pairs[i];
    }
    mapping->count = kept;
}

static void put(struct plan_memory *memory, struct tree_node *mapping, const char *key,
                struct tree_node *value)
{
    struct tree_pair *pairs = plan_alloc_array(memory, mapping->count + 1, sizeof(*pairs));

    drop(mapping, key);
    if (mapping->count)
        memcpy(pairs, mapping->pairs, mapping->count * sizeof(*pairs));
    pairs[mapping->count++] = (struct tree_pair){scalar(memory, key, true), value};
    mapping->pairs = pairs;
}

/* The mapping at the key as a copy that may be changed; empty if there is none. */
static struct tree_node *open_at(struct plan_memory *memory, struct tree_node *mapping,
                                 const char *key)
{
    const struct tree_pair *pair = tree_find(mapping, key);
    struct tree_node *opened = mapping_copy(memory, pair ? pair->value : NULL);

    put(memory, mapping, key, opened);
    return opened;
}

static void put_text(struct plan_memory *memory, struct tree_node *mapping, const char *key,
                     const char *text)
{
    put(memory, mapping, key, scalar(memory, text, false));
}

static void put_plain(struct plan_memory *memory, struct tree_node *mapping, const char *key,
                      const char *text)
{
    put(memory, mapping, key, scalar(memory, text, true));
}

static void change_kafka(struct plan_memory *memory, struct tree_node *root,
                         const struct pipeline_ends *ends)
{
    struct tree_node *kafka = open_at(memory, root, "kafka");
    struct tree_node *properties = open_at(memory, kafka, "properties");

    put_text(memory, kafka, "brokers", ends->brokers);
    put_text(memory, kafka, "group", ends->group);
    drop(properties, "group.instance.id");
    put_plain(memory, properties, "session.timeout.ms", ends->session_timeout_ms);
    put_plain(memory, properties, "heartbeat.interval.ms", "1000");
    if (ends->fetch_wait_max_ms)
        put_plain(memory, properties, "fetch.wait.max.ms", ends->fetch_wait_max_ms);
}

static void change_sources(struct plan_memory *memory, struct tree_node *root,
                           const struct plan *plan, const struct pipeline_ends *ends)
{
    struct tree_node *sources = open_at(memory, root, "sources");

    for (uint32_t i = 0; i < plan->source_count; i++) {
        struct tree_node *source = open_at(memory, sources, plan->sources[i].name);

        put_text(memory, source, "topic", ends->topics[i]);
        put_plain(memory, source, "start", "earliest");
        drop(source, "late_topic");
        drop(source, "dead_letter_topic");
    }
}

static void change_sinks(struct plan_memory *memory, struct tree_node *root,
                         const struct pipeline_ends *ends)
{
    drop(root, "outputs");
    if (ends->output_file) {
        struct tree_node *file = open_at(memory, open_at(memory, root, "outputs"), "file");

        put_text(memory, file, "path", ends->output_file);
    }
    if (!ends->redis_url) {
        drop(root, "redis");
        return;
    }
    struct tree_node *redis = open_at(memory, root, "redis");

    put_text(memory, redis, "url", ends->redis_url);
    if (ends->redis_key)
        put_text(memory, redis, "key", ends->redis_key);
}

static void change(struct plan_memory *memory, struct tree_node *root, const struct plan *plan,
                   const struct pipeline_ends *ends)
{
    char shards[16];

    snprintf(shards, sizeof(shards), "%u", ends->shards);
    change_kafka(memory, root, ends);
    change_sources(memory, root, plan, ends);
    change_sinks(memory, root, ends);
    put_text(memory, open_at(memory, root, "state"), "dir", ends->state_dir);
    put_plain(memory, open_at(memory, root, "engine"), "shards", shards);
    put_text(memory, open_at(memory, root, "admin"), "listen", ADMIN);
    if (!ends->checkpoint_every)
        return;
    struct tree_node *checkpoint = open_at(memory, root, "checkpoint");

    put_plain(memory, checkpoint, "every", ends->checkpoint_every);
    put_plain(memory, checkpoint, "min_pause", "0s");
}

/* --- the tree as text: a mapping's pairs and a sequence's items each on a line of their own, so
 * that whatever stood without quotes may stay so --- */

static void write_scalar(const struct tree_node *node, struct buf *out)
{
    if (node->plain && !memchr(node->text.data, '\n', node->text.len))
        buf_append_slice(out, node->text);
    else
        text_json_string(out, node->text);
}

static void write_line(struct buf *out, unsigned depth)
{
    if (out->len > 0)
        buf_append_char(out, '\n');
    for (unsigned i = 0; i < depth; i++)
        buf_append_char(out, ' ');
}

static void write_node(const struct tree_node *node, unsigned depth, struct buf *out)
{
    if (node->kind == TREE_SCALAR) {
        buf_append_char(out, ' ');
        write_scalar(node, out);
        return;
    }
    if (node->count == 0)
        buf_printf(out, " %s", node->kind == TREE_MAPPING ? "{}" : "[]");
    for (uint32_t i = 0; i < node->count; i++) {
        write_line(out, depth);
        if (node->kind == TREE_SEQUENCE) {
            buf_append_char(out, '-');
            write_node(node->items[i], depth + 1, out);
        } else {
            write_scalar(node->pairs[i].key, out);
            buf_append_char(out, ':');
            write_node(node->pairs[i].value, depth + 1, out);
        }
    }
}

int pipeline_file_adapt(const struct plan *plan, struct slice text,
                        const struct pipeline_ends *ends, struct buf *out, struct err *err)
{
    struct plan_memory *memory = plan_memory_create();
    struct messages messages = {.memory = memory};
    struct tree_node *root = NULL;
    struct buf written = {0};
    int error = tree_parse(text, memory, &messages, &root);

    if (error || !root || root->kind != TREE_MAPPING) {
        plan_memory_free(memory);
        return err_set(err, -EINVAL, "%s has changed while it was read", plan->file);
    }
    root = mapping_copy(memory, root);
    change(memory, root, plan, ends);
    write_node(root, 0, &written);
    buf_append_char(&written, '\n');
    buf_append_slice(out, buf_slice(&written));
    buf_free(&written);
    plan_memory_free(memory);
    return 0;
}
