/* Record batches: bytes by hand, and each rule with an example of its own. */
#include "kafka/batches.h"

#include "kafka_bytes.h"

static struct buf out;
static struct slice copy;
static struct decompressor decompressor;
static struct aborted_list aborted;
static struct record taken[64];

static void begin(struct batches *batches, struct batches_options options)
{
    exact_free(copy);
    copy = exact(buf_slice(&out));
    options.decompressor = &decompressor;
    options.bytes_max = options.bytes_max ? options.bytes_max : 1 << 20;
    batches_init(batches, copy, &options);
}

/* What the iterator yields, as "offset@time key=value …", then how it ends. */
static void assert_yields(struct batches_options options, const char *wanted, int rc,
                          int64_t position)
{
    struct batches batches;
    struct buf text = {0};
    int got;

    begin(&batches, options);
    while ((got = batches_next(&batches, taken, ARRAY_LEN(taken))) > 0) {
        for (int i = 0; i < got; i++) {
            struct slice key = taken[i].key.data ? taken[i].key : SLICE_LITERAL("null");
            struct slice value = taken[i].value.data ? taken[i].value : SLICE_LITERAL("null");

            assert_int_equal(taken[i].partition, options.partition);
            buf_printf(&text, "%" PRId64 "@%" PRId64 " %.*s=%.*s, ", taken[i].offset,
                       taken[i].timestamp_ms, SLICE_ARGS(key), SLICE_ARGS(value));
        }
    }
    assert_string_equal(buf_string(&text), wanted);
    assert_int_equal(got, rc);
    assert_int_equal(batches.position, position);
    assert_int_equal(batches_next(&batches, taken, 1), rc); /* for good */
    buf_free(&text);
}

/* As a broker stores it. */
static const char two_records[] =
    "00 00 00 00 00 00 00 2a  00 00 00 45  00 00 00 07  02  cc e2 33 97"
    "00 00  00 00 00 01  00 00 01 9b 76 dc 3c 00  00 00 01 9b 76 dc 3c 05"
    "ff ff ff ff ff ff ff ff  ff ff  ff ff ff ff  00 00 00 02"
    "12  00 00 00  02 'k'  04 'v1'  00"
    "12  00 0a 02  01       06 'abc'  00";

static void a_batch_by_hand(void **state)
{
    struct record_batch batch;
    enum record_problem problem;
    size_t bytes;

    (void)state;
    buf_reset(&out);
    put_hex(&out, two_records);
    assert_yields((struct batches_options){.partition = 9},
                  "42@1767225703424 k=v1, 43@1767225703429 null=abc, ", 0, 44);
    assert_int_equal(record_batch_read(buf_slice(&out), &batch, &bytes, &problem),
                     RECORD_BATCH_WHOLE);
    assert_int_equal(bytes, out.len);
    assert_int_equal(batch.base_offset, 42);
    assert_int_equal(batch.last_offset_delta, 1);
    assert_int_equal(batch.leader_epoch, 7);
    assert_int_equal(batch.base_timestamp_ms, INT64_C(1767225703424));
    assert_int_equal(batch.max_timestamp_ms, INT64_C(1767225703429));
    assert_int_equal(batch.producer_id, -1);
    assert_int_equal(batch.producer_epoch, -1);
    assert_int_equal(batch.base_sequence, -1);
    assert_int_equal(batch.count, 2);
    assert_int_equal(record_batch_codec(&batch), KAFKA_CODEC_NONE);
}

static const struct encoder_record three[] = {
    {10, 1000, SLICE_LITERAL("a"), SLICE_LITERAL("1"), 0},
    {11, 1001, SLICE_LITERAL(""), SLICE_LITERAL(""), 3},
    {14, 999, SLICE_NONE, SLICE_NONE, 1},
};

static struct encoder_batch batch_of_three(void)
{
    return (struct encoder_batch){.base_offset = 10,
                                  .last_offset = 16,
                                  .leader_epoch = 3,
                                  .base_timestamp_ms = 1000,
                                  .max_timestamp_ms = 1001,
                                  .producer_id = -1,
                                  .records = three,
                                  .count = 3};
}

static void put(struct encoder_batch batch)
{
    encode_batch(&out, &batch);
}

/* Three records, the last without key and value, with gaps in and behind them. */
static void records_of_every_codec(void **state)
{
    (void)state;
    for (int codec = 0; codec < ENCODER_CODECS; codec++) {
        struct encoder_batch batch = batch_of_three();

        batch.codec = codec;
        buf_reset(&out);
        put(batch);
        assert_yields((struct batches_options){0}, "10@1000 a=1, 11@1001 =, 14@999 null=null, ", 0,
                      17);
    }
    struct encoder_batch unknown = batch_of_three();

    unknown.codec = 5;
    buf_reset(&out);
    put(unknown);
    assert_yields((struct batches_options){0}, "", -ENOTSUP, 0);
}

static void the_offset_wanted_may_be_anywhere(void **state)
{
    (void)state;
    buf_reset(&out);
    put(batch_of_three());
    assert_yields((struct batches_options){.offset = 10},
                  "10@1000 a=1, 11@1001 =, 14@999 null=null, ", 0, 17);
    assert_yields((struct batches_options){.offset = 11}, "11@1001 =, 14@999 null=null, ", 0, 17);
    assert_yields((struct batches_options){.offset = 12}, "14@999 null=null, ", 0, 17);
    assert_yields((struct batches_options){.offset = 15}, "", 0, 17);
    assert_yields((struct batches_options){.offset = 17}, "", 0, 17);
    assert_yields((struct batches_options){.offset = 100}, "", 0, 100);
}

static void times(void **state)
{
    struct encoder_record record = {.offset = 5, .timestamp_ms = -1};
    struct encoder_batch batch = {
        .base_offset = 5, .last_offset = 5, .producer_id = -1, .records = &record, .count = 1};

    (void)state;
    /* No time: as such, and however else it is negative. */
    batch.base_timestamp_ms = batch.max_timestamp_ms = -1;
    buf_reset(&out);
    put(batch);
    assert_yields((struct batches_options){0}, "5@-1 null=null, ", 0, 6);
    record.timestamp_ms = -1000;
    buf_reset(&out);
    put(batch);
    assert_yields((struct batches_options){0}, "5@-1 null=null, ", 0, 6);
    /* The largest, from the least base. */
    record.timestamp_ms = INT64_MAX;
    batch.base_timestamp_ms = INT64_MIN;
    buf_reset(&out);
    put(batch);
    assert_yields((struct batches_options){0}, "5@9223372036854775807 null=null, ", 0, 6);
    /* The broker's. */
    batch.append_time = true;
    batch.max_timestamp_ms = 777;
    buf_reset(&out);
    put(batch);
    assert_yields((struct batches_options){0}, "5@777 null=null, ", 0, 6);
}

static void empty_batches_and_marks_move_the_position(void **state)
{
    (void)state;
    buf_reset(&out);
    put((struct encoder_batch){.base_offset = 3, .last_offset = 8, .producer_id = -1});
    assert_yields((struct batches_options){0}, "", 0, 9);
    encode_mark(&out, 9, 1, true);
    assert_yields((struct batches_options){0}, "", 0, 10);
    put(batch_of_three());
    encode_mark(&out, 17, 1, false);
    put((struct encoder_batch){.base_offset = 18, .last_offset = 20, .producer_id = -1});
    assert_yields((struct batches_options){0}, "10@1000 a=1, 11@1001 =, 14@999 null=null, ", 0, 21);
    assert_yields((struct batches_options){.aborted = &aborted},
                  "10@1000 a=1, 11@1001 =, 14@999 null=null, ", 0, 21);
    buf_reset(&out);
    assert_yields((struct batches_options){.offset = 4}, "", 0, 4);
}

static void put_transaction(int64_t offset, int64_t producer, const char *value, bool transactional)
{
    struct encoder_record record = {.offset = offset, .value = slice_of(value)};

    put((struct encoder_batch){.base_offset = offset,
                               .last_offset = offset,
                               .transactional = transactional,
                               .producer_id = producer,
                               .records = &record,
                               .count = 1});
}

static void fill_aborted(const char *entries)
{
    struct aborted_transactions transactions;
    struct buf bytes = {0};

    put_hex(&bytes, entries);
    struct wire_reader reader = wire_reader(buf_slice(&bytes), false);

    aborted_transactions_read(&reader, &transactions);
    assert_false(reader.bad);
    aborted_list_fill(&aborted, transactions);
    buf_free(&bytes);
}

static void aborted_transactions_are_passed_over(void **state)
{
    static const char entries[] = "00 00 00 02"
                                  "00 00 00 00 00 00 00 01  00 00 00 00 00 00 00 00"
                                  "00 00 00 00 00 00 00 02  00 00 00 00 00 00 00 06";

    (void)state;
    buf_reset(&out);
    put_transaction(0, 1, "aborted", true);
    put_transaction(1, 2, "committed", true);
    put_transaction(2, 1, "idempotent", false);
    put_transaction(3, 1, "aborted too", true);
    encode_mark(&out, 4, 1, false);
    encode_mark(&out, 5, 2, true);
    put_transaction(6, 2, "aborted as well", true);
    put_transaction(7, 1, "the next one", true);
    encode_mark(&out, 8, 1, true);
    fill_aborted(entries);
    assert_yields((struct batches_options){.aborted = &aborted},
                  "1@0 null=committed, 2@0 null=idempotent, 7@0 null=the next one, ", 0, 9);
    fill_aborted(entries);
    assert_yields((struct batches_options){.aborted = &aborted, .offset = 3},
                  "7@0 null=the next one, ", 0, 9);
    assert_yields(
        (struct batches_options){0},
        "0@0 null=aborted, 1@0 null=committed, 2@0 null=idempotent, 3@0 null=aborted too, "
        "6@0 null=aborted as well, 7@0 null=the next one, ",
        0, 9);
}

/* KIP-98: a producer is let off by an abort marker, by no other, of whatever kind. */
static void only_abort_markers_end_an_aborted_transaction(void **state)
{
    (void)state;
    buf_reset(&out);
    put_transaction(0, 1, "aborted", true);
    encode_mark(&out, 1, 1, true);
    put_transaction(2, 1, "still", true);
    encode_mark(&out, 3, 1, false);
    put_transaction(4, 1, "not any more", true);
    fill_aborted("00 00 00 01 00 00 00 00 00 00 00 01  00 00 00 00 00 00 00 00");
    assert_yields((struct batches_options){.aborted = &aborted}, "4@0 null=not any more, ", 0, 5);
}

/* A marker whose record is none is damage, to a reader that needs it. */
static void markers_are_read_strictly(void **state)
{
    struct encoder_batch batch = {.transactional = true, .control = true, .count = 1};

    (void)state;
    buf_reset(&out);
    encode_batch_around(&out, &batch, SLICE_LITERAL("\x12\0\0\0\6\0\0\0\1\0"));
    assert_yields((struct batches_options){.aborted = &aborted}, "", -EBADMSG, 0);
    assert_yields((struct batches_options){0}, "", 0, 1);
    buf_reset(&out);
    encode_batch_around(&out, &batch, SLICE_LITERAL("\x0c\0\0\0\1\1\0"));
    assert_yields((struct batches_options){.aborted = &aborted}, "", -EBADMSG, 0);
}

/* Of an aborted transaction not even the compressed bytes are looked into. */
static void what_is_passed_over_costs_nothing(void **state)
{
    struct encoder_batch batch = batch_of_three();

    (void)state;
    batch.codec = ENCODER_ZSTD;
    batch.transactional = true;
    batch.producer_id = 1;
    buf_reset(&out);
    encode_batch_around(&out, &batch, SLICE_LITERAL("no zstd"));
    fill_aborted("00 00 00 01 00 00 00 00 00 00 00 01  00 00 00 00 00 00 00 0a");
    assert_yields((struct batches_options){.aborted = &aborted}, "", 0, 17);
    assert_yields((struct batches_options){0}, "", -EBADMSG, 0);
}

static void a_batch_that_is_cut_off_is_for_the_next_fetch(void **state)
{
    struct batches batches;
    size_t one;

    (void)state;
    buf_reset(&out);
    put(batch_of_three());
    one = out.len;
    put_transaction(20, 1, "cut off", false);
    for (size_t len = out.len; len > one; len--) {
        size_t wanted = len == out.len    ? 0
                        : len - one >= 17 ? buf_slice(&out).len - one
                                          : RECORD_BATCH_HEADER_BYTES;
        struct slice whole = buf_slice(&out);

        exact_free(copy);
        copy = exact((struct slice){whole.data, len});
        batches_init(&batches, copy,
                     &(struct batches_options){.decompressor = &decompressor, .bytes_max = 1000});
        assert_int_equal(batches_next(&batches, taken, ARRAY_LEN(taken)), len == out.len ? 4 : 3);
        assert_int_equal(batches_next(&batches, taken, ARRAY_LEN(taken)), 0);
        assert_int_equal(batches.position, len == out.len ? 21 : 17);
        assert_int_equal(batches.cut_off_bytes, wanted);
        assert_int_equal(batches.problem, RECORD_PROBLEM_NONE);
    }
}

static void assert_problem(enum record_problem problem, size_t bytes_max)
{
    struct batches batches;

    begin(&batches, (struct batches_options){.bytes_max = bytes_max});
    while (batches_next(&batches, taken, ARRAY_LEN(taken)) > 0)
        ;
    assert_int_equal(batches.problem, problem);
    assert_int_equal(batches_next(&batches, taken, 1), record_problem_errno(problem));
    assert_true(record_problem_errno(problem) < 0);
    assert_true(strlen(record_problem_text(problem)) > 4);
}

static void poke(size_t at, int bytes, int64_t value)
{
    struct buf poked = {0};

    encode_int(&poked, bytes, value);
    memcpy(out.data + at, poked.data, poked.len);
    buf_free(&poked);
}

/* The batch of three with one field of its header changed, its checksum made right again. */
static void put_poked(size_t at, int bytes, int64_t value)
{
    buf_reset(&out);
    put(batch_of_three());
    poke(at, bytes, value);
    poke(17, 4, encoder_checksum((struct slice){out.data + 21, out.len - 21}));
}

static void what_is_wrong_has_a_name(void **state)
{
    (void)state;
    put_poked(8, 4, 48);
    assert_problem(RECORD_PROBLEM_LENGTH, 0);
    put_poked(8, 4, -1);
    assert_problem(RECORD_PROBLEM_LENGTH, 0);
    put_poked(16, 1, 0);
    assert_problem(RECORD_PROBLEM_MAGIC, 0);
    put_poked(16, 1, 1);
    assert_problem(RECORD_PROBLEM_MAGIC, 0);
    put_poked(16, 1, 3);
    assert_problem(RECORD_PROBLEM_MAGIC, 0);
    put_poked(0, 8, -1);
    assert_problem(RECORD_PROBLEM_OFFSETS, 0);
    put_poked(0, 8, INT64_MAX - 6); /* + 6 + 1 is too much */
    assert_problem(RECORD_PROBLEM_OFFSETS, 0);
    put_poked(23, 4, -1);
    assert_problem(RECORD_PROBLEM_OFFSETS, 0);
    put_poked(23, 4, 3); /* an offset is larger */
    assert_problem(RECORD_PROBLEM_RECORD, 0);
    put_poked(57, 4, -1);
    assert_problem(RECORD_PROBLEM_OFFSETS, 0);
    put_poked(57, 4, 8); /* of 7 offsets */
    assert_problem(RECORD_PROBLEM_OFFSETS, 0);
    put_poked(57, 4, 4); /* of 3 */
    assert_problem(RECORD_PROBLEM_RECORD, 0);
    put_poked(57, 4, 2);
    assert_problem(RECORD_PROBLEM_RECORD, 0);
    put_poked(21, 2, 5);
    assert_problem(RECORD_PROBLEM_CODEC, 0);
    put_poked(21, 2, 2);
    assert_problem(RECORD_PROBLEM_COMPRESSION, 0);

    buf_reset(&out);
    put(batch_of_three());
    out.data[out.len - 1] ^= 1;
    assert_problem(RECORD_PROBLEM_CHECKSUM, 0);

    struct encoder_batch batch = batch_of_three();

    batch.codec = ENCODER_LZ4;
    buf_reset(&out);
    put(batch);
    assert_problem(RECORD_PROBLEM_TOO_LARGE, 10);
}

/* As in the sets of messages before 0.11: offset, size, checksum, magic 1, attributes, … */
static void old_messages_are_another_format(void **state)
{
    (void)state;
    buf_reset(&out);
    put_hex(&out, "00 00 00 00 00 00 00 00  00 00 00 17  12 34 56 78  01  00"
                  "00 00 00 00 00 00 00 00  ff ff ff ff  00 00 00 01 'v'");
    assert_problem(RECORD_PROBLEM_MAGIC, 0);
    assert_yields((struct batches_options){.offset = 7}, "", -ENOTSUP, 7);
}

/* Records by hand, in a batch of two offsets. */
static void assert_record(const char *hex, uint32_t count, bool sound)
{
    struct encoder_batch batch = {
        .last_offset = 1, .producer_id = -1, .records = three, .count = (int)count};
    struct buf records = {0};

    put_hex(&records, hex);
    buf_reset(&out);
    encode_batch_around(&out, &batch, buf_slice(&records));
    buf_free(&records);
    if (!sound) {
        assert_problem(RECORD_PROBLEM_RECORD, 0);
        return;
    }
    struct batches batches;

    begin(&batches, (struct batches_options){0});
    assert_int_equal(batches_next(&batches, taken, ARRAY_LEN(taken)), count);
    assert_int_equal(batches_next(&batches, taken, ARRAY_LEN(taken)), 0);
}

static void records_that_are_malformed(void **state)
{
    (void)state;
    assert_record("0c 00 00 00 01 01 00", 1, true);
    assert_record("0c 00 00 00 01 01 00  0c 00 00 02 01 01 00", 2, true);
    assert_record("0e 00 00 00 01 01 02 00", 1, true); /* headers are not looked into */
    assert_record("1a 00 80 80 80 80 10 80 00 01 01 00", 1, false); /* … but the rest is */

    assert_record("", 1, false);
    assert_record("00", 1, false);
    assert_record("02 00", 1, false);
    assert_record("01 00 00 00 01 01 00", 1, false);    /* a negative length */
    assert_record("0e 00 00 00 01 01 00", 1, false);    /* behind the end */
    assert_record("0c 00 00 00 01 01 00 00", 1, false); /* something behind it */
    assert_record("0a 00 00 00 01 01", 1, false);       /* no count of headers */
    assert_record("0c 00 00 00 01 01 01", 1, false);    /* a negative one */
    assert_record("0e 00 00 00 01 01 00 00", 1, false); /* no headers, and something there */
    assert_record("0c 00 00 01 01 01 00", 1, false);    /* a negative offset */
    assert_record("0c 00 00 04 01 01 00", 1, false);    /* one behind the last */
    assert_record("0c 00 00 00 01 01 00  0c 00 00 00 01 01 00", 2,
                  false); /* one that is there twice */
    assert_record("0c 00 00 02 01 01 00  0c 00 00 00 01 01 00", 2, false); /* and not in order */
    assert_record("0c 00 00 00 03 01 00", 1, false);                       /* a length of -2 */
    assert_record("0c 00 00 00 01 03 00", 1, false);
    assert_record("0e 00 00 00 08 'a' 01 00", 1, false); /* a key longer than its record */
    assert_record("0e 00 00 00 01 08 'a' 00", 1, false);
    assert_record("0e 00 00 00 01 fe ff ff ff 0f", 1, false); /* the longest */
    /* Numbers of too many bytes, or too many bits. */
    assert_record("14 00 ff ff ff ff ff ff ff ff ff 01 00 01 01 00", 1, false);
    assert_record("1e 00 ff ff ff ff ff ff ff ff ff 01 00 01 01 00", 1, true);
    assert_record("1e 00 ff ff ff ff ff ff ff ff ff 02 00 01 01 00", 1, false);
    assert_record("20 00 ff ff ff ff ff ff ff ff ff 81 00 00 01 01 00", 1, false);
    assert_record("14 00 00 80 80 80 80 00 01 01 00", 1, true);
    assert_record("14 00 00 80 80 80 80 10 01 01 00", 1, false);
    assert_record("16 00 00 80 80 80 80 80 00 01 01 00", 1, false);
}

/* What was found before it is handed out, then the position stands at what is wrong. */
static void a_wrong_record_ends_it_behind_the_sound_ones(void **state)
{
    struct encoder_batch batch = {.last_offset = 5, .producer_id = -1, .count = 3};
    struct buf records = {0};

    (void)state;
    buf_reset(&out);
    put_hex(&records,
            "0e 00 00 00 01 02 'a' 00  0e 00 00 02 01 02 'b' 00  0e 00 00 02 01 02 'c' 00");
    encode_batch_around(&out, &batch, buf_slice(&records));
    buf_free(&records);
    assert_yields((struct batches_options){0}, "0@0 null=a, 1@0 null=b, ", -EBADMSG, 2);
}

static void epochs_are_told(void **state)
{
    struct batches batches;

    (void)state;
    buf_reset(&out);
    put(batch_of_three());
    put_transaction(20, 1, "x", false);
    begin(&batches, (struct batches_options){0});
    assert_int_equal(batches.leader_epoch, -1);
    assert_int_equal(batches_next(&batches, taken, 1), 1);
    assert_int_equal(batches.leader_epoch, 3);
    assert_int_equal(batches_next(&batches, taken, 5), 3);
    assert_int_equal(batches.leader_epoch, 0);
}

static int forget(void **state)
{
    (void)state;
    aborted_list_done(&aborted);
    decompressor_done(&decompressor);
    exact_free(copy);
    buf_free(&out);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_by_hand),
        cmocka_unit_test(records_of_every_codec),
        cmocka_unit_test(the_offset_wanted_may_be_anywhere),
        cmocka_unit_test(times),
        cmocka_unit_test(empty_batches_and_marks_move_the_position),
        cmocka_unit_test(aborted_transactions_are_passed_over),
        cmocka_unit_test(only_abort_markers_end_an_aborted_transaction),
        cmocka_unit_test(markers_are_read_strictly),
        cmocka_unit_test(what_is_passed_over_costs_nothing),
        cmocka_unit_test(a_batch_that_is_cut_off_is_for_the_next_fetch),
        cmocka_unit_test(what_is_wrong_has_a_name),
        cmocka_unit_test(old_messages_are_another_format),
        cmocka_unit_test(records_that_are_malformed),
        cmocka_unit_test(a_wrong_record_ends_it_behind_the_sound_ones),
        cmocka_unit_test(epochs_are_told),
    };

    return cmocka_run_group_tests(tests, NULL, forget);
}
