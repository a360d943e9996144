#include "bench/proc.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

#define TCP_LISTEN 0x0A

enum proc_role proc_role_of(const char *thread_name, bool is_main)
{
    static const struct {
        const char *prefix;
        enum proc_role role;
    } names[] = {
        {"shard-", PROC_SHARD},
        {"rdk:", PROC_KAFKA},
        {"rocksdb:", PROC_ROCKSDB},
    };

    if (is_main)
        return PROC_CONTROL;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strncmp(thread_name, names[i].prefix, strlen(names[i].prefix)) == 0)
            return names[i].role;
    }
    return PROC_OTHER;
}

/* The first line of a file of /proc; false: it can't be read. */
static bool first_line(const char *path, char *out, size_t size)
{
    FILE *file = fopen(path, "r");
    bool got = file && fgets(out, (int)size, file);

    if (file)
        fclose(file);
    return got;
}

/* Ticks of a stat file: utime and stime are the 12th and 13th behind the name, which may hold
 * anything. */
static int64_t stat_ns(const char *path)
{
    char line[1024];
    unsigned long long user = 0;
    unsigned long long system = 0;
    const char *behind;

    if (!first_line(path, line, sizeof(line)))
        return -1;
    behind = strrchr(line, ')');
    if (!behind || sscanf(behind + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu",
                          &user, &system) != 2)
        return -1;
    return (int64_t)(user + system) * (NS_PER_S / sysconf(_SC_CLK_TCK));
}

/* To the ns where the kernel keeps it, else to a tick. */
static int64_t thread_ns(const char *folder, const char *thread)
{
    char path[128];
    char line[128];
    int64_t ns;

    snprintf(path, sizeof(path), "%.63s/%.31s/schedstat", folder, thread);
    if (first_line(path, line, sizeof(line)) && sscanf(line, "%" SCNd64, &ns) == 1)
        return ns;
    snprintf(path, sizeof(path), "%.63s/%.31s/stat", folder, thread);
    ns = stat_ns(path);
    return ns < 0 ? 0 : ns;
}

static void thread_name(const char *folder, const char *thread, char *out, size_t size)
{
    char path[128];

    snprintf(path, sizeof(path), "%.63s/%.31s/comm", folder, thread);
    if (!first_line(path, out, size))
        out[0] = '\0';
}

/* Called for each thread of a process. */
typedef void thread_visitor(const char *name, bool is_main, int64_t ns, void *context);

static void threads_visit(pid_t pid, thread_visitor *visit, void *context)
{
    char folder[64];
    char name[64];
    DIR *threads;

    snprintf(folder, sizeof(folder), "/proc/%d/task", (int)pid);
    threads = opendir(folder);
    if (!threads)
        return;
    for (struct dirent *entry; (entry = readdir(threads));) {
        if (entry->d_name[0] == '.')
            continue;
        thread_name(folder, entry->d_name, name, sizeof(name));
        visit(name, atoi(entry->d_name) == (int)pid, thread_ns(folder, entry->d_name), context);
    }
    closedir(threads);
}

static void add_to_role(const char *name, bool is_main, int64_t ns, void *context)
{
    struct proc_cpu *cpu = context;

    cpu->ns[proc_role_of(name, is_main)] += ns;
}

void proc_cpu(pid_t pid, struct proc_cpu *ret)
{
    memset(ret, 0, sizeof(*ret));
    threads_visit(pid, add_to_role, ret);
}

int64_t proc_cpu_total_ns(pid_t pid)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    return stat_ns(path);
}

struct named {
    const char *prefix;
    int64_t ns;
};

static void add_if_named(const char *name, bool is_main, int64_t ns, void *context)
{
    struct named *named = context;

    (void)is_main;
    if (strncmp(name, named->prefix, strlen(named->prefix)) == 0)
        named->ns += ns;
}

int64_t proc_cpu_named_ns(const char *prefix)
{
    struct named named = {.prefix = prefix};

    threads_visit(getpid(), add_if_named, &named);
    return named.ns;
}

static int64_t status_kib(pid_t pid, const char *name)
{
    char path[64];
    char line[256];
    int64_t kib = -1;
    FILE *file;

    snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    file = fopen(path, "r");
    while (file && fgets(line, sizeof(line), file)) {
        if (strncmp(line, name, strlen(name)) == 0 && line[strlen(name)] == ':')
            kib = strtoll(line + strlen(name) + 1, NULL, 10);
    }
    if (file)
        fclose(file);
    return kib < 0 ? -1 : kib * 1024;
}

int64_t proc_rss_peak_bytes(pid_t pid)
{
    return status_kib(pid, "VmHWM");
}

int64_t proc_rss_bytes(pid_t pid)
{
    return status_kib(pid, "VmRSS");
}

/* --- who listens --- */

/* The inode of the socket that listens on the port, or 0. */
static unsigned long listening_inode(const char *path, uint16_t port)
{
    char line[512];
    unsigned long found = 0;
    FILE *file = fopen(path, "r");

    while (file && !found && fgets(line, sizeof(line), file)) {
        unsigned at;
        unsigned state;
        unsigned long inode;

        if (sscanf(line,
                   " %*d: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x %*x:%*x %*x:%*x %*x %*u "
                   "%*d %lu",
                   &at, &state, &inode) == 3 &&
            at == port && state == TCP_LISTEN)
            found = inode;
    }
    if (file)
        fclose(file);
    return found;
}

static bool holds_socket(const char *pid, unsigned long inode)
{
    char path[600];
    char target[64];
    char wanted[64];
    bool found = false;
    DIR *files;

    snprintf(wanted, sizeof(wanted), "socket:[%lu]", inode);
    snprintf(path, sizeof(path), "/proc/%s/fd", pid);
    files = opendir(path);
    for (struct dirent *entry; files && !found && (entry = readdir(files));) {
        ssize_t len;

        snprintf(path, sizeof(path), "/proc/%s/fd/%s", pid, entry->d_name);
        len = readlink(path, target, sizeof(target) - 1);
        target[len > 0 ? len : 0] = '\0';
        found = strcmp(target, wanted) == 0;
    }
    if (files)
        closedir(files);
    return found;
}

pid_t proc_listener(uint16_t port)
{
    unsigned long inode = listening_inode("/proc/net/tcp", port);
    pid_t found = 0;
    DIR *processes;

    if (!inode)
        inode = listening_inode("/proc/net/tcp6", port);
    processes = inode ? opendir("/proc") : NULL;
    for (struct dirent *entry; processes && !found && (entry = readdir(processes));) {
        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' &&
            holds_socket(entry->d_name, inode))
            found = (pid_t)atoi(entry->d_name);
    }
    if (processes)
        closedir(processes);
    return found;
}
