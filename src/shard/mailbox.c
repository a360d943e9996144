#include "shard/mailbox.h"

#include "base/lines.h"
#include "freshet/source.h"

#define BLOCKS      4
#define BLOCK_BYTES ((size_t)32 * 1024)

static size_t align8(size_t bytes)
{
    return (bytes + 7) & ~(size_t)7;
}

void mailbox_init(struct mailbox *mailbox)
{
    memset(mailbox, 0, sizeof(*mailbox));
    spsc_init(&mailbox->full, BLOCKS);
    spsc_init(&mailbox->empty, BLOCKS);
    mailbox->blocks = lines_calloc(BLOCKS, sizeof(*mailbox->blocks));
    for (int i = 0; i < BLOCKS; i++)
        CHECK(spsc_push(&mailbox->empty, &mailbox->blocks[i]));
}

void mailbox_done(struct mailbox *mailbox)
{
    for (int i = 0; i < BLOCKS; i++)
        free(mailbox->blocks[i].bytes);
    free(mailbox->blocks);
    spsc_done(&mailbox->full);
    spsc_done(&mailbox->empty);
}

static void block_size(struct mail_block *block, size_t bytes)
{
    free(block->bytes);
    block->bytes = malloc(bytes);
    CHECK(block->bytes);
    block->cap = bytes;
}

static void hand_over(struct mailbox *mailbox)
{
    CHECK(spsc_push(&mailbox->full, mailbox->filling));
    mailbox->filling = NULL;
    mailbox->must_wake = true;
}

bool mailbox_flush(struct mailbox *mailbox)
{
    bool wake;

    if (mailbox->filling && mailbox->filling->used > 0)
        hand_over(mailbox);
    wake = mailbox->must_wake;
    mailbox->must_wake = false;
    return wake;
}

/* Room for an item of that size in the block at hand, or in a new one. */
static struct mail_item *item_begin(struct mailbox *mailbox, size_t bytes)
{
    struct mail_block *block = mailbox->filling;

    if (block && block->used > 0 && block->cap - block->used < bytes)
        hand_over(mailbox);
    if (!mailbox->filling) {
        mailbox->filling = spsc_pop(&mailbox->empty);
        if (!mailbox->filling)
            return NULL;
        mailbox->filling->used = 0;
    }
    block = mailbox->filling;
    if (block->used == 0 &&
        (block->cap < bytes || (block->cap > BLOCK_BYTES && bytes <= BLOCK_BYTES)))
        block_size(block, MAX(bytes, BLOCK_BYTES)); /* a huge event has a block of its own size */
    return (struct mail_item *)(block->bytes + block->used);
}

static void item_end(struct mailbox *mailbox, struct mail_item *item, struct mail_item head)
{
    *item = head;
    mailbox->filling->used += head.bytes;
}

static size_t strings_bytes(const struct plan_source *source, const struct event *event)
{
    size_t bytes = event->key.len;

    for (uint32_t i = 0; i < source->field_count; i++) {
        if (source->fields[i].type == FIELD_STRING && event->fields[i].present)
            bytes += event->fields[i].len;
    }
    return bytes;
}

static const char *put_bytes(char **to, const char *bytes, size_t len)
{
    char *copy = *to;

    memcpy(copy, bytes, len);
    *to += len;
    return copy;
}

static size_t record_bytes(const struct record *record)
{
    return record ? align8(sizeof(*record) + record->key.len + record->value.len) : 0;
}

static const struct record *put_record(char *to, const struct record *record)
{
    struct record *copy = (struct record *)to;

    if (!record)
        return NULL;
    *copy = *record;
    to += sizeof(*record);
    if (record->key.data)
        copy->key.data = put_bytes(&to, record->key.data, record->key.len);
    if (record->value.data)
        copy->value.data = put_bytes(&to, record->value.data, record->value.len);
    return copy;
}

bool mailbox_put_event(struct mailbox *mailbox, const struct plan *plan, uint32_t source,
                       const struct event *event)
{
    const struct plan_source *from = &plan->sources[source];
    size_t fields_bytes = from->field_count * sizeof(struct field_value);
    size_t bytes = align8(sizeof(struct mail_item) + sizeof(struct event) + fields_bytes +
                          record_bytes(event->record) + strings_bytes(from, event));
    struct mail_item *item = item_begin(mailbox, bytes);

    if (!item)
        return false;

    struct event *copy = (struct event *)(item + 1);
    struct field_value *fields = (struct field_value *)(copy + 1);
    char *strings = (char *)fields + fields_bytes;

    *copy = *event;
    copy->fields = fields;
    copy->record = put_record(strings, event->record);
    strings += record_bytes(event->record);
    copy->key.data = put_bytes(&strings, event->key.data, event->key.len);
    memcpy(fields, event->fields, fields_bytes);
    for (uint32_t i = 0; i < from->field_count; i++) {
        if (from->fields[i].type == FIELD_STRING && fields[i].present)
            fields[i].s = put_bytes(&strings, fields[i].s, fields[i].len);
    }
    item_end(mailbox, item,
             (struct mail_item){
                 .bytes = (uint32_t)bytes, .kind = MAIL_EVENT, .source = (uint16_t)source});
    return true;
}

/* An item of a fixed size. */
static bool put_item(struct mailbox *mailbox, enum mail_kind kind, uint32_t source,
                     const void *content, size_t content_bytes)
{
    size_t bytes = align8(sizeof(struct mail_item) + content_bytes);
    struct mail_item *item = item_begin(mailbox, bytes);

    if (!item)
        return false;
    memcpy(item + 1, content, content_bytes);
    item_end(mailbox, item,
             (struct mail_item){
                 .bytes = (uint32_t)bytes, .kind = (uint16_t)kind, .source = (uint16_t)source});
    return true;
}

bool mailbox_put_clock(struct mailbox *mailbox, uint32_t source, const struct mail_clock *clock)
{
    return put_item(mailbox, MAIL_CLOCK, source, clock, sizeof(*clock));
}

bool mailbox_put_barrier(struct mailbox *mailbox, uint64_t number)
{
    struct mail_barrier barrier = {.number = number};

    return put_item(mailbox, MAIL_BARRIER, 0, &barrier, sizeof(barrier));
}

bool mailbox_put_closing(struct mailbox *mailbox)
{
    return put_item(mailbox, MAIL_CLOSING, 0, "", 0);
}

static void reading_return(struct mailbox *mailbox)
{
    CHECK(spsc_push(&mailbox->empty, mailbox->reading));
    mailbox->reading = NULL;
}

const struct mail_item *mailbox_peek(struct mailbox *mailbox)
{
    if (!mailbox->reading) {
        mailbox->reading = spsc_pop(&mailbox->full);
        mailbox->read = 0;
        if (!mailbox->reading)
            return NULL;
    }
    return (const struct mail_item *)(mailbox->reading->bytes + mailbox->read);
}

void mailbox_next(struct mailbox *mailbox)
{
    mailbox->read += mailbox_peek(mailbox)->bytes;
    if (mailbox->read == mailbox->reading->used)
        reading_return(mailbox);
}

uint32_t mailbox_peek_events(struct mailbox *mailbox, const struct event **ret_events, uint32_t max)
{
    const struct mail_item *item = mailbox_peek(mailbox);
    size_t at = mailbox->read;
    uint16_t source;
    uint32_t count = 0;

    if (!item)
        return 0;
    source = item->source;
    for (; at < mailbox->reading->used && count < max; at += item->bytes) {
        item = (const struct mail_item *)(mailbox->reading->bytes + at);
        if (item->kind != MAIL_EVENT || item->source != source)
            break;
        ret_events[count++] = (const struct event *)(item + 1);
    }
    return count;
}
