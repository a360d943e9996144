#include "bench/reader.h"

#include <hiredis/hiredis.h>
#include <unistd.h>

#include "base/clock.h"
#include "checkpoint/files.h"
#include "sink/redis_client.h"

#define ANSWER_MS 5000
#define PAUSE_US  300 /* between polls */

static void judge(struct reader *reader, struct probe_slot *slot, const redisReply *reply)
{
    int64_t sent_ns = atomic_load(&slot->sent_ns);
    int64_t now_ns = clock_monotonic_ns();
    bool counts = sent_ns >= atomic_load(&reader->load->measure_ns);

    if (reply && reply->type == REDIS_REPLY_STRING &&
        strtoll(reply->str, NULL, 10) >= atomic_load(&slot->due_ms)) {
        if (counts)
            hdr_record(&reader->latency, now_ns - sent_ns, 1);
        atomic_store(&slot->due_ms, 0);
    } else if (now_ns - sent_ns > READER_PATIENCE_NS) {
        if (counts)
            atomic_fetch_add(&reader->invisible, 1);
        atomic_store(&slot->due_ms, 0);
    }
}

/* Asks for all probes under way at once. False: the connection is lost. */
static bool look(struct reader *reader)
{
    bool asked[PROBE_SLOTS] = {false};
    void *reply;

    for (uint32_t i = 0; i < PROBE_SLOTS; i++) {
        asked[i] = atomic_load(&reader->probes->slots[i].due_ms) != 0;
        if (asked[i])
            redisAppendCommand(reader->context, "HGET %s %s", reader->keys[i], reader->field);
    }
    for (uint32_t i = 0; i < PROBE_SLOTS; i++) {
        if (!asked[i])
            continue;
        if (redisGetReply(reader->context, &reply) != REDIS_OK)
            return false;
        judge(reader, &reader->probes->slots[i], reply);
        freeReplyObject(reply);
    }
    return true;
}

static void *reader_main(void *context)
{
    struct reader *reader = context;

    pthread_setname_np(pthread_self(), "reader");
    while (!atomic_load(&reader->stop) && look(reader))
        usleep(PAUSE_US);
    return NULL;
}

int reader_start(struct reader *reader, struct world *world, const struct plan_view *view,
                 struct load *load, struct probes *probes, struct err *err)
{
    int error;

    memset(reader, 0, sizeof(*reader));
    reader->redis = &world->redis;
    reader->probes = probes;
    reader->load = load;
    error = redis_client_open(&world->redis, ANSWER_MS, &reader->context, err);
    if (error)
        return error;
    reader->field = text_make("%s.window_end", view->name);
    for (uint32_t i = 0; i < PROBE_SLOTS; i++) {
        struct buf key = {0};

        world_redis_key(world, probes->source, slice_of(probes->slots[i].key), &key);
        buf_string(&key);
        reader->keys[i] = key.data;
    }
    CHECK(pthread_create(&reader->thread, NULL, reader_main, reader) == 0);
    return 0;
}

void reader_clear(struct reader *reader)
{
    memset(&reader->latency, 0, sizeof(reader->latency));
    atomic_store(&reader->invisible, 0);
}

void reader_settle(struct reader *reader)
{
    int64_t last_ns = clock_monotonic_ns() + READER_PATIENCE_NS + NS_PER_S;

    for (uint32_t i = 0; i < PROBE_SLOTS; i++) {
        while (atomic_load(&reader->probes->slots[i].due_ms) && clock_monotonic_ns() < last_ns)
            usleep(1000);
    }
}

void reader_stop(struct reader *reader)
{
    if (!reader->context)
        return;
    atomic_store(&reader->stop, true);
    pthread_join(reader->thread, NULL);
    redisFree(reader->context);
    free(reader->field);
    for (uint32_t i = 0; i < PROBE_SLOTS; i++)
        free(reader->keys[i]);
    memset(reader, 0, sizeof(*reader));
}
