#include "aggregate/sequence.h"

#include <errno.h>

#include "base/hash.h"
#include "base/pack.h"
#include "base/text.h"

#define SAVED_ITEM_MIN 2 /* bytes */

struct sequence {
    uint32_t len;
    uint32_t cap;
    uint32_t head; /* place of the oldest; not 0 only when full for good */
    uint16_t item_bytes;
    bool holds_strings;
    _Alignas(8) char items[];
};

_Static_assert(offsetof(struct sequence, items) == 16, "what an empty one takes");
_Static_assert(sizeof(struct sequence_item) == 24, "numbers in it are aligned to 8");

static size_t sequence_bytes(uint32_t cap, uint32_t item_bytes)
{
    return sizeof(struct sequence) + (size_t)cap * item_bytes;
}

static struct sequence *sequence_in(uint64_t cell)
{
    return (struct sequence *)(uintptr_t)cell;
}

static struct sequence *sequence_create(uint32_t cap, uint32_t item_bytes, bool holds_strings,
                                        struct cell_memory *memory)
{
    struct sequence *sequence = cell_memory_calloc(memory, sequence_bytes(cap, item_bytes));

    sequence->cap = cap;
    sequence->item_bytes = (uint16_t)item_bytes;
    sequence->holds_strings = holds_strings;
    return sequence;
}

static void sequence_free(struct sequence *sequence, struct cell_memory *memory)
{
    cell_memory_free(memory, sequence, sequence_bytes(sequence->cap, sequence->item_bytes));
}

/* In the order of events. */
static struct sequence_item *item_at(const struct sequence *sequence, uint32_t index)
{
    uint32_t place = sequence->head + index;

    place -= place >= sequence->cap ? sequence->cap : 0;
    return (struct sequence_item *)((char *)sequence->items + (size_t)place * sequence->item_bytes);
}

/* From the end that is kept. */
static struct sequence_item *item_ranked(const struct sequence *sequence, uint32_t rank,
                                         bool newest)
{
    return item_at(sequence, newest ? sequence->len - 1 - rank : rank);
}

static bool comes_before(const struct sequence_item *a, const struct sequence_item *b)
{
    if (a->time_ms != b->time_ms)
        return a->time_ms < b->time_ms;
    if (a->partition != b->partition)
        return a->partition < b->partition;
    return a->offset < b->offset;
}

static bool outranks(const struct sequence_item *a, const struct sequence_item *b, bool newest)
{
    return newest ? comes_before(b, a) : comes_before(a, b);
}

static void item_drop(const struct sequence *sequence, const struct sequence_item *item,
                      struct cell_memory *memory)
{
    if (sequence->holds_strings)
        intern_drop(memory->intern, item->word);
}

static bool is_number(enum field_type type)
{
    return type != FIELD_STRING && type != FIELD_BOOL;
}

/* An empty one for items with such values. */
static struct sequence *sequence_for(const struct plan_field *field, uint32_t cap,
                                     struct cell_memory *memory)
{
    size_t number_bytes = field && is_number(field->type) ? sizeof(uint64_t) : 0;

    return sequence_create(cap, (uint32_t)(sizeof(struct sequence_item) + number_bytes),
                           field && field->type == FIELD_STRING, memory);
}

/* Room for one more, `limit` allowing. */
static struct sequence *sequence_with_room(struct sequence *sequence, uint32_t limit,
                                           struct cell_memory *memory)
{
    uint32_t cap = MIN(sequence->cap + sequence->cap / 2 + 1, limit);

    if (sequence->len < sequence->cap)
        return sequence;
    CHECK(sequence->head == 0);
    sequence = cell_memory_resize(memory, sequence,
                                  sequence_bytes(sequence->cap, sequence->item_bytes),
                                  sequence_bytes(cap, sequence->item_bytes));
    sequence->cap = cap;
    return sequence;
}

/* Removes the item that is farthest from the kept end of a full sequence. */
static void drop_last_ranked(struct sequence *sequence, bool newest, struct cell_memory *memory)
{
    item_drop(sequence, item_ranked(sequence, sequence->len - 1, newest), memory);
    sequence->len--;
    if (newest && ++sequence->head == sequence->cap)
        sequence->head = 0;
}

/* The place for an item: those that come after it move up. */
static struct sequence_item *open_gap(struct sequence *sequence, const struct sequence_item *item)
{
    uint32_t at = sequence->len++;

    for (; at > 0 && comes_before(item, item_at(sequence, at - 1)); at--)
        memcpy(item_at(sequence, at), item_at(sequence, at - 1), sequence->item_bytes);
    return item_at(sequence, at);
}

/* Sets the item's word; false if the string found no number. */
static bool hold_value(struct sequence_item *item, const struct plan_field *field,
                       const struct field_value *value, struct cell_memory *memory)
{
    if (field && field->type == FIELD_STRING) {
        struct slice text = {value->s, value->len};

        item->word = intern_take(memory->intern, text, hash64(text));
        return item->word != INTERN_NONE;
    }
    if (field && field->type == FIELD_BOOL)
        item->word = value->i != 0;
    return true;
}

static void item_put(struct sequence *sequence, struct sequence_item *place,
                     const struct sequence_item *item, const struct field_value *value)
{
    memcpy(place, item, sizeof(*item));
    if (sequence->item_bytes > sizeof(*item))
        memcpy(place->number, &value->i, sizeof(place->number[0]));
}

void sequence_add(uint64_t *cell, const struct plan_cell *plan, const struct plan_field *field,
                  const struct field_value *value, const struct event *event,
                  struct cell_memory *memory)
{
    bool newest = plan->kind == CELL_LAST;
    struct sequence *sequence = *cell ? sequence_in(*cell) : sequence_for(field, 1, memory);
    bool is_full = sequence->len == plan->limit;
    struct sequence_item item = {
        .time_ms = event->time_ms, .offset = event->offset, .partition = event->partition};

    *cell = (uint64_t)(uintptr_t)sequence;
    if (is_full && !outranks(&item, item_ranked(sequence, plan->limit - 1, newest), newest))
        return;
    if (!hold_value(&item, field, value, memory))
        return;
    if (is_full)
        drop_last_ranked(sequence, newest, memory);
    else
        sequence = sequence_with_room(sequence, plan->limit, memory);
    *cell = (uint64_t)(uintptr_t)sequence;
    item_put(sequence, open_gap(sequence, &item), &item, value);
}

/* The best of two sequences, both emptied into a new one. */
static struct sequence *merged(struct sequence *a, struct sequence *b, const struct plan_cell *plan,
                               struct cell_memory *memory)
{
    bool newest = plan->kind == CELL_LAST;
    uint32_t len = MIN(a->len + b->len, plan->limit);
    struct sequence *both = sequence_create(len, a->item_bytes, a->holds_strings, memory);
    uint32_t from_a = 0;
    uint32_t from_b = 0;

    both->len = len;
    for (uint32_t rank = 0; rank < len; rank++) {
        bool take_b = from_a == a->len ||
                      (from_b < b->len && outranks(item_ranked(b, from_b, newest),
                                                   item_ranked(a, from_a, newest), newest));
        const struct sequence_item *item = take_b ? item_ranked(b, from_b++, newest)
                                                  : item_ranked(a, from_a++, newest);

        memcpy(item_ranked(both, rank, newest), item, both->item_bytes);
    }
    while (from_a < a->len)
        item_drop(a, item_ranked(a, from_a++, newest), memory);
    while (from_b < b->len)
        item_drop(b, item_ranked(b, from_b++, newest), memory);
    return both;
}

void sequence_merge(uint64_t *into, uint64_t *from, const struct plan_cell *plan,
                    struct cell_memory *memory)
{
    struct sequence *a = sequence_in(*into);
    struct sequence *b = sequence_in(*from);

    *from = 0;
    if (!a)
        *into = (uint64_t)(uintptr_t)b;
    if (!a || !b)
        return;
    *into = (uint64_t)(uintptr_t)merged(a, b, plan, memory);
    sequence_free(a, memory);
    sequence_free(b, memory);
}

void sequence_done(uint64_t *cell, struct cell_memory *memory)
{
    struct sequence *sequence = sequence_in(*cell);

    if (!sequence)
        return;
    for (uint32_t i = 0; i < sequence->len; i++)
        item_drop(sequence, item_at(sequence, i), memory);
    sequence_free(sequence, memory);
    *cell = 0;
}

static void place_save(const struct sequence_item *item, const struct sequence_item *before,
                       struct buf *out)
{
    bool moved = item->partition != before->partition;

    pack_uint(out, (uint64_t)(item->time_ms - before->time_ms) << 1 | moved);
    if (moved)
        pack_uint(out, (uint64_t)item->partition);
    pack_int(out, item->offset - before->offset);
}

static void value_save(const struct field_value *value, enum field_type type, struct buf *out)
{
    switch (type) {
    case FIELD_STRING:
        pack_text(out, (struct slice){value->s, value->len});
        return;
    case FIELD_DOUBLE:
        pack_double(out, value->d);
        return;
    case FIELD_BOOL:
        pack_uint(out, (uint64_t)value->i);
        return;
    case FIELD_INT64:
    case FIELD_DECIMAL:
    case FIELD_TIMESTAMP:
        pack_int(out, value->i);
        return;
    }
    UNREACHABLE();
}

void sequence_save(uint64_t cell, const struct plan_field *field, const struct intern *intern,
                   struct buf *out)
{
    static const struct sequence_item origin;
    const struct sequence_item *before = &origin;
    const struct sequence *sequence = sequence_in(cell);

    if (!sequence || sequence->len == 0)
        return;
    pack_uint(out, sequence->len);
    for (uint32_t i = 0; i < sequence->len; i++) {
        const struct sequence_item *item = item_at(sequence, i);

        place_save(item, before, out);
        if (field) {
            struct field_value value = sequence_value(item, field->type, intern);

            value_save(&value, field->type, out);
        }
        before = item;
    }
}

/* `item` is the one before, and then the next one. */
static int place_load(struct sequence_item *item, struct slice *from)
{
    struct sequence_item before = *item;
    uint64_t step;
    uint64_t partition;
    int64_t distance;

    if (unpack_uint(from, &step) || step >> 1 > (uint64_t)(EVENT_TIME_MAX_MS - item->time_ms))
        return -EBADMSG;
    item->time_ms += (int64_t)(step >> 1);
    if (step & 1) {
        if (unpack_uint(from, &partition) || partition > INT32_MAX ||
            (int32_t)partition == item->partition)
            return -EBADMSG;
        item->partition = (int32_t)partition;
    }
    if (unpack_int(from, &distance) ||
        __builtin_add_overflow(item->offset, distance, &item->offset) || item->offset < 0)
        return -EBADMSG;
    return comes_before(item, &before) ? -EBADMSG : 0;
}

static int value_load(struct field_value *ret, enum field_type type, struct slice *from)
{
    struct slice text;
    uint64_t truth;

    switch (type) {
    case FIELD_STRING:
        if (unpack_text(from, &text) || text.len > UINT32_MAX || !text_is_utf8(text))
            return -EBADMSG;
        ret->s = text.data;
        ret->len = (uint32_t)text.len;
        return 0;
    case FIELD_DOUBLE:
        return unpack_double(from, &ret->d);
    case FIELD_BOOL:
        if (unpack_uint(from, &truth) || truth > 1)
            return -EBADMSG;
        ret->i = (int64_t)truth;
        return 0;
    case FIELD_INT64:
    case FIELD_DECIMAL:
    case FIELD_TIMESTAMP:
        return unpack_int(from, &ret->i);
    }
    UNREACHABLE();
}

static int items_load(struct sequence *sequence, uint64_t len, const struct plan_field *field,
                      struct slice *from, struct cell_memory *memory)
{
    struct sequence_item item = {0};

    for (uint64_t i = 0; i < len; i++) {
        struct field_value value = {.present = true};

        if (place_load(&item, from) || (field && value_load(&value, field->type, from)))
            return -EBADMSG;
        if (hold_value(&item, field, &value, memory))
            item_put(sequence, item_at(sequence, sequence->len++), &item, &value);
    }
    return from->len == 0 ? 0 : -EBADMSG;
}

int sequence_load(uint64_t *cell, const struct plan_cell *plan, const struct plan_field *field,
                  struct slice from, struct cell_memory *memory)
{
    uint64_t len;

    if (unpack_uint(&from, &len) || len == 0 || len > plan->limit ||
        len > from.len / SAVED_ITEM_MIN)
        return -EBADMSG;

    struct sequence *sequence = sequence_for(field, (uint32_t)len, memory);
    int rc = items_load(sequence, len, field, &from, memory);

    *cell = (uint64_t)(uintptr_t)sequence;
    if (rc)
        sequence_done(cell, memory);
    return rc;
}

struct field_value sequence_value(const struct sequence_item *item, enum field_type type,
                                  const struct intern *intern)
{
    struct field_value value = {.present = true};

    if (type == FIELD_STRING) {
        struct slice text = intern_text(intern, item->word);

        value.s = text.data;
        value.len = (uint32_t)text.len;
    } else if (type == FIELD_BOOL) {
        value.i = item->word;
    } else {
        memcpy(&value.i, item->number, sizeof(value.i));
    }
    return value;
}

void sequence_window_free(struct sequence_window *window)
{
    free(window->cursors);
    free(window->picked);
    *window = (struct sequence_window){0};
}

void sequence_window_reset(struct sequence_window *window)
{
    window->len = 0;
    window->items = 0;
}

void sequence_window_add(struct sequence_window *window, uint64_t cell)
{
    const struct sequence *sequence = sequence_in(cell);

    if (!sequence || sequence->len == 0)
        return;
    if (window->len == window->cap) {
        window->cap = MAX(window->cap * 2, 8u);
        window->cursors = realloc(window->cursors, window->cap * sizeof(*window->cursors));
        CHECK(window->cursors);
    }
    window->cursors[window->len++] = (struct sequence_cursor){.sequence = sequence};
    window->items += MIN(sequence->len, UINT32_MAX - window->items);
}

/* Sinks what stands at `at` in a heap whose top outranks all. */
static void sink(struct sequence_cursor *heap, uint32_t len, uint32_t at, bool newest)
{
    struct sequence_cursor sinking = heap[at];

    for (;;) {
        uint32_t child = 2 * at + 1;

        if (child + 1 < len && outranks(heap[child + 1].item, heap[child].item, newest))
            child++;
        if (child >= len || !outranks(heap[child].item, sinking.item, newest))
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = sinking;
}

static void make_heap(struct sequence_window *window, bool newest)
{
    for (uint32_t i = 0; i < window->len; i++)
        window->cursors[i].item = item_ranked(window->cursors[i].sequence, 0, newest);
    for (uint32_t i = window->len / 2; i-- > 0;)
        sink(window->cursors, window->len, i, newest);
}

static const struct sequence_item *take_top(struct sequence_window *window, bool newest)
{
    struct sequence_cursor *top = &window->cursors[0];
    const struct sequence_item *item = top->item;

    if (++top->taken < top->sequence->len)
        top->item = item_ranked(top->sequence, top->taken, newest);
    else
        *top = window->cursors[--window->len];
    sink(window->cursors, window->len, 0, newest);
    return item;
}

/* Whether each cell's items come after all those of the cells before, as panes' mostly do. */
static bool is_in_order(const struct sequence_window *window)
{
    for (uint32_t i = 1; i < window->len; i++) {
        const struct sequence *before = window->cursors[i - 1].sequence;

        if (!comes_before(item_at(before, before->len - 1),
                          item_at(window->cursors[i].sequence, 0)))
            return false;
    }
    return true;
}

static void pick_in_order(struct sequence_window *window, bool newest, uint32_t count)
{
    uint32_t picked = 0;

    for (uint32_t i = 0; picked < count; i++) {
        uint32_t at = newest ? window->len - 1 - i : i;
        const struct sequence *sequence = window->cursors[at].sequence;

        for (uint32_t rank = 0; rank < sequence->len && picked < count; rank++, picked++)
            window->picked[newest ? count - 1 - picked : picked] = item_ranked(sequence, rank,
                                                                               newest);
    }
}

uint32_t sequence_window_pick(struct sequence_window *window, bool newest, uint32_t limit)
{
    uint32_t count = MIN(window->items, limit);

    if (count > window->picked_cap) {
        window->picked_cap = MAX(window->picked_cap * 2, count);
        window->picked = realloc(window->picked, window->picked_cap * sizeof(*window->picked));
        CHECK(window->picked);
    }
    if (is_in_order(window)) {
        pick_in_order(window, newest, count);
        return count;
    }
    make_heap(window, newest);
    for (uint32_t rank = 0; rank < count; rank++)
        window->picked[newest ? count - 1 - rank : rank] = take_top(window, newest);
    return count;
}
