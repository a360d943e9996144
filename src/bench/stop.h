/* stop - SIGINT and SIGTERM end a bench at its next step, so that it can clear up behind it. */
#ifndef FRESHET_BENCH_STOP_H
#define FRESHET_BENCH_STOP_H

#include <stdbool.h>

#include "base/err.h"

/* From here on a signal is taken down; a second one ends the process at once. */
void bench_stop_install(void);

/* True after a signal, with the text for it; `err` may be NULL. */
bool bench_stop_wanted(struct err *err);

#endif
