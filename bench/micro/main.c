/* Runs the table of small benches (micro.h).
 *
 *   bench_micro list                  names, each with `recorded`, or why it is not
 *   bench_micro versions              what instruction counts depend on, other than the source
 *   bench_micro time [NAME…]          per operation: ns of CPU time, allocations, bytes of these
 *   bench_micro count [NAME…]         under valgrind --tool=callgrind --instr-atstart=no
 *                                     --collect-atstart=no: a dump for each, with its name
 *
 * `count` runs each bench in a process of its own, so that none depends on those before it.
 * Allocations are those of freshet's own code: the linker puts the functions below around the
 * allocator's. bench/micro.py makes the tables. */
#include <fnmatch.h>
#include <gnu/libc-version.h>
#include <jemalloc/jemalloc.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/clock.h"
#include "micro.h"

#if __has_include(<valgrind/callgrind.h>)
#include <valgrind/callgrind.h>
#define HAS_CALLGRIND true
#else
#define CALLGRIND_START_INSTRUMENTATION
#define CALLGRIND_STOP_INSTRUMENTATION
#define CALLGRIND_TOGGLE_COLLECT
#define CALLGRIND_DUMP_STATS_AT(name)
#define HAS_CALLGRIND false
#endif

#define WARM_RUNS 3
#define REPEATS   7
#define REPEAT_NS INT64_C(20000000) /* at least, of a repeat's runs */
#define RUNS_MAX  100000            /* of a repeat */

static const struct micro_table *const tables[] = {&micro_base, &micro_core, &micro_cells,
                                                   &micro_sinks};

static uint64_t allocations;
static uint64_t allocated_bytes;

static inline void count_allocation(size_t size)
{
    allocations++;
    allocated_bytes += size;
}

/* linked with --wrap */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__real_mallocx(size_t size, int flags);
void *__real_rallocx(void *memory, size_t size, int flags);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
void *__wrap_mallocx(size_t size, int flags);
void *__wrap_rallocx(void *memory, size_t size, int flags);

void *__wrap_malloc(size_t size)
{
    count_allocation(size);
    return __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    count_allocation(count * size);
    return __real_calloc(count, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
    count_allocation(size);
    return __real_realloc(memory, size);
}

void *__wrap_mallocx(size_t size, int flags)
{
    count_allocation(size);
    return __real_mallocx(size, flags);
}

void *__wrap_rallocx(void *memory, size_t size, int flags)
{
    count_allocation(size);
    return __real_rallocx(memory, size, flags);
}

void *micro_calloc(size_t size)
{
    void *memory = calloc(1, size);

    CHECK(memory);
    return memory;
}

static struct plan *plan_or_exit(int error, struct plan *plan, struct buf *messages)
{
    if (error) {
        fprintf(stderr, "%s", buf_string(messages));
        exit(2);
    }
    buf_free(messages);
    return plan;
}

struct plan *micro_plan(struct slice text)
{
    struct buf messages = {0};
    struct plan *plan = NULL;
    int error = plan_parse("bench.yaml", text, &plan, &messages);

    return plan_or_exit(error, plan, &messages);
}

struct plan *micro_example(const char *name)
{
    struct buf path = {0};
    struct buf messages = {0};
    struct plan *plan = NULL;

    buf_printf(&path, "%s/examples/%s.yaml", FRESHET_SOURCE_DIR, name);
    int error = plan_load(buf_string(&path), &plan, &messages);

    buf_free(&path);
    return plan_or_exit(error, plan, &messages);
}

static void run_prepared(const struct micro *bench, void *state)
{
    if (bench->prepare)
        bench->prepare(state);
    bench->run(state);
}

static void *begin_warm(const struct micro *bench)
{
    void *state = bench->begin(bench);

    for (int i = 0; i < WARM_RUNS; i++)
        run_prepared(bench, state);
    return state;
}

static void count(const struct micro *bench)
{
    void *state = begin_warm(bench);

    CALLGRIND_START_INSTRUMENTATION;
    for (uint32_t i = 0; i < bench->runs; i++) {
        if (bench->prepare)
            bench->prepare(state);
        CALLGRIND_TOGGLE_COLLECT;
        bench->run(state);
        CALLGRIND_TOGGLE_COLLECT;
    }
    CALLGRIND_STOP_INSTRUMENTATION;
    CALLGRIND_DUMP_STATS_AT(bench->name);
    printf("%s %llu\n", bench->name, (unsigned long long)bench->runs * bench->batch);
    bench->end(state);
}

static void count_in_child(const struct micro *bench)
{
    int status;

    fflush(stdout);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        count(bench);
        exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child);
    if (status != 0) {
        fprintf(stderr, "bench_micro: %s ended with status %d\n", bench->name, status);
        exit(1);
    }
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return (x > y) - (x < y);
}

static double repeat_ns(const struct micro *bench, void *state, uint64_t *ret_operations)
{
    int64_t spent_ns = 0;
    uint64_t runs = 0;

    while (spent_ns < REPEAT_NS && runs < RUNS_MAX) {
        if (bench->prepare)
            bench->prepare(state);

        uint64_t allocations_before = allocations;
        uint64_t bytes_before = allocated_bytes;
        int64_t start_ns = clock_thread_cpu_ns();

        bench->run(state);
        spent_ns += clock_thread_cpu_ns() - start_ns;
        runs++;
        ret_operations[0] += bench->batch;
        ret_operations[1] += allocations - allocations_before;
        ret_operations[2] += allocated_bytes - bytes_before;
    }
    return (double)spent_ns / (double)(runs * bench->batch);
}

static void measure(const struct micro *bench)
{
    void *state = begin_warm(bench);
    uint64_t totals[3] = {0}; /* operations, allocations, bytes */
    double ns[REPEATS];

    for (int i = 0; i < REPEATS; i++)
        ns[i] = repeat_ns(bench, state, totals);
    qsort(ns, REPEATS, sizeof(ns[0]), by_value);
    printf("%s %.2f %.4f %.1f\n", bench->name, ns[REPEATS / 2],
           (double)totals[1] / (double)totals[0], (double)totals[2] / (double)totals[0]);
    fflush(stdout);
    bench->end(state);
}

static void list(const struct micro *bench)
{
    printf("%s %s\n", bench->name,
           bench->has_thread ? "threads"
           : bench->is_heavy ? "heavy"
                             : "recorded");
}

/* Those whose name one of the patterns matches; without patterns, all. */
static void each(void (*act)(const struct micro *), char **patterns, int count)
{
    for (size_t t = 0; t < ARRAY_LEN(tables); t++) {
        for (uint32_t i = 0; i < tables[t]->count; i++) {
            const struct micro *bench = &tables[t]->benches[i];
            bool wanted = count == 0;

            for (int p = 0; p < count && !wanted; p++)
                wanted = fnmatch(patterns[p], bench->name, 0) == 0;
            if (wanted)
                act(bench);
        }
    }
}

static void versions(void)
{
    const char *jemalloc = "?";
    size_t size = sizeof(jemalloc);

    mallctl("version", (void *)&jemalloc, &size, NULL, 0);
    printf("compiler %s\nflags %s\nlibc %s\njemalloc %s\nxxhash %u\n", __VERSION__,
           FRESHET_BENCH_FLAGS, gnu_get_libc_version(), jemalloc, XXH_versionNumber());
#ifdef __x86_64__
    /* What the functions of libraries choose by; asked under valgrind, which has a processor of its
     * own. */
    __builtin_cpu_init();
    printf("cpu x86-64%s%s%s%s\n", __builtin_cpu_supports("sse4.2") ? " sse4.2" : "",
           __builtin_cpu_supports("avx2") ? " avx2" : "",
           __builtin_cpu_supports("bmi") ? " bmi" : "",
           __builtin_cpu_supports("avx512f") ? " avx512f" : "");
#else
    printf("cpu other\n");
#endif
}

int main(int argc, char **argv)
{
    const char *command = argc > 1 ? argv[1] : "";

    if (strcmp(command, "list") == 0) {
        each(list, NULL, 0);
    } else if (strcmp(command, "versions") == 0) {
        versions();
    } else if (strcmp(command, "time") == 0) {
        each(measure, argv + 2, argc - 2);
    } else if (strcmp(command, "count") == 0 && HAS_CALLGRIND) {
        each(count_in_child, argv + 2, argc - 2);
    } else {
        fprintf(stderr, HAS_CALLGRIND
                            ? "usage: bench_micro list | versions | time [NAME…] | count "
                              "[NAME…]\n"
                            : "bench_micro: built without valgrind's headers: no count\n");
        return 2;
    }
    return 0;
}
