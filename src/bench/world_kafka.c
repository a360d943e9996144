#include "bench/world_kafka.h"

#include <errno.h>
#include <unistd.h>

#include "base/clock.h"

#define ANSWER_MS       15000
#define APPEAR_TRIES    100
#define APPEAR_PAUSE_US 100000
#define LEAVE_MS        (4 * WORLD_SESSION_MS)
#define AGAIN_US        500000

int kafka_answers(struct world *world, struct err *err)
{
    const struct rd_kafka_metadata *metadata;
    rd_kafka_resp_err_t answer = rd_kafka_metadata(world->client, 0, NULL, &metadata, ANSWER_MS);

    if (answer)
        return err_set(err, -ETIMEDOUT,
                       "no broker answers at %s: %s; name others with --brokers, or use --embedded",
                       world->kafka.brokers, rd_kafka_err2str(answer));
    rd_kafka_metadata_destroy(metadata);
    return 0;
}

/* --- topics --- */

static rd_kafka_resp_err_t topic_answer(const rd_kafka_topic_result_t **results, size_t count,
                                        char *text, size_t size)
{
    for (size_t i = 0; i < count; i++) {
        rd_kafka_resp_err_t answer = rd_kafka_topic_result_error(results[i]);
        const char *said = rd_kafka_topic_result_error_string(results[i]);

        if (answer) {
            snprintf(text, size, "%s", said ? said : rd_kafka_err2str(answer));
            return answer;
        }
    }
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* The broker's word on what was asked, with its text. */
static rd_kafka_resp_err_t answer_await(rd_kafka_queue_t *queue, char *text, size_t size)
{
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, ANSWER_MS);
    const rd_kafka_CreateTopics_result_t *created;
    const rd_kafka_DeleteTopics_result_t *deleted;
    rd_kafka_resp_err_t answer;
    size_t count = 0;

    if (!event) {
        snprintf(text, size, "no answer");
        return RD_KAFKA_RESP_ERR__TIMED_OUT;
    }
    answer = rd_kafka_event_error(event);
    snprintf(text, size, "%s", rd_kafka_err2str(answer));
    created = rd_kafka_event_CreateTopics_result(event);
    deleted = rd_kafka_event_DeleteTopics_result(event);
    if (!answer && created) {
        const rd_kafka_topic_result_t **results = rd_kafka_CreateTopics_result_topics(created,
                                                                                      &count);

        answer = topic_answer(results, count, text, size);
    } else if (!answer && deleted) {
        const rd_kafka_topic_result_t **results = rd_kafka_DeleteTopics_result_topics(deleted,
                                                                                      &count);

        answer = topic_answer(results, count, text, size);
    }
    rd_kafka_event_destroy(event);
    return answer;
}

static int topic_appears(struct world *world, const char *name, struct err *err)
{
    for (int i = 0; i < APPEAR_TRIES; i++) {
        int count = 0;
        int error = kafka_topic_partitions(world->client, name, &count, err);

        if (error || count > 0)
            return error;
        usleep(APPEAR_PAUSE_US);
    }
    return err_set(err, -EIO, "topic %s was created but does not appear", name);
}

int topic_make(struct world *world, const char *name, uint32_t partitions, bool append_time,
               struct err *err)
{
    char text[512] = "";
    rd_kafka_NewTopic_t *wanted = rd_kafka_NewTopic_new(name, (int)partitions, -1, text,
                                                        sizeof(text));
    rd_kafka_queue_t *queue;
    rd_kafka_resp_err_t answer;

    if (!wanted)
        return err_set(err, -EINVAL, "topic %s: %s", name, text);
    /* Event times may be old: nothing is to go before it has been read. */
    rd_kafka_NewTopic_set_config(wanted, "retention.ms", "-1");
    rd_kafka_NewTopic_set_config(wanted, "cleanup.policy", "delete");
    rd_kafka_NewTopic_set_config(wanted, "message.timestamp.type",
                                 append_time ? "LogAppendTime" : "CreateTime");
    queue = rd_kafka_queue_new(world->client);
    rd_kafka_CreateTopics(world->client, &wanted, 1, NULL, queue);
    answer = answer_await(queue, text, sizeof(text));
    rd_kafka_queue_destroy(queue);
    rd_kafka_NewTopic_destroy(wanted);
    if (answer)
        return err_set(err, -EIO, "topic %s: the broker does not create it: %s", name, text);
    return topic_appears(world, name, err);
}

int mock_topic_make(struct world *world, const char *name, uint32_t partitions, struct err *err)
{
    rd_kafka_resp_err_t answer = rd_kafka_mock_topic_create(world->parts.cluster, name,
                                                            (int)partitions, 1);

    if (answer)
        return err_set(err, -EIO, "topic %s: %s", name, rd_kafka_err2str(answer));
    return 0;
}

void topics_remove(struct world *world)
{
    for (uint32_t i = 0; i < world->topics.count; i++) {
        const char *name = world->topics.names[i];
        rd_kafka_DeleteTopic_t *topic = rd_kafka_DeleteTopic_new(name);
        rd_kafka_queue_t *queue = rd_kafka_queue_new(world->client);
        char text[512] = "";
        rd_kafka_resp_err_t answer;

        rd_kafka_DeleteTopics(world->client, &topic, 1, NULL, queue);
        answer = answer_await(queue, text, sizeof(text));
        if (answer && answer != RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
            fprintf(stderr, "freshet: topic %s is left behind: %s\n", name, text);
        rd_kafka_queue_destroy(queue);
        rd_kafka_DeleteTopic_destroy(topic);
    }
}

/* --- groups --- */

static rd_kafka_resp_err_t group_remove(rd_kafka_t *client, const char *name)
{
    rd_kafka_DeleteGroup_t *group = rd_kafka_DeleteGroup_new(name);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(client);
    const rd_kafka_group_result_t **results;
    rd_kafka_resp_err_t answer = RD_KAFKA_RESP_ERR__TIMED_OUT;
    rd_kafka_event_t *event;
    size_t count = 0;

    rd_kafka_DeleteGroups(client, &group, 1, NULL, queue);
    event = rd_kafka_queue_poll(queue, ANSWER_MS);
    if (event) {
        answer = rd_kafka_event_error(event);
        results = rd_kafka_DeleteGroups_result_groups(rd_kafka_event_DeleteGroups_result(event),
                                                      &count);
        if (!answer && count == 1 && rd_kafka_group_result_error(results[0]))
            answer = rd_kafka_error_code(rd_kafka_group_result_error(results[0]));
        rd_kafka_event_destroy(event);
    }
    rd_kafka_queue_destroy(queue);
    rd_kafka_DeleteGroup_destroy(group);
    return answer;
}

/* A static member is one until its session is over, though its process has ended. */
void groups_remove(struct world *world)
{
    int64_t last_ns = clock_monotonic_ns() + LEAVE_MS * NS_PER_MS;

    for (uint32_t i = 0; i < world->groups.count; i++) {
        const char *name = world->groups.names[i];
        rd_kafka_resp_err_t answer = group_remove(world->client, name);

        while (answer == RD_KAFKA_RESP_ERR_NON_EMPTY_GROUP && clock_monotonic_ns() < last_ns) {
            usleep(AGAIN_US);
            answer = group_remove(world->client, name);
        }
        if (answer && answer != RD_KAFKA_RESP_ERR_GROUP_ID_NOT_FOUND)
            fprintf(stderr, "freshet: consumer group %s is left behind: %s\n", name,
                    rd_kafka_err2str(answer));
    }
}
