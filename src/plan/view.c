/* view - views: their source, condition and features. */
#include "plan/compile.h"
#include "plan/settings.h"

struct kind_row {
    const char *name;
    unsigned takes;
};

static const struct kind_row kinds[FEATURE_KIND_COUNT] = {
#define X(enumerator, spelled, takes) [enumerator] = {spelled, takes},
    FEATURE_KINDS(X)
#undef X
};

const char *feature_kind_name(enum feature_kind kind)
{
    return kinds[kind].name;
}

static bool find_kind(const struct tree_node *key, enum feature_kind *ret)
{
    for (int kind = 0; kind < FEATURE_KIND_COUNT; kind++) {
        if (tree_is_text(key, kinds[kind].name)) {
            *ret = (enum feature_kind)kind;
            return true;
        }
    }
    return false;
}

/* The one pair of a feature whose key is a kind; NULL after a mistake. `bound`: the rest of the
 * feature was read without one, so a missing kind is not just an unknown key. */
static const struct tree_pair *find_kind_pair(struct compile *compile, const char *place,
                                              const struct tree_pair *pair, bool bound,
                                              enum feature_kind *ret_kind)
{
    struct binder *binder = &compile->binder;
    const struct tree_pair *found = NULL;
    struct spelling kinds_known;

    if (pair->value->kind != TREE_MAPPING)
        return NULL; /* which bind_section has reported */
    for (uint32_t i = 0; i < pair->value->count; i++) {
        const struct tree_pair *candidate = &pair->value->pairs[i];
        enum feature_kind kind;

        if (!find_kind(candidate->key, &kind))
            continue;
        if (found) {
            mistake(binder, candidate->key, "a feature has one kind; %s and %s are two",
                    kinds[*ret_kind].name, kinds[kind].name);
            return NULL;
        }
        found = candidate;
        *ret_kind = kind;
    }
    if (found || !bound)
        return found;
    spelling_init(&kinds_known, SLICE_LITERAL(""));
    for (int kind = 0; kind < FEATURE_KIND_COUNT; kind++)
        spelling_offer(&kinds_known, slice_of(kinds[kind].name));
    mistake(binder, pair->key, "%s has no kind%s", place,
            spelling_hint(&kinds_known, binder->scratch));
    spelling_done(&kinds_known);
    return NULL;
}

/* Options that only other kinds take. An option that several of them take gives equal messages, of
 * which one stands. */
static void check_options(struct compile *compile, const struct tree_node *node,
                          enum feature_kind kind)
{
    const char *takes = NULL;
    unsigned bit = 1u << kind;

    for (uint32_t i = 0; i < settings_option.count; i++) {
        if (settings_option.settings[i].kinds & bit)
            takes = settings_option.settings[i].name; /* a kind has one at most */
    }
    for (uint32_t i = 0; i < settings_option.count; i++) {
        const struct setting *option = &settings_option.settings[i];
        const struct tree_pair *written = tree_find(node, option->name);

        if (written && (!takes || strcmp(option->name, takes) != 0))
            mistake(&compile->binder, written->key, "%s does not belong to %s%s%s", option->name,
                    kinds[kind].name, takes ? ", which takes " : "", takes ? takes : "");
    }
}

/* What the kind takes besides its field. */
static void compile_options(struct compile *compile, const struct tree_node *node,
                            const struct tree_node *kind_key, struct plan_feature *feature)
{
    struct binder *binder = &compile->binder;

    for (uint32_t i = 0; i < settings_option.count; i++) {
        const struct setting *option = &settings_option.settings[i];
        const struct tree_pair *written = tree_find(node, option->name);

        if (!(option->kinds & 1u << feature->kind))
            continue;
        if (written)
            setting_read(binder, option, written, (char *)feature + option->offset);
        else if (option->required)
            mistake(binder, kind_key, "%s has no %s, a %s from %lld to %lld",
                    kinds[feature->kind].name, option->name, setting_type_name(option->type),
                    (long long)option->min, (long long)option->max);
        else
            setting_store_default(binder, option, feature);
    }
    check_options(compile, node, feature->kind);
}

static void check_type(struct compile *compile, const struct tree_node *at, enum feature_kind kind,
                       const struct plan_field *field)
{
    bool number = field->type == FIELD_INT64 || field->type == FIELD_DOUBLE ||
                  field->type == FIELD_DECIMAL;
    const char *need = NULL;

    if ((kinds[kind].takes & NEEDS_NUMBER) && !number)
        need = "a number";
    if ((kinds[kind].takes & NEEDS_ORDER) && !number && field->type != FIELD_TIMESTAMP)
        need = "a number or a timestamp";
    if (need)
        mistake(&compile->binder, at, "%s needs %s; %s is %s", kinds[kind].name, need,
                bind_shown(&compile->binder, at), compile_type_text(compile, field));
}

/* What stands behind the kind: `true` or a field. */
static void compile_operand(struct compile *compile, int source, const struct tree_pair *pair,
                            struct plan_feature *feature)
{
    struct binder *binder = &compile->binder;
    const struct tree_node *operand = pair->value;
    const struct kind_row *kind = &kinds[feature->kind];
    bool takes_true = (kind->takes & TAKES_TRUE) != 0;
    bool takes_field = (kind->takes & TAKES_FIELD) != 0;

    feature->field = PLAN_NONE;
    feature->field_type = FIELD_INT64;
    if (!bind_scalar(binder, pair))
        return;
    if (takes_true && operand->plain && tree_is_text(operand, "true"))
        return;
    if (!takes_field || (takes_true && operand->plain && tree_is_text(operand, "false"))) {
        mistake(binder, operand, "%s takes true%s", kind->name,
                takes_field ? " or a field" : ", without quotes, and no field");
        return;
    }
    int field = compile_field_named(compile, source, operand, kind->name);
    if (field == PLAN_NONE || !compile_type_known(compile, source, field))
        return;
    const struct plan_field *declared = &compile->plan->sources[source].fields[field];
    feature->field = field;
    feature->field_type = declared->type;
    feature->scale = declared->scale;
    check_type(compile, operand, feature->kind, declared);
}

static void compile_feature(struct compile *compile, const struct plan_view *view,
                            const char *view_place, const struct tree_pair *pair,
                            struct plan_feature *feature)
{
    struct binder *binder = &compile->binder;
    const struct tree_pair *where = tree_find(pair->value, "where");
    const char *place = plan_printf(binder->scratch, "feature %s of %s",
                                    bind_label(binder, pair->key->text), view_place);

    feature->name = plan_text(binder->memory, pair->key->text);
    feature->predicate = PLAN_NONE;
    bind_name(binder, pair->key, "feature");
    bool bound = bind_section(binder, &settings_feature, place, pair, feature);
    const struct tree_pair *kind = find_kind_pair(compile, place, pair, bound, &feature->kind);
    if (kind) {
        compile_options(compile, pair->value, kind->key, feature);
        compile_operand(compile, view->source, kind, feature);
    }
    if (where)
        feature->predicate = compile_condition(compile, view->source, where);
}

static void compile_features(struct compile *compile, struct plan_view *view, const char *place,
                             const struct tree_pair *pair)
{
    struct binder *binder = &compile->binder;

    if (!pair || !bind_mapping(binder, pair))
        return;
    const struct tree_node *node = pair->value;
    if (node->count > PLAN_FEATURES_MAX) {
        mistake(binder, pair->key, "%s has %u features: at most %d", place, node->count,
                PLAN_FEATURES_MAX);
        return;
    }
    view->features = plan_alloc_array(binder->memory, node->count, sizeof(view->features[0]));
    view->feature_count = node->count;
    for (uint32_t i = 0; i < node->count; i++)
        compile_feature(compile, view, place, &node->pairs[i], &view->features[i]);
}

static int find_source(struct compile *compile, const struct tree_pair *pair)
{
    struct binder *binder = &compile->binder;
    struct plan *plan = compile->plan;
    struct spelling spelling;

    if (!pair || !bind_scalar(binder, pair) || plan->source_count == 0)
        return PLAN_NONE;
    spelling_init(&spelling, pair->value->text);
    int found = PLAN_NONE;
    for (uint32_t i = 0; i < plan->source_count && found == PLAN_NONE; i++) {
        if (tree_is_text(pair->value, plan->sources[i].name))
            found = (int)i;
        spelling_offer(&spelling, slice_of(plan->sources[i].name));
    }
    if (found == PLAN_NONE)
        mistake(binder, pair->value, "source: there is no source %s%s",
                bind_shown(binder, pair->value), spelling_hint(&spelling, binder->scratch));
    spelling_done(&spelling);
    return found;
}

/* A lifetime never closes. */
static void check_emission(struct compile *compile, const struct tree_pair *pair,
                           const struct plan_view *view)
{
    const struct tree_pair *window = tree_find(pair->value, "window");
    const struct tree_pair *emit = tree_find(pair->value, "emit");

    if (view->window != WINDOW_LIFETIME || view->on_update)
        return;
    if (!emit)
        mistake(&compile->binder, window->value,
                "window: lifetime has no end to wait for; add emit: on_update");
    else if (tree_is_text(emit->value, "on_close"))
        mistake(&compile->binder, emit->value,
                "emit: a lifetime has no end to wait for; it needs on_update");
}

static void compile_view(struct compile *compile, uint32_t number, const struct tree_pair *pair)
{
    struct binder *binder = &compile->binder;
    struct plan_view *view = &compile->plan->views[number];
    const struct tree_pair *where = tree_find(pair->value, "where");
    const char *place = plan_printf(binder->scratch, "view %s",
                                    bind_label(binder, pair->key->text));

    view->name = plan_text(binder->memory, pair->key->text);
    view->number = number;
    view->predicate = PLAN_NONE;
    bind_name(binder, pair->key, "view");
    bind_section(binder, &settings_view, place, pair, view);
    check_emission(compile, pair, view);
    view->source = find_source(compile, tree_find(pair->value, "source"));
    if (view->source != PLAN_NONE)
        compile->plan->sources[view->source].view_count++;
    if (where)
        view->predicate = compile_condition(compile, view->source, where);
    compile_features(compile, view, place, tree_find(pair->value, "features"));
}

/* Every source's views, in the order of the file. */
static void collect_views(struct compile *compile)
{
    struct plan *plan = compile->plan;

    for (uint32_t i = 0; i < plan->source_count; i++) {
        struct plan_source *source = &plan->sources[i];

        source->views = plan_alloc_array(compile->binder.memory, source->view_count,
                                         sizeof(source->views[0]));
        source->view_count = 0;
    }
    for (uint32_t i = 0; i < plan->view_count; i++) {
        if (plan->views[i].source == PLAN_NONE)
            continue;
        struct plan_source *source = &plan->sources[plan->views[i].source];

        source->views[source->view_count++] = (int)i;
    }
}

void compile_views(struct compile *compile)
{
    struct binder *binder = &compile->binder;
    const struct tree_pair *pair = tree_find(compile->root, "views");

    if (!pair || !bind_mapping(binder, pair))
        return;
    uint32_t count = pair->value->count;
    if (count > PLAN_VIEWS_MAX) {
        mistake(binder, pair->key, "%u views are too many: at most %d", count, PLAN_VIEWS_MAX);
        return;
    }
    compile->plan->views = plan_alloc_array(binder->memory, count, sizeof(compile->plan->views[0]));
    compile->plan->view_count = count;
    compile->views = plan_alloc_array(binder->scratch, count, sizeof(compile->views[0]));
    for (uint32_t i = 0; i < count; i++) {
        compile->views[i] = &pair->value->pairs[i];
        compile_view(compile, i, compile->views[i]);
    }
    collect_views(compile);
}
