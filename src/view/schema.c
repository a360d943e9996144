#include "view/schema.h"

#include <errno.h>

#include "view/internal.h"

struct schema_map {
    struct plan_memory *memory;
    struct layout saved;
    struct layout now;
    bool is_same;
    struct schema_feature *features;
    uint32_t feature_count;
};

void schema_save(const struct plan *plan, uint32_t source, struct buf *out)
{
    struct plan_memory *memory = plan_memory_create();
    struct layout layout;

    layout_of_plan(plan, source, memory, &layout);
    layout_write(&layout, true, out);
    plan_memory_free(memory);
}

/* ---- what goes where */

static bool same_panes(const struct layout_paneset *a, const struct layout_paneset *b)
{
    return a->kind == b->kind && a->slide_ms == b->slide_ms && a->offset_ms == b->offset_ms &&
           a->gap_ms == b->gap_ms && strcmp(a->where, b->where) == 0;
}

/* A layout's panesets, and the cells of each, are all different; of bytes that say otherwise, the
 * first one is taken. */
static bool is_cell_taken(const struct layout_paneset *saved, uint32_t to)
{
    for (uint32_t i = 0; i < saved->cell_count; i++) {
        if (saved->cells[i].to == (int)to)
            return true;
    }
    return false;
}

static void map_cells(struct layout_paneset *saved, const struct layout_paneset *now)
{
    for (uint32_t i = 0; i < saved->cell_count; i++) {
        for (uint32_t j = 0; j < now->cell_count && saved->cells[i].to == PLAN_NONE; j++) {
            if (strcmp(saved->cells[i].identity, now->cells[j].identity) == 0 &&
                !is_cell_taken(saved, j))
                saved->cells[i].to = (int)j;
        }
    }
}

static bool is_paneset_taken(const struct layout *saved, int to)
{
    for (uint32_t i = 0; i < saved->paneset_count; i++) {
        if (saved->panesets[i].to == to)
            return true;
    }
    return false;
}

static void map_panesets(struct schema_map *map)
{
    for (uint32_t i = 0; i < map->saved.paneset_count; i++) {
        struct layout_paneset *saved = &map->saved.panesets[i];

        for (uint32_t j = 0; j < map->now.paneset_count && saved->to == PLAN_NONE; j++) {
            const struct layout_paneset *now = &map->now.panesets[j];

            if (!same_panes(saved, now) || is_paneset_taken(&map->saved, (int)j))
                continue;
            saved->to = (int)j;
            saved->takes_spans = saved->split == now->split && saved->levels >= now->levels;
            map_cells(saved, now);
        }
    }
}

static struct layout_view *view_from(const struct layout *saved, int to)
{
    for (uint32_t i = 0; i < saved->view_count; i++) {
        if (saved->views[i].to == to)
            return &saved->views[i];
    }
    return NULL;
}

/* Views of one window and emission are told apart by their names, as far as they have kept them. */
static void map_views(struct schema_map *map, bool by_name)
{
    for (uint32_t i = 0; i < map->saved.view_count; i++) {
        struct layout_view *saved = &map->saved.views[i];

        for (uint32_t j = 0; j < map->now.view_count && saved->to == PLAN_NONE; j++) {
            const struct layout_view *now = &map->now.views[j];

            if (map->saved.panesets[saved->paneset].to == (int)now->paneset &&
                saved->window == now->window && saved->size_ms == now->size_ms &&
                saved->on_update == now->on_update && !view_from(&map->saved, (int)j) &&
                (!by_name || strcmp(saved->name, now->name) == 0))
                saved->to = (int)j;
        }
    }
}

static bool is_same(const struct schema_map *map)
{
    struct buf saved = {0};
    struct buf now = {0};

    layout_write(&map->saved, false, &saved);
    layout_write(&map->now, false, &now);
    bool same = slice_equal(buf_slice(&saved), buf_slice(&now));

    /* Two views that have changed places look the same. */
    for (uint32_t i = 0; same && i < map->saved.view_count; i++)
        same = map->saved.views[i].to == (int)i;
    buf_free(&saved);
    buf_free(&now);
    return same;
}

static bool is_same_source(const struct schema_map *map)
{
    return strcmp(map->saved.source, map->now.source) == 0;
}

/* ---- what becomes of each feature */

static const struct layout_paneset *paneset_from(const struct schema_map *map, uint32_t to)
{
    for (uint32_t i = 0; i < map->saved.paneset_count; i++) {
        if (map->saved.panesets[i].to == (int)to)
            return &map->saved.panesets[i];
    }
    return NULL;
}

static bool same_feature(const struct schema_map *map, const struct layout_view *view,
                         const struct layout_feature *saved, const struct layout_feature *now)
{
    return map->saved.panesets[view->paneset].cells[saved->cell].to == (int)now->cell &&
           strcmp(saved->computes, now->computes) == 0;
}

/* The saved feature that computed the same, of the same name if there is one. */
static const struct layout_feature *feature_from(const struct schema_map *map,
                                                 const struct layout_view *view,
                                                 const struct layout_feature *now)
{
    const struct layout_feature *found = NULL;

    for (uint32_t i = 0; i < view->feature_count; i++) {
        const struct layout_feature *saved = &view->features[i];

        if (!same_feature(map, view, saved, now))
            continue;
        if (strcmp(saved->name, now->name) == 0)
            return saved;
        if (!found)
            found = saved;
    }
    return found;
}

static void name_before(const struct schema_map *map, const struct layout_view *view,
                        const struct layout_view *now, const struct layout_feature *feature,
                        struct schema_feature *ret)
{
    const struct layout_feature *saved = feature_from(map, view, feature);

    if (!saved || (strcmp(view->name, now->name) == 0 && strcmp(saved->name, feature->name) == 0))
        return;
    ret->before = plan_printf(map->memory, "%s.%s", view->name, saved->name);
}

/* Whether the layout has a feature of that name in a view of that name. */
static bool has_name(const struct layout *layout, const char *view, const char *feature)
{
    for (uint32_t i = 0; i < layout->view_count; i++) {
        for (uint32_t j = 0; j < layout->views[i].feature_count; j++) {
            if (strcmp(layout->views[i].name, view) == 0 &&
                strcmp(layout->views[i].features[j].name, feature) == 0)
                return true;
        }
    }
    return false;
}

static void tell_feature(const struct schema_map *map, uint32_t view, uint32_t number,
                         struct schema_feature *ret)
{
    const struct layout_view *now = &map->now.views[view];
    const struct layout_feature *feature = &now->features[number];
    const struct layout_paneset *paneset = paneset_from(map, now->paneset);
    const struct layout_view *saved = view_from(&map->saved, (int)view);
    bool was_there = has_name(&map->saved, now->name, feature->name);

    *ret = (struct schema_feature){
        .fate = SCHEMA_EMPTY, .view = now->name, .feature = feature->name};
    if (!is_same_source(map)) {
        ret->reason = "entity, time or partitioning of its source differ";
    } else if (!paneset) {
        ret->reason = was_there ? "its window or where differs" : "it is new";
    } else if (!is_cell_taken(paneset, feature->cell)) {
        ret->reason = was_there ? "it is defined differently" : "it is new";
    } else if (!saved) {
        ret->fate = SCHEMA_PARTLY;
        ret->reason = "its window is new, over panes that are not";
    } else {
        ret->fate = SCHEMA_KEPT;
        name_before(map, saved, now, feature, ret);
    }
}

/* It is told of under its name, or under one that computes the same. */
static bool is_told(const struct schema_map *map, const struct layout_view *view,
                    const struct layout_feature *saved)
{
    const struct layout_view *now = view->to == PLAN_NONE ? NULL : &map->now.views[view->to];

    for (uint32_t i = 0; now && i < now->feature_count; i++) {
        if (feature_from(map, view, &now->features[i]) == saved)
            return true;
    }
    return has_name(&map->now, view->name, saved->name);
}

static void tell_features(struct schema_map *map)
{
    uint32_t max = 0;

    for (uint32_t i = 0; i < map->now.view_count; i++)
        max += map->now.views[i].feature_count;
    for (uint32_t i = 0; i < map->saved.view_count; i++)
        max += map->saved.views[i].feature_count;
    map->features = plan_alloc_array(map->memory, max, sizeof(map->features[0]));
    for (uint32_t i = 0; i < map->now.view_count; i++) {
        for (uint32_t j = 0; j < map->now.views[i].feature_count; j++)
            tell_feature(map, i, j, &map->features[map->feature_count++]);
    }
    for (uint32_t i = 0; i < map->saved.view_count; i++) {
        const struct layout_view *view = &map->saved.views[i];

        for (uint32_t j = 0; j < view->feature_count; j++) {
            if (is_told(map, view, &view->features[j]))
                continue;
            map->features[map->feature_count++] = (struct schema_feature){
                .fate = SCHEMA_DROPPED,
                .view = view->name,
                .feature = view->features[j].name,
            };
        }
    }
}

/* ---- the map */

int schema_map_create(const struct plan *plan, uint32_t source, struct slice saved,
                      struct schema_map **ret, struct err *err)
{
    struct plan_memory *memory = plan_memory_create();
    struct schema_map *map = plan_alloc(memory, sizeof(*map));

    *map = (struct schema_map){.memory = memory};
    int rc = layout_read(saved, memory, &map->saved, err);

    if (rc < 0) {
        plan_memory_free(memory);
        return rc;
    }
    layout_of_plan(plan, source, memory, &map->now);
    if (is_same_source(map)) {
        map_panesets(map);
        map_views(map, true);
        map_views(map, false);
        map->saved.takes_ids = map->saved.dedup && map->now.dedup &&
                               strcmp(map->saved.dedup, map->now.dedup) == 0;
    }
    map->is_same = is_same(map);
    tell_features(map);
    *ret = map;
    return 0;
}

void schema_map_free(struct schema_map *map)
{
    if (map)
        plan_memory_free(map->memory);
}

bool schema_map_is_same(const struct schema_map *map)
{
    return map->is_same;
}

const struct layout *schema_map_layout(const struct schema_map *map)
{
    return &map->saved;
}

void schema_map_times(const struct schema_map *map, struct keyspace_times *times)
{
    int64_t more_ms = map->now.lateness_ms - map->saved.lateness_ms;

    if (more_ms > 0 && times->release_ms > WATERMARK_NONE)
        times->release_ms = MIN(times->release_ms, WATERMARK_END) + more_ms;
}

const struct schema_feature *schema_map_features(const struct schema_map *map, uint32_t *ret_count)
{
    *ret_count = map->feature_count;
    return map->features;
}

void schema_map_print(const struct schema_map *map, struct buf *out)
{
    static const char *const fates[] = {
        [SCHEMA_KEPT] = "kept",
        [SCHEMA_PARTLY] = "kept in part",
        [SCHEMA_EMPTY] = "starts empty",
        [SCHEMA_DROPPED] = "dropped",
    };

    for (uint32_t i = 0; i < map->feature_count; i++) {
        const struct schema_feature *feature = &map->features[i];

        buf_printf(out, "%s.%s: %s", feature->view, feature->feature, fates[feature->fate]);
        if (feature->before)
            buf_printf(out, ", it was %s", feature->before);
        if (feature->reason)
            buf_printf(out, ": %s", feature->reason);
        buf_append_char(out, '\n');
    }
}
