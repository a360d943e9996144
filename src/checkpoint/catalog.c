#include "checkpoint/catalog.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/failpoint.h"
#include "checkpoint/files.h"

static void add_entry(struct catalog *catalog, const char *path, const char *id, const char *name)
{
    struct catalog_entry entry = {.path = text_make("%s", path)};
    struct checkpoint *checkpoint;
    struct err err;

    if (name)
        entry.name = text_make("%s", name);
    if (id)
        memcpy(entry.id, id, sizeof(entry.id));
    entry.error = checkpoint_open_path(path, &checkpoint, &err);
    if (entry.error) {
        entry.error_text = text_make("%s", err.text);
    } else {
        entry.is_published = checkpoint_published(checkpoint);
        checkpoint_close_to(checkpoint, &entry.manifest);
        memcpy(entry.id, entry.manifest.id, sizeof(entry.id));
    }
    if (entry.error == -ENOENT) { /* removed meanwhile */
        free(entry.name);
        free(entry.path);
        free(entry.error_text);
        return;
    }
    catalog->entries = realloc(catalog->entries, (catalog->count + 1) * sizeof(*catalog->entries));
    CHECK(catalog->entries);
    catalog->entries[catalog->count++] = entry;
}

static bool is_folder(const char *path)
{
    struct stat status;

    return lstat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

static int add_folder(struct catalog *catalog, const struct state_dir *dir, const char *folder,
                      bool is_savepoints, struct err *err)
{
    char *in = text_make("%s/%s", state_dir_path(dir), folder);
    char **names;
    size_t count;
    int error = folder_list(in, &names, &count, err);

    if (error) {
        free(in);
        return error == -ENOENT ? 0 : error;
    }
    for (size_t i = 0; i < count; i++) {
        char *path = text_make("%s/%s", in, names[i]);
        bool is_ours = is_savepoints ? savepoint_name_is_valid(names[i])
                                     : checkpoint_id_is_valid(names[i]);

        /* A savepoint's id is a link: the savepoint itself is listed. */
        if (is_ours && is_folder(path))
            add_entry(catalog, path, is_savepoints ? NULL : names[i],
                      is_savepoints ? names[i] : NULL);
        free(path);
    }
    folder_names_free(names, count);
    free(in);
    return 0;
}

static int compare_newest_first(const void *a, const void *b)
{
    const struct catalog_entry *left = a;
    const struct catalog_entry *right = b;

    return strcmp(right->id, left->id);
}

int catalog_list(const struct state_dir *dir, struct catalog *ret, struct err *err)
{
    struct catalog catalog = {0};
    int error = add_folder(&catalog, dir, "checkpoints", false, err);

    if (!error)
        error = add_folder(&catalog, dir, "savepoints", true, err);
    if (error) {
        catalog_free(&catalog);
        return error;
    }
    if (catalog.count > 1)
        qsort(catalog.entries, catalog.count, sizeof(*catalog.entries), compare_newest_first);
    *ret = catalog;
    return 0;
}

void catalog_free(struct catalog *catalog)
{
    for (size_t i = 0; i < catalog->count; i++) {
        struct catalog_entry *entry = &catalog->entries[i];

        free(entry->name);
        free(entry->path);
        free(entry->error_text);
        if (!entry->error)
            manifest_done(&entry->manifest);
    }
    free(catalog->entries);
    *catalog = (struct catalog){0};
}

static bool is_owned_by(const struct catalog_entry *entry, const struct catalog_owner *owner)
{
    return !entry->error && strcmp(entry->manifest.pipeline, owner->pipeline) == 0 &&
           strcmp(entry->manifest.group, owner->group) == 0 &&
           strcmp(entry->manifest.instance, owner->instance) == 0;
}

static int open_verified(const char *path, struct checkpoint **ret, struct err *err)
{
    int error = checkpoint_open_path(path, ret, err);

    if (error)
        return error;
    error = checkpoint_verify(*ret, err);
    if (error)
        checkpoint_close(*ret);
    return error;
}

/* The newest that is older than `bound`, or is it, if `inclusive`; or NULL. */
static const struct catalog_entry *entry_before(const struct catalog *catalog, const char *bound,
                                                bool inclusive)
{
    for (size_t i = 0; i < catalog->count; i++) {
        const struct catalog_entry *entry = &catalog->entries[i];
        int order = strcmp(entry->id, bound);

        if (*entry->id && (order < 0 || (inclusive && order == 0)))
            return entry;
    }
    return NULL;
}

/* Whether it is known whose state it was made from. */
static bool has_parent(const struct catalog_entry *entry)
{
    return !entry->error && *entry->manifest.parent &&
           strcmp(entry->manifest.parent, entry->id) < 0;
}

int catalog_fallback(const struct state_dir *dir, const struct catalog_owner *owner,
                     const char *before, struct checkpoint **ret, struct err *err)
{
    const struct catalog_entry *entry;
    struct catalog catalog;
    struct buf wrong = {0};
    int error = catalog_list(dir, &catalog, err);
    bool inclusive = true;
    bool is_found = false;

    if (error)
        return error;
    for (const char *bound = before; !is_found;) {
        struct err why;

        entry = entry_before(&catalog, bound, inclusive);
        if (!entry)
            break;
        inclusive = is_owned_by(entry, owner) && has_parent(entry);
        bound = inclusive ? entry->manifest.parent : entry->id;
        if (!is_owned_by(entry, owner) || !entry->is_published || strcmp(entry->id, before) >= 0)
            continue;
        if (open_verified(entry->path, ret, &why) == 0)
            is_found = true;
        else
            buf_printf(&wrong, "; %s", why.text);
    }
    if (!is_found)
        error = err_set(err, -ENOENT, "no checkpoint in %s before %s can be used%s",
                        state_dir_path(dir), before, buf_string(&wrong));
    buf_free(&wrong);
    catalog_free(&catalog);
    return error;
}

static bool is_kept(const char *id, const char *const *keep, size_t keep_count)
{
    for (size_t i = 0; i < keep_count; i++) {
        if (strcmp(keep[i], id) == 0)
            return true;
    }
    return false;
}

/* True if nobody has it open; the lock is then held by *ret_lock, so that nobody opens it either.
 */
static bool is_unused(const char *path, int *ret_lock)
{
    char *file = text_make("%s/manifest", path);
    int fd = open(file, O_RDWR | O_CLOEXEC);

    free(file);
    *ret_lock = fd;
    if (fd < 0)
        return false;
    if (flock(fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK) {
        close(fd);
        return false;
    }
    return true;
}

/* Its new name is on disk before anything in it goes. */
static int remove_named(struct state_dir *dir, const char *half, struct err *err)
{
    char *folder = text_make("%s/checkpoints", state_dir_path(dir));
    int error = folder_sync(folder, err);

    free(folder);
    return error ? error : tree_remove(half, err);
}

/* Takes its name away first: half removed it is no checkpoint any more. */
static int remove_one(struct state_dir *dir, const struct catalog_entry *entry, bool *ret_removed,
                      struct err *err)
{
    char *half = text_make("%s/checkpoints/%s.%s.tmp", state_dir_path(dir), entry->id,
                           state_dir_process(dir));
    int lock;
    int error = 0;

    *ret_removed = false;
    if (is_unused(entry->path, &lock)) {
        FAILPOINT("retain_rename");
        error = file_rename(entry->path, half, err);
        FAILPOINT("retain_renamed");
        close(lock);
        if (error == -ENOENT)
            error = 0; /* another process was faster */
        else if (!error)
            error = remove_named(dir, half, err);
        *ret_removed = !error;
        FAILPOINT("retain_removed");
    }
    free(half);
    return error;
}

/* What this process could not remove before. */
static void remove_leftovers(struct state_dir *dir, const char *in)
{
    char *folder = text_make("%s/%s", state_dir_path(dir), in);
    char process[CHECKPOINT_PROCESS_SIZE];
    char **names;
    size_t count;

    if (folder_list(folder, &names, &count, NULL)) {
        free(folder);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        char *path = text_make("%s/%s", folder, names[i]);

        if (half_made_by(names[i], process) && strcmp(process, state_dir_process(dir)) == 0) {
            int ignored = tree_remove(path, NULL);

            (void)ignored;
        }
        free(path);
    }
    folder_names_free(names, count);
    free(folder);
}

int catalog_retain(struct state_dir *dir, const struct catalog_owner *owner, uint32_t retain,
                   const char *const *keep, size_t keep_count, size_t *ret_removed, struct err *err)
{
    struct catalog catalog;
    uint32_t seen = 0;
    size_t removed = 0;

    *ret_removed = 0;
    remove_leftovers(dir, "checkpoints");
    remove_leftovers(dir, "savepoints");
    int error = catalog_list(dir, &catalog, err);
    if (error)
        return error;
    for (size_t i = 0; i < catalog.count && !error; i++) {
        const struct catalog_entry *entry = &catalog.entries[i];
        bool is_gone;

        if (!is_owned_by(entry, owner) || entry->name)
            continue;
        if (seen++ < retain || is_kept(entry->id, keep, keep_count))
            continue;
        error = remove_one(dir, entry, &is_gone, err);
        removed += is_gone;
    }
    catalog_free(&catalog);
    *ret_removed = removed;
    return error;
}
