#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

static const char *const level_names[] = {"debug", "info", "warn", "error"};

static _Atomic int lowest_level = LOG_INFO;

void log_set_level(enum log_level level)
{
    atomic_store_explicit(&lowest_level, (int)level, memory_order_relaxed);
}

int log_level_parse(const char *text, enum log_level *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(level_names); i++) {
        if (strcasecmp(text, level_names[i]) == 0) {
            *ret = (enum log_level)i;
            return 0;
        }
    }
    return -EINVAL;
}

void log_write(enum log_level level, const char *format, ...)
{
    char line[2048];
    struct timespec now;
    struct tm utc;
    va_list args;

    if ((int)level < atomic_load_explicit(&lowest_level, memory_order_relaxed))
        return;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);

    size_t len = strftime(line, sizeof(line), "%Y-%m-%dT%H:%M:%S", &utc);
    len += (size_t)snprintf(line + len, sizeof(line) - len, ".%03ldZ %-5s ", now.tv_nsec / 1000000,
                            level_names[level]);
    va_start(args, format);
    vsnprintf(line + len, sizeof(line) - len - 1, format, args);
    va_end(args);
    len = strlen(line);
    line[len++] = '\n';

    ssize_t written = write(STDERR_FILENO, line, len);
    (void)written; /* nowhere left to complain */
}

bool log_limit_pass(struct log_limit *limit, int64_t now_ns, int64_t interval_ns,
                    uint64_t *ret_held_back)
{
    if (now_ns < limit->next_ns) {
        limit->held_back++;
        return false;
    }
    *ret_held_back = limit->held_back;
    limit->held_back = 0;
    limit->next_ns = now_ns + interval_ns;
    return true;
}
