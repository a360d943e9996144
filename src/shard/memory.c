/* A shard's part of state.memory, and the keys that go when it is used up.
 *
 *   used          0 ─────────────── low ── part ──── 1.25 part
 *                                    ◀──────┤           │
 *                   keys are evicted, until │           └ neither mail nor records are taken,
 *                   used is below low       │             and nothing fires, until keys have gone
 *
 *   key ── changed: written ──▶ block ──▶ work store ──▶ evicted      (between captures)
 *       └─ not changed since a capture wrote it ───────▶ evicted
 *
 * Nothing is evicted that the store does not have: not before the control thread has stored all the
 * blocks that were handed over, nor in the middle of a capture. What is changed is written between
 * captures alone, so that a checkpoint is of one instant.
 *
 * It never waits for ever: where no key is left in memory the shard goes on, however much it uses.
 * So the least it can do with is what is not state: its tables, images that Redis has not
 * acknowledged, ids for `dedup:`, some 150 bytes for each cold key, and the keys of one batch. */

#include <errno.h>

#include "base/clock.h"
#include "base/failpoint.h"
#include "checkpoint/store.h"
#include "shard/internal.h"

#define SLICE_NS    NS_PER_MS /* of a turn, at most */
#define SLICE_KEYS  64        /* between two looks at the clock */
#define WAIT_NS     NS_PER_MS /* for the control thread to store blocks */
#define NO_DEADLINE INT64_MAX

void memory_init(struct shard *shard)
{
    struct memory *memory = &shard->memory;

    memory->part = (size_t)(shard->plan->state.memory_bytes / shard->fleet->shard_count);
    memory->low = memory->part - memory->part / 20;
    memory->high = memory->part + memory->part / 4;
}

static struct store *store_of(const struct shard *shard)
{
    return atomic_load_explicit(&shard->fleet->store, memory_order_acquire);
}

/* The store is needed from now on. False: it is being emptied. */
static bool store_need(struct shard *shard)
{
    int use = STORE_SPARE;

    return atomic_compare_exchange_strong(&shard->fleet->store_use, &use, STORE_NEEDED) ||
           use == STORE_NEEDED;
}

bool store_is_spare(struct fleet *fleet)
{
    int use = STORE_SPARE;

    return atomic_compare_exchange_strong(&fleet->store_use, &use, STORE_EMPTIED) ||
           use == STORE_EMPTIED;
}

void store_is_whole(struct fleet *fleet)
{
    int use = STORE_EMPTIED;

    atomic_compare_exchange_strong(&fleet->store_use, &use, STORE_SPARE);
}

/* ---- reading */

struct fetching {
    bool (*take)(void *loading, uint32_t number, struct slice value);
    void *loading;
    bool all_taken;
};

static void on_value(void *context, uint32_t number, struct slice value)
{
    struct fetching *fetching = context;

    if (fetching->all_taken)
        fetching->all_taken = fetching->take(fetching->loading, number, value);
}

bool memory_fetch(struct shard *shard, uint32_t source, const struct slice *keys, uint32_t count,
                  bool (*take)(void *loading, uint32_t number, struct slice value), void *loading)
{
    struct fetching fetching = {.take = take, .loading = loading, .all_taken = true};
    struct err err;
    int error = store_get_many(store_of(shard),
                               store_source_hash(shard->plan->sources[source].name), keys, count,
                               on_value, &fetching, &err);

    FAILPOINT("cold_loaded");
    if (!error && fetching.all_taken)
        return true;
    if (!error)
        err_set(&err, -EBADMSG, "the work store lacks a key's state, or it is damaged there");
    err_prefix(&err, "source %s: state that is not in memory", shard->plan->sources[source].name);
    report_send(shard, REPORT_FAILED, err.text);
    shard->has_failed = true;
    return false;
}

/* ---- eviction */

/* The keyspace at the hand's place; NULL: there are not so many. */
static struct keyspace *keyspace_at(const struct shard *shard, uint32_t place, uint32_t *ret_source)
{
    struct keyspace *keyspace;

    FOR_EACH_KEYSPACE(shard, keyspace, *ret_source)
    {
        if (place-- == 0)
            return keyspace;
    }
    return NULL;
}

static bool is_over(struct shard *shard)
{
    return arena_used_bytes(&shard->arena) > shard->memory.low;
}

/* The hand goes round, at most twice: the first time it may find all touched. */
static void evict(struct shard *shard, bool may_write, int64_t until_ns)
{
    struct memory *memory = &shard->memory;
    uint32_t rounds = 0;

    while (is_over(shard) && rounds < 3 && clock_monotonic_ns() < until_ns) {
        uint32_t source;
        struct keyspace *keyspace = keyspace_at(shard, memory->hand, &source);

        if (!keyspace) {
            memory->hand = 0;
            rounds++;
        } else if (keyspace_evict(keyspace, SLICE_KEYS, may_write)) {
            memory->hand++;
        }
        FAILPOINT("evicted");
    }
}

/* Whether the store has all that was captured; what has not been handed over is now. */
static bool is_stored(struct shard *shard)
{
    struct keyspace *keyspace;
    uint32_t source;

    FOR_EACH_KEYSPACE(shard, keyspace, source)
    {
        if (!share_hand_over(shard, source, keyspace_captured(keyspace)))
            return false;
    }
    return atomic_load_explicit(&shard->blocks_stored, memory_order_acquire) ==
           shard->share.blocks_sent;
}

/* Whether what is written now belongs to no capture. */
static bool may_write(const struct shard *shard)
{
    return shard->share.stage == SHARE_ALIGNING ||
           atomic_load(&shard->fleet->captures_over) >= shard->share.number;
}

static uint64_t keys_in_memory(const struct shard *shard)
{
    struct keyspace *keyspace;
    uint32_t source;
    uint64_t keys = 0;

    FOR_EACH_KEYSPACE(shard, keyspace, source)
    {
        keys += keyspace_keys(keyspace) - keyspace_cold_keys(keyspace);
    }
    return keys;
}

bool memory_turn(struct shard *shard)
{
    struct memory *memory = &shard->memory;
    int64_t until_ns;
    bool may_evict;

    if (LIKELY(!memory->is_evicting && arena_used_bytes(&shard->arena) <= memory->part))
        return false;
    until_ns = clock_monotonic_ns() + SLICE_NS;
    memory->is_evicting = store_of(shard) && is_over(shard);
    may_evict = memory->is_evicting && shard->share.stage <= SHARE_ALIGNING && store_need(shard);
    memory->is_waiting = may_evict && !is_stored(shard);
    if (may_evict && !memory->is_waiting) {
        evict(shard, may_write(shard), until_ns);
        memory->is_waiting = !is_stored(shard);
        memory->is_evicting = is_over(shard);
    }
    memory->is_short = memory->is_evicting && arena_used_bytes(&shard->arena) > memory->high &&
                       keys_in_memory(shard) > 0;
    return may_evict && memory->is_evicting && !memory->is_waiting &&
           clock_monotonic_ns() >= until_ns;
}

/* While state is loaded: what has been is in the store. */
void memory_relieve(struct shard *shard)
{
    if (arena_used_bytes(&shard->arena) > shard->memory.part && store_of(shard) &&
        store_need(shard))
        evict(shard, false, NO_DEADLINE);
}

bool memory_is_short(const struct shard *shard)
{
    return shard->memory.is_short;
}

int64_t memory_deadline_ns(const struct shard *shard)
{
    return shard->memory.is_waiting ? shard->now_ns + WAIT_NS : INT64_MAX;
}
