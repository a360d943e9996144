/* One state.dir and several processes: who removes what; and folders that can't be made.
 *
 * The other processes are this program, started again with a role, since RocksDB's threads do not
 * come along with fork. */
#include "world.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

static const char *self; /* this program */

static int set_up(void **state)
{
    (void)state;
    world_begin();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    world_end();
    return 0;
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

/* Roles. */

static int hold(const char *path);
static int churn(const char *path, const char *instance, uint64_t seed);

struct other {
    pid_t pid;
    int to;   /* a byte: go on */
    int from; /* a byte: got there */
};

static struct other start(const char *role, const char *more, uint64_t seed)
{
    struct other other;
    char text[32];
    int in[2];
    int out[2];

    snprintf(text, sizeof(text), "%" PRIu64, seed);
    assert_int_equal(pipe(in), 0);
    assert_int_equal(pipe(out), 0);
    other.pid = fork();
    assert_true(other.pid >= 0);
    if (other.pid == 0) {
        dup2(in[0], 0);
        dup2(out[1], 1);
        close(in[1]);
        close(out[0]);
        execl(self, self, role, below("state"), more, text, NULL);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    other.to = in[1];
    other.from = out[0];
    return other;
}

static void wait_for(struct other *other)
{
    char byte;

    assert_int_equal(read(other->from, &byte, 1), 1);
}

static void let_go_on(struct other *other)
{
    assert_int_equal(write(other->to, "x", 1), 1);
}

static int end_of(struct other *other)
{
    int status;

    assert_int_equal(waitpid(other->pid, &status, 0), other->pid);
    close(other->to);
    close(other->from);
    return status;
}

#define ROLE_MUST(call)                                                                            \
    do {                                                                                           \
        struct err err;                                                                            \
        if (call) {                                                                                \
            fprintf(stderr, "%s: %s\n", #call, err.text);                                          \
            _exit(1);                                                                              \
        }                                                                                          \
    } while (0)

static void say(void)
{
    CHECK(write(1, "x", 1) == 1);
}

static void hear(void)
{
    char byte;

    if (read(0, &byte, 1) != 1)
        _exit(1); /* the test is gone */
}

/* Has a work store and a half made checkpoint, and goes on with both when told to. */
static int hold(const char *path)
{
    struct state_dir *dir;
    struct store *store;
    struct oracle oracle = {0};
    char half[512];
    char id[CHECKPOINT_ID_SIZE];

    random_begin(1);
    ROLE_MUST(state_dir_open(path, &dir, &err));
    ROLE_MUST(store_open(dir, NULL, &store, &err));
    write_random(store, &oracle, 0);
    freeze(store, id);
    snprintf(half, sizeof(half), "%s/checkpoints/20261121T141530.123Z-7f3a9c1e2b4d5f60.%s.tmp",
             path, state_dir_process(dir));
    CHECK(mkdir(half, 0755) == 0);
    say();
    hear();
    CHECK(rmdir(half) == 0);
    write_random(store, &oracle, 1);
    freeze(store, id);
    checkpoint_holds(dir, id, &oracle);
    store_close(store);
    state_dir_close(dir);
    oracle_free(&oracle);
    return 0;
}

static void sweeping_leaves_the_living_alone(void **state)
{
    struct state_dir *dir;
    struct state_dir *again;

    (void)state;
    struct other other = start("hold", "", 0);
    wait_for(&other);
    MUST(state_dir_open(below("state"), &dir, &err));
    MUST(state_dir_open(below("state"), &again, &err));
    assert_int_equal(count_in("work"), 3);
    assert_int_equal(count_in("checkpoints"), 2); /* one, and one half made */
    state_dir_close(again);
    assert_int_equal(count_in("work"), 2);
    let_go_on(&other);
    assert_int_equal(end_of(&other), 0);
    assert_int_equal(count_in("work"), 1);
    assert_int_equal(count_in("checkpoints"), 2);
    state_dir_close(dir);
    assert_int_equal(count_in("work"), 0);
}

static void what_the_dead_left_is_swept(void **state)
{
    struct state_dir *dir;
    struct catalog catalog;

    (void)state;
    struct other other = start("hold", "", 0);
    wait_for(&other);
    kill(other.pid, SIGKILL);
    assert_int_equal(WTERMSIG(end_of(&other)), SIGKILL);
    assert_int_equal(count_in("work"), 1);
    assert_int_equal(count_in("checkpoints"), 2);
    /* A process that was killed before it had a lock; what nobody's name is on. */
    mkdir(below("state/work/1-0123456789abcdef"), 0755);
    mkdir(below("state/checkpoints/by-hand.tmp"), 0755);
    mkdir(below("state/savepoints/x.1-0123456789abcdef.tmp"), 0755);

    MUST(state_dir_open_to_read(below("state"), &dir, &err));
    assert_int_equal(count_in("work"), 2); /* readers sweep nothing */
    assert_null(state_dir_work(dir));
    state_dir_close(dir);

    MUST(state_dir_open(below("state"), &dir, &err));
    assert_int_equal(count_in("work"), 1);
    assert_int_equal(count_in("checkpoints"), 2);
    assert_int_equal(count_in("savepoints"), 0);
    assert_int_equal(access(below("state/checkpoints/by-hand.tmp"), F_OK), 0);
    MUST(catalog_list(dir, &catalog, &err));
    assert_int_equal(catalog.count, 1);
    assert_int_equal(catalog.entries[0].error, 0);
    catalog_free(&catalog);
    state_dir_close(dir);
}

/* Starts from its newest checkpoint, writes, freezes, retains, and ends well or badly. */
static int churn(const char *path, const char *instance, uint64_t seed)
{
    const struct catalog_owner owner = {"pipeline", "group", instance};
    struct checkpoint *from = NULL;
    struct checkpoint *made;
    struct state_dir *dir;
    struct store *store;
    struct oracle oracle = {0};
    struct manifest manifest;
    struct err why;
    size_t removed;

    random_begin(seed);
    ROLE_MUST(state_dir_open(path, &dir, &err));
    if (catalog_fallback(dir, &owner, "9", &from, &why) && seed > 0)
        _exit(1);
    ROLE_MUST(store_open(dir, from, &store, &err));
    checkpoint_close(from);
    for (int i = 0; i < 8; i++) {
        write_random(store, &oracle, 0);
        manifest_init(&manifest, "pipeline", "group", instance);
        ROLE_MUST(store_freeze(store, &manifest, NULL, &err));
        ROLE_MUST(checkpoint_open(dir, manifest.id, &made, &err));
        ROLE_MUST(checkpoint_mark_published(made, &err));
        checkpoint_close(made);
        manifest_done(&manifest);
        ROLE_MUST(catalog_retain(dir, &owner, 2, NULL, 0, &removed, &err));
        if (seed > 0 && random_chance(10))
            kill(getpid(), SIGKILL);
    }
    store_close(store);
    state_dir_close(dir);
    oracle_free(&oracle);
    return 0;
}

/* Several come and go and die at once: nobody loses what is its own. */
static void many_at_once_keep_out_of_each_others_way(void **state)
{
    enum { OTHERS = 4 };
    static const char *const instances[OTHERS] = {"a", "b", "c", "d"};
    struct other others[OTHERS];
    struct state_dir *dir;
    struct catalog catalog;

    (void)state;
    for (uint64_t round = 0; round < 4; round++) {
        for (int i = 0; i < OTHERS; i++)
            others[i] = start("churn", instances[i], round * (unsigned)(i + 1));
        for (int i = 0; i < OTHERS; i++) {
            int status = end_of(&others[i]);

            if (status && !(round > 0 && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL))
                fail_msg("round %d, %s: status %x", (int)round, instances[i], status);
        }
    }
    MUST(state_dir_open(below("state"), &dir, &err));
    assert_int_equal(count_in("work"), 1);
    MUST(catalog_list(dir, &catalog, &err));
    assert_true(catalog.count >= 2 * OTHERS && catalog.count <= 3 * OTHERS);
    assert_int_equal(count_in("checkpoints"), catalog.count);
    for (size_t i = 0; i < catalog.count; i++) {
        struct checkpoint *checkpoint;

        assert_int_equal(catalog.entries[i].error, 0);
        MUST(checkpoint_open(dir, catalog.entries[i].id, &checkpoint, &err));
        MUST(checkpoint_verify(checkpoint, &err));
        checkpoint_close(checkpoint);
    }
    catalog_free(&catalog);
    state_dir_close(dir);
}

static void folders_are_made_with_those_above(void **state)
{
    struct state_dir *dir;
    struct store *store;

    (void)state;
    MUST(state_dir_open(below("a/b//c/"), &dir, &err));
    MUST(store_open(dir, NULL, &store, &err));
    store_close(store);
    assert_string_equal(state_dir_path(dir), below("a/b//c/"));
    assert_int_equal(access(state_dir_work(dir), W_OK), 0);
    state_dir_close(dir);
}

static void a_folder_that_cannot_be_made_is_explained(void **state)
{
    struct state_dir *dir;
    bool is_root = geteuid() == 0;
    char path[128];

    (void)state;
    close(open(below("file"), O_WRONLY | O_CREAT, 0644));
    MUST_FAIL(state_dir_open(below("file"), &dir, &err), -ENOTDIR, "set state.dir to a folder");
    MUST_FAIL(state_dir_open(below("file/below"), &dir, &err), -ENOTDIR, "cannot be made");
    MUST_FAIL(state_dir_open_to_read(below("file"), &dir, &err), -ENOTDIR, "cannot be read");
    MUST_FAIL(state_dir_open_to_read(below("nothing"), &dir, &err), -ENOENT, "nothing");

    mkdir(below("closed"), 0555);
    chmod(world_path, 0755);
    if (is_root)
        assert_int_equal(seteuid(65534), 0);
    snprintf(path, sizeof(path), "state.dir %s/closed/state cannot be made: Permission denied",
             world_path);
    MUST_FAIL(state_dir_open(below("closed/state"), &dir, &err), -EACCES, path);
    MUST_FAIL(state_dir_open(below("closed/state"), &dir, &err), -EACCES, "the user that runs");
    MUST_FAIL(state_dir_open(below("closed"), &dir, &err), -EACCES, "cannot be written");
    if (is_root)
        assert_int_equal(seteuid(0), 0);
}

int main(int argc, char **argv)
{
#define PROCESS_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        PROCESS_TEST(sweeping_leaves_the_living_alone),
        PROCESS_TEST(what_the_dead_left_is_swept),
        PROCESS_TEST(many_at_once_keep_out_of_each_others_way),
        PROCESS_TEST(folders_are_made_with_those_above),
        PROCESS_TEST(a_folder_that_cannot_be_made_is_explained),
    };

    if (argc == 5 && strcmp(argv[1], "hold") == 0)
        return hold(argv[2]);
    if (argc == 5 && strcmp(argv[1], "churn") == 0)
        return churn(argv[2], argv[3], strtoull(argv[4], NULL, 10));
    self = argv[0];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
