/* The Redis sink against a model of Redis, under a seed: random rows, batching, delays, lost
 * connections (with the commands under way executed or not), restarts with and without data,
 * evictions, expiry, errors. In the end Redis shows the newest row of each key and view; at no
 * moment has a window_end gone back.
 *
 * FRESHET_SEED=n runs that seed alone, FRESHET_SEEDS=count so many from 1 on. */
#include "redis_universe.h"

/* --- trouble --- */

static void make_trouble(struct universe *u)
{
    char name[60];

    disturb(u);
    if (dice(u, 400) == 0)
        restart_redis(u, chance(u, 50));
    key_name(name, (int)dice(u, 2), (int)dice(u, KEYS));
    if (chance(u, 2))
        model_delete(model_key(&u->model, name));
    if (dice(u, 300) == 0)
        model_key(&u->model, name)->wrong_type = true;
    if (dice(u, 60) == 0)
        redis_sink_hold(u->sink, chance(u, 40));
}

/* What a save yields is for the other property test; here it goes through more trouble. */
static void save_some(struct universe *u)
{
    static struct buf bytes;
    struct buf *outs[] = {&bytes, &bytes};

    if (dice(u, 40) == 0)
        redis_sink_save_begin(u->sink);
    redis_sink_save(u->sink, outs, (uint32_t)dice(u, 10));
    buf_free(&bytes);
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

/* --- a run --- */

static void begin(struct universe *u, uint64_t seed)
{
    static const int64_t ttls[] = {0, 2500, 40000};

    begin_universe(u, seed);
    u->world.plan.redis.ttl_ms = ttls[dice(u, ARRAY_LEN(ttls))];
    u->world.plan.redis.metadata = !chance(u, 25);
    u->model.on_set = check_set;
    open_sink(u);
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
    save_some(u);
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
    end_universe(u);
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
