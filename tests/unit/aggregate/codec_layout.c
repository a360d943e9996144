/* How saved cells look, byte for byte, what is refused in their place, and how much they take. A
 * change of any bytes here is a change of CELLS_FORMAT. */
#include "aggregate/codec.h"

#include "base/hash.h"
#include "feature_bench.h"

static struct feature_bench bench;
static struct buf saved;

static void begin(enum cell_kind kind, uint32_t limit, int field)
{
    feature_bench_init(&bench);
    feature_bench_want(&bench, kind, limit, (struct plan_feature){.field = field});
    bench.panes[0] = calloc(1, bench.paneset.cell_bytes);
    CHECK(bench.panes[0]);
}

static void end(void)
{
    pane_cells_done(&bench.paneset, bench.panes[0], &bench.cells_bench.memory);
    free(bench.panes[0]);
    cell_bench_done(&bench.cells_bench);
}

static void add(struct event event, struct field_value value)
{
    struct field_value fields[BENCH_FIELDS];

    for (int field = 0; field < BENCH_FIELDS; field++)
        fields[field] = value;
    feature_bench_add(&bench, &event, fields, 0);
}

static void save(void)
{
    buf_reset(&saved);
    cells_save(&bench.paneset, bench_fields, bench.panes[0], &bench.cells_bench.intern, &saved);
}

static int load(struct slice from)
{
    return cells_load(&bench.paneset, bench_fields, &from, bench.panes[0],
                      &bench.cells_bench.memory);
}

static void bytes_of_hex(const char *hex, struct buf *out)
{
    unsigned byte;
    int len;

    buf_reset(out);
    for (; sscanf(hex, " %2x%n", &byte, &len) == 1; hex += len)
        buf_append_char(out, (char)byte);
    CHECK(hex[strspn(hex, " ")] == '\0');
}

static void check_bytes(const char *hex)
{
    struct buf wanted = {0};

    bytes_of_hex(hex, &wanted);
    if (!slice_equal(buf_slice(&saved), buf_slice(&wanted))) {
        for (size_t i = 0; i < saved.len; i++)
            fprintf(stderr, "%02x ", (unsigned char)saved.data[i]);
        fail_msg("not %s", hex);
    }
    buf_free(&wanted);
}

#define TEXT(text)    .s = (text), .len = sizeof(text) - 1, .present = true
#define INT(value)    .i = (value), .present = true
#define DOUBLE(value) .d = (value), .present = true

/* Events a second apart, from time 1000 and offset 100 on, of partition 7. */
static const struct {
    enum cell_kind kind;
    uint32_t limit;
    int field;
    size_t count;
    struct field_value values[4];
    const char *hex;
} layouts[] = {
    {CELL_COUNT, 0, PLAN_NONE, 0, {{.i = 0}}, "00"},
    {CELL_COUNT, 0, PLAN_NONE, 3, {{.i = 0}}, "01 03"},
    {CELL_SUM_INT, 0, I, 2, {{INT(5)}, {INT(-8)}}, "01 05"},
    {CELL_SUM_INT, 0, I, 2, {{INT(5)}, {INT(-5)}}, "00"},
    {CELL_SUM_INT, 0, I, 2, {{INT(INT64_MAX)}, {INT(INT64_MAX)}}, "0a fcffffffffffffffff03"},
    {CELL_SUM_DOUBLE, 0, D, 2, {{DOUBLE(1)}, {DOUBLE(0.5)}}, "08 000000000000f83f"},
    {CELL_MEAN_INT, 0, M, 2, {{INT(10)}, {INT(20)}}, "02 02 3c"},
    {CELL_MEAN_DOUBLE, 0, D, 2, {{DOUBLE(1)}, {DOUBLE(-1)}}, "09 02 0000000000000000"},
    {CELL_MIN_INT, 0, I, 2, {{INT(-1)}, {INT(1)}}, "01 01"},
    {CELL_MAX_INT, 0, T, 2, {{INT(0)}, {INT(300)}}, "02 d804"},
    {CELL_MIN_DOUBLE, 0, D, 1, {{DOUBLE(0)}}, "08 0000000000000000"},
    {CELL_MAX_DOUBLE, 0, D, 2, {{DOUBLE(2.5)}, {DOUBLE(1)}}, "08 0000000000000440"},
    {CELL_MOMENTS, 0, D, 1, {{DOUBLE(4)}}, "09 01 0000000000001040"},
    {CELL_MOMENTS, 0, I, 2, {{INT(4)}, {INT(6)}}, "11 02 0000000000001440 0000000000000040"},
    {CELL_DISTINCT, 0, S, 1, {{TEXT("shoes")}}, "09 01 0973bf2c579dd46a"},
    {CELL_DISTINCT, 0, I, 2, {{INT(1)}, {INT(2)}}, "11 02 c15c0289ec2d0a91 cf56971cde355897"},
    {CELL_HISTOGRAM, 9, S, 3, {{TEXT("b")}, {TEXT("a")}, {TEXT("b")}}, "07 00 01 61 01 01 62 02"},
    {CELL_HISTOGRAM, 1, M, 3, {{INT(5)}, {INT(-5)}, {INT(5)}}, "07 01 04 302e3035 02"},
    {CELL_TOP, 0, B, 3, {{INT(1)}, {INT(0)}, {INT(1)}}, "0e 00 05 66616c7365 01 04 74727565 02"},
    {CELL_TOP, 0, D, 1, {{DOUBLE(0.5)}}, "06 00 03 302e35 01"},
    {CELL_FIRST, 1, S, 2, {{TEXT("x")}, {TEXT("y")}}, "08 01 d10f 07 c801 01 78"},
    {CELL_LAST, 2, I, 3, {{INT(1)}, {INT(2)}, {INT(3)}}, "0b 02 a11f 07 ca01 04 d00f 02 06"},
    {CELL_LAST, 1, D, 1, {{DOUBLE(1)}}, "0e 01 d10f 07 c801 000000000000f03f"},
    {CELL_LAST, 9, B, 1, {{INT(1)}}, "07 01 d10f 07 c801 01"},
    {CELL_LAST, 2, PLAN_NONE, 2, {{.i = 0}}, "09 02 d10f 07 c801 d00f 02"},
    {CELL_QUANTILE, 0, D, 1, {{DOUBLE(100)}}, "0f 01 00 0000000000005940 00 01 ce03 01"},
    {CELL_QUANTILE,
     0,
     I,
     4,
     {{INT(0)}, {INT(-1)}, {INT(1)}, {INT(1)}},
     "18 04 01 000000000000f0bf 000000000000f03f 01 00 01 01 00 02"},
};

static void layouts_stay_as_they_are(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(layouts); i++) {
        begin(layouts[i].kind, layouts[i].limit, layouts[i].field);
        for (size_t j = 0; j < layouts[i].count; j++)
            add((struct event){.time_ms = 1000 + 1000 * (int64_t)j,
                               .offset = 100 + (int64_t)j,
                               .partition = 7},
                layouts[i].values[j]);
        save();
        check_bytes(layouts[i].hex);
        end();
    }
    buf_free(&saved);
}

static void sketches_stay_as_they_are(void **state)
{
    static const struct {
        int64_t values;
        size_t bytes;
        uint64_t hash;
    } sketches[] = {{65, 124, UINT64_C(0x2ada5078fde4ab1f)},
                    {1000, 1438, UINT64_C(0x5253727bb04c89cc)},
                    {1300, 3077, UINT64_C(0xcec6395808614b59)},
                    {100000, 3077, UINT64_C(0x3be4996ac3b20168)}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(sketches); i++) {
        begin(CELL_DISTINCT, 0, I);
        for (int64_t j = 0; j < sketches[i].values; j++)
            add((struct event){0}, (struct field_value){.i = j, .present = true});
        save();

        assert_int_equal(saved.len, sketches[i].bytes);
        assert_int_equal(hash64(buf_slice(&saved)), sketches[i].hash);
        end();
    }
    buf_free(&saved);
}

/* Each would be right but for one thing. */
static void what_is_not_written_so_is_refused(void **state)
{
    static const struct {
        enum cell_kind kind;
        uint32_t limit;
        int field;
        const char *hex;
        const char *wrong;
    } cases[] = {
        {CELL_COUNT, 0, PLAN_NONE, "01 00", "an empty one has no body"},
        {CELL_COUNT, 0, PLAN_NONE, "02 03 00", "more than it"},
        {CELL_COUNT, 0, PLAN_NONE, "07 80808080808040", "too many events"},
        {CELL_SUM_INT, 0, I, "01 00", "an empty one has no body"},
        {CELL_SUM_INT, 0, I, "10 fefffffffffffffffffffffffffffff7", "unfinished"},
        {CELL_SUM_INT, 0, I, "11 8080808080808080808080808080808001", "too large"},
        {CELL_SUM_DOUBLE, 0, D, "08 0000000000000000", "an empty one has no body"},
        {CELL_SUM_DOUBLE, 0, D, "08 000000000000f07f", "infinite"},
        {CELL_MEAN_INT, 0, I, "0b 01 8080808080808080 8002", "a larger sum than of one"},
        {CELL_MEAN_INT, 0, I, "02 00 02", "a sum of none"},
        {CELL_MEAN_DOUBLE, 0, D, "09 00 000000000000f03f", "a sum of none"},
        {CELL_MEAN_DOUBLE, 0, D, "09 01 010000000000f87f", "not a number"},
        {CELL_MIN_INT, 0, I, "02 8100", "a longer spelling"},
        {CELL_MAX_DOUBLE, 0, D, "07 000000000000f0", "too short"},
        {CELL_MOMENTS, 0, D, "09 02 0000000000001040", "without squares"},
        {CELL_MOMENTS, 0, D, "11 01 0000000000001040 0000000000000000", "squares of one"},
        {CELL_MOMENTS, 0, D, "11 02 0000000000001040 000000000000f0bf", "less than 0"},
        {CELL_DISTINCT, 0, S, "01 00", "no hashes"},
        {CELL_DISTINCT, 0, S, "09 01 0200000000000000", "no hash that is kept"},
        {CELL_DISTINCT, 0, S, "11 02 0100000000000000 0100000000000000", "twice"},
        {CELL_DISTINCT, 0, S, "11 02 0300000000000000 0100000000000000", "not ascending"},
        {CELL_DISTINCT, 0, S, "09 02 0100000000000000", "too short"},
        {CELL_DISTINCT, 0, S, "02 41 00", "an empty sketch"},
        {CELL_DISTINCT, 0, S, "03 41 01 00", "a register in use without rank"},
        {CELL_DISTINCT, 0, S, "03 41 01 36", "a rank beyond the last"},
        {CELL_DISTINCT, 0, S, "05 41 01 818010", "a register beyond the last"},
        {CELL_DISTINCT, 0, S, "06 41 02 c1ff0f 01", "one beyond the last register"},
        {CELL_DISTINCT, 0, S, "03 41 8108", "no registers"},
        {CELL_DISTINCT, 0, S, "01 42", "no form"},
        {CELL_HISTOGRAM, 9, S, "01 00", "nothing in it"},
        {CELL_HISTOGRAM, 9, S, "04 00 01 61 00", "a count of none"},
        {CELL_HISTOGRAM, 9, S, "09 00 01 61 808080808002", "a count beyond the last"},
        {CELL_HISTOGRAM, 9, S, "07 00 01 62 01 01 61 01", "not ascending"},
        {CELL_HISTOGRAM, 9, S, "07 00 01 61 01 01 61 01", "twice"},
        {CELL_HISTOGRAM, 1, S, "07 00 01 61 01 01 62 01", "too many"},
        {CELL_HISTOGRAM, 9, S, "04 00 01 ff 01", "no UTF-8"},
        {CELL_HISTOGRAM, 9, S, "04 00 02 61 01", "a text that goes on"},
        {CELL_HISTOGRAM, 9, S, "03 00 01 61", "without a count"},
        {CELL_HISTOGRAM, 9, I, "05 00 02 3031 01", "01 is no number"},
        {CELL_HISTOGRAM, 9, I, "05 00 02 2d30 01", "-0 neither"},
        {CELL_HISTOGRAM, 9, I, "03 00 00 01", "nor is nothing"},
        {CELL_HISTOGRAM, 9, M, "04 00 01 31 01", "two digits are missing"},
        {CELL_TOP, 0, B, "03 00 00 01", "neither true nor false"},
        {CELL_TOP, 0, B, "04 00 01 74 01", "true, unfinished"},
        {CELL_TOP, 0, D, "06 00 03 312e30 01", "1.0 is 1"},
        {CELL_TOP, 0, D, "06 00 03 6e616e 01", "nan"},
        {CELL_TOP, 0, D, "08 00 05 3165393939 01", "1e999"},
        {CELL_TOP, 0, S, "04 01 01 61 01", "a rest"},
        {CELL_FIRST, 1, S, "01 00", "no items"},
        {CELL_FIRST, 1, S, "05 01 00 00 01 ff", "no UTF-8"},
        {CELL_FIRST, 1, S, "09 02 00 00 01 78 00 00 01 78", "too many"},
        {CELL_FIRST, 9, S, "05 02 00 00 01 78", "too few"},
        {CELL_LAST, 9, B, "04 01 00 00 02", "neither true nor false"},
        {CELL_LAST, 9, I, "05 01 01 00 00 00", "another partition that is the same"},
        {CELL_LAST, 9, I, "09 01 01 8080808008 00 00", "a partition beyond the last"},
        {CELL_LAST, 9, I, "0a 01 80f0fea1fa9d73 00 00", "a time beyond the last"},
        {CELL_LAST, 9, I, "04 01 00 01 00", "a negative offset"},
        {CELL_LAST, 9, I, "07 02 00 04 00 00 01 00", "not in their order"},
        {CELL_LAST, 9, I, "09 02 03 05 00 00 01 03 00 00", "not in their order"},
        {CELL_LAST, 9, D, "0b 01 00 00 000000000000f07f", "infinite"},
        {CELL_QUANTILE, 0, D, "0d 00 00 0000000000000000 00 00 00", "of none"},
        {CELL_QUANTILE, 0, D, "0f 02 00 0000000000005940 00 01 ce03 02", "without max"},
        {CELL_QUANTILE, 0, D, "0f 01 00 0000000000005940 00 01 ce03 02", "another count"},
        {CELL_QUANTILE, 0, D, "0c 01 00 0000000000005940 00 00", "none that is positive"},
        {CELL_QUANTILE, 0, D, "0f 01 00 00000000000059c0 00 01 ce03 01", "on the wrong side"},
        {CELL_QUANTILE, 0, D, "10 01 00 0000000000005940 00 01 84d504 01", "no such bucket"},
        {CELL_QUANTILE, 0, D, "0f 01 00 0000000000005940 00 01 ce03 00", "an empty bucket"},
        {CELL_QUANTILE, 0, D, "0e 01 00 0000000000005940 00 01 ce03", "without count"},
        {CELL_QUANTILE, 0, D, "0c 01 02 0000000000000000 00 00", "more zeroes than numbers"},
        {CELL_QUANTILE, 0, D, "17 02 00 0000000000005940 0000000000004940 00 01 ce03 02",
         "min above max"},
    };
    struct buf bytes = {0};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        begin(cases[i].kind, cases[i].limit, cases[i].field);
        bytes_of_hex(cases[i].hex, &bytes);
        if ((size_t)bytes.data[0] != bytes.len - 1)
            fail_msg("%s says another length", cases[i].hex);
        if (load(buf_slice(&bytes)) != -EBADMSG)
            fail_msg("%s is read: %s", cases[i].hex, cases[i].wrong);
        assert_int_equal(bench.cells_bench.memory.bytes, 0);
        end();
    }
    buf_free(&bytes);
}

/* What cells do with a string that finds no number, they do when they are loaded. */
static void strings_without_a_number_are_left_out(void **state)
{
    static const struct {
        enum cell_kind kind;
        const char *hex;
        const char *left;
    } cases[] = {
        {CELL_HISTOGRAM, "07 01 01 61 01 01 62 02", "01 04"},
        {CELL_TOP, "07 00 01 61 01 01 62 02", "00"},
        {CELL_LAST, "05 01 00 02 01 78", "00"},
    };
    struct buf bytes = {0};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        begin(cases[i].kind, 9, S);
        bench.cells_bench.intern.entry_count = UINT32_C(1) << INTERN_NUMBER_BITS;
        bytes_of_hex(cases[i].hex, &bytes);
        assert_int_equal(load(buf_slice(&bytes)), 0);
        save();
        check_bytes(cases[i].left);
        end();
    }
    buf_free(&bytes);
    buf_free(&saved);
}

/* One event is the rule in a pane of a minute. */
static void cells_take_few_bytes(void **state)
{
    static const struct {
        enum cell_kind kind;
        uint32_t limit;
        int field;
        size_t events;
        size_t bytes;
    } cases[] = {
        {CELL_COUNT, 0, PLAN_NONE, 1, 2},   {CELL_SUM_INT, 0, M, 1, 3},
        {CELL_MEAN_INT, 0, M, 1, 4},        {CELL_DISTINCT, 0, S, 1, 10},
        {CELL_DISTINCT, 0, S, 64, 515},     {CELL_HISTOGRAM, 64, S, 1, 11},
        {CELL_HISTOGRAM, 64, S, 1000, 579}, {CELL_TOP, 0, S, 1, 11},
        {CELL_LAST, 1, S, 1, 21},           {CELL_LAST, 2, PLAN_NONE, 2, 17},
        {CELL_LAST, 100, S, 100, 1210},     {CELL_QUANTILE, 0, M, 1, 16},
        {CELL_QUANTILE, 0, M, 100, 147},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        begin(cases[i].kind, cases[i].limit, cases[i].field);
        for (size_t j = 0; j < cases[i].events; j++) {
            struct event event = {.time_ms = INT64_C(1767225600000) + (int64_t)j * 1500,
                                  .offset = 123456789 + (int64_t)j * 800,
                                  .partition = 11};
            char text[16];
            int len = sprintf(text, "page_%02zu", j % 64);

            if (cases[i].field == S)
                add(event, (struct field_value){.s = text, .len = (uint32_t)len, .present = true});
            else
                add(event, (struct field_value){.i = (int64_t)(1999 + j * 50), .present = true});
        }
        save();
        if (saved.len != cases[i].bytes)
            fail_msg("case %zu takes %zu bytes", i, saved.len);
        end();
    }
    buf_free(&saved);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layouts_stay_as_they_are),
        cmocka_unit_test(sketches_stay_as_they_are),
        cmocka_unit_test(what_is_not_written_so_is_refused),
        cmocka_unit_test(strings_without_a_number_are_left_out),
        cmocka_unit_test(cells_take_few_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
