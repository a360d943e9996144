#include "checkpoint/rocks.h"

#include <errno.h>
#include <string.h>

#define BLOCK_CACHE_BYTES  ((size_t)32 << 20)
#define WRITE_BUFFER_BYTES ((size_t)32 << 20)
#define OPEN_FILES_MAX     256
#define BLOOM_BITS         10
#define NEVER              (1 << 20) /* level-0 files before writes would have to wait */

int rocks_error(char *errptr, struct err *err, const char *what)
{
    static const struct {
        const char *text;
        int error;
    } known[] = {
        {"No space left on device", -ENOSPC},
        {"Disk quota exceeded", -EDQUOT},
        {"File too large", -EFBIG},
        {"Corruption", -EBADMSG},
        {"No such file or directory", -ENOENT},
        {"does not exist", -ENOENT},
        {"Permission denied", -EACCES},
        {"Too many open files", -EMFILE},
    };
    int error = -EIO;

    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        if (strstr(errptr, known[i].text)) {
            error = known[i].error;
            break;
        }
    }
    err_set(err, error, "%s: %s", what, errptr);
    rocksdb_free(errptr);
    return error;
}

static rocksdb_block_based_table_options_t *table_options(bool to_read)
{
    rocksdb_block_based_table_options_t *table = rocksdb_block_based_options_create();
    rocksdb_cache_t *cache = rocksdb_cache_create_lru(to_read ? 1 << 20 : BLOCK_CACHE_BYTES);

    rocksdb_block_based_options_set_block_cache(table, cache);
    rocksdb_cache_destroy(cache); /* the options hold it too */
    rocksdb_block_based_options_set_format_version(table, 5);
    rocksdb_block_based_options_set_block_size(table, 16 * 1024);
    if (!to_read) {
        /* For keys that are looked up one by one; who reads a whole group has no use for it. */
        rocksdb_block_based_options_set_filter_policy(
            table, rocksdb_filterpolicy_create_bloom_full(BLOOM_BITS));
        /* Indexes and filters then count as cache: memory has one bound. */
        rocksdb_block_based_options_set_cache_index_and_filter_blocks(table, 1);
        rocksdb_block_based_options_set_pin_l0_filter_and_index_blocks_in_cache(table, 1);
    }
    return table;
}

/* What the C API has no function for. */
static rocksdb_options_t *options_create(void)
{
    rocksdb_options_t *plain = rocksdb_options_create();
    rocksdb_options_t *options = rocksdb_options_create();
    char *errptr = NULL;

    /* What has not been flushed is written anew after a start; there is nothing to save. */
    rocksdb_get_options_from_string(
        plain, "avoid_flush_during_shutdown=true;stats_persist_period_sec=0", options, &errptr);
    CHECK(!errptr);
    rocksdb_options_destroy(plain);
    return options;
}

static rocksdb_options_t *options_for(int compression, bool to_read)
{
    rocksdb_options_t *options = options_create();
    rocksdb_block_based_table_options_t *table = table_options(to_read);

    rocksdb_options_set_block_based_table_factory(options, table);
    rocksdb_block_based_options_destroy(table);
    rocksdb_options_set_create_if_missing(options, !to_read);
    rocksdb_options_set_compression(options, compression);
    rocksdb_options_set_write_buffer_size(options, WRITE_BUFFER_BYTES);
    rocksdb_options_set_max_write_buffer_number(options, 2);
    rocksdb_options_set_allow_concurrent_memtable_write(options, 0); /* one thread writes */
    rocksdb_options_set_max_background_jobs(options, 2);
    rocksdb_options_set_max_open_files(options, OPEN_FILES_MAX);
    rocksdb_options_set_max_file_opening_threads(options, 1);
    rocksdb_options_set_level_compaction_dynamic_level_bytes(options, 1);
    /* The control thread must not wait for a compaction: only for the flush of a full buffer. */
    rocksdb_options_set_level0_slowdown_writes_trigger(options, NEVER);
    rocksdb_options_set_level0_stop_writes_trigger(options, NEVER);
    rocksdb_options_set_soft_pending_compaction_bytes_limit(options, 0);
    rocksdb_options_set_hard_pending_compaction_bytes_limit(options, 0);
    rocksdb_options_set_bytes_per_sync(options, 1 << 20);
    rocksdb_options_set_stats_dump_period_sec(options, 0);
    rocksdb_options_set_skip_stats_update_on_db_open(options, 1);
    rocksdb_options_set_info_log_level(options, 3); /* errors */
    rocksdb_options_set_max_log_file_size(options, 1 << 20);
    rocksdb_options_set_keep_log_file_num(options, 1);
    return options;
}

static char *try_open(const char *path, int compression, bool to_read, struct rocks *ret)
{
    static const char *const name = "default";
    const rocksdb_options_t *options = options_for(compression, to_read);
    rocksdb_options_t *owned = (rocksdb_options_t *)options;
    char *errptr = NULL;

    if (to_read)
        ret->db = rocksdb_open_for_read_only_column_families(owned, path, 1, &name, &options,
                                                             &ret->family, 0, &errptr);
    else
        ret->db = rocksdb_open_column_families(owned, path, 1, &name, &options, &ret->family,
                                               &errptr);
    rocksdb_options_destroy(owned);
    return errptr;
}

int rocks_open(const char *path, bool to_read, struct rocks *ret, struct err *err)
{
    static const int compressions[] = {rocksdb_lz4_compression, rocksdb_snappy_compression,
                                       rocksdb_no_compression};
    struct rocks rocks = {0};
    char *errptr = NULL;

    for (size_t i = 0; i < ARRAY_LEN(compressions); i++) {
        errptr = try_open(path, compressions[i], to_read, &rocks);
        if (!errptr || !strstr(errptr, "not linked with the binary"))
            break;
        if (i + 1 < ARRAY_LEN(compressions))
            rocksdb_free(errptr);
    }
    if (errptr)
        return rocks_error(errptr, err, path);
    *ret = rocks;
    return 0;
}

void rocks_close(struct rocks *rocks)
{
    if (!rocks->db)
        return;
    rocksdb_column_family_handle_destroy(rocks->family);
    rocksdb_close(rocks->db);
    *rocks = (struct rocks){0};
}

static void put_be(struct buf *out, uint64_t value, int bytes)
{
    char *to = buf_reserve(out, (size_t)bytes);

    for (int i = 0; i < bytes; i++)
        to[i] = (char)(value >> 8 * (bytes - 1 - i));
    out->len += (size_t)bytes;
}

void rocks_key(struct buf *out, uint64_t source_hash, struct slice entry_key)
{
    bool is_image = entry_key.data[ROCKS_ENTRY_KEY_MIN - 1] == 'r';

    put_be(out, source_hash, 8);
    put_be(out, is_image ? ROCKS_IMAGES : ROCKS_STATE, 1);
    buf_append_slice(out, entry_key);
}

void rocks_source_range(uint64_t source_hash, enum rocks_part part, struct buf *ret_first,
                        struct buf *ret_end)
{
    put_be(ret_first, source_hash, 8);
    put_be(ret_first, part, 1);
    put_be(ret_end, source_hash, 8);
    put_be(ret_end, (uint64_t)part + 1, 1);
}

void rocks_group_range(uint64_t source_hash, enum rocks_part part, uint32_t group,
                       struct buf *ret_first, struct buf *ret_end)
{
    rocks_source_range(source_hash, part, ret_first, ret_end);
    put_be(ret_first, group, 4);
    if (group == UINT32_MAX)
        return; /* the part's end */
    ret_end->len = 8;
    put_be(ret_end, part, 1);
    put_be(ret_end, (uint64_t)group + 1, 4);
}
