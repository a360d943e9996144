/* Conditions against an evaluator of their own: random trees, written as a pipeline file spells
 * them, on random events that lack fields. */
#include "../support/plan_text.h"

#include "decode/predicate.h"

#define NODES_MAX  200
#define VALUES_MAX 4
#define FIELDS     6

enum tree_kind {
    TREE_ALL,
    TREE_ANY,
    TREE_NOT,
    TREE_EXISTS,     /* or, with no value, `exists: false` */
    TREE_COMPARISON, /* by `sign` */
    TREE_LIST,
};

/* A condition as the test knows it. */
struct tree {
    enum tree_kind kind;
    int field;
    const char *sign;
    int choices[VALUES_MAX]; /* of the field's values below */
    int count;               /* of choices, or children */
    struct tree *children[3];
};

static struct tree nodes[NODES_MAX];
static int node_count;

/* Each field takes some values, in their order, that a pipeline file spells so. */
static const struct {
    const char *name;
    const char *type;
    const char *values[VALUES_MAX];
} fields[FIELDS] = {
    {"s", "string", {"\"\"", "\"a\"", "\"ab\"", "\"b\""}},
    {"i", "int64", {"-9223372036854775808", "-1", "0", "9223372036854775807"}},
    {"d", "double", {"-1e+300", "-0.5", "0", "2.5"}},
    {"m", "decimal(2)", {"-1.25", "0.00", "0.01", "100"}},
    {"b", "bool", {"false", "true", "false", "true"}},
    {"t", "timestamp", {"0", "\"1970-01-01T00:00:01Z\"", "2000", "253402300799999"}},
};

/* The same values as an event has them. */
static void set_value(int field, int choice, struct field_value *ret)
{
    static const char *const strings[] = {"", "a", "ab", "b"};
    static const int64_t integers[] = {INT64_MIN, -1, 0, INT64_MAX};
    static const double doubles[] = {-1e300, -0.5, 0, 2.5};
    static const int64_t decimals[] = {-125, 0, 1, 10000};
    static const int64_t times[] = {0, 1000, 2000, INT64_C(253402300799999)};

    ret->present = true;
    switch (field) {
    case 0:
        ret->s = strings[choice];
        ret->len = (uint32_t)strlen(strings[choice]);
        return;
    case 1:
        ret->i = integers[choice];
        return;
    case 2:
        ret->d = choice == 2 && random_chance(50) ? -0.0 : doubles[choice];
        return;
    case 3:
        ret->i = decimals[choice];
        return;
    case 4:
        ret->i = choice % 2;
        return;
    default:
        ret->i = times[choice];
    }
}

static struct tree *random_tree(int depth)
{
    struct tree *tree = &nodes[node_count++];
    bool is_leaf = depth == 0 || node_count > NODES_MAX - 40 || random_chance(30);

    *tree = (struct tree){.field = (int)random_below(FIELDS), .count = 1};
    if (!is_leaf) {
        tree->kind = (enum tree_kind)random_below(3);
        tree->count = tree->kind == TREE_NOT ? 1 : 1 + (int)random_below(3);
        for (int i = 0; i < tree->count; i++)
            tree->children[i] = random_tree(depth - 1);
        return tree;
    }
    tree->kind = (enum tree_kind)(TREE_EXISTS + random_below(3));
    if (tree->kind == TREE_EXISTS)
        tree->count = (int)random_below(2);
    if (tree->kind == TREE_LIST)
        tree->count = 1 + (int)random_below(VALUES_MAX);
    tree->sign = (const char *[]){"eq", "ne", "gt", "ge", "lt", "le"}[random_below(6)];
    if (strcmp(fields[tree->field].type, "bool") == 0 && tree->sign[0] != 'n')
        tree->sign = "eq"; /* a bool has no order */
    for (int i = 0; i < VALUES_MAX; i++)
        tree->choices[i] = (int)random_below(VALUES_MAX);
    return tree;
}

static void write_leaf(struct buf *out, const struct tree *tree)
{
    buf_printf(out, "%s: ", fields[tree->field].name);
    if (tree->kind == TREE_EXISTS) {
        buf_printf(out, "{exists: %s}", tree->count ? "true" : "false");
    } else if (tree->kind == TREE_COMPARISON) {
        const char *value = fields[tree->field].values[tree->choices[0]];

        if (strcmp(tree->sign, "eq") == 0 && random_chance(50))
            buf_printf(out, "%s", value);
        else
            buf_printf(out, "{%s: %s}", tree->sign, value);
    } else {
        for (int i = 0; i < tree->count; i++)
            buf_printf(out, "%s%s", i ? ", " : "[", fields[tree->field].values[tree->choices[i]]);
        buf_append_char(out, ']');
    }
}

static void write_mapping(struct buf *out, const struct tree *tree);

/* One entry of a mapping. All of several is written as any of one mapping with these entries, since
 * a mapping has each key once: {any: [{…}]}. */
static void write_entry(struct buf *out, const struct tree *tree)
{
    if (tree->kind == TREE_NOT) {
        buf_printf(out, "not: ");
        write_mapping(out, tree->children[0]);
    } else if (tree->kind == TREE_ANY || tree->kind == TREE_ALL) {
        buf_printf(out, "any: [");
        if (tree->kind == TREE_ALL) {
            write_mapping(out, tree);
        } else {
            for (int i = 0; i < tree->count; i++) {
                buf_printf(out, "%s", i ? ", " : "");
                write_mapping(out, tree->children[i]);
            }
        }
        buf_append_char(out, ']');
    } else {
        write_leaf(out, tree);
    }
}

/* Whether two children of an ALL would be entries with the same key. */
static const char *key_of(const struct tree *tree)
{
    return tree->kind == TREE_NOT                             ? "not"
           : tree->kind == TREE_ANY || tree->kind == TREE_ALL ? "any"
                                                              : fields[tree->field].name;
}

static void write_mapping(struct buf *out, const struct tree *tree)
{
    bool is_all = tree->kind == TREE_ALL;

    buf_append_char(out, '{');
    for (int i = 0; i < (is_all ? tree->count : 1); i++) {
        buf_printf(out, "%s", i ? ", " : "");
        write_entry(out, is_all ? tree->children[i] : tree);
    }
    buf_append_char(out, '}');
}

/* Drops children of ALLs that a mapping has no room for. */
static void make_writable(struct tree *tree)
{
    int kept = 0;

    if (tree->kind > TREE_NOT)
        return;
    for (int i = 0; i < tree->count; i++) {
        bool is_taken = false;

        for (int j = 0; j < kept && tree->kind == TREE_ALL; j++)
            is_taken |= strcmp(key_of(tree->children[j]), key_of(tree->children[i])) == 0;
        if (!is_taken)
            tree->children[kept++] = tree->children[i];
    }
    tree->count = kept;
    for (int i = 0; i < kept; i++)
        make_writable(tree->children[i]);
}

/* An event: for each field the choice among its values, or -1. */
struct draw {
    int choices[FIELDS];
};

/* Values are equal if they are the same choice; a bool has two of them, spelled twice. */
static int order_of(int field, int a, int b)
{
    if (strcmp(fields[field].type, "bool") == 0)
        return a % 2 - b % 2;
    return a - b;
}

static bool sign_holds(const char *sign, int order)
{
    return strcmp(sign, "eq") == 0   ? order == 0
           : strcmp(sign, "ne") == 0 ? order != 0
           : strcmp(sign, "gt") == 0 ? order > 0
           : strcmp(sign, "ge") == 0 ? order >= 0
           : strcmp(sign, "lt") == 0 ? order < 0
                                     : order <= 0;
}

static bool leaf_holds(const struct tree *tree, const struct draw *draw)
{
    int choice = draw->choices[tree->field];

    if (tree->kind == TREE_EXISTS)
        return (choice >= 0) == (tree->count == 1);
    if (choice < 0)
        return false;
    if (tree->kind == TREE_COMPARISON)
        return sign_holds(tree->sign, order_of(tree->field, choice, tree->choices[0]));
    for (int i = 0; i < tree->count; i++) {
        if (order_of(tree->field, choice, tree->choices[i]) == 0)
            return true;
    }
    return false;
}

static bool holds(const struct tree *tree, const struct draw *draw)
{
    int held = 0;

    if (tree->kind > TREE_NOT)
        return leaf_holds(tree, draw);
    for (int i = 0; i < tree->count; i++)
        held += holds(tree->children[i], draw);
    return tree->kind == TREE_NOT   ? held == 0
           : tree->kind == TREE_ANY ? held > 0
                                    : held == tree->count;
}

static const char file_head[] = "pipeline: p\n"
                                "kafka: {}\n"
                                "sources:\n"
                                "  s:\n"
                                "    topic: t\n"
                                "    entity: user\n"
                                "    time: {field: ts}\n"
                                "    fields:\n"
                                "      user: string\n";

/* A plan with a view for each condition. */
static struct plan *plan_with(struct tree *const *trees, int count, struct buf *out)
{
    buf_reset(out);
    buf_printf(out, "%s", file_head);
    for (int i = 0; i < FIELDS; i++)
        buf_printf(out, "      %s: {type: %s, optional: true}\n", fields[i].name, fields[i].type);
    buf_printf(out, "views:\n");
    for (int i = 0; i < count; i++) {
        buf_printf(out, "  v%d: {source: s, window: {tumbling: 1h}, features: {n%d: {count: true}}",
                   i, i);
        buf_printf(out, ", where: ");
        write_mapping(out, trees[i]);
        buf_printf(out, "}\n");
    }
    return plan_of_text(buf_string(out));
}

/* What is behind an absent field is undefined. */
static void draw_event(struct draw *draw, struct field_value *values)
{
    memset(values, 0x5a, (FIELDS + 1) * sizeof(*values));
    values[0].present = false;
    for (int i = 0; i < FIELDS; i++) {
        draw->choices[i] = (int)random_below(VALUES_MAX + 1) - 1;
        values[i + 1].present = false;
        if (draw->choices[i] >= 0)
            set_value(i, draw->choices[i], &values[i + 1]);
    }
}

static void random_conditions_hold_as_defined(void **state)
{
    struct buf text = {0};

    (void)state;
    for (FIRST_SEED; MORE_SEEDS(400); NEXT_SEED) {
        struct tree *trees[8];
        int count = 1 + (int)random_below(8);

        node_count = 0;
        for (int i = 0; i < count; i++) {
            trees[i] = random_tree((int)random_below(4));
            make_writable(trees[i]);
        }
        struct plan *plan = plan_with(trees, count, &text);

        for (int event = 0; event < 40; event++) {
            struct field_value values[FIELDS + 1];
            struct draw draw;

            draw_event(&draw, values);
            uint64_t passes = predicates_hold(&plan->sources[0], values);

            for (int i = 0; i < count; i++) {
                bool got = passes >> plan->views[i].predicate & 1;

                if (got != holds(trees[i], &draw))
                    fail_msg("seed %" PRIu64 ", event %d: view %d %s\n%s", test_seed, event, i,
                             got ? "takes it" : "does not take it", buf_string(&text));
            }
            ENSURE(plan->sources[0].predicate_count == 64 ||
                   passes >> plan->sources[0].predicate_count == 0);
        }
        plan_free(plan);
    }
    buf_free(&text);
}

static void an_absent_field_fails_every_operator_but_exists(void **state)
{
    static const struct tree trees[] = {
        {.kind = TREE_COMPARISON, .field = 1, .sign = "ne", .choices = {2}, .count = 1},
        {.kind = TREE_EXISTS, .field = 1, .count = 0},
        {.kind = TREE_EXISTS, .field = 1, .count = 1},
    };
    const struct tree negated = {
        .kind = TREE_NOT, .count = 1, .children = {(struct tree *)&trees[0]}};
    struct tree *all[] = {(struct tree *)&trees[0], (struct tree *)&trees[1],
                          (struct tree *)&trees[2], (struct tree *)&negated};
    static const bool wanted[] = {false, true, false, true};
    struct field_value values[FIELDS + 1] = {0};
    struct buf text = {0};

    (void)state;
    struct plan *plan = plan_with(all, 4, &text);
    uint64_t passes = predicates_hold(&plan->sources[0], values);

    for (int i = 0; i < 4; i++)
        assert_int_equal(passes >> plan->views[i].predicate & 1, wanted[i]);
    plan_free(plan);
    buf_free(&text);
}

/* All bits of an event are used. */
static void sixty_four_conditions_have_a_bit_each(void **state)
{
    struct buf text = {0};
    struct field_value values[2] = {{.present = false}, {.i = 1, .present = true}};

    (void)state;
    buf_printf(&text, "%s      i: int64\nviews:\n", file_head);
    for (int i = 0; i < PLAN_PREDICATES_MAX; i++)
        buf_printf(&text,
                   "  v%d: {source: s, window: {tumbling: 1h}, where: {i: %d}, "
                   "features: {n%d: {count: true}}}\n",
                   i, i, i);
    struct plan *plan = plan_of_text(buf_string(&text));

    for (int i = 0; i < PLAN_PREDICATES_MAX; i++) {
        values[1].i = i;
        assert_true(predicates_hold(&plan->sources[0], values) == UINT64_C(1)
                                                                      << plan->views[i].predicate);
    }
    plan_free(plan);
    buf_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_conditions_hold_as_defined),
        cmocka_unit_test(an_absent_field_fails_every_operator_but_exists),
        cmocka_unit_test(sixty_four_conditions_have_a_bit_each),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
