/* host - the machine that a bench ran on, and how it is tuned. */
#ifndef FRESHET_BENCH_HOST_H
#define FRESHET_BENCH_HOST_H

#include "bench/report.h"

/* What the host does not tell stays null. */
void host_fill(struct plan_memory *memory, struct bench_host *ret);

#endif
