/* Slides, lateness and idle clocks against the words of the design, window by window. */
#include "../support/plan_text.h"

#include "window/idle.h"
#include "window/lateness.h"

static int64_t floor_by_hand(int64_t a, int64_t b)
{
    int64_t rest = a % b;

    return rest < 0 ? (a - rest) / b - 1 : (a - rest) / b;
}

/* Times in clusters, as they come, and the ends of what is possible. */
static int64_t random_time(int64_t near, int64_t slide_ms)
{
    switch (random_below(8)) {
    case 0:
        return WATERMARK_NONE + (int64_t)random_below(100);
    case 1:
        return WATERMARK_END - (int64_t)random_below(100);
    case 2:
        return random_between(0, EVENT_TIME_MAX_MS);
    case 3: /* at a boundary, and beside it */
        return floor_by_hand(near, slide_ms) * slide_ms + random_between(-1, 1);
    default:
        return near + random_between(-2 * slide_ms, 2 * slide_ms);
    }
}

static void a_time_is_in_the_slide_that_begins_at_or_before_it(void **state)
{
    (void)state;
    for (FIRST_SEED; MORE_SEEDS(1000); NEXT_SEED) {
        int64_t slide_ms = 1 + (int64_t)(random_bits() % PLAN_WINDOW_MAX_MS);
        int64_t offset_ms = (int64_t)random_below((uint64_t)slide_ms);
        int64_t near = random_chance(30) ? 0 : random_between(0, EVENT_TIME_MAX_MS);
        struct slides slides = slides_of(slide_ms, offset_ms);

        for (int i = 0; i < 50; i++) {
            int64_t time_ms = random_time(near, slide_ms);
            int64_t index = slides_index(&slides, time_ms);

            ENSURE_INT(index, floor_by_hand(time_ms - offset_ms, slide_ms));
            ENSURE(slides_boundary_ms(&slides, index) <= time_ms);
            ENSURE(slides_boundary_ms(&slides, index + 1) > time_ms);
        }
    }
}

static void a_new_slides_knows_the_slide_of_0(void **state)
{
    struct slides slides = slides_of(10, 3);

    (void)state;
    assert_int_equal(slides_index(&slides, 3), 0);
    assert_int_equal(slides_index(&slides, 12), 0);
    assert_int_equal(slides_index(&slides, 13), 1);
    assert_int_equal(slides_index(&slides, 2), -1);
    assert_int_equal(slides_index(&slides, -7), -1);
    assert_int_equal(slides_index(&slides, -8), -2);
    assert_int_equal(slides_boundary_ms(&slides, -1), -7);
}

#define VIEWS 4

struct window {
    int64_t size_ms;
    int64_t slide_ms;
    int64_t offset_ms;
};

/* A plan with such windows; tumbling ones have slide 0 here. */
static struct plan *plan_of_windows(struct window *windows, int64_t lateness_ms)
{
    struct buf text = {0};

    buf_printf(&text,
               "pipeline: p\nkafka: {}\nsources:\n  s: {topic: t, entity: user, time: {field: ts}, "
               "fields: {user: string}, allowed_lateness: %" PRId64 "ms}\nviews:\n",
               lateness_ms);
    for (int i = 0; i < VIEWS; i++) {
        buf_printf(&text, "  v%d: {source: s, window: {", i);
        if (windows[i].slide_ms)
            buf_printf(&text, "sliding: %" PRId64 "ms, every: %" PRId64 "ms", windows[i].size_ms,
                       windows[i].slide_ms);
        else
            buf_printf(&text, "tumbling: %" PRId64 "ms", windows[i].size_ms);
        buf_printf(&text, ", offset: %" PRId64 "ms}, features: {n%d: {count: true}}}\n",
                   windows[i].offset_ms, i);
        if (!windows[i].slide_ms)
            windows[i].slide_ms = windows[i].size_ms;
    }
    struct plan *plan = plan_of_text(buf_string(&text));

    buf_free(&text);
    return plan;
}

/* Whether each window that holds the time is closed: looked at one by one, from long before. */
static bool all_closed(const struct window *window, int64_t lateness_ms, int64_t time_ms,
                       int64_t watermark_ms)
{
    int64_t end_ms = time_ms - 3 * window->size_ms;

    while (floor_by_hand(end_ms - window->offset_ms, window->slide_ms) * window->slide_ms !=
           end_ms - window->offset_ms)
        end_ms++;
    for (; end_ms <= time_ms + window->size_ms + window->slide_ms; end_ms += window->slide_ms) {
        bool holds = end_ms - window->size_ms <= time_ms && time_ms < end_ms;

        if (holds && watermark_ms < end_ms + lateness_ms)
            return false;
    }
    return true;
}

static void random_windows(struct window *windows)
{
    for (int i = 0; i < VIEWS; i++) {
        int64_t slide_ms = random_between(1, 20);

        windows[i] = (struct window){.size_ms = slide_ms * random_between(1, 6),
                                     .slide_ms = random_chance(30) ? 0 : slide_ms,
                                     .offset_ms = random_between(-30, 30)};
    }
}

static void an_event_is_late_when_all_its_windows_are_closed(void **state)
{
    (void)state;
    for (FIRST_SEED; MORE_SEEDS(200); NEXT_SEED) {
        int64_t lateness_ms = random_chance(30) ? 0 : (int64_t)random_below(60);
        struct window windows[VIEWS];

        random_windows(windows);
        struct plan *plan = plan_of_windows(windows, lateness_ms);
        const struct plan_source *source = &plan->sources[0];

        for (int event = 0; event < 50; event++) {
            int64_t time_ms = (int64_t)random_below(200);
            int64_t watermark_ms = random_chance(3) ? WATERMARK_NONE
                                                    : time_ms + random_between(-50, 300);
            bool late_for_all = true;

            for (int i = 0; i < VIEWS; i++) {
                bool wanted = all_closed(&windows[i], lateness_ms, time_ms, watermark_ms);

                ENSURE_INT(is_late(&plan->views[i], lateness_ms, time_ms, watermark_ms), wanted);
                late_for_all = late_for_all && wanted;
            }
            ENSURE_INT(lateness_of(plan, source, time_ms, watermark_ms) == LATE_FOR_ALL,
                       late_for_all);
        }
        ENSURE_INT(lateness_of(plan, source, 0, WATERMARK_END), LATE_FOR_ALL);
        ENSURE_INT(lateness_of(plan, source, EVENT_TIME_MAX_MS, WATERMARK_NONE), LATE_FOR_NONE);
        plan_free(plan);
    }
}

/* Of a session view the session that the time alone makes counts: an older one may still be open.
 */
static void a_session_is_closed_by_its_gap(void **state)
{
    struct plan *plan = plan_of_text(
        "pipeline: p\nkafka: {}\nsources:\n"
        "  s: {topic: t, entity: user, time: {field: ts}, fields: {user: string}, "
        "allowed_lateness: 5ms}\n"
        "views:\n  v: {source: s, window: {session: 30ms}, features: {n: {count: true}}}\n");
    const struct plan_source *source = &plan->sources[0];

    (void)state;
    assert_false(is_late(&plan->views[0], 5, 100, 134));
    assert_true(is_late(&plan->views[0], 5, 100, 135));
    assert_int_equal(lateness_of(plan, source, 100, 134), LATE_FOR_NONE);
    assert_int_equal(lateness_of(plan, source, 100, 135), LATE_UNDECIDED);
    plan_free(plan);
}

/* And so no event of its source is late for all. */
static void nothing_is_late_for_a_lifetime(void **state)
{
    struct plan *plan = plan_of_text(
        "pipeline: p\nkafka: {}\nsources:\n"
        "  s: {topic: t, entity: user, time: {field: ts}, fields: {user: string}}\n"
        "views:\n"
        "  v: {source: s, window: {session: 30ms}, features: {n: {count: true}}}\n"
        "  w: {source: s, window: lifetime, emit: on_update, features: {m: {count: true}}}\n");

    (void)state;
    assert_false(is_late(&plan->views[1], 0, 0, WATERMARK_END));
    assert_int_equal(lateness_of(plan, &plan->sources[0], 0, WATERMARK_END), LATE_FOR_NONE);
    plan_free(plan);
}

#define PARTITIONS 5

/* The least watermark of the active partitions; all being idle, its own and the time of silence. */
static void an_idle_partition_keeps_the_time_of_the_others(void **state)
{
    struct source_clock clock;

    (void)state;
    for (FIRST_SEED; MORE_SEEDS(2000); NEXT_SEED) {
        int64_t watermarks[PARTITIONS];
        int64_t least_ms = INT64_MAX;
        int64_t silence_ms = (int64_t)random_below(100000);
        bool has_active = false;

        source_clock_init(&clock, PARTITIONS);
        for (int32_t i = 0; i < PARTITIONS; i++) {
            bool none = random_chance(10);
            enum partition_mood mood = random_chance(30) ? PARTITION_ACTIVE
                                                         : (enum partition_mood)random_below(3);

            watermarks[i] = none ? WATERMARK_NONE : (int64_t)random_below(1000000);
            source_clock_publish(&clock, i, 5, PARTITION_ACTIVE); /* does not matter any more */
            source_clock_publish(&clock, i, watermarks[i], mood);
            if (mood == PARTITION_ACTIVE) {
                has_active = true;
                least_ms = MIN(least_ms, watermarks[i]);
            }
        }
        for (int i = 0; i < PARTITIONS; i++) {
            int64_t own_ms = watermarks[i];
            int64_t wanted = has_active                 ? least_ms
                             : own_ms == WATERMARK_NONE ? WATERMARK_NONE
                                                        : own_ms + silence_ms;

            ENSURE_INT(source_clock_idle_ms(&clock, own_ms, silence_ms), wanted);
        }
        source_clock_done(&clock);
    }
}

static void partitions_are_absent_at_first(void **state)
{
    struct source_clock clock;

    (void)state;
    source_clock_init(&clock, 2);
    assert_int_equal(source_clock_idle_ms(&clock, 100, 7), 107);
    assert_true(source_clock_idle_ms(&clock, WATERMARK_NONE, 7) == WATERMARK_NONE);
    source_clock_publish(&clock, 0, 50, PARTITION_ACTIVE);
    assert_int_equal(source_clock_idle_ms(&clock, 100, 7), 50);
    source_clock_publish(&clock, 0, 50, PARTITION_ABSENT);
    assert_int_equal(source_clock_idle_ms(&clock, 100, 7), 107);
    source_clock_done(&clock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_time_is_in_the_slide_that_begins_at_or_before_it),
        cmocka_unit_test(a_new_slides_knows_the_slide_of_0),
        cmocka_unit_test(an_event_is_late_when_all_its_windows_are_closed),
        cmocka_unit_test(a_session_is_closed_by_its_gap),
        cmocka_unit_test(nothing_is_late_for_a_lifetime),
        cmocka_unit_test(an_idle_partition_keeps_the_time_of_the_others),
        cmocka_unit_test(partitions_are_absent_at_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
