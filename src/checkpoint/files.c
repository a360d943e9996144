#include "checkpoint/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdarg.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/failpoint.h"
#include "base/hash.h"

#define READ_BYTES ((size_t)1 << 20)

char *text_make(const char *format, ...)
{
    va_list args;
    char *text;

    va_start(args, format);
    CHECK(vasprintf(&text, format, args) >= 0);
    va_end(args);
    return text;
}

int file_error(struct err *err, const char *what, const char *path)
{
    int error = errno;

    return err_set(err, -error, "cannot %s %s: %s", what, path, strerror(error));
}

/* What a test wants to fail: as if the system had refused it. */
static bool is_refused(int error)
{
    if (error)
        errno = error;
    return error != 0;
}

bool file_exists(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0;
}

uint64_t file_room(const char *path)
{
    struct statvfs status;

    if (statvfs(path, &status))
        return UINT64_MAX;
    /* Root may use what is set aside for it. */
    return (uint64_t)status.f_frsize * (geteuid() == 0 ? status.f_bfree : status.f_bavail);
}

int folder_make(const char *path, struct err *err)
{
    struct stat status;

    if (mkdir(path, 0755) == 0)
        return 0;
    if (errno == EEXIST && stat(path, &status) == 0) {
        if (S_ISDIR(status.st_mode))
            return 0;
        errno = ENOTDIR;
    }
    return file_error(err, "make", path);
}

int folder_make_all(const char *path, struct err *err)
{
    char *part = strdup(path);
    int error = 0;

    CHECK(part);
    for (char *at = part + 1; *part && *at && !error; at++) {
        if (*at != '/')
            continue;
        *at = '\0';
        error = folder_make(part, err);
        *at = '/';
    }
    free(part);
    return error ? error : folder_make(path, err);
}

static int is_real_name(const struct dirent *entry)
{
    return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

static int compare_names(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

int folder_list(const char *path, char ***ret, size_t *ret_count, struct err *err)
{
    struct dirent **entries;
    int count = scandir(path, &entries, is_real_name, compare_names);

    if (count < 0)
        return file_error(err, "read", path);
    char **names = calloc((size_t)count + 1, sizeof(*names));
    CHECK(names);
    for (int i = 0; i < count; i++) {
        names[i] = strdup(entries[i]->d_name);
        CHECK(names[i]);
        free(entries[i]);
    }
    free(entries);
    *ret = names;
    *ret_count = (size_t)count;
    return 0;
}

void folder_names_free(char **names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(names[i]);
    free(names);
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
    (void)status;
    (void)type;
    (void)ftw;
    return remove(path) && errno != ENOENT ? -1 : 0;
}

int tree_remove(const char *path, struct err *err)
{
    FAILPOINT("tree_remove");
    if (is_refused(FAILPOINT_ERROR("tree_remove")))
        return file_error(err, "remove", path);
    if (nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) && errno != ENOENT)
        return file_error(err, "remove", path);
    return 0;
}

int file_rename(const char *from, const char *to, struct err *err)
{
    return rename(from, to) ? file_error(err, "rename to", to) : 0;
}

static int sync_fd(int fd, const char *path, struct err *err)
{
    if (is_refused(FAILPOINT_ERROR("file_sync")) || fsync(fd))
        return file_error(err, "sync", path);
    return 0;
}

static int sync_path(const char *path, int flags, struct err *err)
{
    int fd = open(path, flags | O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return file_error(err, "open", path);
    int error = sync_fd(fd, path, err);
    close(fd);
    return error;
}

int file_sync(const char *path, struct err *err)
{
    FAILPOINT("file_sync");
    return sync_path(path, 0, err);
}

int folder_sync(const char *path, struct err *err)
{
    FAILPOINT("folder_sync");
    if (is_refused(FAILPOINT_ERROR("folder_sync")))
        return file_error(err, "sync", path);
    return sync_path(path, O_DIRECTORY, err);
}

/* Sends all of `in` behind what `out` holds. */
static int send_all(int in, int out)
{
    ssize_t sent;

    do {
        sent = sendfile(out, in, NULL, (size_t)1 << 30);
    } while (sent > 0 || (sent < 0 && errno == EINTR));
    return sent < 0 ? -1 : 0;
}

int file_copy(const char *from, const char *to, struct err *err)
{
    int in = open(from, O_RDONLY | O_CLOEXEC);

    if (in < 0)
        return file_error(err, "read", from);
    int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (out < 0) {
        int error = file_error(err, "make", to);

        close(in);
        return error;
    }
    int error = send_all(in, out) ? file_error(err, "write", to) : 0;
    close(in);
    if (close(out) && !error)
        error = file_error(err, "write", to);
    return error;
}

int file_link(const char *from, const char *to, struct err *err)
{
    FAILPOINT("file_link");
    if (is_refused(FAILPOINT_ERROR("file_link")))
        return file_error(err, "link", to);
    if (link(from, to) == 0)
        return 0;
    if (errno == EXDEV || errno == EPERM || errno == EOPNOTSUPP || errno == ENOSYS ||
        errno == EMLINK)
        return file_copy(from, to, err);
    return file_error(err, "link", to);
}

int file_read(const char *path, size_t bytes_max, struct buf *out, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t before = out->len;
    ssize_t got;

    if (fd < 0)
        return file_error(err, "read", path);
    do {
        size_t room = MIN(READ_BYTES, bytes_max - (out->len - before) + 1);

        got = read(fd, buf_reserve(out, room), room);
        out->len += got > 0 ? (size_t)got : 0;
    } while ((got > 0 && out->len - before <= bytes_max) || (got < 0 && errno == EINTR));
    if (got > 0)
        errno = EFBIG;
    int error = got != 0 ? file_error(err, "read", path) : 0;
    close(fd);
    return error;
}

static int write_all(int fd, struct slice content)
{
    while (content.len > 0) {
        ssize_t wrote = write(fd, content.data, content.len);

        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0)
            return -1;
        content.data += wrote;
        content.len -= (size_t)wrote;
    }
    return 0;
}

int file_write(const char *path, struct slice content, struct err *err)
{
    FAILPOINT("file_write");
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    int error = 0;

    if (fd < 0)
        return file_error(err, "make", path);
    if (is_refused(FAILPOINT_ERROR("file_write")) || write_all(fd, content))
        error = file_error(err, "write", path);
    if (!error)
        error = sync_fd(fd, path, err);
    if (close(fd) && !error)
        error = file_error(err, "write", path);
    if (error)
        unlink(path);
    return error;
}

int file_sum(const char *path, struct file_sum *ret, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct file_sum sum = {0};
    struct buf block = {0};
    ssize_t got;

    if (fd < 0)
        return file_error(err, "read", path);
    posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    XXH3_state_t *state = XXH3_createState();
    CHECK(state);
    XXH3_64bits_reset(state);
    buf_reserve(&block, READ_BYTES);
    while ((got = read(fd, block.data, READ_BYTES)) > 0 || (got < 0 && errno == EINTR)) {
        if (got > 0) {
            XXH3_64bits_update(state, block.data, (size_t)got);
            sum.bytes += (uint64_t)got;
        }
    }
    int error = got < 0 ? file_error(err, "read", path) : 0;
    sum.hash = XXH3_64bits_digest(state);
    XXH3_freeState(state);
    buf_free(&block);
    close(fd);
    if (!error)
        *ret = sum;
    return error;
}
