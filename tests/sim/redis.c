/* Redis, and the connections of all shards to it: the model of tests/unit/sink behind a network
 * that is slow, breaks replies in pieces and loses connections, with the commands under way
 * executed or not.
 *
 * As seen after each command, no view's window_end of a key goes back. */

#include "../unit/sink/redis_model.h"
#include "sim.h"

#include "base/clock.h"

#define CONNECTIONS_MAX 3
#define VIEW_NAME_BYTES 8

/* One connection, as the network has it. */
struct pipe {
    enum { PIPE_DOWN, PIPE_CONNECTING, PIPE_UP } state;
    int64_t due_ns;   /* when something happens on it */
    struct buf out;   /* appended by the sink */
    size_t flushed;   /* bytes of it that may be sent */
    struct buf wire;  /* flushed, not read by Redis */
    struct buf reply; /* answered, not read by the sink */
};

struct redis_uring {
    uint32_t shard;
    unsigned count;
    struct redis_sink *sink;
    struct pipe pipes[CONNECTIONS_MAX];
};

/* What a view of a key showed last. */
struct shown {
    char key[KEY_BYTES + 4];
    char field[VIEW_NAME_BYTES + 12];
    int64_t window_end_ms;
};

static struct model model;
static struct redis_uring *urings[SHARDS_MAX];
static struct shown shown[GROUPS_MAX * SPEC_KEYS * SPEC_VIEWS_MAX];
static size_t shown_count;
static int64_t error_until_ns;

/* --- what must hold --- */

static struct shown *shown_of(const char *key, const char *field)
{
    for (size_t i = 0; i < shown_count; i++) {
        if (strcmp(shown[i].key, key) == 0 && strcmp(shown[i].field, field) == 0)
            return &shown[i];
    }
    struct shown *one = &shown[shown_count++];

    CHECK(shown_count <= ARRAY_LEN(shown));
    *one = (struct shown){.window_end_ms = INT64_MIN};
    snprintf(one->key, sizeof(one->key), "%s", key);
    snprintf(one->field, sizeof(one->field), "%s", field);
    return one;
}

/* A replay can't know where the last run has been with rows that end otherwise, nor how far its
 * idle clocks have run ahead behind its last checkpoint. */
static bool may_go_back(const char *field)
{
    int view = field[1] - '0'; /* "v0.window_end" */

    return sim.life > 0 && (!replays_alike(&sim.scenario, view) || sim.scenario.idles);
}

static void on_set(void *context, const char *key, const char *field, const char *value)
{
    size_t len = strlen(field);

    (void)context;
    sim_trace("redis: %s %s %s", key, field, value);
    if (len < 11 || strcmp(field + len - 11, ".window_end") != 0)
        return;
    struct shown *one = shown_of(key, field);
    int64_t window_end_ms = strtoll(value, NULL, 10);

    if (window_end_ms < one->window_end_ms && !may_go_back(field))
        sim_fail("redis: %s of %s goes back from %" PRId64 " to %" PRId64, field, key,
                 one->window_end_ms, window_end_ms);
    one->window_end_ms = window_end_ms;
}

void redis_begin(void)
{
    memset(&model, 0, sizeof(model));
    model.run = 1;
    model.on_set = on_set;
    shown_count = 0;
    error_until_ns = 0;
}

const char *redis_get(const char *key, const char *field)
{
    return model_get(&model, key, field);
}

/* --- the network --- */

static int64_t delay_ns(void)
{
    if (mishap(4))
        return (int64_t)dice(1500) * NS_PER_MS;
    return 20000 + (int64_t)dice(chance(80) ? 200 : 5000) * NS_PER_US;
}

static bool execute_one(struct pipe *pipe)
{
    size_t len;

    model.now_ms = sim.now_ns / NS_PER_MS;
    if (sim.now_ns >= error_until_ns)
        model.error = NULL;
    len = pipe->wire.len ? model_execute(&model, buf_slice(&pipe->wire), &pipe->reply) : 0;
    sim_digest(pipe->wire.data, len);
    buf_consume(&pipe->wire, len);
    return len > 0;
}

/* Some of what was under way is executed, its replies are lost; the rest never arrives. */
static void cut(struct pipe *pipe)
{
    for (uint64_t left = chance(60) ? dice(30) : 0; left > 0 && execute_one(pipe);)
        left--;
    pipe->state = PIPE_DOWN;
    pipe->due_ns = NEVER;
    buf_reset(&pipe->out);
    pipe->flushed = 0;
    buf_reset(&pipe->wire);
    buf_reset(&pipe->reply);
}

static int net_connect(void *context, unsigned number)
{
    struct redis_uring *uring = context;
    struct pipe *pipe = &uring->pipes[number];

    CHECK(pipe->state == PIPE_DOWN);
    if (mishap(10))
        return -EMFILE;
    pipe->state = PIPE_CONNECTING;
    pipe->due_ns = sim.now_ns + delay_ns();
    return 0;
}

static struct buf *net_out(void *context, unsigned number)
{
    struct redis_uring *uring = context;

    CHECK(uring->pipes[number].state == PIPE_UP);
    return &uring->pipes[number].out;
}

static void net_flush(void *context, unsigned number)
{
    struct pipe *pipe = &((struct redis_uring *)context)->pipes[number];

    pipe->flushed = pipe->out.len;
}

static void pipe_send(uint32_t shard, struct pipe *pipe)
{
    if (pipe->flushed == 0)
        return;
    check_may_send(shard);
    buf_append(&pipe->wire, pipe->out.data, pipe->flushed);
    buf_consume(&pipe->out, pipe->flushed);
    pipe->flushed = 0;
    if (pipe->due_ns == NEVER)
        pipe->due_ns = sim.now_ns + delay_ns();
}

void redis_send(uint32_t shard)
{
    struct redis_uring *uring = urings[shard];

    for (unsigned i = 0; uring && i < uring->count; i++)
        pipe_send(shard, &uring->pipes[i]);
}

static size_t net_unsent(void *context, unsigned number)
{
    return ((struct redis_uring *)context)->pipes[number].out.len;
}

static void net_close(void *context, unsigned number)
{
    cut(&((struct redis_uring *)context)->pipes[number]);
}

struct redis_uring *redis_uring_create(struct loop *loop, const struct redis_sink_options *options)
{
    struct redis_uring *uring = calloc(1, sizeof(*uring));
    struct redis_sink_options mine = *options;

    CHECK(uring && options->plan->redis.connections <= CONNECTIONS_MAX);
    uring->shard = loop->shard;
    uring->count = options->plan->redis.connections;
    for (unsigned i = 0; i < uring->count; i++)
        uring->pipes[i].due_ns = NEVER;
    mine.io = (struct redis_io){uring, net_connect, net_out, net_flush, net_unsent, net_close};
    mine.seed = dice(UINT64_MAX);
    mine.dirty_keys_max = sim.scenario.dirty_keys_max;
    uring->sink = redis_sink_create(&mine);
    urings[loop->shard] = uring;
    return uring;
}

void redis_uring_free(struct redis_uring *uring)
{
    if (!uring)
        return;
    for (unsigned i = 0; i < uring->count; i++) {
        cut(&uring->pipes[i]);
        buf_free(&uring->pipes[i].out);
        buf_free(&uring->pipes[i].wire);
        buf_free(&uring->pipes[i].reply);
    }
    redis_sink_free(uring->sink);
    urings[uring->shard] = NULL;
    free(uring);
}

struct redis_sink *redis_uring_sink(struct redis_uring *uring)
{
    return uring->sink;
}

/* --- what happens --- */

static void lose(struct redis_uring *uring, unsigned number)
{
    if (uring->pipes[number].state == PIPE_DOWN)
        return;
    sim_trace("redis: shard %u loses connection %u", uring->shard, number);
    cut(&uring->pipes[number]);
    redis_sink_lost(uring->sink, number, chance(50) ? 0 : -ECONNRESET, sim.now_ns);
}

/* A shard that has written all it had does not come back to write it again. */
static bool some_shard_is_drained(void)
{
    for (uint32_t i = 0; i < shard_count(); i++) {
        if (sim.fleet.shards[i] && sim.fleet.shards[i]->phase == PHASE_DRAINED)
            return true;
    }
    return false;
}

/* Connections end as their shards hear of it: the others find out when they write. */
static void restart(bool empty)
{
    empty = empty && !some_shard_is_drained();
    for (uint32_t i = 0; i < shard_count(); i++) {
        for (unsigned j = 0; urings[i] && j < urings[i]->count; j++)
            lose(urings[i], j);
    }
    sim_trace("redis: starts again%s", empty ? ", empty" : "");
    model.run++;
    if (empty)
        model.key_count = 0;
}

static void make_trouble(struct redis_uring *uring, unsigned number)
{
    static const char *const errors[] = {"LOADING wait", "OOM no", "READONLY no", "BUSY script",
                                         "MISCONF disk"};

    if (mishap(2))
        lose(uring, number);
    if (mishap(1) && chance(20))
        restart(sim.scenario.loses_data && !sim.draining && chance(60));
    if (mishap(1) && chance(50)) {
        model.error = errors[dice(ARRAY_LEN(errors))];
        error_until_ns = sim.now_ns + (int64_t)dice(400) * NS_PER_MS;
        sim_trace("redis: answers %s", model.error);
    }
}

static void deliver(struct redis_uring *uring, unsigned number)
{
    struct pipe *pipe = &uring->pipes[number];
    size_t len = chance(50) ? pipe->reply.len : 1 + (size_t)dice(pipe->reply.len);
    char *bytes = malloc(len);

    memcpy(bytes, pipe->reply.data, len);
    buf_consume(&pipe->reply, len);
    redis_sink_received(uring->sink, number, (struct slice){bytes, len}, sim.now_ns,
                        clock_realtime_ms());
    free(bytes);
}

static void pipe_run(struct redis_uring *uring, unsigned number)
{
    struct pipe *pipe = &uring->pipes[number];

    pipe->due_ns = NEVER;
    if (pipe->state == PIPE_CONNECTING) {
        if (mishap(20)) {
            pipe->state = PIPE_DOWN;
            redis_sink_lost(uring->sink, number, -ECONNREFUSED, sim.now_ns);
            return;
        }
        pipe->state = PIPE_UP;
        redis_sink_connected(uring->sink, number, sim.now_ns);
    }
    if (pipe->state == PIPE_UP && chance(80)) {
        for (uint64_t left = dice(20); left > 0 && execute_one(pipe); left--)
            ;
    }
    if (pipe->reply.len > 0 && chance(80))
        deliver(uring, number);
    if (pipe->state == PIPE_UP && pipe->due_ns == NEVER &&
        (pipe->wire.len > 0 || pipe->reply.len > 0))
        pipe->due_ns = sim.now_ns + delay_ns();
}

void redis_run(uint32_t shard)
{
    struct redis_uring *uring = urings[shard];

    for (unsigned i = 0; uring && i < uring->count; i++) {
        if (sim.now_ns < uring->pipes[i].due_ns)
            continue;
        make_trouble(uring, i);
        if (uring->pipes[i].state != PIPE_DOWN && sim.now_ns >= uring->pipes[i].due_ns)
            pipe_run(uring, i);
    }
}

int64_t redis_due_ns(uint32_t shard)
{
    const struct redis_uring *uring = urings[shard];
    int64_t due_ns = NEVER;

    for (unsigned i = 0; uring && i < uring->count; i++)
        due_ns = MIN(due_ns, uring->pipes[i].due_ns);
    return due_ns;
}

void redis_end(void)
{
    for (uint32_t i = 0; i < SHARDS_MAX; i++)
        CHECK(!urings[i]);
}
