/* redis_image - what Redis is to show for one entity's key, as text.
 *
 *   [ header | part 0 | part 1 … | key | values of part 0 | values of part 1 … | room ]
 *
 *   part      one view of which a row was taken, in the plan's order
 *   values    by feature number: length + 1 as a varint, then the text; a 0 alone: no value
 *
 * One allocation that grows with its content, so an image moves: whoever points to it is told (see
 * redis_image_put). Values are the bytes that Redis gets; they are compared as such, and only those
 * that differ become dirty. The image keeps all of them, acknowledged or not: a key that Redis lost
 * is written whole from here. Owned by one shard; no clock, no I/O. */
#ifndef FRESHET_SINK_REDIS_IMAGE_H
#define FRESHET_SINK_REDIS_IMAGE_H

#include "base/arena.h"
#include "base/buf.h"
#include "freshet/row.h"

struct redis_write;

#define REDIS_IMAGE_MAX     (64u << 20) /* bytes; Redis takes up to 512 MB in one value */
#define REDIS_PARTITION_MAX ((1 << 19) - 1)

struct redis_part {
    int64_t window_end_ms; /* of the row that is shown */
    int64_t newest_end_ms; /* of the newest row, shown or (`unchanged: skip`) not */
    int64_t computed_at_ms;
    uint64_t dirty;  /* bit i: feature i is to be written, or deleted if it has no value */
    uint64_t absent; /* bit i: it is dirty, and Redis has no value of it */
    uint32_t bytes;  /* of its values */
    uint16_t view;   /* number in the plan */
    bool unsent;     /* a row was taken that is not written: its metadata are due */
    bool added;      /* Redis has nothing of this view yet */
};

struct redis_image {
    struct redis_image *prev; /* all images of one connection */
    struct redis_image *next;
    struct redis_write *writes; /* under way, the newest first; at most the first is not sent yet */
    int64_t expire_ms;          /* monotonic: when EXPIRE was sent last */
    uint32_t size;              /* allocated */
    uint32_t key_len;
    int32_t partition : 20;   /* that the key belongs to, or PLAN_NONE: of a shuffled source */
    uint32_t part_count : 12; /* at most PLAN_VIEWS_MAX */
    uint16_t epoch;           /* the connection's when it was last written whole */
    uint8_t link;             /* the connection's number */
    bool whole : 1;           /* Redis may hold anything: all values are to be written */
    bool detached : 1;        /* the core has dropped the key: freed once Redis has it all */
    bool forgotten : 1; /* as detached, and not to be written again: freed once it is answered */
    struct redis_part parts[];
};

_Static_assert(sizeof(struct redis_part) == 48, "state per key is counted in bytes");
_Static_assert(sizeof(struct redis_image) == 48, "state per key is counted in bytes");

/* What the values of a row are in comparison with a part's. */
struct redis_difference {
    uint64_t changed;  /* bit i: value i differs */
    uint64_t appeared; /* bit i: there was none and now there is one */
};

/* Without parts; `whole` is set. `key` is copied. `partition`: PLAN_NONE, or up to
 * REDIS_PARTITION_MAX (librdkafka knows topics of up to 100000). */
struct redis_image *redis_image_create(struct arena *arena, struct slice key, int32_t partition);
void redis_image_free(struct arena *arena, struct redis_image *image);

struct slice redis_image_key(const struct redis_image *image);

/* The view's part, or NULL. */
struct redis_part *redis_image_part(struct redis_image *image, uint16_t view);

/* A part's values, for redis_value_next. */
const char *redis_image_values(const struct redis_image *image, const struct redis_part *part);

/* Appends `count` values in the image's spelling; `values` NULL: none of them has a value. */
void redis_values_append(struct buf *out, const struct row_value *values, uint32_t count);

/* Takes the next value: its text, or SLICE_NONE. */
struct slice redis_value_next(const char **at);

struct redis_difference redis_values_compare(const char *before, const char *after, uint32_t count);

/* What the image would need if the view's values had `bytes`; `image` NULL: a new one. Compare with
 * REDIS_IMAGE_MAX before redis_image_create and redis_image_put. */
uint64_t redis_image_need(struct redis_image *image, uint16_t view, size_t key_len, size_t bytes);

/* Sets a view's values, `count` of them, and adds the part if it is missing; marks what differs as
 * dirty. Returns the image, which may have moved: everything that points to it is then to be set
 * anew. Times and `unsent` are the caller's to set. */
struct redis_image *redis_image_put(struct arena *arena, struct redis_image *image, uint16_t view,
                                    struct slice values, uint32_t count);

#endif
