/* check - what only shows when sources, views and Redis are seen together. */
#include "plan/compile.h"

/* The part of the file where a setting of a source stands: its value, or else the source's name. */
static const struct tree_node *place_of(const struct tree_pair *section, const char *name)
{
    const struct tree_pair *pair = tree_find(section->value, name);

    return pair ? pair->value : section->key;
}

/* The entity's field of a source, or NULL if that was reported as wrong. */
static const char *entity_name(const struct plan_source *source)
{
    return source->entity == PLAN_NONE ? NULL : source->fields[source->entity].name;
}

/* "features:user:" and "" for user_id. */
static struct plan_key_template default_template(struct plan_memory *memory, const char *entity)
{
    struct slice about = slice_of(entity);
    static const struct slice end = SLICE_LITERAL("_id");

    if (about.len > end.len && memcmp(about.data + about.len - end.len, end.data, end.len) == 0)
        about.len -= end.len;
    const char *before = plan_printf(memory, "features:%.*s:", SLICE_ARGS(about));
    return (struct plan_key_template){slice_of(before), SLICE_LITERAL("")};
}

/* Splits the key at its one {field}. */
static bool split_key(struct slice key, struct plan_key_template *ret, struct slice *ret_field)
{
    const char *open = memchr(key.data, '{', key.len);
    const char *close = open ? memchr(open, '}', key.len - (size_t)(open - key.data)) : NULL;

    if (!close || close == open + 1)
        return false;
    ret->before = (struct slice){key.data, (size_t)(open - key.data)};
    ret->after = (struct slice){close + 1, key.len - ret->before.len - (size_t)(close + 1 - open)};
    *ret_field = (struct slice){open + 1, (size_t)(close - open - 1)};
    return !memchr(ret->before.data, '}', ret->before.len) &&
           !memchr(ret_field->data, '{', ret_field->len) &&
           !memchr(ret->after.data, '{', ret->after.len) &&
           !memchr(ret->after.data, '}', ret->after.len);
}

/* The key as written, for every source. */
static void compile_written_key(struct compile *compile, const struct tree_node *at)
{
    struct binder *binder = &compile->binder;
    struct plan *plan = compile->plan;
    struct plan_key_template template;
    struct slice field;

    if (!split_key(slice_of(plan->redis.key), &template, &field)) {
        mistake(binder, at, "key: %s must name the entity once: user:{user_id}",
                bind_shown(binder, at));
        return;
    }
    for (uint32_t i = 0; i < plan->source_count; i++) {
        const struct plan_source *source = &plan->sources[i];
        const char *entity = entity_name(source);

        plan->redis.key_templates[i] = template;
        if (entity && source->view_count > 0 && !slice_equal(slice_of(entity), field))
            mistake(binder, at, "key: {%s} is not the entity of source %s, which is %s",
                    bind_label(binder, field), bind_label(binder, slice_of(source->name)),
                    bind_label(binder, slice_of(entity)));
    }
}

static void compile_default_keys(struct compile *compile)
{
    struct plan *plan = compile->plan;
    struct plan_memory *memory = compile->binder.memory;

    for (uint32_t i = 0; i < plan->source_count; i++) {
        const char *entity = entity_name(&plan->sources[i]);
        struct plan_key_template *template = &plan->redis.key_templates[i];

        if (!entity)
            continue;
        *template = default_template(memory, entity);
        if (!plan->redis.key)
            plan->redis.key = plan_printf(memory, "%.*s{%s}", SLICE_ARGS(template->before), entity);
    }
}

void compile_keys(struct compile *compile)
{
    struct plan *plan = compile->plan;
    const struct tree_pair *redis = tree_find(compile->root, "redis");
    const struct tree_pair *key = redis ? tree_find(redis->value, "key") : NULL;

    plan->redis.present = redis != NULL;
    if (!redis)
        return;
    plan->redis.key_templates = plan_alloc_array(compile->binder.memory, plan->source_count,
                                                 sizeof(plan->redis.key_templates[0]));
    if (plan->redis.key)
        compile_written_key(compile, key->value);
    else if (!key)
        compile_default_keys(compile);
}

static int find_topic(const struct plan *plan, const char *topic)
{
    for (uint32_t i = 0; i < plan->source_count; i++) {
        if (plan->sources[i].topic && strcmp(plan->sources[i].topic, topic) == 0)
            return (int)i;
    }
    return PLAN_NONE;
}

static void check_written_topic(struct compile *compile, uint32_t number, const char *setting,
                                const char *topic)
{
    const struct tree_pair *pair = compile->sources[number].pair;
    int source = topic ? find_topic(compile->plan, topic) : PLAN_NONE;

    if (source != PLAN_NONE)
        mistake(&compile->binder, place_of(pair, setting),
                "%s: %s is the topic of source %s; a pipeline must not read what it writes",
                setting, topic,
                bind_label(&compile->binder, compile->sources[source].pair->key->text));
}

/* Who writes dead letters or late events to the topic: "dead_letter_topic of source s", or NULL. */
static const char *side_topic_owner(struct compile *compile, const char *topic)
{
    const struct plan *plan = compile->plan;

    for (uint32_t i = 0; i < plan->source_count; i++) {
        const struct plan_source *source = &plan->sources[i];
        bool late = source->late_topic && strcmp(source->late_topic, topic) == 0;

        if (late || (source->dead_letter_topic && strcmp(source->dead_letter_topic, topic) == 0))
            return plan_printf(compile->binder.scratch, "%s of source %s",
                               late ? "late_topic" : "dead_letter_topic",
                               bind_label(&compile->binder, compile->sources[i].pair->key->text));
    }
    return NULL;
}

static void check_feature_topic(struct compile *compile)
{
    const char *topic = compile->plan->feature_topic.name;
    const struct tree_node *at;

    if (!topic)
        return;
    at = tree_find(tree_find(tree_find(compile->root, "outputs")->value, "kafka")->value, "topic")
             ->value;
    int source = find_topic(compile->plan, topic);
    const char *owner = side_topic_owner(compile, topic);
    if (source != PLAN_NONE)
        mistake(&compile->binder, at,
                "topic: %s is the topic of source %s; a pipeline must not read what it writes",
                topic, bind_label(&compile->binder, compile->sources[source].pair->key->text));
    else if (owner)
        mistake(&compile->binder, at, "topic: %s is the %s; rows need a topic of their own", topic,
                owner);
}

void check_topics(struct compile *compile)
{
    const struct plan *plan = compile->plan;

    for (uint32_t i = 0; i < plan->source_count; i++) {
        const struct plan_source *source = &plan->sources[i];
        const struct tree_pair *pair = compile->sources[i].pair;
        int first = source->topic ? find_topic(plan, source->topic) : PLAN_NONE;

        if (first != PLAN_NONE && (uint32_t)first < i)
            mistake(&compile->binder, place_of(pair, "topic"),
                    "topic: %s is read by source %s already; two sources of one topic are not "
                    "supported by this version yet",
                    source->topic,
                    bind_label(&compile->binder, compile->sources[first].pair->key->text));
        check_written_topic(compile, i, "late_topic", source->late_topic);
        check_written_topic(compile, i, "dead_letter_topic", source->dead_letter_topic);
    }
    check_feature_topic(compile);
}

void check_unused_sources(struct compile *compile)
{
    const struct plan *plan = compile->plan;

    if (plan->view_count == 0)
        return;
    for (uint32_t i = 0; i < plan->view_count; i++) {
        if (plan->views[i].source == PLAN_NONE)
            return; /* it may be the one that is missing a view */
    }
    for (uint32_t i = 0; i < plan->source_count; i++) {
        const struct tree_pair *pair = compile->sources[i].pair;

        if (plan->sources[i].view_count == 0)
            mistake(&compile->binder, pair->key, "source %s has no view",
                    bind_label(&compile->binder, pair->key->text));
    }
}

/* A field of an entity's Redis hash, and who writes it. */
struct hash_field {
    const char *entity;
    const char *name;
    const struct tree_node *at; /* the feature, or the view */
    const char *view;
    bool metadata;
};

static int compare_hash_fields(const void *left, const void *right)
{
    const struct hash_field *a = left;
    const struct hash_field *b = right;
    int order = strcmp(a->entity, b->entity);

    if (order == 0)
        order = strcmp(a->name, b->name);
    if (order == 0)
        order = (int)a->metadata - (int)b->metadata;
    if (order == 0)
        order = (a->at->line > b->at->line) - (a->at->line < b->at->line);
    if (order == 0)
        order = (a->at->column > b->at->column) - (a->at->column < b->at->column);
    return order;
}

/* What makes two sources' entities the same: equal Redis keys, or without Redis the field's name.
 */
static const char *entity_identity(struct compile *compile, int number)
{
    const struct plan *plan = compile->plan;
    const char *name = entity_name(&plan->sources[number]);

    if (!name || !plan->redis.present || !plan->redis.key_templates[number].before.data)
        return name;
    return plan_printf(compile->binder.scratch, "%.*s{}%.*s",
                       SLICE_ARGS(plan->redis.key_templates[number].before),
                       SLICE_ARGS(plan->redis.key_templates[number].after));
}

static uint32_t list_hash_fields(struct compile *compile, uint32_t view_number,
                                 struct hash_field *fields)
{
    static const char *const metadata[] = {"window_end", "computed_at"};
    const struct plan_view *view = &compile->plan->views[view_number];
    const struct tree_pair *pair = compile->views[view_number];
    const struct tree_pair *features = tree_find(pair->value, "features");
    const char *entity = view->source == PLAN_NONE ? NULL : entity_identity(compile, view->source);
    uint32_t count = 0;

    if (!entity)
        return 0;
    for (uint32_t i = 0; i < view->feature_count; i++)
        fields[count++] = (struct hash_field){entity, view->features[i].name,
                                              features->value->pairs[i].key, view->name, false};
    for (size_t i = 0; i < ARRAY_LEN(metadata) && compile->plan->redis.metadata; i++)
        fields[count++] = (struct hash_field){
            entity, plan_printf(compile->binder.scratch, "%s.%s", view->name, metadata[i]),
            pair->key, view->name, true};
    return count;
}

/* `field` comes after `first` in the order of compare_hash_fields; at least one is a feature. */
static void report_twice(struct compile *compile, const struct hash_field *first,
                         const struct hash_field *field)
{
    struct binder *binder = &compile->binder;
    const char *other = bind_label(binder, slice_of(field->metadata ? field->view : first->view));

    if (field->metadata)
        mistake(binder, first->at,
                "feature %s has the name of a field that view %s (at %u:%u) writes beside its "
                "features",
                bind_label(binder, slice_of(first->name)), other, field->at->line,
                field->at->column);
    else
        mistake(binder, field->at,
                "feature %s is in view %s too, at %u:%u; an entity has each feature once",
                bind_label(binder, slice_of(field->name)), other, first->at->line,
                first->at->column);
}

void check_feature_names(struct compile *compile)
{
    const struct plan *plan = compile->plan;
    uint32_t count = 0;

    for (uint32_t i = 0; i < plan->view_count; i++)
        count += plan->views[i].feature_count + 2;
    struct hash_field *fields = plan_alloc_array(compile->binder.scratch, count, sizeof(fields[0]));
    count = 0;
    for (uint32_t i = 0; i < plan->view_count; i++)
        count += list_hash_fields(compile, i, fields + count);
    if (count)
        qsort(fields, count, sizeof(fields[0]), compare_hash_fields);

    uint32_t first = 0;
    for (uint32_t i = 1; i < count; i++) {
        if (strcmp(fields[first].entity, fields[i].entity) != 0 ||
            strcmp(fields[first].name, fields[i].name) != 0)
            first = i;
        else
            report_twice(compile, &fields[first], &fields[i]);
    }
}
