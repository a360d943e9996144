#include "kafka/aborted.h"

#define ENTRY_BYTES 16 /* without tagged fields */

static struct aborted_entry read_entry(struct wire_reader *from)
{
    struct aborted_entry entry = {.producer_id = wire_int64(from)};

    entry.first_offset = wire_int64(from);
    wire_skip_tags(from);
    return entry;
}

void aborted_transactions_read(struct wire_reader *body, struct aborted_transactions *ret)
{
    uint32_t count = wire_array(body, ENTRY_BYTES);

    *ret = (struct aborted_transactions){.entries = *body, .count = count};
    if (!body->flexible) {
        wire_take(body, (size_t)count * ENTRY_BYTES);
        return;
    }
    for (uint32_t left = count; left > 0 && !body->bad; left--)
        read_entry(body);
}

void aborted_list_done(struct aborted_list *list)
{
    free(list->entries);
    *list = (struct aborted_list){0};
}

static int by_producer_and_offset(const void *left, const void *right)
{
    const struct aborted_entry *a = left;
    const struct aborted_entry *b = right;

    if (a->producer_id != b->producer_id)
        return a->producer_id < b->producer_id ? -1 : 1;
    return (a->first_offset > b->first_offset) - (a->first_offset < b->first_offset);
}

void aborted_list_fill(struct aborted_list *list, struct aborted_transactions transactions)
{
    if (transactions.count > list->capacity) {
        list->capacity = transactions.count;
        list->entries = realloc(list->entries, list->capacity * sizeof(*list->entries));
        CHECK(list->entries);
    }
    list->count = transactions.count;
    for (uint32_t i = 0; i < list->count; i++)
        list->entries[i] = read_entry(&transactions.entries);
    CHECK(!transactions.entries.bad); /* aborted_transactions_read has looked through it */
    if (list->count > 1)
        qsort(list->entries, list->count, sizeof(*list->entries), by_producer_and_offset);
}

/* How many entries come before what the producer begins behind `offset`. */
static uint32_t begun(const struct aborted_list *list, int64_t producer_id, int64_t offset)
{
    const struct aborted_entry wanted = {.producer_id = producer_id, .first_offset = offset};
    uint32_t low = 0;
    uint32_t high = list->count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (by_producer_and_offset(&list->entries[middle], &wanted) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool aborted_list_has(const struct aborted_list *list, int64_t producer_id, int64_t offset)
{
    uint32_t count = begun(list, producer_id, offset);
    const struct aborted_entry *last = count ? &list->entries[count - 1] : NULL;

    return last && last->producer_id == producer_id && !last->ended;
}

void aborted_list_end(struct aborted_list *list, int64_t producer_id, int64_t offset)
{
    for (uint32_t i = begun(list, producer_id, offset); i > 0; i--) {
        struct aborted_entry *entry = &list->entries[i - 1];

        if (entry->producer_id != producer_id || entry->ended)
            return;
        entry->ended = true;
    }
}
