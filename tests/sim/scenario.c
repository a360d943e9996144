#include "scenario.h"

#include "base/clock.h"

#define FIELDS_MAX    30 /* of a key in Redis: the model has no more */
#define EVENTS_MAX    (ORACLE_EVENTS_MAX - 10)
#define MAX_FUTURE_MS 5000
#define TTL_LONG_MS   100000 /* longer than all events last: no key is ever dropped */

/* --- the pipeline --- */

static int redis_fields(const struct spec *spec)
{
    int count = 0;

    for (int i = 0; i < spec->view_count; i++)
        count += __builtin_popcount(spec->views[i].features) + 2;
    return count;
}

static void pipeline_write(struct scenario *scenario)
{
    static const char *const empties[] = {
        [WHEN_EMPTY_ZERO] = "zero", [WHEN_EMPTY_KEEP] = "keep", [WHEN_EMPTY_DELETE] = "delete"};
    const struct spec *spec = &scenario->spec;
    struct buf *out = &scenario->text;

    buf_printf(out,
               "pipeline: p\n"
               "kafka: {}\n"
               "redis:\n"
               "  url: redis://127.0.0.1:6379\n"
               "  key: \"f:{user}\"\n"
               "  connections: %" PRId64 "\n"
               "  linger: %" PRId64 "ms\n"
               "  metadata: %s\n"
               "outputs: {file: {path: /dev/null}}\n"
               "state: {ttl: %" PRId64 "ms}\n",
               PICK(1, 2, 3), PICK(0, 1, 5, 20), scenario->metadata ? "true" : "false",
               spec->ttl_ms);
    write_source(out, spec);
    buf_printf(out,
               "    idle_after: %" PRId64 "ms\n"
               "    max_future: %dms\n"
               "    late_topic: late\n"
               "    dead_letter_topic: dead\n",
               scenario->idle_after_ms, MAX_FUTURE_MS);
    write_fields(out);
    buf_printf(out, "      note: {type: string, optional: true}\n");
    buf_printf(out, "views:\n");
    for (int i = 0; i < spec->view_count; i++) {
        write_view(out, &spec->views[i], i);
        buf_printf(out, "    when_empty: %s\n    unchanged: %s\n", empties[scenario->when_empty[i]],
                   scenario->skip_unchanged[i] ? "skip" : "emit");
    }
}

/* --- records --- */

void key_write(const struct scenario *scenario, int group, int key, char out[KEY_BYTES])
{
    snprintf(out, KEY_BYTES, "%c%d-%s", scenario->spec.aligned ? 'p' : 'g', group, key_names[key]);
}

bool key_read(const struct scenario *scenario, struct slice text, int *ret_group, int *ret_key)
{
    char name[KEY_BYTES];

    for (*ret_group = 0; *ret_group < scenario->group_count; ++*ret_group) {
        for (*ret_key = 0; *ret_key < SPEC_KEYS; ++*ret_key) {
            key_write(scenario, *ret_group, *ret_key, name);
            if (slice_equal(text, slice_of(name)))
                return true;
        }
    }
    return false;
}

enum member { MEMBER_USER, MEMBER_TS, MEMBER_TYPE, MEMBER_N, MEMBER_X, MEMBER_NOTE, MEMBER_COUNT };

/* A record's value in the making: the members' values as JSON, "" for one that is left out. */
struct draft {
    char user[KEY_BYTES + 2];
    char ts[32];
    char type[8];
    char n[32];
    char x[32];
    int note_len; /* -1: none */
};

static void draft_make(const struct scenario *scenario, struct draft *draft,
                       const struct sim_record *record, bool fat)
{
    const struct sample *sample = &record->sample;
    char key[KEY_BYTES];

    key_write(scenario, record->group, sample->key, key);
    snprintf(draft->user, sizeof(draft->user), "\"%s\"", key);
    snprintf(draft->ts, sizeof(draft->ts), "%" PRId64, sample->time_ms);
    draft->type[0] = draft->n[0] = draft->x[0] = '\0';
    if (sample->type >= 0)
        snprintf(draft->type, sizeof(draft->type), "\"%s\"", type_names[sample->type]);
    else if (random_chance(30))
        strcpy(draft->type, "null");
    if (sample->has_n)
        snprintf(draft->n, sizeof(draft->n), "%" PRId64, sample->n);
    if (sample->has_x)
        snprintf(draft->x, sizeof(draft->x), "%.17g", sample->x);
    draft->note_len = fat ? (int)random_below(3000) : random_chance(10) ? 3 : -1;
}

/* Makes no event of it, in one of many ways. */
static void draft_spoil(struct draft *draft, struct sim_record *record)
{
    static const struct {
        const char *error;
        const char *field;
    } outcomes[] = {{"missing", "user"}, {"missing", "ts"},     {"wrong_type", "n"},
                    {"overflow", "n"},   {"bad_time", "ts"},    {"empty_entity", "user"},
                    {"future", "ts"},    {"wrong_type", "user"}};
    size_t way = (size_t)random_below(ARRAY_LEN(outcomes));

    record->error = outcomes[way].error;
    record->field = outcomes[way].field;
    if (way == 0)
        strcpy(draft->user, random_chance(50) ? "" : "null");
    else if (way == 1)
        draft->ts[0] = '\0';
    else if (way == 2)
        strcpy(draft->n, "\"5\"");
    else if (way == 3)
        strcpy(draft->n, "99999999999999999999");
    else if (way == 4)
        strcpy(draft->ts, "-5");
    else if (way == 5)
        strcpy(draft->user, "\"\"");
    else if (way == 6)
        snprintf(draft->ts, sizeof(draft->ts), "%" PRId64,
                 (record->timestamp_ms = record->sample.time_ms) + MAX_FUTURE_MS + 1);
    else
        strcpy(draft->user, "17");
}

static void member_write(struct buf *out, const struct draft *draft, enum member member)
{
    static const char *const names[] = {"user", "ts", "type", "n", "x"};
    const char *const values[] = {draft->user, draft->ts, draft->type, draft->n, draft->x};

    if (member == MEMBER_NOTE ? draft->note_len < 0 : values[member][0] == '\0')
        return;
    if (out->len > 1)
        buf_append(out, ", ", random_chance(50) ? 2 : 1);
    if (member != MEMBER_NOTE) {
        buf_printf(out, "\"%s\":%s", names[member], values[member]);
        return;
    }
    buf_printf(out, "\"note\":\"");
    for (int i = 0; i < draft->note_len; i++)
        buf_append_char(out, 'n');
    buf_append_char(out, '"');
}

static void draft_write(struct buf *out, const struct draft *draft)
{
    unsigned first = (unsigned)random_below(MEMBER_COUNT);

    buf_append_char(out, '{');
    for (unsigned i = 0; i < MEMBER_COUNT; i++)
        member_write(out, draft, (enum member)((first + i) % MEMBER_COUNT));
    buf_append_char(out, '}');
}

static void record_write(const struct scenario *scenario, struct sim_record *record, bool spoiled,
                         bool fat)
{
    struct draft draft;
    struct buf out = {0};

    record->timestamp_ms = random_chance(20)
                               ? -1
                               : MAX(record->sample.time_ms + random_between(-MAX_FUTURE_MS, 1000),
                                     INT64_C(0));
    draft_make(scenario, &draft, record, fat);
    if (spoiled && random_chance(15)) {
        record->error = "null_value";
        return;
    }
    if (spoiled && random_chance(75))
        draft_spoil(&draft, record);
    else if (spoiled)
        record->error = "malformed";
    draft_write(&out, &draft);
    if (spoiled && strcmp(record->error, "malformed") == 0)
        out.len = 1 + (size_t)random_below(out.len - 1);
    record->value = malloc(out.len);
    memcpy(record->value, out.data, out.len);
    record->value_len = out.len;
    buf_free(&out);
}

static struct sim_record *log_append(struct sim_log *log)
{
    struct sim_record *record;

    log->records = realloc(log->records, (log->count + 1) * sizeof(*log->records));
    record = &log->records[log->count++];
    *record = (struct sim_record){.offset = log->end_offset};
    /* Transaction markers and compacted records take offsets too. */
    log->end_offset += 1 + (random_chance(10) ? (int64_t)random_below(3) : 0);
    return record;
}

/* How records come: at once, or as time passes, with pauses. */
static int64_t pause_ns(const struct scenario *scenario)
{
    if (random_chance(3) && scenario->idles)
        return (int64_t)random_below(4000) * NS_PER_MS;
    if (random_chance(2))
        return (int64_t)random_below(300) * NS_PER_MS;
    return random_chance(50) ? 0 : (int64_t)random_below(3000) * NS_PER_US;
}

static void logs_fill(struct scenario *scenario, size_t count)
{
    struct sample *samples = calloc(count + 1, sizeof(*samples));
    int64_t lags_ns[PARTITIONS_MAX];
    size_t events[GROUPS_MAX] = {0};
    bool at_once = random_chance(30);
    bool fat = random_chance(10);
    int64_t now_ns = 0;

    random_samples(samples, count, scenario->partition_count);
    for (int i = 0; i < PARTITIONS_MAX; i++)
        lags_ns[i] = random_chance(60) ? 0 : (int64_t)random_below(300) * NS_PER_MS;
    for (size_t i = 0; i < count; i++) {
        int partition = samples[i].partition;
        struct sim_record *record = log_append(&scenario->logs[partition]);
        bool spoiled = random_chance(6);

        now_ns += at_once ? 0 : pause_ns(scenario);
        record->arrives_ns = now_ns + (at_once ? 0 : lags_ns[partition]);
        record->sample = samples[i];
        record->group = scenario->spec.aligned ? partition
                                               : (int)random_below((uint64_t)scenario->group_count);
        spoiled = spoiled || events[record->group] == EVENTS_MAX;
        events[record->group] += !spoiled;
        record_write(scenario, record, spoiled, fat);
        scenario->lasts_ns = MAX(scenario->lasts_ns, record->arrives_ns);
    }
    free(samples);
}

/* A bounded run does not wait for a partition that holds no event: should its first one be older
 * than the others are by then, a later run may have no state left for it. Not so here. */
static void first_events_come(struct scenario *scenario)
{
    for (int i = 0; i < scenario->partition_count; i++) {
        struct sim_log *log = &scenario->logs[i];
        size_t first = 0;

        while (first < log->count && log->records[first].error)
            first++;
        for (size_t j = 0; j < log->count && j <= first; j++)
            log->records[j].arrives_ns = 0;
    }
}

/* --- the whole --- */

static size_t random_count(const struct scenario *scenario)
{
    size_t some = (size_t)PICK(0, 5, 20, 60, 60, 100);

    return random_chance(5) && scenario->spec.view_count < 3
               ? 380
               : some * (size_t)scenario->partition_count;
}

static void random_fate(struct scenario *scenario)
{
    scenario->bounded = random_chance(35);
    scenario->idles = !scenario->bounded && random_chance(30);
    if (scenario->idles)
        scenario->spec.ttl_ms = TTL_LONG_MS; /* so no clock runs ahead of it */
    scenario->idle_after_ms = scenario->idles ? PICK(30, 200, 1000) : 3600000;
    scenario->lives = random_chance(40) ? 1 : 2 + (int)random_below(LIVES_MAX - 1);
    scenario->checkpoint_every_ms = PICK(5, 30, 100, 400, 3000);
    scenario->transactional = random_chance(30);
    if (!scenario->bounded && scenario->spec.aligned && random_chance(40))
        scenario->rebalances = 1 + (int)random_below(4);
    scenario->drains_early = !scenario->bounded && random_chance(20);
    scenario->loses_data = !scenario->bounded && scenario->spec.ttl_ms >= TTL_LONG_MS &&
                           scenario->lives == 1 && scenario->rebalances == 0 && random_chance(40);
    for (int i = 0; i < LIVES_MAX; i++)
        scenario->shard_counts[i] = 1 + (int)random_below(4);
    for (int i = 0; i < LIVES_MAX; i++) {
        /* An evicted key has no image, so it is not written again when Redis has lost it. */
        scenario->evicts[i] = random_chance(50) && !scenario->loses_data;
        scenario->is_short[i] = random_chance(50);
    }
    scenario->trouble = random_chance(30) ? 0 : (unsigned)random_below(101);
    scenario->metadata = !random_chance(15);
    scenario->burst = PICK(1, 5, 50, 600);
    scenario->dirty_keys_max = (size_t)PICK(1, 3, 10, 1000);
}

/* Since when the same values are shown depends, with `unchanged: skip`, on what is free:
 *
 *   - a skipped row leaves no trace in the sink; should an older window fire again, with other
 *     values, it is shown. Where it comes among the others idle clocks decide.
 *   - once the core has dropped a key, the sink does not know what it showed, and the next row is
 *     written again. When keys are dropped is free, and in a replay it is another time.
 *   - trailing windows of a shuffled key go through other values with each order of events. */
static bool may_skip(const struct scenario *scenario)
{
    bool replays = scenario->lives > 1 || scenario->rebalances > 0;

    for (int i = 0; i < scenario->lives; i++) {
        if (scenario->evicts[i]) /* then as with keys that were dropped */
            return false;
    }
    return !scenario->idles &&
           (!replays || (scenario->spec.aligned && scenario->spec.ttl_ms >= TTL_LONG_MS));
}

void scenario_init(struct scenario *scenario, uint64_t seed)
{
    memset(scenario, 0, sizeof(*scenario));
    random_begin(seed);
    do
        random_spec(&scenario->spec, random_chance(50));
    while (redis_fields(&scenario->spec) > FIELDS_MAX);
    for (int i = 0; i < SPEC_VIEWS_MAX; i++) {
        scenario->when_empty[i] = (enum when_empty)PICK(WHEN_EMPTY_ZERO, WHEN_EMPTY_ZERO,
                                                        WHEN_EMPTY_KEEP, WHEN_EMPTY_DELETE);
        scenario->skip_unchanged[i] = random_chance(25);
    }
    scenario->partition_count = 1 + (int)random_below(PARTITIONS_MAX);
    scenario->group_count = scenario->spec.aligned ? scenario->partition_count
                                                   : 1 + (int)random_below(GROUPS_MAX);
    random_fate(scenario);
    for (int i = 0; i < SPEC_VIEWS_MAX && !may_skip(scenario); i++)
        scenario->skip_unchanged[i] = false;
    for (int i = 0; i < scenario->partition_count; i++)
        scenario->logs[i].begin_offset = scenario->logs[i].end_offset = PICK(0, 0, 7, 1000000);
    logs_fill(scenario, random_count(scenario));
    if (scenario->bounded)
        first_events_come(scenario);
    pipeline_write(scenario);
    scenario->plan = plan_of_text(buf_string(&scenario->text));
}

void scenario_done(struct scenario *scenario)
{
    for (int i = 0; i < scenario->partition_count; i++) {
        for (size_t j = 0; j < scenario->logs[i].count; j++)
            free(scenario->logs[i].records[j].value);
        free(scenario->logs[i].records);
    }
    plan_free(scenario->plan);
    buf_free(&scenario->text);
}

int64_t log_end(const struct sim_log *log, int64_t now_ns)
{
    for (size_t i = 0; i < log->count; i++) {
        if (log->records[i].arrives_ns > now_ns)
            return log->records[i].offset;
    }
    return log->end_offset;
}
