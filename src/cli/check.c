#include "cli/cli.h"

#include <errno.h>

#include "checkpoint/catalog.h"
#include "checkpoint/files.h"
#include "cli/fit.h"

static int print_plan(const struct plan *plan)
{
    struct buf text = {0};

    plan_print(plan, &text);
    fwrite(text.data, 1, text.len, stdout);
    buf_free(&text);
    return EXIT_DONE;
}

/* The newest of the pipeline that can be read. */
static int open_newest(const struct plan *plan, const char *path, struct checkpoint **ret,
                       struct err *err)
{
    struct state_dir *dir;
    struct catalog catalog;
    int error = state_dir_open_to_read(path, &dir, err);

    if (error)
        return error;
    error = catalog_list(dir, &catalog, err);
    state_dir_close(dir);
    if (error)
        return error;
    error = err_set(err, -ENOENT, "%s holds no checkpoint of pipeline %s", path, plan->pipeline);
    for (size_t i = 0; error && i < catalog.count; i++) {
        const struct catalog_entry *entry = &catalog.entries[i];

        if (!entry->error && strcmp(entry->manifest.pipeline, plan->pipeline) == 0)
            error = checkpoint_open_path(entry->path, ret, err);
    }
    catalog_free(&catalog);
    return error;
}

/* `against`: a checkpoint's folder, a state.dir, or an id or name in the pipeline's own. */
static int open_against(const struct plan *plan, const char *against, struct checkpoint **ret,
                        struct err *err)
{
    char *manifest = text_make("%s/manifest", against);
    bool is_checkpoint = file_exists(manifest);

    free(manifest);
    if (is_checkpoint)
        return checkpoint_open_path(against, ret, err);
    if (strchr(against, '/') || strcmp(against, ".") == 0)
        return open_newest(plan, against, ret, err);
    return cli_open_checkpoint(plan, against, ret, err);
}

static int compare(const struct plan *plan, const char *against, bool as_json, struct err *err)
{
    struct checkpoint *checkpoint;
    struct buf out = {0};
    struct fit fit;
    int error = open_against(plan, against, &checkpoint, err);

    if (error)
        return error;
    error = fit_make(plan, checkpoint_manifest(checkpoint), &fit, err);
    if (!error) {
        (as_json ? fit_json : fit_print)(&fit, &out);
        if (as_json)
            buf_append_char(&out, '\n');
        fwrite(out.data, 1, out.len, stdout);
        fprintf(stderr, "from checkpoint %s\n", checkpoint_manifest(checkpoint)->id);
    }
    fit_done(&fit);
    checkpoint_close(checkpoint);
    buf_free(&out);
    return error;
}

int command_check(const struct cli_args *args)
{
    const char *against = args->values[CHECK_AGAINST];
    bool as_json = args->values[CHECK_JSON] != NULL;
    struct plan *plan;
    struct err err;
    int code;

    if (as_json && !against) {
        cli_error("--json goes with --against");
        return EXIT_USAGE;
    }
    code = cli_load_plan(args->positional[0], &plan);
    if (code)
        return code;
    if (!against) {
        code = print_plan(plan);
    } else if (compare(plan, against, as_json, &err)) {
        cli_error("%s", err.text);
        code = EXIT_FAILED;
    }
    plan_free(plan);
    return code;
}
