#include "bench/load.h"

#include <errno.h>
#include <inttypes.h>
#include <unistd.h>

#include "base/clock.h"
#include "bench/stop.h"

#define FLUSH_MS       60000
#define PAUSE_US       250 /* between looks at what is due */
#define POLL_EVERY     1000
#define PROBE_EVERY_NS (20 * NS_PER_MS)
#define FAILED_TEXT    "the brokers did not take all events"

/* --- sending --- */

static void on_delivery(rd_kafka_t *client, const rd_kafka_message_t *message, void *context)
{
    struct load *load = context;
    int64_t due_ns = (int64_t)(intptr_t)message->_private;

    (void)client;
    if (message->err) {
        atomic_fetch_add(&load->failed, 1);
        return;
    }
    atomic_fetch_add(&load->acked, 1);
    if (due_ns && due_ns >= atomic_load(&load->measure_ns))
        hdr_record(&load->latency, clock_monotonic_ns() - due_ns, 1);
}

static void on_log(const rd_kafka_t *client, int level, const char *facility, const char *text)
{
    (void)client, (void)level, (void)facility, (void)text;
}

static void configure(rd_kafka_conf_t *conf)
{
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    rd_kafka_conf_set_log_cb(conf, on_log);
}

int load_open(struct load *load, struct world *world, struct records **records,
              const char *const *topics, const char *linger_ms, struct err *err)
{
    uint32_t sources = world->plan->source_count;
    int error;

    memset(load, 0, sizeof(*load));
    load->world = world;
    load->records = records;
    load->topics = topics;
    atomic_store(&load->measure_ns, INT64_MAX);
    error = world_producer(world, linger_ms, configure, load, &load->producer, err);
    if (error)
        return error;
    load->handles = calloc(sources, sizeof(rd_kafka_topic_t *));
    CHECK(load->handles);
    for (uint32_t i = 0; i < sources; i++) {
        load->handles[i] = rd_kafka_topic_new(load->producer, topics[i], NULL);
        CHECK(load->handles[i]);
    }
    return 0;
}

void load_close(struct load *load)
{
    struct err err;

    if (load->is_running && load_stop(load, &err))
        fprintf(stderr, "freshet: %s\n", err.text);
    for (uint32_t i = 0; load->handles && i < load->world->plan->source_count; i++)
        rd_kafka_topic_destroy(load->handles[i]);
    free(load->handles);
    if (load->producer) {
        rd_kafka_purge(load->producer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
        rd_kafka_destroy(load->producer);
    }
    load->handles = NULL;
    load->producer = NULL;
}

/* Waits while the client's queue is full: what is due meanwhile gets late, and counts as such. */
static void send_one(struct load *load, uint32_t source, const struct made_record *record,
                     int64_t due_ns, int64_t time_ms)
{
    rd_kafka_resp_err_t answer;

    for (;;) {
        answer = rd_kafka_producev(load->producer, RD_KAFKA_V_RKT(load->handles[source]),
                                   RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                                   RD_KAFKA_V_KEY(record->key.data, record->key.len),
                                   RD_KAFKA_V_VALUE((void *)record->value.data, record->value.len),
                                   RD_KAFKA_V_TIMESTAMP(time_ms),
                                   RD_KAFKA_V_OPAQUE((void *)(intptr_t)due_ns), RD_KAFKA_V_END);
        if (answer != RD_KAFKA_RESP_ERR__QUEUE_FULL || atomic_load(&load->stop))
            break;
        rd_kafka_poll(load->producer, 1);
    }
    if (!answer)
        atomic_fetch_add(&load->sent, 1);
}

static void send_event(struct load *load, int64_t due_ns, int64_t time_ms)
{
    uint64_t number = load->number++;
    uint32_t sources = load->world->plan->source_count;
    uint32_t source = (uint32_t)(number % sources);
    struct made_record record;

    records_make(load->records[source], number / sources, time_ms, &record);
    send_one(load, source, &record, due_ns, time_ms);
}

static int all_acked(struct load *load, struct err *err)
{
    rd_kafka_flush(load->producer, FLUSH_MS);
    if (atomic_load(&load->failed) || atomic_load(&load->acked) < atomic_load(&load->sent))
        return err_set(err, -EIO, FAILED_TEXT ": %" PRIu64 " of %" PRIu64,
                       atomic_load(&load->acked), atomic_load(&load->sent));
    return 0;
}

int load_fill(struct load *load, uint64_t events, int64_t span_ms, struct err *err)
{
    int64_t start_ms = clock_realtime_ms() - span_ms;

    for (uint64_t i = 0; i < events; i++) {
        int64_t time_ms = start_ms + (int64_t)((double)span_ms * (double)i / (double)events);

        send_event(load, 0, time_ms);
        if (i % POLL_EVERY == 0) {
            rd_kafka_poll(load->producer, 0);
            if (bench_stop_wanted(err))
                return -EINTR;
        }
    }
    return all_acked(load, err);
}

/* --- open loop --- */

static int64_t wall_ms(const struct load *load, int64_t ns)
{
    return load->start_ms + (ns - load->start_ns) / NS_PER_MS;
}

static void send_probe(struct load *load, uint32_t slot_number, int64_t now_ns)
{
    struct probes *probes = load->probes;
    struct probe_slot *slot = &probes->slots[slot_number];
    int64_t time_ms = wall_ms(load, now_ns);
    struct made_record record;

    if (atomic_load(&slot->due_ms) ||
        !records_make_probe(load->records[probes->source], probes->predicate, probes->prefix,
                            slot_number, load->number++, time_ms, &record))
        return;
    atomic_store(&slot->sent_ns, now_ns);
    atomic_store(&slot->due_ms, time_ms);
    send_one(load, probes->source, &record, now_ns, time_ms);
}

static bool has_room(struct load *load)
{
    return load->backlog_max == 0 ||
           atomic_load(&load->sent) < atomic_load(&load->read) + load->backlog_max;
}

static void *open_loop(void *context)
{
    struct load *load = context;
    double ns_per_event = 1e9 / load->rate;
    int64_t probe_ns = load->start_ns;
    uint64_t next = 0;
    uint32_t slot = 0;

    pthread_setname_np(pthread_self(), "load");
    while (!atomic_load(&load->stop)) {
        int64_t now_ns = clock_monotonic_ns();
        uint64_t due = (uint64_t)((double)(now_ns - load->start_ns) / ns_per_event);

        for (; next < due && has_room(load) && !atomic_load(&load->stop); next++) {
            int64_t due_ns = load->start_ns + (int64_t)((double)next * ns_per_event);

            send_event(load, due_ns, wall_ms(load, due_ns));
            if (next % POLL_EVERY == 0)
                rd_kafka_poll(load->producer, 0);
        }
        if (load->probes && load->probes->wanted && now_ns >= probe_ns) {
            send_probe(load, slot++ % PROBE_SLOTS, now_ns);
            probe_ns = now_ns + PROBE_EVERY_NS;
        }
        rd_kafka_poll(load->producer, 0);
        usleep(PAUSE_US);
    }
    return NULL;
}

void load_start(struct load *load, double rate)
{
    CHECK(!load->is_running && rate > 0);
    memset(&load->latency, 0, sizeof(load->latency));
    atomic_store(&load->measure_ns, INT64_MAX);
    atomic_store(&load->stop, false);
    load->rate = rate;
    load->start_ms = clock_realtime_ms();
    load->start_ns = clock_monotonic_ns();
    CHECK(pthread_create(&load->thread, NULL, open_loop, load) == 0);
    load->is_running = true;
}

int load_stop(struct load *load, struct err *err)
{
    atomic_store(&load->stop, true);
    pthread_join(load->thread, NULL);
    load->is_running = false;
    return all_acked(load, err);
}

bool load_probes(struct load *load, struct probes *probes)
{
    for (uint32_t i = 0; i < PROBE_SLOTS; i++) {
        struct made_record record;

        if (!records_make_probe(load->records[probes->source], probes->predicate, probes->prefix, i,
                                0, clock_realtime_ms(), &record))
            return false;
        snprintf(probes->slots[i].key, sizeof(probes->slots[i].key), "%.*s",
                 SLICE_ARGS(record.key));
    }
    load->probes = probes;
    return true;
}
