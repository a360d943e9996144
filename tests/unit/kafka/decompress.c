/* Decompression: what the libraries compress comes back, in every framing and up to the bound; cut
 * off, lengthened or changed, it is refused or does no harm. */
#include "kafka/decompress.h"

#include "kafka_bytes.h"

static struct decompressor decompressor;
static struct buf raw;
static struct buf compressed;

static void make_raw(size_t len)
{
    buf_reset(&raw);
    while (raw.len < len) {
        uint64_t run = 1 + random_below(80);
        char c = (char)random_next();

        for (uint64_t i = 0; i < run && raw.len < len; i++)
            buf_append_char(&raw, random_chance(90) ? c : (char)random_next());
    }
}

static int expand(enum kafka_codec codec, struct slice bytes, size_t bytes_max, struct slice *ret)
{
    struct slice copy = exact(bytes);
    int rc = decompress(&decompressor, codec, copy, bytes_max, ret);

    exact_free(copy);
    return rc;
}

static int random_codec(void)
{
    return (int)random_between(ENCODER_GZIP, ENCODER_ZSTD);
}

static void what_was_compressed_comes_back(void **state)
{
    (void)state;
    for (FIRST_SEED; MORE_SEEDS(400); NEXT_SEED) {
        int codec = random_codec();
        struct slice got;

        make_raw(random_below(UINT64_C(1) << random_below(19)));
        buf_reset(&compressed);
        encode_compressed(&compressed, codec, random_chance(50), buf_slice(&raw));
        ENSURE(expand(codec, buf_slice(&compressed), 1 << 20, &got) == 0);
        ENSURE(slice_equal(got, buf_slice(&raw)));
    }
}

static void the_bound_is_kept_to_the_byte(void **state)
{
    (void)state;
    for (FIRST_SEED; MORE_SEEDS(400); NEXT_SEED) {
        int codec = random_codec();
        struct slice got;

        make_raw(1 + random_below(UINT64_C(1) << random_below(18)));
        buf_reset(&compressed);
        encode_compressed(&compressed, codec, random_chance(50), buf_slice(&raw));
        ENSURE(expand(codec, buf_slice(&compressed), raw.len, &got) == 0);
        ENSURE(slice_equal(got, buf_slice(&raw)));
        ENSURE(expand(codec, buf_slice(&compressed), raw.len - 1, &got) == -EFBIG);
        ENSURE(expand(codec, buf_slice(&compressed), random_below(raw.len), &got) == -EFBIG);
    }
}

/* A megabyte of zeroes is little when it is compressed; the memory does not follow it. */
static void what_expands_without_end_is_stopped(void **state)
{
    struct slice got;

    (void)state;
    decompressor_done(&decompressor);
    buf_reset(&raw);
    memset(buf_reserve(&raw, 16 << 20), 0, 16 << 20);
    raw.len = 16 << 20;
    for (int codec = ENCODER_GZIP; codec <= ENCODER_ZSTD; codec++) {
        for (int framed = 0; framed < 2; framed++) {
            buf_reset(&compressed);
            encode_compressed(&compressed, codec, framed, buf_slice(&raw));
            assert_int_equal(expand(codec, buf_slice(&compressed), 100000, &got), -EFBIG);
        }
    }
    assert_true(decompressor.out.cap <= 4 * 16 << 20); /* of what comes in, not of what comes out */
}

static void cut_off_or_lengthened_it_is_refused(void **state)
{
    (void)state;
    for (FIRST_SEED; MORE_SEEDS(60); NEXT_SEED) {
        int codec = random_codec();
        bool framed = random_chance(50);
        struct slice got;

        make_raw(1 + random_below(3000));
        buf_reset(&compressed);
        encode_compressed(&compressed, codec, framed, buf_slice(&raw));
        for (size_t len = 0; len < compressed.len; len++) {
            struct slice cut = {compressed.data, len};
            int rc = expand(codec, cut, 1 << 20, &got);

            /* At the end of a block, snappy-java's framing does not know that there is another. */
            ENSURE(rc == -EBADMSG || (codec == ENCODER_SNAPPY && framed && len >= 16));
        }
        buf_append_slice(&compressed, SLICE_LITERAL("\1\2\3\4\5"));
        ENSURE(expand(codec, buf_slice(&compressed), 1 << 20, &got) == -EBADMSG);
    }
}

static void changed_it_does_no_harm(void **state)
{
    (void)state;
    for (FIRST_SEED; MORE_SEEDS(30); NEXT_SEED) {
        int codec = random_codec();
        struct slice got;

        make_raw(1 + random_below(1000));
        buf_reset(&compressed);
        encode_compressed(&compressed, codec, random_chance(50), buf_slice(&raw));
        for (size_t at = 0; at < compressed.len; at++) {
            char before = compressed.data[at];

            compressed.data[at] = (char)(before ^ (char)(1 + random_below(255)));
            int rc = expand(codec, buf_slice(&compressed), 5000, &got);

            ENSURE(rc == 0 || rc == -EBADMSG || rc == -EFBIG);
            ENSURE(rc != 0 || got.len <= 5000);
            compressed.data[at] = before;
        }
        /* And it goes on with what is sound. */
        ENSURE(expand(codec, buf_slice(&compressed), 5000, &got) == 0);
        ENSURE(slice_equal(got, buf_slice(&raw)));
    }
}

static void several_members_and_frames_are_one(void **state)
{
    static const int codecs[] = {ENCODER_GZIP, ENCODER_ZSTD};
    struct slice got;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(codecs); i++) {
        buf_reset(&compressed);
        encode_compressed(&compressed, codecs[i], false, SLICE_LITERAL("one, "));
        encode_compressed(&compressed, codecs[i], false, SLICE_LITERAL("two"));
        assert_int_equal(expand(codecs[i], buf_slice(&compressed), 8, &got), 0);
        assert_true(slice_equal(got, SLICE_LITERAL("one, two")));
    }
}

static void lengths_that_lie_are_not_believed(void **state)
{
    static const struct {
        enum kafka_codec codec;
        const char *text;
        int rc;
    } wrong[] = {
        {KAFKA_CODEC_NONE, "00", -ENOTSUP},
        {5, "00", -ENOTSUP},
        {7, "00", -ENOTSUP},
        {KAFKA_CODEC_SNAPPY, "", -EBADMSG},
        /* A block of nothing; one that says it makes 2^32 - 1 bytes of a few, or 100 of 2. */
        {KAFKA_CODEC_SNAPPY, "00", 0},
        {KAFKA_CODEC_SNAPPY, "ff ff ff ff 0f 00 'a'", -EBADMSG},
        {KAFKA_CODEC_SNAPPY, "64 00", -EBADMSG},
        /* Framed, and the length of the block: too long, negative, cut off. */
        {KAFKA_CODEC_SNAPPY, "82 'SNAPPY' 00 00 00 00 01 00 00 00 01 00 00 00 03 01 00 'a'", 0},
        {KAFKA_CODEC_SNAPPY, "82 'SNAPPY' 00 00 00 00 01 00 00 00 01 00 00 00 04 01 00 'a'",
         -EBADMSG},
        {KAFKA_CODEC_SNAPPY, "82 'SNAPPY' 00 00 00 00 01 00 00 00 01 ff ff ff ff 01 00 'a'",
         -EBADMSG},
        {KAFKA_CODEC_SNAPPY, "82 'SNAPPY' 00 00 00 00 01 00 00 00 01 00 00 00", -EBADMSG},
        {KAFKA_CODEC_SNAPPY, "82 'SNAPPY' 00 00 00 00 01 00 00 00 01", 0},
        /* A frame of zstd that says it holds 2^62 bytes, and ends there. */
        {KAFKA_CODEC_ZSTD, "28 b5 2f fd e0 00 00 00 00 00 00 00 40", -EBADMSG},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        struct slice got = {"untouched", 9};

        buf_reset(&compressed);
        put_hex(&compressed, wrong[i].text);
        assert_int_equal(expand(wrong[i].codec, buf_slice(&compressed), 10000, &got), wrong[i].rc);
        if (wrong[i].rc)
            assert_int_equal(got.len, 9);
    }
}

/* Though what lies behind would make the block whole. */
static void a_block_ends_where_the_bytes_do(void **state)
{
    struct slice got;

    (void)state;
    buf_reset(&compressed);
    put_hex(&compressed, "82 'SNAPPY' 00 00 00 00 01 00 00 00 01 00 00 00 04 02 04 'ab'");
    assert_int_equal(
        decompress(&decompressor, KAFKA_CODEC_SNAPPY, buf_slice(&compressed), 100, &got), 0);
    assert_true(slice_equal(got, SLICE_LITERAL("ab")));
    compressed.len--;
    assert_int_equal(
        decompress(&decompressor, KAFKA_CODEC_SNAPPY, buf_slice(&compressed), 100, &got), -EBADMSG);
}

static int forget(void **state)
{
    (void)state;
    decompressor_done(&decompressor);
    buf_free(&raw);
    buf_free(&compressed);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_compressed_comes_back),
        cmocka_unit_test(the_bound_is_kept_to_the_byte),
        cmocka_unit_test(what_expands_without_end_is_stopped),
        cmocka_unit_test(cut_off_or_lengthened_it_is_refused),
        cmocka_unit_test(changed_it_does_no_harm),
        cmocka_unit_test(several_members_and_frames_are_one),
        cmocka_unit_test(lengths_that_lie_are_not_believed),
        cmocka_unit_test(a_block_ends_where_the_bytes_do),
    };

    return cmocka_run_group_tests(tests, NULL, forget);
}
