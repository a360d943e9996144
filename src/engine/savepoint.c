#include "engine/savepoint.h"

#include <errno.h>

#include "checkpoint/files.h"
#include "engine/internal.h"

char *savepoint_path(const struct engine *engine, const char *name)
{
    char *path = text_make("%s/savepoints/%s", state_dir_path(engine->checkpoints.dir), name);
    char *whole = realpath(path, NULL);

    if (!whole)
        return path;
    free(path);
    return whole;
}

static bool is_taken(const struct engine *engine, const char *name)
{
    char *path = savepoint_path(engine, name);
    bool is_there = file_exists(path);

    free(path);
    return is_there;
}

int savepoint_request(struct engine *engine, const char *name, struct err *err)
{
    struct savepoint *savepoint = &engine->checkpoints.savepoint;

    if (!savepoint_name_is_valid(name))
        return err_set(err, -EINVAL,
                       "\"%s\" cannot be a savepoint's name: 1 to %d of A-Z a-z 0-9 . _ -, not "
                       "beginning with a dot",
                       name, SAVEPOINT_NAME_MAX);
    if (!engine->checkpoints.store)
        return err_set(err, -EAGAIN, "the engine has no partitions yet: there is nothing to save");
    if (savepoint->state == SAVEPOINT_WAITING)
        return err_set(err, -EBUSY, "savepoint %s is being made", savepoint->name);
    if (is_taken(engine, name))
        return err_set(err, -EEXIST, "there is a savepoint %s already", name);
    *savepoint = (struct savepoint){.state = SAVEPOINT_WAITING};
    snprintf(savepoint->name, sizeof(savepoint->name), "%s", name);
    coordinator_savepoint(&engine->checkpoints.coordinator);
    return 0;
}

void savepoint_failed(struct savepoint *savepoint, const char *why, bool is_frozen)
{
    savepoint->state = SAVEPOINT_FAILED;
    err_set(&savepoint->err, -EIO, "%s%s", why,
            is_frozen ? "; the savepoint is on the disk, but not in force" : "");
}

void savepoint_done(struct savepoint *savepoint, const char *id)
{
    savepoint->state = SAVEPOINT_DONE;
    snprintf(savepoint->id, sizeof(savepoint->id), "%s", id);
    log_info("savepoint %s is in force: checkpoint %s", savepoint->name, id);
}
