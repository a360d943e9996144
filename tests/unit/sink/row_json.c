/* Rows as JSON, read back by a reader that knows nothing of them. */
#include "sink/row_json.h"
#include "../support/json_value.h"
#include "../support/plan_text.h"

#define FEATURES 6

static const char file[] = "pipeline: p\n"
                           "kafka: {}\n"
                           "sources:\n"
                           "  s:\n"
                           "    topic: t\n"
                           "    entity: 'user \"id\"'\n"
                           "    time: {field: ts}\n"
                           "    fields: {'user \"id\"': string, n: int64}\n"
                           "views:\n"
                           "  some.view-1h:\n"
                           "    source: s\n"
                           "    window: {tumbling: 1h}\n"
                           "    features: {a: {count: true}, b: {count: true}, c: {count: true}, "
                           "d: {count: true}, e.f-g: {count: true}, _h: {count: true}}\n";

static struct plan *plan;
static struct row_json format;
static struct buf out;

static int set_up(void **state)
{
    (void)state;
    plan = plan_of_text(file);
    row_json_init(&format, plan, &plan->views[0]);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    row_json_done(&format);
    plan_free(plan);
    buf_free(&out);
    return 0;
}

static struct row row_of(const struct row_value *values)
{
    return (struct row){.view = &plan->views[0],
                        .key = SLICE_LITERAL("u7"),
                        .window_start_ms = 1000,
                        .window_end_ms = 2000,
                        .values = values};
}

static struct slice appended(const struct row *row)
{
    buf_reset(&out);
    buf_append(&out, "before\n", 7);
    row_json_append(&format, row, &out);
    return (struct slice){out.data + 7, out.len - 7};
}

static void a_row_is_one_object_in_a_set_order(void **state)
{
    const struct row_value values[FEATURES] = {
        {.type = ROW_INT, .i = 3},
        {.type = ROW_NULL},
        {.type = ROW_DECIMAL, .scale = 2, .i = -5},
        {.type = ROW_DOUBLE, .d = 0.1},
        {.type = ROW_JSON, .text = SLICE_LITERAL("{\"x\":1}")},
        {.type = ROW_STRING, .text = SLICE_LITERAL("a\"b")},
    };
    struct row row = row_of(values);

    (void)state;
    ENSURE_TEXT(appended(&row),
                SLICE_LITERAL("{\"view\":\"some.view-1h\",\"user \\\"id\\\"\":\"u7\","
                              "\"window_start\":1000,\"window_end\":2000,\"revision\":0,"
                              "\"features\":{\"a\":3,\"b\":null,\"c\":-0.05,\"d\":0.1,"
                              "\"e.f-g\":{\"x\":1},\"_h\":\"a\\\"b\"}}"));
    row.empty = true;
    row.revision = 4000000000u;
    row.window_start_ms = -1000;
    appended(&row);
    ENSURE(strstr(buf_string(&out),
                  "\"window_start\":-1000,\"window_end\":2000,\"revision\":4000000000,"
                  "\"empty\":true,\"features\":{"));
    row.empty = false;
    row.retracted = true;
    appended(&row);
    ENSURE(strstr(buf_string(&out), "\"revision\":4000000000,\"retracted\":true,\"features\":{"));
}

static size_t random_text(char *text)
{
    size_t len = 0;

    for (uint64_t left = random_below(10); left > 0; left--)
        len += utf8_encode(
            (uint32_t)(random_chance(70) ? random_below(0x80) : random_below(0x110000)),
            text + len);
    return len;
}

static void random_value(struct row_value *value, char *text)
{
    static const char *const maps[] = {"{}", "[]", "{\"a\":1,\"b\":2}", "[1,2,\"x\"]"};

    *value = (struct row_value){.type = (enum row_value_type)random_below(ROW_JSON + 1)};
    value->scale = (uint8_t)random_below(19);
    value->i = random_int64();
    if (value->type == ROW_DOUBLE)
        value->d = (double)random_int64() / 1000;
    if (value->type == ROW_BOOL)
        value->i = (int64_t)random_below(2);
    if (value->type == ROW_STRING)
        value->text = (struct slice){text, random_text(text)};
    if (value->type == ROW_JSON)
        value->text = slice_of(maps[random_below(ARRAY_LEN(maps))]);
}

/* A decimal's text is its digits with the point left out, and as many behind it as the scale says.
 */
static void check_decimal(struct slice text, const struct row_value *value)
{
    const char *point = memchr(text.data, '.', text.len);
    size_t behind = point ? (size_t)(text.data + text.len - point - 1) : 0;
    char digits[64];
    size_t len = 0;

    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] != '.')
            digits[len++] = text.data[i];
    }
    digits[len] = '\0';
    ENSURE_INT(behind, value->scale);
    ENSURE_INT(strtoll(digits, NULL, 10), value->i);
}

static void check_value(const struct json_value *json, const struct row_value *value)
{
    char text[64];

    switch (value->type) {
    case ROW_NULL:
        ENSURE(json->kind == VALUE_NULL);
        return;
    case ROW_INT:
        snprintf(text, sizeof(text), "%" PRId64, value->i);
        ENSURE_TEXT(json->raw, slice_of(text));
        return;
    case ROW_DOUBLE:
        ENSURE(json->kind == VALUE_NUMBER && strtod(json->raw.data, NULL) == value->d);
        return;
    case ROW_DECIMAL:
        ENSURE(json->kind == VALUE_NUMBER);
        check_decimal(json->raw, value);
        return;
    case ROW_BOOL:
        ENSURE(json->kind == (value->i ? VALUE_TRUE : VALUE_FALSE));
        return;
    case ROW_STRING:
        ENSURE_TEXT(json_string(json), value->text);
        return;
    case ROW_JSON:
        ENSURE(json->kind == (value->text.data[0] == '{' ? VALUE_OBJECT : VALUE_ARRAY));
        return;
    }
}

static int64_t int_member(const struct json_value *object, const char *name)
{
    const struct json_value *member = json_member(object, slice_of(name));

    ENSURE(member && member->kind == VALUE_NUMBER);
    return strtoll(member->raw.data, NULL, 10);
}

static bool flag_member(const struct json_value *object, const char *name)
{
    const struct json_value *member = json_member(object, slice_of(name));

    ENSURE(!member || member->kind == VALUE_TRUE);
    return member != NULL;
}

static void check_row(const struct json_value *json, const struct row *row)
{
    const struct json_value *features = json_member(json, SLICE_LITERAL("features"));

    ENSURE(json && json->kind == VALUE_OBJECT && features);
    ENSURE_TEXT(json_string(json_member(json, SLICE_LITERAL("view"))),
                SLICE_LITERAL("some.view-1h"));
    ENSURE_TEXT(json_string(json_member(json, SLICE_LITERAL("user \"id\""))), row->key);
    ENSURE_INT(int_member(json, "window_start"), row->window_start_ms);
    ENSURE_INT(int_member(json, "window_end"), row->window_end_ms);
    ENSURE_INT(int_member(json, "revision"), row->revision);
    ENSURE_INT(flag_member(json, "empty"), row->empty);
    ENSURE_INT(flag_member(json, "retracted"), row->retracted);
    ENSURE_INT(json->count, 6 + row->empty + row->retracted);
    ENSURE_INT(features->count, FEATURES);
    for (uint32_t i = 0; i < FEATURES; i++) {
        ENSURE_TEXT(json_string(features->names[i]), slice_of(plan->views[0].features[i].name));
        check_value(features->items[i], &row->values[i]);
    }
}

static void any_row_reads_back_as_it_was(void **state)
{
    (void)state;
    for (FIRST_SEED; MORE_SEEDS(2000); NEXT_SEED) {
        struct row_value values[FEATURES];
        char texts[FEATURES][64];
        char key[64];
        struct row row = row_of(values);

        for (int i = 0; i < FEATURES; i++)
            random_value(&values[i], texts[i]);
        row.key = (struct slice){key, random_text(key)};
        row.window_start_ms = random_int64();
        row.window_end_ms = random_int64();
        row.revision = (uint32_t)random_bits();
        row.empty = random_chance(30);
        row.retracted = random_chance(30);
        struct json_value *json = json_value_of(appended(&row));

        check_row(json, &row);
        ENSURE(memchr(out.data + 7, '\n', out.len - 7) == NULL); /* one line */
        json_value_free(json);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_row_is_one_object_in_a_set_order),
        cmocka_unit_test(any_row_reads_back_as_it_was),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
