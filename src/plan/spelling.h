/* spelling - what somebody who wrote an unknown word may have meant.
 *
 * Words are offered one by one; the nearest by edit distance is kept, where an edit is a letter
 * added, left out, replaced, or swapped with its neighbour (optimal string alignment; L. Boytsov,
 * "Indexing methods for approximate dictionary searching", 2011). Case does not count. */
#ifndef FRESHET_PLAN_SPELLING_H
#define FRESHET_PLAN_SPELLING_H

#include "base/buf.h"
#include "plan/memory.h"

#define SPELLING_BYTES_MAX 128 /* longer words have no nearest one */

struct spelling {
    struct slice word; /* as written */
    struct slice best; /* nearest of those offered; data NULL: none is near */
    size_t best_distance;
    struct buf valid; /* those offered, with commas */
    bool cut;         /* there were more of them than a message holds */
};

void spelling_init(struct spelling *spelling, struct slice word);
void spelling_done(struct spelling *spelling);

void spelling_offer(struct spelling *spelling, struct slice valid);

/* The end of a message: `; did you mean "window"?`, or `; valid: …` where none is near. */
const char *spelling_hint(const struct spelling *spelling, struct plan_memory *memory);

/* The edit distance; both at most SPELLING_BYTES_MAX bytes. */
size_t spelling_distance(struct slice a, struct slice b);

#endif
