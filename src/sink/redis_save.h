/* redis_save - images as bytes in a checkpoint: what Redis had not acknowledged at its mark.
 *
 *   entry    length of the key: u32le | of the value: u32le, or REDIS_SAVE_DELETED | key | value
 *   key      key group: u32be | 'r' | the entity's key
 *   value    REDIS_SAVE_FORMAT: uint | count of views: uint, at least 1 | view | view | …
 *   view     name | window_end_ms, newest_end_ms, computed_at_ms: int | count of features: uint
 *            | feature | feature | …
 *   feature  name | 0: uint, no value; or the length of the text + 1: uint, text
 *   name     its hash64: word
 *
 * in the spelling of base/pack.h. Views and features have names, since the pipeline file may have
 * changed when they are loaded: what the plan does not know is left out, and what it knows and the
 * entry does not has no value. Bytes that are no such entry are refused, whatever they are.
 *
 * An image has one source, that of its views: two sources whose keys in Redis are alike have an
 * image each, with fields of their own, on the same connection if they meet on a shard. */
#ifndef FRESHET_SINK_REDIS_SAVE_H
#define FRESHET_SINK_REDIS_SAVE_H

#include "plan/plan.h"
#include "sink/redis_image.h"

#define REDIS_SAVE_FORMAT  1
#define REDIS_SAVE_KIND    'r'
#define REDIS_SAVE_DELETED UINT32_MAX

/* The hashes of the plan's names. */
struct redis_save_names {
    const struct plan *plan;
    uint64_t *views;     /* by view number */
    uint64_t **features; /* by view number: by feature number */
    uint64_t *memory;
};

void redis_save_names_init(struct redis_save_names *names, const struct plan *plan);
void redis_save_names_done(struct redis_save_names *names);

/* Appends the image's entry; returns the entry's key, which lives until `out` changes. */
struct slice redis_save_append(const struct redis_save_names *names, struct buf *out,
                               const struct redis_image *image);

/* Appends an entry that says that there is none of this key any more. */
void redis_save_append_deleted(struct buf *out, struct slice key);

/* Whether it is such an entry, of this source: 0 or -EBADMSG. */
MUST_USE int redis_save_check(const struct redis_save_names *names, uint32_t source,
                              struct slice key, struct slice value);

/* An entry that was found good, as it is read view by view. */
struct redis_saved {
    uint32_t source;
    struct slice key;             /* the entity's */
    int32_t partition;            /* PLAN_NONE: shuffled */
    uint64_t views_left;          /* to be read */
    struct slice rest;            /* their bytes */
    const struct plan_view *view; /* NULL: the source has none of this name */
    int64_t window_end_ms;        /* of `view`, if there is one, as the next two */
    int64_t newest_end_ms;
    int64_t computed_at_ms;
};

void redis_save_open(const struct redis_save_names *names, uint32_t source, struct slice key,
                     struct slice value, struct redis_saved *ret);

/* Reads the next view, and its values in the image's spelling; false if there is none left. */
bool redis_save_next(const struct redis_save_names *names, struct redis_saved *saved,
                     struct buf *values);

#endif
