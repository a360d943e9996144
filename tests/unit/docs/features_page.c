/* docs/FEATURES.md: what stands between two marks is written by this program, from the tables of
 * src/plan and from what decoder and keyspace make of a few events. Those values, rows and sizes
 * are also worked out by hand, in features_story.h and windows_story.h.
 *
 *   <!-- feature: sum -->
 *   <!-- end -->
 *
 * FRESHET_UPDATE_DOCS=1 test_features_page    writes them anew */
#include "../support/document.h"
#include "features_story.h"
#include "plan/settings.h"
#include "windows_story.h"

#define DOCUMENT FRESHET_SOURCE_DIR "/docs/FEATURES.md"
#define END_LINE "<!-- end -->\n"

static struct story story;
static struct computed computed;

/* 32016 → 32,016 */
static void print_count(struct buf *out, int64_t number)
{
    if (number >= 1000) {
        print_count(out, number / 1000);
        buf_printf(out, ",%03d", (int)(number % 1000));
    } else {
        buf_printf(out, "%d", (int)number);
    }
}

static void print_visits(struct buf *out, const char *argument)
{
    (void)argument;
    buf_printf(out, "```yaml\n%s```\n\n", FEATURES_SOURCE);
    buf_printf(out, "| offset | time | page | amount | seconds |\n|---|---|---|---|---|\n");
    for (size_t i = 0; i < ARRAY_LEN(visits); i++)
        buf_printf(out, "| %zu | %s | %s | %s | %s |\n", i + 1, visits[i].time, visits[i].page,
                   visits[i].amount, visits[i].seconds);
}

static void print_value(struct buf *out, const struct example *example, struct slice value)
{
    /* The last digits of a logarithm are the machine's. */
    if (example->near != 0)
        buf_printf(out, "≈ `%.4g`", strtod(value.data, NULL));
    else
        buf_printf(out, "`%.*s`", SLICE_ARGS(value));
}

static void print_bytes(struct buf *out, const struct cell_size *size)
{
    buf_printf(out, "%u", size->pane_bytes);
    if (size->outside_bytes == 0)
        return;
    buf_printf(out, " + ");
    print_count(out, size->outside_bytes);
}

static void print_feature(struct buf *out, enum feature_kind kind)
{
    const struct feature_doc *doc = &feature_docs[kind];

    buf_printf(out, "| value | empty | exactness |\n|---|---|---|\n| %s | %s | %s |\n\n",
               doc->value, doc->empty, doc->exactness);
    buf_printf(out, "| | in the example | because | empty | bytes a pane |\n"
                    "|---|---|---|---|---|\n");
    for (size_t i = 0; i < ARRAY_LEN(examples); i++) {
        struct cell_size size;

        if (examples[i].kind != kind)
            continue;
        size = cell_most(examples[i].spelled);
        buf_printf(out, "| `%s` | ", examples[i].spelled);
        print_value(out, &examples[i], buf_slice(&computed.values[i]));
        buf_printf(out, " | %s | `%s` | ", examples[i].because, buf_string(&computed.empties[i]));
        print_bytes(out, &size);
        buf_printf(out, " |\n");
    }
}

static void print_growth(struct buf *out, const char *argument)
{
    (void)argument;
    buf_printf(out, "| different values in the pane |");
    for (size_t i = 0; i < ARRAY_LEN(growth_counts); i++) {
        buf_printf(out, " ");
        print_count(out, growth_counts[i]);
        buf_printf(out, " |");
    }
    buf_printf(out, "\n|---|");
    for (size_t i = 0; i < ARRAY_LEN(growth_counts); i++)
        buf_printf(out, "---|");
    for (size_t i = 0; i < ARRAY_LEN(growths); i++) {
        buf_printf(out, "\n| `%s` |", growths[i].spelled);
        for (size_t j = 0; j < ARRAY_LEN(growth_counts); j++) {
            buf_printf(out, " ");
            print_count(out,
                        cell_measure(growths[i].spelled, growth_counts[j], false).outside_bytes);
            buf_printf(out, " |");
        }
    }
    buf_printf(out, "\n");
}

/* What a key takes, measured: of the views that are written, each with one count. */
struct key_size {
    int64_t record_bytes;
    int64_t header_bytes; /* of a pane of the first view, before its cell of 8 bytes */
};

static struct key_size key_measure(bool aligned, const char *const *windows, size_t count)
{
    struct buf text = {0};
    int64_t panes_bytes = 0;

    buf_printf(&text,
               "pipeline: size\nkafka: {}\nsources:\n  s:\n    topic: t\n    partitioning: %s\n"
               "    entity: user\n    time: {field: time}\n    fields: {user: string}\nviews:\n",
               aligned ? "aligned" : "shuffle");
    for (size_t i = 0; i < count; i++)
        buf_printf(&text,
                   "  v%zu:\n    source: s\n    window: %s\n    emit: on_update\n"
                   "    features: {f%zu: {count: true}}\n",
                   i, windows[i], i);
    story_begin(&story, buf_string(&text));
    story_event(&story, SLICE_LITERAL("{\"user\":\"ann\",\"time\":1767225600000}"));

    for (uint32_t i = 0; i < story.plan->sources[0].paneset_count; i++)
        panes_bytes += (int64_t)keyspace_view_bytes(story.keyspace, i);
    struct key_size size = {
        .record_bytes = (int64_t)keyspace_bytes(story.keyspace) - panes_bytes,
        .header_bytes = (int64_t)keyspace_view_bytes(story.keyspace, 0) - 8,
    };
    story_end(&story);
    buf_free(&text);
    return size;
}

#define KEY_MEASURE(aligned, ...)                                                                  \
    key_measure(aligned, (const char *const[]){__VA_ARGS__},                                       \
                sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))

/* What each part takes, with what is known of it without measuring. */
struct part_size {
    const char *part;
    int64_t bytes;
    int64_t wanted;
};

#define PARTS 5

static void measure_parts(struct part_size *ret_parts)
{
    struct key_size one = KEY_MEASURE(true, "lifetime");
    struct key_size shared = KEY_MEASURE(true, "{tumbling: 1h}", "{tumbling: 1h}");
    struct key_size apart = KEY_MEASURE(true, "{tumbling: 1h}", "{tumbling: 2h}");
    struct key_size sliding = KEY_MEASURE(false, "{sliding: 1h, every: 10m}");
    int64_t view_bytes = shared.record_bytes - one.record_bytes;

    ret_parts[0] = (struct part_size){
        "a key, with its first view; a key of more than 24 bytes also its text", one.record_bytes,
        /* hash, key, its length and number, four times, its places in three calendars and when it
         * changed last, the sink's place, four marks */
        8 + 24 + 4 + 4 + 4 * 8 + 4 * 4 + 8 + 8 +
            /* its panes: where, three numbers, the last one that went */
            8 + 4 * 4 + 8 +
            /* its view: how far it has fired, and the last row */
            8 + 4 * 8};
    ret_parts[1] = (struct part_size){"each further view of the same panes", view_bytes, 8 + 4 * 8};
    ret_parts[2] = (struct part_size){"each further view with panes of its own",
                                      apart.record_bytes - one.record_bytes,
                                      8 + 4 * 8 + 8 + 4 * 4 + 8};
    ret_parts[3] = (struct part_size){
        "a pane of a tumbling or sliding window; 8 more where some of its windows may be closed "
        "and others not: sliding ones under `shuffle`, and views of different sizes over one slide",
        shared.header_bytes, 8};
    ret_parts[4] = (struct part_size){"a session, a lifetime", one.header_bytes, 8 + 8 + 4 + 2 + 2};
    assert_int_equal(sliding.header_bytes, shared.header_bytes + 8);
}

static void print_parts(struct buf *out, const char *argument)
{
    struct part_size parts[PARTS];

    (void)argument;
    measure_parts(parts);
    buf_printf(out, "| | bytes |\n|---|---|\n");
    for (int i = 0; i < PARTS; i++)
        buf_printf(out, "| %s | %d |\n", parts[i].part, (int)parts[i].bytes);
}

static void print_windows(struct buf *out, const char *argument)
{
    (void)argument;
    buf_printf(out, "```yaml\n%s", WINDOWS_SOURCE);
    for (size_t i = 0; i < ARRAY_LEN(told_views); i++)
        buf_printf(out, "  %s: {source: events, window: %s, emit: %s, features: …}\n",
                   told_views[i].name, told_views[i].window, told_views[i].emit);
    buf_printf(out, "```\n\n| number | user | time | watermark before it | |\n"
                    "|---|---|---|---|---|\n");
    windows_begin(&story);
    for (int number = 1; number <= (int)ARRAY_LEN(told_events); number++) {
        const struct told_event *event = &told_events[number - 1];

        buf_printf(out, "| %d | %s | %s | ", number, event->user, event->time);
        print_time(out, story.watermark_ms);
        buf_printf(out, " | %s |\n", event->remark);
        windows_event(&story, number);
    }
    story_end(&story);
}

/* The remark on the row that is worked out for the view and is the `nth` of it. */
static const char *remark_on(const char *view, int nth)
{
    for (size_t i = 0; i < ARRAY_LEN(told_rows); i++) {
        if (strcmp(told_rows[i].view, view) == 0 && nth-- == 0)
            return told_rows[i].why;
    }
    return "";
}

static void print_row(struct buf *out, const struct story_row *row, const char *remark)
{
    buf_printf(out, "| %d | ", row->after);
    print_time(out, row->start_ms);
    buf_printf(out, " | ");
    print_time(out, row->end_ms);
    buf_printf(out, " | %u%s | ", row->revision,
               row->empty       ? ", empty"
               : row->retracted ? ", retracted"
                                : "");
    story_value(&story, row, 0, out);
    buf_printf(out, " | ");
    story_value(&story, row, 1, out);
    buf_printf(out, " | %s |\n", remark);
}

static void print_rows(struct buf *out, const char *view)
{
    int nth = 0;

    buf_printf(out, "| after event | from | to | revision | count | events | |\n"
                    "|---|---|---|---|---|---|---|\n");
    windows_tell(&story);
    for (int i = 0; i < story.row_count; i++) {
        if (is_of(&story, &story.rows[i], view))
            print_row(out, &story.rows[i], remark_on(view, nth++));
    }
    story_end(&story);
}

/* The rows behind the event that joins two sessions, as the file output has them. */
static void print_lines(struct buf *out, const char *view)
{
    const int after = 6;

    buf_printf(out, "```\n");
    windows_tell(&story);
    for (int i = 0; i < story.row_count; i++) {
        if (is_of(&story, &story.rows[i], view) && story.rows[i].after == after)
            buf_printf(out, "%s\n", buf_string(&story.rows[i].json));
    }
    buf_printf(out, "```\n");
    story_end(&story);
}

static void print_feature_named(struct buf *out, const char *name)
{
    for (int kind = 0; kind < FEATURE_KIND_COUNT; kind++) {
        if (strcmp(name, feature_kind_name((enum feature_kind)kind)) == 0) {
            print_feature(out, (enum feature_kind)kind);
            return;
        }
    }
    fail_msg("no feature \"%s\"", name);
}

static const struct block {
    const char *mark;
    void (*print)(struct buf *out, const char *argument);
} blocks[] = {
    {"events of the features", print_visits},
    {"feature: ", print_feature_named},
    {"growth", print_growth},
    {"parts", print_parts},
    {"events of the windows", print_windows},
    {"rows: ", print_rows},
    {"lines: ", print_lines},
};

static void print_block(struct buf *out, const char *mark)
{
    for (size_t i = 0; i < ARRAY_LEN(blocks); i++) {
        size_t len = strlen(blocks[i].mark);

        if (strncmp(mark, blocks[i].mark, len) == 0) {
            blocks[i].print(out, mark + len);
            return;
        }
    }
    fail_msg("no block \"%s\"", mark);
}

/* The document with its blocks written anew. */
static void render(const char *document, struct buf *out)
{
    static const char start[] = "<!-- ";

    while (*document) {
        size_t len = strcspn(document, "\n") + 1;
        char mark[64];

        buf_append(out, document, len);
        if (strncmp(document, start, strlen(start)) == 0) {
            const char *end = strstr(document, END_LINE);

            assert_int_equal(sscanf(document, "<!-- %63[^\n]", mark), 1);
            assert_non_null(end);
            assert_non_null(strstr(mark, " -->"));
            *strstr(mark, " -->") = '\0';
            print_block(out, mark);
            document = end;
            len = strlen(END_LINE);
            buf_append(out, document, len);
        }
        document += len;
    }
}

static void values_are_those_worked_out(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(examples); i++) {
        const struct example *example = &examples[i];
        const char *value = buf_string(&computed.values[i]);

        if (example->near != 0)
            assert_true(fabs(strtod(value, NULL) / example->near - 1) <= QUANTILE_ACCURACY);
        else
            assert_string_equal(value, example->value);
        assert_string_equal(buf_string(&computed.empties[i]), example->empty);
    }
}

static void sizes_are_those_worked_out(void **state)
{
    struct part_size parts[PARTS];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(examples); i++) {
        struct cell_size size = cell_most(examples[i].spelled);

        if (size.pane_bytes != examples[i].pane_bytes ||
            size.outside_bytes != examples[i].most_bytes)
            fail_msg("%s: %u + %" PRId64, examples[i].spelled, size.pane_bytes, size.outside_bytes);
    }
    for (size_t i = 0; i < ARRAY_LEN(growths); i++) {
        for (size_t j = 0; j < ARRAY_LEN(growth_counts); j++)
            assert_int_equal(
                cell_measure(growths[i].spelled, growth_counts[j], false).outside_bytes,
                growths[i].bytes[j]);
    }
    measure_parts(parts);
    for (int i = 0; i < PARTS; i++)
        assert_int_equal(parts[i].bytes, parts[i].wanted);
}

/* What the page says of top: panes that join may have to make room for the counters of both. */
static void joined_counters_take_twice_the_room(void **state)
{
    struct cell_trial trial;
    uint32_t most_bytes = 0;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(examples); i++)
        most_bytes = examples[i].kind == FEATURE_TOP ? examples[i].most_bytes : most_bytes;
    cell_trial_begin(&trial, "{top: page}");
    for (int i = 0; i < 2 * TOP_COUNTERS; i++)
        cell_trial_add(&trial, i % 2, i, false);
    pane_cells_merge(trial.paneset, trial.panes[0], trial.panes[1], &trial.memory);
    assert_in_range(trial.memory.bytes, most_bytes + 1, 2 * most_bytes);
    cell_trial_end(&trial);
}

static void rows_of_view_are_those_worked_out(const char *view)
{
    struct buf wanted = {0};
    struct buf found = {0};

    for (size_t i = 0; i < ARRAY_LEN(told_rows); i++) {
        const struct told_row *row = &told_rows[i];

        if (strcmp(row->view, view) == 0)
            buf_printf(&wanted, "| %d | %s | %s | %u%s | %s | %s |  |\n", row->after, row->start,
                       row->end, row->revision,
                       row->flag == EMPTY       ? ", empty"
                       : row->flag == RETRACTED ? ", retracted"
                                                : "",
                       row->count, row->numbers);
    }
    for (int i = 0; i < story.row_count; i++) {
        if (is_of(&story, &story.rows[i], view))
            print_row(&found, &story.rows[i], "");
    }
    assert_true(wanted.len > 0);
    assert_string_equal(buf_string(&found), buf_string(&wanted));
    buf_free(&found);
    buf_free(&wanted);
}

static void rows_are_those_worked_out(void **state)
{
    (void)state;
    windows_tell(&story);
    for (size_t i = 0; i < ARRAY_LEN(told_views); i++)
        rows_of_view_are_those_worked_out(told_views[i].name);
    story_end(&story);
}

static void watermarks_are_those_worked_out(void **state)
{
    (void)state;
    windows_begin(&story);
    for (int number = 1; number <= (int)ARRAY_LEN(told_events); number++) {
        struct buf found = {0};

        print_time(&found, story.watermark_ms);
        assert_string_equal(buf_string(&found), told_events[number - 1].watermark);
        windows_event(&story, number);
        buf_free(&found);
    }
    story_end(&story);
}

/* Each kind of feature and each view has its block; each kind and option an example. */
static void nothing_is_left_out(void **state)
{
    char *document = document_read(DOCUMENT);
    struct buf mark = {0};

    (void)state;
    for (int kind = 0; kind < FEATURE_KIND_COUNT; kind++) {
        bool has_example = false;

        buf_reset(&mark);
        buf_printf(&mark, "<!-- feature: %s -->\n", feature_kind_name((enum feature_kind)kind));
        assert_non_null(strstr(document, buf_string(&mark)));
        for (size_t i = 0; i < ARRAY_LEN(examples); i++)
            has_example |= examples[i].kind == (enum feature_kind)kind;
        assert_true(has_example);
        for (uint32_t i = 0; i < settings_option.count; i++) {
            const struct setting *option = &settings_option.settings[i];
            bool has_option = !(option->kinds >> kind & 1);

            buf_reset(&mark);
            buf_printf(&mark, ", %s: ", option->name);
            for (size_t j = 0; j < ARRAY_LEN(examples); j++)
                has_option |= examples[j].kind == (enum feature_kind)kind &&
                              strstr(examples[j].spelled, buf_string(&mark));
            if (!has_option)
                fail_msg("no example of %s: %s", feature_kind_name((enum feature_kind)kind),
                         option->name);
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(told_views); i++) {
        buf_reset(&mark);
        buf_printf(&mark, "<!-- rows: %s -->\n", told_views[i].name);
        assert_non_null(strstr(document, buf_string(&mark)));
    }
    buf_free(&mark);
    free(document);
}

static void the_page_is_up_to_date(void **state)
{
    char *document = document_read(DOCUMENT);
    struct buf wanted = {0};

    (void)state;
    render(document, &wanted);
    document_check(DOCUMENT, buf_slice(&wanted), "test_features_page");
    buf_free(&wanted);
    free(document);
}

static int compute(void **state)
{
    (void)state;
    features_compute(&computed);
    return 0;
}

static int forget(void **state)
{
    (void)state;
    computed_free(&computed);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_those_worked_out),
        cmocka_unit_test(sizes_are_those_worked_out),
        cmocka_unit_test(joined_counters_take_twice_the_room),
        cmocka_unit_test(watermarks_are_those_worked_out),
        cmocka_unit_test(rows_are_those_worked_out),
        cmocka_unit_test(nothing_is_left_out),
        cmocka_unit_test(the_page_is_up_to_date),
    };

    return cmocka_run_group_tests(tests, compute, forget);
}
