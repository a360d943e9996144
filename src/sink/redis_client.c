#include "sink/redis_client.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <signal.h>
#include <time.h>

#include "sink/redis_reply.h"

static int explain_connection(const redisContext *context, struct err *err)
{
    int error = context->err == REDIS_ERR_IO && errno ? -errno : -EHOSTUNREACH;

    if (error == -EAGAIN)
        return err_set(err, -ETIMEDOUT, "no answer in time; is Redis overloaded or stopped?");
    return err_set(err, error, "%s; is Redis running, and is this the right address?",
                   context->errstr);
}

static int explain_reply(const char *command, struct slice text, struct err *err)
{
    const char *advice;

    switch (redis_error_of(text)) {
    case REDIS_ERROR_TEMPORARY:
        advice = "Redis is not ready to be written to; try again later";
        break;
    case REDIS_ERROR_ACCESS:
        advice =
            "check the user and password in the URL; the user needs the commands auth, select, "
            "info, ping, hset, hdel, expire and pexpire on the keys that are written";
        break;
    default:
        advice = "check the URL";
        break;
    }
    return err_set(err, -EACCES, "%s is answered with %.*s; %s", command, SLICE_ARGS(text), advice);
}

/* Frees the reply. *ret_cluster, if wanted: whether INFO tells of cluster mode. */
static int judge(redisContext *context, redisReply *reply, const char *command, bool *ret_cluster,
                 struct err *err)
{
    int rc = 0;

    if (!reply)
        return explain_connection(context, err);
    struct slice text = {reply->str, reply->str ? reply->len : 0};

    if (reply->type == REDIS_REPLY_ERROR)
        rc = explain_reply(command, text, err);
    else if (ret_cluster)
        *ret_cluster = slice_equal(redis_info_value(text, "redis_mode"), SLICE_LITERAL("cluster"));
    freeReplyObject(reply);
    return rc;
}

static int converse(redisContext *context, const struct plan_redis *redis, struct err *err)
{
    const char *password = redis->password ? redis->password : "";
    int rc = 0;

    if (redis->user)
        rc = judge(context, redisCommand(context, "AUTH %s %s", redis->user, password), "AUTH",
                   NULL, err);
    else if (redis->password)
        rc = judge(context, redisCommand(context, "AUTH %s", password), "AUTH", NULL, err);
    if (rc == 0 && redis->database)
        rc = judge(context, redisCommand(context, "SELECT %u", redis->database), "SELECT", NULL,
                   err);
    if (rc == 0)
        rc = judge(context, redisCommand(context, "PING"), "PING", NULL, err);
    return rc;
}

static int client_open(const struct plan_redis *redis, int64_t timeout_ms, redisContext **ret,
                       struct err *err)
{
    struct timeval timeout = {timeout_ms / 1000, timeout_ms % 1000 * 1000};
    redisContext *context;
    int rc;

    errno = 0;
    context = redis->scheme == REDIS_UNIX
                  ? redisConnectUnixWithTimeout(redis->path, timeout)
                  : redisConnectWithTimeout(redis->host, redis->port, timeout);
    CHECK(context);
    if (context->err || redisSetTimeout(context, timeout) != REDIS_OK)
        rc = explain_connection(context, err);
    else
        rc = converse(context, redis, err);
    if (rc < 0)
        redisFree(context);
    else
        *ret = context;
    return rc;
}

static int check_mode(redisContext *context, struct err *err)
{
    bool cluster = false;
    int rc = judge(context, redisCommand(context, "INFO server"), "INFO", &cluster, err);

    if (rc == 0 && cluster)
        rc = err_set(err, -ENOTSUP, "this Redis runs in cluster mode, which is not supported");
    return rc;
}

/* hiredis writes with write(2): should Redis hang up first, that is an error, not the end. */
static void pipe_signal_block(sigset_t *ret_before)
{
    sigset_t pipe_signal;

    sigemptyset(&pipe_signal);
    sigaddset(&pipe_signal, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_signal, ret_before);
}

static void pipe_signal_restore(const sigset_t *before)
{
    const struct timespec no_wait = {0};
    sigset_t pipe_signal;

    sigemptyset(&pipe_signal);
    sigaddset(&pipe_signal, SIGPIPE);
    if (!sigismember(before, SIGPIPE)) {
        while (sigtimedwait(&pipe_signal, NULL, &no_wait) > 0)
            ;
    }
    pthread_sigmask(SIG_SETMASK, before, NULL);
}

int redis_client_open(const struct plan_redis *redis, int64_t timeout_ms, redisContext **ret,
                      struct err *err)
{
    sigset_t before;

    pipe_signal_block(&before);
    int rc = client_open(redis, timeout_ms, ret, err);
    pipe_signal_restore(&before);
    if (rc < 0)
        err_prefix(err, "redis %s", redis->url_text);
    return rc;
}

int redis_probe(const struct plan_redis *redis, int64_t timeout_ms, struct err *err)
{
    redisContext *context;
    sigset_t before;
    int rc = redis_client_open(redis, timeout_ms, &context, err);

    if (rc < 0)
        return rc;
    pipe_signal_block(&before);
    rc = check_mode(context, err);
    pipe_signal_restore(&before);
    redisFree(context);
    if (rc < 0)
        err_prefix(err, "redis %s", redis->url_text);
    return rc;
}
