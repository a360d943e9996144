/* view_bench - a keyspace under test, and what it emits. */
#ifndef FRESHET_TESTS_VIEW_BENCH_H
#define FRESHET_TESTS_VIEW_BENCH_H

#include "base/hash.h"
#include "decode/predicate.h"
#include "freshet/source.h"
#include "view/keyspace.h"
#include "view_oracle.h"
#include "window/lateness.h"

#define BENCH_FIELDS 4 /* user, type, n, x */

struct bench {
    const struct spec *spec;
    struct buf text; /* of the pipeline file */
    struct plan *plan;
    struct arena arena;
    struct intern intern;
    struct keyspace *keyspace;
    struct view_stats stats[SPEC_VIEWS_MAX];
    struct spec_rows rows[SPEC_VIEWS_MAX][SPEC_KEYS];
    unsigned stop_percent; /* how often the output asks to stop */
    bool stopped;
    int64_t shown_ms[SPEC_VIEWS_MAX][SPEC_KEYS]; /* the latest ends of rows that went online */
    bool finishing;                              /* the end of a bounded run: nothing goes online */
    uint64_t late_after_all;
    uint64_t late_by_watermark;
    struct counter duplicates;
    struct store *store; /* of keys that are evicted: view_store.h */
    struct counter evicted;
    struct counter loaded;
    struct record record; /* of events of which only sessions can tell whether they are late */
    uint64_t slots_given;
    uint64_t slots_released;
    struct event events[ORACLE_EVENTS_MAX];
    struct field_value fields[ORACLE_EVENTS_MAX][BENCH_FIELDS];
    const struct event *pending[ORACLE_EVENTS_MAX];
    size_t event_count;
    uint32_t pending_count;
};

static inline int bench_fail(const struct bench *bench, const char *what)
{
    for (const char *line = bench->text.data; *line; line = strchr(line, '\n') + 1)
        print_error("%.*s", (int)strcspn(line, "\n") + 1, line);
    fail_msg("seed %" PRIu64 ": %s", test_seed, what);
    return -1;
}

static inline int key_number(const struct bench *bench, struct slice key)
{
    for (int i = 0; i < SPEC_KEYS; i++) {
        if (slice_equal(key, slice_of(key_names[i])))
            return i;
    }
    return bench_fail(bench, "a row of a key that has no event");
}

static inline bool bench_row(void *context, const struct row *row, void **slot)
{
    struct bench *bench = context;
    int view = (int)row->view->number;
    int key = key_number(bench, row->key);
    /* Which rows are older than what is shown depends on when a keyspace gets to them; that none
     * goes online does not. */
    bool is_older = row->window_end_ms < bench->shown_ms[view][key];
    struct spec_row *seen = row_append(&bench->rows[view][key]);
    char *out = seen->values;
    bool is_passed_over = is_older && !row->retracted && !bench->finishing;

    *seen = (struct spec_row){.start_ms = row->window_start_ms,
                              .end_ms = row->window_end_ms,
                              .revision = row->revision,
                              .empty = row->empty,
                              .online = row->online || is_passed_over,
                              .passed_over = is_passed_over,
                              .online_only = row->online_only,
                              .retracted = row->retracted};
    ENSURE(!row->online || !is_older);
    if (row->online)
        bench->shown_ms[view][key] = row->window_end_ms;
    for (uint32_t i = 0; i < row->view->feature_count; i++) {
        out += value_text(out, &row->values[i]);
        *out++ = '|';
    }
    if (!*slot) {
        *slot = (void *)key_names[key];
        bench->slots_given++;
    }
    ENSURE(*slot == key_names[key]);
    bench->stopped = random_chance(bench->stop_percent);
    return !bench->stopped;
}

static inline void bench_release(void *context, void **slot)
{
    struct bench *bench = context;

    ENSURE(*slot != NULL);
    bench->slots_released++;
}

static inline bool bench_late(void *context, uint32_t source, const struct event *event,
                              bool by_watermark)
{
    struct bench *bench = context;

    ENSURE(source == 0 && event->record == &bench->record);
    if (random_chance(bench->stop_percent)) {
        bench->stopped = true;
        return false;
    }
    bench->late_after_all++;
    bench->late_by_watermark += by_watermark;
    return true;
}

typedef bool (*bench_fetch)(void *context, const struct slice *keys, uint32_t count,
                            bool (*take)(void *loading, uint32_t number, struct slice value),
                            void *loading);

/* `fetch`: of keys that are evicted, or NULL. */
static inline void bench_init_with(struct bench *bench, const struct spec *spec, bench_fetch fetch,
                                   struct store *store)
{
    struct view_stats *stats[SPEC_VIEWS_MAX];

    memset(bench, 0, sizeof(*bench));
    bench->spec = spec;
    bench->store = store;
    write_spec(&bench->text, spec);
    bench->plan = plan_of_text(buf_string(&bench->text));
    arena_init(&bench->arena);
    intern_init(&bench->intern, &bench->arena);
    for (int i = 0; i < SPEC_VIEWS_MAX; i++)
        stats[i] = &bench->stats[i];
    bench->keyspace = keyspace_create(bench->plan, 0, spec->aligned ? 0 : PLAN_NONE, &bench->arena,
                                      &bench->intern, stats,
                                      (struct keyspace_output){.row = bench_row,
                                                               .is_unread = spec->is_unread,
                                                               .release = bench_release,
                                                               .late = bench_late,
                                                               .duplicates = &bench->duplicates,
                                                               .fetch = fetch,
                                                               .evicted = &bench->evicted,
                                                               .loaded = &bench->loaded,
                                                               .context = bench});
}

static inline void bench_init(struct bench *bench, const struct spec *spec)
{
    bench_init_with(bench, spec, NULL, NULL);
}

/* All memory is given back, and every slot of the sink. */
static inline void bench_done(struct bench *bench)
{
    keyspace_free(bench->keyspace);
    ENSURE_INT(bench->slots_released, bench->slots_given);
    ENSURE_INT(bench->intern.live, 0);
    intern_done(&bench->intern);
    ENSURE_INT(arena_used_bytes(&bench->arena), 0);
    arena_done(&bench->arena);
    for (int view = 0; view < SPEC_VIEWS_MAX; view++) {
        for (int key = 0; key < SPEC_KEYS; key++)
            rows_free(&bench->rows[view][key]);
    }
    plan_free(bench->plan);
    buf_free(&bench->text);
}

/* The sample as an event that waits to be applied. */
static inline void bench_event(struct bench *bench, const struct sample *sample,
                               int64_t watermark_ms)
{
    struct field_value *fields = bench->fields[bench->event_count];
    struct event *event = &bench->events[bench->event_count++];
    struct slice key = slice_of(key_names[sample->key]);

    assert_true(bench->event_count <= ORACLE_EVENTS_MAX);
    fields[0] = (struct field_value){.s = key.data, .len = (uint32_t)key.len, .present = true};
    fields[1] = (struct field_value){.present = sample->type >= 0};
    if (sample->type >= 0) {
        fields[1].s = type_names[sample->type];
        fields[1].len = 1;
    }
    fields[2] = (struct field_value){.i = sample->n, .present = sample->has_n};
    fields[3] = (struct field_value){.d = sample->x, .present = sample->has_x};
    *event = (struct event){
        .time_ms = sample->time_ms,
        .watermark_ms = watermark_ms,
        .offset = (int64_t)bench->event_count,
        .record_ms = sample->time_ms,
        .fetched_ns = 1,
        .key_hash = hash64(key),
        .key = key,
        .partition = sample->partition,
        .passes = predicates_hold(&bench->plan->sources[0], fields),
        .fields = fields,
    };
    int64_t closing_ms = MAX(watermark_ms, keyspace_release_ms(bench->keyspace));
    if (lateness_of(bench->plan, &bench->plan->sources[0], sample->time_ms, closing_ms) ==
        LATE_UNDECIDED)
        event->record = &bench->record;
    bench->pending[bench->pending_count++] = event;
}

/* Applies what waits, in pieces if the output asks to stop. */
static inline void bench_apply(struct bench *bench)
{
    uint32_t done = 0;

    while (done < bench->pending_count) {
        uint32_t wanted = bench->pending_count - done;

        if (random_chance(30))
            wanted = 1 + (uint32_t)random_below(wanted);
        bench->stopped = false;
        uint32_t applied = keyspace_apply(bench->keyspace, bench->pending + done, wanted);

        ENSURE(applied <= wanted && (applied == wanted || bench->stop_percent > 0));
        done += applied;
    }
    bench->pending_count = 0;
}

/* Far more than there can be to do. */
#define BENCH_STEPS_MAX 20000

static inline void bench_fire_all(struct bench *bench)
{
    int steps = 0;

    while (keyspace_fire(bench->keyspace, 1 + (uint32_t)random_below(10))) {
        if (++steps > BENCH_STEPS_MAX)
            bench_fail(bench, "something is due without end");
    }
}

static inline void bench_finish(struct bench *bench)
{
    int steps = 0;

    bench->finishing = true;
    while (keyspace_finish(bench->keyspace, 1 + (uint32_t)random_below(3))) {
        if (++steps > BENCH_STEPS_MAX)
            bench_fail(bench, "the end does not come");
    }
    bench->finishing = false;
}

static inline void check_counters(const struct bench *bench, const struct oracle *oracle)
{
    for (int view = 0; view < bench->spec->view_count; view++) {
        uint64_t rows = 0;
        uint64_t empty = 0;

        for (int key = 0; key < SPEC_KEYS; key++) {
            const struct spec_rows *of_key = &oracle->rows[view][key];

            for (size_t i = 0; i < of_key->count; i++) {
                rows += !of_key->rows[i].online_only;
                empty += !of_key->rows[i].online_only && of_key->rows[i].empty;
            }
        }
        ENSURE_INT(counter_get(&bench->stats[view].rows), rows);
        ENSURE_INT(counter_get(&bench->stats[view].empty_rows), empty);
        ENSURE_INT(counter_get(&bench->stats[view].events), oracle->entered[view]);
        ENSURE_INT(counter_get(&bench->stats[view].late), oracle->late[view]);
        ENSURE_INT(counter_get(&bench->stats[view].released), oracle->released[view]);
    }
    ENSURE_INT(bench->late_after_all, oracle->late_after_all);
    ENSURE_INT(bench->late_by_watermark, oracle->late_by_watermark);
    ENSURE_INT(counter_get(&bench->duplicates), oracle->duplicates);
}

static inline void check_rows_of(const struct bench *bench, int view, int key,
                                 const struct spec_rows *wanted, const struct spec_rows *got)
{
    size_t at = 0;

    while (at < MIN(wanted->count, got->count) && rows_same(&wanted->rows[at], &got->rows[at]))
        at++;
    if (at == wanted->count && at == got->count)
        return;
    print_error("seed %" PRIu64 ": view v%d, key %s\n", test_seed, view, key_names[key]);
    print_rows("wanted", wanted, at);
    print_rows("got", got, at);
    bench_fail(bench, "rows differ");
}

/* The same rows in the same order, for each key of each view. */
static inline void check_rows(const struct bench *bench, const struct oracle *oracle)
{
    for (int view = 0; view < bench->spec->view_count; view++) {
        for (int key = 0; key < SPEC_KEYS; key++)
            check_rows_of(bench, view, key, &oracle->rows[view][key], &bench->rows[view][key]);
    }
}

#endif
