#include "checkpoint/checkpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/failpoint.h"
#include "checkpoint/files.h"
#include "checkpoint/rocks.h"

#define READAHEAD_BYTES ((size_t)256 << 10) /* of each table and thread that reads */

struct checkpoint {
    char *path;
    char *rows; /* or NULL */
    int lock;   /* the manifest's file, locked */
    struct manifest manifest;
    pthread_mutex_t opening;
    struct rocks rocks; /* opened by the first that reads */
};

/* How errors call it: a savepoint by its name. */
static const char *name_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

static int damaged(struct err *err, const char *path, const char *file, const char *what)
{
    return err_set(err, -EBADMSG, "checkpoint %s is damaged: %s/%s %s", name_of(path), path, file,
                   what);
}

/* Takes the shared lock that keeps others from removing it. If one did just before, the name is
 * gone: -ENOENT. */
static int lock_manifest(const char *file, int *ret)
{
    struct stat mine;
    struct stat named;
    int fd = open(file, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return -errno;
    /* Where there are no locks nobody else is there to remove it either. */
    while (flock(fd, LOCK_SH) && errno == EINTR)
        ;
    if (fstat(fd, &mine) || stat(file, &named) || mine.st_ino != named.st_ino) {
        close(fd);
        return -ENOENT;
    }
    *ret = fd;
    return 0;
}

static int load(const char *path, const char *file, struct manifest *ret, struct err *err)
{
    struct buf bytes = {0};
    int error = file_read(file, MANIFEST_BYTES_MAX, &bytes, err);

    if (error) {
        err_prefix(err, "checkpoint %s", name_of(path));
    } else {
        error = manifest_load(buf_slice(&bytes), ret);
        if (error == -ENOTSUP)
            err_set(err, error, "checkpoint %s was written by another version of freshet: %s",
                    name_of(path), file);
        else if (error)
            damaged(err, path, "manifest", "is not what was written");
    }
    buf_free(&bytes);
    return error;
}

int checkpoint_open_path(const char *path, struct checkpoint **ret, struct err *err)
{
    char *file = text_make("%s/manifest", path);
    struct manifest manifest;
    int lock = -1;

    FAILPOINT("checkpoint_open");
    int error = lock_manifest(file, &lock);
    if (error == -ENOENT && file_exists(path))
        error = damaged(err, path, "manifest", "is missing");
    else if (error)
        err_set(err, error, "checkpoint %s cannot be read: %s: %s", name_of(path), file,
                strerror(-error));
    else
        error = load(path, file, &manifest, err);
    free(file);
    if (error) {
        if (lock >= 0)
            close(lock);
        return error;
    }
    struct checkpoint *checkpoint = calloc(1, sizeof(*checkpoint));
    CHECK(checkpoint);
    *checkpoint = (struct checkpoint){
        .path = text_make("%s", path), .lock = lock, .manifest = manifest};
    pthread_mutex_init(&checkpoint->opening, NULL);
    if (manifest.output.present && manifest.output.rows_bytes > 0)
        checkpoint->rows = text_make("%s/rows", path);
    *ret = checkpoint;
    return 0;
}

/* A savepoint that came without the link of its id: from another state.dir. */
static char *find_copied(const struct state_dir *dir, const char *id)
{
    char *folder = text_make("%s/savepoints", state_dir_path(dir));
    char *found = NULL;
    char **names;
    size_t count;

    if (folder_list(folder, &names, &count, NULL)) {
        free(folder);
        return NULL;
    }
    for (size_t i = 0; i < count && !found; i++) {
        char *path = text_make("%s/%s", folder, names[i]);
        struct checkpoint *checkpoint;

        if (savepoint_name_is_valid(names[i]) &&
            checkpoint_open_path(path, &checkpoint, NULL) == 0) {
            if (strcmp(checkpoint->manifest.id, id) == 0)
                found = text_make("%s", path);
            checkpoint_close(checkpoint);
        }
        free(path);
    }
    folder_names_free(names, count);
    free(folder);
    return found;
}

/* Where the checkpoint of that id or savepoint of that name is, or NULL. */
static char *find(const struct state_dir *dir, const char *id)
{
    static const char *const folders[] = {"checkpoints", "savepoints"};

    if (!checkpoint_id_is_valid(id) && !savepoint_name_is_valid(id))
        return NULL;
    for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
        char *path = text_make("%s/%s/%s", state_dir_path(dir), folders[i], id);

        if (file_exists(path))
            return path;
        free(path);
    }
    return find_copied(dir, id);
}

int checkpoint_open(const struct state_dir *dir, const char *id, struct checkpoint **ret,
                    struct err *err)
{
    char *path = find(dir, id);

    if (!path)
        return err_set(err, -ENOENT, "there is no checkpoint %s in %s", id, state_dir_path(dir));
    int error = checkpoint_open_path(path, ret, err);
    free(path);
    return error;
}

void checkpoint_close(struct checkpoint *checkpoint)
{
    if (!checkpoint)
        return;
    rocks_close(&checkpoint->rocks);
    manifest_done(&checkpoint->manifest);
    pthread_mutex_destroy(&checkpoint->opening);
    close(checkpoint->lock);
    free(checkpoint->path);
    free(checkpoint->rows);
    free(checkpoint);
}

void checkpoint_close_to(struct checkpoint *checkpoint, struct manifest *ret)
{
    *ret = checkpoint->manifest;
    checkpoint->manifest = (struct manifest){0};
    checkpoint_close(checkpoint);
}

const struct manifest *checkpoint_manifest(const struct checkpoint *checkpoint)
{
    return &checkpoint->manifest;
}

const char *checkpoint_path(const struct checkpoint *checkpoint)
{
    return checkpoint->path;
}

const char *checkpoint_rows(const struct checkpoint *checkpoint)
{
    return checkpoint->rows;
}

/* Without a look at what is in it: the hash is as expected. */
static int file_size(const char *path, const struct file_sum *expected, struct file_sum *ret,
                     struct err *err)
{
    struct stat status;

    if (stat(path, &status))
        return file_error(err, "look at", path);
    *ret = (struct file_sum){.bytes = (uint64_t)status.st_size, .hash = expected->hash};
    return 0;
}

/* Compares a file in the checkpoint's folder with what it should be. */
static int verify_file(const struct checkpoint *checkpoint, bool in_full, const char *name,
                       const struct file_sum *expected, struct err *err)
{
    char *path = text_make("%s/%s", checkpoint->path, name);
    struct file_sum sum;
    int error = in_full ? file_sum(path, &sum, err) : file_size(path, expected, &sum, err);
    char what[128];

    free(path);
    if (error == -ENOENT)
        return damaged(err, checkpoint->path, name, "is missing");
    if (error) {
        err_prefix(err, "checkpoint %s", name_of(checkpoint->path));
        return error;
    }
    if (sum.bytes != expected->bytes) {
        snprintf(what, sizeof(what), "has %llu bytes, not %llu", (unsigned long long)sum.bytes,
                 (unsigned long long)expected->bytes);
        return damaged(err, checkpoint->path, name, what);
    }
    if (sum.hash != expected->hash)
        return damaged(err, checkpoint->path, name, "has other content than was written");
    return 0;
}

static int verify_files(const struct checkpoint *checkpoint, bool in_full, struct err *err)
{
    const struct manifest *manifest = &checkpoint->manifest;
    int error = 0;

    for (uint32_t i = 0; i < manifest->file_count && !error; i++) {
        const struct manifest_file *file = &manifest->files[i];
        const struct file_sum expected = {.bytes = file->bytes, .hash = file->hash};
        char *name = text_make("db/%s", file->name);

        error = verify_file(checkpoint, in_full, name, &expected, err);
        free(name);
    }
    if (!error && checkpoint->rows) {
        const struct file_sum expected = {.bytes = manifest->output.rows_bytes,
                                          .hash = manifest->output.rows_hash};

        error = verify_file(checkpoint, in_full, "rows", &expected, err);
    }
    return error;
}

int checkpoint_verify(struct checkpoint *checkpoint, struct err *err)
{
    return verify_files(checkpoint, true, err);
}

int checkpoint_verify_sizes(struct checkpoint *checkpoint, struct err *err)
{
    return verify_files(checkpoint, false, err);
}

static int open_state(struct checkpoint *checkpoint, struct err *err)
{
    int error = 0;

    pthread_mutex_lock(&checkpoint->opening);
    if (!checkpoint->rocks.db) {
        char *path = text_make("%s/db", checkpoint->path);

        error = rocks_open(path, true, &checkpoint->rocks, err);
        free(path);
    }
    pthread_mutex_unlock(&checkpoint->opening);
    if (error)
        err_prefix(err, "checkpoint %s", name_of(checkpoint->path));
    return error == -ENOENT ? -EBADMSG : error;
}

/* A file of it that is missing is damage. */
static int read_error(const struct checkpoint *checkpoint, char *errptr, struct err *err)
{
    int error = rocks_error(errptr, err, checkpoint->path);

    return error == -ENOENT ? -EBADMSG : error;
}

/* Hands over what is from `first` to before `end`. */
static int read_range(struct checkpoint *checkpoint, const struct buf *first, const struct buf *end,
                      checkpoint_on_entry *on_entry, void *context, struct err *err)
{
    rocksdb_readoptions_t *options = rocksdb_readoptions_create();
    int error = 0;
    char *errptr = NULL;

    rocksdb_readoptions_set_verify_checksums(options, 1);
    rocksdb_readoptions_set_fill_cache(options, 0);
    rocksdb_readoptions_set_readahead_size(options, READAHEAD_BYTES);
    rocksdb_readoptions_set_iterate_upper_bound(options, end->data, end->len);
    rocksdb_iterator_t *iterator = rocksdb_create_iterator(checkpoint->rocks.db, options);
    rocksdb_iter_seek(iterator, first->data, first->len);
    for (; rocksdb_iter_valid(iterator) && !error; rocksdb_iter_next(iterator)) {
        struct slice key;
        struct slice value;

        key.data = rocksdb_iter_key(iterator, &key.len);
        value.data = rocksdb_iter_value(iterator, &value.len);
        if (key.len < ROCKS_KEY_BEFORE + ROCKS_ENTRY_KEY_MIN) {
            error = err_set(err, -EBADMSG, "checkpoint %s holds a key that nobody has written",
                            name_of(checkpoint->path));
            break;
        }
        key.data += ROCKS_KEY_BEFORE;
        key.len -= ROCKS_KEY_BEFORE;
        error = on_entry(context, key, value);
    }
    rocksdb_iter_get_error(iterator, &errptr);
    if (errptr && !error)
        error = read_error(checkpoint, errptr, err);
    else
        rocksdb_free(errptr);
    rocksdb_iter_destroy(iterator);
    rocksdb_readoptions_destroy(options);
    return error;
}

int checkpoint_read(struct checkpoint *checkpoint, uint64_t source_hash, uint32_t group,
                    checkpoint_on_entry *on_entry, void *context, struct err *err)
{
    int error = open_state(checkpoint, err);

    for (int part = 0; part < ROCKS_PARTS && !error; part++) {
        struct buf first = {0};
        struct buf end = {0};

        rocks_group_range(source_hash, part, group, &first, &end);
        error = read_range(checkpoint, &first, &end, on_entry, context, err);
        buf_free(&first);
        buf_free(&end);
    }
    return error;
}

int checkpoint_read_all(struct checkpoint *checkpoint, uint64_t source_hash,
                        checkpoint_on_entry *on_entry, void *context, struct err *err)
{
    int error = open_state(checkpoint, err);

    for (int part = 0; part < ROCKS_PARTS && !error; part++) {
        struct buf first = {0};
        struct buf end = {0};

        rocks_source_range(source_hash, part, &first, &end);
        error = read_range(checkpoint, &first, &end, on_entry, context, err);
        buf_free(&first);
        buf_free(&end);
    }
    return error;
}

bool checkpoint_published(const struct checkpoint *checkpoint)
{
    char *path = text_make("%s/published", checkpoint->path);
    bool is_there = file_exists(path);

    free(path);
    return is_there;
}

int checkpoint_mark_published(struct checkpoint *checkpoint, struct err *err)
{
    char *path = text_make("%s/published", checkpoint->path);

    FAILPOINT("publish_mark");
    int error = file_write(path, SLICE_LITERAL(""), err);
    if (error == -EEXIST)
        error = 0;
    if (!error)
        error = folder_sync(checkpoint->path, err);
    FAILPOINT("publish_marked");
    free(path);
    return error;
}
