/* clock - the clocks, by what they are for.
 *
 * Event time never comes from here. The core (aggregate, window, state, view) may not call it. */
#ifndef FRESHET_BASE_CLOCK_H
#define FRESHET_BASE_CLOCK_H

#include <stdint.h>

#define NS_PER_US INT64_C(1000)
#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S  INT64_C(1000000000)

int64_t clock_monotonic_ns(void);  /* intervals, time-outs */
int64_t clock_boottime_ns(void);   /* the same, and goes on while the host is suspended */
int64_t clock_realtime_ms(void);   /* since the epoch: what Kafka timestamps and computed_at mean */
int64_t clock_thread_cpu_ns(void); /* CPU used by the calling thread, user and system */
int64_t clock_process_cpu_ns(void);

#endif
