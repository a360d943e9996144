/* bench - what the commands bench and plan share: their options, a bench, files. */
#ifndef FRESHET_CLI_BENCH_H
#define FRESHET_CLI_BENCH_H

#include "bench/bench.h"
#include "cli/cli.h"

/* Defaults, and what the options of `world_option` say. Returns 0 or an exit code. */
int bench_options_begin(const struct cli_args *args, struct bench_options *ret);

/* What is still 0 gets its default for this pipeline. */
void bench_options_finish(const struct plan *plan, struct bench_options *options);

/* Runs it with progress on stderr. Returns 0 or an exit code, with the reason on stderr. */
int bench_do(const struct plan *plan, const char *path, struct bench_options *options,
             struct plan_memory *memory, struct bench_report *ret,
             struct bench_outputs *ret_outputs);

/* A whole number from 1 to `max`. Says what is wrong with another, and returns false. */
bool bench_count(const char *option, const char *text, int64_t max, int64_t *ret);

#endif
