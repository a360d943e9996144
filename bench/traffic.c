/* traffic - fills a topic with the events of one of the example pipelines (cli/traffic.h).
 *
 *   traffic BROKERS SETTING EVENTS [USERS [SPAN_HOURS [SEED [TOPIC]]]]
 *
 * SETTING: user_activity, session_features or fraud. The topic, by default the example's, must
 * exist. Records are keyed by user with the partitioner of Java's clients, their timestamps are the
 * event time at which they are produced. */

#include <inttypes.h>
#include <librdkafka/rdkafka.h>

#include "cli/traffic.h"

#define START_MS INT64_C(1767225600000) /* 2026-01-01 */

static rd_kafka_t *producer_create(const char *brokers)
{
    static const char *const settings[][2] = {
        {"partitioner", "murmur2_random"},
        {"enable.idempotence", "true"}, /* else what is sent again comes behind what is newer */
        {"linger.ms", "20"},
        {"batch.num.messages", "10000"},
        {"queue.buffering.max.messages", "500000"},
    };
    char text[512];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();

    CHECK(rd_kafka_conf_set(conf, "bootstrap.servers", brokers, text, sizeof(text)) ==
          RD_KAFKA_CONF_OK);
    for (size_t i = 0; i < ARRAY_LEN(settings); i++)
        CHECK(rd_kafka_conf_set(conf, settings[i][0], settings[i][1], text, sizeof(text)) ==
              RD_KAFKA_CONF_OK);
    return rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof(text));
}

static void send_one(rd_kafka_t *producer, const char *topic, const struct traffic_event *event)
{
    rd_kafka_resp_err_t answer;

    while ((answer = rd_kafka_producev(
                producer, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                RD_KAFKA_V_KEY(event->key.data, event->key.len),
                RD_KAFKA_V_VALUE((void *)event->value.data, event->value.len),
                RD_KAFKA_V_TIMESTAMP(event->now_ms), RD_KAFKA_V_END)) ==
           RD_KAFKA_RESP_ERR__QUEUE_FULL)
        rd_kafka_poll(producer, 10);
    if (answer) {
        fprintf(stderr, "traffic: %s\n", rd_kafka_err2str(answer));
        exit(1);
    }
}

static uint64_t number(char **argv, int argc, int at, uint64_t fallback)
{
    return at < argc ? strtoull(argv[at], NULL, 10) : fallback;
}

int main(int argc, char **argv)
{
    struct traffic_options options = {.start_ms = START_MS};
    struct traffic traffic;
    struct traffic_event event;
    rd_kafka_t *producer;
    const char *topic;
    uint64_t bytes = 0;

    if (argc < 4 || traffic_setting_parse(argv[2], &options.setting)) {
        fprintf(stderr, "usage: traffic BROKERS user_activity|session_features|fraud EVENTS "
                        "[USERS [SPAN_HOURS [SEED [TOPIC]]]]\n");
        return 2;
    }
    options.events = number(argv, argc, 3, 0);
    options.users = (uint32_t)number(argv, argc, 4, 50000);
    options.span_ms = (int64_t)number(argv, argc, 5, 3) * 3600 * 1000;
    options.seed = number(argv, argc, 6, 1);
    producer = producer_create(argv[1]);
    if (!producer) {
        fprintf(stderr, "traffic: no producer\n");
        return 1;
    }
    topic = argc > 7 ? argv[7] : traffic_topic(options.setting);
    traffic_init(&traffic, &options);
    while (traffic_next(&traffic, &event)) {
        send_one(producer, topic, &event);
        bytes += event.value.len;
        if (traffic.next % 1000 == 0)
            rd_kafka_poll(producer, 0);
    }
    if (rd_kafka_flush(producer, 60000)) {
        fprintf(stderr, "traffic: not all events were acknowledged\n");
        return 1;
    }
    printf("%" PRIu64 " events, %.0f bytes each\n", options.events,
           (double)bytes / (double)options.events);
    traffic_done(&traffic);
    rd_kafka_destroy(producer);
    return 0;
}
