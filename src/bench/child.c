#include "bench/child.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "admin/admin_client.h"
#include "base/clock.h"
#include "bench/pipeline_file.h"
#include "bench/stop.h"
#include "bench/world_kafka.h"
#include "checkpoint/files.h"

#define START_NS     (90 * NS_PER_S) /* a broker may hold back the group's first round */
#define STOP_NS      (60 * NS_PER_S)
#define POLL_US      5000
#define ENDING_TRIES 400
#define LOG_MAX      ((size_t)4 << 20)
#define LAST_WORDS   600 /* bytes of the log in a message */
#define ADDRESS_TEXT "metrics and status on http://127.0.0.1:"
#define LOADED_TEXT  "state of "
#define LOADED_IN    " in "
#define MOCK_WAIT_MS "10" /* the mock broker answers an empty fetch only after this time */

const char *bench_sink_name(enum bench_sink sink)
{
    static const char *const names[] = {
        [SINK_NONE] = "none", [SINK_FILE] = "file", [SINK_REDIS] = "redis"};

    return names[sink];
}

static int file_make(struct child *child, const struct child_options *options, struct err *err)
{
    struct world *world = child->world;
    char *state = text_make("%s/state", child->folder);
    char *rows = text_make("%s/rows.ndjson", child->folder);
    struct pipeline_ends ends = {
        .brokers = world->kafka.brokers,
        .group = world_group(world),
        .topics = options->topics,
        .session_timeout_ms = WORLD_SESSION_MS_TEXT,
        .fetch_wait_max_ms = world->embedded ? MOCK_WAIT_MS : NULL,
        .redis_key = world->redis_key,
        .output_file = options->sink == SINK_FILE ? rows : NULL,
        .state_dir = state,
        .checkpoint_every = options->checkpoint_every,
        .shards = options->shards,
    };
    struct buf text = {0};
    int error = folder_make(child->folder, err);

    if (options->sink == SINK_REDIS)
        ends.redis_url = options->redis_url ? options->redis_url : world->redis_url;
    if (!error)
        error = pipeline_file_adapt(world->plan, world->text, &ends, &text, err);
    if (!error)
        error = file_write(child->file, buf_slice(&text), err);
    buf_free(&text);
    free(state);
    free(rows);
    return error;
}

/* In the child: becomes the engine, and goes when the bench does. */
static void engine_exec(const struct child *child)
{
    int log = open(child->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setpgid(0, 0); /* Ctrl-C is for the bench, which then stops it */
    dup2(null, STDIN_FILENO);
    dup2(log, STDOUT_FILENO);
    dup2(log, STDERR_FILENO);
    execl("/proc/self/exe", "freshet", "run", child->file, (char *)NULL);
    _exit(127);
}

/* What it has said since this start. */
static void log_read(const struct child *child, struct buf *out)
{
    struct err err;

    buf_reset(out);
    if (file_read(child->log, LOG_MAX, out, &err))
        buf_reset(out);
    buf_consume(out, MIN((size_t)child->log_begin, out->len));
    buf_string(out);
}

static int died(struct child *child, const char *when, struct err *err)
{
    struct buf log = {0};

    log_read(child, &log);
    err_set(err, -ECHILD, "the engine under test %s; it said last:\n%s", when,
            log.data + (log.len > LAST_WORDS ? log.len - LAST_WORDS : 0));
    buf_free(&log);
    return -ECHILD;
}

static bool has_ended(struct child *child)
{
    int status;

    if (child->pid && waitpid(child->pid, &status, WNOHANG) == child->pid)
        child->pid = 0;
    return child->pid == 0;
}

double child_loaded_s(const struct child *child)
{
    struct buf log = {0};
    const char *line;
    double seconds = NAN;

    log_read(child, &log);
    line = strstr(log.data, LOADED_TEXT);
    line = line ? strstr(line, LOADED_IN) : NULL;
    if (line)
        seconds = strtod(line + strlen(LOADED_IN), NULL);
    buf_free(&log);
    return seconds;
}

static bool address_find(struct child *child)
{
    struct buf log = {0};
    const char *at;

    log_read(child, &log);
    at = strstr(log.data, ADDRESS_TEXT);
    if (at)
        child->admin.port = (uint16_t)strtoul(at + strlen(ADDRESS_TEXT), NULL, 10);
    buf_free(&log);
    return at != NULL;
}

int child_start_again(struct child *child, struct err *err)
{
    int64_t last_ns = clock_monotonic_ns() + START_NS;
    struct buf log = {0};

    child->log_begin = 0;
    log_read(child, &log);
    child->log_begin = (long)log.len;
    buf_free(&log);
    child->pid = fork();
    if (child->pid < 0) {
        child->pid = 0;
        return err_set(err, -errno, "cannot start a process: %s", strerror(errno));
    }
    if (child->pid == 0)
        engine_exec(child);
    while (!address_find(child)) {
        if (has_ended(child))
            return died(child, "ended at its start", err);
        if (bench_stop_wanted(err))
            return -EINTR;
        if (clock_monotonic_ns() > last_ns)
            return died(child, "does not start", err);
        usleep(POLL_US);
    }
    return 0;
}

int child_await_reading(struct child *child, struct err *err)
{
    int64_t last_ns = clock_monotonic_ns() + START_NS;

    for (;;) {
        char *phase;
        bool reads;
        int error = child_page(child, "/status", err);

        if (error)
            return error;
        phase = admin_member(buf_slice(&child->page), "phase");
        reads = strcmp(phase, "reading") == 0;
        free(phase);
        if (reads)
            return 0;
        if (clock_monotonic_ns() > last_ns)
            return died(child, "gets no partitions", err);
        usleep(POLL_US);
    }
}

int child_start(struct world *world, const struct child_options *options, struct child *ret,
                struct err *err)
{
    int error;

    *ret = (struct child){.world = world, .folder = world_path(world, "run")};
    ret->file = plan_printf(world->memory, "%s/pipeline.yaml", ret->folder);
    ret->log = plan_printf(world->memory, "%s/log", ret->folder);
    snprintf(ret->host, sizeof(ret->host), "127.0.0.1");
    ret->admin.host = ret->host;
    error = file_make(ret, options, err);
    if (!error)
        error = child_start_again(ret, err);
    if (error)
        child_done(ret);
    return error;
}

int child_page(struct child *child, const char *page, struct err *err)
{
    unsigned status;
    int error;

    if (bench_stop_wanted(err))
        return -EINTR;
    if (has_ended(child))
        return died(child, "ended by itself", err);
    error = admin_request(&child->admin, "GET", page, &status, &child->page, err);
    for (int i = 0; error && i < ENDING_TRIES && !has_ended(child); i++)
        usleep(POLL_US); /* it does not answer any more: it may just be ending */
    if (error)
        return child->pid ? error : died(child, "ended by itself", err);
    buf_string(&child->page);
    return status == 200 ? 0 : err_set(err, -EIO, "the engine answers %s with %u", page, status);
}

int child_sample(struct child *child, struct engine_sample *ret, struct err *err)
{
    int error = child_page(child, "/metrics", err);

    if (!error)
        sample_read(buf_slice(&child->page), ret);
    return error;
}

int child_stop(struct child *child, struct err *err)
{
    int64_t last_ns = clock_monotonic_ns() + STOP_NS;
    int status = 0;
    pid_t ended;

    if (!child->pid)
        return 0;
    kill(child->pid, SIGTERM);
    while ((ended = waitpid(child->pid, &status, WNOHANG)) == 0 && clock_monotonic_ns() < last_ns)
        usleep(POLL_US);
    if (ended == 0) {
        child_kill(child);
        return died(child, "does not stop", err);
    }
    child->pid = 0;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return died(child, "did not end well", err);
    return 0;
}

void child_kill(struct child *child)
{
    if (!child->pid)
        return;
    kill(child->pid, SIGKILL);
    waitpid(child->pid, NULL, 0);
    child->pid = 0;
}

void child_done(struct child *child)
{
    child_kill(child);
    buf_free(&child->page);
}
