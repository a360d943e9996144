#include "sink/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/hash.h"

#define WRITEBACK_BYTES ((uint64_t)8 * 1024 * 1024)
#define BUFFER_BYTES    ((size_t)256 * 1024)

static int failed(const struct spool *spool, struct err *err)
{
    int error = errno;

    return err_set(err, -error, "rows in %s: %s", spool->path, strerror(error));
}

int spool_create(struct spool *spool, const char *folder, const char *name, uint64_t epoch,
                 struct err *err)
{
    struct buf path = {0};

    buf_printf(&path, "%s/%s", folder, name);
    buf_string(&path);
    *spool = (struct spool){.epoch = epoch, .path = path.data};
    /* Not truncated: what has the name may be part of a checkpoint as well. */
    unlink(spool->path);
    spool->fd = open(spool->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (spool->fd < 0) {
        int error = failed(spool, err);

        free(spool->path);
        return error;
    }
    spool->hash_state = XXH3_createState();
    CHECK(spool->hash_state && XXH3_64bits_reset(spool->hash_state) == XXH_OK);
    return 0;
}

void spool_remove(struct spool *spool)
{
    close(spool->fd);
    unlink(spool->path);
    free(spool->path);
    XXH3_freeState(spool->hash_state);
}

int spool_write(struct spool *spool, struct slice bytes, size_t *ret_done, struct err *err)
{
    uint64_t before = spool->bytes;
    int error = 0;

    CHECK(!spool->is_sealed);
    for (*ret_done = 0; !error && *ret_done < bytes.len;) {
        ssize_t wrote = pwrite(spool->fd, bytes.data + *ret_done, bytes.len - *ret_done,
                               (off_t)spool->bytes);

        if (wrote < 0 && errno != EINTR)
            error = failed(spool, err);
        if (wrote <= 0)
            continue;
        CHECK(XXH3_64bits_update(spool->hash_state, bytes.data + *ret_done, (size_t)wrote) ==
              XXH_OK);
        *ret_done += (size_t)wrote;
        spool->bytes += (uint64_t)wrote;
    }
    /* The disk begins early, so that sealing does not have to wait for all of it. */
    if (spool->bytes / WRITEBACK_BYTES != before / WRITEBACK_BYTES)
        (void)sync_file_range(spool->fd, 0, (off_t)spool->bytes, SYNC_FILE_RANGE_WRITE);
    return error;
}

int spool_write_all_of(struct spool *spool, const struct spool *from, struct err *err)
{
    struct buf buffer = {0};
    uint64_t offset = 0;
    size_t done;
    int error = 0;

    while (!error && offset < from->bytes) {
        ssize_t got = pread(from->fd, buf_reserve(&buffer, BUFFER_BYTES), BUFFER_BYTES,
                            (off_t)offset);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            errno = got < 0 ? errno : EIO;
            error = failed(from, err);
            break;
        }
        error = spool_write(spool, (struct slice){buffer.data, (size_t)got}, &done, err);
        offset += (uint64_t)got;
    }
    buf_free(&buffer);
    return error;
}

int spool_seal(struct spool *spool, struct err *err)
{
    if (spool->is_sealed)
        return 0;
    /* The kernel tells of lost pages once: a second sync would only seem to succeed. */
    if (spool->is_broken)
        return err_set(err, -EIO, "rows in %s: could not be synced before", spool->path);
    if (fsync(spool->fd)) {
        spool->is_broken = true;
        return failed(spool, err);
    }
    spool->hash = XXH3_64bits_digest(spool->hash_state);
    spool->is_sealed = true;
    return 0;
}
