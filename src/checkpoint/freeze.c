/* Freezing: the work store's state becomes a checkpoint.
 *
 *   flush ─▶ checkpoints/<id>.<process>.tmp/db (hard links) ─▶ rows ─▶ hashes ─▶ manifest ─▶ fsync
 *         ─▶ rename to checkpoints/<id> ─▶ fsync
 *
 * A savepoint is made in savepoints/, which may be on another disk, and gets a link by its id.
 * Until the rename nobody takes the folder for a checkpoint; before it, all in it is on disk. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/failpoint.h"
#include "checkpoint/files.h"
#include "checkpoint/store_internal.h"

/* What one freeze is at. */
struct freeze {
    struct store *store;
    struct manifest *manifest;
    char *folder; /* checkpoints/ */
    char *parent; /* the folder that `final` is in */
    char *final;  /* checkpoints/<id> or savepoints/<name> */
    char *half;   /* <final>.<process>.tmp */
    char *db;     /* its db/ */
    char *link;   /* of a savepoint: checkpoints/<id>, else NULL */
};

static int refused(struct err *err, int error, const char *what)
{
    return error ? err_set(err, -error, "%s: %s", what, strerror(error)) : 0;
}

static int flush(struct store *store, struct err *err)
{
    static const char what[] = "flushing the work store";
    char *errptr = NULL;

    FAILPOINT("store_flush");
    int error = refused(err, FAILPOINT_ERROR("store_flush"), what);
    if (error)
        return error;
    rocksdb_flush(store->rocks.db, store->flush_options, &errptr);
    if (errptr)
        return store_note(store, rocks_error(errptr, err, what));
    FAILPOINT("store_flushed");
    return 0;
}

/* RocksDB links its tables and copies the rest; the names of its files are in a folder of theirs.
 */
static int link_db(struct freeze *freeze, struct err *err)
{
    static const char what[] = "linking the work store's files into the checkpoint";
    char *errptr = NULL;

    FAILPOINT("freeze_db");
    int error = refused(err, FAILPOINT_ERROR("freeze_db"), what);
    if (error)
        return error;
    rocksdb_checkpoint_t *checkpoint = rocksdb_checkpoint_object_create(freeze->store->rocks.db,
                                                                        &errptr);
    if (!errptr) {
        rocksdb_checkpoint_create(checkpoint, freeze->db, 0, &errptr);
        rocksdb_checkpoint_object_destroy(checkpoint);
    }
    if (errptr)
        return rocks_error(errptr, err, what);
    FAILPOINT("freeze_db_linked");
    return 0;
}

static int take_rows(struct freeze *freeze, const char *rows, struct err *err)
{
    struct file_sum sum;

    FAILPOINT("freeze_rows");
    if (!rows)
        return 0;
    char *to = text_make("%s/rows", freeze->half);
    int error = file_link(rows, to, err);
    if (!error)
        error = file_sync(to, err);
    if (!error)
        error = file_sum(to, &sum, err);
    if (!error) {
        freeze->manifest->output.rows_bytes = sum.bytes;
        freeze->manifest->output.rows_hash = sum.hash;
    }
    free(to);
    return error;
}

/* The entry of a table that the checkpoint before had too. */
static const struct manifest_file *known_file(const struct store *store, const char *name)
{
    for (uint32_t i = 0; i < store->known_count; i++) {
        if (strcmp(store->known[i].name, name) == 0)
            return &store->known[i];
    }
    return NULL;
}

static int add_file(struct freeze *freeze, char *name, struct err *err)
{
    char *path = text_make("%s/%s", freeze->db, name);
    const struct manifest_file *known = known_file(freeze->store, name);
    struct manifest_file file = {.name = name};
    struct stat status;
    int error = 0;

    if (stat(path, &status))
        error = file_error(err, "read", path);
    if (!error && known && known->bytes == (uint64_t)status.st_size && status.st_nlink > 1) {
        file = *known;
    } else if (!error) {
        struct file_sum sum;

        error = file_sync(path, err);
        if (!error)
            error = file_sum(path, &sum, err);
        if (!error) {
            file.bytes = sum.bytes;
            file.hash = sum.hash;
        }
    }
    if (!error)
        manifest_add_file(freeze->manifest, &file);
    free(path);
    return error;
}

static int add_files(struct freeze *freeze, struct err *err)
{
    char **names;
    size_t count;

    FAILPOINT("freeze_hash");
    int error = folder_list(freeze->db, &names, &count, err);
    if (error)
        return error;
    for (size_t i = 0; i < count && !error; i++)
        error = add_file(freeze, names[i], err);
    folder_names_free(names, count);
    return error;
}

static int write_manifest(struct freeze *freeze, struct err *err)
{
    char *path = text_make("%s/manifest", freeze->half);
    struct buf bytes = {0};
    struct manifest check;
    int error = 0;

    FAILPOINT("freeze_manifest");
    manifest_save(freeze->manifest, &bytes);
    /* What could not be read again must not become a checkpoint. */
    if (manifest_load(buf_slice(&bytes), &check))
        error = err_set(err, -EINVAL, "the manifest of checkpoint %s contradicts itself",
                        freeze->manifest->id);
    else
        manifest_done(&check);
    if (!error)
        error = file_write(path, buf_slice(&bytes), err);
    buf_free(&bytes);
    free(path);
    return error;
}

static int fill(struct freeze *freeze, const char *rows, struct err *err)
{
    FAILPOINT("freeze_folder");
    int error = folder_make(freeze->half, err);

    if (!error)
        error = link_db(freeze, err);
    if (!error)
        error = take_rows(freeze, rows, err);
    if (!error)
        error = add_files(freeze, err);
    if (!error)
        error = write_manifest(freeze, err);
    FAILPOINT("freeze_sync");
    if (!error)
        error = folder_sync(freeze->db, err);
    if (!error)
        error = folder_sync(freeze->half, err);
    return error;
}

/* Gives the folder its name: from here on it is a checkpoint. */
static int name_it(struct freeze *freeze, struct err *err)
{
    FAILPOINT("freeze_rename");
    int error = refused(err, FAILPOINT_ERROR("freeze_rename"), freeze->final);

    if (!error && rename(freeze->half, freeze->final)) {
        if (freeze->link && (errno == EEXIST || errno == ENOTEMPTY))
            error = err_set(err, -EEXIST, "there is a savepoint %s already",
                            freeze->manifest->savepoint);
        else
            error = file_error(err, "rename to", freeze->final);
    }
    if (error)
        return error;
    FAILPOINT("freeze_renamed");
    error = folder_sync(freeze->parent, err);
    FAILPOINT("freeze_synced");
    if (!error && freeze->link) {
        char *target = text_make("../savepoints/%s", freeze->manifest->savepoint);

        error = refused(err, FAILPOINT_ERROR("freeze_name"), freeze->link);
        if (!error && symlink(target, freeze->link))
            error = file_error(err, "link", freeze->link);
        FAILPOINT("freeze_name");
        if (!error)
            error = folder_sync(freeze->folder, err);
        free(target);
    }
    if (!error)
        return 0;
    /* It may be on disk or not: better that it is not. */
    if (freeze->link)
        unlink(freeze->link);
    rename(freeze->final, freeze->half);
    return error;
}

static void drop_files(struct manifest *manifest)
{
    for (uint32_t i = 0; i < manifest->file_count; i++)
        free(manifest->files[i].name);
    free(manifest->files);
    manifest->files = NULL;
    manifest->file_count = 0;
}

/* Says who, when and after whom. */
static void sign(struct store *store, struct manifest *manifest)
{
    /* Growing along the chain, even if the clock was set back: the newest is the last by name. */
    manifest->created_ms = MAX(clock_realtime_ms(), store->parent_ms + 1);
    checkpoint_id_make(manifest->created_ms, manifest->id);
    memcpy(manifest->parent, store->parent, sizeof(manifest->parent));
    manifest->entries_written = store->entries_written;
    manifest->bytes_written = store->bytes_written;
    manifest->output.rows_bytes = 0;
    manifest->output.rows_hash = 0;
    drop_files(manifest);
}

static int check_name(const struct freeze *freeze, struct err *err)
{
    if (!freeze->link)
        return 0;
    if (!savepoint_name_is_valid(freeze->manifest->savepoint))
        return err_set(err, -EINVAL,
                       "\"%s\" cannot be a savepoint's name: 1 to %d of A-Z a-z 0-9 . _ -, not "
                       "beginning with a dot",
                       freeze->manifest->savepoint, SAVEPOINT_NAME_MAX);
    if (file_exists(freeze->final))
        return err_set(err, -EEXIST, "there is a savepoint %s already",
                       freeze->manifest->savepoint);
    return 0;
}

static void freeze_init(struct freeze *freeze, struct store *store, struct manifest *manifest)
{
    const char *dir = state_dir_path(store->dir);
    bool is_savepoint = manifest->savepoint[0] != '\0';

    *freeze = (struct freeze){.store = store, .manifest = manifest};
    freeze->folder = text_make("%s/checkpoints", dir);
    freeze->parent = text_make("%s/%s", dir, is_savepoint ? "savepoints" : "checkpoints");
    freeze->final = text_make("%s/%s", freeze->parent,
                              is_savepoint ? manifest->savepoint : manifest->id);
    freeze->half = text_make("%s.%s.tmp", freeze->final, state_dir_process(store->dir));
    freeze->db = text_make("%s/db", freeze->half);
    freeze->link = is_savepoint ? text_make("%s/%s", freeze->folder, manifest->id) : NULL;
}

static void freeze_done(struct freeze *freeze)
{
    free(freeze->folder);
    free(freeze->half);
    free(freeze->db);
    free(freeze->final);
    free(freeze->parent);
    free(freeze->link);
}

int store_freeze(struct store *store, struct manifest *manifest, const char *rows, struct err *err)
{
    struct freeze freeze;

    CHECK(!rows || manifest->output.present);
    int error = store_check_open(store, err);
    if (error)
        return error;
    sign(store, manifest);
    freeze_init(&freeze, store, manifest);
    error = check_name(&freeze, err);
    if (!error)
        error = store_check_room(store, err);
    if (!error)
        error = flush(store, err);
    if (!error) {
        error = fill(&freeze, rows, err);
        if (!error)
            error = name_it(&freeze, err);
        if (error) {
            int ignored = tree_remove(freeze.half, NULL); /* else the next start */

            (void)ignored;
        }
    }
    freeze_done(&freeze);
    if (error)
        return error;
    store_follows(store, manifest);
    FAILPOINT("freeze_done");
    return 0;
}
