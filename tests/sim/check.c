/* What must have come of a run, by the definitions: every event is judged by the records before it
 * in its own partition, windows by all events; see view_oracle.h.
 *
 *   aligned   each keyspace's rows, every one in order, and its partition's dead letters and late
 *             records. Of a keyspace that was dropped: a beginning of them.
 *   shuffle   each keyspace was given the right events, and no time before the events that the time
 *             speaks for; its rows are those of what it was given. Without idle clocks also: the
 *             last rows of all windows are those of the events, in whatever order they came.
 *   Redis     shows the newest of these rows of each key and view. */

#include "check.h"

/* --- a partition by itself --- */

void walk_begin(struct walk *walk, int partition)
{
    *walk = (struct walk){&sim.scenario.logs[partition], partition, WATERMARK_NONE};
}

void walk_saw(struct walk *walk, const struct sim_record *record)
{
    walk->watermark_ms = MAX(walk->watermark_ms,
                             record->sample.time_ms - sim.scenario.spec.out_of_orderness_ms);
}

int64_t position_of(int partition)
{
    return atomic_load(&sim.fleet.progress[0][partition].position);
}

void event_expect(const struct tap *tap, const struct sim_record *record, int partition,
                  int64_t watermark_ms, struct oracle *oracle)
{
    uint64_t before = oracle->late_after_all;
    bool by_watermark = is_late_after_all(oracle, &record->sample, watermark_ms, true);

    oracle_event(oracle, &record->sample, watermark_ms);
    if (oracle->late_after_all > before)
        side_late_expect(tap, record, partition, watermark_ms, by_watermark);
}

/* --- rows --- */

static int compare_rows(const void *a, const void *b)
{
    const struct spec_row *left = a;
    const struct spec_row *right = b;

    if (left->end_ms != right->end_ms)
        return left->end_ms < right->end_ms ? -1 : 1;
    return (left->revision > right->revision) - (left->revision < right->revision);
}

void sort_if_free(int view, struct spec_rows *rows)
{
    if (rows->count > 0 && sim.scenario.idles && !sim.scenario.spec.views[view].on_update)
        qsort(rows->rows, rows->count, sizeof(struct spec_row), compare_rows);
}

void count_rows(const struct oracle *oracle, struct row_counts *ret)
{
    for (int view = 0; view < SPEC_VIEWS_MAX; view++) {
        for (int key = 0; key < SPEC_KEYS; key++)
            ret->of[view][key] = oracle->rows[view][key].count;
    }
}

/* Which rows are older than what is shown depends on when a shard gets to them. */
static bool may_be_offline(int view, const struct spec_rows *rows, size_t at)
{
    bool kept = sim.scenario.when_empty[view] == WHEN_EMPTY_KEEP;

    for (size_t i = 0; i < rows->count; i++) {
        const struct spec_row *row = &rows->rows[i];

        if (row->online && !(kept && row->empty) && row->end_ms > rows->rows[at].end_ms)
            return true;
    }
    return false;
}

size_t first_difference(int view, const struct spec_rows *wanted, size_t from,
                        const struct spec_rows *got)
{
    size_t at = 0;

    for (; at < MIN(wanted->count - from, got->count); at++) {
        struct spec_row row = got->rows[at];

        if (!row.online && may_be_offline(view, wanted, from + at))
            row.online = wanted->rows[from + at].online;
        if (!rows_same(&wanted->rows[from + at], &row))
            break;
    }
    return at;
}

/* `before`: so many rows are of the keyspaces before it. */
static void check_rows(const struct tap *tap, int group, int view, int key,
                       const struct oracle *oracle, size_t before)
{
    const struct spec_rows *all = &oracle->rows[view][key];
    struct spec_rows wanted = {all->rows ? all->rows + before : NULL, all->count - before, 0};
    struct spec_rows *got = (struct spec_rows *)&tap->rows[group][view][key];

    CHECK(before <= all->count);
    sort_if_free(view, &wanted);
    sort_if_free(view, got);
    size_t at = first_difference(view, all, before, got);

    if (at == got->count && (at == wanted.count || tap->was_cut))
        return;
    print_rows("wanted", &wanted, at);
    print_rows("got", got, at);
    sim_fail("rows of view v%d, group %d, key %s differ (shard %u, life %d, partition %d, "
             "assignment %d%s)",
             view, group, key_names[key], tap->shard, tap->life, tap->partition, tap->epoch,
             tap->was_cut ? ", cut" : "");
}

void check_key(const struct tap *tap, int group, int key, struct oracle *oracle,
               const struct row_counts *before, const struct history *history)
{
    for (int view = 0; view < sim.scenario.spec.view_count; view++) {
        if (!history->had_finished)
            check_rows(tap, group, view, key, oracle, before->of[view][key]);
        if (!tap->was_cut)
            check_file(group, view, key, &oracle->rows[view][key], history->had_finished);
    }
}

void check_no_rows(const struct tap *tap, int group, int key)
{
    for (int view = 0; view < sim.scenario.spec.view_count; view++) {
        if (tap->rows[group][view][key].count > 0)
            sim_fail("shard %u, partition %d has emitted rows of group %d, key %s", tap->shard,
                     tap->partition, group, key_names[key]);
    }
}

void restored_apply(struct oracle *oracle, const struct tap_entry *times)
{
    bool was_held = oracle->is_held;

    oracle->is_held = true;
    oracle_advance(oracle, times->watermark_ms, times->clock_ms);
    oracle->is_held = was_held;
    oracle->release_ms = MAX(oracle->release_ms, times->release_ms);
}

/* --- aligned --- */

/* A walk through the records of a partition, beside what a keyspace of it was given. */
struct aligned_walk {
    const struct tap *tap;
    struct history history;
    size_t entry; /* in the history */
    struct walk walk;
    struct oracle *oracle;
    struct side_cursor sides;
    bool is_own; /* what comes is its own */
    struct row_counts before;
};

/* The times that the keyspace was told before it came to this offset: its own watermark, and a
 * clock that may be ahead of it only if the seed has idle partitions. */
static void times_apply(struct aligned_walk *walk, int64_t offset, size_t end)
{
    const struct tap *tap = walk->tap;

    for (; walk->entry < end; ++walk->entry) {
        const struct tap_entry *one = walk->history.entries[walk->entry];

        if (one->is_event)
            continue;
        if (one->position > offset)
            return;
        if (one->watermark_ms != walk->walk.watermark_ms)
            sim_fail("partition %d at offset %" PRId64 ": watermark %" PRId64 ", not %" PRId64,
                     tap->partition, one->position, one->watermark_ms, walk->walk.watermark_ms);
        if (one->clock_ms > one->watermark_ms && !sim.scenario.idles)
            sim_fail("partition %d: a clock of its own, though nobody is idle", tap->partition);
        if (one->is_restored && (one->clock_ms != walk->oracle->clock_ms ||
                                 one->release_ms != walk->oracle->release_ms))
            sim_fail("partition %d at offset %" PRId64 ": restored with clock %" PRId64
                     ", not %" PRId64,
                     tap->partition, one->position, one->clock_ms, walk->oracle->clock_ms);
        oracle_advance(walk->oracle, one->watermark_ms, one->clock_ms);
    }
}

/* Here the keyspace begins. */
static void own_begins(struct aligned_walk *walk)
{
    times_apply(walk, INT64_MAX, walk->history.own);
    oracle_advance(walk->oracle, walk->walk.watermark_ms, walk->walk.watermark_ms);
    count_rows(walk->oracle, &walk->before);
    walk->is_own = true;
}

static void aside_expect(struct aligned_walk *walk, const struct sim_record *record,
                         const char *error, const char *field, int64_t watermark_ms)
{
    if (walk->is_own)
        side_expect(&walk->sides, record, error, field, watermark_ms);
    if (!walk->tap->was_cut)
        side_covered(walk->tap->partition, record, error, field, watermark_ms);
}

static void walk_record(struct aligned_walk *walk, const struct sim_record *record)
{
    int64_t watermark_ms = walk->walk.watermark_ms;
    struct oracle *oracle = walk->oracle;

    if (!walk->is_own && record->offset >= walk->tap->start_offset)
        own_begins(walk);
    if (record->error) {
        aside_expect(walk, record, record->error, record->field, 0);
        return;
    }
    times_apply(walk, record->offset, walk->history.count);
    if (oracle_is_late_for_all(oracle, record->sample.time_ms,
                               MAX(watermark_ms, oracle->release_ms))) {
        bool is_late = oracle_is_late_for_all(oracle, record->sample.time_ms, watermark_ms);

        aside_expect(walk, record, is_late ? "late" : "released", NULL, watermark_ms);
    } else {
        oracle_advance(oracle, watermark_ms, watermark_ms);
        event_expect(walk->tap, record, walk->tap->partition, watermark_ms, oracle);
    }
    walk_saw(&walk->walk, record);
}

static void check_partition(struct aligned_walk *walk)
{
    const struct tap *tap = walk->tap;
    int64_t position = tap->was_cut ? tap->end_offset : position_of(tap->partition);
    const struct sim_log *log = &sim.scenario.logs[tap->partition];

    walk_begin(&walk->walk, tap->partition);
    for (size_t i = 0; i < log->count && log->records[i].offset < position; i++)
        walk_record(walk, &log->records[i]);
    if (!walk->is_own)
        own_begins(walk);
    times_apply(walk, INT64_MAX, walk->history.count);
    oracle_advance(walk->oracle, walk->walk.watermark_ms, walk->walk.watermark_ms);
    if (tap->finished)
        oracle_finish(walk->oracle);
    side_end_expected(&walk->sides);
}

static void check_aligned(const struct tap *tap)
{
    static struct oracle oracle;
    struct aligned_walk walk = {
        .tap = tap,
        .oracle = &oracle,
        .sides = {.life = tap->life,
                  .epoch = tap->epoch,
                  .partition = tap->partition,
                  .may_end = tap->was_cut},
    };

    if (tap->partition < 0)
        return; /* dropped before its first turn */
    history_init(&walk.history, tap, 0);
    if (tap->was_cut) /* when time passes after its end nobody knows */
        walk.history.count = walk.history.own;
    oracle_init(&oracle, &sim.scenario.spec);
    check_partition(&walk);
    for (int group = 0; group < GROUPS_MAX; group++) {
        for (int key = 0; key < SPEC_KEYS; key++) {
            if (group != tap->partition)
                check_no_rows(tap, group, key);
            else if (!tap->was_cut || !sim.scenario.idles)
                check_key(tap, group, key, &oracle, &walk.before, &walk.history);
        }
    }
    if (!tap->was_cut)
        check_redis(&oracle, tap->partition, ~0u);
    oracle_done(&oracle);
    history_done(&walk.history);
}

/* --- idle clocks --- */

/* In the end all partitions have been silent for longer than idle_after. */
static void check_idle_clock(const struct tap *tap)
{
    int64_t clock_ms = WATERMARK_NONE;
    int64_t due_ms = WATERMARK_END;

    for (size_t i = 0; i < tap->entry_count; i++)
        clock_ms = MAX(clock_ms, tap->entries[i].is_event ? clock_ms : tap->entries[i].clock_ms);
    for (int i = 0; i < sim.scenario.partition_count; i++) {
        struct walk walk;

        if (tap->partition >= 0 && i != tap->partition)
            continue;
        walk_begin(&walk, i);
        for (size_t j = 0; j < walk.log->count; j++) {
            if (!walk.log->records[j].error)
                walk_saw(&walk, &walk.log->records[j]);
        }
        if (walk.watermark_ms != WATERMARK_NONE)
            due_ms = MIN(due_ms, walk.watermark_ms + sim.scenario.idle_after_ms);
    }
    if (due_ms != WATERMARK_END && clock_ms < due_ms)
        sim_fail("shard %u partition %d: all is silent and the clock stands at %" PRId64
                 ", before %" PRId64,
                 tap->shard, tap->partition, clock_ms, due_ms);
}

void check_all(void)
{
    bool aligned = sim.scenario.spec.aligned;

    file_rows_make();
    for (const struct tap *tap = sim.taps; tap; tap = tap->next) {
        if (aligned)
            check_aligned(tap);
        if (sim.scenario.idles && !sim.scenario.drains_early && !tap->was_cut)
            check_idle_clock(tap);
    }
    if (!aligned)
        check_shuffled();
    check_late_are_expected();
    file_rows_done();
}
