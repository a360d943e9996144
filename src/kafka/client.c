#include "kafka/client.h"

#include <errno.h>
#include <unistd.h>

#define APPEAR_TRIES    100
#define APPEAR_PAUSE_US 100000

/* The pipeline file may not change what freshet's guarantees rest on. */
static const char *const reserved[] = {
    "acks",
    "auto.offset.reset",
    "bootstrap.servers",
    "delivery.timeout.ms",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "enable.idempotence",
    "enable.partition.eof",
    "group.id",
    "isolation.level",
    "message.timeout.ms",
    "metadata.broker.list",
    "request.required.acks",
    "transactional.id",
};

static int set(rd_kafka_conf_t *conf, const char *name, const char *value, struct err *err)
{
    char text[512];

    if (rd_kafka_conf_set(conf, name, value, text, sizeof(text)) != RD_KAFKA_CONF_OK)
        return err_set(err, -EINVAL, "kafka property %s: %s", name, text);
    return 0;
}

static int set_property(rd_kafka_conf_t *conf, const struct plan_property *property,
                        struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(reserved); i++) {
        if (strcmp(property->name, reserved[i]) == 0)
            return err_set(err, -EINVAL,
                           "kafka.properties can't set %s: freshet's guarantees rest on it",
                           property->name);
    }
    return set(conf, property->name, property->value, err);
}

int kafka_client_create(const struct plan_kafka *plan, rd_kafka_type_t type,
                        const struct kafka_options *options, rd_kafka_t **ret, struct err *err)
{
    char text[512];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    int error = set(conf, "bootstrap.servers", plan->brokers, err);

    for (size_t i = 0; !error && i < options->setting_count; i++)
        error = set(conf, options->settings[i].name, options->settings[i].value, err);
    for (uint32_t i = 0; !error && i < plan->property_count; i++)
        error = set_property(conf, &plan->properties[i], err);
    if (error)
        goto fail;

    rd_kafka_conf_set_opaque(conf, options->context);
    if (options->configure)
        options->configure(conf);
    *ret = rd_kafka_new(type, conf, text, sizeof(text));
    if (*ret)
        return 0;
    error = err_set(err, -EINVAL, "kafka: %s", text);
fail:
    rd_kafka_conf_destroy(conf);
    return error;
}

int kafka_topic_partitions(rd_kafka_t *client, const char *topic, int *ret_count, struct err *err)
{
    const struct rd_kafka_metadata *metadata;
    rd_kafka_topic_t *handle = rd_kafka_topic_new(client, topic, NULL);
    rd_kafka_resp_err_t answer;

    if (!handle)
        return err_set(err, -EIO, "topic %s: %s", topic, rd_kafka_err2str(rd_kafka_last_error()));
    answer = rd_kafka_metadata(client, 0, handle, &metadata, KAFKA_START_TIMEOUT_MS);
    rd_kafka_topic_destroy(handle);
    if (answer == RD_KAFKA_RESP_ERR__TIMED_OUT || answer == RD_KAFKA_RESP_ERR__TRANSPORT ||
        answer == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN)
        return err_set(err, -ETIMEDOUT, "no broker answered within %d s",
                       KAFKA_START_TIMEOUT_MS / 1000);
    if (answer)
        return err_set(err, -EIO, "topic %s: %s", topic, rd_kafka_err2str(answer));

    *ret_count = 0;
    if (metadata->topic_cnt == 1) {
        answer = metadata->topics[0].err;
        *ret_count = answer ? 0 : metadata->topics[0].partition_cnt;
    }
    rd_kafka_metadata_destroy(metadata);
    if (answer && answer != RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
        return err_set(err, -EIO, "topic %s: %s", topic, rd_kafka_err2str(answer));
    return 0;
}

/* The broker's word on the creation, from the event that the queue yields. */
static rd_kafka_resp_err_t creation_answer(rd_kafka_queue_t *queue, char *text, size_t text_size)
{
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, KAFKA_START_TIMEOUT_MS);
    rd_kafka_resp_err_t answer;
    size_t count = 0;

    if (!event)
        return RD_KAFKA_RESP_ERR__TIMED_OUT;
    answer = rd_kafka_event_error(event);
    snprintf(text, text_size, "%s", rd_kafka_err2str(answer));

    const rd_kafka_CreateTopics_result_t *result = rd_kafka_event_CreateTopics_result(event);
    if (!answer && result) {
        const rd_kafka_topic_result_t **topics = rd_kafka_CreateTopics_result_topics(result,
                                                                                     &count);

        for (size_t i = 0; i < count && !answer; i++) {
            const char *said = rd_kafka_topic_result_error_string(topics[i]);

            answer = rd_kafka_topic_result_error(topics[i]);
            snprintf(text, text_size, "%s", said ? said : rd_kafka_err2str(answer));
        }
    }
    rd_kafka_event_destroy(event);
    return answer;
}

static int topic_create(rd_kafka_t *client, const char *topic, struct err *err)
{
    char text[512] = "";
    rd_kafka_NewTopic_t *wanted = rd_kafka_NewTopic_new(topic, -1, -1, text, sizeof(text));
    rd_kafka_AdminOptions_t *options;
    rd_kafka_queue_t *queue;
    rd_kafka_resp_err_t answer;

    if (!wanted)
        return err_set(err, -EINVAL, "topic %s: %s", topic, text);
    queue = rd_kafka_queue_new(client);
    options = rd_kafka_AdminOptions_new(client, RD_KAFKA_ADMIN_OP_CREATETOPICS);
    rd_kafka_CreateTopics(client, &wanted, 1, options, queue);
    answer = creation_answer(queue, text, sizeof(text));
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_queue_destroy(queue);
    rd_kafka_NewTopic_destroy(wanted);
    if (answer && answer != RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
        return err_set(err, -EIO, "topic %s is missing and the broker does not create it: %s",
                       topic, text);
    return 0;
}

int kafka_topic_ensure(rd_kafka_t *client, const char *topic, struct err *err)
{
    int count;
    int error = kafka_topic_partitions(client, topic, &count, err);

    if (error || count > 0)
        return error;
    error = topic_create(client, topic, err);
    for (int i = 0; !error && i < APPEAR_TRIES; i++) {
        error = kafka_topic_partitions(client, topic, &count, err);
        if (!error && count > 0)
            return 0;
        usleep(APPEAR_PAUSE_US);
    }
    return error ? error : err_set(err, -EIO, "topic %s was created but does not appear", topic);
}
