/* entries - what a capture yields and a checkpoint keeps: keys with values, one behind the other.
 *
 *   entry    length of the key: u32le | length of the value: u32le | key | value
 *   key      group: u32be | kind: u8 | rest, by kind
 *
 * A length of ENTRY_DELETED stands for no value: the entry of that key goes. Of entries with one
 * key the last one counts. The group is the key group of what is kept: a partition, or under
 * shuffle a key's hash mod PLAN_KEY_GROUPS. */
#ifndef FRESHET_STATE_ENTRIES_H
#define FRESHET_STATE_ENTRIES_H

#include "base/buf.h"

#define ENTRY_DELETED UINT32_MAX
#define ENTRY_KEY     'k' /* rest: an entity's key; value: its state */
#define ENTRY_IDS     'i' /* rest: see ids.h; value: ids for `dedup:` */

/* Begins an entry: what is appended next is the rest of its key. Returns its place. */
size_t entry_begin(struct buf *out, uint32_t group, char kind);

/* Ends the key of the entry at `place`: what is appended next is the value. */
void entry_value(struct buf *out, size_t place);

/* Ends the entry; or, in place of entry_value, says that it goes. */
void entry_end(struct buf *out, size_t place);
void entry_end_deleted(struct buf *out, size_t place);

/* Takes the first entry; *ret_value is SLICE_NONE if it is deleted. Returns 0, or -EBADMSG. */
MUST_USE int entry_next(struct slice *from, struct slice *ret_key, struct slice *ret_value);

/* The parts of an entry's key. Returns 0, or -EBADMSG. */
MUST_USE int entry_key_read(struct slice key, uint32_t *ret_group, char *ret_kind,
                            struct slice *ret_rest);

#endif
