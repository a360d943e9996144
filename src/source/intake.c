/* A shard's queue of records that librdkafka has fetched. */

#include <librdkafka/rdkafka.h>

#include "source/consumer.h"

#define BATCH_MAX 1024

static const uint64_t wake_value = 1;

struct intake {
    struct consumer *consumer;
    rd_kafka_queue_t *queue;
    rd_kafka_message_t *messages[BATCH_MAX];
    const rd_kafka_topic_t *topic; /* of the last record, and */
    uint32_t source;               /* its source: records come in runs */
};

struct rd_kafka_queue_s *intake_queue(struct intake *intake)
{
    return intake->queue;
}

struct intake *intake_create(struct consumer *consumer, int wake_fd)
{
    struct intake *intake = calloc(1, sizeof(*intake));

    CHECK(intake);
    intake->consumer = consumer;
    intake->queue = rd_kafka_queue_new(consumer_client(consumer));
    rd_kafka_queue_io_event_enable(intake->queue, wake_fd, &wake_value, sizeof(wake_value));
    return intake;
}

void intake_free(struct intake *intake)
{
    if (!intake)
        return;
    rd_kafka_queue_io_event_enable(intake->queue, -1, NULL, 0);
    rd_kafka_queue_destroy(intake->queue);
    free(intake);
}

static struct slice bytes_of(const void *data, size_t len)
{
    return (struct slice){data, data ? len : 0};
}

static void fetched_fill(struct intake *intake, rd_kafka_message_t *message, struct fetched *out)
{
    rd_kafka_timestamp_type_t type;

    if (message->rkt && message->rkt != intake->topic) {
        intake->topic = message->rkt;
        intake->source = consumer_source_of(intake->consumer, rd_kafka_topic_name(message->rkt));
    }
    *out = (struct fetched){
        .source = intake->source,
        .record = {.partition = message->partition, .offset = message->offset},
        .message = message,
    };
    if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        out->kind = FETCHED_END;
    } else if (message->err) {
        out->kind = message->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET ? FETCHED_LOST
                                                                         : FETCHED_ERROR;
        out->text = rd_kafka_message_errstr(message);
    } else {
        out->record.timestamp_ms = rd_kafka_message_timestamp(message, &type);
        if (type == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE || out->record.timestamp_ms < 0)
            out->record.timestamp_ms = -1;
        out->record.key = bytes_of(message->key, message->key_len);
        out->record.value = bytes_of(message->payload, message->len);
    }
}

size_t intake_poll(struct intake *intake, struct fetched *out, size_t max)
{
    ssize_t count = rd_kafka_consume_batch_queue(intake->queue, 0, intake->messages,
                                                 MIN(max, (size_t)BATCH_MAX));

    for (ssize_t i = 0; i < count; i++)
        fetched_fill(intake, intake->messages[i], &out[i]);
    return count > 0 ? (size_t)count : 0;
}

void intake_release(struct fetched *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        rd_kafka_message_destroy(list[i].message);
}
