#include "cli/cli.h"

#include <errno.h>
#include <stdarg.h>
#include <unistd.h>

/* Where a bench runs, with what: of bench and plan. */
#define WORLD_ROWS                                                                                 \
    [WORLD_EMBEDDED] = {"--embedded", NULL,                                                        \
                        "a mock broker and a redis-server of its own, nothing of yours"},          \
    [WORLD_BROKERS] = {"--brokers", "ADDRESSES", "Kafka (default: the pipeline file's)"},          \
    [WORLD_REDIS] = {"--redis", "URL", "Redis (default: the pipeline file's)"},                    \
    [WORLD_REDIS_SERVER] = {"--redis-server", "PATH",                                              \
                            "with --embedded: the program (default: redis-server from PATH)"},     \
    [WORLD_SAMPLE] = {"--sample", "FILE",                                                          \
                      "NDJSON of record values (default: made from the pipeline's fields)"},       \
    [WORLD_JSON] = {"--json", NULL, "one JSON document on stdout"}

static const struct cli_command commands[] = {
    {
        .name = "run",
        .synopsis = "FILE",
        .summary = "Run a pipeline until it is stopped",
        .details =
            "Reads events from Kafka, computes the pipeline's features and writes them to Redis\n"
            "and the outputs. SIGTERM or SIGINT: reads no more, writes what is computed, ends.\n"
            "\n"
            "Examples:\n"
            "  freshet run pipeline.yaml\n"
            "  freshet run pipeline.yaml --bounded     all that is in the topics now, then end\n"
            "  freshet run pipeline.yaml --from-checkpoint\n"
            "\n"
            "It goes on from the checkpoint that the group's committed offsets name. If they name\n"
            "none, or what is there does not fit, it says so and ends; these two flags go on:\n"
            "--fresh drops the state, --from-checkpoint takes it with its own offsets.\n",
        .positional_min = 1,
        .positional_max = 1,
        .options =
            {[RUN_BOUNDED] = {"--bounded", NULL,
                              "read to the end offsets seen at start, let time run out, end"},
             [RUN_LOG_LEVEL] = {"--log-level", "LEVEL", "debug, info (default), warn or error"},
             [RUN_FRESH] = {"--fresh", NULL,
                            "begin with empty state where the sources say, not where the group "
                            "left off"},
             [RUN_FROM_CHECKPOINT] = {"--from-checkpoint", "[ID|NAME]",
                                      "go on from this checkpoint or savepoint (default: the "
                                      "newest), whatever the group's offsets are"}},
        .run = command_run,
    },
    {
        .name = "check",
        .synopsis = "FILE",
        .summary = "Validate a pipeline file and print its plan",
        .details =
            "Says what is wrong with file, line and column, or prints what would run. With\n"
            "--against: which features would keep their state, start empty or be dropped if it\n"
            "went on from that checkpoint; exit code 1 if it could not. Connects to nothing.\n"
            "\n"
            "Examples:\n"
            "  freshet check pipeline.yaml\n"
            "  freshet check changed.yaml --against before-upgrade\n"
            "  freshet check changed.yaml --against /var/lib/freshet    the newest one there\n",
        .positional_min = 1,
        .positional_max = 1,
        .options = {[CHECK_AGAINST] = {"--against", "WHAT",
                                       "a checkpoint's id or folder, a savepoint's name, or a "
                                       "state.dir"},
                    [CHECK_JSON] = {"--json", NULL, "with --against: one JSON object"}},
        .run = command_check,
    },
    {
        .name = "checkpoint ls",
        .synopsis = "FILE",
        .summary = "List checkpoints and savepoints",
        .details =
            "Those in the pipeline's state.dir, newest first: of how many partitions the group's\n"
            "committed offsets name each, and what is wrong with it if something is.\n"
            "\n"
            "Examples:\n"
            "  freshet checkpoint ls pipeline.yaml\n"
            "  freshet checkpoint ls pipeline.yaml --json | jq -r 'select(.valid) | .id'\n",
        .positional_min = 1,
        .positional_max = 1,
        .options = {[LS_JSON] = {"--json", NULL, "one JSON object a line"},
                    [LS_VERIFY] = {"--verify", NULL, "read every file in full, not only its size"}},
        .run = command_checkpoint_ls,
    },
    {
        .name = "checkpoint inspect",
        .synopsis = "FILE ID|NAME",
        .summary = "Show what a checkpoint holds, and verify it",
        .details = "Prints its manifest and reads every file in full; exit code 1 if one is not "
                   "as\nit was written.\n"
                   "\n"
                   "Example:\n"
                   "  freshet checkpoint inspect pipeline.yaml before-upgrade\n",
        .positional_min = 2,
        .positional_max = 2,
        .options = {[INSPECT_JSON] = {"--json", NULL, "one JSON object"}},
        .run = command_checkpoint_inspect,
    },
    {
        .name = "checkpoint save",
        .synopsis = "FILE [NAME]",
        .summary = "Have the running engine make a savepoint",
        .details =
            "A savepoint is a checkpoint with a name that is kept until somebody removes its\n"
            "folder. Asks the engine at the pipeline's admin.listen, waits until the savepoint\n"
            "is in force and prints its id and where it is. Without NAME: savepoint-<UTC time>.\n"
            "\n"
            "Example:\n"
            "  freshet checkpoint save pipeline.yaml before-upgrade\n",
        .positional_min = 1,
        .positional_max = 2,
        .options = {[SAVE_JSON] = {"--json", NULL, "one JSON object"}},
        .run = command_checkpoint_save,
    },
    {
        .name = "checkpoint restore",
        .synopsis = "FILE ID|NAME",
        .summary = "Make the next run go on from a checkpoint",
        .details =
            "Verifies it, says what the pipeline file keeps of it, and commits its offsets for\n"
            "the group. The engine has to be stopped; Kafka counts it as a member until its\n"
            "session has timed out, and this waits for that. What was computed since is computed\n"
            "again: the output file is cut back, rows in the feature topic are there twice.\n"
            "\n"
            "Example:\n"
            "  freshet checkpoint restore pipeline.yaml before-upgrade\n",
        .positional_min = 2,
        .positional_max = 2,
        .run = command_checkpoint_restore,
    },
    {
        .name = "get",
        .synopsis = "FILE KEY...",
        .summary = "Show what the online store holds of some entity keys",
        .details = "Examples:\n"
                   "  freshet get pipeline.yaml user_7\n"
                   "  freshet get pipeline.yaml user_7 user_8 --json | jq .\n",
        .positional_min = 2,
        .positional_max = -1,
        .options = {[GET_JSON] = {"--json", NULL, "one JSON object a key and line"}},
        .run = command_get,
    },
    {
        .name = "demo",
        .synopsis = "",
        .summary = "Show a pipeline at work, with a broker and traffic of its own",
        .details =
            "Starts a Kafka broker inside the process (librdkafka's mock cluster), a private\n"
            "redis-server on a unix socket and a generator of user events, runs a pipeline over\n"
            "them and shows throughput, latency and one user's features changing. Leaves nothing\n"
            "behind.\n",
        .positional_min = 0,
        .positional_max = 0,
        .options = {[DEMO_SECONDS] = {"--seconds", "N", "how long (default 20)"},
                    [DEMO_SHARDS] = {"--shards", "N", "shards (default: CPUs less one)"},
                    [DEMO_RATE] = {"--rate", "N", "events per second (default 20000)"},
                    [DEMO_REDIS] = {"--redis-server", "PATH",
                                    "the program (default: redis-server from PATH)"}},
        .run = command_demo,
    },
    {
        .name = "bench",
        .synopsis = "FILE",
        .summary = "Measure what this host carries of a pipeline",
        .details =
            "Runs the pipeline under load: throughput by sink and shards, latency against load in\n"
            "an open loop, memory by keys, checkpoint stalls, recovery, twice the load, a slow\n"
            "Redis. Writes report.html, report.json, latency.hlog (HdrHistogram) and appends a "
            "line\n"
            "a run to runs.ndjson. On your Kafka and Redis it makes topics, groups and keys named\n"
            "freshet-bench-… and removes them; yours are not touched, but both are under load.\n"
            "docs/CAPACITY.md tells how to read it.\n"
            "\n"
            "Examples:\n"
            "  freshet bench pipeline.yaml --quick --embedded      a first look, in a minute\n"
            "  freshet bench pipeline.yaml --sample events.ndjson --users 1000000 --shards 1,2,4\n"
            "  freshet bench pipeline.yaml --steps latency --rates 50,60,70 --slo 0.5ms,2ms,5ms\n",
        .positional_min = 1,
        .positional_max = 1,
        .options =
            {WORLD_ROWS, [BENCH_QUICK] = {"--quick", NULL, "short runs: rough figures"},
             [BENCH_OUT] = {"--out", "FOLDER",
                            "for the report and the engines' state (default "
                            "freshet-bench)"},
             [BENCH_USERS] = {"--users", "N", "entity keys (default 50000; quick: 10000)"},
             [BENCH_EVENTS] = {"--events", "N",
                               "of a throughput run (default 1000000; quick: 200000)"},
             [BENCH_SPAN] = {"--span", "DURATION",
                             "event time of these (default: the longest window, up to 24h)"},
             [BENCH_SHARDS] = {"--shards", "LIST",
                               "numbers of shards (default: 1, 2, 4, … up to the file's)"},
             [BENCH_SINKS] = {"--sinks", "LIST", "none, file, redis (default: all)"},
             [BENCH_RATES] = {"--rates", "LIST",
                              "% of saturation (default 10,25,50,75,90,100,110; quick: "
                              "25,50,100)"},
             [BENCH_SECONDS] = {"--seconds", "N",
                                "of each rate and trouble (default 15; quick: 3)"},
             [BENCH_LINGER] = {"--linger", "MS",
                               "the load's linger.ms in latency runs (default 2)"},
             [BENCH_PARTITIONS] = {"--partitions", "N",
                                   "of a topic in throughput runs (default 16)"},
             [BENCH_SLO] = {"--slo", "P50,P99,P99.9",
                            "fetched to acknowledged by Redis (default 0.5ms,2ms,5ms)"},
             [BENCH_STEPS_OPTION] = {"--steps", "LIST",
                                     "throughput, latency, checkpoints, recovery, overload, "
                                     "slow_redis (default: all)"}},
        .run = command_bench,
    },
    {
        .name = "plan",
        .synopsis = "FILE",
        .summary = "Say how many hosts, and of what size, a load needs",
        .details =
            "Hosts, cores, memory, Redis nodes and network for --users and --rate, each with its\n"
            "arithmetic, from what freshet bench has measured: --report names its report.json.\n"
            "Without one a quick bench is run first, with a mock broker and a redis-server of its\n"
            "own unless --brokers or --redis name others.\n"
            "\n"
            "Examples:\n"
            "  freshet plan pipeline.yaml --users 5000000 --rate 200000 --report "
            "freshet-bench/report.json\n"
            "  freshet plan pipeline.yaml --users 100000 --rate 5000       roughly\n",
        .positional_min = 1,
        .positional_max = 1,
        .options = {WORLD_ROWS, [PLAN_USERS] = {"--users", "N", "entity keys"},
                    [PLAN_RATE] = {"--rate", "N", "events per second"},
                    [PLAN_REPORT] = {"--report", "FILE", "report.json of freshet bench"},
                    [PLAN_HEADROOM] = {"--headroom", "PERCENT",
                                       "of cores and memory to stay free (default 40)"},
                    [PLAN_CORES] = {"--cores", "N",
                                    "of a host (default: those of the host that was measured)"},
                    [PLAN_MEMORY] = {"--memory", "SIZE", "of a host (default: the same)"},
                    [PLAN_REDIS_MEMORY] = {"--redis-memory", "SIZE",
                                           "of a Redis node (default 16GiB)"},
                    [PLAN_OUTAGE] = {"--outage", "DURATION", "to be caught up with (default 10m)"}},
        .run = command_plan,
    },
};

void cli_error(const char *format, ...)
{
    va_list args;

    fprintf(stderr, "freshet: ");
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

int cli_load_plan(const char *path, struct plan **ret)
{
    struct buf messages = {0};
    int error = plan_load(path, ret, &messages);

    if (error)
        fprintf(stderr, "%s%s", buf_string(&messages),
                messages.len && messages.data[messages.len - 1] == '\n' ? "" : "\n");
    buf_free(&messages);
    return error ? EXIT_BAD_PLAN : EXIT_DONE;
}

static void command_print(const struct cli_command *command, FILE *out)
{
    fprintf(out, "  %-18s %-12s %s\n", command->name, command->synopsis, command->summary);
}

static void usage(FILE *out)
{
    fprintf(out,
            "freshet computes event-time windowed features from Kafka events and keeps them in "
            "Redis.\n\nUsage: freshet COMMAND [ARGUMENTS]\n\nCommands:\n");
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        command_print(&commands[i], out);
    fprintf(out, "\nExamples:\n"
                 "  freshet demo\n"
                 "  freshet check pipeline.yaml\n"
                 "  freshet run pipeline.yaml\n"
                 "\n'freshet COMMAND --help' tells more; 'freshet --version' the version.\n"
                 "Exit codes: 0 done, 1 failed, 2 wrong usage, 78 bad pipeline file.\n");
}

static void command_usage(const struct cli_command *command, FILE *out)
{
    fprintf(out, "%s.\n\nUsage: freshet %s%s%s%s\n", command->summary, command->name,
            *command->synopsis ? " " : "", command->synopsis,
            command->options[0].name ? " [OPTIONS]" : "");
    if (command->options[0].name)
        fprintf(out, "\nOptions:\n");
    for (int i = 0; i < CLI_OPTIONS_MAX && command->options[i].name; i++) {
        const struct cli_option *option = &command->options[i];
        char spelled[64];

        snprintf(spelled, sizeof(spelled), "%s%s%s", option->name, option->value ? " " : "",
                 option->value ? option->value : "");
        fprintf(out, "  %-27s %s\n", spelled, option->meaning);
    }
    fprintf(out, "\n%s", command->details);
}

static int usage_error(const struct cli_command *command, const char *what, const char *which)
{
    cli_error("%s%s%s", what, which ? " " : "", which ? which : "");
    fprintf(stderr, "Try 'freshet %s%s--help'.\n", command ? command->name : "",
            command ? " " : "");
    return EXIT_USAGE;
}

/* The number of the option that the argument names, as "--name" or "--name=value"; or -1. */
static int option_named(const struct cli_command *command, const char *argument)
{
    size_t len = strcspn(argument, "=");

    for (int i = 0; i < CLI_OPTIONS_MAX && command->options[i].name; i++) {
        if (strlen(command->options[i].name) == len &&
            strncmp(command->options[i].name, argument, len) == 0)
            return i;
    }
    return -1;
}

/* Takes the option at argv[*at], and its value. Returns 0 or an exit code. */
static int option_take(const struct cli_command *command, int argc, char **argv, int *at,
                       struct cli_args *args)
{
    const char *equals = strchr(argv[*at], '=');
    int number = option_named(command, argv[*at]);

    if (number < 0)
        return usage_error(command, "unknown option", argv[*at]);
    if (!command->options[number].value) {
        if (equals)
            return usage_error(command, "this option has no value:", argv[*at]);
        args->values[number] = "";
        return 0;
    }
    if (equals) {
        args->values[number] = equals + 1;
        return 0;
    }
    if (command->options[number].value[0] == '[') {
        bool is_given = *at + 1 < argc && argv[*at + 1][0] != '-' &&
                        args->positional_count >= command->positional_min;

        args->values[number] = is_given ? argv[++*at] : "";
        return 0;
    }
    if (*at + 1 == argc)
        return usage_error(command, "a value is missing behind", argv[*at]);
    args->values[number] = argv[++*at];
    return 0;
}

static int command_start(const struct cli_command *command, int argc, char **argv)
{
    struct cli_args args = {.positional = calloc((size_t)argc + 1, sizeof(char *))};
    bool options_end = false;
    int code = 0;

    CHECK(args.positional);
    for (int i = 0; i < argc && !code; i++) {
        if (!options_end && (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)) {
            command_usage(command, stdout);
            free(args.positional);
            return EXIT_DONE;
        }
        if (!options_end && strcmp(argv[i], "--") == 0)
            options_end = true;
        else if (!options_end && argv[i][0] == '-' && argv[i][1] != '\0')
            code = option_take(command, argc, argv, &i, &args);
        else
            args.positional[args.positional_count++] = argv[i];
    }
    if (!code && args.positional_count < command->positional_min)
        code = usage_error(command, "missing:", command->synopsis);
    if (!code && command->positional_max >= 0 && args.positional_count > command->positional_max)
        code = usage_error(command,
                           "unexpected argument:", args.positional[command->positional_max]);
    if (!code)
        code = command->run(&args);
    free(args.positional);
    return code;
}

/* How many arguments name the command; 0: they don't. */
static int words_matched(const struct cli_command *command, int argc, char **argv)
{
    const char *name = command->name;
    int words = 0;

    while (words < argc) {
        size_t len = strlen(argv[words]);

        if (strncmp(name, argv[words], len) != 0)
            return 0;
        words++;
        if (name[len] == '\0')
            return words;
        if (name[len] != ' ')
            return 0;
        name += len + 1;
    }
    return 0;
}

/* Whether commands of two words begin with it. */
static bool is_family(const char *name)
{
    size_t len = strlen(name);

    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        if (strncmp(commands[i].name, name, len) == 0 && commands[i].name[len] == ' ')
            return true;
    }
    return false;
}

static void family_usage(const char *name, FILE *out)
{
    size_t len = strlen(name);

    fprintf(out, "Usage: freshet %s COMMAND [ARGUMENTS]\n\nCommands:\n", name);
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        if (strncmp(commands[i].name, name, len) == 0 && commands[i].name[len] == ' ')
            command_print(&commands[i], out);
    }
    fprintf(out, "\n'freshet %s COMMAND --help' tells more.\n", name);
}

/* The first word of several commands, without a second one that makes one of them. */
static int family_start(const char *name, const char *second)
{
    if (second && (strcmp(second, "--help") == 0 || strcmp(second, "-h") == 0)) {
        family_usage(name, stdout);
        return EXIT_DONE;
    }
    if (second)
        cli_error("no such command: %s %s", name, second);
    family_usage(name, stderr);
    return EXIT_USAGE;
}

int cli_main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : NULL;

    if (!name) {
        usage(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        usage(stdout);
        return EXIT_DONE;
    }
    if (strcmp(name, "--version") == 0 || strcmp(name, "version") == 0) {
        printf("freshet %s\n", FRESHET_VERSION);
        return EXIT_DONE;
    }
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        int words = words_matched(&commands[i], argc - 1, argv + 1);

        if (words > 0)
            return command_start(&commands[i], argc - 1 - words, argv + 1 + words);
    }
    if (is_family(name))
        return family_start(name, argc > 2 ? argv[2] : NULL);
    return usage_error(NULL, "no such command:", name);
}
