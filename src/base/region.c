#include "base/region.h"

#include "base/check.h"

static struct region_block *block_add(struct region *region, size_t size)
{
    size_t cap = MAX(size, REGION_BLOCK_BYTES);
    struct region_block *block = malloc(sizeof(*block) + cap);

    CHECK(block);
    *block = (struct region_block){.older = region->newest, .cap = cap};
    region->newest = block;
    return block;
}

char *region_alloc(struct region *region, size_t size)
{
    struct region_block *block = region->newest;

    if (!block || block->cap - block->used < size)
        block = block_add(region, size);

    char *piece = block->bytes + block->used;
    block->used += size;
    return piece;
}

static void keep_only(struct region *region, struct region_block *kept)
{
    while (region->newest && region->newest != kept) {
        struct region_block *older = region->newest->older;

        free(region->newest);
        region->newest = older;
    }
}

void region_reset(struct region *region)
{
    struct region_block *first = region->newest;

    while (first && first->older)
        first = first->older;
    keep_only(region, first && first->cap == REGION_BLOCK_BYTES ? first : NULL);
    if (region->newest)
        region->newest->used = 0;
}

void region_done(struct region *region)
{
    keep_only(region, NULL);
}
