/* What a keyspace's state has been computed from: through the checkpoint that it began with, what
 * the keyspace before it had been given, and so on.
 *
 *   life 0   ───────┬──x          life 1   └────┬────x       life 2   └───────
 *               checkpoint                  checkpoint
 *
 * What a life did behind the last checkpoint that another one goes on from has not happened. */

#include "sim.h"

static const struct sim_part *part_of(const struct tap *tap, uint64_t key_hash)
{
    const struct checkpoint *from = tap->from;

    for (size_t i = 0; i < from->part_count; i++) {
        const struct sim_part *part = &from->parts[i];
        uint32_t shards = (uint32_t)sim.scenario.shard_counts[part->tap->life];

        if (sim.scenario.spec.aligned ? part->tap->partition == tap->partition
                                      : part->tap->shard == shard_of_key(key_hash, shards))
            return part;
    }
    sim_fail("checkpoint %" PRIu64 " has no part of partition %d", from->serial, tap->partition);
}

static void gather(struct history *history, const struct tap *tap, size_t cut, uint64_t key_hash)
{
    if (tap->from) {
        const struct sim_part *part = part_of(tap, key_hash);

        history->had_finished |= part->finished;
        gather(history, part->tap, part->cut, key_hash);
    }
    history->own = history->count;
    history->entries = realloc(history->entries,
                               (history->count + cut + 1) * sizeof(*history->entries));
    CHECK(history->entries);
    for (size_t i = 0; i < cut; i++)
        history->entries[history->count++] = &tap->entries[i];
}

void history_init(struct history *history, const struct tap *tap, uint64_t key_hash)
{
    *history = (struct history){0};
    gather(history, tap, tap->entry_count, key_hash);
}

void history_done(struct history *history)
{
    free(history->entries);
}
