#include "bench/stop.h"

#include <errno.h>
#include <signal.h>

static volatile sig_atomic_t wanted;

static void on_signal(int number)
{
    (void)number;
    wanted = 1;
}

void bench_stop_install(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};

    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

bool bench_stop_wanted(struct err *err)
{
    if (wanted)
        err_set(err, -EINTR, "interrupted");
    return wanted;
}
