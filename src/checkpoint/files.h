/* files - what checkpoints ask of the file system, with a text for what it refuses.
 *
 * Functions return 0 or -errno, with the path and the reason in `err` (which may be NULL). Nothing
 * that was written counts before it is synced, nor a name before its folder is. Any thread. */
#ifndef FRESHET_CHECKPOINT_FILES_H
#define FRESHET_CHECKPOINT_FILES_H

#include "base/buf.h"
#include "base/err.h"

/* A text of its own, to be freed. */
char *text_make(const char *format, ...) PRINTF_LIKE(1, 2);

/* "cannot <what> <path>: <reason>", with -errno. */
int file_error(struct err *err, const char *what, const char *path);

/* Follows links. */
bool file_exists(const char *path);

/* What can still be written to the file system that `path` is on; UINT64_MAX if it does not say. */
uint64_t file_room(const char *path);

/* One folder; there already is fine. */
MUST_USE int folder_make(const char *path, struct err *err);

/* With those above it. */
MUST_USE int folder_make_all(const char *path, struct err *err);

/* All names in a folder but . and .., sorted; each and the array are to be freed. */
MUST_USE int folder_list(const char *path, char ***ret, size_t *ret_count, struct err *err);
void folder_names_free(char **names, size_t count);

/* With all that is in it. What is not there, or goes away meanwhile, is no error. */
MUST_USE int tree_remove(const char *path, struct err *err);

MUST_USE int file_rename(const char *from, const char *to, struct err *err);
MUST_USE int file_sync(const char *path, struct err *err);
MUST_USE int folder_sync(const char *path, struct err *err);

/* `to` must not exist. A copy is not synced. */
MUST_USE int file_copy(const char *from, const char *to, struct err *err);

/* The same file under a second name, or where that can't be (another file system, one without hard
 * links) a copy. */
MUST_USE int file_link(const char *from, const char *to, struct err *err);

/* Appends the content to `out`; -EFBIG if it is more than `bytes_max`. */
MUST_USE int file_read(const char *path, size_t bytes_max, struct buf *out, struct err *err);

/* A new file, synced; on an error there is none. */
MUST_USE int file_write(const char *path, struct slice content, struct err *err);

struct file_sum {
    uint64_t bytes;
    uint64_t hash; /* XXH3, 64 bits */
};

/* Reads the whole file. */
MUST_USE int file_sum(const char *path, struct file_sum *ret, struct err *err);

#endif
