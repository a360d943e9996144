#include "aggregate/intern.h"

#include "base/check.h"
#include "base/hash.h"

#define SLOTS_FIRST   64
#define ENTRIES_FIRST 32

void intern_init(struct intern *intern, struct arena *arena)
{
    *intern = (struct intern){.arena = arena, .free_head = INTERN_NONE};
    intern->slot_cap = SLOTS_FIRST;
    intern->slots = arena_calloc(arena, SLOTS_FIRST * sizeof(*intern->slots));
    intern->entry_cap = ENTRIES_FIRST;
    intern->entries = arena_alloc(arena, ENTRIES_FIRST * sizeof(*intern->entries));
}

void intern_done(struct intern *intern)
{
    CHECK(intern->live == 0);
    arena_free(intern->arena, intern->slots, intern->slot_cap * sizeof(*intern->slots));
    arena_free(intern->arena, intern->entries, intern->entry_cap * sizeof(*intern->entries));
    *intern = (struct intern){0};
}

/* The slot that holds the string, or the empty one where it would go. */
static uint32_t slot_of(const struct intern *intern, struct slice text, uint64_t hash)
{
    uint32_t mask = intern->slot_cap - 1;
    uint32_t slot = (uint32_t)hash & mask;

    while (intern->slots[slot]) {
        const struct intern_entry *entry = &intern->entries[intern->slots[slot] - 1];

        if (entry->hash == hash && slice_equal((struct slice){entry->text, entry->len}, text))
            break;
        slot = (slot + 1) & mask;
    }
    return slot;
}

uint32_t intern_find(const struct intern *intern, struct slice text, uint64_t hash)
{
    return intern->slots[slot_of(intern, text, hash)] - 1; /* 0 - 1 is INTERN_NONE */
}

static void slots_grow(struct intern *intern)
{
    uint32_t old_cap = intern->slot_cap;
    uint32_t *old = intern->slots;

    intern->slot_cap = old_cap * 2;
    intern->slots = arena_calloc(intern->arena, intern->slot_cap * sizeof(*intern->slots));
    for (uint32_t i = 0; i < old_cap; i++) {
        if (!old[i])
            continue;
        uint32_t slot = (uint32_t)intern->entries[old[i] - 1].hash & (intern->slot_cap - 1);

        while (intern->slots[slot])
            slot = (slot + 1) & (intern->slot_cap - 1);
        intern->slots[slot] = old[i];
    }
    arena_free(intern->arena, old, old_cap * sizeof(*old));
}

static uint32_t entry_new(struct intern *intern)
{
    uint32_t number = intern->free_head;

    if (number != INTERN_NONE) {
        intern->free_head = intern->entries[number].references;
        return number;
    }
    if (intern->entry_count == UINT32_C(1) << INTERN_NUMBER_BITS)
        return INTERN_NONE;
    if (intern->entry_count == intern->entry_cap) {
        size_t old_bytes = intern->entry_cap * sizeof(*intern->entries);

        intern->entries = arena_resize(intern->arena, intern->entries, old_bytes, old_bytes * 2);
        intern->entry_cap *= 2;
    }
    return intern->entry_count++;
}

uint32_t intern_take(struct intern *intern, struct slice text, uint64_t hash)
{
    uint32_t slot = slot_of(intern, text, hash);

    if (intern->slots[slot]) {
        intern->entries[intern->slots[slot] - 1].references++;
        return intern->slots[slot] - 1;
    }

    uint32_t number = entry_new(intern);
    if (number == INTERN_NONE)
        return INTERN_NONE;

    char *copy = arena_alloc(intern->arena, MAX(text.len, (size_t)1));
    memcpy(copy, text.data, text.len);
    intern->entries[number] = (struct intern_entry){
        .text = copy, .len = (uint32_t)text.len, .references = 1, .hash = hash};
    intern->slots[slot] = number + 1;
    if (++intern->live > intern->slot_cap / 4 * 3)
        slots_grow(intern);
    return number;
}

/* Closes the gap at `slot` by moving back what probing pushed behind it. */
static void slot_clear(struct intern *intern, uint32_t slot)
{
    uint32_t mask = intern->slot_cap - 1;
    uint32_t next = slot;

    for (;;) {
        next = (next + 1) & mask;
        if (!intern->slots[next])
            break;
        uint32_t home = (uint32_t)intern->entries[intern->slots[next] - 1].hash & mask;

        if (((next - home) & mask) >= ((next - slot) & mask)) {
            intern->slots[slot] = intern->slots[next];
            slot = next;
        }
    }
    intern->slots[slot] = 0;
}

void intern_drop(struct intern *intern, uint32_t number)
{
    struct intern_entry *entry = &intern->entries[number];

    CHECK(entry->text && entry->references > 0);
    if (--entry->references > 0)
        return;
    slot_clear(intern, slot_of(intern, (struct slice){entry->text, entry->len}, entry->hash));
    arena_free(intern->arena, entry->text, MAX(entry->len, 1u));
    entry->text = NULL;
    entry->references = intern->free_head;
    intern->free_head = number;
    intern->live--;
}
