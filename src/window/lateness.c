#include "window/lateness.h"

bool is_late_for_all(const struct plan *plan, const struct plan_source *source, int64_t time_ms,
                     int64_t watermark_ms)
{
    /* A window ends after each time that it holds: mostly this decides. */
    if (watermark_ms < time_ms + source->allowed_lateness_ms)
        return false;
    for (uint32_t i = 0; i < source->view_count; i++) {
        if (!is_late(&plan->views[source->views[i]], source->allowed_lateness_ms, time_ms,
                     watermark_ms))
            return false;
    }
    return true;
}
