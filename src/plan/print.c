/* print - the plan as `freshet check` shows it: what was understood, and what is shared. */
#include "base/text.h"
#include "plan/compile.h"
#include "plan/value.h"

#define LABEL_WIDTH 14

/* "  label         " and what follows it on the line is up to the caller. */
static void label(struct buf *out, const char *text)
{
    buf_printf(out, "  %-*s", LABEL_WIDTH, text);
}

static void print_setting(struct buf *out, const char *name, const char *value)
{
    label(out, name);
    buf_printf(out, "%s\n", value);
}

static void print_path(struct buf *out, const struct plan_path *path)
{
    for (uint32_t i = 0; i < path->count; i++)
        buf_printf(out, "%s%.*s", i ? "." : "", SLICE_ARGS(path->members[i]));
}

static void print_type(struct buf *out, enum field_type type, unsigned scale)
{
    buf_printf(out, "%s", field_type_name(type));
    if (type == FIELD_DECIMAL)
        buf_printf(out, "(%u)", scale);
}

void plan_print_value(struct buf *out, const struct plan_field *field,
                      const struct field_value *value)
{
    switch (field->type) {
    case FIELD_STRING:
        text_json_string(out, (struct slice){value->s, value->len});
        break;
    case FIELD_INT64:
        out->len += text_int64(buf_reserve(out, TEXT_INT64_MAX), value->i);
        break;
    case FIELD_DOUBLE:
        out->len += text_double(buf_reserve(out, TEXT_DOUBLE_MAX), value->d);
        break;
    case FIELD_DECIMAL:
        out->len += text_decimal(buf_reserve(out, TEXT_DECIMAL_MAX), value->i, field->scale);
        break;
    case FIELD_BOOL:
        buf_printf(out, "%s", value->i ? "true" : "false");
        break;
    case FIELD_TIMESTAMP:
        value_print_time(out, value->i);
        break;
    }
}

static int name_width(int width, const char *name)
{
    return MAX(width, (int)strlen(name));
}

static void print_kafka(struct buf *out, const struct plan_kafka *kafka)
{
    buf_printf(out, "\nkafka\n");
    print_setting(out, "brokers", kafka->brokers);
    print_setting(out, "group", kafka->group);
    if (kafka->property_count == 0)
        return;
    label(out, "properties"); /* without their values: some are passwords */
    for (uint32_t i = 0; i < kafka->property_count; i++)
        buf_printf(out, "%s%s", i ? ", " : "", kafka->properties[i].name);
    buf_append_char(out, '\n');
}

static void print_redis(struct buf *out, const struct plan_redis *redis)
{
    if (!redis->present)
        return;
    buf_printf(out, "\nredis\n");
    print_setting(out, "url", redis->url_text);
    label(out, "expiry");
    if (redis->ttl_ms)
        value_print_duration(out, redis->ttl_ms);
    buf_printf(out, "%s\n", redis->ttl_ms ? " after the last write" : "never");
    label(out, "connections");
    buf_printf(out, "%u per shard, linger ", redis->connections);
    value_print_duration(out, redis->linger_ms);
    buf_append_char(out, '\n');
    print_setting(out, "metadata",
                  redis->metadata ? "<view>.window_end and <view>.computed_at" : "none");
}

static void print_start(struct buf *out, const struct plan_source *source)
{
    switch (source->start) {
    case START_EARLIEST:
        buf_printf(out, "the earliest record");
        break;
    case START_LATEST:
        buf_printf(out, "the latest record");
        break;
    case START_TIMESTAMP:
        value_print_time(out, source->start_ms);
        break;
    }
}

static bool has_lifetime(const struct plan_source *source)
{
    for (uint32_t i = 0; i < source->paneset_count; i++) {
        if (source->panesets[i].kind == PANES_LIFETIME)
            return true;
    }
    return false;
}

static void print_late_events(struct buf *out, const struct plan_source *source)
{
    label(out, "late events");
    buf_printf(out, "taken until ");
    value_print_duration(out, source->allowed_lateness_ms);
    buf_printf(out, " after a window's end, then ");
    if (has_lifetime(source))
        buf_printf(out, "by lifetime views alone\n");
    else if (source->late_topic)
        buf_printf(out, "to %s\n", source->late_topic);
    else
        buf_printf(out, "only counted\n");
}

static void print_dedup(struct buf *out, const struct plan_source *source)
{
    if (source->dedup_field == PLAN_NONE)
        return;
    label(out, "dedup");
    buf_printf(out, "by %s: the same key and id within ", source->fields[source->dedup_field].name);
    value_print_duration(out, source->dedup_within_ms);
    buf_printf(out, " is dropped\n");
}

static void print_time_rules(struct buf *out, const struct plan_source *source)
{
    static const char *const units[] = {
        [TIME_MS] = "ms", [TIME_S] = "s", [TIME_US] = "us", [TIME_ISO8601] = "iso8601"};

    label(out, "time");
    print_path(out, &source->time_path);
    buf_printf(out, ", %s\n", units[source->time_unit]);
    label(out, "watermark");
    buf_printf(out, "a partition's newest event time - ");
    value_print_duration(out, source->out_of_orderness_ms);
    buf_printf(out, ", idle after ");
    value_print_duration(out, source->idle_after_ms);
    buf_append_char(out, '\n');
    print_late_events(out, source);
    print_dedup(out, source);
    label(out, "dead letters");
    buf_printf(out, "%s%s; more than ", source->dead_letter_topic ? "to " : "",
               source->dead_letter_topic ? source->dead_letter_topic : "counted and logged");
    value_print_duration(out, source->max_future_ms);
    buf_printf(out, " ahead of its Kafka timestamp is one\n");
}

/* True if the path is the name itself. */
static bool is_own_path(const struct plan_field *field)
{
    return field->path.count == 1 && slice_equal(field->path.members[0], slice_of(field->name));
}

static void print_fields(struct buf *out, const struct plan_source *source)
{
    int width = 0;

    for (uint32_t i = 0; i < source->field_count; i++)
        width = name_width(width, source->fields[i].name);
    buf_printf(out, "  fields\n");
    for (uint32_t i = 0; i < source->field_count; i++) {
        const struct plan_field *field = &source->fields[i];

        buf_printf(out, "    %-*s  ", width, field->name);
        print_type(out, field->type, field->scale);
        if (!is_own_path(field)) {
            buf_printf(out, ", at ");
            print_path(out, &field->path);
        }
        if (field->fallback.present) {
            buf_printf(out, ", default ");
            plan_print_value(out, field, &field->fallback);
        } else if (field->optional) {
            buf_printf(out, ", optional");
        }
        buf_append_char(out, '\n');
    }
}

static void print_where(struct buf *out, const struct plan_source *source, int predicate)
{
    if (predicate != PLAN_NONE)
        buf_printf(out, " where %s", source->predicates[predicate].text);
}

static void print_sharers(struct buf *out, const struct plan *plan,
                          const struct plan_source *source, int paneset)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < source->view_count; i++)
        count += plan->views[source->views[i]].paneset == paneset;
    const char *before = count > 1 ? "shared by " : "of ";
    for (uint32_t i = 0; i < source->view_count; i++) {
        const struct plan_view *view = &plan->views[source->views[i]];

        if (view->paneset == paneset) {
            buf_printf(out, "%s%s", before, view->name);
            before = ", ";
        }
    }
}

static void print_pane_kind(struct buf *out, const struct plan_paneset *paneset)
{
    switch (paneset->kind) {
    case PANES_SLIDES:
        buf_printf(out, "panes of ");
        value_print_duration(out, paneset->slide_ms);
        if (paneset->offset_ms) {
            buf_printf(out, ", offset ");
            value_print_duration(out, paneset->offset_ms);
        }
        break;
    case PANES_SESSIONS:
        buf_printf(out, "sessions, gap ");
        value_print_duration(out, paneset->gap_ms);
        break;
    case PANES_LIFETIME:
        buf_printf(out, "lifetime");
        break;
    }
}

/* Cells that are pointers: what they point to comes on top of the bytes of a pane. */
static bool keeps_values(enum cell_kind kind)
{
    switch (kind) {
    case CELL_DISTINCT:
    case CELL_HISTOGRAM:
    case CELL_FIRST:
    case CELL_LAST:
    case CELL_TOP:
    case CELL_QUANTILE:
        return true;
    default:
        return false;
    }
}

/* The kinds of features, as bits, that keep values beside the paneset's bytes. */
static unsigned kinds_beside(const struct plan *plan, const struct plan_source *source, int paneset)
{
    unsigned kinds = 0;

    for (uint32_t i = 0; i < source->view_count; i++) {
        const struct plan_view *view = &plan->views[source->views[i]];

        if (view->paneset != paneset)
            continue;
        for (uint32_t j = 0; j < view->feature_count; j++) {
            const struct plan_feature *feature = &view->features[j];

            if (keeps_values(source->panesets[paneset].cells[feature->cell].kind))
                kinds |= 1u << feature->kind;
        }
    }
    return kinds;
}

static void print_pane_size(struct buf *out, const struct plan_paneset *paneset, unsigned kinds)
{
    const char *before = ", and the values of ";

    buf_printf(out, "      %u cell%s, %u bytes", paneset->cell_count,
               paneset->cell_count == 1 ? "" : "s", paneset->cell_bytes);
    if (paneset->kind == PANES_SLIDES)
        buf_printf(out, " a pane, %lld pane%s a window", (long long)paneset->panes_max,
                   paneset->panes_max == 1 ? "" : "s");
    else if (paneset->kind == PANES_SESSIONS)
        buf_printf(out, " an open session");
    for (int kind = 0; kind < FEATURE_KIND_COUNT; kind++) {
        if (!(kinds & 1u << kind))
            continue;
        buf_printf(out, "%s%s", before, feature_kind_name((enum feature_kind)kind));
        before = ", ";
    }
    buf_append_char(out, '\n');
}

/* For each paneset what it keeps apart, its size, and the views that share it. */
static void print_state(struct buf *out, const struct plan *plan, const struct plan_source *source)
{
    buf_printf(out, "  state per key\n");
    for (uint32_t i = 0; i < source->paneset_count; i++) {
        const struct plan_paneset *paneset = &source->panesets[i];

        buf_printf(out, "    ");
        print_pane_kind(out, paneset);
        print_where(out, source, paneset->predicate);
        buf_printf(out, ", ");
        print_sharers(out, plan, source, (int)i);
        buf_append_char(out, '\n');
        print_pane_size(out, paneset, kinds_beside(plan, source, (int)i));
    }
    if (source->dedup_field == PLAN_NONE)
        return;
    buf_printf(out, "    ids of ");
    value_print_duration(out, source->dedup_within_ms);
    buf_printf(out, ", for all views of %s\n      %d bytes an id\n", source->name,
               PLAN_DEDUP_ID_BYTES);
}

static void print_source(struct buf *out, const struct plan *plan, uint32_t number)
{
    const struct plan_source *source = &plan->sources[number];
    const struct plan_field *entity = &source->fields[source->entity];

    buf_printf(out, "\nsource %s\n", source->name);
    print_setting(out, "topic", source->topic);
    print_setting(out, "format", "json");
    print_setting(out, "partitioning",
                  source->aligned ? "aligned: a partition holds all events of its keys"
                                  : "shuffle: a key's events may be in any partition");
    label(out, "start");
    print_start(out, source);
    buf_append_char(out, '\n');
    print_setting(out, "entity", entity->name);
    if (plan->redis.present) {
        const struct plan_key_template *key = &plan->redis.key_templates[number];

        label(out, "redis key");
        buf_printf(out, "%.*s{%s}%.*s\n", SLICE_ARGS(key->before), entity->name,
                   SLICE_ARGS(key->after));
    }
    print_time_rules(out, source);
    print_fields(out, source);
    print_state(out, plan, source);
}

static void print_window(struct buf *out, const struct plan *plan, const struct plan_view *view)
{
    label(out, "window");
    switch (view->window) {
    case WINDOW_TUMBLING:
        buf_printf(out, "tumbling ");
        value_print_duration(out, view->size_ms);
        break;
    case WINDOW_SLIDING:
        buf_printf(out, "sliding ");
        value_print_duration(out, view->size_ms);
        buf_printf(out, " every ");
        value_print_duration(out, view->slide_ms);
        break;
    case WINDOW_SESSION:
        buf_printf(out, "session, gap ");
        value_print_duration(out, view->gap_ms);
        break;
    case WINDOW_LIFETIME:
        buf_printf(out, "lifetime, anew after ");
        value_print_duration(out, plan->state.ttl_ms);
        buf_printf(out, " without an event");
        break;
    }
    if (view->offset_ms) {
        buf_printf(out, ", offset ");
        value_print_duration(out, view->offset_ms);
    }
    buf_append_char(out, '\n');
}

static void print_emission(struct buf *out, const struct plan *plan, const struct plan_view *view)
{
    static const char *const when_empty[] = {
        [WHEN_EMPTY_ZERO] = "zero", [WHEN_EMPTY_KEEP] = "keep", [WHEN_EMPTY_DELETE] = "delete"};

    bool session = view->window == WINDOW_SESSION;

    label(out, "emit");
    if (view->on_update)
        buf_printf(out, "on_update: after each event\n");
    else
        buf_printf(out, "on_close: when a %s ends, again for each late event\n",
                   session ? "session" : "window");
    if (!plan->redis.present)
        return;
    label(out, "in Redis");
    buf_printf(out, "unchanged: %s", view->skip_unchanged ? "skip" : "emit");
    /* The others have no empty rows. */
    if (view->window != WINDOW_LIFETIME && !(session && !view->on_update))
        buf_printf(out, ", when_empty: %s", when_empty[view->when_empty]);
    buf_append_char(out, '\n');
}

static void print_result_type(struct buf *out, const struct plan_feature *feature)
{
    switch (feature->kind) {
    case FEATURE_COUNT:
    case FEATURE_DISTINCT:
    case FEATURE_SINCE_PREVIOUS:
        buf_printf(out, "int64");
        break;
    case FEATURE_MEAN:
    case FEATURE_VARIANCE:
    case FEATURE_STDDEV:
    case FEATURE_QUANTILE:
        buf_printf(out, "double");
        break;
    case FEATURE_HISTOGRAM:
        print_type(out, feature->field_type, feature->scale);
        buf_printf(out, " → int64");
        break;
    case FEATURE_SUM:
    case FEATURE_MIN:
    case FEATURE_MAX:
    case FEATURE_FIRST:
    case FEATURE_LAST:
    case FEATURE_LIST:
    case FEATURE_TOP:
        if (feature->kind == FEATURE_LIST || feature->n)
            buf_printf(out, "list of ");
        print_type(out, feature->field_type, feature->scale);
        break;
    case FEATURE_KIND_COUNT:
        UNREACHABLE();
    }
}

static void print_options(struct buf *out, const struct plan_feature *feature)
{
    if (feature->limit)
        buf_printf(out, ", limit %u", feature->limit);
    if (feature->n)
        buf_printf(out, ", n %u", feature->n);
    if (feature->kind == FEATURE_QUANTILE) {
        buf_printf(out, ", q ");
        out->len += text_double(buf_reserve(out, TEXT_DOUBLE_MAX), feature->q);
    }
    if (feature->sample)
        buf_printf(out, ", sample");
}

static void print_features(struct buf *out, const struct plan_source *source,
                           const struct plan_view *view)
{
    int width = 0;

    for (uint32_t i = 0; i < view->feature_count; i++)
        width = name_width(width, view->features[i].name);
    buf_printf(out, "  features\n");
    for (uint32_t i = 0; i < view->feature_count; i++) {
        const struct plan_feature *feature = &view->features[i];

        buf_printf(out, "    %-*s  %s %s", width, feature->name, feature_kind_name(feature->kind),
                   feature->field == PLAN_NONE ? "of events" : source->fields[feature->field].name);
        print_where(out, source, feature->predicate);
        print_options(out, feature);
        buf_printf(out, ": ");
        print_result_type(out, feature);
        buf_append_char(out, '\n');
    }
}

static void print_view(struct buf *out, const struct plan *plan, const struct plan_view *view)
{
    const struct plan_source *source = &plan->sources[view->source];

    buf_printf(out, "\nview %s\n", view->name);
    print_setting(out, "source", source->name);
    print_window(out, plan, view);
    print_emission(out, plan, view);
    print_setting(out, "where",
                  view->predicate == PLAN_NONE ? "every event"
                                               : source->predicates[view->predicate].text);
    print_features(out, source, view);
}

static void print_engine(struct buf *out, const struct plan *plan)
{
    const struct plan_engine *engine = &plan->engine;

    buf_printf(out, "\nengine\n");
    label(out, "shards");
    if (engine->shards)
        buf_printf(out, "%u", engine->shards);
    else
        buf_printf(out, "one less than there are CPUs");
    buf_printf(out, "%s\n", engine->busy_poll ? ", busy polling" : "");
    label(out, "cpus");
    for (uint32_t i = 0; i < engine->cpu_count; i++)
        buf_printf(out, "%s%d", i ? "," : "", engine->cpus[i]);
    buf_printf(out, "%s\n", engine->cpus ? "" : "auto");
    label(out, "state");
    value_print_size(out, (int64_t)plan->state.memory_bytes);
    buf_printf(out, " at most, freed after ");
    value_print_duration(out, plan->state.ttl_ms);
    buf_printf(out, ", in %s\n", plan->state.dir);
    label(out, "checkpoint");
    buf_printf(out, "every ");
    value_print_duration(out, plan->checkpoint.every_ms);
    buf_printf(out, ", %u kept\n", plan->checkpoint.retain);
    label(out, "admin");
    buf_printf(out, strchr(plan->admin.host, ':') ? "[%s]:%u\n" : "%s:%u\n", plan->admin.host,
               plan->admin.port);
    if (plan->file_output)
        print_setting(out, "rows to", plan->file_output);
    if (plan->feature_topic.name) {
        label(out, "rows to");
        buf_printf(out, "topic %s, %s\n", plan->feature_topic.name,
                   plan->feature_topic.transactional ? "with each checkpoint, in a transaction"
                                                     : "at once, and again after a crash");
    }
}

void plan_print(const struct plan *plan, struct buf *out)
{
    buf_printf(out, "pipeline %s\n", plan->pipeline);
    print_kafka(out, &plan->kafka);
    print_redis(out, &plan->redis);
    for (uint32_t i = 0; i < plan->source_count; i++)
        print_source(out, plan, i);
    for (uint32_t i = 0; i < plan->view_count; i++)
        print_view(out, plan, &plan->views[i]);
    print_engine(out, plan);
}
