#include "sink/feature_topic.h"

#include <errno.h>
#include <pthread.h>
#include <unistd.h>

#include "base/clock.h"
#include "kafka/client.h"
#include "sink/feature_lane.h"

#define TRANSACTION_MS_MIN   (INT64_C(60) * 1000)
#define TRANSACTION_MS_MAX   (INT64_C(15) * 60 * 1000) /* what brokers allow if nobody told them */
#define TRANSACTION_SLACK_MS (INT64_C(60) * 1000)      /* for the commit itself */
#define ABORT_MS             5000
#define OFFSETS_MS           60000 /* at least: the transaction does not survive their delay */
#define RETRY_PAUSE_US       50000
#define ROW_SHOWN_BYTES      120

struct feature_topic {
    const struct plan *plan;
    struct feature_hooks hooks;
    char *transactional_id; /* or NULL */
    rd_kafka_t *client;
    struct feature_gate gate; /* of the lanes */
    struct row_json *formats; /* by view number */
    struct feature_lane *lanes;
    uint32_t lane_count;
    bool has_begun;       /* a transaction is open */
    bool offsets_sent;    /* they are in the open transaction */
    uint64_t rows_before; /* counted when it began */
    _Atomic uint64_t failures;
    _Atomic bool is_broken;
    pthread_mutex_t mutex; /* of what follows: any thread may find out */
    rd_kafka_resp_err_t code;
    char reason[512];
    char trouble[512]; /* as librdkafka logs it */
};

/* The transaction can't be committed: no row gets into it any more. `reason` is NULL if somebody
 * else knows it; the first one counts. */
static void break_with(struct feature_topic *topic, rd_kafka_resp_err_t code, const char *reason)
{
    pthread_mutex_lock(&topic->mutex);
    if (reason && topic->reason[0] == '\0') {
        topic->code = code;
        snprintf(topic->reason, sizeof(topic->reason), "%s", reason);
    }
    pthread_mutex_unlock(&topic->mutex);
    feature_gate_open(&topic->gate, FEATURE_EPOCH_NONE);
    atomic_store_explicit(&topic->is_broken, true, memory_order_release);
}

static void break_by_fatal(struct feature_topic *topic)
{
    char text[512] = "";
    rd_kafka_resp_err_t code = rd_kafka_fatal_error(topic->client, text, sizeof(text));

    break_with(topic, code, code ? text : NULL);
}

static bool is_transactional(const struct feature_topic *topic)
{
    return topic->transactional_id != NULL;
}

/* --- what librdkafka tells --- */

static void refuse(struct feature_topic *topic, rd_kafka_resp_err_t code, struct slice row)
{
    char text[512];
    size_t shown = MIN(row.len, (size_t)ROW_SHOWN_BYTES);

    while (shown > 0 && shown < row.len && ((unsigned char)row.data[shown] & 0xc0) == 0x80)
        shown--;
    snprintf(text, sizeof(text), "a row of %zu bytes for topic %s was refused: %s: %.*s%s", row.len,
             topic->plan->feature_topic.name, rd_kafka_err2str(code), (int)shown, row.data,
             shown < row.len ? "…" : "");
    atomic_fetch_add_explicit(&topic->failures, 1, memory_order_relaxed);
    topic->hooks.notice(topic->hooks.context, text);
    if (is_transactional(topic))
        break_with(topic, code, text);
}

void feature_topic_refused(struct feature_topic *topic, int code, struct slice row)
{
    if (code == RD_KAFKA_RESP_ERR__STATE || code == RD_KAFKA_RESP_ERR__FATAL)
        break_by_fatal(topic);
    else
        refuse(topic, (rd_kafka_resp_err_t)code, row);
}

/* Of records that failed. When a transaction fails, what waited goes with it. */
static void on_delivered(rd_kafka_t *client, const rd_kafka_message_t *message, void *context)
{
    struct feature_topic *topic = context;

    (void)client;
    if (message->err == RD_KAFKA_RESP_ERR__PURGE_QUEUE ||
        message->err == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT)
        break_by_fatal(topic);
    else if (message->err)
        refuse(topic, message->err, (struct slice){message->payload, message->len});
}

static void on_error(rd_kafka_t *client, int code, const char *reason, void *context)
{
    struct feature_topic *topic = context;

    (void)client;
    if (code == RD_KAFKA_RESP_ERR__FATAL)
        break_by_fatal(topic);
    else
        topic->hooks.notice(topic->hooks.context, reason);
}

/* Only here librdkafka says why a transaction has failed, if that was not asked for. */
static void on_log(const rd_kafka_t *client, int level, const char *facility, const char *text)
{
    struct feature_topic *topic = rd_kafka_opaque(client);

    (void)level;
    if (strcmp(facility, "TXNERR") != 0)
        return;
    pthread_mutex_lock(&topic->mutex);
    snprintf(topic->trouble, sizeof(topic->trouble), "%s", text);
    pthread_mutex_unlock(&topic->mutex);
}

/* --- beginning and end --- */

static void configure(rd_kafka_conf_t *conf)
{
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivered);
    rd_kafka_conf_set_error_cb(conf, on_error);
    rd_kafka_conf_set_log_cb(conf, on_log);
}

static int64_t transaction_timeout_ms(const struct plan *plan)
{
    int64_t wanted_ms = plan->checkpoint.every_ms + plan->checkpoint.timeout_ms +
                        TRANSACTION_SLACK_MS;

    return MIN(MAX(wanted_ms, TRANSACTION_MS_MIN), TRANSACTION_MS_MAX);
}

static int client_create(struct feature_topic *topic, struct err *err)
{
    char timeout_ms[32];
    struct kafka_setting settings[16] = {
        {"client.id", "freshet"},
        {"enable.idempotence", "true"},
        {"partitioner", "murmur2_random"}, /* what Java's producers do */
        {"compression.type", "lz4"},
        {"linger.ms", "5"},
        {"queue.buffering.max.messages", "100000"},
        {"queue.buffering.max.kbytes", "65536"},
        {"delivery.report.only.error", "true"},
        {"log.thread.name", "false"},
    };
    struct kafka_options options = {
        .settings = settings,
        .setting_count = 9,
        .configure = configure,
        .context = topic,
    };

    if (is_transactional(topic)) {
        snprintf(timeout_ms, sizeof(timeout_ms), "%lld",
                 (long long)transaction_timeout_ms(topic->plan));
        settings[options.setting_count++] = (struct kafka_setting){"transactional.id",
                                                                   topic->transactional_id};
        settings[options.setting_count++] = (struct kafka_setting){"transaction.timeout.ms",
                                                                   timeout_ms};
        /* Else librdkafka would wait as long as for the transaction. */
        settings[options.setting_count++] = (struct kafka_setting){"socket.timeout.ms", "60000"};
    } else {
        /* As long as it takes: back-pressure bounds it. */
        settings[options.setting_count++] = (struct kafka_setting){"message.timeout.ms", "0"};
    }
    return kafka_client_create(&topic->plan->kafka, RD_KAFKA_PRODUCER, &options, &topic->client,
                               err);
}

static void lanes_create(struct feature_topic *topic, rd_kafka_topic_t *handle)
{
    const struct plan *plan = topic->plan;

    topic->formats = calloc(plan->view_count, sizeof(*topic->formats));
    topic->lanes = aligned_alloc(CACHE_LINE, topic->lane_count * sizeof(*topic->lanes));
    CHECK(topic->formats && topic->lanes);
    for (uint32_t i = 0; i < plan->view_count; i++)
        row_json_init(&topic->formats[i], plan, &plan->views[i]);
    for (uint32_t i = 0; i < topic->lane_count; i++)
        feature_lane_init(&topic->lanes[i], topic, &topic->gate, handle, topic->formats);
}

int feature_topic_create(const struct plan *plan, const struct feature_options *options,
                         struct feature_topic **ret, struct err *err)
{
    struct feature_topic *topic = aligned_alloc(CACHE_LINE, sizeof(*topic));
    rd_kafka_topic_t *handle;
    int error;

    CHECK(topic && plan->feature_topic.name);
    *topic = (struct feature_topic){
        .plan = plan, .hooks = options->hooks, .lane_count = options->lane_count};
    pthread_mutex_init(&topic->mutex, NULL);
    if (plan->feature_topic.transactional) {
        topic->transactional_id = strdup(options->transactional_id);
        CHECK(topic->transactional_id);
    }
    error = client_create(topic, err);
    if (!error) {
        handle = rd_kafka_topic_new(topic->client, plan->feature_topic.name, NULL);
        if (!handle)
            error = err_set(err, -EIO, "topic %s: %s", plan->feature_topic.name,
                            rd_kafka_err2str(rd_kafka_last_error()));
    }
    if (error) {
        topic->lane_count = 0;
        feature_topic_free(topic);
        return error;
    }
    lanes_create(topic, handle);
    *ret = topic;
    return 0;
}

static uint64_t rows_produced(const struct feature_topic *topic)
{
    uint64_t rows = 0;

    for (uint32_t i = 0; i < topic->lane_count; i++)
        rows += counter_get(&topic->lanes[i].stats.rows);
    return rows;
}

void feature_topic_free(struct feature_topic *topic)
{
    if (!topic)
        return;
    /* Readers of committed records wait for the end of what is open. */
    if (topic->has_begun && rows_produced(topic) != topic->rows_before) {
        rd_kafka_error_t *problem = rd_kafka_abort_transaction(topic->client, ABORT_MS);

        if (problem)
            rd_kafka_error_destroy(problem);
    }
    if (topic->lane_count > 0)
        rd_kafka_topic_destroy(topic->lanes[0].handle);
    if (topic->client)
        rd_kafka_destroy(topic->client);
    for (uint32_t i = 0; i < topic->lane_count; i++)
        feature_lane_done(&topic->lanes[i]);
    for (uint32_t i = 0; topic->formats && i < topic->plan->view_count; i++)
        row_json_done(&topic->formats[i]);
    pthread_mutex_destroy(&topic->mutex);
    free(topic->formats);
    free(topic->lanes);
    free(topic->transactional_id);
    free(topic);
}

/* --- the transaction --- */

/* What an error means, as feature_topic_commit returns it. */
static int verdict(struct feature_topic *topic, rd_kafka_resp_err_t code, bool is_fatal,
                   const char *text, struct err *err)
{
    const char *name = topic->plan->feature_topic.name;

    if (!is_transactional(topic))
        return err_set(err, -EIO, "topic %s: %s", name, text);
    switch (code) {
    case RD_KAFKA_RESP_ERR__FENCED:
    case RD_KAFKA_RESP_ERR_PRODUCER_FENCED:
    case RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH:
    case RD_KAFKA_RESP_ERR_INVALID_PRODUCER_ID_MAPPING:
    case RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID:
        return err_set(err, -ESTALE,
                       "topic %s: another process has taken over as %s, or the transaction has "
                       "lasted longer than the %lld s that it may: %s",
                       name, topic->transactional_id,
                       (long long)transaction_timeout_ms(topic->plan) / 1000, text);
    case RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION:
    case RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID:
    case RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS:
        return err_set(err, -ECANCELED,
                       "topic %s: the consumer group has gone on without this process: %s", name,
                       text);
    case RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT:
        return err_set(err, -EIO,
                       "topic %s: the brokers' transaction.max.timeout.ms is less than the %lld ms "
                       "that checkpoint.every and checkpoint.timeout ask for",
                       name, (long long)transaction_timeout_ms(topic->plan));
    default:
        return err_set(err, is_fatal ? -EIO : -ECANCELED, "topic %s: %s", name, text);
    }
}

static int broken_verdict(struct feature_topic *topic, struct err *err)
{
    bool is_fatal = rd_kafka_fatal_error(topic->client, NULL, 0) != RD_KAFKA_RESP_ERR_NO_ERROR;
    const char *text;
    int error;

    pthread_mutex_lock(&topic->mutex);
    text = topic->reason[0]    ? topic->reason
           : topic->trouble[0] ? topic->trouble
                               : "the transaction has failed";
    error = verdict(topic, topic->code, is_fatal, text, err);
    pthread_mutex_unlock(&topic->mutex);
    return error;
}

static bool has_reason(struct feature_topic *topic)
{
    pthread_mutex_lock(&topic->mutex);
    bool has = topic->reason[0] != '\0';
    pthread_mutex_unlock(&topic->mutex);
    return has;
}

static bool is_broken(const struct feature_topic *topic)
{
    return atomic_load_explicit(&((struct feature_topic *)topic)->is_broken, memory_order_acquire);
}

static int left_ms(int64_t until_ns)
{
    return (int)(MAX(until_ns - clock_monotonic_ns(), INT64_C(0)) / NS_PER_MS);
}

/* A step of the transaction, with what it needs. */
struct step {
    rd_kafka_error_t *(*run)(rd_kafka_t *client, const struct step *step, int timeout_ms);
    const rd_kafka_topic_partition_list_t *offsets;
    const rd_kafka_consumer_group_metadata_t *group;
};

/* What is left when a step has failed for good. A row that was refused before says more. */
static int step_verdict(struct feature_topic *topic, const rd_kafka_error_t *problem,
                        struct err *err)
{
    if (rd_kafka_fatal_error(topic->client, NULL, 0))
        break_by_fatal(topic);
    if (has_reason(topic))
        return broken_verdict(topic, err);
    return verdict(topic, rd_kafka_error_code(problem), !rd_kafka_error_txn_requires_abort(problem),
                   rd_kafka_error_string(problem), err);
}

/* Until it succeeds, fails for good, or time is up: -EAGAIN. */
static int attempt(struct feature_topic *topic, const struct step *step, int64_t until_ns,
                   struct err *err)
{
    rd_kafka_error_t *problem;
    bool again = true;
    int error = 0;

    while (again && (problem = step->run(topic->client, step, left_ms(until_ns)))) {
        again = rd_kafka_error_is_retriable(problem) && !rd_kafka_error_txn_requires_abort(problem);
        if (again)
            error = err_set(err, -EAGAIN, "topic %s: %s", topic->plan->feature_topic.name,
                            rd_kafka_error_string(problem));
        else
            error = step_verdict(topic, problem, err);
        rd_kafka_error_destroy(problem);
        if (left_ms(until_ns) == 0)
            return error;
        if (again)
            usleep(RETRY_PAUSE_US);
    }
    return again ? 0 : error;
}

static rd_kafka_error_t *run_init(rd_kafka_t *client, const struct step *step, int timeout_ms)
{
    (void)step;
    return rd_kafka_init_transactions(client, timeout_ms);
}

static rd_kafka_error_t *run_begin(rd_kafka_t *client, const struct step *step, int timeout_ms)
{
    (void)step, (void)timeout_ms;
    return rd_kafka_begin_transaction(client);
}

static rd_kafka_error_t *run_offsets(rd_kafka_t *client, const struct step *step, int timeout_ms)
{
    return rd_kafka_send_offsets_to_transaction(client, step->offsets, step->group, timeout_ms);
}

static rd_kafka_error_t *run_commit(rd_kafka_t *client, const struct step *step, int timeout_ms)
{
    (void)step;
    return rd_kafka_commit_transaction(client, timeout_ms);
}

static int begin(struct feature_topic *topic, uint64_t epoch, int64_t until_ns, struct err *err)
{
    int error = attempt(topic, &(struct step){.run = run_begin}, until_ns, err);

    if (error)
        return error == -EAGAIN ? -EIO : error;
    topic->has_begun = true;
    topic->offsets_sent = false;
    topic->rows_before = rows_produced(topic);
    feature_gate_open(&topic->gate, epoch);
    topic->hooks.wake(topic->hooks.context);
    return 0;
}

int feature_topic_init(struct feature_topic *topic, int timeout_ms, struct err *err)
{
    int64_t until_ns = clock_monotonic_ns() + timeout_ms * NS_PER_MS;
    int error;

    if (!is_transactional(topic)) {
        feature_gate_open(&topic->gate, FEATURE_EPOCH_ALL);
        return 0;
    }
    error = attempt(topic, &(struct step){.run = run_init}, until_ns, err);
    if (!error)
        error = begin(topic, FEATURE_EPOCH_FIRST, until_ns, err);
    return error == -EAGAIN ? -ETIMEDOUT : error;
}

int feature_topic_poll(struct feature_topic *topic, struct err *err)
{
    rd_kafka_poll(topic->client, 0);
    return is_broken(topic) ? broken_verdict(topic, err) : 0;
}

static bool all_marked(const struct feature_topic *topic)
{
    uint64_t open = feature_gate_epoch(&topic->gate);

    for (uint32_t i = 0; i < topic->lane_count; i++) {
        if (atomic_load_explicit(&topic->lanes[i].epoch, memory_order_acquire) <= open)
            return false;
    }
    return true;
}

/* Rows first: while they can't be sent nothing is lost by waiting, but offsets that can't be sent
 * in time end the transaction. */
static int rows_flush(struct feature_topic *topic, int64_t until_ns, struct err *err)
{
    bool is_late = rd_kafka_flush(topic->client, left_ms(until_ns)) != RD_KAFKA_RESP_ERR_NO_ERROR;

    if (is_broken(topic))
        return broken_verdict(topic, err);
    if (is_late)
        return err_set(err, -EAGAIN, "topic %s: the brokers have not acknowledged all rows in time",
                       topic->plan->feature_topic.name);
    return 0;
}

int feature_topic_commit(struct feature_topic *topic,
                         const struct rd_kafka_topic_partition_list_s *offsets,
                         const struct rd_kafka_consumer_group_metadata_s *group, int timeout_ms,
                         struct err *err)
{
    int64_t until_ns = clock_monotonic_ns() + timeout_ms * NS_PER_MS;
    uint64_t epoch = feature_gate_epoch(&topic->gate);
    int error = 0;

    CHECK(is_transactional(topic) && (is_broken(topic) || all_marked(topic)));
    if (!topic->offsets_sent) {
        error = rows_flush(topic, until_ns, err);
        if (!error)
            error = attempt(topic,
                            &(struct step){.run = run_offsets, .offsets = offsets, .group = group},
                            MAX(until_ns, clock_monotonic_ns() + OFFSETS_MS * NS_PER_MS), err);
        topic->offsets_sent = error == 0;
    }
    if (!error)
        error = attempt(topic, &(struct step){.run = run_commit}, until_ns, err);
    if (error)
        return error;
    topic->has_begun = false;
    return begin(topic, epoch + 1, until_ns, err);
}

void feature_topic_join(struct feature_topic *topic)
{
    if (!is_transactional(topic) || is_broken(topic))
        return;
    CHECK(!topic->offsets_sent);
    feature_gate_open(&topic->gate, feature_gate_epoch(&topic->gate) + 1);
    topic->hooks.wake(topic->hooks.context);
}

/* New rows wait meanwhile: else there might be no end to it. */
int feature_topic_flush(struct feature_topic *topic, int timeout_ms)
{
    rd_kafka_resp_err_t answer;

    CHECK(!is_transactional(topic));
    feature_gate_open(&topic->gate, FEATURE_EPOCH_NONE);
    answer = rd_kafka_flush(topic->client, timeout_ms);
    if (is_broken(topic))
        return -EIO;
    feature_gate_open(&topic->gate, FEATURE_EPOCH_ALL);
    topic->hooks.wake(topic->hooks.context);
    return answer ? -ETIMEDOUT : 0;
}

uint64_t feature_topic_failures(const struct feature_topic *topic)
{
    return atomic_load_explicit(&((struct feature_topic *)topic)->failures, memory_order_relaxed);
}

struct rd_kafka_s *feature_topic_client(struct feature_topic *topic)
{
    return topic->client;
}

struct feature_lane *feature_topic_lane(struct feature_topic *topic, uint32_t number)
{
    return &topic->lanes[number];
}
