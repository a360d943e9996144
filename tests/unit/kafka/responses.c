/* Responses: bytes by hand, and random ones from an encoder of the test's own, in all versions; cut
 * off anywhere or with a byte more, they are refused; with any byte changed, nothing is read
 * outside. */
#include "kafka/api_versions.h"
#include "kafka/fetch.h"
#include "kafka/list_offsets.h"

#include "kafka_bytes.h"

#define TOPICS_MAX     4
#define PARTITIONS_MAX 5
#define ABORTED_MAX    6

static struct buf out;

/* Of what `out` holds; in memory of its own, so that it is seen what is read behind the end. */
static struct slice body_copy;

static struct wire_reader body_of(struct slice bytes, bool flexible)
{
    exact_free(body_copy);
    body_copy = exact(bytes);
    return wire_reader(body_copy, flexible);
}

static int read_api_versions(const char *text, int16_t version, struct api_versions *ret)
{
    buf_reset(&out);
    put_hex(&out, text);
    return api_versions_read(body_of(buf_slice(&out), version >= 3), version, ret);
}

static void api_versions_by_hand(void **state)
{
    struct api_versions got;

    (void)state;
    assert_int_equal(read_api_versions("00 00 00 00 00 03  00 01 00 00 00 0b  00 12 00 00 00 02"
                                       "00 63 00 01 00 07",
                                       0, &got),
                     0);
    assert_int_equal(got.error, 0);
    assert_int_equal(got.broker[KAFKA_API_FETCH].first, 0);
    assert_int_equal(got.broker[KAFKA_API_FETCH].last, 11);
    assert_int_equal(got.broker[KAFKA_API_API_VERSIONS].last, 2);
    assert_true(got.broker[KAFKA_API_LIST_OFFSETS].last < got.broker[KAFKA_API_LIST_OFFSETS].first);

    assert_int_equal(
        read_api_versions("00 00 00 00 00 01  00 02 00 01 00 07  00 00 00 09", 2, &got), 0);
    assert_int_equal(got.throttle_ms, 9);
    assert_int_equal(got.broker[KAFKA_API_LIST_OFFSETS].first, 1);

    /* Compact, with tagged fields behind an entry and at the end. */
    assert_int_equal(
        read_api_versions("00 00  03  00 01 00 04 00 11 00  00 12 00 00 00 04 01 07 01 ff"
                          "00 00 00 05  01 00 03 01 02 03",
                          3, &got),
        0);
    assert_int_equal(got.throttle_ms, 5);
    assert_int_equal(got.broker[KAFKA_API_FETCH].first, 4);
    assert_int_equal(got.broker[KAFKA_API_FETCH].last, 17);
    assert_int_equal(got.broker[KAFKA_API_API_VERSIONS].last, 4);
}

/* KIP-511: in version 0, whatever was asked. */
static void a_broker_that_does_not_know_the_version_says_so(void **state)
{
    struct api_versions got;

    (void)state;
    assert_int_equal(read_api_versions("00 23 00 00 00 01  00 12 00 00 00 02", 3, &got), 0);
    assert_int_equal(got.error, KAFKA_ERROR_UNSUPPORTED_VERSION);
    assert_int_equal(got.broker[KAFKA_API_API_VERSIONS].last, 2);
    assert_int_equal(read_api_versions("00 23 00 00 00 00", 3, &got), 0);
    assert_true(got.broker[KAFKA_API_API_VERSIONS].last < 0);
}

static void wrong_api_versions_are_refused(void **state)
{
    static const struct {
        int16_t version;
        const char *text;
    } wrong[] = {
        {0, "00"},
        {0, "00 00"},
        {0, "00 00 00 00 00 02  00 01 00 00 00 0b"},      /* fewer than said */
        {0, "00 00 00 00 00 00 00"},                      /* more than said */
        {0, "00 00 7f ff ff ff  00 01 00 00 00 0b"},      /* far fewer */
        {0, "00 00 ff ff ff fe"},                         /* a negative number */
        {1, "00 00 00 00 00 00 00 00 00"},                /* half a throttle time */
        {3, "00 00 02 00 01 00 04 00 11 00 00 00 00 05"}, /* no tagged fields */
        {3, "00 00 02 00 01 00 04 00 11 00 00 00 00 05 01 00 02 ff"},
        {3, "00 00 ff ff ff ff 7f"},                /* no number of 32 bits */
        {3, "00 00 01 00 00 00 05 80 80 80 80 10"}, /* 2^32 tagged fields */
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        struct api_versions got = {.error = 77};

        assert_int_equal(read_api_versions(wrong[i].text, wrong[i].version, &got), -EBADMSG);
        assert_int_equal(got.error, 77);
    }
}

/* A response as the test means it. */
struct meant {
    int16_t version;
    int32_t throttle_ms;
    int16_t error;
    int32_t session_id;
    uint32_t count;
    struct meant_partition {
        struct fetch_answer answer; /* without `aborted` */
        int64_t aborted[ABORTED_MAX][2];
        uint32_t aborted_count;
        bool aborted_null;
    } partitions[TOPICS_MAX * PARTITIONS_MAX];
};

static const char names[] = "a.topic.with.quite.a.long.name";

static void mean_partition(struct meant *meant, struct slice topic)
{
    struct meant_partition *partition = &meant->partitions[meant->count++];
    bool led = meant->version >= 12 && random_chance(30);
    bool diverging = meant->version >= 12 && random_chance(30);

    partition->answer = (struct fetch_answer){
        .topic = topic,
        .partition = (int32_t)random_int64(),
        .error = (int16_t)random_int64(),
        .high_watermark = random_int64(),
        .last_stable_offset = random_int64(),
        .log_start_offset = meant->version >= 5 ? random_int64() : -1,
        .leader_id = led ? (int32_t)random_int64() : -1,
        .leader_epoch = led ? (int32_t)random_int64() : -1,
        .diverging_epoch = diverging ? (int32_t)random_int64() : -1,
        .diverging_offset = diverging ? random_int64() : -1,
        .nearer_replica = meant->version >= 11 ? (int32_t)random_int64() : -1,
        .records = random_chance(20) ? SLICE_NONE : (struct slice){names, random_below(20)},
    };
    partition->aborted_null = random_chance(30);
    partition->aborted_count = partition->aborted_null ? 0 : (uint32_t)random_below(ABORTED_MAX);
    for (uint32_t i = 0; i < partition->aborted_count; i++) {
        partition->aborted[i][0] = random_int64();
        partition->aborted[i][1] = random_int64();
    }
}

static void encode_partition_tags(const struct fetch_answer *answer)
{
    bool led = answer->leader_id != -1 || answer->leader_epoch != -1;
    bool diverging = answer->diverging_epoch != -1 || answer->diverging_offset != -1;

    encode_uvarint(&out, 1u + led + diverging);
    if (diverging) {
        encode_uvarint(&out, 0);
        encode_uvarint(&out, 13);
        encode_int(&out, 4, answer->diverging_epoch);
        encode_int(&out, 8, answer->diverging_offset);
        encode_uvarint(&out, 0);
    }
    if (led) {
        encode_uvarint(&out, 1);
        encode_uvarint(&out, 9);
        encode_int(&out, 4, answer->leader_id);
        encode_int(&out, 4, answer->leader_epoch);
        encode_uvarint(&out, 0);
    }
    encode_uvarint(&out, 2); /* a snapshot's id, which is for brokers */
    encode_uvarint(&out, 3);
    encode_int(&out, 3, 0);
}

static void encode_partition(const struct meant_partition *partition, int16_t version)
{
    const struct fetch_answer *answer = &partition->answer;
    bool compact = version >= 12;

    encode_int(&out, 4, answer->partition);
    encode_int(&out, 2, answer->error);
    encode_int(&out, 8, answer->high_watermark);
    encode_int(&out, 8, answer->last_stable_offset);
    if (version >= 5)
        encode_int(&out, 8, answer->log_start_offset);
    encode_count(&out, partition->aborted_null ? -1 : (int64_t)partition->aborted_count, compact);
    for (uint32_t i = 0; i < partition->aborted_count; i++) {
        encode_int(&out, 8, partition->aborted[i][0]);
        encode_int(&out, 8, partition->aborted[i][1]);
        encode_strange_tags(&out, compact);
    }
    if (version >= 11)
        encode_int(&out, 4, answer->nearer_replica);
    encode_count(&out, answer->records.data ? (int64_t)answer->records.len : -1, compact);
    buf_append_slice(&out, answer->records);
    if (compact)
        encode_partition_tags(answer);
}

static void encode_fetch(struct meant *meant)
{
    bool compact = meant->version >= 12;
    uint64_t topics = random_below(TOPICS_MAX + 1);

    meant->count = 0;
    buf_reset(&out);
    encode_int(&out, 4, meant->throttle_ms);
    if (meant->version >= 7) {
        encode_int(&out, 2, meant->error);
        encode_int(&out, 4, meant->session_id);
    }
    encode_count(&out, (int64_t)topics, compact);
    for (uint64_t i = 0; i < topics; i++) {
        struct slice topic = {names, random_below(sizeof(names))};
        uint64_t partitions = random_below(PARTITIONS_MAX + 1);

        encode_string(&out, topic, compact);
        encode_count(&out, (int64_t)partitions, compact);
        for (uint64_t j = 0; j < partitions; j++) {
            mean_partition(meant, topic);
            encode_partition(&meant->partitions[meant->count - 1], meant->version);
        }
        encode_strange_tags(&out, compact);
    }
    encode_strange_tags(&out, compact);
}

static void mean_fetch(struct meant *meant, int16_t version)
{
    *meant = (struct meant){.version = version, .throttle_ms = (int32_t)random_int64()};
    if (version >= 7) {
        meant->error = (int16_t)random_int64();
        meant->session_id = (int32_t)random_int64();
    }
    encode_fetch(meant);
}

static void ensure_partition(const struct fetch_answer *got, const struct meant_partition *wanted)
{
    struct aborted_transactions aborted = got->aborted;

    ENSURE_TEXT(got->topic, wanted->answer.topic);
    ENSURE_INT(got->partition, wanted->answer.partition);
    ENSURE_INT(got->error, wanted->answer.error);
    ENSURE_INT(got->high_watermark, wanted->answer.high_watermark);
    ENSURE_INT(got->last_stable_offset, wanted->answer.last_stable_offset);
    ENSURE_INT(got->log_start_offset, wanted->answer.log_start_offset);
    ENSURE_INT(got->leader_id, wanted->answer.leader_id);
    ENSURE_INT(got->leader_epoch, wanted->answer.leader_epoch);
    ENSURE_INT(got->diverging_epoch, wanted->answer.diverging_epoch);
    ENSURE_INT(got->diverging_offset, wanted->answer.diverging_offset);
    ENSURE_INT(got->nearer_replica, wanted->answer.nearer_replica);
    ENSURE(!got->records.data == !wanted->answer.records.data);
    ENSURE_TEXT(got->records, wanted->answer.records);
    ENSURE_INT(aborted.count, wanted->aborted_count);
    for (uint32_t i = 0; i < aborted.count; i++) {
        ENSURE_INT(wire_int64(&aborted.entries), wanted->aborted[i][0]);
        ENSURE_INT(wire_int64(&aborted.entries), wanted->aborted[i][1]);
        wire_skip_tags(&aborted.entries);
    }
}

static void fetches_of_every_version_are_read(void **state)
{
    static struct meant meant;

    (void)state;
    for (FIRST_SEED; MORE_SEEDS(4000); NEXT_SEED) {
        struct fetch_response response;
        struct fetch_answer answer;

        mean_fetch(&meant, (int16_t)random_between(4, 12));
        ENSURE(fetch_response(body_of(buf_slice(&out), meant.version >= 12), meant.version,
                              &response) == 0);
        ENSURE_INT(response.throttle_ms, meant.throttle_ms);
        ENSURE_INT(response.error, meant.error);
        ENSURE_INT(response.session_id, meant.session_id);
        for (uint32_t i = 0; i < meant.count; i++) {
            ENSURE(fetch_response_next(&response, &answer));
            ensure_partition(&answer, &meant.partitions[i]);
        }
        ENSURE(!fetch_response_next(&response, &answer));
        ENSURE(!fetch_response_next(&response, &answer));
    }
}

static void fetches_that_are_cut_off_are_refused(void **state)
{
    static struct meant meant;

    (void)state;
    for (FIRST_SEED; MORE_SEEDS(150); NEXT_SEED) {
        struct fetch_response response;

        mean_fetch(&meant, (int16_t)random_between(4, 12));
        for (size_t len = 0; len < out.len; len++) {
            struct slice cut = {out.data, len};

            response.throttle_ms = 12345;
            ENSURE(fetch_response(body_of(cut, meant.version >= 12), meant.version, &response) ==
                   -EBADMSG);
            ENSURE_INT(response.throttle_ms, 12345);
        }
        buf_append_char(&out, 0);
        ENSURE(fetch_response(body_of(buf_slice(&out), meant.version >= 12), meant.version,
                              &response) == -EBADMSG);
    }
}

static void go_through(struct fetch_response *response)
{
    struct fetch_answer answer;
    struct aborted_list list = {0};

    while (fetch_response_next(response, &answer)) {
        ENSURE(answer.topic.data >= body_copy.data);
        ENSURE(answer.topic.data + answer.topic.len <= body_copy.data + body_copy.len);
        ENSURE(!answer.records.data ||
               answer.records.data + answer.records.len <= body_copy.data + body_copy.len);
        aborted_list_fill(&list, answer.aborted);
    }
    aborted_list_done(&list);
}

static void changed_fetches_do_no_harm(void **state)
{
    static struct meant meant;

    (void)state;
    for (FIRST_SEED; MORE_SEEDS(60); NEXT_SEED) {
        mean_fetch(&meant, (int16_t)random_between(4, 12));
        for (size_t at = 0; at < out.len; at++) {
            char before = out.data[at];
            struct fetch_response response;

            out.data[at] = (char)(before ^ (char)(1 + random_below(255)));
            if (fetch_response(body_of(buf_slice(&out), meant.version >= 12), meant.version,
                               &response) == 0)
                go_through(&response);
            out.data[at] = before;
        }
    }
}

/* The known fields of a partition, too small for what they are to hold. */
static void short_tagged_fields_are_refused(void **state)
{
    static const char *const tags[] = {"01 00 0b 00 00 00 01 00 00 00 00 00 00 00",
                                       "01 01 07 00 00 00 01 00 00 00", "01 00 00"};
    struct fetch_response response;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(tags); i++) {
        buf_reset(&out);
        put_hex(&out, "00 00 00 00  00 00  00 00 00 00  02  02 't' 02  00 00 00 00  00 00"
                      "00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00"
                      "00  ff ff ff ff  00");
        put_hex(&out, tags[i]);
        put_hex(&out, "00 00");
        assert_int_equal(fetch_response(body_of(buf_slice(&out), true), 12, &response), -EBADMSG);
    }
}

static void topics_without_a_name_are_refused(void **state)
{
    struct fetch_response response;
    struct list_offsets_response offsets;

    (void)state;
    buf_reset(&out);
    put_hex(&out, "00 00 00 00  00 00 00 01  ff ff  00 00 00 00");
    assert_int_equal(fetch_response(body_of(buf_slice(&out), false), 4, &response), -EBADMSG);
    assert_int_equal(list_offsets_response(body_of(buf_slice(&out), false), 2, &offsets), -EBADMSG);
    buf_reset(&out);
    put_hex(&out, "00 00 00 00  00 00  00 00 00 00  02  00 01 00  00");
    assert_int_equal(fetch_response(body_of(buf_slice(&out), true), 12, &response), -EBADMSG);
}

struct meant_offsets {
    struct list_offsets_answer answers[TOPICS_MAX * PARTITIONS_MAX];
    uint32_t count;
    int32_t throttle_ms;
};

static void mean_offsets(struct meant_offsets *meant, int16_t version)
{
    uint64_t topics = random_below(TOPICS_MAX + 1);

    *meant = (struct meant_offsets){.throttle_ms = version >= 2 ? (int32_t)random_int64() : 0};
    buf_reset(&out);
    if (version >= 2)
        encode_int(&out, 4, meant->throttle_ms);
    encode_int(&out, 4, (int64_t)topics);
    for (uint64_t i = 0; i < topics; i++) {
        struct slice topic = {names, random_below(sizeof(names))};
        uint64_t partitions = random_below(PARTITIONS_MAX + 1);

        encode_string(&out, topic, false);
        encode_int(&out, 4, (int64_t)partitions);
        for (uint64_t j = 0; j < partitions; j++) {
            struct list_offsets_answer *answer = &meant->answers[meant->count++];

            *answer = (struct list_offsets_answer){
                .topic = topic,
                .partition = (int32_t)random_int64(),
                .error = (int16_t)random_int64(),
                .timestamp_ms = random_int64(),
                .offset = random_int64(),
                .leader_epoch = version >= 4 ? (int32_t)random_int64() : -1,
            };
            encode_int(&out, 4, answer->partition);
            encode_int(&out, 2, answer->error);
            encode_int(&out, 8, answer->timestamp_ms);
            encode_int(&out, 8, answer->offset);
            if (version >= 4)
                encode_int(&out, 4, answer->leader_epoch);
        }
    }
}

static void ensure_offsets(struct list_offsets_response *response,
                           const struct meant_offsets *meant)
{
    struct list_offsets_answer got;

    ENSURE_INT(response->throttle_ms, meant->throttle_ms);
    for (uint32_t i = 0; i < meant->count; i++) {
        const struct list_offsets_answer *wanted = &meant->answers[i];

        ENSURE(list_offsets_response_next(response, &got));
        ENSURE_TEXT(got.topic, wanted->topic);
        ENSURE_INT(got.partition, wanted->partition);
        ENSURE_INT(got.error, wanted->error);
        ENSURE_INT(got.timestamp_ms, wanted->timestamp_ms);
        ENSURE_INT(got.offset, wanted->offset);
        ENSURE_INT(got.leader_epoch, wanted->leader_epoch);
    }
    ENSURE(!list_offsets_response_next(response, &got));
}

static void list_offsets_of_every_version_are_read_or_refused(void **state)
{
    static struct meant_offsets meant;

    (void)state;
    for (FIRST_SEED; MORE_SEEDS(200); NEXT_SEED) {
        struct list_offsets_response response;
        struct list_offsets_answer answer;
        int16_t version = (int16_t)random_between(1, 5);

        mean_offsets(&meant, version);
        ENSURE(list_offsets_response(body_of(buf_slice(&out), false), version, &response) == 0);
        ensure_offsets(&response, &meant);
        for (size_t len = 0; len < out.len; len++) {
            struct slice cut = {out.data, len};

            ENSURE(list_offsets_response(body_of(cut, false), version, &response) == -EBADMSG);
        }
        for (size_t at = 0; at < out.len; at++) {
            char before = out.data[at];

            out.data[at] = (char)(before ^ (char)(1 + random_below(255)));
            if (list_offsets_response(body_of(buf_slice(&out), false), version, &response) == 0)
                while (list_offsets_response_next(&response, &answer))
                    ;
            out.data[at] = before;
        }
        buf_append_char(&out, 0);
        ENSURE(list_offsets_response(body_of(buf_slice(&out), false), version, &response) ==
               -EBADMSG);
    }
}

static int forget(void **state)
{
    (void)state;
    exact_free(body_copy);
    body_copy = SLICE_NONE;
    buf_free(&out);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(api_versions_by_hand),
        cmocka_unit_test(a_broker_that_does_not_know_the_version_says_so),
        cmocka_unit_test(wrong_api_versions_are_refused),
        cmocka_unit_test(fetches_of_every_version_are_read),
        cmocka_unit_test(fetches_that_are_cut_off_are_refused),
        cmocka_unit_test(changed_fetches_do_no_harm),
        cmocka_unit_test(short_tagged_fields_are_refused),
        cmocka_unit_test(topics_without_a_name_are_refused),
        cmocka_unit_test(list_offsets_of_every_version_are_read_or_refused),
    };

    return cmocka_run_group_tests(tests, NULL, forget);
}
