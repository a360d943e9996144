/* Reading a manifest: each function takes its part from the front of `from`, and answers -EBADMSG
 * for anything that manifest_save would not have written. */
#include <errno.h>
#include <string.h>

#include "base/hash.h"
#include "base/pack.h"
#include "checkpoint/manifest.h"
#include "checkpoint/state_dir.h"
#include "plan/plan.h"

static int take_u32(struct slice *from, uint32_t *ret)
{
    uint64_t value;

    if (unpack_uint(from, &value) || value > UINT32_MAX)
        return -EBADMSG;
    *ret = (uint32_t)value;
    return 0;
}

static int take_i32(struct slice *from, int32_t *ret)
{
    int64_t value;

    if (unpack_int(from, &value) || value < INT32_MIN || value > INT32_MAX)
        return -EBADMSG;
    *ret = (int32_t)value;
    return 0;
}

static int take_bool(struct slice *from, bool *ret)
{
    uint64_t value;

    if (unpack_uint(from, &value) || value > 1)
        return -EBADMSG;
    *ret = value;
    return 0;
}

/* A text without a NUL in it, terminated. Replaces what was in *ret. */
static int take_text(struct slice *from, char **ret)
{
    struct slice text;

    if (unpack_text(from, &text) || memchr(text.data, '\0', text.len))
        return -EBADMSG;
    free(*ret);
    *ret = strndup(text.data, text.len);
    CHECK(*ret);
    return 0;
}

static int take_id(struct slice *from, char ret[CHECKPOINT_ID_SIZE], bool may_be_empty)
{
    struct slice text;

    if (unpack_text(from, &text) || text.len > CHECKPOINT_ID_LEN)
        return -EBADMSG;
    memcpy(ret, text.data, text.len);
    ret[text.len] = '\0';
    if (text.len == 0)
        return may_be_empty ? 0 : -EBADMSG;
    return strlen(ret) == text.len && checkpoint_id_is_valid(ret) ? 0 : -EBADMSG;
}

static int load_head(struct slice *from, struct manifest *ret)
{
    if (take_id(from, ret->id, false) || take_id(from, ret->parent, true) ||
        unpack_int(from, &ret->created_ms) || take_text(from, &ret->version) ||
        take_text(from, &ret->pipeline) || take_text(from, &ret->group) ||
        take_text(from, &ret->instance) || take_text(from, &ret->cluster) ||
        take_text(from, &ret->savepoint) || unpack_uint(from, &ret->keys) ||
        unpack_uint(from, &ret->entries_written) || unpack_uint(from, &ret->bytes_written))
        return -EBADMSG;
    return ret->savepoint[0] == '\0' || savepoint_name_is_valid(ret->savepoint) ? 0 : -EBADMSG;
}

static int load_source(struct slice *from, struct manifest *ret)
{
    struct manifest_source source = {0};
    struct slice schema;
    uint32_t number;

    if (ret->source_count == PLAN_SOURCES_MAX)
        return -EBADMSG;
    int error = take_text(from, &source.name) || take_text(from, &source.topic) ||
                take_bool(from, &source.aligned) || take_u32(from, &source.partition_count) ||
                unpack_text(from, &schema) || manifest_source(ret, source.name, &number);

    if (!error)
        manifest_add_source(ret, source.name, source.topic, source.aligned, source.partition_count,
                            schema);
    free(source.name);
    free(source.topic);
    return error ? -EBADMSG : 0;
}

static int load_partition(struct slice *from, struct manifest *ret)
{
    struct manifest_partition partition;

    if (take_u32(from, &partition.source) || take_i32(from, &partition.partition) ||
        unpack_int(from, &partition.position) || unpack_int(from, &partition.newest_ms) ||
        unpack_int(from, &partition.watermark_ms) || unpack_int(from, &partition.clock_ms) ||
        unpack_int(from, &partition.last_offset) || unpack_word(from, &partition.last_hash))
        return -EBADMSG;
    if (partition.source >= ret->source_count || partition.partition < 0 ||
        partition.position < 0 || partition.last_offset < -1)
        return -EBADMSG;
    if (ret->partition_count > 0) {
        const struct manifest_partition *before = &ret->partitions[ret->partition_count - 1];

        if (partition.source < before->source ||
            (partition.source == before->source && partition.partition <= before->partition))
            return -EBADMSG;
    }
    manifest_add_partition(ret, &partition);
    return 0;
}

static int load_times(struct slice *from, struct manifest *ret)
{
    struct manifest_times times;

    if (take_u32(from, &times.source) || take_i32(from, &times.group) ||
        unpack_int(from, &times.watermark_ms) || unpack_int(from, &times.clock_ms) ||
        unpack_int(from, &times.release_ms))
        return -EBADMSG;
    if (times.source >= ret->source_count || times.group < MANIFEST_SHUFFLED)
        return -EBADMSG;
    if (ret->times_count > 0) {
        const struct manifest_times *before = &ret->times[ret->times_count - 1];

        if (times.source < before->source ||
            (times.source == before->source && times.group <= before->group))
            return -EBADMSG;
    }
    manifest_add_times(ret, &times);
    return 0;
}

static int load_output(struct slice *from, struct manifest *ret)
{
    struct manifest_output *output = &ret->output;

    if (take_bool(from, &output->present))
        return -EBADMSG;
    if (!output->present)
        return 0;
    return take_text(from, &output->path) || unpack_uint(from, &output->length_before) ||
                   unpack_uint(from, &output->rows_bytes) || unpack_word(from, &output->rows_hash)
               ? -EBADMSG
               : 0;
}

/* A plain name: it never leads out of its folder. */
static bool is_file_name(const char *name)
{
    return name[0] != '\0' && name[0] != '.' && !strchr(name, '/');
}

static int load_file(struct slice *from, struct manifest *ret)
{
    struct manifest_file file = {0};
    int error = take_text(from, &file.name) || unpack_uint(from, &file.bytes) ||
                unpack_word(from, &file.hash) || !is_file_name(file.name) ||
                (ret->file_count > 0 &&
                 strcmp(file.name, ret->files[ret->file_count - 1].name) <= 0);

    if (!error)
        manifest_add_file(ret, &file);
    free(file.name);
    return error ? -EBADMSG : 0;
}

static int load_each(struct slice *from, struct manifest *ret,
                     int (*load)(struct slice *from, struct manifest *ret))
{
    uint64_t count;

    if (unpack_uint(from, &count) || count > UINT32_MAX)
        return -EBADMSG;
    for (uint64_t i = 0; i < count; i++) {
        if (load(from, ret))
            return -EBADMSG;
    }
    return 0;
}

/* Takes the frame off: magic, version and hash. */
static int open_frame(struct slice bytes, struct slice *ret)
{
    struct slice magic = SLICE_LITERAL(MANIFEST_MAGIC);
    uint64_t low;
    uint64_t high;
    uint64_t version;

    if (bytes.len < magic.len + 2 * PACK_WORD || memcmp(bytes.data, magic.data, magic.len) != 0)
        return -EBADMSG;
    struct slice body = {bytes.data, bytes.len - 2 * PACK_WORD};
    struct slice tail = {bytes.data + body.len, 2 * PACK_WORD};
    struct hash128 hash = hash128(body, 0);

    if (unpack_word(&tail, &low) || unpack_word(&tail, &high) || low != hash.low ||
        high != hash.high)
        return -EBADMSG;
    body.data += magic.len;
    body.len -= magic.len;
    if (unpack_uint(&body, &version))
        return -EBADMSG;
    if (version != MANIFEST_VERSION)
        return -ENOTSUP;
    *ret = body;
    return 0;
}

int manifest_load(struct slice bytes, struct manifest *ret)
{
    struct manifest manifest;
    struct slice from;

    int error = open_frame(bytes, &from);
    if (error)
        return error;
    manifest_init(&manifest, "", "", "");
    if (load_head(&from, &manifest) || load_each(&from, &manifest, load_source) ||
        load_each(&from, &manifest, load_partition) || load_each(&from, &manifest, load_times) ||
        load_output(&from, &manifest) || load_each(&from, &manifest, load_file) || from.len > 0) {
        manifest_done(&manifest);
        return -EBADMSG;
    }
    *ret = manifest;
    return 0;
}
