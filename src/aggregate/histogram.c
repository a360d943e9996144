#include "aggregate/histogram.h"

#include "base/hash.h"
#include "base/text.h"

#define ENTRY_BIT       (UINT64_C(1) << 63)
#define COUNT_BITS      36
#define COUNT_MAX       ((UINT64_C(1) << COUNT_BITS) - 1)
#define TABLE_CAP_FIRST 4
#define SUM_CAP_FIRST   64

#define OTHER           SLICE_LITERAL("__other__")

struct table {
    uint32_t len;
    uint32_t cap;   /* power of two */
    uint64_t other; /* events of values that found no room */
    uint64_t entries[];
};

static size_t table_bytes(uint32_t cap)
{
    return sizeof(struct table) + cap * sizeof(uint64_t);
}

static struct table *table_in(uint64_t cell)
{
    return (struct table *)(uintptr_t)cell;
}

static bool is_entry(uint64_t cell)
{
    return (cell & ENTRY_BIT) != 0;
}

static uint64_t entry_of(uint32_t number, uint64_t count)
{
    return ENTRY_BIT | (uint64_t)number << COUNT_BITS | count;
}

static uint32_t number_in(uint64_t entry)
{
    return (uint32_t)((entry & ~ENTRY_BIT) >> COUNT_BITS);
}

static uint64_t count_in(uint64_t entry)
{
    return entry & COUNT_MAX;
}

static uint32_t cell_len(uint64_t cell)
{
    return !cell ? 0 : is_entry(cell) ? 1 : table_in(cell)->len;
}

static void entry_count_one(uint64_t *entry)
{
    if (count_in(*entry) < COUNT_MAX)
        (*entry)++;
}

/* Neighbouring numbers are the rule, so a multiplication spreads them well enough. */
static uint32_t home_of(uint32_t number, uint32_t cap)
{
    return (number * UINT32_C(0x9e3779b1)) >> 7 & (cap - 1);
}

static uint64_t *table_slot(struct table *table, uint32_t number)
{
    uint32_t slot = home_of(number, table->cap);

    while (table->entries[slot] && number_in(table->entries[slot]) != number)
        slot = (slot + 1) & (table->cap - 1);
    return &table->entries[slot];
}

static struct table *table_create(uint32_t cap, struct cell_memory *memory)
{
    struct table *table = cell_memory_calloc(memory, table_bytes(cap));

    table->cap = cap;
    return table;
}

static void table_put(struct table *table, uint64_t entry)
{
    *table_slot(table, number_in(entry)) = entry;
    table->len++;
}

/* Keeps a quarter of the slots empty. */
static struct table *table_with_room(struct table *table, struct cell_memory *memory)
{
    if (table->len < table->cap / 4 * 3)
        return table;

    struct table *larger = table_create(table->cap * 2, memory);
    larger->other = table->other;
    for (uint32_t i = 0; i < table->cap; i++) {
        if (table->entries[i])
            table_put(larger, table->entries[i]);
    }
    cell_memory_free(memory, table, table_bytes(table->cap));
    return larger;
}

static struct table *become_table(uint64_t *cell, struct cell_memory *memory)
{
    struct table *table = table_create(TABLE_CAP_FIRST, memory);

    if (*cell)
        table_put(table, *cell);
    *cell = (uint64_t)(uintptr_t)table;
    return table;
}

/* A value that the cell does not hold yet. */
static void add_new(uint64_t *cell, struct slice value, uint64_t hash, uint32_t limit,
                    struct cell_memory *memory)
{
    uint32_t number = cell_len(*cell) < limit ? intern_take(memory->intern, value, hash)
                                              : INTERN_NONE;

    if (!*cell && number != INTERN_NONE) {
        *cell = entry_of(number, 1);
        return;
    }

    struct table *table = *cell && !is_entry(*cell) ? table_in(*cell) : become_table(cell, memory);
    if (number == INTERN_NONE) {
        table->other++;
        return;
    }
    table = table_with_room(table, memory);
    *cell = (uint64_t)(uintptr_t)table;
    table_put(table, entry_of(number, 1));
}

void histogram_add(uint64_t *cell, struct slice value, uint32_t limit, struct cell_memory *memory)
{
    uint64_t hash = hash64(value);
    uint32_t number = intern_find(memory->intern, value, hash);

    if (number != INTERN_NONE && *cell) {
        uint64_t *entry = is_entry(*cell) ? cell : table_slot(table_in(*cell), number);

        if (*entry && number_in(*entry) == number) {
            entry_count_one(entry);
            return;
        }
    }
    add_new(cell, value, hash, limit, memory);
}

/* An entry of another cell, with the reference that it holds. */
static void take_entry(uint64_t *cell, uint64_t entry, uint32_t limit, struct cell_memory *memory)
{
    struct table *table = is_entry(*cell) ? become_table(cell, memory) : table_in(*cell);
    uint64_t *own = table_slot(table, number_in(entry));

    if (*own) {
        *own = entry_of(number_in(entry), MIN(count_in(*own) + count_in(entry), COUNT_MAX));
    } else if (table->len < limit) {
        table = table_with_room(table, memory);
        *cell = (uint64_t)(uintptr_t)table;
        table_put(table, entry);
        return;
    } else {
        table->other += count_in(entry);
    }
    intern_drop(memory->intern, number_in(entry));
}

static void cells_swap(uint64_t *a, uint64_t *b)
{
    uint64_t cell = *a;

    *a = *b;
    *b = cell;
}

void histogram_merge(uint64_t *into, uint64_t *from, uint32_t limit, struct cell_memory *memory)
{
    if (cell_len(*from) > cell_len(*into) || !*into)
        cells_swap(into, from);
    if (is_entry(*from)) {
        take_entry(into, *from, limit, memory);
    } else if (*from) {
        struct table *table = table_in(*from);

        for (uint32_t i = 0; i < table->cap; i++) {
            if (table->entries[i])
                take_entry(into, table->entries[i], limit, memory);
        }
        if (is_entry(*into)) /* and the other one had no entries */
            become_table(into, memory);
        table_in(*into)->other += table->other;
        cell_memory_free(memory, table, table_bytes(table->cap));
    }
    *from = 0;
}

void histogram_done(uint64_t *cell, struct cell_memory *memory)
{
    if (is_entry(*cell)) {
        intern_drop(memory->intern, number_in(*cell));
    } else if (*cell) {
        struct table *table = table_in(*cell);

        for (uint32_t i = 0; i < table->cap; i++) {
            if (table->entries[i])
                intern_drop(memory->intern, number_in(table->entries[i]));
        }
        cell_memory_free(memory, table, table_bytes(table->cap));
    }
    *cell = 0;
}

static uint32_t *sum_slot(const struct histogram_sum *sum, uint32_t number)
{
    uint32_t slot = home_of(number, sum->slot_cap);

    while (sum->slots[slot] && sum->counts[sum->slots[slot] - 1].number != number)
        slot = (slot + 1) & (sum->slot_cap - 1);
    return &sum->slots[slot];
}

static void sum_grow(struct histogram_sum *sum)
{
    sum->cap = MAX(sum->cap * 2, (uint32_t)SUM_CAP_FIRST);
    sum->slot_cap = sum->cap * 2;
    sum->counts = realloc(sum->counts, sum->cap * sizeof(*sum->counts));
    free(sum->slots);
    sum->slots = calloc(sum->slot_cap, sizeof(*sum->slots));
    CHECK(sum->counts && sum->slots);
    for (uint32_t i = 0; i < sum->len; i++)
        *sum_slot(sum, sum->counts[i].number) = i + 1;
}

void histogram_sum_free(struct histogram_sum *sum)
{
    free(sum->counts);
    free(sum->slots);
    *sum = (struct histogram_sum){0};
}

/* Last in, first out: what is left is always a table that probing finds its way in. */
static void slots_clear(struct histogram_sum *sum)
{
    for (uint32_t i = sum->len; i-- > 0;)
        *sum_slot(sum, sum->counts[i].number) = 0;
}

static void sum_add(struct histogram_sum *sum, uint64_t entry)
{
    if (sum->len == sum->cap)
        sum_grow(sum);

    uint32_t *slot = sum_slot(sum, number_in(entry));
    if (!*slot) {
        sum->counts[sum->len] = (struct histogram_count){.number = number_in(entry)};
        *slot = ++sum->len;
    }
    sum->counts[*slot - 1].count += count_in(entry);
}

void histogram_sum_merge(struct histogram_sum *sum, uint64_t cell)
{
    if (is_entry(cell)) {
        sum_add(sum, cell);
    } else if (cell) {
        const struct table *table = table_in(cell);

        for (uint32_t i = 0; i < table->cap; i++) {
            if (table->entries[i])
                sum_add(sum, table->entries[i]);
        }
        sum->other += table->other;
    }
}

static int by_text(const void *a, const void *b, void *intern)
{
    const struct histogram_count *left = a;
    const struct histogram_count *right = b;

    return slice_compare(intern_text(intern, left->number), intern_text(intern, right->number));
}

static int by_count(const void *a, const void *b, void *intern)
{
    const struct histogram_count *left = a;
    const struct histogram_count *right = b;

    if (left->count != right->count)
        return left->count > right->count ? -1 : 1;
    return by_text(a, b, intern);
}

/* Few values are the rule: insertion sort beats a call per comparison there. */
static void sort_by_text(struct histogram_count *counts, uint32_t len, const struct intern *intern)
{
    if (len > 16) {
        qsort_r(counts, len, sizeof(*counts), by_text, (void *)intern);
        return;
    }
    for (uint32_t i = 1; i < len; i++) {
        struct histogram_count moving = counts[i];
        uint32_t at = i;

        for (; at > 0 && by_text(&moving, &counts[at - 1], (void *)intern) < 0; at--)
            counts[at] = counts[at - 1];
        counts[at] = moving;
    }
}

static void json_entry(struct buf *out, struct slice text, uint64_t count)
{
    if (out->data[out->len - 1] != '{')
        buf_append_char(out, ',');
    text_json_string(out, text);
    buf_append_char(out, ':');
    out->len += text_int64(buf_reserve(out, TEXT_INT64_MAX), (int64_t)count);
}

void histogram_sum_take_json(struct histogram_sum *sum, uint32_t limit, const struct intern *intern,
                             struct buf *out)
{
    uint32_t len = MIN(sum->len, limit);
    uint64_t other = sum->other;

    slots_clear(sum); /* sorting moves what they lead to */
    if (sum->len > limit) {
        qsort_r(sum->counts, sum->len, sizeof(*sum->counts), by_count, (void *)intern);
        for (uint32_t i = limit; i < sum->len; i++)
            other += sum->counts[i].count;
    }
    sort_by_text(sum->counts, len, intern);

    buf_append_char(out, '{');
    bool other_due = other > 0;
    for (uint32_t i = 0; i < len; i++) {
        struct slice text = intern_text(intern, sum->counts[i].number);
        int order = other_due ? slice_compare(OTHER, text) : 1;

        if (order < 0)
            json_entry(out, OTHER, other);
        json_entry(out, text, sum->counts[i].count + (order == 0 ? other : 0));
        other_due = other_due && order > 0;
    }
    if (other_due)
        json_entry(out, OTHER, other);
    buf_append_char(out, '}');
    sum->len = 0;
    sum->other = 0;
}
