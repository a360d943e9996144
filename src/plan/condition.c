/* condition - `where:` into predicates.
 *
 *   where: {event_type: purchase, amount: {gt: 100, le: 500}}
 *
 *   ALL ─┬─ amount <= 500.00
 *        ├─ amount > 100.00
 *        └─ event_type = "purchase"
 *
 * Read into a tree of conditions, each with its text. Parts of `and`, `or` and lists are sorted by
 * text and stand once: what is equal but for order has one text, and is one predicate. The tree is
 * then laid flat as plan.h says. */
#include "plan/compile.h"

#include "base/text.h"

#define CONDITION_PARTS_MAX 1000
#define CONDITION_TEXT_MAX  65536
#define VALUE_BYTES_MAX     4096

struct condition {
    enum predicate_op op;
    int field;
    struct field_value *values;
    uint32_t value_count;
    struct condition **children;
    uint32_t child_count;
    struct slice text;
};

/* What is wrong is reported and left out: with a message there will be no plan. */
struct reader {
    struct compile *compile;
    int source;
    uint32_t parts;
    bool too_long; /* that was reported */
};

/* Conditions that are collected for a group. */
struct parts {
    struct buf list; /* struct condition * */
};

struct value_text {
    struct field_value value;
    struct slice text;
};

struct operation {
    const char *name;
    enum predicate_op op;
    const char *sign;
    bool ordered; /* has no meaning for a bool */
};

static const struct operation operations[] = {
    {"eq", PREDICATE_EQ, "=", false},        {"ne", PREDICATE_NE, "!=", false},
    {"gt", PREDICATE_GT, ">", true},         {"ge", PREDICATE_GE, ">=", true},
    {"lt", PREDICATE_LT, "<", true},         {"le", PREDICATE_LE, "<=", true},
    {"exists", PREDICATE_EXISTS, "", false},
};

static struct condition *read_all(struct reader *reader, const struct tree_node *node);

static struct binder *binder_of(struct reader *reader)
{
    return &reader->compile->binder;
}

static const struct plan_field *field_of(struct reader *reader, int field)
{
    return &reader->compile->plan->sources[reader->source].fields[field];
}

static const char *label_of(struct reader *reader, int field)
{
    return bind_label(binder_of(reader), slice_of(field_of(reader, field)->name));
}

static void add_part(struct parts *parts, struct condition *condition)
{
    if (condition)
        buf_append(&parts->list, &condition, sizeof(condition));
}

static struct slice keep_text(struct reader *reader, struct buf *text)
{
    struct slice kept = plan_slice(binder_of(reader)->scratch, buf_slice(text));

    buf_free(text);
    return kept;
}

/* A field's name, in quotes unless it is a plain word: texts must not be equal by accident. */
static void print_field(struct buf *out, const char *name)
{
    bool word = true;

    for (const char *c = name; *c; c++)
        word &= (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') ||
                *c == '_' || *c == '.' || *c == '-';
    if (word)
        buf_printf(out, "%s", name);
    else
        text_json_string(out, slice_of(name));
}

static bool is_group(const struct condition *condition)
{
    return condition->op == PREDICATE_ALL || condition->op == PREDICATE_ANY;
}

static int compare_parts(const void *left, const void *right)
{
    const struct condition *a = *(struct condition *const *)left;
    const struct condition *b = *(struct condition *const *)right;

    return slice_compare(a->text, b->text);
}

static struct condition *too_long(struct reader *reader, const struct tree_node *node)
{
    if (!reader->too_long)
        mistake(binder_of(reader), node, "this condition is too long");
    reader->too_long = true;
    return NULL;
}

static void print_group(struct buf *out, const struct condition *group)
{
    for (uint32_t i = 0; i < group->child_count; i++) {
        const struct condition *child = group->children[i];
        bool nested = is_group(child);

        if (i > 0)
            buf_printf(out, group->op == PREDICATE_ALL ? " and " : " or ");
        if (nested)
            buf_append_char(out, '(');
        buf_append_slice(out, child->text);
        if (nested)
            buf_append_char(out, ')');
    }
}

/* `parts` joined by `op`: sorted, each once; a single one stands for itself. Takes `parts`. */
static struct condition *make_group(struct reader *reader, const struct tree_node *node,
                                    enum predicate_op op, struct parts *parts)
{
    struct plan_memory *scratch = binder_of(reader)->scratch;
    uint32_t count = (uint32_t)(parts->list.len / sizeof(struct condition *));
    struct condition **children = plan_alloc_array(scratch, count, sizeof(struct condition *));
    struct buf text = {0};
    size_t text_len = 0;

    if (count) {
        memcpy(children, parts->list.data, parts->list.len);
        qsort(children, count, sizeof(children[0]), compare_parts);
    }
    buf_free(&parts->list);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (kept > 0 && slice_equal(children[kept - 1]->text, children[i]->text))
            continue;
        children[kept++] = children[i];
        text_len += children[i]->text.len + strlen("() and ");
    }
    if (text_len > CONDITION_TEXT_MAX)
        return too_long(reader, node);
    if (kept <= 1)
        return kept ? children[0] : NULL;

    struct condition *group = plan_alloc(scratch, sizeof(*group));
    *group = (struct condition){
        .op = op, .field = PLAN_NONE, .children = children, .child_count = kept};
    print_group(&text, group);
    group->text = keep_text(reader, &text);
    return group;
}

static struct condition *make_not(struct reader *reader, struct condition *child)
{
    struct plan_memory *scratch = binder_of(reader)->scratch;
    struct buf text = {0};

    if (!child)
        return NULL;
    struct condition *negation = plan_alloc(scratch, sizeof(*negation));
    *negation = (struct condition){.op = PREDICATE_NOT, .field = PLAN_NONE, .child_count = 1};
    negation->children = plan_alloc(scratch, sizeof(struct condition *));
    negation->children[0] = child;
    buf_printf(&text, child->op == PREDICATE_EXISTS ? "not %.*s" : "not (%.*s)",
               SLICE_ARGS(child->text));
    negation->text = keep_text(reader, &text);
    return negation;
}

static struct condition *make_exists(struct reader *reader, int field)
{
    struct condition *exists = plan_alloc(binder_of(reader)->scratch, sizeof(*exists));
    struct buf text = {0};

    *exists = (struct condition){.op = PREDICATE_EXISTS, .field = field};
    buf_append(&text, "exists(", strlen("exists("));
    print_field(&text, field_of(reader, field)->name);
    buf_append_char(&text, ')');
    exists->text = keep_text(reader, &text);
    return exists;
}

/* Reads one value to compare with, and its text. */
static bool read_value(struct reader *reader, int field, const struct tree_node *node,
                       struct value_text *ret)
{
    const struct plan_field *declared = field_of(reader, field);
    struct buf text = {0};

    if (node->kind == TREE_SCALAR && node->text.len > VALUE_BYTES_MAX) {
        too_long(reader, node);
        return false;
    }
    if (!compile_value(reader->compile, label_of(reader, field), declared, node, &ret->value)) {
        return false;
    }
    plan_print_value(&text, declared, &ret->value);
    ret->text = keep_text(reader, &text);
    return true;
}

static struct condition *make_comparison(struct reader *reader, const struct operation *operation,
                                         int field, const struct value_text *value)
{
    struct plan_memory *scratch = binder_of(reader)->scratch;
    struct condition *comparison = plan_alloc(scratch, sizeof(*comparison));
    struct buf text = {0};

    *comparison = (struct condition){.op = operation->op, .field = field, .value_count = 1};
    comparison->values = plan_alloc(scratch, sizeof(value->value));
    comparison->values[0] = value->value;
    print_field(&text, field_of(reader, field)->name);
    buf_printf(&text, " %s %.*s", operation->sign, SLICE_ARGS(value->text));
    comparison->text = keep_text(reader, &text);
    return comparison;
}

static int compare_values(const void *left, const void *right)
{
    const struct value_text *a = left;
    const struct value_text *b = right;

    return slice_compare(a->text, b->text);
}

static struct condition *make_in(struct reader *reader, const struct tree_node *node, int field,
                                 struct value_text *values, uint32_t count)
{
    struct plan_memory *scratch = binder_of(reader)->scratch;
    struct buf text = {0};

    if (count == 1)
        return make_comparison(reader, &operations[0], field, &values[0]);
    struct condition *in = plan_alloc(scratch, sizeof(*in));
    *in = (struct condition){.op = PREDICATE_IN, .field = field, .value_count = count};
    in->values = plan_alloc_array(scratch, count, sizeof(in->values[0]));
    print_field(&text, field_of(reader, field)->name);
    for (uint32_t i = 0; i < count; i++) {
        in->values[i] = values[i].value;
        buf_printf(&text, "%s%.*s", i ? ", " : " in (", SLICE_ARGS(values[i].text));
    }
    buf_append_char(&text, ')');
    bool fits = text.len <= CONDITION_TEXT_MAX;
    in->text = keep_text(reader, &text);
    return fits ? in : too_long(reader, node);
}

/* `field: [a, b]` */
static struct condition *read_in(struct reader *reader, int field, const struct tree_node *node)
{
    struct value_text *values = plan_alloc_array(binder_of(reader)->scratch, node->count,
                                                 sizeof(values[0]));
    uint32_t kept = 0;
    bool good = true;

    if (node->count == 0) {
        mistake(binder_of(reader), node, "%s: the list of values is empty",
                label_of(reader, field));
        return NULL;
    }
    if (node->count > CONDITION_PARTS_MAX)
        return too_long(reader, node);
    for (uint32_t i = 0; i < node->count; i++)
        good &= read_value(reader, field, node->items[i], &values[i]);
    if (!good)
        return NULL;
    qsort(values, node->count, sizeof(values[0]), compare_values);
    for (uint32_t i = 0; i < node->count; i++) {
        if (kept == 0 || !slice_equal(values[kept - 1].text, values[i].text))
            values[kept++] = values[i];
    }
    return make_in(reader, node, field, values, kept);
}

static const struct operation *find_operation(struct reader *reader, const struct tree_node *key)
{
    struct binder *binder = binder_of(reader);
    struct spelling spelling;

    spelling_init(&spelling, key->text);
    for (size_t i = 0; i < ARRAY_LEN(operations); i++) {
        if (tree_is_text(key, operations[i].name)) {
            spelling_done(&spelling);
            return &operations[i];
        }
        spelling_offer(&spelling, slice_of(operations[i].name));
    }
    mistake(binder, key, "unknown operator %s%s", bind_shown(binder, key),
            spelling_hint(&spelling, binder->scratch));
    spelling_done(&spelling);
    return NULL;
}

static struct condition *read_exists(struct reader *reader, int field, const struct tree_pair *pair)
{
    static const struct setting flag = {.name = "exists", .type = SETTING_BOOL};
    bool wanted;

    if (!setting_read(binder_of(reader), &flag, pair, &wanted))
        return NULL;
    struct condition *exists = make_exists(reader, field);
    return wanted ? exists : make_not(reader, exists);
}

/* One of `field: {op: value, …}` */
static struct condition *read_operation(struct reader *reader, int field,
                                        const struct tree_pair *pair)
{
    const struct plan_field *declared = field_of(reader, field);
    const struct operation *operation = find_operation(reader, pair->key);
    struct value_text value;

    if (!operation)
        return NULL;
    if (operation->op == PREDICATE_EXISTS)
        return read_exists(reader, field, pair);
    if (operation->ordered && declared->type == FIELD_BOOL) {
        mistake(binder_of(reader), pair->key, "%s: a bool has no order; use eq or ne",
                label_of(reader, field));
        return NULL;
    }
    if (!read_value(reader, field, pair->value, &value))
        return NULL;
    return make_comparison(reader, operation, field, &value);
}

/* `field: value`, `field: [a, b]` or `field: {op: value, …}` */
static void read_field(struct reader *reader, const struct tree_pair *pair, struct parts *parts)
{
    const struct tree_node *node = pair->value;
    int field = compile_field_named(reader->compile, reader->source, pair->key, NULL);
    struct value_text value;

    if (field == PLAN_NONE || !compile_type_known(reader->compile, reader->source, field))
        return;
    if (node->kind == TREE_SEQUENCE) {
        add_part(parts, read_in(reader, field, node));
    } else if (node->kind == TREE_MAPPING) {
        bind_mapping(binder_of(reader), pair);
        for (uint32_t i = 0; i < node->count; i++)
            add_part(parts, read_operation(reader, field, &node->pairs[i]));
    } else if (read_value(reader, field, node, &value)) {
        add_part(parts, make_comparison(reader, &operations[0], field, &value));
    }
}

/* `any: [{…}, {…}]` */
static struct condition *read_any(struct reader *reader, const struct tree_pair *pair)
{
    struct parts parts = {0};
    const struct tree_node *node = pair->value;

    if (node->kind != TREE_SEQUENCE || node->count == 0) {
        mistake(binder_of(reader), node, "any must be a list of conditions: [{…}, {…}]");
        return NULL;
    }
    for (uint32_t i = 0; i < node->count; i++)
        add_part(&parts, read_all(reader, node->items[i]));
    return make_group(reader, node, PREDICATE_ANY, &parts);
}

/* A mapping, all of whose entries must hold. NULL after a mistake. */
static struct condition *read_all(struct reader *reader, const struct tree_node *node)
{
    struct parts parts = {0};

    if (node->kind != TREE_MAPPING || node->count == 0) {
        mistake(binder_of(reader), node, "a condition must be a mapping such as {field: value}");
        return NULL;
    }
    for (uint32_t i = 0; i < node->count && !reader->too_long; i++) {
        const struct tree_pair *pair = &node->pairs[i];

        if (++reader->parts > CONDITION_PARTS_MAX)
            too_long(reader, node);
        else if (tree_is_text(pair->key, "not"))
            add_part(&parts, make_not(reader, read_all(reader, pair->value)));
        else if (tree_is_text(pair->key, "any"))
            add_part(&parts, read_any(reader, pair));
        else
            read_field(reader, pair, &parts);
    }
    return make_group(reader, node, PREDICATE_ALL, &parts);
}

static uint32_t count_nodes(const struct condition *condition)
{
    uint32_t count = 1;

    for (uint32_t i = 0; i < condition->child_count; i++)
        count += count_nodes(condition->children[i]);
    return count;
}

/* Lays the condition flat from `node` on; returns the node behind it. */
static struct predicate_node *flatten(struct plan_memory *memory, const struct condition *condition,
                                      struct predicate_node *node)
{
    struct predicate_node *next = node + 1;

    *node = (struct predicate_node){
        .op = condition->op, .field = condition->field, .value_count = condition->value_count};
    if (condition->value_count) {
        node->values = plan_alloc_array(memory, condition->value_count, sizeof(node->values[0]));
        memcpy(node->values, condition->values, condition->value_count * sizeof(node->values[0]));
    }
    for (uint32_t i = 0; i < condition->child_count; i++)
        next = flatten(memory, condition->children[i], next);
    node->size = (uint32_t)(next - node);
    return next;
}

static int add_predicate(struct compile *compile, int number, const struct tree_pair *where,
                         const struct condition *condition)
{
    struct binder *binder = &compile->binder;
    struct plan_source *source = &compile->plan->sources[number];
    struct source_notes *notes = &compile->sources[number];

    for (uint32_t i = 0; i < source->predicate_count; i++) {
        if (slice_equal(slice_of(source->predicates[i].text), condition->text))
            return (int)i;
    }
    if (source->predicate_count == PLAN_PREDICATES_MAX) {
        if (!notes->full)
            mistake(binder, where->key, "source %s has too many different conditions: at most %d",
                    bind_label(binder, slice_of(source->name)), PLAN_PREDICATES_MAX);
        notes->full = true;
        return PLAN_NONE;
    }
    struct plan_predicate *predicate = &source->predicates[source->predicate_count];
    predicate->node_count = count_nodes(condition);
    predicate->nodes = plan_alloc_array(binder->memory, predicate->node_count,
                                        sizeof(predicate->nodes[0]));
    flatten(binder->memory, condition, predicate->nodes);
    predicate->text = plan_text(binder->memory, condition->text);
    return (int)source->predicate_count++;
}

int compile_condition(struct compile *compile, int source, const struct tree_pair *where)
{
    struct reader reader = {.compile = compile, .source = source};

    if (source == PLAN_NONE)
        return PLAN_NONE;
    struct condition *condition = read_all(&reader, where->value);
    return condition ? add_predicate(compile, source, where, condition) : PLAN_NONE;
}
