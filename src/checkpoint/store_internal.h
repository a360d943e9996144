/* The inside of the work store, shared by store.c and freeze.c. */
#ifndef FRESHET_CHECKPOINT_STORE_INTERNAL_H
#define FRESHET_CHECKPOINT_STORE_INTERNAL_H

#include "checkpoint/rocks.h"
#include "checkpoint/store.h"

/* Whether a source may have images in the store: a range to drop costs, even an empty one. */
struct store_images {
    uint64_t source_hash;
    bool may_be_there;
};

struct store {
    struct state_dir *dir;
    char *path; /* work/<process>/db */
    struct rocks rocks;
    rocksdb_writeoptions_t *write_options;
    rocksdb_readoptions_t *read_options;
    rocksdb_flushoptions_t *flush_options;
    rocksdb_writebatch_t *batch;
    struct buf key; /* scratch */
    struct buf end;
    struct store_images *images;
    uint32_t image_count;
    bool is_begun_from; /* a checkpoint, that may hold images of any source */
    bool is_broken;
    char parent[CHECKPOINT_ID_SIZE];
    int64_t parent_ms;
    struct manifest_file *known; /* files of the last checkpoint: SSTs never change */
    uint32_t known_count;
    uint64_t entries_written;
    uint64_t bytes_written;
};

/* -EIO if the store is closed after an error. */
MUST_USE int store_check_open(const struct store *store, struct err *err);

/* -ENOSPC if there is less room than is needed to write anything. */
MUST_USE int store_check_room(const struct store *store, struct err *err);

/* Notes what a write or flush came to; returns `error`. */
int store_note(struct store *store, int error);

/* From now on the store's changes are those since this checkpoint. */
void store_follows(struct store *store, const struct manifest *manifest);

#endif
