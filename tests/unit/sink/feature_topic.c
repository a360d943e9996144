/* The feature topic on librdkafka's mock cluster: what reaches the topic, when, and what becomes of
 * it when the brokers refuse, are away, or have another producer. The mock knows no aborted
 * records: what was produced is there. */
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include "../support/json_value.h"
#include "../support/plan_text.h"
#include "base/clock.h"
#include "sink/feature_topic.h"

#define LANES      2
#define KEYS       7
#define PARTITIONS 3
#define PATIENT_MS 20000

/* Of requests, in the protocol. */
enum api {
    API_PRODUCE = 0,
    API_INIT_PRODUCER_ID = 22,
    API_END_TXN = 26,
    API_TXN_OFFSET_COMMIT = 28,
};

static const int16_t apis[] = {API_PRODUCE, API_INIT_PRODUCER_ID, API_END_TXN,
                               API_TXN_OFFSET_COMMIT};

static char name[32];     /* of the topic */
static rd_kafka_t *owner; /* of the mock cluster */
static rd_kafka_mock_cluster_t *cluster;
static struct plan *plan;
static struct feature_topic *topic;
static rd_kafka_topic_partition_list_t *offsets;
static rd_kafka_consumer_group_metadata_t *group;
static _Atomic int wakes;
static _Atomic int notices;
static char notice[1024]; /* the last one */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static void on_notice(void *context, const char *text)
{
    assert_ptr_equal(context, &plan);
    pthread_mutex_lock(&mutex);
    snprintf(notice, sizeof(notice), "%s", text);
    pthread_mutex_unlock(&mutex);
    notices++;
}

static void on_wake(void *context)
{
    assert_ptr_equal(context, &plan);
    wakes++;
}

static int cluster_set_up(void **state)
{
    char text[512];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();

    (void)state;
    rd_kafka_conf_set(conf, "log_level", "0", text, sizeof(text));
    owner = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof(text));
    assert_non_null(owner);
    cluster = rd_kafka_mock_cluster_new(owner, 1);
    assert_non_null(cluster);
    assert_int_equal(rd_kafka_mock_coordinator_set(cluster, "transaction", "g/i", 1), 0);
    assert_int_equal(rd_kafka_mock_coordinator_set(cluster, "group", "g", 1), 0);
    return 0;
}

static int cluster_tear_down(void **state)
{
    (void)state;
    rd_kafka_mock_cluster_destroy(cluster);
    rd_kafka_destroy(owner);
    return 0;
}

/* A topic of its own for each test. */
static int set_up(void **state)
{
    static int number;

    (void)state;
    snprintf(name, sizeof(name), "rows-%d", ++number);
    assert_int_equal(rd_kafka_mock_topic_create(cluster, name, PARTITIONS, 1), 0);
    offsets = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(offsets, "t", 0)->offset = 17;
    group = rd_kafka_consumer_group_metadata_new("g");
    wakes = notices = 0;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    feature_topic_free(topic);
    topic = NULL;
    plan_free(plan);
    plan = NULL;
    rd_kafka_topic_partition_list_destroy(offsets);
    rd_kafka_consumer_group_metadata_destroy(group);
    rd_kafka_mock_broker_set_up(cluster, 1);
    for (size_t i = 0; i < ARRAY_LEN(apis); i++)
        rd_kafka_mock_clear_request_errors(cluster, apis[i]);
    return 0;
}

static int create(bool transactional, const char *properties, struct err *err)
{
    struct buf text = {0};
    struct feature_options options = {
        .lane_count = LANES,
        .transactional_id = "g/i",
        .hooks = {.notice = on_notice, .wake = on_wake, .context = &plan},
    };

    buf_printf(&text,
               "pipeline: p\n"
               "kafka: {brokers: '%s', properties: {client.rack: a%s%s}}\n"
               "sources:\n"
               "  s: {topic: t, entity: user, time: {field: ts}, fields: {user: string}}\n"
               "views:\n"
               "  v: {source: s, window: {tumbling: 1h}, features: {n: {count: true}}}\n"
               "outputs: {kafka: {topic: %s, transactional: %s}}\n",
               rd_kafka_mock_cluster_bootstraps(cluster), properties[0] ? ", " : "", properties,
               name, transactional ? "true" : "false");
    plan = plan_of_text(buf_string(&text));
    buf_free(&text);
    return feature_topic_create(plan, &options, &topic, err);
}

static void begin_with(bool transactional, const char *properties)
{
    struct err err;

    if (create(transactional, properties, &err) || feature_topic_init(topic, PATIENT_MS, &err))
        fail_msg("%s", err.text);
}

static struct feature_lane *lane_of(uint32_t number)
{
    return feature_topic_lane(topic, number);
}

static const struct feature_lane_stats *stats_of(uint32_t number)
{
    return feature_lane_stats(lane_of(number));
}

/* The lane of a row is in its window's start, its number is the revision. Keys are those of a lane
 * alone, so that order means something. */
static bool put_sized(uint32_t lane, uint32_t number, uint32_t value_bytes)
{
    char key[32];
    char *list = malloc(value_bytes + 2);
    struct row_value value = {.type = ROW_STRING};

    assert_non_null(list);
    memset(list, 'x', value_bytes + 2);
    value.text = (struct slice){list, value_bytes};
    snprintf(key, sizeof(key), "key-%u-%u", lane, number % KEYS);
    const struct row row = {.view = &plan->views[0],
                            .key = slice_of(key),
                            .window_start_ms = lane,
                            .revision = number,
                            .values = &value};
    bool more = feature_lane_row(lane_of(lane), &row);
    free(list);
    return more;
}

static bool put(uint32_t lane, uint32_t number)
{
    return put_sized(lane, number, 10);
}

static void mark_all(void)
{
    for (uint32_t i = 0; i < LANES; i++)
        assert_true(feature_lane_mark(lane_of(i)));
}

static void commit(void)
{
    struct err err;
    int error;

    while ((error = feature_topic_commit(topic, offsets, group, PATIENT_MS, &err)) == -EAGAIN)
        continue;
    if (error)
        fail_msg("%s", err.text);
}

/* --- what the topic holds --- */

struct found {
    uint32_t next[LANES][KEYS]; /* number that comes next of a key */
    uint32_t count;
};

static void take(struct found *found, const rd_kafka_message_t *message)
{
    struct json_value *row = json_value_of((struct slice){message->payload, message->len});
    struct slice key = {message->key, message->key_len};
    uint32_t lane = (uint32_t)strtoul(json_member(row, SLICE_LITERAL("window_start"))->raw.data,
                                      NULL, 10);
    uint32_t number = (uint32_t)strtoul(json_member(row, SLICE_LITERAL("revision"))->raw.data, NULL,
                                        10);

    ENSURE_TEXT(json_string(json_member(row, SLICE_LITERAL("view"))), SLICE_LITERAL("v"));
    ENSURE_TEXT(json_string(json_member(row, SLICE_LITERAL("user"))), key);
    ENSURE(lane < LANES);
    ENSURE_INT(number, found->next[lane][number % KEYS]);
    found->next[lane][number % KEYS] += KEYS;
    found->count++;
    json_value_free(row);
}

/* Reads the topic to its ends: each lane's rows 0 to end - 1, each once, those of a key in order.
 */
static void check_topic(const uint32_t *end)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    struct found found = {0};
    char text[512];
    int ended = 0;

    for (uint32_t lane = 0; lane < LANES; lane++) {
        for (uint32_t key = 0; key < KEYS; key++)
            found.next[lane][key] = key;
    }
    rd_kafka_conf_set(conf, "bootstrap.servers", rd_kafka_mock_cluster_bootstraps(cluster), text,
                      sizeof(text));
    rd_kafka_conf_set(conf, "group.id", "reader", text, sizeof(text));
    rd_kafka_conf_set(conf, "enable.partition.eof", "true", text, sizeof(text));
    rd_kafka_conf_set(conf, "isolation.level", "read_uncommitted", text, sizeof(text));
    rd_kafka_conf_set(conf, "log_level", "0", text, sizeof(text));
    rd_kafka_t *consumer = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof(text));
    assert_non_null(consumer);
    rd_kafka_topic_partition_list_t *all = rd_kafka_topic_partition_list_new(PARTITIONS);
    for (int i = 0; i < PARTITIONS; i++)
        rd_kafka_topic_partition_list_add(all, name, i)->offset = 0;
    assert_int_equal(rd_kafka_assign(consumer, all), 0);
    while (ended < PARTITIONS) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(consumer, PATIENT_MS);

        assert_non_null(message);
        if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF)
            ended++;
        else if (!message->err)
            take(&found, message);
        rd_kafka_message_destroy(message);
    }
    rd_kafka_topic_partition_list_destroy(all);
    rd_kafka_consumer_close(consumer);
    rd_kafka_destroy(consumer);
    uint32_t wanted = 0;
    for (uint32_t lane = 0; lane < LANES; lane++) {
        wanted += end[lane];
        for (uint32_t key = 0; key < KEYS; key++)
            ENSURE(found.next[lane][key] >= end[lane] && found.next[lane][key] < end[lane] + KEYS);
    }
    ENSURE_INT(found.count, wanted);
}

/* --- without transactions --- */

static void rows_are_produced_as_they_come(void **state)
{
    struct err err;

    (void)state;
    begin_with(false, "");
    for (uint32_t i = 0; i < 1000; i++)
        assert_true(put(i % LANES, i / LANES));
    for (uint32_t lane = 0; lane < LANES; lane++) {
        assert_true(feature_lane_idle(lane_of(lane)));
        assert_true(feature_lane_deadline_ns(lane_of(lane), 5) == INT64_MAX);
        assert_int_equal(counter_get(&stats_of(lane)->rows), 500);
        assert_true(counter_get(&stats_of(lane)->bytes) > 500 * 50);
    }
    mark_all();
    assert_true(put(0, 500)); /* at once as well */
    assert_true(feature_lane_idle(lane_of(0)));
    assert_int_equal(feature_topic_flush(topic, PATIENT_MS), 0);
    assert_true(wakes > 0);
    check_topic((const uint32_t[]){501, 500});
    assert_int_equal(feature_topic_poll(topic, &err), 0);
    assert_int_equal(feature_topic_failures(topic), 0);
    assert_int_equal(notices, 0);
}

/* The brokers are away: librdkafka's queue fills, then the lane. */
static void a_lane_is_full_when_nothing_goes_out(void **state)
{
    uint32_t number = 0;

    (void)state;
    begin_with(false, "queue.buffering.max.messages: 1000");
    assert_true(put(0, number++)); /* the topic is known */
    assert_int_equal(feature_topic_flush(topic, PATIENT_MS), 0);
    rd_kafka_mock_broker_set_down(cluster, 1);
    while (put_sized(0, number++, 10000))
        assert_true(number < 5000);
    assert_true(feature_lane_full(lane_of(0)));
    assert_false(feature_lane_idle(lane_of(0)));
    assert_false(feature_lane_full(lane_of(1)));
    assert_true(number > 1700 && number < 2000); /* 8 MiB and 1000 records */
    assert_true(gauge_get(&stats_of(0)->pending_bytes) > 8 * 1000 * 1000);
    assert_false(put(0, number++)); /* on its way already: taken all the same */
    assert_false(feature_lane_mark(lane_of(0)));
    assert_true(feature_lane_deadline_ns(lane_of(0), 5) <= 5 + NS_PER_S);
    assert_int_equal(feature_topic_flush(topic, 100), -ETIMEDOUT);
    rd_kafka_mock_broker_set_up(cluster, 1);
    while (!feature_lane_idle(lane_of(0))) {
        struct err err;

        feature_lane_turn(lane_of(0));
        assert_int_equal(feature_topic_poll(topic, &err), 0);
        if (number < 2500 && !feature_lane_full(lane_of(0)))
            put_sized(0, number++, 3000);
        usleep(1000);
    }
    assert_int_equal(gauge_get(&stats_of(0)->pending_bytes), 0);
    assert_true(feature_lane_mark(lane_of(0)));
    assert_int_equal(feature_topic_flush(topic, PATIENT_MS), 0);
    check_topic((const uint32_t[]){number, 0});
}

static void a_row_that_is_too_large_is_counted(void **state)
{
    struct err err;

    (void)state;
    begin_with(false, "message.max.bytes: 2000");
    assert_true(put(0, 0));
    assert_true(put_sized(0, 1, 5000));
    assert_int_equal(notices, 1);
    assert_non_null(strstr(notice, name));
    assert_non_null(strstr(notice, "\"user\":\"key-0-1\""));
    assert_true(strlen(notice) < 400);
    assert_int_equal(feature_topic_failures(topic), 1);
    assert_int_equal(feature_topic_flush(topic, PATIENT_MS), 0);
    assert_int_equal(feature_topic_poll(topic, &err), 0);
    check_topic((const uint32_t[]){1, 0});
}

static void a_row_that_the_broker_refuses_is_counted(void **state)
{
    struct err err;

    (void)state;
    begin_with(false, "");
    rd_kafka_mock_push_request_errors(cluster, API_PRODUCE, 1,
                                      RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
    assert_true(put(0, 0));
    assert_int_equal(feature_topic_flush(topic, PATIENT_MS), 0);
    assert_int_equal(notices, 1);
    assert_non_null(strstr(notice, "\"user\":\"key-0-0\""));
    assert_int_equal(feature_topic_failures(topic), 1);
    assert_int_equal(feature_topic_poll(topic, &err), 0);
}

static void muted_rows_are_dropped(void **state)
{
    (void)state;
    begin_with(false, "");
    feature_lane_mute(lane_of(0), true);
    assert_true(put(0, 5));
    feature_lane_mute(lane_of(0), false);
    assert_true(put(0, 0));
    assert_int_equal(counter_get(&stats_of(0)->rows), 1);
    assert_int_equal(feature_topic_flush(topic, PATIENT_MS), 0);
    check_topic((const uint32_t[]){1, 0});
}

/* --- with transactions --- */

static void rows_behind_a_mark_wait_for_the_commit(void **state)
{
    int wakes_before;

    (void)state;
    begin_with(true, "");
    for (uint32_t i = 0; i < 10; i++)
        assert_true(put(0, i));
    assert_true(feature_lane_idle(lane_of(0)));
    assert_true(feature_lane_mark(lane_of(0)));
    for (uint32_t i = 10; i < 15; i++)
        assert_true(put(0, i));
    assert_true(put(1, 0)); /* its lane is not marked yet */
    assert_int_equal(counter_get(&stats_of(0)->rows), 10);
    assert_int_equal(counter_get(&stats_of(1)->rows), 1);
    assert_false(feature_lane_idle(lane_of(0)));
    assert_false(feature_lane_mark(lane_of(0))); /* one at a time */
    assert_true(feature_lane_deadline_ns(lane_of(0), 5) == INT64_MAX);
    feature_lane_turn(lane_of(0));
    assert_int_equal(counter_get(&stats_of(0)->rows), 10);
    assert_true(feature_lane_mark(lane_of(1)));

    wakes_before = wakes;
    commit();
    assert_true(wakes > wakes_before);
    check_topic((const uint32_t[]){10, 1});
    for (uint32_t i = 15; i < 20; i++)
        assert_true(put(0, i)); /* those that wait go first */
    assert_false(feature_lane_idle(lane_of(0)));
    feature_lane_turn(lane_of(0));
    assert_true(feature_lane_idle(lane_of(0)));
    assert_int_equal(counter_get(&stats_of(0)->rows), 20);
    mark_all();
    commit();
    mark_all(); /* a checkpoint without rows */
    commit();
    check_topic((const uint32_t[]){20, 1});
    assert_int_equal(notices, 0);
}

static void rows_wait_for_the_first_transaction(void **state)
{
    struct err err;

    (void)state;
    if (create(true, "", &err))
        fail_msg("%s", err.text);
    assert_true(put(0, 0));
    assert_int_equal(counter_get(&stats_of(0)->rows), 0);
    assert_int_equal(feature_topic_init(topic, PATIENT_MS, &err), 0);
    feature_lane_turn(lane_of(0));
    mark_all();
    commit();
    check_topic((const uint32_t[]){1, 0});
}

/* A checkpoint that failed: the next one has its rows. */
static void an_epoch_can_join_the_one_before(void **state)
{
    (void)state;
    begin_with(true, "");
    assert_true(put(0, 0));
    mark_all();
    assert_true(put(0, 1));
    int wakes_before = wakes;
    feature_topic_join(topic);
    assert_true(wakes > wakes_before);
    feature_lane_turn(lane_of(0));
    assert_int_equal(counter_get(&stats_of(0)->rows), 2);
    mark_all();
    assert_true(put(0, 2));
    assert_int_equal(counter_get(&stats_of(0)->rows), 2);
    commit();
    check_topic((const uint32_t[]){2, 0});
}

/* A checkpoint that was given up before a shard got to its mark. */
static void an_epoch_can_join_before_all_lanes_were_marked(void **state)
{
    (void)state;
    begin_with(true, "");
    assert_true(put(0, 0));
    assert_true(put(1, 0));
    assert_true(feature_lane_mark(lane_of(0)));
    assert_true(put(0, 1));
    feature_topic_join(topic);
    feature_lane_turn(lane_of(0));
    assert_true(put(1, 1));
    assert_true(feature_lane_mark(lane_of(1)));
    mark_all();
    assert_true(put(0, 2));
    assert_true(put(1, 2));
    commit();
    check_topic((const uint32_t[]){2, 2});
}

static void passing_troubles_are_seen_through(void **state)
{
    (void)state;
    begin_with(true, "");
    assert_true(put(0, 0));
    mark_all();
    rd_kafka_mock_push_request_errors(cluster, API_TXN_OFFSET_COMMIT, 2,
                                      RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS,
                                      RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS);
    rd_kafka_mock_push_request_errors(cluster, API_END_TXN, 2,
                                      RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE,
                                      RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS);
    commit();
    check_topic((const uint32_t[]){1, 0});
}

/* The brokers go before they have the rows, and come back. */
static void a_commit_can_be_gone_on_with(void **state)
{
    struct err err;

    (void)state;
    begin_with(true, "");
    assert_true(put(0, 0));
    mark_all();
    commit();
    rd_kafka_mock_broker_set_down(cluster, 1);
    assert_true(put(0, 1));
    mark_all();
    for (int i = 0; i < 3; i++) {
        assert_int_equal(feature_topic_commit(topic, offsets, group, 100, &err), -EAGAIN);
        assert_non_null(strstr(err.text, name));
    }
    assert_true(put(0, 2)); /* waits */
    rd_kafka_mock_broker_set_up(cluster, 1);
    commit();
    check_topic((const uint32_t[]){2, 0});
}

/* The brokers take their time with the end of the transaction itself. */
static void an_end_can_be_waited_for(void **state)
{
    struct err err;

    (void)state;
    begin_with(true, "");
    for (uint32_t round = 0; round < 2; round++) {
        assert_true(put(0, round));
        mark_all();
        rd_kafka_mock_push_request_errors(cluster, API_END_TXN, 3,
                                          RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS,
                                          RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS,
                                          RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS);
        int error = feature_topic_commit(topic, offsets, group, 300, &err);
        if (error != -EAGAIN)
            fail_msg("%d: %s", error, err.text);
        commit();
    }
    check_topic((const uint32_t[]){2, 0});
}

static void check_end(int error, int wanted, const struct err *err, const char *says)
{
    struct err again;

    if (error != wanted || !strstr(err->text, says))
        fail_msg("%d instead of %d: %s", error, wanted, err->text);
    /* And nothing gets through from then on. */
    uint64_t rows = counter_get(&stats_of(0)->rows);
    put(0, 1000);
    feature_lane_turn(lane_of(0));
    assert_int_equal(counter_get(&stats_of(0)->rows), rows);
    assert_true(feature_topic_commit(topic, offsets, group, 100, &again) != 0);
}

static int try_commit(struct err *err)
{
    int error;

    mark_all();
    while ((error = feature_topic_commit(topic, offsets, group, PATIENT_MS, err)) == -EAGAIN)
        continue;
    return error;
}

static void a_group_that_has_gone_on_ends_it(void **state)
{
    struct err err;

    (void)state;
    begin_with(true, "");
    assert_true(put(0, 0));
    mark_all();
    commit(); /* each transaction has its offsets */
    assert_true(put(0, 1));
    rd_kafka_mock_push_request_errors(cluster, API_TXN_OFFSET_COMMIT, 1,
                                      RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION);
    check_end(try_commit(&err), -ECANCELED, &err, "the consumer group has gone on without");
}

static void a_newer_producer_ends_it(void **state)
{
    struct err err;

    (void)state;
    begin_with(true, "");
    assert_true(put(0, 0));
    rd_kafka_mock_push_request_errors(cluster, API_TXN_OFFSET_COMMIT, 1,
                                      RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH);
    check_end(try_commit(&err), -ESTALE, &err, "another process has taken over as g/i");
}

static void a_newer_member_ends_it(void **state)
{
    struct err err;

    (void)state;
    begin_with(true, "");
    rd_kafka_mock_push_request_errors(cluster, API_TXN_OFFSET_COMMIT, 1,
                                      RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID);
    check_end(try_commit(&err), -ESTALE, &err, "another process has taken over");
}

static void a_fenced_end_ends_it(void **state)
{
    struct err err;

    (void)state;
    begin_with(true, "");
    assert_true(put(0, 0));
    rd_kafka_mock_push_request_errors(cluster, API_END_TXN, 1,
                                      RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH);
    check_end(try_commit(&err), -ESTALE, &err, "another process has taken over as g/i");
}

static void a_topic_that_may_not_be_written_to_ends_it(void **state)
{
    struct err err;

    (void)state;
    begin_with(true, "");
    assert_true(put(0, 0));
    rd_kafka_mock_push_request_errors(cluster, API_PRODUCE, 1,
                                      RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    check_end(try_commit(&err), -ECANCELED, &err, "uthorization failed");
}

/* Exactly once does not go without it: the error names the row. */
static void a_refused_row_ends_the_transaction(void **state)
{
    struct err err;
    int error;

    (void)state;
    begin_with(true, "");
    rd_kafka_mock_push_request_errors(cluster, API_PRODUCE, 1,
                                      RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
    assert_true(put(0, 3));
    while ((error = feature_topic_poll(topic, &err)) == 0)
        usleep(1000);
    assert_int_equal(feature_topic_failures(topic), 1);
    assert_non_null(strstr(notice, "\"user\":\"key-0-3\""));
    check_end(error, -ECANCELED, &err, "\"user\":\"key-0-3\"");
    check_end(feature_topic_commit(topic, offsets, group, PATIENT_MS, &err), -ECANCELED, &err,
              "\"user\":\"key-0-3\"");
}

static void a_row_that_is_too_large_ends_the_transaction(void **state)
{
    struct err err;

    (void)state;
    begin_with(true, "message.max.bytes: 2000");
    assert_true(put(0, 0));
    assert_true(put_sized(0, 1, 5000));
    assert_int_equal(feature_topic_failures(topic), 1);
    check_end(feature_topic_poll(topic, &err), -ECANCELED, &err, "\"user\":\"key-0-1\"");
    check_end(feature_topic_commit(topic, offsets, group, PATIENT_MS, &err), -ECANCELED, &err,
              "\"user\":\"key-0-1\"");
}

/* --- beginnings --- */

static void brokers_that_do_not_answer_are_waited_for(void **state)
{
    struct err err;

    (void)state;
    if (create(true, "", &err))
        fail_msg("%s", err.text);
    rd_kafka_mock_broker_set_down(cluster, 1);
    assert_int_equal(feature_topic_init(topic, 200, &err), -ETIMEDOUT);
    assert_non_null(strstr(err.text, name));
    rd_kafka_mock_broker_set_up(cluster, 1);
    assert_int_equal(feature_topic_init(topic, PATIENT_MS, &err), 0);
    assert_true(put(0, 0));
    mark_all();
    commit();
}

static void a_timeout_that_the_brokers_do_not_allow_is_explained(void **state)
{
    struct err err;

    (void)state;
    if (create(true, "", &err))
        fail_msg("%s", err.text);
    rd_kafka_mock_push_request_errors(cluster, API_INIT_PRODUCER_ID, 1,
                                      RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT);
    assert_int_equal(feature_topic_init(topic, PATIENT_MS, &err), -EIO);
    assert_non_null(strstr(err.text, "transaction.max.timeout.ms"));
    assert_non_null(strstr(err.text, "690000 ms")); /* 30 s, 10 min, and a minute */
}

static void properties_that_guarantees_rest_on_are_refused(void **state)
{
    static const char *const names[] = {
        "transactional.id",    "enable.idempotence",    "acks",           "message.timeout.ms",
        "delivery.timeout.ms", "request.required.acks", "isolation.level"};
    struct err err;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char text[128];

        snprintf(text, sizeof(text), "%s: 1", names[i]);
        assert_int_equal(create(true, text, &err), -EINVAL);
        assert_non_null(strstr(err.text, names[i]));
        assert_null(topic);
        plan_free(plan);
        plan = NULL;
    }
}

static void other_properties_go_through(void **state)
{
    struct err err;

    (void)state;
    begin_with(true, "compression.type: none, linger.ms: 1, transaction.timeout.ms: 70000");
    assert_true(put(0, 0));
    mark_all();
    commit();
    feature_topic_free(topic);
    topic = NULL;
    plan_free(plan);
    plan = NULL;
    assert_int_equal(create(true, "compression.type: best", &err), -EINVAL);
    assert_non_null(strstr(err.text, "compression.type"));
}

/* --- all at once --- */

#define CHECKPOINTS 8
#define ROWS_A_LANE 6000

static _Atomic uint64_t mark_wanted; /* number of the checkpoint */
static _Atomic uint64_t marks_done[LANES];
static _Atomic bool is_ended[LANES];

/* A shard: emits while its lane is not full, marks it when it is told to. */
static void *emit(void *argument)
{
    uint32_t lane = (uint32_t)(uintptr_t)argument;
    uint32_t number = 0;

    while (number < ROWS_A_LANE || marks_done[lane] < CHECKPOINTS) {
        feature_lane_turn(lane_of(lane));
        if (marks_done[lane] < mark_wanted) {
            if (feature_lane_mark(lane_of(lane)))
                marks_done[lane]++;
        } else if (number < ROWS_A_LANE && !feature_lane_full(lane_of(lane))) {
            put(lane, number++);
        } else {
            sched_yield();
        }
    }
    is_ended[lane] = true;
    return NULL;
}

static void lanes_are_filled_while_transactions_are_committed(void **state)
{
    pthread_t threads[LANES];

    (void)state;
    begin_with(true, "");
    mark_wanted = 0;
    for (uintptr_t i = 0; i < LANES; i++) {
        marks_done[i] = 0;
        is_ended[i] = false;
        assert_int_equal(pthread_create(&threads[i], NULL, emit, (void *)i), 0);
    }
    for (int i = 0; i < CHECKPOINTS; i++) {
        struct err err;

        usleep(2000);
        mark_wanted++;
        for (uint32_t lane = 0; lane < LANES; lane++) {
            while (marks_done[lane] < mark_wanted) {
                assert_int_equal(feature_topic_poll(topic, &err), 0);
                usleep(100);
            }
        }
        commit();
    }
    for (int i = 0; i < LANES; i++)
        pthread_join(threads[i], NULL);
    while (!feature_lane_idle(lane_of(0)) || !feature_lane_idle(lane_of(1))) {
        feature_lane_turn(lane_of(0));
        feature_lane_turn(lane_of(1));
    }
    mark_all();
    commit();
    check_topic((const uint32_t[]){ROWS_A_LANE, ROWS_A_LANE});
    assert_int_equal(feature_topic_failures(topic), 0);
}

int main(void)
{
#define TOPIC_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TOPIC_TEST(rows_are_produced_as_they_come),
        TOPIC_TEST(a_lane_is_full_when_nothing_goes_out),
        TOPIC_TEST(a_row_that_is_too_large_is_counted),
        TOPIC_TEST(a_row_that_the_broker_refuses_is_counted),
        TOPIC_TEST(muted_rows_are_dropped),
        TOPIC_TEST(rows_behind_a_mark_wait_for_the_commit),
        TOPIC_TEST(rows_wait_for_the_first_transaction),
        TOPIC_TEST(an_epoch_can_join_the_one_before),
        TOPIC_TEST(an_epoch_can_join_before_all_lanes_were_marked),
        TOPIC_TEST(passing_troubles_are_seen_through),
        TOPIC_TEST(a_commit_can_be_gone_on_with),
        TOPIC_TEST(an_end_can_be_waited_for),
        TOPIC_TEST(a_group_that_has_gone_on_ends_it),
        TOPIC_TEST(a_newer_producer_ends_it),
        TOPIC_TEST(a_newer_member_ends_it),
        TOPIC_TEST(a_fenced_end_ends_it),
        TOPIC_TEST(a_topic_that_may_not_be_written_to_ends_it),
        TOPIC_TEST(a_refused_row_ends_the_transaction),
        TOPIC_TEST(a_row_that_is_too_large_ends_the_transaction),
        TOPIC_TEST(brokers_that_do_not_answer_are_waited_for),
        TOPIC_TEST(a_timeout_that_the_brokers_do_not_allow_is_explained),
        TOPIC_TEST(properties_that_guarantees_rest_on_are_refused),
        TOPIC_TEST(other_properties_go_through),
        TOPIC_TEST(lanes_are_filled_while_transactions_are_committed),
    };

    return cmocka_run_group_tests(tests, cluster_set_up, cluster_tear_down);
}
