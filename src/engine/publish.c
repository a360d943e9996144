#include "engine/publish.h"

#include <errno.h>

#include "base/failpoint.h"
#include "checkpoint/catalog.h"
#include "engine/internal.h"

#define RETAIN_TIMEOUT_MS 2000

/* False: the process is to end. In force the checkpoint is all the same, and a start appends them.
 */
static bool rows_publish(struct engine *engine)
{
    struct err err;
    int error;

    do {
        error = file_writer_publish(&engine->file, engine->checkpoints.coordinator.epoch, &err);
    } while (error == -EAGAIN);
    if (error)
        engine_fail(engine, error, err.text);
    FAILPOINT("publish_done");
    return !error;
}

/* It is in force: its rows go to the file, and it may be fallen back to. */
static void mark_published(struct engine *engine, const char *id)
{
    struct checkpoint *checkpoint;
    struct err err;

    if (checkpoint_open(engine->checkpoints.dir, id, &checkpoint, &err)) {
        log_warn("%s", err.text);
        return;
    }
    if (checkpoint_mark_published(checkpoint, &err))
        log_warn("%s", err.text);
    checkpoint_close(checkpoint);
}

void publish_adopt(struct engine *engine, const char *id)
{
    struct checkpoints *checkpoints = &engine->checkpoints;

    buf_append(&checkpoints->adopted, id, CHECKPOINT_ID_SIZE);
    checkpoints->adopted_epoch = checkpoints->coordinator.epoch + 1;
}

void publish_checkpoint(struct engine *engine)
{
    struct checkpoints *checkpoints = &engine->checkpoints;

    if (engine->fleet.file && !rows_publish(engine))
        return;
    mark_published(engine, checkpoints->id);
    if (checkpoints->coordinator.epoch < checkpoints->adopted_epoch)
        return;
    for (size_t at = 0; at < checkpoints->adopted.len; at += CHECKPOINT_ID_SIZE)
        mark_published(engine, checkpoints->adopted.data + at);
    buf_reset(&checkpoints->adopted);
}

static void keep_add(void *context, const char *checkpoint)
{
    struct buf *ids = context;

    if (checkpoint_id_is_valid(checkpoint))
        buf_append(ids, checkpoint, CHECKPOINT_ID_SIZE);
}

void publish_retain(struct engine *engine)
{
    struct catalog_owner owner = {.pipeline = engine->plan->pipeline,
                                  .group = engine->plan->kafka.group,
                                  .instance = consumer_instance_id(engine->consumer)};
    struct buf ids = {0};
    struct err err;
    size_t removed;

    if (consumer_committed(engine->consumer, RETAIN_TIMEOUT_MS, keep_add, &ids)) {
        buf_free(&ids);
        return;
    }

    size_t count = ids.len / CHECKPOINT_ID_SIZE;
    const char **keep = calloc(count + 1, sizeof(*keep));
    CHECK(keep);
    for (size_t i = 0; i < count; i++)
        keep[i] = ids.data + i * CHECKPOINT_ID_SIZE;
    if (catalog_retain(engine->checkpoints.dir, &owner, engine->plan->checkpoint.retain, keep,
                       count, &removed, &err))
        log_warn("%s", err.text);
    free(keep);
    buf_free(&ids);
}
