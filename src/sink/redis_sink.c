#include "sink/redis_sink.h"

#include <errno.h>

#include "base/clock.h"
#include "base/hash.h"
#include "sink/redis_save.h"

#define IMAGE_BYTES_A_KEY 4096u /* a larger image counts as several keys of a save's budget */

/* The save under way, and the entries that are in the store by now. */
struct saving {
    bool is_active;
    struct buf listed; /* those entries: struct listed and key, one behind the other */
    size_t stale;      /* bytes of `listed` from before this save */
    size_t deleted;    /* and how far they have been deleted */
    unsigned link;     /* at which it is */
};

struct listed {
    uint32_t source;
    uint32_t key_len;
};

struct redis_sink {
    struct redis_links shared;
    size_t dirty_keys_max;
    size_t detached_bytes_max;
    int64_t now_ns;
    int64_t now_ms;
    struct buf values; /* of the row at hand */
    struct redis_save_names names;
    struct saving saving;
    unsigned link_count;
    struct redis_sink_stats stats;
    struct redis_link links[];
};

struct redis_sink *redis_sink_create(const struct redis_sink_options *options)
{
    const struct plan_redis *redis = &options->plan->redis;
    size_t bytes = sizeof(struct redis_sink) + redis->connections * sizeof(struct redis_link);
    struct redis_sink *sink = aligned_alloc(CACHE_LINE, (bytes + CACHE_LINE - 1) & -CACHE_LINE);

    CHECK(sink);
    CHECK(redis->connections >= 1 && redis->connections <= UINT8_MAX);
    memset(sink, 0, bytes);
    sink->dirty_keys_max = options->dirty_keys_max ? options->dirty_keys_max : REDIS_DIRTY_KEYS_MAX;
    sink->detached_bytes_max = options->detached_bytes_max ? options->detached_bytes_max
                                                           : REDIS_DETACHED_BYTES_MAX;
    sink->link_count = redis->connections;
    sink->shared = (struct redis_links){
        .plan = options->plan,
        .arena = options->arena,
        .io = options->io,
        .stats = &sink->stats,
        .report = options->report,
        .report_context = options->report_context,
        .linger_ns = redis->linger_ms * NS_PER_MS,
    };
    redis_commands_init(&sink->shared.commands, options->plan);
    redis_detached_init(&sink->shared.detached, options->arena);
    redis_save_names_init(&sink->names, options->plan);
    for (unsigned i = 0; i < sink->link_count; i++)
        redis_link_init(&sink->links[i], &sink->shared, i, options->seed);
    return sink;
}

void redis_sink_free(struct redis_sink *sink)
{
    if (!sink)
        return;
    redis_detached_done(&sink->shared.detached);
    for (unsigned i = 0; i < sink->link_count; i++)
        redis_link_done(&sink->links[i]);
    redis_commands_done(&sink->shared.commands);
    redis_save_names_done(&sink->names);
    buf_free(&sink->saving.listed);
    buf_free(&sink->values);
    free(sink);
}

void redis_sink_clock(struct redis_sink *sink, int64_t now_ns, int64_t now_ms)
{
    sink->now_ns = now_ns;
    sink->now_ms = now_ms;
}

/* --- rows --- */

static struct redis_link *link_of(struct redis_sink *sink, const struct redis_image *image)
{
    return &sink->links[image->link];
}

static struct redis_image *create_image(struct redis_sink *sink, struct slice key,
                                        int32_t partition)
{
    struct redis_image *image = redis_image_create(sink->shared.arena, key, partition);
    /* The low bits chose the shard. */
    unsigned number = (unsigned)(hash64(key) >> 32) % sink->link_count;

    redis_link_add(&sink->links[number], image);
    return image;
}

/* sink->values, as those of a view of the key. */
static bool fits(struct redis_sink *sink, const struct plan_view *view, struct slice key,
                 struct redis_image *image)
{
    char text[256];

    if (redis_image_need(image, (uint16_t)view->number, key.len, sink->values.len) <=
        REDIS_IMAGE_MAX)
        return true;
    counter_add(&sink->stats.rows_too_large, 1);
    snprintf(text, sizeof(text),
             "a row of view %s has %zu bytes of values; with more than %u the key is not written",
             view->name, sink->values.len, REDIS_IMAGE_MAX);
    sink->shared.report(sink->shared.report_context, text);
    return false;
}

/* sink->values become those of the view; the image may move. */
static struct redis_part *put_values(struct redis_sink *sink, struct redis_image **image,
                                     const struct plan_view *view)
{
    struct redis_image *before = *image;

    *image = redis_image_put(sink->shared.arena, before, (uint16_t)view->number,
                             buf_slice(&sink->values), view->feature_count);
    if (*image != before)
        redis_link_moved(link_of(sink, *image), before, *image);
    return redis_image_part(*image, (uint16_t)view->number);
}

/* The row's values become the image's; true if Redis is to hear of the row. */
static bool take_values(struct redis_sink *sink, const struct row *row, void **slot)
{
    const struct plan_view *view = row->view;
    struct redis_image *image = *slot;
    struct redis_part *part = redis_image_part(image, (uint16_t)view->number);
    bool news = !part || !view->skip_unchanged ||
                redis_values_compare(redis_image_values(image, part), sink->values.data,
                                     view->feature_count)
                    .changed;

    if (!news) {
        part->newest_end_ms = row->window_end_ms;
        counter_add(&sink->stats.rows_unchanged, 1);
        return false;
    }
    part = put_values(sink, &image, view);
    *slot = image;
    counter_add(&sink->stats.rows_coalesced, part->unsent);
    part->window_end_ms = part->newest_end_ms = row->window_end_ms;
    part->computed_at_ms = sink->now_ms;
    part->unsent = sink->shared.plan->redis.metadata || part->dirty;
    return part->unsent;
}

static bool is_older(struct redis_image *image, const struct row *row)
{
    const struct redis_part *part = redis_image_part(image, (uint16_t)row->view->number);

    return part && row->window_end_ms < part->newest_end_ms;
}

static struct redis_image *take_detached(struct redis_sink *sink, struct slice key, int source,
                                         int32_t partition)
{
    struct redis_image *image = redis_detached_take(&sink->shared.detached, key, source);

    if (image)
        image->partition = partition;
    return image;
}

void redis_sink_row(struct redis_sink *sink, const struct row *row, int32_t partition, void **slot)
{
    const struct plan_view *view = row->view;
    bool deleted = row->empty && view->when_empty == WHEN_EMPTY_DELETE;

    CHECK(row->online);
    counter_add(&sink->stats.rows, 1);
    if (row->empty && view->when_empty == WHEN_EMPTY_KEEP) {
        counter_add(&sink->stats.rows_kept, 1);
        return;
    }
    buf_reset(&sink->values);
    redis_values_append(&sink->values, deleted ? NULL : row->values, view->feature_count);
    if (!*slot)
        *slot = take_detached(sink, row->key, view->source, partition);
    if (!fits(sink, view, row->key, *slot))
        return;
    if (!*slot)
        *slot = create_image(sink, row->key, partition);
    if (is_older(*slot, row)) {
        counter_add(&sink->stats.rows_older, 1);
        return;
    }
    bool news = take_values(sink, row, slot);
    struct redis_image *image = *slot;
    struct redis_link *link = link_of(sink, image);

    if (news || redis_link_wants_whole(link, image, sink->now_ns) ||
        redis_link_wants_expire(link, image, sink->now_ns))
        redis_link_row(link, image, row, sink->now_ns);
}

static int source_of(const struct redis_sink *sink, const struct redis_image *image)
{
    return sink->shared.plan->views[image->parts[0].view].source;
}

static void detach(struct redis_sink *sink, struct redis_image *image, uint32_t group)
{
    redis_detached_add(&sink->shared.detached, image, source_of(sink, image), group);
}

void redis_sink_release(struct redis_sink *sink, void **slot)
{
    redis_sink_release_of(sink, slot, REDIS_NO_GROUP);
}

void redis_sink_release_of(struct redis_sink *sink, void **slot, uint32_t group)
{
    struct redis_image *image = *slot;

    if (!image)
        return;
    *slot = NULL;
    if (image->writes)
        detach(sink, image, group);
    else
        redis_link_drop(link_of(sink, image), image);
}

void redis_sink_forget(struct redis_sink *sink, uint32_t group)
{
    struct redis_image *image;

    for (size_t chain = 0;
         (image = redis_detached_take_group(&sink->shared.detached, group, &chain));)
        redis_link_forget(link_of(sink, image), image, sink->now_ns);
}

/* --- checkpoints --- */

void redis_sink_save_begin(struct redis_sink *sink)
{
    struct saving *saving = &sink->saving;

    saving->is_active = true;
    saving->stale = saving->listed.len;
    saving->deleted = 0;
    saving->link = 0;
    sink->shared.save++;
    for (unsigned i = 0; i < sink->link_count; i++)
        redis_link_save_begin(&sink->links[i]);
}

static void list_entry(struct redis_sink *sink, uint32_t source, struct slice key)
{
    struct listed listed = {source, (uint32_t)key.len};

    buf_append(&sink->saving.listed, &listed, sizeof(listed));
    buf_append_slice(&sink->saving.listed, key);
}

/* The next of the stale entries. */
static void delete_entry(struct saving *saving, struct buf *const out_of_source[])
{
    const char *at = saving->listed.data + saving->deleted;
    struct listed listed;

    memcpy(&listed, at, sizeof(listed));
    redis_save_append_deleted(out_of_source[listed.source],
                              (struct slice){at + sizeof(listed), listed.key_len});
    saving->deleted += sizeof(listed) + listed.key_len;
}

static void save_image(struct redis_sink *sink, struct redis_image *image,
                       struct buf *const out_of_source[])
{
    uint32_t source = (uint32_t)source_of(sink, image);

    list_entry(sink, source, redis_save_append(&sink->names, out_of_source[source], image));
}

bool redis_sink_save(struct redis_sink *sink, struct buf *const out_of_source[], uint32_t budget)
{
    struct saving *saving = &sink->saving;

    if (!saving->is_active)
        return false;
    for (; budget > 0 && saving->deleted < saving->stale; budget--)
        delete_entry(saving, out_of_source);
    while (budget > 0 && saving->link < sink->link_count) {
        struct redis_image *image;

        if (!redis_link_save_next(&sink->links[saving->link], &image)) {
            saving->link++;
            continue;
        }
        budget--;
        if (image) {
            save_image(sink, image, out_of_source);
            budget -= MIN(budget, image->size / IMAGE_BYTES_A_KEY);
        }
    }
    if (saving->link < sink->link_count)
        return true;
    buf_consume(&saving->listed, saving->stale);
    saving->is_active = false;
    return false;
}

/* Takes over what the checkpoint has of one view, unless the image, which is NULL if there is none
 * yet, has newer. */
static void load_part(struct redis_sink *sink, const struct redis_saved *saved,
                      struct redis_image **image)
{
    const struct plan_view *view = saved->view;
    struct redis_part *part = *image ? redis_image_part(*image, (uint16_t)view->number) : NULL;

    if (!fits(sink, view, saved->key, *image) ||
        (part && part->newest_end_ms > saved->newest_end_ms))
        return;
    if (!*image)
        *image = create_image(sink, saved->key, saved->partition);
    part = put_values(sink, image, view);
    part->window_end_ms = saved->window_end_ms;
    part->newest_end_ms = saved->newest_end_ms;
    part->computed_at_ms = saved->computed_at_ms;
    part->unsent = true;
}

int redis_sink_load(struct redis_sink *sink, uint32_t source, struct slice key, struct slice value,
                    void **slot, uint32_t group)
{
    struct redis_saved saved;
    int error = redis_save_check(&sink->names, source, key, value);

    if (error)
        return error;
    redis_save_open(&sink->names, source, key, value, &saved);

    struct redis_image *image = slot ? *slot : NULL;

    if (!image)
        image = take_detached(sink, saved.key, (int)source, saved.partition);
    while (redis_save_next(&sink->names, &saved, &sink->values)) {
        if (saved.view)
            load_part(sink, &saved, &image);
    }
    list_entry(sink, source, key);
    if (!image)
        return 0;
    if (slot)
        *slot = image;
    else
        detach(sink, image, group);
    redis_link_load(link_of(sink, image), image, sink->now_ns);
    sink->saving.link = 0;
    return 0;
}

/* --- the turn --- */

static void publish(struct redis_sink *sink)
{
    gauge_set(&sink->stats.dirty, (int64_t)sink->shared.queued);
    gauge_set(&sink->stats.in_flight, (int64_t)sink->shared.in_flight);
}

void redis_sink_turn(struct redis_sink *sink, int64_t now_ns, int64_t now_ms)
{
    redis_sink_clock(sink, now_ns, now_ms);
    for (unsigned i = 0; i < sink->link_count; i++)
        redis_link_turn(&sink->links[i], now_ns);
    publish(sink);
}

int64_t redis_sink_deadline(const struct redis_sink *sink)
{
    int64_t due_ns = REDIS_NOT_DUE;

    for (unsigned i = 0; i < sink->link_count; i++)
        due_ns = MIN(due_ns, redis_link_deadline(&sink->links[i]));
    return due_ns;
}

void redis_sink_hold(struct redis_sink *sink, bool hold)
{
    sink->shared.hold = hold;
}

void redis_sink_flush(struct redis_sink *sink, bool flush)
{
    sink->shared.flush = flush;
}

bool redis_sink_full(const struct redis_sink *sink)
{
    return !sink->shared.hold && (sink->shared.queued > sink->dirty_keys_max ||
                                  sink->shared.detached.bytes > sink->detached_bytes_max);
}

bool redis_sink_idle(const struct redis_sink *sink)
{
    for (unsigned i = 0; i < sink->link_count; i++) {
        if (!redis_link_is_idle(&sink->links[i]))
            return false;
    }
    return true;
}

const struct redis_sink_stats *redis_sink_stats(const struct redis_sink *sink)
{
    return &sink->stats;
}

void redis_sink_connected(struct redis_sink *sink, unsigned number, int64_t now_ns)
{
    redis_link_connected(&sink->links[number], now_ns);
}

void redis_sink_received(struct redis_sink *sink, unsigned number, struct slice bytes,
                         int64_t now_ns, int64_t now_ms)
{
    redis_link_received(&sink->links[number], bytes, now_ns, now_ms);
    publish(sink);
}

void redis_sink_lost(struct redis_sink *sink, unsigned number, int error, int64_t now_ns)
{
    redis_link_lost(&sink->links[number], error, now_ns);
    publish(sink);
}
