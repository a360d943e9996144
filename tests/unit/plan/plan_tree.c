/* The YAML tree: where nodes stand, what they hold, and which texts are refused. */
#include "plan/tree.h"
#include "plan_test.h"

struct parsed {
    struct plan_memory *memory;
    struct messages messages;
    struct tree_node *root;
    int rc;
};

static struct parsed *parse(struct slice text)
{
    struct parsed *parsed = calloc(1, sizeof(*parsed));

    parsed->memory = plan_memory_create();
    parsed->messages.memory = parsed->memory;
    parsed->rc = tree_parse(text, parsed->memory, &parsed->messages, &parsed->root);
    return parsed;
}

static void parsed_free(struct parsed *parsed)
{
    plan_memory_free(parsed->memory);
    free(parsed);
}

static struct parsed *parse_good(const char *text)
{
    struct parsed *parsed = parse(slice_of(text));

    if (parsed->messages.count)
        fail_msg("%s", parsed->messages.list[0].text);
    assert_int_equal(parsed->rc, 0);
    return parsed;
}

static void check_refused(struct slice text, const char *expected)
{
    struct parsed *parsed = parse(text);
    struct buf lines = {0};

    messages_write(&parsed->messages, "f", &lines);
    assert_string_equal(buf_string(&lines), expected);
    assert_int_equal(parsed->rc, -EINVAL);
    assert_null(parsed->root);
    buf_free(&lines);
    parsed_free(parsed);
}

static void check_node(const struct tree_node *node, enum tree_kind kind, uint32_t line,
                       uint32_t column)
{
    assert_int_equal(node->kind, kind);
    assert_int_equal(node->line, line);
    assert_int_equal(node->column, column);
}

static void positions_count_from_one_in_characters(void **state)
{
    struct parsed *parsed = parse_good("# a comment\n"
                                       "key: value\n"
                                       "bär: {a: 1, 'b': [x, \"y\"]}\n"
                                       "list:\n"
                                       "  - one\n"
                                       "  -   two: 2\n");
    struct tree_node *root = parsed->root;

    (void)state;
    check_node(root, TREE_MAPPING, 2, 1);
    assert_int_equal(root->count, 3);
    check_node(root->pairs[0].key, TREE_SCALAR, 2, 1);
    check_node(root->pairs[0].value, TREE_SCALAR, 2, 6);
    check_node(root->pairs[1].value, TREE_MAPPING, 3, 6);
    check_node(root->pairs[1].value->pairs[0].value, TREE_SCALAR, 3, 10);
    check_node(root->pairs[1].value->pairs[1].key, TREE_SCALAR, 3, 13);
    check_node(root->pairs[1].value->pairs[1].value, TREE_SEQUENCE, 3, 18);
    check_node(root->pairs[1].value->pairs[1].value->items[1], TREE_SCALAR, 3, 22);
    check_node(root->pairs[2].value->items[0], TREE_SCALAR, 5, 5);
    check_node(root->pairs[2].value->items[1], TREE_MAPPING, 6, 7);
    parsed_free(parsed);
}

static void scalars_keep_text_and_quoting(void **state)
{
    struct parsed *parsed = parse_good("[plain, 'single', \"dou\\tble\", yes, 010, ~, '', ]\n");
    struct tree_node *root = parsed->root;

    (void)state;
    assert_int_equal(root->count, 7);
    assert_slice_equal(root->items[0]->text, "plain");
    assert_true(root->items[0]->plain);
    assert_slice_equal(root->items[1]->text, "single");
    assert_false(root->items[1]->plain);
    assert_slice_equal(root->items[2]->text, "dou\tble");
    assert_false(root->items[2]->plain);
    assert_slice_equal(root->items[3]->text, "yes");
    assert_slice_equal(root->items[4]->text, "010");
    assert_slice_equal(root->items[5]->text, "~");
    assert_false(tree_is_blank(root->items[5]));
    assert_false(tree_is_blank(root->items[6])); /* quoted: an empty text, not nothing */
    parsed_free(parsed);

    parsed = parse_good("block: |\n  two\n  lines\nblank:\n");
    assert_slice_equal(tree_find(parsed->root, "block")->value->text, "two\nlines\n");
    assert_false(tree_find(parsed->root, "block")->value->plain);
    assert_true(tree_is_blank(tree_find(parsed->root, "blank")->value));
    assert_null(tree_find(parsed->root, "bloc"));
    assert_null(tree_find(tree_find(parsed->root, "block")->value, "a"));
    assert_null(tree_find(NULL, "a"));
    parsed_free(parsed);
}

static void an_alias_is_its_anchors_node(void **state)
{
    struct parsed *parsed = parse_good("a: &x {k: 1}\n"
                                       "b: *x\n"
                                       "c: &x [2]\n"
                                       "d: *x\n");

    (void)state;
    assert_ptr_equal(tree_find(parsed->root, "b")->value, tree_find(parsed->root, "a")->value);
    assert_ptr_equal(tree_find(parsed->root, "d")->value, tree_find(parsed->root, "c")->value);
    check_node(tree_find(parsed->root, "b")->value, TREE_MAPPING, 1, 4);
    parsed_free(parsed);
}

static void nothing_is_no_tree(void **state)
{
    static const char *const texts[] = {"", "\n\n", "# only a comment\n", "\xef\xbb\xbf"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct parsed *parsed = parse_good(texts[i]);

        assert_null(parsed->root);
        parsed_free(parsed);
    }
}

static void a_byte_order_mark_is_not_seen(void **state)
{
    struct parsed *parsed = parse_good("\xef\xbb\xbfkey: value\n");

    (void)state;
    check_node(parsed->root->pairs[0].key, TREE_SCALAR, 1, 1);
    assert_slice_equal(parsed->root->pairs[0].key->text, "key");
    parsed_free(parsed);
}

static void a_key_twice_is_a_message_and_the_first_stays(void **state)
{
    struct parsed *parsed = parse(slice_of("a: 1\nb: 2\n\"a\": 3\nc: {d: 4, d: 5, d: 6}\na: 7\n"));
    struct buf lines = {0};

    (void)state;
    messages_write(&parsed->messages, "f", &lines);
    assert_string_equal(buf_string(&lines),
                        "f:3:1: \"a\" stands here for the second time; the first is at 1:1\n"
                        "f:4:11: \"d\" stands here for the second time; the first is at 4:5\n"
                        "f:4:17: \"d\" stands here for the second time; the first is at 4:5\n"
                        "f:5:1: \"a\" stands here for the second time; the first is at 1:1\n");
    assert_int_equal(parsed->rc, 0);
    assert_int_equal(parsed->root->count, 3);
    assert_slice_equal(parsed->root->pairs[0].value->text, "1");
    assert_slice_equal(parsed->root->pairs[1].key->text, "b");
    assert_slice_equal(parsed->root->pairs[2].value->pairs[0].value->text, "4");
    buf_free(&lines);
    parsed_free(parsed);
}

static void refusals(void **state)
{
    static const struct {
        const char *text;
        const char *expected;
    } cases[] = {
        {"a: [b\n", "f:2:1: not valid YAML: did not find expected ',' or ']' while parsing a flow "
                    "sequence that starts at 1:4\n"},
        {"a: b\n  c: d\n", "f:2:4: not valid YAML: mapping values are not allowed in this "
                           "context\n"},
        {"a: 'b\n", "f:2:1: not valid YAML: found unexpected end of stream while scanning a quoted "
                    "scalar that starts at 1:4\n"},
        {"\ta: b\n", "f:1:1: not valid YAML: found character that cannot start any token while "
                     "scanning for the next token that starts at 1:1\n"},
        {"a: 1\nä: \xff\n", "f:2:4: not valid YAML: invalid leading UTF-8 octet\n"},
        {"a: 1\n\x01\n", "f:2:1: not valid YAML: control characters are not allowed\n"},
        {"a: 1\n---\nb: 2\n", "f:2:1: a second document starts here; a pipeline file is one\n"},
        {"a: *b\n", "f:1:4: no anchor \"b\" before this alias\n"},
        {"a: &a [*a]\n", "f:1:8: this alias stands inside of what it stands for\n"},
        {"a: &a {b: {c: *a}}\n", "f:1:15: this alias stands inside of what it stands for\n"},
        {"a: !!str 1\n", "f:1:4: tags have no meaning in a pipeline file\n"},
        {"a: !x {}\n", "f:1:4: tags have no meaning in a pipeline file\n"},
        {"? [a]\n: b\n", "f:1:3: a key must be a single word\n"},
        {"? {a: b}\n: b\n", "f:1:3: a key must be a single word\n"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        check_refused(slice_of(cases[i].text), cases[i].expected);
}

static void depth_is_bounded(void **state)
{
    struct buf text = {0};

    (void)state;
    for (int i = 0; i < 63; i++)
        buf_append_char(&text, '[');
    buf_append_char(&text, 'x');
    for (int i = 0; i < 63; i++)
        buf_append_char(&text, ']');
    struct parsed *parsed = parse_good(buf_string(&text)); /* 64 nodes deep */
    assert_int_equal(parsed->root->height, 64);
    parsed_free(parsed);

    buf_reset(&text);
    for (int i = 0; i < 65; i++)
        buf_append_char(&text, '[');
    check_refused(buf_slice(&text), "f:1:65: nested too deep: at most 64 levels\n");
    buf_free(&text);
}

/* Each alias is one node deeper than what it stands for, so few lines would nest without end. */
static void depth_counts_aliases_spelled_out(void **state)
{
    struct buf text = {0};

    (void)state;
    buf_printf(&text, "- &a0 x\n");
    for (int i = 1; i <= 62; i++)
        buf_printf(&text, "- &a%d [*a%d]\n", i, i - 1);
    struct parsed *parsed = parse_good(buf_string(&text));
    assert_int_equal(parsed->root->height, 64);
    parsed_free(parsed);

    buf_printf(&text, "- &a63 [*a62]\n");
    check_refused(buf_slice(&text), "f:64:9: nested too deep: at most 64 levels\n");
    buf_free(&text);
}

/* Nine lines that stand for a thousand million words. */
static void size_counts_aliases_spelled_out(void **state)
{
    struct buf text = {0};

    (void)state;
    buf_printf(&text, "- &a0 x\n");
    for (int i = 1; i <= 9; i++) {
        buf_printf(&text, "- &a%d [", i);
        for (int j = 0; j < 10; j++)
            buf_printf(&text, "*a%d,", i - 1);
        buf_printf(&text, "]\n");
    }
    struct parsed *parsed = parse(buf_slice(&text));
    assert_int_equal(parsed->rc, -EINVAL);
    assert_string_equal(parsed->messages.list[0].text,
                        "too large: more than 4 MiB with every alias spelled out");
    assert_int_equal(parsed->messages.list[0].line, 8);
    parsed_free(parsed);
    buf_free(&text);
}

static void anchors_are_bounded(void **state)
{
    struct buf text = {0};

    (void)state;
    for (int i = 0; i < 257; i++)
        buf_printf(&text, "- &a%d x\n", i);
    check_refused(buf_slice(&text), "f:257:3: too many anchors\n");
    buf_free(&text);
}

static void bytes_are_bounded(void **state)
{
    struct buf text = {0};

    (void)state;
    buf_printf(&text, "a: 1\n#");
    while (text.len < 1024 * 1024)
        buf_append_char(&text, 'x');
    struct parsed *parsed = parse(buf_slice(&text));
    assert_int_equal(parsed->rc, 0);
    parsed_free(parsed);
    buf_append_char(&text, 'x');
    check_refused(buf_slice(&text),
                  "f: larger than 1 MiB, the most that a pipeline file may have\n");
    buf_free(&text);
}

/* A file of many keys takes no more than a moment: duplicates are found by sorting. */
static void very_many_keys(void **state)
{
    struct buf text = {0};

    (void)state;
    for (int i = 0; i < 100000; i++)
        buf_printf(&text, "k%d:\n", i);
    struct parsed *parsed = parse(buf_slice(&text));
    assert_int_equal(parsed->rc, 0);
    assert_int_equal(parsed->messages.count, 0);
    assert_int_equal(parsed->root->count, 100000);
    parsed_free(parsed);
    buf_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(positions_count_from_one_in_characters),
        cmocka_unit_test(scalars_keep_text_and_quoting),
        cmocka_unit_test(an_alias_is_its_anchors_node),
        cmocka_unit_test(nothing_is_no_tree),
        cmocka_unit_test(a_byte_order_mark_is_not_seen),
        cmocka_unit_test(a_key_twice_is_a_message_and_the_first_stays),
        cmocka_unit_test(refusals),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(depth_counts_aliases_spelled_out),
        cmocka_unit_test(size_counts_aliases_spelled_out),
        cmocka_unit_test(anchors_are_bounded),
        cmocka_unit_test(bytes_are_bounded),
        cmocka_unit_test(very_many_keys),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
