/* proc - what the kernel knows of a process: CPU by thread, memory, who listens where.
 *
 * Linux's /proc. What cannot be read (the process is gone, or another user's) counts as nothing. */
#ifndef FRESHET_BENCH_PROC_H
#define FRESHET_BENCH_PROC_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* The engine's threads by what they do, as their names tell. */
enum proc_role {
    PROC_SHARD,   /* shard-N */
    PROC_KAFKA,   /* rdk:… */
    PROC_ROCKSDB, /* rocksdb:… */
    PROC_CONTROL, /* the main thread */
    PROC_OTHER,
    PROC_ROLES
};

/* Nanoseconds of CPU, user and system, of the threads that live now. */
struct proc_cpu {
    int64_t ns[PROC_ROLES];
};

enum proc_role proc_role_of(const char *thread_name, bool is_main);

void proc_cpu(pid_t pid, struct proc_cpu *ret);

/* CPU of the process as a whole, threads that have ended included; -1: unknown. */
int64_t proc_cpu_total_ns(pid_t pid);

/* The threads of this process whose names begin so. */
int64_t proc_cpu_named_ns(const char *prefix);

/* Most resident memory so far, and now; -1: unknown. */
int64_t proc_rss_peak_bytes(pid_t pid);
int64_t proc_rss_bytes(pid_t pid);

/* The process of this host that listens on the TCP port; 0: none that can be seen. */
pid_t proc_listener(uint16_t port);

#endif
