/* A shard's share of a checkpoint.
 *
 *   told       the run at hand is done; then a barrier goes behind all mail, and no run begins
 *   aligning   until every other shard's barrier is in, and all that is due has fired;
 *              what stands behind a barrier stays in its mailbox
 *   the mark   one instant: keyspaces, outputs, times and positions, all as of the same records
 *   writing    the shard goes on with its work; a slice of the capture in each turn
 *   images     what Redis has not acknowledged of the rows from before the mark
 *   captured   reported
 *
 *   keyspaces ─▶ block being filled ─▶ ring ─▶ control thread (which frees it)
 *
 * No deadlock: a shard that waits for barriers goes on taking the mail before them, so whoever has
 * to finish a run first finds room in its mailboxes. */

#include "base/clock.h"
#include "base/failpoint.h"
#include "shard/internal.h"

#define SLICE_NS         NS_PER_MS /* of a turn, at most */
#define SLICE_KEYS       32        /* between two looks at the clock */
#define WAIT_NS          NS_PER_MS /* for other shards, or for the control thread to take blocks */
#define BLOCK_BYTES      ((size_t)256 * 1024)
#define COPIES_BYTES_MAX ((size_t)64 << 20) /* written on first change and not taken yet */

void share_init(struct shard *shard)
{
    struct buf **images = calloc(shard->plan->source_count, sizeof(*images));

    CHECK(images);
    for (uint32_t i = 0; i < shard->plan->source_count; i++) {
        images[i] = calloc(1, sizeof(**images));
        CHECK(images[i]);
    }
    shard->share.images = images;
    spsc_init(&shard->share.blocks, SHARE_BLOCKS);
}

static void block_free(struct share_block *block)
{
    if (!block)
        return;
    buf_free(&block->entries);
    free(block);
}

void share_done(struct shard *shard)
{
    struct share_block *block;

    while ((block = spsc_pop(&shard->share.blocks)))
        block_free(block);
    spsc_done(&shard->share.blocks);
    mark_free(shard->share.mark);
    for (uint32_t i = 0; i < shard->plan->source_count; i++) {
        buf_free(shard->share.images[i]);
        free(shard->share.images[i]);
    }
    free(shard->share.images);
}

struct share_block *shard_captured(struct shard *shard)
{
    return spsc_pop(&shard->share.blocks);
}

void shard_stored(struct shard *shard)
{
    atomic_fetch_add_explicit(&shard->blocks_stored, 1, memory_order_release);
}

void share_block_free(struct share_block *block)
{
    block_free(block);
}

void share_begin(struct shard *shard, const struct command *command)
{
    struct share *share = &shard->share;

    CHECK(share->stage == SHARE_NONE);
    CHECK(command->number > share->number);
    share->number = command->number;
    share->all = command->all;
    share->told = 0;
    share->marks_due++;
    share->begun_ns = shard->now_ns;
    share->stage = SHARE_ALIGNING;
}

void share_abort(struct shard *shard)
{
    struct share *share = &shard->share;
    struct keyspace *keyspace;
    uint32_t source;

    if (share->stage >= SHARE_WRITING) {
        FOR_EACH_KEYSPACE(shard, keyspace, source)
        {
            keyspace_capture_abort(keyspace);
        }
    }
    for (uint32_t i = 0; i < shard->plan->source_count; i++)
        buf_reset(share->images[i]);
    mark_free(share->mark);
    share->mark = NULL;
    share->stage = SHARE_NONE;
}

bool share_is_behind(const struct shard *shard, uint64_t barrier)
{
    const struct share *share = &shard->share;

    return barrier > share->number || (barrier == share->number && share->stage == SHARE_ALIGNING);
}

/* True when all others have been told. */
static bool barriers_put(struct shard *shard)
{
    struct share *share = &shard->share;

    for (; share->told < shard->fleet->shard_count; share->told++) {
        if (share->told != shard->number &&
            !mailbox_put_barrier(outbox_to(shard, share->told), share->number))
            return false;
    }
    return true;
}

/* Whether nothing but what stands behind their barriers is in the mailboxes. */
static bool barriers_arrived(struct shard *shard)
{
    for (uint32_t i = 0; i < shard->fleet->shard_count; i++) {
        const struct mail_item *item = i == shard->number ? NULL
                                                          : mailbox_peek(inbox_from(shard, i));

        if (i != shard->number &&
            (!item || item->kind != MAIL_BARRIER || mail_barrier_of(item) != shard->share.number))
            return false;
    }
    return true;
}

static void barriers_pass(struct shard *shard)
{
    for (uint32_t i = 0; i < shard->fleet->shard_count; i++) {
        if (i != shard->number)
            mailbox_next(inbox_from(shard, i));
    }
}

/* The rows so far belong to this checkpoint, the next ones don't. False: not just now. */
static bool outputs_mark(struct shard *shard)
{
    struct share *share = &shard->share;

    for (; share->marks_due > 0; share->marks_due--) {
        if (shard->features && !feature_lane_idle(shard->features))
            return false;
        if (shard->file && !file_lane_mark(shard->file))
            return false;
        if (shard->features)
            CHECK(feature_lane_mark(shard->features));
    }
    return true;
}

static void mark_partition_add(struct mark *mark, const struct partition *partition)
{
    mark->partitions[mark->partition_count++] = (struct manifest_partition){
        .source = partition->source,
        .partition = partition->number,
        .position = partition->position,
        .newest_ms = partition->newest_ms,
        .watermark_ms = partition->watermark_ms,
        .clock_ms = partition->clock_ms,
        .last_offset = partition->last_offset,
        .last_hash = partition->last_hash,
    };
}

static void mark_times_add(struct mark *mark, const struct keyspace *keyspace, uint32_t source,
                           int32_t group)
{
    struct keyspace_times times;

    keyspace_times(keyspace, &times);
    mark->keys += keyspace_keys(keyspace);
    mark->times[mark->times_count++] = (struct manifest_times){
        .source = source,
        .group = group,
        .watermark_ms = times.watermark_ms,
        .clock_ms = times.clock_ms,
        .release_ms = times.release_ms,
    };
}

static struct mark *mark_create(struct shard *shard)
{
    struct mark *mark = calloc(1, sizeof(*mark));
    size_t most = 0;

    CHECK(mark);
    for (uint32_t i = 0; i < shard->plan->source_count; i++)
        most += shard->fleet->clocks[i].partition_count;
    mark->number = shard->share.number;
    mark->partitions = calloc(most, sizeof(*mark->partitions));
    mark->times = calloc(most + shard->plan->source_count, sizeof(*mark->times));
    CHECK(mark->partitions && mark->times);
    for (uint32_t i = 0; i < shard->plan->source_count; i++) {
        if (shard->shuffles[i].keyspace)
            mark_times_add(mark, shard->shuffles[i].keyspace, i, MANIFEST_SHUFFLED);
        for (uint32_t j = 0; j < shard->fleet->clocks[i].partition_count; j++) {
            const struct partition *partition = shard->partitions[i][j];

            if (!partition)
                continue;
            mark_partition_add(mark, partition);
            if (partition->keyspace)
                mark_times_add(mark, partition->keyspace, i, partition->number);
        }
    }
    return mark;
}

static void mark_take(struct shard *shard)
{
    struct share *share = &shard->share;
    struct keyspace *keyspace;
    uint32_t source;

    barriers_pass(shard);
    share->mark = mark_create(shard);
    FOR_EACH_KEYSPACE(shard, keyspace, source)
    {
        keyspace_mark(keyspace, share->number, share->all);
    }
    if (shard->redis)
        redis_sink_save_begin(shard->redis);
    share->mark->align_ns = shard->now_ns - share->begun_ns;
    FAILPOINT("marked");
    share->stage = SHARE_WRITING;
}

/* True when the mark has been taken. */
static bool align(struct shard *shard)
{
    if (shard->run.partition || !barriers_put(shard) || shard->must_fire || shard->is_full ||
        !barriers_arrived(shard) || !outputs_mark(shard))
        return false;
    mark_take(shard);
    return true;
}

/* Hands over what was captured, if it is a block's worth of it, or `all`. False: no room. */
static bool hand_over(struct shard *shard, uint32_t source, struct buf *entries, bool all)
{
    struct share *share = &shard->share;
    struct share_block *block;

    if (entries->len == 0 || (entries->len < BLOCK_BYTES && !all))
        return true;
    if (spsc_count(&share->blocks) == SHARE_BLOCKS)
        return false;
    block = malloc(sizeof(*block));
    CHECK(block);
    *block = (struct share_block){.source = source, .entries = *entries};
    *entries = (struct buf){0};
    CHECK(spsc_push(&share->blocks, block));
    share->blocks_sent++;
    shard->fleet->wake_control(shard->fleet->context);
    return true;
}

bool share_hand_over(struct shard *shard, uint32_t source, struct buf *entries)
{
    return hand_over(shard, source, entries, true);
}

/* True when the keyspace has been captured and handed over. */
static bool keyspace_write(struct shard *shard, struct keyspace *keyspace, uint32_t source,
                           int64_t until_ns)
{
    bool more = true;

    while (more) {
        if (clock_monotonic_ns() >= until_ns ||
            !hand_over(shard, source, keyspace_captured(keyspace), false))
            return false;
        more = keyspace_capture(keyspace, SLICE_KEYS);
        FAILPOINT("capture_slice");
    }
    return hand_over(shard, source, keyspace_captured(keyspace), true);
}

static bool keyspaces_write(struct shard *shard, int64_t until_ns)
{
    struct keyspace *keyspace;
    uint32_t source;

    FOR_EACH_KEYSPACE(shard, keyspace, source)
    {
        if (!keyspace_write(shard, keyspace, source, until_ns))
            return false;
    }
    return true;
}

static bool images_write(struct shard *shard, int64_t until_ns)
{
    struct share *share = &shard->share;
    bool more = shard->redis != NULL;

    while (more && clock_monotonic_ns() < until_ns)
        more = redis_sink_save(shard->redis, share->images, SLICE_KEYS);
    for (uint32_t i = 0; i < shard->plan->source_count; i++) {
        if (!hand_over(shard, i, share->images[i], !more))
            return false;
    }
    return !more;
}

static void captured_report(struct shard *shard)
{
    struct share *share = &shard->share;

    FAILPOINT("images_saved");
    share->stage = SHARE_NONE;
    report_mark(shard, share->mark);
    share->mark = NULL;
}

bool share_turn(struct shard *shard)
{
    struct share *share = &shard->share;
    int64_t until_ns;

    if (share->stage == SHARE_NONE || (share->stage == SHARE_ALIGNING && !align(shard)))
        return false;
    until_ns = clock_monotonic_ns() + SLICE_NS;
    if (share->stage == SHARE_WRITING && keyspaces_write(shard, until_ns))
        share->stage = SHARE_IMAGES;
    if (share->stage == SHARE_IMAGES && images_write(shard, until_ns))
        captured_report(shard);
    return share->stage == SHARE_NONE || spsc_count(&share->blocks) < SHARE_BLOCKS;
}

int64_t share_deadline_ns(const struct shard *shard)
{
    return shard->share.stage == SHARE_NONE ? INT64_MAX : shard->now_ns + WAIT_NS;
}

bool share_full(const struct shard *shard)
{
    struct keyspace *keyspace;
    uint32_t source;
    size_t bytes = 0;

    if (shard->share.stage != SHARE_WRITING)
        return false;
    FOR_EACH_KEYSPACE(shard, keyspace, source)
    {
        bytes += keyspace_captured(keyspace)->len;
    }
    return bytes > COPIES_BYTES_MAX;
}
