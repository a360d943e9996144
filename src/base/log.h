/* log - one line a message on stderr: time, level, text.
 *
 * Only cli, engine and shard log; libraries return errors or count outcomes. A line is written with
 * one write(2), so lines of several threads do not mix. */
#ifndef FRESHET_BASE_LOG_H
#define FRESHET_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/check.h"

enum log_level {
    LOG_DEBUG,
    LOG_INFO,
    LOG_WARN,
    LOG_ERROR,
};

void log_set_level(enum log_level level);

/* "debug", "info", "warn" or "error" into *ret; -EINVAL for another. */
MUST_USE int log_level_parse(const char *text, enum log_level *ret);

void log_write(enum log_level level, const char *format, ...) PRINTF_LIKE(2, 3);

#define log_debug(...) log_write(LOG_DEBUG, __VA_ARGS__)
#define log_info(...)  log_write(LOG_INFO, __VA_ARGS__)
#define log_warn(...)  log_write(LOG_WARN, __VA_ARGS__)
#define log_error(...) log_write(LOG_ERROR, __VA_ARGS__)

/* Lets one message through an interval and counts the others: one a place and thread. */
struct log_limit {
    int64_t next_ns;
    uint64_t held_back;
};

/* True if a message may be written now; *ret_held_back is then how many were not since the last. */
bool log_limit_pass(struct log_limit *limit, int64_t now_ns, int64_t interval_ns,
                    uint64_t *ret_held_back);

#endif
