/* The partitions of a shard and their times. */

#include "base/clock.h"
#include "shard/internal.h"

#define TICK_MIN_NS (20 * NS_PER_MS)
#define TICK_MAX_NS (1000 * NS_PER_MS)

static bool on_row(void *context, const struct row *row, void **slot)
{
    const struct outlet *outlet = context;
    struct shard *shard = outlet->shard;
    bool go_on = true;

    if (shard->redis && row->online) {
        redis_sink_row(shard->redis, row, outlet->partition, slot);
        go_on = !redis_sink_full(shard->redis);
    }
    if (row->online_only)
        return go_on;
    if (shard->file && !file_lane_row(shard->file, row, shard->now_ns))
        go_on = false;
    if (shard->features && !feature_lane_row(shard->features, row))
        go_on = false;
    return go_on;
}

static void on_release(void *context, void **slot)
{
    const struct outlet *outlet = context;

    redis_sink_release_of(outlet->shard->redis, slot, outlet->group);
}

static bool on_fetch(void *context, const struct slice *keys, uint32_t count,
                     bool (*take)(void *loading, uint32_t number, struct slice value),
                     void *loading)
{
    const struct outlet *outlet = context;

    return memory_fetch(outlet->shard, outlet->source, keys, count, take, loading);
}

static bool on_late(void *context, uint32_t source, const struct event *event, bool by_watermark)
{
    const struct outlet *outlet = context;

    return late_send(outlet->shard, source, event->record, event->watermark_ms, by_watermark);
}

static struct keyspace *keyspace_for(struct shard *shard, uint32_t source, int32_t partition,
                                     struct outlet *outlet)
{
    const struct plan_source *plan = &shard->plan->sources[source];
    struct view_stats **stats = calloc(plan->view_count, sizeof(struct view_stats *));
    struct keyspace *keyspace;

    CHECK(stats);
    *outlet = (struct outlet){shard, source, partition, ++shard->groups};
    for (uint32_t i = 0; i < plan->view_count; i++)
        stats[i] = &shard->stats.views[plan->views[i]];
    keyspace = keyspace_create(
        shard->plan, source, partition, &shard->arena, &shard->intern, stats,
        (struct keyspace_output){.row = on_row,
                                 .is_unread = !shard->plan->redis.present && !shard->fleet->file &&
                                              !shard->fleet->features,
                                 .release = on_release,
                                 .late = on_late,
                                 .duplicates = &shard->stats.sources[source].duplicates,
                                 .fetch = on_fetch,
                                 .evicted = &shard->stats.sources[source].evicted,
                                 .loaded = &shard->stats.sources[source].loaded,
                                 .context = outlet});
    free(stats);
    return keyspace;
}

static uint32_t partition_count(const struct shard *shard, uint32_t source)
{
    return shard->fleet->clocks[source].partition_count;
}

void partitions_init(struct shard *shard)
{
    const struct plan *plan = shard->plan;

    shard->partitions = calloc(plan->source_count, sizeof(*shard->partitions));
    shard->shuffles = calloc(plan->source_count, sizeof(*shard->shuffles));
    CHECK(shard->partitions && shard->shuffles);
    for (uint32_t i = 0; i < plan->source_count; i++) {
        uint32_t count = partition_count(shard, i);

        shard->partitions[i] = calloc(count, sizeof(**shard->partitions));
        CHECK(shard->partitions[i]);
        if (plan->sources[i].aligned)
            continue;
        shard->is_held = shard->is_muted = true; /* like the clocks below */
        shard->shuffles[i].keyspace = keyspace_for(shard, i, PLAN_NONE, &shard->shuffles[i].outlet);
        shard->shuffles[i].clocks = calloc(count, sizeof(struct mail_clock));
        CHECK(shard->shuffles[i].clocks);
        for (uint32_t j = 0; j < count; j++)
            shard->shuffles[i].clocks[j] = (struct mail_clock){
                .watermark_ms = WATERMARK_NONE,
                .clock_ms = WATERMARK_NONE,
                .is_replaying = true, /* until its shard says otherwise; likewise */
                .is_muted = true};
    }
}

static void partition_free(struct partition *partition)
{
    if (!partition)
        return;
    keyspace_free(partition->keyspace);
    free(partition);
}

void partitions_done(struct shard *shard)
{
    for (uint32_t i = 0; i < shard->plan->source_count; i++) {
        for (uint32_t j = 0; j < partition_count(shard, i); j++)
            partition_free(shard->partitions[i][j]);
        free(shard->partitions[i]);
        keyspace_free(shard->shuffles[i].keyspace);
        free(shard->shuffles[i].clocks);
    }
    free(shard->partitions);
    free(shard->shuffles);
}

bool keyspace_iter_next(const struct shard *shard, struct keyspace_iter *iter,
                        struct keyspace **ret_keyspace, uint32_t *ret_source)
{
    while (iter->source < shard->plan->source_count) {
        uint32_t source = iter->source;
        uint32_t at = iter->partition++;

        if (at > partition_count(shard, source)) {
            iter->source++;
            iter->partition = 0;
            continue;
        }
        /* The shuffled keyspace comes first, then those of the partitions. */
        struct partition *partition = at == 0 ? NULL : shard->partitions[source][at - 1];

        *ret_keyspace = at == 0     ? shard->shuffles[source].keyspace
                        : partition ? partition->keyspace
                                    : NULL;
        *ret_source = source;
        if (*ret_keyspace)
            return true;
    }
    return false;
}

static void publish(const struct shard *shard, const struct partition *partition)
{
    source_clock_publish(
        &shard->fleet->clocks[partition->source], partition->number, partition->watermark_ms,
        partition->is_idle || partition->has_ended ? PARTITION_IDLE : PARTITION_ACTIVE);
}

static bool is_replaying(const struct partition *partition)
{
    return partition->position < partition->replay_offset;
}

static bool is_muted(const struct partition *partition)
{
    return partition->position < partition->mute_offset;
}

/* Whether all that counts holds for some partition: of an aligned source one of this shard's, of a
 * shuffled one any. */
static bool some_partition(const struct shard *shard, bool (*holds)(const struct partition *),
                           bool (*was_told)(const struct mail_clock *))
{
    for (uint32_t i = 0; i < shard->plan->source_count; i++) {
        for (uint32_t j = 0; j < partition_count(shard, i); j++) {
            const struct partition *partition = shard->partitions[i][j];

            if (partition && partition->keyspace && holds(partition))
                return true;
            if (shard->shuffles[i].keyspace && was_told(&shard->shuffles[i].clocks[j]))
                return true;
        }
    }
    return false;
}

static bool was_told_replaying(const struct mail_clock *clock)
{
    return clock->is_replaying;
}

static bool was_told_muted(const struct mail_clock *clock)
{
    return clock->is_muted;
}

bool partitions_replaying(const struct shard *shard)
{
    return some_partition(shard, is_replaying, was_told_replaying);
}

bool partitions_muted(const struct shard *shard)
{
    return some_partition(shard, is_muted, was_told_muted);
}

/* As the checkpoint has it: before the keyspace takes any event. */
static void partition_restore(struct shard *shard, struct partition *partition,
                              const struct command *command)
{
    const struct manifest_partition *from = command->from;

    partition->newest_ms = from->newest_ms;
    partition->watermark_ms = from->watermark_ms;
    partition->clock_ms = from->clock_ms;
    partition->last_offset = from->last_offset;
    partition->last_hash = from->last_hash;
    partition->must_verify = from->last_offset >= 0;
    if (partition->keyspace)
        restore_partition(shard, partition, command->restore);
}

void partition_assign(struct shard *shard, const struct command *command)
{
    struct partition *partition = calloc(1, sizeof(*partition));

    CHECK(partition);
    CHECK(!shard->partitions[command->source][command->partition]);
    *partition = (struct partition){
        .source = command->source,
        .number = command->partition,
        .newest_ms = WATERMARK_NONE,
        .watermark_ms = WATERMARK_NONE,
        .clock_ms = WATERMARK_NONE,
        .position = command->start_offset,
        .end_offset = command->end_offset,
        .replay_offset = command->replay_offset,
        .mute_offset = command->mute_offset,
        .last_offset = -1,
        .silent_since_ns = reading_ns(shard),
        .has_ended = command->start_offset >= command->end_offset,
    };
    ingest_void(shard, command->source, command->partition);
    if (shard->plan->sources[command->source].aligned)
        partition->keyspace = keyspace_for(shard, command->source, command->partition,
                                           &partition->outlet);
    shard->partitions[command->source][command->partition] = partition;
    if (command->from)
        partition_restore(shard, partition, command);
    shard->is_held |= is_replaying(partition);
    shard->is_muted |= is_muted(partition);
    if (shard->fetcher)
        fetcher_add(shard->fetcher, command->source, command->partition, command->fetch_offset,
                    shard->now_ns);
    publish(shard, partition);
    shard->clocks_due_ns = 0; /* tells the shuffled keyspaces of it */
}

void partition_leave(struct shard *shard, const struct command *command)
{
    struct partition *partition = shard->partitions[command->source][command->partition];

    if (!partition || partition->is_leaving)
        return;
    partition->is_leaving = true;
    shard->leaving++;
}

void partition_revoke(struct shard *shard, const struct command *command)
{
    struct partition **place = &shard->partitions[command->source][command->partition];

    if (!*place)
        return;
    source_clock_publish(&shard->fleet->clocks[command->source], command->partition, WATERMARK_NONE,
                         PARTITION_ABSENT);
    if (shard->run.partition == *place)
        shard->run.partition = NULL;
    ingest_void(shard, command->source, command->partition);
    if (shard->fetcher)
        fetcher_remove(shard->fetcher, command->source, command->partition);
    shard->leaving -= (*place)->is_leaving;
    uint32_t group = (*place)->outlet.group;

    partition_free(*place);
    /* The last checkpoint holds them; sent now, they could overtake those of the next owner. */
    if (shard->redis)
        redis_sink_forget(shard->redis, group);
    *place = NULL;
}

void partition_saw(struct shard *shard, struct partition *partition, int64_t time_ms)
{
    const struct plan_source *source = &shard->plan->sources[partition->source];

    if (time_ms < partition->newest_ms) {
        counter_add(&shard->stats.sources[partition->source].backwards, 1);
    } else {
        partition->newest_ms = time_ms;
        partition->watermark_ms = time_ms - source->out_of_orderness_ms;
        partition->clock_ms = MAX(partition->clock_ms, partition->watermark_ms);
    }
}

static struct mail_clock clock_of(const struct partition *partition)
{
    return (struct mail_clock){
        .partition = partition->number,
        .is_idle = partition->is_idle,
        .has_ended = partition->has_ended,
        .is_replaying = is_replaying(partition),
        .is_muted = is_muted(partition),
        .watermark_ms = partition->watermark_ms,
        .clock_ms = partition->clock_ms,
    };
}

bool partition_tell(struct shard *shard, struct partition *partition, uint32_t *told)
{
    struct mail_clock clock = clock_of(partition);

    if (partition->keyspace) {
        keyspace_advance(partition->keyspace, partition->watermark_ms, partition->clock_ms);
        shard->must_fire = true;
        return true;
    }
    for (; *told < shard->fleet->shard_count; ++*told) {
        if (*told == shard->number)
            shuffle_told(shard, partition->source, &clock);
        else if (!mailbox_put_clock(outbox_to(shard, *told), partition->source, &clock)) {
            shard->is_blocked = true;
            return false;
        }
    }
    return true;
}

/* A shuffled keyspace's times are the least over the partitions. One that has never held an event
 * does not count once it has ended. One that is idle does not either, for what fires; but it may
 * come with events of any age, for which state is kept. */
void shuffle_told(struct shard *shard, uint32_t source, const struct mail_clock *clock)
{
    struct shuffle *shuffle = &shard->shuffles[source];
    int64_t watermark_ms = WATERMARK_END;
    int64_t clock_ms = WATERMARK_END;
    bool is_held = false;

    shuffle->clocks[clock->partition] = *clock;
    for (uint32_t i = 0; i < partition_count(shard, source); i++) {
        const struct mail_clock *one = &shuffle->clocks[i];
        bool is_void = one->watermark_ms == WATERMARK_NONE && (one->has_ended || one->is_idle);

        is_held |= is_void && !one->has_ended;
        if (is_void)
            continue;
        watermark_ms = MIN(watermark_ms, one->watermark_ms);
        clock_ms = MIN(clock_ms, one->clock_ms);
    }
    if (watermark_ms == WATERMARK_END)
        return; /* no partition has held an event yet */
    keyspace_hold(shuffle->keyspace, is_held);
    keyspace_advance(shuffle->keyspace, watermark_ms, clock_ms);
    shard->must_fire = true;
}

/* Times of silence are counted while the partition could be read only. False if not all shards
 * could be told. */
static bool partition_tick(struct shard *shard, struct partition *partition)
{
    const struct plan_source *source = &shard->plan->sources[partition->source];
    struct source_clock *clock = &shard->fleet->clocks[partition->source];
    int64_t silence_ns;
    uint32_t told = 0;

    if (shard->is_full)
        partition->silent_since_ns = reading_ns(shard);
    silence_ns = reading_ns(shard) - partition->silent_since_ns;
    partition->is_idle = !shard->fleet->bounded && partition->at_end &&
                         silence_ns >= source->idle_after_ms * NS_PER_MS;
    publish(shard, partition);
    if (partition->is_idle)
        partition->clock_ms = MAX(
            partition->clock_ms,
            source_clock_idle_ms(clock, partition->watermark_ms, silence_ns / NS_PER_MS));
    return partition_tell(shard, partition, &told);
}

bool partitions_tick(struct shard *shard)
{
    int64_t next_ns = TICK_MAX_NS;
    bool all_told = true;

    if (shard->now_ns < shard->clocks_due_ns)
        return true;
    for (uint32_t i = 0; i < shard->plan->source_count; i++) {
        int64_t idle_after_ns = shard->plan->sources[i].idle_after_ms * NS_PER_MS;

        next_ns = MIN(next_ns, MAX(idle_after_ns / 8, TICK_MIN_NS));
        for (uint32_t j = 0; j < partition_count(shard, i); j++) {
            struct partition *partition = shard->partitions[i][j];

            /* A run under way speaks for its partition when it is done. */
            if (partition && !partition->is_leaving && partition != shard->run.partition)
                all_told = partition_tick(shard, partition) && all_told;
        }
    }
    shard->clocks_due_ns = all_told ? shard->now_ns + next_ns : shard->now_ns;
    return all_told;
}

bool partitions_ended(const struct shard *shard)
{
    for (uint32_t i = 0; i < shard->plan->source_count; i++) {
        for (uint32_t j = 0; j < partition_count(shard, i); j++) {
            if (shard->partitions[i][j] && !shard->partitions[i][j]->has_ended)
                return false;
        }
    }
    return true;
}

void partitions_sample(const struct shard *shard)
{
    for (uint32_t i = 0; shard->fetcher && i < shard->plan->source_count; i++) {
        for (uint32_t j = 0; j < partition_count(shard, i); j++) {
            if (shard->partitions[i][j])
                atomic_store_explicit(&shard->fleet->progress[i][j].end,
                                      fetcher_end_offset(shard->fetcher, i, (int32_t)j),
                                      memory_order_relaxed);
        }
    }
}
