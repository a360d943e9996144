/* freshet bench: a report of what a host carries. */
#include "cli/bench.h"

#include <errno.h>
#include <sched.h>
#include <unistd.h>

#include "bench/page.h"
#include "checkpoint/files.h"
#include "plan/value.h"

#define OUT_DEFAULT    "freshet-bench"
#define FILE_BYTES_MAX ((size_t)1 << 20)
#define USERS_MAX      100000000
#define EVENTS_MAX     INT64_C(1000000000)
#define SECONDS_MAX    3600
#define PARTITIONS_MAX 1024
#define SHARDS_MAX     256
#define PERCENT_MAX    1000
#define MS_PER_S       1000

static const double rates_default[] = {10, 25, 50, 75, 90, 100, 110};
static const double rates_quick[] = {25, 50, 100};

/* --- options --- */

bool bench_count(const char *option, const char *text, int64_t max, int64_t *ret)
{
    if (value_int64(slice_of(text), ret, NULL) == 0 && *ret >= 1 && *ret <= max)
        return true;
    cli_error("%s takes a whole number from 1 to %lld, not \"%s\"", option, (long long)max, text);
    return false;
}

static bool number_take(const char *option, struct slice text, double max, double *ret)
{
    if (value_double(text, ret, NULL) == 0 && *ret > 0 && *ret <= max)
        return true;
    cli_error("%s takes numbers above 0 up to %g, not \"%.*s\"", option, max, SLICE_ARGS(text));
    return false;
}

/* The next of a list with commas; false at its end. */
static bool list_next(const char **list, struct slice *ret)
{
    const char *at = *list;

    if (!at)
        return false;
    *ret = (struct slice){at, strcspn(at, ",")};
    *list = at[ret->len] ? at + ret->len + 1 : NULL;
    return true;
}

static bool shards_take(const char *list, struct bench_options *options)
{
    struct slice one;

    while (list_next(&list, &one)) {
        int64_t number;

        if (value_int64(one, &number, NULL) || number < 1 || number > SHARDS_MAX ||
            options->shard_count == BENCH_SHARDS_MAX) {
            cli_error("--shards takes at most %d numbers from 1 to %d, with commas",
                      BENCH_SHARDS_MAX, SHARDS_MAX);
            return false;
        }
        options->shards[options->shard_count++] = (uint32_t)number;
    }
    return true;
}

static bool rates_take(const char *list, struct bench_options *options)
{
    struct slice one;

    while (list_next(&list, &one)) {
        double *rate = &options->percents[options->percent_count];

        if (options->percent_count == BENCH_RATES_MAX) {
            cli_error("--rates takes at most %d numbers", BENCH_RATES_MAX);
            return false;
        }
        if (!number_take("--rates", one, PERCENT_MAX, rate))
            return false;
        if (options->percent_count && rate[0] <= rate[-1]) {
            cli_error("--rates have to rise");
            return false;
        }
        options->percent_count++;
    }
    return true;
}

/* Names with commas into bits by their numbers. */
static bool names_take(const char *option, const char *list, const char *(*name_of)(unsigned),
                       unsigned count, unsigned *ret)
{
    struct slice one;

    *ret = 0;
    while (list_next(&list, &one)) {
        unsigned i = 0;

        while (i < count && !slice_equal(one, slice_of(name_of(i))))
            i++;
        if (i == count) {
            fprintf(stderr, "freshet: %s: \"%.*s\" is none of", option, SLICE_ARGS(one));
            for (i = 0; i < count; i++)
                fprintf(stderr, "%s %s", i ? "," : "", name_of(i));
            fputc('\n', stderr);
            return false;
        }
        *ret |= 1u << i;
    }
    return true;
}

static const char *sink_name(unsigned number)
{
    return bench_sink_name((enum bench_sink)number);
}

static const char *step_name(unsigned number)
{
    return bench_step_name((enum bench_step)number);
}

/* 0.5ms: durations of the pipeline file are whole ms, these need not be. */
static bool ms_take(struct slice text, double *ret)
{
    static const struct {
        const char *unit;
        double ms;
    } units[] = {{"us", 0.001}, {"ms", 1}, {"s", MS_PER_S}};

    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        size_t len = strlen(units[i].unit);
        struct slice number = {text.data, text.len - MIN(len, text.len)};

        if (text.len > len && memcmp(text.data + number.len, units[i].unit, len) == 0 &&
            value_double(number, ret, NULL) == 0 && *ret > 0) {
            *ret *= units[i].ms;
            return true;
        }
    }
    return false;
}

static bool slo_take(const char *list, struct bench_slo *slo)
{
    double *const values[] = {&slo->p50_ms, &slo->p99_ms, &slo->p999_ms};
    struct slice one;
    size_t count = 0;

    while (list_next(&list, &one)) {
        if (count == ARRAY_LEN(values) || !ms_take(one, values[count])) {
            count = 0;
            break;
        }
        count++;
    }
    if (count == ARRAY_LEN(values))
        return true;
    cli_error("--slo takes three durations, for p50, p99 and p99.9: 0.5ms,2ms,5ms");
    return false;
}

int bench_options_begin(const struct cli_args *args, struct bench_options *ret)
{
    const char *const *values = args->values;

    *ret = (struct bench_options){
        .world =
            {
                .embedded = values[WORLD_EMBEDDED] != NULL,
                .brokers = values[WORLD_BROKERS],
                .redis = values[WORLD_REDIS],
                .redis_server = values[WORLD_REDIS_SERVER] ? values[WORLD_REDIS_SERVER]
                                                           : "redis-server",
                .out = OUT_DEFAULT,
            },
        .sample = values[WORLD_SAMPLE],
        .slo = {.p50_ms = 0.5, .p99_ms = 2, .p999_ms = 5},
        .steps = (1u << STEP_COUNT) - 1,
        .sinks = (1u << SINK_COUNT) - 1,
    };
    if (ret->world.embedded && (ret->world.brokers || ret->world.redis)) {
        cli_error("--embedded excludes --brokers and --redis");
        return EXIT_USAGE;
    }
    if (!ret->world.embedded && values[WORLD_REDIS_SERVER]) {
        cli_error("--redis-server goes with --embedded");
        return EXIT_USAGE;
    }
    return 0;
}

/* Those of the command bench. */
static bool options_take(const struct cli_args *args, struct bench_options *options)
{
    const char *const *values = args->values;
    int64_t users = 0;
    int64_t events = 0;
    int64_t seconds = 0;
    int64_t partitions = 0;
    bool ok = true;

    options->quick = values[BENCH_QUICK] != NULL;
    if (values[BENCH_OUT])
        options->world.out = values[BENCH_OUT];
    if (values[BENCH_USERS])
        ok = ok && bench_count("--users", values[BENCH_USERS], USERS_MAX, &users);
    if (values[BENCH_EVENTS])
        ok = ok && bench_count("--events", values[BENCH_EVENTS], EVENTS_MAX, &events);
    if (values[BENCH_SECONDS])
        ok = ok && bench_count("--seconds", values[BENCH_SECONDS], SECONDS_MAX, &seconds);
    if (values[BENCH_PARTITIONS])
        ok = ok &&
             bench_count("--partitions", values[BENCH_PARTITIONS], PARTITIONS_MAX, &partitions);
    if (values[BENCH_SHARDS])
        ok = ok && shards_take(values[BENCH_SHARDS], options);
    if (values[BENCH_RATES])
        ok = ok && rates_take(values[BENCH_RATES], options);
    if (values[BENCH_SINKS])
        ok = ok &&
             names_take("--sinks", values[BENCH_SINKS], sink_name, SINK_COUNT, &options->sinks);
    if (values[BENCH_STEPS_OPTION])
        ok = ok && names_take("--steps", values[BENCH_STEPS_OPTION], step_name, STEP_COUNT,
                              &options->steps);
    if (values[BENCH_LINGER])
        ok = ok &&
             number_take("--linger", slice_of(values[BENCH_LINGER]), MS_PER_S, &options->linger_ms);
    if (values[BENCH_SLO])
        ok = ok && slo_take(values[BENCH_SLO], &options->slo);
    if (ok && values[BENCH_SPAN] &&
        (value_duration(slice_of(values[BENCH_SPAN]), &options->span_ms, NULL) ||
         options->span_ms < MS_PER_S || options->span_ms > PLAN_WINDOW_MAX_MS)) {
        cli_error("--span takes a duration from 1s on: 3h, 90m");
        ok = false;
    }
    options->users = (uint32_t)users;
    options->events = (uint64_t)events;
    options->seconds = (double)seconds;
    options->partitions = (uint32_t)partitions;
    return ok;
}

/* As the engine counts them: what the file says, or all processors but one. */
static uint32_t shards_of(const struct plan *plan)
{
    cpu_set_t set;
    int cores = sched_getaffinity(0, sizeof(set), &set) ? 1 : CPU_COUNT(&set);

    if (plan->engine.shards)
        return plan->engine.shards;
    return cores > 1 ? (uint32_t)cores - 1 : 1;
}

static void shards_default(const struct plan *plan, struct bench_options *options)
{
    uint32_t most = shards_of(plan);

    for (uint32_t shards = 1; shards < most && !options->quick; shards *= 2)
        options->shards[options->shard_count++] = shards;
    options->shards[options->shard_count++] = most;
}

static void rates_set(struct bench_options *options, const double *rates, size_t count)
{
    memcpy(options->percents, rates, count * sizeof(*rates));
    options->percent_count = (uint32_t)count;
}

void bench_options_finish(const struct plan *plan, struct bench_options *options)
{
    bool quick = options->quick;

    if (!options->users)
        options->users = quick ? 10000 : 50000;
    if (!options->events)
        options->events = quick ? 200000 : 1000000;
    if (!options->partitions)
        options->partitions = 16;
    if (options->linger_ms == 0)
        options->linger_ms = 2;
    if (!options->shard_count)
        shards_default(plan, options);
    if (!options->percent_count && quick)
        rates_set(options, rates_quick, ARRAY_LEN(rates_quick));
    else if (!options->percent_count)
        rates_set(options, rates_default, ARRAY_LEN(rates_default));
    if (!plan->redis.present)
        options->sinks &= ~(1u << SINK_REDIS);
}

/* --- the run --- */

static void on_progress(void *context, const char *text)
{
    (void)context;
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r\x1b[K%s", text);
    else
        fprintf(stderr, "%s\n", text);
}

int bench_do(const struct plan *plan, const char *path, struct bench_options *options,
             struct plan_memory *memory, struct bench_report *ret,
             struct bench_outputs *ret_outputs)
{
    struct buf text = {0};
    struct err err = {0};
    int error = file_read(path, FILE_BYTES_MAX, &text, &err);

    options->progress = on_progress;
    if (!error)
        error = folder_make_all(options->world.out, &err);
    if (!error)
        error = bench_run(plan, buf_slice(&text), options, memory, ret, ret_outputs, &err);
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r\x1b[K");
    buf_free(&text);
    if (!error)
        return EXIT_DONE;
    cli_error("%s", err.text);
    return EXIT_FAILED;
}

/* Writes or appends a file of the output folder. */
static int output_write(const char *folder, const char *name, const char *mode, struct slice text)
{
    char *path = text_make("%s/%s", folder, name);
    FILE *file = fopen(path, mode);
    bool wrong = !file || fwrite(text.data, 1, text.len, file) != text.len;

    if (file)
        wrong = fclose(file) || wrong;
    if (wrong)
        cli_error("cannot write %s: %s", path, strerror(errno));
    free(path);
    return wrong ? EXIT_FAILED : EXIT_DONE;
}

/* The page is made from the JSON, as it would be from the file. */
static int page_make(struct slice json, struct plan_memory *memory, struct buf *out)
{
    struct bench_report report;
    struct err err;

    if (report_read(json, memory, &report, &err)) {
        cli_error("%s", err.text);
        return EXIT_FAILED;
    }
    page_write(&report, out);
    return EXIT_DONE;
}

static int outputs_write(const struct bench_options *options, const struct bench_report *report,
                         const struct bench_outputs *outputs, struct plan_memory *memory,
                         bool as_json)
{
    const char *folder = options->world.out;
    struct buf json = {0};
    struct buf page = {0};
    struct buf text = {0};
    int code;

    report_write(report, &json);
    code = page_make(buf_slice(&json), memory, &page);
    if (!code)
        code = output_write(folder, "report.json", "w", buf_slice(&json));
    if (!code)
        code = output_write(folder, "report.html", "w", buf_slice(&page));
    if (!code && outputs->hdr_log.len)
        code = output_write(folder, "latency.hlog", "w", buf_slice(&outputs->hdr_log));
    if (!code)
        code = output_write(folder, "runs.ndjson", "a", buf_slice(&outputs->runs));
    if (!as_json)
        report_print(report, &text);
    fwrite(as_json ? json.data : text.data, 1, as_json ? json.len : text.len, stdout);
    if (!code)
        fprintf(stderr, "report: %s/report.html, report.json\n", folder);
    buf_free(&json);
    buf_free(&page);
    buf_free(&text);
    return code;
}

int command_bench(const struct cli_args *args)
{
    struct plan_memory *memory;
    struct bench_options options;
    struct bench_outputs outputs;
    struct bench_report report;
    struct plan *plan;
    int code = bench_options_begin(args, &options);

    if (!code && !options_take(args, &options))
        code = EXIT_USAGE;
    if (!code)
        code = cli_load_plan(args->positional[0], &plan);
    if (code)
        return code;
    memory = plan_memory_create();
    bench_options_finish(plan, &options);
    code = bench_do(plan, args->positional[0], &options, memory, &report, &outputs);
    if (!code)
        code = outputs_write(&options, &report, &outputs, memory, args->values[WORLD_JSON] != NULL);
    bench_outputs_free(&outputs);
    plan_memory_free(memory);
    plan_free(plan);
    return code;
}
