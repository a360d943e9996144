/* The Redis sink against a real redis-server, private to this test: on a unix socket or a free
 * loopback port, in a folder of its own. Skipped where there is no redis-server. */
#include <errno.h>
#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/hash.h"
#include "redis_world.h"
#include "sink/redis_client.h"
#include "sink/redis_uring.h"

#define KEYS 500

/* --- the server --- */

struct server {
    char folder[64];
    char path[80];
    uint16_t port; /* 0: unix socket only */
    pid_t pid;
    redisContext *admin; /* an eye of its own on the data */
};

static uint16_t free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    close(fd);
    return ntohs(address.sin_port);
}

static void server_start(struct server *server)
{
    char port[8];

    snprintf(port, sizeof(port), "%u", server->port);
    server->pid = fork();
    if (server->pid == 0) {
        int null = open("/dev/null", O_WRONLY);

        prctl(PR_SET_PDEATHSIG, SIGKILL); /* also when a test fails */
        dup2(null, STDOUT_FILENO);
        execlp("redis-server", "redis-server", "--port", port, "--bind", "127.0.0.1",
               "--unixsocket", server->path, "--dir", server->folder, "--save", "", "--appendonly",
               "no", (char *)NULL);
        _exit(127);
    }
    for (int tries = 0; tries < 500; tries++) {
        server->admin = redisConnectUnix(server->path);
        if (!server->admin->err)
            return;
        redisFree(server->admin);
        usleep(10000);
    }
    fail_msg("redis-server does not start");
}

static void server_kill(struct server *server)
{
    redisFree(server->admin);
    kill(server->pid, SIGKILL);
    assert_int_equal(waitpid(server->pid, NULL, 0), server->pid);
    unlink(server->path);
}

static void server_init(struct server *server, bool tcp)
{
    *server = (struct server){.port = tcp ? free_port() : 0};
    snprintf(server->folder, sizeof(server->folder), "/tmp/freshet-redis-XXXXXX");
    assert_non_null(mkdtemp(server->folder));
    snprintf(server->path, sizeof(server->path), "%s/redis.sock", server->folder);
    server_start(server);
}

static void server_done(struct server *server)
{
    server_kill(server);
    rmdir(server->folder);
}

static void command(struct server *server, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    redisReply *reply = redisvCommand(server->admin, format, args);
    va_end(args);
    assert_non_null(reply);
    if (reply->type == REDIS_REPLY_ERROR)
        fail_msg("%s: %s", format, reply->str);
    freeReplyObject(reply);
}

/* --- the sink --- */

struct rig {
    struct server server;
    struct world world;
    struct loop *loop;
    struct redis_uring *uring;
    struct redis_sink *sink;
    void *slots[KEYS];
    int64_t counts[KEYS]; /* the newest row's */
    int64_t window_ends[KEYS];
    uint64_t random;
    char report[512];
};

static void keep_report(void *context, const char *text)
{
    struct rig *rig = context;

    snprintf(rig->report, sizeof(rig->report), "%s", text);
}

static void rig_init(struct rig *rig, bool tcp)
{
    struct plan_redis *redis = &rig->world.plan.redis;

    memset(rig, 0, sizeof(*rig));
    world_init(&rig->world);
    server_init(&rig->server, tcp);
    redis->connections = 2;
    redis->scheme = tcp ? REDIS_TCP : REDIS_UNIX;
    redis->host = "localhost";
    redis->port = rig->server.port;
    redis->path = rig->server.path;
    redis->url_text = "the server";
}

static void rig_open(struct rig *rig, bool plain)
{
    struct loop_options loop_options = {
        .streams_max = REDIS_URING_STREAMS(2), .watches_max = 1, .plain = plain};
    struct redis_sink_options options = {
        .plan = &rig->world.plan,
        .arena = &rig->world.arena,
        .seed = 1,
        .dirty_keys_max = 100,
        .report = keep_report,
        .report_context = rig,
    };
    struct err err;

    if (loop_create(&loop_options, &rig->loop, &err) < 0)
        fail_msg("%s", err.text);
    rig->uring = redis_uring_create(rig->loop, &options);
    rig->sink = redis_uring_sink(rig->uring);
}

static void rig_done(struct rig *rig)
{
    redis_uring_free(rig->uring);
    loop_free(rig->loop);
    arena_done(&rig->world.arena);
    server_done(&rig->server);
}

/* A shard's turn, as far as this sink goes. */
static void turn(struct rig *rig)
{
    redis_sink_turn(rig->sink, clock_monotonic_ns(), clock_realtime_ms());
    int64_t wait_ns = redis_sink_deadline(rig->sink) - clock_monotonic_ns();

    assert_true(loop_run(rig->loop, MAX(INT64_C(0), MIN(wait_ns, 10 * NS_PER_MS))) >= 0);
}

static void put(struct rig *rig, int key)
{
    char name[16];
    char text[32];

    rig->random = hash64_int(rig->random);
    rig->counts[key]++;
    rig->window_ends[key] += 1 + (int64_t)(rig->random % 3);
    snprintf(name, sizeof(name), "%d", key);
    snprintf(text, sizeof(text), "t%llu", (unsigned long long)(rig->random % 1000000));
    struct row_value values[] = {int_value(rig->counts[key]), double_value(key / 4.0),
                                 text_value(ROW_STRING, text)};
    struct row row = world_row(&rig->world, VIEW_PLAIN, name, rig->window_ends[key], values);

    row.fetched_ns = clock_monotonic_ns();
    row.record_ms = clock_realtime_ms();
    redis_sink_clock(rig->sink, row.fetched_ns, row.record_ms);
    redis_sink_row(rig->sink, &row, PLAN_NONE, &rig->slots[key]);
}

static void put_some(struct rig *rig, int rows)
{
    for (int i = 0; i < rows; i++) {
        rig->random = hash64_int(rig->random);
        put(rig, (int)(rig->random % KEYS));
    }
}

static void put_all(struct rig *rig)
{
    for (int key = 0; key < KEYS; key++)
        put(rig, key);
}

#define TURN_UNTIL(rig, condition)                                                                 \
    do {                                                                                           \
        int64_t give_up_ns = clock_monotonic_ns() + 30 * NS_PER_S;                                 \
        while (!(condition)) {                                                                     \
            if (clock_monotonic_ns() > give_up_ns)                                                 \
                fail_msg("never came true: %s (last report: %s)", #condition, (rig)->report);      \
            turn(rig);                                                                             \
        }                                                                                          \
    } while (0)

static bool is_connected(struct rig *rig)
{
    return gauge_get(&redis_sink_stats(rig->sink)->connected) == 2;
}

static void check_number(struct rig *rig, int key, const char *field, int64_t expected)
{
    redisReply *reply = redisCommand(rig->server.admin, "HGET features:user:{%d} %s", key, field);

    assert_non_null(reply);
    if (reply->type != REDIS_REPLY_STRING || strtoll(reply->str, NULL, 10) != expected)
        fail_msg("%s of key %d is %s, not %lld", field, key, reply->str ? reply->str : "missing",
                 (long long)expected);
    freeReplyObject(reply);
}

static void check_all(struct rig *rig)
{
    for (int key = 0; key < KEYS; key++) {
        if (rig->counts[key] == 0)
            continue;
        check_number(rig, key, "count", rig->counts[key]);
        check_number(rig, key, "plain.window_end", rig->window_ends[key]);
        redisReply *fields = redisCommand(rig->server.admin, "HLEN features:user:{%d}", key);
        redisReply *ttl = redisCommand(rig->server.admin, "TTL features:user:{%d}", key);

        assert_int_equal(fields->integer, 5);
        assert_in_range(ttl->integer, 70, 100);
        freeReplyObject(fields);
        freeReplyObject(ttl);
    }
}

/* --- tests --- */

static void rows_arrive_by_unix_socket(void **state)
{
    (void)state;
    for (int plain = 0; plain < 2; plain++) {
        struct rig rig;

        rig_init(&rig, false);
        rig_open(&rig, plain);
        for (int i = 0; i < 200; i++) {
            put_some(&rig, 50);
            turn(&rig);
        }
        TURN_UNTIL(&rig, redis_sink_idle(rig.sink));
        check_all(&rig);
        assert_true(counter_get(&redis_sink_stats(rig.sink)->hsets) <= 10000);
        rig_done(&rig);
    }
}

static void rows_arrive_by_tcp_with_a_password(void **state)
{
    (void)state;
    struct rig rig;

    rig_init(&rig, true);
    command(&rig.server, "CONFIG SET requirepass %s", "with space");
    rig.world.plan.redis.password = "wrong";
    rig_open(&rig, false);
    put_all(&rig);
    TURN_UNTIL(&rig, strstr(rig.report, "AUTH: WRONGPASS"));
    rig.world.plan.redis.password = "with space"; /* as if Redis had changed it */
    TURN_UNTIL(&rig, redis_sink_idle(rig.sink));
    check_all(&rig);
    rig_done(&rig);
}

static void rows_arrive_as_a_user_with_few_rights(void **state)
{
    (void)state;
    struct rig rig;

    rig_init(&rig, true);
    command(&rig.server, "ACL SETUSER freshet on >secret ~features:* +auth +select +info +hset "
                         "+hdel");
    rig.world.plan.redis.user = "freshet";
    rig.world.plan.redis.password = "secret";
    rig.world.plan.redis.database = 3;
    rig_open(&rig, false);
    put_all(&rig);
    TURN_UNTIL(&rig, strstr(rig.report, "NOPERM"));
    assert_false(redis_sink_idle(rig.sink));
    command(&rig.server, "ACL SETUSER freshet +expire");
    TURN_UNTIL(&rig, redis_sink_idle(rig.sink));
    command(&rig.server, "SELECT 3");
    check_all(&rig);
    rig_done(&rig);
}

static void a_killed_redis_that_comes_back_empty_gets_all_again(void **state)
{
    (void)state;
    struct rig rig;

    rig_init(&rig, false);
    rig_open(&rig, false);
    put_all(&rig);
    TURN_UNTIL(&rig, redis_sink_idle(rig.sink));
    for (int kills = 0; kills < 3; kills++) {
        TURN_UNTIL(&rig, is_connected(&rig));
        for (int i = 0; i < 50; i++) {
            put_some(&rig, 5);
            turn(&rig);
        }
        server_kill(&rig.server);
        TURN_UNTIL(&rig, !is_connected(&rig));
        for (int i = 0; i < 50; i++) {
            put_some(&rig, 2);
            turn(&rig);
        }
        server_start(&rig.server);
    }
    TURN_UNTIL(&rig, is_connected(&rig) && redis_sink_idle(rig.sink));
    check_all(&rig);
    assert_true(counter_get(&redis_sink_stats(rig.sink)->losses) == 6);
    rig_done(&rig);
}

static void a_stopped_redis_fills_the_sink_and_no_more(void **state)
{
    (void)state;
    struct rig rig;
    uint64_t refused_turns = 0;

    rig_init(&rig, false);
    rig_open(&rig, false);
    TURN_UNTIL(&rig, is_connected(&rig));
    kill(rig.server.pid, SIGSTOP);
    int64_t start_ns = clock_monotonic_ns();

    while (clock_monotonic_ns() - start_ns < NS_PER_S) {
        if (redis_sink_full(rig.sink))
            refused_turns++;
        else
            put_some(&rig, 20);
        turn(&rig);
    }
    const struct redis_sink_stats *stats = redis_sink_stats(rig.sink);

    assert_true(refused_turns > 0);
    assert_in_range(gauge_get(&stats->dirty), 100, 120);
    assert_true(arena_used_bytes(&rig.world.arena) < KEYS * 1000);
    kill(rig.server.pid, SIGCONT);
    TURN_UNTIL(&rig, redis_sink_idle(rig.sink));
    assert_false(redis_sink_full(rig.sink));
    check_all(&rig);
    assert_int_equal(counter_get(&stats->losses), 0);
    assert_true(hdr_quantile(&stats->round_trip, 1) > 100 * NS_PER_MS);
    rig_done(&rig);
}

static void out_of_memory_passes(void **state)
{
    (void)state;
    struct rig rig;

    rig_init(&rig, false);
    rig_open(&rig, false);
    command(&rig.server, "CONFIG SET maxmemory 1");
    put_all(&rig);
    TURN_UNTIL(&rig, strstr(rig.report, "OOM"));
    for (int i = 0; i < 20; i++)
        turn(&rig);
    command(&rig.server, "CONFIG SET maxmemory 0");
    TURN_UNTIL(&rig, redis_sink_idle(rig.sink));
    check_all(&rig);
    rig_done(&rig);
}

static void keys_that_vanish_are_noticed_by_the_next_row(void **state)
{
    (void)state;
    struct rig rig;

    rig_init(&rig, false);
    rig_open(&rig, false);
    put_all(&rig);
    TURN_UNTIL(&rig, redis_sink_idle(rig.sink));
    command(&rig.server, "FLUSHALL");
    put_all(&rig);
    TURN_UNTIL(&rig, redis_sink_idle(rig.sink));
    check_all(&rig);
    assert_int_equal(counter_get(&redis_sink_stats(rig.sink)->keys_vanished), KEYS);
    rig_done(&rig);
}

static void a_key_of_another_type_is_left_alone(void **state)
{
    (void)state;
    struct rig rig;

    rig_init(&rig, false);
    rig_open(&rig, false);
    command(&rig.server, "SET features:user:{7} text");
    put_all(&rig);
    TURN_UNTIL(&rig, redis_sink_idle(rig.sink));
    assert_non_null(strstr(rig.report, "WRONGTYPE"));
    assert_non_null(strstr(rig.report, "features:user:{7}"));
    command(&rig.server, "DEL features:user:{7}");
    put(&rig, 7);
    TURN_UNTIL(&rig, redis_sink_idle(rig.sink));
    check_all(&rig);
    rig_done(&rig);
}

/* --- the probe --- */

static void expect_probe(const struct plan_redis *redis, int error, const char *words)
{
    struct err err = {{0}};

    assert_int_equal(redis_probe(redis, 300, &err), error);
    if (error && !strstr(err.text, words))
        fail_msg("\"%s\" does not say \"%s\"", err.text, words);
    if (error && !strstr(err.text, "the server"))
        fail_msg("\"%s\" does not name the URL", err.text);
}

static void the_probe_tells_what_is_wrong(void **state)
{
    (void)state;
    struct rig rig;
    struct plan_redis *redis = &rig.world.plan.redis;

    rig_init(&rig, true);
    redis->host = "127.0.0.1";
    expect_probe(redis, 0, NULL);
    redis->database = 99;
    expect_probe(redis, -EACCES, "SELECT is answered with ERR DB index is out of range");
    redis->database = 2;
    command(&rig.server, "CONFIG SET requirepass secret");
    command(&rig.server, "AUTH secret");
    expect_probe(redis, -EACCES, "SELECT is answered with NOAUTH");
    redis->password = "wrong";
    expect_probe(redis, -EACCES, "AUTH is answered with WRONGPASS");
    redis->password = "secret";
    expect_probe(redis, 0, NULL);
    redis->user = "nobody";
    expect_probe(redis, -EACCES, "user and password");
    command(&rig.server, "ACL SETUSER nobody on >secret +ping +select");
    expect_probe(redis, -EACCES, "INFO is answered with NOPERM");
    redis->user = NULL;
    kill(rig.server.pid, SIGSTOP);
    expect_probe(redis, -ETIMEDOUT, "no answer in time");
    kill(rig.server.pid, SIGCONT);
    redis->port = free_port();
    expect_probe(redis, -ECONNREFUSED, "Connection refused");
    redis->host = "no-such-host.invalid";
    expect_probe(redis, -EHOSTUNREACH, "is this the right address");
    redis->scheme = REDIS_UNIX;
    expect_probe(redis, 0, NULL);
    redis->path = "/tmp/freshet-no-such-socket";
    expect_probe(redis, -ENOENT, "No such file");
    arena_done(&rig.world.arena);
    server_done(&rig.server);
}

/* A peer that says `text` to whoever comes, and hangs up `times` times. */
static pid_t talk(int listener, const char *text, int times)
{
    pid_t child = fork();

    if (child != 0)
        return child;
    for (int i = 0; i < times; i++) {
        struct linger reset = {1, 0};
        int fd = accept(listener, NULL, NULL);
        char bytes[1000];

        if (*text) {
            while (write(fd, text, strlen(text)) < 0)
                ;
            while (read(fd, bytes, sizeof(bytes)) > 0)
                ;
        }
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
        close(fd);
    }
    _exit(0);
}

static void the_probe_hears_of_peers_that_are_not_fit(void **state)
{
    (void)state;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    struct plan_redis redis = {.scheme = REDIS_TCP, .host = "127.0.0.1", .url_text = "the server"};
    static const struct {
        const char *text;
        int error;
        const char *words;
    } peers[] = {
        {"-LOADING Redis is loading\r\n", -EACCES, "try again later"},
        {"+PONG\r\n$20\r\nredis_mode:cluster\r\n\r\n", -ENOTSUP, "cluster mode"},
        {"SSH-2.0-OpenSSH\r\n", -EHOSTUNREACH, "right address"},
    };
    struct err err;
    int listener = socket(AF_INET, SOCK_STREAM, 0);

    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &len), 0);
    redis.port = ntohs(address.sin_port);
    for (size_t i = 0; i < ARRAY_LEN(peers); i++) {
        pid_t child = talk(listener, peers[i].text, 1);

        expect_probe(&redis, peers[i].error, peers[i].words);
        assert_int_equal(waitpid(child, NULL, 0), child);
    }
    /* An error, not a SIGPIPE. */
    pid_t child = talk(listener, "", 20);

    redis.password = "p";
    for (int i = 0; i < 20; i++)
        assert_true(redis_probe(&redis, 300, &err) < 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    close(listener);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_arrive_by_unix_socket),
        cmocka_unit_test(rows_arrive_by_tcp_with_a_password),
        cmocka_unit_test(rows_arrive_as_a_user_with_few_rights),
        cmocka_unit_test(a_killed_redis_that_comes_back_empty_gets_all_again),
        cmocka_unit_test(a_stopped_redis_fills_the_sink_and_no_more),
        cmocka_unit_test(out_of_memory_passes),
        cmocka_unit_test(keys_that_vanish_are_noticed_by_the_next_row),
        cmocka_unit_test(a_key_of_another_type_is_left_alone),
        cmocka_unit_test(the_probe_tells_what_is_wrong),
        cmocka_unit_test(the_probe_hears_of_peers_that_are_not_fit),
    };

    if (system("command -v redis-server >/dev/null") != 0) {
        printf("SKIPPED: no redis-server here\n");
        return 0;
    }
    return cmocka_run_group_tests_name("sink/redis_server", tests, NULL, NULL);
}
