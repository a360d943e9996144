#include "base/failpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"

#define FAILPOINT_NAME(arg, name) name,

static const char *const names[] = {FAILPOINTS(FAILPOINT_NAME, )};

static _Atomic unsigned passes[ARRAY_LEN(names)];
static _Atomic unsigned asks[ARRAY_LEN(names)];
static _Atomic bool listed[ARRAY_LEN(names)];

static size_t number_of(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strcmp(names[i], name) == 0)
            return i;
    }
    UNREACHABLE();
}

static void list(size_t number)
{
    const char *path = getenv("FRESHET_FAILPOINT_LIST");
    char line[128];

    if (!path || atomic_exchange(&listed[number], true))
        return;
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    CHECK(fd >= 0);
    int len = snprintf(line, sizeof(line), "%s\n", names[number]);
    CHECK(write(fd, line, (size_t)len) == len);
    close(fd);
}

void failpoint_pass(const char *name)
{
    const char *wanted = getenv("FRESHET_FAILPOINT");
    size_t number = number_of(name);
    size_t len = strlen(name);
    unsigned pass = ++passes[number];

    list(number);
    if (!wanted || strncmp(wanted, name, len) != 0 || (wanted[len] && wanted[len] != ':'))
        return;
    if (wanted[len] == ':' && strtoul(wanted + len + 1, NULL, 10) != pass)
        return;
    kill(getpid(), SIGKILL);
    for (;;)
        pause(); /* nothing else happens before it arrives */
}

/* The errno of "name[:from[-to]]=ENOSPC", if that is what stands at `at` and `pass` is meant. */
static int error_at(const char *at, const char *name, unsigned pass)
{
    size_t len = strlen(name);
    unsigned long from = 1;
    unsigned long to = (unsigned long)-1;

    if (strncmp(at, name, len) != 0)
        return 0;
    at += len;
    if (*at == ':') {
        char *end;

        from = strtoul(at + 1, &end, 10);
        if (*end == '-')
            to = strtoul(end + 1, &end, 10);
        at = end;
    }
    if (*at != '=' || pass < from || pass > to)
        return 0;
    return strncmp(at + 1, "ENOSPC", 6) == 0 ? ENOSPC : EIO;
}

int failpoint_error(const char *name)
{
    const char *at = getenv("FRESHET_FAILPOINT_ERROR");
    size_t number = number_of(name);
    unsigned pass = ++asks[number];

    list(number);
    while (at) {
        int error = error_at(at, name, pass);

        if (error)
            return error;
        at = strchr(at, ',');
        at = at ? at + 1 : NULL;
    }
    return 0;
}
