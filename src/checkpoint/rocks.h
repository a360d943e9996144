/* rocks - RocksDB, as the work store and the readers of checkpoints use it.
 *
 *   u64be hash of the source's name │ u8 part │ u32be group │ u8 kind │ rest
 *                                              └── the entry's key ──────────┘
 *
 * The part keeps unsent images ('r') apart from state: each checkpoint writes them anew, and so
 * all of a source's are one range to drop. */
#ifndef FRESHET_CHECKPOINT_ROCKS_H
#define FRESHET_CHECKPOINT_ROCKS_H

#include <rocksdb/c.h>

#include "base/buf.h"
#include "base/err.h"

#define ROCKS_KEY_BEFORE    9 /* bytes before the entry's key */
#define ROCKS_ENTRY_KEY_MIN 5 /* group and kind */

enum rocks_part {
    ROCKS_STATE,
    ROCKS_IMAGES,
    ROCKS_PARTS,
};

/* Takes RocksDB's text (`errptr`), frees it, and makes of it a negative errno and an `err`:
 * "<what>: <the text>". */
int rocks_error(char *errptr, struct err *err, const char *what);

struct rocks {
    rocksdb_t *db;
    rocksdb_column_family_handle_t *family; /* the only one */
};

/* Opens `path`, with the best compression that this RocksDB was built with. To read: changes
 * nothing in the folder. */
MUST_USE int rocks_open(const char *path, bool to_read, struct rocks *ret, struct err *err);

/* What is zeroed is not open. */
void rocks_close(struct rocks *rocks);

/* Appends the key in the store of an entry's key. */
void rocks_key(struct buf *out, uint64_t source_hash, struct slice entry_key);

/* Appends first and end (the first one behind) of all keys of a source in a part, or of one of its
 * groups. */
void rocks_source_range(uint64_t source_hash, enum rocks_part part, struct buf *ret_first,
                        struct buf *ret_end);
void rocks_group_range(uint64_t source_hash, enum rocks_part part, uint32_t group,
                       struct buf *ret_first, struct buf *ret_end);

#endif
