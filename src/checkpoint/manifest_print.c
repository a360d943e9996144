/* A manifest as text: for programs, and for a person. */
#include <inttypes.h>

#include "base/text.h"
#include "checkpoint/manifest.h"

/* A text as a JSON string; what is not UTF-8 (a path may be anything) has '?' in its place. */
static void put_string(struct buf *out, const char *name, const char *text)
{
    struct slice slice = slice_of(text);
    struct buf plain = {0};

    if (!text_is_utf8(slice)) {
        for (size_t i = 0; i < slice.len; i++)
            buf_append_char(&plain, (unsigned char)text[i] < 0x80 ? text[i] : '?');
        slice = buf_slice(&plain);
    }
    buf_printf(out, "\"%s\":", name);
    text_json_string(out, slice);
    buf_free(&plain);
}

static void put_int(struct buf *out, const char *name, int64_t value)
{
    buf_printf(out, ",\"%s\":%" PRId64, name, value);
}

static void put_uint(struct buf *out, const char *name, uint64_t value)
{
    buf_printf(out, ",\"%s\":%" PRIu64, name, value);
}

/* As text: JSON's numbers have no 64 bits everywhere. */
static void put_hash(struct buf *out, const char *name, uint64_t value)
{
    buf_printf(out, ",\"%s\":\"%016" PRIx64 "\"", name, value);
}

static void put_separator(struct buf *out, uint32_t number)
{
    if (number > 0)
        buf_append_char(out, ',');
}

static void json_head(const struct manifest *manifest, struct buf *out)
{
    put_string(out, "id", manifest->id);
    buf_append_char(out, ',');
    put_string(out, "parent", manifest->parent);
    put_int(out, "created_ms", manifest->created_ms);
    buf_append_char(out, ',');
    put_string(out, "version", manifest->version);
    buf_append_char(out, ',');
    put_string(out, "pipeline", manifest->pipeline);
    buf_append_char(out, ',');
    put_string(out, "group", manifest->group);
    buf_append_char(out, ',');
    put_string(out, "instance", manifest->instance);
    buf_append_char(out, ',');
    put_string(out, "cluster", manifest->cluster);
    buf_append_char(out, ',');
    put_string(out, "savepoint", manifest->savepoint);
    put_uint(out, "keys", manifest->keys);
    put_uint(out, "entries_written", manifest->entries_written);
    put_uint(out, "bytes_written", manifest->bytes_written);
}

static void json_sources(const struct manifest *manifest, struct buf *out)
{
    buf_printf(out, ",\"sources\":[");
    for (uint32_t i = 0; i < manifest->source_count; i++) {
        const struct manifest_source *source = &manifest->sources[i];

        put_separator(out, i);
        buf_append_char(out, '{');
        put_string(out, "name", source->name);
        buf_append_char(out, ',');
        put_string(out, "topic", source->topic);
        buf_printf(out, ",\"aligned\":%s", source->aligned ? "true" : "false");
        put_uint(out, "partitions", source->partition_count);
        put_uint(out, "schema_bytes", source->schema.len);
        buf_append_char(out, '}');
    }
    buf_append_char(out, ']');
}

static void json_partitions(const struct manifest *manifest, struct buf *out)
{
    buf_printf(out, ",\"partitions\":[");
    for (uint32_t i = 0; i < manifest->partition_count; i++) {
        const struct manifest_partition *partition = &manifest->partitions[i];

        put_separator(out, i);
        buf_append_char(out, '{');
        put_string(out, "source", manifest->sources[partition->source].name);
        put_int(out, "partition", partition->partition);
        put_int(out, "position", partition->position);
        put_int(out, "newest_ms", partition->newest_ms);
        put_int(out, "watermark_ms", partition->watermark_ms);
        put_int(out, "clock_ms", partition->clock_ms);
        put_int(out, "last_offset", partition->last_offset);
        put_hash(out, "last_hash", partition->last_hash);
        buf_append_char(out, '}');
    }
    buf_append_char(out, ']');
}

static void json_times(const struct manifest *manifest, struct buf *out)
{
    buf_printf(out, ",\"times\":[");
    for (uint32_t i = 0; i < manifest->times_count; i++) {
        const struct manifest_times *times = &manifest->times[i];

        put_separator(out, i);
        buf_append_char(out, '{');
        put_string(out, "source", manifest->sources[times->source].name);
        if (times->group == MANIFEST_SHUFFLED)
            buf_printf(out, ",\"group\":null");
        else
            put_int(out, "group", times->group);
        put_int(out, "watermark_ms", times->watermark_ms);
        put_int(out, "clock_ms", times->clock_ms);
        put_int(out, "release_ms", times->release_ms);
        buf_append_char(out, '}');
    }
    buf_append_char(out, ']');
}

static void json_output(const struct manifest *manifest, struct buf *out)
{
    const struct manifest_output *output = &manifest->output;

    buf_printf(out, ",\"output\":");
    if (!output->present) {
        buf_printf(out, "null");
        return;
    }
    buf_append_char(out, '{');
    put_string(out, "path", output->path);
    put_uint(out, "length_before", output->length_before);
    put_uint(out, "rows_bytes", output->rows_bytes);
    put_hash(out, "rows_hash", output->rows_hash);
    buf_append_char(out, '}');
}

static void json_files(const struct manifest *manifest, struct buf *out)
{
    buf_printf(out, ",\"files\":[");
    for (uint32_t i = 0; i < manifest->file_count; i++) {
        put_separator(out, i);
        buf_append_char(out, '{');
        put_string(out, "name", manifest->files[i].name);
        put_uint(out, "bytes", manifest->files[i].bytes);
        put_hash(out, "hash", manifest->files[i].hash);
        buf_append_char(out, '}');
    }
    buf_append_char(out, ']');
}

void manifest_json(const struct manifest *manifest, struct buf *out)
{
    buf_append_char(out, '{');
    json_head(manifest, out);
    json_sources(manifest, out);
    json_partitions(manifest, out);
    json_times(manifest, out);
    json_output(manifest, out);
    json_files(manifest, out);
    buf_append_char(out, '}');
}

static uint64_t file_bytes(const struct manifest *manifest)
{
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < manifest->file_count; i++)
        bytes += manifest->files[i].bytes;
    return bytes;
}

void manifest_print(const struct manifest *manifest, struct buf *out)
{
    buf_printf(out, "checkpoint %s\n", manifest->id);
    if (manifest->savepoint[0])
        buf_printf(out, "  savepoint  %s\n", manifest->savepoint);
    buf_printf(out, "  pipeline   %s, group %s, instance %s\n", manifest->pipeline, manifest->group,
               manifest->instance);
    buf_printf(out, "  written    by freshet %s, after %s\n", manifest->version,
               manifest->parent[0] ? manifest->parent : "none");
    buf_printf(out, "  state      %" PRIu64 " keys, %" PRIu64 " bytes in %u files\n",
               manifest->keys, file_bytes(manifest), manifest->file_count);
    buf_printf(out, "  changed    %" PRIu64 " entries, %" PRIu64 " bytes\n",
               manifest->entries_written, manifest->bytes_written);
    for (uint32_t i = 0; i < manifest->partition_count; i++) {
        const struct manifest_partition *partition = &manifest->partitions[i];

        buf_printf(out, "  position   %s[%" PRId32 "] %" PRId64 "\n",
                   manifest->sources[partition->source].topic, partition->partition,
                   partition->position);
    }
    if (manifest->output.present)
        buf_printf(out, "  output     %s: %" PRIu64 " bytes, then %" PRIu64 " pending\n",
                   manifest->output.path, manifest->output.length_before,
                   manifest->output.rows_bytes);
}
