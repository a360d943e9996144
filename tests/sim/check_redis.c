/* Redis shows the newest row of each key and view, by the definitions. */

#include "check.h"

/* What a view of a key is to show, by the rows. */
struct truth {
    bool known;
    bool rewritten; /* skipped rows may have been written, since the sink had forgotten the key */
    int64_t window_end_ms;
    int64_t newest_end_ms; /* of rows that say the same */
    char values[SPEC_VALUES];
};

/* Every feature without a value. */
static void values_none(char *out, unsigned features)
{
    for (; features; features &= features - 1)
        out += sprintf(out, "null|");
}

static void learn(struct truth *truth, int view, const struct spec_row *row)
{
    char values[SPEC_VALUES];

    if (!row->online || (row->empty && sim.scenario.when_empty[view] == WHEN_EMPTY_KEEP) ||
        (truth->known && row->end_ms < truth->newest_end_ms))
        return;
    truth->newest_end_ms = row->end_ms;
    strcpy(values, row->values);
    if (row->empty && sim.scenario.when_empty[view] == WHEN_EMPTY_DELETE)
        values_none(values, sim.scenario.spec.views[view].features);
    if (truth->known && sim.scenario.skip_unchanged[view] && strcmp(values, truth->values) == 0)
        return;
    truth->known = true;
    truth->window_end_ms = row->end_ms;
    truth->newest_end_ms = row->end_ms;
    strcpy(truth->values, values);
}

/* Numbers may be spelled differently. */
static bool text_same(const char *shown, const char *wanted)
{
    char *shown_end, *wanted_end;

    if (!shown)
        return strcmp(wanted, "null") == 0;
    if (strcmp(shown, wanted) == 0)
        return true;
    double a = strtod(shown, &shown_end);
    double b = strtod(wanted, &wanted_end);

    return *shown && !*shown_end && *wanted && !*wanted_end && a == b;
}

static void check_window_end(const char *name, int view, const struct truth *truth)
{
    char field[KEY_BYTES];

    snprintf(field, sizeof(field), "v%d.window_end", view);
    const char *shown = redis_get(name, field);

    if (!sim.scenario.metadata ? !shown
                               : shown && strtoll(shown, NULL, 10) >= truth->window_end_ms &&
                                     strtoll(shown, NULL, 10) <= truth->newest_end_ms)
        return;
    sim_fail("redis: %s %s is %s, not %" PRId64, name, field, shown ? shown : "(none)",
             truth->window_end_ms);
}

static void check_shown(int group, int view, int key, const struct truth *truth)
{
    char name[KEY_BYTES + 4] = "f:";
    char field[KEY_BYTES];
    char values[SPEC_VALUES];
    char *rest = values;

    key_write(&sim.scenario, group, key, name + 2);
    strcpy(values, truth->values);
    for (size_t i = 0; i < ARRAY_LEN(spec_features); i++) {
        if (!(sim.scenario.spec.views[view].features >> i & 1))
            continue;
        const char *wanted = truth->known ? strsep(&rest, "|") : "null";

        snprintf(field, sizeof(field), "v%d_f%zu", view, i);
        const char *shown = redis_get(name, field);

        if (!text_same(shown, wanted))
            sim_fail("redis: %s %s is %s, not %s (window_end %" PRId64 ")", name, field,
                     shown ? shown : "(none)", wanted, truth->window_end_ms);
    }
    if (truth->known)
        check_window_end(name, view, truth);
}

/* What has been read before is held back until the replay is over: a process that ends in the
 * middle of it leaves what the life before has shown. */
static bool is_held(void)
{
    for (uint32_t i = 0; i < shard_count(); i++) {
        if (sim.fleet.shards[i]->is_held)
            return true;
    }
    return false;
}

/* Whether what the view shows in the end follows from the events, whatever a life that has crashed
 * did with them: trailing windows also, since an event that comes too late for a row has it told.
 */
static bool shows_alike(int view)
{
    const struct view_spec *spec = &sim.scenario.spec.views[view];

    return replays_alike(&sim.scenario, view) ||
           (!spec->gap_ms && !spec->lifetime && sim.scenario.spec.dedup_ms == 0);
}

/* A life that has crashed may have shown what no other comes to: under shuffle, rows that depend on
 * the order in which partitions were read; what idle clocks have fired ahead of time. */
static bool redis_is_certain(int view)
{
    if (sim.scenario.lives == 1 && sim.scenario.rebalances == 0)
        return true;
    return !is_held() && shows_alike(view) && (!sim.scenario.idles || sim.scenario.lives == 1);
}

/* By the rows of the keys of the group that `keys` names, one bit each. */
void check_redis(const struct oracle *oracle, int group, unsigned keys)
{
    for (int view = 0; view < sim.scenario.spec.view_count; view++) {
        for (int key = 0; key < SPEC_KEYS; key++) {
            const struct spec_rows *rows = &oracle->rows[view][key];
            struct truth truth = {0};

            if (!(keys >> key & 1) || !redis_is_certain(view))
                continue;
            for (size_t i = 0; i < rows->count; i++)
                learn(&truth, view, &rows->rows[i]);
            check_shown(group, view, key, &truth);
        }
    }
}
