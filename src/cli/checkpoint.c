/* freshet checkpoint ls, inspect: what stands in state.dir. They read, and change nothing. */

#include <errno.h>
#include <inttypes.h>

#include "base/clock.h"
#include "base/text.h"
#include "checkpoint/catalog.h"
#include "cli/cli.h"
#include "source/group_client.h"

#define BROKER_TIMEOUT_MS 3000

/* --- which of them committed offsets name --- */

struct commits {
    bool is_known;
    struct group_offset *offsets;
    size_t count;
};

static bool has_topic(const struct commits *commits, const char *topic, int32_t partition)
{
    for (size_t i = 0; i < commits->count; i++) {
        if (commits->offsets[i].partition == partition &&
            strcmp(commits->offsets[i].topic, topic) == 0)
            return true;
    }
    return false;
}

static void commits_add(struct commits *commits, const struct manifest_source *source)
{
    for (uint32_t i = 0; i < source->partition_count; i++) {
        if (has_topic(commits, source->topic, (int32_t)i))
            continue;
        commits->offsets = realloc(commits->offsets,
                                   (commits->count + 1) * sizeof(*commits->offsets));
        CHECK(commits->offsets);
        commits->offsets[commits->count++] = (struct group_offset){
            .topic = source->topic, .partition = (int32_t)i, .offset = -1};
    }
}

/* Asks for the partitions that the checkpoints know of. */
static void commits_ask(const struct plan *plan, const struct catalog *catalog,
                        struct commits *commits)
{
    struct group_client *client;
    struct err err;
    int error;

    *commits = (struct commits){0};
    for (size_t i = 0; i < catalog->count; i++) {
        const struct catalog_entry *entry = &catalog->entries[i];

        for (uint32_t j = 0; !entry->error && j < entry->manifest.source_count; j++)
            commits_add(commits, &entry->manifest.sources[j]);
    }
    if (commits->count == 0)
        return;
    error = group_client_open(plan, &client, &err);
    if (!error) {
        error = group_client_committed(client, commits->offsets, commits->count, BROKER_TIMEOUT_MS,
                                       &err);
        group_client_close(client);
    }
    commits->is_known = !error;
    if (error)
        cli_error("%s; which checkpoints are committed is not shown", err.text);
}

static size_t commits_of(const struct commits *commits, const char *id)
{
    size_t count = 0;

    for (size_t i = 0; i < commits->count; i++)
        count += commits->offsets[i].offset >= 0 && strcmp(commits->offsets[i].metadata, id) == 0;
    return count;
}

/* --- ls --- */

struct listing {
    struct catalog catalog;
    struct commits commits;
    int64_t now_ms;
    bool as_json;
    bool in_full;
};

/* NULL if it is whole, as far as was looked; else what is wrong, to be freed. */
static char *fault_of(const struct listing *listing, const struct catalog_entry *entry)
{
    struct checkpoint *checkpoint;
    struct err err;
    int error;

    if (entry->error)
        return strdup(entry->error_text);
    error = checkpoint_open_path(entry->path, &checkpoint, &err);
    if (!error) {
        error = listing->in_full ? checkpoint_verify(checkpoint, &err)
                                 : checkpoint_verify_sizes(checkpoint, &err);
        checkpoint_close(checkpoint);
    }
    return error ? strdup(err.text) : NULL;
}

static uint64_t bytes_of(const struct manifest *manifest)
{
    uint64_t bytes = manifest->output.rows_bytes;

    for (uint32_t i = 0; i < manifest->file_count; i++)
        bytes += manifest->files[i].bytes;
    return bytes;
}

/* 42s, 17m, 3h, 12d: the largest unit of which there are two. */
static void age_print(int64_t age_ms, char *out, size_t size)
{
    static const struct {
        int64_t seconds;
        const char *name;
    } units[] = {{86400, "d"}, {3600, "h"}, {60, "m"}, {1, "s"}};
    int64_t seconds = MAX(age_ms, INT64_C(0)) / 1000;
    size_t i = 0;

    while (i + 1 < ARRAY_LEN(units) && seconds < 2 * units[i].seconds)
        i++;
    snprintf(out, size, "%" PRId64 "%s", seconds / units[i].seconds, units[i].name);
}

static void member_text(struct buf *out, const char *name, const char *text)
{
    buf_printf(out, "\"%s\":", name);
    if (text && text_is_utf8(slice_of(text)))
        text_json_string(out, slice_of(text));
    else
        buf_printf(out, "null");
}

static void commits_json(struct buf *out, const struct commits *commits, const char *id)
{
    const char *between = "";

    buf_printf(out, ",\"committed\":%s", commits->is_known ? "[" : "null");
    if (!commits->is_known)
        return;
    for (size_t i = 0; i < commits->count; i++) {
        const struct group_offset *one = &commits->offsets[i];

        if (one->offset < 0 || strcmp(one->metadata, id) != 0)
            continue;
        buf_printf(out, "%s{", between);
        member_text(out, "topic", one->topic);
        buf_printf(out, ",\"partition\":%" PRId32 ",\"offset\":%" PRId64 "}", one->partition,
                   one->offset);
        between = ",";
    }
    buf_append_char(out, ']');
}

static void print_json(const struct listing *listing, const struct catalog_entry *entry,
                       const char *fault)
{
    struct buf out = {0};

    buf_append_char(&out, '{');
    member_text(&out, "id", *entry->id ? entry->id : NULL);
    buf_append_char(&out, ',');
    member_text(&out, "savepoint", entry->name);
    buf_append_char(&out, ',');
    member_text(&out, "path", entry->path);
    if (!entry->error) {
        buf_append_char(&out, ',');
        member_text(&out, "pipeline", entry->manifest.pipeline);
        buf_append_char(&out, ',');
        member_text(&out, "group", entry->manifest.group);
        buf_printf(&out,
                   ",\"created_ms\":%" PRId64 ",\"age_seconds\":%.3f,\"keys\":%" PRIu64
                   ",\"bytes\":%" PRIu64,
                   entry->manifest.created_ms,
                   (double)(listing->now_ms - entry->manifest.created_ms) / 1e3,
                   entry->manifest.keys, bytes_of(&entry->manifest));
    }
    buf_printf(&out, ",\"valid\":%s,", fault ? "false" : "true");
    member_text(&out, "fault", fault);
    commits_json(&out, &listing->commits, entry->id);
    buf_printf(&out, "}\n");
    fwrite(out.data, 1, out.len, stdout);
    buf_free(&out);
}

static void print_line(const struct listing *listing, const struct catalog_entry *entry,
                       const char *fault)
{
    size_t committed = commits_of(&listing->commits, entry->id);
    char age[32] = "";
    char keys[32] = "";
    char bytes[32] = "";
    char named[32] = "";

    if (!entry->error) {
        age_print(listing->now_ms - entry->manifest.created_ms, age, sizeof(age));
        snprintf(keys, sizeof(keys), "%" PRIu64, entry->manifest.keys);
        snprintf(bytes, sizeof(bytes), "%" PRIu64, bytes_of(&entry->manifest));
    }
    if (committed > 0)
        snprintf(named, sizeof(named), "%zu", committed);
    printf("%-37s %4s  %-22s %-16s %10s %12s %9s  %s\n", *entry->id ? entry->id : "-", age,
           entry->name ? entry->name : "", entry->error ? "" : entry->manifest.pipeline, keys,
           bytes, named, fault ? fault : "ok");
}

static void listing_print(const struct listing *listing)
{
    if (!listing->as_json && listing->catalog.count > 0)
        printf("%-37s %4s  %-22s %-16s %10s %12s %9s  %s\n", "ID", "AGE", "SAVEPOINT", "PIPELINE",
               "KEYS", "BYTES", "COMMITTED", "STATE");
    for (size_t i = 0; i < listing->catalog.count; i++) {
        const struct catalog_entry *entry = &listing->catalog.entries[i];
        char *fault = fault_of(listing, entry);

        (listing->as_json ? print_json : print_line)(listing, entry, fault);
        free(fault);
    }
}

static int list(const struct plan *plan, struct listing *listing)
{
    struct state_dir *dir;
    struct err err;
    int error = state_dir_open_to_read(plan->state.dir, &dir, &err);

    if (!error)
        error = catalog_list(dir, &listing->catalog, &err);
    if (error) {
        cli_error("%s", err.text);
        return EXIT_FAILED;
    }
    commits_ask(plan, &listing->catalog, &listing->commits);
    if (listing->catalog.count == 0)
        cli_error("%s holds no checkpoints yet", plan->state.dir);
    listing_print(listing);
    free(listing->commits.offsets);
    catalog_free(&listing->catalog);
    state_dir_close(dir);
    return EXIT_DONE;
}

int command_checkpoint_ls(const struct cli_args *args)
{
    struct listing listing = {
        .now_ms = clock_realtime_ms(),
        .as_json = args->values[LS_JSON] != NULL,
        .in_full = args->values[LS_VERIFY] != NULL,
    };
    struct plan *plan;
    int code = cli_load_plan(args->positional[0], &plan);

    if (code)
        return code;
    code = list(plan, &listing);
    plan_free(plan);
    return code;
}

/* --- inspect --- */

int cli_open_checkpoint(const struct plan *plan, const char *id, struct checkpoint **ret,
                        struct err *err)
{
    struct state_dir *dir;
    int error = state_dir_open_to_read(plan->state.dir, &dir, err);

    if (error)
        return error;
    error = checkpoint_open(dir, id, ret, err);
    state_dir_close(dir);
    return error;
}

static int inspect(const struct plan *plan, const char *id, bool as_json)
{
    struct checkpoint *checkpoint;
    struct buf out = {0};
    struct err err;

    if (cli_open_checkpoint(plan, id, &checkpoint, &err)) {
        cli_error("%s", err.text);
        return EXIT_FAILED;
    }
    if (as_json)
        manifest_json(checkpoint_manifest(checkpoint), &out);
    else
        manifest_print(checkpoint_manifest(checkpoint), &out);
    if (as_json)
        buf_append_char(&out, '\n');
    fwrite(out.data, 1, out.len, stdout);
    fflush(stdout);
    buf_free(&out);

    int error = checkpoint_verify(checkpoint, &err);
    if (error)
        cli_error("%s", err.text);
    else
        fprintf(stderr, "every file is as it was written\n");
    checkpoint_close(checkpoint);
    return error ? EXIT_FAILED : EXIT_DONE;
}

int command_checkpoint_inspect(const struct cli_args *args)
{
    struct plan *plan;
    int code = cli_load_plan(args->positional[0], &plan);

    if (code)
        return code;
    code = inspect(plan, args->positional[1], args->values[INSPECT_JSON] != NULL);
    plan_free(plan);
    return code;
}
