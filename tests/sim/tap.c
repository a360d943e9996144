/* What a simulated process listens at: keyspaces (all that a shard gives them, all rows they emit),
 * mailboxes that are full now and then, the producer of dead letters. The linker puts these in the
 * place of the functions they are named for (--wrap), where one file calls another's. */

#include "sim.h"

#include "base/clock.h"

/* --- rows --- */

static void row_note(struct tap *tap, const struct row *row)
{
    int group, key;

    if (!key_read(&sim.scenario, row->key, &group, &key))
        sim_fail("a row of a key that no event has: %.*s", SLICE_ARGS(row->key));
    struct spec_row *seen = row_append(&tap->rows[group][row->view->number][key]);
    char *out = seen->values;

    seen->start_ms = row->window_start_ms;
    seen->end_ms = row->window_end_ms;
    seen->revision = row->revision;
    seen->empty = row->empty;
    seen->online = row->online;
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
}

static bool tap_row(void *context, const struct row *row, void **slot)
{
    struct tap *tap = context;
    struct buf *lines = &sim.lines[tap->shard];
    bool go_on = tap->output.row(tap->output.context, row, slot);

    row_note(tap, row);
    row_json_append(&sim.file.formats[row->view->number], row, lines);
    buf_append_char(lines, '\n');
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
    };
    snprintf(seen->error, sizeof(seen->error), "%s", record->error);
    snprintf(seen->field, sizeof(seen->field), "%s", record->field ? record->field : "");
    return 0;
}
