#include "base/clock.h"

#include <time.h>

static int64_t now_ns(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return now.tv_sec * NS_PER_S + now.tv_nsec;
}

int64_t clock_monotonic_ns(void)
{
    return now_ns(CLOCK_MONOTONIC);
}

int64_t clock_boottime_ns(void)
{
    return now_ns(CLOCK_BOOTTIME);
}

int64_t clock_realtime_ms(void)
{
    return now_ns(CLOCK_REALTIME) / NS_PER_MS;
}

int64_t clock_thread_cpu_ns(void)
{
    return now_ns(CLOCK_THREAD_CPUTIME_ID);
}

int64_t clock_process_cpu_ns(void)
{
    return now_ns(CLOCK_PROCESS_CPUTIME_ID);
}
