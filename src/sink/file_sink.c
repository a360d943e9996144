#include "sink/file_sink.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash.h"
#include "sink/file_lane.h"
#include "sink/spool.h"

int file_writer_open(struct file_writer *writer, const struct plan *plan, uint32_t lane_count,
                     const char *spool_folder, void (*wake)(void *context), void *wake_context,
                     struct err *err)
{
    int error;

    *writer = (struct file_writer){.view_count = plan->view_count, .lane_count = lane_count};
    error = output_file_open(&writer->output, plan->file_output, spool_folder ? 0 : O_APPEND, err);
    if (error)
        return error;
    writer->spool_folder = spool_folder ? strdup(spool_folder) : NULL;
    writer->formats = calloc(plan->view_count, sizeof(*writer->formats));
    writer->lanes = aligned_alloc(CACHE_LINE, lane_count * sizeof(*writer->lanes));
    CHECK(writer->formats && writer->lanes && (writer->spool_folder || !spool_folder));
    for (uint32_t i = 0; i < plan->view_count; i++)
        row_json_init(&writer->formats[i], plan, &plan->views[i]);
    for (uint32_t i = 0; i < lane_count; i++)
        file_lane_init(&writer->lanes[i], writer->formats, wake, wake_context);
    return 0;
}

int file_writer_close(struct file_writer *writer)
{
    int error = output_file_close(&writer->output);

    for (uint32_t i = 0; i < writer->spool_count; i++)
        spool_remove(&writer->spools[i]);
    free(writer->spools);
    free(writer->spool_folder);
    for (uint32_t i = 0; i < writer->lane_count; i++)
        file_lane_done(&writer->lanes[i]);
    for (uint32_t i = 0; i < writer->view_count; i++)
        row_json_done(&writer->formats[i]);
    free(writer->lanes);
    free(writer->formats);
    return error;
}

uint64_t file_writer_length(const struct file_writer *writer)
{
    return writer->output.length;
}

/* --- from the lanes to the spools --- */

static void pending_add(struct file_writer *writer, int64_t bytes)
{
    atomic_fetch_add_explicit(&writer->pending_bytes, (uint64_t)bytes, memory_order_relaxed);
}

/* A new spool, at its place among the others. */
static int spool_add(struct file_writer *writer, uint64_t epoch, const char *name, uint32_t at,
                     struct err *err)
{
    struct spool spool;
    int error = spool_create(&spool, writer->spool_folder, name, epoch, err);

    if (error)
        return error;
    writer->spools = realloc(writer->spools, (writer->spool_count + 1) * sizeof(spool));
    CHECK(writer->spools);
    memmove(&writer->spools[at + 1], &writer->spools[at],
            (writer->spool_count - at) * sizeof(spool));
    writer->spools[at] = spool;
    writer->spool_count++;
    return 0;
}

static void spools_drop(struct file_writer *writer, uint32_t first, uint32_t count)
{
    for (uint32_t i = first; i < first + count; i++)
        spool_remove(&writer->spools[i]);
    writer->spool_count -= count;
    memmove(&writer->spools[first], &writer->spools[first + count],
            (writer->spool_count - first) * sizeof(*writer->spools));
}

/* The spool of the epoch, made if need be. */
static int spool_for(struct file_writer *writer, uint64_t epoch, struct spool **ret,
                     struct err *err)
{
    char name[64];
    uint32_t at = writer->spool_count;
    int error = 0;

    while (at > 0 && writer->spools[at - 1].epoch > epoch)
        at--;
    if (at == 0 || writer->spools[at - 1].epoch != epoch) {
        snprintf(name, sizeof(name), "rows.%llu", (unsigned long long)epoch);
        error = spool_add(writer, epoch, name, at++, err);
    }
    if (!error)
        *ret = &writer->spools[at - 1];
    return error;
}

static int output_write(struct file_writer *writer, struct slice bytes, size_t *ret_done,
                        struct err *err)
{
    int error = output_file_write(&writer->output, bytes, ret_done, err);

    atomic_fetch_add_explicit(&writer->bytes, *ret_done, memory_order_relaxed);
    return error;
}

static int block_write(struct file_writer *writer, struct file_lane *lane, struct err *err)
{
    const struct file_block *block = lane->writing;
    struct slice left = {block->lines.data + lane->written, block->lines.len - lane->written};
    struct spool *spool;
    size_t done = 0;
    int error;

    if (!writer->spool_folder) {
        error = output_write(writer, left, &done, err);
    } else {
        error = spool_for(writer, block->epoch, &spool, err);
        if (!error)
            error = spool_write(spool, left, &done, err);
        pending_add(writer, (int64_t)done);
    }
    lane->written += done;
    return error;
}

static int lane_write(struct file_writer *writer, struct file_lane *lane, struct err *err)
{
    size_t count = spsc_count(&lane->full) + (lane->writing ? 1 : 0);

    for (; count > 0; count--) {
        if (!lane->writing)
            lane->writing = spsc_pop(&lane->full);
        int error = block_write(writer, lane, err);
        if (error)
            return error;
        buf_reset(&lane->writing->lines);
        CHECK(spsc_push(&lane->empty, lane->writing));
        lane->writing = NULL;
        lane->written = 0;
    }
    return 0;
}

int file_writer_run(struct file_writer *writer, struct err *err)
{
    int error = 0;

    for (uint32_t i = 0; !error && i < writer->lane_count; i++)
        error = lane_write(writer, &writer->lanes[i], err);
    return error;
}

bool file_writer_idle(struct file_writer *writer)
{
    for (uint32_t i = 0; i < writer->lane_count; i++) {
        if (writer->lanes[i].writing || spsc_count(&writer->lanes[i].full) > 0)
            return false;
    }
    return true;
}

/* --- from the spools to the output --- */

static bool is_marked(const struct file_writer *writer, uint64_t epoch)
{
    for (uint32_t i = 0; i < writer->lane_count; i++) {
        if (atomic_load_explicit(&writer->lanes[i].epoch, memory_order_acquire) <= epoch)
            return false;
    }
    return true;
}

/* Epochs whose checkpoints came to nothing, and the one that takes their rows along, in one spool.
 * The old ones stay until it is whole; those that were sealed may have got into a checkpoint. */
static int spools_merge(struct file_writer *writer, uint32_t count, struct err *err)
{
    uint64_t epoch = writer->spools[count - 1].epoch;
    char name[64];
    int error;

    snprintf(name, sizeof(name), "rows.%llu-%llu", (unsigned long long)writer->spools[0].epoch,
             (unsigned long long)epoch);
    error = spool_add(writer, epoch, name, count, err);
    if (error)
        return error;
    for (uint32_t i = 0; !error && i < count; i++)
        error = spool_write_all_of(&writer->spools[count], &writer->spools[i], err);
    if (error)
        spools_drop(writer, count, 1);
    else
        spools_drop(writer, 0, count);
    return error;
}

int file_writer_seal(struct file_writer *writer, uint64_t epoch, struct file_rows *ret,
                     struct err *err)
{
    struct spool *spool;
    int error;

    CHECK(writer->spool_folder);
    if (!is_marked(writer, epoch))
        return -EAGAIN;
    error = file_writer_run(writer, err);
    if (!error)
        error = spool_for(writer, epoch, &spool, err);
    if (!error && spool != writer->spools)
        error = spools_merge(writer, (uint32_t)(spool - writer->spools) + 1, err);
    if (!error)
        error = spool_seal(&writer->spools[0], err);
    /* The checkpoint is about to note its length: from now on it has to be this very file. */
    if (!error)
        error = output_file_follow(&writer->output, err);
    if (error)
        return error;
    *ret = (struct file_rows){.path = writer->spools[0].path,
                              .bytes = writer->spools[0].bytes,
                              .hash = writer->spools[0].hash};
    return 0;
}

int file_writer_adopt(struct file_writer *writer, uint64_t epoch, const char *path, uint64_t bytes,
                      struct err *err)
{
    struct spool from = {
        .fd = open(path, O_RDONLY | O_CLOEXEC), .path = (char *)path, .bytes = bytes};
    struct spool *spool;
    int error;

    CHECK(writer->spool_folder);
    if (from.fd < 0)
        return err_set(err, -errno, "rows of the checkpoint in %s: %s", path, strerror(errno));
    error = spool_for(writer, epoch, &spool, err);
    if (!error)
        error = spool_write_all_of(spool, &from, err);
    close(from.fd);
    if (!error)
        pending_add(writer, (int64_t)bytes);
    return error;
}

static void count_published(struct file_writer *writer, uint64_t bytes)
{
    atomic_fetch_add_explicit(&writer->bytes, bytes, memory_order_relaxed);
}

int file_writer_publish(struct file_writer *writer, uint64_t epoch, struct err *err)
{
    const struct spool *spool = writer->spools;
    int error;

    CHECK(writer->spool_count > 0 && spool->epoch == epoch && spool->is_sealed);
    error = output_file_append(&writer->output, spool->fd, spool->path, spool->bytes, err);
    if (error)
        return error;
    count_published(writer, spool->bytes);
    pending_add(writer, -(int64_t)spool->bytes);
    spools_drop(writer, 0, 1);
    return 0;
}

static int append_whole(struct file_writer *writer, int fd, const char *path, uint64_t bytes,
                        struct err *err)
{
    int error;

    do {
        error = output_file_append(&writer->output, fd, path, bytes, err);
    } while (error == -EAGAIN);
    return error;
}

/* `is_short`: somebody has moved the output away. Then its length can't tell how far an attempt at
 * this has got before, so there must be nothing half way. */
static int recover_rows(struct file_writer *writer, const char *path, uint64_t bytes, bool is_short,
                        struct err *err)
{
    struct output_file *output = &writer->output;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int error;

    if (fd < 0)
        return err_set(err, -errno, "rows of the checkpoint in %s: %s", path, strerror(errno));
    error = is_short ? output_file_replace(output, fd, path, bytes, err)
                     : append_whole(writer, fd, path, bytes, err);
    close(fd);
    if (!error)
        count_published(writer, bytes);
    return error;
}

/* An attempt before this one has been through. */
static bool has_rows(const struct output_file *output, const char *path, uint64_t bytes)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool found = fd >= 0 && output_file_ends_with(output, fd, bytes);

    if (fd >= 0)
        close(fd);
    return found;
}

int file_writer_recover(struct file_writer *writer, uint64_t length_before, const char *rows_path,
                        uint64_t rows_bytes, bool is_published, struct err *ret_warning,
                        struct err *err)
{
    struct output_file *output = &writer->output;
    uint64_t expected = length_before + (is_published ? rows_bytes : 0);
    bool is_short = output->is_regular && output->length < expected;
    int error = 0;

    CHECK(writer->spool_folder && writer->spool_count == 0);
    is_published = is_published || rows_bytes == 0; /* nothing is to be appended */
    ret_warning->text[0] = '\0';
    if (is_short)
        err_set(ret_warning, 0, "output file %s has %llu bytes where it had %llu", output->path,
                (unsigned long long)output->length, (unsigned long long)expected);
    /* What an attempt before this one has written it may not have synced. */
    if (!is_published && output->length != length_before && has_rows(output, rows_path, rows_bytes))
        return output_file_sync(output, err);
    if (!is_short)
        error = output_file_cut(output, expected, err);
    if (!error && is_published)
        error = output_file_sync(output, err);
    if (error || is_published)
        return error;
    return recover_rows(writer, rows_path, rows_bytes, is_short, err);
}
