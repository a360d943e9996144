/* Records become events, events get to the keyspaces.
 *
 *   batch   [ p3 p3 p3 p3 | p7 p7 | p3 … ]     as the intake gave them
 *   run       └────────┘                       of one partition; decoded together, then routed,
 *                                              then applied, then its times are told
 *
 * Every step can be left half done when what comes after it is full; the run remembers how far it
 * got. Records are given back when the whole batch is done. */

#include "base/clock.h"
#include "base/hash.h"
#include "shard/internal.h"
#include "window/lateness.h"

#define ERROR_LOG_INTERVAL_NS (10 * NS_PER_S)
#define MAIL_RUNS_MAX         16 /* runs of events that are taken from a mailbox in a turn */

void ingest_fetch(struct shard *shard)
{
    struct batch *batch = &shard->batch;

    if (batch->count > 0)
        return;
    batch->count = shard->fetcher
                       ? fetcher_poll(shard->fetcher, batch->fetched, FETCH_MAX, shard->now_ns)
                       : intake_poll(shard->intake, batch->fetched, FETCH_MAX);
    batch->next = 0;
    batch->polled_ns = shard->now_ns;
    batch->polled_ms = shard->now_ms;
    if (batch->count > 0)
        counter_add(&shard->stats.fetches, 1);
}

void ingest_release(struct shard *shard)
{
    struct batch *batch = &shard->batch;

    if (shard->fetcher)
        fetcher_release(shard->fetcher);
    else
        intake_release(batch->fetched, batch->count);
    batch->count = batch->next = 0;
}

/* The partition, if it is this shard's to read. */
static struct partition *partition_of(const struct shard *shard, const struct fetched *fetched)
{
    uint32_t source = fetched->source;
    uint32_t number = (uint32_t)fetched->record.partition;
    struct partition *partition = number < shard->fleet->clocks[source].partition_count
                                      ? shard->partitions[source][number]
                                      : NULL;

    return partition && !partition->is_leaving ? partition : NULL;
}

static struct progress *progress_of(const struct shard *shard, const struct partition *partition)
{
    return &shard->fleet->progress[partition->source][partition->number];
}

/* The partition has been read up to `offset`; in a bounded run, what comes after its end is not. */
static void position_set(struct shard *shard, struct partition *partition, int64_t offset)
{
    partition->position = MAX(partition->position, MIN(offset, partition->end_offset));
    partition->has_ended = partition->position >= partition->end_offset;
    atomic_store_explicit(&progress_of(shard, partition)->position, partition->position,
                          memory_order_relaxed);
}

static void read_error(struct shard *shard, const struct fetched *fetched)
{
    static __thread struct log_limit limit;
    uint64_t held_back;

    counter_add(&shard->stats.sources[fetched->source].read_errors, 1);
    if (log_limit_pass(&limit, shard->now_ns, ERROR_LOG_INTERVAL_NS, &held_back))
        log_warn("partition %d of %s: %s (%llu more such errors)", fetched->record.partition,
                 shard->plan->sources[fetched->source].topic, fetched->text,
                 (unsigned long long)held_back);
}

/* Going on elsewhere would be a silent gap: somebody has to decide. */
static void lost_report(struct shard *shard, const struct fetched *fetched)
{
    const struct partition *partition = partition_of(shard, fetched);
    char text[sizeof(((struct report *)NULL)->text)];

    if (!partition)
        return;
    snprintf(text, sizeof(text),
             "partition %d of %s: the records from offset %lld on are gone before they were read "
             "(retention, or the topic was recreated): %s",
             partition->number, shard->plan->sources[fetched->source].topic,
             (long long)partition->position, fetched->text);
    report_send(shard, REPORT_FAILED, text);
}

/* What comes in a batch beside records. */
static void mark_handle(struct shard *shard, const struct fetched *fetched)
{
    struct partition *partition = partition_of(shard, fetched);

    if (fetched->kind == FETCHED_ERROR)
        read_error(shard, fetched);
    if (fetched->kind == FETCHED_LOST)
        lost_report(shard, fetched);
    if (fetched->kind != FETCHED_END || !partition)
        return;
    partition->at_end = true;
    position_set(shard, partition, fetched->record.offset);
    shard->clocks_due_ns = 0; /* tells of it */
}

void ingest_void(struct shard *shard, uint32_t source, int32_t partition)
{
    struct batch *batch = &shard->batch;

    for (size_t i = batch->next; i < batch->count; i++) {
        struct fetched *fetched = &batch->fetched[i];

        if (fetched->source == source && fetched->record.partition == partition)
            fetched->kind = FETCHED_VOID;
    }
}

/* Tells a record from any other that may be found at its offset. */
static uint64_t record_hash(const struct record *record)
{
    uint64_t hash = hash64_int((uint64_t)record->timestamp_ms);

    hash = hash64_int(hash ^ hash64(record->key));
    return hash64_int(hash ^ hash64(record->value));
}

/* A run ends where rows begin to count: all that is due by then fires before the next one. */
static bool is_boundary(const struct partition *partition, int64_t offset)
{
    return partition->position < partition->mute_offset && offset >= partition->mute_offset;
}

/* What is read may not be something else than what the state was computed from. */
static bool record_verify(struct shard *shard, struct partition *partition,
                          const struct record *record)
{
    char text[sizeof(((struct report *)NULL)->text)];

    if (!partition->must_verify)
        return true;
    partition->must_verify = false;
    if (record->offset != partition->last_offset || record_hash(record) == partition->last_hash)
        return true;
    snprintf(text, sizeof(text),
             "partition %d of %s: the record at offset %lld is not the one that the checkpoint "
             "ended with: the topic was made anew. --fresh begins anew, with empty state, where "
             "the source says",
             partition->number, shard->plan->sources[partition->source].topic,
             (long long)record->offset);
    report_send(shard, REPORT_FAILED, text);
    partition->end_offset = partition->position; /* nothing of it is applied any more */
    return false;
}

/* Whether the record is to be passed over: it is from before what is to be read. */
static bool record_is_before(struct shard *shard, struct partition *partition,
                             const struct record *record)
{
    bool is_right = record_verify(shard, partition, record);

    return record->offset < partition->position || !is_right;
}

static void run_begin(struct shard *shard, struct partition *partition)
{
    struct batch *batch = &shard->batch;
    struct run *run = &shard->run;
    const struct fetched *first = &batch->fetched[batch->next];
    size_t end = batch->next + 1;

    while (end < batch->count && end - batch->next < RUN_MAX &&
           batch->fetched[end].kind == FETCHED_RECORD &&
           batch->fetched[end].source == first->source &&
           batch->fetched[end].record.partition == first->record.partition &&
           !is_boundary(partition, batch->fetched[end].record.offset))
        end++;
    run->partition = partition;
    run->begin = run->decoded = batch->next;
    run->end = end;
    run->count = run->routed = run->own_count = run->applied = run->told = 0;
    run->decode_ns = run->apply_ns = 0;
    region_reset(&run->scratch);
}

static void dead_letter_log(struct shard *shard, uint32_t source, const struct record *record,
                            const struct reject *reject)
{
    static __thread struct log_limit limit;
    uint64_t held_back;

    if (log_limit_pass(&limit, shard->now_ns, ERROR_LOG_INTERVAL_NS, &held_back))
        log_warn("%s partition %d offset %lld is no event: %s%s%s; there is no dead-letter topic "
                 "(%llu more since the last such line)",
                 shard->plan->sources[source].topic, record->partition, (long long)record->offset,
                 reject_reason_meaning(reject->reason), reject->field ? ": " : "",
                 reject->field ? reject->field : "", (unsigned long long)held_back);
}

/* False if the side output is full. */
static bool reject_send(struct shard *shard, uint32_t source, const struct record *record,
                        const struct reject *reject)
{
    const struct plan_source *plan = &shard->plan->sources[source];
    struct side_record side = {
        .kind = SIDE_DEAD_LETTER,
        .topic = plan->topic,
        .record = record,
        .error = reject_reason_name(reject->reason),
        .field = reject->field,
    };

    if (side_output_send(shard->fleet->side, source, &side, &shard->side_text))
        return false;
    counter_add(&shard->stats.sources[source].dead[reject->reason], 1);
    if (!plan->dead_letter_topic)
        dead_letter_log(shard, source, record, reject);
    return true;
}

bool late_send(struct shard *shard, uint32_t source, const struct record *record,
               int64_t watermark_ms, bool is_late)
{
    const struct plan_source *plan = &shard->plan->sources[source];
    struct source_stats *stats = &shard->stats.sources[source];
    struct side_record side = {
        .kind = SIDE_LATE,
        .topic = plan->topic,
        .record = record,
        .error = is_late ? "late" : "released",
        .watermark_ms = watermark_ms,
    };

    if (side_output_send(shard->fleet->side, source, &side, &shard->side_text))
        return false;
    counter_add(is_late ? &stats->late : &stats->released, 1);
    for (uint32_t i = 0; i < plan->view_count; i++) {
        struct view_stats *view = &shard->stats.views[plan->views[i]];

        counter_add(is_late ? &view->late : &view->released, 1);
    }
    return true;
}

/* An event that is late for some views is counted for them; the others use it. */
static void late_count(struct shard *shard, const struct plan_source *plan,
                       const struct event *event)
{
    int64_t lateness_ms = plan->allowed_lateness_ms;

    if (event->watermark_ms < event->time_ms + lateness_ms)
        return;
    for (uint32_t i = 0; i < plan->view_count; i++) {
        const struct plan_view *view = &shard->plan->views[plan->views[i]];

        /* The keyspace counts for sessions: it knows those that the event may join. */
        if (view->window != WINDOW_SESSION &&
            is_late(view, lateness_ms, event->time_ms, event->watermark_ms))
            counter_add(&shard->stats.views[view->number].late, 1);
    }
}

/* Decodes one record into the run's next event, or sends it aside. False if the side output is
 * full: the record is to be tried again. */
static bool record_decode(struct shard *shard, const struct fetched *fetched)
{
    struct run *run = &shard->run;
    struct partition *partition = run->partition;
    const struct plan_source *plan = &shard->plan->sources[fetched->source];
    struct source_stats *stats = &shard->stats.sources[fetched->source];
    struct event *event = &run->events[run->count];
    struct reject reject;

    if (fetched->record.offset >= partition->end_offset)
        return true; /* bounded: came after the start */
    if (decoder_decode(shard->decoders[fetched->source], &fetched->record, &run->scratch,
                       run->fields + (size_t)run->count * plan->field_count, event, &reject)) {
        if (!reject_send(shard, fetched->source, &fetched->record, &reject))
            return false;
    } else {
        const struct keyspace *keyspace = partition->keyspace
                                              ? partition->keyspace
                                              : shard->shuffles[fetched->source].keyspace;
        int64_t closing_ms = MAX(partition->watermark_ms, keyspace_release_ms(keyspace));

        event->watermark_ms = partition->watermark_ms;
        event->fetched_ns = shard->batch.polled_ns;
        enum lateness lateness = lateness_of(shard->plan, plan, event->time_ms, closing_ms);

        event->record = lateness == LATE_UNDECIDED ? &fetched->record : NULL;
        if (lateness == LATE_FOR_ALL) {
            bool by_watermark = lateness_of(shard->plan, plan, event->time_ms,
                                            partition->watermark_ms) == LATE_FOR_ALL;

            if (!late_send(shard, partition->source, &fetched->record, partition->watermark_ms,
                           by_watermark))
                return false;
        } else {
            if (lateness == LATE_FOR_NONE)
                late_count(shard, plan, event);
            run->count++;
        }
        partition_saw(shard, partition, event->time_ms);
        partition->silent_since_ns = reading_ns(shard);
        counter_add(&stats->events, 1);
    }
    counter_add(&stats->records, 1);
    counter_add(&stats->bytes, fetched->record.value.len);
    if (fetched->record.timestamp_ms >= 0)
        hdr_record(&shard->stats.fetch_ns,
                   (shard->batch.polled_ms - fetched->record.timestamp_ms) * NS_PER_MS, 1);
    return true;
}

static bool run_decode(struct shard *shard)
{
    struct run *run = &shard->run;
    int64_t begun_ns = clock_monotonic_ns();
    bool done = true;

    if (run->decoded == run->end)
        return true;
    run->partition->at_end = false;
    while (run->decoded < run->end && done) {
        done = record_decode(shard, &shard->batch.fetched[run->decoded]);
        run->decoded += done;
    }
    run->decode_ns += clock_monotonic_ns() - begun_ns;
    if (done)
        hdr_record(&shard->stats.decode_ns, run->decode_ns / (int64_t)(run->end - run->begin),
                   run->end - run->begin);
    return done;
}

/* Sorts out which events are this shard's and mails the others. */
static bool run_route(struct shard *shard)
{
    struct run *run = &shard->run;

    for (; run->routed < run->count; run->routed++) {
        const struct event *event = &run->events[run->routed];
        uint32_t owner = run->partition->keyspace
                             ? shard->number
                             : shard_of_key(event->key_hash, shard->fleet->shard_count);

        if (owner == shard->number) {
            run->own[run->own_count++] = event;
            continue;
        }
        if (!mailbox_put_event(outbox_to(shard, owner), shard->plan, run->partition->source,
                               event)) {
            shard->is_blocked = true;
            return false;
        }
        counter_add(&shard->stats.mail_events, 1);
    }
    return true;
}

static bool run_apply(struct shard *shard)
{
    struct run *run = &shard->run;
    struct keyspace *keyspace = run->partition->keyspace
                                    ? run->partition->keyspace
                                    : shard->shuffles[run->partition->source].keyspace;
    int64_t begun_ns = clock_monotonic_ns();

    if (run->applied == run->own_count)
        return true;
    run->applied += keyspace_apply(keyspace, run->own + run->applied,
                                   run->own_count - run->applied);
    run->apply_ns += clock_monotonic_ns() - begun_ns;
    if (run->applied < run->own_count)
        return false;
    hdr_record(&shard->stats.apply_ns, run->apply_ns / run->own_count, run->own_count);
    return true;
}

/* The run's last record, by which the next process knows where it is. What lies behind the end of a
 * bounded run is the next one's. */
static void last_set(struct shard *shard)
{
    const struct run *run = &shard->run;

    for (size_t at = run->end; at > run->begin; at--) {
        const struct record *last = &shard->batch.fetched[at - 1].record;

        if (last->offset >= run->partition->end_offset)
            continue;
        run->partition->last_offset = last->offset;
        run->partition->last_hash = record_hash(last);
        return;
    }
}

/* True when the run is done. */
static bool run_continue(struct shard *shard)
{
    struct run *run = &shard->run;

    if (!run_decode(shard) || !run_route(shard) || !run_apply(shard))
        return false;
    const struct record *last = &shard->batch.fetched[run->end - 1].record;
    position_set(shard, run->partition, last->offset + 1);
    last_set(shard);
    atomic_store_explicit(&progress_of(shard, run->partition)->record_ms, last->timestamp_ms,
                          memory_order_relaxed);
    if (!partition_tell(shard, run->partition, &run->told))
        return false;
    run->partition = NULL;
    shard->batch.next = run->end;
    return true;
}

static bool batch_continue(struct shard *shard)
{
    struct batch *batch = &shard->batch;

    while (batch->next < batch->count) {
        const struct fetched *fetched = &batch->fetched[batch->next];

        if (ingest_is_held(shard))
            return true;
        if (!shard->run.partition) {
            struct partition *partition = fetched->kind == FETCHED_RECORD
                                              ? partition_of(shard, fetched)
                                              : NULL;

            if (!partition) { /* a mark, or a partition that was taken from us */
                mark_handle(shard, fetched);
                batch->next++;
                continue;
            }
            if (UNLIKELY(fetched->record.offset < partition->position || partition->must_verify) &&
                record_is_before(shard, partition, &fetched->record)) {
                batch->next++;
                continue;
            }
            if (UNLIKELY(shard->is_muted && !partitions_muted(shard)))
                return true; /* until what is due has fired */
            run_begin(shard, partition);
        }
        if (!run_continue(shard))
            return true;
    }
    return false;
}

bool ingest_is_held(const struct shard *shard)
{
    return shard->share.stage == SHARE_ALIGNING && !shard->run.partition;
}

bool ingest_run(struct shard *shard)
{
    struct batch *batch = &shard->batch;

    if (batch->count == 0)
        return false;
    if (batch_continue(shard))
        return true;
    ingest_release(shard);
    return false;
}

/* Applies one mailbox's items. True if there is nothing to do about it for now. */
static bool mailbox_apply(struct shard *shard, struct mailbox *mailbox)
{
    const struct event *events[RUN_MAX];
    const struct mail_item *item;

    for (int runs = 0; (item = mailbox_peek(mailbox)) && runs < MAIL_RUNS_MAX; runs++) {
        uint16_t source = item->source;
        uint32_t count = mailbox_peek_events(mailbox, events, RUN_MAX);

        if (count > 0) {
            uint32_t done = keyspace_apply(shard->shuffles[source].keyspace, events, count);

            for (uint32_t i = 0; i < done; i++)
                mailbox_next(mailbox);
            if (done < count)
                return false;
            continue;
        }
        if (item->kind == MAIL_BARRIER && share_is_behind(shard, mail_barrier_of(item)))
            return true; /* the mark has to be taken first */
        if (item->kind == MAIL_CLOCK)
            shuffle_told(shard, source, mail_clock_of(item));
        if (item->kind == MAIL_CLOSING)
            mailbox->is_closed = true;
        mailbox_next(mailbox);
    }
    return !item;
}

bool ingest_mail(struct shard *shard)
{
    bool left = false;

    for (uint32_t i = 0; i < shard->fleet->shard_count; i++) {
        if (i != shard->number)
            left = !mailbox_apply(shard, inbox_from(shard, i)) || left;
    }
    return left;
}
