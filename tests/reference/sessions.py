"""The sessions of one key of one view (section 5).

A session is a set of events, each at most the view's gap from the next; it lasts from its first
event to one gap after its last. An event's own window, from its time to one gap later, merges with
every session that it touches and that is not closed yet. A closed one takes nothing in: an event
that touches it and is not late begins another.
"""

from .windows import window_closed


class Session:
    def __init__(self, gap, held):
        """`held`: anything with a `time`; at least one."""
        self.held = list(held)
        self.start = min(one.time for one in self.held)
        self.last = max(one.time for one in self.held)
        self.end = self.last + gap
        self.rows = 0  # that were emitted with these bounds

    @property
    def bounds(self):
        return self.start, self.end


class Sessions:
    def __init__(self, view):
        self.view = view
        self.all = []

    def touched(self, time, watermark):
        """The sessions that the event's own window merges with, in order of start."""
        found = [
            session
            for session in self.all
            if session.start <= time + self.view.gap
            and session.end >= time
            and not window_closed(self.view, session.end, watermark)
        ]
        return sorted(found, key=lambda session: session.start)

    def is_late(self, time, watermark):
        """The window is closed that it would be in after merging."""
        ends = [session.end for session in self.touched(time, watermark)]
        return window_closed(self.view, max([*ends, time + self.view.gap]), watermark)

    def add(self, held, watermark):
        """The session that holds the event from now on, and those that it was merged from: none,
        the same one, or several."""
        before = self.touched(held.time, watermark)
        if len(before) == 1 and before[0].start <= held.time <= before[0].last:
            before[0].held.append(held)
            return before[0], before
        merged = Session(self.view.gap, [held, *(one for old in before for one in old.held)])
        self.all = [session for session in self.all if session not in before] + [merged]
        return merged, before

    @property
    def newest(self):
        return max(self.all, key=lambda session: session.end)
