/* The catalog: listing, falling back, retention, savepoints, the mark of what was published. */
#include "world.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>

static struct state_dir *dir;
static struct store *store;
static struct oracle oracle;

static const struct catalog_owner owner = {"pipeline", "group", "instance"};

static int set_up(void **state)
{
    (void)state;
    world_begin();
    random_begin(1);
    MUST(state_dir_open(below("state"), &dir, &err));
    MUST(store_open(dir, NULL, &store, &err));
    write_random(store, &oracle, 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    store_close(store);
    oracle_free(&oracle);
    state_dir_close(dir);
    world_end();
    return 0;
}

static void freeze_as(const char *instance, const char *savepoint, char ret_id[CHECKPOINT_ID_SIZE])
{
    struct manifest manifest;

    manifest_init(&manifest, "pipeline", "group", instance);
    if (savepoint)
        manifest_set_savepoint(&manifest, savepoint);
    write_random(store, &oracle, 0);
    MUST(store_freeze(store, &manifest, NULL, &err));
    strcpy(ret_id, manifest.id);
    manifest_done(&manifest);
}

/* It was in force. */
static void publish(const char *id)
{
    struct checkpoint *checkpoint;

    MUST(checkpoint_open(dir, id, &checkpoint, &err));
    MUST(checkpoint_mark_published(checkpoint, &err));
    checkpoint_close(checkpoint);
}

static bool is_there(const char *id)
{
    return access(below("state/checkpoints/%s/manifest", id), F_OK) == 0;
}

static size_t count_in(const char *folder)
{
    DIR *handle = opendir(below("state/%s", folder));
    size_t count = 0;

    assert_non_null(handle);
    while (readdir(handle))
        count++;
    closedir(handle);
    return count - 2;
}

static void tear(const char *id, const char *file, off_t length)
{
    assert_int_equal(truncate(below("state/checkpoints/%s/%s", id, file), length), 0);
}

static void all_are_listed_newest_first(void **state)
{
    char ids[5][CHECKPOINT_ID_SIZE];
    struct catalog catalog;

    (void)state;
    MUST(catalog_list(dir, &catalog, &err));
    assert_int_equal(catalog.count, 0);
    catalog_free(&catalog);
    for (int i = 0; i < 5; i++)
        freeze_as(i == 1 ? "other" : "instance", i == 3 ? "by-name" : NULL, ids[i]);
    tear(ids[2], "manifest", 20);
    /* What is no checkpoint is not listed. */
    mkdir(below("state/checkpoints/lost+found"), 0755);
    mkdir(below("state/checkpoints/%s.1-0123456789abcdef.tmp", ids[0]), 0755);

    MUST(catalog_list(dir, &catalog, &err));
    assert_int_equal(catalog.count, 5);
    for (int i = 0; i < 5; i++) {
        const struct catalog_entry *entry = &catalog.entries[4 - i];

        assert_string_equal(entry->id, ids[i]);
        assert_int_equal(entry->error, i == 2 ? -EBADMSG : 0);
        if (i == 2) {
            assert_non_null(strstr(entry->error_text, ids[2]));
            assert_non_null(strstr(entry->error_text, "manifest"));
            continue;
        }
        assert_string_equal(entry->manifest.instance, i == 1 ? "other" : "instance");
        if (i == 3)
            assert_string_equal(entry->name, "by-name");
        else
            assert_null(entry->name);
    }
    catalog_free(&catalog);
}

static void falls_back_to(const char *before, const char *id)
{
    struct checkpoint *checkpoint;

    MUST(catalog_fallback(dir, &owner, before, &checkpoint, &err));
    assert_string_equal(checkpoint_manifest(checkpoint)->id, id);
    MUST(checkpoint_verify(checkpoint, &err));
    checkpoint_close(checkpoint);
}

static void the_newest_earlier_one_that_verifies_is_found(void **state)
{
    char ids[6][CHECKPOINT_ID_SIZE];
    struct checkpoint *checkpoint;

    (void)state;
    for (int i = 0; i < 6; i++) {
        freeze_as(i == 3 ? "other" : "instance", NULL, ids[i]);
        if (i != 4)
            publish(ids[i]);
    }
    falls_back_to(ids[5], ids[2]); /* what was never committed is passed over */
    publish(ids[4]);
    falls_back_to(ids[5], ids[4]);
    falls_back_to(ids[4], ids[2]); /* another's are passed over */
    tear(ids[4], "db/CURRENT", 3);
    falls_back_to(ids[5], ids[2]);
    tear(ids[2], "manifest", 0);
    falls_back_to(ids[5], ids[1]);
    unlink(below("state/checkpoints/%s/db/CURRENT", ids[1]));
    falls_back_to(ids[5], ids[0]);
    unlink(below("state/checkpoints/%s/db/CURRENT", ids[0]));
    MUST_FAIL(catalog_fallback(dir, &owner, ids[5], &checkpoint, &err), -ENOENT, ids[5]);
    MUST_FAIL(catalog_fallback(dir, &owner, ids[5], &checkpoint, &err), -ENOENT, ids[4]);
    MUST_FAIL(catalog_fallback(dir, &owner, ids[5], &checkpoint, &err), -ENOENT,
              "db/CURRENT is missing");
    MUST_FAIL(catalog_fallback(dir, &owner, "", &checkpoint, &err), -ENOENT, "no checkpoint");
}

static void what_was_given_up_for_an_older_one_is_passed_over(void **state)
{
    char ids[4][CHECKPOINT_ID_SIZE];
    struct checkpoint *older;

    (void)state;
    for (int i = 0; i < 4; i++) {
        freeze_as("instance", NULL, ids[i]);
        publish(ids[i]);
        if (i != 2)
            continue;
        store_close(store);
        MUST(checkpoint_open(dir, ids[0], &older, &err));
        MUST(store_open(dir, older, &store, &err));
        checkpoint_close(older);
    }
    falls_back_to(ids[3], ids[0]);
    falls_back_to(ids[2], ids[1]);
}

static size_t retain(uint32_t count, const char *const *keep, size_t keep_count)
{
    size_t removed;

    MUST(catalog_retain(dir, &owner, count, keep, keep_count, &removed, &err));
    return removed;
}

static void the_newest_the_named_and_others_stay(void **state)
{
    char ids[10][CHECKPOINT_ID_SIZE];

    (void)state;
    for (int i = 0; i < 10; i++)
        freeze_as(i == 2 ? "other" : "instance", i == 4 ? "kept" : NULL, ids[i]);
    const char *keep[] = {ids[1], "20261121T141530.123Z-7f3a9c1e2b4d5f60"};
    assert_int_equal(retain(3, keep, 2), 4);
    static const bool stays[10] = {
        [1] = true, [2] = true, [4] = true, [7] = true, [8] = true, [9] = true};
    for (int i = 0; i < 10; i++)
        assert_int_equal(is_there(ids[i]), stays[i]);
    assert_int_equal(retain(3, keep, 2), 0);
    assert_int_equal(retain(3, NULL, 0), 1);
    assert_false(is_there(ids[1]));
    assert_int_equal(retain(0, NULL, 0), 3);
    assert_true(is_there(ids[2]) && is_there(ids[4]));
    assert_int_equal(count_in("checkpoints"), 2); /* another's, and the savepoint's link */
    freeze_as("instance", NULL, ids[0]);
    checkpoint_holds(dir, ids[0], &oracle);
}

static void what_is_open_stays(void **state)
{
    char first[CHECKPOINT_ID_SIZE];
    char second[CHECKPOINT_ID_SIZE];
    struct checkpoint *reading;

    (void)state;
    freeze_as("instance", NULL, first);
    struct oracle held;
    oracle_copy(&oracle, &held);
    freeze_as("instance", NULL, second);
    MUST(checkpoint_open(dir, first, &reading, &err));
    assert_int_equal(retain(1, NULL, 0), 0);
    assert_true(is_there(first));
    checkpoint_equals(reading, &held);
    checkpoint_close(reading);
    assert_int_equal(retain(1, NULL, 0), 1);
    assert_false(is_there(first));
    assert_true(is_there(second));
    oracle_free(&held);
}

static void a_damaged_manifest_is_nobodys_to_remove(void **state)
{
    char ids[3][CHECKPOINT_ID_SIZE];

    (void)state;
    for (int i = 0; i < 3; i++)
        freeze_as("instance", NULL, ids[i]);
    tear(ids[0], "manifest", 10);
    assert_int_equal(retain(1, NULL, 0), 1);
    assert_true(is_there(ids[0]) && is_there(ids[2]));
    assert_false(is_there(ids[1]));
}

static void a_savepoint_has_a_name_and_an_id(void **state)
{
    struct checkpoint *checkpoint;
    struct manifest manifest;
    char id[CHECKPOINT_ID_SIZE];

    (void)state;
    freeze_as("instance", "before-upgrade", id);
    checkpoint_holds(dir, id, &oracle);
    checkpoint_holds(dir, "before-upgrade", &oracle);
    MUST(checkpoint_open(dir, "before-upgrade", &checkpoint, &err));
    assert_string_equal(checkpoint_manifest(checkpoint)->id, id);
    assert_string_equal(checkpoint_manifest(checkpoint)->savepoint, "before-upgrade");
    checkpoint_close(checkpoint);

    manifest_init(&manifest, "pipeline", "group", "instance");
    manifest_set_savepoint(&manifest, "before-upgrade");
    MUST_FAIL(store_freeze(store, &manifest, NULL, &err), -EEXIST,
              "there is a savepoint before-upgrade");
    manifest_set_savepoint(&manifest, "../x");
    MUST_FAIL(store_freeze(store, &manifest, NULL, &err), -EINVAL, "\"../x\"");
    manifest_set_savepoint(&manifest, "");
    MUST(store_freeze(store, &manifest, NULL, &err));
    manifest_done(&manifest);
    checkpoint_holds(dir, id, &oracle);
    assert_int_equal(count_in("savepoints"), 1);
    assert_int_equal(count_in("checkpoints"), 2);
}

/* Copied from another state.dir, without the link: by name, by id, by path. */
static void a_copied_savepoint_is_found(void **state)
{
    struct state_dir *other;
    struct checkpoint *checkpoint;
    char id[CHECKPOINT_ID_SIZE];
    char command[2048];

    (void)state;
    freeze_as("instance", "moved", id);
    MUST(state_dir_open(below("other"), &other, &err));
    snprintf(command, sizeof(command), "cp -r %s %s", below("state/savepoints/moved"),
             below("other/savepoints/renamed"));
    assert_int_equal(system(command), 0);
    checkpoint_holds(other, id, &oracle);
    checkpoint_holds(other, "renamed", &oracle);
    MUST(checkpoint_open_path(below("other/savepoints/renamed"), &checkpoint, &err));
    checkpoint_equals(checkpoint, &oracle);
    checkpoint_close(checkpoint);
    state_dir_close(other);

    /* Somebody removed it: its id is gone too, and nothing trips over the link. */
    struct catalog catalog;
    snprintf(command, sizeof(command), "rm -r %s", below("state/savepoints/moved"));
    assert_int_equal(system(command), 0);
    MUST_FAIL(checkpoint_open(dir, id, &checkpoint, &err), -ENOENT, id);
    MUST(catalog_list(dir, &catalog, &err));
    assert_int_equal(catalog.count, 0);
    catalog_free(&catalog);
    assert_int_equal(retain(0, NULL, 0), 0);
}

static void published_is_said_once_and_kept(void **state)
{
    struct checkpoint *checkpoint;
    struct catalog catalog;
    char id[CHECKPOINT_ID_SIZE];

    (void)state;
    freeze_as("instance", NULL, id);
    MUST(checkpoint_open(dir, id, &checkpoint, &err));
    assert_false(checkpoint_published(checkpoint));
    MUST(checkpoint_mark_published(checkpoint, &err));
    MUST(checkpoint_mark_published(checkpoint, &err));
    assert_true(checkpoint_published(checkpoint));
    MUST(checkpoint_verify(checkpoint, &err));
    checkpoint_close(checkpoint);
    MUST(checkpoint_open(dir, id, &checkpoint, &err));
    assert_true(checkpoint_published(checkpoint));
    checkpoint_close(checkpoint);
    MUST(catalog_list(dir, &catalog, &err));
    assert_true(catalog.entries[0].is_published);
    catalog_free(&catalog);
}

static void pending_rows_are_in_the_checkpoint(void **state)
{
    static const char rows[] = "{\"view\":\"v\"}\n";
    struct manifest manifest;
    struct checkpoint *checkpoint;
    char got[64] = {0};
    int fd = open(below("rows"), O_WRONLY | O_CREAT, 0644);

    (void)state;
    assert_int_equal(write(fd, rows, sizeof(rows) - 1), sizeof(rows) - 1);
    close(fd);
    manifest_init(&manifest, "pipeline", "group", "instance");
    manifest_set_output(&manifest, "/data/rows.ndjson", 12345);
    MUST(store_freeze(store, &manifest, below("rows"), &err));
    assert_int_equal(manifest.output.rows_bytes, sizeof(rows) - 1);
    unlink(below("rows"));
    MUST(checkpoint_open(dir, manifest.id, &checkpoint, &err));
    fd = open(checkpoint_rows(checkpoint), O_RDONLY);
    assert_int_equal(read(fd, got, sizeof(got)), sizeof(rows) - 1);
    close(fd);
    assert_string_equal(got, rows);
    assert_int_equal(checkpoint_manifest(checkpoint)->output.length_before, 12345);
    assert_string_equal(checkpoint_manifest(checkpoint)->output.path, "/data/rows.ndjson");
    checkpoint_close(checkpoint);

    /* The next one has none. */
    MUST(store_freeze(store, &manifest, NULL, &err));
    MUST(checkpoint_open(dir, manifest.id, &checkpoint, &err));
    assert_null(checkpoint_rows(checkpoint));
    assert_int_equal(checkpoint_manifest(checkpoint)->output.rows_bytes, 0);
    checkpoint_close(checkpoint);
    MUST_FAIL(store_freeze(store, &manifest, below("no-such-rows"), &err), -ENOENT, "rows");
    assert_int_equal(count_in("checkpoints"), 2);
    manifest_done(&manifest);
}

#define READERS 4

struct reader {
    struct checkpoint *checkpoint;
    pthread_t thread;
    size_t seen;
};

static int count_entry(void *context, struct slice key, struct slice value)
{
    struct reader *reader = context;

    (void)key;
    (void)value;
    reader->seen++;
    return 0;
}

static void *read_all(void *context)
{
    struct reader *reader = context;

    for (int round = 0; round < 10; round++) {
        for (size_t i = 0; i < ARRAY_LEN(world_groups); i++) {
            struct err err;

            if (checkpoint_read(reader->checkpoint, world_hash(0), world_groups[i], count_entry,
                                reader, &err))
                return NULL;
        }
    }
    return NULL;
}

static void several_threads_read_at_once(void **state)
{
    struct reader readers[READERS];
    struct checkpoint *checkpoint;
    char id[CHECKPOINT_ID_SIZE];

    (void)state;
    for (int i = 0; i < 20; i++)
        write_random(store, &oracle, 0);
    freeze(store, id);
    MUST(checkpoint_open(dir, id, &checkpoint, &err));
    for (int i = 0; i < READERS; i++) {
        readers[i] = (struct reader){.checkpoint = checkpoint};
        pthread_create(&readers[i].thread, NULL, read_all, &readers[i]);
    }
    for (int i = 0; i < READERS; i++) {
        pthread_join(readers[i].thread, NULL);
        assert_int_equal(readers[i].seen, 10 * oracle.count);
    }
    checkpoint_close(checkpoint);
}

int main(void)
{
#define CATALOG_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CATALOG_TEST(all_are_listed_newest_first),
        CATALOG_TEST(the_newest_earlier_one_that_verifies_is_found),
        CATALOG_TEST(what_was_given_up_for_an_older_one_is_passed_over),
        CATALOG_TEST(the_newest_the_named_and_others_stay),
        CATALOG_TEST(what_is_open_stays),
        CATALOG_TEST(a_damaged_manifest_is_nobodys_to_remove),
        CATALOG_TEST(a_savepoint_has_a_name_and_an_id),
        CATALOG_TEST(a_copied_savepoint_is_found),
        CATALOG_TEST(published_is_said_once_and_kept),
        CATALOG_TEST(pending_rows_are_in_the_checkpoint),
        CATALOG_TEST(several_threads_read_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
