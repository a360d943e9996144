#include "admin/checkpoint_report.h"

#include <inttypes.h>

#include "admin/json.h"
#include "base/clock.h"
#include "engine/checkpoints.h"

#define NS          1e-9
#define EVERY_LIMIT 10 /* a last checkpoint older than so many intervals is a fault */

static const char *const stage_names[] = {
    [CHECKPOINT_IDLE] = "idle",
    [CHECKPOINT_CAPTURING] = "capturing",
    [CHECKPOINT_FLUSHING] = "flushing",
    [CHECKPOINT_COMMITTING] = "committing",
};

/* Of the last one in force; before the first one, of the attempt. -1: none has begun. */
static int64_t age_ns(const struct checkpoint_stats *stats)
{
    int64_t since_ns = gauge_get(&stats->accepted_ns);

    if (!since_ns)
        since_ns = gauge_get(&stats->first_ns);
    return since_ns ? clock_monotonic_ns() - since_ns : -1;
}

/* --- metrics --- */

static void one(struct exposition *text, enum metric_family family, double value)
{
    exposition_family(text, family);
    exposition_double(text, value);
}

static void stages_write(struct exposition *text, const struct checkpoint_stats *stats)
{
    const struct {
        const char *name;
        const struct hdr *hdr;
    } stages[] = {
        {"align", &stats->align_ns},   {"capture", &stats->capture_ns},
        {"freeze", &stats->freeze_ns}, {"commit", &stats->commit_ns},
        {"total", &stats->total_ns},
    };

    exposition_family(text, FAMILY_CHECKPOINT_STAGE);
    for (size_t i = 0; i < ARRAY_LEN(stages); i++) {
        exposition_labels(text, (const char *[]){stages[i].name});
        exposition_hdr(text, stages[i].hdr);
    }
}

static void store_write_metrics(struct exposition *text, const struct store *store)
{
    struct store_stats stats;

    store_stats(store, &stats);
    one(text, FAMILY_STORE_DISK, (double)stats.disk_bytes);
    one(text, FAMILY_STORE_MEMORY, (double)stats.memory_bytes);
}

void checkpoint_metrics(struct engine *engine, struct exposition *text)
{
    const struct checkpoints *checkpoints = engine_checkpoints(engine);
    const struct checkpoint_stats *stats = &checkpoints->stats;

    exposition_family(text, FAMILY_CHECKPOINTS);
    exposition_labels(text, (const char *[]){"done"});
    exposition_uint(text, counter_get(&stats->done));
    exposition_labels(text, (const char *[]){"failed"});
    exposition_uint(text, counter_get(&stats->failed));
    one(text, FAMILY_CHECKPOINT_FAILURES, (double)gauge_get(&stats->failures_in_row));
    if (age_ns(stats) >= 0)
        one(text, FAMILY_CHECKPOINT_AGE, (double)age_ns(stats) * NS);
    if (gauge_get(&stats->accepted_ns)) {
        one(text, FAMILY_CHECKPOINT_DURATION, (double)gauge_get(&stats->last_ns) * NS);
        one(text, FAMILY_CHECKPOINT_SIZE, (double)gauge_get(&stats->last_bytes));
    }
    one(text, FAMILY_CHECKPOINT_ENTRIES, (double)counter_get(&stats->entries));
    one(text, FAMILY_CHECKPOINT_BYTES, (double)counter_get(&stats->bytes));
    if (checkpoints->store)
        store_write_metrics(text, checkpoints->store);
    stages_write(text, stats);
}

/* --- status --- */

static void string_or_null(struct buf *out, const char *name, const char *value)
{
    if (*value)
        json_string(out, name, value);
    else
        buf_printf(out, "\"%s\":null", name);
}

void checkpoint_status(const struct engine *engine, struct buf *out)
{
    const struct checkpoints *checkpoints = engine_checkpoints(engine);
    const struct checkpoint_stats *stats = &checkpoints->stats;

    buf_append_char(out, '{');
    string_or_null(out, "id", checkpoints->last_id);
    if (gauge_get(&stats->accepted_ns))
        buf_printf(out,
                   ",\"age_seconds\":%.3f,\"duration_seconds\":%.3f,\"bytes\":%" PRId64
                   ",\"entries\":%" PRIu64,
                   (double)age_ns(stats) * NS, (double)gauge_get(&stats->last_ns) * NS,
                   gauge_get(&stats->last_bytes), checkpoints->last_entries);
    buf_append_char(out, ',');
    json_string(out, "stage", stage_names[checkpoints->coordinator.stage]);
    buf_printf(out, ",\"done\":%" PRIu64 ",\"failed\":%" PRIu64 ",\"failures_in_row\":%" PRId64 ",",
               counter_get(&stats->done), counter_get(&stats->failed),
               gauge_get(&stats->failures_in_row));
    string_or_null(out, "last_error", checkpoints->last_err.text);
    buf_append_char(out, '}');
}

bool savepoint_status(const struct engine *engine, struct buf *out)
{
    static const char *const states[] = {
        [SAVEPOINT_NONE] = "",
        [SAVEPOINT_WAITING] = "waiting",
        [SAVEPOINT_DONE] = "done",
        [SAVEPOINT_FAILED] = "failed",
    };
    const struct savepoint *savepoint = &engine_checkpoints(engine)->savepoint;

    if (savepoint->state == SAVEPOINT_NONE)
        return false;
    buf_append_char(out, '{');
    json_string(out, "name", savepoint->name);
    buf_append_char(out, ',');
    json_string(out, "state", states[savepoint->state]);
    if (savepoint->state == SAVEPOINT_DONE) {
        char *path = savepoint_path(engine, savepoint->name);

        buf_append_char(out, ',');
        json_string(out, "id", savepoint->id);
        buf_append_char(out, ',');
        json_string(out, "path", path);
        free(path);
    }
    if (savepoint->state == SAVEPOINT_FAILED) {
        buf_append_char(out, ',');
        json_string(out, "error", savepoint->err.text);
    }
    buf_printf(out, "}\n");
    return true;
}

/* --- health --- */

static bool shards_full(const struct fleet *fleet)
{
    for (uint32_t i = 0; i < fleet->shard_count; i++) {
        if (shard_is_full(fleet->shards[i]))
            return true;
    }
    return false;
}

bool checkpoint_health(const struct engine *engine, struct buf *out)
{
    const struct checkpoints *checkpoints = engine_checkpoints(engine);
    const struct fleet *fleet = engine_fleet(engine);
    const struct plan_checkpoint *plan = &fleet->plan->checkpoint;
    int64_t limit_ms = MAX(EVERY_LIMIT * plan->every_ms, plan->every_ms + plan->timeout_ms);

    if (gauge_get(&checkpoints->stats.failures_in_row) > 1) {
        buf_printf(out, "%" PRId64 " checkpoints failed in a row: %s\n",
                   gauge_get(&checkpoints->stats.failures_in_row), checkpoints->last_err.text);
        return false;
    }
    if (age_ns(&checkpoints->stats) > limit_ms * NS_PER_MS && !shards_full(fleet)) {
        buf_printf(out, "no checkpoint has come into force for %" PRId64 " s\n",
                   age_ns(&checkpoints->stats) / NS_PER_S);
        return false;
    }
    return true;
}
