/* The Redis sink against a model of Redis, under a seed: random rows, batching, delays, lost
 * connections (with the commands under way executed or not), restarts with and without data,
 * evictions, expiry, errors. In the end Redis shows the newest row of each key and view; at no
 * moment has a window_end gone back.
 *
 * FRESHET_SEED=n runs that seed alone, FRESHET_SEEDS=count so many from 1 on. */
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
    bool calm; /* no more trouble */
};

static uint64_t dice(struct universe *u, uint64_t sides)
{
    u->random = hash64_int(u->random);
    return u->random % sides;
}

static bool chance(struct universe *u, unsigned percent)
{
    return dice(u, 100) < percent;
}

static int64_t wall_ms(const struct universe *u)
{
    return START_MS + u->now_ns / NS_PER_MS;
}

/* --- the network --- */

static int net_connect(void *context, unsigned number)
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

static struct buf *net_out(void *context, unsigned number)
{
    struct universe *u = context;

    assert_int_equal(u->pipes[number].state, PIPE_UP);
    return &u->pipes[number].out;
}

static void net_flush(void *context, unsigned number)
{
    struct pipe *pipe = &((struct universe *)context)->pipes[number];

    buf_append_slice(&pipe->wire, buf_slice(&pipe->out));
    buf_reset(&pipe->out);
    assert_true(pipe->wire.len < WIRE_MAX);
}

static bool execute_one(struct universe *u, struct pipe *pipe)
{
    u->model.now_ms = u->now_ns / NS_PER_MS;
    size_t len = model_execute(&u->model, buf_slice(&pipe->wire), &pipe->reply);

    buf_consume(&pipe->wire, len);
    return len > 0;
}

/* Some of what was under way is executed, its replies are lost; the rest never arrives. */
static void cut(struct universe *u, struct pipe *pipe)
{
    for (uint64_t left = dice(u, 3) ? dice(u, 30) : 0; left > 0 && execute_one(u, pipe);)
        left--;
    pipe->state = PIPE_DOWN;
    buf_reset(&pipe->out);
    buf_reset(&pipe->wire);
    buf_reset(&pipe->reply);
}

static size_t net_unsent(void *context, unsigned number)
{
    return ((struct universe *)context)->pipes[number].out.len;
}

static void net_close(void *context, unsigned number)
{
    struct universe *u = context;

    cut(u, &u->pipes[number]);
}

static void lose(struct universe *u, unsigned number)
{
    struct pipe *pipe = &u->pipes[number];

    if (pipe->state == PIPE_DOWN)
        return;
    cut(u, pipe);
    redis_sink_lost(u->sink, number, chance(u, 50) ? 0 : -ECONNRESET, u->now_ns);
}

static void deliver(struct universe *u, unsigned number)
{
    struct pipe *pipe = &u->pipes[number];
    size_t len = u->calm ? pipe->reply.len : 1 + dice(u, pipe->reply.len);
    char *bytes = malloc(len);

    memcpy(bytes, pipe->reply.data, len);
    buf_consume(&pipe->reply, len);
    redis_sink_received(u->sink, number, (struct slice){bytes, len}, u->now_ns, wall_ms(u));
    free(bytes);
}

static void run_network(struct universe *u)
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

static void restart_redis(struct universe *u, bool empty)
{
    for (unsigned i = 0; i < u->world.plan.redis.connections; i++)
        lose(u, i);
    u->model.run++;
    if (empty)
        u->model.key_count = 0;
}

static void key_name(char name[60], int source, int key)
{
    snprintf(name, 60, source ? "other:k%d" : "features:user:{k%d}", key);
}

static void make_trouble(struct universe *u)
{
    static const char *const errors[] = {"LOADING wait",  "OOM no",       "READONLY no",
                                         "BUSY script",   "MISCONF disk", "NOPERM no",
                                         "MOVED 1 host:1"};
    char name[60];

    if (chance(u, 2))
        lose(u, (unsigned)dice(u, u->world.plan.redis.connections));
    if (dice(u, 400) == 0)
        restart_redis(u, chance(u, 50));
    key_name(name, (int)dice(u, 2), (int)dice(u, KEYS));
    if (chance(u, 2))
        model_delete(model_key(&u->model, name));
    if (dice(u, 300) == 0)
        model_key(&u->model, name)->wrong_type = true;
    if (dice(u, 100) == 0) {
        u->model.error = errors[dice(u, ARRAY_LEN(errors))];
        u->error_until_ns = u->now_ns + (int64_t)dice(u, 300) * NS_PER_MS;
    }
    if (u->now_ns >= u->error_until_ns)
        u->model.error = NULL;
    if (dice(u, 60) == 0)
        redis_sink_hold(u->sink, chance(u, 40));
    if (dice(u, 60) == 0)
        redis_sink_flush(u->sink, chance(u, 30));
}

/* --- rows --- */

static void spell(char text[60], struct row_value value)
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

static struct row_value any_value(struct universe *u, enum row_value_type type)
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

static void any_values(struct universe *u, int view, struct row_value values[3])
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
static void learn(struct universe *u, int key, const struct row *row)
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

static void emit(struct universe *u, int key, int view, struct row_value *values, bool empty,
                 int64_t window_end_ms)
{
    char name[16];

    snprintf(name, sizeof(name), "k%d", key);
    struct row row = world_row(&u->world, view, name, window_end_ms, values);

    row.empty = empty;
    row.record_ms = wall_ms(u);
    row.fetched_ns = u->now_ns;
    redis_sink_clock(u->sink, u->now_ns, wall_ms(u));
    redis_sink_row(u->sink, &row, PLAN_NONE, &u->slots[key][view == VIEW_KEEPING]);
    learn(u, key, &row);
}

/* A value that no earlier row of the view had. */
static struct row_value fresh_value(struct universe *u, int view)
{
    u->serial += 1000;
    return view == VIEW_SKIPPING   ? decimal_value(u->serial, 2)
           : view == VIEW_DELETING ? text_value(ROW_JSON, "{}")
                                   : int_value(u->serial);
}

static void emit_any(struct universe *u)
{
    int key = (int)dice(u, KEYS);
    int view = (int)dice(u, VIEW_COUNT);
    const struct truth *truth = &u->truths[key][view];
    struct row_value values[3];
    int64_t window_end_ms = truth->newest_end_ms + (int64_t)dice(u, 3) * 1000;

    any_values(u, view, values);
    if (truth->known && !truth->certain)
        values[0] = fresh_value(u, view);
    else if (truth->known && chance(u, 10))
        window_end_ms = truth->newest_end_ms - 500;
    emit(u, key, view, values, truth->certain && chance(u, 20), window_end_ms);
}

static void release(struct universe *u, int key, int source)
{
    redis_sink_release(u->sink, &u->slots[key][source]);
    for (int view = 0; view < VIEW_COUNT; view++) {
        if ((view == VIEW_KEEPING) == source)
            u->truths[key][view].certain = false;
    }
}

/* --- what must hold --- */

static void check_set(void *context, const char *key, const char *field, const char *value)
{
    struct universe *u = context;
    char name[60];
    char window_end[60];

    for (int view = 0; view < VIEW_COUNT; view++) {
        snprintf(window_end, sizeof(window_end), "%s.window_end", world_names[view][0]);
        if (strcmp(field, window_end) != 0)
            continue;
        for (int k = 0; k < KEYS; k++) {
            struct truth *truth = &u->truths[k][view];
            int64_t told_ms = strtoll(value, NULL, 10);

            key_name(name, view == VIEW_KEEPING, k);
            if (strcmp(key, name) != 0)
                continue;
            if (told_ms < truth->executed_ms)
                fail_msg("%s of %s goes back to %s", field, key, value);
            truth->executed_ms = told_ms;
        }
    }
}

static void check_field(struct universe *u, const char *key, const char *field, const char *text)
{
    const char *shown = model_get(&u->model, key, field);

    if (strcmp(text, "\1") == 0 ? shown != NULL : !shown || strcmp(shown, text) != 0)
        fail_msg("%s %s is \"%s\" and ought to be \"%s\"", key, field, shown ? shown : "(none)",
                 text);
}

static void check_key(struct universe *u, int key)
{
    const struct plan_redis *redis = &u->world.plan.redis;
    char name[60];
    char text[60];

    for (int view = 0; view < VIEW_COUNT; view++) {
        const struct truth *truth = &u->truths[key][view];
        char field[80];

        if (!truth->known || !truth->certain)
            continue;
        key_name(name, view == VIEW_KEEPING, key);
        for (uint32_t i = 0; i < u->world.views[view].feature_count; i++)
            check_field(u, name, world_names[view][i + 1], truth->texts[i]);
        snprintf(field, sizeof(field), "%s.window_end", world_names[view][0]);
        snprintf(text, sizeof(text), "%lld", (long long)truth->window_end_ms);
        check_field(u, name, field, redis->metadata ? text : "\1");
        snprintf(field, sizeof(field), "%s.computed_at", world_names[view][0]);
        snprintf(text, sizeof(text), "%lld", (long long)truth->computed_at_ms);
        check_field(u, name, field, redis->metadata ? text : "\1");
    }
    for (int source = 0; source < 2; source++) {
        key_name(name, source, key);
        int64_t expire_ms = model_key(&u->model, name)->expire_at_ms;

        if (redis->ttl_ms == 0)
            assert_int_equal(expire_ms, -1);
        else
            assert_true(expire_ms - u->now_ns / NS_PER_MS >= redis->ttl_ms / 2);
    }
}

/* Nothing but deadlines and the network moves the clock: a wrong deadline hangs. */
static void drain(struct universe *u)
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

/* --- a run --- */

static void ignore_report(void *context, const char *text)
{
    (void)context;
    assert_true(strlen(text) > 20);
}

static void begin(struct universe *u, uint64_t seed)
{
    static const int64_t ttls[] = {0, 2500, 40000};

    memset(u, 0, sizeof(*u));
    u->random = seed;
    world_init(&u->world);
    u->world.plan.redis.connections = (uint32_t)(1 + dice(u, CONNECTIONS));
    u->world.plan.redis.ttl_ms = ttls[dice(u, ARRAY_LEN(ttls))];
    u->world.plan.redis.linger_ms = (int64_t)dice(u, 10);
    u->world.plan.redis.metadata = !chance(u, 25);
    u->world.plan.redis.password = chance(u, 30) ? "secret" : NULL;
    u->model.password = "secret";
    u->model.run = 1;
    u->model.on_set = check_set;
    u->model.context = u;
    u->now_ns = NS_PER_S;
    for (int key = 0; key < KEYS; key++) {
        for (int view = 0; view < VIEW_COUNT; view++)
            u->truths[key][view].window_end_ms = u->truths[key][view].newest_end_ms = 1000000;
    }
    struct redis_sink_options options = {
        .plan = &u->world.plan,
        .arena = &u->world.arena,
        .io = {u, net_connect, net_out, net_flush, net_unsent, net_close},
        .seed = seed,
        .dirty_keys_max = 20,
        .report = ignore_report,
    };

    u->sink = redis_sink_create(&options);
}

static void step(struct universe *u)
{
    const struct redis_sink_stats *stats = redis_sink_stats(u->sink);
    int64_t ttl_ms = u->world.plan.redis.ttl_ms;
    int64_t rows = (int64_t)dice(u, 6);
    int64_t pass_ms = (int64_t)dice(u, 4);

    if (ttl_ms && dice(u, 100) == 0)
        pass_ms = (int64_t)dice(u, (uint64_t)ttl_ms + 1000);
    u->now_ns += pass_ms * NS_PER_MS;
    make_trouble(u);
    if (!redis_sink_full(u->sink)) {
        for (int64_t i = 0; i < rows; i++)
            emit_any(u);
    }
    if (dice(u, 20) == 0)
        release(u, (int)dice(u, KEYS), (int)dice(u, 2));
    redis_sink_turn(u->sink, u->now_ns, wall_ms(u));
    if (gauge_get(&stats->resyncing) == 0)
        assert_true(redis_sink_deadline(u->sink) > u->now_ns); /* nobody spins */
    run_network(u);
}

/* Every key gets news, so what Redis lost unnoticed is noticed. Twice: the first row may bring
 * nothing but fields that were not there before, which tells nothing. */
static void settle(struct universe *u)
{
    u->calm = true;
    u->model.error = NULL;
    redis_sink_hold(u->sink, false);
    for (unsigned i = 0; i < u->model.key_count; i++) {
        if (u->model.keys[i].wrong_type)
            model_delete(&u->model.keys[i]);
    }
    for (int round = 0; round < 2; round++) {
        for (int key = 0; key < KEYS; key++) {
            for (int view = 0; view < VIEW_COUNT; view += VIEW_KEEPING) {
                struct row_value values[3];

                any_values(u, view, values);
                values[0] = fresh_value(u, view);
                emit(u, key, view, values, false, u->truths[key][view].newest_end_ms + 1);
            }
        }
        drain(u);
    }
}

static void end(struct universe *u)
{
    redis_sink_free(u->sink);
    arena_done(&u->world.arena);
    for (unsigned i = 0; i < CONNECTIONS; i++) {
        buf_free(&u->pipes[i].out);
        buf_free(&u->pipes[i].wire);
        buf_free(&u->pipes[i].reply);
    }
}

static void run_seed(uint64_t seed, struct redis_sink_stats *sum)
{
    static struct universe universe;
    struct universe *u = &universe;

    begin(u, seed);
    for (int i = 0; i < STEPS; i++)
        step(u);
    settle(u);
    for (int key = 0; key < KEYS; key++)
        check_key(u, key);
    /* All that the core still has keys for comes back, without a single row. */
    restart_redis(u, true);
    drain(u);
    for (int key = 0; key < KEYS; key++)
        check_key(u, key);
    const struct redis_sink_stats *stats = redis_sink_stats(u->sink);

    assert_int_equal(gauge_get(&stats->dirty), 0);
    assert_int_equal(gauge_get(&stats->in_flight), 0);
    counter_add(&sum->rows, counter_get(&stats->rows));
    counter_add(&sum->rows_coalesced, counter_get(&stats->rows_coalesced));
    counter_add(&sum->hsets, counter_get(&stats->hsets));
    counter_add(&sum->losses, counter_get(&stats->losses));
    counter_add(&sum->keys_vanished, counter_get(&stats->keys_vanished));
    counter_add(&sum->keys_whole, counter_get(&stats->keys_whole));
    for (int i = 0; i < REDIS_ERROR_COUNT; i++)
        counter_add(&sum->errors[i], counter_get(&stats->errors[i]));
    for (int key = 0; key < KEYS; key++) {
        release(u, key, 0);
        release(u, key, 1);
    }
    assert_int_equal(arena_used_bytes(&u->world.arena) > 64000, 0); /* the detached table at most */
    end(u);
}

static uint64_t number_of(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);

    return text ? strtoull(text, NULL, 10) : otherwise;
}

static void redis_converges_to_the_newest_rows(void **state)
{
    (void)state;
    static struct redis_sink_stats sum;
    uint64_t only = number_of("FRESHET_SEED", 0);
    uint64_t first = only ? only : 1;
    uint64_t last = only ? only : number_of("FRESHET_SEEDS", 150);

    for (uint64_t seed = first; seed <= last; seed++) {
        fprintf(stderr, "\rseed %llu ", (unsigned long long)seed);
        run_seed(seed, &sum);
    }
    fprintf(stderr, "\n");
    print_message("%llu seeds: %llu rows, %llu coalesced, %llu HSETs, %llu whole, "
                  "%llu lost connections, %llu keys found gone, %llu + %llu + %llu + %llu errors\n",
                  (unsigned long long)(last - first + 1),
                  (unsigned long long)counter_get(&sum.rows),
                  (unsigned long long)counter_get(&sum.rows_coalesced),
                  (unsigned long long)counter_get(&sum.hsets),
                  (unsigned long long)counter_get(&sum.keys_whole),
                  (unsigned long long)counter_get(&sum.losses),
                  (unsigned long long)counter_get(&sum.keys_vanished),
                  (unsigned long long)counter_get(&sum.errors[0]),
                  (unsigned long long)counter_get(&sum.errors[1]),
                  (unsigned long long)counter_get(&sum.errors[2]),
                  (unsigned long long)counter_get(&sum.errors[3]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(redis_converges_to_the_newest_rows),
    };

    return cmocka_run_group_tests_name("sink/redis_property", tests, NULL, NULL);
}
