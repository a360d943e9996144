#include "source/group_client.h"

#include <errno.h>

#include "kafka/client.h"

#define ANSWER_TIMEOUT_MS 15000

struct group_client {
    const struct plan *plan;
    rd_kafka_t *client;
    int64_t session_timeout_ms;
};

/* What goes wrong comes with the answer. */
static void on_log(const rd_kafka_t *client, int level, const char *facility, const char *text)
{
    (void)client, (void)level, (void)facility, (void)text;
}

static void on_error(rd_kafka_t *client, int code, const char *reason, void *context)
{
    (void)client, (void)code, (void)reason, (void)context;
}

static void configure(rd_kafka_conf_t *conf)
{
    rd_kafka_conf_set_log_cb(conf, on_log);
    rd_kafka_conf_set_error_cb(conf, on_error);
}

/* The plan's properties but for the identity of a member, which this is not. */
static struct plan_property *properties_of(const struct plan_kafka *plan, uint32_t *ret_count)
{
    struct plan_property *properties = calloc(plan->property_count + 1, sizeof(*properties));
    uint32_t count = 0;

    CHECK(properties);
    for (uint32_t i = 0; i < plan->property_count; i++) {
        if (strcmp(plan->properties[i].name, "group.instance.id") != 0)
            properties[count++] = plan->properties[i];
    }
    *ret_count = count;
    return properties;
}

static void session_timeout_look_up(struct group_client *client)
{
    char value[32] = "";
    size_t size = sizeof(value);

    CHECK(rd_kafka_conf_get(rd_kafka_conf(client->client), "session.timeout.ms", value, &size) ==
          RD_KAFKA_CONF_OK);
    client->session_timeout_ms = strtoll(value, NULL, 10);
}

int group_client_open(const struct plan *plan, struct group_client **ret, struct err *err)
{
    const struct kafka_setting settings[] = {
        {"client.id", "freshet"},
        {"group.id", plan->kafka.group},
        {"enable.auto.commit", "false"},
    };
    struct group_client *client = calloc(1, sizeof(*client));
    struct kafka_options options = {
        .settings = settings,
        .setting_count = ARRAY_LEN(settings),
        .configure = configure,
        .context = client,
    };
    struct plan_kafka kafka = plan->kafka;
    struct plan_property *properties = properties_of(&plan->kafka, &kafka.property_count);

    CHECK(client);
    client->plan = plan;
    kafka.properties = properties;
    int error = kafka_client_create(&kafka, RD_KAFKA_CONSUMER, &options, &client->client, err);
    free(properties);
    if (error) {
        free(client);
        return error;
    }
    session_timeout_look_up(client);
    *ret = client;
    return 0;
}

void group_client_close(struct group_client *client)
{
    if (!client)
        return;
    rd_kafka_destroy(client->client);
    free(client);
}

static int refuse(const struct group_client *client, rd_kafka_resp_err_t answer, const char *what,
                  struct err *err)
{
    switch (answer) {
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
    case RD_KAFKA_RESP_ERR__WAIT_COORD:
        return err_set(err, -ETIMEDOUT, "kafka %s: no broker answered in time",
                       client->plan->kafka.brokers);
    default:
        return err_set(err, -EIO, "kafka %s: %s: %s", client->plan->kafka.brokers, what,
                       rd_kafka_err2str(answer));
    }
}

static rd_kafka_topic_partition_list_t *list_of(const struct group_offset *list, size_t count)
{
    rd_kafka_topic_partition_list_t *made = rd_kafka_topic_partition_list_new((int)count);

    for (size_t i = 0; i < count; i++)
        rd_kafka_topic_partition_list_add(made, list[i].topic, list[i].partition);
    return made;
}

int group_client_committed(struct group_client *client, struct group_offset *list, size_t count,
                           int timeout_ms, struct err *err)
{
    rd_kafka_topic_partition_list_t *found = list_of(list, count);
    rd_kafka_resp_err_t answer = rd_kafka_committed(client->client, found, timeout_ms);

    for (int i = 0; !answer && i < found->cnt; i++) {
        const rd_kafka_topic_partition_t *one = &found->elems[i];

        list[i].offset = !one->err && one->offset >= 0 ? one->offset : -1;
        snprintf(list[i].metadata, sizeof(list[i].metadata), "%.*s", (int)one->metadata_size,
                 one->metadata ? (const char *)one->metadata : "");
    }
    rd_kafka_topic_partition_list_destroy(found);
    return answer ? refuse(client, answer, "committed offsets", err) : 0;
}

static bool has_members(rd_kafka_resp_err_t answer)
{
    return answer == RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID ||
           answer == RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION ||
           answer == RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS;
}

int group_client_commit(struct group_client *client, const struct group_offset *list, size_t count,
                        struct err *err)
{
    rd_kafka_topic_partition_list_t *offsets = list_of(list, count);
    rd_kafka_resp_err_t answer;

    for (size_t i = 0; i < count; i++) {
        rd_kafka_topic_partition_t *one = &offsets->elems[i];

        one->offset = list[i].offset;
        one->metadata = strdup(list[i].metadata);
        CHECK(one->metadata);
        one->metadata_size = strlen(list[i].metadata);
    }
    answer = rd_kafka_commit(client->client, offsets, 0);
    for (int i = 0; !answer && i < offsets->cnt; i++)
        answer = offsets->elems[i].err;
    rd_kafka_topic_partition_list_destroy(offsets);
    if (has_members(answer))
        return err_set(err, -EBUSY, "group %s has members", client->plan->kafka.group);
    return answer ? refuse(client, answer, "the offsets were not committed", err) : 0;
}

int group_client_partitions(struct group_client *client, const char *topic, int *ret_count,
                            struct err *err)
{
    int error = kafka_topic_partitions(client->client, topic, ret_count, err);

    if (error)
        err_prefix(err, "kafka %s", client->plan->kafka.brokers);
    return error;
}

int group_client_ends(struct group_client *client, const char *topic, int32_t partition,
                      int64_t *ret_begin, int64_t *ret_end, struct err *err)
{
    rd_kafka_resp_err_t answer = rd_kafka_query_watermark_offsets(
        client->client, topic, partition, ret_begin, ret_end, ANSWER_TIMEOUT_MS);

    return answer ? refuse(client, answer, topic, err) : 0;
}

int64_t group_client_session_timeout_ms(const struct group_client *client)
{
    return client->session_timeout_ms;
}
