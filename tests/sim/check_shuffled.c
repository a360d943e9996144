/* Shuffled sources: each keyspace was given the right events, and no time before the events that
 * the time speaks for; its rows are those of what it, and those before it, were given. Without idle
 * clocks also: the last rows of all windows are those of the events, in whatever order they came.
 */

#include "check.h"

#include "base/hash.h"

/* What becomes of each record, whoever reads it. */
struct verdict {
    bool is_event; /* not set aside */
    int64_t watermark_ms;
};

static struct verdict *verdicts[PARTITIONS_MAX];
static int64_t final_ms[PARTITIONS_MAX]; /* watermark in the end, or WATERMARK_NONE */

static uint64_t hash_of(int group, int key)
{
    char text[KEY_BYTES];

    key_write(&sim.scenario, group, key, text);
    return hash64(slice_of(text));
}

static bool owns(const struct tap *tap, int group, int key)
{
    uint32_t shards = (uint32_t)sim.scenario.shard_counts[tap->life];

    return shard_of_key(hash_of(group, key), shards) == tap->shard;
}

static void verdicts_make(int partition)
{
    static struct oracle nothing;
    int64_t start_offset = sim.partitions[partition].start_offset;
    struct side_cursor sides = {.life = sim.scenario.lives - 1, .epoch = 1, .partition = partition};
    struct walk walk;

    oracle_init(&nothing, &sim.scenario.spec);
    walk_begin(&walk, partition);
    verdicts[partition] = calloc(walk.log->count + 1, sizeof(struct verdict));
    for (size_t i = 0; i < walk.log->count; i++) {
        const struct sim_record *record = &walk.log->records[i];
        struct verdict *verdict = &verdicts[partition][i];

        if (record->offset >= position_of(partition))
            break;
        if (record->error) {
            if (record->offset >= start_offset)
                side_expect(&sides, record, record->error, record->field, 0);
            side_covered(partition, record, record->error, record->field, 0);
            continue;
        }
        *verdict = (struct verdict){.watermark_ms = walk.watermark_ms};
        verdict->is_event = !oracle_is_late_for_all(&nothing, record->sample.time_ms,
                                                    walk.watermark_ms);
        if (!verdict->is_event && record->offset >= start_offset)
            side_expect(&sides, record, "late", NULL, walk.watermark_ms);
        if (!verdict->is_event)
            side_covered(partition, record, "late", NULL, walk.watermark_ms);
        walk_saw(&walk, record);
    }
    side_end_expected(&sides);
    final_ms[partition] = walk.watermark_ms;
}

/* The least watermark in the end. One that never held an event counts as long as it may. */
static int64_t least_final_ms(void)
{
    int64_t least_ms = WATERMARK_END;

    for (int i = 0; i < sim.scenario.partition_count; i++) {
        if (final_ms[i] != WATERMARK_NONE || !sim.scenario.bounded)
            least_ms = MIN(least_ms, final_ms[i]);
    }
    return least_ms == WATERMARK_END ? WATERMARK_NONE : least_ms;
}

/* The record at that offset, or the first one behind it. */
static size_t record_at(int partition, int64_t offset)
{
    const struct sim_log *log = &sim.scenario.logs[partition];
    size_t at = 0;

    while (at < log->count && log->records[at].offset < offset)
        at++;
    return at;
}

/* Where a checkpoint goes on, or, without one, where the partition begins. */
static size_t record_after(const struct checkpoint *checkpoint, int partition)
{
    return checkpoint ? record_at(partition,
                                  manifest_partition(&checkpoint->manifest, 0, partition)->position)
                      : 0;
}

static bool is_given(const struct tap *tap, int partition, size_t record)
{
    const struct sim_record *one = &sim.scenario.logs[partition].records[record];

    return verdicts[partition][record].is_event && owns(tap, one->group, one->sample.key);
}

/* Each partition's events of the shard came in order and complete, with their watermark, up to
 * those records; and none after a time that spoke for it. */
static int64_t check_given(const struct tap *tap, size_t cut, const size_t ends[])
{
    size_t next[PARTITIONS_MAX];
    int64_t told_ms = WATERMARK_NONE;

    for (int i = 0; i < sim.scenario.partition_count; i++)
        next[i] = record_after(tap->from, i);
    for (size_t i = 0; i < cut; i++) {
        const struct tap_entry *entry = &tap->entries[i];

        if (!entry->is_event) {
            told_ms = MAX(told_ms, entry->watermark_ms);
            continue;
        }
        size_t *at = &next[entry->partition];

        while (*at < entry->record && !is_given(tap, entry->partition, *at))
            ++*at;
        if (*at != entry->record || *at >= ends[entry->partition] ||
            !is_given(tap, entry->partition, *at))
            sim_fail("shard %u was given record %zu of partition %d, not record %zu (of %zu)",
                     tap->shard, entry->record, entry->partition, *at, ends[entry->partition]);
        if (entry->watermark_ms != verdicts[entry->partition][*at].watermark_ms)
            sim_fail("partition %d record %zu: watermark %" PRId64 ", not %" PRId64,
                     entry->partition, entry->record, entry->watermark_ms,
                     verdicts[entry->partition][*at].watermark_ms);
        /* One that was idle from the beginning is not waited for; it may come with older ones. */
        if (told_ms > entry->watermark_ms && !sim.scenario.idles)
            sim_fail("shard %u was told the watermark %" PRId64 " before record %zu of partition "
                     "%d, which had %" PRId64,
                     tap->shard, told_ms, entry->record, entry->partition, entry->watermark_ms);
        ++*at;
    }
    for (int i = 0; i < sim.scenario.partition_count; i++) {
        for (size_t j = next[i]; j < ends[i]; j++) {
            if (is_given(tap, i, j))
                sim_fail("life %d: shard %u was not given record %zu of partition %d", tap->life,
                         tap->shard, j, i);
        }
    }
    return told_ms;
}

/* What a checkpoint holds is what the records before its positions have led to: of all shards
 * alike, though none of them ever stood still. */
static void check_checkpoints(const struct checkpoint *checkpoint)
{
    while (checkpoint) {
        size_t ends[PARTITIONS_MAX];

        for (int i = 0; i < sim.scenario.partition_count; i++)
            ends[i] = record_after(checkpoint, i);
        for (size_t i = 0; i < checkpoint->part_count; i++)
            check_given(checkpoint->parts[i].tap, checkpoint->parts[i].cut, ends);
        checkpoint = checkpoint->parts[0].tap->from;
    }
}

/* The rows of what the keyspace, and those before it, were given of the key. */
static void oracle_told(const struct tap *tap, const struct history *history, int group, int key,
                        struct oracle *oracle, struct row_counts *before)
{
    oracle_init(oracle, &sim.scenario.spec);
    for (size_t i = 0; i < history->count; i++) {
        const struct tap_entry *entry = history->entries[i];

        if (i == history->own)
            count_rows(oracle, before);
        if (entry->is_restored) {
            restored_apply(oracle, entry);
            continue;
        }
        if (!entry->is_event) {
            oracle->is_held = entry->is_held;
            oracle_advance(oracle, entry->watermark_ms, entry->clock_ms);
            continue;
        }
        const struct sim_record *record = &sim.scenario.logs[entry->partition]
                                               .records[entry->record];

        if (record->group == group && record->sample.key == key)
            event_expect(tap, record, entry->partition, entry->watermark_ms, oracle);
    }
    if (history->own == history->count)
        count_rows(oracle, before);
    if (tap->finished)
        oracle_finish(oracle);
}

static void check_told(const struct tap *tap, int group, int key)
{
    static struct oracle oracle;
    struct history history;
    struct row_counts before;

    if (!owns(tap, group, key)) {
        check_no_rows(tap, group, key);
        return;
    }
    history_init(&history, tap, hash_of(group, key));
    oracle_told(tap, &history, group, key, &oracle, &before);
    check_key(tap, group, key, &oracle, &before, &history);
    check_redis(&oracle, group, 1u << key);
    oracle_done(&oracle);
    history_done(&history);
}

static void check_tap(const struct tap *tap)
{
    size_t ends[PARTITIONS_MAX];

    for (int i = 0; i < sim.scenario.partition_count; i++)
        ends[i] = record_at(i, position_of(i));
    int64_t told_ms = check_given(tap, tap->entry_count, ends);

    if (!sim.scenario.idles && told_ms != least_final_ms())
        sim_fail("shard %u: the last watermark is %" PRId64 ", not %" PRId64, tap->shard, told_ms,
                 least_final_ms());
    for (int group = 0; group < sim.scenario.group_count; group++) {
        for (int key = 0; key < SPEC_KEYS; key++)
            check_told(tap, group, key);
    }
}

static const struct spec_row *last_of_window(const struct spec_rows *rows,
                                             const struct spec_row *window)
{
    const struct spec_row *last = NULL;

    for (size_t i = 0; i < rows->count; i++) {
        if (rows->rows[i].start_ms == window->start_ms && rows->rows[i].end_ms == window->end_ms)
            last = &rows->rows[i];
    }
    return last;
}

/* Each window of `some` has the same last row in `others`. */
static void check_last_rows(const struct spec_rows *some, const struct spec_rows *others,
                            const char *what)
{
    for (size_t i = 0; i < some->count; i++) {
        const struct spec_row *one = last_of_window(some, &some->rows[i]);
        const struct spec_row *other = last_of_window(others, &some->rows[i]);

        if (other && one->empty == other->empty && strcmp(one->values, other->values) == 0)
            continue;
        print_rows(what, some, i);
        print_rows("against", others, others->count);
        sim_fail("the last row of a window depends on the order of events");
    }
}

static const char *last_values(const struct spec_rows *rows, const char *nothing)
{
    return rows->count > 0 ? rows->rows[rows->count - 1].values : nothing;
}

/* Time passes only when all events have come: whatever the interleaving was, and whatever crashed,
 * windows end alike. */
static void check_in_the_end(int group, int view, int key, const struct oracle *untold)
{
    const struct view_spec *spec = &sim.scenario.spec.views[view];
    const struct spec_rows *got = file_rows_of(group, view, key);
    const struct spec_rows *wanted = &untold->rows[view][key];
    char nothing[SPEC_VALUES];

    /* Lifetimes begin anew, and sessions are closed, by how far the others are. */
    if (spec->lifetime || spec->gap_ms)
        return;
    if (!spec->on_update) {
        check_last_rows(wanted, got, "wanted at last");
        if (!sim.scenario.bounded || sim.scenario.lives == 1)
            check_last_rows(got, wanted, "got at last");
        return;
    }
    values_text(nothing, spec, NULL, 0);
    if (strcmp(last_values(got, nothing), last_values(wanted, nothing)) != 0)
        sim_fail("view v%d, group %d, key %s ends with %s, not %s", view, group, key_names[key],
                 last_values(got, nothing), last_values(wanted, nothing));
}

static void check_untold(void)
{
    static struct oracle oracle;

    for (int group = 0; group < sim.scenario.group_count; group++) {
        oracle_init(&oracle, &sim.scenario.spec);
        for (int i = 0; i < sim.scenario.partition_count; i++) {
            const struct sim_log *log = &sim.scenario.logs[i];

            for (size_t j = 0; j < log->count; j++) {
                if (verdicts[i][j].is_event && log->records[j].group == group)
                    oracle_event(&oracle, &log->records[j].sample, verdicts[i][j].watermark_ms);
            }
        }
        oracle_advance(&oracle, least_final_ms(), least_final_ms());
        if (sim.taps->finished)
            oracle_finish(&oracle);
        for (int view = 0; view < sim.scenario.spec.view_count; view++) {
            for (int key = 0; key < SPEC_KEYS; key++)
                check_in_the_end(group, view, key, &oracle);
        }
        oracle_done(&oracle);
    }
}

void check_shuffled(void)
{
    for (int i = 0; i < sim.scenario.partition_count; i++)
        verdicts_make(i);
    for (const struct tap *tap = sim.taps; tap; tap = tap->next) {
        if (!tap->was_cut)
            check_tap(tap);
    }
    check_checkpoints(sim.partitions[0].from);
    /* Which of two duplicates counts depends on their order. */
    if (!sim.scenario.idles && !sim.scenario.spec.dedup_ms)
        check_untold();
    for (int i = 0; i < sim.scenario.partition_count; i++)
        free(verdicts[i]);
}
