/* checkpoint_report - how checkpoints are getting on: as metrics, as JSON, as a verdict. All of it
 * by the control thread. */
#ifndef FRESHET_ADMIN_CHECKPOINT_REPORT_H
#define FRESHET_ADMIN_CHECKPOINT_REPORT_H

#include "engine/engine.h"
#include "metrics/exposition.h"

void checkpoint_metrics(struct engine *engine, struct exposition *text);

/* One JSON object. */
void checkpoint_status(const struct engine *engine, struct buf *out);

/* The last savepoint that somebody asked for, as one JSON object; false if there was none. */
bool savepoint_status(const struct engine *engine, struct buf *out);

/* False if more than one has failed in a row, or the last one is too old: older than ten times
 * `every`, and than a slow one may take; unless a sink holds the shards up, which is no fault of
 * checkpoints. One line into `out` says which. */
bool checkpoint_health(const struct engine *engine, struct buf *out);

#endif
