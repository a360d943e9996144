/* sequence - the values of the oldest, or of the newest events, in the order of the events.
 *
 * Order is by (event time, partition, offset). A cell is one word, 0 or a pointer to a ring of at
 * most `limit` items (plan_cell.limit); CELL_FIRST keeps the oldest events, CELL_LAST the newest:
 *
 *   { len, cap, head … | items: [ 7 | 8 | 4 | 5 | 6 ] }
 *                                        ^head           newest kept, full: 9 takes the place of 4
 *
 * An item is 24 bytes, 32 if its value is a number. Strings are interned, one reference an item; a
 * string that finds no number (intern_take) is left out with its event. A cell without a field
 * keeps the places of events alone.
 *
 * An event newer than all costs amortised O(1), another one O(items that it moves); one beyond a
 * full sequence's kept end, O(1). */
#ifndef FRESHET_AGGREGATE_SEQUENCE_H
#define FRESHET_AGGREGATE_SEQUENCE_H

#include <stdbool.h>

#include "aggregate/cell_memory.h"
#include "plan/plan.h"

/* `field` and `value` are NULL for a cell without a field. */
void sequence_add(uint64_t *cell, const struct plan_cell *plan, const struct plan_field *field,
                  const struct field_value *value, const struct event *event,
                  struct cell_memory *memory);

/* Moves all of `from` into `into`. */
void sequence_merge(uint64_t *into, uint64_t *from, const struct plan_cell *plan,
                    struct cell_memory *memory);

void sequence_done(uint64_t *cell, struct cell_memory *memory);

/* Appends what the cell holds, nothing if that is nothing:
 *
 *   items: uint | each, in the order of events:
 *                   (ms since the one before) * 2 + other partition?: uint
 *                   partition: uint, if it is another than the one before's
 *                   offset - the one before's: int
 *                   value: text | bool: uint | double | any other number: int | none
 *
 * Before the first one stand time, partition and offset 0. `field` as in sequence_add. */
void sequence_save(uint64_t cell, const struct plan_field *field, const struct intern *intern,
                   struct buf *out);

/* Reads all of `from`, which is not empty, into an empty cell. Returns 0, or -EBADMSG with the cell
 * empty. */
MUST_USE int sequence_load(uint64_t *cell, const struct plan_cell *plan,
                           const struct plan_field *field, struct slice from,
                           struct cell_memory *memory);

struct sequence;

struct sequence_item {
    int64_t time_ms;
    int64_t offset;
    int32_t partition;
    uint32_t word;     /* number of the interned string, or a bool */
    uint64_t number[]; /* any other value's eight bytes */
};

/* An item's value; a string's bytes are those of the intern table. `type` is the field's. */
struct field_value sequence_value(const struct sequence_item *item, enum field_type type,
                                  const struct intern *intern);

struct sequence_cursor {
    const struct sequence *sequence;
    const struct sequence_item *item; /* the next one */
    uint32_t taken;
};

/* The items of a window's cells, for one evaluation; kept and used again. Zeroed is empty. The
 * cells are looked at when items are picked, and must not change until then. */
struct sequence_window {
    struct sequence_cursor *cursors;
    uint32_t len;
    uint32_t cap;
    uint32_t items; /* of all cells; stops at its end */
    const struct sequence_item **picked;
    uint32_t picked_cap;
};

void sequence_window_free(struct sequence_window *window);
void sequence_window_reset(struct sequence_window *window);
void sequence_window_add(struct sequence_window *window, uint64_t cell);

/* The `limit` oldest or newest items of all cells, or as many as there are, to window->picked,
 * oldest first; how many it are. Once after the cells are added. Whatever the order and the overlap
 * of the cells, it takes O(cells + items * log(cells)); without overlap, O(cells + items). */
uint32_t sequence_window_pick(struct sequence_window *window, bool newest, uint32_t limit);

#endif
