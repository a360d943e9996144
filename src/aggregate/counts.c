#include "aggregate/counts.h"

#include <errno.h>

#include "aggregate/value.h"
#include "base/hash.h"
#include "base/pack.h"

#define ENTRY_BIT       (UINT64_C(1) << 63)
#define COUNT_BITS      36
#define COUNT_MAX       ((UINT64_C(1) << COUNT_BITS) - 1)
#define TABLE_CAP_FIRST 4
#define SUM_CAP_FIRST   64
#define SORTED_FEW      64

struct table {
    uint32_t len;
    uint32_t cap; /* power of two */
    uint64_t rest;
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

static void entry_raise(uint64_t *entry, uint64_t more)
{
    uint64_t count = count_in(*entry);

    *entry += MIN(more, COUNT_MAX - count);
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

static struct table *table_create(uint32_t cap, uint64_t rest, struct cell_memory *memory)
{
    struct table *table = cell_memory_calloc(memory, table_bytes(cap));

    table->cap = cap;
    table->rest = rest;
    return table;
}

static void table_free(struct table *table, struct cell_memory *memory)
{
    cell_memory_free(memory, table, table_bytes(table->cap));
}

static void table_put(struct table *table, uint64_t entry)
{
    *table_slot(table, number_in(entry)) = entry;
    table->len++;
}

/* The cell's table, made from what the cell holds if it has none. */
static struct table *become_table(uint64_t *cell, struct cell_memory *memory)
{
    if (*cell && !is_entry(*cell))
        return table_in(*cell);

    struct table *table = table_create(TABLE_CAP_FIRST, 0, memory);

    if (*cell)
        table_put(table, *cell);
    *cell = (uint64_t)(uintptr_t)table;
    return table;
}

/* Puts the entry of a value that has none. Keeps a quarter of the slots empty. */
static void put_entry(uint64_t *cell, uint64_t entry, struct cell_memory *memory)
{
    if (!*cell) {
        *cell = entry;
        return;
    }

    struct table *table = become_table(cell, memory);
    if (table->len >= table->cap / 4 * 3) {
        struct table *larger = table_create(table->cap * 2, table->rest, memory);

        for (uint32_t i = 0; i < table->cap; i++) {
            if (table->entries[i])
                table_put(larger, table->entries[i]);
        }
        table_free(table, memory);
        table = larger;
        *cell = (uint64_t)(uintptr_t)table;
    }
    table_put(table, entry);
}

static uint64_t *find_entry(uint64_t *cell, uint32_t number)
{
    uint64_t *entry = cell;

    if (*cell && !is_entry(*cell))
        entry = table_slot(table_in(*cell), number);
    return *entry && number_in(*entry) == number ? entry : NULL;
}

uint32_t counts_len(uint64_t cell)
{
    return !cell ? 0 : is_entry(cell) ? 1 : table_in(cell)->len;
}

bool counts_raise(uint64_t *cell, struct slice value, uint64_t hash, struct cell_memory *memory)
{
    uint32_t number = intern_find(memory->intern, value, hash);
    uint64_t *entry = number == INTERN_NONE ? NULL : find_entry(cell, number);

    if (!entry)
        return false;
    entry_raise(entry, 1);
    return true;
}

bool counts_put(uint64_t *cell, struct slice value, uint64_t hash, struct cell_memory *memory)
{
    uint32_t number = intern_take(memory->intern, value, hash);

    if (number == INTERN_NONE)
        return false;
    put_entry(cell, entry_of(number, 1), memory);
    return true;
}

void counts_add_rest(uint64_t *cell, uint64_t count, struct cell_memory *memory)
{
    become_table(cell, memory)->rest += count;
}

void counts_subtract(uint64_t *cell, uint64_t amount, struct cell_memory *memory)
{
    if (!*cell)
        return;

    struct table *table = become_table(cell, memory);
    struct table *left = table_create(table->cap, table->rest, memory);
    for (uint32_t i = 0; i < table->cap; i++) {
        uint64_t entry = table->entries[i];

        if (entry && count_in(entry) > amount)
            table_put(left, entry - amount);
        else if (entry)
            intern_drop(memory->intern, number_in(entry));
    }
    table_free(table, memory);
    *cell = (uint64_t)(uintptr_t)left;
}

void counts_list(uint64_t cell, uint64_t *ret_counts)
{
    if (is_entry(cell)) {
        *ret_counts = count_in(cell);
    } else if (cell) {
        const struct table *table = table_in(cell);

        for (uint32_t i = 0; i < table->cap; i++) {
            if (table->entries[i])
                *ret_counts++ = count_in(table->entries[i]);
        }
    }
}

/* An entry of another cell, with the reference that it holds. */
static void take_entry(uint64_t *cell, uint64_t entry, uint32_t limit, struct cell_memory *memory)
{
    uint64_t *own = find_entry(cell, number_in(entry));

    if (!own && counts_len(*cell) < limit) {
        put_entry(cell, entry, memory);
        return;
    }
    if (own)
        entry_raise(own, count_in(entry));
    else
        counts_add_rest(cell, count_in(entry), memory);
    intern_drop(memory->intern, number_in(entry));
}

static void cells_swap(uint64_t *a, uint64_t *b)
{
    uint64_t cell = *a;

    *a = *b;
    *b = cell;
}

static int entries_by_frequency(const void *a, const void *b, void *intern)
{
    uint64_t left = *(const uint64_t *)a;
    uint64_t right = *(const uint64_t *)b;

    if (count_in(left) != count_in(right))
        return count_in(left) > count_in(right) ? -1 : 1;
    return slice_compare(intern_text(intern, number_in(left)),
                         intern_text(intern, number_in(right)));
}

/* The table is none afterwards. */
static void take_entries(uint64_t *cell, struct table *table, uint32_t limit,
                         struct cell_memory *memory)
{
    uint64_t *entries = table->entries;
    uint32_t len = 0;

    for (uint32_t i = 0; i < table->cap; i++) {
        if (entries[i] && find_entry(cell, number_in(entries[i])))
            take_entry(cell, entries[i], limit, memory);
        else if (entries[i])
            entries[len++] = entries[i];
    }
    if (len > limit - MIN(counts_len(*cell), limit))
        qsort_r(entries, len, sizeof(*entries), entries_by_frequency, memory->intern);
    for (uint32_t i = 0; i < len; i++)
        take_entry(cell, entries[i], limit, memory);
}

void counts_merge(uint64_t *into, uint64_t *from, uint32_t limit, struct cell_memory *memory)
{
    if (!*into || counts_len(*from) > counts_len(*into))
        cells_swap(into, from);
    if (is_entry(*from)) {
        take_entry(into, *from, limit, memory);
    } else if (*from) {
        struct table *table = table_in(*from);

        take_entries(into, table, limit, memory);
        if (table->rest)
            counts_add_rest(into, table->rest, memory);
        table_free(table, memory);
    }
    *from = 0;
}

void counts_done(uint64_t *cell, struct cell_memory *memory)
{
    if (is_entry(*cell)) {
        intern_drop(memory->intern, number_in(*cell));
    } else if (*cell) {
        struct table *table = table_in(*cell);

        for (uint32_t i = 0; i < table->cap; i++) {
            if (table->entries[i])
                intern_drop(memory->intern, number_in(table->entries[i]));
        }
        table_free(table, memory);
    }
    *cell = 0;
}

static int entries_by_text(const void *a, const void *b, void *intern)
{
    return slice_compare(intern_text(intern, number_in(*(const uint64_t *)a)),
                         intern_text(intern, number_in(*(const uint64_t *)b)));
}

static void entries_save(const uint64_t *entries, uint32_t len, const struct intern *intern,
                         struct buf *out)
{
    for (uint32_t i = 0; i < len; i++) {
        pack_text(out, intern_text(intern, number_in(entries[i])));
        pack_uint(out, count_in(entries[i]));
    }
}

static void table_save(const struct table *table, const struct intern *intern, struct buf *out)
{
    uint64_t few[SORTED_FEW];
    uint64_t *entries = few;
    uint32_t len = 0;

    if (table->len > SORTED_FEW) {
        entries = malloc(table->len * sizeof(*entries));
        CHECK(entries);
    }
    for (uint32_t i = 0; i < table->cap; i++) {
        if (table->entries[i])
            entries[len++] = table->entries[i];
    }
    qsort_r(entries, len, sizeof(*entries), entries_by_text, (void *)intern);
    pack_uint(out, table->rest);
    entries_save(entries, len, intern, out);
    if (entries != few)
        free(entries);
}

void counts_save(uint64_t cell, const struct intern *intern, struct buf *out)
{
    if (is_entry(cell)) {
        pack_uint(out, 0);
        entries_save(&cell, 1, intern, out);
    } else if (cell && (table_in(cell)->len > 0 || table_in(cell)->rest > 0)) {
        table_save(table_in(cell), intern, out);
    }
}

/* `before`: the value before it, or SLICE_NONE. */
static int entry_load(uint64_t *cell, const struct plan_field *field, struct slice *before,
                      uint64_t *rest, struct slice *from, struct cell_memory *memory)
{
    struct slice value;
    uint64_t count;

    if (unpack_text(from, &value) || unpack_uint(from, &count) || count == 0 || count > COUNT_MAX)
        return -EBADMSG;
    if (value.len > UINT32_MAX || (before->data && slice_compare(*before, value) >= 0) ||
        !value_text_is_canonical(field->type, field->scale, value))
        return -EBADMSG;

    uint32_t number = intern_take(memory->intern, value, hash64(value));
    if (number == INTERN_NONE)
        *rest += count;
    else
        put_entry(cell, entry_of(number, count), memory);
    *before = value;
    return 0;
}

int counts_load(uint64_t *cell, const struct plan_field *field, uint32_t limit, uint64_t rest_max,
                struct slice from, struct cell_memory *memory)
{
    struct slice before = SLICE_NONE;
    uint64_t rest;
    int rc = unpack_uint(&from, &rest);

    if (rc || rest > rest_max || (rest == 0 && from.len == 0))
        return -EBADMSG;
    for (uint32_t len = 0; from.len > 0 && rc == 0; len++)
        rc = len < limit ? entry_load(cell, field, &before, &rest, &from, memory) : -EBADMSG;
    if (rc)
        counts_done(cell, memory);
    else if (rest > 0 && rest_max > 0)
        counts_add_rest(cell, rest, memory);
    return rc;
}

static uint32_t *sum_slot(const struct counts_sum *sum, uint32_t number)
{
    uint32_t slot = home_of(number, sum->slot_cap);

    while (sum->slots[slot] && sum->counts[sum->slots[slot] - 1].number != number)
        slot = (slot + 1) & (sum->slot_cap - 1);
    return &sum->slots[slot];
}

static void sum_grow(struct counts_sum *sum)
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

void counts_sum_free(struct counts_sum *sum)
{
    free(sum->counts);
    free(sum->slots);
    *sum = (struct counts_sum){0};
}

/* Last in, first out: what is left is always a table that probing finds its way in. */
static void slots_clear(struct counts_sum *sum)
{
    for (uint32_t i = sum->len; i-- > 0;)
        *sum_slot(sum, sum->counts[i].number) = 0;
}

void counts_sum_reset(struct counts_sum *sum)
{
    slots_clear(sum); /* of no effect where counts_sum_select has done so */
    sum->len = 0;
    sum->rest = 0;
}

static void sum_add(struct counts_sum *sum, uint64_t entry)
{
    if (sum->len == sum->cap)
        sum_grow(sum);

    uint32_t *slot = sum_slot(sum, number_in(entry));
    if (!*slot) {
        sum->counts[sum->len] = (struct value_count){.number = number_in(entry)};
        *slot = ++sum->len;
    }
    sum->counts[*slot - 1].count += count_in(entry);
}

void counts_sum_merge(struct counts_sum *sum, uint64_t cell)
{
    if (is_entry(cell)) {
        sum_add(sum, cell);
    } else if (cell) {
        const struct table *table = table_in(cell);

        for (uint32_t i = 0; i < table->cap; i++) {
            if (table->entries[i])
                sum_add(sum, table->entries[i]);
        }
        sum->rest += table->rest;
    }
}

int counts_by_text(const void *a, const void *b, void *intern)
{
    const struct value_count *left = a;
    const struct value_count *right = b;

    return slice_compare(intern_text(intern, left->number), intern_text(intern, right->number));
}

int counts_by_frequency(const void *a, const void *b, void *intern)
{
    const struct value_count *left = a;
    const struct value_count *right = b;

    if (left->count != right->count)
        return left->count > right->count ? -1 : 1;
    return counts_by_text(a, b, intern);
}

static void swap_counts(struct value_count *a, struct value_count *b)
{
    struct value_count count = *a;

    *a = *b;
    *b = count;
}

/* Sinks what stands at `at` in a heap whose top is the least frequent. */
static void sink(struct value_count *heap, uint32_t len, uint32_t at, const struct intern *intern)
{
    for (;;) {
        uint32_t child = 2 * at + 1;

        if (child >= len)
            return;
        if (child + 1 < len &&
            counts_by_frequency(&heap[child + 1], &heap[child], (void *)intern) > 0)
            child++;
        if (counts_by_frequency(&heap[child], &heap[at], (void *)intern) < 0)
            return;
        swap_counts(&heap[child], &heap[at]);
        at = child;
    }
}

void counts_sum_select(struct counts_sum *sum, uint32_t n, const struct intern *intern)
{
    slots_clear(sum); /* selecting moves what they lead to */
    if (n == 0 || sum->len <= n)
        return;
    for (uint32_t i = n / 2; i-- > 0;)
        sink(sum->counts, n, i, intern);
    for (uint32_t i = n; i < sum->len; i++) {
        if (counts_by_frequency(&sum->counts[i], &sum->counts[0], (void *)intern) < 0) {
            swap_counts(&sum->counts[i], &sum->counts[0]);
            sink(sum->counts, n, 0, intern);
        }
    }
}
