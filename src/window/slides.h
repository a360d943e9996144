/* slides - event time cut into slides of equal length, aligned to the epoch plus an offset.
 *
 *   boundary      b-2        b-1         b         b+1
 *   ───────────────┼──────────┼──────────┼──────────┼────▶ event time
 *   pane                b-2   │   b-1    │    b     │
 *                  [──────── window b ───)                 size = 2 slides, here
 *
 * Pane p holds the times from boundary p up to, and without, boundary p + 1. A window of n slides
 * is named by the boundary at which it ends: window b holds the panes b - n … b - 1. So a pane p is
 * in the windows p + 1 … p + n. Boundaries are int64 counts of slides; times are int64 ms. */
#ifndef FRESHET_WINDOW_SLIDES_H
#define FRESHET_WINDOW_SLIDES_H

#include <stdint.h>

struct slides {
    int64_t slide_ms;  /* > 0 */
    int64_t offset_ms; /* 0 .. slide_ms - 1 */
    int64_t last;      /* the last answer: times come in clusters */
    int64_t last_start_ms;
};

static inline int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static inline struct slides slides_of(int64_t slide_ms, int64_t offset_ms)
{
    return (struct slides){
        .slide_ms = slide_ms, .offset_ms = offset_ms, .last = 0, .last_start_ms = offset_ms};
}

/* The pane that holds the time, which is also the last boundary at or before it. */
static inline int64_t slides_index(struct slides *slides, int64_t ms)
{
    if ((uint64_t)(ms - slides->last_start_ms) >= (uint64_t)slides->slide_ms) {
        slides->last = floor_div(ms - slides->offset_ms, slides->slide_ms);
        slides->last_start_ms = slides->last * slides->slide_ms + slides->offset_ms;
    }
    return slides->last;
}

static inline int64_t slides_boundary_ms(const struct slides *slides, int64_t boundary)
{
    return boundary * slides->slide_ms + slides->offset_ms;
}

#endif
