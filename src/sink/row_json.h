/* row_json - a row as one JSON object: a line of the file output, a message of the feature topic.
 *
 *   {"view":"purchases_30m","user_id":"u7","window_start":…,"window_end":…,"revision":0,
 *    "features":{"purchase_count_30m":3,…}}
 *
 * "empty":true or "retracted":true stand before the features where they hold. No line end. */
#ifndef FRESHET_SINK_ROW_JSON_H
#define FRESHET_SINK_ROW_JSON_H

#include "base/buf.h"
#include "freshet/row.h"
#include "plan/plan.h"

/* What is the same for all rows of a view, spelled once. */
struct row_json {
    struct buf head;      /* {"view":"…","user_id": */
    struct buf *features; /* "name": by feature number */
    uint32_t feature_count;
};

void row_json_init(struct row_json *json, const struct plan *plan, const struct plan_view *view);
void row_json_done(struct row_json *json);

void row_json_append(const struct row_json *json, const struct row *row, struct buf *out);

#endif
