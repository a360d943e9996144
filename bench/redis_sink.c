/* redis_sink - what the Redis sink costs: CPU per row, and how long a row takes to be acknowledged.
 *
 *   bench_redis_sink [keys [rows [rate]]]
 *
 * Starts a redis-server of its own on a unix socket. First as fast as Redis takes rows, then at
 * `rate` rows a second (default: half of what the first run reached), each with three new values
 * of one view for a random key. One thread, as a shard has it; Redis has the other core. */
#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "sink/redis_uring.h"

#define BATCH 64 /* rows between two turns when Redis is not waited for */

struct bench {
    struct plan plan;
    struct plan_source source;
    struct plan_view view;
    struct plan_feature features[3];
    struct plan_key_template template;
    struct arena arena;
    struct loop *loop;
    struct redis_uring *uring;
    struct redis_sink *sink;
    void **slots;
    uint64_t keys;
    uint64_t random;
    char folder[64];
    char path[80];
    pid_t server;
};

static void report(void *context, const char *text)
{
    (void)context;
    fprintf(stderr, "%s\n", text);
}

static void server_start(struct bench *bench)
{
    snprintf(bench->folder, sizeof(bench->folder), "/tmp/freshet-bench-XXXXXX");
    CHECK(mkdtemp(bench->folder));
    snprintf(bench->path, sizeof(bench->path), "%s/redis.sock", bench->folder);
    bench->server = fork();
    if (bench->server == 0) {
        int null = open("/dev/null", O_WRONLY);

        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(null, STDOUT_FILENO);
        execlp("redis-server", "redis-server", "--port", "0", "--unixsocket", bench->path, "--dir",
               bench->folder, "--save", "", "--appendonly", "no", (char *)NULL);
        _exit(127);
    }
    for (int tries = 0; tries < 500 && access(bench->path, F_OK) != 0; tries++)
        usleep(10000);
}

static void server_stop(struct bench *bench)
{
    kill(bench->server, SIGKILL);
    waitpid(bench->server, NULL, 0);
    unlink(bench->path);
    rmdir(bench->folder);
}

static void bench_init(struct bench *bench, uint64_t keys)
{
    static const char *const names[] = {"event_count_1h", "mean_amount_1h", "last_page_1h"};

    *bench = (struct bench){.keys = keys};
    arena_init(&bench->arena);
    server_start(bench);
    for (int i = 0; i < 3; i++)
        bench->features[i].name = names[i];
    bench->view = (struct plan_view){
        .name = "user_activity_1h", .features = bench->features, .feature_count = 3};
    bench->template = (struct plan_key_template){SLICE_LITERAL("features:user:"),
                                                 SLICE_LITERAL("")};
    bench->plan = (struct plan){
        .sources = &bench->source,
        .source_count = 1,
        .views = &bench->view,
        .view_count = 1,
        .redis = {.present = true,
                  .scheme = REDIS_UNIX,
                  .url_text = "redis",
                  .path = bench->path,
                  .key_templates = &bench->template,
                  .ttl_ms = 90000000,
                  .connections = 2,
                  .linger_ms = 5,
                  .metadata = true},
    };
    bench->slots = calloc(keys, sizeof(*bench->slots));
    CHECK(bench->slots);
}

static void sink_open(struct bench *bench)
{
    struct loop_options loop = {.streams_max = REDIS_URING_STREAMS(2), .watches_max = 1};
    struct redis_sink_options options = {
        .plan = &bench->plan, .arena = &bench->arena, .report = report};
    struct err err;

    if (loop_create(&loop, &bench->loop, &err) < 0) {
        fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
    bench->uring = redis_uring_create(bench->loop, &options);
    bench->sink = redis_uring_sink(bench->uring);
    memset(bench->slots, 0, bench->keys * sizeof(*bench->slots));
}

static void sink_close(struct bench *bench)
{
    redis_uring_free(bench->uring);
    loop_free(bench->loop);
}

static void put(struct bench *bench, int64_t now_ns)
{
    char key[32];
    char page[32];

    bench->random = hash64_int(bench->random);
    uint64_t number = bench->random % bench->keys;
    int key_len = snprintf(key, sizeof(key), "user_%llu", (unsigned long long)number);
    int page_len = snprintf(page, sizeof(page), "/page/%u", (unsigned)(bench->random >> 40));
    struct row_value values[] = {
        {.type = ROW_INT, .i = (int64_t)(bench->random >> 50)},
        {.type = ROW_DOUBLE, .d = (double)(bench->random >> 45) / 64},
        {.type = ROW_STRING, .text = {page, (size_t)page_len}},
    };
    struct row row = {
        .view = &bench->view,
        .key = {key, (size_t)key_len},
        .window_end_ms = now_ns / NS_PER_MS,
        .online = true,
        .record_ms = -1,
        .fetched_ns = now_ns,
        .values = values,
    };

    redis_sink_row(bench->sink, &row, PLAN_NONE, &bench->slots[number]);
}

/* Returns the rows a second. `rate` 0: as fast as Redis takes them. */
static double run(struct bench *bench, uint64_t rows, double rate)
{
    int64_t start_ns = clock_monotonic_ns();
    int64_t cpu_ns = clock_thread_cpu_ns();
    int64_t put_ns = 0;
    uint64_t done = 0;
    uint64_t turns = 0;

    sink_open(bench);
    while (done < rows || !redis_sink_idle(bench->sink)) {
        int64_t now_ns = clock_monotonic_ns();
        uint64_t due = rate > 0 ? (uint64_t)((double)(now_ns - start_ns) / 1e9 * rate)
                                : done + BATCH;
        int64_t wait_ns = 0;

        redis_sink_clock(bench->sink, now_ns, clock_realtime_ms());
        if (!redis_sink_full(bench->sink)) {
            for (; done < MIN(due, rows); done++)
                put(bench, now_ns);
        }
        put_ns += clock_monotonic_ns() - now_ns;
        redis_sink_turn(bench->sink, now_ns, clock_realtime_ms());
        if (done == rows || redis_sink_full(bench->sink))
            wait_ns = 1 * NS_PER_MS;
        else if (rate > 0)
            wait_ns = NS_PER_S / 20000; /* as events come in */
        CHECK(loop_run(bench->loop, wait_ns) >= 0);
        turns++;
    }
    const struct redis_sink_stats *stats = redis_sink_stats(bench->sink);
    double seconds = (double)(clock_monotonic_ns() - start_ns) / 1e9;
    double hsets = (double)counter_get(&stats->hsets);

    cpu_ns = clock_thread_cpu_ns() - cpu_ns;
    printf("%10.0f rows/s  %8.0f HSET/s  CPU %4.0f ns/row (taking it: %3.0f)  %5.1f rows/turn\n",
           (double)rows / seconds, hsets / seconds, (double)cpu_ns / (double)rows,
           (double)put_ns / (double)rows, (double)rows / (double)turns);
    printf("%10s to acknowledged: p50 %.3f ms, p99 %.3f ms, p99.9 %.3f ms\n", "",
           (double)hdr_quantile(&stats->fetched_to_acked, 0.5) / 1e6,
           (double)hdr_quantile(&stats->fetched_to_acked, 0.99) / 1e6,
           (double)hdr_quantile(&stats->fetched_to_acked, 0.999) / 1e6);
    sink_close(bench);
    return (double)rows / seconds;
}

int main(int argc, char **argv)
{
    uint64_t keys = argc > 1 ? strtoull(argv[1], NULL, 10) : 100000;
    uint64_t rows = argc > 2 ? strtoull(argv[2], NULL, 10) : 2000000;
    double rate = argc > 3 ? strtod(argv[3], NULL) : 0;
    struct bench bench;

    bench_init(&bench, MAX(keys, UINT64_C(1)));
    double fastest = run(&bench, rows, 0);
    run(&bench, rows, rate > 0 ? rate : fastest / 2);
    server_stop(&bench);
    arena_done(&bench.arena);
    free(bench.slots);
    return 0;
}
