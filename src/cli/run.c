/* freshet run: an engine with its admin interface, until a signal or the end of a bounded run. */

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <unistd.h>

#include "admin/report.h"
#include "admin/server.h"
#include "base/clock.h"
#include "base/log.h"
#include "cli/cli.h"

#define PROGRESS_LOG_TICKS 10 /* seconds between progress lines when nobody watches */

static struct engine *running; /* for the signal handler */

struct runner {
    const struct plan *plan;
    struct admin_server *admin;
    bool bounded;
    bool fresh;
    const char *from_checkpoint; /* or NULL */
    bool is_watched;             /* stderr is a terminal */
    unsigned ticks;
};

static void on_signal(int number)
{
    (void)number;
    if (running)
        engine_stop(running);
}

/* The first signal drains; by SA_RESETHAND the second one ends the process at once. */
static void signals_install(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};

    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static void progress_show(struct runner *runner, const struct engine *engine)
{
    uint64_t done;
    uint64_t all;

    engine_progress(engine, &done, &all);
    if (all == 0)
        return;
    if (runner->is_watched)
        fprintf(stderr, "\r%" PRIu64 " of %" PRIu64 " records (%.0f %%) ", done, all,
                100.0 * (double)done / (double)all);
    else if (runner->ticks % PROGRESS_LOG_TICKS == 0)
        log_info("%" PRIu64 " of %" PRIu64 " records", done, all);
}

static void on_tick(void *context, struct engine *engine)
{
    struct runner *runner = context;

    runner->ticks++;
    admin_server_tick(runner->admin);
    if (runner->bounded)
        progress_show(runner, engine);
}

/* A taken default address is no reason not to run; one that the file names is. */
static int admin_start(struct runner *runner, struct engine *engine, struct err *err)
{
    int error = admin_server_start(runner->plan, engine, &runner->admin, err);

    if (error == -EADDRINUSE && !runner->plan->admin.written) {
        log_warn("%s; running without metrics", err->text);
        return 0;
    }
    if (!error)
        log_info("metrics and status on http://%s:%u", runner->plan->admin.host,
                 admin_server_port(runner->admin));
    return error;
}

static void summary_log(const struct engine *engine)
{
    struct totals totals;
    double seconds = (double)(clock_monotonic_ns() - engine_started_ns(engine)) * 1e-9;

    report_totals(engine, &totals);
    log_info("done: %" PRIu64 " records, %" PRIu64 " events, %" PRIu64 " dead letters, %" PRIu64
             " late, %" PRIu64 " rows, %" PRIu64 " Redis writes in %.2f s, %.3f s of CPU",
             totals.records, totals.events, totals.dead_letters, totals.late, totals.rows,
             totals.redis_writes, seconds, (double)engine_cpu_ns(engine) * 1e-9);
}

static int pipeline_run(struct runner *runner)
{
    struct engine_options options = {
        .bounded = runner->bounded,
        .fresh = runner->fresh,
        .from_checkpoint = runner->from_checkpoint,
        .tick = on_tick,
        .context = runner,
    };
    struct engine *engine;
    struct err err = {0};
    int error = engine_create(runner->plan, &options, &engine, &err);

    if (error) {
        cli_error("%s", err.text);
        return EXIT_FAILED;
    }
    running = engine;
    signals_install();
    log_info("freshet %s runs %s on %u shards", FRESHET_VERSION, runner->plan->pipeline,
             engine_fleet(engine)->shard_count);
    error = admin_start(runner, engine, &err);
    if (!error)
        error = engine_run(engine, &err);
    if (runner->is_watched && runner->bounded)
        fputc('\n', stderr);
    if (error)
        cli_error("%s", err.text);
    else
        summary_log(engine);
    admin_server_stop(runner->admin);
    running = NULL;
    engine_free(engine);
    return error ? EXIT_FAILED : EXIT_DONE;
}

int command_run(const struct cli_args *args)
{
    struct runner runner = {
        .bounded = args->values[RUN_BOUNDED] != NULL,
        .fresh = args->values[RUN_FRESH] != NULL,
        .from_checkpoint = args->values[RUN_FROM_CHECKPOINT],
        .is_watched = isatty(STDERR_FILENO),
    };
    enum log_level level = LOG_INFO;
    struct plan *plan;
    int code;

    if (args->values[RUN_LOG_LEVEL] && log_level_parse(args->values[RUN_LOG_LEVEL], &level)) {
        cli_error("--log-level is debug, info, warn or error, not \"%s\"",
                  args->values[RUN_LOG_LEVEL]);
        return EXIT_USAGE;
    }
    if (runner.fresh && runner.from_checkpoint) {
        cli_error("--fresh and --from-checkpoint exclude each other");
        return EXIT_USAGE;
    }
    log_set_level(level);
    code = cli_load_plan(args->positional[0], &plan);
    if (code)
        return code;
    runner.plan = plan;
    code = pipeline_run(&runner);
    plan_free(plan);
    return code;
}
