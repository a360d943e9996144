/* The files in examples/, and a plan as `freshet check` prints it. */
#include <stdio.h>

#include "plan_test.h"

static char *file_text(const char *name)
{
    struct buf path = {0};
    struct buf text = {0};

    buf_printf(&path, "%s/%s", FRESHET_SOURCE_DIR, name);
    FILE *file = fopen(buf_string(&path), "r");
    assert_non_null(file);
    for (size_t got = 1; got > 0; text.len += got)
        got = fread(buf_reserve(&text, 4096), 1, 4096, file);
    fclose(file);
    buf_free(&path);
    buf_string(&text);
    return text.data;
}

static struct plan *example(const char *name)
{
    char *text = file_text(name);
    struct plan *plan = plan_of(text);

    free(text);
    return plan;
}

static void check_view(const struct plan *plan, uint32_t number, const char *name, int64_t size_ms,
                       int64_t slide_ms, bool on_update, const char *where)
{
    const struct plan_view *view = &plan->views[number];

    assert_string_equal(view->name, name);
    assert_true(view->size_ms == size_ms);
    assert_true(view->slide_ms == slide_ms);
    assert_int_equal(view->on_update, on_update);
    if (where)
        assert_string_equal(plan->sources[view->source].predicates[view->predicate].text, where);
    else
        assert_int_equal(view->predicate, PLAN_NONE);
}

static void check_feature(const struct plan *plan, uint32_t view, uint32_t number, const char *name,
                          enum feature_kind kind, const char *field)
{
    const struct plan_feature *feature = &plan->views[view].features[number];

    assert_string_equal(feature->name, name);
    assert_int_equal(feature->kind, kind);
    if (field)
        assert_string_equal(plan->sources[0].fields[feature->field].name, field);
    else
        assert_int_equal(feature->field, PLAN_NONE);
}

static void example_user_activity(void **state)
{
    struct plan *plan = example("examples/user_activity.yaml");

    (void)state;
    assert_int_equal(plan->view_count, 2);
    assert_true(plan->sources[0].aligned);
    check_view(plan, 0, "user_activity_1h", 3600000, 600000, false, NULL);
    check_view(plan, 1, "user_activity_24h", 86400000, 86400000, false, NULL);
    check_feature(plan, 0, 0, "event_count_1h", FEATURE_COUNT, NULL);
    check_feature(plan, 0, 1, "unique_pages_1h", FEATURE_DISTINCT, "page");
    check_feature(plan, 0, 2, "event_types_1h", FEATURE_HISTOGRAM, "event_type");
    check_feature(plan, 1, 0, "event_count_24h", FEATURE_COUNT, NULL);
    check_feature(plan, 1, 1, "unique_pages_24h", FEATURE_DISTINCT, "page");
    check_feature(plan, 1, 2, "event_types_24h", FEATURE_HISTOGRAM, "event_type");
    plan_free(plan);
}

static void example_session_features(void **state)
{
    struct plan *plan = example("examples/session_features.yaml");

    (void)state;
    assert_int_equal(plan->sources[0].time_unit, TIME_S);
    assert_string_equal(plan->redis.key, "user:{user_id}:session_features");
    assert_true(plan->redis.ttl_ms == 7200000);
    check_view(plan, 0, "session_30m", 1800000, 60000, false, NULL);
    check_feature(plan, 0, 0, "items_clicked_30m", FEATURE_LAST, "item_id");
    check_feature(plan, 0, 1, "item_count_30m", FEATURE_COUNT, NULL);
    check_feature(plan, 0, 2, "distinct_items_30m", FEATURE_DISTINCT, "item_id");
    check_feature(plan, 0, 3, "distinct_categories_30m", FEATURE_DISTINCT, "category");
    check_feature(plan, 0, 4, "top_category_30m", FEATURE_TOP, "category");
    check_feature(plan, 0, 5, "category_counts_30m", FEATURE_HISTOGRAM, "category");
    assert_int_equal(plan->views[0].features[0].n, 20);
    assert_int_equal(plan->views[0].features[4].n, 0); /* one category, no list */
    plan_free(plan);
}

static void example_fraud(void **state)
{
    struct plan *plan = example("examples/fraud.yaml");
    static const char purchase[] = "event_type = \"purchase\"";

    (void)state;
    assert_true(plan->sources[0].out_of_orderness_ms == 60000);
    assert_true(plan->sources[0].allowed_lateness_ms == 60000);
    check_view(plan, 0, "purchases_30m", 1800000, 60000, true, purchase);
    check_view(plan, 1, "spend_1h", 3600000, 60000, false, purchase);
    check_view(plan, 2, "failed_logins_10m", 600000, 60000, true, "event_type = \"login_failed\"");
    check_view(plan, 3, "max_purchase_24h", 86400000, 600000, false, purchase);
    check_feature(plan, 0, 0, "purchase_count_30m", FEATURE_COUNT, NULL);
    check_feature(plan, 0, 1, "purchase_amount_30m", FEATURE_SUM, "amount");
    check_feature(plan, 1, 0, "mean_amount_1h", FEATURE_MEAN, "amount");
    check_feature(plan, 2, 0, "failed_logins_10m", FEATURE_COUNT, NULL);
    check_feature(plan, 3, 0, "max_amount_24h", FEATURE_MAX, "amount");
    check_view(plan, 4, "session", 0, 0, true, NULL);
    check_view(plan, 5, "last_action_24h", 86400000, 3600000, true, NULL);
    check_feature(plan, 4, 0, "distinct_categories_session", FEATURE_DISTINCT, "category");
    check_feature(plan, 5, 0, "since_last_action_ms", FEATURE_SINCE_PREVIOUS, NULL);
    assert_int_equal(plan->views[4].window, WINDOW_SESSION);
    assert_true(plan->views[4].gap_ms == 1800000);
    assert_int_equal(plan->views[0].paneset, plan->views[1].paneset);
    assert_int_equal(plan->sources[0].paneset_count, 5);
    plan_free(plan);
}

static void plan_load_reads_a_file(void **state)
{
    struct plan *plan = NULL;
    struct buf messages = {0};

    (void)state;
    assert_int_equal(plan_load(FRESHET_SOURCE_DIR "/examples/fraud.yaml", &plan, &messages), 0);
    assert_int_equal(messages.len, 0);
    assert_string_equal(plan->file, FRESHET_SOURCE_DIR "/examples/fraud.yaml");
    plan_free(plan);
    buf_free(&messages);
}

static void the_plan_is_printed(void **state)
{
    struct plan *plan = plan_of("pipeline: shop\n"
                                "kafka: {properties: {sasl.username: me, sasl.password: hunter2}}\n"
                                "redis: {url: 'redis://me:hunter2@cache', ttl: 0}\n"
                                "sources:\n"
                                "  orders:\n"
                                "    topic: orders\n"
                                "    entity: user_id\n"
                                "    time: {field: at, unit: s}\n"
                                "    fields:\n"
                                "      user_id: string\n"
                                "      amount: {type: decimal(2), path: order.amount, default: 0}\n"
                                "      shop: {type: string, optional: true}\n"
                                "    late_topic: orders_late\n"
                                "views:\n"
                                "  hour:\n"
                                "    source: orders\n"
                                "    window: {sliding: 1h, every: 1m, offset: 30s}\n"
                                "    emit: on_update\n"
                                "    features:\n"
                                "      orders: {count: true}\n"
                                "      big: {max: amount, where: {amount: {gt: 100}}}\n"
                                "  day:\n"
                                "    source: orders\n"
                                "    window: {sliding: 24h, every: 1m, offset: 30s}\n"
                                "    features: {orders_24h: {count: true}}\n"
                                "  shops:\n"
                                "    source: orders\n"
                                "    window: {tumbling: 24h}\n"
                                "    where: {shop: {exists: true}}\n"
                                "    features: {by_shop: {histogram: shop}}\n"
                                "engine: {shards: 2, cpus: 1-2}\n"
                                "outputs:\n"
                                "  file: {path: rows.ndjson}\n"
                                "  kafka: {topic: order_rows}\n");
    struct buf out = {0};

    (void)state;
    plan_print(plan, &out);
    assert_string_equal(
        buf_string(&out),
        "pipeline shop\n"
        "\n"
        "kafka\n"
        "  brokers       localhost:9092\n"
        "  group         shop\n"
        "  properties    sasl.username, sasl.password\n"
        "\n"
        "redis\n"
        "  url           redis://me@cache\n"
        "  expiry        never\n"
        "  connections   2 per shard, linger 5ms\n"
        "  metadata      <view>.window_end and <view>.computed_at\n"
        "\n"
        "source orders\n"
        "  topic         orders\n"
        "  format        json\n"
        "  partitioning  shuffle: a key's events may be in any partition\n"
        "  start         the earliest record\n"
        "  entity        user_id\n"
        "  redis key     features:user:{user_id}\n"
        "  time          at, s\n"
        "  watermark     a partition's newest event time - 0s, idle after 30s\n"
        "  late events   taken until 0s after a window's end, then to orders_late\n"
        "  dead letters  counted and logged; more than 1m ahead of its Kafka timestamp is one\n"
        "  fields\n"
        "    user_id  string\n"
        "    amount   decimal(2), at order.amount, default 0.00\n"
        "    shop     string, optional\n"
        "  state per key\n"
        "    panes of 1m, offset 30s, shared by hour, day\n"
        "      2 cells, 24 bytes a pane, 1440 panes a window\n"
        "    panes of 24h where exists(shop), of shops\n"
        "      1 cell, 8 bytes a pane, 1 pane a window, and the values of histogram\n"
        "\n"
        "view hour\n"
        "  source        orders\n"
        "  window        sliding 1h every 1m, offset 30s\n"
        "  emit          on_update: after each event\n"
        "  in Redis      unchanged: emit, when_empty: zero\n"
        "  where         every event\n"
        "  features\n"
        "    orders  count of events: int64\n"
        "    big     max amount where amount > 100.00: decimal(2)\n"
        "\n"
        "view day\n"
        "  source        orders\n"
        "  window        sliding 24h every 1m, offset 30s\n"
        "  emit          on_close: when a window ends, again for each late event\n"
        "  in Redis      unchanged: emit, when_empty: zero\n"
        "  where         every event\n"
        "  features\n"
        "    orders_24h  count of events: int64\n"
        "\n"
        "view shops\n"
        "  source        orders\n"
        "  window        tumbling 24h\n"
        "  emit          on_close: when a window ends, again for each late event\n"
        "  in Redis      unchanged: emit, when_empty: zero\n"
        "  where         exists(shop)\n"
        "  features\n"
        "    by_shop  histogram shop, limit 64: string → int64\n"
        "\n"
        "engine\n"
        "  shards        2\n"
        "  cpus          1,2\n"
        "  state         8GiB at most, freed after 25h, in /var/lib/freshet\n"
        "  checkpoint    every 30s, 3 kept\n"
        "  admin         127.0.0.1:9180\n"
        "  rows to       rows.ndjson\n"
        "  rows to       topic order_rows, with each checkpoint, in a transaction\n");
    buf_free(&out);
    plan_free(plan);
}

/* Sessions, lifetimes, deduplication, and features with options: from the time rules to the end of
 * the views. */
static void more_of_a_plan_is_printed(void **state)
{
    struct plan *plan = plan_of(
        "pipeline: shop\n"
        "kafka: {}\n"
        "redis: {ttl: 0}\n"
        "sources:\n"
        "  orders:\n"
        "    topic: orders\n"
        "    entity: user_id\n"
        "    time: {field: at, unit: s}\n"
        "    fields:\n"
        "      user_id: string\n"
        "      order_id: int64\n"
        "      amount: {type: decimal(2), path: order.amount, default: 0}\n"
        "      item: {type: string, optional: true}\n"
        "    late_topic: orders_late\n"
        "    dedup: {field: order_id, within: 90m}\n"
        "views:\n"
        "  recent:\n"
        "    source: orders\n"
        "    window: {sliding: 30m, every: 1m}\n"
        "    features:\n"
        "      items: {last: item, n: 20}\n"
        "      best: {top: item}\n"
        "      three: {top: item, n: 3}\n"
        "      p95: {quantile: amount, q: 0.95}\n"
        "      spread: {stddev: amount, sample: true}\n"
        "      all: {list: amount, limit: 50, where: {amount: {gt: 5}}}\n"
        "      gap: {since_previous: true}\n"
        "  visit:\n"
        "    source: orders\n"
        "    window: {session: 30m}\n"
        "    features: {visit_orders: {count: true}, visit_first: {first: item}}\n"
        "  visit_live:\n"
        "    source: orders\n"
        "    window: {session: 30m}\n"
        "    emit: on_update\n"
        "    features: {live_items: {distinct: item}}\n"
        "  ever:\n"
        "    source: orders\n"
        "    window: lifetime\n"
        "    emit: on_update\n"
        "    where: {item: {exists: true}}\n"
        "    features: {ever_spread: {variance: amount}, ever_first: {first: item, n: 3}}\n");
    struct buf out = {0};

    (void)state;
    plan_print(plan, &out);
    const char *printed = strstr(buf_string(&out), "  late events");
    char *end = strstr(out.data, "\nengine\n");
    assert_non_null(printed);
    assert_non_null(end);
    *end = '\0';
    assert_string_equal(
        printed,
        "  late events   taken until 0s after a window's end, then by lifetime views alone\n"
        "  dedup         by order_id: the same key and id within 1h30m is dropped\n"
        "  dead letters  counted and logged; more than 1m ahead of its Kafka timestamp is one\n"
        "  fields\n"
        "    user_id   string\n"
        "    order_id  int64\n"
        "    amount    decimal(2), at order.amount, default 0.00\n"
        "    item      string, optional\n"
        "  state per key\n"
        "    panes of 1m, of recent\n"
        "      6 cells, 64 bytes a pane, 30 panes a window, and the values of last, list, top, "
        "quantile, since_previous\n"
        "    sessions, gap 30m, shared by visit, visit_live\n"
        "      3 cells, 24 bytes an open session, and the values of distinct, first\n"
        "    lifetime where exists(item), of ever\n"
        "      2 cells, 32 bytes, and the values of first\n"
        "    ids of 1h30m, for all views of orders\n"
        "      48 bytes an id\n"
        "\n"
        "view recent\n"
        "  source        orders\n"
        "  window        sliding 30m every 1m\n"
        "  emit          on_close: when a window ends, again for each late event\n"
        "  in Redis      unchanged: emit, when_empty: zero\n"
        "  where         every event\n"
        "  features\n"
        "    items   last item, n 20: list of string\n"
        "    best    top item: string\n"
        "    three   top item, n 3: list of string\n"
        "    p95     quantile amount, q 0.95: double\n"
        "    spread  stddev amount, sample: double\n"
        "    all     list amount where amount > 5.00, limit 50: list of decimal(2)\n"
        "    gap     since_previous of events: int64\n"
        "\n"
        "view visit\n"
        "  source        orders\n"
        "  window        session, gap 30m\n"
        "  emit          on_close: when a session ends, again for each late event\n"
        "  in Redis      unchanged: emit\n"
        "  where         every event\n"
        "  features\n"
        "    visit_orders  count of events: int64\n"
        "    visit_first   first item: string\n"
        "\n"
        "view visit_live\n"
        "  source        orders\n"
        "  window        session, gap 30m\n"
        "  emit          on_update: after each event\n"
        "  in Redis      unchanged: emit, when_empty: zero\n"
        "  where         every event\n"
        "  features\n"
        "    live_items  distinct item: int64\n"
        "\n"
        "view ever\n"
        "  source        orders\n"
        "  window        lifetime, anew after 25h without an event\n"
        "  emit          on_update: after each event\n"
        "  in Redis      unchanged: emit\n"
        "  where         exists(item)\n"
        "  features\n"
        "    ever_spread  variance amount: double\n"
        "    ever_first   first item, n 3: list of string\n");
    buf_free(&out);
    plan_free(plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(example_user_activity), cmocka_unit_test(example_session_features),
        cmocka_unit_test(example_fraud),         cmocka_unit_test(plan_load_reads_a_file),
        cmocka_unit_test(the_plan_is_printed),   cmocka_unit_test(more_of_a_plan_is_printed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
