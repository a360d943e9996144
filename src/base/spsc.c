#include "base/spsc.h"

#include <stdlib.h>
#include <string.h>

#include "base/lines.h"

void spsc_init(struct spsc *ring, size_t capacity)
{
    CHECK(capacity > 0 && (capacity & (capacity - 1)) == 0);
    memset(ring, 0, sizeof(*ring));
    ring->mask = capacity - 1;
    ring->slots = lines_calloc(capacity, sizeof(*ring->slots));
}

void spsc_done(struct spsc *ring)
{
    free(ring->slots);
    ring->slots = NULL;
}
