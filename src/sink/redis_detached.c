#include "sink/redis_detached.h"

#include "base/hash.h"

struct redis_detached_entry {
    struct redis_detached_entry *next;
    struct redis_image *image;
    int source;
    uint32_t group;
};

void redis_detached_init(struct redis_detached *detached, struct arena *arena)
{
    *detached = (struct redis_detached){.arena = arena};
}

static struct redis_image *unlink_entry(struct redis_detached *detached,
                                        struct redis_detached_entry **place)
{
    struct redis_detached_entry *entry = *place;
    struct redis_image *image = entry->image;

    *place = entry->next;
    arena_free(detached->arena, entry, sizeof(*entry));
    image->detached = false;
    detached->count--;
    detached->bytes -= image->size;
    return image;
}

void redis_detached_done(struct redis_detached *detached)
{
    if (!detached->chains)
        return;
    for (size_t i = 0; i < REDIS_DETACHED_CHAINS; i++) {
        while (detached->chains[i])
            unlink_entry(detached, &detached->chains[i]);
    }
    arena_free(detached->arena, detached->chains,
               REDIS_DETACHED_CHAINS * sizeof(*detached->chains));
}

static struct redis_detached_entry **chain_of(struct redis_detached *detached, struct slice key)
{
    /* The low bits chose the shard. */
    return &detached->chains[(hash64(key) >> 20) % REDIS_DETACHED_CHAINS];
}

void redis_detached_add(struct redis_detached *detached, struct redis_image *image, int source,
                        uint32_t group)
{
    struct redis_detached_entry *entry = arena_alloc(detached->arena, sizeof(*entry));

    if (!detached->chains)
        detached->chains = arena_calloc(detached->arena,
                                        REDIS_DETACHED_CHAINS * sizeof(*detached->chains));
    struct redis_detached_entry **chain = chain_of(detached, redis_image_key(image));

    *entry = (struct redis_detached_entry){*chain, image, source, group};
    *chain = entry;
    image->detached = true;
    detached->count++;
    detached->bytes += image->size;
}

struct redis_image *redis_detached_take(struct redis_detached *detached, struct slice key,
                                        int source)
{
    if (detached->count == 0)
        return NULL;
    for (struct redis_detached_entry **place = chain_of(detached, key); *place;
         place = &(*place)->next) {
        if ((*place)->source == source && slice_equal(redis_image_key((*place)->image), key))
            return unlink_entry(detached, place);
    }
    return NULL;
}

struct redis_image *redis_detached_take_group(struct redis_detached *detached, uint32_t group,
                                              size_t *chain)
{
    for (; detached->count > 0 && *chain < REDIS_DETACHED_CHAINS; ++*chain) {
        for (struct redis_detached_entry **place = &detached->chains[*chain]; *place;
             place = &(*place)->next) {
            if ((*place)->group == group)
                return unlink_entry(detached, place);
        }
    }
    return NULL;
}

void redis_detached_remove(struct redis_detached *detached, const struct redis_image *image)
{
    struct redis_detached_entry **place = chain_of(detached, redis_image_key(image));

    while ((*place)->image != image)
        place = &(*place)->next;
    unlink_entry(detached, place);
}
