/* Requests, byte by byte as the protocol guide has them, and the frame around responses. */
#include "kafka/api_versions.h"

#include "kafka/fetch.h"
#include "kafka/list_offsets.h"

#include "kafka_bytes.h"

static struct buf out;

static struct kafka_request head_of(enum kafka_api api, int16_t version)
{
    return (struct kafka_request){
        .api = api,
        .version = version,
        .correlation_id = 0x01020304,
        .client_id = SLICE_LITERAL("me"),
    };
}

static void api_versions_requests(void **state)
{
    struct kafka_request head = head_of(KAFKA_API_API_VERSIONS, 0);

    (void)state;
    for (head.version = 0; head.version < 3; head.version++) {
        char text[] = "00 00 00 0c  00 12 00 00  01 02 03 04  00 02 'me'";

        text[23] = (char)('0' + head.version);
        buf_reset(&out);
        api_versions_request(&out, &head, SLICE_LITERAL("freshet"), SLICE_LITERAL("0.1"));
        assert_hex(&out, text);
    }
    buf_reset(&out);
    api_versions_request(&out, &head, SLICE_LITERAL("freshet"), SLICE_LITERAL("0.1"));
    assert_hex(&out, "00 00 00 1a  00 12 00 03  01 02 03 04  00 02 'me' 00"
                     "08 'freshet' 04 '0.1' 00");

    /* Behind what is there; without a client id. */
    head = (struct kafka_request){.api = KAFKA_API_API_VERSIONS, .correlation_id = -1};
    buf_reset(&out);
    buf_append_char(&out, 'x');
    api_versions_request(&out, &head, SLICE_NONE, SLICE_NONE);
    assert_hex(&out, "'x' 00 00 00 0a  00 12 00 00  ff ff ff ff  ff ff");
    buf_free(&out);
}

static void fetch_requests(void **state)
{
    static const struct fetch_partition partitions[] = {
        {.partition = 3, .leader_epoch = 5, .fetched_epoch = 4, .offset = 258, .bytes_max = 512},
        {.partition = 9, .leader_epoch = -1, .fetched_epoch = -1, .offset = 0, .bytes_max = 1},
    };
    static const struct fetch_topic topics[] = {{SLICE_LITERAL("t"), partitions, 2},
                                                {SLICE_LITERAL("uv"), NULL, 0}};
    static const int32_t forgotten[] = {1, 2};
    static const struct fetch_forget forget = {SLICE_LITERAL("w"), forgotten, 2};
    static const struct {
        int16_t version;
        const char *text;
    } wanted[] = {
        {4, "00 00 00 50  00 01 00 04  01 02 03 04  00 02 'me'  ff ff ff ff  00 00 01 f4"
            "00 00 00 07  00 10 00 00  01  00 00 00 02"
            "00 01 't' 00 00 00 02  00 00 00 03  00 00 00 00 00 00 01 02  00 00 02 00"
            "                       00 00 00 09  00 00 00 00 00 00 00 00  00 00 00 01"
            "00 02 'uv' 00 00 00 00"},
        {5, "00 00 00 60  00 01 00 05  01 02 03 04  00 02 'me'  ff ff ff ff  00 00 01 f4"
            "00 00 00 07  00 10 00 00  01  00 00 00 02"
            "00 01 't' 00 00 00 02"
            "00 00 00 03  00 00 00 00 00 00 01 02  ff ff ff ff ff ff ff ff  00 00 02 00"
            "00 00 00 09  00 00 00 00 00 00 00 00  ff ff ff ff ff ff ff ff  00 00 00 01"
            "00 02 'uv' 00 00 00 00"},
        {7, "00 00 00 7b  00 01 00 07  01 02 03 04  00 02 'me'  ff ff ff ff  00 00 01 f4"
            "00 00 00 07  00 10 00 00  01  00 00 00 21  00 00 00 08  00 00 00 02"
            "00 01 't' 00 00 00 02"
            "00 00 00 03  00 00 00 00 00 00 01 02  ff ff ff ff ff ff ff ff  00 00 02 00"
            "00 00 00 09  00 00 00 00 00 00 00 00  ff ff ff ff ff ff ff ff  00 00 00 01"
            "00 02 'uv' 00 00 00 00"
            "00 00 00 01  00 01 'w' 00 00 00 02  00 00 00 01  00 00 00 02"},
        {11, "00 00 00 86  00 01 00 0b  01 02 03 04  00 02 'me'  ff ff ff ff  00 00 01 f4"
             "00 00 00 07  00 10 00 00  01  00 00 00 21  00 00 00 08  00 00 00 02"
             "00 01 't' 00 00 00 02  00 00 00 03  00 00 00 05"
             "00 00 00 00 00 00 01 02  ff ff ff ff ff ff ff ff  00 00 02 00"
             "00 00 00 09  ff ff ff ff"
             "00 00 00 00 00 00 00 00  ff ff ff ff ff ff ff ff  00 00 00 01"
             "00 02 'uv' 00 00 00 00"
             "00 00 00 01  00 01 'w' 00 00 00 02  00 00 00 01  00 00 00 02  00 01 'r'"},
        {12, "00 00 00 82  00 01 00 0c  01 02 03 04  00 02 'me' 00  ff ff ff ff  00 00 01 f4"
             "00 00 00 07  00 10 00 00  01  00 00 00 21  00 00 00 08  03"
             "02 't' 03  00 00 00 03  00 00 00 05  00 00 00 00 00 00 01 02  00 00 00 04"
             "ff ff ff ff ff ff ff ff  00 00 02 00 00"
             "00 00 00 09  ff ff ff ff  00 00 00 00 00 00 00 00  ff ff ff ff"
             "ff ff ff ff ff ff ff ff  00 00 00 01 00  00"
             "03 'uv' 01 00"
             "02  02 'w' 03  00 00 00 01  00 00 00 02  00  02 'r' 00"},
    };
    struct fetch_request request = {
        .wait_ms_max = 500,
        .bytes_min = 7,
        .bytes_max = 1 << 20,
        .isolation = KAFKA_READ_COMMITTED,
        .session_id = 33,
        .session_epoch = 8,
        .topics = topics,
        .topic_count = 2,
        .forget = &forget,
        .forget_count = 1,
        .rack = SLICE_LITERAL("r"),
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
        struct kafka_request head = head_of(KAFKA_API_FETCH, wanted[i].version);

        buf_reset(&out);
        fetch_request(&out, &head, &request);
        assert_hex(&out, wanted[i].text);
    }
    buf_free(&out);
}

/* Between the versions above nothing changes but where the guide says so. */
static void fetch_requests_of_the_versions_between(void **state)
{
    static const struct {
        int16_t version;
        size_t longer_by; /* than the one before */
    } steps[] = {{5, 8}, {6, 0}, {7, 12}, {8, 0}, {9, 4}, {10, 0}, {11, 2}};
    static const struct fetch_partition partition = {.offset = 1};
    static const struct fetch_topic topic = {SLICE_LITERAL("t"), &partition, 1};
    struct fetch_request request = {.topics = &topic, .topic_count = 1};
    struct kafka_request head = head_of(KAFKA_API_FETCH, 4);
    size_t len;

    (void)state;
    fetch_request(&out, &head, &request);
    len = out.len;
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        buf_reset(&out);
        head.version = steps[i].version;
        fetch_request(&out, &head, &request);
        assert_int_equal(out.len, len + steps[i].longer_by);
        len = out.len;
    }
    buf_free(&out);
}

static void list_offsets_requests(void **state)
{
    static const struct list_offsets_partition partitions[] = {
        {.partition = 3, .leader_epoch = 5, .timestamp_ms = LIST_OFFSETS_EARLIEST},
        {.partition = 4, .leader_epoch = -1, .timestamp_ms = 515},
    };
    static const struct list_offsets_topic topics[] = {{SLICE_LITERAL("t"), partitions, 2}};
    static const struct {
        int16_t version;
        const char *text;
    } wanted[] = {
        {1, "00 00 00 33  00 02 00 01  01 02 03 04  00 02 'me'  ff ff ff ff  00 00 00 01"
            "00 01 't' 00 00 00 02  00 00 00 03  ff ff ff ff ff ff ff fe"
            "00 00 00 04  00 00 00 00 00 00 02 03"},
        {2, "00 00 00 34  00 02 00 02  01 02 03 04  00 02 'me'  ff ff ff ff  01  00 00 00 01"
            "00 01 't' 00 00 00 02  00 00 00 03  ff ff ff ff ff ff ff fe"
            "00 00 00 04  00 00 00 00 00 00 02 03"},
        {3, "00 00 00 34  00 02 00 03  01 02 03 04  00 02 'me'  ff ff ff ff  01  00 00 00 01"
            "00 01 't' 00 00 00 02  00 00 00 03  ff ff ff ff ff ff ff fe"
            "00 00 00 04  00 00 00 00 00 00 02 03"},
        {4, "00 00 00 3c  00 02 00 04  01 02 03 04  00 02 'me'  ff ff ff ff  01  00 00 00 01"
            "00 01 't' 00 00 00 02  00 00 00 03  00 00 00 05  ff ff ff ff ff ff ff fe"
            "00 00 00 04  ff ff ff ff  00 00 00 00 00 00 02 03"},
        {5, "00 00 00 3c  00 02 00 05  01 02 03 04  00 02 'me'  ff ff ff ff  01  00 00 00 01"
            "00 01 't' 00 00 00 02  00 00 00 03  00 00 00 05  ff ff ff ff ff ff ff fe"
            "00 00 00 04  ff ff ff ff  00 00 00 00 00 00 02 03"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
        struct kafka_request head = head_of(KAFKA_API_LIST_OFFSETS, wanted[i].version);

        buf_reset(&out);
        list_offsets_request(&out, &head, KAFKA_READ_COMMITTED, topics, 1);
        assert_hex(&out, wanted[i].text);
    }
    buf_free(&out);
}

static void the_newest_common_version_is_chosen(void **state)
{
    static const struct {
        struct kafka_versions broker;
        int version; /* -1: none */
    } cases[] = {{{0, 3}, -1},
                 {{0, 4}, 4},
                 {{0, 11}, 11},
                 {{4, 12}, 12},
                 {{4, 17}, 12},
                 {{12, 20}, 12},
                 {{13, 20}, -1},
                 {{0, -1}, -1},
                 {{6, 5}, -1},
                 {{INT16_MIN, INT16_MIN}, -1},
                 {{INT16_MIN, INT16_MAX}, 12}};
    int16_t version;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        version = -7;
        assert_int_equal(kafka_api_choose(KAFKA_API_FETCH, cases[i].broker, &version),
                         cases[i].version < 0 ? -ENOTSUP : 0);
        assert_int_equal(version, cases[i].version < 0 ? -7 : cases[i].version);
    }
    assert_int_equal(kafka_api_of(1), KAFKA_API_FETCH);
    assert_int_equal(kafka_api_of(2), KAFKA_API_LIST_OFFSETS);
    assert_int_equal(kafka_api_of(18), KAFKA_API_API_VERSIONS);
    assert_int_equal(kafka_api_of(3), KAFKA_API_COUNT);
}

static void assert_frame(const char *received, size_t frame_max, int rc, size_t len)
{
    struct buf bytes = {0};
    struct slice frame = {0};

    put_hex(&bytes, received);
    struct slice copy = exact(buf_slice(&bytes));

    assert_int_equal(kafka_response_frame(copy, frame_max, &frame), rc);
    if (rc >= 0)
        assert_int_equal(frame.len, len);
    if (rc == 1)
        assert_ptr_equal(frame.data, copy.data + 4);
    else
        assert_null(frame.data);
    exact_free(copy);
    buf_free(&bytes);
}

static void frames_are_told_apart(void **state)
{
    (void)state;
    assert_frame("", 100, 0, 4);
    assert_frame("00 00 00", 100, 0, 4);
    assert_frame("00 00 00 05", 100, 0, 9);
    assert_frame("00 00 00 05 00 00 00 01", 100, 0, 9);
    assert_frame("00 00 00 05 00 00 00 01 ff", 5, 1, 5);
    assert_frame("00 00 00 05 00 00 00 01 ff 00 00", 100, 1, 5);
    assert_frame("00 00 00 04 00 00 00 01", 100, 1, 4);
    assert_frame("00 00 00 03 00 00 00", 100, -EBADMSG, 0);
    assert_frame("00 00 00 06", 5, -EBADMSG, 0);
    assert_frame("ff ff ff ff", SIZE_MAX, -EBADMSG, 0);
    assert_frame("80 00 00 00", SIZE_MAX, -EBADMSG, 0);
    assert_frame("7f ff ff ff", SIZE_MAX, 0, (size_t)INT32_MAX + 4);
}

static void assert_header(const char *frame, enum kafka_api api, int16_t version, int rc,
                          size_t left)
{
    struct kafka_request asked = head_of(api, version);
    struct wire_reader body = {.bad = true};
    struct buf bytes = {0};

    put_hex(&bytes, frame);
    struct slice copy = exact(buf_slice(&bytes));

    assert_int_equal(kafka_response_begin(copy, &asked, &body), rc);
    assert_int_equal(body.bad, rc != 0);
    if (!rc)
        assert_int_equal(wire_left(&body), left);
    exact_free(copy);
    buf_free(&bytes);
}

static void responses_begin_with_what_was_asked(void **state)
{
    (void)state;
    assert_header("01 02 03 04 00 00", KAFKA_API_FETCH, 11, 0, 2);
    assert_header("01 02 03 05 00 00", KAFKA_API_FETCH, 11, -EBADMSG, 0);
    assert_header("01 02 03", KAFKA_API_FETCH, 11, -EBADMSG, 0);
    /* Tagged fields, from the first flexible version on … */
    assert_header("01 02 03 04 00 00", KAFKA_API_FETCH, 12, 0, 1);
    assert_header("01 02 03 04 01 09 02 ff ff 00", KAFKA_API_FETCH, 12, 0, 1);
    assert_header("01 02 03 04 01 09 02 ff", KAFKA_API_FETCH, 12, -EBADMSG, 0);
    assert_header("01 02 03 04", KAFKA_API_FETCH, 12, -EBADMSG, 0);
    assert_header("01 02 03 04 ff ff ff ff ff 00", KAFKA_API_FETCH, 12, -EBADMSG, 0);
    /* … but for ApiVersions. */
    assert_header("01 02 03 04 00 00", KAFKA_API_API_VERSIONS, 3, 0, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(api_versions_requests),
        cmocka_unit_test(fetch_requests),
        cmocka_unit_test(fetch_requests_of_the_versions_between),
        cmocka_unit_test(list_offsets_requests),
        cmocka_unit_test(the_newest_common_version_is_chosen),
        cmocka_unit_test(frames_are_told_apart),
        cmocka_unit_test(responses_begin_with_what_was_asked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
