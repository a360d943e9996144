#include "sink/output_file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"

#define STEP_BYTES   ((uint64_t)32 * 1024 * 1024) /* of one call of output_file_append */
#define BUFFER_BYTES 65536

static int failed(const struct output_file *file, const char *what, struct err *err)
{
    int error = errno;

    return err_set(err, -error, "output file %s: %s: %s", file->path, what, strerror(error));
}

/* Not every file can be synced: a pipe, or /dev/null. */
static int sync_fd(int fd)
{
    return fsync(fd) && errno != EINVAL && errno != EROFS ? -errno : 0;
}

/* A new file's name has to last as well: also one whose maker did not live to see to that. */
static int sync_folder(const char *path)
{
    char *copy = strdup(path);
    int fd;
    int error;

    CHECK(copy);
    fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    error = fd < 0 ? -errno : sync_fd(fd);
    if (fd >= 0)
        close(fd);
    free(copy);
    return error == -EACCES ? 0 : error; /* not ours to read: then it is not ours to sync */
}

static int open_or_make(struct output_file *file)
{
    int flags = O_WRONLY | O_CLOEXEC | file->flags;

    file->fd = open(file->path, flags | O_CREAT, 0644);
    return file->fd < 0 ? -errno : sync_folder(file->path);
}

static uint64_t size_of(const struct output_file *file)
{
    struct stat status;

    CHECK(fstat(file->fd, &status) == 0);
    return file->is_regular ? (uint64_t)status.st_size : 0;
}

static int reopen(struct output_file *file, struct err *err)
{
    struct stat status;
    int error = open_or_make(file);

    if (!error && fstat(file->fd, &status))
        error = -errno;
    if (error)
        return err_set(err, error, "output file %s: %s", file->path, strerror(-error));
    file->is_regular = S_ISREG(status.st_mode);
    file->length = size_of(file);
    file->appended = 0;
    return 0;
}

int output_file_open(struct output_file *file, const char *path, int flags, struct err *err)
{
    *file = (struct output_file){.fd = -1, .flags = flags, .path = strdup(path)};
    CHECK(file->path);
    int error = reopen(file, err);
    if (error)
        (void)output_file_close(file);
    return error;
}

int output_file_close(struct output_file *file)
{
    int error = 0;

    if (file->fd >= 0) {
        error = sync_fd(file->fd);
        if (close(file->fd) && !error)
            error = -errno;
    }
    free(file->path);
    *file = (struct output_file){.fd = -1};
    return error;
}

int output_file_write(struct output_file *file, struct slice bytes, size_t *ret_done,
                      struct err *err)
{
    for (*ret_done = 0; *ret_done < bytes.len;) {
        ssize_t wrote = write(file->fd, bytes.data + *ret_done, bytes.len - *ret_done);

        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0)
            return failed(file, "cannot be written", err);
        *ret_done += (size_t)wrote;
    }
    return 0;
}

int output_file_follow(struct output_file *file, struct err *err)
{
    struct output_file next = {.fd = -1, .flags = file->flags, .path = file->path};
    struct stat ours;
    struct stat named;
    int error;

    CHECK(file->appended == 0);
    if (fstat(file->fd, &ours))
        return failed(file, "cannot be looked at", err);
    if (stat(file->path, &named) == 0 && named.st_dev == ours.st_dev && named.st_ino == ours.st_ino)
        return 0;
    error = reopen(&next, err);
    if (error) {
        if (next.fd >= 0)
            close(next.fd);
        return error;
    }
    close(file->fd); /* synced by the last append */
    *file = next;
    return 0;
}

int output_file_sync(struct output_file *file, struct err *err)
{
    return sync_fd(file->fd) ? failed(file, "cannot be synced", err) : 0;
}

int output_file_cut(struct output_file *file, uint64_t length, struct err *err)
{
    file->appended = 0;
    if (!file->is_regular)
        return 0;
    if (ftruncate(file->fd, (off_t)length))
        return failed(file, "cannot be truncated", err);
    file->length = length;
    return 0;
}

/* By way of memory: for files of different kinds, or on file systems that can't do it better. */
static ssize_t copy_by_hand(struct output_file *file, int from_fd, off_t from, off_t to,
                            size_t bytes)
{
    char buffer[BUFFER_BYTES];
    ssize_t got = pread(from_fd, buffer, MIN(bytes, sizeof(buffer)), from);

    if (got <= 0)
        return got;
    if (file->is_regular)
        return pwrite(file->fd, buffer, (size_t)got, to);
    return write(file->fd, buffer, (size_t)got);
}

/* Some bytes; 0: there are none. */
static ssize_t copy_some(struct output_file *file, int from_fd, uint64_t bytes)
{
    off_t from = (off_t)file->appended;
    off_t to = (off_t)(file->length + file->appended);
    ssize_t copied = 0;

    if (file->is_regular)
        copied = copy_file_range(from_fd, &from, file->fd, &to, (size_t)bytes, 0);
    if (copied > 0 || (copied < 0 && (errno == ENOSPC || errno == EDQUOT || errno == EFBIG ||
                                      errno == EINTR || errno == EIO)))
        return copied;
    return copy_by_hand(file, from_fd, (off_t)file->appended,
                        (off_t)(file->length + file->appended), (size_t)bytes);
}

/* What an attempt that failed has left behind `length`; or the file has been emptied meanwhile by
 * one who keeps copies of it, and goes on from there. */
static int append_begin(struct output_file *file, struct err *err)
{
    uint64_t size = size_of(file);

    if (size > file->length)
        return output_file_cut(file, file->length, err);
    file->length = size;
    return 0;
}

static int append_step(struct output_file *file, int from_fd, const char *from, uint64_t bytes,
                       struct err *err)
{
    uint64_t until = MIN(bytes, file->appended + STEP_BYTES);

    while (file->appended < until) {
        ssize_t copied = copy_some(file, from_fd, until - file->appended);

        if (copied < 0 && errno == EINTR)
            continue;
        if (copied < 0)
            return failed(file, "rows cannot be appended", err);
        if (copied == 0)
            return err_set(err, -EIO, "%s: %llu bytes of rows are missing", from,
                           (unsigned long long)(bytes - file->appended));
        file->appended += (uint64_t)copied;
    }
    /* Writing begins while the next part is copied: the sync at the end is then short. */
    if (file->is_regular)
        (void)sync_file_range(file->fd, (off_t)file->length, (off_t)file->appended,
                              SYNC_FILE_RANGE_WRITE);
    return 0;
}

int output_file_append(struct output_file *file, int from_fd, const char *from, uint64_t bytes,
                       struct err *err)
{
    int error = file->appended == 0 ? append_begin(file, err) : 0;

    if (!error)
        error = append_step(file, from_fd, from, bytes, err);
    if (!error && file->appended < bytes)
        return -EAGAIN;
    if (!error)
        error = output_file_sync(file, err);
    if (!error && file->is_regular)
        file->length += bytes;
    file->appended = 0;
    return error;
}

static bool read_fully(int fd, char *to, size_t bytes, uint64_t offset)
{
    size_t done = 0;

    while (done < bytes) {
        ssize_t got = pread(fd, to + done, bytes - done, (off_t)(offset + done));

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        done += (size_t)got;
    }
    return true;
}

bool output_file_ends_with(const struct output_file *file, int from_fd, uint64_t bytes)
{
    char ours[BUFFER_BYTES / 2];
    char theirs[sizeof(ours)];
    uint64_t size = size_of(file);
    uint64_t done = 0;
    bool same = true;
    int fd;

    if (bytes == 0 || size < bytes)
        return false;
    fd = open(file->path, O_RDONLY | O_CLOEXEC);
    while (same && done < bytes) {
        size_t step = (size_t)MIN(bytes - done, (uint64_t)sizeof(ours));

        same = fd >= 0 && read_fully(fd, ours, step, size - bytes + done) &&
               read_fully(from_fd, theirs, step, done) && memcmp(ours, theirs, step) == 0;
        done += step;
    }
    if (fd >= 0)
        close(fd);
    return same;
}

static int append_whole(struct output_file *file, int from_fd, const char *from, uint64_t bytes,
                        struct err *err)
{
    int error;

    do {
        error = output_file_append(file, from_fd, from, bytes, err);
    } while (error == -EAGAIN);
    return error;
}

/* Its owner may be somebody else: then it stays with whom it can be. */
static void take_after(const struct output_file *file, const struct output_file *model)
{
    struct stat status;

    if (fstat(model->fd, &status) == 0) {
        (void)!fchown(file->fd, status.st_uid, status.st_gid);
        (void)!fchmod(file->fd, status.st_mode & 07777);
    }
}

/* What the file holds, and behind it what is to come, into the file that is to replace it. */
static int write_whole(struct output_file *whole, const struct output_file *file, int from_fd,
                       const char *from, uint64_t bytes, struct err *err)
{
    int fd = open(file->path, O_RDONLY | O_CLOEXEC);
    int error;

    if (fd < 0)
        return failed(file, "cannot be read", err);
    take_after(whole, file);
    error = append_whole(whole, fd, file->path, file->length, err);
    close(fd);
    return error ? error : append_whole(whole, from_fd, from, bytes, err);
}

int output_file_replace(struct output_file *file, int from_fd, const char *from, uint64_t bytes,
                        struct err *err)
{
    struct buf path = {0};
    struct output_file whole;
    char *target = realpath(file->path, NULL);
    int error;

    if (!target)
        return failed(file, "cannot be looked up", err);
    buf_printf(&path, "%s.recovering", target);
    unlink(buf_string(&path));
    error = output_file_open(&whole, buf_string(&path), 0, err);
    buf_free(&path);
    if (error) {
        free(target);
        return error;
    }
    error = write_whole(&whole, file, from_fd, from, bytes, err);
    if (!error && rename(whole.path, target))
        error = failed(&whole, "cannot take its place", err);
    if (error) {
        unlink(whole.path);
        (void)output_file_close(&whole);
    } else {
        close(file->fd);
        file->fd = whole.fd;
        file->length = whole.length;
        free(whole.path);
        error = sync_folder(target);
        if (error)
            err_set(err, error, "folder of %s: %s", target, strerror(-error));
    }
    free(target);
    return error;
}
