/* intern - short numbers for strings that many cells hold.
 *
 *   text "page_view" ──hash──▶ slots[] ──▶ number 7 ──▶ entries[7] = {text, references}
 *
 * Each holder counts as one reference; with the last one the string goes and its number is used
 * again, so the table is as large as what the state holds. Owned by one shard. */
#ifndef FRESHET_AGGREGATE_INTERN_H
#define FRESHET_AGGREGATE_INTERN_H

#include <stdint.h>

#include "base/arena.h"
#include "freshet/slice.h"

#define INTERN_NONE        UINT32_MAX
#define INTERN_NUMBER_BITS 27 /* packed beside a count: histogram.c */

struct intern_entry {
    char *text; /* NULL: free, `references` is then the next free number */
    uint32_t len;
    uint32_t references;
    uint64_t hash;
};

struct intern {
    struct arena *arena;
    struct intern_entry *entries;
    uint32_t entry_count; /* used so far, free ones among them */
    uint32_t entry_cap;
    uint32_t free_head; /* or INTERN_NONE */
    uint32_t live;
    uint32_t *slots;   /* number + 1, or 0; open addressing, linear probing */
    uint32_t slot_cap; /* power of two */
};

void intern_init(struct intern *intern, struct arena *arena);

/* No references may be left. */
void intern_done(struct intern *intern);

/* The string's number, or INTERN_NONE if it has none. `hash` is hash64(text). */
uint32_t intern_find(const struct intern *intern, struct slice text, uint64_t hash);

/* The string's number, with one more reference; INTERN_NONE if all 2^27 numbers are taken. */
uint32_t intern_take(struct intern *intern, struct slice text, uint64_t hash);

void intern_drop(struct intern *intern, uint32_t number);

static inline struct slice intern_text(const struct intern *intern, uint32_t number)
{
    const struct intern_entry *entry = &intern->entries[number];

    return (struct slice){entry->text, entry->len};
}

#endif
