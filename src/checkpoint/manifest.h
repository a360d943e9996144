/* manifest - what a checkpoint says of itself.
 *
 *   magic ─ version ─ who and when ─ sources ─ partitions ─ times ─ file output ─ counts ─ files ─
 *   XXH3-128 of all before it
 *
 * Numbers and texts as in base/pack.h. Any bytes may be loaded: they are such a manifest, as a
 * whole and in their one spelling, or are refused. A manifest owns its memory. */
#ifndef FRESHET_CHECKPOINT_MANIFEST_H
#define FRESHET_CHECKPOINT_MANIFEST_H

#include "base/buf.h"
#include "base/err.h"
#include "checkpoint/id.h"

#define MANIFEST_MAGIC     "freshetC"
#define MANIFEST_VERSION   1
#define MANIFEST_BYTES_MAX ((size_t)256 << 20)
#define MANIFEST_SHUFFLED  (-1) /* the group of a shuffled source's times */

struct manifest_source {
    char *name;
    char *topic;
    bool aligned;
    uint32_t partition_count;
    struct buf schema; /* view/schema.h's */
};

struct manifest_partition {
    uint32_t source; /* number in `sources` */
    int32_t partition;
    int64_t position; /* offset of the next record */
    int64_t newest_ms;
    int64_t watermark_ms;
    int64_t clock_ms;
    int64_t last_offset; /* of the record before, or -1 */
    uint64_t last_hash;  /* of that record, or 0 */
};

struct manifest_times {
    uint32_t source;
    int32_t group; /* the partition, or MANIFEST_SHUFFLED */
    int64_t watermark_ms;
    int64_t clock_ms;
    int64_t release_ms;
};

struct manifest_output {
    bool present;
    char *path;
    uint64_t length_before; /* of the file, without the pending rows */
    uint64_t rows_bytes;    /* of the pending rows; freeze says it, and the hash */
    uint64_t rows_hash;
};

struct manifest_file {
    char *name; /* in the folder db/ */
    uint64_t bytes;
    uint64_t hash; /* XXH3, 64 bits */
};

struct manifest {
    /* By freeze: */
    char id[CHECKPOINT_ID_SIZE];
    char parent[CHECKPOINT_ID_SIZE]; /* of the checkpoint before it in the same work store, or "" */
    int64_t created_ms;
    char *version;            /* of freshet */
    uint64_t entries_written; /* since the one before */
    uint64_t bytes_written;
    struct manifest_file *files;
    uint32_t file_count;
    /* By the engine: */
    char *pipeline;
    char *group;
    char *instance;
    char *cluster;   /* the Kafka cluster's id, or "" */
    char *savepoint; /* its name, or "" */
    struct manifest_source *sources;
    uint32_t source_count;
    struct manifest_partition *partitions;
    uint32_t partition_count;
    struct manifest_times *times;
    uint32_t times_count;
    struct manifest_output output;
    uint64_t keys; /* that have state */
};

void manifest_init(struct manifest *manifest, const char *pipeline, const char *group,
                   const char *instance);
void manifest_done(struct manifest *manifest);

void manifest_set_cluster(struct manifest *manifest, const char *cluster);
void manifest_set_savepoint(struct manifest *manifest, const char *name);
void manifest_set_output(struct manifest *manifest, const char *path, uint64_t length_before);

/* Its number. */
uint32_t manifest_add_source(struct manifest *manifest, const char *name, const char *topic,
                             bool aligned, uint32_t partition_count, struct slice schema);
void manifest_add_partition(struct manifest *manifest, const struct manifest_partition *partition);
void manifest_add_times(struct manifest *manifest, const struct manifest_times *times);
void manifest_add_file(struct manifest *manifest, const struct manifest_file *file);

/* What was added, or NULL. `ret_number` may be NULL. */
const struct manifest_source *manifest_source(const struct manifest *manifest, const char *name,
                                              uint32_t *ret_number);
const struct manifest_partition *manifest_partition(const struct manifest *manifest,
                                                    uint32_t source, int32_t partition);
const struct manifest_times *manifest_times(const struct manifest *manifest, uint32_t source,
                                            int32_t group);

/* Sorts partitions, times and files, and appends the bytes. */
void manifest_save(struct manifest *manifest, struct buf *out);

/* Returns 0; -EBADMSG; or -ENOTSUP if the bytes are whole but of another version. On an error there
 * is nothing in *ret. */
MUST_USE int manifest_load(struct slice bytes, struct manifest *ret);

/* One JSON object on one line, without a newline. */
void manifest_json(const struct manifest *manifest, struct buf *out);

/* For a person: some lines. */
void manifest_print(const struct manifest *manifest, struct buf *out);

#endif
