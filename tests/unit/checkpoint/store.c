/* The work store against a sorted list: blocks, look-ups, drops, freezing, chains of checkpoints
 * and restarts from them. */
#include "world.h"

static struct state_dir *dir;
static struct store *store;
static struct oracle oracle;

static int set_up(void **state)
{
    (void)state;
    world_begin();
    MUST(state_dir_open(below("state"), &dir, &err));
    MUST(store_open(dir, NULL, &store, &err));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    store_close(store);
    store = NULL;
    oracle_free(&oracle);
    state_dir_close(dir);
    dir = NULL;
    world_end();
    return 0;
}

/* Every key that may be there, and some that may not. */
static void lookups_equal_the_oracle(void)
{
    enum { COUNT = 40 };
    struct buf keys[COUNT] = {0};
    struct buf value = {0};

    for (int i = 0; i < COUNT; i++) {
        uint32_t source = (uint32_t)random_below(WORLD_SOURCES);

        random_key(&keys[i]);
        const struct oracle_entry *entry = oracle_find(&oracle, source, buf_slice(&keys[i]));
        struct err err;
        int error = store_get(store, world_hash(source), buf_slice(&keys[i]), &value, &err);

        ENSURE_INT(error, entry ? 0 : -ENOENT);
        if (entry)
            ENSURE_TEXT(buf_slice(&value), buf_slice(&entry->value));
        buf_free(&keys[i]);
    }
    buf_free(&value);
}

struct many {
    const struct slice *keys;
    uint32_t source;
    uint32_t next;
};

static void take_value(void *context, uint32_t number, struct slice value)
{
    struct many *many = context;
    const struct oracle_entry *entry = oracle_find(&oracle, many->source, many->keys[number]);

    ENSURE_INT(number, many->next);
    many->next++;
    ENSURE((entry != NULL) == (value.data != NULL));
    if (entry)
        ENSURE_TEXT(value, buf_slice(&entry->value));
}

static void many_lookups_equal_the_oracle(void)
{
    struct buf keys[64] = {0};
    struct slice slices[64];
    uint32_t count = (uint32_t)random_below(65);
    struct many many = {.keys = slices, .source = (uint32_t)random_below(WORLD_SOURCES)};

    for (uint32_t i = 0; i < count; i++) {
        random_key(&keys[i]);
        slices[i] = buf_slice(&keys[i]);
    }
    MUST(store_get_many(store, world_hash(many.source), slices, count, take_value, &many, &err));
    ENSURE_INT(many.next, count);
    for (uint32_t i = 0; i < count; i++)
        buf_free(&keys[i]);
}

static bool is_in_group(struct slice key, uint32_t group)
{
    return group_of(key) == group;
}

static bool is_image(struct slice key, uint32_t group)
{
    (void)group;
    return key.data[4] == 'r';
}

static bool is_any(struct slice key, uint32_t group)
{
    (void)key;
    (void)group;
    return true;
}

static void drop_something(void)
{
    uint32_t source = (uint32_t)random_below(WORLD_SOURCES);
    uint32_t group = world_groups[random_below(ARRAY_LEN(world_groups))];

    switch (random_below(8)) {
    case 0:
        MUST(store_drop_source(store, world_hash(source), &err));
        oracle_drop(&oracle, source, is_any, 0);
        break;
    case 1:
    case 2:
    case 3:
        MUST(store_drop_images(store, world_hash(source), &err));
        oracle_drop(&oracle, source, is_image, 0);
        break;
    default:
        MUST(store_drop_group(store, world_hash(source), group, &err));
        oracle_drop(&oracle, source, is_in_group, group);
    }
}

static void change_at_random(void)
{
    size_t steps = random_below(12);

    for (size_t i = 0; i < steps; i++) {
        if (random_chance(25))
            drop_something();
        else
            write_random(store, &oracle, (uint32_t)random_below(WORLD_SOURCES));
    }
}

static void what_was_written_is_found_and_frozen(void **state)
{
    (void)state;
    for (FIRST_SEED; MORE_SEEDS(20); NEXT_SEED) {
        char id[CHECKPOINT_ID_SIZE];

        change_at_random();
        lookups_equal_the_oracle();
        many_lookups_equal_the_oracle();
        freeze(store, id);
        checkpoint_holds(dir, id, &oracle);
        lookups_equal_the_oracle();
        many_lookups_equal_the_oracle();
    }
}

#define CHAIN 12

static void restart_from(const char *id)
{
    struct checkpoint *from;

    MUST(checkpoint_open(dir, id, &from, &err));
    store_close(store);
    store = NULL;
    MUST(store_open(dir, from, &store, &err));
    checkpoint_close(from);
}

/* A chain of checkpoints, with restarts from any of them: each goes on holding what it held. */
static void chains_of_checkpoints_hold_what_each_held(void **state)
{
    (void)state;
    for (FIRST_SEED; MORE_SEEDS(4); NEXT_SEED) {
        struct oracle held[CHAIN];
        char ids[CHAIN][CHECKPOINT_ID_SIZE];

        for (int i = 0; i < CHAIN; i++) {
            change_at_random();
            freeze(store, ids[i]);
            oracle_copy(&oracle, &held[i]);
            if (random_chance(40)) {
                size_t back = random_below((uint64_t)i + 1);

                change_at_random(); /* lost */
                restart_from(ids[back]);
                oracle_free(&oracle);
                oracle_copy(&held[back], &oracle);
                lookups_equal_the_oracle();
            }
            if (random_chance(10)) {
                MUST(store_reset(store, &err));
                oracle_free(&oracle);
            }
        }
        for (int i = 0; i < CHAIN; i++) {
            checkpoint_holds(dir, ids[i], &held[i]);
            oracle_free(&held[i]);
        }
    }
}

static void a_manifest_says_what_was_written(void **state)
{
    struct manifest manifest;
    struct buf block = {0};
    struct buf key = {0};
    char first[CHECKPOINT_ID_SIZE];

    (void)state;
    key_of(&key, 3, 'k', SLICE_LITERAL("anna"));
    block_add(&block, buf_slice(&key), SLICE_LITERAL("0123456789"));
    block_add(&block, buf_slice(&key), SLICE_NONE);
    MUST(store_write(store, 1, buf_slice(&block), &err));
    MUST(store_write(store, 1, buf_slice(&block), &err));
    world_manifest(&manifest);
    manifest.keys = 77;
    MUST(store_freeze(store, &manifest, NULL, &err));
    assert_int_equal(manifest.entries_written, 4);
    assert_int_equal(manifest.bytes_written, 2 * (9 + 10 + 9));
    assert_string_equal(manifest.parent, "");
    assert_string_equal(manifest.version, FRESHET_VERSION);
    assert_true(checkpoint_id_is_valid(manifest.id));
    strcpy(first, manifest.id);

    MUST(store_freeze(store, &manifest, NULL, &err));
    assert_int_equal(manifest.entries_written, 0);
    assert_int_equal(manifest.bytes_written, 0);
    assert_string_equal(manifest.parent, first);
    assert_true(strcmp(manifest.id, first) > 0);
    manifest_done(&manifest);

    struct checkpoint *checkpoint;
    MUST(checkpoint_open(dir, first, &checkpoint, &err));
    assert_int_equal(checkpoint_manifest(checkpoint)->keys, 77);
    assert_int_equal(manifest_partition(checkpoint_manifest(checkpoint), 1, 2)->position, 102);
    assert_null(manifest_partition(checkpoint_manifest(checkpoint), 0, 2));
    checkpoint_close(checkpoint);
    buf_free(&block);
    buf_free(&key);
}

/* Tables are shared with the checkpoint before, not written again. */
static void an_unchanged_checkpoint_shares_all_tables(void **state)
{
    struct catalog catalog;
    char id[CHECKPOINT_ID_SIZE];

    (void)state;
    random_begin(1);
    for (int i = 0; i < 3; i++) {
        write_random(store, &oracle, 0);
        freeze(store, id);
    }
    for (int i = 0; i < 3; i++)
        freeze(store, id);
    MUST(catalog_list(dir, &catalog, &err));
    assert_int_equal(catalog.count, 6);
    const struct manifest *newest = &catalog.entries[0].manifest;
    for (uint32_t i = 0; i < newest->file_count; i++) {
        const char *name = newest->files[i].name;
        struct stat status;

        if (!strstr(name, ".sst"))
            continue;
        assert_int_equal(stat(below("state/checkpoints/%s/db/%s", id, name), &status), 0);
        assert_true(status.st_nlink >= 5); /* four checkpoints and the store */
    }
    catalog_free(&catalog);
}

static void refuses(struct slice block)
{
    char *exact = malloc(block.len + 1);

    CHECK(exact);
    memcpy(exact, block.data, block.len);
    MUST_FAIL(store_write(store, 1, (struct slice){exact, block.len}, &err), -EBADMSG, "block");
    free(exact);
}

static void malformed_blocks_are_refused_whole(void **state)
{
    struct buf block = {0};
    struct buf key = {0};
    char id[CHECKPOINT_ID_SIZE];

    (void)state;
    key_of(&key, 1, 'k', SLICE_LITERAL("bob"));
    block_add(&block, buf_slice(&key), SLICE_LITERAL("value"));
    size_t first = block.len;
    block_add(&block, buf_slice(&key), SLICE_NONE);
    size_t second = block.len;
    for (size_t len = 1; len < second; len++) {
        if (len != first)
            refuses((struct slice){block.data, len});
    }
    static const char *const others[] = {
        "\0\0\0\0\0\0\0\0",                 /* no key */
        "\4\0\0\0\0\0\0\0\0\0\0\1",         /* no kind */
        "\5\0\0\0\0\0\0\0\0\0\0\1x",        /* no such kind */
        "\xff\xff\xff\xff\0\0\0\0\0\0\0\1", /* a key longer than the block */
        "\5\0\0\0\xfe\xff\xff\xff\0\0\0\1k" /* a value longer than the block */
    };
    static const size_t lens[] = {8, 12, 13, 12, 13};
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        block.len = first; /* behind a good entry, which must not be taken */
        buf_append(&block, others[i], lens[i]);
        refuses(buf_slice(&block));
        refuses((struct slice){others[i], lens[i]});
    }
    MUST(store_write(store, 1, SLICE_LITERAL(""), &err));
    freeze(store, id);
    checkpoint_holds(dir, id, &oracle); /* nothing */
    buf_free(&block);
    buf_free(&key);
}

static void dropping_images_leaves_a_trace_only_if_there_are_any(void **state)
{
    struct manifest first;
    struct manifest second;

    (void)state;
    random_begin(5);
    struct buf block = {0};
    struct buf key = {0};
    key_of(&key, 1, 'k', SLICE_LITERAL("bob"));
    block_add(&block, buf_slice(&key), SLICE_LITERAL("value"));
    MUST(store_write(store, 1, buf_slice(&block), &err));
    world_manifest(&first);
    world_manifest(&second);
    MUST(store_freeze(store, &first, NULL, &err));
    MUST(store_drop_images(store, 1, &err));
    MUST(store_freeze(store, &second, NULL, &err));
    assert_int_equal(first.file_count, second.file_count);

    key.data[4] = 'r';
    buf_reset(&block);
    block_add(&block, buf_slice(&key), SLICE_LITERAL("image"));
    MUST(store_write(store, 1, buf_slice(&block), &err));
    MUST(store_drop_images(store, 1, &err));
    MUST_FAIL(store_get(store, 1, buf_slice(&key), &block, &err), -ENOENT, "no such key");
    key.data[4] = 'k';
    MUST(store_get(store, 1, buf_slice(&key), &block, &err));
    ENSURE_TEXT(buf_slice(&block), SLICE_LITERAL("value"));
    manifest_done(&first);
    manifest_done(&second);
    buf_free(&block);
    buf_free(&key);
}

static int stop_at_third(void *context, struct slice key, struct slice value)
{
    (void)key;
    (void)value;
    return ++*(int *)context == 3 ? -ECANCELED : 0;
}

static void a_reader_may_stop(void **state)
{
    char id[CHECKPOINT_ID_SIZE];
    struct checkpoint *checkpoint;
    int seen = 0;
    struct err why;

    (void)state;
    random_begin(9);
    while (count_of(&oracle, 0, NULL) < 10)
        write_random(store, &oracle, 0);
    freeze(store, id);
    MUST(checkpoint_open(dir, id, &checkpoint, &err));
    assert_int_equal(checkpoint_read_all(checkpoint, world_hash(0), stop_at_third, &seen, &why),
                     -ECANCELED);
    assert_int_equal(seen, 3);
    checkpoint_close(checkpoint);
}

static void stats_tell_of_memory_and_disk(void **state)
{
    struct store_stats stats;
    char id[CHECKPOINT_ID_SIZE];

    (void)state;
    random_begin(3);
    while (count_of(&oracle, 1, NULL) < 100)
        write_random(store, &oracle, 1);
    store_stats(store, &stats);
    assert_true(stats.entries_written >= 100 && stats.bytes_written > 1000);
    assert_true(stats.memory_bytes > 1000);
    freeze(store, id);
    store_stats(store, &stats);
    assert_int_equal(stats.entries_written, 0);
    assert_true(stats.disk_bytes > 1000);
}

int main(void)
{
#define STORE_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        STORE_TEST(what_was_written_is_found_and_frozen),
        STORE_TEST(chains_of_checkpoints_hold_what_each_held),
        STORE_TEST(a_manifest_says_what_was_written),
        STORE_TEST(an_unchanged_checkpoint_shares_all_tables),
        STORE_TEST(malformed_blocks_are_refused_whole),
        STORE_TEST(dropping_images_leaves_a_trace_only_if_there_are_any),
        STORE_TEST(a_reader_may_stop),
        STORE_TEST(stats_tell_of_memory_and_disk),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
