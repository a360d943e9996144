/* The shard's side of the file output. */
#include "sink/file_lane.h"

#include "base/clock.h"

#define BLOCKS      8
#define BLOCK_BYTES ((size_t)256 * 1024) /* handed over when this full */
#define LINGER_NS   (20 * NS_PER_MS)

void file_lane_init(struct file_lane *lane, const struct row_json *formats,
                    void (*wake)(void *context), void *wake_context)
{
    *lane = (struct file_lane){.formats = formats, .wake = wake, .wake_context = wake_context};
    atomic_init(&lane->epoch, FILE_EPOCH_FIRST);
    spsc_init(&lane->full, BLOCKS);
    spsc_init(&lane->empty, BLOCKS);
    lane->blocks = calloc(BLOCKS, sizeof(*lane->blocks));
    CHECK(lane->blocks);
    for (int i = 0; i < BLOCKS; i++)
        CHECK(spsc_push(&lane->empty, &lane->blocks[i]));
}

void file_lane_done(struct file_lane *lane)
{
    for (int i = 0; i < BLOCKS; i++)
        buf_free(&lane->blocks[i].lines);
    free(lane->blocks);
    buf_free(&lane->overflow);
    spsc_done(&lane->full);
    spsc_done(&lane->empty);
}

static uint64_t epoch_now(const struct file_lane *lane)
{
    return atomic_load_explicit(&lane->epoch, memory_order_relaxed);
}

static void hand_over(struct file_lane *lane)
{
    lane->block->epoch = epoch_now(lane);
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

        lane->overflow = lane->block->lines;
        lane->block->lines = waited;
    }
    return true;
}

bool file_lane_row(struct file_lane *lane, const struct row *row, int64_t now_ns)
{
    struct buf *out;

    if (lane->is_muted)
        return true;
    out = block_take(lane) ? &lane->block->lines : &lane->overflow;
    if (out->len == 0)
        lane->oldest_ns = now_ns;
    row_json_append(&lane->formats[row->view->number], row, out);
    buf_append_char(out, '\n');
    if (lane->block && out->len >= BLOCK_BYTES)
        hand_over(lane);
    return !file_lane_full(lane);
}

void file_lane_mute(struct file_lane *lane, bool is_muted)
{
    lane->is_muted = is_muted;
}

bool file_lane_mark(struct file_lane *lane)
{
    if (lane->overflow.len > 0 && !block_take(lane))
        return false;
    if (lane->block && lane->block->lines.len > 0)
        hand_over(lane);
    /* Who reads the new epoch finds all blocks of the old one in the ring. */
    atomic_store_explicit(&lane->epoch, epoch_now(lane) + 1, memory_order_release);
    return true;
}

bool file_lane_full(struct file_lane *lane)
{
    return !block_take(lane);
}

bool file_lane_idle(const struct file_lane *lane)
{
    return (!lane->block || lane->block->lines.len == 0) && lane->overflow.len == 0;
}

int64_t file_lane_deadline_ns(const struct file_lane *lane)
{
    return file_lane_idle(lane) ? INT64_MAX : lane->oldest_ns + LINGER_NS;
}

void file_lane_turn(struct file_lane *lane, int64_t now_ns, bool all)
{
    if (file_lane_idle(lane) || !block_take(lane))
        return;
    if (all || lane->block->lines.len >= BLOCK_BYTES || now_ns >= lane->oldest_ns + LINGER_NS)
        hand_over(lane);
}
