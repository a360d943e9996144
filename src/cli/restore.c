/* freshet checkpoint restore: commits the offsets of a checkpoint, with its id, for the group. The
 * next run goes on from what the group has committed, so that is all there is to do. */

#include <errno.h>
#include <inttypes.h>
#include <unistd.h>

#include "admin/admin_client.h"
#include "base/clock.h"
#include "cli/cli.h"
#include "cli/fit.h"
#include "source/group_client.h"

#define AGAIN_US        500000
#define SESSION_ROOM_MS 5000 /* what the coordinator may take longer to notice */

struct restoring {
    const struct plan *plan;
    const struct manifest *manifest;
    struct group_client *client;
};

/* It can be told at once that an engine runs, without waiting for the end of its session. */
static int check_stopped(const struct restoring *restoring, struct err *err)
{
    const struct plan *plan = restoring->plan;
    struct buf reply = {0};
    unsigned status;
    char *pipeline;
    int error = 0;

    if (plan->admin.port == 0 ||
        admin_request(&plan->admin, "GET", "/status", &status, &reply, NULL)) {
        buf_free(&reply);
        return 0;
    }
    pipeline = admin_member(buf_slice(&reply), "pipeline");
    if (strcmp(pipeline, plan->pipeline) == 0)
        error = err_set(err, -EBUSY,
                        "an engine runs pipeline %s (it answers at %s:%u): stop the engine first",
                        pipeline, plan->admin.host, plan->admin.port);
    free(pipeline);
    buf_free(&reply);
    return error;
}

/* --- what the engine would refuse at its start --- */

static int check_source(const struct restoring *restoring, const struct manifest_source *source,
                        struct err *err)
{
    int count;
    int error = group_client_partitions(restoring->client, source->topic, &count, err);

    if (error)
        return error;
    if (count == 0)
        return err_set(err, -ENOENT, "topic %s of source %s does not exist", source->topic,
                       source->name);
    if (source->aligned && (uint32_t)count != source->partition_count)
        return err_set(
            err, -ESTALE,
            "topic %s had %u partitions at checkpoint %s and has %d now: keys have moved "
            "between them, their state has not",
            source->topic, source->partition_count, restoring->manifest->id, count);
    return 0;
}

static int check_partition(const struct restoring *restoring,
                           const struct manifest_partition *partition, struct err *err)
{
    const char *topic = restoring->manifest->sources[partition->source].topic;
    int64_t begin;
    int64_t end;
    int error = group_client_ends(restoring->client, topic, partition->partition, &begin, &end,
                                  err);

    if (error)
        return error;
    if (partition->position < begin)
        return err_set(err, -ESTALE,
                       "partition %" PRId32 " of %s: the checkpoint goes on at offset %" PRId64
                       ", but the oldest record that is left has %" PRId64,
                       partition->partition, topic, partition->position, begin);
    if (partition->position > end)
        return err_set(err, -ESTALE,
                       "partition %" PRId32 " of %s: the checkpoint goes on at offset %" PRId64
                       ", but the partition ends at %" PRId64,
                       partition->partition, topic, partition->position, end);
    return 0;
}

static bool is_source_used(const struct restoring *restoring, uint32_t number)
{
    const struct manifest_source *source = &restoring->manifest->sources[number];

    for (uint32_t i = 0; i < restoring->plan->source_count; i++) {
        if (strcmp(restoring->plan->sources[i].topic, source->topic) == 0)
            return true;
    }
    return false;
}

static int check_topics(const struct restoring *restoring, struct err *err)
{
    const struct manifest *manifest = restoring->manifest;
    int error = 0;

    for (uint32_t i = 0; !error && i < manifest->source_count; i++) {
        if (is_source_used(restoring, i))
            error = check_source(restoring, &manifest->sources[i], err);
    }
    for (uint32_t i = 0; !error && i < manifest->partition_count; i++) {
        if (is_source_used(restoring, manifest->partitions[i].source))
            error = check_partition(restoring, &manifest->partitions[i], err);
    }
    return error;
}

/* --- the commit --- */

static int commit_patiently(const struct restoring *restoring, const struct group_offset *offsets,
                            size_t count, struct err *err)
{
    int64_t timeout_ms = group_client_session_timeout_ms(restoring->client) + SESSION_ROOM_MS;
    int64_t until_ns = clock_monotonic_ns() + timeout_ms * NS_PER_MS;
    bool was_told = false;
    int error;

    while ((error = group_client_commit(restoring->client, offsets, count, err)) == -EBUSY &&
           clock_monotonic_ns() < until_ns) {
        if (!was_told)
            fprintf(stderr,
                    "group %s has a member still; the session of an engine that was stopped ends "
                    "within %" PRId64 " s: waiting\n",
                    restoring->plan->kafka.group, timeout_ms / 1000);
        was_told = true;
        usleep(AGAIN_US);
    }
    if (error == -EBUSY)
        err_set(err, error, "group %s has live members: stop the engine first",
                restoring->plan->kafka.group);
    return error;
}

/* Of every partition that the pipeline reads. */
static int commit(const struct restoring *restoring, size_t *ret_count, struct err *err)
{
    const struct manifest *manifest = restoring->manifest;
    struct group_offset *offsets = calloc(manifest->partition_count + 1, sizeof(*offsets));
    size_t count = 0;

    CHECK(offsets);
    for (uint32_t i = 0; i < manifest->partition_count; i++) {
        const struct manifest_partition *partition = &manifest->partitions[i];
        struct group_offset *one = &offsets[count];

        if (!is_source_used(restoring, partition->source))
            continue;
        *one = (struct group_offset){.topic = manifest->sources[partition->source].topic,
                                     .partition = partition->partition,
                                     .offset = partition->position};
        snprintf(one->metadata, sizeof(one->metadata), "%s", manifest->id);
        count++;
    }
    int error = commit_patiently(restoring, offsets, count, err);
    free(offsets);
    *ret_count = count;
    return error;
}

static int restore_fitting(struct restoring *restoring, const struct fit *fit, struct err *err)
{
    struct buf text = {0};
    size_t count;
    int error = check_stopped(restoring, err);

    if (!error)
        error = group_client_open(restoring->plan, &restoring->client, err);
    if (error)
        return error;
    error = check_topics(restoring, err);
    if (!error)
        error = commit(restoring, &count, err);
    group_client_close(restoring->client);
    if (error)
        return error;
    fit_print(fit, &text);
    fwrite(text.data, 1, text.len, stdout);
    fprintf(stderr, "group %s goes on from checkpoint %s at its next start: %zu partitions\n",
            restoring->plan->kafka.group, restoring->manifest->id, count);
    buf_free(&text);
    return 0;
}

static int restore(const struct plan *plan, const char *id, struct err *err)
{
    struct restoring restoring = {.plan = plan};
    struct checkpoint *checkpoint;
    struct fit fit;
    int error = cli_open_checkpoint(plan, id, &checkpoint, err);

    if (error)
        return error;
    restoring.manifest = checkpoint_manifest(checkpoint);
    error = checkpoint_verify(checkpoint, err);
    if (!error) {
        error = fit_make(plan, restoring.manifest, &fit, err);
        if (!error)
            error = restore_fitting(&restoring, &fit, err);
        fit_done(&fit);
    }
    checkpoint_close(checkpoint);
    return error;
}

int command_checkpoint_restore(const struct cli_args *args)
{
    struct plan *plan;
    struct err err;
    int code = cli_load_plan(args->positional[0], &plan);

    if (code)
        return code;
    if (restore(plan, args->positional[1], &err)) {
        cli_error("%s", err.text);
        code = EXIT_FAILED;
    }
    plan_free(plan);
    return code;
}
