/* freshet demo: the main job in one process, for a look.
 *
 *   generator thread ─▶ mock broker ─▶ engine (main thread and shards) ─▶ redis-server
 *                                          ▲                                  │
 *   display thread ── counters, latency ───┴── one user's features ───────────┘
 *
 * Six hours of event time pass in the seconds of the demo, so windows end while one watches. */

#include <errno.h>
#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "admin/report.h"
#include "base/clock.h"
#include "base/log.h"
#include "bench/demo_world.h"
#include "cli/cli.h"
#include "cli/traffic.h"
#include "sink/redis_client.h"

#define SPAN_MS           (INT64_C(6) * 3600 * 1000)
#define PARTITIONS        8
#define USERS             20000
#define WATCHED_USER      "user_0"
#define FRAME_NS          (250 * NS_PER_MS)
#define CATCH_UP_NS       (15 * NS_PER_S)
#define BURSTS_PER_SECOND 100

static const char *const topics[] = {"user_events", "user_events_late", "user_events_dlq", NULL};

static const char pipeline_format[] =
    "pipeline: demo\n"
    /* The mock broker answers an empty fetch after this time, whatever comes in meanwhile. */
    "kafka: {brokers: \"%s\", group: demo, properties: {fetch.wait.max.ms: 10}}\n"
    "redis: {url: \"unix://%s\", key: \"features:user:{user_id}\"}\n"
    "sources:\n"
    "  user_events:\n"
    "    topic: user_events\n"
    "    partitioning: aligned\n"
    "    entity: user_id\n"
    "    time: {field: timestamp, unit: ms}\n"
    "    fields:\n"
    "      user_id: string\n"
    "      event_type: string\n"
    "      page: {path: properties.page, type: string, default: unknown}\n"
    "    out_of_orderness: 60s\n"
    "    allowed_lateness: 60s\n"
    "    late_topic: user_events_late\n"
    "    dead_letter_topic: user_events_dlq\n"
    "views:\n"
    "  activity_1h:\n"
    "    source: user_events\n"
    "    window: {sliding: 1h, every: 10m}\n"
    "    features:\n"
    "      event_count_1h: {count: true}\n"
    "      unique_pages_1h: {distinct: page}\n"
    "      event_types_1h: {histogram: event_type}\n"
    "  purchases_30m:\n"
    "    source: user_events\n"
    "    window: {sliding: 30m, every: 1m}\n"
    "    emit: on_update\n"
    "    where: {event_type: purchase}\n"
    "    features:\n"
    "      purchase_count_30m: {count: true}\n"
    "state: {dir: \"%s/state\"}\n"
    "checkpoint: {every: 5s}\n"
    "engine: {shards: %s}\n";

struct demo {
    struct demo_world world;
    struct engine *engine;
    const struct plan *plan;
    redisContext *redis;
    uint32_t seconds;
    uint32_t rate;
    bool is_terminal;
    int lines_shown; /* of the last frame, on a terminal */
    struct buf frame;
    struct hdr *latency;    /* scratch */
    uint64_t events_before; /* at the last frame */
    int64_t frame_before_ns;
    _Atomic bool stop_wanted;
    _Atomic uint64_t produced;
};

static struct demo *showing; /* for the signal handler */

static void on_signal(int number)
{
    (void)number;
    if (showing)
        atomic_store(&showing->stop_wanted, true);
}

static void produce(struct demo *demo, rd_kafka_topic_t *topic, const struct traffic_event *event)
{
    for (;;) {
        if (rd_kafka_produce(topic, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY,
                             (void *)event->value.data, event->value.len, event->key.data,
                             event->key.len, NULL) == 0)
            break;
        rd_kafka_poll(demo->world.producer, 10); /* the queue is full */
    }
    atomic_fetch_add(&demo->produced, 1);
}

/* The group takes some seconds to form; events would only wait for it. */
static void await_reading(struct demo *demo)
{
    while (engine_phase(demo->engine) == ENGINE_STARTING && !atomic_load(&demo->stop_wanted))
        usleep(20000);
}

static void *generate(void *context)
{
    struct demo *demo = context;
    struct traffic_options options = {
        .setting = TRAFFIC_USER_ACTIVITY,
        .seed = 1,
        .users = USERS,
        .events = (uint64_t)demo->rate * demo->seconds,
        .start_ms = clock_realtime_ms() - SPAN_MS,
        .span_ms = SPAN_MS,
    };
    rd_kafka_topic_t *topic = rd_kafka_topic_new(demo->world.producer, topics[0], NULL);
    struct traffic traffic;
    struct traffic_event event;
    uint64_t sent = 0;

    await_reading(demo);
    int64_t start_ns = clock_monotonic_ns();
    traffic_init(&traffic, &options);
    while (!atomic_load(&demo->stop_wanted)) {
        int64_t elapsed_ns = clock_monotonic_ns() - start_ns;
        uint64_t due = (uint64_t)((double)elapsed_ns * 1e-9 * demo->rate);
        bool more = true;

        for (; sent < due && more; sent += more) {
            more = traffic_next(&traffic, &event);
            if (more)
                produce(demo, topic, &event);
        }
        rd_kafka_poll(demo->world.producer, 0);
        if (!more)
            break;
        usleep(1000000 / BURSTS_PER_SECOND);
    }
    rd_kafka_flush(demo->world.producer, 10000);
    rd_kafka_topic_destroy(topic);
    traffic_done(&traffic);
    return NULL;
}

static void show_user(struct demo *demo)
{
    char key[128];
    redisReply *reply;

    snprintf(key, sizeof(key), "features:user:%s", WATCHED_USER);
    reply = redisCommand(demo->redis, "HGETALL %s", key);
    buf_printf(&demo->frame, "  %s in Redis\n", WATCHED_USER);
    for (size_t i = 0; reply && i + 1 < reply->elements; i += 2)
        buf_printf(&demo->frame, "    %-26s %s\n", reply->element[i]->str,
                   reply->element[i + 1]->str);
    freeReplyObject(reply);
}

static void latency_append(struct demo *demo, const char *stage, const char *label)
{
    report_stage(demo->engine, stage, demo->latency);
    buf_printf(&demo->frame, "  %-30s p50 %.2f ms   p99 %.2f ms\n", label,
               (double)hdr_quantile(demo->latency, 0.5) * 1e-6,
               (double)hdr_quantile(demo->latency, 0.99) * 1e-6);
}

static void frame_build(struct demo *demo, int64_t now_ns, double seconds)
{
    struct totals totals;
    double interval = (double)(now_ns - demo->frame_before_ns) * 1e-9;

    report_totals(demo->engine, &totals);
    buf_reset(&demo->frame);
    buf_printf(&demo->frame,
               "freshet demo  %.0f of %u s   %u shards   a mock broker, a private redis-server\n",
               seconds, demo->seconds, engine_fleet(demo->engine)->shard_count);
    buf_printf(&demo->frame, "  %-30s %.0f/s\n", "events",
               (double)(totals.events - demo->events_before) / interval);
    buf_printf(&demo->frame, "  %-30s %" PRIu64 "\n", "events so far", totals.events);
    buf_printf(&demo->frame, "  %-30s %" PRIu64 " late, %" PRIu64 " dead letters\n", "set aside",
               totals.late, totals.dead_letters);
    buf_printf(&demo->frame, "  %-30s %" PRIu64 " for %" PRId64 " users\n", "feature rows",
               totals.rows, totals.keys);
    latency_append(demo, "fetched_to_redis", "fetched -> acknowledged");
    latency_append(demo, "end_to_end", "produced -> acknowledged");
    show_user(demo);
    demo->events_before = totals.events;
    demo->frame_before_ns = now_ns;
}

/* On a terminal a frame is painted over the one before. */
static void frame_show(struct demo *demo)
{
    if (demo->is_terminal && demo->lines_shown > 0)
        printf("\x1b[%dA\x1b[J", demo->lines_shown);
    demo->lines_shown = 0;
    for (size_t i = 0; i < demo->frame.len; i++)
        demo->lines_shown += demo->frame.data[i] == '\n';
    fwrite(demo->frame.data, 1, demo->frame.len, stdout);
    fflush(stdout);
}

static bool has_caught_up(struct demo *demo)
{
    struct totals totals;

    report_totals(demo->engine, &totals);
    return totals.records >= atomic_load(&demo->produced);
}

/* Shows frames until the time is over and everything has been read, then stops the engine. */
static void *display(void *context)
{
    struct demo *demo = context;

    await_reading(demo);
    int64_t start_ns = clock_monotonic_ns();
    int64_t end_ns = start_ns + demo->seconds * NS_PER_S;
    int64_t frame_ns = demo->is_terminal ? FRAME_NS : 2 * NS_PER_S;
    int64_t due_ns = start_ns + frame_ns;

    demo->frame_before_ns = start_ns;
    while (!atomic_load(&demo->stop_wanted)) {
        int64_t now_ns = clock_monotonic_ns();

        if (now_ns >= due_ns && now_ns < end_ns) {
            frame_build(demo, now_ns, (double)(now_ns - start_ns) * 1e-9);
            frame_show(demo);
            due_ns += frame_ns;
        }
        if (now_ns >= end_ns && (has_caught_up(demo) || now_ns >= end_ns + CATCH_UP_NS))
            break;
        usleep(20000);
    }
    atomic_store(&demo->stop_wanted, true);
    engine_stop(demo->engine);
    return NULL;
}

/* The verdict: everything that was produced has been read and accounted for. */
static int summary(struct demo *demo)
{
    uint64_t produced = atomic_load(&demo->produced);
    struct totals totals;
    bool all_read;

    report_totals(demo->engine, &totals);
    all_read = totals.records == produced && totals.events + totals.dead_letters == produced &&
               totals.redis_writes > 0;
    buf_reset(&demo->frame);
    latency_append(demo, "fetched_to_redis", "fetched -> acknowledged");
    latency_append(demo, "end_to_end", "produced -> acknowledged");
    printf("\nsummary\n  %-30s %" PRIu64 " produced, %" PRIu64 " read\n", "events", produced,
           totals.records);
    printf("  %-30s %" PRIu64 " late, %" PRIu64 " dead letters\n", "set aside", totals.late,
           totals.dead_letters);
    printf("  %-30s %" PRIu64 " emitted, %" PRIu64 " Redis writes for %" PRId64 " users\n",
           "feature rows", totals.rows, totals.redis_writes, totals.keys);
    printf("  %-30s %.2f us per event, all threads, broker and generator included\n", "CPU",
           produced ? (double)engine_cpu_ns(demo->engine) * 1e-3 / (double)produced : 0.0);
    fwrite(demo->frame.data, 1, demo->frame.len, stdout);
    printf("%s\n", all_read ? "demo: ok" : "demo: FAILED, not all events were read");
    return all_read ? EXIT_DONE : EXIT_FAILED;
}

static int show(struct demo *demo)
{
    struct engine_options options = {0};
    struct err err = {0};
    pthread_t generator;
    pthread_t painter;
    int error = engine_create(demo->plan, &options, &demo->engine, &err);

    if (!error)
        error = redis_client_open(&demo->plan->redis, 5000, &demo->redis, &err);
    if (error) {
        cli_error("%s", err.text);
        engine_free(demo->engine);
        return EXIT_FAILED;
    }
    showing = demo;
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
    CHECK(pthread_create(&generator, NULL, generate, demo) == 0);
    CHECK(pthread_create(&painter, NULL, display, demo) == 0);
    error = engine_run(demo->engine, &err);
    atomic_store(&demo->stop_wanted, true);
    pthread_join(generator, NULL);
    pthread_join(painter, NULL);
    showing = NULL;
    if (error)
        cli_error("%s", err.text);

    int code = error ? EXIT_FAILED : summary(demo);
    engine_free(demo->engine);
    redisFree(demo->redis);
    return code;
}

static int plan_make(struct demo *demo, const char *shards, struct plan **ret)
{
    struct buf text = {0};
    struct buf messages = {0};
    int error;

    buf_printf(&text, pipeline_format, demo->world.brokers, demo->world.socket, demo->world.folder,
               shards);
    error = plan_parse("demo", buf_slice(&text), ret, &messages);
    if (error)
        fprintf(stderr, "%s", buf_string(&messages));
    buf_free(&text);
    buf_free(&messages);
    return error ? EXIT_USAGE : EXIT_DONE;
}

static bool number_option(const char *text, uint32_t fallback, uint32_t max, uint32_t *ret)
{
    char *end;
    unsigned long value;

    *ret = fallback;
    if (!text)
        return true;
    errno = 0;
    value = strtoul(text, &end, 10);
    *ret = (uint32_t)value;
    return !errno && *text >= '0' && *text <= '9' && !*end && value > 0 && value <= max;
}

int command_demo(const struct cli_args *args)
{
    struct demo demo = {.is_terminal = isatty(STDOUT_FILENO)};
    const char *server = args->values[DEMO_REDIS] ? args->values[DEMO_REDIS] : "redis-server";
    const char *shards = args->values[DEMO_SHARDS] ? args->values[DEMO_SHARDS] : "auto";
    struct plan *plan;
    struct err err = {0};
    int code;

    if (!number_option(args->values[DEMO_SECONDS], 20, 3600, &demo.seconds) ||
        !number_option(args->values[DEMO_RATE], 20000, 1000000, &demo.rate)) {
        cli_error("--seconds and --rate take whole numbers from 1 on");
        return EXIT_USAGE;
    }
    log_set_level(LOG_WARN);
    printf("starting a mock broker, a private redis-server and the engine\n");
    fflush(stdout);
    if (demo_world_open(&demo.world, server, topics, PARTITIONS, &err)) {
        cli_error("%s", err.text);
        return EXIT_FAILED;
    }
    demo.latency = calloc(1, sizeof(*demo.latency));
    CHECK(demo.latency);
    code = plan_make(&demo, shards, &plan);
    if (!code) {
        demo.plan = plan;
        code = show(&demo);
        plan_free(plan);
    }
    demo_world_close(&demo.world);
    buf_free(&demo.frame);
    free(demo.latency);
    return code;
}
