"""Which rows one key of one view emits, and when (sections 5 and 7).

Time inside a key group is its sequence of events. An *instant* is the position of an event in it:
at instant i event i is judged by the watermark before it, then applied, then the watermark moves,
then the windows fire that are due. A `Clock` says where the watermark stood. A key group of an
aligned source is a partition, so every instant is known. Of a shuffled one only the end is defined:
there the clock says that all events came first and the watermark moved after the last, which yields
just the last revision of each row.
"""

from bisect import bisect_left, insort
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import NamedTuple

from .aggregates import evaluate
from .windows import floor_boundary, next_boundary, trailing_start, window_closed, window_ends

NEVER = float("-inf")  # a watermark before the first event


class Held(NamedTuple):
    """An event as a view holds it. The first three give the order of section 6."""

    time: int
    partition: int
    offset: int
    inputs: tuple


class Arrival(NamedTuple):
    """An event that a view takes: it is not late for it and passes its `where`."""

    instant: int
    watermark: float  # of its own partition, before it
    held: Held


@dataclass(slots=True)
class Row:
    """One emitted result. `instant` is when; `reached` is false if the end of a bounded run, not
    the watermark, made it fire."""

    key: str
    start: int
    end: int
    revision: int
    empty: bool
    values: dict
    instant: int
    reached: bool = True


class Clock:
    """The watermark of a key group: `after[i]` is where it stands when event i has been applied."""

    def __init__(self, after):
        self.after = after

    @property
    def end(self):
        """The instant of what happens when all events have come."""
        return len(self.after)

    @property
    def final(self):
        return self.after[-1] if self.after else NEVER

    def before(self, instant):
        return self.after[instant - 1] if instant else NEVER

    def reaching(self, time):
        """The instant at which the watermark reaches `time`, None if it never does."""
        instant = bisect_left(self.after, time)
        return instant if instant < len(self.after) else None


def rows_of_key(view, key, arrivals, clock, bounded):
    """All rows of one key, in order of their instants."""
    emit = _on_update if view.on_update else _on_close
    rows = emit(view, key, arrivals, clock, bounded)
    return sorted(rows, key=lambda row: (row.instant, row.end, row.revision))


def _on_close(view, key, arrivals, clock, bounded):
    # An event enters just those of its windows that its own partition's watermark has not closed.
    entered = defaultdict(list)  # window end → arrivals
    for arrival in arrivals:
        for end in window_ends(view, arrival.held.time):
            if not window_closed(view, end, arrival.watermark):
                entered[end].append(arrival)
    # A window without an event has a row only if the one before it holds one.
    for end in entered.keys() | {end + view.slide for end in entered}:
        mine = entered.get(end, ())
        before = entered.get(end - view.slide, ())
        yield from _rows_of_window(view, key, end, mine, before, clock, bounded)


def _rows_of_window(view, key, end, mine, before, clock, bounded):
    """The rows of the window ending at `end`: `mine` entered it, `before` the one before it."""

    def row(revision, instant, arrivals, reached=True):
        held = sorted(arrival.held for arrival in arrivals)
        return Row(
            key=key,
            start=end - view.size,
            end=end,
            revision=revision,
            empty=not held,
            values=evaluate(view, held),
            instant=instant,
            reached=reached,
        )

    fires = clock.reaching(end)
    if fires is None:
        # End of a bounded run: every window that holds an event fires; no empty row beyond the
        # last watermark.
        if mine and bounded:
            yield row(0, clock.end, mine, reached=False)
        return

    revision = 0
    on_time = [arrival for arrival in mine if arrival.instant <= fires]
    if on_time:
        yield row(revision, fires, on_time)
        revision += 1
    elif before:
        # The first window without an event, after one with: an empty row when the watermark is at
        # its end and the one before it holds an event, unless an event has entered it by then.
        instant = max(fires, before[0].instant)
        if not mine or mine[0].instant > instant:
            yield row(revision, instant, ())
            revision += 1

    # Again for each allowed late event that enters it after that.
    for count in range(len(on_time) + 1, len(mine) + 1):
        yield row(revision, mine[count - 1].instant, mine[:count])
        revision += 1


def _on_update(view, key, arrivals, clock, bounded):
    trailing = _Trailing(view, key)
    for arrival in arrivals:
        watermark = clock.before(arrival.instant)
        yield from trailing.expire(watermark, clock)
        yield from trailing.add(arrival, watermark)
    yield from trailing.expire(clock.final, clock)
    if bounded:
        yield from trailing.run_out(clock)


class _Trailing:
    """The trailing window of one key of an on_update view."""

    def __init__(self, view, key):
        self.view = view
        self.key = key
        self.held = []  # all events so far, in order
        self.newest = NEVER  # event time
        self.looked = NEVER  # slide boundaries up to here have been looked at
        self.shown = evaluate(view, [])  # the values of the previous row
        self.revisions = Counter()  # by bounds: rows with equal bounds count revisions

    def add(self, arrival, watermark):
        """The row of an event: T is the key's newest event time, or the last slide boundary that
        the watermark reached, if that is later. An event older than the window emits none."""
        insort(self.held, arrival.held)
        self.newest = max(self.newest, arrival.held.time)
        time = self.newest
        if watermark != NEVER:
            time = max(time, floor_boundary(self.view, watermark))
        start = trailing_start(self.view, time)
        if arrival.held.time >= start:
            inside = self._inside(start)
            values = evaluate(self.view, inside)
            yield self._row(start, time, inside, values, arrival.instant)

    def expire(self, watermark, clock):
        """A row at each slide boundary that the watermark reaches, later than the newest event, if
        it changes the values."""
        for boundary, start, inside, values in self._changes(watermark):
            instant = clock.reaching(boundary)
            yield self._row(start, boundary, inside, values, instant)
        self.looked = watermark

    def run_out(self, clock):
        """The end of a bounded run: time goes on until the window would hold nothing."""
        for boundary, start, inside, values in self._changes(float("inf")):
            if not inside:
                return
            yield self._row(start, boundary, inside, values, clock.end, reached=False)

    def _changes(self, watermark):
        """The boundaries up to `watermark` at which the values are no longer those shown."""
        if not self.held or watermark == NEVER:
            return
        boundary = next_boundary(self.view, max(self.looked, self.newest))
        while boundary <= watermark:
            start = trailing_start(self.view, boundary)
            inside = self._inside(start)
            values = evaluate(self.view, inside)
            if values != self.shown:
                yield boundary, start, inside, values
            if not inside:
                return  # nothing is left that could change
            boundary += self.view.slide

    def _inside(self, start):
        return self.held[bisect_left(self.held, (start,)) :]

    def _row(self, start, time, inside, values, instant, reached=True):
        self.shown = values
        revision = self.revisions[start, time]
        self.revisions[start, time] += 1
        return Row(self.key, start, time, revision, not inside, values, instant, reached)
