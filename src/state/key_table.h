/* key_table - finds a key's state by the key.
 *
 *   slots (8 bytes each)          records (fixed size, in chunks that never move)
 *   [tag|number] … ─────────────▶ [ head: hash, key, times | panes … | views … ]
 *
 * Open addressing with linear probing over 32-bit tags, so that a look-up costs one miss for the
 * slot and one for the record, both of which a batch prefetches. The slots double a few at a time:
 * while they move, both arrays are asked. A record's number stays its own until it is removed. A
 * chunk without keys is given back, all but the last one; its numbers are used again, like those of
 * single records, before there are new ones. Owned by one shard. */
#ifndef FRESHET_STATE_KEY_TABLE_H
#define FRESHET_STATE_KEY_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "freshet/slice.h"

#define KEY_NONE         UINT32_MAX
#define KEY_INLINE_BYTES 24
#define KEY_CHUNK_BITS   8 /* of a record's number: its place in a chunk */

/* The head of a record; what follows is the business of key_state.h. */
struct key_head {
    uint64_t hash;
    union {
        char inline_key[KEY_INLINE_BYTES];
        char *long_key;
    };
    uint32_t key_len; /* 0: the record is free, `number` is the next free one of its chunk */
    uint32_t number;
    int64_t newest_ms; /* of the events that entered any view */
    union {
        struct {
            int64_t due_ms;   /* when the clock reaches it, windows fire; or CALENDAR_NEVER */
            int64_t amend_ms; /* when the watermark does, windows fire once more; likewise */
            int64_t free_ms;  /* when what is released does, the key may go; likewise */
        };
        int64_t times_ms[3]; /* the same, by enum timer: timers.h */
    };
    uint32_t places[3]; /* in the calendars */
    uint32_t changed;   /* view/capture.c: the epoch in which it changed last, or 0 */
    void *sink_slot;    /* the online sink's place; released through it */
    bool is_stored;     /* a capture has written the key, or a checkpoint brought it */
    bool is_touched;    /* an event came since it was last looked at: view/cold.c */
    bool is_waiting;    /* written, and not in the store yet: likewise */
    bool is_finished;   /* the end of a bounded run has been through it */
};

struct key_slot {
    uint32_t tag;
    uint32_t number; /* + 1; 0: empty */
};

struct key_slots {
    struct key_slot *slots; /* or NULL */
    uint32_t cap;           /* power of two */
};

/* Of a chunk of records. */
struct key_room {
    uint32_t live;
    uint32_t free_head; /* a free record, or KEY_NONE */
    uint32_t before;    /* in a list of chunks */
    uint32_t after;
};

struct key_table {
    struct arena *arena;
    uint32_t record_bytes;
    struct key_slots now;
    struct key_slots before; /* still being moved into now */
    uint32_t moved;          /* slots of `before` that have been */
    char **chunks;           /* NULL: given back */
    struct key_room *rooms;  /* of them */
    uint32_t chunk_count;
    uint32_t chunk_cap;
    uint32_t record_count; /* numbers ever used, free ones among them */
    uint32_t with_room;    /* the first chunk with a free record; KEY_NONE: there is none */
    uint32_t given_back;   /* the first chunk that is */
    uint32_t live;
};

void key_table_init(struct key_table *table, struct arena *arena, uint32_t record_bytes);

/* Frees the table and its records; what they point to must have been freed. */
void key_table_done(struct key_table *table);

/* The record, or NULL. */
struct key_head *key_table_find(struct key_table *table, uint64_t hash, struct slice key);

/* A new record for a key that is not in the table, zeroed behind its head. */
struct key_head *key_table_add(struct key_table *table, uint64_t hash, struct slice key);

void key_table_remove(struct key_table *table, struct key_head *record);

struct slice key_head_key(const struct key_head *record);

/* The record with the number, or NULL if it is free. Numbers run from 0 to record_count - 1. */
struct key_head *key_table_at(const struct key_table *table, uint32_t number);

/* Where the record with the number is, free or not, without a look at it; NULL if nowhere. */
static inline struct key_head *key_table_place(const struct key_table *table, uint32_t number)
{
    char *chunk = table->chunks[number >> KEY_CHUNK_BITS];
    size_t at = number & ((1u << KEY_CHUNK_BITS) - 1);

    return chunk ? (struct key_head *)(chunk + at * table->record_bytes) : NULL;
}

/* The least number of a record in use that is not below `from`, or KEY_NONE. */
uint32_t key_table_next(const struct key_table *table, uint32_t from);

/* First and second step of a batch of look-ups: fetch the slot; then, by it, the record. */
void key_table_prefetch_slot(const struct key_table *table, uint64_t hash);
struct key_head *key_table_prefetch_record(const struct key_table *table, uint64_t hash);

#endif
