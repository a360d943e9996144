/* From a right file to the plan: defaults, every setting, fields and keys. */
#include "plan_test.h"

static void defaults(void **state)
{
    struct plan *plan = plan_of(BASE_FILE);
    const struct plan_source *source = &plan->sources[0];
    const struct plan_view *view = &plan->views[0];

    (void)state;
    assert_string_equal(plan->file, "f.yaml");
    assert_string_equal(plan->pipeline, "p");
    assert_string_equal(plan->kafka.brokers, "localhost:9092");
    assert_string_equal(plan->kafka.group, "p");
    assert_int_equal(plan->kafka.property_count, 0);
    assert_false(plan->redis.present);
    assert_null(plan->file_output);
    assert_null(plan->feature_topic.name);
    assert_string_equal(plan->state.dir, "/var/lib/freshet");
    assert_true(plan->state.ttl_ms == 90000000);
    assert_true(plan->state.memory_bytes == UINT64_C(8589934592));
    assert_true(plan->checkpoint.every_ms == 30000);
    assert_true(plan->checkpoint.timeout_ms == 600000);
    assert_true(plan->checkpoint.min_pause_ms == 5000);
    assert_int_equal(plan->checkpoint.tolerable_failures, 3);
    assert_int_equal(plan->checkpoint.retain, 3);
    assert_int_equal(plan->engine.shards, 0);
    assert_null(plan->engine.cpus);
    assert_int_equal(plan->engine.cpu_count, 0);
    assert_false(plan->engine.busy_poll);
    assert_false(plan->admin.written);
    assert_string_equal(plan->admin.host, "127.0.0.1");
    assert_int_equal(plan->admin.port, 9180);

    assert_int_equal(plan->source_count, 1);
    assert_string_equal(source->name, "s");
    assert_string_equal(source->topic, "t");
    assert_false(source->aligned);
    assert_int_equal(source->start, START_EARLIEST);
    assert_int_equal(source->entity, 0);
    assert_int_equal(source->time_unit, TIME_MS);
    assert_int_equal(source->time_path.count, 1);
    assert_slice_equal(source->time_path.members[0], "ts");
    assert_true(source->out_of_orderness_ms == 0);
    assert_true(source->allowed_lateness_ms == 0);
    assert_true(source->idle_after_ms == 30000);
    assert_true(source->max_future_ms == 60000);
    assert_null(source->late_topic);
    assert_null(source->dead_letter_topic);
    assert_int_equal(source->dedup_field, PLAN_NONE);
    assert_true(source->dedup_within_ms == 0);
    assert_int_equal(source->predicate_count, 0);

    assert_int_equal(plan->view_count, 1);
    assert_string_equal(view->name, "v");
    assert_int_equal(view->number, 0);
    assert_int_equal(view->source, 0);
    assert_int_equal(view->window, WINDOW_SLIDING);
    assert_true(view->size_ms == 3600000);
    assert_true(view->slide_ms == 600000);
    assert_true(view->offset_ms == 0);
    assert_true(view->panes == 6);
    assert_true(view->gap_ms == 0);
    assert_false(view->on_update);
    assert_false(view->skip_unchanged);
    assert_int_equal(view->when_empty, WHEN_EMPTY_ZERO);
    assert_int_equal(view->predicate, PLAN_NONE);
    plan_free(plan);
}

/* The letters at both ends of each range. */
static void names(void **state)
{
    static const char *const right[] = {"azAZ_09.-", "z", "A", "Z", "_"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(right); i++) {
        struct buf line = {0};

        buf_printf(&line, "pipeline: %s", right[i]);
        struct plan *plan = plan_with("pipeline: p", buf_string(&line));
        assert_string_equal(plan->pipeline, right[i]);
        plan_free(plan);
        buf_free(&line);
    }
    struct plan *plan = plan_with("topic: t", "topic: azAZ09._-");
    assert_string_equal(plan->sources[0].topic, "azAZ09._-");
    plan_free(plan);
}

static void redis_defaults(void **state)
{
    struct plan *plan = plan_with("kafka: {}", "kafka: {}\nredis:");

    (void)state;
    assert_true(plan->redis.present);
    assert_int_equal(plan->redis.scheme, REDIS_TCP);
    assert_string_equal(plan->redis.url_text, "redis://localhost:6379");
    assert_string_equal(plan->redis.host, "localhost");
    assert_int_equal(plan->redis.port, 6379);
    assert_null(plan->redis.user);
    assert_null(plan->redis.password);
    assert_int_equal(plan->redis.database, 0);
    assert_string_equal(plan->redis.key, "features:user:{user_id}");
    assert_slice_equal(plan->redis.key_templates[0].before, "features:user:");
    assert_slice_equal(plan->redis.key_templates[0].after, "");
    assert_true(plan->redis.ttl_ms == 90000000);
    assert_int_equal(plan->redis.connections, 2);
    assert_true(plan->redis.linger_ms == 5);
    assert_true(plan->redis.metadata);
    plan_free(plan);
}

static void every_setting(void **state)
{
    static const char text[] =
        "pipeline: user_features\n"
        "kafka:\n"
        "  brokers: 'a:9092,b:9092'\n"
        "  group: my group\n"
        "  properties: {security.protocol: SASL_SSL, fetch.min.bytes: 1, sasl.password: ''}\n"
        "redis:\n"
        "  url: redis://u:secret@cache:7000/4\n"
        "  cluster: false\n"
        "  layout: hash\n"
        "  key: 'x:{item}:y'\n"
        "  ttl: 0\n"
        "  connections: 64\n"
        "  linger: 0s\n"
        "  metadata: false\n"
        "sources:\n"
        "  src-1.a:\n"
        "    topic: Topic_1.x-y\n"
        "    format: json\n"
        "    partitioning: aligned\n"
        "    start: 2026-01-01T00:00:00Z\n"
        "    entity: item\n"
        "    time: {field: when, unit: iso8601}\n"
        "    fields:\n"
        "      item: int64\n"
        "      when: {type: string, path: meta.created.at}\n"
        "    out_of_orderness: 1m\n"
        "    allowed_lateness: 2m\n"
        "    idle_after: 0\n"
        "    max_future: 1h\n"
        "    late_topic: late\n"
        "    dead_letter_topic: dead\n"
        "    dedup: {field: when, within: 1h30m}\n"
        "views:\n"
        "  v:\n"
        "    source: src-1.a\n"
        "    window: {tumbling: 24h, offset: -1h}\n"
        "    emit: on_update\n"
        "    unchanged: skip\n"
        "    when_empty: delete\n"
        "    features: {n: {count: true}}\n"
        "state: {dir: /tmp/x, ttl: 1h, memory: 64MiB}\n"
        "checkpoint: {every: 1s, timeout: 2s, min_pause: 0, tolerable_failures: 0, retain: 1}\n"
        "engine: {shards: 4, cpus: '0-2,7', busy_poll: true}\n"
        "admin: {listen: '[::1]:0'}\n"
        "outputs: {file: {path: rows.ndjson}, kafka: {topic: rows, transactional: false}}\n";
    struct plan *plan = plan_of(text);
    const struct plan_source *source = &plan->sources[0];
    const struct plan_view *view = &plan->views[0];

    (void)state;
    assert_string_equal(plan->kafka.brokers, "a:9092,b:9092");
    assert_string_equal(plan->kafka.group, "my group");
    assert_int_equal(plan->kafka.property_count, 3);
    assert_string_equal(plan->kafka.properties[0].name, "security.protocol");
    assert_string_equal(plan->kafka.properties[0].value, "SASL_SSL");
    assert_string_equal(plan->kafka.properties[1].value, "1");
    assert_string_equal(plan->kafka.properties[2].value, "");
    assert_string_equal(plan->redis.url_text, "redis://u@cache:7000/4");
    assert_string_equal(plan->redis.user, "u");
    assert_string_equal(plan->redis.password, "secret");
    assert_int_equal(plan->redis.database, 4);
    assert_slice_equal(plan->redis.key_templates[0].before, "x:");
    assert_slice_equal(plan->redis.key_templates[0].after, ":y");
    assert_true(plan->redis.ttl_ms == 0);
    assert_int_equal(plan->redis.connections, 64);
    assert_true(plan->redis.linger_ms == 0);
    assert_false(plan->redis.metadata);
    assert_string_equal(source->name, "src-1.a");
    assert_string_equal(source->topic, "Topic_1.x-y");
    assert_true(source->aligned);
    assert_int_equal(source->start, START_TIMESTAMP);
    assert_true(source->start_ms == INT64_C(1767225600000));
    assert_int_equal(source->time_unit, TIME_ISO8601);
    assert_int_equal(source->time_path.count, 3); /* the declared field's path */
    assert_slice_equal(source->time_path.members[0], "meta");
    assert_slice_equal(source->time_path.members[1], "created");
    assert_slice_equal(source->time_path.members[2], "at");
    assert_true(source->out_of_orderness_ms == 60000);
    assert_true(source->allowed_lateness_ms == 120000);
    assert_true(source->idle_after_ms == 0);
    assert_true(source->max_future_ms == 3600000);
    assert_string_equal(source->late_topic, "late");
    assert_string_equal(source->dead_letter_topic, "dead");
    assert_int_equal(source->dedup_field, 1);
    assert_true(source->dedup_within_ms == 5400000);
    assert_int_equal(view->window, WINDOW_TUMBLING);
    assert_true(view->size_ms == 86400000);
    assert_true(view->slide_ms == 86400000);
    assert_true(view->panes == 1);
    assert_true(view->offset_ms == 82800000); /* 23h: the same bounds as -1h */
    assert_true(source->panesets[0].offset_ms == 82800000);
    assert_true(view->on_update);
    assert_true(view->skip_unchanged);
    assert_int_equal(view->when_empty, WHEN_EMPTY_DELETE);
    assert_string_equal(plan->state.dir, "/tmp/x");
    assert_true(plan->state.ttl_ms == 3600000);
    assert_true(plan->state.memory_bytes == 67108864);
    assert_true(plan->checkpoint.every_ms == 1000);
    assert_true(plan->checkpoint.timeout_ms == 2000);
    assert_true(plan->checkpoint.min_pause_ms == 0);
    assert_int_equal(plan->checkpoint.tolerable_failures, 0);
    assert_int_equal(plan->checkpoint.retain, 1);
    assert_int_equal(plan->engine.shards, 4);
    assert_int_equal(plan->engine.cpu_count, 4);
    assert_int_equal(plan->engine.cpus[2], 2);
    assert_int_equal(plan->engine.cpus[3], 7);
    assert_true(plan->engine.busy_poll);
    assert_true(plan->admin.written);
    assert_string_equal(plan->admin.host, "::1");
    assert_int_equal(plan->admin.port, 0);
    assert_string_equal(plan->file_output, "rows.ndjson");
    assert_string_equal(plan->feature_topic.name, "rows");
    assert_false(plan->feature_topic.transactional);
    plan_free(plan);
}

static void starts_and_cpus(void **state)
{
    struct plan *plan = plan_with("topic: t\n", "topic: t\n    start: latest\n");

    (void)state;
    assert_int_equal(plan->sources[0].start, START_LATEST);
    plan_free(plan);
    plan = plan_with("topic: t\n", "topic: t\n    start: 1234\n");
    assert_int_equal(plan->sources[0].start, START_TIMESTAMP);
    assert_true(plan->sources[0].start_ms == 1234);
    plan_free(plan);
    plan = plan_with("kafka: {}", "kafka: {}\nengine: {cpus: [6, 0, 3]}");
    assert_int_equal(plan->engine.cpu_count, 3);
    assert_int_equal(plan->engine.cpus[0], 6); /* in the order of pinning */
    assert_int_equal(plan->engine.cpus[1], 0);
    assert_int_equal(plan->engine.cpus[2], 3);
    plan_free(plan);
    plan = plan_with("kafka: {}", "kafka: {}\nengine: {cpus: 5}");
    assert_int_equal(plan->engine.cpu_count, 1);
    assert_int_equal(plan->engine.cpus[0], 5);
    plan_free(plan);
}

/* An id is a string or an int64; it may be missing, and the bounds of `within` are inclusive. */
static void dedup(void **state)
{
    static const struct {
        const char *written;
        int field;
        int64_t within_ms;
    } cases[] = {
        {"{field: type, within: 1h}", 1, 3600000},
        {"{field: count, within: 1ms}", 3, 1},
        {"{within: 3660d, field: user_id}", 0, PLAN_WINDOW_MAX_MS},
        {"{field: maybe, within: 1d}", 4, 86400000},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf lines = {0};

        buf_printf(&lines,
                   "      maybe: {type: string, optional: true}\n"
                   "      score: double\n"
                   "      ok: bool\n"
                   "      at: timestamp\n"
                   "    dedup: %s\n",
                   cases[i].written);
        struct plan *plan = plan_with("      score: double\n"
                                      "      ok: bool\n"
                                      "      at: timestamp\n",
                                      buf_string(&lines));
        assert_int_equal(plan->sources[0].dedup_field, cases[i].field);
        assert_true(plan->sources[0].dedup_within_ms == cases[i].within_ms);
        plan_free(plan);
        buf_free(&lines);
    }
}

static void fields(void **state)
{
    struct plan *plan = plan_with(
        "      type: string\n",
        "      type: string\n"
        "      page: {path: properties.page, type: string, default: unknown}\n"
        "      flag: {type: string, default: true}\n"
        "      price: {type: decimal(2), default: 1.5, optional: true}\n"
        "      units: {type: int64, default: -3}\n"
        "      ratio: {type: double, default: 0.25}\n"
        "      seen: {type: bool, default: true}\n"
        "      since: {type: timestamp, default: '2026-01-01'}\n"
        "      whole: decimal(0)\n"
        "      fine: decimal(18)\n"
        "      maybe: {type: string, optional: true}\n"
        "      a.b: string\n"
        "      'odd name!': string\n");
    const struct plan_source *source = &plan->sources[0];
    const struct plan_field *field = field_of(source, "page");

    (void)state;
    assert_int_equal(source->field_count, 19);
    assert_int_equal(field->type, FIELD_STRING);
    assert_int_equal(field->path.count, 2);
    assert_slice_equal(field->path.members[0], "properties");
    assert_slice_equal(field->path.members[1], "page");
    assert_false(field->optional);
    assert_true(field->fallback.present);
    assert_slice_equal((struct slice){field->fallback.s, field->fallback.len}, "unknown");
    field = field_of(source, "flag");
    assert_slice_equal((struct slice){field->fallback.s, field->fallback.len}, "true");
    field = field_of(source, "price");
    assert_int_equal(field->type, FIELD_DECIMAL);
    assert_int_equal(field->scale, 2);
    assert_int_equal(field->fallback.i, 150);
    assert_true(field->optional);
    assert_int_equal(field_of(source, "units")->fallback.i, -3);
    assert_true(field_of(source, "ratio")->fallback.d == 0.25);
    assert_int_equal(field_of(source, "seen")->fallback.i, 1);
    assert_true(field_of(source, "since")->fallback.i == INT64_C(1767225600000));
    assert_int_equal(field_of(source, "whole")->scale, 0);
    assert_int_equal(field_of(source, "fine")->scale, 18);
    assert_true(field_of(source, "maybe")->optional);
    assert_false(field_of(source, "maybe")->fallback.present);
    assert_int_equal(field_of(source, "amount")->type, FIELD_DECIMAL);
    assert_int_equal(field_of(source, "ok")->type, FIELD_BOOL);
    assert_int_equal(field_of(source, "at")->type, FIELD_TIMESTAMP);
    /* Without `path` the name is one member, dots and all. */
    assert_int_equal(field_of(source, "a.b")->path.count, 1);
    assert_slice_equal(field_of(source, "a.b")->path.members[0], "a.b");
    assert_slice_equal(field_of(source, "odd name!")->path.members[0], "odd name!");
    plan_free(plan);
}

static void time_takes_a_path_where_no_field_is_declared(void **state)
{
    struct plan *plan = plan_with("{field: ts}", "{field: meta.ts, unit: s}");

    (void)state;
    assert_int_equal(plan->sources[0].time_path.count, 2);
    assert_slice_equal(plan->sources[0].time_path.members[0], "meta");
    assert_slice_equal(plan->sources[0].time_path.members[1], "ts");
    assert_int_equal(plan->sources[0].time_unit, TIME_S);
    plan_free(plan);
}

static void sources_number_their_own_fields_and_views(void **state)
{
    struct plan *plan = plan_of(
        "pipeline: p\n"
        "kafka:\n"
        "redis:\n"
        "sources:\n"
        "  a: {topic: a, entity: id, time: {field: t}, fields: {x: int64, id: string}}\n"
        "  b: {topic: b, entity: item_id, time: {field: t}, fields: {item_id: int64}}\n"
        "views:\n"
        "  v0: {source: b, window: {tumbling: 1h}, features: {n: {count: item_id}}}\n"
        "  v1: {source: a, window: {tumbling: 1h}, features: {n: {max: x}}}\n"
        "  v2: {source: b, window: {tumbling: 1h}, features: {m: {count: item_id}}}\n");

    (void)state;
    assert_int_equal(plan->sources[0].view_count, 1);
    assert_int_equal(plan->sources[0].views[0], 1);
    assert_int_equal(plan->sources[1].view_count, 2);
    assert_int_equal(plan->sources[1].views[0], 0);
    assert_int_equal(plan->sources[1].views[1], 2);
    assert_int_equal(plan->sources[0].entity, 1);
    assert_int_equal(plan->sources[1].paneset_count, 1);
    assert_int_equal(plan->views[1].source, 0);
    assert_slice_equal(plan->redis.key_templates[0].before, "features:id:");
    assert_slice_equal(plan->redis.key_templates[1].before, "features:item:");
    assert_string_equal(plan->redis.key, "features:id:{id}");
    plan_free(plan);
}

static void the_default_key_is_named_after_the_entity(void **state)
{
    static const struct {
        const char *entity;
        const char *before;
    } cases[] = {
        {"user_id", "features:user:"}, {"user", "features:user:"}, {"_id", "features:_id:"},
        {"a_id", "features:a:"},       {"id", "features:id:"},     {"uid", "features:uid:"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf text = {0};

        buf_printf(&text,
                   "pipeline: p\nkafka:\nredis:\nsources:\n"
                   "  s: {topic: t, entity: %s, time: {field: t}, fields: {%s: string}}\n"
                   "views:\n"
                   "  v: {source: s, window: {tumbling: 1h}, features: {n: {count: true}}}\n",
                   cases[i].entity, cases[i].entity);
        struct plan *plan = plan_of(buf_string(&text));
        assert_slice_equal(plan->redis.key_templates[0].before, cases[i].before);
        assert_slice_equal(plan->redis.key_templates[0].after, "");
        plan_free(plan);
        buf_free(&text);
    }
}

static void anchors_share_what_they_stand_for(void **state)
{
    struct plan *plan = plan_with("n: {count: true}", "n: {count: true, where: &c {ok: true}}\n"
                                                      "      m: {sum: amount, where: *c}");

    (void)state;
    assert_int_equal(plan->sources[0].predicate_count, 1);
    assert_int_equal(plan->views[0].features[1].predicate, 0);
    plan_free(plan);
}

static void free_takes_null(void **state)
{
    (void)state;
    plan_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults),
        cmocka_unit_test(names),
        cmocka_unit_test(redis_defaults),
        cmocka_unit_test(every_setting),
        cmocka_unit_test(starts_and_cpus),
        cmocka_unit_test(dedup),
        cmocka_unit_test(fields),
        cmocka_unit_test(time_takes_a_path_where_no_field_is_declared),
        cmocka_unit_test(sources_number_their_own_fields_and_views),
        cmocka_unit_test(the_default_key_is_named_after_the_entity),
        cmocka_unit_test(anchors_share_what_they_stand_for),
        cmocka_unit_test(free_takes_null),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
