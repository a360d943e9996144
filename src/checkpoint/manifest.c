#include "checkpoint/manifest.h"

#include <errno.h>
#include <string.h>

#include "base/hash.h"
#include "base/pack.h"

static char *text_copy(const char *text)
{
    char *copy = strdup(text);

    CHECK(copy);
    return copy;
}

/* Room for one more: an array grows when its length is a power of two. */
static void *grown(void *array, uint32_t count, size_t size)
{
    if (count & (count - 1))
        return array;
    array = realloc(array, (count ? 2 * (size_t)count : 1) * size);
    CHECK(array);
    return array;
}

void manifest_init(struct manifest *manifest, const char *pipeline, const char *group,
                   const char *instance)
{
    *manifest = (struct manifest){
        .version = text_copy(FRESHET_VERSION),
        .pipeline = text_copy(pipeline),
        .group = text_copy(group),
        .instance = text_copy(instance),
        .cluster = text_copy(""),
        .savepoint = text_copy(""),
        .output.path = text_copy(""),
    };
}

void manifest_done(struct manifest *manifest)
{
    for (uint32_t i = 0; i < manifest->source_count; i++) {
        free(manifest->sources[i].name);
        free(manifest->sources[i].topic);
        buf_free(&manifest->sources[i].schema);
    }
    for (uint32_t i = 0; i < manifest->file_count; i++)
        free(manifest->files[i].name);
    free(manifest->sources);
    free(manifest->partitions);
    free(manifest->times);
    free(manifest->files);
    free(manifest->version);
    free(manifest->pipeline);
    free(manifest->group);
    free(manifest->instance);
    free(manifest->cluster);
    free(manifest->savepoint);
    free(manifest->output.path);
    *manifest = (struct manifest){0};
}

void manifest_set_cluster(struct manifest *manifest, const char *cluster)
{
    free(manifest->cluster);
    manifest->cluster = text_copy(cluster);
}

void manifest_set_savepoint(struct manifest *manifest, const char *name)
{
    free(manifest->savepoint);
    manifest->savepoint = text_copy(name);
}

void manifest_set_output(struct manifest *manifest, const char *path, uint64_t length_before)
{
    free(manifest->output.path);
    manifest->output = (struct manifest_output){
        .present = true, .path = text_copy(path), .length_before = length_before};
}

uint32_t manifest_add_source(struct manifest *manifest, const char *name, const char *topic,
                             bool aligned, uint32_t partition_count, struct slice schema)
{
    struct manifest_source source = {.name = text_copy(name),
                                     .topic = text_copy(topic),
                                     .aligned = aligned,
                                     .partition_count = partition_count};

    buf_append_slice(&source.schema, schema);
    manifest->sources = grown(manifest->sources, manifest->source_count, sizeof(source));
    manifest->sources[manifest->source_count] = source;
    return manifest->source_count++;
}

void manifest_add_partition(struct manifest *manifest, const struct manifest_partition *partition)
{
    manifest->partitions = grown(manifest->partitions, manifest->partition_count,
                                 sizeof(*partition));
    manifest->partitions[manifest->partition_count++] = *partition;
}

void manifest_add_times(struct manifest *manifest, const struct manifest_times *times)
{
    manifest->times = grown(manifest->times, manifest->times_count, sizeof(*times));
    manifest->times[manifest->times_count++] = *times;
}

void manifest_add_file(struct manifest *manifest, const struct manifest_file *file)
{
    manifest->files = grown(manifest->files, manifest->file_count, sizeof(*file));
    manifest->files[manifest->file_count] = *file;
    manifest->files[manifest->file_count++].name = text_copy(file->name);
}

const struct manifest_source *manifest_source(const struct manifest *manifest, const char *name,
                                              uint32_t *ret_number)
{
    for (uint32_t i = 0; i < manifest->source_count; i++) {
        if (strcmp(manifest->sources[i].name, name) == 0) {
            if (ret_number)
                *ret_number = i;
            return &manifest->sources[i];
        }
    }
    return NULL;
}

const struct manifest_partition *manifest_partition(const struct manifest *manifest,
                                                    uint32_t source, int32_t partition)
{
    for (uint32_t i = 0; i < manifest->partition_count; i++) {
        const struct manifest_partition *at = &manifest->partitions[i];

        if (at->source == source && at->partition == partition)
            return at;
    }
    return NULL;
}

const struct manifest_times *manifest_times(const struct manifest *manifest, uint32_t source,
                                            int32_t group)
{
    for (uint32_t i = 0; i < manifest->times_count; i++) {
        if (manifest->times[i].source == source && manifest->times[i].group == group)
            return &manifest->times[i];
    }
    return NULL;
}

#define ORDER(a, b) (((a) > (b)) - ((a) < (b)))

static int compare_partitions(const void *a, const void *b)
{
    const struct manifest_partition *left = a;
    const struct manifest_partition *right = b;
    int order = ORDER(left->source, right->source);

    return order ? order : ORDER(left->partition, right->partition);
}

static int compare_times(const void *a, const void *b)
{
    const struct manifest_times *left = a;
    const struct manifest_times *right = b;
    int order = ORDER(left->source, right->source);

    return order ? order : ORDER(left->group, right->group);
}

static int compare_files(const void *a, const void *b)
{
    const struct manifest_file *left = a;
    const struct manifest_file *right = b;

    return strcmp(left->name, right->name);
}

static void sort(void *array, uint32_t count, size_t size,
                 int (*compare)(const void *a, const void *b))
{
    if (count > 1)
        qsort(array, count, size, compare);
}

static void put_text(struct buf *out, const char *text)
{
    pack_text(out, slice_of(text));
}

static void save_head(const struct manifest *manifest, struct buf *out)
{
    put_text(out, manifest->id);
    put_text(out, manifest->parent);
    pack_int(out, manifest->created_ms);
    put_text(out, manifest->version);
    put_text(out, manifest->pipeline);
    put_text(out, manifest->group);
    put_text(out, manifest->instance);
    put_text(out, manifest->cluster);
    put_text(out, manifest->savepoint);
    pack_uint(out, manifest->keys);
    pack_uint(out, manifest->entries_written);
    pack_uint(out, manifest->bytes_written);
}

static void save_sources(const struct manifest *manifest, struct buf *out)
{
    pack_uint(out, manifest->source_count);
    for (uint32_t i = 0; i < manifest->source_count; i++) {
        const struct manifest_source *source = &manifest->sources[i];

        put_text(out, source->name);
        put_text(out, source->topic);
        pack_uint(out, source->aligned);
        pack_uint(out, source->partition_count);
        pack_text(out, buf_slice(&source->schema));
    }
}

static void save_partitions(const struct manifest *manifest, struct buf *out)
{
    pack_uint(out, manifest->partition_count);
    for (uint32_t i = 0; i < manifest->partition_count; i++) {
        const struct manifest_partition *partition = &manifest->partitions[i];

        pack_uint(out, partition->source);
        pack_int(out, partition->partition);
        pack_int(out, partition->position);
        pack_int(out, partition->newest_ms);
        pack_int(out, partition->watermark_ms);
        pack_int(out, partition->clock_ms);
        pack_int(out, partition->last_offset);
        pack_word(out, partition->last_hash);
    }
}

static void save_times(const struct manifest *manifest, struct buf *out)
{
    pack_uint(out, manifest->times_count);
    for (uint32_t i = 0; i < manifest->times_count; i++) {
        const struct manifest_times *times = &manifest->times[i];

        pack_uint(out, times->source);
        pack_int(out, times->group);
        pack_int(out, times->watermark_ms);
        pack_int(out, times->clock_ms);
        pack_int(out, times->release_ms);
    }
}

static void save_output(const struct manifest *manifest, struct buf *out)
{
    const struct manifest_output *output = &manifest->output;

    pack_uint(out, output->present);
    if (!output->present)
        return;
    put_text(out, output->path);
    pack_uint(out, output->length_before);
    pack_uint(out, output->rows_bytes);
    pack_word(out, output->rows_hash);
}

static void save_files(const struct manifest *manifest, struct buf *out)
{
    pack_uint(out, manifest->file_count);
    for (uint32_t i = 0; i < manifest->file_count; i++) {
        put_text(out, manifest->files[i].name);
        pack_uint(out, manifest->files[i].bytes);
        pack_word(out, manifest->files[i].hash);
    }
}

void manifest_save(struct manifest *manifest, struct buf *out)
{
    size_t begin = out->len;

    sort(manifest->partitions, manifest->partition_count, sizeof(*manifest->partitions),
         compare_partitions);
    sort(manifest->times, manifest->times_count, sizeof(*manifest->times), compare_times);
    sort(manifest->files, manifest->file_count, sizeof(*manifest->files), compare_files);

    buf_append_slice(out, SLICE_LITERAL(MANIFEST_MAGIC));
    pack_uint(out, MANIFEST_VERSION);
    save_head(manifest, out);
    save_sources(manifest, out);
    save_partitions(manifest, out);
    save_times(manifest, out);
    save_output(manifest, out);
    save_files(manifest, out);

    struct hash128 hash = hash128((struct slice){out->data + begin, out->len - begin}, 0);
    pack_word(out, hash.low);
    pack_word(out, hash.high);
}
