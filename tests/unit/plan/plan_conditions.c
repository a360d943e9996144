/* The language of `where`: what a condition is compiled to, and which conditions are one. */
#include "plan_test.h"

enum { USER_ID, TYPE, AMOUNT, COUNT, SCORE, OK, AT }; /* fields of the base file */

/* The base file's view with this condition. */
static struct plan *plan_where(const char *condition)
{
    struct buf features = {0};

    buf_printf(&features, "where: %s\n    features:\n", condition);
    struct plan *plan = plan_with("features:\n", buf_string(&features));
    buf_free(&features);
    return plan;
}

static void check_text(const char *condition, const char *expected)
{
    struct plan *plan = plan_where(condition);
    const struct plan_source *source = &plan->sources[0];

    assert_int_equal(source->predicate_count, 1);
    assert_int_equal(plan->views[0].predicate, 0);
    assert_int_equal(source->panesets[0].predicate, 0);
    assert_string_equal(source->predicates[0].text, expected);
    plan_free(plan);
}

static void texts(void **state)
{
    static const struct {
        const char *condition;
        const char *text;
    } cases[] = {
        {"{type: purchase}", "type = \"purchase\""},
        {"{type: {eq: purchase}}", "type = \"purchase\""},
        {"{type: [purchase]}", "type = \"purchase\""},
        {"{type: [b, a, b]}", "type in (\"a\", \"b\")"},
        {"{type: true}", "type = \"true\""}, /* a string takes any text */
        {"{type: 007}", "type = \"007\""},
        {"{type: 'null'}", "type = \"null\""},
        {"{type: ''}", "type = \"\""},
        {"{type: 'say \"x\"'}", "type = \"say \\\"x\\\"\""},
        {"{type: {ne: a}}", "type != \"a\""},
        {"{type: {gt: a}}", "type > \"a\""},
        {"{type: {ge: a}}", "type >= \"a\""},
        {"{type: {lt: a}}", "type < \"a\""},
        {"{type: {le: a}}", "type <= \"a\""},
        {"{type: {exists: true}}", "exists(type)"},
        {"{type: {exists: false}}", "not exists(type)"},
        {"{amount: {gt: 100}}", "amount > 100.00"},
        {"{amount: -0.5}", "amount = -0.50"},
        {"{count: [3, 1, 2]}", "count in (1, 2, 3)"},
        {"{score: {le: 1e3}}", "score <= 1000"},
        {"{score: 0.1}", "score = 0.1"},
        {"{ok: true}", "ok = true"},
        {"{ok: {ne: false}}", "ok != false"},
        {"{ok: [true, false]}", "ok in (false, true)"},
        {"{at: {ge: 2026-01-01}}", "at >= 2026-01-01T00:00:00Z"},
        {"{at: {ge: '2026-01-01T01:00:00+01:00'}}", "at >= 2026-01-01T00:00:00Z"},
        {"{at: {lt: 1767225600001}}", "at < 2026-01-01T00:00:00.001Z"},
        {"{type: a, amount: {gt: 1, le: 5}}", "amount <= 5.00 and amount > 1.00 and type = \"a\""},
        {"{not: {type: a}}", "not (type = \"a\")"},
        {"{not: {type: a, ok: true}}", "not (ok = true and type = \"a\")"},
        {"{any: [{type: a}, {ok: true}]}", "ok = true or type = \"a\""},
        {"{any: [{type: a}]}", "type = \"a\""},
        {"{any: [{type: a}, {type: a}]}", "type = \"a\""},
        {"{any: [{type: a, count: 1}, {ok: true}]}", "(count = 1 and type = \"a\") or ok = true"},
        {"{count: 1, any: [{type: a}, {ok: true}]}", "count = 1 and (ok = true or type = \"a\")"},
        {"{not: {any: [{type: a}, {not: {ok: true}}]}}", "not (not (ok = true) or type = \"a\")"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        check_text(cases[i].condition, cases[i].text);
}

static const struct predicate_node *check_node(const struct predicate_node *node,
                                               enum predicate_op op, uint32_t size, int field,
                                               uint32_t value_count)
{
    assert_int_equal(node->op, op);
    assert_int_equal(node->size, size);
    assert_int_equal(node->field, field);
    assert_int_equal(node->value_count, value_count);
    for (uint32_t i = 0; i < value_count; i++)
        assert_true(node->values[i].present);
    return node + 1;
}

static void check_string(const struct field_value *value, const char *expected)
{
    assert_slice_equal((struct slice){value->s, value->len}, expected);
}

static void nodes_lie_behind_their_parent(void **state)
{
    struct plan *plan = plan_where("{count: {gt: 7}, not: {type: [b, a]}, "
                                   "any: [{score: 0.5}, {ok: false, amount: {exists: true}}]}");
    const struct plan_predicate *predicate = &plan->sources[0].predicates[0];
    const struct predicate_node *node = predicate->nodes;

    (void)state;
    assert_string_equal(predicate->text,
                        "((exists(amount) and ok = false) or score = 0.5) and count > 7 and "
                        "not (type in (\"a\", \"b\"))");
    assert_int_equal(predicate->node_count, 9);
    node = check_node(node, PREDICATE_ALL, 9, PLAN_NONE, 0);
    node = check_node(node, PREDICATE_ANY, 5, PLAN_NONE, 0);
    node = check_node(node, PREDICATE_ALL, 3, PLAN_NONE, 0);
    node = check_node(node, PREDICATE_EXISTS, 1, AMOUNT, 0);
    node = check_node(node, PREDICATE_EQ, 1, OK, 1);
    assert_int_equal(node[-1].values[0].i, 0);
    node = check_node(node, PREDICATE_EQ, 1, SCORE, 1);
    assert_true(node[-1].values[0].d == 0.5);
    node = check_node(node, PREDICATE_GT, 1, COUNT, 1);
    assert_int_equal(node[-1].values[0].i, 7);
    node = check_node(node, PREDICATE_NOT, 2, PLAN_NONE, 0);
    node = check_node(node, PREDICATE_IN, 1, TYPE, 2);
    check_string(&node[-1].values[0], "a");
    check_string(&node[-1].values[1], "b");
    assert_ptr_equal(node, predicate->nodes + predicate->node_count);
    plan_free(plan);
}

static void values_are_of_the_fields_type(void **state)
{
    struct plan *plan = plan_where("{type: {ne: 1.50}, amount: {ge: 1.5}, at: {lt: 2026-01-01}, "
                                   "score: {gt: 3}, count: {le: -9}}");
    const struct predicate_node *node = plan->sources[0].predicates[0].nodes;

    (void)state;
    node = check_node(node, PREDICATE_ALL, 6, PLAN_NONE, 0);
    node = check_node(node, PREDICATE_GE, 1, AMOUNT, 1);
    assert_int_equal(node[-1].values[0].i, 150);
    node = check_node(node, PREDICATE_LT, 1, AT, 1);
    assert_true(node[-1].values[0].i == INT64_C(1767225600000));
    node = check_node(node, PREDICATE_LE, 1, COUNT, 1);
    assert_int_equal(node[-1].values[0].i, -9);
    node = check_node(node, PREDICATE_GT, 1, SCORE, 1);
    assert_true(node[-1].values[0].d == 3.0);
    node = check_node(node, PREDICATE_NE, 1, TYPE, 1);
    check_string(&node[-1].values[0], "1.50");
    plan_free(plan);
}

static void absence_is_a_negated_exists(void **state)
{
    struct plan *plan = plan_where("{amount: {exists: false}}");
    const struct predicate_node *node = plan->sources[0].predicates[0].nodes;

    (void)state;
    node = check_node(node, PREDICATE_NOT, 2, PLAN_NONE, 0);
    check_node(node, PREDICATE_EXISTS, 1, AMOUNT, 0);
    plan_free(plan);
}

static void a_field_with_a_strange_name_is_quoted(void **state)
{
    static const struct {
        const char *name;
        const char *text;
    } cases[] = {
        {"azAZ09_.-", "azAZ09_.- = \"x\""}, {"a = 1 and b", "\"a = 1 and b\" = \"x\""},
        {"a{b", "\"a{b\" = \"x\""}, /* the bytes behind z, Z and 9 */
        {"a[b", "\"a[b\" = \"x\""},         {"a:b", "\"a:b\" = \"x\""},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf field = {0};
        struct buf where = {0};

        buf_printf(&field, "      '%s': string\n", cases[i].name);
        buf_printf(&where, "    where: {'%s': x}\n    features:\n", cases[i].name);
        char *file = replaced(BASE_FILE, "      type: string\n", buf_string(&field));
        char *with_where = replaced(file, "    features:\n", buf_string(&where));
        struct plan *plan = plan_of(with_where);

        assert_string_equal(plan->sources[0].predicates[0].text, cases[i].text);
        plan_free(plan);
        free(with_where);
        free(file);
        buf_free(&where);
        buf_free(&field);
    }
}

/* Equal but for order, spelling or repetition: one predicate, so one bit per event and one test. */
static void equal_conditions_are_one_predicate(void **state)
{
    struct plan *plan = plan_with(
        "    features:\n      n: {count: true}\n",
        "    where: {type: a, count: {gt: 1}}\n"
        "    features:\n"
        "      f0: {count: true, where: {count: {gt: 1}, type: {eq: a}}}\n"
        "      f1: {count: true, where: {any: [{type: b}, {type: a}]}}\n"
        "      f2: {count: true, where: {any: [{type: a}, {type: b}, {type: a}]}}\n"
        "      f3: {count: true, where: {type: [b, a]}}\n"
        "      f4: {count: true, where: {type: [a, b, a]}}\n"
        "      f5: {count: true, where: {amount: 1.5}}\n"
        "      f6: {count: true, where: {amount: 1.50}}\n"
        "      f7: {count: true}\n");
    const struct plan_view *view = &plan->views[0];

    (void)state;
    assert_int_equal(plan->sources[0].predicate_count, 4);
    assert_int_equal(view->predicate, 0);
    assert_int_equal(view->features[0].predicate, 0);
    assert_int_equal(view->features[1].predicate, 1);
    assert_int_equal(view->features[2].predicate, 1);
    assert_int_equal(view->features[3].predicate, 2);
    assert_int_equal(view->features[4].predicate, 2);
    assert_int_equal(view->features[5].predicate, 3);
    assert_int_equal(view->features[6].predicate, 3);
    assert_int_equal(view->features[7].predicate, PLAN_NONE);
    plan_free(plan);
}

/* A condition that holds many of something: each `before` and `after` a number of `digits`, or
 * without one if `digits` is 0. */
struct long_condition {
    const char *head;
    const char *before;
    int digits;
    const char *after;
    const char *tail;
    int most;
    const char *expected; /* of one more */
};

static char *file_with(const struct long_condition *condition, int count)
{
    struct buf where = {0};

    buf_printf(&where, "where: %s", condition->head);
    for (int i = 0; i < count; i++) {
        buf_printf(&where, "%s", condition->before);
        if (condition->digits)
            buf_printf(&where, "%0*d", condition->digits, i);
        buf_printf(&where, "%s", condition->after);
    }
    buf_printf(&where, "%s\n    features:\n", condition->tail);
    char *text = replaced(BASE_FILE, "features:\n", buf_string(&where));
    buf_free(&where);
    return text;
}

static void conditions_are_bounded(void **state)
{
    static const struct long_condition cases[] = {
        /* `any` is a part too, so the thousandth in it is one too many; 14 bytes each. */
        {"{any: [", "{type: t", 4, "},", "]}", 999, "20:14005: this condition is too long\n"},
        {"{type: [", "t", 4, ",", "]}", 1000, "20:19: this condition is too long\n"},
        {"{type: ", "a", 0, "", "}", 4096, "20:19: this condition is too long\n"},
        /* 1025 bytes with their quotes, joined by two: 64 of them are more than 64 KiB. */
        {"{type: [", "'", 1023, "',", "]}", 63, "20:19: this condition is too long\n"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *right = file_with(&cases[i], cases[i].most);
        char *wrong = file_with(&cases[i], cases[i].most + 1);

        plan_free(plan_of(right));
        check_messages(wrong, cases[i].expected);
        free(right);
        free(wrong);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts),
        cmocka_unit_test(nodes_lie_behind_their_parent),
        cmocka_unit_test(values_are_of_the_fields_type),
        cmocka_unit_test(absence_is_a_negated_exists),
        cmocka_unit_test(a_field_with_a_strange_name_is_quoted),
        cmocka_unit_test(equal_conditions_are_one_predicate),
        cmocka_unit_test(conditions_are_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
