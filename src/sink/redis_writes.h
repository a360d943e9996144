/* redis_writes - the queue and the flight of a link. Private to redis_link.
 *
 *   queue   one write a key, in the order of becoming dirty; leaves in batches when the link is
 *           ready and nothing is in flight, or the oldest has lingered, or a batch is full
 *   flight  in the order of sending, which is that of the replies
 *
 * A write is made when its image becomes dirty, goes through both lists, and is freed when its last
 * reply is in. An image knows its writes, so it may move, and knows when Redis has it all. */
#ifndef FRESHET_SINK_REDIS_WRITES_H
#define FRESHET_SINK_REDIS_WRITES_H

#include "sink/redis_link.h"

/* Frees all writes and images. */
void redis_writes_done(struct redis_link *link);

/* Images from this one on are to be looked at: those of an earlier epoch are written again. */
void redis_writes_resync(struct redis_link *link, struct redis_image *image);

/* Takes the first write out of flight; it is then handed to one of the next two. */
struct redis_write *redis_writes_land(struct redis_link *link);

/* Its key is written again, whole, with the newest values. */
void redis_writes_again(struct redis_link *link, struct redis_write *write, int64_t now_ns);

/* What is queued of the image is not to be written. */
void redis_writes_forget(struct redis_image *image);

/* It is done with. Frees its image too if that was waited for. */
void redis_writes_over(struct redis_link *link, struct redis_write *write);

/* Sends what is due. */
void redis_writes_send(struct redis_link *link, int64_t now_ns);

/* When there is something to send; REDIS_NOT_DUE: not before something else happens. */
int64_t redis_writes_due_ns(const struct redis_link *link);

#endif
