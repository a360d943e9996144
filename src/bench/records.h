/* records - the events that a bench sends: a sample's, multiplied, their times moved along.
 *
 *   {"user_id":"anna","ts":1767225600000,"page":"/a"}      a template: a line of the sample
 *              ^^^^        ^^^^^^^^^^^^^                   its holes: entity, time, id of dedup
 *   {"user_id":"anna+3","ts":1790000000250,"page":"/a"}    what is sent
 *
 * Event n takes template n mod count. Its key is one of `users`: the sample's keys come first, then
 * copies of them ("anna+1", "anna+2", …), each with the part of the events that the original has.
 * Its time is the given one less what the line was behind the newest before it, so disorder stays
 * as it was. Owned by one thread. */
#ifndef FRESHET_BENCH_RECORDS_H
#define FRESHET_BENCH_RECORDS_H

#include "base/buf.h"
#include "base/err.h"
#include "plan/plan.h"

#define RECORDS_SAMPLE_BYTES_MAX ((size_t)256 << 20)
#define RECORDS_LINES_MAX        1000000

struct records;

/* What has become of a sample. */
struct records_summary {
    uint32_t lines;   /* that are events */
    uint32_t skipped; /* that are none; */
    uint32_t first_skipped;
    const char *first_reason; /* of line first_skipped, or NULL */
    uint32_t keys;            /* different ones in the sample */
    bool sorted;              /* by time, for the lines were not in its order */
    double value_bytes;       /* mean */
};

struct made_record {
    struct slice key;   /* of the Kafka record: the entity's key */
    struct slice value; /* both until the next one is made */
};

/* From NDJSON text, one record's value a line. -EINVAL if no line is an event. */
MUST_USE int records_create(const struct plan_source *source, struct slice lines, uint32_t users,
                            struct records **ret, struct err *err);
void records_free(struct records *records);

const struct records_summary *records_summary(const struct records *records);

/* From here on of so many keys. */
void records_set_users(struct records *records, uint32_t users);

/* Appends the key with this number, below the users that there were at first. */
void records_key(const struct records *records, uint32_t number, struct buf *out);

void records_make(struct records *records, uint64_t number, int64_t time_ms,
                  struct made_record *ret);

/* A record that passes the source's predicate (PLAN_NONE: any) for a key that no other event has,
 * "<prefix><probe>", or, for int64 entities, a number of its own. `number` is that of an event that
 * is made of nothing else: ids go by it. False: no line of the sample passes. */
bool records_make_probe(struct records *records, int predicate, const char *prefix, uint32_t probe,
                        uint64_t number, int64_t time_ms, struct made_record *ret);

#endif
