#include "window/lateness.h"

enum lateness lateness_of(const struct plan *plan, const struct plan_source *source,
                          int64_t time_ms, int64_t watermark_ms)
{
    enum lateness lateness = LATE_FOR_ALL;

    /* A window ends after each time that it holds: mostly this decides. */
    if (watermark_ms < time_ms + MIN(source->allowed_lateness_ms, plan->state.ttl_ms))
        return LATE_FOR_NONE;
    for (uint32_t i = 0; i < source->view_count; i++) {
        const struct plan_view *view = &plan->views[source->views[i]];
        bool is_lifetime = view->window == WINDOW_LIFETIME;

        if (is_lifetime ? watermark_ms < time_ms + plan->state.ttl_ms
                        : !is_late(view, source->allowed_lateness_ms, time_ms, watermark_ms))
            return LATE_FOR_NONE;
        if (is_lifetime || view->window == WINDOW_SESSION)
            lateness = LATE_UNDECIDED;
    }
    return lateness;
}
