/* sim - a freshet in one thread: its shards' turns and their edges' state machines are the real
 * ones, everything around them is simulated under a seed.
 *
 *   kafka.c   records           behind source/consumer.h
 *   redis.c   connections       behind sink/redis_uring.h
 *   world.c   clock, loops      behind base/clock.h, uring/loop.h
 *   tap.c     side output       behind sink/side_output.h; and listens at keyspaces and mailboxes
 *   fleet.c   control thread: assigns, revokes, crashes, drains, writes the file
 *   check.c   what must have come of it, by the definitions
 *
 * They take the place of the real ones when the program is linked; src/ knows nothing of it. One
 * run at a time: all of it is in `sim`. */
#ifndef FRESHET_SIM_SIM_H
#define FRESHET_SIM_SIM_H

#include "scenario.h"
#include "shard/internal.h"

#define SHARDS_MAX 4
#define NEVER      INT64_MAX
#define REAL_MS    INT64_C(1700000000000) /* the wall clock at the beginning */

/* A shard's event loop: when its turn is due. */
struct loop {
    uint32_t shard;
    bool woken;
    int64_t due_ns;
};

/* What a keyspace was given, in order. */
struct tap_entry {
    bool is_event;
    int32_t partition; /* event */
    size_t record;     /* event: its number in the log */
    int64_t watermark_ms;
    int64_t clock_ms; /* times */
    bool is_held;     /* times */
    int64_t position; /* times, aligned: of the partition */
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
    int partition; /* aligned; -1 while unknown, and for shuffle */
    int epoch;     /* the partition's */
    int64_t end_offset;
    bool finished; /* the end of a bounded run has come */
    bool was_cut;  /* it ended before all was read */
    struct tap_entry *entries;
    size_t entry_count;
    size_t entry_cap;
    struct spec_rows rows[GROUPS_MAX][SPEC_VIEWS_MAX][SPEC_KEYS];
};

/* A dead letter or a late record. */
struct side_seen {
    int life;
    int epoch;
    enum side_kind kind;
    bool by_keyspace; /* found late where its sessions are known */
    bool is_expected; /* by check.c, of those */
    int32_t partition;
    int64_t offset;
    int64_t watermark_ms;
    char error[24];
    char field[24];
};

/* A partition as the broker and the control thread have it. */
struct sim_partition {
    enum { PARTITION_AWAY, PARTITION_COMING, PARTITION_HERE, PARTITION_LEAVING } state;
    struct intake *intake; /* NULL: nobody reads it */
    int epoch;             /* how often it was assigned in this life */
    size_t next;           /* the record that is fetched next */
    bool end_told;
    int64_t stalled_until_ns;
    int64_t last_record_ns; /* when a record was fetched, or it was assigned */
    int64_t end_offset;     /* when it was assigned */
    int64_t back_ns;        /* revoked: when it is assigned again */
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
    struct tap *taps;             /* the newest first */
    struct side_seen *sides;
    size_t side_count;
    int64_t side_full_until_ns;
    bool in_keyspace; /* what is set aside now is so by a keyspace */
    uint64_t rows;    /* statistics */
    uint64_t crashes;
    uint64_t rebalances;
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

/* world.c: fails the run if a shard sleeps, and would go on to, while there is work for it. */
void check_sleepers(void);

/* kafka.c */

/* Reads the partition from the beginning. */
void kafka_forward(int partition, struct intake *intake);
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

/* The value of a field, or NULL. */
const char *redis_get(const char *key, const char *field);

/* tap.c */

struct tap *tap_of(const struct keyspace *keyspace);
void taps_free(void);

/* fleet.c: a whole run. */
void fleet_run(void);

/* What the control thread does while a shard is in its turn. */
void fleet_interrupt(void);

/* check.c */

/* Everything has come to an end. */
void check_all(void);

#endif
