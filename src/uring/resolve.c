#include "uring/resolve.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

struct resolve {
    _Atomic int holders; /* the thread and the owner */
    _Atomic bool done;
    int wake_fd; /* the thread's own: it may outlive the loop */
    int error;
    struct addrinfo *addresses;
    uint16_t port;
    char host[];
};

static int look_up(const char *host, uint16_t port, int flags, struct addrinfo **ret)
{
    struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = flags | AI_NUMERICSERV};
    char service[8];

    snprintf(service, sizeof(service), "%u", port);
    return getaddrinfo(host, service, &hints, ret);
}

int resolve_address(const char *host, uint16_t port, struct addrinfo **ret)
{
    return look_up(host, port, AI_NUMERICHOST, ret) ? -EINVAL : 0;
}

static void let_go(struct resolve *resolve)
{
    if (atomic_fetch_sub_explicit(&resolve->holders, 1, memory_order_acq_rel) > 1)
        return;
    if (resolve->addresses)
        freeaddrinfo(resolve->addresses);
    free(resolve);
}

/* To where the process's first thread runs: the CPU of the loop's thread may be that thread's own.
 */
static void leave_cpu(void)
{
    cpu_set_t cpus;

    if (sched_getaffinity(getpid(), sizeof(cpus), &cpus) == 0)
        sched_setaffinity(0, sizeof(cpus), &cpus);
}

static void *resolve_thread(void *argument)
{
    struct resolve *resolve = argument;
    const uint64_t one = 1;

    leave_cpu();
    if (look_up(resolve->host, resolve->port, 0, &resolve->addresses))
        resolve->error = -EHOSTUNREACH;
    atomic_store_explicit(&resolve->done, true, memory_order_release);
    CHECK(write(resolve->wake_fd, &one, sizeof(one)) == sizeof(one));
    close(resolve->wake_fd);
    let_go(resolve);
    return NULL;
}

int resolve_begin(const char *host, uint16_t port, int wake_fd, struct resolve **ret)
{
    size_t host_bytes = strlen(host) + 1;
    struct resolve *resolve = calloc(1, sizeof(*resolve) + host_bytes);
    sigset_t all;
    sigset_t before;
    pthread_t thread;
    int error;

    CHECK(resolve);
    memcpy(resolve->host, host, host_bytes);
    resolve->port = port;
    atomic_init(&resolve->holders, 2);
    resolve->wake_fd = fcntl(wake_fd, F_DUPFD_CLOEXEC, 0);
    if (resolve->wake_fd < 0) {
        error = errno;
        goto fail;
    }
    /* Signals are for the threads that expect them. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_create(&thread, NULL, resolve_thread, resolve);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error) {
        close(resolve->wake_fd);
        goto fail;
    }
    pthread_detach(thread);
    *ret = resolve;
    return 0;

fail:
    free(resolve);
    return -error;
}

bool resolve_is_done(struct resolve *resolve)
{
    return atomic_load_explicit(&resolve->done, memory_order_acquire);
}

int resolve_take(struct resolve *resolve, struct addrinfo **ret)
{
    int error = resolve->error;

    *ret = resolve->addresses;
    resolve->addresses = NULL;
    let_go(resolve);
    return error;
}

void resolve_drop(struct resolve *resolve)
{
    if (resolve)
        let_go(resolve);
}
