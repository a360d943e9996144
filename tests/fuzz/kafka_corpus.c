/* Writes what the corpora of api_versions, batches, decompress, fetch_response and list_offsets
 * were begun with: kafka_corpus FOLDER, in which each has a folder. */
#include <sys/stat.h>

#include "../support/record_encoder.h"

static const char *folder;

static void save(const char *target, const char *name, struct buf *bytes)
{
    struct buf path = {0};
    FILE *file;

    buf_printf(&path, "%s/%s", folder, target);
    mkdir(buf_string(&path), 0777);
    buf_printf(&path, "/%s", name);
    file = fopen(buf_string(&path), "wb");
    CHECK(file);
    CHECK(fwrite(bytes->data, 1, bytes->len, file) == bytes->len);
    CHECK(fclose(file) == 0);
    buf_free(&path);
    buf_free(bytes);
}

static const struct encoder_record records[] = {
    {10, 1000, SLICE_LITERAL("key"), SLICE_LITERAL("aaaaaaaaaaaaaaaaaaaaaaaaaaaaa"), 0},
    {12, 1700, SLICE_LITERAL("key"), SLICE_NONE, 2},
    {90, 900, SLICE_NONE, SLICE_LITERAL(""), 0},
};

static struct encoder_batch some_batch(int codec)
{
    return (struct encoder_batch){.base_offset = 10,
                                  .last_offset = 100,
                                  .codec = codec,
                                  .base_timestamp_ms = 1000,
                                  .max_timestamp_ms = 1700,
                                  .producer_id = -1,
                                  .records = records,
                                  .count = 3};
}

static void put_batch(struct buf *out, struct encoder_batch batch)
{
    encode_batch(out, &batch);
}

static void batches_head(struct buf *out, bool committed, int portion)
{
    encode_int(out, 1, committed);
    encode_int(out, 1, portion);
    encode_int(out, 1, 0);
    encode_int(out, 1, committed);
    if (committed) { /* producer 7, from offset 10 on */
        encode_int(out, 1, 7);
        encode_int(out, 1, 10);
    }
}

static void save_batches(void)
{
    static const char *const names[] = {"plain", "gzip", "snappy", "lz4", "zstd"};
    struct encoder_batch batch = some_batch(ENCODER_NONE);
    struct buf out = {0};

    for (int codec = 0; codec < ENCODER_CODECS; codec++) {
        batches_head(&out, false, 2);
        put_batch(&out, some_batch(codec));
        save("batches", names[codec], &out);
    }
    batch.transactional = true;
    batch.append_time = true;
    batch.producer_id = 7;
    batches_head(&out, true, 0);
    put_batch(&out, batch);
    encode_mark(&out, 101, 7, false);
    put_batch(&out, (struct encoder_batch){.base_offset = 102, .last_offset = 110});
    out.len -= 10;
    save("batches", "aborted_and_cut_off", &out);
}

static void save_decompress(void)
{
    static const char *const names[] = {"gzip", "snappy", "lz4", "zstd"};
    struct slice raw = SLICE_LITERAL(
        "abcabcabcabcabcabcabcabcabcabcabcaaaaaaaaaaaaaaaaaaaaaaa bcd");
    struct buf out = {0};

    for (int codec = ENCODER_GZIP; codec < ENCODER_CODECS; codec++) {
        encode_int(&out, 1, codec - 1);
        encode_compressed(&out, codec, false, raw);
        save("decompress", names[codec - 1], &out);
    }
    encode_int(&out, 1, 1);
    encode_compressed(&out, ENCODER_SNAPPY, true, raw);
    save("decompress", "snappy_framed", &out);
    encode_int(&out, 1, 3);
    encode_compressed(&out, ENCODER_ZSTD, true, raw);
    save("decompress", "zstd_without_size", &out);
}

static void put_count(struct buf *out, int version, int64_t count)
{
    if (version >= 12)
        encode_uvarint(out, (uint64_t)count + 1);
    else
        encode_int(out, 4, count);
}

static void put_partition(struct buf *out, int version, int partition)
{
    struct buf batches = {0};

    encode_int(out, 4, partition);
    encode_int(out, 2, partition);
    encode_int(out, 8, 111);
    encode_int(out, 8, 111);
    if (version >= 5)
        encode_int(out, 8, 0);
    put_count(out, version, 1);
    encode_int(out, 8, 7);
    encode_int(out, 8, 10);
    if (version >= 12)
        encode_int(out, 1, 0);
    if (version >= 11)
        encode_int(out, 4, -1);
    put_batch(&batches, some_batch(partition));
    put_count(out, version, (int64_t)batches.len);
    buf_append_slice(out, buf_slice(&batches));
    if (version >= 12) { /* current leader: 2, epoch 3 */
        buf_append_slice(out, SLICE_LITERAL("\x01\x01\x09"));
        encode_int(out, 4, 2);
        encode_int(out, 4, 3);
        encode_int(out, 1, 0);
    }
    buf_free(&batches);
}

static void save_fetch(int version, const char *name)
{
    struct buf out = {0};

    encode_int(&out, 1, version - 4);
    encode_int(&out, 4, 77);
    if (version >= 12)
        encode_int(&out, 1, 0);
    encode_int(&out, 4, 0);
    if (version >= 7) {
        encode_int(&out, 2, 0);
        encode_int(&out, 4, 99);
    }
    put_count(&out, version, 1);
    if (version >= 12)
        encode_int(&out, 1, 6);
    else
        encode_int(&out, 2, 5);
    buf_append_slice(&out, SLICE_LITERAL("topic"));
    put_count(&out, version, 2);
    put_partition(&out, version, 0);
    put_partition(&out, version, 1);
    if (version >= 12)
        encode_int(&out, 2, 0);
    save("fetch_response", name, &out);
}

static void save_list_offsets(int version, const char *name)
{
    struct buf out = {0};

    encode_int(&out, 1, version - 1);
    encode_int(&out, 4, 77);
    if (version >= 2)
        encode_int(&out, 4, 0);
    encode_int(&out, 4, 1);
    encode_int(&out, 2, 5);
    buf_append_slice(&out, SLICE_LITERAL("topic"));
    encode_int(&out, 4, 2);
    for (int partition = 0; partition < 2; partition++) {
        encode_int(&out, 4, partition);
        encode_int(&out, 2, 0);
        encode_int(&out, 8, -1);
        encode_int(&out, 8, 42);
        if (version >= 4)
            encode_int(&out, 4, 3);
    }
    save("list_offsets", name, &out);
}

static void save_api_versions(int version, int error, const char *name)
{
    static const int apis[] = {1, 2, 18};
    struct buf out = {0};
    bool compact = version >= 3 && !error;

    encode_int(&out, 1, version);
    encode_int(&out, 4, 77);
    encode_int(&out, 2, error);
    encode_int(&out, compact ? 1 : 4, compact ? 4 : 3);
    for (int i = 0; i < 3; i++) {
        encode_int(&out, 2, apis[i]);
        encode_int(&out, 2, 0);
        encode_int(&out, 2, 9);
        if (compact)
            encode_int(&out, 1, 0);
    }
    if (version >= 1 && !error)
        encode_int(&out, 4, 0);
    if (compact)
        buf_append_slice(&out, SLICE_LITERAL("\x01\x01\x02\x00\x05"));
    save("api_versions", name, &out);
}

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    folder = argv[1];
    save_batches();
    save_decompress();
    save_fetch(4, "v4");
    save_fetch(7, "v7");
    save_fetch(11, "v11");
    save_fetch(12, "v12");
    save_list_offsets(1, "v1");
    save_list_offsets(2, "v2");
    save_list_offsets(5, "v5");
    save_api_versions(0, 0, "v0");
    save_api_versions(2, 0, "v2");
    save_api_versions(3, 0, "v3");
    save_api_versions(3, 35, "unsupported");
    return 0;
}
