#include "sink/redis_link.h"

#include "base/clock.h"
#include "base/hash.h"
#include "sink/redis_handshake.h"
#include "sink/redis_writes.h"

#define BACK_OFF_MIN_NS   (10 * NS_PER_MS)
#define BACK_OFF_MAX_NS   (2 * NS_PER_S)
#define BACK_OFF_DOUBLING 8 /* times, then it is the most */
#define PAUSES_MAX        8 /* in a row: some two seconds */
#define HANDSHAKE_NS      (10 * NS_PER_S)
#define REPLY_NS          (60 * NS_PER_S)

void redis_link_init(struct redis_link *link, struct redis_links *shared, unsigned number,
                     uint64_t seed)
{
    *link = (struct redis_link){
        .shared = shared,
        .number = number,
        .random = hash64_int(seed + number),
    };
}

void redis_link_done(struct redis_link *link)
{
    redis_writes_done(link);
    redis_replies_free(link->replies);
}

/* --- the connection --- */

static void report(const struct redis_link *link, const char *what, struct slice text)
{
    const struct redis_links *shared = link->shared;
    char line[512];

    snprintf(line, sizeof(line), "%s: %s%.*s", shared->plan->redis.url_text, what,
             (int)MIN(text.len, (size_t)300), text.data);
    shared->report(shared->report_context, line);
}

/* Doubles with each failure in a row; half of it is left to chance, so that shards and connections
 * don't come back all at once. */
static int64_t back_off_ns(struct redis_link *link)
{
    unsigned doublings = MIN(link->attempts, BACK_OFF_DOUBLING);
    int64_t most_ns = MIN(BACK_OFF_MIN_NS << doublings, BACK_OFF_MAX_NS);

    link->attempts++;
    link->random = hash64_int(link->random);
    return most_ns / 2 + (int64_t)(link->random % (uint64_t)(most_ns / 2 + 1));
}

/* The connection is no more; what was in flight waits again. */
static void away(struct redis_link *link, const char *what, struct slice why, int64_t now_ns)
{
    struct redis_sink_stats *stats = link->shared->stats;
    char text[64];

    if (link->state == REDIS_READY) {
        counter_add(&stats->losses, 1);
        gauge_add(&stats->connected, -1);
    } else {
        counter_add(&stats->connect_failures, 1);
    }
    snprintf(text, sizeof(text), "%s: %s",
             link->state == REDIS_READY ? "connection lost" : "no connection", what);
    report(link, text, why);
    link->state = REDIS_AWAY;
    link->retry_ns = now_ns + back_off_ns(link);
    redis_replies_free(link->replies);
    link->replies = NULL;
    while (link->flight.first)
        redis_writes_again(link, redis_writes_land(link), now_ns);
}

void redis_link_lost(struct redis_link *link, int error, int64_t now_ns)
{
    away(link, "", slice_of(error ? strerror(-error) : "closed by Redis"), now_ns);
}

/* The link itself gives the connection up. */
static void give_up(struct redis_link *link, const char *what, struct slice why, int64_t now_ns)
{
    const struct redis_io *io = &link->shared->io;

    io->close(io->context, link->number);
    away(link, what, why, now_ns);
}

void redis_link_forget(struct redis_link *link, struct redis_image *image, int64_t now_ns)
{
    const struct redis_io *io = &link->shared->io;

    redis_writes_forget(image);
    if (!image->writes) {
        redis_link_drop(link, image);
        return;
    }
    image->forgotten = true;
    if (io->unsent(io->context, link->number) > 0)
        give_up(link, "", SLICE_LITERAL("what was to be sent is not wanted any more"), now_ns);
}

static void connect_begin(struct redis_link *link, int64_t now_ns)
{
    const struct redis_io *io = &link->shared->io;
    int error = io->connect(io->context, link->number);

    link->state = REDIS_CONNECTING;
    if (error < 0)
        redis_link_lost(link, error, now_ns);
}

void redis_link_connected(struct redis_link *link, int64_t now_ns)
{
    const struct redis_links *shared = link->shared;
    const struct redis_io *io = &shared->io;

    link->state = REDIS_HANDSHAKE;
    link->started_ns = now_ns;
    link->step = 0;
    link->replies = redis_replies_create();
    redis_handshake_append(&shared->plan->redis, io->out(io->context, link->number));
    io->flush(io->context, link->number);
}

/* INFO's answer. A Redis that does not say who it is may be another one each time. */
static void recognize(struct redis_link *link, struct slice info)
{
    struct slice run_id = redis_info_value(info, "run_id");
    struct slice known = {link->run_id, strlen(link->run_id)};
    bool met_before = link->met;

    link->met = true;
    run_id.len = MIN(run_id.len, sizeof(link->run_id) - 1);
    if (known.len > 0 && slice_equal(run_id, known))
        return;
    snprintf(link->run_id, sizeof(link->run_id), "%.*s", SLICE_ARGS(run_id));
    if (met_before) {
        link->epoch++;
        redis_writes_resync(link, link->first);
    }
}

static void handshake_reply(struct redis_link *link, const struct redis_reply *reply,
                            int64_t now_ns)
{
    const struct plan_redis *redis = &link->shared->plan->redis;
    char what[32];

    if (reply->kind != REDIS_TEXT) {
        if (reply->kind == REDIS_ERROR)
            counter_add(&link->shared->stats->errors[redis_error_of(reply->text)], 1);
        snprintf(what, sizeof(what), "%s: ", redis_handshake_step(redis, link->step));
        give_up(link, what,
                reply->kind == REDIS_ERROR ? reply->text : SLICE_LITERAL("answered by a number"),
                now_ns);
        return;
    }
    link->step++;
    if (redis_handshake_step(redis, link->step))
        return;
    recognize(link, reply->text);
    link->state = REDIS_READY;
    link->retry_ns = now_ns;
    counter_add(&link->shared->stats->connects, 1);
    gauge_add(&link->shared->stats->connected, 1);
}

/* --- replies --- */

static void record_times(struct redis_link *link, const struct redis_write *write, int64_t now_ns,
                         int64_t now_ms)
{
    struct redis_sink_stats *stats = link->shared->stats;

    hdr_record(&stats->round_trip, now_ns - write->sent_ns, 1);
    if (write->fetched_ns > 0)
        hdr_record(&stats->fetched_to_acked, now_ns - write->fetched_ns, 1);
    if (write->record_ms >= 0) {
        /* A producer may write any time into its records. */
        int64_t ms = MIN(now_ms - write->record_ms, HDR_VALUE_MAX / NS_PER_MS);

        hdr_record(&stats->end_to_end, MAX(ms, INT64_C(0)) * NS_PER_MS, 1);
    }
}

static void report_key(const struct redis_link *link, const struct redis_image *image,
                       struct slice error)
{
    struct buf text = {0};

    buf_append_slice(&text, error);
    buf_append_slice(&text, SLICE_LITERAL(" (key "));
    redis_commands_append_key(&link->shared->commands, &text, image);
    buf_append_char(&text, ')');
    report(link, "", buf_slice(&text));
    buf_free(&text);
}

static void write_failed(struct redis_link *link, struct redis_write *write, struct slice text,
                         int64_t now_ns)
{
    enum redis_error error = redis_error_of(text);

    counter_add(&link->shared->stats->errors[error], 1);
    write->error = write->failed ? MIN(write->error, error) : error;
    write->failed = true;
    if (error == REDIS_ERROR_KEY) {
        report_key(link, write->image, text);
        return;
    }
    report(link, error == REDIS_ERROR_CLUSTER ? "cluster mode is not supported: " : "", text);
    if (link->retry_ns <= now_ns)
        link->retry_ns = now_ns + back_off_ns(link);
}

/* The first write in flight has all its replies. */
static void landed(struct redis_link *link, int64_t now_ns, int64_t now_ms)
{
    struct redis_write *write = redis_writes_land(link);

    if (write->failed && write->error != REDIS_ERROR_KEY) {
        redis_writes_again(link, write, now_ns);
        /* After a failover the name stands for another Redis: it is looked up anew. */
        if (link->attempts > PAUSES_MAX)
            give_up(link, "", SLICE_LITERAL("errors without end"), now_ns);
        return;
    }
    link->attempts = 0;
    if (write->failed) {
        write->image->whole = true; /* with its next row */
        redis_writes_over(link, write);
    } else if (write->gone) {
        counter_add(&link->shared->stats->keys_vanished, 1);
        redis_writes_again(link, write, now_ns);
    } else {
        record_times(link, write, now_ns, now_ms);
        redis_writes_over(link, write);
    }
}

static void data_reply(struct redis_link *link, const struct redis_reply *reply, int64_t now_ns,
                       int64_t now_ms)
{
    struct redis_write *write = link->flight.first;

    if (!write || reply->kind == REDIS_TEXT) {
        give_up(link, "an answer to nothing that was asked: ",
                reply->kind == REDIS_NUMBER ? SLICE_LITERAL("a number") : reply->text, now_ns);
        return;
    }
    unsigned command = write->commands & -(unsigned)write->commands;

    write->commands &= (uint8_t)~command;
    counter_add(&link->shared->stats->replies, 1);
    if (reply->kind == REDIS_ERROR) {
        write_failed(link, write, reply->text, now_ns);
    } else if (write->partial) {
        /* HSET says how many fields are new, EXPIRE if there was a key. */
        write->gone |= (command == REDIS_HSET && reply->number > write->added) ||
                       (command == REDIS_EXPIRE && reply->number == 0);
    }
    if (!write->commands)
        landed(link, now_ns, now_ms);
}

void redis_link_received(struct redis_link *link, struct slice bytes, int64_t now_ns,
                         int64_t now_ms)
{
    struct redis_reply reply;
    int got;

    redis_replies_feed(link->replies, bytes);
    while (link->state >= REDIS_HANDSHAKE && (got = redis_replies_next(link->replies, &reply))) {
        if (got < 0)
            give_up(link, "", SLICE_LITERAL("what Redis answers is not RESP"), now_ns);
        else if (link->state == REDIS_HANDSHAKE)
            handshake_reply(link, &reply, now_ns);
        else
            data_reply(link, &reply, now_ns, now_ms);
    }
}

/* --- the turn --- */

void redis_link_turn(struct redis_link *link, int64_t now_ns)
{
    switch (link->state) {
    case REDIS_AWAY:
        if (now_ns >= link->retry_ns)
            connect_begin(link, now_ns);
        return;
    case REDIS_CONNECTING:
        return;
    case REDIS_HANDSHAKE:
        if (now_ns - link->started_ns >= HANDSHAKE_NS)
            give_up(link, "", SLICE_LITERAL("no answer to the handshake"), now_ns);
        return;
    case REDIS_READY:
        if (link->flight.first && now_ns - link->flight.first->sent_ns >= REPLY_NS) {
            give_up(link, "", SLICE_LITERAL("no answer for a minute"), now_ns);
            return;
        }
        redis_writes_send(link, now_ns);
    }
}

int64_t redis_link_deadline(const struct redis_link *link)
{
    int64_t due_ns;

    switch (link->state) {
    case REDIS_AWAY:
        return link->retry_ns;
    case REDIS_CONNECTING:
        return REDIS_NOT_DUE;
    case REDIS_HANDSHAKE:
        return link->started_ns + HANDSHAKE_NS;
    case REDIS_READY:
        break;
    }
    due_ns = redis_writes_due_ns(link);
    if (link->flight.first)
        due_ns = MIN(due_ns, link->flight.first->sent_ns + REPLY_NS);
    return due_ns;
}

bool redis_link_is_idle(const struct redis_link *link)
{
    return !link->queue.first && !link->flight.first && !link->resync;
}
