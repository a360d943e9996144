#include "plan/plan.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "plan/compile.h"
#include "plan/settings.h"

const char *field_type_name(enum field_type type)
{
    static const char *const names[] = {
        [FIELD_STRING] = "string",   [FIELD_INT64] = "int64", [FIELD_DOUBLE] = "double",
        [FIELD_DECIMAL] = "decimal", [FIELD_BOOL] = "bool",   [FIELD_TIMESTAMP] = "timestamp",
    };

    return names[type];
}

/* Every step reports what it finds wrong; the plan is good if none did. */
static void compile_plan(struct compile *compile)
{
    struct plan *plan = compile->plan;
    const struct tree_pair top = {(struct tree_node *)compile->root,
                                  (struct tree_node *)compile->root};

    bind_section(&compile->binder, &settings_top, "the pipeline file", &top, plan);
    if (compile->root->kind != TREE_MAPPING)
        return;
    if (!plan->kafka.group)
        plan->kafka.group = plan->pipeline;
    plan->admin.written = tree_find(compile->root, "admin") != NULL;
    compile_sources(compile);
    compile_views(compile);
    compile_keys(compile);
    check_topics(compile);
    check_unused_sources(compile);
    check_feature_names(compile);
}

int plan_parse(const char *path, struct slice text, struct plan **ret_plan,
               struct buf *ret_messages)
{
    struct plan_memory *memory = plan_memory_create();
    struct plan_memory *scratch = plan_memory_create();
    struct messages messages = {.memory = scratch};
    struct compile compile = {.binder = {memory, scratch, &messages, NULL}};
    struct tree_node *root = NULL;
    int rc = tree_parse(text, scratch, &messages, &root);

    compile.plan = plan_alloc(memory, sizeof(*compile.plan));
    compile.plan->memory = memory;
    compile.plan->file = plan_text(memory, slice_of(path));
    if (rc == 0 && (!root || tree_is_blank(root))) {
        messages_add(&messages, 1, 1,
                     "the file is empty; it needs pipeline, kafka, sources and "
                     "views");
    } else if (rc == 0) {
        compile.root = root;
        compile_plan(&compile);
    }
    if (messages.count == 0) {
        compile_layout(compile.plan);
        *ret_plan = compile.plan;
        memory = NULL;
    }
    messages_write(&messages, path, ret_messages);
    rc = messages.count ? -EINVAL : 0;
    plan_memory_free(scratch);
    plan_memory_free(memory);
    return rc;
}

/* The whole file, or so much of it that plan_parse refuses the size. */
static int read_file(const char *path, struct buf *content)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : 1;

    while (got > 0 && content->len <= TREE_BYTES_MAX) {
        got = read(fd, buf_reserve(content, 65536), 65536);
        if (got > 0)
            content->len += (size_t)got;
        else if (got < 0 && errno == EINTR)
            got = 1;
    }
    int rc = got < 0 ? -errno : 0;
    if (fd >= 0)
        close(fd);
    return rc;
}

int plan_load(const char *path, struct plan **ret_plan, struct buf *ret_messages)
{
    struct buf content = {0};
    int rc = read_file(path, &content);

    if (rc < 0)
        buf_printf(ret_messages, "%s: %s\n", path, strerror(-rc));
    else
        rc = plan_parse(path, buf_slice(&content), ret_plan, ret_messages);
    buf_free(&content);
    return rc;
}

void plan_free(struct plan *plan)
{
    if (plan)
        plan_memory_free(plan->memory);
}
