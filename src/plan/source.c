/* source - sources: their fields, entity, time and ids. */
#include <errno.h>

#include "plan/compile.h"
#include "plan/settings.h"
#include "plan/value.h"

#define FIELD_NAME_BYTES_MAX 128

static int find_field(const struct plan_source *source, struct slice name)
{
    for (uint32_t i = 0; i < source->field_count; i++) {
        if (slice_equal(slice_of(source->fields[i].name), name))
            return (int)i;
    }
    return PLAN_NONE;
}

int compile_field_named(struct compile *compile, int source, const struct tree_node *at,
                        const char *label)
{
    struct binder *binder = &compile->binder;
    struct spelling spelling;

    if (source == PLAN_NONE || !compile->sources[source].fields_known)
        return PLAN_NONE;
    const struct plan_source *declared = &compile->plan->sources[source];
    int field = find_field(declared, at->text);
    if (field != PLAN_NONE)
        return field;

    spelling_init(&spelling, at->text);
    for (uint32_t i = 0; i < declared->field_count; i++)
        spelling_offer(&spelling, slice_of(declared->fields[i].name));
    mistake(binder, at, "%s%ssource %s has no field %s%s", label ? label : "", label ? ": " : "",
            bind_label(binder, slice_of(declared->name)), bind_shown(binder, at),
            spelling_hint(&spelling, binder->scratch));
    spelling_done(&spelling);
    return PLAN_NONE;
}

bool compile_type_known(const struct compile *compile, int source, int field)
{
    return compile->sources[source].type_known[field];
}

const char *compile_type_text(struct compile *compile, const struct plan_field *field)
{
    const char *name = field_type_name(field->type);

    if (field->type == FIELD_DECIMAL)
        return plan_printf(compile->binder.scratch, "a %s(%u)", name, field->scale);
    return plan_printf(compile->binder.scratch, "%s %s", field->type == FIELD_INT64 ? "an" : "a",
                       name);
}

static int parse_value(const struct plan_field *field, struct slice text, struct field_value *value,
                       struct err *err)
{
    bool flag;
    int rc = 0;

    switch (field->type) {
    case FIELD_STRING:
        value->s = text.data;
        value->len = (uint32_t)text.len;
        break;
    case FIELD_INT64:
        rc = value_int64(text, &value->i, err);
        break;
    case FIELD_DOUBLE:
        rc = value_double(text, &value->d, err);
        break;
    case FIELD_DECIMAL:
        rc = value_decimal(text, field->scale, &value->i, err);
        break;
    case FIELD_BOOL:
        rc = value_bool(text, &flag, err);
        if (rc == 0)
            value->i = flag;
        break;
    case FIELD_TIMESTAMP:
        rc = value_time(text, &value->i, err);
        break;
    }
    value->present = rc == 0;
    return rc;
}

static bool is_null(const struct tree_node *node)
{
    return node->plain &&
           (node->text.len == 0 || tree_is_text(node, "~") || tree_is_text(node, "null"));
}

bool compile_value(struct compile *compile, const char *label, const struct plan_field *field,
                   const struct tree_node *node, struct field_value *ret)
{
    struct binder *binder = &compile->binder;
    struct field_value value = {0};
    struct err err;

    if (node->kind != TREE_SCALAR)
        return mistake(binder, node, "%s must be a single value, not a %s", label,
                       node->kind == TREE_MAPPING ? "mapping" : "list");
    if (is_null(node))
        return mistake(binder, node, "%s: null is not a value", label);
    if (!node->plain && field->type != FIELD_STRING && field->type != FIELD_TIMESTAMP)
        return mistake(binder, node, "%s: %s must stand without quotes", label,
                       bind_shown(binder, node));
    if (parse_value(field, node->text, &value, &err) < 0)
        return mistake(binder, node, "%s: %s %s", label, bind_shown(binder, node), err.text);
    if (field->type == FIELD_STRING)
        value.s = plan_text(binder->memory, node->text);
    *ret = value;
    return true;
}

/* The n of decimal(n). */
static bool read_scale(struct binder *binder, const struct tree_pair *pair, struct slice digits,
                       uint8_t *ret_scale)
{
    int64_t scale;

    if (value_int64(digits, &scale, NULL) < 0 || scale < 0 || scale > 18)
        return mistake(binder, pair->value, "%s: %s must have 0 to 18 digits, as in decimal(2)",
                       bind_label(binder, pair->key->text), bind_shown(binder, pair->value));
    *ret_scale = (uint8_t)scale;
    return true;
}

/* False, without a message, if there is no such type. */
static bool find_type(struct slice name, enum field_type *ret)
{
    for (int type = FIELD_STRING; type <= FIELD_TIMESTAMP; type++) {
        if (type != FIELD_DECIMAL && slice_equal(name, slice_of(field_type_name(type)))) {
            *ret = (enum field_type)type;
            return true;
        }
    }
    return false;
}

static bool read_type(struct binder *binder, const struct tree_pair *pair, struct plan_field *field)
{
    static const struct slice open = SLICE_LITERAL("decimal(");
    struct spelling spelling;

    if (!bind_scalar(binder, pair))
        return false;
    struct slice text = pair->value->text;
    if (text.len > open.len && memcmp(text.data, open.data, open.len) == 0 &&
        text.data[text.len - 1] == ')') {
        struct slice digits = {text.data + open.len, text.len - open.len - 1};

        field->type = FIELD_DECIMAL;
        return read_scale(binder, pair, digits, &field->scale);
    }
    if (find_type(text, &field->type))
        return true;
    spelling_init(&spelling, text);
    for (int type = FIELD_STRING; type <= FIELD_TIMESTAMP; type++)
        spelling_offer(&spelling, type == FIELD_DECIMAL ? SLICE_LITERAL("decimal(2)")
                                                        : slice_of(field_type_name(type)));
    mistake(binder, pair->value, "%s: unknown type %s%s", bind_label(binder, pair->key->text),
            bind_shown(binder, pair->value), spelling_hint(&spelling, binder->scratch));
    spelling_done(&spelling);
    return false;
}

static void read_field_name(struct compile *compile, const struct tree_node *key,
                            struct plan_field *field)
{
    struct binder *binder = &compile->binder;
    bool good = key->text.len > 0 && key->text.len <= FIELD_NAME_BYTES_MAX;

    for (size_t i = 0; i < key->text.len; i++)
        good &= (unsigned char)key->text.data[i] >= 0x20;
    if (!good)
        mistake(binder, key, "%s is not a name for a field: 1 to %d bytes, no control characters",
                bind_shown(binder, key), FIELD_NAME_BYTES_MAX);
    field->name = plan_text(binder->memory, key->text);
    struct slice *member = plan_alloc(binder->memory, sizeof(*member));
    *member = slice_of(field->name);
    field->path = (struct plan_path){member, 1};
}

/* `name: type`, or `name: {type, path, default, optional}`. Returns whether the type is known. */
static bool compile_field(struct compile *compile, const char *place, const struct tree_pair *pair,
                          struct plan_field *field)
{
    struct binder *binder = &compile->binder;

    read_field_name(compile, pair->key, field);
    if (pair->value->kind == TREE_SCALAR)
        return read_type(binder, pair, field);
    bind_section(
        binder, &settings_field,
        plan_printf(binder->scratch, "field %s of %s", bind_label(binder, pair->key->text), place),
        pair, field);
    const struct tree_pair *type = tree_find(pair->value, "type");
    const struct tree_pair *fallback = tree_find(pair->value, "default");
    if (!type || !read_type(binder, type, field))
        return false;
    if (fallback)
        compile_value(compile, "default", field, fallback->value, &field->fallback);
    return true;
}

static void compile_fields(struct compile *compile, const char *place, const struct tree_pair *pair,
                           struct source_notes *notes, struct plan_source *source)
{
    struct binder *binder = &compile->binder;

    if (!pair || !bind_mapping(binder, pair))
        return;
    const struct tree_node *node = pair->value;
    if (node->count > PLAN_FIELDS_MAX) {
        mistake(binder, pair->key, "%s has %u fields: at most %d", place, node->count,
                PLAN_FIELDS_MAX);
        return;
    }
    source->fields = plan_alloc_array(binder->memory, node->count, sizeof(source->fields[0]));
    source->field_count = node->count;
    notes->type_known = plan_alloc_array(binder->scratch, node->count, sizeof(bool));
    for (uint32_t i = 0; i < node->count; i++)
        notes->type_known[i] = compile_field(compile, place, &node->pairs[i], &source->fields[i]);
    notes->fields_known = true;
}

static void compile_entity(struct compile *compile, int number, const struct tree_pair *pair)
{
    struct binder *binder = &compile->binder;
    struct plan_source *source = &compile->plan->sources[number];

    source->entity = PLAN_NONE;
    if (!pair || !bind_scalar(binder, pair))
        return;
    int entity = compile_field_named(compile, number, pair->value, "entity");
    if (entity == PLAN_NONE || !compile_type_known(compile, number, entity))
        return;
    const struct plan_field *field = &source->fields[entity];
    if (field->type != FIELD_STRING && field->type != FIELD_INT64)
        mistake(binder, pair->value, "entity: %s is %s; an entity is a string or an int64",
                bind_shown(binder, pair->value), compile_type_text(compile, field));
    else
        source->entity = entity;
}

static void compile_time(struct compile *compile, const char *place, const struct tree_pair *pair,
                         struct plan_source *source)
{
    static const struct setting path = {.type = SETTING_PATH};
    struct binder *binder = &compile->binder;

    if (!pair)
        return;
    bind_section(binder, &settings_time, plan_printf(binder->scratch, "time of %s", place), pair,
                 source);
    const struct tree_pair *field = tree_find(pair->value, "field");
    if (!field || !bind_scalar(binder, field))
        return;
    int declared = find_field(source, field->value->text);
    if (declared != PLAN_NONE)
        source->time_path = source->fields[declared].path;
    else
        setting_read(binder, &path, field, &source->time_path);
}

static void compile_dedup(struct compile *compile, int number, const char *place,
                          const struct tree_pair *pair)
{
    struct binder *binder = &compile->binder;
    struct plan_source *source = &compile->plan->sources[number];

    source->dedup_field = PLAN_NONE;
    if (!pair)
        return;
    bind_section(binder, &settings_dedup, plan_printf(binder->scratch, "dedup of %s", place), pair,
                 source);
    const struct tree_pair *id = tree_find(pair->value, "field");
    if (!id || !bind_scalar(binder, id))
        return;
    int field = compile_field_named(compile, number, id->value, "field");
    if (field == PLAN_NONE || !compile_type_known(compile, number, field))
        return;
    const struct plan_field *declared = &source->fields[field];
    if (declared->type != FIELD_STRING && declared->type != FIELD_INT64)
        mistake(binder, id->value, "field: %s is %s; an event's id is a string or an int64",
                bind_shown(binder, id->value), compile_type_text(compile, declared));
    else
        source->dedup_field = field;
}

static void compile_source(struct compile *compile, int number, const struct tree_pair *pair)
{
    struct binder *binder = &compile->binder;
    struct plan_source *source = &compile->plan->sources[number];
    struct source_notes *notes = &compile->sources[number];
    const char *place = plan_printf(binder->scratch, "source %s",
                                    bind_label(binder, pair->key->text));

    notes->pair = pair;
    source->name = plan_text(binder->memory, pair->key->text);
    source->predicates = plan_alloc_array(binder->memory, PLAN_PREDICATES_MAX,
                                          sizeof(source->predicates[0]));
    bind_name(binder, pair->key, "source");
    bind_section(binder, &settings_source, place, pair, source);
    compile_fields(compile, place, tree_find(pair->value, "fields"), notes, source);
    compile_entity(compile, number, tree_find(pair->value, "entity"));
    compile_time(compile, place, tree_find(pair->value, "time"), source);
    compile_dedup(compile, number, place, tree_find(pair->value, "dedup"));
}

void compile_sources(struct compile *compile)
{
    struct binder *binder = &compile->binder;
    const struct tree_pair *pair = tree_find(compile->root, "sources");

    if (!pair || !bind_mapping(binder, pair))
        return;
    uint32_t count = pair->value->count;
    if (count > PLAN_SOURCES_MAX) {
        mistake(binder, pair->key, "%u sources are too many: at most %d", count, PLAN_SOURCES_MAX);
        return;
    }
    compile->plan->sources = plan_alloc_array(binder->memory, count,
                                              sizeof(compile->plan->sources[0]));
    compile->plan->source_count = count;
    compile->sources = plan_alloc_array(binder->scratch, count, sizeof(compile->sources[0]));
    for (uint32_t i = 0; i < count; i++)
        compile_source(compile, (int)i, &pair->value->pairs[i]);
}
