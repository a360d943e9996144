/* window - a view's window: lifetime, or a mapping whose one kind says what else belongs there. */
#include "plan/settings.h"

static const struct shape {
    const char *name;
    bool has_slide; /* takes every */
    bool aligned;   /* has bounds that an offset can move */
} shapes[] = {
    [WINDOW_TUMBLING] = {"tumbling", false, true},
    [WINDOW_SLIDING] = {"sliding", true, true},
    [WINDOW_SESSION] = {"session", false, false},
};

/* The one pair whose key is a kind of window; NULL after a mistake. */
static const struct tree_pair *find_kind_pair(struct binder *binder, const struct tree_pair *pair,
                                              enum window_kind *ret_kind)
{
    const struct tree_node *node = pair->value;
    const struct tree_pair *found = NULL;

    for (uint32_t i = 0; i < node->count; i++) {
        for (size_t kind = 0; kind < ARRAY_LEN(shapes); kind++) {
            const struct tree_pair *candidate = &node->pairs[i];

            if (!tree_is_text(candidate->key, shapes[kind].name))
                continue;
            if (found) {
                mistake(binder, candidate->key, "a window has one kind; %s and %s are two",
                        shapes[*ret_kind].name, shapes[kind].name);
                return NULL;
            }
            found = candidate;
            *ret_kind = (enum window_kind)kind;
        }
    }
    if (!found)
        mistake(binder, pair->key, "window is neither tumbling nor sliding nor session");
    return found;
}

static bool misplaced(struct binder *binder, const struct tree_pair *pair, const char *shape)
{
    return mistake(binder, pair->key, "%s does not belong to a %s window",
                   bind_label(binder, pair->key->text), shape);
}

static bool compile_slides(struct binder *binder, const struct tree_pair *kind,
                           const struct tree_pair *every, const struct window_setting *window,
                           struct plan_view *view)
{
    bool tumbling = view->window == WINDOW_TUMBLING;

    view->size_ms = tumbling ? window->tumbling_ms : window->sliding_ms;
    view->slide_ms = tumbling ? window->tumbling_ms : window->every_ms;
    if (view->size_ms % view->slide_ms != 0)
        return mistake(binder, kind->value, "sliding: %s is not a multiple of every, %s",
                       bind_shown(binder, kind->value), bind_shown(binder, every->value));
    view->panes = view->size_ms / view->slide_ms;
    if (view->panes > PLAN_SLIDES_MAX)
        return mistake(binder, kind->value, "sliding: %lld times every is too much: at most %d",
                       (long long)view->panes, PLAN_SLIDES_MAX);
    /* A bound is at a multiple of the slide plus offset, so only the rest counts. */
    view->offset_ms = window->offset_ms % view->slide_ms;
    if (view->offset_ms < 0)
        view->offset_ms += view->slide_ms;
    return true;
}

/* What a window needs beyond the bounds of its settings. */
static bool compile_window(struct binder *binder, const struct tree_pair *pair,
                           const struct window_setting *window, struct plan_view *view)
{
    const struct tree_pair *every = tree_find(pair->value, "every");
    const struct tree_pair *offset = tree_find(pair->value, "offset");
    const struct tree_pair *kind = find_kind_pair(binder, pair, &view->window);
    bool good = kind != NULL;

    if (!good)
        return false;
    const struct shape *shape = &shapes[view->window];
    if (every && !shape->has_slide)
        good = misplaced(binder, every, shape->name);
    if (offset && !shape->aligned)
        good = misplaced(binder, offset, shape->name);
    if (!every && shape->has_slide)
        good = mistake(binder, kind->key, "a sliding window has no every, its slide");
    if (!good)
        return false;
    if (view->window == WINDOW_SESSION) {
        view->gap_ms = window->session_ms;
        return true;
    }
    return compile_slides(binder, kind, every, window, view);
}

static bool read_lifetime(struct binder *binder, const struct tree_pair *pair,
                          struct plan_view *view)
{
    struct spelling spelling;

    if (tree_is_text(pair->value, "lifetime")) {
        view->window = WINDOW_LIFETIME;
        return true;
    }
    spelling_init(&spelling, pair->value->text);
    spelling_offer(&spelling, SLICE_LITERAL("lifetime"));
    if (spelling.best.data)
        mistake(binder, pair->value, "window: unknown value %s%s", bind_shown(binder, pair->value),
                spelling_hint(&spelling, binder->scratch));
    else
        mistake(binder, pair->value,
                "window must be lifetime, or a mapping such as {tumbling: 24h}, {sliding: 1h, "
                "every: 10m} or {session: 30m}");
    spelling_done(&spelling);
    return false;
}

bool setting_read_window(struct binder *binder, const struct setting *setting,
                         const struct tree_pair *pair, void *to)
{
    struct window_setting window = {0};
    const char *place = plan_printf(binder->scratch, "window of %s", binder->place);

    if (pair->value->kind != TREE_MAPPING)
        return read_lifetime(binder, pair, to);
    return bind_section(binder, setting->section, place, pair, &window) &&
           compile_window(binder, pair, &window, to);
}
