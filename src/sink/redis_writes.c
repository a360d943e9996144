#include "sink/redis_writes.h"

#include "base/clock.h"

#define BATCH_BYTES    (256u << 10)
#define BATCH_KEYS     1024u
#define FLIGHT_BATCHES 16u
#define FLIGHT_BYTES   (1u << 20)
#define RESYNC_KEYS    256u /* looked at a turn */
#define RESYNC_QUEUE   512u /* not while so many wait */

/* A key's TTL is refreshed when a quarter of it has gone, so a key lives for at least three
 * quarters of `ttl` after its last row. When three quarters have gone it is written whole: by the
 * time that Redis gets to it, it may have expired, and a few fields would then be all there is. */
#define EXPIRE_AFTER(ttl_ms) ((ttl_ms) / 4)
#define WHOLE_AFTER(ttl_ms)  ((ttl_ms) / 4 * 3)

/* --- lists --- */

static void push(struct redis_writes *list, struct redis_write *write)
{
    write->next = NULL;
    *(list->last ? &list->last->next : &list->first) = write;
    list->last = write;
    list->count++;
}

static struct redis_write *pop(struct redis_writes *list)
{
    struct redis_write *write = list->first;

    list->first = write->next;
    if (!list->first)
        list->last = NULL;
    list->count--;
    return write;
}

void redis_writes_done(struct redis_link *link)
{
    struct arena *arena = link->shared->arena;

    while (link->queue.first)
        arena_free(arena, pop(&link->queue), sizeof(struct redis_write));
    while (link->flight.first)
        arena_free(arena, pop(&link->flight), sizeof(struct redis_write));
    while (link->first) {
        struct redis_image *image = link->first;

        link->first = image->next;
        redis_image_free(arena, image);
    }
}

/* --- images --- */

void redis_link_add(struct redis_link *link, struct redis_image *image)
{
    image->link = (uint8_t)link->number;
    image->epoch = link->epoch;
    image->prev = link->last;
    image->next = NULL;
    *(link->last ? &link->last->next : &link->first) = image;
    link->last = image;
}

void redis_writes_resync(struct redis_link *link, struct redis_image *image)
{
    gauge_add(&link->shared->stats->resyncing, (image != NULL) - (link->resync != NULL));
    link->resync = image;
}

void redis_link_drop(struct redis_link *link, struct redis_image *image)
{
    CHECK(!image->writes);
    if (link->resync == image)
        redis_writes_resync(link, image->next);
    if (link->unsynced == image)
        link->unsynced = image->prev;
    *(image->prev ? &image->prev->next : &link->first) = image->next;
    *(image->next ? &image->next->prev : &link->last) = image->prev;
    redis_image_free(link->shared->arena, image);
}

void redis_link_moved(struct redis_link *link, const struct redis_image *before,
                      struct redis_image *image)
{
    if (link->resync == before)
        link->resync = image;
    if (link->unsynced == before)
        link->unsynced = image;
    *(image->prev ? &image->prev->next : &link->first) = image;
    *(image->next ? &image->next->prev : &link->last) = image;
    for (struct redis_write *write = image->writes; write; write = write->older)
        write->image = image;
}

/* --- what is to be written --- */

bool redis_link_wants_whole(const struct redis_link *link, const struct redis_image *image,
                            int64_t now_ns)
{
    int64_t ttl_ms = link->shared->plan->redis.ttl_ms;
    int64_t age_ms = now_ns / NS_PER_MS - image->expire_ms;

    return image->whole || image->epoch != link->epoch ||
           (ttl_ms > 0 && age_ms >= WHOLE_AFTER(ttl_ms));
}

bool redis_link_wants_expire(const struct redis_link *link, const struct redis_image *image,
                             int64_t now_ns)
{
    int64_t ttl_ms = link->shared->plan->redis.ttl_ms;
    int64_t age_ms = now_ns / NS_PER_MS - image->expire_ms;

    return ttl_ms > 0 && age_ms >= EXPIRE_AFTER(ttl_ms);
}

/* The image's place in the queue: the one it has, or a new one at the end. */
static struct redis_write *queue_image(struct redis_link *link, struct redis_image *image,
                                       int64_t now_ns)
{
    struct redis_write *write = image->writes;

    if (write && write->queued)
        return write;
    write = arena_alloc(link->shared->arena, sizeof(*write));
    *write = (struct redis_write){
        .image = image,
        .older = image->writes,
        .queued_ns = now_ns,
        .record_ms = -1,
        .save = link->shared->save,
        .queued = true,
    };
    image->writes = write;
    push(&link->queue, write);
    link->shared->queued++;
    return write;
}

static void keep_oldest(struct redis_write *write, int64_t record_ms, int64_t fetched_ns)
{
    if (record_ms >= 0 && (write->record_ms < 0 || record_ms < write->record_ms))
        write->record_ms = record_ms;
    if (fetched_ns > 0 && (write->fetched_ns == 0 || fetched_ns < write->fetched_ns))
        write->fetched_ns = fetched_ns;
}

void redis_link_row(struct redis_link *link, struct redis_image *image, const struct row *row,
                    int64_t now_ns)
{
    struct redis_write *write = queue_image(link, image, now_ns);

    if (!write->row) {
        write->row = true;
        write->queued_ns = now_ns;
    }
    keep_oldest(write, row->record_ms, row->fetched_ns);
}

/* Its place in the queue stays, void, until its turn comes. */
void redis_writes_forget(struct redis_image *image)
{
    struct redis_write *write = image->writes;

    if (!write || !write->queued)
        return;
    image->writes = write->older;
    write->image = NULL;
}

/* --- what a save lacks --- */

static bool is_unsaved(const struct redis_link *link, const struct redis_write *write)
{
    return write->save != link->shared->save;
}

static void set_saved(struct redis_link *link, struct redis_write *write)
{
    link->unsaved -= is_unsaved(link, write);
    write->save = link->shared->save;
}

static void set_unsaved(struct redis_link *link, struct redis_write *write)
{
    link->unsaved += !is_unsaved(link, write);
    write->save = link->shared->save - 1;
}

/* The write has been popped for good. It was the first of its list, so none before it is left to be
 * looked at but, if it was queued, those in flight. */
static void leave_save(struct redis_link *link, struct redis_write *write)
{
    set_saved(link, write);
    if (link->saved == write)
        link->saved = write->queued ? link->flight.last : NULL;
}

void redis_link_load(struct redis_link *link, struct redis_image *image, int64_t now_ns)
{
    image->whole = true;
    set_unsaved(link, queue_image(link, image, now_ns));
    link->saved = NULL; /* it may have had a place that was looked at */
}

void redis_link_save_begin(struct redis_link *link)
{
    link->unsaved = link->flight.count + link->queue.count;
    link->saved = NULL;
    /* From behind: new ones come at the end, and it must have one. */
    link->unsynced = link->resync ? link->last : NULL;
}

static struct redis_write *next_to_save(const struct redis_link *link)
{
    if (link->saved && link->saved->next)
        return link->saved->next;
    if (link->saved)
        return link->saved->queued ? NULL : link->queue.first;
    return link->flight.first ? link->flight.first : link->queue.first;
}

bool redis_link_save_next(struct redis_link *link, struct redis_image **ret)
{
    struct redis_image *image = link->unsynced;

    *ret = NULL;
    if (link->unsaved > 0) {
        struct redis_write *write = next_to_save(link);

        CHECK(write);
        link->saved = write;
        if (!is_unsaved(link, write))
            return true;
        image = write->image;
        set_saved(link, write);
        if (!image || image->forgotten)
            return true;
        for (write = image->writes; write; write = write->older)
            set_saved(link, write);
        *ret = image;
        return true;
    }
    if (!image)
        return false;
    link->unsynced = image->prev;
    if (image->writes || image->epoch != link->epoch)
        *ret = image;
    return true;
}

/* --- in flight --- */

static void write_free(struct redis_link *link, struct redis_write *write)
{
    struct redis_write **place = &write->image->writes;

    leave_save(link, write);
    while (*place != write)
        place = &(*place)->older;
    *place = write->older;
    arena_free(link->shared->arena, write, sizeof(*write));
}

struct redis_write *redis_writes_land(struct redis_link *link)
{
    struct redis_write *write = pop(&link->flight);

    link->shared->in_flight--;
    link->flight_bytes -= write->bytes;
    link->flight_batches -= write->ends_batch;
    return write;
}

void redis_writes_again(struct redis_link *link, struct redis_write *write, int64_t now_ns)
{
    struct redis_image *image = write->image;

    if (image->forgotten) {
        redis_writes_over(link, write);
        return;
    }
    image->whole = true; /* nobody knows what Redis has of it */
    struct redis_write *queued = queue_image(link, image, now_ns);

    keep_oldest(queued, write->record_ms, write->fetched_ns);
    if (is_unsaved(link, write))
        set_unsaved(link, queued);
    write_free(link, write);
}

void redis_writes_over(struct redis_link *link, struct redis_write *write)
{
    struct redis_image *image = write->image;

    write_free(link, write);
    if (image->writes || !(image->detached || image->forgotten))
        return;
    if (image->detached)
        redis_detached_remove(&link->shared->detached, image);
    redis_link_drop(link, image);
}

/* --- sending --- */

/* Images are all over memory: while one is spelled, the next is on its way to the cache, and so is
 * the write behind that. */
static void prefetch(const struct redis_write *next)
{
    if (!next || !next->image)
        return;
    for (size_t line = 0; line < 3; line++)
        __builtin_prefetch((const char *)next->image + line * CACHE_LINE);
    __builtin_prefetch(next->next);
}

static void send_write(struct redis_link *link, struct buf *out, int64_t now_ns)
{
    struct redis_links *shared = link->shared;
    struct redis_sink_stats *stats = shared->stats;
    struct redis_write *write = pop(&link->queue);
    struct redis_image *image = write->image;

    shared->queued--;
    prefetch(link->queue.first);
    if (!image) {
        leave_save(link, write);
        arena_free(shared->arena, write, sizeof(*write));
        return;
    }
    bool whole = redis_link_wants_whole(link, image, now_ns) ||
                 redis_commands_only_add(&shared->commands, image);
    bool expire = redis_link_wants_expire(link, image, now_ns) ||
                  (whole && shared->plan->redis.ttl_ms > 0);
    size_t start = out->len;
    struct redis_written written = redis_commands_append(&shared->commands, out, image, whole,
                                                         expire);

    CHECK(written.commands);
    shared->in_flight++;
    write->queued = false;
    write->commands = (uint8_t)written.commands;
    write->partial = !whole;
    write->added = written.added;
    write->sent_ns = now_ns;
    write->bytes = (uint32_t)(out->len - start);
    link->flight_bytes += write->bytes;
    push(&link->flight, write);

    image->whole = false;
    image->epoch = link->epoch;
    if (expire)
        image->expire_ms = now_ns / NS_PER_MS;

    if (write->row)
        hdr_record(&stats->emit_wait, now_ns - write->queued_ns, 1);
    counter_add(&stats->hsets, (written.commands & REDIS_HSET) != 0);
    counter_add(&stats->hdels, (written.commands & REDIS_HDEL) != 0);
    counter_add(&stats->expires, (written.commands & REDIS_EXPIRE) != 0);
    counter_add(&stats->fields, written.fields);
    counter_add(&stats->bytes_out, write->bytes);
    counter_add(&stats->keys_whole, whole);
}

static void send_batch(struct redis_link *link, struct buf *out, int64_t now_ns)
{
    size_t start = out->len;
    size_t flight = link->flight.count;
    /* After trouble one key goes ahead: if it fares ill, the others need not. */
    size_t keys_left = link->attempts ? 1 : BATCH_KEYS;

    while (link->queue.first && keys_left-- > 0 && out->len - start < BATCH_BYTES)
        send_write(link, out, now_ns);
    if (link->flight.count == flight)
        return; /* all were void */
    link->flight.last->ends_batch = true;
    link->flight_batches++;
}

/* When the next batch may go, as things stand. */
static int64_t batch_due_ns(const struct redis_link *link)
{
    const struct redis_links *shared = link->shared;

    if (link->state != REDIS_READY || shared->hold || !link->queue.first)
        return REDIS_NOT_DUE;
    if (link->flight.first) {
        if (link->attempts || link->flight_batches >= FLIGHT_BATCHES ||
            link->flight_bytes >= FLIGHT_BYTES)
            return REDIS_NOT_DUE; /* replies come first */
        if (!shared->flush && link->queue.count < BATCH_KEYS)
            return MAX(link->retry_ns, link->queue.first->queued_ns + shared->linger_ns);
    }
    return link->retry_ns;
}

static int64_t resync_due_ns(const struct redis_link *link)
{
    if (link->state != REDIS_READY || link->shared->hold || !link->resync ||
        link->queue.count >= RESYNC_QUEUE)
        return REDIS_NOT_DUE;
    return link->retry_ns;
}

static void resync_some(struct redis_link *link, int64_t now_ns)
{
    for (unsigned i = 0; i < RESYNC_KEYS && resync_due_ns(link) <= now_ns; i++) {
        struct redis_image *image = link->resync;

        redis_writes_resync(link, image->next);
        if (image->epoch != link->epoch)
            queue_image(link, image, now_ns);
    }
}

void redis_writes_send(struct redis_link *link, int64_t now_ns)
{
    const struct redis_io *io = &link->shared->io;

    resync_some(link, now_ns);
    if (batch_due_ns(link) > now_ns)
        return;
    struct buf *out = io->out(io->context, link->number);

    while (batch_due_ns(link) <= now_ns)
        send_batch(link, out, now_ns);
    io->flush(io->context, link->number);
}

int64_t redis_writes_due_ns(const struct redis_link *link)
{
    return MIN(batch_due_ns(link), resync_due_ns(link));
}
