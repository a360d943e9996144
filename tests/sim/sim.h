/* sim - a freshet in one thread: its shards' turns and their edges' state machines are the real
 * ones, everything around them is simulated under a seed.
 *
 *   kafka.c   records           behind source/consumer.h
 *   redis.c   connections       behind sink/redis_uring.h
 *   world.c   clock, loops      behind base/clock.h, uring/loop.h
 *   disk.c    checkpoints       behind checkpoint/checkpoint.h; the output file, committed offsets
 *   tap.c     side output       behind sink/side_output.h; and listens at keyspaces and mailboxes
 *   fleet.c   control thread: assigns, revokes, crashes, drains
 *   checkpoints.c   and its checkpoints, by the real coordinator's steps; pending.c their rows
 *   check*.c  what must have come of it, by the definitions
 *
 * They take the place of the real ones when the program is linked; src/ knows nothing of it. One
 * run at a time: all of it is in `sim`. */
#ifndef FRESHET_SIM_SIM_H
#define FRESHET_SIM_SIM_H

#include "../unit/view/view_kept.h"
#include "scenario.h"
#include "shard/internal.h"
#include "sink/redis_save.h"

#define SHARDS_MAX 4
#define NEVER      INT64_MAX
#define REAL_MS    INT64_C(1700000000000) /* the wall clock at the beginning */

/* A shard's event loop: when its turn is due. */
struct loop {
    uint32_t shard;
    bool woken;
    int64_t due_ns;
    int64_t limit_ns; /* of the gate */
    int64_t turn_ns;  /* when the turn began, as the gate was told */
    bool is_shut;
    int64_t began_ns;        /* when the turn began, as it was */
    uint64_t commits_needed; /* that many have to be accepted before anything is sent */
};

/* What a keyspace was given, in order. */
struct tap_entry {
    bool is_event;
    bool is_restored;  /* times, from a checkpoint */
    int32_t partition; /* event */
    size_t record;     /* event: its number in the log */
    int64_t watermark_ms;
    int64_t clock_ms;   /* times */
    int64_t release_ms; /* restored times */
    bool is_held;       /* times */
    int64_t position;   /* times, aligned: of the partition */
    int64_t now_ns;
};

/* Listens at a keyspace from its creation to its end. */
struct tap {
    struct tap *next;
    struct keyspace *keyspace; /* NULL: it is gone */
    bool is_held;
    struct keyspace_output output;
    uint32_t shard;
    int life;
    int partition;        /* aligned; -1 while unknown, and for shuffle */
    int epoch;            /* the partition's */
    int64_t start_offset; /* aligned: of the first record that is applied */
    int64_t end_offset;
    const struct checkpoint *from; /* it began with its state; NULL: it began empty */
    bool finished;                 /* the end of a bounded run has come */
    bool was_cut;                  /* it ended before all was read */
    uint64_t mark_number;          /* the last checkpoint that it took part in; */
    size_t mark_cut;               /* its entries at the mark, and */
    bool mark_finished;            /* whether the end had come */
    struct tap_entry *entries;
    size_t entry_count;
    size_t entry_cap;
    struct spec_rows rows[GROUPS_MAX][SPEC_VIEWS_MAX][SPEC_KEYS];
};

/* A row that a shard has emitted, for the outputs. */
struct emitted {
    int group;
    int view;
    int key;
    struct spec_row row;
};

/* Rows by their numbers in sim.emitted. */
struct row_list {
    uint32_t *all;
    size_t count;
    size_t cap;
};

void rows_add(struct row_list *list, const uint32_t *rows, size_t count);

/* A keyspace's share of a checkpoint: what it had been given at the mark. */
struct sim_part {
    const struct tap *tap;
    size_t cut;
    bool finished;
};

#define PARTS_MAX 8

struct checkpoint {
    struct checkpoint *before; /* that was frozen before it */
    uint64_t serial;
    struct manifest manifest;
    struct store entries;
    struct row_list rows; /* pending */
    size_t length_before; /* of the output, in rows */
    bool is_published;
    bool is_corrupt;
    struct sim_part parts[PARTS_MAX];
    size_t part_count;
    struct schema_map *map;
    struct restore restore;
};

/* A partition's offset, as the group's coordinator has it. */
struct committed {
    int64_t offset; /* or -1 */
    struct checkpoint *checkpoint;
};

/* What outlives a process: disk.c. */
struct disk {
    struct checkpoint *newest;
    uint64_t frozen;
    struct row_list output;
    struct committed committed[PARTITIONS_MAX];
};

extern struct disk disk;

/* Where reading of a partition goes on: as engine/recovery.h has it. */
struct sim_origin {
    int64_t position;
    int64_t fetch_offset;
    int64_t mute_offset;
    const struct manifest_partition *from;
    struct checkpoint *checkpoint;
};

/* A dead letter or a late record. */
struct side_seen {
    int life;
    int epoch;
    enum side_kind kind;
    bool by_keyspace; /* found late where its sessions are known */
    bool is_expected; /* by check.c, of those */
    int64_t acknowledged_ns;
    bool is_lost; /* the process ended before that */
    int32_t partition;
    int64_t offset;
    int64_t watermark_ms;
    char error[24];
    char field[24];
};

/* A partition as the broker and the control thread have it. */
struct sim_partition {
    enum {
        PARTITION_AWAY,
        PARTITION_COMING,
        PARTITION_HERE,
        PARTITION_LEAVING, /* its last checkpoint is being made */
        PARTITION_GOING,
    } state;
    struct intake *intake; /* NULL: nobody reads it */
    int epoch;             /* how often it was assigned in this life */
    size_t next;           /* the record that is fetched next */
    bool end_told;
    int64_t stalled_until_ns;
    int64_t last_record_ns; /* when a record was fetched, or it was assigned */
    int64_t start_offset;   /* of the first record that is applied */
    int64_t fetch_offset;
    int64_t end_offset; /* when it was assigned */
    int64_t back_ns;    /* revoked: when it is assigned again */
    const struct checkpoint *from;
};

struct sim {
    uint64_t random;
    uint64_t seed;
    bool trace;
    uint64_t digest; /* of all that happens: a replay has the same */
    struct scenario scenario;
    int64_t now_ns;
    int life;
    bool calm; /* no new trouble: the end is near */
    bool
        draining; /* what Redis has acknowledged, it keeps: nobody may be there to write it again */
    uint64_t steps;
    struct fleet fleet;
    struct file_writer file;
    struct loop loops[SHARDS_MAX];
    struct sim_partition partitions[PARTITIONS_MAX];
    struct buf lines[SHARDS_MAX]; /* that the shards' lanes were given and the file has not got */
    struct row_list lane_rows[SHARDS_MAX]; /* the same */
    struct emitted *emitted;
    size_t emitted_count;
    size_t emitted_cap;
    bool has_crashed; /* this life ends here */
    struct tap *taps; /* the newest first */
    struct side_seen *sides;
    size_t side_count;
    int64_t side_full_until_ns;
    bool in_keyspace; /* what is set aside now is so by a keyspace */
    uint64_t rows;    /* statistics */
    uint64_t crashes;
    uint64_t rebalances;
    uint64_t checkpoints;
    uint64_t corrupt;
    uint64_t frozen;
};

extern struct sim sim;

/* Ends the run, which has failed. */
_Noreturn void sim_fail(const char *format, ...) PRINTF_LIKE(1, 2);

/* With --trace: what happens, on stdout. */
void sim_trace(const char *format, ...) PRINTF_LIKE(1, 2);

void sim_digest(const void *bytes, size_t len);

/* Random numbers from the seed; those of the scenario are its own. */
uint64_t dice(uint64_t sides);
bool chance(unsigned percent);

/* Trouble of this probability, if the seed is one for trouble. */
bool mishap(unsigned percent);

static inline uint32_t shard_count(void)
{
    return sim.fleet.shard_count;
}

/* The process may end here. True if it does: nothing more is to be done. */
bool crash_here(unsigned percent);

/* world.c: fails the run if a shard sleeps, and would go on to, while there is work for it. */
void check_sleepers(void);

/* A shard's turn begins; it sends: fails the run if it may not. */
void turn_begins(uint32_t shard);
void check_may_send(uint32_t shard);

/* kafka.c */

/* Reads the partition from the offset on. */
void kafka_forward(int partition, struct intake *intake, int64_t offset);
void kafka_withdraw(int partition);

/* Wakes the shards whose intake is not empty any more. */
void kafka_wake(void);

/* When it next has something to tell, or NEVER. */
int64_t kafka_due_ns(void);

/* True if records wait for the shard of which it has been told. */
bool kafka_has(uint32_t shard);

/* redis.c */

/* A Redis without data. */
void redis_begin(void);
void redis_end(void);

/* What is due on the shard's connections; called back within, as by a loop. */
void redis_run(uint32_t shard);
int64_t redis_due_ns(uint32_t shard);

/* The end of a shard's turn: what it has flushed is on its way. */
void redis_send(uint32_t shard);

/* The value of a field, or NULL. */
const char *redis_get(const char *key, const char *field);

/* tap.c */

struct tap *tap_of(const struct keyspace *keyspace);
void taps_free(void);

/* The broker has acknowledged all dead letters and late records; when it will have, or NEVER. */
bool side_acknowledged(void);
int64_t side_due_ns(void);

/* The process has ended: of the others, some are lost. */
void side_end(void);

/* disk.c */
void disk_begin(void);
void disk_end(void);

/* A checkpoint of what the shards have captured under that number. Takes the manifest. */
struct checkpoint *disk_freeze(struct manifest *manifest, uint64_t number,
                               const struct store *store, const struct row_list *rows);

/* Appends so many of its rows to the output. True if that was all. */
bool disk_publish(struct checkpoint *checkpoint, size_t count);

/* The output as it is after that checkpoint. */
void disk_recover(struct checkpoint *checkpoint);

/* pending.c: rows that have left the lanes, up to those that a checkpoint of that epoch holds. */
void pending_add(uint64_t epoch, uint32_t row);
size_t pending_count(void);
void pending_seal(uint64_t epoch, struct row_list *ret);
void pending_drop(uint64_t epoch);
void pending_end(void);

/* checkpoints.c */

/* A process begins and ends. */
void checkpoints_begin(void);
void checkpoints_end(void);

void checkpoints_take(uint32_t shard, struct mark *mark);
void checkpoints_turn(void);
int64_t checkpoints_due_ns(void);
void checkpoints_urge(void);

/* One of everything so far: the one under way is finished first. */
void checkpoints_make(void);

/* True when that is over. */
bool checkpoints_made(bool *ret_failed);

/* The checkpoint that is named may be found to be corrupt. */
void checkpoints_damage(void);

struct sim_origin origin_of(int partition);

/* Work store and output, when partitions `list` are assigned. */
void checkpoints_recover(const struct sim_origin *origins, const int *list, size_t count);

/* No shard has anything of the partitions that go any more. */
void checkpoints_drop_gone(void);

/* fleet.c: a whole run. */
void fleet_run(void);

/* What the control thread does while a shard is in its turn. */
void fleet_interrupt(void);

void command(uint32_t shard, const struct command *command);
void command_all(enum command_kind kind);

/* The shards have done all that they were told. */
bool shards_settled(void);

/* What the lanes have handed over goes to the checkpoints. */
void file_take_all(void);

/* check.c */

/* Everything has come to an end. */
void check_all(void);

/* history.c: what a keyspace was given of one key (aligned: of its partition), or a checkpoint's
 * state of it was computed from, from the beginning of the first life on. */
struct history {
    const struct tap_entry **entries;
    size_t count;
    size_t own;        /* from here on: by this keyspace */
    bool had_finished; /* on the way a bounded run was finished */
};

void history_init(struct history *history, const struct tap *tap, uint64_t key_hash);
void history_done(struct history *history);

#endif
