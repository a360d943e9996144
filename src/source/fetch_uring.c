#include "source/fetch_uring.h"

#include "base/clock.h"
#include "uring/stream.h"

#define CONNECT_NS (10 * NS_PER_S)

/* Lives as long as its stream does for the kernel. */
struct connection {
    struct fetch_uring *uring;
    unsigned number;
    struct stream *stream;
    struct chunk *chunk; /* that the kernel may write to, when it was closed */
};

struct fetch_uring {
    struct loop *loop;
    struct fetcher *fetcher;
    struct connection *connections[FETCHER_LINKS_MAX]; /* NULL: closed */
};

static struct fetcher *fetcher_of(const struct connection *connection)
{
    return connection->uring->fetcher;
}

static void on_connected(void *context)
{
    struct connection *connection = context;

    fetcher_connected(fetcher_of(connection), connection->number, clock_monotonic_ns());
}

static char *on_room(void *context, size_t *ret_len)
{
    struct connection *connection = context;

    return fetcher_room(fetcher_of(connection), connection->number, ret_len);
}

static void on_received(void *context, struct slice bytes)
{
    struct connection *connection = context;

    fetcher_received(fetcher_of(connection), connection->number, bytes.len, clock_monotonic_ns());
}

static void on_ended(void *context, int error)
{
    struct connection *connection = context;

    fetcher_lost(fetcher_of(connection), connection->number, error, clock_monotonic_ns());
}

static void on_gone(void *context)
{
    struct connection *connection = context;

    chunk_free(connection->chunk);
    free(connection);
}

static int io_connect(void *context, unsigned number, const struct cluster_broker *broker)
{
    static const struct stream_events events = {
        .connected = on_connected,
        .received = on_received,
        .ended = on_ended,
        .room = on_room,
        .gone = on_gone,
    };
    struct fetch_uring *uring = context;
    struct stream_target target = {.kind = STREAM_TCP, .host = broker->host, .port = broker->port};
    struct connection *connection = calloc(1, sizeof(*connection));
    int error;

    CHECK(connection && !uring->connections[number]);
    connection->uring = uring;
    connection->number = number;
    error = stream_connect(uring->loop, &target, CONNECT_NS, &events, connection,
                           &connection->stream);
    if (error) {
        free(connection);
        return error;
    }
    uring->connections[number] = connection;
    return 0;
}

static struct buf *io_out(void *context, unsigned number)
{
    struct fetch_uring *uring = context;

    return stream_out(uring->connections[number]->stream);
}

static void io_flush(void *context, unsigned number)
{
    struct fetch_uring *uring = context;

    stream_flush(uring->connections[number]->stream);
}

static void io_close(void *context, unsigned number, struct chunk *chunk)
{
    struct fetch_uring *uring = context;
    struct connection *connection = uring->connections[number];

    if (!connection) { /* it never came to one */
        chunk_free(chunk);
        return;
    }
    uring->connections[number] = NULL;
    connection->chunk = chunk;
    stream_close(connection->stream);
}

struct fetch_uring *fetch_uring_create(struct loop *loop, const struct fetcher_options *options)
{
    struct fetch_uring *uring = calloc(1, sizeof(*uring));
    struct fetcher_options with_io = *options;

    CHECK(uring);
    uring->loop = loop;
    with_io.io = (struct fetch_io){
        .context = uring,
        .connect = io_connect,
        .out = io_out,
        .flush = io_flush,
        .close = io_close,
    };
    uring->fetcher = fetcher_create(&with_io);
    return uring;
}

void fetch_uring_free(struct fetch_uring *uring)
{
    if (!uring)
        return;
    fetcher_free(uring->fetcher);
    free(uring);
}

struct fetcher *fetch_uring_fetcher(struct fetch_uring *uring)
{
    return uring->fetcher;
}
