/* scenario - what a seed stands for: a pipeline, the contents of its topic, and the trouble to
 * come.
 *
 *   aligned   a key lives in one partition: group g of keys is partition g
 *   shuffle   every partition has events of every key: groups are just more keys
 *
 * Views and events are those of the tests of views (view_spec.h); what is added here is all that
 * surrounds a view: records as Kafka has them, good and bad, and when they come. */
#ifndef FRESHET_SIM_SCENARIO_H
#define FRESHET_SIM_SCENARIO_H

#include "../unit/view/view_oracle.h"

#define PARTITIONS_MAX 6
#define GROUPS_MAX     6
#define LIVES_MAX      5
#define KEY_BYTES      60

struct sim_record {
    int64_t offset;
    int64_t arrives_ns;
    int64_t timestamp_ms; /* or -1 */
    char *value;          /* NULL: null */
    size_t value_len;
    const char *error; /* what its dead letter says, or NULL: it is an event */
    const char *field; /* likewise, or NULL */
    int group;
    struct sample sample;
};

struct sim_log {
    struct sim_record *records;
    size_t count;
    int64_t begin_offset;
    int64_t end_offset; /* of the whole log; there may be a gap before it */
};

struct scenario {
    struct spec spec;
    enum when_empty when_empty[SPEC_VIEWS_MAX];
    bool skip_unchanged[SPEC_VIEWS_MAX];
    int partition_count;
    int group_count;
    int64_t idle_after_ms;
    bool bounded;
    bool idles;        /* windows fire by idle clocks too */
    bool drains_early; /* the last life ends before all is read */
    int lives;         /* all but the last end in a crash, or have read all there is */
    int shard_counts[LIVES_MAX];
    bool evicts[LIVES_MAX];   /* all keys that may go do */
    bool is_short[LIVES_MAX]; /* and nothing is taken before they have */
    int rebalances;           /* in each life */
    int64_t checkpoint_every_ms;
    bool transactional; /* offsets are committed in a transaction */
    bool loses_data;
    bool metadata;
    unsigned trouble; /* how much of it there is, 0 .. 100 */
    int64_t burst;    /* records that are fetched together, at most */
    int64_t lasts_ns; /* when the last record has come */
    size_t dirty_keys_max;
    struct sim_log logs[PARTITIONS_MAX];
    struct buf text; /* the pipeline file */
    struct plan *plan;
};

/* Everything follows from the seed. */
void scenario_init(struct scenario *scenario, uint64_t seed);
void scenario_done(struct scenario *scenario);

/* The view's rows are the same in a replay. Under shuffle that changes the order in which
 * partitions are read, on which trailing rows depend, sessions (which are closed by how far all
 * partitions are), lifetimes, and which of two duplicates counts. */
static inline bool replays_alike(const struct scenario *scenario, int view)
{
    const struct view_spec *spec = &scenario->spec.views[view];

    return scenario->spec.aligned ||
           (!spec->on_update && !spec->gap_ms && !spec->lifetime && scenario->spec.dedup_ms == 0);
}

/* The key as the records have it; and back: false if there is no such key. */
void key_write(const struct scenario *scenario, int group, int key, char out[KEY_BYTES]);
bool key_read(const struct scenario *scenario, struct slice text, int *ret_group, int *ret_key);

/* Where the log ends at that moment: behind the records that have come. */
int64_t log_end(const struct sim_log *log, int64_t now_ns);

#endif
