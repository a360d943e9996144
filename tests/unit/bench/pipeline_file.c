/* The user's pipeline file with other ends: all else means what it meant. */

#include "bench/pipeline_file.h"
#include "../support/plan_text.h"
#include "../support/testing.h"

static const char pipeline[] =
    "# with what YAML allows\n"
    "pipeline: shop\n"
    "kafka:\n"
    "  brokers: prod:9092\n"
    "  properties: &p {session.timeout.ms: 45000, sasl.password: 'pa: \"ss\" # word',\n"
    "               group.instance.id: one}\n"
    "redis: {url: \"redis://:secret@prod:6379\", key: \"f:{user}\", ttl: 2h, linger: 1ms}\n"
    "sources:\n"
    "  events:\n"
    "    topic: events\n"
    "    partitioning: aligned\n"
    "    start: latest\n"
    "    entity: user\n"
    "    time: {field: ts}\n"
    "    fields: &fields\n"
    "      user: string\n"
    "      kind: {type: string, default: \"a, b: {c}\"}\n"
    "    late_topic: late\n"
    "    dead_letter_topic: dead\n"
    "  others: {topic: others, entity: user, time: {field: ts}, fields: *fields}\n"
    "views:\n"
    "  recent:\n"
    "    source: events\n"
    "    window: {sliding: 1h, every: 10m}\n"
    "    where: {any: [{kind: [\"x\", \"y: z\"]}, {not: {kind: \"true\"}}]}\n"
    "    emit: on_update\n"
    "    features: {n: {count: true}, kinds: {distinct: kind}}\n"
    "  other: {source: others, window: {session: 5m}, features: {m: {count: true}}}\n"
    "outputs: {file: {path: /prod/rows.ndjson}, kafka: {topic: rows}}\n"
    "state: {dir: /prod/state, ttl: 30h}\n"
    "engine: {shards: 8, busy_poll: true}\n"
    "admin: {listen: \"0.0.0.0:9180\"}\n";

static const char *const topics[] = {"b-0", "b-1"};

static struct plan *adapted(const struct pipeline_ends *ends)
{
    struct plan *plan = plan_of_text(pipeline);
    struct buf text = {0};
    struct err err = {0};
    struct plan *made;

    if (pipeline_file_adapt(plan, slice_of(pipeline), ends, &text, &err))
        fail_msg("%s", err.text);
    made = plan_of_text(buf_string(&text));
    buf_free(&text);
    plan_free(plan);
    return made;
}

static const char *property(const struct plan *plan, const char *name)
{
    for (uint32_t i = 0; i < plan->kafka.property_count; i++) {
        if (strcmp(plan->kafka.properties[i].name, name) == 0)
            return plan->kafka.properties[i].value;
    }
    return NULL;
}

static void ends_are_the_benchs(void **state)
{
    struct pipeline_ends ends = {
        .brokers = "here:1",
        .group = "bench-1",
        .topics = topics,
        .session_timeout_ms = "6000",
        .redis_url = "redis://:s%40cret@here:2/3",
        .redis_key = "bench:f:{user}",
        .output_file = "/tmp/with \"quotes\": #/rows",
        .state_dir = "/tmp/state",
        .checkpoint_every = "1s",
        .shards = 3,
    };
    struct plan *plan = adapted(&ends);

    (void)state;
    assert_string_equal(plan->kafka.brokers, "here:1");
    assert_string_equal(plan->kafka.group, "bench-1");
    assert_string_equal(property(plan, "session.timeout.ms"), "6000");
    assert_null(property(plan, "group.instance.id"));
    assert_string_equal(plan->redis.host, "here");
    assert_string_equal(plan->redis.password, "s@cret");
    assert_int_equal(plan->redis.database, 3);
    assert_string_equal(plan->redis.key, "bench:f:{user}");
    assert_string_equal(plan->file_output, ends.output_file);
    assert_null(plan->feature_topic.name);
    assert_string_equal(plan->state.dir, "/tmp/state");
    assert_int_equal(plan->checkpoint.every_ms, 1000);
    assert_int_equal(plan->engine.shards, 3);
    assert_int_equal(plan->admin.port, 0);
    assert_string_equal(plan->admin.host, "127.0.0.1");
    for (uint32_t i = 0; i < 2; i++) {
        assert_string_equal(plan->sources[i].topic, topics[i]);
        assert_null(plan->sources[i].late_topic);
        assert_null(plan->sources[i].dead_letter_topic);
        assert_int_equal(plan->sources[i].start, START_EARLIEST);
    }
    plan_free(plan);
}

static void all_else_stays(void **state)
{
    struct pipeline_ends ends = {.brokers = "here:1",
                                 .group = "g",
                                 .topics = topics,
                                 .session_timeout_ms = "6000",
                                 .redis_url = "redis://here:2",
                                 .state_dir = "/tmp/s",
                                 .shards = 1};
    struct plan *before = plan_of_text(pipeline);
    struct plan *after = adapted(&ends);

    (void)state;
    assert_string_equal(after->pipeline, "shop");
    assert_string_equal(property(after, "sasl.password"), "pa: \"ss\" # word");
    assert_int_equal(after->redis.ttl_ms, before->redis.ttl_ms);
    assert_string_equal(after->redis.key, before->redis.key);
    assert_int_equal(after->state.ttl_ms, before->state.ttl_ms);
    assert_int_equal(after->checkpoint.every_ms, before->checkpoint.every_ms);
    assert_true(after->engine.busy_poll);
    assert_int_equal(after->view_count, before->view_count);
    assert_string_equal(after->sources[0].predicates[0].text,
                        before->sources[0].predicates[0].text);
    assert_int_equal(after->sources[0].fields[1].fallback.len,
                     before->sources[0].fields[1].fallback.len);
    assert_true(after->sources[0].aligned);
    assert_false(after->sources[1].aligned);
    assert_int_equal(after->views[1].gap_ms, before->views[1].gap_ms);
    assert_null(after->file_output);
    plan_free(before);
    plan_free(after);
}

static void redis_can_be_left_out(void **state)
{
    struct pipeline_ends ends = {.brokers = "here:1",
                                 .group = "g",
                                 .topics = topics,
                                 .session_timeout_ms = "6000",
                                 .state_dir = "/tmp/s",
                                 .shards = 1};
    struct plan *plan = adapted(&ends);

    (void)state;
    assert_false(plan->redis.present);
    plan_free(plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ends_are_the_benchs),
        cmocka_unit_test(all_else_stays),
        cmocka_unit_test(redis_can_be_left_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
