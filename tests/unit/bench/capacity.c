/* The arithmetic of freshet plan against an example that was worked by hand. */

#include <math.h>

#include "../support/testing.h"
#include "bench/capacity.h"

#define GIB (1024.0 * 1024 * 1024)
#define MIB (1024.0 * 1024)

static void near(double got, double wanted)
{
    if (!(fabs(got - wanted) <= 1e-9 * fmax(fabs(wanted), 1)))
        fail_msg("%.17g, not %.17g", got, wanted);
}

/* A bench's findings in round numbers. */
struct findings {
    struct bench_report report;
    struct bench_view views[2];
    struct bench_throughput runs[1];
    struct bench_memory memory[2];
    struct bench_rate rates[1];
};

static void findings_make(struct findings *f)
{
    report_init(&f->report);
    f->report.pipeline = "shop";
    f->report.created = "2026-01-01T00:00:00Z";
    f->report.host.cores = 8;
    f->report.host.memory_bytes = (int64_t)(32 * GIB);
    f->report.setup.record_bytes = 160;
    f->report.setup.checkpoint_every_s = 30;
    f->views[0] = (struct bench_view){.name = "fresh",
                                      .window = "sliding",
                                      .on_update = true,
                                      .size_s = 600,
                                      .slide_s = 60,
                                      .share = 0.5,
                                      .rows_per_event = 0.5};
    f->views[1] = (struct bench_view){
        .name = "hourly", .window = "tumbling", .size_s = 3600, .slide_s = 3600, .share = 1};
    f->report.views = f->views;
    f->report.views_count = 2;
    shape_clear(&shape_throughput, &f->runs[0]);
    f->runs[0] = (struct bench_throughput){
        .sink = "redis",
        .shards = 2,
        .records = 1000000,
        .rows = 2000000,
        .span_s = 3600,
        .events_per_s = 400000,
        .cpu_us = 5,
        .threads = {.shards_us = 4, .kafka_us = 0.75, .control_us = 0.25},
        .rss_empty_bytes = 44 * MIB,
        .store_memory_bytes = 10 * MIB,
        .redis_commands = 1000000,
        .redis_sent_bytes = 250e6,
        .redis_cpu_us = 3,
    };
    f->report.throughput = f->runs;
    f->report.throughput_count = 1;
    f->report.costs = (struct bench_costs){
        .sink = "redis", .event_us = 2, .row_us = 1, .split = true};
    f->memory[0] = (struct bench_memory){
        .keys = 20000, .events_per_key = 50, .arena_bytes = 25e6, .redis_bytes_per_key = 512};
    f->memory[1] = (struct bench_memory){
        .keys = 10000, .events_per_key = 50, .arena_bytes = 15e6, .redis_bytes_per_key = 512};
    f->report.memory = f->memory;
    f->report.memory_count = 2;
    shape_clear(&shape_rate, &f->rates[0]);
    f->rates[0].rows = 1000;
    f->rates[0].redis_commands = 800;
    f->report.latency.rates = f->rates;
    f->report.latency.rates_count = 1;
    f->report.latency.shards = 2;
    f->report.latency.knee_per_s = 100000;
    f->report.recovery = (struct bench_recovery){.measured = true,
                                                 .keys = 20000,
                                                 .disk_bytes = 20e6,
                                                 .store_memory_bytes = 22 * MIB,
                                                 .loaded_s = 0.5,
                                                 .ready_s = 3.5};
}

static double line_of(const struct bench_capacity *capacity, const char *name)
{
    for (uint32_t i = 0; i < capacity->lines_count; i++) {
        if (strcmp(capacity->lines[i].name, name) == 0)
            return capacity->lines[i].value;
    }
    fail_msg("no line %s", name);
    return NAN;
}

static bool has_note(const struct bench_capacity *capacity, const char *part)
{
    for (uint32_t i = 0; i < capacity->notes_count; i++) {
        if (strstr(capacity->notes[i].text, part))
            return true;
    }
    return false;
}

/* 3.6 M users at 200,000 events/s: a user has 200 events an hour, so each is active in each hour.
 *
 *   rows       fresh 200,000 × 0.5 = 100,000; hourly 3.6 M / 3600 s = 1,000
 *   CPU        2 + 1 × 101,000 / 200,000 = 2.505 us; 200,000 × 2.505 us / 0.5 = 1.002 cores
 *   shards     1.002 × 4/5 → 1; by latency 200,000 / (100,000 / 2) = 4; so 4
 *   cores      4 + max(⌈0.2004⌉, 1) = 5
 *   memory     slope (25 - 15) MB / 10,000 = 1000 B; fixed 44 + 22 + 256 MiB
 *              (3.6e9 / hosts + 322 MiB) / 0.5: one host needs 7.34 GiB
 *   Redis      0.8 commands a row (the rate's, above the run's 0.5): 80,800 a second;
 *              3 us × 1 M / 1 M = 3 us a command: 80,800 × 3 us / 0.5 = 0.4848 cores;
 *              3.6 M × 512 B / 0.5 = 3.433 GiB: 2 nodes of 2 GiB
 *   network    in 200,000 × (160 + 40) = 40 MB/s; out 80,800 × 250 B = 20.2 MB/s
 *   partitions max(4 × 4, ⌈40 / 10⌉) = 16
 *   carried    200,000 a shard × 5 / 2.505 × 4; outage of 60 s
 *   recovery   3.0 + 0.5 × 3.6 M / 20,000 = 93 s; disk 3.6 M × 1000 B */
static void an_example_is_as_by_hand(void **state)
{
    struct findings f = {0};
    struct plan_memory *memory = plan_memory_create();
    struct bench_capacity capacity;
    struct err err;
    const struct bench_wanted wanted = {.users = 3.6e6,
                                        .events_per_s = 200000,
                                        .headroom = 0.5,
                                        .redis_node_bytes = 2 * GIB,
                                        .outage_s = 60};
    double active = 1 - exp(-200.0);
    double rows = 100000 + 1000 * active;
    double cpu = 2 + rows / 200000;
    double carried = 200000 * 5 / cpu * 4;

    (void)state;
    findings_make(&f);
    assert_int_equal(capacity_plan(&f.report, &wanted, memory, &capacity, &err), 0);
    near(line_of(&capacity, "rows of fresh"), 100000);
    near(line_of(&capacity, "rows of hourly"), 1000 * active);
    near(line_of(&capacity, "CPU per event"), cpu);
    near(line_of(&capacity, "cores by CPU"), 200000 * cpu * 1e-6 / 0.5);
    near(line_of(&capacity, "shards by CPU"), 1);
    near(line_of(&capacity, "shards by latency"), 4);
    near(capacity.cores, 5);
    near(line_of(&capacity, "memory per user"), 1000);
    near(capacity.hosts, 1);
    near(capacity.memory_bytes, (3.6e9 + 322 * MIB) / 0.5);
    near(line_of(&capacity, "commands"), rows * 0.8);
    near(line_of(&capacity, "CPU of Redis"), rows * 0.8 * 3e-6 / 0.5);
    near(line_of(&capacity, "memory of Redis"), 3.6e6 * 512 / 0.5);
    near(capacity.redis_nodes, 2);
    near(capacity.network_in_bytes_per_s, 40e6);
    near(capacity.network_out_bytes_per_s, rows * 0.8 * 250);
    near(line_of(&capacity, "partitions"), 16);
    near(line_of(&capacity, "carried at most"), carried);
    near(line_of(&capacity, "catching up after an outage"), 200000 * 60 / (carried - 200000));
    near(line_of(&capacity, "recovery after kill -9"), 93);
    near(line_of(&capacity, "state.dir of a host"), 3.6e9);
    assert_true(has_note(&capacity, "200 events in 3600 s, in the bench 50"));
    assert_true(has_note(&capacity, "2 nodes"));
    plan_memory_free(memory);
}

/* 40 M users: 40 GB of state fit two hosts of 32 GiB at no less than half of it free only when
 * there are ⌈40e9 / (16 GiB - 322 MiB)⌉ = 3. */
static void memory_may_ask_for_more_hosts_than_cores(void **state)
{
    struct findings f = {0};
    struct plan_memory *memory = plan_memory_create();
    struct bench_capacity capacity;
    struct err err;
    const struct bench_wanted wanted = {.users = 40e6, .events_per_s = 50000, .headroom = 0.5};

    (void)state;
    findings_make(&f);
    assert_int_equal(capacity_plan(&f.report, &wanted, memory, &capacity, &err), 0);
    near(capacity.hosts, 3);
    assert_true(capacity.memory_bytes <= 32 * GIB);
    near(capacity.wanted.cores_per_host, 8);
    near(capacity.wanted.outage_s, CAPACITY_OUTAGE_S);
    plan_memory_free(memory);
}

static void what_cannot_be_planned_is_said(void **state)
{
    struct findings f = {0};
    struct plan_memory *memory = plan_memory_create();
    struct bench_capacity capacity;
    struct err err;
    struct bench_wanted wanted = {
        .users = 1, .events_per_s = 1, .headroom = 0.5, .memory_per_host_bytes = 64 * MIB};

    (void)state;
    findings_make(&f);
    assert_int_equal(capacity_plan(&f.report, &wanted, memory, &capacity, &err), -EINVAL);
    assert_non_null(strstr(err.text, "memory"));
    f.report.throughput_count = 0;
    assert_int_equal(capacity_plan(&f.report, &wanted, memory, &capacity, &err), -EINVAL);
    assert_non_null(strstr(err.text, "no throughput run"));
    plan_memory_free(memory);
}

static void a_load_beyond_what_is_carried_never_catches_up(void **state)
{
    struct findings f = {0};
    struct plan_memory *memory = plan_memory_create();
    struct bench_capacity capacity;
    struct buf text = {0};
    struct err err;
    const struct bench_wanted wanted = {.users = 1e6, .events_per_s = 400000, .headroom = 0.01};

    (void)state;
    findings_make(&f);
    f.report.latency.knee_per_s = NAN;
    f.report.latency.rates_count = 1;
    f.runs[0].events_per_s = 20000; /* a busy host: far below what its CPU would give */
    assert_int_equal(capacity_plan(&f.report, &wanted, memory, &capacity, &err), 0);
    assert_true(isinf(line_of(&capacity, "catching up after an outage")));
    assert_true(has_note(&capacity, "No measured rate"));
    capacity_print(&capacity, &text);
    assert_non_null(strstr(buf_string(&text), "never"));
    buf_free(&text);
    plan_memory_free(memory);
}

/* Rows of each kind of window: users 1000, 10 events/s, half of them enter; 0.005/s a user. */
static void rows_follow_from_the_window(void **state)
{
    struct bench_view view = {.window = "sliding", .size_s = 200, .slide_s = 20, .share = 0.5};

    (void)state;
    near(capacity_view_rows(&view, 1000, 10), 1000 * (1 - exp(-1)) / 20);
    view = (struct bench_view){.window = "session", .size_s = 200, .share = 0.5};
    near(capacity_view_rows(&view, 1000, 10), 5 * exp(-1));
    view = (struct bench_view){
        .window = "sliding", .on_update = true, .share = 0.5, .rows_per_event = 0.75};
    near(capacity_view_rows(&view, 1000, 10), 7.5);
}

static void figure_is(double value, const char *unit, const char *wanted)
{
    struct buf text = {0};

    figure_print(&text, value, unit);
    assert_string_equal(buf_string(&text), wanted);
    buf_free(&text);
}

static void figures_are_as_people_write_them(void **state)
{
    (void)state;
    figure_is(1234567, "events/s", "1,234,567 events/s");
    figure_is(1, "hosts", "1 host");
    figure_is(2, "hosts", "2 hosts");
    figure_is(1, "events/s", "1 events/s");
    figure_is(1, "s", "1 s");
    figure_is(0.1234, "ms", "0.123 ms");
    figure_is(1536, "bytes", "1.5 KiB");
    figure_is(3 * GIB, "bytes/s", "3 GiB/s");
    figure_is(999, "bytes", "999 B");
    figure_is(NAN, "ms", "not measured");
    figure_is(5, "", "5");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_example_is_as_by_hand),
        cmocka_unit_test(memory_may_ask_for_more_hosts_than_cores),
        cmocka_unit_test(what_cannot_be_planned_is_said),
        cmocka_unit_test(a_load_beyond_what_is_carried_never_catches_up),
        cmocka_unit_test(rows_follow_from_the_window),
        cmocka_unit_test(figures_are_as_people_write_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
