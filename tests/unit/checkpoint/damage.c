/* A checkpoint with any of its files damaged is not taken for a good one, and the file is named. */
#include "world.h"

#include <fcntl.h>

static struct state_dir *dir;
static struct oracle oracle;
static char id[CHECKPOINT_ID_SIZE];

static void write_file(const char *path, struct slice content)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, content.data, content.len), content.len);
    close(fd);
}

static struct buf read_file(const char *path)
{
    struct buf content = {0};
    int fd = open(path, O_RDONLY);
    ssize_t got;

    assert_true(fd >= 0);
    while ((got = read(fd, buf_reserve(&content, 65536), 65536)) > 0)
        content.len += (size_t)got;
    close(fd);
    return content;
}

/* A checkpoint of several tables, with range tombstones and pending rows. */
static int set_up(void **state)
{
    struct manifest manifest;
    struct store *store;

    (void)state;
    world_begin();
    random_begin(1);
    MUST(state_dir_open(below("state"), &dir, &err));
    MUST(store_open(dir, NULL, &store, &err));
    write_file(below("rows"), SLICE_LITERAL("{\"view\":1}\n{\"view\":2}\n"));
    for (int i = 0; i < 3; i++) {
        for (uint32_t source = 0; source < WORLD_SOURCES; source++)
            write_random(store, &oracle, source);
        freeze(store, id);
    }
    MUST(store_drop_group(store, world_hash(1), 99, &err));
    write_random(store, &oracle, 1);
    world_manifest(&manifest);
    manifest_set_output(&manifest, "/data/rows.ndjson", 1000);
    MUST(store_freeze(store, &manifest, below("rows"), &err));
    strcpy(id, manifest.id);
    manifest_done(&manifest);
    store_close(store);
    unlink(below("rows"));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    oracle_free(&oracle);
    state_dir_close(dir);
    world_end();
    return 0;
}

typedef int verifier(struct checkpoint *checkpoint, struct err *err);

static void is_found_out_by(verifier *verify, const char *file)
{
    struct checkpoint *checkpoint;
    struct err err = {"(none)"};
    int error = checkpoint_open(dir, id, &checkpoint, &err);

    if (!error) {
        error = verify(checkpoint, &err);
        checkpoint_close(checkpoint);
    }
    if (error != -EBADMSG || !strstr(err.text, file) || !strstr(err.text, id))
        fail_msg("%s: %d, %s", file, error, err.text);
}

/* The checkpoint is found damaged, and `file` named. */
static void is_found_out(const char *file)
{
    is_found_out_by(checkpoint_verify, file);
}

/* At a glance, too. */
static void is_of_another_size(const char *file)
{
    is_found_out(file);
    is_found_out_by(checkpoint_verify_sizes, file);
}

static const char *in_checkpoint(const char *file)
{
    return below("state/checkpoints/%s/%s", id, file);
}

static void damage(const char *file)
{
    const char *path = in_checkpoint(file);
    struct buf content = read_file(path);
    struct buf bad = {0};

    assert_true(content.len > 0);
    for (int i = 0; i < 24; i++) {
        buf_reset(&bad);
        buf_append_slice(&bad, buf_slice(&content));
        /* The first and the last byte too. */
        size_t at = i == 0 ? 0 : i == 1 ? content.len - 1 : random_below(content.len);
        bad.data[at] ^= (char)(1 << random_below(8));
        write_file(path, buf_slice(&bad));
        is_found_out(file);
    }
    for (int i = 0; i < 8; i++) {
        write_file(path, (struct slice){content.data, i == 0 ? 0 : random_below(content.len)});
        is_of_another_size(file);
    }
    buf_reset(&bad);
    buf_append_slice(&bad, buf_slice(&content));
    buf_append_char(&bad, 'x');
    write_file(path, buf_slice(&bad));
    is_of_another_size(file);
    unlink(path);
    is_of_another_size(file);

    write_file(path, buf_slice(&content));
    checkpoint_holds(dir, id, &oracle);
    buf_free(&content);
    buf_free(&bad);
}

static void damage_to_any_file_is_found_and_named(void **state)
{
    struct checkpoint *checkpoint;
    struct manifest manifest;
    int tables = 0;

    (void)state;
    checkpoint_holds(dir, id, &oracle);
    damage("manifest");
    damage("rows");
    MUST(checkpoint_open(dir, id, &checkpoint, &err));
    checkpoint_close_to(checkpoint, &manifest);
    for (uint32_t i = 0; i < manifest.file_count; i++) {
        char file[64];

        snprintf(file, sizeof(file), "db/%s", manifest.files[i].name);
        tables += strstr(file, ".sst") != NULL;
        damage(file);
    }
    assert_true(tables >= 1);
    manifest_done(&manifest);
}

/* Every file in the folder is one that verifying reads. */
static void no_file_goes_unseen(void **state)
{
    char command[1024];
    char line[64];
    struct checkpoint *checkpoint;

    (void)state;
    MUST(checkpoint_open(dir, id, &checkpoint, &err));
    snprintf(command, sizeof(command), "cd %s && find . -type f | wc -l", in_checkpoint("."));
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    assert_non_null(fgets(line, sizeof(line), pipe));
    pclose(pipe);
    /* All of db/, the manifest, the rows. */
    assert_int_equal(atoi(line), checkpoint_manifest(checkpoint)->file_count + 2);
    checkpoint_close(checkpoint);
}

static int take_known(void *context, struct slice key, struct slice value)
{
    uint32_t *source = context;
    const struct oracle_entry *entry = oracle_find(&oracle, *source, key);

    ENSURE(entry);
    ENSURE_TEXT(value, buf_slice(&entry->value));
    return 0;
}

/* Somebody reads without verifying: every entry that comes is right, or the reading fails. */
static void a_damaged_table_yields_no_wrong_entry(void **state)
{
    struct checkpoint *checkpoint;
    struct manifest manifest;
    int failures = 0;

    (void)state;
    MUST(checkpoint_open(dir, id, &checkpoint, &err));
    checkpoint_close_to(checkpoint, &manifest);
    for (uint32_t i = 0; i < manifest.file_count; i++) {
        char file[64];

        if (!strstr(manifest.files[i].name, ".sst"))
            continue;
        snprintf(file, sizeof(file), "db/%s", manifest.files[i].name);
        struct buf content = read_file(in_checkpoint(file));
        for (FIRST_SEED; MORE_SEEDS(60); NEXT_SEED) {
            size_t at = random_below(content.len);
            char flip = (char)(1 << random_below(8));
            int error = 0;

            content.data[at] ^= flip;
            write_file(in_checkpoint(file), buf_slice(&content));
            content.data[at] ^= flip;
            MUST(checkpoint_open(dir, id, &checkpoint, &err));
            for (uint32_t source = 0; source < WORLD_SOURCES && !error; source++) {
                struct err why;

                error = checkpoint_read_all(checkpoint, world_hash(source), take_known, &source,
                                            &why);
                if (error)
                    ENSURE(strstr(why.text, id));
            }
            ENSURE(error == 0 || error == -EBADMSG || error == -EIO);
            failures += error != 0;
            checkpoint_close(checkpoint);
        }
        write_file(in_checkpoint(file), buf_slice(&content));
        buf_free(&content);
    }
    assert_true(failures > 0);
    checkpoint_holds(dir, id, &oracle);
    manifest_done(&manifest);
}

static void a_missing_file_is_damage_to_those_who_read(void **state)
{
    struct checkpoint *checkpoint;
    struct manifest manifest;

    (void)state;
    MUST(checkpoint_open(dir, id, &checkpoint, &err));
    checkpoint_close_to(checkpoint, &manifest);
    for (uint32_t i = 0; i < manifest.file_count; i++) {
        const char *name = manifest.files[i].name;
        char path[512];
        uint32_t source = 0;

        if (strstr(name, "OPTIONS"))
            continue; /* a reader does without */
        snprintf(path, sizeof(path), "%s", in_checkpoint("db"));
        assert_int_equal(rename(below("state/checkpoints/%s/db/%s", id, name), below("away")), 0);
        MUST(checkpoint_open(dir, id, &checkpoint, &err));
        for (int again = 0; again < 2; again++)
            MUST_FAIL(checkpoint_read_all(checkpoint, world_hash(0), take_known, &source, &err),
                      -EBADMSG, path);
        checkpoint_close(checkpoint);
        assert_int_equal(rename(below("away"), below("state/checkpoints/%s/db/%s", id, name)), 0);
    }
    manifest_done(&manifest);
}

static void what_is_not_there_is_said_to_be_missing(void **state)
{
    struct checkpoint *checkpoint;

    (void)state;
    MUST_FAIL(checkpoint_open(dir, "20261121T141530.123Z-7f3a9c1e2b4d5f60", &checkpoint, &err),
              -ENOENT, "there is no checkpoint 20261121T141530.123Z-7f3a9c1e2b4d5f60 in /tmp/");
    MUST_FAIL(checkpoint_open(dir, "no-such-savepoint", &checkpoint, &err), -ENOENT,
              "no-such-savepoint");
    MUST_FAIL(checkpoint_open(dir, "../work", &checkpoint, &err), -ENOENT, "../work");
    MUST_FAIL(checkpoint_open(dir, "", &checkpoint, &err), -ENOENT, "no checkpoint");
    MUST_FAIL(checkpoint_open_path(below("nothing"), &checkpoint, &err), -ENOENT, "nothing");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(damage_to_any_file_is_found_and_named),
        cmocka_unit_test(no_file_goes_unseen),
        cmocka_unit_test(a_damaged_table_yields_no_wrong_entry),
        cmocka_unit_test(a_missing_file_is_damage_to_those_who_read),
        cmocka_unit_test(what_is_not_there_is_said_to_be_missing),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
