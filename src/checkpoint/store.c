#include "checkpoint/store.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/failpoint.h"
#include "checkpoint/files.h"
#include "checkpoint/store_internal.h"

#define ENTRY_HEAD 8 /* two lengths */

int store_check_open(const struct store *store, struct err *err)
{
    if (store->rocks.db)
        return 0;
    return err_set(err, -EIO, "the work store is closed after an error and must be emptied");
}

int store_check_room(const struct store *store, struct err *err)
{
    uint64_t room = file_room(state_dir_work(store->dir));

    if (room >= STORE_ROOM_BYTES)
        return 0;
    return err_set(
        err, -ENOSPC, "state.dir %s: %s: %" PRIu64 " MiB are free, a checkpoint needs %" PRIu64,
        state_dir_path(store->dir), strerror(ENOSPC), room >> 20, STORE_ROOM_BYTES >> 20);
}

int store_note(struct store *store, int error)
{
    /* A full disk RocksDB waits for; after anything else it refuses all that comes. */
    if (error && error != -ENOSPC)
        store->is_broken = true;
    return error;
}

static void forget_known(struct store *store)
{
    for (uint32_t i = 0; i < store->known_count; i++)
        free(store->known[i].name);
    free(store->known);
    store->known = NULL;
    store->known_count = 0;
}

static bool is_table(const char *name)
{
    size_t len = strlen(name);

    return len > 4 && strcmp(name + len - 4, ".sst") == 0;
}

void store_follows(struct store *store, const struct manifest *manifest)
{
    forget_known(store);
    store->known = calloc((size_t)manifest->file_count + 1, sizeof(*store->known));
    CHECK(store->known);
    for (uint32_t i = 0; i < manifest->file_count; i++) {
        if (!is_table(manifest->files[i].name))
            continue;
        store->known[store->known_count] = manifest->files[i];
        store->known[store->known_count++].name = text_make("%s", manifest->files[i].name);
    }
    memcpy(store->parent, manifest->id, sizeof(store->parent));
    store->parent_ms = manifest->created_ms;
    store->entries_written = 0;
    store->bytes_written = 0;
}

/* One file of a checkpoint into the store's folder: tables are shared, the others will change. */
static int begin_file(struct store *store, const struct checkpoint *from,
                      const struct manifest_file *file, struct err *err)
{
    char *source = text_make("%s/db/%s", checkpoint_path(from), file->name);
    char *target = text_make("%s/%s", store->path, file->name);
    int error = is_table(file->name) ? file_link(source, target, err)
                                     : file_copy(source, target, err);

    free(source);
    free(target);
    return error;
}

static int begin_from(struct store *store, const struct checkpoint *from, struct err *err)
{
    const struct manifest *manifest = checkpoint_manifest(from);
    int error = folder_make(store->path, err);

    FAILPOINT("store_begin");
    for (uint32_t i = 0; i < manifest->file_count && !error; i++)
        error = begin_file(store, from, &manifest->files[i], err);
    FAILPOINT("store_begun");
    if (error)
        return error;
    store->is_begun_from = true;
    store_follows(store, manifest);
    return 0;
}

static int open_db(struct store *store, struct err *err)
{
    FAILPOINT("store_open");
    int error = rocks_open(store->path, false, &store->rocks, err);

    if (error)
        err_prefix(err, "the work store cannot be opened");
    return error;
}

int store_open(struct state_dir *dir, const struct checkpoint *from, struct store **ret,
               struct err *err)
{
    struct store *store = calloc(1, sizeof(*store));

    CHECK(store && state_dir_work(dir));
    store->dir = dir;
    store->path = text_make("%s/db", state_dir_work(dir));
    store->write_options = rocksdb_writeoptions_create();
    rocksdb_writeoptions_disable_WAL(store->write_options, 1);
    store->read_options = rocksdb_readoptions_create();
    store->flush_options = rocksdb_flushoptions_create();
    rocksdb_flushoptions_set_wait(store->flush_options, 1);
    store->batch = rocksdb_writebatch_create();

    int error = tree_remove(store->path, err); /* of one that was closed before */
    if (!error && from)
        error = begin_from(store, from, err);
    if (!error)
        error = open_db(store, err);
    if (error) {
        store_close(store);
        return error;
    }
    *ret = store;
    return 0;
}

void store_close(struct store *store)
{
    if (!store)
        return;
    rocks_close(&store->rocks);
    rocksdb_writeoptions_destroy(store->write_options);
    rocksdb_readoptions_destroy(store->read_options);
    rocksdb_flushoptions_destroy(store->flush_options);
    rocksdb_writebatch_destroy(store->batch);
    forget_known(store);
    buf_free(&store->key);
    buf_free(&store->end);
    free(store->images);
    free(store->path);
    free(store);
}

static struct store_images *images_of(struct store *store, uint64_t source_hash)
{
    for (uint32_t i = 0; i < store->image_count; i++) {
        if (store->images[i].source_hash == source_hash)
            return &store->images[i];
    }
    store->images = realloc(store->images,
                            ((size_t)store->image_count + 1) * sizeof(*store->images));
    CHECK(store->images);
    store->images[store->image_count] = (struct store_images){.source_hash = source_hash,
                                                              .may_be_there = store->is_begun_from};
    return &store->images[store->image_count++];
}

static uint32_t u32_at(const char *at)
{
    const unsigned char *bytes = (const unsigned char *)at;

    return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

struct entry {
    struct slice key;
    struct slice value; /* data NULL: deleted */
};

/* The next entry from the front of `from`. */
static int take_entry(struct slice *from, struct entry *ret)
{
    if (from->len < ENTRY_HEAD)
        return -EBADMSG;
    uint32_t key_len = u32_at(from->data);
    uint32_t value_len = u32_at(from->data + 4);
    bool is_deleted = value_len == STORE_DELETED;
    size_t left = from->len - ENTRY_HEAD;
    const char *key = from->data + ENTRY_HEAD;

    if (key_len < ROCKS_ENTRY_KEY_MIN || key_len > left)
        return -EBADMSG;
    if (!is_deleted && value_len > left - key_len)
        return -EBADMSG;
    char kind = key[ROCKS_ENTRY_KEY_MIN - 1];
    if (kind != 'k' && kind != 'i' && kind != 'r')
        return -EBADMSG;
    ret->key = (struct slice){key, key_len};
    ret->value = is_deleted ? SLICE_NONE : (struct slice){key + key_len, value_len};
    size_t size = ENTRY_HEAD + key_len + (is_deleted ? 0 : (size_t)value_len);
    from->data += size;
    from->len -= size;
    return 0;
}

/* What a block holds, put into the batch. */
struct block {
    uint64_t entries;
    uint64_t bytes;
    bool has_images;
};

static int gather(struct store *store, uint64_t source_hash, struct slice entries,
                  struct block *ret)
{
    struct block block = {0};
    struct entry entry;

    while (entries.len > 0) {
        if (take_entry(&entries, &entry))
            return -EBADMSG;
        buf_reset(&store->key);
        rocks_key(&store->key, source_hash, entry.key);
        if (entry.value.data)
            rocksdb_writebatch_put(store->batch, store->key.data, store->key.len, entry.value.data,
                                   entry.value.len);
        else
            rocksdb_writebatch_delete(store->batch, store->key.data, store->key.len);
        block.entries++;
        block.bytes += entry.key.len + entry.value.len;
        block.has_images |= entry.value.data && entry.key.data[ROCKS_ENTRY_KEY_MIN - 1] == 'r';
    }
    *ret = block;
    return 0;
}

/* Writes the batch, and empties it whatever happens. */
static int commit_batch(struct store *store, const char *what, struct err *err)
{
    char *errptr = NULL;
    int error = FAILPOINT_ERROR("store_write");

    if (error)
        err_set(err, -error, "%s: %s", what, strerror(error));
    else
        rocksdb_write(store->rocks.db, store->write_options, store->batch, &errptr);
    rocksdb_writebatch_clear(store->batch);
    return store_note(store, errptr ? rocks_error(errptr, err, what) : -error);
}

int store_write(struct store *store, uint64_t source_hash, struct slice entries, struct err *err)
{
    struct block block;
    int error = store_check_open(store, err);

    if (!error)
        error = store_check_room(store, err);
    if (error)
        return error;
    if (gather(store, source_hash, entries, &block)) {
        rocksdb_writebatch_clear(store->batch);
        return err_set(err, -EBADMSG, "not a block of entries");
    }
    FAILPOINT("store_write");
    if (block.has_images)
        images_of(store, source_hash)->may_be_there = true;
    error = commit_batch(store, "writing state to the work store", err);
    if (error)
        return error;
    FAILPOINT("store_written");
    store->entries_written += block.entries;
    store->bytes_written += block.bytes;
    return 0;
}

static void drop_range(struct store *store)
{
    rocksdb_writebatch_delete_range(store->batch, store->key.data, store->key.len, store->end.data,
                                    store->end.len);
    buf_reset(&store->key);
    buf_reset(&store->end);
}

static int commit_drop(struct store *store, struct err *err)
{
    FAILPOINT("store_drop");
    return commit_batch(store, "dropping state from the work store", err);
}

int store_drop_group(struct store *store, uint64_t source_hash, uint32_t group, struct err *err)
{
    int error = store_check_open(store, err);

    if (error)
        return error;
    buf_reset(&store->key);
    buf_reset(&store->end);
    for (int part = 0; part < ROCKS_PARTS; part++) {
        rocks_group_range(source_hash, part, group, &store->key, &store->end);
        drop_range(store);
    }
    return commit_drop(store, err);
}

int store_drop_images(struct store *store, uint64_t source_hash, struct err *err)
{
    int error = store_check_open(store, err);

    if (error)
        return error;
    if (!images_of(store, source_hash)->may_be_there)
        return 0;
    buf_reset(&store->key);
    buf_reset(&store->end);
    rocks_source_range(source_hash, ROCKS_IMAGES, &store->key, &store->end);
    drop_range(store);
    error = commit_drop(store, err);
    if (!error)
        images_of(store, source_hash)->may_be_there = false;
    return error;
}

int store_drop_source(struct store *store, uint64_t source_hash, struct err *err)
{
    int error = store_check_open(store, err);

    if (error)
        return error;
    buf_reset(&store->key);
    buf_reset(&store->end);
    for (int part = 0; part < ROCKS_PARTS; part++) {
        rocks_source_range(source_hash, part, &store->key, &store->end);
        drop_range(store);
    }
    error = commit_drop(store, err);
    if (!error)
        images_of(store, source_hash)->may_be_there = false;
    return error;
}

static struct slice value_of(const rocksdb_pinnableslice_t *pinned)
{
    size_t len;
    const char *data = rocksdb_pinnableslice_value(pinned, &len);

    return (struct slice){len ? data : "", len};
}

int store_get(struct store *store, uint64_t source_hash, struct slice key, struct buf *ret,
              struct err *err)
{
    int error = store_check_open(store, err);
    char *errptr = NULL;

    if (error)
        return error;
    CHECK(key.len >= ROCKS_ENTRY_KEY_MIN);
    buf_reset(&store->key);
    rocks_key(&store->key, source_hash, key);
    rocksdb_pinnableslice_t *pinned = rocksdb_get_pinned(store->rocks.db, store->read_options,
                                                         store->key.data, store->key.len, &errptr);
    if (errptr)
        return rocks_error(errptr, err, "reading the work store");
    if (!pinned)
        return err_set(err, -ENOENT, "no such key in the work store");
    buf_reset(ret);
    buf_append_slice(ret, value_of(pinned));
    rocksdb_pinnableslice_destroy(pinned);
    return 0;
}

/* All that one call of RocksDB for many keys takes and gives. */
struct lookup {
    struct buf bytes; /* of the keys, one behind the other */
    const char **keys;
    size_t *lens;
    rocksdb_pinnableslice_t **values;
    char **errors;
};

static void *array_of(uint32_t count, size_t size)
{
    void *array = calloc((size_t)count + 1, size);

    CHECK(array);
    return array;
}

static void lookup_init(struct lookup *lookup, uint64_t source_hash, const struct slice *keys,
                        uint32_t count)
{
    size_t at = 0;

    *lookup = (struct lookup){.keys = array_of(count, sizeof(char *)),
                              .lens = array_of(count, sizeof(size_t)),
                              .values = array_of(count, sizeof(rocksdb_pinnableslice_t *)),
                              .errors = array_of(count, sizeof(char *))};
    for (uint32_t i = 0; i < count; i++) {
        CHECK(keys[i].len >= ROCKS_ENTRY_KEY_MIN);
        rocks_key(&lookup->bytes, source_hash, keys[i]);
    }
    for (uint32_t i = 0; i < count; i++) {
        lookup->keys[i] = lookup->bytes.data + at;
        lookup->lens[i] = ROCKS_KEY_BEFORE + keys[i].len;
        at += lookup->lens[i];
    }
}

static void lookup_done(struct lookup *lookup, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (lookup->values[i])
            rocksdb_pinnableslice_destroy(lookup->values[i]);
        rocksdb_free(lookup->errors[i]);
    }
    buf_free(&lookup->bytes);
    free(lookup->keys);
    free(lookup->lens);
    free(lookup->values);
    free(lookup->errors);
}

int store_get_many(struct store *store, uint64_t source_hash, const struct slice *keys,
                   uint32_t count,
                   void (*on_value)(void *context, uint32_t number, struct slice value),
                   void *context, struct err *err)
{
    struct lookup lookup;
    int error = store_check_open(store, err);

    if (error)
        return error;
    lookup_init(&lookup, source_hash, keys, count);
    rocksdb_batched_multi_get_cf(store->rocks.db, store->read_options, store->rocks.family, count,
                                 lookup.keys, lookup.lens, lookup.values, lookup.errors, false);
    for (uint32_t i = 0; i < count && !error; i++) {
        if (lookup.errors[i]) {
            error = rocks_error(lookup.errors[i], err, "reading the work store");
            lookup.errors[i] = NULL;
        } else {
            on_value(context, i, lookup.values[i] ? value_of(lookup.values[i]) : SLICE_NONE);
        }
    }
    lookup_done(&lookup, count);
    return error;
}

bool store_is_broken(const struct store *store)
{
    return store->is_broken || !store->rocks.db;
}

int store_reset(struct store *store, struct err *err)
{
    FAILPOINT("store_reset");
    rocks_close(&store->rocks);
    forget_known(store);
    store->image_count = 0;
    store->is_begun_from = false;
    store->entries_written = 0;
    store->bytes_written = 0;
    int error = tree_remove(store->path, err);
    FAILPOINT("store_emptied");
    if (!error)
        error = open_db(store, err);
    store->is_broken = false; /* if it is closed now, that says it too */
    return error;
}

static uint64_t property(const struct store *store, const char *name)
{
    uint64_t value = 0;

    if (!store->rocks.db || rocksdb_property_int(store->rocks.db, name, &value))
        return 0;
    return value;
}

void store_stats(const struct store *store, struct store_stats *ret)
{
    *ret = (struct store_stats){
        .entries_written = store->entries_written,
        .bytes_written = store->bytes_written,
        .disk_bytes = property(store, "rocksdb.live-sst-files-size"),
        .memory_bytes = property(store, "rocksdb.cur-size-all-mem-tables") +
                        property(store, "rocksdb.block-cache-usage") +
                        property(store, "rocksdb.estimate-table-readers-mem"),
    };
}
