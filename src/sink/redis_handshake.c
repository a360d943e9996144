#include "sink/redis_handshake.h"

#include <hiredis/hiredis.h>

#define STEPS_MAX 4 /* with the NULL behind them */

static void append_command(struct buf *out, char *command, int len)
{
    CHECK(len > 0);
    buf_append(out, command, (size_t)len);
    redisFreeCommand(command);
}

void redis_handshake_append(const struct plan_redis *redis, struct buf *out)
{
    const char *password = redis->password ? redis->password : "";
    char *command;
    int len;

    if (redis->user) {
        len = redisFormatCommand(&command, "AUTH %s %s", redis->user, password);
        append_command(out, command, len);
    } else if (redis->password) {
        len = redisFormatCommand(&command, "AUTH %s", password);
        append_command(out, command, len);
    }
    if (redis->database) {
        len = redisFormatCommand(&command, "SELECT %u", redis->database);
        append_command(out, command, len);
    }
    len = redisFormatCommand(&command, "INFO server");
    append_command(out, command, len);
}

const char *redis_handshake_step(const struct plan_redis *redis, unsigned step)
{
    const char *steps[STEPS_MAX] = {NULL};
    unsigned count = 0;

    if (redis->user || redis->password)
        steps[count++] = "AUTH";
    if (redis->database)
        steps[count++] = "SELECT";
    steps[count] = "INFO";
    return steps[step];
}
