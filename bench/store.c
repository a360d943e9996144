/* store - what checkpoints cost on disk and in time: writing entries, freezing, verifying, reading.
 *
 *   bench_store [folder [keys [changed [value_bytes]]]]
 *
 * A state of `keys` keys (default 1,000,000), of which `changed` (100,000) are written between two
 * checkpoints, with values of `value_bytes` (500), half of them random. CPU is that of the calling
 * thread, as the control thread has it; RocksDB's own threads are in the process' figure. */
#include <unistd.h>

#include "base/clock.h"
#include "checkpoint/store.h"

#define BLOCK_BYTES ((size_t)256 * 1024)
#define ROUNDS      8
#define LOOK_UP     32

static uint64_t random_state = 1;

static uint64_t random_next(void)
{
    return hash64_int(random_state++);
}

static void must(int error, const struct err *err)
{
    if (!error)
        return;
    fprintf(stderr, "%s\n", err->text);
    exit(1);
}

static void put_u32le(struct buf *out, uint32_t value)
{
    buf_append(out, &value, sizeof(value));
}

static void put_entry(struct buf *block, uint64_t key, size_t value_bytes)
{
    char text[32];
    int len = snprintf(text, sizeof(text), "user_%lu", (unsigned long)key);

    put_u32le(block, (uint32_t)len + 5);
    put_u32le(block, (uint32_t)value_bytes);
    buf_append(block, "\0\0\0", 3);
    buf_append_char(block, (char)key);
    buf_append_char(block, 'k');
    buf_append(block, text, (size_t)len);
    for (size_t i = 0; i < value_bytes; i += 8) {
        uint64_t word = i % 16 ? UINT64_C(0x0001000100010001) : random_next();

        buf_append(block, &word, MIN(sizeof(word), value_bytes - i));
    }
}

struct cost {
    int64_t wall_ns;
    int64_t cpu_ns;
    int64_t process_ns;
};

static struct cost now(void)
{
    return (struct cost){clock_monotonic_ns(), clock_thread_cpu_ns(), clock_process_cpu_ns()};
}

static void add_since(struct cost *sum, struct cost before)
{
    struct cost after = now();

    sum->wall_ns += after.wall_ns - before.wall_ns;
    sum->cpu_ns += after.cpu_ns - before.cpu_ns;
    sum->process_ns += after.process_ns - before.process_ns;
}

/* Writes `count` keys, random ones of `keys` or all in turn. */
static struct cost write_keys(struct store *store, uint64_t keys, uint64_t count,
                              size_t value_bytes)
{
    struct cost cost = {0};
    struct buf block = {0};
    struct err err;

    for (uint64_t i = 0; i < count; i++) {
        put_entry(&block, count == keys ? i : random_next() % keys, value_bytes);
        if (block.len < BLOCK_BYTES && i + 1 < count)
            continue;
        struct cost before = now();
        must(store_write(store, store_source_hash("events"), buf_slice(&block), &err), &err);
        add_since(&cost, before);
        buf_reset(&block);
    }
    buf_free(&block);
    return cost;
}

static void take_value(void *context, uint32_t number, struct slice value)
{
    (void)number;
    *(uint64_t *)context += value.data != NULL;
}

/* As a shard reads keys that were evicted: random ones, those of an event batch together. */
static struct cost look_up(struct store *store, uint64_t keys, uint64_t count)
{
    struct cost cost = {0};
    struct buf bytes = {0};
    struct slice slices[LOOK_UP];
    uint64_t found = 0;
    struct err err;

    for (uint64_t i = 0; i < count; i += LOOK_UP) {
        buf_reset(&bytes);
        buf_reserve(&bytes, (size_t)LOOK_UP * 64);
        for (int j = 0; j < LOOK_UP; j++) {
            size_t begin = bytes.len;

            put_entry(&bytes, random_next() % keys, 0);
            slices[j] = (struct slice){bytes.data + begin + 8, bytes.len - begin - 8};
        }
        struct cost before = now();
        must(store_get_many(store, store_source_hash("events"), slices, LOOK_UP, take_value, &found,
                            &err),
             &err);
        add_since(&cost, before);
    }
    if (found < count)
        fprintf(stderr, "%lu keys were not found\n", (unsigned long)(count - found));
    buf_free(&bytes);
    return cost;
}

static struct cost freeze(struct store *store, char ret_id[CHECKPOINT_ID_SIZE])
{
    struct cost before = now();
    struct cost cost = {0};
    struct manifest manifest;
    struct err err;

    manifest_init(&manifest, "bench", "bench", "bench");
    must(store_freeze(store, &manifest, NULL, &err), &err);
    memcpy(ret_id, manifest.id, CHECKPOINT_ID_SIZE);
    manifest_done(&manifest);
    add_since(&cost, before);
    return cost;
}

static void print(const char *what, struct cost cost, uint64_t count)
{
    printf("%-22s %8.1f ms, %8.1f ms CPU here, %8.1f ms in all", what, (double)cost.wall_ns / 1e6,
           (double)cost.cpu_ns / 1e6, (double)cost.process_ns / 1e6);
    if (count)
        printf("; an entry %.0f ns, %.0f ns CPU here", (double)cost.wall_ns / (double)count,
               (double)cost.cpu_ns / (double)count);
    printf("\n");
}

static int take_nothing(void *context, struct slice key, struct slice value)
{
    (void)key;
    (void)value;
    ++*(uint64_t *)context;
    return 0;
}

static void read_back(struct state_dir *dir, const char *id)
{
    struct checkpoint *checkpoint;
    struct cost verify = {0};
    struct cost read = {0};
    uint64_t entries = 0;
    struct err err;

    must(checkpoint_open(dir, id, &checkpoint, &err), &err);
    struct cost before = now();
    must(checkpoint_verify(checkpoint, &err), &err);
    add_since(&verify, before);
    before = now();
    must(checkpoint_read_all(checkpoint, store_source_hash("events"), take_nothing, &entries, &err),
         &err);
    add_since(&read, before);
    print("verify", verify, 0);
    print("read all", read, entries);
    checkpoint_close(checkpoint);
}

int main(int argc, char **argv)
{
    const char *folder = argc > 1 ? argv[1] : "bench-state";
    uint64_t keys = argc > 2 ? strtoull(argv[2], NULL, 10) : 1000000;
    uint64_t changed = argc > 3 ? strtoull(argv[3], NULL, 10) : 100000;
    size_t value_bytes = argc > 4 ? strtoull(argv[4], NULL, 10) : 500;
    struct store_stats stats;
    struct state_dir *dir;
    struct store *store;
    struct err err;
    char id[CHECKPOINT_ID_SIZE];

    must(state_dir_open(folder, &dir, &err), &err);
    must(store_open(dir, NULL, &store, &err), &err);
    print("write all keys", write_keys(store, keys, keys, value_bytes), keys);
    print("freeze", freeze(store, id), 0);
    for (int i = 0; i < ROUNDS; i++) {
        print("write changed keys", write_keys(store, keys, changed, value_bytes), changed);
        print("freeze", freeze(store, id), 0);
        print("freeze, no change", freeze(store, id), 0);
    }
    print("look up, 32 together", look_up(store, keys, changed), changed);
    store_stats(store, &stats);
    printf("on disk %.1f MB, in memory %.1f MB\n", (double)stats.disk_bytes / 1e6,
           (double)stats.memory_bytes / 1e6);
    read_back(dir, id);
    store_close(store);
    state_dir_close(dir);
    return 0;
}
