#include "bench/demo_world.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "checkpoint/files.h"

#define REDIS_START_TRIES    200
#define REDIS_START_PAUSE_US 25000
#define MOCK_BROKERS         1

/* In the child: becomes redis-server, and goes when the demo does, however that ends. */
static void redis_exec(const struct demo_world *world, const char *program)
{
    int null = open("/dev/null", O_RDWR);

    prctl(PR_SET_PDEATHSIG, SIGTERM);
    dup2(null, STDIN_FILENO);
    dup2(null, STDOUT_FILENO);
    execlp(program, program, "--port", "0", "--unixsocket", world->socket, "--unixsocketperm",
           "700", "--save", "", "--appendonly", "no", "--dir", world->folder, "--logfile",
           "/dev/null", (char *)NULL);
    _exit(127);
}

static int redis_start(struct demo_world *world, const char *program, struct err *err)
{
    struct stat found;
    int status;

    world->redis = fork();
    if (world->redis < 0)
        return err_set(err, -errno, "cannot start %s: %s", program, strerror(errno));
    if (world->redis == 0)
        redis_exec(world, program);
    for (int i = 0; i < REDIS_START_TRIES; i++) {
        if (waitpid(world->redis, &status, WNOHANG) == world->redis) {
            world->redis = 0;
            return err_set(err, -ENOENT,
                           "%s does not start; install redis-server, or name it with "
                           "--redis-server",
                           program);
        }
        if (stat(world->socket, &found) == 0)
            return 0;
        usleep(REDIS_START_PAUSE_US);
    }
    return err_set(err, -ETIMEDOUT, "%s does not open its socket", program);
}

static void on_log(const rd_kafka_t *client, int level, const char *facility, const char *text)
{
    (void)client, (void)level, (void)facility, (void)text;
}

/* The broker hangs on the producer's handle, which is then pointed at it. */
static int kafka_start(struct demo_world *world, const char *const *topics, int partitions,
                       struct err *err)
{
    static const char *const settings[][2] = {
        {"test.mock.num.brokers", "1"},
        {"partitioner", "murmur2_random"}, /* as Java's clients: a partition has all of a user */
        {"linger.ms", "5"},
        {"queue.buffering.max.messages", "200000"},
    };
    char text[512];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();

    for (size_t i = 0; i < ARRAY_LEN(settings); i++)
        CHECK(rd_kafka_conf_set(conf, settings[i][0], settings[i][1], text, sizeof(text)) ==
              RD_KAFKA_CONF_OK);
    rd_kafka_conf_set_log_cb(conf, on_log);
    world->producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof(text));
    if (!world->producer) {
        rd_kafka_conf_destroy(conf);
        return err_set(err, -EIO, "kafka: %s", text);
    }
    world->cluster = rd_kafka_handle_mock_cluster(world->producer);
    world->brokers = rd_kafka_mock_cluster_bootstraps(world->cluster);
    for (; *topics; topics++) {
        rd_kafka_resp_err_t answer = rd_kafka_mock_topic_create(world->cluster, *topics, partitions,
                                                                MOCK_BROKERS);

        if (answer)
            return err_set(err, -EIO, "topic %s: %s", *topics, rd_kafka_err2str(answer));
    }
    return 0;
}

int demo_world_open(struct demo_world *world, const char *redis_server, const char *const *topics,
                    int partitions, struct err *err)
{
    int error;

    *world = (struct demo_world){.folder = "/tmp/freshet-demo-XXXXXX"};
    if (!mkdtemp(world->folder)) {
        world->folder[0] = '\0';
        return err_set(err, -errno, "cannot make a folder in /tmp: %s", strerror(errno));
    }
    snprintf(world->socket, sizeof(world->socket), "%s/redis.sock", world->folder);
    error = redis_start(world, redis_server, err);
    if (!error)
        error = kafka_start(world, topics, partitions, err);
    if (error)
        demo_world_close(world);
    return error;
}

void demo_world_close(struct demo_world *world)
{
    struct err err;

    if (world->producer)
        rd_kafka_destroy(world->producer); /* the broker with it */
    if (world->redis > 0) {
        kill(world->redis, SIGTERM);
        waitpid(world->redis, NULL, 0);
    }
    if (world->folder[0] && tree_remove(world->folder, &err))
        fprintf(stderr, "%s\n", err.text);
    *world = (struct demo_world){0};
}
