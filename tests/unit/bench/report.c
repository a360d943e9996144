/* The report as JSON: what is written is strict JSON, and reads back as the same. */

#include <math.h>

#include "../support/json_value.h"
#include "../support/testing.h"
#include "bench/page.h"
#include "bench/report.h"

static const char *const texts[] = {"",     "a",   "größe → 日本", "\"quoted\" \\ <b>&amp;</b>\n\t",
                                    "http", "null"};

/* Every member by chance, lists with up to three entries, so by the table alone. */
static void fill(const struct shape *shape, struct plan_memory *memory, char *object)
{
    for (uint32_t i = 0; i < shape->member_count; i++) {
        const struct shape_member *member = &shape->members[i];
        char *at = object + member->offset;

        switch (member->kind) {
        case MEMBER_INT:
            *(int64_t *)at = random_int64();
            break;
        case MEMBER_NUMBER:
            *(double *)at = random_chance(20) ? NAN : (double)random_int64() * 1e-3;
            break;
        case MEMBER_FLAG:
            *(bool *)at = random_chance(50);
            break;
        case MEMBER_TEXT:
            *(const char **)at = random_chance(20) ? NULL : texts[random_below(ARRAY_LEN(texts))];
            break;
        case MEMBER_OBJECT:
            fill(member->shape, memory, at);
            break;
        case MEMBER_LIST:
            for (uint64_t n = random_below(4); n > 0; n--) {
                char *item = shape_append(member->shape, memory, at,
                                          (uint32_t *)(object + member->count_offset));

                fill(member->shape, memory, item);
            }
            break;
        }
    }
}

static void what_is_written_reads_back(void **state)
{
    (void)state;
    for (FIRST_SEED; MORE_SEEDS(50); NEXT_SEED) {
        struct plan_memory *memory = plan_memory_create();
        struct bench_report report;
        struct bench_report read;
        struct buf first = {0};
        struct buf second = {0};
        struct err err = {0};
        struct json_value *value;

        shape_clear(&shape_report, &report);
        fill(&shape_report, memory, (char *)&report);
        report.kind = REPORT_KIND;
        report.schema = REPORT_SCHEMA;
        report_write(&report, &first);
        value = json_value_of((struct slice){first.data, first.len - 1});
        ENSURE(value != NULL);
        json_value_free(value);
        if (report_read(buf_slice(&first), memory, &read, &err))
            fail_msg("seed %" PRIu64 ": %s", test_seed, err.text);
        report_write(&read, &second);
        ENSURE_TEXT(buf_slice(&second), buf_slice(&first));
        buf_free(&first);
        buf_free(&second);
        plan_memory_free(memory);
    }
}

static void refused(const char *json, const char *reason)
{
    struct plan_memory *memory = plan_memory_create();
    struct bench_report report;
    struct err err = {0};

    assert_int_equal(report_read(slice_of(json), memory, &report, &err), -EINVAL);
    if (!strstr(err.text, reason))
        fail_msg("it says \"%s\", not \"%s\"", err.text, reason);
    plan_memory_free(memory);
}

static void what_is_no_report_is_refused(void **state)
{
    (void)state;
    refused("", "no JSON object");
    refused("[1]", "no JSON object");
    refused("{\"kind\":", "line");
    refused("{}", "its kind is not");
    refused("{\"kind\":\"freshet-bench\",\"schema\":2}", "schema 2");
    refused("{\"kind\":\"freshet-bench\",\"schema\":\"1\"}", "schema is not an integer");
    refused("{\"kind\":\"freshet-bench\",\"schema\":1,\"memory\":{}}", "memory is not a list");
    refused("{\"kind\":\"freshet-bench\",\"schema\":1,\"memory\":[3]}", "a list of objects");
    refused("{\"kind\":\"freshet-bench\",\"schema\":1,\"took_s\":true}", "took_s is not a number");
    refused("{\"kind\":\"freshet-bench\",\"schema\":1,\"host\":{\"name\":7}}", "not a string");
    refused("{\"kind\":\"freshet-bench\",\"schema\":1,\"setup\":{\"quick\":1}}",
            "quick is not true or false");
}

static void others_and_missing_members_do_no_harm(void **state)
{
    struct plan_memory *memory = plan_memory_create();
    struct bench_report report;
    struct err err = {0};

    (void)state;
    assert_int_equal(report_read(SLICE_LITERAL("{\"kind\":\"freshet-bench\",\"schema\":1,"
                                               "\"new\":{\"a\":[1]},\"took_s\":null}"),
                                 memory, &report, &err),
                     0);
    assert_true(isnan(report.took_s));
    assert_true(isnan(report.latency.knee_per_s));
    assert_int_equal(report.throughput_count, 0);
    plan_memory_free(memory);
}

/* Whatever a report holds, its page has no script and refers to nothing. */
static void a_page_is_made_of_any_report(void **state)
{
    (void)state;
    for (FIRST_SEED; MORE_SEEDS(30); NEXT_SEED) {
        struct plan_memory *memory = plan_memory_create();
        struct bench_report report;
        struct buf page = {0};
        struct buf text = {0};

        report_init(&report);
        fill(&shape_report, memory, (char *)&report);
        page_write(&report, &page);
        report_print(&report, &text);
        ENSURE(!strstr(buf_string(&page), "<b>&amp;"));
        ENSURE(!strstr(page.data, "<script"));
        ENSURE(!strstr(page.data, "src="));
        ENSURE(!strstr(page.data, "href="));
        ENSURE(!strstr(page.data, "url("));
        ENSURE(!strstr(page.data, "nan"));
        buf_free(&page);
        buf_free(&text);
        plan_memory_free(memory);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_reads_back),
        cmocka_unit_test(what_is_no_report_is_refused),
        cmocka_unit_test(others_and_missing_members_do_no_harm),
        cmocka_unit_test(a_page_is_made_of_any_report),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
