#include "engine/recovery.h"

#include <errno.h>
#include <stdarg.h>

#include "checkpoint/catalog.h"
#include "engine/internal.h"

#define WAYS_ON                                                                                    \
    "--from-checkpoint goes on from the newest checkpoint in state.dir, --fresh begins anew, "     \
    "with empty state, where the source says"

static const struct plan_source *source_of(const struct recovery *recovery,
                                           const struct assignment *assignment)
{
    return &recovery->engine->plan->sources[assignment->source];
}

static int refuse(const struct recovery *recovery, const struct assignment *assignment,
                  struct err *err, const char *format, ...) PRINTF_LIKE(4, 5);

static int refuse(const struct recovery *recovery, const struct assignment *assignment,
                  struct err *err, const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return err_set(err, -ESTALE, "partition %d of %s: %s. %s", assignment->partition,
                   source_of(recovery, assignment)->topic, text, WAYS_ON);
}

/* --- the checkpoints that are named --- */

static int maps_make(struct recovery *recovery, struct named *named, struct err *err)
{
    const struct plan *plan = recovery->engine->plan;
    const struct manifest *manifest = checkpoint_manifest(named->checkpoint);
    int error = 0;

    named->restore.checkpoint = named->checkpoint;
    named->restore.maps = calloc(plan->source_count, sizeof(struct schema_map *));
    CHECK(named->restore.maps);
    for (uint32_t i = 0; !error && i < plan->source_count; i++) {
        const struct manifest_source *source = manifest_source(manifest, plan->sources[i].name,
                                                               NULL);

        if (source && strcmp(source->topic, plan->sources[i].topic) == 0)
            error = schema_map_create(plan, i, buf_slice(&source->schema), &named->restore.maps[i],
                                      err);
    }
    return error;
}

/* The checkpoint, verified in full; if it is corrupt the newest earlier one that is not. */
static int named_open(struct recovery *recovery, struct named *named, bool may_fall_back,
                      struct err *err)
{
    struct state_dir *dir = recovery->engine->checkpoints.dir;
    struct catalog_owner owner = {.pipeline = recovery->engine->plan->pipeline,
                                  .group = recovery->engine->plan->kafka.group,
                                  .instance = consumer_instance_id(recovery->engine->consumer)};
    int error = checkpoint_open(dir, named->id, &named->checkpoint, err);

    if (!error)
        error = checkpoint_verify(named->checkpoint, err);
    if (error != -EBADMSG || !may_fall_back)
        return error;
    log_warn("%s; looking for an earlier one", err->text);
    checkpoint_close(named->checkpoint);
    named->checkpoint = NULL;
    named->is_earlier = true;
    error = catalog_fallback(dir, &owner, named->id, &named->checkpoint, err);
    if (error)
        return error;
    log_warn("going on from checkpoint %s", checkpoint_manifest(named->checkpoint)->id);
    return 0;
}

static int named_find(struct recovery *recovery, const char *id, bool may_fall_back,
                      struct named **ret, struct err *err)
{
    struct named *named;
    int error;

    for (size_t i = 0; i < recovery->name_count; i++) {
        if (strcmp(recovery->names[i].id, id) == 0) {
            *ret = &recovery->names[i];
            return 0;
        }
    }
    named = &recovery->names[recovery->name_count++];
    snprintf(named->id, sizeof(named->id), "%s", id);
    error = named_open(recovery, named, may_fall_back, err);
    if (!error)
        error = maps_make(recovery, named, err);
    *ret = named;
    return error;
}

/* --- one partition --- */

static struct origin origin_empty(int64_t position)
{
    return (struct origin){
        .position = position, .fetch_offset = position, .mute_offset = INT64_MIN};
}

/* Whether what the checkpoint says of the partition still fits the topic. */
static int check_offsets(const struct recovery *recovery, const struct assignment *assignment,
                         const struct manifest_partition *from, struct err *err)
{
    const char *topic = source_of(recovery, assignment)->topic;

    if (from->position < assignment->begin_offset)
        return err_set(err, -ESTALE,
                       "partition %d of %s: the checkpoint goes on at offset %lld, but the oldest "
                       "record that is left has %lld: what lies between has expired. --fresh "
                       "begins anew, with empty state, where the source says",
                       assignment->partition, topic, (long long)from->position,
                       (long long)assignment->begin_offset);
    if (from->position > assignment->end_offset)
        return err_set(err, -ESTALE,
                       "partition %d of %s: the checkpoint goes on at offset %lld, but the "
                       "partition ends at %lld: the topic was truncated or made anew. --fresh "
                       "begins anew, with empty state, where the source says",
                       assignment->partition, topic, (long long)from->position,
                       (long long)assignment->end_offset);
    return 0;
}

static int check_source(const struct recovery *recovery, const struct assignment *assignment,
                        const struct manifest_source *saved, const char *id, struct err *err)
{
    const struct plan_source *source = source_of(recovery, assignment);
    uint32_t partitions = partition_count(recovery->engine, assignment->source);

    if (saved->aligned != source->aligned)
        return refuse(recovery, assignment, err,
                      "checkpoint %s was made with partitioning %s, which the pipeline has changed",
                      id, saved->aligned ? "aligned" : "shuffle");
    if (source->aligned && saved->partition_count != partitions)
        return refuse(recovery, assignment, err,
                      "the topic had %u partitions at checkpoint %s and has %u now: keys have "
                      "moved between them, their state has not",
                      saved->partition_count, id, partitions);
    return 0;
}

static int origin_from(struct recovery *recovery, const struct assignment *assignment,
                       const struct named *named, struct origin *origin, struct err *err)
{
    const struct manifest *manifest = checkpoint_manifest(named->checkpoint);
    const struct manifest_partition *from;
    const struct manifest_source *saved;
    uint32_t number;
    int error;

    saved = manifest_source(manifest, source_of(recovery, assignment)->name, &number);
    from = saved ? manifest_partition(manifest, number, assignment->partition) : NULL;
    if (!from || !named->restore.maps[assignment->source])
        return refuse(recovery, assignment, err, "checkpoint %s holds nothing of it", manifest->id);
    error = check_source(recovery, assignment, saved, manifest->id, err);
    if (!error)
        error = check_offsets(recovery, assignment, from, err);
    if (error)
        return error;
    *origin = origin_empty(from->position);
    origin->from = from;
    origin->restore = &named->restore;
    if (from->last_offset >= assignment->begin_offset)
        origin->fetch_offset = from->last_offset;
    if (named->is_earlier)
        origin->mute_offset = assignment->committed_offset;
    return 0;
}

static int origin_committed(struct recovery *recovery, const struct assignment *assignment,
                            struct origin *origin, struct err *err)
{
    struct named *named;
    int error;

    if (!checkpoint_id_is_valid(assignment->checkpoint))
        return refuse(recovery, assignment, err,
                      "the group's offset %lld names no checkpoint: it was set by hand or by "
                      "another program",
                      (long long)assignment->committed_offset);
    error = named_find(recovery, assignment->checkpoint, true, &named, err);
    if (error) {
        struct err found = *err;

        return refuse(recovery, assignment, err, "%s", found.text);
    }
    error = origin_from(recovery, assignment, named, origin, err);
    if (!error && !named->is_earlier && origin->position != assignment->committed_offset)
        return refuse(recovery, assignment, err,
                      "the group's offset is %lld, but its checkpoint %s goes on at %lld: the "
                      "offset was set by hand",
                      (long long)assignment->committed_offset, named->id,
                      (long long)origin->position);
    return error;
}

/* Whether the checkpoint shows that the group had an offset of the partition: it was in force, in
 * this cluster. */
static bool tells_of(const struct recovery *recovery, const struct catalog_entry *entry,
                     const struct assignment *assignment)
{
    const struct plan *plan = recovery->engine->plan;
    const char *cluster = consumer_cluster_id(recovery->engine->consumer);
    const struct manifest_source *source;
    uint32_t number;

    if (entry->error || !entry->is_published || !*cluster ||
        strcmp(entry->manifest.cluster, cluster) != 0 ||
        strcmp(entry->manifest.pipeline, plan->pipeline) != 0 ||
        strcmp(entry->manifest.group, plan->kafka.group) != 0)
        return false;
    source = manifest_source(&entry->manifest, source_of(recovery, assignment)->name, &number);
    return source && strcmp(source->topic, source_of(recovery, assignment)->topic) == 0 &&
           manifest_partition(&entry->manifest, number, assignment->partition);
}

/* A topic that is deleted takes the group's offsets with it, and the brokers forget those of a
 * group that is away for long; the checkpoints stay, and tell. */
static int check_forgotten(const struct recovery *recovery, const struct assignment *assignment,
                           struct err *err)
{
    struct catalog catalog;
    int error = catalog_list(recovery->engine->checkpoints.dir, &catalog, err);

    if (error)
        return error;
    for (size_t i = 0; !error && i < catalog.count; i++) {
        const struct catalog_entry *entry = &catalog.entries[i];

        if (tells_of(recovery, entry, assignment))
            error = refuse(recovery, assignment, err,
                           "the group has no offset of it any more, but went on from checkpoint "
                           "%s before: the topic was made anew, or the offset has expired",
                           entry->id);
    }
    catalog_free(&catalog);
    return error;
}

/* A partition that the topic did not have at the checkpoint: nobody has missed anything of it. */
static bool is_added(const struct assignment *assignment, const struct manifest_source *saved)
{
    return (uint32_t)assignment->partition >= saved->partition_count;
}

static int origin_added(const struct recovery *recovery, const struct assignment *assignment,
                        const struct manifest_source *saved, const char *id, struct origin *origin,
                        struct err *err)
{
    *origin = origin_empty(assignment->begin_offset);
    return check_source(recovery, assignment, saved, id, err);
}

/* By a checkpoint that a person asks for. It need not know of all sources. */
static int origin_chosen(struct recovery *recovery, const struct assignment *assignment,
                         const struct named *named, struct origin *origin, struct err *err)
{
    const struct manifest *manifest = checkpoint_manifest(named->checkpoint);
    const struct manifest_source *saved;

    saved = manifest_source(manifest, source_of(recovery, assignment)->name, NULL);
    if (!saved) {
        *origin = origin_empty(assignment->start_offset);
        return 0;
    }
    if (is_added(assignment, saved))
        return origin_added(recovery, assignment, saved, manifest->id, origin, err);
    return origin_from(recovery, assignment, named, origin, err);
}

/* A partition of which the group has no offset. */
static int origin_new(struct recovery *recovery, const struct assignment *assignment,
                      struct origin *origin, struct err *err)
{
    *origin = origin_empty(assignment->start_offset);
    for (size_t i = 0; i < recovery->name_count; i++) {
        const struct manifest_source *saved = manifest_source(
            checkpoint_manifest(recovery->names[i].checkpoint),
            source_of(recovery, assignment)->name, NULL);

        if (!saved || strcmp(saved->topic, source_of(recovery, assignment)->topic) != 0 ||
            !is_added(assignment, saved))
            continue;
        return origin_added(recovery, assignment, saved, recovery->names[i].id, origin, err);
    }
    return check_forgotten(recovery, assignment, err);
}

/* All partitions of a shuffled source share their keys, so they have one checkpoint. */
static int check_shuffled(const struct recovery *recovery, const struct assignment *list,
                          size_t count, struct err *err)
{
    const struct restore *restores[PLAN_SOURCES_MAX] = {0};

    for (size_t i = 0; i < count; i++) {
        const struct restore *restore = recovery->origins[i].restore;
        const struct restore **first = &restores[list[i].source];

        if (source_of(recovery, &list[i])->aligned || !restore)
            continue;
        if (*first && *first != restore)
            return refuse(recovery, &list[i], err,
                          "its offset names another checkpoint than those of other partitions, "
                          "with which it shares its keys");
        *first = restore;
    }
    return 0;
}

static bool is_fresh(const struct engine *engine)
{
    return !engine->has_assignment && engine->options.fresh;
}

static const char *wanted(const struct engine *engine)
{
    return engine->has_assignment ? NULL : engine->options.from_checkpoint;
}

/* The newest checkpoint of this pipeline and group in state.dir, whoever made it. */
static int newest_find(const struct recovery *recovery, char ret_id[CHECKPOINT_ID_SIZE],
                       struct err *err)
{
    const struct plan *plan = recovery->engine->plan;
    const struct state_dir *dir = recovery->engine->checkpoints.dir;
    struct catalog catalog;
    int error = catalog_list(dir, &catalog, err);

    if (error)
        return error;
    error = -ENOENT;
    for (size_t i = 0; error && i < catalog.count; i++) {
        const struct catalog_entry *entry = &catalog.entries[i];

        if (entry->error || strcmp(entry->manifest.pipeline, plan->pipeline) != 0 ||
            strcmp(entry->manifest.group, plan->kafka.group) != 0)
            continue;
        memcpy(ret_id, entry->id, CHECKPOINT_ID_SIZE);
        error = 0;
    }
    catalog_free(&catalog);
    if (error)
        err_set(err, error, "%s holds no checkpoint of pipeline %s and group %s",
                state_dir_path(dir), plan->pipeline, plan->kafka.group);
    return error;
}

/* The checkpoint that --from-checkpoint asks for. */
static int named_wanted(struct recovery *recovery, const char *id, struct named **ret,
                        struct err *err)
{
    char newest[CHECKPOINT_ID_SIZE];
    bool is_chosen = *id; /* by a person, who wants that one and no other */
    int error = 0;

    if (!is_chosen) {
        error = newest_find(recovery, newest, err);
        id = newest;
    }
    return error ? error : named_find(recovery, id, !is_chosen, ret, err);
}

static int resolve_one(struct recovery *recovery, const struct assignment *assignment,
                       const struct named *chosen, struct origin *origin, struct err *err)
{
    if (is_fresh(recovery->engine)) {
        *origin = origin_empty(assignment->start_offset);
        return 0;
    }
    if (chosen)
        return origin_chosen(recovery, assignment, chosen, origin, err);
    if (assignment->committed_offset >= 0)
        return origin_committed(recovery, assignment, origin, err);
    return 0;
}

int recovery_resolve(struct recovery *recovery, struct engine *engine,
                     const struct assignment *list, size_t count, struct err *err)
{
    const char *id = wanted(engine);
    struct named *chosen = NULL;
    int error = 0;

    *recovery = (struct recovery){.engine = engine};
    recovery->origins = calloc(count + 1, sizeof(*recovery->origins));
    recovery->names = calloc(count + 1, sizeof(*recovery->names));
    CHECK(recovery->origins && recovery->names);
    if (id)
        error = named_wanted(recovery, id, &chosen, err);
    for (size_t i = 0; !error && i < count; i++)
        error = resolve_one(recovery, &list[i], chosen, &recovery->origins[i], err);
    for (size_t i = 0; !error && i < count; i++) {
        if (!is_fresh(engine) && !chosen && list[i].committed_offset < 0)
            error = origin_new(recovery, &list[i], &recovery->origins[i], err);
    }
    if (!error)
        error = check_shuffled(recovery, list, count, err);
    return error;
}

const char *recovery_name(const struct recovery *recovery)
{
    return recovery->name_count == 1 ? checkpoint_manifest(recovery->names[0].checkpoint)->id
                                     : "several checkpoints";
}

void recovery_done(struct recovery *recovery)
{
    for (size_t i = 0; i < recovery->name_count; i++) {
        struct named *named = &recovery->names[i];

        for (uint32_t j = 0; named->restore.maps && j < recovery->engine->plan->source_count; j++)
            schema_map_free(named->restore.maps[j]);
        free(named->restore.maps);
        checkpoint_close(named->checkpoint);
    }
    free(recovery->names);
    free(recovery->origins);
    *recovery = (struct recovery){0};
}
