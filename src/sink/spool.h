/* spool - the rows of one checkpoint, in a file, until they are appended to the output.
 *
 *   blocks ──▶ rows.<epoch> ──seal──▶ immutable: a checkpoint may link it ──▶ appended, removed
 *
 * A sealed spool is never written again: it may be part of a checkpoint under another name. Owned
 * by one thread. */
#ifndef FRESHET_SINK_SPOOL_H
#define FRESHET_SINK_SPOOL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "freshet/slice.h"

struct spool {
    uint64_t epoch;
    int fd;
    char *path;
    uint64_t bytes;
    uint64_t hash;                   /* of all bytes, when sealed */
    struct XXH3_state_s *hash_state; /* until then */
    bool is_sealed;
    bool is_broken; /* a sync failed */
};

/* Makes a new file `folder`/`name`; one that has the name already loses it, and is not touched. */
MUST_USE int spool_create(struct spool *spool, const char *folder, const char *name, uint64_t epoch,
                          struct err *err);

/* Closes and removes it. */
void spool_remove(struct spool *spool);

/* Writes as much of the bytes as goes; *ret_done says how much. */
MUST_USE int spool_write(struct spool *spool, struct slice bytes, size_t *ret_done,
                         struct err *err);

/* Writes all that `from` holds behind what is here. */
MUST_USE int spool_write_all_of(struct spool *spool, const struct spool *from, struct err *err);

/* Syncs it, for good. If that fails, its rows are lost: it never succeeds again. */
MUST_USE int spool_seal(struct spool *spool, struct err *err);

#endif
