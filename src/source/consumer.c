#include "source/consumer.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <strings.h>
#include <unistd.h>

#include "base/hash.h"
#include "kafka/client.h"

#define CLUSTER_ID_TIMEOUT_MS 5000
#define OFFSETS_TIMEOUT_MS    30000

static const uint64_t wake_value = 1;

struct consumer {
    const struct plan *plan;
    struct consumer_hooks hooks;
    rd_kafka_t *client;
    rd_kafka_queue_t *queue;   /* of group events */
    rd_kafka_queue_t *commits; /* of answers to commits */
    int *partition_counts;     /* by source */
    char *cluster_id;          /* librdkafka's, or NULL */
    int64_t session_timeout_ms;
    char instance_id[128];
    _Atomic bool is_joining; /* on_log's; as long as it says nothing, false */
    bool is_native;          /* reads no records */
    bool is_closing;         /* there is nobody any more who takes partitions */
    bool has_answer;         /* to the last commit */
    enum commit_answer answer;
    char answer_text[256];
};

/* The same process, started again, takes its old place at once: the default names the host and the
 * state, so two engines that share neither don't push each other out. */
static void instance_id_make(struct consumer *consumer)
{
    char host[256] = "";
    struct buf name = {0};

    gethostname(host, sizeof(host) - 1);
    buf_printf(&name, "%s:%s", host, consumer->plan->state.dir);
    snprintf(consumer->instance_id, sizeof(consumer->instance_id), "freshet-%016llx",
             (unsigned long long)hash64(buf_slice(&name)));
    buf_free(&name);
}

static void on_error(rd_kafka_t *client, int code, const char *reason, void *context)
{
    struct consumer *consumer = context;
    char text[512];

    if (code != RD_KAFKA_RESP_ERR__FATAL) {
        consumer->hooks.notice(consumer->hooks.context, reason);
        return;
    }
    rd_kafka_fatal_error(client, text, sizeof(text));
    consumer->hooks.fatal(consumer->hooks.context, text);
}

static void on_rebalance(rd_kafka_t *client, rd_kafka_resp_err_t what,
                         rd_kafka_topic_partition_list_t *partitions, void *context);

/* In these the member has the generation that the group has, as far as can be known here: it is at
 * peace, or a rebalance waits for what on_rebalance does. */
static bool is_joined(const char *state)
{
    return strncmp(state, "steady ", 7) == 0 || strncmp(state, "wait-assign-call ", 17) == 0 ||
           strncmp(state, "wait-unassign-call ", 19) == 0;
}

/* Troubles come by on_error; of the rest of librdkafka's log only this is of use: whether the group
 * is being joined is not to be learnt in another way. */
static void on_log(const rd_kafka_t *client, int level, const char *facility, const char *text)
{
    struct consumer *consumer = rd_kafka_opaque(client);
    const char *arrow = strcmp(facility, "CGRPJOINSTATE") == 0 ? strstr(text, " -> ") : NULL;

    (void)level;
    if (arrow)
        atomic_store(&consumer->is_joining, !is_joined(arrow + 4));
}

static void configure(rd_kafka_conf_t *conf)
{
    rd_kafka_conf_set_error_cb(conf, on_error);
    rd_kafka_conf_set_rebalance_cb(conf, on_rebalance);
    rd_kafka_conf_set_log_cb(conf, on_log);
}

/* What kafka.properties may have set. */
static int settings_look_up(struct consumer *consumer, struct err *err)
{
    const rd_kafka_conf_t *conf = rd_kafka_conf(consumer->client);
    char timeout_ms[32] = "";
    size_t size = sizeof(timeout_ms);

    CHECK(rd_kafka_conf_get(conf, "session.timeout.ms", timeout_ms, &size) == RD_KAFKA_CONF_OK);
    consumer->session_timeout_ms = strtoll(timeout_ms, NULL, 10);
    size = 0;
    CHECK(rd_kafka_conf_get(conf, "group.instance.id", NULL, &size) == RD_KAFKA_CONF_OK);
    if (size > sizeof(consumer->instance_id))
        return err_set(err, -EINVAL, "kafka property group.instance.id: longer than %zu bytes",
                       sizeof(consumer->instance_id) - 1);
    CHECK(rd_kafka_conf_get(conf, "group.instance.id", consumer->instance_id, &size) ==
          RD_KAFKA_CONF_OK);
    return 0;
}

static const char *property_of(const struct plan_kafka *kafka, const char *name)
{
    for (uint32_t i = 0; i < kafka->property_count; i++) {
        if (strcmp(kafka->properties[i].name, name) == 0)
            return kafka->properties[i].value;
    }
    return NULL;
}

/* Who fetches. The shards' own connections are neither encrypted nor authenticated. */
static int fetch_choose(struct consumer *consumer, struct err *err)
{
    const struct plan_kafka *kafka = &consumer->plan->kafka;
    const char *protocol = property_of(kafka, "security.protocol");
    bool is_secured = protocol && strcasecmp(protocol, "plaintext") != 0;

    if (is_secured && kafka->fetch == FETCH_NATIVE)
        return err_set(err, -EINVAL,
                       "kafka: fetch: native can't be had with security.protocol %s yet; leave it "
                       "out, or say librdkafka",
                       protocol);
    consumer->is_native = kafka->fetch == FETCH_NATIVE ||
                          (kafka->fetch == FETCH_AUTO && !is_secured);
    return 0;
}

bool consumer_is_native(const struct consumer *consumer)
{
    return consumer->is_native;
}

static int client_create(struct consumer *consumer, struct err *err)
{
    const struct kafka_setting settings[] = {
        {"client.id", "freshet"},
        {"debug", "cgrp"}, /* for on_log */
        {"group.id", consumer->plan->kafka.group},
        {"group.instance.id", consumer->instance_id},
        {"partition.assignment.strategy", "cooperative-sticky"},
        {"enable.auto.commit", "false"},
        {"enable.auto.offset.store", "false"},
        {"enable.partition.eof", consumer->is_native ? "false" : "true"},
        {"auto.offset.reset", "error"},
        {"socket.nagle.disable", "true"},
        /* A partition that has run dry of records waits until the fetch under way comes back, which
         * may be waiting for others. */
        {"fetch.wait.max.ms", "50"},
        /* Once that much is queued, librdkafka 2.0 pauses for a second: it has to last that long.
         */
        {"queued.min.messages", "1000000"},
        {"queued.max.messages.kbytes", "262144"},
    };
    struct kafka_options options = {
        .settings = settings,
        .setting_count = ARRAY_LEN(settings),
        .configure = configure,
        .context = consumer,
    };
    int error = kafka_client_create(&consumer->plan->kafka, RD_KAFKA_CONSUMER, &options,
                                    &consumer->client, err);

    if (error)
        return error;
    rd_kafka_poll_set_consumer(consumer->client);
    consumer->queue = rd_kafka_queue_get_consumer(consumer->client);
    consumer->commits = rd_kafka_queue_new(consumer->client);
    return settings_look_up(consumer, err);
}

static int topics_look_up(struct consumer *consumer, struct err *err)
{
    for (uint32_t i = 0; i < consumer->plan->source_count; i++) {
        const char *topic = consumer->plan->sources[i].topic;
        int error = kafka_topic_partitions(consumer->client, topic, &consumer->partition_counts[i],
                                           err);

        if (error)
            return error;
        if (consumer->partition_counts[i] == 0)
            return err_set(err, -ENOENT, "topic %s of source %s does not exist", topic,
                           consumer->plan->sources[i].name);
    }
    return 0;
}

int consumer_create(const struct plan *plan, const struct consumer_hooks *hooks,
                    struct consumer **ret, struct err *err)
{
    struct consumer *consumer = calloc(1, sizeof(*consumer));

    CHECK(consumer);
    consumer->plan = plan;
    consumer->hooks = *hooks;
    consumer->partition_counts = calloc(plan->source_count, sizeof(int));
    CHECK(consumer->partition_counts);
    instance_id_make(consumer);

    int error = fetch_choose(consumer, err);
    if (!error)
        error = client_create(consumer, err);
    if (!error)
        error = topics_look_up(consumer, err);
    if (!error)
        consumer->cluster_id = rd_kafka_clusterid(consumer->client, CLUSTER_ID_TIMEOUT_MS);
    if (error) {
        err_prefix(err, "kafka %s", plan->kafka.brokers);
        consumer_free(consumer);
        return error;
    }
    *ret = consumer;
    return 0;
}

/* A member that was away for a while may just have been given partitions, or none, once more. Such
 * an assignment has to be answered before the close: librdkafka 2.0 takes an answer that it gets
 * while closing for none, and waits for ever. Unsubscribed, it brings no further one. */
static void close_group(struct consumer *consumer)
{
    rd_kafka_message_t *message;

    consumer->is_closing = true;
    rd_kafka_unsubscribe(consumer->client);
    while ((message = rd_kafka_consumer_poll(consumer->client, 0)))
        rd_kafka_message_destroy(message);
    rd_kafka_consumer_close(consumer->client);
}

void consumer_free(struct consumer *consumer)
{
    if (!consumer)
        return;
    if (consumer->queue)
        rd_kafka_queue_destroy(consumer->queue);
    if (consumer->commits)
        rd_kafka_queue_destroy(consumer->commits);
    if (consumer->client) {
        close_group(consumer);
        rd_kafka_destroy(consumer->client);
    }
    if (consumer->cluster_id)
        rd_kafka_mem_free(NULL, consumer->cluster_id);
    free(consumer->partition_counts);
    free(consumer);
}

int consumer_partitions(const struct consumer *consumer, uint32_t source)
{
    return consumer->partition_counts[source];
}

struct rd_kafka_s *consumer_client(struct consumer *consumer)
{
    return consumer->client;
}

int consumer_subscribe(struct consumer *consumer, struct err *err)
{
    const struct plan *plan = consumer->plan;
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(
        (int)plan->source_count);
    rd_kafka_resp_err_t answer;

    for (uint32_t i = 0; i < plan->source_count; i++)
        rd_kafka_topic_partition_list_add(topics, plan->sources[i].topic, RD_KAFKA_PARTITION_UA);
    answer = rd_kafka_subscribe(consumer->client, topics);
    rd_kafka_topic_partition_list_destroy(topics);
    if (answer)
        return err_set(err, -EIO, "kafka: cannot subscribe: %s", rd_kafka_err2str(answer));
    return 0;
}

uint32_t consumer_source_of(const struct consumer *consumer, const char *topic)
{
    const struct plan *plan = consumer->plan;

    for (uint32_t i = 0; i < plan->source_count; i++) {
        if (strcmp(plan->sources[i].topic, topic) == 0)
            return i;
    }
    UNREACHABLE(); /* only what was subscribed to comes */
}

static int64_t offset_for_time(struct consumer *consumer, const struct assignment *assignment,
                               int64_t time_ms)
{
    const char *topic = consumer->plan->sources[assignment->source].topic;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    int64_t offset = -1;

    rd_kafka_topic_partition_list_add(list, topic, assignment->partition)->offset = time_ms;
    if (!rd_kafka_offsets_for_times(consumer->client, list, OFFSETS_TIMEOUT_MS) &&
        !list->elems[0].err)
        offset = list->elems[0].offset;
    rd_kafka_topic_partition_list_destroy(list);
    return offset >= 0 ? offset : assignment->end_offset; /* no record is that new */
}

/* Begin, end and start of a partition. False if the broker does not say. */
static bool offsets_look_up(struct consumer *consumer, struct assignment *assignment)
{
    const struct plan_source *source = &consumer->plan->sources[assignment->source];

    if (rd_kafka_query_watermark_offsets(consumer->client, source->topic, assignment->partition,
                                         &assignment->begin_offset, &assignment->end_offset,
                                         OFFSETS_TIMEOUT_MS))
        return false;
    /* A partition that was added later has been missed by nobody: it is read from its beginning. */
    if (source->start == START_EARLIEST ||
        assignment->partition >= consumer->partition_counts[assignment->source])
        assignment->start_offset = assignment->begin_offset;
    else if (source->start == START_LATEST)
        assignment->start_offset = assignment->end_offset;
    else
        assignment->start_offset = offset_for_time(consumer, assignment, source->start_ms);
    return true;
}

/* The metadata are a string only as far as nobody else has committed for the group. */
static char *metadata_of(const rd_kafka_topic_partition_t *committed)
{
    return strndup(committed->metadata ? committed->metadata : "", committed->metadata_size);
}

/* False if the group's coordinator does not say. */
static bool commits_look_up(struct consumer *consumer,
                            const rd_kafka_topic_partition_list_t *partitions,
                            struct assignment *list)
{
    rd_kafka_topic_partition_list_t *committed = rd_kafka_topic_partition_list_copy(partitions);
    bool known = !rd_kafka_committed(consumer->client, committed, OFFSETS_TIMEOUT_MS);

    for (int i = 0; known && i < committed->cnt; i++) {
        const rd_kafka_topic_partition_t *one = &committed->elems[i];

        known = !one->err;
        list[i].committed_offset = one->offset >= 0 ? one->offset : -1;
        list[i].checkpoint = metadata_of(one);
    }
    rd_kafka_topic_partition_list_destroy(committed);
    return known;
}

static void assignments_free(struct assignment *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free((char *)list[i].checkpoint);
    free(list);
}

static struct assignment *assignments_of(struct consumer *consumer,
                                         const rd_kafka_topic_partition_list_t *partitions)
{
    struct assignment *list = calloc((size_t)partitions->cnt + 1, sizeof(*list));

    CHECK(list);
    for (int i = 0; i < partitions->cnt; i++) {
        list[i].source = consumer_source_of(consumer, partitions->elems[i].topic);
        list[i].partition = partitions->elems[i].partition;
        list[i].committed_offset = -1;
    }
    return list;
}

static void forward(struct consumer *consumer, const struct assignment *assignment)
{
    rd_kafka_queue_t *queue = rd_kafka_queue_get_partition(
        consumer->client, consumer->plan->sources[assignment->source].topic, assignment->partition);

    CHECK(queue);
    rd_kafka_queue_forward(queue, intake_queue(assignment->intake));
    rd_kafka_queue_destroy(queue);
}

static void partitions_assign(struct consumer *consumer,
                              rd_kafka_topic_partition_list_t *partitions)
{
    struct assignment *list = assignments_of(consumer, partitions);
    size_t count = (size_t)partitions->cnt;
    bool known = commits_look_up(consumer, partitions, list);

    for (size_t i = 0; known && i < count; i++)
        known = offsets_look_up(consumer, &list[i]);
    if (!known) {
        consumer->hooks.fatal(
            consumer->hooks.context,
            "the brokers do not say which offsets a partition has, or has committed");
        rd_kafka_incremental_assign(consumer->client, partitions);
        goto done;
    }
    consumer->hooks.assigned(consumer->hooks.context, list, count);
    for (size_t i = 0; i < count; i++) {
        /* Forwarded before fetching begins, so that no record gets into the group's own queue. */
        if (list[i].intake)
            forward(consumer, &list[i]);
        partitions->elems[i].offset = list[i].start_offset;
    }
    rd_kafka_incremental_assign(consumer->client, partitions);
    /* The little that it fetches before this takes effect goes with consumer_poll. */
    if (consumer->is_native)
        rd_kafka_pause_partitions(consumer->client, partitions);
done:
    assignments_free(list, count);
}

static void partitions_revoke(struct consumer *consumer,
                              rd_kafka_topic_partition_list_t *partitions)
{
    struct assignment *list = assignments_of(consumer, partitions);
    bool lost = rd_kafka_assignment_lost(consumer->client);

    consumer->hooks.revoked(consumer->hooks.context, list, (size_t)partitions->cnt, lost);
    rd_kafka_incremental_unassign(consumer->client, partitions);
    assignments_free(list, (size_t)partitions->cnt);
}

static void on_rebalance(rd_kafka_t *client, rd_kafka_resp_err_t what,
                         rd_kafka_topic_partition_list_t *partitions, void *context)
{
    struct consumer *consumer = context;
    bool is_assigned = what == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;

    if (consumer->is_closing && is_assigned)
        rd_kafka_incremental_assign(client, partitions);
    else if (consumer->is_closing)
        rd_kafka_incremental_unassign(client, partitions);
    else if (is_assigned)
        partitions_assign(consumer, partitions);
    else
        partitions_revoke(consumer, partitions);
}

void consumer_poll(struct consumer *consumer, int timeout_ms)
{
    rd_kafka_message_t *message;

    while ((message = rd_kafka_consumer_poll(consumer->client, timeout_ms))) {
        if (message->err == RD_KAFKA_RESP_ERR__FATAL)
            consumer->hooks.fatal(consumer->hooks.context, rd_kafka_message_errstr(message));
        else if (message->err)
            consumer->hooks.notice(consumer->hooks.context, rd_kafka_message_errstr(message));
        rd_kafka_message_destroy(message);
        timeout_ms = 0;
    }
}

void consumer_wake_by(struct consumer *consumer, int wake_fd)
{
    rd_kafka_queue_io_event_enable(consumer->queue, wake_fd, &wake_value, sizeof(wake_value));
    rd_kafka_queue_io_event_enable(consumer->commits, wake_fd, &wake_value, sizeof(wake_value));
}

rd_kafka_topic_partition_list_t *consumer_offsets(struct consumer *consumer,
                                                  const struct position *list, size_t count,
                                                  const char *checkpoint)
{
    rd_kafka_topic_partition_list_t *offsets = rd_kafka_topic_partition_list_new((int)count);

    for (size_t i = 0; i < count; i++) {
        rd_kafka_topic_partition_t *one = rd_kafka_topic_partition_list_add(
            offsets, consumer->plan->sources[list[i].source].topic, list[i].partition);

        one->offset = list[i].offset;
        one->metadata = strdup(checkpoint);
        CHECK(one->metadata);
        one->metadata_size = strlen(checkpoint);
    }
    return offsets;
}

rd_kafka_consumer_group_metadata_t *consumer_member(struct consumer *consumer)
{
    return rd_kafka_consumer_group_metadata(consumer->client);
}

static enum commit_answer answer_of(rd_kafka_resp_err_t answer)
{
    switch (answer) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
        return COMMIT_ACCEPTED;
    case RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID:
    case RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID:
    case RD_KAFKA_RESP_ERR__FATAL:
        return COMMIT_FENCED;
    default:
        return COMMIT_REFUSED;
    }
}

static void answer_set(struct consumer *consumer, rd_kafka_resp_err_t answer)
{
    consumer->has_answer = true;
    consumer->answer = answer_of(answer);
    snprintf(consumer->answer_text, sizeof(consumer->answer_text), "%s", rd_kafka_err2str(answer));
}

static void on_committed(rd_kafka_t *client, rd_kafka_resp_err_t answer,
                         rd_kafka_topic_partition_list_t *offsets, void *context)
{
    (void)client;
    for (int i = 0; !answer && offsets && i < offsets->cnt; i++)
        answer = offsets->elems[i].err;
    answer_set(context, answer);
}

void consumer_commit(struct consumer *consumer, const struct position *list, size_t count,
                     const char *checkpoint)
{
    rd_kafka_topic_partition_list_t *offsets = consumer_offsets(consumer, list, count, checkpoint);
    rd_kafka_resp_err_t answer;

    consumer->has_answer = false;
    answer = rd_kafka_commit_queue(consumer->client, offsets, consumer->commits, on_committed,
                                   consumer);
    if (answer)
        answer_set(consumer, answer);
    rd_kafka_topic_partition_list_destroy(offsets);
}

bool consumer_may_commit(const struct consumer *consumer)
{
    return !atomic_load(&((struct consumer *)consumer)->is_joining);
}

bool consumer_commit_answered(struct consumer *consumer, int timeout_ms,
                              enum commit_answer *ret_answer, const char **ret_text)
{
    if (!consumer->has_answer)
        rd_kafka_queue_poll_callback(consumer->commits, timeout_ms);
    if (!consumer->has_answer)
        return false;
    *ret_answer = consumer->answer;
    *ret_text = consumer->answer_text;
    return true;
}

int consumer_committed(struct consumer *consumer, int timeout_ms,
                       void (*found)(void *context, const char *checkpoint), void *context)
{
    const struct plan *plan = consumer->plan;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(16);
    rd_kafka_resp_err_t answer;

    for (uint32_t i = 0; i < plan->source_count; i++)
        rd_kafka_topic_partition_list_add_range(list, plan->sources[i].topic, 0,
                                                consumer->partition_counts[i] - 1);
    answer = rd_kafka_committed(consumer->client, list, timeout_ms);
    for (int i = 0; !answer && i < list->cnt; i++) {
        char *checkpoint = metadata_of(&list->elems[i]);

        answer = list->elems[i].err;
        if (*checkpoint)
            found(context, checkpoint);
        free(checkpoint);
    }
    rd_kafka_topic_partition_list_destroy(list);
    return answer ? -EIO : 0;
}

int64_t consumer_session_timeout_ms(const struct consumer *consumer)
{
    return consumer->session_timeout_ms;
}

const char *consumer_cluster_id(const struct consumer *consumer)
{
    return consumer->cluster_id ? consumer->cluster_id : "";
}

const char *consumer_instance_id(const struct consumer *consumer)
{
    return consumer->instance_id;
}

int64_t consumer_end_offset(struct consumer *consumer, uint32_t source, int32_t partition)
{
    int64_t low;
    int64_t high;

    if (rd_kafka_get_watermark_offsets(consumer->client, consumer->plan->sources[source].topic,
                                       partition, &low, &high))
        return -1;
    return high >= 0 ? high : -1;
}
