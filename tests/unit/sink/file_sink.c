/* The file output: lanes filled by their threads, one writer; what is in the file then. */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "../support/json_value.h"
#include "../support/plan_text.h"
#include "sink/file_sink.h"

#define LANES  2
#define LINGER INT64_C(1000000000) /* far more than any block waits */

static char path[64];
static struct plan *plan;
static _Atomic int wakes;
static struct err problem;

static void wake(void *context)
{
    assert_ptr_equal(context, &wakes);
    wakes++;
}

/* A plan whose output is the file. */
static struct plan *plan_for(const char *output)
{
    struct buf text = {0};

    buf_printf(&text,
               "pipeline: p\n"
               "kafka: {}\n"
               "sources:\n"
               "  s: {topic: t, entity: user, time: {field: ts}, fields: {user: string}}\n"
               "views:\n"
               "  v: {source: s, window: {tumbling: 1h}, features: {n: {count: true}}}\n"
               "  w: {source: s, window: {tumbling: 1h}, features: {m: {count: true}}}\n"
               "outputs: {file: {path: %s}}\n",
               output);
    struct plan *made = plan_of_text(buf_string(&text));

    buf_free(&text);
    return made;
}

static int set_up(void **state)
{
    (void)state;
    strcpy(path, "/tmp/freshet_file_sink_XXXXXX");
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    close(fd);
    plan = plan_for(path);
    wakes = 0;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(path);
    plan_free(plan);
    return 0;
}

static void open_writer(struct file_writer *writer)
{
    struct err err;

    assert_int_equal(file_writer_open(writer, plan, LANES, NULL, wake, &wakes, &err), 0);
}

/* A row whose revision is its number; the key's length varies. */
static bool put(struct file_lane *lane, uint32_t number, size_t key_len, int64_t now_ns)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz";
    static char key[100000];
    const struct row_value value = {.type = ROW_INT, .i = number};
    const struct row row = {.view = &plan->views[number % 2],
                            .key = {key, key_len},
                            .revision = number,
                            .values = &value};

    if (key[0] == '\0') {
        for (size_t i = 0; i < sizeof(key); i++)
            key[i] = letters[i % 26];
    }
    return file_lane_row(lane, &row, now_ns);
}

static struct buf file_content(void)
{
    struct buf content = {0};
    int fd = open(path, O_RDONLY);
    ssize_t got;

    assert_true(fd >= 0);
    while ((got = read(fd, buf_reserve(&content, 65536), 65536)) > 0)
        content.len += (size_t)got;
    close(fd);
    return content;
}

/* Every line is a row, in the order of its lane, none missing. `lane_of` tells the lane by a row's
 * number. Returns how many lines there are. */
static uint32_t check_lines(struct slice content, int (*lane_of)(uint32_t number),
                            const uint32_t *first, uint32_t step)
{
    uint32_t next[LANES] = {first[0], first[1]};
    uint32_t lines = 0;

    while (content.len > 0) {
        const char *end = memchr(content.data, '\n', content.len);

        assert_non_null(end);
        struct slice line = {content.data, (size_t)(end - content.data)};
        struct json_value *row = json_value_of(line);
        const struct json_value *revision = json_member(row, SLICE_LITERAL("revision"));

        assert_non_null(revision);
        uint32_t number = (uint32_t)strtoul(revision->raw.data, NULL, 10);
        int lane = lane_of(number);

        assert_int_equal(number, next[lane]);
        next[lane] += step;
        ENSURE_TEXT(json_string(json_member(row, SLICE_LITERAL("view"))),
                    number % 2 ? SLICE_LITERAL("w") : SLICE_LITERAL("v"));
        json_value_free(row);
        lines++;
        content.len -= line.len + 1;
        content.data = end + 1;
    }
    return lines;
}

static int only_lane(uint32_t number)
{
    (void)number;
    return 0;
}

static void rows_wait_for_company_for_a_while(void **state)
{
    struct file_writer writer;
    struct file_lane *lane;
    static const uint32_t first[LANES] = {0, 0};

    (void)state;
    open_writer(&writer);
    lane = &writer.lanes[0];
    assert_true(file_lane_idle(lane));
    assert_true(file_lane_deadline_ns(lane) == INT64_MAX);
    assert_true(put(lane, 0, 5, 1000));
    assert_false(file_lane_idle(lane));
    int64_t deadline_ns = file_lane_deadline_ns(lane);
    assert_true(deadline_ns > 1000 && deadline_ns <= 1000 + LINGER);
    assert_true(put(lane, 1, 5, 2000));
    assert_true(file_lane_deadline_ns(lane) == deadline_ns); /* the oldest row counts */
    file_lane_turn(lane, deadline_ns - 1, false);
    assert_int_equal(wakes, 0);
    file_lane_turn(lane, deadline_ns, false);
    assert_int_equal(wakes, 1);
    assert_true(file_lane_idle(lane));
    assert_false(file_writer_idle(&writer));

    assert_true(put(lane, 2, 5, 3000));
    file_lane_turn(lane, 3001, true);
    assert_int_equal(wakes, 2);
    file_lane_turn(lane, 3002, true); /* nothing is handed over twice */
    assert_int_equal(wakes, 2);
    assert_int_equal(file_writer_run(&writer, &problem), 0);
    assert_true(file_writer_idle(&writer));
    struct buf content = file_content();
    assert_int_equal(check_lines(buf_slice(&content), only_lane, first, 1), 3);
    assert_int_equal(writer.bytes, content.len);
    buf_free(&content);
    assert_int_equal(file_writer_close(&writer), 0);
}

/* The writer has all blocks: rows are taken still, and the lane says that it is full. */
static void a_lane_is_full_while_the_writer_has_its_blocks(void **state)
{
    struct file_writer writer;
    struct file_lane *lane;
    uint32_t number = 0;
    static const uint32_t first[LANES] = {0, 0};

    (void)state;
    open_writer(&writer);
    lane = &writer.lanes[0];
    for (int round = 0; round < 3; round++) {
        while (put(lane, number++, 1000, 0))
            assert_true(number < 100000);
        assert_true(file_lane_full(lane));
        assert_false(put(lane, number++, 1000, 0)); /* on its way already: taken all the same */
        assert_false(put(lane, number++, 99999, 0));
        assert_false(file_lane_idle(lane));
        file_lane_turn(lane, LINGER, true); /* can hand over nothing */
        assert_true(file_lane_full(lane));
        assert_false(file_lane_full(&writer.lanes[1]));
        assert_int_equal(file_writer_run(&writer, &problem), 0);
        assert_false(file_lane_full(lane));
    }
    assert_true(number > 1000);
    file_lane_turn(lane, 0, true);
    assert_int_equal(file_writer_run(&writer, &problem), 0);
    assert_true(file_lane_idle(lane) && file_writer_idle(&writer));
    struct buf content = file_content();
    assert_int_equal(check_lines(buf_slice(&content), only_lane, first, 1), number);
    buf_free(&content);
    assert_int_equal(file_writer_close(&writer), 0);
}

static void an_existing_file_is_appended_to(void **state)
{
    static const uint32_t first[LANES] = {0, 0};

    (void)state;
    for (uint32_t run = 0; run < 3; run++) {
        struct file_writer writer;

        open_writer(&writer);
        put(&writer.lanes[0], run, 5, 0);
        file_lane_turn(&writer.lanes[0], 0, true);
        assert_int_equal(file_writer_run(&writer, &problem), 0);
        assert_int_equal(file_writer_close(&writer), 0);
    }
    struct buf content = file_content();
    assert_int_equal(check_lines(buf_slice(&content), only_lane, first, 1), 3);
    buf_free(&content);
}

#define ROWS_A_LANE 20000

static struct file_writer shared;
static _Atomic int lanes_done;
static _Atomic int failure;

static int lane_of_number(uint32_t number)
{
    return (int)(number % LANES);
}

/* The writer's thread. */
static void *write_rows(void *unused)
{
    (void)unused;
    while (lanes_done < LANES || !file_writer_idle(&shared)) {
        int error = file_writer_run(&shared, &problem);

        if (error)
            failure = error;
        sched_yield();
    }
    return NULL;
}

/* A shard: stops when its lane is full, as shards do. */
static void *fill_lane(void *argument)
{
    uint32_t number = (uint32_t)(uintptr_t)argument;
    struct file_lane *lane = &shared.lanes[number];

    for (uint32_t i = 0; i < ROWS_A_LANE; i++, number += LANES) {
        while (file_lane_full(lane))
            sched_yield();
        /* Number and lane have the same parity, so the view is always the same one. */
        put(lane, number, i % 97 + (i % 1000 == 0 ? 50000 : 0), i);
        if (i % 777 == 0)
            file_lane_turn(lane, i, true);
    }
    while (!file_lane_idle(lane)) {
        file_lane_turn(lane, 0, true);
        sched_yield();
    }
    lanes_done++;
    return NULL;
}

static void lanes_are_filled_and_written_by_different_threads(void **state)
{
    static const uint32_t first[LANES] = {0, 1};
    pthread_t writer;
    pthread_t lanes[LANES];

    (void)state;
    open_writer(&shared);
    put(&shared.lanes[0], 0, 5, 0); /* makes the key before there are threads */
    file_lane_turn(&shared.lanes[0], 0, true);
    assert_int_equal(file_writer_run(&shared, &problem), 0);
    assert_int_equal(truncate(path, 0), 0);
    lanes_done = 0;
    assert_int_equal(pthread_create(&writer, NULL, write_rows, NULL), 0);
    for (uintptr_t i = 0; i < LANES; i++)
        assert_int_equal(pthread_create(&lanes[i], NULL, fill_lane, (void *)i), 0);
    for (int i = 0; i < LANES; i++)
        pthread_join(lanes[i], NULL);
    pthread_join(writer, NULL);
    assert_int_equal(failure, 0);
    struct buf content = file_content();
    assert_int_equal(check_lines(buf_slice(&content), lane_of_number, first, LANES),
                     LANES * ROWS_A_LANE);
    buf_free(&content);
    assert_int_equal(file_writer_close(&shared), 0);
}

static void a_full_disk_is_reported(void **state)
{
    struct plan *full = plan_for("/dev/full");
    struct file_writer writer;
    struct err err;

    (void)state;
    assert_int_equal(file_writer_open(&writer, full, 1, NULL, wake, &wakes, &err), 0);
    put(&writer.lanes[0], 0, 5, 0);
    assert_int_equal(file_writer_run(&writer, &problem), 0); /* nothing was handed over yet */
    file_lane_turn(&writer.lanes[0], 0, true);
    assert_int_equal(file_writer_run(&writer, &problem), -ENOSPC);
    (void)!file_writer_close(&writer);
    plan_free(full);
}

/* A file that may not grow: the first part of a block fits. */
static void a_write_that_stops_half_way_is_reported(void **state)
{
    static const uint32_t first[LANES] = {0, 0};
    struct rlimit before;
    struct file_writer writer;

    (void)state;
    open_writer(&writer);
    for (uint32_t number = 0; number < 100; number++)
        put(&writer.lanes[0], number, 1000, 0);
    file_lane_turn(&writer.lanes[0], 0, true);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    struct rlimit low = {50000, before.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
    int error = file_writer_run(&writer, &problem);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(error, -EFBIG);
    assert_non_null(strstr(problem.text, path));
    /* It goes on where it was. */
    assert_int_equal(file_writer_run(&writer, &problem), 0);
    struct buf content = file_content();
    assert_int_equal(check_lines(buf_slice(&content), only_lane, first, 1), 100);
    buf_free(&content);
    assert_int_equal(file_writer_close(&writer), 0);
}

static void a_file_that_cannot_be_opened_is_named(void **state)
{
    struct plan *missing = plan_for("/nonexistent/folder/rows.ndjson");
    struct file_writer writer;
    struct err err;

    (void)state;
    assert_int_equal(file_writer_open(&writer, missing, 1, NULL, wake, &wakes, &err), -ENOENT);
    assert_non_null(strstr(err.text, "/nonexistent/folder/rows.ndjson"));
    plan_free(missing);
}

int main(void)
{
#define FILE_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        FILE_TEST(rows_wait_for_company_for_a_while),
        FILE_TEST(a_lane_is_full_while_the_writer_has_its_blocks),
        FILE_TEST(an_existing_file_is_appended_to),
        FILE_TEST(lanes_are_filled_and_written_by_different_threads),
        FILE_TEST(a_full_disk_is_reported),
        FILE_TEST(a_write_that_stops_half_way_is_reported),
        FILE_TEST(a_file_that_cannot_be_opened_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
