#include "admin/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>

#include "admin/checkpoint_report.h"
#include "admin/json.h"
#include "admin/report.h"
#include "base/clock.h"
#include "engine/savepoint.h"

#define CONNECTIONS_MAX    64
#define CONNECTION_SECONDS 15
#define SHARD_STALL_NS     (10 * NS_PER_S) /* a shard turns at least every second */

struct admin_server {
    struct engine *engine;
    struct MHD_Daemon *daemon;
    struct watch *watch;
    uint64_t *turns_seen;  /* by shard */
    int64_t *turn_seen_ns; /* when they last changed */
};

/* What a page writes: the body, and 200 or another status. */
typedef unsigned page_writer(struct admin_server *server, struct MHD_Connection *connection,
                             struct buf *out);

static unsigned page_metrics(struct admin_server *server, struct MHD_Connection *connection,
                             struct buf *out)
{
    (void)connection;
    report_metrics(server->engine, out);
    return MHD_HTTP_OK;
}

static unsigned page_status(struct admin_server *server, struct MHD_Connection *connection,
                            struct buf *out)
{
    (void)connection;
    report_status(server->engine, out);
    return MHD_HTTP_OK;
}

static unsigned page_histograms(struct admin_server *server, struct MHD_Connection *connection,
                                struct buf *out)
{
    (void)connection;
    report_histograms(server->engine, out);
    return MHD_HTTP_OK;
}

static unsigned page_ready(struct admin_server *server, struct MHD_Connection *connection,
                           struct buf *out)
{
    (void)connection;
    if (!report_ready(server->engine, out))
        return MHD_HTTP_SERVICE_UNAVAILABLE;
    buf_printf(out, "ready\n");
    return MHD_HTTP_OK;
}

/* That this answers shows that the control thread turns; the shards have to as well, and state has
 * to get to the disk. */
static unsigned page_health(struct admin_server *server, struct MHD_Connection *connection,
                            struct buf *out)
{
    const struct fleet *fleet = engine_fleet(server->engine);
    int64_t now_ns = clock_monotonic_ns();

    (void)connection;
    for (uint32_t i = 0; i < fleet->shard_count; i++) {
        uint64_t turns = counter_get(&shard_stats(fleet->shards[i])->turns);

        if (turns != server->turns_seen[i] || server->turn_seen_ns[i] == 0) {
            server->turns_seen[i] = turns;
            server->turn_seen_ns[i] = now_ns;
        } else if (now_ns - server->turn_seen_ns[i] > SHARD_STALL_NS) {
            buf_printf(out, "shard %u has not turned for %lld s\n", i,
                       (long long)((now_ns - server->turn_seen_ns[i]) / NS_PER_S));
            return MHD_HTTP_SERVICE_UNAVAILABLE;
        }
    }
    if (!checkpoint_health(server->engine, out))
        return MHD_HTTP_SERVICE_UNAVAILABLE;
    buf_printf(out, "healthy\n");
    return MHD_HTTP_OK;
}

static unsigned page_savepoint(struct admin_server *server, struct MHD_Connection *connection,
                               struct buf *out)
{
    (void)connection;
    if (savepoint_status(server->engine, out))
        return MHD_HTTP_OK;
    buf_printf(out, "{\"error\":\"no savepoint has been asked for\"}\n");
    return MHD_HTTP_NOT_FOUND;
}

static unsigned refuse(struct buf *out, unsigned status, const char *text)
{
    if (!text_is_utf8(slice_of(text)))
        text = "what was asked for is not UTF-8";
    buf_append_char(out, '{');
    json_string(out, "error", text);
    buf_printf(out, "}\n");
    return status;
}

static unsigned status_of(int error)
{
    switch (error) {
    case -EINVAL:
        return MHD_HTTP_BAD_REQUEST;
    case -EAGAIN:
        return MHD_HTTP_SERVICE_UNAVAILABLE;
    default:
        return MHD_HTTP_CONFLICT;
    }
}

/* POST /savepoint?name=…&pipeline=…: the pipeline, if it is given, has to be this one. */
static unsigned page_savepoint_make(struct admin_server *server, struct MHD_Connection *connection,
                                    struct buf *out)
{
    const char *mine = engine_fleet(server->engine)->plan->pipeline;
    const char *name = MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, "name");
    const char *wanted = MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, "pipeline");
    struct err err;

    if (wanted && strcmp(wanted, mine) != 0) {
        err_set(&err, -EINVAL, "this engine runs pipeline %s, not %s", mine, wanted);
        return refuse(out, MHD_HTTP_CONFLICT, err.text);
    }
    int error = savepoint_request(server->engine, name ? name : "", &err);
    if (error)
        return refuse(out, status_of(error), err.text);
    savepoint_status(server->engine, out);
    return MHD_HTTP_ACCEPTED;
}

static const struct page {
    const char *path;
    const char *method;
    const char *type;
    page_writer *write;
} pages[] = {
    {"/metrics", MHD_HTTP_METHOD_GET, "text/plain; version=0.0.4; charset=utf-8", page_metrics},
    {"/health", MHD_HTTP_METHOD_GET, "text/plain; charset=utf-8", page_health},
    {"/ready", MHD_HTTP_METHOD_GET, "text/plain; charset=utf-8", page_ready},
    {"/status", MHD_HTTP_METHOD_GET, "application/json", page_status},
    {"/histograms", MHD_HTTP_METHOD_GET, "application/json", page_histograms},
    {"/savepoint", MHD_HTTP_METHOD_GET, "application/json", page_savepoint},
    {"/savepoint", MHD_HTTP_METHOD_POST, "application/json", page_savepoint_make},
};

static enum MHD_Result respond(struct MHD_Connection *connection, unsigned status, const char *type,
                               struct buf *body)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(body->len, body->data,
                                                                    MHD_RESPMEM_MUST_COPY);
    enum MHD_Result result;

    if (!response)
        return MHD_NO;
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

/* HEAD is GET, of which the server sends no body. */
static bool is_method(const struct page *page, const char *method)
{
    if (strcmp(method, MHD_HTTP_METHOD_HEAD) == 0)
        method = MHD_HTTP_METHOD_GET;
    return strcmp(method, page->method) == 0;
}

static unsigned page_write(struct admin_server *server, struct MHD_Connection *connection,
                           const char *url, const char *method, const char **ret_type,
                           struct buf *out)
{
    unsigned status = MHD_HTTP_NOT_FOUND;

    *ret_type = "text/plain; charset=utf-8";
    for (size_t i = 0; i < ARRAY_LEN(pages); i++) {
        if (strcmp(url, pages[i].path) != 0)
            continue;
        if (is_method(&pages[i], method)) {
            *ret_type = pages[i].type;
            return pages[i].write(server, connection, out);
        }
        status = MHD_HTTP_METHOD_NOT_ALLOWED;
    }
    buf_printf(out, "/metrics /health /ready /status /histograms /savepoint\n");
    return status;
}

/* Called when the headers are there, again for each piece of a body, which nobody wants, and, with
 * none left, for the answer. */
static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_size, void **state)
{
    static char seen;
    struct buf body = {0};
    const char *type;

    (void)version, (void)upload;
    if (!*state || *upload_size > 0) {
        *state = &seen;
        *upload_size = 0;
        return MHD_YES;
    }
    unsigned status = page_write(context, connection, url, method, &type, &body);
    enum MHD_Result result = respond(connection, status, type, &body);
    buf_free(&body);
    return result;
}

static void on_ready(void *context, int events)
{
    struct admin_server *server = context;

    (void)events;
    MHD_run(server->daemon);
}

static int address_look_up(const struct plan_admin *plan, struct addrinfo **ret, struct err *err)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    char port[8];
    int answer;

    snprintf(port, sizeof(port), "%u", plan->port);
    answer = getaddrinfo(plan->host, port, &hints, ret);
    if (answer)
        return err_set(err, -EINVAL, "admin.listen: %s: %s", plan->host, gai_strerror(answer));
    return 0;
}

static int daemon_start(struct admin_server *server, const struct plan_admin *plan, struct err *err)
{
    struct addrinfo *address;
    int error = address_look_up(plan, &address, err);

    if (error)
        return error;
    errno = 0;
    server->daemon = MHD_start_daemon(
        MHD_USE_EPOLL | (address->ai_family == AF_INET6 ? MHD_USE_IPv6 : 0), plan->port, NULL, NULL,
        on_request, server, MHD_OPTION_SOCK_ADDR, address->ai_addr, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)CONNECTION_SECONDS,
        MHD_OPTION_END);
    error = errno ? errno : EADDRNOTAVAIL;
    freeaddrinfo(address);
    if (!server->daemon)
        return err_set(err, -error, "admin.listen: cannot listen on %s port %u: %s", plan->host,
                       plan->port, strerror(error));
    return 0;
}

int admin_server_start(const struct plan *plan, struct engine *engine, struct admin_server **ret,
                       struct err *err)
{
    struct admin_server *server = calloc(1, sizeof(*server));
    uint32_t shards = engine_fleet(engine)->shard_count;
    const union MHD_DaemonInfo *info;
    int error;

    CHECK(server);
    server->engine = engine;
    server->turns_seen = calloc(shards, sizeof(*server->turns_seen));
    server->turn_seen_ns = calloc(shards, sizeof(*server->turn_seen_ns));
    CHECK(server->turns_seen && server->turn_seen_ns);
    error = daemon_start(server, &plan->admin, err);
    if (error)
        goto fail;
    info = MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    error = watch_create(engine_loop(engine), info->epoll_fd, on_ready, server, &server->watch);
    if (error) {
        err_set(err, error, "admin.listen: %s", strerror(-error));
        goto fail;
    }
    *ret = server;
    return 0;
fail:
    admin_server_stop(server);
    return error;
}

void admin_server_stop(struct admin_server *server)
{
    if (!server)
        return;
    watch_free(server->watch);
    if (server->daemon)
        MHD_stop_daemon(server->daemon);
    free(server->turns_seen);
    free(server->turn_seen_ns);
    free(server);
}

uint16_t admin_server_port(const struct admin_server *server)
{
    return MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_BIND_PORT)->port;
}

void admin_server_tick(struct admin_server *server)
{
    if (server)
        MHD_run(server->daemon);
}
