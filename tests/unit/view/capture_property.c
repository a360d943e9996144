/* Keyspaces that are captured and loaded again, at any moment, go on as if nothing had happened.
 *
 *   script   event event told fire event … event told fire all [finish]
 *   first    ─────┬─capture──────┬────────────────────────────────────▶   rows: those of the oracle
 *   second        mark           └ from what was stored: ──┬──────────▶   the same as the first
 * one's third                                                  └──────────▶   … as the second one's
 *
 * A mark may come at any step, the slices of its capture between any steps that follow. In half of
 * the tests keys are evicted between any steps, and come back when they are needed: with the same
 * rows. */
#include "view_script.h"

#define SNAPSHOTS_MAX 64
#define GENERATIONS   4

/* What a checkpoint holds, and how far its run was. */
struct snapshot {
    struct store store;
    struct keyspace_times times;
    size_t step;
    size_t rows[SPEC_VIEWS_MAX][SPEC_KEYS];
    int64_t shown_ms[SPEC_VIEWS_MAX][SPEC_KEYS];
    uint64_t late;
    uint64_t duplicates;
    uint64_t stats[SPEC_VIEWS_MAX][3]; /* events, late, released */
};

struct life {
    struct bench bench;
    bool evicts; /* then what is captured always reaches the store */
    struct store store;
    struct snapshot marked; /* of the capture under way */
    bool is_capturing;
    bool must_be_all;
    struct snapshot snapshots[SNAPSHOTS_MAX];
    size_t snapshot_count;
};

static struct life lives[GENERATIONS];
static uint64_t evicted; /* of all cases */
static uint64_t loaded;
static uint64_t checkpoints; /* their numbers are used once */

/* ---- lives */

static void note(struct snapshot *snapshot, const struct bench *bench, size_t step)
{
    keyspace_times(bench->keyspace, &snapshot->times);
    snapshot->step = step;
    memcpy(snapshot->shown_ms, bench->shown_ms, sizeof(snapshot->shown_ms));
    snapshot->late = bench->late_after_all;
    snapshot->duplicates = counter_get(&bench->duplicates);
    for (int view = 0; view < SPEC_VIEWS_MAX; view++) {
        const struct view_stats *stats = &bench->stats[view];

        for (int key = 0; key < SPEC_KEYS; key++)
            snapshot->rows[view][key] = bench->rows[view][key].count;
        snapshot->stats[view][0] = counter_get(&stats->events);
        snapshot->stats[view][1] = counter_get(&stats->late);
        snapshot->stats[view][2] = counter_get(&stats->released);
    }
}

static void capture_some(struct life *life)
{
    bool more = keyspace_capture(life->bench.keyspace, (uint32_t)random_below(4));
    bool stays = random_chance(more ? 50 : 10); /* what was captured: for a while */

    if (!stays)
        store_take(&life->store, keyspace_captured(life->bench.keyspace));
    if (more)
        return;
    life->is_capturing = false;
    if (stays || life->snapshot_count == SNAPSHOTS_MAX)
        return;
    struct snapshot *snapshot = &life->snapshots[life->snapshot_count++];
    struct store none = snapshot->store;

    *snapshot = life->marked;
    snapshot->store = none;
    store_copy(&snapshot->store, &life->store);
}

static void mark(struct life *life, size_t step)
{
    bool all = life->must_be_all || random_chance(5);

    if (all && !life->evicts)
        store_clear(&life->store);
    life->must_be_all = false;
    life->is_capturing = true;
    note(&life->marked, &life->bench, step);
    keyspace_mark(life->bench.keyspace, ++checkpoints, all);
}

static void capture_at(struct life *life, size_t step)
{
    if (life->is_capturing && random_chance(3)) {
        keyspace_capture_abort(life->bench.keyspace);
        life->is_capturing = false;
        /* What it has yielded was lost, perhaps. */
        life->must_be_all = !life->evicts && random_chance(50);
        if (life->must_be_all && random_chance(50))
            buf_reset(keyspace_captured(life->bench.keyspace));
    } else if (life->is_capturing && random_chance(60)) {
        capture_some(life);
    } else if (!life->is_capturing && random_chance(20)) {
        mark(life, step);
    }
}

/* A checkpoint of what is written between captures would be of no instant. */
static void evict_some(struct life *life)
{
    struct keyspace *keyspace = life->bench.keyspace;
    uint64_t keys = keyspace_keys(keyspace);

    if (!life->evicts || random_chance(40))
        return;
    store_take(&life->store, keyspace_captured(keyspace));
    do {
        keyspace_evict(keyspace, (uint32_t)random_below(12),
                       !life->is_capturing && random_chance(70));
    } while (random_chance(50));
    ENSURE_INT(keyspace_keys(keyspace), keys);
}

static void live(struct life *life, size_t first)
{
    for (size_t i = first; i < script.count; i++) {
        capture_at(life, i);
        evict_some(life);
        do_step(&life->bench, &script.steps[i]);
        evict_some(life);
        capture_at(life, i + 1);
    }
    while (life->is_capturing)
        capture_some(life);
    evicted += counter_get(&life->bench.evicted);
    loaded += counter_get(&life->bench.loaded);
}

/* What was loaded is saved as it was: the same keys, by the same bytes. */
static void check_saved_again(struct life *life, const struct store *from)
{
    size_t keys = 0;

    keyspace_mark(life->bench.keyspace, ++checkpoints, true);
    while (keyspace_capture(life->bench.keyspace, 3))
        ;
    store_clear(&life->store);
    store_take(&life->store, keyspace_captured(life->bench.keyspace));
    for (size_t i = 0; i < life->store.count; i++) {
        const struct kept *kept = &life->store.all[i];

        if (kept->key[4] != ENTRY_KEY)
            continue; /* ids are in new chunks */
        const struct kept *before = store_find(from, (struct slice){kept->key, kept->key_len});

        ENSURE(before && slice_equal((struct slice){before->value, before->value_len},
                                     (struct slice){kept->value, kept->value_len}));
        keys++;
    }
    for (size_t i = 0; i < from->count; i++)
        keys -= from->all[i].key[4] == ENTRY_KEY;
    ENSURE_INT(keys, 0);
}

/* A new keyspace, from a checkpoint. */
static void be_born(struct life *life, const struct snapshot *from, bool evicts)
{
    bool is_changed = random_chance(20);
    struct schema_map *map;

    life->evicts = evicts;
    bench_init_with(&life->bench, &script.spec, store_fetch, &life->store);
    memcpy(life->bench.shown_ms, from->shown_ms, sizeof(from->shown_ms));
    map = map_onto(life->bench.plan, life->bench.plan);
    assert_true(schema_map_is_same(map));
    keyspace_times_restore(life->bench.keyspace, &from->times);
    store_load(&from->store, life->bench.keyspace, map, is_changed);
    schema_map_free(map);
    if (!is_changed)
        store_copy(&life->store, &from->store);
    if (random_chance(30))
        check_saved_again(life, &from->store);
}

static void die(struct life *life)
{
    bench_done(&life->bench);
    store_clear(&life->store);
    for (size_t i = 0; i < SNAPSHOTS_MAX; i++)
        store_clear(&life->snapshots[i].store);
    memset(life, 0, sizeof(*life));
}

/* The rows behind the first `skipped`; of an idle script in an order of their own. */
static struct spec_rows rows_behind(const struct spec_rows *rows, size_t skipped, bool may_sort)
{
    struct spec_rows behind = {.count = rows->count - skipped};

    behind.rows = calloc(behind.count + 1, sizeof(*behind.rows));
    if (behind.count > 0)
        memcpy(behind.rows, rows->rows + skipped, behind.count * sizeof(*behind.rows));
    if (may_sort && behind.count > 0)
        qsort(behind.rows, behind.count, sizeof(*behind.rows), compare_rows);
    return behind;
}

static void check_rows_behind(const struct bench *bench, int view, int key,
                              const struct spec_rows *wanted, size_t skipped)
{
    bool may_sort = script.is_idle && !script.spec.views[view].on_update;
    struct spec_rows left = rows_behind(wanted, skipped, may_sort);
    struct spec_rows right = rows_behind(&bench->rows[view][key], 0, may_sort);

    check_rows_of(bench, view, key, &left, &right);
    rows_free(&left);
    rows_free(&right);
}

static void check_against_oracle(const struct bench *bench)
{
    for (int view = 0; view < script.spec.view_count; view++) {
        for (int key = 0; key < SPEC_KEYS; key++)
            check_rows_behind(bench, view, key, &script.oracle.rows[view][key], 0);
    }
    check_counters(bench, &script.oracle);
}

static void check_against_parent(const struct bench *bench, const struct bench *parent,
                                 const struct snapshot *from)
{
    for (int view = 0; view < script.spec.view_count; view++) {
        const struct view_stats *before = &parent->stats[view];
        const struct view_stats *stats = &bench->stats[view];

        for (int key = 0; key < SPEC_KEYS; key++)
            check_rows_behind(bench, view, key, &parent->rows[view][key], from->rows[view][key]);
        ENSURE_INT(counter_get(&stats->events) + from->stats[view][0],
                   counter_get(&before->events));
        ENSURE_INT(counter_get(&stats->late) + from->stats[view][1], counter_get(&before->late));
        ENSURE_INT(counter_get(&stats->released) + from->stats[view][2],
                   counter_get(&before->released));
    }
    ENSURE_INT(bench->late_after_all + from->late, parent->late_after_all);
    ENSURE_INT(counter_get(&bench->duplicates) + from->duplicates,
               counter_get(&parent->duplicates));
}

static void check_case(bool aligned, bool is_idle, bool evicts)
{
    int generation = 0;

    write_script(aligned, is_idle);
    if (random_chance(50)) {
        step_add(STEP_FINISH);
        oracle_finish(&script.oracle);
    }
    bench_init_with(&lives[0].bench, &script.spec, store_fetch, &lives[0].store);
    lives[0].evicts = evicts;
    lives[0].bench.stop_percent = random_chance(20) ? 20 : 0;
    live(&lives[0], 0);
    check_against_oracle(&lives[0].bench);
    while (generation + 1 < GENERATIONS && lives[generation].snapshot_count > 0) {
        struct life *parent = &lives[generation];
        struct life *child = &lives[++generation];
        const struct snapshot *from = &parent->snapshots[random_below(parent->snapshot_count)];

        be_born(child, from, evicts);
        live(child, from->step);
        check_against_parent(&child->bench, &parent->bench, from);
    }
    for (; generation >= 0; generation--)
        die(&lives[generation]);
    script_done();
}

static void aligned_keyspaces_go_on(void **state)
{
    (void)state;
    for (FIRST_SEED; MORE_SEEDS(400); NEXT_SEED)
        check_case(true, false, false);
}

static void shuffled_keyspaces_go_on(void **state)
{
    (void)state;
    for (FIRST_SEED; MORE_SEEDS(400); NEXT_SEED)
        check_case(false, false, false);
}

static void keyspaces_with_idle_clocks_go_on(void **state)
{
    (void)state;
    for (FIRST_SEED; MORE_SEEDS(400); NEXT_SEED)
        check_case(random_chance(50), true, false);
}

static void aligned_keyspaces_evict_unseen(void **state)
{
    (void)state;
    for (FIRST_SEED; MORE_SEEDS(400); NEXT_SEED)
        check_case(true, false, true);
}

static void shuffled_keyspaces_evict_unseen(void **state)
{
    (void)state;
    for (FIRST_SEED; MORE_SEEDS(400); NEXT_SEED)
        check_case(false, false, true);
}

static void keyspaces_with_idle_clocks_evict_unseen(void **state)
{
    (void)state;
    for (FIRST_SEED; MORE_SEEDS(400); NEXT_SEED)
        check_case(random_chance(50), true, true);
    assert_true(evicted > 1000 && loaded > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(aligned_keyspaces_go_on),
        cmocka_unit_test(shuffled_keyspaces_go_on),
        cmocka_unit_test(keyspaces_with_idle_clocks_go_on),
        cmocka_unit_test(aligned_keyspaces_evict_unseen),
        cmocka_unit_test(shuffled_keyspaces_evict_unseen),
        cmocka_unit_test(keyspaces_with_idle_clocks_evict_unseen),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
