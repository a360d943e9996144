/* What belongs to all partitions: the work store, the output file, and rows that no process has
 * brought there. */

#include "base/failpoint.h"
#include "engine/internal.h"
#include "engine/publish.h"
#include "engine/recovery.h"

/* Whether the work store may begin as the checkpoint is. */
static bool is_same(const struct recovery *recovery, const struct named *named)
{
    const struct plan *plan = recovery->engine->plan;

    if (checkpoint_manifest(named->checkpoint)->source_count != plan->source_count)
        return false;
    for (uint32_t i = 0; i < plan->source_count; i++) {
        if (!named->restore.maps[i] || !schema_map_is_same(named->restore.maps[i]))
            return false;
    }
    return true;
}

static bool is_restored(const struct recovery *recovery, const struct manifest_partition *from,
                        size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (recovery->origins[i].from == from)
            return true;
    }
    return false;
}

/* Partitions that are another process' now. */
static int others_drop(struct recovery *recovery, const struct named *named, size_t count,
                       struct err *err)
{
    const struct manifest *manifest = checkpoint_manifest(named->checkpoint);
    int error = 0;

    for (uint32_t i = 0; !error && i < manifest->partition_count; i++) {
        const struct manifest_partition *from = &manifest->partitions[i];
        const struct manifest_source *source = &manifest->sources[from->source];

        if (source->aligned && !is_restored(recovery, from, count))
            error = store_drop_group(recovery->engine->checkpoints.store,
                                     store_source_hash(source->name), (uint32_t)from->partition,
                                     err);
    }
    return error;
}

static int store_begin(struct recovery *recovery, size_t count, struct err *err)
{
    struct checkpoints *checkpoints = &recovery->engine->checkpoints;
    bool same = recovery->name_count == 1 && is_same(recovery, &recovery->names[0]);
    int error;

    for (size_t i = 0; i < recovery->name_count; i++)
        recovery->names[i].restore.is_changed = !same;
    if (!same)
        return store_open(checkpoints->dir, NULL, &checkpoints->store, err);
    error = store_open(checkpoints->dir, recovery->names[0].checkpoint, &checkpoints->store, err);
    if (!error)
        error = others_drop(recovery, &recovery->names[0], count, err);
    return error;
}

static bool is_own(const struct recovery *recovery, const struct named *named)
{
    return strcmp(checkpoint_manifest(named->checkpoint)->instance,
                  consumer_instance_id(recovery->engine->consumer)) == 0;
}

/* The newest checkpoint that knows the output file, or NULL: partitions that were away name an
 * older one, and those that have come from another process one that knows another file. */
static struct checkpoint *output_of(const struct recovery *recovery)
{
    const char *path = recovery->engine->plan->file_output;
    struct checkpoint *newest = NULL;

    for (size_t i = 0; recovery->engine->fleet.file && i < recovery->name_count; i++) {
        struct checkpoint *checkpoint = recovery->names[i].checkpoint;
        const struct manifest *manifest = checkpoint_manifest(checkpoint);

        if (!manifest->output.present || strcmp(manifest->output.path, path) != 0)
            continue;
        if (!newest || strcmp(manifest->id, checkpoint_manifest(newest)->id) > 0)
            newest = checkpoint;
    }
    return newest;
}

/* Whether its rows are those of this process' file, or those of another's. */
static bool has_own_output(const struct recovery *recovery, const struct named *named)
{
    const struct manifest_output *output = &checkpoint_manifest(named->checkpoint)->output;
    const char *path = recovery->engine->plan->file_output;

    return is_own(recovery, named) || !output->present || (path && strcmp(output->path, path) == 0);
}

/* Rows of a process that was gone between its commit and the end of its file: whoever goes on from
 * that checkpoint has them in its own file, with its next checkpoint. */
static int rows_adopt(struct recovery *recovery, struct err *err)
{
    struct engine *engine = recovery->engine;
    struct checkpoints *checkpoints = &engine->checkpoints;
    int error = 0;

    for (size_t i = 0; engine->fleet.file && !error && i < recovery->name_count; i++) {
        struct checkpoint *checkpoint = recovery->names[i].checkpoint;
        const struct manifest *manifest = checkpoint_manifest(checkpoint);

        if (has_own_output(recovery, &recovery->names[i]) || checkpoint_published(checkpoint) ||
            !checkpoint_rows(checkpoint))
            continue;
        error = file_writer_adopt(&engine->file, checkpoints->coordinator.epoch + 1,
                                  checkpoint_rows(checkpoint), manifest->output.rows_bytes, err);
        if (!error)
            publish_adopt(engine, manifest->id);
    }
    return error;
}

static int output_begin(struct recovery *recovery, struct err *err)
{
    struct checkpoint *checkpoint = output_of(recovery);
    struct err warning;
    int error;

    if (!checkpoint)
        return 0;
    const struct manifest_output *output = &checkpoint_manifest(checkpoint)->output;

    error = file_writer_recover(&recovery->engine->file, output->length_before,
                                checkpoint_rows(checkpoint), output->rows_bytes,
                                checkpoint_published(checkpoint), &warning, err);
    if (!error && *warning.text)
        log_warn("%s", warning.text);
    return error;
}

/* What is gone on from was in force, whatever the process before this one still got to do. */
static int names_publish(struct recovery *recovery, struct err *err)
{
    int error = 0;

    for (size_t i = 0; !error && i < recovery->name_count; i++) {
        struct checkpoint *checkpoint = recovery->names[i].checkpoint;

        if (has_own_output(recovery, &recovery->names[i]) && !checkpoint_published(checkpoint))
            error = checkpoint_mark_published(checkpoint, err);
    }
    return error;
}

int recovery_begin(struct recovery *recovery, size_t count, struct err *err)
{
    struct checkpoints *checkpoints = &recovery->engine->checkpoints;

    for (size_t i = 0; i < recovery->name_count; i++) {
        recovery->names[i].restore.is_changed = true;
        coordinator_number_used(
            &checkpoints->coordinator,
            (uint64_t)checkpoint_manifest(recovery->names[i].checkpoint)->created_ms + 1);
    }
    if (checkpoints->store)
        return rows_adopt(recovery, err);

    int error = store_begin(recovery, count, err);
    FAILPOINT("store_recovered");
    if (!error)
        atomic_store(&recovery->engine->fleet.store, checkpoints->store);
    if (!error)
        error = output_begin(recovery, err);
    if (!error)
        error = names_publish(recovery, err);
    if (!error)
        error = rows_adopt(recovery, err);
    FAILPOINT("output_recovered");
    return error;
}
