/* What must have come of a run, by the definitions: every event is judged by the records before it
 * in its own partition, windows by all events; see view_oracle.h.
 *
 *   aligned   each keyspace's rows, every one in order, and its partition's dead letters and late
 *             records. Of a keyspace that was dropped: a beginning of them.
 *   shuffle   each keyspace was given the right events, and no time before the events that the time
 *             speaks for; its rows are those of what it was given. Without idle clocks also: the
 *             last rows of all windows are those of the events, in whatever order they came.
 *   Redis     shows the newest of these rows of each key and view. */

#include "sim.h"

#include "base/hash.h"

/* --- a partition by itself --- */

struct walk {
    const struct sim_log *log;
    int partition;
    int64_t watermark_ms;
};

static void walk_begin(struct walk *walk, int partition)
{
    *walk = (struct walk){&sim.scenario.logs[partition], partition, WATERMARK_NONE};
}

static void walk_saw(struct walk *walk, const struct sim_record *record)
{
    walk->watermark_ms = MAX(walk->watermark_ms,
                             record->sample.time_ms - sim.scenario.spec.out_of_orderness_ms);
}

/* What has been read of a partition in the end. */
static int64_t position_of(int partition)
{
    return atomic_load(&sim.fleet.progress[0][partition].position);
}

/* --- dead letters and late records --- */

/* Goes through those of one partition and assignment. */
struct side_cursor {
    size_t next;
    int life;
    int epoch;
    int partition;
    bool may_end; /* what comes after the last one is not known */
    bool ended;
};

static const struct side_seen *side_next(struct side_cursor *cursor)
{
    for (; cursor->next < sim.side_count; cursor->next++) {
        const struct side_seen *seen = &sim.sides[cursor->next];

        if (seen->life == cursor->life && seen->epoch == cursor->epoch &&
            seen->partition == cursor->partition && !seen->by_keyspace)
            return &sim.sides[cursor->next++];
    }
    return NULL;
}

static void side_expect(struct side_cursor *cursor, const struct sim_record *record,
                        const char *error, const char *field, int64_t watermark_ms)
{
    const struct side_seen *seen = cursor->ended ? NULL : side_next(cursor);
    enum side_kind kind = record->error ? SIDE_DEAD_LETTER : SIDE_LATE;

    if (!seen && cursor->may_end) {
        cursor->ended = true;
        return;
    }
    if (!seen)
        sim_fail("partition %d offset %" PRId64 " is not set aside as %s", cursor->partition,
                 record->offset, error);
    if (seen->offset != record->offset || seen->kind != kind || strcmp(seen->error, error) != 0 ||
        strcmp(seen->field, field ? field : "") != 0 ||
        (kind == SIDE_LATE && seen->watermark_ms != watermark_ms))
        sim_fail("partition %d: set aside offset %" PRId64 " as %s (%s), not offset %" PRId64
                 " as %s (%s)",
                 cursor->partition, seen->offset, seen->error, seen->field, record->offset, error,
                 field ? field : "");
}

static void side_end(struct side_cursor *cursor)
{
    const struct side_seen *seen = cursor->ended ? NULL : side_next(cursor);

    if (seen)
        sim_fail("partition %d offset %" PRId64 " was set aside as %s for no reason",
                 cursor->partition, seen->offset, seen->error);
}

/* An event of which only the keyspace could tell that it is late. */
static void late_expect(const struct tap *tap, const struct sim_record *record, int partition,
                        int64_t watermark_ms, bool by_watermark)
{
    int epoch = sim.scenario.spec.aligned ? tap->epoch : 1;

    for (size_t i = 0; i < sim.side_count; i++) {
        struct side_seen *seen = &sim.sides[i];

        if (!seen->by_keyspace || seen->is_expected || seen->life != tap->life ||
            seen->epoch != epoch || seen->partition != partition || seen->offset != record->offset)
            continue;
        if (seen->kind != SIDE_LATE || seen->watermark_ms != watermark_ms ||
            strcmp(seen->error, by_watermark ? "late" : "released") != 0)
            sim_fail("partition %d offset %" PRId64 " was set aside as %s", partition,
                     record->offset, seen->error);
        seen->is_expected = true;
        return;
    }
    if (!tap->was_cut)
        sim_fail("partition %d offset %" PRId64 " is late for all sessions and not set aside",
                 partition, record->offset);
}

/* The event as its keyspace takes it. */
static void event_expect(const struct tap *tap, const struct sim_record *record, int partition,
                         int64_t watermark_ms, struct oracle *oracle)
{
    uint64_t before = oracle->late_after_all;
    bool by_watermark = is_late_after_all(oracle, &record->sample, watermark_ms, true);

    oracle_event(oracle, &record->sample, watermark_ms);
    if (oracle->late_after_all > before)
        late_expect(tap, record, partition, watermark_ms, by_watermark);
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

/* When windows that fired early fire once more is free, what they say is not. */
static void sort_rows(struct spec_rows *rows)
{
    if (rows->count > 0)
        qsort(rows->rows, rows->count, sizeof(struct spec_row), compare_rows);
}

static void check_rows(const struct tap *tap, int group, int view, int key,
                       struct spec_rows *wanted, struct spec_rows *got)
{
    size_t at = 0;

    if (sim.scenario.idles && !sim.scenario.spec.views[view].on_update) {
        sort_rows(wanted);
        sort_rows(got);
    }
    while (at < MIN(wanted->count, got->count) && rows_same(&wanted->rows[at], &got->rows[at]))
        at++;
    if (at == got->count && (at == wanted->count || tap->was_cut))
        return;
    print_rows("wanted", wanted, at);
    print_rows("got", got, at);
    sim_fail("rows of view v%d, group %d, key %s differ (shard %u, life %d, partition %d, "
             "assignment %d%s)",
             view, group, key_names[key], tap->shard, tap->life, tap->partition, tap->epoch,
             tap->was_cut ? ", cut" : "");
}

static void check_group(const struct tap *tap, int group, struct oracle *oracle)
{
    for (int view = 0; view < sim.scenario.spec.view_count; view++) {
        for (int key = 0; key < SPEC_KEYS; key++)
            check_rows(tap, group, view, key, &oracle->rows[view][key],
                       (struct spec_rows *)&tap->rows[group][view][key]);
    }
}

/* --- Redis --- */

/* What a view of a key is to show, by the rows. */
struct truth {
    bool known;
    bool rewritten; /* skipped rows may have been written, since the sink had forgotten the key */
    int64_t window_end_ms;
    int64_t newest_end_ms; /* of rows that say the same */
    char values[SPEC_VALUES];
};

/* Every feature without a value. */
static void values_none(char *out, unsigned features)
{
    for (; features; features &= features - 1)
        out += sprintf(out, "null|");
}

static void learn(struct truth *truth, int view, const struct spec_row *row)
{
    char values[SPEC_VALUES];

    if (!row->online || (row->empty && sim.scenario.when_empty[view] == WHEN_EMPTY_KEEP) ||
        (truth->known && row->end_ms < truth->newest_end_ms))
        return;
    truth->newest_end_ms = row->end_ms;
    strcpy(values, row->values);
    if (row->empty && sim.scenario.when_empty[view] == WHEN_EMPTY_DELETE)
        values_none(values, sim.scenario.spec.views[view].features);
    if (truth->known && sim.scenario.skip_unchanged[view] && strcmp(values, truth->values) == 0)
        return;
    truth->known = true;
    truth->window_end_ms = row->end_ms;
    truth->newest_end_ms = row->end_ms;
    strcpy(truth->values, values);
}

/* Numbers may be spelled differently. */
static bool text_same(const char *shown, const char *wanted)
{
    char *shown_end, *wanted_end;

    if (!shown)
        return strcmp(wanted, "null") == 0;
    if (strcmp(shown, wanted) == 0)
        return true;
    double a = strtod(shown, &shown_end);
    double b = strtod(wanted, &wanted_end);

    return *shown && !*shown_end && *wanted && !*wanted_end && a == b;
}

static void check_window_end(const char *name, int view, const struct truth *truth)
{
    char field[KEY_BYTES];

    snprintf(field, sizeof(field), "v%d.window_end", view);
    const char *shown = redis_get(name, field);

    if (!sim.scenario.metadata ? !shown
                               : shown && strtoll(shown, NULL, 10) >= truth->window_end_ms &&
                                     strtoll(shown, NULL, 10) <= truth->newest_end_ms)
        return;
    sim_fail("redis: %s %s is %s, not %" PRId64, name, field, shown ? shown : "(none)",
             truth->window_end_ms);
}

static void check_shown(int group, int view, int key, const struct truth *truth)
{
    char name[KEY_BYTES + 4] = "f:";
    char field[KEY_BYTES];
    char values[SPEC_VALUES];
    char *rest = values;

    key_write(&sim.scenario, group, key, name + 2);
    strcpy(values, truth->values);
    for (size_t i = 0; i < ARRAY_LEN(spec_features); i++) {
        if (!(sim.scenario.spec.views[view].features >> i & 1))
            continue;
        const char *wanted = truth->known ? strsep(&rest, "|") : "null";

        snprintf(field, sizeof(field), "v%d_f%zu", view, i);
        const char *shown = redis_get(name, field);

        if (!text_same(shown, wanted))
            sim_fail("redis: %s %s is %s, not %s (window_end %" PRId64 ")", name, field,
                     shown ? shown : "(none)", wanted, truth->window_end_ms);
    }
    if (truth->known)
        check_window_end(name, view, truth);
}

/* A drain in the middle of a replay leaves what the life before has shown. And whether an event
 * that came behind its key's watermark had a trailing row depends, under shuffle, on the order in
 * which partitions were read: the life before may have shown more. */
static bool redis_is_certain(int view)
{
    bool replayed = sim.scenario.lives > 1 || sim.scenario.rebalances > 0;

    if (!replayed)
        return true;
    return !sim.scenario.drains_early && replays_alike(&sim.scenario, view);
}

/* By the rows of the keys of the group that `keys` names, one bit each. */
static void check_redis(const struct oracle *oracle, int group, unsigned keys)
{
    for (int view = 0; view < sim.scenario.spec.view_count; view++) {
        for (int key = 0; key < SPEC_KEYS; key++) {
            const struct spec_rows *rows = &oracle->rows[view][key];
            struct truth truth = {0};

            if (!(keys >> key & 1) || !redis_is_certain(view))
                continue;
            for (size_t i = 0; i < rows->count; i++)
                learn(&truth, view, &rows->rows[i]);
            check_shown(group, view, key, &truth);
        }
    }
}

/* --- aligned --- */

/* The times that the keyspace was told before it came to this offset: its own watermark, and a
 * clock that may be ahead of it only if the seed has idle partitions. */
static void times_apply(const struct tap *tap, size_t *entry, int64_t offset,
                        const struct walk *walk, struct oracle *oracle)
{
    for (; *entry < tap->entry_count; ++*entry) {
        const struct tap_entry *one = &tap->entries[*entry];

        if (one->is_event)
            continue;
        if (one->position > offset)
            return;
        if (one->watermark_ms != walk->watermark_ms)
            sim_fail("partition %d at offset %" PRId64 ": watermark %" PRId64 ", not %" PRId64,
                     tap->partition, one->position, one->watermark_ms, walk->watermark_ms);
        if (one->clock_ms > one->watermark_ms && !sim.scenario.idles)
            sim_fail("partition %d: a clock of its own, though nobody is idle", tap->partition);
        oracle_advance(oracle, one->watermark_ms, one->clock_ms);
    }
}

static void check_partition(const struct tap *tap, struct oracle *oracle)
{
    struct side_cursor sides = {.life = tap->life,
                                .epoch = tap->epoch,
                                .partition = tap->partition,
                                .may_end = tap->was_cut};
    int64_t position = tap->was_cut ? tap->end_offset : position_of(tap->partition);
    struct walk walk;
    size_t entry = 0;

    walk_begin(&walk, tap->partition);
    for (size_t i = 0; i < walk.log->count; i++) {
        const struct sim_record *record = &walk.log->records[i];
        const struct sample *sample = &record->sample;

        if (record->offset >= position)
            break;
        if (record->error) {
            side_expect(&sides, record, record->error, record->field, 0);
            continue;
        }
        if (!tap->was_cut)
            times_apply(tap, &entry, record->offset, &walk, oracle);
        if (oracle_is_late_for_all(oracle, sample->time_ms,
                                   MAX(walk.watermark_ms, oracle->release_ms))) {
            bool is_late = oracle_is_late_for_all(oracle, sample->time_ms, walk.watermark_ms);

            side_expect(&sides, record, is_late ? "late" : "released", NULL, walk.watermark_ms);
        } else {
            oracle_advance(oracle, walk.watermark_ms, walk.watermark_ms);
            event_expect(tap, record, tap->partition, walk.watermark_ms, oracle);
        }
        walk_saw(&walk, record);
    }
    if (!tap->was_cut)
        times_apply(tap, &entry, INT64_MAX, &walk, oracle);
    oracle_advance(oracle, walk.watermark_ms, walk.watermark_ms);
    if (tap->finished)
        oracle_finish(oracle);
    side_end(&sides);
}

static void check_aligned(const struct tap *tap)
{
    static struct oracle oracle;

    if (tap->partition < 0)
        return; /* dropped before its first turn */
    oracle_init(&oracle, &sim.scenario.spec);
    check_partition(tap, &oracle);
    for (int group = 0; group < GROUPS_MAX; group++) {
        static struct oracle nothing;

        check_group(tap, group, group == tap->partition ? &oracle : &nothing);
    }
    if (!tap->was_cut)
        check_redis(&oracle, tap->partition, ~0u);
    oracle_done(&oracle);
}

/* --- shuffle --- */

/* What becomes of each record, whoever reads it. */
struct verdict {
    bool is_event; /* not set aside */
    int64_t watermark_ms;
    uint32_t owner; /* shard */
};

static struct verdict *verdicts[PARTITIONS_MAX];
static int64_t final_ms[PARTITIONS_MAX]; /* watermark in the end, or WATERMARK_NONE */

static uint32_t owner_of(const struct sim_record *record)
{
    char key[KEY_BYTES];

    key_write(&sim.scenario, record->group, record->sample.key, key);
    return (uint32_t)(hash64(slice_of(key)) % PLAN_KEY_GROUPS) % shard_count();
}

static void verdicts_make(int partition)
{
    static struct oracle nothing;
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
            side_expect(&sides, record, record->error, record->field, 0);
            continue;
        }
        *verdict = (struct verdict){.watermark_ms = walk.watermark_ms, .owner = owner_of(record)};
        verdict->is_event = !oracle_is_late_for_all(&nothing, record->sample.time_ms,
                                                    walk.watermark_ms);
        if (!verdict->is_event)
            side_expect(&sides, record, "late", NULL, walk.watermark_ms);
        walk_saw(&walk, record);
    }
    side_end(&sides);
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

/* Each partition's events of the shard came in order and complete, with their watermark, and none
 * after a time that spoke for it. */
static void check_given(const struct tap *tap)
{
    size_t next[PARTITIONS_MAX] = {0};
    int64_t told_ms = WATERMARK_NONE;

    for (size_t i = 0; i < tap->entry_count; i++) {
        const struct tap_entry *entry = &tap->entries[i];

        if (!entry->is_event) {
            told_ms = MAX(told_ms, entry->watermark_ms);
            continue;
        }
        const struct verdict *list = verdicts[entry->partition];
        size_t *at = &next[entry->partition];

        while (*at < entry->record && !(list[*at].is_event && list[*at].owner == tap->shard))
            ++*at;
        if (*at != entry->record || !list[*at].is_event || list[*at].owner != tap->shard)
            sim_fail("shard %u was given record %zu of partition %d, not record %zu", tap->shard,
                     entry->record, entry->partition, *at);
        if (entry->watermark_ms != list[*at].watermark_ms)
            sim_fail("partition %d record %zu: watermark %" PRId64 ", not %" PRId64,
                     entry->partition, entry->record, entry->watermark_ms, list[*at].watermark_ms);
        /* One that was idle from the beginning is not waited for; it may come with older ones. */
        if (told_ms > entry->watermark_ms && !sim.scenario.idles)
            sim_fail("shard %u was told the watermark %" PRId64 " before record %zu of partition "
                     "%d, which had %" PRId64,
                     tap->shard, told_ms, entry->record, entry->partition, entry->watermark_ms);
        ++*at;
    }
    for (int i = 0; i < sim.scenario.partition_count; i++) {
        for (size_t j = next[i]; j < sim.scenario.logs[i].count; j++) {
            if (verdicts[i][j].is_event && verdicts[i][j].owner == tap->shard)
                sim_fail("shard %u was not given record %zu of partition %d", tap->shard, j, i);
        }
    }
    if (!sim.scenario.idles && told_ms != least_final_ms())
        sim_fail("shard %u: the last watermark is %" PRId64 ", not %" PRId64, tap->shard, told_ms,
                 least_final_ms());
}

/* The rows of what the keyspace was given, one group of keys after the other. */
static void oracle_told(const struct tap *tap, int group, struct oracle *oracle)
{
    oracle_init(oracle, &sim.scenario.spec);
    for (size_t i = 0; i < tap->entry_count; i++) {
        const struct tap_entry *entry = &tap->entries[i];

        if (!entry->is_event) {
            oracle->is_held = entry->is_held;
            oracle_advance(oracle, entry->watermark_ms, entry->clock_ms);
            continue;
        }
        const struct sim_record *record = &sim.scenario.logs[entry->partition]
                                               .records[entry->record];

        if (record->group == group)
            event_expect(tap, record, entry->partition, entry->watermark_ms, oracle);
    }
    if (tap->finished)
        oracle_finish(oracle);
}

static unsigned keys_of_shard(int group, uint32_t shard)
{
    unsigned keys = 0;

    for (int key = 0; key < SPEC_KEYS; key++) {
        struct sim_record record = {.group = group, .sample = {.key = key}};

        keys |= (unsigned)(owner_of(&record) == shard) << key;
    }
    return keys;
}

static void check_shuffled(const struct tap *tap)
{
    static struct oracle oracle;

    check_given(tap);
    for (int group = 0; group < sim.scenario.group_count; group++) {
        oracle_told(tap, group, &oracle);
        check_group(tap, group, &oracle);
        check_redis(&oracle, group, keys_of_shard(group, tap->shard));
        oracle_done(&oracle);
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

/* Time passes only when all events have come: whatever the interleaving was, windows end alike. */
static void check_in_the_end(const struct tap *tap, int group, const struct oracle *untold)
{
    for (int view = 0; view < sim.scenario.spec.view_count; view++) {
        const struct view_spec *spec = &sim.scenario.spec.views[view];

        for (int key = 0; key < SPEC_KEYS; key++) {
            const struct spec_rows *got = &tap->rows[group][view][key];
            const struct spec_rows *wanted = &untold->rows[view][key];
            char nothing[SPEC_VALUES];

            /* Lifetimes begin anew, and sessions are closed, by how far the others are. */
            if (!(keys_of_shard(group, tap->shard) >> key & 1) || spec->lifetime || spec->gap_ms)
                continue;
            if (!spec->on_update) {
                check_last_rows(wanted, got, "wanted at last");
                check_last_rows(got, wanted, "got at last");
                continue;
            }
            values_text(nothing, spec, NULL, 0);
            if (strcmp(last_values(got, nothing), last_values(wanted, nothing)) != 0)
                sim_fail("view v%d, group %d, key %s ends with %s, not %s", view, group,
                         key_names[key], last_values(got, nothing), last_values(wanted, nothing));
        }
    }
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
        for (const struct tap *tap = sim.taps; tap; tap = tap->next) {
            if (!tap->was_cut)
                check_in_the_end(tap, group, &oracle);
        }
        oracle_done(&oracle);
    }
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

static void check_late_are_expected(void)
{
    for (size_t i = 0; i < sim.side_count; i++) {
        const struct side_seen *seen = &sim.sides[i];

        if (seen->by_keyspace && !seen->is_expected && seen->life == sim.scenario.lives - 1 &&
            seen->epoch == sim.partitions[seen->partition].epoch && !sim.scenario.drains_early)
            sim_fail("partition %d offset %" PRId64 " was set aside as %s for no reason",
                     seen->partition, seen->offset, seen->error);
    }
}

void check_all(void)
{
    bool aligned = sim.scenario.spec.aligned;

    for (int i = 0; i < sim.scenario.partition_count && !aligned; i++)
        verdicts_make(i);
    for (const struct tap *tap = sim.taps; tap; tap = tap->next) {
        if (aligned)
            check_aligned(tap);
        else if (!tap->was_cut)
            check_shuffled(tap);
        if (sim.scenario.idles && !sim.scenario.drains_early && !tap->was_cut)
            check_idle_clock(tap);
    }
    check_late_are_expected();
    /* Which of two duplicates counts depends on their order. */
    if (!aligned && !sim.scenario.idles && !sim.scenario.spec.dedup_ms)
        check_untold();
    for (int i = 0; i < sim.scenario.partition_count && !aligned; i++)
        free(verdicts[i]);
}
