#include "bench/host.h"

#include <librdkafka/rdkafka.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#define LINE_MAX_BYTES 4096

/* The file's first line without its end; NULL if it can't be read. */
static const char *line_of(struct plan_memory *memory, const char *path)
{
    char line[LINE_MAX_BYTES];
    const char *text = NULL;
    FILE *file = fopen(path, "r");

    if (file && fgets(line, sizeof(line), file))
        text = plan_text(memory, (struct slice){line, strcspn(line, "\n")});
    if (file)
        fclose(file);
    return text;
}

/* What stands behind "name   : " in /proc/cpuinfo, of the first processor. */
static const char *cpuinfo(struct plan_memory *memory, const char *name)
{
    char line[LINE_MAX_BYTES];
    const char *text = NULL;
    FILE *file = fopen("/proc/cpuinfo", "r");

    while (file && !text && fgets(line, sizeof(line), file)) {
        const char *colon = strchr(line, ':');

        if (colon && strncmp(line, name, strlen(name)) == 0)
            text = plan_text(memory, (struct slice){colon + 2, strcspn(colon + 2, "\n")});
    }
    if (file)
        fclose(file);
    return text;
}

/* always [madvise] never: the one in brackets. */
static const char *chosen(struct plan_memory *memory, const char *line)
{
    const char *begin = line ? strchr(line, '[') : NULL;

    return begin ? plan_text(memory, (struct slice){begin + 1, strcspn(begin + 1, "]")}) : line;
}

static int64_t memory_bytes(void)
{
    return (int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);
}

static int64_t cores(void)
{
    cpu_set_t set;

    return sched_getaffinity(0, sizeof(set), &set) ? sysconf(_SC_NPROCESSORS_ONLN)
                                                   : CPU_COUNT(&set);
}

void host_fill(struct plan_memory *memory, struct bench_host *ret)
{
    struct utsname names;
    struct rlimit limit = {.rlim_cur = 0};
    const char *flags = cpuinfo(memory, "flags");
    const char *somaxconn = line_of(memory, "/proc/sys/net/core/somaxconn");

    if (uname(&names) == 0) {
        ret->name = plan_text(memory, slice_of(names.nodename));
        ret->kernel = plan_printf(memory, "%s %s %s", names.sysname, names.release, names.machine);
    }
    ret->cpu = cpuinfo(memory, "model name");
    ret->cores = cores();
    ret->memory_bytes = memory_bytes();
    ret->governor = line_of(memory, "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
    ret->huge_pages = chosen(memory,
                             line_of(memory, "/sys/kernel/mm/transparent_hugepage/enabled"));
    if (flags)
        ret->hypervisor = strstr(flags, " hypervisor") ? "yes" : "no";
    getloadavg(&ret->load_before, 1);
    ret->somaxconn = somaxconn ? strtoll(somaxconn, NULL, 10) : 0;
    getrlimit(RLIMIT_MEMLOCK, &limit);
    ret->memlock_bytes = limit.rlim_cur == RLIM_INFINITY ? -1 : (int64_t)limit.rlim_cur;
    ret->librdkafka_version = rd_kafka_version_str();
}
