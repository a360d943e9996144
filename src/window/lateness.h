/* lateness - which windows an event may still enter. Judged by the watermark of the event's own
 * partition, just before the event. */
#ifndef FRESHET_WINDOW_LATENESS_H
#define FRESHET_WINDOW_LATENESS_H

#include "plan/plan.h"
#include "window/slides.h"

/* A window is closed when watermark >= its end + allowed lateness. */

/* True if all windows of the view that hold the time are closed. Of a session view: those that the
 * time alone makes; a session that the event joins may still be open. */
static inline bool is_late(const struct plan_view *view, int64_t allowed_lateness_ms,
                           int64_t time_ms, int64_t watermark_ms)
{
    int64_t last_end_ms;

    if (view->window == WINDOW_LIFETIME) /* what its key's state, if there is any, may take */
        return false;
    if (view->window == WINDOW_SESSION) {
        last_end_ms = time_ms + view->gap_ms;
    } else {
        int64_t pane = floor_div(time_ms - view->offset_ms, view->slide_ms);

        last_end_ms = (pane + view->panes) * view->slide_ms + view->offset_ms;
    }
    return watermark_ms >= last_end_ms + allowed_lateness_ms;
}

enum lateness {
    LATE_FOR_NONE,  /* some view takes it */
    LATE_FOR_ALL,   /* no view does */
    LATE_UNDECIDED, /* only sessions or lifetimes may: it depends on the key's state */
};

/* What the time alone tells of an event of the source. */
enum lateness lateness_of(const struct plan *plan, const struct plan_source *source,
                          int64_t time_ms, int64_t watermark_ms);

#endif
