/* What a simulated process listens at: keyspaces (all that a shard gives them, all rows they emit),
 * mailboxes that are full now and then, the producer of dead letters. The linker puts these in the
 * place of the functions they are named for (--wrap), where one file calls another's. */

#include "sim.h"

#include "base/clock.h"

/* --- rows --- */

/* Whether a row that went online before is newer. */
static bool is_older(const struct spec_rows *rows, const struct row *row)
{
    bool kept = sim.scenario.when_empty[row->view->number] == WHEN_EMPTY_KEEP;

    for (size_t i = 0; i < rows->count; i++) {
        if (rows->rows[i].online && !(kept && rows->rows[i].empty) &&
            rows->rows[i].end_ms > row->window_end_ms)
            return true;
    }
    return false;
}

/* A row for the outputs. */
static void row_emit(uint32_t shard, const struct emitted *emitted)
{
    uint32_t number = (uint32_t)sim.emitted_count;

    if (sim.emitted_count == sim.emitted_cap) {
        sim.emitted_cap = MAX(sim.emitted_cap * 2, (size_t)256);
        sim.emitted = realloc(sim.emitted, sim.emitted_cap * sizeof(*sim.emitted));
        CHECK(sim.emitted);
    }
    sim.emitted[sim.emitted_count++] = *emitted;
    rows_add(&sim.lane_rows[shard], &number, 1);
}

static void row_note(struct tap *tap, const struct row *row)
{
    int group, key;

    if (!key_read(&sim.scenario, row->key, &group, &key))
        sim_fail("a row of a key that no event has: %.*s", SLICE_ARGS(row->key));
    struct spec_rows *rows = &tap->rows[group][row->view->number][key];
    bool older = is_older(rows, row);
    struct spec_row *seen = row_append(rows);
    char *out = seen->values;

    seen->start_ms = row->window_start_ms;
    seen->end_ms = row->window_end_ms;
    seen->revision = row->revision;
    seen->empty = row->empty;
    if (row->online && older)
        sim_fail("a row goes online behind a newer one: %.*s", SLICE_ARGS(row->key));
    seen->online = row->online;
    seen->online_only = row->online_only;
    seen->retracted = row->retracted;
    for (uint32_t i = 0; i < row->view->feature_count; i++) {
        out += value_text(out, &row->values[i]);
        *out++ = '|';
    }
    *out = '\0';
    sim_trace("shard %u: row v%u %.*s [%" PRId64 ", %" PRId64 ") %u %s", tap->shard,
              row->view->number, SLICE_ARGS(row->key), row->window_start_ms, row->window_end_ms,
              row->revision, seen->values);
    sim_digest(seen->values, (size_t)(out - seen->values));
    sim.rows++;
    if (!row->online_only)
        row_emit(tap->shard, &(struct emitted){group, (int)row->view->number, key, *seen});
}

static bool tap_row(void *context, const struct row *row, void **slot)
{
    struct tap *tap = context;
    struct buf *lines = &sim.lines[tap->shard];
    bool go_on = tap->output.row(tap->output.context, row, slot);

    row_note(tap, row);
    if (!row->online_only) {
        row_json_append(&sim.file.formats[row->view->number], row, lines);
        buf_append_char(lines, '\n');
    }
    return go_on && !mishap(10);
}

static void tap_release(void *context, void **slot)
{
    struct tap *tap = context;

    tap->output.release(tap->output.context, slot);
}

static bool tap_late(void *context, uint32_t source, const struct event *event, bool by_watermark)
{
    struct tap *tap = context;

    sim.in_keyspace = true;
    bool taken = tap->output.late(tap->output.context, source, event, by_watermark);
    sim.in_keyspace = false;
    return taken;
}

static bool tap_fetch(void *context, const struct slice *keys, uint32_t count,
                      bool (*take)(void *loading, uint32_t number, struct slice value),
                      void *loading)
{
    const struct tap *tap = context;

    return tap->output.fetch(tap->output.context, keys, count, take, loading);
}

/* --- keyspaces --- */

/* The linker's names. */
#define REAL(name) __real_##name
#define WRAP(name) __wrap_##name

struct keyspace *REAL(keyspace_create)(const struct plan *plan, uint32_t source, int32_t partition,
                                       struct arena *arena, struct intern *intern,
                                       struct view_stats *const *stats,
                                       struct keyspace_output output);
struct keyspace *WRAP(keyspace_create)(const struct plan *plan, uint32_t source, int32_t partition,
                                       struct arena *arena, struct intern *intern,
                                       struct view_stats *const *stats,
                                       struct keyspace_output output);
void REAL(keyspace_free)(struct keyspace *keyspace);
void WRAP(keyspace_free)(struct keyspace *keyspace);
uint32_t REAL(keyspace_apply)(struct keyspace *keyspace, const struct event *const *events,
                              uint32_t count);
uint32_t WRAP(keyspace_apply)(struct keyspace *keyspace, const struct event *const *events,
                              uint32_t count);
void REAL(keyspace_hold)(struct keyspace *keyspace, bool is_held);
void WRAP(keyspace_hold)(struct keyspace *keyspace, bool is_held);
void REAL(keyspace_advance)(struct keyspace *keyspace, int64_t watermark_ms, int64_t clock_ms);
void WRAP(keyspace_advance)(struct keyspace *keyspace, int64_t watermark_ms, int64_t clock_ms);
bool REAL(keyspace_fire)(struct keyspace *keyspace, uint32_t budget);
bool WRAP(keyspace_fire)(struct keyspace *keyspace, uint32_t budget);
bool REAL(keyspace_finish)(struct keyspace *keyspace, uint32_t budget);
bool WRAP(keyspace_finish)(struct keyspace *keyspace, uint32_t budget);
void REAL(keyspace_mark)(struct keyspace *keyspace, uint64_t number, bool all);
void WRAP(keyspace_mark)(struct keyspace *keyspace, uint64_t number, bool all);
bool REAL(keyspace_capture)(struct keyspace *keyspace, uint32_t budget);
bool WRAP(keyspace_capture)(struct keyspace *keyspace, uint32_t budget);
void REAL(keyspace_times_restore)(struct keyspace *keyspace, const struct keyspace_times *times);
void WRAP(keyspace_times_restore)(struct keyspace *keyspace, const struct keyspace_times *times);
bool REAL(mailbox_put_barrier)(struct mailbox *mailbox, uint64_t number);
bool WRAP(mailbox_put_barrier)(struct mailbox *mailbox, uint64_t number);
bool REAL(mailbox_put_event)(struct mailbox *mailbox, const struct plan *plan, uint32_t source,
                             const struct event *event);
bool WRAP(mailbox_put_event)(struct mailbox *mailbox, const struct plan *plan, uint32_t source,
                             const struct event *event);
bool REAL(mailbox_put_clock)(struct mailbox *mailbox, uint32_t source,
                             const struct mail_clock *clock);
bool WRAP(mailbox_put_clock)(struct mailbox *mailbox, uint32_t source,
                             const struct mail_clock *clock);
bool REAL(mailbox_put_closing)(struct mailbox *mailbox);
bool WRAP(mailbox_put_closing)(struct mailbox *mailbox);

struct keyspace *WRAP(keyspace_create)(const struct plan *plan, uint32_t source, int32_t partition,
                                       struct arena *arena, struct intern *intern,
                                       struct view_stats *const *stats,
                                       struct keyspace_output output)
{
    const struct shard *shard = ((const struct outlet *)output.context)->shard;
    struct tap *tap = calloc(1, sizeof(*tap));

    CHECK(tap);
    *tap = (struct tap){
        .next = sim.taps,
        .output = output,
        .shard = shard->number,
        .life = sim.life,
        .partition = -1,
    };
    sim.taps = tap;
    tap->keyspace = REAL(keyspace_create)(plan, source, partition, arena, intern, stats,
                                          (struct keyspace_output){
                                              .row = tap_row,
                                              .release = tap_release,
                                              .late = tap_late,
                                              .duplicates = output.duplicates,
                                              .fetch = tap_fetch,
                                              .evicted = output.evicted,
                                              .loaded = output.loaded,
                                              .context = tap,
                                          });
    return tap->keyspace;
}

struct tap *tap_of(const struct keyspace *keyspace)
{
    struct tap *tap = sim.taps;

    while (tap && tap->keyspace != keyspace)
        tap = tap->next;
    CHECK(tap);
    return tap;
}

void WRAP(keyspace_free)(struct keyspace *keyspace)
{
    struct tap *tap = keyspace ? tap_of(keyspace) : NULL;

    REAL(keyspace_free)(keyspace);
    if (tap)
        tap->keyspace = NULL;
}

static struct tap_entry *entry_append(struct tap *tap)
{
    if (tap->entry_count == tap->entry_cap) {
        tap->entry_cap = MAX(tap->entry_cap * 2, (size_t)64);
        tap->entries = realloc(tap->entries, tap->entry_cap * sizeof(*tap->entries));
    }
    tap->entries[tap->entry_count] = (struct tap_entry){.now_ns = sim.now_ns};
    return &tap->entries[tap->entry_count++];
}

static size_t record_number(const struct event *event)
{
    const struct sim_log *log = &sim.scenario.logs[event->partition];

    for (size_t i = 0; i < log->count; i++) {
        if (log->records[i].offset == event->offset)
            return i;
    }
    sim_fail("an event from offset %" PRId64 ", where none is", event->offset);
}

uint32_t WRAP(keyspace_apply)(struct keyspace *keyspace, const struct event *const *events,
                              uint32_t count)
{
    struct tap *tap = tap_of(keyspace);
    uint32_t done = REAL(keyspace_apply)(keyspace, events, count);

    for (uint32_t i = 0; i < done; i++) {
        struct tap_entry *entry = entry_append(tap);

        entry->is_event = true;
        entry->partition = events[i]->partition;
        entry->record = record_number(events[i]);
        entry->watermark_ms = events[i]->watermark_ms;
        sim_trace("shard %u: event %d/%" PRId64 " %.*s at %" PRId64, tap->shard,
                  events[i]->partition, events[i]->offset, SLICE_ARGS(events[i]->key),
                  events[i]->time_ms);
    }
    return done;
}

/* An aligned keyspace's partition is known once it has been assigned. */
static void tap_place(struct tap *tap)
{
    const struct shard *shard = sim.fleet.shards[tap->shard];

    for (int i = 0; i < sim.scenario.partition_count; i++) {
        if (shard->partitions[0][i] && shard->partitions[0][i]->keyspace == tap->keyspace) {
            tap->partition = i;
            tap->epoch = sim.partitions[i].epoch;
            tap->start_offset = sim.partitions[i].start_offset;
            tap->end_offset = sim.scenario.bounded ? sim.partitions[i].end_offset : INT64_MAX;
        }
    }
}

void WRAP(keyspace_hold)(struct keyspace *keyspace, bool is_held)
{
    tap_of(keyspace)->is_held = is_held;
    REAL(keyspace_hold)(keyspace, is_held);
}

void WRAP(keyspace_advance)(struct keyspace *keyspace, int64_t watermark_ms, int64_t clock_ms)
{
    struct tap *tap = tap_of(keyspace);
    struct tap_entry *entry = entry_append(tap);

    if (tap->partition < 0 && sim.scenario.spec.aligned)
        tap_place(tap);
    entry->watermark_ms = watermark_ms;
    entry->clock_ms = clock_ms;
    entry->is_held = tap->is_held;
    if (tap->partition >= 0)
        entry->position = atomic_load(&sim.fleet.progress[0][tap->partition].position);
    sim_trace("shard %u: partition %d watermark %" PRId64 " clock %" PRId64, tap->shard,
              tap->partition, watermark_ms, clock_ms);
    REAL(keyspace_advance)(keyspace, watermark_ms, clock_ms);
}

void WRAP(keyspace_times_restore)(struct keyspace *keyspace, const struct keyspace_times *times)
{
    struct tap *tap = tap_of(keyspace);
    struct tap_entry *entry = entry_append(tap);

    if (sim.scenario.spec.aligned)
        tap_place(tap);
    tap->from = sim.partitions[MAX(tap->partition, 0)].from;
    entry->is_restored = true;
    entry->watermark_ms = times->watermark_ms;
    entry->clock_ms = times->clock_ms;
    entry->release_ms = times->release_ms;
    if (tap->partition >= 0)
        entry->position = tap->start_offset;
    sim_trace("shard %u: partition %d is restored, watermark %" PRId64 " clock %" PRId64,
              tap->shard, tap->partition, times->watermark_ms, times->clock_ms);
    REAL(keyspace_times_restore)(keyspace, times);
}

void WRAP(keyspace_mark)(struct keyspace *keyspace, uint64_t number, bool all)
{
    struct tap *tap = tap_of(keyspace);

    if (tap->partition < 0 && sim.scenario.spec.aligned)
        tap_place(tap);
    tap->mark_number = number;
    tap->mark_cut = tap->entry_count;
    tap->mark_finished = tap->finished;
    sim_trace("shard %u: partition %d is marked", tap->shard, tap->partition);
    REAL(keyspace_mark)(keyspace, number, all);
}

static uint32_t some_of(uint32_t budget)
{
    return chance(50) ? budget : 1 + (uint32_t)dice(4);
}

bool WRAP(keyspace_fire)(struct keyspace *keyspace, uint32_t budget)
{
    return REAL(keyspace_fire)(keyspace, some_of(budget));
}

bool WRAP(keyspace_finish)(struct keyspace *keyspace, uint32_t budget)
{
    tap_of(keyspace)->finished = true;
    return REAL(keyspace_finish)(keyspace, some_of(budget));
}

bool WRAP(keyspace_capture)(struct keyspace *keyspace, uint32_t budget)
{
    bool more = REAL(keyspace_capture)(keyspace, chance(50) ? budget : 1);

    if (chance(60))
        sim.now_ns += (int64_t)dice(1000) * NS_PER_US; /* so a slice ends */
    return more;
}

void taps_free(void)
{
    while (sim.taps) {
        struct tap *tap = sim.taps;

        sim.taps = tap->next;
        for (int group = 0; group < GROUPS_MAX; group++) {
            for (int view = 0; view < SPEC_VIEWS_MAX; view++) {
                for (int key = 0; key < SPEC_KEYS; key++)
                    rows_free(&tap->rows[group][view][key]);
            }
        }
        free(tap->entries);
        free(tap);
    }
}

/* --- mailboxes --- */

bool WRAP(mailbox_put_event)(struct mailbox *mailbox, const struct plan *plan, uint32_t source,
                             const struct event *event)
{
    return !mishap(5) && REAL(mailbox_put_event)(mailbox, plan, source, event);
}

bool WRAP(mailbox_put_clock)(struct mailbox *mailbox, uint32_t source,
                             const struct mail_clock *clock)
{
    return !mishap(15) && REAL(mailbox_put_clock)(mailbox, source, clock);
}

bool WRAP(mailbox_put_barrier)(struct mailbox *mailbox, uint64_t number)
{
    return !mishap(20) && REAL(mailbox_put_barrier)(mailbox, number);
}

bool WRAP(mailbox_put_closing)(struct mailbox *mailbox)
{
    return !mishap(30) && REAL(mailbox_put_closing)(mailbox);
}

/* --- side output --- */

int side_output_send(struct side_output *side, uint32_t source, const struct side_record *record,
                     struct buf *scratch)
{
    struct side_seen *seen;

    (void)side, (void)source, (void)scratch;
    if (mishap(3))
        sim.side_full_until_ns = sim.now_ns + (int64_t)dice(30) * NS_PER_MS;
    if (sim.now_ns < sim.side_full_until_ns)
        return -EAGAIN;
    sim.sides = realloc(sim.sides, (sim.side_count + 1) * sizeof(*sim.sides));
    seen = &sim.sides[sim.side_count++];
    *seen = (struct side_seen){
        .life = sim.life,
        .epoch = sim.partitions[record->record->partition].epoch,
        .kind = record->kind,
        .by_keyspace = sim.in_keyspace,
        .partition = record->record->partition,
        .offset = record->record->offset,
        .watermark_ms = record->watermark_ms,
        .acknowledged_ns = sim.now_ns + (mishap(5) ? (int64_t)dice(300) * NS_PER_MS
                                                   : (int64_t)dice(2000) * NS_PER_US),
    };
    sim_trace("%d/%" PRId64 " is set aside: %s", seen->partition, seen->offset, record->error);
    snprintf(seen->error, sizeof(seen->error), "%s", record->error);
    snprintf(seen->field, sizeof(seen->field), "%s", record->field ? record->field : "");
    return 0;
}

bool side_acknowledged(void)
{
    return side_due_ns() == NEVER;
}

int64_t side_due_ns(void)
{
    int64_t due_ns = sim.now_ns;

    for (size_t i = sim.side_count; i-- > 0 && sim.sides[i].life == sim.life;)
        due_ns = MAX(due_ns, sim.sides[i].acknowledged_ns);
    return due_ns > sim.now_ns ? due_ns : NEVER;
}

void side_end(void)
{
    for (size_t i = sim.side_count; i-- > 0 && sim.sides[i].life == sim.life;) {
        if (sim.sides[i].acknowledged_ns > sim.now_ns)
            sim.sides[i].is_lost = chance(50);
    }
}
