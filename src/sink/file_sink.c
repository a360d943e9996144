#include "sink/file_sink.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/clock.h"

#define BLOCKS      8
#define BLOCK_BYTES ((size_t)256 * 1024) /* handed over when this full */
#define LINGER_NS   (20 * NS_PER_MS)

static void lane_init(struct file_lane *lane, const struct file_writer *writer,
                      void (*wake)(void *context), void *wake_context)
{
    *lane = (struct file_lane){
        .formats = writer->formats, .wake = wake, .wake_context = wake_context};
    spsc_init(&lane->full, BLOCKS);
    spsc_init(&lane->empty, BLOCKS);
    lane->blocks = calloc(BLOCKS, sizeof(*lane->blocks));
    CHECK(lane->blocks);
    for (int i = 0; i < BLOCKS; i++)
        CHECK(spsc_push(&lane->empty, &lane->blocks[i]));
}

static void lane_done(struct file_lane *lane)
{
    for (int i = 0; i < BLOCKS; i++)
        buf_free(&lane->blocks[i]);
    free(lane->blocks);
    buf_free(&lane->overflow);
    spsc_done(&lane->full);
    spsc_done(&lane->empty);
}

int file_writer_open(struct file_writer *writer, const struct plan *plan, uint32_t lane_count,
                     void (*wake)(void *context), void *wake_context, struct err *err)
{
    *writer = (struct file_writer){.view_count = plan->view_count, .lane_count = lane_count};
    writer->fd = open(plan->file_output, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    if (writer->fd < 0)
        return err_set(err, -errno, "output file %s: %s", plan->file_output, strerror(errno));

    writer->formats = calloc(plan->view_count, sizeof(*writer->formats));
    writer->lanes = aligned_alloc(CACHE_LINE, lane_count * sizeof(*writer->lanes));
    CHECK(writer->formats && writer->lanes);
    for (uint32_t i = 0; i < plan->view_count; i++)
        row_json_init(&writer->formats[i], plan, &plan->views[i]);
    for (uint32_t i = 0; i < lane_count; i++)
        lane_init(&writer->lanes[i], writer, wake, wake_context);
    return 0;
}

static int write_all(struct file_writer *writer, const struct buf *block)
{
    size_t done = 0;

    while (done < block->len) {
        ssize_t wrote = write(writer->fd, block->data + done, block->len - done);

        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0)
            return -errno;
        done += (size_t)wrote;
    }
    atomic_fetch_add_explicit(&writer->bytes, done, memory_order_relaxed);
    return 0;
}

int file_writer_run(struct file_writer *writer)
{
    struct buf *block;

    for (uint32_t i = 0; i < writer->lane_count; i++) {
        while ((block = spsc_pop(&writer->lanes[i].full))) {
            int error = write_all(writer, block);

            if (error)
                return error;
            buf_reset(block);
            CHECK(spsc_push(&writer->lanes[i].empty, block));
        }
    }
    return 0;
}

bool file_writer_idle(struct file_writer *writer)
{
    for (uint32_t i = 0; i < writer->lane_count; i++) {
        if (spsc_count(&writer->lanes[i].full) > 0)
            return false;
    }
    return true;
}

int file_writer_close(struct file_writer *writer)
{
    int error = 0;

    /* Not every file can be synced: a pipe, or /dev/null. */
    if (fsync(writer->fd) && errno != EINVAL && errno != EROFS)
        error = -errno;
    if (close(writer->fd) && !error)
        error = -errno;
    for (uint32_t i = 0; i < writer->lane_count; i++)
        lane_done(&writer->lanes[i]);
    for (uint32_t i = 0; i < writer->view_count; i++)
        row_json_done(&writer->formats[i]);
    free(writer->lanes);
    free(writer->formats);
    return error;
}

static void hand_over(struct file_lane *lane)
{
    CHECK(spsc_push(&lane->full, lane->block));
    lane->block = NULL;
    lane->wake(lane->wake_context);
}

/* A block to fill, if the writer has returned one; rows that had to wait go first. */
static bool block_take(struct file_lane *lane)
{
    if (lane->block)
        return true;
    lane->block = spsc_pop(&lane->empty);
    if (!lane->block)
        return false;
    if (lane->overflow.len > 0) {
        struct buf waited = lane->overflow;

        lane->overflow = *lane->block;
        *lane->block = waited;
    }
    return true;
}

bool file_lane_row(struct file_lane *lane, const struct row *row, int64_t now_ns)
{
    struct buf *out = block_take(lane) ? lane->block : &lane->overflow;

    if (out->len == 0)
        lane->oldest_ns = now_ns;
    row_json_append(&lane->formats[row->view->number], row, out);
    buf_append_char(out, '\n');
    if (out == lane->block && out->len >= BLOCK_BYTES)
        hand_over(lane);
    return !file_lane_full(lane);
}

bool file_lane_full(struct file_lane *lane)
{
    return !block_take(lane);
}

bool file_lane_idle(const struct file_lane *lane)
{
    return (!lane->block || lane->block->len == 0) && lane->overflow.len == 0;
}

int64_t file_lane_deadline_ns(const struct file_lane *lane)
{
    return file_lane_idle(lane) ? INT64_MAX : lane->oldest_ns + LINGER_NS;
}

void file_lane_turn(struct file_lane *lane, int64_t now_ns, bool all)
{
    if (file_lane_idle(lane) || !block_take(lane))
        return;
    if (all || lane->block->len >= BLOCK_BYTES || now_ns >= lane->oldest_ns + LINGER_NS)
        hand_over(lane);
}
