/* redis_command - the commands that bring a key's hash in Redis to what its image says.
 *
 *   HSET key feature value …  <view>.window_end ms <view>.computed_at ms …
 *   HDEL key feature …        the features without a value
 *   EXPIRE key seconds        PEXPIRE where the TTL is not whole seconds
 *
 * `layout: hash`. Each is left out if there is nothing to say. In this order, so that a hash never
 * runs empty in between, which would delete the key and its TTL. This is the hot path: RESP is
 * written straight into the send buffer, and what never changes (names, the TTL) is spelled once.
 */
#ifndef FRESHET_SINK_REDIS_COMMAND_H
#define FRESHET_SINK_REDIS_COMMAND_H

#include "plan/plan.h"
#include "sink/redis_image.h"

#define REDIS_HSET   1u /* as a bit: what was written; the replies come in this order */
#define REDIS_HDEL   2u
#define REDIS_EXPIRE 4u

struct redis_commands {
    const struct plan *plan;
    struct slice **views; /* by view number: "$5\r\ncount\r\n" by feature, then window_end and
                             computed_at */
    struct slice *names;  /* of all views */
    char *memory;
    char expire_head[32]; /* "*3\r\n$6\r\nEXPIRE\r\n" */
    char expire_tail[32]; /* "$5\r\n90000\r\n" */
};

struct redis_written {
    unsigned commands; /* REDIS_HSET | … */
    uint32_t fields;   /* set and deleted */
    uint32_t added;    /* set, and new to a Redis that has what was written before */
};

void redis_commands_init(struct redis_commands *commands, const struct plan *plan);
void redis_commands_done(struct redis_commands *commands);

/* Appends what brings Redis up to date: the dirty values, or all if `whole`; the metadata that are
 * due; the TTL if `expire`. Nothing in the image is dirty or unsent afterwards. */
struct redis_written redis_commands_append(const struct redis_commands *commands, struct buf *out,
                                           struct redis_image *image, bool whole, bool expire);

/* True if all that is to be set would be new to Redis, though there is more that it should have:
 * the reply could not tell that from a key that Redis has lost. */
bool redis_commands_only_add(const struct redis_commands *commands,
                             const struct redis_image *image);

/* The full key, for messages. */
void redis_commands_append_key(const struct redis_commands *commands, struct buf *out,
                               const struct redis_image *image);

#endif
