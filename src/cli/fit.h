/* fit - what a pipeline file makes of a checkpoint: which features keep their state.
 *
 * What the engine would refuse is an error here: partitioning that was changed, a source under
 * another name. So is a checkpoint of which nothing would be kept. */
#ifndef FRESHET_CLI_FIT_H
#define FRESHET_CLI_FIT_H

#include "checkpoint/manifest.h"
#include "view/schema.h"

struct fit {
    const struct plan *plan;
    const struct manifest *manifest;
    struct schema_map *maps[PLAN_SOURCES_MAX]; /* by source; NULL: the checkpoint has none such */
};

/* Returns 0, -ESTALE if it does not fit, -EBADMSG if the checkpoint's layouts can't be read.
 * fit_done is due in any case. */
MUST_USE int fit_make(const struct plan *plan, const struct manifest *manifest, struct fit *ret,
                      struct err *err);
void fit_done(struct fit *fit);

/* A line a feature. */
void fit_print(const struct fit *fit, struct buf *out);

/* One JSON object on one line. */
void fit_json(const struct fit *fit, struct buf *out);

#endif
