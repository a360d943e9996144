/* The file output with checkpoints, step by step: lanes and their marks, spools, what is appended
 * when, files that are moved away, disks that are full. */
#include "file_world.h"

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
    int fd = open(output, O_WRONLY | O_CREAT | O_TRUNC, 0640);
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
