#include "plan/tree.h"

#include <errno.h>
#include <yaml.h>

struct anchor {
    struct slice name;
    struct tree_node *node;
};

struct builder {
    yaml_parser_t parser;
    struct slice text;
    struct plan_memory *memory;
    struct messages *messages;
    struct buf children; /* struct tree_node *: of the nodes still open, innermost last */
    uint32_t anchor_count;
    struct anchor anchors[TREE_ANCHORS_MAX];
};

static int build_node(struct builder *builder, yaml_event_t *event, uint32_t depth,
                      struct tree_node **ret_node);

static uint32_t line_of(yaml_mark_t mark)
{
    return (uint32_t)mark.line + 1;
}

static uint32_t column_of(yaml_mark_t mark)
{
    return (uint32_t)mark.column + 1;
}

/* The reader fails on bytes, before there are lines: it knows an offset only. */
static int reader_failed(struct builder *builder)
{
    size_t end = MIN(builder->parser.problem_offset, builder->text.len);
    uint32_t line = 1;
    uint32_t column = 1;

    for (size_t i = 0; i < end; i++) {
        unsigned char byte = (unsigned char)builder->text.data[i];

        if (byte == '\n') {
            line++;
            column = 1;
        } else if ((byte & 0xc0) != 0x80) {
            column++;
        }
    }
    messages_add(builder->messages, line, column, "not valid YAML: %s", builder->parser.problem);
    return -EINVAL;
}

static int syntax_error(struct builder *builder)
{
    const yaml_parser_t *parser = &builder->parser;
    const char *problem = parser->problem ? parser->problem : "cannot be read";

    CHECK(parser->error != YAML_MEMORY_ERROR);
    if (parser->error == YAML_READER_ERROR)
        return reader_failed(builder);
    uint32_t line = line_of(parser->problem_mark);
    uint32_t column = column_of(parser->problem_mark);

    if (parser->context)
        messages_add(builder->messages, line, column, "not valid YAML: %s %s that starts at %u:%u",
                     problem, parser->context, line_of(parser->context_mark),
                     column_of(parser->context_mark));
    else
        messages_add(builder->messages, line, column, "not valid YAML: %s", problem);
    return -EINVAL;
}

static int next_event(struct builder *builder, yaml_event_t *ret_event)
{
    if (!yaml_parser_parse(&builder->parser, ret_event))
        return syntax_error(builder);
    return 0;
}

static int refuse(struct builder *builder, const yaml_event_t *event, const char *why)
{
    messages_add(builder->messages, line_of(event->start_mark), column_of(event->start_mark), "%s",
                 why);
    return -EINVAL;
}

static struct slice name_of(const yaml_char_t *name)
{
    return slice_of((const char *)name);
}

static int add_anchor(struct builder *builder, const yaml_event_t *event, const yaml_char_t *name,
                      struct tree_node *node)
{
    if (!name)
        return 0;
    if (builder->anchor_count == TREE_ANCHORS_MAX)
        return refuse(builder, event, "too many anchors");
    builder->anchors[builder->anchor_count++] = (struct anchor){
        plan_slice(builder->memory, name_of(name)), node};
    return 0;
}

static int resolve_alias(struct builder *builder, const yaml_event_t *event, uint32_t depth,
                         struct tree_node **ret_node)
{
    struct slice name = name_of(event->data.alias.anchor);
    struct tree_node *node = NULL;

    /* A name may be given anew: the latest counts. */
    for (uint32_t i = builder->anchor_count; i > 0 && !node; i--) {
        if (slice_equal(builder->anchors[i - 1].name, name))
            node = builder->anchors[i - 1].node;
    }
    if (!node) {
        messages_add(builder->messages, line_of(event->start_mark), column_of(event->start_mark),
                     "no anchor %s before this alias", shown(builder->memory, name));
        return -EINVAL;
    }
    if (node->open)
        return refuse(builder, event, "this alias stands inside of what it stands for");
    if (depth + node->height > TREE_DEPTH_MAX)
        return refuse(builder, event, "nested too deep: at most 64 levels");
    *ret_node = node;
    return 0;
}

/* Accounts for a child of a node, so that neither depth nor size outgrow their bounds. */
static int weigh(struct builder *builder, const yaml_event_t *event, struct tree_node *node,
                 const struct tree_node *child)
{
    node->height = MAX(node->height, child->height + 1);
    node->weight += child->weight;
    if (node->weight > TREE_WEIGHT_MAX)
        return refuse(builder, event, "too large: more than 4 MiB with every alias spelled out");
    return 0;
}

/* Reads children up to `end`; they are then the last ones on the stack. */
static int read_children(struct builder *builder, struct tree_node *node, yaml_event_type_t end,
                         uint32_t depth, size_t *ret_count)
{
    for (*ret_count = 0;; ++*ret_count) {
        struct tree_node *child;
        yaml_event_t event;
        int rc = next_event(builder, &event);

        if (rc < 0)
            return rc;
        if (event.type == end) {
            yaml_event_delete(&event);
            return 0;
        }
        rc = build_node(builder, &event, depth + 1, &child);
        if (rc == 0)
            rc = weigh(builder, &event, node, child);
        yaml_event_delete(&event);
        if (rc < 0)
            return rc;
        buf_append(&builder->children, &child, sizeof(child));
    }
}

/* Moves the `count` last children off the stack. */
static struct tree_node **take_children(struct builder *builder, size_t count)
{
    size_t bytes = count * sizeof(struct tree_node *);
    struct tree_node **children = plan_alloc(builder->memory, bytes);

    if (count) {
        builder->children.len -= bytes;
        memcpy(children, builder->children.data + builder->children.len, bytes);
    }
    return children;
}

static int read_sequence(struct builder *builder, struct tree_node *node, uint32_t depth)
{
    size_t count;
    int rc = read_children(builder, node, YAML_SEQUENCE_END_EVENT, depth, &count);

    if (rc < 0)
        return rc;
    node->count = (uint32_t)count;
    node->items = take_children(builder, count);
    return 0;
}

static bool is_before(const struct tree_node *a, const struct tree_node *b)
{
    return a->line != b->line ? a->line < b->line : a->column < b->column;
}

static int compare_keys(const void *left, const void *right)
{
    const struct tree_pair *a = *(struct tree_pair *const *)left;
    const struct tree_pair *b = *(struct tree_pair *const *)right;
    int order = slice_compare(a->key->text, b->key->text);

    return order ? order : is_before(a->key, b->key) ? -1 : is_before(b->key, a->key);
}

/* Leaves the first pair of each key and reports the others. Sorted, since a file of a megabyte may
 * have very many keys. */
static void drop_duplicates(struct builder *builder, struct tree_node *node)
{
    struct tree_pair **sorted = plan_alloc_array(builder->memory, node->count,
                                                 sizeof(struct tree_pair *));
    uint32_t kept = 0;

    for (uint32_t i = 0; i < node->count; i++)
        sorted[i] = &node->pairs[i];
    if (node->count)
        qsort(sorted, node->count, sizeof(sorted[0]), compare_keys);
    const struct tree_node *first = NULL;
    for (uint32_t i = 0; i < node->count; i++) {
        struct tree_node *key = sorted[i]->key;

        if (!first || !slice_equal(first->text, key->text)) {
            first = key;
            continue;
        }
        messages_add(builder->messages, key->line, key->column,
                     "%s stands here for the second time; the first is at %u:%u",
                     shown(builder->memory, key->text), first->line, first->column);
        sorted[i]->key = NULL;
    }
    for (uint32_t i = 0; i < node->count; i++) {
        if (node->pairs[i].key)
            node->pairs[kept++] = node->pairs[i];
    }
    node->count = kept;
}

static int read_mapping(struct builder *builder, struct tree_node *node, uint32_t depth)
{
    size_t count;
    int rc = read_children(builder, node, YAML_MAPPING_END_EVENT, depth, &count);

    if (rc < 0)
        return rc;
    CHECK(count % 2 == 0);
    node->count = (uint32_t)(count / 2);
    node->pairs = plan_alloc_array(builder->memory, node->count, sizeof(node->pairs[0]));
    struct tree_node **children = take_children(builder, count);
    for (uint32_t i = 0; i < node->count; i++) {
        struct tree_node *key = children[2 * i];

        if (key->kind != TREE_SCALAR) {
            messages_add(builder->messages, key->line, key->column, "a key must be a single word");
            return -EINVAL;
        }
        node->pairs[i] = (struct tree_pair){key, children[2 * i + 1]};
    }
    drop_duplicates(builder, node);
    return 0;
}

static const yaml_char_t *tag_of(const yaml_event_t *event)
{
    return event->type == YAML_SCALAR_EVENT           ? event->data.scalar.tag
           : event->type == YAML_SEQUENCE_START_EVENT ? event->data.sequence_start.tag
                                                      : event->data.mapping_start.tag;
}

static const yaml_char_t *anchor_of(const yaml_event_t *event)
{
    return event->type == YAML_SCALAR_EVENT           ? event->data.scalar.anchor
           : event->type == YAML_SEQUENCE_START_EVENT ? event->data.sequence_start.anchor
                                                      : event->data.mapping_start.anchor;
}

/* `depth` counts the nodes above. The event stays the caller's. */
static int build_node(struct builder *builder, yaml_event_t *event, uint32_t depth,
                      struct tree_node **ret_node)
{
    if (event->type == YAML_ALIAS_EVENT)
        return resolve_alias(builder, event, depth, ret_node);
    if (depth >= TREE_DEPTH_MAX)
        return refuse(builder, event, "nested too deep: at most 64 levels");
    if (tag_of(event))
        return refuse(builder, event, "tags have no meaning in a pipeline file");

    struct tree_node *node = plan_alloc(builder->memory, sizeof(*node));
    *node = (struct tree_node){.open = true,
                               .line = line_of(event->start_mark),
                               .column = column_of(event->start_mark),
                               .height = 1,
                               .weight = 1};
    int rc = add_anchor(builder, event, anchor_of(event), node);

    if (rc < 0)
        return rc;
    if (event->type == YAML_SCALAR_EVENT) {
        node->kind = TREE_SCALAR;
        node->weight += (uint32_t)event->data.scalar.length;
        node->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
        node->text = plan_slice(builder->memory, (struct slice){(char *)event->data.scalar.value,
                                                                event->data.scalar.length});
    } else if (event->type == YAML_SEQUENCE_START_EVENT) {
        node->kind = TREE_SEQUENCE;
        rc = read_sequence(builder, node, depth);
    } else {
        CHECK(event->type == YAML_MAPPING_START_EVENT);
        node->kind = TREE_MAPPING;
        rc = read_mapping(builder, node, depth);
    }
    node->open = false;
    *ret_node = node;
    return rc;
}

/* Stream start, at most one document, stream end. */
static int build_stream(struct builder *builder, struct tree_node **ret_root)
{
    bool seen = false;

    for (;;) {
        yaml_event_t event;
        int rc = next_event(builder, &event);

        if (rc < 0)
            return rc;
        yaml_event_type_t type = event.type;
        if (type == YAML_DOCUMENT_START_EVENT) {
            if (seen)
                rc = refuse(builder, &event,
                            "a second document starts here; a pipeline file is one");
            seen = true;
        } else if (type != YAML_STREAM_START_EVENT && type != YAML_DOCUMENT_END_EVENT &&
                   type != YAML_STREAM_END_EVENT) {
            rc = build_node(builder, &event, 0, ret_root);
        }
        yaml_event_delete(&event);
        if (rc < 0 || type == YAML_STREAM_END_EVENT)
            return rc;
    }
}

int tree_parse(struct slice text, struct plan_memory *memory, struct messages *messages,
               struct tree_node **ret_root)
{
    struct builder builder = {.memory = memory, .messages = messages};
    struct tree_node *root = NULL;

    if (text.len > TREE_BYTES_MAX) {
        messages_add(messages, 0, 0, "larger than 1 MiB, the most that a pipeline file may have");
        return -EINVAL;
    }
    if (text.len == 0) {
        *ret_root = NULL;
        return 0;
    }
    if (text.len >= 3 && memcmp(text.data, "\xef\xbb\xbf", 3) == 0)
        text = (struct slice){text.data + 3, text.len - 3}; /* a byte order mark */
    builder.text = text;
    CHECK(yaml_parser_initialize(&builder.parser));
    yaml_parser_set_encoding(&builder.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&builder.parser, (const unsigned char *)text.data, text.len);
    int rc = build_stream(&builder, &root);
    yaml_parser_delete(&builder.parser);
    buf_free(&builder.children);
    if (rc == 0)
        *ret_root = root;
    return rc;
}

const struct tree_pair *tree_find(const struct tree_node *mapping, const char *key)
{
    if (!mapping || mapping->kind != TREE_MAPPING)
        return NULL;
    for (uint32_t i = 0; i < mapping->count; i++) {
        if (slice_equal(mapping->pairs[i].key->text, slice_of(key)))
            return &mapping->pairs[i];
    }
    return NULL;
}

bool tree_is_blank(const struct tree_node *node)
{
    return node->kind == TREE_SCALAR && node->plain && node->text.len == 0;
}

bool tree_is_text(const struct tree_node *node, const char *text)
{
    return node->kind == TREE_SCALAR && slice_equal(node->text, slice_of(text));
}
