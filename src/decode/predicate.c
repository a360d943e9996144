#include "decode/predicate.h"

static int compare_values(enum field_type type, const struct field_value *a,
                          const struct field_value *b)
{
    switch (type) {
    case FIELD_STRING:
        return slice_compare((struct slice){a->s, a->len}, (struct slice){b->s, b->len});
    case FIELD_DOUBLE:
        return (a->d > b->d) - (a->d < b->d);
    case FIELD_INT64:
    case FIELD_DECIMAL:
    case FIELD_BOOL:
    case FIELD_TIMESTAMP:
        return (a->i > b->i) - (a->i < b->i);
    }
    UNREACHABLE();
}

static bool equals_one_of(enum field_type type, const struct predicate_node *node,
                          const struct field_value *value)
{
    for (uint32_t i = 0; i < node->value_count; i++) {
        if (compare_values(type, value, &node->values[i]) == 0)
            return true;
    }
    return false;
}

static bool leaf_holds(const struct plan_source *source, const struct predicate_node *node,
                       const struct field_value *fields)
{
    const struct field_value *value = &fields[node->field];
    enum field_type type = source->fields[node->field].type;

    if (!value->present || node->op == PREDICATE_EXISTS)
        return value->present;
    if (node->op == PREDICATE_IN)
        return equals_one_of(type, node, value);

    int order = compare_values(type, value, &node->values[0]);
    switch (node->op) {
    case PREDICATE_EQ:
        return order == 0;
    case PREDICATE_NE:
        return order != 0;
    case PREDICATE_GT:
        return order > 0;
    case PREDICATE_GE:
        return order >= 0;
    case PREDICATE_LT:
        return order < 0;
    case PREDICATE_LE:
        return order <= 0;
    case PREDICATE_ALL:
    case PREDICATE_ANY:
    case PREDICATE_NOT:
    case PREDICATE_EXISTS:
    case PREDICATE_IN:
        break;
    }
    UNREACHABLE();
}

/* The depth of the tree is bounded by that of the pipeline file. */
static bool node_holds(const struct plan_source *source, const struct predicate_node *node,
                       const struct field_value *fields)
{
    const struct predicate_node *end = node + node->size;

    switch (node->op) {
    case PREDICATE_ALL:
    case PREDICATE_ANY:
        for (const struct predicate_node *child = node + 1; child < end; child += child->size) {
            if (node_holds(source, child, fields) == (node->op == PREDICATE_ANY))
                return node->op == PREDICATE_ANY;
        }
        return node->op == PREDICATE_ALL;
    case PREDICATE_NOT:
        return !node_holds(source, node + 1, fields);
    default:
        return leaf_holds(source, node, fields);
    }
}

uint64_t predicates_hold(const struct plan_source *source, const struct field_value *fields)
{
    uint64_t passes = 0;

    for (uint32_t i = 0; i < source->predicate_count; i++) {
        if (node_holds(source, source->predicates[i].nodes, fields))
            passes |= UINT64_C(1) << i;
    }
    return passes;
}
