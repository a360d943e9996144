/* fetch_uring - a fetcher whose links are streams of a loop.
 *
 * Responses are received straight into the fetcher's memory. A connection that was given up lives
 * on until the kernel has let go of it, beside the one that follows. Belongs to the loop's thread.
 */
#ifndef FRESHET_SOURCE_FETCH_URING_H
#define FRESHET_SOURCE_FETCH_URING_H

#include "source/fetcher.h"
#include "uring/loop.h"

/* What it takes of loop_options.streams_max. */
#define FETCH_URING_STREAMS (2 * FETCHER_LINKS_MAX)

struct fetch_uring;

/* `options->io` is not looked at. */
struct fetch_uring *fetch_uring_create(struct loop *loop, const struct fetcher_options *options);

/* When the loop has been freed. `uring` may be NULL. */
void fetch_uring_free(struct fetch_uring *uring);

struct fetcher *fetch_uring_fetcher(struct fetch_uring *uring);

#endif
