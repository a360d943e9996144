/* blocks - what the shards hand over, on its way into the work store.
 *
 *   shards ──rings──▶ written, in the order in which they come
 *                     │ no room, and the store holds state that is nowhere else: it is stuck, and
 *                     │ nothing behind it is written, until there is room
 *                     └ could not be written: it is lost, and so are all others until somebody
 *                       has taken note (`error`)
 *
 * Belongs to the control thread. */
#ifndef FRESHET_ENGINE_BLOCKS_H
#define FRESHET_ENGINE_BLOCKS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct engine;

struct blocks {
    int error; /* of one that is lost, and the text of the last one */
    struct err err;
    struct share_block *stuck; /* is tried again, or NULL */
    uint32_t stuck_shard;
    int64_t stuck_due_ns;
    uint64_t bytes; /* written since a checkpoint began */
};

/* What the shards have handed over goes to the store. False: some of it waits. */
bool blocks_store(struct engine *engine);

/* What the shards had captured is lost, for that reason: the next checkpoint is of all keys, in an
 * empty store. Ends the process if some state is in the store alone. */
void blocks_begin_anew(struct engine *engine, int error, const char *text);

#endif
