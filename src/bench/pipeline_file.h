/* pipeline_file - the user's pipeline file with other ends: what the engine under test reads.
 *
 *   kafka.brokers, group ─ the bench's      redis.url, key ─ the bench's, or no redis
 *   sources.*.topic      ─ the bench's      late_topic, dead_letter_topic ─ none: only counted
 *   outputs              ─ a file or none   state.dir, admin, engine.shards ─ the bench's
 *
 * All else stays as the user has it, kafka.properties too. The text may hold passwords, as the
 * user's does. */
#ifndef FRESHET_BENCH_PIPELINE_FILE_H
#define FRESHET_BENCH_PIPELINE_FILE_H

#include "base/buf.h"
#include "base/err.h"
#include "plan/plan.h"

struct pipeline_ends {
    const char *brokers;
    const char *group;
    const char *const *topics;      /* by source number of the plan */
    const char *session_timeout_ms; /* so long after its end a member holds the group up */
    const char *fetch_wait_max_ms;  /* or NULL: the engine's own */
    const char *redis_url;          /* or NULL: no Redis */
    const char *redis_key;          /* or NULL: as it is */
    const char *output_file;        /* or NULL */
    const char *state_dir;
    const char *checkpoint_every; /* or NULL: as it is */
    uint32_t shards;
};

/* `text` is a pipeline file that `plan` was made from. Appends the other one to `out`. */
MUST_USE int pipeline_file_adapt(const struct plan *plan, struct slice text,
                                 const struct pipeline_ends *ends, struct buf *out,
                                 struct err *err);

#endif
