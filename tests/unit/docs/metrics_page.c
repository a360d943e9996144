/* docs/METRICS.md says what the table of metric families says. FRESHET_UPDATE_DOCS=1 writes it. */

#include "../support/document.h"
#include "metrics/families.h"

static const char path[] = FRESHET_SOURCE_DIR "/docs/METRICS.md";

static const char head[] = "# Metrics\n\n"
                           "`GET /metrics` on the admin address (`admin: {listen: "
                           "127.0.0.1:9180}`), Prometheus text format.\n"
                           "Counters start at 0 with the process. No label ever holds an entity "
                           "id. A counter of a shard is\n"
                           "written by that shard alone; sum over `shard` for the process.\n\n"
                           "| metric | type | labels | what it tells |\n|---|---|---|---|\n";

static const char foot[] =
    "\nWhat to watch: `freshet_lag_records` and `freshet_lag_seconds` (is it keeping up),\n"
    "`freshet_watermark_delay_seconds` (is event time moving), `freshet_dead_letters_total` and\n"
    "`freshet_late_events_total` (did a producer change), `freshet_backpressure_seconds_total` (is "
    "a sink\n"
    "the bottleneck), `freshet_redis_connected` and `freshet_redis_dirty_keys`, and the "
    "`end_to_end` stage\n"
    "of `freshet_stage_seconds` against your freshness objective.\n\n"
    "What to be woken for: `freshet_checkpoint_age_seconds` above some ten of your "
    "`checkpoint.every` (a start\n"
    "replays that much, and file output and feature topic wait for it), "
    "`freshet_checkpoint_failures_in_row`\n"
    "above 1 (beyond `checkpoint.tolerable_failures` the process ends), growing "
    "`freshet_lag_seconds`, and a\n"
    "`freshet_feature_topic_failures_total` that moves. `freshet_checkpoint_stage_seconds` says "
    "which step of a\n"
    "checkpoint takes long: `align` and `capture` are the shards', `freeze` the disk's, `commit` "
    "the brokers'.\n\n"
    "`GET /health`: 200 while all shards turn and checkpoints come into force; 503 after two "
    "failed ones in a\n"
    "row, or when the last one is older than ten times `checkpoint.every` and than `every` and "
    "`timeout`\n"
    "together (not while a sink that is full holds the shards up: a restart would not help). "
    "`GET /ready`: 200\n"
    "while rows reach the online store. `GET /status`: the same as JSON, with percentiles per "
    "stage, the\n"
    "position of every partition and the last checkpoint; `GET /histograms` the stages' histograms "
    "in full,\n"
    "all shards' in one. `POST /savepoint?name=NAME` asks for a savepoint,\n"
    "`GET /savepoint` says what became of it; `freshet checkpoint save` does both.\n";

static const char *type_name(enum metric_type type)
{
    switch (type) {
    case METRIC_COUNTER:
        return "counter";
    case METRIC_GAUGE:
        return "gauge";
    case METRIC_HISTOGRAM:
        return "histogram";
    }
    return "";
}

static void page_build(struct buf *out)
{
    buf_append(out, head, sizeof(head) - 1);
    for (int i = 0; i < FAMILY_COUNT; i++) {
        const struct metric_description *family = &metric_descriptions[i];

        buf_printf(out, "| `%s` | %s | %s | %s |\n", family->name, type_name(family->type),
                   family->labels, family->help);
    }
    buf_append(out, foot, sizeof(foot) - 1);
}

static void page_is_that_of_the_table(void **state)
{
    struct buf wanted = {0};

    (void)state;
    page_build(&wanted);
    document_check(path, buf_slice(&wanted), "test_metrics_page");
    buf_free(&wanted);
}

/* Prometheus' naming rules: base units, _total on counters and nowhere else. */
static void names_follow_the_rules(void **state)
{
    (void)state;
    for (int i = 0; i < FAMILY_COUNT; i++) {
        const struct metric_description *family = &metric_descriptions[i];
        size_t len = strlen(family->name);
        bool is_total = len > 6 && strcmp(family->name + len - 6, "_total") == 0;

        assert_int_equal(strncmp(family->name, "freshet_", 8), 0);
        assert_int_equal(strspn(family->name, "abcdefghijklmnopqrstuvwxyz_"), len);
        assert_int_equal(is_total, family->type == METRIC_COUNTER);
        assert_null(strstr(family->name, "_ms"));
        assert_null(strstr(family->name, "_ns"));
        assert_true(strlen(family->help) > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(page_is_that_of_the_table),
        cmocka_unit_test(names_follow_the_rules),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
