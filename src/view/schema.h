/* schema - how the state of a source's keys is laid out, for who reads it later.
 *
 *   plan ──schema_save──▶ text in a checkpoint ──schema_map_create(plan of now)──▶ map
 *
 * What is stored is identified by what defines it: a paneset by its slide and filter, a cell by
 * what it aggregates, a view by its window and emission; not by names of features and views, nor by
 * numbers in the plan. A map says where each saved part goes in a plan that may be another one. */
#ifndef FRESHET_VIEW_SCHEMA_H
#define FRESHET_VIEW_SCHEMA_H

#include "base/err.h"
#include "plan/plan.h"
#include "view/keyspace.h"

struct schema_map;

/* Appends the layout of the source's state. */
void schema_save(const struct plan *plan, uint32_t source, struct buf *out);

/* Maps what was saved onto the source; the plan must outlive the map. Returns 0; or -EBADMSG if the
 * bytes are no layout, or one of another version. */
MUST_USE int schema_map_create(const struct plan *plan, uint32_t source, struct slice saved,
                               struct schema_map **ret, struct err *err);
void schema_map_free(struct schema_map *map);

/* True if nothing differs: entries may stay as they are. */
bool schema_map_is_same(const struct schema_map *map);

/* Adapts saved times to the plan: what was closed stays closed, even if more lateness is allowed
 * now. Before keyspace_times_restore. */
void schema_map_times(const struct schema_map *map, struct keyspace_times *times);

enum schema_fate {
    SCHEMA_KEPT,    /* its state is taken over */
    SCHEMA_PARTLY,  /* its window is new, and begins with what others left in its panes */
    SCHEMA_EMPTY,   /* starts empty */
    SCHEMA_DROPPED, /* of the saved ones: nothing takes its state over */
};

/* What becomes of one feature: those of the plan, then those that were saved and are dropped. */
struct schema_feature {
    enum schema_fate fate;
    const char *view;
    const char *feature;
    const char *before; /* kept under another name: "view.feature"; else NULL */
    const char *reason; /* not kept: why, for a person; else NULL */
};

const struct schema_feature *schema_map_features(const struct schema_map *map, uint32_t *ret_count);

/* The same as text, a line a feature. */
void schema_map_print(const struct schema_map *map, struct buf *out);

#endif
