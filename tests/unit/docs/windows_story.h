/* windows_story - the same few events through a view of each kind of window: its rows, worked out
 * by hand here from what docs/FEATURES.md says of windows. */
#ifndef FRESHET_TESTS_WINDOWS_STORY_H
#define FRESHET_TESTS_WINDOWS_STORY_H

#include "base/iso8601.h"
#include "story.h"

#define WINDOWS_SOURCE                                                                             \
    "pipeline: windows\n"                                                                          \
    "kafka: {}\n"                                                                                  \
    "sources:\n"                                                                                   \
    "  events:\n"                                                                                  \
    "    topic: events\n"                                                                          \
    "    partitioning: aligned\n"                                                                  \
    "    entity: user\n"                                                                           \
    "    time: {field: time, unit: iso8601}\n"                                                     \
    "    fields: {user: string, number: int64}\n"                                                  \
    "    allowed_lateness: 20m\n"                                                                  \
    "state: {ttl: 1h}\n"                                                                           \
    "views:\n"

static const struct told_view {
    const char *name;
    const char *window;
    const char *emit;
} told_views[] = {
    {"tumbling", "{tumbling: 30m}", "on_close"},
    {"sliding", "{sliding: 30m, every: 10m}", "on_close"},
    {"session", "{session: 10m}", "on_close"},
    {"tumbling_now", "{tumbling: 30m}", "on_update"},
    {"sliding_now", "{sliding: 30m, every: 10m}", "on_update"},
    {"session_now", "{session: 10m}", "on_update"},
    {"ever", "lifetime", "on_update"},
};

/* In the order of their offsets, numbered from 1. */
static const struct told_event {
    const char *user;
    const char *time;
    const char *watermark; /* just before it */
    const char *remark;
} told_events[] = {
    {"ann", "10:02", "", ""},
    {"ann", "10:08", "10:02", ""},
    {"bob", "10:20", "10:08", "moves the watermark: only `ann` has rows below"},
    {"ann", "10:25", "10:20", ""},
    {"bob", "10:36", "10:25", ""},
    {"ann", "10:16", "10:36", "behind, not late: joins two sessions"},
    {"ann", "10:05", "10:36", "alone it would be late; the session that it joins is open"},
    {"bob", "11:30", "10:36", ""},
    {"ann", "10:40", "11:30", "late for every view but `ever`"},
};

enum row_flag { PLAIN, EMPTY, RETRACTED };

/* The rows of ann. */
static const struct told_row {
    const char *view;
    int after; /* the event behind which it comes */
    const char *start;
    const char *end;
    uint32_t revision;
    enum row_flag flag;
    const char *count;
    const char *numbers;
    const char *why;
} told_rows[] = {
    {"tumbling", 5, "10:00", "10:30", 0, PLAIN, "3", "[1,2,4]", "the watermark has passed 10:30"},
    {"tumbling", 6, "10:00", "10:30", 1, PLAIN, "4", "[1,2,6,4]", "open until 10:50"},
    {"tumbling", 7, "10:00", "10:30", 2, PLAIN, "5", "[1,7,2,6,4]", ""},
    {"tumbling", 8, "10:30", "11:00", 0, EMPTY, "0", "[]",
     "the first without an event; the next one, up to 11:30, has no row"},

    {"sliding", 3, "09:40", "10:10", 0, PLAIN, "2", "[1,2]", "each slide whose window holds one"},
    {"sliding", 3, "09:50", "10:20", 0, PLAIN, "2", "[1,2]", ""},
    {"sliding", 5, "10:00", "10:30", 0, PLAIN, "3", "[1,2,4]", ""},
    {"sliding", 6, "09:50", "10:20", 1, PLAIN, "3", "[1,2,6]", "the fired windows of 10:16"},
    {"sliding", 6, "10:00", "10:30", 1, PLAIN, "4", "[1,2,6,4]", ""},
    {"sliding", 7, "09:50", "10:20", 2, PLAIN, "4", "[1,7,2,6]",
     "those of 10:05 but the one up to 10:10, closed since 10:30"},
    {"sliding", 7, "10:00", "10:30", 2, PLAIN, "5", "[1,7,2,6,4]", ""},
    {"sliding", 8, "10:10", "10:40", 0, PLAIN, "2", "[6,4]",
     "what came behind is in those that fire later, too"},
    {"sliding", 8, "10:20", "10:50", 0, PLAIN, "1", "[4]", ""},
    {"sliding", 8, "10:30", "11:00", 0, EMPTY, "0", "[]", "the first without an event"},

    {"session", 3, "10:02", "10:18", 0, PLAIN, "2", "[1,2]", "10:08 + 10m has passed"},
    {"session", 5, "10:25", "10:35", 0, PLAIN, "1", "[4]", ""},
    {"session", 6, "10:02", "10:18", 1, RETRACTED, "2", "[1,2]",
     "10:16 is within 10m of 10:08 and of 10:25: both are withdrawn as they were"},
    {"session", 6, "10:25", "10:35", 1, RETRACTED, "1", "[4]", ""},
    {"session", 6, "10:02", "10:35", 0, PLAIN, "4", "[1,2,6,4]", "the one that they are now"},
    {"session", 7, "10:02", "10:35", 1, PLAIN, "5", "[1,7,2,6,4]",
     "the bounds stay: nothing to withdraw"},

    {"tumbling_now", 1, "10:00", "10:02", 0, PLAIN, "1", "[1]", ""},
    {"tumbling_now", 2, "10:00", "10:08", 0, PLAIN, "2", "[1,2]", ""},
    {"tumbling_now", 4, "10:00", "10:25", 0, PLAIN, "3", "[1,2,4]", ""},
    {"tumbling_now", 5, "10:30", "10:30", 0, EMPTY, "0", "[]",
     "its window has ended; events 6 and 7 are older than what it shows"},

    {"sliding_now", 1, "09:30", "10:02", 0, PLAIN, "1", "[1]", "from 10:00 − 30m on"},
    {"sliding_now", 2, "09:30", "10:08", 0, PLAIN, "2", "[1,2]", ""},
    {"sliding_now", 4, "09:50", "10:25", 0, PLAIN, "3", "[1,2,4]", "from 10:20 − 30m on"},
    {"sliding_now", 6, "10:00", "10:30", 0, PLAIN, "4", "[1,2,6,4]",
     "10:30 is a slide that the watermark has reached"},
    {"sliding_now", 7, "10:00", "10:30", 1, PLAIN, "5", "[1,7,2,6,4]", ""},
    {"sliding_now", 8, "10:10", "10:40", 0, PLAIN, "2", "[6,4]", "10:02, 10:05, 10:08 drop out"},
    {"sliding_now", 8, "10:20", "10:50", 0, PLAIN, "1", "[4]", "10:16 drops out"},
    {"sliding_now", 8, "10:30", "11:00", 0, EMPTY, "0", "[]", "10:25 drops out"},

    {"session_now", 1, "10:02", "10:02", 0, PLAIN, "1", "[1]", ""},
    {"session_now", 2, "10:02", "10:08", 0, PLAIN, "2", "[1,2]", ""},
    {"session_now", 3, "10:18", "10:18", 0, EMPTY, "0", "[]", "the session has ended"},
    {"session_now", 4, "10:25", "10:25", 0, PLAIN, "1", "[4]", ""},
    {"session_now", 5, "10:35", "10:35", 0, EMPTY, "0", "[]",
     "what 6 and 7 join has ended, too: no row"},

    {"ever", 1, "10:02", "10:02", 0, PLAIN, "1", "[1]", "from the oldest to the newest event"},
    {"ever", 2, "10:02", "10:08", 0, PLAIN, "2", "[1,2]", ""},
    {"ever", 4, "10:02", "10:25", 0, PLAIN, "3", "[1,2,4]", ""},
    {"ever", 6, "10:02", "10:25", 1, PLAIN, "4", "[1,2,6,4]", ""},
    {"ever", 7, "10:02", "10:25", 2, PLAIN, "5", "[1,7,2,6,4]", ""},
    {"ever", 9, "10:40", "10:40", 0, PLAIN, "1", "[9]",
     "11:30 ≥ 10:25 + `state.ttl`: that state is gone, a new one begins"},
};

static inline void windows_pipeline(struct buf *out)
{
    buf_printf(out, "%s", WINDOWS_SOURCE);
    for (size_t i = 0; i < ARRAY_LEN(told_views); i++) {
        const struct told_view *view = &told_views[i];

        buf_printf(out,
                   "  %s:\n    source: events\n    window: %s\n    emit: %s\n"
                   "    features: {%s.count: {count: true}, %s.events: {list: number}}\n",
                   view->name, view->window, view->emit, view->name, view->name);
    }
}

/* "10:02" → ms */
static inline int64_t time_of(const char *time)
{
    int hour = 0;
    int minute = 0;

    assert_int_equal(sscanf(time, "%2d:%2d", &hour, &minute), 2);
    return INT64_C(1767225600000) + (hour * 60 + minute) * INT64_C(60000); /* 2026-01-01 */
}

static inline void print_time(struct buf *out, int64_t ms)
{
    int minutes = (int)((ms - time_of("00:00")) / 60000);

    if (ms == WATERMARK_NONE)
        return;
    assert_int_equal(time_of("00:00") + minutes * INT64_C(60000), ms);
    buf_printf(out, "%02d:%02d", minutes / 60, minutes % 60);
}

static inline void windows_begin(struct story *story)
{
    struct buf text = {0};

    windows_pipeline(&text);
    story_begin(story, buf_string(&text));
    buf_free(&text);
}

static inline void windows_event(struct story *story, int number)
{
    const struct told_event *event = &told_events[number - 1];
    struct buf json = {0};

    buf_printf(&json, "{\"user\":\"%s\",\"time\":\"2026-01-01T%s:00Z\",\"number\":%d}", event->user,
               event->time, number);
    story_event(story, buf_slice(&json));
    buf_free(&json);
}

static inline void windows_tell(struct story *story)
{
    windows_begin(story);
    for (int number = 1; number <= (int)ARRAY_LEN(told_events); number++)
        windows_event(story, number);
}

static inline bool is_of(const struct story *story, const struct story_row *row, const char *view)
{
    return strcmp(story->plan->views[row->view].name, view) == 0 &&
           slice_equal(buf_slice(&row->key), SLICE_LITERAL("ann"));
}

#endif
