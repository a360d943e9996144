/* An engine's pages, read; and HdrHistogram's log, which is decoded here after its format. */

#include <math.h>

#include "../support/testing.h"
#include "bench/hdr_log.h"
#include "bench/proc.h"
#include "bench/sample.h"

static const char page[] = "# HELP freshet_records_total Kafka records read\n"
                           "# TYPE freshet_records_total counter\n"
                           "freshet_records_total{shard=\"0\",source=\"a b{}\"} 10\n"
                           "freshet_records_total{shard=\"1\",source=\"a b{}\"} 5\n"
                           "freshet_records_total_not{shard=\"1\"} 1000\n"
                           "freshet_uptime_seconds 3.5\n"
                           "freshet_rows_total{shard=\"0\",view=\"v1\"} 7\n"
                           "freshet_rows_total{shard=\"1\",view=\"v1\"} 1\n"
                           "freshet_rows_total{shard=\"0\",view=\"v\"} 100\n"
                           "freshet_stage_seconds_sum{shard=\"0\",stage=\"decode\"} 0.25\n"
                           "freshet_stage_seconds_sum{shard=\"0\",stage=\"apply\"} 0.5\n"
                           "freshet_checkpoint_stage_seconds_count{stage=\"freeze\"} 4";

static void samples_are_summed_by_family(void **state)
{
    struct engine_sample sample;

    (void)state;
    sample_read(slice_of(page), &sample);
    assert_true(sample.records == 15);
    assert_true(sample.rows == 108);
    assert_true(sample.decode_s == 0.25);
    assert_true(sample.apply_s == 0.5);
    assert_true(sample.freeze_count == 4);
    assert_true(sample.events == 0);
    assert_true(sample_family(slice_of(page), "freshet_rows_total", "view=\"v\"") == 100);
    assert_true(sample_family(slice_of(page), "freshet_uptime_seconds", NULL) == 3.5);
}

static const char histograms[] = "{\"fetch\":{\"sum_ns\":0,\"buckets\":[]},"
                                 "\"turn\":{\"sum_ns\":1234,\"buckets\":[[5,2],[1007615,40]]}}\n";

static void histograms_are_read(void **state)
{
    struct hdr hdr;

    (void)state;
    assert_int_equal(sample_histogram(slice_of(histograms), "turn", &hdr), 0);
    assert_int_equal(atomic_load(&hdr.count), 42);
    assert_int_equal(atomic_load(&hdr.sum), 1234);
    assert_int_equal(hdr_quantile(&hdr, 1), 1007615);
    assert_int_equal(hdr_quantile(&hdr, 0.01), 5);
    assert_int_equal(sample_histogram(slice_of(histograms), "fetch", &hdr), 0);
    assert_int_equal(atomic_load(&hdr.count), 0);
    assert_int_equal(sample_histogram(slice_of(histograms), "redis", &hdr), -EBADMSG);
    assert_int_equal(
        sample_histogram(SLICE_LITERAL("{\"a\":{\"sum_ns\":1,\"buckets\":[[1,x]]}}"), "a", &hdr),
        -EBADMSG);
    assert_int_equal(
        sample_histogram(SLICE_LITERAL("{\"a\":{\"sum_ns\":1,\"buckets\":[[-1,2]]}}"), "a", &hdr),
        -EBADMSG);
}

static void two_readings_differ_by_what_came_between(void **state)
{
    struct hdr *hdrs = calloc(3, sizeof(*hdrs));

    (void)state;
    for (int i = 0; i < 100; i++)
        hdr_record(&hdrs[0], 1000000, 1);
    hdr_merge(&hdrs[1], &hdrs[0]);
    hdr_record(&hdrs[1], 5000, 3);
    histogram_less(&hdrs[1], &hdrs[0], &hdrs[2]);
    assert_int_equal(atomic_load(&hdrs[2].count), 3);
    assert_int_equal(atomic_load(&hdrs[2].sum), 15000);
    assert_true(hdr_quantile(&hdrs[2], 1) < 5100);
    free(hdrs);
}

static void threads_are_told_by_their_names(void **state)
{
    (void)state;
    assert_int_equal(proc_role_of("shard-12\n", false), PROC_SHARD);
    assert_int_equal(proc_role_of("rdk:broker1\n", false), PROC_KAFKA);
    assert_int_equal(proc_role_of("rocksdb:low\n", false), PROC_ROCKSDB);
    assert_int_equal(proc_role_of("freshet\n", true), PROC_CONTROL);
    assert_int_equal(proc_role_of("freshet\n", false), PROC_OTHER);
}

/* --- the log, decoded after the format's own description --- */

static uint8_t bytes[65536 * 4];

static size_t base64_decode(const char *text)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t bits = 0;
    size_t len = 0;
    int have = 0;

    for (; *text && *text != '=' && *text != '\n'; text++) {
        bits = bits << 6 | (uint32_t)(strchr(alphabet, *text) - alphabet);
        have += 6;
        if (have >= 8) {
            have -= 8;
            bytes[len++] = (uint8_t)(bits >> have);
        }
    }
    return len;
}

static uint64_t big_endian(const uint8_t *at, int count)
{
    uint64_t value = 0;

    for (int i = 0; i < count; i++)
        value = value << 8 | at[i];
    return value;
}

/* Stored blocks only: joined in place. Returns the bytes of the content. */
static size_t zlib_inflate(uint8_t *at)
{
    uint8_t *out = at;
    uint8_t *in = at + 2;
    bool is_last = false;

    assert_int_equal(big_endian(at, 2) % 31, 0);
    while (!is_last) {
        size_t len = in[1] | (size_t)in[2] << 8;

        is_last = in[0] & 1;
        assert_int_equal(in[0] & ~1, 0);
        assert_int_equal(len ^ 0xffff, in[3] | (size_t)in[4] << 8);
        memmove(out, in + 5, len);
        out += len;
        in += 5 + len;
    }
    return (size_t)(out - at);
}

/* The value that counts at an index stands for, with 256 sub-buckets in the first bucket. */
static uint64_t value_at(uint64_t index)
{
    uint64_t bucket = (index >> 7);
    uint64_t sub = (index & 127) + 128;

    if (bucket == 0)
        return index;
    return sub << (bucket - 1);
}

static int64_t zigzag(const uint8_t **at)
{
    uint64_t value = 0;
    int shift = 0;

    for (;; shift += 7) {
        uint8_t byte = *(*at)++;

        value |= (uint64_t)(shift == 56 ? byte : byte & 0x7f) << shift;
        if (shift == 56 || !(byte & 0x80))
            break;
    }
    return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
}

static void the_log_holds_the_counts(void **state)
{
    (void)state;
    for (FIRST_SEED; MORE_SEEDS(30); NEXT_SEED) {
        struct hdr *hdr = calloc(1, sizeof(*hdr));
        struct buf out = {0};
        uint64_t values = random_below(500);
        uint64_t total = 0;
        uint64_t index = 0;
        unsigned bucket = 0;
        const uint8_t *at;
        const uint8_t *end;
        uint8_t *plain;
        size_t len;

        for (uint64_t i = 0; i < values; i++)
            hdr_record(hdr, (int64_t)(random_bits() % HDR_VALUE_MAX), 1 + random_below(1000));
        hdr_log_begin(&out, 1500, "test");
        hdr_log_add(&out, "a@1", 1, 2, hdr);
        assert_non_null(strstr(buf_string(&out), "#[StartTime: 1.500 "));
        assert_non_null(strstr(out.data, "\nTag=a@1,1.000,2.000,"));
        len = base64_decode(strrchr(out.data, ',') + 1);
        ENSURE_INT(big_endian(bytes, 4), 0x1c849314);
        ENSURE_INT(big_endian(bytes + 4, 4), len - 8);
        plain = bytes + 8;
        len = zlib_inflate(plain);
        ENSURE_INT(big_endian(plain, 4), 0x1c849313);
        ENSURE_INT(big_endian(plain + 4, 4), len - 40);
        ENSURE_INT(big_endian(plain + 12, 4), 2);
        at = plain + 40;
        end = plain + len;
        while (at < end) {
            int64_t count = zigzag(&at);

            if (count < 0) {
                index += (uint64_t)-count;
                continue;
            }
            /* The same number of values no further from where they were than a bucket is wide. */
            while (atomic_load(&hdr->buckets[bucket]) == 0)
                bucket++;
            ENSURE_INT(count, atomic_load(&hdr->buckets[bucket]));
            ENSURE(value_at(index) <= (uint64_t)hdr_bucket_top(bucket));
            ENSURE(value_at(index + 1) > (uint64_t)hdr_bucket_top(bucket));
            total += (uint64_t)count;
            index++;
            bucket++;
        }
        ENSURE_INT(total, atomic_load(&hdr->count));
        buf_free(&out);
        free(hdr);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples_are_summed_by_family),
        cmocka_unit_test(histograms_are_read),
        cmocka_unit_test(two_readings_differ_by_what_came_between),
        cmocka_unit_test(threads_are_told_by_their_names),
        cmocka_unit_test(the_log_holds_the_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
