/* The Redis sink across checkpoints and crashes, against a model of Redis, under a seed.
 *
 *   log    row row release row …        what the core emits: the same in every life
 *             ▲          ▲      ▲
 *             mark       position (of this life)    end: how far any life has been
 *
 * Rows and releases go on while what is not acknowledged is saved in slices, with lost connections,
 * errors, restarts of Redis and times when the process is frozen. A save that came to its end may
 * be committed. A crash loses the sink; the next life loads the last committed save into those keys
 * that the core had at its mark, and into none the rest, and replays the log from there, held until
 * it has passed the end.
 *
 * Then Redis shows the newest row of each key and view; at no moment has a window_end gone back,
 * nor a row with the same window_end been followed by an earlier one. */
#include "redis_entries.h"
#include "redis_universe.h"

#define LOG_MAX    20000
#define PARTITIONS 5

struct emission {
    bool release; /* of the key; `view` is then the source */
    bool empty;
    bool older; /* than another one before it: not for a sink that does not know that one */
    int key;
    int view;
    int64_t window_end_ms;
    struct row_value values[3];
};

/* What the core has, and what of that is in a checkpoint. */
struct core {
    size_t position;
    bool alive[KEYS][2];
};

struct stored {
    bool present;
    struct buf key;
    struct buf value;
};

struct store {
    struct stored entries[KEYS][2];
};

struct saga {
    struct universe u; /* its slots are this life's */
    struct emission log[LOG_MAX];
    size_t log_len;
    struct core core;
    bool shown[KEYS][VIEW_COUNT];      /* a row was handed over in this life */
    int64_t serials[KEYS][VIEW_COUNT]; /* of rows: the highest that Redis was told */
    struct store store;                /* the work store */
    bool is_saving;
    struct core mark;
    struct core committed; /* what the next life begins with */
    struct store committed_store;
    unsigned crashes;
    unsigned commits;
    unsigned loaded;
    unsigned detached;
};

static int source_of_view(int view)
{
    return view == VIEW_KEEPING;
}

/* --- what must hold at any moment --- */

static void check_set(void *context, const char *key, const char *field, const char *value)
{
    struct saga *saga = context;
    int number = atoi(strchr(key, 'k') + 1);
    int64_t told = strtoll(value, NULL, 10);
    char name[60];

    for (int view = 0; view < VIEW_COUNT; view++) {
        struct truth *truth = &saga->u.truths[number][view];

        snprintf(name, sizeof(name), "%s.window_end", world_names[view][0]);
        if (strcmp(field, name) == 0) {
            if (told < truth->executed_ms)
                fail_msg("%s of %s goes back from %lld to %s", field, key,
                         (long long)truth->executed_ms, value);
            truth->executed_ms = told;
        }
    }
    if (strcmp(field, "count") == 0 || strcmp(field, "hits") == 0) {
        int64_t *serial = &saga->serials[number][*field == 'c' ? VIEW_PLAIN : VIEW_DELETING];

        if (told < *serial)
            fail_msg("%s of %s goes back from %lld to %s", field, key, (long long)*serial, value);
        *serial = told;
    }
}

/* --- the core --- */

static int32_t partition_of(int key, int source)
{
    return source == 0 ? key % PARTITIONS : PLAN_NONE;
}

static void apply(struct saga *saga, const struct emission *event)
{
    struct universe *u = &saga->u;
    int source = event->release ? event->view : source_of_view(event->view);
    void **slot = &u->slots[event->key][source];
    char name[16];

    saga->core.alive[event->key][source] = !event->release;
    if (event->release) {
        redis_sink_release_of(u->sink, slot, 1 + (uint32_t)(event->key % PARTITIONS));
        for (int view = 0; view < VIEW_COUNT; view++)
            saga->shown[event->key][view] &= source_of_view(view) != source;
        return;
    }
    if (event->older && !saga->shown[event->key][event->view])
        return;
    snprintf(name, sizeof(name), "k%d", event->key);
    struct row row = world_row(&u->world, event->view, name, event->window_end_ms, event->values);

    row.empty = event->empty;
    redis_sink_clock(u->sink, u->now_ns, wall_ms(u));
    redis_sink_row(u->sink, &row, partition_of(event->key, source), slot);
    if (!event->empty || row.view->when_empty != WHEN_EMPTY_KEEP)
        saga->shown[event->key][event->view] = true;
}

static void learn_emission(struct saga *saga, const struct emission *event)
{
    struct universe *u = &saga->u;
    struct row row = world_row(&u->world, event->view, "", event->window_end_ms, event->values);

    if (!event->release) {
        row.empty = event->empty;
        learn(u, event->key, &row);
        return;
    }
    for (int view = 0; view < VIEW_COUNT; view++) {
        if (source_of_view(view) == event->view)
            u->truths[event->key][view].certain = false;
    }
}

static struct emission any_emission(struct saga *saga)
{
    struct universe *u = &saga->u;
    struct emission event = {.key = (int)dice(u, KEYS)};
    const struct truth *truth;

    if (dice(u, 50) == 0) {
        event.release = true;
        event.view = (int)dice(u, 2);
        return event;
    }
    event.view = (int)dice(u, VIEW_COUNT);
    truth = &u->truths[event.key][event.view];
    event.window_end_ms = truth->newest_end_ms + (int64_t)dice(u, 3) * 1000;
    event.empty = truth->certain && chance(u, 20);
    if (truth->certain && chance(u, 10)) {
        event.window_end_ms = truth->newest_end_ms - 500;
        event.older = true;
    }
    any_values(u, event.view, event.values);
    u->serial++;
    if (event.view == VIEW_PLAIN)
        event.values[0] = int_value(u->serial);
    else if (event.view == VIEW_DELETING)
        event.values[1] = int_value(u->serial);
    else if (truth->known && !truth->certain) /* else it may be taken for one that is known */
        event.values[0] = event.view == VIEW_SKIPPING ? decimal_value(u->serial * 1000, 2)
                                                      : int_value(u->serial * 1000);
    return event;
}

static bool is_replaying(const struct saga *saga)
{
    return saga->core.position < saga->log_len;
}

static void go_on(struct saga *saga)
{
    if (!is_replaying(saga)) {
        assert_true(saga->log_len < LOG_MAX);
        saga->log[saga->log_len] = any_emission(saga);
        learn_emission(saga, &saga->log[saga->log_len]);
        saga->log_len++;
    }
    apply(saga, &saga->log[saga->core.position++]);
}

/* --- checkpoints --- */

static void put(struct buf *to, struct slice bytes)
{
    buf_reset(to);
    buf_append_slice(to, bytes);
}

static void store_copy(struct store *to, const struct store *from)
{
    for (int key = 0; key < KEYS; key++) {
        for (int source = 0; source < 2; source++) {
            struct stored *entry = &to->entries[key][source];

            entry->present = from->entries[key][source].present;
            put(&entry->key, buf_slice(&from->entries[key][source].key));
            put(&entry->value, buf_slice(&from->entries[key][source].value));
        }
    }
}

static void store_done(struct store *store)
{
    for (int key = 0; key < KEYS; key++) {
        for (int source = 0; source < 2; source++) {
            buf_free(&store->entries[key][source].key);
            buf_free(&store->entries[key][source].value);
        }
    }
}

static void store_take(struct saga *saga, int source, struct slice from)
{
    struct entry entry;

    while (entry_next(&from, &entry)) {
        char name[16];

        snprintf(name, sizeof(name), "%.*s", SLICE_ARGS(entry.entity));
        int key = atoi(name + 1);

        struct stored *stored = &saga->store.entries[key][source];

        if (source == 0)
            assert_int_equal(entry.group, key % PARTITIONS);
        else
            assert_int_equal(entry.group, hash64(entry.entity) % 256);
        stored->present = !entry.deleted;
        put(&stored->key, entry.key);
        put(&stored->value, entry.value);
    }
}

static void save_begin(struct saga *saga)
{
    redis_sink_save_begin(saga->u.sink);
    saga->is_saving = true;
    saga->mark = saga->core;
}

static void save_slice(struct saga *saga)
{
    struct buf bytes[2] = {{0}};
    struct buf *outs[] = {&bytes[0], &bytes[1]};
    bool more = redis_sink_save(saga->u.sink, outs, 1 + (uint32_t)dice(&saga->u, 8));

    for (int source = 0; source < 2; source++) {
        store_take(saga, source, buf_slice(&bytes[source]));
        buf_free(&bytes[source]);
    }
    if (more)
        return;
    saga->is_saving = false;
    if (chance(&saga->u, 30))
        return; /* the checkpoint fails elsewhere */
    saga->committed = saga->mark;
    store_copy(&saga->committed_store, &saga->store);
    saga->commits++;
}

static void checkpoint_some(struct saga *saga)
{
    if (dice(&saga->u, saga->is_saving ? 80 : 20) == 0)
        save_begin(saga);
    if (saga->is_saving)
        save_slice(saga);
}

static void load_all(struct saga *saga)
{
    struct universe *u = &saga->u;
    int first = (int)dice(u, KEYS * 2);

    for (int i = 0; i < KEYS * 2; i++) {
        int at = (first + i) % (KEYS * 2);
        int key = at / 2;
        int source = at % 2;
        struct stored *stored = &saga->store.entries[key][source];
        bool alive = saga->core.alive[key][source];

        if (!stored->present)
            continue;
        assert_int_equal(redis_sink_load(u->sink, (uint32_t)source, buf_slice(&stored->key),
                                         buf_slice(&stored->value),
                                         alive ? &u->slots[key][source] : NULL,
                                         1 + (uint32_t)(key % PARTITIONS)),
                         0);
        saga->loaded++;
        saga->detached += !alive;
    }
}

static void crash(struct saga *saga)
{
    struct universe *u = &saga->u;

    for (unsigned i = 0; i < CONNECTIONS; i++)
        cut(u, &u->pipes[i]);
    redis_sink_free(u->sink);
    assert_int_equal(arena_used_bytes(&u->world.arena), 0);
    memset(u->slots, 0, sizeof(u->slots));
    memset(saga->shown, 0, sizeof(saga->shown));
    net_gate(u, false);
    saga->is_saving = false;
    saga->core = saga->committed;
    store_copy(&saga->store, &saga->committed_store);
    open_sink(u);
    redis_sink_clock(u->sink, u->now_ns, wall_ms(u));
    load_all(saga);
    redis_sink_hold(u->sink, is_replaying(saga));
    saga->crashes++;
}

/* --- a run --- */

/* The process is frozen, and does not know yet whether its keys are still its own. */
static void freeze_or_thaw(struct saga *saga)
{
    struct universe *u = &saga->u;

    if (!u->gate_shut && dice(u, 60) == 0) {
        net_gate(u, true);
        redis_sink_hold(u->sink, true);
    } else if (u->gate_shut && dice(u, 6) == 0) {
        net_gate(u, false);
        redis_sink_hold(u->sink, is_replaying(saga));
    } else if (u->gate_shut && dice(u, 12) == 0) {
        crash(saga); /* they are not */
    }
}

static void step(struct saga *saga)
{
    struct universe *u = &saga->u;
    uint64_t events = dice(u, is_replaying(saga) ? 20 : 6);

    u->now_ns += (int64_t)dice(u, 4) * NS_PER_MS;
    disturb(u);
    if (dice(u, 400) == 0)
        restart_redis(u, false);
    freeze_or_thaw(saga);
    for (; events > 0 && !redis_sink_full(u->sink); events--)
        go_on(saga);
    if (!is_replaying(saga) && !u->gate_shut)
        redis_sink_hold(u->sink, false);
    checkpoint_some(saga);
    redis_sink_turn(u->sink, u->now_ns, wall_ms(u));
    run_network(u);
}

static void check_between(struct saga *saga, const char *key, const char *field, int64_t least,
                          int64_t most)
{
    const char *shown = model_get(&saga->u.model, key, field);

    if (!shown || strtoll(shown, NULL, 10) < least || strtoll(shown, NULL, 10) > most)
        fail_msg("%s of %s is %s, not from %lld to %lld", field, key, shown ? shown : "missing",
                 (long long)least, (long long)most);
}

/* A row that was left out for being unchanged may be the first that a life has. */
static void check_truth(struct saga *saga, int key, int view)
{
    const struct truth *truth = &saga->u.truths[key][view];
    bool may_skip = saga->u.world.views[view].skip_unchanged;
    char name[60];
    char field[80];

    if (!truth->known || !truth->certain)
        return;
    key_name(name, source_of_view(view), key);
    for (uint32_t i = 0; i < saga->u.world.views[view].feature_count; i++)
        check_field(&saga->u, name, world_names[view][i + 1], truth->texts[i]);
    snprintf(field, sizeof(field), "%s.window_end", world_names[view][0]);
    check_between(saga, name, field, truth->window_end_ms,
                  may_skip ? truth->newest_end_ms : truth->window_end_ms);
    snprintf(field, sizeof(field), "%s.computed_at", world_names[view][0]);
    check_between(saga, name, field, truth->computed_at_ms, wall_ms(&saga->u));
}

/* No more trouble: what does Redis show, when all is written? */
static void settle(struct saga *saga)
{
    struct universe *u = &saga->u;

    u->calm = true;
    u->model.error = NULL;
    net_gate(u, false);
    while (is_replaying(saga))
        go_on(saga);
    redis_sink_hold(u->sink, false);
    drain(u);
    for (int key = 0; key < KEYS; key++) {
        for (int view = 0; view < VIEW_COUNT; view++)
            check_truth(saga, key, view);
    }
    u->calm = false;
}

static void begin(struct saga *saga, uint64_t seed)
{
    struct universe *u = &saga->u;

    memset(saga, 0, sizeof(*saga));
    begin_universe(u, seed);
    u->world.sources[0].aligned = true;
    u->world.plan.redis.ttl_ms = chance(u, 50) ? 0 : 3600000;
    u->model.on_set = check_set;
    u->model.context = saga;
    open_sink(u);
}

static void run_seed(uint64_t seed, struct saga *sum)
{
    static struct saga saga;

    begin(&saga, seed);
    for (int i = 0; i < 1200; i++) {
        step(&saga);
        if (dice(&saga.u, 100) != 0)
            continue;
        crash(&saga);
        if (chance(&saga.u, 40))
            settle(&saga);
    }
    settle(&saga);
    crash(&saga); /* what is acknowledged is not lost by being loaded, and written, once more */
    settle(&saga);
    sum->crashes += saga.crashes;
    sum->commits += saga.commits;
    sum->loaded += saga.loaded;
    sum->detached += saga.detached;
    end_universe(&saga.u);
    store_done(&saga.store);
    store_done(&saga.committed_store);
}

static void crashes_lose_nothing_and_show_nothing_older(void **state)
{
    (void)state;
    static struct saga sum;
    uint64_t only = number_of("FRESHET_SEED", 0);
    uint64_t first = only ? only : 1;
    uint64_t last = only ? only : number_of("FRESHET_SEEDS", 100);

    for (uint64_t seed = first; seed <= last; seed++) {
        fprintf(stderr, "\rseed %llu ", (unsigned long long)seed);
        run_seed(seed, &sum);
    }
    fprintf(stderr, "\n");
    print_message("%llu seeds: %u crashes, %u commits, %u images loaded, %u of them of no key\n",
                  (unsigned long long)(last - first + 1), sum.crashes, sum.commits, sum.loaded,
                  sum.detached);
    if (!only)
        assert_true(sum.detached > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crashes_lose_nothing_and_show_nothing_older),
    };

    return cmocka_run_group_tests_name("sink/redis_crashes", tests, NULL, NULL);
}
