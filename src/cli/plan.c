/* freshet plan: hosts, cores, memory for a load, from a report of freshet bench. */

#include <errno.h>
#include <unistd.h>

#include "bench/capacity.h"
#include "checkpoint/files.h"
#include "cli/bench.h"
#include "plan/value.h"

#define REPORT_BYTES_MAX ((size_t)1 << 20)
#define USERS_MAX        INT64_C(1000000000000)
#define RATE_MAX         INT64_C(1000000000)
#define CORES_MAX        4096
#define QUICK_STEPS      (1u << STEP_throughput | 1u << STEP_latency | 1u << STEP_recovery)
#define QUICK_FOLDER     "/tmp/freshet-plan-XXXXXX"

static bool size_take(const char *option, const char *text, double *ret)
{
    int64_t bytes;

    if (value_size(slice_of(text), &bytes, NULL) == 0 && bytes > 0) {
        *ret = (double)bytes;
        return true;
    }
    cli_error("%s takes a size: 64GiB", option);
    return false;
}

static bool wanted_take(const struct cli_args *args, struct bench_wanted *ret)
{
    const char *const *values = args->values;
    int64_t users;
    int64_t rate;
    int64_t cores = 0;
    double percent = 0;
    int64_t outage_ms = 0;

    if (!values[PLAN_USERS] || !values[PLAN_RATE]) {
        cli_error("how many? --users N and --rate N (events per second) have to be given");
        return false;
    }
    if (!bench_count("--users", values[PLAN_USERS], USERS_MAX, &users) ||
        !bench_count("--rate", values[PLAN_RATE], RATE_MAX, &rate) ||
        (values[PLAN_CORES] && !bench_count("--cores", values[PLAN_CORES], CORES_MAX, &cores)) ||
        (values[PLAN_MEMORY] &&
         !size_take("--memory", values[PLAN_MEMORY], &ret->memory_per_host_bytes)) ||
        (values[PLAN_REDIS_MEMORY] &&
         !size_take("--redis-memory", values[PLAN_REDIS_MEMORY], &ret->redis_node_bytes)))
        return false;
    if (values[PLAN_HEADROOM] && (value_double(slice_of(values[PLAN_HEADROOM]), &percent, NULL) ||
                                  percent < 1 || percent > 90)) {
        cli_error("--headroom takes a percentage from 1 to 90, not \"%s\"", values[PLAN_HEADROOM]);
        return false;
    }
    if (values[PLAN_OUTAGE] &&
        (value_duration(slice_of(values[PLAN_OUTAGE]), &outage_ms, NULL) || outage_ms <= 0)) {
        cli_error("--outage takes a duration: 10m, 1h");
        return false;
    }
    ret->users = (double)users;
    ret->events_per_s = (double)rate;
    ret->cores_per_host = (double)cores;
    ret->headroom = percent / 100;
    ret->outage_s = (double)outage_ms * 1e-3;
    return true;
}

static int report_load(const struct plan *plan, const char *path, struct plan_memory *memory,
                       struct bench_report *ret)
{
    struct buf json = {0};
    struct err err = {0};
    int error = file_read(path, REPORT_BYTES_MAX, &json, &err);

    if (!error) {
        error = report_read(buf_slice(&json), memory, ret, &err);
        if (error)
            err_prefix(&err, "%s", path);
    }
    buf_free(&json);
    if (!error && strcmp(ret->pipeline, plan->pipeline) != 0)
        error = err_set(&err, -EINVAL, "%s is of pipeline %s, not %s", path, ret->pipeline,
                        plan->pipeline);
    if (!error)
        return EXIT_DONE;
    cli_error("%s", err.text);
    return EXIT_FAILED;
}

/* Nothing of it stays but what it has found. Nobody expects load on the file's Kafka and Redis from
 * a question: they have to be named. */
static int report_make(const struct plan *plan, const char *path, struct bench_options *options,
                       struct plan_memory *memory, struct bench_report *ret)
{
    char folder[] = QUICK_FOLDER;
    struct bench_outputs outputs = {0};
    struct err err;
    int code;

    if (!mkdtemp(folder)) {
        cli_error("cannot make a folder in /tmp: %s", strerror(errno));
        return EXIT_FAILED;
    }
    if (!options->world.brokers && !options->world.redis)
        options->world.embedded = true;
    fprintf(stderr, "no --report: a quick bench first, %s; its figures are rough\n",
            options->world.embedded ? "with a mock broker and a redis-server of its own"
                                    : "on the Kafka and Redis that are named");
    options->quick = true;
    options->world.out = folder;
    options->steps = QUICK_STEPS;
    bench_options_finish(plan, options);
    options->sinks = 1u << (plan->redis.present ? SINK_REDIS
                            : plan->file_output ? SINK_FILE
                                                : SINK_NONE);
    code = bench_do(plan, path, options, memory, ret, &outputs);
    bench_outputs_free(&outputs);
    if (tree_remove(folder, &err))
        cli_error("%s", err.text);
    return code;
}

static int answer(const struct bench_report *report, const struct bench_wanted *wanted,
                  struct plan_memory *memory, bool as_json)
{
    struct bench_capacity capacity;
    struct buf out = {0};
    struct err err;

    if (capacity_plan(report, wanted, memory, &capacity, &err)) {
        cli_error("%s", err.text);
        return EXIT_FAILED;
    }
    if (as_json) {
        shape_write(&shape_capacity, &capacity, &out);
        buf_append_char(&out, '\n');
    } else {
        capacity_print(&capacity, &out);
    }
    fwrite(out.data, 1, out.len, stdout);
    buf_free(&out);
    return EXIT_DONE;
}

int command_plan(const struct cli_args *args)
{
    const char *report_path = args->values[PLAN_REPORT];
    struct bench_options options;
    struct bench_wanted wanted = {0};
    struct bench_report report;
    struct plan_memory *memory;
    struct plan *plan;
    int code = bench_options_begin(args, &options);

    if (!code && !wanted_take(args, &wanted))
        code = EXIT_USAGE;
    if (!code)
        code = cli_load_plan(args->positional[0], &plan);
    if (code)
        return code;
    memory = plan_memory_create();
    code = report_path ? report_load(plan, report_path, memory, &report)
                       : report_make(plan, args->positional[0], &options, memory, &report);
    if (!code)
        code = answer(&report, &wanted, memory, args->values[WORLD_JSON] != NULL);
    plan_memory_free(memory);
    plan_free(plan);
    return code;
}
