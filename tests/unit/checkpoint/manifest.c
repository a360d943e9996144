/* Ids and manifests: round trips, bytes that are none, what is printed. */
#include "../support/guarded.h"
#include "../support/json_value.h"
#include "world.h"

#include "base/pack.h"

static void an_id_is_a_time_and_64_bits(void **state)
{
    char id[CHECKPOINT_ID_SIZE];

    (void)state;
    checkpoint_id_make(INT64_C(1795270530123), id); /* by date -u -d @1795270530 */
    assert_int_equal(strncmp(id, "20261121T141530.123Z-", 21), 0);
    assert_int_equal(strlen(id), CHECKPOINT_ID_LEN);
    assert_true(checkpoint_id_is_valid(id));
    checkpoint_id_make(0, id);
    assert_int_equal(strncmp(id, "19700101T000000.000Z-", 21), 0);
    checkpoint_id_make(INT64_C(253402300799999), id);
    assert_int_equal(strncmp(id, "99991231T235959.999Z-", 21), 0);
}

static void ids_sort_by_time_and_differ(void **state)
{
    (void)state;
    for (FIRST_SEED; MORE_SEEDS(200); NEXT_SEED) {
        int64_t early = (int64_t)random_below(UINT64_C(253402300799999));
        int64_t late = early + 1 + (int64_t)random_below(1000);
        char a[CHECKPOINT_ID_SIZE];
        char b[CHECKPOINT_ID_SIZE];
        char c[CHECKPOINT_ID_SIZE];

        checkpoint_id_make(early, a);
        checkpoint_id_make(early, b);
        checkpoint_id_make(MIN(late, INT64_C(253402300799999)), c);
        ENSURE(strcmp(a, b) != 0 && strcmp(a, c) < 0);
        ENSURE(checkpoint_id_is_valid(a));
    }
}

static void other_names_are_no_ids(void **state)
{
    static const char good[] = "20261121T141530.123Z-7f3a9c1e2b4d5f60";
    char bad[64];

    (void)state;
    assert_true(checkpoint_id_is_valid(good));
    assert_false(checkpoint_id_is_valid(""));
    for (size_t i = 0; i < strlen(good); i++) {
        strcpy(bad, good);
        bad[i] = '/';
        assert_false(checkpoint_id_is_valid(bad));
        bad[i] = '\0';
        assert_false(checkpoint_id_is_valid(bad));
    }
    strcpy(bad, good);
    strcat(bad, "0");
    assert_false(checkpoint_id_is_valid(bad));
    assert_false(checkpoint_id_is_valid("20261121T141530.123Z-7F3A9C1E2B4D5F60"));
}

static void half_made_names_tell_their_maker(void **state)
{
    static const struct {
        const char *name;
        const char *process; /* or NULL */
    } cases[] = {
        {"20261121T141530.123Z-7f3a9c1e2b4d5f60.1234-0123456789abcdef.tmp",
         "1234-0123456789abcdef"},
        {"before.the-change.7-ffffffffffffffff.tmp", "7-ffffffffffffffff"},
        {"20261121T141530.123Z-7f3a9c1e2b4d5f60.tmp", NULL},
        {"20261121T141530.123Z-7f3a9c1e2b4d5f60.1234-0123456789abcdef", NULL},
        {".1234-0123456789abcdef.tmp", NULL},
        {"x.-0123456789abcdef.tmp", NULL},
        {"x.1234-0123456789abcde.tmp", NULL},
        {"x.1234-0123456789ABCDEF.tmp", NULL},
        {"x.12a4-0123456789abcdef.tmp", NULL},
        {"x.99999999999999999999999999-0123456789abcdef.tmp", NULL},
        {"1234-0123456789abcdef.tmp", NULL},
        {".tmp", NULL},
        {"tmp", NULL},
        {"", NULL},
    };
    char process[CHECKPOINT_PROCESS_SIZE];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(half_made_by(cases[i].name, process), cases[i].process != NULL);
        if (cases[i].process)
            assert_string_equal(process, cases[i].process);
    }
}

static void savepoint_names(void **state)
{
    static const char *const good[] = {"a", "before-upgrade", "v1.2_x", "-x", "A9"};
    static const char *const bad[] = {"",
                                      ".",
                                      "..",
                                      ".hidden",
                                      "a/b",
                                      "a b",
                                      "ä",
                                      "a\n",
                                      "x.1-0123456789abcdef.tmp",
                                      "20261121T141530.123Z-7f3a9c1e2b4d5f60"};
    char name[80];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        assert_true(savepoint_name_is_valid(good[i]));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(savepoint_name_is_valid(bad[i]));
    memset(name, 'x', sizeof(name));
    name[64] = '\0';
    assert_true(savepoint_name_is_valid(name));
    name[64] = 'x';
    name[65] = '\0';
    assert_false(savepoint_name_is_valid(name));
}

static const char *random_text(void)
{
    static const char *const texts[] = {"", "a", "topic.name", "ä\xff\"\\", "s1", "s2", "s3"};

    return texts[random_below(ARRAY_LEN(texts))];
}

static void random_manifest(struct manifest *manifest)
{
    manifest_init(manifest, random_text(), random_text(), random_text());
    checkpoint_id_make((int64_t)random_below(UINT64_C(1) << 45), manifest->id);
    if (random_chance(50))
        checkpoint_id_make((int64_t)random_below(UINT64_C(1) << 45), manifest->parent);
    manifest->created_ms = random_int64();
    manifest->keys = random_bits();
    manifest->entries_written = random_bits();
    manifest->bytes_written = random_bits();
    if (random_chance(30))
        manifest_set_savepoint(manifest, "name");
    if (random_chance(50)) {
        manifest_set_output(manifest, random_text(), random_bits());
        manifest->output.rows_bytes = random_bits();
        manifest->output.rows_hash = random_bits();
    }
    uint32_t sources = (uint32_t)random_below(4);
    for (uint32_t i = 0; i < sources; i++) {
        char name[32];

        snprintf(name, sizeof(name), "source%u", i);
        manifest_add_source(manifest, name, random_text(), random_chance(50),
                            (uint32_t)random_bits(), slice_of(random_text()));
        for (uint64_t j = random_below(5); j-- > 0;)
            manifest_add_partition(
                manifest, &(struct manifest_partition){.source = i,
                                                       .partition = (int32_t)j,
                                                       .position = INT64_MAX & random_int64(),
                                                       .newest_ms = random_int64(),
                                                       .watermark_ms = random_int64(),
                                                       .clock_ms = random_int64(),
                                                       .last_offset = random_chance(50) ? -1 : 7,
                                                       .last_hash = random_next()});
        for (int64_t j = (int64_t)random_below(5); j-- > 0;)
            manifest_add_times(manifest, &(struct manifest_times){.source = i,
                                                                  .group = (int32_t)j - 1,
                                                                  .watermark_ms = random_int64(),
                                                                  .clock_ms = random_int64(),
                                                                  .release_ms = random_int64()});
    }
    for (uint64_t i = random_below(5); i-- > 0;) {
        char name[32];

        snprintf(name, sizeof(name), "%06u.sst", (unsigned)i * 7);
        manifest_add_file(
            manifest,
            &(struct manifest_file){.name = name, .bytes = random_bits(), .hash = random_next()});
    }
}

#define SAME(a, b, member)      ENSURE((a)->member == (b)->member)
#define SAME_TEXT(a, b, member) ENSURE_TEXT(slice_of((a)->member), slice_of((b)->member))

static void manifests_are_equal(const struct manifest *a, const struct manifest *b)
{
    SAME_TEXT(a, b, id);
    SAME_TEXT(a, b, parent);
    SAME(a, b, created_ms);
    SAME_TEXT(a, b, version);
    SAME(a, b, entries_written);
    SAME(a, b, bytes_written);
    SAME_TEXT(a, b, pipeline);
    SAME_TEXT(a, b, group);
    SAME_TEXT(a, b, instance);
    SAME_TEXT(a, b, cluster);
    SAME_TEXT(a, b, savepoint);
    SAME(a, b, keys);
    SAME(a, b, output.present);
    SAME_TEXT(a, b, output.path);
    SAME(a, b, output.length_before);
    SAME(a, b, output.rows_bytes);
    SAME(a, b, output.rows_hash);
    SAME(a, b, source_count);
    for (uint32_t i = 0; i < a->source_count; i++) {
        SAME_TEXT(a, b, sources[i].name);
        SAME_TEXT(a, b, sources[i].topic);
        SAME(a, b, sources[i].aligned);
        SAME(a, b, sources[i].partition_count);
        ENSURE_TEXT(buf_slice(&a->sources[i].schema), buf_slice(&b->sources[i].schema));
    }
    SAME(a, b, partition_count);
    for (uint32_t i = 0; i < a->partition_count; i++) {
        SAME(a, b, partitions[i].source);
        SAME(a, b, partitions[i].partition);
        SAME(a, b, partitions[i].position);
        SAME(a, b, partitions[i].newest_ms);
        SAME(a, b, partitions[i].watermark_ms);
        SAME(a, b, partitions[i].clock_ms);
        SAME(a, b, partitions[i].last_offset);
        SAME(a, b, partitions[i].last_hash);
    }
    SAME(a, b, times_count);
    for (uint32_t i = 0; i < a->times_count; i++) {
        SAME(a, b, times[i].source);
        SAME(a, b, times[i].group);
        SAME(a, b, times[i].watermark_ms);
        SAME(a, b, times[i].clock_ms);
        SAME(a, b, times[i].release_ms);
    }
    SAME(a, b, file_count);
    for (uint32_t i = 0; i < a->file_count; i++) {
        SAME_TEXT(a, b, files[i].name);
        SAME(a, b, files[i].bytes);
        SAME(a, b, files[i].hash);
    }
}

static void what_was_saved_is_loaded(void **state)
{
    (void)state;
    for (FIRST_SEED; MORE_SEEDS(500); NEXT_SEED) {
        struct manifest manifest;
        struct manifest loaded;
        struct buf bytes = {0};
        struct buf again = {0};

        random_manifest(&manifest);
        manifest_save(&manifest, &bytes);
        ENSURE_INT(manifest_load(buf_slice(&bytes), &loaded), 0);
        manifests_are_equal(&manifest, &loaded);
        manifest_save(&loaded, &again);
        ENSURE_TEXT(buf_slice(&again), buf_slice(&bytes));
        manifest_done(&manifest);
        manifest_done(&loaded);
        buf_free(&bytes);
        buf_free(&again);
    }
}

static void torn_and_changed_ones_are_refused(void **state)
{
    (void)state;
    for (FIRST_SEED; MORE_SEEDS(10); NEXT_SEED) {
        struct manifest manifest;
        struct manifest loaded;
        struct buf bytes = {0};

        random_manifest(&manifest);
        manifest_save(&manifest, &bytes);
        struct guarded guarded = guarded_create(bytes.len + 1);
        for (size_t len = 0; len < bytes.len; len++) {
            struct slice torn = guarded_copy(&guarded, (struct slice){bytes.data, len});

            ENSURE_INT(manifest_load(torn, &loaded), -EBADMSG);
        }
        for (size_t i = 0; i < bytes.len; i++) {
            char flip = (char)(1 << random_below(8));

            bytes.data[i] ^= flip;
            ENSURE_INT(manifest_load(buf_slice(&bytes), &loaded), -EBADMSG);
            bytes.data[i] ^= flip;
        }
        buf_append_char(&bytes, '\0');
        ENSURE_INT(manifest_load(guarded_copy(&guarded, buf_slice(&bytes)), &loaded), -EBADMSG);
        guarded_free(&guarded);
        manifest_done(&manifest);
        buf_free(&bytes);
    }
}

/* Puts the right hash behind what was changed. */
static void hash_again(struct buf *bytes)
{
    bytes->len -= 2 * PACK_WORD;
    struct hash128 hash = hash128(buf_slice(bytes), 0);

    pack_word(bytes, hash.low);
    pack_word(bytes, hash.high);
}

/* With the right hash the content still has to be one. */
static void torn_ones_with_a_right_hash_are_refused(void **state)
{
    (void)state;
    for (FIRST_SEED; MORE_SEEDS(10); NEXT_SEED) {
        struct manifest manifest;
        struct manifest loaded;
        struct buf bytes = {0};

        random_manifest(&manifest);
        manifest_save(&manifest, &bytes);
        while (bytes.len > 2 * PACK_WORD) {
            bytes.len--;
            hash_again(&bytes);
            ENSURE_INT(manifest_load(buf_slice(&bytes), &loaded), -EBADMSG);
        }
        manifest_done(&manifest);
        buf_free(&bytes);
    }
}

static void another_version_is_told_apart(void **state)
{
    struct manifest manifest;
    struct manifest loaded;
    struct buf bytes = {0};

    (void)state;
    random_begin(1);
    random_manifest(&manifest);
    manifest_save(&manifest, &bytes);
    bytes.data[8]++;
    assert_int_equal(manifest_load(buf_slice(&bytes), &loaded), -EBADMSG);
    hash_again(&bytes);
    assert_int_equal(manifest_load(buf_slice(&bytes), &loaded), -ENOTSUP);
    manifest_done(&manifest);
    buf_free(&bytes);
}

/* Saves it as it is, and tells what loading says. */
static int verdict(struct manifest *manifest)
{
    struct manifest loaded;
    struct buf bytes = {0};

    manifest_save(manifest, &bytes);
    int error = manifest_load(buf_slice(&bytes), &loaded);
    if (!error)
        manifest_done(&loaded);
    buf_free(&bytes);
    return error;
}

static void begin_small(struct manifest *manifest)
{
    manifest_init(manifest, "p", "g", "i");
    checkpoint_id_make(1, manifest->id);
    manifest_add_source(manifest, "s", "t", true, 1, SLICE_LITERAL(""));
}

static void what_makes_no_sense_is_refused(void **state)
{
    const struct manifest_partition partitions[] = {
        {.source = 1},
        {.partition = -1},
        {.position = -1},
        {.last_offset = -2},
    };
    const struct manifest_times times[] = {{.source = 1}, {.group = -2}};
    static const char *const files[] = {"", ".", "..", ".x", "a/b", "/etc/passwd", "../x"};
    struct manifest manifest;

    (void)state;
    begin_small(&manifest);
    assert_int_equal(verdict(&manifest), 0);
    manifest_add_partition(&manifest, &(struct manifest_partition){0});
    assert_int_equal(verdict(&manifest), 0);
    manifest_add_partition(&manifest, &(struct manifest_partition){0}); /* twice */
    assert_int_equal(verdict(&manifest), -EBADMSG);
    manifest_done(&manifest);
    for (size_t i = 0; i < ARRAY_LEN(partitions); i++) {
        begin_small(&manifest);
        manifest_add_partition(&manifest, &partitions[i]);
        assert_int_equal(verdict(&manifest), -EBADMSG);
        manifest_done(&manifest);
    }
    for (size_t i = 0; i < ARRAY_LEN(times); i++) {
        begin_small(&manifest);
        manifest_add_times(&manifest, &times[i]);
        assert_int_equal(verdict(&manifest), -EBADMSG);
        manifest_done(&manifest);
    }
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        char name[16];

        begin_small(&manifest);
        strcpy(name, files[i]);
        manifest_add_file(&manifest, &(struct manifest_file){.name = name});
        assert_int_equal(verdict(&manifest), -EBADMSG);
        manifest_done(&manifest);
    }
    begin_small(&manifest);
    manifest_add_source(&manifest, "s", "other", true, 1, SLICE_LITERAL(""));
    assert_int_equal(verdict(&manifest), -EBADMSG);
    manifest_done(&manifest);
    begin_small(&manifest);
    manifest.id[3] = 'x';
    assert_int_equal(verdict(&manifest), -EBADMSG);
    manifest_done(&manifest);
    begin_small(&manifest);
    manifest_set_savepoint(&manifest, "../../etc");
    assert_int_equal(verdict(&manifest), -EBADMSG);
    manifest_done(&manifest);
}

static const struct json_value *member(const struct json_value *object, const char *name)
{
    const struct json_value *value = json_member(object, slice_of(name));

    ENSURE(value);
    return value;
}

static int64_t number(const struct json_value *object, const char *name)
{
    return strtoll(member(object, name)->raw.data, NULL, 10);
}

static void as_json_it_says_the_same(void **state)
{
    (void)state;
    for (FIRST_SEED; MORE_SEEDS(100); NEXT_SEED) {
        struct manifest manifest;
        struct buf text = {0};

        random_manifest(&manifest);
        manifest_json(&manifest, &text);
        struct json_value *json = json_value_of(buf_slice(&text));
        ENSURE(json && json->kind == VALUE_OBJECT);
        ENSURE_TEXT(json_string(member(json, "id")), slice_of(manifest.id));
        ENSURE_INT(number(json, "created_ms"), manifest.created_ms);
        ENSURE_INT(member(json, "sources")->count, manifest.source_count);
        ENSURE_INT(member(json, "partitions")->count, manifest.partition_count);
        ENSURE_INT(member(json, "times")->count, manifest.times_count);
        ENSURE_INT(member(json, "files")->count, manifest.file_count);
        ENSURE((member(json, "output")->kind == VALUE_NULL) == !manifest.output.present);
        for (uint32_t i = 0; i < manifest.partition_count; i++) {
            const struct json_value *partition = member(json, "partitions")->items[i];

            ENSURE_INT(number(partition, "position"), manifest.partitions[i].position);
            ENSURE_INT(number(partition, "watermark_ms"), manifest.partitions[i].watermark_ms);
            ENSURE_INT(strtoull(member(partition, "last_hash")->raw.data, NULL, 16),
                       manifest.partitions[i].last_hash);
        }
        json_value_free(json);
        buf_reset(&text);
        manifest_print(&manifest, &text);
        ENSURE(strstr(buf_string(&text), manifest.id));
        manifest_done(&manifest);
        buf_free(&text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_is_a_time_and_64_bits),
        cmocka_unit_test(ids_sort_by_time_and_differ),
        cmocka_unit_test(other_names_are_no_ids),
        cmocka_unit_test(half_made_names_tell_their_maker),
        cmocka_unit_test(savepoint_names),
        cmocka_unit_test(what_was_saved_is_loaded),
        cmocka_unit_test(torn_and_changed_ones_are_refused),
        cmocka_unit_test(torn_ones_with_a_right_hash_are_refused),
        cmocka_unit_test(another_version_is_told_apart),
        cmocka_unit_test(what_makes_no_sense_is_refused),
        cmocka_unit_test(as_json_it_says_the_same),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
