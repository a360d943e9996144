#include "source/cluster.h"

#include <errno.h>
#include <librdkafka/rdkafka.h>
#include <stdatomic.h>

struct cluster *cluster_create(uint32_t broker_count, uint32_t topic_count)
{
    struct cluster *cluster = calloc(1, sizeof(*cluster));

    CHECK(cluster);
    cluster->references = 1;
    cluster->broker_count = broker_count;
    cluster->brokers = calloc(MAX(broker_count, 1u), sizeof(*cluster->brokers));
    cluster->topic_count = topic_count;
    cluster->topics = calloc(MAX(topic_count, 1u), sizeof(*cluster->topics));
    CHECK(cluster->brokers && cluster->topics);
    return cluster;
}

void cluster_set_topic(struct cluster *cluster, uint32_t source, uint32_t partition_count)
{
    struct cluster_topic *topic = &cluster->topics[source];

    topic->partition_count = partition_count;
    topic->leaders = calloc(MAX(partition_count, 1u), sizeof(*topic->leaders));
    CHECK(topic->leaders);
    for (uint32_t i = 0; i < partition_count; i++)
        topic->leaders[i] = CLUSTER_NO_LEADER;
}

struct cluster *cluster_hold(struct cluster *cluster)
{
    atomic_fetch_add(&cluster->references, 1);
    return cluster;
}

void cluster_drop(struct cluster *cluster)
{
    if (!cluster || atomic_fetch_sub(&cluster->references, 1) > 1)
        return;
    for (uint32_t i = 0; i < cluster->topic_count; i++)
        free(cluster->topics[i].leaders);
    free(cluster->topics);
    free(cluster->brokers);
    free(cluster);
}

const struct cluster_broker *cluster_broker(const struct cluster *cluster, int32_t id)
{
    for (uint32_t i = 0; i < cluster->broker_count; i++) {
        if (cluster->brokers[i].id == id)
            return &cluster->brokers[i];
    }
    return NULL;
}

const struct cluster_broker *cluster_leader(const struct cluster *cluster, uint32_t source,
                                            int32_t partition)
{
    const struct cluster_topic *topic = &cluster->topics[source];

    if (partition < 0 || (uint32_t)partition >= topic->partition_count)
        return NULL;
    return cluster_broker(cluster, topic->leaders[partition]);
}

static void take_brokers(struct cluster *cluster, const rd_kafka_metadata_t *metadata)
{
    free(cluster->brokers);
    cluster->broker_count = (uint32_t)metadata->broker_cnt;
    cluster->brokers = calloc(MAX(cluster->broker_count, 1u), sizeof(*cluster->brokers));
    CHECK(cluster->brokers);
    for (int i = 0; i < metadata->broker_cnt; i++) {
        struct cluster_broker *broker = &cluster->brokers[i];

        broker->id = metadata->brokers[i].id;
        broker->port = (uint16_t)metadata->brokers[i].port;
        snprintf(broker->host, sizeof(broker->host), "%s", metadata->brokers[i].host);
    }
}

static void take_leaders(struct cluster *cluster, uint32_t source,
                         const rd_kafka_metadata_topic_t *topic)
{
    cluster_set_topic(cluster, source, (uint32_t)topic->partition_cnt);
    for (int i = 0; i < topic->partition_cnt; i++) {
        const rd_kafka_metadata_partition_t *partition = &topic->partitions[i];

        if (partition->id >= 0 && partition->id < topic->partition_cnt)
            cluster->topics[source].leaders[partition->id] = partition->leader;
    }
}

static int look_up_topic(struct cluster *cluster, rd_kafka_t *client, uint32_t source,
                         const char *name, int timeout_ms, struct err *err)
{
    rd_kafka_topic_t *handle = rd_kafka_topic_new(client, name, NULL);
    const rd_kafka_metadata_t *metadata;
    rd_kafka_resp_err_t answer;

    CHECK(handle);
    answer = rd_kafka_metadata(client, 0, handle, &metadata, timeout_ms);
    rd_kafka_topic_destroy(handle);
    if (answer)
        return err_set(err, -EIO, "topic %s: %s", name, rd_kafka_err2str(answer));
    take_brokers(cluster, metadata);
    if (metadata->topic_cnt == 1)
        take_leaders(cluster, source, &metadata->topics[0]);
    rd_kafka_metadata_destroy(metadata);
    return 0;
}

int cluster_look_up(struct rd_kafka_s *client, const struct plan *plan, int timeout_ms,
                    struct cluster **ret, struct err *err)
{
    struct cluster *cluster = cluster_create(0, plan->source_count);
    int error = 0;

    for (uint32_t i = 0; !error && i < plan->source_count; i++)
        error = look_up_topic(cluster, client, i, plan->sources[i].topic, timeout_ms, err);
    if (error) {
        cluster_drop(cluster);
        return error;
    }
    *ret = cluster;
    return 0;
}
