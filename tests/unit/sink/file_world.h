/* file_world - a disk that can be full and on which processes die, and lives of a file output with
 * checkpoints.
 *
 * A life is a process; what it commits (the ledger) is in memory that all share. A lane emits the
 * rows 0, 1, 2, … from where the committed checkpoint stands. Writes are cut into pieces, so that a
 * life can end in the middle of one. The test is linked so that what the sink asks of the disk
 * comes through here: --wrap. */
#ifndef FRESHET_TESTS_FILE_WORLD_H
#define FRESHET_TESTS_FILE_WORLD_H

#include <fcntl.h>
#include <ftw.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../support/json_value.h"
#include "../support/plan_text.h"
#include "base/hash.h"
#include "sink/file_sink.h"

#define LANES       2
#define PIECE_BYTES 1500
#define DIED        77 /* exit code of a life that was cut short */

/* --- the disk: what the sink calls passes through here ---
 *
 * It is never really synced: that would take long, and no test can pull the plug. Instead it is
 * known which files have been written to since they were synced last. */

struct disk {
    uint64_t calls;
    uint64_t dies_at;    /* 0: never */
    uint64_t full_at;    /* fails with ENOSPC; 0: never */
    uint64_t full_calls; /* so often in a row */
    size_t piece_bytes;  /* 0: no limit */
};

static struct disk disk;

#define DIRTY_MAX 16

static ino_t *dirty; /* inodes; 0: free. It outlives processes */

static inline void dirty_set(int fd, bool is_dirty)
{
    struct stat status;
    int place = -1;

    assert_int_equal(fstat(fd, &status), 0);
    for (int i = 0; i < DIRTY_MAX; i++) {
        if (dirty[i] == status.st_ino || (place < 0 && dirty[i] == 0))
            place = i;
        if (dirty[i] == status.st_ino)
            break;
    }
    assert_true(place >= 0);
    dirty[place] = is_dirty ? status.st_ino : 0;
}

/* Power may fail: all that was written to the file is there. */
static inline void check_synced(const char *path)
{
    struct stat status;

    ENSURE_INT(stat(path, &status), 0);
    for (int i = 0; i < DIRTY_MAX; i++)
        ENSURE(dirty[i] != status.st_ino);
}

static inline bool disk_takes_it(void)
{
    disk.calls++;
    if (disk.calls == disk.dies_at)
        _exit(DIED);
    if (disk.full_at && disk.calls >= disk.full_at && disk.calls < disk.full_at + disk.full_calls) {
        errno = ENOSPC;
        return false;
    }
    return true;
}

static inline size_t piece_of(size_t bytes)
{
    return disk.piece_bytes ? MIN(bytes, disk.piece_bytes) : bytes;
}

ssize_t __real_pwrite64(int fd, const void *data, size_t bytes, off_t at);
ssize_t __wrap_pwrite64(int fd, const void *data, size_t bytes, off_t at);
ssize_t __real_copy_file_range(int in, off_t *in_at, int out, off_t *out_at, size_t bytes,
                               unsigned flags);
ssize_t __wrap_copy_file_range(int in, off_t *in_at, int out, off_t *out_at, size_t bytes,
                               unsigned flags);
int __real_ftruncate64(int fd, off_t length);
int __wrap_ftruncate64(int fd, off_t length);
int __wrap_fsync(int fd);
int __real_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to);
int __real_unlink(const char *path);
int __wrap_unlink(const char *path);

static bool has_copy_file_range = true;

ssize_t __wrap_pwrite64(int fd, const void *data, size_t bytes, off_t at)
{
    dirty_set(fd, true);
    return disk_takes_it() ? __real_pwrite64(fd, data, piece_of(bytes), at) : -1;
}

ssize_t __wrap_copy_file_range(int in, off_t *in_at, int out, off_t *out_at, size_t bytes,
                               unsigned flags)
{
    if (!has_copy_file_range) {
        errno = EXDEV;
        return -1;
    }
    dirty_set(out, true);
    return disk_takes_it() ? __real_copy_file_range(in, in_at, out, out_at, piece_of(bytes), flags)
                           : -1;
}

int __wrap_ftruncate64(int fd, off_t length)
{
    dirty_set(fd, true);
    return disk_takes_it() ? __real_ftruncate64(fd, length) : -1;
}

int __wrap_fsync(int fd)
{
    disk.calls++;
    if (disk.calls == disk.dies_at)
        _exit(DIED);
    dirty_set(fd, false);
    return 0;
}

int __wrap_rename(const char *from, const char *to)
{
    check_synced(from);
    return disk_takes_it() ? __real_rename(from, to) : -1;
}

int __wrap_unlink(const char *path)
{
    disk.calls++;
    if (disk.calls == disk.dies_at)
        _exit(DIED);
    struct stat status;
    for (int i = 0; i < DIRTY_MAX; i++) { /* its inode may be another file's tomorrow */
        if (stat(path, &status) == 0 && dirty[i] == status.st_ino && status.st_nlink == 1)
            dirty[i] = 0;
    }
    return __real_unlink(path);
}

/* --- what outlives a process --- */

struct checkpoint {
    uint64_t number; /* 0: none yet */
    uint64_t length_before;
    uint64_t bytes;
    uint64_t hash;
    bool is_published;
    uint32_t positions[LANES];
    char rows[128]; /* path */
};

struct ledger {
    struct checkpoint committed;
    uint64_t lives;
    uint64_t numbers;
    uint64_t calls; /* of the last life that lived */
    ino_t dirty[DIRTY_MAX];
};

static struct ledger *ledger;
static char folder[64];
static char output[96];
static struct plan *plan;
static bool is_life; /* a process of its own: it does not go on with the tests when it fails */

static inline void wake(void *context)
{
    (void)context;
}

static inline int set_up(void **state)
{
    struct buf text = {0};

    (void)state;
    strcpy(folder, "/tmp/freshet_file_checkpoint_XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(output, sizeof(output), "%s/rows.ndjson", folder);
    buf_printf(&text,
               "pipeline: p\n"
               "kafka: {}\n"
               "sources:\n"
               "  s: {topic: t, entity: user, time: {field: ts}, fields: {user: string}}\n"
               "views:\n"
               "  v: {source: s, window: {tumbling: 1h}, features: {n: {count: true}}}\n"
               "outputs: {file: {path: %s}}\n",
               output);
    plan = plan_of_text(buf_string(&text));
    buf_free(&text);
    ledger = mmap(NULL, sizeof(*ledger), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(ledger, MAP_FAILED);
    disk = (struct disk){.piece_bytes = PIECE_BYTES};
    has_copy_file_range = true;
    dirty = ledger->dirty;
    return 0;
}

static inline int remove_entry(const char *path, const struct stat *status, int kind,
                               struct FTW *place)
{
    (void)status, (void)place;
    return kind == FTW_DP ? rmdir(path) : __real_unlink(path);
}

static inline void remove_folder(const char *path)
{
    assert_int_equal(nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS), 0);
}

static inline int tear_down(void **state)
{
    (void)state;
    if (is_life) {
        fflush(stdout);
        _exit(1);
    }
    remove_folder(folder);
    munmap(ledger, sizeof(*ledger));
    plan_free(plan);
    return 0;
}

/* Between two cases of one test. */
static inline void begin_anew(void)
{
    remove_folder(folder);
    assert_int_equal(mkdir(folder, 0700), 0);
    *ledger = (struct ledger){0};
    disk = (struct disk){.piece_bytes = PIECE_BYTES};
}

/* --- what is in files --- */

static inline struct buf content_of(const char *path)
{
    struct buf content = {0};
    int fd = open(path, O_RDONLY);
    ssize_t got;

    while (fd >= 0 && (got = read(fd, buf_reserve(&content, 65536), 65536)) > 0)
        content.len += (size_t)got;
    if (fd >= 0)
        close(fd);
    return content;
}

/* The lane of a row is in its window's start, its number is the revision. */
static inline uint32_t number_in(const struct json_value *row, struct slice name)
{
    const struct json_value *value = json_member(row, name);

    ENSURE(value != NULL);
    return (uint32_t)strtoul(value->raw.data, NULL, 10);
}

/* Each lane's rows from `first` up to, and without, `end`, each once and in order. */
static inline void check_rows(struct slice content, const uint32_t *first, const uint32_t *end)
{
    uint32_t next[LANES];

    memcpy(next, first, sizeof(next));
    while (content.len > 0) {
        const char *newline = memchr(content.data, '\n', content.len);

        ENSURE(newline != NULL);
        struct json_value *row = json_value_of(
            (struct slice){content.data, (size_t)(newline - content.data)});
        uint32_t lane = number_in(row, SLICE_LITERAL("window_start"));

        ENSURE(lane < LANES);
        ENSURE_INT(number_in(row, SLICE_LITERAL("revision")), next[lane]);
        next[lane]++;
        json_value_free(row);
        content.len -= (size_t)(newline + 1 - content.data);
        content.data = newline + 1;
    }
    for (int i = 0; i < LANES; i++)
        ENSURE_INT(next[i], end[i]);
}

static const uint32_t zeros[LANES];

static inline void check_output(const uint32_t *end)
{
    struct buf content = content_of(output);

    check_rows(buf_slice(&content), zeros, end);
    buf_free(&content);
}

/* What a commit relies on, whenever the process may end: the rows before, and those that it names.
 */
static inline void check_committed(void)
{
    const struct checkpoint *committed = &ledger->committed;
    struct buf before = content_of(output);
    struct buf rows;

    if (committed->number == 0) {
        ENSURE_INT(before.len, 0);
        buf_free(&before);
        return;
    }
    rows = content_of(committed->rows);
    ENSURE(before.len >= committed->length_before);
    ENSURE_INT(rows.len, committed->bytes);
    ENSURE(hash64(buf_slice(&rows)) == committed->hash);
    before.len = committed->length_before;
    buf_append_slice(&before, buf_slice(&rows));
    check_rows(buf_slice(&before), zeros, committed->positions);
    buf_free(&before);
    buf_free(&rows);
}

/* --- a life --- */

/* Full disks are waited for. */
#define PATIENTLY(error, call)                                                                     \
    do {                                                                                           \
        (error) = (call);                                                                          \
    } while ((error) == -ENOSPC || (error) == -EAGAIN)

struct life {
    struct file_writer writer;
    uint32_t positions[LANES];
    uint64_t epoch;
    char work[128];
};

static inline void put(struct life *life, uint32_t lane)
{
    static char key[4000];
    const struct row_value value = {.type = ROW_INT, .i = 1};
    const struct row row = {.view = &plan->views[0],
                            .key = {key, random_below(20) == 0 ? 3999 : random_below(200)},
                            .window_start_ms = lane,
                            .revision = life->positions[lane]++,
                            .values = &value};

    memset(key, 'k', sizeof(key));
    file_lane_row(&life->writer.lanes[lane], &row, 0);
    if (random_below(4) == 0)
        file_lane_turn(&life->writer.lanes[lane], 0, true);
}

static inline void put_some(struct life *life)
{
    struct err err;
    int error;

    for (uint64_t rows = random_below(12); rows > 0; rows--)
        put(life, (uint32_t)random_below(LANES));
    if (random_below(2) == 0) {
        PATIENTLY(error, file_writer_run(&life->writer, &err));
        ENSURE_INT(error, 0);
    }
}

static inline void life_begin(struct life *life)
{
    const struct checkpoint *committed = &ledger->committed;
    struct err warning;
    struct err err;
    int error;

    *life = (struct life){.epoch = FILE_EPOCH_FIRST};
    snprintf(life->work, sizeof(life->work), "%s/work.%llu", folder,
             (unsigned long long)++ledger->lives);
    ENSURE_INT(mkdir(life->work, 0700), 0);
    ENSURE_INT(file_writer_open(&life->writer, plan, LANES, life->work, wake, NULL, &err), 0);
    if (committed->number == 0)
        return;
    PATIENTLY(error,
              file_writer_recover(&life->writer, committed->length_before, committed->rows,
                                  committed->bytes, committed->is_published, &warning, &err));
    ENSURE_INT(error, 0);
    ENSURE_INT(warning.text[0], '\0');
    ENSURE(file_writer_length(&life->writer) == committed->length_before + committed->bytes);
    check_synced(output);
    ledger->committed.is_published = true;
    memcpy(life->positions, committed->positions, sizeof(life->positions));
    check_output(life->positions);
}

static inline void mark_lane(struct life *life, uint32_t lane)
{
    struct err err;
    int error;

    while (!file_lane_mark(&life->writer.lanes[lane])) {
        PATIENTLY(error, file_writer_run(&life->writer, &err));
        ENSURE_INT(error, 0);
    }
}

#endif
