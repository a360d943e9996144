#include "sink/redis_uring.h"

#include "base/clock.h"
#include "uring/stream.h"

#define CONNECT_NS (5 * NS_PER_S)

struct connection {
    struct redis_uring *uring;
    unsigned number;
    struct stream *stream; /* NULL: none */
};

struct redis_uring {
    struct loop *loop;
    struct redis_sink *sink;
    struct stream_target target;
    unsigned count;
    struct connection connections[];
};

static struct redis_sink *sink_of(const struct connection *connection)
{
    return connection->uring->sink;
}

static void on_connected(void *context)
{
    struct connection *connection = context;

    redis_sink_connected(sink_of(connection), connection->number, clock_monotonic_ns());
}

static void on_received(void *context, struct slice bytes)
{
    struct connection *connection = context;

    redis_sink_received(sink_of(connection), connection->number, bytes, clock_monotonic_ns(),
                        clock_realtime_ms());
}

static void on_ended(void *context, int error)
{
    struct connection *connection = context;

    stream_close(connection->stream);
    connection->stream = NULL;
    redis_sink_lost(sink_of(connection), connection->number, error, clock_monotonic_ns());
}

static int io_connect(void *context, unsigned number)
{
    static const struct stream_events events = {
        .connected = on_connected, .received = on_received, .ended = on_ended};
    struct redis_uring *uring = context;
    struct connection *connection = &uring->connections[number];

    return stream_connect(uring->loop, &uring->target, CONNECT_NS, &events, connection,
                          &connection->stream);
}

static struct buf *io_out(void *context, unsigned number)
{
    struct redis_uring *uring = context;

    return stream_out(uring->connections[number].stream);
}

static void io_flush(void *context, unsigned number)
{
    struct redis_uring *uring = context;

    stream_flush(uring->connections[number].stream);
}

static size_t io_unsent(void *context, unsigned number)
{
    struct redis_uring *uring = context;

    return stream_unsent(uring->connections[number].stream);
}

static void io_close(void *context, unsigned number)
{
    struct redis_uring *uring = context;
    struct connection *connection = &uring->connections[number];

    stream_close(connection->stream);
    connection->stream = NULL;
}

struct redis_uring *redis_uring_create(struct loop *loop, const struct redis_sink_options *options)
{
    const struct plan_redis *redis = &options->plan->redis;
    struct redis_sink_options with_io = *options;
    struct redis_uring *uring = calloc(1, sizeof(*uring) +
                                              redis->connections * sizeof(uring->connections[0]));

    CHECK(uring);
    uring->loop = loop;
    uring->count = redis->connections;
    uring->target = (struct stream_target){
        .kind = redis->scheme == REDIS_UNIX ? STREAM_UNIX : STREAM_TCP,
        .host = redis->host,
        .port = redis->port,
        .path = redis->path,
    };
    for (unsigned i = 0; i < uring->count; i++)
        uring->connections[i] = (struct connection){uring, i, NULL};
    with_io.io = (struct redis_io){uring, io_connect, io_out, io_flush, io_unsent, io_close};
    uring->sink = redis_sink_create(&with_io);
    return uring;
}

void redis_uring_free(struct redis_uring *uring)
{
    if (!uring)
        return;
    for (unsigned i = 0; i < uring->count; i++)
        stream_close(uring->connections[i].stream);
    redis_sink_free(uring->sink);
    free(uring);
}

struct redis_sink *redis_uring_sink(struct redis_uring *uring)
{
    return uring->sink;
}
