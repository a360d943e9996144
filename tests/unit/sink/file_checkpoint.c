/* The file output with checkpoints, through deaths of the process and full disks.
 *
 *   life 1: rows, marks, seals, commits, publishes … dies at its n-th call to the disk
 *   life 2: recovers, goes on from the committed checkpoint … dies, maybe in the recovery
 *   …
 *   last life: lives
 *
 * The definition: a lane emits the rows 0, 1, 2, … from where the committed checkpoint stands. When
 * a life has recovered, the file holds each lane's rows below that, each once, in order, and
 * nothing else; in between, what the committed checkpoint takes to be there is there. A life is a
 * process; what it commits is in memory that they share. Writes are cut into pieces, so that it can
 * die in the middle of one. */
#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../support/json_value.h"
#include "../support/plan_text.h"
#include "base/hash.h"
#include "sink/file_sink.h"

#define LANES       2
#define PIECE_BYTES 1500
#define DIED        77 /* exit code of a life that was cut short */
#define CHECKPOINTS 4

/* --- the disk: what the sink calls passes through here --- */

struct disk {
    uint64_t calls;
    uint64_t dies_at;    /* 0: never */
    uint64_t full_at;    /* fails with ENOSPC; 0: never */
    uint64_t full_calls; /* so often in a row */
    size_t piece_bytes;  /* 0: no limit */
};

static struct disk disk;

static bool disk_takes_it(void)
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

static size_t piece_of(size_t bytes)
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
int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __real_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to);
int __real_unlink(const char *path);
int __wrap_unlink(const char *path);

static bool has_copy_file_range = true;

ssize_t __wrap_pwrite64(int fd, const void *data, size_t bytes, off_t at)
{
    return disk_takes_it() ? __real_pwrite64(fd, data, piece_of(bytes), at) : -1;
}

ssize_t __wrap_copy_file_range(int in, off_t *in_at, int out, off_t *out_at, size_t bytes,
                               unsigned flags)
{
    if (!has_copy_file_range) {
        errno = EXDEV;
        return -1;
    }
    return disk_takes_it() ? __real_copy_file_range(in, in_at, out, out_at, piece_of(bytes), flags)
                           : -1;
}

int __wrap_ftruncate64(int fd, off_t length)
{
    return disk_takes_it() ? __real_ftruncate64(fd, length) : -1;
}

int __wrap_fsync(int fd)
{
    disk.calls++;
    if (disk.calls == disk.dies_at)
        _exit(DIED);
    return __real_fsync(fd); /* that it fails is a case of its own */
}

int __wrap_rename(const char *from, const char *to)
{
    return disk_takes_it() ? __real_rename(from, to) : -1;
}

int __wrap_unlink(const char *path)
{
    disk.calls++;
    if (disk.calls == disk.dies_at)
        _exit(DIED);
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
};

static struct ledger *ledger;
static char folder[64];
static char output[96];
static struct plan *plan;
static bool is_life; /* a process of its own: it does not go on with the tests when it fails */

static void wake(void *context)
{
    (void)context;
}

static int set_up(void **state)
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
    return 0;
}

static void remove_folder(const char *path)
{
    struct dirent *entry;
    DIR *dir = opendir(path);
    char name[400];

    while (dir && (entry = readdir(dir))) {
        snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
        if (entry->d_name[0] != '.' && __real_unlink(name) != 0)
            remove_folder(name);
    }
    closedir(dir);
    rmdir(path);
}

static int tear_down(void **state)
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
static void begin_anew(void)
{
    remove_folder(folder);
    assert_int_equal(mkdir(folder, 0700), 0);
    *ledger = (struct ledger){0};
    disk = (struct disk){.piece_bytes = PIECE_BYTES};
}

/* --- what is in files --- */

static struct buf content_of(const char *path)
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
static uint32_t number_in(const struct json_value *row, struct slice name)
{
    const struct json_value *value = json_member(row, name);

    ENSURE(value != NULL);
    return (uint32_t)strtoul(value->raw.data, NULL, 10);
}

/* Each lane's rows from `first` up to, and without, `end`, each once and in order. */
static void check_rows(struct slice content, const uint32_t *first, const uint32_t *end)
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

static void check_output(const uint32_t *end)
{
    struct buf content = content_of(output);

    check_rows(buf_slice(&content), zeros, end);
    buf_free(&content);
}

/* What a commit relies on, whenever the process may end: the rows before, and those that it names.
 */
static void check_committed(void)
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

static void put(struct life *life, uint32_t lane)
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

static void put_some(struct life *life)
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

static void life_begin(struct life *life)
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
    ledger->committed.is_published = true;
    memcpy(life->positions, committed->positions, sizeof(life->positions));
    check_output(life->positions);
}

static void mark_lane(struct life *life, uint32_t lane)
{
    struct err err;
    int error;

    while (!file_lane_mark(&life->writer.lanes[lane])) {
        PATIENTLY(error, file_writer_run(&life->writer, &err));
        ENSURE_INT(error, 0);
    }
}

/* Marks the lanes, one after the other, with rows of the next epoch in between. */
static void mark(struct life *life, uint32_t *ret_positions)
{
    uint32_t first = (uint32_t)random_below(LANES);

    for (uint32_t i = 0; i < LANES; i++) {
        uint32_t lane = (first + i) % LANES;

        mark_lane(life, lane);
        ret_positions[lane] = life->positions[lane];
        put_some(life);
    }
}

static void publish(struct life *life, uint64_t epoch)
{
    struct err err;
    int error;

    PATIENTLY(error, file_writer_publish(&life->writer, epoch, &err));
    ENSURE_INT(error, 0);
    ledger->committed.is_published = true;
    check_output(ledger->committed.positions);
}

/* One that comes to its end, or fails on the way. */
static void checkpoint(struct life *life)
{
    struct checkpoint next = {.number = ++ledger->numbers};
    uint64_t epoch = life->epoch++;
    struct file_rows rows;
    struct err err;
    int error;

    mark(life, next.positions);
    if (random_below(5) == 0)
        return; /* it fails: its rows go with the next one's */
    PATIENTLY(error, file_writer_seal(&life->writer, epoch, &rows, &err));
    ENSURE_INT(error, 0);
    put_some(life);
    if (random_below(5) == 0)
        return;
    snprintf(next.rows, sizeof(next.rows), "%s/checkpoint.%llu", folder,
             (unsigned long long)next.number);
    ENSURE_INT(link(rows.path, next.rows), 0);
    next.bytes = rows.bytes;
    next.hash = rows.hash;
    next.length_before = file_writer_length(&life->writer);
    ledger->committed = next;
    if (random_below(4) == 0)
        return; /* not published: this goes with the next one's as well */
    put_some(life);
    publish(life, epoch);
}

/* To the end, where all rows are in the file. */
static void live(uint64_t seed)
{
    struct life life;
    struct file_rows rows;
    struct err err;
    int error;

    random_begin(seed);
    life_begin(&life);
    for (int i = 0; i < CHECKPOINTS; i++) {
        put_some(&life);
        checkpoint(&life);
    }
    for (uint32_t i = 0; i < LANES; i++)
        mark_lane(&life, i);
    PATIENTLY(error, file_writer_seal(&life.writer, life.epoch, &rows, &err));
    ENSURE_INT(error, 0);
    struct checkpoint last = {.number = ++ledger->numbers,
                              .bytes = rows.bytes,
                              .hash = rows.hash,
                              .length_before = file_writer_length(&life.writer)};
    memcpy(last.positions, life.positions, sizeof(last.positions));
    snprintf(last.rows, sizeof(last.rows), "%s/checkpoint.%llu", folder,
             (unsigned long long)last.number);
    ENSURE_INT(link(rows.path, last.rows), 0);
    ledger->committed = last;
    publish(&life, life.epoch);
    ENSURE_INT(file_writer_close(&life.writer), 0);
    ENSURE(rmdir(life.work) == 0); /* no spool is left */
    check_output(life.positions);
}

/* A life in a process of its own, cut short at a call; true if it came to its end. */
static bool live_until(uint64_t seed, uint64_t dies_at)
{
    int status;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        is_life = true;
        disk.calls = 0;
        disk.dies_at = dies_at;
        live(seed);
        ledger->calls = disk.calls;
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) != DIED)
        assert_int_equal(WEXITSTATUS(status), 0);
    check_committed();
    return WEXITSTATUS(status) == 0;
}

static void rows_are_there_once_whenever_the_process_dies(void **state)
{
    (void)state;
    for (FIRST_SEED; MORE_SEEDS(6); NEXT_SEED) {
        uint64_t seed = test_seed;

        begin_anew();
        assert_true(live_until(seed, 0));
        uint64_t calls = ledger->calls;

        for (uint64_t dies_at = 1 + seed % 4; dies_at <= calls; dies_at += 4) {
            begin_anew();
            has_copy_file_range = dies_at % 2;
            assert_false(live_until(seed, dies_at));
            /* The next ones die early: most of them in their recovery. */
            for (int deaths = 0; deaths < 3; deaths++) {
                random_begin(seed * 1000 + dies_at * 10 + (uint64_t)deaths);
                uint64_t next = 1 + random_below(deaths == 2 ? calls : 12);

                live_until(seed + 100 + (uint64_t)deaths, next);
            }
            assert_true(live_until(seed + 200, 0));
        }
    }
}

/* In the middle of a write, of an append, of a truncation: it is tried again, and nothing is twice.
 */
static void a_full_disk_can_be_waited_for(void **state)
{
    (void)state;
    for (FIRST_SEED; MORE_SEEDS(4); NEXT_SEED) {
        uint64_t seed = test_seed;

        begin_anew();
        disk.calls = 0;
        live(seed);
        uint64_t calls = disk.calls;

        for (uint64_t full_at = 1; full_at <= calls; full_at += 2) {
            begin_anew();
            disk.full_at = full_at;
            disk.full_calls = 1 + full_at % 4;
            live(seed);
            live(seed + 100); /* begins with a recovery */
        }
    }
}

/* --- an output that has been moved away --- */

/* A committed checkpoint of lane 0's rows from `first` to `end`, published in an output that held
 * those before. */
static void commit_rows(uint32_t first, uint32_t end, bool is_published)
{
    struct life life;
    struct file_rows rows;
    struct err err;

    begin_anew();
    life_begin(&life);
    for (int round = 0; round < 2; round++) {
        while (life.positions[0] < (round ? end : first))
            put(&life, 0);
        for (uint32_t i = 0; i < LANES; i++)
            mark_lane(&life, i);
        assert_int_equal(file_writer_seal(&life.writer, life.epoch, &rows, &err), 0);
        struct checkpoint next = {.number = (uint64_t)round + 1,
                                  .bytes = rows.bytes,
                                  .hash = rows.hash,
                                  .length_before = file_writer_length(&life.writer),
                                  .positions = {life.positions[0]}};
        snprintf(next.rows, sizeof(next.rows), "%s/checkpoint.%d", folder, round);
        assert_int_equal(link(rows.path, next.rows), 0);
        ledger->committed = next;
        if (round == 0 || is_published)
            publish(&life, life.epoch);
        life.epoch++;
    }
    assert_int_equal(file_writer_close(&life.writer), 0);
}

/* Recovery in a process that dies at a call to the disk; false if it did. */
static bool recover_until(uint64_t dies_at, struct err *ret_warning)
{
    const struct checkpoint *committed = &ledger->committed;
    struct err *warning = mmap(NULL, sizeof(*warning), PROT_READ | PROT_WRITE,
                               MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int status;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        struct file_writer writer;
        struct err err;

        is_life = true;
        disk.calls = 0;
        disk.dies_at = dies_at;
        ENSURE_INT(file_writer_open(&writer, plan, LANES, folder, wake, NULL, &err), 0);
        ENSURE_INT(file_writer_recover(&writer, committed->length_before, committed->rows,
                                       committed->bytes, committed->is_published, warning, &err),
                   0);
        disk.dies_at = 0;
        ENSURE_INT(file_writer_close(&writer), 0);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == DIED));
    *ret_warning = *warning;
    munmap(warning, sizeof(*warning));
    return WEXITSTATUS(status) == 0;
}

/* What stands in the output instead: nothing, or the first rows of another one. */
static void move_away(size_t left_bytes)
{
    struct buf content = content_of(output);
    char moved[128];

    snprintf(moved, sizeof(moved), "%s.1", output);
    assert_int_equal(__real_rename(output, moved), 0);
    if (left_bytes > 0) {
        int fd = open(output, O_WRONLY | O_CREAT, 0640);

        assert_true(fd >= 0 && left_bytes <= content.len);
        assert_int_equal(write(fd, content.data, left_bytes), left_bytes);
        close(fd);
    }
    buf_free(&content);
}

static void check_moved(size_t left_bytes, bool has_rows)
{
    struct buf content = content_of(output);
    struct buf rows = content_of(ledger->committed.rows);
    char moved_path[128];

    snprintf(moved_path, sizeof(moved_path), "%s.1", output);
    struct buf moved = content_of(moved_path);
    assert_int_equal(content.len, left_bytes + (has_rows ? rows.len : 0));
    assert_memory_equal(content.data ? content.data : "", moved.data, left_bytes);
    if (has_rows)
        assert_memory_equal(content.data + left_bytes, rows.data, rows.len);
    buf_free(&moved);
    buf_free(&content);
    buf_free(&rows);
}

/* Whenever a recovery dies, the next one comes to the same. */
static void an_output_that_was_moved_away_begins_anew(void **state)
{
    static const size_t lefts[] = {0, 100, 1000};
    struct err warning;
    struct stat status;

    (void)state;
    random_begin(1);
    for (int is_published = 0; is_published < 2; is_published++) {
        for (size_t i = 0; i < ARRAY_LEN(lefts); i++) {
            bool lived = false;

            for (uint64_t dies_at = 1; !lived; dies_at++) {
                commit_rows(40, 60, is_published);
                move_away(lefts[i]);
                lived = recover_until(dies_at, &warning);
                for (uint64_t again = 3; again > 0; again--) {
                    recover_until(again * 2, &warning);
                    assert_true(recover_until(0, &warning));
                    check_moved(lefts[i], !is_published);
                }
                if (lefts[i] + (is_published ? 0 : ledger->committed.bytes) <
                    ledger->committed.length_before)
                    assert_non_null(strstr(warning.text, output));
            }
            assert_int_equal(stat(output, &status), 0);
            if (lefts[i] > 0)
                assert_int_equal(status.st_mode & 0777, 0640);
        }
    }
}

/* Old rows of the same bytes as those to be appended are not taken for them. */
static void rows_that_were_there_before_are_no_sign(void **state)
{
    struct err warning;

    (void)state;
    random_begin(1);
    commit_rows(0, 20, false);
    struct buf rows = content_of(ledger->committed.rows);
    int fd = open(output, O_WRONLY | O_TRUNC);
    assert_int_equal(write(fd, rows.data, rows.len), rows.len);
    close(fd);
    ledger->committed.length_before = rows.len;
    assert_true(recover_until(0, &warning));
    struct buf content = content_of(output);
    assert_int_equal(content.len, 2 * rows.len);
    assert_memory_equal(content.data + rows.len, rows.data, rows.len);
    buf_free(&rows);
    buf_free(&content);
}

/* A program that rotates: rows of the checkpoint under way still go to the file that it knew, those
 * of the next one to the new one. */
static void a_file_that_is_moved_away_meanwhile_is_followed(void **state)
{
    struct life life;
    struct file_rows rows;
    struct err err;
    char moved[128];

    (void)state;
    random_begin(1);
    life_begin(&life);
    snprintf(moved, sizeof(moved), "%s.1", output);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 10; i++)
            put(&life, 0);
        for (uint32_t i = 0; i < LANES; i++)
            mark_lane(&life, i);
        assert_int_equal(file_writer_seal(&life.writer, life.epoch, &rows, &err), 0);
        assert_true((file_writer_length(&life.writer) == 0) == (round % 2 == 0));
        if (round == 1)
            assert_int_equal(__real_rename(output, moved), 0);
        assert_int_equal(file_writer_publish(&life.writer, life.epoch++, &err), 0);
    }
    assert_int_equal(file_writer_close(&life.writer), 0);
    struct buf old = content_of(moved);
    struct buf new = content_of(output);
    check_rows(buf_slice(&old), zeros, (uint32_t[LANES]){20});
    check_rows(buf_slice(&new), (uint32_t[LANES]){20}, (uint32_t[LANES]){30});
    buf_free(&old);
    buf_free(&new);
}

/* --- the rest --- */

static void a_lane_is_marked_when_no_row_waits_for_a_block(void **state)
{
    struct life life;
    struct file_lane *lane;
    struct file_rows rows;
    struct err err;

    (void)state;
    random_begin(1);
    disk.piece_bytes = 0;
    life_begin(&life);
    lane = &life.writer.lanes[0];
    while (!file_lane_full(lane))
        put(&life, 0);
    put(&life, 0); /* overflows */
    assert_false(file_lane_mark(lane));
    assert_true(file_lane_mark(&life.writer.lanes[1]));
    assert_int_equal(file_writer_seal(&life.writer, 1, &rows, &err), -EAGAIN);
    assert_int_equal(file_writer_run(&life.writer, &err), 0);
    assert_true(file_lane_mark(lane));
    uint32_t marked[LANES] = {life.positions[0]};
    put(&life, 0);
    file_lane_turn(lane, 0, true);
    assert_int_equal(file_writer_seal(&life.writer, 1, &rows, &err), 0);
    uint64_t behind = life.writer.pending_bytes - rows.bytes;
    assert_true(behind > 0 && behind < 8000);
    assert_int_equal(file_writer_publish(&life.writer, 1, &err), 0);
    assert_int_equal(life.writer.bytes, rows.bytes);
    assert_int_equal(life.writer.pending_bytes, behind);
    check_output(marked);
    assert_int_equal(file_writer_close(&life.writer), 0);
    check_output(marked);
}

static void muted_rows_are_dropped(void **state)
{
    struct life life;
    struct file_rows rows;
    struct err err;

    (void)state;
    random_begin(1);
    life_begin(&life);
    file_lane_mute(&life.writer.lanes[0], true);
    put(&life, 0);
    assert_true(file_lane_idle(&life.writer.lanes[0]));
    file_lane_mute(&life.writer.lanes[0], false);
    put(&life, 0);
    for (uint32_t i = 0; i < LANES; i++)
        mark_lane(&life, i);
    assert_int_equal(file_writer_seal(&life.writer, 1, &rows, &err), 0);
    assert_int_equal(file_writer_publish(&life.writer, 1, &err), 0);
    assert_int_equal(file_writer_close(&life.writer), 0);
    struct buf content = content_of(output);
    check_rows(buf_slice(&content), (uint32_t[LANES]){1}, (uint32_t[LANES]){2});
    buf_free(&content);
}

/* More than one call appends: the control thread has other things to do meanwhile. */
static void many_rows_are_published_in_steps(void **state)
{
    struct life life;
    struct file_rows rows;
    struct err err;
    int steps = 0;
    int error;

    (void)state;
    random_begin(1);
    disk.piece_bytes = 0;
    life_begin(&life);
    for (int i = 0; i < 120000; i++) {
        if (file_lane_full(&life.writer.lanes[0]))
            assert_int_equal(file_writer_run(&life.writer, &err), 0);
        put(&life, 0);
    }
    for (uint32_t i = 0; i < LANES; i++)
        mark_lane(&life, i);
    assert_int_equal(file_writer_seal(&life.writer, 1, &rows, &err), 0);
    assert_true(rows.bytes > (uint64_t)35 * 1024 * 1024);
    struct buf spooled = content_of(rows.path);
    assert_int_equal(spooled.len, rows.bytes);
    assert_true(hash64(buf_slice(&spooled)) == rows.hash);
    while ((error = file_writer_publish(&life.writer, 1, &err)) == -EAGAIN) {
        assert_int_equal(file_writer_length(&life.writer), 0);
        steps++;
    }
    assert_int_equal(error, 0);
    assert_true(steps >= 1);
    struct buf published = content_of(output);
    assert_int_equal(published.len, spooled.len);
    assert_memory_equal(published.data, spooled.data, spooled.len);
    buf_free(&published);
    buf_free(&spooled);
    assert_int_equal(file_writer_close(&life.writer), 0);
}

static void a_checkpoint_without_rows_has_a_file_all_the_same(void **state)
{
    struct life life;
    struct file_rows rows;
    struct err err;
    struct stat status;

    (void)state;
    life_begin(&life);
    for (uint32_t i = 0; i < LANES; i++)
        mark_lane(&life, i);
    assert_int_equal(file_writer_seal(&life.writer, 1, &rows, &err), 0);
    assert_int_equal(stat(rows.path, &status), 0);
    assert_int_equal(status.st_size, 0);
    assert_int_equal(rows.bytes, 0);
    assert_true(rows.hash == hash64((struct slice){"", 0}));
    assert_int_equal(file_writer_publish(&life.writer, 1, &err), 0);
    assert_int_equal(file_writer_close(&life.writer), 0);
}

/* It may be recovered without that file: a checkpoint keeps none for no rows. */
static void recovery_needs_no_file_of_no_rows(void **state)
{
    static const char before[] = "{\"of\":\"checkpoints before\"}\n";
    const size_t length = sizeof(before) - 1;
    struct file_writer writer;
    struct err warning;
    struct err err;

    (void)state;
    begin_anew();
    int fd = open(output, O_WRONLY | O_CREAT, 0640);
    assert_int_equal(write(fd, before, length), length);
    assert_int_equal(write(fd, "more", 4), 4);
    close(fd);
    assert_int_equal(file_writer_open(&writer, plan, LANES, folder, wake, NULL, &err), 0);
    assert_int_equal(file_writer_recover(&writer, length, NULL, 0, false, &warning, &err), 0);
    assert_string_equal(warning.text, "");
    assert_int_equal(file_writer_length(&writer), length);
    assert_int_equal(file_writer_close(&writer), 0);
    struct buf content = content_of(output);
    assert_string_equal(buf_string(&content), before);
    buf_free(&content);
}

/* The output's disk is full, the spool's is not: checkpoints go on, and rows get there later. */
static void a_full_output_is_named(void **state)
{
    struct life life;
    struct file_rows rows;
    struct err err;

    (void)state;
    random_begin(1);
    life_begin(&life);
    put(&life, 0);
    for (uint32_t i = 0; i < LANES; i++)
        mark_lane(&life, i);
    assert_int_equal(file_writer_seal(&life.writer, 1, &rows, &err), 0);
    disk.calls = 0;
    disk.full_at = 1;
    disk.full_calls = 1;
    assert_int_equal(file_writer_publish(&life.writer, 1, &err), -ENOSPC);
    assert_non_null(strstr(err.text, output));
    assert_int_equal(life.writer.bytes, 0);
    put(&life, 0);
    for (uint32_t i = 0; i < LANES; i++)
        mark_lane(&life, i);
    assert_int_equal(file_writer_seal(&life.writer, 2, &rows, &err), 0);
    assert_int_equal(file_writer_length(&life.writer), 0);
    assert_int_equal(file_writer_publish(&life.writer, 2, &err), 0);
    check_output((uint32_t[LANES]){2});
    assert_int_equal(life.writer.bytes, rows.bytes);
    assert_int_equal(life.writer.pending_bytes, 0);
    assert_int_equal(file_writer_close(&life.writer), 0);
}

static void a_full_disk_of_spools_is_named(void **state)
{
    struct life life;
    struct err err;

    (void)state;
    random_begin(1);
    life_begin(&life);
    put(&life, 0);
    file_lane_turn(&life.writer.lanes[0], 0, true);
    disk.calls = 0;
    disk.full_at = 2; /* the first call removes an old file of that name */
    disk.full_calls = 1;
    assert_int_equal(file_writer_run(&life.writer, &err), -ENOSPC);
    assert_non_null(strstr(err.text, life.work));
    assert_false(file_writer_idle(&life.writer));
    assert_int_equal(file_writer_run(&life.writer, &err), 0);
    assert_true(file_writer_idle(&life.writer));
    assert_int_equal(file_writer_close(&life.writer), 0);
}

/* Of rows whose checkpoint is gone nothing can be said. */
static void missing_rows_are_named(void **state)
{
    struct file_writer writer;
    struct err warning;
    struct err err;

    (void)state;
    assert_int_equal(file_writer_open(&writer, plan, LANES, folder, wake, NULL, &err), 0);
    assert_int_equal(file_writer_recover(&writer, 0, "/nonexistent/rows", 5, false, &warning, &err),
                     -ENOENT);
    assert_non_null(strstr(err.text, "/nonexistent/rows"));
    int fd = open(output, O_WRONLY);
    assert_int_equal(write(fd, "abc", 3), 3);
    close(fd);
    char rows[128];
    snprintf(rows, sizeof(rows), "%s/short", folder);
    fd = open(rows, O_WRONLY | O_CREAT, 0600);
    assert_int_equal(write(fd, "{}\n", 3), 3);
    close(fd);
    assert_int_equal(file_writer_recover(&writer, 0, rows, 5, false, &warning, &err), -EIO);
    assert_non_null(strstr(err.text, rows));
    assert_int_equal(file_writer_close(&writer), 0);
}

/* What can't be truncated or measured: rows are written to it, once. */
static void an_output_that_is_no_regular_file(void **state)
{
    struct life life;
    struct file_rows rows;
    struct err err;
    int reader;

    (void)state;
    random_begin(1);
    assert_int_equal(mkfifo(output, 0600), 0);
    reader = open(output, O_RDONLY | O_NONBLOCK);
    assert_true(reader >= 0);
    life_begin(&life);
    put(&life, 0);
    for (uint32_t i = 0; i < LANES; i++)
        mark_lane(&life, i);
    assert_int_equal(file_writer_seal(&life.writer, 1, &rows, &err), 0);
    assert_int_equal(file_writer_publish(&life.writer, 1, &err), 0);
    assert_int_equal(file_writer_length(&life.writer), 0);
    struct buf content = {0};
    content.len = (size_t)read(reader, buf_reserve(&content, 8192), 8192);
    check_rows(buf_slice(&content), zeros, (uint32_t[LANES]){1});
    buf_free(&content);
    close(reader);
    assert_int_equal(file_writer_close(&life.writer), 0);
}

int main(void)
{
#define FILE_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        FILE_TEST(rows_are_there_once_whenever_the_process_dies),
        FILE_TEST(a_full_disk_can_be_waited_for),
        FILE_TEST(an_output_that_was_moved_away_begins_anew),
        FILE_TEST(rows_that_were_there_before_are_no_sign),
        FILE_TEST(a_file_that_is_moved_away_meanwhile_is_followed),
        FILE_TEST(a_lane_is_marked_when_no_row_waits_for_a_block),
        FILE_TEST(muted_rows_are_dropped),
        FILE_TEST(many_rows_are_published_in_steps),
        FILE_TEST(a_checkpoint_without_rows_has_a_file_all_the_same),
        FILE_TEST(recovery_needs_no_file_of_no_rows),
        FILE_TEST(a_full_output_is_named),
        FILE_TEST(a_full_disk_of_spools_is_named),
        FILE_TEST(missing_rows_are_named),
        FILE_TEST(an_output_that_is_no_regular_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
