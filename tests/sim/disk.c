/* What a process leaves behind: the checkpoints, the rows in the output file, and what the group's
 * coordinator knows. Of what is not in a checkpoint nothing is left, as with a real work store.
 *
 *   work store ──freeze──▶ checkpoint ──▶ the next life's work store, and what its shards load
 *   pending rows ─────────▶    rows  ──publish──▶ output ──▶ cut back, and appended to, at a start
 *
 * Checkpoints are read through checkpoint/checkpoint.h, in whose place this is linked. */

#include "sim.h"

#include "base/clock.h"
#include "base/hash.h"

struct disk disk;

static int compare_kept(const void *a, const void *b)
{
    const struct kept *left = a;
    const struct kept *right = b;
    int order = memcmp(left->key, right->key, MIN(left->key_len, right->key_len));

    return order ? order : (left->key_len > right->key_len) - (left->key_len < right->key_len);
}

void rows_add(struct row_list *list, const uint32_t *rows, size_t count)
{
    if (list->count + count > list->cap) {
        list->cap = MAX(list->cap * 2, list->count + count + 64);
        list->all = realloc(list->all, list->cap * sizeof(*list->all));
        CHECK(list->all);
    }
    if (count > 0)
        memcpy(list->all + list->count, rows, count * sizeof(*rows));
    list->count += count;
}

void disk_begin(void)
{
    memset(&disk, 0, sizeof(disk));
    for (int i = 0; i < PARTITIONS_MAX; i++)
        disk.committed[i].offset = -1;
}

void disk_end(void)
{
    while (disk.newest) {
        struct checkpoint *checkpoint = disk.newest;

        disk.newest = checkpoint->before;
        store_clear(&checkpoint->entries);
        manifest_done(&checkpoint->manifest);
        schema_map_free(checkpoint->map);
        free(checkpoint->rows.all);
        free(checkpoint);
    }
    free(disk.output.all);
}

/* --- making one --- */

/* Through its bytes, as it would come back. */
static void manifest_take(struct checkpoint *checkpoint, struct manifest *manifest)
{
    struct buf bytes = {0};

    checkpoint->serial = ++disk.frozen;
    manifest->created_ms = REAL_MS + sim.now_ns / NS_PER_MS;
    snprintf(manifest->id, sizeof(manifest->id), "20261121T141530.000Z-%016" PRIx64,
             checkpoint->serial);
    manifest_save(manifest, &bytes);
    CHECK(manifest_load(buf_slice(&bytes), &checkpoint->manifest) == 0);
    buf_free(&bytes);
    manifest_done(manifest);
}

static void parts_take(struct checkpoint *checkpoint, uint64_t number)
{
    for (struct tap *tap = sim.taps; tap; tap = tap->next) {
        if (tap->life != sim.life || tap->mark_number != number)
            continue;
        CHECK(checkpoint->part_count < PARTS_MAX);
        checkpoint->parts[checkpoint->part_count++] = (struct sim_part){
            .tap = tap, .cut = tap->mark_cut, .finished = tap->mark_finished};
    }
}

/* As many keys as the shards had at the mark: none is missing, none is left of those that went. */
static void check_keys(const struct checkpoint *checkpoint)
{
    uint64_t keys = 0;

    for (size_t i = 0; i < checkpoint->entries.count; i++)
        keys += checkpoint->entries.all[i].key[4] == ENTRY_KEY;
    if (keys != checkpoint->manifest.keys)
        sim_fail("checkpoint %" PRIu64 " holds %" PRIu64 " keys, not %" PRIu64, checkpoint->serial,
                 keys, checkpoint->manifest.keys);
}

struct checkpoint *disk_freeze(struct manifest *manifest, uint64_t number,
                               const struct store *store, const struct row_list *rows)
{
    struct checkpoint *checkpoint = calloc(1, sizeof(*checkpoint));
    const struct manifest_source *source;
    struct err err;

    CHECK(checkpoint);
    manifest_take(checkpoint, manifest);
    parts_take(checkpoint, number);
    store_copy(&checkpoint->entries, store);
    if (store->count > 0)
        qsort(checkpoint->entries.all, checkpoint->entries.count, sizeof(struct kept),
              compare_kept);
    check_keys(checkpoint);
    rows_add(&checkpoint->rows, rows->all, rows->count);
    checkpoint->length_before = disk.output.count;
    source = manifest_source(&checkpoint->manifest, "s", NULL);
    CHECK(schema_map_create(sim.scenario.plan, 0, buf_slice(&source->schema), &checkpoint->map,
                            &err) == 0);
    checkpoint->restore.checkpoint = checkpoint;
    checkpoint->restore.maps = &checkpoint->map;
    checkpoint->before = disk.newest;
    disk.newest = checkpoint;
    return checkpoint;
}

/* --- the output file --- */

bool disk_publish(struct checkpoint *checkpoint, size_t count)
{
    if (disk.output.count != checkpoint->length_before)
        sim_fail("checkpoint %" PRIu64 " is published at row %zu and not at %zu",
                 checkpoint->serial, disk.output.count, checkpoint->length_before);
    count = MIN(count, checkpoint->rows.count);
    rows_add(&disk.output, checkpoint->rows.all, count);
    return count == checkpoint->rows.count;
}

void disk_recover(struct checkpoint *checkpoint)
{
    size_t expected = checkpoint->length_before +
                      (checkpoint->is_published ? checkpoint->rows.count : 0);

    if (disk.output.count < expected)
        sim_fail("the output has %zu rows, and checkpoint %" PRIu64 " knew %zu", disk.output.count,
                 checkpoint->serial, expected);
    disk.output.count = expected;
    if (!checkpoint->is_published)
        disk_publish(checkpoint, SIZE_MAX);
    checkpoint->is_published = true;
}

/* --- reading one --- */

const struct manifest *checkpoint_manifest(const struct checkpoint *checkpoint)
{
    return &checkpoint->manifest;
}

static int read_kind(const struct checkpoint *checkpoint, uint32_t group, bool images,
                     checkpoint_on_entry *on_entry, void *context)
{
    int error = 0;

    for (size_t i = 0; !error && i < checkpoint->entries.count; i++) {
        const struct kept *kept = &checkpoint->entries.all[i];
        struct slice key = {kept->key, kept->key_len};
        struct slice rest;
        uint32_t number;
        char kind;

        CHECK(entry_key_read(key, &number, &kind, &rest) == 0);
        if (number == group && (kind == REDIS_SAVE_KIND) == images)
            error = on_entry(context, key, (struct slice){kept->value, kept->value_len});
    }
    return error;
}

int checkpoint_read(struct checkpoint *checkpoint, uint64_t source_hash, uint32_t group,
                    checkpoint_on_entry *on_entry, void *context, struct err *err)
{
    int error;

    CHECK(source_hash == hash64(slice_of("s")));
    error = read_kind(checkpoint, group, false, on_entry, context);
    if (!error)
        error = read_kind(checkpoint, group, true, on_entry, context);
    return error ? err_set(err, error, "what was saved is refused") : 0;
}
