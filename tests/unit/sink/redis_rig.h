/* redis_rig - the Redis sink by script: bytes out, replies in, the clock by hand. */
#ifndef FRESHET_TESTS_REDIS_RIG_H
#define FRESHET_TESTS_REDIS_RIG_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "redis_world.h"

#define START_MS 1700000000000
#define TTL_MS   100000

struct wire {
    struct buf out;
    int connects;
    int closes;
    int flushes;
    int connect_error; /* what connect returns */
    int reports;
    char report[512];
    size_t unsent; /* of what was flushed: held back, if the test says so */
};

struct rig {
    struct world world;
    struct wire wire;
    struct redis_sink *sink;
    int64_t now_ns;
};

static inline int wire_connect(void *context, unsigned number)
{
    struct wire *wire = context;

    assert_int_equal(number, 0);
    wire->connects++;
    return wire->connect_error;
}

static inline struct buf *wire_out(void *context, unsigned number)
{
    (void)number;
    return &((struct wire *)context)->out;
}

static inline void wire_flush(void *context, unsigned number)
{
    (void)number;
    ((struct wire *)context)->flushes++;
}

static inline size_t wire_unsent(void *context, unsigned number)
{
    (void)number;
    return ((struct wire *)context)->unsent;
}

static inline void wire_close(void *context, unsigned number)
{
    (void)number;
    ((struct wire *)context)->closes++;
}

static inline void wire_report(void *context, const char *text)
{
    struct wire *wire = context;

    wire->reports++;
    snprintf(wire->report, sizeof(wire->report), "%s", text);
}

static inline void rig_init(struct rig *rig)
{
    memset(rig, 0, sizeof(*rig));
    world_init(&rig->world);
    rig->now_ns = 5000 * NS_PER_S;
}

static inline void rig_open(struct rig *rig)
{
    struct redis_sink_options options = {
        .plan = &rig->world.plan,
        .arena = &rig->world.arena,
        .io = {&rig->wire, wire_connect, wire_out, wire_flush, wire_unsent, wire_close},
        .seed = 7,
        .dirty_keys_max = 3,
        .detached_bytes_max = 500,
        .report = wire_report,
        .report_context = &rig->wire,
    };

    rig->sink = redis_sink_create(&options);
    redis_sink_clock(rig->sink, rig->now_ns, START_MS);
}

static inline void rig_done(struct rig *rig)
{
    redis_sink_free(rig->sink);
    arena_done(&rig->world.arena);
    buf_free(&rig->wire.out);
}

static inline int64_t now_ms(const struct rig *rig)
{
    return START_MS + (rig->now_ns - 5000 * NS_PER_S) / NS_PER_MS;
}

static inline void turn(struct rig *rig)
{
    redis_sink_turn(rig->sink, rig->now_ns, now_ms(rig));
}

static inline void pass_ms(struct rig *rig, int64_t ms)
{
    rig->now_ns += ms * NS_PER_MS;
    redis_sink_clock(rig->sink, rig->now_ns, now_ms(rig));
}

/* What was sent since the last look, with | for each end of line. */
static inline void expect_sent(struct rig *rig, const char *expected)
{
    struct buf seen = {0};

    for (size_t i = 0; i < rig->wire.out.len; i++) {
        char c = rig->wire.out.data[i];

        if (c == '\r')
            buf_append_char(&seen, '|');
        else if (c != '\n')
            buf_append_char(&seen, c);
    }
    assert_string_equal(buf_string(&seen), expected);
    buf_free(&seen);
    buf_reset(&rig->wire.out);
}

/* Only the commands' names and arguments. */
static inline void expect_commands(struct rig *rig, const char *expected)
{
    struct buf seen = {0};
    char *at = (char *)(uintptr_t)buf_string(&rig->wire.out);

    while (*at) {
        char *end = strstr(at, "\r\n");

        assert_non_null(end);
        *end = '\0';
        if (*at == '*' && seen.len)
            buf_append_slice(&seen, SLICE_LITERAL("; "));
        else if (*at != '*' && *at != '$')
            buf_printf(&seen, "%s%s", seen.len && seen.data[seen.len - 1] != ' ' ? " " : "", at);
        at = end + 2;
    }
    assert_string_equal(buf_string(&seen), expected);
    buf_free(&seen);
    buf_reset(&rig->wire.out);
}

static inline void answer(struct rig *rig, const char *text)
{
    redis_sink_received(rig->sink, 0, slice_of(text), rig->now_ns, now_ms(rig));
}

static inline void answer_info(struct rig *rig, const char *run_id)
{
    char text[200];
    char info[100];

    snprintf(info, sizeof(info), "# Server\r\nredis_mode:standalone\r\nrun_id:%s\r\n", run_id);
    snprintf(text, sizeof(text), "$%zu\r\n%s\r\n", strlen(info), info);
    answer(rig, text);
}

static inline void connect_as(struct rig *rig, const char *run_id)
{
    turn(rig);
    redis_sink_connected(rig->sink, 0, rig->now_ns);
    buf_reset(&rig->wire.out);
    answer_info(rig, run_id);
    assert_int_equal(gauge_get(&redis_sink_stats(rig->sink)->connected), 1);
}

static inline void rig_start(struct rig *rig)
{
    rig_init(rig);
    rig_open(rig);
    connect_as(rig, "first");
}

static inline void put(struct rig *rig, const char *key, int64_t end_ms, int64_t count, void **slot)
{
    struct row_value values[] = {int_value(count), double_value(0.5), text_value(ROW_STRING, "x")};
    struct row row = world_row(&rig->world, VIEW_PLAIN, key, end_ms, values);

    redis_sink_row(rig->sink, &row, PLAN_NONE, slot);
}

static inline void put_row(struct rig *rig, int view, int64_t end_ms,
                           const struct row_value *values, bool empty, void **slot)
{
    struct row row = world_row(&rig->world, view, "u", end_ms, values);

    row.empty = empty;
    redis_sink_row(rig->sink, &row, PLAN_NONE, slot);
}

static inline uint64_t count_of(const struct counter *counter)
{
    return counter_get(counter);
}

#define STATS(rig) redis_sink_stats((rig)->sink)

/* A key that Redis has, acknowledged. */
static inline void put_and_acknowledge(struct rig *rig, const char *key, void **slot)
{
    put(rig, key, 1000, 1, slot);
    turn(rig);
    answer(rig, ":5\r\n:1\r\n");
    buf_reset(&rig->wire.out);
    assert_true(redis_sink_idle(rig->sink));
}

#endif
