/* The file output with checkpoints, through deaths of the process and full disks.
 *
 *   life 1: rows, marks, seals, commits, publishes … dies at its n-th call to the disk
 *   life 2: recovers, goes on from the committed checkpoint … dies, maybe in the recovery
 *   …
 *   last life: lives
 *
 * The definition: a lane emits the rows 0, 1, 2, … from where the committed checkpoint stands. When
 * a life has recovered, the file holds each lane's rows below that, each once, in order, and
 * nothing else; in between, what the committed checkpoint takes to be there is there. */
#include <sys/wait.h>

#include "file_world.h"

#define CHECKPOINTS 4

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
    check_synced(output);
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
    check_synced(next.rows);
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
    for (FIRST_SEED; MORE_SEEDS(3); NEXT_SEED) {
        uint64_t seed = test_seed;

        begin_anew();
        assert_true(live_until(seed, 0));
        uint64_t calls = ledger->calls;

        for (uint64_t dies_at = 1 + seed % 5; dies_at <= calls; dies_at += 5) {
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
    for (FIRST_SEED; MORE_SEEDS(2); NEXT_SEED) {
        uint64_t seed = test_seed;

        begin_anew();
        disk.calls = 0;
        live(seed);
        uint64_t calls = disk.calls;

        for (uint64_t full_at = 1 + seed % 3; full_at <= calls; full_at += 3) {
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

int main(void)
{
#define FILE_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        FILE_TEST(rows_are_there_once_whenever_the_process_dies),
        FILE_TEST(a_full_disk_can_be_waited_for),
        FILE_TEST(an_output_that_was_moved_away_begins_anew),
        FILE_TEST(rows_that_were_there_before_are_no_sign),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
