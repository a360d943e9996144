/* redis_universe - what the property tests of the Redis sink share: a network with trouble between
 * sink and model, random rows, and the truth about what Redis is to show, by the rows alone.
 *
 * FRESHET_SEED=n runs that seed alone, FRESHET_SEEDS=count so many from 1 on. */
#ifndef FRESHET_TESTS_REDIS_UNIVERSE_H
#define FRESHET_TESTS_REDIS_UNIVERSE_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/hash.h"
#include "redis_model.h"
#include "redis_world.h"

#define KEYS        40
#define CONNECTIONS 3
#define STEPS       1500
#define START_MS    1700000000000
#define WIRE_MAX    (1536u << 10)

/* One connection, as the network has it. */
struct pipe {
    enum { PIPE_DOWN, PIPE_CONNECTING, PIPE_UP } state;
    int64_t due_ns;   /* CONNECTING: when it is decided */
    struct buf out;   /* appended by the sink, not flushed */
    struct buf held;  /* flushed, and the gate was shut */
    struct buf wire;  /* flushed, not read by Redis */
    struct buf reply; /* answered, not read by the sink */
};

/* What a view of a key is to show, by the rows alone. */
struct truth {
    bool known;
    bool certain;      /* false: the core dropped the key since; only Redis may still know */
    char texts[3][60]; /* "" for no value is spelled "\1" */
    int64_t window_end_ms;
    int64_t newest_end_ms; /* of the rows, shown or not, since one is shown */
    int64_t computed_at_ms;
    int64_t executed_ms; /* the highest window_end that Redis was told */
};

struct universe {
    uint64_t random;
    struct world world;
    struct model model;
    struct redis_sink *sink;
    struct pipe pipes[CONNECTIONS];
    struct truth truths[KEYS][VIEW_COUNT];
    void *slots[KEYS][2];
    int64_t now_ns;
    int64_t serial; /* makes values unlike any before */
    int64_t error_until_ns;
    bool calm;      /* no more trouble */
    bool gate_shut; /* what is flushed stays with the process */
};

static inline uint64_t dice(struct universe *u, uint64_t sides)
{
    u->random = hash64_int(u->random);
    return u->random % sides;
}

static inline bool chance(struct universe *u, unsigned percent)
{
    return dice(u, 100) < percent;
}

static inline int64_t wall_ms(const struct universe *u)
{
    return START_MS + u->now_ns / NS_PER_MS;
}

/* --- the network --- */

static inline int net_connect(void *context, unsigned number)
{
    struct universe *u = context;
    struct pipe *pipe = &u->pipes[number];

    assert_int_equal(pipe->state, PIPE_DOWN);
    if (!u->calm && chance(u, 5))
        return -EMFILE;
    pipe->state = PIPE_CONNECTING;
    pipe->due_ns = u->now_ns + (int64_t)dice(u, 20) * NS_PER_MS;
    return 0;
}

static inline struct buf *net_out(void *context, unsigned number)
{
    struct universe *u = context;

    assert_int_equal(u->pipes[number].state, PIPE_UP);
    return &u->pipes[number].out;
}

static inline void net_flush(void *context, unsigned number)
{
    struct universe *u = context;
    struct pipe *pipe = &u->pipes[number];

    buf_append_slice(u->gate_shut ? &pipe->held : &pipe->wire, buf_slice(&pipe->out));
    buf_reset(&pipe->out);
    assert_true(pipe->wire.len < WIRE_MAX);
}

static inline void net_gate(struct universe *u, bool shut)
{
    u->gate_shut = shut;
    for (unsigned i = 0; !shut && i < CONNECTIONS; i++) {
        buf_append_slice(&u->pipes[i].wire, buf_slice(&u->pipes[i].held));
        buf_reset(&u->pipes[i].held);
    }
}

static inline bool execute_one(struct universe *u, struct pipe *pipe)
{
    u->model.now_ms = u->now_ns / NS_PER_MS;
    size_t len = model_execute(&u->model, buf_slice(&pipe->wire), &pipe->reply);

    buf_consume(&pipe->wire, len);
    return len > 0;
}

/* Some of what was under way is executed, its replies are lost; the rest never arrives. */
static inline void cut(struct universe *u, struct pipe *pipe)
{
    for (uint64_t left = dice(u, 3) ? dice(u, 30) : 0; left > 0 && execute_one(u, pipe);)
        left--;
    pipe->state = PIPE_DOWN;
    buf_reset(&pipe->out);
    buf_reset(&pipe->held);
    buf_reset(&pipe->wire);
    buf_reset(&pipe->reply);
}

static inline size_t net_unsent(void *context, unsigned number)
{
    const struct pipe *pipe = &((struct universe *)context)->pipes[number];

    return pipe->out.len + pipe->held.len;
}

static inline void net_close(void *context, unsigned number)
{
    struct universe *u = context;

    cut(u, &u->pipes[number]);
}

static inline void lose(struct universe *u, unsigned number)
{
    struct pipe *pipe = &u->pipes[number];

    if (pipe->state == PIPE_DOWN)
        return;
    cut(u, pipe);
    redis_sink_lost(u->sink, number, chance(u, 50) ? 0 : -ECONNRESET, u->now_ns);
}

static inline void deliver(struct universe *u, unsigned number)
{
    struct pipe *pipe = &u->pipes[number];
    size_t len = u->calm ? pipe->reply.len : 1 + dice(u, pipe->reply.len);
    char *bytes = malloc(len);

    memcpy(bytes, pipe->reply.data, len);
    buf_consume(&pipe->reply, len);
    redis_sink_received(u->sink, number, (struct slice){bytes, len}, u->now_ns, wall_ms(u));
    free(bytes);
}

static inline void run_network(struct universe *u)
{
    for (unsigned i = 0; i < u->world.plan.redis.connections; i++) {
        struct pipe *pipe = &u->pipes[i];

        if (pipe->state == PIPE_CONNECTING && u->now_ns >= pipe->due_ns) {
            if (!u->calm && chance(u, 20)) {
                pipe->state = PIPE_DOWN;
                redis_sink_lost(u->sink, i, -ECONNREFUSED, u->now_ns);
                continue;
            }
            pipe->state = PIPE_UP;
            redis_sink_connected(u->sink, i, u->now_ns);
        }
        if (pipe->state == PIPE_UP && chance(u, 60)) {
            for (uint64_t left = dice(u, 20); left > 0 && execute_one(u, pipe); left--)
                ;
        }
        if (pipe->state == PIPE_UP && pipe->reply.len && chance(u, 60))
            deliver(u, i);
    }
}

/* --- trouble --- */

static inline void restart_redis(struct universe *u, bool empty)
{
    for (unsigned i = 0; i < u->world.plan.redis.connections; i++)
        lose(u, i);
    u->model.run++;
    if (empty)
        u->model.key_count = 0;
}

static inline void key_name(char name[60], int source, int key)
{
    snprintf(name, 60, source ? "other:k%d" : "features:user:{k%d}", key);
}

/* Lost connections and errors. */
static inline void disturb(struct universe *u)
{
    static const char *const errors[] = {"LOADING wait",  "OOM no",       "READONLY no",
                                         "BUSY script",   "MISCONF disk", "NOPERM no",
                                         "MOVED 1 host:1"};

    if (chance(u, 2))
        lose(u, (unsigned)dice(u, u->world.plan.redis.connections));
    if (dice(u, 100) == 0) {
        u->model.error = errors[dice(u, ARRAY_LEN(errors))];
        u->error_until_ns = u->now_ns + (int64_t)dice(u, 300) * NS_PER_MS;
    }
    if (u->now_ns >= u->error_until_ns)
        u->model.error = NULL;
    if (dice(u, 60) == 0)
        redis_sink_flush(u->sink, chance(u, 30));
}

/* --- rows --- */

static inline void spell(char text[60], struct row_value value)
{
    switch (value.type) {
    case ROW_INT:
        snprintf(text, 60, "%lld", (long long)value.i);
        break;
    case ROW_DOUBLE: /* eighths only: %g is exact and shortest */
        snprintf(text, 60, "%g", value.d);
        break;
    case ROW_DECIMAL:
        snprintf(text, 60, "%s%lld.%02lld", value.i < 0 ? "-" : "", llabs(value.i) / 100,
                 llabs(value.i) % 100);
        break;
    case ROW_BOOL:
        snprintf(text, 60, "%s", value.i ? "true" : "false");
        break;
    case ROW_STRING:
    case ROW_JSON:
        snprintf(text, 60, "%.*s", SLICE_ARGS(value.text));
        break;
    case ROW_NULL:
        snprintf(text, 60, "\1");
        break;
    }
}

static inline struct row_value any_value(struct universe *u, enum row_value_type type)
{
    static const char *const texts[] = {"",
                                        "a",
                                        "shoes",
                                        "with space",
                                        "line\r\nbreak",
                                        "$5\r\n",
                                        "long enough to move what is behind it"};

    if (chance(u, 15))
        return null_value();
    switch (type) {
    case ROW_INT:
        return int_value((int64_t)dice(u, 4) * (chance(u, 20) ? 1000000007 : 1));
    case ROW_DOUBLE:
        return double_value((double)dice(u, 9) / 8 - 0.5);
    case ROW_DECIMAL:
        return decimal_value((int64_t)dice(u, 500) - 250, 2);
    case ROW_BOOL:
        return bool_value(chance(u, 50));
    default:
        return text_value(type, texts[dice(u, ARRAY_LEN(texts))]);
    }
}

static inline void any_values(struct universe *u, int view, struct row_value values[3])
{
    static const enum row_value_type types[VIEW_COUNT][3] = {
        {ROW_INT, ROW_DOUBLE, ROW_STRING},
        {ROW_DECIMAL, ROW_BOOL},
        {ROW_JSON, ROW_INT},
        {ROW_INT},
    };

    for (uint32_t i = 0; i < u->world.views[view].feature_count; i++)
        values[i] = any_value(u, types[view][i]);
}

/* By the definition: what does Redis show after this row? */
static inline void learn(struct universe *u, int key, const struct row *row)
{
    struct truth *truth = &u->truths[key][row->view->number];
    bool deleted = row->empty && row->view->when_empty == WHEN_EMPTY_DELETE;
    char texts[3][60] = {{0}};
    bool same = truth->known && truth->certain;

    if (row->empty && row->view->when_empty == WHEN_EMPTY_KEEP)
        return;
    if (truth->certain && row->window_end_ms < truth->newest_end_ms)
        return;
    if (truth->certain)
        truth->newest_end_ms = row->window_end_ms;
    for (uint32_t i = 0; i < row->view->feature_count; i++) {
        spell(texts[i], deleted ? null_value() : row->values[i]);
        same &= strcmp(texts[i], truth->texts[i]) == 0;
    }
    if (same && row->view->skip_unchanged)
        return;
    memcpy(truth->texts, texts, sizeof(texts));
    truth->window_end_ms = truth->newest_end_ms = row->window_end_ms;
    truth->computed_at_ms = wall_ms(u);
    truth->known = true;
    truth->certain = true;
}

/* --- what must hold --- */

static inline void check_field(struct universe *u, const char *key, const char *field,
                               const char *text)
{
    const char *shown = model_get(&u->model, key, field);

    if (strcmp(text, "\1") == 0 ? shown != NULL : !shown || strcmp(shown, text) != 0)
        fail_msg("%s %s is \"%s\" and ought to be \"%s\"", key, field, shown ? shown : "(none)",
                 text);
}

/* Nothing but deadlines and the network moves the clock: a wrong deadline hangs. */
static inline void drain(struct universe *u)
{
    for (int rounds = 0;; rounds++) {
        if (rounds > 100000)
            fail_msg("never idle");
        redis_sink_turn(u->sink, u->now_ns, wall_ms(u));
        if (redis_sink_idle(u->sink) && gauge_get(&redis_sink_stats(u->sink)->connected) ==
                                            (int64_t)u->world.plan.redis.connections)
            return;
        int64_t next_ns = redis_sink_deadline(u->sink);

        for (unsigned i = 0; i < CONNECTIONS; i++) {
            struct pipe *pipe = &u->pipes[i];

            if (pipe->state == PIPE_CONNECTING)
                next_ns = MIN(next_ns, pipe->due_ns);
            if (pipe->state == PIPE_UP && (pipe->wire.len || pipe->reply.len))
                next_ns = MIN(next_ns, u->now_ns + NS_PER_MS);
        }
        if (next_ns == REDIS_NOT_DUE)
            fail_msg("stuck: nothing is due");
        u->now_ns = MAX(u->now_ns, next_ns);
        run_network(u);
    }
}

static inline void ignore_report(void *context, const char *text)
{
    (void)context;
    assert_true(strlen(text) > 20);
}

static inline void open_sink(struct universe *u)
{
    struct redis_sink_options options = {
        .plan = &u->world.plan,
        .arena = &u->world.arena,
        .io = {u, net_connect, net_out, net_flush, net_unsent, net_close},
        .seed = dice(u, UINT64_MAX),
        .dirty_keys_max = 20,
        .report = ignore_report,
    };

    u->sink = redis_sink_create(&options);
}

static inline void begin_universe(struct universe *u, uint64_t seed)
{
    memset(u, 0, sizeof(*u));
    u->random = seed;
    world_init(&u->world);
    u->world.plan.redis.connections = (uint32_t)(1 + dice(u, CONNECTIONS));
    u->world.plan.redis.linger_ms = (int64_t)dice(u, 10);
    u->world.plan.redis.password = chance(u, 30) ? "secret" : NULL;
    u->model.password = "secret";
    u->model.run = 1;
    u->model.context = u;
    u->now_ns = NS_PER_S;
    for (int key = 0; key < KEYS; key++) {
        for (int view = 0; view < VIEW_COUNT; view++)
            u->truths[key][view].window_end_ms = u->truths[key][view].newest_end_ms = 1000000;
    }
}

static inline void end_universe(struct universe *u)
{
    redis_sink_free(u->sink);
    arena_done(&u->world.arena);
    for (unsigned i = 0; i < CONNECTIONS; i++) {
        buf_free(&u->pipes[i].out);
        buf_free(&u->pipes[i].held);
        buf_free(&u->pipes[i].wire);
        buf_free(&u->pipes[i].reply);
    }
}

static inline uint64_t number_of(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);

    return text ? strtoull(text, NULL, 10) : otherwise;
}

#endif
