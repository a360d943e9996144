/* A sample multiplied: keys, times, ids; and events made from a pipeline's own fields. What comes
 * out is read with the engine's decoder. */

#include "bench/records.h"
#include "../support/plan_text.h"
#include "../support/testing.h"
#include "bench/schema_lines.h"
#include "decode/decode.h"

#define START_MS INT64_C(1767225600000)

static const char pipeline[] = "pipeline: p\n"
                               "kafka: {brokers: \"localhost:9092\"}\n"
                               "sources:\n"
                               "  s:\n"
                               "    topic: t\n"
                               "    entity: user\n"
                               "    time: {field: meta.at, unit: %s}\n"
                               "    fields:\n"
                               "      user: {path: who.id, type: %s}\n"
                               "      kind: string\n"
                               "      id: {type: string, optional: true}\n"
                               "      amount: {type: decimal(2), optional: true}\n"
                               "    out_of_orderness: 1h\n"
                               "    dedup: {field: id, within: 1h}\n"
                               "views:\n"
                               "  v:\n"
                               "    source: s\n"
                               "    window: {sliding: 1h, every: 10m}\n"
                               "    emit: on_update\n"
                               "    where: {kind: buy, amount: {gt: 100}}\n"
                               "    features: {n: {count: true}}\n";

struct bed {
    struct plan *plan;
    const struct plan_source *source;
    struct decoder *decoder;
    struct region scratch;
    struct field_value fields[8];
    struct event event;
};

static void bed_open(struct bed *bed, const char *unit, const char *type)
{
    struct buf text = {0};

    memset(bed, 0, sizeof(*bed));
    buf_printf(&text, pipeline, unit, type);
    bed->plan = plan_of_text(buf_string(&text));
    bed->source = &bed->plan->sources[0];
    bed->decoder = decoder_create(bed->source);
    buf_free(&text);
}

static void bed_close(struct bed *bed)
{
    decoder_free(bed->decoder);
    region_done(&bed->scratch);
    plan_free(bed->plan);
}

/* Fails unless the value is an event; it is then bed->event. */
static void read_value(struct bed *bed, struct slice value)
{
    struct record record = {.timestamp_ms = -1, .value = value};
    struct reject reject;

    region_reset(&bed->scratch);
    if (decoder_decode(bed->decoder, &record, &bed->scratch, bed->fields, &bed->event, &reject))
        fail_msg("seed %" PRIu64 ": %s: %.*s", test_seed, reject_reason_name(reject.reason),
                 SLICE_ARGS(value));
}

static struct records *records_of(struct bed *bed, const char *lines, uint32_t users)
{
    struct records *records = NULL;
    struct err err = {0};

    if (records_create(bed->source, slice_of(lines), users, &records, &err))
        fail_msg("%s", err.text);
    return records;
}

static const char sample[] =
    "{\"who\":{\"id\":\"anna\"},\"kind\":\"buy\",\"id\":\"e1\",\"amount\":150,"
    "\"meta\":{\"at\":1000000}}\n"
    "{\"meta\":{\"at\":1005000},\"who\":{\"id\":\"b\\\"ob\"},\"kind\":\"look\",\"id\":\"e2\"}\r\n"
    "\n"
    "no event\n"
    "{\"who\":{\"id\":\"anna\"},\"kind\":\"look\",\"meta\":{\"at\":1002000}}";

static void a_sample_is_taken_apart(void **state)
{
    struct bed bed;
    struct records *records;
    const struct records_summary *summary;

    (void)state;
    bed_open(&bed, "ms", "string");
    records = records_of(&bed, sample, 2);
    summary = records_summary(records);
    assert_int_equal(summary->lines, 3);
    assert_int_equal(summary->keys, 2);
    assert_int_equal(summary->skipped, 1);
    assert_int_equal(summary->first_skipped, 4);
    records_free(records);
    bed_close(&bed);
}

/* As many users as the sample has: its own keys; its times less what they were behind. */
static void times_move_and_disorder_stays(void **state)
{
    const int64_t behind_ms[] = {0, 0, 3000};
    static const char *const keys[] = {"anna", "b\"ob", "anna"};
    struct bed bed;
    struct records *records;

    (void)state;
    bed_open(&bed, "ms", "string");
    records = records_of(&bed, sample, 2);
    for (uint64_t n = 0; n < 9; n++) {
        int64_t now_ms = START_MS + (int64_t)n * 7;
        struct made_record made;

        records_make(records, n, now_ms, &made);
        read_value(&bed, made.value);
        ENSURE_INT(bed.event.time_ms, now_ms - behind_ms[n % 3]);
        ENSURE_TEXT(made.key, slice_of(keys[n % 3]));
        ENSURE_TEXT(bed.event.key, made.key);
    }
    records_free(records);
    bed_close(&bed);
}

/* Two partitions, one written down behind the other: half of the lines would be late. */
static void a_sample_that_is_not_in_order_is_sorted(void **state)
{
    struct bed bed;
    struct records *records;
    struct buf lines = {0};

    (void)state;
    bed_open(&bed, "ms", "string");
    for (int64_t partition = 0; partition < 2; partition++) {
        for (int64_t i = 0; i < 10; i++)
            buf_printf(&lines,
                       "{\"who\":{\"id\":\"p%" PRId64 "-%" PRId64
                       "\"},\"kind\":\"a\",\"meta\":{\"at\":%" PRId64 "}}\n",
                       partition, i, (i + 1) * 7200000);
    }
    records = records_of(&bed, buf_string(&lines), 20);
    assert_true(records_summary(records)->sorted);
    for (uint64_t n = 0; n < 20; n++) {
        struct made_record made;
        char wanted[16];

        snprintf(wanted, sizeof(wanted), "\"p%d-%d\"", (int)(n % 2), (int)(n / 2));
        records_make(records, n, START_MS, &made);
        read_value(&bed, made.value);
        ENSURE_INT(bed.event.time_ms, START_MS);
        ENSURE(memmem(made.value.data, made.value.len, wanted, strlen(wanted)));
    }
    records_free(records);
    records = records_of(&bed, sample, 2);
    assert_false(records_summary(records)->sorted);
    records_free(records);
    buf_free(&lines);
    bed_close(&bed);
}

#define USERS  1001
#define EVENTS 60000

/* All users are met, by their own keys first, each sample key's copies about as often as it. */
static void keys_are_multiplied(void **state)
{
    static const char *const types[] = {"string", "int64"};
    static const char *const samples[] = {
        sample, "{\"who\":{\"id\":7},\"kind\":\"a\",\"meta\":{\"at\":1}}\n"
                "{\"who\":{\"id\":-3},\"kind\":\"a\",\"meta\":{\"at\":1}}\n"
                "{\"who\":{\"id\":7},\"kind\":\"a\",\"meta\":{\"at\":1}}\n"};

    (void)state;
    for (size_t t = 0; t < ARRAY_LEN(types); t++) {
        struct bed bed;
        struct records *records;
        uint64_t *seen = calloc(USERS, sizeof(*seen));
        uint32_t different = 0;

        bed_open(&bed, "ms", types[t]);
        records = records_of(&bed, samples[t], USERS);
        for (uint64_t n = 0; n < EVENTS; n++) {
            struct made_record made;
            uint32_t i = 0;

            records_make(records, n, START_MS, &made);
            read_value(&bed, made.value);
            ENSURE_TEXT(bed.event.key, made.key);
            while (i < different && seen[i] != bed.event.key_hash)
                i++;
            if (i == different) {
                ENSURE(different < USERS);
                seen[different++] = bed.event.key_hash;
            }
        }
        ENSURE_INT(different, USERS);
        records_free(records);
        bed_close(&bed);
        free(seen);
    }
}

/* A key may hold whatever JSON can spell. */
static void keys_with_a_nul_are_whole(void **state)
{
    struct bed bed;
    struct records *records;
    struct made_record made;

    (void)state;
    bed_open(&bed, "ms", "string");
    records = records_of(&bed,
                         "{\"who\":{\"id\":\"a\\u0000b\"},\"kind\":\"k\",\"meta\":{\"at\":1}}\n"
                         "{\"who\":{\"id\":\"a\\u0000b\"},\"kind\":\"k\",\"meta\":{\"at\":1}}\n",
                         1);
    assert_int_equal(records_summary(records)->keys, 1);
    records_make(records, 0, START_MS, &made);
    read_value(&bed, made.value);
    ENSURE_TEXT(made.key, SLICE_LITERAL("a\0b"));
    ENSURE_TEXT(bed.event.key, made.key);
    records_free(records);
    bed_close(&bed);
}

static void fewer_users_than_the_sample_has(void **state)
{
    struct bed bed;
    struct records *records;

    (void)state;
    bed_open(&bed, "ms", "string");
    records = records_of(&bed, sample, 1);
    for (uint64_t n = 0; n < 6; n++) {
        struct made_record made;

        records_make(records, n, START_MS, &made);
        ENSURE_TEXT(made.key, slice_of("anna"));
    }
    records_free(records);
    bed_close(&bed);
}

/* An id that came twice would be dropped as a duplicate. */
static void ids_differ(void **state)
{
    struct bed bed;
    struct records *records;
    char before[64] = "";

    (void)state;
    bed_open(&bed, "ms", "string");
    records = records_of(&bed, sample, 2);
    for (uint64_t n = 0; n < 30; n += 3) {
        struct made_record made;
        const struct field_value *id = &bed.fields[bed.source->dedup_field];

        records_make(records, n, START_MS, &made);
        read_value(&bed, made.value);
        ENSURE(id->present && id->len < sizeof(before));
        ENSURE(strncmp(id->s, "e1+", 3) == 0);
        ENSURE(strlen(before) != id->len || memcmp(before, id->s, id->len) != 0);
        snprintf(before, sizeof(before), "%.*s", (int)id->len, id->s);
    }
    records_free(records);
    bed_close(&bed);
}

static void probes_pass_and_have_keys_of_their_own(void **state)
{
    struct bed bed;
    struct records *records;
    struct made_record made;
    int predicate;

    (void)state;
    bed_open(&bed, "ms", "string");
    predicate = bed.plan->views[0].predicate;
    records = records_of(&bed, sample, 500);
    assert_true(records_make_probe(records, predicate, "probe-", 3, 77, START_MS, &made));
    read_value(&bed, made.value);
    ENSURE_TEXT(made.key, slice_of("probe-3"));
    ENSURE_TEXT(bed.event.key, made.key);
    ENSURE_INT(bed.event.time_ms, START_MS);
    ENSURE(bed.event.passes >> predicate & 1);
    records_free(records);

    records = records_of(&bed, "{\"who\":{\"id\":\"x\"},\"kind\":\"look\",\"meta\":{\"at\":1}}", 5);
    assert_false(records_make_probe(records, predicate, "probe-", 3, 77, START_MS, &made));
    assert_true(records_make_probe(records, PLAN_NONE, "probe-", 3, 77, START_MS, &made));
    records_free(records);
    bed_close(&bed);
}

static void a_sample_without_events_is_refused(void **state)
{
    struct records *records;
    struct err err = {0};
    struct bed bed;

    (void)state;
    bed_open(&bed, "ms", "string");
    assert_int_equal(records_create(bed.source, SLICE_LITERAL("{}\n[]\n"), 5, &records, &err),
                     -EINVAL);
    assert_non_null(strstr(err.text, "source s"));
    assert_int_equal(records_create(bed.source, SLICE_LITERAL(""), 5, &records, &err), -EINVAL);
    bed_close(&bed);
}

/* Whatever unit of time and type of key: all are events, some pass the view's filter, some don't,
 * and time stays within what the source bears. */
static void events_are_made_from_the_schema(void **state)
{
    static const char *const units[] = {"ms", "s", "us", "iso8601"};
    static const char *const types[] = {"string", "int64"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(units) * ARRAY_LEN(types); i++) {
        struct bed bed;
        struct buf lines = {0};
        struct records *records;
        uint32_t passed = 0;

        bed_open(&bed, units[i % ARRAY_LEN(units)], types[i / ARRAY_LEN(units)]);
        schema_lines(bed.source, 2000, 100, 1, &lines);
        records = records_of(&bed, buf_string(&lines), 300);
        ENSURE_INT(records_summary(records)->skipped, 0);
        ENSURE_INT(records_summary(records)->lines, 2000);
        ENSURE(records_summary(records)->value_bytes >= SCHEMA_RECORD_BYTES - 20);
        for (uint64_t n = 0; n < 2000; n++) {
            struct made_record made;

            records_make(records, n, START_MS, &made);
            read_value(&bed, made.value);
            passed += bed.event.passes >> bed.plan->views[0].predicate & 1;
            ENSURE(bed.event.time_ms <= START_MS);
            ENSURE(bed.event.time_ms > START_MS - bed.source->out_of_orderness_ms);
        }
        ENSURE(passed > 0 && passed < 2000);
        records_free(records);
        buf_free(&lines);
        bed_close(&bed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sample_is_taken_apart),
        cmocka_unit_test(times_move_and_disorder_stays),
        cmocka_unit_test(a_sample_that_is_not_in_order_is_sorted),
        cmocka_unit_test(keys_are_multiplied),
        cmocka_unit_test(keys_with_a_nul_are_whole),
        cmocka_unit_test(fewer_users_than_the_sample_has),
        cmocka_unit_test(ids_differ),
        cmocka_unit_test(probes_pass_and_have_keys_of_their_own),
        cmocka_unit_test(a_sample_without_events_is_refused),
        cmocka_unit_test(events_are_made_from_the_schema),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
