/* docs/CAPACITY.md: behind its last heading stands what the tables of report and plan say.
 * FRESHET_UPDATE_DOCS=1 writes it. */

#include "../support/document.h"
#include "bench/capacity.h"

static const char path[] = FRESHET_SOURCE_DIR "/docs/CAPACITY.md";
static const char heading[] = "## Report and plan as JSON\n";

/* What freshet plan --json prints. */
static const struct shape *const plan_shapes[] = {&shape_capacity, &shape_wanted, &shape_line,
                                                  &shape_note};

static const char *kind_name(enum member_kind kind)
{
    static const char *const names[] = {
        [MEMBER_INT] = "integer", [MEMBER_NUMBER] = "number", [MEMBER_FLAG] = "boolean",
        [MEMBER_TEXT] = "string", [MEMBER_OBJECT] = "",       [MEMBER_LIST] = "list of ",
    };

    return names[kind];
}

static void table_build(struct buf *out, const struct shape *shape)
{
    buf_printf(out, "\n### %s\n\n| member | kind | what it tells |\n|---|---|---|\n", shape->name);
    for (uint32_t i = 0; i < shape->member_count; i++) {
        const struct shape_member *member = &shape->members[i];

        buf_printf(out, "| `%s` | %s%s | %s |\n", member->name, kind_name(member->kind),
                   member->shape ? member->shape->name : "", member->meaning);
    }
}

/* The whole first, then what it is made of. */
static void tables_build(struct buf *out)
{
    for (uint32_t i = report_shape_count; i-- > 0;)
        table_build(out, report_shapes[i]);
    for (size_t i = 0; i < ARRAY_LEN(plan_shapes); i++)
        table_build(out, plan_shapes[i]);
}

static void page_is_up_to_date(void **state)
{
    char *found = document_read(path);
    char *tables = strstr(found, heading);
    struct buf wanted = {0};

    (void)state;
    assert_non_null(tables);
    buf_append(&wanted, found, (size_t)(tables - found) + strlen(heading));
    tables_build(&wanted);
    document_check(path, buf_slice(&wanted), "build/dev/tests/test_capacity_page");
    buf_free(&wanted);
    free(found);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(page_is_up_to_date)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
