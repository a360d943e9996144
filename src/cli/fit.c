#include "cli/fit.h"

#include <errno.h>

#include "base/text.h"

#define NEW_SOURCE "its source is new, or reads another topic"
#define NO_SOURCE  "the pipeline has no such source"

/* The source of the checkpoint that has state for this one. */
static const struct manifest_source *saved_of(const struct fit *fit, uint32_t source)
{
    const struct plan_source *now = &fit->plan->sources[source];
    const struct manifest_source *saved = manifest_source(fit->manifest, now->name, NULL);

    return saved && strcmp(saved->topic, now->topic) == 0 ? saved : NULL;
}

/* The offsets of a topic name this checkpoint, whatever its source is called now. */
static int check_name(const struct fit *fit, uint32_t source, struct err *err)
{
    const struct plan_source *now = &fit->plan->sources[source];

    for (uint32_t i = 0; i < fit->manifest->source_count; i++) {
        const struct manifest_source *saved = &fit->manifest->sources[i];

        if (strcmp(saved->topic, now->topic) == 0)
            return err_set(err, -ESTALE,
                           "source %s reads topic %s, of which checkpoint %s has the state as "
                           "source %s: state goes by the source's name",
                           now->name, now->topic, fit->manifest->id, saved->name);
    }
    return 0;
}

static int map_one(struct fit *fit, uint32_t source, struct err *err)
{
    const struct plan_source *now = &fit->plan->sources[source];
    const struct manifest_source *saved = saved_of(fit, source);

    if (!saved)
        return check_name(fit, source, err);
    if (saved->aligned != now->aligned)
        return err_set(err, -ESTALE,
                       "source %s: checkpoint %s was made with partitioning %s, which the pipeline "
                       "has changed to %s",
                       now->name, fit->manifest->id, saved->aligned ? "aligned" : "shuffle",
                       now->aligned ? "aligned" : "shuffle");
    return schema_map_create(fit->plan, source, buf_slice(&saved->schema), &fit->maps[source], err);
}

/* The reason why the first feature is not kept stands for all. */
static int check_kept(const struct fit *fit, struct err *err)
{
    const char *reason = NULL;

    for (uint32_t i = 0; i < fit->plan->source_count; i++) {
        uint32_t count = 0;
        const struct schema_feature *features = NULL;

        if (fit->maps[i])
            features = schema_map_features(fit->maps[i], &count);
        for (uint32_t j = 0; j < count; j++) {
            if (features[j].fate == SCHEMA_KEPT || features[j].fate == SCHEMA_PARTLY)
                return 0;
            if (!reason)
                reason = features[j].reason;
        }
    }
    return err_set(err, -ESTALE, "no feature would keep its state from checkpoint %s: %s",
                   fit->manifest->id, reason ? reason : NEW_SOURCE);
}

int fit_make(const struct plan *plan, const struct manifest *manifest, struct fit *ret,
             struct err *err)
{
    int error = 0;

    *ret = (struct fit){.plan = plan, .manifest = manifest};
    for (uint32_t i = 0; !error && i < plan->source_count; i++)
        error = map_one(ret, i, err);
    return error ? error : check_kept(ret, err);
}

void fit_done(struct fit *fit)
{
    for (uint32_t i = 0; i < fit->plan->source_count; i++)
        schema_map_free(fit->maps[i]);
    *fit = (struct fit){0};
}

/* What takes a feature. */
typedef void teller(const struct fit *fit, uint32_t source, const struct schema_feature *feature,
                    void *context);

static void tell_new(const struct fit *fit, uint32_t source, teller *tell, void *context)
{
    const struct plan_source *now = &fit->plan->sources[source];

    for (uint32_t i = 0; i < now->view_count; i++) {
        const struct plan_view *view = &fit->plan->views[now->views[i]];

        for (uint32_t j = 0; j < view->feature_count; j++)
            tell(fit, source,
                 &(struct schema_feature){.fate = SCHEMA_EMPTY,
                                          .view = view->name,
                                          .feature = view->features[j].name,
                                          .reason = NEW_SOURCE},
                 context);
    }
}

static bool is_taken_over(const struct fit *fit, const struct manifest_source *saved)
{
    for (uint32_t i = 0; i < fit->plan->source_count; i++) {
        if (fit->maps[i] && saved_of(fit, i) == saved)
            return true;
    }
    return false;
}

static void print_feature(const struct fit *fit, uint32_t source,
                          const struct schema_feature *feature, void *out)
{
    (void)fit, (void)source;
    buf_printf(out, "%s.%s: starts empty: %s\n", feature->view, feature->feature, feature->reason);
}

void fit_print(const struct fit *fit, struct buf *out)
{
    for (uint32_t i = 0; i < fit->plan->source_count; i++) {
        if (fit->maps[i])
            schema_map_print(fit->maps[i], out);
        else
            tell_new(fit, i, print_feature, out);
    }
    for (uint32_t i = 0; i < fit->manifest->source_count; i++) {
        if (!is_taken_over(fit, &fit->manifest->sources[i]))
            buf_printf(out, "source %s: dropped: " NO_SOURCE "\n", fit->manifest->sources[i].name);
    }
}

/* A manifest may hold any bytes; what can't be said in JSON is null. */
static void put_text(struct buf *out, const char *text)
{
    if (text && text_is_utf8(slice_of(text)))
        text_json_string(out, slice_of(text));
    else
        buf_printf(out, "null");
}

static void put(struct buf *out, const char *name, const char *text)
{
    buf_printf(out, "\"%s\":", name);
    put_text(out, text);
}

static void json_feature(const struct fit *fit, uint32_t source,
                         const struct schema_feature *feature, void *context)
{
    static const char *const fates[] = {
        [SCHEMA_KEPT] = "kept",
        [SCHEMA_PARTLY] = "partly",
        [SCHEMA_EMPTY] = "empty",
        [SCHEMA_DROPPED] = "dropped",
    };
    struct buf *out = context;

    buf_printf(out, "%s{", out->data[out->len - 1] == '[' ? "" : ",");
    put(out, "source", fit->plan->sources[source].name);
    buf_append_char(out, ',');
    put(out, "view", feature->view);
    buf_append_char(out, ',');
    put(out, "feature", feature->feature);
    buf_append_char(out, ',');
    put(out, "fate", fates[feature->fate]);
    buf_append_char(out, ',');
    put(out, "before", feature->before);
    buf_append_char(out, ',');
    put(out, "reason", feature->reason);
    buf_append_char(out, '}');
}

static void json_dropped(const struct fit *fit, struct buf *out)
{
    buf_printf(out, ",\"dropped_sources\":[");
    for (uint32_t i = 0; i < fit->manifest->source_count; i++) {
        if (is_taken_over(fit, &fit->manifest->sources[i]))
            continue;
        if (out->data[out->len - 1] != '[')
            buf_append_char(out, ',');
        put_text(out, fit->manifest->sources[i].name);
    }
    buf_append_char(out, ']');
}

void fit_json(const struct fit *fit, struct buf *out)
{
    buf_append_char(out, '{');
    put(out, "checkpoint", fit->manifest->id);
    buf_append_char(out, ',');
    put(out, "savepoint", fit->manifest->savepoint[0] ? fit->manifest->savepoint : NULL);
    buf_printf(out, ",\"features\":[");
    for (uint32_t i = 0; i < fit->plan->source_count; i++) {
        uint32_t count = 0;
        const struct schema_feature *features = NULL;

        if (!fit->maps[i]) {
            tell_new(fit, i, json_feature, out);
            continue;
        }
        features = schema_map_features(fit->maps[i], &count);
        for (uint32_t j = 0; j < count; j++)
            json_feature(fit, i, &features[j], out);
    }
    buf_append_char(out, ']');
    json_dropped(fit, out);
    buf_append_char(out, '}');
}
