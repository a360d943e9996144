#include "bench/proxy.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/check.h"

#define CONNECTIONS_MAX 256
#define CHUNK_BYTES     65536
#define ACCEPT_POLL_MS  50

struct proxied {
    struct proxy *proxy;
    int from_engine;
    int to_redis;
    pthread_t requests;
    pthread_t replies;
};

struct proxy {
    const struct plan_redis *redis;
    int listener;
    uint16_t port;
    pthread_t acceptor;
    _Atomic bool stop;
    _Atomic int64_t delay_ms;
    struct proxied connections[CONNECTIONS_MAX];
    unsigned count;
};

static bool send_all(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t sent = send(fd, bytes, len, MSG_NOSIGNAL);

        if (sent <= 0)
            return false;
        bytes += sent;
        len -= (size_t)sent;
    }
    return true;
}

/* Hands on what comes until one side hangs up, and then lets the other side know. */
static void hand_on(struct proxy *proxy, int from, int to, bool delayed)
{
    char *chunk = malloc(CHUNK_BYTES);
    ssize_t got;

    CHECK(chunk);
    while ((got = recv(from, chunk, CHUNK_BYTES, 0)) > 0) {
        int64_t delay_ms = delayed ? atomic_load(&proxy->delay_ms) : 0;

        if (delay_ms > 0)
            usleep((useconds_t)(delay_ms * 1000));
        if (!send_all(to, chunk, (size_t)got))
            break;
    }
    shutdown(from, SHUT_RDWR);
    shutdown(to, SHUT_RDWR);
    free(chunk);
}

static void *requests_main(void *context)
{
    struct proxied *proxied = context;

    hand_on(proxied->proxy, proxied->from_engine, proxied->to_redis, false);
    return NULL;
}

static void *replies_main(void *context)
{
    struct proxied *proxied = context;

    hand_on(proxied->proxy, proxied->to_redis, proxied->from_engine, true);
    return NULL;
}

static int connect_unix(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address))) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static int connect_tcp(const char *host, uint16_t port)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *addresses;
    char service[8];
    const int yes = 1;
    int fd = -1;

    snprintf(service, sizeof(service), "%u", port);
    if (getaddrinfo(host, service, &hints, &addresses))
        return -1;
    for (struct addrinfo *one = addresses; one && fd < 0; one = one->ai_next) {
        fd = socket(one->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd >= 0 && connect(fd, one->ai_addr, one->ai_addrlen)) {
            close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(addresses);
    if (fd >= 0)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    return fd;
}

static void take(struct proxy *proxy, int fd)
{
    struct proxied *proxied = &proxy->connections[proxy->count];
    const int yes = 1;

    if (proxy->count == CONNECTIONS_MAX) {
        close(fd);
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    *proxied = (struct proxied){.proxy = proxy, .from_engine = fd};
    proxied->to_redis = proxy->redis->scheme == REDIS_UNIX
                            ? connect_unix(proxy->redis->path)
                            : connect_tcp(proxy->redis->host, proxy->redis->port);
    if (proxied->to_redis < 0) {
        close(fd);
        return;
    }
    proxy->count++;
    CHECK(pthread_create(&proxied->requests, NULL, requests_main, proxied) == 0);
    CHECK(pthread_create(&proxied->replies, NULL, replies_main, proxied) == 0);
}

static void *acceptor_main(void *context)
{
    struct proxy *proxy = context;
    struct pollfd poller = {.fd = proxy->listener, .events = POLLIN};

    while (!atomic_load(&proxy->stop)) {
        if (poll(&poller, 1, ACCEPT_POLL_MS) <= 0)
            continue;
        int fd = accept4(proxy->listener, NULL, NULL, SOCK_CLOEXEC);

        if (fd >= 0)
            take(proxy, fd);
    }
    return NULL;
}

int proxy_open(const struct plan_redis *redis, struct proxy **ret, struct err *err)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof(address);
    struct proxy *proxy = calloc(1, sizeof(*proxy));

    CHECK(proxy);
    proxy->redis = redis;
    proxy->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (proxy->listener < 0 ||
        bind(proxy->listener, (struct sockaddr *)&address, sizeof(address)) ||
        listen(proxy->listener, SOMAXCONN) ||
        getsockname(proxy->listener, (struct sockaddr *)&address, &size)) {
        int error = err_set(err, -errno, "cannot listen on the loopback: %s", strerror(errno));

        if (proxy->listener >= 0)
            close(proxy->listener);
        free(proxy);
        return error;
    }
    proxy->port = ntohs(address.sin_port);
    CHECK(pthread_create(&proxy->acceptor, NULL, acceptor_main, proxy) == 0);
    *ret = proxy;
    return 0;
}

void proxy_close(struct proxy *proxy)
{
    if (!proxy)
        return;
    atomic_store(&proxy->delay_ms, 0);
    atomic_store(&proxy->stop, true);
    pthread_join(proxy->acceptor, NULL);
    for (unsigned i = 0; i < proxy->count; i++) {
        struct proxied *proxied = &proxy->connections[i];

        shutdown(proxied->from_engine, SHUT_RDWR);
        shutdown(proxied->to_redis, SHUT_RDWR);
        pthread_join(proxied->requests, NULL);
        pthread_join(proxied->replies, NULL);
        close(proxied->from_engine);
        close(proxied->to_redis);
    }
    close(proxy->listener);
    free(proxy);
}

uint16_t proxy_port(const struct proxy *proxy)
{
    return proxy->port;
}

void proxy_delay(struct proxy *proxy, int64_t delay_ms)
{
    atomic_store(&proxy->delay_ms, delay_ms);
}
