/* docs/PIPELINE.md: its tables are those of src/plan/settings.c, its example is right, and the
 * messages that it shows are those of the program.
 *
 *   <!-- table: redis -->     what stands between these two lines is written by this program
 *   <!-- end -->
 *
 * FRESHET_UPDATE_DOCS=1 test_plan_reference    writes the tables anew */
#include "../support/document.h"
#include "plan/settings.h"
#include "plan/value.h"
#include "plan_test.h"

#define DOCUMENT FRESHET_SOURCE_DIR "/docs/PIPELINE.md"
#define END_LINE "<!-- end -->\n"

static const struct section *const sections[] = {
    &settings_top,         &settings_kafka,        &settings_redis,  &settings_source,
    &settings_time,        &settings_dedup,        &settings_field,  &settings_view,
    &settings_window,      &settings_feature,      &settings_option, &settings_state,
    &settings_checkpoint,  &settings_engine,       &settings_admin,  &settings_outputs,
    &settings_output_file, &settings_output_kafka,
};

/* `a`, `b` or `c`, of those that this version has or lacks. */
static void print_choices(struct buf *out, const struct choice *choices, bool lacking)
{
    uint32_t count = 0;
    uint32_t printed = 0;

    for (const struct choice *choice = choices; choice->name; choice++)
        count += choice->not_yet == lacking;
    for (const struct choice *choice = choices; choice->name; choice++) {
        if (choice->not_yet != lacking)
            continue;
        buf_printf(out, "%s`%s`",
                   printed == 0           ? ""
                   : printed + 1 == count ? " or "
                                          : ", ",
                   choice->name);
        printed++;
    }
}

static void print_number(struct buf *out, enum setting_type type, int64_t number)
{
    if (type == SETTING_DURATION)
        value_print_duration(out, number);
    else if (type == SETTING_SIZE)
        value_print_size(out, number);
    else
        buf_printf(out, "%lld", (long long)number);
}

static void print_type(struct buf *out, const struct setting *setting)
{
    if (setting->choices) {
        print_choices(out, setting->choices, false);
        return;
    }
    buf_printf(out, "%s", setting->written ? setting->written : setting_type_name(setting->type));
    if (setting->max) {
        buf_printf(out, ", ");
        print_number(out, setting->type, setting->min);
        buf_printf(out, " to ");
        print_number(out, setting->type, setting->max);
    }
}

static void print_default(struct buf *out, const struct setting *setting)
{
    if (setting->required)
        buf_printf(out, "required");
    else if (setting->fallback)
        buf_printf(out, "`%s`", setting->fallback);
    else
        buf_printf(out, "%s", setting->derived ? setting->derived : "");
}

static void print_row(struct buf *out, const struct setting *setting)
{
    const char *before = " of ";

    buf_printf(out, "| `%s`", setting->name);
    for (int kind = 0; kind < FEATURE_KIND_COUNT; kind++) {
        if (!(setting->kinds & 1u << kind))
            continue;
        buf_printf(out, "%s`%s`", before, feature_kind_name((enum feature_kind)kind));
        before = ", ";
    }
    buf_printf(out, " | ");
    print_type(out, setting);
    buf_printf(out, " | ");
    print_default(out, setting);
    buf_printf(out, " | %s", setting->summary);
    if (setting->not_yet)
        buf_printf(out, "; not in this version yet");
    for (const struct choice *choice = setting->choices; choice && choice->name; choice++) {
        if (!choice->not_yet)
            continue;
        buf_printf(out, "; not in this version yet: ");
        print_choices(out, setting->choices, true);
        break;
    }
    buf_printf(out, " |\n");
}

/* The kinds of features and their options have tables of their own. */
static bool has_row(const struct setting *setting)
{
    return setting->summary != NULL;
}

static void print_section(struct buf *out, const struct section *section)
{
    buf_printf(out, "| setting | value | default | |\n|---|---|---|---|\n");
    for (uint32_t i = 0; i < section->count; i++) {
        if (has_row(&section->settings[i]))
            print_row(out, &section->settings[i]);
    }
}

static void print_kinds(struct buf *out)
{
    static const unsigned takes[] = {
#define X(enumerator, spelled, flags) [enumerator] = flags,
        FEATURE_KINDS(X)
#undef X
    };

    buf_printf(out, "| spelled | field | value | empty | exactness |\n|---|---|---|---|---|\n");
    for (int kind = 0; kind < FEATURE_KIND_COUNT; kind++) {
        const char *name = feature_kind_name((enum feature_kind)kind);
        const struct feature_doc *doc = &feature_docs[kind];

        buf_printf(out, "| ");
        if (takes[kind] & TAKES_TRUE)
            buf_printf(out, "`{%s: true}`%s", name, takes[kind] & TAKES_FIELD ? ", " : "");
        if (takes[kind] & TAKES_FIELD)
            buf_printf(out, "`{%s: field}`", name);
        buf_printf(out, " | %s | %s | %s | %s |\n",
                   takes[kind] & NEEDS_NUMBER  ? "number"
                   : takes[kind] & NEEDS_ORDER ? "number or timestamp"
                   : takes[kind] & TAKES_FIELD ? "any"
                                               : "",
                   doc->value, doc->empty, doc->exactness);
    }
}

static void print_table(struct buf *out, struct slice name)
{
    if (slice_equal(name, SLICE_LITERAL("kinds"))) {
        print_kinds(out);
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(sections); i++) {
        if (slice_equal(name, slice_of(sections[i]->name))) {
            print_section(out, sections[i]);
            return;
        }
    }
    fail_msg("no table %.*s", SLICE_ARGS(name));
}

/* The document with its tables written anew. */
static void render(const char *document, struct buf *out)
{
    static const char start[] = "<!-- table: ";

    while (*document) {
        size_t len = strcspn(document, "\n") + 1;

        buf_append(out, document, len);
        if (strncmp(document, start, strlen(start)) != 0) {
            document += len;
            continue;
        }
        const char *name = document + strlen(start);
        const char *name_end = strstr(name, " -->");
        const char *end = strstr(document, END_LINE);

        assert_non_null(name_end);
        assert_non_null(end);
        print_table(out, (struct slice){name, (size_t)(name_end - name)});
        document = end;
    }
}

static void the_tables_are_those_of_the_program(void **state)
{
    char *document = document_read(DOCUMENT);
    struct buf wanted = {0};

    (void)state;
    render(document, &wanted);
    document_check(DOCUMENT, buf_slice(&wanted), "test_plan_reference");
    buf_free(&wanted);
    free(document);
}

static void every_section_has_its_table(void **state)
{
    char *document = document_read(DOCUMENT);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(sections); i++) {
        struct buf mark = {0};

        buf_printf(&mark, "<!-- table: %s -->\n", sections[i]->name);
        if (!strstr(document, buf_string(&mark)))
            fail_msg("no %s", buf_string(&mark));
        buf_free(&mark);
    }
    assert_non_null(strstr(document, "<!-- table: kinds -->\n"));
    free(document);
}

/* What is in a row is enough to read it, to document it, and to keep it within its bounds. */
static void rows_are_complete(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(sections); i++) {
        for (uint32_t j = 0; j < sections[i]->count; j++) {
            const struct setting *row = &sections[i]->settings[j];
            bool bounded = row->type == SETTING_COUNT || row->type == SETTING_DURATION ||
                           row->type == SETTING_SIZE || row->type == SETTING_SHARDS ||
                           row->type == SETTING_NUMBER;
            bool chosen = row->type == SETTING_CHOICE || row->type == SETTING_FLAG ||
                          row->type == SETTING_FIXED;

            if (bounded != (row->max > row->min))
                fail_msg("%s: bounds", row->name);
            if (chosen != (row->choices != NULL))
                fail_msg("%s: choices", row->name);
            if (row->required && (row->fallback || row->derived))
                fail_msg("%s: required, with a default", row->name);
            if (row->type == SETTING_SECTION && !row->section)
                fail_msg("%s: no section", row->name);
            if (has_row(row) && row->type == SETTING_LATER && !row->written)
                fail_msg("%s: no type", row->name);
        }
    }
}

/* Each option is a key of a feature, for some kinds, of which none takes two. */
static void options_belong_to_kinds(void **state)
{
    unsigned taken = 0;

    (void)state;
    for (uint32_t i = 0; i < settings_option.count; i++) {
        const struct setting *option = &settings_option.settings[i];
        bool known = false;

        for (uint32_t j = 0; j < settings_feature.count; j++)
            known |= strcmp(settings_feature.settings[j].name, option->name) == 0;
        assert_true(known);
        assert_true(option->kinds != 0);
        assert_true(option->kinds < 1u << FEATURE_KIND_COUNT);
        assert_true((taken & option->kinds) == 0);
        taken |= option->kinds;
    }
}

static void every_kind_is_documented(void **state)
{
    (void)state;
    for (int kind = 0; kind < FEATURE_KIND_COUNT; kind++) {
        assert_non_null(feature_docs[kind].value);
        assert_non_null(feature_docs[kind].empty);
        assert_non_null(feature_docs[kind].exactness);
    }
}

/* Blocks that are whole files. */
static void the_examples_are_right(void **state)
{
    char *document = document_read(DOCUMENT);
    int files = 0;

    (void)state;
    for (char *at = document; (at = strstr(at, "```yaml\n")) != NULL;) {
        char *text = at + strlen("```yaml\n");
        char *end = strstr(text, "```\n");

        assert_non_null(end);
        *end = '\0';
        if (strncmp(text, "pipeline:", strlen("pipeline:")) == 0) {
            plan_free(plan_of(text));
            files++;
        }
        at = end + 1;
    }
    assert_true(files > 0);
    free(document);
}

static void the_messages_are_those_of_the_program(void **state)
{
    char *document = document_read(DOCUMENT);
    char *text = replaced(BASE_FILE, "    features:\n",
                          "    widnow: {tumbling: 24h}\n"
                          "    features:\n"
                          "      m: {sum: type}\n");
    char *wrong = replaced(text, "{sliding: 1h, every: 10m}", "{sliding: 30m, every: 7m}");
    struct buf messages = {0};
    struct plan *plan = NULL;

    (void)state;
    assert_int_equal(plan_parse("user_features.yaml", slice_of(wrong), &plan, &messages), -EINVAL);
    assert_non_null(strstr(document, buf_string(&messages)));
    buf_free(&messages);
    free(wrong);
    free(text);
    free(document);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_tables_are_those_of_the_program),
        cmocka_unit_test(every_section_has_its_table),
        cmocka_unit_test(rows_are_complete),
        cmocka_unit_test(options_belong_to_kinds),
        cmocka_unit_test(every_kind_is_documented),
        cmocka_unit_test(the_examples_are_right),
        cmocka_unit_test(the_messages_are_those_of_the_program),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
