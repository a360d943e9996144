/* region - scratch memory for one batch: given out piece by piece, taken back all at once.
 *
 *   blocks ──▶ [ a b c d … room ] ──▶ [ e … ]
 *
 * Pieces never move, so what points into them stays true until the reset. A reset keeps the first
 * block and returns the others, so that one huge batch is not paid for ever after. Zeroed is empty.
 */
#ifndef FRESHET_BASE_REGION_H
#define FRESHET_BASE_REGION_H

#include <stddef.h>

#define REGION_BLOCK_BYTES ((size_t)64 * 1024)

struct region_block {
    struct region_block *older;
    size_t cap;
    size_t used;
    char bytes[];
};

struct region {
    struct region_block *newest;
};

/* `size` bytes, unaligned and uninitialised; valid until region_reset. */
char *region_alloc(struct region *region, size_t size);

/* Gives back the last `size` bytes of the piece that was allocated last. */
static inline void region_shrink(struct region *region, size_t size)
{
    region->newest->used -= size;
}

void region_reset(struct region *region);
void region_done(struct region *region);

#endif
