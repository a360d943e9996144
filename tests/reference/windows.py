"""Bounds of tumbling and sliding windows, aligned to the epoch plus the view's offset.

A window [end - size, end) holds the events start <= time < end. Ends lie on slide boundaries. A
tumbling window is one whose slide is its size.
"""


def floor_boundary(view, time):
    """The last slide boundary at or before `time`."""
    return (time - view.offset) // view.slide * view.slide + view.offset


def next_boundary(view, time):
    """The first slide boundary after `time`."""
    return floor_boundary(view, time) + view.slide


def window_ends(view, time):
    """The ends of all windows that cover `time`, the oldest first."""
    first = next_boundary(view, time)
    return range(first, first + view.size, view.slide)


def trailing_start(view, time):
    """Where the trailing window of an on_update view begins when it ends at `time`: sliding, it
    covers floor(time, slide) - size and all that is newer, tumbling from floor(time, size) on."""
    boundary = floor_boundary(view, time)
    return boundary if view.kind == "tumbling" else boundary - view.size


def is_late(view, time, watermark):
    """All windows of the event are closed: its newest one is."""
    return window_closed(view, window_ends(view, time)[-1], watermark)


def window_closed(view, end, watermark):
    return watermark >= end + view.source.allowed_lateness
