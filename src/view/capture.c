/* Captures: the state of all keys at one instant, taken down while time goes on.
 *
 *   mark n          capture, in slices                mark n + 1
 *   ──┼────────────────────────────────────────────────┼──────▶
 *     changed becomes pending                          again
 *     pending   a key is written when its turn comes, or before it changes: copy on first write
 *     changed   gathers what the next one is to write
 *
 * Both are sets of record numbers. A number is in `pending` while the key that has it is to be
 * written as of the mark, in `changed` if the key that has it changed behind the mark; a key that
 * goes is taken out of both, so that a number may be used again at once. `key_head.changed` spares
 * the sets the question, for all but a key's first change in an epoch.
 *
 * A key that goes, and that an earlier capture has written or a checkpoint brought, leaves an entry
 * that deletes it: of the epoch in which it went, before all that is written of that epoch, so that
 * a key of the same name counts if there is one. */

#include "state/entries.h"
#include "view/internal.h"

#define IDS_A_KEY 64 /* that cost as much as a key */

void capture_init(struct keyspace *keyspace)
{
    keyspace->capture.epoch = 1;
}

void capture_done(struct keyspace *keyspace)
{
    struct capture *capture = &keyspace->capture;

    bits_done(&capture->changed, keyspace->arena);
    bits_done(&capture->pending, keyspace->arena);
    buf_free(&capture->deleted);
    buf_free(&capture->captured);
}

uint32_t capture_group(const struct keyspace *keyspace, uint64_t hash)
{
    return keyspace->source->aligned ? (uint32_t)keyspace->partition
                                     : (uint32_t)(hash % PLAN_KEY_GROUPS);
}

static void key_write(struct keyspace *keyspace, struct key_head *key)
{
    struct buf *out = &keyspace->capture.captured;
    size_t place = entry_begin(out, capture_group(keyspace, key->hash), ENTRY_KEY);

    buf_append_slice(out, key_head_key(key));
    entry_value(out, place);
    key_save(keyspace, key, out);
    entry_end(out, place);
    key->is_stored = true;
    bits_remove(&keyspace->capture.pending, key->number);
}

/* Before all that is written of keys that came after those that went. */
static void deletions_write(struct capture *capture)
{
    struct buf emptied = capture->captured;

    if (capture->captured.len == 0) {
        capture->captured = capture->deleted;
        capture->deleted = emptied;
    } else {
        buf_append_slice(&capture->captured, buf_slice(&capture->deleted));
        buf_reset(&capture->deleted);
    }
}

void capture_write_first(struct keyspace *keyspace, struct key_head *key)
{
    struct capture *capture = &keyspace->capture;

    if (bits_has(&capture->pending, key->number))
        key_write(keyspace, key);
    bits_add(&capture->changed, keyspace->arena, key->number);
    key->changed = capture->epoch;
}

void capture_created(struct keyspace *keyspace, struct key_head *key)
{
    struct capture *capture = &keyspace->capture;

    bits_remove(&capture->pending, key->number); /* of all: free numbers are in it, too */
    bits_add(&capture->changed, keyspace->arena, key->number);
    key->changed = capture->epoch;
}

void capture_write(struct keyspace *keyspace, struct key_head *key)
{
    struct capture *capture = &keyspace->capture;

    CHECK(!capture->is_under_way); /* what is written would be of behind the mark */
    deletions_write(capture);
    key_write(keyspace, key);
    bits_remove(&capture->changed, key->number);
    key->changed = 0;
}

void capture_deleted(struct keyspace *keyspace, const struct key_head *key)
{
    struct buf *deleted = &keyspace->capture.deleted;
    size_t place = entry_begin(deleted, capture_group(keyspace, key->hash), ENTRY_KEY);

    buf_append_slice(deleted, key_head_key(key));
    entry_end_deleted(deleted, place);
}

void capture_dropped(struct keyspace *keyspace, struct key_head *key)
{
    if (bits_has(&keyspace->capture.pending, key->number))
        key_write(keyspace, key);
    bits_remove(&keyspace->capture.changed, key->number);
    if (key->is_stored)
        capture_deleted(keyspace, key);
}

void capture_loaded(struct keyspace *keyspace, struct key_head *key, bool is_changed)
{
    capture_created(keyspace, key);
    key->is_stored = true;
    if (is_changed)
        return;
    bits_remove(&keyspace->capture.changed, key->number);
    key->changed = 0;
}

void keyspace_mark(struct keyspace *keyspace, uint64_t number, bool all)
{
    struct capture *capture = &keyspace->capture;
    struct bits drained = capture->pending;

    CHECK(!capture->is_under_way);
    CHECK(number > capture->number);
    capture->is_under_way = true;
    capture->number = number;
    capture->epoch++;
    capture->next = 0;
    capture->pending = capture->changed;
    capture->changed = drained;
    if (all)
        bits_fill(&capture->pending, keyspace->arena, keyspace->table.record_count);
    deletions_write(capture);
    if (keyspace->ids)
        ids_mark(keyspace->ids, number, all);
}

bool keyspace_capture(struct keyspace *keyspace, uint32_t budget)
{
    struct capture *capture = &keyspace->capture;

    if (!capture->is_under_way)
        return false;
    if (keyspace->ids && ids_capture(keyspace->ids, budget * IDS_A_KEY, &capture->captured))
        return true;
    for (; budget > 0; budget--) {
        uint32_t number = bits_next(&capture->pending, capture->next);

        if (number == BITS_NONE) {
            capture->is_under_way = false;
            return false;
        }
        struct key_head *key = key_table_at(&keyspace->table, number);

        capture->next = number + 1;
        if (key)
            key_write(keyspace, key);
        else
            bits_remove(&capture->pending, number);
    }
    return true;
}

struct buf *keyspace_captured(struct keyspace *keyspace)
{
    return &keyspace->capture.captured;
}

void keyspace_capture_abort(struct keyspace *keyspace)
{
    struct capture *capture = &keyspace->capture;

    bits_merge(&capture->changed, keyspace->arena, &capture->pending);
    bits_clear(&capture->pending);
    if (keyspace->ids)
        ids_capture_abort(keyspace->ids, &capture->captured);
    capture->is_under_way = false;
}

void keyspace_times(const struct keyspace *keyspace, struct keyspace_times *ret)
{
    *ret = (struct keyspace_times){
        .watermark_ms = keyspace->watermark_ms,
        .clock_ms = keyspace->clock_ms,
        .release_ms = keyspace->release_ms,
    };
}
