/* store - the work store: everything that the next checkpoint will hold, on disk and private.
 *
 *   blocks of entries ──store_write──▶ RocksDB in work/<process>/db ──store_freeze──▶ a checkpoint
 *                                      ▲                                                     │
 *                                      └─────── hard links, at the next start (store_open) ──┘
 *
 * Entries are absolute, so writing one twice is harmless. There is no write-ahead log: what has not
 * been frozen is gone with the process, which then begins again from a checkpoint.
 *
 * After a failure nothing of that call is in the store, and everything before it is; the same call
 * may be made again. A full disk (-ENOSPC) is noticed before anything is written, and so is that it
 * has room again; should RocksDB run into one all the same, it goes on by itself within seconds of
 * there being room. After other errors of the disk it takes nothing more (store_is_broken):
 * store_reset empties it, and the engine then captures everything anew. So it must, too, after a
 * capture that was given up: only an empty store is sure to hold no key that was deleted meanwhile.
 *
 * Belongs to the control thread, but that any thread may read single keys (store_get_many) while it
 * writes: what it sees of a key is the last that was written before. Nobody may read while the
 * store is reset or closed; the engine sees to that (enum store_use in shard/shard.h). RocksDB has
 * threads of its own, one that flushes, one that compacts, one that deletes; they inherit its CPUs.
 */
#ifndef FRESHET_CHECKPOINT_STORE_H
#define FRESHET_CHECKPOINT_STORE_H

#include "base/buf.h"
#include "base/err.h"
#include "base/hash.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/manifest.h"
#include "checkpoint/state_dir.h"

#define STORE_DELETED UINT32_C(0xffffffff) /* in the place of a value's length */
/* With less room than this in state.dir nothing is written, so that RocksDB, which takes a full
 * disk hard, seldom finds one: its two buffers, and what it wants to see free before it goes on. */
#define STORE_ROOM_BYTES (UINT64_C(128) << 20)

struct store;

struct store_stats {
    uint64_t entries_written; /* since the last freeze */
    uint64_t bytes_written;   /* of keys and values */
    uint64_t disk_bytes;      /* of the files that it needs now */
    uint64_t memory_bytes;    /* buffers and cache */
};

/* What stands for a source in keys. */
static inline uint64_t store_source_hash(const char *name)
{
    return hash64(slice_of(name));
}

/* Empty, or with all that `from` holds, which has been verified and may be closed afterwards. */
MUST_USE int store_open(struct state_dir *dir, const struct checkpoint *from, struct store **ret,
                        struct err *err);
void store_close(struct store *store);

/* Writes a block of entries, all or none: u32le key_len, u32le value_len (STORE_DELETED: delete
 * it), key, value; a key is u32be group, u8 kind ('k', 'i', 'r'), rest. -EBADMSG if the block is no
 * such thing. May wait for a flush to disk, no longer. */
MUST_USE int store_write(struct store *store, uint64_t source_hash, struct slice entries,
                         struct err *err);

/* Forgets a group, or all images ('r'), or all of a source. */
MUST_USE int store_drop_group(struct store *store, uint64_t source_hash, uint32_t group,
                              struct err *err);
MUST_USE int store_drop_images(struct store *store, uint64_t source_hash, struct err *err);
MUST_USE int store_drop_source(struct store *store, uint64_t source_hash, struct err *err);

/* The value of a key into the emptied `ret`; -ENOENT if there is none. */
MUST_USE int store_get(struct store *store, uint64_t source_hash, struct slice key, struct buf *ret,
                       struct err *err);

/* Any thread. Of many keys at once: `on_value` is called for each in turn, with SLICE_NONE where
 * there is none; the value lives for the call. On an error it may have been called for some. */
MUST_USE int store_get_many(struct store *store, uint64_t source_hash, const struct slice *keys,
                            uint32_t count,
                            void (*on_value)(void *context, uint32_t number, struct slice value),
                            void *context, struct err *err);

/* Makes a checkpoint of what the store holds, complete on disk and seen by all when this returns 0.
 * `manifest` has what the engine says; this adds the rest: id, parent, time, counts, files, the
 * hash of the rows. `rows`: a file with the pending rows of the file output, or NULL; it gets a
 * second name in the checkpoint and must not be written to any more, whatever comes of it; its own
 * name stays for the caller to remove. With a savepoint's name it is kept as savepoints/<name>:
 * -EINVAL for what is no such name, -EEXIST if it is taken.
 *
 * On failure there is no checkpoint; the manifest may be used again. */
MUST_USE int store_freeze(struct store *store, struct manifest *manifest, const char *rows,
                          struct err *err);

/* True if the store can take nothing more until store_reset. */
bool store_is_broken(const struct store *store);

/* Empties the store and opens it again, whatever state it is in. Checkpoints are not touched. */
MUST_USE int store_reset(struct store *store, struct err *err);

void store_stats(const struct store *store, struct store_stats *ret);

#endif
