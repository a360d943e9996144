/* Disks that fill up, files that may not grow, folders on other file systems. */
#include "world.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/statvfs.h>

static struct state_dir *dir;
static struct store *store;
static struct oracle oracle;

static int set_up(void **state)
{
    (void)state;
    world_begin();
    random_begin(1);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    store_close(store);
    store = NULL;
    state_dir_close(dir);
    dir = NULL;
    oracle_free(&oracle);
    umount2(below("state/savepoints"), MNT_DETACH);
    umount2(below("state/checkpoints"), MNT_DETACH);
    umount2(below("state"), MNT_DETACH);
    world_end();
    return 0;
}

static void begin(void)
{
    MUST(state_dir_open(below("state"), &dir, &err));
    MUST(store_open(dir, NULL, &store, &err));
}

/* A file system of its own at `path`, seen by this process alone. */
static bool mount_small(const char *path, const char *size)
{
    char options[32];
    static bool is_alone;

    snprintf(options, sizeof(options), "size=%s", size);
    mkdir(path, 0755);
    if (!is_alone) {
        if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL)) {
            print_message("skipped: this user may not mount a file system: %s\n", strerror(errno));
            return false;
        }
        is_alone = true;
    }
    if (mount("tmpfs", path, "tmpfs", 0, options)) {
        print_message("skipped: no file system can be mounted: %s\n", strerror(errno));
        return false;
    }
    return true;
}

/* Takes all but `left` bytes of the file system. */
static void fill_disk(uint64_t left)
{
    struct statvfs status;
    int fd = open(below("state/filler"), O_WRONLY | O_CREAT, 0644);

    assert_true(fd >= 0);
    assert_int_equal(fstatvfs(fd, &status), 0);
    uint64_t room = (uint64_t)status.f_bfree * status.f_frsize;
    assert_true(room > left);
    assert_int_equal(posix_fallocate(fd, 0, (off_t)(room - left)), 0);
    close(fd);
}

static void empty_disk(void)
{
    assert_int_equal(unlink(below("state/filler")), 0);
}

static struct buf random_block(struct oracle *into)
{
    struct buf block = {0};

    for (int i = 0; i < 100; i++) {
        struct buf key = {0};
        struct buf value = {0};

        random_key(&key);
        for (int j = 0; j < 2000; j++)
            buf_append_char(&value, (char)random_next());
        block_add(&block, buf_slice(&key), buf_slice(&value));
        if (into)
            oracle_put(into, 0, buf_slice(&key), buf_slice(&value));
        buf_free(&key);
        buf_free(&value);
    }
    return block;
}

static size_t checkpoint_count(void)
{
    struct catalog catalog;

    MUST(catalog_list(dir, &catalog, &err));
    size_t count = catalog.count;
    catalog_free(&catalog);
    return count;
}

static bool has_half_made(void)
{
    char command[256];

    snprintf(command, sizeof(command), "ls %s %s | grep -q tmp$", below("state/checkpoints"),
             below("state/savepoints"));
    return system(command) == 0;
}

static void a_full_disk_is_survived(void **state)
{
    struct manifest manifest;
    char before[CHECKPOINT_ID_SIZE];
    char after[CHECKPOINT_ID_SIZE];
    struct oracle held;

    (void)state;
    if (!mount_small(below("state"), "256m"))
        skip();
    begin();
    struct buf block = random_block(&oracle);
    MUST(store_write(store, world_hash(0), buf_slice(&block), &err));
    buf_free(&block);
    freeze(store, before);
    oracle_copy(&oracle, &held);

    /* Full: nothing is taken, and nothing is broken by asking. */
    block = random_block(&oracle);
    MUST(store_write(store, world_hash(0), buf_slice(&block), &err));
    buf_free(&block);
    fill_disk(100000);
    block = random_block(NULL);
    world_manifest(&manifest);
    for (int i = 0; i < 3; i++) {
        MUST_FAIL(store_write(store, world_hash(0), buf_slice(&block), &err), -ENOSPC,
                  "No space left on device: 0 MiB are free");
        MUST_FAIL(store_freeze(store, &manifest, NULL, &err), -ENOSPC, below("state"));
        assert_false(store_is_broken(store));
    }
    buf_free(&block);
    assert_int_equal(checkpoint_count(), 1);
    assert_false(has_half_made());
    checkpoint_holds(dir, before, &held);

    /* Room again: at once. */
    empty_disk();
    block = random_block(&oracle);
    MUST(store_write(store, world_hash(0), buf_slice(&block), &err));
    buf_free(&block);
    MUST(store_freeze(store, &manifest, NULL, &err));
    strcpy(after, manifest.id);
    manifest_done(&manifest);
    checkpoint_holds(dir, after, &oracle);
    checkpoint_holds(dir, before, &held);
    oracle_free(&held);
}

/* A process may start on a full disk, and read what there is. */
static void on_a_full_disk_a_checkpoint_can_be_read(void **state)
{
    struct checkpoint *checkpoint;
    char id[CHECKPOINT_ID_SIZE];

    (void)state;
    if (!mount_small(below("state"), "256m"))
        skip();
    begin();
    struct buf block = random_block(&oracle);
    MUST(store_write(store, world_hash(0), buf_slice(&block), &err));
    buf_free(&block);
    freeze(store, id);
    store_close(store);
    store = NULL;
    state_dir_close(dir);
    fill_disk(0);
    MUST(state_dir_open_to_read(below("state"), &dir, &err));
    checkpoint_holds(dir, id, &oracle);
    state_dir_close(dir);
    dir = NULL;
    empty_disk();
    MUST(state_dir_open(below("state"), &dir, &err));
    MUST(checkpoint_open(dir, id, &checkpoint, &err));
    fill_disk(1 << 20); /* enough for RocksDB to open its folder */
    MUST(store_open(dir, checkpoint, &store, &err));
    checkpoint_close(checkpoint);
    empty_disk();
    freeze(store, id);
    checkpoint_holds(dir, id, &oracle);
}

/* An error that RocksDB does not get over: the store says so, and can be begun anew. */
static void after_an_error_of_the_disk_the_store_begins_anew(void **state)
{
    static const struct rlimit small = {.rlim_cur = 65536, .rlim_max = RLIM_INFINITY};
    static const struct rlimit large = {.rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY};
    struct manifest manifest;
    char before[CHECKPOINT_ID_SIZE];
    char after[CHECKPOINT_ID_SIZE];
    struct oracle held;

    (void)state;
    begin();
    struct buf block = random_block(&oracle);
    MUST(store_write(store, world_hash(0), buf_slice(&block), &err));
    freeze(store, before);
    oracle_copy(&oracle, &held);
    MUST(store_write(store, world_hash(0), buf_slice(&block), &err));
    world_manifest(&manifest);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    MUST_FAIL(store_freeze(store, &manifest, NULL, &err), -EFBIG, "File too large");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &large), 0);
    assert_true(store_is_broken(store));
    assert_int_equal(checkpoint_count(), 1);
    assert_false(has_half_made());
    MUST_FAIL(store_write(store, world_hash(0), buf_slice(&block), &err), -EFBIG, "writing");
    checkpoint_holds(dir, before, &held);

    MUST(store_reset(store, &err));
    assert_false(store_is_broken(store));
    MUST(store_write(store, world_hash(0), buf_slice(&block), &err));
    MUST(store_freeze(store, &manifest, NULL, &err));
    strcpy(after, manifest.id);
    assert_string_equal(manifest.parent, before);
    manifest_done(&manifest);
    buf_free(&block);
    checkpoint_holds(dir, after, &oracle);
    checkpoint_holds(dir, before, &held);
    oracle_free(&held);
}

static void chain_over(const char *folder)
{
    struct checkpoint *checkpoint;
    struct manifest manifest;
    char id[CHECKPOINT_ID_SIZE];

    for (int i = 0; i < 3; i++) {
        write_random(store, &oracle, 0);
        freeze(store, id);
        checkpoint_holds(dir, id, &oracle);
    }
    world_manifest(&manifest);
    manifest_set_savepoint(&manifest, "elsewhere");
    manifest_set_output(&manifest, "/data/rows", 0);
    close(open(below("rows"), O_WRONLY | O_CREAT, 0644));
    assert_int_equal(truncate(below("rows"), 100), 0);
    MUST(store_freeze(store, &manifest, below("rows"), &err));
    checkpoint_holds(dir, "elsewhere", &oracle);
    checkpoint_holds(dir, manifest.id, &oracle);
    MUST(checkpoint_open(dir, manifest.id, &checkpoint, &err));
    store_close(store);
    store = NULL;
    MUST(store_open(dir, checkpoint, &store, &err));
    checkpoint_close(checkpoint);
    write_random(store, &oracle, 0);
    freeze(store, id);
    checkpoint_holds(dir, id, &oracle);
    manifest_done(&manifest);
    print_message("%s is on another file system\n", folder);
}

static void where_a_link_is_not_possible_files_are_copied(void **state)
{
    (void)state;
    mkdir(below("state"), 0755);
    if (!mount_small(below("state/checkpoints"), "64m"))
        skip();
    begin();
    chain_over("checkpoints");
}

static void savepoints_may_be_on_another_disk(void **state)
{
    (void)state;
    mkdir(below("state"), 0755);
    if (!mount_small(below("state/savepoints"), "64m"))
        skip();
    begin();
    chain_over("savepoints");
}

/* What a dead process left where nothing can be moved from is removed where it is. */
static void half_made_ones_on_another_disk_are_swept(void **state)
{
    (void)state;
    mkdir(below("state"), 0755);
    if (!mount_small(below("state/checkpoints"), "1m"))
        skip();
    mkdir(below("state/checkpoints/x.1-0123456789abcdef.tmp"), 0755);
    close(open(below("state/checkpoints/x.1-0123456789abcdef.tmp/file"), O_WRONLY | O_CREAT, 0644));
    begin();
    assert_int_not_equal(access(below("state/checkpoints/x.1-0123456789abcdef.tmp"), F_OK), 0);
}

int main(void)
{
#define FAILURE_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        FAILURE_TEST(a_full_disk_is_survived),
        FAILURE_TEST(on_a_full_disk_a_checkpoint_can_be_read),
        FAILURE_TEST(after_an_error_of_the_disk_the_store_begins_anew),
        FAILURE_TEST(where_a_link_is_not_possible_files_are_copied),
        FAILURE_TEST(savepoints_may_be_on_another_disk),
        FAILURE_TEST(half_made_ones_on_another_disk_are_swept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
