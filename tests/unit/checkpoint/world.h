/* world - what the tests of checkpoints share: a folder of their own, blocks of entries, and the
 * oracle: a sorted list of what a store must hold, which knows nothing of RocksDB.
 *
 * An entry is (source, key, value); a key is u32be group, kind, rest. */
#ifndef FRESHET_TESTS_CHECKPOINT_WORLD_H
#define FRESHET_TESTS_CHECKPOINT_WORLD_H

#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../support/testing.h"
#include "checkpoint/catalog.h"
#include "checkpoint/store.h"

#define WORLD_SOURCES 3

static const char *const world_sources[WORLD_SOURCES] = {"events", "clicks", "s"};
static const uint32_t world_groups[] = {0, 1, 7, 255, 256, 65536, INT32_MAX, UINT32_MAX};
static char world_path[64]; /* a new folder, without a slash behind it */

static inline void world_begin(void)
{
    strcpy(world_path, "/tmp/freshet_checkpoint_XXXXXX");
    CHECK(mkdtemp(world_path));
}

static inline int world_remove_one(const char *path, const struct stat *status, int type,
                                   struct FTW *ftw)
{
    (void)status;
    (void)type;
    (void)ftw;
    return remove(path);
}

static inline void world_end(void)
{
    nftw(world_path, world_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* A path below the folder; lasts until the eighth call after it. */
static inline const char *below(const char *format, ...)
{
    static char paths[8][512];
    static unsigned turn;
    char *path = paths[turn++ % 8];
    va_list args;
    int len = snprintf(path, sizeof(paths[0]), "%s/", world_path);

    va_start(args, format);
    vsnprintf(path + len, sizeof(paths[0]) - (size_t)len, format, args);
    va_end(args);
    return path;
}

#define MUST(call)                                                                                 \
    do {                                                                                           \
        struct err err;                                                                            \
        int error_ = (call);                                                                       \
        if (error_)                                                                                \
            fail_msg("seed %" PRIu64 ": %s: %d, %s", test_seed, #call, error_, err.text);          \
    } while (0)

/* The call fails with `code`, and its text holds `part`. */
#define MUST_FAIL(call, code, part)                                                                \
    do {                                                                                           \
        struct err err = {"(no text)"};                                                            \
        int error_ = (call);                                                                       \
        if (error_ != (code) || !strstr(err.text, (part)))                                         \
            fail_msg("seed %" PRIu64 ": %s: %d, not %d with \"%s\": %s", test_seed, #call, error_, \
                     (code), (part), err.text);                                                    \
    } while (0)

/* Blocks. */

static inline void put_u32le(struct buf *out, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        buf_append_char(out, (char)(value >> 8 * i));
}

static inline void key_of(struct buf *out, uint32_t group, char kind, struct slice rest)
{
    for (int i = 3; i >= 0; i--)
        buf_append_char(out, (char)(group >> 8 * i));
    buf_append_char(out, kind);
    buf_append_slice(out, rest);
}

/* `value` with data NULL: deleted. */
static inline void block_add(struct buf *block, struct slice key, struct slice value)
{
    put_u32le(block, (uint32_t)key.len);
    put_u32le(block, value.data ? (uint32_t)value.len : STORE_DELETED);
    buf_append_slice(block, key);
    buf_append_slice(block, value);
}

/* The oracle. */

struct oracle_entry {
    uint32_t source;
    struct buf key;
    struct buf value;
};

struct oracle {
    struct oracle_entry *entries;
    size_t count;
};

static inline uint32_t group_of(struct slice key)
{
    const unsigned char *at = (const unsigned char *)key.data;

    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static inline int oracle_compare(const struct oracle_entry *entry, uint32_t source,
                                 struct slice key)
{
    if (entry->source != source)
        return entry->source < source ? -1 : 1;
    return slice_compare(buf_slice(&entry->key), key);
}

/* Where the key is or belongs. */
static inline size_t oracle_at(const struct oracle *oracle, uint32_t source, struct slice key)
{
    size_t low = 0;
    size_t high = oracle->count;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (oracle_compare(&oracle->entries[middle], source, key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static inline const struct oracle_entry *oracle_find(const struct oracle *oracle, uint32_t source,
                                                     struct slice key)
{
    size_t at = oracle_at(oracle, source, key);

    if (at == oracle->count || oracle_compare(&oracle->entries[at], source, key) != 0)
        return NULL;
    return &oracle->entries[at];
}

static inline void oracle_remove(struct oracle *oracle, size_t at)
{
    buf_free(&oracle->entries[at].key);
    buf_free(&oracle->entries[at].value);
    memmove(&oracle->entries[at], &oracle->entries[at + 1],
            (oracle->count - at - 1) * sizeof(*oracle->entries));
    oracle->count--;
}

static inline void oracle_put(struct oracle *oracle, uint32_t source, struct slice key,
                              struct slice value)
{
    size_t at = oracle_at(oracle, source, key);
    bool is_there = oracle_find(oracle, source, key);

    if (!value.data) {
        if (is_there)
            oracle_remove(oracle, at);
        return;
    }
    if (!is_there) {
        oracle->entries = realloc(oracle->entries, (oracle->count + 1) * sizeof(*oracle->entries));
        CHECK(oracle->entries);
        memmove(&oracle->entries[at + 1], &oracle->entries[at],
                (oracle->count - at) * sizeof(*oracle->entries));
        oracle->count++;
        oracle->entries[at] = (struct oracle_entry){.source = source};
        buf_append_slice(&oracle->entries[at].key, key);
    }
    buf_reset(&oracle->entries[at].value);
    buf_append_slice(&oracle->entries[at].value, value);
}

static inline void oracle_drop(struct oracle *oracle, uint32_t source,
                               bool (*is_meant)(struct slice key, uint32_t group), uint32_t group)
{
    for (size_t i = oracle->count; i-- > 0;) {
        if (oracle->entries[i].source == source &&
            is_meant(buf_slice(&oracle->entries[i].key), group))
            oracle_remove(oracle, i);
    }
}

static inline void oracle_copy(const struct oracle *oracle, struct oracle *ret)
{
    *ret = (struct oracle){0};
    for (size_t i = 0; i < oracle->count; i++)
        oracle_put(ret, oracle->entries[i].source, buf_slice(&oracle->entries[i].key),
                   buf_slice(&oracle->entries[i].value));
}

static inline void oracle_free(struct oracle *oracle)
{
    while (oracle->count > 0)
        oracle_remove(oracle, oracle->count - 1);
    free(oracle->entries);
    *oracle = (struct oracle){0};
}

static inline uint64_t world_hash(uint32_t source)
{
    return store_source_hash(world_sources[source]);
}

/* Random blocks: few keys, so that they are overwritten and deleted; any bytes. */

static inline void random_key(struct buf *out)
{
    static const char kinds[] = "kkkir";
    struct buf rest = {0};
    size_t len = random_below(4);

    for (size_t i = 0; i < len; i++)
        buf_append_char(&rest, (char)(random_chance(30) ? 0xff : random_below(8)));
    key_of(out, world_groups[random_below(ARRAY_LEN(world_groups))], kinds[random_below(5)],
           buf_slice(&rest));
    buf_free(&rest);
}

static inline void random_value(struct buf *out)
{
    size_t len = random_chance(3) ? random_below(30000) : random_below(60);

    buf_reserve(out, 1);
    for (size_t i = 0; i < len; i++)
        buf_append_char(out, (char)random_next());
}

/* Writes a block of random entries to the store and to the oracle. */
static inline void write_random(struct store *store, struct oracle *oracle, uint32_t source)
{
    struct buf block = {0};
    size_t count = random_below(60);

    for (size_t i = 0; i < count; i++) {
        struct buf key = {0};
        struct buf value = {0};

        random_key(&key);
        random_value(&value);
        struct slice content = random_chance(25) ? SLICE_NONE : buf_slice(&value);
        block_add(&block, buf_slice(&key), content);
        oracle_put(oracle, source, buf_slice(&key), content);
        buf_free(&key);
        buf_free(&value);
    }
    MUST(store_write(store, world_hash(source), buf_slice(&block), &err));
    buf_free(&block);
}

/* A manifest as an engine would make it. */
static inline void world_manifest(struct manifest *manifest)
{
    manifest_init(manifest, "pipeline", "group", "instance");
    for (uint32_t i = 0; i < WORLD_SOURCES; i++)
        manifest_add_source(manifest, world_sources[i], "topic", i % 2, 4,
                            SLICE_LITERAL("\0schema"));
    for (int32_t i = 3; i >= 0; i--)
        manifest_add_partition(manifest, &(struct manifest_partition){.source = 1,
                                                                      .partition = i,
                                                                      .position = 100 + i,
                                                                      .watermark_ms = -5,
                                                                      .last_offset = 99 + i,
                                                                      .last_hash = UINT64_MAX});
    manifest_add_times(manifest, &(struct manifest_times){.source = 0,
                                                          .group = MANIFEST_SHUFFLED,
                                                          .watermark_ms = 1,
                                                          .clock_ms = 2,
                                                          .release_ms = INT64_MIN});
}

/* Freezes; the id into ret_id. */
static inline void freeze(struct store *store, char ret_id[CHECKPOINT_ID_SIZE])
{
    struct manifest manifest;

    world_manifest(&manifest);
    MUST(store_freeze(store, &manifest, NULL, &err));
    memcpy(ret_id, manifest.id, CHECKPOINT_ID_SIZE);
    manifest_done(&manifest);
}

/* Holds what a checkpoint yields against the oracle. */

struct reading {
    const struct oracle *oracle;
    uint32_t source;
    size_t seen;
    struct buf last; /* key, for the order */
};

static inline int take_entry(void *context, struct slice key, struct slice value)
{
    struct reading *reading = context;
    const struct oracle_entry *entry = oracle_find(reading->oracle, reading->source, key);

    ENSURE(entry);
    ENSURE_TEXT(value, buf_slice(&entry->value));
    if (reading->last.len > 0) {
        bool was_image = reading->last.data[4] == 'r';
        bool is_image = key.data[4] == 'r';

        ENSURE(!was_image || is_image);
        ENSURE(was_image != is_image || slice_compare(buf_slice(&reading->last), key) < 0);
    }
    buf_reset(&reading->last);
    buf_append_slice(&reading->last, key);
    reading->seen++;
    return 0;
}

static inline size_t count_of(const struct oracle *oracle, uint32_t source, const uint32_t *group)
{
    size_t count = 0;

    for (size_t i = 0; i < oracle->count; i++) {
        if (oracle->entries[i].source == source &&
            (!group || group_of(buf_slice(&oracle->entries[i].key)) == *group))
            count++;
    }
    return count;
}

static inline void checkpoint_equals(struct checkpoint *checkpoint, const struct oracle *oracle)
{
    for (uint32_t source = 0; source < WORLD_SOURCES; source++) {
        struct reading whole = {.oracle = oracle, .source = source};

        MUST(checkpoint_read_all(checkpoint, world_hash(source), take_entry, &whole, &err));
        ENSURE_INT(whole.seen, count_of(oracle, source, NULL));
        buf_free(&whole.last);
        for (size_t i = 0; i < ARRAY_LEN(world_groups); i++) {
            struct reading part = {.oracle = oracle, .source = source};

            MUST(checkpoint_read(checkpoint, world_hash(source), world_groups[i], take_entry, &part,
                                 &err));
            ENSURE_INT(part.seen, count_of(oracle, source, &world_groups[i]));
            buf_free(&part.last);
        }
    }
}

/* Opens, verifies and compares it. */
static inline void checkpoint_holds(const struct state_dir *dir, const char *id,
                                    const struct oracle *oracle)
{
    struct checkpoint *checkpoint;

    MUST(checkpoint_open(dir, id, &checkpoint, &err));
    MUST(checkpoint_verify(checkpoint, &err));
    checkpoint_equals(checkpoint, oracle);
    checkpoint_close(checkpoint);
}

#endif
