/* source - where records come from.
 *
 * A source hands out batches of records as Kafka has them: in offset order within a partition,
 * partitions in any order. */
#ifndef FRESHET_SOURCE_H
#define FRESHET_SOURCE_H

#include <stdint.h>

#include "freshet/slice.h"

struct record {
    int32_t partition;
    int64_t offset;
    int64_t timestamp_ms; /* create or log-append time; -1: the record has none */
    struct slice key;     /* data NULL: no key */
    struct slice value;   /* data NULL: null (a tombstone) */
};

#endif
