/* check - what the files of the checks share. */
#ifndef FRESHET_SIM_CHECK_H
#define FRESHET_SIM_CHECK_H

#include "sim.h"

/* A partition by itself. */
struct walk {
    const struct sim_log *log;
    int partition;
    int64_t watermark_ms;
};

void walk_begin(struct walk *walk, int partition);
void walk_saw(struct walk *walk, const struct sim_record *record);

/* What has been read of a partition in the end. */
int64_t position_of(int partition);

/* The event as its keyspace takes it. */
void event_expect(const struct tap *tap, const struct sim_record *record, int partition,
                  int64_t watermark_ms, struct oracle *oracle);

/* Times from a checkpoint. */
void restored_apply(struct oracle *oracle, const struct tap_entry *times);

/* By view and key. */
struct row_counts {
    size_t of[SPEC_VIEWS_MAX][SPEC_KEYS];
};

void count_rows(const struct oracle *oracle, struct row_counts *ret);

/* The keyspace's rows of the key, of which there were so many before it, and the file's. */
void check_key(const struct tap *tap, int group, int key, struct oracle *oracle,
               const struct row_counts *before, const struct history *history);
void check_no_rows(const struct tap *tap, int group, int key);

/* When windows that fired early fire once more is free, what they say is not. */
void sort_if_free(int view, struct spec_rows *rows);

/* How many rows are as the wanted ones from number `from` on. */
size_t first_difference(int view, const struct spec_rows *wanted, size_t from,
                        const struct spec_rows *got);

/* check_file.c: the output file's rows of one key in one view. */
void file_rows_make(void);
void file_rows_done(void);
const struct spec_rows *file_rows_of(int group, int view, int key);

/* `had_finished`: a bounded run was finished, and then gone on with. */
void check_file(int group, int view, int key, const struct spec_rows *wanted, bool had_finished);

/* check_side.c: dead letters and late records. */

/* Goes through those that one assignment of a partition has set aside. */
struct side_cursor {
    size_t next;
    int life;
    int epoch;
    int partition;
    bool may_end; /* what comes after the last one is not known */
    bool ended;
};

/* The next one is this record. */
void side_expect(struct side_cursor *cursor, const struct sim_record *record, const char *error,
                 const char *field, int64_t watermark_ms);
void side_end_expected(struct side_cursor *cursor);

/* Some life has set it aside, and was heard. */
void side_covered(int partition, const struct sim_record *record, const char *error,
                  const char *field, int64_t watermark_ms);

/* An event of which only the keyspace could tell that it is late. */
void side_late_expect(const struct tap *tap, const struct sim_record *record, int partition,
                      int64_t watermark_ms, bool by_watermark);
void check_late_are_expected(void);

/* check_redis.c: what is shown of these keys of the group, by their rows; one bit each. */
void check_redis(const struct oracle *oracle, int group, unsigned keys);

/* check_shuffled.c */
void check_shuffled(void);

#endif
