/* redis_detached - images whose keys the core has dropped, and that Redis has not acknowledged.
 *
 * Should such a key come back before, its image is taken from here: a Redis key never has two
 * images, of which the older could be written last. A table of chains; few at a time while Redis
 * answers, and the sink is full when they get many. */
#ifndef FRESHET_SINK_REDIS_DETACHED_H
#define FRESHET_SINK_REDIS_DETACHED_H

#include "sink/redis_image.h"

#define REDIS_DETACHED_CHAINS 4096
#define REDIS_NO_GROUP        0 /* of keys: those that are never forgotten */

struct redis_detached_entry;

struct redis_detached {
    struct arena *arena;
    struct redis_detached_entry **chains; /* NULL until the first comes */
    size_t count;
    size_t bytes; /* of the images */
};

void redis_detached_init(struct redis_detached *detached, struct arena *arena);

/* The images that are left stay their links'. */
void redis_detached_done(struct redis_detached *detached);

/* `source` is part of what a key is: two sources' keys may read alike. */
void redis_detached_add(struct redis_detached *detached, struct redis_image *image, int source,
                        uint32_t group);

/* Takes an image out: the one of this key, or NULL; or this very one. */
struct redis_image *redis_detached_take(struct redis_detached *detached, struct slice key,
                                        int source);
void redis_detached_remove(struct redis_detached *detached, const struct redis_image *image);

/* Takes out one of the group's images, from chain number *chain on, and says where to go on; NULL
 * when there are no more. */
struct redis_image *redis_detached_take_group(struct redis_detached *detached, uint32_t group,
                                              size_t *chain);

#endif
