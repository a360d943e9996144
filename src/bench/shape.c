#include "bench/shape.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>

#include "base/text.h"
#include "plan/tree.h"
#include "plan/value.h"

static void *at(const void *object, const struct shape_member *member)
{
    return (char *)object + member->offset;
}

static uint32_t *count_of(const void *object, const struct shape_member *member)
{
    return (uint32_t *)((char *)object + member->count_offset);
}

void shape_clear(const struct shape *shape, void *object)
{
    memset(object, 0, shape->size);
    for (uint32_t i = 0; i < shape->member_count; i++) {
        const struct shape_member *member = &shape->members[i];

        if (member->kind == MEMBER_NUMBER)
            *(double *)at(object, member) = NAN;
        else if (member->kind == MEMBER_OBJECT)
            shape_clear(member->shape, at(object, member));
    }
}

void *shape_append(const struct shape *shape, struct plan_memory *memory, void *list,
                   uint32_t *count)
{
    char **items = list;
    char *item;

    /* Room is doubled whenever the count is a power of two. */
    if ((*count & (*count - 1)) == 0) {
        char *room = plan_alloc_array(memory, *count ? *count * 2 : 1, shape->size);

        if (*count)
            memcpy(room, *items, *count * shape->size);
        *items = room;
    }
    item = *items + (*count)++ * shape->size;
    shape_clear(shape, item);
    return item;
}

/* --- writing --- */

static void write_number(struct buf *out, double value)
{
    if (isfinite(value))
        out->len += text_double(buf_reserve(out, TEXT_DOUBLE_MAX), value);
    else
        buf_printf(out, "null");
}

static void write_text(struct buf *out, const char *text)
{
    if (text && text_is_utf8(slice_of(text)))
        text_json_string(out, slice_of(text));
    else
        buf_printf(out, "null");
}

static void write_list(const struct shape_member *member, const void *object, struct buf *out)
{
    const char *items = *(char **)at(object, member);

    buf_append_char(out, '[');
    for (uint32_t i = 0; i < *count_of(object, member); i++) {
        if (i)
            buf_append_char(out, ',');
        shape_write(member->shape, items + i * member->shape->size, out);
    }
    buf_append_char(out, ']');
}

static void write_member(const struct shape_member *member, const void *object, struct buf *out)
{
    switch (member->kind) {
    case MEMBER_INT:
        buf_printf(out, "%" PRId64, *(int64_t *)at(object, member));
        return;
    case MEMBER_NUMBER:
        write_number(out, *(double *)at(object, member));
        return;
    case MEMBER_FLAG:
        buf_printf(out, "%s", *(bool *)at(object, member) ? "true" : "false");
        return;
    case MEMBER_TEXT:
        write_text(out, *(const char **)at(object, member));
        return;
    case MEMBER_OBJECT:
        shape_write(member->shape, at(object, member), out);
        return;
    case MEMBER_LIST:
        write_list(member, object, out);
        return;
    }
    UNREACHABLE();
}

void shape_write(const struct shape *shape, const void *object, struct buf *out)
{
    buf_append_char(out, '{');
    for (uint32_t i = 0; i < shape->member_count; i++) {
        buf_printf(out, "%s\"%s\":", i ? "," : "", shape->members[i].name);
        write_member(&shape->members[i], object, out);
    }
    buf_append_char(out, '}');
}

/* --- reading --- */

struct reader {
    struct plan_memory *memory;
    struct err *err;
};

static int refuse(struct reader *reader, const struct tree_node *node,
                  const struct shape_member *member, const char *wanted)
{
    return err_set(reader->err, -EINVAL, "line %u, column %u: %s is not %s", node->line,
                   node->column, member->name, wanted);
}

static bool is_null(const struct tree_node *node)
{
    return node->kind == TREE_SCALAR && node->plain && tree_is_text(node, "null");
}

static int read_object(struct reader *reader, const struct shape *shape,
                       const struct tree_node *node, void *object);

static int read_list(struct reader *reader, const struct tree_node *node,
                     const struct shape_member *member, void *object)
{
    int error = 0;

    if (node->kind != TREE_SEQUENCE || node->count > SHAPE_LIST_MAX)
        return refuse(reader, node, member, "a list");
    for (uint32_t i = 0; i < node->count && !error; i++) {
        void *item = shape_append(member->shape, reader->memory, at(object, member),
                                  count_of(object, member));

        if (node->items[i]->kind != TREE_MAPPING)
            return refuse(reader, node->items[i], member, "a list of objects");
        error = read_object(reader, member->shape, node->items[i], item);
    }
    return error;
}

static int read_scalar(struct reader *reader, const struct tree_node *node,
                       const struct shape_member *member, void *object)
{
    bool is_plain = node->kind == TREE_SCALAR && node->plain;

    switch (member->kind) {
    case MEMBER_INT:
        if (!is_plain || value_int64(node->text, at(object, member), NULL))
            return refuse(reader, node, member, "an integer");
        return 0;
    case MEMBER_NUMBER:
        if (!is_plain || text_to_double(node->text, at(object, member)))
            return refuse(reader, node, member, "a number");
        return 0;
    case MEMBER_FLAG:
        if (!is_plain || value_bool(node->text, at(object, member), NULL))
            return refuse(reader, node, member, "true or false");
        return 0;
    default:
        if (node->kind != TREE_SCALAR || node->plain)
            return refuse(reader, node, member, "a string");
        *(const char **)at(object, member) = plan_text(reader->memory, node->text);
        return 0;
    }
}

static int read_member(struct reader *reader, const struct tree_node *node,
                       const struct shape_member *member, void *object)
{
    if (is_null(node))
        return 0;
    if (member->kind == MEMBER_LIST)
        return read_list(reader, node, member, object);
    if (member->kind != MEMBER_OBJECT)
        return read_scalar(reader, node, member, object);
    if (node->kind != TREE_MAPPING)
        return refuse(reader, node, member, "an object");
    return read_object(reader, member->shape, node, at(object, member));
}

static int read_object(struct reader *reader, const struct shape *shape,
                       const struct tree_node *node, void *object)
{
    int error = 0;

    for (uint32_t i = 0; i < shape->member_count && !error; i++) {
        const struct tree_pair *pair = tree_find(node, shape->members[i].name);

        if (pair)
            error = read_member(reader, pair->value, &shape->members[i], object);
    }
    return error;
}

/* JSON is YAML, and that can be read here already. */
int shape_read(const struct shape *shape, struct slice json, struct plan_memory *memory,
               void *ret_object, struct err *err)
{
    struct reader reader = {.memory = memory, .err = err};
    struct messages messages = {.memory = memory};
    struct tree_node *root = NULL;
    int error = tree_parse(json, memory, &messages, &root);

    shape_clear(shape, ret_object);
    if (error && messages.count)
        return err_set(err, -EINVAL, "line %u, column %u: %s", messages.list[0].line,
                       messages.list[0].column, messages.list[0].text);
    if (error || !root || root->kind != TREE_MAPPING)
        return err_set(err, -EINVAL, "no JSON object");
    return read_object(&reader, shape, root, ret_object);
}
