/* kill -9 at every failpoint of the layer, and an error at every step that can fail.
 *
 * The layer is built into this program with its failpoints on. A run of an engine's life (start
 * from what was committed, write, freeze, commit, publish, retain, a savepoint, begin anew) is this
 * program again, told by the environment where to die or fail; a file next to the state.dir stands
 * for the offsets in Kafka. What a checkpoint must hold follows from its round, kept as `keys`.
 *
 * After each death: what is committed is there and whole, and so is all else that is listed. */
#include "world.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "base/failpoint.h"

#define KEYS 50

static const struct catalog_owner owner = {"pipeline", "group", "instance"};
static const char *self; /* this program */

/* Round r: key j is there unless j and r are alike modulo 7; five images; nothing of group 9. */
static struct slice value_in(uint64_t round, int key, char text[32])
{
    if (key % 7 == (int)(round % 7))
        return SLICE_NONE;
    return (struct slice){text, (size_t)snprintf(text, 32, "%d in %" PRIu64, key, round)};
}

static void entry_in(uint64_t round, int key, char kind, struct buf *ret_key, char text[32],
                     struct slice *ret_value)
{
    char rest[16];
    int len = snprintf(rest, sizeof(rest), "user_%d", key);

    buf_reset(ret_key);
    key_of(ret_key, (uint32_t)key % 3, kind, (struct slice){rest, (size_t)len});
    *ret_value = value_in(round, key, text);
}

static struct oracle content_of(uint64_t round)
{
    struct oracle oracle = {0};
    struct buf key = {0};
    struct slice value;
    char text[32];

    for (int i = 0; i < KEYS && round > 0; i++) {
        entry_in(round, i, 'k', &key, text, &value);
        oracle_put(&oracle, 0, buf_slice(&key), value);
    }
    for (int i = 0; i < 5 && round > 0; i++) {
        entry_in(round, i, 'r', &key, text, &value);
        oracle_put(&oracle, 0, buf_slice(&key), value);
    }
    buf_free(&key);
    return oracle;
}

/* The life of an engine. */

static struct state_dir *dir;
static struct store *store;
static char folder[512]; /* with the state.dir and the file of what is committed */

static const char *in_folder(const char *name)
{
    static char path[1024];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

/* Nothing half made is left after a failure, unless it could not be removed either. */
static void check_nothing_half_made(void)
{
    const char *wanted = getenv("FRESHET_FAILPOINT_ERROR");
    static const char *const names[] = {"state/checkpoints", "state/savepoints"};

    for (size_t i = 0; i < ARRAY_LEN(names) && dir; i++) {
        DIR *handle = opendir(in_folder(names[i]));
        char process[CHECKPOINT_PROCESS_SIZE];
        struct dirent *entry;

        CHECK(handle);
        while ((entry = readdir(handle))) {
            if (half_made_by(entry->d_name, process) &&
                strcmp(process, state_dir_process(dir)) == 0)
                CHECK(strncmp(wanted, "tree_remove", 11) == 0);
        }
        closedir(handle);
    }
}

/* A step that failed is made once more. */
#define STEP(call)                                                                                 \
    do {                                                                                           \
        struct err err;                                                                            \
        if (call) {                                                                                \
            fprintf(stderr, "  %s: %s\n", #call, err.text);                                        \
            check_nothing_half_made();                                                             \
            if (call) {                                                                            \
                fprintf(stderr, "again: %s: %s\n", #call, err.text);                               \
                _exit(1);                                                                          \
            }                                                                                      \
        }                                                                                          \
    } while (0)

static int write_round(uint64_t round, struct err *err)
{
    struct buf block = {0};
    struct buf key = {0};
    struct slice value;
    char text[32];
    uint64_t hash = world_hash(0);
    int error;

    for (int i = 0; i < KEYS; i++) {
        entry_in(round, i, 'k', &key, text, &value);
        block_add(&block, buf_slice(&key), value);
    }
    buf_reset(&key);
    key_of(&key, 9, 'k', SLICE_LITERAL("moved away"));
    block_add(&block, buf_slice(&key), SLICE_LITERAL("x"));
    error = store_write(store, hash, buf_slice(&block), err);
    if (!error)
        error = store_drop_group(store, hash, 9, err);
    if (!error)
        error = store_drop_images(store, hash, err);
    buf_reset(&block);
    for (int i = 0; i < 5; i++) {
        entry_in(round, i, 'r', &key, text, &value);
        block_add(&block, buf_slice(&key), value);
    }
    if (!error)
        error = store_write(store, hash, buf_slice(&block), err);
    buf_free(&block);
    buf_free(&key);
    return error;
}

static void commit_to(const char *id)
{
    int fd = open(in_folder("committed.new"), O_WRONLY | O_CREAT | O_TRUNC, 0644);

    CHECK(write(fd, id, CHECKPOINT_ID_SIZE) == CHECKPOINT_ID_SIZE);
    close(fd);
    char from[1024];
    strcpy(from, in_folder("committed.new"));
    CHECK(rename(from, in_folder("committed")) == 0);
}

static bool committed(char ret_id[CHECKPOINT_ID_SIZE])
{
    int fd = open(in_folder("committed"), O_RDONLY);

    if (fd < 0)
        return false;
    CHECK(read(fd, ret_id, CHECKPOINT_ID_SIZE) == CHECKPOINT_ID_SIZE);
    close(fd);
    return true;
}

static void freeze_round(uint64_t round, const char *savepoint, char ret_id[CHECKPOINT_ID_SIZE])
{
    struct manifest manifest;
    char *rows = strdup(in_folder("rows"));
    int fd = open(rows, O_WRONLY | O_CREAT | O_TRUNC, 0644);

    CHECK(dprintf(fd, "rows of round %" PRIu64 "\n", round) > 0);
    close(fd);
    manifest_init(&manifest, owner.pipeline, owner.group, owner.instance);
    manifest_set_savepoint(&manifest, savepoint);
    manifest_set_output(&manifest, "/data/rows", round);
    manifest.keys = round;
    STEP(store_freeze(store, &manifest, rows, &err));
    CHECK(unlink(rows) == 0);
    strcpy(ret_id, manifest.id);
    manifest_done(&manifest);
    free(rows);
}

static void commit_and_clean(const char *id)
{
    struct checkpoint *checkpoint;
    size_t removed;

    commit_to(id);
    STEP(checkpoint_open(dir, id, &checkpoint, &err));
    STEP(checkpoint_mark_published(checkpoint, &err));
    checkpoint_close(checkpoint);
    STEP(catalog_retain(dir, &owner, 1, &id, 1, &removed, &err));
}

static uint64_t begin_life(void)
{
    struct checkpoint *from = NULL;
    char id[CHECKPOINT_ID_SIZE];
    uint64_t round = 0;

    STEP(state_dir_open(in_folder("state"), &dir, &err));
    if (committed(id)) {
        STEP(checkpoint_open(dir, id, &from, &err));
        STEP(checkpoint_verify(from, &err));
        round = checkpoint_manifest(from)->keys;
    }
    STEP(store_open(dir, from, &store, &err));
    checkpoint_close(from);
    return round;
}

static int live(const char *path)
{
    char id[CHECKPOINT_ID_SIZE];
    char name[SAVEPOINT_NAME_MAX];

    strcpy(folder, path);
    uint64_t round = begin_life() + 1;
    STEP(write_round(round, &err));
    freeze_round(round, "", id);
    commit_and_clean(id);

    snprintf(name, sizeof(name), "round-%" PRIu64 "-%d", round, (int)getpid());
    freeze_round(round, name, id);

    STEP(store_reset(store, &err));
    round++;
    STEP(write_round(round, &err));
    freeze_round(round, "", id);
    commit_and_clean(id);
    store_close(store);
    state_dir_close(dir);
    return 0;
}

/* The tests. */

static int set_up(void **state)
{
    (void)state;
    world_begin();
    strcpy(folder, world_path);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    world_end();
    return 0;
}

/* One life with a variable set; the status it ended with. */
static int life(const char *variable, const char *value)
{
    int status;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        int quiet = open("/dev/null", O_WRONLY);

        if (!getenv("FRESHET_TEST_LOUD"))
            dup2(quiet, 2);
        setenv(variable, value, 1);
        execl(self, self, "live", world_path, NULL);
        _exit(127);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

/* Everything that is listed is whole and holds its round; what is committed is among it. */
static void all_is_whole(const char *after)
{
    struct state_dir *reading;
    struct catalog catalog;
    char id[CHECKPOINT_ID_SIZE] = "";
    bool is_there = !committed(id);

    if (access(below("state/checkpoints"), F_OK))
        return; /* not even made */
    MUST(state_dir_open_to_read(below("state"), &reading, &err));
    MUST(catalog_list(reading, &catalog, &err));
    for (size_t i = 0; i < catalog.count; i++) {
        const struct catalog_entry *entry = &catalog.entries[i];
        struct oracle oracle;

        if (entry->error)
            fail_msg("after %s: %s", after, entry->error_text);
        oracle = content_of(entry->manifest.keys);
        checkpoint_holds(reading, entry->id, &oracle);
        oracle_free(&oracle);
        is_there |= strcmp(entry->id, id) == 0;
    }
    if (!is_there)
        fail_msg("after %s: committed %s is gone", after, id);
    catalog_free(&catalog);
    state_dir_close(reading);
}

static void remove_savepoints(void)
{
    char command[512];

    snprintf(command, sizeof(command), "rm -rf %s/*-*; find %s -xtype l -delete",
             below("state/savepoints"), below("state/checkpoints"));
    assert_int_equal(system(command), 0);
}

static size_t count_in(const char *name)
{
    DIR *handle = opendir(below("%s", name));
    size_t count = 0;

    assert_non_null(handle);
    while (readdir(handle))
        count++;
    closedir(handle);
    return count - 2;
}

#define NAME_OF(arg, name) name,

static const char *const all_names[] = {FAILPOINTS_CHECKPOINT(NAME_OF, )};

/* Of this layer, not of those above. */
static bool is_ours(const char *name)
{
    static const char *const prefixes[] = {"file_",   "folder_",    "tree_",   "state_dir_",
                                           "sweep_",  "store_",     "freeze_", "publish_",
                                           "retain_", "checkpoint_"};

    for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
        if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0)
            return true;
    }
    return false;
}

static void a_life_passes_every_failpoint(void **state)
{
    char line[64];
    size_t reached = 0;
    size_t ours = 0;

    (void)state;
    /* One that dies half way, so that there is something to sweep. */
    assert_int_equal(WTERMSIG(life("FRESHET_FAILPOINT", "freeze_rename:3")), SIGKILL);
    assert_int_equal(life("FRESHET_FAILPOINT_LIST", below("list")), 0);
    FILE *list = fopen(below("list"), "r");
    assert_non_null(list);
    while (fgets(line, sizeof(line), list))
        reached++;
    fclose(list);
    for (size_t i = 0; i < ARRAY_LEN(all_names); i++) {
        char command[512];

        if (!is_ours(all_names[i]))
            continue;
        ours++;
        snprintf(command, sizeof(command), "grep -qx %s %s", all_names[i], below("list"));
        if (system(command))
            fail_msg("%s is not passed", all_names[i]);
    }
    assert_int_equal(reached, ours);
}

static void killed_anywhere_all_is_whole(void **state)
{
    size_t deaths = 0;

    (void)state;
    assert_int_equal(life("FRESHET_FAILPOINT", ""), 0);
    for (size_t i = 0; i < ARRAY_LEN(all_names); i++) {
        for (int pass = 1; pass <= 2; pass++) {
            char failpoint[64];

            if (!is_ours(all_names[i]))
                break;
            snprintf(failpoint, sizeof(failpoint), "%s:%d", all_names[i], pass);
            int status = life("FRESHET_FAILPOINT", failpoint);
            bool is_killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;

            if (status && !is_killed)
                fail_msg("%s: status %x", failpoint, (unsigned)status);
            if (!is_killed && pass == 1 && strncmp(all_names[i], "sweep_", 6) != 0)
                fail_msg("%s: not killed", failpoint);
            deaths += is_killed;
            all_is_whole(failpoint);
            remove_savepoints();
            if (!is_killed)
                break;
        }
    }
    assert_true(deaths > 60);

    /* A life that ends well leaves nothing of the dead. */
    assert_int_equal(life("FRESHET_FAILPOINT", ""), 0);
    all_is_whole("the end");
    remove_savepoints();
    assert_int_equal(count_in("state/work"), 0);
    assert_int_equal(count_in("state/checkpoints"), 1);
}

/* Dying while sweeping: what was claimed is swept by the next, however often that happens. */
static void killed_while_sweeping_the_next_one_sweeps(void **state)
{
    static const char *const names[] = {"sweep_claim", "sweep_claimed", "sweep_remove",
                                        "tree_remove"};

    (void)state;
    for (size_t i = 0; i < 3 * ARRAY_LEN(names); i++) {
        assert_int_equal(WTERMSIG(life("FRESHET_FAILPOINT", "freeze_manifest:2")), SIGKILL);
        assert_int_equal(WTERMSIG(life("FRESHET_FAILPOINT", names[i % ARRAY_LEN(names)])), SIGKILL);
        all_is_whole(names[i % ARRAY_LEN(names)]);
    }
    assert_int_equal(life("FRESHET_FAILPOINT", ""), 0);
    remove_savepoints();
    assert_int_equal(count_in("state/work"), 0);
    assert_int_equal(count_in("state/savepoints"), 0);
    assert_int_equal(count_in("state/checkpoints"), 1);
}

static void a_step_that_fails_can_be_made_again(void **state)
{
    static const char *const names[] = {
        "file_sync",   "file_write",  "file_link", "folder_sync",   "tree_remove",
        "store_write", "store_flush", "freeze_db", "freeze_rename", "freeze_name"};

    (void)state;
    assert_int_equal(life("FRESHET_FAILPOINT", ""), 0);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        for (int pass = 1; pass <= 5; pass++) {
            char failpoint[64];

            snprintf(failpoint, sizeof(failpoint), "%s:%d-%d=%s", names[i], pass, pass,
                     pass % 2 ? "ENOSPC" : "EIO");
            int status = life("FRESHET_FAILPOINT_ERROR", failpoint);
            if (status)
                fail_msg("%s: status %x", failpoint, (unsigned)status);
            all_is_whole(failpoint);
            remove_savepoints();
        }
    }
    assert_int_equal(count_in("state/work"), 0);
}

int main(int argc, char **argv)
{
#define CRASH_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CRASH_TEST(a_life_passes_every_failpoint),
        CRASH_TEST(killed_anywhere_all_is_whole),
        CRASH_TEST(killed_while_sweeping_the_next_one_sweeps),
        CRASH_TEST(a_step_that_fails_can_be_made_again),
    };

    if (argc == 3 && strcmp(argv[1], "live") == 0)
        return live(argv[2]);
    self = argv[0];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
