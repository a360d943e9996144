#include "engine/blocks.h"

#include <errno.h>

#include "base/clock.h"
#include "engine/internal.h"

#define STUCK_AGAIN_NS (100 * NS_PER_MS)

static bool is_stuck(const struct blocks *blocks)
{
    return blocks->stuck && clock_monotonic_ns() < blocks->stuck_due_ns;
}

/* A block could not be written: it waits for room on the disk if no other copy of what the store
 * holds can be had, else it is lost, and all that came before it with it. */
static void block_failed(struct engine *engine, uint32_t shard, struct share_block *block)
{
    struct blocks *blocks = &engine->checkpoints.blocks;

    if (store_is_spare(&engine->fleet)) {
        share_block_free(block);
        shard_stored(engine->fleet.shards[shard]);
        return;
    }
    if (blocks->error != -ENOSPC)
        engine_fail(engine, blocks->error, blocks->err.text);
    else if (!blocks->stuck_due_ns)
        log_warn("%s", blocks->err.text);
    blocks->error = 0;
    blocks->stuck = block;
    blocks->stuck_shard = shard;
    blocks->stuck_due_ns = clock_monotonic_ns() + STUCK_AGAIN_NS;
}

/* False: nothing more can be written for now. */
static bool block_store(struct engine *engine, uint32_t shard, struct share_block *block)
{
    struct blocks *blocks = &engine->checkpoints.blocks;
    const char *source = engine->plan->sources[block->source].name;

    if (!blocks->error)
        blocks->error = store_write(engine->checkpoints.store, store_source_hash(source),
                                    buf_slice(&block->entries), &blocks->err);
    if (blocks->error) {
        block_failed(engine, shard, block);
        return !blocks->stuck;
    }
    blocks->stuck_due_ns = 0;
    blocks->bytes += block->entries.len;
    share_block_free(block);
    shard_stored(engine->fleet.shards[shard]);
    return true;
}

bool blocks_store(struct engine *engine)
{
    struct blocks *blocks = &engine->checkpoints.blocks;
    struct share_block *block = blocks->stuck;

    if (!engine->checkpoints.store)
        return true;
    if (engine->failure || is_stuck(blocks))
        return false;
    blocks->stuck = NULL;
    if (block && !block_store(engine, blocks->stuck_shard, block))
        return false;
    for (uint32_t i = 0; i < engine->shards_started; i++) {
        while ((block = shard_captured(engine->fleet.shards[i]))) {
            if (!block_store(engine, i, block))
                return false;
        }
    }
    return true;
}

void blocks_begin_anew(struct engine *engine, int error, const char *text)
{
    char all[sizeof(((struct err *)NULL)->text)];
    struct err err;

    if (!store_is_spare(&engine->fleet)) {
        snprintf(all, sizeof(all),
                 "the work store failed, and holds state for which there is no memory: the next "
                 "start goes on from the last checkpoint: %s",
                 text);
        engine_fail(engine, error, all);
        return;
    }
    if (store_reset(engine->checkpoints.store, &err))
        log_error("%s", err.text);
}
