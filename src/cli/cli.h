/* cli - the commands of the program: one table, from which parsing, help and tests come. */
#ifndef FRESHET_CLI_CLI_H
#define FRESHET_CLI_CLI_H

#include <stdbool.h>

#include "checkpoint/checkpoint.h"
#include "plan/plan.h"

enum exit_code {
    EXIT_DONE = 0,
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
    EXIT_BAD_PLAN = 78, /* EX_CONFIG: systemd need not try again */
};

/* An option of a command, without or with a value. */
struct cli_option {
    const char *name; /* "--bounded" */
    /* What help calls its value; NULL: it has none; "[…]": it may have one, behind '=' or, when all
     * positional arguments that there must be are there, as the next argument. */
    const char *value;
    const char *meaning;
};

#define CLI_OPTIONS_MAX 20

/* A command's arguments, taken apart. */
struct cli_args {
    const char **positional;
    int positional_count;
    const char *values[CLI_OPTIONS_MAX]; /* by option number: NULL if absent, "" without a value */
};

struct cli_command {
    const char *name;     /* "run"; "checkpoint ls": one of several that belong together */
    const char *synopsis; /* of its positional arguments */
    const char *summary;  /* one line */
    const char *details;  /* for its own help: what it does, examples */
    int positional_min;
    int positional_max; /* -1: any number */
    struct cli_option options[CLI_OPTIONS_MAX];
    int (*run)(const struct cli_args *args); /* returns an exit code */
};

/* Runs the command that the arguments name; returns the exit code. */
int cli_main(int argc, char **argv);

/* Loads a pipeline file; on failure says why on stderr and returns EXIT_BAD_PLAN. */
int cli_load_plan(const char *path, struct plan **ret);

/* Opens a checkpoint of the pipeline's state.dir, by id or savepoint's name. */
MUST_USE int cli_open_checkpoint(const struct plan *plan, const char *id, struct checkpoint **ret,
                                 struct err *err);

/* "freshet: …" on stderr. */
void cli_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

int command_run(const struct cli_args *args);
int command_check(const struct cli_args *args);
int command_checkpoint_ls(const struct cli_args *args);
int command_checkpoint_inspect(const struct cli_args *args);
int command_checkpoint_save(const struct cli_args *args);
int command_checkpoint_restore(const struct cli_args *args);
int command_get(const struct cli_args *args);
int command_demo(const struct cli_args *args);
int command_bench(const struct cli_args *args);
int command_plan(const struct cli_args *args);

enum run_option {
    RUN_BOUNDED,
    RUN_LOG_LEVEL,
    RUN_FRESH,
    RUN_FROM_CHECKPOINT,
};

enum check_option {
    CHECK_AGAINST,
    CHECK_JSON,
};

enum ls_option {
    LS_JSON,
    LS_VERIFY,
};

enum inspect_option {
    INSPECT_JSON,
};

enum save_option {
    SAVE_JSON,
};

enum get_option {
    GET_JSON,
};

enum demo_option {
    DEMO_SECONDS,
    DEMO_SHARDS,
    DEMO_RATE,
    DEMO_REDIS,
};

/* Those that both have; they stand first. */
enum world_option {
    WORLD_EMBEDDED,
    WORLD_BROKERS,
    WORLD_REDIS,
    WORLD_REDIS_SERVER,
    WORLD_SAMPLE,
    WORLD_JSON,
    WORLD_OPTIONS
};

enum bench_option {
    BENCH_QUICK = WORLD_OPTIONS,
    BENCH_OUT,
    BENCH_USERS,
    BENCH_EVENTS,
    BENCH_SPAN,
    BENCH_SHARDS,
    BENCH_SINKS,
    BENCH_RATES,
    BENCH_SECONDS,
    BENCH_LINGER,
    BENCH_PARTITIONS,
    BENCH_SLO,
    BENCH_STEPS_OPTION,
};

enum plan_option {
    PLAN_USERS = WORLD_OPTIONS,
    PLAN_RATE,
    PLAN_REPORT,
    PLAN_HEADROOM,
    PLAN_CORES,
    PLAN_MEMORY,
    PLAN_REDIS_MEMORY,
    PLAN_OUTAGE,
};

#endif
